//! Which keys count at this festival, and the order in which a text is looked at:
//! readable, scheme, signature, key validity. Each failure has its own reason ([`TicketError`]).
//! Invariant: no clock; who has a time that can be trusted gives it to [`Verifier::read_at`].
use alloc::vec::Vec;

use ed25519_dalek::VerifyingKey;

use super::{
    Product, Scheme, Ticket, TicketError,
    own::{OwnTicket, ParsedOwn},
    pretix_sig1::{self, ParsedPretix, PretixKey, PretixTicket},
    uid_of_own,
};
use crate::{
    id::{FestivalId, KeyId, key_id},
    wire::hex,
};

/// A key that signs own tickets. Several are valid at once while they rotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketKey {
    /// The public key.
    pub key: VerifyingKey,
    /// Its short name on tickets.
    pub id: KeyId,
    /// Unix seconds from which its tickets count.
    pub valid_from: Option<u64>,
    /// Unix seconds until which its tickets count.
    pub valid_until: Option<u64>,
    /// Whether its tickets count no more.
    pub revoked: bool,
}

/// A pretix event whose tickets open this festival's doors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PretixEvent {
    /// Its index among the imported events.
    pub index: u16,
    /// The keys that its tickets may be signed with. No two events may share one: the first would get the tickets.
    pub keys: Vec<PretixKey>,
}

/// What this festival takes for genuine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    /// The festival.
    pub festival: FestivalId,
    /// Keys of own tickets, revoked ones too: they give a better reason than an unknown key.
    pub ticket_keys: Vec<TicketKey>,
    /// Imported events.
    pub pretix_events: Vec<PretixEvent>,
}

impl TicketKey {
    /// A key that counts without end.
    pub fn new(key: VerifyingKey) -> Self {
        Self { key, id: key_id(key.as_bytes()), valid_from: None, valid_until: None, revoked: false }
    }

    /// Whether tickets under this key count, at that time if one is known.
    pub fn check(&self, unix_s: Option<u64>) -> Result<(), TicketError> {
        if self.revoked {
            return Err(TicketError::KeyRevoked);
        }
        let too_early = unix_s.zip(self.valid_from).is_some_and(|(now, from)| now < from);
        let too_late = unix_s.zip(self.valid_until).is_some_and(|(now, until)| now > until);
        match (too_early, too_late) {
            (true, _) => Err(TicketError::KeyNotYetValid),
            (false, true) => Err(TicketError::KeyExpired),
            (false, false) => Ok(()),
        }
    }
}

impl Verifier {
    /// The genuine ticket that this text is. Enforces no dates on keys, as a box whose clock cannot be trusted.
    pub fn read(&self, text: &str) -> Result<Ticket, TicketError> {
        Ok(self.read_text(text, None)?.0)
    }

    /// The same, with the key of ours that signed it, whose dates are still to be checked (`access::check_key`); a
    /// pretix key has none.
    pub fn read_with_key(&self, text: &str) -> Result<(Ticket, Option<&TicketKey>), TicketError> {
        self.read_text(text, None)
    }

    /// The genuine ticket that this text is, signed with a key that is in force at that trusted time.
    pub fn read_at(&self, text: &str, unix_s: u64) -> Result<Ticket, TicketError> {
        Ok(self.read_text(text, Some(unix_s))?.0)
    }

    fn read_text(&self, text: &str, unix_s: Option<u64>) -> Result<(Ticket, Option<&TicketKey>), TicketError> {
        match Scheme::of(text)? {
            Scheme::Own => {
                let parsed = ParsedOwn::parse(text)?;
                let key = self.check_own(&parsed, unix_s)?;
                Ok((self.own_ticket(parsed.ticket()), Some(key)))
            }
            Scheme::PretixSig1 => {
                let parsed = ParsedPretix::parse(text)?;
                let (event, key) = self.check_pretix(&parsed)?;
                Ok((pretix_ticket(event, key, parsed.ticket()?), None))
            }
        }
    }

    /// The festival is asked before the signature: one made for another festival can never fit, and "another
    /// festival" is what staff can tell the guest.
    fn check_own(&self, parsed: &ParsedOwn, unix_s: Option<u64>) -> Result<&TicketKey, TicketError> {
        if self.ticket_keys.is_empty() {
            return Err(TicketError::UnknownKey);
        }
        if !parsed.claims(&self.festival) {
            return Err(TicketError::WrongFestival);
        }
        let named = || self.ticket_keys.iter().filter(|key| key.id == parsed.key());
        if named().next().is_none() {
            return Err(TicketError::UnknownKey);
        }
        let signer = named().find(|key| parsed.verify(&self.festival, &key.key).is_ok());
        let signer = signer.ok_or(TicketError::BadSignature)?;
        signer.check(unix_s).map(|()| signer)
    }

    /// pretix's tickets name no key: each one is tried.
    fn check_pretix(&self, parsed: &ParsedPretix) -> Result<(u16, &PretixKey), TicketError> {
        let keys = self.pretix_events.iter().flat_map(|event| event.keys.iter().map(|key| (event.index, key)));
        let mut keys = keys.peekable();
        if keys.peek().is_none() {
            return Err(TicketError::UnknownKey);
        }
        keys.find(|(_, key)| parsed.verify(key).is_ok()).ok_or(TicketError::BadSignature)
    }

    fn own_ticket(&self, ticket: &OwnTicket) -> Ticket {
        let (valid_from, valid_until) = ticket.window();
        Ticket {
            scheme: Scheme::Own,
            uid: uid_of_own(&self.festival, &ticket.ticket_id),
            display_id: hex(&ticket.ticket_id),
            product: Product::Category(ticket.category),
            valid_from,
            valid_until,
            zones: Some(ticket.zones),
            holder_check: (ticket.holder_check != 0).then_some(ticket.holder_check),
        }
    }
}

fn pretix_ticket(event: u16, key: &PretixKey, ticket: PretixTicket) -> Ticket {
    Ticket {
        scheme: Scheme::PretixSig1,
        uid: pretix_sig1::uid(key, &ticket.seed),
        product: Product::Pretix { event, item: ticket.item, variation: ticket.variation, subevent: ticket.subevent },
        valid_from: ticket.valid_from,
        valid_until: ticket.valid_until,
        zones: None,
        holder_check: None,
        display_id: ticket.seed,
    }
}
