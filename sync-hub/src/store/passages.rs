//! Who let how many people into each zone, and who was dealt its places.
//! Invariant: everything here can be rebuilt from the entries; sums only grow, except where a journal is counted anew.
use domain::id::{DeviceId, EntryRef};
use rusqlite::{Connection, Row, params};

use super::{Reading, Store, StoreError, rows, statement};

/// One gate's row in one zone: the journal of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passages {
    /// Which zone.
    pub zone: u16,
    /// Whose.
    pub device: DeviceId,
    /// Which run of its journal.
    pub epoch: u32,
    /// What was counted.
    pub sums: PassageSums,
}

/// What is counted of one gate in one zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassageSums {
    /// Admissions.
    pub ins: u32,
    /// Exits.
    pub outs: u32,
    /// Of the admissions those that a supervisor decided.
    pub overrides: u32,
    /// Places that the hub granted.
    pub granted: u32,
    /// The same, as the gate said it.
    pub granted_told: u32,
    /// Places that it gave back.
    pub released: u32,
    /// The hub's term that it answered last; 0 none.
    pub told_term: u32,
    /// Its newest passage, by its own stamp.
    pub last_ms: u64,
    /// The newest grant: epoch and position in the hub's journal.
    pub grant: (u32, u32),
}

impl PassageSums {
    /// Counts what another part of the same gate's entries amounts to.
    pub fn add(&mut self, other: &Self) {
        self.ins = self.ins.saturating_add(other.ins);
        self.outs = self.outs.saturating_add(other.outs);
        self.overrides = self.overrides.saturating_add(other.overrides);
        self.granted = self.granted.max(other.granted);
        self.granted_told = self.granted_told.max(other.granted_told);
        self.released = self.released.max(other.released);
        self.told_term = self.told_term.max(other.told_term);
        self.last_ms = self.last_ms.max(other.last_ms);
        self.grant = self.grant.max(other.grant);
    }

    /// Ins less outs.
    pub fn inside(&self) -> i64 {
        i64::from(self.ins).saturating_sub(self.outs.into())
    }

    /// All that was granted, as far as hub or gate know.
    pub fn all_granted(&self) -> u32 {
        self.granted.max(self.granted_told)
    }

    /// The newest grant, in the journal of `hub`.
    pub fn grant_of(&self, hub: DeviceId) -> Option<EntryRef> {
        let (epoch, seq) = self.grant;
        (self.granted > 0).then_some(EntryRef { device: hub, epoch, seq })
    }
}

const ALL: &str = "SELECT zone, device, epoch, ins, outs, overrides, granted, granted_told, released, told_term, last_ms, \
                   grant_epoch, grant_seq FROM passages WHERE festival = $1 ORDER BY zone, device, epoch";

fn read(r: &Row<'_>) -> rusqlite::Result<Passages> {
    Ok(Passages {
        zone: r.get(0)?,
        device: DeviceId(r.get(1)?),
        epoch: r.get(2)?,
        sums: PassageSums {
            ins: r.get(3)?,
            outs: r.get(4)?,
            overrides: r.get(5)?,
            granted: r.get(6)?,
            granted_told: r.get(7)?,
            released: r.get(8)?,
            told_term: r.get(9)?,
            last_ms: r.get::<_, i64>(10)?.max(0).unsigned_abs(),
            grant: (r.get(11)?, r.get(12)?),
        },
    })
}

fn all(conn: &Connection, festival: i64) -> Result<Vec<Passages>, StoreError> {
    rows(conn, ALL, params![festival], read)
}

impl Store {
    /// All rows, by zone.
    pub fn passages(&self) -> Result<Vec<Passages>, StoreError> {
        all(&self.conn, self.festival)
    }

    /// Writes one row.
    pub fn put_passages(&self, row: &Passages) -> Result<(), StoreError> {
        let sums = &row.sums;
        statement(
            &self.conn,
            "INSERT INTO passages (festival, zone, device, epoch, ins, outs, overrides, granted, granted_told, released, \
             told_term, last_ms, grant_epoch, grant_seq) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
             ON CONFLICT (festival, zone, device, epoch) DO UPDATE SET ins = excluded.ins, outs = excluded.outs, \
             overrides = excluded.overrides, granted = excluded.granted, granted_told = excluded.granted_told, \
             released = excluded.released, told_term = excluded.told_term, last_ms = excluded.last_ms, \
             grant_epoch = excluded.grant_epoch, grant_seq = excluded.grant_seq",
        )?
        .execute(params![
            self.festival,
            row.zone,
            row.device.0,
            row.epoch,
            sums.ins,
            sums.outs,
            sums.overrides,
            sums.granted,
            sums.granted_told,
            sums.released,
            sums.told_term,
            i64::try_from(sums.last_ms).unwrap_or(i64::MAX),
            sums.grant.0,
            sums.grant.1
        ])?;
        Ok(())
    }
}

impl Reading {
    /// All rows, by zone.
    pub fn passages(&self) -> Result<Vec<Passages>, StoreError> {
        all(&self.conn, self.festival)
    }
}
