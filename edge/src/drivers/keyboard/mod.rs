//! A scanner that types its codes as a keyboard ("wedge"), read through evdev with an exclusive grab: nothing that it
//! types reaches a console or a browser.
//! Invariant: an event that the kernel dropped spoils the code it belonged to and is never guessed.
//! Not here: what keys mean (`decode`, `layout`).
mod decode;
mod layout;

use std::{
    collections::VecDeque,
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use evdev::{EventSummary, KeyCode, LedCode, SynchronizationCode, raw_stream::RawDevice};
use hardware::code::{CodeScanner, ScannedCode, ScannerError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use self::decode::{Decoder, Move};
use super::{config::ScannerConfig, failed, usb};

/// What the kernel answers for a device that is gone (`ENODEV`).
const NO_DEVICE: i32 = 19;

/// A [`CodeScanner`] that types.
pub(super) struct KeyboardScanner {
    device: RawDevice,
    decoder: Decoder,
    /// Codes that arrived together; one read of the device holds few events.
    ready: VecDeque<Result<ScannedCode, ScannerError>>,
}

impl KeyboardScanner {
    /// Opens the device that the file names, and takes it for itself.
    pub(super) fn open(config: &ScannerConfig) -> Result<Self, ScannerError> {
        let mut device = match &config.path {
            Some(path) => RawDevice::open(path).map_err(|error| failed(path, &error))?,
            None => on_usb(config).ok_or(ScannerError::Unplugged)?,
        };
        device.grab().map_err(|error| ScannerError::Io(format!("somebody else reads this scanner: {error}")))?;
        let caps = device.get_led_state().is_ok_and(|leds| leds.contains(LedCode::LED_CAPSL));
        let decoder = Decoder::new(config.layout, caps, Instant::now());
        Ok(Self { device, decoder, ready: VecDeque::new() })
    }

    fn take_events(&mut self) -> Result<(), ScannerError> {
        let now = Instant::now();
        let events = self.device.fetch_events().map_err(|error| match error.raw_os_error() {
            Some(NO_DEVICE) => ScannerError::Unplugged,
            _ => ScannerError::Io(error.to_string()),
        })?;
        for event in events {
            let event = event.destructure();
            if let EventSummary::Key(_, key, value) = event {
                let moved = if value == 0 { Move::Up } else { Move::Down };
                self.ready.extend(self.decoder.key(key, moved, now));
            } else if matches!(event, EventSummary::Synchronization(_, SynchronizationCode::SYN_DROPPED, _)) {
                self.decoder.lost();
            }
        }
        Ok(())
    }
}

/// The first of its devices that has an Enter key: a scanner may be several devices.
fn on_usb(config: &ScannerConfig) -> Option<RawDevice> {
    let names = usb::names(Path::new("/sys/class/input"), config.usb?);
    let paths =
        names.iter().filter(|name| name.starts_with("event")).map(|name| PathBuf::from("/dev/input").join(name));
    paths.filter_map(|path| RawDevice::open(path).ok()).find(types)
}

fn types(device: &RawDevice) -> bool {
    device.supported_keys().is_some_and(|keys| keys.contains(KeyCode::KEY_ENTER) && keys.contains(KeyCode::KEY_A))
}

impl CodeScanner for KeyboardScanner {
    fn next_code(&mut self, wait: Duration) -> Result<Option<ScannedCode>, ScannerError> {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(code) = self.ready.pop_front() {
                return code.map(Some);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let timeout = Timespec::try_from(left).map_err(|error| ScannerError::Io(error.to_string()))?;
            let mut waiting = [PollFd::from_borrowed_fd(self.device.as_fd(), PollFlags::IN)];
            match poll(&mut waiting, Some(&timeout)) {
                Ok(0) => return Ok(None),
                Ok(_) if waiting[0].revents().contains(PollFlags::IN) => self.take_events()?,
                Ok(_) => return Err(ScannerError::Unplugged),
                Err(error) if error == rustix::io::Errno::INTR => {}
                Err(error) => return Err(ScannerError::Io(error.to_string())),
            }
        }
    }
}
