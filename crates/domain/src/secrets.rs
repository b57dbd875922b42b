//! Symmetric keys of a festival, derived from masters that never leave the provisioning host: the first one, and one
//! for each later epoch of the bands' keys.
//! Invariant: a box holds only what its roles need; no key is used for two things; a band's wallet is the same
//! whatever the epoch of its keys.
//! Not here: how a box is sent a later epoch's keys (`epoch`), which band needs which (`wristband`).
use alloc::vec::Vec;

use minicbor::{Decode, Decoder, decode};
use zeroize::{Zeroize, ZeroizeOnDrop};

pub mod epoch;

use crate::id::{FestivalId, WalletId};
use epoch::{EpochSecrets, FIRST_EPOCH};

/// The master of which every symmetric key is derived. Kept with the root. Later epochs of the bands' keys have masters
/// of their own.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MasterSecret(pub [u8; 32]);

/// What a box gets of it, in its sealed store.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct BandSecrets {
    /// Keys the UID's hash into a wallet id.
    #[cbor(n(0), with = "minicbor::bytes")]
    wallet_key: [u8; 32],
    /// Master of the chips' record MACs.
    #[cbor(n(1), with = "minicbor::bytes")]
    mac_master: [u8; 16],
    /// Master of the chips' passwords.
    #[cbor(n(2), with = "minicbor::bytes")]
    password_master: [u8; 16],
    /// Master of the chips' AES keys; a box that was enrolled before there was one serves no such chips.
    #[cbor(n(3))]
    aes_master: Option<AesMaster>,
    /// Masters of the epochs after the first.
    #[cbor(n(4))]
    later: Option<LaterEpochs>,
}

/// At least one epoch, in ascending order.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, minicbor::Encode)]
#[cbor(transparent)]
struct LaterEpochs(#[n(0)] Vec<EpochSecrets>);

impl<'b, C> Decode<'b, C> for LaterEpochs {
    fn decode(input: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        let epochs = Vec::<EpochSecrets>::decode(input, context)?;
        let rises = epochs.is_sorted_by(|a, b| a.epoch() < b.epoch());
        if epochs.is_empty() || !rises || epochs.iter().any(|one| one.epoch() == FIRST_EPOCH) {
            return Err(decode::Error::message("epochs are not in ascending order, each once"));
        }
        Ok(Self(epochs))
    }
}

/// The masters of one epoch, for `wristband` to diversify.
#[derive(Clone, Copy)]
pub struct Masters<'a> {
    /// Of the record MACs.
    pub mac: &'a [u8; 16],
    /// Of the chip passwords.
    pub password: &'a [u8; 16],
    /// Of the keys of Ultralight AES; `None` in secrets of before it.
    pub aes: Option<&'a [u8; 16]>,
}

#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
struct AesMaster(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]);

impl core::fmt::Debug for BandSecrets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("BandSecrets(..)")
    }
}

/// Opens the names of ticket holders. Gates and hub have it, nobody else.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct NamesKey(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

impl core::fmt::Debug for NamesKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("NamesKey(..)")
    }
}

impl NamesKey {
    /// From its 32 bytes, as they stand in a hub's `secrets/names.key`.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

fn derive<const N: usize>(context: &str, master: &[u8; 32], festival: &FestivalId) -> [u8; N] {
    let mut hash = blake3::Hasher::new_derive_key(context);
    hash.update(master).update(&festival.0);
    let mut out = [0; N];
    hash.finalize_xof().fill(&mut out);
    out
}

impl MasterSecret {
    /// BLAKE3 `derive_key` under one context string a key (`formats.md` lists them), over `master ‖ festival`.
    pub fn band_secrets(&self, festival: &FestivalId) -> BandSecrets {
        BandSecrets {
            wallet_key: derive("festival 2026-11 wallet id", &self.0, festival),
            mac_master: derive("festival 2026-11 chip record mac", &self.0, festival),
            password_master: derive("festival 2026-11 chip password", &self.0, festival),
            aes_master: Some(AesMaster(derive("festival 2026-11 chip aes key", &self.0, festival))),
            later: None,
        }
    }

    /// The same keys but the wallet's, of a later epoch whose master this is. `None` for the first epoch.
    pub fn epoch_secrets(&self, epoch: u8, festival: &FestivalId) -> Option<EpochSecrets> {
        let masters =
            ["festival 2026-11 chip record mac", "festival 2026-11 chip password", "festival 2026-11 chip aes key"]
                .map(|context| derive(context, &self.0, festival));
        EpochSecrets::new(epoch, masters)
    }

    /// The key of the holders' names, derived likewise.
    pub fn names_key(&self, festival: &FestivalId) -> NamesKey {
        NamesKey(derive("festival 2026-11 holder names", &self.0, festival))
    }
}

impl BandSecrets {
    /// Wallet of the band with this full UID (4, 7 or 10 bytes): keyed BLAKE3 over `length ‖ uid`, first 16 bytes.
    pub fn wallet(&self, uid: &[u8]) -> WalletId {
        let mut hash = blake3::Hasher::new_keyed(&self.wallet_key);
        hash.update(&(uid.len() as u64).to_le_bytes()).update(uid);
        WalletId(crate::wire::first16(hash.finalize().as_bytes()))
    }

    /// The same with a later epoch's masters beside; in place of those it had of that epoch.
    pub fn with(mut self, epoch: EpochSecrets) -> Self {
        let mut epochs = self.later.take().map(|later| later.0.clone()).unwrap_or_default();
        epochs.retain(|one| one.epoch() != epoch.epoch());
        epochs.push(epoch);
        epochs.sort_by_key(EpochSecrets::epoch);
        self.later = Some(LaterEpochs(epochs));
        self
    }

    /// The epochs whose masters are held, in ascending order; the first one is always there.
    pub fn epochs(&self) -> Vec<u8> {
        let later = self.later.iter().flat_map(|later| &later.0);
        core::iter::once(FIRST_EPOCH).chain(later.map(EpochSecrets::epoch)).collect()
    }

    /// The masters of an epoch, where they are held.
    pub fn masters(&self, epoch: u8) -> Option<Masters<'_>> {
        if epoch == FIRST_EPOCH {
            return Some(Masters {
                mac: &self.mac_master,
                password: &self.password_master,
                aes: self.aes_master.as_ref().map(|master| &master.0),
            });
        }
        let mut later = self.later.iter().flat_map(|later| &later.0);
        later.find(|one| one.epoch() == epoch).map(EpochSecrets::masters)
    }

    /// Master of the first epoch's record MACs, for `wristband` to diversify.
    pub fn mac_master(&self) -> &[u8; 16] {
        &self.mac_master
    }

    /// Master of the first epoch's chip passwords, for `wristband` to diversify.
    pub fn password_master(&self) -> &[u8; 16] {
        &self.password_master
    }

    /// Master of the first epoch's keys of Ultralight AES, for `wristband` to diversify; `None` in secrets of before it.
    pub fn aes_master(&self) -> Option<&[u8; 16]> {
        self.aes_master.as_ref().map(|master| &master.0)
    }
}
