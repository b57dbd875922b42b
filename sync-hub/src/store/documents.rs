//! Edits of shared documents: what was confirmed, in order, and what was answered otherwise.
//! Invariant: a position is used once; an edit is confirmed or answered otherwise, never both.
use rusqlite::params;
use sync::frame::Edit;

use super::{Store, StoreError, row, rows, statement};

/// An edit that was not confirmed as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnsweredEdit {
    /// Hash of its change.
    pub change: [u8; 32],
    /// 0: the hub entered it again; otherwise why it was refused.
    pub code: u16,
    /// When, Unix ms.
    pub at_ms: u64,
    /// The signed envelope.
    pub envelope: Vec<u8>,
}

impl Store {
    /// Confirmed edits, in order, whose transaction came after `change`; −1 for all.
    pub fn edits_after(&self, change: i64) -> Result<Vec<Edit>, StoreError> {
        let sql = "SELECT edit, envelope FROM document_edits WHERE festival = $1 AND change > $2 ORDER BY position";
        rows(&self.conn, sql, params![self.festival, change], |r| Ok(Edit { change: r.get(0)?, envelope: r.get(1)? }))
    }

    /// Records a confirmed edit as the next.
    pub fn add_edit(&self, edit: &Edit) -> Result<(), StoreError> {
        let sql = "SELECT COALESCE(MAX(position), 0) + 1 FROM document_edits WHERE festival = $1";
        let position: i64 = row(&self.conn, sql, params![self.festival], |r| r.get(0))?.unwrap_or(1);
        statement(
            &self.conn,
            "INSERT INTO document_edits (festival, position, edit, envelope, change) VALUES ($1, $2, $3, $4, $5)",
        )?
        .execute(params![self.festival, position, edit.change, edit.envelope, self.changes()])?;
        Ok(())
    }

    /// Records another answer than a confirmation.
    pub fn add_answer(&self, answer: &AnsweredEdit) -> Result<(), StoreError> {
        statement(
            &self.conn,
            "INSERT INTO document_answers (festival, edit, code, at_ms, envelope) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            self.festival,
            answer.change,
            answer.code,
            i64::try_from(answer.at_ms).unwrap_or(i64::MAX),
            answer.envelope
        ])?;
        Ok(())
    }

    /// What was answered to this edit, where it was not confirmed.
    pub fn answer_to(&self, change: &[u8; 32]) -> Result<Option<u16>, StoreError> {
        let sql = "SELECT code FROM document_answers WHERE festival = $1 AND edit = $2";
        row(&self.conn, sql, params![self.festival, change], |r| r.get(0))
    }

    /// The newest answers that were no confirmation, at most `most`.
    pub fn answered_edits(&self, most: u32) -> Result<Vec<AnsweredEdit>, StoreError> {
        let sql = "SELECT edit, code, at_ms, envelope FROM document_answers WHERE festival = $1 \
                   ORDER BY at_ms DESC, edit LIMIT $2";
        rows(&self.conn, sql, params![self.festival, most], |r| {
            let at_ms: i64 = r.get(2)?;
            Ok(AnsweredEdit { change: r.get(0)?, code: r.get(1)?, at_ms: at_ms.unsigned_abs(), envelope: r.get(3)? })
        })
    }

    /// Takes no edit of this key any more; whether it was taken until now.
    pub fn revoke_manager(&self, key: &[u8; 32], at_ms: u64) -> Result<bool, StoreError> {
        let sql =
            "INSERT INTO revoked_managers (festival, public_key, at_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
        Ok(statement(&self.conn, sql)?.execute(params![self.festival, key, at_ms])? > 0)
    }

    /// Whether edits of this key are refused.
    pub fn is_manager_revoked(&self, key: &[u8; 32]) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM revoked_managers WHERE festival = $1 AND public_key = $2";
        Ok(row(&self.conn, sql, params![self.festival, key], |_| Ok(()))?.is_some())
    }
}
