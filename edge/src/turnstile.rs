//! Lets whoever was admitted through the turnstile, one after the other, and sees whether they went.
//! Invariant: one pulse for each passage on disk, apart from the one before, also when the turnstile fails in between;
//! who did not go through, or may not have, is told on screen and changes no entry, since no rule of a gate says so; the
//! queue is bounded and nobody is let through long after the verdict.
//! Not here: the verdict (`gate`), pulses and pins (`hardware::turnstile`, `drivers`).
use std::{
    collections::VecDeque,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use hardware::turnstile::{Turnstile, TurnstileError, TurnstileEvent};
use screens::view::{Args, GateVerdict};

use crate::{
    panics::caught,
    station::{Station, lock},
};

/// Guests who may wait for their pulse at once.
const MOST_WAITING: usize = 8;
/// Whoever was admitted this long ago does not stand there any more.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// How long the screens tell who did not go through.
const TOLD: Duration = Duration::from_secs(60);
/// Pause before a turnstile that failed is opened again.
const RETRY: Duration = Duration::from_secs(1);
/// How often the queue is looked at; within it a pulse follows its verdict.
const LOOK: Duration = Duration::from_millis(20);

const FAILED: &str = "turnstile.failed";
const NOT_PASSED: &str = "turnstile.not_passed";
const PANIC: &str = "turnstile.panic_open";
const BUSY: &str = "turnstile.busy";

/// Somebody who was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Guest {
    ticket_tail: String,
    at_unix_ms: u64,
    since: Instant,
}

/// Who waits to be let through; nobody where no turnstile is served.
#[derive(Default)]
pub(crate) struct Door(Mutex<Option<VecDeque<Guest>>>);

impl Station {
    /// A passage is on disk: its guest is let through as soon as the turnstile is free.
    pub(crate) fn let_through(&self, verdict: &GateVerdict, now: Instant) {
        let mut door = lock(&self.door.0);
        let Some(waiting) = door.as_mut() else { return };
        let is_full = waiting.len() >= MOST_WAITING;
        if !is_full {
            let (ticket_tail, at_unix_ms) = (verdict.ticket_id_tail.clone(), verdict.at_unix_ms);
            waiting.push_back(Guest { ticket_tail, at_unix_ms, since: now });
        }
        drop(door);
        self.alert_while(is_full, BUSY);
    }

    /// Whose turn it is: at the front until [`Self::next_guest`], so that a pulse that fails takes nobody's turn.
    fn first_guest(&self) -> Option<Guest> {
        lock(&self.door.0).as_ref()?.front().cloned()
    }

    fn next_guest(&self) -> Option<Guest> {
        lock(&self.door.0).as_mut()?.pop_front()
    }

    fn not_passed(&self, guest: &Guest) {
        let args = [("code", guest.ticket_tail.clone()), ("time", guest.at_unix_ms.to_string())];
        let args: Args = args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        tracing::info!("somebody who was admitted did not go through");
        self.alert(NOT_PASSED, args);
    }
}

/// How long things take at this turnstile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// Whoever was let through has this long to go.
    pub passage: Duration,
    /// From one pulse to the next at least: one that began sooner would only prolong the one before.
    pub apart: Duration,
}

/// The way through: free, or open for one guest.
struct Lane {
    timing: Timing,
    tells_passages: bool,
    open: Option<(Guest, Instant)>,
    /// The last pulse.
    pulse: Option<Instant>,
    told: Option<Instant>,
}

impl Lane {
    fn new(timing: Timing, tells_passages: bool) -> Self {
        Self { timing, tells_passages, open: None, pulse: None, told: None }
    }

    /// Time has passed: gives the guest who should have gone through by now.
    fn at(&mut self, now: Instant) -> Option<Guest> {
        let limit = if self.tells_passages { self.timing.passage } else { self.timing.apart };
        let (guest, _) = self.open.take_if(|(_, since)| now.saturating_duration_since(*since) >= limit)?;
        self.tells_passages.then_some(guest)
    }

    /// Nobody is on his way through, and the last pulse is over.
    fn is_free(&self, now: Instant) -> bool {
        let is_over = |since| now.saturating_duration_since(since) >= self.timing.apart;
        self.open.is_none() && self.pulse.is_none_or(is_over)
    }

    fn opened(&mut self, guest: Guest, now: Instant) {
        self.open = Some((guest, now));
        self.pulse = Some(now);
    }

    fn passed(&mut self) {
        self.open = None;
    }

    /// The turnstile failed: gives the guest of whom nobody will know whether he went through.
    fn failed(&mut self) -> Option<Guest> {
        self.open.take().map(|(guest, _)| guest)
    }

    /// Somebody did not go through, or may not have.
    fn missed(&mut self, station: &Station, guest: &Guest, now: Instant) {
        station.not_passed(guest);
        self.told = Some(now);
    }

    /// The screens have told of it for long enough.
    fn forgets(&mut self, now: Instant) -> bool {
        self.told.take_if(|since| now.saturating_duration_since(*since) >= TOLD).is_some()
    }
}

/// Serves the turnstile until the box stops.
pub(crate) fn serve(station: &Station, timing: Timing, open: &dyn Fn() -> Result<Box<dyn Turnstile>, TurnstileError>) {
    *lock(&station.door.0) = Some(VecDeque::new());
    let mut lane = Lane::new(timing, false);
    let mut told = false;
    while !station.is_stopping() {
        // its relay is released at the end of this, before anything else is tried
        let served = caught(|| {
            let mut turnstile = open()?;
            station.is_over(FAILED);
            told = false;
            lane.tells_passages = turnstile.tells_passages();
            work(station, &mut lane, turnstile.as_mut())
        });
        let Err(error) = served.unwrap_or_else(|panicked| Err(TurnstileError(panicked.to_string()))) else { return };
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(%error, "no turnstile; it is tried again");
            station.device_failures.inc();
        }
        if let Some(guest) = lane.failed() {
            lane.missed(station, &guest, Instant::now());
        }
        station.is_over(PANIC);
        station.alert_while(true, FAILED);
        thread::sleep(RETRY);
    }
}

/// Serves an open turnstile; `Ok`: the box is stopping.
fn work(station: &Station, lane: &mut Lane, turnstile: &mut dyn Turnstile) -> Result<(), TurnstileError> {
    let look = station.watchdog.looks_at("turnstile");
    while !station.is_stopping() {
        look.turned();
        let now = Instant::now();
        if let Some(guest) = lane.at(now) {
            lane.missed(station, &guest, now);
        }
        if lane.forgets(now) {
            station.is_over(NOT_PASSED);
        }
        if lane.is_free(now) {
            let_through_next(station, lane, turnstile, now)?;
        }
        match turnstile.next_event(LOOK)? {
            None => {}
            Some(TurnstileEvent::Passed) => lane.passed(),
            Some(TurnstileEvent::PanicOpened) => {
                tracing::warn!("the panic button opens the turnstile");
                station.alert_while(true, PANIC);
            }
            Some(TurnstileEvent::PanicEnded) => station.is_over(PANIC),
        }
    }
    Ok(())
}

/// Gives whose turn it is a pulse. An error leaves him at the front.
fn let_through_next(
    station: &Station,
    lane: &mut Lane,
    turnstile: &mut dyn Turnstile,
    now: Instant,
) -> Result<(), TurnstileError> {
    let Some(guest) = station.first_guest() else { return Ok(()) };
    if now.saturating_duration_since(guest.since) > LONGEST_WAIT {
        lane.missed(station, &guest, now);
    } else {
        turnstile.release()?;
        station.is_over(BUSY);
        lane.opened(guest, now);
    }
    station.next_guest();
    Ok(())
}

#[cfg(test)]
mod tests;
