//! A fork proof as a file: with the founding record, so that whoever holds it needs nothing else.
//! Invariant: it tells which festival it is of; whether that is the right one, the reader knows from elsewhere (a
//! ticket, a poster, the organiser's page): the festival's id is the hash of this record.
//! Not here: what a proof shows (`fork_proof`).
use alloc::vec::Vec;

use super::fork_proof::{ForkProof, ForkProofError, ForkedDevice};
use crate::{
    trust::Founding,
    wire::{Malformed, Reader, Writer},
};

/// Begins the file.
const MAGIC: [u8; 4] = *b"FPRF";

/// `FPRF` · version u8 = 1 · founding record length u32 · founding record · fork proof to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceFile {
    /// The festival's founding record.
    pub founding: Founding,
    /// The proof.
    pub proof: ForkProof,
}

impl EvidenceFile {
    /// The longest file that is looked at: two branches of 500 entries of the longest kind.
    pub const MAX: usize = 5 << 20;

    /// Canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let founding = self.founding.to_bytes();
        let mut out = Writer::new();
        out.bytes(&MAGIC);
        out.u8(1);
        out.u32(u32::try_from(founding.len()).unwrap_or(u32::MAX));
        out.bytes(&founding);
        out.bytes(&self.proof.to_bytes());
        out.finish()
    }

    /// Whether a file says that it is one.
    pub fn is(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Reads canonical bytes, without believing them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > Self::MAX {
            return Err(Malformed::Value("length"));
        }
        let mut input = Reader::new(bytes);
        if input.array::<4>()? != MAGIC {
            return Err(Malformed::Value("magic"));
        }
        if input.u8()? != 1 {
            return Err(Malformed::Value("version"));
        }
        let length = usize::try_from(input.u32()?).map_err(|_| Malformed::Value("length"))?;
        let founding = Founding::from_bytes(input.take(length)?).map_err(|_| Malformed::Value("founding record"))?;
        let proof = ForkProof::from_bytes(input.rest())?;
        Ok(Self { founding, proof })
    }

    /// Checks the proof against the founding record in the file.
    pub fn verify(&self) -> Result<ForkedDevice, ForkProofError> {
        self.proof.verify(&self.founding)
    }
}
