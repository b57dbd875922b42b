//! Tickets as guests carry them: genuine ones that pretix made, own ones that the hub issued, each a QR code on paper
//! or on a phone. Invariant: a gate sees only the picture.
use anyhow::{Context, Result};
use image::{ExtendedColorType, ImageEncoder, Luma, codecs::png::PngEncoder};
use qrcode::{EcLevel, QrCode};
use serde::Deserialize;
use serde_json::{Value, json};

/// Pixels for one module of the code.
const MODULE: u32 = 4;

/// A ticket in somebody's hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paper {
    /// Text of its code.
    pub text: String,
    /// What the gate must say: `None` for a yes, else the reason code.
    pub refused_with: Option<&'static str>,
    /// Id at the hub, of own tickets.
    pub id: Option<String>,
}

impl Paper {
    /// The picture that a scanner sees.
    pub fn png(&self) -> Result<Vec<u8>> {
        png(&self.text)
    }
}

/// A text as a QR code at level M, as PNG.
pub fn png(text: &str) -> Result<Vec<u8>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).context("the text fits no QR code")?;
    let picture = code.render::<Luma<u8>>().module_dimensions(MODULE, MODULE).build();
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(
        picture.as_raw(),
        picture.width(),
        picture.height(),
        ExtendedColorType::L8,
    )?;
    Ok(bytes)
}

/// `tests/interop/pretix_tickets.json`: tickets made by pretix itself.
#[derive(Clone, Debug, Deserialize)]
pub struct Interop {
    /// Their events.
    pub events: Vec<Value>,
    tickets: Vec<PretixTicket>,
    tampered: Vec<Tampered>,
    api_revokedsecrets: Secrets,
    api_blockedsecrets: Secrets,
}

#[derive(Clone, Debug, Deserialize)]
struct PretixTicket {
    secret: String,
    item: u64,
    valid_from: Option<u64>,
    valid_until: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
struct Tampered {
    name: String,
    secret: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Secrets {
    results: Vec<Secret>,
}

#[derive(Clone, Debug, Deserialize)]
struct Secret {
    secret: String,
}

impl Secrets {
    fn texts(&self) -> Vec<String> {
        self.results.iter().map(|listed| listed.secret.clone()).collect()
    }
}

impl Interop {
    /// The file.
    pub fn read() -> Result<Self> {
        serde_json::from_str(include_str!("../interop/pretix_tickets.json"))
            .context("tests/interop/pretix_tickets.json")
    }

    /// Secrets that pretix revoked.
    pub fn revoked(&self) -> Vec<String> {
        self.api_revokedsecrets.texts()
    }

    /// Secrets that pretix blocked.
    pub fn blocked(&self) -> Vec<String> {
        self.api_blockedsecrets.texts()
    }

    /// Those events as they are imported: an item whose name says so is an add-on that admits nobody.
    pub fn export(&self, slugs: &[&str]) -> Result<Vec<Value>> {
        let export = |slug: &&str| {
            let event = self.events.iter().find(|event| event["slug"] == *slug);
            let mut event = event.with_context(|| format!("no event {slug}"))?.clone();
            let items = event["items"].as_object_mut().context("no items")?;
            for item in items.values_mut() {
                let name = item.as_str().unwrap_or_default().to_owned();
                *item = json!({ "admission": !name.contains("add-on"), "name": name });
            }
            Ok(event)
        };
        slugs.iter().map(export).collect()
    }

    /// Every genuine ticket with what a gate must say of it at `unix_s`. `add_ons` are items that open nothing.
    pub fn papers(&self, unix_s: u64, add_ons: &[u64]) -> Vec<Paper> {
        let (revoked, blocked) = (self.revoked(), self.blocked());
        let judge = |ticket: &PretixTicket| {
            if revoked.contains(&ticket.secret) {
                Some("ticket.revoked")
            } else if blocked.contains(&ticket.secret) {
                Some("ticket.blocked")
            } else if ticket.valid_from.is_some_and(|from| unix_s < from) {
                Some("ticket.not_yet_valid")
            } else if ticket.valid_until.is_some_and(|until| unix_s > until) {
                Some("ticket.expired")
            } else if add_ons.contains(&ticket.item) {
                Some("ticket.product_not_allowed")
            } else {
                None
            }
        };
        let paper =
            |ticket: &PretixTicket| Paper { text: ticket.secret.clone(), refused_with: judge(ticket), id: None };
        self.tickets.iter().map(paper).collect()
    }

    /// The revoked ticket's text, for somebody who kept the old paper.
    pub fn revoked_papers(&self) -> Vec<Paper> {
        let paper = |text| Paper { text, refused_with: Some("ticket.revoked"), id: None };
        self.revoked().into_iter().map(paper).collect()
    }

    /// A tampered text by its name in the file.
    pub fn tampered(&self, name: &str) -> Result<&str> {
        let found = self.tampered.iter().find(|tampered| tampered.name == name);
        found.map(|tampered| tampered.secret.as_str()).with_context(|| format!("no tampered ticket {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_genuine_tickets_are_there_with_the_verdict_of_the_third_of_july() {
        let papers = Interop::read().unwrap().papers(1_814_623_200, &[4, 8]);
        assert_eq!(papers.len(), 25);
        let refused = |code| papers.iter().filter(|paper| paper.refused_with == Some(code)).count();
        assert_eq!(refused("ticket.blocked"), 1);
        assert_eq!(refused("ticket.not_yet_valid"), 3);
        assert_eq!(refused("ticket.expired"), 2);
        assert_eq!(papers.iter().filter(|paper| paper.refused_with.is_none()).count(), 19);
    }

    #[test]
    fn the_picture_is_read_back_by_the_scanner_that_boxes_use() {
        let text = "A7 %*+-./:".repeat(15);
        let decoded = hardware::virtual_scanner::qr::decode_png(&png(&text).unwrap()).unwrap();
        assert_eq!(decoded, text.as_bytes());
    }
}
