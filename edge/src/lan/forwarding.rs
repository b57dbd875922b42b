//! What neighbours told and the hub still lacks goes up from here: a box that has no line to the hub is heard all the same,
//! and one that burns leaves what its neighbours have.
//! Invariant: what the hub has taken into account within a moment, its own box has sent.
//! Not here: how it is sent (`sync::session`), what is kept (`box_store`).
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use box_store::{Store, StoreError};
use domain::id::DeviceId;
use sync::JournalHeads;

/// A box with a line of its own needs less: its commit goes up at once, and what covers it comes down with the next batch.
const AFTER: Duration = Duration::from_secs(10);

/// What was kept when it was looked at last.
#[derive(Default)]
pub(crate) struct Forwarding {
    looked: Option<Instant>,
    /// How far each journal went.
    ends: BTreeMap<(DeviceId, u32), u32>,
}

impl Forwarding {
    /// Journals of neighbours of which something has stood here for so long.
    pub(crate) fn due(&mut self, store: &Store) -> Result<Vec<JournalHeads>, StoreError> {
        if self.looked.is_some_and(|last| last.elapsed() < AFTER) {
            return Ok(Vec::new());
        }
        self.looked = Some(Instant::now());
        let held = store.neighbours_held()?;
        let before = std::mem::take(&mut self.ends);
        self.ends = held.iter().map(|heads| (key(heads), end(heads))).collect();
        let stood = |heads: &JournalHeads| before.get(&key(heads)).is_some_and(|end| first(heads) < *end);
        Ok(held.into_iter().filter(stood).collect())
    }
}

fn key(heads: &JournalHeads) -> (DeviceId, u32) {
    (heads.device, heads.epoch)
}

fn end(heads: &JournalHeads) -> u32 {
    heads.branches.iter().map(sync::Branch::end).max().unwrap_or(0)
}

fn first(heads: &JournalHeads) -> u32 {
    let of = |branch: &sync::Branch| match branch.ranges.first() {
        Some((first, _)) if branch.contiguous == 0 => *first,
        Some(_) | None => 0,
    };
    heads.branches.iter().map(of).min().unwrap_or(0)
}
