//! What a tap sends, writes and stores when it is done, alone and after earlier ones in doubt.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a failed test should panic"
)]

use std::sync::Arc;

use crate::tap_bench::{
    Card, Chip, End, Fault, Memory, Moment, Ran, Till, UID, band, cents, credit_key, done, sale, secrets, top_up,
    trusted, used_band,
};
use domain::{
    journal::{ChipSeen, Detail, Effect, Entry, Kind, Means, Sale, SaleLine, SaleMarks, TopUp},
    money::Currency,
    wristband::{
        CREDIT_RECORD_LEN, CreditKey, CreditRecord, PursePages, SpentRecord,
        layout::page_writes,
        tap::{
            ChipFault, KnownWallet, PurseChip, SettledAs, TapContext, TapOutcome, TapRefusal, TapRequest, UidAccount,
            uid_sale_entry, uid_top_up_entry,
        },
    },
};
use ed25519_dalek::SigningKey;

fn refused(ran: &Ran) -> TapRefusal {
    match &ran.end {
        End::Outcome(TapOutcome::Refused(refusal)) => *refusal,
        other => panic!("the tap should be refused: {other:?}"),
    }
}

fn outcome(ran: &Ran) -> &TapOutcome {
    let End::Outcome(outcome) = &ran.end else { panic!("the power failed") };
    outcome
}

fn put(chip: &mut Chip, first: u8, bytes: &[u8]) {
    for (page, content) in page_writes(first, bytes) {
        chip.pages[usize::from(page)] = content;
    }
}

#[test]
fn a_sale_takes_one_password_two_reads_five_writes_and_one_read_back() {
    let (mut chip, mut bar, _) = used_band();
    let ran = bar.tap(&mut chip, sale(450, None), Fault::None);
    assert_eq!(done(&ran).1, cents(8_050));
    let kinds: Vec<u8> = ran.commands.iter().map(|command| command[0]).collect();
    // the header, which is in the first read, says which password
    assert_eq!(kinds, [0x3a, 0x1b, 0x3a, 0xa2, 0xa2, 0xa2, 0xa2, 0xa2, 0x3a]);
    assert_eq!(ran.stores, 2);
}

#[test]
fn the_entries_of_a_sale_say_what_the_ledger_needs() {
    let (mut chip, mut bar, _) = used_band();
    let before = chip.image();
    let marks = SaleMarks { age_checked: true, ..SaleMarks::default() };
    let mut request = sale(450, None);
    let TapRequest::Sale { sale, .. } = &mut request else { panic!("a sale") };
    sale.marks = marks.clone();
    bar.tap(&mut chip, request, Fault::None);
    let [.., intent, commit] = bar.journal.as_slice() else { panic!("two entries") };
    assert_eq!((intent.kind, intent.effect, intent.amount), (Kind::INTENT, Effect::Hold, cents(450)));
    assert_eq!((commit.kind, commit.effect, commit.amount), (Kind::SALE, Effect::Debit, cents(450)));
    assert_eq!(commit.refers_to, Some(bar.entry_ref(bar.journal.len() - 2)));
    for entry in [intent, commit] {
        assert_eq!(entry.subject.wallet(), secrets().wallet(&UID));
        assert_eq!(entry.tap_counter, before.record().tap_counter + 1);
        assert_eq!((entry.operator, entry.price_revision), (7, 4));
    }
    let Ok(Detail::Intent(part)) = Detail::of(intent) else { panic!("an intent") };
    assert_eq!(part.seen, before.seen());
    assert_eq!(part.own, chip.image().base());
    let sold = part.sale.unwrap();
    assert_eq!((sold.lines.len(), sold.marks), (1, marks));
    let Ok(Detail::Sale(Some(part))) = Detail::of(commit) else { panic!("a sale") };
    assert!(part.lines.is_empty() && part.marks == SaleMarks::default(), "lines and marks stand in the intent");
}

#[test]
fn the_other_slot_is_part_of_the_chain_only_where_it_holds_the_linked_record() {
    let (mut chip, ..) = used_band();
    let seen = chip.image().seen();
    let before2 = seen.before2.unwrap();
    assert_eq!(chip.image().has_in_chain(before2, chip.image().record().tap_counter - 2), Some(true));
    let free = chip.image().free_spent_page();
    let stray = SpentRecord { tap_counter: 1, ..*chip.image().record() };
    put(&mut chip, free, &stray.seal(&band()));
    assert_eq!(chip.image().seen(), ChipSeen { before2: None, ..seen });
    assert_eq!(chip.image().has_in_chain(before2, chip.image().record().tap_counter - 2), None);
}

#[test]
fn after_two_unfinished_taps_a_sale_needs_a_supervisor() {
    let (mut chip, mut bar, _) = used_band();
    let known = KnownWallet { unfinished_in_a_row: 2, ..bar.known() };
    let ran = bar.tap_knowing(known.clone(), &mut chip, sale(1, None), Fault::None, &mut |_| {});
    assert_eq!(refused(&ran), TapRefusal::Supervisor);
    done(&bar.tap_knowing(known, &mut chip, TapRequest::ClosingRead, Fault::None, &mut |_| {}));
    // Finishing the one in doubt is no new sale.
    bar.tap(&mut chip, sale(300, None), Fault::Pulled(7, Moment::Before));
    let known = KnownWallet { unfinished_in_a_row: 2, ..bar.known() };
    let retry_of = Some(known.open[0].entry);
    done(&bar.tap_knowing(known, &mut chip, sale(300, retry_of), Fault::None, &mut |_| {}));
    // Nor is it needed where an earlier one was found paid; that it was void says nothing.
    for elsewhere in [false, true] {
        bar.tap(&mut chip, sale(300, None), Fault::Pulled(7, Moment::Before));
        if elsewhere {
            done(&Till::new(2).tap(&mut chip, sale(10, None), Fault::None));
        }
        let known = KnownWallet { unfinished_in_a_row: 2, ..bar.known() };
        let ran = bar.tap_knowing(known, &mut chip, sale(100, None), Fault::None, &mut |_| {});
        assert_eq!(ran.tap.settled().len(), 1);
        if elsewhere {
            assert_eq!(refused(&ran), TapRefusal::Supervisor);
        } else {
            done(&ran);
        }
    }
}

#[test]
fn a_retry_that_cannot_be_told_is_not_charged_again() {
    let (mut chip, mut bar, _) = used_band();
    bar.tap(&mut chip, sale(300, None), Fault::Pulled(7, Moment::After));
    let mut elsewhere = Till::new(2);
    for _ in 0..4 {
        done(&elsewhere.tap(&mut chip, sale(10, None), Fault::None));
    }
    let retry_of = Some(bar.open()[0].entry);
    let spent = chip.image().record().spent;
    assert_eq!(refused(&bar.tap(&mut chip, sale(300, retry_of), Fault::None)), TapRefusal::Supervisor);
    assert_eq!(chip.image().record().spent, spent);
    let ending = bar.journal.last().unwrap();
    assert_eq!(ending.kind, Kind::GAVE_UP);
    shows(ending, &chip);
}

/// An ending that says what was seen: the record in force stands one before it.
fn shows(ending: &Entry, chip: &Chip) {
    let image = chip.image();
    assert_eq!(ending.tap_counter, image.record().tap_counter + 1);
    assert_eq!(Detail::of(ending), Ok(Detail::Seen(Some(image.seen()))));
}

#[test]
fn a_void_says_what_the_chip_showed_if_it_was_read_again() {
    let (mut chip, mut bar, _) = used_band();
    let next = chip.image().record().tap_counter + 1;
    bar.tap(&mut chip, sale(300, None), Fault::Pulled(4, Moment::Before));
    let unread = bar.journal.last().unwrap();
    assert_eq!((unread.kind, unread.effect, unread.tap_counter), (Kind::VOID, Effect::Release, next));
    assert_eq!(Detail::of(unread), Ok(Detail::Seen(None)));
    bar.tap(&mut chip, sale(300, None), Fault::Pulled(7, Moment::Before));
    assert_eq!(bar.open().len(), 1);
    done(&Till::new(2).tap(&mut chip, sale(10, None), Fault::None));
    let seen = chip.clone();
    done(&bar.tap(&mut chip, TapRequest::ClosingRead, Fault::None));
    let [.., void, _, read] = bar.journal.as_slice() else { panic!("three entries") };
    assert_eq!((void.kind, read.kind), (Kind::VOID, Kind::CLOSING_READ));
    shows(void, &seen);
}

#[test]
fn what_is_settled_later_keeps_the_operator_who_served() {
    let (mut chip, mut bar, _) = used_band();
    bar.tap(&mut chip, sale(300, None), Fault::Pulled(7, Moment::After));
    bar.ctx = Arc::new(TapContext { operator: 8, ..(*bar.ctx).clone() });
    done(&bar.tap(&mut chip, TapRequest::ClosingRead, Fault::None));
    let [.., sold, _, read] = bar.journal.as_slice() else { panic!("three entries") };
    assert_eq!((sold.kind, sold.operator), (Kind::SALE, 7));
    assert_eq!((read.kind, read.operator), (Kind::CLOSING_READ, 8));
}

// What a top-up on a chip with two credit slots sends: a read, the password, a read, 19 pages of C, 5 of S, two reads.
const LAST_OF_C: usize = 3 + 18;
const LAST_OF_S: usize = LAST_OF_C + 5;

#[test]
fn a_top_up_is_void_at_once_until_its_last_credit_page_is_sent() {
    let (clean, _, desk) = used_band();
    for command in 3..=LAST_OF_S {
        let (mut chip, mut desk) = (clean.clone(), desk.clone());
        let ran = desk.tap(&mut chip, top_up(100, None), Fault::Pulled(command, Moment::Before));
        let voided = matches!(outcome(&ran), TapOutcome::NothingHappened { voided: Some(_) });
        assert_eq!(voided, command < LAST_OF_C, "{command}: {:?}", ran.end);
        // and one of an earlier tap is in doubt whichever write is missing
        let Some(open) = desk.open().first().map(|open| open.entry) else { continue };
        let ran = desk.tap(&mut chip, TapRequest::ClosingRead, Fault::Pulled(3, Moment::Before));
        assert_eq!(outcome(&ran), &TapOutcome::TapAgain { intent: open });
        assert_eq!(desk.open().len(), 1);
    }
}

#[test]
fn the_commit_of_a_top_up_says_whether_its_spent_record_was_left_out() {
    let c_only = |before: usize, pulled: Fault, between: bool| {
        let (mut chip, mut bar, mut desk) = used_band();
        for _ in 0..before {
            done(&desk.tap(&mut chip, top_up(50, None), Fault::None));
        }
        desk.tap(&mut chip, top_up(100, None), pulled);
        if between {
            done(&bar.tap(&mut chip, sale(10, None), Fault::None));
        }
        let ran = desk.tap(&mut chip, TapRequest::ClosingRead, Fault::None);
        done(&ran);
        let [.., commit, _, _] = desk.journal.as_slice() else { panic!("three entries") };
        assert_eq!((commit.kind, commit.amount), (Kind::TOP_UP, cents(100)));
        let Ok(Detail::TopUp(part)) = Detail::of(commit) else { panic!("a top-up") };
        (part.c_only, ran.commands.iter().filter(|command| command[0] == 0x3a).count())
    };
    // whichever of the two slots it goes to
    for before in [0, 1] {
        // three of the reads are the closing read's own
        assert_eq!(c_only(before, Fault::Pulled(LAST_OF_S, Moment::After), false), (false, 3), "all of it is there");
        assert_eq!(c_only(before, Fault::Pulled(LAST_OF_C, Moment::After), false), (false, 4), "S is written again");
        assert_eq!(c_only(before, Fault::Pulled(LAST_OF_C, Moment::After), true), (true, 3), "S is too late");
        assert_eq!(c_only(before, Fault::Pulled(LAST_OF_C, Moment::Before), true), (true, 4), "C is written alone");
    }
}

#[test]
fn no_page_that_the_chip_forgot_is_taken_for_a_top_up() {
    let (clean, _, desk) = used_band();
    for forgotten in 3..=LAST_OF_S {
        let (mut chip, mut desk) = (Forgetful { chip: clean.clone(), forgotten, heard: 0 }, desk.clone());
        let before = chip.chip.clone();
        let ran = desk.tap(&mut chip, top_up(100, None), Fault::None);
        let missed = matches!(outcome(&ran), TapOutcome::Done { .. });
        let page = usize::from(ran.commands[forgotten][1]);
        assert!(!missed || before.pages[page] == ran.commands[forgotten][2..], "{forgotten} was not missed");
    }
}

/// A chip that acknowledges one of its commands and does not carry it out.
#[derive(Clone)]
struct Forgetful {
    chip: Chip,
    forgotten: usize,
    heard: usize,
}

impl Card for Forgetful {
    fn issued() -> Self {
        Self { chip: Chip::issued(), forgotten: usize::MAX, heard: 0 }
    }

    fn purse(random: u8, epoch: Option<u8>) -> PurseChip {
        Chip::purse(random, epoch)
    }

    fn enters(&mut self) {
        self.heard = 0;
        self.chip.enters();
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChipFault> {
        self.heard += 1;
        if self.heard == self.forgotten + 1 { Ok(Vec::new()) } else { self.chip.transmit(command) }
    }

    fn transmit_broken(&mut self, command: &[u8], moment: Moment) {
        self.chip.transmit_broken(command, moment);
    }

    fn memory(&self) -> Memory {
        self.chip.memory()
    }

    fn pages(&self) -> PursePages {
        Card::pages(&self.chip)
    }
}

#[test]
fn a_request_is_answered_by_the_earlier_one_that_it_repeats_and_by_no_other() {
    let (clean, bar, _) = used_band();
    let record = offer(&clean);
    let other = sale(20, None);
    // what was asked first, what is asked then, and whether the second asks for the first again
    for (first, again, answered) in [
        (sale(20, None), sale(20, None), true),
        (sale(20, None), top_up(20, None), false),
        (sale(20, None), TapRequest::Refund, false),
        (sale(20, None), TapRequest::ClosingRead, false),
        (top_up(20, None), top_up(20, None), true),
        (top_up(20, None), sale(20, None), false),
        (TapRequest::Carry { record }, TapRequest::Carry { record }, true),
        (TapRequest::Refund, TapRequest::Refund, true),
        (TapRequest::Refund, TapRequest::ClosingRead, false),
        (TapRequest::ClosingRead, TapRequest::ClosingRead, true),
        (TapRequest::ClosingRead, other, false),
    ] {
        let (mut chip, mut bar) = (clean.clone(), bar.clone());
        // everything is on the chip, only the commit is missing
        bar.tap(&mut chip, first.clone(), Fault::PowerCutStoring(1, false));
        let intent = bar.open()[0].entry;
        let before = chip.clone();
        let again = match again {
            TapRequest::Sale { sale, amount, price_revision, .. } => {
                TapRequest::Sale { sale, amount, price_revision, retry_of: Some(intent) }
            }
            TapRequest::TopUp { amount, key, fee, means, .. } => {
                TapRequest::TopUp { amount, key, fee, means, retry_of: Some(intent) }
            }
            request => request,
        };
        let ran = bar.tap(&mut chip, again, Fault::None);
        assert_eq!(chip.pages == before.pages, answered, "{:?} {:?}", bar.journal.last(), ran.end);
        let TapOutcome::Done { entry, .. } = outcome(&ran) else {
            assert!(!answered, "{:?}", ran.end);
            continue;
        };
        let settled = ran.tap.settled()[0].entry;
        assert_eq!(*entry == Some(settled), answered);
    }
}

#[test]
fn a_refund_whose_cash_was_given_out_on_tap_again_is_settled_and_not_paid_out_again() {
    let (mut chip, mut bar, _) = used_band();
    bar.tap(&mut chip, TapRequest::Refund, Fault::PowerCutStoring(1, false));
    let mut known = bar.known();
    known.open[0].handed_over = true;
    let ran = bar.tap_knowing(known, &mut chip, TapRequest::Refund, Fault::None, &mut |_| {});
    assert_eq!(refused(&ran), TapRefusal::NothingToMove);
    assert_eq!(ran.tap.settled()[0].how, SettledAs::Committed);
}

#[test]
fn the_purse_is_known_from_a_tap_once_it_was_read() {
    let (mut chip, mut bar, _) = used_band();
    let ran = bar.tap(&mut chip, sale(20, None), Fault::None);
    assert_eq!(ran.tap.purse().map(|image| image.base()), Some(chip.image().base()));
    assert_eq!(ran.tap.epoch(), Some(band().epoch()));
    let ran = bar.tap(&mut chip, sale(20, None), Fault::Pulled(0, Moment::Before));
    assert!(ran.tap.purse().is_none() && ran.tap.epoch().is_none());
}

#[test]
fn a_band_without_a_purse_has_one_entry_that_says_all() {
    let account = UidAccount { wallet: secrets().wallet(&UID), currency: Currency::EUR, operator: 7 };
    let lines = vec![SaleLine { product: 3, quantity: 2, unit_price: cents(200) }];
    let (sold, fee) = (Sale { lines, ..Sale::default() }, cents(5));
    let sale = uid_sale_entry(&account, sold.clone(), cents(400), 4);
    let top_up = uid_top_up_entry(&account, cents(900), fee, Means::Cash);
    for (entry, kind, effect, amount) in
        [(&sale, Kind::SALE, Effect::Debit, cents(400)), (&top_up, Kind::TOP_UP, Effect::Credit, cents(900))]
    {
        assert_eq!((entry.kind, entry.effect, entry.amount), (kind, effect, amount));
        assert_eq!((entry.subject.wallet(), entry.operator, entry.currency), (account.wallet, 7, Currency::EUR));
    }
    assert_eq!((sale.price_revision, Detail::of(&sale)), (4, Ok(Detail::Sale(Some(sold)))));
    assert_eq!(Detail::of(&top_up), Ok(Detail::TopUp(TopUp { c_only: false, fee, means: Means::Cash })));
}

/// C′ over 4.50 for exactly the C on the chip.
fn offer(chip: &Chip) -> [u8; CREDIT_RECORD_LEN] {
    let image = chip.image();
    let credits = image.credit().credits.plus(cents(450)).unwrap();
    let (seq, link) = (image.credit().seq + 1, image.credit_id());
    CreditRecord::sign(credits, seq, link, &credit_key(), band().festival(), band().wallet())
}

#[test]
fn an_earlier_sale_is_finished_and_a_new_one_made_in_one_tap() {
    let (mut chip, mut bar, _) = used_band();
    bar.tap(&mut chip, sale(300, None), Fault::PowerCut(7, Moment::Torn(2)));
    let earlier = bar.open()[0].entry;
    let ran = bar.tap(&mut chip, sale(200, None), Fault::None);
    let TapOutcome::Done { balance_after, charged, finished_earlier, .. } = outcome(&ran) else {
        panic!("{:?}", ran.end)
    };
    assert_eq!((*balance_after, *charged, finished_earlier.as_slice()), (cents(8_000), cents(200), &[earlier][..]));
    assert_eq!(
        ran.tap.settled().iter().map(|s| (s.open.entry, s.how)).collect::<Vec<_>>(),
        [(earlier, SettledAs::Committed)]
    );
}

#[test]
fn a_band_behind_the_ledger_is_written_forward_and_reported() {
    let (mut chip, mut bar, _) = used_band();
    let weak = chip.clone();
    done(&bar.tap(&mut chip, sale(450, None), Fault::None));
    chip = weak; // its last page flipped: the record before is in force again
    let known = KnownWallet { ledger_spent: cents(1_950), ..KnownWallet::default() };
    let ran = bar.tap_knowing(known, &mut chip, sale(100, None), Fault::None, &mut |_| {});
    assert_eq!(done(&ran).1, cents(7_950));
    assert_eq!(chip.image().record().spent, cents(2_050));
    let [.., intent, commit, report] = bar.journal.as_slice() else { panic!("three entries") };
    assert_eq!((intent.amount, commit.amount), (cents(100), cents(100)));
    assert_eq!((report.kind, report.amount, report.refers_to), (Kind::SUSPICION, cents(450), commit.refers_to));
}

#[test]
fn a_signed_credit_is_carried_only_onto_the_one_it_replaces() {
    let (mut chip, mut bar, mut desk) = used_band();
    let record = offer(&chip);
    let mut moved = chip.clone();
    done(&desk.tap(&mut moved, top_up(100, None), Fault::None));
    assert_eq!(refused(&bar.tap(&mut moved, TapRequest::Carry { record }, Fault::None)), TapRefusal::CreditOutdated);
    let (image, now) = (chip.image(), *chip.image().credit());
    let (next, more, link) = (now.seq + 1, now.credits.plus(cents(450)).unwrap(), image.credit_id());
    let elsewhere = SigningKey::from_bytes(&[77; 32]);
    let mut forged = record;
    *forged.last_mut().unwrap() ^= 1;
    let signed = |credits, seq, link, key: &SigningKey| {
        CreditRecord::sign(credits, seq, link, key, band().festival(), band().wallet())
    };
    for (record, refusal) in [
        (signed(now.credits, next, link, &credit_key()), TapRefusal::CreditOutdated),
        (signed(now.credits.minus(cents(1)).unwrap(), next, link, &credit_key()), TapRefusal::CreditOutdated),
        (signed(more, now.seq, link, &credit_key()), TapRefusal::CreditOutdated),
        (signed(more, next, now.link, &credit_key()), TapRefusal::CreditOutdated),
        (signed(more, next, link, &elsewhere), TapRefusal::UnknownCreditKey),
        (forged, TapRefusal::UnknownCreditKey),
    ] {
        assert_eq!(refused(&bar.tap(&mut chip, TapRequest::Carry { record }, Fault::None)), refusal);
    }
    // a key is revoked beside the one that signed what is on the chip
    let other = trusted(&elsewhere);
    let keys = vec![trusted(&credit_key()), CreditKey { revoked: true, ..other }];
    bar.ctx = Arc::new(TapContext { credit_keys: keys, ..(*bar.ctx).clone() });
    let revoked = TapRequest::Carry { record: signed(more, next, link, &elsewhere) };
    assert_eq!(refused(&bar.tap(&mut chip, revoked, Fault::None)), TapRefusal::UnknownCreditKey);
    assert_eq!(done(&bar.tap(&mut chip, TapRequest::Carry { record }, Fault::None)).1, cents(8_950));
    let commit = bar.journal.last().unwrap();
    assert_eq!((commit.kind, commit.effect, commit.amount), (Kind::TOP_UP, Effect::Repay, cents(450)));
}

#[test]
fn a_new_credit_goes_above_every_sequence_that_the_box_has_heard_of() {
    let (mut chip, _, mut desk) = used_band();
    let seq = chip.image().credit().seq;
    let known = KnownWallet { credit_seq: seq + 3, ..desk.known() };
    done(&desk.tap_knowing(known, &mut chip, top_up(100, None), Fault::None, &mut |_| {}));
    assert_eq!((chip.image().credit().seq, chip.image().record().credit_seq), (seq + 4, seq + 4));
    let known = KnownWallet { credit_seq: u8::MAX, ..desk.known() };
    let ran = desk.tap_knowing(known, &mut chip, top_up(100, None), Fault::None, &mut |_| {});
    assert_eq!(refused(&ran), TapRefusal::CreditsExhausted);
}
