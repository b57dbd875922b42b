//! The text of a code held to a scanner, own tickets and pretix's.
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    ticket::{
        Scheme, TicketKey, Verifier, base45, fold_name, holder_check, inspect,
        own::ParsedOwn,
        pretix_sig1::{ParsedPretix, PretixKey},
    },
    trust::{SignatureTag, sign},
};
use ed25519_dalek::Signer;
use hardware::code::ScannedCode;
use std::sync::LazyLock;

use crate::{
    festival::{FESTIVAL, PRETIX, TICKET, key, public},
    memory, one_bit_off, taken_as,
};

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| Verifier {
    festival: *FESTIVAL,
    ticket_keys: vec![TicketKey::new(key(TICKET).verifying_key())],
    pretix_events: vec![domain::ticket::PretixEvent {
        index: 1,
        keys: vec![PretixKey::from_bytes(&public(PRETIX)).expect("a key")],
    }],
});
const HEAD: usize = 37;

pub fn fuzz(input: &[u8]) {
    let Some((how, rest)) = taken_as(input, 6) else { return };
    match how {
        0 => memory::within(16_384, 8, rest.len(), || scanned(rest)),
        1 => {
            let mut head = [0; HEAD];
            let length = rest.len().min(HEAD);
            head[..length].copy_from_slice(&rest[..length]);
            let signature = sign(key(TICKET), SignatureTag::Ticket, &FESTIVAL, &[&head]);
            read(&base45::encode(&[head.as_slice(), &signature].concat()));
        }
        2 => pretix(rest),
        3 => {
            if let Ok(text) = std::str::from_utf8(rest)
                && let Ok(key) = PretixKey::from_api(text)
            {
                assert_eq!(PretixKey::from_bytes(key.as_bytes()), Ok(key));
            }
        }
        4 => {
            assert_eq!(base45::decode(&base45::encode(rest)).as_deref(), Ok(rest));
            if let Ok(text) = std::str::from_utf8(rest)
                && let Ok(bytes) = base45::decode(text)
            {
                assert_eq!(base45::encode(&bytes), text, "another text for the same bytes");
            }
        }
        _ => {
            if let Ok(name) = std::str::from_utf8(rest) {
                let folded = fold_name(name);
                assert_eq!(fold_name(&folded), folded, "folded twice");
                assert!(holder_check(name) != 0 || name.trim().is_empty(), "0 is for whoever brings it");
            }
        }
    }
}

fn scanned(bytes: &[u8]) {
    if let Ok(code) = ScannedCode::from_bytes(bytes) {
        assert_eq!(code.text().as_bytes(), bytes);
        read(code.text());
    }
}

fn pretix(payload: &[u8]) {
    let Ok(length) = u16::try_from(payload.len()) else { return };
    let signature = key(PRETIX).sign(payload).to_bytes();
    let bytes = [&[1], length.to_be_bytes().as_slice(), &64u16.to_be_bytes(), payload, &signature].concat();
    let text: String = STANDARD.encode(bytes).chars().rev().collect();
    read(&text);
}

/// A ticket that is believed is one of ours in its one form, and no text that differs in one bit is.
fn read(text: &str) {
    let seen = inspect(text, &VERIFIER);
    let Ok(ticket) = VERIFIER.read(text) else {
        assert!(seen.reason.is_some());
        return;
    };
    assert_eq!(VERIFIER.read_at(text, 0).as_ref(), Ok(&ticket));
    match ticket.scheme {
        Scheme::Own => {
            let parsed = ParsedOwn::parse(text).expect("it was read");
            assert_eq!(parsed.ticket().sign(&FESTIVAL, key(TICKET)), text);
        }
        Scheme::PretixSig1 => {
            let parsed = ParsedPretix::parse(text).and_then(|parsed| parsed.ticket()).expect("it was read");
            assert_eq!(parsed.seed, ticket.display_id);
        }
    }
    if let Ok(other) = std::str::from_utf8(&one_bit_off(text.as_bytes())) {
        assert!(VERIFIER.read(other).is_err(), "another text is believed: {other}");
    }
}
