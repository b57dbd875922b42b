//! The ticket snapshot that a gate holds: loading it, and looking a ticket up in it.
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use box_store::Blobs;
use domain::{
    bundle::BlobRef,
    id::TicketUid,
    ticket::snapshot::{self, Snapshot, SnapshotTicket},
};

use super::{Bench, Goal, Row, Size, segment::chance, side_by_side};

/// Look-ups timed together: one alone is shorter than the clock.
const TOGETHER: usize = 1_000;
/// As the design has it: 500,000 tickets load in 4 ms and look up in 0.2 µs.
const LOAD_MS: f64 = 4.0;

fn uid(n: u64) -> TicketUid {
    let mut uid = [0; 16];
    uid[..8].copy_from_slice(&chance(n).to_le_bytes());
    uid[8..].copy_from_slice(&chance(n ^ 0xff00_0000).to_le_bytes());
    TicketUid(uid)
}

pub(super) fn rows(size: Size) -> Result<Vec<Row>> {
    let bench = Bench::new()?;
    let festival = bench.festival();
    let written = snapshot::write(&festival, 1, (0..u64::from(size.tickets)).map(|n| SnapshotTicket::bare(uid(n))));
    let blob = BlobRef::of(&written, size.tickets);
    let blobs = Blobs::beside(&bench.path("store.db"));
    blobs.put(&blob, &written)?;
    let mut loads = Vec::new();
    for _ in 0..15 {
        let start = Instant::now();
        let map = blobs.map(&blob)?;
        Snapshot::open(&map, &festival)?;
        loads.push(start.elapsed());
    }
    let load_ms = super::median_us(loads) / 1e3;

    let opened = Snapshot::open(&written, &festival)?;
    let mut sorted: Vec<TicketUid> = (0..u64::from(size.tickets)).map(uid).collect();
    sorted.sort();
    let mut at = 0u64;
    let mut next = || {
        at = at.wrapping_add(1);
        uid(chance(at) % u64::from(size.tickets))
    };
    let wanted: Vec<TicketUid> = std::iter::repeat_with(&mut next).take(TOGETHER * 8).collect();
    let mut ours = wanted.chunks(TOGETHER).cycle();
    let mut limit = wanted.chunks(TOGETHER).cycle();
    let (of_ours, of_limit) = side_by_side(
        size.rounds.min(300),
        || {
            let found = ours.next().context("some")?.iter().filter(|uid| opened.find(uid).is_some()).count();
            ensure!(found == TOGETHER, "{found} found");
            Ok(())
        },
        || {
            let found = limit.next().context("some")?.iter().filter(|uid| sorted.binary_search(uid).is_ok()).count();
            ensure!(found == TOGETHER, "{found} found");
            Ok(())
        },
    )?;
    let each = TOGETHER as f64;
    Ok(vec![
        Row::new("ticket snapshot mapped, checked and opened", "ms", load_ms, LOAD_MS, Goal::AtMost(1.0)),
        Row::new("look-up in the ticket snapshot", "µs", of_ours / each, of_limit / each, Goal::AtMost(1.1))
            .beside("binary search of the bare numbers"),
    ])
}
