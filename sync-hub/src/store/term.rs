//! Which term the database is in. A restore is noticed because the file beside the database knows of changes that the
//! database lacks, or of another run.
//! Invariant: a term is never used by two histories of the database.
use std::{fs, io::Write, path::PathBuf};

use domain::{
    id::FestivalId,
    wire::{hex, unhex},
};
use rusqlite::{Connection, params};

use super::{Store, StoreError, projections::PROJECTION, row};

/// `HUB/term`: term, run and how many changes were committed; while a start is under way also the run and changes that
/// the database was found with (`-1` changes: it had no row yet).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideFile {
    path: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    term: u32,
    run: [u8; 16],
    changes: i64,
    /// A start that was cut off goes on where it was: nothing was committed between the file and the database.
    before: Option<([u8; 16], i64)>,
}

impl Mark {
    /// What the database would say if nothing was committed since it was found so.
    const NO_ROW: ([u8; 16], i64) = ([0; 16], -1);

    /// Whether the database, as `held`, is the one that this file stands beside.
    fn goes_with(&self, held: Option<&Self>) -> bool {
        let same_run = held.is_some_and(|held| held.run == self.run && self.changes <= held.changes);
        same_run || self.before == Some(held.map_or(Self::NO_ROW, |held| (held.run, held.changes)))
    }
}

impl SideFile {
    /// The file at `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn read(&self) -> Option<Mark> {
        let text = fs::read_to_string(&self.path).ok()?;
        let mut words = text.split_whitespace();
        let mark = Mark {
            term: words.next()?.parse().ok()?,
            run: unhex(words.next()?)?.try_into().ok()?,
            changes: words.next()?.parse().ok()?,
            before: None,
        };
        let before = match words.next() {
            Some(run) => Some((unhex(run)?.try_into().ok()?, words.next()?.parse().ok()?)),
            None => None,
        };
        Some(Mark { before, ..mark })
    }

    fn write(&self, mark: &Mark, durable: bool) -> Result<(), StoreError> {
        let failed = |reason| StoreError::File { path: self.path.clone(), reason };
        let next = self.path.with_extension("next");
        let mut file = fs::File::create(&next).map_err(failed)?;
        let before = mark.before.map(|(run, changes)| format!(" {} {changes}", hex(&run))).unwrap_or_default();
        writeln!(file, "{} {} {}{before}", mark.term, hex(&mark.run), mark.changes).map_err(failed)?;
        if durable {
            file.sync_all().map_err(failed)?;
        }
        fs::rename(&next, &self.path).map_err(failed)?;
        match self.path.parent().filter(|_| durable) {
            Some(folder) => fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed),
            None => Ok(()),
        }
    }
}

/// What was told in a term that is over.
fn no_batches(conn: &Connection, festival: i64) -> Result<(), StoreError> {
    for table in ["sections", "batches"] {
        conn.execute(&super::text(&format!("DELETE FROM {table} WHERE festival = $1")), params![festival])?;
    }
    Ok(())
}

impl Store {
    pub(super) fn start(conn: Connection, side: SideFile, festival: FestivalId) -> Result<Self, StoreError> {
        let mut run = [0; 16];
        getrandom::fill(&mut run).map_err(|_| StoreError::Damaged("no randomness"))?;
        let held =
            row(&conn, "SELECT festival, term, run, changes FROM festivals WHERE id = $1", params![festival.0], |r| {
                Ok((r.get::<_, i64>(0)?, Mark { term: r.get(1)?, run: r.get(2)?, changes: r.get(3)?, before: None }))
            })?;
        let beside = side.read();
        let found = held.as_ref().map(|(_, held)| held);
        let term = match (found, &beside) {
            (None, None) => 1,
            (held, Some(beside)) if beside.goes_with(held) => beside.term.max(held.map_or(0, |held| held.term)),
            (held, beside) => {
                held.map_or(0, |held| held.term).max(beside.map_or(0, |beside| beside.term)).saturating_add(1)
            }
        };
        let changes = found.map_or(0, |held| held.changes);
        // The file first, with what the database is now; whoever is cut off in between finds it so and goes on.
        let before = Some(found.map_or(Mark::NO_ROW, |held| (held.run, held.changes)));
        side.write(&Mark { term, run, changes, before }, true)?;
        let number = match held {
            Some((number, before)) => {
                conn.execute(
                    &super::text("UPDATE festivals SET term = $2, run = $3 WHERE festival = $1"),
                    params![number, term, run],
                )?;
                if before.term != term {
                    no_batches(&conn, number)?;
                }
                number
            }
            None => {
                let number: i64 =
                    row(&conn, "SELECT COALESCE(MAX(festival), 0) + 1 FROM festivals", [], |r| r.get(0))?.unwrap_or(1);
                conn.execute(
                    &super::text(
                        "INSERT INTO festivals (festival, id, term, run, changes, seed, catalogue, price_revision, projection) \
                         VALUES ($1, $2, $3, $4, 0, $5, $5, 0, $6)",
                    ),
                    params![number, festival.0, term, run, [0u8; 0], PROJECTION],
                )?;
                number
            }
        };
        let folded =
            row(&conn, "SELECT accounts, projection FROM festivals WHERE festival = $1", params![number], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })?;
        // Before anything is committed: from here on an older image of the database is told by its run.
        side.write(&Mark { term, run, changes, before: None }, true)?;
        let (shares, projection) = folded.unwrap_or_default();
        let seen = row(&conn, "SELECT restore_seen FROM festivals WHERE festival = $1", params![number], |r| r.get(0))?;
        let restore_seen = seen.unwrap_or_default();
        Ok(Self {
            conn,
            trouble: None,
            damaged: false,
            side,
            festival: number,
            term,
            restore_seen,
            changes,
            run,
            shares,
            projection,
        })
    }

    /// Whether people have done by hand what a restore lost, as of this term; so it is where nothing was ever restored.
    pub fn is_restore_seen(&self) -> bool {
        self.term <= 1 || self.restore_seen >= self.term
    }

    /// People have done so as of this term.
    pub fn see_restore(&mut self, term: u32) -> Result<(), StoreError> {
        self.transaction::<_, StoreError>(|store| {
            let sql = "UPDATE festivals SET restore_seen = $2 WHERE festival = $1";
            super::statement(&store.conn, sql)?.execute(params![store.festival, term])?;
            Ok(())
        })?;
        self.restore_seen = term;
        Ok(())
    }

    pub(super) fn count_change(&mut self) -> Result<(), StoreError> {
        self.changes = self.changes.saturating_add(1);
        super::statement(&self.conn, "UPDATE festivals SET changes = $2 WHERE festival = $1")?
            .execute(params![self.festival, self.changes])?;
        Ok(())
    }

    /// How many transactions were committed so far.
    pub fn changes(&self) -> i64 {
        self.changes
    }

    /// Notes in the file beside the database how far it is, so that a restore of an older copy is noticed.
    pub fn mark_progress(&self) -> Result<(), StoreError> {
        self.side.write(&Mark { term: self.term, run: self.run, changes: self.changes, before: None }, false)
    }

    /// Starts a term of at least `least`: somebody proved to hold acknowledgements of it.
    pub fn raise_term(&mut self, least: u32) -> Result<(), StoreError> {
        let term = least.max(self.term.saturating_add(1));
        self.side.write(&Mark { term, run: self.run, changes: self.changes, before: None }, true)?;
        self.transaction::<_, StoreError>(|store| {
            store.conn.execute(
                &super::text("UPDATE festivals SET term = $2 WHERE festival = $1"),
                params![store.festival, term],
            )?;
            no_batches(&store.conn, store.festival)
        })?;
        self.term = term;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FESTIVAL: FestivalId = FestivalId([7; 16]);

    fn change(store: &mut Store) {
        store.transaction::<_, StoreError>(|_| Ok(())).unwrap();
        store.mark_progress().unwrap();
    }

    #[test]
    fn a_restart_keeps_the_term_and_a_restored_copy_starts_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("copy");
        let mut store = Store::open(dir.path(), FESTIVAL).unwrap();
        assert_eq!(store.term(), 1);
        change(&mut store);
        drop(store);
        let mut store = Store::open(dir.path(), FESTIVAL).unwrap();
        assert_eq!(store.term(), 1);
        store.conn.execute_batch(&format!("VACUUM INTO '{}'", copy.display())).unwrap();
        change(&mut store);
        drop(store);
        // Restored within one run: only the number of changes tells.
        for ending in ["-wal", "-shm"] {
            let _ = fs::remove_file(dir.path().join(format!("hub.db{ending}")));
        }
        fs::copy(&copy, dir.path().join("hub.db")).unwrap();
        assert_eq!(Store::open(dir.path(), FESTIVAL).unwrap().term(), 2);
    }

    /// The file as a start leaves it that is cut off before the database follows.
    fn start_cut_off(dir: &std::path::Path, found: &Mark, term: u32) {
        let side = SideFile::new(dir.join("term"));
        let before = Some((found.run, found.changes));
        side.write(&Mark { term, run: [9; 16], changes: found.changes.max(0), before }, true).unwrap();
    }

    fn held(store: &Store) -> Mark {
        Mark { term: store.term, run: store.run, changes: store.changes, before: None }
    }

    #[test]
    fn a_start_that_is_cut_off_between_file_and_database_goes_on_in_its_term() {
        let dir = tempfile::tempdir().unwrap();
        let no_row = Mark { term: 0, run: Mark::NO_ROW.0, changes: Mark::NO_ROW.1, before: None };
        start_cut_off(dir.path(), &no_row, 1);
        let mut store = Store::open(dir.path(), FESTIVAL).unwrap();
        assert_eq!(store.term(), 1, "the very first one");
        change(&mut store);
        let found = held(&store);
        drop(store);
        for _ in 0..3 {
            start_cut_off(dir.path(), &found, 1);
        }
        let mut store = Store::open(dir.path(), FESTIVAL).unwrap();
        assert_eq!(store.term(), 1, "nothing was committed in between");
        // cut off while it began a new term: that one it is
        let found = held(&store);
        change(&mut store);
        drop(store);
        start_cut_off(dir.path(), &Mark { changes: found.changes + 1, ..found }, 2);
        assert_eq!(Store::open(dir.path(), FESTIVAL).unwrap().term(), 2);
        // another database than the one that was found
        start_cut_off(dir.path(), &found, 2);
        assert_eq!(Store::open(dir.path(), FESTIVAL).unwrap().term(), 3);
    }

    #[test]
    fn a_lost_database_or_a_lost_file_starts_the_next_term() {
        let dir = tempfile::tempdir().unwrap();
        drop(Store::open(dir.path(), FESTIVAL).unwrap());
        fs::remove_file(dir.path().join("hub.db")).unwrap();
        assert_eq!(Store::open(dir.path(), FESTIVAL).unwrap().term(), 2);
        fs::remove_file(dir.path().join("term")).unwrap();
        assert_eq!(Store::open(dir.path(), FESTIVAL).unwrap().term(), 3);
    }

    #[test]
    fn a_transaction_that_fails_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), FESTIVAL).unwrap();
        let failed: Result<(), StoreError> = store.transaction(|store| {
            store.conn.execute_batch("UPDATE festivals SET price_revision = 9")?;
            Err(StoreError::Damaged("test"))
        });
        assert!(failed.is_err());
        let revision: i64 = store.conn.query_row("SELECT price_revision FROM festivals", [], |r| r.get(0)).unwrap();
        assert_eq!(revision, 0);
    }
}
