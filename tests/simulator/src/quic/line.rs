//! A box's way to the hub: the product's session, backoff and QUIC; the shell around them is written after the daemon's.
//! Invariant: the session's state machine decides, its actions are carried out one after another.
//! Not here: the daemon's own shell (`edge::hub_link`, which has screens and devices to look after).
use std::time::Duration;

use anyhow::{Context, Result, bail};
use box_store::{DeltaOutcome, Store};
use domain::{bundle::Bundle, journal::Head};
use sync::{BoxAction, BoxSide, BoxStart, Frame, Section, SignedDelta, VersionVector};
use sync_quic::{Backoff, Dialer, Link, Settings};
use tokio::{sync::watch, time::Instant};

use super::{air::HUB, evening::Evening, place::Place};
use crate::dice::Dice;

/// Sections that a box keeps, as the daemon does.
pub(crate) const SECTIONS: [Section; 7] = [
    Section::Wallets,
    Section::Tickets,
    Section::Revocations,
    Section::Documents,
    Section::Zones,
    Section::Credits,
    Section::Shares,
];
/// The daemon looks twice a second; what hangs on it are signs of life every fifteen seconds.
const TICK: Duration = Duration::from_secs(8);
/// So long a box takes to verify batches of the hub's state, when it is busy.
const VERIFIES_FOR: Duration = Duration::from_millis(50);
/// So long it takes to write them, on a slow card.
const WRITES_FOR: Duration = Duration::from_millis(450);
/// A session that lasted so long makes the next wait short again, as in the daemon.
const WORKED: Duration = Duration::from_secs(10);

struct Session<'a> {
    evening: &'a Evening,
    place: &'a Place,
    store: &'a Store,
    dialer: Dialer,
    side: BoxSide,
}

/// Keeps a session with the hub for as long as there is power. Gives what went wrong.
pub(crate) async fn keep(
    evening: &Evening,
    place: &Place,
    store: &Store,
    mut commits: watch::Receiver<()>,
    dice: &mut Dice,
) -> anyhow::Error {
    let side = match start(evening, place, store) {
        Ok(start) => BoxSide::new(start),
        Err(error) => return error,
    };
    let dialer = match Dialer::new(&place.enrolled.key, &Settings::default()) {
        Ok(dialer) => dialer,
        Err(error) => return error.into(),
    };
    let mut session = Session { evening, place, store, dialer, side };
    let mut backoff = Backoff::default();
    loop {
        evening.attempts(place.n);
        let began = Instant::now();
        let ended = session.run(&mut commits).await;
        evening.is_offline(place.n);
        session.side.closed();
        if let Err(Failed::Box(error)) = ended {
            return error;
        }
        if ended_well(began) {
            backoff = Backoff::default();
        }
        let random = u32::try_from(dice.draw() >> 32).unwrap_or(u32::MAX);
        tokio::time::sleep(backoff.next(random)).await;
    }
}

fn ended_well(began: Instant) -> bool {
    began.elapsed() > WORKED
}

fn start(evening: &Evening, place: &Place, store: &Store) -> Result<BoxStart> {
    let epoch = store.read(|view| view.head())?.map_or(0, |head| head.at.epoch);
    Ok(BoxStart {
        founding: evening.founded.founding.clone(),
        public_key: place.enrolled.key.verifying_key().to_bytes(),
        chain: place.enrolled.chain.to_bytes(),
        epoch,
        roles: place.enrolled.roles,
        software: "simulated".into(),
        held: VersionVector::new(store.vector()?),
        acked: store.acked()?,
        sections: store.sections_held(&SECTIONS)?,
        bundle: 0,
        bundle_keys: vec![evening.founded.key("bundle", 0).verifying_key().to_bytes()],
    })
}

enum Ended {
    Lost,
}

enum Failed {
    /// The line, whatever was wrong with it: it is tried again.
    Line,
    /// The box itself.
    Box(anyhow::Error),
}

impl From<sync_quic::LinkError> for Failed {
    fn from(_: sync_quic::LinkError) -> Self {
        Self::Line
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::Box(error)
    }
}

impl Session<'_> {
    async fn run(&mut self, commits: &mut watch::Receiver<()>) -> Result<Ended, Failed> {
        let evening = self.evening;
        let mut link = self.dialer.connect_over(evening.air.of_box(self.place.n), HUB).await?;
        self.tell_commits()?;
        self.side.connected(link.peer_public_key(), evening.now_ms());
        let mut tick = tokio::time::interval(TICK);
        loop {
            if self.carry_out(&mut link).await? {
                link.close().await;
                return Ok(Ended::Lost);
            }
            tokio::select! {
                biased;
                changed = commits.changed() => {
                    changed.context("the till is gone")?;
                    self.tell_commits()?;
                }
                frame = link.next() => {
                    let Some(frame) = frame? else { return Ok(Ended::Lost) };
                    let frames = link.with_its_like(frame).await;
                    self.takes(frames).await?;
                }
                _ = tick.tick() => self.side.tick(evening.now_ms()),
            }
        }
    }

    fn tell_commits(&mut self) -> Result<()> {
        if let Some(head) = self.store.read(|view| view.head())? {
            self.side.local_commit(head.at.epoch, Head { seq: head.at.seq, hash: head.hash });
        }
        Ok(())
    }

    /// Carries out what the state machine asks for. `true`: the session is over.
    async fn carry_out(&mut self, link: &mut Link) -> Result<bool, Failed> {
        while let Some(action) = self.side.next_action() {
            match action {
                BoxAction::Send(frame) => {
                    self.note(&frame);
                    link.send(&frame).await?;
                }
                BoxAction::Close(_) => return Ok(true),
                BoxAction::Online { .. } => self.evening.is_online(self.place.n),
                BoxAction::HubTime { .. } | BoxAction::ToldAll { .. } => {}
                BoxAction::Refused { code, text } => {
                    let n = self.place.n;
                    self.evening.breaks(format!("the hub refused box {n}: {code} {text}"));
                }
                BoxAction::ApplyDelta(parts) => self.apply(parts).await?,
                other => self.store(other)?,
            }
        }
        Ok(false)
    }

    /// What is sent again although the hub had acknowledged it.
    fn note(&self, frame: &Frame) {
        let Frame::Segment(segment) = frame else { return };
        let mut notes = self.evening.notes();
        notes.entries_sent += segment.bodies.len() as u64;
        let acked = notes.acked.get(&(segment.device, segment.epoch)).map_or(0, |acked| acked.contiguous);
        notes.resent_acknowledged += u64::from(acked.saturating_sub(segment.first).min(segment.bodies.len() as u32));
    }

    async fn takes(&mut self, frames: Vec<Frame>) -> Result<()> {
        let now = self.evening.now_ms();
        if !matches!(frames[..], [Frame::Delta(_), ..]) {
            frames.into_iter().for_each(|frame| self.side.frame(frame, now));
            return Ok(());
        }
        let mut side = self.side.clone();
        let verifying = self.evening.hands.begin(VERIFIES_FOR, move || {
            frames.into_iter().for_each(|frame| side.frame(frame, now));
            side
        });
        self.side = verifying.done().await?;
        Ok(())
    }

    async fn apply(&mut self, parts: Vec<SignedDelta>) -> Result<()> {
        let store = self.store.clone();
        let writing = self.evening.hands.begin(WRITES_FOR, move || store.apply_delta(parts));
        self.place.is_busy(writing.end());
        for outcome in writing.done().await?? {
            match outcome {
                DeltaOutcome::Staged(have)
                | DeltaOutcome::NeedSnapshot(have)
                | DeltaOutcome::Applied { have, newer_self: None } => self.side.delta_stored(have),
                DeltaOutcome::Applied { newer_self: Some(_), .. } => {
                    bail!("the hub knows entries of this box that it never wrote")
                }
                DeltaOutcome::Refused(error) => bail!("the hub's batch cannot be read: {error}"),
            }
        }
        Ok(())
    }

    fn store(&mut self, action: BoxAction) -> Result<()> {
        match action {
            BoxAction::ReadSegment { device, epoch, from, max } => {
                self.side.segment_read(self.store.segment(device, epoch, from, max)?);
            }
            BoxAction::MarkAcked(acked) => {
                let marked = self.store.mark_acked(acked.epoch, acked.contiguous, acked.hash, acked.term)?;
                if marked {
                    self.evening.notes().acked.insert((acked.device, acked.epoch), acked);
                }
            }
            BoxAction::StoreBundle { number: _, bytes } => {
                let bundle = Bundle::verify(&bytes, Some(self.evening.founded.id))?;
                self.side.bundle_stored(Some((bundle.body.number, vec![bundle.signer])));
            }
            other => bail!("nothing in this evening asks for {other:?}"),
        }
        Ok(())
    }
}
