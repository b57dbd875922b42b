//! Lets whoever was admitted through the turnstile, one after the other, and sees whether they went.
//! Invariant: one pulse for each passage on disk; who did not go through is told on screen and changes no entry, since
//! no rule of a gate says so; the queue is bounded and nobody is let through long after the verdict.
//! Not here: the verdict (`gate`), pulses and pins (`hardware::turnstile`, `drivers`).
use std::{
    collections::VecDeque,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use hardware::turnstile::{Turnstile, TurnstileError, TurnstileEvent};
use screens::view::{Args, GateVerdict};

use crate::station::{Station, lock};

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
    /// Between two pulses, where nothing tells who went through.
    pub apart: Duration,
}

/// The way through: free, or open for one guest.
struct Lane {
    timing: Timing,
    tells_passages: bool,
    open: Option<(Guest, Instant)>,
    told: Option<Instant>,
}

impl Lane {
    fn new(timing: Timing, tells_passages: bool) -> Self {
        Self { timing, tells_passages, open: None, told: None }
    }

    /// Time has passed: gives the guest who should have gone through by now.
    fn at(&mut self, now: Instant) -> Option<Guest> {
        let limit = if self.tells_passages { self.timing.passage } else { self.timing.apart };
        let (guest, _) = self.open.take_if(|(_, since)| now.saturating_duration_since(*since) >= limit)?;
        self.tells_passages.then_some(guest)
    }

    fn opened(&mut self, guest: Guest, now: Instant) {
        self.open = Some((guest, now));
    }

    fn passed(&mut self) {
        self.open = None;
    }
}

/// Serves the turnstile until the box stops.
pub(crate) fn serve(station: &Station, timing: Timing, open: &dyn Fn() -> Result<Box<dyn Turnstile>, TurnstileError>) {
    *lock(&station.door.0) = Some(VecDeque::new());
    let mut told = false;
    while !station.is_stopping() {
        let failed = match open() {
            Ok(mut turnstile) => {
                station.is_over(FAILED);
                told = false;
                let failed = work(station, timing, turnstile.as_mut());
                // its relay is released before anything else is tried
                drop(turnstile);
                failed
            }
            Err(error) => Some(error),
        };
        if let Some(error) = failed {
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(%error, "no turnstile; it is tried again");
            }
            station.is_over(PANIC);
            station.alert_while(true, FAILED);
            thread::sleep(RETRY);
        }
    }
}

fn work(station: &Station, timing: Timing, turnstile: &mut dyn Turnstile) -> Option<TurnstileError> {
    let mut lane = Lane::new(timing, turnstile.tells_passages());
    while !station.is_stopping() {
        let now = Instant::now();
        if let Some(missed) = lane.at(now) {
            station.not_passed(&missed);
            lane.told = Some(now);
        }
        if lane.told.take_if(|since| now.saturating_duration_since(*since) >= TOLD).is_some() {
            station.is_over(NOT_PASSED);
        }
        if lane.open.is_none()
            && let Some(guest) = station.next_guest()
        {
            if now.saturating_duration_since(guest.since) > LONGEST_WAIT {
                station.not_passed(&guest);
                lane.told = Some(now);
            } else if let Err(error) = turnstile.release() {
                return Some(error);
            } else {
                station.is_over(BUSY);
                lane.opened(guest, now);
            }
        }
        match turnstile.next_event(LOOK) {
            Ok(None) => {}
            Ok(Some(TurnstileEvent::Passed)) => lane.passed(),
            Ok(Some(TurnstileEvent::PanicOpened)) => {
                tracing::warn!("the panic button opens the turnstile");
                station.alert_while(true, PANIC);
            }
            Ok(Some(TurnstileEvent::PanicEnded)) => station.is_over(PANIC),
            Err(error) => return Some(error),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hardware::turnstile::RecordingTurnstile;

    use super::*;
    use crate::{bench::Bench, gate};

    const TIMING: Timing = Timing { passage: Duration::from_millis(300), apart: Duration::from_millis(50) };

    /// A gate with a turnstile that is served on a thread of its own until dropped.
    struct Gate {
        bench: Bench,
        turnstile: RecordingTurnstile,
        served: Option<thread::JoinHandle<()>>,
    }

    impl Gate {
        fn new() -> Self {
            let bench = Bench::new();
            let turnstile = RecordingTurnstile::default();
            let (station, device) = (Arc::clone(&bench.station), turnstile.clone());
            let open = move || -> Result<Box<dyn Turnstile>, TurnstileError> { Ok(Box::new(device.clone())) };
            let served = thread::spawn(move || serve(&station, TIMING, &open));
            let gate = Self { bench, turnstile, served: Some(served) };
            gate.waits_for(|gate| lock(&gate.bench.station.door.0).is_some());
            gate
        }

        fn waits_for(&self, is_so: impl Fn(&Self) -> bool) {
            let deadline = Instant::now() + Duration::from_secs(10);
            while !is_so(self) {
                assert!(Instant::now() < deadline, "it did not happen");
                thread::sleep(Duration::from_millis(2));
            }
        }

        fn is_told(&self, code: &str) -> bool {
            self.bench.station.alerts.shown().iter().any(|alert| alert.code == code)
        }
    }

    impl Drop for Gate {
        fn drop(&mut self) {
            self.bench.station.stop();
            self.served.take().unwrap().join().unwrap();
        }
    }

    #[test]
    fn who_is_admitted_gets_one_pulse_and_who_is_refused_none() {
        let gate = Gate::new();
        let ticket = gate.bench.ticket(1, 1);
        assert!(gate::scan(&gate.bench.station, &ticket).admitted);
        gate.waits_for(|gate| gate.turnstile.pulses() == 1);
        gate.turnstile.notice(TurnstileEvent::Passed);
        assert!(!gate::scan(&gate.bench.station, &ticket).admitted);
        assert!(!gate::scan(&gate.bench.station, "nonsense").admitted);
        assert!(gate::scan(&gate.bench.station, &gate.bench.ticket(2, 1)).admitted);
        gate.waits_for(|gate| gate.turnstile.pulses() == 2);
        assert_eq!(gate.bench.station.next_guest(), None, "nobody else waits");
    }

    #[test]
    fn who_is_read_twice_in_a_row_at_a_gate_open_both_ways_gets_one_pulse() {
        let gate = Gate::new();
        gate.bench.station.store.set_ways(domain::access::Ways::Both).unwrap();
        let ticket = gate.bench.ticket(1, 1);
        assert!(gate::scan(&gate.bench.station, &ticket).admitted);
        assert!(gate::scan(&gate.bench.station, &ticket).admitted);
        gate.waits_for(|gate| gate.turnstile.pulses() == 1);
        assert_eq!(gate.bench.station.next_guest(), None, "nobody else waits");
    }

    #[test]
    fn who_does_not_go_through_is_told_on_screen_and_stays_admitted() {
        let gate = Gate::new();
        let verdict = gate::scan(&gate.bench.station, &gate.bench.ticket(1, 1));
        gate.waits_for(|gate| gate.is_told(NOT_PASSED));
        let alerts = gate.bench.station.alerts.shown();
        assert_eq!(alerts[0].args["code"], verdict.ticket_id_tail);
        assert!(!gate::scan(&gate.bench.station, &gate.bench.ticket(1, 1)).admitted, "the entry stands");
    }

    #[test]
    fn the_next_guest_gets_a_pulse_once_the_one_before_went_through_or_had_time_to() {
        let gate = Gate::new();
        gate::scan(&gate.bench.station, &gate.bench.ticket(1, 1));
        gate::scan(&gate.bench.station, &gate.bench.ticket(2, 1));
        gate.waits_for(|gate| gate.turnstile.pulses() == 1);
        gate.turnstile.notice(TurnstileEvent::Passed);
        gate.waits_for(|gate| gate.turnstile.pulses() == 2);

        let (now, guest) =
            (Instant::now(), || Guest { ticket_tail: "AB12".into(), at_unix_ms: 1, since: Instant::now() });
        let mut lane = Lane::new(TIMING, true);
        lane.opened(guest(), now);
        assert_eq!((lane.at(now + TIMING.passage / 2), lane.open.is_some()), (None, true));
        lane.passed();
        assert!(lane.open.is_none());
        lane.opened(guest(), now);
        assert_eq!(lane.at(now + TIMING.passage).map(|guest| guest.ticket_tail), Some("AB12".into()));
        assert!(lane.open.is_none());
    }

    #[test]
    fn a_turnstile_that_fails_is_told_and_opened_again() {
        let gate = Gate::new();
        gate.turnstile.breaks(true);
        gate.waits_for(|gate| gate.is_told(FAILED));
        gate.turnstile.breaks(false);
        gate.waits_for(|gate| !gate.is_told(FAILED));
        gate::scan(&gate.bench.station, &gate.bench.ticket(1, 1));
        gate.waits_for(|gate| gate.turnstile.pulses() == 1);
    }

    #[test]
    fn the_panic_button_is_told_while_it_is_pressed() {
        let gate = Gate::new();
        gate.turnstile.notice(TurnstileEvent::PanicOpened);
        gate.waits_for(|gate| gate.is_told(PANIC));
        gate.turnstile.notice(TurnstileEvent::PanicEnded);
        gate.waits_for(|gate| !gate.is_told(PANIC));
    }

    #[test]
    fn the_queue_is_bounded_and_nobody_is_let_through_long_after() {
        let bench = Bench::new();
        let now = Instant::now();
        *lock(&bench.station.door.0) = Some(VecDeque::new());
        for _ in 0..=MOST_WAITING {
            bench.station.let_through(&GateVerdict::default(), now);
        }
        assert_eq!(lock(&bench.station.door.0).as_ref().unwrap().len(), MOST_WAITING);
        assert_eq!(bench.station.alerts.shown()[0].code, BUSY);
        let mut lane = Lane::new(TIMING, false);
        lane.opened(bench.station.next_guest().unwrap(), now);
        assert_eq!(lane.at(now + TIMING.apart), None, "nothing tells passages: nobody is missed");
        assert!(lane.open.is_none());
    }
}
