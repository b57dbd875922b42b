//! The one thread that writes: it takes segments from the fair queue in large transactions, runs the operator's acts
//! between them, and publishes what changed.
//! Invariant: an answer leaves only after the commit; on the way down the transaction at hand is finished.
//! Not here: what is written (`Hub`).
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use domain::id::DeviceId;
use sync::{Section, session::hub_side::Stored};
use thiserror::Error;
use tokio::sync::{broadcast, oneshot};

use crate::{
    hub::{Hub, HubError},
    ingest::{VerifiedSegment, queue::FairQueue},
    metrics::Metrics,
    store::BoxKnowledge,
};

/// Most entries in one transaction.
const TRANSACTION_ENTRIES: usize = 20_000;
/// Most acts between two transactions.
const ACTS: usize = 64;
/// Heads are confirmed, and what was heard of boxes is noted, so often.
const COUNTERSIGN_EVERY: Duration = Duration::from_secs(60);
const SEEN_EVERY: Duration = Duration::from_secs(2);
/// While somebody waits with a band at a reader, changes are published so often, or more often where it is set so.
const URGENT_EVERY: Duration = Duration::from_millis(20);

type Act = Box<dyn FnOnce(&mut Hub) + Send>;

/// What sessions and the console are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// These sections have a new batch.
    Published(Vec<Section>),
    /// There is a new bundle.
    Bundle(u64),
    /// This box was revoked.
    Revoked(DeviceId),
    /// The database is in a new term: sessions start anew.
    NewTerm,
}

/// The hub is going down, or could not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the hub is going down")]
pub struct Gone;

struct Queued {
    segment: VerifiedSegment,
    reply: oneshot::Sender<Option<Stored>>,
}

#[derive(Default)]
struct Waiting {
    acts: VecDeque<Act>,
    segments: FairQueue<Queued>,
    seen: BTreeMap<DeviceId, u64>,
    known: BTreeMap<DeviceId, BoxKnowledge>,
    closing: bool,
}

struct Shared {
    waiting: Mutex<Waiting>,
    more: Condvar,
    events: broadcast::Sender<Event>,
    metrics: Metrics,
}

/// How everybody else reaches the writer.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Starts the writer's thread. It ends after [`Self::close`].
    pub fn start(hub: Hub, delta_every: Duration, metrics: Metrics) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (events, _) = broadcast::channel(256);
        let shared = Arc::new(Shared { waiting: Mutex::default(), more: Condvar::new(), events, metrics });
        let writer = Self { shared: shared.clone() };
        let thread = std::thread::Builder::new().name("writer".into()).spawn(move || run(hub, &shared, delta_every))?;
        Ok((writer, thread))
    }

    /// Hands a segment in; the answer comes after the commit, `None` where it could not be stored.
    pub fn store(&self, sender: DeviceId, segment: VerifiedSegment) -> oneshot::Receiver<Option<Stored>> {
        let (reply, answer) = oneshot::channel();
        let weight = segment.segment().bodies.len();
        let mut waiting = self.shared.lock();
        if !waiting.closing {
            // Where the line is full the reply is dropped, which reads as "could not be stored".
            let _ = waiting.segments.push(sender, weight, Queued { segment, reply });
        }
        drop(waiting);
        self.shared.more.notify_one();
        answer
    }

    /// Runs `act` on the writer's thread and waits for what it gives.
    pub async fn call<T: Send + 'static>(&self, act: impl FnOnce(&mut Hub) -> T + Send + 'static) -> Result<T, Gone> {
        let (reply, answer) = oneshot::channel();
        {
            let mut waiting = self.shared.lock();
            if waiting.closing {
                return Err(Gone);
            }
            waiting.acts.push_back(Box::new(move |hub| {
                let _ = reply.send(act(hub));
            }));
        }
        self.shared.more.notify_one();
        answer.await.map_err(|_| Gone)
    }

    /// Notes that a box was heard; written now and then.
    pub fn seen(&self, device: DeviceId, at_ms: u64) {
        self.shared.lock().seen.insert(device, at_ms);
    }

    /// Notes what a box said that it knows; written now and then.
    pub fn knows(&self, device: DeviceId, known: BoxKnowledge) {
        self.shared.lock().known.insert(device, known);
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// Tells sessions and console.
    pub fn tell(&self, event: Event) {
        let _ = self.shared.events.send(event);
    }

    /// How many entries wait.
    pub fn backlog(&self) -> usize {
        self.shared.lock().segments.entries()
    }

    /// Whether the thread takes anything.
    pub fn is_running(&self) -> bool {
        !self.shared.lock().closing
    }

    /// Finishes what is queued and ends the thread.
    pub fn close(&self) {
        self.shared.lock().closing = true;
        self.shared.more.notify_one();
    }
}

fn run(mut hub: Hub, shared: &Shared, delta_every: Duration) {
    let mut published = Instant::now();
    let (mut countersigned, mut noted) = (Instant::now(), Instant::now());
    loop {
        let every = if hub.is_urgent() { delta_every.min(URGENT_EVERY) } else { delta_every };
        let wait = every.saturating_sub(published.elapsed()).max(Duration::from_millis(5));
        let (acts, segments, closing) = next(shared, wait);
        for act in acts {
            act(&mut hub);
        }
        if !segments.is_empty() {
            store(&mut hub, shared, segments);
        }
        if noted.elapsed() >= SEEN_EVERY || closing {
            let seen: Vec<(DeviceId, u64)> = std::mem::take(&mut shared.lock().seen).into_iter().collect();
            hub.zones_heard(&seen);
            logged(hub.note_seen(&seen), "boxes' times could not be noted");
            let known: Vec<(DeviceId, BoxKnowledge)> = std::mem::take(&mut shared.lock().known).into_iter().collect();
            logged(hub.note_knowledge(&known), "what boxes know could not be noted");
            noted = Instant::now();
        }
        if countersigned.elapsed() >= COUNTERSIGN_EVERY || closing {
            logged(hub.countersign(closing), "heads could not be countersigned");
            countersigned = Instant::now();
        }
        let every = if hub.is_urgent() { delta_every.min(URGENT_EVERY) } else { delta_every };
        if published.elapsed() >= every || closing {
            let heard: Vec<(DeviceId, u64)> = shared.lock().seen.iter().map(|(device, at)| (*device, *at)).collect();
            hub.zones_heard(&heard);
            publish(&mut hub, shared);
            published = Instant::now();
        }
        if closing {
            return;
        }
    }
}

fn next(shared: &Shared, wait: Duration) -> (Vec<Act>, Vec<Queued>, bool) {
    let mut waiting = shared.lock();
    if waiting.acts.is_empty() && waiting.segments.is_empty() && !waiting.closing {
        waiting = shared.more.wait_timeout(waiting, wait).unwrap_or_else(PoisonError::into_inner).0;
    }
    let count = waiting.acts.len().min(ACTS);
    let acts = waiting.acts.drain(..count).collect();
    let segments = waiting.segments.take(TRANSACTION_ENTRIES);
    let closing = waiting.closing && waiting.acts.is_empty() && waiting.segments.is_empty();
    (acts, segments, closing)
}

fn store(hub: &mut Hub, shared: &Shared, queued: Vec<Queued>) {
    let started = Instant::now();
    let (segments, replies): (Vec<_>, Vec<_>) = queued.into_iter().map(|queued| (queued.segment, queued.reply)).unzip();
    let entries: usize = segments.iter().map(|segment| segment.segment().bodies.len()).sum();
    let stored = hub.ingest(&segments);
    shared.metrics.ingested(entries, segments.len(), started.elapsed(), stored.is_ok());
    match stored {
        Ok(stored) => {
            for (reply, stored) in replies.into_iter().zip(stored) {
                let _ = reply.send(Some(stored));
            }
        }
        Err(error) => {
            tracing::error!(%error, "segments could not be stored");
            for reply in replies {
                let _ = reply.send(None);
            }
        }
    }
}

fn publish(hub: &mut Hub, shared: &Shared) {
    let started = Instant::now();
    match hub.publish() {
        Ok(sections) if sections.is_empty() => {}
        Ok(sections) => {
            shared.metrics.published(&sections, started.elapsed());
            let _ = shared.events.send(Event::Published(sections));
        }
        Err(error) => tracing::error!(%error, "changes could not be published"),
    }
}

fn logged<T>(done: Result<T, HubError>, what: &'static str) {
    if let Err(error) = done {
        tracing::error!(%error, what);
    }
}
