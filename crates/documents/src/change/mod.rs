//! Our own walk of a change's bytes, before Automerge sees any of them.
//! Invariant: what passes is one uncompressed change within the limits, of scalar puts and deletes at the root.
//! Not here: whether it fits the document (`replica`) and its intents (`judge`).
//!
//! Chunk (Automerge's binary format): magic `85 6f 4a 83` · checksum 4 · type u8 = 1 · length uleb · data.
//! Data: dependencies (count uleb, 32 bytes each, rising) · actor (length uleb, 16 bytes) · seq uleb · start_op uleb ·
//! time sleb = 0 · message length uleb = 0 · other actors (count, each as the actor) · columns (count, then
//! specification uleb and length uleb of each) · the columns' bytes. A compressed chunk is refused unread: 1,132 of its
//! bytes made a million operations and 537 MB; a `start_op` of 2^32 and more makes automerge 0.12 panic.
mod columns;

use domain::wire::{Malformed, Reader};

use crate::{document::ChangeHash, refusal::Refusal, value::Value};
use columns::Columns;

/// Longest change.
pub const CHANGE_MAX: usize = 64 * 1024;
/// Most operations in a change.
pub const OPERATIONS_MAX: usize = 256;
/// Most changes that one builds on directly: whoever edits next builds on what every box has edited apart, however many
/// they are; half of the longest change.
pub const DEPENDENCIES_MAX: usize = 1_024;
/// Most actors that a change names beside its own.
const ACTORS_MAX: u64 = 1_024;
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHANGE_CHUNK: u8 = 1;

/// An actor: whoever numbers changes one after the other.
pub(crate) type Actor = [u8; 16];

/// Names one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OpId {
    pub(crate) counter: u64,
    pub(crate) actor: Actor,
}

/// One operation at the document's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) key: String,
    /// `None` deletes.
    pub(crate) value: Option<Value>,
    /// What it replaces.
    pub(crate) replaces: Vec<OpId>,
}

/// A change as its bytes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) dependencies: Vec<ChangeHash>,
    pub(crate) actor: Actor,
    pub(crate) seq: u64,
    pub(crate) start_op: u64,
    pub(crate) operations: Vec<Operation>,
}

impl Change {
    /// Number of the last operation.
    pub(crate) fn max_op(&self) -> u64 {
        self.start_op.saturating_add(self.operations.len() as u64).saturating_sub(1)
    }

    /// Walks `bytes`; nothing is allocated beyond what the limits allow.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > CHANGE_MAX {
            return Err(Refusal::TooLong);
        }
        let mut input = Reader::new(bytes);
        let (magic, _checksum, kind) = header(&mut input).map_err(|_| Refusal::Malformed)?;
        if magic != MAGIC {
            return Err(Refusal::Malformed);
        }
        if kind != CHANGE_CHUNK {
            return Err(Refusal::NotPlain);
        }
        let length = input.varint().map_err(|_| Refusal::Malformed)?;
        if length != input.rest().len() as u64 {
            return Err(Refusal::NotPlain);
        }
        Self::read_data(input)
    }

    fn read_data(mut input: Reader<'_>) -> Result<Self, Refusal> {
        let malformed = |_: Malformed| Refusal::Malformed;
        let count = input.varint().map_err(malformed)?;
        if count > DEPENDENCIES_MAX as u64 {
            return Err(Refusal::TooManyDependencies);
        }
        let mut dependencies = Vec::new();
        for _ in 0..count {
            dependencies.push(ChangeHash(input.array().map_err(malformed)?));
        }
        if !dependencies.is_sorted_by(|a, b| a < b) {
            return Err(Refusal::Malformed);
        }
        let actor = read_actor(&mut input).map_err(malformed)?;
        let seq = input.varint().map_err(malformed)?;
        let start_op = input.varint().map_err(malformed)?;
        if start_op == 0 || start_op > u64::from(u32::MAX >> 1) {
            return Err(Refusal::WrongStart);
        }
        if seq == 0 || seq > u64::from(u32::MAX >> 1) {
            return Err(Refusal::WrongSequence);
        }
        let (time, message) = (input.u8().map_err(malformed)?, input.u8().map_err(malformed)?);
        if (time, message) != (0, 0) {
            return Err(Refusal::Malformed);
        }
        let count = input.varint().map_err(malformed)?;
        if count > ACTORS_MAX {
            return Err(Refusal::Malformed);
        }
        let mut actors = vec![actor];
        for _ in 0..count {
            actors.push(read_actor(&mut input).map_err(malformed)?);
        }
        let operations = Columns::read(input).map_err(malformed)?.operations(&actors)?;
        Ok(Self { dependencies, actor, seq, start_op, operations })
    }
}

fn header(input: &mut Reader<'_>) -> Result<([u8; 4], [u8; 4], u8), Malformed> {
    Ok((input.array()?, input.array()?, input.u8()?))
}

fn read_actor(input: &mut Reader<'_>) -> Result<Actor, Malformed> {
    match input.u8()? {
        16 => input.array(),
        _ => Err(Malformed::Value("actor")),
    }
}

#[cfg(test)]
mod tests {
    use automerge::{
        ActorId, Automerge, AutomergeError, ROOT, ReadDoc, ScalarValue,
        transaction::{CommitOptions, Transactable},
    };
    use proptest::prelude::*;

    use super::*;

    fn change(
        doc: &mut Automerge,
        edit: impl FnOnce(&mut automerge::transaction::Transaction<'_>) -> Result<(), AutomergeError>,
    ) -> Vec<u8> {
        let options = |_: &()| CommitOptions::default().with_time(0);
        let hash = doc.transact_with(options, edit).unwrap().hash.unwrap();
        doc.get_change_by_hash(&hash).unwrap().raw_bytes().to_vec()
    }

    fn doc() -> Automerge {
        Automerge::new().with_actor(ActorId::from([7; 16]))
    }

    #[test]
    fn the_walk_reads_what_automerge_wrote() {
        let mut doc = doc();
        let first = change(&mut doc, |tx| {
            tx.put(ROOT, "price", ScalarValue::Uint(450))?;
            tx.put(ROOT, "name", "Bière")?;
            tx.put(ROOT, "old", true)
        });
        let second = change(&mut doc, |tx| {
            tx.put(ROOT, "price", ScalarValue::Uint(500))?;
            tx.delete(ROOT, "old")?;
            tx.put(ROOT, "key", ScalarValue::Bytes(vec![0, 1]))
        });
        let read = Change::read(&first).unwrap();
        assert_eq!((read.actor, read.seq, read.start_op, read.max_op()), ([7; 16], 1, 1, 3));
        let plain = |key: &str, value| Operation { key: key.into(), value: Some(value), replaces: vec![] };
        assert_eq!(
            read.operations,
            [
                plain("price", Value::Int(450)),
                plain("name", Value::Text("Bière".into())),
                plain("old", Value::Flag(true))
            ]
        );
        let read = Change::read(&second).unwrap();
        assert_eq!((read.seq, read.start_op, read.dependencies.len()), (2, 4, 1));
        let op = |counter| vec![OpId { counter, actor: [7; 16] }];
        assert_eq!(
            read.operations,
            [
                Operation { key: "price".into(), value: Some(Value::Int(500)), replaces: op(1) },
                Operation { key: "old".into(), value: None, replaces: op(3) },
                plain("key", Value::Bytes(vec![0, 1])),
            ]
        );
    }

    #[test]
    fn a_compressed_bomb_of_a_million_operations_is_refused_unread() {
        let mut doc = doc();
        let bytes = change(&mut doc, |tx| {
            let list = tx.put_object(ROOT, "bomb", automerge::ObjType::List)?;
            tx.splice(&list, 0, 0, (0..1_000_000u64).map(|n| ScalarValue::Uint(n % 2)))
        });
        let mut bomb = doc.get_changes(&[]).remove(0);
        let bomb = bomb.bytes().into_owned();
        assert_eq!((bomb[8], bytes[8]), (2, 1), "compressed, and as it is");
        assert!(bomb.len() < CHANGE_MAX, "{} bytes", bomb.len());
        assert_eq!(Change::read(&bomb), Err(Refusal::NotPlain));
        // Nor does it pass as what it is.
        assert!(Change::read(&bytes).is_err());
    }

    #[test]
    fn a_run_of_a_million_operations_is_counted_without_being_made() {
        // One key, once: `7f 01 61`; a million puts: `c0 84 3d 01`.
        for (columns, data) in [
            (vec![0x42, 4], vec![0xc0, 0x84, 0x3d, 0x01]),
            (vec![0x15, 5, 0x42, 4], vec![0xc0, 0x84, 0x3d, 0x01, 0x61, 0xc0, 0x84, 0x3d, 0x01]),
        ] {
            let mut body = vec![0, 16];
            body.extend([7; 16]);
            body.extend([1, 1, 0, 0, 0, columns.len() as u8 / 2]);
            body.extend(columns);
            body.extend(data);
            assert_eq!(Change::read(&chunk(&body)), Err(Refusal::TooManyOperations));
        }
    }

    fn chunk(body: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([0, 0, 0, 0, 1, body.len() as u8]);
        bytes.extend(body);
        bytes
    }

    /// A change of one put of `true` at the key "a", whose head says this.
    fn one_put(dependencies: &[ChangeHash], seq: u64, start_op: u64, actors: usize, columns: &[u8]) -> Vec<u8> {
        let number = |n: u64, out: &mut domain::wire::Writer| out.varint(n);
        let mut body = domain::wire::Writer::new();
        number(dependencies.len() as u64, &mut body);
        dependencies.iter().for_each(|hash| body.bytes(&hash.0));
        body.u8(16);
        body.bytes(&[7; 16]);
        number(seq, &mut body);
        number(start_op, &mut body);
        body.bytes(&[0, 0]);
        number(actors as u64, &mut body);
        for _ in 0..actors {
            body.u8(16);
            body.bytes(&[9; 16]);
        }
        body.bytes(columns);
        let body = body.finish();
        let mut out = domain::wire::Writer::new();
        out.bytes(&MAGIC);
        out.bytes(&[0, 0, 0, 0, 1]);
        out.varint(body.len() as u64);
        out.bytes(&body);
        out.finish()
    }

    /// Key, insert, action, meta of the value, how many are replaced: one operation of each.
    const ONE: &[u8] = &[5, 0x15, 3, 0x34, 1, 0x42, 2, 0x56, 2, 0x70, 2, 0x7f, 1, b'a', 1, 0x7f, 1, 0x7f, 2, 0x7f, 0];

    #[test]
    fn the_head_of_a_change_stays_within_what_is_read_and_what_automerge_bears() {
        let hash = |n: usize| {
            let mut hash = [0; 32];
            hash[..2].copy_from_slice(&u16::try_from(n).unwrap().to_be_bytes());
            ChangeHash(hash)
        };
        let hashes = |count: usize| (0..count).map(hash).collect::<Vec<_>>();
        let read = |dependencies: &[ChangeHash], seq, start_op, actors| {
            Change::read(&one_put(dependencies, seq, start_op, actors, ONE)).map(|read| read.operations.len())
        };
        let most = u64::from(u32::MAX >> 1);
        assert_eq!(read(&hashes(1_024), most, most, 1_024), Ok(1));
        for beyond in [1, 2] {
            assert_eq!(read(&hashes(1_024 + beyond), 1, 1, 0), Err(Refusal::TooManyDependencies));
            assert_eq!(read(&[], most + beyond as u64, 1, 0), Err(Refusal::WrongSequence));
            assert_eq!(read(&[], 1, most + beyond as u64, 0), Err(Refusal::WrongStart));
            assert_eq!(read(&[], 1, 1, 1_024 + beyond), Err(Refusal::Malformed));
        }
        assert_eq!((read(&[], 0, 1, 0), read(&[], 1, 0, 0)), (Err(Refusal::WrongSequence), Err(Refusal::WrongStart)));
        let twice = [ChangeHash([1; 32]), ChangeHash([1; 32])];
        assert_eq!(read(&twice, 1, 1, 0), Err(Refusal::Malformed));
    }

    #[test]
    fn every_column_is_there_once_and_says_as_much_as_the_others() {
        let read = |columns: &[u8]| Change::read(&one_put(&[], 1, 1, 0, columns)).map(|read| read.operations);
        let put = Operation { key: "a".into(), value: Some(Value::Flag(true)), replaces: vec![] };
        assert_eq!(read(ONE), Ok(vec![put]));
        let twice = [&[2, 0x15, 0, 0x15, 0][..]].concat();
        let inserted_twice = [&ONE[..14], &[2], &ONE[15..]].concat();
        let second_key = [&[5, 0x15, 4, 0x34, 1, 0x42, 2, 0x56, 2, 0x70, 2, 2, 1, b'a'][..], &[], &ONE[14..]].concat();
        for odd in [twice, inserted_twice] {
            assert_eq!(read(&odd), Err(Refusal::Malformed), "{odd:x?}");
        }
        assert!(read(&second_key).is_err());
    }

    #[test]
    fn a_change_and_its_keys_are_as_long_as_they_may_be() {
        let key = |length: usize| change(&mut doc(), |tx| tx.put(ROOT, "k".repeat(length), true));
        assert!(Change::read(&key(96)).is_ok());
        assert_eq!([97, 98].map(|length| Change::read(&key(length)).is_ok()), [false; 2]);
        let long = |length: usize| {
            let bytes = change(&mut doc(), |tx| tx.put(ROOT, "k", ScalarValue::Bytes(vec![7; length])));
            (bytes.len(), Change::read(&bytes).map(|_| ()))
        };
        let head = long(60_000).0 - 60_000;
        for (length, fits) in [(CHANGE_MAX, true), (CHANGE_MAX + 1, false), (CHANGE_MAX + 2, false)] {
            let (found, read) = long(length - head);
            assert_eq!((found, read), (length, if fits { Ok(()) } else { Err(Refusal::TooLong) }));
        }
    }

    #[test]
    fn a_start_beyond_what_automerge_bears_is_refused() {
        // 2^32, then 2^31: the first makes automerge 0.12 panic.
        for start in [&[0x80, 0x80, 0x80, 0x80, 0x10][..], &[0x80, 0x80, 0x80, 0x80, 0x08], &[0]] {
            let mut body = vec![0, 16];
            body.extend([7; 16]);
            body.push(1);
            body.extend(start);
            body.extend([0, 0, 0, 0]);
            assert_eq!(Change::read(&chunk(&body)), Err(Refusal::WrongStart));
        }
    }

    #[test]
    fn objects_lists_counters_and_messages_are_no_edits() {
        let nested = change(&mut doc(), |tx| tx.put_object(ROOT, "a", automerge::ObjType::Map).map(|_| ()));
        let counter = change(&mut doc(), |tx| tx.put(ROOT, "a", ScalarValue::counter(4)));
        let signed = change(&mut doc(), |tx| tx.put(ROOT, "a", -4i64));
        for bytes in [nested, counter, signed] {
            assert_eq!(Change::read(&bytes), Err(Refusal::Malformed));
        }
        let mut with_message = doc();
        let options = |_: &()| CommitOptions::default().with_time(0).with_message("hello");
        let hash = with_message.transact_with(options, |tx| tx.put(ROOT, "a", true)).unwrap().hash.unwrap();
        let bytes = with_message.get_change_by_hash(&hash).unwrap().raw_bytes().to_vec();
        assert_eq!(Change::read(&bytes), Err(Refusal::Malformed));
    }

    #[test]
    fn a_change_of_more_operations_than_allowed_is_refused() {
        let many =
            |count: usize| change(&mut doc(), |tx| (0..count).try_for_each(|n| tx.put(ROOT, format!("k{n}"), true)));
        assert_eq!(Change::read(&many(OPERATIONS_MAX)).map(|read| read.operations.len()), Ok(OPERATIONS_MAX));
        assert_eq!(Change::read(&many(OPERATIONS_MAX + 1)), Err(Refusal::TooManyOperations));
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Change::read(&bytes);
            let _ = Change::read(&chunk(&bytes[..bytes.len().min(120)]));
        }

        #[test]
        fn a_spoilt_change_never_panics_the_walk(at in 0usize..200, with: u8) {
            let mut doc = doc();
            let mut bytes = change(&mut doc, |tx| {
                tx.put(ROOT, "price", ScalarValue::Uint(450))?;
                tx.put(ROOT, "name", "Bière")?;
                tx.put(ROOT, "gone", true)
            });
            let at = at % bytes.len();
            bytes[at] = with;
            let _ = Change::read(&bytes);
        }
    }
}
