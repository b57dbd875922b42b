//! Questions and answers as bytes (table in the parent module).
//!
//! Invariant: decoding any bytes gives a frame or nothing, and what is decoded encodes to the same.

use crate::{
    signal::Signal,
    tag::{MAX_EXCHANGE, ReaderError, Tag, TagKind, Uid},
};

/// The longest name or reason, in bytes.
const MAX_TEXT: usize = 200;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Poll,
    Command(Vec<u8>),
    Signal(Signal),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Ready(String),
    Tag(Tag),
    Nothing,
    Data(Vec<u8>),
    Failed(ReaderError),
}

fn with_body(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind];
    frame.extend(body);
    frame
}

/// As much of a text as a frame carries.
fn shortened(text: &str) -> &str {
    let end = (0..=text.len().min(MAX_TEXT)).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

fn text(body: &[u8]) -> Option<String> {
    if body.len() > MAX_TEXT {
        return None;
    }
    String::from_utf8(body.to_vec()).ok()
}

impl Question {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Poll => vec![0x01],
            Self::Command(bytes) => with_body(0x02, bytes),
            Self::Signal(signal) => vec![0x03, signal.code()],
        }
    }

    pub(super) fn decode(frame: &[u8]) -> Option<Self> {
        match frame {
            [0x01] => Some(Self::Poll),
            [0x02, bytes @ ..] if bytes.len() <= MAX_EXCHANGE => Some(Self::Command(bytes.to_vec())),
            [0x03, code] => Signal::from_code(*code).map(Self::Signal),
            _ => None,
        }
    }
}

impl Answer {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ready(name) => with_body(0x81, shortened(name).as_bytes()),
            Self::Tag(tag) => {
                let mut frame = vec![0x82, tag.kind.code()];
                frame.extend(tag.uid.as_bytes());
                frame
            }
            Self::Nothing => vec![0x83],
            // more than a tag can send is no answer of a tag
            Self::Data(bytes) if bytes.len() > MAX_EXCHANGE => vec![0x87],
            Self::Data(bytes) => with_body(0x84, bytes),
            Self::Failed(ReaderError::TagGone) => vec![0x85],
            Self::Failed(ReaderError::Nak(code)) => vec![0x86, *code],
            Self::Failed(ReaderError::Malformed) => vec![0x87],
            Self::Failed(ReaderError::Unplugged) => vec![0x88],
            Self::Failed(ReaderError::Io(reason)) => with_body(0x89, shortened(reason).as_bytes()),
        }
    }

    pub(super) fn decode(frame: &[u8]) -> Option<Self> {
        match frame {
            [0x81, name @ ..] => text(name).map(Self::Ready),
            [0x82, kind, uid @ ..] => {
                let (uid, kind) = (Uid::from_bytes(uid).ok()?, TagKind::from_code(*kind)?);
                Some(Self::Tag(Tag { uid, kind }))
            }
            [0x83] => Some(Self::Nothing),
            [0x84, bytes @ ..] if bytes.len() <= MAX_EXCHANGE => Some(Self::Data(bytes.to_vec())),
            [0x85] => Some(Self::Failed(ReaderError::TagGone)),
            [0x86, code] => Some(Self::Failed(ReaderError::Nak(*code))),
            [0x87] => Some(Self::Failed(ReaderError::Malformed)),
            [0x88] => Some(Self::Failed(ReaderError::Unplugged)),
            [0x89, reason @ ..] => text(reason).map(|reason| Self::Failed(ReaderError::Io(reason))),
            _ => None,
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
        for answer in [
            Answer::Ready("ACS ACR122U".into()),
            Answer::Tag(tag),
            Answer::Nothing,
            Answer::Data(vec![7; MAX_EXCHANGE]),
            Answer::Data(Vec::new()),
            Answer::Failed(ReaderError::TagGone),
            Answer::Failed(ReaderError::Nak(5)),
            Answer::Failed(ReaderError::Malformed),
            Answer::Failed(ReaderError::Unplugged),
            Answer::Failed(ReaderError::Io("port taken".into())),
        ] {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
        for question in [Question::Poll, Question::Command(vec![0x30, 4]), Question::Signal(Signal::TapAgain)] {
            assert_eq!(Question::decode(&question.encode()), Some(question));
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_letters() {
        let long = Answer::Failed(ReaderError::Io("é".repeat(150)));
        let Some(Answer::Failed(ReaderError::Io(cut))) = Answer::decode(&long.encode()) else {
            panic!("it still decodes")
        };
        assert_eq!(cut, "é".repeat(100));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_in_one_form_or_none(
            kind in prop_oneof![0x00u8..0x05, 0x80u8..0x8B, any::<u8>()],
            body in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut bytes = vec![kind];
            bytes.extend(body);
            if let Some(frame) = Question::decode(&bytes) {
                prop_assert_eq!(frame.encode(), bytes.clone());
            }
            if let Some(frame) = Answer::decode(&bytes) {
                prop_assert_eq!(frame.encode(), bytes);
            }
        }
    }
}
