//! Categories: `number, name_fr, name_en, price, zones`, and `voucher_product, voucher_quantity` for vouchers.
//! Invariant: a number keeps its line; two lines of one number are refused.
use std::{
    collections::BTreeSet,
    io::{Read, Write},
};

use domain::bundle::Category;

use super::{ExportError, Taken, cell, input};
use crate::{
    config::CategoryConfig,
    hub::{Hub, HubError},
    store::Reading,
};

const COLUMNS: input::Columns = input::Columns {
    required: &["number", "name_fr", "name_en", "price", "zones"],
    further: &["voucher_product", "voucher_quantity"],
    known: "number, name_fr, name_en, price, zones, voucher_product, voucher_quantity",
    lenient: |_| false,
    foreign: &[],
};

pub(super) fn import(hub: &mut Hub, file: impl Read, skip_bad: bool) -> Result<Taken, HubError> {
    let mut seen = BTreeSet::new();
    let lines = input::read(file, COLUMNS, |line| {
        let config = CategoryConfig {
            number: cell::number("number", line.cell("number"))?,
            name_fr: line.cell("name_fr").into(),
            name_en: line.cell("name_en").into(),
            price_cents: cell::cents(line.cell("price"))?.get(),
            zones: cell::number("zones", line.cell("zones"))?,
            voucher_product: optional("voucher_product", line.cell("voucher_product"))?,
            voucher_quantity: optional("voucher_quantity", line.cell("voucher_quantity"))?.unwrap_or(0),
        };
        if !seen.insert(config.number) {
            return Err(format!("category {} stands in the file twice", config.number));
        }
        config.category().map(Some).map_err(|error| error.to_string())
    })?;
    let (good, skipped, bad) = lines.judged(skip_bad)?;
    let held = hub.store.categories()?;
    let mut taken = Taken { skipped, bad, ..Taken::default() };
    hub.store.transaction::<_, HubError>(|store| {
        for (_, category) in &good {
            match held.iter().find(|held| held.number == category.number) {
                Some(held) if held == category => taken.unchanged = taken.unchanged.saturating_add(1),
                Some(_) => {
                    store.put_category(category)?;
                    taken.changed = taken.changed.saturating_add(1);
                }
                None => {
                    store.put_category(category)?;
                    taken.new = taken.new.saturating_add(1);
                }
            }
        }
        Ok(())
    })?;
    Ok(taken)
}

pub(super) fn export(reading: &Reading, out: &mut csv::Writer<impl Write>) -> Result<(), ExportError> {
    out.write_record(COLUMNS.required.iter().chain(COLUMNS.further))?;
    for category in reading.categories()? {
        let Category { number, name_fr, name_en, price, zones, voucher_product, voucher_quantity } = category;
        let (fr, en) = (cell::guarded(&name_fr), cell::guarded(&name_en));
        let product = voucher_product.map(|product| product.to_string()).unwrap_or_default();
        let quantity = voucher_product.map(|_| voucher_quantity.to_string()).unwrap_or_default();
        out.write_record([number.to_string(), fr, en, price.to_string(), zones.to_string(), product, quantity])?;
    }
    Ok(())
}

/// A number, or nothing where the cell is empty.
fn optional(column: &'static str, text: &str) -> Result<Option<u32>, String> {
    if text.is_empty() { Ok(None) } else { cell::number(column, text).map(Some) }
}
