//! Threads that do what a box does by itself, while the evening goes on for as long as a box takes for it.
//! Invariant: what is begun is waited for at a moment of the paused clock: how fast the machine is decides nothing.
//! Not here: what is done (`line`, `place`).
use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::time::Instant;

/// Work that was begun.
pub(crate) struct Work<T> {
    bench: Arc<Bench<T>>,
    pile: Arc<Pile>,
    /// When its result is there, on the paused clock.
    due: Instant,
}

struct Bench<T> {
    done: Mutex<Done<T>>,
    told: Condvar,
}

struct Done<T> {
    is_over: bool,
    result: Option<T>,
}

/// Work whose result another waits for.
pub(crate) trait Ends: Send + Sync {
    /// Waits for its end. Blocks.
    fn ends(&self);
}

impl<T> Bench<T> {
    fn over(&self) -> MutexGuard<'_, Done<T>> {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        self.told.wait_while(done, |done| !done.is_over).unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).is_over
    }

    fn is_done(&self, result: T) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = Done { is_over: true, result: Some(result) };
        self.told.notify_all();
    }
}

impl<T: Send> Ends for Bench<T> {
    fn ends(&self) {
        drop(self.over());
    }
}

impl<T: Send + 'static> Work<T> {
    /// For whoever only has to wait for its end.
    pub(crate) fn end(&self) -> Arc<dyn Ends> {
        Arc::<Bench<T>>::clone(&self.bench)
    }

    /// Waits for its end, lends a hand meanwhile, and gives what came out. Blocks.
    pub(crate) fn result(self) -> Result<T> {
        while !self.bench.is_over()
            && let Some(job) = self.pile.taken()
        {
            (job.work)();
        }
        self.bench.over().result.take().context("it has no result")
    }

    /// As [`Self::result`], when so much of the evening has passed as it takes.
    pub(crate) async fn done(self) -> Result<T> {
        tokio::time::sleep_until(self.due).await;
        self.result()
    }
}

/// What waits for a hand: what is due first goes first, of two the one begun first.
struct Job {
    due: Instant,
    number: u64,
    work: Box<dyn FnOnce() + Send>,
}

impl Ord for Job {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Job {}

#[derive(Default)]
struct Pile {
    waiting: Mutex<(u64, BinaryHeap<Reverse<Job>>)>,
    more: Condvar,
}

impl Pile {
    fn taken(&self) -> Option<Job> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.1.pop().map(|Reverse(job)| job)
    }

    fn next(&self) -> Job {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(Reverse(job)) = waiting.1.pop() {
                return job;
            }
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// See the module.
pub(crate) struct Hands(Arc<Pile>);

impl Hands {
    /// One for each processor beside that of the evening itself, until the program ends.
    pub(crate) fn new() -> Self {
        let pile = Arc::<Pile>::default();
        for _ in 1..thread::available_parallelism().map_or(2, usize::from).max(2) {
            let pile = Arc::clone(&pile);
            thread::spawn(move || {
                loop {
                    (pile.next().work)();
                }
            });
        }
        Self(pile)
    }

    /// Begins what takes so long. What it has borrowed is given back before anybody hears of its end.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        takes: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Work<T> {
        let done = Mutex::new(Done { is_over: false, result: None });
        let bench = Arc::new(Bench { done, told: Condvar::new() });
        let (here, due) = (Arc::clone(&bench), Instant::now() + takes);
        let work = Box::new(move || here.is_done(work()));
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.0 += 1;
        let number = waiting.0;
        waiting.1.push(Reverse(Job { due, number, work }));
        drop(waiting);
        self.0.more.notify_one();
        Work { bench, pile: Arc::clone(&self.0), due }
    }
}
