//! An ESC/POS printer: on the network (raw, port 9100) or on USB (the kernel's printer class, `/dev/usb/lp0`).
//! Invariant: opening, asking and sending each end after a fixed time, whatever the printer does.
//! Not here: what is printed (`receipt`).
use std::{
    fs::OpenOptions,
    net::TcpStream,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    time::{Duration, Instant},
};

use hardware::printer::{Printer, PrinterError};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    io::Errno,
};

use super::config::PrinterConfig;

/// A printer on the network answers within this time, or is away.
const CONNECT: Duration = Duration::from_secs(1);
/// One that answers status requests does so within this time; many never do.
const STATUS: Duration = Duration::from_millis(400);
/// A whole receipt is taken within this time: a slow printer buffers little.
const SEND: Duration = Duration::from_secs(10);

/// `DLE EOT 4`, transmit the paper sensor's status (Epson, "ESC/POS command reference", real-time commands).
const ASK_PAPER: [u8; 3] = [0x10, 0x04, 0x04];
/// Bits of the answer that never change, and their values.
const ANSWER_MASK: u8 = 0b1001_0011;
const ANSWER: u8 = 0b0001_0010;
/// Bits of the answer: the roll's end.
const PAPER_END: u8 = 0b0110_0000;

/// A [`Printer`] that is opened for each receipt: several boxes may share one.
pub(super) struct EscPosPrinter {
    config: PrinterConfig,
    open: Option<OwnedFd>,
}

impl EscPosPrinter {
    /// The printer that the file names; nothing is opened yet.
    pub(super) fn new(config: &PrinterConfig) -> Self {
        Self { config: config.clone(), open: None }
    }

    fn connect(&self) -> Result<OwnedFd, PrinterError> {
        let away = |error: std::io::Error| PrinterError::Away(error.to_string());
        if let Some(address) = &self.config.address {
            let stream = TcpStream::connect_timeout(address, CONNECT).map_err(away)?;
            stream.set_nonblocking(true).map_err(away)?;
            return Ok(stream.into());
        }
        let path = self.config.path.as_ref().ok_or_else(|| PrinterError::Away("no path".into()))?;
        let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or(0);
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
        file.map(OwnedFd::from).map_err(away)
    }
}

/// Waits until the printer can be written to or read from; false if it could not in time.
fn is_ready_by(printer: &OwnedFd, flags: PollFlags, deadline: Instant) -> Result<bool, Errno> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left =
            Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(printer, flags)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

fn send(printer: &OwnedFd, mut bytes: &[u8], deadline: Instant) -> Result<(), PrinterError> {
    let stopped = |error: Errno| PrinterError::Stopped(error.to_string());
    while !bytes.is_empty() {
        if !is_ready_by(printer, PollFlags::OUT, deadline).map_err(stopped)? {
            return Err(PrinterError::Stopped("it takes nothing more".into()));
        }
        match rustix::io::write(printer, bytes) {
            Ok(taken) => bytes = bytes.get(taken..).unwrap_or_default(),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(stopped(error)),
        }
    }
    Ok(())
}

/// The paper sensor's answer; `None` from a printer that does not tell.
fn paper(printer: &OwnedFd) -> Result<Option<u8>, PrinterError> {
    let away = |error: Errno| PrinterError::Away(error.to_string());
    let deadline = Instant::now() + STATUS;
    send(printer, &ASK_PAPER, deadline).map_err(|error| PrinterError::Away(error.to_string()))?;
    while is_ready_by(printer, PollFlags::IN, deadline).map_err(away)? {
        let mut answer = [0; 16];
        match rustix::io::read(printer, &mut answer) {
            Ok(0) => return Ok(None),
            Ok(length) => {
                let told = answer[..length].iter().rfind(|byte| **byte & ANSWER_MASK == ANSWER);
                if told.is_some() {
                    return Ok(told.copied());
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(away(error)),
        }
    }
    Ok(None)
}

impl Printer for EscPosPrinter {
    fn is_ready(&mut self) -> Result<(), PrinterError> {
        self.open = None;
        let printer = self.connect()?;
        if paper(&printer)?.is_some_and(|status| status & PAPER_END != 0) {
            return Err(PrinterError::NoPaper);
        }
        self.open = Some(printer);
        Ok(())
    }

    fn print(&mut self, receipt: &[u8]) -> Result<(), PrinterError> {
        // closed after each receipt: a printer on the network serves one connection at a time
        let printer = match self.open.take() {
            Some(printer) => printer,
            None => self.connect()?,
        };
        send(&printer, receipt, Instant::now() + SEND)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{SocketAddr, TcpListener},
        thread,
    };

    use super::*;

    fn at(address: SocketAddr) -> EscPosPrinter {
        EscPosPrinter::new(&PrinterConfig { address: Some(address), path: None, columns: 42 })
    }

    /// A printer that answers the first status request like this and gives back all that it was sent.
    fn printer(answer: Option<u8>) -> (SocketAddr, thread::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serve = move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 3];
            stream.read_exact(&mut asked).unwrap();
            assert_eq!(asked, ASK_PAPER);
            stream.write_all(answer.as_slice()).unwrap();
            let mut printed = Vec::new();
            stream.read_to_end(&mut printed).unwrap();
            printed
        };
        (address, thread::spawn(serve))
    }

    #[test]
    fn a_printer_with_paper_or_without_a_word_gets_the_whole_receipt() {
        let receipt: Vec<u8> = (0..20_000u32).map(|n| n.to_le_bytes()[0]).collect();
        for answer in [Some(0b0001_0010), Some(0b0001_1110), None] {
            let (address, printed) = printer(answer);
            let mut printer = at(address);
            printer.is_ready().unwrap();
            printer.print(&receipt).unwrap();
            assert!(printed.join().unwrap() == receipt);
        }
    }

    #[test]
    fn a_printer_without_paper_prints_nothing() {
        let (address, printed) = printer(Some(0b0111_0010));
        assert_eq!(at(address).is_ready(), Err(PrinterError::NoPaper));
        assert_eq!(printed.join().unwrap(), b"");
    }

    #[test]
    fn a_printer_that_is_not_there_is_away() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(matches!(at(address).is_ready(), Err(PrinterError::Away(_))));
        let nowhere = PrinterConfig { address: None, path: Some("/dev/usb/none".into()), columns: 42 };
        assert!(matches!(EscPosPrinter::new(&nowhere).is_ready(), Err(PrinterError::Away(_))));
    }

    #[test]
    fn a_printer_that_takes_nothing_more_is_given_up_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stuck = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stuck.set_nonblocking(true).unwrap();
        let (_held, _) = listener.accept().unwrap();
        let (begun, endless) = (Instant::now(), vec![0; 64 << 20]);
        let sent = send(&stuck.into(), &endless, begun + Duration::from_millis(300));
        assert!(matches!(sent, Err(PrinterError::Stopped(_))));
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
