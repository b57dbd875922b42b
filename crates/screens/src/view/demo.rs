//! What the demo's page shows: every box and the hub as they show themselves, the visitor's tickets and bands, the wires
//! between them, and the tour.
//! Invariant: a box is shown by what it says itself, a band by what its chip holds, a wire by whether it is cut.
//! Not here: how the demo does what a visitor asks for.
use serde::{Deserialize, Serialize};

use super::{BoxView, HubView};
use crate::{Lang, view::Args};

/// The demo's page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DemoView {
    /// Language for a page that was asked for none.
    pub lang: Lang,
    /// The demo's clock.
    pub now_unix_ms: u64,
    /// ISO 4217 code; two decimals.
    pub currency: String,
    /// What has happened so far, newest last; a server keeps the last 20.
    pub story: Vec<StoryLine>,
    /// Every box.
    pub boxes: Vec<DemoBox>,
    /// The hub.
    pub hub: DemoHub,
    /// Who can speak to whom: names of places; the hub is `""`. A place without power is in none.
    pub islands: Vec<Vec<String>>,
    /// Tickets on the shelf.
    pub tickets: Vec<DemoTicket>,
    /// Wristbands on the shelf.
    pub bands: Vec<DemoBand>,
    /// The guided tour, in order.
    pub tour: Vec<TourStep>,
    /// Other guests come and go meanwhile.
    pub guests: bool,
    /// One price as hub and tills have it; empty while the hub is off.
    pub prices: Vec<DemoPrice>,
}

/// One price as somebody has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DemoPrice {
    /// Place; empty for the hub.
    pub place: String,
    /// Name of the product in French.
    pub name_fr: String,
    /// The same in English.
    pub name_en: String,
    /// The price that holds there.
    pub cents: i64,
    /// What was written as well, where the conflict is known.
    pub other_cents: Vec<i64>,
}

/// The hub in the demo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DemoHub {
    /// Its process is there.
    pub running: bool,
    /// Address of its console, as the demo hands it on.
    pub url: String,
    /// What it shows, while it answers.
    pub view: Option<HubView>,
}

/// A box of the demo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DemoBox {
    /// Address of its screens, as the demo hands them on.
    pub url: String,
    /// It answers.
    pub running: bool,
    /// Its wire to the hub is whole.
    pub wired: bool,
    /// The visitor's band that lies on its reader.
    pub held: Option<HeldBand>,
    /// What its reader's light showed last for a band of the visitor.
    pub light: Option<DemoLight>,
    /// Its last view.
    pub view: BoxView,
}

/// A band on a reader.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HeldBand {
    /// Which, by its number on the shelf.
    pub band: u32,
    /// What will go wrong, in the words of the hardware's faults; empty: nothing.
    pub faults: String,
}

/// A light that has shone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DemoLight {
    /// For which band.
    pub band: u32,
    /// When.
    pub at_unix_ms: u64,
    /// What it showed.
    pub signal: Light,
}

/// What a reader's light tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// Green: done and durable.
    Ok,
    /// Amber: done, with something to look at.
    Warn,
    /// Red.
    Refuse,
    /// Nothing is settled: the same band again.
    TapAgain,
    /// It stayed dark: the box was not waiting for a band, or the band was gone too early to be seen.
    #[default]
    Dark,
}

/// A ticket on the shelf.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DemoTicket {
    /// Its number on the shelf.
    pub number: u32,
    /// What it is.
    pub kind: TicketKind,
    /// What gates said to it, oldest first; the last few.
    pub shown: Vec<Shown>,
}

/// What a ticket on the shelf is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketKind {
    /// Sold by the hub.
    #[default]
    Valid,
    /// Shown at a gate before the visitor came.
    Used,
    /// Revoked at the hub.
    Revoked,
    /// A genuine one with one bit of its signature changed.
    Forged,
    /// Sold with pretix.
    Pretix,
    /// For another zone than the gates'.
    OtherZone,
}

/// What a gate said to a ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shown {
    /// Where.
    pub place: String,
    /// May enter.
    pub admitted: bool,
    /// Why not.
    pub code: String,
}

/// What kind of chip a wristband has; its text is `band_kind-<this>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BandKind {
    /// NTAG215: a purse in its memory.
    #[default]
    Purse,
    /// Ultralight AES: a purse with a counter.
    AesPurse,
    /// NTAG213: proves that it is the festival's; the money is in the ledger.
    Pointer,
    /// Nothing but a number.
    UidOnly,
}

/// A wristband on the shelf.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DemoBand {
    /// Its number on the shelf.
    pub number: u32,
    /// What kind it is.
    pub kind: BandKind,
    /// Its money is in its memory; otherwise it is in the ledger.
    pub purse: bool,
    /// The band it was copied from.
    pub copy_of: Option<u32>,
    /// What its chip holds, read from its memory; `None` where the money is not on the chip or the chip does not read.
    pub chip_cents: Option<i64>,
    /// What the hub knows of it; `None` while the hub is away or does not know it.
    pub hub_cents: Option<i64>,
    /// Where it lies on a reader.
    pub at: Option<String>,
    /// Its wallet, as the console takes it.
    pub wallet: String,
}

/// A step of the tour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TourStep {
    /// Its number, from 1; its texts are `demo-tour_<number>` and `demo-tour_<number>_how`.
    pub number: u8,
    /// It was seen to happen.
    pub done: bool,
}

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoryLine {
    /// When.
    pub at_unix_ms: u64,
    /// Text key, e.g. `demo-link_cut`.
    pub key: String,
    /// Arguments of the text.
    pub args: Args,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_view_survives_json() {
        let light = DemoLight { signal: Light::TapAgain, ..DemoLight::default() };
        let ticket = DemoTicket { kind: TicketKind::OtherZone, ..DemoTicket::default() };
        let view = DemoView {
            boxes: vec![DemoBox { light: Some(light), ..DemoBox::default() }],
            tickets: vec![ticket],
            bands: vec![DemoBand { copy_of: Some(3), ..DemoBand::default() }],
            ..DemoView::default()
        };
        let json = serde_json::to_value(&view).unwrap();
        assert_eq!(json["boxes"][0]["light"]["signal"], "tap_again");
        assert_eq!(json["tickets"][0]["kind"], "other_zone");
        assert_eq!(serde_json::from_value::<DemoView>(json).unwrap(), view);
    }
}
