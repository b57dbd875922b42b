//! An edit on its way: the change, what it means, and the manager who signs for it.
//! Invariant: one encoding; what was verified is exactly what was signed.
//! Not here: whether the edit fits the document (`replica`, `judge`).
//!
//! On the wire a canonical CBOR array `[body, signature 64]`; the signature covers `tag ‖ festival ‖ body`
//! ([`SignatureTag::Edit`]); the body is the canonical CBOR of [`Envelope`].
use domain::{
    id::{DeviceId, FestivalId},
    trust::{CertificateChain, Founding, Purpose, SignatureTag, sign, verify},
    wire::{from_canonical_cbor, to_cbor},
};
use ed25519_dalek::SigningKey;

use crate::{
    change::Change,
    document::{ChangeHash, Document},
    path::Path,
    refusal::Refusal,
    value::Value,
};

/// Longest envelope on the wire: a change, its intents with old and new values, and the chain.
pub const ENVELOPE_MAX: usize = 256 * 1024;

const VERSION: u8 = 1;

/// What is meant: this value here, in place of that one.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Intent {
    /// Key in the document ([`Path::text`]).
    #[n(0)]
    pub path: String,
    /// What its author saw in force; `None` for nothing.
    #[n(1)]
    pub old: Option<Value>,
    /// What it shall be; `None` for nothing.
    #[n(2)]
    pub new: Option<Value>,
}

/// The hub entered this edit for somebody whose own change built on a refused one.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Reentered {
    /// The change as its author made it.
    #[n(0)]
    pub change: ChangeHash,
    /// The author's manager key.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub manager: [u8; 32],
}

/// What a manager signs.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Envelope {
    /// 1.
    #[n(0)]
    pub version: u8,
    /// Number of the [`Document`].
    #[n(1)]
    pub document: u8,
    /// Where it was made.
    #[n(2)]
    pub device: DeviceId,
    /// Which run of that device's journal.
    #[n(3)]
    pub epoch: u32,
    /// Staff number of the author; 0 for the hub.
    #[n(4)]
    pub operator: u32,
    /// Trusted time there, Unix ms; for display only.
    #[n(5)]
    pub at_ms: u64,
    /// Hash of the change.
    #[n(6)]
    pub hash: ChangeHash,
    /// The uncompressed change chunk.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub change: Vec<u8>,
    /// What it means, one for each operation, in their order.
    #[n(8)]
    pub intents: Vec<Intent>,
    /// The manager's chain.
    #[n(9)]
    pub chain: CertificateChain,
    /// Whom the hub entered it for.
    #[n(10)]
    pub reentered: Option<Reentered>,
}

/// An envelope's bytes with the manager's signature.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct SignedEnvelope {
    /// Canonical CBOR of the [`Envelope`].
    #[cbor(n(0), with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// By the key that the chain speaks of.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub signature: [u8; 64],
}

/// The actor that numbers the changes of this manager on this run of this device: first 16 bytes of BLAKE3 over
/// `device ‖ epoch u32 LE ‖ key`.
pub fn actor(device: DeviceId, epoch: u32, manager: &[u8; 32]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&device.0).update(&epoch.to_le_bytes()).update(manager);
    let mut actor = [0; 16];
    actor.copy_from_slice(hasher.finalize().as_bytes().split_at(16).0);
    actor
}

/// An envelope whose signature, chain, actor and limits were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// As it was signed.
    pub signed: SignedEnvelope,
    /// What it says.
    pub envelope: Envelope,
    /// Which document.
    pub document: Document,
    /// The manager's public key.
    pub manager: [u8; 32],
    /// Name in the manager's certificate.
    pub place: String,
    pub(crate) change: Change,
    pub(crate) paths: Vec<Path>,
}

impl SignedEnvelope {
    /// Bytes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        to_cbor(self)
    }

    /// Reads the bytes on the wire, without trusting them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > ENVELOPE_MAX {
            return Err(Refusal::TooLong);
        }
        from_canonical_cbor(bytes).map_err(|_| Refusal::Malformed)
    }

    /// Signs an envelope.
    pub fn sign(envelope: &Envelope, key: &SigningKey, festival: &FestivalId) -> Self {
        let body = to_cbor(envelope);
        let signature = sign(key, SignatureTag::Edit, festival, &[&body]);
        Self { body, signature }
    }

    /// Reads the envelope, without trusting it.
    pub fn read(&self) -> Result<Envelope, Refusal> {
        if self.body.len() > ENVELOPE_MAX {
            return Err(Refusal::TooLong);
        }
        let envelope: Envelope = from_canonical_cbor(&self.body).map_err(|_| Refusal::Malformed)?;
        if envelope.version == VERSION { Ok(envelope) } else { Err(Refusal::Malformed) }
    }

    /// Verifies signature, chain and actor, and walks the change within its limits. Automerge sees nothing yet.
    pub fn verify(&self, founding: &Founding) -> Result<Verified, Refusal> {
        let envelope = self.read()?;
        let document = Document::from_number(envelope.document).ok_or(Refusal::Malformed)?;
        let certificate = envelope.chain.verify_for(founding, Purpose::Manager).map_err(|_| Refusal::NotSigned)?;
        let manager = certificate.subject;
        verify(&manager, SignatureTag::Edit, &founding.festival(), &[&self.body], &self.signature)
            .map_err(|_| Refusal::NotSigned)?;
        let change = Change::read(&envelope.change)?;
        if change.actor != actor(envelope.device, envelope.epoch, &manager) {
            return Err(Refusal::WrongActor);
        }
        let paths = matching_paths(document, &change, &envelope.intents)?;
        let place = certificate.scope.place;
        Ok(Verified { signed: self.clone(), envelope, document, manager, place, change, paths })
    }
}

/// Each operation's key is its intent's path, and no path is touched twice.
fn matching_paths(document: Document, change: &Change, intents: &[Intent]) -> Result<Vec<Path>, Refusal> {
    if change.operations.len() != intents.len() {
        return Err(Refusal::NotItsIntents);
    }
    let mut paths = Vec::with_capacity(intents.len());
    for (operation, intent) in change.operations.iter().zip(intents) {
        if operation.key != intent.path {
            return Err(Refusal::NotItsIntents);
        }
        let path = Path::parse(document, &intent.path).ok_or(Refusal::BadValue)?;
        if intent.new.as_ref().is_some_and(|value| !path.admits(value)) {
            return Err(Refusal::BadValue);
        }
        paths.push(path);
    }
    let mut sorted: Vec<&Path> = paths.iter().collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Refusal::NotItsIntents);
    }
    Ok(paths)
}

impl Verified {
    /// Hash of the change.
    pub fn hash(&self) -> ChangeHash {
        self.envelope.hash
    }

    /// The changes that it builds on directly.
    pub fn dependencies(&self) -> &[ChangeHash] {
        &self.change.dependencies
    }

    /// What it touches.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }
}
