//! QUIC under the sync session: connections that name their peer's key, frames in and out.
//! Invariant: only TLS 1.3 with a bare Ed25519 key on both ends (RFC 7250), no early data, bounded buffers. Who a key
//! belongs to is not decided here: the festival's certificate chain in the first frame says so (`sync::session`).
//! Not here: what a frame means (`sync`). Nothing else in the project knows quinn.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic"))]

mod backoff;
pub mod carrier;
mod endpoint;
mod key;
mod link;
mod listener;

pub use backoff::Backoff;
pub use carrier::Carrier;
pub use endpoint::{Dialer, Settings, connect};
pub use link::{Link, LinkError, LinkReceiver, LinkSender};
pub use listener::{HubListener, ListenerConfig, ListenerLimits};

#[cfg(test)]
mod tests;
