//! A ticket at the gate: read, judged and recorded in one transaction, then shown.
//! Invariant: green only after the admission is on disk; one reason for each refusal.
//! Not here: the checks themselves (`domain::ticket`, `domain::access`), pairing (`tapping`).
use domain::{
    access::{self, FirstUse, KnownTicket},
    journal::{Admission, Detail, Effect, Entry, Flags, Kind},
    ledger::TicketFlags,
    ticket::{Product, Scheme, Ticket},
    time::Hlc,
};
use hardware::signal::Signal;
use screens::view::{GateVerdict, Pairing};

use crate::{
    loaded::Loaded,
    station::{Station, fresh_id},
    tap_desk::Purpose,
};
use box_store::{Decision, View};
use sync::Section;

/// What the verdict's transaction decided.
enum Judged {
    /// Whether on stale knowledge.
    Admitted(access::Admit, bool),
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
    let (ticket, key) = match loaded.verifier.read_with_key(text) {
        Ok(read) => read,
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
    let policy = &loaded.bundle.body.policy;
    let key_unchecked = match key.map_or(Ok(false), |key| access::check_key(key, policy, now)) {
        Ok(unchecked) => unchecked,
        Err(refusal) => return refused(station, shown, &refusal),
    };
    let age = station.ticket_knowledge();
    let (zone, alone, currency) = (station.zone(), station.is_alone(), loaded.bundle.currency());
    let (asked, for_judge) = (ticket.clone(), std::sync::Arc::clone(&loaded));
    let committed = station.transact(move |view| {
        let known = known_ticket(view, &asked, &for_judge);
        let policy = &for_judge.bundle.body.policy;
        let judged = access::admit(&asked, &known, &for_judge.bundle, zone, now)
            .and_then(|admit| Ok((admit, access::check_age(age.age_s(view), policy)?)));
        match judged {
            Ok((mut admit, stale)) => {
                let mut entry = admission(&asked, zone, currency);
                admit.time_uncertain |= key_unchecked;
                if admit.time_uncertain {
                    entry.flags = entry.flags.with(Flags::TIME_UNCERTAIN);
                }
                if alone {
                    entry.flags = entry.flags.with(Flags::ALONE);
                }
                Decision::write(vec![entry], Judged::Admitted(admit, stale))
            }
            Err(refusal) => Decision::nothing(Judged::Refused(refusal)),
        }
    });
    match committed {
        Ok(committed) => match committed.result {
            Judged::Admitted(admit, stale) => {
                let mut marks = Vec::new();
                marks.extend(admit.time_uncertain.then(|| "gate.time_uncertain".to_owned()));
                marks.extend(stale.then(|| "gate.stale_knowledge".to_owned()));
                let shown = GateVerdict { marks, ..shown };
                admitted(station, shown, &ticket, admit, committed.refs.first().copied())
            }
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
    GateVerdict {
        admitted: true,
        product_name: station.in_its_language(&admit.product),
        pairing,
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

/// What the hub's state, own entries and the bundle say of a ticket.
fn known_ticket(view: &View<'_>, ticket: &Ticket, loaded: &Loaded) -> KnownTicket {
    let state = view.ticket(&ticket.uid);
    let body = &loaded.bundle.body;
    let told_ms = view.knowledge(Section::Tickets).map_or(0, |known| known.hub_time_ms);
    let bundle = access::FromBundle {
        revoked: body.revoked.binary_search(&ticket.uid).is_ok(),
        blocked: body.blocked.binary_search(&ticket.uid).is_ok(),
        held: loaded.held_ticket(&ticket.uid),
    };
    let named = view.hub_ticket(&ticket.uid);
    let (revoked, blocked) = access::barred(bundle, named.as_ref(), told_ms / 1000 >= body.issued);
    KnownTicket {
        revoked,
        blocked,
        disputed: state.flags.has(TicketFlags::DISPUTED),
        frozen: state.flags.has(TicketFlags::FROZEN),
        first_use: (state.uses > 0).then_some(FirstUse { box_number: state.first_box, at: state.first_use }),
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
