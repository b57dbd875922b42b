//! An ESC/POS printer: on the network (raw, port 9100) or on USB (the kernel's printer class, `/dev/usb/lp0`).
//! Invariant: opening, asking, sending and handing over each end after a fixed time, whatever the printer does; a receipt
//! counts as printed only where nothing that it answered can cut it.
//! Not here: what is printed (`receipt`).
use std::{
    fs::OpenOptions,
    net::TcpStream,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    time::{Duration, Instant},
};

use hardware::printer::{Printer, PrinterError};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    io::Errno,
    net::{Shutdown, shutdown, sockopt::set_tcp_user_timeout},
};

use super::config::PrinterConfig;

/// A printer on the network answers within this time, or is away.
const CONNECT: Duration = Duration::from_secs(1);
/// One that answers status requests does so within this time; many never do.
const STATUS: Duration = Duration::from_millis(400);
/// A whole receipt is taken within this time: a slow printer buffers little.
const SEND: Duration = Duration::from_secs(10);
/// A printer on the network that takes nothing for so long has stopped: the kernel ends the connection then.
const TAKES_NOTHING: Duration = Duration::from_secs(3);
/// One that took everything closes the connection within this time; some keep it open.
const HAND_OVER: Duration = Duration::from_secs(5);

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
            give_up_after(&stream, TAKES_NOTHING).map_err(|error| PrinterError::Away(error.to_string()))?;
            return Ok(stream.into());
        }
        let path = self.config.path.as_ref().ok_or_else(|| PrinterError::Away("no path".into()))?;
        let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or(0);
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
        file.map(OwnedFd::from).map_err(away)
    }
}

/// Has the kernel end a connection on which nothing of what was sent is taken for so long.
fn give_up_after(printer: impl AsFd, time: Duration) -> Result<(), Errno> {
    set_tcp_user_timeout(printer, u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
}

/// Waits until the printer can be written to or read from; false if it could not in time, or the time is over.
fn is_ready_by(printer: &OwnedFd, flags: PollFlags, deadline: Instant) -> Result<bool, Errno> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
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

/// Waits until a printer on the network has taken all that was sent.
///
/// A connection that is closed while an answer lies there unread, or before one arrives, ends with a reset, and what the
/// printer had not taken yet is lost. So we only say that nothing more comes, and drop what it answers until it closes too.
///
/// A deadline that passes is no failure: the kernel would have ended the connection if the printer had taken nothing
/// ([`TAKES_NOTHING`]), so it has everything and keeps the connection open, or goes on taking, and the kernel sends it the
/// rest. To print again would give the guest two.
fn hand_over(printer: &OwnedFd, deadline: Instant) -> Result<(), PrinterError> {
    let stopped = |error: Errno| PrinterError::Stopped(error.to_string());
    shutdown(printer, Shutdown::Write).map_err(stopped)?;
    while is_ready_by(printer, PollFlags::IN, deadline).map_err(stopped)? {
        match rustix::io::read(printer, &mut [0; 256]) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
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
        send(&printer, receipt, Instant::now() + SEND)?;
        if self.config.address.is_none() {
            return Ok(());
        }
        hand_over(&printer, Instant::now() + HAND_OVER)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{SocketAddr, TcpListener},
        sync::mpsc,
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
    fn a_printer_that_answers_late_and_takes_slowly_gets_the_whole_receipt() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut printer = at(listener.local_addr().unwrap());
        let (asked_in_vain, late) = mpsc::channel();
        let (answered, waits) = mpsc::channel();
        let printed = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 3]).unwrap();
            late.recv().unwrap();
            stream.write_all(&[ANSWER]).unwrap();
            answered.send(()).unwrap();
            let (mut printed, mut line) = (Vec::<u8>::new(), [0; 4096]);
            loop {
                match stream.read(&mut line) {
                    Ok(0) => return Ok(printed),
                    Ok(taken) => printed.extend(&line[..taken]),
                    Err(error) => return Err((printed.len(), error.kind())),
                }
                // as long as the line takes on paper
                thread::sleep(Duration::from_millis(5));
            }
        });
        let receipt: Vec<u8> = (0..200_000u32).map(|n| n.to_le_bytes()[0]).collect();
        printer.is_ready().unwrap();
        asked_in_vain.send(()).unwrap();
        waits.recv().unwrap();
        printer.print(&receipt).unwrap();
        assert!(printed.join().unwrap().unwrap() == receipt);
    }

    /// A connection to a printer, and the printer's end. It takes nothing that nobody reads there.
    fn connected() -> (OwnedFd, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        (stream.into(), listener.accept().unwrap().0)
    }

    const SHORT: Duration = Duration::from_millis(300);

    #[test]
    fn a_printer_that_keeps_the_connection_open_has_printed() {
        let (here, mut printer) = connected();
        give_up_after(&here, SHORT).unwrap();
        send(&here, b"receipt", Instant::now() + SHORT).unwrap();
        let begun = Instant::now();
        // it answers late, and again and again
        printer.write_all(&[ANSWER; 1000]).unwrap();
        assert_eq!(hand_over(&here, begun + SHORT * 3), Ok(()));
        assert!(begun.elapsed() >= SHORT * 3, "it might still have stopped");
        drop(here);
        let mut printed = Vec::new();
        printer.read_to_end(&mut printed).unwrap();
        assert_eq!(printed, b"receipt");
    }

    #[test]
    fn a_printer_that_takes_no_more_of_a_receipt_has_stopped() {
        let (here, _printer) = connected();
        give_up_after(&here, SHORT).unwrap();
        let (begun, endless) = (Instant::now(), vec![0; 64 << 20]);
        let buffered = send(&here, &endless, begun + SHORT / 3);
        assert!(buffered.is_err(), "more than all buffers hold");
        assert!(matches!(hand_over(&here, begun + HAND_OVER), Err(PrinterError::Stopped(_))));
        assert!(begun.elapsed() < HAND_OVER);
    }

    #[test]
    fn a_printer_that_closes_before_it_read_the_receipt_has_stopped() {
        let (here, printer) = connected();
        send(&here, b"receipt", Instant::now() + SHORT).unwrap();
        drop(printer);
        assert!(matches!(hand_over(&here, Instant::now() + HAND_OVER), Err(PrinterError::Stopped(_))));
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
