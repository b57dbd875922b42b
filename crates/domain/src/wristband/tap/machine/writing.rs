//! Pages on their way to the chip, what is read back of them, the increment, and what follows when it breaks off.
//! Invariant: nothing is counted before it was read back; nothing is committed before the chip has counted it.
//! Not here: what is written (`decide`, `repair`).
use alloc::vec;

use super::{Tap, Wait};
use crate::{
    money::Cents,
    wristband::{
        PurseImage,
        layout::{PurseMap, fast_read, increment, write},
        tap::{
            ChipFault, TapOutcome, entries,
            job::{Job, Progress},
            repair::Repair,
        },
    },
};

impl Tap {
    /// Completes the write of the only C record that broke off. Who signed it has stored it, so nothing is stored here.
    pub(super) fn repair_from(&mut self, repair: Repair, at: usize) {
        match repair.writes.get(at) {
            Some(page) => self.ask(write(*page), Wait::Repaired { repair, at }),
            None => self.ask(fast_read(repair.map().credit_read), Wait::RepairReadBack(repair)),
        }
    }

    pub(super) fn not_repaired(&mut self, repair: &Repair) {
        match repair.intent {
            Some(intent) => self.finish(TapOutcome::TapAgain { intent }),
            None => self.left(),
        }
    }

    pub(super) fn write_from(&mut self, mut job: Job, at: usize) {
        if let Some(page) = job.plan.writes.get(at) {
            return self.ask(write(*page), Wait::Written { job, at });
        }
        let Some(map) = self.map().filter(|_| job.foresee(self.image.as_ref(), &self.band, &self.ctx)) else {
            return self.in_doubt(&job);
        };
        if job.writes_spent(map) {
            self.ask(fast_read(map.spent_read), Wait::SpentReadBack(job));
        } else {
            self.ask(fast_read(map.credit_read), Wait::CreditReadBack(job));
        }
    }

    pub(super) fn map(&self) -> Option<&'static PurseMap> {
        self.image.as_ref().map(PurseImage::map)
    }

    pub(super) fn spent_read_back(&mut self, job: Job, bytes: &[u8]) {
        match self.map() {
            Some(map) if job.spent_stands(bytes, map) && job.writes_credit(map) => {
                self.ask(fast_read(map.credit_read), Wait::CreditReadBack(job));
            }
            Some(map) if job.spent_stands(bytes, map) => self.increment(job),
            _ => self.broke_off(job, Progress::ReadBack, ChipFault::Nak),
        }
    }

    pub(super) fn credit_read_back(&mut self, job: Job, bytes: &[u8]) {
        match self.map() {
            Some(map) if job.credit_stands(bytes, map) => self.increment(job),
            _ => self.broke_off(job, Progress::ReadBack, ChipFault::Nak),
        }
    }

    /// The chip's own count is the commit, and its answer with a MAC the proof.
    pub(super) fn increment(&mut self, job: Job) {
        match job.plan.increment {
            Some(amount) => self.ask(increment(amount), Wait::Incremented(job)),
            None => self.commit(job),
        }
    }

    pub(super) fn commit(&mut self, job: Job) {
        let mut stored = vec![entries::commit(&job.open, job.c_only, &self.ctx, self.wallet)];
        if job.written_forward > Cents::ZERO {
            let (amount, intent) = (job.written_forward, Some(job.open.entry));
            stored.push(entries::suspicion("band.behind_ledger", amount, intent, &self.ctx, self.wallet));
        }
        self.store(stored, Wait::CommitStored(job));
    }

    /// An answer is missing or wrong: void if the deciding command was not sent, otherwise in doubt.
    pub(super) fn broke_off(&mut self, job: Job, progress: Progress, fault: ChipFault) {
        if !job.can_be_voided(progress) {
            return self.in_doubt(&job);
        }
        let entry = entries::void(&job.open, None, &self.ctx, self.wallet);
        self.store(vec![entry], Wait::VoidStored { intent: job.open.entry, fault });
    }
}
