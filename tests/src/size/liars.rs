//! Boxes of the festival that do their worst: one sends entries without end, one chatters, one sends poison.
//! Invariant: they hold genuine certificates and keep no rule; they come back as fast as they are let in.
//! Not here: what they do to the others (`stages`).
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use domain::{id::FestivalId, trust::Roles};
use ed25519_dalek::SigningKey;
use provisioning::Festival;
use sync::{
    Frame, Segment,
    frame::{Hello, PROTOCOL, Ping},
};
use sync_quic::{Link, LinkError};
use tokio::{sync::watch, task::JoinSet};

use super::{
    crowd::Told,
    journals::{Amount, Journal, Writing},
};

/// Entries that the flooding box has to offer.
const FLOOD: u32 = 10_000_000;
/// Nobody answers faster than this where nobody listens.
const PAUSE: Duration = Duration::from_millis(20);

/// What they did.
#[derive(Debug, Default)]
pub(super) struct Harm {
    /// Entries that the flooding box offered.
    pub entries: AtomicU64,
    /// Frames that the chattering box sent.
    pub frames: AtomicU64,
    /// Poisoned segments.
    pub poisoned: AtomicU64,
    /// Times that one of them was sent away, or the hub was gone.
    pub sent_away: AtomicU64,
}

struct Liar {
    festival: FestivalId,
    key: SigningKey,
    chain: Vec<u8>,
    roles: Roles,
    hub: watch::Receiver<Told>,
    harm: Arc<Harm>,
}

/// Starts the three, as boxes behind the `honest` ones; they end when their tasks are dropped.
pub(super) fn start(
    festival: &Festival,
    honest: usize,
    guests: u64,
    hub: &watch::Receiver<Told>,
) -> Result<(JoinSet<()>, Arc<Harm>)> {
    let harm = Arc::new(Harm::default());
    let mut tasks = JoinSet::new();
    let liar = |journal: &Journal| Liar {
        festival: festival.id(),
        key: journal.key.clone(),
        chain: journal.chain.to_bytes(),
        roles: journal.roles,
        hub: hub.clone(),
        harm: Arc::clone(&harm),
    };
    let amount = Amount { boxes: 1, guests, entries: 200, stages: 1 };
    let mut flooding = Writing::new(festival, honest)?;
    flooding.genesis();
    flooding.cut()?;
    let (chatter, poison) =
        (Journal::write(festival, honest + 1, amount)?, Journal::write(festival, honest + 2, amount)?);
    let (flooder, chatterer, poisoner) =
        (liar(&Writing::new(festival, honest)?.finish()), liar(&chatter), liar(&poison));
    tasks.spawn(flooder.flood(flooding, guests));
    tasks.spawn(chatterer.chatter());
    tasks.spawn(poisoner.poison(poison.segments));
    Ok((tasks, harm))
}

impl Liar {
    /// Says its name and waits until it is let in.
    async fn enter(&mut self) -> Result<Link, LinkError> {
        let hub: SocketAddr = loop {
            let told = *self.hub.borrow_and_update();
            if let Some(hub) = told.hub {
                break hub;
            }
            if self.hub.changed().await.is_err() {
                return Err(LinkError::Closed);
            }
        };
        let mut link = sync_quic::connect(hub, &self.key).await?;
        let device = domain::id::device_id(self.key.verifying_key().as_bytes());
        let hello = Hello {
            version: PROTOCOL,
            festival: self.festival,
            chain: self.chain.clone(),
            device,
            epoch: 0,
            roles: self.roles,
            sections: Vec::new(),
            bundle: u64::MAX >> 1,
            software: "liar".into(),
            further: Vec::new(),
        };
        link.send(&Frame::Hello(hello)).await?;
        loop {
            match link.next().await? {
                Some(Frame::Heads(_)) => return Ok(link),
                Some(_) => {}
                None => return Err(LinkError::Closed),
            }
        }
    }

    async fn sent_away(&self) {
        self.harm.sent_away.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }

    /// Sends entries, all of them genuine, and never waits for an acknowledgement.
    async fn flood(mut self, mut writing: Writing, guests: u64) {
        let mut tap = 0;
        let mut waiting = writing.taken();
        while tap < FLOOD {
            if let Ok(link) = self.enter().await {
                let (mut wire, mut frames) = link.split();
                let read = async { while let Ok(Some(_)) = frames.next().await {} };
                let write = async {
                    loop {
                        let segment = match waiting.pop() {
                            Some(segment) => segment,
                            None => {
                                (0..500).for_each(|n| writing.tap(tap + n, guests));
                                tap += 500;
                                if writing.cut().is_err() {
                                    return;
                                }
                                waiting = writing.taken();
                                continue;
                            }
                        };
                        let entries = segment.bodies.len() as u64;
                        if wire.send(&Frame::Segment(segment)).await.is_err() {
                            return;
                        }
                        self.harm.entries.fetch_add(entries, Ordering::Relaxed);
                        if tap >= FLOOD {
                            return;
                        }
                    }
                };
                tokio::select! {
                    () = read => {}
                    () = write => {}
                }
            }
            self.sent_away().await;
        }
    }

    /// Asks for signs of life without end.
    async fn chatter(mut self) {
        loop {
            if let Ok(link) = self.enter().await {
                let (mut wire, mut frames) = link.split();
                let read = async { while let Ok(Some(_)) = frames.next().await {} };
                let write = async {
                    while wire.send(&Frame::Ping(Ping { token: 1, time_ms: 1 })).await.is_ok() {
                        self.harm.frames.fetch_add(1, Ordering::Relaxed);
                    }
                };
                tokio::select! {
                    () = read => {}
                    () = write => {}
                }
            }
            self.sent_away().await;
        }
    }

    /// Sends a segment whose signature does not hold, and comes again.
    async fn poison(mut self, segments: Vec<Segment>) {
        let Some(mut segment) = segments.into_iter().next() else { return };
        segment.signature[7] ^= 1;
        loop {
            if let Ok(mut link) = self.enter().await {
                if link.send(&Frame::Segment(segment.clone())).await.is_ok() {
                    self.harm.poisoned.fetch_add(1, Ordering::Relaxed);
                }
                while let Ok(Some(_)) = link.next().await {}
            }
            self.sent_away().await;
        }
    }
}
