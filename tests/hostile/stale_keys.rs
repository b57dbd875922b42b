//! A gate that was left behind: three ticket keys later it admits by what it has, says how old that is, and takes what a
//! stick brings only if it is newer.
use std::{fs, path::PathBuf, time::Duration};

use evening::world::{
    World,
    hub::Issued,
    lan::show,
    place::{Place, Post},
    wait::until,
};
use serde_json::{Value, json};
use tokio::task::block_in_place;

use crate::files::ended;

const SOON: Duration = Duration::from_secs(40);
const GATE: Post = Post { name: "Gate A", roles: &["gate"], pairing: false };

async fn sold(world: &World) -> Issued {
    world.hub.issue(&json!({ "category": 1 })).await.unwrap()
}

/// What the gate says: `None` for a yes, else the reason.
async fn verdict(gate: &Place, ticket: &Issued) -> Option<String> {
    let said = show(gate, &ticket.text).await.unwrap();
    assert_eq!(said.admitted, said.code.is_none(), "{said:?}");
    said.code
}

/// Another key signs from now on.
async fn rotate(world: &World, name: &str) {
    let (festival, out) = (world.technician.dir(), world.hub.dir.join("ticket-keys").join(name));
    let words =
        ["--json", "ticket-key", "new", "--festival", festival.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let made: Value = serde_json::from_str(&world.technician.programs().provision(&words).unwrap()).unwrap();
    // the hub was started again: a connection that was kept from before ends with whatever is asked first
    _ = world.hub.api.get::<Value>("/api/health").await;
    world.hub.api.post::<Value>("/api/ticket-keys/adopt", &json!({})).await.unwrap();
    world.hub.api.post::<Value>("/api/ticket-keys/activate", &json!({ "id": made["id"] })).await.unwrap();
}

/// What a technician carries to a gate without a line: the bundle with its ticket snapshot.
fn package(world: &World, name: &str) -> PathBuf {
    let out = world.dir().join(name);
    let hub = world.hub.dir.to_str().unwrap();
    let words = ["bundle", "--dir", hub, "--package", out.to_str().unwrap()];
    let made = block_in_place(|| {
        world.hub.stop(SOON).unwrap();
        let made = ended(world.technician.programs(), "sync-hub", &words, None);
        world.start_hub().unwrap();
        made
    });
    assert_eq!(made.0, Some(0), "{}", made.1);
    assert!(fs::metadata(&out).unwrap().len() > 0);
    out
}

fn load(world: &World, gate: &Place, file: &std::path::Path) -> (Option<i32>, String) {
    let words = ["load", "--dir", gate.dir.to_str().unwrap(), file.to_str().unwrap()];
    block_in_place(|| ended(world.technician.programs(), "edge", &words, None))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_three_ticket_keys_behind_admits_by_what_it_has_says_how_old_it_is_and_takes_no_older_set() {
    let world = World::of(&[GATE]).await.unwrap();
    let gate = world.place(GATE.name).unwrap();
    let mut tickets = vec![vec![sold(&world).await, sold(&world).await]];
    gate.wire.cut();
    gate.wait_for_link(false, Duration::from_secs(60)).await.unwrap();
    let number = async || gate.api.get::<Value>("/api/health").await.unwrap()["bundle_number"].as_u64().unwrap();
    let held = number().await;
    let mut sets = Vec::new();
    for key in ["friday", "saturday", "sunday"] {
        rotate(&world, key).await;
        tickets.push(vec![sold(&world).await, sold(&world).await, sold(&world).await]);
        sets.push(package(&world, &format!("{key}.fpkg")));
    }

    // three behind: it works on what it has, and every screen says since when it has heard nothing
    assert_eq!(verdict(gate, &tickets[0][0]).await, None, "what was sold before is admitted");
    for later in &tickets[1..] {
        assert_eq!(verdict(gate, &later[0]).await.as_deref(), Some("ticket.unknown_key"));
    }
    let view = gate.view().await.unwrap();
    assert!(!view.hub.connected);
    let ages: Vec<Option<u64>> = view.knowledge.iter().map(|known| known.age_s).collect();
    assert!(!ages.is_empty() && ages.iter().flatten().all(|age| *age > 0), "{ages:?}");
    let older = async || {
        let now = gate.view().await?.knowledge;
        let grown = now.iter().zip(&ages).all(|(now, before)| now.age_s > *before || before.is_none());
        Ok(grown.then_some(()))
    };
    until("what it knows grows older on the screen", SOON, older).await.unwrap();
    assert_eq!(number().await, held);

    // a stick from Saturday helps as far as it goes; one from Friday takes nothing back
    let (code, said) = load(&world, gate, &sets[1]);
    assert_eq!(code, Some(0), "{said}");
    let saturday = number().await;
    assert!(saturday > held);
    assert_eq!(verdict(gate, &tickets[1][1]).await, None);
    assert_eq!(verdict(gate, &tickets[2][1]).await, None);
    assert_eq!(verdict(gate, &tickets[3][1]).await.as_deref(), Some("ticket.unknown_key"));
    let (code, said) = load(&world, gate, &sets[0]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is older than bundle"), "{said}");
    assert_eq!(number().await, saturday);
    assert_eq!(verdict(gate, &tickets[2][2]).await, None, "Saturday's key still counts");
    assert_eq!(verdict(gate, &tickets[0][0]).await.as_deref(), Some("ticket.already_used"));

    world.mend().await.unwrap();
    world.wait_for_bundle(SOON).await.unwrap();
    assert_eq!(verdict(gate, &tickets[3][2]).await, None);
}
