//! Threads that do what a box does by itself, while the evening goes on for as long as a box takes for it.
//! Invariant: what is begun is waited for at a moment of the paused clock: how fast the machine is decides nothing.
//! Not here: what is done (`line`, `place`).
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

/// Work that was begun.
pub(crate) struct Work<T>(Arc<Bench<T>>);

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
        Arc::<Bench<T>>::clone(&self.0)
    }

    /// Waits for its end and gives what came out. Blocks.
    pub(crate) fn result(self) -> Result<T> {
        self.0.over().result.take().context("it has no result")
    }

    /// As [`Self::result`], when so much of the evening has passed.
    pub(crate) async fn takes(self, time: Duration) -> Result<T> {
        tokio::time::sleep(time).await;
        self.result()
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// See the module.
pub(crate) struct Hands(mpsc::Sender<Job>);

impl Hands {
    /// One for each processor.
    pub(crate) fn new() -> Self {
        let (jobs, taken) = mpsc::channel::<Job>();
        let taken = Arc::new(Mutex::new(taken));
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let taken = Arc::clone(&taken);
            thread::spawn(move || {
                loop {
                    let next = taken.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match next {
                        Ok(job) => job(),
                        Err(mpsc::RecvError) => return,
                    }
                }
            });
        }
        Self(jobs)
    }

    /// Begins it. What it has borrowed is given back before anybody hears of its end.
    pub(crate) fn begin<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Work<T> {
        let done = Mutex::new(Done { is_over: false, result: None });
        let bench = Arc::new(Bench { done, told: Condvar::new() });
        let here = Arc::clone(&bench);
        let job: Job = Box::new(move || here.is_done(work()));
        if let Err(mpsc::SendError(job)) = self.0.send(job) {
            job();
        }
        Work(bench)
    }
}
