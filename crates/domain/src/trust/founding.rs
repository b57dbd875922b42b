//! The record that founds a festival. Its hash is the festival's id, so nobody can change the root behind an id.
use alloc::{string::String, vec::Vec};

use thiserror::Error;

use crate::{
    id::FestivalId,
    money::Currency,
    wire::{first16, from_canonical_cbor, to_cbor},
};

/// Canonical CBOR array `[version, root, spare root hash, name, currency, founded]`.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Founding {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// Ed25519 public key of the root.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub root: [u8; 32],
    /// BLAKE3 of the spare root's public key, which alone may replace the root.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub spare_root_hash: [u8; 32],
    /// Name for people, 1 to 100 bytes.
    #[n(3)]
    pub name: String,
    /// Currency of every amount.
    #[n(4)]
    pub currency: Currency,
    /// Unix seconds.
    #[n(5)]
    pub founded: u64,
}

/// A founding record that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FoundingError {
    /// Not the canonical encoding of one.
    #[error("not a founding record")]
    Malformed,
    /// Newer than this software.
    #[error("founding record of version {0}, this software knows 1")]
    Version(u8),
    /// Empty or too long a name.
    #[error("a festival's name has 1 to 100 bytes, this one has {0}")]
    Name(usize),
}

impl Founding {
    /// Canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_cbor(self)
    }

    /// Reads canonical bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FoundingError> {
        let founding: Self = from_canonical_cbor(bytes).map_err(|_| FoundingError::Malformed)?;
        if founding.version != 1 {
            return Err(FoundingError::Version(founding.version));
        }
        match founding.name.len() {
            1..=100 => Ok(founding),
            len => Err(FoundingError::Name(len)),
        }
    }

    /// First 16 bytes of `BLAKE3("festival.founding.v1\0" ‖ canonical bytes)`.
    pub fn festival(&self) -> FestivalId {
        let mut hash = blake3::Hasher::new();
        hash.update(b"festival.founding.v1\0").update(&self.to_bytes());
        FestivalId(first16(hash.finalize().as_bytes()))
    }
}
