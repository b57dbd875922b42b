//! Makes the ticket snapshot and the list of names. Runs beside the writer, on a connection that only reads.
use std::collections::BTreeMap;

use domain::{
    bundle::{SECTION_NAMES, SECTION_TICKETS},
    id::{FestivalId, TicketUid},
    names::{self, Named},
    secrets::NamesKey,
    ticket::{
        own::ParsedOwn,
        snapshot::{self, SnapshotProduct, SnapshotTicket},
    },
};

use super::BlobFolder;
use crate::{
    hub::HubError,
    store::{Reading, StoreError, StoredBlob},
};

/// What blobs are made with.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The festival.
    pub festival: FestivalId,
    /// Opens and seals names; without it there is no list of them.
    pub names: Option<NamesKey>,
    /// Where they are kept.
    pub folder: BlobFolder,
    /// Numbers start above it.
    pub floor: u64,
    /// The newest ones.
    pub held: BTreeMap<u16, StoredBlob>,
}

/// What became of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// This is its blob now.
    Blob(StoredBlob),
    /// It needs none.
    Nothing(u16),
}

impl Plan {
    fn number(&self, section: u16) -> u64 {
        self.held.get(&section).map_or(0, |held| held.number).max(self.floor).saturating_add(1)
    }

    /// The one held, where it was made from the same.
    fn unchanged(&self, section: u16, source: &[u8; 32]) -> Option<Made> {
        self.held.get(&section).filter(|held| held.source == *source).map(|held| Made::Blob(*held))
    }
}

/// Makes what has changed.
pub fn make(reading: &Reading, plan: &Plan) -> Result<Vec<Made>, HubError> {
    let tickets = known_tickets(reading)?;
    let made = vec![make_tickets(plan, &tickets)?, make_names(reading, plan, &tickets)?];
    Ok(made)
}

/// Every ticket that this hub knows: issued, imported, barred.
fn known_tickets(reading: &Reading) -> Result<BTreeMap<TicketUid, SnapshotTicket>, StoreError> {
    let mut tickets = BTreeMap::new();
    reading.each_text(|uid, category, text| {
        let said = ParsedOwn::parse(text).ok();
        let said = said.as_ref().map(ParsedOwn::ticket);
        let ticket = SnapshotTicket {
            product: Some(SnapshotProduct { event: 0, product: u32::from(category) }),
            window: said.map(|ticket| (ticket.valid_from, ticket.valid_until)),
            zones: said.map_or(0, |ticket| ticket.zones),
            ..SnapshotTicket::bare(uid)
        };
        tickets.insert(uid, ticket);
    })?;
    for ticket in reading.imported()? {
        tickets.insert(ticket.uid, ticket);
    }
    for (uid, revoked) in reading.barred()? {
        let ticket = tickets.entry(uid).or_insert_with(|| SnapshotTicket::bare(uid));
        ticket.revoked |= revoked;
        ticket.blocked |= !revoked;
    }
    Ok(tickets)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn make_tickets(plan: &Plan, tickets: &BTreeMap<TicketUid, SnapshotTicket>) -> Result<Made, HubError> {
    if tickets.is_empty() {
        return Ok(Made::Nothing(SECTION_TICKETS));
    }
    // Number 0 stands for what it says alone.
    let source = *blake3::hash(&snapshot::write(&plan.festival, 0, tickets.values().copied())).as_bytes();
    if let Some(made) = plan.unchanged(SECTION_TICKETS, &source) {
        return Ok(made);
    }
    let number = plan.number(SECTION_TICKETS);
    let bytes = snapshot::write(&plan.festival, number, tickets.values().copied());
    let blob = plan.folder.put(&bytes, count(tickets.len()))?;
    Ok(Made::Blob(StoredBlob { section: SECTION_TICKETS, number, source, blob }))
}

fn make_names(reading: &Reading, plan: &Plan, tickets: &BTreeMap<TicketUid, SnapshotTicket>) -> Result<Made, HubError> {
    let Some(key) = &plan.names else { return Ok(Made::Nothing(SECTION_NAMES)) };
    let sealed = reading.names()?;
    if sealed.is_empty() {
        return Ok(Made::Nothing(SECTION_NAMES));
    }
    let product = |ticket: &TicketUid| tickets.get(ticket).and_then(|ticket| ticket.product);
    // The sealed bytes differ whenever a name does; nothing that depends on a name alone is kept.
    let mut hash = blake3::Hasher::new();
    for (ticket, sealed) in &sealed {
        hash.update(&ticket.0).update(blake3::hash(sealed).as_bytes());
        hash.update(format!("{:?}", product(ticket)).as_bytes());
    }
    let source = *hash.finalize().as_bytes();
    if let Some(made) = plan.unchanged(SECTION_NAMES, &source) {
        return Ok(made);
    }
    let mut named = Vec::with_capacity(sealed.len());
    for (ticket, sealed) in &sealed {
        match names::open_one(&plan.festival, key, ticket, sealed) {
            Ok(name) => named.push(Named { name: name.as_str().into(), ticket: *ticket, product: product(ticket) }),
            Err(error) => tracing::warn!(%error, "a holder's name cannot be opened; it is left out"),
        }
    }
    let mut random = [0; 20];
    getrandom::fill(&mut random).map_err(|_| HubError::Random)?;
    let bytes = names::seal(&plan.festival, key, &random, &named).map_err(|_| HubError::Invalid("too many names"))?;
    let blob = plan.folder.put(&bytes, count(named.len()))?;
    Ok(Made::Blob(StoredBlob { section: SECTION_NAMES, number: plan.number(SECTION_NAMES), source, blob }))
}
