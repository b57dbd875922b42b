//! A certificate: one key, one purpose, and what it may do.
use alloc::{string::String, vec::Vec};

use ed25519_dalek::SigningKey;

use super::{BadSignature, SignatureTag, sign, verify};
use crate::{
    id::FestivalId,
    wire::{Malformed, from_canonical_cbor, to_cbor},
};

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(index_only)]
pub enum Purpose {
    /// Enrols boxes on site, within its own scope.
    #[n(1)]
    Enrol,
    /// Issues QR tickets.
    #[n(2)]
    Ticket,
    /// Tops wristbands up, within its quota.
    #[n(3)]
    Credit,
    /// The hub's online top-ups.
    #[n(4)]
    CreditOnline,
    /// Signs bundles, state deltas and hub time.
    #[n(5)]
    Bundle,
    /// A box: identifies it in QUIC and signs its journal.
    #[n(6)]
    Device,
    /// Edits shared documents.
    #[n(7)]
    Manager,
    /// A hub node: identifies it in QUIC and signs its journal.
    #[n(8)]
    Hub,
}

/// What a box may be used for, as a bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct Roles(#[n(0)] pub u8);

impl Roles {
    /// Admits people.
    pub const GATE: Self = Self(1);
    /// Sells.
    pub const BAR: Self = Self(2);
    /// Tops up and refunds.
    pub const TOP_UP: Self = Self(4);

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in here.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What the key may do, and where. A certificate's scope lies within its issuer's.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Scope {
    /// Name of the place, as spoken on a radio; at most 64 bytes.
    #[n(0)]
    pub place: String,
    /// Roles it may take.
    #[n(1)]
    pub roles: Roles,
    /// Entry kinds it may write: bit n stands for kind n (`journal::Kind`, 0 to 63).
    #[n(2)]
    pub kinds: u64,
    /// Box numbers it owns, first and last; never given out twice.
    #[n(3)]
    pub box_numbers: (u16, u16),
    /// Cents it may credit altogether; for detection, not prevention.
    #[n(4)]
    pub quota_cents: u64,
}

impl Scope {
    /// A scope without any right.
    pub fn nothing(place: &str) -> Self {
        Self { place: place.into(), roles: Roles::default(), kinds: 0, box_numbers: (0, 0), quota_cents: 0 }
    }

    /// Whether this scope lies within `outer`.
    pub fn is_within(&self, outer: &Self) -> bool {
        outer.roles.has(self.roles)
            && self.kinds & !outer.kinds == 0
            && outer.box_numbers.0 <= self.box_numbers.0
            && self.box_numbers.0 <= self.box_numbers.1
            && self.box_numbers.1 <= outer.box_numbers.1
            && self.quota_cents <= outer.quota_cents
    }
}

/// Canonical CBOR array, signed under [`SignatureTag::Certificate`] by the root or by an `Enrol` key.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Certificate {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// The festival it is good for.
    #[n(1)]
    pub festival: FestivalId,
    /// What the key is for.
    #[n(2)]
    pub purpose: Purpose,
    /// Ed25519 public key it speaks of.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub subject: [u8; 32],
    /// Ed25519 public key that signs it.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub issuer: [u8; 32],
    /// Random, unique.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub serial: [u8; 16],
    /// Unix seconds, 0 for none. Boxes never enforce it (their clock may be wrong); the hub does when it enrols.
    #[n(6)]
    pub valid_from: u64,
    /// Unix seconds, 0 for none.
    #[n(7)]
    pub valid_until: u64,
    /// What it may do.
    #[n(8)]
    pub scope: Scope,
}

/// A certificate's bytes as they were signed, with the signature.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct SignedCertificate {
    /// Canonical CBOR of the [`Certificate`].
    #[cbor(n(0), with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// By `issuer`.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub signature: [u8; 64],
}

impl SignedCertificate {
    /// Signs `certificate`; the issuer field is set to the key's own.
    pub fn issue(mut certificate: Certificate, key: &SigningKey) -> Self {
        certificate.issuer = key.verifying_key().to_bytes();
        let body = to_cbor(&certificate);
        let signature = sign(key, SignatureTag::Certificate, &certificate.festival, &[&body]);
        Self { body, signature }
    }

    /// Reads the body, without trusting it.
    pub fn read(&self) -> Result<Certificate, Malformed> {
        let certificate: Certificate = from_canonical_cbor(&self.body)?;
        if certificate.version != 1 {
            return Err(Malformed::Value("certificate version"));
        }
        if certificate.scope.place.len() > 64 {
            return Err(Malformed::Value("place"));
        }
        Ok(certificate)
    }

    /// Whether `issuer` signed exactly this body for this festival.
    pub fn check(&self, festival: &FestivalId, issuer: &[u8; 32]) -> Result<(), BadSignature> {
        verify(issuer, SignatureTag::Certificate, festival, &[&self.body], &self.signature)
    }
}
