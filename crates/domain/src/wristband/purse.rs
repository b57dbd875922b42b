//! The purse as it stands on a chip: which records are in force, and what they are worth.
//! Invariant: a record without its MAC or signature is not there; doubt between two valid ones is never resolved here.
//! Not here: what to write next (`tap`).
use alloc::vec::Vec;

use thiserror::Error;

use super::{
    BandKeys, CREDIT_RECORD_LEN, CreditId, CreditRecord, RecordId, SPENT_RECORD_LEN, SpentRecord,
    layout::{HEADER_LEN, HEADER_PAGE, NTAG21X, PageWrite, PurseMap, ULTRALIGHT_AES, check_header},
};
use crate::{id::KeyId, journal::ChipSeen, money::Cents};

/// Pages in which a write of the only C record may have broken off, over several attempts.
const BROKEN_PAGES: usize = 3;
/// Pages of a C record that tell it from every other: its fields and the first of its signature.
const KNOWN_BY: usize = 4;

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
    /// The only C record is half written.
    #[error("the band's only credit record is half written")]
    CreditTorn,
    /// C is older than the one that S was written under.
    #[error("the band's credits are older than its last sale")]
    RolledBack,
    /// C is signed by a key that is revoked or not in the bundle.
    #[error("the band's credits are signed by a key that is unknown or revoked")]
    UnknownCreditKey,
}

/// The pages of a purse as they were read, from the header on, and the chip's counter where that says what is spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PursePages {
    map: &'static PurseMap,
    bytes: Vec<u8>,
    counter: Option<Cents>,
}

/// An S record in force, and the record in the other slot where that is valid, too.
type SpentInForce = (usize, SpentRecord, Option<SpentRecord>);

impl PursePages {
    /// From an NTAG215/216: what `layout::NTAG21X` says to read. `None` if it is not so long.
    pub fn ntag21x(bytes: &[u8]) -> Option<Self> {
        Self::new(&NTAG21X, bytes, None)
    }

    /// From an Ultralight AES: what `layout::ULTRALIGHT_AES` says to read, and its counter.
    pub fn ultralight_aes(bytes: &[u8], counter: Cents) -> Option<Self> {
        Self::new(&ULTRALIGHT_AES, bytes, Some(counter))
    }

    pub(super) fn new(map: &'static PurseMap, bytes: &[u8], counter: Option<Cents>) -> Option<Self> {
        (bytes.len() == map.length()).then(|| Self { map, bytes: bytes.to_vec(), counter })
    }

    /// Where things stand on this chip.
    pub fn map(&self) -> &'static PurseMap {
        self.map
    }

    /// What the chip's counter says.
    pub fn counter(&self) -> Option<Cents> {
        self.counter
    }

    /// `N` bytes from this page on; zeros where there is none.
    fn slot<const N: usize>(&self, first: u8) -> [u8; N] {
        let at = usize::from(first.saturating_sub(HEADER_PAGE)).saturating_mul(4);
        self.bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }

    fn spent_slots(&self) -> [[u8; SPENT_RECORD_LEN]; 2] {
        self.map.spent_pages.map(|first| self.slot(first))
    }

    /// The C slots, one or two.
    pub fn credit_slots(&self) -> Vec<[u8; CREDIT_RECORD_LEN]> {
        self.map.credit_pages.iter().map(|first| self.slot(*first)).collect()
    }

    /// The same band after these writes reached it, and its counter says `counter`.
    pub fn after(&self, writes: &[PageWrite], counter: Option<Cents>) -> Self {
        let mut after = Self { counter, ..self.clone() };
        for (page, bytes) in writes {
            let at = page.checked_sub(HEADER_PAGE).map(|page| usize::from(page).saturating_mul(4));
            let place = at.and_then(|at| after.bytes.get_mut(at..)).and_then(|rest| rest.first_chunk_mut());
            if let Some(place) = place {
                *place = *bytes;
            }
        }
        after
    }

    /// What is in force on the band.
    pub fn judge(&self, band: &BandKeys, keys: &[CreditKey]) -> Result<PurseImage, PurseFault> {
        self.judge_beside(band, keys, None)
    }

    /// The same where this C was found valid before, and counts: its signature is not checked twice in one tap.
    fn judge_beside(
        &self,
        band: &BandKeys,
        keys: &[CreditKey],
        valid: Option<&[u8; CREDIT_RECORD_LEN]>,
    ) -> Result<PurseImage, PurseFault> {
        check_header(&self.slot::<HEADER_LEN>(HEADER_PAGE), self.map.profile, band)?;
        let (s_slot, record, other) = self.spent_in_force(band)?;
        let (c_slot, credit) = credit_in_force(&self.credit_slots(), band, keys, valid)?;
        if credit.seq < record.credit_seq {
            let mut others = self.credit_slots().into_iter().enumerate().filter(|(slot, _)| *slot != c_slot);
            let unknown = others.any(|(_, slot)| has_unknown_key(&slot, keys));
            return Err(if unknown { PurseFault::UnknownCreditKey } else { PurseFault::RolledBack });
        }
        if record.spent > credit.credits {
            return Err(PurseFault::Tampered);
        }
        Ok(PurseImage { pages: self.clone(), s_slot, other, record, c_slot, credit })
    }

    /// The valid S record with the highest tap counter; on a chip whose counter says what is spent, of those that say
    /// the same.
    fn spent_in_force(&self, band: &BandKeys) -> Result<SpentInForce, PurseFault> {
        let valid = self.spent_slots().map(|bytes| SpentRecord::open(&bytes, band));
        let counts = |record: &SpentRecord| self.counter.is_none_or(|counter| record.spent == counter);
        let counting = valid.map(|record| record.filter(counts));
        match counting {
            [None, None] if valid == [None, None] => Err(PurseFault::Unusable),
            // a counter that rose without a record: only who has the key can do that, and no box does
            [None, None] => Err(PurseFault::Tampered),
            [Some(record), None] => Ok((0, record, valid[1])),
            [None, Some(record)] => Ok((1, record, valid[0])),
            [Some(a), Some(b)] if a.tap_counter == b.tap_counter && a != b => Err(PurseFault::Tampered),
            [Some(a), Some(b)] if b.tap_counter > a.tap_counter => Ok((1, b, Some(a))),
            [Some(a), Some(b)] => Ok((0, a, Some(b))),
        }
    }

    /// Whether the only C slot holds this write half done: `new` over `old`. Pages that are neither are the ones in
    /// which it broke off, once or more; where `old` is not known, enough of `new` must be there to know it by.
    pub fn is_torn_write_of(&self, new: &[u8; CREDIT_RECORD_LEN], old: Option<&[u8; CREDIT_RECORD_LEN]>) -> bool {
        let [first] = self.map.credit_pages else { return false };
        let slot = self.slot::<CREDIT_RECORD_LEN>(*first);
        let (pages, new) = (slot.as_chunks::<4>().0, new.as_chunks::<4>().0);
        match old {
            Some(old) => {
                let old = old.as_chunks::<4>().0;
                let is_neither = |at: &usize| pages[*at] != new[*at] && pages[*at] != old[*at];
                (0..pages.len()).filter(is_neither).count() <= BROKEN_PAGES
            }
            None => pages.iter().zip(new).take_while(|(page, new)| page == new).count() >= KNOWN_BY,
        }
    }
}

/// What was read from a band and found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurseImage {
    pages: PursePages,
    s_slot: usize,
    other: Option<SpentRecord>,
    record: SpentRecord,
    c_slot: usize,
    credit: CreditRecord,
}

impl PurseImage {
    /// The pages that it was found in.
    pub fn pages(&self) -> &PursePages {
        &self.pages
    }

    /// The same band after these writes, and its counter raised so that it says `spent`.
    pub fn after(
        &self,
        writes: &[PageWrite],
        spent: Cents,
        band: &BandKeys,
        keys: &[CreditKey],
    ) -> Result<Self, PurseFault> {
        let after = self.pages.after(writes, self.pages.counter.map(|_| spent));
        after.judge_beside(band, keys, Some(&self.credit_bytes()))
    }

    /// The S record in force.
    pub fn record(&self) -> &SpentRecord {
        &self.record
    }

    /// Its name.
    pub fn base(&self) -> RecordId {
        RecordId::of(&self.pages.spent_slots()[self.s_slot])
    }

    /// The C record in force.
    pub fn credit(&self) -> &CreditRecord {
        &self.credit
    }

    /// Its name.
    pub fn credit_id(&self) -> CreditId {
        CreditId::of(&self.credit_bytes())
    }

    /// Its bytes.
    pub fn credit_bytes(&self) -> [u8; CREDIT_RECORD_LEN] {
        self.map().credit_pages.get(self.c_slot).map_or([0; CREDIT_RECORD_LEN], |first| self.pages.slot(*first))
    }

    /// Where things stand on this chip.
    pub fn map(&self) -> &'static PurseMap {
        self.pages.map
    }

    /// By how much the chip's counter is to be raised for this to be spent; `None` where nothing is to be raised.
    pub fn increment_to(&self, spent_after: Cents) -> Option<Cents> {
        let counter = self.pages.counter?;
        spent_after.minus(counter).filter(|amount| *amount != Cents::ZERO)
    }

    /// Whether all that it says can be written to another chip, or back to this one later.
    pub fn can_be_copied(&self) -> bool {
        self.pages.counter.is_none()
    }

    /// Spent, at least as much as the ledger knows; a counter that cannot be set back knows it alone.
    pub fn effective_spent(&self, ledger: Cents) -> Cents {
        if self.pages.counter.is_some() { self.record.spent } else { self.record.spent.max(ledger) }
    }

    /// What is left when `ledger` was spent at least; nothing where that is more than the credits.
    pub fn balance(&self, ledger: Cents) -> Cents {
        self.credit.credits.minus(self.effective_spent(ledger)).unwrap_or(Cents::ZERO)
    }

    /// First page of the S slot that is not in force.
    pub fn free_spent_page(&self) -> u8 {
        self.map().spent_pages[1 - self.s_slot]
    }

    /// First page of the C slot that is not in force; of the only one.
    pub fn free_credit_page(&self) -> u8 {
        let pages = self.map().credit_pages;
        let free = pages.iter().enumerate().find(|(slot, _)| *slot != self.c_slot).map(|(_, first)| *first);
        free.or(pages.first().copied()).unwrap_or(HEADER_PAGE)
    }

    /// The chain as an entry names it.
    pub fn seen(&self) -> ChipSeen {
        let before = self.record.link;
        let linked = self.other.filter(|_| RecordId::of(&self.pages.spent_slots()[1 - self.s_slot]) == before);
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
        let slots = self.pages.credit_slots();
        let link = self.credit.link;
        let mut others = slots.iter().enumerate().filter(|(slot, _)| *slot != self.c_slot).map(|(_, other)| other);
        let behind =
            |other: &[u8; CREDIT_RECORD_LEN]| link == CreditId::of(other) && CreditRecord::read(other).link == id;
        self.credit_id() == id || link == id || others.any(behind)
    }
}

/// The C record with a valid signature, of two the one with the higher sequence.
fn credit_in_force(
    slots: &[[u8; CREDIT_RECORD_LEN]],
    band: &BandKeys,
    keys: &[CreditKey],
    valid: Option<&[u8; CREDIT_RECORD_LEN]>,
) -> Result<(usize, CreditRecord), PurseFault> {
    let signer = |slot: &[u8; CREDIT_RECORD_LEN]| {
        let record = CreditRecord::read(slot);
        let mut named = keys.iter().filter(|key| key.id == record.key);
        if Some(slot) == valid {
            return named.find(|key| !key.revoked).map(|key| (record, key));
        }
        let signed = |key: &&CreditKey| CreditRecord::verify(slot, &key.public, band.festival(), band.wallet()).is_ok();
        named.find(signed).map(|key| (record, key))
    };
    let mut order: Vec<usize> = (0..slots.len()).collect();
    order.sort_by_key(|at| slots.get(*at).map(|slot| core::cmp::Reverse(CreditRecord::read(slot).seq)));
    let mut signed = order.into_iter().filter_map(|at| {
        let slot = slots.get(at)?;
        signer(slot).map(|(record, key)| (at, slot, record, key))
    });
    let Some((at, slot, record, key)) = signed.next() else {
        return Err(match slots {
            _ if slots.iter().any(|slot| has_unknown_key(slot, keys)) => PurseFault::UnknownCreditKey,
            [_] => PurseFault::CreditTorn,
            _ => PurseFault::Unusable,
        });
    };
    let rival = slots.iter().any(|other| other != slot && CreditRecord::read(other).seq == record.seq);
    if rival && signed.next().is_some_and(|(_, _, other, _)| other.seq == record.seq) {
        return Err(PurseFault::Tampered);
    }
    if key.revoked { Err(PurseFault::UnknownCreditKey) } else { Ok((at, record)) }
}

/// Whether something is written there that names a key which is not in the bundle.
fn has_unknown_key(slot: &[u8; CREDIT_RECORD_LEN], keys: &[CreditKey]) -> bool {
    let named = CreditRecord::read(slot).key;
    slot.iter().any(|byte| *byte != 0) && keys.iter().all(|key| key.id != named)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::{
        id::{BoxNumber, FestivalId, key_id},
        secrets::MasterSecret,
        wristband::layout::header,
    };

    const FESTIVAL: FestivalId = FestivalId([1; 16]);

    fn band() -> BandKeys {
        BandKeys::new(&MasterSecret([3; 32]).band_secrets(&FESTIVAL), &FESTIVAL, &[4, 1, 2, 3, 4, 5, 6])
    }

    fn desk() -> (SigningKey, CreditKey) {
        let desk = SigningKey::from_bytes(&[5; 32]);
        let public = desk.verifying_key().to_bytes();
        (desk, CreditKey { id: key_id(&public), public, revoked: false })
    }

    fn credit(cents: u32, seq: u8, link: CreditId) -> [u8; CREDIT_RECORD_LEN] {
        CreditRecord::sign(Cents::new(cents).unwrap(), seq, link, &desk().0, &FESTIVAL, band().wallet())
    }

    fn spent(tap_counter: u16, link: RecordId) -> [u8; SPENT_RECORD_LEN] {
        let spent = Cents::new(u32::from(tap_counter) * 100).unwrap();
        SpentRecord { tap_counter, spent, credit_seq: 1, box_number: BoxNumber(1), link }.seal(&band())
    }

    fn pages(spent: [[u8; SPENT_RECORD_LEN]; 2], credits: [[u8; CREDIT_RECORD_LEN]; 2]) -> PursePages {
        let mut bytes = header(NTAG21X.profile, &FESTIVAL, 0).to_vec();
        bytes.extend([0; 4]);
        bytes.extend(spent.concat());
        bytes.extend(credits.concat());
        PursePages::ntag21x(&bytes).unwrap()
    }

    #[test]
    fn a_record_is_known_in_the_chain_by_its_counter_three_back_and_no_further() {
        let (first, second) = (RecordId([7; 4]), RecordId([8; 4]));
        let before = spent(3, second);
        let newest = spent(4, RecordId::of(&before));
        let image = pages([newest, before], [credit(9_000, 1, CreditId::default()); 2]);
        let image = image.judge(&band(), &[desk().1]).unwrap();
        for (counter, id) in [(4, RecordId::of(&newest)), (3, RecordId::of(&before)), (2, second)] {
            assert_eq!(image.has_in_chain(id, counter), Some(true), "{counter}");
            assert_eq!(image.has_in_chain(first, counter), Some(false), "another record at {counter}");
        }
        assert_eq!(image.has_in_chain(first, 1), None, "too far back");
        assert_eq!(image.has_in_chain(first, 5), None, "not written yet");
    }

    #[test]
    fn half_a_credit_record_with_the_sequence_in_force_is_no_rival() {
        let sound = credit(9_000, 2, CreditId::default());
        let mut torn = credit(8_000, 2, CreditId([6; 4]));
        torn[CREDIT_RECORD_LEN - 1] ^= 1;
        let slots = [spent(1, RecordId::default()); 2];
        let image = pages(slots, [sound, torn]).judge(&band(), &[desk().1]).unwrap();
        assert_eq!(image.credit_bytes(), sound);
        let rival = credit(8_000, 2, CreditId([6; 4]));
        assert_eq!(pages(slots, [sound, rival]).judge(&band(), &[desk().1]), Err(PurseFault::Tampered));
    }
}
