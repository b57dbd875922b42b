//! A turnstile, door or barrier that a pulse opens for one person.
//!
//! Invariant: one call is at most one pulse. Not here: whether someone may pass
//! (`domain::access`).

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use thiserror::Error;

/// A turnstile that could not be driven.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the turnstile failed: {0}")]
pub struct TurnstileError(pub String);

/// Lets one person through for each pulse.
pub trait Turnstile: Send {
    /// Gives one pulse. Returns once the pulse has begun; the device ends it by itself.
    fn release(&mut self) -> Result<(), TurnstileError>;
}

/// A gate without a turnstile: staff wave people through.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTurnstile;

impl Turnstile for NoTurnstile {
    fn release(&mut self) -> Result<(), TurnstileError> {
        Ok(())
    }
}

/// A turnstile that counts its pulses. Clones are the same turnstile.
#[derive(Clone, Debug, Default)]
pub struct RecordingTurnstile {
    pulses: Arc<AtomicU32>,
}

impl RecordingTurnstile {
    /// How many people were let through.
    pub fn pulses(&self) -> u32 {
        self.pulses.load(Ordering::SeqCst)
    }
}

impl Turnstile for RecordingTurnstile {
    fn release(&mut self) -> Result<(), TurnstileError> {
        self.pulses.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_counts_the_same_pulses() {
        let mut turnstile = RecordingTurnstile::default();
        let watched = turnstile.clone();
        turnstile.release().unwrap();
        turnstile.release().unwrap();
        assert_eq!(watched.pulses(), 2);
    }
}
