//! What a blank chip is written to make it a band.
//! Invariant: the header comes after the records and what guards them after everything, so that a chip pulled away
//! half-way is no band and can be started again; what an earlier issue left is wiped.
//! Not here: in which commands (`issuing`), blank bands' payment (a top-up follows), pairing with a ticket.
use alloc::vec::Vec;

use ed25519_dalek::SigningKey;
use thiserror::Error;

use super::{
    BandKeys, CreditId, CreditRecord, RecordId, SPENT_RECORD_LEN, SpentRecord,
    layout::{ChipKind, HEADER_PAGE, PageRange, PageWrite, PurseMap, header, page_writes},
    pointer,
};
use crate::{id::BoxNumber, money::Cents};

/// ACCESS of an NTAG21x: reading free, no limit of attempts. VCTID 05h stays as delivered.
const NTAG_ACCESS: [u8; 4] = [0, 5, 0, 0];
/// CFG0 of an Ultralight AES: SEC_MSG_ACT, and AUTH0 = 2: from there on, lock bits included, writing needs the key.
const AES_CFG0: [u8; 4] = [0x02, 0, 0, 2];
/// CFG1 of an Ultralight AES: reading free, counter 2 read freely and incremented with the key only, no limit of
/// attempts.
const AES_CFG1: [u8; 4] = [0x04, 5, 0, 0];
/// In ACCESS and CFG1: the configuration stays as it is.
pub(super) const CFGLCK: u8 = 0x40;
/// LOCK_KEYS: both keys, and this lock itself.
const AES_LOCK_KEYS: [u8; 4] = [0xe0, 0, 0, 0];
const AES_LOCK_KEYS_PAGE: u8 = 0x2d;
/// Static lock bytes of an NTAG21x (data sheet, section 8.5.2): page 2, before AUTH0, so anybody may write there. Its
/// three block-locking bits freeze the lock bits of pages 3 to 15 as they are, which is open: nobody can lock a page.
const NTAG_LOCK_PAGE: u8 = 2;
const NTAG_BLOCK_LOCKS: [u8; 4] = [0, 0, 0x07, 0];
/// First pages of an Ultralight AES's keys: DataProtKey, UIDRetrKey.
const AES_KEY_PAGES: [u8; 2] = [0x30, 0x34];

/// Why a chip is made no band.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IssueRefusal {
    /// The secrets are of a time before such chips.
    #[error("the festival's secrets have no key for this kind of chip")]
    NoKey,
    /// It is protected by somebody else's password or key.
    #[error("the chip is protected by another password or key")]
    NotOurs,
    /// Its counter is not at 0: it was a band before.
    #[error("the chip's counter is not at 0: it was a band before")]
    CounterUsed,
    /// Its configuration is locked, and not as it must be.
    #[error("the chip's configuration is locked and not as a band needs it")]
    ConfigLocked,
    /// It refused a command, or does not keep what it was told.
    #[error("the chip refuses to be written")]
    RefusedWrite,
    /// It left before it was a band; it can be started again.
    #[error("the chip left before it was a band")]
    Left,
}

impl IssueRefusal {
    /// Code for screens and logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoKey => "band.unsupported",
            Self::NotOurs => "band.not_ours",
            Self::CounterUsed => "band.counter_used",
            Self::ConfigLocked => "band.config_locked",
            Self::RefusedWrite => "band.refused_write",
            Self::Left => "band.pulled_away",
        }
    }
}

/// The S record of a new band: counter 0, nothing spent, no box.
pub fn genesis_record() -> SpentRecord {
    SpentRecord {
        tap_counter: 0,
        spent: Cents::ZERO,
        credit_seq: 0,
        box_number: BoxNumber(0),
        link: RecordId::default(),
    }
}

/// The page writes that make the chip a band with these keys, in order. The same inputs give the same pages. A chip that is protected already must be given its password or a proof of its key first. What makes the
/// configuration permanent comes after (`locking_pages`).
pub fn initial_pages(kind: ChipKind, band: &BandKeys, credit_key: &SigningKey) -> Result<Vec<PageWrite>, IssueRefusal> {
    let header = header(kind.profile(), band.festival(), band.epoch());
    let mut pages = match kind.purse() {
        None => pointer::signed_pages(&header, band, credit_key),
        Some(map) => first_records(map, band, credit_key),
    };
    let config = kind.config_page();
    let header = page_writes(HEADER_PAGE, &header);
    match kind {
        ChipKind::Ntag213 | ChipKind::Ntag215 | ChipKind::Ntag216 => {
            let [p0, p1] = band.pack();
            pages.extend(header);
            pages.push((config.saturating_add(2), band.password()));
            pages.push((config.saturating_add(3), [p0, p1, 0, 0]));
            pages.push((config.saturating_add(1), NTAG_ACCESS));
            // MIRROR 04h stays as delivered
            pages.push((config, [4, 0, 0, HEADER_PAGE]));
        }
        ChipKind::UltralightAes => {
            let keys = band.chip().ok_or(IssueRefusal::NoKey)?;
            for (first, key) in AES_KEY_PAGES.into_iter().zip([keys.data, keys.uid_retrieval]) {
                pages.extend(page_writes(first, &reversed(key)));
            }
            pages.push((config.saturating_add(1), AES_CFG1));
            pages.extend(header);
            pages.push((config, AES_CFG0));
        }
    }
    Ok(pages)
}

/// The writes that make configuration, keys and open lock bits permanent, once it is proven that all is right.
pub(super) fn locking_pages(kind: ChipKind) -> Vec<PageWrite> {
    let access = kind.config_page().saturating_add(1);
    let locked = |[first, rest @ ..]: [u8; 4]| {
        let [a, b, c] = rest;
        [first | CFGLCK, a, b, c]
    };
    match kind {
        ChipKind::Ntag213 | ChipKind::Ntag215 | ChipKind::Ntag216 => {
            [(NTAG_LOCK_PAGE, NTAG_BLOCK_LOCKS), (access, locked(NTAG_ACCESS))].to_vec()
        }
        ChipKind::UltralightAes => [(AES_LOCK_KEYS_PAGE, AES_LOCK_KEYS), (access, locked(AES_CFG1))].to_vec(),
    }
}

/// The pages that hold configuration and its locks.
pub(super) const fn config_read(kind: ChipKind) -> PageRange {
    let first = kind.config_page();
    match kind {
        ChipKind::Ntag213 | ChipKind::Ntag215 | ChipKind::Ntag216 => (first, first.saturating_add(1)),
        ChipKind::UltralightAes => (first, AES_LOCK_KEYS_PAGE),
    }
}

/// The page whose lock bits must be open and frozen in the end.
pub(super) const fn lock_bits_read(kind: ChipKind) -> Option<PageRange> {
    match kind {
        ChipKind::Ntag213 | ChipKind::Ntag215 | ChipKind::Ntag216 => Some((NTAG_LOCK_PAGE, NTAG_LOCK_PAGE)),
        // behind AUTH0
        ChipKind::UltralightAes => None,
    }
}

/// A page as it is compared with what was written: the lock page's first two bytes are the chip's own, and what is
/// written there is not kept.
pub(super) const fn as_written(kind: ChipKind, (page, bytes): PageWrite) -> PageWrite {
    match (lock_bits_read(kind), bytes) {
        (Some((lock_page, _)), [_, _, a, b]) if page == lock_page => (page, [0, 0, a, b]),
        _ => (page, bytes),
    }
}

/// Whether a page reads back as it was written: passwords and keys do not.
pub(super) const fn reads_back(kind: ChipKind, page: u8) -> bool {
    match kind {
        ChipKind::Ntag213 | ChipKind::Ntag215 | ChipKind::Ntag216 => page < kind.config_page().saturating_add(2),
        ChipKind::UltralightAes => page < AES_KEY_PAGES[0],
    }
}

fn first_records(map: &PurseMap, band: &BandKeys, credit_key: &SigningKey) -> Vec<PageWrite> {
    let credit = CreditRecord::sign(Cents::ZERO, 0, CreditId::default(), credit_key, band.festival(), band.wallet());
    let spent = [genesis_record().seal(band), [0; SPENT_RECORD_LEN]];
    let credits = [credit, [0; super::CREDIT_RECORD_LEN]];
    let spent = map.spent_pages.into_iter().zip(&spent).flat_map(|(first, record)| page_writes(first, record));
    let credits = map.credit_pages.iter().zip(&credits).flat_map(|(first, record)| page_writes(*first, record));
    spent.chain(credits).collect()
}

fn reversed(mut key: [u8; 16]) -> [u8; 16] {
    key.reverse();
    key
}
