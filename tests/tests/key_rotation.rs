//! The key that signs tickets changes in the middle of the evening, over real daemons and the real wire.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::{fs, time::Duration};

use domain::{bundle::Bundle, ticket::own::ParsedOwn};
use evening::{
    ticket::png,
    world::{World, hub::Issued, place::Place, place::Post, wait::until},
};
use rusqlite::{Connection, OpenFlags, params};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const GATES: [Post; 2] = [
    Post { name: "Gate A", roles: &["gate"], pairing: false },
    Post { name: "Gate B", roles: &["gate"], pairing: false },
];

async fn sold(world: &World) -> Issued {
    world.hub.issue(&json!({ "category": 1 })).await.unwrap()
}

fn key_of(ticket: &Issued) -> String {
    ParsedOwn::parse(&ticket.text).unwrap().key().to_hex()
}

/// What the gate says: `None` for a yes, else the reason.
async fn verdict(gate: &Place, ticket: &Issued) -> Option<String> {
    let verdict = gate.show(&png(&ticket.text).unwrap()).await.unwrap();
    assert_eq!(verdict.admitted, verdict.code.is_none(), "{verdict:?}");
    verdict.code
}

async fn bundle_of_hub(world: &World) -> Bundle {
    Bundle::verify(&world.hub.bundle().await.unwrap(), Some(world.festival())).unwrap()
}

async fn bundle_of_gate(gate: &Place) -> u64 {
    gate.api.get::<Value>("/api/health").await.unwrap()["bundle_number"].as_u64().unwrap()
}

async fn wait_for_bundle(world: &World, gate: &Place) {
    let newest = bundle_of_hub(world).await.body.number;
    let has_it = async || Ok((bundle_of_gate(gate).await >= newest).then_some(()));
    until("the gate uses the newest bundle", SOON, has_it).await.unwrap();
}

/// Has a key certified by the technician and taken up by the hub; its id.
async fn next_key(world: &World) -> String {
    let folder = world.hub.dir.join("ticket-keys");
    let (festival, out) = (world.technician.dir().to_str().unwrap(), folder.join("saturday"));
    let words = ["--json", "ticket-key", "new", "--festival", festival, "--out", out.to_str().unwrap()];
    let made: Value = serde_json::from_str(&world.technician.programs().provision(&words).unwrap()).unwrap();
    let done: Value = world.hub.api.post("/api/ticket-keys/adopt", &json!({})).await.unwrap();
    assert_eq!(done, json!({ "adopted": [made["id"]], "passed_over": [] }));
    assert!(fs::exists(folder.join("saturday.chain")).unwrap());
    made["id"].as_str().unwrap().to_owned()
}

async fn state_of(world: &World, id: &str) -> (String, u64) {
    let keys: Vec<Value> = world.hub.api.get("/api/ticket-keys").await.unwrap();
    let key = keys.iter().find(|key| key["id"] == id).unwrap();
    (key["state"].as_str().unwrap().to_owned(), key["tickets"].as_u64().unwrap())
}

/// Whether the gate holds the revocation from a delta, not only from a bundle.
fn knows_from_a_delta(gate: &Place, uid: [u8; 16]) -> bool {
    let store = Connection::open_with_flags(gate.dir.join("store.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sql = "SELECT COUNT(*) FROM revoked WHERE what = 2 AND id = ?1";
    store.query_row(sql, params![&uid[..]], |row| row.get::<_, i64>(0)).unwrap() > 0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ticket_key_rotates_while_a_gate_is_cut_off_and_the_old_one_ends_when_it_is_retired() {
    let world = World::of(&GATES).await.unwrap();
    let (near, far) = (world.place("Gate A").unwrap(), world.place("Gate B").unwrap());
    let old = [sold(&world).await, sold(&world).await, sold(&world).await, sold(&world).await];
    let old_key = key_of(&old[0]);

    // Certified and announced while both gates hear the hub; one is cut off before it takes over.
    let new_key = next_key(&world).await;
    wait_for_bundle(&world, near).await;
    wait_for_bundle(&world, far).await;
    world.cut(&["Gate B"]).unwrap();
    far.wait_for_link(false, SOON).await.unwrap();
    world.hub.api.post::<Value>("/api/ticket-keys/activate", &json!({ "id": new_key })).await.unwrap();
    let new = [sold(&world).await, sold(&world).await, sold(&world).await];
    assert_eq!(new.each_ref().map(key_of), [new_key.clone(), new_key.clone(), new_key.clone()]);
    wait_for_bundle(&world, near).await;
    assert_eq!(verdict(near, &new[0]).await, None);
    assert_eq!(verdict(far, &new[1]).await, None, "the gate that is cut off was told of the next key");
    assert_eq!(verdict(near, &old[0]).await, None);
    assert_eq!(verdict(far, &old[1]).await, None);
    let issues = world.hub.api.ask::<Value>("/api/ticket-keys/retire", &json!({ "id": new_key })).await.unwrap();
    assert_eq!(issues.unwrap_err().code, "ticket_key.issues");

    // The old key leaked: from now on it opens nothing, and the hub remembers over a loss of power.
    world.hub.api.post::<Value>("/api/ticket-keys/retire", &json!({ "id": old_key })).await.unwrap();
    assert_eq!(bundle_of_hub(&world).await.retired_keys().len(), 1);
    wait_for_bundle(&world, near).await;
    assert_eq!(verdict(near, &old[2]).await.as_deref(), Some("ticket.key_revoked"));
    world.hub.kill().unwrap();
    world.start_hub().unwrap();
    assert_eq!(state_of(&world, &old_key).await, ("retired".into(), 4));
    assert_eq!(state_of(&world, &new_key).await, ("issues".into(), 3));
    let refused = world.hub.api.ask::<Value>("/api/ticket-keys/activate", &json!({ "id": old_key })).await.unwrap();
    assert_eq!(refused.unwrap_err().code, "ticket_key.retired");

    // The other gate hears of it when it is back, and both of a single ticket that is revoked.
    world.mend().await.unwrap();
    wait_for_bundle(&world, far).await;
    assert_eq!(verdict(far, &old[3]).await.as_deref(), Some("ticket.key_revoked"));
    let uid = ParsedOwn::parse(&new[2].text).unwrap().ticket().ticket_id;
    let uid = domain::ticket::uid_of_own(&world.festival(), &uid).0;
    assert!(!knows_from_a_delta(near, uid));
    world.hub.revoke_ticket(&new[2].id).await.unwrap();
    for gate in [near, far] {
        let heard = async || Ok(knows_from_a_delta(gate, uid).then_some(()));
        until("the revocation reaches the gate by delta", SOON, heard).await.unwrap();
        assert_eq!(verdict(gate, &new[2]).await.as_deref(), Some("ticket.revoked"));
    }
    assert_eq!(state_of(&world, &new_key).await, ("issues".into(), 3));
    world.stop().unwrap();
}
