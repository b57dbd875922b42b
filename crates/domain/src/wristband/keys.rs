//! Keys of one band, derived from the festival's masters and the chip's UID.
//! Invariant: no two bands, festivals or uses share a key; a key is never printed.
use alloc::vec::Vec;

use aes::Aes128;
use cmac::{Cmac, KeyInit, Mac};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    id::{FestivalId, WalletId},
    secrets::{BandSecrets, Masters, epoch::FIRST_EPOCH},
};

/// AES-CMAC (RFC 4493) of the parts one after the other.
pub(super) fn aes_cmac(key: &[u8; 16], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = Cmac::<Aes128>::new(key.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// AES-128 key diversification of NXP AN10922, section 2.2: CMAC under the master over `01h ‖ M`.
///
/// AN10922 pads `01h ‖ M` to 32 bytes and uses the second subkey; for M of 16 to 31 bytes that is what plain CMAC
/// does, so for these lengths the two are the same. Our M is `uid ‖ festival`, 20 to 26 bytes, or one more.
fn diversify(master: &[u8; 16], input: &[u8]) -> [u8; 16] {
    aes_cmac(master, &[&[1], input])
}

/// Keys of an Ultralight AES.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ChipKeys {
    /// Guards writing and counter 2 (the chip's DataProtKey).
    pub data: [u8; 16],
    /// Guards nothing that we use (the chip's UIDRetrKey); set so that nobody else sets it.
    pub uid_retrieval: [u8; 16],
}

impl core::fmt::Debug for ChipKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ChipKeys(..)")
    }
}

/// What a box computes from a band's UID: the key of its S records, its password and the chip's answer to it, and the
/// keys of a chip with AES.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct BandKeys {
    mac: [u8; 16],
    password: [u8; 4],
    pack: [u8; 2],
    chip: Option<ChipKeys>,
    epoch: u8,
    #[zeroize(skip)]
    festival: FestivalId,
    #[zeroize(skip)]
    wallet: WalletId,
    #[zeroize(skip)]
    uid: Vec<u8>,
}

impl core::fmt::Debug for BandKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("BandKeys(..)")
    }
}

impl BandKeys {
    /// Keys of the band with this full UID, of the festival's first epoch.
    pub fn new(secrets: &BandSecrets, festival: &FestivalId, uid: &[u8]) -> Self {
        let masters =
            Masters { mac: secrets.mac_master(), password: secrets.password_master(), aes: secrets.aes_master() };
        Self::under(FIRST_EPOCH, masters, secrets, festival, uid)
    }

    /// The same of the epoch that its header names, where its masters are held.
    pub fn of_epoch(epoch: u8, secrets: &BandSecrets, festival: &FestivalId, uid: &[u8]) -> Option<Self> {
        Some(Self::under(epoch, secrets.masters(epoch)?, secrets, festival, uid))
    }

    /// Password and PACK are the first 6 bytes of the diversified password key. The chip's second AES key is diversified
    /// with one byte more, `U`.
    fn under(epoch: u8, masters: Masters<'_>, secrets: &BandSecrets, festival: &FestivalId, uid: &[u8]) -> Self {
        let input = [uid, &festival.0].concat();
        let [p0, p1, p2, p3, a0, a1, ..] = diversify(masters.password, &input);
        let chip = masters.aes.map(|master| ChipKeys {
            data: diversify(master, &input),
            uid_retrieval: diversify(master, &[&input[..], b"U"].concat()),
        });
        Self {
            chip,
            epoch,
            mac: diversify(masters.mac, &input),
            password: [p0, p1, p2, p3],
            pack: [a0, a1],
            festival: *festival,
            wallet: secrets.wallet(uid),
            uid: uid.to_vec(),
        }
    }

    /// Which generation of the masters they come from.
    pub fn epoch(&self) -> u8 {
        self.epoch
    }

    /// PWD of the chip.
    pub fn password(&self) -> [u8; 4] {
        self.password
    }

    /// PACK, the chip's answer to the right password.
    pub fn pack(&self) -> [u8; 2] {
        self.pack
    }

    /// Keys of an Ultralight AES, where the secrets have a master for them.
    pub fn chip(&self) -> Option<&ChipKeys> {
        self.chip.as_ref()
    }

    /// The festival.
    pub fn festival(&self) -> &FestivalId {
        &self.festival
    }

    /// Its wallet: what credit records are signed for.
    pub fn wallet(&self) -> WalletId {
        self.wallet
    }

    /// The full UID.
    pub fn uid(&self) -> &[u8] {
        &self.uid
    }

    /// Length of the UID as it stands in front of it in signed and MACed bytes.
    pub(super) fn uid_length(&self) -> [u8; 1] {
        [u8::try_from(self.uid.len()).unwrap_or(u8::MAX)]
    }

    /// First 8 bytes of the CMAC over `"S1" ‖ uid length ‖ uid ‖ festival ‖ fields`.
    pub(super) fn spent_mac(&self, fields: &[u8; 12]) -> [u8; 8] {
        let parts: [&[u8]; 5] = [b"S1", &self.uid_length(), &self.uid, &self.festival.0, fields];
        let [a, b, c, d, e, f, g, h, ..] = aes_cmac(&self.mac, &parts);
        [a, b, c, d, e, f, g, h]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{secrets::MasterSecret, wire::unhex};

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        unhex(hex).unwrap().try_into().unwrap()
    }

    #[test]
    fn cmac_gives_the_vectors_of_rfc_4493() {
        let key = bytes("2b7e151628aed2a6abf7158809cf4f3c");
        let message = unhex(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
             30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
        )
        .unwrap();
        for (length, mac) in [
            (0, "bb1d6929e95937287fa37d129b756746"),
            (16, "070a16b46b4d4144f79bdd9dd04a287c"),
            (40, "dfa66747de9ae63030ca32611497c827"),
            (64, "51f0bebf7e3b9d92fc49741779363cfe"),
        ] {
            assert_eq!(aes_cmac(&key, &[&message[..length]]), bytes(mac), "{length} bytes");
        }
    }

    #[test]
    fn diversification_gives_the_vector_of_an10922() {
        let master = bytes("00112233445566778899AABBCCDDEEFF");
        let input = unhex("04782E21801D803042F54E585020416275").unwrap();
        assert_eq!(diversify(&master, &input), bytes("A8DD63A3B89D54B37CA802473FDA9175"));
    }

    #[test]
    fn another_uid_or_festival_has_other_keys() {
        let (one, two) = (FestivalId([1; 16]), FestivalId([2; 16]));
        let secrets = MasterSecret([9; 32]).band_secrets(&one);
        let keys = BandKeys::new(&secrets, &one, &[4, 1, 2, 3, 4, 5, 6]);
        for other in [BandKeys::new(&secrets, &one, &[4, 1, 2, 3, 4, 5, 7]), BandKeys::new(&secrets, &two, keys.uid())]
        {
            assert_ne!(keys.mac, other.mac);
            assert_ne!(keys.password, other.password);
            assert_ne!(keys.pack, other.pack);
            let (chip, other) = (keys.chip().unwrap(), other.chip().unwrap());
            assert_ne!(chip.data, other.data);
            assert_ne!(chip.uid_retrieval, other.uid_retrieval);
            assert_ne!(chip.data, chip.uid_retrieval);
        }
        assert_ne!(keys.mac[..4], keys.password, "the two masters differ");
    }

    #[test]
    fn keys_are_never_printed() {
        let festival = FestivalId([1; 16]);
        let keys = BandKeys::new(&MasterSecret([9; 32]).band_secrets(&festival), &festival, &[4, 1, 2, 3, 4, 5, 6]);
        assert_eq!(alloc::format!("{keys:?} {:?}", keys.chip().unwrap()), "BandKeys(..) ChipKeys(..)");
    }
}
