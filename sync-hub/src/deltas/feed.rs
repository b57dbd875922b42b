//! Signed batches in memory, for the sessions to send; on disk (`store`) for the time after a restart.
//! Invariant: bounded; whoever needs a batch that is gone gets a snapshot.
//! Not here: making batches and snapshots (`deltas`), which need the store.
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{PoisonError, RwLock},
};

use sync::{Section, SignedDelta};

/// Most bytes of batches kept of one section.
const KEPT_BYTES: usize = 16 << 20;
/// Most batches kept of one section.
const KEPT: usize = 4096;

/// One signed batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its number.
    pub number: u64,
    /// The batch that it applies on; 0 for a snapshot.
    pub prev: u64,
    /// Its parts.
    pub parts: Vec<SignedDelta>,
}

#[derive(Debug, Default)]
struct Feed {
    number: u64,
    batches: VecDeque<Batch>,
    bytes: usize,
    snapshot: Option<Batch>,
}

/// The answer to a session that asks for the next batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The box knows the newest.
    Nothing,
    /// This part.
    Part(SignedDelta),
    /// A snapshot must be made first (`Hub::snapshot`), then ask again.
    MakeSnapshot,
}

/// All sections.
#[derive(Debug, Default)]
pub struct Feeds {
    inner: RwLock<(u32, BTreeMap<Section, Feed>)>,
}

impl Batch {
    fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.body.len()).sum()
    }

    fn part(&self, part: u16) -> Option<SignedDelta> {
        self.parts.get(usize::from(part)).cloned()
    }
}

impl Feed {
    fn keep(&mut self, batch: Batch) {
        self.bytes = self.bytes.saturating_add(batch.bytes());
        self.batches.push_back(batch);
        while self.bytes > KEPT_BYTES || self.batches.len() > KEPT {
            let Some(gone) = self.batches.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(gone.bytes());
        }
    }

    /// Whether the snapshot that is there is shorter than the batches from `number` up to it.
    fn is_shorter_by_snapshot(&self, number: u64) -> bool {
        self.snapshot.as_ref().is_some_and(|snapshot| {
            let missed = self.batches.iter().rev().take_while(|batch| batch.number > number);
            let up_to_it = missed.filter(|batch| batch.number <= snapshot.number);
            snapshot.bytes() < up_to_it.map(Batch::bytes).sum()
        })
    }

    /// Whether the batches kept lead from `number` to the newest.
    fn leads_from(&self, number: u64) -> bool {
        number == self.number || self.batches.iter().any(|batch| batch.prev == number && number > 0)
    }
}

impl Feeds {
    fn write<T>(&self, act: impl FnOnce(&mut u32, &mut BTreeMap<Section, Feed>) -> T) -> T {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let (term, feeds) = &mut *inner;
        act(term, feeds)
    }

    pub(crate) fn start(&self, term: u32, numbers: &BTreeMap<Section, u64>) {
        self.write(|now, feeds| {
            *now = term;
            *feeds = numbers
                .iter()
                .map(|(section, number)| (*section, Feed { number: *number, ..Feed::default() }))
                .collect();
        });
    }

    /// What was published before a restart, as far as it leads to the newest without a gap.
    pub(crate) fn resume(&self, section: Section, batches: Vec<Batch>) {
        self.write(|_, feeds| {
            let feed = feeds.entry(section).or_default();
            for batch in batches {
                if feed.batches.back().is_some_and(|last| last.number != batch.prev) {
                    (feed.bytes, feed.batches) = (0, VecDeque::new());
                }
                feed.keep(batch);
            }
            if feed.batches.back().is_some_and(|last| last.number != feed.number) {
                (feed.bytes, feed.batches) = (0, VecDeque::new());
            }
        });
    }

    /// The oldest batch of a section that is kept.
    pub(crate) fn oldest(&self, section: Section) -> Option<u64> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.1.get(&section)?.batches.front().map(|batch| batch.number)
    }

    pub(crate) fn publish(&self, section: Section, batch: Batch) {
        self.write(|_, feeds| {
            let feed = feeds.entry(section).or_default();
            feed.number = batch.number;
            feed.keep(batch);
            let still = feed.snapshot.as_ref().is_some_and(|snapshot| feed.leads_from(snapshot.number));
            if !still {
                feed.snapshot = None;
            }
        });
    }

    pub(crate) fn has_snapshot_at(&self, section: Section, number: u64) -> bool {
        self.write(|_, feeds| {
            feeds.get(&section).and_then(|feed| feed.snapshot.as_ref()).is_some_and(|s| s.number == number)
        })
    }

    pub(crate) fn set_snapshot(&self, section: Section, snapshot: Batch) {
        self.write(|_, feeds| feeds.entry(section).or_default().snapshot = Some(snapshot));
    }

    /// Term, and the newest number of each section.
    pub fn newest(&self) -> (u32, BTreeMap<Section, u64>) {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        (inner.0, inner.1.iter().map(|(section, feed)| (*section, feed.number)).collect())
    }

    /// What to send to a box that holds `number` of `term`; `resume` names a batch under way and the part that is due.
    pub fn next(&self, section: Section, term: u32, number: u64, resume: Option<(u64, u16)>) -> Next {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let (now, feeds) = (inner.0, &inner.1);
        let Some(feed) = feeds.get(&section) else { return Next::Nothing };
        let same_term = term == now;
        if let Some((batch, part)) = resume {
            // A snapshot under way is finished as such, even where there is a batch of its number.
            let snapshot = feed.snapshot.as_ref().filter(|snapshot| snapshot.number == batch);
            let step = feed.batches.iter().find(|kept| kept.number == batch && kept.prev == number && same_term);
            if let Some(found) = step.or(snapshot).and_then(|batch| batch.part(part)) {
                return Next::Part(found);
            }
        }
        if same_term && number >= feed.number {
            return Next::Nothing;
        }
        let step = feed.batches.iter().find(|batch| same_term && number > 0 && batch.prev == number);
        if let Some(part) = step.filter(|_| !feed.is_shorter_by_snapshot(number)).and_then(|batch| batch.part(0)) {
            return Next::Part(part);
        }
        let newer = |snapshot: &&Batch| !same_term || snapshot.number > number;
        match feed.snapshot.as_ref().filter(newer).and_then(|snapshot| snapshot.part(0)) {
            Some(part) => Next::Part(part),
            None => Next::MakeSnapshot,
        }
    }
}
