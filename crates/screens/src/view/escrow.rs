//! Where the money of accounts is held, under escrow, as people read it.
//! Invariant: what a box holds is what the hub has heard of it; a box that is apart may have sold some of that since.
use serde::{Deserialize, Serialize};

/// All that boxes hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EscrowView {
    /// Whether accounts are under escrow; else each box takes up to the offline limit.
    pub escrow: bool,
    /// Places that have not said yet what they hold: before that nothing is dealt in this term.
    pub waits: Vec<String>,
    /// Box by box.
    pub boxes: Vec<HeldByBox>,
}

/// What one box holds of all accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeldByBox {
    /// Where it stands.
    pub place: String,
    /// Its number.
    pub number: u16,
    /// In which run of its journal.
    pub epoch: u32,
    /// Of how many accounts.
    pub accounts: u64,
    /// How much.
    pub held_cents: i64,
    /// Of that, what people booked as a risk.
    pub booked_cents: i64,
    /// `here`: it hears the hub; `away`: it does not; `lost`: it is revoked; `old_run`: it was set back and writes anew.
    pub state: String,
    /// Seconds since it was heard.
    pub heard_age_s: Option<u64>,
}

/// What one box holds of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShareView {
    /// Where it stands.
    pub place: String,
    /// Its number.
    pub number: u16,
    /// In which run of its journal.
    pub epoch: u32,
    /// How much.
    pub held_cents: i64,
    /// Of that, what people booked as a risk.
    pub booked_cents: i64,
    /// As in [`HeldByBox::state`].
    pub state: String,
    /// Seconds since it was heard.
    pub heard_age_s: Option<u64>,
}
