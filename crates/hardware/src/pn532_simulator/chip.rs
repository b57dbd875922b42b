//! The PN532's commands (UM0701-02, section 7) and the bands in its field.
//!
//! Invariant: every command gets an answer, except a search without end while the field is empty.

use std::collections::BTreeMap;

use crate::{chip::Reply, crc_a, fault::Exchange, simulated_field::SimulatedField};

pub(crate) const IN_LIST_PASSIVE_TARGET: u8 = 0x4A;
pub(crate) const IN_COMMUNICATE_THRU: u8 = 0x42;
pub(crate) const IN_DATA_EXCHANGE: u8 = 0x40;

/// CIU_RxMode (section 8.6.22); bit 7: check the CRC and leave it off.
const RX_MODE: u16 = 0x6303;
/// CIU_TxMode; bit 7: append the CRC.
const TX_MODE: u16 = 0x6302;
const CRC_ENABLED: u8 = 0x80;

const STATUS_OK: u8 = 0x00;
const STATUS_TIMEOUT: u8 = 0x01;
const STATUS_CRC: u8 = 0x02;
const STATUS_FRAMING: u8 = 0x05;
const STATUS_CONTEXT: u8 = 0x27;

/// What the chip does with a command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// The answer's parameters.
    Answer(Vec<u8>),
    /// There is no such command.
    NoSuchCommand,
    /// It searches until a band comes or the host says ACK.
    Searching,
    /// The line is gone.
    Unplugged,
}

#[derive(Debug)]
pub(crate) struct Pn532 {
    field: SimulatedField,
    registers: BTreeMap<u16, u8>,
    /// MxRtyPassiveActivation: FFh searches without end.
    retries: u8,
    is_on: bool,
    has_target: bool,
}

impl Pn532 {
    pub(crate) fn new(field: SimulatedField) -> Self {
        Self { field, registers: BTreeMap::new(), retries: 0xFF, is_on: false, has_target: false }
    }

    pub(crate) fn carry_out(&mut self, command: &[u8]) -> Done {
        let Some((code, parameters)) = command.split_first() else { return Done::NoSuchCommand };
        match (*code, parameters) {
            // Diagnose; test 0 echoes
            (0x00, [0x00, ..]) => Done::Answer(parameters.to_vec()),
            (0x00, _) => Done::Answer(vec![STATUS_OK]),
            // GetFirmwareVersion: PN532 version 1.6, types A and B
            (0x02, _) => Done::Answer(vec![0x32, 0x01, 0x06, 0x07]),
            // GetGeneralStatus
            (0x04, _) => Done::Answer(vec![STATUS_OK, u8::from(self.is_on), u8::from(self.has_target), 0x80]),
            // ReadRegister
            (0x06, addresses) => {
                let read = addresses.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                Done::Answer(read.map(|address| self.registers.get(&address).copied().unwrap_or(0)).collect())
            }
            // WriteRegister
            (0x08, values) => {
                for value in values.chunks_exact(3) {
                    self.registers.insert(u16::from_be_bytes([value[0], value[1]]), value[2]);
                }
                Done::Answer(Vec::new())
            }
            // SetParameters, SAMConfiguration
            (0x12 | 0x14, _) => Done::Answer(Vec::new()),
            // PowerDown
            (0x16, _) => {
                self.switch_off();
                Done::Answer(vec![STATUS_OK])
            }
            // RFConfiguration: field, retries, timings
            (0x32, [0x01, field, ..]) => {
                if field & 1 == 0 {
                    self.switch_off();
                }
                self.is_on = field & 1 == 1;
                Done::Answer(Vec::new())
            }
            (0x32, [0x05, _, _, passive, ..]) => {
                self.retries = *passive;
                Done::Answer(Vec::new())
            }
            (0x32, _) => Done::Answer(Vec::new()),
            (IN_LIST_PASSIVE_TARGET, [_, kind, ..]) => self.list(*kind),
            (IN_DATA_EXCHANGE, [_, command @ ..]) => self.data_exchange(command),
            (IN_COMMUNICATE_THRU, command) => self.communicate_thru(command),
            // InDeselect, InRelease, InSelect
            (0x44 | 0x52 | 0x54, _) => {
                self.has_target &= *code == 0x54;
                Done::Answer(vec![STATUS_OK])
            }
            _ => Done::NoSuchCommand,
        }
    }

    fn switch_off(&mut self) {
        self.is_on = false;
        self.has_target = false;
        self.field.power_cycle();
    }

    /// A reader's own firmware has selected a band: the analogue part is set up for it.
    pub(crate) fn was_selected(&mut self) {
        self.is_on = true;
        self.has_target = true;
        self.registers.insert(RX_MODE, CRC_ENABLED);
        self.registers.insert(TX_MODE, CRC_ENABLED);
    }

    fn list(&mut self, kind: u8) -> Done {
        self.is_on = true;
        // 00h: ISO/IEC 14443 type A at 106 kbit/s
        let found = if kind == 0x00 { self.field.select() } else { None };
        self.has_target = found.is_some();
        match found {
            Some(tag) => {
                let uid = tag.uid.as_bytes();
                let sens_res = if uid.len() == 4 { 0x04 } else { 0x44 };
                let mut answer = vec![1, 1, 0x00, sens_res, tag.sak, u8::try_from(uid.len()).unwrap_or(0)];
                answer.extend(uid);
                self.was_selected();
                Done::Answer(answer)
            }
            None if self.field.is_unplugged() => Done::Unplugged,
            None if self.retries == 0xFF => Done::Searching,
            None => Done::Answer(vec![0]),
        }
    }

    /// The firmware's own framing: it knows that a WRITE is answered by 4 bits.
    fn data_exchange(&mut self, command: &[u8]) -> Done {
        if !self.has_target {
            return Done::Answer(vec![STATUS_CONTEXT]);
        }
        let status = |status| Done::Answer(vec![status]);
        match self.field.exchange(command) {
            Exchange::Reply(Reply::Data(bytes)) => Done::Answer([&[STATUS_OK], bytes.as_slice()].concat()),
            Exchange::Reply(Reply::Ack) => status(STATUS_OK),
            Exchange::Reply(Reply::Nak(_) | Reply::Silent) | Exchange::Left => status(STATUS_TIMEOUT),
            Exchange::LineError => status(STATUS_CRC),
            Exchange::Unplugged => Done::Unplugged,
        }
    }

    /// Bytes as they are; the CRCs as the registers say.
    fn communicate_thru(&mut self, command: &[u8]) -> Done {
        let status = |status| Done::Answer(vec![status]);
        let command = match self.has_crc(TX_MODE) {
            true => command,
            false => match crc_a::checked(command) {
                Some(command) => command,
                None => return status(STATUS_TIMEOUT),
            },
        };
        if !self.is_on {
            return status(STATUS_TIMEOUT);
        }
        let checks = self.has_crc(RX_MODE);
        match self.field.exchange(command) {
            Exchange::Reply(Reply::Data(bytes)) if checks => Done::Answer([&[STATUS_OK], bytes.as_slice()].concat()),
            Exchange::Reply(Reply::Data(bytes)) => {
                Done::Answer([&[STATUS_OK], bytes.as_slice(), &crc_a::of(&bytes)].concat())
            }
            Exchange::Reply(Reply::Ack | Reply::Nak(_)) if checks => status(STATUS_CRC),
            Exchange::Reply(Reply::Ack) => Done::Answer(vec![STATUS_OK, 0x0A]),
            Exchange::Reply(Reply::Nak(code)) => Done::Answer(vec![STATUS_OK, code & 0x0F]),
            Exchange::Reply(Reply::Silent) | Exchange::Left => status(STATUS_TIMEOUT),
            Exchange::LineError => status(if checks { STATUS_CRC } else { STATUS_FRAMING }),
            Exchange::Unplugged => Done::Unplugged,
        }
    }

    fn has_crc(&self, register: u16) -> bool {
        self.registers.get(&register).is_some_and(|mode| mode & CRC_ENABLED != 0)
    }
}
