//! How one list follows on another: a new one starts when a majority of the old has closed it and handed over.
//! Invariant: a member grants under one list at a time, none while it waits, and under a new one only with the grants of a
//! majority of the one before: any confirmed claim is among them.
//! Not here: the granted rows, which stay for the event, whatever the list.
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::{LanGroup, VoterList};
use crate::id::DeviceId;

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

impl Succession {
    /// As it was on disk.
    pub fn restore(
        active: Option<VoterList>,
        next: Option<(VoterList, VoterList)>,
        was_active: impl IntoIterator<Item = u32>,
        received: impl IntoIterator<Item = (DeviceId, Part)>,
    ) -> Self {
        let mut restored =
            Self { active, next, was_active: was_active.into_iter().collect(), received: BTreeMap::new() };
        for (device, part) in received {
            restored.note(device, part);
        }
        restored
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

    /// Versions under which it ever granted.
    pub fn was_active(&self) -> impl Iterator<Item = u32> + '_ {
        self.was_active.iter().copied()
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
    pub fn received(&self) -> Vec<(DeviceId, Part)> {
        let parts = |(device, (whole, parts, held)): (&DeviceId, &(u64, u16, BTreeSet<u16>))| {
            let (device, whole, parts) = (*device, *whole, *parts);
            held.iter().map(move |part| (device, Part { whole, part: *part, parts })).collect::<Vec<_>>()
        };
        self.received.iter().flat_map(parts).collect()
    }
}
