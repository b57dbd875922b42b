//! A CSV file as it comes: with or without a byte order mark, commas or semicolons, any line end.
//! Invariant: no more than the bounds of this module is held; every line that is not good is named with its number.
//! Not here: what the cells mean (the tables).
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader, Read},
};

use super::{BYTES_MAX, BadLine, CELL_MAX, CsvError, LINES_MAX, NAMED_MAX, cell};

/// A byte order mark in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// One line's cells by the name of their column.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    cells: BTreeMap<String, String>,
}

impl Line {
    /// The cell of a column; empty where the file has no such column.
    pub(super) fn cell(&self, column: &str) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }

    /// Whether the file has this column.
    pub(super) fn has(&self, column: &str) -> bool {
        self.cells.contains_key(column)
    }
}

/// The columns of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    /// Must be there.
    pub(super) required: &'static [&'static str],
    /// May be there.
    pub(super) further: &'static [&'static str],
    /// Both, for people.
    pub(super) known: &'static str,
    /// Whether a header is of another layout whose further columns are passed over.
    pub(super) lenient: fn(&[String]) -> bool,
    /// The columns of that layout that are read.
    pub(super) foreign: &'static [&'static str],
}

/// What a file gave: typed lines with their numbers, and the bad ones.
#[derive(Debug)]
pub(super) struct Lines<T> {
    /// Good ones.
    pub(super) good: Vec<(u64, T)>,
    bad: Vec<BadLine>,
    bad_count: usize,
}

/// The good lines with their numbers, how many were passed over, and the bad ones that are named.
pub(super) type Judged<T> = (Vec<(u64, T)>, usize, Vec<BadLine>);

impl<T> Lines<T> {
    /// Names a line as bad.
    pub(super) fn refuse(&mut self, line: u64, reason: String) {
        self.bad_count = self.bad_count.saturating_add(1);
        if self.bad.len() < NAMED_MAX {
            self.bad.push(BadLine { line, reason });
        }
    }

    /// The bad lines, or the refusal of the whole file where none may be bad.
    pub(super) fn judged(mut self, skip_bad: bool) -> Result<Judged<T>, CsvError> {
        self.bad.sort_by_key(|bad| bad.line);
        if self.bad_count > 0 && !skip_bad {
            return Err(CsvError::Lines { count: self.bad_count, lines: self.bad });
        }
        Ok((self.good, self.bad_count, self.bad))
    }
}

/// Reads a file line by line; `typed` makes of a line's cells what it is, or says why not.
pub(super) fn read<T>(
    file: impl Read,
    columns: Columns,
    mut typed: impl FnMut(&Line) -> Result<Option<T>, String>,
) -> Result<Lines<T>, CsvError> {
    let mut file = BufReader::new(file.take(BYTES_MAX.saturating_add(1)));
    let broken = |error: std::io::Error| CsvError::Read(error.to_string());
    if file.fill_buf().map_err(broken)?.starts_with(MARK) {
        file.consume(MARK.len());
    }
    let separator = separator(file.fill_buf().map_err(broken)?);
    let lined = Lined { inner: file, bytes: 0, after_return: false };
    let mut file = csv::ReaderBuilder::new().delimiter(separator).has_headers(false).flexible(true).from_reader(lined);
    let mut record = csv::ByteRecord::new();
    let failed = |error: csv::Error| CsvError::Read(error.to_string());
    if !file.read_byte_record(&mut record).map_err(failed)? {
        return Err(CsvError::Empty(columns.known));
    }
    let names = header(&record, columns)?;
    let mut lines = Lines { good: Vec::new(), bad: Vec::new(), bad_count: 0 };
    while file.read_byte_record(&mut record).map_err(failed)? {
        let number = record.position().map_or(0, csv::Position::line);
        if lines.good.len().saturating_add(lines.bad_count) >= LINES_MAX {
            return Err(CsvError::TooLong);
        }
        match cells(&record, &names).and_then(|line| typed(&line)) {
            Ok(Some(value)) => lines.good.push((number, value)),
            Ok(None) => {}
            Err(reason) => lines.refuse(number, reason),
        }
    }
    if file.get_ref().bytes > BYTES_MAX {
        return Err(CsvError::TooLong);
    }
    Ok(lines)
}

/// Counts what was read, so that a file that was cut at the bound is refused, and gives every line end as one line feed:
/// `csv` counts line feeds alone, and takes that of CR LF for the beginning of the next line.
struct Lined<R> {
    inner: R,
    bytes: u64,
    after_return: bool,
}

impl<R: Read> Read for Lined<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let count = self.inner.read(buffer)?;
            self.bytes = self.bytes.saturating_add(count as u64);
            let mut kept = 0;
            for at in 0..count {
                let byte = buffer[at];
                let is_second = self.after_return && byte == b'\n';
                self.after_return = byte == b'\r';
                if !is_second {
                    buffer[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept = kept.saturating_add(1);
                }
            }
            // nothing is the end of the file; half a line end is not
            if kept > 0 || count == 0 {
                return Ok(kept);
            }
        }
    }
}

/// The separator that stands more often in the first line.
fn separator(start: &[u8]) -> u8 {
    let line = start.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let count = |wanted: u8| line.iter().filter(|byte| **byte == wanted).count();
    if count(b';') > count(b',') { b';' } else { b',' }
}

/// The columns' names; `None` where a column is passed over.
fn header(record: &csv::ByteRecord, columns: Columns) -> Result<Vec<Option<String>>, CsvError> {
    let wrong = |reason: String| CsvError::Header { reason, known: columns.known };
    let mut names = Vec::new();
    for cell in record {
        let name = std::str::from_utf8(cell).map_err(|_| wrong("it is not UTF-8 text".into()))?.trim().to_lowercase();
        if name.len() > CELL_MAX || name.chars().any(char::is_control) {
            return Err(wrong("a name in it is no column's name".into()));
        }
        names.push(name);
    }
    let is_lenient = (columns.lenient)(&names);
    let read = if is_lenient { [columns.foreign, &[]] } else { [columns.required, columns.further] };
    let known = |name: &str| read.iter().any(|columns| columns.contains(&name));
    let mut seen = BTreeSet::new();
    if let Some(twice) = names.iter().find(|name| known(name) && !seen.insert(*name)) {
        return Err(wrong(format!("{twice:?} stands there twice")));
    }
    if is_lenient {
        return Ok(names.into_iter().map(|name| known(&name).then_some(name)).collect());
    }
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        return Err(wrong(format!("{unknown:?} is not known")));
    }
    match columns.required.iter().find(|required| names.iter().all(|name| name != *required)) {
        Some(missing) => Err(wrong(format!("{missing:?} is missing"))),
        None => Ok(names.into_iter().map(Some).collect()),
    }
}

fn cells(record: &csv::ByteRecord, names: &[Option<String>]) -> Result<Line, String> {
    if record.len() != names.len() {
        return Err(format!("{} cells where the header names {}", record.len(), names.len()));
    }
    let mut line = Line::default();
    for (name, cell) in names.iter().zip(record) {
        let Some(name) = name else { continue };
        if cell.len() > CELL_MAX {
            return Err(format!("{name}: a cell has at most {CELL_MAX} bytes, this one has {}", cell.len()));
        }
        let text = std::str::from_utf8(cell).map_err(|_| format!("{name}: not UTF-8 text"))?;
        let text = cell::bare(text.trim());
        if text.chars().any(|c| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')) {
            return Err(format!("{name}: it holds a control character"));
        }
        line.cells.insert(name.clone(), text.to_string());
    }
    Ok(line)
}
