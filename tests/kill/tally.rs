//! Which calls were seen, before which the daemon was killed, and which of them a short run takes.
//! Invariant: a run that was cut short by its clock says how many points it left out.
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    time::{Duration, Instant},
};

use crate::strace::{Point, Seen, Told};

/// How long a short run takes points at most; see `tests/soak kill` for all of them.
const SHORT: Duration = Duration::from_secs(65);
/// In so many steps of a script a daemon is killed at least, however loaded the machine.
const STEPS_AT_LEAST: usize = 3;
/// A start within this time is as promised (design, section 13).
const READY_WITHIN: Duration = Duration::from_secs(2);

/// One run over all steps of a script.
pub(crate) struct Tally {
    who: &'static str,
    began: Instant,
    all: bool,
    seed: u64,
    taken: usize,
    turn: usize,
    stride: usize,
    /// How many points a short run takes, of all steps alike.
    short: usize,
    calls: BTreeMap<&'static str, usize>,
    points: usize,
    kills: usize,
    missed: usize,
    left_out: usize,
    hits: BTreeSet<(&'static str, String, String)>,
    by_call: BTreeMap<String, usize>,
    starts: Vec<Duration>,
}

impl Tally {
    /// `KILL_ALL=1` takes every point; otherwise every k-th, from an offset that `KILL_SEED` (or the day) chooses.
    pub(crate) fn new(who: &'static str, short: usize) -> Self {
        let day =
            || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |at| at.as_secs() / 86_400);
        let seed = std::env::var("KILL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(day);
        Self {
            who,
            began: Instant::now(),
            all: std::env::var_os("KILL_ALL").is_some(),
            seed,
            taken: 0,
            turn: 0,
            stride: 1,
            short,
            calls: BTreeMap::new(),
            points: 0,
            kills: 0,
            missed: 0,
            left_out: 0,
            hits: BTreeSet::new(),
            by_call: BTreeMap::new(),
            starts: Vec::new(),
        }
    }

    /// The points of a short run are spread over all steps: every k-th of all.
    pub(crate) fn plan(&mut self, seen: &[(&'static str, Told)]) -> Vec<(&'static str, Vec<Point>)> {
        let all: Vec<(&'static str, Vec<Point>)> = seen.iter().map(|(step, told)| (*step, told.points())).collect();
        self.calls = seen.iter().map(|(step, told)| (*step, told.changes())).collect();
        self.points = all.iter().map(|(_, points)| points.len()).sum();
        self.stride = if self.all { 1 } else { self.points.div_ceil(self.short).max(1) };
        let offset = usize::try_from(self.seed).unwrap_or(0) % self.stride;
        let mut chosen = Vec::new();
        for (step, points) in all {
            let mut kept = Vec::new();
            for point in points {
                if self.turn % self.stride == offset {
                    kept.push(point);
                }
                self.turn += 1;
            }
            chosen.push((step, kept));
        }
        self.say(&format!(
            "{} points in {} steps, every {}th from {offset} (KILL_SEED={})",
            self.points,
            seen.len(),
            self.stride,
            self.seed
        ));
        chosen
    }

    /// Whether another point may be taken.
    pub(crate) fn goes_on(&mut self) -> bool {
        let goes_on = self.all || self.began.elapsed() < SHORT;
        self.left_out += usize::from(!goes_on);
        self.taken += usize::from(goes_on);
        goes_on
    }

    /// A daemon was killed before this call, or was not.
    pub(crate) fn was(&mut self, step: &'static str, point: &Point, told: &Told) {
        if !told.killed {
            self.missed += 1;
            *self.by_call.entry(format!("{step}: {} not reached", point.call)).or_default() += 1;
            return;
        }
        self.kills += 1;
        let file = |seen: &Seen| seen.file.clone().unwrap_or_else(|| "another file".into());
        let file = told.hit(point).map_or_else(|| "another file".into(), file);
        *self.by_call.entry(format!("{step}: {} {file}", point.call)).or_default() += 1;
        self.hits.insert((step, point.call.clone(), file));
    }

    /// A start of the daemon took so long until it listened.
    pub(crate) fn started(&mut self, took: Duration) {
        self.starts.push(took);
    }

    /// The counts, and what must hold of them.
    pub(crate) fn end(mut self) -> Result<(), String> {
        self.starts.sort_unstable();
        let slow = self.starts.iter().filter(|took| **took > READY_WITHIN).count();
        let at = |part: usize| {
            self.starts.get(self.starts.len().saturating_sub(1) * part / 100).copied().unwrap_or_default()
        };
        for (call, count) in &self.by_call {
            self.say(&format!("  {count:4} × {call}"));
        }
        self.say(&format!(
            "{:?} calls; {} points, {} taken, {} kills, {} not reached, {} left out by the clock; {} starts, p50 {:?}, \
             most {:?}, {slow} over 2 s; {} s",
            self.calls,
            self.points,
            self.taken,
            self.kills,
            self.missed,
            self.left_out,
            self.starts.len(),
            at(50),
            at(100),
            self.began.elapsed().as_secs()
        ));
        let steps: BTreeSet<&str> = self.hits.iter().map(|(step, ..)| *step).collect();
        if steps.len() < STEPS_AT_LEAST {
            return Err(format!("killed in {steps:?} only: nothing is shown of the rest"));
        }
        // a loaded machine takes fewer than were planned
        if self.kills < self.short / 4 {
            return Err(format!("only {} kills: nothing is shown", self.kills));
        }
        // one in twenty: this machine has other things to do as well
        (slow * 20 <= self.starts.len())
            .then_some(())
            .ok_or_else(|| format!("{slow} of {} starts took more than 2 s", self.starts.len()))
    }

    /// Past the test runner, which shows nothing of a test that passes.
    pub(crate) fn say(&self, words: &str) {
        let _ = writeln!(std::io::stderr(), "killed at every call, {}: {words}", self.who);
    }
}
