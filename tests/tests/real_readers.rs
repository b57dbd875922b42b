//! Bands from blank chip to sale through the real libraries: `provision bands` with PCSC-Lite and with libnfc, chips pulled
//! away, the reader unplugged, the program killed and started again; then the same readers at real boxes.
//! The readers themselves are simulated, at the other end of pcscd's driver and of a serial line.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::{
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use evening::world::{BAR, DESK, Plan, World, place::Place, process::Programs};
use hardware::{
    chip::{Chip, Ntag21x, NtagType, SharedBand, UltralightAes},
    fault::Fault,
    pcsc_simulator::{
        PcscSimulator, ReaderModel,
        daemon::{Pcscd, SOCKET_VARIABLE},
    },
    pn532_simulator::Pn532Simulator,
    simulated_field::SimulatedField,
};
use provisioning::bands::BandList;
use screens::view::{Phase, TapResult};
use serde_json::json;

const SOON: Duration = Duration::from_secs(30);
const BETWEEN_BANDS: Duration = Duration::from_millis(100);
const GET_VERSION: u8 = 0x60;
const NAME: &str = "ACS ACR122U PICC Interface";

/// A reader as a library finds it, and the hand before it.
struct Reader {
    /// As `provision bands` takes it.
    name: String,
    /// As `devices.toml` has it.
    devices: String,
    programs: Programs,
    field: SimulatedField,
    // what must live as long
    _parts: (Option<PcscSimulator>, Option<Pcscd>, Option<Pn532Simulator>),
    _folder: tempfile::TempDir,
}

impl Reader {
    fn pcsc() -> Self {
        let (folder, field) = (tempfile::tempdir().unwrap(), SimulatedField::new());
        let simulator = PcscSimulator::bind(&folder.path().join("reader"), ReaderModel::Acr122u, &field).unwrap();
        let driver = std::env::current_exe().unwrap().parent().unwrap().join("libpcsc_simulator.so");
        let daemon = Pcscd::start(folder.path(), &simulator.reader_conf(NAME, &driver, 1)).unwrap();
        Self {
            name: "pcsc:ACR122U".into(),
            devices: "[reader]\ndriver = \"pcsc\"\nname = \"ACR122U\"\n".into(),
            programs: Programs::built().unwrap().clone().with(SOCKET_VARIABLE, &daemon.socket()),
            field,
            _parts: (Some(simulator), Some(daemon), None),
            _folder: folder,
        }
    }

    /// As a hand does: pcscd switches a field off and on while it forgets a tag, and no hand is faster.
    fn take_away(&self) {
        self.field.take_away();
        std::thread::sleep(BETWEEN_BANDS);
    }

    fn pn532() -> Self {
        let (folder, field) = (tempfile::tempdir().unwrap(), SimulatedField::new());
        let simulator = Pn532Simulator::behind_pty(&folder.path().join("tty"), &field).unwrap();
        let port = simulator.connection_string().unwrap();
        Self {
            name: format!("pn532:{port}"),
            devices: format!("[reader]\ndriver = \"pn532\"\nport = \"{port}\"\n"),
            programs: Programs::built().unwrap().clone(),
            field,
            _parts: (None, None, Some(simulator)),
            _folder: folder,
        }
    }
}

/// The technician with one reader and one list.
struct Desk<'a> {
    world: &'a World,
    reader: &'a Reader,
    list: PathBuf,
}

impl Desk<'_> {
    fn start(&self, further: &[&str]) -> Child {
        let mut run = self.reader.programs.command("provision");
        run.args(["--json", "bands", "--reader", &self.reader.name]).args(further);
        run.arg("--festival")
            .arg(self.world.technician.dir())
            .arg("--hub")
            .arg(&self.world.hub.dir)
            .arg("--list")
            .arg(&self.list);
        run.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Holds a chip to the reader until as many bands are on the list.
    fn lay(&self, chip: &SharedBand, issued: u32) {
        self.reader.field.present(chip, Vec::new());
        self.wait(&format!("{issued} bands on the list"), || {
            BandList::check(&self.list).is_ok_and(|list| list.issued == issued)
        });
        self.reader.take_away();
    }

    /// Holds a chip to the reader until the fault has struck.
    fn lay_with(&self, chip: &SharedBand, fault: &str) {
        self.reader.field.present(chip, Fault::parse_several(fault).unwrap());
        self.wait(fault, || !self.reader.field.is_occupied());
        std::thread::sleep(BETWEEN_BANDS);
    }

    fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let end = Instant::now() + SOON;
        while !is_so() {
            assert!(Instant::now() < end, "{}: {what}", self.reader.name);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Issues three chips in two runs; whatever goes wrong on the way, each is on the list once.
    fn issue(&self, chips: &[SharedBand; 3]) {
        let [first, second, third] = chips;
        let mut run = self.start(&[]);
        self.lay_with(first, "tear write 9 at byte 2");
        self.lay(first, 1);
        self.lay_with(second, "unplug at command 12");
        self.lay(second, 2);
        self.lay_with(third, "leave after write 20");
        run.kill().unwrap();
        run.wait().unwrap();

        let run = self.start(&["--count", "1"]);
        // on the list already: it stays as it is
        let before = first.chip();
        self.reader.field.take_spent();
        self.reader.field.present(first, Vec::new());
        self.wait("a look at it", || self.reader.field.take_spent().commands.contains(&GET_VERSION));
        self.reader.take_away();
        self.lay(third, 3);
        let said = run.wait_with_output().unwrap();
        assert!(said.status.success());
        let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
        assert_eq!((&said["issued"], &said["refused"]["band.already_issued"]), (&1.into(), &1.into()), "{said}");
        assert_eq!(first.chip().memory(), before.memory());
        let list = BandList::check(&self.list).unwrap();
        assert_eq!((list.issued, list.bad_chips(), list.is_torn), (3, 0, false));
    }
}

fn chips(series: u8) -> [SharedBand; 3] {
    let uid = |number| [4, 0xb2, 0, 0, series, number, 0x80];
    let blank: [Chip; 3] = [
        Ntag21x::new(NtagType::Ntag215, uid(1)).into(),
        UltralightAes::new(uid(2), [series; 16]).into(),
        Ntag21x::new(NtagType::Ntag216, uid(3)).into(),
    ];
    blank.map(SharedBand::new)
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Outcome {
    phase: Phase,
    result: Option<TapResult>,
}

/// Asks a box for something and holds the band to its reader until it is done or a fault takes the band away.
async fn hold(
    place: &Place,
    reader: &Reader,
    band: &SharedBand,
    (path, body): (&str, &serde_json::Value),
    faults: &str,
) -> Option<TapResult> {
    let ask = async || place.api.ask::<Outcome>(path, body).await.unwrap().expect("no refusal");
    if let Outcome { phase: Phase::Paid, result: Some(result) } = ask().await {
        return Some(result);
    }
    let faults = if faults.is_empty() { Vec::new() } else { Fault::parse_several(faults).unwrap() };
    reader.field.present(band, faults);
    let end = Instant::now() + SOON;
    loop {
        let is_there = reader.field.is_occupied();
        match ask().await {
            Outcome { phase: Phase::Paid, result: Some(result) } => {
                reader.take_away();
                return Some(result);
            }
            Outcome { phase: Phase::Refused, result } => panic!("{}: {result:?}", place.name()),
            outcome => assert!(Instant::now() < end, "{}: {:?}", place.name(), outcome.result),
        }
        if !is_there {
            reader.take_away();
            return None;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The same however often the band has to come.
async fn tap(
    place: &Place,
    reader: &Reader,
    band: &SharedBand,
    asked: (&str, &serde_json::Value),
    faults: &str,
) -> TapResult {
    if let Some(result) = hold(place, reader, band, asked, faults).await {
        return result;
    }
    hold(place, reader, band, asked, "").await.expect("nothing takes it away")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blank_chips_become_bands_through_pcsc_and_libnfc_and_are_topped_up_and_sold_to_there() {
    let mut world = World::start(Programs::built().unwrap(), &Plan::of(&[]), &|_| {}).await.unwrap();
    let (pcsc, pn532) = (Reader::pcsc(), Reader::pn532());
    let (ours, theirs) = (chips(1), chips(2));
    std::thread::scope(|threads| {
        for (reader, chips, list) in [(&pcsc, &ours, "pcsc.csv"), (&pn532, &theirs, "pn532.csv")] {
            let desk = Desk { world: &world, reader, list: world.dir().join(list) };
            threads.spawn(move || desk.issue(chips));
        }
    });
    for (post, reader, folder) in [(DESK, &pcsc, "box-1"), (BAR, &pn532, "box-2")] {
        world.enrol(post, folder).await.unwrap();
        let place = world.places.last_mut().unwrap();
        place.equip(&reader.devices, reader.programs.clone()).unwrap();
        place.start().unwrap();
    }
    world.wait_until_agreed(SOON).await.unwrap();
    world.wait_for_bundle(SOON).await.unwrap();
    let (desk, bar) = (world.place(DESK.name).unwrap(), world.place(BAR.name).unwrap());
    let bands: Vec<&SharedBand> = ours.iter().chain(&theirs).collect();
    let faults =
        ["leave after write 3", "tear write 5 at byte 1", "", "leave before write 5", "", "leave after write 5"];
    for (number, (band, fault)) in bands.iter().zip(faults).enumerate() {
        let id = |of: u8| format!("{:032x}", u32::from(of) << 16 | u32::try_from(number).unwrap());
        let cash = json!({ "id": id(1), "amount_cents": 5_000, "paid_with": "cash" });
        let topped = tap(desk, &pcsc, band, ("/api/top-up", &cash), "").await;
        assert_eq!(topped.balance_after_cents, Some(5_000), "{number}");
        let beer = json!({ "id": id(2), "lines": [{ "product": 1, "quantity": 1, "free": false }], "cups_back": 0 });
        let sold = tap(bar, &pn532, band, ("/api/till/sale", &beer), fault).await;
        assert!(sold.charged_cents > 0, "{number}");
        let left = world.supplier.purse_on((*band).clone());
        let keys = domain::bundle::Bundle::verify(&world.hub.bundle().await.unwrap(), None).unwrap();
        let keys: Vec<_> = keys
            .body
            .credit_keys
            .iter()
            .map(|chain| chain.verify(&keys.founding).unwrap().subject)
            .map(|public| domain::wristband::CreditKey { id: domain::id::key_id(&public), public, revoked: false })
            .collect();
        let left = left.balance_on_chip(&world.supplier, &keys).unwrap();
        assert_eq!(left, Some(5_000 - sold.charged_cents), "{number}: {fault}");
        assert_eq!(sold.balance_after_cents, left);
    }
    // torn at the bar, an hour later topped up at the desk, and then the same sale at the bar again
    let band = bands[5];
    let beer = json!({ "id": format!("{:032x}", 99), "lines": [{ "product": 1, "quantity": 1, "free": false }], "cups_back": 0 });
    let torn = hold(bar, &pn532, band, ("/api/till/sale", &beer), "tear write 5 at byte 1").await;
    assert_eq!(torn, None);
    let cash = json!({ "id": format!("{:032x}", 98), "amount_cents": 1_000, "paid_with": "cash" });
    let topped = tap(desk, &pcsc, band, ("/api/top-up", &cash), "").await;
    let sold = tap(bar, &pn532, band, ("/api/till/sale", &beer), "").await;
    assert_eq!(sold.balance_after_cents, topped.balance_after_cents.map(|left| left - sold.charged_cents));
    world.wait_until_agreed(SOON).await.unwrap();
}
