//! Tickets that pretix itself made, genuine and tampered with, against our reader, which is the stricter one.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    id::FestivalId,
    ticket::{
        PretixEvent, Product, Scheme, Signature, TicketError, Verifier, inspect,
        pretix_sig1::{ParsedPretix, PretixKey, identity_of_secret, uid},
    },
};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::Value;

fn file() -> Value {
    serde_json::from_str(include_str!("../../../tests/interop/pretix_tickets.json")).unwrap()
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn keys_of(event: &Value) -> Vec<PretixKey> {
    list(&event["valid_keys"], "pretix_sig1")
        .iter()
        .map(|key| PretixKey::from_api(key.as_str().unwrap()).unwrap())
        .collect()
}

fn verifier(pretix_events: Vec<PretixEvent>) -> Verifier {
    Verifier { festival: FestivalId([1; 16]), ticket_keys: Vec::new(), pretix_events }
}

fn all_events(file: &Value) -> Verifier {
    verifier(
        list(file, "events")
            .iter()
            .zip(0..)
            .map(|(event, index)| PretixEvent { index, keys: keys_of(event) })
            .collect(),
    )
}

fn main_event(file: &Value) -> Verifier {
    verifier(vec![PretixEvent { index: 0, keys: keys_of(&list(file, "events")[0]) }])
}

fn tampered<'a>(file: &'a Value, name: &str) -> &'a str {
    text(list(file, "tampered").iter().find(|ticket| ticket["name"] == name).unwrap(), "secret")
}

/// A ticket as pretix would write it around this payload, and the verifier of its event.
fn signed(payload: &[u8]) -> (String, Verifier) {
    let key = SigningKey::from_bytes(&[5; 32]);
    let len = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let bytes = [&[1], len.as_slice(), &[0, 64], payload, key.sign(payload).to_bytes().as_slice()].concat();
    let key = PretixKey::from_bytes(key.verifying_key().as_bytes()).unwrap();
    (STANDARD.encode(bytes).chars().rev().collect(), verifier(vec![PretixEvent { index: 3, keys: vec![key] }]))
}

#[test]
fn all_genuine_tickets_verify_under_their_own_event_with_the_fields_pretix_wrote() {
    let file = file();
    let verifier = all_events(&file);
    let events = list(&file, "events");
    let mut seen = BTreeSet::new();
    for genuine in list(&file, "tickets") {
        let index = events.iter().position(|event| event["slug"] == genuine["event"]).unwrap();
        let ticket = verifier.read(text(genuine, "secret")).unwrap();
        assert_eq!(ticket.scheme, Scheme::PretixSig1);
        assert_eq!(ticket.display_id, text(genuine, "seed"));
        let product = Product::Pretix {
            event: u16::try_from(index).unwrap(),
            item: genuine["item"].as_u64().unwrap(),
            variation: genuine["variation"].as_u64().unwrap(),
            subevent: genuine["subevent"].as_u64().unwrap(),
        };
        assert_eq!(ticket.product, product);
        assert_eq!(ticket.valid_from, genuine["valid_from"].as_u64());
        assert_eq!(ticket.valid_until, genuine["valid_until"].as_u64());
        let shown = inspect(text(genuine, "secret"), &verifier);
        assert_eq!((shown.valid_from, shown.valid_until), (ticket.valid_from, ticket.valid_until));
        assert_eq!((ticket.zones, ticket.holder_check), (None, None));
        assert_eq!(ticket.uid, uid(&keys_of(&events[index])[0], text(genuine, "seed")));
        seen.insert(ticket.uid);
    }
    assert_eq!(seen.len(), 25, "each of them is a ticket of its own");
}

#[test]
fn a_genuine_ticket_is_refused_under_the_keys_of_other_events() {
    let file = file();
    let events = list(&file, "events");
    for genuine in list(&file, "tickets") {
        let others = events.iter().filter(|event| event["slug"] != genuine["event"]);
        let others = verifier(others.map(|event| PretixEvent { index: 0, keys: keys_of(event) }).collect());
        assert_eq!(others.read(text(genuine, "secret")), Err(TicketError::BadSignature));
        assert_eq!(verifier(Vec::new()).read(text(genuine, "secret")), Err(TicketError::UnknownKey));
    }
}

#[test]
fn every_tampered_ticket_is_refused_for_its_own_reason() {
    let file = file();
    let verifier = main_event(&file);
    let expected = [
        ("untouched", None),
        ("item_changed_to_vip", Some("ticket.bad_signature")),
        ("signature_last_bit", Some("ticket.bad_signature")),
        ("version_2", Some("ticket.malformed")),
        ("truncated_5_bytes", Some("ticket.malformed")),
        ("one_byte", Some("ticket.malformed")),
        ("payload_len_plus_1", Some("ticket.malformed")),
        ("sig_len_0", Some("ticket.malformed")),
        ("not_reversed", Some("ticket.not_canonical")),
        ("no_padding", Some("ticket.not_canonical")),
        ("inner_newline", Some("ticket.unreadable")),
        ("lowercased", Some("ticket.not_canonical")),
        ("other_event_key", Some("ticket.bad_signature")),
        ("signature_malleated_S_plus_L", Some("ticket.bad_signature")),
        ("validly_signed_unknown_item", None),
        ("validly_signed_payload_over_255", None),
    ];
    let in_file: Vec<&str> = list(&file, "tampered").iter().map(|ticket| text(ticket, "name")).collect();
    assert_eq!(in_file, expected.map(|(name, _)| name));
    for (name, reason) in expected {
        let verdict = verifier.read(tampered(&file, name));
        assert_eq!(verdict.as_ref().err().map(TicketError::code), reason, "{name}");
    }
}

#[test]
fn what_is_validly_signed_is_read_and_left_to_the_product_rules() {
    let file = file();
    let verifier = main_event(&file);
    let unknown_item = verifier.read(tampered(&file, "validly_signed_unknown_item")).unwrap();
    assert_eq!(unknown_item.product, Product::Pretix { event: 0, item: 999_999, variation: 0, subevent: 0 });
    let long = verifier.read(tampered(&file, "validly_signed_payload_over_255")).unwrap();
    assert!(long.display_id.len() > 255);
}

#[test]
fn another_encoding_of_the_same_bytes_is_refused() {
    let file = file();
    let verifier = main_event(&file);
    let genuine = tampered(&file, "untouched");
    let forward: String = genuine.chars().rev().collect();
    let bytes = STANDARD.decode(&forward).unwrap();
    let backward = |bytes: &[u8]| -> String { STANDARD.encode(bytes).chars().rev().collect() };
    assert_eq!(backward(&bytes), genuine);
    let trailing = backward(&[bytes.as_slice(), &[0]].concat());
    assert_eq!(verifier.read(&trailing).unwrap_err().code(), "ticket.malformed");
    // 86 bytes end in one '=': the two last bits of the character before it are spare.
    let spare_bits = forward.replace("AI=", "AJ=").chars().rev().collect::<String>();
    assert_ne!(spare_bits, genuine);
    assert_eq!(verifier.read(&spare_bits), Err(TicketError::NotCanonical));
    for mangled in [
        format!("={genuine}"),
        format!("{genuine} "),
        format!(" {genuine}"),
        genuine.replace('/', "_").replace('+', "-"),
    ] {
        assert!(verifier.read(&mangled).is_err(), "{mangled}");
    }
}

#[test]
fn every_flipped_bit_of_a_genuine_ticket_is_refused() {
    let file = file();
    let verifier = main_event(&file);
    let forward: String = tampered(&file, "untouched").chars().rev().collect();
    let bytes = STANDARD.decode(&forward).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let text: String = STANDARD.encode(&flipped).chars().rev().collect();
        assert!(verifier.read(&text).is_err(), "bit {bit}");
    }
}

#[test]
fn the_lists_of_revoked_and_blocked_secrets_name_tickets() {
    let file = file();
    let keys = keys_of(&list(&file, "events")[0]);
    let blocked = text(&list(&file["api_blockedsecrets"], "results")[0], "secret");
    let ticket = list(&file, "tickets").iter().find(|ticket| ticket["tag"] == "blocked").unwrap();
    assert_eq!(identity_of_secret(blocked, &keys), Ok(main_event(&file).read(text(ticket, "secret")).unwrap().uid));

    let revoked = text(&list(&file["api_revokedsecrets"], "results")[0], "secret");
    assert_eq!(identity_of_secret(revoked, &keys), Ok(main_event(&file).read(revoked).unwrap().uid));

    let other = keys_of(&list(&file, "events")[2]);
    assert_eq!(identity_of_secret(revoked, &other), Err(TicketError::BadSignature));
    assert_eq!(identity_of_secret("kXh3NdzqV2b", &keys).unwrap_err().signature(), Signature::Malformed);
}

#[test]
fn a_signed_payload_that_is_not_well_formed_is_refused_and_a_field_of_a_later_pretix_is_not() {
    let (plain, verifier) = signed(b"\x0a\x04seed\x10\x07\x28\x00\x30\x00");
    let ticket = verifier.read(&plain).unwrap();
    assert_eq!(ticket.product, Product::Pretix { event: 3, item: 7, variation: 0, subevent: 0 });
    let (later, _) = signed(b"\x0a\x04seed\x10\x07\x28\x00\x30\x00\x3a\x03new");
    assert_eq!(verifier.read(&later), Ok(ticket), "the same ticket, with a field that we do not know");
    for payload in
        [&b""[..], b"\x0a\x00\x10\x07", b"\x0a\x04seed\x10\x07\x10\x08", b"\x0a\x02\xc3\x28\x10\x07", b"\x0a\x09seed"]
    {
        let (text, verifier) = signed(payload);
        assert!(ParsedPretix::parse(&text).is_ok());
        assert_eq!(verifier.read(&text).unwrap_err().code(), "ticket.malformed", "{payload:x?}");
    }
}

#[test]
fn the_magnifying_glass_shows_what_a_forged_ticket_says() {
    let file = file();
    let verifier = main_event(&file);
    let seen = inspect(tampered(&file, "item_changed_to_vip"), &verifier);
    assert_eq!((seen.scheme_code(), seen.signature.code()), ("pretix_sig1", "invalid"));
    assert_eq!(seen.reason_code(), Some("ticket.bad_signature"));
    assert_eq!((seen.id.as_deref(), seen.item), (Some("jGTWmH9IT"), Some(2)));
    assert_eq!((seen.variation, seen.subevent, seen.category), (Some(0), Some(0), None));

    let seen = inspect(tampered(&file, "no_padding"), &verifier);
    assert_eq!((seen.scheme_code(), seen.signature.code(), seen.id), ("pretix_sig1", "malformed", None));
    let seen = inspect(tampered(&file, "inner_newline"), &verifier);
    assert_eq!((seen.scheme_code(), seen.signature.code()), ("unknown", "malformed"));
    let seen = inspect(tampered(&file, "untouched"), &verifier);
    assert_eq!((seen.signature.code(), seen.reason), ("valid", None));
}
