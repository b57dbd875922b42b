//! PINs of the staff list, given at the console.
//! Invariant: one is checked at a time, none is kept or logged, and wrong ones cost a growing wait, as at a box.
//! Not here: who may do what (`Hub`), the console's own login (`login`).
use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use domain::staff::{PinAttempts, StaffRefusal};
use screens::post::Pin;

use super::{ApiError, App};

/// What the hub remembers of wrong PINs since its start.
#[derive(Debug)]
pub(super) struct Pins {
    started: Instant,
    attempts: Mutex<PinAttempts>,
    checking: tokio::sync::Mutex<()>,
}

impl Pins {
    pub(super) fn new() -> Self {
        let (attempts, checking) = (Mutex::default(), tokio::sync::Mutex::new(()));
        Self { started: Instant::now(), attempts, checking }
    }

    fn attempts<T>(&self, with: impl FnOnce(&mut PinAttempts, u64) -> T) -> T {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        with(&mut self.attempts.lock().unwrap_or_else(PoisonError::into_inner), now_ms)
    }
}

impl App {
    /// The number of the active member of staff whose number and PIN these are.
    pub(super) async fn person(&self, given: Pin) -> Result<u32, ApiError> {
        let pins = &self.inner.pins;
        let _checking = pins.checking.lock().await;
        let may_try = pins.attempts(|attempts, now_ms| attempts.may_try(given.number, now_ms));
        may_try.map_err(|ms| ApiError::staff(&StaffRefusal::Wait(ms)))?;
        let member = self.act(move |hub| Ok(hub.member(given.number))).await?;
        let number = given.number;
        let is_right = tokio::task::spawn_blocking(move || {
            let hash = member.and_then(|member| member.pin);
            hash.is_some_and(|hash| documents::verify_pin(&given.pin, &hash))
        });
        if is_right.await.map_err(|_| ApiError::unavailable())? {
            pins.attempts(|attempts, _| attempts.was_right(number));
            return Ok(number);
        }
        let wait_ms = pins.attempts(|attempts, now_ms| attempts.was_wrong(number, now_ms));
        if wait_ms > 0 {
            tracing::warn!(number, "too many wrong PINs in a row at the console");
        }
        Err(ApiError::staff(&StaffRefusal::WrongPin))
    }
}
