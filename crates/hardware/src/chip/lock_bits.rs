//! The lock bits of NTAG21x and Ultralight AES: which pages they make read-only, and which lock bits are frozen.
//!
//! Source: NXP, NTAG213/215/216 product data sheet, rev. 3.2, sections 8.5.2 (static lock bytes)
//! and 8.5.3 (dynamic lock bytes). Invariant: a bit once set stays set.

/// BLCC, BL9-4 and BL15-10 in the first static lock byte, each with the bits of both bytes it
/// freezes.
const STATIC_BLOCKS: [(u8, [u8; 2]); 3] = [(0x01, [0x08, 0x00]), (0x02, [0xF0, 0x03]), (0x04, [0x00, 0xFC])];

/// First page under the dynamic lock bytes.
const FIRST_DYNAMIC_PAGE: usize = 16;

/// Page 2 after `written` came in: UID check byte and internal byte stay, lock bits are OR'ed where
/// no block-locking bit froze them.
pub(super) fn merge_static(old: [u8; 4], written: [u8; 4]) -> [u8; 4] {
    let mut frozen = [0u8; 2];
    for (block, bits) in STATIC_BLOCKS {
        if old[2] & block != 0 {
            frozen[0] |= bits[0];
            frozen[1] |= bits[1];
        }
    }
    [old[0], old[1], old[2] | (written[2] & !frozen[0]), old[3] | (written[3] & !frozen[1])]
}

/// True if the static lock bytes make this page read-only (pages 3 to 15).
pub(super) fn static_locks(page_2: [u8; 4], page: usize) -> bool {
    match page {
        3 => page_2[2] & 0x08 != 0,
        4..=7 => page_2[2] & (1 << page) != 0,
        8..=15 => page_2[3] & (1 << (page - 8)) != 0,
        _ => false,
    }
}

/// The dynamic lock page after `written` came in; its last byte (BDh) stays.
pub(super) fn merge_dynamic(old: [u8; 4], written: [u8; 4]) -> [u8; 4] {
    let mut frozen = 0u16;
    for block in 0..8 {
        if old[2] & (1 << block) != 0 {
            frozen |= 0b11 << (2 * block);
        }
    }
    let [low, high] = frozen.to_le_bytes();
    [old[0] | (written[0] & !low), old[1] | (written[1] & !high), old[2] | written[2], old[3]]
}

/// True if the dynamic lock bytes make this user page read-only; each bit stands for
/// `granularity` pages (2 on NTAG213, 16 on NTAG215 and 216).
pub(super) fn dynamic_locks(lock_page: [u8; 4], granularity: usize, page: usize) -> bool {
    let Some(offset) = page.checked_sub(FIRST_DYNAMIC_PAGE) else {
        return false;
    };
    let locks = u16::from_le_bytes([lock_page[0], lock_page[1]]);
    match u32::try_from(offset / granularity) {
        Ok(bit) => locks.checked_shr(bit).is_some_and(|rest| rest & 1 != 0),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_static_bit_locks_its_page() {
        for page in 3..16 {
            let written = if page < 8 { [0, 0, 1 << page, 0] } else { [0, 0, 0, 1 << (page - 8)] };
            let locks = merge_static([0x11, 0x48, 0, 0], written);
            assert_eq!(locks[..2], [0x11, 0x48]);
            for other in 0..64 {
                assert_eq!(static_locks(locks, other), other == page);
            }
        }
    }

    #[test]
    fn a_block_bit_freezes_the_lock_bits_it_covers() {
        let frozen = merge_static([0; 4], [0, 0, 0x02, 0]);
        assert_eq!(merge_static(frozen, [0, 0, 0xF8, 0xFF]), [0, 0, 0x0A, 0xFC]);
        let frozen = merge_dynamic([0, 0, 0, 0xBD], [0, 0, 0b10_0001, 0]);
        assert_eq!(merge_dynamic(frozen, [0xFF, 0xFF, 0, 0]), [0xFC, 0b1111_0011, 0b10_0001, 0xBD]);
    }

    #[test]
    fn a_dynamic_bit_locks_as_many_pages_as_the_chip_says() {
        let locks = [0b10, 0b1, 0, 0xBD];
        let locked =
            |granularity| -> Vec<usize> { (0..256).filter(|page| dynamic_locks(locks, granularity, *page)).collect() };
        assert_eq!(locked(2), [18, 19, 32, 33]);
        assert_eq!(locked(16), (32..48).chain(144..160).collect::<Vec<usize>>());
    }
}
