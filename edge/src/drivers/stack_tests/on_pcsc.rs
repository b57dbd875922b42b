//! Through PCSC-Lite, its daemon and a simulated reader's driver. Each test has a daemon of its own, beside the system's.
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
};

use hardware::{
    pcsc_simulator::{PcscSimulator, ReaderModel},
    signal::Signal,
};

use super::{super::config::ReaderDriver, scenarios::*, *};

/// Where pcscd listens, in its own view of the file system.
const RUN: &str = "/run";

/// A reader, the daemon that drives it, and the folder that the daemon takes for `/run`.
struct Pcsc {
    simulator: PcscSimulator,
    daemon: std::cell::RefCell<Option<Child>>,
    folder: tempfile::TempDir,
}

impl Pcsc {
    fn start_daemon(&self) {
        let script = format!("mount --bind \"$0\" {RUN} && exec pcscd --foreground --info --config \"$1\"");
        let log = fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let daemon = Command::new("unshare")
            // whoever is not root is it in a name space of his own
            .args(["--mount", "--map-root-user", "sh", "-c", &script])
            .arg(self.folder.path().join("run"))
            .arg(self.folder.path().join("conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        *self.daemon.borrow_mut() = Some(daemon);
        let deadline = Instant::now() + BOUND;
        while std::os::unix::net::UnixStream::connect(socket(self.folder.path())).is_err() {
            assert!(Instant::now() < deadline, "pcscd does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn kill_daemon(&self) {
        if let Some(mut daemon) = self.daemon.borrow_mut().take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Pcsc {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = format!("pcscd said: {}\n", self.log());
            std::io::stderr().write_all(said.as_bytes()).ok();
        }
        self.kill_daemon();
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("run/pcscd/pcscd.comm")
}

/// The driver as cargo builds it beside this test.
fn driver() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().join("libpcsc_simulator.so")
}

fn stack_of(model: ReaderModel, name: &str) -> Stack {
    let (field, folder) = (SimulatedField::new(), tempfile::tempdir().unwrap());
    let simulator = PcscSimulator::bind(&folder.path().join("reader"), model, &field).unwrap();
    for place in ["run/pcscd", "conf"] {
        fs::create_dir_all(folder.path().join(place)).unwrap();
    }
    fs::write(folder.path().join("conf/reader"), simulator.reader_conf(name, &driver(), 1)).unwrap();
    let wanted = ReaderConfig { driver: ReaderDriver::Pcsc, name: Some(name.into()), port: None };
    let socket = socket(folder.path()).to_str().unwrap().to_owned();
    let program = Program { path: edge(), environment: vec![("PCSCLITE_CSOCK_NAME".into(), socket)] };
    let pcsc = Pcsc { simulator, daemon: None.into(), folder };
    pcsc.start_daemon();
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
fn a_sale_torn_anywhere_charges_once_through_a_transparent_session() {
    a_sale_torn_anywhere_charges_once(acr1252u());
}

#[test]
fn a_refused_write_charges_nothing_through_pcsc() {
    a_refused_write_charges_nothing(acr122u());
    a_refused_write_charges_nothing(acr1252u());
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
    let missing = ReaderProcess::start(&stack.program, &wanted).map(|_| ());
    assert_eq!(missing, Err(ReaderError::Unplugged));
    let first = ReaderConfig { name: None, ..stack.wanted.clone() };
    assert!(ReaderProcess::start(&stack.program, &first).unwrap().name().contains("ACR122U"));
}
