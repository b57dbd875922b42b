//! Conflicts and doubts as people settle them: found, shown with their evidence, decided, and known to the boxes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::time::Duration;

use evening::{
    chance::Chance,
    guest::Guest,
    ticket::Paper,
    world::{
        BAR, DESK, World,
        counter::{Request, Tapped, fault},
        place::Place,
        wait::until,
    },
};
use screens::view::{MatterPage, MatterView, RiskView};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

fn paper() -> Paper {
    Paper { text: String::new(), refused_with: None, id: None }
}

fn beer() -> Request {
    Request::Sale(vec![(1, 1)], 0)
}

async fn green(place: &Place, guest: &mut Guest, request: Request, chance: &mut Chance) {
    let tapped = place.tap_until_over(guest, &request, &chance.request_id(), Vec::new()).await.unwrap();
    assert!(matches!(tapped, Tapped::Green(_)), "{request:?}: {tapped:?}");
}

/// Sells until the place says no.
async fn sell_out(place: &Place, guest: &mut Guest, chance: &mut Chance) -> u32 {
    for sold in 0..50 {
        match place.tap_until_over(guest, &beer(), &chance.request_id(), Vec::new()).await.unwrap() {
            Tapped::Green(_) => {}
            Tapped::Refused(_) => return sold,
            Tapped::Again(result) => panic!("{result:?}"),
        }
    }
    panic!("it never says no");
}

async fn matters(world: &World, asked: &str) -> MatterPage {
    world.hub.api.get(&format!("/api/matters?{asked}")).await.unwrap()
}

/// The only open matter of a kind, once there is one.
async fn open(world: &World, kind: &str) -> MatterView {
    let look = async || Ok(matters(world, &format!("state=open&kind={kind}")).await.matters.into_iter().next());
    until(&format!("the hub lists {kind}"), SOON, look).await.unwrap()
}

/// Decides as from a page that shows the matter as it is now.
async fn decide(world: &World, matter: &MatterView, body: Value) -> MatterView {
    let shown: Value = world.hub.api.get(&format!("/api/matters/{}", matter.id)).await.unwrap();
    let seen = &shown["matter"]["seen"];
    let body = merged(body, json!({ "by": "Ana", "reason": "seen at the office", "seen": seen }));
    world.hub.api.post(&format!("/api/matters/{}/resolve", matter.id), &body).await.unwrap()
}

fn merged(mut body: Value, more: Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn balanced(world: &World) -> Value {
    let totals: Value = world.hub.api.get("/api/totals").await.unwrap();
    assert_eq!(totals["balanced"], json!(true), "{totals:#}");
    totals
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_band_overspent_at_two_bars_apart_is_blocked_at_both_freed_again_and_forgiven() {
    let world = World::of(&[BAR, DESK]).await.unwrap();
    let (bar, desk) = (world.place(BAR.name).unwrap(), world.place(DESK.name).unwrap());
    let mut chance = Chance::new(11);
    let mut guest = Guest::new(1, paper(), world.supplier.uid_only(1));
    green(desk, &mut guest, Request::TopUp(1_000), &mut chance).await;
    world.wait_until_agreed(SOON).await.unwrap();
    world.cut(&[BAR.name]).unwrap();
    assert!(sell_out(desk, &mut guest, &mut chance).await > 0 && sell_out(bar, &mut guest, &mut chance).await > 0);
    let local = bar.view().await.unwrap().at_risk_cents;
    let risk: RiskView = world.hub.api.get("/api/risk").await.unwrap();
    assert!(local <= risk.each_box_cents, "{local} of {risk:?}");
    let plan = "islands=4&bands=100&mean_cents=3000&limit_cents=2000&profile=uid";
    let plan: Value = world.hub.api.get(&format!("/api/risk/plan?{plan}")).await.unwrap();
    assert_eq!(plan, json!({ "all_cents": 600_000, "one_cents": 6_000, "formula": "islands" }));
    world.mend().await.unwrap();
    world.wait_until_agreed(SOON).await.unwrap();

    let matter = open(&world, "overspend").await;
    let lost = matter.amount_cents.unwrap();
    assert!(0 < lost && lost <= local, "{lost} of {local} that the bar had at risk");
    let places: Vec<&str> = matter.places.iter().map(|at| at.place.as_str()).collect();
    assert!(places.contains(&BAR.name) && places.contains(&DESK.name), "{places:?}");
    let shown: Value = world.hub.api.get(&format!("/api/matters/{}", matter.id)).await.unwrap();
    assert_eq!(shown["evidence"]["entries"].as_array().unwrap().len(), matter.places.len());
    assert!(matters(&world, "state=open&place=bar%201").await.total >= 1);
    assert_eq!(matters(&world, "place=nowhere").await.total, 0);

    // nobody decides without a name and a reason
    let address = format!("/api/matters/{}/resolve", matter.id);
    let nameless = world.hub.api.ask::<Value>(&address, &json!({ "action": "block", "by": "", "reason": "x" })).await;
    assert_eq!(nameless.unwrap().unwrap_err().code, "hub.ruling_by");

    assert!(!decide(&world, &matter, json!({ "action": "block" })).await.open);
    world.wait_until_agreed(SOON).await.unwrap();
    for place in [bar, desk] {
        let no = place.tap_until_over(&mut guest, &beer(), &chance.request_id(), Vec::new()).await.unwrap();
        assert_eq!(no, Tapped::Refused("band.blocked".into()), "{}", place.name());
    }
    decide(&world, &matter, json!({ "action": "lift" })).await;
    let done = decide(&world, &matter, json!({ "action": "forgive" })).await;
    assert!(!done.open);
    let books = balanced(&world).await;
    assert_eq!((&books["overspend_cents"], &books["gifts_cents"]), (&json!(0), &json!(lost)));
    world.wait_until_agreed(SOON).await.unwrap();
    green(desk, &mut guest, Request::TopUp(2_000), &mut chance).await;
    world.wait_until_agreed(SOON).await.unwrap();
    green(bar, &mut guest, beer(), &mut chance).await;

    // decided, by whom, why, in what order; also after a restart of the hub
    world.hub.kill().unwrap();
    world.start_hub().unwrap();
    let kept = matters(&world, "state=decided").await.matters;
    let kept = kept.iter().find(|kept| kept.id == matter.id).unwrap();
    assert_eq!(kept.rulings.len(), 3);
    assert_eq!((kept.rulings[0].action.as_str(), kept.rulings[0].standing.as_str()), ("forgive", "holds"));
    assert!(kept.rulings.iter().all(|one| one.by == "Ana" && one.reason == "seen at the office"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_doubt_waits_for_its_box_then_for_a_read_and_what_is_owed_is_paid_out_without_the_band() {
    let world = World::of(&[BAR, DESK]).await.unwrap();
    let (bar, desk) = (world.place(BAR.name).unwrap(), world.place(DESK.name).unwrap());
    let mut chance = Chance::new(12);
    let mut guest = Guest::new(1, paper(), world.supplier.purse(1).unwrap());
    green(desk, &mut guest, Request::TopUp(5_000), &mut chance).await;
    world.wait_until_agreed(SOON).await.unwrap();
    let torn = bar.tap(&mut guest, &beer(), &chance.request_id(), fault("leave after write 5").unwrap()).await.unwrap();
    assert!(matches!(torn, Tapped::Again(_)), "{torn:?}");
    let doubt = bar.view().await.unwrap().in_doubt.remove(0);

    let matter = open(&world, "in_doubt").await;
    assert_eq!((matter.amount_cents, matter.waits.as_deref()), (Some(doubt.price_cents), Some("its_box")));
    assert_eq!((matter.about.as_str(), matter.places[0].place.as_str()), (doubt.entry.as_str(), BAR.name));
    let address = format!("/api/matters/{}/resolve", matter.id);
    let body = json!({ "action": "write_off", "by": "Ana", "reason": "the guest left", "seen": matter.seen });
    let early = world.hub.api.ask::<Value>(&address, &body).await.unwrap();
    assert_eq!(early.unwrap_err().code, "hub.ruling_its_box");
    let answer = screens::post::HandedOver { entry: doubt.entry, handed_over: false, pin: None };
    bar.api.post::<Value>("/api/till/handed-over", &answer).await.unwrap();
    let given_up = async || {
        let matter = open(&world, "in_doubt").await;
        Ok((matter.waits.as_deref() == Some("read_or_write_off")).then_some(()))
    };
    until("the hub hears that the bar gave it up", SOON, given_up).await.unwrap();
    decide(&world, &matter, json!({ "action": "write_off" })).await;
    assert_eq!(balanced(&world).await["in_doubt_cents"], json!(0));

    // the band comes back after all: the read corrects what was written off, and the guest is owed what he paid
    green(desk, &mut guest, Request::ClosingRead, &mut chance).await;
    world.wait_until_agreed(SOON).await.unwrap();
    let owed = open(&world, "pending").await;
    assert_eq!(owed.amount_cents, Some(doubt.price_cents));
    let address = format!("/api/matters/{}/resolve", owed.id);
    let body = json!({ "action": "pay_out", "by": "Ana", "reason": "lost the band", "seen": owed.seen });
    let waits = world.hub.api.ask::<Value>(&address, &body).await.unwrap();
    if let Err(refused) = waits {
        assert_eq!(refused.code, "hub.ruling_risk");
        decide(&world, &owed, json!({ "action": "pay_out", "accept_risk": true })).await;
    }
    let books = balanced(&world).await;
    assert_eq!((&books["pending_credit_cents"], &books["refunded_cents"]), (&json!(0), &json!(5_000)));
    world.wait_until_agreed(SOON).await.unwrap();
    let no = bar.tap_until_over(&mut guest, &beer(), &chance.request_id(), Vec::new()).await.unwrap();
    assert!(matches!(&no, Tapped::Refused(code) if code.starts_with("band.")), "{no:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_of_a_counted_stock_is_right_at_a_bar_that_is_apart_and_at_the_hub_once_it_is_heard() {
    let world = World::of(&[BAR, DESK]).await.unwrap();
    let (bar, desk) = (world.place(BAR.name).unwrap(), world.place(DESK.name).unwrap());
    let mut chance = Chance::new(14);
    let mut guest = Guest::new(1, paper(), world.supplier.uid_only(1));
    green(desk, &mut guest, Request::TopUp(5_000), &mut chance).await;
    world.wait_until_agreed(SOON).await.unwrap();
    green(bar, &mut guest, beer(), &mut chance).await;
    world.wait_until_agreed(SOON).await.unwrap();
    let number = bar.view().await.unwrap().box_number;
    let counted = json!({ "box": number, "product": 1, "pieces": 2 });
    world.hub.api.post::<Value>("/api/stock/count", &counted).await.unwrap();
    let left = async |place: &Place| {
        let till = place.view().await?.till.unwrap();
        Ok::<_, anyhow::Error>(till.products.into_iter().find(|shown| shown.id == 1).and_then(|shown| shown.left))
    };
    until("the bar shows what was counted", SOON, async || Ok((left(bar).await? == Some(2)).then_some(())))
        .await
        .unwrap();
    world.cut(&[BAR.name]).unwrap();
    for wanted in [1, 0, -1] {
        green(bar, &mut guest, beer(), &mut chance).await;
        assert_eq!(left(bar).await.unwrap(), Some(wanted), "and it goes on selling");
    }
    green(desk, &mut guest, beer(), &mut chance).await;
    let at_hub = async || {
        let stock: Vec<screens::view::StockView> = world.hub.api.get("/api/stock").await?;
        Ok::<_, anyhow::Error>(stock.into_iter().find(|stock| stock.product == 1).unwrap())
    };
    assert_eq!(at_hub().await.unwrap().boxes[0].left, 2, "the bar has not been heard");
    world.mend().await.unwrap();
    world.wait_until_agreed(SOON).await.unwrap();
    let shown = at_hub().await.unwrap();
    assert_eq!((shown.boxes[0].left, shown.boxes[0].low, shown.sold), (-1, true, 5));
}
