//! Who works here, and what each may do.
//! Invariant: plain data; a PIN is only ever kept as a salted hash in PHC form.
//! Not here: how the list is edited (`documents`), checking a PIN (a shell with a password hash), sessions (`edge`).
mod attempts;
mod refusal;

pub use attempts::PinAttempts;
pub use refusal::StaffRefusal;

use alloc::{string::String, vec::Vec};

use crate::id::WalletId;

/// What a person may do, as a bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct StaffRoles(pub u8);

impl StaffRoles {
    /// Scans at a gate.
    pub const GATE: Self = Self(1);
    /// Sells.
    pub const BAR: Self = Self(2);
    /// Tops up and refunds.
    pub const TOP_UP: Self = Self(4);
    /// Overrides at a gate, corrects beyond the quota, serves on "tap again".
    pub const SUPERVISOR: Self = Self(8);
    /// Edits prices, zones and staff.
    pub const MANAGER: Self = Self(16);

    /// Whether all of `other` is in here.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Number in entries (`Entry::operator`), from 1.
    pub number: u32,
    /// As colleagues say it.
    pub name: String,
    /// What this person may do.
    pub roles: StaffRoles,
    /// Argon2id hash of the PIN, PHC string; `None` cannot log in.
    pub pin: Option<String>,
    /// The badge: a wristband's wallet.
    pub badge: Option<WalletId>,
    /// Zones that the badge opens, as a bit set.
    pub zones: u32,
    /// Whether this person works here at present.
    pub active: bool,
    /// The manager's signing key, sealed under the PIN (`documents`); empty for who edits nothing.
    pub sealed_key: Vec<u8>,
}

/// Everybody.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Staff {
    /// By number, rising.
    pub members: Vec<Member>,
}

impl Staff {
    /// The person with this number, if active.
    pub fn member(&self, number: u32) -> Option<&Member> {
        self.members.iter().find(|member| member.number == number && member.active)
    }

    /// The active person whose badge this is.
    pub fn by_badge(&self, wallet: WalletId) -> Option<&Member> {
        self.members.iter().find(|member| member.badge == Some(wallet) && member.active)
    }
}

/// A reason that people choose from, for blocks, overrides and corrections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Code in entries: visible ASCII, at most 32 bytes.
    pub code: String,
    /// In French.
    pub fr: String,
    /// In English.
    pub en: String,
}
