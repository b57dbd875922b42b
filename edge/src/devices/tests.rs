use std::sync::Mutex;

use domain::{access::Ways, journal::Means, money::Cents};
use hardware::{
    bench_reader::BenchReader,
    code::ScannedCode,
    signal::{RecordingLight, Signal},
};

use super::*;
use crate::{
    bench::{Bench, cents},
    tap_desk::{Purpose, TopUpOrder},
};

#[test]
fn the_lamps_of_a_place_show_what_a_tap_came_to() {
    let bench = Bench::new();
    let lamps = RecordingLight::default();
    bench.station.use_light(Box::new(lamps.clone()));
    let order = |amount| Purpose::TopUp(TopUpOrder { amount: cents(amount), fee: Cents::ZERO, means: Means::Cash });
    let (light, _) = bench.tap(order(2_000), &bench.purse(1));
    assert_eq!((light, lamps.shown()), (Some(Signal::Ok), vec![Signal::Ok]));
    bench.tap(order(1_000_000), &bench.purse(2));
    assert_eq!(lamps.shown(), [Signal::Ok, Signal::Refuse], "over the maximum");
}

#[test]
fn a_box_whose_devices_are_set_up_wrongly_starts_and_says_what_is_wrong() {
    let bench = Bench::new();
    let wrong = "[printer]\ncolumns = 3\n[reader]\ndriver = 'acr'";
    std::fs::write(bench.folder().join(config::FILE), wrong).unwrap();
    let threads = start(&bench.station, config::read(bench.folder())).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let told = |code: &str, detail: &str| {
        bench.station.alerts.shown().iter().any(|alert| alert.code == code && alert.args["detail"].contains(detail))
    };
    while !(told(MISCONFIGURED, "[printer]") && told("reader.misconfigured", "acr")) {
        assert!(Instant::now() < deadline, "{:?}", bench.station.alerts.shown());
        thread::sleep(Duration::from_millis(2));
    }
    assert!(!bench.station.reader_ready());
    bench.station.stop();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_box_without_a_printer_offers_no_receipts() {
    let bench = Bench::new();
    let threads = start(&bench.station, config::read(bench.folder())).unwrap();
    let offers_receipts = bench.station.printing.is_there();
    bench.station.stop();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(!offers_receipts);
}

/// A reader on which a band lies; at the 10th look something happens, at the 20th the box stops.
struct Lies<'a>(BenchReader, u32, &'a Bench, &'a (dyn Fn() + Sync));

impl TagReader for Lies<'_> {
    fn poll_tag(&mut self) -> Result<Option<Tag>, ReaderError> {
        self.1 += 1;
        match self.1 {
            10 => self.3(),
            20 => self.2.station.stop(),
            _ => {}
        }
        self.0.poll_tag()
    }

    fn transceive(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
        self.0.transceive(command)
    }

    fn signal(&mut self, signal: Signal) -> Result<(), ReaderError> {
        self.0.signal(signal)
    }
}

#[test]
fn a_band_that_has_passed_and_still_lies_there_does_not_pass_again_when_the_next_ticket_waits_for_one() {
    let bench = Bench::pairing_gate(&[(1, "Ada"), (2, "Ida")]);
    let band = bench.uid_band(2);
    gate::scan(&bench.station, &bench.ticket(2, 1));
    assert_eq!(bench.hold(&band, ""), Some(Signal::Ok));
    bench.station.store.set_ways(Ways::Out).unwrap();
    let comes = || {
        bench.station.store.set_ways(Ways::In).unwrap();
        assert!(gate::scan(&bench.station, &bench.ticket(1, 1)).admitted);
        bench.station.store.set_ways(Ways::Out).unwrap();
    };
    let reader = BenchReader::new();
    reader.present(&band.chip, Vec::new());
    assert!(read_until_it_fails(&bench.station, &mut Lies(reader.clone(), 0, &bench, &comes)).is_ok());
    assert_eq!(bench.entries(domain::journal::Kind::EXIT).len(), 1);
    assert_eq!(reader.signals(), [Signal::Ok]);
    assert!(bench.station.desk.waiting().is_some(), "the ticket waits for its own");
}

#[test]
fn a_reader_whose_code_panics_is_told_and_counted_and_the_next_band_is_served() {
    let bench = Bench::new();
    let (reader, band, mut opened) = (BenchReader::new(), bench.purse(1), 0);
    let panics = || panic!("while it looks for a band");
    keep_reading(&bench.station, &mut || {
        opened += 1;
        if opened == 1 {
            return Ok(Box::new(Lies(reader.clone(), 0, &bench, &panics)));
        }
        let told = bench.station.alerts.shown();
        assert!(told.iter().any(|alert| alert.code == READER_FAILED), "{told:?}");
        assert_eq!(bench.station.device_failures.get(), 1);
        let order = TopUpOrder { amount: cents(2_000), fee: Cents::ZERO, means: Means::Cash };
        bench.station.desk.ask(crate::station::fresh_id(), Purpose::TopUp(order)).unwrap();
        reader.present(&band.chip, Vec::new());
        Ok(Box::new(Lies(reader.clone(), 10, &bench, &|| ())))
    });
    assert_eq!((opened, reader.signals()), (2, vec![Signal::Ok]));
    assert!(bench.station.alerts.shown().iter().all(|alert| alert.code != READER_FAILED));
}

/// A scanner whose code panics.
struct Panics;

impl CodeScanner for Panics {
    fn next_code(&mut self, _: Duration) -> Result<Option<ScannedCode>, ScannerError> {
        panic!("while it waits for a code")
    }
}

#[test]
fn a_scanner_whose_code_panics_is_told_and_counted_and_reads_again() {
    let bench = Bench::gate(&[], |_, _| ());
    let (ticket, opened) = (bench.ticket(1, 1), Mutex::new(0u32));
    read_codes(&bench.station, &|| {
        let mut opened = opened.lock().unwrap();
        *opened += 1;
        let away = bench.station.alerts.shown().iter().any(|alert| alert.code == SCANNER_AWAY);
        assert_eq!((away, bench.station.device_failures.get()), (*opened > 1, u64::from(*opened) - 1));
        match *opened {
            1 => Ok(Box::new(Panics)),
            2 => Ok(Box::new(Codes(vec![ticket.clone()]))),
            _ => {
                bench.station.stop();
                Err(ScannerError::Unplugged)
            }
        }
    });
    assert_eq!(bench.entries(domain::journal::Kind::ADMISSION).len(), 1);
}

/// A scanner that reads these codes and is then unplugged.
struct Codes(Vec<String>);

impl CodeScanner for Codes {
    fn next_code(&mut self, _: Duration) -> Result<Option<ScannedCode>, ScannerError> {
        match self.0.pop() {
            Some(code) => ScannedCode::from_bytes(code.as_bytes()).map(Some),
            None => Err(ScannerError::Unplugged),
        }
    }
}

#[test]
fn a_scanner_that_was_away_is_told_and_reads_again_within_two_seconds() {
    let bench = Bench::gate(&[], |_, _| ());
    let tickets = Mutex::new(vec![bench.ticket(2, 1), bench.ticket(1, 1)]);
    let (opened, plugged_in) = (Mutex::new(0u32), Mutex::new(None));
    let open = || -> Result<Box<dyn CodeScanner>, ScannerError> {
        let mut opened = opened.lock().unwrap();
        *opened += 1;
        let away = bench.station.alerts.shown().iter().any(|alert| alert.code == SCANNER_AWAY);
        assert_eq!(away, *opened > 1, "told from the first failure");
        match *opened {
            2..=7 => Err(ScannerError::Unplugged),
            // it is back right after a look: the next look comes at the latest then
            8 => {
                *plugged_in.lock().unwrap() = Some(Instant::now());
                Err(ScannerError::Unplugged)
            }
            10.. => {
                bench.station.stop();
                Err(ScannerError::Unplugged)
            }
            _ => Ok(Box::new(Codes(tickets.lock().unwrap().pop().into_iter().collect()))),
        }
    };
    read_codes(&bench.station, &open);
    let admitted = bench.entries(domain::journal::Kind::ADMISSION);
    assert_eq!(admitted.len(), 2, "one before and one after");
    // opened, read, and one more pause after it was unplugged again
    assert!(plugged_in.lock().unwrap().unwrap().elapsed() < Duration::from_secs(2) + RETRY_MIN * 2);
}
