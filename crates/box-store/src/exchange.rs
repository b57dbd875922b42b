//! What the box gives to sync and takes from it: its heads, its segments, acknowledgements, the hub's state.
//! Invariant: a segment begins and ends at a commit's end; an acknowledgement counts only for the branch held.
//! Not here: when any of it is sent (`sync::session`).
use std::sync::PoisonError;

use domain::{
    id::{BoxNumber, DeviceId},
    journal::{PreviousHead, ZERO_HASH},
};
use rusqlite::{Connection, OptionalExtension, params};
use sync::{
    Branch, Delta, DeltaError, JournalHeads, Section, Segment, SignedDelta,
    frame::{HaveDelta, SectionHeld},
    session::box_side::Acked,
};

use crate::{
    coverage,
    error::StoreError,
    journal::{self, At, OpenEpoch, Tail},
    knowledge::{self, DeltaOutcome, NewerSelf},
    neighbours,
    store::Store,
    writer::Writing,
};

/// Most bytes of bodies in one segment.
pub(crate) const SEGMENT_BYTES: usize = 256 << 10;

impl Store {
    /// What this box holds of its own journal, an entry for each epoch.
    pub fn vector(&self) -> Result<Vec<JournalHeads>, StoreError> {
        let device = self.0.who.device;
        self.reading(|connection| {
            let mut statement = connection.prepare_cached("SELECT epoch FROM epoch ORDER BY epoch")?;
            let rows = statement.query_map([], |row| row.get::<_, u32>(0))?;
            let mut heads = Vec::new();
            for epoch in rows {
                let epoch = epoch?;
                let contiguous = coverage::own_end(connection, epoch)?;
                let Some(seq) = contiguous.checked_sub(1) else { continue };
                let hash = journal::commit_hash(connection, At { epoch, seq })?
                    .ok_or_else(|| StoreError::Corrupt(format!("epoch {epoch} ends inside a commit")))?;
                heads.push(JournalHeads { device, epoch, branches: vec![Branch::up_to(contiguous, short(&hash))] });
            }
            Ok(heads)
        })
    }

    /// First 16 bytes of the hash of entry `seq` of an own epoch, for finding the common point with a branch.
    pub fn hash16(&self, epoch: u32, seq: u32) -> Result<Option<[u8; 16]>, StoreError> {
        self.reading(|connection| Ok(journal::hash_at(connection, At { epoch, seq })?.map(|hash| short(&hash))))
    }

    /// Whole commits of an epoch from `from_seq` on, at most `max_entries` unless the first commit alone is longer;
    /// `None` where nothing is left. A `from_seq` inside a commit is moved back to its first entry. Of a neighbour's
    /// journal what is kept of it, from the first commit that ends there or later.
    pub fn segment(
        &self,
        device: DeviceId,
        epoch: u32,
        from_seq: u32,
        max_entries: usize,
    ) -> Result<Option<Segment>, StoreError> {
        let from = At { epoch, seq: from_seq };
        self.reading(|connection| match device == self.0.who.device {
            true => segment(connection, device, from, max_entries),
            false => neighbours::segment(connection, device, from, max_entries),
        })
    }

    /// The hub holds entries 0 to `contiguous − 1` of an own epoch, in the database of that term. Counts only if
    /// `hash16` is that of this box's own entry there; gives whether it did.
    pub fn mark_acked(&self, epoch: u32, contiguous: u32, hash16: [u8; 16], term: u32) -> Result<bool, StoreError> {
        self.work(move |writing| writing.whole(|writing| acked(writing, epoch, contiguous, hash16, term)))
    }

    /// Takes parts of batches of hub state whose signatures the caller has verified (`SignedDelta::open`), in their
    /// order. They wait in memory until their batch is whole; whole batches are applied in one transaction, each that
    /// follows on what is held. A part 0 throws away what was waiting of its section.
    pub fn apply_delta(&self, parts: Vec<SignedDelta>) -> Result<Vec<DeltaOutcome>, StoreError> {
        let (mut outcomes, mut whole) = (Vec::new(), Vec::new());
        for part in parts {
            match self.stage(&part) {
                Ok(batch) => whole.push(batch),
                Err(outcome) => outcomes.push(outcome),
            }
        }
        if !whole.is_empty() {
            outcomes.extend(self.work(move |writing| knowledge::apply(writing, &whole))?);
        }
        Ok(outcomes)
    }

    /// Puts a part aside; gives the batch when it is whole, or can never be, with this part.
    fn stage(&self, part: &SignedDelta) -> Result<Vec<Delta>, DeltaOutcome> {
        let delta = Delta::from_bytes(&part.body).map_err(DeltaOutcome::Refused)?;
        if delta.festival != self.0.who.festival {
            return Err(DeltaOutcome::Refused(DeltaError::Festival));
        }
        let (section, term, number) = (delta.section, delta.term, delta.number);
        let (part, of) = (delta.part, delta.parts);
        let mut staged = self.0.staged.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = staged.entry(section).or_default();
        if part == 0 {
            parts.clear();
        }
        parts.push(delta);
        let is_due = parts.len() == usize::from(part).saturating_add(1);
        if is_due && parts.len() < usize::from(of) {
            let next_part = Some(part.saturating_add(1));
            Err(DeltaOutcome::Staged(HaveDelta { section, term, number, next_part, own: None }))
        } else {
            Ok(std::mem::take(parts))
        }
    }

    /// How far each of these sections is known, for the start of a session.
    pub fn sections_held(&self, wanted: &[Section]) -> Result<Vec<SectionHeld>, StoreError> {
        self.reading(|connection| {
            let held = |section: &Section| {
                let held = knowledge::held(connection, *section)?;
                Ok(SectionHeld { section: held.section, term: held.term, number: held.number })
            };
            wanted.iter().map(held).collect()
        })
    }

    /// What hubs confirmed of the own journal, for the start of a session.
    pub fn acked(&self) -> Result<Vec<Acked>, StoreError> {
        let device = self.0.who.device;
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT epoch, acked_seq, acked_hash, acked_term FROM epoch WHERE acked_seq IS NOT NULL ORDER BY epoch",
            )?;
            let rows = statement.query_map([], |row| {
                let contiguous = row.get::<_, u32>(1)?.saturating_add(1);
                Ok(Acked { device, epoch: row.get(0)?, contiguous, hash: row.get(2)?, term: row.get(3)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Another image of this box has written further, as the session found: closes the epoch for writing.
    pub fn heed_newer_self(&self, newer: NewerSelf) -> Result<(), StoreError> {
        self.work(move |writing| writing.whole(|writing| knowledge::note_newer_self(writing, newer)))
    }

    /// Whether the hub's `heads` of this box name one that it lacks: its image was restored from an older copy.
    /// Then the epoch is closed for writing.
    pub fn heed_heads(&self, heads: Vec<JournalHeads>) -> Result<Option<NewerSelf>, StoreError> {
        let device = self.0.who.device;
        let newer = self.reading(|connection| coverage::newer_self(connection, device, &heads))?;
        if let Some(newer) = newer {
            self.heed_newer_self(newer)?;
        }
        Ok(newer)
    }

    /// Closes the current epoch for writing.
    pub fn stop_epoch(&self) -> Result<(), StoreError> {
        self.work(|writing| writing.whole(knowledge::close_epoch))
    }

    /// Opens the epoch after all that this box and `newer` know of, under a new box number; its genesis names the last
    /// head that this box has. Gives the epoch.
    pub fn open_next_epoch(&self, box_number: BoxNumber, newer: Option<NewerSelf>) -> Result<u32, StoreError> {
        let chain = self.0.chain.clone();
        self.work(move |writing| writing.whole(|writing| next_epoch(writing, box_number, chain, newer)))
    }
}

fn short(hash: &[u8; 32]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(hash.split_at(16).0);
    out
}

fn segment(connection: &Connection, device: DeviceId, from: At, most: usize) -> Result<Option<Segment>, StoreError> {
    let start = At { epoch: from.epoch, seq: 0 };
    let before = connection
        .prepare_cached(
            "SELECT at, hash FROM entry WHERE at >= ?1 AND at < ?2 AND hash IS NOT NULL ORDER BY at DESC LIMIT 1",
        )?
        .query_row([start.sql(), from.sql()], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))
        .optional()?;
    let (first, prev) = match before {
        Some((at, hash)) => (at.saturating_add(1), hash),
        None => (start.sql(), ZERO_HASH),
    };
    let mut statement =
        connection.prepare_cached("SELECT at, body, signature FROM entry WHERE at BETWEEN ?1 AND ?2 ORDER BY at")?;
    let mut rows = statement.query([first, At { epoch: from.epoch, seq: u32::MAX }.sql()])?;
    let (mut bodies, mut bytes) = (Vec::<Vec<u8>>::new(), 0usize);
    let mut cut: Option<(usize, [u8; 64])> = None;
    let mut next = first;
    while let Some(row) = rows.next()? {
        let body: Vec<u8> = row.get(1)?;
        bytes = bytes.saturating_add(body.len());
        if cut.is_some() && (bodies.len() >= most || bytes > SEGMENT_BYTES) {
            break;
        }
        if row.get::<_, i64>(0)? != next {
            return Err(StoreError::Corrupt(format!("entry {} is missing", At::from_sql(next)?.of(device))));
        }
        next = next.saturating_add(1);
        bodies.push(body);
        if let Some(signature) = row.get::<_, Option<Vec<u8>>>(2)? {
            let signature = signature.try_into().map_err(|_| StoreError::Corrupt("a signature's length".into()))?;
            cut = Some((bodies.len(), signature));
        }
    }
    let Some((length, signature)) = cut else { return Ok(None) };
    bodies.truncate(length);
    let first = At::from_sql(first)?;
    Ok(Some(Segment { device, epoch: from.epoch, first: first.seq, prev, bodies, signature }))
}

fn acked(writing: &Writing<'_>, epoch: u32, contiguous: u32, hash16: [u8; 16], term: u32) -> Result<bool, StoreError> {
    let Some(seq) = contiguous.checked_sub(1) else { return Ok(false) };
    let mine = journal::hash_at(writing.connection, At { epoch, seq })?;
    if !mine.is_some_and(|hash| hash.starts_with(&hash16)) {
        return Ok(false);
    }
    // A new term's database may hold less than the one before: its word stands.
    let changed = writing
        .connection
        .prepare_cached(
            "UPDATE epoch SET acked_seq = ?2, acked_hash = ?3, acked_term = ?4
             WHERE epoch = ?1 AND (acked_term IS NULL OR acked_term < ?4 OR (acked_term = ?4 AND acked_seq <= ?2))",
        )?
        .execute(params![epoch, seq, &hash16[..], term])?;
    Ok(changed > 0)
}

fn next_epoch(
    writing: &mut Writing<'_>,
    box_number: BoxNumber,
    chain: Vec<u8>,
    newer: Option<NewerSelf>,
) -> Result<u32, StoreError> {
    let known: u32 = writing.connection.query_row(
        "SELECT max(epoch) FROM (SELECT epoch FROM epoch UNION ALL SELECT epoch FROM newer_self)",
        [],
        |row| row.get(0),
    )?;
    let number = known.max(newer.map_or(0, |newer| newer.epoch)).saturating_add(1);
    let previous = writing.tail.head().map(|(at, hash)| PreviousHead { epoch: at.epoch, seq: at.seq, hash });
    writing.connection.execute("UPDATE epoch SET stopped = 1", [])?;
    let opened = OpenEpoch { number, box_number, chain, previous };
    *writing.tail = Tail::open_epoch(writing.connection, writing.who, opened, writing.tail.hlc, writing.wall_ms)?;
    Ok(number)
}
