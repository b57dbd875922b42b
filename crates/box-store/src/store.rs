//! The handle that the rest of the box holds: decide and write, or read.
//! Invariant: what is answered as committed was flushed; a damaged store only reads.
//! Not here: how a flush is shared (`writer`), how a store is opened (`open`).
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering, mpsc},
    thread::{self, JoinHandle},
};

use ::sync::{Delta, Section};
use domain::{
    id::{DeviceId, EntryRef, FestivalId},
    journal::Entry,
};
use rusqlite::Connection;

use crate::{
    check, database,
    error::{Degraded, StoreError},
    journal::Identity,
    line::Line,
    open::Mended,
    view::View,
    writer::{Condition, Job, Tally, Wall, Writing, decision_job, work_job},
};

/// Decisions that may wait; more are turned away with [`StoreError::Busy`], or wait with the caller.
pub(crate) const QUEUE: usize = 1024;
/// Read connections that stay open.
const READERS: usize = 4;

/// What a decision wants written, and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<R> {
    /// One commit; `hlc` and `END_OF_COMMIT` are stamped by the store. Empty: nothing is written.
    pub entries: Vec<Entry>,
    /// The answer, handed back after the flush.
    pub result: R,
    /// Entries whose green light was seen; noted along with this decision.
    pub confirm: Vec<EntryRef>,
    /// The screen's request that one of `entries` answers, for [`View::answer`].
    pub request: Option<[u8; 16]>,
    /// It is the last of them, and not the first.
    pub last_answers: bool,
}

impl<R> Decision<R> {
    /// Writes nothing.
    pub fn nothing(result: R) -> Self {
        Self { entries: Vec::new(), result, confirm: Vec::new(), request: None, last_answers: false }
    }

    /// Writes `entries` as one commit.
    pub fn write(entries: Vec<Entry>, result: R) -> Self {
        Self { entries, result, confirm: Vec::new(), request: None, last_answers: false }
    }

    /// Notes that the first entry answers this request, so that the same request gets the same answer for ever. An
    /// intent answers until its commit does.
    #[must_use]
    pub fn answers(mut self, request: [u8; 16]) -> Self {
        self.request = Some(request);
        self
    }

    /// As [`Self::answers`], with the last entry.
    #[must_use]
    pub fn answers_last(self, request: [u8; 16]) -> Self {
        Self { request: Some(request), last_answers: true, ..self }
    }

    /// Notes the green lights that were seen as well.
    #[must_use]
    pub fn confirming(mut self, seen: impl IntoIterator<Item = EntryRef>) -> Self {
        self.confirm.extend(seen);
        self
    }
}

/// A decision that is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed<R> {
    /// Its entries, in their order.
    pub refs: Vec<EntryRef>,
    /// Its answer.
    pub result: R,
}

/// What was written since the store was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Signed commits.
    pub commits: u64,
    /// Flushes that they shared.
    pub flushes: u64,
}

pub(crate) struct Shared {
    pub(crate) path: PathBuf,
    pub(crate) who: Arc<Identity>,
    pub(crate) chain: Vec<u8>,
    pub(crate) wall: Arc<Wall>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) condition: Arc<Condition>,
    pub(crate) line: Option<Arc<Line>>,
    pub(crate) thread: Option<JoinHandle<()>>,
    pub(crate) readers: Mutex<Vec<Connection>>,
    pub(crate) staged: Mutex<BTreeMap<Section, Vec<Delta>>>,
    pub(crate) _lock: std::fs::File,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(line) = self.line.take() {
            line.close();
        }
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id())
            && thread.join().is_err()
        {
            tracing::error!("the writer had panicked");
        }
    }
}

/// A handle of the box's store; the writer ends when the last one is dropped.
#[derive(Clone)]
pub struct Store(pub(crate) Arc<Shared>);

impl Store {
    /// Runs `decide` inside the write transaction, appends what it decides as one signed commit and returns after the
    /// flush. It sees every earlier commit. Blocks; never call it from a `done`, which runs where the writing is done:
    /// on the writer's thread, or on that of another who waits.
    pub fn transact<R: Send + 'static>(
        &self,
        decide: impl FnOnce(&View<'_>) -> Decision<R> + Send + 'static,
    ) -> Result<Committed<R>, StoreError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let job = decision_job(decide, move |outcome| drop(answer.send(outcome)));
        self.line()?.wait_or_write(job)?;
        answered.recv().unwrap_or(Err(StoreError::Closed))
    }

    /// As [`Self::transact`], without blocking: `done` is called where the writing is done, after the flush, or at once,
    /// on this thread, when the decision cannot be queued. It must not block.
    pub fn transact_then<R: Send + 'static>(
        &self,
        decide: impl FnOnce(&View<'_>) -> Decision<R> + Send + 'static,
        done: impl FnOnce(Result<Committed<R>, StoreError>) + Send + 'static,
    ) {
        // `done` belongs to the job from here on, which a full queue gives back.
        let refuse = |job: Job, error| job(Err(error))(None);
        let job = decision_job(decide, done);
        match self.line() {
            Err(error) => refuse(job, error),
            Ok(line) => {
                if let Err((job, error)) = line.join(job) {
                    refuse(job, error);
                }
            }
        }
    }

    /// Runs `look` on a snapshot of what is committed. Never waits for a flush.
    pub fn read<R>(&self, look: impl FnOnce(&View<'_>) -> R) -> Result<R, StoreError> {
        self.reading(|connection| {
            let view = View::new(connection, self.0.who.device);
            let result = look(&view);
            view.into_failure().map_or(Ok(result), Err)
        })
    }

    /// The box.
    pub fn device(&self) -> DeviceId {
        self.0.who.device
    }

    /// Its festival.
    pub fn festival(&self) -> FestivalId {
        self.0.who.festival
    }

    /// Notes that the green lights of these entries were seen.
    pub fn confirm(&self, seen: Vec<EntryRef>) -> Result<(), StoreError> {
        self.transact(move |_| Decision::nothing(()).confirming(seen)).map(|_| ())
    }

    /// Tells the store what the wall clock says, Unix ms; stamps never go back, whatever it says.
    pub fn set_wall_ms(&self, now_ms: u64) {
        self.0.wall.set(now_ms);
    }

    /// As [`Self::set_wall_ms`], for whoever has a clock of their own: the time stands until it is told again.
    pub fn hold_wall_ms(&self, now_ms: u64) {
        self.0.wall.hold(now_ms);
    }

    /// What was written since the store was opened.
    pub fn written(&self) -> Written {
        Written {
            commits: self.0.tally.commits.load(Ordering::Relaxed),
            flushes: self.0.tally.flushes.load(Ordering::Relaxed),
        }
    }

    /// Why the store only reads, if it does.
    pub fn degraded(&self) -> Option<Degraded> {
        self.0.condition.damage()
    }

    /// Checks the whole journal, its sums and every page, and whether everything else stands as it was written or
    /// follows from the journal, on a snapshot, while the box works; for the background after a start. Damage of the
    /// journal degrades the store; the rest is put right. Gives the number of entries and what was put right.
    pub fn check_everything(&self) -> Result<(u64, Mended), StoreError> {
        let (entries, due) = self.reading(|connection| {
            let checked =
                check::pages(connection).and_then(|()| check::journal(connection, &self.0.who, check::Depth::All));
            let entries = checked.map(|checked| checked.entries).map_err(|damage| {
                tracing::error!(code = damage.code(), %damage, "the store is damaged: from now on it only reads");
                self.0.condition.set(damage.clone());
                StoreError::Degraded(damage)
            })?;
            Ok((entries, Mended::due(connection, &self.0.path, self.0.who.device)?))
        })?;
        if !due.is_nothing() {
            let due = due.clone();
            self.work(move |writing| writing.whole(|writing| due.mend(writing.connection, writing.who)))?;
        }
        Ok((entries, due))
    }

    /// Folds all projections again from the journal.
    pub fn rebuild_projections(&self) -> Result<(), StoreError> {
        self.work(|writing| writing.whole(|writing| crate::projection::rebuild(writing.connection, writing.who.device)))
    }

    /// Any work on the writer's thread; returns after the flush.
    pub(crate) fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writing<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let job = work_job(work, move |outcome| drop(answer.send(outcome)));
        self.line()?.wait_or_write(job)?;
        answered.recv().unwrap_or(Err(StoreError::Closed))
    }

    /// Any reading on a snapshot.
    pub(crate) fn reading<T>(&self, look: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let pooled = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = pooled.map_or_else(|| database::reader(&self.0.path), Ok)?;
        let snapshot = connection.unchecked_transaction()?;
        let result = look(&snapshot);
        if let Err(StoreError::Corrupt(text)) = &result {
            tracing::error!(text, "the store cannot be read: from now on it only reads");
            self.0.condition.set(Degraded::Database(text.clone()));
        }
        let ended = snapshot.finish();
        if ended.is_ok() {
            let mut readers = self.0.readers.lock().unwrap_or_else(PoisonError::into_inner);
            if readers.len() < READERS {
                readers.push(connection);
            }
        }
        result
    }

    fn line(&self) -> Result<&Line, StoreError> {
        if let Some(damage) = self.0.condition.damage() {
            return Err(StoreError::Degraded(damage));
        }
        self.0.line.as_deref().ok_or(StoreError::Closed)
    }
}
