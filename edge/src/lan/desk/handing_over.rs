//! What this box hands over of a list that it has closed: a few parts at a time, until nobody asks any more.
//! Invariant: what was granted and not given back is in its part however long it takes, though rows inherited meanwhile
//! replace others; and the whole keeps its name, so that parts of different moments make one.
//! Not here: who may ask, and when a list has started (`domain::lan`).
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use domain::{
    lan::{ClaimKey, GRANTS_IN_PART, HANDOVER_PARTS_MAX, Holder, Message, Part, name_of},
    wire::Writer,
};

use super::ASK;

/// Parts said at once: with the pause between, some 170 kB a second, which a broker passes on to everybody.
const PARTS_AT_ONCE: usize = 16;
/// Not asked for so long, it is forgotten.
const KEPT: Duration = Duration::from_secs(60);

/// A handover under way.
pub(super) struct HandingOver {
    /// The newest list that it was put together for; those before are in it too.
    list: u32,
    whole: u64,
    parts: Vec<Vec<(ClaimKey, Holder)>>,
    /// For each list that was asked for: when it was last answered, and with which part it goes on.
    answered: BTreeMap<u32, (Instant, usize)>,
}

impl HandingOver {
    /// All that was granted by now, none of it under this list any more.
    pub(super) fn of(list: u32, grants: &[(ClaimKey, Holder)]) -> Self {
        let mut out = Writer::new();
        for (key, holder) in grants {
            key.write(&mut out);
            holder.write(&mut out);
        }
        let mut parts: Vec<Vec<_>> = grants.chunks(GRANTS_IN_PART).map(<[_]>::to_vec).collect();
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        if parts.len() > usize::from(HANDOVER_PARTS_MAX) {
            tracing::error!(grants = grants.len(), "too many grants to hand over");
            parts.clear();
        }
        Self { list, whole: name_of(&out.finish()), parts, answered: BTreeMap::new() }
    }

    /// Whether it holds what was granted under this list.
    pub(super) fn covers(&self, list: u32) -> bool {
        list <= self.list
    }

    /// Whether nobody asks any more.
    pub(super) fn is_over(&self) -> bool {
        self.answered.values().all(|(at, _)| at.elapsed() > KEPT)
    }

    /// A claim was given back.
    pub(super) fn forget(&mut self, key: &ClaimKey, released: &Holder) {
        for part in &mut self.parts {
            part.retain(|(granted, holder)| (granted, holder) != (key, released));
        }
    }

    /// What is said to those who ask for this list: the next parts, around and around.
    pub(super) fn next_parts(&mut self, list: u32) -> Vec<Message> {
        let next = match self.answered.get(&list) {
            Some((at, _)) if at.elapsed() < ASK => return Vec::new(),
            Some((_, next)) => *next,
            None => 0,
        };
        let count = self.parts.len();
        let (whole, parts) = (self.whole, u16::try_from(count).unwrap_or(HANDOVER_PARTS_MAX));
        let numbered = (0..).zip(&self.parts).cycle().skip(next).take(PARTS_AT_ONCE.min(count));
        let said = numbered.map(|(part, grants)| Message::Handover {
            list,
            part: Part { whole, part, parts },
            grants: grants.clone(),
        });
        let said = said.collect();
        self.answered.insert(list, (Instant::now(), (next + PARTS_AT_ONCE) % count.max(1)));
        said
    }
}
