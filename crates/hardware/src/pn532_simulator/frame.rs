//! The PN532's frames on a serial line (UM0701-02, section 6.2.1).
//!
//! Invariant: holds at most [`MAX_BUFFERED`] unread bytes; what is no frame is skipped byte by byte.

/// More than the longest frame with what wakes the chip before it.
const MAX_BUFFERED: usize = 1024;

/// "Understood", both ways.
pub(super) const ACK: [u8; 6] = [0, 0, 0xFF, 0, 0xFF, 0];
/// "Say it again."
pub(super) const NACK: [u8; 6] = [0, 0, 0xFF, 0xFF, 0, 0];
/// "No such command."
pub(super) const SYNTAX_ERROR: [u8; 8] = [0, 0, 0xFF, 0x01, 0xFF, 0x7F, 0x81, 0];

const FROM_HOST: u8 = 0xD4;
const TO_HOST: u8 = 0xD5;

/// What a host said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FromHost {
    /// ACK: what goes on is to be abandoned.
    Ack,
    /// NACK: the last answer is wanted again.
    Nack,
    /// A command's code and its parameters.
    Command(Vec<u8>),
}

/// Finds frames in what comes in.
#[derive(Debug, Default)]
pub(super) struct FrameFinder {
    bytes: Vec<u8>,
}

enum Found {
    Frame(FromHost, usize),
    /// So many bytes are no frame.
    Skip(usize),
    /// More is needed.
    Wait,
}

impl FrameFinder {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let excess = self.bytes.len().saturating_sub(MAX_BUFFERED);
        self.bytes.drain(..excess);
    }

    pub(super) fn next(&mut self) -> Option<FromHost> {
        loop {
            match find(&self.bytes) {
                Found::Frame(frame, length) => {
                    self.bytes.drain(..length);
                    return Some(frame);
                }
                Found::Skip(length) => drop(self.bytes.drain(..length)),
                Found::Wait => return None,
            }
        }
    }
}

fn find(bytes: &[u8]) -> Found {
    let Some(start) = bytes.windows(2).position(|pair| pair == [0x00, 0xFF]) else {
        // a last 00h may be half a start code
        let keep = usize::from(bytes.last() == Some(&0));
        return if bytes.len() > keep { Found::Skip(bytes.len() - keep) } else { Found::Wait };
    };
    let body = &bytes[start + 2..];
    let (length, header) = match body {
        [0x00, 0xFF, ..] => return Found::Frame(FromHost::Ack, start + 4),
        [0xFF, 0x00, ..] => return Found::Frame(FromHost::Nack, start + 4),
        [0xFF, 0xFF, high, low, sum, ..] => {
            if high.wrapping_add(*low).wrapping_add(*sum) != 0 {
                return Found::Skip(start + 2);
            }
            (usize::from(u16::from_be_bytes([*high, *low])), 5)
        }
        [0xFF, 0xFF, ..] | [] | [_] => return Found::Wait,
        [length, sum, ..] if length.wrapping_add(*sum) == 0 => (usize::from(*length), 2),
        [_, _, ..] => return Found::Skip(start + 2),
    };
    if !(2..=MAX_BUFFERED / 2).contains(&length) {
        return Found::Skip(start + 2);
    }
    let Some(data) = body.get(header..header + length + 1) else { return Found::Wait };
    let (data, sum) = data.split_at(length);
    match data {
        [FROM_HOST, command @ ..] if checksum(data).wrapping_sub(sum[0]) == 0 => {
            Found::Frame(FromHost::Command(command.to_vec()), start + 2 + header + length + 1)
        }
        _ => Found::Skip(start + 2),
    }
}

/// What makes the sum of all bytes zero.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_sub(*byte))
}

/// The frame that answers command `code`.
pub(super) fn answer(code: u8, parameters: &[u8]) -> Vec<u8> {
    let mut data = vec![TO_HOST, code.wrapping_add(1)];
    data.extend(parameters);
    let mut frame = vec![0, 0, 0xFF];
    match u8::try_from(data.len()) {
        Ok(length) => frame.extend([length, checksum(&[length])]),
        Err(_) => {
            let [high, low] = u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes();
            frame.extend([0xFF, 0xFF, high, low, checksum(&[high, low])]);
        }
    }
    frame.extend(&data);
    frame.extend([checksum(&data), 0]);
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn command(data: &[u8]) -> Vec<u8> {
        let mut frame = answer(0, data);
        // as a host would send it: D4h, the code, its parameters
        let at = frame.len() - 2 - data.len() - 2;
        frame[at] = FROM_HOST;
        frame.remove(at + 1);
        let length = u8::try_from(data.len() + 1).unwrap();
        frame[3..5].copy_from_slice(&[length, checksum(&[length])]);
        let end = frame.len() - 2;
        frame[end] = checksum(&frame[at..end]);
        frame
    }

    #[test]
    fn frames_are_found_among_what_wakes_the_chip() {
        let mut finder = FrameFinder::default();
        finder.push(&[0x55, 0x55, 0, 0, 0]);
        finder.push(&command(&[0x14, 1, 2]));
        finder.push(&ACK);
        finder.push(&command(&[0x02]));
        finder.push(&NACK);
        let found: Vec<_> = std::iter::from_fn(|| finder.next()).collect();
        let said = |bytes: &[u8]| FromHost::Command(bytes.to_vec());
        assert_eq!(found, [said(&[0x14, 1, 2]), FromHost::Ack, said(&[0x02]), FromHost::Nack]);
    }

    #[test]
    fn a_damaged_frame_is_skipped_and_the_next_is_found() {
        let mut damaged = command(&[0x14, 1, 2]);
        damaged[7] ^= 1;
        let mut finder = FrameFinder::default();
        finder.push(&damaged);
        finder.push(&command(&[0x02]));
        assert_eq!(finder.next(), Some(FromHost::Command(vec![0x02])));
    }

    #[test]
    fn a_long_answer_goes_into_an_extended_frame() {
        let frame = answer(0x42, &[7; 257]);
        assert_eq!(frame[..8], [0, 0, 0xFF, 0xFF, 0xFF, 1, 3, 0xFC]);
        assert_eq!(frame.len(), 8 + 259 + 2);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_finder(pieces in prop::collection::vec(
            prop::collection::vec(prop_oneof![Just(0u8), Just(0xFF), Just(0xD4), any::<u8>()], 0..40), 0..40,
        )) {
            let mut finder = FrameFinder::default();
            for piece in pieces {
                finder.push(&piece);
                while finder.next().is_some() {}
                prop_assert!(finder.bytes.len() <= MAX_BUFFERED);
            }
        }
    }
}
