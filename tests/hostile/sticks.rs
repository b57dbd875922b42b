//! Sticks that somebody prepared: `edge load` beside a running box takes a package of this festival and nothing else, reads
//! no more than a package may have, and whoever holds a band there is served meanwhile.
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use evening::{
    chance::Chance,
    guest::Guest,
    ticket::Paper,
    world::{
        DESK, World,
        counter::{Request, Tapped},
        place::Place,
        wait::until,
    },
};
use serde_json::Value;
use tokio::task::block_in_place;

const SOON: Duration = Duration::from_secs(30);
/// Whoever stands at the reader is served in this time, whatever lies on a stick.
const PATIENCE: Duration = Duration::from_secs(10);
/// More than the tool needs for itself and for the longest package, and less than a stick can pretend to hold.
const ADDRESS_SPACE: u64 = 1 << 30;

async fn bundle_of(place: &Place) -> u64 {
    place.api.get::<Value>("/api/health").await.unwrap()["bundle_number"].as_u64().unwrap()
}

/// Has the file loaded beside the running box, within bounds of memory and time: exit code and what was said.
fn load(world: &World, dir: &Path, file: &Path) -> (Option<i32>, String) {
    let program = world.technician.programs().command("edge").get_program().to_owned();
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "20", "prlimit", &format!("--as={ADDRESS_SPACE}")]).arg(program);
    let output = command.args(["load", "--dir"]).arg(dir).arg(file).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at] ^= 1;
    changed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stick_holds_is_a_package_of_this_festival_or_is_refused_unread_and_taps_go_on() {
    let world = World::of(&[DESK]).await.unwrap();
    let desk = world.place(DESK.name).unwrap();
    let mut chance = Chance::new(17);
    let paper = Paper { text: String::new(), refused_with: None, id: None };
    let mut guest = Guest::new(1, paper, world.supplier.purse(1).unwrap());
    let older = world.hub.bundle().await.unwrap();
    world.hub.add_category(77, ["Nouveau", "New"], 1).await.unwrap();
    world.wait_for_bundle(SOON).await.unwrap();
    desk.wire.cut();
    world.hub.add_category(78, ["Dernier", "Last"], 1).await.unwrap();
    let newer = world.hub.bundle().await.unwrap();
    let in_use = bundle_of(desk).await;

    let stick = world.dir().join("stick");
    fs::create_dir(&stick).unwrap();
    let lies = |name: &str| stick.join(name);
    let written = |name: &str, bytes: &[u8]| {
        fs::write(lies(name), bytes).unwrap();
        lies(name)
    };
    let linked = |name: &str, to: &Path| {
        symlink(to, lies(name)).unwrap();
        lies(name)
    };
    let genuine = written("genuine.fbun", &newer);
    let sparse = lies("sparse");
    fs::File::create(&sparse).unwrap().set_len(8 << 30).unwrap();
    assert!(Command::new("mkfifo").arg(lies("pipe")).status().unwrap().success());
    let cases: Vec<(&str, PathBuf)> = vec![
        ("is a link", linked("passwords", Path::new("/etc/passwd"))),
        ("is a link", linked("without-end", Path::new("/dev/zero"))),
        ("is a link", linked("to-the-genuine-one", &genuine)),
        ("is a link", linked("to-the-pipe", &lies("pipe"))),
        ("is no plain file", lies("pipe")),
        ("is no plain file", "/dev/zero".into()),
        ("is no plain file", stick.clone()),
        ("a package has at most", sparse),
        ("neither a bundle nor a package", written("empty", &[])),
        ("neither a bundle nor a package", written("text", b"root:x:0:0:root:/root:/bin/bash\n")),
        ("", written("one-bit", &flipped(&newer, newer.len() / 2))),
        ("signature does not hold", written("unsigned", &flipped(&newer, newer.len() - 1))),
        ("is older than bundle", written("older.fbun", &older)),
        ("No such file", lies("nothing")),
    ];
    for (why, file) in cases {
        let shown = file.display();
        let (code, said) = block_in_place(|| load(&world, &desk.dir, &file));
        assert_eq!(code, Some(1), "{shown}: {said}");
        assert!(said.contains(why) && !said.contains("panicked"), "{shown}: {said}");
        let since = Instant::now();
        let id = chance.request_id();
        let tapped = desk.tap_until_over(&mut guest, &Request::TopUp(100), &id, Vec::new()).await.unwrap();
        assert!(matches!(tapped, Tapped::Green(_)), "{shown}: {tapped:?}");
        assert!(since.elapsed() < PATIENCE, "{shown}: {:?}", since.elapsed());
        assert_eq!(bundle_of(desk).await, in_use, "{shown}");
    }
    // laid into the box's own folder, as its tool does
    let (offered, outcome) = (desk.dir.join("load.fpkg"), desk.dir.join("load.outcome"));
    symlink("/dev/zero", &offered).unwrap();
    let told = async || Ok((outcome.exists() && fs::symlink_metadata(&offered).is_err()).then_some(()));
    until("the box has looked at what was laid there", SOON, told).await.unwrap();
    assert!(fs::read_to_string(&outcome).unwrap().contains("is a link"));
    fs::remove_file(&outcome).unwrap();

    let (code, said) = block_in_place(|| load(&world, &desk.dir, &genuine));
    assert_eq!(code, Some(0), "{said}");
    assert!(bundle_of(desk).await > in_use);
    assert!(fs::read_to_string("/etc/passwd").is_ok(), "nothing that a link led to was removed");
    desk.wire.mend();
    desk.wait_for_link(true, SOON).await.unwrap();
    world.wait_until_agreed(SOON).await.unwrap();
    block_in_place(|| desk.stop(SOON)).unwrap();
}
