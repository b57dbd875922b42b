//! A box and the hub over real QUIC: killed, cut, restarted, set back to an older image.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::{fs, path::Path, time::Duration};

use evening::{
    audit::audit,
    chance::Chance,
    guest::Guest,
    ticket::Paper,
    world::{
        BAR, DESK, GATE_A, World,
        counter::{Request, Tapped, fault},
        place::Place,
        wait::until,
    },
};

const SOON: Duration = Duration::from_secs(30);

fn guest(world: &World, number: u32) -> Guest {
    let paper = Paper { text: String::new(), refused_with: None, id: None };
    Guest::new(usize::try_from(number).unwrap(), paper, world.supplier.purse(number).unwrap())
}

async fn tap(place: &Place, guest: &mut Guest, request: Request, chance: &mut Chance) {
    let tapped = place.tap_until_over(guest, &request, &chance.request_id(), Vec::new()).await.unwrap();
    assert!(matches!(tapped, Tapped::Green(_)), "{request:?}: {tapped:?}");
}

fn one_thing() -> Request {
    Request::Sale(vec![(1, 1)], 0)
}

async fn assert_books_balance(world: &World, guests: &[Guest]) {
    world.wait_until_agreed(SOON).await.unwrap();
    let report = audit(world, guests, &[], None).await.unwrap();
    assert!(report.ok, "{report:#?}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_meet_over_real_quic_after_a_kill_a_cut_and_a_restart_of_the_hub() {
    let world = World::of(&[GATE_A, DESK]).await.unwrap();
    let (gate, desk) = (world.place(GATE_A.name).unwrap(), world.place(DESK.name).unwrap());
    let mut chance = Chance::new(1);
    let issued = world.hub.issue(&serde_json::json!({ "category": 1, "holder": "" })).await.unwrap();
    let mut guest = guest(&world, 1);
    guest.paper.text = issued.text;
    assert!(gate.admit(&mut guest).await.unwrap(), "{:?}", guest.refusals);
    gate.pair(&mut guest).await.unwrap();
    tap(desk, &mut guest, Request::TopUp(5000), &mut chance).await;
    assert!(desk.view().await.unwrap().unconfirmed_paid.is_empty(), "whoever saw the light is not asked about it");
    world.wait_until_agreed(SOON).await.unwrap();

    // without a network, and without power in between
    world.cut(&[DESK.name]).unwrap();
    tap(desk, &mut guest, one_thing(), &mut chance).await;
    let unsent = desk.view().await.unwrap().unsent;
    assert!(unsent > 0);
    desk.kill().unwrap();
    desk.start().unwrap();
    assert_eq!(desk.view().await.unwrap().unsent, unsent, "what was green before the power cut is still there");
    tap(desk, &mut guest, one_thing(), &mut chance).await;
    world.mend().await.unwrap();
    world.wait_until_agreed(SOON).await.unwrap();

    // the hub goes away and comes back elsewhere
    world.hub.kill().unwrap();
    tap(desk, &mut guest, one_thing(), &mut chance).await;
    world.start_hub().unwrap();
    tap(desk, &mut guest, one_thing(), &mut chance).await;
    assert_books_balance(&world, &[guest]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_set_back_to_an_older_image_goes_on_in_a_new_epoch_and_nothing_is_lost() {
    let world = World::of(&[DESK]).await.unwrap();
    let desk = world.place(DESK.name).unwrap();
    let mut chance = Chance::new(2);
    let mut guest = guest(&world, 1);
    tap(desk, &mut guest, Request::TopUp(5000), &mut chance).await;
    world.wait_until_agreed(SOON).await.unwrap();
    desk.stop(SOON).unwrap();
    let image = world.dir().join("image");
    copy(&desk.dir, &image);

    desk.start().unwrap();
    tap(desk, &mut guest, one_thing(), &mut chance).await;
    world.wait_until_agreed(SOON).await.unwrap();
    let before = desk.view().await.unwrap();
    desk.kill().unwrap();
    fs::remove_dir_all(&desk.dir).unwrap();
    copy(&image, &desk.dir);
    desk.start().unwrap();
    let is_next = async || {
        let view = desk.view().await?;
        Ok((view.epoch > before.epoch).then_some(view))
    };
    let after = until("the restored box opens its next epoch", SOON, is_next).await.unwrap();
    assert_eq!((before.epoch, after.epoch), (0, 1));
    tap(desk, &mut guest, one_thing(), &mut chance).await;
    assert_books_balance(&world, &[guest]).await;
    assert!(desk.log().contains("the hub knows entries of this box that it lacks"), "it says so by name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_box_set_back_to_an_older_image_sold_before_it_heard_of_that_reaches_the_hub_as_a_fork() {
    let world = World::of(&[DESK]).await.unwrap();
    let desk = world.place(DESK.name).unwrap();
    let mut chance = Chance::new(4);
    let (mut first, mut second) = (guest(&world, 1), guest(&world, 2));
    tap(desk, &mut first, Request::TopUp(5000), &mut chance).await;
    tap(desk, &mut second, Request::TopUp(5000), &mut chance).await;
    world.wait_until_agreed(SOON).await.unwrap();
    desk.stop(SOON).unwrap();
    let image = world.dir().join("image");
    copy(&desk.dir, &image);
    desk.start().unwrap();
    for _ in 0..3 {
        tap(desk, &mut first, one_thing(), &mut chance).await;
    }
    world.wait_until_agreed(SOON).await.unwrap();
    desk.kill().unwrap();
    fs::remove_dir_all(&desk.dir).unwrap();
    copy(&image, &desk.dir);
    world.cut(&[DESK.name]).unwrap();
    desk.start().unwrap();
    tap(desk, &mut second, one_thing(), &mut chance).await;
    world.mend().await.unwrap();
    let is_forked = async || {
        let conflicts = world.hub.view().await?.conflicts;
        Ok(conflicts.iter().any(|conflict| conflict.what_code == "hub.fork").then_some(()))
    };
    let shown = until("the hub shows both histories", SOON, is_forked).await;
    assert!(shown.is_ok(), "{}", desk.log());
    assert_eq!(desk.view().await.unwrap().unsent, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_in_doubt_that_is_given_up_is_settled_by_a_later_read_and_owed_to_the_guest() {
    let world = World::of(&[BAR, DESK]).await.unwrap();
    let (bar, desk) = (world.place(BAR.name).unwrap(), world.place(DESK.name).unwrap());
    let mut chance = Chance::new(3);
    let mut guest = guest(&world, 1);
    tap(desk, &mut guest, Request::TopUp(5000), &mut chance).await;
    world.wait_until_agreed(SOON).await.unwrap();

    // the last page arrives, its answer does not, and the guest walks away without the goods
    let faults = fault("leave after write 5").unwrap();
    let id = chance.request_id();
    let torn = bar.tap(&mut guest, &one_thing(), &id, faults).await.unwrap();
    assert!(matches!(torn, Tapped::Again(_)), "{torn:?}");
    let doubt = bar.view().await.unwrap().in_doubt.remove(0);
    world.wait_until_agreed(SOON).await.unwrap();
    let is_booked = async || Ok((world.hub.view().await?.totals.in_doubt_cents == doubt.price_cents).then_some(()));
    until("the hub books it as in doubt", SOON, is_booked).await.unwrap();
    let answer = screens::post::HandedOver { entry: doubt.entry, handed_over: false, pin: None };
    bar.api.post::<serde_json::Value>("/api/till/handed-over", &answer).await.unwrap();
    assert_eq!(bar.view().await.unwrap().in_doubt, []);
    // the screen that asks once more is told so, and nothing is charged
    let again = bar.tap(&mut guest, &one_thing(), &id, Vec::new()).await.unwrap();
    assert_eq!(again, Tapped::Refused("till.given_up".into()));

    tap(desk, &mut guest, Request::ClosingRead, &mut chance).await;
    world.wait_until_agreed(SOON).await.unwrap();
    let is_settled = async || Ok(Some(world.hub.view().await?.totals).filter(|totals| totals.in_doubt_cents == 0));
    let totals = until("the hub settles it", SOON, is_settled).await.unwrap();
    assert_eq!(totals.pending_credit_cents, doubt.price_cents, "{totals:?}");
    assert!(totals.balanced, "{totals:?}");
    assert_eq!(totals.balance_cents, 5000 - doubt.price_cents);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hub_and_box_end_by_themselves_when_whoever_started_them_is_gone() {
    let world = World::of(&[DESK]).await.unwrap();
    let desk = world.place(DESK.name).unwrap();
    desk.let_go();
    world.hub.let_go();
    let gone = async || Ok((!desk.is_running() && !world.hub.is_running()).then_some(()));
    evening::world::wait::until("both have ended", SOON, gone).await.unwrap();
    assert!(desk.log().contains("stopping"), "in order, not by a crash");
}
