//! The worlds that are searched: those in which today's rules must hold, and the controls, in which one rule is off and
//! money must be lost.
//! Invariant: what is expected of a world stands beside it.
use super::{Config, rules::Rules, state::Chip};

/// A world and what is expected of it.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// Unique among those of one chip.
    pub name: &'static str,
    /// The world.
    pub config: Config,
    /// Every promise is kept; otherwise a story that breaks one must be found.
    pub holds: bool,
    /// Small enough for every run of the tests.
    pub quick: bool,
}

impl Named {
    /// Whether `replay` can play it: today's rules, and nothing that no honest reader can bring about.
    pub fn can_be_played(&self) -> bool {
        let Config { weak, attacker, stolen, rules, .. } = self.config;
        !weak && !attacker && !stolen && rules == Rules::product()
    }
}

fn holds(name: &'static str, quick: bool, config: Config) -> Named {
    Named { name, config, holds: true, quick }
}

/// Worlds of today's rules.
pub fn products(chip: Chip) -> Vec<Named> {
    let base = Config::new(chip);
    let ntag = chip == Chip::Ntag;
    let pays = Config { pays_out: true, hub_credits: true, tears: 0, first_credit: 1, ..base };
    let carries = Config { hub_credits: true, ..base };
    let gone = Config { first_credit: 4, hand_over: true, writes_off: true, ..carries };
    let mut worlds = vec![
        holds("sales", true, base),
        holds("sales-2-1", true, Config { limit: [2, 1, 0, 0], ..base }),
        holds("sales-2-1-three-tears", false, Config { limit: [2, 1, 0, 0], tears: 3, ..base }),
        holds("sales-prices-1-2", true, Config { limit: [2, 1, 0, 0], price: [1, 2], ..base }),
        holds("sales-top-up", true, Config { limit: [1, 1, 1, 0], tears: 1, ..base }),
        holds("sales-top-up-two-tears", false, Config { limit: [1, 1, 1, 0], ..base }),
        holds("two-desks", true, Config { limit: [1, 0, 1, 1], tears: 1, ..base }),
        holds("two-desks-two-tears", false, Config { limit: [1, 0, 1, 1], ..base }),
        holds("one-desk-two-top-ups", true, Config { limit: [1, 0, 2, 0], tears: 1, ..base }),
        holds("two-bands", false, Config { bands: 2, limit: [2, 1, 0, 0], tears: 1, ..base }),
        holds("two-bands-one-bar", true, Config { bands: 2, limit: [2, 0, 0, 0], tears: 1, ..base }),
        holds(
            "carry-override",
            true,
            Config { limit: [2, 1, 0, 0], tears: 1, hub_credits: true, hand_over: true, ..base },
        ),
        holds(
            "carry-override-two-tears",
            false,
            Config { limit: [2, 1, 0, 0], hub_credits: true, hand_over: true, ..base },
        ),
        holds(
            "carry-top-up-refund",
            false,
            Config { limit: [2, 1, 1, 0], tears: 1, hub_credits: true, refund: true, ..base },
        ),
        holds("lost-box", true, Config { lost: Some(1), ..base }),
        holds(
            "lost-box-two-records",
            true,
            Config { limit: [1, 2, 0, 0], lost: Some(1), first_credit: 4, tears: 3, ..base },
        ),
        holds("payout", true, Config { limit: [1, 0, 2, 0], owes: [0, 0, 1, 0], ..pays }),
        holds("payout-torn", true, Config { limit: [1, 0, 1, 0], owes: [0, 0, 1, 0], tears: 1, ..pays }),
        holds("payout-two-desks", false, Config { limit: [1, 0, 1, 1], owes: [0, 0, 1, 0], ..pays }),
        holds("payout-two-desks-one-bar", true, Config { limit: [0, 0, 1, 1], owes: [0, 0, 1, 0], ..pays }),
        holds("payout-two-desks-two-taps", false, Config { limit: [1, 0, 2, 2], owes: [0, 0, 1, 0], ..pays }),
        holds("payout-two-desks-torn", false, Config { limit: [1, 0, 2, 1], owes: [0, 0, 1, 0], tears: 1, ..pays }),
        holds("payout-of-a-lost-sale", false, Config { limit: [2, 0, 1, 1], tears: 1, ..pays }),
        holds(
            "written-off-sales",
            true,
            Config { limit: [2, 1, 0, 0], tears: 1, hub_credits: true, hand_over: true, writes_off: true, ..base },
        ),
        holds("written-off-top-up", true, Config { limit: [1, 0, 2, 0], tears: 1, writes_off: true, ..carries }),
        holds("written-off-paid-out", true, Config { limit: [1, 0, 1, 1], tears: 1, writes_off: true, ..pays }),
        holds(
            "written-off-paid-out-two-taps",
            false,
            Config { limit: [1, 0, 2, 1], tears: 1, writes_off: true, ..pays },
        ),
        holds("revoked-bar", true, Config { limit: [1, 2, 0, 0], tears: 1, revoked: Some(1), ..gone }),
        holds("revoked-bar-two-tears", false, Config { limit: [1, 2, 0, 0], revoked: Some(1), ..gone }),
        holds("revoked-desk", true, Config { limit: [1, 0, 1, 1], tears: 1, revoked: Some(3), ..gone }),
        holds(
            "revoked-desk-paid-out",
            true,
            Config { limit: [1, 0, 1, 1], tears: 1, revoked: Some(3), writes_off: true, ..pays },
        ),
        holds(
            "revoked-desk-paid-out-two-taps",
            false,
            Config { limit: [1, 0, 2, 2], tears: 1, revoked: Some(3), writes_off: true, ..pays },
        ),
        holds("stolen-bar", true, Config { limit: [2, 2, 0, 0], stolen: true, tears: 1, first_credit: 2, ..base }),
    ];
    if ntag {
        worlds.extend([
            holds("weak-page", true, Config { weak: true, tears: 1, ..base }),
            holds(
                "copied-dump",
                true,
                Config { limit: [2, 1, 0, 0], attacker: true, tears: 1, first_credit: 2, ..base },
            ),
            holds(
                "copied-dump-overheard-top-up",
                true,
                Config { limit: [2, 0, 1, 0], attacker: true, tears: 1, first_credit: 1, ..base },
            ),
        ]);
    }
    worlds
}

/// Worlds in which one rule is off, or which nothing can save: money must be lost in a short story.
pub fn controls(chip: Chip) -> Vec<Named> {
    let base = Config::new(chip);
    let on = Rules::product();
    let pays = Config { pays_out: true, hub_credits: true, tears: 0, first_credit: 1, ..base };
    let without =
        |name, rules, config: Config| Named { name, config: Config { rules, ..config }, holds: false, quick: true };
    let mut worlds = vec![
        without("no-intent-before-the-write", Rules { intent_comes_first: false, ..on }, Config { tears: 1, ..base }),
        without(
            "counting-confirmed-writes-only",
            Rules { unanswered_is_in_doubt: false, ..on },
            Config { tears: 1, ..base },
        ),
        without(
            "overwriting-the-slot-in-force",
            Rules { writes_the_free_slot: false, ..on },
            Config { tears: 1, ..base },
        ),
        without("re-tap-sees-the-record-in-force-only", Rules { retap_looks_behind: false, ..on }, base),
        without("a-read-of-the-base-settles", Rules { unchanged_base_settles_nothing: false, ..on }, base),
        without(
            "settled-before-its-own-box-gave-up",
            Rules { own_box_gives_up_first: false, ..on },
            Config { limit: [1, 2, 0, 0], tears: 1, hub_credits: true, ..base },
        ),
        without(
            "a-reboot-forgets-what-was-paid",
            Rules { paid_is_shown_after_a_reboot: false, ..on },
            Config { tears: 1, ..base },
        ),
        without(
            "a-given-up-sequence-is-signed-again",
            Rules { given_up_sequence_is_skipped: false, ..on },
            Config { limit: [0, 0, 2, 0], tears: 1, ..base },
        ),
        without(
            "a-given-up-sale-leaves-the-same-record",
            Rules { given_up_record_is_never_written_again: false, ..on },
            Config { limit: [2, 0, 0, 0], tears: 1, hand_over: true, ..base },
        ),
        without(
            "cash-without-a-new-c",
            Rules { cash_behind_a_new_c: false, ..on },
            Config { limit: [1, 0, 1, 0], owes: [0, 0, 1, 0], ..pays },
        ),
        without(
            "payout-behind-a-record-not-heard-of",
            Rules { payout_knows_every_record: false, ..on },
            Config { limit: [1, 0, 2, 0], owes: [0, 0, 1, 0], ..pays },
        ),
        without(
            "payout-booked-after-its-c",
            Rules { payout_is_in_the_commit: false, ..on },
            Config { limit: [1, 0, 1, 0], owes: [0, 0, 1, 0], ..pays },
        ),
        without(
            "signing-over-a-c-not-accounted-for",
            Rules { every_c_is_accounted_for: false, ..on },
            Config { limit: [1, 0, 1, 1], owes: [0, 0, 1, 0], ..pays },
        ),
        without(
            "writing-off-what-its-box-may-still-write",
            Rules { writes_off_what_nobody_writes: false, ..on },
            Config { limit: [1, 2, 0, 0], tears: 1, hub_credits: true, writes_off: true, ..base },
        ),
        without(
            "cash-for-a-written-off-top-up",
            Rules { written_off_is_paid_in_credit: false, ..on },
            Config { limit: [0, 0, 2, 1], tears: 1, writes_off: true, ..pays },
        ),
        without(
            "one-lost-box-three-records",
            on,
            Config { limit: [1, 3, 0, 0], lost: Some(1), first_credit: 4, tears: 1, ..base },
        ),
    ];
    worlds.extend(match chip {
        Chip::Ntag => vec![
            without(
                "refreshing-in-place",
                Rules { never_refreshes_in_place: false, ..on },
                Config { limit: [2, 1, 0, 0], tears: 3, ..base },
            ),
            without(
                "a-fork-of-committed-records-only",
                Rules { seen_successors_fork: false, ..on },
                Config { attacker: true, tears: 1, ..base },
            ),
            without("a-weak-page-and-two-tears", on, Config { weak: true, ..base }),
        ],
        Chip::Aes => vec![
            without(
                "the-first-slot-wins-a-tie",
                Rules { higher_counter_wins_a_tie: false, ..on },
                Config { limit: [1, 1, 1, 0], tears: 1, ..base },
            ),
            without(
                "one-slot-top-up-void-before-its-last-page",
                Rules { one_slot_is_in_doubt_at_once: false, ..on },
                Config { limit: [1, 1, 1, 0], tears: 1, ..base },
            ),
        ],
    });
    worlds
}
