//! Which documents there are, and the names of their changes.
use domain::wire::{hex, unhex};

/// One shared document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Document {
    /// 1: products, prices, happy hours.
    Catalogue,
    /// 2: zones and their rules.
    Zones,
    /// 3: who works here.
    Staff,
    /// 4: reasons that people choose from.
    Reasons,
}

impl Document {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Catalogue, Self::Zones, Self::Staff, Self::Reasons];

    /// The number in envelopes.
    pub const fn number(self) -> u8 {
        match self {
            Self::Catalogue => 1,
            Self::Zones => 2,
            Self::Staff => 3,
            Self::Reasons => 4,
        }
    }

    /// From the number in envelopes.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|document| document.number() == number)
    }

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Catalogue => "catalogue",
            Self::Zones => "zones",
            Self::Staff => "staff",
            Self::Reasons => "reasons",
        }
    }

    /// From its name in the API.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|document| document.name() == name)
    }
}

/// Hash of a change: SHA-256 over its chunk, as Automerge's format defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct ChangeHash(#[cbor(with = "minicbor::bytes")] pub [u8; 32]);

impl ChangeHash {
    /// Lower-case hexadecimal.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Parses what [`Self::to_hex`] prints.
    pub fn from_hex(text: &str) -> Option<Self> {
        Some(Self(unhex(text)?.try_into().ok()?))
    }
}

impl std::fmt::Display for ChangeHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_hex())
    }
}
