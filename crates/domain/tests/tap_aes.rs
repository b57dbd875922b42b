//! What only an Ultralight AES can do or suffer: its session, its counter, its one credit slot.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a failed test should panic"
)]

use crate::tap_bench::{
    AesChip, Card, End, Fault, MOMENTS, Moment, Ran, Till, UID, band, cents, credit_key, done, sale, top_up, trusted,
    used,
};
use domain::{
    id::key_id,
    journal::{Detail, Effect, Kind},
    money::Cents,
    wristband::{
        CREDIT_RECORD_LEN, CreditKey, CreditRecord, PurseFault,
        layout::{ULTRALIGHT_AES, page_writes},
        tap::{ChipFault, KnownCredit, KnownWallet, PurseChip, Tap, TapOutcome, TapRefusal, TapRequest, TapStep},
    },
};
use ed25519_dalek::SigningKey;
use hardware::chip::{Chip as AnyChip, UltralightAes};

fn refused(ran: &Ran) -> TapRefusal {
    match &ran.end {
        End::Outcome(TapOutcome::Refused(refusal)) => *refusal,
        other => panic!("the tap should be refused: {other:?}"),
    }
}

/// The chip with other bytes in its memory, as somebody with its key could write them.
fn put(chip: &mut AesChip, first: u8, bytes: &[u8]) {
    let mut dump = AnyChip::from(chip.0.clone()).dump();
    let at = 1 + usize::from(first) * 4;
    dump[at..at + bytes.len()].copy_from_slice(bytes);
    let AnyChip::UltralightAes(changed) = AnyChip::from_dump(&dump).unwrap() else { panic!("it is the same chip") };
    *chip = AesChip(*changed);
}

/// The chip with its counter at this value, as a chip of another maker could have it.
fn count(chip: &mut AesChip, counter: u32) {
    let mut dump = AnyChip::from(chip.0.clone()).dump();
    let at = 1 + 240 + 48 + 6;
    dump[at..at + 3].copy_from_slice(&counter.to_le_bytes()[..3]);
    let AnyChip::UltralightAes(changed) = AnyChip::from_dump(&dump).unwrap() else { panic!("it is the same chip") };
    *chip = AesChip(*changed);
}

/// C′ over 20.00 for exactly the C on the chip.
fn offer(chip: &AesChip) -> [u8; CREDIT_RECORD_LEN] {
    let image = chip.image();
    let credits = image.credit().credits.plus(cents(2_000)).unwrap();
    let seq = image.credit().seq + 1;
    CreditRecord::sign(credits, seq, image.credit_id(), &credit_key(), band().festival(), band().wallet())
}

#[test]
fn a_sale_takes_two_commands_to_authenticate_two_to_read_five_writes_one_read_back_and_the_increment() {
    let (mut chip, mut bar, _) = used::<AesChip>();
    let ran = bar.tap(&mut chip, sale(450, None), Fault::None);
    assert_eq!(done(&ran).1, cents(8_050));
    let kinds: Vec<u8> = ran.commands.iter().map(|command| command[0]).collect();
    assert_eq!(kinds, [0x1a, 0xaf, 0x39, 0x3a, 0xa2, 0xa2, 0xa2, 0xa2, 0xa2, 0x3a, 0xa5]);
    assert_eq!(ran.stores, 2);
    assert_eq!(chip.counter(), cents(1_950));
    assert!(ran.commands.iter().skip(2).all(|command| command.len() > 8), "each with its MAC");
}

#[test]
fn what_leaves_the_sum_alone_raises_no_counter() {
    for request in [sale(0, None), TapRequest::ClosingRead, top_up(100, None)] {
        let (mut chip, _, mut desk) = used::<AesChip>();
        let before = (chip.counter(), chip.image().record().tap_counter);
        let ran = desk.tap(&mut chip, request, Fault::None);
        done(&ran);
        assert!(ran.commands.iter().all(|command| command[0] != 0xa5));
        assert_eq!((chip.counter(), chip.image().record().tap_counter), (before.0, before.1 + 1));
    }
}

#[test]
fn a_balance_is_read_without_the_key() {
    let (mut chip, mut bar, _) = used::<AesChip>();
    let ran = bar.tap(&mut chip, TapRequest::Balance, Fault::None);
    let End::Outcome(TapOutcome::Done { entry: None, balance_after, .. }) = ran.end else { panic!("{:?}", ran.end) };
    assert_eq!(balance_after, cents(8_500));
    assert_eq!(ran.commands.iter().map(Vec::len).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(ran.stores, 0);
}

#[test]
fn a_sale_of_which_only_the_increment_is_missing_is_void_at_once_and_its_record_counts_nothing() {
    let (mut chip, mut bar, _) = used::<AesChip>();
    let before = chip.image();
    // authentication, counter, read, five writes: the read-back
    let ran = bar.tap(&mut chip, sale(450, None), Fault::Pulled(9, Moment::Before));
    assert!(matches!(ran.end, End::Outcome(TapOutcome::NothingHappened { voided: Some(_) })), "{:?}", ran.end);
    let after = chip.image();
    assert_eq!((after.base(), after.balance(Cents::ZERO)), (before.base(), before.balance(Cents::ZERO)));
    assert_ne!(chip.pages(), *before.pages(), "the record stands there, whole");
    done(&Till::new(2).tap(&mut chip, sale(450, None), Fault::None));
    assert_eq!(chip.image().balance(Cents::ZERO), cents(8_050));
}

#[test]
fn an_increment_whose_answer_is_lost_or_false_is_found_by_the_next_tap_and_not_made_twice() {
    for false_answer in [None, Some(vec![]), Some(vec![0; 8])] {
        let (mut chip, mut bar, _) = used::<AesChip>();
        chip.enters();
        let mut tap = Tap::new(bar.ctx.clone(), bar.known(), &UID, AesChip::purse(99, None), sale(450, None));
        let outcome = loop {
            match tap.step().clone() {
                TapStep::Chip(command) => {
                    let answer = chip.transmit(&command);
                    match &false_answer {
                        Some(bytes) if command[0] == 0xa5 => tap.reply(Ok(bytes)),
                        None if command[0] == 0xa5 => tap.reply(Err(ChipFault::Gone)),
                        _ => tap.reply(answer.as_deref().map_err(|fault| *fault)),
                    }
                }
                TapStep::Store(entries) => {
                    let first = bar.journal.len();
                    bar.journal.extend(entries);
                    let refs: Vec<_> = (first..bar.journal.len()).map(|seq| bar.entry_ref(seq)).collect();
                    tap.stored(Ok(&refs));
                }
                TapStep::Finished(outcome) => break outcome,
            }
        };
        let TapOutcome::TapAgain { intent } = outcome else { panic!("{outcome:?}") };
        assert_eq!(done(&bar.tap(&mut chip, sale(450, Some(intent)), Fault::None)).1, cents(8_050));
        assert_eq!(chip.counter(), cents(1_950));
    }
}

#[test]
fn a_chip_without_the_key_is_not_ours_whatever_it_holds() {
    let (chip, mut bar, _) = used::<AesChip>();
    let mut copy = AesChip(UltralightAes::new(UID, [8; 16]));
    put(&mut copy, 4, &chip.0.memory()[16..160]);
    count(&mut copy, chip.counter().get());
    assert_eq!(copy.image().balance(Cents::ZERO), cents(8_500), "to who only looks it is the same");
    assert_eq!(refused(&bar.tap(&mut copy, sale(100, None), Fault::None)), TapRefusal::NotOurs);
}

#[test]
fn memory_that_was_set_back_does_not_fit_the_counter() {
    let (mut chip, mut bar, _) = used::<AesChip>();
    let before = chip.0.memory()[16..160].to_vec();
    done(&bar.tap(&mut chip, sale(2_000, None), Fault::None));
    put(&mut chip, 4, &before);
    let ran = bar.tap(&mut chip, sale(100, None), Fault::None);
    assert_eq!(refused(&ran), TapRefusal::Tampered);
    assert_eq!(bar.journal.last().unwrap().kind, Kind::SUSPICION);
    // a counter that somebody raised is no record either
    let (mut chip, mut bar, _) = used::<AesChip>();
    let counted = chip.counter().get();
    count(&mut chip, counted + 1);
    assert_eq!(refused(&bar.tap(&mut chip, sale(100, None), Fault::None)), TapRefusal::Tampered);
}

#[test]
fn a_ledger_that_knows_more_spends_moves_no_counter() {
    let (mut chip, mut bar, _) = used::<AesChip>();
    let known = KnownWallet { ledger_spent: cents(5_000), ..bar.known() };
    let ran = bar.tap_knowing(known, &mut chip, TapRequest::ClosingRead, Fault::None, &mut |_| {});
    assert_eq!(done(&ran).1, cents(8_500));
    assert_eq!(chip.counter(), cents(1_500));
}

#[test]
fn a_top_up_names_the_record_that_it_destroys() {
    let (mut chip, _, mut desk) = used::<AesChip>();
    let old = chip.image().credit_bytes();
    done(&desk.tap(&mut chip, top_up(100, None), Fault::None));
    let intent = desk.journal.iter().rfind(|e| e.kind == Kind::INTENT);
    let Ok(Detail::Intent(intent)) = Detail::of(intent.unwrap()) else { panic!("an intent") };
    assert_eq!(intent.old_credit, Some(old));
    assert_eq!(intent.new_credit, Some(chip.image().credit_bytes()));
}

/// A band whose only C broke off in its `pages`th page, the desk that was to write it, and both records.
fn torn(pages: usize) -> (AesChip, Till, KnownCredit) {
    let (mut chip, _, mut desk) = used::<AesChip>();
    desk.tap(&mut chip, top_up(1_000, None), Fault::Pulled(3 + pages, Moment::Torn(2)));
    let open = desk.open().remove(0).intent;
    let known = KnownCredit { record: open.new_credit.unwrap(), replaced: open.old_credit };
    (chip, desk, known)
}

#[test]
fn a_box_that_knows_both_records_completes_the_write_of_another() {
    for pages in 1..=19 {
        let (mut chip, mut desk, known) = torn(pages);
        let mut bar = Till::new(2);
        let pure = chip.image_under(&[trusted(&credit_key())]);
        if pages > 1 {
            assert!(pure.is_err(), "page {pages}: {pure:?}");
        }
        if pure.is_err() {
            let ran = bar.tap(&mut chip, sale(300, None), Fault::None);
            let unknown = [TapRefusal::CreditTorn, TapRefusal::UnknownCreditKey];
            assert!(unknown.contains(&refused(&ran)), "without them it is not spendable");
            assert_eq!(bar.journal, []);
            let knowing = KnownWallet { credits: vec![known.clone()], ..bar.known() };
            let ran = bar.tap_knowing(knowing, &mut chip, sale(300, None), Fault::None, &mut |_| {});
            assert_eq!(done(&ran).1, cents(9_200), "page {pages}");
        }
        done(&desk.tap(&mut chip, TapRequest::ClosingRead, Fault::None));
        let topped_up: u32 = desk.journal.iter().filter(|e| e.effect == Effect::Credit).map(|e| e.amount.get()).sum();
        assert_eq!(chip.image().credit().credits, cents(11_000));
        assert_eq!(topped_up, 11_000, "and the desk books what another completed");
    }
}

#[test]
fn who_only_looks_at_a_torn_band_repairs_nothing() {
    let (mut chip, _, known) = torn(9);
    let (mut bar, before) = (Till::new(2), chip.memory());
    let knowing = KnownWallet { credits: vec![known], ..bar.known() };
    let ran = bar.tap_knowing(knowing, &mut chip, TapRequest::Balance, Fault::None, &mut |_| {});
    assert!(matches!(ran.end, End::Outcome(TapOutcome::Refused(_))), "{:?}", ran.end);
    assert_eq!(chip.memory(), before);
}

#[test]
fn the_random_bytes_of_a_chip_are_never_printed() {
    assert_eq!(format!("{:?} {:?}", AesChip::purse(0x5a, Some(1)), PurseChip::Ntag21x), "UltralightAes Ntag21x");
}

#[test]
fn a_repair_torn_at_any_byte_is_completed_by_the_next() {
    let (chip, _, known) = torn(9);
    let bar = Till::new(2);
    let knowing = || KnownWallet { credits: vec![known.clone()], ..bar.known() };
    for command in 0..24 {
        for moment in MOMENTS {
            let (mut chip, mut bar) = (chip.clone(), bar.clone());
            bar.tap_knowing(knowing(), &mut chip, sale(300, None), Fault::Pulled(command, moment), &mut |_| {});
            assert_eq!(bar.journal, [], "nothing is sold before the band is whole");
            let ran = bar.tap_knowing(knowing(), &mut chip, sale(300, None), Fault::None, &mut |_| {});
            assert_eq!(done(&ran).1, cents(9_200), "{command} {moment:?}");
        }
    }
}

#[test]
fn a_record_that_was_never_begun_or_is_whole_is_not_written_over() {
    let (_, _, known) = torn(9);
    // of another band the same record is no repair
    let (mut chip, mut bar, _) = used::<AesChip>();
    put(&mut chip, ULTRALIGHT_AES.credit_pages[0], &[0xa5; 76]);
    let knowing = KnownWallet { credits: vec![known], ..bar.known() };
    let ran = bar.tap_knowing(knowing, &mut chip, sale(300, None), Fault::None, &mut |_| {});
    assert_eq!(refused(&ran), TapRefusal::UnknownCreditKey);
    // the desk's intent is in doubt, and a desk whose key it does not know has topped the band up since
    let (mut chip, _, mut desk) = used::<AesChip>();
    desk.tap(&mut chip, top_up(1_000, None), Fault::Pulled(4, Moment::Before));
    let stranger = SigningKey::from_bytes(&[77; 32]);
    let image = chip.image();
    let credits = image.credit().credits.plus(cents(500)).unwrap();
    let seq = image.credit().seq + 1;
    let theirs = CreditRecord::sign(credits, seq, image.credit_id(), &stranger, band().festival(), band().wallet());
    put(&mut chip, ULTRALIGHT_AES.credit_pages[0], &theirs);
    assert_eq!(chip.image_under(&[trusted(&credit_key())]), Err(PurseFault::UnknownCreditKey));
    let retry_of = Some(desk.open()[0].entry);
    let ran = desk.tap(&mut chip, top_up(1_000, retry_of), Fault::None);
    assert_eq!(refused(&ran), TapRefusal::UnknownCreditKey);
    let public = stranger.verifying_key().to_bytes();
    let both = [trusted(&credit_key()), CreditKey { id: key_id(&public), public, revoked: false }];
    assert_eq!(chip.image_under(&both).unwrap().credit_bytes(), theirs, "their money is still there");
}

#[test]
fn a_carried_credit_torn_at_any_byte_arrives_once_and_the_sale_is_made_once() {
    let (clean, bar, _) = used::<AesChip>();
    let record = offer(&clean);
    let sums = |till: &Till| {
        let of = |effect| till.journal.iter().filter(|e| e.effect == effect).map(|e| e.amount.get()).sum::<u32>();
        (of(Effect::Repay), of(Effect::Debit))
    };
    let before = sums(&bar);
    let tap = |till: &mut Till, chip: &mut AesChip, retry_of, fault| {
        let known = KnownWallet { offer: Some(record), ..till.known() };
        till.tap_knowing(known, chip, sale(450, retry_of), fault, &mut |_| {})
    };
    let whole = tap(&mut bar.clone(), &mut clean.clone(), None, Fault::None).commands.len();
    assert!(whole > 35, "19 pages of C, twice 5 of S, reads and the increment");
    for command in 0..whole {
        for moment in MOMENTS {
            for fault in [Fault::Pulled(command, moment), Fault::PowerCut(command, moment)] {
                let (mut chip, mut till) = (clean.clone(), bar.clone());
                let mut ended = tap(&mut till, &mut chip, None, fault).end;
                for _ in 0..3 {
                    let retry_of = match &ended {
                        End::Outcome(TapOutcome::Done { .. }) => break,
                        End::Outcome(TapOutcome::TapAgain { intent }) => Some(*intent),
                        End::PowerCut => till.open().first().map(|open| open.entry),
                        End::Outcome(_) => None,
                    };
                    ended = tap(&mut till, &mut chip, retry_of, Fault::None).end;
                }
                assert!(matches!(ended, End::Outcome(TapOutcome::Done { .. })), "{fault:?}: {ended:?}");
                assert_eq!(sums(&till), (before.0 + 2_000, before.1 + 450), "{fault:?}");
                assert_eq!(chip.image().balance(Cents::ZERO), cents(8_500 + 2_000 - 450), "{fault:?}");
            }
        }
    }
}

#[test]
fn a_carry_torn_late_enough_to_know_it_is_completed_by_any_box_that_has_the_offer() {
    let (clean, bar, _) = used::<AesChip>();
    let record = offer(&clean);
    for pages in 1..19 {
        let (mut chip, mut carrier) = (clean.clone(), bar.clone());
        let known = KnownWallet { offer: Some(record), ..carrier.known() };
        let fault = Fault::Pulled(4 + pages, Moment::Before);
        carrier.tap_knowing(known, &mut chip, sale(450, None), fault, &mut |_| {});
        let mut other = Till::new(3);
        let known = KnownWallet { offer: Some(record), ..other.known() };
        let ran = other.tap_knowing(known, &mut chip, sale(300, None), Fault::None, &mut |_| {});
        if pages >= 4 {
            assert_eq!(done(&ran).1, cents(10_200), "{pages} pages");
        } else {
            let unknown = [TapRefusal::CreditTorn, TapRefusal::UnknownCreditKey];
            assert!(unknown.contains(&refused(&ran)), "{pages} pages: {:?}", ran.end);
        }
        done(&carrier.tap(&mut chip, TapRequest::ClosingRead, Fault::None));
        let repaid: u32 = carrier.journal.iter().filter(|e| e.effect == Effect::Repay).map(|e| e.amount.get()).sum();
        assert_eq!(repaid, 2_000, "{pages} pages");
    }
}

#[test]
fn no_flipped_bit_of_a_session_is_taken_for_an_answer() {
    let (chip, bar, _) = used::<AesChip>();
    let sound = bar.clone().tap(&mut chip.clone(), sale(450, None), Fault::None).commands.len();
    for command in 2..sound {
        for bit in [0, 5, 40, 63] {
            let (mut chip, mut bar) = (chip.clone(), bar.clone());
            chip.enters();
            let mut tap = Tap::new(bar.ctx.clone(), bar.known(), &UID, AesChip::purse(99, None), sale(450, None));
            let mut sent = 0;
            let outcome = loop {
                match tap.step().clone() {
                    TapStep::Chip(bytes) => {
                        let mut answer = chip.transmit(&bytes).unwrap_or_default();
                        if sent == command {
                            let at = answer.len() - 1 - bit / 8;
                            answer[at] ^= 1 << (bit % 8);
                        }
                        sent += 1;
                        tap.reply(Ok(&answer));
                    }
                    TapStep::Store(entries) => {
                        let first = bar.journal.len();
                        bar.journal.extend(entries);
                        let refs: Vec<_> = (first..bar.journal.len()).map(|seq| bar.entry_ref(seq)).collect();
                        tap.stored(Ok(&refs));
                    }
                    TapStep::Finished(outcome) => break outcome,
                }
            };
            assert!(!matches!(outcome, TapOutcome::Done { .. }), "command {command} bit {bit}");
            assert_eq!(sent, command + 1, "the tap ends there");
        }
    }
}

#[test]
fn a_box_without_the_chips_key_serves_none() {
    let (mut chip, bar, _) = used::<AesChip>();
    let mut old = bar.clone();
    let three = domain::wire::to_cbor(&bar.ctx.secrets);
    let three = [&[0x83], &three[1..three.len() - 17]].concat();
    let secrets = domain::wire::from_canonical_cbor(&three).expect("secrets of before there was such a key");
    old.ctx = std::sync::Arc::new(domain::wristband::tap::TapContext { secrets, ..(*bar.ctx).clone() });
    assert_eq!(refused(&old.tap(&mut chip, sale(100, None), Fault::None)), TapRefusal::Unsupported);
    assert_eq!(old.journal.len(), bar.journal.len());
}

#[test]
fn a_layout_of_another_chip_is_not_read_as_this_one() {
    let (mut chip, mut bar, _) = used::<AesChip>();
    let header = domain::wristband::layout::header(domain::journal::BandProfile::Ntag21x, band().festival(), 0);
    for (page, bytes) in page_writes(4, &header) {
        put(&mut chip, page, &bytes);
    }
    assert_eq!(refused(&bar.tap(&mut chip, sale(100, None), Fault::None)), TapRefusal::Unsupported);
}
