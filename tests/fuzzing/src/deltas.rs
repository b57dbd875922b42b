//! What the hub tells boxes, and the records in it.
use domain::{
    ledger::{AccountShare, CreditItem, TicketState, WalletState, ZoneRecord},
    trust::{SignatureTag, sign},
    wire::{Reader, Writer},
};
use sync::{Delta, DeltaProgress, Section, SignedDelta, frame::Edit};

use crate::{
    festival::{BUNDLE, DESK, FESTIVAL, key, public},
    memory, one_bit_off, take, taken_as,
};

pub fn fuzz(input: &[u8]) {
    let Some((how, rest)) = taken_as(input, 10) else { return };
    memory::within(131_072, 128, rest.len(), || match how {
        0 => {
            if let Ok(signed) = SignedDelta::decode(rest) {
                assert_eq!(signed.encode(), rest);
                let _ = signed.open(&FESTIVAL, &[public(BUNDLE)]);
            }
            if let Ok(delta) = Delta::from_bytes(rest) {
                assert_eq!(delta.to_bytes(), rest);
            }
        }
        1 => signed(rest),
        2 => taken(rest),
        _ => {
            let section = Section::ALL[usize::from(how - 3) % Section::ALL.len()];
            items(section, rest);
        }
    });
}

/// A body as the festival's key for bundles signs it.
fn signed(body: &[u8]) {
    let keys = [public(BUNDLE)];
    let signature = sign(key(BUNDLE), SignatureTag::Delta, &FESTIVAL, &[body]);
    let signed = SignedDelta { body: body.to_vec(), signature, key: public(BUNDLE) };
    if let Ok(delta) = signed.open(&FESTIVAL, &keys) {
        assert_eq!(delta.to_bytes(), body);
        assert_eq!(delta.sign(key(BUNDLE)), signed);
        let other = SignedDelta::decode(&one_bit_off(&signed.encode())).expect("of the same length");
        assert!(other.open(&FESTIVAL, &keys).is_err(), "a changed bit is believed");
        assert!(signed.open(&FESTIVAL, &[public(DESK)]).is_err(), "by another key");
        items(delta.section, &delta.items);
    }
}

/// Parts of batches in any order: knowledge never goes back, and a batch holds only when all its parts came in turn.
fn taken(mut rest: &[u8]) {
    let mut progress = DeltaProgress::default();
    let mut due: Option<(u32, u64, u16, u16)> = None;
    while !rest.is_empty() {
        let [term, prev, number, part, parts, how]: [u8; 6] = take(&mut rest);
        let (term, part, parts) = (u32::from(term & 3), u16::from(part & 3), u16::from(parts & 3));
        let snapshot = how & 1 != 0;
        let delta = Delta {
            festival: *FESTIVAL,
            section: Section::Wallets,
            term,
            prev: if snapshot { 0 } else { u64::from(prev & 7) },
            number: u64::from(number & 7),
            part,
            parts,
            snapshot,
            vector: Vec::new(),
            hub_time_ms: 0,
            items: Vec::new(),
        };
        if Delta::from_bytes(&delta.to_bytes()).is_err() {
            continue;
        }
        if how & 0x80 != 0 {
            progress.interrupt();
            due = None;
        }
        let before = (progress.term, progress.number);
        let result = progress.take(&delta);
        let after = (progress.term, progress.number);
        assert!(after >= before, "knowledge went back");
        let batch = (delta.term, delta.number, delta.parts);
        let in_turn = part == 0 || due.is_some_and(|(t, n, p, next)| (t, n, p) == batch && next == part);
        match result {
            Ok(whole) => {
                assert!(in_turn && delta.term >= before.0, "a part out of turn was taken");
                assert!(snapshot || delta.prev == before.1, "a gap was passed over");
                assert_eq!(whole, part + 1 == parts);
                assert_eq!(whole, after == (delta.term, delta.number));
                due = (!whole).then_some((delta.term, delta.number, delta.parts, part + 1));
            }
            Err(_) => assert_eq!(after, before),
        }
    }
}

/// Records of a section: each is written as it was read.
fn items(section: Section, bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    loop {
        let before = input.rest();
        if before.is_empty() {
            return;
        }
        let mut out = Writer::new();
        let read = match section {
            Section::Wallets => {
                input.take(WalletState::LEN).and_then(WalletState::from_bytes).map(|state| out.bytes(&state.to_bytes()))
            }
            Section::Tickets => {
                input.take(TicketState::LEN).and_then(TicketState::from_bytes).map(|state| out.bytes(&state.to_bytes()))
            }
            Section::Documents => Edit::read_item(&mut input).map(|edit| edit.write_item(&mut out)),
            Section::Credits => CreditItem::read(&mut input).map(|item| out.bytes(&item.to_bytes())),
            Section::Zones => ZoneRecord::read(&mut input).map(|record| record.write(&mut out)),
            Section::Shares => AccountShare::read(&mut input).map(|share| share.write(&mut out)),
            // read where it is stored (`box-store`)
            Section::Revocations | Section::Bundle => return,
        };
        match read {
            Ok(()) => {
                let length = before.len() - input.rest().len();
                assert!(length > 0);
                assert_eq!(out.finish(), before[..length], "{section:?}");
            }
            Err(_) => return,
        }
    }
}
