//! The frames of a virtual reader, as bytes (table in the parent module).
//!
//! Invariant: decoding any bytes gives a frame or nothing, and what is decoded encodes to the same.

use crate::{
    signal::Signal,
    tag::{Tag, TagKind, Uid},
};

/// The longest frame, without its length.
pub const MAX_FRAME: usize = 512;

/// What the box says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromBox {
    /// A raw command for the tag.
    Command {
        /// The band it is meant for.
        presence: u32,
        /// Number of this question.
        sequence: u32,
        /// The command, without CRC.
        bytes: Vec<u8>,
    },
    /// Wakes the tag.
    Select {
        /// The band it is meant for.
        presence: u32,
        /// Number of this question.
        sequence: u32,
    },
    /// What the light shows.
    Signal {
        /// The band that was reported last, 0 for none.
        presence: u32,
        /// What it shows.
        signal: Signal,
    },
}

/// What the world says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromWorld {
    /// A tag came into the field.
    Present {
        /// Its number.
        presence: u32,
        /// What it is.
        tag: Tag,
    },
    /// It left.
    Removed {
        /// Its number.
        presence: u32,
    },
    /// An answer to a command or selection.
    Answer {
        /// The question's number.
        sequence: u32,
        /// What came back.
        answer: Answer,
    },
    /// The reader was unplugged.
    Unplugged,
}

/// What came back from a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Bytes.
    Data(Vec<u8>),
    /// Ah.
    Ack,
    /// Any other 4 bits.
    Nak(u8),
    /// Nothing.
    Silent,
    /// Something damaged.
    Garbled,
    /// The tag is awake.
    Selected,
}

fn with_number(kind: u8, number: u32) -> Vec<u8> {
    let mut frame = vec![kind];
    frame.extend(number.to_be_bytes());
    frame
}

fn split_number(body: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = body.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

impl FromBox {
    /// The frame's bytes, without the length.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Command { presence, sequence, bytes } => {
                let mut frame = with_number(0x01, *presence);
                frame.extend(sequence.to_be_bytes());
                frame.extend(bytes);
                frame
            }
            Self::Select { presence, sequence } => {
                let mut frame = with_number(0x02, *presence);
                frame.extend(sequence.to_be_bytes());
                frame
            }
            Self::Signal { presence, signal } => {
                let mut frame = with_number(0x03, *presence);
                frame.push(signal.code());
                frame
            }
        }
    }

    /// The frame in these bytes, if it is one.
    pub fn decode(frame: &[u8]) -> Option<Self> {
        let (kind, body) = frame.split_first()?;
        let (presence, rest) = split_number(body)?;
        match kind {
            0x01 => {
                let (sequence, bytes) = split_number(rest)?;
                Some(Self::Command { presence, sequence, bytes: bytes.to_vec() })
            }
            0x02 => match split_number(rest)? {
                (sequence, []) => Some(Self::Select { presence, sequence }),
                _ => None,
            },
            0x03 => match rest {
                [code] => Some(Self::Signal { presence, signal: Signal::from_code(*code)? }),
                _ => None,
            },
            _ => None,
        }
    }
}

impl FromWorld {
    /// The frame's bytes, without the length.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Present { presence, tag } => {
                let mut frame = with_number(0x81, *presence);
                frame.push(tag.kind.code());
                frame.extend(tag.uid.as_bytes());
                frame
            }
            Self::Removed { presence } => with_number(0x82, *presence),
            Self::Answer { sequence, answer } => answer.encode(*sequence),
            Self::Unplugged => vec![0x89],
        }
    }

    /// The frame in these bytes, if it is one.
    pub fn decode(frame: &[u8]) -> Option<Self> {
        if frame == [0x89] {
            return Some(Self::Unplugged);
        }
        let (kind, body) = frame.split_first()?;
        let (number, rest) = split_number(body)?;
        let answer = |answer| Self::Answer { sequence: number, answer };
        match (kind, rest) {
            (0x81, [kind, uid @ ..]) => Some(Self::Present {
                presence: number,
                tag: Tag { uid: Uid::from_bytes(uid).ok()?, kind: TagKind::from_code(*kind)? },
            }),
            (0x82, []) => Some(Self::Removed { presence: number }),
            (0x83, bytes) => Some(answer(Answer::Data(bytes.to_vec()))),
            (0x84, []) => Some(answer(Answer::Ack)),
            (0x85, [code]) => Some(answer(Answer::Nak(*code))),
            (0x86, []) => Some(answer(Answer::Silent)),
            (0x87, []) => Some(answer(Answer::Garbled)),
            (0x88, []) => Some(answer(Answer::Selected)),
            _ => None,
        }
    }
}

impl Answer {
    fn encode(&self, sequence: u32) -> Vec<u8> {
        match self {
            Self::Data(bytes) => {
                let mut frame = with_number(0x83, sequence);
                frame.extend(bytes);
                frame
            }
            Self::Ack => with_number(0x84, sequence),
            Self::Nak(code) => {
                let mut frame = with_number(0x85, sequence);
                frame.push(*code);
                frame
            }
            Self::Silent => with_number(0x86, sequence),
            Self::Garbled => with_number(0x87, sequence),
            Self::Selected => with_number(0x88, sequence),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_frame_comes_back() {
        let tag = Tag { uid: Uid::seven([4, 1, 2, 3, 4, 5, 6]), kind: TagKind::Ntag216 };
        let answers = [
            Answer::Data(vec![1, 2]),
            Answer::Data(Vec::new()),
            Answer::Ack,
            Answer::Nak(5),
            Answer::Silent,
            Answer::Garbled,
            Answer::Selected,
        ]
        .map(|answer| FromWorld::Answer { sequence: 0x0102_0304, answer });
        let others =
            [FromWorld::Present { presence: 7, tag }, FromWorld::Removed { presence: 7 }, FromWorld::Unplugged];
        for frame in answers.into_iter().chain(others) {
            assert_eq!(FromWorld::decode(&frame.encode()), Some(frame));
        }
        for frame in [
            FromBox::Command { presence: 1, sequence: 2, bytes: vec![0x30, 4] },
            FromBox::Select { presence: 1, sequence: 2 },
            FromBox::Signal { presence: 1, signal: Signal::TapAgain },
        ] {
            assert_eq!(FromBox::decode(&frame.encode()), Some(frame));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_in_one_form_or_none(
            kind in prop_oneof![0x00u8..0x05, 0x80u8..0x8B, any::<u8>()],
            body in prop::collection::vec(any::<u8>(), 0..24),
        ) {
            let mut bytes = vec![kind];
            bytes.extend(body);
            if let Some(frame) = FromBox::decode(&bytes) {
                prop_assert_eq!(frame.encode(), bytes.clone());
            }
            if let Some(frame) = FromWorld::decode(&bytes) {
                prop_assert_eq!(frame.encode(), bytes);
            }
        }
    }
}
