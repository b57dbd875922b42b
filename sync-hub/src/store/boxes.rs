//! Boxes as they showed themselves, and the credit keys that the bundle announces.
use domain::{
    id::{BoxNumber, DeviceId},
    trust::Roles,
};
use rusqlite::{Row, params};

use super::{Store, StoreError, row, rows, statement};

/// A box that has shown its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBox {
    /// The box.
    pub device: DeviceId,
    /// First number of its certificate.
    pub number: BoxNumber,
    /// Where it stands.
    pub place: String,
    /// What it does.
    pub roles: Roles,
    /// Its chain, canonical bytes.
    pub chain: Vec<u8>,
    /// When it was last heard.
    pub last_seen_ms: u64,
    /// How many entries it said it still holds.
    pub unsent: Option<u64>,
    /// Revoked.
    pub revoked: bool,
}

fn ms(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(super) fn stored_ms(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn stored_box(r: &Row<'_>) -> rusqlite::Result<StoredBox> {
    Ok(StoredBox {
        device: DeviceId(r.get(0)?),
        number: BoxNumber(r.get(1)?),
        place: r.get(2)?,
        roles: Roles(r.get(3)?),
        chain: r.get(4)?,
        last_seen_ms: ms(r.get(5)?),
        unsent: r.get::<_, Option<i64>>(6)?.map(ms),
        revoked: r.get(7)?,
    })
}

impl Store {
    /// Records a box, or its newer chain.
    pub fn put_box(&self, stored: &StoredBox) -> Result<(), StoreError> {
        statement(
            &self.conn,
            "INSERT INTO boxes (festival, device, number, place, roles, chain, adopted_ms, last_seen_ms, unsent, revoked) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9) ON CONFLICT (festival, device) DO UPDATE SET \
             number = excluded.number, place = excluded.place, roles = excluded.roles, chain = excluded.chain, \
             last_seen_ms = excluded.last_seen_ms",
        )?
        .execute(params![
            self.festival,
            stored.device.0,
            stored.number.0,
            stored.place,
            stored.roles.0,
            stored.chain,
            stored_ms(stored.last_seen_ms),
            stored.unsent.map(stored_ms),
            stored.revoked
        ])?;
        Ok(())
    }

    /// Notes when boxes were last heard.
    pub fn seen(&self, device: DeviceId, at_ms: u64, unsent: Option<u64>) -> Result<(), StoreError> {
        let sql =
            "UPDATE boxes SET last_seen_ms = $3, unsent = COALESCE($4, unsent) WHERE festival = $1 AND device = $2";
        statement(&self.conn, sql)?.execute(params![
            self.festival,
            device.0,
            stored_ms(at_ms),
            unsent.map(stored_ms)
        ])?;
        Ok(())
    }

    /// Marks a box as revoked.
    pub fn set_revoked(&self, device: DeviceId) -> Result<(), StoreError> {
        statement(&self.conn, "UPDATE boxes SET revoked = 1 WHERE festival = $1 AND device = $2")?
            .execute(params![self.festival, device.0])?;
        Ok(())
    }

    /// All boxes by number.
    pub fn boxes(&self) -> Result<Vec<StoredBox>, StoreError> {
        let sql = "SELECT device, number, place, roles, chain, last_seen_ms, unsent, revoked FROM boxes \
                   WHERE festival = $1 ORDER BY number, device";
        rows(&self.conn, sql, params![self.festival], stored_box)
    }

    /// Boxes whose first number is at most this, the highest first, and at most so many of them.
    pub fn boxes_up_to(&self, number: BoxNumber, most: u32) -> Result<Vec<StoredBox>, StoreError> {
        let sql = "SELECT device, number, place, roles, chain, last_seen_ms, unsent, revoked FROM boxes \
                   WHERE festival = $1 AND number <= $2 ORDER BY number DESC, device LIMIT $3";
        rows(&self.conn, sql, params![self.festival, number.0, most], stored_box)
    }

    /// Announces a credit key; whether it is new.
    pub fn put_credit_key(&self, public_key: &[u8; 32], chain: &[u8]) -> Result<bool, StoreError> {
        let sql = "INSERT INTO credit_keys (festival, public_key, chain) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        Ok(statement(&self.conn, sql)?.execute(params![self.festival, public_key, chain])? > 0)
    }

    /// Chains of the announced credit keys.
    pub fn credit_chains(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let sql = "SELECT chain FROM credit_keys WHERE festival = $1 ORDER BY public_key";
        rows(&self.conn, sql, params![self.festival], |r| r.get(0))
    }
}

impl Store {
    /// What this device showed.
    pub fn stored_box(&self, device: DeviceId) -> Result<Option<StoredBox>, StoreError> {
        let sql = "SELECT device, number, place, roles, chain, last_seen_ms, unsent, revoked FROM boxes \
                   WHERE festival = $1 AND device = $2";
        row(&self.conn, sql, params![self.festival, device.0], stored_box)
    }

    /// The chain that this device showed.
    pub fn chain_of(&self, device: DeviceId) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT chain FROM boxes WHERE festival = $1 AND device = $2";
        row(&self.conn, sql, params![self.festival, device.0], |r| r.get(0))
    }
}
