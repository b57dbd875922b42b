//! What all boxes and the hub of an evening share, and what is noted of it beside them.
//! Invariant: the notes come from what people saw and from what sessions did, never from the books that they check.
//! Not here: who does what (`place`, `line`, `hub`), what must be true in the end (`verdict`).
use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{
    id::{DeviceId, EntryRef, WalletId},
    journal::EntryHash,
};
use sync::session::box_side::Acked;
use sync_hub::writer::Writer;
use tokio::{sync::Notify, time::Instant};

use super::{air::Air, founded::Founded, hands::Hands};

/// When the evening begins, Unix milliseconds.
const OPENS_MS: u64 = 1_800_000_000_000;

/// Guests for each box.
const GUESTS_A_BOX: u64 = 40;

/// How far the evening is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Taps, and all that goes wrong.
    Open,
    /// Nothing is tapped any more, every line stands, everybody is switched on.
    Healing,
    /// Everybody goes home.
    Over,
}

/// A commit whose green light was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Green {
    /// Its entry's hash.
    pub(crate) hash: EntryHash,
    /// Whose money moved, if any did.
    pub(crate) wallet: Option<WalletId>,
    /// By how much.
    pub(crate) cents: i64,
}

/// What is known of one box's line to the hub.
#[derive(Clone, Debug)]
pub(crate) struct OnLine {
    /// In a session with a hub that proved who it is.
    pub(crate) online: bool,
    /// Since when it is switched on, or lost its last session.
    pub(crate) since: Instant,
    /// Attempts of the last minute.
    attempts: VecDeque<Instant>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Notes {
    /// Green lights.
    pub(crate) greens: BTreeMap<EntryRef, Green>,
    /// Orders that the box refused.
    pub(crate) refused: u64,
    /// What the hub acknowledged of each journal, as the boxes heard it.
    pub(crate) acked: BTreeMap<(DeviceId, u32), Acked>,
    /// Lines to the hub.
    pub(crate) lines: Vec<OnLine>,
    /// Attempts to connect.
    pub(crate) attempts: u64,
    /// Most attempts of one box in one minute.
    pub(crate) attempts_a_minute: usize,
    /// Sessions in which the hub proved who it is.
    pub(crate) sessions: u64,
    /// How long boxes with a line to a running hub were without a session, in milliseconds.
    pub(crate) waits_ms: Vec<u64>,
    /// Since when the hub listens.
    pub(crate) hub_since: Option<Instant>,
    /// Entries in the segments that boxes sent.
    pub(crate) entries_sent: u64,
    /// Entries sent although the hub had acknowledged them to that box.
    pub(crate) resent_acknowledged: u64,
    /// Boxes whose power failed.
    pub(crate) power_cuts: u64,
    /// The hub's ends in order.
    pub(crate) hub_stops: u64,
    /// And those without.
    pub(crate) hub_crashes: u64,
    /// Acknowledged entries that the hub did not have at a start.
    pub(crate) lost_acknowledged: u64,
    /// Boxes that never come back.
    pub(crate) gone: Vec<bool>,
    /// What cannot be, in words.
    pub(crate) broken: Vec<String>,
}

/// See the module.
pub(crate) struct Evening {
    /// When it began on the paused clock.
    pub(crate) start: Instant,
    /// Its keys.
    pub(crate) founded: Founded,
    /// Its network.
    pub(crate) air: Arc<Air>,
    /// Who writes what boxes are told.
    pub(crate) hands: Hands,
    /// Where its files are.
    pub(crate) folder: PathBuf,
    /// How many guests have an account.
    pub(crate) guests: usize,
    /// How long the hub gathers changes.
    pub(crate) delta_every: Duration,
    /// Whether the hub's disk forgets at a crash what it said was flushed.
    pub(crate) forgets: bool,
    /// The hub, where it runs.
    pub(crate) hub: Mutex<Option<Writer>>,
    phase: Mutex<Phase>,
    // wakes in the order in which they wait; a `watch` throws dice of its own
    turned: Notify,
    notes: Mutex<Notes>,
}

impl Evening {
    /// An evening that begins now.
    pub(crate) fn new(
        founded: Founded,
        air: Arc<Air>,
        folder: PathBuf,
        boxes: usize,
        delta_every: Duration,
        forgets: bool,
    ) -> Arc<Self> {
        let start = Instant::now();
        let line = OnLine { online: false, since: start, attempts: VecDeque::new() };
        let notes = Notes { lines: vec![line; boxes], gone: vec![false; boxes], ..Notes::default() };
        Arc::new(Self {
            start,
            founded,
            air,
            hands: Hands::new(),
            folder,
            guests: boxes * GUESTS_A_BOX as usize,
            delta_every,
            forgets,
            hub: Mutex::default(),
            phase: Mutex::new(Phase::Open),
            turned: Notify::new(),
            notes: Mutex::new(notes),
        })
    }

    /// What is noted.
    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since it began.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// What clocks that are right say, Unix milliseconds.
    pub(crate) fn unix_ms(&self) -> u64 {
        OPENS_MS + self.now_ms()
    }

    /// How many hundreds of boxes there are.
    pub(crate) fn crowds(&self) -> u64 {
        (self.guests as u64 / GUESTS_A_BOX).div_ceil(100)
    }

    /// How far it is.
    pub(crate) fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It goes on.
    pub(crate) fn turns(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
        self.turned.notify_waiters();
    }

    /// Waits until it is so far.
    pub(crate) async fn until(&self, wanted: Phase) {
        while self.phase() < wanted {
            self.turned.notified().await;
        }
    }

    /// Something that cannot be.
    pub(crate) fn breaks(&self, what: String) {
        let mut notes = self.notes();
        if notes.broken.len() < 40 {
            notes.broken.push(what);
        }
    }

    /// The hub that runs now.
    pub(crate) fn writer(&self) -> Option<Writer> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Box `n` tries to reach the hub.
    pub(crate) fn attempts(&self, n: usize) {
        let now = Instant::now();
        let mut notes = self.notes();
        notes.attempts += 1;
        let Some(line) = notes.lines.get_mut(n) else { return };
        line.attempts.push_back(now);
        while line.attempts.front().is_some_and(|first| *first + Duration::from_secs(60) <= now) {
            line.attempts.pop_front();
        }
        let count = line.attempts.len();
        notes.attempts_a_minute = notes.attempts_a_minute.max(count);
    }

    /// Box `n` is in a session.
    pub(crate) fn is_online(&self, n: usize) {
        let cut_until = self.air.cut_until(n);
        let mut notes = self.notes();
        notes.sessions += 1;
        let hub_since = notes.hub_since.unwrap_or(self.start);
        let Some(line) = notes.lines.get_mut(n) else { return };
        line.online = true;
        let reachable = line.since.max(cut_until).max(hub_since);
        let waited = Instant::now().saturating_duration_since(reachable);
        notes.waits_ms.push(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
    }

    /// Box `n` is in none any more.
    pub(crate) fn is_offline(&self, n: usize) {
        if let Some(line) = self.notes().lines.get_mut(n)
            && line.online
        {
            (line.online, line.since) = (false, Instant::now());
        }
    }

    /// Box `n` was switched on.
    pub(crate) fn is_switched_on(&self, n: usize) {
        if let Some(line) = self.notes().lines.get_mut(n) {
            (line.online, line.since) = (false, Instant::now());
        }
    }
}
