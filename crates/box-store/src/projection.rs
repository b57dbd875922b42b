//! What the own entries amount to, folded in the transaction that appends them.
//! Invariant: folding all entries again gives the same rows; nothing here is a fact of its own.
//! Not here: what the hub said (`knowledge`), how both are read together (`view`).
use domain::{
    id::DeviceId,
    journal::{Effect, Entry, Flags, Kind},
    ledger::closes,
    money::Cents,
    wire::{Malformed, Reader, Writer},
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{accounts, acts, coverage, error::StoreError, goods, journal::At, sums::Sums, zones};

/// Raised whenever folding changes; the next start folds everything again.
pub(crate) const VERSION: u32 = 7;

/// Entries of a fold of all whose sums are written together.
const TOGETHER: usize = 10_000;

/// Whether somebody waits for a green light on this entry, so that a restart must ask about it. A carried C′ is put on the
/// band beside what was asked for, and nothing is handed over for it; nor for a top-up of nothing, which takes the place of
/// what the hub had signed before a payout.
pub(crate) fn shows_green(entry: &Entry) -> bool {
    let asks_nothing = entry.kind == Kind::TOP_UP && (entry.effect == Effect::Repay || entry.amount == Cents::ZERO);
    !entry.flags.has(Flags::TRAINING)
        && !asks_nothing
        && [Kind::SALE, Kind::DEPOSIT_OUT, Kind::DEPOSIT_BACK, Kind::TOP_UP, Kind::REFUND, Kind::BAND_TRANSFER]
            .contains(&entry.kind)
}

/// Whether staff handed out what this entry pays for while its tap was in doubt: nobody waits for its green light any more.
/// Asked before the entry is folded, which forgets its intent.
pub(crate) fn is_served(connection: &Connection, entry: &Entry, device: DeviceId) -> Result<bool, StoreError> {
    let Some(first) = entry.refers_to.filter(|first| first.device == device) else { return Ok(false) };
    let first = At { epoch: first.epoch, seq: first.seq }.sql();
    let served = connection
        .prepare_cached("SELECT handed_over FROM intent WHERE at = ?1")?
        .query_row([first], |row| row.get(0))
        .optional()?;
    Ok(served.unwrap_or(false))
}

/// Folds one own entry; its part of the sums is gathered.
pub(crate) fn fold(
    connection: &Connection,
    sums: &mut Sums,
    at: At,
    entry: &Entry,
    device: DeviceId,
) -> Result<(), StoreError> {
    sums.count(entry);
    let training = entry.flags.has(Flags::TRAINING);
    let is_of_share = entry.kind == Kind::SHARE_RELEASE;
    for (subject, debit) in [(entry.subject, debit(entry)), (entry.other, 0)] {
        if !subject.is_none() && !is_of_share {
            connection
                .prepare_cached("INSERT OR IGNORE INTO touch (subject, at, debit, moved) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![&subject.0[..], at.sql(), debit, accounts::moved(entry, subject.wallet())])?;
        }
    }
    if training {
        return Ok(());
    }
    fold_intent(connection, at, entry, device)?;
    acts::fold(connection, at, entry, device)?;
    goods::fold(connection, sums, entry, device)?;
    fold_pairing(connection, at, entry)?;
    zones::fold(connection, at, entry)?;
    accounts::fold(connection, at, entry)?;
    sums.count_in_hour(entry);
    Ok(())
}

/// What the entry takes from its subject, or may have taken.
fn debit(entry: &Entry) -> i64 {
    match entry.effect {
        Effect::Debit | Effect::Transfer | Effect::Hold if !entry.flags.has(Flags::TRAINING) => entry.amount.as_i64(),
        Effect::Debit
        | Effect::Transfer
        | Effect::Hold
        | Effect::None
        | Effect::Credit
        | Effect::Release
        | Effect::In
        | Effect::Out
        | Effect::Block
        | Effect::Unblock
        | Effect::HoldCredit
        | Effect::Owe
        | Effect::Repay
        | Effect::Unknown(_) => 0,
    }
}

/// What an entry that refers to an intent does to it.
enum FollowUp {
    Committed,
    Void,
    GaveUp,
    HandedOver,
}

fn follow_up(entry: &Entry) -> Option<FollowUp> {
    match entry.kind {
        Kind::GAVE_UP => Some(FollowUp::GaveUp),
        Kind::HANDED_OVER => Some(FollowUp::HandedOver),
        Kind::VOID => Some(FollowUp::Void),
        Kind::CLOSING_READ => Some(FollowUp::Committed),
        _ if closes(entry).is_none() => None,
        _ if entry.effect == Effect::Release => Some(FollowUp::Void),
        _ => Some(FollowUp::Committed),
    }
}

fn fold_intent(connection: &Connection, at: At, entry: &Entry, device: DeviceId) -> Result<(), StoreError> {
    let wallet = &entry.subject.0[..];
    if entry.kind == Kind::INTENT {
        connection
            .prepare_cached("INSERT INTO intent (at, wallet, state, handed_over) VALUES (?1, ?2, 0, 0)")?
            .execute(params![at.sql(), wallet])?;
        connection
            .prepare_cached(
                "INSERT INTO unfinished (wallet, taps) VALUES (?1, 1) ON CONFLICT (wallet) DO UPDATE SET taps = taps + 1",
            )?
            .execute([wallet])?;
    }
    let (Some(first), Some(follow_up)) = (entry.refers_to.filter(|first| first.device == device), follow_up(entry))
    else {
        return Ok(());
    };
    let first = At { epoch: first.epoch, seq: first.seq }.sql();
    match follow_up {
        FollowUp::GaveUp => {
            connection.prepare_cached("UPDATE intent SET state = 1 WHERE at = ?1")?.execute([first])?;
        }
        FollowUp::HandedOver => {
            connection.prepare_cached("UPDATE intent SET handed_over = 1 WHERE at = ?1")?.execute([first])?;
        }
        FollowUp::Committed | FollowUp::Void => {
            connection
                .prepare_cached("UPDATE touch SET debit = 0 WHERE subject = ?1 AND at = ?2")?
                .execute(params![wallet, first])?;
            let was_intent = connection.prepare_cached("DELETE FROM intent WHERE at = ?1")?.execute([first])? > 0;
            let less = if matches!(follow_up, FollowUp::Void) { 1 } else { i64::MAX };
            if was_intent {
                connection
                    .prepare_cached("UPDATE unfinished SET taps = taps - min(taps, ?2) WHERE wallet = ?1")?
                    .execute(params![wallet, less])?;
                connection
                    .prepare_cached("DELETE FROM unfinished WHERE wallet = ?1 AND taps = 0")?
                    .execute([wallet])?;
            }
        }
    }
    Ok(())
}

fn fold_pairing(connection: &Connection, at: At, entry: &Entry) -> Result<(), StoreError> {
    if entry.kind == Kind::PAIRING {
        connection
            .prepare_cached("INSERT OR REPLACE INTO pairing (ticket, wallet, at) VALUES (?1, ?2, ?3)")?
            .execute(params![&entry.other.0[..], &entry.subject.0[..], at.sql()])?;
    }
    if entry.kind == Kind::BAND_TRANSFER {
        connection.prepare_cached("UPDATE pairing SET wallet = ?2, at = ?3 WHERE wallet = ?1")?.execute(params![
            &entry.subject.0[..],
            &entry.other.0[..],
            at.sql()
        ])?;
    }
    Ok(())
}

/// Whether this code folded what is there.
pub(crate) fn is_up_to_date(connection: &Connection) -> Result<bool, StoreError> {
    let version: Option<u32> =
        connection.prepare_cached("SELECT version FROM projection")?.query_row([], |row| row.get(0)).optional()?;
    Ok(version == Some(VERSION))
}

/// Folds everything again if other code folded it.
pub(crate) fn bring_up_to_date(connection: &Connection, device: DeviceId) -> Result<(), StoreError> {
    if is_up_to_date(connection)? { Ok(()) } else { rebuild(connection, device) }
}

/// Folds everything again, from the first entry.
pub(crate) fn rebuild(connection: &Connection, device: DeviceId) -> Result<(), StoreError> {
    connection.execute_batch(
        "DELETE FROM tally; DELETE FROM touch; DELETE FROM intent; DELETE FROM unfinished; DELETE FROM hour;
         DELETE FROM pairing; DELETE FROM passages; DELETE FROM act; DELETE FROM account_here;
         DELETE FROM projection;",
    )?;
    let mut statement = connection.prepare("SELECT at, body FROM entry ORDER BY at")?;
    let mut rows = statement.query([])?;
    let (mut sums, mut gathered) = (Sums::default(), 0);
    while let Some(row) = rows.next()? {
        let at = At::from_sql(row.get(0)?)?;
        let body = row.get_ref(1)?.as_blob().map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let entry = Entry::from_bytes(body).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        fold(connection, &mut sums, at, &entry, device)?;
        gathered += 1;
        if gathered == TOGETHER {
            core::mem::take(&mut sums).write(connection)?;
            gathered = 0;
        }
    }
    sums.write(connection)?;
    coverage::forget_covered(connection, None)?;
    connection.execute("INSERT INTO projection (one, version) VALUES (1, ?1)", [VERSION])?;
    Ok(())
}

/// Entries and cents by effect.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Totals(Vec<(u8, u64, i64)>);

impl Totals {
    pub(crate) fn stored(connection: &Connection) -> Result<Self, StoreError> {
        let mut statement =
            connection.prepare_cached("SELECT number, entries, cents FROM tally WHERE of = 0 ORDER BY number")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get(2)?)))?;
        let mut totals = Vec::new();
        for row in rows {
            let (effect, entries, cents): (u8, i64, i64) = row?;
            totals.push((effect, entries.unsigned_abs(), cents));
        }
        Ok(Self(totals))
    }

    pub(crate) fn add(&mut self, entry: &Entry) {
        let (effect, cents) = (entry.effect.byte(), entry.amount.as_i64());
        match self.0.binary_search_by_key(&effect, |total| total.0) {
            Ok(at) => {
                if let Some((_, entries, sum)) = self.0.get_mut(at) {
                    *entries = entries.saturating_add(1);
                    *sum = sum.saturating_add(cents);
                }
            }
            Err(at) => self.0.insert(at, (effect, 1, cents)),
        }
    }

    pub(crate) fn entries(&self) -> u64 {
        self.0.iter().fold(0, |sum, (_, entries, _)| sum.saturating_add(*entries))
    }

    /// Per effect: effect u8 · entries u64 · cents u64 (two's complement).
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        for (effect, entries, cents) in &self.0 {
            out.u8(*effect);
            out.u64(*entries);
            out.u64(cents.cast_unsigned());
        }
        out.finish()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let mut totals = Vec::new();
        while !input.rest().is_empty() {
            totals.push((input.u8()?, input.u64()?, input.u64()?.cast_signed()));
        }
        Ok(Self(totals))
    }
}
