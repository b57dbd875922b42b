//! What is under way between boxes and hub: late, twice, in another order, or waiting for a line.
//! Invariant: nothing is lost for ever but what a lost or lying box never sends.
//! Not here: real QUIC (`quic`), what arrives means (`hub`, `keeper`).
use std::{collections::VecDeque, rc::Rc};

use domain::id::EntryRef;

use crate::{
    hub::{Publication, Sent},
    world::World,
};

/// Messages that wait at most, for each world; what comes beyond is sent again at the next exchange.
const BOUND: usize = 256;

enum Message {
    Up(Vec<Sent>),
    Down(Rc<Publication>),
}

/// See the module.
#[derive(Default)]
pub(crate) struct Network {
    under_way: VecDeque<(usize, usize, Message)>,
}

impl World<'_> {
    /// Boxes that hear the hub send what they have, and the hub tells them what it made of it.
    pub(crate) fn exchange(&mut self) {
        for at in 0..self.places.len() {
            if self.is_online(at) {
                self.send_up(at);
            }
        }
        let publication = self.publish();
        for at in 0..self.places.len() {
            if self.is_online(at) {
                let late = if self.dice.one_in(4) { self.dice.below(40) } else { 1 };
                self.send(late, at, Message::Down(Rc::clone(&publication)));
            }
        }
    }

    /// The hub folds and publishes; the reference notes who is in it.
    pub(crate) fn publish(&mut self) -> Rc<Publication> {
        let publication = self.hub.publish();
        for passed in self.reference.passed.iter_mut().filter(|passed| passed.published.is_none()) {
            if self.hub.has(passed.at, passed.hash) {
                passed.published = Some(publication.number);
            }
        }
        for moved in self.reference.moved.iter_mut().filter(|moved| moved.published.is_none()) {
            if self.hub.has(moved.at, moved.hash) {
                moved.taken = moved.taken.or(Some(publication.number));
                let is_founded = moved.of.is_none_or(|(at, hash)| self.hub.has(at, hash));
                moved.published = is_founded.then_some(publication.number);
            }
        }
        for spent in self.reference.spent.iter_mut().filter(|spent| spent.published.is_none()) {
            if self.hub.has(spent.at, spent.hash) {
                spent.published = Some(publication.number);
            }
        }
        publication
    }

    fn send_up(&mut self, at: usize) {
        let place = &self.places[at];
        let withheld = place.withheld;
        let mut batches = Vec::new();
        let keepers = std::iter::once(&place.keeper).chain(&place.twin);
        for keeper in keepers {
            let (last, _) = keeper.epoch();
            for epoch in 0..=last {
                let at = |seq| EntryRef { device: place.device, epoch, seq };
                // where the hub's line ends on this disk, nothing before it need be looked at
                let end = self.hub.line_end(place.device, epoch);
                let agreed = end.filter(|(length, hash)| keeper.hash(at(length - 1)) == Some(*hash));
                let mut all = keeper.sent_from(epoch, agreed.map_or(0, |(length, _)| length));
                if agreed.is_none() {
                    all.drain(..self.hub.in_common(&all));
                }
                all.retain(|sent| Some(sent.at) != withheld);
                if !all.is_empty() {
                    batches.push(all);
                }
            }
        }
        for mut all in batches {
            while !all.is_empty() {
                let rest = all.split_off(all.len().min(1 + self.dice.below(12)));
                let late = if self.dice.one_in(4) { self.dice.below(40) } else { 0 };
                if self.dice.one_in(12) {
                    self.send(late + 3, at, Message::Up(all.clone()));
                }
                self.send(late, at, Message::Up(all));
                all = rest;
            }
        }
        self.deliver();
    }

    fn send(&mut self, late: usize, at: usize, message: Message) {
        if self.network.under_way.len() < BOUND {
            self.network.under_way.push_back((self.step + late, at, message));
        }
    }

    /// Hands over what is due and whose line is there.
    pub(crate) fn deliver(&mut self) {
        let mut waiting = VecDeque::new();
        while let Some((due, at, message)) = self.network.under_way.pop_front() {
            if due > self.step || !self.is_online(at) {
                waiting.push_back((due, at, message));
                continue;
            }
            match message {
                Message::Up(sent) => self.hub.take(&sent),
                Message::Down(publication) => self.tell(at, &publication),
            }
        }
        self.network.under_way = waiting;
    }

    /// A box hears the hub. One that finds a head of its own which it lacks goes on in a new epoch.
    pub(crate) fn tell(&mut self, at: usize, publication: &Rc<Publication>) {
        let lies = self.places[at].twin.is_some();
        let newer = self.places[at].keeper.learn(publication);
        self.was_told(at);
        if newer && !lies {
            self.next_epoch(at);
        }
    }

    /// What a box has on its disk of the hub's word; one without power tells when it has some again.
    pub(crate) fn was_told(&mut self, at: usize) {
        if !self.places[at].keeper.is_dead() {
            self.reference.told[at] = self.places[at].keeper.heard();
        }
    }

    /// Goes on in a new epoch under a new number.
    pub(crate) fn next_epoch(&mut self, at: usize) {
        let place = &mut self.places[at];
        let number = domain::id::BoxNumber(place.next_number);
        place.next_number += 1;
        place.keeper.new_epoch(number);
        let (epoch, _) = place.keeper.epoch();
        self.enrols(at);
        self.tally.epochs += 1;
        let name = self.name(at);
        self.note(|| format!("{name} found that its disk was set back, and goes on in epoch {epoch}"));
    }

    /// The hub knows a box's epoch by its genesis, and the box by its number, also where the power failed in between.
    pub(crate) fn enrols(&mut self, at: usize) {
        let place = &mut self.places[at];
        if place.keeper.is_dead() {
            return;
        }
        let (epoch, number) = place.keeper.epoch();
        if place.context.box_number != number {
            place.context = self.festival.tap_context(place.device, number);
        }
        self.hub.enrol(place.device, epoch, number, crate::festival::rights(Some(place.role)));
    }

    /// Everybody is connected and nothing is under way any more.
    pub(crate) fn heal(&mut self) {
        for place in &mut self.places {
            place.offline_until = 0;
        }
        for _ in 0..3 {
            self.step += 50;
            self.deliver();
            for at in 0..self.places.len() {
                if self.is_online(at) {
                    self.send_up(at);
                }
            }
            self.step += 50;
            self.deliver();
            let publication = self.publish();
            for at in 0..self.places.len() {
                if self.is_online(at) {
                    self.tell(at, &publication);
                }
            }
        }
    }
}
