//! What a box touches: tag readers, code scanners, lights and turnstiles, as small blocking traits,
//! with virtual devices and chip models that speak to the same code as the real ones.
//!
//! Invariant: no bytes from a device make this crate panic or allocate without a bound.
//! Not here: what the bytes on a chip mean (`domain::wristband`), drivers of real devices
//! (`edge::drivers`).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic"))]

pub mod air_time;
pub mod bench_reader;
pub mod chip;
pub mod code;
pub mod crc_a;
pub mod fault;
pub mod pcsc_simulator;
pub mod pn532_simulator;
pub mod post;
pub mod printer;
pub mod remote_reader;
pub mod signal;
pub mod simulated_field;
pub mod tag;
pub mod turnstile;
pub mod virtual_reader;
pub mod virtual_scanner;

mod link;
mod socket;
