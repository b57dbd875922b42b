//! What was sold at which price, out of the entries, and whether hub and boxes show one price and the same conflict.
//! Invariant: a sale's amount is the sum of its lines and deposits, and no line has a price that nobody wrote.
//! Not here: money as a whole (`super`).
use std::collections::BTreeMap;

use anyhow::{Context, Result};
use domain::journal::{Detail, Entry, Kind, Sale};
use screens::view::{DocumentView, FieldConflict};

use super::{journals::Journals, report::PriceConflict};
use crate::{
    evening::PriceEdit,
    world::{World, https::Https},
};

/// Checks the price that was edited at two places.
pub(super) async fn check_edit(
    world: &World,
    journals: &Journals,
    edit: &PriceEdit,
    reasons: &mut Vec<String>,
) -> Result<PriceConflict> {
    let sold = sold(journals, edit.product);
    for (price, written_by) in [(edit.hub, "the hub's"), (edit.bar, "the bar's")] {
        if !sold.contains_key(&price) {
            reasons.push(format!("nothing was sold at {written_by} price of {price}"));
        }
    }
    if let Some(price) = sold.keys().find(|price| ![edit.before, edit.hub, edit.bar].contains(price)) {
        reasons.push(format!("product {} was sold at {price}, which nobody wrote", edit.product));
    }
    let hub = shown(&world.hub.api, edit).await?.context("the hub shows no conflict about the price")?;
    let mut shown_by = vec!["hub".to_owned()];
    for place in &world.places {
        let here = shown(&place.api, edit).await?;
        if here.as_ref() == Some(&hub) {
            shown_by.push(place.name().to_owned());
        } else {
            reasons.push(format!("{} shows another price or conflict than the hub: {here:?}", place.name()));
        }
    }
    let others: Vec<i64> = hub.others.iter().filter_map(|other| other.value.parse().ok()).collect();
    let in_force = hub.in_force.value.parse().context("a price")?;
    let mut written = [vec![in_force], others.clone()].concat();
    written.sort_unstable();
    if written != [edit.bar.min(edit.hub), edit.bar.max(edit.hub)] {
        reasons.push(format!("{written:?} were written instead of {edit:?}"));
    }
    Ok(PriceConflict {
        product: edit.product,
        before_cents: edit.before,
        in_force_cents: in_force,
        other_cents: others,
        shown_by,
        sold_at: sold,
    })
}

/// The conflict about this price, where the price that is shown is the one in force.
async fn shown(api: &Https, edit: &PriceEdit) -> Result<Option<FieldConflict>> {
    let view: DocumentView = api.get("/api/documents/catalogue").await?;
    let path = edit.path();
    let holds = |conflict: &FieldConflict| view.fields.get(&path) == Some(&conflict.in_force.value);
    Ok(view.conflicts.iter().find(|conflict| conflict.path == path && holds(conflict)).cloned())
}

/// Every sale's amount must be what its lines say.
pub(super) fn check_sales(journals: &Journals, reasons: &mut Vec<String>) {
    for (at, entry) in journals.all().filter(|(_, entry)| entry.kind == Kind::SALE) {
        let Some(sale) = sale_of(entry, journals) else {
            reasons.push(format!("{at} does not say what was sold"));
            continue;
        };
        let goods = sale
            .lines
            .iter()
            .fold(0i64, |sum, line| sum.saturating_add(line.unit_price.as_i64().saturating_mul(line.quantity.into())));
        let due = goods.saturating_add(sale.deposit_out.as_i64()).saturating_sub(sale.deposit_back.as_i64());
        if due.saturating_abs() != entry.amount.as_i64() {
            reasons.push(format!("{at} is about {} where its lines say {due}", entry.amount));
        }
    }
}

/// How many of the product were sold at which price.
fn sold(journals: &Journals, product: u32) -> BTreeMap<i64, u64> {
    let mut sold = BTreeMap::new();
    let sales = journals.all().filter(|(_, entry)| entry.kind == Kind::SALE);
    let sales = sales.filter_map(|(_, entry)| sale_of(entry, journals));
    for line in sales.flat_map(|sale| sale.lines).filter(|line| line.product == product) {
        let count: &mut u64 = sold.entry(line.unit_price.as_i64()).or_default();
        *count = count.saturating_add(line.quantity.into());
    }
    sold
}

/// The sale of an entry; where it closes an intent, that one has the lines.
fn sale_of(entry: &Entry, journals: &Journals) -> Option<Sale> {
    let of = |entry: &Entry| match Detail::of(entry) {
        Ok(Detail::Sale(sale)) => sale,
        Ok(Detail::Intent(intent)) => intent.sale,
        _ => None,
    };
    let intent = entry.refers_to.and_then(|intent| journals.at(&intent));
    intent.and_then(of).or_else(|| of(entry))
}
