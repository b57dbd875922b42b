//! A ticket at the gate: read, judged and recorded in one transaction, then shown.
//! Invariant: green only after the admission is on disk; one reason for each refusal.
//! Not here: the checks themselves (`domain::ticket`, `domain::access`), pairing (`tapping`).
use domain::{
    access::{self, FirstUse, KnownTicket},
    id::TicketUid,
    journal::{Admission, Detail, Effect, Entry, Flags, Kind},
    ledger::{TicketFlags, TicketState},
    ticket::{Product, Scheme, Ticket},
    time::Hlc,
};
use hardware::signal::Signal;
use screens::view::{GateVerdict, Pairing};

use crate::{
    station::{Station, fresh_id},
    tap_desk::Purpose,
};
use box_store::Decision;

/// What the verdict's transaction decided.
enum Judged {
    Admitted(access::Admit),
    Refused(access::GateRefusal),
}

/// Judges a ticket's text and records its admission. Takes about a signature check and one flush.
pub(crate) fn scan(station: &Station, text: &str) -> GateVerdict {
    let verdict = judge(station, text);
    station.gate_verdict(&verdict);
    station.signal(if verdict.admitted { Signal::Ok } else { Signal::Refuse });
    verdict
}

fn judge(station: &Station, text: &str) -> GateVerdict {
    let loaded = station.bundle();
    let at_unix_ms = station.now_ms();
    let ticket = match loaded.verifier.read(text) {
        Ok(ticket) => ticket,
        Err(error) => {
            let scheme = Scheme::of(text).map(Scheme::code).unwrap_or("unknown").to_owned();
            return GateVerdict { code: Some(error.code().into()), scheme, at_unix_ms, ..GateVerdict::default() };
        }
    };
    let shown = GateVerdict {
        scheme: ticket.scheme.code().into(),
        ticket_id_tail: tail(&ticket.display_id),
        at_unix_ms,
        ..GateVerdict::default()
    };
    let now = station.trusted_time();
    let (zone, alone, currency) = (station.zone(), station.is_alone(), loaded.bundle.currency());
    let (asked, for_judge) = (ticket.clone(), std::sync::Arc::clone(&loaded));
    let committed = station.transact(move |view| {
        let known =
            known_ticket(&view.ticket(&asked.uid), &for_judge.bundle.body.revoked, &for_judge.bundle.body.blocked);
        match access::admit(&asked, &known, &for_judge.bundle, zone, now) {
            Ok(admit) => {
                let mut entry = admission(&asked, zone, currency);
                if admit.time_uncertain {
                    entry.flags = entry.flags.with(Flags::TIME_UNCERTAIN);
                }
                if alone {
                    entry.flags = entry.flags.with(Flags::ALONE);
                }
                Decision::write(vec![entry], Judged::Admitted(admit))
            }
            Err(refusal) => Decision::nothing(Judged::Refused(refusal)),
        }
    });
    match committed {
        Ok(committed) => match committed.result {
            Judged::Admitted(admit) => admitted(station, shown, &ticket, admit, committed.refs.first().copied()),
            Judged::Refused(refusal) => refused(station, shown, &refusal),
        },
        Err(error) => GateVerdict { code: Some(error.code().into()), ..shown },
    }
}

fn admitted(
    station: &Station,
    shown: GateVerdict,
    ticket: &Ticket,
    admit: access::Admit,
    entry: Option<domain::id::EntryRef>,
) -> GateVerdict {
    let pairing = if station.pairs() { Pairing::Waiting } else { Pairing::None };
    if pairing == Pairing::Waiting {
        // a gate waits for one band; the next guest's ticket replaces the one before
        station.desk.cancel_pairing();
        let _ = station.desk.ask(fresh_id(), Purpose::Pairing(ticket.uid));
    }
    let marks = if admit.time_uncertain { vec!["gate.time_uncertain".to_owned()] } else { Vec::new() };
    GateVerdict {
        admitted: true,
        product_name: station.in_its_language(&admit.product),
        pairing,
        marks,
        entry: entry.map(|entry| entry.to_string()).unwrap_or_default(),
        ..shown
    }
}

fn refused(station: &Station, shown: GateVerdict, refusal: &access::GateRefusal) -> GateVerdict {
    let bundle = &station.bundle().bundle;
    let args = refusal.arguments(bundle).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let first = if let access::GateRefusal::AlreadyUsed(first) = refusal { Some(*first) } else { None };
    GateVerdict {
        code: Some(refusal.code().into()),
        args,
        first_place: first.map(|first| bundle.place(first.box_number)),
        first_unix_ms: first.map(|first| first.at.unix_ms()),
        ..shown
    }
}

/// What the hub's state, own entries and the bundle's lists say of a ticket.
fn known_ticket(state: &TicketState, revoked: &[TicketUid], blocked: &[TicketUid]) -> KnownTicket {
    let first_use = (state.uses > 0).then_some(FirstUse { box_number: state.first_box, at: state.first_use });
    KnownTicket {
        revoked: state.flags.has(TicketFlags::REVOKED) || revoked.binary_search(&state.ticket).is_ok(),
        blocked: state.flags.has(TicketFlags::BLOCKED) || blocked.binary_search(&state.ticket).is_ok(),
        disputed: state.flags.has(TicketFlags::DISPUTED),
        frozen: state.flags.has(TicketFlags::FROZEN),
        first_use,
    }
}

fn admission(ticket: &Ticket, zone: u16, currency: domain::money::Currency) -> Entry {
    let product = match &ticket.product {
        Product::Category(category) => [u64::from(*category), 0, 0, 0],
        Product::Pretix { event, item, variation, subevent } => [u64::from(*event), *item, *variation, *subevent],
    };
    let scheme = match ticket.scheme {
        Scheme::Own => 1,
        Scheme::PretixSig1 => 2,
    };
    let mut entry = Entry::new(Kind::ADMISSION, Effect::In, currency, Hlc::default());
    entry.subject = ticket.uid.into();
    entry.zone = zone;
    entry.part = Detail::Admission(Admission { scheme, marks: 0, product }).to_bytes();
    entry
}

fn tail(id: &str) -> String {
    let start = id.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
    id.get(start..).unwrap_or_default().to_owned()
}
