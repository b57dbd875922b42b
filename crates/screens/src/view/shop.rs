//! What till and desk show beside the tap: the shift, what can be taken back, parked baskets, vouchers.
//! Invariant: lists are bounded; money is integer minor units.
use serde::{Deserialize, Serialize};

/// The same for a till and a desk of one box.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShopView {
    /// The shift, if one is open.
    pub shift: Option<ShiftView>,
    /// The journal was closed for the event: nothing is sold until a shift opens.
    pub closed: bool,
    /// Entries are marked, and nothing moves.
    pub training: bool,
    /// The last sale can be taken back with one touch: what the guest gets back.
    pub undo_cents: Option<i64>,
    /// Which sale that is, for `/api/till/undo`.
    pub undo_entry: Option<String>,
    /// Receipts can be printed.
    pub printer: bool,
    /// What is left of the operator's quota for corrections in this shift.
    pub quota_left_cents: i64,
    /// Kept beside each top-up.
    pub fee_cents: i64,
    /// Baskets put aside.
    pub parked: Vec<ParkedView>,
    /// The voucher that the scanner read last and no basket has yet.
    pub scanned: Option<ScannedVoucher>,
    /// Reasons to choose from; empty: the page's own.
    pub reasons: Vec<ReasonView>,
}

/// An open shift.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShiftView {
    /// Since when.
    pub since_unix_ms: u64,
    /// Cash counted at its start.
    pub float_cents: i64,
    /// Who opened it.
    pub operator: u32,
}

/// A basket put aside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ParkedView {
    /// Name for `/api/till/resume`.
    pub number: u32,
    /// What staff call it; may be empty.
    pub label: String,
    /// How many things are in it.
    pub count: u32,
    /// Since when.
    pub since_unix_ms: u64,
}

/// A voucher as the scanner read it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScannedVoucher {
    /// Its text, to be posted with the sale.
    pub text: String,
    /// Why it is not taken; then the rest is empty.
    pub code: Option<String>,
    /// Arguments of `code`.
    pub args: super::Args,
    /// Product that it pays for.
    pub product: u32,
    /// How many of it.
    pub quantity: u32,
    /// When it was read. Two scans never have the same.
    pub at_unix_ms: u64,
}

/// A reason to choose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReasonView {
    /// Code in entries.
    pub code: String,
    /// In French.
    pub fr: String,
    /// In English.
    pub en: String,
}

/// A sale or top-up that can be corrected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Corrigible {
    /// Name for `/api/till/correct`.
    pub entry: String,
    /// A top-up; else a sale.
    pub is_top_up: bool,
    /// Its amount.
    pub amount_cents: i64,
    /// How much of it is not corrected yet.
    pub left_cents: i64,
    /// When.
    pub at_unix_ms: u64,
    /// Who was at the till.
    pub operator: u32,
}

/// One movement of a band at this box.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Movement {
    /// Name of the entry.
    pub entry: String,
    /// `sale`, `top_up`, `refund`, `correction`, `pending` or `other`: text `movement-<this>`.
    pub kind: String,
    /// What the guest gained; negative: lost.
    pub cents: i64,
    /// When.
    pub at_unix_ms: u64,
    /// Training: nothing moved.
    pub training: bool,
}
