//! How one list follows on another: a new one starts when a majority of the old has closed it and handed over.
//! Invariant: a member grants under one list at a time, none while it waits, and under a new one only with the grants of a
//! majority of the one before: any confirmed claim is among them.
//! Not here: the granted rows, which stay for the event, whatever the list.
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::{LanGroup, VoterList};
use crate::{
    id::DeviceId,
    wire::{Malformed, from_canonical_cbor, to_cbor},
};

/// Most parts of one member's handover.
pub const HANDOVER_PARTS_MAX: u16 = 4096;

/// One part of a member's handover.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// Names the whole that it is a part of: parts of two wholes do not make one.
    pub whole: u64,
    /// Which, from 0.
    pub part: u16,
    /// How many there are.
    pub parts: u16,
}

/// Where this member stands in its group. All of it is on disk before anybody hears of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Succession {
    /// The list under which it grants.
    active: Option<VoterList>,
    /// The list that waits to start, and the one that must hand over; `active` is closed then.
    next: Option<(VoterList, VoterList)>,
    /// Versions under which it ever granted: those it can hand over.
    was_active: BTreeSet<u32>,
    /// Parts received of each member of the list that hands over.
    received: BTreeMap<DeviceId, (u64, u16, BTreeSet<u16>)>,
}

/// As it lies on disk: a canonical CBOR array. Parts: device, whole, part, parts.
#[derive(minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
struct Stored {
    #[n(0)]
    active: Option<VoterList>,
    #[n(1)]
    next: Option<(VoterList, VoterList)>,
    #[n(2)]
    was_active: Vec<u32>,
    #[n(3)]
    received: Vec<(DeviceId, u64, u16, u16)>,
}

impl Succession {
    /// As it is written to disk.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (active, next) = (self.active.clone(), self.next.clone());
        let received = self.received().into_iter();
        let received = received.map(|(device, part)| (device, part.whole, part.part, part.parts)).collect();
        to_cbor(&Stored { active, next, was_active: self.was_active.iter().copied().collect(), received })
    }

    /// As it was on disk.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let Stored { active, next, was_active, received } = from_canonical_cbor(bytes)?;
        let was_active = was_active.into_iter().collect();
        let mut restored = Self { active, next, was_active, received: BTreeMap::new() };
        for (device, whole, part, parts) in received {
            restored.note(device, Part { whole, part, parts });
        }
        Ok(restored)
    }

    /// The newest bundle names this group. Gives whether anything changed.
    pub fn learn(&mut self, group: &LanGroup) -> bool {
        let newest = self.next.as_ref().map(|(next, _)| next.version).or(self.active.as_ref().map(|list| list.version));
        if newest.is_some_and(|version| group.list.version <= version) {
            return false;
        }
        match (&group.previous, newest) {
            (None, None) => self.start(group.list.clone()),
            // it says that nothing came before, and this member knows better: it never starts
            (None, Some(_)) => return false,
            (Some(previous), _) => {
                self.next = Some((group.list.clone(), previous.clone()));
                self.received.clear();
            }
        }
        true
    }

    /// The list under which this member grants and claims at present.
    pub fn active(&self) -> Option<&VoterList> {
        self.active.as_ref().filter(|_| self.next.is_none())
    }

    /// What stands on disk of [`Self::active`], whether closed or not.
    pub fn last_started(&self) -> Option<&VoterList> {
        self.active.as_ref()
    }

    /// The list that waits, and the one whose members must hand over.
    pub fn waits_for(&self) -> Option<(&VoterList, &VoterList)> {
        self.next.as_ref().map(|(next, from)| (next, from))
    }

    /// Whether this member hands over the list of this version: it granted under it, and does no more.
    pub fn hands_over(&self, version: u32) -> bool {
        self.was_active.contains(&version) && self.active().is_none_or(|list| list.version > version)
    }

    /// A member of the list that hands over sent a part; its grants are on disk. Gives whether the new list starts.
    pub fn handed_over(&mut self, from: DeviceId, version: u32, part: Part) -> bool {
        let Some((next, previous)) = &self.next else { return false };
        let (next, previous) = (next.clone(), previous.clone());
        if previous.version != version || previous.votes(&from) == 0 || part.part >= part.parts {
            return false;
        }
        self.note(from, part);
        self.start_if_handed_over(&next, &previous)
    }

    /// The own rows of the closed list are its handover to itself. Gives whether the new list starts.
    pub fn hand_over_to_itself(&mut self, me: DeviceId) -> bool {
        let Some((_, previous)) = &self.next else { return false };
        let version = previous.version;
        self.hands_over(version) && self.handed_over(me, version, Part { whole: 0, part: 0, parts: 1 })
    }

    fn note(&mut self, from: DeviceId, part: Part) {
        let (whole, parts, held) = self.received.entry(from).or_default();
        if (*whole, *parts) != (part.whole, part.parts) {
            (*whole, *parts, *held) = (part.whole, part.parts, BTreeSet::new());
        }
        held.insert(part.part);
    }

    fn start_if_handed_over(&mut self, next: &VoterList, previous: &VoterList) -> bool {
        let whole = self.received.iter().filter(|(_, (_, parts, held))| held.len() == usize::from(*parts));
        let votes = whole.map(|(device, _)| previous.votes(device)).fold(0, u32::saturating_add);
        let starts = previous.is_majority(votes);
        if starts {
            self.start(next.clone());
        }
        starts
    }

    fn start(&mut self, list: VoterList) {
        self.was_active.insert(list.version);
        self.active = Some(list);
        self.next = None;
        self.received.clear();
    }

    /// Parts received so far.
    fn received(&self) -> Vec<(DeviceId, Part)> {
        let parts = |(device, (whole, parts, held)): (&DeviceId, &(u64, u16, BTreeSet<u16>))| {
            let (device, whole, parts) = (*device, *whole, *parts);
            held.iter().map(move |part| (device, Part { whole, part: *part, parts })).collect::<Vec<_>>()
        };
        self.received.iter().flat_map(parts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lan::Voter;

    fn device(n: u8) -> DeviceId {
        DeviceId([n; 16])
    }

    fn list(version: u32, voters: &[u8]) -> VoterList {
        VoterList { version, voters: voters.iter().map(|n| Voter { device: device(*n), votes: 1 }).collect() }
    }

    fn group(list: VoterList, previous: Option<VoterList>) -> LanGroup {
        LanGroup { number: 1, broker: "10.0.0.5:1883".into(), copies: 1, list, previous }
    }

    const WHOLE: Part = Part { whole: 5, part: 0, parts: 1 };

    #[test]
    fn a_list_starts_when_a_majority_of_the_one_before_has_handed_over_all_its_parts() {
        let (first, second) = (list(1, &[1, 2, 3]), list(2, &[1, 4]));
        let mut member = Succession::default();
        assert!(!member.hands_over(1) && !member.hand_over_to_itself(device(1)));
        assert!(member.learn(&group(first.clone(), None)) && !member.learn(&group(first.clone(), None)));
        assert_eq!((member.active(), member.waits_for(), member.hands_over(1)), (Some(&first), None, false));
        assert!(member.learn(&group(second.clone(), Some(first.clone()))));
        assert_eq!((member.active(), member.last_started()), (None, Some(&first)));
        assert_eq!(member.waits_for(), Some((&second, &first)));
        assert!(member.hands_over(1) && !member.hands_over(2));
        for (from, version, part) in [(4, 1, WHOLE), (2, 2, WHOLE), (2, 1, Part { part: 1, ..WHOLE })] {
            assert!(!member.handed_over(device(from), version, part), "{from} {version} {part:?}");
        }
        assert!(!member.hand_over_to_itself(device(1)), "one of three");
        assert!(!member.handed_over(device(2), 1, Part { parts: 2, ..WHOLE }), "half of it");
        assert!(!member.handed_over(device(2), 1, Part { whole: 6, part: 1, parts: 2 }), "half of another whole");
        let mut restarted = Succession::from_bytes(&member.to_bytes()).unwrap();
        assert_eq!(restarted, member);
        assert!(restarted.handed_over(device(2), 1, Part { whole: 6, part: 0, parts: 2 }));
        assert_eq!((restarted.active(), restarted.waits_for()), (Some(&second), None));
        assert!(restarted.hands_over(1) && !restarted.hands_over(2), "it no longer grants under the first");
        assert!(!restarted.handed_over(device(3), 1, WHOLE));
    }

    #[test]
    fn a_box_that_never_granted_hands_over_nothing() {
        let mut new = Succession::default();
        assert!(new.learn(&group(list(2, &[1, 4]), Some(list(1, &[1])))));
        assert!(!new.hands_over(1) && !new.hand_over_to_itself(device(1)));
        assert!(!new.learn(&group(list(2, &[1, 4]), Some(list(1, &[1])))), "it knows that one");
        assert!(new.handed_over(device(1), 1, WHOLE));
        assert!(!new.learn(&group(list(3, &[1]), None)), "something did come before");
    }
}
