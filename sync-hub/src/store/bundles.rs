//! Signed bundles by number.
use rusqlite::params;

use super::{Reading, Store, StoreError, row, statement};

/// A bundle that was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBundle {
    /// Its number.
    pub number: u64,
    /// Hash of what it says, without number and time.
    pub content: [u8; 32],
    /// The file.
    pub bytes: Vec<u8>,
}

const NEWEST: &str = "SELECT number, content, bytes FROM bundles WHERE festival = $1 ORDER BY number DESC LIMIT 1";

fn stored(r: &rusqlite::Row<'_>) -> rusqlite::Result<StoredBundle> {
    let number: i64 = r.get(0)?;
    Ok(StoredBundle { number: number.unsigned_abs(), content: r.get(1)?, bytes: r.get(2)? })
}

impl Store {
    /// The newest bundle.
    pub fn newest_bundle(&self) -> Result<Option<StoredBundle>, StoreError> {
        row(&self.conn, NEWEST, params![self.festival], stored)
    }

    /// All of them up to `newest`, newest first, until `look` has found what it looks for.
    pub fn search_bundles<T>(
        &self,
        newest: u64,
        mut look: impl FnMut(StoredBundle) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        let mut all = statement(
            &self.conn,
            "SELECT number, content, bytes FROM bundles WHERE festival = $1 AND number <= $2 ORDER BY number DESC",
        )?;
        let mut rows = all.query(params![self.festival, i64::try_from(newest).unwrap_or(i64::MAX)])?;
        while let Some(row) = rows.next()? {
            if let Some(found) = look(stored(row)?) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Records a bundle.
    pub fn add_bundle(&self, bundle: &StoredBundle) -> Result<(), StoreError> {
        statement(&self.conn, "INSERT INTO bundles (festival, number, content, bytes) VALUES ($1, $2, $3, $4)")?
            .execute(params![
                self.festival,
                i64::try_from(bundle.number).unwrap_or(i64::MAX),
                bundle.content,
                bundle.bytes
            ])?;
        Ok(())
    }
}

impl Reading {
    /// The newest bundle.
    pub fn newest_bundle(&self) -> Result<Option<StoredBundle>, StoreError> {
        row(&self.conn, NEWEST, params![self.festival], stored)
    }
}
