//! State that the hub sends down: batches of records, each complete between two version vectors, signed.
//! Invariant: a batch applies on the one before it or not at all; a gap means a snapshot.
//! Not here: what the records mean (`domain::ledger`) and where they are kept (`box-store`).
//!
//! Body: version u8 = 1 · festival 16 · section u8 · term u32 · prev u64 · number u64 · part u16 · parts u16 ·
//! snapshot u8 (0, 1) · hub time in ms u64 · vector length u32 · vector (`vector`) · items to the end.
//! Signed over `tag ‖ festival ‖ body`; on the wire: key 32 · signature 64 · body.
use domain::{
    id::FestivalId,
    trust::{SignatureTag, sign, verify},
    wire::{Malformed, Reader, Writer},
};
use ed25519_dalek::SigningKey;
use thiserror::Error;

use crate::vector::{JournalHeads, VersionVector};

/// Longest body of one part.
pub const DELTA_MAX: usize = 1_000_000;

const VERSION: u8 = 1;

/// What kind of knowledge a batch updates; each has its own numbering and its own age. Number 4 is left free:
/// certificates travel in the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// 1: balances and flags of wallets.
    Wallets,
    /// 2: where tickets are, and which are blocked.
    Tickets,
    /// 3: devices and tickets revoked.
    Revocations,
    /// 5: documents that people edit.
    Documents,
    /// 6: the festival bundle.
    Bundle,
    /// 8: credits that the hub signed, for boxes to carry to their bands.
    Credits,
    /// 7: how full zones are, and who holds their places.
    Zones,
    /// 9: what boxes hold of accounts.
    Shares,
}

impl Section {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Wallets,
        Self::Tickets,
        Self::Revocations,
        Self::Documents,
        Self::Bundle,
        Self::Credits,
        Self::Zones,
        Self::Shares,
    ];

    /// The byte on the wire.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Wallets => 1,
            Self::Tickets => 2,
            Self::Revocations => 3,
            Self::Documents => 5,
            Self::Bundle => 6,
            Self::Credits => 8,
            Self::Zones => 7,
            Self::Shares => 9,
        }
    }

    /// From the byte on the wire.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.byte() == byte)
    }
}

/// One batch, or one part of a large one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// The festival.
    pub festival: FestivalId,
    /// Which knowledge.
    pub section: Section,
    /// The hub database's term; each restore starts a new one.
    pub term: u32,
    /// The batch that this one applies on; 0 in a snapshot.
    pub prev: u64,
    /// Number of this batch in its section and term, from 1.
    pub number: u64,
    /// Which part, from 0.
    pub part: u16,
    /// How many parts; the batch holds from the moment that all are there.
    pub parts: u16,
    /// Whether it replaces all that was known.
    pub snapshot: bool,
    /// What the batch takes into account: changes since `prev`, or the whole vector in a snapshot.
    pub vector: Vec<JournalHeads>,
    /// The hub's time when it was signed, Unix ms.
    pub hub_time_ms: u64,
    /// Records, of the section's own layout.
    pub items: Vec<u8>,
}

/// A delta's bytes as they were signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedDelta {
    /// Canonical bytes of the [`Delta`].
    pub body: Vec<u8>,
    /// By `key`.
    pub signature: [u8; 64],
    /// A key whose purpose is `Purpose::Bundle`.
    pub key: [u8; 32],
}

/// A delta that cannot be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DeltaError {
    /// Not of the layout.
    #[error("delta: {0}")]
    Malformed(#[from] Malformed),
    /// Larger than [`DELTA_MAX`].
    #[error("a part of a delta has at most {DELTA_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// Another festival's.
    #[error("the delta is of another festival")]
    Festival,
    /// Not signed by a key that may sign bundles.
    #[error("the delta's key is not one of the festival's bundle keys")]
    Key,
    /// The signature does not hold.
    #[error("the delta's signature does not hold")]
    Signature,
    /// It applies on a batch that is not held: ask for a snapshot.
    #[error("the delta applies on batch {prev} of term {term}, held is {held} of term {held_term}")]
    Gap {
        /// Its term.
        term: u32,
        /// The batch it applies on.
        prev: u64,
        /// The term held.
        held_term: u32,
        /// The batch held.
        held: u64,
    },
    /// A part that does not follow the one before it.
    #[error("part {found} came where part {wanted} was due")]
    Part {
        /// Which came.
        found: u16,
        /// Which was due.
        wanted: u16,
    },
}

impl Delta {
    /// Canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        self.festival.write(&mut out);
        out.u8(self.section.byte());
        out.u32(self.term);
        out.u64(self.prev);
        out.u64(self.number);
        out.u16(self.part);
        out.u16(self.parts);
        out.u8(u8::from(self.snapshot));
        out.u64(self.hub_time_ms);
        let vector = VersionVector::new(self.vector.clone()).encode();
        out.u32(u32::try_from(vector.len()).unwrap_or(u32::MAX));
        out.bytes(&vector);
        out.bytes(&self.items);
        out.finish()
    }

    /// Reads canonical bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DeltaError> {
        if bytes.len() > DELTA_MAX {
            return Err(DeltaError::TooLong(bytes.len()));
        }
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(Malformed::Value("delta version").into());
        }
        let delta = Self {
            festival: FestivalId::read(&mut input)?,
            section: Section::from_byte(input.u8()?).ok_or(Malformed::Value("section"))?,
            term: input.u32()?,
            prev: input.u64()?,
            number: input.u64()?,
            part: input.u16()?,
            parts: input.u16()?,
            snapshot: match input.u8()? {
                0 => false,
                1 => true,
                _ => return Err(Malformed::Value("snapshot").into()),
            },
            hub_time_ms: input.u64()?,
            vector: {
                let len = usize::try_from(input.u32()?).map_err(|_| Malformed::Value("vector length"))?;
                VersionVector::decode(input.take(len)?)?.journals().to_vec()
            },
            items: input.rest().to_vec(),
        };
        if delta.part >= delta.parts {
            return Err(Malformed::Value("part").into());
        }
        if delta.number == 0 || delta.prev >= delta.number || (delta.snapshot && delta.prev != 0) {
            return Err(Malformed::Value("number").into());
        }
        Ok(delta)
    }

    /// Signs it.
    pub fn sign(&self, key: &SigningKey) -> SignedDelta {
        let body = self.to_bytes();
        let signature = sign(key, SignatureTag::Delta, &self.festival, &[&body]);
        SignedDelta { body, signature, key: key.verifying_key().to_bytes() }
    }
}

impl SignedDelta {
    /// Reads the delta if one of the festival's `bundle_keys` signed it.
    pub fn open(&self, festival: &FestivalId, bundle_keys: &[[u8; 32]]) -> Result<Delta, DeltaError> {
        if self.body.len() > DELTA_MAX {
            return Err(DeltaError::TooLong(self.body.len()));
        }
        if !bundle_keys.contains(&self.key) {
            return Err(DeltaError::Key);
        }
        verify(&self.key, SignatureTag::Delta, festival, &[&self.body], &self.signature)
            .map_err(|_| DeltaError::Signature)?;
        let delta = Delta::from_bytes(&self.body)?;
        if delta.festival == *festival { Ok(delta) } else { Err(DeltaError::Festival) }
    }

    /// Bytes on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(&self.key);
        out.bytes(&self.signature);
        out.bytes(&self.body);
        out.finish()
    }

    /// Reads the bytes on the wire, without trusting them.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let (key, signature) = (input.array()?, input.array()?);
        Ok(Self { body: input.rest().to_vec(), signature, key })
    }
}

/// How far one section is known, and which part of a batch is due next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DeltaProgress {
    /// Term of the newest batch applied whole.
    pub term: u32,
    /// Its number; 0 for none.
    pub number: u64,
    under_way: Option<(Batch, u16)>,
}

/// What all parts of one batch say alike. Its number does not do: a hub may make a batch and a snapshot of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Batch {
    term: u32,
    prev: u64,
    number: u64,
    parts: u16,
    snapshot: bool,
}

impl Batch {
    fn of(delta: &Delta) -> Self {
        let Delta { term, prev, number, parts, snapshot, .. } = *delta;
        Self { term, prev, number, parts, snapshot }
    }
}

impl DeltaProgress {
    /// Knowledge as it was stored.
    pub fn at(term: u32, number: u64) -> Self {
        Self { term, number, under_way: None }
    }

    /// Takes the next part; `true` when the batch is whole with it. Part 0 starts a batch anew at any time.
    pub fn take(&mut self, delta: &Delta) -> Result<bool, DeltaError> {
        if delta.part == 0 {
            let follows = delta.term == self.term && delta.prev == self.number;
            let newer = delta.term > self.term || (delta.term == self.term && delta.number > self.number);
            if !(newer && (delta.snapshot || follows)) {
                return Err(DeltaError::Gap {
                    term: delta.term,
                    prev: delta.prev,
                    held_term: self.term,
                    held: self.number,
                });
            }
            self.under_way = Some((Batch::of(delta), 0));
        }
        let due = match self.under_way {
            Some((batch, due)) if batch == Batch::of(delta) => due,
            _ => return Err(DeltaError::Part { found: delta.part, wanted: 0 }),
        };
        if due != delta.part {
            return Err(DeltaError::Part { found: delta.part, wanted: due });
        }
        let next = due.saturating_add(1);
        if next == delta.parts {
            *self = Self::at(delta.term, delta.number);
            Ok(true)
        } else {
            self.under_way = Some((Batch::of(delta), next));
            Ok(false)
        }
    }

    /// Forgets a batch that was under way (the connection was lost).
    pub fn interrupt(&mut self) {
        self.under_way = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{sample, vector::Branch};
    use domain::id::DeviceId;

    fn delta(prev: u64, number: u64, part: u16, parts: u16, snapshot: bool) -> Delta {
        Delta {
            festival: sample::founding().festival(),
            section: Section::Wallets,
            term: 1,
            prev,
            number,
            part,
            parts,
            snapshot,
            vector: vec![JournalHeads {
                device: DeviceId([4; 16]),
                epoch: 0,
                branches: vec![Branch::up_to(7, [1; 16])],
            }],
            hub_time_ms: 99,
            items: vec![1, 2, 3],
        }
    }

    #[test]
    fn a_delta_reads_back_and_only_a_bundle_key_may_sign_it() {
        let (key, other) = (sample::key(5), sample::key(6));
        let festival = sample::founding().festival();
        let signed = delta(3, 4, 0, 1, false).sign(&key);
        let keys = [key.verifying_key().to_bytes()];
        assert_eq!(signed.open(&festival, &keys), Ok(delta(3, 4, 0, 1, false)));
        assert_eq!(SignedDelta::decode(&signed.encode()), Ok(signed.clone()));
        assert_eq!(delta(3, 4, 0, 1, false).sign(&other).open(&festival, &keys), Err(DeltaError::Key));
        assert_eq!(signed.open(&FestivalId([0; 16]), &keys), Err(DeltaError::Signature));
        for bit in 0..signed.body.len() * 8 {
            let mut forged = signed.clone();
            forged.body[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(forged.open(&festival, &keys), Err(DeltaError::Signature));
        }
    }

    #[test]
    fn a_delta_is_at_most_as_long_as_a_frame_takes_and_counts_upwards() {
        let (key, festival) = (sample::key(5), sample::founding().festival());
        let keys = [key.verifying_key().to_bytes()];
        let other = delta(3, 4, 0, 1, false);
        let rest = DELTA_MAX - (other.to_bytes().len() - other.items.len());
        for (more, fits) in [(0, true), (1, false), (2, false)] {
            let long = Delta { items: vec![7; rest + more], ..other.clone() };
            assert_eq!(Delta::from_bytes(&long.to_bytes()).is_ok(), fits, "{more}");
            assert_eq!(long.sign(&key).open(&festival, &keys).is_ok(), fits, "{more}");
            let bytes = long.to_bytes();
            let signature = sign(&key, SignatureTag::Delta, &festival, &[&bytes]);
            let refused = SignedDelta { body: bytes, signature, key: keys[0] }.open(&festival, &[[0; 32]]);
            assert_eq!(refused, Err(if fits { DeltaError::Key } else { DeltaError::TooLong(DELTA_MAX + more) }));
        }
        for (prev, number, snapshot, good) in [
            (3, 4, false, true),
            (0, 1, false, true),
            (0, 4, true, true),
            (0, 0, false, false),
            (4, 4, false, false),
            (5, 4, false, false),
            (3, 4, true, false),
        ] {
            let read = Delta::from_bytes(&delta(prev, number, 0, 1, snapshot).to_bytes());
            assert_eq!(read.is_ok(), good, "{prev} {number} {snapshot}");
        }
    }

    #[test]
    fn a_gap_needs_a_snapshot() {
        let mut progress = DeltaProgress::at(1, 3);
        assert!(matches!(progress.take(&delta(4, 5, 0, 1, false)), Err(DeltaError::Gap { held: 3, prev: 4, .. })));
        assert_eq!(progress.take(&delta(3, 4, 0, 1, false)), Ok(true));
        assert_eq!(progress.take(&delta(0, 9, 0, 1, true)), Ok(true));
        assert_eq!(progress, DeltaProgress::at(1, 9));
        assert!(progress.take(&delta(0, 8, 0, 1, true)).is_err(), "never back");
    }

    #[test]
    fn a_snapshot_holds_only_when_all_its_parts_are_there() {
        let mut progress = DeltaProgress::default();
        assert_eq!(progress.take(&delta(0, 9, 0, 3, true)), Ok(false));
        assert_eq!(progress.take(&delta(0, 9, 2, 3, true)), Err(DeltaError::Part { found: 2, wanted: 1 }));
        assert_eq!(progress.take(&delta(0, 9, 1, 3, true)), Ok(false));
        progress.interrupt();
        assert_eq!(progress.take(&delta(0, 9, 2, 3, true)), Err(DeltaError::Part { found: 2, wanted: 0 }));
        for (part, whole) in [(0, false), (1, false), (2, true)] {
            assert_eq!(progress.take(&delta(0, 9, part, 3, true)), Ok(whole));
        }
        assert_eq!(progress.number, 9);
    }

    #[test]
    fn parts_of_a_batch_and_of_a_snapshot_with_its_number_are_never_mixed() {
        let mut progress = DeltaProgress::at(1, 3);
        assert_eq!(progress.take(&delta(3, 4, 0, 2, false)), Ok(false));
        let of_snapshot = progress.take(&delta(0, 4, 1, 2, true));
        assert_eq!(of_snapshot, Err(DeltaError::Part { found: 1, wanted: 0 }));
        let of_another_base = progress.take(&delta(2, 4, 1, 2, false));
        assert_eq!(of_another_base, Err(DeltaError::Part { found: 1, wanted: 0 }));
        assert_eq!(progress.take(&delta(3, 4, 1, 2, false)), Ok(true));
    }

    #[test]
    fn an_older_term_is_refused_and_a_newer_one_starts_with_a_snapshot() {
        let mut progress = DeltaProgress::at(2, 3);
        assert!(progress.take(&delta(3, 4, 0, 1, false)).is_err());
        let newer = Delta { term: 3, ..delta(3, 4, 0, 1, false) };
        assert!(progress.take(&newer).is_err());
        let snapshot = Delta { term: 3, ..delta(0, 1, 0, 1, true) };
        assert_eq!(progress.take(&snapshot), Ok(true));
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_refused_or_canonical(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(delta) = Delta::from_bytes(&bytes) {
                prop_assert_eq!(delta.to_bytes(), bytes);
            }
        }
    }
}
