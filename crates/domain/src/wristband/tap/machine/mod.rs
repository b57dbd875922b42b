//! The tap's states and what moves it from one to the next.
//! Invariant: one step is waited for at a time; an answer that was not asked for changes nothing.
//! Not here: what is decided (`decide`), how it is written (`writing`), how entries look (`entries`).
mod writing;

use alloc::{boxed::Box, collections::VecDeque, sync::Arc, vec, vec::Vec};

use super::{
    Carried, ChipFault, KnownWallet, OpenIntent, PurseChip, SettledAs, SettledIntent, StoreFailed, TapContext,
    TapOutcome, TapRefusal, TapRequest, TapStep,
    approach::{Approach, Next},
    decide::{self, Draft, Plan, Standing},
    entries,
    job::{Job, Progress},
    repair::Repair,
};
use crate::{
    id::{EntryRef, WalletId},
    journal::{Entry, IntentPurpose},
    money::Cents,
    wristband::{BandKeys, PurseFault, PurseImage, PursePages, session::Line},
};

/// Unfinished taps in a row after which a sale needs a supervisor.
const UNFINISHED_MAX: u8 = 2;

#[derive(Clone, Debug)]
enum Wait {
    Approach(Box<Approach>),
    Repaired { repair: Repair, at: usize },
    RepairReadBack(Repair),
    IntentStored(Draft),
    Written { job: Job, at: usize },
    SpentReadBack(Job),
    CreditReadBack(Job),
    Incremented(Job),
    CommitStored(Job),
    VoidStored { intent: EntryRef, fault: ChipFault },
    EarlierStored { open: OpenIntent, how: SettledAs },
    SuspicionStored(TapRefusal),
    Over,
}

/// One band held to one reader for one request.
pub struct Tap {
    ctx: Arc<TapContext>,
    known: KnownWallet,
    /// Its keys; once it was read, those of the epoch that it was made in.
    band: BandKeys,
    wallet: WalletId,
    request: TapRequest,
    open: VecDeque<OpenIntent>,
    line: Line,
    image: Option<PurseImage>,
    settled: Vec<SettledIntent>,
    /// The earlier intent that this request turned out to be.
    answer: Option<(OpenIntent, EntryRef)>,
    carried: Option<Carried>,
    wait: Wait,
    step: TapStep,
}

impl Tap {
    /// A selected chip with this full UID. Intents of other devices in `known.open` are left alone.
    pub fn new(ctx: Arc<TapContext>, mut known: KnownWallet, uid: &[u8], chip: PurseChip, request: TapRequest) -> Self {
        let band = BandKeys::new(&ctx.secrets, &ctx.festival, uid);
        let wallet = ctx.secrets.wallet(uid);
        let open = core::mem::take(&mut known.open).into_iter().filter(|i| i.entry.device == ctx.own_device).collect();
        let mut tap = Self {
            ctx,
            known,
            band,
            wallet,
            request,
            open,
            line: Line::Open,
            image: None,
            settled: Vec::new(),
            answer: None,
            carried: None,
            wait: Wait::Over,
            step: TapStep::Chip(Vec::new()),
        };
        let reads_only = matches!(tap.request, TapRequest::Balance);
        if !matches!(uid.len(), 4 | 7 | 10) {
            tap.refuse(TapRefusal::Unsupported);
        } else if tap.known.blocked && !reads_only {
            tap.refuse(TapRefusal::Blocked);
        } else if tap.known.frozen && !reads_only {
            tap.refuse(TapRefusal::Frozen);
        } else {
            match Approach::new(chip, &tap.ctx, uid, reads_only) {
                Ok((approach, command)) => tap.wait_for(TapStep::Chip(command), Wait::Approach(Box::new(approach))),
                Err(refusal) => tap.refuse(refusal),
            }
        }
        tap
    }

    /// What it waits for.
    pub fn step(&self) -> &TapStep {
        &self.step
    }

    /// Intents of earlier taps that this one has settled so far, whatever its outcome.
    pub fn settled(&self) -> &[SettledIntent] {
        &self.settled
    }

    /// What the hub owed and this tap has put on the band before it did what it was asked for, whatever its outcome.
    pub fn carried(&self) -> Option<Carried> {
        let earlier = self
            .settled
            .iter()
            .find(|earlier| earlier.how == SettledAs::Committed && earlier.open.intent.purpose == IntentPurpose::Carry);
        self.carried.or(earlier.map(|earlier| Carried { entry: earlier.entry, amount: earlier.open.amount }))
    }

    /// The epoch of the band's keys, once it was read and found good.
    pub fn epoch(&self) -> Option<u8> {
        self.image.as_ref().map(|_| self.band.epoch())
    }

    /// The band's wallet.
    pub fn wallet(&self) -> WalletId {
        self.wallet
    }

    /// The purse as it is now, once it was read and found good.
    pub fn purse(&self) -> Option<&PurseImage> {
        self.image.as_ref()
    }

    /// The chip's answer to the command of [`TapStep::Chip`].
    pub fn reply(&mut self, answer: Result<&[u8], ChipFault>) {
        if !matches!(self.step, TapStep::Chip(_)) {
            return;
        }
        let wait = core::mem::replace(&mut self.wait, Wait::Over);
        if let Wait::Approach(approach) = wait {
            let (approach, next) = approach.reply(answer);
            return self.approached(approach, next);
        }
        // an answer whose MAC is wrong is a damaged one: whether the chip did it is unknown
        let answer = answer.and_then(|answer| self.line.open(answer).ok_or(ChipFault::Gone));
        match (wait, answer) {
            (Wait::Repaired { repair, at }, Ok(_)) => self.repair_from(repair, at.saturating_add(1)),
            (Wait::RepairReadBack(repair), Ok(bytes)) if repair.stands(&bytes) => self.judge(repair.after),
            (Wait::Repaired { repair, .. } | Wait::RepairReadBack(repair), _) => self.not_repaired(&repair),
            (Wait::Written { job, at }, Ok(_)) => self.write_from(job, at.saturating_add(1)),
            (Wait::Written { job, at }, Err(fault)) => self.broke_off(job, Progress::Write(at), fault),
            (Wait::SpentReadBack(job), Ok(bytes)) => self.spent_read_back(job, &bytes),
            (Wait::CreditReadBack(job), Ok(bytes)) => self.credit_read_back(job, &bytes),
            (Wait::SpentReadBack(job) | Wait::CreditReadBack(job), Err(fault)) => {
                self.broke_off(job, Progress::ReadBack, fault);
            }
            (Wait::Incremented(job), Ok(_)) => self.commit(job),
            (Wait::Incremented(job), Err(fault)) => self.broke_off(job, Progress::Increment, fault),
            (
                wait @ (Wait::Approach(_)
                | Wait::IntentStored(_)
                | Wait::CommitStored(_)
                | Wait::VoidStored { .. }
                | Wait::EarlierStored { .. }
                | Wait::SuspicionStored(_)
                | Wait::Over),
                _,
            ) => self.wait = wait,
        }
    }

    /// The store's answer to [`TapStep::Store`]: the entries' references in order, once they are durable.
    /// `StoreFailed` promises that none of them will ever show.
    pub fn stored(&mut self, answer: Result<&[EntryRef], StoreFailed>) {
        if !matches!(self.step, TapStep::Store(_)) {
            return;
        }
        let first = answer.ok().and_then(|refs| refs.first().copied());
        match (core::mem::replace(&mut self.wait, Wait::Over), first) {
            (Wait::IntentStored(draft), Some(entry)) => self.carry_out(draft, entry),
            (Wait::IntentStored(_), None) => self.refuse(TapRefusal::DiskFull),
            (Wait::CommitStored(job), Some(entry)) => self.committed(job, entry),
            (Wait::CommitStored(job), None) => self.in_doubt(&job),
            (Wait::VoidStored { intent, fault: ChipFault::Gone }, Some(_)) => {
                self.finish(TapOutcome::NothingHappened { voided: Some(intent) });
            }
            (Wait::VoidStored { fault: ChipFault::Nak, .. }, Some(_)) => self.refuse(TapRefusal::RefusedWrite),
            (Wait::VoidStored { intent, .. }, None) => self.finish(TapOutcome::TapAgain { intent }),
            (Wait::EarlierStored { open, how }, Some(entry)) => {
                if how == SettledAs::Void {
                    self.known.not_taken(&open);
                }
                // an offer that cannot be finished leaves the request as it was: nothing of it is in doubt
                let beside = self.is_beside(open.intent.purpose);
                let unclear_retry = how == SettledAs::GivenUp && !beside && self.request.is_retry_of(open.entry);
                self.settled.push(SettledIntent { open, how, entry });
                if unclear_retry { self.refuse(TapRefusal::Supervisor) } else { self.go_on() }
            }
            (Wait::EarlierStored { .. }, None) => self.refuse(TapRefusal::DiskFull),
            (Wait::SuspicionStored(refusal), _) => self.refuse(refusal),
            (
                wait @ (Wait::Approach(_)
                | Wait::Repaired { .. }
                | Wait::RepairReadBack(_)
                | Wait::Written { .. }
                | Wait::SpentReadBack(_)
                | Wait::CreditReadBack(_)
                | Wait::Incremented(_)
                | Wait::Over),
                _,
            ) => self.wait = wait,
        }
    }

    fn approached(&mut self, approach: Option<Approach>, next: Next) {
        match (approach, next) {
            (Some(approach), Next::Ask(command)) => {
                self.wait_for(TapStep::Chip(command), Wait::Approach(Box::new(approach)));
            }
            (_, Next::Here(pages, band, line)) => {
                self.band = band;
                self.line = line;
                self.judge(pages);
            }
            (_, Next::Refused(refusal)) => self.refuse(refusal),
            (_, Next::Left | Next::Ask(_)) => self.left(),
        }
    }

    fn judge(&mut self, pages: PursePages) {
        match pages.judge(&self.band, &self.ctx.credit_keys) {
            Ok(image) => {
                self.image = Some(image);
                self.go_on();
            }
            Err(fault @ (PurseFault::CreditTorn | PurseFault::UnknownCreditKey))
                if !matches!(self.request, TapRequest::Balance) =>
            {
                match Repair::of(&pages, &self.open, &self.known, &self.band, &self.ctx) {
                    Some(repair) => self.repair_from(repair, 0),
                    None => self.refuse(fault.into()),
                }
            }
            Err(fault @ (PurseFault::Tampered | PurseFault::RolledBack))
                if !matches!(self.request, TapRequest::Balance) =>
            {
                let refusal = TapRefusal::from(fault);
                let entry = entries::suspicion(refusal.code(), Cents::ZERO, None, &self.ctx, self.wallet);
                self.store(vec![entry], Wait::SuspicionStored(refusal));
            }
            Err(fault) => self.refuse(fault.into()),
        }
    }

    /// Settles the next intent in doubt; when there is none left, does what was asked for.
    fn go_on(&mut self) {
        let Some(image) = self.image.clone() else {
            return self.left();
        };
        if matches!(self.request, TapRequest::Balance) {
            return self.finish(TapOutcome::Done {
                entry: None,
                balance_after: image.balance(self.known.ledger_spent),
                charged: Cents::ZERO,
                credited: Cents::ZERO,
                paid_back: Cents::ZERO,
                finished_earlier: Vec::new(),
            });
        }
        match self.open.pop_front() {
            Some(open) => self.settle(open, &image),
            None => match self.answer.take() {
                Some((open, entry)) => self.done(&open, entry),
                None => self.start(&image),
            },
        }
    }

    fn settle(&mut self, open: OpenIntent, image: &PurseImage) {
        match decide::standing(&open, image, &self.ctx, &self.band) {
            Standing::Applied { c_only } => {
                let job = Job::earlier(open, Plan::nothing(), c_only);
                self.commit(job);
            }
            Standing::Again { plan, c_only } => {
                let job = Job::earlier(open, plan, c_only);
                self.write_from(job, 0);
            }
            Standing::NotApplied => {
                let entry = entries::void(&open, Some(image), &self.ctx, self.wallet);
                self.store(vec![entry], Wait::EarlierStored { open, how: SettledAs::Void });
            }
            Standing::Unclear => {
                let entry = entries::gave_up(&open, image, &self.ctx, self.wallet);
                self.store(vec![entry], Wait::EarlierStored { open, how: SettledAs::GivenUp });
            }
        }
    }

    fn start(&mut self, image: &PurseImage) {
        let committed = self.settled.iter().any(|earlier| earlier.how == SettledAs::Committed);
        let is_sale = matches!(self.request, TapRequest::Sale { .. });
        if is_sale && !committed && self.known.unfinished_in_a_row >= UNFINISHED_MAX {
            return self.refuse(TapRefusal::Supervisor);
        }
        if let Some(draft) = self.offered(image) {
            let entry = entries::intent(&draft, &self.ctx, self.wallet);
            return self.store(vec![entry], Wait::IntentStored(draft));
        }
        match self.drafted(image) {
            Ok(draft) => {
                let entry = entries::intent(&draft, &self.ctx, self.wallet);
                self.store(vec![entry], Wait::IntentStored(draft));
            }
            Err(refusal) => self.refuse(refusal),
        }
    }

    /// What was asked for. Where its record would be the very one of a sale that this box gave up, nobody could tell the
    /// two apart: then a record of price 0 comes first, which settles that sale, and the request follows it.
    fn drafted(&self, image: &PurseImage) -> Result<Draft, TapRefusal> {
        let draft = decide::draft(&self.request, &self.known, image, &self.ctx, &self.band)?;
        let charges = matches!(draft.intent.purpose, IntentPurpose::Sale | IntentPurpose::Refund);
        if charges && draft.amount > Cents::ZERO && self.known.given_up.contains(&draft.intent.own) {
            return decide::draft(&TapRequest::ClosingRead, &self.known, image, &self.ctx, &self.band);
        }
        Ok(draft)
    }

    /// The C′ on offer, where it replaces exactly the C that is on the chip; asked once.
    fn offered(&mut self, image: &PurseImage) -> Option<Draft> {
        let record = self.known.offer.take()?;
        if matches!(self.request, TapRequest::Carry { .. } | TapRequest::Supersede { .. }) {
            return None;
        }
        decide::draft(&TapRequest::Carry { record }, &self.known, image, &self.ctx, &self.band).ok()
    }

    /// Whether the intent is there for an offer or comes in front of a sale, and is not what was asked.
    fn is_beside(&self, purpose: IntentPurpose) -> bool {
        match purpose {
            IntentPurpose::Carry => !matches!(self.request, TapRequest::Carry { .. }),
            IntentPurpose::ClosingRead => !matches!(self.request, TapRequest::ClosingRead),
            IntentPurpose::Sale | IntentPurpose::TopUp | IntentPurpose::Refund => false,
        }
    }

    fn carry_out(&mut self, draft: Draft, entry: EntryRef) {
        self.write_from(Job::new(draft, entry, &self.ctx), 0);
    }

    fn committed(&mut self, job: Job, entry: EntryRef) {
        if let Some(image) = job.after {
            self.image = Some(image);
        }
        if !job.earlier && self.is_beside(job.open.intent.purpose) {
            if job.open.intent.purpose == IntentPurpose::Carry {
                self.carried = Some(Carried { entry, amount: job.open.amount });
            }
            return self.go_on();
        }
        if !job.earlier {
            return self.done(&job.open, entry);
        }
        if self.request.is_answered_by(&job.open) {
            self.answer = Some((job.open.clone(), entry));
        }
        self.settled.push(SettledIntent { open: job.open, how: SettledAs::Committed, entry });
        self.go_on();
    }

    fn done(&mut self, open: &OpenIntent, entry: EntryRef) {
        let of = |purposes: &[IntentPurpose]| {
            if purposes.contains(&open.intent.purpose) { open.amount } else { Cents::ZERO }
        };
        self.finish(TapOutcome::Done {
            entry: Some(entry),
            balance_after: self.image.as_ref().map_or(Cents::ZERO, |image| image.balance(self.known.ledger_spent)),
            charged: of(&[IntentPurpose::Sale]),
            credited: of(&[IntentPurpose::TopUp, IntentPurpose::Carry]),
            paid_back: of(&[IntentPurpose::Refund]),
            finished_earlier: self.settled.iter().map(|earlier| earlier.open.entry).collect(),
        });
    }

    fn in_doubt(&mut self, job: &Job) {
        self.finish(TapOutcome::TapAgain { intent: job.open.entry });
    }

    fn left(&mut self) {
        self.finish(TapOutcome::NothingHappened { voided: None });
    }

    fn refuse(&mut self, refusal: TapRefusal) {
        self.finish(TapOutcome::Refused(refusal));
    }

    fn ask(&mut self, command: Vec<u8>, wait: Wait) {
        let sealed = self.line.seal(command);
        self.wait_for(TapStep::Chip(sealed), wait);
    }

    fn store(&mut self, entries: Vec<Entry>, wait: Wait) {
        self.wait_for(TapStep::Store(entries), wait);
    }

    fn finish(&mut self, outcome: TapOutcome) {
        self.wait_for(TapStep::Finished(outcome), Wait::Over);
    }

    fn wait_for(&mut self, step: TapStep, wait: Wait) {
        self.step = step;
        self.wait = wait;
    }
}
