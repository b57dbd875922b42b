//! A later epoch of the bands' keys, and how it travels: sealed to each box for itself, in the festival's bundle.
//! Invariant: only the box that it is sealed to opens it; whoever has the first epoch's keys, a stolen box among them,
//! learns nothing of a later one.
//! Not here: making masters and choosing boxes (`provisioning`), random bytes (a parameter).
//!
//! Sealed: ephemeral Ed25519 public key 32 ‖ ChaCha20-Poly1305 of the epoch's canonical CBOR, nonce zeros, associated
//! data: `festival.band-keys.v1\0` ‖ festival 16 ‖ device 16. Key: BLAKE3 `derive_key` over shared 32 ‖ ephemeral key 32
//! ‖ the box's key 32. *Shared* is X25519 (RFC 7748) of both keys in Montgomery form, each scalar as Ed25519 derives it
//! from its seed. An ephemeral key seals once, so that no nonce is needed.
use alloc::vec::Vec;

use chacha20poly1305::{
    ChaCha20Poly1305, Key, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use ed25519_dalek::{SigningKey, VerifyingKey};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Masters;
use crate::{
    id::{DeviceId, FestivalId, device_id},
    wire::{Malformed, from_canonical_cbor, to_cbor},
};

/// The epoch that a festival begins with.
pub const FIRST_EPOCH: u8 = 0;
/// Most boxes that one epoch is sealed to.
pub const COPIES_MAX: usize = 8_192;
const TAG: &[u8] = b"festival.band-keys.v1\0";
const CONTEXT: &str = "festival 2026-11 band keys to a box";
/// Longest sealed copy.
const SEALED_MAX: usize = 160;

/// The masters of one epoch after the first.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct EpochSecrets {
    #[n(0)]
    epoch: u8,
    #[cbor(n(1), with = "minicbor::bytes")]
    mac_master: [u8; 16],
    #[cbor(n(2), with = "minicbor::bytes")]
    password_master: [u8; 16],
    #[cbor(n(3), with = "minicbor::bytes")]
    aes_master: [u8; 16],
}

impl core::fmt::Debug for EpochSecrets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "EpochSecrets({}, ..)", self.epoch)
    }
}

impl EpochSecrets {
    /// `None` for the first epoch, whose masters are `BandSecrets`' own.
    pub(super) fn new(epoch: u8, [mac_master, password_master, aes_master]: [[u8; 16]; 3]) -> Option<Self> {
        (epoch != FIRST_EPOCH).then_some(Self { epoch, mac_master, password_master, aes_master })
    }

    /// Which epoch.
    pub fn epoch(&self) -> u8 {
        self.epoch
    }

    pub(super) fn masters(&self) -> Masters<'_> {
        Masters { mac: &self.mac_master, password: &self.password_master, aes: Some(&self.aes_master) }
    }

    /// Sealed to the box with this public key. `random`: 32 bytes that nobody else knows and that are never used again.
    /// `None` where that is no key.
    pub fn seal_to(&self, public: &[u8; 32], festival: &FestivalId, random: [u8; 32]) -> Option<SealedCopy> {
        let ephemeral = SigningKey::from_bytes(&random);
        let shown = ephemeral.verifying_key().to_bytes();
        let key = shared_key(&ephemeral, public, &shown, public)?;
        let device = device_id(public);
        let plain = Zeroizing::new(to_cbor(self));
        let aad = associated(festival, &device);
        let cipher = ChaCha20Poly1305::new(Key::from_slice(&*key));
        let sealed = cipher.encrypt(&Nonce::default(), Payload { msg: &plain, aad: &aad }).ok()?;
        Some(SealedCopy { device, sealed: [&shown[..], &sealed].concat() })
    }
}

/// One box's copy.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct SealedCopy {
    /// Whose.
    #[n(0)]
    pub device: DeviceId,
    /// What only it opens.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
}

/// One epoch, sealed to many boxes: a file of the hub's folder `band-keys/`, and an item of the bundle's section.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct SealedEpoch {
    /// Which epoch.
    #[n(0)]
    pub epoch: u8,
    /// The copies, in the order of their boxes, each box once.
    #[n(1)]
    pub copies: Vec<SealedCopy>,
}

impl SealedEpoch {
    /// Whether these go together: epochs after the first in ascending order, boxes too.
    pub fn check_all(epochs: &[Self]) -> Result<(), Malformed> {
        let is_sound = |one: &Self| {
            one.epoch != FIRST_EPOCH
                && one.copies.len() <= COPIES_MAX
                && one.copies.is_sorted_by(|a, b| a.device < b.device)
                && one.copies.iter().all(|copy| copy.sealed.len() <= SEALED_MAX)
        };
        if epochs.is_sorted_by(|a, b| a.epoch < b.epoch) && epochs.iter().all(is_sound) {
            return Ok(());
        }
        Err(Malformed::Value("sealed band keys"))
    }

    /// Reads what stands in the bundle.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, Malformed> {
        let epochs: Vec<Self> = from_canonical_cbor(bytes)?;
        Self::check_all(&epochs)?;
        Ok(epochs)
    }

    /// What it says to the box with this key; `None` where it has no copy for it, or one that does not open.
    pub fn open(&self, identity: &SigningKey, festival: &FestivalId) -> Option<EpochSecrets> {
        let public = identity.verifying_key().to_bytes();
        let device = device_id(&public);
        let copy = self.copies.iter().find(|copy| copy.device == device)?;
        let (shown, sealed) = copy.sealed.split_first_chunk::<32>()?;
        let key = shared_key(identity, shown, shown, &public)?;
        let aad = associated(festival, &device);
        let cipher = ChaCha20Poly1305::new(Key::from_slice(&*key));
        let plain = Zeroizing::new(cipher.decrypt(&Nonce::default(), Payload { msg: sealed, aad: &aad }).ok()?);
        from_canonical_cbor::<EpochSecrets>(&plain).ok().filter(|opened| opened.epoch == self.epoch)
    }
}

/// What both sides come to; `None` where `theirs` is no key that binds anybody.
fn shared_key(
    own: &SigningKey,
    theirs: &[u8; 32],
    ephemeral: &[u8; 32],
    of_box: &[u8; 32],
) -> Option<Zeroizing<[u8; 32]>> {
    let theirs = VerifyingKey::from_bytes(theirs).ok().filter(|key| !key.is_weak())?;
    let scalar = Zeroizing::new(own.to_scalar_bytes());
    let shared = Zeroizing::new(theirs.to_montgomery().mul_clamped(*scalar).to_bytes());
    let mut hash = blake3::Hasher::new_derive_key(CONTEXT);
    hash.update(&*shared).update(ephemeral).update(of_box);
    Some(Zeroizing::new(*hash.finalize().as_bytes()))
}

fn associated(festival: &FestivalId, device: &DeviceId) -> Vec<u8> {
    [TAG, &festival.0, &device.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::{BandSecrets, MasterSecret};

    const FESTIVAL: FestivalId = FestivalId([7; 16]);

    fn epoch(number: u8) -> EpochSecrets {
        MasterSecret([number; 32]).epoch_secrets(number, &FESTIVAL).unwrap()
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn sealed(epoch: &EpochSecrets, boxes: &[u8]) -> SealedEpoch {
        let copy =
            |seed: &u8| epoch.seal_to(&key(*seed).verifying_key().to_bytes(), &FESTIVAL, [seed ^ 0x55; 32]).unwrap();
        let mut copies: Vec<_> = boxes.iter().map(copy).collect();
        copies.sort_by_key(|copy| copy.device);
        SealedEpoch { epoch: epoch.epoch(), copies }
    }

    #[test]
    fn each_box_opens_its_own_copy_and_nobody_elses() {
        let one = sealed(&epoch(1), &[11, 12]);
        assert_eq!(one.open(&key(11), &FESTIVAL), Some(epoch(1)));
        assert_eq!(one.open(&key(12), &FESTIVAL), Some(epoch(1)));
        assert_eq!(one.open(&key(13), &FESTIVAL), None, "it has none");
        assert_eq!(one.open(&key(11), &FestivalId([8; 16])), None);
        let mut swapped = one.clone();
        let bytes = swapped.copies[0].sealed.clone();
        swapped.copies[0].sealed = swapped.copies[1].sealed.clone();
        swapped.copies[1].sealed = bytes;
        assert_eq!((swapped.open(&key(11), &FESTIVAL), swapped.open(&key(12), &FESTIVAL)), (None, None));
        let relabelled = SealedEpoch { epoch: 2, ..one };
        assert_eq!(relabelled.open(&key(11), &FESTIVAL), None, "the epoch is within");
    }

    #[test]
    fn no_changed_bit_opens() {
        let one = sealed(&epoch(1), &[11]);
        for bit in 0..one.copies[0].sealed.len() * 8 {
            let mut changed = one.clone();
            changed.copies[0].sealed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(changed.open(&key(11), &FESTIVAL), None, "bit {bit}");
        }
        assert_eq!(epoch(1).seal_to(&[0; 32], &FESTIVAL, [1; 32]), None, "a key of small order binds nobody");
    }

    #[test]
    fn what_does_not_go_together_is_not_read() {
        let (one, two) = (sealed(&epoch(1), &[11, 12]), sealed(&epoch(2), &[11]));
        let read = |epochs: &[SealedEpoch]| SealedEpoch::read_all(&to_cbor(&epochs));
        assert_eq!(read(&[one.clone(), two.clone()]).unwrap().len(), 2);
        assert!(read(&[two.clone(), one.clone()]).is_err(), "out of order");
        assert!(read(&[SealedEpoch { epoch: 0, ..two.clone() }]).is_err(), "the first epoch does not travel so");
        let mut twice = one.clone();
        twice.copies[1] = twice.copies[0].clone();
        assert!(read(&[twice]).is_err());
        let mut long = two;
        long.copies[0].sealed = alloc::vec![0; SEALED_MAX + 1];
        assert!(read(&[long]).is_err());
    }

    #[test]
    fn secrets_of_several_epochs_are_read_as_they_are_written_and_in_no_other_order() {
        let first = MasterSecret([9; 32]).band_secrets(&FESTIVAL);
        let all = first.clone().with(epoch(3)).with(epoch(1)).with(epoch(3));
        assert_eq!(all.epochs(), [0, 1, 3]);
        assert_eq!(from_canonical_cbor::<BandSecrets>(&to_cbor(&all)), Ok(all.clone()));
        assert_eq!(all.wallet(&[4; 7]), first.wallet(&[4; 7]), "a wallet has no epoch");
        assert!(all.masters(2).is_none() && first.masters(1).is_none());
        let macs: Vec<_> = [0, 1, 3].iter().map(|epoch| *all.masters(*epoch).unwrap().mac).collect();
        assert!(macs[0] != macs[1] && macs[1] != macs[2]);
        // [wallet, mac, password, aes, [epochs]]: the later ones doubled, turned round, none, or the first one again
        let written = to_cbor(&first);
        let beside = |epochs: &[EpochSecrets]| {
            from_canonical_cbor::<BandSecrets>(&[&[0x85], &written[1..], &to_cbor(&epochs)].concat())
        };
        assert_eq!(beside(&[epoch(1), epoch(3)]), Ok(all));
        for wrong in [&[epoch(1), epoch(1)][..], &[epoch(3), epoch(1)], &[], &[EpochSecrets { epoch: 0, ..epoch(1) }]] {
            assert!(beside(wrong).is_err(), "{wrong:?}");
        }
    }
}
