//! The simulator itself: what it prints, that it repeats itself, and that it sees money lost where a rule is left out.
#![allow(clippy::unwrap_used, reason = "a failed test should panic")]
use std::process::{Command, Output};

use serde_json::Value;

fn simulate(arguments: &[&str]) -> (Output, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_simulator"));
    let output = command.args(["--json"]).args(arguments).output().unwrap();
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    let json = serde_json::from_str(said.lines().last().unwrap_or("null")).unwrap();
    (output, json)
}

#[test]
fn every_promise_holds_and_the_same_seed_is_the_same_evening() {
    let (output, first) = simulate(&["--taps", "8000", "--seed", "5", "--threads", "1"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for key in ["taps", "tears", "power_cuts", "partitions", "frauds", "guests_checked", "refused_rightly"] {
        assert!(first[key].as_u64().unwrap() > 0, "{key}: {first}");
    }
    assert_eq!(first["frauds"], first["frauds_named"]);
    assert_eq!(first["frauds_by_kind"], first["frauds_named_by_kind"]);
    assert_eq!((&first["unexplained_cents"], &first["lost_acknowledged"]), (&Value::from(0), &Value::from(0)));
    let (_, again) = simulate(&["--taps", "8000", "--seed", "5", "--threads", "3"]);
    for key in ["trace", "taps", "worlds", "tears", "frauds_by_kind", "guests_checked"] {
        assert_eq!(first[key], again[key], "{key}, whatever thread is faster");
    }
    let (_, other) = simulate(&["--taps", "8000", "--seed", "6"]);
    assert_ne!(first["trace"], other["trace"]);
}

#[test]
fn every_promise_holds_on_disks_that_lose_power() {
    let (output, said) = simulate(&["--taps", "1500", "--seed", "5", "--disks"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said["power_cuts"].as_u64().unwrap() > 100, "{said}");
    assert_eq!(said["damaged_disks"], 0);
}

#[test]
fn counting_confirmed_writes_only_loses_money() {
    let (output, said) = simulate(&["--taps", "4000", "--control", "confirmed-only"]);
    assert!(!output.status.success());
    assert!(said["unexplained_cents"].as_i64().unwrap() > 0, "{said}");
}

#[test]
fn merging_accounts_by_the_last_writer_loses_money() {
    let (output, said) = simulate(&["--taps", "4000", "--control", "last-writer"]);
    assert!(!output.status.success());
    assert!(said["unexplained_cents"].as_i64().unwrap() > 0, "{said}");
}

#[test]
fn a_medium_that_lies_about_flushing_loses_what_showed_green() {
    let (output, said) = simulate(&["--taps", "1000", "--control", "lying-disk"]);
    assert!(!output.status.success());
    assert!(said["lost_acknowledged"].as_u64().unwrap() > 0, "{said}");
    assert!(said["unexplained_cents"].as_i64().unwrap() > 0, "{said}");
}

#[test]
fn flushing_at_checkpoints_only_loses_what_showed_green() {
    let (output, said) = simulate(&["--taps", "1000", "--control", "synchronous-normal"]);
    assert!(!output.status.success());
    assert!(said["lost_acknowledged"].as_u64().unwrap() > 0, "{said}");
    assert!(said["unexplained_cents"].as_i64().unwrap() > 0, "{said}");
}

#[test]
fn boxes_and_hub_over_real_quic_agree_after_an_evening_of_cuts_and_the_same_seed_is_the_same_evening() {
    let evening = ["--quic", "--boxes", "6", "--hours", "2", "--seed", "5"];
    let (output, first) = simulate(&evening);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for key in ["taps", "packets_lost", "packets_cut", "packets_twice", "partitions", "power_cuts", "hub_crashes"] {
        assert!(first[key].as_u64().unwrap() > 0, "{key}: {first}");
    }
    let (_, again) = simulate(&evening);
    assert_eq!(first["trace"], again["trace"], "{first} {again}");
    let (_, other) = simulate(&["--quic", "--boxes", "6", "--hours", "2", "--seed", "6"]);
    assert_ne!(first["trace"], other["trace"]);
}

#[test]
fn a_hub_that_acknowledges_before_its_disk_has_it_loses_what_was_acknowledged() {
    let (output, said) =
        simulate(&["--quic", "--boxes", "6", "--hours", "4", "--seed", "5", "--control", "hub-forgets"]);
    assert!(!output.status.success());
    assert!(said["lost_acknowledged"].as_u64().unwrap() > 0, "{said}");
}
