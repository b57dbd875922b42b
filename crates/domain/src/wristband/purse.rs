//! The purse as it stands on an NTAG215/216: which records are in force, and what they are worth.
//! Invariant: a record without its MAC or signature is not there; doubt between two valid ones is never resolved here.
//! Not here: what to write next (`tap`).
use thiserror::Error;

use super::{
    BandKeys, CREDIT_RECORD_LEN, CreditId, CreditRecord, RecordId, SPENT_RECORD_LEN, SpentRecord,
    layout::{CREDIT_PAGES, CREDIT_READ_LEN, HEADER_LEN, PageWrite, SPENT_PAGES, SPENT_READ_LEN, check_header},
};
use crate::{
    id::KeyId,
    journal::{BandProfile, ChipSeen},
    money::Cents,
};

/// A key that may have signed a C record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditKey {
    /// Its short name; two keys may share one.
    pub id: KeyId,
    /// Ed25519 public key.
    pub public: [u8; 32],
    /// Whether the hub revoked it: what it signed is not spendable.
    pub revoked: bool,
}

/// Why a chip's memory is no purse that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PurseFault {
    /// A header of ours that this software does not know.
    #[error("the band has a layout or profile that this software does not know")]
    Unsupported,
    /// No band of this festival.
    #[error("the band is not of this festival")]
    NotOurs,
    /// Two valid records that exclude each other, or more spent than credited.
    #[error("the band's records contradict each other")]
    Tampered,
    /// No valid record where one must be.
    #[error("the band has no valid record")]
    Unusable,
    /// C is older than the one that S was written under.
    #[error("the band's credits are older than its last sale")]
    RolledBack,
    /// C is signed by a key that is revoked or not in the bundle.
    #[error("the band's credits are signed by a key that is unknown or revoked")]
    UnknownCreditKey,
}

/// What was read from a band and found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurseImage {
    spent: [[u8; SPENT_RECORD_LEN]; 2],
    credits: [[u8; CREDIT_RECORD_LEN]; 2],
    header: [u8; HEADER_LEN],
    s_slot: usize,
    other: Option<SpentRecord>,
    record: SpentRecord,
    c_slot: usize,
    credit: CreditRecord,
}

impl PurseImage {
    /// Judges the pages of `layout::SPENT_READ` and `layout::CREDIT_READ`.
    pub fn read(
        spent_read: &[u8; SPENT_READ_LEN],
        credit_read: &[u8; CREDIT_READ_LEN],
        band: &BandKeys,
        keys: &[CreditKey],
    ) -> Result<Self, PurseFault> {
        let [h0, h1, h2, _, slots @ ..] = spent_read.as_chunks::<4>().0 else {
            return Err(PurseFault::Unusable);
        };
        let mut header = [0; HEADER_LEN];
        header.copy_from_slice(&[*h0, *h1, *h2].concat());
        let slots = slots.as_flattened().as_chunks::<SPENT_RECORD_LEN>().0;
        match (slots, credit_read.as_chunks::<CREDIT_RECORD_LEN>().0) {
            ([s0, s1], [c0, c1]) => Self::judge(header, [*s0, *s1], [*c0, *c1], band, keys),
            _ => Err(PurseFault::Unusable),
        }
    }

    fn judge(
        header: [u8; HEADER_LEN],
        spent: [[u8; SPENT_RECORD_LEN]; 2],
        credits: [[u8; CREDIT_RECORD_LEN]; 2],
        band: &BandKeys,
        keys: &[CreditKey],
    ) -> Result<Self, PurseFault> {
        check_header(&header, BandProfile::Ntag21x, band.festival())?;
        let (s_slot, record, other) = match spent.map(|bytes| SpentRecord::open(&bytes, band)) {
            [None, None] => return Err(PurseFault::Unusable),
            [Some(record), None] => (0, record, None),
            [None, Some(record)] => (1, record, None),
            [Some(a), Some(b)] if a.tap_counter == b.tap_counter && a != b => return Err(PurseFault::Tampered),
            [Some(a), Some(b)] if b.tap_counter > a.tap_counter => (1, b, Some(a)),
            [Some(a), Some(b)] => (0, a, Some(b)),
        };
        let (c_slot, credit) = credit_in_force(&credits, band, keys)?;
        if credit.seq < record.credit_seq {
            let unknown = has_unknown_key(&credits[1 - c_slot], keys);
            return Err(if unknown { PurseFault::UnknownCreditKey } else { PurseFault::RolledBack });
        }
        if record.spent > credit.credits {
            return Err(PurseFault::Tampered);
        }
        Ok(Self { spent, credits, header, s_slot, other, record, c_slot, credit })
    }

    /// The same band after these writes reached it.
    pub fn after(&self, writes: &[PageWrite], band: &BandKeys, keys: &[CreditKey]) -> Result<Self, PurseFault> {
        let (mut spent, mut credits) = (self.spent, self.credits);
        for (page, bytes) in writes {
            let slots = SPENT_PAGES.iter().zip(spent.iter_mut().map(|s| s.as_mut_slice()));
            let slots = slots.chain(CREDIT_PAGES.iter().zip(credits.iter_mut().map(|c| c.as_mut_slice())));
            for (first, slot) in slots {
                let at = page.checked_sub(*first).map(|n| usize::from(n).saturating_mul(4));
                let place = at.and_then(|at| slot.get_mut(at..)).and_then(|rest| rest.first_chunk_mut());
                if let Some(place) = place {
                    *place = *bytes;
                }
            }
        }
        Self::judge(self.header, spent, credits, band, keys)
    }

    /// The S record in force.
    pub fn record(&self) -> &SpentRecord {
        &self.record
    }

    /// Its name.
    pub fn base(&self) -> RecordId {
        RecordId::of(&self.spent[self.s_slot])
    }

    /// The C record in force.
    pub fn credit(&self) -> &CreditRecord {
        &self.credit
    }

    /// Its name.
    pub fn credit_id(&self) -> CreditId {
        CreditId::of(self.credit_bytes())
    }

    /// Its bytes.
    pub fn credit_bytes(&self) -> &[u8; CREDIT_RECORD_LEN] {
        &self.credits[self.c_slot]
    }

    /// Spent, at least as much as the ledger knows.
    pub fn effective_spent(&self, ledger: Cents) -> Cents {
        self.record.spent.max(ledger)
    }

    /// What is left when `ledger` was spent at least; nothing where that is more than the credits.
    pub fn balance(&self, ledger: Cents) -> Cents {
        self.credit.credits.minus(self.effective_spent(ledger)).unwrap_or(Cents::ZERO)
    }

    /// First page of the S slot that is not in force.
    pub fn free_spent_page(&self) -> u8 {
        SPENT_PAGES[1 - self.s_slot]
    }

    /// First page of the C slot that is not in force.
    pub fn free_credit_page(&self) -> u8 {
        CREDIT_PAGES[1 - self.c_slot]
    }

    /// The chain as an entry names it.
    pub fn seen(&self) -> ChipSeen {
        let before = self.record.link;
        let linked = self.other.filter(|_| RecordId::of(&self.spent[1 - self.s_slot]) == before);
        ChipSeen {
            base: self.base(),
            before,
            before2: linked.map(|record| record.link),
            credit_seq: self.credit.seq,
            credit_id: self.credit_id(),
            credits: self.credit.credits,
            spent: self.record.spent,
        }
    }

    /// Whether record `id` with this counter stands in the chain on the chip: yes, another one does, or cannot tell.
    pub fn has_in_chain(&self, id: RecordId, tap_counter: u16) -> Option<bool> {
        let seen = self.seen();
        let at = match self.record.tap_counter.checked_sub(tap_counter)? {
            0 => seen.base,
            1 => seen.before,
            2 => seen.before2?,
            _ => return None,
        };
        Some(at == id)
    }

    /// Whether this C is the one in force or known to lie before it: by its link, or by the other slot where that holds
    /// the linked record.
    pub fn includes_credit(&self, id: CreditId) -> bool {
        let other = &self.credits[1 - self.c_slot];
        let link = self.credit.link;
        self.credit_id() == id || link == id || (link == CreditId::of(other) && CreditRecord::read(other).link == id)
    }
}

/// The C record with a valid signature, of two the one with the higher sequence.
fn credit_in_force(
    slots: &[[u8; CREDIT_RECORD_LEN]; 2],
    band: &BandKeys,
    keys: &[CreditKey],
) -> Result<(usize, CreditRecord), PurseFault> {
    let read = slots.each_ref().map(CreditRecord::read);
    let signer = |slot: usize| {
        let named = keys.iter().filter(|key| key.id == read[slot].key);
        named
            .into_iter()
            .find(|key| CreditRecord::verify(&slots[slot], &key.public, band.festival(), band.wallet()).is_ok())
    };
    let newer = usize::from(read[1].seq > read[0].seq);
    let older = 1 - newer;
    let (slot, key) = match signer(newer) {
        Some(_) if read[0].seq == read[1].seq && slots[0] != slots[1] && signer(older).is_some() => {
            return Err(PurseFault::Tampered);
        }
        Some(key) => (newer, key),
        None => match signer(older) {
            Some(key) => (older, key),
            None if slots.iter().any(|slot| has_unknown_key(slot, keys)) => return Err(PurseFault::UnknownCreditKey),
            None => return Err(PurseFault::Unusable),
        },
    };
    if key.revoked { Err(PurseFault::UnknownCreditKey) } else { Ok((slot, read[slot])) }
}

/// Whether something is written there that names a key which is not in the bundle.
fn has_unknown_key(slot: &[u8; CREDIT_RECORD_LEN], keys: &[CreditKey]) -> bool {
    let named = CreditRecord::read(slot).key;
    slot.iter().any(|byte| *byte != 0) && keys.iter().all(|key| key.id != named)
}
