//! Who belongs to the festival: enrolment again, replayed, from elsewhere, and with an older bundle.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::{
    fs,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use evening::{
    audit::audit,
    chance::Chance,
    guest::Guest,
    ticket::{Interop, Paper},
    world::{
        DESK, GATE_A, World,
        counter::{Request, Tapped},
        technician::Blank,
        wait::until,
    },
};
use screens::{post::Scan, view::GateVerdict};

const SOON: Duration = Duration::from_secs(30);

/// A cable between the tool and the blank box behind `to`, which keeps what the tool said.
fn recording_cable(at: &Path, to: &Path) -> Arc<Mutex<Vec<u8>>> {
    let (said, listener, to) = (Arc::new(Mutex::new(Vec::new())), UnixListener::bind(at).unwrap(), to.to_owned());
    let recorded = Arc::clone(&said);
    thread::spawn(move || {
        let (mut tool, _) = listener.accept().unwrap();
        let mut blank = UnixStream::connect(to).unwrap();
        let (mut from_blank, mut to_tool) = (blank.try_clone().unwrap(), tool.try_clone().unwrap());
        let back = thread::spawn(move || std::io::copy(&mut from_blank, &mut to_tool));
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = tool.read(&mut buffer) {
            recorded.lock().unwrap().extend_from_slice(&buffer[..length]);
            blank.write_all(&buffer[..length]).unwrap();
        }
        let _ = blank.shutdown(Shutdown::Write);
        let _ = back.join();
    });
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_enrolment_played_to_another_box_or_the_same_again_enrols_nobody() {
    let world = World::of(&[]).await.unwrap();
    let technician = &world.technician;
    let folder = world.dir().join("genuine");
    let blank = Blank::wait_in(technician.programs(), &folder).unwrap();
    let cable = world.dir().join("cable.sock");
    let said = recording_cable(&cable, &blank.socket);
    let line = format!("unix:{}", cable.display());
    technician.talk_to(&line, &GATE_A, "127.0.0.1:1", "127.0.0.1:0", &[]).unwrap();
    assert!(folder.join("enrolment.cbor").exists());
    drop(blank);

    let recorded = said.lock().unwrap().clone();
    assert!(recorded.len() > 1000, "the grant went through the cable");
    let stranger = world.dir().join("stranger");
    let same = world.dir().join("same");
    fs::create_dir(&same).unwrap();
    fs::copy(folder.join("identity.key"), same.join("identity.key")).unwrap();
    for folder in [stranger, same] {
        let blank = Blank::wait_in(technician.programs(), &folder).unwrap();
        let mut line = UnixStream::connect(&blank.socket).unwrap();
        line.set_read_timeout(Some(SOON)).unwrap();
        // it may hang up in the middle of what it does not want to hear
        let _ = line.write_all(&recorded);
        let _ = line.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = line.read_to_end(&mut answer);
        assert!(!answer.is_empty(), "it says why not");
        assert!(!folder.join("enrolment.cbor").exists(), "{}", folder.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_enrolled_again_gets_a_new_number_and_epoch_and_keeps_its_journal() {
    let world = World::of(&[DESK]).await.unwrap();
    let desk = world.place(DESK.name).unwrap();
    let mut chance = Chance::new(3);
    let paper = Paper { text: String::new(), refused_with: None, id: None };
    let mut guest = Guest::new(1, paper, world.supplier.purse(1).unwrap());
    let sale = Request::Sale(vec![(1, 1)], 0);
    for request in [Request::TopUp(5000), sale.clone()] {
        let tapped = desk.tap_until_over(&mut guest, &request, &chance.request_id(), Vec::new()).await.unwrap();
        assert!(matches!(tapped, Tapped::Green(_)), "{tapped:?}");
    }
    world.wait_until_agreed(SOON).await.unwrap();
    let before = desk.view().await.unwrap();
    desk.stop(SOON).unwrap();
    let (hub, screens) = (desk.wire.near().to_string(), "127.0.0.11:0");
    let again = |more: &[&str]| world.technician.enrol_with(&desk.dir, &DESK, &hub, screens, more);
    let refused = again(&[]).unwrap_err();
    assert!(format!("{refused:#}").contains("enrol"), "{refused:#}");
    desk.api.takes(&again(&["--re-enrol"]).unwrap());
    desk.start().unwrap();
    world.wait_for_bundle(SOON).await.unwrap();
    let after = desk.view().await.unwrap();
    assert!(after.epoch > before.epoch && after.box_number != before.box_number, "{before:?} {after:?}");
    let tapped = desk.tap_until_over(&mut guest, &sale, &chance.request_id(), Vec::new()).await.unwrap();
    assert!(matches!(tapped, Tapped::Green(_)), "{tapped:?}");
    world.wait_until_agreed(SOON).await.unwrap();
    let report = audit(&world, &[guest], &[], None).await.unwrap();
    assert!(report.ok, "{report:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_and_the_hub_of_another_festival_refuse_each_other_and_go_on_with_their_own() {
    let (world, other) = (World::of(&[GATE_A]).await.unwrap(), World::of(&[]).await.unwrap());
    let gate = world.place(GATE_A.name).unwrap();
    gate.wire.cut();
    gate.stop(SOON).unwrap();
    gate.wire.lead_to(other.hub.quic().unwrap());
    gate.wire.mend();
    let before = gate.log().len();
    gate.start().unwrap();
    until("the box notices whose hub it is", SOON, async || {
        Ok(gate.log().get(before..).is_some_and(|log| log.contains("session ended")).then_some(()))
    })
    .await
    .unwrap();
    assert!(!gate.view().await.unwrap().hub.connected);
    assert!(other.hub.view().await.unwrap().boxes.is_empty(), "the other hub knows nothing of this box");
    gate.wire.lead_to(world.hub.quic().unwrap());
    gate.wait_for_link(true, SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_that_is_given_an_older_bundle_keeps_the_newest_it_ever_verified() {
    let world = World::of(&[GATE_A]).await.unwrap();
    let gate = world.place(GATE_A.name).unwrap();
    let interop = Interop::read().unwrap();
    let tampered = Scan { text: interop.tampered("signature_last_bit").unwrap().to_owned() };
    let verdict = async || {
        let verdict: GateVerdict = gate.api.post("/api/gate/scan", &tampered).await?;
        anyhow::Ok(verdict.code.unwrap_or_default())
    };
    assert_eq!(verdict().await.unwrap(), "ticket.unknown_key", "the first bundle knows no event of pretix");
    world.hub.import_pretix(&interop, &["main", "series"]).await.unwrap();
    let knows = async || Ok((verdict().await? == "ticket.bad_signature").then_some(()));
    until("the newer bundle arrives", SOON, knows).await.unwrap();

    gate.stop(SOON).unwrap();
    gate.wire.cut();
    // enrolled again with the bundle of the beginning, which still lies in the technician's folder
    let hub = gate.wire.near().to_string();
    let key = world.technician.enrol_with(&gate.dir, &GATE_A, &hub, "127.0.0.11:0", &["--re-enrol"]).unwrap();
    gate.api.takes(&key);
    gate.start().unwrap();
    assert_eq!(verdict().await.unwrap(), "ticket.bad_signature");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_stolen_before_the_hub_ever_heard_it_is_revoked_by_the_organisers_folder_and_refused_when_it_comes() {
    let world = World::of(&[DESK]).await.unwrap();
    let (technician, hub) = (&world.technician, &world.hub);
    let folder = world.dir().join("stolen");
    technician.enrol_box(&folder, &GATE_A, "127.0.0.1:1", "127.0.0.1:0").unwrap();
    let number = (technician.number_of(GATE_A.name).unwrap() + 3).to_string();
    let run: serde_json::Value = serde_json::from_slice(&fs::read(hub.dir.join("run.json")).unwrap()).unwrap();
    let address = format!("https://{}", run["https"].as_str().unwrap());
    let (token, ca) = (hub.dir.join("console.token"), hub.dir.join("tls/ca.pem"));
    let revoke = |more: &[&str]| {
        let at = ["box", "revoke", "--hub", &address, "--token", token.to_str().unwrap(), "--ca", ca.to_str().unwrap()];
        technician.programs().provision(&[&at[..], &["--number", &number, "--reason", "stolen"], more].concat())
    };
    let unheard = format!("{:#}", revoke(&[]).unwrap_err());
    assert!(unheard.contains("--festival"), "{unheard}");
    revoke(&["--festival", technician.dir().to_str().unwrap()]).unwrap();
    let is_out = async || {
        let view = hub.view().await?;
        Ok(view.boxes.iter().any(|one| one.place == GATE_A.name && one.revoked && one.age_s.is_none()).then_some(()))
    };
    until("the console shows it as revoked and never heard", SOON, is_out).await.unwrap();
    let others = hub.view().await.unwrap().boxes;
    assert!(others.iter().all(|one| one.revoked == (one.place == GATE_A.name)), "{others:#?}");
}
