//! Journals and the runs of entries that are held of them.
//! Invariant: two runs of a journal never hold the same entry; a run only ever grows at its end.
use domain::{id::DeviceId, journal::EntryHash};
use rusqlite::params;

use super::{Reading, Store, StoreError, boxes::stored_ms, row, rows, statement};

/// One device's epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredJournal {
    /// Its small number.
    pub journal: i64,
    /// Whose.
    pub device: DeviceId,
    /// Which run of it.
    pub epoch: u32,
    /// Key that signs it.
    pub public_key: [u8; 32],
    /// Body of its genesis, once it is held.
    pub genesis: Option<Vec<u8>>,
}

/// Consecutive entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRun {
    /// Its number in the journal.
    pub run: u32,
    /// First entry.
    pub first: u32,
    /// Hash before the first entry.
    pub prev: EntryHash,
    /// Last entry.
    pub last: u32,
    /// Its hash.
    pub hash: EntryHash,
    /// The run that holds the entry before the first.
    pub parent: Option<u32>,
}

/// A refused segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poison {
    /// When.
    pub at_ms: u64,
    /// Who sent it.
    pub sender: DeviceId,
    /// Whose journal it claims to be.
    pub device: DeviceId,
    /// Which epoch.
    pub epoch: u32,
    /// Its first entry.
    pub first: u32,
    /// What is wrong with it.
    pub reason: String,
}

impl Store {
    /// All journals.
    pub fn journals(&self) -> Result<Vec<StoredJournal>, StoreError> {
        let sql =
            "SELECT journal, device, epoch, public_key, genesis FROM journals WHERE festival = $1 ORDER BY journal";
        rows(&self.conn, sql, params![self.festival], |r| {
            Ok(StoredJournal {
                journal: r.get(0)?,
                device: DeviceId(r.get(1)?),
                epoch: r.get(2)?,
                public_key: r.get(3)?,
                genesis: r.get(4)?,
            })
        })
    }

    /// Adds a journal.
    pub fn add_journal(&self, journal: &StoredJournal) -> Result<(), StoreError> {
        let sql = "INSERT INTO journals (festival, journal, device, epoch, public_key, genesis) VALUES ($1, $2, $3, $4, $5, $6)";
        statement(&self.conn, sql)?.execute(params![
            self.festival,
            journal.journal,
            journal.device.0,
            journal.epoch,
            journal.public_key,
            journal.genesis
        ])?;
        Ok(())
    }

    /// Notes the genesis of a journal that began beyond a gap.
    pub fn set_genesis(&self, journal: i64, body: &[u8]) -> Result<(), StoreError> {
        statement(&self.conn, "UPDATE journals SET genesis = $3 WHERE festival = $1 AND journal = $2")?
            .execute(params![self.festival, journal, body])?;
        Ok(())
    }

    /// Runs of all journals: journal and run.
    pub fn runs(&self) -> Result<Vec<(i64, StoredRun)>, StoreError> {
        let sql = "SELECT journal, run, first_seq, prev_hash, last_seq, last_hash, parent FROM runs WHERE festival = $1 \
                   ORDER BY journal, run";
        rows(&self.conn, sql, params![self.festival], |r| {
            let run = StoredRun {
                run: r.get(1)?,
                first: r.get(2)?,
                prev: r.get(3)?,
                last: r.get(4)?,
                hash: r.get(5)?,
                parent: r.get(6)?,
            };
            Ok((r.get(0)?, run))
        })
    }

    /// Writes a run as it is now.
    pub fn put_run(&self, journal: i64, run: &StoredRun) -> Result<(), StoreError> {
        statement(
            &self.conn,
            "INSERT INTO runs (festival, journal, run, first_seq, prev_hash, last_seq, last_hash, parent) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (festival, journal, run) DO UPDATE SET \
             last_seq = excluded.last_seq, last_hash = excluded.last_hash, parent = excluded.parent",
        )?
        .execute(params![
            self.festival,
            journal,
            run.run,
            run.first,
            run.prev,
            run.last,
            run.hash,
            run.parent
        ])?;
        Ok(())
    }

    /// Notes that the projections take a run into account up to its end.
    pub fn put_folded(&self, journal: u32, run: u32) -> Result<(), StoreError> {
        let sql = "UPDATE runs SET folded = last_seq WHERE festival = $1 AND journal = $2 AND run = $3";
        statement(&self.conn, sql)?.execute(params![self.festival, journal, run])?;
        Ok(())
    }

    /// What the projections lack: journal, run, first and last entry.
    pub fn unfolded(&self) -> Result<Vec<(u32, u32, u32, u32)>, StoreError> {
        let sql = "SELECT journal, run, COALESCE(folded + 1, first_seq), last_seq FROM runs \
                   WHERE festival = $1 AND COALESCE(folded, -1) < last_seq ORDER BY journal, run";
        rows(&self.conn, sql, params![self.festival], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))
    }

    /// Notes a signed head.
    pub fn put_segment(
        &self,
        journal: i64,
        run: u32,
        last: u32,
        hash: &EntryHash,
        signature: &[u8; 64],
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO segments (festival, journal, run, last_seq, hash, signature) VALUES ($1, $2, $3, $4, $5, $6) \
                   ON CONFLICT DO NOTHING";
        statement(&self.conn, sql)?.execute(params![self.festival, journal, run, last, hash, signature])?;
        Ok(())
    }

    /// The newest signed head of a run before entry `seq`.
    pub fn signed_head_before(&self, journal: i64, run: u32, seq: u32) -> Result<Option<(u32, EntryHash)>, StoreError> {
        let sql = "SELECT last_seq, hash FROM segments WHERE festival = $1 AND journal = $2 AND run = $3 AND last_seq < $4 \
                   ORDER BY last_seq DESC LIMIT 1";
        row(&self.conn, sql, params![self.festival, journal, run, seq], |r| Ok((r.get(0)?, r.get(1)?)))
    }

    /// The hash of an entry, where a signed head stands on it.
    pub fn signed_head_at(&self, journal: i64, run: u32, seq: u32) -> Result<Option<EntryHash>, StoreError> {
        let sql = "SELECT hash FROM segments WHERE festival = $1 AND journal = $2 AND run = $3 AND last_seq = $4";
        row(&self.conn, sql, params![self.festival, journal, run, seq], |r| r.get(0))
    }

    /// Signature over the first signed head of a run at or behind `seq`.
    pub fn signature_at_or_after(
        &self,
        journal: i64,
        run: u32,
        seq: u32,
    ) -> Result<Option<(u32, EntryHash, [u8; 64])>, StoreError> {
        let sql = "SELECT last_seq, hash, signature FROM segments WHERE festival = $1 AND journal = $2 AND run = $3 \
                   AND last_seq >= $4 ORDER BY last_seq LIMIT 1";
        row(&self.conn, sql, params![self.festival, journal, run, seq], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
    }

    /// Records a refused segment.
    pub fn add_poison(&self, poison: &Poison) -> Result<(), StoreError> {
        let sql = "INSERT INTO poison (festival, id, at_ms, sender, device, epoch, first, reason) \
                   SELECT CAST($1 AS BIGINT), COALESCE(MAX(id), 0) + 1, CAST($2 AS BIGINT), $3, $4, CAST($5 AS BIGINT), \
                   CAST($6 AS BIGINT), $7 FROM poison WHERE festival = $1";
        statement(&self.conn, sql)?.execute(params![
            self.festival,
            stored_ms(poison.at_ms),
            poison.sender.0,
            poison.device.0,
            poison.epoch,
            poison.first,
            poison.reason
        ])?;
        Ok(())
    }

    /// The newest refused segments, newest first.
    pub fn poison(&self, most: u32) -> Result<Vec<Poison>, StoreError> {
        let sql = "SELECT at_ms, sender, device, epoch, first, reason FROM poison WHERE festival = $1 ORDER BY id DESC LIMIT $2";
        rows(&self.conn, sql, params![self.festival, most], |r| {
            Ok(Poison {
                at_ms: r.get::<_, i64>(0)?.unsigned_abs(),
                sender: DeviceId(r.get(1)?),
                device: DeviceId(r.get(2)?),
                epoch: r.get(3)?,
                first: r.get(4)?,
                reason: r.get(5)?,
            })
        })
    }
}

impl Reading {
    /// How many segments were refused.
    pub fn count_poison(&self) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM poison WHERE festival = $1";
        Ok(row(&self.conn, sql, params![self.festival], |r| r.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs())
    }
}
