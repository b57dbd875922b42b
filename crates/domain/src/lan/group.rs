//! Who decides together: a list of boxes with votes, carried in the signed bundle.
//! Invariant: a device votes in one group; a list never changes under its version.
use alloc::{string::String, vec::Vec};

use crate::{
    id::DeviceId,
    wire::{Malformed, from_canonical_cbor},
};

/// Most groups of a festival.
pub const GROUPS_MAX: usize = 64;
/// Most boxes in one.
pub const VOTERS_MAX: usize = 64;
/// Most votes of one box.
pub const VOTES_MAX: u8 = 8;

/// A box and its votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Voter {
    /// Which box.
    #[n(0)]
    pub device: DeviceId,
    /// 1 to [`VOTES_MAX`]; the broker's host has one more than it would have, where ties are possible.
    #[n(1)]
    pub votes: u8,
}

/// One version of a group's list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct VoterList {
    /// From 1, only ever rising.
    #[n(0)]
    pub version: u32,
    /// By ascending device, none twice.
    #[n(1)]
    pub voters: Vec<Voter>,
}

/// A group on one LAN. Canonical CBOR array.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct LanGroup {
    /// Its number, never reused.
    #[n(0)]
    pub number: u16,
    /// Where its broker listens, `host:port`.
    #[n(1)]
    pub broker: String,
    /// On how many disks a commit stands before its green light: 1 or 2.
    #[n(2)]
    pub copies: u8,
    /// Who decides together.
    #[n(3)]
    pub list: VoterList,
    /// The list before, whose majority must hand over; none: this is the group's first list.
    #[n(4)]
    pub previous: Option<VoterList>,
}

impl VoterList {
    /// Votes of a box; 0 where it is not on the list.
    pub fn votes(&self, device: &DeviceId) -> u32 {
        self.voters.iter().find(|voter| voter.device == *device).map_or(0, |voter| voter.votes.into())
    }

    /// All votes.
    pub fn total(&self) -> u32 {
        self.voters.iter().map(|voter| u32::from(voter.votes)).fold(0, u32::saturating_add)
    }

    /// Whether so many votes are more than half of all.
    pub fn is_majority(&self, votes: u32) -> bool {
        votes.saturating_mul(2) > self.total()
    }

    fn check(&self) -> Result<(), Malformed> {
        let ascending = self.voters.windows(2).all(|pair| matches!(pair, [a, b] if a.device < b.device));
        let votes = self.voters.iter().all(|voter| (1..=VOTES_MAX).contains(&voter.votes));
        let count = (1..=VOTERS_MAX).contains(&self.voters.len());
        if self.version > 0 && ascending && votes && count { Ok(()) } else { Err(Malformed::Value("voters")) }
    }
}

impl LanGroup {
    /// Reads a section of groups.
    pub fn read_all(bytes: &[u8]) -> Result<Vec<Self>, Malformed> {
        let groups: Vec<Self> = from_canonical_cbor(bytes)?;
        Self::check_all(&groups)?;
        Ok(groups)
    }

    /// Whether these may stand together in a bundle.
    pub fn check_all(groups: &[Self]) -> Result<(), Malformed> {
        if groups.len() > GROUPS_MAX {
            return Err(Malformed::Value("groups"));
        }
        for group in groups {
            group.list.check()?;
            if let Some(previous) = &group.previous {
                previous.check()?;
                if previous.version >= group.list.version {
                    return Err(Malformed::Value("previous list"));
                }
            }
            if !matches!(group.copies, 1 | 2) || group.broker.is_empty() || group.broker.len() > 128 {
                return Err(Malformed::Value("group"));
            }
        }
        let mut numbers: Vec<u16> = groups.iter().map(|group| group.number).collect();
        let mut devices: Vec<DeviceId> = groups.iter().flat_map(LanGroup::devices).collect();
        let (all_numbers, all_devices) = (numbers.len(), devices.len());
        numbers.sort_unstable();
        numbers.dedup();
        devices.sort_unstable();
        devices.dedup();
        if numbers.len() == all_numbers && devices.len() == all_devices {
            Ok(())
        } else {
            Err(Malformed::Value("group twice"))
        }
    }

    fn devices(&self) -> impl Iterator<Item = DeviceId> + '_ {
        self.list.voters.iter().map(|voter| voter.device)
    }

    /// The group of a box: where it votes, else the one that it has left and must hand over to.
    pub fn of(groups: &[Self], device: &DeviceId) -> Option<Self> {
        let votes = groups.iter().find(|group| group.list.votes(device) > 0);
        let left = |group: &&Self| group.previous.as_ref().is_some_and(|list| list.votes(device) > 0);
        votes.or_else(|| groups.iter().find(left)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::to_cbor;

    fn list(version: u32, voters: &[(u8, u8)]) -> VoterList {
        let voter = |(n, votes): &(u8, u8)| Voter { device: DeviceId([*n; 16]), votes: *votes };
        VoterList { version, voters: voters.iter().map(voter).collect() }
    }

    fn group(number: u16, list: VoterList, previous: Option<VoterList>) -> LanGroup {
        LanGroup { number, broker: "10.0.0.5:1883".into(), copies: 1, list, previous }
    }

    #[test]
    fn the_brokers_host_breaks_a_tie() {
        let list = list(1, &[(1, 2), (2, 1)]);
        assert!(list.is_majority(list.votes(&DeviceId([1; 16]))), "the host decides without the other");
        assert!(!list.is_majority(list.votes(&DeviceId([2; 16]))), "the other does not");
        assert_eq!(list.votes(&DeviceId([3; 16])), 0);
    }

    #[test]
    fn a_section_of_groups_reads_back_and_a_wrong_one_is_refused() {
        let good = [group(1, list(2, &[(1, 1), (2, 1)]), Some(list(1, &[(1, 1)]))), group(2, list(1, &[(3, 1)]), None)];
        assert_eq!(LanGroup::read_all(&to_cbor(&&good[..])).unwrap(), good);
        let bad = [
            vec![group(1, list(1, &[(1, 1)]), None), group(1, list(1, &[(2, 1)]), None)],
            vec![group(1, list(1, &[(1, 1)]), None), group(2, list(1, &[(1, 1)]), None)],
            vec![group(1, list(1, &[(2, 1), (1, 1)]), None)],
            vec![group(1, list(1, &[(1, 0)]), None)],
            vec![group(1, list(1, &[(1, 9)]), None)],
            vec![group(1, list(0, &[(1, 1)]), None)],
            vec![group(1, list(1, &[]), None)],
            vec![group(1, list(1, &[(1, 1)]), Some(list(1, &[(1, 1)])))],
            vec![LanGroup { copies: 3, ..group(1, list(1, &[(1, 1)]), None) }],
            vec![LanGroup { broker: "".into(), ..group(1, list(1, &[(1, 1)]), None) }],
            vec![LanGroup { broker: "x".repeat(129), ..group(1, list(1, &[(1, 1)]), None) }],
            vec![LanGroup { broker: "x".repeat(130), ..group(1, list(1, &[(1, 1)]), None) }],
        ];
        let many = |count: u8| (1..=count).map(|n| group(n.into(), list(1, &[(n, 1)]), None)).collect::<Vec<_>>();
        let longest = LanGroup { broker: "x".repeat(128), ..good[1].clone() };
        assert!(LanGroup::check_all(&many(64)).is_ok() && LanGroup::check_all(&[longest]).is_ok());
        assert!(LanGroup::check_all(&many(65)).is_err() && LanGroup::check_all(&many(66)).is_err());
        let left = [group(1, list(2, &[(1, 1)]), Some(list(1, &[(1, 1), (5, 1)])))];
        assert_eq!(LanGroup::of(&left, &DeviceId([5; 16])).map(|group| group.number), Some(1), "it must hand over");
        assert_eq!(LanGroup::of(&left, &DeviceId([6; 16])), None);
        let moved = [left[0].clone(), group(2, list(1, &[(5, 1)]), None)];
        assert_eq!(LanGroup::of(&moved, &DeviceId([5; 16])).map(|group| group.number), Some(2), "where it votes");
        assert_eq!(LanGroup::of(&moved[1..], &DeviceId([5; 16])).map(|group| group.number), Some(2));
        assert!(!list(1, &[(1, 1), (2, 1)]).is_majority(1), "half is none");
        for groups in bad {
            assert!(LanGroup::read_all(&to_cbor(&groups)).is_err(), "{groups:?}");
        }
    }

    #[test]
    fn a_box_that_left_still_belongs_to_the_group_that_it_hands_over_to() {
        let groups = [group(1, list(2, &[(1, 1)]), Some(list(1, &[(1, 1), (2, 1)])))];
        assert_eq!(LanGroup::of(&groups, &DeviceId([2; 16])).map(|group| group.number), Some(1));
        assert_eq!(LanGroup::of(&groups, &DeviceId([3; 16])), None);
    }
}
