//! Tickets of our own: issuing, revoking; and the categories they are of.
//! Invariant: a ticket's id is random and its text is signed; revoking is an entry, so that every hub and box agrees.
//! Not here: the format (`domain::ticket`), tickets of pretix (`pretix`).
pub mod qr;

use domain::{
    bundle::Category,
    id::TicketUid,
    journal::{BlockedKind, Detail, Effect, Entry, Kind, Revocation},
    names,
    ticket::{TicketId, holder_check, own::OwnTicket, uid_of_own},
};

use crate::{
    hub::{Hub, HubError},
    store::{BarReason, IssuedTicket},
};

/// Longest name of a holder, in bytes.
pub const HOLDER_MAX: usize = names::NAME_MAX;

/// What to issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Category.
    pub category: u16,
    /// Name of the holder; empty: for whoever brings it.
    pub holder: String,
    /// Unix seconds from which it is valid; 0: from the start.
    pub valid_from: u32,
    /// Unix seconds until which it is valid; 0: to the end.
    pub valid_until: u32,
}

impl Hub {
    /// Issues tickets, all or none, as one transaction.
    pub fn issue(&mut self, order: &Order, count: usize) -> Result<Vec<IssuedTicket>, HubError> {
        if order.holder.len() > HOLDER_MAX {
            return Err(HubError::Invalid("the holder's name is too long"));
        }
        let categories = self.store.categories()?;
        let category = categories.into_iter().find(|category| category.number == order.category);
        let category = category.ok_or(HubError::NotFound("the category"))?;
        let mut tickets = Vec::with_capacity(count);
        for _ in 0..count {
            tickets.push(self.signed(order, &category)?);
        }
        let now = self.now_ms();
        let mut names = Vec::new();
        for ticket in &tickets {
            names.extend(self.sealed_name(ticket.uid, &order.holder)?.map(|sealed| (ticket.uid, sealed)));
        }
        self.store.transaction::<_, HubError>(|store| {
            tickets.iter().try_for_each(|ticket| store.add_issued(ticket, now))?;
            names.iter().try_for_each(|(ticket, sealed)| store.put_name(*ticket, sealed))?;
            Ok(())
        })?;
        self.blobs.changed();
        Ok(tickets)
    }

    /// A holder's name as it is kept; `None` for nobody, or where this hub has no key to seal it with.
    pub(crate) fn sealed_name(&self, ticket: TicketUid, name: &str) -> Result<Option<Vec<u8>>, HubError> {
        let Some(key) = self.identity.names.as_ref().filter(|_| !name.trim().is_empty()) else { return Ok(None) };
        let mut random = [0; 24];
        getrandom::fill(&mut random).map_err(|_| HubError::Random)?;
        let sealed = names::seal_one(&self.identity.festival, key, &random, &ticket, name.trim());
        sealed.map(Some).map_err(|_| HubError::Invalid("the holder's name cannot be sealed"))
    }

    fn signed(&self, order: &Order, category: &Category) -> Result<IssuedTicket, HubError> {
        let mut id: TicketId = [0; 12];
        getrandom::fill(&mut id).map_err(|_| HubError::Random)?;
        self.signed_as(id, order, category)
    }

    /// The ticket of an order whose id is given, not issued yet.
    pub(crate) fn ordered(
        &self,
        id: TicketId,
        order: &Order,
        categories: &[Category],
    ) -> Result<IssuedTicket, HubError> {
        let category = categories.iter().find(|category| category.number == order.category);
        self.signed_as(id, order, category.ok_or(HubError::NotFound("the category"))?)
    }

    fn signed_as(&self, id: TicketId, order: &Order, category: &Category) -> Result<IssuedTicket, HubError> {
        let ticket = OwnTicket {
            ticket_id: id,
            category: category.number,
            zones: category.zones,
            valid_from: order.valid_from,
            valid_until: order.valid_until,
            holder_check: holder_check(&order.holder),
        };
        if !ticket.window_is_possible() {
            return Err(HubError::Invalid("the ticket would end before it starts"));
        }
        Ok(IssuedTicket {
            id,
            uid: uid_of_own(&self.identity.festival, &id),
            category: category.number,
            text: ticket.sign(&self.identity.festival, self.issuing_key()?),
        })
    }

    /// Adds a category; its number must be free.
    pub fn add_category(&mut self, category: &Category) -> Result<(), HubError> {
        if self.store.categories()?.iter().any(|held| held.number == category.number) {
            return Err(HubError::Exists("a category of this number"));
        }
        self.store.transaction(|store| Ok(store.put_category(category)?))
    }

    /// Bars tickets, each once: entries in one journal commit, and the lists for the next bundle. Gives how many
    /// were not barred before.
    pub fn bar_tickets(&mut self, tickets: &[TicketUid], reason: BarReason) -> Result<usize, HubError> {
        let mut new = Vec::new();
        for ticket in tickets {
            if !new.contains(ticket) && !self.store.is_barred(*ticket, reason)? {
                new.push(*ticket);
            }
        }
        for chunk in new.chunks(400) {
            let entries = chunk.iter().map(|ticket| self.bar_entry(*ticket, reason)).collect();
            self.act(entries)?;
            self.store.transaction::<_, HubError>(|store| {
                for ticket in chunk {
                    store.bar_ticket(*ticket, reason)?;
                }
                Ok(())
            })?;
        }
        self.dirty.revocations |= !new.is_empty();
        if !new.is_empty() {
            self.blobs.changed();
        }
        Ok(new.len())
    }

    fn bar_entry(&mut self, ticket: TicketUid, reason: BarReason) -> Entry {
        match reason {
            BarReason::Revoked => {
                let revocation = Revocation { heads: Vec::new(), reason: reason.code().into() };
                let part = Detail::Revocation(BlockedKind::Ticket, revocation).to_bytes();
                Entry { part, ..self.entry(Kind::REVOCATION, Effect::Block, ticket.into()) }
            }
            BarReason::Blocked => self.block_entry(BlockedKind::Ticket, ticket.into(), reason.code()),
        }
    }

    /// Lifts the block of a ticket (a revocation is for ever). Whether there was one.
    pub fn unblock_ticket(&mut self, ticket: TicketUid) -> Result<bool, HubError> {
        let entries = self.lifting(BlockedKind::Ticket, ticket.into())?;
        self.act(entries)?;
        let lifted = self.store.transaction::<_, HubError>(|store| Ok(store.unblock_ticket(ticket)?))?;
        if lifted {
            self.blobs.unblocked(ticket);
        }
        Ok(lifted)
    }
}

#[cfg(test)]
mod tests;
