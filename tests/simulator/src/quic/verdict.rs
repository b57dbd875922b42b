//! What must be true when every line stands again, asked of the hub's database and the boxes' stores.
//! Invariant: hashes and sums are computed here anew from the bodies; nothing is taken from the books that are checked.
//! Not here: what was noted during the evening (`evening`).
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use domain::{
    id::{DeviceId, EntryRef, WalletId},
    journal::{EntryHash, ZERO_HASH, link},
    ledger::WalletState,
};
use rusqlite::Connection;
use sync_hub::{
    totals::{Agreement, agreement},
    writer::Writer,
};
use tokio::time::Instant;

use super::{
    evening::Evening,
    place::{Place, look_into},
};

/// After so long, with every line standing, everybody must know everything.
const SETTLES_WITHIN: Duration = Duration::from_secs(30 * 60);

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    /// Seconds from the mending of the lines until everybody agreed.
    pub(crate) settled_s: f64,
    /// Boxes that believe what the hub believes.
    pub(crate) agree: u64,
    /// Boxes that are still there.
    pub(crate) present: u64,
    /// Entries that the hub holds.
    pub(crate) entries: u64,
    /// Green lights whose entry is not at the hub, though their box is there or the hub had acknowledged them.
    pub(crate) lost_acknowledged: u64,
    /// Cents by which accounts differ from what people did.
    pub(crate) unexplained: u64,
    /// The hub's digest.
    pub(crate) digest: String,
}

/// Waits until everybody is online and the hub has all that was written. Gives how long that took, and what it believes.
pub(crate) async fn settle(evening: &Evening, places: &[Arc<Place>]) -> Result<(Duration, Agreement)> {
    let began = Instant::now();
    loop {
        let present = present(evening, places);
        let online = present.iter().filter(|n| evening.notes().lines[**n].online).count();
        if online == present.len()
            && let Some(writer) = evening.writer()
            && let Some(agreed) = believed(evening, &writer, places, &present).await?
        {
            return Ok((began.elapsed(), agreed));
        }
        anyhow::ensure!(
            began.elapsed() < SETTLES_WITHIN,
            "half an hour after every line was mended {online} of {} boxes are online, or the hub lacks entries",
            present.len()
        );
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn present(evening: &Evening, places: &[Arc<Place>]) -> Vec<usize> {
    let notes = evening.notes();
    places.iter().map(|place| place.n).filter(|n| !notes.gone[*n]).collect()
}

/// What the hub believes, where it has all that these boxes have written.
async fn believed(
    evening: &Evening,
    writer: &Writer,
    places: &[Arc<Place>],
    present: &[usize],
) -> Result<Option<Agreement>> {
    let mut written: HashMap<DeviceId, u32> = HashMap::new();
    for at in evening.notes().greens.keys() {
        let end = written.entry(at.device).or_default();
        *end = (*end).max(at.seq + 1);
    }
    let devices: Vec<DeviceId> = present.iter().map(|n| places[*n].enrolled.device).collect();
    let wanted: Vec<(DeviceId, u32)> =
        devices.into_iter().map(|device| (device, written.get(&device).copied().unwrap_or(1))).collect();
    let asked = writer.call(move |hub| {
        let has_all = wanted.iter().all(|(device, end)| {
            hub.journals()
                .of_device(*device)
                .any(|journal| journal.heads().branches.iter().any(|branch| branch.contiguous >= *end))
        });
        match has_all {
            true => Ok::<_, anyhow::Error>(Some(agreement(&hub.reading()?, hub.term())?)),
            false => Ok(None),
        }
    });
    // a hub that is about to go down answers nobody
    asked.await.unwrap_or(Ok(None))
}

/// Whether each box that is there believes what the hub does. Asked when the boxes are switched off.
pub(crate) fn boxes_agree(
    evening: &Arc<Evening>,
    places: &[Arc<Place>],
    hub: &Agreement,
    verdict: &mut Verdict,
) -> Result<()> {
    verdict.digest.clone_from(&hub.digest);
    let asked = |n| {
        let (within, place, now) = (Arc::clone(evening), Arc::clone(&places[n]), evening.unix_ms());
        let ask = move || {
            let store = look_into(&within, &place, now)?;
            anyhow::Ok(store.read(|view| (view.digest(), view.unsent()))?)
        };
        (n, evening.hands.begin(Duration::ZERO, ask))
    };
    let asked: Vec<_> = present(evening, places).into_iter().map(asked).collect();
    for (n, answer) in asked {
        verdict.present += 1;
        let (digest, unsent) = answer.result()??;
        if domain::wire::hex(&digest) == hub.digest && unsent == 0 {
            verdict.agree += 1;
        } else {
            evening.breaks(format!("box {n} does not believe what the hub believes"));
        }
    }
    Ok(())
}

/// Everything that is at the hub, by its place; hashes are computed along each chain.
fn entries_at_hub(database: &Connection) -> Result<BTreeMap<EntryRef, EntryHash>> {
    let mut statement = database.prepare(
        "SELECT j.device, j.epoch, e.seq, e.body FROM entries e
         JOIN journals j ON j.festival = e.festival AND j.journal = e.journal
         ORDER BY j.device, j.epoch, e.run, e.seq",
    )?;
    let mut rows = statement.query([])?;
    let (mut found, mut chain) = (BTreeMap::new(), None);
    while let Some(row) = rows.next()? {
        let device: [u8; 16] = row.get(0)?;
        let at = EntryRef { device: DeviceId(device), epoch: row.get(1)?, seq: row.get(2)? };
        let body: Vec<u8> = row.get(3)?;
        let prev = match chain {
            Some((of, epoch, hash)) if (of, epoch) == (at.device, at.epoch) => hash,
            _ => ZERO_HASH,
        };
        let hash = link(&prev, &body);
        chain = Some((at.device, at.epoch, hash));
        found.insert(at, hash);
    }
    Ok(found)
}

/// Every green light and every cent, against the database of the hub that is down now.
pub(crate) fn books(evening: &Evening, places: &[Arc<Place>], verdict: &mut Verdict) -> Result<()> {
    let path = evening.folder.join("hub/hub.db");
    let database = Connection::open(&path).with_context(|| path.display().to_string())?;
    let held = entries_at_hub(&database)?;
    verdict.entries = held.len() as u64;
    let mut cash: BTreeMap<WalletId, i64> = BTreeMap::new();
    {
        let notes = evening.notes();
        let gone: Vec<DeviceId> =
            places.iter().filter(|place| notes.gone[place.n]).map(|place| place.enrolled.device).collect();
        for (at, green) in &notes.greens {
            if held.get(at) == Some(&green.hash) {
                if let Some(wallet) = green.wallet {
                    *cash.entry(wallet).or_default() += green.cents;
                }
                continue;
            }
            // what a lost box had not told is lost with it; what was acknowledged is not
            let acknowledged = notes.acked.get(&(at.device, at.epoch)).is_some_and(|acked| at.seq < acked.contiguous);
            verdict.lost_acknowledged += u64::from(acknowledged || !gone.contains(&at.device));
        }
    }
    let mut statement = database.prepare("SELECT state FROM wallets WHERE state IS NOT NULL")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let state: Vec<u8> = row.get(0)?;
        let state = WalletState::from_bytes(&state)?;
        let expected = cash.remove(&state.wallet).unwrap_or(0);
        verdict.unexplained += state.balance.abs_diff(expected);
    }
    verdict.unexplained += cash.values().map(|cents| cents.unsigned_abs()).sum::<u64>();
    Ok(())
}
