//! A turnstile and a relay that remember what was done with them, for tests.
//!
//! Invariant: clones are the same device; what is remembered is bounded.
//! Not here: real devices (`edge::drivers`).

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Relay, Turnstile, TurnstileError, TurnstileEvent};

/// How many events and changes are remembered.
const REMEMBERED: usize = 1024;

#[derive(Default)]
struct Seen {
    pulses: u32,
    events: VecDeque<TurnstileEvent>,
    breaks: bool,
}

/// A turnstile that counts its pulses and says what it is told to have noticed.
#[derive(Clone, Default)]
pub struct RecordingTurnstile {
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

impl RecordingTurnstile {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many people were let through.
    pub fn pulses(&self) -> u32 {
        self.seen().pulses
    }

    /// Has the turnstile notice this.
    pub fn notice(&self, event: TurnstileEvent) {
        let mut seen = self.seen();
        if seen.events.len() < REMEMBERED {
            seen.events.push_back(event);
        }
        self.seen.1.notify_all();
    }

    /// From now on it fails, or works again.
    pub fn breaks(&self, broken: bool) {
        self.seen().breaks = broken;
        self.seen.1.notify_all();
    }
}

impl Turnstile for RecordingTurnstile {
    fn release(&mut self) -> Result<(), TurnstileError> {
        let mut seen = self.seen();
        if seen.breaks {
            return Err(TurnstileError("broken".into()));
        }
        seen.pulses += 1;
        self.seen.1.notify_all();
        Ok(())
    }

    fn next_event(&mut self, wait: Duration) -> Result<Option<TurnstileEvent>, TurnstileError> {
        let nothing = |seen: &mut Seen| seen.events.is_empty() && !seen.breaks;
        let waited = self.seen.1.wait_timeout_while(self.seen(), wait, nothing);
        let (mut seen, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if seen.breaks {
            return Err(TurnstileError("broken".into()));
        }
        Ok(seen.events.pop_front())
    }

    fn tells_passages(&self) -> bool {
        true
    }
}

#[derive(Default)]
struct Driven {
    changes: Vec<(bool, Instant)>,
    fails_off: bool,
    released: bool,
}

/// A relay that remembers how it was driven.
#[derive(Clone, Default)]
pub struct RecordingRelay {
    driven: Arc<(Mutex<Driven>, Condvar)>,
    /// Only the one that was handed to a driver counts as its line.
    _line: Option<Arc<Line>>,
}

struct Line(Arc<(Mutex<Driven>, Condvar)>);

impl Drop for Line {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).released = true;
        self.0.1.notify_all();
    }
}

impl RecordingRelay {
    /// The end for a driver: dropping it is what releases the line.
    pub fn line(&self) -> Self {
        Self { driven: Arc::clone(&self.driven), _line: Some(Arc::new(Line(Arc::clone(&self.driven)))) }
    }

    fn driven(&self) -> MutexGuard<'_, Driven> {
        self.driven.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each change and when it was made.
    pub fn changes(&self) -> Vec<(bool, Instant)> {
        self.driven().changes.clone()
    }

    /// Whether the line was given back.
    pub fn is_released(&self) -> bool {
        self.driven().released
    }

    /// From now on it cannot be switched off.
    pub fn fails_off(&self) {
        self.driven().fails_off = true;
    }

    /// Waits until the relay is off or released; false if that took longer than `wait`.
    pub fn is_off_within(&self, wait: Duration) -> bool {
        let is_on = |driven: &mut Driven| !driven.released && driven.changes.last().is_some_and(|(on, _)| *on);
        let waited = self.driven.1.wait_timeout_while(self.driven(), wait, is_on);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Relay for RecordingRelay {
    fn drive(&mut self, on: bool) -> Result<(), TurnstileError> {
        let mut driven = self.driven();
        if !on && driven.fails_off {
            return Err(TurnstileError("stuck".into()));
        }
        if driven.changes.len() < REMEMBERED {
            driven.changes.push((on, Instant::now()));
        }
        self.driven.1.notify_all();
        Ok(())
    }
}
