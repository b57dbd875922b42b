//! A guest without the ticket, found by name: what the sealed names say, and the admission of one of them.
//! Invariant: names are opened in memory for one search, one search at a time, and are neither stored nor logged;
//! whoever was found is judged like the ticket, and passes on a supervisor's word where there is a staff list.
//! Not here: the names' format (`domain::names`), who has the key (gates, by their enrolment).
use std::sync::TryLockError;

use domain::{
    access::{Direction, KnownTicket},
    id::TicketUid,
    names::{self, NamesError, QUERY_MIN},
    ticket::{fold_name, snapshot::SnapshotProduct},
};
use screens::{
    post,
    view::{FoundGuest, FoundGuests, FoundState, GateVerdict},
};

use super::passage::{Passer, Wish, Word, known_ticket, tail};
use crate::{loaded::Loaded, refusal::NotDone, station::Station, tap_desk::RequestId};

/// Holders whose names fit, at most [`names::FOUND_MAX`]. Blocks while all names are opened.
pub(crate) fn find(station: &Station, query: &str) -> Result<FoundGuests, NotDone> {
    if fold_name(query).chars().filter(|letter| *letter != ' ').count() < QUERY_MIN {
        return Err(NotDone::Code("gate.search_short"));
    }
    let loaded = station.bundle();
    let key = station.enrolled().config.names.as_ref();
    let (Some(key), Some(sealed)) = (key, loaded.names()) else {
        return Err(NotDone::Code("gate.search_no_names"));
    };
    let one_at_a_time = station.searching.try_lock();
    if let Err(TryLockError::WouldBlock) = one_at_a_time {
        return Err(NotDone::Code("gate.search_busy"));
    }
    let found = names::search(sealed, &loaded.bundle.festival, key, query).map_err(|error: NamesError| {
        tracing::warn!(%error, "the names of the bundle");
        NotDone::Code("gate.search_damaged")
    })?;
    drop(one_at_a_time);
    let (zone, tickets) = (station.zone(), found.names.iter().map(|named| named.ticket).collect::<Vec<_>>());
    let known = loaded.clone();
    let states = station.store.read(move |view| {
        tickets.iter().map(|uid| state(&known_ticket(view, &known, zone, uid))).collect::<Vec<_>>()
    })?;
    let guests = found.names.iter().zip(states).map(|(named, state)| FoundGuest {
        name: named.name.clone(),
        category: category(station, &loaded, named.product),
        ticket: named.ticket.to_hex(),
        ticket_id_tail: tail(&named.ticket.to_hex()),
        state,
    });
    Ok(FoundGuests { guests: guests.collect(), more: found.more })
}

/// Lets somebody pass who was found by name. Blocks while a PIN is checked. The same id again is the same passage.
pub(crate) fn admit(station: &Station, id: RequestId, ask: &post::AdmitFound) -> Result<GateVerdict, NotDone> {
    let uid = TicketUid::from_hex(&ask.ticket).ok_or(NotDone::Code("gate.search_unknown"))?;
    let by = station.supervisor(ask.supervisor.as_ref())?;
    let ticket = station.bundle().held_ticket(&uid).and_then(|held| held.ticket());
    let ticket = ticket.ok_or(NotDone::Code("gate.search_unknown"))?;
    let wish = Wish { direction: Some(Direction::In), word: Some((by, Word::ByName)), request: Some(id) };
    super::ask(station, Passer::ticket(ticket, Ok(false)), wish)
}

fn state(known: &KnownTicket) -> FoundState {
    match known {
        KnownTicket { revoked: true, .. } => FoundState::Revoked,
        KnownTicket { blocked: true, .. } => FoundState::Blocked,
        KnownTicket { inside: true, .. } => FoundState::Inside,
        KnownTicket { used: true, .. } => FoundState::Used,
        _ => FoundState::Fresh,
    }
}

fn category(station: &Station, loaded: &Loaded, product: Option<SnapshotProduct>) -> String {
    let bundle = &loaded.bundle;
    match product {
        Some(SnapshotProduct { event: 0, product }) => {
            let category = u16::try_from(product).ok().and_then(|number| bundle.category(number));
            category.map_or_else(String::new, |category| match station.lang() {
                screens::Lang::Fr => category.name_fr.clone(),
                screens::Lang::En => category.name_en.clone(),
            })
        }
        Some(SnapshotProduct { event, product }) => {
            bundle.pretix_product(event, product.into()).map_or_else(String::new, |product| product.name.clone())
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use domain::{journal::Kind, staff::StaffRefusal};

    use super::*;
    use crate::{
        bench::{Bench, SUPERVISOR, WAITER},
        gate,
        station::fresh_id,
    };

    const GUESTS: [(u8, &str); 5] =
        [(1, "Hélène Lefèvre"), (2, "Helen Brown"), (3, "Jörg Müller"), (4, "Ada Void"), (5, "Ida Stop")];

    fn bench() -> Bench {
        Bench::gate(&GUESTS, |number, ticket| {
            ticket.revoked = number == 4;
            ticket.blocked = number == 5;
        })
    }

    fn found(bench: &Bench, query: &str) -> Vec<FoundGuest> {
        find(&bench.station, query).unwrap().guests
    }

    fn state_of(bench: &Bench, query: &str) -> FoundState {
        found(bench, query)[0].state
    }

    fn admit_as(bench: &Bench, number: u8, id: RequestId, by: Option<(u32, &str)>) -> Result<GateVerdict, NotDone> {
        let supervisor = by.map(|(number, pin)| post::Pin { number, pin: pin.into() });
        let ticket = Bench::uid_of_ticket(number).to_hex();
        admit(&bench.station, id, &post::AdmitFound { id: String::new(), ticket, supervisor })
    }

    #[test]
    fn a_guest_is_found_whatever_case_and_accents_with_category_ticket_and_state() {
        let bench = bench();
        let guests = found(&bench, "HELENE lef");
        let uid = Bench::uid_of_ticket(1).to_hex();
        let expected = FoundGuest {
            name: "Hélène Lefèvre".into(),
            category: "Full festival".into(),
            ticket_id_tail: uid[28..].into(),
            ticket: uid,
            state: FoundState::Fresh,
        };
        assert_eq!(guests, [expected]);
        assert_eq!(found(&bench, "hel").len(), 2);
        assert_eq!((state_of(&bench, "ada"), state_of(&bench, "ida")), (FoundState::Revoked, FoundState::Blocked));
        assert_eq!(find(&bench.station, " h "), Err(NotDone::Code("gate.search_short")));
        let bar = Bench::new();
        assert_eq!(find(&bar.station, "helen"), Err(NotDone::Code("gate.search_no_names")));
    }

    #[test]
    fn who_was_found_is_admitted_once_and_then_refused_with_the_place() {
        let bench = bench();
        let id = fresh_id();
        let verdict = admit_as(&bench, 3, id, None).unwrap();
        assert!(verdict.admitted && verdict.marks == ["gate.search_admitted"], "{verdict:?}");
        assert_eq!(state_of(&bench, "muller"), FoundState::Inside);
        let again = admit_as(&bench, 3, id, None).unwrap();
        assert_eq!((again.admitted, again.entry), (true, verdict.entry), "the same request is the same passage");
        let second = admit_as(&bench, 3, fresh_id(), None).unwrap();
        assert_eq!(second.code.as_deref(), Some("ticket.already_used"), "{second:?}");
        assert!(second.first_place.is_some() && second.first_unix_ms.is_some(), "{second:?}");
        let shown = gate::scan(&bench.station, &bench.ticket(3, 1));
        assert_eq!(shown.code.as_deref(), Some("ticket.already_used"), "nor does the ticket itself enter any more");
        assert_eq!(bench.entries(Kind::ADMISSION).len(), 1);
    }

    #[test]
    fn a_request_that_admitted_one_guest_admits_no_other() {
        let (bench, id) = (bench(), fresh_id());
        assert!(admit_as(&bench, 3, id, None).unwrap().admitted);
        let shown = bench.station.gate().last;
        assert_eq!(admit_as(&bench, 2, id, None), Err(NotDone::Code("gate.other_request")));
        assert_eq!(bench.station.gate().last, shown);
        let admitted = bench.entries(Kind::ADMISSION);
        assert_eq!(admitted.iter().map(|entry| entry.subject.ticket()).collect::<Vec<_>>(), [Bench::uid_of_ticket(3)]);
    }

    #[test]
    fn whoever_is_barred_or_unknown_is_found_and_not_admitted() {
        let bench = bench();
        for (number, code) in [(4, "ticket.revoked"), (5, "ticket.blocked")] {
            let verdict = admit_as(&bench, number, fresh_id(), None).unwrap();
            assert_eq!((verdict.admitted, verdict.code.as_deref()), (false, Some(code)));
        }
        let unknown = admit_as(&bench, 77, fresh_id(), None);
        assert_eq!(unknown, Err(NotDone::Code("gate.search_unknown")));
        assert!(bench.entries(Kind::ADMISSION).is_empty());
    }

    #[test]
    fn with_a_staff_list_only_a_supervisor_admits_who_was_found_and_is_named() {
        let bench = bench();
        bench.take_on_staff();
        for by in [None, Some(WAITER)] {
            let refused = admit_as(&bench, 1, fresh_id(), by);
            assert_eq!(refused, Err(StaffRefusal::NotSupervisor.into()), "{by:?}");
        }
        assert!(admit_as(&bench, 1, fresh_id(), Some(SUPERVISOR)).unwrap().admitted);
        assert_eq!(bench.entries(Kind::ADMISSION)[0].operator, SUPERVISOR.0);
    }

    #[test]
    fn a_gate_whose_journal_is_closed_for_the_event_admits_nobody_and_lets_people_out() {
        let bench = bench();
        assert!(gate::scan(&bench.station, &bench.ticket(1, 1)).admitted);
        crate::shift::closure(&bench.station, true, None).unwrap();
        let verdict = gate::scan(&bench.station, &bench.ticket(2, 1));
        assert_eq!((verdict.admitted, verdict.code.as_deref()), (false, Some("gate.journal_closed")));
        let found = admit_as(&bench, 2, fresh_id(), None).unwrap();
        assert_eq!(found.code.as_deref(), Some("gate.journal_closed"));
        bench.station.store.set_ways(domain::access::Ways::Out).unwrap();
        assert!(gate::scan(&bench.station, &bench.ticket(1, 1)).admitted, "nobody is kept inside");
    }

    #[test]
    fn a_name_stands_nowhere_in_the_folder_of_the_box_in_the_clear() {
        let bench = bench();
        assert_eq!(found(&bench, "lefevre").len(), 1);
        assert!(admit_as(&bench, 1, fresh_id(), None).unwrap().admitted);
        let mut folders = vec![bench.folder().to_owned()];
        let mut bytes = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { bytes.extend(std::fs::read(path).unwrap()) }
            }
        }
        let stands = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        assert!(stands(b"FNAM") && stands(&Bench::uid_of_ticket(1).0), "the files were read");
        for part in ["Lefèvre", "lefevre", "Hélène", "helene"] {
            assert!(!stands(part.as_bytes()), "{part}");
        }
    }
}
