//! What the blobs of the bundle are made from, and which of them is the newest.
//! Invariant: a name goes in and comes out sealed.
use std::collections::BTreeMap;

use domain::{
    bundle::BlobRef,
    id::TicketUid,
    ticket::snapshot::{SnapshotProduct, SnapshotTicket},
};
use rusqlite::params;

use super::{Reading, Store, StoreError, row, rows, statement};

/// A blob as the bundle names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    /// Section of the bundle.
    pub section: u16,
    /// Rising with each one made.
    pub number: u64,
    /// Hash of what it was made from.
    pub source: [u8; 32],
    /// Its name.
    pub blob: BlobRef,
}

/// A ticket that an import named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportedTicket {
    /// Which.
    pub ticket: TicketUid,
    /// Imported event.
    pub event: u16,
    /// pretix item.
    pub item: u32,
    /// Unix seconds, 0 = open.
    pub window: (u32, u32),
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

impl Store {
    /// Keeps the sealed name of a ticket's holder.
    pub fn put_name(&self, ticket: TicketUid, sealed: &[u8]) -> Result<(), StoreError> {
        statement(
            &self.conn,
            "INSERT INTO ticket_names (festival, ticket, sealed) VALUES ($1, $2, $3) \
             ON CONFLICT (festival, ticket) DO UPDATE SET sealed = excluded.sealed",
        )?
        .execute(params![self.festival, ticket.0, sealed])?;
        Ok(())
    }

    /// Keeps a ticket that an import named.
    pub fn put_imported(&self, ticket: &ImportedTicket) -> Result<(), StoreError> {
        statement(
            &self.conn,
            "INSERT INTO imported_tickets (festival, ticket, event, item, valid_from, valid_until) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (festival, ticket) DO UPDATE SET event = excluded.event, \
             item = excluded.item, valid_from = excluded.valid_from, valid_until = excluded.valid_until",
        )?
        .execute(params![
            self.festival,
            ticket.ticket.0,
            ticket.event,
            ticket.item,
            ticket.window.0,
            ticket.window.1
        ])?;
        Ok(())
    }

    /// The newest blobs by section.
    pub fn blobs(&self) -> Result<BTreeMap<u16, StoredBlob>, StoreError> {
        let sql = "SELECT section, number, source, hash, length, records FROM blobs WHERE festival = $1";
        let stored = rows(&self.conn, sql, params![self.festival], |r| {
            let blob = BlobRef { hash: r.get(3)?, length: unsigned(r.get(4)?), count: r.get(5)? };
            Ok(StoredBlob { section: r.get(0)?, number: unsigned(r.get(1)?), source: r.get(2)?, blob })
        })?;
        Ok(stored.into_iter().map(|stored| (stored.section, stored)).collect())
    }

    /// Records the newest blob of its section.
    pub fn put_blob(&self, stored: &StoredBlob) -> Result<(), StoreError> {
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        statement(
            &self.conn,
            "INSERT INTO blobs (festival, section, number, source, hash, length, records) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (festival, section) DO UPDATE SET \
             number = excluded.number, source = excluded.source, hash = excluded.hash, length = excluded.length, \
             records = excluded.records",
        )?
        .execute(params![
            self.festival,
            stored.section,
            signed(stored.number),
            stored.source,
            stored.blob.hash,
            signed(stored.blob.length),
            stored.blob.count
        ])?;
        Ok(())
    }

    /// Forgets the blob of a section.
    pub fn drop_blob(&self, section: u16) -> Result<(), StoreError> {
        statement(&self.conn, "DELETE FROM blobs WHERE festival = $1 AND section = $2")?
            .execute(params![self.festival, section])?;
        Ok(())
    }
}

impl Reading {
    /// Shows every ticket of our own: identity, category and text.
    pub fn each_text(&self, mut show: impl FnMut(TicketUid, u16, &str)) -> Result<(), StoreError> {
        let mut select =
            statement(&self.conn, "SELECT ticket, category, text FROM issued_tickets WHERE festival = $1")?;
        let mut found = select.query(params![self.festival])?;
        while let Some(r) = found.next()? {
            let text: String = r.get(2)?;
            show(TicketUid(r.get(0)?), r.get(1)?, &text);
        }
        Ok(())
    }

    /// Every ticket that an import named.
    pub fn imported(&self) -> Result<Vec<SnapshotTicket>, StoreError> {
        let sql = "SELECT ticket, event, item, valid_from, valid_until FROM imported_tickets WHERE festival = $1";
        rows(&self.conn, sql, params![self.festival], |r| {
            Ok(SnapshotTicket {
                product: Some(SnapshotProduct { event: r.get(1)?, product: r.get(2)? }),
                window: Some((r.get(3)?, r.get(4)?)),
                ..SnapshotTicket::bare(TicketUid(r.get(0)?))
            })
        })
    }

    /// Every ticket that may not enter: whether it is revoked, else it is blocked.
    pub fn barred(&self) -> Result<Vec<(TicketUid, bool)>, StoreError> {
        let sql = "SELECT ticket, reason FROM barred_tickets WHERE festival = $1";
        rows(&self.conn, sql, params![self.festival], |r| Ok((TicketUid(r.get(0)?), r.get::<_, i64>(1)? == 1)))
    }

    /// Every sealed name, by ticket.
    pub fn names(&self) -> Result<Vec<(TicketUid, Vec<u8>)>, StoreError> {
        let sql = "SELECT ticket, sealed FROM ticket_names WHERE festival = $1 ORDER BY ticket";
        rows(&self.conn, sql, params![self.festival], |r| Ok((TicketUid(r.get(0)?), r.get(1)?)))
    }

    /// The sealed name of one ticket's holder.
    pub fn name(&self, ticket: TicketUid) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT sealed FROM ticket_names WHERE festival = $1 AND ticket = $2";
        row(&self.conn, sql, params![self.festival, ticket.0], |r| r.get(0))
    }
}
