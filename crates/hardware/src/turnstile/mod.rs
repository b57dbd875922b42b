//! A turnstile, door or barrier that a pulse opens for one person.
//!
//! Invariant: one call is at most one pulse, and every pulse ends by itself. Not here: whether
//! someone may pass (`domain::access`), whose turn it is (`edge::turnstile`).

mod pulse;
mod recording;

use std::{thread, time::Duration};

use thiserror::Error;

pub use pulse::{LONGEST_PULSE, Pulses, Relay};
pub use recording::{RecordingRelay, RecordingTurnstile};

/// A turnstile that could not be driven.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the turnstile failed: {0}")]
pub struct TurnstileError(pub String);

/// What a turnstile notices by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnstileEvent {
    /// Somebody went through.
    Passed,
    /// The panic button was pressed: the way stays open.
    PanicOpened,
    /// It was reset.
    PanicEnded,
}

/// Lets one person through for each pulse.
pub trait Turnstile: Send {
    /// Gives one pulse. Returns once the pulse has begun; the device ends it by itself.
    fn release(&mut self) -> Result<(), TurnstileError>;

    /// What it noticed, waiting up to `wait` for it. While the panic button is pressed, calls of this keep the way
    /// open.
    fn next_event(&mut self, wait: Duration) -> Result<Option<TurnstileEvent>, TurnstileError>;

    /// Whether it tells who went through.
    fn tells_passages(&self) -> bool {
        false
    }
}

/// A gate without a turnstile: staff wave people through.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTurnstile;

impl Turnstile for NoTurnstile {
    fn release(&mut self) -> Result<(), TurnstileError> {
        Ok(())
    }

    fn next_event(&mut self, wait: Duration) -> Result<Option<TurnstileEvent>, TurnstileError> {
        thread::sleep(wait);
        Ok(None)
    }
}
