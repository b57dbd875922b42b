//! Boxes that were sent away, and for how long: whoever comes straight back costs a handshake and nothing else.
//! Invariant: a box is kept away only for what it did itself, never for long, and what it has waits on its own disk.
//! Not here: why it was sent away (`sync::session::hub_side`).
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use domain::id::DeviceId;

/// The first time, and the longest; doubled from one to the other.
const FIRST_MS: u64 = 2_000;
const LONGEST_MS: u64 = 60_000;
/// Whoever behaved for so long is a stranger again.
const FORGIVEN_AFTER_MS: u64 = 600_000;

#[derive(Clone, Copy, Debug)]
struct Away {
    until_ms: u64,
    next_ms: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct SentAway(Mutex<HashMap<DeviceId, Away>>);

impl SentAway {
    /// It broke a rule.
    pub(super) fn sends(&self, device: DeviceId, now_ms: u64) {
        let mut away = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        away.retain(|_, away| away.until_ms.saturating_add(FORGIVEN_AFTER_MS) > now_ms);
        let away = away.entry(device).or_insert(Away { until_ms: 0, next_ms: FIRST_MS });
        away.until_ms = now_ms.saturating_add(away.next_ms);
        away.next_ms = away.next_ms.saturating_mul(2).min(LONGEST_MS);
    }

    /// Whether it is not yet to be looked at.
    pub(super) fn is_away(&self, device: DeviceId, now_ms: u64) -> bool {
        let away = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        away.get(&device).is_some_and(|away| away.until_ms > now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_twice_as_long_up_to_a_minute_and_a_stranger_pays_nothing() {
        let (away, liar, honest) = (SentAway::default(), DeviceId([1; 16]), DeviceId([2; 16]));
        let mut now = 1_000_000;
        for wait in [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
            away.sends(liar, now);
            assert!(away.is_away(liar, now + wait - 1) && !away.is_away(liar, now + wait));
            assert!(!away.is_away(honest, now));
            now += wait;
        }
        away.sends(honest, now + FORGIVEN_AFTER_MS);
        away.sends(liar, now + FORGIVEN_AFTER_MS);
        assert!(!away.is_away(liar, now + FORGIVEN_AFTER_MS + FIRST_MS), "forgiven");
    }
}
