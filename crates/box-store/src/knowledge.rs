//! What the hub said last, section by section, and which own entries that takes into account.
//! Invariant: a batch applies whole, on the batch before it, or not at all; what covers an own entry takes it out of
//! the local fold in the same transaction.
//! Not here: who may sign a batch (`sync::SignedDelta::open`), how the states are read (`view`).
use domain::{
    id::DeviceId,
    ledger::{TicketState, WalletState},
    wire::{Malformed, Reader, Writer},
};
use rusqlite::{Connection, OptionalExtension, params};
use sync::{Branch, Delta, DeltaError, DeltaProgress, JournalHeads, Section, SignedDelta};

use crate::{
    error::StoreError,
    journal::{self, At},
    projection,
    writer::Writing,
};

/// How far one kind of knowledge goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knowledge {
    /// The hub database's term.
    pub term: u32,
    /// Number of the newest batch.
    pub number: u64,
    /// The hub's time when it signed that, Unix ms.
    pub hub_time_ms: u64,
    /// This box's wall clock when it arrived, Unix ms.
    pub received_at_ms: u64,
}

/// A head of this box's own journal which this box lacks: another image of it has written further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewerSelf {
    /// In which epoch.
    pub epoch: u32,
    /// How many entries of it the hub holds without a gap.
    pub contiguous: u32,
    /// First 16 bytes of the hash of the last of them.
    pub hash: [u8; 16],
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeltaOutcome {
    /// It holds now.
    Applied {
        /// Which knowledge moved.
        sections: Vec<Section>,
        /// The hub holds more of this box's journal than this box: the epoch was closed for writing.
        newer_self: Option<NewerSelf>,
    },
    /// It does not follow on what is held, or is not whole: nothing was applied.
    NeedSnapshot(Section),
    /// It cannot be read: nothing was applied.
    Refused(DeltaError),
}

/// Own entries about a subject that a section does not cover.
pub(crate) const UNCOVERED: &str = "SELECT t.at, e.body FROM touch t JOIN entry e ON e.at = t.at
    WHERE t.subject = ?2 AND NOT EXISTS
        (SELECT 1 FROM covered c WHERE c.section = ?1 AND t.at BETWEEN c.first_at AND c.last_at)
    ORDER BY t.at";

/// What those took.
pub(crate) const UNCOVERED_DEBITS: &str = "SELECT coalesce(sum(t.debit), 0) FROM touch t
    WHERE t.subject = ?2 AND t.debit > 0 AND NOT EXISTS
        (SELECT 1 FROM covered c WHERE c.section = ?1 AND t.at BETWEEN c.first_at AND c.last_at)";

/// The same over all wallets, each up to a limit.
pub(crate) const AT_RISK: &str = "SELECT coalesce(sum(min(taken, ?2)), 0) FROM (
    SELECT sum(t.debit) AS taken FROM touch t
    WHERE t.debit > 0 AND NOT EXISTS
        (SELECT 1 FROM covered c WHERE c.section = ?1 AND t.at BETWEEN c.first_at AND c.last_at)
    GROUP BY t.subject)";

/// How far a section is known.
pub(crate) fn of(connection: &Connection, section: Section) -> Result<Option<Knowledge>, StoreError> {
    let found = connection
        .prepare_cached("SELECT term, number, hub_time_ms, received_at_ms FROM knowledge WHERE section = ?1")?
        .query_row([section.byte()], |row| {
            Ok(Knowledge {
                term: row.get(0)?,
                number: row.get::<_, i64>(1)?.cast_unsigned(),
                hub_time_ms: row.get::<_, i64>(2)?.cast_unsigned(),
                received_at_ms: row.get::<_, i64>(3)?.cast_unsigned(),
            })
        })
        .optional()?;
    Ok(found)
}

/// Applies the batches in `parts`, in their order, in one transaction.
pub(crate) fn apply(writing: &mut Writing<'_>, parts: &[SignedDelta]) -> Result<DeltaOutcome, StoreError> {
    let mut deltas = Vec::with_capacity(parts.len());
    for part in parts {
        match Delta::from_bytes(&part.body) {
            Ok(delta) if delta.festival == writing.who.festival => deltas.push(delta),
            Ok(_) => return Ok(DeltaOutcome::Refused(DeltaError::Festival)),
            Err(error) => return Ok(DeltaOutcome::Refused(error)),
        }
    }
    let mut outcome = None;
    let done = writing.whole(|writing| {
        let (mut sections, mut newer_self) = (Vec::new(), None);
        let mut rest = &deltas[..];
        while let Some(first) = rest.first() {
            let (batch, after) = rest.split_at_checked(usize::from(first.parts)).unwrap_or((rest, &[]));
            rest = after;
            if let Some(refusal) = order(writing.connection, batch)? {
                outcome = Some(refusal);
                return Err(StoreError::Knowledge("order"));
            }
            newer_self = batch_applied(writing, batch)?.or(newer_self);
            sections.push(first.section);
        }
        Ok(DeltaOutcome::Applied { sections, newer_self })
    });
    outcome.map_or(done, Ok)
}

/// Whether the parts make one whole batch that follows on what is held.
fn order(connection: &Connection, batch: &[Delta]) -> Result<Option<DeltaOutcome>, StoreError> {
    let Some(first) = batch.first() else { return Ok(None) };
    let held = of(connection, first.section)?;
    let mut progress = held.map_or(DeltaProgress::default(), |held| DeltaProgress::at(held.term, held.number));
    let mut whole = false;
    for part in batch {
        whole = match progress.take(part) {
            Ok(whole) if part.section == first.section => whole,
            Ok(_) | Err(DeltaError::Gap { .. } | DeltaError::Part { .. }) => {
                return Ok(Some(DeltaOutcome::NeedSnapshot(first.section)));
            }
            Err(error) => return Ok(Some(DeltaOutcome::Refused(error))),
        };
    }
    Ok((!whole).then_some(DeltaOutcome::NeedSnapshot(first.section)))
}

fn batch_applied(writing: &mut Writing<'_>, batch: &[Delta]) -> Result<Option<NewerSelf>, StoreError> {
    let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(None) };
    let connection = writing.connection;
    let before = if first.snapshot { covered(connection, first.section)? } else { Vec::new() };
    if first.snapshot {
        connection.prepare_cached("DELETE FROM covered WHERE section = ?1")?.execute([first.section.byte()])?;
        if let Some(sql) = clear(first.section) {
            connection.prepare_cached(sql)?.execute([])?;
        }
    }
    let mut newer = None;
    for part in batch {
        for heads in part.vector.iter().filter(|heads| heads.device == writing.who.device) {
            newer = cover(writing, first.section, heads)?.or(newer);
        }
        items(connection, part)?;
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO knowledge (section, term, number, hub_time_ms, received_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            last.section.byte(),
            last.term,
            last.number.cast_signed(),
            last.hub_time_ms.cast_signed(),
            writing.wall_ms.cast_signed()
        ])?;
    if let Some(newer) = newer {
        note_newer_self(writing, newer)?;
    }
    let after = covered(connection, first.section)?;
    let shrunk = before.iter().any(|old| !after.iter().any(|new| new.0 <= old.0 && old.1 <= new.1));
    if shrunk {
        // The hub was restored from a backup: entries that it had covered stand on their own again.
        projection::rebuild(connection, writing.who.device)?;
    } else {
        forget_covered(connection, Some(first.section))?;
    }
    Ok(newer)
}

fn clear(section: Section) -> Option<&'static str> {
    match section {
        Section::Wallets => Some("DELETE FROM hub_wallet"),
        Section::Tickets => Some("DELETE FROM hub_ticket"),
        Section::Revocations => Some("DELETE FROM revoked"),
        Section::Certificates | Section::Documents | Section::Bundle => None,
    }
}

fn items(connection: &Connection, part: &Delta) -> Result<(), StoreError> {
    let mut input = Reader::new(&part.items);
    match part.section {
        Section::Wallets => {
            let mut insert =
                connection.prepare_cached("INSERT OR REPLACE INTO hub_wallet (wallet, state) VALUES (?1, ?2)")?;
            while !input.rest().is_empty() {
                let bytes = input.take(WalletState::LEN).map_err(|_| StoreError::Knowledge("a wallet"))?;
                let state = WalletState::from_bytes(bytes).map_err(|_| StoreError::Knowledge("a wallet"))?;
                insert.execute(params![&state.wallet.0[..], bytes])?;
            }
        }
        Section::Tickets => {
            let mut insert =
                connection.prepare_cached("INSERT OR REPLACE INTO hub_ticket (ticket, state, wallet) VALUES (?1, ?2, ?3)")?;
            while !input.rest().is_empty() {
                let bytes = input.take(TicketState::LEN).map_err(|_| StoreError::Knowledge("a ticket"))?;
                let state = TicketState::from_bytes(bytes).map_err(|_| StoreError::Knowledge("a ticket"))?;
                insert.execute(params![&state.ticket.0[..], bytes, state.wallet.as_ref().map(|wallet| &wallet.0[..])])?;
            }
        }
        Section::Revocations => {
            while !input.rest().is_empty() {
                let item = Revoked::read(&mut input).map_err(|_| StoreError::Knowledge("a revocation"))?;
                let sql = if item.holds {
                    "INSERT OR IGNORE INTO revoked (what, id) VALUES (?1, ?2)"
                } else {
                    "DELETE FROM revoked WHERE what = ?1 AND id = ?2"
                };
                connection.prepare_cached(sql)?.execute(params![item.what, &item.id[..]])?;
            }
        }
        Section::Certificates | Section::Documents | Section::Bundle => {}
    }
    Ok(())
}

/// A device in [`Revoked`].
pub const REVOKED_DEVICE: u8 = 1;
/// A ticket in [`Revoked`].
pub const REVOKED_TICKET: u8 = 2;

/// One record of a `Section::Revocations` batch, 18 bytes: what u8 (1 a device, 2 a ticket) · holds u8 (1 revoked,
/// 0 no longer) · id 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// [`REVOKED_DEVICE`] or [`REVOKED_TICKET`].
    pub what: u8,
    /// Whether it is revoked from now on, or no longer.
    pub holds: bool,
    /// Which.
    pub id: [u8; 16],
}

impl Revoked {
    /// Writes the 18 bytes.
    pub fn write(&self, out: &mut Writer) {
        out.u8(self.what);
        out.u8(u8::from(self.holds));
        out.bytes(&self.id);
    }

    /// Reads the 18 bytes.
    pub fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let what = input.u8()?;
        if !matches!(what, REVOKED_DEVICE | REVOKED_TICKET) {
            return Err(Malformed::Value("what is revoked"));
        }
        let holds = match input.u8()? {
            0 => false,
            1 => true,
            _ => return Err(Malformed::Value("holds")),
        };
        Ok(Self { what, holds, id: input.array()? })
    }
}

fn covered(connection: &Connection, section: Section) -> Result<Vec<(i64, i64)>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT first_at, last_at FROM covered WHERE section = ?1 ORDER BY first_at")?;
    let rows = statement.query_map([section.byte()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for row in rows {
        ranges.push(row?);
    }
    Ok(ranges)
}

/// Notes what the hub's state takes into account of one own epoch; tells of a head that this box lacks.
fn cover(writing: &Writing<'_>, section: Section, heads: &JournalHeads) -> Result<Option<NewerSelf>, StoreError> {
    let connection = writing.connection;
    let own_end = own_end(connection, heads.epoch)?;
    let current = writing.tail.cursor.epoch;
    let mut newer = None;
    for branch in &heads.branches {
        let on_mine = is_mine(connection, heads.epoch, own_end, branch)?;
        let ahead = !on_mine || branch.end() > own_end;
        if ahead && heads.epoch >= current {
            newer = Some(NewerSelf { epoch: heads.epoch, contiguous: branch.contiguous, hash: branch.hash });
        }
        let contiguous = if on_mine { branch.contiguous } else { common(connection, heads.epoch)?.min(branch.contiguous) };
        let ranges: &[(u32, u32)] = if on_mine { &branch.ranges } else { &[] };
        let whole = contiguous.checked_sub(1).map(|last| (0, last));
        for (first, last) in whole.into_iter().chain(ranges.iter().copied()) {
            let place = |seq| At { epoch: heads.epoch, seq }.sql();
            widen(connection, section, place(first), place(last))?;
        }
    }
    Ok(newer)
}

/// Joins a range with those that it touches.
fn widen(connection: &Connection, section: Section, mut first: i64, mut last: i64) -> Result<(), StoreError> {
    // A touching range of the epoch before (…/4294967295) cannot exist: no journal gets that far.
    for (old_first, old_last) in covered(connection, section)? {
        if old_first <= last.saturating_add(1) && first <= old_last.saturating_add(1) {
            connection
                .prepare_cached("DELETE FROM covered WHERE section = ?1 AND first_at = ?2")?
                .execute(params![section.byte(), old_first])?;
            first = first.min(old_first);
            last = last.max(old_last);
        }
    }
    connection
        .prepare_cached("INSERT INTO covered (section, first_at, last_at) VALUES (?1, ?2, ?3)")?
        .execute(params![section.byte(), first, last])?;
    Ok(())
}

/// One past the last own entry of an epoch; 0 for an epoch that this box does not have.
pub(crate) fn own_end(connection: &Connection, epoch: u32) -> Result<u32, StoreError> {
    let (first, last) = (At { epoch, seq: 0 }.sql(), At { epoch, seq: u32::MAX }.sql());
    let head: Option<i64> = connection
        .prepare_cached("SELECT max(at) FROM entry WHERE at BETWEEN ?1 AND ?2")?
        .query_row([first, last], |row| row.get(0))?;
    head.map_or(Ok(0), |head| Ok(At::from_sql(head)?.seq.saturating_add(1)))
}

/// Whether the branch is the one that this box holds, as far as both go.
fn is_mine(connection: &Connection, epoch: u32, own_end: u32, branch: &Branch) -> Result<bool, StoreError> {
    match branch.contiguous.checked_sub(1) {
        Some(seq) if seq < own_end => {
            let mine = journal::hash_at(connection, At { epoch, seq })?;
            Ok(mine.is_some_and(|hash| hash.starts_with(&branch.hash)))
        }
        _ => Ok(true),
    }
}

/// How many entries the hub is known to share with this box on forked ground: those that it acknowledged.
fn common(connection: &Connection, epoch: u32) -> Result<u32, StoreError> {
    let acked: Option<u32> = connection
        .prepare_cached("SELECT acked_seq FROM epoch WHERE epoch = ?1")?
        .query_row([epoch], |row| row.get(0))
        .optional()?
        .flatten();
    Ok(acked.map_or(0, |seq| seq.saturating_add(1)))
}

/// Remembers the other image's head and closes the epoch for writing.
pub(crate) fn note_newer_self(writing: &mut Writing<'_>, newer: NewerSelf) -> Result<(), StoreError> {
    let connection = writing.connection;
    connection
        .prepare_cached("INSERT OR REPLACE INTO newer_self (epoch, contiguous, hash) VALUES (?1, ?2, ?3)")?
        .execute(params![newer.epoch, newer.contiguous, &newer.hash[..]])?;
    close_epoch(writing)
}

/// Closes the current epoch for writing.
pub(crate) fn close_epoch(writing: &mut Writing<'_>) -> Result<(), StoreError> {
    writing
        .connection
        .prepare_cached("UPDATE epoch SET stopped = 1 WHERE epoch = ?1")?
        .execute([writing.tail.cursor.epoch])?;
    writing.tail.stopped = true;
    Ok(())
}

/// Takes out of the local fold what both wallets and tickets cover: in one section's batch, or everywhere.
pub(crate) fn forget_covered(connection: &Connection, section: Option<Section>) -> Result<(), StoreError> {
    if section.is_some_and(|section| !matches!(section, Section::Wallets | Section::Tickets)) {
        return Ok(());
    }
    connection
        .prepare_cached(
            "DELETE FROM touch WHERE EXISTS
                 (SELECT 1 FROM covered c WHERE c.section = ?1 AND touch.at BETWEEN c.first_at AND c.last_at)
             AND EXISTS
                 (SELECT 1 FROM covered c WHERE c.section = ?2 AND touch.at BETWEEN c.first_at AND c.last_at)",
        )?
        .execute([Section::Wallets.byte(), Section::Tickets.byte()])?;
    Ok(())
}

/// Whether `heads` of an own epoch name a head that this box lacks.
pub(crate) fn newer_self(
    connection: &Connection,
    device: DeviceId,
    heads: &[JournalHeads],
) -> Result<Option<NewerSelf>, StoreError> {
    let current: u32 =
        connection.prepare_cached("SELECT coalesce(max(epoch), 0) FROM epoch")?.query_row([], |row| row.get(0))?;
    let mut newer = None;
    for heads in heads.iter().filter(|heads| heads.device == device && heads.epoch >= current) {
        let own_end = own_end(connection, heads.epoch)?;
        for branch in &heads.branches {
            if !is_mine(connection, heads.epoch, own_end, branch)? || branch.end() > own_end {
                newer = Some(NewerSelf { epoch: heads.epoch, contiguous: branch.contiguous, hash: branch.hash });
            }
        }
    }
    Ok(newer)
}
