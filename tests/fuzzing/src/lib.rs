//! Whatever comes from outside, thrown at the decoders that take it: one function for each, called by a target of
//! `targets/`. `tests/fuzz` builds and runs them.
//! Invariant: each says what must hold of every input, and ends the process where it does not: nothing panics, memory
//! stays in proportion ([`memory`]), what decodes encodes to the same bytes where its format has one form, and what is
//! signed is not believed after one changed bit.
//! Not here: lists of chosen inputs (`tests/hostile`), what honest input leads to.
//!
//! The first byte of an input says how the rest is taken ([`taken_as`]): as it is, or as what a key of the festival
//! signs, so that the fuzzer comes behind signatures and checksums.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a fuzz target ends where something is not as it must be")]

pub mod bands;
pub mod bundles;
pub mod certificates;
pub mod chips;
pub mod deltas;
pub mod edits;
pub mod enrolment;
pub mod entries;
pub mod festival;
pub mod forks;
pub mod frames;
pub mod lan;
pub mod lists;
pub mod memory;
pub mod readers;
pub mod seeds;
pub mod segments;
pub mod snapshots;
pub mod tickets;
pub mod vectors;

// What sources of the product that are taken in by their path ([`readers`], [`edits`]) call their crate's own.
pub(crate) use documents::{ChangeHash, Refusal, Value};
pub(crate) use hardware::{signal, tag};

pub(crate) mod document {
    pub(crate) use super::ChangeHash;
}
pub(crate) mod refusal {
    pub(crate) use super::Refusal;
}
pub(crate) mod value {
    pub(crate) use super::Value;
}

/// How an input is taken, of so many ways, and the rest of it.
pub fn taken_as(input: &[u8], ways: u8) -> Option<(u8, &[u8])> {
    let (first, rest) = input.split_first()?;
    Some((first % ways, rest))
}

/// The bytes with one bit changed. Which one follows from the bytes, so that many inputs try many places and each can
/// be repeated.
pub fn one_bit_off(bytes: &[u8]) -> Vec<u8> {
    let mut off = bytes.to_vec();
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let bits = bytes.len() as u64 * 8;
    if bits > 0 {
        let bit = (hash >> 16) % bits;
        off[(bit / 8) as usize] ^= 1 << (bit % 8);
    }
    off
}

/// Takes `N` bytes off the front, zeros where there are fewer.
pub(crate) fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let (head, tail) = rest.split_at(rest.len().min(N));
    out[..head.len()].copy_from_slice(head);
    *rest = tail;
    out
}
