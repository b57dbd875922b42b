//! Bands of two epochs of keys at one till: each is served under its own, and one whose keys are missing or retired says
//! so.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a failed test should panic"
)]

use std::sync::Arc;

use crate::tap_bench::{
    AesChip, Card, Chip, End, FESTIVAL, Fault, MOMENTS, Ran, Till, UID, aes::issue_as, band, cents, credit_key, done,
    sale, secrets, top_up, trusted,
};
use domain::{
    money::Cents,
    secrets::{BandSecrets, MasterSecret, epoch::EpochSecrets},
    wristband::{
        BandKeys, ChipKind, initial_pages,
        tap::{TapContext, TapOutcome, TapRefusal, TapRequest},
    },
};
use hardware::chip::Chip as Model;

fn epoch(number: u8) -> EpochSecrets {
    MasterSecret([100 + number; 32]).epoch_secrets(number, &FESTIVAL).unwrap()
}

fn both() -> BandSecrets {
    secrets().with(epoch(1))
}

fn later_band() -> BandKeys {
    BandKeys::of_epoch(1, &both(), &FESTIVAL, &UID).unwrap()
}

/// A card that can be made under any epoch's keys.
trait Made: Card {
    fn made(band: BandKeys) -> Self;
    /// Commands of a sale after the selection, at a till with the keys of one epoch and of several.
    const COMMANDS: [usize; 2];
}

impl Made for Chip {
    const COMMANDS: [usize; 2] = [9, 9];

    fn made(band: BandKeys) -> Self {
        let mut chip = Self::blank();
        for (page, bytes) in initial_pages(ChipKind::Ntag215, &band, &credit_key()).unwrap() {
            chip.transmit(&[0xa2, page, bytes[0], bytes[1], bytes[2], bytes[3]]).unwrap();
        }
        chip
    }
}

impl Made for AesChip {
    const COMMANDS: [usize; 2] = [11, 12];

    fn made(band: BandKeys) -> Self {
        let mut chip = Model::from(Self::blank().0);
        issue_as(&mut chip, ChipKind::UltralightAes, band, usize::MAX).unwrap();
        let Model::UltralightAes(chip) = chip else { panic!("it is the same chip") };
        Self(*chip)
    }
}

fn till(number: u16, secrets: BandSecrets, retired: &[u8]) -> Till {
    let mut till = Till::new(number);
    till.ctx = Arc::new(TapContext { secrets, retired_epochs: retired.to_vec(), ..(*till.ctx).clone() });
    till
}

fn refused(ran: &Ran) -> TapRefusal {
    match &ran.end {
        End::Outcome(TapOutcome::Refused(refusal)) => *refusal,
        other => panic!("the tap should be refused: {other:?}"),
    }
}

fn left<C: Card>(chip: &C, band: &BandKeys) -> Cents {
    chip.pages().judge(band, &[trusted(&credit_key())]).unwrap().balance(Cents::ZERO)
}

fn both_are_served<C: Made>() {
    for (keys, other) in [(band(), later_band()), (later_band(), band())] {
        let (mut bar, mut desk) = (till(1, both(), &[]), till(9, both(), &[]));
        let mut chip = C::made(keys.clone());
        done(&desk.tap(&mut chip, top_up(5_000, None), Fault::None));
        let sold = bar.tap(&mut chip, sale(450, None), Fault::None);
        assert_eq!((done(&sold).1, sold.commands.len()), (cents(4_550), C::COMMANDS[1]));
        assert_eq!(left(&chip, &keys), cents(4_550));
        assert!(chip.pages().judge(&other, &[trusted(&credit_key())]).is_err(), "the other epoch's keys say nothing");
    }
    let mut chip = C::made(band());
    done(&Till::new(9).tap(&mut chip, top_up(5_000, None), Fault::None));
    let sold = Till::new(1).tap(&mut chip, sale(450, None), Fault::None);
    assert_eq!(sold.commands.len(), C::COMMANDS[0], "who knows one epoch looks for no other");
}

#[test]
fn a_till_with_the_keys_of_two_epochs_serves_bands_of_both() {
    both_are_served::<Chip>();
    both_are_served::<AesChip>();
}

#[test]
fn a_band_that_a_till_has_read_before_needs_no_look_at_its_header() {
    let (mut bar, mut desk) = (till(1, both(), &[]), till(9, both(), &[]));
    let mut chip = AesChip::made(later_band());
    done(&desk.tap(&mut chip, top_up(5_000, None), Fault::None));
    let first = bar.clone().tap(&mut chip.clone(), TapRequest::Balance, Fault::None);
    assert_eq!(first.tap.epoch(), Some(1));
    bar.read_before = Some(1);
    let sold = bar.tap(&mut chip, sale(450, None), Fault::None);
    assert_eq!((done(&sold).1, sold.commands.len()), (cents(4_550), AesChip::COMMANDS[0]));
    // what was read once is a hint: retired or not held, the header is asked; wrong, nothing is written
    for (hint, retired) in [(1, vec![1]), (7, vec![1])] {
        let mut bar = Till { read_before: Some(hint), ..till(1, both(), &retired) };
        let ran = bar.tap(&mut chip, sale(1, None), Fault::None);
        assert_eq!((refused(&ran), ran.stores, ran.commands.len()), (TapRefusal::KeysRetired, 0, 1));
    }
    let before = chip.memory();
    bar.read_before = Some(0);
    let ran = bar.tap(&mut chip, sale(1, None), Fault::None);
    assert_eq!((refused(&ran), ran.stores), (TapRefusal::NotOurs, 0));
    assert_eq!(chip.memory(), before);
    bar.read_before = None;
    done(&bar.tap(&mut chip, sale(1, None), Fault::None));
}

fn torn_anywhere<C: Made>() {
    let (bar, mut desk) = (till(1, both(), &[]), till(9, both(), &[]));
    let mut new = C::made(later_band());
    done(&desk.tap(&mut new, top_up(5_000, None), Fault::None));
    let commands = bar.clone().tap(&mut new.clone(), sale(450, None), Fault::None).commands.len();
    for at in 0..commands {
        for moment in MOMENTS {
            let (mut chip, mut bar) = (new.clone(), bar.clone());
            let first = bar.tap(&mut chip, sale(450, None), Fault::Pulled(at, moment));
            let retry_of = match &first.end {
                End::Outcome(TapOutcome::TapAgain { intent }) => Some(*intent),
                _ => None,
            };
            if !matches!(first.end, End::Outcome(TapOutcome::Done { .. })) {
                done(&bar.tap(&mut chip, sale(450, retry_of), Fault::None));
            }
            assert_eq!(left(&chip, &later_band()), cents(4_550), "command {at}, {moment:?}");
        }
    }
}

#[test]
fn a_sale_under_a_later_epoch_is_charged_once_wherever_the_band_leaves() {
    torn_anywhere::<Chip>();
    torn_anywhere::<AesChip>();
}

#[test]
fn a_band_whose_keys_a_till_lacks_says_so_and_is_left_as_it_is() {
    let mut old = Till::new(1);
    let mut chip = Chip::made(later_band());
    let before = chip.clone();
    let ran = old.tap(&mut chip, sale(1, None), Fault::None);
    assert_eq!((refused(&ran), ran.stores, ran.commands.len()), (TapRefusal::KeysMissing, 0, 1), "no wrong password");
    assert_eq!(chip.pages, before.pages);
    // an Ultralight AES is asked for its key first, by who knows of one epoch alone; a look at it tells why
    let mut chip = AesChip::made(later_band());
    assert_eq!(refused(&old.tap(&mut chip, sale(1, None), Fault::None)), TapRefusal::NotOurs);
    assert_eq!(refused(&old.tap(&mut chip, TapRequest::Balance, Fault::None)), TapRefusal::KeysMissing);
    let mut newer = till(2, secrets().with(epoch(2)), &[]);
    assert_eq!(refused(&newer.tap(&mut chip, sale(1, None), Fault::None)), TapRefusal::KeysMissing);
    let mut other = till(2, both(), &[]);
    let mut ctx = (*other.ctx).clone();
    ctx.festival.0[0] ^= 1;
    other.ctx = Arc::new(ctx);
    assert_eq!(refused(&other.tap(&mut chip, sale(1, None), Fault::None)), TapRefusal::NotOurs, "another festival's");
}

fn retired_are_refused<C: Made>() {
    let mut desk = till(9, both(), &[]);
    let (mut old, mut new) = (C::made(band()), C::made(later_band()));
    for chip in [&mut old, &mut new] {
        done(&desk.tap(chip, top_up(5_000, None), Fault::None));
    }
    let mut bar = till(1, both(), &[0]);
    for request in [sale(1, None), top_up(1, None), TapRequest::Refund, TapRequest::ClosingRead] {
        assert_eq!(refused(&bar.tap(&mut old, request, Fault::None)), TapRefusal::KeysRetired);
    }
    assert_eq!(bar.journal.len(), 0);
    let looked = bar.tap(&mut old, TapRequest::Balance, Fault::None);
    assert!(
        matches!(looked.end, End::Outcome(TapOutcome::Done { balance_after, .. }) if balance_after == cents(5_000))
    );
    done(&bar.tap(&mut new, sale(1, None), Fault::None));
    // who has none but the retired keys still tells a band of another epoch from a retired one
    let mut stale = till(3, secrets(), &[0]);
    assert_eq!(refused(&stale.tap(&mut old, sale(1, None), Fault::None)), TapRefusal::KeysRetired);
    assert_eq!(refused(&stale.tap(&mut new, sale(1, None), Fault::None)), TapRefusal::KeysMissing);
}

#[test]
fn bands_of_a_retired_epoch_are_refused_but_can_be_looked_at() {
    retired_are_refused::<Chip>();
    retired_are_refused::<AesChip>();
}
