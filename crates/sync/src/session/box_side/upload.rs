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
    /// Segments in flight that were sent before the hub asked from `wanted`.
    sent_before: usize,
    /// Whether the last acknowledgement was for one of those.
    was_before: bool,
    /// A head of the hub's that a read showed not to lie on this box's branch.
    pub(super) foreign: Option<KnownHead>,
    /// A head of the hub's that lies on this box's branch: what it holds for certain.
    pub(super) shared: Option<(u32, Hash16)>,
}

impl Upload {
    /// The connection is gone.
    pub(super) fn interrupt(&mut self) {
        (self.in_flight, self.hub, self.cursor, self.wanted) = (0, Hub::Unknown, 0, None);
        (self.sent_before, self.was_before) = (0, false);
    }

    /// More is held of a neighbour's journal: it is sent, also where the hub lacks something before it.
    pub(super) fn grew(&mut self, before: u32) {
        if matches!(self.hub, Hub::Over) && self.held.end() > before {
            (self.hub, self.cursor) = (Hub::Known, before);
        }
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
    pub(super) fn hub_holds(&mut self, heads: Option<&JournalHeads>, term: u32, is_own: bool) -> Option<KnownHead> {
        let none = Vec::new();
        let branches = heads.map_or(&none, |heads| &heads.branches);
        let mine = (self.held.contiguous, self.held.hash);
        let ahead = branches
            .iter()
            .filter(|branch| branch.end() > mine.0 || (branch.contiguous == mine.0 && branch.hash != mine.1))
            .max_by_key(|branch| branch.end())
            .map(|branch| KnownHead { seq: branch.end().saturating_sub(1), hash: branch.hash });
        if branches.iter().any(|branch| branch.contiguous > 0 && (branch.contiguous, branch.hash) == mine) {
            (self.hub, self.cursor, self.shared) = (Hub::Known, mine.0, Some(mine));
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
        (self.hub, self.cursor) = if branches.is_empty() {
            // whatever it confirmed once: it has nothing of this journal now
            (Hub::Known, 0)
        } else if candidates.is_empty() {
            (Hub::Known, self.common(term))
        } else {
            (Hub::Candidates(candidates), 0)
        };
        ahead
    }

    /// Up to where the hub of this term surely holds this box's branch.
    fn common(&self, term: u32) -> u32 {
        self.acked
            .filter(|acked| acked.term == term && acked.contiguous <= self.held.contiguous)
            .map_or(0, |acked| acked.contiguous)
    }

    /// The hub wants it from here. What this box lacks it cannot send: it goes on with what it has behind that.
    pub(super) fn wanted(&mut self, seq: u32) {
        if !self.held.holds(seq) && seq < self.held.end() {
            return;
        }
        if self.wanted == Some(seq) {
            // Said again of a segment that was on its way: known. Said of one sent since: the hub does not take it.
            if !self.was_before {
                self.hub = Hub::Over;
            }
        } else if !matches!(self.hub, Hub::Over) {
            (self.wanted, self.hub, self.cursor) = (Some(seq), Hub::Known, seq);
            self.sent_before = self.in_flight;
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
                (self.hub, self.shared) = (Hub::Known, Some((at, hash)));
            } else {
                self.foreign = Some(KnownHead { seq: at.saturating_sub(1), hash });
                if heads.is_empty() {
                    // None of the hub's heads is on this branch.
                    (self.hub, self.cursor) = (Hub::Known, self.common(term));
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
        self.was_before = self.sent_before > 0;
        self.sent_before = self.sent_before.saturating_sub(1);
        self.confirmed(ack)
    }

    /// The hub holds so much. `true` when that is more than it confirmed before.
    pub(super) fn confirmed(&mut self, ack: Acked) -> bool {
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
