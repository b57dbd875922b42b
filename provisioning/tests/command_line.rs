//! The command line as a technician and the support desk use it: real processes, exit codes, JSON, a box on a socket.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::{
    io::{Read, Write},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
};

use domain::{
    bundle::{BundleBody, Category, Policy},
    money::Cents,
    ticket::{base45, own::OwnTicket},
    trust::{Purpose, Roles},
};
use ed25519_dalek::SigningKey;
use provisioning::{Festival, files, hub::read_chain};
use serde_json::Value;
use sync::{
    FrameReader,
    enrolment::{BlankBox, BlankStep, EnrolFrame, Refusal},
};

fn provision(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
    command.env_remove("LC_ALL").env_remove("LC_MESSAGES").env("LANG", "C").args(arguments).output().unwrap()
}

fn json(arguments: &[&str], exit: i32) -> Value {
    let output = provision(&[&["--json"], arguments].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {text} {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A festival with a hub, made by the command line.
struct Evening {
    temp: tempfile::TempDir,
}

impl Evening {
    fn new() -> Self {
        let evening = Self { temp: tempfile::tempdir().unwrap() };
        json(&["festival", "new", "--dir", &evening.festival(), "--name", "Été"], 0);
        json(
            &[
                "hub",
                "enrol",
                "--festival",
                &evening.festival(),
                "--out",
                &evening.at("hub"),
                "--quic",
                "127.0.0.1:4433",
            ],
            0,
        );
        evening
    }

    fn at(&self, name: &str) -> String {
        path(&self.temp.path().join(name)).to_string()
    }

    fn festival(&self) -> String {
        self.at("festival")
    }

    /// A bundle as the hub would sign it.
    fn bundle(&self) -> String {
        let festival = Festival::open(Path::new(&self.festival())).unwrap();
        let hub = PathBuf::from(self.at("hub"));
        let chain =
            |name: &str, purpose| read_chain(&festival, &hub.join(format!("keys/{name}.chain")), purpose).unwrap();
        let cents = |n| Cents::new(n).unwrap();
        let body = BundleBody {
            version: 1,
            founding: festival.founding().to_bytes(),
            number: 3,
            issued: 1_800_000_000,
            policy: Policy {
                maximum_balance: cents(30_000),
                offline_limit: cents(5_000),
                cup_deposit: cents(100),
                time_uncertainty_s: 300,
                admit_when_time_uncertain: false,
                stale_after_s: 3_600,
                admit_when_stale: true,
                correction_quota: cents(5_000),
                top_up_fee: cents(0),
            },
            ticket_keys: vec![chain("ticket-1", Purpose::Ticket), chain("ticket-2", Purpose::Ticket)],
            credit_keys: vec![chain("credit-online", Purpose::CreditOnline)],
            categories: vec![Category {
                number: 1,
                name_fr: "Entier".into(),
                name_en: "Full".into(),
                price: cents(1),
                zones: 1,
                voucher_product: None,
                voucher_quantity: 0,
            }],
            events: vec![],
            products: vec![],
            price_revision: 1,
            catalogue: vec![],
            revoked: vec![],
            blocked: vec![],
            places: vec![],
            sections: vec![],
        };
        let key = files::read_key(&hub.join("keys/bundle.key")).unwrap();
        let file = self.at("festival.fbun");
        std::fs::write(&file, body.sign(&festival.id(), &key, &chain("bundle", Purpose::Bundle))).unwrap();
        file
    }

    fn ticket(&self, key: &str) -> String {
        let festival = Festival::open(Path::new(&self.festival())).unwrap();
        let key = files::read_key(&PathBuf::from(self.at("hub")).join(format!("keys/{key}.key"))).unwrap();
        own().sign(&festival.id(), &key)
    }

    /// A blank box that waits on a socket and keeps what it gets in `folder`; gives the socket's address.
    fn blank_box(&self, folder: &str) -> (String, thread::JoinHandle<()>) {
        let dir = PathBuf::from(self.at(folder));
        std::fs::create_dir(&dir).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
        files::write_new(&dir.join("identity.key"), &[7; 32]).unwrap();
        let socket = self.at(&format!("{folder}.sock"));
        let listener = UnixListener::bind(&socket).unwrap();
        let side = thread::spawn(move || serve_blank(&listener, &dir));
        (format!("unix:{socket}"), side)
    }
}

fn serve_blank(listener: &UnixListener, dir: &Path) {
    let (mut line, _) = listener.accept().unwrap();
    let key = SigningKey::from_bytes(&[7; 32]);
    let mut blank = BlankBox::new(None, "bench".into(), [3; 32]);
    let mut reader = FrameReader::new();
    let mut buffer = [0; 4096];
    loop {
        while let Some(raw) = reader.next_raw().unwrap() {
            let answer = match blank.frame(EnrolFrame::from_raw(&raw).unwrap(), &key) {
                Ok(BlankStep::Wait) => continue,
                Ok(BlankStep::Send(frame)) => frame,
                Ok(BlankStep::Store { enrolled, bundle }) => {
                    files::write_new(&dir.join("enrolment.cbor"), &enrolled.to_file()).unwrap();
                    files::write_new(&dir.join("bundle.fbun"), &bundle).unwrap();
                    blank.stored(&key).unwrap()
                }
                Err(error) => {
                    // The tool may have gone already.
                    let refusal = EnrolFrame::Refusal(Refusal { text: error.to_string() });
                    let _ = line.write_all(&refusal.encode().unwrap());
                    return;
                }
            };
            line.write_all(&answer.encode().unwrap()).unwrap();
        }
        match line.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => reader.push(&buffer[..read]),
        }
    }
}

fn own() -> OwnTicket {
    OwnTicket { ticket_id: *b"ticket no 17", category: 1, zones: 1, valid_from: 0, valid_until: 0, holder_check: 0 }
}

fn interop() -> Value {
    serde_json::from_str(include_str!("../../tests/interop/pretix_tickets.json")).unwrap()
}

#[test]
fn a_festival_is_founded_shown_and_never_overwritten() {
    let evening = Evening::new();
    let shown = json(&["festival", "show", "--dir", &evening.festival()], 0);
    let festival = Festival::open(Path::new(&evening.festival())).unwrap();
    assert_eq!(shown["festival"], festival.id().to_hex());
    assert_eq!((&shown["name"], &shown["currency"], &shown["root_here"]), (&"Été".into(), &"EUR".into(), &true.into()));
    assert_eq!(shown["hubs"][0]["public_quic"][0], "127.0.0.1:4433");

    let again = json(&["festival", "new", "--dir", &evening.festival(), "--name", "X"], 3);
    assert_eq!(again["error"], "file.already_there");
    assert_eq!(
        json(&["festival", "new", "--dir", &evening.at("x"), "--name", "X", "--currency", "BTC"], 2)["error"],
        "festival.currency"
    );
    assert_eq!(json(&["festival", "show", "--dir", &evening.at("nowhere")], 3)["error"], "file.missing");
    let french = provision(&["--lang", "fr", "festival", "show", "--dir", &evening.at("nowhere")]);
    assert!(String::from_utf8(french.stderr).unwrap().contains("n'existe pas"));
}

#[test]
fn a_box_is_enrolled_over_a_socket_and_its_folder_is_found_good_until_something_changes() {
    let evening = Evening::new();
    let bundle = evening.bundle();
    let (line, side) = evening.blank_box("box");
    let festival = evening.festival();
    let enrol = |line: &str, exit: i32, more: &[&str]| {
        let words =
            ["box", "enrol", "--festival", &festival, "--connect", line, "--place", "Top-up 1", "--role", "top-up"];
        json(&[&words[..], &["--role", "bar"], more].concat(), exit)
    };
    let label = enrol(&line, 0, &["--bundle", &bundle, "--lang", "fr"]);
    side.join().unwrap();
    assert_eq!((&label["number"], &label["numbers"][1], &label["bundle"]), (&1.into(), &8.into(), &3.into()));
    assert_eq!(label["path"], format!("/?key={}", label["screen_key"].as_str().unwrap()));

    let dir = PathBuf::from(evening.at("box"));
    let key = SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
    let enrolled =
        sync::enrolment::Enrolled::from_file(&files::read(&dir.join("enrolment.cbor")).unwrap(), &key).unwrap();
    assert_eq!(enrolled.config.hubs, ["127.0.0.1:4433"], "the hub enrolled here");
    assert_eq!(enrolled.config.roles, Roles::BAR.and(Roles::TOP_UP));
    let check = |exit| json(&["box", "check", "--dir", path(&dir)], exit);
    let bad = |report: &Value| -> Vec<String> {
        let findings = report["findings"].as_array().unwrap().iter();
        findings
            .filter(|finding| finding["ok"] == false)
            .map(|finding| finding["check"].as_str().unwrap().into())
            .collect()
    };
    assert_eq!(check(0)["ok"], true);

    let mut changed = files::read(&dir.join("bundle.fbun")).unwrap();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    std::fs::write(dir.join("bundle.fbun"), &changed).unwrap();
    std::fs::set_permissions(dir.join("identity.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(bad(&check(1)), ["bundle", "permissions"]);
    std::fs::write(dir.join("identity.key"), [8; 32]).unwrap();
    assert_eq!(bad(&check(1)), ["enrolment", "permissions"]);

    let (line, side) = evening.blank_box("again");
    let refused = enrol(&line, 5, &["--bundle", &bundle]);
    side.join().unwrap();
    assert_eq!(refused["error"], "box.already_enrolled");
    let shown = json(&["festival", "show", "--dir", &festival], 0);
    assert_eq!(shown["boxes"].as_array().unwrap().len(), 1);
    assert_eq!(
        enrol(&format!("unix:{}", evening.at("nobody.sock")), 4, &["--bundle", &bundle])["error"],
        "line.broken"
    );
    assert_eq!(enrol(&line, 1, &["--bundle", path(&dir.join("bundle.fbun"))])["error"], "bundle.refused");
}

#[test]
fn the_first_list_of_a_group_says_that_it_is_one_and_the_next_goes_on_from_its_file() {
    let evening = Evening::new();
    let bundle = evening.bundle();
    let (line, side) = evening.blank_box("box");
    let festival = evening.festival();
    let words = ["box", "enrol", "--festival", &festival, "--connect", &line, "--place", "Bar", "--role", "bar"];
    json(&[&words[..], &["--bundle", &bundle]].concat(), 0);
    side.join().unwrap();
    let out = evening.at("hub/lan/1.cbor");
    let words = ["lan", "group", "--festival", &festival, "--out", &out, "--number", "1", "--box", "1", "--broker"];
    let group = |broker| json(&[&words[..], &[broker]].concat(), 0);
    let is_new = |said: &Value| (said["version"].clone(), said["new"].clone());
    assert_eq!(is_new(&group("10.0.0.5:1883")), (1.into(), true.into()));
    assert_eq!(is_new(&group("10.0.0.6:1883")), (1.into(), false.into()));
    std::fs::remove_file(&out).unwrap();
    let said = provision(&[&["--lang", "en"], &words[..], &["10.0.0.5:1883"]].concat());
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("put the group's old file in its place"), "{said}");
}

#[test]
fn a_technician_without_the_root_enrols_with_an_enrol_key_within_its_caps() {
    let evening = Evening::new();
    let (festival, file) = (evening.festival(), evening.at("site.key"));
    let new = [
        "enrol-key",
        "new",
        "--festival",
        &festival,
        "--out",
        &file,
        "--name",
        "Site",
        "--role",
        "bar",
        "--boxes",
        "1",
    ];
    assert_eq!(json(&new, 0)["numbers"][1], 8);
    assert_eq!(json(&new, 3)["error"], "file.already_there");
    std::fs::remove_file(PathBuf::from(&festival).join("root.key")).unwrap();

    let bundle = evening.bundle();
    let words = ["box", "enrol", "--festival", &festival, "--place", "Bar 1", "--bundle", &bundle, "--connect"];
    let (line, side) = evening.blank_box("gate");
    let beyond = json(&[&words[..], &[&line, "--role", "gate", "--with", &file]].concat(), 5);
    assert_eq!(beyond["error"], "key.beyond_its_rights");
    side.join().unwrap();
    let (line, side) = evening.blank_box("bar");
    assert_eq!(json(&[&words[..], &[&line, "--role", "bar"]].concat(), 5)["error"], "root.not_here");
    assert_eq!(json(&[&words[..], &[&line, "--role", "bar", "--with", &file]].concat(), 0)["number"], 1);
    side.join().unwrap();
}

#[test]
fn pretix_tickets_are_inspected_with_their_exit_codes() {
    let file = interop();
    let key = file["events"][0]["valid_keys"]["pretix_sig1"][0].as_str().unwrap();
    let inspect = |text: &str, exit| json(&["inspect", "ticket", "--text", text, "--pretix-key", key], exit);
    let genuine = &file["tickets"][0];
    let seen = inspect(genuine["secret"].as_str().unwrap(), 0);
    assert!(genuine["secret"].as_str().unwrap().starts_with('='));
    assert_eq!(
        (&seen["scheme"], &seen["signature"], &seen["reason"]),
        (&"pretix_sig1".into(), &"valid".into(), &Value::Null)
    );
    assert_eq!((&seen["id"], &seen["item"], &seen["valid_from"]), (&genuine["seed"], &genuine["item"], &Value::Null));
    for tampered in file["tampered"].as_array().unwrap() {
        let name = tampered["name"].as_str().unwrap();
        let genuine = name == "untouched" || name.starts_with("validly_signed");
        let seen = inspect(tampered["secret"].as_str().unwrap(), i32::from(!genuine));
        assert_eq!(seen["signature"] == "valid", genuine, "{name}");
        assert_eq!(seen["reason"].is_null(), genuine, "{name}");
    }
    for text in ["", "-", "--", "--json", "-x=1", " A B ", "\n"] {
        assert_eq!(inspect(text, 1)["signature"], "malformed", "{text:?}");
    }
}

#[test]
fn own_tickets_are_inspected_with_the_bundle() {
    let evening = Evening::new();
    let bundle = evening.bundle();
    let inspect = |text: &str, exit| json(&["inspect", "ticket", "--bundle", &bundle, "--text", text], exit);
    for key in ["ticket-1", "ticket-2"] {
        let seen = inspect(&evening.ticket(key), 0);
        assert_eq!((&seen["scheme"], &seen["category"], &seen["item"]), (&"own".into(), &1.into(), &Value::Null));
        assert_eq!(
            (&seen["product"]["fr"], &seen["revoked"], &seen["bundle"]),
            (&"Entier".into(), &false.into(), &3.into())
        );
    }
    let genuine = evening.ticket("ticket-1");
    let mut forged = base45::decode(&genuine).unwrap();
    forged[20] ^= 1;
    assert_eq!(inspect(&base45::encode(&forged), 1)["reason"], "ticket.bad_signature");
    assert_eq!(inspect(&Evening::new().ticket("ticket-1"), 1)["reason"], "ticket.wrong_festival");
    assert_eq!(inspect(&format!("{genuine} "), 1)["scheme"], "unknown");

    let text = evening.at("ticket.txt");
    std::fs::write(&text, format!("{genuine}\n")).unwrap();
    assert_eq!(json(&["inspect", "ticket", "--bundle", &bundle, "--text-file", &text], 0)["signature"], "valid");
    std::fs::write(&text, format!("{genuine}\n\n")).unwrap();
    assert_eq!(json(&["inspect", "ticket", "--bundle", &bundle, "--text-file", &text], 1)["signature"], "malformed");
    std::fs::write(&bundle, b"FBUN").unwrap();
    assert_eq!(json(&["inspect", "ticket", "--bundle", &bundle, "--text", &genuine], 1)["error"], "bundle.refused");
}

#[test]
fn people_are_told_in_their_language_and_bytes_that_are_no_text_are_unreadable() {
    for (lang, words) in [("fr", "Ce texte n'est pas un billet."), ("en", "This text is not a ticket.")] {
        let output = provision(&["inspect", "ticket", "--lang", lang, "--text", "https://example.org"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stdout).unwrap().starts_with(words));
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_provision"));
    command.args(["--json", "inspect", "ticket", "--text"]).arg(std::ffi::OsStr::from_bytes(b"\xff\xfe"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["reason"], "ticket.unreadable");
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_2() {
    for words in [
        &["inspect", "ticket"][..],
        &["inspect", "ticket", "--text", "a", "--text-file", "b"],
        &["box", "check"],
        &["box", "check", "--url", "https://localhost"],
        &["box", "check", "--dir", "a", "--url", "https://localhost", "--ca", "b"],
        &["box", "enrol", "--festival", "a", "--connect", "stdio", "--place", "b", "--role", "cook", "--bundle", "c"],
        &["festival"],
    ] {
        assert_eq!(provision(words).status.code(), Some(2), "{words:?}");
    }
    assert_eq!(json(&["inspect", "ticket", "--text", "a", "--pretix-key", "bad"], 2)["error"], "pretix_key.unusable");
}

#[test]
fn no_output_holds_a_private_key() {
    let evening = Evening::new();
    let shown = provision(&["--json", "festival", "show", "--dir", &evening.festival()]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    for name in ["festival/root.key", "festival/spare-root.key", "festival/master.secret", "hub/keys/hub.key"] {
        let secret = files::read(&PathBuf::from(evening.at(name))).unwrap();
        assert_eq!(secret.len(), 32);
        assert!(!shown.contains(&domain::wire::hex(&secret)), "{name}");
    }
}

#[test]
fn a_file_is_inspected_for_what_it_is_and_a_bad_one_says_where() {
    let evening = Evening::new();
    let (festival, bundle) = (evening.festival(), evening.bundle());
    let inspect = |file: &str, exit, more: &[&str]| json(&[&["inspect", "file", file], more].concat(), exit);
    let seen = inspect(&bundle, 0, &["--festival", &festival]);
    assert_eq!((&seen["kind"], &seen["standing"], &seen["number"]), (&"bundle".into(), &"proven".into(), &3.into()));
    assert_eq!(inspect(&bundle, 0, &[])["standing"], "unproven");
    assert_eq!(inspect(&bundle, 1, &["--festival", &Evening::new().festival()])["notes"][0]["code"], "trust.festival");
    let chain = evening.at("hub/keys/hub.chain");
    let seen = inspect(&chain, 0, &["--hub-dir", &evening.at("hub")]);
    assert_eq!((&seen["kind"], &seen["standing"]), (&"chain".into(), &"proven".into()));
    assert_eq!(seen["certificates"][0]["purpose"], "hub");

    let bytes = std::fs::read(&bundle).unwrap();
    let cut = evening.at("cut.fbun");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let refused = inspect(&cut, 1, &[]);
    assert_eq!((&refused["error"], &refused["kind"]), (&"inspect.unreadable".into(), &"bundle".into()));
    assert_eq!(refused["offset"], bytes.len() / 2);
    let text = evening.at("note.txt");
    std::fs::write(&text, "[00] . 04:78:2E DA\n[02] . 00 00 00 00\n").unwrap();
    let refused = inspect(&text, 1, &["--as", "band"]);
    assert_eq!((&refused["kind"], &refused["line"]), (&"band".into(), &2.into()));
    assert_eq!(inspect(&text, 1, &[])["kind"], "unknown");
    assert_eq!(inspect(&evening.at("nothing"), 3, &[])["error"], "file.missing");
    assert_eq!(provision(&["inspect", "file", &text, "--as", "poem"]).status.code(), Some(2));

    for name in ["festival/root.key", "festival/master.secret", "hub/secrets/bands.cbor", "hub/console.token"] {
        let path = evening.at(name);
        let secret = std::fs::read(&path).unwrap();
        for more in [&["--lang", "fr"][..], &["--json"]] {
            let shown = provision(&[&["inspect", "file", &path], more].concat());
            let shown = String::from_utf8(shown.stdout).unwrap() + &String::from_utf8(shown.stderr).unwrap();
            let hex = domain::wire::hex(&secret);
            assert!(!shown.contains(&hex[..24]) && !shown.contains(&hex[hex.len() - 24..]), "{name}: {shown}");
            if name == "hub/console.token" {
                let token = String::from_utf8(secret.clone()).unwrap();
                assert!(!shown.contains(&token.trim()[..16]), "{name}: {shown}");
            }
        }
    }
}

#[test]
fn a_third_party_verifies_a_fork_proof_with_the_file_alone() {
    let golden = include_str!("../../tests/formats/golden/fork_evidence.hex");
    let bytes = domain::wire::unhex(&golden.split_whitespace().collect::<String>()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fork.fprf");
    std::fs::write(&file, &bytes).unwrap();
    let said = json(&["verify", path(&file)], 0);
    assert_eq!((&said["proven"], &said["epoch"], &said["seq"]), (&true.into(), &1.into(), &2.into()));
    let id = said["festival"].as_str().unwrap().to_owned();
    json(&["verify", path(&file), "--festival-id", &id], 0);
    for lang in ["fr", "en"] {
        let output = provision(&["--lang", lang, "verify", path(&file)]);
        let text = String::from_utf8(output.stdout).unwrap();
        let words = if lang == "fr" { "Prouvé" } else { "Proven" };
        assert!(text.starts_with(words) && text.contains("Bar 3") && text.contains(&id), "{text}");
    }
    // another festival than the one that somebody knows, a file that was changed anywhere, one that is cut
    assert_ne!(provision(&["verify", path(&file), "--festival-id", &"0".repeat(32)]).status.code(), Some(0));
    for at in (0..bytes.len()).step_by(11).chain([bytes.len() - 1]) {
        let mut changed = bytes.clone();
        changed[at] ^= 4;
        std::fs::write(&file, &changed).unwrap();
        let output = provision(&["verify", path(&file), "--festival-id", &id]);
        assert_ne!(output.status.code(), Some(0), "byte {at}: {}", String::from_utf8_lossy(&output.stdout));
    }
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert_ne!(provision(&["verify", path(&file)]).status.code(), Some(0));
}

#[test]
fn a_stretch_of_a_journal_is_verified_with_the_founding_record_and_not_without() {
    let golden = |text: &str| domain::wire::unhex(&text.split_whitespace().collect::<String>()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (segment, founding) = (folder.path().join("journal.seg"), folder.path().join("founding.cbor"));
    let mut bytes = golden(include_str!("../../tests/formats/golden/journal_segment.hex"));
    std::fs::write(&segment, &bytes).unwrap();
    std::fs::write(&founding, golden(include_str!("../../tests/formats/golden/founding.hex"))).unwrap();
    json(&["verify", path(&segment), "--founding", path(&founding)], 0);
    assert_eq!(provision(&["verify", path(&segment)]).status.code(), Some(1));
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    assert_ne!(provision(&["verify", path(&segment), "--founding", path(&founding)]).status.code(), Some(0));
}
