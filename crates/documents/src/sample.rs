//! A festival of example with managers and an event's edits, for tests and for `cargo measure`.
//! Invariant: the same arguments give the same bytes.
//! Not here: anything that a box or hub does at work.
use domain::{
    catalogue::Product,
    id::device_id,
    money::{Cents, Currency},
    trust::{Certificate, CertificateChain, Founding, Purpose, Scope, SignedCertificate},
};
use ed25519_dalek::SigningKey;

use crate::{
    author::{Author, SignedBy},
    document::Document,
    documents::Documents,
    edit::{self, Setting},
    envelope::SignedEnvelope,
    path::{Path, ProductField},
    refusal::Refusal,
};

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

/// A festival whose root is known to everybody.
pub fn founding() -> Founding {
    Founding {
        version: 1,
        root: key(1).verifying_key().to_bytes(),
        spare_root_hash: [0; 32],
        name: "Sample".into(),
        currency: Currency::EUR,
        founded: 0,
    }
}

/// A key with a certificate for `purpose`, signed by the root.
pub fn signed_by(n: u8, purpose: Purpose) -> SignedBy {
    let key_of = key(n.max(2));
    let certificate = Certificate {
        version: 1,
        festival: founding().festival(),
        purpose,
        subject: key_of.verifying_key().to_bytes(),
        issuer: [0; 32],
        serial: [n; 16],
        valid_from: 0,
        valid_until: 0,
        scope: Scope::nothing(&format!("Manager {n}")),
    };
    SignedBy { key: key_of, chain: CertificateChain(vec![SignedCertificate::issue(certificate, &key(1))]) }
}

/// Manager number `n`, 2 to 255.
pub fn manager(n: u8) -> SignedBy {
    signed_by(n, Purpose::Manager)
}

/// Manager `n` at a box of theirs.
pub fn author(n: u8) -> Author {
    Author { device: device_id(&[n; 32]), epoch: 0, operator: n.into(), at_ms: 1_000 }
}

/// A product of example.
pub fn product(number: u32, cents: u32, min_age: u8) -> Product {
    Product {
        number,
        name_fr: format!("Produit {number}"),
        name_en: format!("Product {number}"),
        group: "Bar".into(),
        price: Cents::new(cents).unwrap_or(Cents::MAX),
        in_cup: true,
        sold_out: false,
        counted: None,
        counts: std::collections::BTreeMap::new(),
        low: 0,
        min_age,
    }
}

/// Envelopes of an event, in the hub's order: 40 products, then `edits` edits of prices, sold-out flags and stock by
/// `managers` people at boxes of their own, who hear of each other every 50 edits.
pub fn event(edits: usize, managers: u8) -> Result<Vec<SignedEnvelope>, Refusal> {
    let hub = manager(2);
    let mut confirmed = Documents::new(founding());
    let mut order = Vec::new();
    let products: Vec<u32> = (1..=40).collect();
    for chunk in products.chunks(20) {
        let settings: Vec<Setting> = chunk.iter().flat_map(|n| edit::product(&product(*n, 100 * n, 0))).collect();
        let signed = confirmed.author(Document::Catalogue, &settings, &author(2), &hub)?;
        confirmed.judge(&confirmed.verify(&signed)?)?;
        order.push(signed);
    }
    let people: Vec<SignedBy> = (0..managers).map(|n| manager(n.saturating_add(10))).collect();
    let mut turn = 0usize;
    while turn < edits {
        let round = turn..edits.min(turn.saturating_add(50));
        let mut made = Vec::new();
        for (n, by) in people.iter().enumerate() {
            let mut here = Documents::new(founding());
            here.confirm_all(order.iter().filter_map(|signed| here.verify(signed).ok()).collect());
            for index in round.clone().filter(|index| index % people.len() == n) {
                let settings = [setting(index)];
                let number = u8::try_from(n).unwrap_or(0).saturating_add(10);
                let signed = here.author(Document::Catalogue, &settings, &author(number), by)?;
                here.add_pending(here.verify(&signed)?)?;
                made.push((index, signed));
            }
        }
        made.sort_by_key(|(index, _)| *index);
        order.extend(made.into_iter().map(|(_, signed)| signed));
        turn = round.end;
    }
    Ok(order)
}

fn setting(index: usize) -> Setting {
    let number = u32::try_from(index.wrapping_mul(7) % 40).unwrap_or(0).saturating_add(1);
    let n = u32::try_from(index).unwrap_or(0);
    match index % 3 {
        0 => Setting::to(Path::Product(number, ProductField::Price), 101u32.saturating_add(n)),
        1 => Setting::to(Path::Product(number, ProductField::Counted), 1_000u32.saturating_add(n)),
        _ => Setting::to(Path::Product(number, ProductField::Group), format!("Bar {n}").as_str()),
    }
}
