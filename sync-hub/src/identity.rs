//! The hub's keys, read from its directory: who it is and what it may sign.
//! Invariant: a key is used only for the purpose that its chain gives it, and every chain leads to the festival's root.
//! Not here: TLS (`web`), what is signed (`bundle`, `journal`, `deltas`, `tickets`).
use std::{
    fmt,
    path::{Path, PathBuf},
};

use domain::{
    id::{DeviceId, FestivalId, device_id},
    secrets::{BandSecrets, NamesKey},
    trust::{CertificateChain, ChainError, Founding, FoundingError, Purpose},
    wire::{Malformed, from_canonical_cbor},
};
use ed25519_dalek::SigningKey;
use thiserror::Error;
use zeroize::Zeroizing;

/// Why the hub's directory cannot be used.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// Not readable.
    #[error("{path}: {reason}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A private key has 32 bytes.
    #[error("{path}: a key has 32 bytes, this file has {len}")]
    KeyLength {
        /// Which file.
        path: PathBuf,
        /// Its length.
        len: usize,
    },
    /// Not of its layout.
    #[error("{path}: {reason}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: Malformed,
    },
    /// Not a founding record.
    #[error("founding.cbor: {0}")]
    Founding(#[from] FoundingError),
    /// The chain does not lead to the root, or is for something else.
    #[error("{path}: {reason}")]
    Chain {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: ChainError,
    },
    /// The chain is that of another key.
    #[error("{0} is the chain of another key")]
    OtherKey(PathBuf),
    /// Nothing to sign tickets with.
    #[error("keys/ holds no ticket key (ticket-1.key and ticket-1.chain)")]
    NoTicketKey,
}

/// A private key and the chain that says what it is for.
#[derive(Clone)]
pub struct Keyed {
    /// Private key.
    pub key: SigningKey,
    /// Its chain.
    pub chain: CertificateChain,
}

impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyed(..)")
    }
}

/// Everything that the hub signs with.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The founding record.
    pub founding: Founding,
    /// The festival.
    pub festival: FestivalId,
    /// Identifies the hub in QUIC and signs its journal.
    pub hub: Keyed,
    /// Signs bundles and deltas.
    pub bundle: Keyed,
    /// Ticket keys from its enrolment, by their number; which one signs is decided later (`ticket_keys`).
    pub tickets: Vec<Keyed>,
    /// Signs online top-ups; announced in the bundle.
    pub credit_online: Keyed,
    /// Edits shared documents; `None` for a hub that was enrolled before it had such a key.
    pub manager: Option<Keyed>,
    /// Turns a band's UID into a wallet; `None` where the hub was given none.
    pub bands: Option<BandSecrets>,
    /// Seals the holders' names; `None` where the hub was given none: then it keeps no name.
    pub names: Option<NamesKey>,
}

fn bytes(path: &Path) -> Result<Vec<u8>, IdentityError> {
    std::fs::read(path).map_err(|reason| IdentityError::Read { path: path.into(), reason })
}

/// Reads the key `NAME.key` of a folder and verifies `NAME.chain` for this purpose.
pub(crate) fn keyed(dir: &Path, name: &str, founding: &Founding, purpose: Purpose) -> Result<Keyed, IdentityError> {
    let path = dir.join(format!("{name}.key"));
    let seed = bytes(&path)?;
    let seed: [u8; 32] = seed.try_into().map_err(|seed: Vec<u8>| IdentityError::KeyLength { path, len: seed.len() })?;
    let key = SigningKey::from_bytes(&seed);
    let path = dir.join(format!("{name}.chain"));
    let chain = CertificateChain::from_bytes(&bytes(&path)?)
        .map_err(|reason| IdentityError::Malformed { path: path.clone(), reason })?;
    let certificate =
        chain.verify_for(founding, purpose).map_err(|reason| IdentityError::Chain { path: path.clone(), reason })?;
    if certificate.subject != key.verifying_key().to_bytes() {
        return Err(IdentityError::OtherKey(path));
    }
    Ok(Keyed { key, chain })
}

impl Identity {
    /// Reads the hub's directory and verifies every chain in it.
    pub fn read(dir: &Path) -> Result<Self, IdentityError> {
        let founding = Founding::from_bytes(&bytes(&dir.join("founding.cbor"))?)?;
        let keys = dir.join("keys");
        let mut tickets = Vec::new();
        for number in 1..=16 {
            let name = format!("ticket-{number}");
            if keys.join(format!("{name}.key")).exists() {
                tickets.push(keyed(&keys, &name, &founding, Purpose::Ticket)?);
            }
        }
        if tickets.is_empty() {
            return Err(IdentityError::NoTicketKey);
        }
        let manager = match keys.join("manager.key").exists() {
            true => Some(keyed(&keys, "manager", &founding, Purpose::Manager)?),
            false => None,
        };
        let bands = dir.join("secrets/bands.cbor");
        let bands = match bands.exists() {
            true => Some(
                from_canonical_cbor(&bytes(&bands)?)
                    .map_err(|reason| IdentityError::Malformed { path: bands, reason })?,
            ),
            false => None,
        };
        let names = dir.join("secrets/names.key");
        let names = match names.exists() {
            true => {
                let seed = Zeroizing::new(bytes(&names)?);
                let len = seed.len();
                let key = seed.as_slice().try_into().map_err(|_| IdentityError::KeyLength { path: names, len })?;
                Some(NamesKey::new(key))
            }
            false => None,
        };
        Ok(Self {
            festival: founding.festival(),
            hub: keyed(&keys, "hub", &founding, Purpose::Hub)?,
            bundle: keyed(&keys, "bundle", &founding, Purpose::Bundle)?,
            credit_online: keyed(&keys, "credit-online", &founding, Purpose::CreditOnline)?,
            tickets,
            manager,
            bands,
            names,
            founding,
        })
    }

    /// The hub as a device, as its journal names it.
    pub fn device(&self) -> DeviceId {
        device_id(self.hub.key.verifying_key().as_bytes())
    }
}
