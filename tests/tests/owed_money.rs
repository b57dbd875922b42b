//! Money that the hub owes a guest, and a band that is gone, over real daemons and the real wire.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::time::Duration;

use evening::{
    chance::Chance,
    guest::{Guest, Seen},
    ticket::Paper,
    world::{
        BAR, DESK, World,
        counter::{Request, Tapped},
        wait::until,
    },
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);

fn guest(world: &World, number: u32) -> Guest {
    let paper = Paper { text: String::new(), refused_with: None, id: None };
    Guest::new(usize::try_from(number).unwrap(), paper, world.supplier.purse(number).unwrap())
}

async fn wallet(world: &World, guest: &Guest) -> Value {
    world.hub.api.find::<Value>(&format!("/api/wallets/{}", guest.band.wallet_hex())).await.unwrap().unwrap_or_default()
}

async fn totals(world: &World) -> Value {
    let totals: Value = world.hub.api.get("/api/totals").await.unwrap();
    assert_eq!(totals["balanced"], json!(true), "{totals:#}");
    totals
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_online_top_up_reaches_a_band_at_a_bar_that_was_cut_off_and_the_next_tap_writes_it_and_sells() {
    let world = World::of(&[BAR, DESK]).await.unwrap();
    let (bar, desk) = (world.place(BAR.name).unwrap(), world.place(DESK.name).unwrap());
    let mut chance = Chance::new(3);
    let mut guest = guest(&world, 1);
    let beer = Request::Sale(vec![(1, 1)], 0);
    let topped = desk.tap_until_over(&mut guest, &Request::TopUp(500), &chance.request_id(), Vec::new()).await.unwrap();
    assert!(matches!(topped, Tapped::Green(_)), "{topped:?}");
    world.wait_until_agreed(SOON).await.unwrap();

    // the bar is alone when the guest pays online; it has heard nothing and sells from what is on the band
    world.cut(&[BAR.name]).unwrap();
    let before = wallet(&world, &guest).await;
    let address = format!("/api/wallets/{}/online-top-up", before["wallet"].as_str().unwrap());
    let body = json!({ "amount_cents": 2000, "key": "0123456789abcdef0123456789abcdef", "reference": "card 17" });
    let paid: Value = world.hub.api.post(&address, &body).await.unwrap();
    assert_eq!((&paid["known"], &paid["pending"]), (&json!(false), &json!(true)));
    let again: Value = world.hub.api.post(&address, &body).await.unwrap();
    assert_eq!((&again["known"], &again["entry"]), (&json!(true), &paid["entry"]));
    let alone = bar.tap_until_over(&mut guest, &beer, &chance.request_id(), Vec::new()).await.unwrap();
    let Tapped::Green(alone) = alone else { panic!("{alone:?}") };
    assert_eq!(alone.arrived_cents, 0);
    let price = alone.charged_cents;

    // healed: C' is signed for the band as it is, and the bar hears of it
    world.mend().await.unwrap();
    world.wait_until_agreed(SOON).await.unwrap();
    until("the credit is signed", SOON, async || {
        Ok((wallet(&world, &guest).await["offered_cents"] == json!(2000)).then_some(()))
    })
    .await
    .unwrap();
    world.wait_until_agreed(SOON).await.unwrap();
    let mut arrived = 0;
    let mut left = 0;
    for _ in 0..3 {
        let tapped = bar.tap_until_over(&mut guest, &beer, &chance.request_id(), Vec::new()).await.unwrap();
        let Tapped::Green(result) = tapped else { panic!("{tapped:?}") };
        arrived += result.arrived_cents;
        left = result.balance_after_cents.unwrap();
        if arrived > 0 {
            break;
        }
    }
    assert_eq!(arrived, 2000, "in the same presence as a sale");
    world.wait_until_agreed(SOON).await.unwrap();
    let sales = i64::try_from(guest.lights.iter().filter(|light| light.what == Seen::Paid).count()).unwrap();
    assert_eq!(left, 500 + 2000 - sales * price);
    let books = totals(&world).await;
    assert_eq!((&books["top_up_cents"], &books["pending_credit_cents"]), (&json!(2500), &json!(0)));
    assert_eq!(books["balance_cents"], json!(left));
    assert_eq!(books["unexplained_cents"], json!(0));
}
