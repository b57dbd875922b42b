//! Tells systemd that the box is ready, and from then on that the loop which serves taps still turns. When that is not told
//! for `WatchdogSec` systemd ends the box and starts it again, as the processor's watchdog does with systemd itself.
//! Invariant: only that loop feeds it: nothing that lives on beside a hung reader keeps the box from being started again.
//! Without systemd none of this does anything.
use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use sd_notify::NotifyState;

use crate::station::lock;

/// It is fed so many times within the time that systemd waits.
const TIMES: u32 = 4;

/// The watchdog of this process.
pub(crate) struct Watchdog {
    /// `None`: nobody watches.
    every: Option<Duration>,
    fed: Mutex<Option<Instant>>,
}

impl Watchdog {
    /// As systemd asks for it (sd_watchdog_enabled(3)).
    pub(crate) fn of_systemd() -> Self {
        Self { every: sd_notify::watchdog_enabled().map(|within| within / TIMES), fed: Mutex::default() }
    }

    /// The loop has turned.
    pub(crate) fn turned(&self) {
        let Some(every) = self.every else { return };
        let mut fed = lock(&self.fed);
        if fed.is_none_or(|since| since.elapsed() >= every) {
            *fed = Some(Instant::now());
            tell(NotifyState::Watchdog);
        }
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

    /// Ends it with the test.
    struct Started(Child);

    impl Drop for Started {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    #[test]
    fn systemds_watchdog_is_fed_while_taps_are_served_or_the_reader_is_tried_again_and_not_once_it_hangs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "watchdog::tests::a_box_whose_reader_is_away_and_then_hangs"]).env(IS_BOX, "");
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", WITHIN.as_micros().to_string());
        let _box = Started(command.stdout(std::process::Stdio::null()).spawn().unwrap());
        let mut fed = Vec::new();
        systemd.set_read_timeout(Some(BOUND)).unwrap();
        let mut told = [0; 64];
        while let Ok(length) = systemd.recv(&mut told) {
            assert_eq!(&told[..length], b"WATCHDOG=1\n");
            fed.push(Instant::now());
            // it hangs for much longer than this
            systemd.set_read_timeout(Some(BOUND / 6)).unwrap();
        }
        assert!(fed.len() >= 4, "{fed:?}");
    }
}
