//! Boxes without disks or screens, each with a real session over a socket of its own, all at once.
//! Invariant: what a box sends and believes is what `sync`'s session says; here only its actions are carried out.
//! Not here: what is measured (`stages`), boxes that lie (`liars`).
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use domain::{
    bundle::Bundle,
    id::{TicketUid, WalletId},
    ledger::{TicketState, WalletState, digest},
    trust::Founding,
    wire::hex,
};
use sync::{
    BoxAction, BoxSide, BoxStart, Delta, Frame, Section, SignedDelta, VersionVector,
    frame::{HaveDelta, SectionHeld},
};
use sync_quic::{Backoff, Link};
use tokio::{sync::watch, time::Instant};

use super::journals::Journal;

const SECTIONS: [Section; 6] =
    [Section::Wallets, Section::Tickets, Section::Revocations, Section::Documents, Section::Zones, Section::Credits];
const TICK: Duration = Duration::from_millis(500);

/// What everybody is told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// Where the hub is; `None`: everybody is away.
    pub hub: Option<SocketAddr>,
    /// How many segments each box has written.
    pub segments: usize,
}

/// What all boxes together have done.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Entries that the hub acknowledged.
    pub acked: AtomicU64,
    /// Entries sent.
    pub sent: AtomicU64,
    /// Entries sent although the hub had acknowledged them to that box.
    pub resent: AtomicU64,
    /// Sessions.
    pub sessions: AtomicU64,
    /// Boxes that have a connection.
    pub online: AtomicU64,
    /// Bytes of state that came down.
    pub down: AtomicU64,
    /// Times that a box was refused.
    pub refused: AtomicU64,
}

/// One box.
pub(super) struct Member {
    journal: Journal,
    acked: AtomicU32,
    wallets: AtomicU64,
    tickets: AtomicU64,
    /// Everything that it was told, where it keeps that.
    witness: Option<Mutex<Witness>>,
}

#[derive(Default)]
struct Witness {
    wallets: BTreeMap<WalletId, WalletState>,
    tickets: BTreeMap<TicketUid, TicketState>,
}

/// All of them.
pub(super) struct Crowd {
    /// The boxes.
    pub members: Vec<Member>,
    /// What they have done.
    pub tally: Tally,
    founding: Founding,
    bundle: Bundle,
    told: watch::Sender<Told>,
}

/// Boxes that keep what they are told.
const WITNESSES: usize = 3;

impl Crowd {
    /// Boxes with these journals, that hold this bundle.
    pub(super) fn new(journals: Vec<Journal>, founding: Founding, bundle: Bundle) -> Arc<Self> {
        let member = |(n, journal)| Member {
            journal,
            acked: AtomicU32::new(0),
            wallets: AtomicU64::new(0),
            tickets: AtomicU64::new(0),
            witness: (n < WITNESSES).then(Mutex::default),
        };
        let members = journals.into_iter().enumerate().map(member).collect();
        let (told, _) = watch::channel(Told::default());
        Arc::new(Self { members, tally: Tally::default(), founding, bundle, told })
    }

    /// Tells everybody.
    pub(super) fn tell(&self, change: impl FnOnce(&mut Told)) {
        self.told.send_modify(change);
    }

    /// What everybody is told, for whoever comes beside them.
    pub(super) fn listen(&self) -> watch::Receiver<Told> {
        self.told.subscribe()
    }

    /// How many are in a session.
    pub(super) fn online(&self) -> u64 {
        self.tally.online.load(Ordering::Relaxed)
    }

    /// Starts them all; they go on until their tasks are dropped.
    pub(super) fn start(self: &Arc<Self>) -> tokio::task::JoinSet<Result<()>> {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..self.members.len() {
            let crowd = Arc::clone(self);
            tasks.spawn(async move { crowd.live(n).await.with_context(|| format!("box {n}")) });
        }
        tasks
    }

    /// Whether the hub has acknowledged everything that everybody has written.
    pub(super) fn all_acked(&self) -> bool {
        let written = self.told.borrow().segments;
        self.members.iter().all(|member| {
            let end = member.journal.segments.get(written.wrapping_sub(1)).map_or(0, |last| last.last() + 1);
            member.acked.load(Ordering::Relaxed) >= end
        })
    }

    /// How many boxes have heard of these batches.
    pub(super) fn know(&self, wallets: u64, tickets: u64) -> usize {
        let knows = |member: &&Member| {
            member.wallets.load(Ordering::Relaxed) >= wallets && member.tickets.load(Ordering::Relaxed) >= tickets
        };
        self.members.iter().filter(knows).count()
    }

    /// What the witnesses believe.
    pub(super) fn beliefs(&self) -> Vec<String> {
        let witnesses = self.members.iter().filter_map(|member| member.witness.as_ref());
        witnesses
            .map(|witness| {
                let witness = witness.lock().unwrap_or_else(PoisonError::into_inner);
                hex(&digest(witness.wallets.values(), witness.tickets.values()))
            })
            .collect()
    }

    async fn live(&self, n: usize) -> Result<()> {
        let member = &self.members[n];
        let journal = &member.journal;
        let held = SECTIONS.iter().map(|section| SectionHeld { section: *section, term: 0, number: 0 });
        let mut side = BoxSide::new(BoxStart {
            founding: self.founding.clone(),
            public_key: journal.key.verifying_key().to_bytes(),
            chain: journal.chain.to_bytes(),
            epoch: 0,
            roles: journal.roles,
            software: "measure".into(),
            held: VersionVector::default(),
            acked: Vec::new(),
            sections: held.collect(),
            bundle: self.bundle.body.number,
            bundle_keys: vec![self.bundle.signer],
        });
        let (mut told, mut backoff, started) = (self.told.subscribe(), Backoff::default(), Instant::now());
        loop {
            let hub = told.wait_for(|told| told.hub.is_some()).await?.hub.context("an address")?;
            let began = Instant::now();
            let ended = self.session(member, &mut side, &mut told, hub, started).await;
            side.closed();
            if let Err(Ended::Broken(error)) = ended {
                return Err(error);
            }
            if began.elapsed() > Duration::from_secs(10) {
                backoff = Backoff::default();
            }
            let mut random = [0; 4];
            let _ = getrandom::fill(&mut random);
            tokio::time::sleep(backoff.next(u32::from_le_bytes(random))).await;
        }
    }

    async fn session(
        &self,
        member: &Member,
        side: &mut BoxSide,
        told: &mut watch::Receiver<Told>,
        hub: SocketAddr,
        started: Instant,
    ) -> Result<(), Ended> {
        let now = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut link = sync_quic::connect(hub, &member.journal.key).await?;
        let _here = Here::new(&self.tally.online);
        self.commits(member, side);
        side.connected(link.peer_public_key(), now());
        let mut tick = tokio::time::interval(TICK);
        loop {
            if self.carry_out(member, side, &mut link).await? {
                link.close().await;
                return Ok(());
            }
            tokio::select! {
                frame = link.next() => {
                    let Some(frame) = frame? else { return Ok(()) };
                    for frame in link.with_its_like(frame).await {
                        side.frame(frame, now());
                    }
                }
                changed = told.changed() => {
                    changed.context("the crowd is gone")?;
                    self.commits(member, side);
                    if told.borrow_and_update().hub.is_none() {
                        side.leave();
                    }
                }
                _ = tick.tick() => side.tick(now()),
            }
        }
    }

    fn commits(&self, member: &Member, side: &mut BoxSide) {
        let written = self.told.borrow().segments;
        if let Some(head) = member.journal.heads.get(written.wrapping_sub(1)) {
            side.local_commit(0, *head);
        }
    }

    async fn carry_out(&self, member: &Member, side: &mut BoxSide, link: &mut Link) -> Result<bool, Ended> {
        while let Some(action) = side.next_action() {
            match action {
                BoxAction::Send(frame) => {
                    self.note(member, &frame);
                    link.send(&frame).await?;
                }
                BoxAction::Close(_) => return Ok(true),
                BoxAction::Online { .. } => drop(self.tally.sessions.fetch_add(1, Ordering::Relaxed)),
                BoxAction::Refused { .. } => drop(self.tally.refused.fetch_add(1, Ordering::Relaxed)),
                BoxAction::ReadSegment { from, .. } => {
                    let written = self.told.borrow().segments;
                    let held = member.journal.segments.get(..written).unwrap_or_default();
                    side.segment_read(held.iter().find(|segment| segment.first == from).cloned());
                }
                BoxAction::MarkAcked(acked) => {
                    let before = member.acked.fetch_max(acked.contiguous, Ordering::Relaxed);
                    let more = acked.contiguous.saturating_sub(before);
                    self.tally.acked.fetch_add(more.into(), Ordering::Relaxed);
                }
                BoxAction::ApplyDelta(parts) => {
                    for signed in parts {
                        side.delta_stored(self.heard(member, &signed)?);
                    }
                }
                BoxAction::StoreBundle { number, bytes: _ } => {
                    side.bundle_stored(Some((number, vec![self.bundle.signer])));
                }
                BoxAction::HubTime { .. } | BoxAction::ToldAll { .. } => {}
                other @ (BoxAction::StoreBlobPart { .. }
                | BoxAction::StoreChain(_)
                | BoxAction::NewerSelf { .. }
                | BoxAction::EditAnswered(_)) => {
                    return Err(anyhow::anyhow!("nothing here asks for {other:?}").into());
                }
            }
        }
        Ok(false)
    }

    fn note(&self, member: &Member, frame: &Frame) {
        let Frame::Segment(segment) = frame else { return };
        let entries = segment.bodies.len() as u64;
        self.tally.sent.fetch_add(entries, Ordering::Relaxed);
        let acked = member.acked.load(Ordering::Relaxed).saturating_sub(segment.first);
        self.tally.resent.fetch_add(u64::from(acked).min(entries), Ordering::Relaxed);
    }

    /// Takes a part of a batch, which the session has verified.
    fn heard(&self, member: &Member, signed: &SignedDelta) -> Result<HaveDelta> {
        self.tally.down.fetch_add(signed.body.len() as u64, Ordering::Relaxed);
        let delta = Delta::from_bytes(&signed.body)?;
        if let Some(witness) = &member.witness {
            witness.lock().unwrap_or_else(PoisonError::into_inner).take(&delta)?;
        }
        let next_part = Some(delta.part + 1).filter(|next| *next < delta.parts);
        let own = (delta.section == Section::Wallets).then(|| (0, member.acked.load(Ordering::Relaxed)));
        if next_part.is_none() {
            match delta.section {
                Section::Wallets => member.wallets.store(delta.number, Ordering::Relaxed),
                Section::Tickets => member.tickets.store(delta.number, Ordering::Relaxed),
                Section::Revocations
                | Section::Documents
                | Section::Bundle
                | Section::Credits
                | Section::Zones
                | Section::Shares => {}
            }
        }
        Ok(HaveDelta { section: delta.section, term: delta.term, number: delta.number, next_part, own })
    }
}

impl Witness {
    fn take(&mut self, delta: &Delta) -> Result<()> {
        let begins = delta.snapshot && delta.part == 0;
        match delta.section {
            Section::Wallets => {
                if begins {
                    self.wallets.clear();
                }
                let (states, rest) = delta.items.as_chunks::<{ WalletState::LEN }>();
                ensure!(rest.is_empty(), "half a wallet");
                for state in states {
                    let state = WalletState::from_bytes(state)?;
                    self.wallets.insert(state.wallet, state);
                }
            }
            Section::Tickets => {
                if begins {
                    self.tickets.clear();
                }
                let (states, rest) = delta.items.as_chunks::<{ TicketState::LEN }>();
                ensure!(rest.is_empty(), "half a ticket");
                for state in states {
                    let state = TicketState::from_bytes(state)?;
                    self.tickets.insert(state.ticket, state);
                }
            }
            Section::Revocations
            | Section::Documents
            | Section::Bundle
            | Section::Credits
            | Section::Zones
            | Section::Shares => {}
        }
        Ok(())
    }
}

/// Counts a connection for as long as it stands.
struct Here<'a>(&'a AtomicU64);

impl<'a> Here<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How a session ended, beside in order.
enum Ended {
    /// The line: it is tried again.
    Line,
    /// Something that cannot be.
    Broken(anyhow::Error),
}

impl From<sync_quic::LinkError> for Ended {
    fn from(_: sync_quic::LinkError) -> Self {
        Self::Line
    }
}

impl From<anyhow::Error> for Ended {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}
