//! What a till sells, and for how much: products, sold-out flags, happy hours, under one revision.
//! Invariant: a revision names one exact state of the catalogue; a sale refers to the revision it was made under.
//! Not here: how it is edited and merged (`documents`), what a basket costs (`till`).
use alloc::{collections::BTreeMap, string::String, vec::Vec};

use crate::{bundle, id::DeviceId, money::Cents, stock::Count};

/// A product, as a till shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Number in sale lines.
    pub number: u32,
    /// Name in French.
    pub name_fr: String,
    /// Name in English.
    pub name_en: String,
    /// Group on the till's grid.
    pub group: String,
    /// Price without deposit, outside happy hours.
    pub price: Cents,
    /// Whether it goes out in a deposit cup.
    pub in_cup: bool,
    /// Nobody sells it any more today.
    pub sold_out: bool,
    /// Pieces that the whole festival began with; what was sold is in the ledger.
    pub counted: Option<u32>,
    /// What was last counted at each box.
    pub counts: BTreeMap<DeviceId, Count>,
    /// From so many left on, screens say that it runs out; no sale is ever refused for it.
    pub low: u32,
    /// Youngest buyer in years; 0 for anybody. Above 0 it counts as alcohol in happy hours.
    pub min_age: u8,
}

/// Lower prices for a while. It is chosen when a basket is priced and written into the sale's lines; no fold reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HappyHour {
    /// Number in the catalogue.
    pub number: u32,
    /// Name in French.
    pub name_fr: String,
    /// Name in English.
    pub name_en: String,
    /// First second, Unix.
    pub from: u64,
    /// First second after it, Unix.
    pub until: u64,
    /// What is cheaper.
    pub products: Vec<u32>,
    /// By how many per cent, 1 to 100; the price is rounded down to the minor unit.
    pub percent_off: u8,
}

/// The catalogue in force.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Catalogue {
    /// Names this exact state.
    pub revision: u32,
    /// By number, rising.
    pub products: Vec<Product>,
    /// By number, rising.
    pub happy_hours: Vec<HappyHour>,
}

impl Catalogue {
    /// The list in a bundle: what a box sells by until it has the document.
    pub fn of_bundle(body: &bundle::BundleBody) -> Self {
        let products = body.catalogue.iter().map(|product| Product {
            number: product.number,
            name_fr: product.name_fr.clone(),
            name_en: product.name_en.clone(),
            group: product.group.clone(),
            price: product.price,
            in_cup: product.in_cup,
            sold_out: false,
            counted: None,
            counts: BTreeMap::new(),
            low: 0,
            min_age: 0,
        });
        Self { revision: body.price_revision, products: products.collect(), happy_hours: Vec::new() }
    }

    /// The product with this number.
    pub fn product(&self, number: u32) -> Option<&Product> {
        self.products.iter().find(|product| product.number == number)
    }
}
