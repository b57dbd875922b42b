//! Everything that can happen next.
//! Invariant: while a band is in a reader only that tap goes on (and its box's journal may be sent once its intent is
//! stored): what others do meanwhile touches neither that chip nor that box and is searched before and after.
//! Not here: the tap itself (`tap`), what the hub makes of it (`hub`).
use super::{
    Config, desk,
    hub::{EACH, Hub},
    state::{
        At, BOXES, Belief, CREDITS, Chip, Credit, DESK, DESK2, HUB, INTENTS, Intent, Kind, Look, NONE, State, Status,
        name,
    },
    tap,
};

/// How much of a page reached the chip.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    /// Nothing.
    Not,
    /// A part.
    Torn,
    /// All; the answer is lost.
    Whole,
    /// All, but so that it may flip later.
    Weakly,
}

/// What a re-tap finds and does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// It writes its C again.
    WritesC,
    /// It writes its S again.
    WritesS,
    /// It writes its last page again.
    LastPage,
    /// Its records are there.
    Applied,
    /// Another record stands there.
    NotApplied,
    /// Cannot be told.
    Unclear,
}

/// One thing that happens. Boxes by number.
#[allow(missing_docs, reason = "each line says what its fields are")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A band is read and a new intent drafted.
    Tap { by: usize, band: usize, kind: Kind, amount: u8, credit: u8 },
    /// A band with an intent in doubt here.
    Retap { by: usize, k: usize, found: Found },
    /// The event is over: a half-written C is completed by the box that was to write it.
    Complete { by: usize, k: usize },
    /// The intent is durable.
    Stored { by: usize },
    /// The power goes before it is.
    CutBeforeStored { by: usize },
    /// A page of C.
    CreditPage { by: usize, page: u8 },
    /// A page of S.
    SpentPage { by: usize, page: u8 },
    /// Read back.
    ReadBack { by: usize },
    /// Counted.
    Increment { by: usize },
    /// The commit is durable.
    Commit { by: usize },
    /// Green; handed over.
    Green { by: usize },
    /// The power goes between commit and green.
    CutBeforeGreen { by: usize },
    /// The band leaves, or the power goes, at this point.
    Broke { by: usize, at: At, written: Written, power: bool },
    /// Staff give up what is in doubt.
    GiveUp { by: usize, k: usize },
    /// Staff serve it without the light.
    HandOver { by: usize, k: usize },
    /// The hub has the journal as it is.
    Sync { by: usize },
    /// A desk has the hub's word as it is.
    Hear { desk: usize },
    /// A correction in the guest's favour.
    Owe { by: usize },
    /// What is owed is paid out in cash.
    PayOut { desk: usize, amount: u8 },
    /// The hub signs C′.
    Sign { band: usize, credit: u8, amount: u8 },
    /// The event closes: each box gives up what is in doubt.
    Close,
    /// A weakly stored page flips.
    Flip { slot: usize },
    /// The guest dumps the chip.
    Dump,
    /// The guest swaps chip and dump.
    Swap,
    /// The guest writes a C that he overheard.
    Overheard { slot: usize },
    /// The stolen bar writes a record.
    Forge { spent: u8 },
    /// A box is gone for good; the hub keeps what it has of it.
    Revoke { by: usize },
    /// The hub writes off what stays in doubt.
    WriteOff { by: usize, k: usize },
}

/// What can happen, in the same order every time.
pub type Next = Vec<(Step, State)>;

/// All of it.
pub fn all(state: &State, config: &Config, out: &mut Next) {
    if state.done.iter().all(|done| *done) {
        return;
    }
    if let Some(by) = (0..BOXES).find(|by| state.tills[*by].at != At::Idle) {
        let till = &state.tills[by];
        if matches!(till.at, At::WriteC(1) | At::WriteS(1)) && !till.earlier {
            sync(state, config, by, out);
        }
        return tap::goes_on(state, config, by, out);
    }
    for band in (0..config.bands).filter(|band| !state.done[*band]) {
        for by in 0..BOXES {
            tap::begins(state, config, by, band, out);
        }
    }
    for by in 0..BOXES {
        sync(state, config, by, out);
        staff(state, config, by, out);
    }
    if config.pays_out || config.hub_credits {
        for desk in [DESK, DESK2] {
            at_desk(state, config, desk, out);
        }
    }
    guest(state, config, out);
    gone(state, config, out);
    if config.stolen {
        forge(state, config, out);
    }
    if config.hub_credits {
        for band in 0..config.bands {
            sign(state, config, band, out);
        }
    }
    if !state.closed {
        let mut next = state.clone();
        next.closed = true;
        for (_, book) in next.books.iter_mut().enumerate().filter(|(by, _)| !state.is_gone(config, *by)) {
            book.status
                .iter_mut()
                .filter(|status| **status == Status::Open)
                .for_each(|status| *status = Status::GaveUp);
        }
        out.push((Step::Close, next));
    }
}

/// The journal reaches the hub: what is durable, always a prefix.
fn sync(state: &State, config: &Config, by: usize, out: &mut Next) {
    if config.lost == Some(by) || state.is_gone(config, by) || state.heard[by] == state.books[by] {
        return;
    }
    let mut next = state.clone();
    next.heard[by] = state.books[by];
    out.push((Step::Sync { by }, next));
}

/// A box that is lost, and what the hub does about what stays in doubt.
fn gone(state: &State, config: &Config, out: &mut Next) {
    if let Some(by) = config.revoked.filter(|_| !state.revoked && !state.closed) {
        let mut next = state.clone();
        next.revoked = true;
        out.push((Step::Revoke { by }, next));
    }
    for (by, k, intent) in state.made().filter(|_| config.writes_off) {
        if Hub::new(state, config, &state.heard, usize::from(intent.band)).may_write_off(by, k) {
            let mut next = state.clone();
            next.written_off[by][k] = true;
            out.push((Step::WriteOff { by, k }, next));
        }
    }
}

fn staff(state: &State, config: &Config, by: usize, out: &mut Next) {
    if state.is_gone(config, by) {
        return;
    }
    if state.books[by].owed < config.owes[by] && !state.closed {
        let mut next = state.clone();
        next.books[by].owed += 1;
        out.push((Step::Owe { by }, next));
    }
    for k in EACH.filter(|k| state.books[by].status[*k] == Status::Open) {
        let intent = &state.intents[by][k];
        if config.rules.own_box_gives_up_first && !matches!(intent.kind, Kind::Close) {
            let mut next = state.clone();
            next.books[by].status[k] = Status::GaveUp;
            out.push((Step::GiveUp { by, k }, next));
        }
        if config.hand_over && intent.kind == Kind::Sale && !state.books[by].handed[k] {
            let mut next = state.clone();
            next.books[by].handed[k] = true;
            next.intents[by][k].served = true;
            out.push((Step::HandOver { by, k }, next));
        }
    }
}

fn at_desk(state: &State, config: &Config, desk: usize, out: &mut Next) {
    if config.limit[desk] == 0 || state.is_gone(config, desk) {
        return;
    }
    let hub = Hub::new(state, config, &state.heard, 0);
    let belief = Belief { pending: hub.payable(), head: hub.head(), seq: hub.highest_seq(), own: state.heard[desk] };
    if state.beliefs[desk - DESK] != belief {
        let mut next = state.clone();
        next.beliefs[desk - DESK] = belief;
        out.push((Step::Hear { desk }, next));
    }
    let amount = desk::payable(state, desk);
    let behind_c = state.cash[desk - DESK] > 0;
    if config.pays_out && amount > 0 && !state.closed && (behind_c || !config.rules.cash_behind_a_new_c) {
        let mut next = state.clone();
        next.books[desk].paid += amount;
        next.cash[desk - DESK] = 0;
        out.push((Step::PayOut { desk, amount }, next));
    }
}

/// What a guest can do to his own chip, and what a weak page does by itself.
fn guest(state: &State, config: &Config, out: &mut Next) {
    for slot in (0..2).filter(|slot| config.weak && state.chips[0].weak[*slot] != 0) {
        let mut next = state.clone();
        next.chips[0].weak[slot] = 3 - state.chips[0].weak[slot];
        out.push((Step::Flip { slot }, next));
    }
    if !config.attacker || state.closed {
        return;
    }
    if state.swaps < 4 {
        let mut next = state.clone();
        (next.clone, next.swaps) = (state.chips[0], state.swaps + 1);
        out.push((Step::Dump, next));
        if state.clone != state.chips[0] {
            let mut next = state.clone();
            std::mem::swap(&mut next.clone, &mut next.chips[0]);
            next.swaps += 1;
            out.push((Step::Swap, next));
        }
    }
    for (k, intent) in state.intents[DESK].iter().enumerate().filter(|(_, intent)| intent.kind == Kind::TopUp) {
        let was_sent = !matches!(state.books[DESK].status[k], Status::Draft | Status::Void | Status::Forgotten);
        for slot in (0..2).filter(|_| was_sent && !state.chips[0].c.contains(&intent.new_c)) {
            let mut next = state.clone();
            next.chips[0].c[slot] = intent.new_c;
            out.push((Step::Overheard { slot }, next));
        }
    }
}

/// A stolen bar knows the keys of S: on NTAG any record, on AES what the one-way counter lets stand.
fn forge(state: &State, config: &Config, out: &mut Next) {
    let k = usize::from(state.tills[1].used);
    let (Ok(slot), Some((_, credit))) = (state.in_force(0, config), state.credit(0)) else { return };
    if state.closed || k >= config.limit[1] {
        return;
    }
    let look = state.look(0, slot);
    for spent in 0..=state.credit_of(credit).credits {
        let mut next = state.clone();
        if config.chip == Chip::Aes {
            if spent < state.chips[0].count {
                continue;
            }
            next.chips[0].count = spent;
        }
        next.intents[1][k] = Intent {
            kind: Kind::Forged,
            band: 0,
            look,
            again: Look::NOTHING,
            ctr: state.ctr(look.base) + 1,
            spent,
            price: 0,
            new_c: NONE,
            own: name(1, k),
            c_only: false,
            served: false,
        };
        next.tills[1].used += 1;
        next.chips[0].s[1 - slot] = name(1, k);
        out.push((Step::Forge { spent }, next));
    }
}

fn sign(state: &State, config: &Config, band: usize, out: &mut Next) {
    let Some((replaces, seq, amount)) = Hub::new(state, config, &state.heard, band).due() else { return };
    let credits = state.credit_of(replaces).credits + amount;
    let mut next = state.clone();
    let credit = Credit { band: band as u8, seq, credits, replaces, amount, signer: HUB };
    if let Some(credit) = issue(&mut next, credit) {
        out.push((Step::Sign { band, credit, amount }, next));
    }
}

/// A new C record; the same bytes are the same record. `None` where the world has no room for more.
pub(super) fn issue(state: &mut State, credit: Credit) -> Option<u8> {
    let signed = usize::from(state.signed);
    if let Some(same) = state.credits[..signed].iter().position(|known| *known == credit) {
        return Some(same as u8);
    }
    if signed >= CREDITS {
        return None;
    }
    state.credits[signed] = credit;
    state.signed += 1;
    Some(signed as u8)
}

/// Whether a box has room for another intent.
pub(super) fn has_room(state: &State, config: &Config, by: usize) -> bool {
    let till = usize::from(state.tills[by].used);
    let between = state.intents[by].iter().filter(|intent| intent.kind == Kind::Between).count();
    till < INTENTS && (state.closed || till < config.limit[by] + between)
}
