//! Why a text is no ticket of this festival, one code for each reason that staff or a program can tell apart.
//! Not here: refusals of a genuine ticket (window, zone, used, revoked): those are the gate's (`access`).
use thiserror::Error;

use super::base45::Base45Error;
use crate::wire::Malformed;

/// What reading a ticket text ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TicketError {
    /// Longer than any ticket; nothing of it was looked at.
    #[error("the text has {len} bytes, a ticket has at most {max}")]
    TooLong {
        /// Length of the text in bytes.
        len: usize,
        /// What is read at most.
        max: usize,
    },
    /// Empty, or with characters that no ticket holds (control characters, anything outside ASCII).
    #[error("the text holds characters that no ticket holds")]
    Unreadable,
    /// Readable, but of no scheme or version known here.
    #[error("the text is of no ticket scheme known here")]
    UnknownScheme,
    /// The characters of a scheme, in a form that its issuer never writes (misread or edited).
    #[error("the text is not in the one form its issuer writes")]
    NotCanonical,
    /// Decodes, but the fields inside are not those of the scheme.
    #[error("the ticket's fields are malformed: {0}")]
    Malformed(#[from] Malformed),
    /// It says that it was signed with a key that is not known here.
    #[error("the ticket's key is not known here")]
    UnknownKey,
    /// The signature does not fit the content and the festival.
    #[error("the ticket's signature is not valid")]
    BadSignature,
    /// Genuinely signed, with a key that was revoked since.
    #[error("the ticket's key is revoked")]
    KeyRevoked,
    /// Genuinely signed, with a key that is not in force yet.
    #[error("the ticket's key is not in force yet")]
    KeyNotYetValid,
    /// Genuinely signed, with a key that is no longer in force.
    #[error("the ticket's key is no longer in force")]
    KeyExpired,
    /// It says that it belongs to another festival.
    #[error("the ticket is of another festival")]
    WrongFestival,
}

/// What is known of a ticket's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// It fits, under a known key.
    Valid,
    /// There is one, and it does not fit under any known key.
    Invalid,
    /// The text does not hold one in canonical form.
    Malformed,
}

impl TicketError {
    /// Stable code for logs, the API and the catalogue of texts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "ticket.too_long",
            Self::Unreadable => "ticket.unreadable",
            Self::UnknownScheme => "ticket.unknown_scheme",
            Self::NotCanonical => "ticket.not_canonical",
            Self::Malformed(_) => "ticket.malformed",
            Self::UnknownKey => "ticket.unknown_key",
            Self::BadSignature => "ticket.bad_signature",
            Self::KeyRevoked => "ticket.key_revoked",
            Self::KeyNotYetValid => "ticket.key_not_yet_valid",
            Self::KeyExpired => "ticket.key_expired",
            Self::WrongFestival => "ticket.wrong_festival",
        }
    }

    /// What this reason says of the signature.
    pub fn signature(&self) -> Signature {
        match self {
            Self::TooLong { .. } | Self::Unreadable | Self::UnknownScheme | Self::NotCanonical | Self::Malformed(_) => {
                Signature::Malformed
            }
            Self::UnknownKey | Self::BadSignature | Self::WrongFestival => Signature::Invalid,
            Self::KeyRevoked | Self::KeyNotYetValid | Self::KeyExpired => Signature::Valid,
        }
    }
}

impl From<Base45Error> for TicketError {
    fn from(_: Base45Error) -> Self {
        Self::NotCanonical
    }
}

impl Signature {
    /// As printed: `valid`, `invalid` or `malformed`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Malformed => "malformed",
        }
    }
}
