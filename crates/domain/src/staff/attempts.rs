//! Wrong PINs: after five in a row every further one costs a wait that doubles.
//! Invariant: time is a parameter (milliseconds of a clock that only runs forward); the memory is bounded.
//! Not here: the hash of the PIN, and what is written down of it (the box, over its restarts).
use alloc::collections::BTreeMap;

/// Wrong PINs in a row that cost nothing.
const FREE: u32 = 5;
/// The first wait, in milliseconds.
const FIRST_WAIT_MS: u64 = 30_000;
/// The longest wait.
const LONGEST_WAIT_MS: u64 = 15 * 60_000;
/// Numbers that are remembered; whoever tries more of them waits for all.
const REMEMBERED: usize = 256;

#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    wrong: u32,
    not_before_ms: u64,
}

/// The wait after so many wrong PINs in a row, in milliseconds.
fn wait_after(wrong: u32) -> u64 {
    let Some(beyond) = wrong.checked_sub(FREE) else { return 0 };
    FIRST_WAIT_MS.checked_shl(beyond.min(20)).unwrap_or(LONGEST_WAIT_MS).min(LONGEST_WAIT_MS)
}

/// What is remembered of wrong PINs, by staff number.
#[derive(Clone, Debug, Default)]
pub struct PinAttempts {
    tries: BTreeMap<u32, Tries>,
}

impl PinAttempts {
    /// Whether a PIN of this number may be tried now; else how many milliseconds are still to wait.
    pub fn may_try(&self, number: u32, now_ms: u64) -> Result<(), u64> {
        let full = self.tries.len() >= REMEMBERED && !self.tries.contains_key(&number);
        let tries = if full { self.tries.values().max_by_key(|t| t.not_before_ms) } else { self.tries.get(&number) };
        match tries.map_or(0, |tries| tries.not_before_ms.saturating_sub(now_ms)) {
            0 => Ok(()),
            wait_ms => Err(wait_ms),
        }
    }

    /// It was wrong. Gives the wait that follows, in milliseconds; 0 for the first ones.
    pub fn was_wrong(&mut self, number: u32, now_ms: u64) -> u64 {
        if self.tries.len() >= REMEMBERED && !self.tries.contains_key(&number) {
            self.tries.retain(|_, tries| tries.not_before_ms > now_ms);
        }
        let tries = self.tries.entry(number).or_default();
        tries.wrong = tries.wrong.saturating_add(1);
        let wait_ms = wait_after(tries.wrong);
        if wait_ms > 0 {
            tries.not_before_ms = now_ms.saturating_add(wait_ms);
        }
        wait_ms
    }

    /// What was remembered before a restart: wrong PINs in a row by number. Whoever had to wait waits anew, the whole
    /// of it: how much time passed in between nobody can tell without a clock.
    pub fn restored(remembered: impl IntoIterator<Item = (u32, u32)>, now_ms: u64) -> Self {
        let tries = remembered.into_iter().take(REMEMBERED).map(|(number, wrong)| {
            let not_before_ms = now_ms.saturating_add(wait_after(wrong));
            (number, Tries { wrong, not_before_ms })
        });
        Self { tries: tries.collect() }
    }

    /// Wrong PINs in a row of this number.
    pub fn in_a_row(&self, number: u32) -> u32 {
        self.tries.get(&number).map_or(0, |tries| tries.wrong)
    }

    /// It was right: the slate is clean.
    pub fn was_right(&mut self, number: u32) {
        self.tries.remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_five_wrong_pins_each_further_one_waits_twice_as_long() {
        let mut attempts = PinAttempts::default();
        for _ in 0..4 {
            assert_eq!(attempts.was_wrong(7, 1_000), 0);
            assert_eq!(attempts.may_try(7, 1_000), Ok(()));
        }
        assert_eq!(attempts.was_wrong(7, 1_000), 30_000);
        assert_eq!(attempts.may_try(7, 1_001), Err(29_999));
        assert_eq!(attempts.may_try(8, 1_001), Ok(()), "a colleague does not wait");
        assert_eq!(attempts.may_try(7, 31_000), Ok(()));
        assert_eq!(attempts.was_wrong(7, 31_000), 60_000);
        for _ in 0..40 {
            attempts.was_wrong(7, 31_000);
        }
        assert_eq!(attempts.may_try(7, 31_000), Err(LONGEST_WAIT_MS));
        attempts.was_right(7);
        assert_eq!(attempts.may_try(7, 31_000), Ok(()));
    }

    #[test]
    fn a_restart_shortens_no_wait() {
        let attempts = PinAttempts::restored([(7, 6), (8, 4)], 1_000);
        assert_eq!(attempts.may_try(7, 1_000), Err(60_000));
        assert_eq!((attempts.may_try(8, 1_000), attempts.in_a_row(8)), (Ok(()), 4));
        let mut attempts = attempts;
        assert_eq!(attempts.was_wrong(8, 2_000), 30_000, "the fifth, one after the restart");
        assert_eq!(attempts.was_wrong(7, 70_000), 120_000);
    }

    #[test]
    fn somebody_who_tries_every_number_fills_no_memory() {
        let mut attempts = PinAttempts::default();
        for number in 0..10_000 {
            attempts.was_wrong(number, u64::from(number));
        }
        assert!(attempts.tries.len() <= REMEMBERED);
    }
}
