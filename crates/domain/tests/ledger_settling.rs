//! What becomes of intents: every rule of the purse model, and what each verdict does to the money.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]

use crate::ledger_world::{BAR_A, BAR_B, DESK, End, WALLET, World, entry, funded, top_up, verdict};
use domain::{
    journal::{Detail, Effect, Entry, IntentPurpose, Kind, OnlineCredit},
    ledger::{Consequence, Settled, Verdict, WalletEntry, WalletSum, fold_wallet},
};

#[test]
fn a_committed_sale_is_committed_and_one_never_sent_is_void() {
    let mut world = funded();
    let (sold, void) = (world.sale(BAR_A, 300, End::Committed), world.sale(BAR_A, 200, End::Void));
    assert_eq!((verdict(&world, sold), verdict(&world, void)), (Verdict::Committed, Verdict::Void));
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.state.balance, fold.state.in_doubt, fold.accounts.spent), (700, 0, 300));
}

#[test]
fn an_intent_stays_in_doubt_until_its_own_box_gave_it_up() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Written);
    world.sale(BAR_B, 100, End::Committed);
    assert_eq!(verdict(&world, open), Verdict::Doubt);
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.state.balance, fold.state.in_doubt, fold.accounts.pending), (600, 300, 0));
    world.give_up(BAR_A, open);
    assert_eq!(verdict(&world, open), Verdict::Applied);
}

#[test]
fn another_box_cannot_give_an_intent_up_or_void_it() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Written);
    world.sale(BAR_B, 100, End::Committed);
    world.give_up(BAR_B, open);
    world.refer(BAR_B, Kind::VOID, Effect::Release, open);
    assert_eq!(verdict(&world, open), Verdict::Doubt);
}

#[test]
fn a_record_one_or_two_places_behind_the_one_in_force_is_applied() {
    for between in 0..3 {
        let mut world = funded();
        let open = world.sale(BAR_A, 300, End::Written);
        world.give_up(BAR_A, open);
        for _ in 0..between {
            world.sale(BAR_B, 10, End::Written); // its journal never arrives
            world.entries.pop();
        }
        world.closing_read();
        assert_eq!(verdict(&world, open), Verdict::Applied, "{between} lost records between");
    }
}

#[test]
fn a_record_too_far_behind_stays_in_doubt() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Written);
    world.give_up(BAR_A, open);
    for _ in 0..3 {
        world.sale(BAR_B, 10, End::Written);
        world.entries.pop();
    }
    world.closing_read();
    assert_eq!(verdict(&world, open), Verdict::Doubt);
    assert_eq!(fold_wallet(WALLET, &world.entries).state.in_doubt, 300);
}

#[test]
fn another_record_at_its_counter_means_not_applied() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Lost);
    world.give_up(BAR_A, open);
    world.sale(BAR_B, 10, End::Written);
    world.entries.pop();
    world.closing_read();
    assert_eq!(verdict(&world, open), Verdict::NotApplied);
    assert_eq!(fold_wallet(WALLET, &world.entries).state.balance, 1000);
}

#[test]
fn a_committed_sibling_with_the_same_base_means_not_applied() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Lost);
    world.give_up(BAR_A, open);
    world.sale(BAR_B, 10, End::Committed);
    assert_eq!(verdict(&world, open), Verdict::NotApplied);
}

#[test]
fn what_was_built_on_a_replaced_record_is_not_applied() {
    let mut world = funded();
    let before = world.clone();
    world.sale(BAR_A, 300, End::Written);
    let on_it = world.sale(BAR_A, 50, End::Lost);
    world.give_up(BAR_A, on_it);
    assert_eq!(verdict(&world, on_it), Verdict::Doubt);
    world.chip = before.chip; // the weak page of the first one flipped
    world.sale(BAR_B, 10, End::Committed);
    assert_eq!(verdict(&world, on_it), Verdict::NotApplied);
}

#[test]
fn what_was_built_on_a_record_stays_in_doubt_beside_one_that_may_never_have_been_written() {
    let mut world = funded();
    let before = world.clone();
    world.sale(BAR_A, 300, End::Written);
    let on_it = world.sale(BAR_A, 50, End::Lost);
    world.give_up(BAR_A, on_it);
    world.chip = before.chip;
    world.sale(BAR_B, 10, End::Lost);
    assert_eq!(verdict(&world, on_it), Verdict::Doubt);
}

#[test]
fn what_was_built_on_a_record_that_a_lost_box_replaced_is_not_applied() {
    let mut world = funded();
    let before = world.clone();
    world.sale(BAR_A, 300, End::Written);
    let on_it = world.sale(BAR_A, 50, End::Lost);
    world.give_up(BAR_A, on_it);
    world.chip = before.chip;
    world.sale(BAR_B, 10, End::Written);
    world.entries.pop();
    world.closing_read();
    assert_eq!(verdict(&world, on_it), Verdict::NotApplied);
}

#[test]
fn a_read_of_the_unchanged_base_settles_nothing() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Lost);
    world.give_up(BAR_A, open);
    world.sale(BAR_B, 10, End::Void);
    assert_eq!(verdict(&world, open), Verdict::Doubt);
}

#[test]
fn not_applied_wins_over_applied() {
    let mut world = funded();
    let before = world.chip;
    let open = world.sale(BAR_A, 300, End::Written);
    world.give_up(BAR_A, open);
    world.sale(BAR_B, 10, End::Void);
    assert_eq!(verdict(&world, open), Verdict::Applied);
    world.chip = before;
    world.sale(BAR_B, 20, End::Committed);
    assert_eq!(verdict(&world, open), Verdict::NotApplied);
}

#[test]
fn a_top_up_is_settled_by_the_very_credit_record_that_was_seen() {
    let mut world = funded();
    let open = world.tap(DESK, IntentPurpose::TopUp, 500, 0, End::Written);
    world.give_up(DESK, open);
    assert_eq!(verdict(&world, open), Verdict::Doubt);
    let doubt = fold_wallet(WALLET, &world.entries);
    assert_eq!((doubt.state.balance, doubt.accounts.hold_credit), (1000, 500));
    world.sale(BAR_A, 10, End::Void);
    assert_eq!(verdict(&world, open), Verdict::Applied);
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.state.balance, fold.accounts.top_ups, fold.state.in_doubt), (1500, 1500, 0));
}

#[test]
fn a_top_up_is_settled_by_a_later_credit_record_that_descends_from_it() {
    let mut world = funded();
    let open = world.tap(DESK, IntentPurpose::TopUp, 500, 0, End::Written);
    world.give_up(DESK, open);
    world.top_up(200);
    world.top_up(200);
    assert_eq!(verdict(&world, open), Verdict::Applied);
}

#[test]
fn the_bytes_of_a_record_to_be_replaced_prove_what_it_descends_from() {
    let mut world = funded();
    let open = world.tap(DESK, IntentPurpose::TopUp, 500, 0, End::Written);
    world.give_up(DESK, open);
    world.tap(4, IntentPurpose::TopUp, 200, 0, End::Written); // a desk whose journal never arrives
    let Detail::Intent(lost) = world.entries.pop().unwrap().detail else { panic!("not an intent") };
    let later = world.tap(5, IntentPurpose::TopUp, 200, 0, End::Void);
    assert_eq!(verdict(&world, open), Verdict::Doubt);
    let e = world.entries.iter_mut().find(|e| e.at == later).unwrap();
    let Detail::Intent(intent) = &mut e.detail else { panic!("not an intent") };
    intent.old_credit = lost.new_credit;
    assert_eq!(verdict(&world, open), Verdict::Applied);
}

#[test]
fn a_top_up_is_never_settled_by_its_sequence_alone() {
    let mut world = funded();
    let open = world.tap(DESK, IntentPurpose::TopUp, 500, 0, End::Lost);
    world.give_up(DESK, open);
    world.top_up(200); // the same sequence, from the same base
    world.closing_read();
    assert_eq!(verdict(&world, open), Verdict::Doubt);
    assert_eq!(fold_wallet(WALLET, &world.entries).state.in_doubt, 500);
}

/// The hub has signed the C′ of the newest intent.
fn sign_what_is_carried(world: &mut World, amount: u32) {
    let carried = |e: &WalletEntry| if let Detail::Intent(intent) = &e.detail { intent.new_credit } else { None };
    let newest = world.entries.iter().rev().find_map(carried);
    let part = Detail::OnlineCredit(OnlineCredit { record: newest, covers: vec![] }).to_bytes();
    world.push(9, Entry { part, ..entry(Kind::ONLINE_CREDIT, Effect::None, amount) });
}

#[test]
fn what_a_box_says_that_it_carried_and_no_hub_signed_makes_no_money_of_what_was_never_owed() {
    let mut world = funded();
    world.push(BAR_A, entry(Kind::PENDING_CREDIT, Effect::Owe, 150));
    let sums = |world: &World| {
        let accounts = fold_wallet(WALLET, &world.entries).accounts;
        (accounts.pending, accounts.balance())
    };
    let forged = world.tap(BAR_B, IntentPurpose::Carry, 400, 0, End::Committed);
    assert_eq!(sums(&world), (0, 1_150), "all that was owed, as a hub that lost its own entry must have it");
    world.refer(BAR_B, Kind::PENDING_CREDIT, Effect::Repay, forged);
    assert_eq!(sums(&world), (0, 1_150));
    let mut world = funded();
    world.tap(BAR_B, IntentPurpose::Carry, 400, 0, End::Committed);
    assert_eq!(sums(&world), (0, 1_000));
}

#[test]
fn a_carried_credit_repays_what_is_pending_and_takes_no_cash() {
    let mut world = funded();
    world.push(9, entry(Kind::PENDING_CREDIT, Effect::Owe, 150));
    let carried = world.tap(BAR_A, IntentPurpose::Carry, 150, 0, End::Written);
    sign_what_is_carried(&mut world, 150);
    let open = fold_wallet(WALLET, &world.entries);
    assert_eq!((open.state.pending, open.state.in_doubt, open.state.balance), (150, 0, 1000));
    world.give_up(BAR_A, carried);
    world.closing_read();
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.state.pending, fold.state.balance, fold.accounts.top_ups), (0, 1150, 1000));
    assert_eq!(fold.accounts.pending_issued, 150);
}

#[test]
fn applied_and_not_handed_over_is_owed_to_the_guest() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Written);
    world.give_up(BAR_A, open);
    world.closing_read();
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.accounts.spent, fold.accounts.pending, fold.accounts.pending_issued), (300, 300, 300));
    assert_eq!((fold.state.balance, fold.state.spent, fold.accounts.losses), (700, 300, 0));
}

#[test]
fn a_debt_that_the_hub_booked_itself_is_not_owed_twice() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Written);
    world.give_up(BAR_A, open);
    world.closing_read();
    world.refer(9, Kind::PENDING_CREDIT, Effect::Owe, open);
    assert_eq!(fold_wallet(WALLET, &world.entries).accounts.pending, 300);
}

#[test]
fn applied_and_handed_over_is_spent_and_nothing_is_owed() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Written);
    world.refer(BAR_A, Kind::HANDED_OVER, Effect::None, open);
    world.give_up(BAR_A, open);
    world.closing_read();
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.accounts.spent, fold.accounts.pending, fold.accounts.losses), (300, 0, 0));
}

#[test]
fn not_applied_and_handed_over_is_a_loss_with_a_name() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Lost);
    world.refer(BAR_A, Kind::HANDED_OVER, Effect::None, open);
    world.give_up(BAR_A, open);
    world.closing_read();
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.accounts.spent, fold.accounts.losses, fold.state.balance), (0, 300, 1000));
    let conflicts = domain::ledger::wallet_conflicts(&fold, &world.entries, |_| domain::id::BoxNumber(7));
    let loss = conflicts.iter().find(|c| c.code() == "loss").unwrap();
    assert_eq!((loss.amount, loss.places.len(), loss.places[0].at), (Some(300), 1, open));
}

#[test]
fn void_and_handed_over_is_a_loss_with_a_name_too() {
    let mut world = funded();
    let open = world.sale(BAR_A, 300, End::Lost);
    world.refer(BAR_A, Kind::HANDED_OVER, Effect::None, open);
    world.sale(BAR_B, 100, End::Committed);
    // the band comes again, and another record stands there
    world.refer(BAR_A, Kind::VOID, Effect::Release, open);
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!(verdict(&world, open), Verdict::Void);
    assert_eq!((fold.accounts.spent, fold.accounts.losses, fold.state.balance), (100, 300, 900));
}

#[test]
fn a_sale_voided_and_made_again_with_the_very_same_record_is_counted_when_it_is_settled() {
    let mut world = funded();
    world.sale(BAR_A, 300, End::Void);
    world.records -= 1; // same base, same price, same box: the same bytes
    let again = world.sale(BAR_A, 300, End::Written);
    world.give_up(BAR_A, again);
    world.closing_read();
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!(verdict(&world, again), Verdict::Applied);
    assert_eq!((fold.accounts.spent, fold.accounts.pending, fold.state.balance), (300, 300, 700));
}

#[test]
fn a_deposit_of_a_sale_without_commit_is_still_a_deposit() {
    let mut world = funded();
    let open = world.tap(BAR_A, IntentPurpose::Sale, 300, 100, End::Written);
    world.give_up(BAR_A, open);
    world.closing_read();
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.accounts.spent, fold.accounts.deposits), (200, 100));
}

#[test]
fn a_top_up_whose_s_record_was_left_out_replaces_nobodys_record() {
    let mut world = funded();
    let base = world.chip;
    let open = world.sale(BAR_A, 300, End::Written);
    world.give_up(BAR_A, open);
    let written = world.chip;
    world.chip = base;
    let desk = world.tap(DESK, IntentPurpose::TopUp, 100, 0, End::Lost);
    let mut commit = Entry { refers_to: Some(desk), ..entry(Kind::TOP_UP, Effect::Credit, 100) };
    commit.part = top_up(true);
    world.push(DESK, commit);
    assert_eq!(verdict(&world, open), Verdict::Doubt);
    world.chip = written;
    world.closing_read();
    assert_eq!(verdict(&world, open), Verdict::Applied);
}

#[test]
fn what_each_verdict_means_in_money() {
    use IntentPurpose::{Carry, ClosingRead, Refund, Sale, TopUp};
    use Verdict::{Applied, Committed, Doubt, NotApplied, Void};
    let none = Consequence::default();
    let applied = Consequence { applied: 7, ..none };
    let (owed, loss) = (Consequence { owed: 7, ..applied }, Consequence { loss: 7, ..none });
    let in_doubt = Consequence { in_doubt: 7, ..none };
    let at = World::new().push(1, entry(Kind::NOTE, Effect::None, 0));
    // what is taken from the guest: (handed over, not handed over); in doubt: before and after it is written off
    for (purposes, verdict, written_off, served, not_served) in [
        (&[Sale, Refund][..], Committed, false, none, none),
        (&[Sale, Refund], Applied, false, applied, owed),
        (&[Sale, Refund], NotApplied, false, loss, none),
        (&[Sale, Refund], Void, false, loss, none),
        (&[Sale, Refund], Doubt, false, in_doubt, in_doubt),
        (&[Sale, Refund], Doubt, true, applied, none),
        (&[TopUp], Committed, false, none, none),
        (&[TopUp, Carry, ClosingRead], Applied, false, applied, applied),
        (&[TopUp, Carry, ClosingRead], NotApplied, false, none, none),
        (&[TopUp, Carry, ClosingRead], Void, false, none, none),
        (&[TopUp, Carry, ClosingRead], Doubt, false, in_doubt, in_doubt),
        (&[TopUp], Doubt, true, owed, owed),
        (&[Carry, ClosingRead], Doubt, true, none, none),
    ] {
        for (purpose, handed_over) in purposes.iter().flat_map(|purpose| [(*purpose, true), (*purpose, false)]) {
            let credit = matches!(purpose, TopUp | Carry);
            let settled = Settled {
                intent: at,
                verdict,
                amount: 7,
                purpose,
                credit,
                handed_over,
                given_up: true,
                written_off,
                counts: true,
            };
            let expected = if handed_over { served } else { not_served };
            assert_eq!(settled.consequence(), expected, "{settled:?}");
        }
    }
}

#[test]
fn a_wallet_whose_sales_were_all_paid_has_nothing_to_look_at() {
    let mut world = funded();
    world.sale(BAR_A, 300, End::Committed);
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!(domain::ledger::wallet_conflicts(&fold, &world.entries, |_| domain::id::BoxNumber(7)), []);
    assert!(WalletSum::from(&fold).purse, "its chip was written to");
}
