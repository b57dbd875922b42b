//! What a chip at the reader is to this box, and how its tap talks to it.
//! Invariant: random bytes come from the operating system, fresh for each tap.
//! Not here: the tap (`tapping`), its rules (`domain::wristband`).
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::{id::WalletId, journal::BandProfile, wristband::tap::PurseChip};
use hardware::tag::{Tag, TagKind};

/// What a kind of chip is to us, or why it is nothing.
pub(crate) fn profile(tag: &Tag) -> Result<BandProfile, &'static str> {
    if tag.uid.is_random() {
        return Err("band.random_uid");
    }
    match tag.kind {
        TagKind::UidOnly => Ok(BandProfile::Uid),
        TagKind::Ntag213 => Ok(BandProfile::Pointer),
        TagKind::Ntag215 | TagKind::Ntag216 => Ok(BandProfile::Ntag21x),
        TagKind::UltralightAes => Ok(BandProfile::UltralightAes),
        // its authentication is broken, so that anybody copies it
        TagKind::UltralightC => Err("band.ultralight_c"),
        TagKind::Other => Err("band.unsupported"),
    }
}

/// Bands of which a box remembers the epoch; with more, it begins anew.
const REMEMBERED: usize = 16_384;

/// Under which epoch's keys bands were read here since the start: their next tap needs no look at the header. A hint, no
/// more: a chip that does not take those keys is forgotten.
#[derive(Default)]
pub(crate) struct ReadBefore(Mutex<HashMap<WalletId, u8>>);

impl ReadBefore {
    fn map(&self) -> MutexGuard<'_, HashMap<WalletId, u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn epoch(&self, wallet: &WalletId) -> Option<u8> {
        self.map().get(wallet).copied()
    }

    pub(crate) fn remember(&self, wallet: WalletId, epoch: u8) {
        let mut map = self.map();
        if map.len() >= REMEMBERED {
            map.clear();
        }
        map.insert(wallet, epoch);
    }

    pub(crate) fn forget(&self, wallet: &WalletId) {
        self.map().remove(wallet);
    }
}

/// How the tap talks to a chip with a purse. `epoch`: of its keys, where it was read before.
pub(crate) fn purse_chip(tag: &Tag, epoch: Option<u8>) -> Result<PurseChip, &'static str> {
    if tag.kind != TagKind::UltralightAes {
        return Ok(PurseChip::Ntag21x);
    }
    let mut random = [0; 16];
    match getrandom::fill(&mut random) {
        Ok(()) => Ok(PurseChip::UltralightAes { random, epoch }),
        Err(error) => {
            tracing::error!(%error, "the system gives no random bytes");
            Err("box.no_randomness")
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::journal::{Kind, Means};
    use hardware::{chip::UidOnly, signal::Signal, tag::Uid};

    use super::*;
    use crate::{
        bench::{Band, Bench, cents},
        tap_desk::{Purpose, TopUpOrder},
    };

    fn top_up(amount: u32) -> Purpose {
        Purpose::TopUp(TopUpOrder { amount: cents(amount), fee: cents(0), means: Means::Cash })
    }

    fn sale(bench: &Bench) -> Purpose {
        let lines = vec![domain::till::BasketLine { product: 2, quantity: 1, free: false }];
        Purpose::Sale(bench.priced(&domain::till::Basket { lines, ..Default::default() }))
    }

    fn code(bench: &Bench, band: &Band) -> Option<String> {
        let (light, result) = bench.tap(sale(bench), band);
        assert_eq!(light, Some(Signal::Refuse));
        result.code
    }

    #[test]
    fn a_band_with_a_counter_is_topped_up_sold_to_and_paid_out() {
        let bench = Bench::new();
        let band = bench.aes_purse(1);
        let (light, result) = bench.tap(top_up(5_000), &band);
        assert_eq!((light, result.balance_after_cents), (Some(Signal::Ok), Some(5_000)));
        let (light, result) = bench.tap(sale(&bench), &band);
        assert_eq!(light, Some(Signal::Ok));
        let left = result.balance_after_cents.unwrap();
        assert_eq!(left, 5_000 - result.charged_cents);
        assert!(result.charged_cents > 0);
        let (light, result) = bench.tap(Purpose::Refund, &band);
        assert_eq!((light, result.charged_cents, result.balance_after_cents), (Some(Signal::Ok), left, Some(0)));
    }

    #[test]
    fn an_increment_whose_answer_is_lost_is_in_doubt_and_settled_by_the_next_tap() {
        for (fault, name) in [("leave after write 6", "counted"), ("tear write 6 before store", "not counted")] {
            let bench = Bench::new();
            let band = bench.aes_purse(1);
            bench.tap(top_up(5_000), &band);
            let (light, _) = bench.tap_as([5; 16], sale(&bench), &band, fault);
            assert_eq!(light, Some(Signal::TapAgain), "{name}");
            let (light, result) = bench.tap_as([5; 16], sale(&bench), &band, "");
            assert_eq!(light, Some(Signal::Ok), "{name}");
            assert_eq!(bench.entries(Kind::SALE).len(), 1, "{name}");
            assert_eq!(result.balance_after_cents, Some(5_000 - result.charged_cents), "{name}");
        }
    }

    #[test]
    fn chips_that_cannot_be_trusted_are_refused_each_with_its_reason() {
        let bench = Bench::new();
        let four = |uid: [u8; 4]| Uid::four(uid);
        let seven = Uid::seven([4, 9, 9, 9, 9, 9, 9]);
        for (chip, reason) in [
            (UidOnly::unmodelled(seven, TagKind::UltralightC), "band.ultralight_c"),
            (UidOnly::unmodelled(seven, TagKind::Other), "band.unsupported"),
            (UidOnly::new(four([0x08, 1, 2, 3])), "band.random_uid"),
        ] {
            assert_eq!(code(&bench, &bench.band_of(chip)).as_deref(), Some(reason));
        }
    }

    #[test]
    fn a_band_whose_keys_this_box_lacks_says_so_on_both_chips() {
        let bench = Bench::new();
        for band in [bench.purse_of_epoch(1, 1), bench.aes_purse_of_epoch(2, 1)] {
            assert_eq!(code(&bench, &band).as_deref(), Some("band.keys_missing"));
        }
        assert_eq!(bench.entries(Kind::INTENT).len(), 0);
    }

    #[test]
    fn the_epoch_of_a_band_is_remembered_until_its_keys_are_refused() {
        let bench = Bench::new();
        let read_before = &bench.station.read_before;
        let (band, other) = (bench.aes_purse(1), bench.aes_purse_of_epoch(2, 1));
        assert_eq!(read_before.epoch(&band.wallet), None);
        bench.tap(top_up(5_000), &band);
        assert_eq!(read_before.epoch(&band.wallet), Some(0));
        read_before.remember(other.wallet, 0);
        assert_eq!(code(&bench, &other).as_deref(), Some("band.keys_missing"));
        assert_eq!(read_before.epoch(&other.wallet), None);
        for number in 0..REMEMBERED {
            let mut wallet = [9; 16];
            wallet[..8].copy_from_slice(&number.to_le_bytes());
            read_before.remember(WalletId(wallet), 0);
        }
        assert!(read_before.map().len() <= REMEMBERED);
    }

    #[test]
    fn a_half_written_credit_is_completed_at_the_close_though_it_was_given_up() {
        let bench = Bench::new();
        let band = bench.aes_purse(1);
        bench.tap(top_up(5_000), &band);
        let (light, result) = bench.tap_as([5; 16], top_up(1_000), &band, "tear write 9 at byte 2");
        assert_eq!(light, Some(Signal::TapAgain));
        let doubt = crate::station::entry_ref(&result.entry).unwrap();
        crate::hand_over::answer(&bench.station, doubt, false, None).unwrap();
        assert_eq!(code(&bench, &band).as_deref(), Some("band.credit_torn"));
        let (light, result) = bench.tap(Purpose::ClosingRead, &band);
        assert_eq!((light, result.balance_after_cents), (Some(Signal::Ok), Some(6_000)));
    }
}
