//! Own tickets from the outside: golden text, every flipped bit, keys that rotate, festivals that are not ours.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]

use domain::{
    id::{FestivalId, key_id},
    ticket::{
        Product, Scheme, Signature, TicketError, TicketKey, Verifier, base45, holder_check, inspect,
        own::{OwnTicket, ParsedOwn, TEXT_LEN},
        uid_of_own,
    },
};
use ed25519_dalek::{SigningKey, VerifyingKey};
use proptest::prelude::*;

const FESTIVAL: FestivalId = FestivalId(*b"open air by lake");
const ALPHABET: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn ticket_key(seed: u8) -> TicketKey {
    TicketKey::new(signing_key(seed).verifying_key())
}

fn ticket() -> OwnTicket {
    OwnTicket {
        ticket_id: *b"ticket no 17",
        category: 0x0102,
        zones: 0x8000_0005,
        valid_from: 1_814_400_000,
        valid_until: 1_814_659_200,
        holder_check: holder_check("Zoé Martin"),
    }
}

fn verifier(ticket_keys: Vec<TicketKey>) -> Verifier {
    Verifier { festival: FESTIVAL, ticket_keys, pretix_events: Vec::new() }
}

/// A text for these 37 bytes, whatever they say, with the signature they would need.
fn signed(head: &[u8], festival: &FestivalId, key: &SigningKey) -> String {
    use ed25519_dalek::Signer;
    let message = [b"festival.ticket.v1\0", festival.0.as_slice(), head].concat();
    base45::encode(&[head, key.sign(&message).to_bytes().as_slice()].concat())
}

#[test]
fn the_golden_ticket_is_still_written_and_read_byte_for_byte() {
    let golden = include_str!("golden/own_ticket.txt").strip_suffix('\n').unwrap();
    assert_eq!(ticket().sign(&FESTIVAL, &signing_key(7)), golden);
    let read = verifier(vec![ticket_key(7)]).read(golden).unwrap();
    assert_eq!(read.scheme, Scheme::Own);
    assert_eq!(read.uid.to_hex(), "89d39f99967a789925335a1a84885246");
    assert_eq!(read.display_id, "7469636b6574206e6f203137");
    assert_eq!(read.product, Product::Category(0x0102));
    assert_eq!((read.valid_from, read.valid_until), (Some(1_814_400_000), Some(1_814_659_200)));
    assert_eq!(read.zones, Some(0x8000_0005));
    assert_eq!(read.holder_check, Some(holder_check("zoe martin")));
}

#[test]
fn every_flipped_bit_is_refused() {
    let verifier = verifier(vec![ticket_key(7)]);
    let text = ticket().sign(&FESTIVAL, &signing_key(7));
    let bytes = base45::decode(&text).unwrap();
    assert_eq!((text.len(), bytes.len()), (TEXT_LEN, 101));
    assert!(verifier.read(&text).is_ok());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let error = verifier.read(&base45::encode(&flipped)).unwrap_err();
        let expected = match bit / 8 {
            0 => "ticket.unknown_scheme",
            1..5 => "ticket.unknown_key",
            5..9 => "ticket.wrong_festival",
            // A flipped bit of the window may put its end before its start.
            27..35 if error == TicketError::Malformed(domain::wire::Malformed::Value("valid until")) => error.code(),
            _ => "ticket.bad_signature",
        };
        assert_eq!(error.code(), expected, "bit {bit}");
    }
}

#[test]
fn every_other_character_is_refused() {
    let verifier = verifier(vec![ticket_key(7)]);
    let text = ticket().sign(&FESTIVAL, &signing_key(7));
    for at in 0..text.len() {
        for other in ALPHABET.chars().chain(['a', '=', '_', '\0', '\n', '\u{200f}']) {
            let misread: String = text.chars().enumerate().map(|(i, c)| if i == at { other } else { c }).collect();
            assert_eq!(verifier.read(&misread).is_ok(), misread == text, "character {at} read as {other:?}");
        }
    }
}

#[test]
fn a_text_that_is_cut_doubled_or_padded_is_refused() {
    let verifier = verifier(vec![ticket_key(7)]);
    let text = ticket().sign(&FESTIVAL, &signing_key(7));
    for end in 0..text.len() {
        assert!(verifier.read(&text[..end]).is_err(), "{end} characters");
    }
    for other in
        [format!("{text}{text}"), format!(" {text}"), format!("{text} "), format!("{text}\n"), text.to_lowercase()]
    {
        assert!(verifier.read(&other).is_err(), "{other}");
    }
}

#[test]
fn two_keys_are_in_force_while_they_rotate() {
    let texts = [7, 8].map(|seed| ticket().sign(&FESTIVAL, &signing_key(seed)));
    assert_ne!(texts[0], texts[1]);
    let both = verifier(vec![ticket_key(7), ticket_key(8)]);
    let reissued = texts.map(|text| both.read(&text).unwrap().uid);
    assert_eq!(reissued, [uid_of_own(&FESTIVAL, &ticket().ticket_id); 2], "a reissue is not a second ticket");
}

#[test]
fn a_revoked_an_unknown_and_a_dated_key_each_have_their_reason() {
    let text = ticket().sign(&FESTIVAL, &signing_key(7));
    let revoked = TicketKey { revoked: true, ..ticket_key(7) };
    assert_eq!(verifier(vec![revoked]).read(&text), Err(TicketError::KeyRevoked));
    assert_eq!(verifier(vec![ticket_key(8)]).read(&text), Err(TicketError::UnknownKey));
    assert_eq!(verifier(Vec::new()).read(&text), Err(TicketError::UnknownKey));

    let dated = verifier(vec![TicketKey { valid_from: Some(100), valid_until: Some(200), ..ticket_key(7) }]);
    assert!(dated.read(&text).is_ok(), "no time is known, so no date is enforced");
    let verdicts = [99, 100, 200, 201].map(|now| dated.read_at(&text, now).err());
    assert_eq!(verdicts, [Some(TicketError::KeyNotYetValid), None, None, Some(TicketError::KeyExpired)]);
}

#[test]
fn a_forgery_under_a_revoked_key_is_called_a_forgery() {
    let revoked = TicketKey { revoked: true, ..ticket_key(7) };
    let mut forged = base45::decode(&ticket().sign(&FESTIVAL, &signing_key(7))).unwrap();
    forged[21] ^= 1;
    assert_eq!(verifier(vec![revoked]).read(&base45::encode(&forged)), Err(TicketError::BadSignature));
}

#[test]
fn keys_that_share_a_short_name_are_all_tried() {
    let text = ticket().sign(&FESTIVAL, &signing_key(7));
    let namesake = TicketKey { id: ticket_key(7).id, ..ticket_key(8) };
    assert_eq!(verifier(vec![namesake]).read(&text), Err(TicketError::BadSignature));
    assert!(verifier(vec![namesake, ticket_key(7)]).read(&text).is_ok());
}

#[test]
fn a_ticket_of_another_festival_is_refused_even_where_four_bytes_agree() {
    let elsewhere = FestivalId(*b"another festival");
    let text = ticket().sign(&elsewhere, &signing_key(7));
    assert_eq!(verifier(vec![ticket_key(7)]).read(&text), Err(TicketError::WrongFestival));

    let neighbour = FestivalId(*b"open air by road");
    let text = ticket().sign(&neighbour, &signing_key(7));
    assert_eq!(verifier(vec![ticket_key(7)]).read(&text), Err(TicketError::BadSignature));
    assert_ne!(uid_of_own(&neighbour, &ticket().ticket_id), uid_of_own(&FESTIVAL, &ticket().ticket_id));
}

#[test]
fn a_signed_ticket_whose_window_ends_before_it_starts_is_refused() {
    let backwards = OwnTicket { valid_from: 200, valid_until: 199, ..ticket() };
    assert!(!backwards.window_is_possible());
    let error = ParsedOwn::parse(&backwards.sign(&FESTIVAL, &signing_key(7))).unwrap_err();
    assert_eq!(error.code(), "ticket.malformed");
    for (valid_from, valid_until) in [(200, 200), (200, 0), (0, 200), (0, 0)] {
        let possible = OwnTicket { valid_from, valid_until, ..ticket() };
        assert!(ParsedOwn::parse(&possible.sign(&FESTIVAL, &signing_key(7))).is_ok());
    }
}

#[test]
fn a_signature_that_fits_everything_under_a_weak_key_is_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let weak = VerifyingKey::from_bytes(&identity).unwrap();
    let mut bytes = base45::decode(&ticket().sign(&FESTIVAL, &signing_key(7))).unwrap();
    bytes[1..5].copy_from_slice(&key_id(&identity).0);
    bytes[37..69].copy_from_slice(&identity);
    bytes[69..].fill(0);
    let text = base45::encode(&bytes);
    assert_eq!(verifier(vec![TicketKey::new(weak)]).read(&text), Err(TicketError::BadSignature));
}

#[test]
fn a_signed_ticket_of_a_later_version_is_not_read_as_this_one() {
    let bytes = base45::decode(&ticket().sign(&FESTIVAL, &signing_key(7))).unwrap();
    let mut head = bytes[..37].to_vec();
    assert!(verifier(vec![ticket_key(7)]).read(&signed(&head, &FESTIVAL, &signing_key(7))).is_ok());
    head[0] = 2;
    let later = signed(&head, &FESTIVAL, &signing_key(7));
    assert_eq!(verifier(vec![ticket_key(7)]).read(&later), Err(TicketError::UnknownScheme));
}

#[test]
fn the_magnifying_glass_shows_what_a_forged_ticket_says() {
    let verifier = verifier(vec![ticket_key(7)]);
    let genuine = ticket().sign(&FESTIVAL, &signing_key(7));
    let seen = inspect(&genuine, &verifier);
    assert_eq!((seen.scheme_code(), seen.signature, seen.reason), ("own", Signature::Valid, None));

    let mut forged = base45::decode(&genuine).unwrap();
    forged[100] ^= 1;
    let seen = inspect(&base45::encode(&forged), &verifier);
    assert_eq!((seen.scheme_code(), seen.signature), ("own", Signature::Invalid));
    assert_eq!(seen.reason_code(), Some("ticket.bad_signature"));
    assert_eq!(seen.id.as_deref(), Some("7469636b6574206e6f203137"));
    assert_eq!((seen.category, seen.zones, seen.item), (Some(0x0102), Some(0x8000_0005), None));
    assert_eq!((seen.valid_from, seen.valid_until), (Some(1_814_400_000), Some(1_814_659_200)));
}

proptest! {
    #[test]
    fn any_ticket_reads_back(
        ticket_id: [u8; 12], category: u16, zones: u32, valid_from: u32, length: u32, holder_check: u16, festival: [u8; 16],
    ) {
        let valid_until = valid_from.saturating_add(length);
        let ticket = OwnTicket { ticket_id, category, zones, valid_from, valid_until, holder_check };
        let festival = FestivalId(festival);
        let key = signing_key(9);
        let text = ticket.sign(&festival, &key);
        prop_assert_eq!(text.len(), TEXT_LEN);
        let parsed = ParsedOwn::parse(&text).unwrap();
        prop_assert_eq!(parsed.ticket(), &ticket);
        prop_assert_eq!(parsed.key(), key_id(key.verifying_key().as_bytes()));
        prop_assert_eq!(parsed.verify(&festival, &key.verifying_key()), Ok(()));
        prop_assert_eq!(parsed.verify(&festival, &signing_key(10).verifying_key()), Err(TicketError::BadSignature));
    }
}
