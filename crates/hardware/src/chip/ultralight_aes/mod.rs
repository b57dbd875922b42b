//! MIFARE Ultralight AES, MF0AES(H)20.
//!
//! Source: NXP AN13452, and public readers and an emulation that work with real cards; the data sheet was not at hand.
//! What they leave open is marked *assumed* here and listed in decision record 0014.
//! Invariant: no command reads a key back, a counter never falls, and a session ends with any NAK, HALT or loss of the
//! field.
//! Left out: COMPATIBILITY_WRITE, VCSL, writing the signature (done when the chip is made), a genuine signature, and
//! the third key (the maker's).

mod session;

use std::fmt;

use super::{
    DumpError, INCR_CNT, NAK_INVALID_ARGUMENT, NAK_TOO_MANY_PASSWORDS, Reply, WRITE,
    card_crypto::{self, BLOCK, MAC},
    lock_bits,
};
use crate::tag::Uid;

/// Length of the answer to READ_SIG: a signature on secp192r1.
pub const SIGNATURE_BYTES: usize = 48;
/// Pages of 4 bytes: user memory 04h to 27h, locks and configuration 28h to 2Fh, keys 30h to 37h.
const PAGES: usize = 0x3C;
const MEMORY_BYTES: usize = PAGES * 4;
/// One-way counters of 24 bits.
const COUNTERS: usize = 3;
const COUNTER_MAX: u32 = 0xFF_FFFF;
/// Memory, signature, counters, failed authentications u16, seed, random numbers drawn u32.
const DUMP_BYTES: usize = MEMORY_BYTES + SIGNATURE_BYTES + 3 * COUNTERS + 2 + BLOCK + 4;

const GET_VERSION: u8 = 0x60;
const READ: u8 = 0x30;
const FAST_READ: u8 = 0x3A;
const READ_CNT: u8 = 0x39;
const READ_SIG: u8 = 0x3C;
const AUTHENTICATE: u8 = 0x1A;
const AUTHENTICATE_PART_2: u8 = 0xAF;
const HALT: u8 = 0x50;
const VERSION: [u8; 8] = [0x00, 0x04, 0x03, 0x01, 0x04, 0x00, 0x0F, 0x03];

const STATIC_LOCK_PAGE: usize = 0x02;
const CAPABILITY_PAGE: usize = 0x03;
const LOCK_PAGE: usize = 0x28;
const CFG0_PAGE: usize = 0x29;
const CFG1_PAGE: usize = 0x2A;
const LOCK_KEYS_PAGE: usize = 0x2D;
const KEY_PAGES: std::ops::Range<usize> = 0x30..0x38;
/// User pages that one dynamic lock bit covers.
const PAGES_PER_LOCK_BIT: usize = 2;

/// CFG0, byte 0: the UID is drawn anew at each selection.
const RID_ACT: u8 = 0x01;
/// CFG0, byte 0: after authentication every message carries a MAC.
const SEC_MSG_ACT: u8 = 0x02;
/// CFG1, byte 0: reading from AUTH0 on needs authentication, too.
const PROT: u8 = 0x80;
/// CFG1, byte 0: CFG0 and CFG1 are read-only from the next selection on.
const CFGLCK: u8 = 0x40;
/// CFG1, byte 0: counter 2 is incremented without authentication.
const CNT_INC_EN: u8 = 0x08;
/// CFG1, byte 0: counter 2 is read without authentication.
const CNT_RD_EN: u8 = 0x04;
/// LOCK_KEYS, byte 0: the UID retrieval key, the data protection key, the lock bits themselves are read-only.
const LOCK_KEY_1: u8 = 0x80;
const LOCK_KEY_0: u8 = 0x40;
const LOCK_KEYS_BLOCKED: u8 = 0x20;

/// A key that a reader may name in AUTHENTICATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    DataProtection,
    UidRetrieval,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Session {
    key: Key,
    /// Session key and the number of the next message, where messages carry MACs.
    secure: Option<([u8; BLOCK], u16)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    OutOfField,
    Waiting,
    Active,
    /// Part 1 of an authentication was answered.
    Challenged {
        key: Key,
        rnd_b: [u8; BLOCK],
    },
    Authenticated(Session),
}

/// One chip: its memory, what it counts, and its state in the field. Prints without its memory, which holds UID and
/// keys.
#[derive(Clone, PartialEq, Eq)]
pub struct UltralightAes {
    memory: [u8; MEMORY_BYTES],
    signature: [u8; SIGNATURE_BYTES],
    counters: [u32; COUNTERS],
    failed: u16,
    seed: [u8; BLOCK],
    drawn: u32,
    state: State,
    config_locked: bool,
    random_uid: Option<[u8; 4]>,
}

impl fmt::Debug for UltralightAes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::OutOfField => "out of field",
            State::Waiting => "waiting",
            State::Active => "active",
            State::Challenged { .. } => "challenged",
            State::Authenticated(_) => "authenticated",
        };
        write!(f, "UltralightAes ({state})")
    }
}

impl UltralightAes {
    /// A chip as delivered: keys of zeros, nothing protected. Its random numbers follow from `seed`.
    pub fn new(uid: [u8; 7], seed: [u8; BLOCK]) -> Self {
        let mut chip = Self {
            memory: [0; MEMORY_BYTES],
            signature: [0; SIGNATURE_BYTES],
            counters: [0; COUNTERS],
            failed: 0,
            seed,
            drawn: 0,
            state: State::OutOfField,
            config_locked: false,
            random_uid: None,
        };
        let [a, b, c, d, e, f, g] = uid;
        chip.store(0, [a, b, c, 0x88 ^ a ^ b ^ c]);
        chip.store(1, [d, e, f, g]);
        chip.store(STATIC_LOCK_PAGE, [d ^ e ^ f ^ g, 0x48, 0, 0]);
        chip.store(CFG0_PAGE, [0, 0, 0, 0x3C]);
        chip.store(CFG1_PAGE, [PROT | CNT_INC_EN | CNT_RD_EN, 0x05, 0, 0]);
        chip
    }

    /// The same chip with another answer to READ_SIG.
    pub fn with_signature(mut self, signature: [u8; SIGNATURE_BYTES]) -> Self {
        self.signature = signature;
        self
    }

    /// What it presents when it is selected: its 7 bytes, or 4 random ones where RID_ACT says so.
    pub fn uid(&self) -> Uid {
        match self.random_uid {
            Some([a, b, c, d]) => Uid::four([a, b, c, d]),
            None => Uid::seven(self.own_uid()),
        }
    }

    /// All pages in a row, as stored (keys too).
    pub fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// The three one-way counters.
    pub fn counters(&self) -> [u32; COUNTERS] {
        self.counters
    }

    pub(super) fn dump(&self) -> Vec<u8> {
        let mut dump = self.memory.to_vec();
        dump.extend(self.signature);
        dump.extend(self.counters.iter().flat_map(|counter| three_bytes(*counter)));
        dump.extend(self.failed.to_le_bytes());
        dump.extend(self.seed);
        dump.extend(self.drawn.to_le_bytes());
        dump
    }

    pub(super) fn from_dump(dump: &[u8]) -> Result<Self, DumpError> {
        let length = DumpError::Length { found: dump.len(), wanted: DUMP_BYTES };
        if dump.len() != DUMP_BYTES {
            return Err(length);
        }
        let cut = || length.clone();
        let (memory, rest) = dump.split_first_chunk().ok_or_else(cut)?;
        let (signature, rest) = rest.split_first_chunk().ok_or_else(cut)?;
        let (counters, rest) = rest.split_first_chunk::<{ 3 * COUNTERS }>().ok_or_else(cut)?;
        let (failed, rest) = rest.split_first_chunk().ok_or_else(cut)?;
        let (seed, rest) = rest.split_first_chunk().ok_or_else(cut)?;
        let (drawn, _) = rest.split_first_chunk().ok_or_else(cut)?;
        let [c0, c1, c2] = [0, 3, 6].map(|at| [counters[at], counters[at + 1], counters[at + 2], 0]);
        let chip = Self {
            memory: *memory,
            signature: *signature,
            counters: [c0, c1, c2].map(u32::from_le_bytes),
            failed: u16::from_le_bytes(*failed),
            seed: *seed,
            drawn: u32::from_le_bytes(*drawn),
            state: State::OutOfField,
            config_locked: false,
            random_uid: None,
        };
        let [a, b, c, d, e, f, g] = chip.own_uid();
        if memory[3] != 0x88 ^ a ^ b ^ c || memory[8] != d ^ e ^ f ^ g {
            return Err(DumpError::Uid);
        }
        Ok(chip)
    }

    /// Power on and selected. What the configuration says of its own lock and of the UID holds from here on (assumed
    /// for the lock, as on NTAG21x).
    pub fn enter_field(&mut self) {
        self.state = State::Active;
        self.config_locked = self.page(CFG1_PAGE)[0] & CFGLCK != 0;
        self.random_uid = (self.page(CFG0_PAGE)[0] & RID_ACT != 0).then(|| {
            let [a, b, c, ..] = self.draw();
            [0x08, a, b, c]
        });
    }

    /// Power off.
    pub fn leave_field(&mut self) {
        self.state = State::OutOfField;
    }

    /// Wakes a chip that waits after HALT or a NAK.
    pub fn select(&mut self) {
        if self.state == State::Waiting {
            self.state = State::Active;
        }
    }

    /// Waits for a selection, as after a NAK.
    pub fn deselect(&mut self) {
        if self.state != State::OutOfField {
            self.state = State::Waiting;
        }
    }

    /// Carries out one command.
    pub fn transmit(&mut self, command: &[u8]) -> Reply {
        if matches!(self.state, State::OutOfField | State::Waiting) {
            return Reply::Silent;
        }
        let answered = match command {
            [HALT, 0] => {
                self.state = State::Waiting;
                return Reply::Silent;
            }
            [AUTHENTICATE, key] => self.challenge(*key),
            [AUTHENTICATE_PART_2, proof @ ..] => self.authenticate(proof),
            _ => self.answer(command),
        };
        answered.unwrap_or_else(|nak| {
            self.deselect();
            Reply::Nak(nak)
        })
    }

    /// A WRITE of which only the first `bytes` bytes reach the memory; lock pages and the capability container are
    /// tearing-protected. An INCR_CNT is, too: 4 bytes count it, fewer do not.
    pub fn transmit_torn(&mut self, command: &[u8], bytes: usize) {
        if matches!(self.state, State::OutOfField | State::Waiting) {
            return;
        }
        match self.unwrapped(command) {
            Ok([WRITE, page, a, b, c, d]) => {
                let page = usize::from(*page);
                let protected = [STATIC_LOCK_PAGE, CAPABILITY_PAGE, LOCK_PAGE].contains(&page);
                if let (false, Ok(merged)) = (protected, self.merged(page, [*a, *b, *c, *d])) {
                    let mut torn = self.page(page);
                    for (old, new) in torn.iter_mut().zip(merged).take(bytes) {
                        *old = new;
                    }
                    self.store(page, torn);
                }
            }
            // What it answers is lost, and a refusal changed nothing.
            Ok(plain @ [INCR_CNT, ..]) if bytes >= 4 => drop(self.carry_out(plain)),
            Ok(_) | Err(_) => {}
        }
    }

    fn answer(&mut self, command: &[u8]) -> Result<Reply, u8> {
        let plain = self.unwrapped(command)?;
        let reply = self.carry_out(plain)?;
        self.wrapped(reply)
    }

    fn carry_out(&mut self, command: &[u8]) -> Result<Reply, u8> {
        match command {
            [GET_VERSION] => Ok(Reply::Data(VERSION.to_vec())),
            [READ, page] => self.read(usize::from(*page)),
            [FAST_READ, first, last] => self.fast_read(usize::from(*first), usize::from(*last)),
            [WRITE, page, a, b, c, d] => {
                let merged = self.merged(usize::from(*page), [*a, *b, *c, *d])?;
                self.store(usize::from(*page), merged);
                Ok(Reply::Ack)
            }
            [READ_CNT, counter] => {
                self.may_use(*counter, CNT_RD_EN)?;
                let counted = self.counters.get(usize::from(*counter)).ok_or(NAK_INVALID_ARGUMENT)?;
                Ok(Reply::Data(three_bytes(*counted).to_vec()))
            }
            [INCR_CNT, counter, a, b, c, _] => {
                self.may_use(*counter, CNT_INC_EN)?;
                let counted = self.counters.get_mut(usize::from(*counter)).ok_or(NAK_INVALID_ARGUMENT)?;
                let sum = counted.saturating_add(u32::from_le_bytes([*a, *b, *c, 0]));
                *counted = Some(sum).filter(|sum| *sum <= COUNTER_MAX).ok_or(NAK_INVALID_ARGUMENT)?;
                Ok(Reply::Ack)
            }
            [READ_SIG, 0] => Ok(Reply::Data(self.signature.to_vec())),
            _ => Err(NAK_INVALID_ARGUMENT),
        }
    }

    /// Counter 2 needs the data protection key where its bit is not set; the others are free.
    fn may_use(&self, counter: u8, free: u8) -> Result<(), u8> {
        let is_free = counter != 2 || self.page(CFG1_PAGE)[0] & free != 0;
        if is_free || self.is_authenticated() { Ok(()) } else { Err(NAK_INVALID_ARGUMENT) }
    }

    /// READ: 16 bytes, rolling over to page 0 at the end of what may be read.
    fn read(&self, first: usize) -> Result<Reply, u8> {
        let end = self.readable_pages();
        if first >= end {
            return Err(NAK_INVALID_ARGUMENT);
        }
        Ok(Reply::Data((0..4).flat_map(|offset| self.visible_page((first + offset) % end)).collect()))
    }

    /// FAST_READ: pages `first` to `last`.
    fn fast_read(&self, first: usize, last: usize) -> Result<Reply, u8> {
        if first > last || last >= self.readable_pages() {
            return Err(NAK_INVALID_ARGUMENT);
        }
        Ok(Reply::Data((first..=last).flat_map(|page| self.visible_page(page)).collect()))
    }

    /// What a WRITE leaves on that page, or the NAK that refuses it.
    fn merged(&self, page: usize, written: [u8; 4]) -> Result<[u8; 4], u8> {
        let old = self.page(page);
        let key_locks = self.page(LOCK_KEYS_PAGE)[0];
        let refused = !(STATIC_LOCK_PAGE..PAGES).contains(&page)
            || (page >= self.auth0() && !self.is_authenticated())
            || lock_bits::static_locks(self.page(STATIC_LOCK_PAGE), page)
            || (page < LOCK_PAGE && lock_bits::dynamic_locks(self.page(LOCK_PAGE), PAGES_PER_LOCK_BIT, page))
            || (matches!(page, CFG0_PAGE | CFG1_PAGE) && self.config_locked)
            || (matches!(page, 0x30..0x34) && key_locks & LOCK_KEY_0 != 0)
            || (matches!(page, 0x34..0x38) && key_locks & LOCK_KEY_1 != 0)
            || (page == LOCK_KEYS_PAGE && key_locks & LOCK_KEYS_BLOCKED != 0);
        match page {
            _ if refused => Err(NAK_INVALID_ARGUMENT),
            STATIC_LOCK_PAGE => Ok(lock_bits::merge_static(old, written)),
            LOCK_PAGE => Ok(lock_bits::merge_dynamic(old, written)),
            CAPABILITY_PAGE | LOCK_KEYS_PAGE => Ok(std::array::from_fn(|byte| old[byte] | written[byte])),
            _ => Ok(written),
        }
    }

    /// First page that needs authentication; beyond the last page means none.
    fn auth0(&self) -> usize {
        usize::from(self.page(CFG0_PAGE)[3])
    }

    fn readable_pages(&self) -> usize {
        if self.page(CFG1_PAGE)[0] & PROT != 0 && !self.is_authenticated() { self.auth0().min(PAGES) } else { PAGES }
    }

    /// A page as commands see it: keys read as zeros, and so does a UID that is kept secret.
    fn visible_page(&self, page: usize) -> [u8; 4] {
        let knows_uid = matches!(self.state, State::Authenticated(Session { key: Key::UidRetrieval, .. }));
        if KEY_PAGES.contains(&page) || (page < 2 && self.random_uid.is_some() && !knows_uid) {
            return [0; 4];
        }
        self.page(page)
    }

    /// A page as stored; zeros where there is none.
    fn page(&self, page: usize) -> [u8; 4] {
        self.memory.get(page * 4..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default()
    }

    fn store(&mut self, page: usize, content: [u8; 4]) {
        if let Some(stored) = self.memory.get_mut(page * 4..page * 4 + 4) {
            stored.copy_from_slice(&content);
        }
    }

    /// The UID in the first three pages, without its check bytes.
    fn own_uid(&self) -> [u8; 7] {
        [0, 1, 2, 4, 5, 6, 7].map(|at| self.memory[at])
    }
}

/// A counter as the chip sends it.
fn three_bytes(counter: u32) -> [u8; 3] {
    let [a, b, c, _] = counter.to_le_bytes();
    [a, b, c]
}

#[cfg(test)]
mod tests;
