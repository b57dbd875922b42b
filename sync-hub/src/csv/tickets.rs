//! Tickets of our own: exported with their text, imported from an export of a hub, or ordered by a list.
//! Invariant: an order's reference gives its ticket's id, so that a list taken twice issues nothing twice; a text is
//! taken only if one of this hub's own ticket keys signed it; no line is passed over without being counted.
//! Not here: tickets that pretix signs itself (`pretix`).
//!
//! A list: `reference, category`, and `holder, valid_from, valid_until` (Unix seconds). pretix's own list of order
//! positions is understood too (`order code`, `position id`, `product`, `attendee name`, `status`).
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
};

use domain::{
    bundle::{Bundle, Category},
    ticket::{Product, TicketId, Verifier, uid_of_own},
    wire::{hex, unhex},
};

use super::{ExportError, Lapsed, NAMED_MAX, Taken, cell, input};
use crate::{
    hub::{Hub, HubError},
    store::{BarReason, IssuedTicket, Reading},
    tickets::{HOLDER_MAX, Order},
};

const COLUMNS: input::Columns = input::Columns {
    required: &["category"],
    further: &["id", "text", "state", "reference", "holder", "valid_from", "valid_until"],
    known: "category, then reference, holder, valid_from, valid_until (to issue) or id, text, state (to restore)",
    lenient: is_pretix,
    foreign: &[
        "order code",
        "position id",
        "position",
        "product",
        "attendee name",
        "status",
        "holder",
        "valid_from",
        "valid_until",
    ],
};
/// What pretix writes of a position that is paid for: its code and its words in English, German and French.
const PAID: [&str; 7] = ["", "paid", "p", "valid", "bezahlt", "payée", "payé"];
/// And of one that is not, or not any more.
const UNPAID: [&str; 26] = [
    "n",
    "pending",
    "pending (confirmed)",
    "approval pending",
    "ausstehend",
    "ausstehend (bestätigt)",
    "freigabe ausstehend",
    "en attente",
    "en attente (confirmé)",
    "approbation en attente",
    "e",
    "expired",
    "abgelaufen",
    "expiré",
    "expirée",
    "c",
    "canceled",
    "cancelled",
    "canceled (paid fee)",
    "cancelled (paid fee)",
    "storniert",
    "storniert (bezahlte gebühr)",
    "annulé",
    "annulée",
    "annulé (frais payés)",
    "annulée (frais payés)",
];
/// Longest reference of an order.
const REFERENCE_MAX: usize = 200;

/// Whether the columns are those of pretix's list of order positions.
fn is_pretix(names: &[String]) -> bool {
    let has = |name: &str| names.iter().any(|held| held == name);
    has("order code") && has("product") && (has("position id") || has("position"))
}

/// One good line.
enum Wanted {
    /// A ticket that a hub of this festival issued.
    Restored(IssuedTicket, Option<BarReason>),
    /// One to issue.
    Ordered(TicketId, Order),
    /// One of an order that is not paid for, with its reference.
    Unpaid(TicketId, String),
}

impl Wanted {
    fn id(&self) -> TicketId {
        match self {
            Self::Restored(ticket, _) => ticket.id,
            Self::Ordered(id, _) | Self::Unpaid(id, _) => *id,
        }
    }
}

pub(super) fn import(hub: &mut Hub, file: impl Read, skip_bad: bool) -> Result<Taken, HubError> {
    let bundle =
        Bundle::verify(&hub.current_bundle()?.bytes, None).map_err(|_| HubError::Invalid("the hub's bundle"))?;
    let (verifier, categories) = (bundle.verifier(&[]), hub.store.categories()?);
    let mut seen = BTreeSet::new();
    let mut lines = input::read(file, COLUMNS, |line| {
        let wanted = wanted(hub, line, &verifier, &categories)?;
        match seen.insert(wanted.id()) {
            true => Ok(Some(wanted)),
            false => Err("this ticket stands in the file twice".into()),
        }
    })?;
    let held = held(hub, &lines.good)?;
    let (mut fresh, mut names) = (Vec::new(), Vec::new());
    let mut taken = Taken::default();
    let mut barred: BTreeMap<BarReason, Vec<_>> = BTreeMap::new();
    for (number, wanted) in std::mem::take(&mut lines.good) {
        let known = held.get(&wanted.id());
        match wanted {
            Wanted::Restored(ticket, state) => {
                match known {
                    Some(known) if known.text == ticket.text => taken.unchanged = taken.unchanged.saturating_add(1),
                    Some(_) => {
                        lines.refuse(number, "the hub has this ticket with another text".into());
                        continue;
                    }
                    None => fresh.push(ticket.clone()),
                }
                if let Some(reason) = state {
                    barred.entry(reason).or_default().push(ticket.uid);
                }
            }
            Wanted::Ordered(id, order) => match known {
                Some(known) if known.category == order.category => taken.unchanged = taken.unchanged.saturating_add(1),
                Some(known) => {
                    let reason = format!("this reference was issued in category {} before", known.category);
                    lines.refuse(number, reason);
                }
                None => match hub.ordered(id, &order, &categories) {
                    Ok(ticket) => {
                        let sealed = hub.sealed_name(ticket.uid, &order.holder)?;
                        names.extend(sealed.map(|sealed| (ticket.uid, sealed)));
                        fresh.push(ticket);
                    }
                    Err(HubError::Invalid(reason)) => lines.refuse(number, reason.into()),
                    Err(other) => return Err(other),
                },
            },
            Wanted::Unpaid(_, reference) => {
                taken.unpaid = taken.unpaid.saturating_add(1);
                if let Some(known) = known
                    && !hub.store.is_barred(known.uid, BarReason::Revoked)?
                {
                    taken.lapse(Lapsed { line: number, reference, id: hex(&known.id) });
                }
            }
        }
    }
    let (_, skipped, bad) = lines.judged(skip_bad)?;
    (taken.skipped, taken.bad, taken.new) = (skipped, bad, fresh.len());
    let now = hub.now_ms();
    hub.store.transaction::<_, HubError>(|store| {
        fresh.iter().try_for_each(|ticket| store.add_issued(ticket, now))?;
        names.iter().try_for_each(|(ticket, sealed)| store.put_name(*ticket, sealed))?;
        Ok(())
    })?;
    hub.blobs.changed();
    for reason in [BarReason::Revoked, BarReason::Blocked] {
        if let Some(tickets) = barred.get(&reason) {
            hub.bar_tickets(tickets, reason)?;
        }
    }
    Ok(taken)
}

impl Taken {
    fn lapse(&mut self, lapsed: Lapsed) {
        self.lapsed = self.lapsed.saturating_add(1);
        if self.lapsed_tickets.len() < NAMED_MAX {
            self.lapsed_tickets.push(lapsed);
        }
    }
}

fn held(hub: &Hub, wanted: &[(u64, Wanted)]) -> Result<BTreeMap<TicketId, IssuedTicket>, HubError> {
    let mut held = BTreeMap::new();
    for (_, wanted) in wanted {
        if let Some(ticket) = hub.store.issued(&wanted.id())? {
            held.insert(ticket.id, ticket);
        }
    }
    Ok(held)
}

fn wanted(hub: &Hub, line: &input::Line, verifier: &Verifier, categories: &[Category]) -> Result<Wanted, String> {
    if !line.cell("order code").is_empty() {
        return pretix_line(hub, line, categories);
    }
    match (line.cell("text"), line.cell("reference")) {
        ("", "") => Err("neither a reference (to issue) nor a text (to restore)".into()),
        ("", reference) => {
            let category = category(categories, line.cell("category"))?;
            ordered(hub, reference, category, line)
        }
        (text, _) => restored(line, text, verifier),
    }
}

fn category(categories: &[Category], text: &str) -> Result<u16, String> {
    let found =
        categories.iter().find(|one| one.number.to_string() == text || one.name_fr == text || one.name_en == text);
    found.map(|one| one.number).ok_or_else(|| format!("category: {text:?} is neither a number nor a name of one"))
}

/// A position of a pretix order. What its status says of payment is one of the words that are known: a word that is not
/// would keep a guest who paid out, or let one in who did not.
fn pretix_line(hub: &Hub, line: &input::Line, categories: &[Category]) -> Result<Wanted, String> {
    let position = if line.cell("position id").is_empty() { line.cell("position") } else { line.cell("position id") };
    let reference = format!("pretix {} {position}", line.cell("order code"));
    let status = line.cell("status").to_lowercase();
    if UNPAID.contains(&status.as_str()) {
        return Ok(Wanted::Unpaid(id_of(hub, &reference), reference));
    }
    if !PAID.contains(&status.as_str()) {
        return Err(format!("status: {status:?} is neither known as paid nor as pending, expired or canceled"));
    }
    let category = category(categories, line.cell("product"))?;
    ordered(hub, &reference, category, line)
}

fn ordered(hub: &Hub, reference: &str, category: u16, line: &input::Line) -> Result<Wanted, String> {
    if reference.len() > REFERENCE_MAX {
        return Err(format!("reference: at most {REFERENCE_MAX} bytes, this one has {}", reference.len()));
    }
    let holder = if line.cell("holder").is_empty() { line.cell("attendee name") } else { line.cell("holder") };
    if holder.len() > HOLDER_MAX {
        return Err(format!("holder: at most {HOLDER_MAX} bytes, this one has {}", holder.len()));
    }
    let second = |name: &str| match line.cell(name) {
        "" => Ok(0),
        text => cell::number(name, text),
    };
    let order = Order {
        category,
        holder: holder.into(),
        valid_from: second("valid_from")?,
        valid_until: second("valid_until")?,
    };
    Ok(Wanted::Ordered(id_of(hub, reference), order))
}

/// The id that an order's reference gives at this festival.
fn id_of(hub: &Hub, reference: &str) -> TicketId {
    let mut hash = blake3::Hasher::new_derive_key("festival 2026-11 ticket id of an order");
    hash.update(&hub.identity().festival.0).update(reference.as_bytes());
    let mut id = [0; 12];
    hash.finalize_xof().fill(&mut id);
    id
}

fn restored(line: &input::Line, text: &str, verifier: &Verifier) -> Result<Wanted, String> {
    let ticket = verifier.read(text).map_err(|error| format!("text: {error}"))?;
    let id: TicketId = unhex(line.cell("id"))
        .and_then(|id| id.try_into().ok())
        .ok_or("id: 24 hexadecimal digits are needed beside a text")?;
    let Product::Category(category) = ticket.product else { return Err("text: not a ticket of our own".into()) };
    if uid_of_own(&verifier.festival, &id) != ticket.uid {
        return Err("id: the text is that of another ticket".into());
    }
    if category.to_string() != line.cell("category") {
        return Err(format!("category: the text says {category}"));
    }
    let state = match line.cell("state") {
        "" | "valid" => None,
        "revoked" => Some(BarReason::Revoked),
        "blocked" => Some(BarReason::Blocked),
        other => return Err(format!("state: {other:?} is none of valid, revoked, blocked")),
    };
    Ok(Wanted::Restored(IssuedTicket { id, uid: ticket.uid, category, text: text.into() }, state))
}

pub(super) fn export(reading: &Reading, out: &mut csv::Writer<impl Write>) -> Result<(), ExportError> {
    out.write_record(["id", "category", "state", "text"])?;
    reading.each_issued(|ticket, barred| {
        let state = match barred {
            Some(BarReason::Revoked) => "revoked",
            Some(BarReason::Blocked) => "blocked",
            None => "valid",
        };
        let text = cell::guarded(&ticket.text);
        Ok(out.write_record([hex(&ticket.id), ticket.category.to_string(), state.into(), text])?)
    })
}
