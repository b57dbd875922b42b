//! What somebody holds of the journals: an entry per device and epoch, with ranges beyond a gap.
//! Invariant: a vector is sorted by (device, epoch), bounded, and has one encoding only.
//! Not here: the entries themselves (`segment`).
//!
//! Layout: version u8 = 1 · journals varint · per journal: device 16 · epoch varint · branches varint (1 to 8) ·
//! per branch: contiguous varint · hash 16 where contiguous > 0 · ranges varint (0 to 64) · per range:
//! entries missing before it varint (≥ 1) · its length − 1 varint. Varints are shortest LEB128.
use domain::{
    id::DeviceId,
    journal::EntryHash,
    wire::{Malformed, Reader, Writer},
};

/// Most branches that anybody keeps of one journal; a device with more is revoked.
pub const MAX_BRANCHES: usize = 8;
/// Most ranges beyond a gap in one branch; what is further is sent again later.
pub const MAX_RANGES: usize = 64;
/// Most journals in one vector.
pub const MAX_JOURNALS: usize = 4096;
/// Most bytes of one vector, so that it goes into a frame.
pub const MAX_BYTES: usize = 900_000;

const VERSION: u8 = 1;

/// First 16 bytes of an entry's hash, enough to tell branches apart.
pub type Hash16 = [u8; 16];

/// Shortens an entry's hash.
pub fn hash16(hash: &EntryHash) -> Hash16 {
    let mut out = [0; 16];
    out.copy_from_slice(hash.split_at(16).0);
    out
}

/// One branch of a journal as far as it is held; a journal that never forked has one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Branch {
    /// Entries held from 0 without a gap.
    pub contiguous: u32,
    /// First 16 bytes of the hash of entry `contiguous − 1`; zeros where `contiguous` is 0.
    pub hash: Hash16,
    /// First and last entry of each range held beyond, ascending, with a gap before each.
    pub ranges: Vec<(u32, u32)>,
}

impl Branch {
    /// A branch without ranges.
    pub fn up_to(contiguous: u32, hash: Hash16) -> Self {
        Self { contiguous, hash, ranges: Vec::new() }
    }

    /// Whether entry `seq` of this branch is held.
    pub fn holds(&self, seq: u32) -> bool {
        seq < self.contiguous || self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&seq))
    }

    /// One past the last entry held, ranges included.
    pub fn end(&self) -> u32 {
        self.ranges.last().map_or(self.contiguous, |(_, last)| last.saturating_add(1))
    }
}

/// What is held of one device's epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalHeads {
    /// Whose journal.
    pub device: DeviceId,
    /// Which run of it.
    pub epoch: u32,
    /// 1 to [`MAX_BRANCHES`], ascending.
    pub branches: Vec<Branch>,
}

impl JournalHeads {
    fn key(&self) -> (DeviceId, u32) {
        (self.device, self.epoch)
    }

    fn write(&self, out: &mut Writer) {
        self.device.write(out);
        out.varint(self.epoch.into());
        out.varint(self.branches.len() as u64);
        for branch in &self.branches {
            out.varint(branch.contiguous.into());
            if branch.contiguous > 0 {
                out.bytes(&branch.hash);
            }
            out.varint(branch.ranges.len() as u64);
            let mut next = branch.contiguous;
            for (first, last) in &branch.ranges {
                out.varint(first.saturating_sub(next).into());
                out.varint(last.saturating_sub(*first).into());
                next = last.saturating_add(1);
            }
        }
    }

    fn bytes(&self) -> usize {
        let mut out = Writer::new();
        self.write(&mut out);
        out.finish().len()
    }

    /// Cuts off branches and ranges that nobody keeps.
    fn cut(&mut self) {
        self.branches.truncate(MAX_BRANCHES);
        self.branches.iter_mut().for_each(|branch| branch.ranges.truncate(MAX_RANGES));
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let device = DeviceId::read(input)?;
        let epoch = number(input)?;
        let count = count(input, MAX_BRANCHES)?;
        let mut branches: Vec<Branch> = Vec::with_capacity(count);
        for _ in 0..count {
            let branch = read_branch(input)?;
            if branches.last().is_some_and(|last| *last >= branch) {
                return Err(Malformed::Value("branch order"));
            }
            branches.push(branch);
        }
        if branches.is_empty() {
            return Err(Malformed::Value("branches"));
        }
        Ok(Self { device, epoch, branches })
    }
}

fn read_branch(input: &mut Reader<'_>) -> Result<Branch, Malformed> {
    let contiguous = number(input)?;
    let hash = if contiguous > 0 { input.array()? } else { [0; 16] };
    let mut ranges = Vec::new();
    let mut next = contiguous;
    for _ in 0..count(input, MAX_RANGES)? {
        let gap = number(input)?;
        if gap == 0 {
            return Err(Malformed::Value("range"));
        }
        let first = next.checked_add(gap).ok_or(Malformed::Value("range"))?;
        let last = first.checked_add(number(input)?).ok_or(Malformed::Value("range"))?;
        next = last.checked_add(1).ok_or(Malformed::Value("range"))?;
        ranges.push((first, last));
    }
    Ok(Branch { contiguous, hash, ranges })
}

fn number(input: &mut Reader<'_>) -> Result<u32, Malformed> {
    u32::try_from(input.varint()?).map_err(|_| Malformed::Value("number"))
}

fn count(input: &mut Reader<'_>, most: usize) -> Result<usize, Malformed> {
    usize::try_from(input.varint()?).ok().filter(|n| *n <= most).ok_or(Malformed::Value("count"))
}

/// What is held of all journals, sorted by (device, epoch).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct VersionVector(Vec<JournalHeads>);

impl VersionVector {
    /// Sorts `journals`, their branches and ranges; of two records of one journal the branches are joined.
    pub fn new(mut journals: Vec<JournalHeads>) -> Self {
        journals.sort_by_key(JournalHeads::key);
        let mut out: Vec<JournalHeads> = Vec::with_capacity(journals.len());
        for journal in journals {
            match out.last_mut() {
                Some(last) if last.key() == journal.key() => last.branches.extend(journal.branches),
                _ => out.push(journal),
            }
        }
        for journal in &mut out {
            for branch in &mut journal.branches {
                tidy(branch);
            }
            journal.branches.sort();
            journal.branches.dedup();
        }
        out.retain(|journal| !journal.branches.is_empty());
        Self(out)
    }

    /// The journals, ascending.
    pub fn journals(&self) -> &[JournalHeads] {
        &self.0
    }

    /// What is held of one journal.
    pub fn journal(&self, device: DeviceId, epoch: u32) -> Option<&JournalHeads> {
        let at = self.0.binary_search_by_key(&(device, epoch), JournalHeads::key).ok()?;
        self.0.get(at)
    }

    /// Puts what is held of one journal in the place of what was there.
    pub fn set(&mut self, mut heads: JournalHeads) {
        heads.branches.iter_mut().for_each(tidy);
        heads.branches.sort();
        heads.branches.dedup();
        match self.0.binary_search_by_key(&heads.key(), JournalHeads::key) {
            Ok(at) => self.0[at] = heads,
            Err(at) => self.0.insert(at, heads),
        }
    }

    /// Whether whoever holds this vector has entry `seq`. The hash decides at a branch's head; below it the entry is
    /// taken to lie on that branch, so a caller who may stand on another one asks [`Self::covers_on`].
    pub fn covers(&self, device: DeviceId, epoch: u32, seq: u32, hash: Hash16) -> bool {
        self.covers_on(device, epoch, seq, |at| (at == seq).then_some(hash))
    }

    /// As [`Self::covers`], for an entry of a known branch: `hash_at` gives that branch's own hashes, `None` where it
    /// does not know one.
    pub fn covers_on(&self, device: DeviceId, epoch: u32, seq: u32, hash_at: impl Fn(u32) -> Option<Hash16>) -> bool {
        let Some(journal) = self.journal(device, epoch) else { return false };
        journal.branches.iter().any(|branch| {
            branch.holds(seq)
                && branch.contiguous.checked_sub(1).and_then(&hash_at).is_none_or(|mine| mine == branch.hash)
        })
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.varint(self.0.len() as u64);
        self.0.iter().for_each(|journal| journal.write(&mut out));
        out.finish()
    }

    /// Reads canonical bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(Malformed::Value("vector version"));
        }
        let count = count(&mut input, MAX_JOURNALS)?;
        let mut journals: Vec<JournalHeads> = Vec::new();
        for _ in 0..count {
            let journal = JournalHeads::read(&mut input)?;
            if journals.last().is_some_and(|last| last.key() >= journal.key()) {
                return Err(Malformed::Value("journal order"));
            }
            journals.push(journal);
        }
        input.end()?;
        Ok(Self(journals))
    }

    /// Cuts off what the encoding and a frame cannot carry (branches, ranges and journals beyond the limits). Good enough
    /// for a question and its answer; what is signed as taken into account comes in parts.
    #[must_use]
    pub fn within_limits(self) -> Self {
        self.in_parts(MAX_BYTES).into_iter().next().unwrap_or_default()
    }

    /// All journals, in vectors of at most so many bytes and of journals as one vector may have; at least one journal in
    /// each. Only branches and ranges beyond those that anybody keeps of a journal are cut off.
    #[must_use]
    pub fn in_parts(self, most_bytes: usize) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        // version and count come before the journals
        let (head, mut bytes) = (4, 0_usize);
        for mut journal in self.0 {
            journal.cut();
            let more = journal.bytes();
            match parts.last_mut() {
                Some(part) if part.0.len() < MAX_JOURNALS && bytes.saturating_add(more) <= most_bytes => {
                    part.0.push(journal);
                    bytes = bytes.saturating_add(more);
                }
                Some(_) | None => {
                    parts.push(Self(vec![journal]));
                    bytes = more.saturating_add(head);
                }
            }
        }
        parts
    }
}

impl From<Vec<JournalHeads>> for VersionVector {
    fn from(journals: Vec<JournalHeads>) -> Self {
        Self::new(journals)
    }
}

/// Sorts and joins ranges, and drops what the contiguous part covers.
fn tidy(branch: &mut Branch) {
    if branch.contiguous == 0 {
        branch.hash = [0; 16];
    }
    branch.ranges.retain(|(first, last)| first <= last && *last < u32::MAX && *last > branch.contiguous);
    branch.ranges.sort_unstable();
    let mut joined: Vec<(u32, u32)> = Vec::with_capacity(branch.ranges.len());
    for (first, last) in branch.ranges.drain(..) {
        // A range that touches the contiguous part has another head's hash: it starts one later, behind a gap.
        let first = first.max(branch.contiguous.saturating_add(1));
        match joined.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    branch.ranges = joined;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn branch() -> impl Strategy<Value = Branch> {
        (0u32..1000, any::<[u8; 16]>(), proptest::collection::vec((0u32..5000, 0u32..100), 0..5)).prop_map(
            |(contiguous, hash, ranges)| Branch {
                contiguous,
                hash,
                ranges: ranges.into_iter().map(|(first, more)| (first, first + more)).collect(),
            },
        )
    }

    fn vector() -> impl Strategy<Value = VersionVector> {
        let journal = (0u8..40, 0u32..3, proptest::collection::vec(branch(), 1..4))
            .prop_map(|(device, epoch, branches)| JournalHeads { device: DeviceId([device; 16]), epoch, branches });
        proptest::collection::vec(journal, 0..20).prop_map(|journals| VersionVector::new(journals).within_limits())
    }

    #[test]
    fn what_is_held_of_a_journal_from_its_middle_on_reads_back_and_is_put_in_its_place() {
        let heads = |contiguous, ranges: &[(u32, u32)]| JournalHeads {
            device: DeviceId([4; 16]),
            epoch: 1,
            branches: vec![Branch { contiguous, hash: [7; 16], ranges: ranges.to_vec() }],
        };
        let mut vector = VersionVector::from(vec![heads(0, &[(3, 5)])]);
        assert_eq!(VersionVector::decode(&vector.encode()), Ok(vector.clone()));
        assert!(!vector.covers(DeviceId([4; 16]), 1, 2, [0; 16]) && vector.covers(DeviceId([4; 16]), 1, 3, [0; 16]));
        // an empty range, the last position, and what lies within the contiguous part are none
        vector.set(heads(8, &[(20, 19), (30, 30), (u32::MAX - 1, u32::MAX), (7, 8), (8, 9)]));
        let held = vector.journal(DeviceId([4; 16]), 1).unwrap();
        assert_eq!(held.branches[0].ranges, [(9, 9), (30, 30)]);
        vector.set(JournalHeads { epoch: 2, ..heads(1, &[]) });
        assert_eq!(vector.journals().len(), 2);
    }

    proptest! {
        #[test]
        fn a_vector_reads_back(vector in vector()) {
            prop_assert_eq!(VersionVector::decode(&vector.encode()), Ok(vector));
        }

        #[test]
        fn hostile_bytes_are_refused_or_are_canonical(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(vector) = VersionVector::decode(&bytes) {
                prop_assert_eq!(vector.encode(), bytes);
            }
        }

        #[test]
        fn a_changed_byte_never_reads_as_a_second_encoding(vector in vector(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut bytes = vector.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            if let Ok(other) = VersionVector::decode(&bytes) {
                prop_assert_ne!(&other, &vector);
                prop_assert_eq!(other.encode(), bytes);
            }
        }
    }

    #[test]
    fn a_vector_in_parts_leaves_out_no_journal_and_each_part_reads_back() {
        let of = |n: u32, ranges: u32| JournalHeads {
            device: DeviceId([(n % 250) as u8; 16]),
            epoch: n,
            branches: vec![Branch { ranges: (1..=ranges).map(|at| (at * 9, at * 9)).collect(), ..Branch::default() }],
        };
        for (count, ranges, least) in [(0, 0, 0), (1, 64, 1), (9_000, 0, 3), (6_000, 64, 2)] {
            let whole = VersionVector::new((0..count).map(|n| of(n, ranges)).collect());
            for most in [64 * 1024, MAX_BYTES] {
                let parts = whole.clone().in_parts(most);
                assert!(parts.len() >= least);
                let mut found = Vec::new();
                for part in parts {
                    assert!(part.encode().len() <= most);
                    assert_eq!(VersionVector::decode(&part.encode()), Ok(part.clone()));
                    found.extend(part.journals().to_vec());
                }
                assert_eq!(found, whole.journals());
            }
            assert!(whole.within_limits().encode().len() < crate::frame::FRAME_MAX);
        }
    }

    #[test]
    fn a_thousand_boxes_fit_in_forty_five_kilobytes() {
        let journals = (0..1000u32).map(|n| {
            let mut device = [7; 16];
            device[..4].copy_from_slice(&n.to_le_bytes());
            JournalHeads { device: DeviceId(device), epoch: 0, branches: vec![Branch::up_to(20_000, [n as u8; 16])] }
        });
        assert!(VersionVector::new(journals.collect()).encode().len() <= 45_000);
    }

    #[test]
    fn an_entry_is_covered_below_a_head_and_in_a_range_but_not_in_the_gap() {
        let device = DeviceId([1; 16]);
        let branch = Branch { contiguous: 10, hash: [9; 16], ranges: vec![(20, 25)] };
        let vector = VersionVector::new(vec![JournalHeads { device, epoch: 1, branches: vec![branch] }]);
        assert!(vector.covers(device, 1, 3, [0; 16]));
        assert!(vector.covers(device, 1, 9, [9; 16]));
        assert!(!vector.covers(device, 1, 9, [8; 16]), "the head of another branch");
        assert!(!vector.covers(device, 1, 10, [0; 16]));
        assert!(vector.covers(device, 1, 22, [0; 16]));
        assert!(!vector.covers(device, 2, 3, [0; 16]), "another epoch");
        assert!(!vector.covers_on(device, 1, 3, |_| Some([7; 16])), "a branch that the holder does not know");
    }

    #[test]
    fn a_ninth_branch_is_refused() {
        let branches = (1..=9).map(|n| Branch::up_to(n, [n as u8; 16])).collect();
        let bytes = VersionVector::new(vec![JournalHeads { device: DeviceId([1; 16]), epoch: 0, branches }]).encode();
        assert_eq!(VersionVector::decode(&bytes), Err(Malformed::Value("count")));
    }
}
