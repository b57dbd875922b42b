//! What a tag of ISO/IEC 14443-3 type A answers, for drivers whose reader hands its bytes over as they were on air.
//! Invariant: a NAK is only reported where the tag said so. Whatever may have been a damaged answer is `Malformed` or
//! `TagGone`, since the tag may have done what it was told.
//! Not here: how a reader is told to send bytes (`pn532`, `pcsc`), what the bytes mean (`domain::wristband`).
use hardware::{
    crc_a,
    tag::{ReaderError, TagKind, Uid},
};

/// GET_VERSION (NTAG21x data sheet, section 10.1).
const GET_VERSION: [u8; 1] = [0x60];
/// AUTHENTICATE of MIFARE Ultralight C (MF0ICU2 data sheet, section 7.5.5), and how its answer begins.
const AUTHENTICATE: [u8; 2] = [0x1A, 0x00];
const AUTHENTICATE_ANSWER: u8 = 0xAF;
/// ACK, the 4 bits that say "done".
const ACK: u8 = 0x0A;

/// A tag as its selection shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its identifier.
    pub uid: Uid,
    /// True where only commands of type 2 can tell what it is (SAK 00h).
    pub is_type2: bool,
}

/// A reader which selects one tag and exchanges bytes with it.
pub(super) trait RawReader {
    /// Selects the tag in the field (again).
    fn select(&mut self) -> Result<Option<Found>, ReaderError>;
    /// One command (without CRC) and its checked answer.
    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError>;
}

/// A frame as it was on air, CRC and all: 4 bits stand alone in their byte.
pub(super) fn answer(frame: &[u8]) -> Result<Vec<u8>, ReaderError> {
    match frame {
        [ACK] => Ok(Vec::new()),
        [bits @ 0x00..=0x0F] => Err(ReaderError::from_nak(*bits)),
        _ => crc_a::checked(frame).map(<[u8]>::to_vec).ok_or(ReaderError::Malformed),
    }
}

/// Asks a selected tag what it is, and leaves it selected. `None`: it left meanwhile, or another one is there.
pub(super) fn kind(reader: &mut impl RawReader, found: &Found) -> Result<Option<TagKind>, ReaderError> {
    if !found.is_type2 {
        return Ok(Some(TagKind::UidOnly));
    }
    // one that is silent may have been put to sleep by somebody else, and is asked once more
    for _ in 0..2 {
        let is_refused = match reader.exchange(&GET_VERSION) {
            Ok(version) => return Ok(Some(TagKind::from_version(&version))),
            Err(ReaderError::Nak(_)) => true,
            Err(error) => or_reader_failed(error).map(|()| false)?,
        };
        // a tag that does not know a command falls asleep
        if reader.select()? != Some(*found) {
            return Ok(None);
        }
        if is_refused {
            break;
        }
    }
    let kind = match reader.exchange(&AUTHENTICATE) {
        Ok(answer) if answer.first() == Some(&AUTHENTICATE_ANSWER) => TagKind::UltralightC,
        Ok(_) => TagKind::Other,
        Err(error) => {
            or_reader_failed(error)?;
            TagKind::Other
        }
    };
    Ok((reader.select()? == Some(*found)).then_some(kind))
}

/// A tag that does not answer is no failure of the reader.
fn or_reader_failed(error: ReaderError) -> Result<(), ReaderError> {
    match error {
        ReaderError::TagGone | ReaderError::Nak(_) | ReaderError::Malformed => Ok(()),
        ReaderError::Unplugged | ReaderError::Io(_) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A reader that answers from a list.
    struct Scripted {
        found: Found,
        answers: VecDeque<Result<Vec<u8>, ReaderError>>,
        selections: u32,
    }

    impl RawReader for Scripted {
        fn select(&mut self) -> Result<Option<Found>, ReaderError> {
            self.selections += 1;
            Ok(Some(self.found))
        }

        fn exchange(&mut self, _: &[u8]) -> Result<Vec<u8>, ReaderError> {
            self.answers.pop_front().unwrap()
        }
    }

    fn asked(
        is_type2: bool,
        answers: Vec<Result<Vec<u8>, ReaderError>>,
    ) -> (Result<Option<TagKind>, ReaderError>, u32) {
        let found = Found { uid: Uid::seven([4, 1, 2, 3, 4, 5, 6]), is_type2 };
        let mut reader = Scripted { found, answers: answers.into(), selections: 0 };
        let kind = kind(&mut reader, &found);
        (kind, reader.selections)
    }

    #[test]
    fn four_bits_and_whole_frames_are_told_apart() {
        assert_eq!(answer(&[0x0A]), Ok(Vec::new()));
        assert_eq!(answer(&[0x00]), Err(ReaderError::Nak(0)));
        assert_eq!(answer(&[0x05]), Err(ReaderError::Nak(5)));
        assert_eq!(answer(&[0x01]), Err(ReaderError::TagGone), "the command came damaged");
        for flipped in 0..4 {
            let ack = [ACK ^ 1 << flipped];
            assert_eq!(answer(&ack), Err(ReaderError::Malformed), "{ack:02x?} is one bit away from ACK");
        }
        let mut pack = vec![0x11, 0x22];
        pack.extend(crc_a::of(&pack));
        assert_eq!(answer(&pack), Ok(vec![0x11, 0x22]));
        pack[1] ^= 4;
        for damaged in [pack.as_slice(), &[], &[0x1A], &[1, 2]] {
            assert_eq!(answer(damaged), Err(ReaderError::Malformed), "{damaged:?}");
        }
    }

    #[test]
    fn a_tag_says_what_it_is() {
        let version = Ok(vec![0, 4, 4, 2, 1, 0, 0x13, 3]);
        assert_eq!(asked(true, vec![version.clone()]), (Ok(Some(TagKind::Ntag216)), 0));
        assert_eq!(asked(false, Vec::new()), (Ok(Some(TagKind::UidOnly)), 0));
        let nak = || Err(ReaderError::Nak(0));
        assert_eq!(asked(true, vec![nak(), Ok(vec![0xAF; 9])]), (Ok(Some(TagKind::UltralightC)), 2));
        assert_eq!(asked(true, vec![nak(), nak()]), (Ok(Some(TagKind::Other)), 2));
        let damaged = || answer(&[0x01]);
        assert_eq!(asked(true, vec![damaged(), version.clone()]), (Ok(Some(TagKind::Ntag216)), 1));
        let silent = || Err(ReaderError::TagGone);
        assert_eq!(asked(true, vec![silent(), version]), (Ok(Some(TagKind::Ntag216)), 1), "it slept");
        assert_eq!(asked(true, vec![silent(), silent(), silent()]), (Ok(Some(TagKind::Other)), 3));
        assert_eq!(asked(true, vec![Err(ReaderError::Unplugged)]), (Err(ReaderError::Unplugged), 0));
    }
}
