//! Frames: what travels between a box and the hub.
//! Invariant: one encoding for each frame, at most [`FRAME_MAX`] bytes, and a reader keeps no more than one frame.
//! Not here: what a side does with a frame (`session`), sockets (`sync-quic`).
//!
//! A frame is `length u32 LE · type u8 · payload`; the length counts type and payload, 1 to [`FRAME_MAX`]. The payload
//! is a canonical CBOR array, but raw for heads (`vector`), segments (`segment`) and deltas (`delta`).
use domain::wire::{Malformed, from_canonical_cbor, to_cbor};
use thiserror::Error;

use crate::{
    delta::{Section, SignedDelta},
    segment::{Limits, Segment, SegmentError},
    vector::VersionVector,
};

/// Most bytes of one frame, without its length.
pub const FRAME_MAX: usize = 1 << 20;
/// Version of this protocol.
pub const PROTOCOL: u16 = 1;
/// Most bytes of a bundle in one frame.
pub const BUNDLE_PART: usize = 256 * 1024;
/// Most bytes of an edit's envelope.
pub const EDIT_MAX: usize = 256 * 1024;
/// Longest text in a frame.
const TEXT_MAX: usize = 512;
/// Most further chains of a box.
const FURTHER_MAX: usize = 8;
/// Longest certificate chain in a frame.
const CHAIN_MAX: usize = 4096;

mod payload;

pub use payload::{
    Ack, BlobPart, BundlePart, Edit, EditAnswer, HaveBundle, HaveDelta, Hello, Ping, Refuse, RefuseCode, Renew,
    SectionHeld, WantBlob, WantBundle, WantFrom, Welcome,
};

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
    /// 17: box, an edit of a shared document that waits for the hub.
    Edit(Edit),
    /// 18: hub, what became of it.
    EditAnswer(EditAnswer),
    /// 19.
    WantBlob(WantBlob),
    /// 20.
    Blob(BlobPart),
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
        matches!(self, Self::Segment(_) | Self::Delta(_) | Self::Bundle(_) | Self::Blob(_))
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
            Self::Edit(edit) => RawFrame::cbor(17, edit),
            Self::EditAnswer(answer) => RawFrame::cbor(18, answer),
            Self::WantBlob(want) => RawFrame::cbor(19, want),
            Self::Blob(part) => RawFrame::cbor(20, part),
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
            19 => Self::WantBlob(raw.read()?),
            20 => Self::Blob(raw.read()?),
            16 if raw.payload.is_empty() => Self::Bye,
            16 => return Err(malformed(Malformed::Long { extra: raw.payload.len() })),
            17 => Self::Edit(raw.read()?),
            18 => Self::EditAnswer(raw.read()?),
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
            Self::Edit(edit) => fits(edit.envelope.len(), EDIT_MAX, "envelope"),
            Self::Bundle(part) => {
                let end = usize::try_from(part.offset).ok().and_then(|at| at.checked_add(part.bytes.len()));
                fits(part.bytes.len(), BUNDLE_PART, "bytes")?;
                fits(end.unwrap_or(usize::MAX), usize::try_from(part.total).unwrap_or(usize::MAX), "offset")
            }
            Self::Blob(part) => fits(part.bytes.len(), BUNDLE_PART, "bytes"),
            Self::Heads(_)
            | Self::WantBlob(_)
            | Self::WantFrom(_)
            | Self::Segment(_)
            | Self::Ack(_)
            | Self::Delta(_)
            | Self::HaveDelta(_)
            | Self::HaveBundle(_)
            | Self::WantBundle(_)
            | Self::Ping(_)
            | Self::Pong(_)
            | Self::Bye
            | Self::EditAnswer(_) => Ok(()),
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
