//! What a tap sends, writes and stores when it is done, alone and after earlier ones in doubt.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a failed test should panic"
)]
mod tap_bench;

use domain::{
    journal::{ChipSeen, Detail, Effect, Kind},
    wristband::{
        CreditRecord, SpentRecord,
        layout::page_writes,
        tap::{KnownWallet, SettledAs, Tap, TapOutcome, TapRefusal, TapRequest, TapStep},
    },
};
use tap_bench::{
    Card, Chip, End, Fault, Moment, Ran, Till, UID, band, cents, credit_key, done, sale, secrets, top_up, used_band,
};

fn refused(ran: &Ran) -> TapRefusal {
    match &ran.end {
        End::Outcome(TapOutcome::Refused(refusal)) => *refusal,
        other => panic!("the tap should be refused: {other:?}"),
    }
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
    bar.tap(&mut chip, sale(450, None), Fault::None);
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
    assert_eq!(part.sale.unwrap().lines.len(), 1);
    let Ok(Detail::Sale(Some(part))) = Detail::of(commit) else { panic!("a sale") };
    assert!(part.lines.is_empty(), "the lines stand in the intent");
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
    assert_eq!(bar.journal.last().unwrap().kind, Kind::GAVE_UP);
}

#[test]
fn an_earlier_sale_is_finished_and_a_new_one_made_in_one_tap() {
    let (mut chip, mut bar, _) = used_band();
    bar.tap(&mut chip, sale(300, None), Fault::PowerCut(7, Moment::Torn(2)));
    let earlier = bar.open()[0].entry;
    let mut tap =
        Tap::new(bar.ctx.clone(), bar.known(), &UID, domain::wristband::tap::PurseChip::Ntag21x, sale(200, None));
    let outcome = loop {
        match tap.step().clone() {
            TapStep::Chip(command) => {
                let answer = chip.transmit(&command).unwrap();
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
    let TapOutcome::Done { balance_after, charged, finished_earlier, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((balance_after, charged, finished_earlier), (cents(8_000), cents(200), vec![earlier]));
    assert_eq!(
        tap.settled().iter().map(|s| (s.open.entry, s.how)).collect::<Vec<_>>(),
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
    let image = chip.image();
    let credits = image.credit().credits.plus(cents(450)).unwrap();
    let record = CreditRecord::sign(
        credits,
        image.credit().seq + 1,
        image.credit_id(),
        &credit_key(),
        band().festival(),
        band().wallet(),
    );
    let mut moved = chip.clone();
    done(&desk.tap(&mut moved, top_up(100, None), Fault::None));
    assert_eq!(refused(&bar.tap(&mut moved, TapRequest::Carry { record }, Fault::None)), TapRefusal::CreditOutdated);
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
