//! A panic in what serves one device is a failure of that device, and stops nothing else.
//! Invariant: whoever calls goes on. Where it happened stands in the log, by Rust's own hook, and is not logged again.
//! Not here: what is told on screen, and when it is tried again (`devices`, `turnstile`, `printing`).
use std::panic::{AssertUnwindSafe, catch_unwind};

use thiserror::Error;

/// What was done with a device ended in a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a fault in the box's own program, which its log describes")]
pub(crate) struct Panicked;

/// Does this, up to its end or to a panic. What it leaves half done is a transaction, which was rolled back, or lies
/// behind a lock that [`lock`](crate::station::lock) takes all the same.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}
