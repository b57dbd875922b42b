//! What the technician's reader does with what is laid on it.
//! Invariant: green is shown after the band is on the list, down to the disk; one visit of a chip has one outcome.
//! Not here: one chip's commands (`chip`), a reader that went away (`reader`), progress on the screen (the CLI).
use std::{collections::BTreeMap, path::Path};

use domain::{
    id::FestivalId,
    secrets::BandSecrets,
    trust::Purpose,
    wristband::{BandKeys, ChipKind, IssueRefusal},
};
use ed25519_dalek::SigningKey;
use hardware::{
    signal::Signal,
    tag::{ReaderError, Tag, TagKind, TagReader, Uid},
};

use super::{
    BandLine, BandList, Refused, State,
    chip::{Ended, OnReader},
    list::kind_name,
};
use crate::{Failure, Festival, files, hub::read_chain};

/// How often a chip that does not answer is started again while it stays on the reader.
const ATTEMPTS: u8 = 3;

/// What makes a chip a band of this festival.
pub struct Supplies {
    /// Which festival.
    pub festival: FestivalId,
    /// The secrets of its bands.
    pub secrets: BandSecrets,
    /// The epoch of them that new bands are made in.
    pub epoch: u8,
    /// Signs the first, empty credit record; its chain is in the bundle.
    pub credit_key: SigningKey,
}

impl Supplies {
    /// From the festival's folder and that of its hub. Every bundle names the hub's key for online credits. Without an
    /// epoch the newest.
    pub fn open(festival: &Festival, hub: &Path, epoch: Option<u8>) -> Result<Self, Failure> {
        let secrets = festival.band_secrets()?;
        let epochs = secrets.epochs();
        let epoch = epoch.or_else(|| epochs.last().copied()).filter(|epoch| epochs.contains(epoch));
        let epoch = epoch.ok_or(Failure::BandKeys("the festival has no such epoch of band keys"))?;
        let [key, chain] = ["key", "chain"].map(|end| hub.join("keys/credit-online").with_extension(end));
        let credit_key = files::read_key(&key)?;
        let certificate = read_chain(festival, &chain, Purpose::CreditOnline)?.verify(festival.founding());
        let subject = certificate.map_err(|error| Failure::damaged(&chain, error))?.subject;
        if subject != credit_key.verifying_key().to_bytes() {
            return Err(Failure::damaged(&key, "key and certificate do not belong together"));
        }
        Ok(Self { festival: festival.id(), secrets, epoch, credit_key })
    }
}

impl Supplies {
    /// The keys of a new band with this UID.
    pub(super) fn keys(&self, uid: &[u8]) -> Result<BandKeys, Failure> {
        let keys = BandKeys::of_epoch(self.epoch, &self.secrets, &self.festival, uid);
        keys.ok_or(Failure::BandKeys("the festival has no such epoch of band keys"))
    }
}

/// Which chips are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// All that can be a band.
    Any,
    /// Chips of which only the UID is used.
    Uid,
    /// NTAG213, 215 and 216.
    Ntag21x,
    /// MIFARE Ultralight AES.
    UltralightAes,
}

/// What is to be issued.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Which chips are taken.
    pub kinds: Kinds,
    /// Bands on the list are made anew.
    pub again: bool,
    /// They are spare bands.
    pub spare: bool,
    /// How many in this run; without it until it is stopped.
    pub count: Option<u32>,
}

/// What came of one look at the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing new lies there.
    Nothing,
    /// A new band, on the list.
    Issued,
    /// No band, and why.
    Refused(Refused),
}

/// Why it cannot go on.
#[derive(Debug)]
pub enum Stop {
    /// The reader went away.
    Reader(ReaderError),
    /// The list or the system failed.
    Failed(Failure),
}

/// What one run has done.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// New bands.
    pub issued: u32,
    /// Refusals by code; a chip that left is among them each time.
    pub refused: BTreeMap<&'static str, u32>,
}

struct Visit {
    uid: Uid,
    attempts: u8,
    is_over: bool,
}

/// A reader's desk with its list.
pub struct IssuingDesk {
    supplies: Supplies,
    plan: Plan,
    list: BandList,
    tally: Tally,
    visit: Option<Visit>,
}

impl IssuingDesk {
    /// A desk that goes on with this list.
    pub fn new(supplies: Supplies, plan: Plan, list: BandList) -> Self {
        Self { supplies, plan, list, tally: Tally::default(), visit: None }
    }

    /// What this run has done.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The list.
    pub fn list(&self) -> &BandList {
        &self.list
    }

    /// Whether as many were issued as were asked for.
    pub fn is_done(&self) -> bool {
        self.plan.count.is_some_and(|count| self.tally.issued >= count)
    }

    /// One look at the reader, and all that follows from it. `now`: unix seconds, for the list.
    pub fn step(&mut self, reader: &mut dyn TagReader, now: u64) -> Result<Event, Stop> {
        let tag = match reader.poll_tag() {
            Ok(Some(tag)) => tag,
            Ok(None) | Err(ReaderError::TagGone) => {
                self.visit = None;
                return Ok(Event::Nothing);
            }
            Err(error) => return Err(Stop::Reader(error)),
        };
        let attempts = match &self.visit {
            Some(visit) if visit.uid == tag.uid && visit.is_over => return Ok(Event::Nothing),
            Some(visit) if visit.uid == tag.uid => visit.attempts.saturating_add(1),
            Some(_) | None => 1,
        };
        self.visit = Some(Visit { uid: tag.uid, attempts, is_over: true });
        let refused = match self.issue(reader, tag) {
            Ok(()) => {
                let state = if self.plan.spare { State::Spare } else { State::Issued };
                self.write_down(tag, state, now)?;
                self.tally.issued = self.tally.issued.saturating_add(1);
                show(reader, Signal::Ok);
                return Ok(Event::Issued);
            }
            Err(Ended::Refused(refused)) => refused,
            Err(Ended::Reader(error)) => {
                self.visit = None;
                return Err(Stop::Reader(error));
            }
            Err(Ended::Failed(failure)) => return Err(Stop::Failed(failure)),
        };
        let has_left = refused == Refused::Chip(IssueRefusal::Left);
        self.visit = Some(Visit { uid: tag.uid, attempts, is_over: !has_left || attempts >= ATTEMPTS });
        if refused.is_bad_chip() {
            self.write_down(tag, State::Bad(refused), now)?;
        }
        let count = self.tally.refused.entry(refused.code()).or_default();
        *count = count.saturating_add(1);
        show(reader, if has_left { Signal::TapAgain } else { Signal::Refuse });
        Ok(Event::Refused(refused))
    }

    fn issue(&mut self, reader: &mut dyn TagReader, tag: Tag) -> Result<(), Ended> {
        let kind = self.judge(tag).map_err(Ended::Refused)?;
        match kind {
            Some(kind) => OnReader { reader, uid: tag.uid, kind }.issue(&self.supplies),
            None => Ok(()),
        }
    }

    /// What its chip is to be written as; `None`: nothing is written on it.
    fn judge(&self, tag: Tag) -> Result<Option<ChipKind>, Refused> {
        if tag.uid.is_random() {
            return Err(Refused::RandomUid);
        }
        let kind = match tag.kind {
            TagKind::UidOnly => None,
            TagKind::Ntag213 => Some(ChipKind::Ntag213),
            TagKind::Ntag215 => Some(ChipKind::Ntag215),
            TagKind::Ntag216 => Some(ChipKind::Ntag216),
            TagKind::UltralightAes => Some(ChipKind::UltralightAes),
            TagKind::UltralightC => return Err(Refused::UltralightC),
            TagKind::Other => return Err(Refused::Unsupported),
        };
        let is_asked_for = match self.plan.kinds {
            Kinds::Any => true,
            Kinds::Uid => kind.is_none(),
            Kinds::Ntag21x => {
                matches!(kind, Some(ChipKind::Ntag213 | ChipKind::Ntag215 | ChipKind::Ntag216))
            }
            Kinds::UltralightAes => kind == Some(ChipKind::UltralightAes),
        };
        if !is_asked_for {
            return Err(Refused::WrongKind);
        }
        let wallet = self.supplies.secrets.wallet(tag.uid.as_bytes());
        if !self.plan.again && self.list.is_issued(wallet) {
            return Err(Refused::AlreadyIssued);
        }
        Ok(kind)
    }

    /// A bad chip that is laid there again is not listed again.
    fn write_down(&mut self, tag: Tag, state: State, now: u64) -> Result<(), Stop> {
        let wallet = self.supplies.secrets.wallet(tag.uid.as_bytes());
        if matches!(state, State::Bad(_)) && self.list.state(wallet) == Some(state) {
            return Ok(());
        }
        let line = BandLine { wallet, kind: kind_name(tag.kind), state, at: now };
        self.list.append(&line).map_err(Stop::Failed)
    }
}

/// A reader that cannot show it is found by the next look at it; what is on the list stands.
fn show(reader: &mut dyn TagReader, signal: Signal) {
    reader.signal(signal).ok();
}
