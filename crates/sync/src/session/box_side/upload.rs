//! Where one journal stands on its way to the hub.
use super::{Acked, KnownHead};
use crate::{
    segment::Segment,
    vector::{Branch, Hash16, JournalHeads, hash16},
};

/// What the hub holds of a journal, as far as this box knows.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
enum Hub {
    /// It has not told yet.
    #[default]
    Unknown,
    /// One of these heads may lie on this box's branch; the read from there tells (largest last).
    Candidates(Vec<(u32, Hash16)>),
    /// Everything up to the cursor.
    Known,
    /// Nothing more can be sent in this session.
    Over,
}

/// One journal's way up.
#[derive(Clone, Debug, Default)]
pub(super) struct Upload {
    /// What this box holds.
    pub(super) held: Branch,
    /// What a hub confirmed.
    pub(super) acked: Option<Acked>,
    /// Segments sent and not acknowledged.
    pub(super) in_flight: usize,
    hub: Hub,
    cursor: u32,
    wanted: Option<u32>,
}

impl Upload {
    /// The connection is gone.
    pub(super) fn interrupt(&mut self) {
        (self.in_flight, self.hub, self.cursor, self.wanted) = (0, Hub::Unknown, 0, None);
    }

    /// The store has nothing there.
    pub(super) fn give_up(&mut self) {
        self.hub = Hub::Over;
    }

    /// Position that the next read starts at.
    pub(super) fn next(&self) -> Option<u32> {
        let from = match &self.hub {
            Hub::Unknown | Hub::Over => return None,
            Hub::Candidates(heads) => heads.last().map_or(0, |head| head.0),
            Hub::Known => self.cursor,
        };
        (from < self.held.end()).then_some(from)
    }

    /// The hub told what it holds. Gives a head that it has and this box lacks.
    pub(super) fn hub_holds(&mut self, heads: Option<&JournalHeads>, is_own: bool) -> Option<KnownHead> {
        let none = Vec::new();
        let branches = heads.map_or(&none, |heads| &heads.branches);
        let mine = (self.held.contiguous, self.held.hash);
        let ahead = branches
            .iter()
            .filter(|branch| branch.end() > mine.0 || (branch.contiguous == mine.0 && branch.hash != mine.1))
            .max_by_key(|branch| branch.end())
            .map(|branch| KnownHead { seq: branch.end().saturating_sub(1), hash: branch.hash });
        if branches.iter().any(|branch| branch.contiguous > 0 && (branch.contiguous, branch.hash) == mine) {
            (self.hub, self.cursor) = (Hub::Known, mine.0);
            return ahead;
        }
        if !is_own {
            // Of another's journal this box cannot know its own place on a longer branch: the hub's word is taken.
            let furthest = branches.iter().map(|branch| branch.contiguous).max().unwrap_or(0);
            (self.hub, self.cursor) = (Hub::Known, furthest);
            return ahead;
        }
        let below = branches.iter().filter(|branch| branch.contiguous > 0 && branch.contiguous < mine.0);
        let mut candidates: Vec<(u32, Hash16)> = below.map(|branch| (branch.contiguous, branch.hash)).collect();
        candidates.sort_unstable();
        (self.hub, self.cursor) = match (candidates.is_empty(), self.acked) {
            (false, _) => (Hub::Candidates(candidates), 0),
            // A branch that the hub does not know, or none at all: from the last common point that is certain.
            (true, Some(acked)) if !branches.is_empty() => (Hub::Candidates(vec![(acked.contiguous, acked.hash)]), 0),
            (true, _) => (Hub::Known, 0),
        };
        ahead
    }

    /// The hub wants it from here.
    pub(super) fn wanted(&mut self, seq: u32) {
        if self.wanted.is_some_and(|before| before == seq) {
            // Asked twice for the same: this box does not have what is missing.
            self.hub = Hub::Over;
        } else if !matches!(self.hub, Hub::Over) {
            (self.wanted, self.hub, self.cursor) = (Some(seq), Hub::Known, seq);
        }
    }

    /// A read came back; gives it when it continues what the hub holds.
    pub(super) fn take(&mut self, segment: Segment, term: u32, is_own: bool) -> Option<Segment> {
        if segment.bodies.is_empty() || (is_own && self.next().is_some_and(|from| from != segment.first)) {
            self.give_up();
            return None;
        }
        if let Hub::Candidates(heads) = &mut self.hub {
            let (at, hash) = heads.pop()?;
            if at == segment.first && hash == hash16(&segment.prev) {
                self.hub = Hub::Known;
            } else {
                if heads.is_empty() {
                    // None of the hub's heads is on this branch: from the last confirmed one, or from the start.
                    let acked = self.acked.filter(|acked| acked.term == term && (acked.contiguous, acked.hash) != (at, hash));
                    match acked {
                        Some(acked) => heads.push((acked.contiguous, acked.hash)),
                        None => (self.hub, self.cursor) = (Hub::Known, 0),
                    }
                }
                return None;
            }
        }
        self.cursor = segment.last().saturating_add(1);
        self.in_flight = self.in_flight.saturating_add(1);
        Some(segment)
    }

    /// One segment is on the hub's disk. `true` when the hub confirmed more than it did before.
    pub(super) fn acknowledged(&mut self, ack: Acked) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        let more = self.acked.is_none_or(|before| ack.term != before.term || ack.contiguous > before.contiguous);
        if more && ack.contiguous > 0 {
            self.acked = Some(ack);
        }
        if ack.contiguous > self.cursor {
            self.cursor = ack.contiguous;
        }
        more && ack.contiguous > 0
    }
}
