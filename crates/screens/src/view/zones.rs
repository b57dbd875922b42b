//! Zones: how full each is, which gates hold its places, what supervisors decided.
//! Invariant: people inside are counted, never guessed; what is only known of earlier says how old it is.
use serde::{Deserialize, Serialize};

/// A zone as the hub's console shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ZoneView {
    /// 0 is the site.
    pub number: u16,
    /// Name in French.
    pub name_fr: String,
    /// Name in English.
    pub name_en: String,
    /// How many may be inside; `None` for no bound.
    pub capacity: Option<u32>,
    /// How many are, as far as the hub has heard.
    pub inside: i64,
    /// Admissions, those that a supervisor decided included.
    pub admissions: u64,
    /// Places that gates hold.
    pub dealt: i64,
    /// Gates that are apart hold more than the capacity, which was lowered meanwhile: it comes late to them.
    pub late: bool,
    /// Its gates.
    pub gates: Vec<GatePlaces>,
}

/// One gate in one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GatePlaces {
    /// Place name.
    pub place: String,
    /// Number of the box.
    pub box_number: u16,
    /// Run of its journal.
    pub epoch: u32,
    /// Admissions.
    pub ins: u64,
    /// Exits.
    pub outs: u64,
    /// Of the admissions those that a supervisor decided.
    pub overrides: u64,
    /// Places that it holds.
    pub held: i64,
    /// Of those the free ones, as far as the hub has heard.
    pub free: i64,
    /// Its newest passage.
    pub last_unix_ms: Option<u64>,
    /// Seconds since it was heard.
    pub heard_age_s: Option<u64>,
}

/// What a supervisor decided at a gate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OverrideView {
    /// When.
    pub at_unix_ms: u64,
    /// Where.
    pub place: String,
    /// Into which zone.
    pub zone: u16,
    /// Reason code.
    pub reason: String,
    /// Number of the member of staff.
    pub operator: u32,
    /// Whether there was a ticket or band.
    pub with_ticket: bool,
    /// Name of the entry.
    pub entry: String,
}

/// Which ways a gate is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ways {
    /// In only.
    #[default]
    In,
    /// Out only.
    Out,
    /// Who is inside goes out, everybody else in.
    Both,
}

/// The zone behind a gate, as its own screen shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GateZone {
    /// 0 is the site.
    pub number: u16,
    /// Name in French.
    pub name_fr: String,
    /// Name in English.
    pub name_en: String,
    /// How many may be inside.
    pub capacity: Option<u32>,
    /// How many are, as far as this gate knows.
    pub inside: i64,
    /// How many more this gate may let in; `None` without a capacity, or where it was never dealt places.
    pub share_left: Option<i64>,
}

/// A reason that a supervisor chooses from.
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
