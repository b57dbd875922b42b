//! A price edited at the hub and, at the same time, at a bar without a network: one holds everywhere, the other is seen.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::{collections::BTreeMap, fs, time::Duration};

use evening::world::{BAR, DESK, World, place::Place, wait::until};
use screens::view::{DocumentView, EditBody};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const PRICE: &str = "product/1/price";

fn set(path: &str, value: &str) -> BTreeMap<String, Option<String>> {
    BTreeMap::from([(path.to_owned(), Some(value.to_owned()))])
}

async fn catalogue(place: &Place) -> DocumentView {
    place.api.get("/api/documents/catalogue").await.unwrap()
}

/// Takes a manager on, as the technician does, and waits until the bar knows of her.
async fn take_on_a_manager(world: &World, bar: &Place) {
    let folder = world.dir();
    let (pin, file) = (folder.join("pin"), folder.join("7.json"));
    fs::write(&pin, "482913\n").unwrap();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let festival = text(world.technician.dir());
    let arguments = ["staff", "new", "--festival", &festival, "--out", &text(&file), "--number", "7", "--name", "Ana"];
    let roles = ["--role", "bar", "--role", "manager", "--pin-file", &text(&pin)];
    world.technician.programs().provision(&[&arguments[..], &roles[..]].concat()).unwrap();
    let body: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    world.hub.api.post::<Value>("/api/documents/edit", &body).await.unwrap();
    let is_known = async || {
        let staff: DocumentView = bar.api.get("/api/documents/staff").await?;
        Ok(staff.fields.contains_key("member/7/name").then_some(()))
    };
    until("the bar knows the manager", SOON, is_known).await.unwrap();
}

async fn log_in(bar: &Place) -> String {
    let refused = bar.api.ask::<Value>("/api/manager/login", &json!({ "number": 7, "pin": "482914" })).await.unwrap();
    assert_eq!(refused.unwrap_err().code, "manager.wrong_pin");
    let body: Value = bar.api.post("/api/manager/login", &json!({ "number": 7, "pin": "482913" })).await.unwrap();
    assert_eq!(body["name"], "Ana");
    body["session"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_edited_at_the_hub_and_at_a_bar_apart_holds_alike_everywhere_and_the_other_is_shown() {
    let world = World::of(&[BAR, DESK]).await.unwrap();
    let (bar, desk) = (world.place(BAR.name).unwrap(), world.place(DESK.name).unwrap());
    take_on_a_manager(&world, bar).await;
    let before = catalogue(bar).await;
    assert!(before.conflicts.is_empty() && before.fields.contains_key(PRICE));

    // Apart: each sells by its own price at once, and the bar says that the hub has not confirmed it.
    world.cut(&[BAR.name]).unwrap();
    let session = log_in(bar).await;
    let edit = EditBody { session: session.clone(), document: "catalogue".into(), set: set(PRICE, "410") };
    bar.api.post::<Value>("/api/documents/edit", &edit).await.unwrap();
    let here = catalogue(bar).await;
    assert_eq!((here.fields[PRICE].as_str(), here.waiting.len()), ("410", 1));
    assert_ne!(here.revision, before.revision);
    let edit = EditBody { session: String::new(), document: "catalogue".into(), set: set(PRICE, "430") };
    world.hub.api.post::<Value>("/api/documents/edit", &edit).await.unwrap();
    let not_logged_in = bar.api.ask::<Value>("/api/documents/edit", &edit).await.unwrap();
    assert_eq!(not_logged_in.unwrap_err().code, "manager.session");

    // The bar loses its power as well, and keeps its edit.
    bar.kill().unwrap();
    bar.start().unwrap();
    assert_eq!(catalogue(bar).await.waiting, here.waiting);

    world.mend().await.unwrap();
    let meet = async || {
        let hub: DocumentView = world.hub.api.get("/api/documents/catalogue").await?;
        let (bar, desk) = (catalogue(bar).await, catalogue(desk).await);
        let same = |view: &DocumentView| {
            (view.revision, &view.fields, &view.conflicts) == (hub.revision, &hub.fields, &hub.conflicts)
        };
        Ok((hub.conflicts.len() == 1 && same(&bar) && same(&desk) && bar.waiting.is_empty()).then_some(hub))
    };
    let met = until("hub and boxes show the same conflict", SOON, meet).await.unwrap();
    let conflict = &met.conflicts[0];
    assert_eq!((conflict.path.as_str(), conflict.others.len()), (PRICE, 1));
    assert_eq!(met.fields[PRICE], conflict.in_force.value);
    let mut values = vec![conflict.in_force.value.clone(), conflict.others[0].value.clone()];
    values.sort_unstable();
    assert_eq!(values, ["410", "430"]);

    // Somebody settles it at the hub, for the value that does not hold.
    let chosen = &conflict.others[0];
    let settle = json!({ "document": "catalogue", "path": PRICE, "change": chosen.change });
    world.hub.api.post::<Value>("/api/documents/settle", &settle).await.unwrap();
    let is_settled = async || {
        let (bar, desk) = (catalogue(bar).await, catalogue(desk).await);
        let holds = |view: &DocumentView| view.conflicts.is_empty() && view.fields[PRICE] == chosen.value;
        Ok((holds(&bar) && holds(&desk)).then_some(()))
    };
    until("the settled price holds at both boxes", SOON, is_settled).await.unwrap();

    // A manager whose key is revoked is refused, and her edit is undone at the bar.
    let staff: Value = serde_json::from_str(&fs::read_to_string(world.dir().join("7.json")).unwrap()).unwrap();
    let sealed = domain::wire::unhex(staff["set"]["member/7/sealed_key"].as_str().unwrap()).unwrap();
    let by = documents::unseal("482913", &sealed).unwrap();
    let key = domain::wire::hex(&by.key.verifying_key().to_bytes());
    world.hub.api.post::<Value>("/api/managers/revoke", &json!({ "key": key })).await.unwrap();
    let session = log_in(bar).await;
    let late = EditBody { session, document: "catalogue".into(), set: set(PRICE, "999") };
    bar.api.post::<Value>("/api/documents/edit", &late).await.unwrap();
    let is_undone = async || {
        let view = catalogue(bar).await;
        let refused = view.refused.first().is_some_and(|edit| edit.code.as_deref() == Some("edit.revoked"));
        Ok((refused && view.waiting.is_empty() && view.fields[PRICE] == chosen.value).then_some(()))
    };
    until("the edit of the revoked manager is undone", SOON, is_undone).await.unwrap();
}
