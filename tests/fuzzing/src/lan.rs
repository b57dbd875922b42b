//! What anybody on the venue's LAN may say.
use domain::{
    id::device_id,
    lan::{Envelope, Message, MessageError, Told},
    trust::{SignatureTag, sign},
};

use crate::{
    festival::{BOX, DESK, FESTIVAL, key, public},
    memory, one_bit_off, taken_as,
};

const HEADER: usize = 20;

pub fn fuzz(input: &[u8]) {
    let Some((how, rest)) = taken_as(input, 3) else { return };
    memory::within(65_536, 64, rest.len(), || match how {
        0 => {
            if let Ok(envelope) = Envelope::read(rest) {
                alike(&envelope, rest);
                let _ = envelope.check(rest, &FESTIVAL, &public(BOX));
            }
        }
        1 => said(rest),
        _ => told(rest),
    });
}

/// What was read is what its sender would have said.
fn alike(envelope: &Envelope, bytes: &[u8]) {
    let sealed = Envelope::seal(&FESTIVAL, envelope.group, key(BOX), &envelope.message);
    assert_eq!(sealed.len(), bytes.len());
    assert_eq!(sealed[..4], bytes[..4]);
    let end = match envelope.message {
        Message::Commit(_) => bytes.len(),
        _ => bytes.len() - 64,
    };
    assert_eq!(sealed[HEADER..end], bytes[HEADER..end]);
}

/// Type, group and body as the golden box signs them.
fn said(rest: &[u8]) {
    let Some(([kind, low, high], body)) = rest.split_first_chunk::<3>() else { return };
    let kind = kind % 9;
    let tag = match kind {
        1 => SignatureTag::Presence,
        2 => SignatureTag::Claim,
        3 => SignatureTag::ClaimAnswer,
        4 => SignatureTag::ClaimRelease,
        5 | 8 => SignatureTag::ClaimHandover,
        7 => SignatureTag::Copy,
        _ => return,
    };
    let me = device_id(&public(BOX));
    let mut bytes = [&[1, kind, *low, *high], me.0.as_slice(), body].concat();
    let signature = sign(key(BOX), tag, &FESTIVAL, &[&bytes]);
    bytes.extend(signature);
    let Ok(envelope) = Envelope::read(&bytes) else { return };
    assert_eq!(Envelope::seal(&FESTIVAL, envelope.group, key(BOX), &envelope.message), bytes);
    assert_eq!(envelope.check(&bytes, &FESTIVAL, &public(BOX)), Ok(()));
    assert_eq!(envelope.check(&bytes, &FESTIVAL, &public(DESK)), Err(MessageError::Signature));
    let off = one_bit_off(&bytes);
    if let Ok(other) = Envelope::read(&off) {
        assert!(other.check(&off, &FESTIVAL, &public(BOX)).is_err(), "a changed bit is believed");
    }
    assert!(envelope.check(&off, &FESTIVAL, &public(BOX)).is_err(), "other bytes are believed");
}

/// A neighbour's commit: the bytes, and the same with the signature that its box would make.
fn told(rest: &[u8]) {
    let Ok(told) = Told::from_bytes(rest) else { return };
    assert_eq!(told.to_bytes(), rest);
    assert!(told.entries().count() <= told.bodies.len());
    let _ = told.check(&FESTIVAL, &public(BOX));
    let mut signed = Told { device: device_id(&public(BOX)), ..told };
    let head = signed.head();
    let cursor = domain::journal::ChainCursor {
        festival: *FESTIVAL,
        device: signed.device,
        epoch: signed.epoch,
        next_seq: head.seq.saturating_add(1),
        prev: head.hash,
    };
    let Some(mark) = cursor.sign(key(BOX)) else { return };
    signed.signature = mark.signature;
    if let Ok(checked) = signed.check(&FESTIVAL, &public(BOX)) {
        assert_eq!(checked, head);
        if let Ok(off) = Told::from_bytes(&one_bit_off(&signed.to_bytes())) {
            assert!(off.check(&FESTIVAL, &public(BOX)).is_err(), "a changed bit is believed");
        }
    }
}
