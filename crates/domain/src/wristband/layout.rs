//! Where things stand on NTAG213/215/216, and the chip commands that reach them.
//! Source: NXP, NTAG213/215/216 product data sheet, rev. 3.2: memory in section 8.5, commands in section 10.
//!
//! Purse (215, 216): pages 4–6 header, 7 zero, S slots at 8 and 13, C slots at 18 and 37, to page 55.
//! Pointer (213): pages 4–6 header, 7 key id, 8–23 signature.
//! The password guards writing from page 4 on, configuration included; reading is free, since records prove
//! themselves and a till that reads does not have to show that it knows the password.
//! Invariant: a page number is written here and nowhere else.
//! Not here: what the records say (`record`), which one is in force (`purse`).
use alloc::vec::Vec;

use super::{CREDIT_RECORD_LEN, PurseFault, SPENT_RECORD_LEN};
use crate::{id::FestivalId, journal::BandProfile};

/// Version of this map, in the header and in every C signature.
pub const LAYOUT_VERSION: u8 = 1;
/// Which generation of the band masters the chip was made with; there is one.
pub const KEY_EPOCH: u8 = 0;
/// Length of the header: 3 pages.
pub const HEADER_LEN: usize = 12;
/// Bytes that a band of this system begins with.
const MAGIC: [u8; 2] = *b"FB";

/// First and last page of one read.
pub type PageRange = (u8, u8);
/// One page and what is to be written there.
pub type PageWrite = (u8, [u8; 4]);

/// First page of the header.
pub const HEADER_PAGE: u8 = 4;
/// First pages of the two S slots.
pub const SPENT_PAGES: [u8; 2] = [8, 13];
/// First pages of the two C slots.
pub const CREDIT_PAGES: [u8; 2] = [18, 37];
/// Header and both S slots.
pub const SPENT_READ: PageRange = (4, 17);
/// Length of what [`SPENT_READ`] gives.
pub const SPENT_READ_LEN: usize = 56;
/// Both C slots.
pub const CREDIT_READ: PageRange = (18, 55);
/// Length of what [`CREDIT_READ`] gives.
pub const CREDIT_READ_LEN: usize = 2 * CREDIT_RECORD_LEN;
/// Both S slots, after writing.
pub const READ_BACK: PageRange = (8, 17);
/// Length of what [`READ_BACK`] gives.
pub const READ_BACK_LEN: usize = 2 * SPENT_RECORD_LEN;
/// A pointer: header, key id and signature.
pub const POINTER_READ: PageRange = (4, 23);
/// Length of what [`POINTER_READ`] gives.
pub const POINTER_READ_LEN: usize = 80;

/// Which of the three chips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChipKind {
    /// 144 bytes of user memory: a signed pointer.
    Ntag213,
    /// 504 bytes: a purse.
    Ntag215,
    /// 888 bytes: a purse.
    Ntag216,
}

impl ChipKind {
    /// What kind of band it makes.
    pub const fn profile(self) -> BandProfile {
        match self {
            Self::Ntag213 => BandProfile::Pointer,
            Self::Ntag215 | Self::Ntag216 => BandProfile::Ntag21x,
        }
    }

    /// First configuration page: MIRROR and AUTH0; ACCESS, PWD and PACK follow.
    pub const fn config_page(self) -> u8 {
        match self {
            Self::Ntag213 => 0x29,
            Self::Ntag215 => 0x83,
            Self::Ntag216 => 0xe3,
        }
    }

    /// PWD, PACK, then ACCESS (reading free, no limit of attempts), and AUTH0 = 4 last: with it the password holds.
    /// The bytes that are not ours (MIRROR 04h, VCTID 05h) stay as delivered.
    pub(super) fn config_writes(self, password: [u8; 4], pack: [u8; 2]) -> [PageWrite; 4] {
        let page = self.config_page();
        [
            (page.saturating_add(2), password),
            (page.saturating_add(3), [pack[0], pack[1], 0, 0]),
            (page.saturating_add(1), [0, 5, 0, 0]),
            (page, [4, 0, 0, HEADER_PAGE]),
        ]
    }
}

/// `"FB" ‖ layout version ‖ profile ‖ first 4 bytes of the festival ‖ key epoch ‖ 3 zeros`.
pub fn header(profile: BandProfile, festival: &FestivalId) -> [u8; HEADER_LEN] {
    let [f0, f1, f2, f3, ..] = festival.0;
    [MAGIC[0], MAGIC[1], LAYOUT_VERSION, profile.byte(), f0, f1, f2, f3, KEY_EPOCH, 0, 0, 0]
}

/// Whether this is exactly our header for that profile; if not, whether the band is foreign or only unknown to us.
pub(super) fn check_header(bytes: &[u8], profile: BandProfile, festival: &FestivalId) -> Result<(), PurseFault> {
    let expected = header(profile, festival);
    if bytes == expected {
        return Ok(());
    }
    let same = |at: core::ops::Range<usize>| bytes.get(at.clone()) == expected.get(at);
    Err(if same(0..2) && same(4..8) { PurseFault::Unsupported } else { PurseFault::NotOurs })
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

/// The writes that put `bytes` (whole pages) at `first` and after, in this order: a record's MAC or signature is last.
pub fn page_writes(first: u8, bytes: &[u8]) -> Vec<PageWrite> {
    (first..=u8::MAX).zip(bytes.as_chunks::<4>().0.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slots_lie_one_after_the_other_within_the_reads() {
        let (s, c) = ((SPENT_RECORD_LEN / 4) as u8, (CREDIT_RECORD_LEN / 4) as u8);
        assert_eq!(SPENT_PAGES[0] + s, SPENT_PAGES[1]);
        assert_eq!(SPENT_PAGES[1] + s, CREDIT_PAGES[0]);
        assert_eq!(CREDIT_PAGES[0] + c, CREDIT_PAGES[1]);
        for ((first, last), length) in [
            (SPENT_READ, SPENT_READ_LEN),
            (CREDIT_READ, CREDIT_READ_LEN),
            (READ_BACK, READ_BACK_LEN),
            (POINTER_READ, POINTER_READ_LEN),
        ] {
            assert_eq!(usize::from(last - first + 1) * 4, length);
        }
        assert!(CREDIT_READ.1 < 0x82, "within the user memory of an NTAG215");
        assert!(POINTER_READ.1 < 0x28, "within the user memory of an NTAG213");
    }

    #[test]
    fn a_foreign_header_and_a_later_one_are_told_apart() {
        let festival = FestivalId([7; 16]);
        let ours = header(BandProfile::Ntag21x, &festival);
        let check = |bytes: &[u8]| check_header(bytes, BandProfile::Ntag21x, &festival);
        assert_eq!(check(&ours), Ok(()));
        for at in 0..HEADER_LEN {
            let mut other = ours;
            other[at] ^= 1;
            let fault = if matches!(at, 0 | 1 | 4..=7) { PurseFault::NotOurs } else { PurseFault::Unsupported };
            assert_eq!(check(&other), Err(fault), "byte {at}");
        }
        assert_eq!(check(&[0x03, 0, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Err(PurseFault::NotOurs), "a blank chip");
    }
}
