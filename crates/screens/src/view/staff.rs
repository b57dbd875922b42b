//! Who works at a box.
//! Invariant: never a PIN, nor anything made of one.
use serde::{Deserialize, Serialize};

/// Shown where the festival has a staff list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StaffView {
    /// Who is logged in; `None`: nobody, and nothing is sold.
    pub operator: Option<OperatorView>,
}

/// Somebody who is logged in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperatorView {
    /// Staff number.
    pub number: u32,
    /// As colleagues say it.
    pub name: String,
    /// What this person may do.
    pub roles: Vec<StaffRole>,
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaffRole {
    /// Scans at a gate.
    Gate,
    /// Sells.
    Bar,
    /// Tops up and refunds.
    TopUp,
    /// Confirms exceptions.
    Supervisor,
    /// Edits prices, zones and staff.
    Manager,
}
