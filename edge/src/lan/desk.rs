//! One thread that hears the neighbours, rules on their claims and makes this box's own.
//! Invariant: nothing is believed before its sender's certificate and signature were checked, and nothing is answered before
//! it is on disk.
//! Not here: the bus itself (`bus`), the rules (`domain::lan`).
mod group;
mod handing_over;
mod telling;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, SyncSender},
    },
    time::{Duration, Instant},
};

use box_store::{Heard, OwnClaim, StoreError};
use domain::{
    id::{DeviceId, EntryRef},
    journal::Kind,
    lan::{
        Answer, COMMITS_IN_ANSWER, ClaimKey, Claims, Envelope, Holder, LanGroup, MESSAGE_MAX, Message, Order, Outcome,
        Presence, Ruling, Succession, Told, Verdict,
    },
    trust::Founding,
};
use tokio::sync::{mpsc, watch};

use self::{handing_over::HandingOver, telling::Chunk};
use super::{
    COPIED_WITHIN, Decided, ToDesk,
    bus::{Target, To},
    neighbours::Neighbours,
    taken_from_queue,
};
use crate::station::Station;

const LOOK: Duration = Duration::from_millis(500);
const PRESENCE: Duration = Duration::from_secs(8);
/// Strangers are asked who they are at most so often.
const ASK: Duration = Duration::from_secs(1);

pub(super) struct Desk {
    station: Arc<Station>,
    bus: mpsc::Sender<(To, Vec<u8>)>,
    target: watch::Sender<Option<Target>>,
    bundle: Option<u64>,
    group: Option<LanGroup>,
    succession: Succession,
    claims: Claims,
    waiting: BTreeMap<Holder, SyncSender<Decided>>,
    copies_wanted: Vec<(EntryRef, Instant, SyncSender<bool>)>,
    chunks: VecDeque<Chunk>,
    /// Epoch and position of the next own entry to tell.
    next: Option<(u32, u32)>,
    /// A neighbour came that may lack what was told before it.
    asked_again: bool,
    told_again: Option<Instant>,
    neighbours: Neighbours,
    connected: bool,
    started: Instant,
    looked: Option<Instant>,
    said_presence: Option<Instant>,
    asked: Option<Instant>,
    wanted_handover: Option<Instant>,
    handing_over: Option<HandingOver>,
}

impl Desk {
    pub(super) fn new(
        station: Arc<Station>,
        bus: mpsc::Sender<(To, Vec<u8>)>,
        target: watch::Sender<Option<Target>>,
    ) -> Self {
        Self {
            station,
            bus,
            target,
            bundle: None,
            group: None,
            succession: Succession::default(),
            claims: Claims::default(),
            waiting: BTreeMap::new(),
            copies_wanted: Vec::new(),
            chunks: VecDeque::new(),
            next: None,
            asked_again: false,
            told_again: None,
            neighbours: Neighbours::default(),
            connected: false,
            started: Instant::now(),
            looked: None,
            said_presence: None,
            asked: None,
            wanted_handover: None,
            handing_over: None,
        }
    }

    /// Works until it is told to stop.
    pub(super) fn serve(mut self, from_others: &Receiver<ToDesk>) {
        loop {
            // however much there is to hear
            if self.looked.is_none_or(|at| at.elapsed() >= LOOK) {
                self.looked = Some(Instant::now());
                self.housekeeping();
            }
            match from_others.recv_timeout(self.patience()) {
                Ok(ToDesk::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(work) => {
                    if let Err(error) = self.work(work) {
                        tracing::warn!(code = error.code(), %error, "the store did not serve the LAN");
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Err(error) = self.tell_again() {
                tracing::warn!(%error, "the LAN was not told again");
            }
            self.claims.tick(self.now_us());
            self.carry_out();
            self.answer_copies();
        }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn patience(&self) -> Duration {
        let next = self.claims.next_tick_us().map(|at| Duration::from_micros(at.saturating_sub(self.now_us())));
        let copy = self.copies_wanted.iter().map(|(_, since, _)| COPIED_WITHIN.saturating_sub(since.elapsed())).min();
        let look = self.looked.map_or(Duration::ZERO, |at| LOOK.saturating_sub(at.elapsed()));
        next.into_iter().chain(copy).fold(look, Duration::min).max(Duration::from_millis(1))
    }

    fn work(&mut self, work: ToDesk) -> Result<(), StoreError> {
        match work {
            ToDesk::Claim(key, since, answer) => self.claim(key, since, answer)?,
            ToDesk::Concluded(key) => self.claims.concluded(&key),
            ToDesk::GiveBack(key, claim) => self.claims.give_back(key, claim),
            ToDesk::WaitForCopy(entry, since, answer) => {
                self.copies_wanted.push((entry, since, answer));
                self.tell()?;
            }
            ToDesk::Connected(connected) => self.connected(connected)?,
            ToDesk::Changed => {
                self.station.lan.told_of_change.store(false, Ordering::SeqCst);
                self.look_at_bundle();
                self.tell()?;
            }
            ToDesk::Heard(bytes) => {
                taken_from_queue(&self.station.lan.heard);
                self.hear(&bytes)?;
            }
            ToDesk::Stop => {}
        }
        Ok(())
    }

    fn housekeeping(&mut self) {
        self.look_at_bundle();
        self.handing_over.take_if(|under_way| under_way.is_over());
        if let Err(error) = self.wait_for_handover() {
            tracing::warn!(%error, "the LAN's group");
        }
        if self.connected && self.said_presence.is_none_or(|at| at.elapsed() > PRESENCE) {
            self.say_presence(false);
        }
        self.show();
    }

    // --- own claims ---------------------------------------------------------------------------------------------

    fn claim(&mut self, key: ClaimKey, since: Instant, answer: SyncSender<Decided>) -> Result<(), StoreError> {
        let device = self.station.device();
        let list = self.succession.active().filter(|list| list.votes(&device) > 0).cloned();
        let say = |decided| {
            // nothing was claimed: who gave up waiting misses nothing
            let _ = answer.send(decided);
        };
        let Some(list) = list.filter(|list| self.connected || list.is_majority(list.votes(&device))) else {
            say(Decided::Alone(None));
            return Ok(());
        };
        if self.claims.is_busy(&key) {
            say(Decided::Taken);
            return Ok(());
        }
        match self.station.store.claim(key) {
            Ok(OwnClaim::Made(me)) => {
                self.waiting.insert(me, answer);
                let waited = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.claims.begin(&list, key, me, self.now_us().saturating_sub(waited));
                Ok(())
            }
            Ok(OwnClaim::Refused(_)) => {
                say(Decided::Taken);
                Ok(())
            }
            Err(error) => {
                // whatever is decided now fails at the same disk
                say(Decided::Alone(None));
                Err(error)
            }
        }
    }

    fn carry_out(&mut self) {
        while let Some(order) = self.claims.next_order() {
            let done = match order {
                Order::Claim(list, key, claimant) => {
                    self.say(To::All, &Message::Claim { list, key, claimant });
                    Ok(())
                }
                Order::Teach(to, list, key, claimant) => self.teach(to, list, key, claimant),
                Order::Release(key, released) => {
                    let off_disk = self.release(key, released);
                    off_disk.map(|()| self.say(To::All, &Message::Release { key, released }))
                }
                Order::Ended(key, me, outcome) => {
                    let decided = match outcome {
                        Outcome::Confirmed => Decided::Group(me),
                        Outcome::Alone => Decided::Alone(Some(me)),
                        Outcome::Taken => Decided::Taken,
                    };
                    let heard = self.waiting.remove(&me).is_some_and(|answer| answer.send(decided).is_ok());
                    // whoever gave up waiting let nobody in on it
                    if !heard && outcome != Outcome::Taken {
                        self.claims.give_back(key, me);
                    }
                    Ok(())
                }
            };
            if let Err(error) = done {
                tracing::warn!(%error, "a claim");
            }
        }
    }

    fn teach(&mut self, to: DeviceId, list: u32, key: ClaimKey, claimant: Holder) -> Result<(), StoreError> {
        for told in self.station.store.commits_about(&key.subject, COMMITS_IN_ANSWER)? {
            self.say(To::One(to), &Message::Commit(told));
        }
        self.say(To::One(to), &Message::Claim { list, key, claimant });
        Ok(())
    }

    // --- what neighbours say ------------------------------------------------------------------------------------

    fn hear(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let Ok(envelope) = Envelope::read(bytes) else { return Ok(()) };
        let festival = self.station.bundle().bundle.festival;
        let (sender, now) = (envelope.sender, Instant::now());
        if let Message::Commit(told) = envelope.message {
            return self.hear_commit(told);
        }
        if let Message::Presence(presence) = &envelope.message {
            let founding = &self.station.enrolled().founding;
            let Some((device, neighbour)) = Neighbours::read(presence, founding, now) else { return self.suspect() };
            if device != sender || envelope.check(bytes, &festival, &neighbour.key).is_err() {
                return self.suspect();
            }
            self.neighbours.put(device, neighbour);
            if presence.asks {
                self.asked_again = true;
                self.say_presence(false);
            }
            self.show();
            return Ok(());
        }
        let Some(neighbour) = self.neighbours.of(&sender) else {
            self.ask_who_they_are();
            return Ok(());
        };
        if envelope.check(bytes, &festival, &neighbour.key).is_err() {
            return self.suspect();
        }
        if self.station.store.read(|view| view.is_revoked(&sender))? {
            return self.suspect();
        }
        self.neighbours.heard(&sender, now);
        self.believe(sender, envelope.message)
    }

    /// What a neighbour said, its signature checked.
    fn believe(&mut self, sender: DeviceId, message: Message) -> Result<(), StoreError> {
        match message {
            Message::Claim { list, key, claimant } if claimant.device == sender => {
                self.rule_on(list, key, claimant)?;
            }
            Message::Answer(answer) if answer.to.device == self.station.device() => {
                let Answer { to, list, key, verdict, commits } = answer;
                for told in commits {
                    self.hear_commit(told)?;
                }
                self.claims.answered(sender, list, key, to, verdict, self.now_us());
            }
            Message::Release { key, released } if released.device == sender => {
                self.release(key, released)?;
                self.claims.heard_release(&key, &released);
            }
            Message::WantsHandover(list) => self.hand_over(list)?,
            Message::Handover { list, part, grants } => {
                let mut state = self.succession.clone();
                let before = state.clone();
                let starts = state.handed_over(sender, list, part);
                if let Some(group) = self.group.as_ref().filter(|_| state != before || starts) {
                    self.station.store.set_succession(group.number, &state, grants)?;
                    self.succession = state;
                    self.show();
                }
            }
            Message::Copy { device, epoch, seq, hash } if device == self.station.device() => {
                if self.station.store.is_own_commit(epoch, seq, &hash)? {
                    let mine = self.chunks.iter_mut().find(|chunk| (chunk.epoch, chunk.last) == (epoch, seq));
                    mine.into_iter().for_each(|chunk| chunk.copied = true);
                    self.show();
                }
            }
            Message::Copy { .. } => {}
            // somebody speaks for somebody else, or to somebody else
            Message::Claim { .. } | Message::Release { .. } | Message::Answer(_) => return self.suspect(),
            Message::Presence(_) | Message::Commit(_) => {}
        }
        Ok(())
    }

    fn rule_on(&mut self, list: u32, key: ClaimKey, claimant: Holder) -> Result<(), StoreError> {
        let me = self.station.device();
        let may = self.succession.active().is_some_and(|active| {
            active.version == list && active.votes(&me) > 0 && active.votes(&claimant.device) > 0
        });
        if !may {
            return Ok(());
        }
        let verdict = match self.station.store.rule_on(key, claimant)? {
            Ruling::Grant(_) => Verdict::Granted,
            Ruling::Taken(other) => Verdict::Taken(other),
            Ruling::Ahead(known) => Verdict::Ahead(known),
            Ruling::Behind(known) => Verdict::Behind(known),
            Ruling::Stale => return Ok(()),
        };
        let mut commits = Vec::new();
        if matches!(verdict, Verdict::Taken(_) | Verdict::Ahead(_)) {
            commits = self.station.store.commits_about(&key.subject, COMMITS_IN_ANSWER)?;
            let mut room = MESSAGE_MAX / 2;
            commits.retain(|told| {
                let length = told.to_bytes().len();
                let fits = length <= room;
                room = room.saturating_sub(if fits { length } else { 0 });
                fits
            });
        }
        self.say(To::One(claimant.device), &Message::Answer(Answer { to: claimant, list, key, verdict, commits }));
        Ok(())
    }

    fn hear_commit(&mut self, told: Told) -> Result<(), StoreError> {
        if told.device == self.station.device() {
            return Ok(());
        }
        let bundle = &self.station.bundle().bundle;
        let Some(neighbour) = self.neighbours.of(&told.device) else {
            self.ask_who_they_are();
            return Ok(());
        };
        let Ok(head) = told.check(&bundle.festival, &neighbour.key) else { return self.suspect() };
        let allowed =
            told.entries().all(|(_, entry)| neighbour.rights.judge(&entry, told.device, bundle.currency()).is_ok())
                && opens_where_it_begins(&told, &neighbour.key, &self.station.enrolled().founding);
        let (author, epoch, number) = (told.device, told.epoch, neighbour.box_number());
        if !allowed || self.station.store.read(|view| view.is_revoked(&author))? {
            return self.suspect();
        }
        match self.station.store.hear_commit(told, head, number)? {
            Heard::New | Heard::Known => {
                let hash = *head.hash.first_chunk().unwrap_or(&[0; 16]);
                self.say(To::One(author), &Message::Copy { device: author, epoch, seq: head.seq, hash });
            }
            // not on this disk: its box must not believe that it is
            Heard::Covered => {}
            Heard::Conflict => {
                tracing::error!(device = %author, epoch, seq = head.seq, "a neighbour has signed two histories");
                self.station.alert("lan.two_histories", [("number".into(), number.0.to_string())].into());
                return self.suspect();
            }
            Heard::Full => drop(self.station.lan.numbers.dropped.inc()),
        }
        Ok(())
    }

    fn suspect(&self) -> Result<(), StoreError> {
        self.station.lan.numbers.suspicious.inc();
        Ok(())
    }

    fn ask_who_they_are(&mut self) {
        if self.asked.is_none_or(|at| at.elapsed() > ASK) {
            self.asked = Some(Instant::now());
            self.say_presence(true);
        }
    }

    // --- what this box says -------------------------------------------------------------------------------------

    fn connected(&mut self, connected: bool) -> Result<(), StoreError> {
        self.connected = connected;
        if connected {
            self.next = None;
            self.say_presence(true);
            self.claims.say_releases_again();
            self.tell()?;
            self.wait_for_handover()?;
        }
        self.show();
        self.station.changed();
        Ok(())
    }

    fn say_presence(&mut self, asks: bool) {
        let head = self.station.store.read(|view| view.head()).ok().flatten();
        let Some(head) = head else { return };
        self.said_presence = Some(Instant::now());
        let presence = Presence {
            epoch: head.at.epoch,
            box_number: head.box_number,
            list: self.succession.active().map_or(0, |list| list.version),
            asks,
            chain: self.station.enrolled().chain.clone(),
        };
        self.say(To::All, &Message::Presence(presence));
    }

    fn say(&self, to: To, message: &Message) {
        let Some(group) = self.group.as_ref().filter(|_| self.connected) else { return };
        let festival = self.station.bundle().bundle.festival;
        let bytes = Envelope::seal(&festival, group.number, &self.station.enrolled().identity, message);
        if bytes.len() > MESSAGE_MAX || self.bus.try_send((to, bytes)).is_err() {
            self.station.lan.numbers.dropped.inc();
        }
    }

    fn show(&self) {
        let (now, me) = (Instant::now(), self.station.device());
        let active = self.succession.active();
        let voters = active.map_or(&[][..], |list| &list.voters);
        let is_there = |device: &DeviceId| *device == me || self.connected && self.neighbours.was_heard(device, now);
        let there = voters.iter().filter(|voter| is_there(&voter.device));
        let votes = there.clone().map(|voter| u32::from(voter.votes)).sum();
        let newest = self.chunks.back().is_some_and(|chunk| chunk.copied || self.is_at_hub(chunk));
        let before = self.station.lan.status();
        self.station.lan.set_status(|status| {
            status.group = self.group.as_ref().map(|group| group.number);
            status.list = active.map_or(0, |list| list.version);
            status.copies = self.group.as_ref().map_or(1, |group| group.copies);
            status.connected = self.connected;
            status.voters = voters.len();
            status.heard = there.count();
            status.is_group = active.is_some_and(|list| list.votes(&me) > 0 && list.is_majority(votes));
            status.newest_is_copied = newest;
        });
        if self.station.lan.status() != before {
            self.station.changed();
        }
    }
}

/// Whether a journal's start, and only that, is a genesis which the hub takes: what it does not take is not kept to be
/// forwarded.
fn opens_where_it_begins(told: &Told, key: &[u8; 32], founding: &Founding) -> bool {
    let inside = told.entries().any(|(seq, entry)| seq > 0 && entry.kind == Kind::GENESIS);
    if inside || told.first > 0 {
        return !inside;
    }
    let segment = box_store::segment_of(told.clone());
    segment.opened_by(founding).is_ok() && segment.verify(founding.festival(), key).is_ok()
}

#[cfg(test)]
mod tests;
