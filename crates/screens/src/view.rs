//! The whole state that a page shows, sent as one JSON object on each change.
//! Invariant: a view says what is, not what to draw; it is small (no lists that grow over an evening, except the
//! hub's conflicts); money is integer minor units; times are unix milliseconds; ids are text.
//! Not here: how a view is made (box, hub, demo).
//!
//! Every struct has a `Default` and fills missing fields with it, so that an older box still shows in a newer demo.
use serde::{Deserialize, Serialize};

use crate::Lang;

mod demo;
mod documents;
mod escrow;
mod found;
mod hub;
mod lan;
mod matters;
mod outcome;
mod risk;
mod shop;
mod staff;
mod stock;
mod zones;

pub use demo::{
    BandKind, DemoBand, DemoBox, DemoHub, DemoLight, DemoPrice, DemoTicket, DemoView, HeldBand, Light, Shown,
    StoryLine, TicketKind, TourStep,
};
pub use documents::{
    DocumentView, EditBody, EditView, FieldConflict, FieldProblem, FieldStatement, ManagerView, SettleBody,
};
pub use escrow::{EscrowView, HeldByBox, ShareView};
pub use found::{FoundGuest, FoundGuests, FoundState};
pub use hub::{Conflict, ConflictKind, ConflictPlace, HubBands, HubBox, HubNotice, HubView, Totals};
pub use lan::LanView;
pub use matters::{MatterPage, MatterPlace, MatterSeen, MatterView, RulingView};
pub use outcome::{
    About, Args, DecidedBy, GateVerdict, GateView, HourView, Pairing, Phase, TapResult, TillView, TopUpView,
};
pub use risk::{PlanView, RiskBox, RiskView};
pub use shop::{Corrigible, Movement, ParkedView, ReasonView, ScannedVoucher, ShiftView, ShopView};
pub use staff::{OperatorView, StaffRole, StaffView};
pub use stock::{StockBox, StockView};
pub use zones::{GatePlaces, GateZone, OverrideView, Ways, ZoneView};

/// Everything that one box's pages show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BoxView {
    /// Name of the festival.
    pub festival: String,
    /// Place name of the box, as said on a radio ("Gate B").
    pub place: String,
    /// Number of the box in the festival.
    pub box_number: u16,
    /// What the box does here.
    pub roles: Vec<Role>,
    /// Language of the place, for a page that was asked for none.
    pub lang: Lang,
    /// The box's clock when it sent this, for display only.
    pub now_unix_ms: u64,
    /// What validity windows are judged by.
    pub trusted_time: TrustedTime,
    /// The link to the hub.
    pub hub: HubLink,
    /// Age of each kind of knowledge.
    pub knowledge: Vec<Knowledge>,
    /// Own entries that the hub has not acknowledged.
    pub unsent: u64,
    /// What offline decisions may cost at most at present, minor units.
    pub at_risk_cents: i64,
    /// On how many disks a green light stands: 1 = this box only, 2 = a neighbour too.
    pub copies: u8,
    /// Its group on the venue's LAN; `None` where it has none.
    pub lan: Option<LanView>,
    /// Reason code, while the box works in a degraded mode.
    pub degraded: Option<String>,
    /// Taps whose outcome is not known: the same band must be tapped again.
    pub in_doubt: Vec<InDoubt>,
    /// Paid, but nobody saw the green light (a reboot in between): hand over?
    pub unconfirmed_paid: Vec<InDoubt>,
    /// The wristband reader.
    pub reader: Reader,
    /// What is wrong with a device, or what staff should look at, until it is over.
    pub alerts: Vec<Alert>,
    /// ISO 4217 code; two decimals.
    pub currency: String,
    /// Epoch of the box's journal.
    pub epoch: u32,
    /// Who works here; `None` where the festival has no staff list.
    pub staff: Option<StaffView>,
    /// Set where the box is a till or a top-up desk.
    pub shop: Option<ShopView>,
    /// Set where the box is a gate.
    pub gate: Option<GateView>,
    /// Set where the box is a till.
    pub till: Option<TillView>,
    /// Set where the box is a top-up desk.
    pub top_up: Option<TopUpView>,
}

/// What a box does at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Reads tickets and pairs wristbands.
    #[serde(rename = "gate")]
    Gate,
    /// Sells.
    #[serde(rename = "bar")]
    Bar,
    /// Takes money and credits wristbands.
    #[serde(rename = "top-up")]
    TopUp,
}

/// Trusted time and how far to trust it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrustedTime {
    /// Seconds since 1970.
    pub unix_s: u64,
    /// Where it comes from.
    pub source: TimeSource,
    /// How far off it may be.
    pub uncertainty_s: u32,
}

/// Where trusted time comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// Only the build's time is known.
    #[default]
    Build,
    /// The box's own last entry.
    OwnEntry,
    /// The hub signed it.
    Hub,
}

/// The link to the hub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HubLink {
    /// A session is open.
    pub connected: bool,
    /// When the hub was last heard; `None` = never in this epoch.
    pub last_seen_unix_ms: Option<u64>,
}

/// The age of one kind of knowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knowledge {
    /// Which.
    pub section: Section,
    /// Seconds since it was complete; `None` = never had any.
    pub age_s: Option<u64>,
}

/// A kind of knowledge that comes from the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// Tickets and their use.
    Tickets,
    /// Wallets.
    Wallets,
    /// Revoked keys, boxes, tickets, and blocked bands.
    Revocations,
    /// The signed bundle with certificates and catalogue.
    Bundle,
}

/// A tap that somebody must still look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InDoubt {
    /// Name of the entry, handed back in [`crate::post::HandedOver`].
    pub entry: String,
    /// What it is about.
    pub about: About,
    /// How much.
    pub price_cents: i64,
    /// Since when.
    pub since_unix_ms: u64,
}

/// Whether the wristband reader answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reader {
    /// It answers.
    Ready,
    /// It does not; the box tries again by itself.
    #[default]
    Lost,
}

/// Something that staff should know of, whatever page they look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alert {
    /// Reason code; at most one alert for each.
    pub code: String,
    /// Arguments of `code`.
    pub args: Args,
}

/// A product on the till's grid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProductView {
    /// Product id in the catalogue.
    pub id: u32,
    /// Name in French.
    pub name_fr: String,
    /// Name in English.
    pub name_en: String,
    /// Price in force, without deposit.
    pub price_cents: i64,
    /// Price outside happy hours.
    pub full_price_cents: i64,
    /// A happy hour may be on, but the clock is too uncertain for it.
    pub price_uncertain: bool,
    /// Youngest buyer in years; 0 for anybody.
    pub min_age: u8,
    /// Deposit of its cup, 0 = none.
    pub deposit_cents: i64,
    /// Group on the grid; shown through the text `category-<this>`, or as it is where there is no such text.
    pub category: String,
    /// Cannot be sold at present.
    pub sold_out: bool,
    /// What is left here of what was last counted; `None` where nobody counted. It never stops a sale.
    pub left: Option<i64>,
    /// It runs out.
    pub low: bool,
}

/// The basket being paid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BasketView {
    /// What is in it.
    pub lines: Vec<BasketLine>,
    /// To pay, deposits included.
    pub total_cents: i64,
    /// Deposits out minus deposits back.
    pub deposit_cents: i64,
}

/// One line of a basket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BasketLine {
    /// Product id in the catalogue.
    pub product: u32,
    /// How many.
    pub quantity: u32,
    /// Price of the line without deposit.
    pub price_cents: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_survives_json_and_speaks_snake_case() {
        let view = BoxView {
            roles: vec![Role::Gate, Role::TopUp],
            lang: Lang::Fr,
            knowledge: vec![Knowledge { section: Section::Revocations, age_s: None }],
            gate: Some(GateView {
                last: Some(GateVerdict { pairing: Pairing::Waiting, ..GateVerdict::default() }),
                ..GateView::default()
            }),
            till: Some(TillView { phase: Phase::WaitingForBand, ..TillView::default() }),
            ..BoxView::default()
        };
        let json = serde_json::to_value(&view).unwrap();
        assert_eq!(json["roles"], serde_json::json!(["gate", "top-up"]));
        assert_eq!(json["lang"], "fr");
        assert_eq!(json["knowledge"][0]["section"], "revocations");
        assert_eq!(json["gate"]["last"]["pairing"], "waiting");
        assert_eq!(json["till"]["phase"], "waiting_for_band");
        assert_eq!(json["reader"], "lost");
        assert_eq!(json["top_up"], serde_json::Value::Null);
        assert_eq!(serde_json::from_value::<BoxView>(json).unwrap(), view);
    }

    #[test]
    fn a_view_of_an_older_box_still_reads() {
        let view: BoxView = serde_json::from_str(r#"{"place":"Gate B","till":{"sales":3}}"#).unwrap();
        assert_eq!((view.place.as_str(), view.till.unwrap().sales), ("Gate B", 3));
    }
}
