//! What the hub said last, section by section, and which own entries that takes into account.
//! Invariant: a batch applies whole, on the batch before it, or not at all; what covers an own entry takes it out of
//! the local fold in the same transaction.
//! Not here: who may sign a batch (`sync::SignedDelta::open`), how the states are read (`view`).
use std::collections::BTreeSet;

use domain::{
    ledger::{CreditItem, TicketState, WalletState},
    wire::{Malformed, Reader, Writer},
};
use rusqlite::{Connection, OptionalExtension, params};
use sync::{Delta, DeltaError, DeltaProgress, Section, frame::HaveDelta};

use crate::{
    accounts,
    coverage::{cover, covered, forget_covered},
    documents,
    error::StoreError,
    neighbours, projection,
    writer::Writing,
    zones,
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
/// Of two the later one says more: the epoch first, then how far it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NewerSelf {
    /// In which epoch.
    pub epoch: u32,
    /// How many entries of it the hub holds without a gap.
    pub contiguous: u32,
    /// First 16 bytes of the hash of the last of them.
    pub hash: [u8; 16],
}

/// What became of a batch, or of a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeltaOutcome {
    /// A part of a batch was put aside until the rest is there (for `BoxSide::delta_stored`).
    Staged(HaveDelta),
    /// It holds now.
    Applied {
        /// How far its section is known now (for `BoxSide::delta_stored`).
        have: HaveDelta,
        /// The hub holds more of this box's journal than this box: the epoch was closed for writing.
        newer_self: Option<NewerSelf>,
    },
    /// It does not follow on what is held, or is not whole: nothing was applied. This is what is held.
    NeedSnapshot(HaveDelta),
    /// It cannot be read: nothing was applied.
    Refused(DeltaError),
}

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

/// The same as the session tells it to the hub.
pub(crate) fn held(connection: &Connection, section: Section) -> Result<HaveDelta, StoreError> {
    let (term, number) = of(connection, section)?.map_or((0, 0), |known| (known.term, known.number));
    Ok(HaveDelta { section, term, number, next_part: None, own: None })
}

/// Applies these batches, in their order, in one transaction.
pub(crate) fn apply(writing: &mut Writing<'_>, batches: &[Vec<Delta>]) -> Result<Vec<DeltaOutcome>, StoreError> {
    writing.whole(|writing| batches.iter().map(|batch| applied_in_order(writing, batch)).collect())
}

fn applied_in_order(writing: &mut Writing<'_>, batch: &[Delta]) -> Result<DeltaOutcome, StoreError> {
    let Some(first) = batch.first() else { return Err(StoreError::Knowledge("a batch without parts")) };
    if let Some(refusal) = order(writing.connection, batch)? {
        return Ok(refusal);
    }
    let newer_self = batch_applied(writing, batch)?;
    let own = Some((writing.tail.cursor.epoch, writing.tail.cursor.next_seq));
    Ok(DeltaOutcome::Applied { have: HaveDelta { own, ..held(writing.connection, first.section)? }, newer_self })
}

/// Whether the parts make one whole batch that follows on what is held.
fn order(connection: &Connection, batch: &[Delta]) -> Result<Option<DeltaOutcome>, StoreError> {
    let Some(first) = batch.first() else { return Ok(None) };
    let held = held(connection, first.section)?;
    let mut progress = DeltaProgress::at(held.term, held.number);
    let mut whole = false;
    for part in batch {
        whole = match progress.take(part) {
            Ok(whole) if part.section == first.section => whole,
            Ok(_) | Err(DeltaError::Gap { .. } | DeltaError::Part { .. }) => {
                return Ok(Some(DeltaOutcome::NeedSnapshot(held)));
            }
            Err(error) => return Ok(Some(DeltaOutcome::Refused(error))),
        };
    }
    Ok((!whole).then_some(DeltaOutcome::NeedSnapshot(held)))
}

fn batch_applied(writing: &mut Writing<'_>, batch: &[Delta]) -> Result<Option<NewerSelf>, StoreError> {
    let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(None) };
    let connection = writing.connection;
    let before = if first.snapshot { covered(connection, first.section)? } else { Vec::new() };
    let mut edits_before = None;
    if first.snapshot && first.section == Section::Documents {
        edits_before = Some(documents::begin_snapshot(connection)?);
    }
    if first.snapshot {
        connection.prepare_cached("DELETE FROM covered WHERE section = ?1")?.execute([first.section.byte()])?;
        neighbours::uncover(connection, first.section)?;
        if let Some(sql) = before_snapshot(first.section) {
            connection.prepare_cached(sql)?.execute([])?;
        }
    }
    let (mut newer, mut named) = (None, BTreeSet::new());
    for part in batch {
        for heads in part.vector.iter().filter(|heads| heads.device == writing.who.device) {
            newer = cover(writing, first.section, heads)?.or(newer);
        }
        for heads in part.vector.iter().filter(|heads| heads.device != writing.who.device) {
            neighbours::cover(writing, first.section, heads)?;
            named.insert((heads.device, heads.epoch));
        }
        items(writing, part)?;
    }
    if let Some(before) = edits_before {
        documents::end_snapshot(connection, before)?;
    }
    connection
        .prepare_cached(
            "INSERT INTO knowledge (section, term, number, hub_time_ms, received_at_ms) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (section) DO UPDATE SET term = excluded.term, number = excluded.number,
                 hub_time_ms = excluded.hub_time_ms, received_at_ms = excluded.received_at_ms",
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
    if matches!(first.section, Section::Wallets | Section::Tickets) {
        neighbours::forget_covered(connection, (!first.snapshot).then_some(&named))?;
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

/// Takes out what a section said, before a snapshot of it. A device stays revoked: a hub that was restored from a copy
/// does not know of what it revoked since, and none that lives lifts it without a record.
fn before_snapshot(section: Section) -> Option<&'static str> {
    match section {
        Section::Revocations => Some("DELETE FROM revoked WHERE what <> 1"),
        Section::Wallets
        | Section::Tickets
        | Section::Credits
        | Section::Zones
        | Section::Shares
        | Section::Documents
        | Section::Bundle => clear(section),
    }
}

/// Takes out all that a section said, where nothing of it is believed any more.
pub(crate) fn clear(section: Section) -> Option<&'static str> {
    match section {
        Section::Wallets => Some("DELETE FROM hub_wallet"),
        Section::Tickets => Some("DELETE FROM hub_ticket"),
        Section::Revocations => Some("DELETE FROM revoked"),
        Section::Credits => Some("DELETE FROM offered_credit"),
        Section::Zones => Some("DELETE FROM hub_zone"),
        Section::Shares => Some(accounts::BEGIN_SNAPSHOT),
        Section::Documents | Section::Bundle => None,
    }
}

fn items(writing: &Writing<'_>, part: &Delta) -> Result<(), StoreError> {
    let connection = writing.connection;
    let mut input = Reader::new(&part.items);
    match part.section {
        Section::Wallets => {
            // changed in its place: a row that goes and comes again is summed twice (`content`)
            let mut insert = connection.prepare_cached(
                "INSERT INTO hub_wallet (wallet, state) VALUES (?1, ?2)
                 ON CONFLICT (wallet) DO UPDATE SET state = excluded.state",
            )?;
            while !input.rest().is_empty() {
                let bytes = input.take(WalletState::LEN).map_err(|_| StoreError::Knowledge("a wallet"))?;
                let state = WalletState::from_bytes(bytes).map_err(|_| StoreError::Knowledge("a wallet"))?;
                insert.execute(params![&state.wallet.0[..], bytes])?;
            }
        }
        Section::Tickets => {
            let mut insert = connection.prepare_cached(
                "INSERT INTO hub_ticket (ticket, state, wallet) VALUES (?1, ?2, ?3)
                 ON CONFLICT (ticket) DO UPDATE SET state = excluded.state, wallet = excluded.wallet",
            )?;
            while !input.rest().is_empty() {
                let bytes = input.take(TicketState::LEN).map_err(|_| StoreError::Knowledge("a ticket"))?;
                let state = TicketState::from_bytes(bytes).map_err(|_| StoreError::Knowledge("a ticket"))?;
                insert.execute(params![
                    &state.ticket.0[..],
                    bytes,
                    state.wallet.as_ref().map(|wallet| &wallet.0[..])
                ])?;
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
        Section::Credits => {
            while !input.rest().is_empty() {
                let item = CreditItem::read(&mut input).map_err(|_| StoreError::Knowledge("a credit"))?;
                match item.offer {
                    Some((record, amount)) => connection
                        .prepare_cached(
                            "INSERT OR REPLACE INTO offered_credit (wallet, record, amount) VALUES (?1, ?2, ?3)",
                        )?
                        .execute(params![&item.wallet.0[..], &record[..], amount.get()])?,
                    None => connection
                        .prepare_cached("DELETE FROM offered_credit WHERE wallet = ?1")?
                        .execute([&item.wallet.0[..]])?,
                };
            }
        }
        Section::Documents => documents::items(connection, &mut input)?,
        Section::Zones => zones::apply(writing, &mut input)?,
        Section::Shares => accounts::apply(writing, &mut input)?,
        Section::Bundle => {}
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
