//! Whether what was folded from the journal still follows from it: it is folded once more, beside the store, and compared.
//! Invariant: the store is only read; the copy is a temporary database of its own that is gone with the connection.
//! Not here: the folding (`projection`), what happens where they differ (`open`, `store`).
use std::path::Path;

use domain::id::DeviceId;
use rusqlite::{Connection, OpenFlags};

use crate::{database, error::StoreError, projection};

/// Tables that are folded: every other one of the schema holds facts.
const FOLDED: [&str; 9] =
    ["total", "touch", "intent", "unfinished", "hour", "pairing", "passages", "act", "product_sold"];

/// The first table whose rows do not follow from the journal.
pub(crate) fn differs(path: &Path, device: DeviceId) -> Result<Option<&'static str>, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut fresh = Connection::open_with_flags("", flags)?;
    database::quiet(&fresh)?;
    crate::content::register(&fresh)?;
    database::migrate(&mut fresh).map_err(|error| StoreError::Database(error.to_string()))?;
    drop_facts(&fresh)?;
    fresh.execute("ATTACH DATABASE ?1 AS store", [read_only(path)])?;
    // one snapshot of the store for all that follows; names that are not folded are found there
    fresh.execute_batch("BEGIN")?;
    projection::rebuild(&fresh, device)?;
    for table in FOLDED {
        let same = format!(
            "SELECT NOT EXISTS (SELECT * FROM main.{table} EXCEPT SELECT * FROM store.{table})
             AND NOT EXISTS (SELECT * FROM store.{table} EXCEPT SELECT * FROM main.{table})"
        );
        if !fresh.query_row(&same, [], |row| row.get::<_, bool>(0))? {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

/// Takes every table out of the copy that is not folded, so that its name leads to the store.
fn drop_facts(fresh: &Connection) -> Result<(), StoreError> {
    let names: Vec<String> = fresh
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for name in names.iter().filter(|name| !FOLDED.contains(&name.as_str()) && *name != "projection") {
        fresh.execute_batch(&format!("DROP TABLE {name}"))?;
    }
    Ok(())
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
