//! A box's newest entries as it tells them to its neighbours: whole commits, with the signature that ends the last.
//! Invariant: what reads has the length and chain that its signature covers; whose key signed is for the caller to know.
//! Not here: what the entries mean, whether the journal's certificate allows them (`ledger`).
use alloc::vec::Vec;

use thiserror::Error;

use crate::{
    id::{DeviceId, FestivalId},
    journal::{BODY_MAX, CommitMark, Entry, EntryHash, Flags, Head, ZERO_HASH, link},
    wire::{Malformed, Reader, Writer},
};

/// Most entries told at once.
pub const TOLD_ENTRIES_MAX: usize = 64;

/// Consecutive entries of one journal that end at a commit's end. Bytes: device 16 ‖ epoch u32 ‖ first u32 ‖ prev 32 ‖
/// signature 64 ‖ entries u8 ‖ each: length u16 ‖ body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whose journal.
    pub device: DeviceId,
    /// Which epoch of it.
    pub epoch: u32,
    /// Position of the first body.
    pub first: u32,
    /// Hash of the entry before; zeros where first is 0.
    pub prev: EntryHash,
    /// Commit signature of the last entry.
    pub signature: [u8; 64],
    /// Bodies, in order.
    pub bodies: Vec<Vec<u8>>,
}

/// Entries that are not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ToldError {
    /// Not of the layout.
    #[error("not a neighbour's commit: {0}")]
    Malformed(#[from] Malformed),
    /// The signature does not hold.
    #[error("a neighbour's commit has a signature that does not hold")]
    Signature,
}

impl Told {
    /// Writes the bytes.
    pub fn write(&self, out: &mut Writer) {
        self.device.write(out);
        out.u32(self.epoch);
        out.u32(self.first);
        out.bytes(&self.prev);
        out.bytes(&self.signature);
        out.u8(u8::try_from(self.bodies.len()).unwrap_or(u8::MAX));
        for body in &self.bodies {
            out.u16(u16::try_from(body.len()).unwrap_or(u16::MAX));
            out.bytes(body);
        }
    }

    /// The bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        self.write(&mut out);
        out.finish()
    }

    /// Reads the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let mut told = Self {
            device: DeviceId::read(&mut input)?,
            epoch: input.u32()?,
            first: input.u32()?,
            prev: input.array()?,
            signature: input.array()?,
            bodies: Vec::new(),
        };
        let count = usize::from(input.u8()?);
        if !(1..=TOLD_ENTRIES_MAX).contains(&count) {
            return Err(Malformed::Value("entries"));
        }
        for _ in 0..count {
            let length = usize::from(input.u16()?);
            if length > BODY_MAX {
                return Err(Malformed::Value("body length"));
            }
            told.bodies.push(input.take(length)?.to_vec());
        }
        input.end()?;
        if told.first == 0 && told.prev != ZERO_HASH {
            return Err(Malformed::Value("previous hash"));
        }
        if told.end().is_none() {
            return Err(Malformed::Value("position"));
        }
        Ok(told)
    }

    /// Position behind the last body, if there is one so high.
    fn end(&self) -> Option<u32> {
        self.first.checked_add(u32::try_from(self.bodies.len()).ok()?)
    }

    /// The last entry, by the chain from *prev*.
    pub fn head(&self) -> Head {
        let hash = self.bodies.iter().fold(self.prev, |prev, body| link(&prev, body));
        let more = u32::try_from(self.bodies.len().saturating_sub(1)).unwrap_or(u32::MAX);
        Head { seq: self.first.saturating_add(more), hash }
    }

    /// Whether the box whose public key this is wrote these entries at this place. Gives the last one.
    pub fn check(&self, festival: &FestivalId, public_key: &[u8; 32]) -> Result<Head, ToldError> {
        if self.device != crate::id::device_id(public_key) {
            return Err(ToldError::Signature);
        }
        let end = self
            .bodies
            .last()
            .and_then(|body| body.get(1))
            .is_some_and(|flags| Flags(*flags).has(Flags::END_OF_COMMIT));
        if !end || self.end().is_none() {
            return Err(Malformed::Value("end of a commit").into());
        }
        let head = self.head();
        let mark = CommitMark { head, signature: self.signature };
        mark.check(public_key, festival, self.device, self.epoch).map_err(|_| ToldError::Signature)?;
        Ok(head)
    }

    /// The entries that this software can read, with their positions.
    pub fn entries(&self) -> impl Iterator<Item = (u32, Entry)> + '_ {
        // in this order no position behind the last body is counted to
        self.bodies.iter().zip(self.first..).filter_map(|(body, seq)| Some((seq, Entry::from_bytes(body).ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::{Effect, Kind},
        money::Currency,
        time::Hlc,
    };

    fn at(first: u32) -> Told {
        let body = Entry::new(Kind::NOTE, Effect::None, Currency::EUR, Hlc(5)).to_bytes();
        Told { device: DeviceId([1; 16]), epoch: 1, first, prev: [7; 32], signature: [0; 64], bodies: vec![body; 2] }
    }

    #[test]
    fn a_body_is_at_most_as_long_as_an_entry_and_a_genesis_chains_to_nothing() {
        let with =
            |length: usize| Told::from_bytes(&Told { bodies: vec![vec![7; length]], ..at(3) }.to_bytes()).is_ok();
        assert!(with(BODY_MAX) && !with(BODY_MAX + 1) && !with(BODY_MAX + 2));
        assert_eq!(Told::from_bytes(&at(0).to_bytes()), Err(Malformed::Value("previous hash")));
        assert!(Told::from_bytes(&Told { prev: ZERO_HASH, ..at(0) }.to_bytes()).is_ok());
    }

    #[test]
    fn a_neighbour_s_commit_is_believed_of_its_own_box_and_to_its_end() {
        let (key, festival) = (ed25519_dalek::SigningKey::from_bytes(&[7; 32]), FestivalId([3; 16]));
        let public = key.verifying_key().to_bytes();
        let told = |flags: Flags, device: DeviceId| {
            let body = Entry { flags, ..Entry::new(Kind::NOTE, Effect::None, Currency::EUR, Hlc(5)) }.to_bytes();
            let mut cursor = crate::journal::ChainCursor::start(festival, device, 1);
            cursor.append(&body);
            let signature = cursor.sign(&key).unwrap().signature;
            Told { device, epoch: 1, first: 0, prev: ZERO_HASH, signature, bodies: vec![body] }
        };
        let own = crate::id::device_id(&public);
        let good = told(Flags::END_OF_COMMIT, own);
        assert_eq!(good.check(&festival, &public), Ok(good.head()));
        let open = told(Flags::default(), own);
        assert_eq!(open.check(&festival, &public), Err(Malformed::Value("end of a commit").into()));
        let beyond = Told { first: u32::MAX, ..good.clone() };
        assert_eq!(beyond.check(&festival, &public), Err(Malformed::Value("end of a commit").into()));
        let others = told(Flags::END_OF_COMMIT, DeviceId([1; 16]));
        assert_eq!(others.check(&festival, &public), Err(ToldError::Signature));
    }

    #[test]
    fn entries_up_to_the_last_position_are_read_and_beyond_it_there_are_none() {
        let last = Told::from_bytes(&at(u32::MAX - 2).to_bytes()).unwrap();
        assert_eq!(last.entries().map(|(seq, _)| seq).collect::<Vec<_>>(), [u32::MAX - 2, u32::MAX - 1]);
        for first in [u32::MAX - 1, u32::MAX] {
            assert_eq!(Told::from_bytes(&at(first).to_bytes()), Err(Malformed::Value("position")));
        }
    }
}
