//! Gates on a LAN with a real Mosquitto and without the hub: they decide together, or alone and say so.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::time::Duration;

use evening::world::{
    broker::Broker,
    place::{Place, Post},
    wait::until,
    World,
};
use screens::{
    post::Scan,
    view::{DecidedBy, GateVerdict, LanView},
};
use serde_json::json;

const SOON: Duration = Duration::from_secs(40);
const GATES: [Post; 3] = [
    Post { name: "Gate A", roles: &["gate"], pairing: false },
    Post { name: "Gate B", roles: &["gate"], pairing: false },
    Post { name: "Gate C", roles: &["gate"], pairing: false },
];
const CLAIM_US: u64 = 50_000;

struct Lan {
    world: World,
    broker: Broker,
    tickets: Vec<String>,
}

async fn lan(gate: &Place) -> LanView {
    gate.view().await.unwrap().lan.unwrap_or_default()
}

async fn show(gate: &Place, text: &str) -> GateVerdict {
    gate.api.post("/api/gate/scan", &Scan { text: text.into() }).await.unwrap()
}

impl Lan {
    /// Three gates of one group, some tickets, and then no hub any more.
    async fn of_three(copies: u8, tickets: usize) -> Self {
        let mut world = World::of(&GATES).await.unwrap();
        let broker = Broker::start(&world.dir().join("broker")).unwrap();
        group(&mut world, &broker.address().to_string(), copies, &["Gate A", "Gate B", "Gate C"]).await;
        let mut texts = Vec::new();
        for _ in 0..tickets {
            texts.push(world.hub.issue(&json!({ "category": 1, "holder": "" })).await.unwrap().text);
        }
        world.wait_until_agreed(SOON).await.unwrap();
        let lan = Self { world, broker, tickets: texts };
        lan.wait_for_group(3).await;
        lan.world.cut(&["Gate A", "Gate B", "Gate C"]).unwrap();
        for gate in &lan.world.places {
            gate.wait_for_link(false, Duration::from_secs(60)).await.unwrap();
        }
        lan
    }

    fn gate(&self, name: &str) -> &Place {
        self.world.place(name).unwrap()
    }

    async fn wait_for_group(&self, heard: u32) {
        until("all gates decide together", SOON, async || {
            for gate in &self.world.places {
                let lan = lan(gate).await;
                if !lan.is_group || lan.heard < heard {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
        .unwrap();
    }
}

/// The technician lays a group's list into the hub's folder; returns once every box has it.
async fn group(world: &mut World, broker: &str, copies: u8, names: &[&str]) {
    let folder = world.hub.dir.join("lan");
    std::fs::create_dir_all(&folder).unwrap();
    let (festival, out) = (world.technician.dir().display().to_string(), folder.join("1.cbor").display().to_string());
    let copies = copies.to_string();
    let mut arguments: Vec<String> = ["lan", "group", "--festival", &festival, "--out", &out, "--number", "1"]
        .into_iter()
        .chain(["--broker", broker, "--copies", &copies])
        .map(str::to_owned)
        .collect();
    for name in names {
        let number = world.place(name).unwrap().view().await.unwrap().box_number;
        arguments.extend(["--box".to_owned(), number.to_string()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    world.technician.programs().provision(&arguments).unwrap();
    let taken: serde_json::Value = world.hub.api.post("/api/lan/adopt", &json!({})).await.unwrap();
    assert_eq!(taken["groups"][0]["boxes"], names.len(), "{taken}");
    world.wait_for_bundle(SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gates_never_both_admit_one_ticket_with_their_group_and_alone_they_say_so() {
    let lan_world = Lan::of_three(1, 45).await;
    let (a, b, c) = (lan_world.gate("Gate A"), lan_world.gate("Gate B"), lan_world.gate("Gate C"));
    let (rounds, rest) = lan_world.tickets.split_at(40);
    let (mut one, mut none, mut alone) = (0, 0, 0);
    for text in rounds {
        let (at_a, at_b) = tokio::join!(show(a, text), show(b, text));
        let both = [&at_a, &at_b];
        let by_group = both.iter().filter(|said| said.admitted && said.decided == DecidedBy::Group).count();
        assert!(by_group < 2, "both by the group: {at_a:#?} {at_b:#?}");
        let by_itself = both.iter().filter(|said| said.admitted && said.decided == DecidedBy::Box).count();
        assert_eq!(by_itself, 0, "{at_a:#?} {at_b:#?}");
        alone += both.iter().filter(|said| said.admitted && said.decided == DecidedBy::Alone).count();
        match both.iter().filter(|said| said.admitted).count() {
            0 => none += 1,
            1 => one += 1,
            // then one of them at least was an island, and says so
            _ => assert!(by_group < 2),
        }
        // whoever comes later is told where the guest came in
        let later = show(c, text).await;
        if by_group == 1 && both.iter().filter(|said| said.admitted).count() == 1 {
            let place = if at_a.admitted { "Gate A" } else { "Gate B" };
            assert!(!later.admitted, "{later:#?}");
            assert_eq!(later.code.as_deref(), Some("ticket.already_used"), "{later:#?}");
            assert_eq!(later.first_place.as_deref(), Some(place), "{later:#?}");
        }
    }
    let numbers = lan(a).await;
    let slowest = numbers.claim_p99_us.max(lan(b).await.claim_p99_us);
    println!(
        "40 tickets at two gates at once: {one} admitted once, {none} at neither, {alone} admissions alone; \
         claims confirmed p50 {} µs, p99 {slowest} µs",
        numbers.claim_p50_us
    );
    assert!(one >= 30 && alone <= 4, "{one} {none} {alone}");
    assert!(slowest <= CLAIM_US, "{slowest} µs");

    lan_world.broker.kill();
    until("the gates notice", SOON, async || {
        let (a, b, c) = (lan(a).await.is_group, lan(b).await.is_group, lan(c).await.is_group);
        Ok((!a && !b && !c).then_some(()))
    })
    .await
    .unwrap();
    for gate in [a, b] {
        let said = show(gate, &rest[0]).await;
        assert!(said.admitted, "{said:#?}");
        assert_eq!(said.decided, DecidedBy::Alone);
        assert!(said.marks.contains(&"gate.island".to_owned()), "{said:#?}");
        let again = show(gate, &rest[0]).await;
        assert!(!again.admitted, "each island adds at most one: {again:#?}");
    }
    let said = show(a, &rest[1]).await;
    assert_eq!((said.admitted, said.decided), (true, DecidedBy::Alone));

    lan_world.broker.again().unwrap();
    lan_world.wait_for_group(3).await;
    let told = until("what the islands did is told", SOON, async || {
        let said = show(c, &rest[1]).await;
        assert!(!said.admitted, "told at once after the connection: {said:#?}");
        Ok((said.code.as_deref() == Some("ticket.already_used")).then_some(said))
    });
    assert_eq!(told.await.unwrap().first_place.as_deref(), Some("Gate A"));
    let said = show(c, &rest[2]).await;
    assert_eq!((said.admitted, said.decided), (true, DecidedBy::Group), "{said:#?}");

    lan_world.world.mend().await.unwrap();
    lan_world.world.wait_until_agreed(SOON).await.unwrap();
    // what neighbours told and the hub knows by now counts once
    let said = show(b, &rest[2]).await;
    assert_eq!(said.code.as_deref(), Some("ticket.already_used"));
}
