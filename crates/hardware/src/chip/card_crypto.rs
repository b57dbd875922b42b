//! The cryptography of MIFARE Ultralight AES as the card does it: authentication, session key, message MACs.
//!
//! Source: NXP AN13452 (its examples are the tests), and readers and an emulation that work with real cards; the data
//! sheet MF0AES(H)20 (sections 8.6 and 8.8) was not at hand.
//! Invariant: nothing here draws random bytes by itself. Written apart from the reader's side
//! (`domain::wristband`), so that one mistake does not hide the other.

use aes::{
    Aes128,
    cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit},
};
use cmac::{Cmac, Mac};

/// Bytes of a key, of a random number and of a block.
pub(super) const BLOCK: usize = 16;
/// Bytes of a MAC on a message.
pub(super) const MAC: usize = 8;

/// AES-128 CBC with an initial value of zeros.
pub(super) fn encrypt(key: &[u8; BLOCK], plain: &[[u8; BLOCK]]) -> Vec<u8> {
    let cipher = Aes128::new(key.into());
    let mut before = [0; BLOCK];
    let mut out = Vec::with_capacity(plain.len() * BLOCK);
    for block in plain {
        let mut mixed = xor(block, &before).into();
        cipher.encrypt_block(&mut mixed);
        before = mixed.into();
        out.extend(before);
    }
    out
}

/// The inverse of [`encrypt`].
pub(super) fn decrypt<const N: usize>(key: &[u8; BLOCK], blocks: [[u8; BLOCK]; N]) -> [[u8; BLOCK]; N] {
    let cipher = Aes128::new(key.into());
    let mut before = [0; BLOCK];
    blocks.map(|block| {
        let mut opened = block.into();
        cipher.decrypt_block(&mut opened);
        let plain = xor(&opened.into(), &before);
        before = block;
        plain
    })
}

fn xor(a: &[u8; BLOCK], b: &[u8; BLOCK]) -> [u8; BLOCK] {
    std::array::from_fn(|at| a[at] ^ b[at])
}

/// One byte to the left, the first one last.
pub(super) fn rotated(mut block: [u8; BLOCK]) -> [u8; BLOCK] {
    block.rotate_left(1);
    block
}

/// AES-CMAC (RFC 4493).
pub(super) fn cmac(key: &[u8; BLOCK], parts: &[&[u8]]) -> [u8; BLOCK] {
    let mut mac = <Cmac<Aes128> as KeyInit>::new(key.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The key of a session's MACs: CMAC under the card's key over
/// `5A A5 00 01 00 80 ‖ A[0..2] ‖ (A[2..8] ⊕ B[0..6]) ‖ B[6..16] ‖ A[8..16]`.
pub(super) fn session_key(key: &[u8; BLOCK], rnd_a: &[u8; BLOCK], rnd_b: &[u8; BLOCK]) -> [u8; BLOCK] {
    let mut mixed = [0; 6];
    for (at, byte) in mixed.iter_mut().enumerate() {
        *byte = rnd_a[2 + at] ^ rnd_b[at];
    }
    cmac(key, &[&[0x5A, 0xA5, 0, 1, 0, 0x80], &rnd_a[..2], &mixed, &rnd_b[6..], &rnd_a[8..]])
}

/// MAC on one message of a session: the bytes with odd index of the CMAC over `counter ‖ message`.
pub(super) fn message_mac(session: &[u8; BLOCK], counter: u16, message: &[u8]) -> [u8; MAC] {
    let whole = cmac(session, &[&counter.to_le_bytes(), message]);
    std::array::from_fn(|at| whole[2 * at + 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
    }

    /// AN13452: RndA, RndB, ek(RndB), ek(RndA ‖ RndB′) under the key of a new card.
    const EXCHANGES: [[&str; 4]; 2] = [
        [
            "f29b0123f5c00df612487bbf42468c7e",
            "1ae4174ca173ebbc59165cebe2f20821",
            "d5a847b84862ff3874a7f07b8ddf351b",
            "cdf22c5f7a92f0af0155612b9b236ac7a424bc5238d41ad041b8165b7d99e524",
        ],
        [
            "42bdf7e08e110f14b6d3323d14f1c2b9",
            "0d2bba17011098e9864c8aa5192af796",
            "374142dafb0ab97183d846eb7ed379e0",
            "794693b2a31e7f10964a2bd834590ac485f84e9f8b13197ab32433346f60b821",
        ],
    ];

    #[test]
    fn an_authentication_gives_the_bytes_of_the_application_note() {
        let key = [0; BLOCK];
        for [a, b, first, second] in EXCHANGES {
            let (rnd_a, rnd_b) = (hex(a), hex(b));
            assert_eq!(encrypt(&key, &[rnd_b]), hex::<16>(first));
            let both = hex::<32>(second);
            assert_eq!(encrypt(&key, &[rnd_a, rotated(rnd_b)]), both);
            let blocks = [hex(&second[..32]), hex(&second[32..])];
            assert_eq!(decrypt(&key, blocks), [rnd_a, rotated(rnd_b)]);
        }
        assert_eq!(encrypt(&key, &[rotated(hex(EXCHANGES[0][0]))]), hex::<16>("2c743d6b1e128f8076bd197b76012ce8"));
    }

    #[test]
    fn a_message_has_the_mac_that_real_cards_take() {
        let [a, b, ..] = EXCHANGES[1];
        let session = session_key(&[0; BLOCK], &hex(a), &hex(b));
        assert_eq!(message_mac(&session, 0, &[0x60]), hex::<8>("1d5de802d6751670"));
    }
}
