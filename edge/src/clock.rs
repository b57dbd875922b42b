//! The box's trusted time: a box has no clock battery, so its wall clock proves nothing.
//! Invariant: trusted time never goes back, and its source and uncertainty are known.
//! Not here: order of entries (`domain::time::Hlc`); no money rule asks this clock.
use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use domain::time::{TimeSource, TrustedTime};

/// When this release was made, Unix seconds (2026-11-22): no event lies before it.
pub const RELEASED: u64 = 1_795_305_600;
/// What a clock that only knows its own last entry may be off by: nobody knows how long it was switched off.
const UNKNOWN_S: u32 = u32::MAX;
/// Crystal drift allowed for: one second in ten thousand.
const DRIFT: u64 = 10_000;

#[derive(Clone, Copy)]
struct Fix {
    unix_ms: u64,
    at: Instant,
    uncertainty_ms: u64,
    source: TimeSource,
}

/// Trusted time = max(release, own last entry, hub's signed time), advanced by a clock that only runs forward.
pub struct TrustedClock {
    fix: Mutex<Fix>,
}

impl TrustedClock {
    /// At boot, from the last own entry's time and the last hub time on disk (unix milliseconds, 0 for none).
    pub fn at_boot(last_entry_ms: u64, last_hub_ms: u64, now: Instant) -> Self {
        let released = RELEASED.saturating_mul(1000);
        let known = last_entry_ms.max(last_hub_ms);
        let (unix_ms, source) =
            if known > released { (known, TimeSource::OwnEntry) } else { (released, TimeSource::Build) };
        let uncertainty_ms = u64::from(UNKNOWN_S).saturating_mul(1000);
        Self { fix: Mutex::new(Fix { unix_ms, at: now, uncertainty_ms, source }) }
    }

    /// The hub has signed its time; it took at most `round_trip_ms` to arrive. Never moves trusted time back.
    pub fn hub_says(&self, hub_ms: u64, round_trip_ms: u64, now: Instant) {
        let mut fix = self.fix.lock().unwrap_or_else(PoisonError::into_inner);
        let present = advance(&fix, now);
        // a hub that lags behind what was already certified leaves the difference as uncertainty
        let behind = present.saturating_sub(hub_ms);
        *fix = Fix {
            unix_ms: hub_ms.max(present),
            at: now,
            uncertainty_ms: round_trip_ms.saturating_add(behind).saturating_add(1000),
            source: TimeSource::Hub,
        };
    }

    /// Unix milliseconds.
    pub fn unix_ms(&self, now: Instant) -> u64 {
        advance(&self.fix.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    /// Seconds, with source and uncertainty.
    pub fn trusted(&self, now: Instant) -> TrustedTime {
        let fix = *self.fix.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = elapsed_ms(&fix, now);
        let uncertainty = fix.uncertainty_ms.saturating_add(elapsed / DRIFT);
        TrustedTime {
            unix_s: fix.unix_ms.saturating_add(elapsed) / 1000,
            uncertainty_s: u32::try_from(uncertainty / 1000).unwrap_or(UNKNOWN_S),
            source: fix.source,
        }
    }
}

fn elapsed_ms(fix: &Fix, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(fix.at).as_millis()).unwrap_or(u64::MAX)
}

fn advance(fix: &Fix, now: Instant) -> u64 {
    fix.unix_ms.saturating_add(elapsed_ms(fix, now))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_box_that_heard_nobody_knows_only_that_it_is_later_than_its_release() {
        let now = Instant::now();
        let clock = TrustedClock::at_boot(5, 0, now);
        let time = clock.trusted(now + Duration::from_secs(10));
        assert_eq!((time.unix_s, time.source), (RELEASED + 10, TimeSource::Build));
        assert!(time.uncertainty_s > 1_000_000);
    }

    #[test]
    fn the_hub_sets_the_clock_forward_and_never_back() {
        let now = Instant::now();
        let clock = TrustedClock::at_boot(0, 0, now);
        let noon = (RELEASED + 1_000_000) * 1000;
        clock.hub_says(noon, 40, now);
        assert_eq!(clock.unix_ms(now), noon);
        assert!(clock.trusted(now).uncertainty_s <= 2);
        clock.hub_says(noon - 60_000, 40, now);
        assert_eq!(clock.unix_ms(now), noon);
        assert!(clock.trusted(now).uncertainty_s >= 60);
    }
}
