//! A zone of ten places and two gates that are cut off: each keeps to its share, and after the cut the count is exact.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::time::Duration;

use evening::world::{GATE_A, GATE_B, World, place::Place, place::Post, wait::until};
use screens::{
    post::Scan,
    view::{GateVerdict, GateZone},
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const CAPACITY: i64 = 10;

async fn zone(gate: &Place) -> anyhow::Result<GateZone> {
    Ok(gate.view().await?.gate.unwrap_or_default().zone)
}

async fn show(gate: &Place, text: &str) -> GateVerdict {
    gate.api.post("/api/gate/scan", &Scan { text: text.into() }).await.unwrap()
}

/// As many as the gate lets in, one after the other; who comes last is refused with this code.
async fn fill(gate: &Place, queue: &mut Vec<String>) -> (Vec<String>, String) {
    let mut inside = Vec::new();
    loop {
        let next = queue.pop().expect("more people than places");
        let verdict = show(gate, &next).await;
        if !verdict.admitted {
            queue.push(next);
            return (inside, verdict.code.unwrap_or_default());
        }
        inside.push(next);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gates_cut_off_keep_to_their_shares_and_after_the_cut_everybody_inside_is_counted_once() {
    let posts = [GATE_A, GATE_B].map(|post| Post { pairing: false, ..post });
    let world = World::of(&posts).await.unwrap();
    let (a, b) = (world.place(GATE_A.name).unwrap(), world.place(GATE_B.name).unwrap());
    let mut queue = Vec::new();
    for _ in 0..CAPACITY + 4 {
        queue.push(world.hub.issue(&json!({ "category": 1, "holder": "" })).await.unwrap().text);
    }
    let set = json!({
        "zone/0/listed": "true",
        "zone/0/name_fr": "Site",
        "zone/0/name_en": "Site",
        "zone/0/capacity": CAPACITY.to_string(),
        "zone/0/mode": "re-entry",
    });
    let edit = json!({ "session": "", "document": "zones", "set": set });
    world.hub.api.post::<Value>("/api/documents/edit", &edit).await.unwrap();
    let dealt = async || {
        let (a, b) = (zone(a).await?.share_left.unwrap_or(0), zone(b).await?.share_left.unwrap_or(0));
        Ok((a > 0 && b > 0 && a + b == CAPACITY).then_some((a, b)))
    };
    let shares = until("all places are dealt to the two gates", SOON, dealt).await.unwrap();

    world.cut(&[GATE_A.name, GATE_B.name]).unwrap();
    a.wait_for_link(false, SOON).await.unwrap();
    b.wait_for_link(false, SOON).await.unwrap();
    let (by_a, said_a) = fill(a, &mut queue).await;
    let (by_b, said_b) = fill(b, &mut queue).await;
    let came_in = |people: &[String]| i64::try_from(people.len()).unwrap();
    assert_eq!((came_in(&by_a), came_in(&by_b)), shares, "each exactly its share");
    assert_eq!((said_a.as_str(), said_b.as_str()), ("zone.full_here", "zone.full_here"));

    // one leaves by the other gate, which never saw that guest come in
    b.api.post::<Value>("/api/gate/ways", &json!({ "ways": "out" })).await.unwrap();
    let out = show(b, &by_a[0]).await;
    assert!(out.admitted && out.out, "nobody is kept inside: {out:?}");
    b.api.post::<Value>("/api/gate/ways", &json!({ "ways": "in" })).await.unwrap();

    world.mend().await.unwrap();
    world.wait_until_agreed(SOON).await.unwrap();
    let exact = async |expected: i64| {
        let inside = world.hub.view().await?.zones.first().map(|zone| zone.inside);
        let seen = [inside, Some(zone(a).await?.inside), Some(zone(b).await?.inside)];
        Ok((seen == [Some(expected); 3]).then_some(()))
    };
    until("hub and gates count everybody but the one who left", SOON, || exact(CAPACITY - 1)).await.unwrap();

    // the place that became free is used once, by whichever gate has it
    let one_more = async || {
        for gate in [a, b] {
            if show(gate, queue.last().unwrap()).await.admitted {
                return Ok(Some(()));
            }
        }
        Ok(None)
    };
    until("the free place is used", SOON, one_more).await.unwrap();
    queue.pop();
    for gate in [a, b] {
        let code = show(gate, queue.last().unwrap()).await.code.unwrap_or_default();
        assert!(code == "zone.full" || code == "zone.full_here", "{}: {code}", gate.name());
    }
    until("the zone is full, and everybody knows it", SOON, || exact(CAPACITY)).await.unwrap();
}
