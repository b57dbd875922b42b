//! Tickets that pretix made and tampered ones, our own, and those of elsewhere.
use domain::{
    bundle::{BundleBody, Category, ImportedEvent, Policy, PretixProduct, RawKey},
    money::{Cents, Currency},
    ticket::{base45, own::OwnTicket, uid_of_own},
    trust::{Certificate, CertificateChain, Founding, Purpose, Scope, SignedCertificate},
};
use ed25519_dalek::SigningKey;
use serde_json::Value;

use super::*;

fn file() -> Value {
    serde_json::from_str(include_str!("../../../../tests/interop/pretix_tickets.json")).unwrap()
}

fn keys(event: &Value) -> Vec<PretixKey> {
    let texts = event["valid_keys"]["pretix_sig1"].as_array().unwrap();
    pretix_keys(&texts.iter().map(|key| key.as_str().unwrap().to_string()).collect::<Vec<_>>()).unwrap()
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn founding() -> Founding {
    Founding {
        version: 1,
        root: key(1).verifying_key().to_bytes(),
        spare_root_hash: [0; 32],
        name: "Test".into(),
        currency: Currency::EUR,
        founded: 0,
    }
}

fn chain(purpose: Purpose, subject: &SigningKey) -> CertificateChain {
    let certificate = Certificate {
        version: 1,
        festival: founding().festival(),
        purpose,
        subject: subject.verifying_key().to_bytes(),
        issuer: [0; 32],
        serial: [0; 16],
        valid_from: 0,
        valid_until: 0,
        scope: Scope::nothing("hub"),
    };
    CertificateChain(vec![SignedCertificate::issue(certificate, &key(1))])
}

fn own() -> OwnTicket {
    OwnTicket {
        ticket_id: *b"ticket no 17",
        category: 1,
        zones: 5,
        valid_from: 0,
        valid_until: 1_814_659_200,
        holder_check: 0,
    }
}

/// A bundle with one category, the main pretix event, and our ticket revoked.
fn bundle() -> Bundle {
    let cents = |n| Cents::new(n).unwrap();
    let main = keys(&file()["events"][0]);
    let body = BundleBody {
        version: 1,
        founding: founding().to_bytes(),
        number: 7,
        issued: 1,
        policy: Policy {
            maximum_balance: cents(1),
            offline_limit: cents(1),
            cup_deposit: cents(1),
            time_uncertainty_s: 1,
            admit_when_time_uncertain: false,
            stale_after_s: 3_600,
            admit_when_stale: true,
            correction_quota: cents(5_000),
            top_up_fee: cents(0),
        },
        ticket_keys: vec![chain(Purpose::Ticket, &key(3))],
        credit_keys: vec![],
        categories: vec![Category {
            number: 1,
            name_fr: "Entier".into(),
            name_en: "Full".into(),
            price: cents(1),
            zones: 5,
            voucher_product: None,
            voucher_quantity: 0,
        }],
        events: vec![ImportedEvent { index: 2, slug: "main".into(), keys: vec![RawKey(*main[0].as_bytes())] }],
        products: vec![PretixProduct { event: 2, item: 1, name: "Full festival".into(), zones: 1 }],
        price_revision: 1,
        catalogue: vec![],
        revoked: vec![uid_of_own(&founding().festival(), &own().ticket_id)],
        blocked: vec![],
        places: vec![],
        sections: vec![],
    };
    let bytes = body.sign(&founding().festival(), &key(2), &chain(Purpose::Bundle, &key(2)));
    Bundle::verify(&bytes, None).unwrap()
}

#[test]
fn every_genuine_pretix_ticket_is_valid_under_its_event_and_says_what_pretix_wrote() {
    let file = file();
    let mut seen = 0;
    for genuine in file["tickets"].as_array().unwrap() {
        let event = file["events"].as_array().unwrap().iter().find(|event| event["slug"] == genuine["event"]).unwrap();
        let report = ticket(genuine["secret"].as_str().unwrap(), &keys(event), None);
        assert!(report.is_valid(), "{}", genuine["tag"]);
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(
            (&json["scheme"], &json["signature"], &json["reason"]),
            (&"pretix_sig1".into(), &"valid".into(), &Value::Null)
        );
        assert_eq!(json["id"], genuine["seed"]);
        for field in ["item", "variation", "subevent", "valid_from", "valid_until"] {
            assert_eq!(json[field], genuine[field], "{field}");
        }
        seen += 1;
    }
    assert_eq!(seen, 25);
}

#[test]
fn every_tampered_pretix_ticket_is_refused_for_its_reason_and_explained() {
    let file = file();
    let keys = keys(&file["events"][0]);
    let expected = [
        ("untouched", "valid", None),
        ("item_changed_to_vip", "invalid", Some("ticket.bad_signature")),
        ("signature_last_bit", "invalid", Some("ticket.bad_signature")),
        ("version_2", "malformed", Some("ticket.malformed")),
        ("truncated_5_bytes", "malformed", Some("ticket.malformed")),
        ("one_byte", "malformed", Some("ticket.malformed")),
        ("payload_len_plus_1", "malformed", Some("ticket.malformed")),
        ("sig_len_0", "malformed", Some("ticket.malformed")),
        ("not_reversed", "malformed", Some("ticket.not_canonical")),
        ("no_padding", "malformed", Some("ticket.not_canonical")),
        ("inner_newline", "malformed", Some("ticket.unreadable")),
        ("lowercased", "malformed", Some("ticket.not_canonical")),
        ("other_event_key", "invalid", Some("ticket.bad_signature")),
        ("signature_malleated_S_plus_L", "invalid", Some("ticket.bad_signature")),
        ("validly_signed_unknown_item", "valid", None),
        ("validly_signed_payload_over_255", "valid", None),
    ];
    let tampered = file["tampered"].as_array().unwrap();
    assert_eq!(tampered.len(), expected.len());
    for (one, (name, signature, reason)) in tampered.iter().zip(expected) {
        assert_eq!(one["name"], name);
        let report = ticket(one["secret"].as_str().unwrap(), &keys, None);
        assert_eq!((report.signature, report.reason), (signature, reason), "{name}");
        assert_eq!(report.is_valid(), signature == "valid");
        assert_ne!(report.explain(Lang::Fr), report.explain(Lang::En));
    }
}

#[test]
fn an_own_ticket_is_valid_under_the_bundle_with_its_product_and_its_revocation() {
    let bundle = bundle();
    let text = own().sign(&bundle.festival, &key(3));
    let report = ticket(&text, &[], Some(&bundle));
    assert!(report.is_valid());
    assert_eq!((report.scheme, report.category, report.zones, report.item), ("own", Some(1), Some(5), None));
    assert_eq!((report.valid_from, report.valid_until), (None, Some(1_814_659_200)));
    assert_eq!(report.product, Some(ProductName { fr: "Entier".into(), en: "Full".into() }));
    assert_eq!((report.revoked, report.blocked, report.bundle), (Some(true), Some(false), Some(7)));
    assert_eq!(report.uid, Some(uid_of_own(&bundle.festival, &own().ticket_id).to_hex()));
    let explained = report.explain(Lang::En);
    for part in ["genuine ticket of this festival", "Full", "0, 2", "2027-07-04 00:00:00 UTC", "cancelled or replaced"]
    {
        assert!(explained.contains(part), "{part}: {explained}");
    }
}

#[test]
fn an_own_ticket_that_is_forged_or_of_elsewhere_is_refused_and_still_shown() {
    let bundle = bundle();
    let genuine = own().sign(&bundle.festival, &key(3));
    let mut bytes = base45::decode(&genuine).unwrap();
    bytes[100] ^= 1;
    let forged = ticket(&base45::encode(&bytes), &[], Some(&bundle));
    assert_eq!((forged.signature, forged.reason), ("invalid", Some("ticket.bad_signature")));
    assert_eq!((forged.category, forged.uid.as_ref(), forged.revoked), (Some(1), None, None));
    assert!(forged.explain(Lang::Fr).contains("sans preuve"));

    let elsewhere = ticket(&own().sign(&FestivalId([9; 16]), &key(3)), &[], Some(&bundle));
    assert_eq!((elsewhere.signature, elsewhere.reason), ("invalid", Some("ticket.wrong_festival")));
    let stranger = ticket(&own().sign(&bundle.festival, &key(8)), &[], Some(&bundle));
    assert_eq!(stranger.reason, Some("ticket.unknown_key"));
    let alone = ticket(&genuine, &[], None);
    assert_eq!((alone.signature, alone.reason), ("invalid", Some("ticket.unknown_key")));
    assert!(alone.explain(Lang::En).contains("--bundle"));
}

#[test]
fn the_bundle_names_pretix_products_and_further_keys_count_beside_it() {
    let (file, bundle) = (file(), bundle());
    let first = |slug: &str| {
        let tickets = file["tickets"].as_array().unwrap();
        tickets.iter().find(|ticket| ticket["event"] == slug).unwrap()["secret"].as_str().unwrap()
    };
    let main = ticket(first("main"), &keys(&file["events"][0]), Some(&bundle));
    assert_eq!(main.product.map(|name| name.en).as_deref(), Some("Full festival"));
    assert_eq!(main.event.as_deref(), Some("main"));
    let series = ticket(first("series"), &[], Some(&bundle));
    assert_eq!(series.reason, Some("ticket.bad_signature"));
    let series = ticket(first("series"), &keys(&file["events"][1]), Some(&bundle));
    assert!(series.is_valid());
    assert_eq!((series.product, series.event), (None, None));
}

#[test]
fn what_is_no_ticket_is_called_so() {
    for (text, reason) in [
        ("", "ticket.unreadable"),
        ("https://example.org/menu", "ticket.unknown_scheme"),
        ("a\u{0}b", "ticket.unreadable"),
        ("-- ;drop", "ticket.unknown_scheme"),
    ] {
        let report = ticket(text, &[], None);
        assert_eq!((report.scheme, report.signature, report.reason), ("unknown", "malformed", Some(reason)));
        assert!(report.explain(Lang::En).starts_with("This text is not a ticket."));
    }
    assert_eq!(ticket(&"A".repeat(1_025), &[], None).reason, Some("ticket.too_long"));
}

#[test]
fn a_pretix_key_that_cannot_be_read_is_named() {
    let error = pretix_keys(&["nonsense!".into()]).unwrap_err();
    assert!(matches!(error, Failure::PretixKey { number: 1, .. }));
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn a_time_prints_as_its_date() {
    assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
    assert_eq!(utc(951_782_399), "2000-02-28 23:59:59 UTC");
    assert_eq!(utc(951_782_400), "2000-02-29 00:00:00 UTC");
    assert_eq!(utc(1_814_522_400), "2027-07-02 10:00:00 UTC");
}
