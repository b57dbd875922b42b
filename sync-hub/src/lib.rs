//! The hub: takes in journals, folds them, tells every box what it must know, sells tickets, shows the books.
//! Invariant: nothing is acknowledged before it is on disk, and every balance is a function of the entries held.
//! Not here: what entries mean (`domain`), what a session does next (`sync`), sockets of QUIC (`sync-quic`).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic"))]

mod band_keys;
mod beyond;
pub mod blobs;
mod boxes;
pub mod bundle;
pub mod closing;
pub mod config;
pub mod conflicts;
mod credits;
pub mod csv;
pub mod deltas;
pub mod edits;
pub mod escrow;
pub mod fold;
pub mod history;
pub mod hub;
pub mod identity;
pub mod ingest;
mod integrity;
pub mod journal;
mod lan;
pub mod leaving;
pub mod managers;
pub mod matters;
pub mod metrics;
pub mod net;
pub mod overview;
pub mod pretix;
mod quotas;
pub mod risk;
pub mod run;
pub mod stock;
pub mod store;
pub mod ticket_keys;
pub mod tickets;
pub mod totals;
pub mod wallets;
pub mod web;
pub mod writer;
mod zones;

#[cfg(test)]
mod sample;

pub use hub::{Clock, Hub, HubError, rehearsal_clock, wall_clock};
pub use identity::Identity;
pub use ingest::VerifiedSegment;
