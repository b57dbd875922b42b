//! What people edit at several places at once: catalogue, zones, staff, reasons, as Automerge documents.
//! Invariant: a change reaches Automerge only after its envelope was verified and its limits were checked.
//! Not here: money (`domain::ledger`), storage (`box-store`, `sync-hub`), who may connect (`sync`).
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic"))]
mod author;
mod change;
mod document;
mod documents;
mod edit;
mod envelope;
mod judge;
mod path;
mod pin;
mod reading;
mod refusal;
mod replica;
mod revision;
pub mod sample;
mod shared;
mod value;

pub use author::{Author, SignedBy};
pub use change::{CHANGE_MAX, DEPENDENCIES_MAX, OPERATIONS_MAX};
pub use document::{ChangeHash, Document};
pub use documents::{Documents, PENDING_MAX};
pub use edit::{Setting, happy_hour, member, product, reason, zone};
pub use envelope::{ENVELOPE_MAX, Envelope, Intent, Reentered, SignedEnvelope, Verified, actor};
pub use path::{HappyHourField, MemberField, Path, ProductField, ReasonField, ZoneField};
pub use pin::{PIN_LEN, PinError, hash_pin, seal, sealed_for, unseal, verify_pin};
pub use reading::{Conflict, Problem, Reading, Statement, Trouble};
pub use refusal::Refusal;
pub use revision::{REVISIONS_KEPT, Revisions, revision_of};
pub use value::{Kind, Value};
