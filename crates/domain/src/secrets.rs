//! Symmetric keys of a festival, derived from one master that never leaves the provisioning host.
//! Invariant: a box holds only what its roles need; no key is used for two things.
use crate::id::{FestivalId, WalletId};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The master of which every symmetric key is derived. Kept with the root.
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
        }
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

    /// Master of the record MACs, for `wristband` to diversify.
    pub fn mac_master(&self) -> &[u8; 16] {
        &self.mac_master
    }

    /// Master of the chip passwords, for `wristband` to diversify.
    pub fn password_master(&self) -> &[u8; 16] {
        &self.password_master
    }

    /// Master of the keys of Ultralight AES, for `wristband` to diversify; `None` in secrets of before it.
    pub fn aes_master(&self) -> Option<&[u8; 16]> {
        self.aes_master.as_ref().map(|master| &master.0)
    }
}
