//! Talking to an Ultralight AES: authentication with a key, then commands and answers that carry a MAC.
//!
//! Source: NXP AN13452 (its examples are the tests) and public readers that work with real cards.
//! Invariant: an answer counts only under the MAC that belongs to its command; random bytes come from outside.
//! Not here: which commands (`layout`), who sends them (`tap`, `issue`).
use alloc::vec::Vec;

use aes::{
    Aes128,
    cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit},
};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::keys::aes_cmac;

const BLOCK: usize = 16;
const MAC: usize = 8;
/// AUTHENTICATE with the data protection key.
const FIRST: [u8; 2] = [0x1a, 0];
/// What the second command and the answer to the first begin with.
const MORE: u8 = 0xaf;
/// What the answer to the second begins with.
const LAST: u8 = 0;

/// An authentication under way. A reader proves the key with the second command, the card with its answer to it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Handshake {
    key: [u8; BLOCK],
    rnd_a: [u8; BLOCK],
    rnd_b: [u8; BLOCK],
}

impl core::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Handshake(..)")
    }
}

impl Handshake {
    /// Under the card's key; `random` are 16 bytes that nobody else knows and that are never used again.
    pub fn new(key: &[u8; BLOCK], random: [u8; BLOCK]) -> Self {
        Self { key: *key, rnd_a: random, rnd_b: [0; BLOCK] }
    }

    /// The first command.
    pub fn first(&self) -> Vec<u8> {
        FIRST.to_vec()
    }

    /// The second command: `AF ‖ ek(RndA ‖ RndB′)`, where RndB′ is the card's number, rotated. `None` if the answer is
    /// none.
    pub fn second(&mut self, answer: &[u8]) -> Option<Vec<u8>> {
        let challenge: [u8; BLOCK] = answer.strip_prefix(&[MORE])?.try_into().ok()?;
        let cipher = Aes128::new(&self.key.into());
        let mut block = challenge.into();
        cipher.decrypt_block(&mut block);
        self.rnd_b = block.into();
        let mut one = self.rnd_a.into();
        cipher.encrypt_block(&mut one);
        let one: [u8; BLOCK] = one.into();
        let mut two = xor(rotated(self.rnd_b), one).into();
        cipher.encrypt_block(&mut two);
        let two: [u8; BLOCK] = two.into();
        Some([&[MORE], &one[..], &two].concat())
    }

    /// The session, if the card's answer to the second command proves that it has the key: `00 ‖ ek(RndA′)`.
    pub fn session(&self, answer: &[u8]) -> Option<Session> {
        let mut block = rotated(self.rnd_a).into();
        Aes128::new(&self.key.into()).encrypt_block(&mut block);
        let proof: [u8; BLOCK] = block.into();
        let given: [u8; BLOCK] = answer.strip_prefix(&[LAST])?.try_into().ok()?;
        (given == proof).then(|| Session { key: self.session_key(), counter: 0 })
    }

    /// CMAC under the card's key over `5A A5 00 01 00 80 ‖ A[0..2] ‖ (A[2..8] ⊕ B[0..6]) ‖ B[6..16] ‖ A[8..16]`.
    fn session_key(&self) -> [u8; BLOCK] {
        let [a0, a1, ax @ .., _, _, _, _, _, _, _, _] = self.rnd_a;
        let [.., y0, y1, y2, y3, y4, y5, y6, y7] = self.rnd_a;
        let mixed: [u8; 6] = core::array::from_fn(|at| ax[at] ^ self.rnd_b[at]);
        let rest = self.rnd_b.get(mixed.len()..).unwrap_or_default();
        let label = [0x5a, 0xa5, 0, 1, 0, 0x80];
        aes_cmac(&self.key, &[&label, &[a0, a1], &mixed, rest, &[y0, y1, y2, y3, y4, y5, y6, y7]])
    }
}

/// An open session with one card. Each message has a number, so that none is taken twice.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Session {
    key: [u8; BLOCK],
    counter: u16,
}

impl core::fmt::Debug for Session {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Session(..)")
    }
}

impl Session {
    /// The command as it is sent.
    pub fn seal(&mut self, command: &[u8]) -> Vec<u8> {
        let mac = self.next_mac(command);
        [command, &mac].concat()
    }

    /// What the card answers to the command sealed last (nothing, for an ACK), if the MAC is right.
    pub fn open(&mut self, answer: &[u8]) -> Option<Vec<u8>> {
        let (plain, mac) = answer.split_last_chunk::<MAC>()?;
        (*mac == self.next_mac(plain)).then(|| plain.to_vec())
    }

    /// The bytes with odd index of the CMAC over `number u16 LE ‖ message`. A tap has under 100 messages.
    fn next_mac(&mut self, message: &[u8]) -> [u8; MAC] {
        let whole = aes_cmac(&self.key, &[&self.counter.to_le_bytes(), message]);
        self.counter = self.counter.saturating_add(1);
        let [_, a, _, b, _, c, _, d, _, e, _, f, _, g, _, h] = whole;
        [a, b, c, d, e, f, g, h]
    }
}

/// How commands travel: as they are, or with MACs.
#[derive(Clone, Debug)]
pub(super) enum Line {
    /// NTAG21x, and a chip that nobody authenticated with.
    Open,
    /// A session.
    Sealed(Session),
}

impl Line {
    /// The command as it is sent.
    pub(super) fn seal(&mut self, command: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Open => command,
            Self::Sealed(session) => session.seal(&command),
        }
    }

    /// What the chip answered; `None` if the MAC is wrong.
    pub(super) fn open(&mut self, answer: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Open => Some(answer.to_vec()),
            Self::Sealed(session) => session.open(answer),
        }
    }
}

fn rotated(mut block: [u8; BLOCK]) -> [u8; BLOCK] {
    block.rotate_left(1);
    block
}

fn xor(a: [u8; BLOCK], b: [u8; BLOCK]) -> [u8; BLOCK] {
    core::array::from_fn(|at| a[at] ^ b[at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::unhex;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        unhex(hex).unwrap().try_into().unwrap()
    }

    /// AN13452, key of a new card: RndA, answer to the first command, second command.
    const EXCHANGES: [[&str; 3]; 2] = [
        [
            "f29b0123f5c00df612487bbf42468c7e",
            "afd5a847b84862ff3874a7f07b8ddf351b",
            "afcdf22c5f7a92f0af0155612b9b236ac7a424bc5238d41ad041b8165b7d99e524",
        ],
        [
            "42bdf7e08e110f14b6d3323d14f1c2b9",
            "af374142dafb0ab97183d846eb7ed379e0",
            "af794693b2a31e7f10964a2bd834590ac485f84e9f8b13197ab32433346f60b821",
        ],
    ];

    #[test]
    fn an_authentication_sends_the_bytes_of_the_application_note() {
        for [random, challenge, second] in EXCHANGES {
            let mut handshake = Handshake::new(&[0; 16], bytes(random));
            assert_eq!(handshake.first(), [0x1a, 0]);
            assert_eq!(handshake.second(&unhex(challenge).unwrap()).unwrap(), unhex(second).unwrap());
        }
        let mut handshake = Handshake::new(&[0; 16], bytes(EXCHANGES[0][0]));
        handshake.second(&unhex(EXCHANGES[0][1]).unwrap()).unwrap();
        let proof = unhex("002c743d6b1e128f8076bd197b76012ce8").unwrap();
        assert!(handshake.session(&proof).is_some());
        for at in 0..proof.len() {
            let mut wrong = proof.clone();
            wrong[at] ^= 1;
            assert!(handshake.session(&wrong).is_none(), "byte {at}");
        }
        assert!(handshake.session(&proof[..16]).is_none());
        assert!(handshake.second(&[]).is_none());
        assert!(handshake.second(&[MORE; 18]).is_none());
    }

    #[test]
    fn a_command_has_the_mac_that_real_cards_take_and_an_answer_needs_the_next() {
        let mut handshake = Handshake::new(&[0; 16], bytes(EXCHANGES[1][0]));
        handshake.second(&unhex(EXCHANGES[1][1]).unwrap()).unwrap();
        let mut session = Session { key: handshake.session_key(), counter: 0 };
        let mut card = session.clone();
        assert_eq!(session.seal(&[0x60]), unhex("601d5de802d6751670").unwrap());
        card.counter = 1;
        let answer = card.seal(&[1, 2, 3]);
        assert_eq!(session.open(&answer), Some([1, 2, 3].to_vec()));
        assert_eq!(session.open(&answer), None, "the same answer does not do twice");
        assert_eq!(session.open(&[1; 7]), None);
    }

    #[test]
    fn a_session_is_never_printed() {
        let handshake = Handshake::new(&[0; 16], [1; 16]);
        let session = Session { key: handshake.session_key(), counter: 0 };
        assert_eq!(alloc::format!("{handshake:?} {session:?}"), "Handshake(..) Session(..)");
    }
}
