//! Whether the facts in the database are those that were written: pages, chains, signatures.
//! Invariant: it only reads; what it finds is named, never repaired.
//! Not here: what follows from the facts (`integrity`).
use std::collections::BTreeMap;

use domain::{
    id::{DeviceId, FestivalId},
    journal::{CommitMark, EntryHash, Head, link},
};
use rusqlite::params;

use super::{Reading, StoreError, rows, statement};

/// A run with what its signatures are checked by.
struct Held {
    journal: i64,
    device: DeviceId,
    epoch: u32,
    public_key: [u8; 32],
    run: u32,
    first: u32,
    prev: EntryHash,
    last: u32,
    hash: EntryHash,
}

impl Reading {
    /// The first thing that is wrong, in words for whoever looks at the database; `None`: every page reads, every entry
    /// stands in its chain, and every signed head is signed.
    pub fn first_damage(&self, festival: FestivalId) -> Result<Option<String>, StoreError> {
        let answer: String = self.conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if answer != "ok" {
            return Ok(Some(answer));
        }
        let sql = "SELECT r.journal, j.device, j.epoch, j.public_key, r.run, r.first_seq, r.prev_hash, r.last_seq, r.last_hash \
                   FROM runs r JOIN journals j ON j.festival = r.festival AND j.journal = r.journal WHERE r.festival = $1";
        let held = rows(&self.conn, sql, params![self.festival], |r| {
            Ok(Held {
                journal: r.get(0)?,
                device: DeviceId(r.get(1)?),
                epoch: r.get(2)?,
                public_key: r.get(3)?,
                run: r.get(4)?,
                first: r.get(5)?,
                prev: r.get(6)?,
                last: r.get(7)?,
                hash: r.get(8)?,
            })
        })?;
        for run in held {
            if let Some((seq, what)) = self.damage_in(&run, festival)? {
                return Ok(Some(format!("{}/{}/{seq}: {what}", run.device, run.epoch)));
            }
        }
        Ok(None)
    }

    fn damage_in(&self, run: &Held, festival: FestivalId) -> Result<Option<(u32, &'static str)>, StoreError> {
        let sql = "SELECT last_seq, hash, signature FROM segments WHERE festival = $1 AND journal = $2 AND run = $3";
        let signed = rows(&self.conn, sql, params![self.festival, run.journal, run.run], |r| {
            Ok((r.get::<_, u32>(0)?, (r.get::<_, EntryHash>(1)?, r.get::<_, [u8; 64]>(2)?)))
        })?;
        let mut signed: BTreeMap<u32, (EntryHash, [u8; 64])> = signed.into_iter().collect();
        let sql = "SELECT seq, body FROM entries WHERE festival = $1 AND journal = $2 AND run = $3 ORDER BY seq";
        let mut statement = statement(&self.conn, sql)?;
        let mut rows = statement.query(params![self.festival, run.journal, run.run])?;
        let (mut next, mut hash) = (run.first, run.prev);
        while let Some(row) = rows.next()? {
            if row.get::<_, u32>(0)? != next {
                return Ok(Some((next, "the entry is missing")));
            }
            hash = link(&hash, row.get_ref(1)?.as_blob().map_err(|_| StoreError::Damaged("a body"))?);
            if let Some((told, signature)) = signed.remove(&next) {
                if told != hash {
                    return Ok(Some((next, "the chain breaks")));
                }
                let mark = CommitMark { head: Head { seq: next, hash }, signature };
                if mark.check(&run.public_key, &festival, run.device, run.epoch).is_err() {
                    return Ok(Some((next, "the signature does not hold")));
                }
            }
            next = next.saturating_add(1);
        }
        if next != run.last.saturating_add(1) || hash != run.hash {
            return Ok(Some((run.last, "the head is another one")));
        }
        Ok(signed.keys().next().map(|seq| (*seq, "a signed head without its entry")))
    }
}
