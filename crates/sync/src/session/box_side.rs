//! A box's side of a session with a hub node.
//! Invariant: the box sends nothing of its own before the hub proved who it is, never more than [`WINDOW`] segments
//! ahead of the acknowledgements, and applies a batch only on the one before it.
//! What was acknowledged and applied outlives the connection: the same value is connected again and again.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use domain::{
    id::{DeviceId, device_id},
    journal::Head,
    trust::Purpose,
};
use minicbor::bytes::ByteVec;

use super::{ASK_EVERY_MS, CloseReason, HELLO_WITHIN_MS, Millis, PING_EVERY_MS, SILENCE_MS, WINDOW, identify};
use crate::{
    delta::{Delta, DeltaError, DeltaProgress, Section, SignedDelta},
    frame::{
        Ack, EditAnswer, Frame, HaveBundle, HaveDelta, Hello, PROTOCOL, Ping, Refuse, RefuseCode, SectionHeld,
        WantFrom, Welcome,
    },
    segment::{SEGMENT_ENTRIES, Segment},
    vector::{Branch, JournalHeads, VersionVector, hash16},
};

mod actions;
mod edits;
mod fetch;
mod upload;

pub use actions::{Acked, BoxAction, BoxStart, KnownHead};
use edits::Edits;
use fetch::Fetch;
use upload::Upload;

/// Longest festival bundle.
pub const BUNDLE_MAX: usize = 32 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Offline,
    /// Hello is sent, the hub's first frame is due.
    Greeting {
        peer: [u8; 32],
        since: Millis,
    },
    Online {
        term: u32,
    },
    Closing,
}

/// The state machine.
#[derive(Clone, Debug)]
pub struct BoxSide {
    start: BoxStart,
    further: Vec<Vec<u8>>,
    /// Heads of its own that the shell was told of in this session, or is yet to hear of.
    told: BTreeSet<(u32, u32)>,
    own: DeviceId,
    state: State,
    actions: VecDeque<BoxAction>,
    uploads: BTreeMap<(DeviceId, u32), Upload>,
    /// What each vector that the hub still owes speaks of.
    awaited: VecDeque<BTreeSet<DeviceId>>,
    /// The journal that a read was asked for.
    reading: Option<(DeviceId, u32)>,
    /// What is on disk of each section, and what was taken since.
    sections: BTreeMap<Section, (DeltaProgress, DeltaProgress)>,
    /// Sections whose batch was signed with a key that may come with the next bundle.
    stalled: BTreeSet<Section>,
    fetch: Option<Fetch>,
    edits: Edits,
    heard: Millis,
    pinged: Millis,
    /// When the hub last answered that it had told all, and whether that was its last answer.
    told_all: (Millis, bool),
    /// The hub tells this box nothing more.
    is_barred: bool,
}

impl BoxSide {
    /// A side without a connection.
    pub fn new(start: BoxStart) -> Self {
        let sections = start.sections.iter().map(|held| {
            let progress = DeltaProgress::at(held.term, held.number);
            (held.section, (progress, progress))
        });
        let mut side = Self {
            own: device_id(&start.public_key),
            sections: sections.collect(),
            stalled: BTreeSet::new(),
            further: Vec::new(),
            told: BTreeSet::new(),
            start,
            state: State::Offline,
            actions: VecDeque::new(),
            uploads: BTreeMap::new(),
            awaited: VecDeque::new(),
            reading: None,
            fetch: None,
            edits: Edits::default(),
            heard: 0,
            pinged: 0,
            told_all: (0, false),
            is_barred: false,
        };
        for journal in side.start.held.journals().to_vec() {
            side.upload_of(&journal);
        }
        for acked in side.start.acked.clone() {
            if let Some(upload) = side.uploads.get_mut(&(acked.device, acked.epoch)) {
                upload.acked = Some(acked);
            }
        }
        side
    }

    /// Shows the hub these chains too: what else the box's key may do (a desk's `Credit` chain), at most 8.
    #[must_use]
    pub fn presenting(mut self, further: Vec<Vec<u8>>) -> Self {
        self.further = further;
        self.further.truncate(8);
        self
    }

    /// The next thing to do.
    pub fn next_action(&mut self) -> Option<BoxAction> {
        self.actions.pop_front()
    }

    /// Whether the hub proved who it is and the session goes on.
    pub fn is_online(&self) -> bool {
        matches!(self.state, State::Online { .. })
    }

    /// How far a section is known, on disk.
    pub fn section(&self, section: Section) -> Option<DeltaProgress> {
        self.sections.get(&section).map(|progress| progress.0)
    }

    /// Entries of the box's own epoch that no hub of the present term has confirmed.
    pub fn unacknowledged(&self) -> u32 {
        let upload = self.uploads.get(&(self.own, self.start.epoch));
        upload
            .map_or(0, |upload| upload.held.contiguous.saturating_sub(upload.acked.map_or(0, |acked| acked.contiguous)))
    }

    /// A connection to whoever holds `peer_public_key`.
    pub fn connected(&mut self, peer_public_key: [u8; 32], now: Millis) {
        self.closed();
        self.state = State::Greeting { peer: peer_public_key, since: now };
        (self.heard, self.pinged) = (now, now);
        (self.told_all, self.is_barred) = ((0, false), false);
        let sections = self.sections.iter().map(|(section, (progress, _))| SectionHeld {
            section: *section,
            term: progress.term,
            number: progress.number,
        });
        self.send(Frame::Hello(Hello {
            version: PROTOCOL,
            festival: self.start.founding.festival(),
            chain: self.start.chain.clone(),
            device: self.own,
            epoch: self.start.epoch,
            roles: self.start.roles,
            sections: sections.collect(),
            bundle: self.start.bundle,
            software: self.start.software.clone(),
            further: self.further.iter().cloned().map(ByteVec::from).collect(),
        }));
    }

    /// The connection is gone; what was under way is forgotten, what was confirmed is kept.
    pub fn closed(&mut self) {
        self.state = State::Offline;
        self.actions.retain(|action| match action {
            BoxAction::MarkAcked(_)
            | BoxAction::EditAnswered(_)
            | BoxAction::StoreBundle { .. }
            | BoxAction::StoreBlobPart { .. }
            | BoxAction::StoreChain(_)
            | BoxAction::NewerSelf { .. } => true,
            BoxAction::Send(_)
            | BoxAction::ReadSegment { .. }
            | BoxAction::ApplyDelta(_)
            | BoxAction::Online { .. }
            | BoxAction::HubTime { .. }
            | BoxAction::ToldAll { .. }
            | BoxAction::Refused { .. }
            | BoxAction::Close(_) => false,
        });
        // what the shell was told and could not do it is told again; what it did is behind its epoch
        self.told = self.actions.iter().filter_map(untold).collect();
        self.awaited.clear();
        self.stalled.clear();
        self.reading = None;
        self.edits.interrupt();
        self.uploads.values_mut().for_each(Upload::interrupt);
        self.sections.values_mut().for_each(|(stored, taken)| *taken = *stored);
    }

    /// A frame of the hub.
    pub fn frame(&mut self, frame: Frame, now: Millis) {
        self.heard = now;
        match (self.state, frame) {
            (State::Offline | State::Closing, _) => {}
            (_, Frame::Refuse(refuse)) => self.refused(refuse),
            (_, Frame::Bye) => self.close(CloseReason::Bye),
            (State::Greeting { peer, .. }, Frame::Welcome(welcome)) => self.welcomed(&welcome, &peer),
            (State::Greeting { .. }, _) => self.refuse(RefuseCode::Frame, "a hub says its name first"),
            (State::Online { .. }, Frame::Pong(pong)) => self.answered(pong, now),
            (State::Online { term }, frame) => self.online(frame, term),
        }
    }

    /// The answer to [`BoxAction::ReadSegment`]; `None` when nothing is held there.
    pub fn segment_read(&mut self, segment: Option<Segment>) {
        let Some(key) = self.reading.take() else { return };
        let (term, own) = (self.term(), key.0 == self.own);
        let Some(upload) = self.uploads.get_mut(&key) else { return };
        match segment {
            Some(segment) if (segment.device, segment.epoch) == key => {
                if let Some(segment) = upload.take(segment, term, own) {
                    self.send(Frame::Segment(segment));
                }
            }
            Some(_) | None => upload.give_up(),
        }
        self.settle_shared(key);
        self.pump();
    }

    /// The box's own journal grew, and the commit is on disk.
    pub fn local_commit(&mut self, epoch: u32, head: Head) {
        self.start.epoch = self.start.epoch.max(epoch);
        let branch = Branch::up_to(head.seq.saturating_add(1), hash16(&head.hash));
        self.held(JournalHeads { device: self.own, epoch, branches: vec![branch] });
    }

    /// More is held of some journal (a neighbour's segments were stored).
    pub fn held(&mut self, heads: JournalHeads) {
        self.held_all([heads]);
    }

    /// The same of several journals: what the hub holds of those that are new is asked once, however many they are.
    pub fn held_all(&mut self, journals: impl IntoIterator<Item = JournalHeads>) {
        let mut unheard = BTreeSet::new();
        for heads in journals {
            self.start.held.set(heads.clone());
            let is_new = self.upload_of(&heads);
            if is_new && heads.device == self.own {
                self.opened(heads.epoch);
            } else if is_new {
                unheard.insert(heads.device);
            }
        }
        if self.is_online() && !unheard.is_empty() {
            self.ask_about(unheard);
        }
        self.pump();
    }

    /// Where the hub has told already what it holds of this box, it holds nothing of a journal that did not exist then.
    fn opened(&mut self, epoch: u32) {
        let (term, is_told) = (self.term(), !self.awaited.iter().any(|of| of.contains(&self.own)));
        let is_told = is_told && self.is_online();
        if let (true, Some(upload)) = (is_told, self.uploads.get_mut(&(self.own, epoch))) {
            upload.hub_holds(None, term, true);
        }
    }

    /// A part of [`BoxAction::ApplyDelta`] is on disk (staged, or applied with its batch).
    pub fn delta_stored(&mut self, have: HaveDelta) {
        if let (None, Some((stored, _))) = (have.next_part, self.sections.get_mut(&have.section)) {
            *stored = DeltaProgress::at(have.term, have.number);
        }
        if self.is_online() {
            self.send(Frame::HaveDelta(have));
        }
    }

    /// Own edits of documents that the hub has not answered, in the order in which they were made.
    pub fn edits_waiting(&mut self, edits: Vec<([u8; 32], Vec<u8>)>) {
        self.edits.wait(edits);
        self.pump_edits();
    }

    fn pump_edits(&mut self) {
        if self.is_online()
            && let Some(edit) = self.edits.next()
        {
            self.send(Frame::Edit(edit));
        }
    }

    fn edit_answered(&mut self, answer: EditAnswer) {
        if self.edits.answered(&answer) {
            self.actions.push_back(BoxAction::EditAnswered(answer));
            self.pump_edits();
        }
    }

    /// Time passed.
    pub fn tick(&mut self, now: Millis) {
        match self.state {
            State::Greeting { since, .. } if now.saturating_sub(since) > HELLO_WITHIN_MS => {
                self.refuse(RefuseCode::Silence, "no welcome");
            }
            State::Online { .. } if now.saturating_sub(self.heard) > SILENCE_MS => self.close(CloseReason::Silence),
            State::Online { .. } if now.saturating_sub(self.told_all.0.max(self.pinged)) > self.asks_every() => {
                self.pinged = now;
                self.send(Frame::Ping(Ping { token: now, time_ms: now.max(1) }));
            }
            State::Offline | State::Greeting { .. } | State::Online { .. } | State::Closing => {}
        }
    }

    /// Whether all is told is no news to a box that is told nothing.
    fn asks_every(&self) -> Millis {
        if self.told_all.1 || self.is_barred { PING_EVERY_MS } else { ASK_EVERY_MS }
    }

    /// What the hub gave back with a sign of life.
    fn answered(&mut self, pong: Ping, now: Millis) {
        self.told_all.1 = pong.time_ms != 0;
        if self.told_all.1 {
            self.told_all.0 = now;
            self.actions.push_back(BoxAction::ToldAll { ago_ms: now.saturating_sub(pong.time_ms) });
        }
    }

    /// Ends the session in order.
    pub fn leave(&mut self) {
        if !matches!(self.state, State::Offline | State::Closing) {
            self.send(Frame::Bye);
            self.close(CloseReason::Bye);
        }
    }

    fn term(&self) -> u32 {
        match self.state {
            State::Online { term } => term,
            State::Offline | State::Greeting { .. } | State::Closing => 0,
        }
    }

    fn send(&mut self, frame: Frame) {
        self.actions.push_back(BoxAction::Send(frame));
    }

    fn close(&mut self, reason: CloseReason) {
        self.state = State::Closing;
        self.actions.push_back(BoxAction::Close(reason));
    }

    fn refuse(&mut self, code: RefuseCode, text: &str) {
        self.send(Frame::Refuse(Refuse { code: code.number(), text: text.into() }));
        self.close(CloseReason::Refusing(code));
    }

    fn refused(&mut self, refuse: Refuse) {
        let code = refuse.code;
        self.actions.push_back(BoxAction::Refused { code, text: refuse.text });
        // Revoked and expired boxes may still deliver what they have.
        self.is_barred = matches!(RefuseCode::from_number(code), Some(RefuseCode::Revoked | RefuseCode::Expired));
        if !self.is_barred {
            self.close(CloseReason::Refused(code));
        }
    }

    fn welcomed(&mut self, welcome: &Welcome, peer: &[u8; 32]) {
        if welcome.version != PROTOCOL {
            return self.refuse(RefuseCode::Version, "this box speaks version 1");
        }
        let hub = match identify(&welcome.chain, &self.start.founding, Purpose::Hub, peer) {
            Ok(certificate) => certificate.device(),
            Err((code, text)) => return self.refuse(code, &text),
        };
        self.state = State::Online { term: welcome.term };
        self.actions.push_back(BoxAction::Online { hub, term: welcome.term });
        self.actions.push_back(BoxAction::HubTime { unix_ms: welcome.hub_time_ms });
        // The hub tells by itself what it holds of this box; what it holds of others must be asked for.
        self.awaited.push_back([self.own].into());
        let others: BTreeSet<DeviceId> =
            self.uploads.keys().map(|key| key.0).filter(|device| *device != self.own).collect();
        if !others.is_empty() {
            self.ask_about(others);
        }
        self.pump_edits();
    }

    fn ask_about(&mut self, devices: BTreeSet<DeviceId>) {
        let journals = self.start.held.journals().iter().filter(|journal| devices.contains(&journal.device)).cloned();
        let vector = VersionVector::new(journals.collect()).within_limits();
        self.awaited.push_back(devices);
        self.send(Frame::Heads(vector));
    }

    fn online(&mut self, frame: Frame, term: u32) {
        match frame {
            Frame::Heads(vector) => self.hub_holds(&vector),
            Frame::WantFrom(WantFrom { device, epoch, seq }) => {
                if let Some(upload) = self.uploads.get_mut(&(device, epoch)) {
                    upload.wanted(seq);
                }
                self.pump();
            }
            Frame::Ack(ack) => self.acknowledged(&ack, term),
            Frame::Delta(delta) => self.delta(delta),
            Frame::HaveBundle(HaveBundle { number }) => self.bundle_announced(number),
            Frame::Bundle(part) => self.bundle_part(part),
            Frame::EditAnswer(answer) => self.edit_answered(answer),
            Frame::Blob(part) => self.blob_part(part),
            Frame::Renew(renew) => {
                match identify(&renew.chain, &self.start.founding, Purpose::Device, &self.start.public_key) {
                    Ok(_) => {
                        self.start.chain.clone_from(&renew.chain);
                        self.actions.push_back(BoxAction::StoreChain(renew.chain));
                    }
                    Err((code, text)) => self.refuse(code, &text),
                }
            }
            Frame::Ping(ping) => self.send(Frame::Pong(ping)),
            Frame::Pong(_) => {}
            Frame::Hello(_)
            | Frame::Welcome(_)
            | Frame::Segment(_)
            | Frame::HaveDelta(_)
            | Frame::WantBundle(_)
            | Frame::WantBlob(_)
            | Frame::Refuse(_)
            | Frame::Edit(_)
            | Frame::Bye => self.refuse(RefuseCode::Frame, "not a hub's frame"),
        }
    }

    fn hub_holds(&mut self, vector: &VersionVector) {
        let Some(devices) = self.awaited.pop_front() else {
            return self.refuse(RefuseCode::Frame, "heads that nobody asked for");
        };
        let (own, epoch, term) = (self.own, self.start.epoch, self.term());
        let mut newer_heads = Vec::new();
        for ((device, of), upload) in &mut self.uploads {
            if !devices.contains(device) {
                continue;
            }
            let heads = vector.journal(*device, *of);
            let newer = upload.hub_holds(heads, term, *device == own);
            newer_heads.extend(newer.filter(|_| *device == own).map(|head| (*of, head)));
        }
        let keys: Vec<(DeviceId, u32)> = self.uploads.keys().copied().filter(|key| devices.contains(&key.0)).collect();
        keys.into_iter().for_each(|key| self.settle_shared(key));
        // An epoch of its own that the box does not know at all.
        let unknown = vector.journals().iter().filter(|journal| {
            devices.contains(&own)
                && journal.device == own
                && journal.epoch >= epoch
                && !self.uploads.contains_key(&(own, journal.epoch))
        });
        for journal in unknown {
            if let Some(branch) = journal.branches.iter().max_by_key(|branch| branch.end()) {
                newer_heads.push((journal.epoch, KnownHead { seq: branch.end().saturating_sub(1), hash: branch.hash }));
            }
        }
        newer_heads.into_iter().for_each(|(epoch, head)| self.newer_self(epoch, head));
        self.pump();
    }

    /// Takes note of where the hub's heads turned out to lie.
    fn settle_shared(&mut self, (device, epoch): (DeviceId, u32)) {
        let (term, own) = (self.term(), self.own);
        let Some(upload) = self.uploads.get_mut(&(device, epoch)) else { return };
        if let Some((contiguous, hash)) = upload.shared.take() {
            let acked = Acked { device, epoch, contiguous, hash, term };
            if upload.confirmed(acked) {
                self.actions.push_back(BoxAction::MarkAcked(acked));
            }
        }
        if let Some(head) = upload.foreign.take().filter(|_| device == own) {
            self.newer_self(epoch, head);
        }
    }

    /// Tells the shell once of a head of its own; an epoch that it has left already does not matter.
    fn newer_self(&mut self, epoch: u32, head: KnownHead) {
        if epoch >= self.start.epoch && self.told.insert((epoch, head.seq)) {
            self.actions.push_back(BoxAction::NewerSelf { epoch, head });
        }
    }

    fn acknowledged(&mut self, ack: &Ack, term: u32) {
        if let Some(upload) = self.uploads.get_mut(&(ack.device, ack.epoch)) {
            let acked = Acked {
                device: ack.device,
                epoch: ack.epoch,
                contiguous: ack.contiguous,
                hash: ack.hash,
                term: ack.term,
            };
            if ack.term == term && upload.acknowledged(acked) {
                self.actions.push_back(BoxAction::MarkAcked(acked));
            }
        }
        self.pump();
    }

    fn delta(&mut self, signed: SignedDelta) {
        let delta = match signed.open(&self.start.founding.festival(), &self.start.bundle_keys) {
            Ok(delta) => delta,
            // A key that comes with the next bundle: the batch comes again when the box has that.
            Err(DeltaError::Key) => {
                self.stalled.extend(Delta::from_bytes(&signed.body).map(|delta| delta.section));
                return;
            }
            Err(why) => return self.refuse(RefuseCode::Poison, &why.to_string()),
        };
        let Some((_, progress)) = self.sections.get_mut(&delta.section) else {
            return self.refuse(RefuseCode::Frame, "a section that this box does not want");
        };
        match progress.take(&delta) {
            Ok(_) => {
                // those that came together are applied together; the first has told the time
                if let Some(BoxAction::ApplyDelta(parts)) = self.actions.back_mut() {
                    return parts.push(signed);
                }
                self.actions.push_back(BoxAction::HubTime { unix_ms: delta.hub_time_ms });
                self.actions.push_back(BoxAction::ApplyDelta(vec![signed]));
            }
            Err(_) => self.tell_section(delta.section),
        }
    }

    /// Tells the hub where the box stands: it answers with what follows, or with a snapshot.
    fn tell_section(&mut self, section: Section) {
        if let Some((stored, taken)) = self.sections.get_mut(&section) {
            *taken = *stored;
            let have = HaveDelta { section, term: stored.term, number: stored.number, next_part: None, own: None };
            self.send(Frame::HaveDelta(have));
        }
    }

    /// Takes note of a journal that is held; `true` where it is new.
    fn upload_of(&mut self, heads: &JournalHeads) -> bool {
        let Some(branch) = heads.branches.iter().max_by_key(|branch| branch.end()) else { return false };
        let key = (heads.device, heads.epoch);
        let is_new = !self.uploads.contains_key(&key);
        let upload = self.uploads.entry(key).or_default();
        let before = upload.held.end();
        upload.held = branch.clone();
        if key.0 != self.own {
            upload.grew(before);
        }
        is_new
    }

    /// Asks for the next read, if the window and the hub's knowledge allow one.
    fn pump(&mut self) {
        let in_flight: usize = self.uploads.values().map(|upload| upload.in_flight).sum();
        if !self.is_online() || self.reading.is_some() || in_flight >= WINDOW {
            return;
        }
        // Its own journals first: money that only this box knows.
        let own = self.own;
        let next = self
            .uploads
            .iter()
            .filter_map(|(key, upload)| Some((*key, upload.next()?)))
            .min_by_key(|((device, epoch), _)| (*device != own, *device, *epoch));
        if let Some(((device, epoch), from)) = next {
            self.reading = Some((device, epoch));
            self.actions.push_back(BoxAction::ReadSegment { device, epoch, from, max: SEGMENT_ENTRIES });
        }
    }
}

/// The head of its own that the shell has not heard of yet.
fn untold(action: &BoxAction) -> Option<(u32, u32)> {
    match action {
        BoxAction::NewerSelf { epoch, head } => Some((*epoch, head.seq)),
        BoxAction::Send(_)
        | BoxAction::ReadSegment { .. }
        | BoxAction::MarkAcked(_)
        | BoxAction::ApplyDelta(_)
        | BoxAction::StoreBundle { .. }
        | BoxAction::StoreBlobPart { .. }
        | BoxAction::StoreChain(_)
        | BoxAction::Online { .. }
        | BoxAction::HubTime { .. }
        | BoxAction::ToldAll { .. }
        | BoxAction::EditAnswered(_)
        | BoxAction::Refused { .. }
        | BoxAction::Close(_) => None,
    }
}
