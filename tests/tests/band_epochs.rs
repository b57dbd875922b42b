//! A second epoch of the bands' keys in one evening: made by the technician, sent to the boxes in the hub's bundle, sealed to
//! each; bands of both epochs at one box, a box that is left out, and the first epoch retired.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::time::Duration;

use evening::{
    audit::audit,
    chance::Chance,
    guest::Guest,
    ticket::Paper,
    world::{
        BAR, DESK, World,
        counter::{Request, Tapped},
        place::Place,
    },
};

const SOON: Duration = Duration::from_secs(30);

async fn tap(place: &Place, guest: &mut Guest, request: Request, chance: &mut Chance) -> Tapped {
    place.tap_until_over(guest, &request, &chance.request_id(), Vec::new()).await.unwrap()
}

fn beer() -> Request {
    Request::Sale(vec![(1, 1)], 0)
}

fn is_green(tapped: &Tapped) -> bool {
    matches!(tapped, Tapped::Green(_))
}

fn refused(code: &str) -> Tapped {
    Tapped::Refused(code.into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bands_of_two_epochs_are_served_at_one_box_and_a_box_that_was_left_out_says_that_it_lacks_the_keys() {
    let mut world = World::of(&[BAR, DESK]).await.unwrap();
    let (bar, desk) = (world.place(BAR.name).unwrap(), world.place(DESK.name).unwrap());
    let (hub_dir, mut chance) = (world.hub.dir.clone(), Chance::new(26));
    let organiser = world.technician.dir().to_str().unwrap().to_owned();
    let out = hub_dir.join("band-keys/1.cbor");
    // the bar is left out, as a stolen box would be
    let bar_number = bar.view().await.unwrap().box_number.to_string();
    let words =
        ["band-keys", "new", "--festival", &organiser, "--out", out.to_str().unwrap(), "--without", &bar_number];
    let said = world.technician.programs().provision(&words).unwrap();
    assert!(said.contains("sealed to 1 boxes") || said.contains("scellées pour 1"), "{said}");

    let (first, second) = (world.technician.supplier(&hub_dir).unwrap(), world.technician.supplier(&hub_dir).unwrap());
    let second = second.in_epoch(1);
    let paper = || Paper { text: String::new(), refused_with: None, id: None };
    let mut guests = vec![
        Guest::new(0, paper(), first.purse(1).unwrap()),
        Guest::new(1, paper(), first.aes_purse(1).unwrap()),
        Guest::new(2, paper(), second.purse(2).unwrap()),
        Guest::new(3, paper(), second.aes_purse(2).unwrap()),
    ];
    let cash = || Request::TopUp(5_000);
    for (number, guest) in guests.iter_mut().enumerate() {
        let tapped = tap(desk, guest, cash(), &mut chance).await;
        let expected = number < 2;
        assert_eq!(is_green(&tapped), expected, "{number}: {tapped:?}");
        assert!(expected || tapped == refused("band.keys_missing"), "{number}: {tapped:?}");
    }

    world.hub.api.post::<serde_json::Value>("/api/ticket-keys/adopt", &serde_json::json!({})).await.unwrap();
    world.wait_for_bundle(SOON).await.unwrap();
    for guest in &mut guests[2..] {
        assert!(is_green(&tap(desk, guest, cash(), &mut chance).await));
    }
    for guest in &mut guests {
        assert!(is_green(&tap(desk, guest, beer(), &mut chance).await), "both epochs at one box");
    }
    for (number, guest) in guests.iter_mut().enumerate() {
        let tapped = tap(bar, guest, beer(), &mut chance).await;
        assert!(if number < 2 { is_green(&tapped) } else { tapped == refused("band.keys_missing") }, "{tapped:?}");
    }

    world.hub.kill().unwrap();
    let settings = hub_dir.join("festival.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replacen("[policy]\n", "[policy]\nretired_band_epochs = [0]\n", 1)).unwrap();
    world.start_hub().unwrap();
    world.wait_for_bundle(SOON).await.unwrap();
    for (number, guest) in guests.iter_mut().enumerate() {
        let tapped = tap(desk, guest, beer(), &mut chance).await;
        assert!(if number < 2 { tapped == refused("band.keys_retired") } else { is_green(&tapped) }, "{tapped:?}");
    }
    world.wait_until_agreed(SOON).await.unwrap();
    // whoever reckons must have the keys of both
    world.supplier = world.technician.supplier(&hub_dir).unwrap();
    let report = audit(&world, &guests, &[], None).await.unwrap();
    assert!(report.ok, "{report:#?}");
}
