//! `cargo measure` in its small size: every figure is there. No figure is judged here: a loaded machine is slow.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::process::Command;

/// Those that need no other program; `daemon` starts hub and boxes and is measured by hand.
const SUBJECTS: &str = "verdicts,commits,tap,wire,checks,snapshot,documents,ingest,boot,instead";
const NAMES: [&str; 33] = [
    "ticket verdict, beside the box's commit",
    "ticket verdict, beside one plain row",
    "a box's commit, one sale (p50)",
    "flushes a commit",
    "bytes written a commit",
    "NTAG215: commands of a sale",
    "NTAG215: sale on air, computed",
    "NTAG215: whole tap, reader at hand",
    "NTAG215: our own part of it",
    "NTAG215: whole tap, reader in another process",
    "Ultralight AES: commands of a sale",
    "Ultralight AES: sale on air, computed",
    "Ultralight AES: whole tap, reader at hand",
    "Ultralight AES: our own part of it",
    "Ultralight AES: whole tap, reader in another process",
    "sale to an account over a reader at hand",
    "entry on the wire, sales to accounts",
    "entry on the wire, sales to purses",
    "check of an entry in a segment",
    "ticket snapshot mapped, checked and opened",
    "look-up in the ticket snapshot",
    "an event's edits verified and merged",
    "hub ingest, 10000 entries a transaction",
    "hub ingest, 100000 entries a transaction",
    "start over a long journal",
    "the whole journal checked behind it",
    "entries merged and added up at the hub, durable",
    "the hub's start, a wallet",
    "the hub's memory, a wallet",
    "5.00 spent twice at bars apart: named with places",
    "a sale to an account at the box (p50)",
    "a sale to a purse at the box (p50), chip aside",
    "sales taken in at the hub",
];

/// Through readers' libraries, with the feature `appliance`.
const STACKS: [&str; 2] = [", libnfc and a PN532", ", PC/SC and an ACR122U"];
const STACK_ROWS: usize = 4;

#[test]
fn a_quick_run_yields_every_figure_as_json() {
    let run = Command::new(env!("CARGO_BIN_EXE_measure"))
        .args(["--quick", "--json", "--only", SUBJECTS])
        .output()
        .expect("cargo measure");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&run.stdout).expect("json");
    let names = rows.iter().map(|row| row["name"].as_str().expect("a name"));
    // not every machine's disk counts what it does
    let names = names.filter(|name| !name.ends_with("counted by the disk"));
    let (stacks, names): (Vec<&str>, Vec<&str>) = names.partition(|name| STACKS.iter().any(|of| name.ends_with(of)));
    assert_eq!(names, NAMES);
    let of_each = if cfg!(feature = "appliance") { 2 * 2 * STACK_ROWS } else { 0 };
    assert_eq!(stacks.len(), of_each, "two bands, two stacks: {stacks:?}");
    for row in &rows {
        let measured = row["measured"].as_f64().expect("a figure");
        // what is left of a whole tap without the library may be less than the noise
        let is_rest = row["name"].as_str().is_some_and(|name| name.contains(": our part, "));
        assert!(measured > 0.0 || is_rest, "{row}");
    }
}
