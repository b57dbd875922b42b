//! Sessions with boxes: carries out what the session's state machine asks for.
//! Invariant: a session waits for its own store and its own wire only; whatever a box does wrong ends its session alone.
//! Not here: what comes next (`sync::session::hub_side`), QUIC itself (`sync-quic`).
use std::{
    future::pending,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    id::{DeviceId, device_id},
    trust::Certificate,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use sync::{
    Frame, HubAction, HubSide, HubStart, Section,
    frame::{BlobPart, BundlePart, Hello, RefuseCode},
    session::{
        CloseReason, Millis,
        hub_side::{BoxStanding, Standing, Stored},
    },
};
use sync_quic::{HubListener, Link, LinkError, LinkSender};
use tokio::{
    sync::{broadcast::error::RecvError, oneshot, watch},
    time::Instant,
};

use crate::{
    blobs::BlobFolder,
    deltas::feed::{Feeds, Next},
    hub::{Clock, Hub, HubError},
    identity::Identity,
    ingest::VerifiedSegment,
    metrics::Metrics,
    store::{BoxKnowledge, StoredBundle},
    writer::{Event, Gone, Writer},
};

mod away;
mod seats;

use away::SentAway;
use seats::{Seats, Ticket};

/// A box that does not take a frame for so long is gone.
const SEND_WITHIN: Duration = Duration::from_secs(30);
/// What hangs on it has ten seconds and more.
const TICK: Duration = Duration::from_secs(3);

/// What all sessions share.
#[derive(Debug)]
pub struct Sessions {
    inner: Arc<Shared>,
}

struct Shared {
    writer: Writer,
    feeds: Arc<Feeds>,
    identity: Arc<Identity>,
    blobs: BlobFolder,
    metrics: Metrics,
    clock: Clock,
    /// Quotas and waiting times hang on this, whatever is done to the wall clock.
    started: Instant,
    seats: Seats,
    away: SentAway,
    bundle: Mutex<Option<Arc<StoredBundle>>>,
    down: watch::Receiver<bool>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    /// Milliseconds of a clock that never goes back.
    fn now(&self) -> Millis {
        Millis::try_from(self.started.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }
}

impl Sessions {
    /// Sessions on this writer; they say goodbye once `down` holds `true`.
    pub fn new(
        writer: Writer,
        feeds: Arc<Feeds>,
        identity: Arc<Identity>,
        blobs: BlobFolder,
        metrics: Metrics,
        clock: Clock,
        down: watch::Receiver<bool>,
    ) -> Self {
        let shared = Shared {
            writer,
            feeds,
            identity,
            blobs,
            metrics,
            clock,
            started: Instant::now(),
            seats: Seats::default(),
            away: SentAway::default(),
            bundle: Mutex::default(),
            down,
        };
        Self { inner: Arc::new(shared) }
    }

    /// Takes connections until the hub goes down, then waits for the sessions to end.
    pub async fn serve(&self, mut listener: HubListener) {
        let mut down = self.inner.down.clone();
        let mut running = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = is_down(&mut down) => {
                    // by the one line on which sessions hear everything else, in their order
                    self.inner.writer.tell(Event::Down);
                    break;
                }
                _ = running.join_next(), if !running.is_empty() => {}
                link = listener.accept() => match link {
                    Some(link) => drop(running.spawn(session(self.inner.clone(), link))),
                    None => break,
                },
            }
        }
        let _ =
            tokio::time::timeout(Duration::from_secs(3), async { while running.join_next().await.is_some() {} }).await;
        listener.close().await;
    }
}

type Pending = FuturesUnordered<oneshot::Receiver<Option<Stored>>>;

struct Session {
    shared: Arc<Shared>,
    device: DeviceId,
    /// The hub's when it began.
    term: u32,
    side: HubSide,
    wire: LinkSender,
    storing: Pending,
    bundle_held: u64,
    refusal: Option<(u16, String)>,
    came_too_soon: bool,
    /// It proved whose session it is.
    seat: Option<Ticket>,
}

/// Waits until the hub goes down.
pub(crate) async fn is_down(down: &mut watch::Receiver<bool>) {
    let _ = down.wait_for(|down| *down).await;
}

/// What ends a session.
enum End {
    /// The state machine closed it.
    Closed,
    /// The wire is gone.
    Lost,
    /// The box has come anew: whoever is at the other end of this wire has left it, or should not be there.
    Replaced,
}

async fn session(shared: Arc<Shared>, link: Link) {
    // before the term is read: a new one that starts between the two is told
    let mut events = shared.writer.events();
    let (wire, mut frames) = link.split();
    let mut session = Session::new(shared.clone(), wire);
    let device = session.device;
    shared.metrics.sessions(1);
    let mut tick = tokio::time::interval(TICK);
    let end = loop {
        if let Err(end) = session.act().await {
            break end;
        }
        let now = shared.now();
        let seat = session.seat.clone();
        tokio::select! {
            // what the box cannot make come as fast as it likes goes first, so that a flood of frames waits for it
            biased;
            () = replaced(seat.as_ref()) => break End::Replaced,
            stored = next_stored(&mut session.storing) => match stored {
                Some(stored) => session.side.stored(stored),
                None => session.side.not_stored(),
            },
            event = events.recv() => if let Err(end) = session.told(event).await {
                break end;
            },
            _ = tick.tick() => session.side.tick(now),
            frame = frames.next(), if session.storing.is_empty() || !shared.writer.is_full() => match frame {
                Ok(Some(frame)) => {
                    session.is_heard();
                    session.side.frame(frame, now);
                    if !session.keep_quota() {
                        break End::Replaced;
                    }
                }
                Ok(None) => break End::Lost,
                Err(error) => {
                    tracing::debug!(%device, %error, "a box's link broke");
                    // a line that is gone is nobody's fault
                    if matches!(error, LinkError::Frame(_)) {
                        session.side.unreadable("not a frame");
                        let _ = session.act().await;
                    }
                    break End::Lost;
                }
            },
        }
    };
    session.end(end).await;
}

/// Waits until a newer session of the same box has begun.
async fn replaced(seat: Option<&Ticket>) {
    match seat {
        Some(seat) => seat.replaced().await,
        None => pending().await,
    }
}

/// The next answer of the store; waits for ever while nothing is under way.
async fn next_stored(storing: &mut Pending) -> Option<Stored> {
    match storing.next().await {
        Some(answer) => answer.ok().flatten(),
        None => pending().await,
    }
}

impl Session {
    /// With whoever is at the other end of `wire`, before its first frame.
    fn new(shared: Arc<Shared>, wire: LinkSender) -> Self {
        let peer = wire.peer_public_key();
        let (founding, chain) = (shared.identity.founding.clone(), shared.identity.hub.chain.to_bytes());
        let term = shared.feeds.newest().0;
        let mut side = HubSide::new(HubStart { founding, chain, term });
        side.connected(peer, shared.now());
        Self {
            shared,
            device: device_id(&peer),
            term,
            side,
            wire,
            storing: Pending::new(),
            bundle_held: 0,
            refusal: None,
            came_too_soon: false,
            seat: None,
        }
    }

    async fn told(&mut self, event: Result<Event, RecvError>) -> Result<(), End> {
        match event {
            Ok(Event::Published(sections)) => {
                sections.into_iter().for_each(|section| self.side.delta_published(section))
            }
            Ok(Event::Bundle(number)) => self.side.bundle_published(number, self.bundle_held),
            Ok(Event::Revoked(device)) if device == self.device => self.side.revoked(),
            Ok(Event::NewTerm | Event::Down) => self.side.leave(),
            Ok(Event::Revoked(_)) | Err(RecvError::Closed) => {}
            Err(RecvError::Lagged(_)) if *self.shared.down.borrow() => self.side.leave(),
            Err(RecvError::Lagged(_)) => self.look_again().await?,
        }
        Ok(())
    }

    /// Some of what it was told is lost: it looks for itself what may have been among it. Asking once too often costs
    /// nothing.
    async fn look_again(&mut self) -> Result<(), End> {
        let device = self.device;
        let now = self.call(move |hub| Ok((hub.term(), hub.is_revoked(device)?, hub.bundle_number()))).await?;
        let (term, revoked, bundle) = now;
        if term != self.term {
            self.side.leave();
            return Ok(());
        }
        if revoked {
            self.side.revoked();
        }
        self.side.bundle_published(bundle, self.bundle_held);
        Section::ALL.into_iter().for_each(|section| self.side.delta_published(section));
        Ok(())
    }

    /// Does everything that the state machine wants done.
    async fn act(&mut self) -> Result<(), End> {
        while let Some(action) = self.side.next_action() {
            match action {
                HubAction::Send(frame) => self.send(&frame).await?,
                HubAction::LookUpBox { device: _, certificate, further: _, hello } => {
                    self.look_up(certificate, hello).await?
                }
                HubAction::ReadHeads(devices) => self.heads(devices).await?,
                HubAction::StoreSegment { segment, heads } => {
                    let segment = VerifiedSegment::from_session(segment, heads);
                    self.storing.push(self.shared.writer.store(self.device, segment));
                }
                HubAction::ReadDelta { section, term, number, resume } => {
                    self.delta(section, term, number, resume).await?
                }
                HubAction::BoxKnows { held, own } => {
                    tracing::trace!(device = %self.device, section = ?held.section, number = held.number, "knows");
                    if let (Section::Wallets, Some((epoch, next_seq))) = (held.section, own) {
                        let known = BoxKnowledge { term: held.term, number: held.number, epoch, next_seq };
                        self.shared.writer.knows(self.device, known);
                    }
                }
                HubAction::BoxHasBundle(number) => self.bundle_held = self.bundle_held.max(number),
                HubAction::ReadBundlePart { number, offset, max } => {
                    let part = self.bundle_part(number, offset, max).await?;
                    self.side.bundle_read(part);
                }
                HubAction::JudgeEdit(edit) => {
                    let answer = self.call(move |hub| hub.take_edit(&edit)).await?;
                    self.side.edit_judged(Some(answer));
                }
                HubAction::ReadBlobPart { hash, offset, max } => {
                    let folder = self.shared.blobs.clone();
                    let read = tokio::task::spawn_blocking(move || folder.piece(&hash, offset, max));
                    let bytes = read.await.unwrap_or_default();
                    self.side.blob_read(BlobPart { hash, offset, bytes });
                }
                HubAction::NotTaken { device, epoch, why } => {
                    self.shared.metrics.not_taken();
                    let from = self.device;
                    tracing::warn!(%device, epoch, %from, why, "a box brought a neighbour's journal that does not hold");
                }
                HubAction::TooManyBranches { device, epoch: _ } => {
                    let revoke = move |hub: &mut Hub| match hub.is_revoked(device)? {
                        true => Ok(()),
                        false => hub.revoke_device(device, "too many branches"),
                    };
                    self.call(revoke).await?;
                }
                HubAction::Close(reason) => {
                    self.closing(reason).await;
                    return Err(End::Closed);
                }
            }
        }
        Ok(())
    }

    /// Notes that its box was heard: of whoever has not proved to be one nothing is kept.
    fn is_heard(&self) {
        if self.seat.is_some() {
            self.shared.writer.seen(self.device, (self.shared.clock)());
        }
    }

    /// Notes what is left of the box's quota; `false` where a newer session has its seat.
    fn keep_quota(&self) -> bool {
        self.seat.as_ref().is_none_or(|seat| self.shared.seats.keep(seat, self.side.quota()))
    }

    async fn send(&mut self, frame: &Frame) -> Result<(), End> {
        if let Frame::Refuse(refuse) = frame {
            self.refusal = Some((refuse.code, refuse.text.clone()));
        }
        let seat = self.seat.clone();
        tokio::select! {
            biased;
            // nobody may be there any more to take it
            () = replaced(seat.as_ref()) => Err(End::Replaced),
            sent = tokio::time::timeout(SEND_WITHIN, self.wire.send(frame)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(End::Lost),
            },
        }
    }

    async fn call<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Hub) -> Result<T, HubError> + Send + 'static,
    ) -> Result<T, End> {
        match self.shared.writer.call(act).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => {
                tracing::error!(device = %self.device, %error, "a session could not be served");
                Err(End::Lost)
            }
            Err(Gone) => Err(End::Lost),
        }
    }

    async fn look_up(&mut self, certificate: Certificate, hello: Hello) -> Result<(), End> {
        let device = self.device;
        if self.shared.away.is_away(device, self.shared.now()) {
            self.came_too_soon = true;
            self.side.come_later();
            return Ok(());
        }
        self.bundle_held = hello.bundle;
        let (chain, further, sections) = (hello.chain, hello.further, hello.sections);
        let now_s = (self.shared.clock)() / 1000;
        let expired = certificate.valid_until != 0 && certificate.valid_until < now_s;
        let found = self
            .call(move |hub| {
                // what a box is told that the hub holds must be on disk
                hub.as_on_disk()?;
                let mut changed = match hub.adopt(&certificate, &chain) {
                    Err(taken @ HubError::NumbersTaken(_)) => return Ok(Err(taken.to_string())),
                    adopted => adopted?,
                };
                for chain in &further {
                    // Chains for other purposes are no concern of the bundle.
                    changed |= hub.adopt_credit_chain(chain).unwrap_or(false);
                }
                hub.bundle_due |= changed;
                // where it was restored everybody comes again and learns of the new term, this box too
                hub.heard_of_later(device, &sections)?;
                let known = (hub.is_revoked(device)?, hub.journals().vector_of(&[device]), hub.bundle_number());
                Ok(Ok((known, hub.term())))
            })
            .await?;
        let ((revoked, heads, bundle), term) = match found {
            Ok(found) => found,
            Err(why) => {
                self.side.not_adopted(&why);
                return Ok(());
            }
        };
        if term != self.term {
            // nobody is welcomed to a term that is over
            self.side.leave();
            return Ok(());
        }
        let standing = match (revoked, expired) {
            (true, _) => Standing::Revoked,
            (false, true) => Standing::Expired,
            (false, false) => Standing::Good,
        };
        let (seat, quota) = self.shared.seats.take(device);
        self.seat = Some(seat);
        self.is_heard();
        let hub_time_ms = (self.shared.clock)();
        self.side.box_known(BoxStanding { standing, heads, quota, hub_time_ms, bundle, renewal: None });
        Ok(())
    }

    async fn heads(&mut self, devices: Vec<DeviceId>) -> Result<(), End> {
        let found = self
            .call(move |hub| {
                hub.as_on_disk()?;
                let heads = hub.journals().vector_of(&devices);
                let known =
                    devices.iter().filter_map(|device| Some(hub.journals().of_device(*device).next()?.public_key));
                Ok((heads, known.collect::<Vec<_>>()))
            })
            .await?;
        self.side.heads_read(found.0, &found.1);
        Ok(())
    }

    async fn delta(&mut self, section: Section, term: u32, number: u64, resume: Option<(u64, u16)>) -> Result<(), End> {
        let mut next = self.shared.feeds.next(section, term, number, resume);
        let hit = next != Next::MakeSnapshot;
        if next != Next::Nothing {
            self.shared.metrics.delta_read(hit);
        }
        if !hit {
            self.call(move |hub| hub.snapshot(section)).await?;
            next = self.shared.feeds.next(section, term, number, None);
        }
        let delta = match next {
            Next::Part(delta) => Some(delta),
            Next::Nothing | Next::MakeSnapshot => None,
        };
        self.side.delta_read(section, delta);
        Ok(())
    }

    async fn bundle_part(&self, number: u64, offset: u32, max: usize) -> Result<Option<BundlePart>, End> {
        let cached = || self.shared.bundle.lock().unwrap_or_else(PoisonError::into_inner);
        // a number that has passed is told so at once: a thousand new boxes are many bundles, each of them asked for
        let held = cached().clone().filter(|bundle| bundle.number >= number);
        let bundle = match held {
            Some(bundle) => bundle,
            None => {
                let newest = Arc::new(self.call(|hub| hub.current_bundle()).await?);
                *cached() = Some(newest.clone());
                newest
            }
        };
        let Some(from) = usize::try_from(offset).ok().filter(|_| bundle.number == number) else { return Ok(None) };
        let Some(rest) = bundle.bytes.get(from..) else { return Ok(None) };
        let total = u32::try_from(bundle.bytes.len()).unwrap_or(u32::MAX);
        Ok(Some(BundlePart { number, offset, total, bytes: rest[..rest.len().min(max)].to_vec() }))
    }

    async fn closing(&mut self, reason: CloseReason) {
        let CloseReason::Refusing(code) = reason else { return };
        self.shared.metrics.refused(&format!("{code:?}").to_lowercase());
        if self.came_too_soon {
            // said once, when it was sent away
            return;
        }
        // strangers never get so far: what is kept of anybody is kept of boxes of the festival
        let rude = matches!(code, RefuseCode::Poison | RefuseCode::Flood | RefuseCode::Quota | RefuseCode::Frame);
        if self.seat.is_some() && rude {
            self.shared.away.sends(self.device, self.shared.now());
        }
        let text = self.refusal.take().map(|(_, text)| text).unwrap_or_default();
        tracing::warn!(device = %self.device, ?code, %text, "a session was ended");
        if code == RefuseCode::Poison {
            let device = self.device;
            let _ = self.call(move |hub| hub.note_poison(device, &text)).await;
        }
    }

    async fn end(mut self, end: End) {
        self.keep_quota();
        self.side.closed();
        self.shared.metrics.sessions(-1);
        match end {
            End::Closed => self.wire.close().await,
            End::Lost => {}
            End::Replaced => tracing::info!(device = %self.device, "a box came anew; its session before that ended"),
        }
    }
}

#[cfg(test)]
mod tests;
