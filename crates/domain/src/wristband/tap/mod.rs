//! The tap: a state machine that asks for chip commands and durable writes, one at a time.
//!
//! select → read, and password or authentication → verify → decide → store the intent → write the slots not in force, MAC
//! last → read back → on a chip with a counter: increment → store the commit → finished. Found by exhaustive search over small worlds (design, section 5); change it only with
//! the model.
//! Invariant: nothing is written to the chip before its intent is durable; `Done` comes after the commit is; an intent
//! whose last page may have left the reader is never voided without reading the chip again.
//! Not here: readers, storage and time (the entries' stamps are the store's), what entries mean later (`ledger`).
mod approach;
mod decide;
mod entries;
mod job;
mod machine;
mod repair;

pub use approach::PurseChip;
pub use entries::{UidAccount, uid_refund_entry, uid_sale_entry, uid_top_up_entry};
pub use machine::Tap;

use alloc::vec::Vec;

use ed25519_dalek::SigningKey;
use thiserror::Error;

pub use super::CreditKey;
use super::{CREDIT_RECORD_LEN, PurseFault, RecordId};
use crate::{
    id::{BoxNumber, DeviceId, EntryRef, FestivalId},
    journal::{Detail, Entry, Intent, IntentPurpose, Means, Sale},
    money::{Cents, Currency},
    secrets::BandSecrets,
};

/// What a box knows whatever band comes.
#[derive(Clone, Debug)]
pub struct TapContext {
    /// The festival.
    pub festival: FestivalId,
    /// Its currency.
    pub currency: Currency,
    /// Number that this box writes on chips in this epoch; 0 writes nothing.
    pub box_number: BoxNumber,
    /// Masters of the bands' keys, of one epoch or several.
    pub secrets: BandSecrets,
    /// Epochs whose bands are refused by the festival's decision.
    pub retired_epochs: Vec<u8>,
    /// Keys whose C records count.
    pub credit_keys: Vec<CreditKey>,
    /// Highest balance after a top-up.
    pub maximum_balance: Cents,
    /// Who is at the till.
    pub operator: u32,
    /// Whose journal the entries go to.
    pub own_device: DeviceId,
}

/// What this box knows of the band's wallet when it comes.
#[derive(Clone, Debug, Default)]
pub struct KnownWallet {
    /// Blocked by the hub.
    pub blocked: bool,
    /// An entry about it is newer than this software.
    pub frozen: bool,
    /// Committed or settled as applied; never open intents.
    pub ledger_spent: Cents,
    /// Highest C sequence that any entry names, given-up intents included: a new C goes above it, so that two that
    /// were signed from the same C are told apart. 0 where nothing is known.
    pub credit_seq: u8,
    /// A C′ that the hub signed for this band: written before anything else is done, where it fits on the chip.
    pub offer: Option<[u8; CREDIT_RECORD_LEN]>,
    /// C records of this band that this box knows from a signed source, to complete a write of the only C slot that
    /// broke off elsewhere. Those of its own open intents and the offer are known without that.
    pub credits: Vec<KnownCredit>,
    /// This box's own intents that are neither committed, void nor given up, oldest first.
    pub open: Vec<OpenIntent>,
    /// S records of the sales and refunds that this box gave up: none of them is ever written again.
    pub given_up: Vec<RecordId>,
    /// Taps of this band here that did not finish, since one did.
    pub unfinished_in_a_row: u8,
    /// What bounds a sale or refund here if the chip can be copied; without one the box may take all that there is.
    pub offline: Option<OfflineLimit>,
}

/// How much one box may take from a band that can be copied while the hub has not heard of it (design, promise 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfflineLimit {
    /// The limit.
    pub limit: Cents,
    /// Own sales and refunds, those in doubt included, that the hub's state does not contain yet.
    pub taken: Cents,
}

/// The bytes of a C record and, where they are known, those of the one that it replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCredit {
    /// What is to stand on the chip.
    pub record: [u8; CREDIT_RECORD_LEN],
    /// What stood there before.
    pub replaced: Option<[u8; CREDIT_RECORD_LEN]>,
}

/// An intent in doubt, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenIntent {
    /// Its entry.
    pub entry: EntryRef,
    /// Its part.
    pub intent: Intent,
    /// Its amount.
    pub amount: Cents,
    /// Counter of the record that it writes.
    pub tap_counter: u16,
    /// Whether staff served on "tap again".
    pub handed_over: bool,
    /// Price list it was made under.
    pub price_revision: u32,
    /// Who was at the till.
    pub operator: u32,
}

/// What the band is held to the reader for.
#[derive(Clone)]
pub enum TapRequest {
    /// Pay a sale. `amount` is the lines' sum and net deposit; it may be 0.
    Sale {
        /// What is sold.
        sale: Sale,
        /// What it costs.
        amount: Cents,
        /// Price list it was made under.
        price_revision: u32,
        /// The intent in doubt that this is the same sale as: if that is found paid, nothing new is charged.
        retry_of: Option<EntryRef>,
    },
    /// Put money on the band.
    TopUp {
        /// How much.
        amount: Cents,
        /// Signs the new C record.
        key: SigningKey,
        /// Kept from the money; not part of `amount`.
        fee: Cents,
        /// How the guest pays.
        means: Means,
        /// The intent in doubt that this is the same top-up as.
        retry_of: Option<EntryRef>,
    },
    /// Write a C′ that the hub signed for this band.
    Carry {
        /// Its bytes.
        record: [u8; CREDIT_RECORD_LEN],
    },
    /// Pay out all that is left.
    Refund,
    /// A new C of the same credits, so that no C′ signed before can be written any more: what it was to bring may then
    /// be paid out in cash. Refused where the chip shows more than this box has heard of.
    Supersede {
        /// Signs the new C record.
        key: SigningKey,
        /// Tap counter and name of the newest record that this box has heard of.
        head: (u16, RecordId),
    },
    /// A record of price 0, so that earlier intents settle.
    ClosingRead,
    /// Read only: settles nothing, writes nothing, needs no password.
    Balance,
}

/// What the tap waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TapStep {
    /// Send this command to the chip, then call `Tap::reply` with its answer (ACK is an empty one).
    Chip(Vec<u8>),
    /// Make these entries durable as one commit (their `hlc` is 0 and the last one's end-of-commit flag not set: the
    /// store stamps both), then call `Tap::stored` with their references in order. Also without a band in the field.
    Store(Vec<Entry>),
    /// Over.
    Finished(TapOutcome),
}

/// How a tap ended. What it settled of earlier taps is in `Tap::settled`, whatever the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TapOutcome {
    /// Done and durable: green.
    Done {
        /// The commit; `None` for `Balance`.
        entry: Option<EntryRef>,
        /// What is left to spend.
        balance_after: Cents,
        /// Taken off for a sale.
        charged: Cents,
        /// Put on the band.
        credited: Cents,
        /// To be paid out in cash.
        paid_back: Cents,
        /// Intents of earlier taps that this one settled.
        finished_earlier: Vec<EntryRef>,
    },
    /// Nothing was charged for this request.
    Refused(TapRefusal),
    /// In doubt: the band may have paid. No green; tap again, here.
    TapAgain {
        /// The open intent.
        intent: EntryRef,
    },
    /// The band left before anything counted.
    NothingHappened {
        /// The intent that was stored and voided, if it came so far.
        voided: Option<EntryRef>,
    },
}

/// Money of the hub's that a tap has put on the band beside what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The commit.
    pub entry: EntryRef,
    /// How much.
    pub amount: Cents,
}

/// What became of an intent of an earlier tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettledAs {
    /// Its record is on the chip.
    Committed,
    /// Another record stands in its place.
    Void,
    /// Cannot be told from the chip: left to the ledger.
    GivenUp,
}

/// An intent of an earlier tap that this one settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledIntent {
    /// The intent as it was open.
    pub open: OpenIntent,
    /// How.
    pub how: SettledAs,
    /// The entry that says so.
    pub entry: EntryRef,
}

/// Why a chip command has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChipFault {
    /// No answer, or a damaged one: whether the chip did it is unknown.
    Gone,
    /// The chip refused.
    Nak,
}

/// The entries are not durable, and never will be by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the entries could not be stored")]
pub struct StoreFailed;

/// Why a tap was refused. Nothing was charged for the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TapRefusal {
    /// A layout, profile or UID that this software does not handle.
    #[error("this kind of band is not supported")]
    Unsupported,
    /// Not of this festival.
    #[error("the band is not of this festival")]
    NotOurs,
    /// Made with keys of an epoch that this box has not been given.
    #[error("this box has no keys for bands of this epoch")]
    KeysMissing,
    /// Made with keys of an epoch that the festival has retired.
    #[error("the festival has retired the keys of this band")]
    KeysRetired,
    /// Its records contradict each other.
    #[error("the band's records contradict each other")]
    Tampered,
    /// It has no valid record.
    #[error("the band has no valid record")]
    Unusable,
    /// The write of its only C record broke off, and this box does not know what was to be written.
    #[error("the band's credits are half written")]
    CreditTorn,
    /// Blocked by the hub.
    #[error("the band is blocked")]
    Blocked,
    /// Newer software wrote about it.
    #[error("the wallet is frozen: newer software is needed")]
    Frozen,
    /// Its credits are older than its last sale.
    #[error("the band's memory was set back")]
    RolledBack,
    /// Signed by a key that is revoked or not in the bundle.
    #[error("the band's credits, or this desk's, are under a key that is unknown or revoked")]
    UnknownCreditKey,
    /// 65,535 taps.
    #[error("the band's tap counter is at its end")]
    CounterExhausted,
    /// 255 top-ups.
    #[error("the band's credit sequence is at its end")]
    CreditsExhausted,
    /// A C′ that does not replace the C on the chip.
    #[error("the signed credit does not follow the one on the band")]
    CreditOutdated,
    /// The balance is below the price.
    #[error("the band holds {balance}, the sale needs {price}")]
    NotEnough {
        /// What is left.
        balance: Cents,
        /// What is asked.
        price: Cents,
    },
    /// More than this box may take from a chip that can be copied before the hub has heard of it.
    #[error("{} were taken here and the hub has not heard of it, {price} more would exceed {}", offline.taken, offline.limit)]
    OfflineLimit {
        /// What was taken, and the limit.
        offline: OfflineLimit,
        /// What is asked.
        price: Cents,
    },
    /// Somebody else wrote to the band, and this box has not heard of it.
    #[error("the band was written to elsewhere, and this box has not heard of it")]
    Unheard,
    /// The top-up would go beyond the festival's maximum.
    #[error("the band would hold more than {maximum}")]
    OverMaximum {
        /// The maximum.
        maximum: Cents,
    },
    /// A top-up of nothing, or a refund of an empty band.
    #[error("there is nothing to put on or pay out")]
    NothingToMove,
    /// Unfinished taps in a row, or an earlier one that cannot be settled here.
    #[error("earlier taps of this band did not finish: a supervisor decides")]
    Supervisor,
    /// This box has no number to write on chips.
    #[error("this box has no number for chips")]
    NoBoxNumber,
    /// The journal cannot be written.
    #[error("the journal cannot be written")]
    DiskFull,
    /// The chip refuses to be written.
    #[error("the band refuses to be written")]
    RefusedWrite,
}

impl TapRefusal {
    /// Code for screens and logs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsupported => "band.unsupported",
            Self::NotOurs => "band.not_ours",
            Self::KeysMissing => "band.keys_missing",
            Self::KeysRetired => "band.keys_retired",
            Self::Tampered => "band.tampered",
            Self::Unusable => "band.unusable",
            Self::CreditTorn => "band.credit_torn",
            Self::Blocked => "band.blocked",
            Self::Frozen => "band.frozen",
            Self::RolledBack => "band.rolled_back",
            Self::UnknownCreditKey => "band.unknown_credit_key",
            Self::CounterExhausted => "band.counter_exhausted",
            Self::CreditsExhausted => "band.credits_exhausted",
            Self::CreditOutdated => "band.credit_outdated",
            Self::RefusedWrite => "band.refused_write",
            Self::Unheard => "band.unheard",
            Self::NotEnough { .. } => "till.not_enough",
            Self::OfflineLimit { .. } => "till.offline_limit",
            Self::OverMaximum { .. } => "till.over_maximum",
            Self::NothingToMove => "till.nothing_to_move",
            Self::Supervisor => "till.supervisor",
            Self::NoBoxNumber => "box.no_number",
            Self::DiskFull => "box.disk_full",
        }
    }
}

impl OfflineLimit {
    /// Whether the box may take so much more.
    fn allows(&self, price: Cents) -> Result<(), TapRefusal> {
        match self.taken.plus(price) {
            Some(taken) if taken <= self.limit => Ok(()),
            Some(_) | None => Err(TapRefusal::OfflineLimit { offline: *self, price }),
        }
    }
}

impl From<PurseFault> for TapRefusal {
    fn from(fault: PurseFault) -> Self {
        match fault {
            PurseFault::Unsupported => Self::Unsupported,
            PurseFault::NotOurs => Self::NotOurs,
            PurseFault::Tampered => Self::Tampered,
            PurseFault::Unusable => Self::Unusable,
            PurseFault::CreditTorn => Self::CreditTorn,
            PurseFault::RolledBack => Self::RolledBack,
            PurseFault::UnknownCreditKey => Self::UnknownCreditKey,
        }
    }
}

impl KnownWallet {
    /// An intent in doubt turned out to have taken nothing.
    fn not_taken(&mut self, open: &OpenIntent) {
        let charged = matches!(open.intent.purpose, IntentPurpose::Sale | IntentPurpose::Refund);
        if let Some(offline) = self.offline.as_mut().filter(|_| charged) {
            offline.taken = offline.taken.minus(open.amount).unwrap_or_default();
        }
    }
}

impl OpenIntent {
    /// From its entry; `None` where that is no intent.
    pub fn of(at: EntryRef, entry: &Entry, handed_over: bool) -> Option<Self> {
        let Ok(Detail::Intent(intent)) = Detail::of(entry) else { return None };
        Some(Self {
            entry: at,
            intent,
            amount: entry.amount,
            tap_counter: entry.tap_counter,
            handed_over,
            price_revision: entry.price_revision,
            operator: entry.operator,
        })
    }
}

impl TapRequest {
    /// Whether a completed earlier intent is this very request, so that nothing new is to be done.
    fn is_answered_by(&self, open: &OpenIntent) -> bool {
        match self {
            Self::Sale { .. } => open.intent.purpose == IntentPurpose::Sale && self.is_retry_of(open.entry),
            Self::TopUp { .. } => open.intent.purpose == IntentPurpose::TopUp && self.is_retry_of(open.entry),
            Self::Carry { record } => open.intent.new_credit == Some(*record),
            // cash that staff have given out is not given out again
            Self::Refund => open.intent.purpose == IntentPurpose::Refund && !open.handed_over,
            Self::ClosingRead => open.intent.purpose == IntentPurpose::ClosingRead,
            Self::Balance | Self::Supersede { .. } => false,
        }
    }

    /// Whether the caller says that it is the same sale or top-up as this intent.
    fn is_retry_of(&self, intent: EntryRef) -> bool {
        match self {
            Self::Sale { retry_of, .. } | Self::TopUp { retry_of, .. } => *retry_of == Some(intent),
            Self::Carry { .. } | Self::Refund | Self::Supersede { .. } | Self::ClosingRead | Self::Balance => false,
        }
    }
}
