//! One chip on a reader, from blank to band.
//! Invariant: a band of the festival that bears money or a history is never written to.
//! Not here: the commands and their order (`domain::wristband::Issuing`), the list, lights.
use domain::{
    money::Cents,
    wristband::{
        BandKeys, ChipKind, CreditKey, IssueRefusal, IssueStep, Issuing, PurseFault, PursePages, genesis_record,
        layout, tap::ChipFault,
    },
};
use hardware::tag::{ReaderError, TagReader, Uid};

use super::{Refused, Supplies};
use crate::{Failure, random};

/// HLTA (ISO/IEC 14443-3, 6.4.3): a chip forgets whoever proved a password or key, and waits to be selected.
const HALT: [u8; 2] = [0x50, 0x00];
/// How often a chip that was put to sleep is looked for.
const LOOKS: u8 = 20;

/// Why a chip was not issued.
#[derive(Debug)]
pub(super) enum Ended {
    Refused(Refused),
    Reader(ReaderError),
    Failed(Failure),
}

const LEFT: Ended = Ended::Refused(Refused::Chip(IssueRefusal::Left));

/// What a chip is before it is written to.
enum Stands {
    /// No band of the festival, or one with nothing on it.
    Blank,
    /// A band with money or a history.
    InUse,
    /// A band that was made under other keys.
    OtherEpoch,
}

/// A selected chip.
pub(super) struct OnReader<'a> {
    pub reader: &'a mut dyn TagReader,
    pub uid: Uid,
    pub kind: ChipKind,
}

/// The chip's answer, or what it did instead. A damaged answer leaves open what it did: it is started again.
type Answer = Result<Vec<u8>, ChipFault>;

impl OnReader<'_> {
    /// Makes it a band.
    pub(super) fn issue(&mut self, supplies: &Supplies) -> Result<(), Ended> {
        let keys = supplies.keys(self.uid.as_bytes()).map_err(Ended::Failed)?;
        match self.stands(&keys, supplies)? {
            Stands::Blank => {}
            Stands::InUse => return Err(Ended::Refused(Refused::InUse)),
            Stands::OtherEpoch => return Err(Ended::Refused(Refused::OtherEpoch)),
        }
        let random = [random::bytes().map_err(Ended::Failed)?, random::bytes().map_err(Ended::Failed)?];
        let mut issuing = Issuing::new(self.kind, keys, &supplies.credit_key, random);
        loop {
            match issuing.step().clone() {
                IssueStep::Chip(command) => {
                    let answer = self.send(&command)?;
                    issuing.reply(answer.as_deref().map_err(|fault| *fault));
                }
                IssueStep::Reselect => {
                    self.reselect()?;
                    issuing.reselected();
                }
                IssueStep::Finished(end) => {
                    return end.map(|_| ()).map_err(|refusal| Ended::Refused(Refused::Chip(refusal)));
                }
            }
        }
    }

    fn send(&mut self, command: &[u8]) -> Result<Answer, Ended> {
        match self.reader.transceive(command) {
            Ok(answer) => Ok(Ok(answer)),
            Err(ReaderError::Nak(_)) => Ok(Err(ChipFault::Nak)),
            Err(ReaderError::TagGone | ReaderError::Malformed) => Ok(Err(ChipFault::Gone)),
            Err(error @ (ReaderError::Unplugged | ReaderError::Io(_))) => Err(Ended::Reader(error)),
        }
    }

    /// Puts the chip to sleep and selects it again.
    fn reselect(&mut self) -> Result<(), Ended> {
        // a sleeping chip says nothing, so that this "fails" when it works
        self.send(&HALT)?.ok();
        for _ in 0..LOOKS {
            match self.reader.poll_tag() {
                Ok(Some(tag)) if tag.uid == self.uid => return Ok(()),
                Ok(Some(_)) => return Err(LEFT),
                // pcscd looks by itself, and takes a sleeping chip for one that has left until its next look
                Ok(None) | Err(ReaderError::TagGone | ReaderError::Nak(_) | ReaderError::Malformed) => {}
                Err(error @ (ReaderError::Unplugged | ReaderError::Io(_))) => return Err(Ended::Reader(error)),
            }
        }
        Err(LEFT)
    }

    /// Reads freely; `None`: the chip refuses, and is selected again.
    fn read(&mut self, command: &[u8]) -> Result<Option<Vec<u8>>, Ended> {
        match self.send(command)? {
            Ok(read) => Ok(Some(read)),
            Err(ChipFault::Nak) => self.reselect().map(|()| None),
            Err(ChipFault::Gone) => Err(LEFT),
        }
    }

    /// Whether it is a band of the festival already, and not as it was when it was new.
    fn stands(&mut self, keys: &BandKeys, supplies: &Supplies) -> Result<Stands, Ended> {
        let header = self.read(&layout::fast_read(layout::HEADER_READ))?;
        let (profile, festival) = (self.kind.profile(), &supplies.festival);
        match header.as_deref().map(|header| layout::header_epoch(header, profile, festival)) {
            Some(Ok(epoch)) if epoch == keys.epoch() => {}
            Some(Ok(_)) => return Ok(Stands::OtherEpoch),
            Some(Err(_)) | None => return Ok(Stands::Blank),
        }
        let Some(map) = self.kind.purse() else { return Ok(Stands::Blank) };
        let mut bytes = Vec::new();
        for range in map.reads {
            let Some(more) = self.read(&layout::fast_read(*range))? else { return Ok(Stands::InUse) };
            bytes.extend(more);
        }
        let pages = match self.kind {
            ChipKind::Ntag213 | ChipKind::Ntag215 | ChipKind::Ntag216 => PursePages::ntag21x(&bytes),
            ChipKind::UltralightAes => {
                let counter = self.read(&layout::read_counter())?;
                let counted = counter.and_then(|answer| layout::counted(&answer));
                counted.and_then(|spent| PursePages::ultralight_aes(&bytes, spent))
            }
        };
        let public = supplies.credit_key.verifying_key().to_bytes();
        let ours = CreditKey { id: domain::id::key_id(&public), public, revoked: false };
        Ok(match pages.map(|pages| pages.judge(keys, &[ours])) {
            Some(Ok(purse)) if purse.credit().credits == Cents::ZERO && *purse.record() == genesis_record() => {
                Stands::Blank
            }
            // no whole band yet: an issue broke off
            Some(Err(PurseFault::NotOurs | PurseFault::Unsupported)) => Stands::Blank,
            Some(Ok(_) | Err(_)) | None => Stands::InUse,
        })
    }
}
