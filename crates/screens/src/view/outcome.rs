//! What the gate, the till and the top-up desk say about the last scan or tap.
//! Invariant: a refusal always carries its reason code; a phase is green only when the entry is durable.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BasketView, GateZone, Movement, ProductView, ReasonView, Ways};

/// Arguments of a reason's text. `balance`, `price`, `limit`, `maximum`, `amount` and `quota` are integer minor units in
/// decimal, `time` is unix milliseconds in decimal; a page formats them. Anything else is shown as it is.
pub type Args = BTreeMap<String, String>;

/// The gate's page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GateView {
    /// The last scan; a page shows it for some seconds after `at_unix_ms`.
    pub last: Option<GateVerdict>,
    /// The admission whose ticket a band is awaited for. Others who have a band pass meanwhile, so `last` may be theirs.
    pub awaits_band: Option<GateVerdict>,
    /// Admitted since the journal's start.
    pub admitted: u64,
    /// Refused since the daemon's start.
    pub refused: u64,
    /// Admitted in the last 60 minutes.
    pub last_hour: u64,
    /// Went out since the journal's start.
    pub exits: u64,
    /// Of the admitted those that a supervisor decided.
    pub overrides: u64,
    /// Which ways it is open.
    pub ways: Ways,
    /// The zone behind it.
    pub zone: GateZone,
    /// Admissions and exits of each of the last hours, newest first.
    pub hours: Vec<HourView>,
    /// Reasons that a supervisor chooses from.
    pub reasons: Vec<ReasonView>,
}

/// What happened at a gate in one hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HourView {
    /// Its begin, unix milliseconds.
    pub from_unix_ms: u64,
    /// Admissions.
    pub ins: u64,
    /// Exits.
    pub outs: u64,
}

/// One scan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GateVerdict {
    /// May pass; the passage is durable.
    pub admitted: bool,
    /// Went out.
    pub out: bool,
    /// A supervisor may let this person pass all the same.
    pub can_override: bool,
    /// It is about a ticket, for which another band may be taken.
    pub can_replace: bool,
    /// Why not, or what is special.
    pub code: Option<String>,
    /// Arguments of `code`.
    pub args: Args,
    /// Ticket format: `own` or `pretix_sig1`; `band`, `badge` or `none` for who showed no ticket; empty if it was not read.
    pub scheme: String,
    /// What was bought, as in the catalogue; may be empty.
    pub product_name: String,
    /// Last four characters of the ticket id; may be empty.
    pub ticket_id_tail: String,
    /// When it was scanned. Two scans of one gate never have the same: it is the verdict's name, too.
    pub at_unix_ms: u64,
    /// Where a used ticket was first admitted.
    pub first_place: Option<String>,
    /// When it was.
    pub first_unix_ms: Option<u64>,
    /// Whether a wristband goes with it.
    pub pairing: Pairing,
    /// Reason codes of what staff should know although the verdict stands, e.g. `gate.time_uncertain`.
    pub marks: Vec<String>,
    /// Name of the admission's entry, once it is on disk; empty for a refusal.
    pub entry: String,
    /// Who decided.
    pub decided: DecidedBy,
    /// On how many disks the admission stood when this was shown; 0 for a refusal.
    pub copies: u8,
}

/// Who decided on an admission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecidedBy {
    /// The box by itself: it has no group on the venue's LAN, or there was nothing to ask it.
    #[default]
    Box,
    /// The majority of its group.
    Group,
    /// The box alone, since too few of its group answered: another one may decide the same.
    Alone,
}

/// Whether a wristband is to be paired to the ticket just admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pairing {
    /// No wristband here.
    #[default]
    None,
    /// The next band held to the reader is paired; the page keeps the verdict until the box leaves this.
    Waiting,
    /// Done.
    Paired,
}

/// The till's page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TillView {
    /// The grid.
    pub products: Vec<ProductView>,
    /// What one cup brought back is worth; 0 hides the "cup back" button.
    pub cup_deposit_cents: i64,
    /// The basket being paid.
    pub basket: Option<BasketView>,
    /// Where the tap stands; `paid` and `refused` stay until the next tap starts (each page takes them away itself).
    pub phase: Phase,
    /// Outcome of the last tap; kept until the next one starts. While `phase` is `idle`: what became of a sale that was
    /// left; a sale that no result names has no known outcome.
    pub result: Option<TapResult>,
    /// Sales since the journal's start.
    pub sales: u64,
    /// Their sum, without deposits.
    pub sold_cents: i64,
    /// Revision of the price list.
    pub revision: u32,
}

/// The top-up desk's page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TopUpView {
    /// Where the tap stands.
    pub phase: Phase,
    /// What it is about.
    pub about: About,
    /// What is being credited, or charged.
    pub amount_cents: i64,
    /// Outcome of the last tap, as in [`TillView::result`].
    pub result: Option<TapResult>,
    /// Credited here today.
    pub today_cents: i64,
    /// What the desk's certificate still allows; `None` = no quota.
    pub quota_left_cents: Option<i64>,
}

/// Where a tap stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing to pay.
    #[default]
    Idle,
    /// Hold the band to the reader.
    WaitingForBand,
    /// The chip is being written: keep still.
    Writing,
    /// In doubt: the same band again.
    TapAgain,
    /// Durable: green.
    Paid,
    /// Not charged, or not credited.
    Refused,
    /// Staff cannot go on alone.
    Supervisor,
}

/// What a tap, or a question about one, is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// Nothing that is named here.
    #[default]
    Other,
    /// What a band is charged: goods, or a correction.
    Sale,
    /// Money onto a band.
    TopUp,
    /// Money back in cash.
    Refund,
}

/// The outcome of a tap at a till or desk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TapResult {
    /// Idempotency key of the sale or top-up it belongs to; empty if it is not known.
    pub id: String,
    /// Paid, or credited.
    pub ok: bool,
    /// Why not, or what is special.
    pub code: Option<String>,
    /// Arguments of `code`.
    pub args: Args,
    /// What was taken off the band (a sale, or paid back in cash); negative: what was put on it.
    pub charged_cents: i64,
    /// Money that the hub owed the guest (an online top-up, a pending credit) and this tap has put on the band.
    pub arrived_cents: i64,
    /// What is on the band now.
    pub balance_after_cents: Option<i64>,
    /// What the guest is owed beside it, as this box knows it.
    pub pending_cents: i64,
    /// How much of that this box may pay out now.
    pub payable_cents: i64,
    /// Where the band was only looked at: its last movements at this box, newest first.
    pub movements: Vec<Movement>,
    /// Name of the entry; empty if there is none.
    pub entry: String,
    /// On how many disks it stood when this was shown; 0 where nothing was written.
    pub copies: u8,
}
