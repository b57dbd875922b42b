//! The hub of the evening: the product's store, ingest, writer and sessions, started and ended again and again.
//! Invariant: at every start it has each entry that it ever acknowledged to a box.
//! Not here: a hub as a process of its own, killed by a signal (`evening::size`), its console.
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use sync_hub::{Hub, Identity, blobs::BlobFolder, metrics::Metrics, net::Sessions, writer::Writer};
use sync_quic::{HubListener, ListenerConfig};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use super::{
    air::HUB,
    evening::{Evening, Phase},
    weather::{HubGap, moment},
};

/// A disk that forgets falls back to what it was at most so long ago.
const FLUSHED_EVERY: Duration = Duration::from_secs(20);

struct Running {
    stop: watch::Sender<bool>,
    sessions: JoinHandle<()>,
    turns: JoinHandle<()>,
    writer: Writer,
}

/// The hub's evening.
pub(crate) async fn live(evening: Arc<Evening>, gaps: Vec<HubGap>) {
    for gap in gaps.into_iter().map(Some).chain([None]) {
        let running = match start(&evening) {
            Ok(running) => running,
            Err(error) => return evening.breaks(format!("the hub: {error:#}")),
        };
        let gap = until(&evening, gap).await;
        match gap {
            Some(HubGap { in_order: false, .. }) => crash(&evening, running).await,
            Some(_) | None => stop(&evening, running).await,
        }
        let Some(HubGap { gap, .. }) = gap else { return };
        tokio::select! {
            biased;
            () = evening.until(Phase::Healing) => {}
            () = tokio::time::sleep_until(moment(evening.start, gap.at + gap.long)) => {}
        }
    }
}

/// Waits until it is to go down; `None` at the evening's end. A disk that forgets is copied meanwhile.
async fn until(evening: &Evening, gap: Option<HubGap>) -> Option<HubGap> {
    let Some(gap) = gap else {
        evening.until(Phase::Over).await;
        return None;
    };
    let at = moment(evening.start, gap.gap.at);
    while Instant::now() < at {
        if evening.forgets
            && let Err(error) = copy(&folder(evening), &flushed(evening))
        {
            evening.breaks(format!("the hub's folder cannot be copied: {error:#}"));
        }
        let next = if evening.forgets { at.min(Instant::now() + FLUSHED_EVERY) } else { at };
        tokio::time::sleep_until(next).await;
    }
    Some(gap)
}

fn folder(evening: &Evening) -> PathBuf {
    evening.folder.join("hub")
}

fn flushed(evening: &Evening) -> PathBuf {
    evening.folder.join("hub-flushed")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for name in ["hub.db", "hub.db-wal", "term"] {
        let (from, to) = (from.join(name), to.join(name));
        match from.exists() {
            true => drop(fs::copy(from, to)?),
            false if to.exists() => fs::remove_file(to)?,
            false => {}
        }
    }
    Ok(())
}

fn start(evening: &Arc<Evening>) -> Result<Running> {
    let dir = folder(evening);
    let identity = Arc::new(Identity::read(&dir)?);
    let clock: sync_hub::Clock = {
        let evening = Arc::clone(evening);
        Arc::new(move || evening.unix_ms())
    };
    let mut hub = Hub::open(&dir, Arc::clone(&identity), Arc::clone(&clock))?;
    hub.current_bundle()?;
    holds_what_it_acknowledged(evening, &hub);
    let (feeds, metrics) = (hub.feeds(), Metrics::default());
    let (writer, turns) = Writer::in_turn(hub, evening.delta_every, metrics.clone());
    let turns = tokio::spawn(turns);
    let key = &identity.hub.key;
    let reset_key = blake3::derive_key("festival 2026-11 hub quic reset", key.as_bytes());
    let config = ListenerConfig::new(HUB, key.clone(), reset_key);
    let listener = HubListener::over(evening.air.of_hub(), &config)?;
    let (stop, down) = watch::channel(false);
    let sessions = Sessions::new(writer.clone(), feeds, identity, BlobFolder::new(&dir), metrics, clock, down);
    let sessions = tokio::spawn(async move { sessions.serve(listener).await });
    *evening.hub.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer.clone());
    evening.notes().hub_since = Some(Instant::now());
    Ok(Running { stop, sessions, turns, writer })
}

fn holds_what_it_acknowledged(evening: &Evening, hub: &Hub) {
    let mut notes = evening.notes();
    let mut lost = 0;
    for ((device, epoch), acked) in &notes.acked {
        let held = hub.journals().get(*device, *epoch).map_or(0, |journal| {
            let heads = journal.heads();
            heads.branches.iter().map(|branch| branch.contiguous).max().unwrap_or(0)
        });
        lost += u64::from(acked.contiguous.saturating_sub(held));
    }
    notes.lost_acknowledged += lost;
}

fn is_gone(evening: &Evening) {
    evening.notes().hub_since = None;
    *evening.hub.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// As `sync-hub` does on a signal.
async fn stop(evening: &Evening, running: Running) {
    is_gone(evening);
    evening.notes().hub_stops += 1;
    let Running { stop, sessions, turns, writer } = running;
    stop.send_replace(true);
    let _ = tokio::time::timeout(Duration::from_secs(6), sessions).await;
    writer.close();
    if turns.await.is_err() {
        evening.breaks("the hub's writer did not end in order".into());
    }
    evening.air.unplug_hub();
}

/// As a kill does: nothing is said, what was not committed is gone.
async fn crash(evening: &Evening, running: Running) {
    evening.air.unplug_hub();
    is_gone(evening);
    evening.notes().hub_crashes += 1;
    let Running { stop: _, sessions, turns, writer: _ } = running;
    for task in [sessions, turns] {
        task.abort();
        let _ = task.await;
    }
    if evening.forgets
        && let Err(error) = fall_back(evening)
    {
        evening.breaks(format!("the hub's disk: {error:#}"));
    }
}

/// What the disk said was flushed was not.
fn fall_back(evening: &Evening) -> Result<()> {
    let dir = folder(evening);
    for name in ["hub.db-shm", "hub.db-wal"] {
        let file = dir.join(name);
        if file.exists() {
            fs::remove_file(file)?;
        }
    }
    copy(&flushed(evening), &dir).context("what was flushed")
}
