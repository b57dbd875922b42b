//! What becomes of tickets: used twice, left in between, paired, blocked, on forked and revoked ground.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]

use crate::ledger_world::{WALLET, block, codes, device, entry, lift};
use domain::{
    id::{BoxNumber, EntryRef, TicketUid, WalletId},
    journal::{
        Admission, BandProfile, BlockedKind, Detail, Effect, Entry, Flags, Kind, Marks, Pairing, Revocation, Subject,
    },
    ledger::{Standing, TicketEntry, TicketFlags, TicketState, fold_ticket, ticket_conflicts},
    time::Hlc,
};

const TICKET: TicketUid = TicketUid([7; 16]);

fn passage(by: u8, seq: u32, effect: Effect, hlc: u64) -> TicketEntry {
    let kind = if effect == Effect::In { Kind::ADMISSION } else { Kind::EXIT };
    let entry = Entry { subject: TICKET.into(), zone: 3, hlc: Hlc(hlc), ..entry(kind, effect, 0) };
    let at = EntryRef { device: device(by), epoch: 0, seq };
    TicketEntry { at, entry, box_number: BoxNumber(u16::from(by)), standing: Standing::InForce }
}

#[test]
fn one_ticket_at_two_gates_is_a_double_admission_with_both_places_and_times() {
    let set = [passage(2, 1, Effect::In, 90), passage(1, 1, Effect::In, 40)];
    let fold = fold_ticket(TICKET, &set);
    assert_eq!(fold.doubles.len(), 1);
    assert_eq!(fold.doubles[0].excess, 1);
    let places: Vec<_> = fold.doubles[0].places.iter().map(|p| (p.box_number.0, p.hlc.0, p.zone)).collect();
    assert_eq!(places, [(1, 40, 3), (2, 90, 3)]);
    assert_eq!((fold.state.uses, fold.state.first_use, fold.state.first_box), (2, Hlc(40), BoxNumber(1)));
    assert_eq!(codes(&ticket_conflicts(&fold, &set)), ["double-admission"]);
}

#[test]
fn a_guest_who_left_in_between_is_no_double_admission() {
    let set = [passage(1, 1, Effect::In, 10), passage(2, 1, Effect::Out, 20), passage(2, 2, Effect::In, 30)];
    let fold = fold_ticket(TICKET, &set);
    assert_eq!((fold.doubles.len(), fold.state.uses), (0, 2));
    assert!(fold.state.flags.has(TicketFlags::INSIDE));
    assert!(!fold_ticket(TICKET, &set[..2]).state.flags.has(TicketFlags::INSIDE));
}

fn marked(passage: TicketEntry, marks: Marks) -> TicketEntry {
    let reason = if marks.has(Marks::OVERRIDE) { "guest_list" } else { "" }.into();
    let part = Detail::Admission(Admission { scheme: 1, marks, product: [1, 0, 0, 0], reason }).to_bytes();
    TicketEntry { entry: Entry { part, ..passage.entry }, ..passage }
}

#[test]
fn where_a_ticket_counts_once_for_ever_leaving_gives_no_second_admission() {
    let once = |passage| marked(passage, Marks::ONCE);
    let set = [
        once(passage(1, 1, Effect::In, 10)),
        once(passage(2, 1, Effect::Out, 20)),
        once(passage(2, 2, Effect::In, 30)),
    ];
    assert_eq!(fold_ticket(TICKET, &set).doubles[0].excess, 1);
}

#[test]
fn what_a_supervisor_decided_or_only_counted_is_no_double_admission() {
    for marks in [Marks::OVERRIDE, Marks::COUNTED] {
        let set = [passage(1, 1, Effect::In, 10), marked(passage(2, 1, Effect::In, 20), marks)];
        let fold = fold_ticket(TICKET, &set);
        assert_eq!((fold.doubles.len(), fold.state.uses), (0, 2), "{marks:?}");
    }
}

#[test]
fn a_guest_found_by_name_whose_ticket_entered_elsewhere_is_a_double_admission() {
    let found = marked(passage(2, 1, Effect::In, 20), Marks::BY_NAME);
    let fold = fold_ticket(TICKET, &[passage(1, 1, Effect::In, 10), found]);
    assert_eq!((fold.doubles.len(), fold.doubles[0].excess), (1, 1));
}

#[test]
fn each_zone_knows_for_itself_whether_the_ticket_is_inside() {
    let in_zone = |passage: TicketEntry, zone| TicketEntry { entry: Entry { zone, ..passage.entry }, ..passage };
    let set = [
        in_zone(passage(1, 1, Effect::In, 10), 0),
        in_zone(passage(2, 1, Effect::In, 20), 4),
        in_zone(passage(2, 2, Effect::Out, 30), 4),
        in_zone(passage(3, 1, Effect::In, 40), 2),
    ];
    let fold = fold_ticket(TICKET, &set);
    assert!(fold.doubles.is_empty(), "{:?}", fold.doubles);
    assert_eq!((fold.state.used, fold.state.inside), (0b10101, 0b101));
    assert!(fold.state.is_inside(0) && !fold.state.is_inside(4) && fold.state.was_in(4));
    assert_eq!((fold.state.first_zone, fold.state.last_zone, fold.state.last_use), (0, 2, Hlc(40)));
}

#[test]
fn a_replaced_band_no_longer_stands_for_the_ticket() {
    let pair = |by, wallet: WalletId, replaces: Option<WalletId>| {
        let mut pairing = passage(by, 1, Effect::None, u64::from(by));
        let pairing_part = Pairing { replaces: replaces.map(|wallet| wallet.0), ..Pairing::of(BandProfile::Uid) };
        let part = Detail::Pairing(pairing_part).to_bytes();
        pairing.entry =
            Entry { subject: wallet.into(), other: TICKET.into(), part, ..entry(Kind::PAIRING, Effect::None, 0) };
        pairing
    };
    let (low, high) = (WalletId([1; 16]), WalletId([9; 16]));
    let of = |set: &[TicketEntry]| fold_ticket(TICKET, set).state.wallet;
    assert_eq!(of(&[pair(2, high, Some(low)), pair(1, low, None)]), Some(high));
    assert_eq!(of(&[pair(2, high, None), pair(1, low, None)]), Some(low));
    assert!(of(&[pair(1, low, Some(high)), pair(2, high, Some(low))]).is_some(), "there is always one");
}

#[test]
fn a_ticket_that_entered_with_a_band_stands_for_it() {
    let mut entered = passage(1, 1, Effect::In, 10);
    assert_eq!(fold_ticket(TICKET, std::slice::from_ref(&entered)).state.wallet, None);
    entered.entry.other = WALLET.into();
    assert_eq!(fold_ticket(TICKET, &[entered]).state.wallet, Some(WALLET));
}

#[test]
fn what_a_ticket_did_is_told_apart_from_what_it_only_appears_in() {
    let exit = fold_ticket(TICKET, &[passage(1, 1, Effect::Out, 10)]).state;
    assert_eq!((exit.used, exit.inside, exit.uses), (0, 0, 0), "nobody came in");
    let mut band = passage(1, 1, Effect::In, 10);
    (band.entry.kind, band.entry.effect) = (Kind(900), Effect::Unknown(90));
    (band.entry.subject, band.entry.other) = (Subject([1; 16]), TICKET.into());
    let fold = fold_ticket(TICKET, std::slice::from_ref(&band));
    assert_eq!((fold.admissions.len(), fold.state.flags), (0, TicketFlags::FROZEN));
    assert_eq!(codes(&ticket_conflicts(&fold, std::slice::from_ref(&band))), ["frozen-subject"]);
    for (flags, standing) in [(Flags::TRAINING, Standing::InForce), (Flags::default(), Standing::BeyondRevocation)] {
        let entry = Entry { flags, ..band.entry.clone() };
        let unseen = [TicketEntry { entry, standing, ..band.clone() }];
        let found = codes(&ticket_conflicts(&fold_ticket(TICKET, &unseen), &unseen));
        assert!(!found.contains(&"frozen-subject"), "{standing:?}");
    }
}

#[test]
fn an_admission_on_both_branches_of_a_journal_counts_once() {
    let (one, mut again) = (passage(1, 1, Effect::In, 10), passage(1, 2, Effect::In, 10));
    let disputed = |e: &TicketEntry| TicketEntry { standing: Standing::Disputed, ..e.clone() };
    let uses = |set: &[TicketEntry]| fold_ticket(TICKET, set).state.uses;
    assert_eq!(uses(&[disputed(&one), disputed(&again)]), 1);
    assert_eq!(uses(&[one.clone(), disputed(&again)]), 1);
    assert_eq!(uses(&[disputed(&one), again.clone()]), 1, "where it is in force");
    assert_eq!(uses(&[one.clone(), again.clone()]), 2, "a journal that is whole says what it says");
    assert_eq!(uses(&[one.clone(), one.clone(), disputed(&one)]), 1, "copies");
    again.entry.zone = 4;
    assert_eq!(uses(&[disputed(&one), disputed(&again)]), 2);
    again.at = one.at;
    assert_eq!(uses(&[disputed(&one), disputed(&again)]), 2, "two entries at one place");
}

#[test]
fn an_exit_that_a_supervisor_booked_ends_a_stay() {
    let decided = |passage| marked(passage, Marks::OVERRIDE);
    let doubles = |set: &[TicketEntry]| fold_ticket(TICKET, set).doubles.first().map_or(0, |double| double.excess);
    let (first, second) = (passage(1, 1, Effect::In, 10), passage(2, 2, Effect::In, 30));
    assert_eq!(doubles(&[first.clone(), decided(passage(2, 1, Effect::In, 20)), second.clone()]), 1);
    let once = |passage| marked(passage, Marks::ONCE);
    let out = passage(2, 1, Effect::Out, 20);
    let mixed = [once(first.clone()), out.clone(), decided(passage(2, 2, Effect::In, 30))];
    assert_eq!(doubles(&mixed), 0, "what a supervisor decided is left out");
    let twice = [once(first.clone()), out.clone(), once(second.clone())];
    assert_eq!(doubles(&twice), 1);
    let decided_too = [&twice[..], &[decided(passage(2, 3, Effect::In, 40))]].concat();
    assert_eq!(doubles(&decided_too), 1, "the others were judged by once for ever all the same");
    let mut blocked = passage(9, 1, Effect::Block, 20);
    blocked.entry = Entry { subject: TICKET.into(), zone: 3, hlc: Hlc(20), ..block(BlockedKind::Ticket) };
    assert_eq!(doubles(&[first, blocked, second]), 1, "a block is no exit");
}

#[test]
fn an_exit_after_two_entries_does_not_hide_the_double() {
    let set = [passage(1, 1, Effect::In, 10), passage(2, 1, Effect::In, 20), passage(2, 2, Effect::Out, 30)];
    assert_eq!(fold_ticket(TICKET, &set).doubles.len(), 1);
}

#[test]
fn a_disputed_admission_counts_and_asks_for_a_supervisor_and_a_revoked_one_does_not_count() {
    let mut set = [passage(1, 1, Effect::In, 10)];
    set[0].standing = Standing::Disputed;
    let fold = fold_ticket(TICKET, &set);
    assert!(fold.state.flags.has(TicketFlags::DISPUTED) && fold.state.flags.has(TicketFlags::INSIDE));
    set[0].standing = Standing::BeyondRevocation;
    let fold = fold_ticket(TICKET, &set);
    assert_eq!(fold.state, TicketState::empty(TICKET));
    assert_eq!(codes(&ticket_conflicts(&fold, &set)), ["revoked-entries"]);
}

#[test]
fn a_ticket_is_paired_blocked_revoked_and_frozen_by_its_entries() {
    let mut pairing = passage(1, 1, Effect::None, 10);
    pairing.entry = Entry { subject: WALLET.into(), other: TICKET.into(), ..entry(Kind::PAIRING, Effect::None, 0) };
    let mut blocked = passage(9, 1, Effect::Block, 10);
    blocked.entry = Entry { subject: TICKET.into(), ..block(BlockedKind::Ticket) };
    let mut revoke = passage(9, 2, Effect::Block, 10);
    revoke.entry.kind = Kind::REVOCATION;
    let revocation = Revocation { heads: Vec::new(), reason: "ticket.revoked".into() };
    revoke.entry.part = Detail::Revocation(BlockedKind::Ticket, revocation).to_bytes();
    let newer = passage(9, 3, Effect::Unknown(88), 10);
    let state = fold_ticket(TICKET, &[pairing.clone(), blocked.clone(), revoke, newer]).state;
    assert_eq!(state.wallet, Some(WALLET));
    for flag in [TicketFlags::BLOCKED, TicketFlags::REVOKED, TicketFlags::FROZEN] {
        assert!(state.flags.has(flag), "{flag:?}");
    }
    let mut lifted = passage(9, 4, Effect::Unblock, 10);
    lifted.entry = Entry { subject: TICKET.into(), ..lift(BlockedKind::Ticket, blocked.at) };
    assert_eq!(fold_ticket(TICKET, &[lifted, blocked, pairing]).state.flags, TicketFlags::default());
}
