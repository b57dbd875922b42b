//! The group that this box belongs to, and how one list of its members hands over to the next.
//! Invariant: a list decides once those of the one before it have said what they granted.
//! Not here: the rules of that (`domain::lan`).
use std::time::Instant;

use box_store::StoreError;
use domain::{
    id::DeviceId,
    lan::{ClaimKey, GRANTS_IN_PART, HANDOVER_PARTS_MAX, Holder, LanGroup, Message, Part},
};

use super::{
    super::bus::{Target, To},
    ASK, Desk,
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
        self.target.send_replace(group.as_ref().map(|group| Target {
            broker: group.broker.clone(),
            group: group.number,
            festival: loaded.bundle.festival,
            device: self.station.device(),
        }));
        self.group = group;
        self.show();
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

    pub(super) fn hand_over(&mut self, to: DeviceId, list: u32) -> Result<(), StoreError> {
        let again = self.handed_over.get(&to).is_some_and(|at| at.elapsed() < ASK);
        if again || !self.succession.hands_over(list) {
            return Ok(());
        }
        self.handed_over.insert(to, Instant::now());
        let grants = self.station.store.grants()?;
        let chunks: Vec<&[_]> = if grants.is_empty() { vec![&[]] } else { grants.chunks(GRANTS_IN_PART).collect() };
        let Some(parts) = u16::try_from(chunks.len()).ok().filter(|parts| *parts <= HANDOVER_PARTS_MAX) else {
            tracing::error!(grants = grants.len(), "too many grants to hand over");
            return Ok(());
        };
        let whole = whole(&grants);
        for (part, grants) in (0..).zip(chunks) {
            let part = Part { whole, part, parts };
            self.say(To::One(to), &Message::Handover { list, part, grants: grants.to_vec() });
        }
        Ok(())
    }
}

/// Names a handover by what it holds.
fn whole(grants: &[(ClaimKey, Holder)]) -> u64 {
    let mut out = domain::wire::Writer::new();
    for (key, holder) in grants {
        key.write(&mut out);
        holder.write(&mut out);
    }
    domain::lan::name_of(&out.finish())
}
