//! Pure sync between boxes and the hub: what travels, who is believed, what is sent next.
//! Invariant: no I/O, no async, no clock, no randomness of its own; time and random bytes are parameters, and no
//! input makes this code panic or allocate more than the limits it states.
//! Not here: sockets (`sync-quic`), storage (`box-store`, the hub's store), what entries mean (`domain::ledger`).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic"))]

pub mod delta;
pub mod enrolment;
pub mod frame;
pub mod segment;
pub mod session;
pub mod vector;

#[cfg(test)]
mod sample;

pub use delta::{Delta, DeltaError, DeltaProgress, Section, SignedDelta};
pub use frame::{Frame, FrameError, FrameReader};
pub use segment::{Limits, Segment, SegmentError};
pub use session::{
    box_side::{BoxAction, BoxSide, BoxStart},
    hub_side::{BoxStanding, HubAction, HubSide, HubStart},
};
pub use vector::{Branch, JournalHeads, VersionVector};
