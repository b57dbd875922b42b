//! An ACR122U: a PN532 behind pseudo-APDUs (ACR122U API, section 6.1 "Direct Transmit").
//!
//! Invariant: the PN532 is the simulated one, CRC bit and all.

use super::{FAILED, Firmware, OK};
use crate::{
    pn532_simulator::chip::{Done, IN_LIST_PASSIVE_TARGET, Pn532},
    simulated_field::SimulatedField,
};

const DIRECT: [u8; 4] = [0xFF, 0x00, 0x00, 0x00];
const TO_CHIP: u8 = 0xD4;
const FROM_CHIP: u8 = 0xD5;

pub(super) struct Acr122u {
    chip: Pn532,
}

impl Acr122u {
    pub(super) fn new(field: SimulatedField) -> Self {
        Self { chip: Pn532::new(field) }
    }
}

impl Firmware for Acr122u {
    fn selected(&mut self) {
        self.chip.was_selected();
    }

    fn apdu(&mut self, _: &SimulatedField, apdu: &[u8]) -> Vec<u8> {
        let Some([length, TO_CHIP, command @ ..]) = apdu.strip_prefix(&DIRECT) else { return FAILED.to_vec() };
        let is_whole = usize::from(*length) == command.len() + 1;
        // the reader searches by itself: a host that does it as well would never end
        let is_search = command.first() == Some(&IN_LIST_PASSIVE_TARGET);
        if !is_whole || is_search {
            return FAILED.to_vec();
        }
        match (command.first(), self.chip.carry_out(command)) {
            (Some(code), Done::Answer(parameters)) => {
                [&[FROM_CHIP, code.wrapping_add(1)], parameters.as_slice(), &OK].concat()
            }
            _ => FAILED.to_vec(),
        }
    }
}
