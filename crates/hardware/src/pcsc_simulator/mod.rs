//! A PC/SC reader that is not there: the other end of the pcscd driver in `crates/pcsc-simulator`, with bands in its field.
//! The driver connects to a Unix socket here.
//!
//! # Protocol
//! A connection begins with one byte: `E` for events (this side sends a byte at once, and whenever a tag came or went), `Q` for
//! questions. A question is a code, a big-endian `u16` length and a body; an answer is 0 (yes) or 1 (no), and a body
//! alike.
//!
//! | question | code | body | yes with |
//! | --- | --- | --- | --- |
//! | is a tag there | `p` | | |
//! | its ATR | `a` | | ATR |
//! | power it up: select it (again) | `u` | | ATR |
//! | power it down | `d` | | |
//! | transmit | `t` | APDU | answer and status bytes |
//! | control | `c` | `u32` code, command | answer |
//!
//! Invariant: a question that is none ends its connection; bytes from the host never panic.
//! Left out: ISO/IEC 14443-4, contact cards, more than one slot.

mod acr122u;
pub mod daemon;
mod transparent;

use std::{
    fs, io,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    simulated_field::{Selected, SimulatedField},
    socket,
};

/// How often the field is looked at although nobody told of a change.
const LOOK: Duration = Duration::from_millis(20);
/// Escape commands that are remembered.
const REMEMBERED: usize = 256;
/// Control codes of escape commands: CM_IOCTL 3500 and 1, as PCSC-Lite numbers them.
const ESCAPES: [u32; 2] = [0x4200_0DAC, 0x4200_0001];

const OK: [u8; 2] = [0x90, 0x00];
/// "Operation failed", as readers answer for a tag that has left.
const FAILED: [u8; 2] = [0x63, 0x00];
const GET_UID: [u8; 4] = [0xFF, 0xCA, 0x00, 0x00];

/// Which reader is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReaderModel {
    /// Takes commands for the PN532 within (direct transmit).
    Acr122u,
    /// Takes transparent exchanges (PC/SC part 3).
    Transparent,
    /// Tells a tag's UID, and gives these status bytes to everything else.
    UidOnly([u8; 2]),
}

/// A reader's own way with APDUs.
trait Firmware: Send {
    /// The tag was selected.
    fn selected(&mut self);
    /// An APDU that every reader does not answer alike.
    fn apdu(&mut self, field: &SimulatedField, apdu: &[u8]) -> Vec<u8>;
}

/// A reader that takes no commands for a tag.
struct UidOnly([u8; 2]);

impl Firmware for UidOnly {
    fn selected(&mut self) {}

    fn apdu(&mut self, _: &SimulatedField, _: &[u8]) -> Vec<u8> {
        self.0.to_vec()
    }
}

/// A simulated PC/SC reader. Dropping it unplugs it.
pub struct PcscSimulator {
    shared: Arc<Shared>,
    path: PathBuf,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    field: SimulatedField,
    stop: AtomicBool,
    reader: Mutex<Reader>,
}

struct Reader {
    firmware: Box<dyn Firmware>,
    selected: Option<Selected>,
    escapes: Vec<Vec<u8>>,
    lines: Vec<UnixStream>,
    events: Vec<UnixStream>,
}

impl PcscSimulator {
    /// Listens at `path`.
    pub fn bind(path: &Path, model: ReaderModel, field: &SimulatedField) -> io::Result<Self> {
        let firmware: Box<dyn Firmware> = match model {
            ReaderModel::Acr122u => Box::new(acr122u::Acr122u::new(field.clone())),
            ReaderModel::Transparent => Box::new(transparent::Transparent),
            ReaderModel::UidOnly(status) => Box::new(UidOnly(status)),
        };
        let listener = socket::bind(path)?;
        let reader = Reader { firmware, selected: None, escapes: Vec::new(), lines: Vec::new(), events: Vec::new() };
        let shared =
            Arc::new(Shared { field: field.clone(), stop: AtomicBool::new(false), reader: Mutex::new(reader) });
        let (accepting, telling) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            thread::spawn(move || accepting.accept_all(&listener)),
            thread::spawn(move || telling.tell_of_changes()),
        ];
        Ok(Self { shared, path: path.to_owned(), threads })
    }

    /// Its field.
    pub fn field(&self) -> &SimulatedField {
        &self.shared.field
    }

    /// Its entry in pcscd's `reader.conf`.
    pub fn reader_conf(&self, name: &str, driver: &Path, channel: u8) -> String {
        format!(
            "FRIENDLYNAME \"{name}\"\nDEVICENAME {}\nLIBPATH {}\nCHANNELID {channel}\n",
            self.path.display(),
            driver.display()
        )
    }

    /// Escape commands since this was last asked.
    pub fn take_escapes(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.shared.lock().escapes)
    }
}

impl Drop for PcscSimulator {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.lock().hang_up();
        for thread in self.threads.drain(..) {
            // a panic there has been printed already, and nothing is left to be saved here
            thread.join().ok();
        }
        fs::remove_file(&self.path).ok();
    }
}

impl Reader {
    fn hang_up(&mut self) {
        for line in self.lines.drain(..).chain(self.events.drain(..)) {
            // it may be closed already
            line.shutdown(Shutdown::Both).ok();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Takes connections while the reader is plugged in.
    fn accept_all(self: &Arc<Self>, listener: &UnixListener) {
        while !self.is_over() {
            match socket::accept(listener) {
                Ok(Some(line)) if !self.field.is_unplugged() => self.take(line),
                Ok(_) | Err(_) => thread::sleep(socket::RETRY),
            }
        }
    }

    fn take(self: &Arc<Self>, mut line: UnixStream) {
        let mut hello = [0];
        let is_heard = line.set_read_timeout(Some(Duration::from_secs(1))).and_then(|()| line.read_exact(&mut hello));
        let (Ok(()), Ok(kept)) = (is_heard, line.try_clone()) else { return };
        match hello {
            // whatever came before this connection is told at once, and what comes then finds it in its place
            [b'E'] => {
                let mut reader = self.lock();
                if line.write_all(b"x").is_ok() {
                    reader.events.push(kept);
                }
            }
            [b'Q'] => {
                self.lock().lines.push(kept);
                let answering = Arc::clone(self);
                // ends with its connection, which the drop of the simulator closes
                thread::spawn(move || {
                    answering.answer_all(&line);
                    line.shutdown(Shutdown::Both).ok();
                });
            }
            _ => {}
        }
    }

    /// Tells pcscd when a tag came or went, and hangs up when the reader was unplugged.
    fn tell_of_changes(&self) {
        let mut seen = 0;
        while !self.is_over() {
            let now = self.field.wait_changed(seen, LOOK);
            if now == seen {
                continue;
            }
            seen = now;
            let mut reader = self.lock();
            if self.field.is_unplugged() {
                reader.hang_up();
            }
            reader.events.retain_mut(|events| events.write_all(b"x").is_ok());
        }
    }

    fn answer_all(&self, mut line: &UnixStream) {
        if line.set_read_timeout(None).is_err() {
            return;
        }
        let mut head = [0; 3];
        while line.read_exact(&mut head).is_ok() {
            let [code, high, low] = head;
            let mut body = vec![0; usize::from(u16::from_be_bytes([high, low]))];
            if line.read_exact(&mut body).is_err() {
                return;
            }
            let Ok(answer) = self.answer(code, &body) else { return };
            let (code, body) = answer.map_or((1, Vec::new()), |body| (0, body));
            let Ok(length) = u16::try_from(body.len()) else { return };
            if line.write_all(&[&[code], length.to_be_bytes().as_slice(), &body].concat()).is_err() {
                return;
            }
        }
    }

    /// `Ok(None)`: no. An error hangs up.
    fn answer(&self, code: u8, body: &[u8]) -> Result<Option<Vec<u8>>, ()> {
        let mut reader = self.lock();
        let answer = match code {
            b'p' => self.field.is_occupied().then(Vec::new),
            b'a' => reader.selected.filter(|tag| self.field.still_has(tag)).map(|tag| atr(&tag)),
            b'u' => {
                reader.selected = self.field.select();
                if reader.selected.is_some() {
                    reader.firmware.selected();
                }
                reader.selected.map(|tag| atr(&tag))
            }
            b'd' => {
                reader.selected = None;
                Some(Vec::new())
            }
            b't' => self.transmit(&mut reader, body),
            b'c' => reader.control(body),
            _ => return Err(()),
        };
        if self.field.is_unplugged() {
            reader.hang_up();
            return Err(());
        }
        Ok(answer)
    }

    fn transmit(&self, reader: &mut Reader, apdu: &[u8]) -> Option<Vec<u8>> {
        let tag = reader.selected.filter(|tag| self.field.still_has(tag))?;
        if apdu.starts_with(&GET_UID) {
            return Some([tag.uid.as_bytes(), &OK].concat());
        }
        Some(reader.firmware.apdu(&self.field, apdu))
    }
}

impl Reader {
    fn control(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        let (code, command) = body.split_first_chunk::<4>()?;
        if !ESCAPES.contains(&u32::from_be_bytes(*code)) {
            return None;
        }
        if self.escapes.len() < REMEMBERED {
            self.escapes.push(command.to_vec());
        }
        Some(OK.to_vec())
    }
}

/// The ATR of a storage card (PC/SC part 3, section 3.1.3.2.3): standard 03h (type A, layer 3) and the card's name.
fn atr(tag: &Selected) -> Vec<u8> {
    // MIFARE Ultralight, as readers take an NTAG for; MIFARE Classic 1K
    let name = if tag.sak == 0x00 { 0x03 } else { 0x01 };
    let mut atr = vec![0x3B, 0x8F, 0x80, 0x01, 0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06, 0x03, 0x00, name];
    atr.extend([0; 4]);
    atr.push(atr.iter().skip(1).fold(0, |sum, byte| sum ^ byte));
    atr
}

#[cfg(test)]
mod tests;
