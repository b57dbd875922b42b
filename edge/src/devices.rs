//! Reader and scanner, each on a thread of its own.
//! Invariant: a device that fails, or whose code panics, is opened again, told on screen, and never stops the box; only the
//! loop that serves taps feeds systemd's watchdog, and not while the scanner's or the turnstile's hangs.
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
    broken_tap,
    drivers::{
        self,
        config::{self, Devices, ReaderDriver},
        process::Program,
    },
    gate,
    panics::caught,
    printing, selling,
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
/// Reason code of a reader that does not work.
const READER_FAILED: &str = "reader.failed";
/// Reason code of a scanner that does not answer.
const SCANNER_AWAY: &str = "scanner.away";
/// Reason code of lamps that cannot be switched.
const POST_FAILED: &str = "turnstile.post_failed";

/// Starts the threads that this box's roles need; the reader's is the first.
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
    if let Some(config) = devices.printer.ok().flatten()
        && let Some(jobs) = station.has_printer()
    {
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

/// Why there is no reader: an alert's code, and details for a technician.
type Trouble = (&'static str, String);

/// Keeps a reader open and serves what is held to it. The configuration is read again each time, so that a technician
/// who corrects it need not restart the box.
pub(crate) fn read_tags(station: &Station, dir: &Path, program: &Program) {
    keep_reading(station, &mut || open_reader(dir, program));
}

pub(crate) fn keep_reading<'a>(station: &Station, open: &mut dyn FnMut() -> Result<Box<dyn TagReader + 'a>, Trouble>) {
    let mut patience = Patience(RETRY_MIN);
    while !station.is_stopping() {
        let opened = Instant::now();
        let served = caught(|| read_until_it_fails(station, open()?.as_mut()).map_err(trouble));
        let (code, detail) = match served {
            Ok(Ok(())) => return,
            Ok(Err(trouble)) => trouble,
            Err(panicked) => (READER_FAILED, panicked.to_string()),
        };
        if opened.elapsed() >= LASTING {
            patience = Patience(RETRY_MIN);
        }
        tracing::warn!(detail, "{code}; tried again");
        station.reader_failed(code, &detail);
        station.watchdog.turned();
        patience.wait();
    }
}

fn trouble(error: ReaderError) -> Trouble {
    match error {
        ReaderError::Unplugged => ("reader.unplugged", error.to_string()),
        ReaderError::Io(why) => (READER_FAILED, why),
        ReaderError::TagGone | ReaderError::Nak(_) | ReaderError::Malformed => (READER_FAILED, error.to_string()),
    }
}

/// Opens the reader that the file names.
fn open_reader(dir: &Path, program: &Program) -> Result<Box<dyn TagReader>, Trouble> {
    let wanted = config::read(dir).reader.map_err(|why| ("reader.misconfigured", why))?;
    match wanted.driver {
        ReaderDriver::Virtual => match VirtualReader::bind(&dir.join("reader.sock")) {
            Ok(reader) => Ok(Box::new(reader)),
            Err(error) => Err((READER_FAILED, error.to_string())),
        },
        ReaderDriver::Pcsc | ReaderDriver::Pn532 => {
            let reader = program.start(&wanted).map_err(trouble)?;
            tracing::info!(reader = reader.name(), "the reader is open");
            Ok(Box::new(reader))
        }
    }
}

/// Serves each tag once per visit, and again when the request changes while it stays. `Ok`: the box is stopping.
fn read_until_it_fails(station: &Station, reader: &mut dyn TagReader) -> Result<(), ReaderError> {
    station.reader_is_open();
    let mut served: Option<(Tag, Option<crate::tap_desk::RequestId>)> = None;
    while !station.is_stopping() {
        station.watchdog.turned();
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
                if let Err(panicked) = caught(|| tapping::serve(station, reader, tag)) {
                    broken_tap::goes_on(station);
                    return Err(ReaderError::Io(panicked.to_string()));
                }
            }
            Err(ReaderError::TagGone) => served = None,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn read_codes(station: &Station, open: &dyn Fn() -> Result<Box<dyn CodeScanner>, ScannerError>) {
    let mut patience = Patience(RETRY_MIN);
    let mut told = false;
    while !station.is_stopping() {
        let scanned = caught(|| {
            let mut scanner = open()?;
            station.is_over(SCANNER_AWAY);
            (patience, told) = (Patience(RETRY_MIN), false);
            scan_until_it_fails(station, scanner.as_mut())
        });
        let Err(error) = scanned.unwrap_or_else(|panicked| Err(ScannerError::Io(panicked.to_string()))) else { return };
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(%error, "no scanner; it is tried again");
            station.device_failures.inc();
        }
        station.alert_while(true, SCANNER_AWAY);
        patience.wait();
    }
}

/// `Ok`: the box is stopping.
fn scan_until_it_fails(station: &Station, scanner: &mut dyn CodeScanner) -> Result<(), ScannerError> {
    let look = station.watchdog.looks_at("scanner");
    while !station.is_stopping() {
        look.turned();
        match scanner.next_code(Duration::from_millis(50)) {
            Ok(None) => {}
            Ok(Some(code)) => {
                scanned(station, strip_end(code.text()));
            }
            Err(error @ (ScannerError::Unplugged | ScannerError::Io(_))) => return Err(error),
            // a code that is not a ticket's text at all is judged like any other: unreadable, or too long
            Err(ScannerError::TooLong { .. }) => scanned(station, &"?".repeat(domain::ticket::MAX_TEXT_LEN + 1)),
            Err(ScannerError::Empty | ScannerError::NotText { .. }) => scanned(station, ""),
        }
    }
    Ok(())
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
mod tests;
