//! Ticket keys over an evening: which are held, which one issues, which count no more.
//! Invariant: a decision is on disk before anything follows from it; a retired key never signs or counts again.
//! Not here: making a key (`provision ticket-key new`), what a gate makes of it (`domain::ticket::Verifier`).
use std::{collections::BTreeMap, path::Path};

use domain::{
    bundle::{BundleBody, BundleSection},
    id::{KeyId, key_id},
    ticket::own::ParsedOwn,
    trust::{CertificateChain, Purpose},
    wire::hex,
};
use ed25519_dalek::SigningKey;
use serde::Serialize;

use crate::{
    hub::{Hub, HubError},
    identity::{Keyed, keyed},
    store::{KeyDecision, Reading, StoreError},
};

/// Keys that nothing was issued with yet and that bundles announce all the same, for gates that are offline when one
/// of them takes over.
const ANNOUNCED: usize = 2;
/// Most keys held: each costs some 300 bytes in every bundle.
const KEYS_MAX: usize = 64;

/// A ticket key that this hub can sign with.
#[derive(Clone, Debug)]
pub struct TicketKey {
    keyed: Keyed,
    public: [u8; 32],
    valid_from: u64,
    valid_until: u64,
    decision: Option<KeyDecision>,
}

/// A ticket key as the console shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TicketKeyView {
    /// Its short name, hexadecimal.
    pub id: String,
    /// `issues`, `has_issued`, `next` (announced to gates), `waiting` (not announced yet), `retired`.
    pub state: &'static str,
    /// Unix seconds; `None`: from the start.
    pub valid_from: Option<u64>,
    /// Unix seconds; `None`: without end.
    pub valid_until: Option<u64>,
    /// Tickets of this hub that it has signed.
    pub tickets: u64,
}

/// What became of the files in `ticket-keys/`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Adopted {
    /// Short names of the keys that are new here, hexadecimal.
    pub adopted: Vec<String>,
    /// Files that are not a ticket key of this festival with its chain.
    pub passed_over: Vec<String>,
}

impl TicketKey {
    fn id(&self) -> KeyId {
        key_id(&self.public)
    }

    fn is(&self, decision: KeyDecision) -> bool {
        self.decision == Some(decision)
    }

    fn is_in_force(&self, unix_s: u64) -> bool {
        unix_s >= self.valid_from && (self.valid_until == 0 || unix_s <= self.valid_until)
    }
}

/// How many tickets of this hub each key has signed.
pub fn issued_by_key(reading: &Reading) -> Result<BTreeMap<KeyId, u64>, StoreError> {
    let mut issued: BTreeMap<KeyId, u64> = BTreeMap::new();
    reading.each_issued::<StoreError>(|ticket, _| {
        if let Ok(parsed) = ParsedOwn::parse(&ticket.text) {
            let count = issued.entry(parsed.key()).or_default();
            *count = count.saturating_add(1);
        }
        Ok(())
    })?;
    Ok(issued)
}

impl Hub {
    /// Takes up the keys of the hub's enrolment and those in `ticket-keys/`; the first one issues where nobody has
    /// decided otherwise.
    pub(crate) fn load_ticket_keys(&mut self) -> Result<(), HubError> {
        for keyed in self.identity.tickets.clone() {
            self.hold_ticket_key(keyed)?;
        }
        self.adopt_ticket_keys()?;
        if !self.store.ticket_keys()?.values().any(|decision| *decision == KeyDecision::Issues) {
            let first = self.ticket_keys.iter().position(|key| !key.is(KeyDecision::Retired));
            self.let_issue(first.ok_or(HubError::NotFound("a ticket key that is not retired"))?)?;
        }
        if self.issuing_key().is_err() {
            tracing::error!("the key that issues tickets is not in this folder any more: activate another one");
        }
        Ok(())
    }

    /// Takes up the keys that lie in `ticket-keys/` as `NAME.key` and `NAME.chain`.
    pub fn adopt_ticket_keys(&mut self) -> Result<Adopted, HubError> {
        let dir = self.dir.join("ticket-keys");
        let mut names: Vec<String> = std::fs::read_dir(&dir)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|file| file.file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".key").map(str::to_owned))
            .collect();
        names.sort_unstable();
        let mut done = Adopted::default();
        for name in names {
            match self.adopt_ticket_key(&dir, &name) {
                Ok(Some(id)) => done.adopted.push(id.to_hex()),
                Ok(None) => {}
                Err(HubError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(name, %error, "not taken up from ticket-keys/");
                    done.passed_over.push(name);
                }
            }
        }
        Ok(done)
    }

    fn adopt_ticket_key(&mut self, dir: &Path, name: &str) -> Result<Option<KeyId>, HubError> {
        let read = keyed(dir, name, &self.identity.founding, Purpose::Ticket);
        let read = read.inspect_err(|error| tracing::warn!(%error, "a file in ticket-keys/"));
        self.hold_ticket_key(read.map_err(|_| HubError::Invalid("not a ticket key with its chain"))?)
    }

    /// Its id where it was not held yet.
    fn hold_ticket_key(&mut self, keyed: Keyed) -> Result<Option<KeyId>, HubError> {
        let certificate = keyed.chain.verify_for(&self.identity.founding, Purpose::Ticket);
        let certificate = certificate.map_err(|_| HubError::Invalid("the chain does not make a ticket key"))?;
        let public = certificate.subject;
        if self.ticket_keys.iter().any(|held| held.public == public) {
            return Ok(None);
        }
        if self.ticket_keys.len() >= KEYS_MAX {
            return Err(HubError::Invalid("this hub holds as many ticket keys as it can"));
        }
        // The console names keys by it.
        if self.ticket_keys.iter().any(|held| held.id() == key_id(&public)) {
            return Err(HubError::Exists("a ticket key of this id"));
        }
        let decision = self.store.ticket_keys()?.get(&public).copied();
        let (valid_from, valid_until) = (certificate.valid_from, certificate.valid_until);
        self.ticket_keys.push(TicketKey { keyed, public, valid_from, valid_until, decision });
        Ok(Some(key_id(&public)))
    }

    /// What signs new tickets.
    pub(crate) fn issuing_key(&self) -> Result<&SigningKey, HubError> {
        let issuing = self.ticket_keys.iter().find(|key| key.is(KeyDecision::Issues));
        issuing.map(|key| &key.keyed.key).ok_or(HubError::NotFound("the ticket key that issues"))
    }

    fn ticket_key(&self, id: KeyId) -> Result<usize, HubError> {
        self.ticket_keys.iter().position(|key| key.id() == id).ok_or(HubError::NotFound("the ticket key"))
    }

    /// Lets this key sign new tickets from now on; whether it did not before. Tickets of the one before stay good.
    pub fn activate_ticket_key(&mut self, id: KeyId) -> Result<bool, HubError> {
        let index = self.ticket_key(id)?;
        let Some(key) = self.ticket_keys.get(index) else { return Ok(false) };
        if key.is(KeyDecision::Retired) {
            return Err(HubError::Refused("ticket_key.retired"));
        }
        if !key.is_in_force(self.now_ms() / 1000) {
            return Err(HubError::Refused("ticket_key.not_in_force"));
        }
        if key.is(KeyDecision::Issues) {
            return Ok(false);
        }
        self.let_issue(index)?;
        Ok(true)
    }

    fn let_issue(&mut self, index: usize) -> Result<(), HubError> {
        let mut decisions = Vec::new();
        for (held, key) in self.ticket_keys.iter().enumerate() {
            if held == index {
                decisions.push((held, key.public, KeyDecision::Issues));
            } else if key.is(KeyDecision::Issues) {
                decisions.push((held, key.public, KeyDecision::HasIssued));
            }
        }
        self.decide(&decisions)
    }

    /// Lets this key count no more, for ever: gates refuse its tickets once they hold the next bundle. Whether it
    /// counted before.
    pub fn retire_ticket_key(&mut self, id: KeyId) -> Result<bool, HubError> {
        let index = self.ticket_key(id)?;
        let Some(key) = self.ticket_keys.get(index) else { return Ok(false) };
        if key.is(KeyDecision::Issues) {
            return Err(HubError::Refused("ticket_key.issues"));
        }
        if key.is(KeyDecision::Retired) {
            return Ok(false);
        }
        self.decide(&[(index, key.public, KeyDecision::Retired)])?;
        Ok(true)
    }

    fn decide(&mut self, decisions: &[(usize, [u8; 32], KeyDecision)]) -> Result<(), HubError> {
        let now = self.now_ms();
        // A key that issued and is not in this folder any more has issued all the same.
        let gone: Vec<[u8; 32]> = match decisions.iter().any(|(_, _, decision)| *decision == KeyDecision::Issues) {
            true => {
                let issuing = self.store.ticket_keys()?.into_iter().filter(|(_, said)| *said == KeyDecision::Issues);
                issuing.map(|(key, _)| key).collect()
            }
            false => Vec::new(),
        };
        self.store.transaction::<_, HubError>(|store| {
            gone.iter().try_for_each(|key| store.put_ticket_key(key, KeyDecision::HasIssued, now))?;
            decisions.iter().try_for_each(|(_, key, decision)| store.put_ticket_key(key, *decision, now))?;
            Ok(())
        })?;
        for (index, _, decision) in decisions {
            if let Some(key) = self.ticket_keys.get_mut(*index) {
                key.decision = Some(*decision);
            }
        }
        Ok(())
    }

    /// Whether bundles carry each key: all that were decided about, and the next ones.
    fn announced(&self) -> Vec<bool> {
        let mut next = 0_usize;
        let is_announced = |key: &TicketKey| {
            next = next.saturating_add(usize::from(key.decision.is_none()));
            key.decision.is_some() || next <= ANNOUNCED
        };
        self.ticket_keys.iter().map(is_announced).collect()
    }

    /// Chains of the ticket keys as the bundle carries them; retired ones too, which makes for a better reason.
    pub(crate) fn announced_ticket_keys(&self) -> Vec<CertificateChain> {
        let keys = self.ticket_keys.iter().zip(self.announced());
        keys.filter(|(_, announced)| *announced).map(|(key, _)| key.keyed.chain.clone()).collect()
    }

    /// The bundle's section of keys that count no more.
    pub(crate) fn retired_section(&self) -> Option<BundleSection> {
        let mut retired: Vec<[u8; 32]> =
            self.ticket_keys.iter().filter(|key| key.is(KeyDecision::Retired)).map(|key| key.public).collect();
        retired.sort_unstable();
        (!retired.is_empty()).then(|| BundleBody::retired_section(&retired))
    }

    /// Every key, in the order in which they take over. `issued`: tickets by key.
    pub fn ticket_key_views(&self, issued: &BTreeMap<KeyId, u64>) -> Vec<TicketKeyView> {
        let view = |(key, announced): (&TicketKey, bool)| TicketKeyView {
            id: hex(&key.id().0),
            state: match (key.decision, announced) {
                (Some(KeyDecision::Issues), _) => "issues",
                (Some(KeyDecision::HasIssued), _) => "has_issued",
                (Some(KeyDecision::Retired), _) => "retired",
                (None, true) => "next",
                (None, false) => "waiting",
            },
            valid_from: Some(key.valid_from).filter(|s| *s != 0),
            valid_until: Some(key.valid_until).filter(|s| *s != 0),
            tickets: issued.get(&key.id()).copied().unwrap_or(0),
        };
        self.ticket_keys.iter().zip(self.announced()).map(view).collect()
    }
}

#[cfg(test)]
mod tests;
