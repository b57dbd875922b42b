//! Files of another owner, unreadable, readable by all, damaged: a daemon says which and why, and changes none.
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::Duration};

use evening::world::{BAR, GATE_A, World, process::Programs, wait::until};
use tokio::task::block_in_place;

const SOON: Duration = Duration::from_secs(30);
/// A user that owns nothing.
const NOBODY: u32 = 65_534;

/// Runs a program to its end, as another user if asked: exit code (124: it did not end), and what it said.
pub(super) fn ended(programs: &Programs, program: &str, arguments: &[&str], uid: Option<u32>) -> (Option<i32>, String) {
    let path = programs.command(program).get_program().to_owned();
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "20"]);
    if let Some(uid) = uid {
        let uid = uid.to_string();
        command.args(["setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups"]);
    }
    let output = command.arg(path).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    (output.status.code(), said)
}

/// Every file of a folder with its content's hash and mode, but for what a daemon may always write.
fn content(dir: &Path) -> BTreeMap<String, (String, u32)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let metadata = fs::symlink_metadata(entry.path()).unwrap();
        if metadata.is_dir() {
            all.extend(content(&entry.path()).into_iter().map(|(inner, of)| (format!("{name}/{inner}"), of)));
        } else if metadata.is_file() && !["log", "run.json"].contains(&name.as_str()) && !name.ends_with("-shm") {
            let hash = blake3_of(&fs::read(entry.path()).unwrap());
            all.insert(name, (hash, metadata.permissions().mode()));
        }
    }
    all
}

fn blake3_of(bytes: &[u8]) -> String {
    // any hash does: two equal contents give the same one
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{:x}/{}", hasher.finish(), bytes.len())
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout.trim_ascii() == b"0"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_another_owner_are_named_and_left_alone() {
    let world = World::of(&[BAR]).await.unwrap();
    let bar = world.place(BAR.name).unwrap();
    world.wait_until_agreed(SOON).await.unwrap();
    block_in_place(|| world.stop()).unwrap();
    let (own, hub) = (bar.dir.clone(), world.dir().join("hub"));
    let programs = world.technician.programs();
    let run_box = ["run", "--dir", own.to_str().unwrap()];
    let run_hub = ["run", "--dir", hub.to_str().unwrap()];

    mode(&own.join("identity.key"), 0o644);
    let before = content(&own);
    let (code, said) = ended(programs, "edge", &run_box, None);
    assert_eq!(
        (code, said.contains("others may read"), said.contains("identity.key")),
        (Some(1), true, true),
        "{said}"
    );
    assert_eq!(content(&own), before);
    mode(&own.join("identity.key"), 0o600);

    if !is_root() {
        eprintln!("not root: nothing is shown about files of another owner");
        return;
    }
    mode(world.dir(), 0o755);
    for (program, arguments, dir) in [("edge", &run_box, &own), ("sync-hub", &run_hub, &hub)] {
        let before = content(dir);
        // the folder itself is closed, then open with every file closed
        for open in [0o700, 0o755] {
            mode(dir, open);
            let (code, said) = ended(programs, program, arguments, Some(NOBODY));
            assert_eq!(code, Some(1), "{program} {open:o}: {said}");
            assert!(said.contains("ermission denied"), "{program} {open:o}: {said}");
            assert!(!said.contains("edge blank"), "nobody is told to enrol a box that is enrolled: {said}");
            assert!(!said.contains("panicked"), "{said}");
        }
        mode(dir, 0o700);
        assert_eq!(content(dir), before, "{program}");
    }
    block_in_place(|| world.start_hub().and_then(|()| bar.start())).unwrap();
    bar.wait_for_link(true, SOON).await.unwrap();
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at] ^= 1;
    changed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_enrolment_is_named_and_left_alone() {
    let world = World::of(&[BAR, GATE_A]).await.unwrap();
    let (bar, gate) = (world.place(BAR.name).unwrap(), world.place(GATE_A.name).unwrap());
    block_in_place(|| bar.stop(SOON)).unwrap();
    let path = bar.dir.join("enrolment.cbor");
    let good = fs::read(&path).unwrap();
    let other = fs::read(gate.dir.join("enrolment.cbor")).unwrap();
    let random: Vec<u8> = (0..good.len()).map(|n| (n.wrapping_mul(197) >> 3) as u8).collect();
    for (name, damage) in [
        ("empty", Vec::new()),
        ("cut", good[..good.len() / 2].to_vec()),
        ("a byte too many", [good.as_slice(), &[0]].concat()),
        ("another box's", other),
        ("one bit changed in the middle", flipped(&good, good.len() / 2)),
        ("one bit changed in the device's name", flipped(&good, good.len() - 50)),
        ("one bit changed in its checksum", flipped(&good, good.len() - 1)),
        ("random", random),
    ] {
        fs::write(&path, &damage).unwrap();
        let before = content(&bar.dir);
        let (code, said) =
            ended(world.technician.programs(), "edge", &["run", "--dir", bar.dir.to_str().unwrap()], None);
        assert_eq!(code, Some(1), "{name}: {said}");
        assert!(said.contains("enrolment.cbor") && !said.contains("panicked"), "{name}: {said}");
        assert!(!name.starts_with("one bit") || said.contains("its checksum does not hold"), "{name}: {said}");
        assert_eq!(content(&bar.dir), before, "{name}");
    }
    fs::write(&path, &good).unwrap();
    block_in_place(|| bar.start()).unwrap();
    bar.wait_for_link(true, SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_leads_to_a_box_that_only_shows() {
    let world = World::of(&[GATE_A]).await.unwrap();
    let gate = world.place(GATE_A.name).unwrap();
    let ticket = world.hub.issue(&serde_json::json!({ "category": 1, "holder": "" })).await.unwrap();
    let png = evening::ticket::png(&ticket.text).unwrap();
    assert!(gate.show(&png).await.unwrap().admitted);
    world.wait_until_agreed(SOON).await.unwrap();
    block_in_place(|| gate.stop(SOON)).unwrap();
    let (store, wal) = (gate.dir.join("store.db"), gate.dir.join("store.db-wal"));
    let (good, good_wal) = (fs::read(&store).unwrap(), fs::read(&wal).unwrap());
    let mut page = good.clone();
    page[..1_024].fill(0x41);
    let mut rubbish = good_wal.clone();
    rubbish.iter_mut().enumerate().for_each(|(n, byte)| *byte = (n.wrapping_mul(31) >> 2) as u8);
    for (name, damaged, damaged_wal) in [
        ("first page", page, Vec::new()),
        ("cut to a page", good[..1_024].to_vec(), Vec::new()),
        ("all zero", vec![0; good.len()], Vec::new()),
    ] {
        fs::write(&store, &damaged).unwrap();
        fs::write(&wal, &damaged_wal).unwrap();
        block_in_place(|| gate.start()).unwrap();
        let degraded = async || Ok(gate.view().await?.degraded);
        let code = until(&format!("it names the damage: {name}"), SOON, degraded).await.unwrap();
        assert!(code.starts_with("box.damaged."), "{name}: {code}");
        let other = world.hub.issue(&serde_json::json!({ "category": 1, "holder": "" })).await.unwrap();
        let scan = serde_json::json!({ "text": other.text });
        let verdict: serde_json::Value = gate.api.post("/api/gate/scan", &scan).await.unwrap();
        assert_eq!(verdict["admitted"], false, "{name}: {verdict}");
        block_in_place(|| gate.stop(SOON)).unwrap();
        assert_eq!(fs::read(&store).unwrap(), damaged, "{name}: the evidence stays");
    }
    // a WAL of rubbish holds nothing that was acknowledged: the database behind it is whole, or says that it is not
    fs::write(&store, &good).unwrap();
    fs::write(&wal, &rubbish).unwrap();
    block_in_place(|| gate.start()).unwrap();
    assert!(gate.view().await.is_ok());
    block_in_place(|| gate.stop(SOON)).unwrap();
}
