//! NTAG213, NTAG215 and NTAG216.
//!
//! Source: NXP, NTAG213/215/216 product data sheet, rev. 3.2: memory in section 8.5, password in
//! 8.8, ACK and NAK in 9.3, commands in 10. Invariant: no command reads the password back, and
//! authentication ends with any NAK, HALT or loss of the field.
//! Left out: COMPATIBILITY_WRITE (10.5), the NFC counter (10.6: as if it were switched off), the
//! ASCII mirror (8.7), reply times, and a genuine originality signature (NXP's key makes those).

use std::fmt;

use super::{DumpError, NAK_INVALID_ARGUMENT, NAK_TOO_MANY_PASSWORDS, Reply, WRITE, lock_bits};
use crate::tag::{TagKind, Uid};

/// Length of the answer to READ_SIG.
pub const SIGNATURE_BYTES: usize = 32;

const GET_VERSION: u8 = 0x60;
const READ: u8 = 0x30;
const FAST_READ: u8 = 0x3A;
const PWD_AUTH: u8 = 0x1B;
const READ_SIG: u8 = 0x3C;
const HALT: u8 = 0x50;

const STATIC_LOCK_PAGE: usize = 2;
const CAPABILITY_PAGE: usize = 3;
const PROT: u8 = 0x80;
const CFGLCK: u8 = 0x40;
const AUTHLIM: u8 = 0x07;

/// Which of the three chips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NtagType {
    /// 45 pages, 144 bytes for users.
    Ntag213,
    /// 135 pages, 504 bytes for users.
    Ntag215,
    /// 231 pages, 888 bytes for users.
    Ntag216,
}

impl NtagType {
    /// What drivers call it.
    pub fn kind(self) -> TagKind {
        match self {
            Self::Ntag213 => TagKind::Ntag213,
            Self::Ntag215 => TagKind::Ntag215,
            Self::Ntag216 => TagKind::Ntag216,
        }
    }

    /// All pages of 4 bytes, user memory and configuration.
    pub fn pages(self) -> usize {
        match self {
            Self::Ntag213 => 0x2D,
            Self::Ntag215 => 0x87,
            Self::Ntag216 => 0xE7,
        }
    }

    /// The page after the user memory, with the dynamic lock bytes: 28h, 82h or E2h.
    pub fn dynamic_lock_page(self) -> usize {
        self.pages() - 5
    }

    /// The first configuration page, whose last byte is AUTH0: 29h, 83h or E3h. The second one
    /// (ACCESS), the password and PACK follow.
    pub fn config_page(self) -> usize {
        self.pages() - 4
    }

    fn access_page(self) -> usize {
        self.pages() - 3
    }

    fn password_page(self) -> usize {
        self.pages() - 2
    }

    fn pack_page(self) -> usize {
        self.pages() - 1
    }

    fn pages_per_lock_bit(self) -> usize {
        match self {
            Self::Ntag213 => 2,
            Self::Ntag215 | Self::Ntag216 => 16,
        }
    }

    /// Byte 2 of the capability container: user memory in units of 8 bytes.
    fn capability_size(self) -> u8 {
        match self {
            Self::Ntag213 => 0x12,
            Self::Ntag215 => 0x3E,
            Self::Ntag216 => 0x6D,
        }
    }

    fn version(self) -> [u8; 8] {
        let storage = match self {
            Self::Ntag213 => 0x0F,
            Self::Ntag215 => 0x11,
            Self::Ntag216 => 0x13,
        };
        [0x00, 0x04, 0x04, 0x02, 0x01, 0x00, storage, 0x03]
    }
}

/// ISO/IEC 14443-3 states, as far as commands see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    OutOfField,
    Waiting,
    Active,
    Authenticated,
}

/// One chip: its memory, what it counts, and its state in the field. Prints without its memory,
/// which holds UID and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Ntag21x {
    ntag_type: NtagType,
    memory: Vec<u8>,
    signature: [u8; SIGNATURE_BYTES],
    wrong_passwords: u8,
    state: State,
    config_locked: bool,
}

impl fmt::Debug for Ntag21x {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({:?})", self.ntag_type, self.state)
    }
}

impl Ntag21x {
    /// A chip as delivered (section 8.5.6), with a signature of zeros.
    pub fn new(ntag_type: NtagType, uid: [u8; 7]) -> Self {
        let mut chip = Self {
            ntag_type,
            memory: vec![0; ntag_type.pages() * 4],
            signature: [0; SIGNATURE_BYTES],
            wrong_passwords: 0,
            state: State::OutOfField,
            config_locked: false,
        };
        let [a, b, c, d, e, f, g] = uid;
        chip.store(0, [a, b, c, 0x88 ^ a ^ b ^ c]);
        chip.store(1, [d, e, f, g]);
        chip.store(STATIC_LOCK_PAGE, [d ^ e ^ f ^ g, 0x48, 0, 0]);
        chip.store(CAPABILITY_PAGE, [0xE1, 0x10, ntag_type.capability_size(), 0]);
        match ntag_type {
            NtagType::Ntag213 => {
                chip.store(4, [0x01, 0x03, 0xA0, 0x0C]);
                chip.store(5, [0x34, 0x03, 0x00, 0xFE]);
            }
            NtagType::Ntag215 | NtagType::Ntag216 => chip.store(4, [0x03, 0x00, 0xFE, 0x00]),
        }
        chip.store(ntag_type.dynamic_lock_page(), [0, 0, 0, 0xBD]);
        chip.store(ntag_type.config_page(), [0x04, 0, 0, 0xFF]);
        chip.store(ntag_type.access_page(), [0x00, 0x05, 0, 0]);
        chip.store(ntag_type.password_page(), [0xFF; 4]);
        chip
    }

    /// The same chip with another answer to READ_SIG.
    pub fn with_signature(mut self, signature: [u8; SIGNATURE_BYTES]) -> Self {
        self.signature = signature;
        self
    }

    /// Which of the three it is.
    pub fn ntag_type(&self) -> NtagType {
        self.ntag_type
    }

    /// Its 7-byte identifier.
    pub fn uid(&self) -> Uid {
        Uid::seven(uid_bytes(&self.memory))
    }

    /// All pages in a row, as stored (password and PACK too).
    pub fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// Memory, signature and the count of wrong passwords.
    pub(super) fn dump(&self) -> Vec<u8> {
        let mut dump = self.memory.clone();
        dump.extend(self.signature);
        dump.push(self.wrong_passwords);
        dump
    }

    pub(super) fn from_dump(ntag_type: NtagType, dump: &[u8]) -> Result<Self, DumpError> {
        let memory_bytes = ntag_type.pages() * 4;
        let wanted = memory_bytes + SIGNATURE_BYTES + 1;
        let found = dump.len();
        let (memory, rest) = dump.split_at_checked(memory_bytes).ok_or(DumpError::Length { found, wanted })?;
        let (signature, counted) =
            rest.split_first_chunk::<SIGNATURE_BYTES>().ok_or(DumpError::Length { found, wanted })?;
        let [wrong_passwords] = counted else {
            return Err(DumpError::Length { found, wanted });
        };
        let [a, b, c, d, e, f, g] = uid_bytes(memory);
        if memory[3] != 0x88 ^ a ^ b ^ c || memory[8] != d ^ e ^ f ^ g {
            return Err(DumpError::Uid);
        }
        Ok(Self {
            ntag_type,
            memory: memory.to_vec(),
            signature: *signature,
            wrong_passwords: *wrong_passwords,
            state: State::OutOfField,
            config_locked: false,
        })
    }

    /// Power on and selected. The lock of the configuration pages takes effect here only
    /// (section 8.5.7).
    pub fn enter_field(&mut self) {
        self.state = State::Active;
        self.config_locked = self.access() & CFGLCK != 0;
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
        if self.is_selected() {
            self.state = State::Waiting;
        }
    }

    /// Carries out one command (section 10).
    pub fn transmit(&mut self, command: &[u8]) -> Reply {
        if !self.is_selected() {
            return Reply::Silent;
        }
        let result = match command {
            [GET_VERSION] => Ok(Reply::Data(self.ntag_type.version().to_vec())),
            [READ, page] => self.read(usize::from(*page)),
            [FAST_READ, first, last] => self.fast_read(usize::from(*first), usize::from(*last)),
            [WRITE, page, a, b, c, d] => self.merged(usize::from(*page), [*a, *b, *c, *d]).map(|merged| {
                self.store(usize::from(*page), merged);
                Reply::Ack
            }),
            [PWD_AUTH, a, b, c, d] => self.authenticate([*a, *b, *c, *d]),
            [READ_SIG, 0] => Ok(Reply::Data(self.signature.to_vec())),
            [HALT, 0] => {
                self.state = State::Waiting;
                Ok(Reply::Silent)
            }
            _ => Err(NAK_INVALID_ARGUMENT),
        };
        result.unwrap_or_else(|nak| {
            self.deselect();
            Reply::Nak(nak)
        })
    }

    /// A WRITE of which only the first `bytes` bytes reach the memory. Lock pages and the
    /// capability container are tearing-protected (section 10.4): there the old content stays.
    pub fn transmit_torn(&mut self, command: &[u8], bytes: usize) {
        let [WRITE, page, a, b, c, d] = command else {
            return;
        };
        let page = usize::from(*page);
        let protected = [STATIC_LOCK_PAGE, CAPABILITY_PAGE, self.ntag_type.dynamic_lock_page()];
        if !self.is_selected() || protected.contains(&page) {
            return;
        }
        if let Ok(merged) = self.merged(page, [*a, *b, *c, *d]) {
            let mut torn = self.page(page);
            for (old, new) in torn.iter_mut().zip(merged).take(bytes) {
                *old = new;
            }
            self.store(page, torn);
        }
    }

    fn is_selected(&self) -> bool {
        matches!(self.state, State::Active | State::Authenticated)
    }

    /// READ: 16 bytes, rolling over to page 0 at the end of what may be read (section 10.2).
    fn read(&self, first: usize) -> Result<Reply, u8> {
        let end = self.readable_pages();
        if first >= end {
            return Err(NAK_INVALID_ARGUMENT);
        }
        let pages = (0..4).flat_map(|offset| self.visible_page((first + offset) % end));
        Ok(Reply::Data(pages.collect()))
    }

    /// FAST_READ: pages `first` to `last` (section 10.3).
    fn fast_read(&self, first: usize, last: usize) -> Result<Reply, u8> {
        if first > last || last >= self.readable_pages() {
            return Err(NAK_INVALID_ARGUMENT);
        }
        let pages = (first..=last).flat_map(|page| self.visible_page(page));
        Ok(Reply::Data(pages.collect()))
    }

    /// What a WRITE leaves on that page, or the NAK that refuses it (section 10.4).
    fn merged(&self, page: usize, written: [u8; 4]) -> Result<[u8; 4], u8> {
        let chip = self.ntag_type;
        let locks = self.page(chip.dynamic_lock_page());
        let is_config = page == chip.config_page() || page == chip.access_page();
        let refused = page < STATIC_LOCK_PAGE
            || page >= chip.pages()
            || (page >= self.auth0() && self.state != State::Authenticated)
            || lock_bits::static_locks(self.page(STATIC_LOCK_PAGE), page)
            || (page < chip.dynamic_lock_page() && lock_bits::dynamic_locks(locks, chip.pages_per_lock_bit(), page))
            || (is_config && self.config_locked);
        if refused {
            return Err(NAK_INVALID_ARGUMENT);
        }
        let old = self.page(page);
        if page == STATIC_LOCK_PAGE {
            Ok(lock_bits::merge_static(old, written))
        } else if page == CAPABILITY_PAGE {
            Ok(std::array::from_fn(|byte| old[byte] | written[byte]))
        } else if page == chip.dynamic_lock_page() {
            Ok(lock_bits::merge_dynamic(old, written))
        } else {
            Ok(written)
        }
    }

    /// PWD_AUTH (section 10.7), limited by AUTHLIM (section 8.8.2).
    fn authenticate(&mut self, password: [u8; 4]) -> Result<Reply, u8> {
        let limit = self.access() & AUTHLIM;
        if limit != 0 && self.wrong_passwords >= limit {
            return Err(NAK_TOO_MANY_PASSWORDS);
        }
        if password != self.page(self.ntag_type.password_page()) {
            if limit != 0 {
                self.wrong_passwords = self.wrong_passwords.saturating_add(1);
            }
            return Err(NAK_INVALID_ARGUMENT);
        }
        self.wrong_passwords = 0;
        self.state = State::Authenticated;
        let [first, second, _, _] = self.page(self.ntag_type.pack_page());
        Ok(Reply::Data(vec![first, second]))
    }

    /// First page under the password; beyond the last page means none.
    fn auth0(&self) -> usize {
        usize::from(self.page(self.ntag_type.config_page())[3])
    }

    fn access(&self) -> u8 {
        self.page(self.ntag_type.access_page())[0]
    }

    fn readable_pages(&self) -> usize {
        if self.access() & PROT != 0 && self.state != State::Authenticated {
            self.auth0().min(self.ntag_type.pages())
        } else {
            self.ntag_type.pages()
        }
    }

    /// A page as commands see it: password and PACK read as zeros.
    fn visible_page(&self, page: usize) -> [u8; 4] {
        if page == self.ntag_type.password_page() {
            return [0; 4];
        }
        let stored = self.page(page);
        if page == self.ntag_type.pack_page() {
            return [0, 0, stored[2], stored[3]];
        }
        stored
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
}

/// The UID in the first three pages, without its check bytes (section 8.5.1).
fn uid_bytes(memory: &[u8]) -> [u8; 7] {
    [0, 1, 2, 4, 5, 6, 7].map(|at| memory.get(at).copied().unwrap_or_default())
}

#[cfg(test)]
#[path = "ntag21x_tests.rs"]
mod tests;
