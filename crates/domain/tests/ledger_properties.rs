//! Any history, in any order of arrival and any number of copies: the same states, and no cent missing.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]

use std::collections::BTreeMap;

use crate::ledger_world::{DESK, End, WALLET, World, cents, device, entry, sale_part};
use domain::{
    id::{BoxNumber, TicketUid, WalletId},
    journal::{BandProfile, Detail, Effect, Entry, IntentPurpose, Kind, Pairing, Subject, TopUp},
    ledger::{
        Accounts, Standing, TicketEntry, Tip, Totals, WalletEntry, WalletState, WalletSum, closes, fold_fast,
        fold_ticket, fold_wallet,
    },
    money::Cents,
    time::Hlc,
};
use proptest::prelude::*;

const OTHER: WalletId = WalletId([0xbb; 16]);

#[derive(Clone, Copy, Debug)]
enum Step {
    TopUp(u32),
    Sale { by: u8, share: u32, deposit: u32, end: End, handed_over: bool },
    Refund,
    Read,
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![4 => Just(End::Committed), 1 => Just(End::Void), 1 => Just(End::Written), 1 => Just(End::Lost)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1..3000u32).prop_map(Step::TopUp),
        6 => (1..4u8, 1..10u32, 0..2u32, end(), any::<bool>())
            .prop_map(|(by, share, deposit, end, handed_over)| Step::Sale { by, share, deposit, end, handed_over }),
        1 => Just(Step::Refund),
        1 => Just(Step::Read),
    ]
}

/// An honest evening of one purse: every box gives up what it does not know before the band is tapped again.
fn purse(steps: &[Step]) -> World {
    let mut world = World::new();
    let pairing = Detail::Pairing(Pairing::of(BandProfile::Ntag21x)).to_bytes();
    world.push(4, Entry { part: pairing, other: Subject([5; 16]), ..entry(Kind::PAIRING, Effect::None, 0) });
    for step in steps {
        let left = world.chip.balance().get();
        match *step {
            Step::TopUp(amount) => {
                world.top_up(amount);
            }
            Step::Refund if left > 0 => {
                world.tap(DESK, IntentPurpose::Refund, left, 0, End::Committed);
            }
            Step::Read => {
                world.closing_read();
            }
            Step::Sale { by, share, deposit, end, handed_over } if left / share > 0 => {
                let price = left / share;
                let at = world.tap(by, IntentPurpose::Sale, price, deposit.min(price), end);
                if matches!(end, End::Written | End::Lost) {
                    if handed_over {
                        world.refer(by, Kind::HANDED_OVER, Effect::None, at);
                    }
                    world.give_up(by, at);
                }
            }
            Step::Sale { .. } | Step::Refund => {}
        }
    }
    world
}

/// A wallet without a purse: the ledger's own entries, every effect among them.
fn account_entry() -> impl Strategy<Value = (u8, Entry)> {
    let kinds = prop_oneof![
        Just((Kind::SALE, Effect::Debit)),
        Just((Kind::SALE, Effect::Owe)),
        Just((Kind::TOP_UP, Effect::Credit)),
        Just((Kind::TOP_UP, Effect::Owe)),
        Just((Kind::GIFT, Effect::Credit)),
        Just((Kind::DEPOSIT_OUT, Effect::Debit)),
        Just((Kind::DEPOSIT_BACK, Effect::Credit)),
        Just((Kind::CORRECTION_PLUS, Effect::Credit)),
        Just((Kind::CORRECTION_MINUS, Effect::Debit)),
        Just((Kind::REFUND, Effect::Debit)),
        Just((Kind::REFUND, Effect::Repay)),
        Just((Kind::PENDING_CREDIT, Effect::Owe)),
        Just((Kind::PENDING_CREDIT, Effect::Repay)),
        Just((Kind::FEE, Effect::Debit)),
        Just((Kind::EXPIRY, Effect::Debit)),
        Just((Kind(999), Effect::Credit)),
        Just((Kind(999), Effect::Debit)),
        Just((Kind::NOTE, Effect::None)),
        Just((Kind::BAND_TRANSFER, Effect::Transfer)),
        Just((Kind(998), Effect::Unknown(99))),
    ];
    (1..5u8, kinds, 0..2000u32, 0..200u32, any::<bool>()).prop_map(|(by, (kind, effect), amount, fee, swap)| {
        let mut entry = entry(kind, effect, amount);
        match kind {
            Kind::TOP_UP => {
                entry.part =
                    Detail::TopUp(TopUp { c_only: false, fee: cents(fee), means: domain::journal::Means::Cash })
                        .to_bytes()
            }
            Kind::SALE if effect == Effect::Debit => entry.part = sale_part(amount, fee, fee),
            _ => {}
        }
        if effect == Effect::Transfer {
            entry.other = OTHER.into();
            if swap {
                (entry.subject, entry.other) = (entry.other, entry.subject);
            }
        }
        (by, entry)
    })
}

fn account(entries: Vec<(u8, Entry)>) -> World {
    let mut world = World::new();
    for (by, entry) in entries {
        world.push(by, entry);
    }
    world
}

fn incremental(wallet: WalletId, entries: &[WalletEntry]) -> (Accounts, Tip) {
    let (mut sums, mut tip) = (Accounts::default(), Tip::default());
    for e in entries {
        let intent = closes(&e.entry).and_then(|at| entries.iter().find(|i| i.at == at)).map(|i| &i.entry);
        if e.entry.subject == wallet.into() {
            sums.add_closing(&e.entry, intent);
            tip.add(&e.entry, intent);
        } else if e.entry.other == wallet.into() {
            sums.add_received(&e.entry);
        }
    }
    (sums, tip)
}

fn shuffled(entries: &[WalletEntry], order: &[usize]) -> Vec<WalletEntry> {
    let mut mixed: Vec<(usize, WalletEntry)> = entries
        .iter()
        .cloned()
        .enumerate()
        .map(|(i, e)| (order[i % order.len()].wrapping_mul(i + 7) % 97, e))
        .collect();
    let copies: Vec<_> = mixed.iter().filter(|(key, _)| key % 3 == 0).map(|(key, e)| (key + 50, e.clone())).collect();
    mixed.extend(copies);
    mixed.sort_by_key(|(key, _)| *key);
    mixed.into_iter().map(|(_, e)| e).collect()
}

fn against(world: &World, entries: &[WalletEntry]) -> Totals {
    let fold = fold_wallet(WALLET, entries);
    let chips: BTreeMap<WalletId, Cents> = [(WALLET, world.chip.balance())].into();
    Totals::against_chips([WalletSum::from(&fold)], &chips)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn the_order_of_arrival_and_copies_do_not_matter(
        steps in prop::collection::vec(step(), 0..14),
        marks in prop::collection::vec(0..8u8, 1..20),
        order in prop::collection::vec(0..97usize, 1..60),
    ) {
        let mut world = purse(&steps);
        for (i, e) in world.entries.iter_mut().enumerate() {
            e.standing = match marks[i % marks.len()] {
                0 => Standing::Disputed,
                1 => Standing::BeyondRevocation,
                _ => Standing::InForce,
            };
            // A box that lies commits more than it held.
            if marks[i % marks.len()] == 2 && closes(&e.entry).is_some() {
                e.entry.amount = cents(e.entry.amount.get() + 1);
            }
        }
        let fold = fold_wallet(WALLET, &world.entries);
        prop_assert_eq!(fold_wallet(WALLET, &shuffled(&world.entries, &order)), fold);
    }

    #[test]
    fn the_quick_path_gives_the_full_fold_s_state_or_none(steps in prop::collection::vec(step(), 0..14)) {
        let world = purse(&steps);
        let (sums, tip) = incremental(WALLET, &world.entries);
        let full = fold_wallet(WALLET, &world.entries);
        let mut lying = world.entries.clone();
        let moves = |e: &&mut WalletEntry| closes(&e.entry).is_some() && e.entry.effect != Effect::None;
        if let Some(commit) = lying.iter_mut().find(moves) {
            commit.entry.amount = cents(commit.entry.amount.get() + 1);
            let (sums, tip) = incremental(WALLET, &lying);
            prop_assert_eq!(fold_fast(WALLET, &sums, &tip), None);
        }
        let plain = steps.iter().all(|s| !matches!(s, Step::Sale { end: End::Void | End::Written | End::Lost, .. }));
        match fold_fast(WALLET, &sums, &tip) {
            Some(state) => {
                prop_assert_eq!(state, full.state);
                prop_assert_eq!(sums, full.accounts);
            }
            None => prop_assert!(!plain, "the quick path gave nothing for a plain history"),
        }
    }

    #[test]
    fn the_quick_path_never_hides_a_copied_chip(
        before in 0..4usize, after in 1..4usize, share in 1..9u32, lost in any::<bool>(),
    ) {
        let mut world = World::new();
        world.top_up(5000);
        for _ in 0..before { world.sale(1, 10, End::Committed); }
        let dump = world.chip;
        for _ in 0..after { world.sale(1, 10 * share, End::Committed); }
        world.chip = dump;
        for _ in 0..after { world.sale(2, 20 * share, End::Committed); }
        if lost { world.entries.pop(); }
        let (sums, tip) = incremental(WALLET, &world.entries);
        prop_assert_eq!(fold_fast(WALLET, &sums, &tip), None);
        prop_assert_eq!(fold_wallet(WALLET, &world.entries).forks.len(), usize::from(after > 1 || !lost));
    }

    #[test]
    fn an_account_by_uid_folds_alike_on_both_paths_and_its_identity_holds(
        entries in prop::collection::vec(account_entry(), 0..30),
        order in prop::collection::vec(0..97usize, 1..60),
    ) {
        let world = account(entries);
        let mixed = shuffled(&world.entries, &order);
        let mut sums = Vec::new();
        for wallet in [WALLET, OTHER] {
            let full = fold_wallet(wallet, &world.entries);
            prop_assert_eq!(&fold_wallet(wallet, &mixed), &full);
            let (accounts, tip) = incremental(wallet, &world.entries);
            prop_assert_eq!(fold_fast(wallet, &accounts, &tip), Some(full.state));
            prop_assert_eq!(full.overspend, (-full.state.balance).max(0));
            sums.push(WalletSum::from(&full));
        }
        let totals = Totals::from_ledger(sums.clone());
        prop_assert!(totals.balances(), "{:?}", totals);
        prop_assert_eq!(totals.transferred, 0);
        let kept = sums.iter().map(|s| (s.wallet, Cents::try_from(s.accounts.balance().max(0)).unwrap())).collect();
        prop_assert_eq!(Totals::against_chips(sums, &kept), totals);
    }

    #[test]
    fn removing_what_was_added_leaves_nothing(entries in prop::collection::vec(account_entry(), 0..30)) {
        let mut sums = Accounts::default();
        for (_, e) in &entries { sums.add(e); sums.add_received(e); }
        prop_assert_eq!(Accounts::from_bytes(&sums.to_bytes()), Ok(sums));
        for (_, e) in entries.iter().rev() { sums.remove(e); sums.remove_received(e); }
        prop_assert_eq!(sums, Accounts::default());
    }

    #[test]
    fn no_cent_is_missing_at_any_moment_of_an_honest_evening(steps in prop::collection::vec(step(), 0..14)) {
        for upto in 0..=steps.len() {
            let world = purse(&steps[..upto]);
            let totals = against(&world, &world.entries);
            prop_assert!(totals.balances(), "{:?}", totals);
        }
    }

    #[test]
    fn a_closing_read_leaves_no_doubt_of_the_last_taps(
        steps in prop::collection::vec(step(), 0..14),
    ) {
        let mut world = purse(&steps);
        let seen_since = |s: &Step| matches!(s, Step::TopUp(_) | Step::Read);
        world.closing_read();
        let fold = fold_wallet(WALLET, &world.entries);
        let tail = steps.iter().rev().take_while(|s| !seen_since(s)).count();
        if tail <= 2 {
            prop_assert_eq!(fold.state.in_doubt, 0);
        }
        let totals = against(&world, &world.entries);
        prop_assert!(totals.balances(), "{:?}", totals);
        if fold.state.in_doubt == 0 {
            prop_assert_eq!(fold.state.balance, world.chip.balance().as_i64());
        }
    }

    #[test]
    fn a_verdict_is_not_turned_round_by_entries_that_arrive_later(
        steps in prop::collection::vec(step(), 0..14), have in prop::collection::vec(0..30u32, 6),
    ) {
        use domain::ledger::{Verdict, verdicts};
        let world = purse(&steps);
        let arrived: Vec<WalletEntry> = world.entries.iter()
            .filter(|e| e.at.seq < have[usize::from(e.at.device.0[0])]).cloned().collect();
        let later = verdicts(&world.entries);
        for early in verdicts(&arrived) {
            let late = later.iter().find(|s| s.intent == early.intent).unwrap();
            let kept = match early.verdict {
                Verdict::Doubt => true,
                Verdict::Committed | Verdict::Void | Verdict::Applied | Verdict::NotApplied => early.verdict == late.verdict,
            };
            prop_assert!(kept, "{:?} became {:?}", early, late);
        }
    }

    #[test]
    fn a_money_entry_that_is_dropped_is_missed(
        amounts in prop::collection::vec((1..500u32, any::<bool>()), 1..8), which in any::<prop::sample::Index>(),
    ) {
        let mut world = World::new();
        for (amount, sells) in amounts {
            world.top_up(amount);
            if sells { world.sale(1, amount, End::Committed); }
        }
        let money: Vec<usize> = world.entries.iter().enumerate()
            .filter(|(_, e)| matches!(e.entry.effect, Effect::Credit | Effect::Debit)).map(|(i, _)| i).collect();
        let mut entries = world.entries.clone();
        entries.remove(*which.get(&money));
        prop_assert!(against(&world, &world.entries).balances());
        // Its intent is still there and nobody gave it up: it stands as in doubt.
        prop_assert_eq!(fold_wallet(WALLET, &entries).accounts.open_intents, 1);
        // Without its intent as well, only the sum is left to tell.
        let gone = world.entries[*which.get(&money)].entry.refers_to.unwrap();
        entries.retain(|e| e.at != gone);
        let totals = against(&world, &entries);
        prop_assert!(totals.unexplained != 0 || totals.unreported != 0, "{:?}", totals);
    }

    #[test]
    fn what_a_box_believes_is_the_hub_s_state_and_its_own_entries_beyond(
        entries in prop::collection::vec(account_entry(), 0..30), cut in any::<prop::sample::Index>(),
    ) {
        let world = account(entries);
        let cut = cut.index(world.entries.len() + 1);
        let at_hub = fold_wallet(WALLET, &world.entries[..cut]).state;
        let believed = at_hub.with_local(&world.entries[cut..]);
        let whole = fold_wallet(WALLET, &world.entries).state;
        prop_assert_eq!(believed.balance, whole.balance);
        prop_assert_eq!(believed.flags.has(domain::ledger::WalletFlags::FROZEN), whole.flags.has(domain::ledger::WalletFlags::FROZEN));
    }

    #[test]
    fn a_purse_as_its_box_believes_it_is_the_one_that_the_hub_will_fold(
        steps in prop::collection::vec(step(), 0..10), cut in any::<prop::sample::Index>(),
    ) {
        let world = purse(&steps);
        let taps: Vec<usize> = (0..=world.entries.len())
            .filter(|i| world.entries.get(*i).is_none_or(|e| e.entry.kind == Kind::INTENT)).collect();
        let cut = *cut.get(&taps);
        let at_hub = fold_wallet(WALLET, &world.entries[..cut]).state;
        let believed = at_hub.with_local(&world.entries[cut..]);
        let whole = fold_wallet(WALLET, &world.entries);
        if whole.settled.iter().all(|s| matches!(s.verdict, domain::ledger::Verdict::Committed | domain::ledger::Verdict::Void)) {
            prop_assert_eq!(believed, whole.state);
        } else {
            prop_assert!(believed.balance <= whole.state.balance + i64::from(whole.state.pending));
        }
    }

    #[test]
    fn a_ticket_folds_alike_in_any_order(
        passages in prop::collection::vec((1..4u8, any::<bool>(), 0..50u64), 0..10), turn in 0..10usize,
    ) {
        let ticket = TicketUid([7; 16]);
        let mut entries: Vec<TicketEntry> = passages.iter().enumerate().map(|(i, (by, enters, hlc))| {
            let (kind, effect) = if *enters { (Kind::ADMISSION, Effect::In) } else { (Kind::EXIT, Effect::Out) };
            let mut passage = entry(kind, effect, 0);
            (passage.subject, passage.hlc) = (ticket.into(), Hlc(*hlc));
            let at = domain::id::EntryRef { device: device(*by), epoch: 0, seq: i as u32 };
            TicketEntry { at, entry: passage, box_number: BoxNumber(u16::from(*by)), standing: Standing::InForce }
        }).collect();
        let fold = fold_ticket(ticket, &entries);
        let (ins, outs) = (fold.admissions.len(), entries.len() - fold.admissions.len());
        prop_assert!(ins <= outs + 1 || !fold.doubles.is_empty());
        let turn = turn % entries.len().max(1);
        entries.rotate_left(turn);
        entries.extend(entries.clone());
        entries.reverse();
        prop_assert_eq!(fold_ticket(ticket, &entries), fold);
    }

    #[test]
    fn hostile_bytes_are_no_state(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(state) = WalletState::from_bytes(&bytes) {
            prop_assert_eq!(&state.to_bytes()[..], &bytes[..]);
        }
        if let Ok(state) = domain::ledger::TicketState::from_bytes(&bytes) {
            prop_assert_eq!(&state.to_bytes()[..], &bytes[..]);
        }
        if let Ok(tip) = Tip::from_bytes(&bytes) {
            prop_assert_eq!(tip.to_bytes().len(), bytes.len());
        }
    }
}
