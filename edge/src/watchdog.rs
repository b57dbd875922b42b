//! Tells systemd that the box is ready, and from then on that the loop which serves taps still turns. When that is not told
//! for `WatchdogSec` systemd ends the box and starts it again, as the processor's watchdog does with systemd itself.
//! Invariant: only that loop feeds it, and not while the thread of another device that is in use hangs: nothing that lives
//! on beside a hung thread keeps the box from being started again. A device that is away, or is being opened, hangs nothing.
//! Without systemd none of this does anything.
use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use sd_notify::NotifyState;

use crate::station::lock;

/// It is fed so many times within the time that systemd waits.
const TIMES: u32 = 4;
/// A device's thread that has not turned for so many times the time that systemd waits hangs: what it does with a code or a
/// guest takes seconds at most, a bad card's flush aside.
const HANGS: u32 = 2;

/// The watchdog of this process.
pub(crate) struct Watchdog {
    /// `None`: nobody watches.
    every: Option<Duration>,
    fed: Mutex<Option<Instant>>,
    /// Devices in use, and when their threads turned last.
    looks: Mutex<BTreeMap<&'static str, Instant>>,
}

/// A device in use, until this is dropped.
pub(crate) struct Look<'a> {
    watchdog: &'a Watchdog,
    device: &'static str,
}

impl Look<'_> {
    /// Its thread has turned.
    pub(crate) fn turned(&self) {
        lock(&self.watchdog.looks).insert(self.device, Instant::now());
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        lock(&self.watchdog.looks).remove(self.device);
    }
}

impl Watchdog {
    /// As systemd asks for it (sd_watchdog_enabled(3)).
    pub(crate) fn of_systemd() -> Self {
        let every = sd_notify::watchdog_enabled().map(|within| within / TIMES);
        Self { every, fed: Mutex::default(), looks: Mutex::default() }
    }

    /// This device is in use from now on; one of each name.
    pub(crate) fn looks_at(&self, device: &'static str) -> Look<'_> {
        let look = Look { watchdog: self, device };
        look.turned();
        look
    }

    /// The loop that serves taps has turned.
    pub(crate) fn turned(&self) {
        let Some(every) = self.every else { return };
        let mut fed = lock(&self.fed);
        if fed.is_some_and(|since| since.elapsed() < every) {
            return;
        }
        *fed = Some(Instant::now());
        match self.hung(every.saturating_mul(TIMES).saturating_mul(HANGS)) {
            None => tell(NotifyState::Watchdog),
            Some(device) => tracing::error!(device, "its thread hangs: systemd is to start the box again"),
        }
    }

    fn hung(&self, limit: Duration) -> Option<&'static str> {
        let looks = lock(&self.looks);
        looks.iter().find(|(_, turned)| turned.elapsed() >= limit).map(|(device, _)| *device)
    }
}

/// The box serves.
pub(crate) fn is_ready() {
    tell(NotifyState::Ready);
}

/// The box was told to stop, and writes what it must.
pub(crate) fn is_stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        // systemd ends the box if this lasts
        tracing::warn!(%error, "systemd does not hear the box");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::net::UnixDatagram,
        process::{Child, Command},
        thread,
    };

    use hardware::{
        signal::Signal,
        tag::{ReaderError, Tag, TagReader},
    };

    use crate::{bench::Bench, devices};

    use super::*;

    const WITHIN: Duration = Duration::from_millis(400);
    const BOUND: Duration = Duration::from_secs(30);
    /// How often [`Hangs`] is looked at before it hangs.
    const LOOKS: u32 = 100;
    /// Tells the test below that it is the box.
    const IS_BOX: &str = "EDGE_WATCHDOG_TEST_IS_BOX";

    /// A reader that hangs at last.
    struct Hangs(u32);

    impl TagReader for Hangs {
        fn poll_tag(&mut self) -> Result<Option<Tag>, ReaderError> {
            self.0 += 1;
            thread::sleep(if self.0 < LOOKS { WITHIN / 40 } else { BOUND });
            Ok(None)
        }

        fn transceive(&mut self, _: &[u8]) -> Result<Vec<u8>, ReaderError> {
            Err(ReaderError::TagGone)
        }

        fn signal(&mut self, _: Signal) -> Result<(), ReaderError> {
            Ok(())
        }
    }

    #[test]
    fn a_box_whose_reader_is_away_and_then_hangs() {
        if std::env::var_os(IS_BOX).is_none() {
            return; // it is the other test that starts this
        }
        let bench = Bench::new();
        let mut opened = 0;
        devices::keep_reading(&bench.station, &mut || {
            opened += 1;
            if opened < 5 { Err(("reader.unplugged", String::new())) } else { Ok(Box::new(Hangs(0))) }
        });
    }

    /// Looked at for ever.
    struct Answers;

    impl TagReader for Answers {
        fn poll_tag(&mut self) -> Result<Option<Tag>, ReaderError> {
            thread::sleep(WITHIN / 40);
            Ok(None)
        }

        fn transceive(&mut self, _: &[u8]) -> Result<Vec<u8>, ReaderError> {
            Err(ReaderError::TagGone)
        }

        fn signal(&mut self, _: Signal) -> Result<(), ReaderError> {
            Ok(())
        }
    }

    #[test]
    fn a_box_whose_scanner_hangs_or_is_unplugged() {
        let Some(what) = std::env::var_os(IS_BOX) else { return };
        let bench = Bench::new();
        let look = bench.station.watchdog.looks_at("scanner");
        if what == "unplugged" {
            drop(look);
        } else {
            std::mem::forget(look);
        }
        devices::keep_reading(&bench.station, &mut || Ok(Box::new(Answers)));
    }

    /// Ends it with the test.
    struct Started(Child);

    impl Drop for Started {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    /// The box that this test of the program is, how often it feeds the watchdog until it has been silent for long or
    /// `most` is over, and whether it fell silent.
    fn fed(test: &str, what: &str, most: Duration) -> (usize, bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("watchdog::tests::{test}")]).env(IS_BOX, what);
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", WITHIN.as_micros().to_string());
        let _box = Started(command.stdout(std::process::Stdio::null()).spawn().unwrap());
        let (mut times, mut told) = (0, [0; 64]);
        systemd.set_read_timeout(Some(BOUND)).unwrap();
        let mut begun = Instant::now();
        while let Ok(length) = systemd.recv(&mut told) {
            assert_eq!(&told[..length], b"WATCHDOG=1\n");
            if times == 0 {
                begun = Instant::now();
                // it hangs for much longer than this
                systemd.set_read_timeout(Some(BOUND / 6)).unwrap();
            }
            times += 1;
            if begun.elapsed() > most {
                return (times, false);
            }
        }
        (times, true)
    }

    #[test]
    fn systemds_watchdog_is_fed_while_taps_are_served_or_the_reader_is_tried_again_and_not_once_it_hangs() {
        let (times, is_silent) = fed("a_box_whose_reader_is_away_and_then_hangs", "", BOUND);
        assert!(times >= 4 && is_silent, "{times}");
    }

    #[test]
    fn systemds_watchdog_is_fed_until_another_device_hangs_for_long_and_on_where_it_is_unplugged() {
        let box_whose = "a_box_whose_scanner_hangs_or_is_unplugged";
        let (times, is_silent) = fed(box_whose, "hangs", BOUND);
        assert!(times >= 4 && is_silent, "{times}");
        let (_, is_silent) = fed(box_whose, "unplugged", WITHIN * HANGS * 3);
        assert!(!is_silent);
    }
}
