//! Large things of a bundle, named by their hash: the bundle stays small, and a box fetches only what its roles need
//! and what it does not hold yet.
//! Invariant: bytes count only where hash and length are those that the signed bundle names.
//! Not here: the formats inside (`ticket::snapshot`, `names`), fetching (`sync`), files (`box-store`).
use alloc::vec::Vec;

use thiserror::Error;

use super::{Bundle, BundleBody, BundleSection, RawKey};
use crate::{
    lan::LanGroup,
    secrets::epoch::SealedEpoch,
    trust::Roles,
    wire::{Malformed, Reader, Writer, from_canonical_cbor, to_cbor},
};

/// Section of the holders' names, encrypted (`names`).
pub const SECTION_NAMES: u16 = 1;
/// Section of the ticket snapshot (`ticket::snapshot`).
pub const SECTION_TICKETS: u16 = 2;
/// Section of the keys that count no more although a chain above may still name them: CBOR array of public keys.
pub const SECTION_RETIRED_KEYS: u16 = 3;
/// Section of the groups on the venue's LANs (`lan::LanGroup`): CBOR array.
pub const SECTION_LAN: u16 = 4;
/// Section of later epochs' band keys, sealed to boxes (`secrets::epoch`): CBOR array.
pub const SECTION_BAND_KEYS: u16 = 5;
/// Section of the epochs of band keys whose bands are refused: CBOR array of their numbers, ascending.
pub const SECTION_RETIRED_EPOCHS: u16 = 6;
/// Section of the rule for accounts ([`AccountRule`]): one byte. Not there: the offline limit.
pub const SECTION_ACCOUNTS: u16 = 7;
/// Longest blob.
pub const BLOB_MAX: u64 = 64 << 20;

/// What bounds what boxes that are apart take from an account, whose money is in the ledger and not on a chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub enum AccountRule {
    /// Each box takes up to the offline limit.
    #[default]
    Limit,
    /// 1: each box takes what it was dealt or put on itself (`till::Escrow`), so that nothing can be overspent.
    Escrow,
}

impl AccountRule {
    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        match bytes {
            [1] => Ok(Self::Escrow),
            _ => Err(Malformed::Value("rule for accounts")),
        }
    }
}

/// Names a blob. 44 bytes: BLAKE3 hash 32 · length u64 · records u32, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlobRef {
    /// BLAKE3 of its bytes.
    pub hash: [u8; 32],
    /// How many bytes; 1 to [`BLOB_MAX`].
    pub length: u64,
    /// How many records, for people.
    pub count: u32,
}

/// Bytes that are not the blob that was named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WrongBlob {
    /// Of another length.
    #[error("the blob has {found} bytes, the bundle names one of {wanted}")]
    Length {
        /// Held.
        found: u64,
        /// Named.
        wanted: u64,
    },
    /// Of another hash.
    #[error("the blob is not the one that the bundle names")]
    Hash,
}

impl BlobRef {
    /// Names these bytes.
    pub fn of(bytes: &[u8], count: u32) -> Self {
        Self { hash: *blake3::hash(bytes).as_bytes(), length: bytes.len() as u64, count }
    }

    /// The section that carries it.
    pub fn section(&self, number: u16) -> BundleSection {
        let mut out = Writer::new();
        out.bytes(&self.hash);
        out.u64(self.length);
        out.u32(self.count);
        BundleSection { number, bytes: out.finish() }
    }

    /// Reads a section's bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        let blob = Self { hash: input.array()?, length: input.u64()?, count: input.u32()? };
        input.end()?;
        if (1..=BLOB_MAX).contains(&blob.length) { Ok(blob) } else { Err(Malformed::Value("blob length")) }
    }

    /// Whether these are its bytes.
    pub fn check(&self, bytes: &[u8]) -> Result<(), WrongBlob> {
        let found = bytes.len() as u64;
        if found != self.length {
            return Err(WrongBlob::Length { found, wanted: self.length });
        }
        if *blake3::hash(bytes).as_bytes() == self.hash { Ok(()) } else { Err(WrongBlob::Hash) }
    }
}

impl BundleBody {
    /// Checks the sections that this software knows: each once, each readable.
    pub(super) fn check_sections(&self) -> Result<(), Malformed> {
        let known = [
            SECTION_NAMES,
            SECTION_TICKETS,
            SECTION_RETIRED_KEYS,
            SECTION_LAN,
            SECTION_BAND_KEYS,
            SECTION_RETIRED_EPOCHS,
            SECTION_ACCOUNTS,
        ];
        for number in known {
            let mut of = self.sections.iter().filter(|section| section.number == number);
            match (of.next(), of.next()) {
                (_, Some(_)) => return Err(Malformed::Value("section twice")),
                (Some(section), None) if number == SECTION_RETIRED_KEYS => {
                    from_canonical_cbor::<Vec<RawKey>>(&section.bytes)?;
                }
                (Some(section), None) if number == SECTION_LAN => {
                    LanGroup::read_all(&section.bytes)?;
                }
                (Some(section), None) if number == SECTION_BAND_KEYS => {
                    SealedEpoch::read_all(&section.bytes)?;
                }
                (Some(section), None) if number == SECTION_RETIRED_EPOCHS => {
                    read_epochs(&section.bytes)?;
                }
                (Some(section), None) if number == SECTION_ACCOUNTS => {
                    AccountRule::read(&section.bytes)?;
                }
                (Some(section), None) => {
                    BlobRef::from_bytes(&section.bytes)?;
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// The section of keys that count no more.
    pub fn retired_section(keys: &[[u8; 32]]) -> BundleSection {
        let keys: Vec<RawKey> = keys.iter().copied().map(RawKey).collect();
        BundleSection { number: SECTION_RETIRED_KEYS, bytes: to_cbor(&keys) }
    }

    /// The section of the groups on the venue's LANs.
    pub fn lan_section(groups: &[LanGroup]) -> BundleSection {
        BundleSection { number: SECTION_LAN, bytes: to_cbor(&groups) }
    }

    /// The section of later epochs' band keys, sealed to boxes.
    pub fn band_keys_section(epochs: &[SealedEpoch]) -> BundleSection {
        BundleSection { number: SECTION_BAND_KEYS, bytes: to_cbor(&epochs) }
    }

    /// The section of epochs whose bands are refused; ascending, each once.
    pub fn retired_epochs_section(epochs: &[u8]) -> BundleSection {
        BundleSection { number: SECTION_RETIRED_EPOCHS, bytes: to_cbor(&epochs) }
    }

    /// The section of the rule for accounts; none says that the offline limit bounds them.
    pub fn accounts_section(rule: AccountRule) -> Option<BundleSection> {
        match rule {
            AccountRule::Limit => None,
            AccountRule::Escrow => Some(BundleSection { number: SECTION_ACCOUNTS, bytes: Vec::from([1]) }),
        }
    }

    /// What bounds accounts at boxes that are apart.
    pub fn account_rule(&self) -> AccountRule {
        self.section(SECTION_ACCOUNTS).and_then(|bytes| AccountRule::read(bytes).ok()).unwrap_or_default()
    }

    fn section(&self, number: u16) -> Option<&[u8]> {
        self.sections.iter().find(|section| section.number == number).map(|section| section.bytes.as_slice())
    }
}

impl Bundle {
    /// The blob of a section, where the bundle names one.
    pub fn blob(&self, number: u16) -> Option<BlobRef> {
        BlobRef::from_bytes(self.body.section(number)?).ok()
    }

    /// Every blob that it names.
    pub fn blobs(&self) -> impl Iterator<Item = BlobRef> + '_ {
        [SECTION_TICKETS, SECTION_NAMES].into_iter().filter_map(|number| self.blob(number))
    }

    /// The blobs that a box of these roles must hold before it may use the bundle: a gate both, others none.
    pub fn needed_blobs(&self, roles: Roles) -> Vec<BlobRef> {
        if roles.has(Roles::GATE) { self.blobs().collect() } else { Vec::new() }
    }

    /// The groups on the venue's LANs.
    pub fn lan_groups(&self) -> Vec<LanGroup> {
        let groups = self.body.section(SECTION_LAN).map(LanGroup::read_all);
        groups.and_then(Result::ok).unwrap_or_default()
    }

    /// Later epochs' band keys, sealed to boxes.
    pub fn band_keys(&self) -> Vec<SealedEpoch> {
        let sealed = self.body.section(SECTION_BAND_KEYS).map(SealedEpoch::read_all);
        sealed.and_then(Result::ok).unwrap_or_default()
    }

    /// Epochs of band keys whose bands are refused.
    pub fn retired_epochs(&self) -> Vec<u8> {
        let retired = self.body.section(SECTION_RETIRED_EPOCHS).map(read_epochs);
        retired.and_then(Result::ok).unwrap_or_default()
    }

    /// Keys that count no more.
    pub fn retired_keys(&self) -> Vec<[u8; 32]> {
        let listed = self.body.section(SECTION_RETIRED_KEYS).map(from_canonical_cbor::<Vec<RawKey>>);
        listed.and_then(Result::ok).unwrap_or_default().into_iter().map(|key| key.0).collect()
    }
}

fn read_epochs(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    let epochs: Vec<u8> = from_canonical_cbor(bytes)?;
    if epochs.is_sorted_by(|a, b| a < b) { Ok(epochs) } else { Err(Malformed::Value("retired epochs")) }
}
