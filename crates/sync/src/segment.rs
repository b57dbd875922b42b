//! A run of a journal's entries on the wire: columns, then zstd.
//! Invariant: `decode(encode(s))` gives the same bodies byte for byte; nothing is believed before [`Segment::verify`].
//! Not here: what entries mean (`domain::ledger`), when a segment is sent (`session`).
//!
//! Layout: version u8 = 1 · device 16 · epoch u32 · first u32 · prev 32 · signature 64 · entries u16 · ids u16 ·
//! ids 16 each, in the order of their first use · bytes apart u16, and these · length of the columns u32 · the columns in
//! one zstd frame (`columns`).
use domain::{
    id::{DeviceId, FestivalId, device_id},
    journal::{BODY_MAX, ChainCursor, CommitMark, Detail, Entry, EntryHash, Flags, Genesis, Head, Kind, ZERO_HASH},
    trust::{Certificate, CertificateChain, Founding, Purpose},
    wire::{Malformed, Reader, Writer},
};
use thiserror::Error;

mod chips;
mod columns;
mod difference;
mod ids;
mod parts;
mod row;

use columns::{Place, Split};

/// Most entries in one segment.
pub const SEGMENT_ENTRIES: usize = 500;
/// Most bytes of bodies in one segment; whoever cuts segments stops at the commit end before it.
pub const SEGMENT_BODIES: usize = 768 * 1024;
/// Level of the compression, measured on 500 sales: 9 gives no byte less, 19 one in a hundred at twenty times the time.
const LEVEL: i32 = 6;
const VERSION: u8 = 1;

/// Consecutive entries of one journal, ending at the end of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Whose journal.
    pub device: DeviceId,
    /// Which run of it.
    pub epoch: u32,
    /// Position of the first entry.
    pub first: u32,
    /// Hash of the entry before the first; [`ZERO_HASH`] where `first` is 0.
    pub prev: EntryHash,
    /// Entry bodies, 1 to [`SEGMENT_ENTRIES`].
    pub bodies: Vec<Vec<u8>>,
    /// Of the commit that the last entry ends.
    pub signature: [u8; 64],
}

/// How much a segment may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most entries.
    pub entries: usize,
    /// Most bytes in one body.
    pub body: usize,
    /// Most bytes of all bodies together.
    pub bodies: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: SEGMENT_ENTRIES, body: BODY_MAX, bodies: SEGMENT_BODIES }
    }
}

/// A segment that cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SegmentError {
    /// Not of the layout.
    #[error("segment: {0}")]
    Malformed(#[from] Malformed),
    /// No entry, or more than the limit.
    #[error("a segment has 1 to {limit} entries, this one has {found}")]
    Entries {
        /// How many.
        found: usize,
        /// How many it may have.
        limit: usize,
    },
    /// Bodies longer than the limit.
    #[error("bodies of {found} bytes where {limit} are allowed")]
    TooLong {
        /// How many bytes.
        found: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// The compressed part cannot be unpacked.
    #[error("the compressed part is damaged")]
    Compression,
    /// Positions beyond what a journal can hold.
    #[error("the segment goes beyond the last possible position")]
    Position,
    /// The key is not the device's.
    #[error("the key is not that of device {0}")]
    Key(DeviceId),
    /// The last entry does not end a commit.
    #[error("entry {0} ends the segment but no commit")]
    OpenCommit(u32),
    /// The first entry of a journal is not a genesis, or not this journal's.
    #[error("the journal's genesis: {0}")]
    Genesis(&'static str),
    /// The signature does not hold for the chain's head.
    #[error("the signature under entry {0} does not hold")]
    Signature(u32),
}

impl Segment {
    /// Position of the last entry.
    pub fn last(&self) -> u32 {
        u32::try_from(self.bodies.len()).map_or(u32::MAX, |n| self.first.saturating_add(n.saturating_sub(1)))
    }

    /// Bytes of all bodies together.
    pub fn body_bytes(&self) -> usize {
        self.bodies.iter().map(Vec::len).sum()
    }

    /// Bytes on the wire. Beyond [`Limits::default`] it is an error.
    pub fn encode(&self) -> Result<Vec<u8>, SegmentError> {
        self.check_limits(&Limits::default())?;
        let Split { ids, apart, columns } = columns::split(&self.bodies, self.place());
        let packed = zstd::bulk::compress(&columns, LEVEL).map_err(|_| SegmentError::Compression)?;
        let mut out = Writer::new();
        out.u8(VERSION);
        self.device.write(&mut out);
        out.u32(self.epoch);
        out.u32(self.first);
        out.bytes(&self.prev);
        out.bytes(&self.signature);
        out.u16(u16::try_from(self.bodies.len()).unwrap_or(u16::MAX));
        out.u16(u16::try_from(ids.len()).unwrap_or(u16::MAX));
        ids.iter().for_each(|id| out.bytes(id));
        out.u16(u16::try_from(apart.len()).unwrap_or(u16::MAX));
        out.bytes(&apart);
        out.u32(u32::try_from(columns.len()).unwrap_or(u32::MAX));
        out.bytes(&packed);
        Ok(out.finish())
    }

    /// Reads the bytes on the wire within `limits`, without trusting them.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, SegmentError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Err(Malformed::Value("segment version").into());
        }
        let (device, epoch, first) = (DeviceId::read(&mut input)?, input.u32()?, input.u32()?);
        let (prev, signature) = (input.array()?, input.array()?);
        let entries = usize::from(input.u16()?);
        if entries == 0 || entries > limits.entries {
            return Err(SegmentError::Entries { found: entries, limit: limits.entries });
        }
        if first.checked_add(u32::try_from(entries).unwrap_or(u32::MAX)).is_none() {
            return Err(SegmentError::Position);
        }
        let ids = usize::from(input.u16()?);
        let ids: Vec<[u8; 16]> = input.take(ids.saturating_mul(16))?.as_chunks::<16>().0.to_vec();
        let apart = usize::from(input.u16()?);
        let apart = input.take(apart)?.to_vec();
        let length = usize::try_from(input.u32()?).unwrap_or(usize::MAX);
        let most = limits.bodies.saturating_add(entries.saturating_mul(columns::OVERHEAD));
        if length > most {
            return Err(SegmentError::TooLong { found: length, limit: most });
        }
        let columns = zstd::bulk::decompress(input.rest(), length).map_err(|_| SegmentError::Compression)?;
        if columns.len() != length {
            return Err(SegmentError::Compression);
        }
        let bodies = columns::join(&Split { ids, apart, columns }, entries, Place { device, epoch, first }, limits)?;
        Ok(Self { device, epoch, first, prev, bodies, signature })
    }

    /// Recomputes the chain and checks that the device's key signed its head, for this festival and this place.
    /// Gives the head after every entry.
    pub fn verify(&self, festival: FestivalId, public_key: &[u8; 32]) -> Result<Vec<Head>, SegmentError> {
        self.check_limits(&Limits::default())?;
        if device_id(public_key) != self.device {
            return Err(SegmentError::Key(self.device));
        }
        if self.first == 0 {
            let genesis = self.genesis()?;
            if genesis.public_key != *public_key {
                return Err(SegmentError::Genesis("another key"));
            }
            if genesis.festival != festival {
                return Err(SegmentError::Genesis("another festival"));
            }
        }
        let mut cursor =
            ChainCursor { festival, device: self.device, epoch: self.epoch, next_seq: self.first, prev: self.prev };
        let heads: Vec<Head> = self.bodies.iter().map(|body| cursor.append(body)).collect();
        let (Some(head), Some(body)) = (heads.last(), self.bodies.last()) else {
            return Err(SegmentError::Entries { found: 0, limit: SEGMENT_ENTRIES });
        };
        if !ends_commit(body) {
            return Err(SegmentError::OpenCommit(head.seq));
        }
        CommitMark { head: *head, signature: self.signature }
            .check(public_key, &festival, self.device, self.epoch)
            .map_err(|_| SegmentError::Signature(head.seq))?;
        Ok(heads)
    }

    /// The genesis that a segment from position 0 opens with; checked against device and epoch, not yet signed for.
    pub fn genesis(&self) -> Result<Genesis, SegmentError> {
        if self.first != 0 || self.prev != ZERO_HASH {
            return Err(SegmentError::Genesis("not at the start"));
        }
        let body = self.bodies.first().ok_or(SegmentError::Genesis("missing"))?;
        let entry = Entry::from_bytes(body).map_err(|_| SegmentError::Genesis("unreadable"))?;
        if entry.kind != Kind::GENESIS {
            return Err(SegmentError::Genesis("another kind"));
        }
        let Ok(Detail::Genesis(genesis)) = Detail::of(&entry) else {
            return Err(SegmentError::Genesis("unreadable"));
        };
        if genesis.epoch != self.epoch {
            return Err(SegmentError::Genesis("another epoch"));
        }
        if device_id(&genesis.public_key) != self.device {
            return Err(SegmentError::Genesis("another device"));
        }
        Ok(genesis)
    }

    /// The certificate that a segment from position 0 opens its journal with: its chain leads to the root, and it is for
    /// the key that the genesis names. Not yet signed for.
    pub fn opened_by(&self, founding: &Founding) -> Result<Certificate, SegmentError> {
        let genesis = self.genesis()?;
        let certificate = CertificateChain::from_bytes(&genesis.chain)?
            .verify(founding)
            .map_err(|_| SegmentError::Genesis("a chain that does not lead to the root"))?;
        if !matches!(certificate.purpose, Purpose::Device | Purpose::Hub) {
            return Err(SegmentError::Genesis("a certificate for another purpose"));
        }
        if certificate.subject != genesis.public_key {
            return Err(SegmentError::Genesis("a certificate for another key"));
        }
        Ok(certificate)
    }

    fn place(&self) -> Place {
        Place { device: self.device, epoch: self.epoch, first: self.first }
    }

    fn check_limits(&self, limits: &Limits) -> Result<(), SegmentError> {
        let entries = self.bodies.len();
        if entries == 0 || entries > limits.entries {
            return Err(SegmentError::Entries { found: entries, limit: limits.entries });
        }
        if u32::try_from(entries).ok().and_then(|n| self.first.checked_add(n)).is_none() {
            return Err(SegmentError::Position);
        }
        if let Some(body) = self.bodies.iter().find(|body| body.len() > limits.body) {
            return Err(SegmentError::TooLong { found: body.len(), limit: limits.body });
        }
        let found = self.body_bytes();
        if found > limits.bodies { Err(SegmentError::TooLong { found, limit: limits.bodies }) } else { Ok(()) }
    }
}

/// Whether a signature follows this entry. The second byte holds the flags in every body version.
pub fn ends_commit(body: &[u8]) -> bool {
    body.get(1).is_some_and(|flags| Flags(*flags).has(Flags::END_OF_COMMIT))
}

#[cfg(test)]
mod tests;
