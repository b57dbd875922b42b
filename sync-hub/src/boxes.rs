//! Boxes: adopting one that shows its chain, noting when it was heard, revoking it.
//! Invariant: a revocation names the last heads known; what lies beyond them counts nothing.
//! Not here: verifying the chain of a connection (`sync`).
use domain::{
    id::{BoxNumber, DeviceId},
    journal::{BlockedKind, Detail, Effect, Entry, Kind, PreviousHead, Revocation},
    ledger::Cutoff,
    trust::{Certificate, Purpose},
};

use crate::{
    hub::{Hub, HubError},
    store::{BoxKnowledge, Poison, StoredBox},
};

impl Hub {
    /// Records a box whose certificate was verified; whether its number, place or chain is new.
    pub fn adopt(&mut self, certificate: &Certificate, chain: &[u8]) -> Result<bool, HubError> {
        let device = certificate.device();
        let held = self.store.stored_box(device)?;
        let stored = StoredBox {
            device,
            number: BoxNumber(certificate.scope.box_numbers.0),
            place: certificate.scope.place.clone(),
            roles: certificate.scope.roles,
            chain: chain.to_vec(),
            last_seen_ms: self.now_ms(),
            unsent: None,
            revoked: held.as_ref().is_some_and(|held| held.revoked),
        };
        if held.is_some_and(|held| (&held.chain, &held.place) == (&stored.chain, &stored.place)) {
            // when it was heard is noted for all boxes together, now and then
            return Ok(false);
        }
        self.store.transaction::<_, HubError>(|store| Ok(store.put_box(&stored)?))?;
        self.adopt_credit_files()?;
        Ok(certificate.purpose == Purpose::Device)
    }

    /// Notes when boxes were last heard.
    pub fn note_seen(&mut self, seen: &[(DeviceId, u64)]) -> Result<(), HubError> {
        if seen.is_empty() {
            return Ok(());
        }
        self.zones_heard(seen);
        self.store.transaction(|store| {
            seen.iter().try_for_each(|(device, at_ms)| store.seen(*device, *at_ms, None))?;
            Ok(())
        })
    }

    /// Notes what boxes said that they know of the wallets.
    pub fn note_knowledge(&mut self, known: &[(DeviceId, BoxKnowledge)]) -> Result<(), HubError> {
        if known.is_empty() {
            return Ok(());
        }
        self.store.transaction(|store| {
            known.iter().try_for_each(|(device, known)| store.put_knowledge(*device, known))?;
            Ok(())
        })
    }

    /// Whether this device is revoked.
    pub fn is_revoked(&self, device: DeviceId) -> Result<bool, HubError> {
        let by_entry = self.journals.of_device(device).any(|journal| journal.cutoff != Cutoff::None);
        Ok(by_entry || self.store.stored_box(device)?.is_some_and(|stored| stored.revoked))
    }

    /// Revokes every box of this number.
    pub fn revoke_box(&mut self, number: BoxNumber, reason: &str) -> Result<Vec<DeviceId>, HubError> {
        let boxes = self.store.boxes()?.into_iter().filter(|stored| stored.number == number);
        let devices: Vec<DeviceId> = boxes.map(|stored| stored.device).collect();
        if devices.is_empty() {
            return Err(HubError::NotFound("a box of this number"));
        }
        devices.iter().try_for_each(|device| self.revoke_device(*device, reason))?;
        Ok(devices)
    }

    /// Revokes a device behind the last heads known of it.
    pub fn revoke_device(&mut self, device: DeviceId, reason: &str) -> Result<(), HubError> {
        let head = |journal: &crate::ingest::journals::Journal| {
            let head = journal.last_head()?;
            Some(PreviousHead { epoch: journal.epoch, seq: head.seq, hash: head.hash })
        };
        let heads = self.journals.of_device(device).filter_map(head).collect();
        let revocation = Revocation { heads, reason: reason.into() };
        let part = Detail::Revocation(BlockedKind::Device, revocation).to_bytes();
        let entry = Entry { part, ..self.entry(Kind::REVOCATION, Effect::Block, device.into()) };
        // first: where the entry fails the box is out all the same, and whoever asked asks again
        self.store.transaction::<_, HubError>(|store| Ok(store.set_revoked(device)?))?;
        self.cut_off.insert(device);
        self.dirty.revocations = true;
        self.act(vec![entry])?;
        Ok(())
    }

    /// Records a segment that a session refused.
    pub fn note_poison(&mut self, sender: DeviceId, reason: &str) -> Result<(), HubError> {
        let poison = Poison {
            at_ms: self.now_ms(),
            sender,
            device: sender,
            epoch: 0,
            first: 0,
            reason: reason.chars().take(400).collect(),
        };
        self.store.transaction(|store| Ok(store.add_poison(&poison)?))
    }
}

#[cfg(test)]
mod tests {
    use domain::trust::Roles;

    use crate::sample::{self, SampleBox};

    #[test]
    fn a_revocation_that_fails_halfway_leaves_the_box_out() {
        let dir = sample::hub_dir();
        let mut hub = sample::open(dir.path());
        let one = SampleBox::new(20, Roles(7));
        hub.adopt(&one.chain.verify(&sample::founding()).unwrap(), &one.chain.to_bytes()).unwrap();
        let database = rusqlite::Connection::open(dir.path().join("hub.db")).unwrap();
        let fails = "CREATE TRIGGER fails BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'not today'); END";
        database.execute_batch(fails).unwrap();
        hub.revoke_device(one.device, "stolen").unwrap_err();
        assert!(hub.is_revoked(one.device).unwrap());
        database.execute_batch("DROP TRIGGER fails").unwrap();
        hub.revoke_device(one.device, "stolen").unwrap();
        assert!(hub.revoked_devices().unwrap().contains(&one.device));
    }
}
