//! The columns of a change: run-length encoded, one for each field of its operations.
//! Invariant: a run is counted before it is unrolled, and never beyond the limit.
use domain::wire::{Malformed, Reader};

use super::{Actor, OPERATIONS_MAX, OpId, Operation};
use crate::{refusal::Refusal, value::Value};

/// Most operations that all operations of a change replace together.
const REPLACED_MAX: usize = 4_096;

/// Longest key; a run repeats it.
const KEY_MAX: usize = 96;

const KEY: u64 = 0x15;
const INSERT: u64 = 0x34;
const ACTION: u64 = 0x42;
const VALUE_META: u64 = 0x56;
const VALUE: u64 = 0x57;
const REPLACED: u64 = 0x70;
const REPLACED_ACTOR: u64 = 0x71;
const REPLACED_COUNTER: u64 = 0x73;
const KNOWN: [u64; 8] = [KEY, INSERT, ACTION, VALUE_META, VALUE, REPLACED, REPLACED_ACTOR, REPLACED_COUNTER];

const PUT: u64 = 1;
const DELETE: u64 = 3;

/// Each known column's bytes, empty where it is not there.
pub(super) struct Columns<'a> {
    bytes: [&'a [u8]; KNOWN.len()],
}

/// How a column ends.
enum Bad {
    Malformed,
    TooMany,
}

impl From<Malformed> for Bad {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<Bad> for Refusal {
    fn from(bad: Bad) -> Self {
        match bad {
            Bad::Malformed => Self::Malformed,
            Bad::TooMany => Self::TooManyOperations,
        }
    }
}

impl<'a> Columns<'a> {
    /// Reads the columns' table and takes their bytes; any other column, and anything after them, is an error.
    pub(super) fn read(mut input: Reader<'a>) -> Result<Self, Malformed> {
        let count = input.varint()?;
        if count > KNOWN.len() as u64 {
            return Err(Malformed::Value("columns"));
        }
        let mut table = Vec::new();
        for _ in 0..count {
            table.push((input.varint()?, input.varint()?));
        }
        if !table.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(Malformed::Value("columns"));
        }
        let mut bytes = [[].as_slice(); KNOWN.len()];
        for (specification, length) in table {
            let column = KNOWN.iter().position(|known| *known == specification).ok_or(Malformed::Value("column"))?;
            let length = usize::try_from(length).map_err(|_| Malformed::Value("column"))?;
            bytes[column] = input.take(length)?;
        }
        input.end()?;
        Ok(Self { bytes })
    }

    fn of(&self, specification: u64) -> Reader<'a> {
        let column = KNOWN.iter().position(|known| *known == specification);
        Reader::new(column.map_or(&[], |column| self.bytes[column]))
    }

    /// The operations, at most [`OPERATIONS_MAX`].
    pub(super) fn operations(&self, actors: &[Actor]) -> Result<Vec<Operation>, Refusal> {
        let actions = runs(self.of(ACTION), OPERATIONS_MAX, Reader::varint)?;
        let count = actions.len();
        if count == 0 {
            return Err(Refusal::TooManyOperations);
        }
        let keys = runs(self.of(KEY), OPERATIONS_MAX, text)?;
        let metas = runs(self.of(VALUE_META), OPERATIONS_MAX, Reader::varint)?;
        let replaced = runs(self.of(REPLACED), OPERATIONS_MAX, Reader::varint)?;
        let mut inserts = self.of(INSERT);
        // One run of "no": nothing is inserted into a list.
        let appended = inserts.varint().map_err(|_| Refusal::Malformed)?;
        inserts.end().map_err(|_| Refusal::Malformed)?;
        if [keys.len(), metas.len(), replaced.len()] != [count; 3] || appended != count as u64 {
            return Err(Refusal::Malformed);
        }
        let mut replaced_ids = self.replaced(actors)?.into_iter();
        let mut raw = self.of(VALUE);
        let mut operations = Vec::with_capacity(count);
        for (((action, key), meta), replaces) in actions.into_iter().zip(keys).zip(metas).zip(replaced) {
            let value = match (action, meta) {
                (PUT, meta) => Some(value(meta, &mut raw).map_err(|_| Refusal::Malformed)?),
                (DELETE, 0) => None,
                _ => return Err(Refusal::Malformed),
            };
            let wanted = usize::try_from(replaces).unwrap_or(usize::MAX);
            let replaces: Vec<OpId> = replaced_ids.by_ref().take(wanted).collect();
            if replaces.len() != wanted {
                return Err(Refusal::Malformed);
            }
            operations.push(Operation { key, value, replaces });
        }
        raw.end().map_err(|_| Refusal::Malformed)?;
        if replaced_ids.next().is_some() {
            return Err(Refusal::Malformed);
        }
        Ok(operations)
    }

    fn replaced(&self, actors: &[Actor]) -> Result<Vec<OpId>, Refusal> {
        let by = runs(self.of(REPLACED_ACTOR), REPLACED_MAX, Reader::varint)?;
        let steps = runs(self.of(REPLACED_COUNTER), REPLACED_MAX, signed)?;
        if by.len() != steps.len() {
            return Err(Refusal::Malformed);
        }
        let mut counter = 0i64;
        let ids = by.into_iter().zip(steps).map(|(actor, step)| {
            counter = counter.checked_add(step)?;
            let actor = *actors.get(usize::try_from(actor).ok()?)?;
            Some(OpId { counter: u64::try_from(counter).ok()?, actor })
        });
        ids.collect::<Option<_>>().ok_or(Refusal::Malformed)
    }
}

/// Unrolls a run-length encoded column without nulls: count sleb; positive: that many of the value that follows;
/// negative: that many values follow.
fn runs<'a, T: Clone>(
    mut input: Reader<'a>,
    max: usize,
    read: impl Fn(&mut Reader<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Bad> {
    let mut out = Vec::new();
    while !input.rest().is_empty() {
        let count = signed(&mut input)?;
        let many = usize::try_from(count.unsigned_abs()).map_err(|_| Bad::TooMany)?;
        if many == 0 {
            return Err(Bad::Malformed);
        }
        if many > max.saturating_sub(out.len()) {
            return Err(Bad::TooMany);
        }
        if count > 0 {
            let value = read(&mut input)?;
            out.extend(std::iter::repeat_n(value, many));
        } else {
            for _ in 0..many {
                out.push(read(&mut input)?);
            }
        }
    }
    Ok(out)
}

/// Signed LEB128 of at most 64 bits, shortest form.
fn signed(input: &mut Reader<'_>) -> Result<i64, Malformed> {
    let mut value = 0i64;
    let mut before = 0u8;
    for shift in (0..63).step_by(7) {
        let byte = input.u8()?;
        value |= i64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let is_negative = byte & 0x40 != 0;
            let spare = if is_negative { byte == 0x7f && before & 0x40 != 0 } else { byte == 0 && before & 0x40 == 0 };
            if shift > 0 && spare {
                return Err(Malformed::Value("signed"));
            }
            let bits = shift + 7;
            return Ok(if is_negative && bits < 64 { value | (-1i64 << bits) } else { value });
        }
        before = byte;
    }
    Err(Malformed::Value("signed"))
}

fn text(input: &mut Reader<'_>) -> Result<String, Malformed> {
    let length = usize::try_from(input.varint()?).map_err(|_| Malformed::Value("text"))?;
    if length > KEY_MAX {
        return Err(Malformed::Value("key"));
    }
    String::from_utf8(input.take(length)?.to_vec()).map_err(|_| Malformed::Value("text"))
}

/// A value: its kind in the low four bits of `meta`, its length in the others.
fn value(meta: u64, raw: &mut Reader<'_>) -> Result<Value, Malformed> {
    let length = usize::try_from(meta >> 4).map_err(|_| Malformed::Value("value"))?;
    let bytes = raw.take(length)?;
    match (meta & 15, length) {
        (1, 0) => Ok(Value::Flag(false)),
        (2, 0) => Ok(Value::Flag(true)),
        (3, _) => {
            let mut number = Reader::new(bytes);
            let value = number.varint()?;
            number.end()?;
            Ok(Value::Int(value))
        }
        (6, _) => Ok(Value::Text(String::from_utf8(bytes.to_vec()).map_err(|_| Malformed::Value("text"))?)),
        (7, _) => Ok(Value::Bytes(bytes.to_vec())),
        _ => Err(Malformed::Value("value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shortest signed LEB128.
    fn written(mut n: i64) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let byte = (n & 0x7f) as u8;
            n >>= 7;
            if (n == 0 && byte & 0x40 == 0) || (n == -1 && byte & 0x40 != 0) {
                out.push(byte);
                return out;
            }
            out.push(byte | 0x80);
        }
    }

    #[test]
    fn a_signed_number_has_one_form() {
        let edges = (0..62).flat_map(|bits| [1i64 << bits, (1 << bits) - 1, -(1 << bits), -(1 << bits) - 1]);
        for n in edges.chain([0, -1, 4_096, -4_096]) {
            let bytes = written(n);
            let mut input = Reader::new(&bytes);
            assert_eq!((signed(&mut input), input.rest().len()), (Ok(n), 0), "{n}");
            // the same number with a byte more
            let (last, all_ones) = (bytes.len() - 1, if n < 0 { 0x7f } else { 0 });
            let mut longer = bytes.clone();
            longer[last] |= 0x80;
            longer.push(all_ones);
            assert!(signed(&mut Reader::new(&longer)).is_err(), "{n}: {longer:x?}");
        }
        assert!(signed(&mut Reader::new(&written(i64::MIN))).is_err(), "ten bytes");
    }

    #[test]
    fn a_run_is_counted_before_it_is_unrolled() {
        let unrolled = |bytes: &[u8], max| runs(Reader::new(bytes), max, Reader::varint).ok();
        assert_eq!(unrolled(&[3, 9], 3), Some(vec![9; 3]));
        assert_eq!(unrolled(&[0x7d, 7, 8, 9, 2, 5], 5), Some(vec![7, 8, 9, 5, 5]));
        assert_eq!((unrolled(&[3, 9], 2), unrolled(&[2, 1, 2, 1], 3), unrolled(&[0, 9], 3)), (None, None, None));
    }
}
