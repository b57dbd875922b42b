//! A pcscd of one's own, beside the system's: it takes a folder for `/run` (in a mount name space of its own), so its
//! clients reach it by `PCSCLITE_CSOCK_NAME`.
//!
//! Invariant: it is gone when its handle is dropped. Needs Debian's `pcscd` and `util-linux`.

use std::{
    fs::{self, File},
    io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::socket;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);
/// The variable that leads PCSC-Lite's clients to another socket.
pub const SOCKET_VARIABLE: &str = "PCSCLITE_CSOCK_NAME";

/// A running pcscd.
#[derive(Debug)]
pub struct Pcscd {
    child: Child,
    folder: PathBuf,
}

impl Pcscd {
    /// Starts it in `folder` with this `reader.conf`, and waits until it listens.
    pub fn start(folder: &Path, reader_conf: &str) -> io::Result<Self> {
        let (run, conf) = (folder.join("run"), folder.join("conf"));
        fs::create_dir_all(run.join("pcscd"))?;
        fs::create_dir_all(&conf)?;
        fs::write(conf.join("readers"), reader_conf)?;
        let log = File::options().create(true).append(true).open(folder.join("log"))?;
        let script = "mount --bind \"$0\" /run && exec pcscd --foreground --info --config \"$1\"";
        let child = Command::new("unshare")
            // nobody need be root: whoever starts it is root in a name space of its own
            .args(["--mount", "--map-root-user", "sh", "-c", script])
            .args([&run, &conf])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let daemon = Self { child, folder: folder.to_owned() };
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = UnixStream::connect(daemon.socket()) {
            if Instant::now() >= deadline {
                return Err(io::Error::new(error.kind(), format!("pcscd does not listen; it said: {}", daemon.log())));
            }
            thread::sleep(socket::RETRY);
        }
        Ok(daemon)
    }

    /// Where its clients find it.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("run/pcscd/pcscd.comm")
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Pcscd {
    fn drop(&mut self) {
        // one that has ended already needs neither
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
