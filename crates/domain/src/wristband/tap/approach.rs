//! From the selected chip to its pages: which keys, password or authentication, counter, reads.
//! Which keys the header says, which is read freely. An NTAG21x is given its password after the first of its reads. An
//! Ultralight AES authenticates before all else, so that what is read is the chip's; only a box with the keys of several
//! epochs, which has not read this band before, looks at its header first, one command more.
//! Invariant: what was read counts only if the whole of it came from the same chip, after that one proved its keys.
//! Not here: what the pages mean (`purse`), what is done about it (`machine`).
use alloc::{boxed::Box, sync::Arc, vec::Vec};

use super::{ChipFault, TapContext, TapRefusal};
use crate::{
    money::Cents,
    wristband::{
        BandKeys, PursePages,
        layout::{
            HEADER_READ, NTAG21X, PageRange, PurseMap, ULTRALIGHT_AES, counted, fast_read, header_epoch, password_auth,
            read_counter,
        },
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
        /// The epoch of its keys, where an earlier tap has read it.
        epoch: Option<u8>,
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
    /// The header alone.
    Header,
    Password {
        read: Vec<u8>,
    },
    Challenge(Box<Handshake>),
    Proof(Box<Handshake>),
    Counter,
    Read {
        left: &'static [PageRange],
        bytes: Vec<u8>,
    },
}

/// What comes after an answer.
#[derive(Clone, Debug)]
pub(super) enum Next {
    Ask(Vec<u8>),
    /// The pages, the band's keys, and how the chip is talked to from here on.
    Here(PursePages, BandKeys, Line),
    Left,
    Refused(TapRefusal),
}

#[derive(Clone, Debug)]
pub(super) struct Approach {
    ctx: Arc<TapContext>,
    uid: Vec<u8>,
    map: &'static PurseMap,
    reads_only: bool,
    random: [u8; 16],
    /// The keys of the epoch that the header names, or may name.
    band: Option<BandKeys>,
    line: Line,
    counter: Option<Cents>,
    wait: Wait,
}

impl Approach {
    /// The first command. Who only reads gives no password and proves no key.
    pub(super) fn new(
        chip: PurseChip,
        ctx: &Arc<TapContext>,
        uid: &[u8],
        reads_only: bool,
    ) -> Result<(Self, Vec<u8>), TapRefusal> {
        let (map, random) = match chip {
            PurseChip::Ntag21x => (&NTAG21X, [0; 16]),
            PurseChip::UltralightAes { random, .. } => (&ULTRALIGHT_AES, random),
        };
        let (ctx, uid) = (Arc::clone(ctx), uid.to_vec());
        let new = Self {
            ctx,
            uid,
            map,
            reads_only,
            random,
            band: None,
            line: Line::Open,
            counter: None,
            wait: Wait::Counter,
        };
        Ok(match chip {
            PurseChip::Ntag21x => new.read(),
            PurseChip::UltralightAes { .. } if reads_only => (new, read_counter()),
            PurseChip::UltralightAes { epoch, .. } => match new.likely_epoch(epoch) {
                Some(epoch) => new.authenticate(epoch)?,
                None => (Self { wait: Wait::Header, ..new }, fast_read(HEADER_READ)),
            },
        })
    }

    /// The epoch to authenticate with at once: the one read before, or the only one there is.
    fn likely_epoch(&self, read_before: Option<u8>) -> Option<u8> {
        let held = self.ctx.secrets.epochs();
        let only = <[u8; 1]>::try_from(held.as_slice()).ok().map(|[only]| only);
        read_before.or(only).filter(|epoch| held.contains(epoch) && !self.ctx.retired_epochs.contains(epoch))
    }

    /// The keys of an epoch, or why the band is refused.
    fn keys_of(&self, epoch: u8) -> Result<BandKeys, TapRefusal> {
        if self.ctx.retired_epochs.contains(&epoch) && !self.reads_only {
            return Err(TapRefusal::KeysRetired);
        }
        let band = BandKeys::of_epoch(epoch, &self.ctx.secrets, &self.ctx.festival, &self.uid);
        band.ok_or(TapRefusal::KeysMissing)
    }

    /// The keys that the header at the start of `bytes` asks for.
    fn keys_for(&self, bytes: &[u8]) -> Result<BandKeys, TapRefusal> {
        self.keys_of(header_epoch(bytes, self.map.profile, &self.ctx.festival)?)
    }

    fn authenticate(mut self, epoch: u8) -> Result<(Self, Vec<u8>), TapRefusal> {
        let band = self.keys_of(epoch)?;
        let keys = band.chip().ok_or(TapRefusal::Unsupported)?;
        let handshake = Handshake::new(&keys.data, self.random);
        let first = handshake.first();
        self.band = Some(band);
        self.wait = Wait::Challenge(Box::new(handshake));
        Ok((self, first))
    }

    fn read(mut self) -> (Self, Vec<u8>) {
        self.wait = Wait::Read { left: self.map.reads, bytes: Vec::new() };
        let first = self.map.reads.first().copied().unwrap_or_default();
        let command = self.line.seal(fast_read(first));
        (self, command)
    }

    /// The chip's answer to the command asked last.
    pub(super) fn reply(mut self, answer: Result<&[u8], ChipFault>) -> (Option<Self>, Next) {
        let refused = |refusal| (None, Next::Refused(refusal));
        let answer = match (&self.wait, answer) {
            (_, Err(ChipFault::Gone)) => return (None, Next::Left),
            (Wait::Password { .. } | Wait::Challenge(_) | Wait::Proof(_), Err(ChipFault::Nak)) => {
                return refused(TapRefusal::NotOurs);
            }
            // what is ours is read freely
            (Wait::Header | Wait::Read { .. }, Err(ChipFault::Nak)) if self.band.is_none() => {
                return refused(TapRefusal::NotOurs);
            }
            (Wait::Header | Wait::Counter | Wait::Read { .. }, Err(ChipFault::Nak)) => {
                return refused(TapRefusal::Unsupported);
            }
            (Wait::Header | Wait::Password { .. } | Wait::Challenge(_) | Wait::Proof(_), Ok(answer)) => answer.to_vec(),
            (Wait::Counter | Wait::Read { .. }, Ok(answer)) => match self.line.open(answer) {
                Some(plain) => plain,
                // a wrong MAC is a damaged answer
                None => return (None, Next::Left),
            },
        };
        match core::mem::replace(&mut self.wait, Wait::Counter) {
            Wait::Header => match header_epoch(&answer, self.map.profile, &self.ctx.festival) {
                Ok(epoch) => match self.authenticate(epoch) {
                    Ok(asked) => asked.asked(),
                    Err(refusal) => refused(refusal),
                },
                Err(fault) => refused(fault.into()),
            },
            Wait::Password { read } if self.band.as_ref().is_some_and(|band| band.pack() == *answer) => {
                let rest = self.map.reads.get(1..).unwrap_or_default();
                self.go_on_reading(rest, read)
            }
            Wait::Password { .. } => refused(TapRefusal::NotOurs),
            Wait::Challenge(mut handshake) => match handshake.second(&answer) {
                Some(command) => {
                    self.wait = Wait::Proof(handshake);
                    (self, command).asked()
                }
                None => refused(TapRefusal::NotOurs),
            },
            Wait::Proof(handshake) => match handshake.session(&answer) {
                Some(session) => {
                    self.line = Line::Sealed(session);
                    let command = self.line.seal(read_counter());
                    (self, command).asked()
                }
                None => refused(TapRefusal::NotOurs),
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

    /// Whose keys the first read says; then the password, where it is an NTAG21x that is to be written to.
    fn was_read(mut self, left: &'static [PageRange], bytes: Vec<u8>) -> (Option<Self>, Next) {
        let rest = left.get(1..).unwrap_or_default();
        if self.band.is_some() {
            return self.go_on_reading(rest, bytes);
        }
        let band = match self.keys_for(&bytes) {
            Ok(band) => band,
            Err(refusal) => return (None, Next::Refused(refusal)),
        };
        let password = password_auth(band.password());
        self.band = Some(band);
        if self.reads_only {
            return self.go_on_reading(rest, bytes);
        }
        self.wait = Wait::Password { read: bytes };
        (self, password).asked()
    }

    fn go_on_reading(mut self, left: &'static [PageRange], bytes: Vec<u8>) -> (Option<Self>, Next) {
        if let Some(next) = left.first() {
            self.wait = Wait::Read { left, bytes };
            let command = self.line.seal(fast_read(*next));
            return (self, command).asked();
        }
        match (PursePages::new(self.map, &bytes, self.counter), self.band) {
            (Some(pages), Some(band)) => (None, Next::Here(pages, band, self.line)),
            _ => (None, Next::Left),
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
