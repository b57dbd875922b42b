//! The tree of one epoch of one journal: normally a line, a tree where somebody rewrote or restored it.
//! Invariant: a function of the set of (position, hash before, hash); nothing is ever taken out.
//! Not here: the proof that two branches are the same key's (`fork_proof`), what a standing means (`wallet`, `ticket`).
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::journals::{Cutoff, Standing};
use crate::journal::{EntryHash, Head};

/// All known entries of one (device, epoch), by position.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Branches {
    nodes: BTreeMap<u32, BTreeMap<EntryHash, EntryHash>>,
}

/// Several entries follow one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkPoint {
    /// Position of the entries that differ.
    pub seq: u32,
    /// Hash that they all chain to.
    pub prev: EntryHash,
    /// Their hashes, sorted.
    pub hashes: Vec<EntryHash>,
}

/// Positions that are missing before an entry that is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// First position missing.
    pub first: u32,
    /// Last position missing.
    pub last: u32,
}

impl Branches {
    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one entry; `false` if it was here already.
    pub fn insert(&mut self, seq: u32, prev: EntryHash, hash: EntryHash) -> bool {
        self.nodes.entry(seq).or_default().insert(hash, prev).is_none()
    }

    /// Whether this very entry is known.
    pub fn has(&self, head: Head) -> bool {
        self.nodes.get(&head.seq).is_some_and(|at| at.contains_key(&head.hash))
    }

    /// Lowest position at which two entries stand: from here on the ground is forked.
    pub fn first_fork(&self) -> Option<u32> {
        self.nodes.iter().find(|(_, at)| at.len() > 1).map(|(seq, _)| *seq)
    }

    /// Every place where one entry has several followers.
    pub fn forks(&self) -> Vec<ForkPoint> {
        let mut points = Vec::new();
        for (seq, at) in self.nodes.iter().filter(|(_, at)| at.len() > 1) {
            let mut followers: BTreeMap<EntryHash, Vec<EntryHash>> = BTreeMap::new();
            for (hash, prev) in at {
                followers.entry(*prev).or_default().push(*hash);
            }
            let several = followers.into_iter().filter(|(_, hashes)| hashes.len() > 1);
            points.extend(several.map(|(prev, hashes)| ForkPoint { seq: *seq, prev, hashes }));
        }
        points
    }

    /// Last entry of every branch, sorted by position and hash.
    pub fn heads(&self) -> Vec<Head> {
        let followed: BTreeSet<(u32, EntryHash)> =
            self.nodes.iter().flat_map(|(seq, at)| at.values().map(|prev| (seq.wrapping_sub(1), *prev))).collect();
        let all = self.nodes.iter().flat_map(|(seq, at)| at.keys().map(|hash| (*seq, *hash)));
        all.filter(|node| !followed.contains(node)).map(|(seq, hash)| Head { seq, hash }).collect()
    }

    /// What is missing: each entry whose predecessor is not here ends a gap.
    pub fn gaps(&self) -> Vec<Gap> {
        let mut gaps = BTreeSet::new();
        for (seq, at) in &self.nodes {
            let Some(last) = seq.checked_sub(1) else { continue };
            let before = self.nodes.get(&last);
            if at.values().all(|prev| before.is_some_and(|before| before.contains_key(prev))) {
                continue;
            }
            let below = self.nodes.range(..*seq).next_back().map_or(0, |(below, _)| below.saturating_add(1));
            gaps.insert(Gap { first: below.min(last), last });
        }
        gaps.into_iter().collect()
    }

    /// The entries from `head` back to the genesis or to the first gap; empty when `head` is not known.
    pub fn line_to(&self, head: Head) -> BTreeMap<u32, EntryHash> {
        let mut line = BTreeMap::new();
        let mut next = Some(head);
        while let Some(Head { seq, hash }) = next {
            let Some(prev) = self.nodes.get(&seq).and_then(|at| at.get(&hash)) else { break };
            line.insert(seq, hash);
            next = seq.checked_sub(1).map(|seq| Head { seq, hash: *prev });
        }
        line
    }

    /// The standing of every entry: `countersigned` are heads that hub nodes confirmed for this epoch, `cutoff` is
    /// where revocations end it. Rights are judged apart, entry by entry.
    pub fn standings(&self, countersigned: &[Head], cutoff: Cutoff) -> BTreeMap<(u32, EntryHash), Standing> {
        let forked_from = self.first_fork();
        let confirmed = self.confirmed(countersigned);
        let limit = match cutoff {
            Cutoff::Behind(head) => Some((head, self.line_to(head))),
            Cutoff::None | Cutoff::All => None,
        };
        let all = self.nodes.iter().flat_map(|(seq, at)| at.keys().map(|hash| (*seq, *hash)));
        all.map(|(seq, hash)| {
            let revoked = match &limit {
                None => cutoff == Cutoff::All,
                Some((head, line)) => seq > head.seq || line.get(&seq).is_some_and(|named| *named != hash),
            };
            let forked = forked_from.is_some_and(|from| seq >= from);
            let standing = if revoked {
                Standing::BeyondRevocation
            } else if forked && confirmed.get(&seq) != Some(&hash) {
                Standing::Disputed
            } else {
                Standing::InForce
            };
            ((seq, hash), standing)
        })
        .collect()
    }

    /// The prefix under the countersigned heads; where they conflict, their common prefix.
    fn confirmed(&self, countersigned: &[Head]) -> BTreeMap<u32, EntryHash> {
        let lines: Vec<(Head, BTreeMap<u32, EntryHash>)> = countersigned
            .iter()
            .map(|head| (*head, self.line_to(*head)))
            .filter(|(_, line)| !line.is_empty())
            .collect();
        let is_inside = |head: &Head| {
            lines.iter().any(|(other, line)| other.seq > head.seq && line.get(&head.seq) == Some(&head.hash))
        };
        let mut ends = lines.iter().filter(|(head, _)| !is_inside(head)).map(|(_, line)| line);
        let Some(first) = ends.next() else { return BTreeMap::new() };
        let mut common = first.clone();
        for line in ends {
            common.retain(|seq, hash| line.get(seq) == Some(hash));
        }
        common
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{ZERO_HASH, link};

    /// A line of `count` entries after `prev`, whose bodies carry `mark`.
    fn grow(branches: &mut Branches, from: u32, mut prev: EntryHash, count: u32, mark: u8) -> Vec<Head> {
        let mut heads = Vec::new();
        for seq in from..from + count {
            let hash = link(&prev, &[mark, seq as u8]);
            branches.insert(seq, prev, hash);
            heads.push(Head { seq, hash });
            prev = hash;
        }
        heads
    }

    fn forked() -> (Branches, Vec<Head>, Vec<Head>) {
        let mut tree = Branches::new();
        let trunk = grow(&mut tree, 0, ZERO_HASH, 5, b'a');
        let other = grow(&mut tree, 3, trunk[2].hash, 3, b'b');
        (tree, trunk, other)
    }

    fn standing(tree: &Branches, heads: &[Head], cutoff: Cutoff, of: Head) -> Standing {
        tree.standings(heads, cutoff)[&(of.seq, of.hash)]
    }

    #[test]
    fn a_line_is_in_force_and_has_neither_fork_nor_gap() {
        let mut tree = Branches::new();
        let line = grow(&mut tree, 0, ZERO_HASH, 4, b'a');
        assert_eq!((tree.forks(), tree.gaps(), tree.heads()), (vec![], vec![], vec![line[3]]));
        assert!(tree.standings(&[], Cutoff::None).values().all(|s| *s == Standing::InForce));
    }

    #[test]
    fn both_branches_of_a_fork_are_disputed_and_the_trunk_is_not() {
        let (tree, trunk, other) = forked();
        let mut hashes = vec![trunk[3].hash, other[0].hash];
        hashes.sort();
        assert_eq!(tree.forks(), vec![ForkPoint { seq: 3, prev: trunk[2].hash, hashes }]);
        assert_eq!(tree.heads().len(), 2);
        let unknown = Head { hash: [0; 32], ..trunk[3] };
        assert!(tree.has(trunk[3]) && tree.has(other[2]) && !tree.has(unknown));
        assert_eq!(standing(&tree, &[], Cutoff::None, trunk[2]), Standing::InForce);
        for of in [trunk[3], trunk[4], other[0], other[2]] {
            assert_eq!(standing(&tree, &[], Cutoff::None, of), Standing::Disputed);
        }
    }

    #[test]
    fn the_prefix_under_a_countersigned_head_is_in_force_and_what_follows_it_is_disputed() {
        let (tree, trunk, other) = forked();
        let heads = [trunk[1], trunk[3]];
        assert_eq!(standing(&tree, &heads, Cutoff::None, trunk[3]), Standing::InForce);
        assert_eq!(standing(&tree, &heads, Cutoff::None, trunk[4]), Standing::Disputed);
        assert_eq!(standing(&tree, &heads, Cutoff::None, other[0]), Standing::Disputed);
    }

    #[test]
    fn of_conflicting_countersigned_heads_only_the_common_prefix_is_in_force() {
        let (tree, trunk, other) = forked();
        let heads = [trunk[4], other[1]];
        assert_eq!(standing(&tree, &heads, Cutoff::None, trunk[2]), Standing::InForce);
        for of in [trunk[3], other[0]] {
            assert_eq!(standing(&tree, &heads, Cutoff::None, of), Standing::Disputed);
        }
    }

    #[test]
    fn entries_beyond_a_revocation_or_on_another_branch_than_it_names_do_not_count() {
        let (tree, trunk, other) = forked();
        let cutoff = Cutoff::Behind(trunk[3]);
        assert_eq!(standing(&tree, &[trunk[4]], cutoff, trunk[3]), Standing::InForce);
        assert_eq!(standing(&tree, &[trunk[4]], cutoff, trunk[4]), Standing::BeyondRevocation);
        assert_eq!(standing(&tree, &[], cutoff, other[0]), Standing::BeyondRevocation);
        assert!(tree.standings(&[], Cutoff::All).values().all(|s| *s == Standing::BeyondRevocation));
    }

    #[test]
    fn entries_beyond_a_gap_are_in_force_and_the_gap_is_listed() {
        let mut tree = Branches::new();
        let mut whole = Branches::new();
        let line = grow(&mut whole, 0, ZERO_HASH, 9, b'a');
        for (i, head) in line.iter().enumerate().filter(|(i, _)| !(3..6).contains(i)) {
            tree.insert(head.seq, if i == 0 { ZERO_HASH } else { line[i - 1].hash }, head.hash);
        }
        assert_eq!(tree.gaps(), vec![Gap { first: 3, last: 5 }]);
        assert_eq!(standing(&tree, &[], Cutoff::None, line[8]), Standing::InForce);
        let mut headless = Branches::new();
        headless.insert(4, line[3].hash, line[4].hash);
        assert_eq!(headless.gaps(), vec![Gap { first: 0, last: 3 }]);
    }

    #[test]
    fn the_order_of_arrival_does_not_matter() {
        let (tree, trunk, other) = forked();
        let mut nodes: Vec<(u32, EntryHash, EntryHash)> =
            tree.nodes.iter().flat_map(|(seq, at)| at.iter().map(|(hash, prev)| (*seq, *prev, *hash))).collect();
        nodes.reverse();
        let mut late = Branches::new();
        nodes.iter().chain(&nodes).for_each(|(seq, prev, hash)| {
            late.insert(*seq, *prev, *hash);
        });
        assert_eq!(late, tree);
        let (a, b) = ([trunk[3], other[2]], [other[2], trunk[3]]);
        assert_eq!(late.standings(&a, Cutoff::None), tree.standings(&b, Cutoff::None));
    }
}
