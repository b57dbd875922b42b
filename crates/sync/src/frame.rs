//! Frames: what travels between a box and the hub.
//! Invariant: one encoding for each frame, at most [`FRAME_MAX`] bytes, and a reader keeps no more than one frame.
//! Not here: what a side does with a frame (`session`), sockets (`sync-quic`).
//!
//! A frame is `length u32 LE · type u8 · payload`; the length counts type and payload, 1 to [`FRAME_MAX`]. The payload
//! is a canonical CBOR array, but raw for heads (`vector`), segments (`segment`) and deltas (`delta`).
use domain::{
    id::{DeviceId, FestivalId},
    trust::Roles,
    wire::{Malformed, from_canonical_cbor, to_cbor},
};
use minicbor::bytes::ByteVec;
use thiserror::Error;

use crate::{
    delta::{Section, SignedDelta},
    segment::{Limits, Segment, SegmentError},
    vector::{Hash16, VersionVector},
};

/// Most bytes of one frame, without its length.
pub const FRAME_MAX: usize = 1 << 20;
/// Version of this protocol.
pub const PROTOCOL: u16 = 1;
/// Most bytes of a bundle in one frame.
pub const BUNDLE_PART: usize = 256 * 1024;
/// Longest text in a frame.
const TEXT_MAX: usize = 512;
/// Most further chains of a box.
const FURTHER_MAX: usize = 8;
/// Longest certificate chain in a frame.
const CHAIN_MAX: usize = 4096;

/// One section as a box knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct SectionHeld {
    /// Which.
    #[n(0)]
    pub section: Section,
    /// Term of the newest batch held.
    #[n(1)]
    pub term: u32,
    /// Its number; 0 for none.
    #[n(2)]
    pub number: u64,
}

impl<C> minicbor::Encode<C> for Section {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u8(self.byte())?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Section {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_byte(d.u8()?).ok_or_else(|| minicbor::decode::Error::message("section"))
    }
}

/// First frame of a box.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Hello {
    /// [`PROTOCOL`].
    #[n(0)]
    pub version: u16,
    /// The festival.
    #[n(1)]
    pub festival: FestivalId,
    /// The box's certificate chain.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub chain: Vec<u8>,
    /// The box.
    #[n(3)]
    pub device: DeviceId,
    /// The epoch it writes.
    #[n(4)]
    pub epoch: u32,
    /// What it is used for.
    #[n(5)]
    pub roles: Roles,
    /// What it wants to know, and how far it knows it.
    #[n(6)]
    pub sections: Vec<SectionHeld>,
    /// Number of its festival bundle; 0 for none.
    #[n(7)]
    pub bundle: u64,
    /// Software version.
    #[n(8)]
    pub software: String,
    /// Chains of what else its key may do (a desk's `Credit` chain).
    #[n(9)]
    pub further: Vec<ByteVec>,
}

/// First frame of the hub.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Welcome {
    /// [`PROTOCOL`].
    #[n(0)]
    pub version: u16,
    /// The hub node's certificate chain.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub chain: Vec<u8>,
    /// Term of its database.
    #[n(2)]
    pub term: u32,
    /// Its time, Unix ms.
    #[n(3)]
    pub hub_time_ms: u64,
}

/// Asks for a journal's entries from a position on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct WantFrom {
    /// Whose journal.
    #[n(0)]
    pub device: DeviceId,
    /// Which run of it.
    #[n(1)]
    pub epoch: u32,
    /// First position wanted.
    #[n(2)]
    pub seq: u32,
}

/// One for each segment: what the hub now holds on disk of that branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Ack {
    /// Whose journal.
    #[n(0)]
    pub device: DeviceId,
    /// Which run of it.
    #[n(1)]
    pub epoch: u32,
    /// Entries held from 0 without a gap.
    #[n(2)]
    pub contiguous: u32,
    /// First 16 bytes of the hash of the last of them; zeros for none.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub hash: Hash16,
    /// Term of the hub's database.
    #[n(4)]
    pub term: u32,
}

/// Which part of a batch a box has stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct HaveDelta {
    /// Which section.
    #[n(0)]
    pub section: Section,
    /// Term of the batch.
    #[n(1)]
    pub term: u32,
    /// Its number.
    #[n(2)]
    pub number: u64,
    /// The next part that is due; `None` when the batch is applied whole.
    #[n(3)]
    pub next_part: Option<u16>,
}

/// A piece of the festival bundle.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct BundlePart {
    /// Which bundle.
    #[n(0)]
    pub number: u64,
    /// Where the piece belongs.
    #[n(1)]
    pub offset: u32,
    /// Length of the whole bundle.
    #[n(2)]
    pub total: u32,
    /// At most [`BUNDLE_PART`].
    #[cbor(n(3), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
}

/// Announces a bundle (hub) or says that it is stored (box).
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct HaveBundle {
    /// Which bundle.
    #[n(0)]
    pub number: u64,
}

/// Asks for the bundle from a byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct WantBundle {
    /// Which bundle.
    #[n(0)]
    pub number: u64,
    /// First byte wanted.
    #[n(1)]
    pub offset: u32,
}

/// Why the other side will not go on.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Refuse {
    /// [`RefuseCode`] as a number.
    #[n(0)]
    pub code: u16,
    /// For the log of the other side.
    #[n(1)]
    pub text: String,
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefuseCode {
    /// 1: a version of the protocol that is not spoken here.
    Version,
    /// 2: another festival.
    Festival,
    /// 3: the certificate chain does not lead to the festival's root.
    Chain,
    /// 4: the certificate is for another purpose.
    Purpose,
    /// 5: the certificate is not for the key of this connection.
    Key,
    /// 6: the box is revoked; what it has is still taken.
    Revoked,
    /// 7: the certificate has expired; what the box has is still taken.
    Expired,
    /// 8: a frame that cannot be read or does not belong here.
    Frame,
    /// 9: a segment whose chain or signature is broken.
    Poison,
    /// 10: more than the box's quota; come back later.
    Quota,
    /// 11: more unacknowledged segments than allowed.
    Flood,
    /// 12: the journal has too many branches.
    Forked,
    /// 13: the hub cannot store at the moment; come back later.
    Busy,
    /// 14: nothing was said for too long.
    Silence,
}

impl RefuseCode {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Version,
        Self::Festival,
        Self::Chain,
        Self::Purpose,
        Self::Key,
        Self::Revoked,
        Self::Expired,
        Self::Frame,
        Self::Poison,
        Self::Quota,
        Self::Flood,
        Self::Forked,
        Self::Busy,
        Self::Silence,
    ];

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        match self {
            Self::Version => 1,
            Self::Festival => 2,
            Self::Chain => 3,
            Self::Purpose => 4,
            Self::Key => 5,
            Self::Revoked => 6,
            Self::Expired => 7,
            Self::Frame => 8,
            Self::Poison => 9,
            Self::Quota => 10,
            Self::Flood => 11,
            Self::Forked => 12,
            Self::Busy => 13,
            Self::Silence => 14,
        }
    }

    /// From the number on the wire; `None` when it is newer than this software.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.number() == number)
    }
}

/// A new certificate chain for the box's key.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Renew {
    /// Canonical bytes of the chain.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub chain: Vec<u8>,
}

/// Asks for, or gives, a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Ping {
    /// Given back as it came.
    #[n(0)]
    pub token: u64,
    /// Sender's time, Unix ms.
    #[n(1)]
    pub time_ms: u64,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// 1: box, first.
    Hello(Hello),
    /// 2: hub, first.
    Welcome(Welcome),
    /// 3: what is held.
    Heads(VersionVector),
    /// 4.
    WantFrom(WantFrom),
    /// 5.
    Segment(Segment),
    /// 6.
    Ack(Ack),
    /// 7.
    Delta(SignedDelta),
    /// 8.
    HaveDelta(HaveDelta),
    /// 9.
    Bundle(BundlePart),
    /// 10.
    HaveBundle(HaveBundle),
    /// 11.
    WantBundle(WantBundle),
    /// 12.
    Refuse(Refuse),
    /// 13.
    Renew(Renew),
    /// 14.
    Ping(Ping),
    /// 15.
    Pong(Ping),
    /// 16: the sender closes; nothing was wrong.
    Bye,
}

/// Bytes that are no frame, or one that is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Length 0.
    #[error("a frame of length 0")]
    Empty,
    /// Longer than [`FRAME_MAX`].
    #[error("a frame of {0} bytes, at most {FRAME_MAX} are allowed")]
    TooLong(usize),
    /// A type that this software does not know.
    #[error("frame type {0} is unknown")]
    Type(u8),
    /// The payload is not of its type's layout.
    #[error("payload of frame type {kind}: {reason}")]
    Payload {
        /// The frame's type.
        kind: u8,
        /// What is wrong.
        reason: Malformed,
    },
    /// A segment that cannot be read or packed.
    #[error(transparent)]
    Segment(#[from] SegmentError),
}

/// A frame's type and payload, not looked into yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    /// Its type.
    pub kind: u8,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl RawFrame {
    /// `length · type · payload`.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let length = self.payload.len().saturating_add(1);
        if length > FRAME_MAX {
            return Err(FrameError::TooLong(length));
        }
        let mut out = Vec::with_capacity(length.saturating_add(4));
        out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        out.push(self.kind);
        out.extend_from_slice(&self.payload);
        Ok(out)
    }

    pub(crate) fn cbor<T: minicbor::Encode<()>>(kind: u8, value: &T) -> Self {
        Self { kind, payload: to_cbor(value) }
    }

    pub(crate) fn read<'a, T>(&'a self) -> Result<T, FrameError>
    where
        T: minicbor::Decode<'a, ()> + minicbor::Encode<()>,
    {
        from_canonical_cbor(&self.payload).map_err(|reason| FrameError::Payload { kind: self.kind, reason })
    }

    pub(crate) fn wrong(&self, field: &'static str) -> FrameError {
        FrameError::Payload { kind: self.kind, reason: Malformed::Value(field) }
    }
}

impl Frame {
    /// `length · type · payload`.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        self.to_raw()?.encode()
    }

    /// Whether it belongs on the bulk stream, where a long transfer does not hold up control frames.
    pub fn is_bulk(&self) -> bool {
        matches!(self, Self::Segment(_) | Self::Delta(_) | Self::Bundle(_))
    }

    fn to_raw(&self) -> Result<RawFrame, FrameError> {
        Ok(match self {
            Self::Hello(hello) => RawFrame::cbor(1, hello),
            Self::Welcome(welcome) => RawFrame::cbor(2, welcome),
            Self::Heads(vector) => RawFrame { kind: 3, payload: vector.encode() },
            Self::WantFrom(want) => RawFrame::cbor(4, want),
            Self::Segment(segment) => RawFrame { kind: 5, payload: segment.encode()? },
            Self::Ack(ack) => RawFrame::cbor(6, ack),
            Self::Delta(delta) => RawFrame { kind: 7, payload: delta.encode() },
            Self::HaveDelta(have) => RawFrame::cbor(8, have),
            Self::Bundle(part) => RawFrame::cbor(9, part),
            Self::HaveBundle(have) => RawFrame::cbor(10, have),
            Self::WantBundle(want) => RawFrame::cbor(11, want),
            Self::Refuse(refuse) => RawFrame::cbor(12, refuse),
            Self::Renew(renew) => RawFrame::cbor(13, renew),
            Self::Ping(ping) => RawFrame::cbor(14, ping),
            Self::Pong(pong) => RawFrame::cbor(15, pong),
            Self::Bye => RawFrame { kind: 16, payload: Vec::new() },
        })
    }

    /// Reads a frame's payload.
    pub fn from_raw(raw: &RawFrame) -> Result<Self, FrameError> {
        let malformed = |reason| FrameError::Payload { kind: raw.kind, reason };
        let frame = match raw.kind {
            1 => Self::Hello(raw.read()?),
            2 => Self::Welcome(raw.read()?),
            3 => Self::Heads(VersionVector::decode(&raw.payload).map_err(malformed)?),
            4 => Self::WantFrom(raw.read()?),
            5 => Self::Segment(Segment::decode(&raw.payload, &Limits::default())?),
            6 => Self::Ack(raw.read()?),
            7 => Self::Delta(SignedDelta::decode(&raw.payload).map_err(malformed)?),
            8 => Self::HaveDelta(raw.read()?),
            9 => Self::Bundle(raw.read()?),
            10 => Self::HaveBundle(raw.read()?),
            11 => Self::WantBundle(raw.read()?),
            12 => Self::Refuse(raw.read()?),
            13 => Self::Renew(raw.read()?),
            14 => Self::Ping(raw.read()?),
            15 => Self::Pong(raw.read()?),
            16 if raw.payload.is_empty() => Self::Bye,
            16 => return Err(malformed(Malformed::Long { extra: raw.payload.len() })),
            other => return Err(FrameError::Type(other)),
        };
        frame.check(raw)?;
        Ok(frame)
    }

    fn check(&self, raw: &RawFrame) -> Result<(), FrameError> {
        let fits = |len: usize, most: usize, field| if len > most { Err(raw.wrong(field)) } else { Ok(()) };
        match self {
            Self::Hello(hello) => {
                fits(hello.chain.len(), CHAIN_MAX, "chain")?;
                fits(hello.sections.len(), Section::ALL.len(), "sections")?;
                fits(hello.software.len(), TEXT_MAX, "software")?;
                fits(hello.further.len(), FURTHER_MAX, "further chains")?;
                fits(hello.further.iter().map(|chain| chain.len()).max().unwrap_or(0), CHAIN_MAX, "further chains")
            }
            Self::Welcome(welcome) => fits(welcome.chain.len(), CHAIN_MAX, "chain"),
            Self::Renew(renew) => fits(renew.chain.len(), CHAIN_MAX, "chain"),
            Self::Refuse(refuse) => fits(refuse.text.len(), TEXT_MAX, "text"),
            Self::Bundle(part) => {
                let end = usize::try_from(part.offset).ok().and_then(|at| at.checked_add(part.bytes.len()));
                fits(part.bytes.len(), BUNDLE_PART, "bytes")?;
                fits(end.unwrap_or(usize::MAX), usize::try_from(part.total).unwrap_or(usize::MAX), "offset")
            }
            Self::Heads(_)
            | Self::WantFrom(_)
            | Self::Segment(_)
            | Self::Ack(_)
            | Self::Delta(_)
            | Self::HaveDelta(_)
            | Self::HaveBundle(_)
            | Self::WantBundle(_)
            | Self::Ping(_)
            | Self::Pong(_)
            | Self::Bye => Ok(()),
        }
    }
}

/// Cuts a byte stream into frames. It keeps what was pushed and not taken yet: take all frames between two pushes.
#[derive(Clone, Debug, Default)]
pub struct FrameReader {
    buffer: Vec<u8>,
    taken: usize,
}

impl FrameReader {
    /// An empty reader.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes as they come.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether it stands between two frames.
    pub fn is_empty(&self) -> bool {
        self.buffer.len() == self.taken
    }

    /// The next whole frame, not looked into.
    pub fn next_raw(&mut self) -> Result<Option<RawFrame>, FrameError> {
        let rest = self.buffer.get(self.taken..).unwrap_or_default();
        let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if length == 0 {
            return Err(FrameError::Empty);
        }
        if length > FRAME_MAX {
            return Err(FrameError::TooLong(length));
        }
        let Some((kind, payload)) = rest.get(..length).and_then(<[u8]>::split_first) else { return Ok(None) };
        let raw = RawFrame { kind: *kind, payload: payload.to_vec() };
        self.taken = self.taken.saturating_add(length).saturating_add(4);
        Ok(Some(raw))
    }

    /// The next whole frame. After an error the stream cannot be read on.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        self.next_raw()?.as_ref().map(Frame::from_raw).transpose()
    }
}

#[cfg(test)]
mod tests;
