//! From the selected chip to its pages: password or authentication, counter, reads.
//! Invariant: what was read counts only if the whole of it came from the same chip in the same session.
//! Not here: what the pages mean (`purse`), what is done about it (`machine`).
use alloc::{boxed::Box, vec::Vec};

use super::{ChipFault, TapRefusal};
use crate::{
    money::Cents,
    wristband::{
        BandKeys, PursePages,
        layout::{NTAG21X, PageRange, PurseMap, ULTRALIGHT_AES, counted, fast_read, password_auth, read_counter},
        session::{Handshake, Line},
    },
};

/// A chip with a purse, as the driver knows it, and what talking to it needs.
#[derive(Clone, Copy)]
pub enum PurseChip {
    /// NTAG215 or 216.
    Ntag21x,
    /// MIFARE Ultralight AES.
    UltralightAes {
        /// Fresh random bytes for the authentication, never used before.
        random: [u8; 16],
    },
}

impl core::fmt::Debug for PurseChip {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Ntag21x => "Ntag21x",
            Self::UltralightAes { .. } => "UltralightAes",
        })
    }
}

#[derive(Clone, Debug)]
enum Wait {
    Password,
    Challenge(Box<Handshake>),
    Proof(Box<Handshake>),
    Counter,
    Read { left: &'static [PageRange], bytes: Vec<u8> },
}

/// What comes after an answer.
#[derive(Clone, Debug)]
pub(super) enum Next {
    Ask(Vec<u8>),
    /// The pages, and how the chip is talked to from here on.
    Here(PursePages, Line),
    Left,
    Refused(TapRefusal),
}

#[derive(Clone, Debug)]
pub(super) struct Approach {
    map: &'static PurseMap,
    line: Line,
    counter: Option<Cents>,
    wait: Wait,
}

impl Approach {
    /// The first command. Who only reads gives no password and proves no key.
    pub(super) fn new(chip: PurseChip, band: &BandKeys, reads_only: bool) -> Result<(Self, Vec<u8>), TapRefusal> {
        let start = |map, wait| Self { map, line: Line::Open, counter: None, wait };
        Ok(match chip {
            PurseChip::Ntag21x if reads_only => start(&NTAG21X, Wait::Counter).read(),
            PurseChip::Ntag21x => (start(&NTAG21X, Wait::Password), password_auth(band.password())),
            PurseChip::UltralightAes { .. } if reads_only => (start(&ULTRALIGHT_AES, Wait::Counter), read_counter()),
            PurseChip::UltralightAes { random } => {
                let keys = band.chip().ok_or(TapRefusal::Unsupported)?;
                let handshake = Handshake::new(&keys.data, random);
                let first = handshake.first();
                (start(&ULTRALIGHT_AES, Wait::Challenge(Box::new(handshake))), first)
            }
        })
    }

    fn read(mut self) -> (Self, Vec<u8>) {
        self.wait = Wait::Read { left: self.map.reads, bytes: Vec::new() };
        let first = self.map.reads.first().copied().unwrap_or_default();
        let command = self.line.seal(fast_read(first));
        (self, command)
    }

    /// The chip's answer to the command asked last.
    pub(super) fn reply(mut self, answer: Result<&[u8], ChipFault>, band: &BandKeys) -> (Option<Self>, Next) {
        let not_ours = (None, Next::Refused(TapRefusal::NotOurs));
        let answer = match (&self.wait, answer) {
            (_, Err(ChipFault::Gone)) => return (None, Next::Left),
            (Wait::Password | Wait::Challenge(_) | Wait::Proof(_), Err(ChipFault::Nak)) => return not_ours,
            (Wait::Counter | Wait::Read { .. }, Err(ChipFault::Nak)) => {
                return (None, Next::Refused(TapRefusal::Unsupported));
            }
            (Wait::Password | Wait::Challenge(_) | Wait::Proof(_), Ok(answer)) => answer.to_vec(),
            (Wait::Counter | Wait::Read { .. }, Ok(answer)) => match self.line.open(answer) {
                Some(plain) => plain,
                // a wrong MAC is a damaged answer
                None => return (None, Next::Left),
            },
        };
        match core::mem::replace(&mut self.wait, Wait::Counter) {
            Wait::Password if answer == band.pack() => self.read().asked(),
            Wait::Password => not_ours,
            Wait::Challenge(mut handshake) => match handshake.second(&answer) {
                Some(command) => {
                    self.wait = Wait::Proof(handshake);
                    (self, command).asked()
                }
                None => not_ours,
            },
            Wait::Proof(handshake) => match handshake.session(&answer) {
                Some(session) => {
                    self.line = Line::Sealed(session);
                    let command = self.line.seal(read_counter());
                    (self, command).asked()
                }
                None => not_ours,
            },
            Wait::Counter => match counted(&answer) {
                Some(counter) => {
                    self.counter = Some(counter);
                    self.read().asked()
                }
                None => (None, Next::Left),
            },
            Wait::Read { left, bytes } => self.was_read(left, [bytes, answer].concat()),
        }
    }

    fn was_read(mut self, left: &'static [PageRange], bytes: Vec<u8>) -> (Option<Self>, Next) {
        match left.split_first() {
            Some((_, rest)) if !rest.is_empty() => {
                let next = rest.first().copied().unwrap_or_default();
                self.wait = Wait::Read { left: rest, bytes };
                let command = self.line.seal(fast_read(next));
                (self, command).asked()
            }
            _ => match PursePages::new(self.map, &bytes, self.counter) {
                Some(pages) => (None, Next::Here(pages, self.line)),
                None => (None, Next::Left),
            },
        }
    }
}

/// An approach that goes on with a command.
trait Asked {
    fn asked(self) -> (Option<Approach>, Next);
}

impl Asked for (Approach, Vec<u8>) {
    fn asked(self) -> (Option<Approach>, Next) {
        (Some(self.0), Next::Ask(self.1))
    }
}
