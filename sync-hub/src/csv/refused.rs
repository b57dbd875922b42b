//! How much a file may hold, and why it is not taken.
//! Invariant: a bad line is named with its number, at most [`NAMED_MAX`] of them.
//! Not here: reading it (`input`), what its cells mean (the tables).
use serde::Serialize;
use thiserror::Error;

/// Most bytes of a file.
pub const BYTES_MAX: u64 = 64 << 20;
/// Most lines of a file.
pub const LINES_MAX: usize = 1_000_000;
/// Longest cell.
pub const CELL_MAX: usize = 1_024;
/// Most bad lines that are named one by one.
pub const NAMED_MAX: usize = 1_000;

/// A line that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadLine {
    /// Which, from 1; the header is 1.
    pub line: u64,
    /// Why, for people.
    pub reason: String,
}

/// A file that is not taken; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CsvError {
    /// Too long.
    #[error("the file has more than {BYTES_MAX} bytes or {LINES_MAX} lines; split it")]
    TooLong,
    /// It broke off.
    #[error("the file cannot be read: {0}")]
    Read(String),
    /// Nothing in it.
    #[error("the file is empty; its first line must name the columns: {0}")]
    Empty(&'static str),
    /// A header that is not one.
    #[error("line 1 must name the columns; {reason}. Known columns: {known}")]
    Header {
        /// What is wrong.
        reason: String,
        /// What may stand there.
        known: &'static str,
    },
    /// Bad lines.
    #[error("{count} lines cannot be taken, so nothing was; the first is line {first}: {reason}",
        first = lines.first().map_or(0, |bad| bad.line), reason = lines.first().map_or("", |bad| bad.reason.as_str()))]
    Lines {
        /// How many.
        count: usize,
        /// The first of them.
        lines: Vec<BadLine>,
    },
}
