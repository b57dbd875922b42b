//! Through libnfc to a simulated PN532 behind a pseudo-terminal.
use std::os::unix::fs::symlink;

use hardware::pn532_simulator::{LineFault, Pn532Simulator};

use super::{super::config::ReaderDriver, scenarios::*, *};

/// A PN532 behind a pseudo-terminal in a folder of its own.
struct Pn532 {
    simulator: Pn532Simulator,
    _folder: tempfile::TempDir,
}

fn stack() -> Stack {
    let (field, folder) = (SimulatedField::new(), tempfile::tempdir().unwrap());
    let simulator = Pn532Simulator::behind_pty(&folder.path().join("tty"), &field).unwrap();
    let wanted = ReaderConfig { driver: ReaderDriver::Pn532, port: simulator.connection_string(), name: None };
    let program = Program { path: folder.path().join("driver"), environment: Vec::new() };
    symlink(edge(), &program.path).unwrap();
    Stack { field, wanted, program, keep: Box::new(Pn532 { simulator, _folder: folder }) }
}

fn line(stack: &Stack) -> &Pn532Simulator {
    &stack.keep.downcast_ref::<Pn532>().unwrap().simulator
}

#[test]
fn an_aes_sale_torn_anywhere_charges_once_through_libnfc() {
    an_aes_sale_torn_anywhere_charges_once(stack());
}

#[test]
fn an_aes_sale_takes_no_more_commands_than_it_must_through_libnfc() {
    an_aes_sale_takes_no_more_commands_than_it_must(stack());
}

#[test]
fn a_sale_torn_anywhere_charges_once_through_libnfc() {
    a_sale_torn_anywhere_charges_once(stack());
}

#[test]
fn a_refused_write_charges_nothing_through_libnfc() {
    a_refused_write_charges_nothing(stack());
}

#[test]
fn a_command_damaged_on_air_is_not_taken_for_a_refusal_through_libnfc() {
    a_command_damaged_on_air_is_not_taken_for_a_refusal(stack());
}

#[test]
fn another_band_on_the_second_tap_is_not_charged_through_libnfc() {
    another_band_on_the_second_tap_is_not_charged(stack());
}

#[test]
fn of_two_bands_one_is_charged_through_libnfc() {
    of_two_bands_one_is_charged(stack());
}

#[test]
fn what_is_no_purse_is_told_by_its_kind_through_libnfc() {
    what_is_no_purse_is_told_by_its_kind(stack());
}

#[test]
fn a_sale_takes_no_more_commands_than_it_must_through_libnfc() {
    a_sale_takes_no_more_commands_than_it_must(stack());
}

#[test]
fn a_reader_unplugged_in_a_sale_is_back_and_completes_it_through_libnfc() {
    a_reader_unplugged_in_a_sale_is_back_and_completes_it(stack());
}

#[test]
fn a_killed_driver_is_started_again_through_libnfc() {
    a_killed_driver_is_started_again(stack());
}

#[test]
fn an_unplugged_pn532_is_told_and_recovered() {
    let (away, back) = (|stack: &Stack| stack.field.unplug(), |stack: &Stack| stack.field.plug_in());
    the_box_tells_and_recovers(stack(), away, back, "reader.unplugged");
}

/// The driver's process of this stack.
fn driver(stack: &Stack) -> Option<u32> {
    let port = stack.wanted.port.clone().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|process| process.file_name().to_str()?.parse().ok()).find(|process: &u32| {
        let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&command).contains(&port)
    })
}

/// Strikes the driver's process; none is started in its place until [`let_start`]. Gives which it was.
fn strike(stack: &Stack, with: rustix::process::Signal) -> u32 {
    let struck = driver(stack).unwrap();
    std::fs::remove_file(&stack.program.path).unwrap();
    signal(struck, with);
    struck
}

fn let_start(stack: &Stack) {
    symlink(edge(), &stack.program.path).unwrap();
}

#[test]
fn a_driver_that_is_killed_is_told_and_started_again() {
    let away = |stack: &Stack| {
        strike(stack, rustix::process::Signal::KILL);
    };
    the_box_tells_and_recovers(stack(), away, let_start, "reader.failed");
}

#[test]
fn a_driver_that_hangs_is_told_ended_and_started_again() {
    let stopped = std::cell::Cell::new(0);
    let away = |stack: &Stack| stopped.set(strike(stack, rustix::process::Signal::STOP));
    let back = |stack: &Stack| {
        assert!(!std::path::Path::new(&format!("/proc/{}", stopped.get())).exists());
        let_start(stack);
    };
    the_box_tells_and_recovers(stack(), away, back, "reader.failed");
}

/// Whatever the line does to the command that writes, the guest pays once, and libnfc's abort costs a process only.
#[test]
fn a_line_that_fails_in_a_sale_charges_once() {
    let faults = [
        LineFault::LoseCommand,
        LineFault::DropAck,
        LineFault::DropReply,
        LineFault::CorruptReply,
        LineFault::TruncateReply,
        LineFault::Nack,
        LineFault::BadStatus,
        LineFault::Slow(Duration::from_millis(1_500)),
        LineFault::UnplugAfter,
    ];
    let mut hand = Hand::new(stack());
    let mut band = hand.loaded(1);
    let mut left = LOADED;
    for (at, fault) in faults.into_iter().enumerate() {
        // the first and the last write: PWD_AUTH, two reads, then the five writes
        for nth in [4, 8] {
            let id = fresh_id();
            hand.ask(id, hand.chips());
            hand.stack.field.present(&band.chip, Vec::new());
            let tag = hand.next_tag();
            line(&hand.stack).fault(fault, nth);
            hand.serve_tag(tag);
            let torn = hand.bench.station.desk.progress().result.unwrap_or_default();
            assert!(!torn.ok, "{fault:?} at {nth}: {torn:?}");
            hand.stack.field.take_away();
            hand.seen_leaving();
            let again = hand.tap(id, hand.chips(), &band, "");
            assert!(again.ok, "{fault:?} at {nth}, then: {again:?}");
            left -= PRICE;
            assert_eq!(hand.bench.balances(&band), (left, left), "{fault:?} at {nth}");
        }
        if at % 4 == 3 {
            band = hand.loaded(u8::try_from(at).unwrap() + 2);
            left = LOADED;
        }
    }
}

#[test]
fn a_tag_put_to_sleep_has_forgotten_its_password_and_is_selected_anew_through_libnfc() {
    a_tag_put_to_sleep_has_forgotten_its_password_and_is_selected_anew(stack(), 1);
}

#[test]
fn a_port_that_another_driver_holds_is_not_shared() {
    let mut hand = Hand::new(stack());
    hand.reader();
    let second = hand.stack.program.start(&hand.stack.wanted).map(|_| ());
    let Err(ReaderError::Io(why)) = second else { panic!("two drivers on one port: {second:?}") };
    assert!(why.contains("another program"), "{why}");
    hand.reader = None;
    hand.reader();
}

#[test]
fn a_driver_starts_with_few_descriptors_whatever_its_parent_holds() {
    let files: Vec<_> = (0..1_100).map_while(|_| std::fs::File::open("/dev/null").ok()).collect();
    let mut hand = Hand::new(stack());
    let band = hand.loaded(1);
    let open = std::fs::read_dir(format!("/proc/{}/fd", hand.reader().id())).unwrap().count();
    assert!(open < 16, "{open} descriptors while {} are open here", files.len());
    assert!(hand.tap(fresh_id(), hand.chips(), &band, "").ok);
}
