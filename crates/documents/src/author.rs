//! Making an edit: settings become a change on the state that is shown, and a signed envelope.
//! Invariant: what is made here is what `judge` accepts.
//! Not here: where the manager's key comes from (`pin`).
use automerge::{
    ActorId, AutomergeError, ROOT, ReadDoc,
    transaction::{CommitOptions, Transactable},
};
use domain::{
    id::{DeviceId, FestivalId},
    trust::CertificateChain,
};
use ed25519_dalek::SigningKey;

use crate::{
    change::OPERATIONS_MAX,
    document::{ChangeHash, Document},
    edit::Setting,
    envelope::{Envelope, Intent, Reentered, SignedEnvelope, actor},
    refusal::Refusal,
    replica::Replica,
};

/// Where and when an edit is made, and for whom.
#[derive(Clone, Debug)]
pub struct Author {
    /// The device.
    pub device: DeviceId,
    /// Which run of its journal.
    pub epoch: u32,
    /// Staff number; 0 for the hub.
    pub operator: u32,
    /// Trusted time, Unix ms.
    pub at_ms: u64,
}

/// The manager's key and what makes it one.
pub struct SignedBy {
    /// The key.
    pub key: SigningKey,
    /// Its chain.
    pub chain: CertificateChain,
}

impl std::fmt::Debug for SignedBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignedBy")
    }
}

/// Where a new change is made.
pub(crate) struct Ground<'a> {
    pub(crate) festival: FestivalId,
    pub(crate) replica: &'a Replica,
    pub(crate) document: Document,
}

/// Drops what changes nothing and says what the rest means.
fn intents(ground: &Ground<'_>, settings: &[Setting]) -> Result<Vec<Intent>, Refusal> {
    let mut intents = Vec::new();
    for Setting { path, value } in settings {
        if path.document() != ground.document || value.as_ref().is_some_and(|value| !path.admits(value)) {
            return Err(Refusal::BadValue);
        }
        let text = path.text();
        let standing = ground.replica.standing(&text, None);
        let old = standing.last().and_then(|standing| standing.value.clone());
        let is_in_conflict = standing.len() > 1;
        if old != *value || is_in_conflict {
            if intents.iter().any(|intent: &Intent| intent.path == text) {
                return Err(Refusal::NotItsIntents);
            }
            intents.push(Intent { path: text, old, new: value.clone() });
        }
    }
    match intents.len() {
        0 => Err(Refusal::Nothing),
        1..=OPERATIONS_MAX => Ok(intents),
        _ => Err(Refusal::TooManyOperations),
    }
}

/// Makes the change on a copy, and signs its envelope.
pub(crate) fn make(
    ground: &Ground<'_>,
    settings: &[Setting],
    author: &Author,
    by: &SignedBy,
    reentered: Option<Reentered>,
) -> Result<SignedEnvelope, Refusal> {
    let intents = intents(ground, settings)?;
    let manager = by.key.verifying_key().to_bytes();
    let actor = actor(author.device, author.epoch, &manager);
    let mut doc = ground.replica.doc().clone().with_actor(ActorId::from(actor));
    let options = |_: &()| CommitOptions::default().with_time(0);
    let made = doc.transact_with::<_, _, AutomergeError, _>(options, |tx| {
        for intent in &intents {
            match &intent.new {
                Some(value) => tx.put(ROOT, intent.path.as_str(), value.to_scalar())?,
                None => tx.delete(ROOT, intent.path.as_str())?,
            }
        }
        Ok(())
    });
    let hash = made.ok().and_then(|made| made.hash).ok_or(Refusal::Inapplicable)?;
    let change = doc.get_change_by_hash(&hash).ok_or(Refusal::Inapplicable)?;
    let envelope = Envelope {
        version: 1,
        document: ground.document.number(),
        device: author.device,
        epoch: author.epoch,
        operator: author.operator,
        at_ms: author.at_ms,
        hash: ChangeHash(hash.0),
        change: change.raw_bytes().to_vec(),
        intents,
        chain: by.chain.clone(),
        reentered,
    };
    Ok(SignedEnvelope::sign(&envelope, &by.key, &ground.festival))
}
