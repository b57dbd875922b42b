//! What journals that were closed, forked, revoked or lie say about intents, and what it does to the money.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]

use crate::ledger_world::{self, BAR_A, BAR_B, DESK, End, WALLET, World, entry, funded, top_up, verdict};
use domain::{
    id::EntryRef,
    journal::{Closure, Detail, Effect, Entry, Flags, IntentPurpose, Kind, TillTotals},
    ledger::{Reason, Standing, Verdict, WalletEntry, WalletFlags, chip_forks, fold_wallet, verdicts},
    wristband::RecordId,
};

#[test]
fn what_a_void_or_giving_up_saw_on_the_chip_settles_others_intents() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Written);
    world.give_up(BAR_A, open);
    let part = Detail::Seen(Some(world.chip.seen())).to_bytes();
    let tap_counter = world.chip.counter + 1;
    world.push(BAR_B, Entry { part, tap_counter, ..entry(Kind::GAVE_UP, Effect::None, 0) });
    assert_eq!(verdict(&world, open), Verdict::Applied);
}

#[test]
fn a_closing_read_is_void_by_its_kind_and_any_other_hold_by_its_release() {
    let mut world = funded();
    let unread = world.tap(BAR_A, IntentPurpose::ClosingRead, 0, 0, End::Void);
    assert_eq!(verdict(&world, unread), Verdict::Void);
    for (kind, expected) in [(Kind(900), Verdict::Void), (Kind::CLOSING_READ, Verdict::Committed)] {
        let open = world.sale(BAR_A, 300, End::Lost);
        world.refer(BAR_A, kind, Effect::Release, open);
        assert_eq!(verdict(&world, open), expected, "{kind:?}");
    }
}

#[test]
fn a_top_up_committed_with_its_record_on_one_branch_has_its_record() {
    for c_only in [false, true] {
        let mut world = funded();
        let top_up = world.entries[0].at;
        assert_eq!(fold_wallet(WALLET, &world.entries).state.head_counter, 1);
        if c_only {
            world.entries.pop();
        }
        let commit = entry(Kind::TOP_UP, Effect::Credit, 1000);
        world.push(DESK, Entry { refers_to: Some(top_up), part: self::top_up(true), ..commit });
        let fold = fold_wallet(WALLET, &world.entries);
        let head = if c_only { 0 } else { 1 };
        assert_eq!((fold.state.head_counter, fold.accounts.top_ups > 0), (head, true), "{c_only}");
    }
}

#[test]
fn a_closed_journal_gives_up_its_intents_in_the_fold_as_well() {
    let mut world = funded();
    world.sale(BAR_A, 300, End::Written);
    world.sale(BAR_B, 100, End::Committed);
    let other = domain::id::WalletId([0xbb; 16]);
    let mut closed = closure(true);
    closed.subject = domain::journal::Subject([0; 16]);
    world.push(BAR_A, closed);
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.accounts.spent, fold.state.in_doubt), (400, 0));
    assert_eq!(fold_wallet(other, &world.entries).settled, []);
}

#[test]
fn a_band_that_was_issued_again_follows_no_record_twice() {
    let mut world = World::new();
    world.sale(BAR_A, 0, End::Void);
    world.chip.base = RecordId([0xfe; 4]);
    world.sale(BAR_B, 0, End::Void);
    assert_eq!(chip_forks(&world.entries), []);
}

#[test]
fn a_commit_without_its_intent_takes_nothing_from_another_one() {
    let mut world = funded();
    let gone = world.tap(BAR_A, IntentPurpose::Sale, 300, 0, End::Committed);
    world.entries.retain(|e| e.at != gone);
    let commit = world.entries.last_mut().unwrap();
    commit.entry.part.clear();
    commit.detail = Detail::of(&commit.entry).unwrap();
    world.chip.counter -= 1;
    world.tap(BAR_A, IntentPurpose::Sale, 300, 100, End::Lost);
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.accounts.spent, fold.accounts.deposits), (300, 0));
}

#[test]
fn on_forked_ground_a_commit_ends_the_hold_of_its_own_branch() {
    let hold = |deposit: u32, amount: u32, counter: u16, standing| {
        let mut world = funded();
        let at = world.tap(BAR_A, IntentPurpose::Sale, amount, deposit, End::Lost);
        world.entries.last_mut().unwrap().entry.tap_counter = counter;
        world.mark(at, standing);
        (world.entries.pop().unwrap(), world)
    };
    use Standing::{Disputed, InForce};
    // what tells the two branches apart: tap counter, amount, standing
    for (one, other) in [
        ((300, 2, Disputed), (300, 3, Disputed)),
        ((300, 2, Disputed), (200, 2, Disputed)),
        ((300, 2, InForce), (300, 2, Disputed)),
    ] {
        for ((amount, counter, standing), (theirs, at, beside)) in [(one, other), (other, one)] {
            for swapped in [false, true] {
                let (mut own, mut world) = hold(if swapped { 20 } else { 10 }, amount, counter, standing);
                let (not_own, _) = hold(if swapped { 10 } else { 20 }, theirs, at, beside);
                own.at = not_own.at;
                let refers_to = Some(own.at);
                let sale = Entry { refers_to, tap_counter: counter, ..entry(Kind::SALE, Effect::Debit, amount) };
                let commit = WalletEntry::new(EntryRef { seq: 9, ..own.at }, sale, standing);
                world.entries.extend([own, not_own, commit]);
                let fold = fold_wallet(WALLET, &world.entries);
                assert_eq!(fold.accounts.deposits, if swapped { 20 } else { 10 }, "{amount} {counter} {standing:?}");
            }
        }
    }
}

#[test]
fn what_counts_once_is_counted_where_it_is_in_force() {
    let branches = |end: End| {
        let mut world = World::new();
        let at = world.tap(DESK, IntentPurpose::TopUp, 500, 0, end);
        if end == End::Written {
            world.give_up(DESK, at);
        }
        let mut disputed = world.entries.clone();
        world.closing_read();
        for e in world.entries.iter_mut().filter(|e| e.at.device == at.device) {
            e.at.seq += 10;
            e.entry.refers_to = e.entry.refers_to.map(|at| EntryRef { seq: at.seq + 10, ..at });
        }
        disputed.iter_mut().for_each(|e| e.standing = Standing::Disputed);
        world.entries.extend(disputed);
        fold_wallet(WALLET, &world.entries).accounts
    };
    for end in [End::Committed, End::Written] {
        let sums = branches(end);
        assert_eq!((sums.top_ups, sums.disputed, sums.balance()), (500, 0, 500), "{end:?}");
    }
}

#[test]
fn two_entries_at_one_place_fold_alike_in_any_order_and_number() {
    let mut world = funded();
    let at = world.tap(BAR_A, IntentPurpose::Sale, 300, 0, End::Lost);
    let one = world.entries.last().unwrap().clone();
    let other = WalletEntry { entry: Entry { tap_counter: 7, ..one.entry.clone() }, ..one.clone() };
    world.mark(at, Standing::Disputed);
    let (one, other) =
        (WalletEntry { standing: Standing::Disputed, ..one }, WalletEntry { standing: Standing::Disputed, ..other });
    world.entries.push(other.clone());
    let fold = fold_wallet(WALLET, &world.entries);
    for more in [[&one, &other, &one, &other], [&other, &one, &other, &one]] {
        let mut mixed = world.entries[..2].to_vec();
        mixed.extend(more.into_iter().cloned());
        assert_eq!(fold_wallet(WALLET, &mixed), fold);
    }
}

#[test]
fn a_hold_that_is_no_intent_is_in_doubt_until_it_is_named() {
    for (hold, commit, kind) in
        [(Effect::Hold, Effect::Debit, Kind(901)), (Effect::HoldCredit, Effect::Credit, Kind(902))]
    {
        let mut world = funded();
        let at = world.push(BAR_A, entry(Kind(900), hold, 80));
        assert_eq!(fold_wallet(WALLET, &world.entries).state.in_doubt, 80);
        world.push(BAR_A, Entry { refers_to: Some(at), ..entry(kind, commit, 80) });
        let fold = fold_wallet(WALLET, &world.entries);
        assert_eq!((fold.accounts.hold_debit, fold.accounts.hold_credit), (0, 0), "{hold:?}");
    }
}

#[test]
fn goods_that_a_revoked_box_says_it_gave_out_are_no_loss() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Lost);
    world.refer(BAR_A, Kind::HANDED_OVER, Effect::None, open);
    world.mark_all(BAR_A, Standing::BeyondRevocation);
    world.sale(BAR_B, 10, End::Committed);
    assert_eq!(verdict(&world, open), Verdict::NotApplied);
    assert_eq!(fold_wallet(WALLET, &world.entries).accounts.losses, 0);
}

#[test]
fn a_disputed_transfer_that_came_in_stands_apart() {
    let mut world = World::new();
    let other = domain::id::WalletId([0xbb; 16]);
    let transfer = Entry { other: WALLET.into(), ..entry(Kind::BAND_TRANSFER, Effect::Transfer, 90) };
    let at = world.push(DESK, Entry { subject: other.into(), ..transfer });
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.state.balance, fold.disputed), (90, 0));
    world.mark(at, Standing::Disputed);
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.state.balance, fold.disputed), (0, 90));
}

#[test]
fn two_successors_of_one_record_are_a_fork() {
    let mut world = funded();
    let dump = world.chip;
    let first = world.sale(BAR_A, 300, End::Committed);
    assert_eq!(chip_forks(&world.entries), []);
    world.chip = dump;
    let second = world.sale(BAR_B, 900, End::Committed);
    let forks = chip_forks(&world.entries);
    assert_eq!((forks.len(), forks[0].base), (1, dump.base));
    let writers: Vec<_> = forks[0].successors.iter().map(|s| s.written_by).collect();
    assert_eq!(writers, [Some(first), Some(second)]);
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.overspend, fold.state.balance), (200, -200));
    assert!(fold.state.flags.has(WalletFlags::SUSPECT) && fold.state.flags.has(WalletFlags::OVERSPENT));
}

#[test]
fn a_fork_is_found_where_one_successor_was_only_seen_in_a_chain() {
    let mut world = funded();
    let dump = world.chip;
    world.sale(BAR_A, 300, End::Written);
    world.sale(BAR_A, 10, End::Committed);
    world.chip = dump;
    world.sale(BAR_B, 20, End::Committed);
    assert_eq!(chip_forks(&world.entries).len(), 1);
}

#[test]
fn a_torn_record_that_nobody_saw_is_no_fork() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Lost);
    world.give_up(BAR_A, open);
    world.sale(BAR_B, 20, End::Committed);
    world.closing_read();
    assert_eq!(chip_forks(&world.entries), []);
}

#[test]
fn what_a_revoked_box_wrote_counts_only_where_a_chip_proves_it() {
    let mut world = funded();
    let proven = world.sale(BAR_A, 300, End::Committed);
    world.mark_all(BAR_A, Standing::BeyondRevocation);
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.state.balance, fold.state.in_doubt), (1000, 0));
    world.closing_read();
    assert_eq!(verdict(&world, proven), Verdict::Applied);
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.state.balance, fold.accounts.spent, fold.accounts.pending), (700, 300, 0));
}

#[test]
fn what_a_revoked_box_claims_to_have_read_proves_nothing() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Written);
    world.give_up(BAR_A, open);
    world.sale(BAR_B, 20, End::Committed);
    world.mark_all(BAR_B, Standing::BeyondRevocation);
    assert_eq!(verdict(&world, open), Verdict::Doubt);
}

#[test]
fn the_head_is_the_newest_record_committed_settled_or_seen() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Written);
    let state = fold_wallet(WALLET, &world.entries).state;
    assert_eq!((state.head_counter, state.credit_seq), (1, 1));
    let mut seen = world.clone();
    seen.entries.pop();
    seen.sale(BAR_B, 20, End::Void);
    let state = fold_wallet(WALLET, &seen.entries).state;
    assert_eq!((state.head_counter, state.head_record), (2, world.chip.base), "of a box whose journal is missing");
    world.give_up(BAR_A, open);
    world.sale(BAR_B, 20, End::Void);
    let state = fold_wallet(WALLET, &world.entries).state;
    assert_eq!((state.head_counter, state.head_record, state.spent), (2, world.chip.base, 300));
    assert_ne!(state.head_record, RecordId::default());
}

#[test]
fn a_part_that_cannot_be_read_is_set_aside_and_moves_nothing() {
    let mut world = funded();
    world.push(BAR_A, Entry { part: vec![9; 3], ..entry(Kind::SALE, Effect::Debit, 400) });
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!(fold.state.balance, 1000);
    let conflicts = domain::ledger::wallet_conflicts(&fold, &world.entries, |_| domain::id::BoxNumber(7));
    assert_eq!(conflicts.iter().map(|c| c.code()).collect::<Vec<_>>(), ["forbidden-entry"]);
    assert!(Detail::of(&world.entries.last().unwrap().entry).is_err());
}

/// A bar that holds 900 and commits 100; gives the places of both.
fn lying_bar() -> (World, EntryRef, EntryRef) {
    let mut world = funded();
    let hold = world.sale(BAR_A, 900, End::Written);
    let commit = world.push(BAR_A, Entry { refers_to: Some(hold), ..entry(Kind::SALE, Effect::Debit, 100) });
    (world, hold, commit)
}

#[test]
fn a_commit_of_another_amount_than_its_hold_is_set_aside_and_named_and_the_hold_stays_in_doubt() {
    let (mut world, hold, commit) = lying_bar();
    assert_eq!(verdict(&world, hold), Verdict::Doubt);
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.accounts.spent, fold.state.balance, fold.state.in_doubt), (0, 100, 900));
    let found = domain::ledger::wallet_conflicts(&fold, &world.entries, |_| domain::id::BoxNumber(7));
    assert_eq!(found.iter().map(|c| (c.code(), c.amount)).collect::<Vec<_>>(), [("forbidden-entry", Some(100))]);
    assert_eq!(found[0].places.iter().map(|p| (p.at, p.amount)).collect::<Vec<_>>(), [(commit, 100)]);
    for turn in 0..world.entries.len() {
        let mut mixed = world.entries.clone();
        mixed.rotate_left(turn);
        mixed.extend(world.entries.clone());
        assert_eq!(fold_wallet(WALLET, &mixed), fold, "turned by {turn}");
    }
    // Given up, the chip says what became of it.
    world.give_up(BAR_A, hold);
    world.sale(BAR_B, 10, End::Committed);
    assert_eq!(verdict(&world, hold), Verdict::Applied);
}

#[test]
fn a_void_of_another_amount_than_its_hold_voids_nothing() {
    let mut world = funded();
    let hold = world.sale(BAR_A, 900, End::Written);
    world.push(BAR_A, Entry { refers_to: Some(hold), ..entry(Kind::VOID, Effect::Release, 100) });
    assert_eq!(verdict(&world, hold), Verdict::Doubt);
    assert_eq!(fold_wallet(WALLET, &world.entries).state.in_doubt, 900);
}

#[test]
fn a_commit_whose_hold_is_not_here_yet_counts_until_the_hold_says_otherwise() {
    let (world, hold, _) = lying_bar();
    let without: Vec<_> = world.entries.iter().filter(|e| e.at != hold).cloned().collect();
    assert_eq!(fold_wallet(WALLET, &without).state.balance, 900);
    let mut late = without;
    late.push(world.entries.iter().find(|e| e.at == hold).unwrap().clone());
    assert_eq!(fold_wallet(WALLET, &late), fold_wallet(WALLET, &world.entries));
}

#[test]
fn the_quick_path_gives_nothing_for_a_wallet_with_a_lying_commit() {
    use domain::ledger::{Accounts, Tip, fold_fast};
    let (world, hold, commit) = lying_bar();
    let intent = &world.entries.iter().find(|e| e.at == hold).unwrap().entry;
    let (mut sums, mut tip) = (Accounts::default(), Tip::default());
    for e in &world.entries {
        let closed = domain::ledger::closes(&e.entry).and_then(|at| world.entries.iter().find(|i| i.at == at));
        sums.add_closing(&e.entry, closed.map(|i| &i.entry));
        tip.add(&e.entry, closed.map(|i| &i.entry));
    }
    assert_eq!((fold_fast(WALLET, &sums, &tip), sums.spent), (None, 0));
    let lie = &world.entries.iter().find(|e| e.at == commit).unwrap().entry;
    sums.remove_closing(lie, Some(intent));
    assert_eq!((sums.marks, sums.hold_debit), (0, 900));
}

#[test]
fn what_a_box_believes_leaves_a_lying_commit_out() {
    let (world, hold, _) = lying_bar();
    let before = world.entries.iter().position(|e| e.at == hold).unwrap();
    let at_hub = fold_wallet(WALLET, &world.entries[..before]).state;
    let believed = at_hub.with_local(&world.entries[before..]);
    assert_eq!((believed.balance, believed.in_doubt), (100, 900));
}

#[test]
fn on_forked_ground_a_commit_agrees_with_the_hold_of_either_branch() {
    let (world, hold, _) = lying_bar();
    let mut branches = world.clone();
    let other = branches.entries.iter().find(|e| e.at == hold).unwrap().clone();
    branches.entries.push(domain::ledger::WalletEntry {
        entry: Entry { amount: ledger_world::cents(100), ..other.entry.clone() },
        standing: Standing::Disputed,
        ..other
    });
    let fold = fold_wallet(WALLET, &branches.entries);
    assert_eq!(fold.accounts.spent, 100);
    assert_eq!(fold_wallet(WALLET, &world.entries).accounts.spent, 0);
}

#[test]
fn a_band_that_spends_what_a_cut_off_desk_put_on_it_overspends_nothing() {
    let mut world = funded();
    let desk = world.entries.len();
    world.sale(BAR_A, 300, End::Committed);
    let bar_only: Vec<_> = world.entries.split_off(desk);
    let fold = fold_wallet(WALLET, &bar_only);
    assert_eq!((fold.overspend, fold.accounts.unreported), (0, 1000), "not reported yet");
    assert_eq!(domain::ledger::wallet_conflicts(&fold, &bar_only, |_| domain::id::BoxNumber(7)), []);
    // without a chip that shows signed credits it is an overspend
    let account = vec![bar_only.last().unwrap().clone()];
    let fold = fold_wallet(WALLET, &account);
    let found = domain::ledger::wallet_conflicts(&fold, &account, |_| domain::id::BoxNumber(7));
    assert_eq!(found.iter().map(|c| (c.code(), c.amount)).collect::<Vec<_>>(), [("overspend", Some(300))]);
}

#[test]
fn a_top_up_that_was_given_up_and_completed_by_a_closing_read_is_counted() {
    // the closing read writes the S that the top-up would have written, byte for byte
    let mut world = funded();
    let open = world.tap(DESK, IntentPurpose::TopUp, 500, 0, End::CreditOnly);
    world.give_up(DESK, open);
    let read = world.closing_read();
    let own = |world: &World, at: EntryRef| {
        let found = world.entries.iter().find(|e| e.at == at).unwrap();
        if let Detail::Intent(intent) = &found.detail { intent.clone() } else { panic!("an intent") }
    };
    let same = own(&world, open).own;
    for e in world.entries.iter_mut().filter(|e| e.at == read) {
        let Detail::Intent(intent) = &mut e.detail else { panic!("an intent") };
        intent.own = same;
        e.entry.part = Detail::Intent(intent.clone()).to_bytes();
    }
    assert_eq!(verdict(&world, open), Verdict::Applied);
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.accounts.top_ups, fold.state.balance, fold.state.in_doubt), (1500, 1500, 0));
}

#[test]
fn goods_handed_over_on_a_sale_that_its_own_box_then_voids_are_a_loss() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Lost);
    world.refer(BAR_A, Kind::HANDED_OVER, Effect::None, open);
    world.sale(BAR_B, 100, End::Committed);
    world.refer(BAR_A, Kind::VOID, Effect::Release, open);
    assert_eq!(verdict(&world, open), Verdict::Void);
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.accounts.losses, fold.state.balance, fold.state.in_doubt), (300, 900, 0));
}

fn closure(is_final: bool) -> Entry {
    let (period, perpetual) = (TillTotals::default(), TillTotals::default());
    let part = Detail::Closure(Closure { number: 1, is_final, period, perpetual, last: 0 }).to_bytes();
    Entry { part, ..entry(Kind::CLOSURE, Effect::None, 0) }
}

#[test]
fn a_closed_journal_gives_up_what_stands_before_its_closure() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Written);
    world.sale(BAR_B, 100, End::Committed);
    world.push(BAR_B, closure(true));
    world.push(BAR_A, closure(false));
    assert_eq!(verdict(&world, open), Verdict::Doubt);
    world.push(BAR_A, closure(true));
    assert_eq!(verdict(&world, open), Verdict::Applied);
}

#[test]
fn training_and_what_was_set_aside_say_nothing_about_an_intent() {
    let training = |world: &mut World, at: EntryRef| {
        world.entries.iter_mut().filter(|e| e.at == at).for_each(|e| e.entry.flags = Flags::TRAINING);
    };
    let aside = |world: &mut World, at: EntryRef| world.mark(at, Standing::SetAside(Reason::Malformed));
    for hide in [training, aside] {
        let mut world = funded();
        let open = world.sale(BAR_A, 300, End::Written);
        let served = world.refer(BAR_A, Kind::HANDED_OVER, Effect::None, open);
        hide(&mut world, served);
        world.give_up(BAR_A, open);
        world.closing_read();
        assert_eq!(fold_wallet(WALLET, &world.entries).accounts.pending, 300, "nobody was served");
        let mut world = funded();
        let open = world.sale(BAR_A, 300, End::Written);
        hide(&mut world, open);
        let fold = fold_wallet(WALLET, &world.entries);
        assert_eq!((fold.settled.len(), fold.state.in_doubt), (1, 0), "the top-up alone");
        assert!(verdicts(&world.entries).iter().all(|s| s.intent != open));
    }
    let (mut world, hold, commit) = lying_bar();
    training(&mut world, hold);
    training(&mut world, commit);
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!(domain::ledger::wallet_conflicts(&fold, &world.entries, |_| domain::id::BoxNumber(7)), []);
}
