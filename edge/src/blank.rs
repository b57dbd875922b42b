//! A blank box waits for a technician, on any byte stream.
//! Invariant: the receipt leaves after key, grant and bundle are on disk.
//! Not here: the protocol (`sync::enrolment`).
use std::{
    io::{Read, Write},
    net::TcpListener,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use sync::{
    FrameReader,
    enrolment::{BlankBox, BlankStep, EnrolFrame, Refusal},
};

use crate::config;

/// Where the technician comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `unix:PATH`.
    Unix(PathBuf),
    /// `tcp:ADDRESS`, for a bench; the stream carries band keys, so loopback only.
    Tcp(std::net::SocketAddr),
    /// `stdio`, as behind a serial login.
    Stdio,
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(path.into())),
            Some(("tcp", address)) => match address.parse::<std::net::SocketAddr>() {
                Ok(address) if address.ip().is_loopback() => Ok(Self::Tcp(address)),
                Ok(_) => Err("enrolment carries the wristbands' keys: tcp: only listens on this machine".into()),
                Err(_) => Err(format!("{address:?} is not an address and port")),
            },
            None if text == "stdio" => Ok(Self::Stdio),
            _ => Err("unix:PATH, tcp:ADDRESS or stdio".into()),
        }
    }
}

struct Stdio;

impl Read for Stdio {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        std::io::stdin().read(buffer)
    }
}

impl Write for Stdio {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::stdout().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stdout().flush()
    }
}

/// A tool that says nothing for so long makes room for the next one.
const SILENCE: Duration = Duration::from_secs(60);

/// Waits until a technician has enrolled this box. A failed attempt is told to both sides, and the next one awaited.
pub fn wait(dir: &Path, listen: &Listen) -> Result<()> {
    config::identity(dir)?;
    match listen {
        Listen::Stdio => attempt(dir, &mut Stdio),
        Listen::Tcp(address) => {
            let listener = TcpListener::bind(address).with_context(|| address.to_string())?;
            until_enrolled(dir, || {
                let (stream, _) = listener.accept()?;
                stream.set_read_timeout(Some(SILENCE))?;
                stream.set_write_timeout(Some(SILENCE))?;
                Ok(stream)
            })
        }
        Listen::Unix(path) => {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).context("stale socket");
                }
                _ => {}
            }
            let listener = UnixListener::bind(path).with_context(|| path.display().to_string())?;
            until_enrolled(dir, || {
                let (stream, _) = listener.accept()?;
                stream.set_read_timeout(Some(SILENCE))?;
                stream.set_write_timeout(Some(SILENCE))?;
                Ok(stream)
            })
        }
    }
}

fn until_enrolled<S: Read + Write>(dir: &Path, mut accept: impl FnMut() -> std::io::Result<S>) -> Result<()> {
    loop {
        let mut stream = accept().context("waiting for a technician")?;
        match attempt(dir, &mut stream) {
            Ok(()) => return Ok(()),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "enrolment failed"),
        }
    }
}

/// One attempt on one stream.
fn attempt(dir: &Path, stream: &mut (impl Read + Write)) -> Result<()> {
    let outcome = pump(dir, stream);
    if let Err(error) = &outcome {
        let mut text = format!("{error:#}");
        text.truncate(text.floor_char_boundary(400));
        if let Ok(bytes) = EnrolFrame::Refusal(Refusal { text }).encode() {
            // the other side may be gone: the error itself is what counts
            let _ = stream.write_all(&bytes).and_then(|()| stream.flush());
        }
    }
    outcome
}

fn pump(dir: &Path, stream: &mut (impl Read + Write)) -> Result<()> {
    let key = config::identity(dir)?;
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let mut blank = BlankBox::new(config::enrolled_in(dir, &key)?, hardware(), nonce);
    let mut frames = FrameReader::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        while let Some(raw) = frames.next_raw()? {
            match blank.frame(EnrolFrame::from_raw(&raw)?, &key)? {
                BlankStep::Wait => {}
                BlankStep::Send(frame) => send(stream, &frame)?,
                BlankStep::Store { enrolled, bundle } => {
                    config::store_enrolment(dir, &enrolled, &bundle)?;
                    return send(stream, &blank.stored(&key)?);
                }
            }
        }
        match stream.read(&mut buffer).context("the technician's cable")? {
            0 => bail!("the technician's tool went away"),
            length => frames.push(buffer.get(..length).unwrap_or_default()),
        }
    }
}

fn send(stream: &mut impl Write, frame: &EnrolFrame) -> Result<()> {
    stream.write_all(&frame.encode()?)?;
    stream.flush().context("the technician's cable")
}

/// Model and serial number, as the device tree says; else the machine's name.
fn hardware() -> String {
    let read = |path: &str| std::fs::read_to_string(path).map(|text| text.trim_matches(['\0', '\n', ' ']).to_owned());
    match (read("/proc/device-tree/model"), read("/proc/device-tree/serial-number")) {
        (Ok(model), Ok(serial)) => format!("{model} {serial}"),
        _ => read("/etc/hostname").unwrap_or_else(|_| "unknown".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listen_address_is_a_socket_a_local_port_or_the_terminal() {
        assert_eq!("unix:/run/x".parse(), Ok(Listen::Unix("/run/x".into())));
        assert_eq!("stdio".parse(), Ok(Listen::Stdio));
        assert!(matches!("tcp:127.0.0.1:0".parse(), Ok(Listen::Tcp(_))));
        for bad in ["tcp:0.0.0.0:1", "tcp:x", "unix:", "serial", ""] {
            assert!(bad.parse::<Listen>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tool_that_speaks_nonsense_is_told_so_and_leaves_the_box_blank() {
        let dir = tempfile::tempdir().unwrap();
        let (mut tool, mut cable) = std::os::unix::net::UnixStream::pair().unwrap();
        tool.write_all(&[7, 0, 0, 0, 99, 1, 2, 3, 4, 5, 6]).unwrap();
        tool.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(attempt(dir.path(), &mut cable).is_err());
        drop(cable);
        let mut answer = Vec::new();
        tool.read_to_end(&mut answer).unwrap();
        let mut frames = FrameReader::new();
        frames.push(&answer);
        let frame = EnrolFrame::from_raw(&frames.next_raw().unwrap().unwrap()).unwrap();
        assert!(matches!(frame, EnrolFrame::Refusal(_)));
        assert!(!dir.path().join(ENROLMENT_FILE).exists());
    }

    const ENROLMENT_FILE: &str = "enrolment.cbor";
}
