//! Entry bodies, what they touch, and those that were set aside.
//! Invariant: bodies are facts and are never changed; `touches` can be rebuilt from them.
use domain::wire::{Malformed, Reader, Writer};
use rusqlite::{Connection, params};

use super::{Reading, Store, StoreError, row, rows, statement};

/// Bodies read at once where a journal is gone through.
const PAGE: u32 = 500;

/// Where a body stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Small number of the journal.
    pub journal: u32,
    /// Run in it.
    pub run: u32,
    /// Position in the journal.
    pub seq: u32,
}

/// An entry that counts nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Which.
    pub place: Place,
    /// Why.
    pub reason: String,
}

impl Place {
    /// Places as they are stored: three varints each.
    pub(crate) fn pack(places: &[Self]) -> Vec<u8> {
        let mut out = Writer::new();
        for place in places {
            out.varint(place.journal.into());
            out.varint(place.run.into());
            out.varint(place.seq.into());
        }
        out.finish()
    }

    fn unpack(bytes: &[u8], into: &mut Vec<Self>) -> Result<(), Malformed> {
        let mut input = Reader::new(bytes);
        let number = |input: &mut Reader<'_>| u32::try_from(input.varint()?).map_err(|_| Malformed::Value("place"));
        while !input.rest().is_empty() {
            into.push(Self { journal: number(&mut input)?, run: number(&mut input)?, seq: number(&mut input)? });
        }
        Ok(())
    }
}

fn body(conn: &Connection, festival: i64, place: Place) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT body FROM entries WHERE festival = $1 AND journal = $2 AND run = $3 AND seq = $4";
    row(conn, sql, params![festival, place.journal, place.run, place.seq], |r| r.get(0))
}

fn touching(conn: &Connection, festival: i64, subject: &[u8; 16]) -> Result<Vec<Place>, StoreError> {
    let sql = "SELECT places FROM touches WHERE festival = $1 AND subject = $2 ORDER BY change";
    let mut places = Vec::new();
    for packed in rows(conn, sql, params![festival, subject], |r| r.get::<_, Vec<u8>>(0))? {
        Place::unpack(&packed, &mut places).map_err(|_| StoreError::Damaged("places"))?;
    }
    Ok(places)
}

impl Store {
    /// Adds bodies of one run from `first` on.
    pub fn add_entries(&self, journal: i64, run: u32, first: u32, bodies: &[Vec<u8>]) -> Result<(), StoreError> {
        let sql = "INSERT INTO entries (festival, journal, run, seq, body) VALUES ($1, $2, $3, $4, $5)";
        let mut insert = statement(&self.conn, sql)?;
        for (body, seq) in bodies.iter().zip(i64::from(first)..) {
            insert.execute(params![self.festival, journal, run, seq, body])?;
        }
        Ok(())
    }

    /// Bodies of one run, `first` to `last`.
    pub fn bodies(&self, journal: i64, run: u32, first: u32, last: u32) -> Result<Vec<Vec<u8>>, StoreError> {
        let sql = "SELECT body FROM entries WHERE festival = $1 AND journal = $2 AND run = $3 AND seq BETWEEN $4 AND $5 ORDER BY seq";
        rows(&self.conn, sql, params![self.festival, journal, run, first, last], |r| r.get(0))
    }

    /// The same one after another, with their positions; of a journal of whatever length few are in memory at once.
    pub fn each_body(
        &self,
        journal: i64,
        run: u32,
        (first, last): (u32, u32),
        mut each: impl FnMut(u32, &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut next = Some(first);
        while let Some(from) = next.filter(|from| *from <= last) {
            let to = last.min(from.saturating_add(PAGE - 1));
            for (seq, body) in (from..=to).zip(self.bodies(journal, run, from, to)?) {
                each(seq, &body)?;
            }
            next = to.checked_add(1);
        }
        Ok(())
    }

    /// One body.
    pub fn body(&self, place: Place) -> Result<Option<Vec<u8>>, StoreError> {
        body(&self.conn, self.festival, place)
    }

    /// Notes what the entries of this transaction touch: sorted by subject, so that the index grows in order.
    pub fn add_touches<'a>(
        &self,
        touches: impl IntoIterator<Item = (&'a [u8; 16], &'a Vec<Place>)>,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO touches (festival, subject, change, places) VALUES ($1, $2, $3, $4)";
        let mut insert = statement(&self.conn, sql)?;
        for (subject, places) in touches {
            insert.execute(params![self.festival, subject, self.changes(), Place::pack(places)])?;
        }
        Ok(())
    }

    /// Places of all entries that name this subject.
    pub fn touching(&self, subject: &[u8; 16]) -> Result<Vec<Place>, StoreError> {
        touching(&self.conn, self.festival, subject)
    }

    /// Sets an entry aside.
    pub fn set_aside(&self, place: Place, reason: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO set_aside (festival, journal, run, seq, reason) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
        statement(&self.conn, sql)?.execute(params![self.festival, place.journal, place.run, place.seq, reason])?;
        Ok(())
    }

    /// In how many histories the entry at this position was set aside.
    pub fn set_aside_at(&self, journal: u32, seq: u32) -> Result<usize, StoreError> {
        let sql = "SELECT run FROM set_aside WHERE festival = $1 AND journal = $2 AND seq = $3";
        Ok(rows(&self.conn, sql, params![self.festival, journal, seq], |r| r.get::<_, u32>(0))?.len())
    }

    /// Entries set aside, newest journal first, at most `most`.
    pub fn all_set_aside(&self, most: u32) -> Result<Vec<SetAside>, StoreError> {
        let sql = "SELECT journal, run, seq, reason FROM set_aside WHERE festival = $1 ORDER BY journal DESC, run, seq LIMIT $2";
        rows(&self.conn, sql, params![self.festival, most], |r| {
            Ok(SetAside { place: Place { journal: r.get(0)?, run: r.get(1)?, seq: r.get(2)? }, reason: r.get(3)? })
        })
    }
}

impl Reading {
    /// One body.
    pub fn body(&self, place: Place) -> Result<Option<Vec<u8>>, StoreError> {
        body(&self.conn, self.festival, place)
    }

    /// Places of all entries that name this subject.
    pub fn touching(&self, subject: &[u8; 16]) -> Result<Vec<Place>, StoreError> {
        touching(&self.conn, self.festival, subject)
    }

    /// Whether an entry counts nothing.
    pub fn is_set_aside(&self, place: Place) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM set_aside WHERE festival = $1 AND journal = $2 AND run = $3 AND seq = $4";
        Ok(row(&self.conn, sql, params![self.festival, place.journal, place.run, place.seq], |_| Ok(()))?.is_some())
    }

    /// How many entries were set aside.
    pub fn count_set_aside(&self) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM set_aside WHERE festival = $1";
        Ok(row(&self.conn, sql, params![self.festival], |r| r.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs())
    }

    /// One body by device, epoch and position; of a forked journal the bodies of every branch.
    pub fn bodies_at(&self, device: &[u8; 16], epoch: u32, seq: u32) -> Result<Vec<Vec<u8>>, StoreError> {
        let sql = "SELECT e.body FROM journals j JOIN runs r ON r.festival = j.festival AND r.journal = j.journal \
                   JOIN entries e ON e.festival = r.festival AND e.journal = r.journal AND e.run = r.run AND e.seq = $4 \
                   WHERE j.festival = $1 AND j.device = $2 AND j.epoch = $3 ORDER BY r.run";
        rows(&self.conn, sql, params![self.festival, device, epoch, seq], |r| r.get(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_back() {
        let places = vec![Place { journal: 1, run: 0, seq: 4_000_000 }, Place { journal: 700, run: 2, seq: 0 }];
        let mut read = Vec::new();
        Place::unpack(&Place::pack(&places), &mut read).unwrap();
        assert_eq!(read, places);
        assert!(Place::unpack(&[0x80], &mut read).is_err());
    }
}
