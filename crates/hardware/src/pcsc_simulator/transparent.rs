//! A reader with transparent sessions (PC/SC part 3, supplement, section 3.2.2.1).
//!
//! Invariant: the CRC is left off unless the flags say to keep it, and then 4 bits come with their count.

use super::{FAILED, Firmware, OK};
use crate::{chip::Reply, crc_a, fault::Exchange, simulated_field::SimulatedField};

const MANAGE_SESSION: [u8; 4] = [0xFF, 0xC2, 0x00, 0x00];
const SWITCH_PROTOCOL: [u8; 4] = [0xFF, 0xC2, 0x00, 0x02];
const EXCHANGE: [u8; 4] = [0xFF, 0xC2, 0x00, 0x01];

const FLAGS: u8 = 0x90;
const KEEP_CRC: u8 = 0x02;
const TRANSCEIVE: u8 = 0x95;
/// Generic error status: all went well; the tag did not answer; the answer was damaged.
const STATUS_OK: [u8; 5] = [0xC0, 3, 0x00, 0x90, 0x00];
const STATUS_SILENT: [u8; 5] = [0xC0, 3, 0x01, 0x64, 0x01];
const STATUS_DAMAGED: [u8; 5] = [0xC0, 3, 0x01, 0x65, 0x81];

pub(super) struct Transparent;

impl Firmware for Transparent {
    fn selected(&mut self) {}

    fn apdu(&mut self, field: &SimulatedField, apdu: &[u8]) -> Vec<u8> {
        if apdu.starts_with(&MANAGE_SESSION) || apdu.starts_with(&SWITCH_PROTOCOL) {
            return [&STATUS_OK[..], &OK].concat();
        }
        match apdu.strip_prefix(&EXCHANGE).and_then(exchange_of) {
            Some((command, keeps_crc)) => [answer(field.exchange(command), keeps_crc), OK.to_vec()].concat(),
            None => FAILED.to_vec(),
        }
    }
}

/// The command in a list of data objects, and whether the answer's CRC is to be kept.
fn exchange_of(body: &[u8]) -> Option<(&[u8], bool)> {
    let (length, rest) = body.split_first()?;
    let mut objects = rest.get(..usize::from(*length))?;
    let (mut command, mut keeps_crc) = (None, false);
    while let [tag, after @ ..] = objects {
        // 5F46h, the timer, is the only tag of two bytes
        let after = if *tag == 0x5F { after.get(1..)? } else { after };
        let (length, after) = match after {
            [0x81, length, after @ ..] => (length, after),
            [length, after @ ..] => (length, after),
            [] => return None,
        };
        let (value, after) = after.split_at_checked(usize::from(*length))?;
        match (*tag, value) {
            (TRANSCEIVE, bytes) => command = Some(bytes),
            (FLAGS, [_, flags]) => keeps_crc = flags & KEEP_CRC != 0,
            _ => {}
        }
        objects = after;
    }
    Some((command?, keeps_crc))
}

fn answer(exchange: Exchange, keeps_crc: bool) -> Vec<u8> {
    let bits = |bits: u8| [&STATUS_OK[..], &[0x92, 1, 4, 0x97, 1, bits]].concat();
    match exchange {
        Exchange::Reply(Reply::Data(mut bytes)) => {
            if keeps_crc {
                bytes.extend(crc_a::of(&bytes));
            }
            let length = match u8::try_from(bytes.len()) {
                Ok(length @ 0..=0x7F) => vec![length],
                Ok(length) => vec![0x81, length],
                Err(_) => [&[0x82], u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes().as_slice()].concat(),
            };
            [&STATUS_OK[..], &[0x92, 1, 0, 0x97], &length, &bytes].concat()
        }
        // a reader that checks the CRC takes 4 bits for a damaged frame
        Exchange::Reply(Reply::Ack | Reply::Nak(_)) if !keeps_crc => STATUS_DAMAGED.to_vec(),
        Exchange::Reply(Reply::Ack) => bits(0x0A),
        Exchange::Reply(Reply::Nak(code)) => bits(code & 0x0F),
        Exchange::Reply(Reply::Silent) | Exchange::Left | Exchange::Unplugged => STATUS_SILENT.to_vec(),
        Exchange::LineError => STATUS_DAMAGED.to_vec(),
    }
}
