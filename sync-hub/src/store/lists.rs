//! Lists that go out and come in whole: issued tickets, delivered bands.
//! Invariant: a list is read row by row and never held whole.
use domain::{
    id::{TicketUid, WalletId},
    journal::BandProfile,
    ticket::TicketId,
};
use rusqlite::{Row, params};

use super::{BarReason, IssuedTicket, Reading, Store, StoreError, row, statement};

/// What became of a chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BandState {
    /// A band.
    Issued,
    /// A band that is kept for whoever loses his own.
    Spare,
    /// No band, and why: a code.
    Bad(String),
}

/// A wristband as it was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredBand {
    /// Its wallet.
    pub wallet: WalletId,
    /// What it is; `None` for a bad chip that could be no band.
    pub profile: Option<BandProfile>,
    /// Label of the batch that it came in.
    pub batch: String,
    /// What became of it.
    pub state: BandState,
}

/// How many delivered chips are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BandCounts {
    /// Bands.
    pub issued: u64,
    /// Spare bands.
    pub spare: u64,
    /// Bad chips.
    pub bad: u64,
}

fn issued(r: &Row<'_>) -> rusqlite::Result<IssuedTicket> {
    Ok(IssuedTicket { id: r.get(0)?, uid: TicketUid(r.get(1)?), category: r.get(2)?, text: r.get(3)? })
}

fn band(r: &Row<'_>) -> rusqlite::Result<DeliveredBand> {
    let state = match r.get(3)? {
        SPARE => BandState::Spare,
        BAD => BandState::Bad(r.get(4)?),
        _ => BandState::Issued,
    };
    Ok(DeliveredBand {
        wallet: WalletId(r.get(0)?),
        profile: BandProfile::from_byte(r.get(1)?),
        batch: r.get(2)?,
        state,
    })
}

/// States as they are stored; 0 is a band.
const SPARE: i64 = 1;
const BAD: i64 = 2;

impl Store {
    /// The issued ticket with this id.
    pub fn issued(&self, id: &TicketId) -> Result<Option<IssuedTicket>, StoreError> {
        let sql = "SELECT ticket_id, ticket, category, text FROM issued_tickets WHERE festival = $1 AND ticket_id = $2";
        row(&self.conn, sql, params![self.festival, id], issued)
    }

    /// The delivered band of a wallet.
    pub fn delivered_band(&self, wallet: WalletId) -> Result<Option<DeliveredBand>, StoreError> {
        let sql =
            "SELECT wallet, profile, batch, state, reason FROM delivered_bands WHERE festival = $1 AND wallet = $2";
        row(&self.conn, sql, params![self.festival, wallet.0], band)
    }

    /// Adds a delivered band, or changes the one of its wallet.
    pub fn put_delivered_band(&self, band: &DeliveredBand) -> Result<(), StoreError> {
        let (state, reason) = match &band.state {
            BandState::Issued => (0, ""),
            BandState::Spare => (SPARE, ""),
            BandState::Bad(reason) => (BAD, reason.as_str()),
        };
        let profile = band.profile.map_or(0, BandProfile::byte);
        statement(
            &self.conn,
            "INSERT INTO delivered_bands (festival, wallet, profile, batch, state, reason) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (festival, wallet) DO UPDATE SET \
             profile = excluded.profile, batch = excluded.batch, state = excluded.state, reason = excluded.reason",
        )?
        .execute(params![self.festival, band.wallet.0, profile, band.batch, state, reason])?;
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
        let sql =
            "SELECT wallet, profile, batch, state, reason FROM delivered_bands WHERE festival = $1 ORDER BY wallet";
        let mut select = statement(&self.conn, sql).map_err(StoreError::from)?;
        let mut found = select.query(params![self.festival]).map_err(StoreError::from)?;
        while let Some(row) = found.next().map_err(StoreError::from)? {
            each(&band(row).map_err(StoreError::from)?)?;
        }
        Ok(())
    }

    /// How many delivered chips are what.
    pub fn band_counts(&self) -> Result<BandCounts, StoreError> {
        let sql = "SELECT state, CAST(COUNT(*) AS BIGINT) FROM delivered_bands WHERE festival = $1 GROUP BY state";
        let mut select = statement(&self.conn, sql)?;
        let mut found = select.query(params![self.festival])?;
        let mut counts = BandCounts::default();
        while let Some(row) = found.next()? {
            let (state, count): (i64, i64) = (row.get(0)?, row.get(1)?);
            let count = u64::try_from(count).unwrap_or_default();
            match state {
                SPARE => counts.spare = count,
                BAD => counts.bad = count,
                _ => counts.issued = counts.issued.saturating_add(count),
            }
        }
        Ok(counts)
    }
}
