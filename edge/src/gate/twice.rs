//! Who is read twice in a row at a gate that lets people out: scanners repeat a code that is held to them, and readers
//! lose a band for a moment that lies there.
//! Invariant: whoever passed goes out, or turns round, only after not having been read for [`AGAIN`]; until then the same
//! verdict is shown and nothing is written. A gate open outwards only lets out at once who has just come in, and one open
//! inwards only never shows a green again: who shows a copy of the code must not see it.
//! Not here: which way somebody goes (`domain::access`).
use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use domain::{access::Ways, id::TicketUid};
use screens::view::{GateVerdict, Pairing};

use super::passage::Passer;
use crate::station::{Station, lock};

/// Nobody goes through a gate and comes back so soon.
const AGAIN: Duration = Duration::from_secs(5);

/// Who passed, and was read within [`AGAIN`].
#[derive(Default)]
pub(crate) struct JustPassed(Mutex<Vec<Passed>>);

struct Passed {
    who: TicketUid,
    read: Instant,
    verdict: GateVerdict,
}

impl Passed {
    fn is_recent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.read) < AGAIN
    }
}

impl JustPassed {
    /// A passage is on disk.
    pub(super) fn remember(&self, who: Option<TicketUid>, verdict: &GateVerdict, now: Instant) {
        let Some(who) = who else { return };
        let mut all = lock(&self.0);
        all.retain(|passed| passed.who != who && passed.is_recent(now));
        all.push(Passed { who, read: now, verdict: verdict.clone() });
    }

    /// The verdict on this person, who is read again.
    fn again(&self, who: TicketUid, now: Instant) -> Option<GateVerdict> {
        let mut all = lock(&self.0);
        let passed = all.iter_mut().find(|passed| passed.who == who && passed.is_recent(now))?;
        passed.read = now;
        Some(passed.verdict.clone())
    }
}

/// The verdict on somebody who has just passed, to be shown again; `None`: they want to pass.
pub(super) fn read_again(station: &Station, passer: &Passer, now: Instant) -> Option<GateVerdict> {
    let who = passer.subject(&station.bundle().bundle.festival)?;
    let mut verdict = station.just_passed.again(who, now)?;
    let is_the_same_again = match station.store.read(|view| view.ways()).ok()? {
        Ways::Both => true,
        Ways::Out => verdict.out,
        Ways::In => false,
    };
    if !is_the_same_again {
        return None;
    }
    let shown = station.gate().last.filter(|last| last.at_unix_ms == verdict.at_unix_ms);
    // its band may have been paired since, or another ticket waits for one
    verdict.pairing = shown.map_or(Pairing::None, |last| last.pairing);
    verdict.marks.push("gate.read_again".into());
    Some(verdict)
}

#[cfg(test)]
mod tests {
    use domain::journal::Kind;

    use super::*;
    use crate::{bench::Bench, gate::scan_at};

    fn open_both_ways() -> Bench {
        let bench = Bench::gate(&[(1, "Ada"), (2, "Ida")], |_, _| {});
        bench.station.store.set_ways(Ways::Both).unwrap();
        bench
    }

    fn ins_and_outs(bench: &Bench) -> (usize, usize) {
        (bench.entries(Kind::ADMISSION).len(), bench.entries(Kind::EXIT).len())
    }

    #[test]
    fn a_code_read_twice_in_a_row_at_a_gate_open_both_ways_is_one_passage_and_later_an_exit() {
        let (bench, start) = (open_both_ways(), Instant::now());
        let ticket = bench.ticket(1, 1);
        let scan = |after_s| scan_at(&bench.station, &ticket, start + Duration::from_secs(after_s));
        let first = scan(0);
        assert!(first.admitted && !first.out && first.marks.is_empty(), "{first:?}");
        // a phone that is held to the scanner for a while
        for after_s in [1, 4, 8] {
            let again = scan(after_s);
            assert_eq!((again.admitted, again.out, &again.entry), (true, false, &first.entry));
            assert_eq!((again.at_unix_ms, again.marks), (first.at_unix_ms, vec!["gate.read_again".to_owned()]));
        }
        assert_eq!(ins_and_outs(&bench), (1, 0));
        assert!(scan(13).out);
        assert!(scan(14).out);
        assert_eq!(ins_and_outs(&bench), (1, 1));
    }

    #[test]
    fn a_code_read_twice_in_a_row_at_a_gate_open_outwards_is_one_exit_and_who_just_came_in_still_goes_out() {
        let bench = Bench::gate(&[(1, "Ada")], |_, _| {});
        let (ticket, start) = (bench.ticket(1, 1), Instant::now());
        let scan = |ways, after_s| {
            bench.station.store.set_ways(ways).unwrap();
            scan_at(&bench.station, &ticket, start + Duration::from_secs(after_s))
        };
        assert!(scan(Ways::In, 0).admitted);
        assert!(!scan(Ways::In, 1).admitted, "a friend with the same code sees no green");
        let first = scan(Ways::Out, 2);
        assert!(first.out && !first.marks.contains(&"gate.read_again".to_owned()), "{first:?}");
        for after_s in [3, 5, 9] {
            let again = scan(Ways::Out, after_s);
            assert_eq!((again.admitted, again.out, &again.entry), (true, true, &first.entry));
            assert_eq!((again.at_unix_ms, again.marks), (first.at_unix_ms, vec!["gate.read_again".to_owned()]));
        }
        assert_eq!(ins_and_outs(&bench), (1, 1));
        assert!(!scan(Ways::In, 10).admitted, "nor does the exit's green show at the way in");
    }

    #[test]
    fn who_is_read_again_after_somebody_else_has_not_turned_round_either() {
        let (bench, start) = (open_both_ways(), Instant::now());
        for number in [1, 2, 1, 2] {
            assert!(!scan_at(&bench.station, &bench.ticket(number, 1), start).out);
        }
        assert_eq!(ins_and_outs(&bench), (2, 0));
    }

    #[test]
    fn a_band_and_the_ticket_that_it_stands_for_are_one_guest() {
        let bench = Bench::pairing_gate(&[(1, "Ada")]);
        bench.station.store.set_ways(Ways::Both).unwrap();
        let band = bench.uid_band(1);
        assert_eq!(crate::gate::scan(&bench.station, &bench.ticket(1, 1)).pairing, Pairing::Waiting);
        assert_eq!(bench.hold(&band, ""), Some(hardware::signal::Signal::Ok));
        assert_eq!(bench.hold(&band, ""), Some(hardware::signal::Signal::Ok), "paired, and held there once more");
        assert_eq!(ins_and_outs(&bench), (1, 0));
        assert_eq!(bench.station.gate().last.map(|last| last.pairing), Some(Pairing::Paired));
    }
}
