//! Whether the journal on disk is the one that was written: chain, signatures, sums.
//! Invariant: it only reads; whatever it finds is named, never repaired.
//! Not here: what happens then (`open`).
use domain::{
    id::EntryRef,
    journal::{ChainCursor, CommitMark, Detail, Entry, EntryHash, Head, Kind, link},
};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    error::{Degraded, StoreError},
    journal::{At, Identity},
    projection::Totals,
};

/// How much was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Entries in the journal.
    pub(crate) entries: u64,
    /// Entries of which chain and hash were computed again.
    pub(crate) read: u64,
}

/// From where, and whether each commit's signature is verified beside the last one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// From the last checkpoint, every signature.
    Tail,
    /// From the first entry; the last signature of each epoch stands for all before it.
    All,
}

struct Walk<'a> {
    who: &'a Identity,
    public_key: [u8; 32],
    cursor: Option<ChainCursor>,
    totals: Totals,
    /// The commit mark of the last entry; `None` inside a commit.
    mark: Option<CommitMark>,
    every_signature: bool,
    read: u64,
}

/// Checks the journal. A database that cannot be read is damage too.
pub(crate) fn journal(connection: &Connection, who: &Identity, depth: Depth) -> Result<Checked, Degraded> {
    walk(connection, who, depth).map_err(|error| match error {
        Found::Damage(damage) => damage,
        Found::Error(error) => Degraded::Database(error.to_string()),
    })
}

enum Found {
    Damage(Degraded),
    Error(StoreError),
}

impl From<rusqlite::Error> for Found {
    fn from(error: rusqlite::Error) -> Self {
        Self::Error(error.into())
    }
}

impl From<StoreError> for Found {
    fn from(error: StoreError) -> Self {
        Self::Error(error)
    }
}

impl From<Degraded> for Found {
    fn from(damage: Degraded) -> Self {
        Self::Damage(damage)
    }
}

fn walk(connection: &Connection, who: &Identity, depth: Depth) -> Result<Checked, Found> {
    let mut walk = Walk {
        who,
        public_key: who.public_key(),
        cursor: None,
        totals: Totals::default(),
        mark: None,
        every_signature: depth == Depth::Tail,
        read: 0,
    };
    let from = match depth {
        Depth::Tail => walk.start_at_checkpoint(connection)?,
        Depth::All => -1,
    };
    let mut statement = connection.prepare("SELECT at, body, hash, signature FROM entry WHERE at > ?1 ORDER BY at")?;
    let mut rows = statement.query([from])?;
    while let Some(row) = rows.next()? {
        let at = At::from_sql(row.get(0)?)?;
        walk.entry(
            at,
            row.get_ref(1)?.as_blob().map_err(|_| unreadable(at.of(who.device)))?,
            row.get(2)?,
            row.get(3)?,
        )?;
    }
    let last = walk.last();
    walk.end_of_epoch()?;
    if walk.totals != Totals::stored(connection)? {
        return Err(Degraded::Totals(last).into());
    }
    Ok(Checked { entries: walk.totals.entries(), read: walk.read })
}

fn unreadable(entry: EntryRef) -> Degraded {
    Degraded::Entry(entry, "no bytes".into())
}

impl Walk<'_> {
    /// Takes the last checkpoint as given once its own signature holds; `-1` without one.
    fn start_at_checkpoint(&mut self, connection: &Connection) -> Result<i64, Found> {
        let stored = connection
            .prepare("SELECT at, hash, totals FROM checkpoint ORDER BY at DESC LIMIT 1")?
            .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?)))
            .optional()?;
        let Some((place, hash, totals)) = stored else { return Ok(-1) };
        let at = At::from_sql(place)?;
        let entry = at.of(self.who.device);
        let row = connection
            .prepare("SELECT hash, signature FROM entry WHERE at = ?1")?
            .query_row([place], |row| Ok((row.get::<_, Option<Vec<u8>>>(0)?, row.get::<_, Option<Vec<u8>>>(1)?)))
            .optional()?;
        let Some((Some(found), Some(signature))) = row else { return Err(Degraded::Missing(entry).into()) };
        let hash = EntryHash::try_from(hash).map_err(|_| Degraded::Chain(entry))?;
        if found != hash {
            return Err(Degraded::Chain(entry).into());
        }
        let head = Head { seq: at.seq, hash };
        let mark = CommitMark { head, signature: signature.try_into().map_err(|_| Degraded::Signature(entry))? };
        self.verify(at, &mark)?;
        self.mark = Some(mark);
        self.totals = Totals::from_bytes(&totals).map_err(|_| Degraded::Totals(entry))?;
        self.cursor = Some(ChainCursor::after(self.who.festival, self.who.device, at.epoch, head));
        Ok(place)
    }

    fn entry(
        &mut self,
        at: At,
        body: &[u8],
        hash: Option<Vec<u8>>,
        signature: Option<Vec<u8>>,
    ) -> Result<(), Degraded> {
        let place = at.of(self.who.device);
        if self.cursor.is_none_or(|cursor| cursor.epoch != at.epoch) {
            self.end_of_epoch()?;
            self.cursor = Some(ChainCursor::start(self.who.festival, self.who.device, at.epoch));
        }
        let Some(cursor) = self.cursor.as_mut() else { return Ok(()) };
        if cursor.next_seq != at.seq {
            return Err(Degraded::Missing(EntryRef { seq: cursor.next_seq, ..place }));
        }
        let entry = Entry::from_bytes(body).map_err(|error| Degraded::Entry(place, error.to_string()))?;
        if at.seq == 0 {
            let genesis = matches!(Detail::of(&entry), Ok(Detail::Genesis(genesis)) if genesis.epoch == at.epoch);
            if entry.kind != Kind::GENESIS || !genesis {
                return Err(Degraded::Genesis(at.epoch));
            }
        }
        let computed = Head { seq: at.seq, hash: link(&cursor.prev, body) };
        cursor.append(body);
        self.read = self.read.saturating_add(1);
        self.totals.add(&entry);
        self.mark = match (entry.ends_commit(), hash, signature) {
            (false, None, None) => None,
            (true, Some(hash), Some(signature)) => {
                if hash != computed.hash {
                    return Err(Degraded::Chain(place));
                }
                let signature = signature.try_into().map_err(|_| Degraded::Signature(place))?;
                Some(CommitMark { head: computed, signature })
            }
            _ => return Err(Degraded::Entry(place, "its commit's end is marked wrongly".into())),
        };
        match self.mark {
            Some(mark) if self.every_signature => self.verify(at, &mark),
            _ => Ok(()),
        }
    }

    /// An epoch ends with a signed commit.
    fn end_of_epoch(&self) -> Result<(), Degraded> {
        let Some(cursor) = self.cursor else { return Ok(()) };
        let Some(mark) = self.mark else { return Err(Degraded::Unsigned(self.last())) };
        if self.every_signature { Ok(()) } else { self.verify(At { epoch: cursor.epoch, seq: mark.head.seq }, &mark) }
    }

    fn verify(&self, at: At, mark: &CommitMark) -> Result<(), Degraded> {
        mark.check(&self.public_key, &self.who.festival, self.who.device, at.epoch)
            .map_err(|_| Degraded::Signature(at.of(self.who.device)))
    }

    fn last(&self) -> EntryRef {
        let (epoch, seq) = self.cursor.map_or((0, 0), |cursor| (cursor.epoch, cursor.next_seq.saturating_sub(1)));
        At { epoch, seq }.of(self.who.device)
    }
}

/// Whether every page reads and every row obeys its table.
pub(crate) fn pages(connection: &Connection) -> Result<(), Degraded> {
    let answer = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match answer {
        Ok(answer) if answer == "ok" => Ok(()),
        Ok(answer) => Err(Degraded::Database(answer)),
        Err(error) => Err(Degraded::Database(error.to_string())),
    }
}
