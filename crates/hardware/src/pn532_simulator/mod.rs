//! A PN532 that is not there: what a host finds at the other end of a serial line, behind a pseudo-terminal or over any
//! byte stream (an emulator's serial port), with bands in its field.
//!
//! Source: NXP, PN532 user manual UM0701-02: frames in section 6.2.1, commands in section 7.
//! Invariant: speaks as the chip does, in particular an answer of 4 bits (ACK, NAK) is a CRC error to it while it checks
//! CRCs; no bytes from the host make it panic or allocate without a bound.
//! Left out: being a target, the other modulations, power modes beyond waking up, GPIO.

pub(crate) mod chip;
mod frame;
mod line;

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::simulated_field::SimulatedField;

/// What goes wrong on the line between the host and the chip, with one command to a band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// The command never arrives: neither ACK nor answer, no effect.
    LoseCommand,
    /// The chip's ACK is lost; the command is carried out and answered.
    DropAck,
    /// The answer is lost; the command is carried out.
    DropReply,
    /// The answer's checksum is wrong.
    CorruptReply,
    /// The answer ends in the middle.
    TruncateReply,
    /// The chip says that it did not understand; no effect.
    Nack,
    /// The answer's status has bit 7 set, upon which libnfc ends its process.
    BadStatus,
    /// The answer comes so much later.
    Slow(Duration),
    /// The line is pulled after the command was carried out.
    UnplugAfter,
}

/// Handle of a simulated PN532. Dropping it pulls the line.
pub struct Pn532Simulator {
    field: SimulatedField,
    line: Arc<LineState>,
    path: Option<PathBuf>,
    thread: Option<JoinHandle<()>>,
}

/// What the hand and the line's thread share.
#[derive(Debug, Default)]
struct LineState {
    stop: AtomicBool,
    has_bus_time: AtomicBool,
    /// Commands to a band until the fault strikes (1: the next one), and the fault.
    fault: Mutex<Option<(u32, LineFault)>>,
    bus: Mutex<Duration>,
}

impl LineState {
    /// The fault that strikes at this command to a band.
    fn strikes(&self) -> Option<LineFault> {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, what) = (*fault)?;
        *fault = (left > 1).then_some((left.saturating_sub(1), what));
        (left <= 1).then_some(what)
    }
}

impl Pn532Simulator {
    /// Behind a pseudo-terminal that `path` (a symbolic link made here) leads to. While the field is unplugged the link is
    /// away and whoever had it open gets errors; plugged in again it is another terminal behind the same link.
    pub fn behind_pty(path: &Path, field: &SimulatedField) -> io::Result<Self> {
        let (first, end) = line::Pty::open(path)?;
        let (path, own, line) = (path.to_owned(), field.clone(), Arc::<LineState>::default());
        let (state, link) = (Arc::clone(&line), path.clone());
        let thread = thread::Builder::new().name("pn532".into()).spawn(move || {
            line::serve_pty(&link, (first, end), &own, &state);
        })?;
        Ok(Self { field: field.clone(), line, path: Some(path), thread: Some(thread) })
    }

    /// At the other end of a stream, until that is closed or the field is unplugged.
    pub fn on_stream(stream: UnixStream, field: &SimulatedField) -> io::Result<Self> {
        let (own, line) = (field.clone(), Arc::<LineState>::default());
        let state = Arc::clone(&line);
        let thread = thread::Builder::new().name("pn532".into()).spawn(move || {
            line::serve(OwnedFd::from(stream), &own, &state);
        })?;
        Ok(Self { field: field.clone(), line, path: None, thread: Some(thread) })
    }

    /// Its field.
    pub fn field(&self) -> &SimulatedField {
        &self.field
    }

    /// libnfc's connection string of a simulator behind a pseudo-terminal.
    pub fn connection_string(&self) -> Option<String> {
        self.path.as_ref().map(|path| format!("pn532_uart:{}", path.display()))
    }

    /// Bytes take as long as at 115,200 baud, from now on.
    pub fn takes_bus_time(&self, takes: bool) {
        self.line.has_bus_time.store(takes, Ordering::Relaxed);
    }

    /// What the bytes since this was last asked take at 115,200 baud.
    pub fn take_bus_time(&self) -> Duration {
        std::mem::take(&mut *self.line.bus.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets a fault strike at the `nth` command to a band from now (1: the next).
    pub fn fault(&self, fault: LineFault, nth: u32) {
        *self.line.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some((nth.max(1), fault));
    }
}

impl Drop for Pn532Simulator {
    fn drop(&mut self) {
        self.line.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // a panic there has been printed already, and nothing is left to be saved here
            thread.join().ok();
        }
    }
}

#[cfg(test)]
mod tests;
