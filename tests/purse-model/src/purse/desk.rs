//! What a desk believes about the first band: what the hub told it last, and its own journal beyond that.
//! Invariant: no desk sees another's journal.
//! Not here: what it does with it (`steps`).
use super::{
    Config,
    state::{DESK, GENESIS, Intent, Kind, NONE, State, Status},
};

/// A desk's own intents on the first band that the hub's word did not contain, as it stands now.
fn uncovered<'a>(state: &'a State, desk: usize) -> impl Iterator<Item = (Status, &'a Intent)> {
    let told = &state.beliefs[desk - DESK].own;
    let here = move |(k, intent): (usize, &'a Intent)| {
        let status = state.books[desk].status[k];
        let is_new = intent.kind != Kind::None && intent.band == 0 && status != told.status[k];
        is_new.then_some((status, intent))
    };
    state.intents[desk].iter().enumerate().filter_map(here)
}

/// What it may pay out in cash.
pub fn payable(state: &State, desk: usize) -> u8 {
    let (belief, own) = (&state.beliefs[desk - DESK], &state.books[desk]);
    let carried = |(status, intent): (Status, &Intent)| {
        let committed = status == Status::Commit && intent.kind == Kind::Carry;
        if committed { state.credit_of(intent.new_c).amount } else { 0 }
    };
    let out = (own.paid - belief.own.paid) + uncovered(state, desk).map(carried).sum::<u8>();
    (belief.pending + (own.owed - belief.own.owed)).saturating_sub(out)
}

/// The record that must be in force on the chip for a payout.
pub fn head(state: &State, desk: usize, config: &Config) -> u8 {
    let told = state.beliefs[desk - DESK].head;
    let mut own: Vec<&Intent> = uncovered(state, desk)
        .filter(|(status, intent)| *status == Status::Commit && !intent.c_only)
        .map(|(_, intent)| intent)
        .collect();
    own.sort_by_key(|intent| intent.ctr);
    if config.rules.payout_knows_every_record {
        // on from the hub's, as long as each follows the one before
        let follow = |head: u8, intent: &&Intent| if intent.look.base == head { intent.own } else { head };
        return own.iter().fold(told, follow);
    }
    let newest = own.last().map_or(GENESIS, |intent| intent.own);
    if state.ctr(newest) > state.ctr(told) { newest } else { told }
}

/// The highest C sequence that it knows.
pub fn highest_seq(state: &State, desk: usize, config: &Config) -> u8 {
    let named = |(status, intent): (Status, &Intent)| match status {
        Status::Commit => state.credit_of(intent.credit()).seq,
        Status::Open | Status::GaveUp if config.rules.given_up_sequence_is_skipped && intent.new_c != NONE => {
            state.credit_of(intent.new_c).seq
        }
        Status::Draft | Status::Forgotten | Status::Open | Status::GaveUp | Status::Void => 0,
    };
    uncovered(state, desk).map(named).max().unwrap_or(0).max(state.beliefs[desk - DESK].seq)
}
