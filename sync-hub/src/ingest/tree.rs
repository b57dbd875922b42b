//! The runs of one journal as a tree: where a segment's entries belong, gaps and forks.
//! Invariant: two runs never hold the same entry, and a run only grows at its end; so a fork is two runs over one
//! position, and a gap is a run whose parent is not known.
//! Not here: bodies and their hashes on disk (`store`), what a fork means for money (`domain::ledger`).
use domain::journal::{EntryHash, Head};
use sync::vector::{Branch, MAX_BRANCHES, MAX_RANGES, hash16};

use crate::store::StoredRun;

/// All runs of one journal.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    runs: Vec<StoredRun>,
}

/// New entries and the run they go into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The run.
    pub run: u32,
    /// Index of the first new entry in the segment.
    pub from: usize,
    /// Index behind the last.
    pub to: usize,
}

/// Says which entries of a run have which hashes: `(run, first, last)` to one hash each.
pub trait Hashes {
    /// Error of the store.
    type Error;
    /// Hashes of the entries `first..=last` of a run.
    fn of(&self, run: &StoredRun, first: u32, last: u32) -> Result<Vec<EntryHash>, Self::Error>;
}

impl Tree {
    /// From what is stored.
    pub fn new(runs: Vec<StoredRun>) -> Self {
        Self { runs }
    }

    /// All runs.
    pub fn runs(&self) -> &[StoredRun] {
        &self.runs
    }

    /// The run with this number.
    pub fn run(&self, number: u32) -> Option<&StoredRun> {
        self.runs.iter().find(|run| run.run == number)
    }

    /// How many entries are held, those of all branches counted.
    pub fn entries(&self) -> u64 {
        self.runs.iter().map(|run| u64::from(run.last.saturating_sub(run.first)).saturating_add(1)).sum()
    }

    fn has_child_at_end(&self, run: &StoredRun) -> bool {
        self.runs.iter().any(|child| child.parent == Some(run.run) && child.first == run.last.saturating_add(1))
    }

    fn open_end(&self, seq_before: u32, hash: &EntryHash) -> Option<usize> {
        self.runs.iter().position(|run| run.last == seq_before && run.hash == *hash && !self.has_child_at_end(run))
    }

    /// Whether a segment that begins here would begin a branch or a range more than anybody keeps of a journal. What
    /// continues an end that is held always has its place.
    pub fn is_full<H: Hashes>(&self, first: u32, prev: &EntryHash, hashes: &H) -> Result<bool, H::Error> {
        if self.runs.len() <= MAX_BRANCHES {
            return Ok(false);
        }
        let is_rooted = match first.checked_sub(1) {
            None => true,
            Some(before) if self.open_end(before, prev).is_some() => return Ok(false),
            Some(before) => {
                let on = self.find(before, prev, hashes)?.and_then(|run| self.run(run));
                on.is_some_and(|run| self.is_rooted(run))
            }
        };
        Ok(if is_rooted {
            self.branches().len() > MAX_BRANCHES
        } else {
            self.runs.iter().filter(|run| !self.is_rooted(run)).count() >= MAX_RANGES
        })
    }

    /// Takes the entries of a verified segment that are not held yet and says where they go.
    /// The runs it changed are those of the pieces and those in the second list (they found their parent).
    pub fn place<H: Hashes>(
        &mut self,
        first: u32,
        prev: &EntryHash,
        heads: &[Head],
        hashes: &H,
    ) -> Result<(Vec<Piece>, Vec<u32>), H::Error> {
        let Some(last) = heads.last() else { return Ok((Vec::new(), Vec::new())) };
        let held = self.held(first, last.seq, heads, hashes)?;
        let mut pieces = Vec::new();
        let mut from = 0;
        while let Some(start) = (from..heads.len()).find(|i| !held[*i]) {
            let end = (start..heads.len()).find(|i| held[*i]).unwrap_or(heads.len());
            let before = if start == 0 { *prev } else { heads[start - 1].hash };
            let run = self.insert(heads[start].seq, before, heads[end - 1], hashes)?;
            pieces.push(Piece { run, from: start, to: end });
            from = end;
        }
        let mut adopted = Vec::new();
        for piece in &pieces {
            adopted.extend(self.adopt(piece, heads));
        }
        Ok((pieces, adopted))
    }

    /// Which entries of the segment are held already.
    fn held<H: Hashes>(&self, first: u32, last: u32, heads: &[Head], hashes: &H) -> Result<Vec<bool>, H::Error> {
        let mut held = vec![false; heads.len()];
        for run in self.runs.iter().filter(|run| run.first <= last && first <= run.last) {
            let (from, to) = (run.first.max(first), run.last.min(last));
            let at = |seq: u32| usize::try_from(seq.saturating_sub(first)).unwrap_or(usize::MAX);
            let same = |seq: u32, hash: &EntryHash| heads.get(at(seq)).is_some_and(|head| head.hash == *hash);
            // A hash stands for all entries before it: where the last one is equal, all are.
            if to == run.last && same(to, &run.hash) {
                held[at(from)..=at(to)].fill(true);
                continue;
            }
            for (seq, hash) in (from..).zip(hashes.of(run, from, to)?) {
                if same(seq, &hash) {
                    held[at(seq)] = true;
                }
            }
        }
        Ok(held)
    }

    fn insert<H: Hashes>(&mut self, first: u32, prev: EntryHash, last: Head, hashes: &H) -> Result<u32, H::Error> {
        if let Some(at) = first.checked_sub(1).and_then(|before| self.open_end(before, &prev)) {
            let run = &mut self.runs[at];
            (run.last, run.hash) = (last.seq, last.hash);
            return Ok(run.run);
        }
        let parent = match first.checked_sub(1) {
            Some(before) => self.find(before, &prev, hashes)?,
            None => None,
        };
        let number = self.runs.iter().map(|run| run.run.saturating_add(1)).max().unwrap_or(0);
        self.runs.push(StoredRun { run: number, first, prev, last: last.seq, hash: last.hash, parent });
        Ok(number)
    }

    /// The run that holds entry `seq` with this hash.
    fn find<H: Hashes>(&self, seq: u32, hash: &EntryHash, hashes: &H) -> Result<Option<u32>, H::Error> {
        for run in self.runs.iter().filter(|run| (run.first..=run.last).contains(&seq)) {
            let same =
                if run.last == seq { run.hash == *hash } else { hashes.of(run, seq, seq)?.first() == Some(hash) };
            if same {
                return Ok(Some(run.run));
            }
        }
        Ok(None)
    }

    /// Runs beyond a gap that this piece closes.
    fn adopt(&mut self, piece: &Piece, heads: &[Head]) -> Vec<u32> {
        let Some(new) = heads.get(piece.from..piece.to) else { return Vec::new() };
        let mut adopted = Vec::new();
        for run in self.runs.iter_mut().filter(|run| run.parent.is_none() && run.first > 0 && run.run != piece.run) {
            let before = run.first - 1;
            if new.iter().any(|head| head.seq == before && head.hash == run.prev) {
                run.parent = Some(piece.run);
                adopted.push(run.run);
            }
        }
        adopted
    }

    /// From which position on the journal is forked: the lowest one that two runs hold differently.
    pub fn forked_at(&self) -> Option<u32> {
        let overlap = |(i, a): (usize, &StoredRun)| {
            let others = self.runs.iter().skip(i.saturating_add(1));
            others.filter(|b| a.first <= b.last && b.first <= a.last).map(|b| a.first.max(b.first)).min()
        };
        self.runs.iter().enumerate().filter_map(overlap).min()
    }

    /// Whether `run` holds entries on the way to entry `seq` of `of`, and how far.
    pub fn reaches(&self, of: u32, seq: u32, run: u32, at: u32) -> bool {
        let mut here = self.run(of);
        let mut limit = seq;
        while let Some(found) = here {
            if found.run == run {
                return at <= limit && at >= found.first;
            }
            limit = found.first.saturating_sub(1);
            here = found.parent.and_then(|parent| self.run(parent));
        }
        false
    }

    fn is_rooted(&self, run: &StoredRun) -> bool {
        let mut here = run;
        // At most one step a run.
        for _ in 0..=self.runs.len() {
            match here.parent.and_then(|parent| self.run(parent)) {
                Some(parent) => here = parent,
                None => return here.first == 0,
            }
        }
        false
    }

    /// The last runs of its branches, as far as they are held from the first entry on.
    pub fn ends(&self) -> impl Iterator<Item = &StoredRun> {
        self.runs.iter().filter(|run| self.is_rooted(run) && !self.has_child_at_end(run))
    }

    /// The last runs of what is held beyond gaps.
    pub fn loose_ends(&self) -> impl Iterator<Item = &StoredRun> {
        self.runs.iter().filter(|run| !self.is_rooted(run) && !self.has_child_at_end(run))
    }

    /// The line to the end of a run, as far as it is held: runs by their first entries, each up to where the next leaves it.
    pub fn runs_to(&self, end: &StoredRun) -> Vec<StoredRun> {
        let mut line = vec![*end];
        // at most one step a run
        for _ in 0..self.runs.len() {
            let Some((first, parent)) = line.last().map(|run| (run.first, run.parent)) else { break };
            let Some(before) = parent.and_then(|parent| self.run(parent)) else { break };
            line.push(StoredRun { last: first.saturating_sub(1), ..*before });
        }
        line.reverse();
        line
    }

    /// The branches as a version vector tells them.
    pub fn branches(&self) -> Vec<Branch> {
        let mut branches: Vec<Branch> = Vec::new();
        let mut beyond = Vec::new();
        for run in &self.runs {
            if !self.is_rooted(run) {
                beyond.push((run.first, run.last));
            } else if !self.has_child_at_end(run) {
                branches.push(Branch::up_to(run.last.saturating_add(1), hash16(&run.hash)));
            }
        }
        beyond.sort_unstable();
        for range in beyond {
            match branches
                .iter_mut()
                .filter(|branch| branch.contiguous < range.0)
                .max_by_key(|branch| branch.contiguous)
            {
                Some(branch) => branch.ranges.push(range),
                None => branches.push(Branch { ranges: vec![range], ..Branch::default() }),
            }
        }
        branches
    }

    /// The branch that a run lies on, as an acknowledgement names it: entries held from 0 up to this run's end.
    pub fn branch_of(&self, run: u32) -> Branch {
        match self.run(run) {
            Some(found) if self.is_rooted(found) => {
                let mut tip = found;
                for _ in 0..self.runs.len() {
                    let next = tip.last.saturating_add(1);
                    match self.runs.iter().find(|child| child.parent == Some(tip.run) && child.first == next) {
                        Some(child) => tip = child,
                        None => break,
                    }
                }
                Branch::up_to(tip.last.saturating_add(1), hash16(&tip.hash))
            }
            _ => self.longest(),
        }
    }

    /// The branch that is held furthest from its start, without what lies beyond a gap.
    pub fn longest(&self) -> Branch {
        let longest = self.branches().into_iter().max_by_key(|branch| branch.contiguous);
        longest.map(|branch| Branch::up_to(branch.contiguous, branch.hash)).unwrap_or_default()
    }

    /// Gaps: first and last entry that are missing.
    pub fn gaps(&self) -> Vec<(u32, u32)> {
        let mut gaps: Vec<(u32, u32)> = Vec::new();
        for run in self.runs.iter().filter(|run| run.parent.is_none() && run.first > 0) {
            let before =
                self.runs.iter().filter(|other| other.last < run.first).map(|other| other.last.saturating_add(1));
            let from = before.max().unwrap_or(0);
            if from < run.first {
                gaps.push((from, run.first - 1));
            }
        }
        gaps.sort_unstable();
        gaps.dedup();
        gaps
    }

    /// The last entry of the longest branch.
    pub fn head(&self) -> Option<Head> {
        self.runs.iter().max_by_key(|run| (run.last, run.hash)).map(|run| Head { seq: run.last, hash: run.hash })
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeMap, convert::Infallible};

    use domain::journal::ZERO_HASH;

    use super::*;

    /// Hashes of all that was ever placed.
    #[derive(Default)]
    struct Memory(RefCell<BTreeMap<(u32, u32), EntryHash>>);

    impl Hashes for Memory {
        type Error = Infallible;
        fn of(&self, run: &StoredRun, first: u32, last: u32) -> Result<Vec<EntryHash>, Infallible> {
            Ok((first..=last).map(|seq| self.0.borrow()[&(run.run, seq)]).collect())
        }
    }

    /// Hash of entry `seq` on a branch that leaves the main one at `from`.
    fn hash(branch: u8, from: u32, seq: u32) -> EntryHash {
        let mut hash = [if seq < from { 0 } else { branch }; 32];
        hash[..4].copy_from_slice(&(seq + 1).to_le_bytes());
        hash
    }

    fn place(tree: &mut Tree, memory: &Memory, branch: u8, from: u32, first: u32, last: u32) -> usize {
        let prev = first.checked_sub(1).map_or(ZERO_HASH, |before| hash(branch, from, before));
        let heads: Vec<Head> = (first..=last).map(|seq| Head { seq, hash: hash(branch, from, seq) }).collect();
        let (pieces, _) = tree.place(first, &prev, &heads, memory).unwrap();
        for piece in &pieces {
            for head in &heads[piece.from..piece.to] {
                assert!(memory.0.borrow_mut().insert((piece.run, head.seq), head.hash).is_none());
            }
        }
        pieces.iter().map(|piece| piece.to - piece.from).sum()
    }

    #[test]
    fn segments_in_any_order_give_one_branch() {
        let parts = [(0, 4), (5, 9), (10, 12), (13, 20)];
        for turn in 0..24 {
            let mut order: Vec<_> = parts.to_vec();
            order.rotate_left(turn % 4);
            if turn >= 12 {
                order.reverse();
            }
            order.swap(0, (turn / 4) % 3);
            let (mut tree, memory) = (Tree::default(), Memory::default());
            let new: usize = order.iter().map(|(a, b)| place(&mut tree, &memory, 0, 99, *a, *b)).sum();
            assert_eq!(new, 21);
            assert_eq!(place(&mut tree, &memory, 0, 99, 3, 15), 0, "all of it is held");
            assert_eq!(tree.branches(), vec![Branch::up_to(21, hash16(&hash(0, 99, 20)))], "{order:?}");
            assert_eq!((tree.forked_at(), tree.gaps()), (None, vec![]));
        }
    }

    #[test]
    fn a_gap_is_listed_until_it_is_filled() {
        let (mut tree, memory) = (Tree::default(), Memory::default());
        place(&mut tree, &memory, 0, 99, 0, 4);
        place(&mut tree, &memory, 0, 99, 10, 12);
        assert_eq!(tree.gaps(), vec![(5, 9)]);
        assert_eq!(tree.branches()[0].ranges, vec![(10, 12)]);
        assert_eq!(tree.branch_of(1).contiguous, 5);
        assert_eq!(place(&mut tree, &memory, 0, 99, 2, 11), 5, "only the gap is new");
        assert_eq!(tree.gaps(), vec![]);
        assert_eq!(tree.branch_of(0).contiguous, 13);
    }

    #[test]
    fn a_fork_keeps_both_branches_and_names_where_they_part() {
        let (mut tree, memory) = (Tree::default(), Memory::default());
        place(&mut tree, &memory, 0, 99, 0, 9);
        assert_eq!(place(&mut tree, &memory, 7, 6, 4, 8), 3);
        assert_eq!(tree.forked_at(), Some(6));
        let mut contiguous: Vec<u32> = tree.branches().iter().map(|branch| branch.contiguous).collect();
        contiguous.sort_unstable();
        assert_eq!(contiguous, vec![9, 10]);
        assert_eq!(place(&mut tree, &memory, 7, 6, 0, 12), 4, "the branch goes on");
        assert_eq!(place(&mut tree, &memory, 0, 99, 10, 11), 2, "so does the other");
        assert_eq!(tree.branches().len(), 2);
        assert!(tree.reaches(1, 12, 0, 5) && !tree.reaches(1, 12, 0, 6));
    }
}
