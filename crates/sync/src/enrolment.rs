//! Bringing a blank box into a festival, over any byte stream: the technician's tool on one end, the box on the other.
//! Invariant: a grant is good for one box key and one nonce that this box made; the box's private key never travels.
//! Not here: who may issue (`domain::trust`), where the box keeps what it got (`box-store`), the cable.
//!
//! tool → box `Begin` · box → tool `Offer` · tool → box `Bundle` parts and `Grant` · box → tool `Receipt`, in frames as
//! in `frame`, types 32 to 37. The stream itself must be private (a cable): the grant holds the festival's band keys.
use domain::{
    id::{FestivalId, device_id},
    trust::{Certificate, CertificateChain, ChainError, Founding, Purpose, SignatureTag, sign, verify},
    wire::{Malformed, from_canonical_cbor, to_cbor},
};
use ed25519_dalek::SigningKey;
use minicbor::bytes::ByteVec;
use thiserror::Error;

use crate::frame::{BundlePart, FrameError, PROTOCOL, RawFrame};

mod blank;
mod config;
mod technician;

pub use blank::{BlankBox, BlankStep};
pub use config::{BoxConfig, Enrolled, ScreenTls};
pub use technician::{GrantPlan, Offered, Technician, TechnicianStep};

/// The tool begins.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Begin {
    /// [`PROTOCOL`].
    #[n(0)]
    pub version: u16,
    /// Canonical bytes of the founding record.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub founding: Vec<u8>,
    /// Random, of this attempt.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub nonce: [u8; 32],
    /// Whether a box that is enrolled already shall be so again, in a new epoch.
    #[n(3)]
    pub re_enrol: bool,
}

/// The box shows its key.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Offer {
    /// Made by the box itself.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub public_key: [u8; 32],
    /// Random, of this attempt.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub nonce: [u8; 32],
    /// The epoch that it will write once enrolled.
    #[n(2)]
    pub epoch: u32,
    /// Model and serial number, for people.
    #[n(3)]
    pub hardware: String,
    /// Over `tag ‖ festival ‖ tool's nonce ‖ own nonce ‖ public key ‖ epoch u32 LE ‖ hardware`.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub signature: [u8; 64],
}

/// What a box is granted.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct GrantBody {
    /// The festival.
    #[n(0)]
    pub festival: FestivalId,
    /// For this box only.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub public_key: [u8; 32],
    /// The nonce of its offer.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub nonce: [u8; 32],
    /// The epoch of its offer.
    #[n(3)]
    pub epoch: u32,
    /// Its certificate chain.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub chain: Vec<u8>,
    /// Chains of further keys (spare desks, next ticket keys).
    #[n(5)]
    pub further: Vec<ByteVec>,
    /// Canonical bytes of its [`BoxConfig`].
    #[cbor(n(6), with = "minicbor::bytes")]
    pub config: Vec<u8>,
    /// BLAKE3 of the festival bundle that came before.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub bundle_hash: [u8; 32],
}

/// The grant's bytes as they were signed.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Grant {
    /// Canonical bytes of the [`GrantBody`].
    #[cbor(n(0), with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// By the key that issued the box's certificate.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub signature: [u8; 64],
}

/// The box has stored everything.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Receipt {
    /// Over `tag ‖ festival ‖ BLAKE3 of the grant's body`, by the box's key.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub signature: [u8; 64],
}

/// Either side ends it.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct Refusal {
    /// For the person at the other end.
    #[n(0)]
    pub text: String,
}

/// One frame of enrolment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnrolFrame {
    /// 32.
    Begin(Begin),
    /// 33.
    Offer(Offer),
    /// 34.
    Bundle(BundlePart),
    /// 35.
    Grant(Grant),
    /// 36.
    Receipt(Receipt),
    /// 37.
    Refusal(Refusal),
}

impl EnrolFrame {
    /// `length · type · payload`, as `frame`.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        match self {
            Self::Begin(begin) => RawFrame::cbor(32, begin),
            Self::Offer(offer) => RawFrame::cbor(33, offer),
            Self::Bundle(part) => RawFrame::cbor(34, part),
            Self::Grant(grant) => RawFrame::cbor(35, grant),
            Self::Receipt(receipt) => RawFrame::cbor(36, receipt),
            Self::Refusal(refusal) => RawFrame::cbor(37, refusal),
        }
        .encode()
    }

    /// Reads what [`crate::FrameReader::next_raw`] gave.
    pub fn from_raw(raw: &RawFrame) -> Result<Self, FrameError> {
        match raw.kind {
            32 => Ok(Self::Begin(raw.read()?)),
            33 => Ok(Self::Offer(raw.read()?)),
            34 => Ok(Self::Bundle(raw.read()?)),
            35 => Ok(Self::Grant(raw.read()?)),
            36 => Ok(Self::Receipt(raw.read()?)),
            37 => Ok(Self::Refusal(raw.read()?)),
            other => Err(FrameError::Type(other)),
        }
    }
}

/// Why a box cannot be enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnrolError {
    /// A frame that does not belong here.
    #[error("a frame that does not belong here")]
    OutOfTurn,
    /// A version of the protocol that is not spoken here.
    #[error("the other side speaks version {0}, this one 1")]
    Version(u16),
    /// Bytes that cannot be read.
    #[error("{field}: {reason}")]
    Malformed {
        /// Which.
        field: &'static str,
        /// What is wrong.
        reason: Malformed,
    },
    /// Not a founding record.
    #[error("not a founding record")]
    Founding,
    /// The box belongs to a festival already, and `re_enrol` was not asked for.
    #[error("this box is enrolled in festival {0}; enrol it again only if its old journal may end")]
    AlreadyEnrolled(FestivalId),
    /// The box belongs to another festival.
    #[error("this box belongs to festival {0}; wipe it first")]
    OtherFestival(FestivalId),
    /// The grant or its chains are of another festival.
    #[error("the grant is of another festival")]
    WrongFestival,
    /// The grant answers another offer.
    #[error("the grant answers another offer (replayed, or for another box)")]
    Replayed,
    /// A chain does not lead to the root.
    #[error("certificate chain: {0}")]
    Chain(#[from] ChainError),
    /// The certificate is for another key.
    #[error("the certificate is for another key")]
    Key,
    /// The box number is not one that the certificate owns.
    #[error("box number {0} is not one that the certificate owns")]
    BoxNumber(u16),
    /// The roles are more than the certificate has.
    #[error("the configuration has roles that the certificate has not")]
    Roles,
    /// A file was changed after it was written.
    #[error(
        "the file is damaged: it is not as it was written (its checksum does not hold); put a copy back, or enrol this box again"
    )]
    Damaged,
    /// A signature does not hold.
    #[error("the signature under the {0} does not hold")]
    Signature(&'static str),
    /// The bundle is not the one that the grant names, or is too large.
    #[error("the bundle that came is not the one that the grant names")]
    Bundle,
    /// The other side ended it.
    #[error("the other side refused: {0}")]
    Refused(String),
}

fn offer_signature_parts<'a>(tool: &'a [u8; 32], offer: &'a Offer, epoch: &'a [u8; 4]) -> [&'a [u8]; 5] {
    [tool, &offer.nonce, &offer.public_key, epoch, offer.hardware.as_bytes()]
}

/// Verifies a box's chain and gives its certificate.
fn device_certificate(chain: &[u8], founding: &Founding, public_key: &[u8; 32]) -> Result<Certificate, EnrolError> {
    let chain = read_chain(chain)?;
    let certificate = chain.verify_for(founding, Purpose::Device).map_err(|why| match why {
        ChainError::Festival(_) => EnrolError::WrongFestival,
        ChainError::Length(_)
        | ChainError::Malformed { .. }
        | ChainError::Signature(_)
        | ChainError::NotAnIssuer(_)
        | ChainError::Scope(_)
        | ChainError::RootOnly(_)
        | ChainError::Purpose { .. } => EnrolError::Chain(why),
    })?;
    if certificate.subject == *public_key { Ok(certificate) } else { Err(EnrolError::Key) }
}

fn read_chain(bytes: &[u8]) -> Result<CertificateChain, EnrolError> {
    CertificateChain::from_bytes(bytes).map_err(|reason| EnrolError::Malformed { field: "chain", reason })
}

#[cfg(test)]
mod tests;
