//! Whether enough happened in a run for "everything held" to say something.
//! Invariant: asks only of runs that are long enough for chance to be no excuse.
//! Not here: what held (`tally`).
use crate::{frauds::KINDS, tally::Tally, world::Shelf};

/// Taps of a run in memory from which on it is asked, and how often each kind of fraud must have occurred.
const IN_MEMORY: (u64, u64) = (1_000_000, 20);
/// The same on disks, whose runs are shorter.
const ON_DISKS: (u64, u64) = (150_000, 1);
/// Taps from which on so many guests of a hundred must have been checked to the cent; about 78 are.
const GUESTS: (u64, u64) = (50_000, 70);

/// What happened too seldom; power must have failed so many times at least.
pub(crate) fn missing(tally: &Tally, shelf: Shelf, power_cuts: u64) -> Vec<String> {
    let mut missing = Vec::new();
    if tally.power_cuts < power_cuts {
        missing.push(format!("power cuts: {}, not {power_cuts}", tally.power_cuts));
    }
    let (taps, least) = if shelf == Shelf::Memory { IN_MEMORY } else { ON_DISKS };
    for kind in KINDS.iter().filter(|_| tally.taps >= taps) {
        let times = tally.frauds.get(*kind).copied().unwrap_or(0);
        if times < least {
            missing.push(format!("{kind} {times} times in {} taps, not {least}", tally.taps));
        }
    }
    let (taps, percent) = GUESTS;
    let guests = tally.guests_checked.saturating_add(tally.left_out.values().sum());
    if tally.taps >= taps && tally.guests_checked.saturating_mul(100) < guests.saturating_mul(percent) {
        missing.push(format!("{} of {guests} guests checked to the cent, not {percent} %", tally.guests_checked));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Medium;

    const DISKS: Shelf = Shelf::Disk(Medium::Honest, 300);

    fn tally(taps: u64, times: u64) -> Tally {
        let frauds = KINDS.iter().map(|kind| (*kind, times)).collect();
        Tally { taps, frauds, guests_checked: 70, left_out: [("copied", 30)].into(), ..Tally::default() }
    }

    #[test]
    fn a_long_run_in_which_a_kind_of_fraud_hardly_occurred_says_too_little() {
        assert!(missing(&tally(1_000_000, 20), Shelf::Memory, 0).is_empty());
        assert_eq!(missing(&tally(1_000_000, 19), Shelf::Memory, 0).len(), KINDS.len());
        assert!(missing(&tally(999_999, 0), Shelf::Memory, 0).is_empty(), "a short one is not asked");
        let mut none_restored = tally(150_000, 1);
        assert!(missing(&none_restored, DISKS, 0).is_empty());
        none_restored.frauds.remove("restored_dump");
        assert_eq!(missing(&none_restored, DISKS, 0), ["restored_dump 0 times in 150000 taps, not 1"]);
    }

    #[test]
    fn a_run_that_left_too_many_guests_out_says_too_little() {
        let few = Tally { guests_checked: 69, left_out: [("copied", 31)].into(), ..tally(50_000, 0) };
        assert_eq!(missing(&few, Shelf::Memory, 0), ["69 of 100 guests checked to the cent, not 70 %"]);
        assert!(missing(&Tally { taps: 49_999, ..few }, Shelf::Memory, 0).is_empty());
    }

    #[test]
    fn a_run_in_which_power_failed_too_seldom_says_so() {
        let calm = Tally { power_cuts: 49_999, ..tally(1, 0) };
        assert_eq!(missing(&calm, DISKS, 50_000), ["power cuts: 49999, not 50000"]);
        assert!(missing(&calm, DISKS, 49_999).is_empty());
    }
}
