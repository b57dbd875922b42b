//! Making a blank chip a band, command by command.
//!
//! signature → configuration → password or key where it is protected already → counter must be at 0 → records, keys,
//! header, protection → power off and on → proof of password or key → locks → everything is read back.
//! Invariant: nothing is locked before the chip has shown that it was written right; a chip that leaves half-way can be
//! started again.
//! Not here: which bytes (`issue`), readers.
use alloc::{boxed::Box, vec::Vec};

use ed25519_dalek::SigningKey;

use super::{
    BandKeys,
    issue::{CFGLCK, IssueRefusal, as_written, config_read, initial_pages, lock_bits_read, locking_pages, reads_back},
    layout::{
        ChipKind, POINTER_READ, PageRange, PageWrite, counted, fast_read, password_auth, read_counter, read_signature,
        write,
    },
    session::{Handshake, Line},
    tap::ChipFault,
};
use crate::money::Cents;

/// What the making of a band waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssueStep {
    /// Send this command to the chip, then call `Issuing::reply` with its answer (ACK is an empty one).
    Chip(Vec<u8>),
    /// Switch the field off and on and select the chip again, then call `Issuing::reselected`.
    Reselect,
    /// Over: the answer to READ_SIG (empty if the chip gave none), or why it is no band.
    Finished(Result<Vec<u8>, IssueRefusal>),
}

#[derive(Clone, Debug)]
enum Wait {
    Signature,
    Config,
    Password(Then),
    Challenge(Box<Handshake>, Then),
    Proof(Box<Handshake>, Then),
    Counter,
    Written(usize),
    Locked(usize),
    ReadBack(usize, Vec<u8>),
    /// For the reselection.
    Selected(Then),
    Over,
}

/// What follows the proof of password or key, or the reselection before it.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// The configuration is read.
    Look,
    /// The reselected chip is given its password or key, then written.
    Unlock,
    Write,
    /// The new password or key is proven, then the locks.
    Prove,
    Lock,
}

/// One chip on its way to become a band.
pub struct Issuing {
    kind: ChipKind,
    band: BandKeys,
    random: [[u8; 16]; 2],
    writes: Vec<PageWrite>,
    locks: Vec<PageWrite>,
    signature: Vec<u8>,
    line: Line,
    wait: Wait,
    step: IssueStep,
}

impl Issuing {
    /// A selected chip, which becomes a band with these keys. `random`: fresh bytes for up to two authentications.
    pub fn new(kind: ChipKind, band: BandKeys, credit_key: &SigningKey, random: [[u8; 16]; 2]) -> Self {
        let writes = initial_pages(kind, &band, credit_key);
        let refused = writes.as_ref().err().copied();
        let mut issuing = Self {
            kind,
            band,
            random,
            writes: writes.unwrap_or_default(),
            locks: locking_pages(kind),
            signature: Vec::new(),
            line: Line::Open,
            wait: Wait::Over,
            step: IssueStep::Reselect,
        };
        match refused {
            Some(refusal) => issuing.finish(Err(refusal)),
            None => issuing.ask(read_signature(), Wait::Signature),
        }
        issuing
    }

    /// What it waits for.
    pub fn step(&self) -> &IssueStep {
        &self.step
    }

    /// The chip was powered anew and is selected.
    pub fn reselected(&mut self) {
        let Wait::Selected(then) = self.wait else { return };
        self.line = Line::Open;
        match then {
            Then::Look => self.ask(fast_read(config_read(self.kind)), Wait::Config),
            Then::Unlock => self.unlock(Then::Write),
            Then::Prove => self.unlock(Then::Lock),
            Then::Write | Then::Lock => self.finish(Err(IssueRefusal::RefusedWrite)),
        }
    }

    /// The chip's answer to the command of [`IssueStep::Chip`].
    pub fn reply(&mut self, answer: Result<&[u8], ChipFault>) {
        if !matches!(self.step, IssueStep::Chip(_)) {
            return;
        }
        let wait = core::mem::replace(&mut self.wait, Wait::Over);
        let answer = answer.and_then(|answer| self.line.open(answer).ok_or(ChipFault::Gone));
        match (wait, answer) {
            (_, Err(ChipFault::Gone)) => self.finish(Err(IssueRefusal::Left)),
            (Wait::Signature, Ok(signature)) => {
                self.signature = signature;
                self.ask(fast_read(config_read(self.kind)), Wait::Config);
            }
            (Wait::Signature, Err(ChipFault::Nak)) => self.reselect(Then::Look),
            (Wait::Config, Ok(config)) => self.configured(&config),
            // who may not even read it needs the key first
            (Wait::Config, Err(ChipFault::Nak)) => self.reselect(Then::Unlock),
            (Wait::Password(then), Ok(pack)) if pack == self.band.pack() => self.unlocked(then),
            (Wait::Challenge(mut handshake, then), Ok(challenge)) => match handshake.second(&challenge) {
                Some(command) => self.ask(command, Wait::Proof(handshake, then)),
                None => self.finish(Err(IssueRefusal::NotOurs)),
            },
            (Wait::Proof(handshake, then), Ok(proof)) => match handshake.session(&proof) {
                Some(session) => {
                    self.line = Line::Sealed(session);
                    self.unlocked(then);
                }
                None => self.finish(Err(IssueRefusal::NotOurs)),
            },
            (Wait::Password(then) | Wait::Challenge(_, then) | Wait::Proof(_, then), _) => {
                let wrong = if matches!(then, Then::Lock) { IssueRefusal::RefusedWrite } else { IssueRefusal::NotOurs };
                self.finish(Err(wrong));
            }
            (Wait::Counter, Ok(counter)) if counted(&counter) == Some(Cents::ZERO) => self.write_from(0),
            (Wait::Counter, Ok(_)) => self.finish(Err(IssueRefusal::CounterUsed)),
            (Wait::Written(at), Ok(_)) => self.write_from(at.saturating_add(1)),
            (Wait::Locked(at), Ok(_)) => self.lock_from(at.saturating_add(1)),
            (Wait::ReadBack(at, read), Ok(more)) => self.read_back_from(at.saturating_add(1), [read, more].concat()),
            (Wait::Counter | Wait::Written(_) | Wait::Locked(_) | Wait::ReadBack(..), Err(ChipFault::Nak)) => {
                self.finish(Err(IssueRefusal::RefusedWrite));
            }
            (wait @ (Wait::Selected(_) | Wait::Over), _) => self.wait = wait,
        }
    }

    /// Configuration and locks as they stand: what is locked already must be as it is to be, and is not written again.
    fn configured(&mut self, config: &[u8]) {
        let first = config_read(self.kind).0;
        let pages: Vec<PageWrite> = (first..=u8::MAX).zip(config.as_chunks::<4>().0.iter().copied()).collect();
        let [(_, [.., auth0]), (_, [access, ..]), ..] = pages.as_slice() else {
            return self.finish(Err(IssueRefusal::RefusedWrite));
        };
        let stands = |wanted: &PageWrite| pages.contains(wanted);
        if access & CFGLCK != 0 {
            // lock bits stand elsewhere, and are set in any case
            let mut config_locks = self.locks.iter().filter(|(page, _)| *page >= first);
            if !self.writes.last().into_iter().all(stands) || !config_locks.all(stands) {
                return self.finish(Err(IssueRefusal::ConfigLocked));
            }
            self.writes.retain(|(page, _)| *page < first);
        } else if self.locks.iter().any(&stands) {
            // the keys are locked and the configuration not yet: an issue broke off there
            self.writes.retain(|(page, _)| reads_back(self.kind, *page));
        }
        self.locks.retain(|lock| !stands(lock));
        if *auth0 <= first && matches!(self.line, Line::Open) {
            self.unlock(Then::Write);
        } else {
            self.unlocked(Then::Write);
        }
    }

    fn unlock(&mut self, then: Then) {
        match (self.kind, self.band.chip()) {
            (ChipKind::Ntag213 | ChipKind::Ntag215 | ChipKind::Ntag216, _) => {
                self.ask(password_auth(self.band.password()), Wait::Password(then));
            }
            (ChipKind::UltralightAes, Some(keys)) => {
                let [first, second] = self.random;
                let random = if matches!(then, Then::Lock) { second } else { first };
                let handshake = Handshake::new(&keys.data, random);
                self.ask(handshake.first(), Wait::Challenge(Box::new(handshake), then));
            }
            (ChipKind::UltralightAes, None) => self.finish(Err(IssueRefusal::NoKey)),
        }
    }

    fn unlocked(&mut self, then: Then) {
        match (then, self.kind) {
            (Then::Lock, _) => self.lock_from(0),
            (_, ChipKind::UltralightAes) => self.ask(read_counter(), Wait::Counter),
            _ => self.write_from(0),
        }
    }

    fn write_from(&mut self, at: usize) {
        match self.writes.get(at) {
            Some(page) => self.ask(write(*page), Wait::Written(at)),
            None => self.reselect(Then::Prove),
        }
    }

    fn lock_from(&mut self, at: usize) {
        match self.locks.get(at) {
            Some(page) => self.ask(write(*page), Wait::Locked(at)),
            None => self.read_back_from(0, Vec::new()),
        }
    }

    /// Lock bits, band and configuration, one read after the other.
    fn reads(&self) -> Vec<PageRange> {
        let band = self.kind.purse().map_or([POINTER_READ].to_vec(), |map| map.reads.to_vec());
        lock_bits_read(self.kind).into_iter().chain(band).chain([config_read(self.kind)]).collect()
    }

    fn read_back_from(&mut self, at: usize, read: Vec<u8>) {
        let reads = self.reads();
        if let Some(range) = reads.get(at) {
            return self.ask(fast_read(*range), Wait::ReadBack(at, read));
        }
        let pages = reads.iter().flat_map(|(first, last)| *first..=*last);
        let read = pages.zip(read.as_chunks::<4>().0.iter().copied());
        let stands: Vec<PageWrite> = read.map(|page| as_written(self.kind, page)).collect();
        let locked = |page: u8| self.locks.iter().any(|(lock, _)| *lock == page);
        let wanted = self.writes.iter().filter(|(page, _)| reads_back(self.kind, *page) && !locked(*page));
        let is_band = wanted.chain(&self.locks).all(|wanted| stands.contains(wanted));
        let signature = core::mem::take(&mut self.signature);
        self.finish(if is_band { Ok(signature) } else { Err(IssueRefusal::RefusedWrite) });
    }

    fn ask(&mut self, command: Vec<u8>, wait: Wait) {
        self.step = IssueStep::Chip(self.line.seal(command));
        self.wait = wait;
    }

    fn reselect(&mut self, then: Then) {
        self.step = IssueStep::Reselect;
        self.wait = Wait::Selected(then);
    }

    fn finish(&mut self, end: Result<Vec<u8>, IssueRefusal>) {
        self.step = IssueStep::Finished(end);
        self.wait = Wait::Over;
    }
}
