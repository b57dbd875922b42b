//! The own journal as rows: where an entry stands, how a commit is appended, what the next one chains to.
//! Invariant: a commit is appended whole and signed, or not at all; rows are never changed.
//! Not here: what entries do to the projections (`projection`).
use domain::{
    id::{BoxNumber, DeviceId, EntryRef, FestivalId, device_id},
    journal::{
        BODY_MAX, ChainCursor, Detail, Effect, Entry, EntryHash, Flags, Genesis, Head, Kind, PreviousHead, link,
    },
    money::Currency,
    time::Hlc,
};
use ed25519_dalek::SigningKey;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{accounts, error::StoreError, projection, sums::Sums};

/// Who writes this journal.
pub(crate) struct Identity {
    pub(crate) festival: FestivalId,
    pub(crate) device: DeviceId,
    pub(crate) key: SigningKey,
    pub(crate) software: String,
}

impl Identity {
    pub(crate) fn new(festival: FestivalId, key: SigningKey, software: String) -> Self {
        let device = device_id(&key.verifying_key().to_bytes());
        Self { festival, device, key, software }
    }

    pub(crate) fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }
}

/// Place of an own entry as the tables hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct At {
    pub(crate) epoch: u32,
    pub(crate) seq: u32,
}

impl At {
    pub(crate) fn sql(self) -> i64 {
        (i64::from(self.epoch) << 32) | i64::from(self.seq)
    }

    pub(crate) fn from_sql(at: i64) -> Result<Self, StoreError> {
        let epoch = u32::try_from(at >> 32).map_err(|_| StoreError::Corrupt(format!("position {at}")))?;
        Ok(Self { epoch, seq: at as u32 })
    }

    pub(crate) fn of(self, device: DeviceId) -> EntryRef {
        EntryRef { device, epoch: self.epoch, seq: self.seq }
    }
}

/// Where the next entry goes. The writer keeps it in memory and reads it again after any failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) cursor: ChainCursor,
    pub(crate) hlc: Hlc,
    pub(crate) stopped: bool,
    pub(crate) since_checkpoint: u32,
}

/// Entries between two checkpoints.
pub(crate) const CHECKPOINT_ENTRIES: u32 = 1000;

impl Tail {
    /// Reads it from the tables; `None` for a store without an entry.
    pub(crate) fn read(connection: &Connection, who: &Identity) -> Result<Option<Self>, StoreError> {
        let last = connection
            .prepare_cached("SELECT at, body, hash FROM entry ORDER BY at DESC LIMIT 1")?
            .query_row([], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Option<Vec<u8>>>(2)?))
            })
            .optional()?;
        let Some((at, body, hash)) = last else { return Ok(None) };
        let at = At::from_sql(at)?;
        let hash = hash.and_then(|hash| EntryHash::try_from(hash).ok());
        let hash = hash.ok_or_else(|| StoreError::Corrupt(format!("no hash at entry {}", at.of(who.device))))?;
        let entry = Entry::from_bytes(&body).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let stopped = connection
            .prepare_cached("SELECT stopped FROM epoch WHERE epoch = ?1")?
            .query_row([at.epoch], |row| row.get::<_, bool>(0))?;
        let checkpoint: i64 = connection
            .prepare_cached("SELECT coalesce(max(at), 0) FROM checkpoint")?
            .query_row([], |row| row.get(0))?;
        let since = at.sql().saturating_sub(checkpoint.max(At { epoch: at.epoch, seq: 0 }.sql()));
        Ok(Some(Self {
            cursor: ChainCursor::after(who.festival, who.device, at.epoch, Head { seq: at.seq, hash }),
            hlc: entry.hlc,
            stopped,
            since_checkpoint: u32::try_from(since).unwrap_or(u32::MAX),
        }))
    }

    /// Place of the last entry; `None` before the genesis.
    pub(crate) fn head(&self) -> Option<(At, EntryHash)> {
        let seq = self.cursor.next_seq.checked_sub(1)?;
        Some((At { epoch: self.cursor.epoch, seq }, self.cursor.prev))
    }

    /// Appends `entries` as one signed commit and folds them. On an error the caller rolls the rows back and drops
    /// this tail.
    pub(crate) fn append(
        &mut self,
        connection: &Connection,
        who: &Identity,
        entries: Vec<Entry>,
        wall_ms: u64,
    ) -> Result<Vec<EntryRef>, StoreError> {
        if self.stopped {
            return Err(StoreError::EpochStopped(self.cursor.epoch));
        }
        let last = entries.len().saturating_sub(1);
        let (mut refs, mut sums) = (Vec::with_capacity(entries.len()), Sums::default());
        for (index, mut entry) in entries.into_iter().enumerate() {
            if self.cursor.next_seq == u32::MAX {
                return Err(StoreError::EpochFull(self.cursor.epoch));
            }
            if (entry.kind == Kind::GENESIS) != (self.cursor.next_seq == 0) {
                return Err(StoreError::GenesisRefused);
            }
            self.hlc = self.hlc.tick(wall_ms);
            entry.hlc = self.hlc;
            entry.flags = Flags(entry.flags.0 & !Flags::END_OF_COMMIT.0);
            if index == last {
                entry.flags = entry.flags.with(Flags::END_OF_COMMIT);
            }
            let body = entry.to_bytes();
            if body.len() > BODY_MAX {
                return Err(StoreError::EntryTooLong(body.len()));
            }
            let at = At { epoch: self.cursor.epoch, seq: self.cursor.next_seq };
            self.cursor.append(&body);
            let mark = if index == last { self.cursor.sign(&who.key) } else { None };
            connection
                .prepare_cached("INSERT INTO entry (at, body, hash, signature) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![
                    at.sql(),
                    body,
                    mark.as_ref().map(|mark| &mark.head.hash[..]),
                    mark.as_ref().map(|mark| &mark.signature[..])
                ])?;
            let is_served = projection::is_served(connection, &entry, who.device)?;
            projection::fold(connection, &mut sums, at, &entry, who.device)?;
            accounts::answered(connection, at, &entry)?;
            if projection::shows_green(&entry) && !is_served {
                connection.prepare_cached("INSERT INTO unconfirmed (at) VALUES (?1)")?.execute([at.sql()])?;
            }
            self.since_checkpoint = self.since_checkpoint.saturating_add(1);
            refs.push(at.of(who.device));
        }
        sums.write(connection)?;
        if self.since_checkpoint >= CHECKPOINT_ENTRIES {
            self.checkpoint(connection)?;
        }
        Ok(refs)
    }

    /// Notes that the journal was right up to here.
    pub(crate) fn checkpoint(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let Some((at, hash)) = self.head() else { return Ok(()) };
        let totals = projection::Totals::stored(connection)?.to_bytes();
        connection
            .prepare_cached("INSERT OR REPLACE INTO checkpoint (at, hash, totals) VALUES (?1, ?2, ?3)")?
            .execute(params![at.sql(), &hash[..], totals])?;
        self.since_checkpoint = 0;
        Ok(())
    }

    /// Opens `epoch` with its genesis, naming `previous`.
    pub(crate) fn open_epoch(
        connection: &Connection,
        who: &Identity,
        epoch: OpenEpoch,
        hlc: Hlc,
        wall_ms: u64,
    ) -> Result<Self, StoreError> {
        connection.execute(
            "INSERT INTO epoch (epoch, box_number, stopped) VALUES (?1, ?2, 0)",
            params![epoch.number, epoch.box_number.0],
        )?;
        let genesis = Genesis {
            festival: who.festival,
            public_key: who.public_key(),
            box_number: epoch.box_number,
            epoch: epoch.number,
            chain: epoch.chain,
            previous: epoch.previous,
            software: who.software.clone(),
        };
        let mut entry = Entry::new(Kind::GENESIS, Effect::None, Currency(0), hlc);
        entry.part = Detail::Genesis(genesis).to_bytes();
        let cursor = ChainCursor::start(who.festival, who.device, epoch.number);
        let mut tail = Self { cursor, hlc, stopped: false, since_checkpoint: 0 };
        tail.append(connection, who, vec![entry], wall_ms)?;
        Ok(tail)
    }
}

/// What a new epoch is opened with.
pub(crate) struct OpenEpoch {
    pub(crate) number: u32,
    pub(crate) box_number: BoxNumber,
    pub(crate) chain: Vec<u8>,
    pub(crate) previous: Option<PreviousHead>,
}

/// The entry at a place.
pub(crate) fn entry(connection: &Connection, at: At) -> Result<Option<Entry>, StoreError> {
    let body = connection
        .prepare_cached("SELECT body FROM entry WHERE at = ?1")?
        .query_row([at.sql()], |row| row.get::<_, Vec<u8>>(0))
        .optional()?;
    body.map(|body| Entry::from_bytes(&body).map_err(|error| StoreError::Corrupt(error.to_string()))).transpose()
}

/// Hash at a place where a commit ends.
pub(crate) fn commit_hash(connection: &Connection, at: At) -> Result<Option<EntryHash>, StoreError> {
    let hash = connection
        .prepare_cached("SELECT hash FROM entry WHERE at = ?1")?
        .query_row([at.sql()], |row| row.get::<_, Option<Vec<u8>>>(0))
        .optional()?
        .flatten();
    Ok(hash.and_then(|hash| hash.try_into().ok()))
}

/// Hash at any place: from the commit before, over the bodies up to it.
pub(crate) fn hash_at(connection: &Connection, at: At) -> Result<Option<EntryHash>, StoreError> {
    if let Some(hash) = commit_hash(connection, at)? {
        return Ok(Some(hash));
    }
    let first = At { epoch: at.epoch, seq: 0 };
    let before = connection
        .prepare_cached(
            "SELECT at, hash FROM entry WHERE at BETWEEN ?1 AND ?2 AND hash IS NOT NULL ORDER BY at DESC LIMIT 1",
        )?
        .query_row([first.sql(), at.sql()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))
        .optional()?;
    let (mut next, mut hash) = match before {
        Some((before, hash)) => (before.saturating_add(1), hash.try_into().unwrap_or([0; 32])),
        None => (first.sql(), domain::journal::ZERO_HASH),
    };
    let mut statement =
        connection.prepare_cached("SELECT at, body FROM entry WHERE at BETWEEN ?1 AND ?2 ORDER BY at")?;
    let mut rows = statement.query([next, at.sql()])?;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(0)? != next {
            return Ok(None);
        }
        hash = link(&hash, &row.get::<_, Vec<u8>>(1)?);
        next = next.saturating_add(1);
    }
    Ok((next > at.sql()).then_some(hash))
}
