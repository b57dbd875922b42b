//! What the parts of intents and sales say twice, told once: differences from what is to be expected.
//! Invariant: what is done to a part can be undone from the entries before it alone, whatever bytes the part holds.
//!
//! Intents: the chip seen (xor) against what the wallet's last intent in the segment leads to; *spent after* less spent
//! before and the sale's amount, modulo 2²⁴. Sales: a product's price (xor of the low seven bits of each byte) against
//! its last one of equal length.
use std::{collections::BTreeMap, ops::Range};

use domain::{journal::Kind, wire::Reader, wristband::CREDIT_RECORD_LEN};

use super::columns::{Id, Row};

/// What a sale's lines and deposits come to, and nothing behind them (`domain::journal::Sale`).
fn sale_total(part: &[u8]) -> Option<u32> {
    let mut input = Reader::new(part);
    let mut next = || input.varint().ok();
    let (out, back, lines) = (next()?, next()?, next()?);
    let mut total = out.saturating_sub(back);
    for _ in 0..lines.min(200) {
        let (_, quantity, price) = (next()?, next()?, next()?);
        total = total.checked_add(quantity.checked_mul(price)?)?;
    }
    input.end().ok()?;
    u32::try_from(total).ok()
}

/// Where an intent's part holds what the chip showed, what will be spent, and its sale (`domain::journal::Intent`).
struct IntentPlaces {
    seen: Range<usize>,
    spent: usize,
    spent_after: usize,
    sale: usize,
}

fn intent_places(kind: u16, part: &[u8]) -> Option<IntentPlaces> {
    let linked = match part.get(9) {
        Some(0) => 0,
        Some(1) => 4,
        _ => return None,
    };
    // purpose 1 · base 4 · before 4 · flag 1 · (before2 4) · sequence 1 · credit 4 · credits 3 · spent 3 · own 4 · spent after 3 · records 1
    let (spent, spent_after) = (linked + 18, linked + 25);
    (kind == Kind::INTENT.0 && part.len() > spent_after + 3).then(|| {
        let records = usize::from(part[spent_after + 3]);
        IntentPlaces { seen: 1..spent + 3, spent, spent_after, sale: spent_after + 4 + records * CREDIT_RECORD_LEN }
    })
}

/// Amount that the part speaks of.
pub(super) fn amount_in(kind: u16, part: &[u8]) -> u32 {
    let sale = match intent_places(kind, part) {
        Some(places) => part.get(places.sale..),
        None if kind == Kind::SALE.0 || kind == Kind::DEPOSIT_OUT.0 => Some(part),
        None => None,
    };
    sale.and_then(sale_total).unwrap_or(0)
}

fn u24(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 3).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], 0]))
}

/// Adds to (or takes from) the intent's *spent after* what was spent before and the sale's amount, modulo 2²⁴.
fn shift_spent(kind: u16, part: &mut [u8], back: bool) {
    let Some(places) = intent_places(kind, part) else { return };
    let base = u24(part, places.spent).wrapping_add(amount_in(kind, part));
    let value = u24(part, places.spent_after);
    let value = if back { value.wrapping_add(base) } else { value.wrapping_sub(base) };
    part[places.spent_after..places.spent_after + 3].copy_from_slice(&value.to_le_bytes()[..3]);
}

/// Turns parts into what can be told in fewer bytes (`told`), or back: each intent's chip as a difference (xor) from
/// what its wallet's last intent leads to, *spent after* from what it should be, a product's price from its last one.
pub(super) fn tell_parts(rows: &mut [Option<Row>], told: bool) {
    let mut chips: BTreeMap<Id, Vec<u8>> = BTreeMap::new();
    let mut prices: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for row in rows.iter_mut().flatten() {
        let Some(IntentPlaces { seen, sale, .. }) = intent_places(row.kind, &row.part) else {
            if row.kind == Kind::SALE.0 {
                tell_prices(&mut row.part, &mut prices, told);
            }
            continue;
        };
        let mut plain = if told { row.part.clone() } else { Vec::new() };
        if told {
            shift_spent(row.kind, &mut row.part, false);
        }
        if let Some(expected) = chips.get(&row.subject).filter(|expected| expected.len() == seen.len()) {
            for (at, (byte, expected)) in row.part[seen.clone()].iter_mut().zip(expected).enumerate() {
                // The flag that says where things are stays readable.
                *byte ^= if at == 8 { 0 } else { *expected };
            }
        }
        if let Some(sale) = row.part.get_mut(sale..) {
            tell_prices(sale, &mut prices, told);
        }
        if !told {
            shift_spent(row.kind, &mut row.part, true);
            plain.clone_from(&row.part);
        }
        chips.insert(row.subject, expected_chip(&plain, &seen));
    }
}

/// Where the varint at `at` ends.
fn varint_end(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.iter().position(|byte| byte & 0x80 == 0).map(|last| at + last + 1)
}

/// Products and prices in a sale's part; `None` where it is not of that layout.
fn lines_in(sale: &[u8]) -> Option<Vec<(Range<usize>, Range<usize>)>> {
    let deposits = varint_end(sale, varint_end(sale, 0)?)?;
    let count = usize::from(*sale.get(deposits)?);
    let mut at = deposits + 1;
    let mut lines = Vec::new();
    for _ in 0..count {
        let product = at..varint_end(sale, at)?;
        let quantity = varint_end(sale, product.end)?;
        at = varint_end(sale, quantity)?;
        lines.push((product, quantity..at));
    }
    (at == sale.len()).then_some(lines)
}

/// Tells each price as a difference (xor, leaving the bits that say where a varint ends) from that product's last one.
fn tell_prices(sale: &mut [u8], prices: &mut BTreeMap<Vec<u8>, Vec<u8>>, told: bool) {
    for (product, price) in lines_in(sale).unwrap_or_default() {
        let came = sale[price.clone()].to_vec();
        let last = prices.get(&sale[product.clone()]).filter(|last| last.len() == came.len());
        for (byte, last) in sale[price.clone()].iter_mut().zip(last.into_iter().flatten()) {
            *byte ^= last & 0x7f;
        }
        let plain = if told { came } else { sale[price].to_vec() };
        prices.insert(sale[product].to_vec(), plain);
    }
}

/// What the chip will show next when nobody else writes on it: this intent's record in force, its base behind it.
fn expected_chip(part: &[u8], seen: &Range<usize>) -> Vec<u8> {
    let mut chip = part[seen.clone()].to_vec();
    let (own, spent_after) = (seen.end, seen.end + 4);
    let spent = chip.len() - 3;
    chip.copy_within(0..4, 4);
    chip[..4].copy_from_slice(&part[own..own + 4]);
    chip[spent..].copy_from_slice(&part[spent_after..spent_after + 3]);
    chip
}
