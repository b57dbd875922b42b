//! The group that this box belongs to, and how one list of its members hands over to the next.
//! Invariant: a list decides once those of the one before it have said what they granted.
//! Not here: the rules of that (`domain::lan`).
use std::time::Instant;

use box_store::StoreError;
use domain::lan::{ClaimKey, Holder, LanGroup, Message};

use super::{
    super::bus::{Target, To},
    ASK, Desk,
    handing_over::HandingOver,
};

impl Desk {
    /// Takes up the group of a newer bundle.
    pub(super) fn look_at_bundle(&mut self) {
        let loaded = self.station.bundle();
        let number = loaded.bundle.body.number;
        if self.bundle == Some(number) {
            return;
        }
        let group = LanGroup::of(&loaded.bundle.lan_groups(), &self.station.device());
        if let Err(error) = group.as_ref().map_or(Ok(()), |group| self.learn(group)) {
            return tracing::warn!(%error, "the LAN's group was not taken up; trying again");
        }
        self.bundle = Some(number);
        self.connect_to(group.as_ref().map(|group| Target {
            broker: group.broker.clone(),
            group: group.number,
            festival: loaded.bundle.festival,
            device: self.station.device(),
        }));
        if group.as_ref().map(|group| group.number) != self.group.as_ref().map(|group| group.number) {
            self.handing_over = None;
        }
        self.group = group;
        self.show();
    }

    /// A connection that stands is not given up for another to the same place.
    pub(super) fn connect_to(&self, target: Option<Target>) {
        self.target.send_if_modified(|before| {
            let differs = *before != target;
            *before = target;
            differs
        });
    }

    fn learn(&mut self, group: &LanGroup) -> Result<(), StoreError> {
        let held = self.station.store.succession()?.filter(|(number, _)| *number == group.number);
        let mut state = held.map(|(_, state)| state).unwrap_or_default();
        let learned = state.learn(group);
        let started = state.hand_over_to_itself(self.station.device());
        if learned || started {
            self.station.store.set_succession(group.number, &state, Vec::new())?;
        }
        self.succession = state;
        Ok(())
    }

    /// Asks the members of the closed list for what they granted.
    pub(super) fn wait_for_handover(&mut self) -> Result<(), StoreError> {
        let Some(version) = self.succession.waits_for().map(|(_, from)| from.version) else { return Ok(()) };
        if self.connected && self.wanted_handover.is_none_or(|at| at.elapsed() > ASK) {
            self.wanted_handover = Some(Instant::now());
            self.say(To::All, &Message::WantsHandover(version));
        }
        Ok(())
    }

    /// Says the next parts of what this box granted to everybody who waits for it.
    pub(super) fn hand_over(&mut self, list: u32) -> Result<(), StoreError> {
        if !self.succession.hands_over(list) {
            return Ok(());
        }
        let mut handing_over = match self.handing_over.take().filter(|under_way| under_way.covers(list)) {
            Some(under_way) => under_way,
            None => HandingOver::of(list, &self.station.store.grants()?),
        };
        for part in handing_over.next_parts(list) {
            self.say(To::All, &part);
        }
        self.handing_over = Some(handing_over);
        Ok(())
    }

    /// A claim is given back, by this box or a neighbour.
    pub(super) fn release(&mut self, key: ClaimKey, released: Holder) -> Result<(), StoreError> {
        self.station.store.release_claim(key, released)?;
        if let Some(handing_over) = &mut self.handing_over {
            handing_over.forget(&key, &released);
        }
        Ok(())
    }
}
