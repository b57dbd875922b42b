//! Which own entries the hub's state takes into account, as ranges of places for each section.
//! Invariant: a range stands only for the branch that this box holds.
//! Not here: the state itself (`knowledge`).
use domain::id::DeviceId;
use rusqlite::{Connection, OptionalExtension, params};
use sync::{Branch, JournalHeads, Section};

use crate::{
    accounts,
    error::StoreError,
    journal::{self, At},
    knowledge::NewerSelf,
    writer::Writing,
};

/// Own entries about a subject that a section does not cover.
pub(crate) const UNCOVERED: &str = "SELECT t.at, e.body FROM touch t JOIN entry e ON e.at = t.at
    WHERE t.subject = ?2 AND NOT EXISTS
        (SELECT 1 FROM covered c WHERE c.section = ?1 AND t.at BETWEEN c.first_at AND c.last_at)
    ORDER BY t.at";

/// What those took.
pub(crate) const UNCOVERED_DEBITS: &str = "SELECT coalesce(sum(t.debit), 0) FROM touch t
    WHERE t.subject = ?2 AND t.debit > 0 AND NOT EXISTS
        (SELECT 1 FROM covered c WHERE c.section = ?1 AND t.at BETWEEN c.first_at AND c.last_at)";

/// The same over all wallets; those of accounts only where `?2` is 1: under escrow they risk nothing.
pub(crate) const AT_RISK: &str = "SELECT coalesce(sum(t.debit), 0) FROM touch t
    WHERE t.debit > 0 AND NOT EXISTS
        (SELECT 1 FROM covered c WHERE c.section = ?1 AND t.at BETWEEN c.first_at AND c.last_at)
        AND (?2 OR t.moved = 0)";

/// That both sections cover a row of `touch`.
macro_rules! covered_by_both {
    () => {
        "EXISTS (SELECT 1 FROM covered c WHERE c.section = ?1 AND touch.at BETWEEN c.first_at AND c.last_at)
        AND EXISTS (SELECT 1 FROM covered c WHERE c.section = ?2 AND touch.at BETWEEN c.first_at AND c.last_at)"
    };
}
pub(crate) use covered_by_both;

const FORGET_COVERED: &str = concat!("DELETE FROM touch WHERE ", covered_by_both!());

pub(crate) fn covered(connection: &Connection, section: Section) -> Result<Vec<(i64, i64)>, StoreError> {
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
pub(crate) fn cover(
    writing: &Writing<'_>,
    section: Section,
    heads: &JournalHeads,
) -> Result<Option<NewerSelf>, StoreError> {
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
        let contiguous =
            if on_mine { branch.contiguous } else { common(connection, heads.epoch)?.min(branch.contiguous) };
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

/// Takes out of the local fold what both wallets and tickets cover: in one section's batch, or everywhere.
pub(crate) fn forget_covered(connection: &Connection, section: Option<Section>) -> Result<(), StoreError> {
    if section.is_some_and(|section| !matches!(section, Section::Wallets | Section::Tickets)) {
        return Ok(());
    }
    let sections = [Section::Wallets.byte(), Section::Tickets.byte()];
    connection.prepare_cached(accounts::KEEP_COVERED)?.execute(sections)?;
    connection.prepare_cached(FORGET_COVERED)?.execute(sections)?;
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
