//! What the hub's console shows.
//! Invariant: the books are either balanced or say by how much they are not.
use serde::{Deserialize, Serialize};

use super::{Args, OverrideView, RiskView, ZoneView};

/// Everything that the console shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HubView {
    /// Name of the festival.
    pub festival: String,
    /// ISO 4217 code; two decimals.
    pub currency: String,
    /// The hub's clock when it sent this.
    pub now_unix_ms: u64,
    /// Hub term: counts restores of the hub's database.
    pub term: u32,
    /// Reason code of what is wrong with the hub's disk or database: nothing new is stored meanwhile.
    pub trouble: Option<String>,
    /// What somebody must do, whoever looks; each stays until it is done.
    pub notices: Vec<HubNotice>,
    /// Every enrolled box.
    pub boxes: Vec<HubBox>,
    /// The books.
    pub totals: Totals,
    /// What boxes that are not heard could have taken.
    pub risk: RiskView,
    /// What somebody must look at, newest first.
    pub conflicts: Vec<Conflict>,
    /// How many there are; where that is more, `conflicts` are the newest of them.
    pub conflicts_total: u64,
    /// How full each zone is.
    pub zones: Vec<ZoneView>,
    /// What supervisors decided at gates, newest first.
    pub overrides: Vec<OverrideView>,
    /// Ticket categories that the console can sell: id and name.
    pub categories: Vec<(u32, String)>,
    /// Chips on the lists of bands.
    pub bands: HubBands,
}

/// Something that only people can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HubNotice {
    /// Reason code.
    pub code: String,
    /// Arguments of `code`.
    pub args: super::Args,
    /// Where somebody says that it is done: the term of `/api/restored/confirm`.
    pub confirm: Option<u32>,
}

/// How many chips the lists of bands name, each by its last line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HubBands {
    /// Bands.
    pub issued: u64,
    /// Bands that are kept for whoever loses his own.
    pub spare: u64,
    /// Chips that are no bands.
    pub bad: u64,
}

/// A box as the hub knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HubBox {
    /// Number in the festival.
    pub number: u16,
    /// Place name.
    pub place: String,
    /// What it does there.
    pub roles: Vec<super::Role>,
    /// First characters of the device key.
    pub device: String,
    /// When it was last heard.
    pub last_seen_unix_ms: Option<u64>,
    /// Seconds since then.
    pub age_s: Option<u64>,
    /// Entries held.
    pub entries: u64,
    /// Newest epoch.
    pub epoch: u32,
    /// Ranges that are missing.
    pub gaps: u32,
    /// Branches of its journal; 1 = no fork.
    pub branches: u32,
    /// It is revoked.
    pub revoked: bool,
    /// Entries that the box said it still holds.
    pub unsent_hint: Option<u64>,
}

/// The books: `top_up + gifts + corrections + pending_issued + unreported + overspend` against `balance + pending_credit + spent +
/// deposits + refunded + fees + expired + in_doubt + disputed + unexplained`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each field is the account of its name")]
pub struct Totals {
    /// Inside now.
    pub guests_in: i64,
    /// Admissions of the evening.
    pub admissions: u64,
    pub top_up_cents: i64,
    pub spent_cents: i64,
    pub deposits_cents: i64,
    pub balance_cents: i64,
    pub refunded_cents: i64,
    pub fees_cents: i64,
    pub pending_credit_cents: i64,
    pub overspend_cents: i64,
    /// Credits that chips prove and whose desks have not reported yet.
    pub unreported_cents: i64,
    pub expired_cents: i64,
    pub in_doubt_cents: i64,
    pub disputed_cents: i64,
    pub gifts_cents: i64,
    /// Corrections, transfers and what newer software booked, net.
    pub corrections_cents: i64,
    /// Credits that guests were promised.
    pub pending_issued_cents: i64,
    pub unexplained_cents: i64,
    /// Both sides are equal and nothing is frozen.
    pub balanced: bool,
    /// Wallets and tickets that wait for newer software.
    pub frozen: u64,
}

/// Something that does not fit together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conflict {
    /// Stable name of it.
    pub id: String,
    /// Which kind.
    pub kind: ConflictKind,
    /// Reason code of what happened, e.g. `hub.double_admission`.
    pub what_code: String,
    /// Arguments of both codes.
    pub args: Args,
    /// Where and when.
    pub places: Vec<ConflictPlace>,
    /// In how many more places.
    pub more_places: u32,
    /// What it is about.
    pub amount_cents: Option<i64>,
    /// Reason code of what to do, e.g. `hub.double_admission_todo`.
    pub todo_code: String,
}

/// Kinds of conflict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// One ticket was admitted at two islands.
    DoubleAdmission,
    /// A wallet has spent more than it had.
    Overspend,
    /// A box's journal has two branches.
    Fork,
    /// A band has two successors of one record.
    ChipFork,
    /// Entries beyond the head named by a revocation.
    RevokedEntries,
    /// Entries are missing.
    #[default]
    Gap,
    /// A box wrote what does not count: forbidden by its certificate, unreadable, or not what it had announced.
    ForbiddenEntry,
    /// A wallet or ticket waits for newer software.
    FrozenSubject,
    /// Handed over without payment.
    Loss,
    /// Spent on a band whose money had been given out already.
    LateSpend,
    /// A desk put on more than its certificate's quota.
    OverQuota,
}

/// One side of a conflict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConflictPlace {
    /// Place name.
    pub place: String,
    /// Number of the box.
    pub box_number: u16,
    /// When, by the entry's own stamp.
    pub at_unix_ms: u64,
    /// Name of the entry.
    pub entry: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_view_survives_json() {
        let conflict = Conflict {
            kind: ConflictKind::DoubleAdmission,
            places: vec![ConflictPlace { place: "Gate B".into(), box_number: 2, ..ConflictPlace::default() }; 2],
            ..Conflict::default()
        };
        let hub = HubView { conflicts: vec![conflict], categories: vec![(1, "Day pass".into())], ..HubView::default() };
        let json = serde_json::to_value(&hub).unwrap();
        assert_eq!(json["conflicts"][0]["kind"], "double_admission");
        assert_eq!(json["categories"][0], serde_json::json!([1, "Day pass"]));
        assert_eq!(serde_json::from_value::<HubView>(json).unwrap(), hub);
    }
}
