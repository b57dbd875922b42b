//! SQLite store of a box: its journal, what the journal amounts to, and what the hub said last.
//! Invariant: an answer means that the entry survives a power cut; one at a time writes, and nothing damaged is written to.
//! Not here: rules (`domain`), when to sync (`sync`), devices and screens.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic"))]
mod accounts;
mod acts;
mod attempts;
mod believed;
mod blobs;
mod bundle;
mod check;
mod content;
mod coverage;
mod database;
mod derived;
mod documents;
mod error;
mod exchange;
mod goods;
mod grants;
mod journal;
mod knowledge;
mod line;
mod mapped;
mod neighbours;
mod open;
mod projection;
mod store;
mod sums;
mod view;
mod wal;
mod writer;
mod zones;

#[cfg(test)]
mod tests;

pub use accounts::HeldShare;
pub use blobs::{BlobError, Blobs};
pub use documents::{ConfirmedEdits, OwnEdit};
pub use error::{Degraded, OpenError, StoreError};
pub use grants::OwnClaim;
pub use knowledge::{DeltaOutcome, Knowledge, NewerSelf, REVOKED_DEVICE, REVOKED_TICKET, Revoked};
pub use mapped::Mapped;
pub use neighbours::{Heard, segment_of, told_of};
pub use open::{BootReport, Mended, StoreConfig, open};
pub use store::{Committed, Decision, Store, Written};
pub use view::{Counters, OpenIntent, OwnHead, View};
pub use zones::ZonePlaces;
