//! Models of wristband chips: memory plus the commands a reader may send.
//!
//! Invariant: what a chip stores changes only by commands (or a torn one); a dump holds all that
//! outlives the field, so a cloned or rolled-back band is a dump loaded again.
//! Not here: what the bytes mean (`domain::wristband`), a tag pulled away at a chosen moment
//! ([`crate::fault`]).

mod card_crypto;
mod lock_bits;
mod ntag21x;
mod ultralight_aes;

use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

pub use ntag21x::{Ntag21x, NtagType, SIGNATURE_BYTES};
pub use ultralight_aes::{SIGNATURE_BYTES as AES_SIGNATURE_BYTES, UltralightAes};

use crate::tag::{TagKind, Uid};

/// A 4-bit NAK: an invalid argument (NTAG21x data sheet, section 9.3).
pub const NAK_INVALID_ARGUMENT: u8 = 0x0;
/// A 4-bit NAK: the command came with a wrong parity or CRC.
pub const NAK_TRANSMISSION: u8 = 0x1;
/// A 4-bit NAK: the counter of wrong passwords has reached its limit.
pub const NAK_TOO_MANY_PASSWORDS: u8 = 0x4;
/// A 4-bit NAK: the memory could not be written.
pub const NAK_WRITE_ERROR: u8 = 0x5;

/// WRITE, the command that changes a page (NTAG21x data sheet, section 10.4).
pub const WRITE: u8 = 0xA2;
/// INCR_CNT, the command that raises a one-way counter.
pub const INCR_CNT: u8 = 0xA5;

/// What a chip sends back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Bytes (the CRC left off).
    Data(Vec<u8>),
    /// The 4-bit Ah.
    Ack,
    /// Any other 4 bits; the chip then waits to be selected again.
    Nak(u8),
    /// Nothing.
    Silent,
}

/// A dump that is none of a known chip.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DumpError {
    /// The first byte names no chip we model.
    #[error("the dump is not of a known chip")]
    UnknownChip,
    /// Not the size of that chip.
    #[error("the dump has {found} bytes, this chip has {wanted}")]
    Length {
        /// Bytes in the dump.
        found: usize,
        /// Bytes it should have.
        wanted: usize,
    },
    /// The check bytes of the UID do not fit.
    #[error("the dump's UID is damaged")]
    Uid,
}

/// A chip with a UID and nothing more we use: a MIFARE Classic, or any kind a box refuses. Answers
/// no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UidOnly {
    uid: Uid,
    kind: TagKind,
}

impl UidOnly {
    /// A band of kind [`TagKind::UidOnly`].
    pub fn new(uid: Uid) -> Self {
        Self { uid, kind: TagKind::UidOnly }
    }

    /// A tag that drivers recognise as a kind we do not model, such as [`TagKind::UltralightC`].
    pub fn unmodelled(uid: Uid, kind: TagKind) -> Self {
        Self { uid, kind }
    }
}

/// Any chip a virtual band can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chip {
    /// NTAG213, 215 or 216.
    Ntag21x(Ntag21x),
    /// MIFARE Ultralight AES.
    UltralightAes(Box<UltralightAes>),
    /// No memory of use.
    UidOnly(UidOnly),
}

impl From<Ntag21x> for Chip {
    fn from(chip: Ntag21x) -> Self {
        Self::Ntag21x(chip)
    }
}

impl From<UltralightAes> for Chip {
    fn from(chip: UltralightAes) -> Self {
        Self::UltralightAes(Box::new(chip))
    }
}

impl From<UidOnly> for Chip {
    fn from(chip: UidOnly) -> Self {
        Self::UidOnly(chip)
    }
}

impl Chip {
    /// Its identifier.
    pub fn uid(&self) -> Uid {
        match self {
            Self::Ntag21x(chip) => chip.uid(),
            Self::UltralightAes(chip) => chip.uid(),
            Self::UidOnly(chip) => chip.uid,
        }
    }

    /// What a driver would call it.
    pub fn kind(&self) -> TagKind {
        match self {
            Self::Ntag21x(chip) => chip.ntag_type().kind(),
            Self::UltralightAes(_) => TagKind::UltralightAes,
            Self::UidOnly(chip) => chip.kind,
        }
    }

    /// The user memory and configuration, if it has any: all pages in a row, passwords included.
    pub fn memory(&self) -> &[u8] {
        match self {
            Self::Ntag21x(chip) => chip.memory(),
            Self::UltralightAes(chip) => chip.memory(),
            Self::UidOnly(_) => &[],
        }
    }

    /// The reader's field powers the chip, and the reader selects it.
    pub fn enter_field(&mut self) {
        match self {
            Self::Ntag21x(chip) => chip.enter_field(),
            Self::UltralightAes(chip) => chip.enter_field(),
            Self::UidOnly(_) => {}
        }
    }

    /// Power is gone, and a password given with it.
    pub fn leave_field(&mut self) {
        match self {
            Self::Ntag21x(chip) => chip.leave_field(),
            Self::UltralightAes(chip) => chip.leave_field(),
            Self::UidOnly(_) => {}
        }
    }

    /// Wakes and selects the chip if it waits for that; a selected chip keeps its state.
    pub fn select(&mut self) {
        match self {
            Self::Ntag21x(chip) => chip.select(),
            Self::UltralightAes(chip) => chip.select(),
            Self::UidOnly(_) => {}
        }
    }

    /// Lets the chip wait for a selection, as after a NAK.
    pub fn deselect(&mut self) {
        match self {
            Self::Ntag21x(chip) => chip.deselect(),
            Self::UltralightAes(chip) => chip.deselect(),
            Self::UidOnly(_) => {}
        }
    }

    /// Carries out one command.
    pub fn transmit(&mut self, command: &[u8]) -> Reply {
        match self {
            Self::Ntag21x(chip) => chip.transmit(command),
            Self::UltralightAes(chip) => chip.transmit(command),
            Self::UidOnly(_) => Reply::Silent,
        }
    }

    /// Carries out one command during which power fails: of a WRITE only the first `bytes` bytes
    /// are stored; an INCR_CNT counts with 4 of them and not with fewer; other commands change nothing.
    pub fn transmit_torn(&mut self, command: &[u8], bytes: usize) {
        match self {
            Self::Ntag21x(chip) => chip.transmit_torn(command, bytes),
            Self::UltralightAes(chip) => chip.transmit_torn(command, bytes),
            Self::UidOnly(_) => {}
        }
    }

    /// All that outlives the field: one byte for the chip, then its content.
    pub fn dump(&self) -> Vec<u8> {
        let mut dump = vec![self.kind().code()];
        match self {
            Self::Ntag21x(chip) => dump.extend(chip.dump()),
            Self::UltralightAes(chip) => dump.extend(chip.dump()),
            Self::UidOnly(chip) => dump.extend(chip.uid.as_bytes()),
        }
        dump
    }

    /// The chip of a [`Chip::dump`], out of the field.
    pub fn from_dump(dump: &[u8]) -> Result<Self, DumpError> {
        let (code, content) = dump.split_first().ok_or(DumpError::UnknownChip)?;
        let kind = TagKind::from_code(*code).ok_or(DumpError::UnknownChip)?;
        match kind {
            TagKind::Ntag213 => Ntag21x::from_dump(NtagType::Ntag213, content).map(Self::Ntag21x),
            TagKind::Ntag215 => Ntag21x::from_dump(NtagType::Ntag215, content).map(Self::Ntag21x),
            TagKind::Ntag216 => Ntag21x::from_dump(NtagType::Ntag216, content).map(Self::Ntag21x),
            TagKind::UltralightAes => UltralightAes::from_dump(content).map(Self::from),
            TagKind::UidOnly | TagKind::UltralightC | TagKind::Other => {
                let uid = Uid::from_bytes(content).map_err(|_| DumpError::Uid)?;
                Ok(Self::UidOnly(UidOnly { uid, kind }))
            }
        }
    }
}

/// A wristband that several hands hold: the guest who presents it and whoever reads its chip
/// afterwards. Clones are the *same* band; a copied band is `SharedBand::new(band.chip())`.
#[derive(Clone, Debug)]
pub struct SharedBand {
    chip: Arc<Mutex<Chip>>,
}

impl SharedBand {
    /// A band with this chip.
    pub fn new(chip: impl Into<Chip>) -> Self {
        Self { chip: Arc::new(Mutex::new(chip.into())) }
    }

    /// Its identifier.
    pub fn uid(&self) -> Uid {
        self.with(|chip| chip.uid())
    }

    /// What a driver would call it.
    pub fn kind(&self) -> TagKind {
        self.with(|chip| chip.kind())
    }

    /// A copy of the chip as it is now.
    pub fn chip(&self) -> Chip {
        self.with(|chip| chip.clone())
    }

    /// Puts another content on the band: a rollback, a clone.
    pub fn replace(&self, chip: impl Into<Chip>) {
        let chip = chip.into();
        self.with(|current| *current = chip);
    }

    /// Works on the chip. Do not present or remove bands from within.
    pub fn with<T>(&self, work: impl FnOnce(&mut Chip) -> T) -> T {
        work(&mut self.chip.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_with_only_a_uid_answers_nothing() {
        let uid = Uid::from_bytes(&[1, 2, 3, 4]).unwrap();
        let mut chip = Chip::from(UidOnly::new(uid));
        chip.enter_field();
        for command in [&[0x60][..], &[0x30, 4], &[WRITE, 4, 1, 2, 3, 4], &[]] {
            assert_eq!(chip.transmit(command), Reply::Silent);
        }
        assert_eq!(chip.kind(), TagKind::UidOnly);
    }

    #[test]
    fn every_chip_comes_back_from_its_dump() {
        let seven = [4, 1, 2, 3, 4, 5, 6];
        let four = Uid::from_bytes(&[1, 2, 3, 4]).unwrap();
        for chip in [
            Chip::from(Ntag21x::new(NtagType::Ntag213, seven)),
            Chip::from(Ntag21x::new(NtagType::Ntag215, seven)),
            Chip::from(Ntag21x::new(NtagType::Ntag216, seven)),
            Chip::from(UltralightAes::new(seven, [9; 16])),
            Chip::from(UidOnly::new(four)),
            Chip::from(UidOnly::unmodelled(four, TagKind::UltralightC)),
        ] {
            assert_eq!(Chip::from_dump(&chip.dump()), Ok(chip));
        }
    }

    #[test]
    fn a_damaged_dump_is_refused() {
        let dump = Chip::from(Ntag21x::new(NtagType::Ntag213, [4, 1, 2, 3, 4, 5, 6])).dump();
        assert_eq!(Chip::from_dump(&[]), Err(DumpError::UnknownChip));
        assert_eq!(Chip::from_dump(&[99, 1]), Err(DumpError::UnknownChip));
        assert_eq!(Chip::from_dump(&dump[..100]), Err(DumpError::Length { found: 99, wanted: 45 * 4 + 33 }));
        let mut other = dump;
        other[2] ^= 1;
        assert_eq!(Chip::from_dump(&other), Err(DumpError::Uid));
    }

    #[test]
    fn a_shared_band_rolls_back_to_an_earlier_copy() {
        let band = SharedBand::new(Ntag21x::new(NtagType::Ntag215, [4, 1, 2, 3, 4, 5, 6]));
        let before = band.chip();
        band.with(|chip| {
            chip.enter_field();
            assert_eq!(chip.transmit(&[WRITE, 8, 9, 9, 9, 9]), Reply::Ack);
        });
        assert_ne!(band.chip().dump(), before.dump());
        band.replace(before.clone());
        assert_eq!(band.chip().dump(), before.dump());
    }
}
