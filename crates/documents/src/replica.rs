//! One document as one side holds it: the changes applied so far, and what Automerge made of them.
//! Invariant: a change is applied once, after all that it builds on, and no two changes of an actor have one number.
//! Not here: whether it may be applied (`judge`), whose turn it is (`documents`).
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
};

use automerge::{Automerge, ObjId, ROOT, ReadDoc};
use domain::id::DeviceId;

use crate::{
    change::{Actor, OpId},
    document::ChangeHash,
    envelope::Verified,
    refusal::Refusal,
    value::Value,
};

/// Who made a change, where and when, and where it stands among the others.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) manager: [u8; 32],
    pub(crate) name: String,
    pub(crate) operator: u32,
    pub(crate) device: DeviceId,
    pub(crate) at_ms: u64,
    max_op: u64,
    dependencies: Vec<ChangeHash>,
}

/// One document's state.
#[derive(Clone)]
pub(crate) struct Replica {
    doc: Automerge,
    known: HashMap<ChangeHash, Known>,
    /// The changes of an actor, the first at 0.
    by_actor: BTreeMap<Actor, Vec<ChangeHash>>,
}

/// A value that stands at a key, and the operation that put it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) value: Option<Value>,
    pub(crate) id: OpId,
    pub(crate) change: ChangeHash,
}

impl Default for Replica {
    fn default() -> Self {
        Self { doc: Automerge::new(), known: HashMap::new(), by_actor: BTreeMap::new() }
    }
}

fn to_automerge(hashes: &[ChangeHash]) -> Vec<automerge::ChangeHash> {
    hashes.iter().map(|hash| automerge::ChangeHash(hash.0)).collect()
}

impl Replica {
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn doc(&self) -> &Automerge {
        &self.doc
    }

    pub(crate) fn known(&self, hash: &ChangeHash) -> Option<&Known> {
        self.known.get(hash)
    }

    /// The changes that nothing builds on yet, sorted.
    pub(crate) fn heads(&self) -> Vec<ChangeHash> {
        let mut heads: Vec<ChangeHash> = self.doc.get_heads().iter().map(|hash| ChangeHash(hash.0)).collect();
        heads.sort_unstable();
        heads
    }

    /// Number that the next change of `actor` has here.
    pub(crate) fn next_seq(&self, actor: &Actor) -> u64 {
        self.by_actor.get(actor).map_or(0, |changes| changes.len() as u64).saturating_add(1)
    }

    /// Whether the change can follow what is here: all it builds on is known, its operations start right after, and
    /// its actor's last change is among what it builds on.
    pub(crate) fn follows(&self, new: &Verified) -> Result<(), Refusal> {
        let change = &new.change;
        let mut max_op = 0;
        for hash in &change.dependencies {
            max_op = max_op.max(self.known.get(hash).ok_or(Refusal::Dependency)?.max_op);
        }
        if change.start_op != max_op.saturating_add(1) {
            return Err(Refusal::WrongStart);
        }
        if change.seq != self.next_seq(&change.actor) {
            return Err(Refusal::WrongSequence);
        }
        let last = self.by_actor.get(&change.actor).and_then(|changes| changes.last());
        match last {
            Some(last) if !self.builds_on(&change.dependencies, last) => Err(Refusal::WrongSequence),
            Some(_) | None => Ok(()),
        }
    }

    fn builds_on(&self, dependencies: &[ChangeHash], ancestor: &ChangeHash) -> bool {
        let lowest = self.known.get(ancestor).map_or(0, |known| known.max_op);
        let mut seen: BTreeSet<ChangeHash> = dependencies.iter().copied().collect();
        let mut open: Vec<ChangeHash> = dependencies.to_vec();
        while let Some(hash) = open.pop() {
            if hash == *ancestor {
                return true;
            }
            let Some(known) = self.known.get(&hash).filter(|known| known.max_op > lowest) else { continue };
            open.extend(known.dependencies.iter().filter(|dependency| seen.insert(**dependency)));
        }
        false
    }

    /// Applies a change that [`Self::follows`]. Automerge works on a copy: if it panics, nothing happened.
    pub(crate) fn apply(&mut self, new: &Verified) -> Result<(), Refusal> {
        self.apply_all(std::slice::from_ref(new))
    }

    /// As [`Self::apply`], for changes each of which builds on those before it at most; all or none.
    pub(crate) fn apply_all(&mut self, new: &[Verified]) -> Result<(), Refusal> {
        let mut next = self.clone();
        let isolated = catch_unwind(AssertUnwindSafe(|| {
            let mut changes = Vec::with_capacity(new.len());
            for verified in new {
                next.follows(verified)?;
                let raw = verified.envelope.change.clone();
                let change = automerge::Change::from_bytes(raw).map_err(|_| Refusal::Malformed)?;
                if change.hash().0 != verified.envelope.hash.0 {
                    return Err(Refusal::Malformed);
                }
                changes.push(change);
                next.note(verified);
            }
            next.doc.apply_changes(changes).map_err(|_| Refusal::Inapplicable)?;
            let is_there = |verified: &Verified| {
                let hash = automerge::ChangeHash(verified.envelope.hash.0);
                next.doc.get_change_meta_by_hash(&hash).is_some()
            };
            if new.iter().all(is_there) { Ok(()) } else { Err(Refusal::Inapplicable) }
        }));
        match isolated {
            Ok(Ok(())) => {
                *self = next;
                Ok(())
            }
            Ok(Err(refusal)) => Err(refusal),
            Err(_) => Err(Refusal::Inapplicable),
        }
    }

    fn note(&mut self, verified: &Verified) {
        let envelope = &verified.envelope;
        let author = envelope.reentered.as_ref().map_or(verified.manager, |original| original.manager);
        self.known.insert(
            envelope.hash,
            Known {
                manager: author,
                name: verified.place.clone(),
                operator: envelope.operator,
                device: envelope.device,
                at_ms: envelope.at_ms,
                max_op: verified.change.max_op(),
                dependencies: verified.change.dependencies.clone(),
            },
        );
        self.by_actor.entry(verified.change.actor).or_default().push(envelope.hash);
    }

    /// Whether Automerge would write this change in the very bytes that came.
    pub(crate) fn rewrites_alike(&self, new: &Verified) -> bool {
        let hash = automerge::ChangeHash(new.envelope.hash.0);
        let again = catch_unwind(AssertUnwindSafe(|| self.doc.get_change_by_hash(&hash)));
        matches!(again, Ok(Some(change)) if change.raw_bytes() == new.envelope.change)
    }

    /// Values at `key`, the one in force last; as of `heads`, or now.
    pub(crate) fn standing(&self, key: &str, heads: Option<&[ChangeHash]>) -> Vec<Standing> {
        let all = match heads {
            Some(heads) => self.doc.get_all_at(ROOT, key, &to_automerge(heads)),
            None => self.doc.get_all(ROOT, key),
        };
        let all = all.unwrap_or_default();
        all.into_iter().filter_map(|(value, id)| self.standing_of(&value, &id)).collect()
    }

    fn standing_of(&self, value: &automerge::Value<'_>, id: &ObjId) -> Option<Standing> {
        let ObjId::Id(counter, actor, _) = id else { return None };
        let actor: Actor = actor.to_bytes().try_into().ok()?;
        let change = self.doc.hash_for_opid(id)?;
        let value = value.as_scalar().and_then(Value::of_scalar);
        Some(Standing { value, id: OpId { counter: *counter, actor }, change: ChangeHash(change.0) })
    }

    /// Every key with its values, sorted by key; as of `heads`, or now.
    pub(crate) fn all(&self, heads: Option<&[ChangeHash]>) -> BTreeMap<String, Vec<Standing>> {
        let keys: Vec<String> = match heads {
            Some(heads) => self.doc.keys_at(ROOT, &to_automerge(heads)).collect(),
            None => self.doc.keys(ROOT).collect(),
        };
        keys.into_iter().map(|key| (key.clone(), self.standing(&key, heads))).collect()
    }

    /// Whether all of `heads` are here.
    pub(crate) fn holds(&self, heads: &[ChangeHash]) -> bool {
        heads.iter().all(|head| self.known.contains_key(head))
    }
}
