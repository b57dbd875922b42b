//! Reader and scanner, each on a thread of its own.
//! Invariant: a device that fails is opened again, told on screen, and never stops the box.
//! Not here: what a tap or a scan leads to (`tapping`, `gate`).
use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use domain::trust::Roles;
use hardware::{
    code::{CodeScanner, ScannerError},
    tag::{ReaderError, Tag, TagReader},
    virtual_reader::VirtualReader,
    virtual_scanner::VirtualScanner,
};
use screens::view::Args;

use crate::{
    drivers::{
        self,
        config::{self, Devices, ReaderConfig, ReaderDriver},
        process::Program,
    },
    gate, printing, selling,
    station::Station,
    tapping,
    turnstile::{self, Timing},
};

/// Pause after a failed device was noticed; it doubles up to [`RETRY_MAX`], so that a device which is back is in use
/// within 2 s.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(1);
/// A device that answered for so long has not been opened in vain.
const LASTING: Duration = Duration::from_secs(10);

/// Reason code of devices that are not set up as they should be.
const MISCONFIGURED: &str = "devices.misconfigured";
/// Reason code of a scanner that does not answer.
const SCANNER_AWAY: &str = "scanner.away";
/// Reason code of lamps that cannot be switched.
const POST_FAILED: &str = "turnstile.post_failed";

/// Starts the threads that this box's roles need.
pub(crate) fn start(station: &Arc<Station>, devices: Devices) -> Result<Vec<thread::JoinHandle<()>>> {
    let dir = station.enrolled().dir.clone();
    let mut threads = Vec::new();
    if let Some(why) = devices.misconfigured() {
        tracing::error!(why, "some devices are not used");
        station.alert(MISCONFIGURED, Args::from([("detail".into(), why.clone())]));
    }
    let reading = Arc::clone(station);
    let folder = dir.clone();
    let reader = move || read_tags(&reading, &folder, &Program::own());
    threads.push(thread::Builder::new().name("reader".into()).spawn(reader)?);
    let scans = station.roles().has(Roles::GATE) || station.roles().has(Roles::BAR);
    if let Some(scanner) = devices.scanner.ok().filter(|_| scans) {
        let scanning = Arc::clone(station);
        let path = dir.join("scanner.sock");
        let open = move || -> Result<Box<dyn CodeScanner>, ScannerError> {
            match &scanner {
                Some(config) => drivers::open_scanner(config),
                None => Ok(Box::new(VirtualScanner::bind(&path).map_err(|error| ScannerError::Io(error.to_string()))?)),
            }
        };
        threads.push(thread::Builder::new().name("scanner".into()).spawn(move || read_codes(&scanning, &open))?);
    }
    if let Some(config) = devices.turnstile.ok().flatten().filter(|_| station.roles().has(Roles::GATE)) {
        let served = Arc::clone(station);
        let passage = Duration::from_millis(config.passage_ms);
        let timing = Timing { passage, apart: config.pulse().saturating_mul(2) };
        let open = move || drivers::open_turnstile(&config);
        let serve = move || turnstile::serve(&served, timing, &open);
        threads.push(thread::Builder::new().name("turnstile".into()).spawn(serve)?);
    }
    if let Some((config, jobs)) = devices.printer.ok().flatten().zip(station.has_printer()) {
        let served = Arc::clone(station);
        let mut printer = drivers::open_printer(&config);
        let serve = move || printing::serve(&served, &jobs, printer.as_mut(), config.columns.into());
        threads.push(thread::Builder::new().name("printer".into()).spawn(serve)?);
    }
    if let Ok(Some(config)) = &devices.signal {
        match drivers::open_post(config) {
            Ok(light) => station.use_light(light),
            Err(error) => {
                tracing::warn!(%error, "no lamps");
                station.alert_while(true, POST_FAILED);
            }
        }
    }
    Ok(threads)
}

/// Waits before a device is opened again, longer each time.
struct Patience(Duration);

impl Patience {
    fn wait(&mut self) {
        thread::sleep(self.0);
        self.0 = self.0.saturating_mul(2).min(RETRY_MAX);
    }
}

/// Keeps a reader open and serves what is held to it. The configuration is read again each time, so that a technician
/// who corrects it need not restart the box.
pub(crate) fn read_tags(station: &Station, dir: &Path, program: &Program) {
    let mut patience = Patience(RETRY_MIN);
    while !station.is_stopping() {
        let (code, detail) = match config::read(dir).reader {
            Err(why) => ("reader.misconfigured", why),
            Ok(wanted) => {
                let opened = Instant::now();
                let Some(error) = read_with(station, dir, program, &wanted) else { return };
                if opened.elapsed() >= LASTING {
                    patience = Patience(RETRY_MIN);
                }
                match error {
                    ReaderError::Unplugged => ("reader.unplugged", error.to_string()),
                    ReaderError::Io(why) => ("reader.failed", why),
                    ReaderError::TagGone | ReaderError::Nak(_) | ReaderError::Malformed => {
                        ("reader.failed", error.to_string())
                    }
                }
            }
        };
        tracing::warn!(detail, "{code}; tried again");
        station.reader_failed(code, &detail);
        patience.wait();
    }
}

/// Opens the reader and serves until it fails; `None`: the box is stopping.
fn read_with(station: &Station, dir: &Path, program: &Program, wanted: &ReaderConfig) -> Option<ReaderError> {
    match wanted.driver {
        ReaderDriver::Virtual => match VirtualReader::bind(&dir.join("reader.sock")) {
            Ok(mut reader) => read_until_it_fails(station, &mut reader),
            Err(error) => Some(ReaderError::Io(error.to_string())),
        },
        ReaderDriver::Pcsc | ReaderDriver::Pn532 => match program.start(wanted) {
            Ok(mut reader) => {
                tracing::info!(reader = reader.name(), "the reader is open");
                read_until_it_fails(station, &mut reader)
            }
            Err(error) => Some(error),
        },
    }
}

/// Serves each tag once per visit, and again when the request changes while it stays.
fn read_until_it_fails(station: &Station, reader: &mut dyn TagReader) -> Option<ReaderError> {
    station.reader_is_open();
    let mut served: Option<(Tag, Option<crate::tap_desk::RequestId>)> = None;
    while !station.is_stopping() {
        match reader.poll_tag() {
            Ok(None) => served = None,
            Ok(Some(tag)) => {
                let asked = tapping::awaited(station, &tag).map(|waiting| waiting.id);
                // a band that was served while somebody asked for it does not pass by itself as well
                let passes = asked.is_none() && served.is_none() && station.roles().has(Roles::GATE);
                if served == Some((tag, asked)) || asked.is_none() && !passes {
                    continue; // `poll_tag` waits by itself while nothing changes
                }
                served = Some((tag, asked));
                tapping::serve(station, reader, tag);
            }
            Err(ReaderError::TagGone) => served = None,
            Err(error) => return Some(error),
        }
    }
    None
}

fn read_codes(station: &Station, open: &dyn Fn() -> Result<Box<dyn CodeScanner>, ScannerError>) {
    let mut patience = Patience(RETRY_MIN);
    let mut told = false;
    while !station.is_stopping() {
        let failed = match open() {
            Ok(mut scanner) => {
                station.is_over(SCANNER_AWAY);
                (patience, told) = (Patience(RETRY_MIN), false);
                scan_until_it_fails(station, scanner.as_mut())
            }
            Err(error) => Some(error),
        };
        if let Some(error) = failed {
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(%error, "no scanner; it is tried again");
            }
            station.alert_while(true, SCANNER_AWAY);
            patience.wait();
        }
    }
}

fn scan_until_it_fails(station: &Station, scanner: &mut dyn CodeScanner) -> Option<ScannerError> {
    while !station.is_stopping() {
        match scanner.next_code(Duration::from_millis(50)) {
            Ok(None) => {}
            Ok(Some(code)) => {
                scanned(station, strip_end(code.text()));
            }
            Err(error @ (ScannerError::Unplugged | ScannerError::Io(_))) => return Some(error),
            // a code that is not a ticket's text at all is judged like any other: unreadable, or too long
            Err(ScannerError::TooLong { .. }) => scanned(station, &"?".repeat(domain::ticket::MAX_TEXT_LEN + 1)),
            Err(ScannerError::Empty | ScannerError::NotText { .. }) => scanned(station, ""),
        }
    }
    None
}

/// A gate judges tickets, a bar vouchers. A box that is both is a gate, except for what is a voucher.
fn scanned(station: &Station, text: &str) {
    let (is_gate, is_bar) = (station.roles().has(Roles::GATE), station.roles().has(Roles::BAR));
    if is_bar && (!is_gate || station.is_voucher(text)) {
        selling::scanned(station, text);
    } else {
        drop(gate::scan(station, text));
    }
}

/// Scanners end a code with CR or LF. Spaces are kept: base45 contains SPACE.
fn strip_end(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

#[cfg(test)]
mod tests {
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
        assert!(read_until_it_fails(&bench.station, &mut Lies(reader.clone(), 0, &bench, &comes)).is_none());
        assert_eq!(bench.entries(domain::journal::Kind::EXIT).len(), 1);
        assert_eq!(reader.signals(), [Signal::Ok]);
        assert!(bench.station.desk.waiting().is_some(), "the ticket waits for its own");
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
}
