//! What people must look at, by name, place and time.
//! Invariant: a function of the set, so that every hub node lists the same.
//! Not here: how conflicts are found (`conflicts_found`), texts for people (`screens`).
use alloc::vec::Vec;

use crate::{
    id::{BoxNumber, DeviceId, EntryRef, TicketUid, WalletId},
    time::Hlc,
};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConflictKind {
    /// One ticket admitted more than once.
    DoubleAdmission,
    /// More spent than the wallet held.
    Overspend,
    /// A device wrote two histories.
    Fork,
    /// One chip record has two successors: a copied or restored chip.
    ChipFork,
    /// Entries beyond a revocation.
    RevokedEntries,
    /// Entries are missing.
    Gap,
    /// An entry that its journal's certificate does not allow, or that cannot be read.
    ForbiddenEntry,
    /// Entries newer than this software.
    FrozenSubject,
    /// Handed over without payment.
    Loss,
    /// Spent on a band whose money had been given out already, by swap or refund: the loss of that act.
    LateSpend,
}

impl ConflictKind {
    /// Stable code of what happened.
    pub const fn code(self) -> &'static str {
        match self {
            Self::DoubleAdmission => "double-admission",
            Self::Overspend => "overspend",
            Self::Fork => "fork",
            Self::ChipFork => "chip-fork",
            Self::RevokedEntries => "revoked-entries",
            Self::Gap => "gap",
            Self::ForbiddenEntry => "forbidden-entry",
            Self::FrozenSubject => "frozen-subject",
            Self::Loss => "loss",
            Self::LateSpend => "late-spend",
        }
    }

    /// Stable code of what to do about it.
    pub const fn todo_code(self) -> &'static str {
        match self {
            Self::DoubleAdmission => "compare-guests-and-block-ticket",
            Self::Overspend => "block-band-and-claim",
            Self::Fork => "revoke-box-and-decide",
            Self::ChipFork => "block-band-and-replace",
            Self::RevokedEntries => "decide-on-entries",
            Self::Gap => "connect-box-or-import-stick",
            Self::ForbiddenEntry => "check-box-and-certificate",
            Self::FrozenSubject => "update-software",
            Self::Loss => "book-loss",
            Self::LateSpend => "book-loss-of-the-swap",
        }
    }
}

/// Whom or what it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConflictSubject {
    /// A wristband's wallet.
    Wallet(WalletId),
    /// A ticket.
    Ticket(TicketUid),
    /// A box or hub node.
    Device(DeviceId),
}

/// One place where it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConflictPlace {
    /// Which entry.
    pub at: EntryRef,
    /// The box that wrote it.
    pub box_number: BoxNumber,
    /// When, for display.
    pub hlc: Hlc,
    /// Its amount, in minor units.
    pub amount: i64,
}

/// Something that people must look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What happened.
    pub kind: ConflictKind,
    /// To whom.
    pub subject: ConflictSubject,
    /// Where, in the order shown (by clock).
    pub places: Vec<ConflictPlace>,
    /// How much money, where it is about money.
    pub amount: Option<i64>,
}

impl Conflict {
    /// Stable code of what happened.
    pub const fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// Stable code of what to do about it.
    pub const fn todo_code(&self) -> &'static str {
        self.kind.todo_code()
    }
}
