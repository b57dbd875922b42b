//! The signed payload of a pretix ticket, a protobuf message read by hand.
//! Invariant: a known field comes at most once, with its own wire type; fields that a later pretix may add are
//! skipped when they are well-formed, since refusing them would close the doors on the day pretix is updated.
use alloc::string::String;
use core::str;

use crate::wire::{Malformed, Reader};

/// What a pretix ticket says. 0 and absent are the same there, both for ids and for times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PretixTicket {
    /// Random text that names the ticket within its event.
    pub seed: String,
    /// What was sold.
    pub item: u64,
    /// Which variation of it; 0 = none.
    pub variation: u64,
    /// Which date of a series; 0 = none.
    pub subevent: u64,
    /// Unix seconds from which it is valid.
    pub valid_from: Option<u64>,
    /// Unix seconds until which it is valid.
    pub valid_until: Option<u64>,
}

#[derive(Default)]
struct Fields<'a> {
    seed: Option<&'a str>,
    item: Option<u64>,
    variation: Option<u64>,
    subevent: Option<u64>,
    valid_from: Option<u64>,
    valid_until: Option<u64>,
}

/// A field's value by protobuf wire type; the others (groups, reserved) are refused.
enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl PretixTicket {
    /// Reads a payload. Source: pretix's `sig1` message (fields 1 to 6) and protobuf's encoding document.
    pub(super) fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::default();
        let mut rest = Reader::new(payload);
        while !rest.rest().is_empty() {
            let (number, value) = field(&mut rest)?;
            match number {
                1 => once(&mut fields.seed, text(value)?, "seed")?,
                2 => once(&mut fields.item, number_of(value, "item")?, "item")?,
                3 => once(&mut fields.variation, number_of(value, "variation")?, "variation")?,
                4 => once(&mut fields.subevent, number_of(value, "subevent")?, "subevent")?,
                5 => once(&mut fields.valid_from, number_of(value, "valid from")?, "valid from")?,
                6 => once(&mut fields.valid_until, number_of(value, "valid until")?, "valid until")?,
                _ => {}
            }
        }
        Ok(Self {
            seed: fields.seed.filter(|seed| !seed.is_empty()).map(String::from).ok_or(Malformed::Value("seed"))?,
            item: fields.item.ok_or(Malformed::Value("item"))?,
            variation: fields.variation.unwrap_or(0),
            subevent: fields.subevent.unwrap_or(0),
            valid_from: fields.valid_from.filter(|time| *time != 0),
            valid_until: fields.valid_until.filter(|time| *time != 0),
        })
    }
}

fn field<'a>(rest: &mut Reader<'a>) -> Result<(u64, Value<'a>), Malformed> {
    const LARGEST_NUMBER: u64 = (1 << 29) - 1;
    let tag = rest.varint()?;
    let number = tag >> 3;
    if number == 0 || number > LARGEST_NUMBER {
        return Err(Malformed::Value("field number"));
    }
    let value = match tag & 7 {
        0 => Value::Varint(rest.varint()?),
        1 => rest.take(8).map(|_| Value::Fixed)?,
        2 => {
            let len = usize::try_from(rest.varint()?).map_err(|_| Malformed::Value("length"))?;
            Value::Bytes(rest.take(len)?)
        }
        5 => rest.take(4).map(|_| Value::Fixed)?,
        _ => return Err(Malformed::Value("wire type")),
    };
    Ok((number, value))
}

fn once<T>(slot: &mut Option<T>, value: T, name: &'static str) -> Result<(), Malformed> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed::Value(name)),
    }
}

fn text(value: Value<'_>) -> Result<&str, Malformed> {
    match value {
        Value::Bytes(bytes) => str::from_utf8(bytes).map_err(|_| Malformed::Value("seed")),
        Value::Varint(_) | Value::Fixed => Err(Malformed::Value("seed")),
    }
}

/// pretix's numbers are `int64`: above its largest one stands a negative number, which is no id and no time.
fn number_of(value: Value<'_>, name: &'static str) -> Result<u64, Malformed> {
    match value {
        Value::Varint(number) if i64::try_from(number).is_ok() => Ok(number),
        Value::Varint(_) | Value::Bytes(_) | Value::Fixed => Err(Malformed::Value(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: &[u8] = b"\x0a\x04seed\x10\x07\x28\x00\x30\x00";

    fn with(more: &[u8]) -> Result<PretixTicket, Malformed> {
        PretixTicket::decode(&[PLAIN, more].concat())
    }

    #[test]
    fn absent_and_zero_are_the_same() {
        let bare = PretixTicket::decode(b"\x0a\x04seed\x10\x07");
        assert_eq!(bare, PretixTicket::decode(b"\x0a\x04seed\x10\x07\x18\x00\x20\x00\x28\x00\x30\x00"));
        let plain = PretixTicket {
            seed: "seed".into(),
            item: 7,
            variation: 0,
            subevent: 0,
            valid_from: None,
            valid_until: None,
        };
        assert_eq!(bare, Ok(plain));
    }

    #[test]
    fn a_field_of_a_later_pretix_is_skipped() {
        for more in [&b"\x38\x96\x01"[..], b"\x3a\x03abc", b"\x39abcdefgh", b"\x3dabcd", b"\xfa\xff\xff\xff\x0f\x00"] {
            assert_eq!(with(more), with(b""), "{more:x?}");
            assert!(with(more).is_ok());
        }
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for (more, error) in [
            (&b"\x0a\x01x"[..], Malformed::Value("seed")),
            (b"\x10\x07", Malformed::Value("item")),
            (b"\x28\x00", Malformed::Value("valid from")),
            (b"\x1a\x01x", Malformed::Value("variation")),
            (b"\x25abcd", Malformed::Value("subevent")),
            (b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Malformed::Value("subevent")),
            (b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", Malformed::Value("varint")),
            (b"\x20\x80\x00", Malformed::Value("varint")),
            (b"\x20\x80", Malformed::Short { missing: 1 }),
            (b"\x20", Malformed::Short { missing: 1 }),
            (b"\x3a\x05abc", Malformed::Short { missing: 2 }),
            (b"\x39abc", Malformed::Short { missing: 5 }),
            (b"\x3b\x3c", Malformed::Value("wire type")),
            (b"\x02\x00", Malformed::Value("field number")),
            (b"\x80\x80\x80\x80\x10\x00", Malformed::Value("field number")),
        ] {
            assert_eq!(with(more), Err(error), "{more:x?}");
        }
    }

    #[test]
    fn a_ticket_without_seed_or_item_is_refused() {
        for (payload, name) in [
            (&b"\x10\x07"[..], "seed"),
            (b"\x0a\x00\x10\x07", "seed"),
            (b"\x0a\x01\xff\x10\x07", "seed"),
            (b"\x0a\x01x", "item"),
            (b"", "seed"),
        ] {
            assert_eq!(PretixTicket::decode(payload), Err(Malformed::Value(name)));
        }
    }

    proptest! {
        #[test]
        fn no_payload_makes_it_panic(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = PretixTicket::decode(&payload);
            let _ = with(&payload);
        }
    }
}
