//! One flush after another: decisions run one after another, and those that arrive during a flush share the next.
//! Invariant: nobody is answered before the flush that holds its commit; after any failure the tail is read again
//! from the tables, so nothing half-done is built upon.
//! Not here: what a decision decides, who flushes (`line`).
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use rusqlite::Connection;

use crate::{
    error::{Degraded, StoreError},
    journal::{At, Identity, Tail},
    projection,
    store::{Committed, Decision},
    view::View,
};

/// Most decisions in one flush, so that the first does not wait for an endless queue.
const GROUP: usize = 64;

/// Tells the one who asked what became of it: `None`, it is on disk.
pub(crate) type Answer = Box<dyn FnOnce(Option<StoreError>) + Send>;
/// One piece of work inside the write transaction.
pub(crate) type Job = Box<dyn FnOnce(Result<&mut Writing<'_>, StoreError>) -> Answer + Send>;

/// What was written since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) commits: AtomicU64,
    pub(crate) flushes: AtomicU64,
}

/// The wall clock: what it said at some instant, advanced by a clock that never jumps, or standing until it is told
/// again.
pub(crate) struct Wall(Mutex<(u64, Option<Instant>)>);

impl Wall {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self(Mutex::new((now_ms, Some(Instant::now()))))
    }

    pub(crate) fn set(&self, now_ms: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (now_ms, Some(Instant::now()));
    }

    pub(crate) fn hold(&self, now_ms: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (now_ms, None);
    }

    pub(crate) fn now_ms(&self) -> u64 {
        let (ms, since) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = since.map_or(0, |since| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
        ms.saturating_add(passed)
    }
}

/// Whether the store was found damaged. Once it was, it stays so until a person has looked.
#[derive(Default)]
pub(crate) struct Condition(Mutex<Option<Degraded>>);

impl Condition {
    pub(crate) fn damage(&self) -> Option<Degraded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps the first damage found.
    pub(crate) fn set(&self, damage: Degraded) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(damage);
    }
}

/// The write transaction as a job sees it.
pub(crate) struct Writing<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) who: &'a Identity,
    pub(crate) tail: &'a mut Tail,
    pub(crate) wall_ms: u64,
    /// Nothing stands in the transaction that may not go with the work at hand.
    is_fresh: bool,
    wrote: bool,
    commits: u64,
    broke: Option<StoreError>,
}

impl Writing<'_> {
    /// Does `work` whole or not at all. The first in a transaction has the transaction for that: within a savepoint SQLite
    /// keeps each page as it was before, in a list that every statement then walks from its start; a large batch of the
    /// hub's state took time with the square of its size.
    pub(crate) fn whole<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let (before, commits) = (*self.tail, self.commits);
        let has_savepoint = !self.is_fresh;
        if has_savepoint {
            self.connection.prepare_cached("SAVEPOINT work")?.execute([])?;
        }
        let done = catch_unwind(AssertUnwindSafe(|| work(self)))
            .unwrap_or_else(|payload| Err(StoreError::panicked(payload.as_ref())));
        if let Err(error) = &done {
            *self.tail = before;
            self.commits = commits;
            if self.connection.is_autocommit() || matches!(error, StoreError::Corrupt(_)) {
                // A failing disk made the database roll back the whole flush, or nothing here can be trusted.
                self.broke = Some(error.clone());
            } else if let Err(again) = self.undo(has_savepoint) {
                self.broke = Some(again);
            }
        } else {
            if has_savepoint {
                self.connection.prepare_cached("RELEASE work")?.execute([])?;
            }
            (self.wrote, self.is_fresh) = (true, false);
        }
        done
    }

    fn undo(&self, has_savepoint: bool) -> Result<(), StoreError> {
        let steps = if has_savepoint { ["ROLLBACK TO work", "RELEASE work"] } else { ["ROLLBACK", "BEGIN IMMEDIATE"] };
        for step in steps {
            self.connection.prepare_cached(step)?.execute([])?;
        }
        Ok(())
    }

    fn decide<R>(&mut self, decide: impl FnOnce(&View<'_>) -> Decision<R>) -> Result<Committed<R>, StoreError> {
        let view = View::new(self.connection, self.who.device);
        let decision = catch_unwind(AssertUnwindSafe(|| decide(&view)))
            .map_err(|payload| StoreError::panicked(payload.as_ref()))?;
        if let Some(failure) = view.into_failure() {
            if matches!(failure, StoreError::Corrupt(_)) {
                self.broke = Some(failure.clone());
            }
            return Err(failure);
        }
        let Decision { entries, result, confirm, request, last_answers } = decision;
        if entries.is_empty() && confirm.is_empty() {
            return Ok(Committed { refs: Vec::new(), result });
        }
        let refs = self.whole(|writing| {
            for seen in confirm.iter().filter(|seen| seen.device == writing.who.device) {
                let at = At { epoch: seen.epoch, seq: seen.seq };
                writing.connection.prepare_cached("DELETE FROM unconfirmed WHERE at = ?1")?.execute([at.sql()])?;
            }
            if entries.is_empty() {
                return Ok(Vec::new());
            }
            writing.commits = writing.commits.saturating_add(1);
            let refs = writing.tail.append(writing.connection, writing.who, entries, writing.wall_ms)?;
            let answer = if last_answers { refs.last() } else { refs.first() };
            if let (Some(request), Some(answer)) = (request, answer) {
                let at = At { epoch: answer.epoch, seq: answer.seq };
                writing
                    .connection
                    .prepare_cached("INSERT INTO answer (request, at) VALUES (?1, ?2) ON CONFLICT (request) DO UPDATE SET at = excluded.at")?
                    .execute(rusqlite::params![&request[..], at.sql()])?;
            }
            Ok(refs)
        })?;
        Ok(Committed { refs, result })
    }
}

/// A decision as a job; `done` hears of it after the flush.
pub(crate) fn decision_job<R: Send + 'static>(
    decide: impl FnOnce(&View<'_>) -> Decision<R> + Send + 'static,
    done: impl FnOnce(Result<Committed<R>, StoreError>) + Send + 'static,
) -> Job {
    work_job(move |writing| writing.decide(decide), done)
}

/// Any work as a job.
pub(crate) fn work_job<T: Send + 'static>(
    work: impl FnOnce(&mut Writing<'_>) -> Result<T, StoreError> + Send + 'static,
    done: impl FnOnce(Result<T, StoreError>) + Send + 'static,
) -> Job {
    Box::new(move |writing| {
        let outcome = writing.and_then(|writing| {
            catch_unwind(AssertUnwindSafe(|| work(writing)))
                .unwrap_or_else(|payload| Err(StoreError::panicked(payload.as_ref())))
        });
        Box::new(move |failure| done(failure.map_or(outcome, Err)))
    })
}

/// The thread's state.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) who: Arc<Identity>,
    pub(crate) wall: Arc<Wall>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) condition: Arc<Condition>,
    /// `None` after a failure: read again before anything is appended.
    pub(crate) tail: Option<Tail>,
}

impl Writer {
    /// One flush: all jobs that `next` gives, at most a group.
    pub(crate) fn turn(&mut self, mut next: impl FnMut() -> Option<Job>) {
        let Some(first) = next() else { return };
        let mut answers = Vec::new();
        let is_fresh = self.tail.is_some();
        let tail = match self.begin() {
            Ok(tail) => tail,
            Err(failure) => {
                answers.push(first(Err(failure.clone())));
                return self.answer(answers, Some(failure));
            }
        };
        let failure = self.group((tail, is_fresh), first, &mut next, &mut answers).err();
        self.answer(answers, failure);
    }

    fn begin(&mut self) -> Result<Tail, StoreError> {
        if let Some(damage) = self.condition.damage() {
            return Err(StoreError::Degraded(damage));
        }
        let tail = self.tail.take();
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        if let Some(tail) = tail {
            return Ok(tail);
        }
        projection::bring_up_to_date(&self.connection, self.who.device)?;
        Tail::read(&self.connection, &self.who)?.ok_or_else(|| StoreError::Corrupt("no genesis".into()))
    }

    fn group(
        &mut self,
        (mut tail, is_fresh): (Tail, bool),
        first: Job,
        queue: &mut impl FnMut() -> Option<Job>,
        answers: &mut Vec<Answer>,
    ) -> Result<(), StoreError> {
        let mut writing = Writing {
            connection: &self.connection,
            who: &self.who,
            tail: &mut tail,
            wall_ms: self.wall.now_ms(),
            is_fresh,
            wrote: false,
            commits: 0,
            broke: None,
        };
        let mut next = Some(first);
        while let Some(job) = next {
            answers.push(job(Ok(&mut writing)));
            if let Some(broke) = writing.broke {
                return Err(broke);
            }
            next = if answers.len() < GROUP { queue() } else { None };
        }
        let (wrote, commits) = (writing.wrote, writing.commits);
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        self.tail = Some(tail);
        if wrote {
            self.tally.commits.fetch_add(commits, Ordering::Relaxed);
            self.tally.flushes.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn answer(&self, answers: Vec<Answer>, failure: Option<StoreError>) {
        if let Some(failure) = &failure {
            tracing::error!(code = failure.code(), %failure, "nothing of this flush was written");
            if !self.connection.is_autocommit()
                && let Err(error) = self.connection.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, "the transaction could not be rolled back");
            }
            if let StoreError::Corrupt(text) = failure {
                self.condition.set(Degraded::Database(text.clone()));
            }
        }
        for answer in answers {
            let failure = failure.clone();
            if catch_unwind(AssertUnwindSafe(|| answer(failure))).is_err() {
                tracing::error!("an answer panicked");
            }
        }
    }
}
