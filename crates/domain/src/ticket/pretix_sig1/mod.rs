//! Tickets that pretix issued (its `pretix_sig1` secrets), so that a festival which sells there just opens its doors.
//! The text is the reverse of base64(1 ‖ payload length u16 BE ‖ signature length u16 BE ‖ payload ‖ signature), the
//! signature Ed25519 over the payload alone.
//! Invariant: stricter than pretix, which takes trailing bytes and white space: one text for each signed payload,
//! and a ticket is who its (public key, seed) says, never its raw text.
//! Not here: which products may enter where, or what pretix's revocation lists mean (`access`).
use alloc::vec::Vec;

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::Signature;

mod key;
mod payload;

pub use key::{PretixKey, PretixKeyError};
pub use payload::PretixTicket;

use super::{Scheme, TicketError};
use crate::{
    id::TicketUid,
    wire::{Malformed, Reader},
};

const VERSION: u8 = 1;
const SIGNATURE_LEN: u16 = 64;

/// A text in canonical form, whose signature was not looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedPretix {
    payload: Vec<u8>,
    signature: [u8; 64],
}

/// Whether a text is made of base64's characters.
pub(super) fn has_shape(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

impl ParsedPretix {
    /// Reads a text; needs no key. The payload stays opaque until [`Self::ticket`].
    pub fn parse(text: &str) -> Result<Self, TicketError> {
        if Scheme::of(text)? != Scheme::PretixSig1 {
            return Err(TicketError::UnknownScheme);
        }
        let forward: Vec<u8> = text.bytes().rev().collect();
        let bytes = STANDARD.decode(forward).map_err(|_| TicketError::NotCanonical)?;
        let mut fields = Reader::new(&bytes);
        if fields.u8()? != VERSION {
            return Err(Malformed::Value("version").into());
        }
        let payload_len = u16::from_be_bytes(fields.array()?);
        if u16::from_be_bytes(fields.array()?) != SIGNATURE_LEN {
            return Err(Malformed::Value("signature length").into());
        }
        let payload = fields.take(usize::from(payload_len))?.to_vec();
        let signature = fields.array()?;
        fields.end()?;
        Ok(Self { payload, signature })
    }

    /// Whether it is signed by this key.
    pub fn verify(&self, key: &PretixKey) -> Result<(), TicketError> {
        key.verifying_key()
            .verify_strict(&self.payload, &Signature::from_bytes(&self.signature))
            .map_err(|_| TicketError::BadSignature)
    }

    /// What the payload says.
    pub fn ticket(&self) -> Result<PretixTicket, TicketError> {
        Ok(PretixTicket::decode(&self.payload)?)
    }
}

/// Who a pretix ticket is: the key of its event and its seed.
pub fn uid(key: &PretixKey, seed: &str) -> TicketUid {
    Scheme::PretixSig1.uid(key.verifying_key().as_bytes(), seed.as_bytes())
}

/// Who a secret in pretix's lists of revoked or blocked ones is, under whichever of these keys signed it.
pub fn identity_of_secret(secret: &str, keys: &[PretixKey]) -> Result<TicketUid, TicketError> {
    let parsed = ParsedPretix::parse(secret)?;
    let key = keys.iter().find(|key| parsed.verify(key).is_ok()).ok_or(TicketError::BadSignature)?;
    Ok(uid(key, &parsed.ticket()?.seed))
}
