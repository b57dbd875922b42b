//! Whether an entry counts: forks, revocations and entries set aside, each as a function of the set.
//! Invariant: nothing here deletes; an entry that does not count stays in the set and is named.
//! Not here: the tree of branches (`branches`), what a device may write (`rights`).
use alloc::{collections::BTreeSet, vec::Vec};

use super::rights::Forbidden;
use crate::{
    id::{DeviceId, EntryRef},
    journal::{BlockedKind, Detail, Effect, Entry, Head, Kind, Revocation, Subject},
    wire::Reader,
};

/// Whether an entry counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It counts.
    InForce,
    /// On forked ground, outside what the hub countersigned: spends count once, credits stand apart.
    Disputed,
    /// Beyond a revocation: counts nothing, except what a chip record proves.
    BeyondRevocation,
    /// Well signed, but not to be counted.
    SetAside(Reason),
}

/// Why an entry is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Its part is not of its kind's layout.
    Malformed,
    /// Its journal's certificate does not allow it.
    Forbidden(Forbidden),
    /// It closes a hold of another amount.
    OtherAmount,
    /// It gives back what no entry of its journal took from this wallet, or more than that.
    Unfounded,
}

/// From where on a revoked epoch does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cutoff {
    /// Not revoked.
    None,
    /// Behind this head, the lowest of all revocations.
    Behind(Head),
    /// Nothing of it counts: no revocation names a head of this epoch.
    All,
}

/// Where `epoch` is cut off by revocations that no later entry lifted. The strictest holds.
pub fn cutoff(revocations: &[Revocation], epoch: u32) -> Cutoff {
    let mut strictest = Cutoff::None;
    for revocation in revocations {
        let named = revocation
            .heads
            .iter()
            .filter(|head| head.epoch == epoch)
            .map(|head| Head { seq: head.seq, hash: head.hash })
            .min_by_key(|head| (head.seq, head.hash));
        strictest = match (strictest, named) {
            (_, None) | (Cutoff::All, _) => Cutoff::All,
            (Cutoff::None, Some(head)) => Cutoff::Behind(head),
            (Cutoff::Behind(old), Some(head)) => {
                Cutoff::Behind(if (head.seq, head.hash) < (old.seq, old.hash) { head } else { old })
            }
        };
    }
    strictest
}

fn blocks(entry: &Entry) -> bool {
    entry.effect == Effect::Block || entry.kind == Kind::REVOCATION && entry.effect == Effect::None
}

/// Whether a block or the lifting of one is about a subject of this sort, as its part says. Where the kind has no such
/// part (a decision, a kind newer than this software) it is about whatever has that id: ids are hashes and never meet.
pub(super) fn is_about(entry: &Entry, of: BlockedKind) -> bool {
    match Detail::of(entry) {
        Ok(Detail::Block(block)) => block.of == of,
        Ok(Detail::Revocation(said, _)) => said == of,
        Ok(_) => true,
        Err(_) => false,
    }
}

/// The places of blocks and revocations of such a subject in `entries` that no `Unblock` among them refers to.
pub fn unlifted<'a>(of: BlockedKind, entries: impl IntoIterator<Item = (EntryRef, &'a Entry)>) -> BTreeSet<EntryRef> {
    let (mut holding, mut lifted) = (BTreeSet::new(), BTreeSet::new());
    for (at, entry) in entries {
        if blocks(entry) && is_about(entry, of) {
            holding.insert(at);
        } else if entry.effect == Effect::Unblock && is_about(entry, of) {
            lifted.extend(entry.refers_to);
        }
    }
    holding.difference(&lifted).copied().collect()
}

/// The revocations of one device that hold, out of all hub entries about it.
pub fn active_revocations(device: DeviceId, entries: &[(EntryRef, Entry)]) -> Vec<Revocation> {
    let about =
        |entry: &&(EntryRef, Entry)| entry.1.subject == Subject::from(device) || entry.1.effect == Effect::Unblock;
    let holding = unlifted(BlockedKind::Device, entries.iter().filter(about).map(|(at, entry)| (*at, entry)));
    let mut found: Vec<(EntryRef, Revocation)> = Vec::new();
    for (at, entry) in entries.iter().filter(about) {
        if let (true, Ok(Detail::Revocation(BlockedKind::Device, revocation))) =
            (holding.contains(at), Detail::of(entry))
        {
            found.push((*at, revocation));
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found.dedup();
    found.into_iter().map(|(_, revocation)| revocation).collect()
}

/// Subject and other of a body newer than this software, to freeze them: every version keeps both in bytes 16 to 47.
pub fn subjects_of_newer(body: &[u8]) -> Option<(Subject, Subject)> {
    let mut input = Reader::new(body);
    input.take(16).ok()?;
    Some((Subject(input.array().ok()?), Subject(input.array().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::{Block, PreviousHead},
        money::Currency,
        time::Hlc,
    };

    fn revocation(heads: &[(u32, u32)]) -> Revocation {
        let head = |(epoch, seq): &(u32, u32)| PreviousHead { epoch: *epoch, seq: *seq, hash: [*seq as u8; 32] };
        Revocation { heads: heads.iter().map(head).collect(), reason: "stolen".into() }
    }

    #[test]
    fn the_strictest_of_two_revocations_holds_in_either_order() {
        let (a, b) = (revocation(&[(1, 9), (2, 4)]), revocation(&[(1, 5)]));
        for set in [[a.clone(), b.clone()], [b, a]] {
            assert_eq!(cutoff(&set, 1), Cutoff::Behind(Head { seq: 5, hash: [5; 32] }));
            assert_eq!(cutoff(&set, 2), Cutoff::All);
        }
        assert_eq!(cutoff(&[], 1), Cutoff::None);
    }

    #[test]
    fn a_revocation_holds_until_an_entry_that_names_it_lifts_it() {
        let device = DeviceId([7; 16]);
        let place = |seq| EntryRef { device: DeviceId([1; 16]), epoch: 0, seq };
        let mut revoke = Entry::new(Kind::REVOCATION, Effect::Block, Currency::EUR, Hlc(1));
        revoke.subject = device.into();
        revoke.part = Detail::Revocation(BlockedKind::Device, revocation(&[(0, 3)])).to_bytes();
        let mut lift = Entry::new(Kind::UNBLOCK, Effect::Unblock, Currency::EUR, Hlc(2));
        lift.subject = device.into();
        lift.part = Detail::Block(Block { of: BlockedKind::Device, reason: "".into() }).to_bytes();
        lift.refers_to = Some(place(99));
        let mut set = vec![(place(1), revoke), (place(2), lift)];
        assert_eq!(active_revocations(device, &set).len(), 1);
        set[1].1.refers_to = Some(place(1));
        assert_eq!(active_revocations(device, &set), []);
        set.reverse();
        assert_eq!(active_revocations(device, &set), []);
        assert_eq!(active_revocations(DeviceId([8; 16]), &set), []);
    }

    #[test]
    fn only_a_block_holds_and_only_what_lifts_blocks_of_that_sort_lifts_it() {
        let place = |seq| EntryRef { device: DeviceId([1; 16]), epoch: 0, seq };
        let block = |of| Detail::Block(Block { of, reason: "".into() }).to_bytes();
        let entry = |kind, effect, part| Entry { part, ..Entry::new(kind, effect, Currency::EUR, Hlc(1)) };
        let held = |more: Vec<Entry>| {
            let set = [entry(Kind::BLOCK, Effect::Block, block(BlockedKind::Device))];
            let set: Vec<(EntryRef, Entry)> = (1..).map(place).zip(set.into_iter().chain(more)).collect();
            let held = unlifted(BlockedKind::Device, set.iter().map(|(at, entry)| (*at, entry)));
            held.into_iter().map(|at| at.seq).collect::<Vec<_>>()
        };
        let refers_to = Some(place(1));
        let lift = |of| Entry { refers_to, ..entry(Kind::UNBLOCK, Effect::Unblock, block(of)) };
        assert_eq!(held(vec![lift(BlockedKind::Device)]), Vec::<u32>::new());
        assert_eq!(held(vec![lift(BlockedKind::Ticket)]), [1]);
        let part = Detail::Revocation(BlockedKind::Device, revocation(&[])).to_bytes();
        assert_eq!(held(vec![entry(Kind::REVOCATION, Effect::None, part.clone())]), [1, 2], "one that moves nothing");
        assert_eq!(held(vec![entry(Kind::REVOCATION, Effect::Owe, part)]), [1]);
        assert_eq!(held(vec![Entry { refers_to, ..entry(Kind::NOTE, Effect::None, vec![]) }]), [1]);
    }

    #[test]
    fn what_a_newer_body_concerns_is_still_known() {
        let mut entry = Entry::new(Kind(900), Effect::Unknown(77), Currency::EUR, Hlc(1));
        entry.subject = Subject([3; 16]);
        entry.other = Subject([4; 16]);
        let mut body = entry.to_bytes();
        body[0] = 2;
        assert_eq!(subjects_of_newer(&body), Some((Subject([3; 16]), Subject([4; 16]))));
        assert_eq!(subjects_of_newer(&body[..47]), None);
    }
}
