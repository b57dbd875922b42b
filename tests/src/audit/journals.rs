//! Every entry that the hub holds, read from its database beside the hub: its own sums are not asked.
//! Not here: what the entries mean (`books`).
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, Result};
use domain::{
    id::{DeviceId, EntryRef, WalletId},
    journal::Entry,
    ledger::{Standing, WalletEntry},
};
use rusqlite::{Connection, OpenFlags};

/// Everything in the hub's journals.
pub struct Journals {
    entries: BTreeMap<EntryRef, Entry>,
    /// Entries that count nothing at the hub.
    pub set_aside: u64,
}

fn open(hub: &Path, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(hub.join("hub.db"), flags).context("hub.db")?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

impl Journals {
    /// Reads the database in the hub's folder.
    pub fn read(hub: &Path) -> Result<Self> {
        let connection = open(hub, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut statement = connection.prepare(
            "SELECT j.device, j.epoch, e.seq, e.body FROM entries e
             JOIN journals j ON j.festival = e.festival AND j.journal = e.journal",
        )?;
        let mut rows = statement.query([])?;
        let mut entries = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (device, epoch, seq): ([u8; 16], u32, u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let at = EntryRef { device: DeviceId(device), epoch, seq };
            let body: Vec<u8> = row.get(3)?;
            entries.insert(at, Entry::from_bytes(&body).with_context(|| at.to_string())?);
        }
        let set_aside: i64 = connection.query_row("SELECT COUNT(*) FROM set_aside", [], |row| row.get(0))?;
        Ok(Self { entries, set_aside: set_aside.unsigned_abs() })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry at this place.
    pub fn at(&self, at: &EntryRef) -> Option<&Entry> {
        self.entries.get(at)
    }

    /// The entry of a name as screens show it.
    pub fn named(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|(at, _)| at.to_string() == name).map(|(_, entry)| entry)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&EntryRef, &Entry)> {
        self.entries.iter()
    }

    /// Every wallet that money entries name.
    pub fn wallets(&self) -> BTreeSet<WalletId> {
        let money = self.entries.values().filter(|entry| moves_money(entry));
        money.map(|entry| entry.subject.wallet()).collect()
    }

    /// What names this wallet.
    pub fn of_wallet(&self, wallet: WalletId) -> Vec<WalletEntry> {
        let names = |entry: &&Entry| entry.subject == wallet.into() || entry.other == wallet.into();
        let entries = self.entries.iter().filter(|(_, entry)| names(entry));
        entries.map(|(at, entry)| WalletEntry::new(*at, entry.clone(), Standing::InForce)).collect()
    }
}

fn moves_money(entry: &Entry) -> bool {
    use domain::journal::Effect;
    match entry.effect {
        Effect::Credit
        | Effect::Debit
        | Effect::Transfer
        | Effect::Hold
        | Effect::Release
        | Effect::HoldCredit
        | Effect::Owe
        | Effect::Repay => true,
        Effect::None | Effect::In | Effect::Out | Effect::Block | Effect::Unblock | Effect::Unknown(_) => false,
    }
}

/// Deletes one entry from the hub's database, as somebody would who wants to hide it.
pub fn delete(hub: &Path, name: &str) -> Result<()> {
    let mut parts = name.split('/');
    let device = parts.next().and_then(DeviceId::from_hex).context("no device")?;
    let mut number = || parts.next().and_then(|part| part.parse::<u32>().ok()).context("no number");
    let (epoch, seq) = (number()?, number()?);
    let connection = open(hub, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let deleted = connection.execute(
        "DELETE FROM entries WHERE seq = ?3 AND EXISTS (SELECT 1 FROM journals j WHERE j.festival = entries.festival
         AND j.journal = entries.journal AND j.device = ?1 AND j.epoch = ?2)",
        rusqlite::params![device.0, epoch, seq],
    )?;
    (deleted == 1).then_some(()).with_context(|| format!("{deleted} entries deleted instead of one"))
}
