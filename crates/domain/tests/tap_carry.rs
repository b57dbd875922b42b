//! An online top-up or pending credit reaches the band before what was asked for, in the same presence.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a failed test should panic"
)]

use crate::tap_bench::{
    self, Card, Chip, End, Fault, MOMENTS, Till, band, cents, credit_key, done, sale, top_up, used_band,
};
use domain::{
    journal::{Effect, Kind},
    wristband::{
        CREDIT_RECORD_LEN, CreditRecord,
        tap::{Carried, KnownWallet, TapOutcome, TapRefusal, TapRequest},
    },
};

/// C′ over 20.00 for exactly the C on the chip.
fn offer(chip: &Chip) -> [u8; CREDIT_RECORD_LEN] {
    let image = chip.image();
    let credits = image.credit().credits.plus(cents(2_000)).unwrap();
    let seq = image.credit().seq + 1;
    CreditRecord::sign(credits, seq, image.credit_id(), &credit_key(), band().festival(), band().wallet())
}

fn tap(till: &mut Till, chip: &mut Chip, offer: [u8; CREDIT_RECORD_LEN], request: TapRequest, fault: Fault) -> End {
    let known = KnownWallet { offer: Some(offer), ..till.known() };
    till.tap_knowing(known, chip, request, fault, &mut |_| {}).end
}

fn sums(till: &Till) -> (u32, u32) {
    let of = |effect| till.journal.iter().filter(|e| e.effect == effect).map(|e| e.amount.get()).sum();
    (of(Effect::Repay), of(Effect::Debit))
}

#[test]
fn what_the_hub_owes_is_on_the_band_before_the_sale_that_needs_it() {
    let (mut chip, mut bar, _) = used_band();
    let before = sums(&bar);
    let record = offer(&chip);
    let known = KnownWallet { offer: Some(record), ..bar.known() };
    // 85.00 are on the band, 100.00 are asked
    let ran = bar.tap_knowing(known, &mut chip, sale(10_000, None), Fault::None, &mut |_| {});
    assert_eq!(done(&ran).1, cents(500));
    assert_eq!(chip.image().credit_bytes(), record);
    assert_eq!(sums(&bar), (before.0 + 2_000, before.1 + 10_000));
}

#[test]
fn wherever_the_band_leaves_both_happen_once_in_the_end() {
    let (clean, bar, _) = used_band();
    let record = offer(&clean);
    let whole = {
        let (mut chip, mut bar) = (clean.clone(), bar.clone());
        let known = KnownWallet { offer: Some(record), ..bar.known() };
        bar.tap_knowing(known, &mut chip, sale(450, None), Fault::None, &mut |_| {}).commands.len()
    };
    assert!(whole > 30, "19 pages of C and twice 5 of S");
    for command in 0..whole {
        for moment in MOMENTS {
            for fault in [Fault::Pulled(command, moment), Fault::PowerCut(command, moment)] {
                let (mut chip, mut till) = (clean.clone(), bar.clone());
                let before = sums(&till);
                let mut ended = tap(&mut till, &mut chip, record, sale(450, None), fault);
                for _ in 0..3 {
                    let retry = match &ended {
                        End::Outcome(TapOutcome::Done { .. }) => break,
                        End::Outcome(TapOutcome::TapAgain { intent }) => Some(*intent),
                        End::PowerCut => till.open().first().map(|open| open.entry),
                        End::Outcome(_) => None,
                    };
                    ended = tap(&mut till, &mut chip, record, sale(450, retry), Fault::None);
                }
                let End::Outcome(TapOutcome::Done { balance_after, .. }) = ended else {
                    panic!("{fault:?}: {ended:?}")
                };
                // A power cut between commit and green: the sale is committed, staff are asked, and here sell again.
                let sold = (sums(&till).1 - before.1) / 450;
                assert_eq!(sums(&till).0 - before.0, 2_000, "{fault:?}");
                assert_eq!(balance_after, cents(8_500 + 2_000 - 450 * sold), "{fault:?}");
                assert_eq!(sold, 1, "{fault:?}");
                assert!(till.open().is_empty());
            }
        }
    }
}

#[test]
fn an_offer_that_does_not_fit_leaves_the_request_as_it_was() {
    let (mut chip, mut bar, mut desk) = used_band();
    let record = offer(&chip);
    done(&desk.tap(&mut chip, top_up(100, None), Fault::None));
    let ended = tap(&mut bar, &mut chip, record, sale(600, None), Fault::None);
    assert!(matches!(ended, End::Outcome(TapOutcome::Done { balance_after, .. }) if balance_after == cents(8_000)));
    assert_eq!(bar.journal.iter().filter(|e| e.kind == Kind::TOP_UP).count(), 0);
}

#[test]
fn an_offer_beyond_the_maximum_waits_until_there_is_room() {
    let (mut chip, mut bar, mut desk) = used_band();
    done(&desk.tap(&mut chip, top_up(16_000, None), Fault::None));
    let record = offer(&chip);
    let full = tap(&mut bar, &mut chip, record, sale(100, None), Fault::None);
    assert!(matches!(full, End::Outcome(TapOutcome::Done { balance_after, .. }) if balance_after == cents(24_400)));
    let ended = tap(&mut bar, &mut chip, record, sale(4_000, None), Fault::None);
    assert!(matches!(ended, End::Outcome(TapOutcome::Done { balance_after, .. }) if balance_after == cents(20_400)));
    let ended = tap(&mut bar, &mut chip, record, TapRequest::ClosingRead, Fault::None);
    assert!(matches!(ended, End::Outcome(TapOutcome::Done { balance_after, .. }) if balance_after == cents(22_400)));
}

#[test]
fn a_carry_in_doubt_is_never_taken_for_the_sale_that_came_with_it() {
    let (mut chip, mut bar, _) = used_band();
    let record = offer(&chip);
    let writes = 3 + 18; // password, two reads, then C's last page
    let ended = tap(&mut bar, &mut chip, record, sale(450, None), Fault::Pulled(writes, tap_bench::Moment::After));
    let End::Outcome(TapOutcome::TapAgain { intent }) = ended else { panic!("{ended:?}") };
    let known = KnownWallet { offer: Some(record), ..bar.known() };
    let ran = bar.tap_knowing(known, &mut chip, sale(450, Some(intent)), Fault::None, &mut |_| {});
    let End::Outcome(TapOutcome::Done { charged, balance_after, finished_earlier, .. }) = ran.end else { panic!() };
    assert_eq!((charged, balance_after), (cents(450), cents(10_050)));
    assert_eq!(finished_earlier, [intent]);
    let arrived = ran.tap.settled().first().map(|carry| Carried { entry: carry.entry, amount: cents(2_000) });
    assert_eq!(ran.tap.carried(), arrived);
}

#[test]
fn what_else_was_settled_is_not_said_to_have_arrived() {
    let (mut chip, mut bar, mut desk) = used_band();
    desk.tap(&mut chip, top_up(100, None), Fault::PowerCutStoring(1, false));
    let ran = desk.tap(&mut chip, TapRequest::ClosingRead, Fault::None);
    assert_eq!((ran.tap.settled().len(), ran.tap.carried()), (1, None));
    let last = 3 + 18;
    let record = offer(&chip);
    bar.tap(&mut chip, TapRequest::Carry { record }, Fault::Pulled(last, tap_bench::Moment::Before));
    done(&desk.tap(&mut chip, top_up(100, None), Fault::None)); // another C stands there now
    let ran = bar.tap(&mut chip, TapRequest::ClosingRead, Fault::None);
    assert_eq!((ran.tap.settled().len(), ran.tap.carried()), (1, None), "a carry that was given up");
}

#[test]
fn a_carry_that_cannot_be_finished_leaves_the_sale_to_be_made() {
    let (mut chip, mut bar, mut desk) = used_band();
    let record = offer(&chip);
    let last = 3 + 18;
    let ended = tap(&mut bar, &mut chip, record, sale(450, None), Fault::Pulled(last, tap_bench::Moment::Before));
    let End::Outcome(TapOutcome::TapAgain { intent }) = ended else { panic!("{ended:?}") };
    done(&desk.tap(&mut chip, top_up(100, None), Fault::None)); // another C stands there now
    let ended = tap(&mut bar, &mut chip, record, sale(450, Some(intent)), Fault::None);
    assert!(matches!(ended, End::Outcome(TapOutcome::Done { balance_after, .. }) if balance_after == cents(8_150)));
    assert_eq!(bar.journal.iter().filter(|e| e.kind == Kind::GAVE_UP).count(), 1);
}

#[test]
fn a_sale_that_is_refused_after_a_carry_says_what_arrived() {
    let (mut chip, mut bar, _) = used_band();
    let known = KnownWallet { offer: Some(offer(&chip)), ..bar.known() };
    let ran = bar.tap_knowing(known, &mut chip, sale(20_000, None), Fault::None, &mut |_| {});
    let End::Outcome(outcome) = ran.end else { panic!() };
    assert!(matches!(outcome, TapOutcome::Refused(TapRefusal::NotEnough { balance, .. }) if balance == cents(10_500)));
    assert_eq!(ran.tap.carried().map(|carried| carried.amount), Some(cents(2_000)));
    assert_eq!(chip.image().balance(cents(0)), cents(10_500));
}

/// The C that takes the place of the one on the chip, for a payout in cash.
fn supersede(chip: &Chip) -> TapRequest {
    let image = chip.image();
    TapRequest::Supersede { key: credit_key(), head: (image.record().tap_counter, image.base()) }
}

#[test]
fn after_a_payout_in_cash_no_box_can_write_what_the_hub_had_signed() {
    let (mut chip, mut bar, mut desk) = used_band();
    let record = offer(&chip);
    let before = chip.image();
    let request = supersede(&chip);
    done(&desk.tap(&mut chip, request, Fault::None));
    let after = chip.image();
    assert_eq!((after.credit().credits, after.record().spent), (before.credit().credits, before.record().spent));
    assert_eq!(after.credit().link, before.credit_id());
    done_of(tap(&mut bar, &mut chip, record, sale(100, None), Fault::None));
    assert_eq!(sums(&bar).0, 0, "nothing was carried");
    let refused = tap(&mut bar, &mut chip, record, TapRequest::Carry { record }, Fault::None);
    assert!(matches!(refused, End::Outcome(TapOutcome::Refused(TapRefusal::CreditOutdated))), "{refused:?}");
}

fn done_of(end: End) {
    assert!(matches!(end, End::Outcome(TapOutcome::Done { .. })), "{end:?}");
}

#[test]
fn nothing_is_paid_out_for_a_band_that_another_box_wrote_to_unheard() {
    let (mut chip, mut bar, mut desk) = used_band();
    let known = supersede(&chip);
    let record = offer(&chip);
    // the C′ reached the band at a bar that is cut off
    done_of(tap(&mut bar, &mut chip, record, sale(100, None), Fault::None));
    let ran = desk.tap(&mut chip, known, Fault::None);
    assert!(matches!(ran.end, End::Outcome(TapOutcome::Refused(TapRefusal::Unheard))), "{:?}", ran.end);
    assert_eq!(chip.image().credit_bytes(), record);
}

#[test]
fn a_payout_needs_the_newest_record_that_the_box_has_heard_of() {
    let (used, _, desk) = used_band();
    let (counter, base) = (used.image().record().tap_counter, used.image().base());
    let (new, first) = (Chip::issued(), Chip::issued().image().base());
    for (chip, head, paid) in [
        (&used, (counter, base), true),
        (&used, (counter, first), false),
        (&used, (counter - 1, base), false),
        (&used, (0, base), false),
        (&new, (0, first), true),
        (&new, (0, base), true), // nothing was ever written: any name will do
        (&new, (counter, first), false),
    ] {
        let request = TapRequest::Supersede { key: credit_key(), head };
        let ran = desk.clone().tap(&mut chip.clone(), request, Fault::None);
        let unheard = matches!(ran.end, End::Outcome(TapOutcome::Refused(TapRefusal::Unheard)));
        assert_eq!(!unheard, paid, "{head:?}: {:?}", ran.end);
    }
}

#[test]
fn a_payout_torn_anywhere_leaves_the_credits_as_they_were() {
    let (clean, _, desk) = used_band();
    let whole = desk.clone().tap(&mut clean.clone(), supersede(&clean), Fault::None).commands.len();
    for command in 0..whole {
        for moment in MOMENTS {
            let (mut chip, mut till) = (clean.clone(), desk.clone());
            till.tap(&mut chip, supersede(&clean), Fault::Pulled(command, moment));
            done(&till.tap(&mut chip, TapRequest::ClosingRead, Fault::None));
            assert_eq!(chip.image().credit().credits, clean.image().credit().credits, "{command} {moment:?}");
            assert!(till.open().is_empty());
        }
    }
}

#[test]
fn a_sale_that_was_given_up_is_never_written_again_as_another_one() {
    let (mut chip, mut bar, _) = used_band();
    // the band leaves before the last page, and the box loses its power: in doubt
    let ran = bar.tap(&mut chip, sale(450, None), Fault::PowerCut(3, tap_bench::Moment::Before));
    assert_eq!(ran.end, End::PowerCut);
    let open = bar.open();
    let lost = open[0].clone();
    let gave_up = domain::journal::Entry {
        refers_to: Some(lost.entry),
        ..domain::journal::Entry::new(
            Kind::GAVE_UP,
            Effect::None,
            domain::money::Currency::EUR,
            domain::time::Hlc::default(),
        )
    };
    bar.journal.push(gave_up);
    let known = KnownWallet { given_up: vec![lost.intent.own], ..bar.known() };
    let ran = bar.tap_knowing(known, &mut chip, sale(450, None), Fault::None, &mut |_| {});
    assert_eq!(done(&ran).1, cents(8_050));
    let mut intents = bar.journal.iter().enumerate().filter(|(_, e)| e.kind == Kind::INTENT);
    let own = |(seq, e)| bar.open_intent(seq, e).intent.own;
    assert_eq!(intents.clone().filter(|intent| own(*intent) == lost.intent.own).count(), 1);
    let between = intents.nth_back(1).map(|(seq, e)| bar.open_intent(seq, e).intent.purpose);
    assert_eq!(between, Some(domain::journal::IntentPurpose::ClosingRead));
    // what costs nothing may well be made again
    let mut free = bar.clone();
    free.tap(&mut chip, sale(0, None), Fault::PowerCut(3, tap_bench::Moment::Before));
    let lost = free.open().remove(0).intent.own;
    let known = KnownWallet { given_up: vec![lost], ..bar.known() };
    let stored = bar.journal.len();
    done(&bar.tap_knowing(known, &mut chip, sale(0, None), Fault::None, &mut |_| {}));
    assert_eq!(bar.journal.len(), stored + 2);
}
