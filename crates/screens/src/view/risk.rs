//! Amount at risk, as people read it.
use serde::{Deserialize, Serialize};

use super::EscrowView;

/// `GET /api/risk`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RiskView {
    /// What one box takes from one band at most without asking.
    pub limit_cents: i64,
    /// Bands that can be copied and have ever had money.
    pub bands: u64,
    /// What one box that is apart can take beyond what there is, at most.
    pub each_box_cents: i64,
    /// The same over all boxes that are apart, and what was booked.
    pub at_risk_cents: i64,
    /// Those boxes.
    pub boxes: Vec<RiskBox>,
    /// Shares of accounts that people booked and that a box may spend all the same.
    pub booked_cents: i64,
    /// What was swapped or paid out of bands that cannot be copied: while a box is apart it may be taken there once more.
    pub emptied_cents: i64,
    /// Where the money of accounts is held.
    pub escrow: EscrowView,
}

/// A box that has not been heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RiskBox {
    /// Its number.
    pub number: u16,
    /// Where it stands.
    pub place: String,
    /// It is revoked: what it still writes counts nothing, but for what a chip proves.
    pub revoked: bool,
    /// Seconds since it was heard.
    pub age_s: u64,
    /// Entries that it said it still holds.
    pub unsent_hint: Option<u64>,
    /// What it can have taken beyond what there is, at most.
    pub at_risk_cents: i64,
}

/// `GET /api/risk/plan`: the bound for a planned set-up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanView {
    /// Most that all bands together can overspend.
    pub all_cents: i64,
    /// Most for one band.
    pub one_cents: i64,
    /// Which formula: `islands`, `escrow` or `counter`.
    pub formula: String,
}
