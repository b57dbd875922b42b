//! What happens at a gate: somebody shows a ticket, a band or a badge, is judged and recorded in one transaction, then
//! sees the verdict.
//! Invariant: green only after the passage is on disk; one reason for each refusal; an exit is never refused.
//! Not here: the checks themselves (`domain::ticket`, `domain::access`), pairing (`tapping`).
pub(crate) mod band;
mod claim;
pub(crate) mod exception;
pub(crate) mod passage;
pub(crate) mod reasons;
pub(crate) mod search;

use std::time::Instant;

use domain::{
    access::{self, Direction, GateRefusal},
    ticket::Scheme,
};
use hardware::signal::Signal;
use screens::view::{GateVerdict, Pairing};

use self::passage::{Judged, Outcome, Passer, Wish};
use crate::{
    station::{Station, fresh_id},
    tap_desk::Purpose,
};

/// Judges a ticket's text and records its passage. Takes about a signature check and one flush.
pub(crate) fn scan(station: &Station, text: &str) -> GateVerdict {
    match read(station, text) {
        Ok(passer) => judge(station, passer, Wish::default()),
        Err(unread) => {
            station.remember_refused(None);
            station.remember_ticket(None);
            show(station, *unread)
        }
    }
}

/// Whose ticket a text is, or the verdict on a text that is none.
pub(crate) fn read(station: &Station, text: &str) -> Result<Passer, Box<GateVerdict>> {
    let loaded = station.bundle();
    let (ticket, key) = loaded.verifier.read_with_key(text).map_err(|error| {
        let scheme = Scheme::of(text).map(Scheme::code).unwrap_or("unknown").to_owned();
        let at_unix_ms = station.now_ms();
        Box::new(GateVerdict { code: Some(error.code().into()), scheme, at_unix_ms, ..GateVerdict::default() })
    })?;
    let (now, policy) = (station.trusted_time(), &loaded.bundle.body.policy);
    let key = key.map_or(Ok(false), |key| access::check_key(key, policy, now));
    Ok(Passer::ticket(ticket, key))
}

/// Shows a verdict on screen and light.
fn show(station: &Station, verdict: GateVerdict) -> GateVerdict {
    station.gate_verdict(&verdict);
    station.signal(if verdict.admitted { Signal::Ok } else { Signal::Refuse });
    verdict
}

/// Judges somebody whose name is known, records the passage and shows it.
fn judge(station: &Station, passer: Passer, wish: Wish) -> GateVerdict {
    let of = passer.pairing();
    let shown = GateVerdict { can_replace: of.is_some(), ..passer.shown(station.now_ms()) };
    station.remember_ticket(of);
    let by = claim::ask(station, &passer, &wish);
    let recorded = passage::record(station, &passer, wish, by);
    // a store that failed may have written all the same: then the claim is kept
    by.end(station, !matches!(&recorded, Ok(Outcome { judged: Judged::Refused(_), .. })));
    let verdict = match recorded {
        Ok(Outcome { judged: Judged::Passed(passage), entry, is_paired, is_new }) => {
            station.remember_refused(None);
            let copies = entry.filter(|_| is_new).map_or(0, |entry| station.lan.copies(entry));
            let entry = entry.map(|entry| entry.to_string()).unwrap_or_default();
            let pairing = pairing(station, &passer, &passage, is_paired);
            let verdict = GateVerdict {
                admitted: true,
                out: passage.direction == Direction::Out,
                product_name: station.in_its_language(&passage.product),
                pairing,
                marks: marks(station, passage.marks, &by, copies),
                decided: by.shown(),
                copies,
                entry,
                ..shown
            };
            if is_new {
                station.let_through(&verdict, Instant::now());
            }
            verdict
        }
        Ok(Outcome { judged: Judged::Refused(refusal), .. }) => {
            station.remember_refused(Some(passer));
            GateVerdict { can_override: true, decided: by.shown(), ..refused(station, shown, &refusal) }
        }
        Err(error) => GateVerdict { code: Some(error.code().into()), ..shown },
    };
    show(station, verdict)
}

/// What staff should know of a yes: the entry's marks, and on whose leave and how many disks it stands.
fn marks(station: &Station, marks: domain::journal::Marks, by: &claim::By, copies: u8) -> Vec<String> {
    let mut codes = passage::codes(marks);
    if matches!(by, claim::By::Alone(..)) {
        codes.push("gate.island".into());
    }
    if station.lan.are_too_few(copies) {
        codes.push("gate.one_copy".into());
    }
    codes
}

/// A ticket that comes in without a band waits for one, where this gate pairs.
fn pairing(station: &Station, passer: &Passer, passage: &access::Passage, is_paired: bool) -> Pairing {
    let waits = station.pairs() && passage.direction == Direction::In && !is_paired;
    let Some(of) = passer.pairing().filter(|_| waits) else { return Pairing::None };
    // a gate waits for one band; the next guest's ticket replaces the one before
    station.desk.cancel_pairing();
    let _ = station.desk.ask(fresh_id(), Purpose::Pairing(of));
    Pairing::Waiting
}

fn refused(station: &Station, shown: GateVerdict, refusal: &GateRefusal) -> GateVerdict {
    let bundle = &station.bundle().bundle;
    let args = refusal.arguments(bundle).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let seen = refusal.seen_before();
    GateVerdict {
        code: Some(refusal.code().into()),
        args,
        first_place: seen.map(|seen| bundle.place(seen.box_number)),
        first_unix_ms: seen.map(|seen| seen.at.unix_ms()),
        ..shown
    }
}
