//! The one that writes: it takes segments from the fair queue in large transactions, runs the operator's acts between
//! them, and publishes what changed; on a thread of its own, or in turn with everything else on a runtime.
//! Invariant: an answer leaves only after the commit; on the way down the transaction at hand is finished; what changed
//! for the sessions is told after each round, whoever changed it.
//! Not here: what is written (`Hub`).
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use domain::id::DeviceId;
use sync::{Section, session::hub_side::Stored};
use thiserror::Error;
use tokio::{
    sync::{Notify, broadcast, oneshot},
    time::Instant,
};

use crate::{
    hub::{Hub, HubError},
    ingest::{VerifiedSegment, queue::FairQueue},
    metrics::Metrics,
    store::BoxKnowledge,
};

/// With more entries waiting than this, boxes that have some among them are not listened to: what they send next waits
/// packed, and at the end with them.
const FULL: usize = 100_000;
/// Most entries in one transaction.
const TRANSACTION_ENTRIES: usize = 20_000;
/// While so many boxes wait with entries, changes are gathered for longer: each batch goes to everybody, and the next
/// would say most of it again. One box that floods does not make a crowd.
const CROWD: usize = 12;
const DELTA_IN_A_CROWD: Duration = Duration::from_secs(5);
/// Most acts between two transactions.
const ACTS: usize = 64;
/// Heads are confirmed, and what was heard of boxes is noted, so often.
const COUNTERSIGN_EVERY: Duration = Duration::from_secs(60);
const SEEN_EVERY: Duration = Duration::from_secs(2);
/// While somebody waits with a band at a reader, changes are published so often, or more often where it is set so.
const URGENT_EVERY: Duration = Duration::from_millis(20);
/// What waits longer than this to be done, or takes longer, makes the writer busy.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// A bundle for boxes that were adopted is signed at most so often: each goes to everybody.
const BUNDLE_EVERY: Duration = Duration::from_secs(2);

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
    /// The hub goes down: sessions say goodbye.
    Down,
}

/// The hub is going down, or could not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the hub is going down")]
pub struct Gone;

/// How the writer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does what it is asked.
    Well,
    /// So it does, but for what its disk refuses, by this reason code.
    Trouble(&'static str),
    /// Whoever asks waits.
    Busy,
    /// It takes nothing any more.
    Down,
}

struct Queued {
    segment: VerifiedSegment,
    reply: oneshot::Sender<Option<Stored>>,
}

#[derive(Default)]
struct Waiting {
    acts: VecDeque<(Instant, Act)>,
    segments: FairQueue<Queued>,
    seen: BTreeMap<DeviceId, u64>,
    known: BTreeMap<DeviceId, BoxKnowledge>,
    closing: bool,
    /// What is wrong with the disk, by the last act or round.
    trouble: Option<&'static str>,
    /// Since when a round is under way.
    at_work: Option<Instant>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    more: Condvar,
    bell: Notify,
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

    /// There is something to do, whoever does it.
    fn ring(&self) {
        self.more.notify_one();
        self.bell.notify_one();
    }
}

impl Waiting {
    fn is_idle(&self) -> bool {
        self.acts.is_empty() && self.segments.is_empty() && !self.closing
    }

    /// What the next round does, and whether it is the last.
    fn take(&mut self) -> (Vec<Act>, Vec<Queued>, bool) {
        self.at_work = Some(Instant::now());
        let count = self.acts.len().min(ACTS);
        let acts = self.acts.drain(..count).map(|(_, act)| act).collect();
        let segments = self.segments.take(TRANSACTION_ENTRIES);
        let closing = self.closing && self.acts.is_empty() && self.segments.is_empty();
        (acts, segments, closing)
    }
}

impl Writer {
    /// Starts the writer's thread. It ends after [`Self::close`].
    pub fn start(hub: Hub, delta_every: Duration, metrics: Metrics) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (writer, rounds) = Self::with(hub, delta_every, metrics);
        let thread = std::thread::Builder::new().name("writer".into()).spawn(move || on_a_thread(rounds))?;
        Ok((writer, thread))
    }

    /// A writer that is driven by the future beside it, by the runtime's clock, whatever that is. It blocks the
    /// runtime for as long as a transaction takes.
    pub fn in_turn(hub: Hub, delta_every: Duration, metrics: Metrics) -> (Self, impl Future<Output = ()> + Send) {
        let (writer, rounds) = Self::with(hub, delta_every, metrics);
        (writer, on_a_runtime(rounds))
    }

    fn with(hub: Hub, delta_every: Duration, metrics: Metrics) -> (Self, Rounds) {
        let (events, _) = broadcast::channel(256);
        let waiting = Mutex::new(Waiting { trouble: hub.store().trouble(), ..Waiting::default() });
        let (more, bell) = (Condvar::new(), Notify::new());
        let shared = Arc::new(Shared { waiting, more, bell, events, metrics });
        let now = Instant::now();
        let (published, countersigned, noted, bundled) = (now, now, now, None);
        let (shared_with, told) = (shared.clone(), Told::of(&hub));
        let rounds = Rounds { hub, shared: shared_with, delta_every, published, countersigned, noted, bundled, told };
        (Self { shared }, rounds)
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
        self.shared.ring();
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
            let shared = Arc::clone(&self.shared);
            let act: Act = Box::new(move |hub| {
                let done = act(hub);
                // known before the answer is
                shared.lock().trouble = hub.store().trouble();
                let _ = reply.send(done);
            });
            waiting.acts.push_back((Instant::now(), act));
        }
        self.shared.ring();
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

    /// Whether so many entries wait that nobody's next ones are wanted.
    pub fn is_full(&self) -> bool {
        self.shared.lock().segments.entries() > FULL
    }

    /// How many entries wait.
    pub fn backlog(&self) -> usize {
        self.shared.lock().segments.entries()
    }

    /// How it is, as far as can be told without asking it: nobody's question waits in its queue.
    pub fn health(&self) -> Health {
        let waiting = self.shared.lock();
        let since = [waiting.at_work, waiting.acts.front().map(|(asked, _)| *asked)];
        if waiting.closing {
            Health::Down
        } else if since.into_iter().flatten().any(|since| since.elapsed() > ANSWERS_WITHIN) {
            Health::Busy
        } else {
            waiting.trouble.map_or(Health::Well, Health::Trouble)
        }
    }

    /// Finishes what is queued and ends the thread.
    pub fn close(&self) {
        self.shared.lock().closing = true;
        self.shared.ring();
    }
}

/// What is done again and again, and when it was done last.
struct Rounds {
    hub: Hub,
    shared: Arc<Shared>,
    delta_every: Duration,
    published: Instant,
    countersigned: Instant,
    noted: Instant,
    bundled: Option<Instant>,
    told: Told,
}

/// What sessions were told last.
struct Told {
    term: u32,
    bundle: u64,
    cut_off: BTreeSet<DeviceId>,
    numbers: BTreeMap<Section, u64>,
}

impl Told {
    fn of(hub: &Hub) -> Self {
        let (cut_off, numbers) = (hub.cut_off.clone(), hub.numbers.clone());
        Self { term: hub.term(), bundle: hub.bundle_number(), cut_off, numbers }
    }
}

impl Rounds {
    /// How long nothing is due.
    fn rest(&self) -> Duration {
        let mut rest = self.publishes_every().saturating_sub(self.published.elapsed());
        if let (true, Some(bundled)) = (self.hub.bundle_due, self.bundled) {
            rest = rest.min(BUNDLE_EVERY.saturating_sub(bundled.elapsed()));
        }
        rest.max(Duration::from_millis(5))
    }

    /// Signs a bundle for boxes that were adopted since the last one.
    fn bundle(&mut self) {
        if self.hub.bundle_due && self.bundled.is_none_or(|last| last.elapsed() >= BUNDLE_EVERY) {
            (self.hub.bundle_due, self.bundled) = (false, Some(Instant::now()));
            if let Err(error) = self.hub.current_bundle() {
                tracing::error!(%error, "a bundle with the boxes that came could not be made");
            }
        }
    }

    /// Tells what has changed since it was told last, whoever changed it: an act that failed behind its commit, or whose
    /// asker went away, has changed it all the same.
    fn announce(&mut self) {
        let Self { hub, shared, told, .. } = self;
        let tell = |event| drop(shared.events.send(event));
        if told.term != hub.term() {
            told.term = hub.term();
            tell(Event::NewTerm);
        }
        if told.cut_off != hub.cut_off {
            hub.cut_off.difference(&told.cut_off).for_each(|device| tell(Event::Revoked(*device)));
            told.cut_off.clone_from(&hub.cut_off);
        }
        if told.bundle != hub.bundle_number() {
            told.bundle = hub.bundle_number();
            tell(Event::Bundle(told.bundle));
        }
        let new = hub.numbers.iter().filter(|(section, number)| told.numbers.get(section) != Some(number));
        let new: Vec<Section> = new.map(|(section, _)| *section).collect();
        if !new.is_empty() {
            told.numbers.clone_from(&hub.numbers);
            tell(Event::Published(new));
        }
    }

    fn publishes_every(&self) -> Duration {
        if self.shared.lock().segments.senders() >= CROWD {
            return self.delta_every.max(DELTA_IN_A_CROWD);
        }
        if self.hub.is_urgent() { self.delta_every.min(URGENT_EVERY) } else { self.delta_every }
    }

    /// One round; `false` after the last.
    fn round(&mut self, (acts, segments, closing): (Vec<Act>, Vec<Queued>, bool)) -> bool {
        for act in acts {
            act(&mut self.hub);
        }
        self.bundle();
        // who is revoked does not wait until everything that came with it is stored
        self.announce();
        let publishes_every = self.publishes_every();
        let Self { hub, shared, .. } = self;
        if !segments.is_empty() {
            store(hub, shared, segments);
        }
        if self.noted.elapsed() >= SEEN_EVERY || closing {
            let seen: Vec<(DeviceId, u64)> = std::mem::take(&mut shared.lock().seen).into_iter().collect();
            hub.zones_heard(&seen);
            logged(hub.note_seen(&seen), "boxes' times could not be noted");
            let known: Vec<(DeviceId, BoxKnowledge)> = std::mem::take(&mut shared.lock().known).into_iter().collect();
            logged(hub.note_knowledge(&known), "what boxes know could not be noted");
            self.noted = Instant::now();
        }
        if self.countersigned.elapsed() >= COUNTERSIGN_EVERY || closing {
            logged(hub.countersign(closing), "heads could not be countersigned");
            self.countersigned = Instant::now();
        }
        if self.published.elapsed() >= publishes_every || closing {
            let heard: Vec<(DeviceId, u64)> = shared.lock().seen.iter().map(|(device, at)| (*device, *at)).collect();
            hub.zones_heard(&heard);
            publish(hub, shared);
            self.published = Instant::now();
            self.announce();
        }
        let mut waiting = self.shared.lock();
        (waiting.at_work, waiting.trouble) = (None, self.hub.store().trouble());
        !closing
    }
}

fn on_a_thread(mut rounds: Rounds) {
    loop {
        let rest = rounds.rest();
        let shared = Arc::clone(&rounds.shared);
        let mut waiting = shared.lock();
        if waiting.is_idle() {
            waiting = shared.more.wait_timeout(waiting, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        let next = waiting.take();
        drop(waiting);
        if !rounds.round(next) {
            return;
        }
    }
}

async fn on_a_runtime(mut rounds: Rounds) {
    loop {
        let rest = rounds.rest();
        if rounds.shared.lock().is_idle() {
            // what rings meanwhile is heard: a bell that rang while nobody waited rings at once
            let _ = tokio::time::timeout(rest, rounds.shared.bell.notified()).await;
        }
        let next = rounds.shared.lock().take();
        if !rounds.round(next) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

fn store(hub: &mut Hub, shared: &Shared, queued: Vec<Queued>) {
    let started = std::time::Instant::now();
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
    let started = std::time::Instant::now();
    match hub.publish() {
        Ok(sections) if sections.is_empty() => {}
        Ok(sections) => shared.metrics.published(&sections, started.elapsed()),
        Err(error) => tracing::error!(%error, "changes could not be published"),
    }
}

fn logged<T>(done: Result<T, HubError>, what: &'static str) {
    if let Err(error) = done {
        tracing::error!(%error, what);
    }
}
