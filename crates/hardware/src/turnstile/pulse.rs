//! Pulses of a relay that cannot stick.
//!
//! Invariant: whoever begins a pulse cannot prolong it beyond [`LONGEST_PULSE`]; a watchdog of its own ends it, also
//! when the caller hangs or has panicked. A relay that does not switch off is given back to the kernel, which releases
//! it; so it is when the process dies. Not here: which pin (`edge::drivers`).

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::TurnstileError;

/// Longer pulses are cut.
pub const LONGEST_PULSE: Duration = Duration::from_secs(3);

/// An output that opens the way while it is on. Dropping it must leave it off.
pub trait Relay: Send {
    /// Switches it.
    fn drive(&mut self, on: bool) -> Result<(), TurnstileError>;
}

struct Driven {
    /// `None` once it did not switch as told and was given back.
    relay: Option<Box<dyn Relay>>,
    ends: Option<Instant>,
    stopping: bool,
}

type Shared = (Mutex<Driven>, Condvar);

/// A relay that is only ever driven for the length of a pulse.
pub struct Pulses {
    shared: Arc<Shared>,
    watchdog: Option<JoinHandle<()>>,
}

impl Pulses {
    /// Takes the relay, switches it off and starts its watchdog.
    pub fn new(mut relay: Box<dyn Relay>) -> Result<Self, TurnstileError> {
        relay.drive(false)?;
        let driven = Driven { relay: Some(relay), ends: None, stopping: false };
        let shared = Arc::new((Mutex::new(driven), Condvar::new()));
        let watched = Arc::clone(&shared);
        let watchdog = thread::Builder::new().name("relay".into()).spawn(move || watch(&watched));
        let watchdog = watchdog.map_err(|error| TurnstileError(format!("no watchdog: {error}")))?;
        Ok(Self { shared, watchdog: Some(watchdog) })
    }

    /// Begins a pulse, or lets the running one end later.
    pub fn begin(&self, length: Duration) -> Result<(), TurnstileError> {
        if self.watchdog.as_ref().is_none_or(JoinHandle::is_finished) {
            return Err(TurnstileError("its watchdog is gone".into()));
        }
        let mut driven = lock(&self.shared);
        let ends = Instant::now() + length.min(LONGEST_PULSE);
        driven.ends = Some(driven.ends.map_or(ends, |before| before.max(ends)));
        self.shared.1.notify_all();
        switch(&mut driven, true)
    }

    /// Ends a running pulse now.
    pub fn end(&self) -> Result<(), TurnstileError> {
        let mut driven = lock(&self.shared);
        driven.ends = None;
        switch(&mut driven, false)
    }
}

impl Drop for Pulses {
    fn drop(&mut self) {
        lock(&self.shared).stopping = true;
        self.shared.1.notify_all();
        if let Some(watchdog) = self.watchdog.take() {
            // it has no code of ours that panics; if it did all the same, the relay is switched off here
            let _ = watchdog.join();
        }
        let mut driven = lock(&self.shared);
        let _ = switch(&mut driven, false);
        driven.relay = None;
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Driven> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Switches the relay; one that does not obey is given back.
fn switch(driven: &mut Driven, on: bool) -> Result<(), TurnstileError> {
    let Some(relay) = driven.relay.as_mut() else {
        return Err(TurnstileError("its relay was given back after a failure".into()));
    };
    let switched = relay.drive(on);
    if switched.is_err() {
        driven.relay = None;
        driven.ends = None;
    }
    switched
}

fn watch(shared: &Shared) {
    let mut driven = lock(shared);
    while !driven.stopping {
        driven = match driven.ends.map(|ends| ends.saturating_duration_since(Instant::now())) {
            None => shared.1.wait(driven).unwrap_or_else(PoisonError::into_inner),
            Some(Duration::ZERO) => {
                driven.ends = None;
                // whoever gives the next pulse is told
                let _ = switch(&mut driven, false);
                driven
            }
            Some(left) => shared.1.wait_timeout(driven, left).unwrap_or_else(PoisonError::into_inner).0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turnstile::RecordingRelay;

    const PULSE: Duration = Duration::from_millis(30);
    const SOON: Duration = Duration::from_secs(5);

    fn pulses() -> (Pulses, RecordingRelay) {
        let relay = RecordingRelay::default();
        (Pulses::new(Box::new(relay.line())).unwrap(), relay)
    }

    fn states(relay: &RecordingRelay) -> Vec<bool> {
        relay.changes().into_iter().map(|(on, _)| on).collect()
    }

    #[test]
    fn a_pulse_ends_by_itself_after_its_length() {
        let (pulses, relay) = pulses();
        for count in 1..=3 {
            pulses.begin(PULSE).unwrap();
            assert!(relay.is_off_within(SOON));
            assert_eq!(relay.changes().len(), 1 + 2 * count);
        }
        let changes = relay.changes();
        assert_eq!(states(&relay), [false, true, false, true, false, true, false]);
        for pair in changes[1..].chunks(2) {
            assert!(pair[1].1 - pair[0].1 >= PULSE);
        }
        assert!(!relay.is_released());
    }

    #[test]
    fn an_endless_pulse_is_cut() {
        let (pulses, relay) = pulses();
        pulses.begin(Duration::MAX).unwrap();
        assert!(relay.is_off_within(LONGEST_PULSE + SOON));
    }

    #[test]
    fn a_pulse_ends_although_its_caller_panicked() {
        let (pulses, relay) = pulses();
        let caller = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pulses.begin(PULSE).unwrap();
            let _held = lock(&pulses.shared);
            panic!("in the middle of a pulse");
        }));
        assert!(caller.is_err());
        assert!(relay.is_off_within(SOON));
    }

    #[test]
    fn dropping_ends_the_pulse_and_releases_the_line() {
        let (pulses, relay) = pulses();
        pulses.begin(LONGEST_PULSE).unwrap();
        drop(pulses);
        assert_eq!(states(&relay), [false, true, false]);
        assert!(relay.is_released());
    }

    #[test]
    fn a_relay_that_does_not_switch_off_is_given_back_and_the_next_pulse_refused() {
        let (pulses, relay) = pulses();
        pulses.begin(PULSE).unwrap();
        relay.fails_off();
        assert!(relay.is_off_within(SOON));
        assert!(relay.is_released());
        assert!(pulses.begin(PULSE).is_err());
    }

    #[test]
    fn a_pulse_can_be_ended_early() {
        let (pulses, relay) = pulses();
        pulses.begin(LONGEST_PULSE).unwrap();
        pulses.end().unwrap();
        assert_eq!(states(&relay), [false, true, false]);
    }
}
