//! How long to wait before the next attempt to connect.
use std::time::Duration;

const FIRST_MS: u64 = 500;
const LONGEST_MS: u64 = 30_000;

/// Waits that double from half a second to half a minute, each drawn at random below its bound, so that a thousand
/// boxes do not come back in the same second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The next wait; `random` is four random bytes.
    pub fn next(&mut self, random: u32) -> Duration {
        let bound = FIRST_MS.saturating_mul(1 << self.attempts.min(6)).min(LONGEST_MS);
        self.attempts = self.attempts.saturating_add(1);
        // Between half of the bound and the bound.
        let spread = (bound / 2).saturating_mul(u64::from(random)) / u64::from(u32::MAX);
        Duration::from_millis(bound / 2).saturating_add(Duration::from_millis(spread))
    }

    /// A session worked: the next wait is short again.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_retry_is_soon_and_none_is_later_than_half_a_minute() {
        for random in [0, 1, u32::MAX / 2, u32::MAX] {
            let mut backoff = Backoff::default();
            assert!(backoff.next(random) <= Duration::from_millis(500));
            let waits: Vec<Duration> = (0..40).map(|_| backoff.next(random)).collect();
            assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(30)));
            assert!(waits.iter().skip(10).all(|wait| *wait >= Duration::from_secs(15)));
            backoff.reset();
            assert!(backoff.next(random) <= Duration::from_millis(500));
        }
    }

    #[test]
    fn two_boxes_do_not_wait_the_same() {
        let (mut a, mut b) = (Backoff::default(), Backoff::default());
        assert_ne!(a.next(1 << 20), b.next(1 << 31));
    }
}
