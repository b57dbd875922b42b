//! Automerge as the ledger: one document a wallet with a counter and its entries, two bars apart, a hub that merges; beside
//! our journals with the same top-ups and sales.
//! Invariant: both ledgers end with the same balances, or nothing is measured.
use std::{path::Path, time::Instant};

use anyhow::{Context, Result, bail, ensure};
use automerge::{ActorId, AutoCommit, Automerge, ObjType, ROOT, ReadDoc, ScalarValue, transaction::Transactable};
use domain::{
    id::WalletId,
    journal::{Detail, Effect, Entry, Kind, MatterKind, Means, TopUp},
    money::{Cents, Currency},
    time::Hlc,
    trust::Roles,
};
use provisioning::Festival;
use rusqlite::{Connection, params};
use sync_hub::{Hub, VerifiedSegment, matters::Filter};

use super::{
    super::{
        Better, Row, Size,
        ingest::{Journal, enrolled, opened, sale_to, wallet},
    },
    Kept,
};

/// Sales to each wallet, half of them at each bar.
const SALES: u32 = 10;
const BARS: u32 = 2;
/// What is put on each wallet, and what a sale takes.
const CREDIT: u32 = 10_000;
const PRICE: u32 = 450;
/// Entries that become durable together, on both sides.
const TRANSACTION: u32 = 10_000;
/// What is spent twice.
const TWICE: u32 = 500;
const INSTEAD: &str = "one Automerge document a wallet";

pub(super) fn rows(size: Size) -> Result<Vec<Row>> {
    let own = std::env::current_exe()?;
    let dir = tempfile::tempdir_in(own.parent().context("a folder")?)?;
    let theirs = merged_documents(&dir.path().join("documents.db"), size.compared)?;
    let ours = merged_journals(dir.path(), size.compared)?;
    let documents = Kept::Documents.load_alone(&dir.path().join("documents.db"))?;
    let hub = Kept::Hub.load_alone(&dir.path().join("hub"))?;
    ensure!(documents.wallets == size.compared && hub.wallets == size.compared, "{documents:?}, {hub:?}");
    let each = |all: f64| all / f64::from(size.compared);
    let (named, below) = (named_overspend()?, -spent_twice_in_a_document()?);
    ensure!(below == i64::from(TWICE), "two replicas that spent 5 of 5 merged to {}", -below);
    Ok(vec![
        Row::instead("entries merged and added up at the hub, durable", "entries/s", ours, theirs, Better::More)
            .beside(INSTEAD),
        Row::instead(
            "the hub's start, a wallet",
            "µs",
            each(hub.seconds * 1e6),
            each(documents.seconds * 1e6),
            Better::Less,
        )
        .beside("the same documents loaded"),
        Row::instead(
            "the hub's memory, a wallet",
            "bytes",
            each(hub.memory as f64),
            each(documents.memory as f64),
            Better::Less,
        )
        .beside("the same documents loaded"),
        Row::instead(
            "5.00 spent twice at bars apart: named with places",
            "cents",
            named as f64,
            below as f64,
            Better::More,
        )
        .beside("Automerge's counter merges to −5.00 as well, and nothing says so"),
    ])
}

/// Entries a second that a hub merges into its documents and saves.
fn merged_documents(path: &Path, wallets: u32) -> Result<f64> {
    let mut hub = Vec::new();
    let mut brought = Vec::new();
    for _ in 0..wallets {
        let mut document = new_document(CREDIT)?;
        let heads = document.get_heads();
        for bar in 0..BARS {
            let mut replica = document.fork().with_actor(actor(bar));
            for n in 0..SALES / BARS {
                sell(&mut replica, bar, n, PRICE)?;
            }
            brought.push(replica.save_after(&heads));
        }
        // what follows is what the bars brought
        document.save_incremental();
        hub.push(document);
    }
    let kept = Connection::open(path)?;
    kept.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
         CREATE TABLE changes (wallet INTEGER, n INTEGER, body BLOB, PRIMARY KEY (wallet, n)) STRICT, WITHOUT ROWID;
         CREATE TABLE documents (wallet INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;",
    )?;
    let start = Instant::now();
    for (first, documents) in hub.chunks_mut((TRANSACTION / SALES) as usize).enumerate() {
        let transaction = kept.unchecked_transaction()?;
        for (at, document) in documents.iter_mut().enumerate() {
            let wallet = first * (TRANSACTION / SALES) as usize + at;
            let from = wallet * BARS as usize;
            for changes in &brought[from..from + BARS as usize] {
                document.load_incremental(changes)?;
            }
            transaction
                .prepare_cached("INSERT INTO changes VALUES (?1, 1, ?2)")?
                .execute(params![i64::try_from(wallet)?, document.save_incremental()])?;
        }
        transaction.commit()?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let transaction = kept.unchecked_transaction()?;
    for (wallet, document) in hub.iter_mut().enumerate() {
        let left = i64::from(CREDIT) - i64::from(PRICE) * i64::from(SALES);
        ensure!(balance(document)? == left, "a document lost a sale");
        transaction
            .prepare_cached("INSERT INTO documents VALUES (?1, ?2)")?
            .execute(params![i64::try_from(wallet)?, document.save()])?;
    }
    transaction.commit()?;
    Ok(f64::from(wallets * SALES) / seconds)
}

/// Every document of a database, as a hub that merges into them has to hold them.
pub(super) fn load(path: &Path) -> Result<Vec<Automerge>> {
    let kept = Connection::open(path)?;
    let mut statement = kept.prepare("SELECT body FROM documents ORDER BY wallet")?;
    let mut rows = statement.query([])?;
    let mut documents = Vec::new();
    while let Some(row) = rows.next()? {
        documents.push(Automerge::load(row.get_ref(0)?.as_blob()?)?);
    }
    Ok(documents)
}

fn actor(bar: u32) -> ActorId {
    ActorId::from([bar.to_le_bytes(); 4].concat())
}

fn new_document(credit: u32) -> Result<AutoCommit> {
    let mut document = AutoCommit::new();
    document.put(ROOT, "balance", ScalarValue::counter(i64::from(credit)))?;
    document.put_object(ROOT, "entries", ObjType::Map)?;
    document.commit();
    Ok(document)
}

/// One sale as one change: durable before the light is green, as ours is.
fn sell(document: &mut AutoCommit, bar: u32, n: u32, price: u32) -> Result<()> {
    document.increment(ROOT, "balance", -i64::from(price))?;
    let (_, entries) = document.get(ROOT, "entries")?.context("entries")?;
    let entry = document.put_object(&entries, format!("{bar}/{n}"), ObjType::Map)?;
    document.put(&entry, "at", i64::from(n) * 7_000 + 1_800_000_000_000)?;
    document.put(&entry, "product", 1i64)?;
    document.put(&entry, "cents", i64::from(price))?;
    document.commit();
    Ok(())
}

fn balance(document: &AutoCommit) -> Result<i64> {
    let (value, _) = document.get(ROOT, "balance")?.context("a balance")?;
    match value.into_scalar() {
        Ok(ScalarValue::Counter(counter)) => Ok(i64::from(&counter)),
        Ok(_) | Err(_) => bail!("the balance is no counter"),
    }
}

/// Two replicas that hold 5.00 each spend all of it: what the merged counter says.
fn spent_twice_in_a_document() -> Result<i64> {
    let mut hub = new_document(TWICE)?;
    let mut bars = [0, 1].map(|bar| hub.fork().with_actor(actor(bar)));
    for (bar, replica) in (0..).zip(&mut bars) {
        ensure!(balance(replica)? == i64::from(TWICE), "each has what there is");
        sell(replica, bar, 0, TWICE)?;
        hub.merge(replica)?;
    }
    ensure!(hub.get_all(ROOT, "balance")?.len() == 1, "no conflict shows");
    balance(&hub)
}

/// Entries a second that the hub takes in of the same sales.
fn merged_journals(dir: &Path, wallets: u32) -> Result<f64> {
    let (festival, mut hub) = enrolled(dir)?;
    take(&mut hub, &festival, &credits(&festival, wallets, CREDIT)?)?;
    let of_a_bar = |bar: u32| {
        let sales = wallets * SALES / BARS;
        Journal::with(&festival, bar, Roles::BAR, sales + 1, |n| sale_to(band(n - 1, wallets), PRICE))
    };
    let mut seconds = 0.0;
    for bar in 1..=BARS {
        seconds += take(&mut hub, &festival, &of_a_bar(bar)?)?;
    }
    let left = i64::from(CREDIT) - i64::from(PRICE) * i64::from(SALES);
    for n in 0..wallets {
        let sums = hub.store().sums(band(n, wallets))?.context("a wallet")?;
        ensure!(sums.sums().balance() == left, "the hub lost a sale");
    }
    Ok(f64::from(wallets * SALES) / seconds)
}

fn band(n: u32, wallets: u32) -> WalletId {
    wallet(u64::from(n % wallets))
}

/// A desk's journal, with as much put on every wallet.
fn credits(festival: &Festival, wallets: u32, cents: u32) -> Result<Journal> {
    let top_up = |n: u32| {
        let mut entry = Entry::new(Kind::TOP_UP, Effect::Credit, Currency::EUR, Hlc::default());
        (entry.subject, entry.amount) = (band(n - 1, wallets).into(), Cents::new(cents).unwrap_or_default());
        entry.part = Detail::TopUp(TopUp { c_only: false, fee: Cents::ZERO, means: Means::Cash }).to_bytes();
        entry
    };
    Journal::with(festival, 0, Roles::TOP_UP, wallets + 1, top_up)
}

/// Verifies and stores a journal, and adds it up for the boxes to hear; the seconds that it took.
fn take(hub: &mut Hub, festival: &Festival, journal: &Journal) -> Result<f64> {
    let mut seconds = 0.0;
    for group in journal.segments.chunks((TRANSACTION / 500) as usize) {
        let segments = group.to_vec();
        let start = Instant::now();
        let verified = segments
            .into_iter()
            .map(|segment| VerifiedSegment::verify(segment, festival.id(), &journal.public))
            .collect::<Result<Vec<_>, _>>()?;
        let stored = hub.ingest(&verified)?;
        hub.publish()?;
        seconds += start.elapsed().as_secs_f64();
        ensure!(stored.len() == verified.len(), "the hub did not take every segment");
    }
    Ok(seconds)
}

/// A hub as it is after its start, and how many wallets it answers for.
pub(super) fn load_hub(dir: &Path) -> Result<(u32, Hub)> {
    let hub = opened(dir)?;
    let mut wallets = 0;
    while hub.store().sums(wallet(u64::from(wallets)))?.is_some() {
        wallets += 1;
    }
    Ok((wallets, hub))
}

/// Two bars apart sell for all of the 5.00 that a band has: what the hub names, with both places.
fn named_overspend() -> Result<i64> {
    let own = std::env::current_exe()?;
    let dir = tempfile::tempdir_in(own.parent().context("a folder")?)?;
    let (festival, mut hub) = enrolled(dir.path())?;
    take(&mut hub, &festival, &credits(&festival, 1, TWICE)?)?;
    for bar in 1..=BARS {
        take(&mut hub, &festival, &Journal::with(&festival, bar, Roles::BAR, 2, |_| sale_to(band(0, 1), TWICE))?)?;
    }
    let found = hub.matters(&Filter { kind: Some(MatterKind::Overspend), ..Filter::default() })?;
    let matter = found.matters.first().context("an overspend is named")?;
    ensure!(matter.places.len() == BARS as usize, "both places: {matter:?}");
    matter.amount_cents.context("its amount")
}
