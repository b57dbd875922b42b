//! Journals of neighbours that a box brought and that do not hold, in one session.
//! Invariant: bounded, whatever is brought; a journal or a device that stands here is not looked at again.
//! Not here: what the box is told (`hub_side`).
use std::collections::{BTreeMap, BTreeSet};

use domain::id::DeviceId;

/// With so many of one device, nothing of it is taken.
const JOURNALS: usize = 16;
/// With so many devices, nothing of further ones is taken.
const DEVICES: usize = 64;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct NotTaken(BTreeMap<DeviceId, BTreeSet<u32>>);

impl NotTaken {
    pub(super) fn note(&mut self, device: DeviceId, epoch: u32) {
        if !self.holds(device, epoch) {
            self.0.entry(device).or_default().insert(epoch);
        }
    }

    /// Whether this journal is not to be looked at.
    pub(super) fn holds(&self, device: DeviceId, epoch: u32) -> bool {
        match self.0.get(&device) {
            Some(epochs) => epochs.len() >= JOURNALS || epochs.contains(&epoch),
            None => self.0.len() >= DEVICES,
        }
    }
}
