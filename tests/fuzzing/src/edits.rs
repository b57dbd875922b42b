//! Edits of shared documents: envelopes, the walk of a change before Automerge sees it, and what passes that walk.
use std::{collections::BTreeMap, sync::LazyLock};

use documents::{ChangeHash, Document, Documents, Envelope, Intent, SignedEnvelope, Value, Verified, actor};
use domain::{
    id::device_id,
    wire::{Reader, Writer, from_canonical_cbor},
};
use sha2::{Digest, Sha256};
use sync::{Delta, SignedDelta, frame::Edit};

use crate::{
    festival::{BOX, FESTIVAL, FOUNDING, MANAGER, MANAGER_CHAIN, golden, key, public},
    memory, one_bit_off, take, taken_as,
};

// The walk as it ships; its operations are what the intents of a fitting envelope must say.
#[allow(dead_code, reason = "only what reads is used")]
#[path = "../../../crates/documents/src/change/mod.rs"]
mod change;

use change::Change;

/// A product, and an edit of its price (`tests/formats`).
static CONFIRMED: LazyLock<Vec<SignedEnvelope>> = LazyLock::new(|| {
    let signed = SignedDelta::decode(&golden(include_str!("../../formats/golden/delta_documents.hex")));
    let delta = Delta::from_bytes(&signed.expect("golden").body).expect("golden");
    let mut items = Reader::new(&delta.items);
    let mut all = Vec::new();
    while !items.rest().is_empty() {
        let edit = Edit::read_item(&mut items).expect("golden");
        all.push(SignedEnvelope::from_bytes(&edit.envelope).expect("golden"));
    }
    all
});

/// What is in force in the confirmed catalogue, and the number of its last operation.
static STANDING: LazyLock<(BTreeMap<String, Value>, u64)> = LazyLock::new(|| {
    let (mut values, mut last) = (BTreeMap::new(), 0);
    for signed in CONFIRMED.iter() {
        let envelope = signed.read().expect("golden");
        last = last.max(Change::read(&envelope.change).expect("golden").max_op());
        for intent in envelope.intents {
            match intent.new {
                Some(value) => values.insert(intent.path, value),
                None => values.remove(&intent.path),
            };
        }
    }
    (values, last)
});

/// Documents in which the golden edits are confirmed.
fn documents() -> Documents {
    let mut all = Documents::new(FOUNDING.clone());
    for signed in CONFIRMED.iter() {
        let verified = all.verify(signed).expect("golden");
        all.confirm(&verified).expect("golden");
    }
    all
}

pub fn fuzz(input: &[u8]) {
    let Some((how, rest)) = taken_as(input, 5) else { return };
    // Automerge holds a document several times while it applies a change
    memory::within(32 << 20, 256, rest.len(), || match how {
        0 => {
            if let Ok(signed) = SignedEnvelope::from_bytes(rest) {
                assert_eq!(signed.to_bytes(), rest);
                let _ = signed.verify(&FOUNDING);
            }
        }
        1 => body(rest),
        2 => walked(rest),
        3 => fitting(rest, false),
        _ => fitting(rest, true),
    });
}

/// An envelope's body under the manager's chain and signature.
fn body(bytes: &[u8]) {
    let Ok(envelope) = from_canonical_cbor::<Envelope>(bytes) else { return };
    let envelope = Envelope { chain: MANAGER_CHAIN.clone(), ..envelope };
    judged(&SignedEnvelope::sign(&envelope, key(MANAGER), &FESTIVAL));
}

/// The walk alone: bounded, whatever the bytes.
fn walked(bytes: &[u8]) {
    let whole = memory::within(1 << 20, 64, bytes.len(), || Change::read(bytes));
    let data = memory::within(1 << 20, 64, bytes.len(), || Change::read(&chunk(bytes).0));
    for change in [whole, data].into_iter().flatten() {
        assert!((1..=documents::OPERATIONS_MAX).contains(&change.operations.len()));
        assert!(change.dependencies.len() <= documents::DEPENDENCIES_MAX);
        assert!(change.max_op() >= change.start_op && change.max_op() <= u64::from(u32::MAX));
    }
}

/// Data as an uncompressed change with a checksum that fits, and its hash.
fn chunk(data: &[u8]) -> (Vec<u8>, ChangeHash) {
    let mut hashed = Writer::new();
    hashed.u8(1);
    hashed.varint(data.len() as u64);
    hashed.bytes(data);
    let hashed = hashed.finish();
    let hash: [u8; 32] = Sha256::digest(&hashed).into();
    ([&[0x85, 0x6f, 0x4a, 0x83], &hash[..4], &hashed].concat(), ChangeHash(hash))
}

/// A change by the manager whose envelope says what its operations are: `follows` builds on what is confirmed, so that
/// only other actors and columns are the input's; otherwise dependencies and numbers are, too.
fn fitting(mut rest: &[u8], follows: bool) {
    let [number, epoch]: [u8; 2] = take(&mut rest);
    let document = Document::ALL[usize::from(number) % Document::ALL.len()];
    let device = device_id(&public(BOX));
    let actor = actor(device, epoch.into(), &public(MANAGER));
    let mut data = Writer::new();
    let (values, last) = &*STANDING;
    if follows {
        let heads = documents().heads(document);
        data.varint(heads.len() as u64);
        heads.iter().for_each(|head| data.bytes(&head.0));
        data.u8(16);
        data.bytes(&actor);
        data.u8(1);
        data.varint(if heads.is_empty() { 1 } else { last + 1 });
    } else {
        let [count] = take(&mut rest);
        data.u8(count % 3);
        for _ in 0..count % 3 {
            data.bytes(&take::<32>(&mut rest));
        }
        data.u8(16);
        data.bytes(&actor);
    }
    data.bytes(rest);
    let (bytes, hash) = chunk(&data.finish());
    let Ok(change) = Change::read(&bytes) else { return };
    let old = |key: &str| values.get(key).filter(|_| document == Document::Catalogue).cloned();
    let intents = change.operations.iter().map(|operation| Intent {
        path: operation.key.clone(),
        old: old(&operation.key),
        new: operation.value.clone(),
    });
    let envelope = Envelope {
        version: 1,
        document: document.number(),
        device,
        epoch: epoch.into(),
        operator: 7,
        at_ms: 1_790_500_300_000,
        hash,
        change: bytes,
        intents: intents.collect(),
        chain: MANAGER_CHAIN.clone(),
        reentered: None,
    };
    judged(&SignedEnvelope::sign(&envelope, key(MANAGER), &FESTIVAL));
}

fn judged(signed: &SignedEnvelope) {
    let Ok(verified) = signed.verify(&FOUNDING) else { return };
    let off = SignedEnvelope { body: one_bit_off(&signed.body), ..signed.clone() };
    assert!(off.verify(&FOUNDING).is_err(), "a changed bit is believed");
    let mut hub = documents();
    let before = everything(&hub);
    match hub.judge(&verified) {
        Ok(()) => {
            let after = everything(&hub);
            assert_ne!(before, after, "an edit that changes nothing is refused");
            assert!(hub.judge(&verified).is_err(), "twice");
            assert_eq!(everything(&hub), after);
            let mut there = documents();
            assert_eq!(there.confirm(&verified), Ok(()), "what the hub took, a box takes");
            assert_eq!(everything(&there), after);
            pending(verified);
        }
        Err(_) => assert_eq!(everything(&hub), before, "a refused edit leaves a trace"),
    }
}

/// Shown as a box's own, and undone when it is refused.
fn pending(verified: Verified) {
    let mut here = documents();
    let (before, hash) = (everything(&here), verified.hash());
    if here.add_pending(verified).is_ok() {
        assert!(here.answered(hash));
        assert_eq!(everything(&here), before);
    }
}

/// All that people may read.
fn everything(documents: &Documents) -> String {
    let (zones, staff, reasons) = (documents.zones(), documents.staff(), documents.reasons());
    let heads: Vec<_> = Document::ALL.into_iter().map(|document| documents.heads(document)).collect();
    format!("{heads:?} {:?} {zones:?} {staff:?} {reasons:?}", documents.catalogue())
}
