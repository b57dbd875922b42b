//! A box's store under everything that happens to it: one folder a test, and the wall clock as a parameter.
mod damage;
mod documents;
mod flushes;
mod hub_state;
mod journals;
mod lan;
mod line;
mod projections;
mod sweep;

use std::path::{Path, PathBuf};

use domain::{
    id::{BoxNumber, DeviceId, EntryRef, FestivalId, TicketUid, WalletId, device_id},
    journal::{
        BandProfile, ChipSeen, Detail, Effect, Entry, Intent, IntentPurpose, Kind, Pairing, Sale, SaleLine, Subject,
        TopUp,
    },
    money::{Cents, Currency},
    time::Hlc,
    wristband::{CreditId, RecordId},
};
use ed25519_dalek::SigningKey;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{BootReport, Decision, Store, StoreConfig, StoreError, open};

const NOON: u64 = 1_800_000_000_000;
const WALLET: WalletId = WalletId([7; 16]);
const TICKET: TicketUid = TicketUid([8; 16]);
const FESTIVAL: FestivalId = FestivalId([1; 16]);

struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("box.db")
    }

    fn config(&self, path: &Path) -> StoreConfig {
        StoreConfig {
            path: path.to_owned(),
            festival: FESTIVAL,
            identity: key(),
            box_number: BoxNumber(12),
            chain: vec![1, 2, 3],
            software: "test".into(),
        }
    }

    fn open(&self) -> (Store, BootReport) {
        open(self.config(&self.path()), NOON).unwrap()
    }

    /// Copies the files as they are now under another name, as a power cut would leave them.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.folder.path().join(name);
        for suffix in ["", "-wal"] {
            std::fs::copy(with(&self.path(), suffix), with(&to, suffix)).unwrap();
        }
        to
    }
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    crate::database::beside(path, suffix)
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

fn own_device() -> DeviceId {
    device_id(&key().verifying_key().to_bytes())
}

fn own(epoch: u32, seq: u32) -> EntryRef {
    EntryRef { device: own_device(), epoch, seq }
}

fn entry(kind: Kind, effect: Effect, subject: impl Into<Subject>, cents: u32) -> Entry {
    let mut entry = Entry::new(kind, effect, Currency::EUR, Hlc(0));
    entry.subject = subject.into();
    entry.amount = Cents::new(cents).unwrap();
    entry
}

fn sale_part(cents: u32) -> Sale {
    let line = SaleLine { product: 1, quantity: 1, unit_price: Cents::new(cents).unwrap() };
    Sale { lines: vec![line], ..Sale::default() }
}

fn sale(wallet: WalletId, cents: u32) -> Entry {
    Entry { part: Detail::Sale(Some(sale_part(cents))).to_bytes(), ..entry(Kind::SALE, Effect::Debit, wallet, cents) }
}

fn top_up(wallet: WalletId, cents: u32) -> Entry {
    let part = Detail::TopUp(TopUp { c_only: false, fee: Cents::ZERO, means: domain::journal::Means::Cash }).to_bytes();
    Entry { part, ..entry(Kind::TOP_UP, Effect::Credit, wallet, cents) }
}

fn intent(wallet: WalletId, cents: u32, counter: u16) -> Entry {
    let seen = ChipSeen {
        base: RecordId([counter as u8; 4]),
        before: RecordId([0; 4]),
        before2: None,
        credit_seq: 1,
        credit_id: CreditId([1; 4]),
        credits: Cents::new(5000).unwrap(),
        spent: Cents::ZERO,
    };
    let intent = Intent {
        purpose: IntentPurpose::Sale,
        seen,
        own: RecordId([counter as u8 + 1; 4]),
        spent_after: Cents::new(cents).unwrap(),
        new_credit: None,
        old_credit: None,
        sale: Some(sale_part(cents)),
        fee: Cents::ZERO,
        means: domain::journal::Means::None,
    };
    let mut entry = entry(Kind::INTENT, Effect::Hold, wallet, cents);
    entry.tap_counter = counter;
    entry.part = Detail::Intent(intent).to_bytes();
    entry
}

fn about(intent: EntryRef, kind: Kind, effect: Effect, cents: u32) -> Entry {
    Entry { refers_to: Some(intent), ..entry(kind, effect, WALLET, cents) }
}

fn admission(ticket: TicketUid) -> Entry {
    let part = Detail::Admission(domain::journal::Admission {
        scheme: 1,
        marks: domain::journal::Marks::default(),
        product: [1, 0, 0, 0],
        reason: String::new(),
    })
    .to_bytes();
    Entry { part, ..entry(Kind::ADMISSION, Effect::In, ticket, 0) }
}

fn pairing(ticket: TicketUid, wallet: WalletId) -> Entry {
    let part = Detail::Pairing(Pairing::of(BandProfile::Uid)).to_bytes();
    Entry { part, other: ticket.into(), ..entry(Kind::PAIRING, Effect::None, wallet, 0) }
}

fn write(store: &Store, entries: Vec<Entry>) -> Vec<EntryRef> {
    store.transact(move |_| Decision::write(entries, ())).unwrap().refs
}

fn one(store: &Store, entry: Entry) -> EntryRef {
    write(store, vec![entry])[0]
}

/// Runs SQL on the writer's own connection, as a failing disk would meddle with it.
fn on_writer(store: &Store, sql: &'static str) {
    store
        .work(move |writing| {
            writing.connection.prepare(sql)?.query([])?.next()?;
            Ok(())
        })
        .unwrap();
}

/// Changes a closed store behind its back.
fn meddle(path: &Path, sql: &str) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(sql).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}
