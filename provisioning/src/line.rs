//! The line to a blank box: `unix:PATH`, `tcp:ADDR`, `serial:PATH` or `stdio`, as one stream of bytes.
//! Invariant: a box that says nothing does not hold the technician for ever (on `stdio` the other program ends it).
//! Not here: what is said (`sync::enrolment`).
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    os::unix::net::UnixStream,
    time::Duration,
};

use rustix::termios::{self, OptionalActions, SpecialCodeIndex};

use crate::Failure;

/// How long a box may be silent.
pub const SILENCE: Duration = Duration::from_secs(20);

/// An open line.
pub enum Line {
    /// A box on this host, or a socket forwarded from one.
    Unix(UnixStream),
    /// A box on this host, or at the end of a tunnel: what travels is not encrypted.
    Tcp(TcpStream),
    /// A box on a serial line or USB gadget.
    Serial(File),
    /// Standard input and output of this process.
    Stdio,
}

impl Line {
    /// Opens the line that `target` names.
    pub fn open(target: &str) -> Result<Self, Failure> {
        let broken = |error: io::Error| Failure::Line { target: target.into(), reason: error.to_string() };
        if target == "stdio" {
            return Ok(Self::Stdio);
        }
        match target.split_once(':') {
            Some(("unix", path)) => unix(path).map_err(broken),
            Some(("tcp", address)) => tcp(address).map_err(broken),
            Some(("serial", path)) => serial(path).map_err(broken),
            Some(_) | None => Err(Failure::Address(target.into())),
        }
    }
}

fn unix(path: &str) -> io::Result<Line> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    Ok(Line::Unix(stream))
}

fn tcp(address: &str) -> io::Result<Line> {
    let address = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    if !address.ip().is_loopback() {
        let reason = "the line carries the wristbands' keys in clear: use a cable, or an SSH tunnel to this host";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    let stream = TcpStream::connect_timeout(&address, SILENCE)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    stream.set_nodelay(true)?;
    Ok(Line::Tcp(stream))
}

/// Raw mode, 115,200 baud (a USB gadget ignores it); a read gives up after [`SILENCE`] (termios counts tenths).
fn serial(path: &str) -> io::Result<Line> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut settings = termios::tcgetattr(&file)?;
    settings.make_raw();
    settings.set_speed(115_200)?;
    settings.special_codes[SpecialCodeIndex::VMIN] = 0;
    settings.special_codes[SpecialCodeIndex::VTIME] = u8::try_from(SILENCE.as_millis() / 100).unwrap_or(u8::MAX);
    termios::tcsetattr(&file, OptionalActions::Flush, &settings)?;
    Ok(Line::Serial(file))
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
            Self::Serial(file) => file.read(buffer),
            Self::Stdio => io::stdin().lock().read(buffer),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
            Self::Serial(file) => file.write(bytes),
            Self::Stdio => io::stdout().lock().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.flush(),
            Self::Tcp(stream) => stream.flush(),
            Self::Serial(file) => file.flush(),
            Self::Stdio => io::stdout().lock().flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_named_by_its_kind_and_its_place() {
        assert!(matches!(Line::open("stdio"), Ok(Line::Stdio)));
        for target in ["", "unix", "usb:1", "10.0.0.5:4"] {
            assert_eq!(Line::open(target).err(), Some(Failure::Address(target.into())));
        }
        assert!(matches!(Line::open("unix:/nowhere/at/all"), Err(Failure::Line { .. })));
        assert!(matches!(Line::open("tcp:192.0.2.1:4433"), Err(Failure::Line { .. })), "not over a network");
        assert!(matches!(Line::open("serial:/dev/null"), Err(Failure::Line { .. })), "not a terminal");
    }
}
