//! The real programs, as separate processes.
//! Invariant: whatever was started is gone when its handle is dropped; and where nobody is left to drop it, it ends by
//! itself, since its standard input ends with this process.
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// Where the programs were built: beside this one.
#[derive(Clone, Debug)]
pub struct Programs {
    dir: PathBuf,
    environment: Vec<(String, PathBuf)>,
}

/// What a daemon writes once it listens.
#[derive(Clone, Debug, Deserialize)]
pub struct Running {
    /// HTTPS address.
    pub https: std::net::SocketAddr,
    /// QUIC address, of a hub.
    pub quic: Option<std::net::SocketAddr>,
    /// Process id.
    pub pid: u32,
}

impl Programs {
    /// Builds them with the profile that this program was built with, showing cargo's own progress on standard error;
    /// where nothing has changed this takes a moment.
    pub fn build() -> Result<Self> {
        let dir = own_folder()?;
        let profile = dir.file_name().and_then(|name| name.to_str()).unwrap_or("debug");
        let target = dir.parent().context("no target folder")?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // with this package among them, so that what both need is built once and not with two sets of features
        build.args(["build", "-p", "evening", "-p", "edge", "-p", "sync-hub", "-p", "provisioning"]);
        build.args(["--bin", "edge", "--bin", "sync-hub", "--bin", "provision"]);
        if cfg!(feature = "appliance") {
            build.args(["--features", "evening/appliance"]);
        }
        // what `cargo run` tells this program about itself would make build scripts run anew
        let own = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| own.iter().any(|own| name.starts_with(own))) {
                build.env_remove(name);
            }
        }
        build.args(["--profile", if profile == "debug" { "dev" } else { profile }]);
        build.arg("--target-dir").arg(target).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        let built = build.stdin(Stdio::null()).stdout(std::io::stderr()).status().context("cargo build")?;
        if !built.success() {
            bail!("edge, sync-hub and provision could not be built ({built})");
        }
        Ok(Self { dir, environment: Vec::new() })
    }

    /// Builds them at the first call of this process.
    pub fn built() -> Result<&'static Self> {
        static BUILT: OnceLock<Result<Programs, String>> = OnceLock::new();
        let built = BUILT.get_or_init(|| Self::build().map_err(|error| format!("{error:#}")));
        built.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
    }

    /// The same, which find this in their environment.
    #[must_use]
    pub fn with(mut self, variable: &str, path: &Path) -> Self {
        self.environment.push((variable.into(), path.into()));
        self
    }

    /// A command of one of them.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.dir.join(program));
        command.envs(self.environment.iter().map(|(variable, path)| (variable, path)));
        command
    }

    /// Runs `provision` to its end; its message is the error when it fails.
    pub fn provision(&self, arguments: &[&str]) -> Result<String> {
        let Output { status, stdout, stderr } =
            self.command("provision").args(arguments).output().context("provision")?;
        if !status.success() {
            bail!("provision {}: {}", arguments.join(" "), String::from_utf8_lossy(&stderr).trim());
        }
        Ok(String::from_utf8_lossy(&stdout).into_owned())
    }
}

/// The profile's folder under `target`: a test stands one folder further down.
fn own_folder() -> Result<PathBuf> {
    let own = std::env::current_exe().context("where this program stands")?;
    let dir = own.parent().context("no folder")?;
    let is_tests = dir.file_name().is_some_and(|name| name == "deps" || name == "examples");
    Ok(if is_tests { dir.parent().context("no folder")?.into() } else { dir.into() })
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    /// Its own process, where `child` is another program that runs it.
    inner: Option<u32>,
    is_run_by_another: bool,
    dir: PathBuf,
    name: &'static str,
}

impl Daemon {
    /// Starts `program` with its log in `dir/log`; it is told to stop when this process is gone, however it went.
    pub fn start(programs: &Programs, program: &'static str, dir: &Path, arguments: &[&str]) -> Result<Self> {
        Self::start_under(&[], programs, program, dir, arguments)
    }

    /// The same, run by another program whose command line `under` begins (a tracer).
    pub fn start_under(
        under: &[String],
        programs: &Programs,
        program: &'static str,
        dir: &Path,
        arguments: &[&str],
    ) -> Result<Self> {
        let log = File::options().create(true).append(true).open(dir.join("log")).context("its log")?;
        match std::fs::remove_file(dir.join("run.json")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).context("run.json"),
            _ => {}
        }
        let mut command = programs.command(program);
        if let Some((tracer, words)) = under.split_first() {
            let traced = command;
            command = Command::new(tracer);
            command.args(words).arg(traced.get_program());
        }
        let child = command
            .args(arguments)
            // a blank box takes none: its line may be its standard input
            .args((arguments.first() != Some(&"blank")).then_some("--stop-with-stdin"))
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {program}"))?;
        Ok(Self { child, inner: None, is_run_by_another: !under.is_empty(), dir: dir.into(), name: program })
    }

    /// Waits until it says that it listens.
    pub fn wait_until_it_listens(&mut self, within: Duration) -> Result<Running> {
        let end = Instant::now() + within;
        loop {
            if let Ok(text) = std::fs::read_to_string(self.dir.join("run.json"))
                && let Ok(running) = serde_json::from_str::<Running>(&text)
                && (self.is_run_by_another || running.pid == self.child.id())
            {
                self.inner = self.is_run_by_another.then_some(running.pid);
                return Ok(running);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at once ({status}): {}", self.name, self.last_lines());
            }
            if Instant::now() > end {
                bail!("{} does not listen after {within:?}: {}", self.name, self.last_lines());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn last_lines(&self) -> String {
        let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(8).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Closes the other end of its standard input, as the end of this process does.
    pub fn let_go(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.inner.unwrap_or_else(|| self.child.id())
    }

    /// SIGKILL, as a power cut to the process.
    pub fn kill(&mut self) -> Result<()> {
        match self.inner {
            // whoever runs it sees it die, and ends then
            Some(inner) => drop(Command::new("kill").args(["-KILL", &inner.to_string()]).status().context("kill")?),
            None => self.child.kill().context("kill")?,
        }
        self.child.wait().context("wait")?;
        Ok(())
    }

    /// SIGTERM, and waits for its end.
    pub fn stop(&mut self, within: Duration) -> Result<ExitStatus> {
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status()?;
        if !asked.success() {
            bail!("{} is not running", self.name);
        }
        let end = Instant::now() + within;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("{} does not stop within {within:?}", self.name)
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = self.kill();
        }
        let _ = self.child.wait();
    }
}
