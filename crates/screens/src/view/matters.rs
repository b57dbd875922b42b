//! Conflicts and doubts as people read and decide them.
use serde::{Deserialize, Serialize};

/// `GET /api/matters`: one page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MatterPage {
    /// Matters that fit the filter.
    pub total: usize,
    /// Of these, open ones.
    pub open: usize,
    /// Money that is missing, lost, in doubt or owed by these open ones, each cent once.
    pub open_cents: i64,
    /// This page, from 0.
    pub page: usize,
    /// How many pages there are, at least 1.
    pub pages: usize,
    /// More stands on some list than is told.
    pub more: bool,
    /// Somebody on the staff list may decide, so that each decision needs number and PIN of one who may.
    pub signs: bool,
    /// Open ones first, then the newest first.
    pub matters: Vec<MatterView>,
}

/// A conflict, a doubt or money owed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MatterView {
    /// Its name in addresses.
    pub id: String,
    /// What happened: a word of a closed list (`double_admission` … `pending`).
    pub kind: String,
    /// Nobody has decided, or there is more than when somebody did.
    pub open: bool,
    /// The wallet, ticket or device.
    pub subject: String,
    /// The entry that it is about, where it is about one.
    pub about: String,
    /// Reason code of what happened.
    pub what_code: String,
    /// Reason code of what to do.
    pub todo_code: String,
    /// How much money, where it is about money; of a copied band the goods sold on it, of entries that do not count what
    /// they would move.
    pub amount_cents: Option<i64>,
    /// What it waits for.
    pub waits: Option<String>,
    /// Where and when; of what a revoked box wrote the first and the last entry.
    pub places: Vec<MatterPlace>,
    /// In how many more places.
    pub more_places: u32,
    /// What may be decided.
    pub actions: Vec<String>,
    /// What was decided: those that hold first, the newest of them before the others.
    pub rulings: Vec<RulingView>,
    /// When it showed or was decided last.
    pub newest_unix_ms: u64,
    /// What this shows, for who decides on it.
    pub seen: MatterSeen,
}

/// What a page showed of a matter. Whoever decides sends it along: where the hub holds more by then, nothing is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MatterSeen {
    /// The entries of the rulings that hold, in their order.
    pub rulings: Vec<String>,
    /// How much money is found, whatever its sign.
    pub cents: u64,
    /// In how many places it is found.
    pub places: u32,
}

/// Where it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MatterPlace {
    /// As it is said on a radio.
    pub place: String,
    /// Number of the box.
    pub box_number: u16,
    /// When, by the entry's own stamp.
    pub at_unix_ms: u64,
    /// The entry.
    pub entry: String,
}

/// A decision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RulingView {
    /// Its entry in a hub's journal.
    pub entry: String,
    /// What was decided; `undo_charge_back` and `undo_forgive` where nothing is left of it.
    pub action: String,
    /// By whom.
    pub by: String,
    /// Staff number, where a PIN was given; 0: the name was typed, and checked by nobody.
    pub operator: u32,
    /// Why.
    pub reason: String,
    /// Money moved.
    pub amount_cents: i64,
    /// When.
    pub at_unix_ms: u64,
    /// `holds` (one of each sort may: charged back, forgiven, everything else), `beside` (decided at the same time, counts
    /// more) or `replaced`.
    pub standing: String,
}
