//! How the box stands among its neighbours, in numbers.
use std::{collections::VecDeque, sync::Mutex, time::Duration};

use super::Decided;
use crate::{metrics::Counter, station::lock};

/// Claims whose times are kept.
const TIMES: usize = 1000;

/// A claim that the group was there to answer: how long the gate waited, and whether the group confirmed it.
struct Claimed {
    took_us: u64,
    is_confirmed: bool,
}

/// How it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// Number of its group.
    pub group: Option<u16>,
    /// Version of the list under which it decides; 0: none.
    pub list: u32,
    /// On how many disks a commit is to stand before its green light.
    pub copies: u8,
    /// Whether the broker answers.
    pub connected: bool,
    /// Boxes on the list, this one included.
    pub voters: usize,
    /// Of these, heard of lately, this one included.
    pub heard: usize,
    /// Whether these have the majority.
    pub is_group: bool,
    /// Whether the newest own commit is on a neighbour's disk too, or at the hub.
    pub newest_is_copied: bool,
}

/// Counters.
#[derive(Default)]
pub(crate) struct Lan {
    /// Claims that the group confirmed.
    pub confirmed: Counter,
    /// Claims that too few answered.
    pub alone: Counter,
    /// Of these, claims made while the group was there: it did not answer in time.
    pub late: Counter,
    /// Claims that somebody else had.
    pub taken: Counter,
    /// Commits that a neighbour had on its disk in time.
    pub copied: Counter,
    /// Commits that stood on one disk when the light went green, although two were asked for.
    pub one_copy: Counter,
    /// Pieces of neighbours' journals that were sent to the hub.
    pub forwarded: Counter,
    /// Messages that are not what they claim to be.
    pub suspicious: Counter,
    /// Messages dropped unread, for want of room.
    pub dropped: Counter,
    claimed: Mutex<VecDeque<Claimed>>,
}

impl Lan {
    /// What came of a claim, and whether the group was there when it was made. A claim that somebody else has is no
    /// measure of the group: it ends as soon as that is known.
    pub(super) fn claimed(&self, decided: Decided, is_group: bool, took: Duration) {
        match decided {
            Decided::Group(_) => {
                self.keep(true, took);
                self.confirmed.inc()
            }
            Decided::Alone(claim) => {
                if claim.is_some() && is_group {
                    self.keep(false, took);
                    self.late.inc();
                }
                self.alone.inc()
            }
            Decided::Taken => self.taken.inc(),
        };
    }

    fn keep(&self, is_confirmed: bool, took: Duration) {
        let mut claimed = lock(&self.claimed);
        if claimed.len() >= TIMES {
            claimed.pop_front();
        }
        claimed.push_back(Claimed { took_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX), is_confirmed });
    }

    pub(super) fn copied(&self, copied: bool) {
        if copied {
            self.copied.inc()
        } else {
            self.one_copy.inc()
        };
    }

    /// So many of a thousand of the last claims that the group was there to answer took at most so many microseconds,
    /// whether it answered or not.
    pub(crate) fn claim_us(&self, per_mille: usize) -> u64 {
        self.percentile(per_mille, |_| true)
    }

    /// The same of those that it confirmed.
    pub(crate) fn confirmed_us(&self, per_mille: usize) -> u64 {
        self.percentile(per_mille, |claimed| claimed.is_confirmed)
    }

    fn percentile(&self, per_mille: usize, of: impl Fn(&Claimed) -> bool) -> u64 {
        let claimed = lock(&self.claimed);
        let mut times: Vec<u64> = claimed.iter().filter(|claimed| of(claimed)).map(|claimed| claimed.took_us).collect();
        times.sort_unstable();
        let at = times.len().saturating_mul(per_mille) / 1000;
        times.get(at.min(times.len().saturating_sub(1))).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use domain::{id::DeviceId, lan::Holder};

    use super::*;

    #[test]
    fn a_claim_that_a_group_which_is_there_leaves_unanswered_counts_in_the_times_and_one_without_a_group_does_not() {
        let (lan, ms) = (Lan::default(), Duration::from_millis);
        let me = Holder { device: DeviceId([1; 16]), epoch: 0, claim: 1 };
        for n in 1..=8 {
            lan.claimed(Decided::Group(me), true, ms(n));
        }
        assert_eq!((lan.claim_us(500), lan.claim_us(990)), (5_000, 8_000));
        // no group, no claim; a claim to boxes that were not there; somebody else's
        lan.claimed(Decided::Alone(None), true, ms(0));
        lan.claimed(Decided::Alone(Some(me)), false, ms(50));
        lan.claimed(Decided::Taken, true, ms(900));
        assert_eq!((lan.claim_us(990), lan.late.get(), lan.alone.get()), (8_000, 0, 2));
        lan.claimed(Decided::Alone(Some(me)), true, ms(51));
        assert_eq!((lan.claim_us(990), lan.confirmed_us(990)), (51_000, 8_000));
        assert_eq!((lan.confirmed.get(), lan.late.get(), lan.alone.get(), lan.taken.get()), (8, 1, 3, 1));
    }
}
