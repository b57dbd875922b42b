//! Hostile QR texts: whatever they hold, the answer is a reason and never a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]

use domain::{
    id::FestivalId,
    ticket::{
        MAX_TEXT_LEN, PretixEvent, Signature, TicketError, TicketKey, Verifier, base45, inspect,
        own::ParsedOwn,
        pretix_sig1::{ParsedPretix, PretixKey},
    },
};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;

fn verifier() -> Verifier {
    let key = SigningKey::from_bytes(&[3; 32]).verifying_key();
    Verifier {
        festival: FestivalId([1; 16]),
        ticket_keys: vec![TicketKey::new(key)],
        pretix_events: vec![PretixEvent { index: 0, keys: vec![PretixKey::from_bytes(key.as_bytes()).unwrap()] }],
    }
}

#[test]
fn an_oversized_text_is_refused_before_anything_else() {
    for (text, code) in [
        ("\0".repeat(MAX_TEXT_LEN), "ticket.unreadable"),
        ("\0".repeat(MAX_TEXT_LEN + 1), "ticket.too_long"),
        ("A".repeat(MAX_TEXT_LEN), "ticket.malformed"),
        ("A".repeat(MAX_TEXT_LEN + 1), "ticket.too_long"),
        ("😀".repeat(1_000_000), "ticket.too_long"),
    ] {
        assert_eq!(verifier().read(&text).unwrap_err().code(), code, "{} bytes", text.len());
    }
}

#[test]
fn what_no_ticket_holds_is_unreadable() {
    for text in
        ["", "\0", "AAAA\0", "BB8\r\n", "\u{1b}[2J", "😀", "\u{202e}QA==", "\u{feff}QA==", "été", "\\000026é", "\u{7f}"]
    {
        assert_eq!(verifier().read(text), Err(TicketError::Unreadable), "{text:?}");
    }
}

#[test]
fn other_peoples_codes_are_of_no_known_scheme() {
    for text in [
        "https://example.org/t?id=1",
        "WIFI:S:guests;T:WPA;P:secret;;",
        "BEGIN:VCARD",
        " ",
        "HC1:6BF+70790T9WJWG.FKY*4GO0",
    ] {
        assert_eq!(verifier().read(text), Err(TicketError::UnknownScheme), "{text:?}");
    }
}

#[test]
fn every_reason_has_a_code_of_its_own() {
    let reasons = [
        TicketError::TooLong { len: 1, max: 0 },
        TicketError::Unreadable,
        TicketError::UnknownScheme,
        TicketError::NotCanonical,
        TicketError::Malformed(domain::wire::Malformed::Value("x")),
        TicketError::UnknownKey,
        TicketError::BadSignature,
        TicketError::KeyRevoked,
        TicketError::KeyNotYetValid,
        TicketError::KeyExpired,
        TicketError::WrongFestival,
    ];
    let codes: std::collections::BTreeSet<&str> = reasons.iter().map(TicketError::code).collect();
    assert_eq!(codes.len(), reasons.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_taken_for_a_ticket(text in any::<String>()) {
        prop_assert!(verifier().read(&text).is_err());
        prop_assert_ne!(inspect(&text, &verifier()).signature, Signature::Valid);
    }

    #[test]
    fn no_text_of_base45_is_taken_for_a_ticket(bytes in proptest::collection::vec(any::<u8>(), 100)) {
        let text = base45::encode(&[&[1], bytes.as_slice()].concat());
        prop_assert!(verifier().read(&text).is_err());
        prop_assert!(!matches!(ParsedOwn::parse(&text), Err(TicketError::NotCanonical | TicketError::UnknownScheme)));
    }

    #[test]
    fn no_text_of_base64_is_taken_for_a_ticket(text in "={0,2}[A-Za-z0-9+/]{0,200}") {
        prop_assert!(verifier().read(&text).is_err());
        let _ = ParsedPretix::parse(&text).map(|parsed| parsed.ticket());
    }

    #[test]
    fn no_payload_in_a_well_formed_frame_is_taken_for_a_ticket(
        payload in proptest::collection::vec(any::<u8>(), 0..300), signature in proptest::collection::vec(any::<u8>(), 64),
    ) {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let len = u16::try_from(payload.len()).unwrap().to_be_bytes();
        let bytes = [&[1], len.as_slice(), &[0, 64], &payload, &signature].concat();
        let text: String = STANDARD.encode(bytes).chars().rev().collect();
        prop_assert_eq!(verifier().read(&text), Err(TicketError::BadSignature));
        let _ = inspect(&text, &verifier());
    }
}
