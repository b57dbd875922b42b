//! How much one box may send: a bucket that fills with time.
use super::Millis;

/// An honest box asks every second whether it was told all, then every fifteen, and tells its heads when it has more of a
/// neighbour's.
const FRAMES_PER_SECOND: u64 = 10;
const FRAMES_AT_ONCE: u64 = 500;

/// Entries and bytes that one box may send; kept by the hub across the box's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Entries a second, in the long run.
    pub entries_per_second: u64,
    /// Bytes of bodies a second, in the long run.
    pub bytes_per_second: u64,
    /// Entries at once, after a time without any.
    pub entries_at_once: u64,
    /// Bytes at once.
    pub bytes_at_once: u64,
    /// Frames a second that nobody asked for, in the long run.
    pub frames_per_second: u64,
    /// Such frames at once.
    pub frames_at_once: u64,
    frames: u64,
    entries: u64,
    bytes: u64,
    at: Millis,
}

impl Default for Quota {
    /// 1,000 entries a second, 100,000 at once: a box taps a few times a second and holds some 20,000 of a weekend.
    fn default() -> Self {
        Self::new(1_000, 256 * 1024, 100_000, 64 * 1024 * 1024)
    }
}

impl Quota {
    /// A full bucket.
    pub fn new(entries_per_second: u64, bytes_per_second: u64, entries_at_once: u64, bytes_at_once: u64) -> Self {
        Self {
            entries_per_second,
            bytes_per_second,
            entries_at_once,
            bytes_at_once,
            frames_per_second: FRAMES_PER_SECOND,
            frames_at_once: FRAMES_AT_ONCE,
            frames: FRAMES_AT_ONCE,
            entries: entries_at_once,
            bytes: bytes_at_once,
            at: 0,
        }
    }

    /// Takes so much out, or nothing where there is not enough.
    pub fn take(&mut self, entries: u64, bytes: u64, now: Millis) -> bool {
        self.fill(now);
        match (self.entries.checked_sub(entries), self.bytes.checked_sub(bytes)) {
            (Some(entries), Some(bytes)) => {
                (self.entries, self.bytes) = (entries, bytes);
                true
            }
            _ => false,
        }
    }

    /// Takes one frame that nobody asked for.
    pub fn take_frame(&mut self, now: Millis) -> bool {
        self.fill(now);
        let left = self.frames.checked_sub(1);
        self.frames = left.unwrap_or(0);
        left.is_some()
    }

    /// Fills in whole seconds, so that no fraction is lost.
    fn fill(&mut self, now: Millis) {
        let passed = now.saturating_sub(self.at);
        if passed < 1000 && self.at != 0 {
            return;
        }
        let filled =
            |level: u64, rate: u64, most: u64| level.saturating_add(rate.saturating_mul(passed) / 1000).min(most);
        self.entries = filled(self.entries, self.entries_per_second, self.entries_at_once);
        self.bytes = filled(self.bytes, self.bytes_per_second, self.bytes_at_once);
        self.frames = filled(self.frames, self.frames_per_second, self.frames_at_once);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_runs_dry_and_the_bucket_fills_again_with_time() {
        let mut quota = Quota::new(10, 1000, 100, 10_000);
        assert!(quota.take(100, 100, 1_000));
        assert!(!quota.take(1, 1, 1_500));
        assert!(quota.take(10, 10, 2_000));
        assert!(!quota.take(1, 1, 2_000));
        assert!(!quota.take(1, 20_000, 3_600_000), "more bytes than it ever holds");
        assert!(quota.take(100, 10_000, 3_600_000));
    }

    #[test]
    fn chatter_runs_dry_and_does_not_eat_into_what_entries_may_take() {
        let mut quota = Quota::default();
        let heard = (0..10_000).take_while(|_| quota.take_frame(1_000)).count() as u64;
        assert_eq!(heard, FRAMES_AT_ONCE);
        assert!(quota.take(1_000, 1_000, 1_000));
        assert!(!quota.take_frame(1_500));
        assert!(quota.take_frame(2_000));
    }
}
