//! What this box tells its neighbours of its own journal, and whose disks have it.
//! Invariant: commits are told in their order, after they are on this box's disk.
//! Not here: what neighbours tell (`desk`).
use std::time::Instant;

use box_store::StoreError;
use domain::{id::EntryRef, lan::Message};

use super::{
    super::{COPIED_WITHIN, bus::To},
    ASK, Desk,
};

/// Entries told in one message.
const TELL: usize = 16;
/// Entries told again after a connection, and to a neighbour that comes.
const TELL_AGAIN: u32 = 64;
/// Told commits whose copies are waited for or shown.
const COPIES: usize = 256;

/// Entries that were told together.
pub(super) struct Chunk {
    pub(super) epoch: u32,
    first: u32,
    pub(super) last: u32,
    pub(super) copied: bool,
}

impl Desk {
    /// Tells the own commits that were not told yet.
    pub(super) fn tell(&mut self) -> Result<(), StoreError> {
        if !self.connected {
            return Ok(());
        }
        let Some(head) = self.station.store.read(|view| view.head())? else { return Ok(()) };
        let epoch = head.at.epoch;
        let mut from = match self.next {
            Some((told, next)) if told == epoch => next,
            Some(_) => 0,
            None => self.tell_first(head.at)?,
        };
        while from <= head.at.seq {
            let Some(segment) = self.station.store.segment(head.at.device, epoch, from, TELL)? else { break };
            let told = box_store::told_of(segment);
            let last = told.head().seq;
            self.chunks.push_back(Chunk { epoch, first: told.first, last, copied: false });
            if self.chunks.len() > COPIES {
                self.chunks.pop_front();
            }
            self.say(To::All, &Message::Commit(told));
            from = last.saturating_add(1);
        }
        self.next = Some((epoch, from));
        Ok(())
    }

    /// Tells a neighbour that came what it may have missed; all hear it, so not at every word.
    pub(super) fn tell_again(&mut self) -> Result<(), StoreError> {
        if !self.asked_again || self.told_again.is_some_and(|at| at.elapsed() < ASK) {
            return Ok(());
        }
        (self.asked_again, self.told_again, self.next) = (false, Some(Instant::now()), None);
        self.tell()
    }

    /// Where telling begins after a connection. Without a journal's start the hub takes nothing of it from others, so
    /// that is told first for as long as the hub has confirmed nothing.
    fn tell_first(&self, head: EntryRef) -> Result<u32, StoreError> {
        let from = head.seq.saturating_sub(TELL_AGAIN).max(1);
        let is_known = self.station.store.acked()?.iter().any(|acked| acked.epoch == head.epoch);
        if is_known {
            return Ok(from);
        }
        if let Some(start) = self.station.store.segment(head.device, head.epoch, 0, 1)? {
            self.say(To::All, &Message::Commit(box_store::told_of(start)));
        }
        Ok(from)
    }

    /// Neighbours keep nothing of what the hub covers.
    pub(super) fn is_at_hub(&self, chunk: &Chunk) -> bool {
        let acked = self.station.store.acked().unwrap_or_default();
        acked.iter().any(|acked| acked.epoch == chunk.epoch && acked.contiguous > chunk.last)
    }

    fn is_copied(&self, entry: EntryRef) -> bool {
        let here = |chunk: &&Chunk| chunk.epoch == entry.epoch && (chunk.first..=chunk.last).contains(&entry.seq);
        self.chunks.iter().filter(here).any(|chunk| chunk.copied)
    }

    pub(super) fn answer_copies(&mut self) {
        for (entry, since, answer) in std::mem::take(&mut self.copies_wanted) {
            let copied = self.is_copied(entry);
            let can = self.connected && since.elapsed() < COPIED_WITHIN;
            if copied || !can {
                let _ = answer.try_send(copied);
            } else {
                self.copies_wanted.push((entry, since, answer));
            }
        }
    }
}
