//! Whether what was folded from the journal still follows from it: it is folded once more, beside the store, and compared.
//! Invariant: the store is only read; the copy is a temporary database of its own that is gone with the connection.
//! Not here: the folding (`projection`), what happens where they differ (`open`, `store`).
use std::path::Path;

use domain::id::DeviceId;
use rusqlite::{Connection, OpenFlags};

use crate::{content, database, error::StoreError, projection};

/// Tables that are folded: every other one of the schema holds facts.
const FOLDED: [&str; 8] = ["tally", "intent", "unfinished", "hour", "pairing", "passages", "act", "account_here"];

/// The one beside them that has a row for each entry, in the order of its bands. The copy has it in the order of entries,
/// so that it grows at its end; then rows are compared by their sum, which asks for no order.
const TRACES: &str = "touch";
const TRACES_BY_ENTRY: &str = "CREATE TABLE touch (
    subject BLOB NOT NULL,
    at      INTEGER NOT NULL,
    debit   INTEGER NOT NULL,
    moved   INTEGER NOT NULL,
    PRIMARY KEY (at, subject)
) STRICT, WITHOUT ROWID";

/// The most memory for the copy; beyond that it goes through a file.
const CACHE_KIB: u32 = 16_384;

/// The first table whose rows do not follow from the journal.
pub(crate) fn differs(path: &Path, device: DeviceId) -> Result<Option<&'static str>, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let fresh = Connection::open_with_flags("", flags)?;
    database::quiet(&fresh)?;
    // gone at the end in any case: nothing to undo
    fresh.execute_batch(&format!("PRAGMA journal_mode = OFF; PRAGMA cache_size = -{CACHE_KIB}"))?;
    fresh.execute("ATTACH DATABASE ?1 AS store", [read_only(path)])?;
    // one snapshot of the store for all that follows
    fresh.execute_batch("BEGIN")?;
    // here are only the tables that are folded: every other name leads to the store
    for table in FOLDED.iter().chain(&["projection"]) {
        let made = "SELECT sql FROM store.sqlite_schema WHERE type = 'table' AND name = ?1";
        let made: String = fresh.query_row(made, [table], |row| row.get(0))?;
        fresh.execute_batch(&made)?;
    }
    fresh.execute_batch(TRACES_BY_ENTRY)?;
    projection::rebuild(&fresh, device)?;
    for table in FOLDED {
        if !same_rows(&fresh, table)? {
            return Ok(Some(table));
        }
    }
    Ok((!same_traces(&fresh)?).then_some(TRACES))
}

fn same_traces(fresh: &Connection) -> Result<bool, StoreError> {
    let sum = |schema| content::sum(fresh, &format!("SELECT subject, at, debit, moved FROM {schema}.{TRACES}"), TRACES);
    Ok(sum("main")? == sum("store")?)
}

/// Whether both have the same rows of a table. Each begins with its key, so that they come in order by themselves.
fn same_rows(fresh: &Connection, table: &str) -> Result<bool, StoreError> {
    let select = |schema| format!("SELECT * FROM {schema}.{table} ORDER BY 1, 2");
    let (mut folded, mut stored) = (fresh.prepare(&select("main"))?, fresh.prepare(&select("store"))?);
    let columns = folded.column_count();
    let (mut folded, mut stored) = (folded.query([])?, stored.query([])?);
    loop {
        match (folded.next()?, stored.next()?) {
            (None, None) => return Ok(true),
            (Some(folded), Some(stored)) => {
                for column in 0..columns {
                    if folded.get_ref(column)? != stored.get_ref(column)? {
                        return Ok(false);
                    }
                }
            }
            (None, Some(_)) | (Some(_), None) => return Ok(false),
        }
    }
}

/// The store's file as an address that SQLite only reads.
fn read_only(path: &Path) -> String {
    let mut address = "file:".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => address.push(char::from(*byte)),
            other => address.push_str(&format!("%{other:02x}")),
        }
    }
    address + "?mode=ro"
}
