//! One intent on its way to the chip: its pages, and from which of them on it can no longer be voided.
//! Invariant: an intent of an earlier tap is in doubt from the start.
//! Not here: who waits for what (`machine`).
use alloc::vec::Vec;

use super::{OpenIntent, TapContext, decide::Draft};
use crate::{
    id::EntryRef,
    money::Cents,
    wristband::{
        BandKeys, PurseImage,
        layout::{CREDIT_READ, PageWrite, SPENT_PAGES},
    },
};

/// An intent that is stored, and what carries it out.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) open: OpenIntent,
    pub(super) writes: Vec<PageWrite>,
    /// Of an earlier tap.
    pub(super) earlier: bool,
    /// Only its C is on the chip, its S is left out.
    pub(super) c_only: bool,
    pub(super) written_forward: Cents,
    /// The purse after its writes.
    pub(super) after: Option<PurseImage>,
    voidable: usize,
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
            writes: draft.writes,
            earlier: false,
            c_only: false,
            written_forward: draft.written_forward,
            after: None,
            voidable: draft.voidable,
        }
    }

    /// Of an earlier tap.
    pub(super) fn earlier(open: OpenIntent, writes: Vec<PageWrite>, c_only: bool) -> Self {
        let written_forward = Cents::ZERO;
        Self { open, writes, earlier: true, c_only, written_forward, after: None, voidable: 0 }
    }

    /// Whether the deciding page was not sent yet when write `at` was.
    pub(super) fn can_be_voided(&self, at: usize) -> bool {
        at < self.voidable
    }

    /// Whether it writes an S record.
    pub(super) fn writes_spent(&self) -> bool {
        self.writes.iter().any(|(page, _)| *page < CREDIT_READ.0)
    }

    /// Whether it writes a C record.
    pub(super) fn writes_credit(&self) -> bool {
        self.writes.iter().any(|(page, _)| *page >= CREDIT_READ.0)
    }

    /// Works out the purse after all writes; `false` where that would be none.
    pub(super) fn foresee(&mut self, image: Option<&PurseImage>, band: &BandKeys, ctx: &TapContext) -> bool {
        self.after = image.and_then(|image| image.after(&self.writes, band, &ctx.credit_keys).ok());
        self.after.is_some()
    }

    /// Whether the S record stands in these S slots.
    pub(super) fn spent_stands(&self, read_back: &[u8]) -> bool {
        self.stands(read_back, SPENT_PAGES[0], CREDIT_READ.0)
    }

    /// Whether the C record stands in these C slots.
    pub(super) fn credit_stands(&self, read_back: &[u8]) -> bool {
        self.stands(read_back, CREDIT_READ.0, u8::MAX)
    }

    /// Whether the writes from page `first` to before `end` show in bytes that were read from page `first` on.
    fn stands(&self, read_back: &[u8], first: u8, end: u8) -> bool {
        let pages = read_back.as_chunks::<4>().0;
        let mut here = self.writes.iter().filter(|(page, _)| (first..end).contains(page));
        here.all(|(page, written)| page.checked_sub(first).and_then(|at| pages.get(usize::from(at))) == Some(written))
    }
}
