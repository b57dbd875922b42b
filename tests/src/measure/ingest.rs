//! The hub's ingest, from decoded segments over their check to durable rows, beside plain rows in SQLite.
use std::{path::Path, sync::Arc, time::Instant};

use anyhow::{Context, Result};
use domain::{
    id::{BoxNumber, DeviceId, FestivalId, WalletId, device_id},
    journal::{ChainCursor, Detail, Effect, Entry, Flags, Genesis, Kind, Sale, SaleLine},
    money::{Cents, Currency},
    time::Hlc,
    trust::{Purpose, Roles, Scope},
    wristband::tap::{UidAccount, uid_sale_entry},
};
use ed25519_dalek::SigningKey;
use provisioning::{Festival, Lang, hub::HubPlan};
use sync::Segment;
use sync_hub::{Hub, Identity, VerifiedSegment, wall_clock};

use super::{Goal, Row, Size, segment::chance};

/// Entries in one segment.
const SEGMENT: u32 = 500;
/// Boxes that deliver, and bands that they sold to.
const BOXES: u32 = 20;
const BANDS: u64 = 20_000;

pub(super) fn rows(size: Size) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (batch, goal) in [(10_000u32, 0.4), (100_000, 0.75)] {
        let (ours, limit) = entries_a_second(size.entries, batch.min(size.entries))?;
        let name = format!("hub ingest, {} entries a transaction", batch);
        rows.push(Row::new(&name, "entries/s", ours, limit, Goal::AtLeast(goal)).beside("plain rows, nothing checked"));
    }
    Ok(rows)
}

/// A festival and its enrolled hub, in folders `festival` and `hub` of this one.
pub(super) fn enrolled(dir: &Path) -> Result<(Festival, Hub)> {
    let festival = Festival::create(&dir.join("festival"), "Measure", Currency::EUR, 0)?;
    let hub_dir = dir.join("hub");
    let plan = HubPlan {
        quic: "127.0.0.1:0".into(),
        https: "127.0.0.1:0".into(),
        public_quic: Vec::new(),
        names: Vec::new(),
        lang: Lang::En,
    };
    provisioning::hub::enrol(&festival, &hub_dir, &plan, 0)?;
    Ok((festival, opened(&hub_dir)?))
}

/// The hub of a folder.
pub(super) fn opened(hub_dir: &Path) -> Result<Hub> {
    Ok(Hub::open(hub_dir, Arc::new(Identity::read(hub_dir)?), wall_clock())?)
}

pub(super) fn entries_a_second(entries: u32, batch: u32) -> Result<(f64, f64)> {
    let own = std::env::current_exe()?;
    let dir = tempfile::tempdir_in(own.parent().context("a folder")?)?;
    let (festival, mut hub) = enrolled(dir.path())?;

    let journals: Vec<Journal> =
        (0..BOXES).map(|number| Journal::new(&festival, number, entries / BOXES)).collect::<Result<_>>()?;
    let mut waiting: Vec<&Segment> = Vec::new();
    let longest = journals.iter().map(|journal| journal.segments.len()).max().unwrap_or(0);
    for at in 0..longest {
        waiting.extend(journals.iter().filter_map(|journal| journal.segments.get(at)));
    }
    let key_of =
        |device: DeviceId| journals.iter().find(|journal| journal.device == device).map(|journal| journal.public);

    let raw = rusqlite::Connection::open(dir.path().join("raw.db"))?;
    raw.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
         CREATE TABLE raw (journal INTEGER, seq INTEGER, hash BLOB, wallet BLOB, body BLOB,
                           PRIMARY KEY (journal, seq)) STRICT, WITHOUT ROWID;",
    )?;
    let (mut of_ours, mut of_limit, mut count) = (0.0, 0.0, 0u32);
    for group in waiting.chunks((batch / SEGMENT) as usize) {
        let segments: Vec<Segment> = group.iter().map(|segment| (*segment).clone()).collect();
        let start = Instant::now();
        let mut verified = Vec::with_capacity(segments.len());
        for segment in segments {
            let key = key_of(segment.device).context("a key")?;
            verified.push(VerifiedSegment::verify(segment, festival.id(), &key)?);
        }
        let stored = hub.ingest(&verified)?;
        of_ours += start.elapsed().as_secs_f64();
        anyhow::ensure!(stored.len() == verified.len(), "the hub did not take every segment");

        let start = Instant::now();
        count += plain_rows(&raw, group)?;
        of_limit += start.elapsed().as_secs_f64();
    }
    Ok((f64::from(count) / of_ours, f64::from(count) / of_limit))
}

/// The limit: one row an entry, found again by its place, nothing checked and nothing added up.
fn plain_rows(raw: &rusqlite::Connection, segments: &[&Segment]) -> Result<u32> {
    let transaction = raw.unchecked_transaction()?;
    let mut count = 0;
    for segment in segments {
        let journal = i64::from_le_bytes(segment.device.0[..8].try_into()?);
        for (seq, body) in (segment.first..).zip(&segment.bodies) {
            let (hash, wallet) = (&body[..32], &body[16..32]);
            transaction
                .prepare_cached("INSERT INTO raw VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(rusqlite::params![journal, seq, hash, wallet, body])?;
            count += 1;
        }
    }
    transaction.commit()?;
    Ok(count)
}

/// A box's journal, cut into segments.
pub(super) struct Journal {
    pub(super) device: DeviceId,
    pub(super) public: [u8; 32],
    pub(super) segments: Vec<Segment>,
}

impl Journal {
    /// A bar's, with sales to bands as they come.
    pub(super) fn new(festival: &Festival, number: u32, entries: u32) -> Result<Self> {
        Self::with(festival, number, Roles::BAR, entries, |n| sale(u64::from(number) << 32 | u64::from(n)))
    }

    /// A box's whose entry `n`, from 1, is `make(n)`; the genesis is one of `entries`.
    pub(super) fn with(
        festival: &Festival,
        number: u32,
        roles: Roles,
        entries: u32,
        make: impl Fn(u32) -> Entry,
    ) -> Result<Self> {
        let mut seed = [9; 32];
        seed[..4].copy_from_slice(&number.to_le_bytes());
        let key = SigningKey::from_bytes(&seed);
        let public = key.verifying_key().to_bytes();
        let device = device_id(&public);
        let first = u16::try_from(number * 8 + 1)?;
        let scope = Scope {
            place: format!("Bar {number}"),
            roles,
            kinds: u64::MAX >> 1,
            box_numbers: (first, first + 7),
            quota_cents: 0,
        };
        let chain = festival.issue_certificate(Purpose::Device, public, scope)?;
        let mut cursor = ChainCursor::start(festival.id(), device, 0);
        let mut segments = Vec::new();
        let (mut bodies, mut prev, mut first_seq) = (Vec::new(), cursor.prev, 0);
        for n in 0..entries {
            let mut entry = if n == 0 { genesis(festival.id(), public, first, chain.to_bytes()) } else { make(n) };
            entry.hlc = Hlc((1_800_000_000_000 + u64::from(n) * 7_000) << 16);
            entry.flags = entry.flags.with(Flags::END_OF_COMMIT);
            let body = entry.to_bytes();
            cursor.append(&body);
            bodies.push(body);
            if bodies.len() == SEGMENT as usize || n + 1 == entries {
                let mark = cursor.sign(&key).context("a head")?;
                let bodies = std::mem::take(&mut bodies);
                segments.push(Segment { device, epoch: 0, first: first_seq, prev, bodies, signature: mark.signature });
                (prev, first_seq) = (cursor.prev, cursor.next_seq);
            }
        }
        Ok(Self { device, public, segments })
    }
}

fn genesis(festival: FestivalId, public_key: [u8; 32], number: u16, chain: Vec<u8>) -> Entry {
    let mut entry = Entry::new(Kind::GENESIS, Effect::None, Currency::EUR, Hlc::default());
    let box_number = BoxNumber(number);
    let software = "measure".into();
    entry.part =
        Detail::Genesis(Genesis { festival, public_key, box_number, epoch: 0, chain, previous: None, software })
            .to_bytes();
    entry
}

fn sale(n: u64) -> Entry {
    sale_to(wallet(chance(n) % BANDS), 450)
}

/// The wallet of band `n`.
pub(super) fn wallet(n: u64) -> WalletId {
    let mut wallet = [0; 16];
    wallet[..8].copy_from_slice(&chance(n).to_le_bytes());
    WalletId(wallet)
}

/// One product sold to an account.
pub(super) fn sale_to(wallet: WalletId, cents: u32) -> Entry {
    let account = UidAccount { wallet, currency: Currency::EUR, operator: 1 };
    let line = SaleLine { product: 1, quantity: 1, unit_price: Cents::new(cents).unwrap_or_default() };
    uid_sale_entry(&account, Sale { lines: vec![line], ..Sale::default() }, line.unit_price, 1)
}
