//! Edits of shared documents: what the hub confirmed, in its order, and this box's own until it answers.
//! Invariant: an own edit is there until it is confirmed or refused, over restarts and over a hub that was restored.
//! Not here: what an envelope says (`documents`).
use domain::wire::Reader;
use rusqlite::{Connection, OptionalExtension, params};
use sync::frame::Edit;

use crate::{error::StoreError, store::Store};

/// Refused edits that stay on show.
const REFUSED_KEPT: i64 = 64;
/// Catalogue revisions kept.
const REVISIONS_KEPT: i64 = 64;
/// Most own edits that wait; what a restored hub has lost comes on top, up to as many again.
const WAITING_MAX: i64 = 256;

/// Hash of a change.
type Hash = [u8; 32];

/// An edit made at this box, or kept for a hub that lost it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnEdit {
    /// Hash of its change.
    pub change: Hash,
    /// The signed envelope.
    pub envelope: Vec<u8>,
    /// What the hub answered: none yet, 0 confirmed, otherwise why not.
    pub answer: Option<u16>,
}

/// Confirmed edits from a position on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfirmedEdits {
    /// Position of the first edit held; another one than before: a snapshot replaced all.
    pub first: i64,
    /// Position of the last edit held.
    pub last: i64,
    /// Those after the position that was asked for.
    pub envelopes: Vec<Vec<u8>>,
}

impl Store {
    /// Confirmed edits after `position`, in the hub's order.
    pub fn confirmed_edits(&self, position: i64) -> Result<ConfirmedEdits, StoreError> {
        self.reading(|connection| {
            let ends = "SELECT COALESCE(MIN(position), 0), COALESCE(MAX(position), 0) FROM document_edit";
            let (first, last) = connection.prepare_cached(ends)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let since = "SELECT envelope FROM document_edit WHERE position > ?1 ORDER BY position";
            let mut since = connection.prepare_cached(since)?;
            let envelopes = since.query_map([position], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok(ConfirmedEdits { first, last, envelopes })
        })
    }

    /// Keeps an edit made here until the hub answers; `false` where too many wait already.
    pub fn keep_edit(&self, change: Hash, envelope: Vec<u8>) -> Result<bool, StoreError> {
        self.work(move |writing| {
            writing.whole(|writing| {
                let kept = writing
                    .connection
                    .prepare_cached(
                        "INSERT OR IGNORE INTO document_own (change, envelope) SELECT ?1, ?2
                         WHERE (SELECT COUNT(*) FROM document_own WHERE answer IS NULL) < ?3",
                    )?
                    .execute(params![&change[..], envelope, WAITING_MAX])?;
                Ok(kept > 0)
            })
        })
    }

    /// Edits made here that are not confirmed, and those that were refused last, in the order in which they were made.
    pub fn own_edits(&self) -> Result<Vec<OwnEdit>, StoreError> {
        self.reading(|connection| {
            let mut own =
                connection.prepare_cached("SELECT change, envelope, answer FROM document_own ORDER BY position")?;
            let rows = own
                .query_map([], |row| Ok(OwnEdit { change: row.get(0)?, envelope: row.get(1)?, answer: row.get(2)? }))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The hub answered. `None`: it entered the edit again under its own name, so this one is done with.
    pub fn answer_edit(&self, change: Hash, code: Option<u16>) -> Result<(), StoreError> {
        self.work(move |writing| {
            writing.whole(|writing| {
                let connection = writing.connection;
                match code {
                    Some(code) => connection
                        .prepare_cached("UPDATE document_own SET answer = ?2 WHERE change = ?1")?
                        .execute(params![&change[..], code])?,
                    None => connection
                        .prepare_cached("DELETE FROM document_own WHERE change = ?1")?
                        .execute([&change[..]])?,
                };
                forget_confirmed(connection)?;
                connection
                    .prepare_cached(
                        "DELETE FROM document_own WHERE answer > 0 AND position NOT IN
                         (SELECT position FROM document_own WHERE answer > 0 ORDER BY position DESC LIMIT ?1)",
                    )?
                    .execute([REFUSED_KEPT])?;
                Ok(())
            })
        })
    }

    /// Keeps the heads of a catalogue's revision.
    pub fn keep_revision(&self, revision: u32, heads: Vec<u8>) -> Result<(), StoreError> {
        self.work(move |writing| {
            writing.whole(|writing| {
                let connection = writing.connection;
                connection
                    .prepare_cached("INSERT OR REPLACE INTO catalogue_revision (revision, heads) VALUES (?1, ?2)")?
                    .execute(params![revision, heads])?;
                connection
                    .prepare_cached(
                        "DELETE FROM catalogue_revision WHERE position NOT IN
                         (SELECT position FROM catalogue_revision ORDER BY position DESC LIMIT ?1)",
                    )?
                    .execute([REVISIONS_KEPT])?;
                Ok(())
            })
        })
    }

    /// Heads of the catalogue under this revision.
    pub fn revision_heads(&self, revision: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.reading(|connection| {
            let heads = "SELECT heads FROM catalogue_revision WHERE revision = ?1";
            Ok(connection.prepare_cached(heads)?.query_row([revision], |row| row.get(0)).optional()?)
        })
    }
}

/// A snapshot begins: what was confirmed is put aside, so that what the snapshot lacks can be told to the hub again.
pub(crate) fn begin_snapshot(connection: &Connection) -> Result<Vec<Edit>, StoreError> {
    let held = {
        let mut held = connection.prepare_cached("SELECT change, envelope FROM document_edit ORDER BY position")?;
        let rows = held.query_map([], |row| Ok(Edit { change: row.get(0)?, envelope: row.get(1)? }))?;
        rows.collect::<Result<Vec<_>, _>>()?
    };
    connection.prepare_cached("DELETE FROM document_edit")?.execute([])?;
    Ok(held)
}

/// The snapshot is whole: what it lacks waits for the hub again, also what was answered as confirmed and had not come back
/// by then. Only a hub that was restored lacks anything; another one says again that it has it.
pub(crate) fn end_snapshot(connection: &Connection, held: Vec<Edit>) -> Result<(), StoreError> {
    let mut again = connection.prepare_cached(
        "INSERT OR IGNORE INTO document_own (change, envelope) SELECT ?1, ?2
         WHERE NOT EXISTS (SELECT 1 FROM document_edit WHERE change = ?1)
         AND (SELECT COUNT(*) FROM document_own WHERE answer IS NULL) < 2 * ?3",
    )?;
    for item in held {
        again.execute(params![&item.change[..], item.envelope, WAITING_MAX])?;
    }
    forget_confirmed(connection)?;
    connection.prepare_cached("UPDATE document_own SET answer = NULL WHERE answer = 0")?.execute([])?;
    Ok(())
}

/// Takes the records of a part.
pub(crate) fn items(connection: &Connection, input: &mut Reader<'_>) -> Result<(), StoreError> {
    let mut insert =
        connection.prepare_cached("INSERT OR IGNORE INTO document_edit (change, envelope) VALUES (?1, ?2)")?;
    while !input.rest().is_empty() {
        let item = Edit::read_item(input).map_err(|_| StoreError::Knowledge("an edit"))?;
        insert.execute(params![&item.change[..], item.envelope])?;
    }
    forget_confirmed(connection)
}

fn forget_confirmed(connection: &Connection) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM document_own WHERE change IN (SELECT change FROM document_edit)")?
        .execute([])?;
    Ok(())
}
