//! The box among its neighbours on the venue's LAN: claims before a gate decides, commits told and kept.
//! Invariant: without the LAN, or with a wrong one, the box decides as it would alone; "somebody else has it" never becomes
//! "alone".
//! Not here: the rules (`domain::lan`), the rows (`box-store`), what a gate makes of a claim (`gate::claim`).
mod bus;
mod desk;
pub(crate) mod forwarding;
mod neighbours;
mod status;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use domain::{
    id::EntryRef,
    lan::{ClaimKey, Holder},
};
use tokio::sync::{mpsc, watch};

pub(crate) use self::status::{Lan as LanNumbers, Status};
use crate::station::{Station, lock};

/// Longer than any claim takes, disk included; whoever gets no answer by then does not let in.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// Most that a green light waits for a neighbour's disk.
pub(crate) const COPIED_WITHIN: Duration = Duration::from_millis(100);
/// Work that may wait for the desk, messages of the bus aside.
const DESK_QUEUE: usize = 1024;
/// Of these, messages of the bus.
const HEARD_QUEUE: usize = 512;
/// Messages on their way to the bus.
const OUTGOING: usize = 512;

/// What came of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decided {
    /// The group's majority granted it.
    Group(Holder),
    /// Too few answered: this box decides alone. The claim, where one was made.
    Alone(Option<Holder>),
    /// Somebody else has it, or knows more of it than this box did.
    Taken,
}

/// What the desk is asked, told or sent.
enum ToDesk {
    Claim(ClaimKey, Instant, SyncSender<Decided>),
    Concluded(ClaimKey),
    GiveBack(ClaimKey, Holder),
    WaitForCopy(EntryRef, Instant, SyncSender<bool>),
    Heard(Vec<u8>),
    Connected(bool),
    Changed,
    Stop,
}

/// The handle that the rest of the box holds.
#[derive(Default)]
pub(crate) struct Lan {
    desk: Mutex<Option<SyncSender<ToDesk>>>,
    heard: Arc<AtomicUsize>,
    /// The desk has not looked yet since it was told of a change: once told is enough, and leaves the queue to the gate.
    told_of_change: AtomicBool,
    status: Mutex<Status>,
    /// Numbers for people and Prometheus.
    pub numbers: LanNumbers,
}

impl Lan {
    fn send(&self, to_desk: ToDesk) -> bool {
        lock(&self.desk).as_ref().is_some_and(|desk| desk.try_send(to_desk).is_ok())
    }

    /// Whether this box has a group, reached or not.
    pub(crate) fn is_on(&self) -> bool {
        lock(&self.status).group.is_some()
    }

    /// How it stands.
    pub(crate) fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    fn set_status(&self, change: impl FnOnce(&mut Status)) {
        change(&mut lock(&self.status));
    }

    /// Claims before deciding. Blocks for some 50 ms at most, the disk aside.
    pub(crate) fn claim(&self, key: ClaimKey) -> Decided {
        // without a buffer: what is said to nobody any more is known to be unsaid, and given back
        let (answer, answered) = sync_channel(0);
        let (since, is_group) = (Instant::now(), lock(&self.status).is_group);
        let decided = if self.send(ToDesk::Claim(key, since, answer)) {
            answered.recv_timeout(ANSWERED_WITHIN).unwrap_or(Decided::Taken)
        } else {
            Decided::Alone(None)
        };
        self.numbers.claimed(decided, is_group, since.elapsed());
        decided
    }

    /// What was decided on the claim is on disk.
    pub(crate) fn concluded(&self, key: ClaimKey) {
        self.send(ToDesk::Concluded(key));
    }

    /// Nothing was written on the claim, nor will be.
    pub(crate) fn give_back(&self, key: ClaimKey, claim: Holder) {
        self.send(ToDesk::GiveBack(key, claim));
    }

    /// On how many disks this entry stands; where the group asks for two, after waiting a moment for the second.
    pub(crate) fn copies(&self, entry: EntryRef) -> u8 {
        let wants = lock(&self.status).copies;
        if wants < 2 {
            return 1;
        }
        let (answer, answered) = sync_channel(1);
        let sent = self.send(ToDesk::WaitForCopy(entry, Instant::now(), answer));
        let copied = sent && answered.recv_timeout(COPIED_WITHIN.saturating_mul(2)).unwrap_or(false);
        self.numbers.copied(copied);
        if copied { 2 } else { 1 }
    }

    /// Whether that is fewer than the group asks for.
    pub(crate) fn are_too_few(&self, copies: u8) -> bool {
        copies == 1 && lock(&self.status).copies > 1
    }
}

/// What runs for the LAN, to be waited for at the end.
pub(crate) struct Running {
    desk: JoinHandle<()>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Running {
    /// Ends with the box.
    pub(crate) async fn ended(self) -> JoinHandle<()> {
        for task in self.tasks {
            let _ = task.await;
        }
        self.desk
    }
}

/// Starts the box's part on the LAN. Without a group in the bundle nothing is connected.
pub(crate) fn start(station: &Arc<Station>) -> std::io::Result<Running> {
    let (to_desk, from_others) = sync_channel(DESK_QUEUE);
    let (to_bus, outgoing) = mpsc::channel(OUTGOING);
    let (target, targets) = watch::channel(None);
    *lock(&station.lan.desk) = Some(to_desk.clone());
    let at_desk = Arc::clone(station);
    let desk = std::thread::Builder::new()
        .name("lan".into())
        .spawn(move || desk::Desk::new(at_desk, to_bus, target).serve(&from_others))?;
    let heard = bus::Heard { desk: to_desk.clone(), waiting: Arc::clone(&station.lan.heard) };
    let tasks = vec![
        tokio::spawn(bus::keep(Arc::clone(station), targets, outgoing, heard)),
        tokio::spawn(follow(Arc::clone(station), to_desk)),
    ];
    Ok(Running { desk, tasks })
}

/// Tells the desk of changes: a commit to tell, a newer bundle. Ends with the box, and the desk with it.
async fn follow(station: Arc<Station>, desk: SyncSender<ToDesk>) {
    let mut changes = station.follow();
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { break },
            () = station.stopping() => break,
        }
        // one that does not fit is no loss: the desk looks by itself as well
        if !station.lan.told_of_change.swap(true, Ordering::SeqCst) && desk.try_send(ToDesk::Changed).is_err() {
            station.lan.told_of_change.store(false, Ordering::SeqCst);
        }
    }
    lock(&station.lan.desk).take();
    let _ = tokio::task::spawn_blocking(move || desk.send(ToDesk::Stop)).await;
}

/// The running desk of a box that is its group's only voter; ends when dropped.
#[cfg(test)]
pub(crate) struct AloneInItsGroup(Arc<Station>);

#[cfg(test)]
impl AloneInItsGroup {
    /// Starts it, without a bus.
    pub(crate) fn start(station: &Arc<Station>) -> Self {
        let (to_desk, from_gate) = sync_channel(DESK_QUEUE);
        *lock(&station.lan.desk) = Some(to_desk);
        let desk = desk::Desk::alone_in_its_group(station);
        std::thread::spawn(move || desk.serve(&from_gate));
        Self(Arc::clone(station))
    }
}

#[cfg(test)]
impl Drop for AloneInItsGroup {
    fn drop(&mut self) {
        self.0.lan.send(ToDesk::Stop);
    }
}

/// A message of the bus waits no more.
fn taken_from_queue(waiting: &AtomicUsize) {
    waiting.fetch_sub(1, Ordering::Relaxed);
}
