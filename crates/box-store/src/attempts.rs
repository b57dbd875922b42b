//! Wrong PINs in a row, kept over restarts: pulling the plug shortens no wait.
//! Invariant: on disk before anybody hears that a PIN was wrong; at most [`KEPT`] numbers.
//! Not here: how long one waits (`domain::staff::PinAttempts`).
use rusqlite::params;

use crate::{error::StoreError, store::Store};

/// Numbers that are kept: those with the most wrong PINs.
const KEPT: u32 = 256;

impl Store {
    /// Wrong PINs in a row by staff number.
    pub fn pin_attempts(&self) -> Result<Vec<(u32, u32)>, StoreError> {
        self.reading(|connection| {
            let mut all = connection.prepare_cached("SELECT member, in_a_row FROM pin_attempts ORDER BY member")?;
            let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Keeps how many PINs of a number were wrong in a row; 0: none any more.
    pub fn keep_pin_attempts(&self, member: u32, in_a_row: u32) -> Result<(), StoreError> {
        self.work(move |writing| {
            writing.whole(|writing| {
                let connection = writing.connection;
                if in_a_row == 0 {
                    connection.prepare_cached("DELETE FROM pin_attempts WHERE member = ?1")?.execute([member])?;
                    return Ok(());
                }
                connection
                    .prepare_cached("INSERT OR REPLACE INTO pin_attempts (member, in_a_row) VALUES (?1, ?2)")?
                    .execute(params![member, in_a_row])?;
                connection
                    .prepare_cached(
                        "DELETE FROM pin_attempts WHERE member NOT IN
                         (SELECT member FROM pin_attempts ORDER BY in_a_row DESC, member LIMIT ?1)",
                    )?
                    .execute([KEPT])?;
                Ok(())
            })
        })
    }
}
