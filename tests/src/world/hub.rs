//! The hub of a world: its process and what an operator does at its console.
//! Not here: what the hub means by it (`sync-hub`).
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use reqwest::Client;
use screens::view::HubView;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    https::Https,
    process::{Daemon, Programs},
};
use crate::ticket::Interop;

const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// What hub and boxes must agree on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Said")]
pub struct Agreement {
    /// Hub term.
    pub term: u32,
    /// How far each section is.
    pub numbers: Numbers,
    /// BLAKE3 over sorted wallets and used tickets.
    pub digest: String,
    /// Own entries that the hub has not acknowledged; a box only.
    pub unsent: u64,
}

/// Numbers of the newest batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Numbers {
    /// Of wallets.
    pub wallets: u64,
    /// Of tickets.
    pub tickets: u64,
    /// Of credits that boxes carry.
    pub credits: u64,
}

/// As it is said: the hub puts its numbers together, a box beside the rest.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    term: u32,
    numbers: Option<Numbers>,
    #[serde(flatten)]
    own: Numbers,
    digest: String,
    unsent: u64,
}

impl From<Said> for Agreement {
    fn from(said: Said) -> Self {
        let Said { term, numbers, own, digest, unsent } = said;
        Self { term, numbers: numbers.unwrap_or(own), digest, unsent }
    }
}

impl Agreement {
    /// Whether both believe the same, and nothing is on its way.
    pub fn is_with(&self, other: &Self) -> bool {
        let same = (self.term, self.numbers) == (other.term, other.numbers);
        same && !self.digest.is_empty() && self.digest == other.digest && self.unsent == 0 && other.unsent == 0
    }
}

/// A ticket that the hub has just issued.
#[derive(Clone, Debug, Deserialize)]
pub struct Issued {
    /// Its id.
    pub id: String,
    /// Text of its code.
    pub text: String,
}

/// The hub.
pub struct Hub {
    /// Its folder.
    pub dir: PathBuf,
    /// Its door, with the operator's token.
    pub api: Https,
    programs: Programs,
    process: Mutex<Option<Daemon>>,
    quic: Mutex<Option<SocketAddr>>,
    rehearse_at: Mutex<Option<u64>>,
}

impl Hub {
    /// An enrolled hub, switched off. `rehearse_at` lets its clock run from those Unix seconds.
    pub fn new(dir: &Path, client: Client, programs: &Programs, rehearse_at: Option<u64>) -> Result<Self> {
        let token = std::fs::read_to_string(dir.join("console.token")).context("console.token")?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
        Ok(Self {
            dir: dir.into(),
            api: Https::new(client, nowhere, &token),
            programs: programs.clone(),
            process: Mutex::new(None),
            quic: Mutex::new(None),
            rehearse_at: Mutex::new(rehearse_at),
        })
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<Daemon>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Switches it on and waits until it listens; gives its QUIC address.
    pub fn start(&self) -> Result<SocketAddr> {
        let dir = self.dir.to_str().context("a path that is text")?;
        let at = self.rehearse_at.lock().unwrap_or_else(PoisonError::into_inner).map(|at| at.to_string());
        let mut arguments = vec!["run", "--dir", dir];
        arguments.extend(at.iter().flat_map(|at| ["--rehearse-at", at.as_str()]));
        let mut daemon = Daemon::start(&self.programs, "sync-hub", &self.dir, &arguments)?;
        let running = daemon.wait_until_it_listens(STARTS_WITHIN)?;
        self.api.moved_to(running.https);
        *self.process() = Some(daemon);
        let quic = running.quic.context("the hub names no QUIC address")?;
        *self.quic.lock().unwrap_or_else(PoisonError::into_inner) = Some(quic);
        Ok(quic)
    }

    /// Rehearsed, its next start is so many seconds later than the last one was.
    pub fn starts_later(&self, seconds: u64) {
        let mut at = self.rehearse_at.lock().unwrap_or_else(PoisonError::into_inner);
        *at = at.map(|at| at.saturating_add(seconds));
    }

    /// Where boxes reached it last.
    pub fn quic(&self) -> Option<SocketAddr> {
        *self.quic.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Whether its process is there.
    pub fn is_running(&self) -> bool {
        self.process().as_mut().is_some_and(Daemon::is_running)
    }

    /// What its console shows.
    pub async fn view(&self) -> Result<HubView> {
        self.api.get("/api/state").await
    }

    /// What it believes.
    pub async fn agreement(&self) -> Result<Agreement> {
        self.api.get("/api/agreement").await
    }

    /// The bundle that it gives out.
    pub async fn bundle(&self) -> Result<Vec<u8>> {
        Ok(self.api.fetch("/api/bundle").await?.error_for_status()?.bytes().await?.to_vec())
    }

    /// A ticket of our own.
    pub async fn issue(&self, ticket: &Value) -> Result<Issued> {
        self.api.post("/api/tickets", ticket).await
    }

    /// A ticket counts no more.
    pub async fn revoke_ticket(&self, id: &str) -> Result<()> {
        self.api.post::<Value>(&format!("/api/tickets/{id}/revoke"), &json!({})).await.map(drop)
    }

    /// A further ticket category.
    pub async fn add_category(&self, number: u16, names: [&str; 2], zones: u32) -> Result<()> {
        let body =
            json!({ "number": number, "name_fr": names[0], "name_en": names[1], "zones": zones, "price_cents": 0 });
        self.api.post::<Value>("/api/categories", &body).await.map(drop)
    }

    /// A band is blocked.
    pub async fn block_wallet(&self, wallet: &str) -> Result<()> {
        self.api.post::<Value>("/api/bands/block", &json!({ "wallet": wallet })).await.map(drop)
    }

    /// A box is revoked.
    pub async fn revoke_box(&self, number: u16) -> Result<()> {
        self.api.post::<Value>("/api/boxes/revoke", &json!({ "number": number })).await.map(drop)
    }

    /// Events sold with pretix: keys, products (add-ons admit nobody), revoked and blocked secrets.
    pub async fn import_pretix(&self, interop: &Interop, slugs: &[&str]) -> Result<()> {
        let body = json!({
            "events": interop.export(slugs)?,
            "revoked": interop.revoked(),
            "blocked": interop.blocked(),
        });
        self.api.post::<Value>("/api/pretix/import", &body).await.map(drop)
    }
}
