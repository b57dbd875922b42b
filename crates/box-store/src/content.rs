//! Whether what the hub said still stands on disk as it was written. A journal proves itself; this has only the sums that
//! are kept beside it (`migrations/edge/V12__content.sql`).
//! Invariant: a section of which a single bit has changed is forgotten, and comes again from the hub as a snapshot; the
//! other sections stay.
//! Not here: what follows from the own journal (`derived`), the journal itself (`check`).
use rusqlite::{
    Connection, OptionalExtension,
    functions::{Context, FunctionFlags},
    params,
    types::ValueRef,
};
use sync::Section;

use crate::{error::StoreError, journal::Identity, neighbours, projection};

/// Length of a sum: four lanes of 64 bits.
const SUM: usize = 32;
/// Length of a lane.
const LANE: usize = 8;

/// A table whose rows are summed, its columns, and the sections that are fetched again if it was changed.
struct Summed {
    name: &'static str,
    columns: &'static str,
    sections: &'static [Section],
}

const ALL: &[Section] = &[
    Section::Wallets,
    Section::Tickets,
    Section::Revocations,
    Section::Credits,
    Section::Zones,
    Section::Documents,
    Section::Shares,
];

const TABLES: &[Summed] = &[
    Summed { name: "hub_wallet", columns: "wallet, state", sections: &[Section::Wallets] },
    Summed { name: "hub_ticket", columns: "ticket, state, wallet", sections: &[Section::Tickets] },
    Summed { name: "revoked", columns: "what, id", sections: &[Section::Revocations] },
    Summed { name: "offered_credit", columns: "wallet, record, amount", sections: &[Section::Credits] },
    Summed { name: "hub_zone", columns: "zone, capacity, inside", sections: &[Section::Zones] },
    Summed { name: "hub_share", columns: "zone, epoch, granted, asked, inside, grant_of", sections: &[Section::Zones] },
    Summed {
        name: "hub_account_share",
        columns: "wallet, epoch, granted, asked, booked, grant_of, open",
        sections: &[Section::Shares],
    },
    Summed { name: "document_edit", columns: "position, change, envelope", sections: &[Section::Documents] },
    Summed { name: "covered", columns: "section, first_at, last_at", sections: &[Section::Wallets, Section::Tickets] },
    Summed { name: "knowledge", columns: "section, term, number, hub_time_ms, received_at_ms", sections: ALL },
];

/// Makes `row_sum` known: every connection that writes needs it.
pub(crate) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("row_sum", -1, flags, |call: &Context<'_>| {
        let mut sum = Sum::of(call.get_raw(0).as_blob()?);
        let name = call.get_raw(2).as_str()?.to_owned();
        let values = (3..call.len()).map(|at| call.get_raw(at));
        sum.count(&name, values, call.get::<i64>(1)? > 0);
        Ok(sum.bytes().to_vec())
    })
}

/// A sum of rows: the same whatever their order, and each row can be taken out again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum([u64; SUM / LANE]);

impl Sum {
    fn of(bytes: &[u8]) -> Self {
        let mut sum = Self::default();
        for (lane, bytes) in sum.0.iter_mut().zip(bytes.chunks_exact(LANE)) {
            *lane = bytes.try_into().map_or(0, u64::from_le_bytes);
        }
        sum
    }

    fn bytes(self) -> [u8; SUM] {
        let mut bytes = [0; SUM];
        for (to, lane) in bytes.chunks_exact_mut(LANE).zip(self.0) {
            to.copy_from_slice(&lane.to_le_bytes());
        }
        bytes
    }

    /// Adds a row, or takes it out.
    fn count<'a>(&mut self, table: &str, values: impl Iterator<Item = ValueRef<'a>>, add: bool) {
        let mut hash = blake3::Hasher::new();
        hash.update(table.as_bytes());
        for value in values {
            let (kind, bytes): (u8, &[u8]) = match &value {
                ValueRef::Null => (0, &[]),
                ValueRef::Integer(number) => {
                    hash.update(&[1]).update(&number.to_le_bytes());
                    continue;
                }
                ValueRef::Real(number) => {
                    hash.update(&[2]).update(&number.to_le_bytes());
                    continue;
                }
                ValueRef::Text(bytes) => (3, bytes),
                ValueRef::Blob(bytes) => (4, bytes),
            };
            hash.update(&[kind]).update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        }
        for (lane, other) in self.0.iter_mut().zip(Self::of(hash.finalize().as_bytes()).0) {
            *lane = if add { lane.wrapping_add(other) } else { lane.wrapping_sub(other) };
        }
    }
}

/// The sum of the rows that `sql` selects, as rows of this table.
pub(crate) fn sum(connection: &Connection, sql: &str, table: &str) -> Result<Sum, StoreError> {
    let mut statement = connection.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut sum = Sum::default();
    while let Some(row) = rows.next()? {
        let values: Vec<ValueRef<'_>> = (0..columns).map(|at| row.get_ref(at)).collect::<Result<_, _>>()?;
        sum.count(table, values.into_iter(), true);
    }
    Ok(sum)
}

impl Summed {
    /// The sum of its rows as they are.
    fn now(&self, connection: &Connection) -> Result<Sum, StoreError> {
        sum(connection, &format!("SELECT {} FROM {}", self.columns, self.name), self.name)
    }

    /// The sum that was kept; `None` where none was.
    fn kept(&self, connection: &Connection) -> Result<Option<Vec<u8>>, StoreError> {
        let kept = "SELECT sum FROM content WHERE name = ?1";
        Ok(connection.prepare(kept)?.query_row([self.name], |row| row.get(0)).optional()?)
    }

    fn keep(&self, connection: &Connection) -> Result<(), StoreError> {
        let sum = self.now(connection)?.bytes();
        connection
            .execute("INSERT OR REPLACE INTO content (name, sum) VALUES (?1, ?2)", params![self.name, &sum[..]])?;
        Ok(())
    }
}

/// Whether the store is of a form that has these sums.
pub(crate) fn is_kept(connection: &Connection) -> Result<bool, StoreError> {
    let there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'content')";
    Ok(connection.query_row(there, [], |row| row.get(0))?)
}

/// Names of the tables that do not stand as they were written; only where the sums are kept.
pub(crate) fn changed(connection: &Connection) -> Result<Vec<&'static str>, StoreError> {
    let mut changed = Vec::new();
    for table in TABLES {
        if table.kept(connection)?.as_deref() != Some(&table.now(connection)?.bytes()[..]) {
            changed.push(table.name);
        }
    }
    Ok(changed)
}

/// Begins the sums of a store that was new or without them a moment ago: it is taken as it is.
pub(crate) fn begin(connection: &Connection) -> Result<(), StoreError> {
    TABLES.iter().try_for_each(|table| table.keep(connection))
}

/// Forgets the sections that these tables belong to, so that the hub sends them again; own entries that it had taken into
/// account count by themselves until then.
pub(crate) fn forget(connection: &Connection, who: &Identity, changed: &[&'static str]) -> Result<(), StoreError> {
    let tables = TABLES.iter().filter(|table| changed.contains(&table.name));
    let mut sections: Vec<Section> = tables.flat_map(|table| table.sections.iter().copied()).collect();
    sections.sort_unstable_by_key(|section| section.byte());
    sections.dedup();
    for section in sections {
        let byte = section.byte();
        connection.execute("DELETE FROM knowledge WHERE section = ?1", [byte])?;
        connection.execute("DELETE FROM covered WHERE section = ?1", [byte])?;
        neighbours::uncover(connection, section)?;
        // signed edits of documents prove themselves: those that still do hold until the snapshot is there
        if let Some(sql) = crate::knowledge::clear(section) {
            connection.execute(sql, [])?;
        }
        if section == Section::Zones {
            connection.execute("DELETE FROM hub_share", [])?;
        }
        if section == Section::Shares {
            connection.execute("DELETE FROM hub_account_share", [])?;
        }
    }
    let cleared = |table: &&Summed| table.sections.iter().any(|section| crate::knowledge::clear(*section).is_some());
    for table in TABLES.iter().filter(|table| changed.contains(&table.name)).filter(cleared) {
        empty(connection, table.name)?;
    }
    projection::rebuild(connection, who.device)?;
    begin(connection)
}

/// Rows that a disk has changed may stand where no deletion finds them: then the table is made anew.
fn empty(connection: &Connection, table: &str) -> Result<(), StoreError> {
    if !connection.prepare(&format!("SELECT 1 FROM {table} LIMIT 1"))?.exists([])? {
        return Ok(());
    }
    let parts = "SELECT sql FROM sqlite_schema WHERE tbl_name = ?1 AND sql IS NOT NULL ORDER BY type <> 'table'";
    let parts: Vec<String> =
        connection.prepare(parts)?.query_map([table], |row| row.get(0))?.collect::<Result<_, _>>()?;
    connection.execute_batch(&format!("DROP TABLE {table}"))?;
    parts.iter().try_for_each(|sql| connection.execute_batch(sql))?;
    Ok(())
}
