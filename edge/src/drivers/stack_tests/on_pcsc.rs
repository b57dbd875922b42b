//! Through PCSC-Lite, its daemon and a simulated reader's driver. Each test has a daemon of its own, beside the system's.
use std::{cell::RefCell, io::Write};

use hardware::{
    chip::{Ntag21x, NtagType, SharedBand},
    pcsc_simulator::{
        PcscSimulator, ReaderModel,
        daemon::{Pcscd, SOCKET_VARIABLE},
    },
    signal::Signal,
};

use super::{super::config::ReaderDriver, scenarios::*, *};

/// A reader, the daemon that drives it, and the folder they live in.
struct Pcsc {
    simulator: PcscSimulator,
    daemon: RefCell<Option<Pcscd>>,
    conf: String,
    folder: tempfile::TempDir,
}

impl Pcsc {
    fn start_daemon(&self) {
        *self.daemon.borrow_mut() = Some(Pcscd::start(self.folder.path(), &self.conf).unwrap());
    }

    fn kill_daemon(&self) {
        *self.daemon.borrow_mut() = None;
    }
}

impl Drop for Pcsc {
    fn drop(&mut self) {
        let said = self.daemon.borrow().as_ref().map(Pcscd::log);
        if let Some(said) = said.filter(|_| std::thread::panicking()) {
            std::io::stderr().write_all(said.as_bytes()).ok();
        }
    }
}

/// The driver as cargo builds it beside this test.
fn driver() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().join("libpcsc_simulator.so")
}

fn stack_of(model: ReaderModel, name: &str) -> Stack {
    let (field, folder) = (SimulatedField::new(), tempfile::tempdir().unwrap());
    let simulator = PcscSimulator::bind(&folder.path().join("reader"), model, &field).unwrap();
    let conf = simulator.reader_conf(name, &driver(), 1);
    let wanted = ReaderConfig { driver: ReaderDriver::Pcsc, name: Some(name.into()), port: None };
    let daemon = Pcscd::start(folder.path(), &conf).unwrap();
    let environment = vec![(SOCKET_VARIABLE.into(), daemon.socket().to_str().unwrap().to_owned())];
    let program = Program { path: edge(), environment };
    let pcsc = Pcsc { simulator, daemon: RefCell::new(Some(daemon)), conf, folder };
    Stack { field, wanted, program, keep: Box::new(pcsc) }
}

fn acr122u() -> Stack {
    stack_of(ReaderModel::Acr122u, "ACS ACR122U PICC Interface")
}

fn acr1252u() -> Stack {
    stack_of(ReaderModel::Transparent, "ACS ACR1252 Dual Reader PICC")
}

fn pcsc(stack: &Stack) -> &Pcsc {
    stack.keep.downcast_ref::<Pcsc>().unwrap()
}

#[test]
fn a_sale_torn_anywhere_charges_once_through_an_acr122u() {
    a_sale_torn_anywhere_charges_once(acr122u());
}

#[test]
fn an_aes_sale_torn_anywhere_charges_once_through_an_acr122u() {
    an_aes_sale_torn_anywhere_charges_once(acr122u());
}

#[test]
fn an_aes_sale_takes_no_more_commands_than_it_must_through_an_acr122u() {
    an_aes_sale_takes_no_more_commands_than_it_must(acr122u());
}

#[test]
fn an_aes_sale_torn_anywhere_charges_once_through_a_transparent_session() {
    an_aes_sale_torn_anywhere_charges_once(acr1252u());
}

#[test]
fn a_sale_torn_anywhere_charges_once_through_a_transparent_session() {
    a_sale_torn_anywhere_charges_once(acr1252u());
}

#[test]
fn a_refused_write_charges_nothing_through_pcsc() {
    a_refused_write_charges_nothing(acr122u());
    a_refused_write_charges_nothing(acr1252u());
}

#[test]
fn a_command_damaged_on_air_is_not_taken_for_a_refusal_through_an_acr122u() {
    a_command_damaged_on_air_is_not_taken_for_a_refusal(acr122u());
}

#[test]
fn a_command_damaged_on_air_is_not_taken_for_a_refusal_in_a_transparent_session() {
    a_command_damaged_on_air_is_not_taken_for_a_refusal(acr1252u());
}

#[test]
fn another_band_on_the_second_tap_is_not_charged_through_pcsc() {
    another_band_on_the_second_tap_is_not_charged(acr122u());
}

#[test]
fn of_two_bands_one_is_charged_through_pcsc() {
    of_two_bands_one_is_charged(acr122u());
}

#[test]
fn what_is_no_purse_is_told_by_its_kind_through_pcsc() {
    what_is_no_purse_is_told_by_its_kind(acr122u());
}

#[test]
fn a_tag_put_to_sleep_has_forgotten_its_password_and_is_selected_anew_through_pcsc() {
    // pcscd looks at its tags by itself: one that it meets asleep has left for it, and is back at a later look
    a_tag_put_to_sleep_has_forgotten_its_password_and_is_selected_anew(acr122u(), 100);
    a_tag_put_to_sleep_has_forgotten_its_password_and_is_selected_anew(acr1252u(), 100);
}

#[test]
fn a_sale_takes_no_more_commands_than_it_must_through_pcsc() {
    a_sale_takes_no_more_commands_than_it_must(acr122u());
    a_sale_takes_no_more_commands_than_it_must(acr1252u());
}

#[test]
fn a_reader_unplugged_in_a_sale_is_back_and_completes_it_through_pcsc() {
    a_reader_unplugged_in_a_sale_is_back_and_completes_it(acr122u());
}

#[test]
fn a_killed_driver_is_started_again_through_pcsc() {
    a_killed_driver_is_started_again(acr122u());
}

#[test]
fn a_restarted_pcscd_is_told_and_recovered() {
    let away = |stack: &Stack| pcsc(stack).kill_daemon();
    let back = |stack: &Stack| pcsc(stack).start_daemon();
    the_box_tells_and_recovers(acr122u(), away, back, "reader.failed");
}

#[test]
fn an_unplugged_pcsc_reader_is_told_and_recovered() {
    let (away, back) = (|stack: &Stack| stack.field.unplug(), |stack: &Stack| stack.field.plug_in());
    the_box_tells_and_recovers(acr122u(), away, back, "reader.unplugged");
}

/// What the driver says of a reader of this kind when a band lies on it, and after how long.
fn said_of_a_band(status: [u8; 2], name: &str) -> (ReaderError, Duration) {
    let mut hand = Hand::new(stack_of(ReaderModel::UidOnly(status), name));
    let band = hand.bench.purse(1);
    hand.reader();
    hand.stack.field.present(&band.chip, Vec::new());
    let began = Instant::now();
    loop {
        match hand.reader().poll_tag() {
            Err(error) => return (error, began.elapsed()),
            Ok(tag) => assert_eq!(tag, None),
        }
        assert!(began.elapsed() < BOUND, "it is green, and ignores the band");
    }
}

#[test]
fn a_reader_that_takes_no_raw_commands_says_so() {
    for (status, name) in [
        ([0x6A, 0x81], "ACS ACR1252 Dual Reader PICC"),
        ([0x6D, 0x00], "Another reader"),
        ([0x6E, 0x00], "Another reader"),
        ([0x6F, 0x00], "ACS ACR122U PICC Interface"),
    ] {
        let (error, _) = said_of_a_band(status, name);
        let ReaderError::Io(why) = error else { panic!("{error}") };
        assert!(why.contains(&format!("{:02X}{:02X}", status[0], status[1])), "{why}");
    }
}

#[test]
fn a_reader_that_cannot_select_what_lies_on_it_says_so_after_a_while() {
    let (error, after) = said_of_a_band([0x63, 0x00], "Another reader");
    assert!(matches!(error, ReaderError::Io(_)), "{error}");
    assert!(after >= Duration::from_secs(3), "a band that is held badly is no failure: {after:?}");
}

#[test]
fn a_reader_that_takes_no_raw_commands_is_told() {
    let chip = SharedBand::new(Ntag21x::new(NtagType::Ntag215, [4, 1, 2, 3, 4, 5, 6]));
    let lies = |stack: &Stack| stack.field.present(&chip, Vec::new());
    let is_gone = |stack: &Stack| stack.field.take_away();
    the_box_tells_and_recovers(
        stack_of(ReaderModel::UidOnly([0x6A, 0x81]), "Another reader"),
        lies,
        is_gone,
        "reader.failed",
    );
}

#[test]
fn a_band_that_lay_there_while_pcscd_was_restarted_is_served() {
    let mut hand = Hand::new(acr122u());
    let band = hand.loaded(1);
    hand.ask(fresh_id(), hand.chips());
    hand.stack.field.present(&band.chip, Vec::new());
    let tag = hand.next_tag();
    pcsc(&hand.stack).kill_daemon();
    hand.serve_tag(tag);
    assert_eq!(hand.bench.balances(&band), (LOADED, LOADED));
    pcsc(&hand.stack).start_daemon();
    hand.reader = None;
    assert!(hand.serve().ok);
    assert_eq!(hand.bench.balances(&band), (LOADED - PRICE, LOADED - PRICE));
}

#[test]
fn the_readers_own_beep_is_off_and_its_light_shows_the_outcome() {
    let mut hand = Hand::new(acr122u());
    let band = hand.loaded(1);
    let escapes = pcsc(&hand.stack).simulator.take_escapes();
    assert_eq!(escapes.first().unwrap()[..], [0xFF, 0x00, 0x52, 0x00, 0x00]);
    assert_eq!(escapes.last().unwrap()[..3], [0xFF, 0x00, 0x40]);
    // with nothing there, too
    hand.stack.field.take_away();
    hand.seen_leaving();
    hand.reader().signal(Signal::Refuse).unwrap();
    assert_eq!(pcsc(&hand.stack).simulator.take_escapes().len(), 1);
    assert!(hand.tap(fresh_id(), hand.chips(), &band, "").ok);
}

#[test]
fn of_several_readers_the_named_one_is_used() {
    let stack = acr122u();
    let wanted = ReaderConfig { name: Some("Omnikey".into()), ..stack.wanted.clone() };
    let missing = stack.program.start(&wanted).map(|_| ());
    assert_eq!(missing, Err(ReaderError::Unplugged));
    let first = ReaderConfig { name: None, ..stack.wanted.clone() };
    assert!(stack.program.start(&first).unwrap().name().contains("ACR122U"));
}
