//! A PN532 on a serial line, I²C or SPI, through libnfc.
//!
//! libnfc neither locks its port nor survives everything: the port is locked here, and this runs in a process of its own.
//! The chip takes the 4 bits of an ACK or NAK for a CRC error; so commands are sent as raw bytes
//! (InCommunicateThru) with the CRC made and checked here, which tells the two apart.
//! Invariant: what may have reached the tag without an answer is never reported as refused.
//! Not here: tags (`type2`), light and buzzer (a PN532 has none).
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use hardware::{
    crc_a,
    signal::Signal,
    tag::{MAX_EXCHANGE, ReaderError, Tag, TagReader, Uid},
};
use nfc1::{BaudRate, Context, Device, Error, Modulation, ModulationType, Property, Timeout, target_info::TargetInfo};
use rustix::fs::{FlockOperation, OFlags, flock};

use super::type2::{self, Found, RawReader};

/// Pause between two looks at a tag that lies there, on top of what a look takes.
const PAUSE: Duration = Duration::from_millis(2);
/// The same at an empty field: a guest waits for it. On a real line a look takes some milliseconds by itself.
const EMPTY_PAUSE: Duration = Duration::from_micros(300);
/// How long the chip may take for a command to a tag; it gives up by itself after 51 ms.
const ANSWER: Duration = Duration::from_millis(250);
const TYPE_A: Modulation = Modulation { modulation_type: ModulationType::Iso14443a, baud_rate: BaudRate::Baud106 };

/// One PN532.
pub(super) struct Pn532Reader {
    device: Device,
    // libnfc's device refers to it: dropped after the device
    _context: Context,
    _lock: File,
    port: PathBuf,
    reported: Option<Tag>,
    /// The reported tag answers commands.
    is_selected: bool,
}

impl Pn532Reader {
    /// Opens the reader of this connection string. Gives its name too.
    pub(super) fn open(connection: &str) -> Result<(Self, String), ReaderError> {
        let port = PathBuf::from(connection.split(':').nth(1).unwrap_or_default());
        let lock = lock_port(&port)?;
        let mut context = Context::new().map_err(|error| failed(&port, error))?;
        let mut device = context
            .open_with_connstring(connection)
            .map_err(|_| ReaderError::Io(format!("no PN532 answers at {connection}")))?;
        device
            .initiator_init()
            // without this a search waits for ever, and breaks off after 350 ms
            .and_then(|()| device.set_property_bool(Property::InfiniteSelect, false))
            .and_then(|()| device.set_property_bool(Property::EasyFraming, false))
            .map_err(|error| failed(&port, error))?;
        let name = device.name().to_owned();
        Ok((Self { device, _context: context, _lock: lock, port, reported: None, is_selected: false }, name))
    }

    /// Who makes and checks CRCs: the firmware while it selects, this driver while it exchanges bytes.
    fn firmware_checks_crc(&mut self, checks: bool) -> Result<(), ReaderError> {
        self.device.set_property_bool(Property::HandleCrc, checks).map_err(|error| failed(&self.port, error))
    }
}

/// Locks the port against a second driver; libnfc would share it with anybody.
fn lock_port(port: &Path) -> Result<File, ReaderError> {
    let flags = OFlags::NOCTTY.union(OFlags::NONBLOCK);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
        .open(port)
        .map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                return ReaderError::Unplugged;
            }
            ReaderError::Io(format!("{}: {error}", port.display()))
        })?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| ReaderError::Io(format!("{} is used by another program", port.display())))?;
    Ok(file)
}

/// What libnfc says, unless the port itself is gone.
fn failed(port: &Path, error: Error) -> ReaderError {
    if !port.exists() {
        return ReaderError::Unplugged;
    }
    ReaderError::Io(format!("libnfc: {error}"))
}

impl RawReader for Pn532Reader {
    fn select(&mut self) -> Result<Option<Found>, ReaderError> {
        self.is_selected = false;
        self.firmware_checks_crc(true)?;
        let target = match self.device.initiator_select_passive_target(&TYPE_A) {
            Ok(target) => target,
            Err(Error::RfTransmissionError | Error::TargetReleased) => return Ok(None),
            Err(error) => return Err(failed(&self.port, error)),
        };
        let TargetInfo::Iso14443a(found) = target.target_info else { return Ok(None) };
        // an empty field is a target without a UID
        let Ok(uid) = Uid::from_bytes(found.uid.get(..found.uid_len).unwrap_or_default()) else { return Ok(None) };
        self.is_selected = true;
        Ok(Some(Found { uid, is_type2: found.sak == 0x00 }))
    }

    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
        self.firmware_checks_crc(false)?;
        let mut sent = command.to_vec();
        sent.extend(crc_a::of(command));
        let received = self.device.initiator_transceive_bytes(&sent, MAX_EXCHANGE + 2, Timeout::Duration(ANSWER));
        let answer = match received {
            Ok(frame) => type2::answer(&frame),
            Err(Error::RfTransmissionError | Error::TargetReleased | Error::MifareAuthFailed) => {
                Err(ReaderError::TagGone)
            }
            Err(Error::Chip | Error::BufferOverflow) => Err(ReaderError::Malformed),
            Err(error) => Err(failed(&self.port, error)),
        };
        self.is_selected &= matches!(answer, Ok(_) | Err(ReaderError::Malformed));
        answer
    }
}

impl TagReader for Pn532Reader {
    fn poll_tag(&mut self) -> Result<Option<Tag>, ReaderError> {
        let before = self.reported.take();
        if before.is_some() && self.is_selected {
            thread::sleep(PAUSE);
        }
        let Some(found) = self.select()? else {
            thread::sleep(EMPTY_PAUSE);
            return Ok(None);
        };
        match before {
            Some(tag) if tag.uid == found.uid => self.reported = Some(tag),
            // another one: the first has left in between
            Some(_) => {}
            None => {
                let kind = type2::kind(self, &found)?;
                self.reported = kind.map(|kind| Tag { uid: found.uid, kind });
            }
        }
        Ok(self.reported)
    }

    fn transceive(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
        if command.len() > MAX_EXCHANGE {
            return Err(ReaderError::Malformed);
        }
        if self.reported.is_none() || !self.is_selected {
            return Err(ReaderError::TagGone);
        }
        self.exchange(command)
    }

    fn signal(&mut self, _: Signal) -> Result<(), ReaderError> {
        Ok(())
    }
}
