//! Base45 (RFC 9285), the text that a QR code's alphanumeric mode holds at 5.5 bits a character.
//! Invariant: one text for each byte string. A group that stands for too much, a lone character, lower case
//! and anything outside the 45 characters are refused, so two different texts never decode alike.
use alloc::{string::String, vec::Vec};

use thiserror::Error;

const ALPHABET: &[u8; 45] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/// Not base45, or not its only form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Base45Error {
    /// A character that is not one of the 45.
    #[error("character {at} is not one of the 45")]
    Character {
        /// Its position, in bytes from 0.
        at: usize,
    },
    /// One character is left over after the groups of three.
    #[error("{len} characters are no whole number of groups")]
    Length {
        /// Length of the text.
        len: usize,
    },
    /// A group stands for more than its bytes hold.
    #[error("the group at character {at} stands for too much")]
    Group {
        /// Position of its first character.
        at: usize,
    },
}

/// Whether every character is one of the 45.
pub fn is_alphabet(text: &str) -> bool {
    text.bytes().all(|byte| digit(byte).is_some())
}

/// The text of these bytes: three characters for two bytes, two for a last lone one.
pub fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(2).saturating_mul(3));
    let (pairs, last) = bytes.as_chunks::<2>();
    for pair in pairs {
        push_digits(&mut out, u16::from_be_bytes(*pair), 3);
    }
    for byte in last {
        push_digits(&mut out, u16::from(*byte), 2);
    }
    out
}

/// The bytes of this text, if it is what [`encode`] makes of them.
pub fn decode(text: &str) -> Result<Vec<u8>, Base45Error> {
    let chars = text.as_bytes();
    let mut out = Vec::with_capacity(chars.len().div_ceil(3).saturating_mul(2));
    for (group, at) in chars.chunks(3).zip((0..).step_by(3)) {
        let value = value_of(group, at)?;
        let too_much = Base45Error::Group { at };
        match group.len() {
            3 => out.extend_from_slice(&u16::try_from(value).map_err(|_| too_much)?.to_be_bytes()),
            2 => out.push(u8::try_from(value).map_err(|_| too_much)?),
            _ => return Err(Base45Error::Length { len: chars.len() }),
        }
    }
    Ok(out)
}

/// At most 45³ - 1 for a group of up to three characters, the first one weighing least.
fn value_of(group: &[u8], at: usize) -> Result<u32, Base45Error> {
    let mut value = 0u32;
    for (index, byte) in group.iter().enumerate().rev() {
        let digit = digit(*byte).ok_or(Base45Error::Character { at: at.saturating_add(index) })?;
        value = value.saturating_mul(45).saturating_add(digit);
    }
    Ok(value)
}

fn digit(byte: u8) -> Option<u32> {
    let digit = match byte {
        b'0'..=b'9' => byte.wrapping_sub(b'0'),
        b'A'..=b'Z' => byte.wrapping_sub(b'A').saturating_add(10),
        b' ' => 36,
        b'$' => 37,
        b'%' => 38,
        b'*' => 39,
        b'+' => 40,
        b'-' => 41,
        b'.' => 42,
        b'/' => 43,
        b':' => 44,
        _ => return None,
    };
    Some(u32::from(digit))
}

fn push_digits(out: &mut String, mut value: u16, count: u8) {
    for _ in 0..count {
        out.push(char::from(ALPHABET[usize::from(value % 45)]));
        value /= 45;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_rfc_read_both_ways() {
        for (bytes, text) in
            [("AB", "BB8"), ("Hello!!", "%69 VD92EX0"), ("base-45", "UJCLQE7W581"), ("ietf!", "QED8WEX0")]
        {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text), Ok(bytes.as_bytes().to_vec()));
        }
        assert_eq!(decode(""), Ok(Vec::new()));
    }

    #[test]
    fn a_group_that_stands_for_too_much_is_refused() {
        assert_eq!(decode("FGW"), Ok(vec![0xff, 0xff]));
        assert_eq!(decode("GGW"), Err(Base45Error::Group { at: 0 }));
        assert_eq!(decode("000:::"), Err(Base45Error::Group { at: 3 }));
        assert_eq!(decode("U5"), Ok(vec![0xff]));
        assert_eq!(decode("V5"), Err(Base45Error::Group { at: 0 }));
    }

    #[test]
    fn a_lone_character_lower_case_and_strangers_are_refused() {
        assert!(is_alphabet("BB8 $%*+-./:") && !is_alphabet("bb8") && !is_alphabet("BB8é"));
        assert_eq!(decode("BB8B"), Err(Base45Error::Length { len: 4 }));
        assert_eq!(decode("bb8"), Err(Base45Error::Character { at: 1 }));
        assert_eq!(decode("BB8é"), Err(Base45Error::Character { at: 4 }));
        assert_eq!(decode("B\0B"), Err(Base45Error::Character { at: 1 }));
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = encode(&bytes);
            prop_assert!(is_alphabet(&text));
            prop_assert_eq!(decode(&text), Ok(bytes));
        }

        #[test]
        fn a_text_that_decodes_is_the_only_text_of_its_bytes(text in "[0-9A-Z $%*+./:-]{0,30}") {
            if let Ok(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            prop_assert!(decode(&text).is_err() || is_alphabet(&text));
        }
    }
}
