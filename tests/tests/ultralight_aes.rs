//! Bands on Ultralight AES over real daemons: topped up, sold to, torn at the increment and in the only credit record.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::time::Duration;

use evening::{
    audit::audit,
    chance::Chance,
    guest::Guest,
    ticket::Paper,
    world::{
        BAR, DESK, World,
        counter::{Request, Tapped, fault},
    },
};

const SOON: Duration = Duration::from_secs(30);

fn guest(world: &World, number: u32) -> Guest {
    let paper = Paper { text: String::new(), refused_with: None, id: None };
    Guest::new(usize::try_from(number).unwrap(), paper, world.supplier.aes_purse(number).unwrap())
}

fn beer() -> Request {
    Request::Sale(vec![(1, 1)], 0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_band_with_a_counter_is_topped_up_and_sold_to_and_torn_taps_settle_to_the_cent() {
    let world = World::of(&[BAR, DESK]).await.unwrap();
    let (bar, desk) = (world.place(BAR.name).unwrap(), world.place(DESK.name).unwrap());
    let mut chance = Chance::new(14);
    let mut guests: Vec<Guest> = (1..=6).map(|number| guest(&world, number)).collect();
    let desk_faults = ["", "tear write 1 at byte 2", "tear write 9 at byte 1", "leave after write 19", "", ""];
    let bar_faults = [
        "",
        "leave before write 6",
        "leave after write 6",
        "tear write 6 before store",
        "tear write 6 after store",
        "tear write 5 at byte 2",
    ];
    for (guest, faults) in guests.iter_mut().zip(desk_faults) {
        let id = chance.request_id();
        let topped = desk.tap_until_over(guest, &Request::TopUp(5_000), &id, fault(faults).unwrap()).await.unwrap();
        let Tapped::Green(result) = topped else { panic!("{faults}: {topped:?}") };
        assert_eq!(result.balance_after_cents, Some(5_000), "{faults}");
    }
    for (guest, faults) in guests.iter_mut().zip(bar_faults) {
        let id = chance.request_id();
        let sold = bar.tap_until_over(guest, &beer(), &id, fault(faults).unwrap()).await.unwrap();
        let Tapped::Green(result) = sold else { panic!("{faults}: {sold:?}") };
        assert!(result.charged_cents > 0);
        assert_eq!(result.balance_after_cents, Some(5_000 - result.charged_cents), "{faults}");
    }
    world.wait_until_agreed(SOON).await.unwrap();
    let report = audit(&world, &guests, &[], None).await.unwrap();
    assert!(report.ok, "{report:#?}");
}
