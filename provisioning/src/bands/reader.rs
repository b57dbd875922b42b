//! The technician's reader: which one, and what happens when it goes away.
//! Invariant: it is tried again a bounded number of times, with a pause, and never once the run is to stop.
//! Not here: how readers are driven (the program `edge`), what is laid on them (`desk`).
use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use hardware::{
    remote_reader::ReaderProcess,
    tag::{ReaderError, TagReader},
    virtual_reader::VirtualReader,
};

use super::{Event, IssuingDesk, Stop, Tally};
use crate::Failure;

/// Which reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReaderName {
    /// `pcsc` or `pcsc:NAME`: a PC/SC reader, by part of its name.
    Pcsc(Option<String>),
    /// `pn532:CONNSTRING`: libnfc's connection string.
    Pn532(String),
    /// `virtual:SOCKET`: a socket that is listened on, for trying without a reader.
    Virtual(PathBuf),
}

impl FromStr for ReaderName {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        match text.split_once(':') {
            None if text == "pcsc" => Ok(Self::Pcsc(None)),
            Some(("pcsc", name)) if !name.is_empty() => Ok(Self::Pcsc(Some(name.into()))),
            Some(("pn532", port)) if !port.is_empty() => Ok(Self::Pn532(port.into())),
            Some(("virtual", path)) if !path.is_empty() => Ok(Self::Virtual(path.into())),
            Some(_) | None => Err(Failure::ReaderName(text.into())),
        }
    }
}

impl ReaderName {
    /// Opens it. `edge` is the program that drives real readers.
    pub fn open(&self, edge: &Path) -> Result<Box<dyn TagReader>, ReaderError> {
        let arguments = match self {
            Self::Virtual(path) => {
                let reader = VirtualReader::bind(path).map_err(|error| ReaderError::Io(error.to_string()))?;
                return Ok(Box::new(reader));
            }
            Self::Pcsc(None) => vec!["pcsc"],
            Self::Pcsc(Some(name)) => vec!["pcsc", "--name", name],
            Self::Pn532(port) => vec!["pn532", "--port", port],
        };
        let mut command = Command::new(edge);
        // in a group of its own: Ctrl-C stops this run between two chips, not the driver in the midst of one
        command.args(["reader", "--driver"]).args(arguments).process_group(0);
        Ok(Box::new(ReaderProcess::start(command)?))
    }
}

/// How long a reader that went away is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How often it is tried again.
    pub tries: u32,
    /// Pause before the first time; it doubles up to `longest`.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Patience {
    /// Ten minutes.
    fn default() -> Self {
        Self { tries: 302, first: Duration::from_millis(250), longest: Duration::from_secs(2) }
    }
}

/// What whoever watches is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The reader is open.
    Ready,
    /// The reader is away, and why; it is waited for.
    Away(String),
    /// What came of one look at it.
    Event(Event),
}

/// How often a run that is to stop looks up while it pauses.
const LOOK_UP: Duration = Duration::from_millis(20);

/// Issues until the plan is fulfilled or `stop` is set. The reader is opened by `open`, again each time it fails; one
/// that cannot even be opened the first time, without being unplugged, is not waited for.
pub fn serve(
    desk: &mut IssuingDesk,
    patience: Patience,
    stop: &AtomicBool,
    now: &dyn Fn() -> u64,
    open: &mut dyn FnMut() -> Result<Box<dyn TagReader>, ReaderError>,
    watch: &mut dyn FnMut(Happening, &Tally),
) -> Result<(), Failure> {
    let stopped = || stop.load(Ordering::Relaxed);
    let mut tries = 0_u32;
    let mut pause = patience.first;
    let mut was_open = false;
    while !desk.is_done() && !stopped() {
        let error = match open() {
            Ok(mut reader) => {
                if !was_open || tries > 0 {
                    watch(Happening::Ready, desk.tally());
                }
                was_open = true;
                loop {
                    if desk.is_done() || stopped() {
                        return Ok(());
                    }
                    match desk.step(reader.as_mut(), now()) {
                        Ok(event) => {
                            (tries, pause) = (0, patience.first);
                            if event != Event::Nothing {
                                watch(Happening::Event(event), desk.tally());
                            }
                        }
                        Err(Stop::Reader(error)) => break error,
                        Err(Stop::Failed(failure)) => return Err(failure),
                    }
                }
            }
            Err(error) => error,
        };
        let is_out_of_reach = !was_open && error != ReaderError::Unplugged;
        if is_out_of_reach || tries >= patience.tries {
            return Err(Failure::ReaderAway(error.to_string()));
        }
        if tries == 0 {
            watch(Happening::Away(error.to_string()), desk.tally());
        }
        tries = tries.saturating_add(1);
        let mut left = pause;
        while !left.is_zero() && !stopped() {
            let slice = left.min(LOOK_UP);
            thread::sleep(slice);
            left = left.saturating_sub(slice);
        }
        pause = pause.saturating_mul(2).min(patience.longest);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_named_by_its_driver() {
        let name = |text: &str| text.parse::<ReaderName>();
        assert_eq!(name("pcsc"), Ok(ReaderName::Pcsc(None)));
        assert_eq!(name("pcsc:ACR122U"), Ok(ReaderName::Pcsc(Some("ACR122U".into()))));
        assert_eq!(name("pn532:pn532_uart:/dev/ttyUSB0"), Ok(ReaderName::Pn532("pn532_uart:/dev/ttyUSB0".into())));
        assert_eq!(name("virtual:/tmp/s"), Ok(ReaderName::Virtual("/tmp/s".into())));
        for bad in ["", "pn532", "pn532:", "virtual", "usb:1", "pcsc:"] {
            assert_eq!(name(bad), Err(Failure::ReaderName(bad.into())));
        }
    }

    #[test]
    fn a_driver_that_is_not_there_is_no_reader() {
        let opened = ReaderName::Pcsc(None).open(Path::new("/nowhere/edge")).map(|_| ());
        assert!(matches!(opened, Err(ReaderError::Io(why)) if why.contains("does not start")));
    }
}
