//! A hub node's side of a session with one box.
//! Invariant: a segment is handed to the store only when its chain and signature hold, and is acknowledged only when
//! the store said that it is on disk; whatever a box does wrong ends that box's session and no other: what it brings of
//! its neighbours is their doing, and ends none.
use std::collections::{BTreeMap, VecDeque};

use domain::{
    id::{DeviceId, FestivalId, device_id},
    journal::Head,
    trust::{Certificate, CertificateChain, Founding, Purpose},
};

use super::{CloseReason, HELLO_WITHIN_MS, Millis, Quota, SILENCE_MS, WINDOW, identify, poison};
use crate::{
    delta::{Section, SignedDelta},
    frame::{
        Ack, BUNDLE_PART, BlobPart, BundlePart, Edit, EditAnswer, Frame, HaveBundle, HaveDelta, Hello, PROTOCOL, Ping,
        Refuse, RefuseCode, Renew, SectionHeld, WantBlob, WantBundle, WantFrom, Welcome,
    },
    segment::{Segment, SegmentError},
    vector::{MAX_BRANCHES, VersionVector},
};

mod actions;
mod not_taken;

pub use actions::{BoxStanding, HubAction, HubStart, Standing, Stored};
use not_taken::NotTaken;

#[derive(Clone, Debug)]
enum State {
    Offline,
    /// The box's first frame is due.
    Waiting {
        peer: [u8; 32],
        since: Millis,
    },
    /// Its standing is being looked up; frames that come meanwhile wait (few: the box is waiting too).
    LookingUp {
        peer: [u8; 32],
        hello: Hello,
    },
    Open {
        peer: [u8; 32],
        standing: Standing,
    },
    Closing,
}

/// The state machine.
#[derive(Clone, Debug)]
pub struct HubSide {
    start: HubStart,
    festival: FestivalId,
    state: State,
    actions: VecDeque<HubAction>,
    keys: BTreeMap<DeviceId, [u8; 32]>,
    quota: Quota,
    storing: usize,
    not_taken: NotTaken,
    sections: BTreeMap<Section, Feed>,
    /// An edit is being judged.
    judging: bool,
    /// A piece of a bundle is being read, and one of a blob.
    reading: (bool, bool),
    heard: Millis,
}

/// A key, and what it signed: the head after each entry.
type Verified = ([u8; 32], Vec<Head>);

/// How far the box is with one section.
#[derive(Clone, Copy, Debug)]
struct Feed {
    term: u32,
    number: u64,
    /// A read was asked for, or a part was sent and is not confirmed.
    busy: bool,
    /// More was published meanwhile.
    again: bool,
}

impl HubSide {
    /// A side without a connection.
    pub fn new(start: HubStart) -> Self {
        Self {
            festival: start.founding.festival(),
            start,
            state: State::Offline,
            actions: VecDeque::new(),
            keys: BTreeMap::new(),
            quota: Quota::default(),
            storing: 0,
            not_taken: NotTaken::default(),
            sections: BTreeMap::new(),
            judging: false,
            reading: (false, false),
            heard: 0,
        }
    }

    /// The next thing to do.
    pub fn next_action(&mut self) -> Option<HubAction> {
        self.actions.pop_front()
    }

    /// What is left of the box's quota, to be kept when the session ends.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// A connection from whoever holds `peer_public_key`.
    pub fn connected(&mut self, peer_public_key: [u8; 32], now: Millis) {
        *self = Self::new(self.start.clone());
        self.state = State::Waiting { peer: peer_public_key, since: now };
        self.heard = now;
    }

    /// The connection is gone.
    pub fn closed(&mut self) {
        self.state = State::Offline;
        self.actions.clear();
    }

    /// A frame of the box.
    pub fn frame(&mut self, frame: Frame, now: Millis) {
        self.heard = now;
        match (self.state.clone(), frame) {
            (State::Offline | State::Closing, _) => {}
            (_, Frame::Bye) => self.close(CloseReason::Bye),
            (_, Frame::Refuse(refuse)) => self.close(CloseReason::Refused(refuse.code)),
            (State::Waiting { peer, .. }, Frame::Hello(hello)) => self.greeted(hello, peer),
            (State::Waiting { .. }, _) => self.refuse(RefuseCode::Frame, "a box says its name first"),
            (State::LookingUp { .. }, _) => self.refuse(RefuseCode::Frame, "a box waits for its welcome"),
            (State::Open { peer, standing }, frame) => self.open(frame, peer, standing, now),
        }
    }

    /// The answer to [`HubAction::LookUpBox`].
    pub fn box_known(&mut self, known: BoxStanding) {
        let State::LookingUp { peer, hello } = self.state.clone() else { return };
        self.state = State::Open { peer, standing: known.standing };
        self.quota = known.quota;
        self.keys.insert(device_id(&peer), peer);
        self.send(Frame::Welcome(Welcome {
            version: PROTOCOL,
            chain: self.start.chain.clone(),
            term: self.start.term,
            hub_time_ms: known.hub_time_ms,
        }));
        self.send(Frame::Heads(known.heads.within_limits()));
        match known.standing {
            Standing::Good => {
                for held in hello.sections {
                    self.actions.push_back(HubAction::BoxKnows { held, own: None });
                    self.sections
                        .insert(held.section, Feed { term: held.term, number: held.number, busy: false, again: false });
                    self.feed(held.section);
                }
                self.bundle_published(known.bundle.max(hello.bundle), hello.bundle);
            }
            Standing::Expired => self.say(RefuseCode::Expired, "the certificate has expired"),
            Standing::Revoked => self.say(RefuseCode::Revoked, "this box is revoked"),
        }
        if let (Some(chain), Standing::Good | Standing::Expired) = (known.renewal, known.standing) {
            self.send(Frame::Renew(Renew { chain }));
        }
    }

    /// Instead of [`Self::box_known`]: the box broke a rule a moment ago, and is not looked at before its time.
    pub fn come_later(&mut self) {
        if matches!(self.state, State::LookingUp { .. }) {
            self.refuse(RefuseCode::Quota, "this box was sent away a moment ago; come back later");
        }
    }

    /// Instead of [`Self::box_known`]: its chain leads to the root, and gives it what another box has.
    pub fn not_adopted(&mut self, why: &str) {
        if matches!(self.state, State::LookingUp { .. }) {
            self.refuse(RefuseCode::Chain, why);
        }
    }

    /// The answer to [`HubAction::ReadHeads`]: what is held, and the public key of each device that is known.
    pub fn heads_read(&mut self, heads: VersionVector, public_keys: &[[u8; 32]]) {
        for key in public_keys {
            self.keys.insert(device_id(key), *key);
        }
        if self.is_open() {
            self.send(Frame::Heads(heads.within_limits()));
        }
    }

    /// The segment is on disk.
    pub fn stored(&mut self, stored: Stored) {
        self.storing = self.storing.saturating_sub(1);
        if !self.is_open() {
            return;
        }
        let Stored { device, epoch, last, branch, branches, beyond } = stored;
        if branches > MAX_BRANCHES {
            self.actions.push_back(HubAction::TooManyBranches { device, epoch });
            // whoever brings a neighbour's has not forked it
            if self.is_peer(device) {
                return self.refuse(RefuseCode::Forked, "the journal has too many branches");
            }
        }
        if beyond && !self.is_peer(device) {
            // whoever brings it need not bring the rest
            return self.take_none_of(device, epoch, "no further journal of this device is kept".into());
        }
        let (contiguous, hash) = (branch.contiguous, branch.hash);
        self.send(Frame::Ack(Ack { device, epoch, contiguous, hash, term: self.start.term }));
        if contiguous <= last {
            self.send(Frame::WantFrom(WantFrom { device, epoch, seq: contiguous }));
        }
    }

    /// The segment could not be stored (database away, disk full).
    pub fn not_stored(&mut self) {
        self.storing = self.storing.saturating_sub(1);
        if self.is_open() {
            self.refuse(RefuseCode::Busy, "the hub cannot store at the moment");
        }
    }

    /// The answer to [`HubAction::ReadDelta`]; `None` when the box knows the newest batch.
    pub fn delta_read(&mut self, section: Section, delta: Option<SignedDelta>) {
        if !self.is_open() {
            return;
        }
        let Some(feed) = self.sections.get_mut(&section) else { return };
        match delta {
            Some(delta) => self.send(Frame::Delta(delta)),
            None => {
                feed.busy = false;
                if std::mem::take(&mut feed.again) {
                    self.feed(section);
                }
            }
        }
    }

    /// There is a new batch of `section`.
    pub fn delta_published(&mut self, section: Section) {
        self.feed(section);
    }

    /// There is a new bundle; `held` is the one that the box is known to hold.
    pub fn bundle_published(&mut self, number: u64, held: u64) {
        if number > held && matches!(self.state, State::Open { standing: Standing::Good, .. }) {
            self.send(Frame::HaveBundle(HaveBundle { number }));
        }
    }

    /// The answer to [`HubAction::ReadBlobPart`]; a piece without bytes where there is no such blob.
    pub fn blob_read(&mut self, part: BlobPart) {
        self.reading.1 = false;
        if self.is_open() {
            self.send(Frame::Blob(part));
        }
    }

    /// The answer to [`HubAction::ReadBundlePart`]; `None` when that bundle is not kept any more.
    pub fn bundle_read(&mut self, part: Option<BundlePart>) {
        self.reading.0 = false;
        if let (Some(part), true) = (part, self.is_open()) {
            self.send(Frame::Bundle(part));
        }
    }

    /// A new certificate chain for the box.
    pub fn renew(&mut self, chain: Vec<u8>) {
        if self.is_open() {
            self.send(Frame::Renew(Renew { chain }));
        }
    }

    /// The box was revoked while it is connected: it gets nothing more.
    pub fn revoked(&mut self) {
        if let State::Open { standing, .. } = &mut self.state {
            *standing = Standing::Revoked;
            self.sections.clear();
            self.say(RefuseCode::Revoked, "this box is revoked");
        }
    }

    /// Ends the session in order (the node goes down).
    pub fn leave(&mut self) {
        if !matches!(self.state, State::Offline | State::Closing) {
            self.send(Frame::Bye);
            self.close(CloseReason::Bye);
        }
    }

    /// A frame that the transport could not read.
    pub fn unreadable(&mut self, why: &str) {
        if !matches!(self.state, State::Offline | State::Closing) {
            self.refuse(RefuseCode::Frame, why);
        }
    }

    /// Time passed.
    pub fn tick(&mut self, now: Millis) {
        match self.state {
            State::Waiting { since, .. } if now.saturating_sub(since) > HELLO_WITHIN_MS => {
                self.refuse(RefuseCode::Silence, "no hello");
            }
            State::Open { .. } if now.saturating_sub(self.heard) > SILENCE_MS => self.close(CloseReason::Silence),
            State::Offline | State::Waiting { .. } | State::LookingUp { .. } | State::Open { .. } | State::Closing => {}
        }
    }

    fn is_peer(&self, device: DeviceId) -> bool {
        matches!(&self.state, State::Open { peer, .. } if device_id(peer) == device)
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    fn send(&mut self, frame: Frame) {
        self.actions.push_back(HubAction::Send(frame));
    }

    fn close(&mut self, reason: CloseReason) {
        self.state = State::Closing;
        self.actions.push_back(HubAction::Close(reason));
    }

    fn say(&mut self, code: RefuseCode, text: &str) {
        self.send(Frame::Refuse(Refuse { code: code.number(), text: text.into() }));
    }

    fn refuse(&mut self, code: RefuseCode, text: &str) {
        self.say(code, text);
        self.close(CloseReason::Refusing(code));
    }

    fn greeted(&mut self, hello: Hello, peer: [u8; 32]) {
        if hello.version != PROTOCOL {
            return self.refuse(RefuseCode::Version, "this hub speaks version 1");
        }
        if hello.festival != self.festival {
            return self.refuse(RefuseCode::Festival, "another festival");
        }
        match identify(&hello.chain, &self.start.founding, Purpose::Device, &peer) {
            Ok(certificate) if certificate.device() == hello.device => {
                let further = match further(&hello, &self.start.founding) {
                    Ok(further) => further,
                    Err(why) => return self.refuse(RefuseCode::Chain, &why),
                };
                self.state = State::LookingUp { peer, hello: hello.clone() };
                let device = hello.device;
                self.actions.push_back(HubAction::LookUpBox { device, certificate, further, hello });
            }
            Ok(_) => self.refuse(RefuseCode::Key, "the name is not that of the key"),
            Err((code, text)) => self.refuse(code, &text),
        }
    }

    fn open(&mut self, frame: Frame, peer: [u8; 32], standing: Standing, now: Millis) {
        let is_good = standing == Standing::Good;
        if self.is_unasked(&frame) && !self.quota.take_frame(now) {
            return self.refuse(RefuseCode::Flood, "more frames than this box may send; come back later");
        }
        match frame {
            Frame::Heads(vector) => {
                let mut devices: Vec<DeviceId> = vector.journals().iter().map(|journal| journal.device).collect();
                devices.dedup();
                self.actions.push_back(HubAction::ReadHeads(devices));
            }
            Frame::Segment(segment) => self.segment(segment, &peer, now),
            Frame::HaveDelta(have) if is_good => self.confirmed(have),
            Frame::HaveBundle(HaveBundle { number }) => self.actions.push_back(HubAction::BoxHasBundle(number)),
            Frame::WantBundle(WantBundle { number, offset }) if is_good => {
                self.reading.0 = true;
                self.actions.push_back(HubAction::ReadBundlePart { number, offset, max: BUNDLE_PART });
            }
            Frame::Edit(edit) if is_good => self.edit(edit, now),
            Frame::WantBlob(WantBlob { hash, offset }) if is_good => {
                self.reading.1 = true;
                self.actions.push_back(HubAction::ReadBlobPart { hash, offset, max: BUNDLE_PART });
            }
            // It asked before it knew that it is revoked.
            Frame::HaveDelta(_) | Frame::WantBundle(_) | Frame::WantBlob(_) | Frame::Edit(_) => {}
            Frame::Ping(Ping { token, time_ms }) => {
                let time_ms = if is_good && self.has_told_all() { time_ms } else { 0 };
                self.send(Frame::Pong(Ping { token, time_ms }));
            }
            Frame::Pong(_) => {}
            Frame::Hello(_)
            | Frame::Welcome(_)
            | Frame::WantFrom(_)
            | Frame::Ack(_)
            | Frame::Delta(_)
            | Frame::Bundle(_)
            | Frame::Blob(_)
            | Frame::Refuse(_)
            | Frame::Renew(_)
            | Frame::EditAnswer(_)
            | Frame::Bye => self.refuse(RefuseCode::Frame, "not a box's frame"),
        }
    }

    /// Whether a box could send such frames without end: those that carry entries have bounds of their own, and a piece
    /// is asked for when the one before is there.
    fn is_unasked(&self, frame: &Frame) -> bool {
        match frame {
            Frame::Heads(_) | Frame::HaveBundle(_) | Frame::Ping(_) | Frame::Pong(_) => true,
            Frame::HaveDelta(have) => self.sections.get(&have.section).is_none_or(|feed| !feed.busy),
            Frame::WantBundle(_) => self.reading.0,
            Frame::WantBlob(_) => self.reading.1,
            Frame::Hello(_)
            | Frame::Welcome(_)
            | Frame::WantFrom(_)
            | Frame::Segment(_)
            | Frame::Ack(_)
            | Frame::Delta(_)
            | Frame::Bundle(_)
            | Frame::Refuse(_)
            | Frame::Renew(_)
            | Frame::Edit(_)
            | Frame::EditAnswer(_)
            | Frame::Blob(_)
            | Frame::Bye => false,
        }
    }

    fn edit(&mut self, edit: Edit, now: Millis) {
        if self.judging {
            return self.refuse(RefuseCode::Flood, "an edit before the last one was answered");
        }
        if !self.quota.take(1, edit.envelope.len() as u64, now) {
            return self.refuse(RefuseCode::Quota, "more than this box may send; come back later");
        }
        self.judging = true;
        self.actions.push_back(HubAction::JudgeEdit(edit));
    }

    /// The answer to [`HubAction::JudgeEdit`], on disk; `None` when the hub cannot judge at the moment.
    pub fn edit_judged(&mut self, answer: Option<EditAnswer>) {
        self.judging = false;
        if self.is_open() {
            match answer {
                Some(answer) => self.send(Frame::EditAnswer(answer)),
                None => self.refuse(RefuseCode::Busy, "the hub cannot judge an edit at the moment"),
            }
        }
    }

    fn segment(&mut self, segment: Segment, peer: &[u8; 32], now: Millis) {
        if self.storing >= WINDOW.saturating_mul(2) {
            return self.refuse(RefuseCode::Flood, "too many segments without an acknowledgement");
        }
        if !self.quota.take(segment.bodies.len() as u64, segment.body_bytes() as u64, now) {
            return self.refuse(RefuseCode::Quota, "more than this box may send; come back later");
        }
        let (device, epoch) = (segment.device, segment.epoch);
        let is_own = device == device_id(peer);
        if !is_own && self.not_taken.holds(device, epoch) {
            return self.want_no_more_of(device, epoch);
        }
        match self.verified(&segment, peer) {
            Ok(Some((key, heads))) => {
                self.keys.insert(device, key);
                self.storing = self.storing.saturating_add(1);
                self.actions.push_back(HubAction::StoreSegment { segment, heads });
            }
            // Nobody here has seen this journal's start: it comes first.
            Ok(None) => self.ask_from(device, epoch, 0),
            Err(why) if is_own => self.refuse(RefuseCode::Poison, &poison(&why)),
            // The forwarder had it from whoever holds that key, or from its own disk: the session goes on without it.
            Err(why) => self.take_none_of(device, epoch, poison(&why)),
        }
    }

    /// Ends a neighbour's journal for this session.
    fn take_none_of(&mut self, device: DeviceId, epoch: u32, why: String) {
        self.not_taken.note(device, epoch);
        self.actions.push_back(HubAction::NotTaken { device, epoch, why });
        self.want_no_more_of(device, epoch);
    }

    /// A box sends nothing from where it holds nothing: of this journal nothing more comes in this session.
    fn want_no_more_of(&mut self, device: DeviceId, epoch: u32) {
        self.ask_from(device, epoch, u32::MAX);
    }

    /// Answers a segment that is not stored.
    fn ask_from(&mut self, device: DeviceId, epoch: u32, seq: u32) {
        self.send(Frame::Ack(Ack { device, epoch, contiguous: 0, hash: [0; 16], term: self.start.term }));
        self.send(Frame::WantFrom(WantFrom { device, epoch, seq }));
    }

    /// Whether a segment holds; `None` where nobody knows the key that would tell.
    fn verified(&self, segment: &Segment, peer: &[u8; 32]) -> Result<Option<Verified>, SegmentError> {
        let Some(key) = self.key_of(segment, peer)? else { return Ok(None) };
        Ok(Some((key, segment.verify(self.festival, &key)?)))
    }

    /// The key that signs this journal: the peer's own, one that is known, or the one its genesis names with a
    /// certificate chain that leads to the root.
    fn key_of(&self, segment: &Segment, peer: &[u8; 32]) -> Result<Option<[u8; 32]>, SegmentError> {
        if segment.first == 0 {
            return Ok(Some(segment.opened_by(&self.start.founding)?.subject));
        }
        Ok(if segment.device == device_id(peer) { Some(*peer) } else { self.keys.get(&segment.device).copied() })
    }

    /// Whether the box has all of what it wants on disk: nothing is being read for it, and it has confirmed what was sent.
    fn has_told_all(&self) -> bool {
        self.sections.values().all(|feed| !feed.busy)
    }

    fn feed(&mut self, section: Section) {
        let Some(feed) = self.sections.get_mut(&section) else { return };
        if feed.busy {
            feed.again = true;
            return;
        }
        feed.busy = true;
        let (term, number) = (feed.term, feed.number);
        self.actions.push_back(HubAction::ReadDelta { section, term, number, resume: None });
    }

    fn confirmed(&mut self, have: HaveDelta) {
        let HaveDelta { section, term, number, next_part, own } = have;
        let Some(feed) = self.sections.get_mut(&section) else { return };
        match next_part {
            Some(part) => {
                let action = HubAction::ReadDelta {
                    section,
                    term: feed.term,
                    number: feed.number,
                    resume: Some((number, part)),
                };
                self.actions.push_back(action);
            }
            None => {
                *feed = Feed { term, number, busy: false, again: false };
                self.actions.push_back(HubAction::BoxKnows { held: SectionHeld { section, term, number }, own });
                self.feed(section);
            }
        }
    }
}

/// Verifies the further chains that a box shows.
fn further(hello: &Hello, founding: &Founding) -> Result<Vec<Certificate>, String> {
    let verified = hello.further.iter().map(|chain| {
        let chain = CertificateChain::from_bytes(chain).map_err(|why| why.to_string())?;
        chain.verify(founding).map_err(|why| why.to_string())
    });
    verified.collect()
}
