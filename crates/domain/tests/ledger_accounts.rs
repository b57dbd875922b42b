//! What each kind of entry moves, account by account.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a failed test should panic")]
use domain::{
    id::{DeviceId, EntryRef},
    journal::{ChipSeen, Detail, Effect, Entry, Flags, Intent, IntentPurpose, Kind, Means, Sale, Subject, TopUp},
    ledger::{Accounts, closes},
    money::{Cents, Currency},
    time::Hlc,
    wristband::{CreditId, RecordId},
};

const A: i64 = 500;

fn entry(kind: Kind, effect: Effect) -> Entry {
    let amount = Cents::try_from(A).unwrap();
    Entry { subject: Subject([7; 16]), amount, ..Entry::new(kind, effect, Currency::EUR, Hlc(1)) }
}

fn of(entry: &Entry, closed: Option<&Entry>) -> Accounts {
    let mut sums = Accounts::default();
    sums.add_closing(entry, closed);
    sums
}

fn seen() -> ChipSeen {
    ChipSeen {
        base: RecordId([2; 4]),
        before: RecordId([1; 4]),
        before2: None,
        credit_seq: 1,
        credit_id: CreditId([3; 4]),
        credits: Cents::ZERO,
        spent: Cents::ZERO,
    }
}

fn intent(purpose: IntentPurpose) -> Intent {
    Intent {
        purpose,
        seen: seen(),
        own: RecordId([4; 4]),
        spent_after: Cents::ZERO,
        new_credit: None,
        old_credit: None,
        sale: None,
        fee: Cents::ZERO,
        means: Means::None,
    }
}

/// A credit of the hub's on its way to the chip.
fn carry() -> Entry {
    let part = Detail::Intent(intent(IntentPurpose::Carry)).to_bytes();
    Entry { part, ..entry(Kind::INTENT, Effect::HoldCredit) }
}

/// Every account that moves money, for each kind that moves it.
fn moved() -> Vec<(Kind, Effect, Accounts)> {
    use Effect::{Credit, Debit, Owe, Repay, Transfer};
    let none = Accounts::default();
    let owed = Accounts { pending: A, ..none };
    let repaid = Accounts { pending: -A, ..none };
    let newer = Kind(900);
    vec![
        (Kind::TOP_UP, Credit, Accounts { top_ups: A, ..none }),
        (Kind::ONLINE_TOP_UP, Credit, Accounts { top_ups: A, ..none }),
        (Kind::BAND_TRANSFER, Credit, Accounts { transferred: A, ..none }),
        (Kind::GIFT, Credit, Accounts { gifts: A, ..none }),
        (Kind::CORRECTION_PLUS, Credit, Accounts { corrections: A, ..none }),
        (Kind::SALE, Credit, Accounts { spent: -A, ..none }),
        (Kind::DEPOSIT_BACK, Credit, Accounts { deposits: -A, ..none }),
        (Kind::ONLINE_CREDIT, Credit, repaid),
        (Kind::REFUND, Credit, Accounts { refunded: -A, ..none }),
        (Kind::FEE, Credit, Accounts { fees: -A, ..none }),
        (Kind::EXPIRY, Credit, Accounts { expired: -A, ..none }),
        (newer, Credit, Accounts { other_credit: A, ..none }),
        (Kind::SALE, Debit, Accounts { spent: A, ..none }),
        (Kind::DEPOSIT_OUT, Debit, Accounts { deposits: A, ..none }),
        (Kind::REFUND, Debit, Accounts { refunded: A, ..none }),
        (Kind::FEE, Debit, Accounts { fees: A, ..none }),
        (Kind::EXPIRY, Debit, Accounts { expired: A, ..none }),
        (Kind::CORRECTION_MINUS, Debit, Accounts { corrections: -A, ..none }),
        (Kind::TOP_UP, Debit, Accounts { top_ups: -A, ..none }),
        (Kind::GIFT, Debit, Accounts { gifts: -A, ..none }),
        (Kind::BAND_TRANSFER, Debit, Accounts { transferred: -A, ..none }),
        (newer, Debit, Accounts { other_debit: A, ..none }),
        (Kind::TOP_UP, Owe, Accounts { top_ups: A, ..owed }),
        (Kind::ONLINE_TOP_UP, Owe, Accounts { top_ups: A, ..owed }),
        (Kind::BAND_TRANSFER, Owe, Accounts { transferred: A, ..owed }),
        (Kind::GIFT, Owe, Accounts { gifts: A, ..owed }),
        (Kind::SALE, Owe, Accounts { spent: -A, ..owed }),
        (Kind::DEPOSIT_BACK, Owe, Accounts { deposits: -A, ..owed }),
        (Kind::PENDING_CREDIT, Owe, Accounts { pending_issued: A, ..owed }),
        (Kind::REFUND, Repay, Accounts { refunded: A, ..repaid }),
        (Kind::EXPIRY, Repay, Accounts { expired: A, ..repaid }),
        (Kind::BAND_TRANSFER, Repay, Accounts { transferred: -A, ..repaid }),
        (newer, Repay, repaid),
        (Kind::BAND_TRANSFER, Transfer, Accounts { transferred: -A, ..none }),
    ]
}

#[test]
fn what_an_entry_moves_stands_in_the_account_of_its_kind() {
    for (kind, effect, expected) in moved() {
        let entry = entry(kind, effect);
        let sums = of(&entry, None);
        assert_eq!(sums, expected, "{kind:?} {effect:?}");
        match effect {
            Effect::Credit => assert_eq!(sums.balance(), A, "{kind:?}"),
            Effect::Debit | Effect::Transfer => assert_eq!(sums.balance(), -A, "{kind:?}"),
            _ => {}
        }
        let training = Entry { flags: Flags::TRAINING, ..entry.clone() };
        assert_eq!(of(&training, None), Accounts::default(), "training moves nothing");
        let mut undone = sums;
        undone.remove(&entry);
        assert_eq!(undone, Accounts::default());
    }
}

#[test]
fn what_reached_a_band_is_off_what_is_owed_where_it_names_the_intent_that_wrote_it() {
    let refers_to = Some(EntryRef { device: DeviceId([1; 16]), epoch: 1, seq: 4 });
    for (kind, effect) in
        [(Kind::PENDING_CREDIT, Effect::Credit), (Kind::PENDING_CREDIT, Effect::Repay), (Kind::TOP_UP, Effect::Repay)]
    {
        let entry = entry(kind, effect);
        assert_eq!(of(&entry, None), Accounts::default(), "{kind:?} {effect:?}");
        let sums = of(&Entry { refers_to, ..entry }, None);
        assert_eq!((sums.pending, sums.marks), (-A, 1), "{kind:?} {effect:?}");
    }
}

#[test]
fn the_fee_of_a_top_up_is_money_taken_and_no_credit() {
    let fee = Cents::new(50).unwrap();
    let part = Detail::TopUp(TopUp { c_only: false, fee, means: Means::Cash }).to_bytes();
    let sums = of(&Entry { part, ..entry(Kind::TOP_UP, Effect::Credit) }, None);
    assert_eq!(sums, Accounts { top_ups: A + 50, fees: 50, ..Accounts::default() });
    assert_eq!(sums.balance(), A);
}

#[test]
fn what_a_hold_holds_is_in_doubt_until_whatever_closes_it() {
    let none = Accounts::default();
    let (debit, credit) = (entry(Kind::INTENT, Effect::Hold), entry(Kind::INTENT, Effect::HoldCredit));
    assert_eq!(of(&debit, None), Accounts { hold_debit: A, open_intents: 1, ..none });
    assert_eq!(of(&credit, None), Accounts { hold_credit: A, open_intents: 1, ..none });
    assert_eq!(of(&carry(), None), Accounts { open_intents: 1, ..none }, "no cash is taken for what is carried");
    let carried = entry(Kind::PENDING_CREDIT, Effect::HoldCredit);
    assert_eq!(of(&carried, None), Accounts { open_intents: 1, ..none }, "no cash was taken for it");
    let refers_to = Some(EntryRef { device: DeviceId([1; 16]), epoch: 1, seq: 4 });
    let closing = |kind, effect| Entry { refers_to, ..entry(kind, effect) };
    let closed = Accounts { open_intents: -1, ..none };
    for (end, hold, expected) in [
        (closing(Kind::SALE, Effect::Debit), Some(&debit), Accounts { spent: A, hold_debit: -A, ..closed }),
        (closing(Kind::TOP_UP, Effect::Credit), Some(&credit), Accounts { top_ups: A, hold_credit: -A, ..closed }),
        (closing(Kind::VOID, Effect::Release), Some(&debit), Accounts { hold_debit: -A, marks: 1, ..closed }),
        (closing(Kind::VOID, Effect::Release), Some(&credit), Accounts { hold_credit: -A, marks: 1, ..closed }),
        (closing(Kind::VOID, Effect::Release), None, Accounts { released: A, marks: 1, ..closed }),
    ] {
        let sums = of(&end, hold);
        assert_eq!(sums, expected, "{end:?}");
        let both = hold.map_or(sums, |hold| sums.plus(&of(hold, None)));
        assert_eq!(both.open_intents, if hold.is_some() { 0 } else { -1 });
    }
    let carried = Accounts { pending: -A, marks: 1, ..closed };
    assert_eq!(of(&closing(Kind::TOP_UP, Effect::Repay), Some(&carry())), carried, "it repays what is owed");
    assert_eq!(of(&closing(Kind::TOP_UP, Effect::Credit), Some(&carry())), carried, "as older boxes said it");
    let other = Entry { amount: Cents::new(499).unwrap(), ..closing(Kind::SALE, Effect::Debit) };
    assert_eq!(of(&other, Some(&debit)), Accounts { marks: 1, ..none }, "another amount than was held is set aside");
}

#[test]
fn the_deposit_of_a_sale_is_known_from_its_intent() {
    let sale = Sale { deposit_out: Cents::new(200).unwrap(), ..Sale::default() };
    let hold = Entry {
        part: Detail::Intent(Intent { sale: Some(sale), ..intent(IntentPurpose::Sale) }).to_bytes(),
        ..entry(Kind::INTENT, Effect::Hold)
    };
    let refers_to = Some(EntryRef { device: DeviceId([1; 16]), epoch: 1, seq: 4 });
    let sums = of(&Entry { refers_to, ..entry(Kind::SALE, Effect::Debit) }, Some(&hold));
    assert_eq!((sums.spent, sums.deposits), (300, 200));
}

#[test]
fn what_names_an_intent_without_ending_it_leaves_it_open() {
    let refers_to = Some(EntryRef { device: DeviceId([1; 16]), epoch: 1, seq: 4 });
    for (kind, effect, ends) in [
        (Kind::SALE, Effect::Debit, true),
        (Kind::REFUND, Effect::Debit, true),
        (Kind::CLOSING_READ, Effect::None, true),
        (Kind::VOID, Effect::None, true),
        (Kind::REFUND, Effect::Repay, false),
        (Kind::INTENT, Effect::Debit, false),
        (Kind::GAVE_UP, Effect::Release, false),
        (Kind::HANDED_OVER, Effect::Release, false),
        (Kind::CORRECTION_PLUS, Effect::Credit, false),
        (Kind::CORRECTION_MINUS, Effect::Debit, false),
        (Kind::FEE, Effect::Debit, false),
        (Kind::EXPIRY, Effect::Debit, false),
        (Kind::DECISION, Effect::Credit, false),
        (Kind::NOTE, Effect::None, false),
    ] {
        let names = Entry { refers_to, ..entry(kind, effect) };
        assert_eq!(closes(&names), refers_to.filter(|_| ends), "{kind:?} {effect:?}");
        assert_eq!(closes(&entry(kind, effect)), None);
    }
}

#[test]
fn a_read_that_ends_no_intent_is_left_to_the_full_fold() {
    let part = Detail::Seen(Some(seen())).to_bytes();
    let read = Entry { part, ..entry(Kind::CLOSING_READ, Effect::None) };
    assert_eq!(of(&read, None).marks, 1);
    let refers_to = Some(EntryRef { device: DeviceId([1; 16]), epoch: 1, seq: 4 });
    assert_eq!(of(&Entry { refers_to, ..read }, None).marks, 0, "what it read, its intent says");
}

#[test]
fn what_sums_alone_cannot_tell_is_left_to_the_full_fold() {
    use Effect::{Block, None, Release, Unblock, Unknown};
    for (kind, effect) in [
        (Kind::VOID, None),
        (Kind::GAVE_UP, None),
        (Kind::SUSPICION, None),
        (Kind::WRITTEN_OFF, None),
        (Kind::RULING, None),
        (Kind::BLOCK, None),
        (Kind::UNBLOCK, None),
        (Kind::ONLINE_CREDIT, None),
        (Kind::NOTE, Block),
        (Kind::NOTE, Unblock),
        (Kind::NOTE, Release),
    ] {
        let sums = of(&entry(kind, effect), Option::None);
        assert_eq!(sums.marks, 1, "{kind:?} {effect:?}");
        assert!(sums.needs_full_fold());
    }
    assert!(!of(&entry(Kind::NOTE, None), Option::None).needs_full_fold());
    assert!(of(&entry(Kind::INTENT, Effect::Hold), Option::None).needs_full_fold());
    assert_eq!(of(&entry(Kind::NOTE, Unknown(200)), Option::None).unknown, 1);
}

#[test]
fn who_receives_a_transfer_gains_what_the_sender_loses() {
    let transfer = entry(Kind::BAND_TRANSFER, Effect::Transfer);
    let mut there = Accounts::default();
    there.add_received(&transfer);
    assert_eq!(there, Accounts { transferred: A, ..Accounts::default() });
    assert_eq!(there.plus(&of(&transfer, None)), Accounts::default());
    there.remove_received(&transfer);
    assert_eq!(there, Accounts::default());
    let mut newer = Accounts::default();
    newer.add_received(&entry(Kind::NOTE, Effect::Unknown(200)));
    assert_eq!(newer.unknown, 1);
    let mut others = Accounts::default();
    others.add_received(&entry(Kind::TOP_UP, Effect::Credit));
    others.add_received(&Entry { flags: Flags::TRAINING, ..transfer });
    assert_eq!(others, Accounts::default());
}
