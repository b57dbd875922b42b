//! The support desk's magnifying glass: everything a text says, even where it is not to be believed.
//! Invariant: never decides; what may enter is only ever a [`super::Ticket`] from [`Verifier::read`].
use alloc::string::String;

use super::{
    Scheme, Signature, TicketError, Verifier,
    own::{OwnTicket, ParsedOwn},
    pretix_sig1::{ParsedPretix, PretixTicket},
};
use crate::wire::hex;

/// What a text says, as far as it can be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Its scheme by its looks.
    pub scheme: Option<Scheme>,
    /// Whether what follows can be believed.
    pub signature: Signature,
    /// Why it is refused, if it is.
    pub reason: Option<TicketError>,
    /// Ticket id in hexadecimal, or pretix's seed.
    pub id: Option<String>,
    /// pretix's item.
    pub item: Option<u64>,
    /// pretix's variation; 0 = none.
    pub variation: Option<u64>,
    /// pretix's date of a series; 0 = none.
    pub subevent: Option<u64>,
    /// Category of an own ticket.
    pub category: Option<u16>,
    /// Zones of an own ticket, a bit set.
    pub zones: Option<u32>,
    /// Unix seconds from which it is valid.
    pub valid_from: Option<u64>,
    /// Unix seconds until which it is valid.
    pub valid_until: Option<u64>,
}

/// Looks at a text without believing it.
pub fn inspect(text: &str, verifier: &Verifier) -> Inspection {
    let verdict = verifier.read(text);
    let found = Inspection {
        scheme: Scheme::of(text).ok(),
        signature: verdict.as_ref().map_or_else(TicketError::signature, |_| Signature::Valid),
        reason: verdict.err(),
        id: None,
        item: None,
        variation: None,
        subevent: None,
        category: None,
        zones: None,
        valid_from: None,
        valid_until: None,
    };
    match found.scheme {
        Some(Scheme::Own) => match ParsedOwn::parse(text) {
            Ok(parsed) => found.with_own(parsed.ticket()),
            Err(_) => found,
        },
        Some(Scheme::PretixSig1) => match ParsedPretix::parse(text).and_then(|parsed| parsed.ticket()) {
            Ok(ticket) => found.with_pretix(ticket),
            Err(_) => found,
        },
        None => found,
    }
}

impl Inspection {
    /// Its scheme's code, or `unknown`.
    pub fn scheme_code(&self) -> &'static str {
        self.scheme.map_or("unknown", Scheme::code)
    }

    /// Code of the reason why it is refused.
    pub fn reason_code(&self) -> Option<&'static str> {
        self.reason.as_ref().map(TicketError::code)
    }

    fn with_own(self, ticket: &OwnTicket) -> Self {
        let (valid_from, valid_until) = ticket.window();
        Self {
            id: Some(hex(&ticket.ticket_id)),
            category: Some(ticket.category),
            zones: Some(ticket.zones),
            valid_from,
            valid_until,
            ..self
        }
    }

    fn with_pretix(self, ticket: PretixTicket) -> Self {
        Self {
            id: Some(ticket.seed),
            item: Some(ticket.item),
            variation: Some(ticket.variation),
            subevent: Some(ticket.subevent),
            valid_from: ticket.valid_from,
            valid_until: ticket.valid_until,
            ..self
        }
    }
}
