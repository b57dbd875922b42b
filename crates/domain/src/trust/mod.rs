//! Who may say what: the festival's root, the certificates below it, and the domain tag of every signature.
//! Invariant: a signature is accepted for one purpose, one festival and one exact byte string.
//! Not here: transport security (`sync-quic`), storage of keys.
mod certificate;
mod chain;
mod founding;

pub use certificate::{Certificate, Purpose, Roles, Scope, SignedCertificate};
pub use chain::{CertificateChain, ChainError, MAX_CHAIN};
pub use founding::{Founding, FoundingError};

use alloc::vec::Vec;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use thiserror::Error;

use crate::id::FestivalId;

/// What a signature is for. The tag stands in front of every signed message, so that no signature serves twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureTag {
    /// QR ticket of our own format (`ticket::own`).
    Ticket,
    /// Certificate (`trust::Certificate`).
    Certificate,
    /// End of a journal commit (`journal::CommitMark`).
    Commit,
    /// Credit record on a wristband (`wristband::CreditRecord`).
    Credit,
    /// Signed pointer of a small wristband (NTAG213).
    Band,
    /// Festival bundle (`bundle::Bundle`).
    Bundle,
    /// State delta or snapshot part (`sync`).
    Delta,
    /// Hub time.
    Time,
    /// Manager's reset of a box's clock.
    TimeReset,
    /// A blank box's proof that it holds its key (`sync::enrolment`).
    EnrolOffer,
    /// The technician's grant to that box.
    EnrolGrant,
    /// The box's receipt for the grant.
    EnrolReceipt,
    /// Edit of a shared document.
    Edit,
    /// Claim on the venue's LAN (`lan`).
    Claim,
    /// A member's answer to a claim.
    ClaimAnswer,
    /// A claim given up.
    ClaimRelease,
    /// What a member has granted under a list that it closed, or somebody's wish for it.
    ClaimHandover,
    /// A neighbour's commit is on this box's disk.
    Copy,
    /// A box says who it is on the venue's LAN.
    Presence,
}

impl SignatureTag {
    /// The bytes in front of the message: ASCII, ending in NUL, none a prefix of another.
    pub const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Ticket => b"festival.ticket.v1\0",
            Self::Certificate => b"festival.certificate.v1\0",
            Self::Commit => b"festival.commit.v1\0",
            Self::Credit => b"festival.credit.v1\0",
            Self::Band => b"festival.band.v1\0",
            Self::Bundle => b"festival.bundle.v1\0",
            Self::Delta => b"festival.delta.v1\0",
            Self::Time => b"festival.time.v1\0",
            Self::TimeReset => b"festival.time-reset.v1\0",
            Self::EnrolOffer => b"festival.enrol-offer.v1\0",
            Self::EnrolGrant => b"festival.enrol-grant.v1\0",
            Self::EnrolReceipt => b"festival.enrol-receipt.v1\0",
            Self::Edit => b"festival.edit.v1\0",
            Self::Claim => b"festival.claim.v1\0",
            Self::ClaimAnswer => b"festival.claim-answer.v1\0",
            Self::ClaimRelease => b"festival.claim-release.v1\0",
            Self::ClaimHandover => b"festival.claim-handover.v1\0",
            Self::Copy => b"festival.copy.v1\0",
            Self::Presence => b"festival.presence.v1\0",
        }
    }
}

/// A signature that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the signature does not hold")]
pub struct BadSignature;

/// `tag ‖ festival (16) ‖ parts`, the message of every signature in the system. At most one part has no fixed length.
pub fn signed_message(tag: SignatureTag, festival: &FestivalId, parts: &[&[u8]]) -> Vec<u8> {
    let mut message = tag.bytes().to_vec();
    message.extend_from_slice(&festival.0);
    for part in parts {
        message.extend_from_slice(part);
    }
    message
}

/// Signs [`signed_message`]. Ed25519 (RFC 8032), deterministic.
pub fn sign(key: &SigningKey, tag: SignatureTag, festival: &FestivalId, parts: &[&[u8]]) -> [u8; 64] {
    key.sign(&signed_message(tag, festival, parts)).to_bytes()
}

/// Verifies [`signed_message`] with `verify_strict`.
pub fn verify(
    key: &[u8; 32],
    tag: SignatureTag,
    festival: &FestivalId,
    parts: &[&[u8]],
    signature: &[u8; 64],
) -> Result<(), BadSignature> {
    VerifyingKey::from_bytes(key)
        .and_then(|key| key.verify_strict(&signed_message(tag, festival, parts), &Signature::from_bytes(signature)))
        .map_err(|_| BadSignature)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [SignatureTag; 19] = [
        SignatureTag::Ticket,
        SignatureTag::Certificate,
        SignatureTag::Commit,
        SignatureTag::Credit,
        SignatureTag::Band,
        SignatureTag::Bundle,
        SignatureTag::Delta,
        SignatureTag::Time,
        SignatureTag::TimeReset,
        SignatureTag::EnrolOffer,
        SignatureTag::EnrolGrant,
        SignatureTag::EnrolReceipt,
        SignatureTag::Edit,
        SignatureTag::Claim,
        SignatureTag::ClaimAnswer,
        SignatureTag::ClaimRelease,
        SignatureTag::ClaimHandover,
        SignatureTag::Copy,
        SignatureTag::Presence,
    ];

    #[test]
    fn no_tag_is_a_prefix_of_another() {
        for a in ALL {
            for b in ALL {
                assert!(a == b || !b.bytes().starts_with(a.bytes()), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_signature_serves_one_purpose_and_one_festival() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let public = key.verifying_key().to_bytes();
        let festival = FestivalId([1; 16]);
        let signature = sign(&key, SignatureTag::Commit, &festival, &[b"x"]);
        assert_eq!(verify(&public, SignatureTag::Commit, &festival, &[b"x"], &signature), Ok(()));
        assert_eq!(verify(&public, SignatureTag::Credit, &festival, &[b"x"], &signature), Err(BadSignature));
        assert_eq!(verify(&public, SignatureTag::Commit, &FestivalId([2; 16]), &[b"x"], &signature), Err(BadSignature));
    }
}
