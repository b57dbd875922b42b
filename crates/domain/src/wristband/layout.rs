//! Where things stand on NTAG213/215/216 and MIFARE Ultralight AES, and the chip commands that reach them.
//! Source: NXP, NTAG213/215/216 product data sheet, rev. 3.2: memory in section 8.5, commands in section 10; for
//! Ultralight AES decision record 0014.
//!
//! Purse (215, 216): pages 4–6 header, 7 zero, S slots at 8 and 13, C slots at 18 and 37, to page 55.
//! Purse (Ultralight AES): pages 4–6 header, S slots at 7 and 12, the one C slot at 17, to page 35.
//! Pointer (213): pages 4–6 header, 7 key id, 8–23 signature.
//! The password guards writing from page 4 on, the key from the lock bits on, configuration included; reading is free,
//! since records prove themselves and a till that reads does not have to show that it knows the password.
//! Invariant: a page number is written here and nowhere else.
//! Not here: what the records say (`record`), which one is in force (`purse`).
use alloc::vec::Vec;

use super::{BandKeys, PurseFault};
use crate::{id::FestivalId, journal::BandProfile, money::Cents};

/// Version of this map, in the header and in every C signature.
pub const LAYOUT_VERSION: u8 = 1;
/// Length of the header: 3 pages.
pub const HEADER_LEN: usize = 12;
/// The one-way counter of an Ultralight AES that says what was spent, in cents: the one that needs the key.
pub const SPENT_COUNTER: u8 = 2;
/// Bytes that a band of this system begins with.
const MAGIC: [u8; 2] = *b"FB";

/// First and last page of one read.
pub type PageRange = (u8, u8);
/// One page and what is to be written there.
pub type PageWrite = (u8, [u8; 4]);

/// First page of the header.
pub const HEADER_PAGE: u8 = 4;
/// The header.
pub const HEADER_READ: PageRange = (4, 6);
/// Where in the header the key epoch stands.
const EPOCH_AT: usize = 8;

/// Where a purse stands on one kind of chip. From the header on it has no gaps that a read would have to leave out.
#[derive(Debug, PartialEq, Eq)]
pub struct PurseMap {
    /// What the header says.
    pub profile: BandProfile,
    /// First pages of the two S slots.
    pub spent_pages: [u8; 2],
    /// First pages of the C slots: two, or the only one.
    pub credit_pages: &'static [u8],
    /// Reads that give everything from the header on, one after the other.
    pub reads: &'static [PageRange],
    /// The S slots.
    pub spent_read: PageRange,
    /// The C slots.
    pub credit_read: PageRange,
}

/// NTAG215 and 216. Two reads, since readers carry at most 256 bytes at once.
pub static NTAG21X: PurseMap = PurseMap {
    profile: BandProfile::Ntag21x,
    spent_pages: [8, 13],
    credit_pages: &[18, 37],
    reads: &[(4, 17), (18, 55)],
    spent_read: (8, 17),
    credit_read: (18, 55),
};

/// MIFARE Ultralight AES: 36 pages of user memory, so one C slot. What is spent counter 2 says.
pub static ULTRALIGHT_AES: PurseMap = PurseMap {
    profile: BandProfile::UltralightAes,
    spent_pages: [7, 12],
    credit_pages: &[17],
    reads: &[(4, 35)],
    spent_read: (7, 16),
    credit_read: (17, 35),
};

impl PurseMap {
    /// Whether a C record is written over the one that it replaces.
    pub const fn has_one_credit_slot(&self) -> bool {
        self.credit_pages.len() == 1
    }

    /// Bytes from the header to the end of the last slot.
    pub fn length(&self) -> usize {
        let last = self.reads.last().map_or(HEADER_PAGE, |(_, last)| *last);
        usize::from(last.saturating_sub(HEADER_PAGE)).saturating_add(1).saturating_mul(4)
    }
}

/// A pointer: header, key id and signature.
pub const POINTER_READ: PageRange = (4, 23);
/// Length of what [`POINTER_READ`] gives.
pub const POINTER_READ_LEN: usize = 80;

/// Which chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChipKind {
    /// 144 bytes of user memory: a signed pointer.
    Ntag213,
    /// 504 bytes: a purse.
    Ntag215,
    /// 888 bytes: a purse.
    Ntag216,
    /// 144 bytes, AES and a one-way counter: a purse.
    UltralightAes,
}

impl ChipKind {
    /// What kind of band it makes.
    pub const fn profile(self) -> BandProfile {
        match self {
            Self::Ntag213 => BandProfile::Pointer,
            Self::Ntag215 | Self::Ntag216 => BandProfile::Ntag21x,
            Self::UltralightAes => BandProfile::UltralightAes,
        }
    }

    /// Where its purse stands, if it has one.
    pub fn purse(self) -> Option<&'static PurseMap> {
        match self {
            Self::Ntag213 => None,
            Self::Ntag215 | Self::Ntag216 => Some(&NTAG21X),
            Self::UltralightAes => Some(&ULTRALIGHT_AES),
        }
    }

    /// First configuration page. NTAG: MIRROR and AUTH0; ACCESS, PWD and PACK follow. Ultralight AES: CFG0 (RID_ACT,
    /// SEC_MSG_ACT, AUTH0), then CFG1 (ACCESS, VCTID, AUTH_LIM).
    pub const fn config_page(self) -> u8 {
        match self {
            Self::Ntag213 | Self::UltralightAes => 0x29,
            Self::Ntag215 => 0x83,
            Self::Ntag216 => 0xe3,
        }
    }
}

/// `"FB" ‖ layout version ‖ profile ‖ first 4 bytes of the festival ‖ key epoch ‖ 3 zeros`. The epoch says which
/// generation of the band masters the chip was made with.
pub fn header(profile: BandProfile, festival: &FestivalId, epoch: u8) -> [u8; HEADER_LEN] {
    let [f0, f1, f2, f3, ..] = festival.0;
    [MAGIC[0], MAGIC[1], LAYOUT_VERSION, profile.byte(), f0, f1, f2, f3, epoch, 0, 0, 0]
}

/// The key epoch of our header for that profile, which `bytes` begin with; if it is none, whether the band is foreign or
/// only unknown to us.
pub fn header_epoch(bytes: &[u8], profile: BandProfile, festival: &FestivalId) -> Result<u8, PurseFault> {
    let epoch = bytes.get(EPOCH_AT).copied().unwrap_or_default();
    let expected = header(profile, festival, epoch);
    if bytes.starts_with(&expected) {
        return Ok(epoch);
    }
    let same = |at: core::ops::Range<usize>| bytes.get(at.clone()) == expected.get(at);
    Err(if same(0..2) && same(4..8) { PurseFault::Unsupported } else { PurseFault::NotOurs })
}

/// Whether this is the header of a band with these keys.
pub(super) fn check_header(bytes: &[u8], profile: BandProfile, band: &BandKeys) -> Result<(), PurseFault> {
    match header_epoch(bytes, profile, band.festival())? {
        epoch if epoch == band.epoch() => Ok(()),
        _ => Err(PurseFault::Unsupported),
    }
}

/// FAST_READ (data sheet, section 10.3).
pub fn fast_read((first, last): PageRange) -> Vec<u8> {
    [0x3a, first, last].to_vec()
}

/// WRITE of one page (section 10.4); the chip answers ACK.
pub fn write((page, [a, b, c, d]): PageWrite) -> Vec<u8> {
    [0xa2, page, a, b, c, d].to_vec()
}

/// PWD_AUTH (section 10.7); the chip answers PACK.
pub fn password_auth([a, b, c, d]: [u8; 4]) -> Vec<u8> {
    [0x1b, a, b, c, d].to_vec()
}

/// READ_CNT of the counter that says what was spent.
pub fn read_counter() -> Vec<u8> {
    [0x39, SPENT_COUNTER].to_vec()
}

/// What READ_CNT answers.
pub fn counted(answer: &[u8]) -> Option<Cents> {
    let [a, b, c] = *answer else { return None };
    Cents::new(u32::from_le_bytes([a, b, c, 0]))
}

/// INCR_CNT of the same.
pub fn increment(amount: Cents) -> Vec<u8> {
    let [a, b, c, d] = amount.get().to_le_bytes();
    [0xa5, SPENT_COUNTER, a, b, c, d].to_vec()
}

/// READ_SIG: the maker's signature on the UID.
pub fn read_signature() -> Vec<u8> {
    [0x3c, 0].to_vec()
}

/// GET_VERSION.
pub fn get_version() -> Vec<u8> {
    [0x60].to_vec()
}

/// The writes that put `bytes` (whole pages) at `first` and after, in this order: a record's MAC or signature is last.
pub fn page_writes(first: u8, bytes: &[u8]) -> Vec<PageWrite> {
    (first..=u8::MAX).zip(bytes.as_chunks::<4>().0.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{CREDIT_RECORD_LEN, SPENT_RECORD_LEN},
        *,
    };

    #[test]
    fn the_slots_lie_one_after_the_other_within_the_reads_and_the_user_memory() {
        let (s, c) = ((SPENT_RECORD_LEN / 4) as u8, (CREDIT_RECORD_LEN / 4) as u8);
        for (map, user_memory_ends) in [(&NTAG21X, 0x82), (&ULTRALIGHT_AES, 0x28)] {
            assert!(HEADER_PAGE + 3 <= map.spent_pages[0]);
            assert_eq!(map.spent_pages[0] + s, map.spent_pages[1]);
            assert_eq!(map.spent_read, (map.spent_pages[0], map.spent_pages[1] + s - 1));
            let mut next = map.spent_pages[1] + s;
            for first in map.credit_pages {
                assert_eq!(*first, next);
                next += c;
            }
            assert_eq!(map.credit_read, (map.credit_pages[0], next - 1));
            assert!(next <= user_memory_ends);
            let mut read = HEADER_PAGE;
            for (first, last) in map.reads {
                assert_eq!(*first, read);
                assert!(usize::from(last - first + 1) * 4 + 8 <= 256, "a reader carries no more, MAC included");
                read = last + 1;
            }
            assert_eq!(read, next);
            assert_eq!(map.length(), usize::from(next - HEADER_PAGE) * 4);
        }
        assert!(POINTER_READ.1 < 0x28, "within the user memory of an NTAG213");
    }

    #[test]
    fn a_counter_reads_and_rises_in_cents() {
        assert_eq!(increment(Cents::new(0x0a0b0c).unwrap()), [0xa5, 2, 0x0c, 0x0b, 0x0a, 0]);
        assert_eq!(counted(&[0x0c, 0x0b, 0x0a]), Cents::new(0x0a0b0c));
        assert_eq!(counted(&[1, 2]), None);
        assert_eq!(counted(&[1, 2, 3, 4]), None);
    }

    #[test]
    fn commands_are_those_of_the_data_sheet() {
        assert_eq!(fast_read((4, 17)), [0x3a, 4, 17]);
        assert_eq!(write((8, [1, 2, 3, 4])), [0xa2, 8, 1, 2, 3, 4]);
        assert_eq!(password_auth([1, 2, 3, 4]), [0x1b, 1, 2, 3, 4]);
        assert_eq!(read_counter(), [0x39, 2]);
        assert_eq!(read_signature(), [0x3c, 0]);
        assert_eq!(get_version(), [0x60]);
    }

    #[test]
    fn a_foreign_header_and_a_later_one_are_told_apart() {
        let festival = FestivalId([7; 16]);
        let secrets = crate::secrets::MasterSecret([1; 32]).band_secrets(&festival);
        let band = BandKeys::new(&secrets, &festival, &[4; 7]);
        let ours = header(BandProfile::Ntag21x, &festival, 0);
        let check = |bytes: &[u8]| check_header(bytes, BandProfile::Ntag21x, &band);
        assert_eq!(check(&ours), Ok(()));
        for at in 0..HEADER_LEN {
            let mut other = ours;
            other[at] ^= 1;
            let fault = if matches!(at, 0 | 1 | 4..=7) { PurseFault::NotOurs } else { PurseFault::Unsupported };
            assert_eq!(check(&other), Err(fault), "byte {at}");
            let epoch = header_epoch(&other, BandProfile::Ntag21x, &festival);
            assert_eq!(epoch, if at == EPOCH_AT { Ok(1) } else { Err(fault) }, "byte {at}");
        }
        assert_eq!(check(&[0x03, 0, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Err(PurseFault::NotOurs), "a blank chip");
    }
}
