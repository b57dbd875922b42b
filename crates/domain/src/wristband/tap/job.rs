//! One intent on its way to the chip: its pages, the increment, and from which of them on it can no longer be voided.
//! Invariant: an intent of an earlier tap is in doubt from the start.
//! Not here: who waits for what (`machine`).
use super::{
    OpenIntent, TapContext,
    decide::{Deciding, Draft, Plan},
};
use crate::{
    id::EntryRef,
    money::Cents,
    wristband::{BandKeys, PurseImage, layout::PurseMap},
};

/// How far the writing of an intent has come when an answer is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// In this page write.
    Write(usize),
    /// After the writes, before the increment if there is one.
    ReadBack,
    /// In the increment or after it.
    Increment,
}

/// An intent that is stored, and what carries it out.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) open: OpenIntent,
    pub(super) plan: Plan,
    /// Of an earlier tap.
    pub(super) earlier: bool,
    /// Only its C is on the chip, its S is left out.
    pub(super) c_only: bool,
    pub(super) written_forward: Cents,
    /// The purse after its writes.
    pub(super) after: Option<PurseImage>,
}

impl Job {
    /// Of this tap: `entry` is the stored intent.
    pub(super) fn new(draft: Draft, entry: EntryRef, ctx: &TapContext) -> Self {
        let open = OpenIntent {
            entry,
            intent: draft.intent,
            amount: draft.amount,
            tap_counter: draft.tap_counter,
            handed_over: false,
            price_revision: draft.price_revision,
            operator: ctx.operator,
        };
        Self {
            open,
            plan: draft.plan,
            earlier: false,
            c_only: false,
            written_forward: draft.written_forward,
            after: None,
        }
    }

    /// Of an earlier tap.
    pub(super) fn earlier(open: OpenIntent, plan: Plan, c_only: bool) -> Self {
        Self { open, plan, earlier: true, c_only, written_forward: Cents::ZERO, after: None }
    }

    /// Whether the deciding command was not sent yet.
    pub(super) fn can_be_voided(&self, progress: Progress) -> bool {
        match (self.plan.deciding, progress) {
            _ if self.earlier => false,
            (Deciding::Write(deciding), Progress::Write(at)) => at < deciding,
            (Deciding::Increment, Progress::Write(_) | Progress::ReadBack) => true,
            (Deciding::Write(_) | Deciding::Increment | Deciding::FirstWrite, _) => false,
        }
    }

    /// Whether it writes an S record.
    pub(super) fn writes_spent(&self, map: &PurseMap) -> bool {
        self.plan.writes.iter().any(|(page, _)| *page < map.credit_read.0)
    }

    /// Whether it writes a C record.
    pub(super) fn writes_credit(&self, map: &PurseMap) -> bool {
        self.plan.writes.iter().any(|(page, _)| *page >= map.credit_read.0)
    }

    /// Works out the purse after all of it; `false` where that would be none.
    pub(super) fn foresee(&mut self, image: Option<&PurseImage>, band: &BandKeys, ctx: &TapContext) -> bool {
        self.after = image.and_then(|image| {
            let spent = if self.plan.increment.is_some() { self.open.intent.spent_after } else { image.record().spent };
            image.after(&self.plan.writes, spent, band, &ctx.credit_keys).ok()
        });
        self.after.is_some()
    }

    /// Whether the S record stands in these S slots.
    pub(super) fn spent_stands(&self, read_back: &[u8], map: &PurseMap) -> bool {
        self.stands(read_back, map.spent_read.0, map.credit_read.0)
    }

    /// Whether the C record stands in these C slots.
    pub(super) fn credit_stands(&self, read_back: &[u8], map: &PurseMap) -> bool {
        self.stands(read_back, map.credit_read.0, u8::MAX)
    }

    /// Whether the writes from page `first` to before `end` show in bytes that were read from page `first` on.
    fn stands(&self, read_back: &[u8], first: u8, end: u8) -> bool {
        let pages = read_back.as_chunks::<4>().0;
        let mut here = self.plan.writes.iter().filter(|(page, _)| (first..end).contains(page));
        here.all(|(page, written)| page.checked_sub(first).and_then(|at| pages.get(usize::from(at))) == Some(written))
    }
}
