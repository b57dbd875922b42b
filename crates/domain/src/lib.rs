//! Pure rules of the festival: what a ticket may do, what a purse may spend, how journals merge.
//! Invariant: no I/O, no async, no clock, no randomness of its own; time and random bytes are parameters.
//! Not here: storage (`box-store`), transport (`sync`, `sync-quic`), screens.
#![cfg_attr(not(test), no_std)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic"))]
extern crate alloc;

pub mod access;
pub mod bundle;
pub mod catalogue;
pub mod id;
pub mod journal;
pub mod lan;
pub mod ledger;
pub mod money;
pub mod names;
pub mod secrets;
pub mod staff;
pub mod stock;
pub mod ticket;
pub mod till;
pub mod time;
pub mod trust;
pub mod wire;
pub mod wristband;
pub mod zones;
