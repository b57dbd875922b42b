//! What goes wrong, and when: lines, islands, the hub, boxes. Thrown beforehand from the seed.
//! Invariant: everything ends before the evening does, but for boxes that are lost.
//! Not here: doing it (`hub`, `place`, `air`).
use std::time::Duration;

use tokio::time::Instant;

use super::air::Line;
use crate::dice::Dice;

const SECOND: u64 = 1;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// A time without something.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    /// Seconds from the start.
    pub(crate) at: u64,
    /// How long, in seconds.
    pub(crate) long: u64,
}

/// How the hub goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HubGap {
    /// When and how long.
    pub(crate) gap: Gap,
    /// In order, or as a power cut takes it.
    pub(crate) in_order: bool,
}

/// See the module.
pub(crate) struct Weather {
    /// Each box's line.
    pub(crate) lines: Vec<Line>,
    /// Cuts of each box's line, its islands' among them.
    pub(crate) cuts: Vec<Vec<Gap>>,
    /// Power cuts of each box; the last one of a lost box has no end.
    pub(crate) power: Vec<Vec<Gap>>,
    /// The hub's.
    pub(crate) hub: Vec<HubGap>,
    /// Islands: boxes that were cut off together.
    pub(crate) islands: u64,
    /// Boxes that never come back, with their disk.
    pub(crate) lost: u64,
}

/// Between `low` and `high`, short ones as often as long ones.
fn spread(dice: &mut Dice, low: u64, high: u64) -> u64 {
    let mut long = low.max(1);
    while long < high && dice.percent(70) {
        long = long.saturating_mul(2);
    }
    (long + dice.draw() % long).min(high)
}

impl Weather {
    /// Of `boxes` for `seconds`.
    pub(crate) fn thrown(mut dice: Dice, boxes: usize, seconds: u64, now: Instant) -> Self {
        let last = seconds.saturating_sub(20 * MINUTE).max(MINUTE);
        let lines = (0..boxes).map(|_| line(&mut dice, now)).collect();
        let mut cuts: Vec<Vec<Gap>> = Vec::new();
        let mut power: Vec<Vec<Gap>> = Vec::new();
        for _ in 0..boxes {
            let count = 1 + dice.below(4);
            cuts.push((0..count).map(|_| gap(&mut dice, last, MINUTE, 3 * HOUR)).collect());
            let count = dice.below(4);
            power.push((0..count).map(|_| gap(&mut dice, last, 10, 15 * MINUTE)).collect());
        }
        let islands = 1 + seconds / (2 * HOUR);
        for _ in 0..islands {
            let common = gap(&mut dice, last, 15 * MINUTE, 2 * HOUR);
            let first = dice.below(boxes);
            let width = (boxes / 5).max(1);
            (0..width).for_each(|n| cuts[(first + n) % boxes].push(common));
        }
        let lost = boxes / 25;
        for _ in 0..lost {
            let of = dice.below(boxes);
            let at = last / 2 + dice.draw() % (last / 2).max(1);
            power[of].push(Gap { at, long: u64::MAX });
        }
        for gaps in cuts.iter_mut().chain(&mut power) {
            gaps.sort_by_key(|gap| gap.at);
        }
        let lost = power.iter().filter(|gaps| gaps.iter().any(|gap| gap.long == u64::MAX)).count() as u64;
        Self { lines, cuts, power, hub: hub(&mut dice, last), islands, lost }
    }
}

fn line(dice: &mut Dice, now: Instant) -> Line {
    let loss = [5, 20, 100, 300, 600][dice.below(5)];
    let way_ms = [1, 5, 20, 60, 300][dice.below(5)];
    Line { loss, twice: 5 * dice.below(20), way_ms, jitter_ms: way_ms + 5, cut_until: now }
}

fn gap(dice: &mut Dice, last: u64, low: u64, high: u64) -> Gap {
    let at = dice.draw() % last;
    Gap { at, long: spread(dice, low, high).min(last - at).max(1) }
}

/// About every hour, in turn in order and not.
fn hub(dice: &mut Dice, last: u64) -> Vec<HubGap> {
    let (mut gaps, mut at, mut in_order) = (Vec::new(), 0, false);
    loop {
        at += last / 12 + dice.draw() % (last / 8).max(1);
        if at >= last {
            return gaps;
        }
        let long = spread(dice, 2, 10 * MINUTE).min(last - at);
        gaps.push(HubGap { gap: Gap { at, long }, in_order });
        at += long;
        in_order = !in_order;
    }
}

/// So many seconds after the start.
pub(crate) fn moment(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds.min(1 << 30))
}
