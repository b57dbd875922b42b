//! The real programs: a box that knows a whole festival, its start and its memory; a box that brings its taps back to
//! the real hub over QUIC.
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use box_store::{DeltaOutcome, Store, StoreConfig};
use domain::{
    id::{TicketUid, WalletId},
    ledger::{TicketState, WalletState},
};
use edge::{clock, config::Enrolled};
use sync::{Delta, Section};

use super::{
    Goal, Row, Size,
    segment::{Bands, chance},
};
use crate::world::{BAR, GATE_A, World, place::Place, wait::until};

/// The goals of a box at work.
const MEMORY_MB: f64 = 64.0;
const READY_S: f64 = 2.0;
const RECONCILED_S: f64 = 2.0;
/// Whoever waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(120);
/// Items in one part of a batch.
const ITEMS: usize = 10_000;

pub(super) fn rows(size: Size) -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let world = World::of(&[GATE_A, BAR]).await?;
        let mut rows = reconciled(&world, size).await?;
        rows.extend(knowing_everything(&world, size).await?);
        tokio::task::block_in_place(|| world.stop())?;
        Ok(rows)
    })
}

/// A box that worked alone meets the hub: from the moment it listens until both agree and nothing is on its way.
async fn reconciled(world: &World, size: Size) -> Result<Vec<Row>> {
    let bar = world.place(BAR.name)?;
    tokio::task::block_in_place(|| -> Result<()> {
        bar.stop(PATIENCE)?;
        let store = store_of(&bar.dir)?;
        let mut bands = Bands::default();
        (0..u64::from(size.taps)).try_for_each(|n| bands.sale(&store, n))?;
        drop(store);
        bar.start()
    })?;
    let start = Instant::now();
    world.wait_until_agreed(PATIENCE).await?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(bar.view().await?.unsent == 0, "entries are still on their way");
    Ok(vec![Row::new("one box's taps reconciled with the hub", "s", seconds, RECONCILED_S, Goal::AtMost(1.0))])
}

/// A gate that has heard of every ticket and wallet: how long it takes to be ready, and how much memory it holds.
async fn knowing_everything(world: &World, size: Size) -> Result<Vec<Row>> {
    let gate = world.place(GATE_A.name)?;
    world.cut(&[GATE_A.name])?;
    let ready = tokio::task::block_in_place(|| -> Result<f64> {
        gate.stop(PATIENCE)?;
        let store = store_of(&gate.dir)?;
        let wallets = (0..u64::from(size.wallets)).map(|n| {
            let mut wallet = WalletState::empty(WalletId(number(n)));
            wallet.balance = 2_000;
            wallet.to_bytes().to_vec()
        });
        learn(&store, Section::Wallets, wallets.collect())?;
        let tickets = (0..u64::from(size.tickets)).map(|n| {
            let mut ticket = TicketState::empty(TicketUid(number(n ^ 0xff00_0000)));
            ticket.uses = u16::from(n.is_multiple_of(2));
            ticket.to_bytes().to_vec()
        });
        learn(&store, Section::Tickets, tickets.collect())?;
        drop(store);
        let start = Instant::now();
        gate.start()?;
        Ok(start.elapsed().as_secs_f64())
    })?;
    let is_ready = async || Ok(gate.api.fetch("/api/health/ready").await?.status().is_success().then_some(()));
    let start = Instant::now();
    until("the gate is ready", PATIENCE, is_ready).await?;
    let ready = ready + start.elapsed().as_secs_f64();
    for _ in 0..20 {
        gate.view().await?;
    }
    let memory = resident_mb(gate)?;
    Ok(vec![
        Row::new("a box that knows the festival is ready", "s", ready, READY_S, Goal::AtMost(1.0)),
        Row::new("its memory", "MB", memory, MEMORY_MB, Goal::AtMost(1.0)),
    ])
}

/// The store of a box that is switched off.
fn store_of(dir: &Path) -> Result<Store> {
    let enrolled = Enrolled::read(dir)?;
    let config = StoreConfig {
        path: dir.join("store.db"),
        festival: enrolled.festival(),
        identity: enrolled.identity.clone(),
        box_number: enrolled.box_number(),
        chain: enrolled.chain.clone(),
        software: "measure".into(),
    };
    Ok(box_store::open(config, clock::RELEASED.saturating_mul(1000))?.0)
}

/// Everything of one section at once, as the hub's snapshot says it.
fn learn(store: &Store, section: Section, items: Vec<Vec<u8>>) -> Result<()> {
    let held = *store.sections_held(&[section])?.first().context("what is held")?;
    let chunks: Vec<&[Vec<u8>]> = items.chunks(ITEMS).collect();
    let parts = u16::try_from(chunks.len())?;
    let signed = (0..parts).zip(chunks).map(|(part, items)| {
        let delta = Delta {
            festival: store.festival(),
            section,
            term: held.term,
            prev: 0,
            number: held.number + 1,
            part,
            parts,
            snapshot: true,
            vector: Vec::new(),
            hub_time_ms: clock::RELEASED.saturating_mul(1000),
            items: items.concat(),
        };
        delta.sign(&ed25519_dalek::SigningKey::from_bytes(&[4; 32]))
    });
    let outcomes = store.apply_delta(signed.collect())?;
    let is_applied = matches!(outcomes.last(), Some(DeltaOutcome::Applied { .. }));
    ensure!(is_applied, "{section:?}: {outcomes:?}");
    Ok(())
}

fn number(n: u64) -> [u8; 16] {
    let mut number = [0; 16];
    number[..8].copy_from_slice(&chance(n).to_le_bytes());
    number[8..].copy_from_slice(&chance(n ^ 0xff).to_le_bytes());
    number
}

/// Memory that the process holds: its own, and the files it has mapped and read.
fn resident_mb(place: &Place) -> Result<f64> {
    let running: serde_json::Value = serde_json::from_slice(&fs::read(place.dir.join("run.json"))?)?;
    let pid = running.get("pid").and_then(serde_json::Value::as_u64).context("its process")?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kb: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kb as f64 / 1024.0)
}
