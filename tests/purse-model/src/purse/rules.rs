//! The rules of the purse, one switch each: on as the product has it, off as it was worded before, or as somebody would
//! do it who had not thought of it. Each that is off must cost money in a short story (`worlds::controls`).
//! Not here: what follows from a rule (`steps`, `hub`).

/// Design, section 5, sentence by sentence; decisions 0014, 0015 and 0018.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// "fsync the intent → write": off, what a power cut interrupts is forgotten.
    pub intent_comes_first: bool,
    /// "Always write the slot that is not in force": off, S is written over the one in force.
    pub writes_the_free_slot: bool,
    /// "The last page never sent = void at once, otherwise in doubt": off, only a confirmed write counts.
    pub unanswered_is_in_doubt: bool,
    /// "own MAC in force, or found behind it → commit": off, a re-tap looks at the record in force only.
    pub retap_looks_behind: bool,
    /// "A read of the unchanged base settles nothing": off, it settles as not applied.
    pub unchanged_base_settles_nothing: bool,
    /// "The hub settles an intent only after its own box has given up or closed": off, whenever the chain shows it.
    pub own_box_gives_up_first: bool,
    /// "of two such the one with the higher tap counter" (AES): off, the first slot.
    pub higher_counter_wins_a_tie: bool,
    /// "commits whose green was not confirmed are shown as paid": off, a reboot forgets them.
    pub paid_is_shown_after_a_reboot: bool,
    /// "Do not refresh a weak page in place": off, a re-tap writes its own last page again.
    pub never_refreshes_in_place: bool,
    /// "on a one-slot chip a C write is in doubt from its first page": off, from its last.
    pub one_slot_is_in_doubt_at_once: bool,
    /// "Fork = two successors, each committed or seen in a chain": off, committed ones only.
    pub seen_successors_fork: bool,
    /// "a later C from the older base skips the sequence": off, the desk that gave a top-up up signs the same C again.
    pub given_up_sequence_is_skipped: bool,
    /// 0018, 4: a box never writes the very record of a sale that it gave up; it writes one of price 0 first: off, the
    /// next sale at the same price has the same bytes.
    pub given_up_record_is_never_written_again: bool,
    /// 0015, 2: cash only behind a new C: off, the desk pays what it believes to be owed.
    pub cash_behind_a_new_c: bool,
    /// 0018, 1: every record from the hub's newest down to the desk's own is known: off, the newest one is.
    pub payout_knows_every_record: bool,
    /// 0018, 2: the payout is in the commit of the C that makes it safe: off, in one of its own behind it.
    pub payout_is_in_the_commit: bool,
    /// 0018, 3: the hub signs, and says what may be paid out, only when each C below the newest is accounted for by the
    /// box that signed it: off, as long as no C′ of its own is unclear.
    pub every_c_is_accounted_for: bool,
    /// 0028: written off is what its box gave up, or what a box left that is revoked: off, whatever is in doubt.
    pub writes_off_what_nobody_writes: bool,
    /// 0028: what a written-off top-up left owed is given back in C′ only: off, in cash, too.
    pub written_off_is_paid_in_credit: bool,
}

impl Rules {
    /// As the product has them.
    pub const fn product() -> Self {
        Self {
            intent_comes_first: true,
            writes_the_free_slot: true,
            unanswered_is_in_doubt: true,
            retap_looks_behind: true,
            unchanged_base_settles_nothing: true,
            own_box_gives_up_first: true,
            higher_counter_wins_a_tie: true,
            paid_is_shown_after_a_reboot: true,
            never_refreshes_in_place: true,
            one_slot_is_in_doubt_at_once: true,
            seen_successors_fork: true,
            given_up_sequence_is_skipped: true,
            given_up_record_is_never_written_again: true,
            cash_behind_a_new_c: true,
            payout_knows_every_record: true,
            payout_is_in_the_commit: true,
            every_c_is_accounted_for: true,
            writes_off_what_nobody_writes: true,
            written_off_is_paid_in_credit: true,
        }
    }
}
