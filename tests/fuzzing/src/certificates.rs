//! Founding records and chains of certificates.
use domain::{
    id::FestivalId,
    trust::{Certificate, CertificateChain, Founding, MAX_CHAIN, Purpose, SignatureTag, SignedCertificate, sign},
    wire::{from_canonical_cbor, to_cbor},
};

use crate::{
    festival::{BOX, ENROL, FESTIVAL, FOUNDING, ROOT, enrol_certificate, key, public},
    memory, one_bit_off, taken_as,
};

pub fn fuzz(input: &[u8]) {
    let Some((how, rest)) = taken_as(input, 5) else { return };
    memory::within(65_536, 64, rest.len(), || match how {
        0 => {
            if let Ok(chain) = CertificateChain::from_bytes(rest) {
                assert_eq!(chain.to_bytes(), rest);
                believed(&chain);
            }
        }
        1 => {
            if let Ok(founding) = Founding::from_bytes(rest) {
                assert_eq!(founding.to_bytes(), rest);
                assert_ne!(
                    Founding::from_bytes(&one_bit_off(rest)).map(|other| other.festival()),
                    Ok(founding.festival())
                );
            }
        }
        // signed by the root; signed by the enrolment key below the root
        2 => believed(&CertificateChain(vec![signed(rest, ROOT)])),
        3 => believed(&CertificateChain(vec![signed(rest, ENROL), enrol_certificate()])),
        _ => {
            if let Ok(certificate) = from_canonical_cbor::<Certificate>(rest) {
                assert_eq!(to_cbor(&certificate), rest);
            }
        }
    });
}

/// These bytes as a certificate; where they are one for the right festival, under the right issuer.
fn signed(body: &[u8], by: u8) -> SignedCertificate {
    let body = match from_canonical_cbor::<Certificate>(body) {
        Ok(certificate) => to_cbor(&Certificate { issuer: public(by), festival: *FESTIVAL, ..certificate }),
        Err(_) => body.to_vec(),
    };
    let signature = sign(key(by), SignatureTag::Certificate, &FESTIVAL, &[&body]);
    SignedCertificate { body, signature }
}

fn believed(chain: &CertificateChain) {
    let Ok(certificate) = chain.verify(&FOUNDING) else { return };
    assert!((1..=MAX_CHAIN).contains(&chain.0.len()));
    assert_eq!(certificate.festival, *FESTIVAL);
    if chain.0.len() > 1 {
        assert!(matches!(certificate.purpose, Purpose::Device | Purpose::Credit), "only the root gives the others");
    }
    let other = Founding { root: public(BOX), ..FOUNDING.clone() };
    assert!(chain.verify(&other).is_err(), "under another root");
    assert_ne!(other.festival(), FestivalId([0; 16]));
    for at in 0..chain.0.len() {
        let mut off = chain.clone();
        off.0[at].body = one_bit_off(&chain.0[at].body);
        assert!(off.verify(&FOUNDING).is_err(), "a changed bit is believed");
        let mut off = chain.clone();
        off.0[at].signature = one_bit_off(&chain.0[at].signature).try_into().expect("64 bytes");
        assert!(off.verify(&FOUNDING).is_err(), "a changed signature is believed");
    }
}
