//! Pieces of each product that each journal sold.
//! Invariant: everything here can be rebuilt from the entries; sums only grow, except where a journal is counted anew.
use std::collections::BTreeMap;

use rusqlite::params;

use super::{Store, StoreError, rows, statement};

/// Pieces by journal and product.
pub type ProductSales = BTreeMap<(u32, u32), u64>;

impl Store {
    /// All sums.
    pub fn product_sales(&self) -> Result<ProductSales, StoreError> {
        let all = "SELECT journal, product, pieces FROM product_sales WHERE festival = $1 ORDER BY journal, product";
        let read = rows(&self.conn, all, params![self.festival], |r| {
            Ok(((r.get(0)?, r.get(1)?), r.get::<_, i64>(2)?.max(0).unsigned_abs()))
        })?;
        Ok(read.into_iter().collect())
    }

    /// Adds to the sums.
    pub fn add_product_sales(&self, new: &ProductSales) -> Result<(), StoreError> {
        let mut add = statement(
            &self.conn,
            "INSERT INTO product_sales (festival, journal, product, pieces) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (festival, journal, product) DO UPDATE SET pieces = product_sales.pieces + excluded.pieces",
        )?;
        for ((journal, product), pieces) in new {
            add.execute(params![self.festival, journal, product, i64::try_from(*pieces).unwrap_or(i64::MAX)])?;
        }
        Ok(())
    }

    /// Takes a journal's sums away, so that it is counted anew.
    pub fn forget_product_sales(&self, journal: u32) -> Result<(), StoreError> {
        statement(&self.conn, "DELETE FROM product_sales WHERE festival = $1 AND journal = $2")?
            .execute(params![self.festival, journal])?;
        Ok(())
    }
}
