//! Bytes that a disk changed under real daemons: put right and told, or a box and a hub that keep the evidence and say so.
//! Not here: the sweep over every place (`box_store::tests::sweep`, `sync_hub::integrity::tests`).
use std::{fs, path::Path, time::Duration};

use evening::{
    chance::Chance,
    guest::Guest,
    ticket::Paper,
    world::{
        World,
        counter::{Request, Tapped},
        place::{Place, Post},
        wait::until,
    },
};
use rusqlite::Connection;
use screens::{
    Lang,
    view::{Args, DocumentView},
};
use serde_json::{Value, json};
use tokio::task::block_in_place;

const SOON: Duration = Duration::from_secs(30);
const POST: Post = Post { name: "Bar 1", roles: &["gate", "bar", "top-up"], pairing: false };

fn paper() -> Paper {
    Paper { text: String::new(), refused_with: None, id: None }
}

/// A database whose rows are all in its file.
fn settled(file: &Path) -> Connection {
    let connection = Connection::open(file).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    connection
}

/// Flips one bit of the bytes that this query gives, where they lie in the file.
fn flip(file: &Path, sql: &str, at: usize) {
    let bytes: Vec<u8> = settled(file).query_row(sql, [], |row| row.get(0)).unwrap();
    let mut whole = fs::read(file).unwrap();
    let needle = &bytes[..bytes.len().min(120)];
    let found = whole.windows(needle.len()).position(|window| window == needle).unwrap();
    whole[found + at] ^= 4;
    fs::write(file, whole).unwrap();
}

async fn alerts(place: &Place) -> Vec<String> {
    place.view().await.unwrap().alerts.into_iter().map(|alert| alert.code).collect()
}

fn has_words(code: &str) {
    for lang in [Lang::En, Lang::Fr] {
        assert_ne!(screens::reason(lang, code, &Args::new()), screens::reason(lang, "no.such", &Args::new()), "{code}");
    }
}

/// Switches the box off, lets something happen to its disk, and switches it on.
fn meanwhile(place: &Place, happens: impl FnOnce(&Path)) {
    block_in_place(|| {
        place.stop(SOON).unwrap();
        happens(&place.dir);
        place.start().unwrap();
    });
}

async fn green(place: &Place, guest: &mut Guest, request: Request, chance: &mut Chance) {
    let tapped = place.tap_until_over(guest, &request, &chance.request_id(), Vec::new()).await.unwrap();
    assert!(matches!(tapped, Tapped::Green(_)), "{request:?}: {tapped:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_disk_changed_at_a_box_is_fetched_or_made_anew_and_told_and_a_damaged_wal_stops_it() {
    let world = World::of(&[POST]).await.unwrap();
    let place = world.place(POST.name).unwrap();
    let mut chance = Chance::new(71);
    let mut guest = Guest::new(1, paper(), world.supplier.uid_only(1));
    let price = json!({ "session": "", "document": "catalogue", "set": { "product/2/price": "470" } });
    world.hub.api.post::<Value>("/api/documents/edit", &price).await.unwrap();
    let ticket = world.hub.issue(&json!({ "category": 1, "holder": "" })).await.unwrap();
    green(place, &mut guest, Request::TopUp(5_000), &mut chance).await;
    let snapshot = async || {
        let mut blobs = fs::read_dir(place.dir.join("blobs")).into_iter().flatten().flatten().map(|file| file.path());
        Ok(blobs.find(|path| path.extension().is_none()))
    };
    let blob = until("the gate has the ticket snapshot", SOON, snapshot).await.unwrap();
    world.wait_for_bundle(SOON).await.unwrap();
    world.wait_until_agreed(SOON).await.unwrap();

    // what the hub said of a wallet
    let store = |dir: &Path| dir.join("store.db");
    meanwhile(place, |dir| flip(&store(dir), "SELECT state FROM hub_wallet LIMIT 1", 20));
    assert!(alerts(place).await.contains(&"box.fetched_again".to_owned()), "{}", place.log());
    world.wait_until_agreed(SOON).await.unwrap();
    green(place, &mut guest, Request::Sale(vec![(1, 1)], 0), &mut chance).await;
    world.wait_until_agreed(SOON).await.unwrap();
    meanwhile(place, |_| {});
    assert_eq!(alerts(place).await, Vec::<String>::new(), "once");

    // what is folded from the journal
    meanwhile(place, |dir| {
        let changed = settled(&store(dir)).execute("UPDATE hour SET sales_cents = sales_cents + 4096", []).unwrap();
        assert!(changed > 0);
    });
    assert_eq!(alerts(place).await, ["box.sums_made_anew"]);

    // a document, signed by whoever edited it
    meanwhile(place, |dir| flip(&store(dir), "SELECT envelope FROM document_edit ORDER BY position DESC LIMIT 1", 60));
    let priced = async || {
        let catalogue: DocumentView = place.api.get("/api/documents/catalogue").await?;
        Ok((catalogue.fields.get("product/2/price").is_some_and(|price| price == "470")).then_some(()))
    };
    until("the price holds again", SOON, priced).await.unwrap();
    assert!(alerts(place).await.contains(&"box.fetched_again".to_owned()));

    // the ticket snapshot
    let good = fs::read(&blob).unwrap();
    meanwhile(place, |_| {
        let mut bytes = good.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&blob, bytes).unwrap();
    });
    let is_back = async || Ok(fs::read(&blob).is_ok_and(|bytes| bytes == good).then_some(()));
    until("the snapshot is fetched again", SOON, is_back).await.unwrap();
    let verdict: Value = place.api.post("/api/gate/scan", &json!({ "text": ticket.text })).await.unwrap();
    assert_eq!(verdict["admitted"], true, "{verdict:#}");

    // a frame in the middle of the WAL: commits stand behind it
    world.wait_until_agreed(SOON).await.unwrap();
    meanwhile(place, |dir| drop(settled(&store(dir))));
    for _ in 0..3 {
        green(place, &mut guest, Request::Sale(vec![(1, 1)], 0), &mut chance).await;
    }
    meanwhile(place, |dir| {
        let wal = dir.join("store.db-wal");
        let mut bytes = fs::read(&wal).unwrap();
        bytes[32 + 24 + 500] ^= 1;
        fs::write(&wal, bytes).unwrap();
    });
    let health: Value = place.api.get("/api/health").await.unwrap();
    assert_eq!((&health["status"], &health["degraded"]), (&json!("degraded"), &json!("box.damaged.wal")), "{health:#}");
    let other = world.hub.issue(&json!({ "category": 1, "holder": "" })).await.unwrap();
    let verdict: Value = place.api.post("/api/gate/scan", &json!({ "text": other.text })).await.unwrap();
    assert_eq!(verdict["admitted"], false, "{verdict:#}");
    ["box.damaged.wal", "box.fetched_again", "box.sums_made_anew"].into_iter().for_each(has_words);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_whose_database_was_changed_stores_nothing_says_so_and_gets_everything_once_a_copy_is_restored() {
    let world = World::of(&[POST]).await.unwrap();
    let place = world.place(POST.name).unwrap();
    let mut chance = Chance::new(72);
    let mut guest = Guest::new(1, paper(), world.supplier.uid_only(1));
    green(place, &mut guest, Request::TopUp(5_000), &mut chance).await;
    world.wait_until_agreed(SOON).await.unwrap();
    block_in_place(|| world.hub.stop(SOON)).unwrap();
    let file = world.hub.dir.join("hub.db");
    drop(settled(&file));
    let good = fs::read(&file).unwrap();
    flip(&file, "SELECT state FROM wallets WHERE state IS NOT NULL LIMIT 1", 20);
    world.start_hub().unwrap();
    let told = async || {
        let health: Value = world.hub.api.get("/api/health").await?;
        let view = world.hub.view().await?;
        let is_said = health["trouble"] == "hub.database_damaged" && health["status"] == "degraded";
        Ok((is_said && view.trouble.as_deref() == Some("hub.database_damaged")).then_some(()))
    };
    until("the hub says that its database is damaged", SOON, told).await.unwrap();
    has_words("hub.database_damaged");
    green(place, &mut guest, Request::Sale(vec![(1, 1)], 0), &mut chance).await;
    let no = world.hub.api.ask::<Value>("/api/bands/block", &json!({ "wallet": "00".repeat(16) })).await.unwrap();
    assert_eq!(no.unwrap_err().code, "hub.database_damaged");
    assert!(place.view().await.unwrap().unsent > 0, "the bar keeps what the hub does not store");

    block_in_place(|| world.hub.stop(SOON)).unwrap();
    for ending in ["-wal", "-shm"] {
        fs::remove_file(world.hub.dir.join(format!("hub.db{ending}"))).ok();
    }
    fs::write(&file, good).unwrap();
    world.start_hub().unwrap();
    world.wait_until_agreed(SOON).await.unwrap();
    let wallet: Value = world.hub.api.get(&format!("/api/wallets/{}", guest.band.wallet_hex())).await.unwrap();
    assert_eq!(wallet["balance_cents"], guest.expects_cents(), "{wallet:#}");
    let health: Value = world.hub.api.get("/api/health").await.unwrap();
    assert_eq!(health["status"], "ok", "{health:#}");
}
