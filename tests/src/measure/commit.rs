//! A box's commit beside one durable row and one signature; flushes and bytes for each, as the store counts them and as
//! the disk below does.
use std::{os::linux::fs::MetadataExt, path::Path};

use anyhow::Result;
use box_store::Decision;
use domain::{
    id::WalletId,
    journal::{Sale, SaleLine},
    money::{Cents, Currency},
    wristband::tap::{UidAccount, uid_sale_entry},
};
use ed25519_dalek::Signer;

use super::{Bench, Goal, Row, Size, insert, side_by_side};

/// Most bytes that a commit may write.
const BYTES_MAX: f64 = 12_000.0;
/// How often the disk's counters are read.
const BATCHES: usize = 3;

pub(super) fn rows(size: Size) -> Result<Vec<Row>> {
    let bench = Bench::new()?;
    let (store, raw) = (bench.store("store.db")?, bench.raw("raw.db")?);
    let (key, body, mut wallet, mut at) = (bench.key.clone(), [7; 100], 0u64, 0);
    let mut sell = || -> Result<()> {
        wallet += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&wallet.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
        let account = UidAccount { wallet: WalletId(id), currency: Currency::EUR, operator: 1 };
        let line = SaleLine { product: 1, quantity: 1, unit_price: Cents::new(450).unwrap_or_default() };
        let sale = Sale { lines: vec![line], ..Sale::default() };
        store.transact(move |_| Decision::write(vec![uid_sale_entry(&account, sale, line.unit_price, 1)], ()))?;
        Ok(())
    };
    let (ours, limit) = side_by_side(size.rounds, &mut sell, || {
        at += 1;
        key.sign(&body);
        insert(&raw, at, &body)
    })?;
    let (before, written) = (store.written(), written_bytes()?);
    let mut by_disk = Vec::new();
    for _ in 0..BATCHES {
        let disk = Disk::below(bench.dir.path())?;
        for _ in 0..size.rounds {
            sell()?;
        }
        by_disk.extend(disk.zip(Disk::below(bench.dir.path())?));
    }
    let (after, bytes) = (store.written(), written_bytes()? - written);
    let commits = (after.commits - before.commits) as f64;
    let mut rows = vec![
        Row::new("a box's commit, one sale (p50)", "µs", ours, limit, Goal::AtMost(1.3))
            .beside("one signature + one SQLite row"),
        Row::new(
            "flushes a commit",
            "flushes",
            (after.flushes - before.flushes) as f64 / commits,
            1.0,
            Goal::AtMost(1.1),
        ),
        Row::new("bytes written a commit", "bytes", bytes / commits, BYTES_MAX, Goal::AtMost(1.0)),
    ];
    // whoever else writes to the disk only adds to it
    let least = |count: fn(&Disk) -> u64| {
        by_disk.iter().map(|(before, after)| count(after) - count(before)).min().map(|n| n as f64 / size.rounds as f64)
    };
    if let Some((flushes, bytes)) = least(|disk| disk.flushes).zip(least(|disk| disk.bytes)) {
        rows.push(Row::new("flushes a commit, counted by the disk", "flushes", flushes, 1.0, Goal::AtMost(1.1)));
        rows.push(Row::new("bytes a commit, counted by the disk", "bytes", bytes, BYTES_MAX, Goal::AtMost(1.0)));
    }
    Ok(rows)
}

/// What the block device below a folder has done since the machine started, for whoever asked.
struct Disk {
    flushes: u64,
    bytes: u64,
}

impl Disk {
    /// `None` where the folder lies on no block device, or its kernel counts no flushes (before 5.5).
    fn below(dir: &Path) -> Result<Option<Self>> {
        let device = std::fs::metadata(dir)?.st_dev();
        let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
        let Ok(text) = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")) else {
            return Ok(None);
        };
        // Documentation/block/stat.rst: sectors of 512 bytes written, flushes, from 0 the 7th and the 16th
        let counts: Vec<u64> = text.split_whitespace().filter_map(|count| count.parse().ok()).collect();
        Ok(counts.get(6).zip(counts.get(15)).map(|(sectors, flushes)| Self { flushes: *flushes, bytes: sectors * 512 }))
    }
}

/// Bytes that this process handed to `write` and its kin. Not `write_bytes`: that counts whole page-cache folios, of
/// 64 KiB where the write-ahead log was filled in pieces of that size.
fn written_bytes() -> Result<f64> {
    let io = std::fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: ")).unwrap_or("0");
    Ok(line.parse::<u64>()? as f64)
}
