//! Categories, products and issued tickets.
//! Invariant: a category's number is never given out twice with another meaning; the price revision rises with each
//! change of the catalogue.
use domain::{
    bundle::{Category, Product},
    id::TicketUid,
    money::Cents,
    ticket::TicketId,
    wire::to_cbor,
};
use rusqlite::{Row, params};

use super::{Reading, Store, StoreError, row, rows, statement};

/// What `festival.toml` says, with the hash that tells whether it changed.
#[derive(Clone, Debug)]
pub struct Seed {
    /// Categories.
    pub categories: Vec<Category>,
    /// Price revision that the file names.
    pub price_revision: u32,
    /// Catalogue.
    pub products: Vec<Product>,
}

/// A ticket that this hub issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedTicket {
    /// Its id.
    pub id: TicketId,
    /// Who it is in every list.
    pub uid: TicketUid,
    /// Its category.
    pub category: u16,
    /// The QR code's text.
    pub text: String,
}

const CATEGORIES: &str = "SELECT category, name_fr, name_en, price_cents, zones, voucher_product, voucher_quantity \
                          FROM categories WHERE festival = $1 ORDER BY category";

fn category(r: &Row<'_>) -> rusqlite::Result<Category> {
    Ok(Category {
        number: r.get(0)?,
        name_fr: r.get(1)?,
        name_en: r.get(2)?,
        price: Cents::new(r.get(3)?).unwrap_or(Cents::MAX),
        zones: r.get(4)?,
        voucher_product: r.get(5)?,
        voucher_quantity: r.get(6)?,
    })
}

fn issued(r: &Row<'_>) -> rusqlite::Result<IssuedTicket> {
    Ok(IssuedTicket { id: r.get(0)?, uid: TicketUid(r.get(1)?), category: r.get(2)?, text: r.get(3)? })
}

impl Store {
    /// Takes over what the file says, where it changed since the last start.
    pub fn seed(&mut self, seed: &Seed) -> Result<(), StoreError> {
        let categories: Vec<u8> = seed.categories.iter().flat_map(to_cbor).collect();
        let products: Vec<u8> = seed.products.iter().flat_map(to_cbor).collect();
        let (seed_hash, catalogue) = (blake3::hash(&categories), blake3::hash(&products));
        let held: Option<(Vec<u8>, Vec<u8>)> = row(
            &self.conn,
            "SELECT seed, catalogue FROM festivals WHERE festival = $1",
            params![self.festival],
            |r| Ok((r.get(0)?, r.get(1)?)),
        )?;
        let (held_seed, held_catalogue) = held.unwrap_or_default();
        let revision = self.price_revision()?.saturating_add(1).max(seed.price_revision);
        self.transaction(|store| {
            if held_seed != seed_hash.as_bytes() {
                seed.categories.iter().try_for_each(|category| store.put_category(category))?;
                statement(&store.conn, "UPDATE festivals SET seed = $2 WHERE festival = $1")?
                    .execute(params![store.festival, seed_hash.as_bytes()])?;
            }
            if held_catalogue != catalogue.as_bytes() {
                statement(&store.conn, "UPDATE festivals SET catalogue = $2, price_revision = $3 WHERE festival = $1")?
                    .execute(params![store.festival, catalogue.as_bytes(), revision])?;
            }
            Ok(())
        })
    }

    /// Revision of the price list.
    pub fn price_revision(&self) -> Result<u32, StoreError> {
        let sql = "SELECT price_revision FROM festivals WHERE festival = $1";
        Ok(row(&self.conn, sql, params![self.festival], |r| r.get(0))?.unwrap_or(0))
    }

    /// Adds a category, or changes the one of its number.
    pub fn put_category(&self, category: &Category) -> Result<(), StoreError> {
        statement(
            &self.conn,
            "INSERT INTO categories (festival, category, name_fr, name_en, price_cents, zones, voucher_product, \
             voucher_quantity) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (festival, category) DO UPDATE SET \
             name_fr = excluded.name_fr, name_en = excluded.name_en, price_cents = excluded.price_cents, zones = excluded.zones, \
             voucher_product = excluded.voucher_product, voucher_quantity = excluded.voucher_quantity",
        )?
        .execute(params![
            self.festival,
            category.number,
            category.name_fr,
            category.name_en,
            category.price.get(),
            category.zones,
            category.voucher_product,
            category.voucher_quantity
        ])?;
        Ok(())
    }

    /// All categories by number.
    pub fn categories(&self) -> Result<Vec<Category>, StoreError> {
        rows(&self.conn, CATEGORIES, params![self.festival], category)
    }

    /// Records an issued ticket.
    pub fn add_issued(&self, ticket: &IssuedTicket, issued_ms: u64) -> Result<(), StoreError> {
        statement(
            &self.conn,
            "INSERT INTO issued_tickets (festival, ticket_id, ticket, category, issued_ms, text) VALUES ($1, $2, $3, $4, $5, $6)",
        )?
        .execute(params![
            self.festival,
            ticket.id,
            ticket.uid.0,
            ticket.category,
            i64::try_from(issued_ms).unwrap_or(i64::MAX),
            ticket.text
        ])?;
        Ok(())
    }

    /// How many tickets were issued.
    pub fn issued_count(&self) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM issued_tickets WHERE festival = $1";
        let count: Option<i64> = row(&self.conn, sql, params![self.festival], |r| r.get(0))?;
        Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
    }
}

impl Reading {
    /// The issued ticket with this id.
    pub fn issued(&self, id: &TicketId) -> Result<Option<IssuedTicket>, StoreError> {
        let sql = "SELECT ticket_id, ticket, category, text FROM issued_tickets WHERE festival = $1 AND ticket_id = $2";
        row(&self.conn, sql, params![self.festival, id], issued)
    }

    /// All categories by number.
    pub fn categories(&self) -> Result<Vec<Category>, StoreError> {
        rows(&self.conn, CATEGORIES, params![self.festival], category)
    }
}
