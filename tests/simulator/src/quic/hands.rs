//! Threads that write what boxes were told, while the evening goes on for as long as a box takes to write it.
//! Invariant: one batch of a box is written at a time, and whoever else needs that box's store waits for it: how fast the
//! machine is decides nothing.
//! Not here: what is written (`line`), who waits (`place`).
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use box_store::{DeltaOutcome, Store, StoreError};
use sync::SignedDelta;

type Outcome = Result<DeltaOutcome, StoreError>;

/// A batch that is being written, or was.
#[derive(Default)]
pub(crate) struct Batch {
    outcome: Mutex<Option<Outcome>>,
    written: Condvar,
}

impl Batch {
    fn outcome(&self) -> MutexGuard<'_, Option<Outcome>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_written(&self, outcome: Outcome) {
        *self.outcome() = Some(outcome);
        self.written.notify_all();
    }

    /// What became of it. Blocks.
    pub(crate) fn wait(&self) -> Outcome {
        let mut outcome = self.outcome();
        loop {
            if let Some(outcome) = &*outcome {
                return outcome.clone();
            }
            outcome = self.written.wait(outcome).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

type Job = (Store, SignedDelta, Arc<Batch>);

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
                    let Ok((store, part, batch)) = next else { return };
                    let outcome = store.apply_delta(vec![part]);
                    // whoever waits may open it anew
                    drop(store);
                    batch.is_written(outcome);
                }
            });
        }
        Self(jobs)
    }

    /// Writes a part of a batch.
    pub(crate) fn write(&self, store: Store, part: SignedDelta) -> Arc<Batch> {
        let batch = Arc::new(Batch::default());
        if let Err(mpsc::SendError((store, part, batch))) = self.0.send((store, part, Arc::clone(&batch))) {
            batch.is_written(store.apply_delta(vec![part]));
        }
        batch
    }
}
