//! Parts of the hub's entries about money that is owed: paid online, signed for a chip, written off.
//! Invariant: one byte form each; amounts stand in the entry's header, never here.
//! Not here: what they do to a wallet (`ledger`).
use alloc::{string::String, vec::Vec};

use crate::{
    id::EntryRef,
    wire::{Malformed, Reader, Writer},
    wristband::CREDIT_RECORD_LEN,
};

/// `Kind::ONLINE_CREDIT`: what a wallet is owed is on its way to the guest.
///
/// With a record (effect none): C′, which replaces exactly the C that it links to; it counts once that record shows on
/// the chip. Without one (effect credit): the account in the ledger has it at once.
/// Flag u8 (· C′ 76) · count u8 · entries 24 each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlineCredit {
    /// C′, for a purse.
    pub record: Option<[u8; CREDIT_RECORD_LEN]>,
    /// The entries that the amount is owed for, as far as they fit: an audit's trail, not a rule.
    pub covers: Vec<EntryRef>,
}

impl OnlineCredit {
    /// Most entries that one names.
    pub const MAX_COVERS: usize = 100;

    pub(super) fn write(&self, out: &mut Writer) {
        out.u8(u8::from(self.record.is_some()));
        if let Some(record) = &self.record {
            out.bytes(record);
        }
        let covers = self.covers.iter().take(Self::MAX_COVERS);
        out.u8(u8::try_from(covers.len()).unwrap_or(u8::MAX));
        covers.for_each(|at| at.write(out));
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let record = match input.u8()? {
            0 => None,
            1 => Some(input.array()?),
            _ => return Err(Malformed::Value("flag")),
        };
        let count = usize::from(input.u8()?);
        if count > Self::MAX_COVERS {
            return Err(Malformed::Value("entries covered"));
        }
        let covers = (0..count).map(|_| EntryRef::read(input)).collect::<Result<_, _>>()?;
        Ok(Self { record, covers })
    }
}

/// `Kind::ONLINE_TOP_UP`: the idempotency key stands in the header's `other`. Reference: UTF-8 to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnlineTopUp {
    /// The payment, as whoever took it names it.
    pub reference: String,
}

impl OnlineTopUp {
    /// Longest reference, in bytes.
    pub const MAX_REFERENCE: usize = 200;

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bytes = input.take(input.rest().len())?;
        match core::str::from_utf8(bytes) {
            Ok(text) if bytes.len() <= Self::MAX_REFERENCE && !text.chars().any(char::is_control) => {
                Ok(Self { reference: text.into() })
            }
            Ok(_) | Err(_) => Err(Malformed::Value("payment reference")),
        }
    }
}
