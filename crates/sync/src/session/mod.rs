//! What each side of a connection does next, as pure state machines.
//! Invariant: nothing is taken from a peer before its certificate chain led to the festival's root and named the key
//! of this very connection; nothing is acknowledged before the shell said that it is on disk.
//! Not here: sockets, timers, storage; the shell performs the actions and feeds what happened.
pub mod box_side;
pub mod hub_side;
mod quota;

pub use quota::Quota;

#[cfg(test)]
mod tests;

use domain::trust::{Certificate, CertificateChain, ChainError, Founding, Purpose};

use crate::{frame::RefuseCode, segment::SegmentError};

/// Unix ms or any other clock of the shell that never goes back.
pub type Millis = u64;

/// Segments that a box may have sent without an acknowledgement.
pub const WINDOW: usize = 4;
/// The first frame must have come by then.
pub const HELLO_WITHIN_MS: u64 = 10_000;
/// A box asks so often for a sign of life, and whether it was told all.
pub const PING_EVERY_MS: u64 = 15_000;
/// While it was not: so often.
pub const ASK_EVERY_MS: u64 = 1_000;
/// Nothing heard for so long ends the session.
pub const SILENCE_MS: u64 = 45_000;

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Somebody said goodbye.
    Bye,
    /// The other side refused to go on, with this code.
    Refused(u16),
    /// This side refused, and told why.
    Refusing(RefuseCode),
    /// Nothing was heard for too long.
    Silence,
}

/// Checks the chain of the first frame against the root, the purpose, and the key that the connection was made with.
fn identify(
    chain: &[u8],
    founding: &Founding,
    purpose: Purpose,
    peer_public_key: &[u8; 32],
) -> Result<Certificate, (RefuseCode, String)> {
    let chain = CertificateChain::from_bytes(chain).map_err(|why| (RefuseCode::Chain, why.to_string()))?;
    let certificate = chain.verify_for(founding, purpose).map_err(|why| match why {
        ChainError::Purpose { .. } => (RefuseCode::Purpose, why.to_string()),
        ChainError::Festival(_) => (RefuseCode::Festival, why.to_string()),
        ChainError::Length(_)
        | ChainError::Malformed { .. }
        | ChainError::Signature(_)
        | ChainError::NotAnIssuer(_)
        | ChainError::Scope(_)
        | ChainError::RootOnly(_) => (RefuseCode::Chain, why.to_string()),
    })?;
    if certificate.subject == *peer_public_key {
        Ok(certificate)
    } else {
        Err((RefuseCode::Key, "the certificate is not for the key of this connection".into()))
    }
}

fn poison(error: &SegmentError) -> String {
    let mut text = error.to_string();
    text.truncate(400);
    text
}
