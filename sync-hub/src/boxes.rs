//! Boxes: adopting one that shows its chain, noting when it was heard, revoking it.
//! Invariant: a revocation names the last heads known; what lies beyond them counts nothing. No two devices have a number
//! in common: whoever comes second is refused until he is enrolled again.
//! Not here: verifying the chain of a connection (`sync`).
use std::collections::BTreeSet;

use domain::{
    id::{BoxNumber, DeviceId},
    journal::{BlockedKind, Detail, Effect, Entry, Kind, PreviousHead, Revocation},
    ledger::Cutoff,
    trust::{Certificate, CertificateChain, Purpose, Roles},
};

use crate::{
    hub::{Hub, HubError},
    store::{BoxKnowledge, Poison, StoredBox},
};

/// Most boxes with numbers of another one that the console names.
const TAKEN_MAX: usize = 64;
/// Boxes that are looked at for a number that is taken: more than one, for what an earlier version let in, and itself.
const NEIGHBOURS: u32 = 16;

/// A box that came with numbers which another one has already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// First and last of its numbers.
    pub numbers: (u16, u16),
    /// Where it says that it stands.
    pub place: String,
    /// Who has them.
    pub owner: DeviceId,
    /// Where that one stands.
    pub owner_place: String,
}

/// A box that is to be revoked, by what is known of it: a number, or who it is, with its chain where somebody has it.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// Any of its numbers, also one that it had before.
    pub number: Option<BoxNumber>,
    /// Who it is: then no other box of this number is meant.
    pub device: Option<DeviceId>,
    /// Its device chain.
    pub chain: Option<Vec<u8>>,
}

/// What was revoked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevokedBoxes {
    /// These.
    pub devices: Vec<DeviceId>,
    /// Boxes of the same number that were not, because another device was named.
    pub others: Vec<DeviceId>,
}

/// The numbers that a stored box may use.
fn numbers(stored: &StoredBox) -> (u16, u16) {
    let chain = CertificateChain::from_bytes(&stored.chain).ok();
    let own = chain.and_then(|chain| chain.0.first()?.read().ok());
    own.map_or((stored.number.0, stored.number.0), |own| own.scope.box_numbers)
}

impl Hub {
    /// Records a box whose certificate was verified; whether its number, place or chain is new. One whose numbers another
    /// box has is refused.
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
        if let Some(taken) = self.taken(certificate)? {
            let full = self.taken.len() >= TAKEN_MAX && !self.taken.contains_key(&device);
            if !full && self.taken.insert(device, taken.clone()).as_ref() != Some(&taken) {
                tracing::error!(%device, ?taken, "box numbers were given out twice: enrol the second box again");
            }
            return Err(HubError::NumbersTaken(Box::new(taken)));
        }
        self.taken.remove(&device);
        self.store.transaction::<_, HubError>(|store| Ok(store.put_box(&stored)?))?;
        self.adopt_credit_files()?;
        Ok(certificate.purpose == Purpose::Device)
    }

    /// Whether another device has one of these numbers, revoked or not: what it wrote goes by them.
    fn taken(&self, certificate: &Certificate) -> Result<Option<Taken>, HubError> {
        let (first, last) = certificate.scope.box_numbers;
        let overlaps = |stored: &StoredBox| {
            let (low, high) = numbers(stored);
            stored.device != certificate.device() && high != 0 && low <= last && first <= high
        };
        // where no two have a number in common it is the highest below or nobody
        let owner = self.store.boxes_up_to(BoxNumber(last), NEIGHBOURS)?.into_iter().find(overlaps);
        Ok(owner.map(|owner| Taken {
            numbers: (first, last),
            place: certificate.scope.place.clone(),
            owner: owner.device,
            owner_place: owner.place,
        }))
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

    /// Revokes every box that has or had this number.
    pub fn revoke_box(&mut self, number: BoxNumber, reason: &str) -> Result<Vec<DeviceId>, HubError> {
        let named = Named { number: Some(number), ..Named::default() };
        Ok(self.revoke_named(&named, reason)?.devices)
    }

    /// Revokes a box, also one that was never heard here: it is refused when it comes.
    pub fn revoke_named(&mut self, named: &Named, reason: &str) -> Result<RevokedBoxes, HubError> {
        let certificate = named.chain.as_deref().map(|chain| self.device_certificate(chain)).transpose()?;
        let proven = certificate.as_ref().map(Certificate::device);
        if named.device.is_some_and(|named| proven.is_some_and(|proven| proven != named)) {
            return Err(HubError::Invalid("the chain is that of another box"));
        }
        let of_number = match named.number {
            Some(number) => self.boxes_of(number)?,
            None => Vec::new(),
        };
        let Some(device) = named.device.or(proven) else {
            if of_number.is_empty() {
                return Err(HubError::NotFound("a box of this number"));
            }
            of_number.iter().try_for_each(|device| self.revoke_device(*device, reason))?;
            return Ok(RevokedBoxes { devices: of_number, others: Vec::new() });
        };
        if self.store.stored_box(device)?.is_none() {
            let scope = certificate.map(|certificate| certificate.scope);
            let first = scope.as_ref().map(|scope| BoxNumber(scope.box_numbers.0));
            let unheard = StoredBox {
                device,
                number: first.or(named.number).unwrap_or(BoxNumber(0)),
                place: scope.as_ref().map(|scope| scope.place.clone()).unwrap_or_default(),
                roles: scope.as_ref().map_or(Roles::default(), |scope| scope.roles),
                chain: named.chain.clone().unwrap_or_default(),
                last_seen_ms: 0,
                unsent: None,
                revoked: true,
            };
            self.store.transaction::<_, HubError>(|store| Ok(store.put_box(&unheard)?))?;
        }
        self.revoke_device(device, reason)?;
        let others = of_number.into_iter().filter(|other| *other != device).collect();
        Ok(RevokedBoxes { devices: vec![device], others })
    }

    fn device_certificate(&self, chain: &[u8]) -> Result<Certificate, HubError> {
        let chain = CertificateChain::from_bytes(chain).ok();
        let certificate = chain.and_then(|chain| chain.verify_for(&self.identity.founding, Purpose::Device).ok());
        certificate.ok_or(HubError::Invalid("the chain does not make a box of this festival"))
    }

    /// Devices that have this number by their certificate, or wrote under it.
    fn boxes_of(&self, number: BoxNumber) -> Result<Vec<DeviceId>, HubError> {
        let has = |stored: &StoredBox| {
            let (first, last) = numbers(stored);
            stored.number == number || (first..=last).contains(&number.0)
        };
        let stored = self.store.boxes()?.into_iter().filter(has).map(|stored| stored.device);
        let wrote = self.journals.all().iter().filter(|journal| journal.box_number == number);
        let devices: BTreeSet<DeviceId> = stored.chain(wrote.map(|journal| journal.device)).collect();
        // 0 is the hub and its like
        Ok(devices.into_iter().filter(|_| number.0 != 0).collect())
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
    use super::*;
    use crate::sample::{self, SampleBox};

    /// A box of key `n` with these numbers.
    fn numbered(n: u8, numbers: (u16, u16)) -> CertificateChain {
        sample::device_chain(n, Roles(7), numbers)
    }

    fn adopt(hub: &mut Hub, chain: &CertificateChain) -> Result<bool, HubError> {
        hub.adopt(&chain.verify(&sample::founding()).unwrap(), &chain.to_bytes())
    }

    fn device(chain: &CertificateChain) -> DeviceId {
        chain.verify(&sample::founding()).unwrap().device()
    }

    #[test]
    fn a_box_is_revoked_by_any_of_its_numbers() {
        let dir = sample::hub_dir();
        let mut hub = sample::open(dir.path());
        let (one, other) = (numbered(20, (9, 16)), numbered(21, (17, 21)));
        adopt(&mut hub, &one).unwrap();
        adopt(&mut hub, &other).unwrap();
        assert_eq!(hub.revoke_box(BoxNumber(13), "stolen").unwrap(), [device(&one)]);
        assert!(hub.is_revoked(device(&one)).unwrap() && !hub.is_revoked(device(&other)).unwrap());
        assert!(matches!(hub.revoke_box(BoxNumber(8), ""), Err(HubError::NotFound(_))));
        // the second is enrolled again; whoever found its old label revokes it by that
        let mut journal = SampleBox::new(22, Roles(7));
        journal.top_up(sample::wallet(1), 100);
        hub.ingest(&journal.segments(10)).unwrap();
        let again = numbered(22, (40, 47));
        adopt(&mut hub, &again).unwrap();
        assert_eq!(hub.revoke_box(BoxNumber(22), "stolen").unwrap(), [device(&again)]);
    }

    #[test]
    fn a_box_that_was_never_heard_is_revoked_by_who_it_is_and_refused_when_it_comes() {
        let dir = sample::hub_dir();
        let mut hub = sample::open(dir.path());
        let (heard, stolen, other) = (numbered(20, (1, 8)), numbered(21, (9, 16)), numbered(22, (17, 24)));
        adopt(&mut hub, &heard).unwrap();
        let by_chain = Named { number: Some(BoxNumber(9)), device: None, chain: Some(stolen.to_bytes()) };
        let done = hub.revoke_named(&by_chain, "stolen").unwrap();
        assert_eq!(done, RevokedBoxes { devices: vec![device(&stolen)], others: vec![] });
        // of the third only its id is known, and a number that is another's
        let by_id = Named { number: Some(BoxNumber(3)), device: Some(device(&other)), chain: None };
        let done = hub.revoke_named(&by_id, "stolen").unwrap();
        assert_eq!(done, RevokedBoxes { devices: vec![device(&other)], others: vec![device(&heard)] });
        for chain in [&stolen, &other] {
            adopt(&mut hub, chain).unwrap();
            assert!(hub.is_revoked(device(chain)).unwrap());
        }
        drop(hub);
        let mut hub = sample::open(dir.path());
        assert!(hub.is_revoked(device(&stolen)).unwrap() && !hub.is_revoked(device(&heard)).unwrap());
        assert!(hub.revoked_devices().unwrap().is_superset(&[device(&stolen), device(&other)].into()));
        let wrong = Named { device: Some(device(&heard)), ..by_chain.clone() };
        assert!(matches!(hub.revoke_named(&wrong, ""), Err(HubError::Invalid(_))));
        let nonsense = Named { chain: Some(vec![1, 2]), ..by_chain };
        assert!(matches!(hub.revoke_named(&nonsense, ""), Err(HubError::Invalid(_))));
        assert!(!hub.is_revoked(device(&heard)).unwrap());
    }

    #[test]
    fn numbers_that_another_box_has_are_refused_until_the_second_box_is_enrolled_again() {
        let dir = sample::hub_dir();
        let mut hub = sample::open(dir.path());
        let first = numbered(20, (9, 16));
        adopt(&mut hub, &first).unwrap();
        // the organiser's folder came from a backup, and gave the same numbers out again
        let second = numbered(21, (16, 23));
        for _ in 0..2 {
            let refused = adopt(&mut hub, &second).unwrap_err();
            assert!(matches!(&refused, HubError::NumbersTaken(taken) if taken.owner == device(&first)), "{refused}");
        }
        assert!(hub.store().stored_box(device(&second)).unwrap().is_none());
        let named = |hub: &mut Hub| hub.notices().into_iter().filter(|one| one.code == "hub.number_twice").count();
        assert_eq!(named(&mut hub), 1);
        // a revoked box keeps its numbers: what it wrote goes by them
        hub.revoke_box(BoxNumber(9), "stolen").unwrap();
        assert!(adopt(&mut hub, &second).is_err());
        adopt(&mut hub, &numbered(21, (24, 31))).unwrap();
        assert_eq!(named(&mut hub), 0);
        // the same box again, with more numbers, and with the ones that it had
        adopt(&mut hub, &numbered(21, (24, 35))).unwrap();
        adopt(&mut hub, &numbered(21, (40, 47))).unwrap();
        adopt(&mut hub, &first).unwrap();
    }

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
