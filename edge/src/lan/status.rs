//! How the box stands among its neighbours, in numbers.
use std::{collections::VecDeque, sync::Mutex, time::Duration};

use super::Decided;
use crate::{metrics::Counter, station::lock};

/// Claims whose times are kept.
const TIMES: usize = 1000;

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
    /// Whether the newest own commit is on a neighbour's disk too.
    pub newest_is_copied: bool,
}

/// Counters.
#[derive(Default)]
pub(crate) struct Lan {
    /// Claims that the group confirmed.
    pub confirmed: Counter,
    /// Claims that too few answered.
    pub alone: Counter,
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
    times_us: Mutex<VecDeque<u64>>,
}

impl Lan {
    pub(super) fn claimed(&self, decided: Decided, took: Duration) {
        match decided {
            Decided::Group(_) => {
                let mut times = lock(&self.times_us);
                if times.len() >= TIMES {
                    times.pop_front();
                }
                times.push_back(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
                self.confirmed.inc()
            }
            Decided::Alone(_) => self.alone.inc(),
            Decided::Taken => self.taken.inc(),
        };
    }

    pub(super) fn copied(&self, copied: bool) {
        if copied {
            self.copied.inc()
        } else {
            self.one_copy.inc()
        };
    }

    /// So many of a thousand of the last confirmed claims took at most so many microseconds.
    pub(crate) fn claim_us(&self, per_mille: usize) -> u64 {
        let mut times: Vec<u64> = lock(&self.times_us).iter().copied().collect();
        times.sort_unstable();
        let at = times.len().saturating_mul(per_mille) / 1000;
        times.get(at.min(times.len().saturating_sub(1))).copied().unwrap_or(0)
    }
}
