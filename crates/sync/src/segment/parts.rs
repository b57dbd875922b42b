//! The kinds' own parts: those of intents in their fields, a purse sale's commit from its intent, prices from the last.
//! Invariant: what is done to a part can be undone from the entries before it alone, whatever bytes the part holds.
//!
//! Forms: 0 as it is · 1 what the entry referred to foretells · 2 and more: an intent, its shape plus two (`chips`).
use std::{collections::BTreeMap, ops::Range};

use domain::{
    journal::Kind,
    wire::{Malformed, Reader, Writer},
};

use super::{
    chips::{Chips, IntentPart, ToldNumbers},
    row::Row,
};

/// The part as it is.
pub(super) const PLAIN: u64 = 0;
/// The part that the entry referred to foretells.
pub(super) const FORETOLD: u64 = 1;
/// From here on an intent.
pub(super) const INTENT: u64 = 2;

/// A part as it is told.
#[derive(Default)]
pub(super) struct Told {
    pub(super) form: u64,
    /// Of an intent.
    pub(super) numbers: Option<ToldNumbers>,
    /// What is left of the part.
    pub(super) rest: Vec<u8>,
}

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

fn price_in(rest: &[u8]) -> u32 {
    rest.get(IntentPart::sale_at(rest)..).and_then(sale_total).unwrap_or(0)
}

/// Amount that the part speaks of.
pub(super) fn amount_in(kind: u16, part: &[u8]) -> u32 {
    match IntentPart::of(kind, part) {
        Some(intent) => price_in(&intent.rest),
        None if kind == Kind::SALE.0 || kind == Kind::DEPOSIT_OUT.0 => sale_total(part).unwrap_or(0),
        None => 0,
    }
}

/// The part of the commit that follows an intent for a sale: its deposits, no goods.
fn foretold(by: Option<&Row>) -> Option<Vec<u8>> {
    let by = by?;
    let rest = IntentPart::of(by.kind, &by.part)?.rest;
    let sale = rest.get(IntentPart::sale_at(&rest)..)?;
    let deposits = varint_end(sale, varint_end(sale, 0)?)?;
    let mut part = sale.get(..deposits)?.to_vec();
    part.push(0);
    Some(part)
}

/// How to tell the parts of `rows`; `near`: which row each refers to. Names of records go to `apart`.
pub(super) fn tell_parts(rows: &[Option<Row>], near: &[Option<usize>], apart: &mut Writer) -> Vec<Told> {
    let (mut chips, mut prices) = (Chips::default(), Prices::default());
    let mut told = Vec::with_capacity(rows.len());
    for (row, near) in rows.iter().zip(near) {
        let Some(row) = row else { continue };
        let by = near.and_then(|at| rows.get(at)).and_then(Option::as_ref);
        told.push(if let Some(mut part) = IntentPart::of(row.kind, &row.part) {
            let (shape, numbers) = chips.tell(row.subject, &part, price_in(&part.rest), apart);
            let sale = IntentPart::sale_at(&part.rest);
            if let Some(sale) = part.rest.get_mut(sale..) {
                prices.tell(sale);
            }
            Told { form: shape.saturating_add(INTENT), numbers: Some(numbers), rest: part.rest }
        } else if foretold(by).is_some_and(|part| part == row.part) {
            Told { form: FORETOLD, ..Told::default() }
        } else {
            let mut rest = row.part.clone();
            if row.kind == Kind::SALE.0 {
                prices.tell(&mut rest);
            }
            Told { form: PLAIN, rest, numbers: None }
        });
    }
    told
}

/// Gives `rows` their parts; refuses what [`tell_parts`] would have told otherwise.
pub(super) fn hear_parts(
    rows: &mut [Option<Row>],
    near: &[Option<usize>],
    told: Vec<Told>,
    apart: &mut Reader<'_>,
) -> Result<(), Malformed> {
    let (mut chips, mut prices) = (Chips::default(), Prices::default());
    let bad = Malformed::Value("part");
    let mut told = told.into_iter();
    for at in 0..rows.len() {
        let Some((kind, wallet)) = rows[at].as_ref().map(|row| (row.kind, row.subject)) else { continue };
        let Told { form, numbers, mut rest } = told.next().ok_or(bad)?;
        let by = near.get(at).copied().flatten().and_then(|by| rows.get(by)).and_then(Option::as_ref);
        let part = match (form, numbers) {
            (PLAIN, _) => {
                if kind == Kind::SALE.0 {
                    prices.hear(&mut rest);
                }
                if IntentPart::of(kind, &rest).is_some() || foretold(by).is_some_and(|part| part == rest) {
                    return Err(bad);
                }
                rest
            }
            (FORETOLD, _) => foretold(by).filter(|part| IntentPart::of(kind, part).is_none()).ok_or(bad)?,
            (shape, Some(numbers)) if kind == Kind::INTENT.0 => {
                let sale = IntentPart::sale_at(&rest);
                if let Some(sale) = rest.get_mut(sale..) {
                    prices.hear(sale);
                }
                let price = price_in(&rest);
                chips.hear(wallet, shape.saturating_sub(INTENT), &numbers, (rest, price), apart)?.bytes()
            }
            _ => return Err(bad),
        };
        if let Some(row) = rows[at].as_mut() {
            row.part = part;
        }
    }
    Ok(())
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

/// Each product's last price: another is told as a difference (xor, leaving the bits that say where a varint ends).
#[derive(Default)]
struct Prices(BTreeMap<Vec<u8>, Vec<u8>>);

impl Prices {
    fn tell(&mut self, sale: &mut [u8]) {
        for (product, price) in lines_in(sale).unwrap_or_default() {
            let plain = sale[price.clone()].to_vec();
            let product = sale[product].to_vec();
            self.change(&product, &mut sale[price]);
            self.0.insert(product, plain);
        }
    }

    fn hear(&mut self, sale: &mut [u8]) {
        for (product, price) in lines_in(sale).unwrap_or_default() {
            let product = sale[product].to_vec();
            self.change(&product, &mut sale[price.clone()]);
            self.0.insert(product, sale[price].to_vec());
        }
    }

    fn change(&self, product: &[u8], price: &mut [u8]) {
        let last = self.0.get(product).filter(|last| last.len() == price.len());
        for (byte, last) in price.iter_mut().zip(last.into_iter().flatten()) {
            *byte ^= last & 0x7f;
        }
    }
}
