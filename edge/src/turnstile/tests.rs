use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use hardware::turnstile::{Pulses, RecordingRelay, RecordingTurnstile};

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
        Self::with(TIMING, |turnstile| Box::new(turnstile.clone()))
    }

    /// At a turnstile of another kind, which notices what the recording one is told to.
    fn with(timing: Timing, open: impl Fn(&RecordingTurnstile) -> Box<dyn Turnstile> + Send + 'static) -> Self {
        let bench = Bench::new();
        let turnstile = RecordingTurnstile::default();
        let (station, device) = (Arc::clone(&bench.station), turnstile.clone());
        let served = thread::spawn(move || serve(&station, timing, &|| Ok(open(&device))));
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

    let (now, guest) = (Instant::now(), || Guest { ticket_tail: "AB12".into(), at_unix_ms: 1, since: Instant::now() });
    let mut lane = Lane::new(TIMING, true);
    lane.opened(guest(), now);
    assert_eq!((lane.at(now + TIMING.passage / 2), lane.open.is_some()), (None, true));
    lane.passed();
    assert!(lane.open.is_none());
    assert!(!lane.is_free(now + TIMING.apart / 2), "the pulse of whoever passed at once still lasts");
    assert!(lane.is_free(now + TIMING.apart));
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

/// A turnstile whose first pulse fails, or panics.
struct FailsOnce(RecordingTurnstile, Arc<AtomicBool>, bool);

impl Turnstile for FailsOnce {
    fn release(&mut self) -> Result<(), TurnstileError> {
        if !self.1.swap(true, Ordering::Relaxed) {
            assert!(!self.2, "while its relay is driven");
            return Err(TurnstileError("its relay does not answer".into()));
        }
        self.0.release()
    }

    fn next_event(&mut self, wait: Duration) -> Result<Option<TurnstileEvent>, TurnstileError> {
        self.0.next_event(wait)
    }

    fn tells_passages(&self) -> bool {
        true
    }
}

fn the_guest_at_whose_turn_it_fails_is_let_through_before_the_next_one(panics: bool) {
    let has_failed = Arc::new(AtomicBool::new(false));
    let failing = Arc::clone(&has_failed);
    let gate =
        Gate::with(TIMING, move |turnstile| Box::new(FailsOnce(turnstile.clone(), Arc::clone(&failing), panics)));
    let first = gate::scan(&gate.bench.station, &gate.bench.ticket(1, 1));
    gate.waits_for(|_| has_failed.load(Ordering::Relaxed));
    gate::scan(&gate.bench.station, &gate.bench.ticket(2, 1));
    gate.waits_for(|gate| gate.is_told(NOT_PASSED));
    let told = gate.bench.station.alerts.shown();
    let first_told = told.iter().find(|alert| alert.code == NOT_PASSED).unwrap();
    assert_eq!(first_told.args["code"], first.ticket_id_tail, "the first had his pulse first");
    gate.waits_for(|gate| gate.turnstile.pulses() == 2);
    assert_eq!(gate.bench.station.device_failures.get(), 1);
}

#[test]
fn the_guest_at_whose_turn_the_turnstile_fails_is_let_through_before_the_next_one() {
    the_guest_at_whose_turn_it_fails_is_let_through_before_the_next_one(false);
}

#[test]
fn the_guest_at_whose_turn_the_turnstiles_code_panics_is_let_through_before_the_next_one() {
    the_guest_at_whose_turn_it_fails_is_let_through_before_the_next_one(true);
}

#[test]
fn what_is_told_of_a_guest_is_over_in_time() {
    let (bench, now) = (Bench::new(), Instant::now());
    let mut lane = Lane::new(TIMING, true);
    lane.missed(&bench.station, &Guest { ticket_tail: "AB12".into(), at_unix_ms: 1, since: now }, now);
    assert!(!lane.forgets(now + TOLD / 2));
    assert!(lane.forgets(now + TOLD));
    assert!(!lane.forgets(now + TOLD));
}

#[test]
fn who_was_let_through_at_a_turnstile_that_then_fails_is_told() {
    let gate =
        Gate::with(Timing { passage: Duration::from_secs(600), ..TIMING }, |turnstile| Box::new(turnstile.clone()));
    let verdict = gate::scan(&gate.bench.station, &gate.bench.ticket(1, 1));
    gate.waits_for(|gate| gate.turnstile.pulses() == 1);
    gate.turnstile.breaks(true);
    gate.waits_for(|gate| gate.is_told(FAILED));
    let told = gate.bench.station.alerts.shown();
    assert!(told.iter().any(|alert| alert.code == NOT_PASSED && alert.args["code"] == verdict.ticket_id_tail));
}

/// A turnstile behind a relay, with a passage contact.
struct OnRelay(Pulses, RecordingTurnstile);

const PULSE: Duration = Duration::from_millis(100);

impl Turnstile for OnRelay {
    fn release(&mut self) -> Result<(), TurnstileError> {
        self.0.begin(PULSE)
    }

    fn next_event(&mut self, wait: Duration) -> Result<Option<TurnstileEvent>, TurnstileError> {
        self.1.next_event(wait)
    }

    fn tells_passages(&self) -> bool {
        true
    }
}

#[test]
fn two_guests_who_go_through_at_once_have_a_pulse_each() {
    let relay = RecordingRelay::default();
    let line = relay.clone();
    let timing = Timing { passage: Duration::from_secs(600), apart: PULSE * 2 };
    let gate = Gate::with(timing, move |turnstile| {
        Box::new(OnRelay(Pulses::new(Box::new(line.line())).unwrap(), turnstile.clone()))
    });
    gate::scan(&gate.bench.station, &gate.bench.ticket(1, 1));
    gate::scan(&gate.bench.station, &gate.bench.ticket(2, 1));
    let states = || relay.changes().into_iter().map(|(on, _)| on).collect::<Vec<_>>();
    gate.waits_for(|_| states() == [false, true]);
    gate.turnstile.notice(TurnstileEvent::Passed);
    gate.waits_for(|_| states().len() >= 4);
    gate.waits_for(|_| relay.is_off_within(Duration::ZERO));
    assert_eq!(states(), [false, true, false, true, false]);
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
