//! The broker of a LAN: a real Mosquitto with the configuration that boxes get, on a port of its own.
//! Not here: what boxes say over it (`edge::lan`).
use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// Mosquitto's program, where there is one; Debian keeps it where not every user looks.
pub fn program() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let searched = std::env::split_paths(&folders).chain(["/usr/sbin".into()]);
    searched.map(|folder| folder.join("mosquitto")).find(|program| program.is_file())
}

/// A broker, started and stopped at will; it keeps its address.
pub struct Broker {
    address: SocketAddr,
    dir: PathBuf,
    process: Mutex<Option<Child>>,
}

impl Broker {
    /// Starts one on a free port; its configuration and log lie in `dir`.
    pub fn start(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware-config/etc/mosquitto/festival.conf");
        let shipped = fs::read_to_string(shipped).context("the shipped configuration")?;
        ensure!(shipped.contains("\nlistener 1883\n"), "the shipped configuration has another listener");
        let here = format!("\nlistener {} 127.0.0.1\n", address.port());
        // started as root, Mosquitto becomes a user who may not write here; it writes nothing but its log
        fs::write(dir.join("mosquitto.conf"), shipped.replace("\nlistener 1883\n", &here))?;
        let broker = Self { address, dir: dir.into(), process: Mutex::new(None) };
        broker.again()?;
        Ok(broker)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts it again at the same address.
    pub fn again(&self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.dir.join("log"))?;
        let config = self.dir.join("mosquitto.conf");
        let mut command = Command::new(program().context("mosquitto is not installed (Debian package mosquitto)")?);
        command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().context("mosquitto")?;
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
        let end = Instant::now() + STARTS_WITHIN;
        while TcpStream::connect(self.address).is_err() {
            ensure!(Instant::now() < end, "mosquitto does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// SIGKILL.
    pub fn kill(&self) {
        if let Some(mut child) = self.process.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}
