//! How a PC/SC reader is made to send raw bytes to a tag.
//!
//! ACR122U: its PN532 takes commands of its own (ACR122U API, section 6.1 "Direct Transmit"); receiving without the chip's
//! CRC check tells ACK from NAK, as with a bare PN532. Other readers: the transparent session of PC/SC part 3, supplement
//! (section 3.2.2.1: FF C2), asked to leave the CRC on what it receives.
//! Invariant: what comes back is a frame as it was on air, or an error that leaves open what the tag did.
use hardware::tag::ReaderError;

/// Who understands what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Direct transmit to the reader's PN532.
    Acr122u,
    /// Transparent exchange.
    Transparent,
}

/// Direct transmit; the length and the PN532's command follow.
const DIRECT: [u8; 4] = [0xFF, 0x00, 0x00, 0x00];
/// Direct transmit of WriteRegister: CIU_RxMode without its CRC bit.
const ACR122U_PREPARE: [&[u8]; 1] = [&[0xFF, 0x00, 0x00, 0x00, 0x05, 0xD4, 0x08, 0x63, 0x03, 0x00]];
/// InCommunicateThru, and how its answer begins.
const THRU: [u8; 2] = [0xD4, 0x42];
const THRU_ANSWER: [u8; 2] = [0xD5, 0x43];

/// Start a transparent session; then layer 3 of type A.
const TRANSPARENT_PREPARE: [&[u8]; 2] =
    [&[0xFF, 0xC2, 0x00, 0x00, 0x02, 0x81, 0x00, 0x00], &[0xFF, 0xC2, 0x00, 0x02, 0x04, 0x8F, 0x02, 0x00, 0x03, 0x00]];
/// Transceive; the length and the data objects follow.
const TRANSCEIVE: [u8; 4] = [0xFF, 0xC2, 0x00, 0x01];
/// Flags: do not leave off the CRC that was received.
const KEEP_CRC: [u8; 4] = [0x90, 0x02, 0x00, 0x02];
/// The tag has 20 ms to answer, in microseconds.
const TIMER: [u8; 7] = [0x5F, 0x46, 0x04, 0x20, 0x4E, 0x00, 0x00];
/// Tags of data objects: sent bytes; what went wrong; received bytes; how many bits of the last byte count.
const SENT: u8 = 0x95;
const ERROR_STATUS: u8 = 0xC0;
const RECEIVED: u8 = 0x97;
const LAST_BITS: u8 = 0x92;
const OK: [u8; 2] = [0x90, 0x00];

impl Dialect {
    /// By the reader's name.
    pub(super) fn of(name: &str) -> Self {
        if name.contains("ACR122") { Self::Acr122u } else { Self::Transparent }
    }

    /// What must be said after each selection, before the first command.
    pub(super) fn prepare(self) -> &'static [&'static [u8]] {
        match self {
            Self::Acr122u => &ACR122U_PREPARE,
            Self::Transparent => &TRANSPARENT_PREPARE,
        }
    }

    /// Whether that was understood. A reader that does not know it will know it for no tag.
    pub(super) fn prepared(self, answer: &[u8]) -> Result<(), ReaderError> {
        let body = body(answer).map_err(Status::of_preparing)?;
        match self {
            Self::Acr122u if body.starts_with(&[0xD5, 0x09]) => Ok(()),
            Self::Acr122u => Err(ReaderError::Io("the reader does not take direct commands".into())),
            Self::Transparent => match objects(body)? {
                Received { failure: Some(status), .. } => Err(status.of_preparing()),
                Received { failure: None, .. } => Ok(()),
            },
        }
    }

    /// A command for the tag; `None`: too long for this reader.
    pub(super) fn wrap(self, command: &[u8]) -> Option<Vec<u8>> {
        let (head, body, tail) = match self {
            Self::Acr122u => (DIRECT, [&THRU, command].concat(), &[][..]),
            Self::Transparent => {
                let length = u8::try_from(command.len()).ok()?;
                let object = if length < 0x80 { vec![SENT, length] } else { vec![SENT, 0x81, length] };
                (TRANSCEIVE, [&KEEP_CRC, TIMER.as_slice(), object.as_slice(), command].concat(), &[0x00][..])
            }
        };
        let length = u8::try_from(body.len()).ok()?;
        Some([head.as_slice(), &[length], body.as_slice(), tail].concat())
    }

    /// The tag's frame, as it was on air.
    pub(super) fn unwrap(self, answer: &[u8]) -> Result<Vec<u8>, ReaderError> {
        // 63 00: the operation failed, which is how readers put a tag that left
        let body = body(answer).map_err(|_| ReaderError::TagGone)?;
        match self {
            Self::Acr122u => match body.strip_prefix(&THRU_ANSWER) {
                Some([0x00, frame @ ..]) => Ok(frame.to_vec()),
                // 01h: the tag was silent
                Some([0x01, ..]) => Err(ReaderError::TagGone),
                Some(_) | None => Err(ReaderError::Malformed),
            },
            Self::Transparent => {
                let Received { frame, last_bits, failure } = objects(body)?;
                match (frame.as_slice(), last_bits) {
                    _ if failure.is_some() => Err(ReaderError::TagGone),
                    ([], _) => Err(ReaderError::TagGone),
                    ([bits], 1..=7) => Ok(vec![bits & ((1 << last_bits) - 1)]),
                    (_, 0 | 8) => Ok(frame),
                    _ => Err(ReaderError::Malformed),
                }
            }
        }
    }
}

/// Status bytes that say that not all went well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Status([u8; 2]);

impl Status {
    /// What they mean where a command of the reader's own was answered (ISO/IEC 7816-4, section 5.6: wrong parameters,
    /// instruction or class; "no precise diagnosis", which readers say for the same).
    fn of_preparing(self) -> ReaderError {
        match self.0 {
            [high @ (0x6A | 0x6D | 0x6E | 0x6F), low] => {
                ReaderError::Io(format!("the reader takes no raw commands for a tag (status {high:02X}{low:02X})"))
            }
            _ => ReaderError::TagGone,
        }
    }
}

/// What comes before the status bytes, where those say that all went well.
fn body(answer: &[u8]) -> Result<&[u8], Status> {
    match answer.split_last_chunk() {
        Some((body, status)) if *status == OK => Ok(body),
        Some((_, status)) => Err(Status(*status)),
        None => Err(Status([0; 2])),
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Received {
    frame: Vec<u8>,
    last_bits: u8,
    failure: Option<Status>,
}

/// The data objects of a transparent answer.
fn objects(mut rest: &[u8]) -> Result<Received, ReaderError> {
    let mut received = Received::default();
    while let [tag, after @ ..] = rest {
        let (length, after) = match after {
            [0x81, length, after @ ..] => (usize::from(*length), after),
            [0x82, high, low, after @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), after),
            [length @ 0..=0x7F, after @ ..] => (usize::from(*length), after),
            _ => return Err(ReaderError::Malformed),
        };
        let (value, after) = after.split_at_checked(length).ok_or(ReaderError::Malformed)?;
        match (*tag, value) {
            (ERROR_STATUS, [_, high, low]) if [*high, *low] != OK => received.failure = Some(Status([*high, *low])),
            (RECEIVED, frame) => received.frame = frame.to_vec(),
            (LAST_BITS, [bits]) => received.last_bits = *bits,
            _ => {}
        }
        rest = after;
    }
    Ok(received)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readers_name_tells_its_dialect() {
        assert_eq!(Dialect::of("ACS ACR122U PICC Interface 00 00"), Dialect::Acr122u);
        assert_eq!(Dialect::of("ACS ACR1252 Dual Reader PICC 00 00"), Dialect::Transparent);
    }

    #[test]
    fn a_command_goes_to_the_readers_own_chip() {
        let sent = Dialect::Acr122u.wrap(&[0x30, 4]).unwrap();
        assert_eq!(sent, [0xFF, 0, 0, 0, 4, 0xD4, 0x42, 0x30, 4]);
        let unwrap = |answer: &[u8]| Dialect::Acr122u.unwrap(answer);
        assert_eq!(unwrap(&[0xD5, 0x43, 0, 0x0A, 0x90, 0]), Ok(vec![0x0A]));
        assert_eq!(unwrap(&[0xD5, 0x43, 1, 0x90, 0]), Err(ReaderError::TagGone));
        assert_eq!(unwrap(&[0xD5, 0x43, 2, 0x90, 0]), Err(ReaderError::Malformed));
        assert_eq!(unwrap(&[0x63, 0x00]), Err(ReaderError::TagGone));
        assert_eq!(unwrap(&[0x90, 0x00]), Err(ReaderError::Malformed));
        assert_eq!(Dialect::Acr122u.wrap(&[0; 254]), None);
    }

    #[test]
    fn a_transparent_exchange_keeps_the_bits_apart() {
        let sent = Dialect::Transparent.wrap(&[0x30, 4]).unwrap();
        assert_eq!(sent[..5], [0xFF, 0xC2, 0, 1, 15]);
        assert_eq!(sent[16..], [0x95, 2, 0x30, 4, 0]);
        let ok = [0xC0, 3, 0, 0x90, 0];
        let unwrap = |objects: &[u8]| Dialect::Transparent.unwrap(&[&ok, objects, &OK].concat());
        assert_eq!(unwrap(&[0x92, 1, 4, 0x97, 1, 0xFA]), Ok(vec![0x0A]));
        assert_eq!(unwrap(&[0x92, 1, 0, 0x97, 3, 1, 2, 3]), Ok(vec![1, 2, 3]));
        assert_eq!(unwrap(&[0x97, 0x81, 2, 1, 2]), Ok(vec![1, 2]));
        assert_eq!(unwrap(&[]), Err(ReaderError::TagGone));
        for broken in [&[0x97, 9, 1][..], &[0x97], &[0x97, 0x83, 1], &[0x92, 1, 4, 0x97, 2, 1, 2]] {
            assert_eq!(unwrap(broken), Err(ReaderError::Malformed), "{broken:02x?}");
        }
        let silent = Dialect::Transparent.unwrap(&[0xC0, 3, 1, 0x64, 0x01, 0x90, 0]);
        assert_eq!(silent, Err(ReaderError::TagGone));
    }

    #[test]
    fn a_reader_that_does_not_know_raw_commands_is_told_from_a_tag_that_left() {
        for dialect in [Dialect::Acr122u, Dialect::Transparent] {
            for unknown in [[0x6A, 0x81], [0x6D, 0x00], [0x6E, 0x00], [0x6F, 0x00]] {
                assert!(matches!(dialect.prepared(&unknown), Err(ReaderError::Io(_))), "{dialect:?} {unknown:02x?}");
                assert_eq!(dialect.unwrap(&unknown), Err(ReaderError::TagGone), "only the first commands tell");
            }
            assert_eq!(dialect.prepared(&[0x63, 0x00]), Err(ReaderError::TagGone));
            assert_eq!(dialect.prepared(&[]), Err(ReaderError::TagGone));
        }
        assert_eq!(Dialect::Acr122u.prepared(&[0xD5, 0x09, 0x90, 0]), Ok(()));
        let prepared = |status: [u8; 2]| Dialect::Transparent.prepared(&[&[0xC0, 3, 1], &status[..], &OK].concat());
        assert_eq!(prepared(OK), Ok(()));
        assert_eq!(prepared([0x64, 0x01]), Err(ReaderError::TagGone));
        assert!(matches!(prepared([0x6A, 0x81]), Err(ReaderError::Io(_))), "within the answer");
    }
}
