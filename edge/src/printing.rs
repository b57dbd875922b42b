//! Prints receipts that a screen asks for, on a thread of its own.
//! Invariant: no sale waits for the printer; the queue is bounded; an entry has one original, and what may have been
//! printed before (also in an earlier run of this box) is marked as a duplicate.
//! Not here: what stands on a receipt (`receipt`), the printer (`drivers::printer`).
use std::{
    collections::BTreeSet,
    sync::{
        OnceLock,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use domain::id::EntryRef;
use hardware::printer::{Printer, PrinterError};

use crate::{
    panics::caught,
    receipt::{self, Receipt},
    refusal::NotDone,
    station::Station,
};

/// Receipts that may wait.
const MOST_WAITING: usize = 8;
/// A receipt is tried for this long; by then its guest is gone.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a receipt is begun: one that broke off may have been printed to its end all the same.
const MOST_BEGUN: u32 = 3;
/// Pause before the printer is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How often the thread looks whether the box stops.
const LOOK: Duration = Duration::from_millis(200);
/// Originals remembered; beyond it, and from earlier runs, everything is a duplicate.
const REMEMBERED: usize = 4096;

const AWAY: &str = "printer.away";
const NO_PAPER: &str = "printer.no_paper";
const GIVEN_UP: &str = "printer.given_up";

struct Job {
    receipt: Receipt,
    since: Instant,
}

/// The way to the printer; unset where there is none.
#[derive(Default)]
pub(crate) struct Printing(OnceLock<SyncSender<Job>>);

impl Printing {
    /// Whether there is a printer.
    pub(crate) fn is_there(&self) -> bool {
        self.0.get().is_some()
    }
}

impl Station {
    /// Has the receipt of this entry printed soon.
    pub(crate) fn print_receipt(&self, entry: EntryRef) -> Result<(), NotDone> {
        self.may_handle_money()?;
        let queue = self.printing.0.get().ok_or(NotDone::Code("printer.none"))?;
        let job = Job { receipt: Receipt::of(self, entry)?, since: Instant::now() };
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => NotDone::Code("printer.busy"),
            TrySendError::Disconnected(_) => NotDone::Code("printer.none"),
        })
    }

    /// Opens the way to the printer, once.
    pub(crate) fn has_printer(&self) -> Option<Jobs> {
        let (queue, jobs) = sync_channel(MOST_WAITING);
        self.printing.0.set(queue).ok()?;
        Some(Jobs { jobs, head: self.store.read(|view| view.head()).ok().flatten().map(|head| head.at) })
    }
}

/// What waits for the printer, and where the journal stood when this run began.
pub(crate) struct Jobs {
    jobs: Receiver<Job>,
    head: Option<EntryRef>,
}

/// Which entries have their original.
struct Originals {
    head: Option<EntryRef>,
    printed: BTreeSet<(u32, u32)>,
}

impl Originals {
    /// Something of this entry is about to be printed: whether it is a duplicate.
    fn is_duplicate(&mut self, entry: EntryRef) -> bool {
        let place = (entry.epoch, entry.seq);
        let is_old = self.head.is_some_and(|head| place <= (head.epoch, head.seq));
        let is_full = self.printed.len() >= REMEMBERED;
        is_old || is_full && !self.printed.contains(&place) || !self.printed.insert(place)
    }
}

/// Prints until the box stops.
pub(crate) fn serve(station: &Station, jobs: &Jobs, printer: &mut dyn Printer, columns: usize) {
    let mut originals = Originals { head: jobs.head, printed: BTreeSet::new() };
    while !station.is_stopping() {
        match jobs.jobs.recv_timeout(LOOK) {
            Ok(job) => {
                if caught(|| work(station, &job, &mut originals, printer, columns)).is_err() {
                    station.device_failures.inc();
                    station.alert_while(true, GIVEN_UP);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn work(station: &Station, job: &Job, originals: &mut Originals, printer: &mut dyn Printer, columns: usize) {
    let mut broken_off = 0;
    while !station.is_stopping() {
        let done = printer.is_ready().and_then(|()| {
            let bytes = receipt::bytes(&job.receipt, originals.is_duplicate(job.receipt.entry), columns);
            printer.print(&bytes.map_err(|error| PrinterError::Stopped(error.to_string()))?)
        });
        station.alert_while(matches!(done, Err(PrinterError::Away(_) | PrinterError::Stopped(_))), AWAY);
        station.alert_while(done == Err(PrinterError::NoPaper), NO_PAPER);
        let Err(error) = done else {
            station.is_over(GIVEN_UP);
            return;
        };
        broken_off += u32::from(matches!(error, PrinterError::Stopped(_)));
        if broken_off >= MOST_BEGUN || job.since.elapsed() >= PATIENCE {
            tracing::warn!(%error, "a receipt was not printed");
            station.alert_while(true, GIVEN_UP);
            return;
        }
        thread::sleep(RETRY);
    }
}

#[cfg(test)]
mod tests;
