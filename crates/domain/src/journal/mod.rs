//! A box's append-only journal: entries, the hash chain over them, and the signature that ends each commit.
//! Invariant: one body layout for disk, wire and hash; the position is signed, so no commit can be relabelled.
//! Not here: what entries mean for money (`ledger`), storage (`box-store`), transport (`sync`).
mod chain;
mod detail;
mod entry;
mod part_credit;
mod part_gate;
mod part_ruling;

pub use chain::{ChainCursor, CommitMark, EntryHash, Head, ZERO_HASH, link};
pub use detail::{
    BandProfile, Block, BlockedKind, CashMove, ChipSeen, Closure, Correction, Corrects, Countersignature, Detail,
    DetailError, Genesis, Given, Intent, IntentPurpose, Means, PreviousHead, Revocation, Sale, SaleLine, SaleMarks,
    ShiftClose, StaffChange, TillTotals, TopUp, VoucherTaken, VoucherUse, closes_journal, is_closed,
};
pub use entry::{BODY_MAX, Effect, Entry, EntryError, Flags, HEADER_LEN, Kind, Subject};
pub use part_credit::{OnlineCredit, OnlineTopUp};
pub use part_gate::{Admission, Marks, Pairing, REASON_MAX, ShareGrant, ShareRelease, Terms};
pub use part_ruling::{MatterKind, Ruling, RulingAction};
