//! The line in front of the writer: whoever waits for an answer and finds nobody writing writes himself.
//! Invariant: one at a time holds the writer; jobs run in the order in which they came, and none is left waiting while
//! nobody writes.
//! Not here: what a flush is (`writer`).
use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use crate::{
    error::StoreError,
    store::QUEUE,
    writer::{Job, Writer},
};

/// The line and the writer behind it.
pub(crate) struct Line {
    waiting: Mutex<Waiting>,
    /// Somebody should write, or the line is closed.
    arrived: Condvar,
    /// There is room again.
    room: Condvar,
    writer: Mutex<Writer>,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    writing: bool,
    closed: bool,
}

impl Line {
    pub(crate) fn new(writer: Writer) -> Self {
        let (arrived, room) = (Condvar::new(), Condvar::new());
        Self { waiting: Mutex::default(), arrived, room, writer: Mutex::new(writer) }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the line, waiting for room; writes on this thread if nobody else does. To switch to a thread and back
    /// costs as much as the rest of a commit without its flush.
    pub(crate) fn wait_or_write(&self, job: Job) -> Result<(), StoreError> {
        let mut waiting = self.waiting();
        while waiting.jobs.len() >= QUEUE && !waiting.closed {
            waiting = self.room.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        waiting.jobs.push_back(job);
        if !waiting.writing {
            self.write(waiting);
        }
        Ok(())
    }

    /// Joins the line for the writer's thread; gives the job back where there is no room.
    pub(crate) fn join(&self, job: Job) -> Result<(), (Job, StoreError)> {
        let mut waiting = self.waiting();
        if waiting.closed {
            return Err((job, StoreError::Closed));
        }
        if waiting.jobs.len() >= QUEUE {
            return Err((job, StoreError::Busy(QUEUE)));
        }
        waiting.jobs.push_back(job);
        if !waiting.writing {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// The writer's thread: writes what nobody waits for, until the line is closed and empty.
    pub(crate) fn serve(&self) {
        loop {
            let mut waiting = self.waiting();
            while waiting.writing || waiting.jobs.is_empty() {
                if waiting.closed && !waiting.writing {
                    return;
                }
                waiting = self.arrived.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            self.write(waiting);
        }
    }

    /// Nobody may join any more; who waits is still served.
    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.arrived.notify_all();
        self.room.notify_all();
    }

    /// One flush, with all that arrive before it.
    fn write(&self, mut waiting: MutexGuard<'_, Waiting>) {
        waiting.writing = true;
        drop(waiting);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.turn(|| {
            let next = self.waiting().jobs.pop_front();
            if next.is_some() {
                self.room.notify_one();
            }
            next
        });
        drop(writer);
        let mut waiting = self.waiting();
        waiting.writing = false;
        if !waiting.jobs.is_empty() || waiting.closed {
            self.arrived.notify_one();
        }
    }
}
