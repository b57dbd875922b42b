//! A scanner on a serial port: one line for each code.
//! Invariant: a line is held up to the longest ticket text and no longer than [`PATIENCE`] after its last byte; a port
//! that ends is an unplugged scanner.
//! Not here: what a code means (`domain::ticket`), opening it again (`devices`).
use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use domain::ticket::MAX_TEXT_LEN;
use hardware::code::{CodeScanner, ScannedCode, ScannerError};
use serial2::SerialPort;

use super::{config::ScannerConfig, failed, usb};

/// A line that has not ended this long after its last byte is dropped: the next code is not glued to it.
const PATIENCE: Duration = Duration::from_millis(500);

/// Cuts a stream of bytes into lines.
struct Lines {
    line: Vec<u8>,
    /// Bytes of this line so far, kept or not.
    length: usize,
    last_byte: Instant,
}

impl Lines {
    fn new(now: Instant) -> Self {
        Self { line: Vec::with_capacity(MAX_TEXT_LEN), length: 0, last_byte: now }
    }

    /// Takes one byte; gives the line that it ends. Empty lines (the LF of CR LF) are none.
    fn push(&mut self, byte: u8, now: Instant) -> Option<Result<ScannedCode, ScannerError>> {
        if now.saturating_duration_since(self.last_byte) > PATIENCE {
            self.forget();
        }
        self.last_byte = now;
        match byte {
            b'\r' | b'\n' if self.length == 0 => None,
            b'\r' | b'\n' => {
                let length = self.length;
                let code = match length {
                    0..=MAX_TEXT_LEN => ScannedCode::from_bytes(&self.line),
                    _ => Err(ScannerError::TooLong { length }),
                };
                self.forget();
                Some(code)
            }
            byte => {
                self.length = self.length.saturating_add(1);
                if self.length <= MAX_TEXT_LEN {
                    self.line.push(byte);
                }
                None
            }
        }
    }

    fn forget(&mut self) {
        self.line.clear();
        self.length = 0;
    }
}

/// A [`CodeScanner`] on a serial port.
pub(super) struct SerialScanner {
    port: SerialPort,
    lines: Lines,
    /// Read, and not yet cut into lines.
    rest: Vec<u8>,
}

impl SerialScanner {
    /// Opens the port that the file names.
    pub(super) fn open(config: &ScannerConfig) -> Result<Self, ScannerError> {
        let path = config.path.clone().or_else(|| on_usb(config)).ok_or(ScannerError::Unplugged)?;
        let port = SerialPort::open(&path, config.baud).map_err(|error| failed(&path, &error))?;
        // what was scanned while nobody listened lets nobody in now
        port.discard_input_buffer().map_err(|error| failed(&path, &error))?;
        Ok(Self { port, lines: Lines::new(Instant::now()), rest: Vec::new() })
    }
}

fn on_usb(config: &ScannerConfig) -> Option<PathBuf> {
    let name = usb::names(Path::new("/sys/class/tty"), config.usb?).into_iter().next()?;
    Some(Path::new("/dev").join(name))
}

impl CodeScanner for SerialScanner {
    fn next_code(&mut self, wait: Duration) -> Result<Option<ScannedCode>, ScannerError> {
        let deadline = Instant::now() + wait;
        loop {
            let now = Instant::now();
            let mut taken = 0;
            let line = self.rest.iter().find_map(|byte| {
                taken += 1;
                self.lines.push(*byte, now)
            });
            self.rest.drain(..taken);
            if let Some(code) = line {
                return code.map(Some);
            }
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                return Ok(None);
            }
            let mut piece = [0; 512];
            let read = self.port.set_read_timeout(left).and_then(|()| self.port.read(&mut piece));
            match read {
                Ok(0) => return Err(ScannerError::Unplugged),
                Ok(length) => self.rest.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(None),
                Err(error) if error.raw_os_error() == Some(EIO) => return Err(ScannerError::Unplugged),
                Err(error) => return Err(ScannerError::Io(error.to_string())),
            }
        }
    }
}

/// What a terminal answers once its other end is gone.
const EIO: i32 = 5;

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::Write,
        os::{
            fd::OwnedFd,
            unix::{ffi::OsStringExt, fs::symlink},
        },
    };

    use rustix::pty;

    use super::*;
    use crate::drivers::config::{Layout, ScannerKind};

    const WAIT: Duration = Duration::from_secs(5);

    /// The scanner's end of the cable, and the path of the box's.
    fn cable() -> (File, PathBuf) {
        let flags = pty::OpenptFlags::RDWR | pty::OpenptFlags::NOCTTY | pty::OpenptFlags::CLOEXEC;
        let master: OwnedFd = pty::openpt(flags).unwrap();
        pty::grantpt(&master).unwrap();
        pty::unlockpt(&master).unwrap();
        let path = pty::ptsname(&master, Vec::new()).unwrap().into_bytes();
        (File::from(master), PathBuf::from(std::ffi::OsString::from_vec(path)))
    }

    fn at(path: &Path) -> ScannerConfig {
        let path = Some(path.to_owned());
        ScannerConfig { kind: ScannerKind::Serial, path, usb: None, baud: 115_200, layout: Layout::Us }
    }

    #[test]
    fn codes_come_line_by_line_exactly_as_sent() {
        let (mut cable, path) = cable();
        let mut scanner = SerialScanner::open(&at(&path)).unwrap();
        cable.write_all(b"F1 $%*+-./:\r\n\r\nNEXT\nHALF").unwrap();
        assert_eq!(scanner.next_code(WAIT).unwrap().unwrap().text(), "F1 $%*+-./:");
        assert_eq!(scanner.next_code(WAIT).unwrap().unwrap().text(), "NEXT");
        assert_eq!(scanner.next_code(Duration::from_millis(20)), Ok(None));
        cable.write_all(b"WAY\r").unwrap();
        assert_eq!(scanner.next_code(WAIT).unwrap().unwrap().text(), "HALFWAY");
    }

    #[test]
    fn a_line_that_is_too_long_or_no_text_is_named_and_the_next_one_is_read() {
        let (mut cable, path) = cable();
        let mut scanner = SerialScanner::open(&at(&path)).unwrap();
        let sender = std::thread::spawn(move || {
            cable.write_all(&vec![b'A'; MAX_TEXT_LEN]).unwrap();
            cable.write_all(b"\r").unwrap();
            cable.write_all(&vec![b'A'; 3 * MAX_TEXT_LEN]).unwrap();
            cable.write_all(b"\rA\xffB\rGOOD\r").unwrap();
            cable
        });
        assert_eq!(scanner.next_code(WAIT).unwrap().unwrap().text().len(), MAX_TEXT_LEN);
        assert_eq!(scanner.next_code(WAIT), Err(ScannerError::TooLong { length: 3 * MAX_TEXT_LEN }));
        assert_eq!(scanner.next_code(WAIT), Err(ScannerError::NotText { at: 1 }));
        assert_eq!(scanner.next_code(WAIT).unwrap().unwrap().text(), "GOOD");
        drop(sender.join().unwrap());
    }

    #[test]
    fn an_unplugged_scanner_says_so_and_works_once_it_is_back() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("scanner");
        assert_eq!(SerialScanner::open(&at(&link)).err(), Some(ScannerError::Unplugged));
        let (first, path) = cable();
        symlink(&path, &link).unwrap();
        let mut scanner = SerialScanner::open(&at(&link)).unwrap();
        drop(first);
        assert_eq!(scanner.next_code(WAIT), Err(ScannerError::Unplugged));
        std::fs::remove_file(&link).unwrap();
        let (mut second, path) = cable();
        symlink(&path, &link).unwrap();
        let mut scanner = SerialScanner::open(&at(&link)).unwrap();
        second.write_all(b"BACK\n").unwrap();
        assert_eq!(scanner.next_code(WAIT).unwrap().unwrap().text(), "BACK");
    }

    #[test]
    fn half_a_code_is_not_glued_to_the_next_one() {
        let start = Instant::now();
        let mut lines = Lines::new(start);
        for byte in b"HALF" {
            assert!(lines.push(*byte, start).is_none());
        }
        let later = start + PATIENCE + Duration::from_millis(1);
        let whole = b"WHOLE\n".iter().find_map(|byte| lines.push(*byte, later));
        assert_eq!(whole.unwrap().unwrap().text(), "WHOLE");
    }
}
