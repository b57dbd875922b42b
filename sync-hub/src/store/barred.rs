//! Tickets that may not enter, and the events imported from pretix.
//! Invariant: no two events share a key; the caller checks and the primary key holds it.
use std::collections::BTreeMap;

use domain::{
    bundle::{ImportedEvent, PretixProduct, RawKey},
    id::TicketUid,
};
use rusqlite::params;

use super::{Store, StoreError, row, rows, statement};

/// Why a ticket may not enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BarReason {
    /// Reissued, cancelled or refunded; for ever.
    Revoked,
    /// For the time being.
    Blocked,
}

impl BarReason {
    const fn number(self) -> i64 {
        match self {
            Self::Revoked => 1,
            Self::Blocked => 2,
        }
    }

    /// From the number in the database.
    pub(super) const fn from_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Revoked),
            2 => Some(Self::Blocked),
            _ => None,
        }
    }

    /// Stable name, as in the part of the block's entry.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Revoked => "ticket.revoked",
            Self::Blocked => "ticket.blocked",
        }
    }
}

impl Store {
    /// Bars a ticket; whether it was not barred for this reason before.
    pub fn bar_ticket(&self, ticket: TicketUid, reason: BarReason) -> Result<bool, StoreError> {
        let sql = "INSERT INTO barred_tickets (festival, ticket, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        Ok(statement(&self.conn, sql)?.execute(params![self.festival, ticket.0, reason.number()])? > 0)
    }

    /// Lifts a block; whether there was one. A revocation is never lifted.
    pub fn unblock_ticket(&self, ticket: TicketUid) -> Result<bool, StoreError> {
        let sql = "DELETE FROM barred_tickets WHERE festival = $1 AND ticket = $2 AND reason = $3";
        Ok(statement(&self.conn, sql)?.execute(params![self.festival, ticket.0, BarReason::Blocked.number()])? > 0)
    }

    /// Whether this ticket is barred for this reason.
    pub fn is_barred(&self, ticket: TicketUid, reason: BarReason) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM barred_tickets WHERE festival = $1 AND ticket = $2 AND reason = $3";
        Ok(row(&self.conn, sql, params![self.festival, ticket.0, reason.number()], |_| Ok(()))?.is_some())
    }

    /// Tickets barred for this reason, sorted.
    pub fn barred(&self, reason: BarReason) -> Result<Vec<TicketUid>, StoreError> {
        let sql = "SELECT ticket FROM barred_tickets WHERE festival = $1 AND reason = $2 ORDER BY ticket";
        rows(&self.conn, sql, params![self.festival, reason.number()], |r| Ok(TicketUid(r.get(0)?)))
    }

    /// Number of the event with this slug; a new one where it is not known.
    pub fn pretix_event(&self, slug: &str) -> Result<u16, StoreError> {
        let sql = "SELECT event FROM pretix_events WHERE festival = $1 AND slug = $2";
        if let Some(event) = row(&self.conn, sql, params![self.festival, slug], |r| r.get(0))? {
            return Ok(event);
        }
        let sql = "SELECT COALESCE(MAX(event), 0) + 1 FROM pretix_events WHERE festival = $1";
        let event = row(&self.conn, sql, params![self.festival], |r| r.get(0))?.unwrap_or(1);
        statement(&self.conn, "INSERT INTO pretix_events (festival, event, slug) VALUES ($1, $2, $3)")?
            .execute(params![self.festival, event, slug])?;
        Ok(event)
    }

    /// Slug of the event that owns this key.
    pub fn owner_of_pretix_key(&self, key: &[u8; 32]) -> Result<Option<String>, StoreError> {
        let sql = "SELECT e.slug FROM pretix_keys k JOIN pretix_events e ON e.festival = k.festival AND e.event = k.event \
                   WHERE k.festival = $1 AND k.public_key = $2";
        row(&self.conn, sql, params![self.festival, key], |r| r.get(0))
    }

    /// Adds a key of an event. Old keys stay: their tickets are still out there.
    pub fn add_pretix_key(&self, event: u16, key: &[u8; 32]) -> Result<(), StoreError> {
        statement(
            &self.conn,
            "INSERT INTO pretix_keys (festival, public_key, event) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )?
        .execute(params![self.festival, key, event])?;
        Ok(())
    }

    /// Adds a product of an event, or changes it.
    pub fn put_pretix_product(&self, product: &PretixProduct) -> Result<(), StoreError> {
        let item = i64::try_from(product.item).map_err(|_| StoreError::Damaged("pretix item"))?;
        statement(
            &self.conn,
            "INSERT INTO pretix_products (festival, event, item, name, zones) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (festival, event, item) DO UPDATE SET name = excluded.name, zones = excluded.zones",
        )?
        .execute(params![self.festival, product.event, item, product.name, product.zones])?;
        Ok(())
    }

    /// Imported events with their keys.
    pub fn pretix_events(&self) -> Result<Vec<ImportedEvent>, StoreError> {
        let sql = "SELECT event, slug FROM pretix_events WHERE festival = $1 ORDER BY event";
        let events =
            rows(&self.conn, sql, params![self.festival], |r| Ok((r.get::<_, u16>(0)?, r.get::<_, String>(1)?)))?;
        let sql = "SELECT event, public_key FROM pretix_keys WHERE festival = $1 ORDER BY event, public_key";
        let mut keys: BTreeMap<u16, Vec<RawKey>> = BTreeMap::new();
        for (event, key) in rows(&self.conn, sql, params![self.festival], |r| Ok((r.get(0)?, RawKey(r.get(1)?))))? {
            keys.entry(event).or_default().push(key);
        }
        let event = |(index, slug)| ImportedEvent { index, slug, keys: keys.remove(&index).unwrap_or_default() };
        Ok(events.into_iter().map(event).collect())
    }

    /// Products of the imported events.
    pub fn pretix_products(&self) -> Result<Vec<PretixProduct>, StoreError> {
        let sql = "SELECT event, item, name, zones FROM pretix_products WHERE festival = $1 ORDER BY event, item";
        rows(&self.conn, sql, params![self.festival], |r| {
            let item: i64 = r.get(1)?;
            Ok(PretixProduct { event: r.get(0)?, item: item.unsigned_abs(), name: r.get(2)?, zones: r.get(3)? })
        })
    }
}
