//! A tag in a reader's field and the one trait all reader drivers share.
//!
//! Invariant: a [`Uid`] has 4, 7 or 10 bytes, and none of its bytes show in logs.
//! Not here: which wristband profile a kind may carry (`domain::wristband`).

use std::fmt;

use thiserror::Error;

use crate::signal::Signal;

/// The longest command and the longest answer a reader carries, in bytes. A PN532 frame holds 264;
/// longer memory is read in several commands.
pub const MAX_EXCHANGE: usize = 256;

/// A tag's identifier of 4, 7 or 10 bytes (ISO/IEC 14443-3, 6.5.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid {
    bytes: [u8; 10],
    length: u8,
}

/// A length that no UID has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a UID has 4, 7 or 10 bytes, this one has {0}")]
pub struct UidLength(pub usize);

impl Uid {
    /// A UID from the bytes a reader reports.
    pub fn from_bytes(uid: &[u8]) -> Result<Self, UidLength> {
        let length = match uid.len() {
            4 => 4,
            7 => 7,
            10 => 10,
            other => return Err(UidLength(other)),
        };
        let mut bytes = [0; 10];
        for (to, from) in bytes.iter_mut().zip(uid) {
            *to = *from;
        }
        Ok(Self { bytes, length })
    }

    /// A UID of 4 bytes.
    pub fn four(uid: [u8; 4]) -> Self {
        let [a, b, c, d] = uid;
        Self { bytes: [a, b, c, d, 0, 0, 0, 0, 0, 0], length: 4 }
    }

    /// A UID of the usual 7 bytes.
    pub fn seven(uid: [u8; 7]) -> Self {
        let [a, b, c, d, e, f, g] = uid;
        Self { bytes: [a, b, c, d, e, f, g, 0, 0, 0], length: 7 }
    }

    /// The 4, 7 or 10 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// True for a UID drawn anew at each tap (4 bytes starting with 08h), as phones use: it
    /// identifies nobody.
    pub fn is_random(&self) -> bool {
        self.length == 4 && self.bytes[0] == 0x08
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uid({} bytes)", self.length)
    }
}

/// What a driver can tell of a tag by its SAK and its answer to GET_VERSION.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TagKind {
    /// Only its UID is of use (MIFARE Classic and such).
    UidOnly,
    /// NTAG213, 144 bytes of user memory.
    Ntag213,
    /// NTAG215, 504 bytes of user memory.
    Ntag215,
    /// NTAG216, 888 bytes of user memory.
    Ntag216,
    /// MIFARE Ultralight AES, 144 bytes of user memory.
    UltralightAes,
    /// MIFARE Ultralight C, whose 3DES authentication is broken: to be refused.
    UltralightC,
    /// Something else.
    Other,
}

impl TagKind {
    /// The kind behind an answer to GET_VERSION (NTAG21x data sheet, table 28; Ultralight AES in its two
    /// capacitances, as public readers know it).
    pub fn from_version(version: &[u8]) -> Self {
        match version {
            [0x00, 0x04, 0x04, 0x02, 0x01, 0x00, 0x0F, 0x03] => Self::Ntag213,
            [0x00, 0x04, 0x04, 0x02, 0x01, 0x00, 0x11, 0x03] => Self::Ntag215,
            [0x00, 0x04, 0x04, 0x02, 0x01, 0x00, 0x13, 0x03] => Self::Ntag216,
            [0x00, 0x04, 0x03, 0x01 | 0x02, 0x04, 0x00, 0x0F, 0x03] => Self::UltralightAes,
            _ => Self::Other,
        }
    }

    /// One byte for the virtual reader's frames and for dumps.
    pub fn code(self) -> u8 {
        match self {
            Self::UidOnly => 1,
            Self::Ntag213 => 2,
            Self::Ntag215 => 3,
            Self::Ntag216 => 4,
            Self::UltralightC => 5,
            Self::Other => 6,
            Self::UltralightAes => 7,
        }
    }

    /// The kind with that code.
    pub fn from_code(code: u8) -> Option<Self> {
        let first = [Self::UidOnly, Self::Ntag213, Self::Ntag215, Self::Ntag216];
        let rest = [Self::UltralightC, Self::Other, Self::UltralightAes];
        first.into_iter().chain(rest).find(|kind| kind.code() == code)
    }
}

/// A tag that a reader has selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its identifier.
    pub uid: Uid,
    /// What it is, as far as the driver can tell.
    pub kind: TagKind,
}

/// Why a reader could not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReaderError {
    /// No answer: the tag left, is not selected, or did not understand. Whether it did what it was told is unknown.
    #[error("the tag left the field or does not answer")]
    TagGone,
    /// The tag refused the command and must be selected again ([`TagReader::poll_tag`]).
    #[error("the tag refused the command (NAK {0:X}h)")]
    Nak(u8),
    /// The answer was damaged. Whether the tag did what it was told is unknown.
    #[error("the answer was damaged on its way")]
    Malformed,
    /// The reader itself is away.
    #[error("the reader is unplugged")]
    Unplugged,
    /// The connection to the reader failed.
    #[error("the reader failed: {0}")]
    Io(String),
}

impl ReaderError {
    /// What the 4 bits of a NAK say (NTAG21x data sheet, section 9.3; other chips of type 2 know 6h, 7h and 9h too).
    /// Four bits carry neither parity nor CRC: those that no chip sends may have been an ACK.
    pub fn from_nak(code: u8) -> Self {
        match code {
            0x0 | 0x4..=0x7 | 0x9 => Self::Nak(code),
            // the command came with a wrong parity or CRC: it was not understood, and the tag waits for a new selection
            0x1 => Self::TagGone,
            _ => Self::Malformed,
        }
    }
}

/// A contactless reader with at most one tag selected.
pub trait TagReader: Send {
    /// The selected tag, if one is in the field; selects it (again) where needed. A tag that went
    /// away and came back between two calls shows as one `None` where the reader can tell.
    /// Returns within 50 ms; a driver may use part of that time to wait for a change, so that a
    /// loop around it need not sleep.
    fn poll_tag(&mut self) -> Result<Option<Tag>, ReaderError>;

    /// Sends one raw ISO/IEC 14443-3 command (no CRC, at most [`MAX_EXCHANGE`] bytes) to the tag
    /// that `poll_tag` reported last, and returns its answer. ACK (Ah) is an empty answer.
    fn transceive(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError>;

    /// Shows the guest what happened, by the reader's light and buzzer.
    fn signal(&mut self, signal: Signal) -> Result<(), ReaderError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_has_four_seven_or_ten_bytes() {
        for length in 0..=16 {
            let bytes = vec![0xA5; length];
            match Uid::from_bytes(&bytes) {
                Ok(uid) => {
                    assert!([4, 7, 10].contains(&length));
                    assert_eq!(uid.as_bytes(), bytes);
                }
                Err(error) => {
                    assert!(![4, 7, 10].contains(&length));
                    assert_eq!(error, UidLength(length));
                }
            }
        }
    }

    #[test]
    fn a_random_uid_is_four_bytes_starting_with_08() {
        let random = |bytes: &[u8]| Uid::from_bytes(bytes).unwrap().is_random();
        assert!(random(&[0x08, 1, 2, 3]));
        assert!(!random(&[0x04, 1, 2, 3]));
        assert!(!random(&[0x08, 1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn a_uid_keeps_its_bytes_out_of_logs() {
        let uid = Uid::from_bytes(&[0xDE, 0xAD, 0xBE, 0xEF]).unwrap();
        assert_eq!(format!("{uid:?}"), "Uid(4 bytes)");
    }

    #[test]
    fn four_bits_are_a_refusal_only_where_a_chip_says_so() {
        let naks = (0..=0x0F).filter(|code| ReaderError::from_nak(*code) == ReaderError::Nak(*code));
        assert_eq!(naks.collect::<Vec<_>>(), [0x0, 0x4, 0x5, 0x6, 0x7, 0x9]);
        assert_eq!(ReaderError::from_nak(0x1), ReaderError::TagGone);
        for flipped in 0..4 {
            assert_eq!(ReaderError::from_nak(0x0A ^ 1 << flipped), ReaderError::Malformed, "one bit away from ACK");
        }
    }

    #[test]
    fn kind_codes_come_back() {
        for code in 0..=u8::MAX {
            if let Some(kind) = TagKind::from_code(code) {
                assert_eq!(kind.code(), code);
            }
        }
        for kind in [TagKind::Ntag216, TagKind::UltralightC, TagKind::UltralightAes] {
            assert_eq!(TagKind::from_code(kind.code()), Some(kind));
        }
    }
}
