//! Wristbands of the festival: chip models initialised as the supplier does it, and what is read from them afterwards
//! without any box. Invariant: `Band::on_chip` looks at the chip's memory alone.
//! Not here: who wears them (`guest`).
use anyhow::{Context, Result, bail};
use domain::{
    id::{FestivalId, WalletId},
    money::Cents,
    secrets::BandSecrets,
    wire::hex,
    wristband::{BandKeys, ChipKind, CreditKey, PurseImage, initial_pages, layout},
};
use ed25519_dalek::SigningKey;
use hardware::{
    chip::{Chip, Ntag21x, NtagType, Reply, SharedBand, UidOnly},
    tag::Uid,
};

/// Length of a page.
const PAGE: usize = 4;

/// What a supplier needs to make bands of a festival.
pub struct Supplier {
    festival: FestivalId,
    secrets: BandSecrets,
    key: SigningKey,
}

/// One wristband. Clones are the same band.
#[derive(Clone, Debug)]
pub struct Band {
    /// Its chip, as it is laid on readers.
    pub chip: SharedBand,
    wallet: WalletId,
    purse: bool,
}

impl Supplier {
    /// `key` is a credit key of the festival.
    pub fn new(festival: FestivalId, secrets: BandSecrets, key: SigningKey) -> Self {
        Self { festival, secrets, key }
    }

    /// A band with a purse in its memory: an NTAG215.
    pub fn purse(&self, number: u32) -> Result<Band> {
        let [a, b, c, d] = number.to_be_bytes();
        let uid = [0x04, 0xf1, a, b, c, d, 0x80];
        let mut chip = Chip::from(Ntag21x::new(NtagType::Ntag215, uid));
        chip.enter_field();
        for page in initial_pages(&uid, ChipKind::Ntag215, &self.secrets, &self.festival, &self.key) {
            if chip.transmit(&layout::write(page)) != Reply::Ack {
                bail!("a new chip refuses page {}", page.0);
            }
        }
        chip.leave_field();
        Ok(Band { chip: SharedBand::new(chip), wallet: self.secrets.wallet(&uid), purse: true })
    }

    /// A band that has only a UID.
    pub fn uid_only(&self, number: u32) -> Band {
        let [a, b, c, d] = number.to_be_bytes();
        let uid = [0x04, 0xe7, a, b, c, d, 0x80];
        let chip = UidOnly::new(Uid::seven(uid));
        Band { chip: SharedBand::new(chip), wallet: self.secrets.wallet(&uid), purse: false }
    }

    /// Keys of a band, as a box derives them.
    fn keys(&self, uid: &[u8]) -> BandKeys {
        BandKeys::new(&self.secrets, &self.festival, uid)
    }
}

impl Band {
    /// The account of its money.
    pub fn wallet(&self) -> WalletId {
        self.wallet
    }

    /// The same as text.
    pub fn wallet_hex(&self) -> String {
        hex(&self.wallet.0)
    }

    /// Whether its money is on the chip.
    pub fn has_purse(&self) -> bool {
        self.purse
    }

    /// A second band of the same content: what a fraudster makes.
    pub fn copied(&self) -> Self {
        Self { chip: SharedBand::new(self.chip.chip()), ..self.clone() }
    }

    /// The purse as it stands on the chip; `None` for a band without one.
    pub fn on_chip(&self, supplier: &Supplier, credit_keys: &[CreditKey]) -> Result<Option<PurseImage>> {
        if !self.purse {
            return Ok(None);
        }
        let chip = self.chip.chip();
        let pages = |(first, last): layout::PageRange| {
            let range = usize::from(first) * PAGE..(usize::from(last) + 1) * PAGE;
            chip.memory().get(range).context("the chip is too small for a purse")
        };
        let spent = pages(layout::SPENT_READ)?.try_into()?;
        let credit = pages(layout::CREDIT_READ)?.try_into()?;
        let keys = supplier.keys(chip.uid().as_bytes());
        Ok(Some(PurseImage::read(&spent, &credit, &keys, credit_keys)?))
    }

    /// What is left on the chip by its own records.
    pub fn balance_on_chip(&self, supplier: &Supplier, credit_keys: &[CreditKey]) -> Result<Option<i64>> {
        Ok(self.on_chip(supplier, credit_keys)?.map(|purse| purse.balance(Cents::ZERO).as_i64()))
    }
}

#[cfg(test)]
mod tests {
    use domain::{id::key_id, secrets::MasterSecret};

    use super::*;

    #[test]
    fn a_new_band_holds_nothing_and_a_copy_is_another_chip_of_the_same_account() {
        let festival = FestivalId([1; 16]);
        let key = SigningKey::from_bytes(&[2; 32]);
        let supplier = Supplier::new(festival, MasterSecret([3; 32]).band_secrets(&festival), key.clone());
        let public = key.verifying_key().to_bytes();
        let credit = [CreditKey { id: key_id(&public), public, revoked: false }];
        let band = supplier.purse(1).unwrap();
        assert_eq!(band.balance_on_chip(&supplier, &credit).unwrap(), Some(0));
        let copy = band.copied();
        assert_eq!(copy.wallet(), band.wallet());
        copy.chip.with(|chip| {
            chip.enter_field();
            chip.transmit_torn(&layout::write((layout::SPENT_PAGES[0], [9; 4])), 2);
        });
        assert_eq!(band.balance_on_chip(&supplier, &credit).unwrap(), Some(0), "the first chip is as it was");
        assert_eq!(supplier.uid_only(1).balance_on_chip(&supplier, &credit).unwrap(), None);
        assert!(supplier.purse(2).unwrap().wallet() != band.wallet());
    }
}
