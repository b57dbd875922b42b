//! Who the neighbours are: devices whose certificates lead to the root.
//! Invariant: nobody's word counts before its certificate was verified, nor once the hub has revoked it.
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use domain::{
    id::{BoxNumber, DeviceId},
    lan::Presence,
    ledger::Rights,
    trust::{CertificateChain, Founding, Purpose},
};

/// A neighbour not heard of for so long is not counted on.
pub(super) const HEARD_WITHIN: Duration = Duration::from_secs(25);
/// Most neighbours that are remembered.
const NEIGHBOURS_MAX: usize = 1024;

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Neighbour {
    pub key: [u8; 32],
    pub rights: Rights,
    numbers: (u16, u16),
    box_number: BoxNumber,
    heard: Instant,
}

/// All of them.
#[derive(Default)]
pub(super) struct Neighbours(BTreeMap<DeviceId, Neighbour>);

impl Neighbours {
    /// Reads a certificate chain; `None` where it makes nobody a box of this festival.
    pub(super) fn read(presence: &Presence, founding: &Founding, now: Instant) -> Option<(DeviceId, Neighbour)> {
        let chain = CertificateChain::from_bytes(&presence.chain).ok()?;
        let certificate = chain.verify_for(founding, Purpose::Device).ok()?;
        let numbers = certificate.scope.box_numbers;
        if !(numbers.0..=numbers.1).contains(&presence.box_number.0) {
            return None;
        }
        let (rights, box_number) = (Rights::of(&certificate), presence.box_number);
        let neighbour = Neighbour { key: certificate.subject, rights, numbers, box_number, heard: now };
        Some((certificate.device(), neighbour))
    }

    pub(super) fn put(&mut self, device: DeviceId, neighbour: Neighbour) {
        if self.0.len() < NEIGHBOURS_MAX || self.0.contains_key(&device) {
            self.0.insert(device, neighbour);
        }
    }

    pub(super) fn of(&self, device: &DeviceId) -> Option<&Neighbour> {
        self.0.get(device)
    }

    pub(super) fn heard(&mut self, device: &DeviceId, now: Instant) {
        if let Some(neighbour) = self.0.get_mut(device) {
            neighbour.heard = now;
        }
    }

    pub(super) fn was_heard(&self, device: &DeviceId, now: Instant) -> bool {
        self.of(device).is_some_and(|neighbour| now.saturating_duration_since(neighbour.heard) < HEARD_WITHIN)
    }
}

impl Neighbour {
    /// The number under which its entries are shown.
    pub(super) fn box_number(&self) -> BoxNumber {
        debug_assert!((self.numbers.0..=self.numbers.1).contains(&self.box_number.0), "checked when it was read");
        self.box_number
    }
}
