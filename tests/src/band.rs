//! Wristbands of the festival: chip models initialised as the supplier does it, and what is read from them afterwards
//! without any box. Invariant: `Band::on_chip` looks at the chip's memory alone.
//! Not here: who wears them (`guest`).
use anyhow::{Context, Result};
use domain::{
    id::{FestivalId, WalletId},
    money::Cents,
    secrets::BandSecrets,
    wire::hex,
    wristband::{
        BandKeys, ChipKind, CreditKey, IssueStep, Issuing, PurseImage, PursePages,
        layout::{self, PurseMap},
        tap::ChipFault,
    },
};
use ed25519_dalek::SigningKey;
use hardware::{
    chip::{Chip, Ntag21x, NtagType, Reply, SharedBand, UidOnly, UltralightAes},
    tag::Uid,
};

/// Length of a page.
const PAGE: usize = 4;

/// What a supplier needs to make bands of a festival.
pub struct Supplier {
    festival: FestivalId,
    secrets: BandSecrets,
    key: SigningKey,
    epoch: u8,
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
        Self { festival, secrets, key, epoch: 0 }
    }

    /// The same, whose bands are made under this epoch's keys.
    #[must_use]
    pub fn in_epoch(self, epoch: u8) -> Self {
        Self { epoch, ..self }
    }

    /// A band with a purse in its memory: an NTAG215.
    pub fn purse(&self, number: u32) -> Result<Band> {
        let uid = uid_of(0xf1, number);
        self.issued(uid, ChipKind::Ntag215, Ntag21x::new(NtagType::Ntag215, uid))
    }

    /// A band with a purse on a chip with AES and a counter: an Ultralight AES.
    pub fn aes_purse(&self, number: u32) -> Result<Band> {
        let uid = uid_of(0xa5, number);
        let mut seed = [0; 16];
        seed[..7].copy_from_slice(&uid);
        self.issued(uid, ChipKind::UltralightAes, UltralightAes::new(uid, seed))
    }

    /// A band whose memory only proves that it is the festival's: an NTAG213.
    pub fn pointer(&self, number: u32) -> Result<Band> {
        let uid = uid_of(0xd3, number);
        let band = self.issued(uid, ChipKind::Ntag213, Ntag21x::new(NtagType::Ntag213, uid))?;
        Ok(Band { purse: false, ..band })
    }

    fn issued(&self, uid: [u8; 7], kind: ChipKind, chip: impl Into<Chip>) -> Result<Band> {
        // the supplier's own random numbers, which need not surprise anybody on a bench
        let random = [[1; 16], [2; 16]];
        let mut issuing = Issuing::new(kind, self.keys(self.epoch, &uid)?, &self.key, random);
        let mut chip = chip.into();
        chip.enter_field();
        loop {
            match issuing.step().clone() {
                IssueStep::Chip(command) => match chip.transmit(&command) {
                    Reply::Data(answer) => issuing.reply(Ok(&answer)),
                    Reply::Ack => issuing.reply(Ok(&[])),
                    Reply::Nak(_) => issuing.reply(Err(ChipFault::Nak)),
                    Reply::Silent => issuing.reply(Err(ChipFault::Gone)),
                },
                IssueStep::Reselect => {
                    chip.leave_field();
                    chip.enter_field();
                    issuing.reselected();
                }
                IssueStep::Finished(end) => {
                    end.with_context(|| format!("a new {kind:?} is made no band"))?;
                    break;
                }
            }
        }
        chip.leave_field();
        Ok(Band { chip: SharedBand::new(chip), wallet: self.secrets.wallet(&uid), purse: true })
    }

    /// A band that has only a UID.
    pub fn uid_only(&self, number: u32) -> Band {
        let uid = uid_of(0xe7, number);
        let chip = UidOnly::new(Uid::seven(uid));
        Band { chip: SharedBand::new(chip), wallet: self.secrets.wallet(&uid), purse: false }
    }

    /// A band that somebody else issued, with a purse on its chip.
    pub fn purse_on(&self, chip: SharedBand) -> Band {
        let wallet = self.secrets.wallet(chip.uid().as_bytes());
        Band { chip, wallet, purse: true }
    }

    /// Keys of a band, as a box derives them.
    fn keys(&self, epoch: u8, uid: &[u8]) -> Result<BandKeys> {
        let keys = BandKeys::of_epoch(epoch, &self.secrets, &self.festival, uid);
        keys.with_context(|| format!("no keys of epoch {epoch}"))
    }
}

fn uid_of(series: u8, number: u32) -> [u8; 7] {
    let [a, b, c, d] = number.to_be_bytes();
    [0x04, series, a, b, c, d, 0x80]
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
        let from_header = chip.memory().get(usize::from(layout::HEADER_PAGE) * PAGE..).unwrap_or_default();
        let bytes = |map: &PurseMap| from_header.get(..map.length()).context("the chip is too small for a purse");
        let pages = match &chip {
            Chip::UltralightAes(aes) => {
                let [_, _, spent] = aes.counters();
                let spent = Cents::new(spent).context("a counter has 24 bits")?;
                PursePages::ultralight_aes(bytes(&layout::ULTRALIGHT_AES)?, spent)
            }
            Chip::Ntag21x(_) | Chip::UidOnly(_) => PursePages::ntag21x(bytes(&layout::NTAG21X)?),
        };
        let pages = pages.context("the purse has another length")?;
        let epoch = layout::header_epoch(from_header, pages.map().profile, &supplier.festival)?;
        let keys = supplier.keys(epoch, chip.uid().as_bytes())?;
        Ok(Some(pages.judge(&keys, credit_keys)?))
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
            chip.transmit_torn(&layout::write((layout::NTAG21X.spent_pages[0], [9; 4])), 2);
        });
        assert_eq!(band.balance_on_chip(&supplier, &credit).unwrap(), Some(0), "the first chip is as it was");
        assert_eq!(supplier.uid_only(1).balance_on_chip(&supplier, &credit).unwrap(), None);
        assert!(supplier.purse(2).unwrap().wallet() != band.wallet());
        let counted = supplier.aes_purse(1).unwrap();
        assert_eq!(counted.balance_on_chip(&supplier, &credit).unwrap(), Some(0));
        assert_eq!(supplier.pointer(1).unwrap().balance_on_chip(&supplier, &credit).unwrap(), None);
    }
}
