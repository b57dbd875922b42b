//! Journals and the runs of entries that are held of them.
//! Invariant: two runs of a journal never hold the same entry; a run only ever grows at its end.
use domain::{id::DeviceId, journal::EntryHash};
use rusqlite::params;

use super::{Store, StoreError, boxes::stored_ms, row, rows, statement};

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

/// What was refused of one box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Who sent it.
    pub sender: DeviceId,
    /// How many segments.
    pub segments: u64,
    /// When the first came.
    pub first_ms: u64,
    /// When the newest came.
    pub newest_ms: u64,
}

/// Most refused segments that are kept of a box.
const POISON_KEPT: i64 = 1_000;

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

    /// Records a refused segment. Of each box's the newest are kept, and how many there were before them.
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
        self.forget_poison(poison.sender)
    }

    fn forget_poison(&self, sender: DeviceId) -> Result<(), StoreError> {
        let sql = "SELECT id FROM poison WHERE festival = $1 AND sender = $2 ORDER BY id DESC LIMIT 1 OFFSET $3";
        let newest: Option<i64> = row(&self.conn, sql, params![self.festival, sender.0, POISON_KEPT], |r| r.get(0))?;
        let Some(newest) = newest else { return Ok(()) };
        let sql = "INSERT INTO poison_before (festival, sender, segments, first_ms) \
                   SELECT CAST($1 AS BIGINT), $2, COUNT(*), MIN(at_ms) FROM poison \
                   WHERE festival = $1 AND sender = $2 AND id <= $3 \
                   ON CONFLICT (festival, sender) DO UPDATE SET segments = poison_before.segments + excluded.segments";
        statement(&self.conn, sql)?.execute(params![self.festival, sender.0, newest])?;
        let sql = "DELETE FROM poison WHERE festival = $1 AND sender = $2 AND id <= $3";
        statement(&self.conn, sql)?.execute(params![self.festival, sender.0, newest])?;
        Ok(())
    }

    /// What was refused, by who sent it.
    pub fn refused(&self) -> Result<Vec<Refused>, StoreError> {
        let senders = "SELECT DISTINCT sender FROM poison WHERE festival = $1 ORDER BY sender";
        let senders = rows(&self.conn, senders, params![self.festival], |r| Ok(DeviceId(r.get(0)?)))?;
        senders.into_iter().filter_map(|sender| self.refused_of(sender).transpose()).collect()
    }

    /// What was refused of one sender.
    pub fn refused_of(&self, sender: DeviceId) -> Result<Option<Refused>, StoreError> {
        let sql = "SELECT COUNT(*), MIN(at_ms), MAX(at_ms) FROM poison WHERE festival = $1 AND sender = $2";
        let kept = row(&self.conn, sql, params![self.festival, sender.0], |r| {
            let times: (Option<i64>, Option<i64>) = (r.get(1)?, r.get(2)?);
            Ok((r.get::<_, i64>(0)?.unsigned_abs(), times))
        })?;
        let Some((kept, (Some(first), Some(newest)))) = kept else { return Ok(None) };
        let sql = "SELECT segments, first_ms FROM poison_before WHERE festival = $1 AND sender = $2";
        let before = row(&self.conn, sql, params![self.festival, sender.0], |r| {
            Ok((r.get::<_, i64>(0)?.unsigned_abs(), r.get::<_, i64>(1)?))
        })?;
        let (before, first) = before.unwrap_or((0, first));
        Ok(Some(Refused {
            sender,
            segments: kept.saturating_add(before),
            first_ms: first.unsigned_abs(),
            newest_ms: newest.unsigned_abs(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn of_refused_segments_the_newest_of_each_box_are_kept_and_all_are_counted() {
        let dir = sample::hub_dir();
        let mut hub = sample::open(dir.path());
        let (mad, other) = (DeviceId([1; 16]), DeviceId([2; 16]));
        let poison = |sender: DeviceId, at_ms| Poison {
            at_ms,
            sender,
            device: sender,
            epoch: 0,
            first: 0,
            reason: "not a segment".into(),
        };
        hub.store
            .transaction::<_, StoreError>(|store| {
                (1..=1_203).try_for_each(|at_ms| store.add_poison(&poison(mad, at_ms)))?;
                store.add_poison(&poison(other, 7))
            })
            .unwrap();
        let of = |sender, segments, first_ms, newest_ms| Refused { sender, segments, first_ms, newest_ms };
        assert_eq!(hub.store.refused().unwrap(), [of(mad, 1_203, 1, 1_203), of(other, 1, 7, 7)]);
        let kept: i64 = hub.store.conn.query_row("SELECT COUNT(*) FROM poison", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 1_001);
    }
}
