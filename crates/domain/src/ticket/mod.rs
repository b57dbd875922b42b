//! Tickets: from the text of a QR code to a verified [`Ticket`], whatever scheme it was issued in.
//! Invariant: a `Ticket` exists only where a signature was verified strictly over a canonical text, and its
//! [`TicketUid`] depends on issuer and ticket id alone: neither a reissue nor another encoding is a second admission.
//! A further scheme is one more variant of [`Scheme`] and its module. Not here: whether a genuine ticket may enter
//! (`access`), and which ones are revoked or used.
use alloc::{string::String, vec::Vec};

pub mod base45;
mod error;
mod holder;
mod inspect;
pub mod own;
pub mod pretix_sig1;
pub mod snapshot;
mod verifier;

pub use error::{Signature, TicketError};
pub use holder::{fold_name, holder_check};
pub use inspect::{Inspection, inspect};
pub use verifier::{PretixEvent, TicketKey, Verifier};

use crate::id::{FestivalId, TicketUid};

/// Longest text that is looked at, in bytes. Own tickets have 152, pretix writes 116 to 132 and may write 504.
pub const MAX_TEXT_LEN: usize = 1024;

/// Id of an own ticket within its festival.
pub type TicketId = [u8; 12];

const UID_TAG: &[u8] = b"festival.ticket-uid.v1\0";

/// How a ticket is written and signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Issued by this festival (`own`).
    Own,
    /// Issued by pretix, signature scheme 1 (`pretix_sig1`).
    PretixSig1,
}

/// A genuine ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// How it was written.
    pub scheme: Scheme,
    /// Who it is, in every list of the festival.
    pub uid: TicketUid,
    /// What people call it: the ticket id in hexadecimal, or pretix's seed.
    pub display_id: String,
    /// What was sold.
    pub product: Product,
    /// Unix seconds from which it is valid.
    pub valid_from: Option<u64>,
    /// Unix seconds until which it is valid.
    pub valid_until: Option<u64>,
    /// Bit set of the zones it opens, where the ticket itself says so.
    pub zones: Option<u32>,
    /// [`holder_check`] of its holder's name, where it is personal.
    pub holder_check: Option<u16>,
}

/// What was sold, in the issuer's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// A category of this festival.
    Category(u16),
    /// A product of an imported pretix event; 0 = none for variation and subevent.
    Pretix {
        /// Index of the imported event ([`PretixEvent::index`]).
        event: u16,
        /// pretix's item.
        item: u64,
        /// pretix's variation of it.
        variation: u64,
        /// pretix's date of a series.
        subevent: u64,
    },
}

impl Scheme {
    /// Stable name.
    pub fn code(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::PretixSig1 => "pretix_sig1",
        }
    }

    /// Which scheme a text is of by its looks, or why it is of none.
    pub fn of(text: &str) -> Result<Self, TicketError> {
        if text.len() > MAX_TEXT_LEN {
            return Err(TicketError::TooLong { len: text.len(), max: MAX_TEXT_LEN });
        }
        if text.is_empty() || !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(TicketError::Unreadable);
        }
        if own::has_shape(text) {
            Ok(Self::Own)
        } else if pretix_sig1::has_shape(text) {
            Ok(Self::PretixSig1)
        } else {
            Err(TicketError::UnknownScheme)
        }
    }

    /// Its byte in what a [`TicketUid`] is the hash of.
    fn uid_byte(self) -> u8 {
        match self {
            Self::Own => 1,
            Self::PretixSig1 => 2,
        }
    }

    /// First 16 bytes of BLAKE3 of tag, scheme byte, issuer (of one length in each scheme) and id.
    fn uid(self, issuer: &[u8], id: &[u8]) -> TicketUid {
        let mut message = Vec::from(UID_TAG);
        message.push(self.uid_byte());
        message.extend_from_slice(issuer);
        message.extend_from_slice(id);
        TicketUid(crate::wire::first16(blake3::hash(&message).as_bytes()))
    }
}

/// Who an own ticket is: its festival and id, whatever key signed it.
pub fn uid_of_own(festival: &FestivalId, ticket_id: &TicketId) -> TicketUid {
    Scheme::Own.uid(&festival.0, ticket_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_of_two_schemes_are_never_one() {
        assert_ne!(Scheme::Own.uid(b"issuer", b"id"), Scheme::PretixSig1.uid(b"issuer", b"id"));
    }
}
