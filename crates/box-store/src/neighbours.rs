//! What neighbours on the venue's LAN told: their commits, kept until the hub's state covers them, and forwarded where it
//! does not.
//! Invariant: of one place in a journal the first entry is kept; nothing told here ever changes the own journal, nor what
//! hub and box compare (`agreement`).
//! Not here: whether a commit is genuine (`domain::lan`), who may write what (`domain::ledger`).
use std::collections::BTreeSet;

use domain::{
    id::{BoxNumber, DeviceId, EntryRef},
    journal::{Entry, Head},
    lan::Told,
    ledger::{Standing, TicketEntry},
};
use rusqlite::{Connection, OptionalExtension, params};
use sync::{Branch, JournalHeads, Section, Segment, vector::MAX_RANGES};

use crate::{
    error::StoreError,
    exchange::SEGMENT_BYTES,
    journal::{self, At},
    knowledge::REVOKED_DEVICE,
    store::Store,
    writer::Writing,
};

/// Most commits of neighbours that are kept, and most bytes; more are not stored until the hub has covered some.
const COMMITS_MAX: i64 = 200_000;
const BYTES_MAX: i64 = 256 << 20;
/// One neighbour has at most this part of both.
const SHARE: i64 = 16;
/// Most journals of one neighbour: so many the hub keeps of a box.
const JOURNALS_MAX: i64 = 64;

/// What became of a neighbour's commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is on disk now.
    New,
    /// It was on disk before.
    Known,
    /// The hub's state takes that place of the journal into account, so it is not kept. Whether this commit stood there
    /// nobody here can say.
    Covered,
    /// The neighbour has signed something else at that place: it rewrites its history.
    Conflict,
    /// There is no room for more.
    Full,
}

impl Store {
    /// Keeps a neighbour's commit whose signature, chain and rights were checked, under the number that its box has.
    /// Returns after the flush.
    pub fn hear_commit(&self, told: Told, head: Head, box_number: BoxNumber) -> Result<Heard, StoreError> {
        let known = self.reading(|connection| held(connection, &told, &head))?;
        if let Some(known) = known {
            return Ok(known);
        }
        self.work(move |writing| writing.whole(|writing| hear(writing, &told, &head, box_number)))
    }

    /// Commits about a subject that the hub's state may not cover, own and neighbours', newest last, at most `most`.
    pub fn commits_about(&self, subject: &[u8; 16], most: usize) -> Result<Vec<Told>, StoreError> {
        let device = self.0.who.device;
        let own = self.reading(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT DISTINCT at FROM touch WHERE subject = ?1 ORDER BY at")?;
            let rows = statement.query_map([&subject[..]], |row| row.get::<_, i64>(0))?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })?;
        let mut commits: Vec<Told> = Vec::new();
        for at in own {
            let at = At::from_sql(at)?;
            if let Some(segment) = self.segment(device, at.epoch, at.seq, 1)? {
                commits.push(told_of(segment));
            }
        }
        let others = self.reading(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT DISTINCT c.told FROM neighbour_entry e
                 JOIN neighbour_commit c ON c.device = e.device AND c.epoch = e.epoch
                     AND e.seq BETWEEN c.first AND c.last
                 WHERE e.subject = ?1",
            )?;
            let rows = statement.query_map([&subject[..]], |row| row.get::<_, Vec<u8>>(0))?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        })?;
        commits.extend(others.iter().filter_map(|told| Told::from_bytes(told).ok()));
        let from = commits.len().saturating_sub(most);
        Ok(commits.split_off(from))
    }

    /// What is kept of neighbours' journals: what the hub's state did not cover when this box heard of it last.
    pub fn neighbours_held(&self) -> Result<Vec<JournalHeads>, StoreError> {
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT device, epoch, first, last, hash FROM neighbour_commit ORDER BY device, epoch, last",
            )?;
            let mut rows = statement.query([])?;
            let mut held: Vec<JournalHeads> = Vec::new();
            while let Some(row) = rows.next()? {
                let (device, epoch) = (DeviceId(row.get(0)?), row.get(1)?);
                let (first, last, hash): (u32, u32, Vec<u8>) = (row.get(2)?, row.get(3)?, row.get(4)?);
                if held.last().is_none_or(|heads| (heads.device, heads.epoch) != (device, epoch)) {
                    held.push(JournalHeads { device, epoch, branches: vec![Branch::default()] });
                }
                if let Some(branch) = held.last_mut().and_then(|heads| heads.branches.first_mut()) {
                    lengthen(branch, (first, last), &hash);
                }
            }
            Ok(held)
        })
    }

    /// How many entries of neighbours are kept.
    pub fn neighbour_entries(&self) -> Result<u64, StoreError> {
        self.reading(|connection| {
            Ok(connection
                .query_row("SELECT count(*) FROM neighbour_entry", [], |row| row.get::<_, i64>(0))?
                .cast_unsigned())
        })
    }
}

/// The same entries as they are told on the LAN.
pub fn told_of(segment: sync::Segment) -> Told {
    Told {
        device: segment.device,
        epoch: segment.epoch,
        first: segment.first,
        prev: segment.prev,
        signature: segment.signature,
        bodies: segment.bodies,
    }
}

/// The same entries as they go to the hub.
pub fn segment_of(told: Told) -> Segment {
    let Told { device, epoch, first, prev, signature, bodies } = told;
    Segment { device, epoch, first, prev, bodies, signature }
}

/// Takes a commit into what is held of its journal; what does not fit into a vector is told of later.
fn lengthen(branch: &mut Branch, (first, last): (u32, u32), hash: &[u8]) {
    if first == branch.contiguous && branch.ranges.is_empty() {
        let hash = hash.first_chunk().copied().unwrap_or_default();
        (branch.contiguous, branch.hash) = (last.saturating_add(1), hash);
        return;
    }
    let has_room = branch.ranges.len() < MAX_RANGES;
    match branch.ranges.last_mut() {
        Some(range) if range.1.saturating_add(1) == first => range.1 = last,
        Some(_) | None if has_room => branch.ranges.push((first, last)),
        Some(_) | None => {}
    }
}

/// Commits of a neighbour that follow on each other, as one segment: the last one's signature stands for all.
pub(crate) fn segment(
    connection: &Connection,
    device: DeviceId,
    from: At,
    most: usize,
) -> Result<Option<Segment>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT told, hash FROM neighbour_commit WHERE device = ?1 AND epoch = ?2 AND last >= ?3 ORDER BY last",
    )?;
    let mut rows = statement.query(params![&device.0[..], from.epoch, from.seq])?;
    let mut joined: Option<(Segment, Vec<u8>)> = None;
    while let Some(row) = rows.next()? {
        let told =
            Told::from_bytes(&row.get::<_, Vec<u8>>(0)?).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let (hash, next) = (row.get(1)?, segment_of(told));
        let Some((segment, end)) = &mut joined else {
            joined = Some((next, hash));
            continue;
        };
        let follows = next.first == segment.last().saturating_add(1) && *end == next.prev;
        let entries = segment.bodies.len().saturating_add(next.bodies.len());
        let bytes = segment.body_bytes().saturating_add(next.body_bytes());
        if !follows || entries > most || bytes > SEGMENT_BYTES {
            break;
        }
        segment.bodies.extend(next.bodies);
        (segment.signature, *end) = (next.signature, hash);
    }
    Ok(joined.map(|(segment, _)| segment))
}

fn held(connection: &Connection, told: &Told, head: &Head) -> Result<Option<Heard>, StoreError> {
    let hash: Option<Vec<u8>> = connection
        .prepare_cached("SELECT hash FROM neighbour_commit WHERE device = ?1 AND epoch = ?2 AND last = ?3")?
        .query_row(params![&told.device.0[..], told.epoch, head.seq], |row| row.get(0))
        .optional()?;
    if let Some(hash) = hash {
        return Ok(Some(if hash == head.hash { Heard::Known } else { Heard::Conflict }));
    }
    for (body, seq) in told.bodies.iter().zip(told.first..) {
        let mut statement = connection
            .prepare_cached("SELECT body FROM neighbour_entry WHERE device = ?1 AND epoch = ?2 AND seq = ?3 LIMIT 1")?;
        let known: Option<Vec<u8>> =
            statement.query_row(params![&told.device.0[..], told.epoch, seq], |row| row.get(0)).optional()?;
        if known.is_some_and(|known| known != *body) {
            return Ok(Some(Heard::Conflict));
        }
    }
    let covered =
        [Section::Wallets, Section::Tickets].into_iter().map(|section| covers(connection, section, told, head));
    let covered = covered.collect::<Result<Vec<_>, _>>()?;
    Ok(covered.iter().all(|covers| *covers).then_some(Heard::Covered))
}

/// That a section covers the entries `$first` to `$last` of a neighbour's journal.
macro_rules! section_covers {
    ($section:literal, $device:literal, $epoch:literal, $first:literal, $last:literal) => {
        concat!(
            "(EXISTS (SELECT 1 FROM neighbour_covered c WHERE c.section = ",
            $section,
            " AND c.device = ",
            $device,
            " AND c.epoch = ",
            $epoch,
            " AND ",
            $last,
            " < c.before)
            OR EXISTS (SELECT 1 FROM neighbour_beyond b WHERE b.section = ",
            $section,
            " AND b.device = ",
            $device,
            " AND b.epoch = ",
            $epoch,
            " AND ",
            $first,
            " >= b.first AND ",
            $last,
            " <= b.last))"
        )
    };
}

/// That both sections, `?1` and `?2`, do so of a row `n`.
macro_rules! both_cover {
    ($first:literal, $last:literal) => {
        concat!(
            section_covers!("?1", "n.device", "n.epoch", $first, $last),
            " AND ",
            section_covers!("?2", "n.device", "n.epoch", $first, $last)
        )
    };
}

fn covers(connection: &Connection, section: Section, told: &Told, head: &Head) -> Result<bool, StoreError> {
    let covers = connection
        .prepare_cached(concat!("SELECT ", section_covers!("?1", "?2", "?3", "?4", "?5")))?
        .query_row(params![section.byte(), &told.device.0[..], told.epoch, told.first, head.seq], |row| row.get(0))?;
    Ok(covers)
}

/// What neighbours have told and no state covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) commits: i64,
    pub(crate) bytes: i64,
}

impl Size {
    pub(crate) fn is_full(&self) -> bool {
        self.commits >= COMMITS_MAX || self.bytes >= BYTES_MAX
    }

    /// Whether one neighbour has no room for more, where it has told so much.
    pub(crate) fn is_a_whole_share(&self) -> bool {
        self.commits >= COMMITS_MAX / SHARE || self.bytes >= BYTES_MAX / SHARE
    }
}

pub(crate) fn size(connection: &Connection) -> Result<Size, StoreError> {
    let read = |row: &rusqlite::Row<'_>| Ok(Size { commits: row.get(0)?, bytes: row.get(1)? });
    Ok(connection.prepare_cached("SELECT commits, bytes FROM neighbour_size")?.query_row([], read)?)
}

/// What one of them has told.
pub(crate) fn share(connection: &Connection, device: DeviceId) -> Result<Size, StoreError> {
    let read = |row: &rusqlite::Row<'_>| Ok(Size { commits: row.get(0)?, bytes: row.get(1)? });
    let share = connection
        .prepare_cached("SELECT commits, bytes FROM neighbour_share WHERE device = ?1")?
        .query_row([&device.0[..]], read)
        .optional()?;
    Ok(share.unwrap_or(Size { commits: 0, bytes: 0 }))
}

/// Whether there is room for more of this neighbour. What revoked boxes told is kept as evidence for as long as nobody
/// else needs its place.
fn has_room(connection: &Connection, device: DeviceId) -> Result<bool, StoreError> {
    if share(connection, device)?.is_a_whole_share() {
        return Ok(false);
    }
    if size(connection)?.is_full() {
        for table in ["neighbour_entry", "neighbour_commit"] {
            let sql = format!("DELETE FROM {table} WHERE device IN (SELECT id FROM revoked WHERE what = ?1)");
            connection.prepare_cached(&sql)?.execute([REVOKED_DEVICE])?;
        }
        return Ok(!size(connection)?.is_full());
    }
    Ok(true)
}

/// Whether it would begin a journal of a neighbour of which there are enough.
fn is_one_journal_too_many(connection: &Connection, told: &Told) -> Result<bool, StoreError> {
    let (device, epoch) = (&told.device.0[..], told.epoch);
    let is_known: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM neighbour_commit WHERE device = ?1 AND epoch = ?2)")?
        .query_row(params![device, epoch], |row| row.get(0))?;
    if is_known {
        return Ok(false);
    }
    // from one to the next, however much stands in each
    let journals: i64 = connection
        .prepare_cached(
            "WITH RECURSIVE journal (epoch) AS (
                 SELECT min(epoch) FROM neighbour_commit WHERE device = ?1
                 UNION ALL SELECT (SELECT min(c.epoch) FROM neighbour_commit c WHERE c.device = ?1 AND c.epoch > j.epoch)
                 FROM journal j WHERE j.epoch IS NOT NULL)
             SELECT count(epoch) FROM journal",
        )?
        .query_row([device], |row| row.get(0))?;
    Ok(journals >= JOURNALS_MAX)
}

fn hear(writing: &Writing<'_>, told: &Told, head: &Head, box_number: BoxNumber) -> Result<Heard, StoreError> {
    let connection = writing.connection;
    if let Some(known) = held(connection, told, head)? {
        return Ok(known);
    }
    if !has_room(connection, told.device)? || is_one_journal_too_many(connection, told)? {
        return Ok(Heard::Full);
    }
    connection
        .prepare_cached(
            "INSERT INTO neighbour_commit (device, epoch, last, first, hash, told) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![&told.device.0[..], told.epoch, head.seq, told.first, &head.hash[..], told.to_bytes()])?;
    for (seq, entry) in told.entries() {
        for subject in [entry.subject.0, entry.other.0].into_iter().filter(|subject| *subject != [0; 16]) {
            connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO neighbour_entry (subject, device, epoch, seq, box_number, body)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute(params![&subject[..], &told.device.0[..], told.epoch, seq, box_number.0, entry.to_bytes()])?;
        }
    }
    Ok(Heard::New)
}

/// What neighbours did with a subject and a section does not cover.
pub(crate) fn about(
    connection: &Connection,
    subject: &[u8; 16],
    section: Section,
) -> Result<Vec<TicketEntry>, StoreError> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT n.device, n.epoch, n.seq, n.box_number, n.body FROM neighbour_entry n WHERE n.subject = ?1 AND NOT ",
        section_covers!("?2", "n.device", "n.epoch", "n.seq", "n.seq"),
        " ORDER BY n.device, n.epoch, n.seq"
    ))?;
    let mut rows = statement.query(params![&subject[..], section.byte()])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let at = EntryRef { device: DeviceId(row.get(0)?), epoch: row.get(1)?, seq: row.get(2)? };
        let entry = Entry::from_bytes(&row.get::<_, Vec<u8>>(4)?);
        let entry = entry.map_err(|error| StoreError::Corrupt(error.to_string()))?;
        entries.push(TicketEntry { at, entry, box_number: BoxNumber(row.get(3)?), standing: Standing::InForce });
    }
    Ok(entries)
}

/// The hub's state of a section takes so much of another's journal into account. Noted of everybody: what is told later
/// must not count twice. What lies beyond a gap is noted where there is one history: of two, nobody here can say on which
/// one it stands.
pub(crate) fn cover(writing: &Writing<'_>, section: Section, heads: &JournalHeads) -> Result<(), StoreError> {
    let connection = writing.connection;
    let device = &heads.device.0[..];
    connection
        .prepare_cached("DELETE FROM neighbour_beyond WHERE section = ?1 AND device = ?2 AND epoch = ?3")?
        .execute(params![section.byte(), device, heads.epoch])?;
    if let [Branch { ranges, .. }] = heads.branches.as_slice() {
        for (first, last) in ranges {
            connection
                .prepare_cached(
                    "INSERT INTO neighbour_beyond (section, device, epoch, first, last) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![section.byte(), device, heads.epoch, first, last])?;
        }
    }
    let covered = heads.branches.iter().map(|branch| branch.contiguous).min().unwrap_or(0);
    if covered == 0 {
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO neighbour_covered (section, device, epoch, before) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (section, device, epoch) DO UPDATE SET before = excluded.before",
        )?
        .execute(params![section.byte(), device, heads.epoch, covered])?;
    Ok(())
}

/// What a section covers is not known any more: a snapshot says it anew.
pub(crate) fn uncover(connection: &Connection, section: Section) -> Result<(), StoreError> {
    for table in ["neighbour_covered", "neighbour_beyond"] {
        connection.prepare_cached(&format!("DELETE FROM {table} WHERE section = ?1"))?.execute([section.byte()])?;
    }
    Ok(())
}

/// Throws away what both sections cover of these journals: those of which a batch says more. `None`: of all, after a
/// snapshot.
pub(crate) fn forget_covered(
    connection: &Connection,
    journals: Option<&BTreeSet<(DeviceId, u32)>>,
) -> Result<(), StoreError> {
    let held: BTreeSet<DeviceId> = {
        let mut statement = connection.prepare_cached("SELECT device FROM neighbour_share")?;
        let rows = statement.query_map([], |row| Ok(DeviceId(row.get(0)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    let (wallets, tickets) = (Section::Wallets.byte(), Section::Tickets.byte());
    let Some(journals) = journals else {
        for covered in [
            concat!("DELETE FROM neighbour_entry AS n WHERE ", both_cover!("n.seq", "n.seq")),
            concat!("DELETE FROM neighbour_commit AS n WHERE ", both_cover!("n.first", "n.last")),
        ] {
            if !held.is_empty() {
                connection.prepare_cached(covered)?.execute(params![wallets, tickets])?;
            }
        }
        return Ok(());
    };
    for (device, epoch) in journals.iter().filter(|(device, _)| held.contains(device)) {
        for covered in [
            concat!(
                "DELETE FROM neighbour_entry AS n WHERE n.device = ?3 AND n.epoch = ?4 AND ",
                both_cover!("n.seq", "n.seq")
            ),
            concat!(
                "DELETE FROM neighbour_commit AS n WHERE n.device = ?3 AND n.epoch = ?4 AND ",
                both_cover!("n.first", "n.last")
            ),
        ] {
            connection.prepare_cached(covered)?.execute(params![wallets, tickets, &device.0[..], epoch])?;
        }
    }
    Ok(())
}

/// The hash of an own commit's end, to compare with a neighbour's word that it has it.
pub(crate) fn own_hash(connection: &Connection, at: At) -> Result<Option<[u8; 32]>, StoreError> {
    journal::commit_hash(connection, at)
}

impl Store {
    /// Whether these 16 bytes begin the hash of the own commit that ends there.
    pub fn is_own_commit(&self, epoch: u32, seq: u32, hash16: &[u8; 16]) -> Result<bool, StoreError> {
        self.reading(|connection| {
            Ok(own_hash(connection, At { epoch, seq })?.is_some_and(|hash| hash.starts_with(hash16)))
        })
    }
}
