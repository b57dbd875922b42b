//! The SQLite file: how it is opened, created and brought to this software's form.
//! Invariant: WAL with synchronous=FULL on every connection that writes; nobody but the writer has one.
//! Not here: what the tables mean.
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::{
    content,
    error::{OpenError, StoreError},
};

mod embedded {
    refinery::embed_migrations!("../../migrations/edge");
}

/// Pages in the WAL after which it is copied into the database and begun anew: at four or five pages a commit, about 650
/// commits share the three flushes of a checkpoint.
const CHECKPOINT_PAGES: u32 = 3000;
/// Size to which the WAL is filled beforehand: a checkpoint's worth of frames and room for groups beyond. Not more than
/// the 4,062 frames that the first block of its index holds: on a full disk the next block is an error of the disk, while
/// a WAL that cannot grow says that it is full.
const WAL_BYTES: u64 = 4 << 20;
/// Statements that stay prepared.
const STATEMENTS: usize = 160;

/// Neither closing it nor binding values has side effects.
pub(crate) fn quiet(connection: &Connection) -> Result<(), StoreError> {
    // The last connection to close would delete the WAL, and the next start would have to grow it again.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // Otherwise SQLite compiles a statement anew whenever a value that it compares is bound to it: 80 µs a look-up.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn tuned(connection: Connection) -> Result<Connection, StoreError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    quiet(&connection)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

/// A connection that writes. There is one in a process, and the lock beside the file keeps it one in the world.
pub(crate) fn writer(path: &Path) -> Result<Connection, StoreError> {
    let connection = tuned(Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?)?;
    connection.pragma_update(None, "page_size", 1024)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", -1)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -4096)?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.pragma_update(None, "cell_size_check", "ON")?;
    // a row that is replaced is one that goes: the sums of `content` count it
    connection.pragma_update(None, "recursive_triggers", "ON")?;
    content::register(&connection)?;
    Ok(connection)
}

/// A connection that only reads, and leaves the file as it is.
pub(crate) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = tuned(Connection::open_with_flags(path, flags)?)?;
    connection.pragma_update(None, "cache_size", -2048)?;
    connection.pragma_update(None, "cell_size_check", "ON")?;
    Ok(connection)
}

/// Fills the WAL with zeros up to its working size: writing into a file that does not grow costs a third.
/// Zeros are no valid frame, so recovery stops before them.
pub(crate) fn fill_wal(path: &Path) -> io::Result<()> {
    let mut wal = OpenOptions::new().append(true).create(true).open(beside(path, "-wal"))?;
    let before = wal.metadata()?.len();
    let filled = fill(&mut wal, before).and_then(|()| wal.sync_all());
    if filled.is_err() {
        // on a disk that is almost full the rest of the box needs what is left
        wal.set_len(before)?;
    }
    filled
}

fn fill(wal: &mut File, mut length: u64) -> io::Result<()> {
    let zeros = [0; 1 << 16];
    while length < WAL_BYTES {
        let part = zeros.len().min(usize::try_from(WAL_BYTES.saturating_sub(length)).unwrap_or(zeros.len()));
        wal.write_all(zeros.get(..part).unwrap_or(&zeros))?;
        length = length.saturating_add(part as u64);
    }
    Ok(())
}

/// Brings the schema to this software's form.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    // refinery panics on rows of its own table that it cannot read.
    match catch_unwind(AssertUnwindSafe(|| embedded::migrations::runner().run(connection))) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(OpenError::Migration(error.to_string())),
        Err(payload) => Err(OpenError::Migration(StoreError::panicked(payload.as_ref()).to_string())),
    }
}

/// Makes a new store in one step: whole under its name, or not there.
pub(crate) fn create(
    path: &Path,
    fill: impl FnOnce(&mut Connection) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let new = beside(path, ".new");
    for leftover in [new.clone(), beside(&new, "-wal"), beside(&new, "-shm")] {
        match fs::remove_file(leftover) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StoreError::from(error).into()),
            _ => {}
        }
    }
    let mut connection = writer(&new)?;
    migrate(&mut connection)?;
    fill(&mut connection)?;
    connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        .map_err(StoreError::from)?;
    drop(connection);
    for done in [beside(&new, "-wal"), beside(&new, "-shm")] {
        fs::remove_file(done).or_else(absent_is_fine).map_err(StoreError::from)?;
    }
    // A WAL of an earlier store under this name would be taken for this one's.
    for stale in [beside(path, "-wal"), beside(path, "-shm")] {
        fs::remove_file(stale).or_else(absent_is_fine).map_err(StoreError::from)?;
    }
    put_in_place(&new, path).map_err(|error| StoreError::from(error).into())
}

fn absent_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Gives a finished file its name, durably.
pub(crate) fn put_in_place(from: &Path, to: &Path) -> io::Result<()> {
    File::open(from)?.sync_all()?;
    fs::rename(from, to)?;
    match to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

/// The file beside `path` whose name goes on with `suffix`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
