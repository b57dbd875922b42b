//! Proof that a device signed two histories: anybody can check it with the founding record alone.
//! Invariant: holds only if the device's own key signed both branches at one place; nobody else can make one.
//! Not here: which branch is in force (`branches`).
use alloc::vec::Vec;

use thiserror::Error;

use crate::{
    id::DeviceId,
    journal::{BODY_MAX, ChainCursor, CommitMark, EntryHash, Head, ZERO_HASH},
    trust::{CertificateChain, ChainError, Founding, Purpose},
    wire::{Malformed, from_canonical_cbor, to_cbor},
};

/// Longest branch in a proof, in entries (a commit of the longest segment).
const MAX_BODIES: usize = 500;

/// One branch, from the entry that differs to a signed head.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct ForkBranch {
    /// Entry bodies from the fork on; the last one is the signed head.
    #[n(0)]
    pub bodies: Vec<Body>,
    /// Signature of that head's commit.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub signature: [u8; 64],
}

/// Bytes of one entry.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct Body(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);

/// Two different entries at one (device, epoch, seq), each under the device's signature. Canonical CBOR array.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct ForkProof {
    /// The device's certificates.
    #[n(0)]
    pub chain: CertificateChain,
    /// Which run of its journal.
    #[n(1)]
    pub epoch: u32,
    /// Position at which the branches differ.
    #[n(2)]
    pub seq: u32,
    /// Hash that both branches chain to.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub prev: EntryHash,
    /// One branch.
    #[n(4)]
    pub a: ForkBranch,
    /// The other.
    #[n(5)]
    pub b: ForkBranch,
}

/// What a proof shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkedDevice {
    /// Who signed both.
    pub device: DeviceId,
    /// In which run.
    pub epoch: u32,
    /// At which position they differ.
    pub seq: u32,
    /// Head of the one branch.
    pub a: Head,
    /// Head of the other.
    pub b: Head,
}

/// Why a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ForkProofError {
    /// The certificates do not lead to the root.
    #[error("fork proof: {0}")]
    Chain(#[from] ChainError),
    /// The key writes no journal.
    #[error("fork proof: a key for {0:?} writes no journal")]
    Purpose(Purpose),
    /// Empty, or longer than a proof may be.
    #[error("fork proof: a branch of {0} entries")]
    Length(usize),
    /// An entry longer than an entry may be.
    #[error("fork proof: an entry of {0} bytes")]
    Body(usize),
    /// The two branches begin with the same entry.
    #[error("fork proof: both branches begin with the same entry")]
    Same,
    /// A genesis that chains to something.
    #[error("fork proof: entry 0 chains to nothing")]
    Prev,
    /// A head that the device did not sign.
    #[error("fork proof: the device did not sign both heads")]
    Signature,
}

impl ForkProof {
    /// Canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_cbor(self)
    }

    /// Reads canonical bytes, without believing them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        from_canonical_cbor(bytes)
    }

    /// Checks that one device of this festival signed both branches.
    pub fn verify(&self, founding: &Founding) -> Result<ForkedDevice, ForkProofError> {
        let certificate = self.chain.verify(founding)?;
        if !matches!(certificate.purpose, Purpose::Device | Purpose::Hub) {
            return Err(ForkProofError::Purpose(certificate.purpose));
        }
        if self.seq == 0 && self.prev != ZERO_HASH {
            return Err(ForkProofError::Prev);
        }
        let device = certificate.device();
        let start = ChainCursor {
            festival: founding.festival(),
            device,
            epoch: self.epoch,
            next_seq: self.seq,
            prev: self.prev,
        };
        let a = signed_head(start, &self.a, &certificate.subject)?;
        let b = signed_head(start, &self.b, &certificate.subject)?;
        if self.a.bodies.first() == self.b.bodies.first() {
            return Err(ForkProofError::Same);
        }
        Ok(ForkedDevice { device, epoch: self.epoch, seq: self.seq, a, b })
    }
}

fn signed_head(mut cursor: ChainCursor, branch: &ForkBranch, key: &[u8; 32]) -> Result<Head, ForkProofError> {
    if branch.bodies.len() > MAX_BODIES {
        return Err(ForkProofError::Length(branch.bodies.len()));
    }
    let mut last = None;
    for Body(body) in &branch.bodies {
        if body.len() > BODY_MAX {
            return Err(ForkProofError::Body(body.len()));
        }
        last = Some(cursor.append(body));
    }
    let head = last.ok_or(ForkProofError::Length(0))?;
    let mark = CommitMark { head, signature: branch.signature };
    mark.check(key, &cursor.festival, cursor.device, cursor.epoch).map_err(|_| ForkProofError::Signature)?;
    Ok(head)
}
