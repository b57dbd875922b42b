//! A receipt as bytes for an ESC/POS printer, in code page 858 (Latin letters and the euro sign).
//! Invariant: of the text only printable characters are sent, so that a name cannot hold a command.
use std::sync::{Arc, Mutex, PoisonError};

use ::escpos::{
    driver::Driver,
    errors::PrinterError,
    printer::Printer,
    printer_options::PrinterOptions,
    utils::{JustifyMode, PageCode, Protocol},
};

use super::{Printed, Receipt};

/// Lines that clear the cutter.
const FEED: u8 = 3;

/// Keeps what would go to a printer.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Driver for Kept {
    fn name(&self) -> String {
        "memory".into()
    }

    fn write(&self, data: &[u8]) -> Result<(), PrinterError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(data);
        Ok(())
    }

    fn read(&self, _: &mut [u8]) -> Result<usize, PrinterError> {
        Ok(0)
    }

    fn flush(&self) -> Result<(), PrinterError> {
        Ok(())
    }
}

/// What a printer of this many columns is sent.
pub(crate) fn bytes(receipt: &Receipt, is_duplicate: bool, columns: usize) -> Result<Vec<u8>, PrinterError> {
    let kept = Kept::default();
    let options = PrinterOptions::new(Some(PageCode::PC858), None, u8::try_from(columns).unwrap_or(u8::MAX));
    let mut printer = Printer::new(kept.clone(), Protocol::default(), Some(options));
    printer.init()?;
    for line in receipt.printed(is_duplicate) {
        match line {
            Printed::Title(text) => {
                printer.justify(JustifyMode::CENTER)?.bold(true)?;
                for row in rows(&text, columns) {
                    put(&mut printer, &row)?;
                }
                printer.bold(false)?.justify(JustifyMode::LEFT)?;
            }
            Printed::Text(text) => {
                for row in rows(&text, columns) {
                    put(&mut printer, &row)?;
                }
            }
            Printed::Sum(name, amount) => sum(&mut printer, &name, &amount, columns)?,
            Printed::Total(name, amount) => {
                printer.bold(true)?;
                sum(&mut printer, &name, &amount, columns)?;
                printer.bold(false)?;
            }
            Printed::Space => {
                printer.feed()?;
            }
        }
    }
    printer.feeds(FEED)?.print_cut()?;
    let bytes = kept.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(bytes)
}

/// One row. ASCII goes as it is: the crate's table of this code page has a soft hyphen for `-`.
fn put(printer: &mut Printer<Kept>, row: &str) -> Result<(), PrinterError> {
    for char in row.chars() {
        match u8::try_from(char) {
            Ok(byte) if byte.is_ascii() => printer.custom(&[byte])?,
            Ok(_) | Err(_) => printer.write(char.encode_utf8(&mut [0; 4]))?,
        };
    }
    printer.feed()?;
    Ok(())
}

/// The name over as many rows as it takes; the amount whole, at the right of the last one.
fn sum(printer: &mut Printer<Kept>, name: &str, amount: &str, columns: usize) -> Result<(), PrinterError> {
    let amount = printable(amount);
    let width = columns.saturating_sub(amount.chars().count() + 1).max(1);
    let mut rows = rows(name, width);
    let last = rows.pop().unwrap_or_default();
    for row in rows {
        put(printer, &row)?;
    }
    let gap = columns.saturating_sub(last.chars().count() + amount.chars().count()).max(1);
    put(printer, &format!("{last}{}{amount}", " ".repeat(gap)))?;
    Ok(())
}

/// Rows of at most so many characters.
fn rows(text: &str, width: usize) -> Vec<String> {
    let text: Vec<char> = printable(text).chars().collect();
    text.chunks(width.max(1)).map(|row| row.iter().collect()).collect()
}

/// Only what code page 858 has: Latin 1 and the euro sign; typographic characters in plain ones, others as `?`.
fn printable(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            ' '..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{ff}' | '€' => plain.push(char),
            '\u{a0}' | '\u{202f}' | '\u{2009}' => plain.push(' '),
            '−' | '–' | '—' | '\u{2011}' => plain.push('-'),
            '’' | '‘' => plain.push('\''),
            '“' | '”' => plain.push('"'),
            'œ' => plain.push_str("oe"),
            'Œ' => plain.push_str("OE"),
            _ => plain.push('?'),
        }
    }
    plain
}
