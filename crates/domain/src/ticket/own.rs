//! The festival's own ticket: 101 bytes, 152 characters of base45, a QR code of version 6 at level M.
//! Invariant: what parses is canonical (one text for each ticket), and nothing of it counts before `verify`.
//! Byte layout and signed message: `docs/formats.md`, "Ticket". Not here: which keys are in force (`Verifier`).
use alloc::{string::String, vec::Vec};

use ed25519_dalek::{Signature, SigningKey, VerifyingKey};

use super::{TicketError, TicketId, base45};
use crate::{
    id::{FestivalId, KeyId, key_id},
    trust::{self, SignatureTag, signed_message},
    wire::{Malformed, Reader, Writer},
};

/// Version byte of this layout.
pub const VERSION: u8 = 1;
/// Length of the text in characters.
pub const TEXT_LEN: usize = 152;

const HEAD_LEN: usize = 37;
const FESTIVAL_PREFIX_LEN: usize = 4;

/// What a ticket says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnTicket {
    /// Names the ticket within the festival, under whatever key it is issued again.
    pub ticket_id: TicketId,
    /// What was sold.
    pub category: u16,
    /// Bit set of the zones it opens.
    pub zones: u32,
    /// Unix seconds from which it opens them; 0 = from the start.
    pub valid_from: u32,
    /// Unix seconds until which it opens them; 0 = to the end.
    pub valid_until: u32,
    /// [`super::holder_check`] of the holder's name; 0 = for whoever brings it.
    pub holder_check: u16,
}

/// A text in canonical form, whose signature was not looked at yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedOwn {
    key: KeyId,
    festival_prefix: [u8; FESTIVAL_PREFIX_LEN],
    ticket: OwnTicket,
    head: [u8; HEAD_LEN],
    signature: [u8; 64],
}

/// Whether a text claims to be of this scheme: 152 of the 45 characters, and the version byte first.
pub(super) fn has_shape(text: &str) -> bool {
    text.len() == TEXT_LEN
        && base45::is_alphabet(text)
        && text
            .get(..3)
            .and_then(|group| base45::decode(group).ok())
            .is_some_and(|bytes| bytes.first() == Some(&VERSION))
}

impl OwnTicket {
    /// Whether its window ends after it starts; a ticket where it does not is refused everywhere.
    pub fn window_is_possible(&self) -> bool {
        self.valid_until == 0 || self.valid_from <= self.valid_until
    }

    /// Its window in unix seconds, open where the ticket says 0.
    pub fn window(&self) -> (Option<u64>, Option<u64>) {
        let end = |unix_s: u32| (unix_s != 0).then_some(u64::from(unix_s));
        (end(self.valid_from), end(self.valid_until))
    }

    /// The text of this ticket for that festival.
    pub fn sign(&self, festival: &FestivalId, key: &SigningKey) -> String {
        let head = self.head(festival, key_id(key.verifying_key().as_bytes()));
        let signature = trust::sign(key, SignatureTag::Ticket, festival, &[&head]);
        base45::encode(&[head.as_slice(), &signature].concat())
    }

    fn head(&self, festival: &FestivalId, key: KeyId) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        key.write(&mut out);
        out.bytes(&prefix(festival));
        out.bytes(&self.ticket_id);
        out.u16(self.category);
        out.u32(self.zones);
        out.u32(self.valid_from);
        out.u32(self.valid_until);
        out.u16(self.holder_check);
        out.finish()
    }
}

impl ParsedOwn {
    /// Reads a text; needs no key.
    pub fn parse(text: &str) -> Result<Self, TicketError> {
        if !has_shape(text) {
            return Err(TicketError::UnknownScheme);
        }
        let bytes = base45::decode(text)?;
        let mut whole = Reader::new(&bytes);
        let head = whole.array::<HEAD_LEN>()?;
        let signature = whole.array()?;
        whole.end()?;

        let mut fields = Reader::new(&head);
        fields.u8()?;
        let key = KeyId::read(&mut fields)?;
        let festival_prefix = fields.array()?;
        let ticket = OwnTicket {
            ticket_id: fields.array()?,
            category: fields.u16()?,
            zones: fields.u32()?,
            valid_from: fields.u32()?,
            valid_until: fields.u32()?,
            holder_check: fields.u16()?,
        };
        fields.end()?;
        if !ticket.window_is_possible() {
            return Err(Malformed::Value("valid until").into());
        }
        Ok(Self { key, festival_prefix, ticket, head, signature })
    }

    /// Whether it is signed by this key, for this festival.
    pub fn verify(&self, festival: &FestivalId, key: &VerifyingKey) -> Result<(), TicketError> {
        if !self.claims(festival) {
            return Err(TicketError::WrongFestival);
        }
        let message = signed_message(SignatureTag::Ticket, festival, &[&self.head]);
        key.verify_strict(&message, &Signature::from_bytes(&self.signature)).map_err(|_| TicketError::BadSignature)
    }

    /// Whether it says that it is of this festival. The signature covers the whole id, this only four bytes of it.
    pub fn claims(&self, festival: &FestivalId) -> bool {
        self.festival_prefix == prefix(festival)
    }

    /// The key that it says it was signed with.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// What it says.
    pub fn ticket(&self) -> &OwnTicket {
        &self.ticket
    }
}

fn prefix(festival: &FestivalId) -> [u8; FESTIVAL_PREFIX_LEN] {
    let [a, b, c, d, ..] = festival.0;
    [a, b, c, d]
}
