//! Bands and requests that must be refused, each with its own code, and what is stored when they are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a failed test should panic"
)]

use std::sync::Arc;

use crate::tap_bench::{
    Card, Chip, End, FESTIVAL, Fault, Moment, Ran, Till, band, cents, credit_key, done, sale, secrets, top_up, trusted,
    used_band,
};
use domain::{
    id::BoxNumber,
    journal::{Effect, Kind},
    money::Cents,
    wristband::{
        BandKeys, ChipKind, CreditId, CreditRecord, PurseFault, SpentRecord, check_pointer, initial_pages,
        layout::{NTAG21X, page_writes},
        tap::{KnownWallet, OfflineLimit, Tap, TapContext, TapOutcome, TapRefusal, TapRequest, TapStep},
    },
};
use ed25519_dalek::SigningKey;

fn refused(ran: &Ran) -> TapRefusal {
    match &ran.end {
        End::Outcome(TapOutcome::Refused(refusal)) => *refusal,
        other => panic!("the tap should be refused: {other:?}"),
    }
}

fn with(till: &mut Till, change: impl FnOnce(&mut TapContext)) {
    let mut ctx = (*till.ctx).clone();
    change(&mut ctx);
    till.ctx = Arc::new(ctx);
}

fn put(chip: &mut Chip, first: u8, bytes: &[u8]) {
    for (page, content) in page_writes(first, bytes) {
        chip.pages[usize::from(page)] = content;
    }
}

#[test]
fn no_flipped_bit_of_the_memory_is_ever_taken_for_another_amount() {
    let (chip, ..) = used_band();
    let now = chip.image();
    let (s, c) = (*now.record(), *now.credit());
    let mut older = 0;
    for bit in 4 * 32..56 * 32 {
        let mut flipped = chip.clone();
        flipped.pages[bit / 32][bit % 32 / 8] ^= 1 << (bit % 8);
        let Ok(image) = flipped.image_under(&[trusted(&credit_key())]) else { continue };
        let in_header = bit / 32 < 8;
        assert!(!in_header || bit / 32 == 7, "header bit {bit}");
        assert!(image.record().tap_counter == s.tap_counter || image.record().tap_counter + 1 == s.tap_counter);
        assert!(image.record().spent <= s.spent);
        assert_eq!(*image.credit(), c, "an older C is below the sequence of S");
        older += usize::from(image.record().tap_counter < s.tap_counter);
    }
    assert_eq!(older, 160, "each bit of the S in force, and none other, gives the S before it");
}

#[test]
fn a_blank_foreign_or_newer_band_is_named() {
    let (mut issued, mut bar, _) = used_band();
    assert_eq!(refused(&bar.tap(&mut Chip::blank(), sale(1, None), Fault::None)), TapRefusal::NotOurs);
    let mut other = Till::new(3);
    with(&mut other, |ctx| ctx.festival.0[0] ^= 1);
    assert_eq!(refused(&other.tap(&mut issued, sale(1, None), Fault::None)), TapRefusal::NotOurs);
    assert_eq!(refused(&other.tap(&mut issued, TapRequest::Balance, Fault::None)), TapRefusal::NotOurs);
    let mut newer = issued.clone();
    newer.pages[4][2] = 2;
    assert_eq!(refused(&bar.tap(&mut newer, sale(1, None), Fault::None)), TapRefusal::Unsupported);
    let tap = Tap::new(
        bar.ctx.clone(),
        KnownWallet::default(),
        &[1, 2, 3],
        domain::wristband::tap::PurseChip::Ntag21x,
        sale(1, None),
    );
    assert_eq!(*tap.step(), TapStep::Finished(TapOutcome::Refused(TapRefusal::Unsupported)));
}

#[test]
fn a_chip_that_takes_the_password_and_answers_another_pack_is_not_ours() {
    let (mut chip, mut bar, _) = used_band();
    chip.pages[0x86][1] ^= 1;
    let ran = bar.tap(&mut chip, sale(1, None), Fault::None);
    assert_eq!((refused(&ran), ran.commands.len()), (TapRefusal::NotOurs, 2));
}

#[test]
fn a_chip_that_does_not_let_itself_be_read_is_foreign_before_its_keys_are_proven_and_broken_after() {
    for (refuses, refusal) in [(0, TapRefusal::NotOurs), (1, TapRefusal::NotOurs), (2, TapRefusal::Unsupported)] {
        let (mut chip, mut bar, _) = used_band();
        assert_eq!(refused(&bar.tap(&mut chip, sale(1, None), Fault::Refused(refuses))), refusal, "{refuses}");
    }
}

#[test]
fn a_blocked_or_frozen_wallet_is_not_touched_but_can_be_looked_at() {
    let (mut chip, mut bar, _) = used_band();
    let blocked = KnownWallet { blocked: true, ..KnownWallet::default() };
    let frozen = KnownWallet { frozen: true, ..KnownWallet::default() };
    for (known, refusal) in [(blocked, TapRefusal::Blocked), (frozen, TapRefusal::Frozen)] {
        let ran = bar.tap_knowing(known.clone(), &mut chip, sale(1, None), Fault::None, &mut |_| {});
        assert_eq!((refused(&ran), ran.commands.len(), ran.stores), (refusal, 0, 0));
        let ran = bar.tap_knowing(known, &mut chip, TapRequest::Balance, Fault::None, &mut |_| {});
        assert!(matches!(ran.end, End::Outcome(TapOutcome::Done { entry: None, .. })));
        assert_eq!((ran.commands.len(), ran.stores), (2, 0));
    }
}

#[test]
fn two_records_of_one_counter_are_tampering_and_reported() {
    let (mut chip, mut bar, _) = used_band();
    let (mut copy, mut second) = (chip.clone(), Till::new(2));
    let free = usize::from(chip.image().free_spent_page());
    let other = if free == 8 { 13 } else { 8 };
    done(&bar.tap(&mut chip, sale(450, None), Fault::None));
    done(&second.tap(&mut copy, sale(100, None), Fault::None));
    for page in 0..5 {
        chip.pages[other + page] = copy.pages[free + page];
    }
    let stored = bar.journal.len();
    assert_eq!(refused(&bar.tap(&mut chip, sale(1, None), Fault::None)), TapRefusal::Tampered);
    assert_eq!(bar.journal.len(), stored + 1);
    assert_eq!((bar.journal[stored].kind, bar.journal[stored].effect), (Kind::SUSPICION, Effect::None));
    assert_eq!(bar.journal[stored].part, b"band.tampered");
    let ran = bar.tap(&mut chip, TapRequest::Balance, Fault::None);
    assert_eq!((refused(&ran), ran.stores), (TapRefusal::Tampered, 0), "who only looks books nothing");
}

#[test]
fn two_credits_of_one_sequence_are_tampering() {
    let (mut chip, mut bar, _) = used_band();
    let image = chip.image();
    let seq = image.credit().seq;
    let forged =
        CreditRecord::sign(cents(20_000), seq, CreditId([1; 4]), &credit_key(), band().festival(), band().wallet());
    put(&mut chip, image.free_credit_page(), &forged);
    assert_eq!(refused(&bar.tap(&mut chip, sale(1, None), Fault::None)), TapRefusal::Tampered);
}

#[test]
fn older_credits_below_the_last_sale_are_rolled_back_and_reported() {
    let (mut chip, mut bar, mut desk) = used_band();
    let old = chip.pages[18..56].to_vec();
    done(&desk.tap(&mut chip, top_up(1_000, None), Fault::None));
    chip.pages[18..56].copy_from_slice(&old);
    assert_eq!(refused(&bar.tap(&mut chip, sale(1, None), Fault::None)), TapRefusal::RolledBack);
    assert_eq!(bar.journal.last().unwrap().part, b"band.rolled_back");
}

#[test]
fn a_band_without_a_valid_record_is_unusable() {
    for pages in [8..18, 18..56] {
        let (mut chip, mut bar, _) = used_band();
        let signature = pages.start >= 18;
        for page in pages {
            // Key ids stay: a broken signature of a known key is damage, not an unknown key.
            if !signature || (page - 18) % 19 > 2 {
                chip.pages[page][0] ^= 1;
            }
        }
        assert_eq!(refused(&bar.tap(&mut chip, sale(1, None), Fault::None)), TapRefusal::Unusable);
    }
}

#[test]
fn credits_under_an_unknown_or_revoked_key_are_not_spendable() {
    let (mut chip, mut bar, _) = used_band();
    with(&mut bar, |ctx| ctx.credit_keys[0].revoked = true);
    assert_eq!(refused(&bar.tap(&mut chip, sale(1, None), Fault::None)), TapRefusal::UnknownCreditKey);
    with(&mut bar, |ctx| ctx.credit_keys.clear());
    assert_eq!(refused(&bar.tap(&mut chip, sale(1, None), Fault::None)), TapRefusal::UnknownCreditKey);
    // A new desk's key that this bar has not heard of: not taken for a rolled-back band.
    let (mut chip, mut bar, mut desk) = used_band();
    let new = SigningKey::from_bytes(&[99; 32]);
    with(&mut desk, |ctx| ctx.credit_keys.push(trusted(&new)));
    let request = TapRequest::TopUp {
        amount: cents(500),
        key: new.clone(),
        fee: Cents::ZERO,
        means: domain::journal::Means::Cash,
        retry_of: None,
    };
    done(&desk.tap(&mut chip, request.clone(), Fault::None));
    assert_eq!(refused(&bar.tap(&mut chip, sale(1, None), Fault::None)), TapRefusal::UnknownCreditKey);
    // And a desk does not sign with a key that nobody would take.
    let (mut chip, _, mut desk) = used_band();
    assert_eq!(refused(&desk.tap(&mut chip, request, Fault::None)), TapRefusal::UnknownCreditKey);
}

#[test]
fn a_sale_above_the_balance_names_both() {
    let (mut chip, mut bar, _) = used_band();
    let ran = bar.tap(&mut chip, sale(8_501, None), Fault::None);
    assert_eq!(refused(&ran), TapRefusal::NotEnough { balance: cents(8_500), price: cents(8_501) });
    assert_eq!(refused(&ran).to_string(), "the band holds 85.00, the sale needs 85.01");
    assert_eq!(ran.stores, 0);
    assert_eq!(done(&bar.tap(&mut chip, sale(8_500, None), Fault::None)).1, Cents::ZERO);
    assert_eq!(done(&bar.tap(&mut chip, sale(0, None), Fault::None)).1, Cents::ZERO, "a free one still goes");
}

#[test]
fn a_top_up_above_the_maximum_or_of_nothing_is_refused() {
    let (mut chip, mut bar, mut desk) = used_band();
    let over = TapRefusal::OverMaximum { maximum: cents(25_000) };
    assert_eq!(refused(&desk.tap(&mut chip, top_up(16_501, None), Fault::None)), over);
    assert_eq!(refused(&desk.tap(&mut chip, top_up(0, None), Fault::None)), TapRefusal::NothingToMove);
    assert_eq!(done(&desk.tap(&mut chip, top_up(16_500, None), Fault::None)).1, cents(25_000));
    done(&bar.tap(&mut chip, sale(5_000, None), Fault::None));
    assert_eq!(done(&desk.tap(&mut chip, top_up(5_000, None), Fault::None)).1, cents(25_000), "it is the balance");
    done(&desk.tap(&mut chip, TapRequest::Refund, Fault::None));
    assert_eq!(refused(&desk.tap(&mut chip, TapRequest::Refund, Fault::None)), TapRefusal::NothingToMove);
}

#[test]
fn counters_do_not_wrap() {
    let (mut chip, mut bar, mut desk) = used_band();
    let image = chip.image();
    let last = SpentRecord { tap_counter: u16::MAX, ..*image.record() };
    put(&mut chip, NTAG21X.spent_pages[0], &last.seal(&band()));
    assert_eq!(refused(&bar.tap(&mut chip, sale(1, None), Fault::None)), TapRefusal::CounterExhausted);
    let (mut chip, ..) = used_band();
    let full = CreditRecord::sign(
        cents(9_000),
        u8::MAX,
        CreditId::default(),
        &credit_key(),
        band().festival(),
        band().wallet(),
    );
    put(&mut chip, NTAG21X.credit_pages[0], &full);
    assert_eq!(refused(&desk.tap(&mut chip, top_up(1, None), Fault::None)), TapRefusal::CreditsExhausted);
    done(&bar.tap(&mut chip, sale(1, None), Fault::None));
}

#[test]
fn a_box_without_a_number_writes_nothing() {
    let (mut chip, mut bar, _) = used_band();
    with(&mut bar, |ctx| ctx.box_number = BoxNumber(0));
    let ran = bar.tap(&mut chip, sale(1, None), Fault::None);
    assert_eq!((refused(&ran), ran.stores), (TapRefusal::NoBoxNumber, 0));
}

#[test]
fn a_chip_that_refuses_a_page_leaves_a_void_intent() {
    let (mut chip, mut bar, _) = used_band();
    let ran = bar.tap(&mut chip, sale(450, None), Fault::Refused(4));
    assert_eq!(refused(&ran), TapRefusal::RefusedWrite);
    let void = bar.journal.last().unwrap();
    assert_eq!((void.kind, void.effect, void.amount), (Kind::VOID, Effect::Release, cents(450)));
    assert_eq!(bar.open(), []);
}

#[test]
fn a_pointer_band_proves_itself_and_no_other() {
    let pages = initial_pages(ChipKind::Ntag213, &band(), &credit_key()).unwrap();
    let mut read = [0; 80];
    for (page, bytes) in pages.iter().filter(|(page, _)| *page <= 23) {
        read[usize::from(page - 4) * 4..][..4].copy_from_slice(bytes);
    }
    let keys = [trusted(&credit_key())];
    assert_eq!(check_pointer(&read, &band(), &keys), Ok(()));
    for bit in 0..80 * 8 {
        let mut flipped = read;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(check_pointer(&flipped, &band(), &keys).is_err(), "bit {bit}");
    }
    let other = BandKeys::new(&secrets(), &FESTIVAL, &[4, 0, 0, 0, 0, 0, 1]);
    assert_eq!(check_pointer(&read, &other, &keys), Err(PurseFault::Unusable));
    assert_eq!(check_pointer(&read, &band(), &[]), Err(PurseFault::UnknownCreditKey));
}

#[test]
fn no_two_refusals_share_a_code() {
    let all = [
        TapRefusal::Unsupported,
        TapRefusal::NotOurs,
        TapRefusal::KeysMissing,
        TapRefusal::KeysRetired,
        TapRefusal::Tampered,
        TapRefusal::Unusable,
        TapRefusal::Blocked,
        TapRefusal::Frozen,
        TapRefusal::RolledBack,
        TapRefusal::UnknownCreditKey,
        TapRefusal::CounterExhausted,
        TapRefusal::CreditsExhausted,
        TapRefusal::CreditOutdated,
        TapRefusal::RefusedWrite,
        TapRefusal::NotEnough { balance: Cents::ZERO, price: Cents::ZERO },
        TapRefusal::OverMaximum { maximum: Cents::ZERO },
        TapRefusal::NothingToMove,
        TapRefusal::Supervisor,
        TapRefusal::NoBoxNumber,
        TapRefusal::DiskFull,
    ];
    let codes: std::collections::BTreeSet<_> = all.iter().map(TapRefusal::code).collect();
    assert_eq!(codes.len(), all.len());
}

/// What `till` knows, with what it took under a limit of 10.00.
fn limited(till: &Till, taken: u32) -> KnownWallet {
    let offline = OfflineLimit { limit: cents(1_000), taken: cents(taken) };
    KnownWallet { offline: Some(offline), ..till.known() }
}

fn tap_limited(till: &mut Till, chip: &mut impl Card, taken: u32, request: TapRequest) -> Ran {
    let known = limited(till, taken);
    till.tap_knowing(known, chip, request, Fault::None, &mut |_| {})
}

#[test]
fn from_a_chip_that_can_be_copied_a_box_takes_no_more_than_its_offline_limit() {
    let (mut chip, mut bar, mut desk) = used_band();
    for (price, taken) in [(401, 600), (1, 1_000), (u32::MAX >> 8, 0)] {
        let ran = tap_limited(&mut bar, &mut chip, taken, sale(price, None));
        let offline = OfflineLimit { limit: cents(1_000), taken: cents(taken) };
        let expected = if price > 8_500 {
            TapRefusal::NotEnough { balance: cents(8_500), price: cents(price) }
        } else {
            TapRefusal::OfflineLimit { offline, price: cents(price) }
        };
        assert_eq!((refused(&ran), ran.stores), (expected, 0));
    }
    assert_eq!(done(&tap_limited(&mut bar, &mut chip, 600, sale(400, None))).1, cents(8_100));
    assert_eq!(done(&tap_limited(&mut bar, &mut chip, 1_500, sale(0, None))).1, cents(8_100), "nothing is taken");
    assert_eq!(done(&tap_limited(&mut desk, &mut chip, 1_500, top_up(100, None))).1, cents(8_200));
    assert!(matches!(
        refused(&tap_limited(&mut desk, &mut chip, 0, TapRequest::Refund)),
        TapRefusal::OfflineLimit { price, .. } if price == cents(8_200)
    ));
}

#[test]
fn an_order_in_doubt_that_took_nothing_leaves_the_offline_limit_as_it_was() {
    let (mut chip, mut bar, mut other) = used_band();
    // the last page never left the reader, and then another box wrote
    let writes = bar.clone().tap(&mut chip.clone(), sale(300, None), Fault::None).commands.len() - 2;
    let torn = bar.tap(&mut chip, sale(300, None), Fault::Pulled(writes, Moment::Before));
    assert!(matches!(torn.end, End::Outcome(TapOutcome::TapAgain { .. })), "{:?}", torn.end);
    done(&other.tap(&mut chip, sale(100, None), Fault::None));
    assert_eq!(done(&tap_limited(&mut bar, &mut chip, 300, sale(1_000, None))).1, cents(7_400));
}
