//! How long commands take on air at 106 kbit/s, computed.
//!
//! Source: ISO/IEC 14443-3: 128 carrier cycles of 13.56 MHz a bit, a start bit, each byte with its
//! parity and an end (6.2.3), frame delays (6.2.1.1), anticollision (6.5.3); NTAG21x data sheet,
//! rev. 3.2, section 10: 4 ms for programming a page. Invariant: integers of nanoseconds.
//! Not here: what a reader's own bus adds.

use std::time::Duration;

use crate::{
    chip::{Reply, WRITE},
    tag::Uid,
};

/// One bit: 128 / 13.56 MHz.
const BIT_NS: u64 = 9_440;
/// From the end of a command to the start of its answer: 1236 carrier cycles.
const FRAME_DELAY_NS: u64 = 91_150;
/// The field is on for so long before the first command (6.1.5).
const POWER_UP_NS: u64 = 5_000_000;
/// A page of EEPROM is programmed.
const PROGRAM_NS: u64 = 4_000_000;
/// An Ultralight AES works so long on a MAC or a step of its authentication: what is left of the project's figures for a
/// sale (11 ms for the authentication, 8.4 ms for a write) when the frames and the programming are taken off. No data
/// sheet was at hand for it.
const AES_NS: u64 = 2_000_000;
/// CRC_A.
const CRC_BYTES: usize = 2;

const READ: u8 = 0x30;
const READ_CNT: u8 = 0x39;
const FAST_READ: u8 = 0x3A;
const AUTHENTICATE: u8 = 0x1A;
const FURTHER: u8 = 0xAF;
const INCR_CNT: u8 = 0xA5;

/// A standard frame: 9 bits a byte, start and end.
fn frame_ns(bytes: usize) -> u64 {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    bytes.saturating_mul(9).saturating_add(2).saturating_mul(BIT_NS)
}

/// A short frame: 7 bits; an answer of 4 bits takes no longer.
fn short_frame_ns(bits: u64) -> u64 {
    (bits + 2) * BIT_NS
}

/// From power-up to the selected tag: REQA and ATQA, then anticollision and SELECT for each cascade level.
pub fn activation(uid: &Uid) -> Duration {
    let levels = match uid.as_bytes().len() {
        4 => 1,
        7 => 2,
        _ => 3,
    };
    let request = short_frame_ns(7) + FRAME_DELAY_NS + frame_ns(2);
    let anticollision = frame_ns(2) + FRAME_DELAY_NS + frame_ns(5);
    let select = frame_ns(7 + CRC_BYTES) + FRAME_DELAY_NS + frame_ns(1 + CRC_BYTES);
    // between an answer and the next command a reader waits as long as a tag does
    let level = anticollision + select + 2 * FRAME_DELAY_NS;
    Duration::from_nanos(POWER_UP_NS + request + levels * level)
}

/// One command and its answer; a tag that stays silent costs the command alone.
pub fn exchange(command: &[u8], reply: &Reply) -> Duration {
    let sent = frame_ns(command.len().saturating_add(CRC_BYTES));
    let programming = if matches!(command.first(), Some(&(WRITE | INCR_CNT))) { PROGRAM_NS } else { 0 };
    let working = programming + if computes(command) { AES_NS } else { 0 };
    let answered = match reply {
        Reply::Data(bytes) => FRAME_DELAY_NS + working + frame_ns(bytes.len().saturating_add(CRC_BYTES)),
        Reply::Ack => FRAME_DELAY_NS + working + short_frame_ns(4),
        Reply::Nak(_) => FRAME_DELAY_NS + short_frame_ns(4),
        Reply::Silent => 0,
    };
    Duration::from_nanos(sent.saturating_add(answered).saturating_add(FRAME_DELAY_NS))
}

/// Whether an Ultralight AES works with a key for this command: its authentication, and every command that ends with a
/// MAC of 8 bytes.
fn computes(command: &[u8]) -> bool {
    let plain = match command.first() {
        Some(&(AUTHENTICATE | FURTHER)) => return true,
        Some(&(WRITE | INCR_CNT)) => 6,
        Some(&FAST_READ) => 3,
        Some(&(READ | READ_CNT)) => 2,
        Some(_) | None => return false,
    };
    command.len() == plain + 8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Within a twentieth of the figure that was computed by hand.
    #[track_caller]
    fn about(found: Duration, microseconds: u64) {
        let found = u64::try_from(found.as_micros()).unwrap();
        assert!(found.abs_diff(microseconds) * 20 <= microseconds, "{found} µs, not {microseconds}");
    }

    #[test]
    fn commands_take_what_the_standard_says() {
        about(exchange(&[0x30, 4], &Reply::Data(vec![0; 16])), 2_100);
        about(exchange(&[0x3A, 4, 24], &Reply::Data(vec![0; 84])), 7_900);
        about(exchange(&[WRITE, 4, 0, 0, 0, 0], &Reply::Ack), 4_900);
        about(exchange(&[READ_CNT; 10], &Reply::Data(vec![0; 11])), 4_350);
        let steps = [
            exchange(&[AUTHENTICATE, 0], &Reply::Data(vec![0; 17])),
            exchange(&[FURTHER; 33], &Reply::Data(vec![0; 17])),
        ];
        about(steps[0] + steps[1], 11_000);
    }

    #[test]
    fn a_longer_uid_takes_longer_to_select() {
        let seven = activation(&Uid::seven([4, 1, 2, 3, 4, 5, 6]));
        assert!(activation(&Uid::from_bytes(&[1, 2, 3, 4]).unwrap()) < seven);
        assert!(seven > Duration::from_millis(8) && seven < Duration::from_millis(10), "{seven:?}");
    }
}
