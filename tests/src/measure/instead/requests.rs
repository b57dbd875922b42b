//! A request as an online system's edge takes it: one `verify_strict`, one row of SQLite with `synchronous=FULL`; beside a
//! sale at our box, which needs nobody else, and beside what the hub takes in of those sales later.
//! Not here: the network between a till and that edge, which only such a system needs for a sale.
use anyhow::Result;
use box_store::Decision;
use domain::{
    id::WalletId,
    journal::{Sale, SaleLine},
    money::{Cents, Currency},
    wristband::tap::{UidAccount, uid_sale_entry},
};
use ed25519_dalek::Signer;

use super::super::{
    Bench, Better, Row, Size, in_turn,
    ingest::entries_a_second,
    insert,
    segment::{Bands, chance},
};

/// Entries that become durable together at the hub.
const TRANSACTION: u32 = 10_000;
const INSTEAD: &str = "one verify_strict + one SQLite row a request";

pub(super) fn rows(size: Size) -> Result<Vec<Row>> {
    let bench = Bench::new()?;
    let (accounts, purses) = (bench.store("accounts.db")?, bench.store("purses.db")?);
    let online = bench.raw("online.db")?;
    let message = [7; 100];
    let signature = bench.key.sign(&message);
    let verifying = bench.key.verifying_key();
    let (mut at, mut sold, mut tapped, mut bands) = (0, 0u64, 0u64, Bands::default());
    let mut request = || -> Result<()> {
        verifying.verify_strict(&message, &signature)?;
        at += 1;
        insert(&online, at, &message)
    };
    let mut to_account = || -> Result<()> {
        sold += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&chance(sold).to_le_bytes());
        let account = UidAccount { wallet: WalletId(id), currency: Currency::EUR, operator: 1 };
        let line = SaleLine { product: 1, quantity: 1, unit_price: Cents::new(450).unwrap_or_default() };
        let sale = Sale { lines: vec![line], ..Sale::default() };
        accounts.transact(move |_| Decision::write(vec![uid_sale_entry(&account, sale, line.unit_price, 1)], ()))?;
        Ok(())
    };
    let mut to_purse = || -> Result<()> {
        tapped += 1;
        bands.sale(&purses, tapped)
    };
    let [request, account, purse] = in_turn(size.rounds, [&mut request, &mut to_account, &mut to_purse])?;
    let entries = size.entries.min(100_000);
    let (taken_in, _) = entries_a_second(entries, TRANSACTION.min(entries))?;
    Ok(vec![
        Row::instead("a sale to an account at the box (p50)", "µs", account, request, Better::Less).beside(INSTEAD),
        Row::instead("a sale to a purse at the box (p50), chip aside", "µs", purse, request, Better::Less)
            .beside(INSTEAD),
        Row::instead("sales taken in at the hub", "entries/s", taken_in, 1e6 / request, Better::More)
            .beside("such requests, one after the other"),
    ])
}
