//! The hub's word and the own entries beyond it: nothing counted twice, nothing forgotten.
use domain::{
    ledger::{Standing, TicketFlags, TicketState, WalletEntry, WalletState, digest},
    wire::Writer,
};
use proptest::prelude::*;
use sync::{Branch, Delta, JournalHeads, Section, SignedDelta, frame::HaveDelta};

use super::*;
use crate::{DeltaOutcome, REVOKED_DEVICE, REVOKED_TICKET, Revoked};

/// A batch as the hub signs it; who signed it is the session's business.
pub(super) fn batch(section: Section, (prev, number): (u64, u64), heads: Vec<JournalHeads>, items: Vec<u8>) -> Delta {
    Delta {
        festival: FESTIVAL,
        section,
        term: 1,
        prev,
        number,
        part: 0,
        parts: 1,
        snapshot: prev == 0,
        vector: heads,
        hub_time_ms: NOON + number,
        items,
    }
}

fn signed(delta: &Delta) -> SignedDelta {
    SignedDelta { body: delta.to_bytes(), signature: [0; 64], key: [0; 32] }
}

fn heads(store: &Store, epoch: u32, contiguous: u32) -> Vec<JournalHeads> {
    let hash = contiguous.checked_sub(1).and_then(|seq| store.hash16(epoch, seq).unwrap()).unwrap_or_default();
    vec![JournalHeads { device: own_device(), epoch, branches: vec![Branch::up_to(contiguous, hash)] }]
}

/// Where the own journal ends.
fn own_end(store: &Store) -> (u32, u32) {
    let head = store.read(|view| view.head()).unwrap().unwrap();
    (head.at.epoch, head.at.seq + 1)
}

fn number(store: &Store, section: Section) -> u64 {
    store.read(move |view| view.knowledge(section)).unwrap().map_or(0, |known| known.number)
}

/// What becomes of one part.
fn outcome(store: &Store, part: SignedDelta) -> DeltaOutcome {
    let [outcome] = store.apply_delta(vec![part]).unwrap().try_into().unwrap();
    outcome
}

pub(super) fn apply(store: &Store, delta: &Delta) -> DeltaOutcome {
    outcome(store, signed(delta))
}

pub(super) fn tell(store: &Store, section: Section, contiguous: u32, items: Vec<u8>) {
    let held = number(store, section);
    let delta = batch(section, (held, held + 1), heads(store, 0, contiguous), items);
    let outcome = apply(store, &delta);
    let have = HaveDelta { section, term: 1, number: held + 1, next_part: None, own: Some(own_end(store)) };
    assert_eq!(outcome, DeltaOutcome::Applied { have, newer_self: None });
}

/// The hub covers entries 0 to `contiguous − 1`, without a word about any wallet.
pub(super) fn cover_up_to(store: &Store, contiguous: u32) {
    for section in [Section::Wallets, Section::Tickets] {
        tell(store, section, contiguous, Vec::new());
    }
}

fn wallet_state(balance: i64) -> WalletState {
    WalletState { balance, ..WalletState::empty(WALLET) }
}

#[test]
fn an_own_entry_counts_once_before_and_after_the_hub_covers_it() {
    let world = World::new();
    let (store, _) = world.open();
    write(&store, vec![top_up(WALLET, 5000), sale(WALLET, 700)]);
    one(&store, sale(WALLET, 300));
    let seen =
        |store: &Store| store.read(|view| (view.wallet(&WALLET).balance, view.uncovered_debits(&WALLET))).unwrap();
    assert_eq!(seen(&store), (4000, 1000));
    // The hub has the first commit, and a top-up of 20.00 elsewhere.
    tell(&store, Section::Wallets, 3, wallet_state(6300).to_bytes().to_vec());
    assert_eq!(seen(&store), (6000, 300));
    tell(&store, Section::Wallets, 4, wallet_state(6000).to_bytes().to_vec());
    assert_eq!(seen(&store), (6000, 0));
    one(&store, sale(WALLET, 1));
    assert_eq!(seen(&store), (5999, 1));
    assert_eq!(store.read(|view| view.hub_wallet(&WALLET)).unwrap().unwrap().balance, 6000);
    drop(store);
    let (store, _) = world.open();
    assert_eq!(seen(&store), (5999, 1));
}

#[test]
fn what_was_spent_beyond_a_balance_is_off_what_is_owed_beside_it() {
    let world = World::new();
    let (store, _) = world.open();
    let owed = |balance, pending| {
        tell(&store, Section::Wallets, 0, WalletState { pending, ..wallet_state(balance) }.to_bytes().to_vec());
        store.read(|view| view.pending(&WALLET)).unwrap().believed
    };
    assert_eq!([owed(500, 300), owed(0, 300), owed(-200, 300), owed(-400, 300)], [300, 300, 100, 0]);
    // what is in doubt may not have been taken
    let doubtful = WalletState { pending: 300, in_doubt: 200, ..wallet_state(-200) };
    tell(&store, Section::Wallets, 0, doubtful.to_bytes().to_vec());
    assert_eq!(store.read(|view| view.pending(&WALLET)).unwrap().believed, 300);
}

#[test]
fn a_section_covers_for_itself_alone() {
    let world = World::new();
    let (store, _) = world.open();
    write(&store, vec![admission(TICKET), pairing(TICKET, WALLET), top_up(WALLET, 100)]);
    tell(&store, Section::Wallets, 4, wallet_state(100).to_bytes().to_vec());
    let seen = store.read(|view| (view.wallet(&WALLET).balance, view.ticket(&TICKET).uses)).unwrap();
    assert_eq!(seen, (100, 1));
    let ticket = TicketState {
        flags: TicketFlags(TicketFlags::USED.0 | TicketFlags::INSIDE.0),
        uses: 1,
        used: 1,
        inside: 1,
        wallet: Some(WALLET),
        ..TicketState::empty(TICKET)
    };
    tell(&store, Section::Tickets, 4, ticket.to_bytes().to_vec());
    let seen = store.read(|view| (view.wallet(&WALLET).balance, view.ticket(&TICKET))).unwrap();
    assert_eq!(seen, (100, ticket));
    let expected = digest([&wallet_state(100)], [&ticket]);
    assert_eq!(store.read(|view| view.digest()).unwrap(), expected);
    // A second admission stands beside the hub's.
    one(&store, admission(TICKET));
    assert_eq!(store.read(|view| view.ticket(&TICKET).uses).unwrap(), 2);
    assert_ne!(store.read(|view| view.digest()).unwrap(), expected);
}

#[test]
fn an_exit_takes_back_what_the_hub_saw_enter() {
    let world = World::new();
    let (store, _) = world.open();
    let (flags, first_use) = (TicketFlags(3), Hlc(5));
    let ticket = TicketState { flags, uses: 1, used: 1, inside: 1, first_use, ..TicketState::empty(TICKET) };
    tell(&store, Section::Tickets, 1, ticket.to_bytes().to_vec());
    one(&store, Entry { kind: Kind::EXIT, effect: Effect::Out, ..admission(TICKET) });
    let seen = store.read(|view| view.ticket(&TICKET)).unwrap();
    assert_eq!((seen.flags, seen.uses, seen.first_use), (TicketFlags::USED, 1, Hlc(5)));
    one(&store, admission(TICKET));
    let seen = store.read(|view| view.ticket(&TICKET)).unwrap();
    assert_eq!((seen.flags, seen.uses, seen.first_use), (TicketFlags(3), 2, Hlc(5)));
}

#[test]
fn a_gap_asks_for_a_snapshot_and_a_snapshot_replaces_everything() {
    let world = World::new();
    let (store, _) = world.open();
    one(&store, sale(WALLET, 50));
    tell(&store, Section::Wallets, 1, wallet_state(900).to_bytes().to_vec());
    let held = HaveDelta { section: Section::Wallets, term: 1, number: 1, next_part: None, own: None };
    let gap = batch(Section::Wallets, (2, 3), heads(&store, 0, 2), wallet_state(1).to_bytes().to_vec());
    assert_eq!(apply(&store, &gap), DeltaOutcome::NeedSnapshot(held));
    let again = batch(Section::Wallets, (0, 1), heads(&store, 0, 2), wallet_state(1).to_bytes().to_vec());
    assert_eq!(apply(&store, &again), DeltaOutcome::NeedSnapshot(held), "never back");
    assert_eq!(store.read(|view| view.wallet(&WALLET).balance).unwrap(), 850);
    let other = WalletState { balance: 77, ..WalletState::empty(WalletId([9; 16])) };
    let snapshot = batch(Section::Wallets, (0, 9), heads(&store, 0, 2), other.to_bytes().to_vec());
    assert!(matches!(apply(&store, &snapshot), DeltaOutcome::Applied { .. }));
    store
        .read(|view| {
            assert_eq!(view.wallet(&WALLET).balance, 0);
            assert_eq!(view.wallet(&WalletId([9; 16])).balance, 77);
            let known = view.knowledge(Section::Wallets).unwrap();
            assert_eq!((known.term, known.number, known.hub_time_ms), (1, 9, NOON + 9));
            assert!(known.received_at_ms >= NOON);
        })
        .unwrap();
}

#[test]
fn a_batch_in_parts_holds_when_the_last_is_there() {
    let world = World::new();
    let (store, _) = world.open();
    let part = |part: u16| {
        let wallet = WalletState { balance: 5, ..WalletState::empty(WalletId([part as u8; 16])) };
        let delta = Delta { part, parts: 3, ..batch(Section::Wallets, (0, 4), Vec::new(), wallet.to_bytes().to_vec()) };
        signed(&delta)
    };
    let next = |part| {
        let have = HaveDelta { section: Section::Wallets, term: 1, number: 4, next_part: Some(part), own: None };
        DeltaOutcome::Staged(have)
    };
    assert_eq!(outcome(&store, part(0)), next(1));
    assert_eq!(outcome(&store, part(0)), next(1), "part 0 starts anew");
    assert_eq!(outcome(&store, part(1)), next(2));
    assert_eq!(store.read(|view| view.wallet(&WalletId([1; 16])).balance).unwrap(), 0);
    assert!(matches!(outcome(&store, part(2)), DeltaOutcome::Applied { .. }));
    assert_eq!(store.read(|view| view.wallet(&WalletId([1; 16])).balance).unwrap(), 5);
    // Not whole: nothing of it.
    let halves = [part(0), part(2)].map(|part| {
        let delta = Delta { number: 8, ..Delta::from_bytes(&part.body).unwrap() };
        signed(&delta)
    });
    let [staged, missing] = store.apply_delta(halves.to_vec()).unwrap().try_into().unwrap();
    assert!(matches!(staged, DeltaOutcome::Staged(have) if have.next_part == Some(1)), "{staged:?}");
    assert!(matches!(missing, DeltaOutcome::NeedSnapshot(have) if have.number == 4), "{missing:?}");
}

#[test]
fn of_batches_that_come_together_each_holds_that_follows() {
    let world = World::new();
    let (store, _) = world.open();
    tell(&store, Section::Wallets, 1, wallet_state(900).to_bytes().to_vec());
    let wallets = |prev, balance| {
        batch(Section::Wallets, (prev, prev + 1), Vec::new(), wallet_state(balance).to_bytes().to_vec())
    };
    let tickets = batch(Section::Tickets, (0, 1), Vec::new(), Vec::new());
    let begun = Delta { parts: 2, ..batch(Section::Credits, (0, 1), Vec::new(), Vec::new()) };
    let together = [begun, wallets(1, 800), wallets(3, 1), tickets].map(|delta| signed(&delta));
    let outcomes = store.apply_delta(together.to_vec()).unwrap();
    let told: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            DeltaOutcome::Staged(have) => ("staged", have.section, have.number),
            DeltaOutcome::Applied { have, .. } => ("applied", have.section, have.number),
            DeltaOutcome::NeedSnapshot(have) => ("missing", have.section, have.number),
            DeltaOutcome::Refused(why) => panic!("{why}"),
        })
        .collect();
    let expected = [
        ("staged", Section::Credits, 1),
        ("applied", Section::Wallets, 2),
        ("missing", Section::Wallets, 2),
        ("applied", Section::Tickets, 1),
    ];
    assert_eq!(told, expected);
    assert_eq!(store.read(|view| view.wallet(&WALLET).balance).unwrap(), 800);
}

#[test]
fn a_batch_that_cannot_be_read_changes_nothing() {
    let world = World::new();
    let (store, _) = world.open();
    tell(&store, Section::Wallets, 1, wallet_state(900).to_bytes().to_vec());
    let mut items = wallet_state(1).to_bytes().to_vec();
    items.extend([1, 2, 3]);
    let bad = batch(Section::Wallets, (1, 2), Vec::new(), items);
    assert_eq!(store.apply_delta(vec![signed(&bad)]).unwrap_err().code(), "box.knowledge_unreadable");
    let foreign = Delta { festival: FestivalId([2; 16]), ..batch(Section::Wallets, (1, 2), Vec::new(), Vec::new()) };
    assert!(matches!(apply(&store, &foreign), DeltaOutcome::Refused(_)));
    let unreadable = SignedDelta { body: vec![1, 2], signature: [0; 64], key: [0; 32] };
    assert!(matches!(outcome(&store, unreadable), DeltaOutcome::Refused(_)));
    assert_eq!((number(&store, Section::Wallets), store.read(|view| view.wallet(&WALLET).balance).unwrap()), (1, 900));
}

#[test]
fn revocations_hold_until_they_are_lifted() {
    let world = World::new();
    let (store, _) = world.open();
    let items = |holds| {
        let mut out = Writer::new();
        Revoked { what: REVOKED_DEVICE, holds, id: [3; 16] }.write(&mut out);
        Revoked { what: REVOKED_TICKET, holds: true, id: TICKET.0 }.write(&mut out);
        out.finish()
    };
    let seen = |store: &Store| {
        store.read(|view| (view.is_revoked(&DeviceId([3; 16])), view.is_ticket_revoked(&TICKET))).unwrap()
    };
    assert_eq!(seen(&store), (false, false));
    tell(&store, Section::Revocations, 0, items(true));
    assert_eq!(seen(&store), (true, true));
    tell(&store, Section::Revocations, 0, items(false));
    assert_eq!(seen(&store), (false, true));
}

#[test]
fn a_restored_hub_lifts_no_revocation_of_a_device_that_it_does_not_know_of() {
    let world = World::new();
    let (store, _) = world.open();
    let item = |what, holds, id| {
        let mut out = Writer::new();
        Revoked { what, holds, id }.write(&mut out);
        out.finish()
    };
    let items = [item(REVOKED_DEVICE, true, [3; 16]), item(REVOKED_TICKET, true, TICKET.0)].concat();
    tell(&store, Section::Revocations, 0, items);
    let seen = |store: &Store| {
        let ticket = |view: &crate::View<'_>| view.is_ticket_revoked(&TICKET);
        store.read(|view| ([3, 4].map(|n| view.is_revoked(&DeviceId([n; 16]))), ticket(view))).unwrap()
    };
    let of_term = |term, base, items| Delta { term, ..batch(Section::Revocations, base, Vec::new(), items) };
    let snapshot = of_term(2, (0, 1), item(REVOKED_DEVICE, true, [4; 16]));
    assert!(matches!(apply(&store, &snapshot), DeltaOutcome::Applied { .. }));
    assert_eq!(seen(&store), ([true, true], false), "tickets are as the hub says");
    let lifted = of_term(2, (1, 2), item(REVOKED_DEVICE, false, [3; 16]));
    assert!(matches!(apply(&store, &lifted), DeltaOutcome::Applied { .. }));
    assert_eq!(seen(&store), ([false, true], false));
}

#[test]
fn a_restored_hub_uncovers_what_it_lost() {
    let world = World::new();
    let (store, _) = world.open();
    let first = one(&store, intent(WALLET, 450, 1));
    one(&store, about(first, Kind::SALE, Effect::Debit, 450));
    for section in [Section::Wallets, Section::Tickets] {
        let items = if section == Section::Wallets { wallet_state(50).to_bytes().to_vec() } else { Vec::new() };
        tell(&store, section, 3, items);
    }
    assert_eq!(store.read(|view| (view.wallet(&WALLET).balance, view.at_risk(true))).unwrap(), (50, 0));
    // A new term, from a backup that knows the genesis only, and of 5.00 then.
    let snapshot = Delta {
        term: 2,
        ..batch(Section::Wallets, (0, 1), heads(&store, 0, 1), wallet_state(500).to_bytes().to_vec())
    };
    assert!(matches!(apply(&store, &snapshot), DeltaOutcome::Applied { .. }));
    assert_eq!(store.read(|view| (view.wallet(&WALLET).balance, view.at_risk(true))).unwrap(), (50, 450));
}

#[test]
fn a_delta_that_knows_more_of_this_box_than_itself_closes_its_epoch() {
    let world = World::new();
    let (store, _) = world.open();
    one(&store, sale(WALLET, 450));
    let ahead = vec![JournalHeads { device: own_device(), epoch: 0, branches: vec![Branch::up_to(5, [8; 16])] }];
    let outcome = apply(&store, &batch(Section::Wallets, (0, 1), ahead, wallet_state(-450).to_bytes().to_vec()));
    let DeltaOutcome::Applied { newer_self: Some(newer), .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((newer.epoch, newer.contiguous), (0, 5));
    let refused = store.transact(|_| Decision::write(vec![sale(WALLET, 1)], ())).unwrap_err();
    assert_eq!(refused.code(), "box.epoch_stopped");
    assert_eq!(store.open_next_epoch(BoxNumber(13), Some(newer)).unwrap(), 1);
    one(&store, sale(WALLET, 50));
    // The old entries are in the hub's state, the new one is not.
    assert_eq!(store.read(|view| view.wallet(&WALLET).balance).unwrap(), -500);
}

#[test]
fn entries_beyond_a_gap_are_covered_too() {
    let world = World::new();
    let (store, _) = world.open();
    for cents in [1, 10, 100, 1000, 10_000] {
        one(&store, sale(WALLET, cents));
    }
    let branch = Branch { ranges: vec![(4, 4)], ..heads(&store, 0, 2)[0].branches[0].clone() };
    let vector = vec![JournalHeads { device: own_device(), epoch: 0, branches: vec![branch] }];
    let state = wallet_state(-1001).to_bytes().to_vec();
    assert!(matches!(apply(&store, &batch(Section::Wallets, (0, 1), vector, state)), DeltaOutcome::Applied { .. }));
    let seen = store.read(|view| (view.wallet(&WALLET).balance, view.uncovered_debits(&WALLET))).unwrap();
    assert_eq!(seen, (-11_111, 10_110));
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Sale(u32),
    TopUp(u32),
    Intent(u32),
    Commit,
    Void,
    /// The hub hears of everything but the last so many entries.
    Hear(u32),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (1..900u32).prop_map(Act::Sale),
        (1..900u32).prop_map(Act::TopUp),
        (1..900u32).prop_map(Act::Intent),
        Just(Act::Commit),
        Just(Act::Void),
        (0..6u32).prop_map(Act::Hear),
    ]
}

/// What a hub that holds the first `count` own entries says of the wallet.
fn hub_says(store: &Store, count: u32) -> WalletState {
    let entries: Vec<WalletEntry> = store
        .read(move |view| {
            (0..count)
                .filter_map(|seq| Some((own(0, seq), view.entry(own(0, seq))?)))
                .filter(|(_, entry)| entry.subject == WALLET.into())
                .map(|(at, entry)| WalletEntry::new(at, entry, Standing::InForce))
                .collect()
        })
        .unwrap();
    WalletState::empty(WALLET).with_local(&entries)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_hub_covers_the_box_believes_the_same(acts in proptest::collection::vec(act(), 1..40)) {
        let world = World::new();
        let (store, _) = world.open();
        let mut open: Vec<(EntryRef, u32)> = Vec::new();
        for act in acts {
            let entry = match act {
                Act::Sale(cents) => sale(WALLET, cents),
                Act::TopUp(cents) => top_up(WALLET, cents),
                Act::Intent(cents) => {
                    open.push((one(&store, intent(WALLET, cents, 1)), cents));
                    continue;
                }
                Act::Commit | Act::Void => {
                    let Some((at, cents)) = open.pop() else { continue };
                    if matches!(act, Act::Commit) {
                        about(at, Kind::SALE, Effect::Debit, cents)
                    } else {
                        about(at, Kind::VOID, Effect::Release, cents)
                    }
                }
                Act::Hear(short) => {
                    let held = store.read(|view| view.head()).unwrap().unwrap().at.seq + 1;
                    let count = held.saturating_sub(short).max(1);
                    let state = hub_says(&store, count);
                    let known = number(&store, Section::Wallets);
                    let delta = Delta {
                        snapshot: true,
                        ..batch(Section::Wallets, (0, known + 1), heads(&store, 0, count), state.to_bytes().to_vec())
                    };
                    let applied = matches!(apply(&store, &delta), DeltaOutcome::Applied { .. });
                    prop_assert!(applied);
                    continue;
                }
            };
            one(&store, entry);
            let all = store.read(|view| view.head()).unwrap().unwrap().at.seq + 1;
            let (whole, believed) = (hub_says(&store, all), store.read(|view| view.wallet(&WALLET)).unwrap());
            prop_assert_eq!((believed.balance, believed.in_doubt), (whole.balance, whole.in_doubt));
            prop_assert_eq!((believed.spent, believed.head_record), (whole.spent, whole.head_record));
        }
    }
}

#[test]
fn a_credit_on_offer_is_kept_replaced_and_taken_back() {
    let world = World::new();
    let (store, _) = world.open();
    let item = |record: Option<u8>| {
        let offer =
            record.map(|byte| ([byte; domain::wristband::CREDIT_RECORD_LEN], domain::money::Cents::new(500).unwrap()));
        domain::ledger::CreditItem { wallet: WALLET, offer }.to_bytes()
    };
    let offered = |store: &Store| store.read(|view| view.offered_credit(&WALLET)).unwrap().map(|record| record[0]);
    let next = |items: Vec<u8>, snapshot: bool| {
        let held = number(&store, Section::Credits);
        let prev = if snapshot { 0 } else { held };
        let delta = batch(Section::Credits, (prev, held + 1), Vec::new(), items);
        assert!(matches!(apply(&store, &delta), DeltaOutcome::Applied { .. }));
    };
    assert_eq!(offered(&store), None);
    next(item(Some(7)), true);
    assert_eq!(offered(&store), Some(7));
    next(item(Some(8)), false);
    assert_eq!(offered(&store), Some(8));
    next(item(None), false);
    assert_eq!(offered(&store), None);
    next(item(Some(9)), false);
    next(Vec::new(), true);
    assert_eq!(offered(&store), None, "a snapshot replaces all");
}
