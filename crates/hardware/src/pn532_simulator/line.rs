//! The line between the host and the chip: a pseudo-terminal or a stream, with what goes wrong on it.
//!
//! Invariant: whoever stops the simulator waits no longer than one look ([`LOOK`]) and one answer.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::{PoisonError, atomic::Ordering},
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{OptionalActions, tcgetattr, tcsetattr},
};

use super::{
    LineFault, LineState,
    chip::{Done, IN_COMMUNICATE_THRU, IN_DATA_EXCHANGE, Pn532},
    frame::{self, FrameFinder, FromHost},
};
use crate::simulated_field::SimulatedField;

/// How long the line is watched before the hand is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// A byte at 115,200 baud: start, 8 bits, stop.
const BYTE: Duration = Duration::from_nanos(86_806);

/// A pseudo-terminal with a link to it. Holds the host's end open as well, so that a host may come and go.
pub(super) struct Pty<'a> {
    link: &'a Path,
    _end: OwnedFd,
}

impl<'a> Pty<'a> {
    /// Gives the chip's end too.
    pub(super) fn open(link: &'a Path) -> io::Result<(OwnedFd, OwnedFd)> {
        let chip = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&chip)?;
        unlockpt(&chip)?;
        let name = ptsname(&chip, Vec::new())?;
        let host = rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut settings = tcgetattr(&host)?;
        settings.make_raw();
        tcsetattr(&host, OptionalActions::Now, &settings)?;
        match fs::symlink_metadata(link) {
            Ok(found) if found.file_type().is_symlink() => fs::remove_file(link)?,
            Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something that is no link")),
            Err(_) => {}
        }
        let target = name.to_str().map_err(io::Error::other)?;
        std::os::unix::fs::symlink(target, link)?;
        Ok((chip, host))
    }
}

impl Drop for Pty<'_> {
    fn drop(&mut self) {
        // it may have been removed with its folder
        fs::remove_file(self.link).ok();
    }
}

/// Serves terminals behind one link until it is stopped.
pub(super) fn serve_pty(link: &Path, first: (OwnedFd, OwnedFd), field: &SimulatedField, state: &LineState) {
    let mut next = Some(first);
    while !state.stop.load(Ordering::Relaxed) {
        match next.take() {
            Some((chip, host)) => {
                let pty = Pty { link, _end: host };
                serve(chip, field, state);
                drop(pty);
            }
            None if field.is_unplugged() => thread::sleep(LOOK),
            None => match Pty::open(link) {
                Ok(opened) => next = Some(opened),
                Err(_) => thread::sleep(LOOK),
            },
        }
    }
}

/// Serves one line until it is closed, unplugged or stopped.
pub(super) fn serve(line: OwnedFd, field: &SimulatedField, state: &LineState) {
    let mut line = Line { file: File::from(line), state, chip: Pn532::new(field.clone()), searching: None };
    let mut finder = FrameFinder::default();
    let mut piece = [0; 512];
    while !state.stop.load(Ordering::Relaxed) && !field.is_unplugged() {
        match line.is_readable() {
            Ok(false) => {
                if line.search_on().is_break() {
                    return;
                }
                continue;
            }
            Ok(true) => {}
            Err(_) => return,
        }
        match line.file.read(&mut piece) {
            Ok(0) => return,
            Ok(length) => {
                line.pass(length);
                finder.push(&piece[..length]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
        while let Some(said) = finder.next() {
            if line.hear(said).is_break() {
                return;
            }
        }
    }
}

struct Line<'a> {
    file: File,
    state: &'a LineState,
    chip: Pn532,
    /// A search without end that goes on.
    searching: Option<Vec<u8>>,
}

/// `Break`: the line is pulled.
type Goes = std::ops::ControlFlow<()>;
const ON: Goes = Goes::Continue(());
const PULLED: Goes = Goes::Break(());

impl Line<'_> {
    fn is_readable(&self) -> io::Result<bool> {
        let mut watched = [PollFd::from_borrowed_fd(self.file.as_fd(), PollFlags::IN)];
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK.subsec_nanos()) };
        match poll(&mut watched, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => Ok(false),
            Ok(_) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn hear(&mut self, said: FromHost) -> Goes {
        match said {
            FromHost::Ack => {
                self.searching = None;
                ON
            }
            // the host gives up after a NACK of its own, and asks again
            FromHost::Nack => ON,
            FromHost::Command(command) => self.carry_out(&command),
        }
    }

    fn carry_out(&mut self, command: &[u8]) -> Goes {
        let is_for_band = matches!(command.first(), Some(&(IN_COMMUNICATE_THRU | IN_DATA_EXCHANGE)));
        let fault = if is_for_band { self.state.strikes() } else { None };
        match fault {
            Some(LineFault::LoseCommand) => return ON,
            Some(LineFault::Nack) => return self.say(&frame::NACK),
            Some(LineFault::DropAck) => {}
            _ => {
                if self.say(&frame::ACK).is_break() {
                    return PULLED;
                }
            }
        }
        let mut done = self.chip.carry_out(command);
        if let (Some(LineFault::BadStatus), Done::Answer(answer)) = (fault, &mut done) {
            *answer = vec![0x80];
        }
        let code = command.first().copied().unwrap_or_default();
        let mut answer = match done {
            Done::Answer(parameters) => frame::answer(code, &parameters),
            Done::NoSuchCommand => frame::SYNTAX_ERROR.to_vec(),
            Done::Searching => {
                self.searching = Some(command.to_vec());
                return ON;
            }
            Done::Unplugged => return PULLED,
        };
        match fault {
            Some(LineFault::DropReply) => return ON,
            Some(LineFault::UnplugAfter) => return PULLED,
            Some(LineFault::CorruptReply) => {
                if let [.., sum, _] = answer.as_mut_slice() {
                    *sum ^= 0x55;
                }
            }
            Some(LineFault::TruncateReply) => answer.truncate(answer.len() / 2),
            Some(LineFault::Slow(how_long)) => thread::sleep(how_long),
            Some(LineFault::LoseCommand | LineFault::DropAck | LineFault::Nack | LineFault::BadStatus) | None => {}
        }
        self.say(&answer)
    }

    /// A search without end finds what has come since.
    fn search_on(&mut self) -> Goes {
        let Some(command) = self.searching.take() else { return ON };
        match self.chip.carry_out(&command) {
            Done::Answer(parameters) => {
                self.say(&frame::answer(command.first().copied().unwrap_or_default(), &parameters))
            }
            Done::Searching => {
                self.searching = Some(command);
                ON
            }
            Done::NoSuchCommand => ON,
            Done::Unplugged => PULLED,
        }
    }

    fn say(&mut self, bytes: &[u8]) -> Goes {
        self.pass(bytes.len());
        match self.file.write_all(bytes) {
            Ok(()) => ON,
            Err(_) => PULLED,
        }
    }

    /// Bytes take their time on the line.
    fn pass(&self, bytes: usize) {
        let takes = BYTE.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
        let mut bus = self.state.bus.lock().unwrap_or_else(PoisonError::into_inner);
        *bus = bus.saturating_add(takes);
        drop(bus);
        if self.state.has_bus_time.load(Ordering::Relaxed) {
            thread::sleep(takes);
        }
    }
}
