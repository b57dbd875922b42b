//! Lists that people hand the hub as CSV.
use domain::money::Cents;

use crate::{memory, taken_as};

// The hub's own reading; the hub itself brings a database and a web server along, of which a fuzz target has no use.
#[allow(dead_code, reason = "only what reads is used")]
#[path = "../../../sync-hub/src/csv/cell.rs"]
mod cell;
#[allow(dead_code, reason = "only what reads is used")]
#[path = "../../../sync-hub/src/csv/input.rs"]
mod input;
#[path = "../../../sync-hub/src/csv/refused.rs"]
mod refused;

use input::{Columns, Line};
use refused::{BYTES_MAX, BadLine, CELL_MAX, CsvError, LINES_MAX, NAMED_MAX};

const COLUMNS: Columns = Columns {
    required: &["number"],
    further: &["name", "price"],
    known: "number, name, price",
    lenient: |names| names.iter().any(|name| name == "order code"),
    foreign: &["order code", "product", "further"],
};
const HEADS: [&str; 4] = ["", "number,name,price\n", "number;name;price\r\n", "order code,product,further\n"];

pub fn fuzz(input: &[u8]) {
    let Some((how, rest)) = taken_as(input, 6) else { return };
    // cells are held with the names of their columns
    memory::within(262_144, 512, rest.len(), || match how {
        0..=3 => file(&[HEADS[usize::from(how)].as_bytes(), rest].concat()),
        4 => {
            if let Ok(text) = std::str::from_utf8(rest) {
                assert_eq!(cell::bare(&cell::guarded(text)), text);
                assert!(!cell::guarded(text).starts_with(['=', '+', '-', '@', '\t', '\r']), "a formula");
            }
        }
        _ => {
            if let Ok(text) = std::str::from_utf8(rest) {
                if let Ok(amount) = cell::cents(text) {
                    assert!(amount <= Cents::MAX);
                    assert_eq!(cell::cents(&amount.to_string()), Ok(amount));
                }
                if let Ok(number) = cell::number::<u16>("n", text) {
                    assert_eq!(cell::number::<u16>("n", &number.to_string()), Ok(number));
                }
            }
        }
    });
}

/// Every line is either taken or named with its number, and no cell is longer or stranger than it may be.
fn file(bytes: &[u8]) {
    let mut taken = 0;
    let typed = |line: &Line| {
        for name in ["number", "name", "price", "order code", "product", "further"] {
            let text = line.cell(name);
            assert!(text.len() <= CELL_MAX && !text.chars().any(char::is_control), "{text:?}");
        }
        taken += 1;
        match line.cell("number") {
            "skip" => Ok(None),
            "" => Err("nothing".to_owned()),
            number => Ok(Some(number.to_owned())),
        }
    };
    let Ok(lines) = input::read(bytes, COLUMNS, typed) else { return };
    assert!(lines.good.len() <= taken);
    assert!(lines.good.is_sorted_by(|a, b| a.0 < b.0), "each line has a number of its own");
    let good = lines.good.len();
    match lines.judged(false) {
        Ok((held, skipped, bad)) => assert_eq!((held.len(), skipped, bad.len()), (good, 0, 0)),
        Err(CsvError::Lines { count, lines }) => {
            assert!(count > 0 && lines.len() == count.min(NAMED_MAX));
            assert!(lines.iter().all(|bad| bad.line > 1 && !bad.reason.is_empty()));
        }
        Err(other) => panic!("a file that was read is refused: {other}"),
    }
}
