//! From a key back to the festival's root.
use alloc::vec::Vec;

use thiserror::Error;

use super::{Certificate, Founding, Purpose, SignedCertificate};
use crate::{
    id::DeviceId,
    id::device_id,
    wire::{Malformed, from_canonical_cbor, to_cbor},
};

/// Most certificates in a chain: the key's own and one `Enrol` above it.
pub const MAX_CHAIN: usize = 2;

/// A key's certificate, then the `Enrol` certificate that issued it, if the root did not do so itself.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct CertificateChain(#[n(0)] pub Vec<SignedCertificate>);

/// Why a chain does not lead to the root.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChainError {
    /// No certificate, or more than [`MAX_CHAIN`].
    #[error("a chain has 1 to {MAX_CHAIN} certificates, this one has {0}")]
    Length(usize),
    /// Not a certificate.
    #[error("certificate {index}: {reason}")]
    Malformed {
        /// Which, from 0, the key's own.
        index: usize,
        /// What is wrong.
        reason: Malformed,
    },
    /// Another festival's.
    #[error("certificate {0} is of another festival")]
    Festival(usize),
    /// Not signed by the one above it.
    #[error("certificate {0} was not signed by the one above it")]
    Signature(usize),
    /// The one above may not issue.
    #[error("certificate {0} was issued by a key that may not enrol")]
    NotAnIssuer(usize),
    /// More rights than the one above.
    #[error("certificate {0} claims more than its issuer has")]
    Scope(usize),
    /// Purposes that only the root may give.
    #[error("only the root may give the purpose {0:?}")]
    RootOnly(Purpose),
    /// The right key for something else.
    #[error("the key is for {found:?}, not for {wanted:?}")]
    Purpose {
        /// What it is for.
        found: Purpose,
        /// What it was used for.
        wanted: Purpose,
    },
}

impl CertificateChain {
    /// Canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_cbor(self)
    }

    /// Reads canonical bytes, without trusting them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        from_canonical_cbor(bytes)
    }

    /// Verifies the chain up to the founding record's root and gives the key's own certificate.
    pub fn verify(&self, founding: &Founding) -> Result<Certificate, ChainError> {
        if self.0.is_empty() || self.0.len() > MAX_CHAIN {
            return Err(ChainError::Length(self.0.len()));
        }
        let festival = founding.festival();
        let mut above: Option<Certificate> = None;
        for (index, signed) in self.0.iter().enumerate().rev() {
            let certificate = signed.read().map_err(|reason| ChainError::Malformed { index, reason })?;
            if certificate.festival != festival {
                return Err(ChainError::Festival(index));
            }
            let issuer = above.as_ref().map_or(founding.root, |above| above.subject);
            if certificate.issuer != issuer || signed.check(&festival, &issuer).is_err() {
                return Err(ChainError::Signature(index));
            }
            if let Some(above) = &above {
                if above.purpose != Purpose::Enrol {
                    return Err(ChainError::NotAnIssuer(index));
                }
                if !matches!(certificate.purpose, Purpose::Device | Purpose::Credit) {
                    return Err(ChainError::RootOnly(certificate.purpose));
                }
                if !certificate.scope.is_within(&above.scope) {
                    return Err(ChainError::Scope(index));
                }
            }
            above = Some(certificate);
        }
        above.ok_or(ChainError::Length(0))
    }

    /// As [`Self::verify`], for a key that must be for `wanted`.
    pub fn verify_for(&self, founding: &Founding, wanted: Purpose) -> Result<Certificate, ChainError> {
        let certificate = self.verify(founding)?;
        if certificate.purpose == wanted {
            Ok(certificate)
        } else {
            Err(ChainError::Purpose { found: certificate.purpose, wanted })
        }
    }
}

impl Certificate {
    /// The device that this key is.
    pub fn device(&self) -> DeviceId {
        device_id(&self.subject)
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::{
        id::FestivalId,
        money::Currency,
        trust::{Roles, Scope},
    };

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

    fn certificate(festival: FestivalId, purpose: Purpose, subject: &SigningKey, scope: Scope) -> Certificate {
        Certificate {
            version: 1,
            festival,
            purpose,
            subject: subject.verifying_key().to_bytes(),
            issuer: [0; 32],
            serial: [0; 16],
            valid_from: 0,
            valid_until: 0,
            scope,
        }
    }

    fn scope(roles: Roles, numbers: (u16, u16)) -> Scope {
        Scope { place: "Gate B".into(), roles, kinds: 0b111, box_numbers: numbers, quota_cents: 0 }
    }

    fn chain(enrol_scope: Scope, purpose: Purpose, box_scope: Scope) -> CertificateChain {
        let festival = founding().festival();
        let enrol = SignedCertificate::issue(certificate(festival, Purpose::Enrol, &key(2), enrol_scope), &key(1));
        let device = SignedCertificate::issue(certificate(festival, purpose, &key(3), box_scope), &key(2));
        CertificateChain(vec![device, enrol])
    }

    #[test]
    fn a_box_enrolled_on_site_leads_to_the_root() {
        let chain = chain(scope(Roles(7), (10, 20)), Purpose::Device, scope(Roles::GATE, (12, 12)));
        assert_eq!(chain.verify_for(&founding(), Purpose::Device).unwrap().scope.place, "Gate B");
        assert_eq!(CertificateChain::from_bytes(&chain.to_bytes()), Ok(chain));
    }

    #[test]
    fn a_box_cannot_be_given_more_than_its_issuer_has() {
        let numbers = chain(scope(Roles(7), (10, 20)), Purpose::Device, scope(Roles::GATE, (21, 21)));
        assert_eq!(numbers.verify(&founding()), Err(ChainError::Scope(0)));
        let roles = chain(scope(Roles::GATE, (10, 20)), Purpose::Device, scope(Roles::BAR, (12, 12)));
        assert_eq!(roles.verify(&founding()), Err(ChainError::Scope(0)));
    }

    #[test]
    fn an_enrol_key_cannot_make_a_bundle_key() {
        let chain = chain(scope(Roles(7), (10, 20)), Purpose::Bundle, scope(Roles::GATE, (12, 12)));
        assert_eq!(chain.verify(&founding()), Err(ChainError::RootOnly(Purpose::Bundle)));
    }

    #[test]
    fn a_chain_of_another_root_is_refused() {
        let chain = chain(scope(Roles(7), (10, 20)), Purpose::Device, scope(Roles::GATE, (12, 12)));
        let other = Founding { root: key(9).verifying_key().to_bytes(), ..founding() };
        assert_eq!(chain.verify(&other), Err(ChainError::Festival(1)));
    }

    #[test]
    fn a_chain_has_one_certificate_at_least_and_no_more_than_a_box_reads() {
        let one = chain(scope(Roles(7), (10, 20)), Purpose::Device, scope(Roles::GATE, (12, 12))).0.remove(0);
        for length in [0, MAX_CHAIN + 1, MAX_CHAIN + 2] {
            let chain = CertificateChain(vec![one.clone(); length]);
            assert_eq!(chain.verify(&founding()), Err(ChainError::Length(length)));
        }
    }

    #[test]
    fn a_device_key_cannot_issue() {
        let festival = founding().festival();
        let middle =
            SignedCertificate::issue(certificate(festival, Purpose::Device, &key(2), scope(Roles(7), (1, 9))), &key(1));
        let leaf =
            SignedCertificate::issue(certificate(festival, Purpose::Device, &key(3), scope(Roles(1), (1, 1))), &key(2));
        assert_eq!(CertificateChain(vec![leaf, middle]).verify(&founding()), Err(ChainError::NotAnIssuer(0)));
    }

    #[test]
    fn a_certificate_that_names_another_issuer_than_signed_it_is_refused() {
        let festival = founding().festival();
        let own = certificate(festival, Purpose::Device, &key(3), scope(Roles::GATE, (1, 1)));
        let signed = |issuer: u8, by: u8| {
            let body =
                crate::wire::to_cbor(&Certificate { issuer: key(issuer).verifying_key().to_bytes(), ..own.clone() });
            let signature = crate::trust::sign(&key(by), crate::trust::SignatureTag::Certificate, &festival, &[&body]);
            CertificateChain(vec![SignedCertificate { body, signature }]).verify(&founding())
        };
        assert!(signed(1, 1).is_ok());
        for (issuer, by) in [(9, 1), (1, 9), (9, 9)] {
            assert_eq!(signed(issuer, by), Err(ChainError::Signature(0)), "{issuer} {by}");
        }
    }

    #[test]
    fn a_place_is_a_line_on_a_screen() {
        let long = |length: usize| Scope { place: "x".repeat(length), ..scope(Roles(7), (1, 9)) };
        let verified = |length: usize| {
            let own = certificate(founding().festival(), Purpose::Device, &key(3), long(length));
            CertificateChain(vec![SignedCertificate::issue(own, &key(1))]).verify(&founding())
        };
        assert!(verified(64).is_ok());
        for length in [65, 66] {
            let reason = Malformed::Value("place");
            assert_eq!(verified(length), Err(ChainError::Malformed { index: 0, reason }));
        }
    }

    #[test]
    fn a_changed_bit_breaks_the_chain() {
        let mut chain = chain(scope(Roles(7), (10, 20)), Purpose::Device, scope(Roles::GATE, (12, 12)));
        let last = chain.0[0].body.len() - 1;
        chain.0[0].body[last] ^= 1;
        assert!(chain.verify(&founding()).is_err());
    }
}
