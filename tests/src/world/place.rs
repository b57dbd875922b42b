//! One box at its place: its process, its wire, its reader and scanner, and its screens' door.
//! Invariant: killing it takes nothing away but the process; bands, wire and folder stay.
//! Not here: what people do there (`counter`).
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use hardware::{virtual_reader::VirtualField, virtual_scanner::VirtualEye};
use reqwest::Client;
use screens::view::BoxView;

use super::{
    https::Https,
    process::{Daemon, Programs},
    wait::until,
    wire::Wire,
};

/// A box that does not listen after this long is broken.
const STARTS_WITHIN: Duration = Duration::from_secs(30);
/// Devices are there soon after the box listens.
const DEVICE_PATIENCE: Duration = Duration::from_secs(10);

/// What stands at a place.
#[derive(Clone, Copy, Debug)]
pub struct Post {
    /// As spoken on a radio.
    pub name: &'static str,
    /// Roles, as the technician's tool takes them.
    pub roles: &'static [&'static str],
    /// Whether it pairs a band to each ticket.
    pub pairing: bool,
}

/// A box at its place.
pub struct Place {
    /// What stands here.
    pub post: Post,
    /// Its folder.
    pub dir: PathBuf,
    /// Its way to the hub.
    pub wire: Wire,
    /// Its screens' door.
    pub api: Https,
    programs: Programs,
    process: Mutex<Option<Daemon>>,
    /// `None` where its reader is not a virtual one.
    field: Option<OnceLock<VirtualField>>,
    eye: VirtualEye,
}

impl Place {
    /// An enrolled box, switched off.
    pub fn new(post: Post, dir: &Path, wire: Wire, client: Client, screen_key: &str, programs: &Programs) -> Self {
        let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
        Self {
            post,
            dir: dir.into(),
            wire,
            api: Https::new(client, nowhere, screen_key),
            programs: programs.clone(),
            process: Mutex::new(None),
            field: Some(OnceLock::new()),
            eye: VirtualEye::new(&dir.join("scanner.sock"), DEVICE_PATIENCE),
        }
    }

    /// Name of the place.
    pub fn name(&self) -> &'static str {
        self.post.name
    }

    /// Switches it on and waits until it listens.
    pub fn start(&self) -> Result<()> {
        self.start_under(&[])
    }

    /// The same, run by another program whose command line `under` begins (a tracer).
    pub fn start_under(&self, under: &[String]) -> Result<()> {
        let dir = self.dir.to_str().context("a path that is text")?;
        let mut daemon = Daemon::start_under(under, &self.programs, "edge", &self.dir, &["run", "--dir", dir])?;
        let running = daemon.wait_until_it_listens(STARTS_WITHIN)?;
        self.api.moved_to(running.https);
        *self.process() = Some(daemon);
        if let Some(field) = self.field.as_ref().filter(|field| field.get().is_none()) {
            let virtual_field = VirtualField::connect(&self.dir.join("reader.sock"), DEVICE_PATIENCE)?;
            // somebody else was as quick: both lead to the same reader
            let _ = field.set(virtual_field);
        }
        Ok(())
    }

    /// Gives it another reader than a virtual one, from its next start on: `devices.toml`, and the programs with what
    /// its driver must find in their environment.
    pub fn equip(&mut self, devices: &str, programs: Programs) -> Result<()> {
        std::fs::write(self.dir.join("devices.toml"), devices)?;
        (self.field, self.programs) = (None, programs);
        Ok(())
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<Daemon>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// SIGKILL.
    pub fn kill(&self) -> Result<()> {
        self.process().take().map_or(Ok(()), |mut daemon| daemon.kill())
    }

    /// SIGTERM, and waits for its end.
    pub fn stop(&self, within: Duration) -> Result<()> {
        self.process().take().map_or(Ok(()), |mut daemon| daemon.stop(within).map(drop))
    }

    /// Leaves its process alone, as the end of this one does.
    pub fn let_go(&self) {
        if let Some(daemon) = self.process().as_mut() {
            daemon.let_go();
        }
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process().as_mut().and_then(|daemon| daemon.is_running().then(|| daemon.pid()))
    }

    /// Whether its process is there.
    pub fn is_running(&self) -> bool {
        self.process().as_mut().is_some_and(Daemon::is_running)
    }

    /// Everything that its processes have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Its reader.
    pub fn field(&self) -> Result<&VirtualField> {
        let field = self.field.as_ref().with_context(|| format!("{} has no virtual reader", self.name()))?;
        field.get().with_context(|| format!("{} was never switched on", self.name()))
    }

    /// Its scanner.
    pub fn eye(&self) -> &VirtualEye {
        &self.eye
    }

    /// What its screens show.
    pub async fn view(&self) -> Result<BoxView> {
        self.api.get("/api/state").await.with_context(|| self.name())
    }

    /// Waits until its link to the hub is up, or down.
    pub async fn wait_for_link(&self, connected: bool, within: Duration) -> Result<()> {
        let what = format!("{} {} the hub", self.name(), if connected { "reaches" } else { "has lost" });
        until(&what, within, async || Ok((self.view().await?.hub.connected == connected).then_some(()))).await
    }
}
