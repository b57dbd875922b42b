//! What happens at a gate: somebody shows a ticket, a band or a badge, is judged and recorded in one transaction, then
//! sees the verdict.
//! Invariant: green only after the passage is on disk; one reason for each refusal; an exit is never refused.
//! Not here: the checks themselves (`domain::ticket`, `domain::access`), pairing (`tapping`).
pub(crate) mod band;
mod claim;
pub(crate) mod exception;
pub(crate) mod passage;
pub(crate) mod reasons;
mod repeated;
pub(crate) mod search;
pub(crate) mod shown;
pub(crate) mod twice;

use std::time::Instant;

use box_store::StoreError;
use domain::{
    access::{self, Direction, GateRefusal},
    ticket::Scheme,
};
use hardware::signal::Signal;
use screens::view::{GateVerdict, Pairing};

use self::{
    passage::{Judged, Outcome, Passer, Wish},
    shown::About,
};
use crate::{
    refusal::NotDone,
    station::{Station, fresh_id},
    tap_desk::Purpose,
};

/// The id of a request came again, for somebody else.
const OTHER_REQUEST: &str = "gate.other_request";

/// Judges a ticket's text and records its passage. Takes about a signature check and one flush.
pub(crate) fn scan(station: &Station, text: &str) -> GateVerdict {
    scan_at(station, text, Instant::now())
}

/// The same at a given time.
pub(crate) fn scan_at(station: &Station, text: &str, now: Instant) -> GateVerdict {
    match read(station, text) {
        Ok(passer) => judge(station, passer, now),
        Err(unread) => show(station, *unread, About::default()),
    }
}

/// Whose ticket a text is, or the verdict on a text that is none.
pub(crate) fn read(station: &Station, text: &str) -> Result<Passer, Box<GateVerdict>> {
    let loaded = station.bundle();
    let (ticket, key) = loaded.verifier.read_with_key(text).map_err(|error| {
        let scheme = Scheme::of(text).map(Scheme::code).unwrap_or("unknown").to_owned();
        let at_unix_ms = station.name_of_verdict();
        Box::new(GateVerdict { code: Some(error.code().into()), scheme, at_unix_ms, ..GateVerdict::default() })
    })?;
    let (now, policy) = (station.trusted_time(), &loaded.bundle.body.policy);
    let key = key.map_or(Ok(false), |key| access::check_key(key, policy, now));
    Ok(Passer::ticket(ticket, key))
}

/// Shows a verdict on screen and light.
fn show(station: &Station, verdict: GateVerdict, about: About) -> GateVerdict {
    station.gate_verdict(&verdict, about);
    station.signal(if verdict.admitted { Signal::Ok } else { Signal::Refuse });
    verdict
}

/// Judges somebody whose name is known, records the passage and shows it.
fn judge(station: &Station, passer: Passer, now: Instant) -> GateVerdict {
    if let Some(verdict) = twice::read_again(station, &passer, now) {
        return show(station, verdict, About { refused: None, ticket: passer.pairing() });
    }
    let decided = decide(station, &passer, Wish::default());
    tell(station, passer, decided, now)
}

/// The same for whom a screen asks for. The same request again is the same passage: it is neither written nor shown
/// anew, and for anybody else it is refused.
fn ask(station: &Station, passer: Passer, wish: Wish) -> Result<GateVerdict, NotDone> {
    let decided = decide(station, &passer, wish);
    if matches!(&decided.recorded, Ok(Outcome { judged: Judged::OtherRequest, .. })) {
        return Err(NotDone::Code(OTHER_REQUEST));
    }
    Ok(tell(station, passer, decided, Instant::now()))
}

/// What was decided and recorded, when, and by whose leave.
struct Decided {
    at_unix_ms: u64,
    by: claim::By,
    recorded: Result<Outcome, StoreError>,
}

fn decide(station: &Station, passer: &Passer, wish: Wish) -> Decided {
    let at_unix_ms = station.name_of_verdict();
    let by = claim::ask(station, passer, &wish);
    let (by, recorded) = record(station, passer, wish, by);
    // a store that failed may have written all the same: then the claim is kept
    let is_refused = |outcome: &Outcome| matches!(outcome.judged, Judged::Refused(_) | Judged::OtherRequest);
    by.end(station, !recorded.as_ref().is_ok_and(is_refused));
    Decided { at_unix_ms, by, recorded }
}

/// Records by this leave; asks the group once more where there was nothing to ask for, and is now.
fn record(station: &Station, passer: &Passer, wish: Wish, by: claim::By) -> (claim::By, Result<Outcome, StoreError>) {
    let recorded = passage::record(station, passer, wish.clone(), by);
    let unclaimed = |outcome: &Outcome| matches!(outcome.judged, Judged::Refused(GateRefusal::ClaimedElsewhere));
    if by != claim::By::Unasked || !recorded.as_ref().is_ok_and(unclaimed) {
        return (by, recorded);
    }
    let by = claim::ask(station, passer, &wish);
    (by, passage::record(station, passer, wish, by))
}

fn tell(station: &Station, passer: Passer, decided: Decided, now: Instant) -> GateVerdict {
    let Decided { at_unix_ms, by, recorded } = decided;
    let ticket = passer.pairing();
    let shown = GateVerdict { can_replace: ticket.is_some(), ..passer.shown(at_unix_ms) };
    let of_ticket = About { refused: None, ticket };
    match recorded {
        Ok(Outcome { judged: Judged::Passed(passage), entry, is_paired, is_new }) => {
            let verdict = GateVerdict {
                admitted: true,
                out: passage.direction == Direction::Out,
                product_name: station.in_its_language(&passage.product),
                decided: by.shown(),
                entry: entry.map(|entry| entry.to_string()).unwrap_or_default(),
                ..shown
            };
            if !is_new {
                return GateVerdict { marks: marks(station, passage.marks, &by, 0), ..verdict };
            }
            let copies = entry.map_or(0, |entry| station.lan.copies(entry));
            let pairing = pairing(station, &passer, &passage, is_paired);
            let marks = marks(station, passage.marks, &by, copies);
            let verdict = GateVerdict { pairing, marks, copies, ..verdict };
            station.let_through(&verdict, now);
            station.just_passed.remember(passer.subject(&station.bundle().bundle.festival), &verdict, now);
            show(station, verdict, of_ticket)
        }
        Ok(Outcome { judged: Judged::Refused(refusal), .. }) => {
            let shown = GateVerdict { can_override: true, decided: by.shown(), ..refused(station, shown, &refusal) };
            show(station, shown, About { refused: Some(passer), ..of_ticket })
        }
        Ok(Outcome { judged: Judged::OtherRequest, .. }) => {
            show(station, GateVerdict { code: Some(OTHER_REQUEST.into()), ..shown }, of_ticket)
        }
        Err(error) => show(station, GateVerdict { code: Some(error.code().into()), ..shown }, of_ticket),
    }
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
    match station.desk.ask(fresh_id(), Purpose::Pairing(of)) {
        Ok(_) => Pairing::Waiting,
        // a sale is open on this box: the guest goes in without a band
        Err(_) => Pairing::None,
    }
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
