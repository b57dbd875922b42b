//! A box's start over a long journal: chain, head and sums from the last checkpoint, then the older part behind it.
use std::time::Instant;

use anyhow::{Result, ensure};
use box_store::Decision;
use domain::{
    id::WalletId,
    journal::{Entry, Sale, SaleLine},
    money::{Cents, Currency},
    wristband::tap::{UidAccount, uid_sale_entry},
};

use super::{Bench, Goal, Row, Size, segment::chance};

/// A million entries are checked in this time.
const SECONDS: f64 = 3.0;
/// Entries written in one flush, to come to a long journal soon.
const TOGETHER: u32 = 500;
const BANDS: u64 = 20_000;

pub(super) fn rows(size: Size) -> Result<Vec<Row>> {
    let bench = Bench::new()?;
    let store = bench.store("store.db")?;
    let mut n = 0u64;
    while n < u64::from(size.journal) {
        let sales: Vec<Entry> = (n..n + u64::from(TOGETHER)).map(sale).collect();
        n += u64::from(TOGETHER);
        store.transact(move |_| Decision::write(sales, ()))?;
    }
    drop(store);
    let start = Instant::now();
    let store = bench.store("store.db")?;
    let opened = start.elapsed().as_secs_f64();
    ensure!(store.degraded().is_none(), "the store is damaged");
    let start = Instant::now();
    let (checked, _) = store.check_everything()?;
    let all = start.elapsed().as_secs_f64();
    ensure!(checked > u64::from(size.journal), "{checked} entries");
    Ok(vec![
        Row::new("start over a long journal", "s", opened, SECONDS, Goal::AtMost(1.0)),
        Row::new("the whole journal checked behind it", "s", all, SECONDS, Goal::AtMost(1.0)),
    ])
}

fn sale(n: u64) -> Entry {
    let mut wallet = [0; 16];
    wallet[..8].copy_from_slice(&chance(chance(n) % BANDS).to_le_bytes());
    let account = UidAccount { wallet: WalletId(wallet), currency: Currency::EUR, operator: 1 };
    let line = SaleLine { product: 1, quantity: 1, unit_price: Cents::new(450).unwrap_or_default() };
    uid_sale_entry(&account, Sale { lines: vec![line], ..Sale::default() }, line.unit_price, 1)
}
