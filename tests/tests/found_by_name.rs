//! A ticket sold to a name at the hub: a gate that is cut off finds its holder, lets them in once, and the hub says how.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::time::Duration;

use evening::world::{BAR, GATE_A, World, place::Post, wait::until};
use screens::{
    post::AdmitFound,
    view::{FoundGuests, FoundState, GateVerdict},
};
use serde_json::json;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_whose_phone_is_dead_is_found_by_name_at_a_gate_that_is_cut_off_and_enters_once() {
    let world = World::of(&[Post { pairing: false, ..GATE_A }, BAR]).await.unwrap();
    let (gate, bar) = (world.place(GATE_A.name).unwrap(), world.place(BAR.name).unwrap());
    world.hub.issue(&json!({ "category": 1, "holder": "Hélène Lefèvre" })).await.unwrap();
    let search = async || gate.api.get::<FoundGuests>("/api/gate/search?q=LEFEVRE%20hel").await;
    let found = async || {
        let answer = search().await.ok();
        Ok(answer.and_then(|mut found| found.guests.pop()))
    };
    let guest = until("the sealed names reach the gate", SOON, found).await.unwrap();
    assert_eq!((guest.name.as_str(), guest.state), ("Hélène Lefèvre", FoundState::Fresh));
    assert!(!guest.category.is_empty() && guest.ticket.ends_with(&guest.ticket_id_tail), "{guest:?}");
    let ask = |id: &str| AdmitFound { id: id.repeat(16), ticket: guest.ticket.clone(), supervisor: None };
    let at_bar = bar.api.ask::<GateVerdict>("/api/gate/admit-found", &ask("0a")).await.unwrap();
    assert_eq!(at_bar.unwrap_err().code, "gate.not_a_gate");

    world.cut(&[GATE_A.name]).unwrap();
    gate.wait_for_link(false, SOON).await.unwrap();
    let first: GateVerdict = gate.api.post("/api/gate/admit-found", &ask("0b")).await.unwrap();
    assert!(first.admitted, "{first:?}");
    let second: GateVerdict = gate.api.post("/api/gate/admit-found", &ask("0c")).await.unwrap();
    assert_eq!((second.code.as_deref(), second.first_place.as_deref()), (Some("ticket.already_used"), Some("Gate A")));
    assert_eq!(search().await.unwrap().guests[0].state, FoundState::Inside);

    world.mend().await.unwrap();
    world.wait_until_agreed(SOON).await.unwrap();
    let told = async || Ok(world.hub.view().await?.overrides.pop());
    let listed = until("the hub lists it", SOON, told).await.unwrap();
    assert_eq!((listed.reason.as_str(), listed.with_ticket, listed.place.as_str()), ("found_by_name", true, "Gate A"));
}
