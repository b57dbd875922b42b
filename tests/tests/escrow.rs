//! Accounts under escrow over real daemons: a copied band at bars that are apart from the hub and from each other never
//! spends more than was put on it, and an honest guest is served everywhere while the network is up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a failed test should panic")]
use std::time::{Duration, Instant};

use evening::{
    audit::audit,
    chance::Chance,
    guest::Guest,
    ticket::Paper,
    world::{
        BAR, DESK, Plan, World,
        counter::{Request, Tapped},
        place::{Place, Post},
        process::Programs,
        wait::until,
    },
};
use hardware::chip::SharedBand;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);
const OTHER_BAR: Post = Post { name: "Bar 2", ..BAR };
/// On the copied band, in cents.
const COPIED: u32 = 4_000;

fn guest(world: &World, number: usize) -> Guest {
    let paper = Paper { text: String::new(), refused_with: None, id: None };
    Guest::new(number, paper, world.supplier.uid_only(u32::try_from(number).unwrap()))
}

async fn top_up(desk: &Place, guest: &mut Guest, cents: u32, chance: &mut Chance) {
    let topped = desk.tap(guest, &Request::TopUp(cents), &chance.request_id(), Vec::new()).await.unwrap();
    assert!(matches!(topped, Tapped::Green(_)), "{}: {topped:?}", desk.name());
}

/// One drink on this band; how the tap ended, and how long it took until the light.
async fn drink(bar: &Place, guest: &mut Guest, band: &SharedBand, chance: &mut Chance) -> (Tapped, Duration) {
    let (id, before) = (chance.request_id(), Instant::now());
    let tapped = bar.tap_with(guest, band, &Request::Sale(vec![(1, 1)], 0), &id, Vec::new()).await.unwrap();
    (tapped, before.elapsed())
}

async fn own_drink(bar: &Place, guest: &mut Guest, chance: &mut Chance) -> (Tapped, Duration) {
    let band = guest.band.chip.clone();
    drink(bar, guest, &band, chance).await
}

/// Drinks until the bar refuses; what was charged, and the code.
async fn drink_dry(bar: &Place, guest: &mut Guest, band: &SharedBand, chance: &mut Chance) -> (i64, String) {
    let mut charged = 0;
    loop {
        match drink(bar, guest, band, chance).await.0 {
            Tapped::Green(result) => charged += result.charged_cents,
            Tapped::Refused(code) => return (charged, code),
            Tapped::Again(result) => panic!("an account has no torn tap: {result:?}"),
        }
    }
}

async fn wallet(world: &World, guest: &Guest) -> Value {
    world.hub.api.get(&format!("/api/wallets/{}", guest.band.wallet_hex())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_band_never_spends_more_than_was_put_on_it_and_honest_guests_are_served() {
    let plan = Plan { escrow: true, ..Plan::of(&[BAR, OTHER_BAR, DESK]) };
    let world = World::start(Programs::built().unwrap(), &plan, &|_| {}).await.unwrap();
    let place = |name| world.place(name).unwrap();
    let (bar, other, desk) = (place(BAR.name), place(OTHER_BAR.name), place(DESK.name));
    let mut chance = Chance::new(19);
    let takes_part = async || {
        let told = world.hub.view().await?.risk.escrow;
        Ok((told.escrow && told.waits.is_empty()).then_some(()))
    };
    until("the console says that accounts are under escrow", SOON, takes_part).await.unwrap();

    // an honest guest goes from bar to bar, and is served wherever the money is
    let mut honest = guest(&world, 1);
    top_up(desk, &mut honest, 10_000, &mut chance).await;
    world.wait_until_agreed(SOON).await.unwrap();
    let (mut moved, mut held) = (Vec::new(), Vec::new());
    for round in 0..3 {
        for at in [bar, other, desk] {
            for (drinks, took) in [(0, &mut moved), (1, &mut held)] {
                let (tapped, time) = own_drink(at, &mut honest, &mut chance).await;
                assert!(matches!(tapped, Tapped::Green(_)), "{} {round} {drinks}: {tapped:?}", at.name());
                took.push(time);
            }
        }
    }
    moved.sort();
    held.sort();
    println!("a drink where the guest comes from another bar: {moved:?}, the next one there: {held:?}");
    assert!(moved.last().unwrap() < &Duration::from_secs(4), "{moved:?}");

    // a band and its copy, known at both bars; then both bars are cut off
    let mut thief = guest(&world, 2);
    let copy = thief.band.copied();
    top_up(desk, &mut thief, COPIED, &mut chance).await;
    world.wait_until_agreed(SOON).await.unwrap();
    for at in [bar, other] {
        let (tapped, _) = own_drink(at, &mut thief, &mut chance).await;
        assert!(matches!(tapped, Tapped::Green(_)), "{tapped:?}");
    }
    let mut late = guest(&world, 3);
    world.wait_until_agreed(SOON).await.unwrap();
    world.cut(&[BAR.name, OTHER_BAR.name, DESK.name]).unwrap();
    for at in [bar, other, desk] {
        at.wait_for_link(false, SOON).await.unwrap();
    }
    let band = thief.band.chip.clone();
    let (here, said_here) = drink_dry(bar, &mut thief, &band, &mut chance).await;
    let (there, said_there) = drink_dry(other, &mut thief, &copy.chip, &mut chance).await;
    assert_eq!([said_here.as_str(), said_there.as_str()], ["till.held_elsewhere"; 2]);
    assert!(here > 0 || there > 0, "whoever holds a share sells it");
    assert!(thief.expects_cents() >= 0, "{} more than was put on", thief.expects_cents());

    // what is put on at a desk that is cut off is spent there only
    top_up(desk, &mut late, 2_000, &mut chance).await;
    let (tapped, _) = own_drink(desk, &mut late, &mut chance).await;
    assert!(matches!(tapped, Tapped::Green(_)), "{tapped:?}");
    let (tapped, _) = own_drink(bar, &mut late, &mut chance).await;
    assert_eq!(tapped, Tapped::Refused("till.not_enough".into()));

    // together again: the books balance, nobody is listed, and all that is left can be spent at either bar
    world.mend().await.unwrap();
    world.wait_until_agreed(SOON).await.unwrap();
    let (tapped, _) = own_drink(bar, &mut late, &mut chance).await;
    assert!(matches!(tapped, Tapped::Green(_)), "{tapped:?}");
    let (_, said) = drink_dry(other, &mut thief, &copy.chip, &mut chance).await;
    assert_eq!(said, "till.not_enough", "everything was spent, no more");
    world.wait_until_agreed(SOON).await.unwrap();
    let shown = wallet(&world, &thief).await;
    assert_eq!(shown["balance_cents"].as_i64(), Some(thief.expects_cents()), "{shown}");
    assert_eq!(shown["overspent"].as_bool(), Some(false), "{shown}");
    let held = shown["shares"].as_array().unwrap().iter().filter_map(|share| share["held_cents"].as_i64());
    assert_eq!(held.sum::<i64>() + shown["free_cents"].as_i64().unwrap(), thief.expects_cents(), "{shown}");
    let view = world.hub.view().await.unwrap();
    assert!(view.conflicts.is_empty() && view.risk.at_risk_cents == 0, "{:?} {:?}", view.conflicts, view.risk);
    let report = audit(&world, &[honest, thief, late], &[], None).await.unwrap();
    assert!(report.ok, "{report:#?}");
}
