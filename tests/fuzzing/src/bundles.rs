//! Festival bundles and packages.
use domain::{
    bundle::{Bundle, BundleBody, Package},
    id::TicketUid,
    trust::{Roles, SignatureTag, sign},
    wire::{Writer, from_canonical_cbor, to_cbor},
};
use std::sync::LazyLock;

use crate::{
    festival::{BUNDLE, FESTIVAL, chain_of, key},
    memory, one_bit_off, take, taken_as,
};

static CHAIN: LazyLock<Vec<u8>> = LazyLock::new(|| chain_of(domain::trust::Purpose::Bundle, BUNDLE).to_bytes());

pub fn fuzz(input: &[u8]) {
    let Some((how, rest)) = taken_as(input, 4) else { return };
    memory::within(262_144, 64, rest.len(), || match how {
        0 => {
            if let Ok(package) = Package::read(rest) {
                if package.blobs.is_empty() && rest.starts_with(b"FBUN") {
                    assert_eq!(package.bundle, rest);
                } else {
                    assert_eq!(Package::write(package.bundle, &package.blobs), rest);
                }
                believed(package.bundle);
                carried(&package);
            }
            believed(rest);
        }
        1 => believed(&file(rest)),
        2 => {
            let mut rest = rest;
            let [length, more]: [u8; 2] = take(&mut rest);
            let (body, blob) = rest.split_at(rest.len().min(usize::from(u16::from_be_bytes([more, length]))));
            let bundle = file(body);
            let packed = Package::write(&bundle, &[blob]);
            let package = Package::read(&packed).expect("a package reads back");
            assert_eq!((package.bundle, package.blobs.as_slice()), (bundle.as_slice(), [blob].as_slice()));
            carried(&package);
        }
        _ => {
            // the one part of it that has a layout of its own beside CBOR: sections
            if let Ok(body) = from_canonical_cbor::<BundleBody>(rest) {
                assert_eq!(to_cbor(&body), rest);
            }
            if let Ok(groups) = domain::lan::LanGroup::read_all(rest) {
                assert_eq!(BundleBody::lan_section(&groups).bytes, rest);
            }
        }
    });
}

/// A body as the festival's key for bundles signs it.
fn file(body: &[u8]) -> Vec<u8> {
    let signature = sign(key(BUNDLE), SignatureTag::Bundle, &FESTIVAL, &[body]);
    let mut out = Writer::new();
    out.bytes(b"FBUN");
    out.u8(1);
    out.u32(body.len() as u32);
    out.bytes(body);
    out.u32(CHAIN.len() as u32);
    out.bytes(&CHAIN);
    out.bytes(&signature);
    out.finish()
}

fn believed(bytes: &[u8]) {
    let Ok(bundle) = Bundle::verify(bytes, Some(*FESTIVAL)) else { return };
    assert_eq!(bundle.festival, *FESTIVAL);
    assert!(bytes.windows(4).any(|four| four == b"FBUN"));
    let verifier = bundle.verifier(&[bundle.signer]);
    assert_eq!(verifier.festival, *FESTIVAL);
    bundle.lan_groups().iter().for_each(|group| assert!(group.list.total() > 0));
    bundle.blobs().for_each(|blob| assert!(blob.length > 0));
    assert!(bundle.needed_blobs(Roles::BAR).is_empty());
    for category in &bundle.body.categories {
        assert!(bundle.category(category.number).is_some());
    }
    for place in &bundle.body.places {
        let _ = bundle.place(place.box_number);
    }
    assert!(
        Bundle::verify_newer(bytes, *FESTIVAL, bundle.body.number.checked_add(1)).is_err()
            || bundle.body.number == u64::MAX
    );
    assert!(Bundle::verify(&one_bit_off(bytes), Some(*FESTIVAL)).is_err(), "a changed bit is believed");
    let mut listed: Vec<TicketUid> = bundle.body.revoked.clone();
    listed.extend(&bundle.body.blocked);
}

fn carried(package: &Package<'_>) {
    if let Ok((bundle, blobs)) = package.verify(*FESTIVAL, None, Roles::GATE, |_| true) {
        let named: Vec<_> = bundle.blobs().collect();
        assert!(blobs.iter().all(|(blob, bytes)| named.contains(blob) && blob.check(bytes).is_ok()));
    }
}
