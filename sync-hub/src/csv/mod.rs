//! Tickets, categories and bands as CSV, in and out.
//! Invariant: a file is taken whole or not at all, unless bad lines were asked to be passed over; taking it again
//! changes nothing; a cell never becomes a formula in somebody's spreadsheet.
//! Not here: SQL (`store`), HTTP (`web`), holders' names (sealed; they are never exported).
mod bands;
mod categories;
mod cell;
mod input;
mod refused;
mod tickets;

use std::io::{self, Read, Write};

use serde::Serialize;
use thiserror::Error;

pub use refused::{BYTES_MAX, BadLine, CELL_MAX, CsvError, LINES_MAX, NAMED_MAX};

use crate::{
    hub::{Hub, HubError},
    store::{Reading, StoreError},
};

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Tickets of our own.
    Tickets,
    /// Their categories.
    Categories,
    /// Wristbands as they were delivered.
    Bands,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tickets, Self::Categories, Self::Bands];

    /// Name in commands, addresses and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tickets => "tickets",
            Self::Categories => "categories",
            Self::Bands => "bands",
        }
    }

    /// From [`Self::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.name() == name)
    }
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Lines that were not known before.
    pub new: usize,
    /// Lines that changed what was held.
    pub changed: usize,
    /// Lines that were known already, as they are.
    pub unchanged: usize,
    /// How many bad lines were passed over.
    pub skipped: usize,
    /// The first of them.
    pub bad: Vec<BadLine>,
    /// Lines of orders that are not paid for (pending, expired, cancelled): nothing was issued for them.
    pub unpaid: usize,
    /// How many tickets were issued before for such a line and still admit: whoever wants that no more revokes them.
    pub lapsed: usize,
    /// The first of them.
    pub lapsed_tickets: Vec<Lapsed>,
}

/// A ticket whose order is not paid for any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lapsed {
    /// Its line, from 1; the header is 1.
    pub line: u64,
    /// Which position of which order.
    pub reference: String,
    /// The ticket's id, by which it can be revoked (24 hexadecimal digits).
    pub id: String,
}

/// A list that could not be written out.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Whoever reads it went away, or the disk is full.
    #[error("the list could not be written: {0}")]
    Write(#[from] io::Error),
}

impl From<csv::Error> for ExportError {
    fn from(error: csv::Error) -> Self {
        Self::Write(io::Error::other(error))
    }
}

impl Hub {
    /// Takes a list in, as one transaction.
    pub fn import_csv(&mut self, table: Table, file: impl Read, skip_bad: bool) -> Result<Taken, HubError> {
        match table {
            Table::Tickets => tickets::import(self, file, skip_bad),
            Table::Categories => categories::import(self, file, skip_bad),
            Table::Bands => bands::import(self, file, skip_bad),
        }
    }
}

/// Writes a list out: UTF-8, commas, CRLF (RFC 4180), line by line.
pub fn export(reading: &Reading, table: Table, out: impl Write) -> Result<(), ExportError> {
    let mut out = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    match table {
        Table::Tickets => tickets::export(reading, &mut out)?,
        Table::Categories => categories::export(reading, &mut out)?,
        Table::Bands => bands::export(reading, &mut out)?,
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests;
