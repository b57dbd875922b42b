//! A blank box and the technician's tool, each facing anything; the file in which a box keeps who it is.
use domain::trust::{SignatureTag, sign};
use domain::wire::{from_canonical_cbor, to_cbor};
use sync::{
    FrameReader,
    enrolment::{
        Begin, BlankBox, BlankStep, BoxConfig, EnrolFrame, Enrolled, Grant, GrantBody, Offer, Technician,
        TechnicianStep,
    },
    frame::RawFrame,
};

use crate::{
    festival::{BOX, ENROL, FESTIVAL, FOUNDING, key, public},
    memory, one_bit_off, taken_as,
};

const TOOL: [u8; 32] = [0x11; 32];
const NONCE: [u8; 32] = [0x22; 32];

pub fn fuzz(input: &[u8]) {
    let Some((how, rest)) = taken_as(input, 7) else { return };
    memory::within(262_144, 64, rest.len(), || match how {
        0 => frames(rest, |frame, state: &mut BlankBox| state.frame(frame, key(BOX)).is_ok(), &mut blank()),
        1 => {
            let mut tool = Technician::new(FOUNDING.clone(), TOOL, false);
            frames(rest, |frame, tool: &mut Technician| tool.frame(frame).is_ok(), &mut tool);
        }
        2 => {
            // one frame of this type, its length fitting
            if let Some((kind, payload)) = rest.split_first() {
                let raw = RawFrame { kind: 32 + kind % 6, payload: payload.to_vec() };
                if let Ok(frame) = EnrolFrame::from_raw(&raw) {
                    assert_eq!(frame.encode(), raw.encode());
                }
            }
        }
        3 => granted(rest),
        4 => file(rest),
        5 => {
            // with a checksum that fits
            let sum = blake3::derive_key("festival 2026-11 enrolment file", rest);
            file(&[rest, &[0xff], &sum[..8]].concat());
        }
        _ => {
            if let Ok(config) = BoxConfig::from_bytes(rest) {
                assert_eq!(config.to_bytes(), rest);
            }
            offered(rest);
        }
    });
}

fn blank() -> BlankBox {
    BlankBox::new(None, "bench box 1".into(), NONCE)
}

fn frames<S>(bytes: &[u8], mut hear: impl FnMut(EnrolFrame, &mut S) -> bool, state: &mut S) {
    let mut reader = FrameReader::new();
    reader.push(bytes);
    while let Ok(Some(raw)) = reader.next_raw() {
        let Ok(frame) = EnrolFrame::from_raw(&raw) else { return };
        assert_eq!(frame.encode(), raw.encode());
        if !hear(frame, state) {
            return;
        }
    }
}

fn begun() -> (BlankBox, Offer) {
    let mut blank = blank();
    let begin = Begin { version: 1, founding: FOUNDING.to_bytes(), nonce: TOOL, re_enrol: false };
    match blank.frame(EnrolFrame::Begin(begin), key(BOX)) {
        Ok(BlankStep::Send(EnrolFrame::Offer(offer))) => (blank, offer),
        other => panic!("a blank box makes an offer: {other:?}"),
    }
}

/// A grant as the enrolment key signs it, for this box and this attempt.
fn granted(body: &[u8]) {
    let (mut blank, offer) = begun();
    let body = match from_canonical_cbor::<GrantBody>(body) {
        Ok(body) => to_cbor(&GrantBody {
            festival: *FESTIVAL,
            public_key: public(BOX),
            nonce: offer.nonce,
            epoch: offer.epoch,
            bundle_hash: *blake3::hash(b"").as_bytes(),
            ..body
        }),
        Err(_) => body.to_vec(),
    };
    let signature = sign(key(ENROL), SignatureTag::EnrolGrant, &FESTIVAL, &[&body]);
    let mut other = blank.clone();
    let grant = Grant { body, signature };
    if let Ok(BlankStep::Store { enrolled, .. }) = blank.frame(EnrolFrame::Grant(grant.clone()), key(BOX)) {
        let bytes = enrolled.to_bytes();
        assert_eq!(Enrolled::from_bytes(&bytes, &public(BOX)).as_ref(), Ok(&*enrolled));
        assert!(blank.stored(key(BOX)).is_ok());
        assert!(blank.stored(key(BOX)).is_err(), "a receipt is given once");
        let off = Grant { body: one_bit_off(&grant.body), ..grant };
        assert!(other.frame(EnrolFrame::Grant(off), key(BOX)).is_err(), "a changed bit is believed");
    }
}

fn file(bytes: &[u8]) {
    let Ok(enrolled) = Enrolled::from_file(bytes, &public(BOX)) else { return };
    let body = Enrolled::in_file(bytes).expect("it was read");
    assert_eq!(enrolled.to_bytes(), body);
    if bytes.len() != body.len() {
        assert_eq!(enrolled.to_file(), bytes);
        assert!(Enrolled::from_file(&one_bit_off(bytes), &public(BOX)).is_err(), "a changed bit is believed");
    }
    assert!(Enrolled::from_file(bytes, &public(ENROL)).is_err(), "another box's");
}

/// An offer for which the box's key signs.
fn offered(hardware: &[u8]) {
    let Ok(hardware) = std::str::from_utf8(hardware) else { return };
    let epoch = 3u32.to_le_bytes();
    let parts: [&[u8]; 5] = [&TOOL, &NONCE, &public(BOX), &epoch, hardware.as_bytes()];
    let signature = sign(key(BOX), SignatureTag::EnrolOffer, &FESTIVAL, &parts);
    let offer = Offer { public_key: public(BOX), nonce: NONCE, epoch: 3, hardware: hardware.into(), signature };
    let mut tool = Technician::new(FOUNDING.clone(), TOOL, false);
    let step = tool.frame(EnrolFrame::Offer(offer.clone()));
    assert!(matches!(step, Ok(TechnicianStep::Offered(_))));
    let off = Offer { signature: one_bit_off(&signature).try_into().expect("64 bytes"), ..offer };
    let mut tool = Technician::new(FOUNDING.clone(), TOOL, false);
    assert!(tool.frame(EnrolFrame::Offer(off)).is_err(), "a changed signature is believed");
}
