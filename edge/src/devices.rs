//! Reader and scanner, each on a thread of its own.
//! Invariant: a device that fails is opened again, told on screen, and never stops the box.
//! Not here: what a tap or a scan leads to (`tapping`, `gate`).
use std::{path::Path, sync::Arc, thread, time::Duration};

use anyhow::Result;
use domain::trust::Roles;
use hardware::{
    code::{CodeScanner, ScannerError},
    tag::{ReaderError, Tag, TagReader},
    virtual_reader::VirtualReader,
    virtual_scanner::VirtualScanner,
};

use crate::{
    drivers::{self, config::Devices},
    gate, printing, selling,
    station::Station,
    tapping,
    turnstile::{self, Timing},
};

/// Pause after a failed device was noticed; it doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// Reason code of a scanner that does not answer.
const SCANNER_AWAY: &str = "scanner.away";
/// Reason code of lamps that cannot be switched.
const POST_FAILED: &str = "turnstile.post_failed";

/// Starts the threads that this box's roles need.
pub(crate) fn start(station: &Arc<Station>, devices: Devices) -> Result<Vec<thread::JoinHandle<()>>> {
    let dir = station.enrolled().dir.clone();
    let mut threads = Vec::new();
    let reading = Arc::clone(station);
    let path = dir.join("reader.sock");
    threads.push(thread::Builder::new().name("reader".into()).spawn(move || read_tags(&reading, &path))?);
    let scanner = devices.scanner.clone();
    if station.roles().has(Roles::GATE) || station.roles().has(Roles::BAR) {
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
    if let Some(config) = devices.turnstile.filter(|_| station.roles().has(Roles::GATE)) {
        let served = Arc::clone(station);
        let passage = Duration::from_millis(config.passage_ms);
        let timing = Timing { passage, apart: config.pulse().saturating_mul(2) };
        let open = move || drivers::open_turnstile(&config);
        let serve = move || turnstile::serve(&served, timing, &open);
        threads.push(thread::Builder::new().name("turnstile".into()).spawn(serve)?);
    }
    if let Some((config, jobs)) = devices.printer.zip(station.has_printer()) {
        let served = Arc::clone(station);
        let mut printer = drivers::open_printer(&config);
        let serve = move || printing::serve(&served, &jobs, printer.as_mut(), config.columns.into());
        threads.push(thread::Builder::new().name("printer".into()).spawn(serve)?);
    }
    if let Some(config) = &devices.signal {
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

fn read_tags(station: &Station, path: &Path) {
    let mut patience = Patience(RETRY_MIN);
    while !station.is_stopping() {
        match VirtualReader::bind(path) {
            Ok(mut reader) => {
                patience = Patience(RETRY_MIN);
                let error = read_until_it_fails(station, &mut reader);
                station.reader_is(false);
                if let Some(error) = error {
                    tracing::warn!(%error, "the reader failed and is opened again");
                    patience.wait();
                }
            }
            Err(error) => {
                tracing::warn!(%error, "no reader");
                patience.wait();
            }
        }
    }
}

/// Serves each tag once per visit, and again when the request changes while it stays.
fn read_until_it_fails(station: &Station, reader: &mut dyn TagReader) -> Option<ReaderError> {
    station.reader_is(true);
    let mut served: Option<(Tag, Option<crate::tap_desk::RequestId>)> = None;
    while !station.is_stopping() {
        match reader.poll_tag() {
            Ok(None) => served = None,
            Ok(Some(tag)) => {
                let asked = station.desk.waiting().map(|waiting| waiting.id);
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
