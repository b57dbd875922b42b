//! Folds what the box ever sold of each product, beside which a counted stock is read.
//! Invariant: as `projection`: folding all entries again gives the same rows.
//! Not here: what was counted (`documents`), what of it is left (`domain::stock`).
use domain::{
    id::DeviceId,
    journal::{Entry, Kind},
    stock::pieces_sold,
};
use rusqlite::{Connection, OptionalExtension};

use crate::{error::StoreError, journal::At, sums::Sums};

/// Folds one own entry.
pub(crate) fn fold(
    connection: &Connection,
    sums: &mut Sums,
    entry: &Entry,
    device: DeviceId,
) -> Result<(), StoreError> {
    if entry.kind != Kind::SALE {
        return Ok(());
    }
    let intent = match entry.refers_to.filter(|intent| intent.device == device) {
        Some(first) => read(connection, At { epoch: first.epoch, seq: first.seq })?,
        None => None,
    };
    for (product, pieces) in pieces_sold(entry, intent.filter(|first| first.kind == Kind::INTENT).as_ref()) {
        sums.sold(product, pieces);
    }
    Ok(())
}

fn read(connection: &Connection, at: At) -> Result<Option<Entry>, StoreError> {
    let body: Option<Vec<u8>> = connection
        .prepare_cached("SELECT body FROM entry WHERE at = ?1")?
        .query_row([at.sql()], |row| row.get(0))
        .optional()?;
    body.map(|body| Entry::from_bytes(&body).map_err(|error| StoreError::Corrupt(error.to_string()))).transpose()
}
