//! Signed batches of state by section and number.
use rusqlite::params;
use sync::SignedDelta;

use super::{Store, StoreError, rows, statement};
use crate::deltas::feed::Batch;

impl Store {
    /// Keeps a batch.
    pub fn add_batch(&self, section: u8, batch: &Batch) -> Result<(), StoreError> {
        let sql = "INSERT INTO batches (festival, section, number, part, prev, body, signature, signer) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let mut insert = statement(&self.conn, sql)?;
        for (part, signed) in (0_i64..).zip(&batch.parts) {
            insert.execute(params![
                self.festival,
                section,
                batch.number.cast_signed(),
                part,
                batch.prev.cast_signed(),
                signed.body,
                signed.signature,
                signed.key
            ])?;
        }
        Ok(())
    }

    /// Forgets a section's batches before this one.
    pub fn forget_batches(&self, section: u8, before: u64) -> Result<(), StoreError> {
        let sql = "DELETE FROM batches WHERE festival = $1 AND section = $2 AND number < $3";
        statement(&self.conn, sql)?.execute(params![self.festival, section, before.cast_signed()])?;
        Ok(())
    }

    /// The batches that are kept of a section, in their order.
    pub fn batches(&self, section: u8) -> Result<Vec<Batch>, StoreError> {
        let sql = "SELECT number, prev, body, signature, signer FROM batches \
                   WHERE festival = $1 AND section = $2 ORDER BY number, part";
        let parts = rows(&self.conn, sql, params![self.festival, section], |r| {
            let number = |n| Ok::<_, rusqlite::Error>(r.get::<_, i64>(n)?.cast_unsigned());
            let part = SignedDelta { body: r.get(2)?, signature: r.get(3)?, key: r.get(4)? };
            Ok((number(0)?, number(1)?, part))
        })?;
        let mut batches: Vec<Batch> = Vec::new();
        for (number, prev, part) in parts {
            match batches.last_mut().filter(|last| last.number == number) {
                Some(last) => last.parts.push(part),
                None => batches.push(Batch { number, prev, parts: vec![part] }),
            }
        }
        Ok(batches)
    }
}
