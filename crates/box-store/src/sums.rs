//! Sums over entries: by effect, by hour, pieces by product. Gathered first and written once, so that a commit of many
//! entries, or a fold of all, does not write each row anew for each entry.
//! Invariant: what was gathered is written in the transaction that its entries belong to, or not at all.
//! Not here: what leaves a row of its own (`projection`).
use std::collections::BTreeMap;

use domain::journal::{Effect, Entry, Kind};
use rusqlite::{Connection, params};

use crate::error::StoreError;

const HOUR_MS: u64 = 3_600_000;
/// What a number of `tally` is.
const EFFECT: u8 = 0;
const PRODUCT: u8 = 1;

#[derive(Default)]
pub(crate) struct Sums {
    /// Entries (or pieces) and cents, by what and its number.
    tally: BTreeMap<(u8, i64), [i64; 2]>,
    /// Admissions, exits, sales and their cents, top-ups and their cents, cents of refunds, by hour.
    hours: BTreeMap<i64, [i64; 7]>,
}

fn add<const N: usize>(to: &mut [i64; N], more: [i64; N]) {
    for (sum, more) in to.iter_mut().zip(more) {
        *sum = sum.saturating_add(more);
    }
}

impl Sums {
    /// Any entry, training included.
    pub(crate) fn count(&mut self, entry: &Entry) {
        let place = (EFFECT, i64::from(entry.effect.byte()));
        add(self.tally.entry(place).or_default(), [1, entry.amount.as_i64()]);
    }

    /// An entry that counts, in its hour.
    pub(crate) fn count_in_hour(&mut self, entry: &Entry) {
        let row = of_hour(entry);
        if row != [0; 7] {
            let hour = i64::try_from(entry.hlc.unix_ms() / HOUR_MS).unwrap_or(i64::MAX);
            add(self.hours.entry(hour).or_default(), row);
        }
    }

    /// Pieces of a product.
    pub(crate) fn sold(&mut self, product: u32, pieces: u64) {
        let pieces = i64::try_from(pieces).unwrap_or(i64::MAX);
        add(self.tally.entry((PRODUCT, i64::from(product))).or_default(), [pieces, 0]);
    }

    /// Adds what was gathered to what stands there.
    pub(crate) fn write(self, connection: &Connection) -> Result<(), StoreError> {
        for ((of, number), [entries, cents]) in self.tally {
            connection
                .prepare_cached(
                    "INSERT INTO tally (of, number, entries, cents) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (of, number) DO UPDATE SET entries = entries + excluded.entries,
                         cents = cents + excluded.cents",
                )?
                .execute(params![of, number, entries, cents])?;
        }
        for (hour, [admissions, exits, sales, sales_cents, top_ups, top_up_cents, refund_cents]) in self.hours {
            connection
                .prepare_cached(
                    "INSERT INTO hour (hour, admissions, exits, sales, sales_cents, top_ups, top_up_cents, refund_cents)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                     ON CONFLICT (hour) DO UPDATE SET
                         admissions = admissions + excluded.admissions,
                         exits = exits + excluded.exits,
                         sales = sales + excluded.sales,
                         sales_cents = sales_cents + excluded.sales_cents,
                         top_ups = top_ups + excluded.top_ups,
                         top_up_cents = top_up_cents + excluded.top_up_cents,
                         refund_cents = refund_cents + excluded.refund_cents",
                )?
                .execute(params![hour, admissions, exits, sales, sales_cents, top_ups, top_up_cents, refund_cents])?;
        }
        Ok(())
    }
}

/// What the entry adds to its hour.
fn of_hour(entry: &Entry) -> [i64; 7] {
    let cents = entry.amount.as_i64();
    let is = |yes: bool| i64::from(yes);
    // More cups back than goods out is a sale that pays; a mistaken top-up is taken off.
    let taken = match entry.effect {
        Effect::Debit | Effect::Repay => cents,
        Effect::Credit | Effect::Owe => cents.saturating_neg(),
        Effect::None
        | Effect::Transfer
        | Effect::Hold
        | Effect::Release
        | Effect::In
        | Effect::Out
        | Effect::Block
        | Effect::Unblock
        | Effect::HoldCredit
        | Effect::Unknown(_) => 0,
    };
    let of = |kind: Kind| if entry.kind == kind { taken } else { 0 };
    [
        is(entry.kind == Kind::ADMISSION && entry.effect == Effect::In),
        is(entry.effect == Effect::Out),
        is(entry.kind == Kind::SALE),
        of(Kind::SALE),
        is(entry.kind == Kind::TOP_UP),
        of(Kind::TOP_UP).saturating_neg(),
        of(Kind::REFUND),
    ]
}
