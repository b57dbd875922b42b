//! How a store comes up: found, checked, brought to this software's form, or left alone as evidence.
//! Invariant: a store that fails its check is never written to again, not even its WAL is copied into it.
//! Not here: the check itself (`check`).
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use domain::{
    id::{BoxNumber, DeviceId, EntryRef, FestivalId},
    time::Hlc,
};
use ed25519_dalek::SigningKey;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    check::{self, Checked, Depth},
    content, database, derived,
    error::{Degraded, OpenError, StoreError},
    journal::{Identity, OpenEpoch, Tail},
    line::Line,
    projection,
    store::{Shared, Store},
    view::{OpenIntent, OwnHead, View},
    wal,
    writer::{Condition, Tally, Wall, Writer},
};

/// A store shorter than its first page was cut.
const PAGE: u64 = 1024;
/// With more entries than this, what follows from them is compared in the background after the start.
const COMPARED_AT_START: u64 = 4_000;

/// Whose store, and where.
#[derive(Clone)]
pub struct StoreConfig {
    /// The database's file; others of the same name with a suffix stand beside it.
    pub path: PathBuf,
    /// The festival.
    pub festival: FestivalId,
    /// The key that signs the journal.
    pub identity: SigningKey,
    /// Number that a new epoch writes on chips.
    pub box_number: BoxNumber,
    /// The box's certificate chain, for a genesis.
    pub chain: Vec<u8>,
    /// Version of the software, for a genesis.
    pub software: String,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootReport {
    /// Whether the store was made just now.
    pub is_new: bool,
    /// Entries in the journal.
    pub entries: u64,
    /// Entries whose chain was computed again: those since the last checkpoint.
    pub checked: u64,
    /// The last entry; `None` where it cannot be read.
    pub head: Option<OwnHead>,
    /// The epoch being written.
    pub epoch: u32,
    /// Intents that wait for a commit or void.
    pub open_intents: Vec<OpenIntent>,
    /// Money entries whose green light nobody confirmed: "paid, hand over?".
    pub unconfirmed: Vec<EntryRef>,
    /// What was not as it had been written, and was put right.
    pub mended: Mended,
    /// Why the store only reads, if it does.
    pub degraded: Option<Degraded>,
}

/// Tables that a disk had changed: nothing of the journal, and so nothing that cannot be had again.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Mended {
    /// What the hub had said: it is forgotten, and fetched again.
    pub forgotten: Vec<&'static str>,
    /// What is folded from the journal: it was folded anew.
    pub folded: Option<&'static str>,
}

impl Mended {
    /// Whether nothing had to be.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What is to be put right, by what the database says of itself.
    pub(crate) fn due(connection: &Connection, path: &Path, device: DeviceId) -> Result<Self, StoreError> {
        if !content::is_kept(connection)? || !projection::is_up_to_date(connection)? {
            return Ok(Self::default());
        }
        let forgotten = content::changed(connection)?;
        // what the hub has taken into account is folded no more: with that forgotten, all is folded anew as it is
        let folded = if forgotten.is_empty() { derived::differs(path, device)? } else { None };
        Ok(Self { forgotten, folded })
    }

    /// Puts it right, in a transaction.
    pub(crate) fn mend(&self, connection: &Connection, who: &Identity) -> Result<(), StoreError> {
        if !self.is_nothing() {
            tracing::error!(
                forgotten = ?self.forgotten,
                folded = self.folded,
                "the disk has changed what it held: what the hub said is fetched again, sums are folded from the journal"
            );
        }
        if self.forgotten.is_empty() {
            self.folded.map_or(Ok(()), |_| projection::rebuild(connection, who.device))
        } else {
            content::forget(connection, who, &self.forgotten)
        }
    }
}

/// Opens the box's store, or makes it: migrates, checks chain, signatures and sums from the last checkpoint, folds
/// projections again where the software changed. A damaged one opens read-only and says so in the report.
pub fn open(config: StoreConfig, now_wall_ms: u64) -> Result<(Store, BootReport), OpenError> {
    let StoreConfig { path, festival, identity, box_number, chain, software } = config;
    let lock = lock(&path)?;
    let who = Arc::new(Identity::new(festival, identity, software));
    let state = look(&path)?;
    if matches!(state, Found::Nothing) {
        let first = OpenEpoch { number: 0, box_number, chain: chain.clone(), previous: None };
        database::create(&path, |connection| begin(connection, &who, first, now_wall_ms))?;
    }
    let mut shared = Shared {
        path,
        who,
        chain,
        wall: Arc::new(Wall::new(now_wall_ms)),
        tally: Arc::default(),
        condition: Arc::default(),
        line: None,
        thread: None,
        readers: Mutex::default(),
        staged: Mutex::default(),
        _lock: lock,
    };
    let checked = match state {
        Found::Cut(bytes) => Err(Degraded::Truncated { bytes }),
        Found::Nothing => checked(&shared)?,
        // before anything is opened: SQLite writes over what it does not read
        Found::Store => match wal::lost_behind(&shared.path) {
            Ok(Some(frame)) => Err(Degraded::Wal { frame }),
            Ok(None) => checked(&shared)?,
            Err(error) => return Err(StoreError::from(error).into()),
        },
    };
    let mut mended = Mended::default();
    let checked = match checked {
        Ok((checked, due)) => {
            mended = due;
            start(&mut shared, &mended)?;
            checked
        }
        Err(damage) => {
            tracing::error!(code = damage.code(), %damage, "the store is damaged: it only reads");
            shared.condition.set(damage);
            Checked { entries: 0, read: 0 }
        }
    };
    let store = Store(Arc::new(shared));
    let report = report(&store, checked, mended, matches!(state, Found::Nothing))?;
    Ok((store, report))
}

#[derive(Clone, Copy)]
enum Found {
    Nothing,
    Store,
    Cut(u64),
}

fn look(path: &Path) -> Result<Found, OpenError> {
    let length = |path: &Path| match fs::metadata(path) {
        Ok(found) => Ok(Some(found.len())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::from(error)),
    };
    Ok(match length(path)? {
        Some(bytes) if bytes < PAGE => Found::Cut(bytes),
        Some(_) => Found::Store,
        // Its WAL is there, so there was a store.
        None if length(&database::beside(path, "-wal"))?.is_some_and(|bytes| bytes > 0) => Found::Cut(0),
        None => Found::Nothing,
    })
}

/// One process at a time: two writers would fork the journal.
fn lock(path: &Path) -> Result<File, OpenError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(database::beside(path, ".lock"))
        .map_err(StoreError::from)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(StoreError::from(error).into()),
    }
}

/// Fills a new store: whose it is, and the genesis of its first epoch.
fn begin(connection: &mut Connection, who: &Identity, first: OpenEpoch, wall_ms: u64) -> Result<(), OpenError> {
    let transaction = connection.transaction().map_err(StoreError::from)?;
    transaction
        .execute(
            "INSERT INTO box (one, festival, device, public_key) VALUES (1, ?1, ?2, ?3)",
            params![&who.festival.0[..], &who.device.0[..], &who.public_key()[..]],
        )
        .map_err(StoreError::from)?;
    transaction
        .execute("INSERT INTO projection (one, version) VALUES (1, ?1)", [projection::VERSION])
        .map_err(StoreError::from)?;
    content::begin(&transaction).map_err(OpenError::from)?;
    let mut tail = Tail::open_epoch(&transaction, who, first, Hlc::default(), wall_ms)?;
    tail.checkpoint(&transaction)?;
    transaction.commit().map_err(StoreError::from)?;
    Ok(())
}

/// Whether it is ours, and whole. Reads only.
fn checked(shared: &Shared) -> Result<Result<(Checked, Mended), Degraded>, OpenError> {
    let found = database::reader(&shared.path).and_then(|connection| Ok((owner(&connection)?, connection)));
    let ((festival, device), connection) = match found {
        Ok(found) => found,
        Err(error @ (StoreError::Corrupt(_) | StoreError::Database(_))) => {
            return Ok(Err(Degraded::Database(error.to_string())));
        }
        Err(error) => return Err(error.into()),
    };
    if festival != shared.who.festival {
        return Err(OpenError::OtherFestival { found: festival, wanted: shared.who.festival });
    }
    if device != shared.who.device {
        return Err(OpenError::OtherBox { found: device, wanted: shared.who.device });
    }
    let checked = match check::journal(&connection, &shared.who, Depth::Tail) {
        Ok(checked) => checked,
        Err(damage) => return Ok(Err(damage)),
    };
    let due = if checked.entries > COMPARED_AT_START {
        Ok(Mended::default())
    } else {
        Mended::due(&connection, &shared.path, shared.who.device)
    };
    let folds = due.and_then(|due| Ok((!due.is_nothing() || !projection::is_up_to_date(&connection)?, due)));
    let (folds, due) = match folds {
        Ok(found) => found,
        Err(error) => return Ok(Err(Degraded::Database(error.to_string()))),
    };
    // nothing is folded anew from a journal that is not whole
    let whole = if folds { check::journal(&connection, &shared.who, Depth::All) } else { Ok(checked) };
    // it has read the schema, which takes longer than most that is asked of it
    shared.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    Ok(whole.map(|checked| (checked, due)))
}

fn owner(connection: &Connection) -> Result<(FestivalId, DeviceId), StoreError> {
    let row: Option<([u8; 16], [u8; 16])> = connection
        .query_row("SELECT festival, device FROM box", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (festival, device) = row.ok_or_else(|| StoreError::Corrupt("it does not say whose it is".into()))?;
    Ok((FestivalId(festival), DeviceId(device)))
}

/// Brings a sound store to this software's form and starts its writer.
fn start(shared: &mut Shared, mended: &Mended) -> Result<(), OpenError> {
    let mut connection = database::writer(&shared.path)?;
    let had_sums = content::is_kept(&connection)?;
    database::migrate(&mut connection)?;
    let tail = catch_unwind(AssertUnwindSafe(|| prepare(&mut connection, &shared.who, mended, had_sums)))
        .unwrap_or_else(|payload| Err(StoreError::panicked(payload.as_ref())));
    let tail = match tail {
        Ok(tail) => Some(tail),
        // The box starts, shows what it has, and writes again once there is space.
        Err(StoreError::DiskFull) => None,
        Err(error) => return Err(error.into()),
    };
    if let Err(error) = database::fill_wal(&shared.path) {
        tracing::warn!(%error, "the WAL could not be filled beforehand; commits will be slower");
    }
    let writer = Writer {
        connection,
        who: Arc::clone(&shared.who),
        wall: Arc::clone(&shared.wall),
        tally: Arc::<Tally>::clone(&shared.tally),
        condition: Arc::<Condition>::clone(&shared.condition),
        tail,
    };
    let line = Arc::new(Line::new(writer));
    let served = Arc::clone(&line);
    let thread =
        thread::Builder::new().name("store-writer".into()).spawn(move || served.serve()).map_err(StoreError::from)?;
    (shared.line, shared.thread) = (Some(line), Some(thread));
    Ok(())
}

/// Folds again where the software changed, and notes that everything up to here was checked.
fn prepare(connection: &mut Connection, who: &Identity, mended: &Mended, had_sums: bool) -> Result<Tail, StoreError> {
    let transaction = connection.transaction()?;
    if !had_sums {
        content::begin(&transaction)?;
    }
    mended.mend(&transaction, who)?;
    projection::bring_up_to_date(&transaction, who.device)?;
    let mut tail = Tail::read(&transaction, who)?.ok_or_else(|| StoreError::Corrupt("no genesis".into()))?;
    if tail.since_checkpoint > 0 {
        tail.checkpoint(&transaction)?;
    }
    transaction.commit()?;
    Ok(tail)
}

fn report(store: &Store, checked: Checked, mended: Mended, is_new: bool) -> Result<BootReport, OpenError> {
    let mut report = BootReport {
        is_new,
        entries: checked.entries,
        checked: checked.read,
        head: None,
        epoch: 0,
        open_intents: Vec::new(),
        unconfirmed: Vec::new(),
        mended,
        degraded: store.degraded(),
    };
    let seen = store.read(|view: &View<'_>| (view.head(), view.all_open_intents(), view.unconfirmed()));
    match seen {
        Ok((head, open_intents, unconfirmed)) => {
            report.epoch = head.map_or(0, |head| head.at.epoch);
            (report.head, report.open_intents, report.unconfirmed) = (head, open_intents, unconfirmed);
        }
        // A damaged store shows what it still can.
        Err(error) if report.degraded.is_some() => {
            tracing::warn!(code = error.code(), %error, "the damaged store cannot be read");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(report)
}
