//! Rulings are a function of the set: in any order, with copies, the same one holds and the same money moves.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use domain::{
    id::{BoxNumber, DeviceId, EntryRef, WalletId},
    journal::{
        BlockedKind, ChipSeen, Detail, Effect, Entry, Flags, Intent, IntentPurpose, Kind, MatterKind, Means, Ruling,
        RulingAction, Sale, TopUp,
    },
    ledger::{
        Reason, Ruled, RuledAt, RulingSort, Standing, Totals, WalletEntry, WalletSum, fold_wallet, ruled,
        wallet_conflicts,
    },
    money::{Cents, Currency},
    time::Hlc,
    wristband::{CreditId, RecordId},
};
use proptest::prelude::*;

const WALLET: WalletId = WalletId([7; 16]);

fn cents(n: u32) -> Cents {
    Cents::new(n).unwrap()
}

fn at(device: u8, seq: u32) -> EntryRef {
    EntryRef { device: DeviceId([device; 16]), epoch: 0, seq }
}

fn entry(kind: Kind, effect: Effect, amount: u32) -> Entry {
    Entry { subject: WALLET.into(), amount: cents(amount), ..Entry::new(kind, effect, Currency::EUR, Hlc(1)) }
}

/// 10.00 topped up at a desk, 6.00 sold at each of two bars apart: 2.00 overspent.
fn overspent() -> Vec<WalletEntry> {
    let part = Detail::TopUp(TopUp { c_only: false, fee: Cents::ZERO, means: Means::Cash }).to_bytes();
    let top_up = Entry { part, ..entry(Kind::TOP_UP, Effect::Credit, 1_000) };
    let sale = || entry(Kind::SALE, Effect::Debit, 600);
    [(at(1, 1), top_up), (at(2, 1), sale()), (at(3, 1), sale())]
        .map(|(at, entry)| WalletEntry::new(at, entry, Standing::InForce))
        .to_vec()
}

fn ruling(at: EntryRef, action: RulingAction, amount: u32, replaces: &[EntryRef]) -> WalletEntry {
    let ruling = Ruling {
        matter: MatterKind::Overspend,
        action,
        what: BlockedKind::Wallet,
        places_seen: 2,
        cents_seen: 200,
        replaces: replaces.to_vec(),
        by: "Ana".into(),
        reason: "copied band".into(),
    };
    let part = Detail::Ruling(ruling).to_bytes();
    WalletEntry::new(at, Entry { part, ..entry(Kind::RULING, Effect::None, amount) }, Standing::InForce)
}

fn books(entries: &[WalletEntry]) -> Totals {
    let totals = Totals::from_ledger([WalletSum::from(&fold_wallet(WALLET, entries))]);
    assert_eq!(totals.sources(), totals.uses(), "{totals:?}");
    totals
}

fn with(more: &[WalletEntry]) -> Vec<WalletEntry> {
    overspent().into_iter().chain(more.iter().cloned()).collect()
}

fn decided(entries: &[WalletEntry]) -> Ruled {
    let rulings = entries.iter().filter_map(|e| RuledAt::of(e.at, &e.entry));
    ruled(rulings).into_values().next().unwrap_or_default()
}

/// Those that hold, and how many stand beside them and are replaced.
fn holding(entries: &[WalletEntry]) -> (Vec<EntryRef>, usize, usize) {
    let one = decided(entries);
    (one.holds.iter().map(|one| one.at).collect(), one.beside.len(), one.replaced.len())
}

#[test]
fn what_is_forgiven_is_a_gift_and_what_is_paid_back_is_money_taken() {
    assert_eq!(books(&overspent()).overspend, 200);
    let forgiven = books(&with(&[ruling(at(9, 1), RulingAction::Forgive, 200, &[])]));
    assert_eq!((forgiven.overspend, forgiven.gifts, forgiven.balance), (0, 200, 0));
    let paid = books(&with(&[ruling(at(9, 1), RulingAction::ChargeBack, 150, &[])]));
    assert_eq!((paid.overspend, paid.top_up, paid.balance), (50, 1_150, 0));
    let accepted = books(&with(&[ruling(at(9, 1), RulingAction::Accept, 0, &[])]));
    assert_eq!(accepted, books(&overspent()));
}

#[test]
fn nobody_is_given_more_than_he_lacked_and_money_in_hand_counts_whole() {
    let generous = books(&with(&[ruling(at(9, 1), RulingAction::Forgive, 900, &[])]));
    assert_eq!((generous.gifts, generous.balance), (200, 0), "no more than whoever decided saw");
    let paid = books(&with(&[ruling(at(9, 1), RulingAction::ChargeBack, 900, &[])]));
    assert_eq!((paid.top_up, paid.balance), (1_900, 700), "it is the guest's");
}

#[test]
fn what_was_forgiven_stays_forgiven_when_the_guest_puts_money_on_again() {
    let part = Detail::TopUp(TopUp { c_only: false, fee: Cents::ZERO, means: Means::Cash }).to_bytes();
    let top_up = Entry { part, ..entry(Kind::TOP_UP, Effect::Credit, 2_000) };
    let top_up = WalletEntry::new(at(1, 2), top_up, Standing::InForce);
    let all = books(&with(&[ruling(at(9, 1), RulingAction::Forgive, 200, &[]), top_up]));
    assert_eq!((all.gifts, all.balance, all.overspend), (200, 2_000, 0));
}

#[test]
fn what_is_paid_back_beyond_the_lack_of_a_purse_is_owed_since_no_band_has_it() {
    let (open, void) = (at(2, 2), Entry { refers_to: Some(at(2, 2)), ..entry(Kind::VOID, Effect::Release, 300) });
    let tapped =
        [WalletEntry::new(open, intent(), Standing::InForce), WalletEntry::new(at(2, 3), void, Standing::InForce)];
    let paid = ruling(at(9, 1), RulingAction::ChargeBack, 500, &[]);
    let all = books(&with(&[&tapped[..], &[paid]].concat()));
    assert_eq!((all.top_up, all.balance, all.pending_credit, all.overspend), (1_500, 0, 300, 0));
}

#[test]
fn a_ruling_in_training_or_that_is_set_aside_moves_nothing() {
    let forgive = ruling(at(9, 1), RulingAction::Forgive, 200, &[]);
    let aside = WalletEntry { standing: Standing::SetAside(Reason::Malformed), ..forgive.clone() };
    let mut training = forgive;
    training.entry.flags = Flags::TRAINING;
    for ruling in [aside, training] {
        assert_eq!(books(&with(&[ruling])), books(&overspent()));
    }
}

#[test]
fn at_one_place_on_forked_ground_the_ruling_that_counts_less_holds() {
    let (more, less) =
        (ruling(at(8, 1), RulingAction::Forgive, 200, &[]), ruling(at(8, 1), RulingAction::Forgive, 50, &[]));
    for both in [[&more, &less], [&less, &more]] {
        let one = decided(&both.map(Clone::clone));
        assert_eq!((one.moved(), one.holds.len(), one.beside.len()), (50, 1, 0));
    }
}

/// A purse is about to pay 3.00.
fn intent() -> Entry {
    let intent = Intent {
        purpose: IntentPurpose::Sale,
        seen: ChipSeen {
            base: RecordId([1; 4]),
            before: RecordId::default(),
            before2: None,
            credit_seq: 0,
            credit_id: CreditId::default(),
            credits: Cents::ZERO,
            spent: Cents::ZERO,
        },
        own: RecordId([2; 4]),
        spent_after: cents(300),
        new_credit: None,
        old_credit: None,
        sale: Some(Sale::default()),
        fee: Cents::ZERO,
        means: Means::None,
    };
    let part = Detail::Intent(intent).to_bytes();
    Entry { part, tap_counter: 1, ..entry(Kind::INTENT, Effect::Hold, 300) }
}

#[test]
fn a_loss_that_the_guest_pays_is_goods_sold() {
    let refers_to = Some(at(2, 1));
    let served = Entry { refers_to, ..entry(Kind::HANDED_OVER, Effect::None, 300) };
    let void = Entry { refers_to, ..entry(Kind::VOID, Effect::Release, 300) };
    let lost = [(at(2, 1), intent()), (at(2, 2), served), (at(2, 3), void)];
    let lost = lost.map(|(at, entry)| WalletEntry::new(at, entry, Standing::InForce)).to_vec();
    assert_eq!(books(&lost).losses, 300);
    for (paid, losses, owed) in [(100, 200, 0), (300, 0, 0), (500, 0, 200)] {
        let mut back = ruling(at(9, 1), RulingAction::ChargeBack, paid, &[]);
        let Detail::Ruling(part) = &mut back.detail else { panic!("a ruling") };
        part.matter = MatterKind::Loss;
        back.entry.part = back.detail.to_bytes();
        let books = books(&[&lost[..], std::slice::from_ref(&back)].concat());
        let spent = i64::from(paid) - owed;
        assert_eq!((books.top_up, books.spent, books.losses), (paid.into(), spent, losses));
        assert_eq!((books.balance, books.pending_credit), (0, owed), "no band has it yet");
        let set = [&lost[..], &[back]].concat();
        let named = wallet_conflicts(&fold_wallet(WALLET, &set), &set, |_| BoxNumber(7));
        let named: Vec<_> = named.iter().map(|conflict| (conflict.code(), conflict.amount)).collect();
        assert_eq!(named, if losses > 0 { vec![("loss", Some(losses))] } else { vec![] });
    }
}

#[test]
fn of_two_rulings_at_once_the_one_that_counts_less_holds_and_both_are_known() {
    let (more, less) =
        (ruling(at(8, 1), RulingAction::Forgive, 200, &[]), ruling(at(9, 1), RulingAction::Forgive, 50, &[]));
    let both = with(&[more.clone(), less.clone()]);
    assert_eq!(holding(&both), (vec![less.at], 1, 0));
    assert_eq!((books(&both).gifts, books(&both).overspend), (50, 150));
    // somebody who sees both decides anew
    let third = ruling(at(9, 2), RulingAction::Forgive, 200, &[more.at, less.at]);
    let settled = with(&[more.clone(), less, third.clone()]);
    assert_eq!(holding(&settled), (vec![third.at], 0, 2));
    assert_eq!(books(&settled).overspend, 0);
    // one that was not known when it was replaced stays beside
    let late = with(&[more, ruling(at(8, 2), RulingAction::Forgive, 250, &[]), third]);
    assert_eq!(holding(&late), (vec![at(9, 2)], 1, 1));
    let circle = [
        ruling(at(8, 1), RulingAction::Forgive, 9, &[at(9, 1)]),
        ruling(at(9, 1), RulingAction::Forgive, 5, &[at(8, 1)]),
    ];
    assert_eq!(holding(&with(&circle)), (vec![at(9, 1)], 1, 0), "two that name each other are at the same time");
}

#[test]
fn what_was_paid_back_stays_booked_when_the_block_before_it_is_lifted() {
    let block = ruling(at(9, 1), RulingAction::Block, 0, &[]);
    let paid = ruling(at(9, 2), RulingAction::ChargeBack, 200, &[block.at]);
    let lift = ruling(at(9, 3), RulingAction::Lift, 0, &[block.at, paid.at]);
    let all = with(&[block, paid.clone(), lift.clone()]);
    assert_eq!((books(&all).overspend, books(&all).top_up), (0, 1_200));
    assert_eq!(holding(&all), (vec![paid.at, lift.at], 0, 1));
}

#[test]
fn a_part_that_is_paid_back_and_the_rest_that_is_forgiven_are_both_booked() {
    let paid = ruling(at(9, 1), RulingAction::ChargeBack, 50, &[]);
    let rest = ruling(at(9, 2), RulingAction::Forgive, 150, &[paid.at]);
    let both = books(&with(&[paid, rest]));
    assert_eq!((both.overspend, both.top_up, both.gifts), (0, 1_050, 150));
}

#[test]
fn a_ruling_of_the_same_sort_over_nothing_undoes_what_was_booked() {
    for action in [RulingAction::ChargeBack, RulingAction::Forgive] {
        let booked = ruling(at(9, 1), action, 200, &[]);
        let undone = ruling(at(9, 2), action, 0, &[booked.at]);
        assert_eq!(books(&with(&[booked, undone])), books(&overspent()));
    }
}

#[test]
fn what_was_left_when_somebody_decided_is_without_what_the_named_rulings_had_moved() {
    let paid = ruling(at(9, 1), RulingAction::ChargeBack, 50, &[]);
    let other = ruling(at(8, 1), RulingAction::ChargeBack, 80, &[]);
    let accept = ruling(at(9, 2), RulingAction::Accept, 0, &[paid.at, other.at]);
    let before = ruling(at(9, 2), RulingAction::Accept, 0, &[]);
    for (accept, left) in [(accept, 150), (before, 200)] {
        let one = decided(&with(&[paid.clone(), other.clone(), accept]));
        let accept = one.of(RulingSort::Other).unwrap();
        assert_eq!((one.left_then(accept), one.moved()), (left, 50), "of two at once the lesser one moved money");
    }
}

fn any_ruling() -> impl Strategy<Value = WalletEntry> {
    let place = (7..10u8, 1..6u32).prop_map(|(device, seq)| at(device, seq));
    let action = prop_oneof![
        Just(RulingAction::Accept),
        Just(RulingAction::ChargeBack),
        Just(RulingAction::Forgive),
        Just(RulingAction::Block)
    ];
    let replaces = proptest::collection::vec((7..10u8, 1..6u32).prop_map(|(device, seq)| at(device, seq)), 0..4);
    (place, action, 0..400u32, replaces)
        .prop_map(|(place, action, amount, replaces)| ruling(place, action, amount, &replaces))
}

proptest! {
    #[test]
    fn in_any_order_and_any_number_of_copies_the_same_holds_and_the_books_agree(
        rulings in proptest::collection::vec(any_ruling(), 0..8),
        order in any::<u64>(),
    ) {
        let set = with(&rulings);
        let mut mixed: Vec<WalletEntry> = set.iter().chain(&set[..set.len() / 2]).cloned().collect();
        let turn = usize::try_from(order % 97).unwrap() + 1;
        let length = mixed.len();
        mixed.rotate_left(turn % length);
        if order % 2 == 0 {
            mixed.reverse();
        }
        for from in (0..length).step_by(3) {
            mixed.swap(from, (from * turn + turn) % length);
        }
        prop_assert_eq!(fold_wallet(WALLET, &set), fold_wallet(WALLET, &mixed));
        prop_assert_eq!(holding(&set), holding(&mixed));
        let totals = books(&mixed);
        prop_assert!(totals.balances() || totals.unexplained == 0, "{:?}", totals);
        prop_assert!(totals.gifts <= 200);
    }
}
