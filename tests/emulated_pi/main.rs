//! The real daemon, built for aarch64, on an emulated Raspberry Pi: real kernel, real pins, a scanner on its USB port,
//! libnfc on its UART with a simulated PN532 at the other end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
mod machine;

use std::{fs, path::PathBuf, time::Duration};

use evening::world::{World, place::Post};
use hardware::{pn532_simulator::Pn532Simulator, simulated_field::SimulatedField};
use machine::Machine;
use serde_json::json;

const SOON: Duration = Duration::from_secs(30);
/// A gate whose box is a Raspberry Pi.
const GATE: Post = Post { name: "Gate Pi", roles: &["gate"], pairing: true };

const RELAY: u8 = 17;
const GREEN: u8 = 5;
const RED: u8 = 13;

/// Its devices; the scanner is QEMU's USB keyboard. The longest pulse, to be killed in the middle of it.
const DEVICES: &str = r#"
[reader]
driver = "pn532"
port = "pn532_uart:/dev/ttyAMA0"

[scanner]
kind = "keyboard"
usb = "0627:0001"

[turnstile]
relay = 17
pulse_ms = 3000
passage_ms = 3000

[signal]
green = 5
red = 13
"#;

const START: &str = "(edge run --dir /box >>/tmp/log 2>&1 & echo $! >/tmp/pid)";

fn start(machine: &mut Machine) {
    machine.run("rm -f /box/run.json").unwrap();
    machine.run(START).unwrap();
    machine.run_until("test -f /box/run.json", 2 * SOON).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs what tests/cross builds and tests/pi puts together: run tests/pi"]
async fn a_pi_reads_tickets_and_bands_drives_the_turnstile_and_lets_go_of_it_when_killed() {
    let made = PathBuf::from(std::env::var_os("EMULATED_PI").expect("run tests/pi"));
    let work = tempfile::tempdir().unwrap();
    let mut world = World::of(&[]).await.unwrap();
    let root = work.path().join("root");
    let enrolled = world.enrol(GATE, "pi").await.unwrap().dir.clone();
    let mut tickets = Vec::new();
    for _ in 0..2 {
        tickets.push(world.hub.issue(&json!({ "category": 1, "holder": "" })).await.unwrap().text);
    }
    fs::create_dir_all(&root).unwrap();
    fs::write(enrolled.join("devices.toml"), DEVICES).unwrap();
    fs::rename(&enrolled, root.join("box")).unwrap();

    let band = world.supplier.purse(1).unwrap();

    tokio::task::block_in_place(|| {
        let mut machine = Machine::boot(&made, &root, work.path()).unwrap();
        let field = SimulatedField::new();
        let _reader = Pn532Simulator::on_stream(machine.take_uart().unwrap(), &field).unwrap();
        machine.run_until("grep -l 0627 /sys/class/input/event*/device/id/vendor", SOON).unwrap();
        start(&mut machine);
        assert!(!machine.is_driven(RELAY).unwrap(), "nobody was admitted");

        // no ticket: red, and nothing opens
        machine.scan("NOT A TICKET").unwrap();
        machine.wait_for_pin(RED, true, SOON).unwrap();
        assert!(!machine.is_driven(RELAY).unwrap() && !machine.is_driven(GREEN).unwrap());

        // a band that stands for no ticket: read through the UART, red
        machine.wait_for_pin(RED, false, SOON).unwrap();
        field.present(&band.chip, Vec::new());
        machine.wait_for_pin(RED, true, SOON).unwrap();
        assert!(field.take_spent().activations > 0);
        assert!(!machine.is_driven(RELAY).unwrap());
        field.take_away();
        machine.wait_for_pin(RED, false, SOON).unwrap();

        // a ticket: green, the relay is driven for its pulse and no longer
        machine.scan(&tickets[0]).unwrap();
        // lamp and turnstile have a thread each: either may be the first
        machine.wait_for_pins(&[(RELAY, true), (GREEN, true)], SOON).unwrap();
        machine.wait_for_pin(RELAY, false, SOON).unwrap();
        // the same band stands for that ticket from now on: green again, and no second pulse
        machine.wait_for_pin(GREEN, false, SOON).unwrap();
        field.present(&band.chip, Vec::new());
        machine.wait_for_pin(GREEN, true, SOON).unwrap();
        assert!(!machine.is_driven(RELAY).unwrap());
        field.take_away();

        // killed in the middle of a pulse: nobody is left to end it, and the kernel lets go of the relay
        machine.scan(&tickets[1]).unwrap();
        machine.wait_for_pin(RELAY, true, SOON).unwrap();
        machine.run("pid=$(cat /tmp/pid); kill -9 $pid; while kill -0 $pid 2>/dev/null; do sleep 0.05; done").unwrap();
        machine.wait_for_pin(RELAY, false, SOON).unwrap();

        // what was green is on its disk: the same ticket again is refused after the restart
        start(&mut machine);
        machine.scan(&tickets[1]).unwrap();
        machine.wait_for_pin(RED, true, SOON).unwrap();
        assert!(!machine.is_driven(RELAY).unwrap());
        machine.run("kill $(cat /tmp/pid)").unwrap();
        machine.run_until("! kill -0 $(cat /tmp/pid)", SOON).unwrap();
    });
}
