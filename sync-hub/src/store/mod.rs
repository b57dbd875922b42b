//! The hub's SQLite database. One writer; everything that belongs together is one transaction, and an acknowledgement
//! goes out only after its commit.
//! Invariant: one SQL text for SQLite and PostgreSQL (`$1` parameters, upserts, no SQLite dialect), and every key starts
//! with the festival.
//! Not here: what entries mean (`domain::ledger`), what is signed (`bundle`, `deltas`, `journal`).
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use domain::id::FestivalId;
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, Params, Row, config::DbConfig};
use thiserror::Error;

mod account_shares;
mod barred;
mod batches;
mod blobs;
mod boxes;
mod bundles;
mod catalogue;
mod documents;
mod entries;
mod journals;
mod lists;
mod owed;
mod passages;
mod product_sales;
mod projections;
mod term;
mod ticket_keys;
mod whole;

pub use account_shares::{HeldSums, ShareKey, ShareSums};
pub use barred::BarReason;
pub use blobs::{ImportedTicket, StoredBlob};
pub use boxes::StoredBox;
pub use bundles::StoredBundle;
pub use catalogue::{IssuedTicket, Seed};
pub use documents::AnsweredEdit;
pub use entries::{Place, SetAside};
pub use journals::{Poison, Refused, StoredJournal, StoredRun};
pub use lists::{BandCounts, BandState, DeliveredBand};
pub use owed::BoxKnowledge;
pub use passages::{PassageSums, Passages};
pub use product_sales::ProductSales;
pub use projections::{StoredConflicts, StoredWallet};
pub use term::SideFile;
pub use ticket_keys::KeyDecision;

mod migrations {
    refinery::embed_migrations!("../migrations/hub");
}

/// The store could not do it.
#[derive(Debug, Error)]
pub enum StoreError {
    /// SQLite.
    #[error("database: {0}")]
    Sql(#[from] rusqlite::Error),
    /// A migration.
    #[error("database migration: {0}")]
    Migration(#[from] Box<refinery::Error>),
    /// A file beside the database.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A row that this software did not write.
    #[error("the database holds something unreadable: {0}")]
    Damaged(&'static str),
}

impl StoreError {
    /// Stable name of what is wrong with disk or database, where that is what is wrong.
    pub fn disk_code(&self) -> Option<&'static str> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "no other code speaks of the disk")]
        match self {
            Self::Sql(error) => match error.sqlite_error_code()? {
                ErrorCode::DiskFull => Some("hub.disk_full"),
                ErrorCode::ReadOnly => Some("hub.disk_read_only"),
                ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => Some("hub.disk_failed"),
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Some("hub.database_damaged"),
                _ => None,
            },
            Self::File { reason, .. } => match reason.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Some("hub.disk_full"),
                std::io::ErrorKind::ReadOnlyFilesystem => Some("hub.disk_read_only"),
                _ => Some("hub.disk_failed"),
            },
            Self::Damaged(_) => Some("hub.database_damaged"),
            Self::Migration(_) => None,
        }
    }
}

/// What a transaction may fail with.
pub trait Failure: From<StoreError> {
    /// As [`StoreError::disk_code`].
    fn disk_code(&self) -> Option<&'static str>;
}

impl Failure for StoreError {
    fn disk_code(&self) -> Option<&'static str> {
        Self::disk_code(self)
    }
}

/// The writer's connection.
#[derive(Debug)]
pub struct Store {
    conn: Connection,
    /// What the last transaction failed with, if it was the disk.
    trouble: Option<&'static str>,
    /// It was found damaged.
    damaged: bool,
    side: SideFile,
    /// Term of the last restore that people have dealt with.
    restore_seen: u32,
    /// Small number of the festival in every key.
    festival: i64,
    term: u32,
    changes: i64,
    run: [u8; 16],
    /// Whether the projections count accounts box by box.
    shares: bool,
    /// Which version of the folding they come from.
    projection: i64,
}

/// A connection that only reads, beside the writer.
#[derive(Debug)]
pub struct Reading {
    conn: Connection,
    festival: i64,
}

/// The SQL text as SQLite reads it.
fn text(sql: &str) -> String {
    sql.replace('$', "?")
}

fn statement<'a>(conn: &'a Connection, sql: &str) -> rusqlite::Result<CachedStatement<'a>> {
    conn.prepare_cached(&text(sql))
}

fn rows<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    Ok(statement(conn, sql)?.query_map(params, read)?.collect::<Result<_, _>>()?)
}

fn row<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, StoreError> {
    use rusqlite::OptionalExtension;
    Ok(statement(conn, sql)?.query_row(params, read).optional()?)
}

impl Store {
    /// Opens `hub.db` in `dir`, makes it where there is none, and starts a new term where it is new or restored.
    pub fn open(dir: &Path, festival: FestivalId) -> Result<Self, StoreError> {
        let path = dir.join("hub.db");
        if !path.exists() {
            make_private(&path)?;
        }
        let mut conn = Connection::open(&path)?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "foreign_keys", "ON")?;
        conn.pragma_update(None, "cache_size", -65_536)?;
        conn.pragma_update(None, "wal_autocheckpoint", 4_000)?;
        conn.set_prepared_statement_cache_capacity(256);
        // Otherwise SQLite compiles a statement anew whenever a value that it compares is bound to it.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // refinery panics on rows of its own table that it cannot read
        let migrated = catch_unwind(AssertUnwindSafe(|| migrations::migrations::runner().run(&mut conn)));
        migrated.map_err(|_| StoreError::Damaged("its own list of migrations"))?.map_err(Box::new)?;
        Self::start(conn, SideFile::new(dir.join("term")), festival)
    }

    /// Small number of the festival in every key.
    pub fn festival(&self) -> i64 {
        self.festival
    }

    /// Counts restores of this database.
    pub fn term(&self) -> u32 {
        self.term
    }

    /// Runs `act` as one transaction: all of it or, on an error, nothing.
    pub fn transaction<T, E: Failure>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        if self.damaged {
            return Err(StoreError::Damaged("it is kept as evidence").into());
        }
        let done = self.attempt(act);
        self.trouble = done.as_ref().err().and_then(Failure::disk_code);
        done
    }

    /// It was found damaged: nothing is written to it any more.
    pub fn is_damaged(&mut self) {
        self.damaged = true;
        self.trouble = Some("hub.database_damaged");
    }

    /// What is wrong with disk or database, by the last transaction.
    pub fn trouble(&self) -> Option<&'static str> {
        self.trouble
    }

    fn attempt<T, E: Failure>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        self.conn.execute_batch("BEGIN IMMEDIATE").map_err(StoreError::from)?;
        let changes = self.changes;
        let done = act(self).and_then(|value| {
            self.count_change()?;
            self.conn.execute_batch("COMMIT").map_err(StoreError::from)?;
            Ok(value)
        });
        if done.is_err() {
            // the file beside the database must never know of a change that was not committed
            self.changes = changes;
            if !self.conn.is_autocommit()
                && let Err(reason) = self.conn.execute_batch("ROLLBACK")
            {
                tracing::error!(%reason, "a transaction could not be rolled back");
            }
        }
        done
    }

    /// A further connection that only reads.
    pub fn reading(&self, dir: &Path) -> Result<Reading, StoreError> {
        Reading::open(dir, self.festival)
    }
}

impl Reading {
    /// Opens the database of `dir` for reading.
    pub fn open(dir: &Path, festival: i64) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(dir.join("hub.db"), flags)?;
        conn.pragma_update(None, "cache_size", -4_096)?;
        Ok(Self { conn, festival })
    }
}

fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|reason| StoreError::File { path: path.into(), reason })
}
