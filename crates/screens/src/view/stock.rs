//! Counted stock beside sales.
use domain::{catalogue::Product, stock::Count};
use serde::{Deserialize, Serialize};

/// `GET /api/stock`: one product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StockView {
    /// Number in the catalogue.
    pub product: u32,
    /// Name in French.
    pub name_fr: String,
    /// Name in English.
    pub name_en: String,
    /// From so many left on a box is marked; 0: only when nothing is left.
    pub low_below: u32,
    /// Pieces sold in all, by every box that is known here.
    pub sold: u64,
    /// Pieces that the whole festival began with, where somebody said so.
    pub began_with: Option<u32>,
    /// Of these, what is left of all.
    pub left: Option<i64>,
    /// Each box at which somebody counted.
    pub boxes: Vec<StockBox>,
}

/// One product at one box.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StockBox {
    /// The box's id.
    pub device: String,
    /// Its number; 0 where it is not known here.
    pub number: u16,
    /// Where it stands.
    pub place: String,
    /// What was counted.
    pub counted: u32,
    /// What it sold since.
    pub sold_since: u64,
    /// What is left; negative where more was sold than had been counted.
    pub left: i64,
    /// It runs out.
    pub low: bool,
}

impl StockView {
    /// From the catalogue and what was sold in all.
    pub fn of(product: &Product, sold: u64, boxes: Vec<StockBox>) -> Self {
        Self {
            product: product.number,
            name_fr: product.name_fr.clone(),
            name_en: product.name_en.clone(),
            low_below: product.low,
            sold,
            began_with: product.counted,
            left: product.counted.map(|pieces| Count { pieces, sold: 0 }.left(sold)),
            boxes,
        }
    }
}

impl StockBox {
    /// From the count in force and what the box sold in all.
    pub fn of(device: String, number: u16, place: String, count: &Count, sold: u64, low: u32) -> Self {
        let left = count.left(sold);
        let sold_since = sold.saturating_sub(count.sold);
        Self { device, number, place, counted: count.pieces, sold_since, left, low: left <= i64::from(low) }
    }
}
