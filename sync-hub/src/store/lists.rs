//! Lists that go out and come in whole: issued tickets, delivered bands.
//! Invariant: a list is read row by row and never held whole.
use domain::{
    id::{TicketUid, WalletId},
    journal::BandProfile,
    ticket::TicketId,
};
use rusqlite::{Row, params};

use super::{BarReason, IssuedTicket, Reading, Store, StoreError, row, statement};

/// A wristband as it was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredBand {
    /// Its wallet.
    pub wallet: WalletId,
    /// What it is.
    pub profile: BandProfile,
    /// Label of the batch that it came in.
    pub batch: String,
}

fn issued(r: &Row<'_>) -> rusqlite::Result<IssuedTicket> {
    Ok(IssuedTicket { id: r.get(0)?, uid: TicketUid(r.get(1)?), category: r.get(2)?, text: r.get(3)? })
}

fn band(r: &Row<'_>) -> rusqlite::Result<Option<DeliveredBand>> {
    let wallet = WalletId(r.get(0)?);
    let profile = BandProfile::from_byte(r.get(1)?);
    let batch = r.get(2)?;
    Ok(profile.map(|profile| DeliveredBand { wallet, profile, batch }))
}

impl Store {
    /// The issued ticket with this id.
    pub fn issued(&self, id: &TicketId) -> Result<Option<IssuedTicket>, StoreError> {
        let sql = "SELECT ticket_id, ticket, category, text FROM issued_tickets WHERE festival = $1 AND ticket_id = $2";
        row(&self.conn, sql, params![self.festival, id], issued)
    }

    /// The delivered band of a wallet.
    pub fn delivered_band(&self, wallet: WalletId) -> Result<Option<DeliveredBand>, StoreError> {
        let sql = "SELECT wallet, profile, batch FROM delivered_bands WHERE festival = $1 AND wallet = $2";
        Ok(row(&self.conn, sql, params![self.festival, wallet.0], band)?.flatten())
    }

    /// Adds a delivered band, or changes the one of its wallet.
    pub fn put_delivered_band(&self, band: &DeliveredBand) -> Result<(), StoreError> {
        statement(
            &self.conn,
            "INSERT INTO delivered_bands (festival, wallet, profile, batch) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (festival, wallet) DO UPDATE SET profile = excluded.profile, batch = excluded.batch",
        )?
        .execute(params![self.festival, band.wallet.0, band.profile.byte(), band.batch])?;
        Ok(())
    }
}

impl Reading {
    /// Every issued ticket by its id, and why it may not enter.
    pub fn each_issued<E: From<StoreError>>(
        &self,
        mut each: impl FnMut(&IssuedTicket, Option<BarReason>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut select = statement(
            &self.conn,
            "SELECT i.ticket_id, i.ticket, i.category, i.text, (SELECT MIN(b.reason) FROM barred_tickets b \
             WHERE b.festival = i.festival AND b.ticket = i.ticket) FROM issued_tickets i \
             WHERE i.festival = $1 ORDER BY i.ticket_id",
        )
        .map_err(StoreError::from)?;
        let mut found = select.query(params![self.festival]).map_err(StoreError::from)?;
        while let Some(row) = found.next().map_err(StoreError::from)? {
            let read = || Ok::<_, rusqlite::Error>((issued(row)?, row.get::<_, Option<i64>>(4)?));
            let (ticket, reason) = read().map_err(StoreError::from)?;
            each(&ticket, reason.and_then(BarReason::from_number))?;
        }
        Ok(())
    }

    /// Every delivered band by its wallet.
    pub fn each_delivered_band<E: From<StoreError>>(
        &self,
        mut each: impl FnMut(&DeliveredBand) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = "SELECT wallet, profile, batch FROM delivered_bands WHERE festival = $1 ORDER BY wallet";
        let mut select = statement(&self.conn, sql).map_err(StoreError::from)?;
        let mut found = select.query(params![self.festival]).map_err(StoreError::from)?;
        while let Some(row) = found.next().map_err(StoreError::from)? {
            if let Some(band) = band(row).map_err(StoreError::from)? {
                each(&band)?;
            }
        }
        Ok(())
    }
}
