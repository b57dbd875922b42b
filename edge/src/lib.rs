//! The box: one daemon at a gate, a bar or a top-up desk, which decides from what it has on disk.
//! Invariant: the shells here are thin: read an event, ask the core, commit one transaction, act.
//! Not here: rules (`domain`), storage (`box-store`), the wire (`sync`, `sync-quic`).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic"))]

mod alerts;
#[cfg(test)]
mod bench;
pub mod blank;
mod broken_tap;
mod chips;
pub mod clock;
pub mod config;
mod correction;
mod cups;
mod devices;
pub mod drivers;
mod edits;
mod escrow;
mod gate;
mod hand_over;
mod hub_link;
mod lan;
pub mod load;
mod loaded;
mod managers;
mod metrics;
mod panics;
mod parked;
mod printing;
mod read_band;
mod receipt;
mod refusal;
mod rules;
pub mod run;
mod selling;
mod share;
mod shift;
mod staff_session;
mod station;
mod stock;
mod tap_desk;
mod tapping;
mod training;
mod turnstile;
mod view;
mod watchdog;
mod web;
