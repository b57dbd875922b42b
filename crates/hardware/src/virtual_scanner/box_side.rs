//! The box's side of a virtual scanner.
//!
//! Invariant: a client that sends slowly, too much or nonsense loses its turn and nothing else.

use std::{
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::{
    DECODED, MAX_PNG, NO_CODE, NOT_A_PNG, NOT_TEXT, SEVERAL_CODES, TOO_LARGE,
    qr::{self, PictureError},
};
use crate::{
    code::{CodeScanner, ScannedCode, ScannerError},
    socket,
};

/// A picture must be there this long after its client was heard first.
const PATIENCE: Duration = Duration::from_secs(2);
/// The client must take its answer within this time.
const ANSWER: Duration = Duration::from_millis(200);
const PREFIX: usize = 4;

/// A [`CodeScanner`] that decodes pictures shown over a Unix socket.
pub struct VirtualScanner {
    listener: UnixListener,
    client: Option<Client>,
}

struct Client {
    stream: UnixStream,
    received: Vec<u8>,
    deadline: Instant,
}

enum Progress {
    Waiting,
    HungUp,
    TooLarge,
    Complete,
}

impl VirtualScanner {
    /// Listens at `path`, in place of a socket that a killed box left there.
    pub fn bind(path: &Path) -> io::Result<Self> {
        Ok(Self { listener: socket::bind(path)?, client: None })
    }

    /// Looks at the picture that has arrived, tells the world what was seen, and hangs up.
    fn look(&mut self, client: Client) -> Result<Option<ScannedCode>, ScannerError> {
        let png = client.received.get(PREFIX..).unwrap_or_default();
        let (status, seen) = match qr::decode_png(png) {
            Ok(content) => match ScannedCode::from_bytes(&content) {
                Ok(code) => (DECODED, Ok(Some(code))),
                Err(error) => (NOT_TEXT, Err(error)),
            },
            Err(PictureError::NoCode | PictureError::TooHard) => (NO_CODE, Ok(None)),
            Err(PictureError::SeveralCodes(_)) => (SEVERAL_CODES, Ok(None)),
            Err(PictureError::NotAPng) => (NOT_A_PNG, Ok(None)),
            Err(PictureError::TooLarge) => (TOO_LARGE, Ok(None)),
        };
        let text = match &seen {
            Ok(Some(code)) => code.text(),
            Ok(None) | Err(_) => "",
        };
        client.answer(status, text);
        seen
    }
}

impl Client {
    fn new(stream: UnixStream) -> Self {
        Self { stream, received: Vec::new(), deadline: Instant::now() + PATIENCE }
    }

    /// How many bytes belong to this picture with its length, as far as is known.
    fn wanted(&self) -> usize {
        match self.received.first_chunk::<PREFIX>() {
            Some(prefix) => usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX).saturating_add(PREFIX),
            None => PREFIX,
        }
    }

    fn receive(&mut self, deadline: Instant) -> Progress {
        let deadline = deadline.min(self.deadline);
        let mut piece = [0; 16 * 1024];
        loop {
            if self.wanted() > MAX_PNG + PREFIX {
                return Progress::TooLarge;
            }
            let missing = self.wanted() - self.received.len();
            if missing == 0 {
                return Progress::Complete;
            }
            if Instant::now() >= self.deadline {
                return Progress::HungUp;
            }
            if Instant::now() >= deadline {
                return Progress::Waiting;
            }
            let timeout = Some(socket::remaining(deadline));
            if self.stream.set_read_timeout(timeout).is_err() {
                return Progress::HungUp;
            }
            let part = missing.min(piece.len());
            match self.stream.read(&mut piece[..part]) {
                Ok(0) => return Progress::HungUp,
                Ok(length) => self.received.extend(&piece[..length]),
                Err(error) if socket::is_not_yet(&error) => {}
                Err(_) => return Progress::HungUp,
            }
        }
    }

    /// A client that no longer listens has lost its answer, not the scan.
    fn answer(mut self, status: u8, text: &str) {
        let Ok(length) = u16::try_from(text.len()) else {
            return;
        };
        let mut bytes = vec![status];
        bytes.extend(length.to_be_bytes());
        bytes.extend(text.as_bytes());
        if self.stream.set_write_timeout(Some(ANSWER)).is_ok() {
            self.stream.write_all(&bytes).ok();
        }
    }
}

impl CodeScanner for VirtualScanner {
    fn next_code(&mut self, wait: Duration) -> Result<Option<ScannedCode>, ScannerError> {
        let deadline = Instant::now() + wait;
        loop {
            let Some(mut client) = self.client.take() else {
                match socket::accept(&self.listener) {
                    Ok(Some(stream)) => self.client = Some(Client::new(stream)),
                    Ok(None) if Instant::now() >= deadline => return Ok(None),
                    Ok(None) => thread::sleep(socket::RETRY.min(socket::remaining(deadline))),
                    Err(error) => return Err(ScannerError::Io(error.to_string())),
                }
                continue;
            };
            match client.receive(deadline) {
                Progress::Waiting => {
                    self.client = Some(client);
                    return Ok(None);
                }
                Progress::HungUp => {}
                Progress::TooLarge => client.answer(TOO_LARGE, ""),
                Progress::Complete => {
                    if let Some(code) = self.look(client)? {
                        return Ok(Some(code));
                    }
                }
            }
        }
    }
}
