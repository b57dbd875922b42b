//! What can go wrong with the store, each with a code that a caller can tell apart.
use std::{any::Any, io, path::PathBuf};

use domain::{
    id::{DeviceId, EntryRef, FestivalId},
    journal::BODY_MAX,
};
use rusqlite::ErrorCode;
use thiserror::Error;

/// Why the store writes no more. The evidence stays as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Degraded {
    /// The file or a page of it cannot be read as a database.
    #[error("the database is damaged: {0}")]
    Database(String),
    /// The file is shorter than a store can be.
    #[error("the database was cut to {bytes} bytes")]
    Truncated {
        /// What is left.
        bytes: u64,
    },
    /// Commits stand in the WAL behind a frame that does not hold.
    #[error("frame {frame} of the WAL is damaged, and commits stand behind it")]
    Wal {
        /// Counted from 0.
        frame: usize,
    },
    /// An entry between two others is not there.
    #[error("entry {0} is missing")]
    Missing(EntryRef),
    /// An entry is not one.
    #[error("entry {0} is damaged: {1}")]
    Entry(EntryRef, String),
    /// The hash of a commit does not follow from its entries.
    #[error("the chain breaks at entry {0}")]
    Chain(EntryRef),
    /// The signature of a commit does not hold.
    #[error("the signature at entry {0} does not hold")]
    Signature(EntryRef),
    /// Entries after the last signed commit.
    #[error("the entries after {0} were never signed")]
    Unsigned(EntryRef),
    /// An epoch begins with something else than its genesis.
    #[error("epoch {0} does not begin with its genesis")]
    Genesis(u32),
    /// Entries and totals tell different sums.
    #[error("the sums do not follow from the entries since {0}")]
    Totals(EntryRef),
}

impl Degraded {
    /// Stable name of the reason.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Database(_) => "box.damaged.database",
            Self::Truncated { .. } => "box.damaged.truncated",
            Self::Wal { .. } => "box.damaged.wal",
            Self::Missing(_) => "box.damaged.missing_entry",
            Self::Entry(..) => "box.damaged.entry",
            Self::Chain(_) => "box.damaged.chain",
            Self::Signature(_) => "box.damaged.signature",
            Self::Unsigned(_) => "box.damaged.unsigned",
            Self::Genesis(_) => "box.damaged.genesis",
            Self::Totals(_) => "box.damaged.totals",
        }
    }
}

/// A read or write that did not happen. Nothing of it was written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// No space left.
    #[error("the disk is full: nothing was written; free space, then go on")]
    DiskFull,
    /// The medium failed.
    #[error("the disk failed: {0}")]
    Io(String),
    /// The medium takes no writes.
    #[error("the disk is read-only")]
    ReadOnly,
    /// The database contradicts itself.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The store was found damaged, and only reads.
    #[error("the store only reads: {0}")]
    Degraded(Degraded),
    /// The epoch is closed: another image of this box has written further.
    #[error("epoch {0} is closed for writing; open the next one")]
    EpochStopped(u32),
    /// An entry that no journal can hold.
    #[error("an entry body has at most {BODY_MAX} bytes, this one has {0}")]
    EntryTooLong(usize),
    /// An own entry was to be written that only the store itself writes.
    #[error("a genesis is written by the store alone")]
    GenesisRefused,
    /// The journal has no positions left in this epoch.
    #[error("epoch {0} has no positions left; open the next one")]
    EpochFull(u32),
    /// The decision panicked; nothing of it was written.
    #[error("a decision failed: {0}")]
    Panicked(String),
    /// Too many decisions wait already.
    #[error("{0} decisions wait already")]
    Busy(usize),
    /// The writer has ended.
    #[error("the store is closed")]
    Closed,
    /// What the hub said cannot be read.
    #[error("what the hub said about {0} cannot be read")]
    Knowledge(&'static str),
    /// An older bundle than the one held.
    #[error("bundle {found} is older than bundle {held}, which this box already has; it keeps the newer one")]
    OlderBundle {
        /// Offered.
        found: u64,
        /// Held.
        held: u64,
    },
    /// The bundle's file is gone or changed.
    #[error("bundle {0} is damaged on disk; fetch it again")]
    BundleDamaged(u64),
    /// Anything else the database says.
    #[error("the database refused: {0}")]
    Database(String),
}

impl StoreError {
    /// Stable name of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::DiskFull => "box.disk_full",
            Self::Io(_) => "box.disk_failed",
            Self::ReadOnly => "box.disk_read_only",
            Self::Corrupt(_) => "box.database_damaged",
            Self::Degraded(_) => "box.degraded",
            Self::EpochStopped(_) => "box.epoch_stopped",
            Self::EntryTooLong(_) => "box.entry_too_long",
            Self::GenesisRefused => "box.genesis_refused",
            Self::EpochFull(_) => "box.epoch_full",
            Self::Panicked(_) => "box.decision_failed",
            Self::Busy(_) => "box.busy",
            Self::Closed => "box.store_closed",
            Self::Knowledge(_) => "box.knowledge_unreadable",
            Self::OlderBundle { .. } => "box.bundle_older",
            Self::BundleDamaged(_) => "box.bundle_damaged",
            Self::Database(_) => "box.database_refused",
        }
    }

    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(ToString::to_string);
        Self::Panicked(
            text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into()),
        )
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let Some(code) = error.sqlite_error_code() else {
            return Self::Corrupt(error.to_string());
        };
        let text = error.to_string();
        #[expect(clippy::wildcard_enum_match_arm, reason = "every other code of the database is one error to us")]
        match code {
            ErrorCode::DiskFull => Self::DiskFull,
            ErrorCode::ReadOnly => Self::ReadOnly,
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => Self::Io(text),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Corrupt(text),
            _ => Self::Database(text),
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        #[expect(clippy::wildcard_enum_match_arm, reason = "every other kind is a failing disk to us")]
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly,
            _ => Self::Io(error.to_string()),
        }
    }
}

/// A store that cannot be opened at all.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// It belongs to another box.
    #[error("this store belongs to box {found}, not to {wanted}")]
    OtherBox {
        /// In the store.
        found: DeviceId,
        /// Ours.
        wanted: DeviceId,
    },
    /// It belongs to another festival.
    #[error("this store belongs to festival {found}, not to {wanted}")]
    OtherFestival {
        /// In the store.
        found: FestivalId,
        /// Ours.
        wanted: FestivalId,
    },
    /// Its schema is newer than this software, or a step to ours failed.
    #[error("the store cannot be brought to this software's form: {0}")]
    Migration(String),
    /// The disk or the database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpenError {
    /// Stable name of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InUse(_) => "box.store_in_use",
            Self::OtherBox { .. } => "box.store_of_other_box",
            Self::OtherFestival { .. } => "box.store_of_other_festival",
            Self::Migration(_) => "box.migration_failed",
            Self::Store(error) => error.code(),
        }
    }
}
