//! `provision bands` as a technician runs it: a process, a reader on a socket, a list on disk.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use domain::{
    id::key_id,
    money::Cents,
    wristband::{BandKeys, CreditKey, PursePages, check_pointer, layout},
};
use hardware::{
    chip::{Chip, Ntag21x, NtagType, SharedBand, UidOnly, UltralightAes},
    fault::Fault,
    signal::Signal,
    tag::{TagKind, Uid},
    virtual_reader::VirtualField,
};
use provisioning::{Festival, bands::Supplies};
use serde_json::Value;

const BOUND: Duration = Duration::from_secs(20);

/// A festival with its hub, and where the technician's files are.
struct Desk {
    temp: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { temp: tempfile::tempdir().unwrap() };
        let (festival, hub) = (desk.at("festival"), desk.at("hub"));
        assert!(run(&["festival", "new", "--dir", &festival, "--name", "Bands"]).status.success());
        assert!(run(&["hub", "enrol", "--festival", &festival, "--out", &hub]).status.success());
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn at(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Starts a run and holds chips to its reader.
    fn issue(&self, further: &[&str]) -> (Child, VirtualField) {
        let socket = self.path("reader.sock");
        let reader = format!("virtual:{}", socket.display());
        let (festival, list) = (self.at("festival"), self.at("bands.csv"));
        let arguments = ["--json", "bands", "--festival", &festival, "--reader", &reader, "--list", &list];
        let child = provision(&[&arguments, further].concat()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        (child.unwrap(), VirtualField::connect(&socket, BOUND).unwrap())
    }

    fn check(&self) -> Value {
        json(&run(&["--json", "bands", "check", "--list", &self.at("bands.csv")]))
    }
}

fn provision(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
    command.env_remove("LC_ALL").env_remove("LC_MESSAGES").env("LANG", "C").args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    provision(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap()
}

fn uid(number: u8) -> [u8; 7] {
    [0x04, 0xab, 0xcd, 0xef, 0x12, number, 0x80]
}

/// Blank chips, one kind after the other.
fn blank(number: u8) -> SharedBand {
    let uid = uid(number);
    match number % 5 {
        0 => SharedBand::new(Ntag21x::new(NtagType::Ntag213, uid)),
        1 => SharedBand::new(Ntag21x::new(NtagType::Ntag215, uid)),
        2 => SharedBand::new(Ntag21x::new(NtagType::Ntag216, uid)),
        3 => SharedBand::new(UltralightAes::new(uid, [number; 16])),
        _ => SharedBand::new(UidOnly::new(Uid::seven(uid))),
    }
}

fn lay(field: &VirtualField, band: &SharedBand, faults: &str) -> Option<Signal> {
    let presented = field.present(band, Fault::parse_several(faults).unwrap()).unwrap();
    presented.wait_signal(BOUND)
}

/// Whether a box that has the festival's bundle takes it as a band with nothing on it.
fn is_new_band(supplies: &Supplies, chip: &Chip) -> bool {
    let keys = BandKeys::new(&supplies.secrets, &supplies.festival, chip.uid().as_bytes());
    let public = supplies.credit_key.verifying_key().to_bytes();
    let credit = [CreditKey { id: key_id(&public), public, revoked: false }];
    let from_header = chip.memory().get(usize::from(layout::HEADER_PAGE) * 4..).unwrap_or_default();
    let pages = match chip.kind() {
        TagKind::Ntag213 => {
            let read = from_header[..layout::POINTER_READ_LEN].try_into().unwrap();
            return check_pointer(&read, &keys, &credit).is_ok();
        }
        TagKind::Ntag215 | TagKind::Ntag216 => PursePages::ntag21x(&from_header[..layout::NTAG21X.length()]),
        TagKind::UltralightAes => {
            PursePages::ultralight_aes(&from_header[..layout::ULTRALIGHT_AES.length()], Cents::ZERO)
        }
        TagKind::UidOnly => return true,
        TagKind::UltralightC | TagKind::Other => None,
    };
    pages.is_some_and(|pages| pages.judge(&keys, &credit).is_ok_and(|purse| purse.balance(Cents::ZERO) == Cents::ZERO))
}

#[test]
fn fifty_chips_of_mixed_kinds_become_bands_and_a_second_run_goes_on_with_the_list() {
    let desk = Desk::new();
    let (child, field) = desk.issue(&["--count", "50"]);
    let bands: Vec<SharedBand> = (0..50).map(blank).collect();
    let bad = SharedBand::new(UidOnly::unmodelled(Uid::seven(uid(99)), TagKind::UltralightC));
    assert_eq!(lay(&field, &bad, ""), Some(Signal::Refuse));
    for (number, band) in bands.iter().enumerate() {
        if number == 13 {
            assert_eq!(lay(&field, band, "tear write 9 at byte 2"), Some(Signal::TapAgain));
        }
        assert_eq!(lay(&field, band, ""), Some(Signal::Ok), "chip {number}");
    }
    let said = json(&child.wait_with_output().unwrap());
    assert_eq!((&said["issued"], &said["list"]["issued"]), (&50.into(), &50.into()));
    assert_eq!(said["refused"]["band.pulled_away"], 1);
    let festival = Festival::open(&desk.path("festival")).unwrap();
    let supplies = Supplies::open(&festival, &desk.path("hub"), None).unwrap();
    assert!(!is_new_band(&supplies, &blank(1).chip()));
    for band in &bands {
        assert!(is_new_band(&supplies, &band.chip()), "{:?}", band.kind());
    }
    drop(field);

    let (child, field) = desk.issue(&["--count", "1", "--spare", "--lang", "fr"]);
    assert_eq!(lay(&field, &bands[3], ""), Some(Signal::Refuse));
    assert_eq!(lay(&field, &blank(51), ""), Some(Signal::Ok));
    let output = child.wait_with_output().unwrap();
    assert_eq!(json(&output)["refused"]["band.already_issued"], 1);
    assert!(String::from_utf8_lossy(&output.stderr).contains("déjà sur la liste"));
    let checked = desk.check();
    assert_eq!((&checked["issued"], &checked["spare"]), (&50.into(), &1.into()));
    assert_eq!(checked["bad"]["band.ultralight_c"], 1);
}

#[test]
fn a_run_that_is_killed_or_stopped_leaves_a_list_that_the_next_one_goes_on_with() {
    let desk = Desk::new();
    let (mut child, field) = desk.issue(&[]);
    let (first, second) = (blank(1), blank(3));
    assert_eq!(lay(&field, &first, ""), Some(Signal::Ok));
    child.kill().unwrap();
    child.wait().unwrap();
    drop(field);
    let list = desk.path("bands.csv");
    let whole = fs::read(&list).unwrap();
    fs::write(&list, [whole.as_slice(), b"deadbeef,nta"].concat()).unwrap();
    assert_eq!(desk.check()["torn"], true);

    let (child, field) = desk.issue(&[]);
    assert_eq!(lay(&field, &first, ""), Some(Signal::Refuse));
    assert_eq!(lay(&field, &second, ""), Some(Signal::Ok));
    // Ctrl-C
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let said = json(&child.wait_with_output().unwrap());
    assert_eq!((&said["stopped"], &said["issued"]), (&true.into(), &1.into()));
    assert_eq!((&desk.check()["issued"], &desk.check()["torn"]), (&2.into(), &false.into()));
    assert!(fs::read(&list).unwrap().starts_with(&whole));
}

#[test]
fn what_cannot_work_is_said_with_its_exit_code() {
    let desk = Desk::new();
    let (festival, list) = (desk.at("festival"), desk.at("bands.csv"));
    let refused = |further: &[&str], exit: i32, code: &str| {
        let arguments = [&["--json", "bands", "--festival", &festival, "--list", &list], further].concat();
        let output = run(&arguments);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &said["error"]), (Some(exit), &code.into()), "{said}");
    };
    refused(&["--reader", "usb"], 2, "reader.name");
    refused(&["--reader", "pcsc", "--edge", "/nowhere/edge"], 3, "file.missing");
    refused(&["--reader", "pcsc", "--edge", "/bin/false"], 4, "reader.away");
    refused(&["--reader", "virtual:/nowhere/socket"], 4, "reader.away");
    refused(&["--reader", "pcsc", "--hub", "/nowhere"], 3, "file.missing");

    fs::write(Path::new(&list), "wallet,kind,state,reason,time\nnonsense\n").unwrap();
    refused(&["--reader", "virtual:/nowhere/socket"], 1, "bands.list_damaged");
    let output = run(&["bands", "check", "--list", &list]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Line 2"));
    assert_eq!(run(&["bands"]).status.code(), Some(2));
    assert_eq!(run(&["bands", "--list", &list]).status.code(), Some(2));
}
