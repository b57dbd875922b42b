//! Clocks that are ten years off, at the hub and at a box: times differ, money does not.
use std::time::Duration;

use box_store::{Decision, StoreConfig};
use domain::{
    id::{BoxNumber, WalletId},
    journal::{Entry, Sale, SaleLine},
    money::{Cents, Currency},
    trust::{Certificate, CertificateChain, Founding, Purpose, Roles, Scope, SignedCertificate},
    wristband::tap::{UidAccount, uid_sale_entry},
};
use ed25519_dalek::SigningKey;
use evening::{
    audit::journals::Journals,
    chance::Chance,
    guest::Guest,
    ticket::Paper,
    world::{
        BAR, DESK, FESTIVAL_TIME, Plan, World,
        counter::{Request, Tapped},
        process::Programs,
        wait::until,
    },
};

const SOON: Duration = Duration::from_secs(30);
const TEN_YEARS_S: u64 = 10 * 365 * 86_400;

/// What a journal says about money, without times and without ids that are another festival's.
type Money = Vec<(u16, u8, u32, u16)>;

async fn evening_at(rehearse_at: u64) -> (Money, i64, serde_json::Value) {
    let plan = Plan { rehearse_at: Some(rehearse_at), ..Plan::of(&[BAR, DESK]) };
    let world = World::start(Programs::built().unwrap(), &plan, &|_| {}).await.unwrap();
    let mut chance = Chance::new(7);
    let paper = Paper { text: String::new(), refused_with: None, id: None };
    let mut guest = Guest::new(1, paper, world.supplier.purse(1).unwrap());
    for (place, request) in [
        (DESK, Request::TopUp(5_000)),
        (BAR, Request::Sale(vec![(1, 2)], 0)),
        (BAR, Request::Sale(vec![(1, 1)], 2)),
        (DESK, Request::TopUp(1_000)),
        (DESK, Request::ClosingRead),
        (DESK, Request::Refund),
    ] {
        let place = world.place(place.name).unwrap();
        let tapped = place.tap_until_over(&mut guest, &request, &chance.request_id(), Vec::new()).await.unwrap();
        assert!(matches!(tapped, Tapped::Green(_)), "{request:?}: {tapped:?}");
        world.wait_until_agreed(SOON).await.unwrap();
    }
    // the console's view is a moment behind what boxes and hub agreed on
    let shown = async || {
        let totals = serde_json::to_value(world.hub.view().await?.totals)?;
        Ok(Some(totals).filter(|totals| totals["refunded_cents"].as_i64() > Some(0)))
    };
    let totals = until("the console shows the refund", SOON, shown).await.unwrap();
    world.stop().unwrap();
    let journals = Journals::read(&world.dir().join("hub")).unwrap();
    let mut money: Vec<_> = journals
        .all()
        .filter(|(_, entry)| entry.amount > Cents::ZERO)
        .map(|(at, entry)| {
            ((entry.tap_counter, at.seq), (entry.kind.0, entry.effect.byte(), entry.amount.get(), entry.tap_counter))
        })
        .collect();
    money.sort();
    let latest = journals.all().map(|(_, entry)| entry.hlc.unix_ms() / 1_000).max().unwrap_or(0);
    (money.into_iter().map(|(_, money)| money).collect(), i64::try_from(latest).unwrap(), totals)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_taps_under_three_clocks_give_the_same_money() {
    let (money, at, totals) = evening_at(FESTIVAL_TIME).await;
    assert!(money.len() >= 8, "{money:?}");
    for (clock, late) in [(FESTIVAL_TIME - TEN_YEARS_S, false), (FESTIVAL_TIME + TEN_YEARS_S, true)] {
        let (other_money, other_at, other_totals) = evening_at(clock).await;
        assert_eq!(other_money, money);
        assert_eq!(other_totals, totals);
        assert_eq!(other_at > at + 86_400, late, "the times do differ: {at} {other_at}");
    }
}

fn chain(founding: &Founding, root: &SigningKey, key: &SigningKey) -> Vec<u8> {
    let certificate = Certificate {
        version: 1,
        festival: founding.festival(),
        purpose: Purpose::Device,
        subject: key.verifying_key().to_bytes(),
        issuer: [0; 32],
        serial: [0; 16],
        valid_from: 0,
        valid_until: 0,
        scope: Scope { place: "Bar".into(), roles: Roles::BAR, kinds: u64::MAX, box_numbers: (1, 8), quota_cents: 0 },
    };
    CertificateChain(vec![SignedCertificate::issue(certificate, root)]).to_bytes()
}

/// What a box's store then holds under a clock: each entry without its time, and its time.
fn journal_at(now_ms: u64) -> Vec<(Entry, u64)> {
    let dir = tempfile::tempdir().unwrap();
    let store = super::disks::store(dir.path(), now_ms).unwrap();
    let sold: Vec<_> = (1..=40).map(|price| super::disks::sell(&store, price).unwrap()).collect();
    let genesis = domain::id::EntryRef { seq: 0, ..sold[0] };
    let read = |at| {
        let entry = store.read(move |view| view.entry(at)).unwrap().unwrap();
        let time = entry.hlc.unix_ms();
        (Entry { hlc: domain::time::Hlc(0), ..entry }, time)
    };
    std::iter::once(genesis).chain(sold).map(read).collect()
}

#[test]
fn a_journal_under_three_clocks_differs_only_in_its_times() {
    let now = FESTIVAL_TIME * 1_000;
    let ten_years = TEN_YEARS_S * 1_000;
    let (true_time, early, late) = (journal_at(now), journal_at(now - ten_years), journal_at(now + ten_years));
    for other in [&early, &late] {
        assert_eq!(other.len(), true_time.len());
        for ((body, at), (other_body, other_at)) in true_time.iter().zip(other) {
            assert_eq!(body, other_body);
            assert!(at.abs_diff(*other_at) > ten_years / 2, "the times do differ");
        }
    }
}

/// One box's store configuration, the same each time.
pub(super) fn config(path: std::path::PathBuf) -> StoreConfig {
    let (root, key) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
    let founding = Founding {
        version: 1,
        root: root.verifying_key().to_bytes(),
        spare_root_hash: [0; 32],
        name: "Hostile".into(),
        currency: Currency::EUR,
        founded: 0,
    };
    StoreConfig {
        path,
        festival: founding.festival(),
        chain: chain(&founding, &root, &key),
        identity: key,
        box_number: BoxNumber(1),
        software: "test".into(),
    }
}

/// A sale of one thing at this price, from a wallet of its own.
pub(super) fn sale(price: u32) -> Decision<()> {
    let mut wallet = [7; 16];
    wallet[..4].copy_from_slice(&price.to_le_bytes());
    let account = UidAccount { wallet: WalletId(wallet), currency: Currency::EUR, operator: 1 };
    let line = SaleLine { product: 1, quantity: 1, unit_price: Cents::new(price).unwrap() };
    let sale = Sale { lines: vec![line], ..Sale::default() };
    Decision::write(vec![uid_sale_entry(&account, sale, line.unit_price, 1)], ())
}
