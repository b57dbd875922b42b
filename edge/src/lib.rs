//! The box: one daemon at a gate, a bar or a top-up desk, which decides from what it has on disk.
//! Invariant: the shells here are thin: read an event, ask the core, commit one transaction, act.
//! Not here: rules (`domain`), storage (`box-store`), the wire (`sync`, `sync-quic`).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic"))]

pub mod blank;
pub mod clock;
pub mod config;
mod devices;
mod edits;
mod gate;
mod hand_over;
mod hub_link;
mod managers;
mod metrics;
mod rules;
pub mod run;
mod share;
mod station;
mod supervisor;
mod tap_desk;
mod tapping;
mod view;
mod web;
