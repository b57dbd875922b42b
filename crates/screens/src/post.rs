//! What the pages post and what they expect back.
//! Invariant: amounts are integer minor units; ids are lower-case hexadecimal text.
//! Not here: checking them; the box and the hub do.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Body of every answer that is not 2xx.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// A reason code.
    pub code: String,
    /// Its arguments.
    #[serde(default)]
    pub args: BTreeMap<String, String>,
}

/// `/api/gate/scan`: a ticket's text typed in or read by a scanner that types. Never trimmed: a space is a digit of base45.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scan {
    /// The text of the code.
    pub text: String,
}

/// `/api/gate/ways`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateWays {
    /// Which ways it is open from now on.
    pub ways: crate::view::Ways,
}

/// `/api/gate/override`: a supervisor lets somebody pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Idempotency key, 32 hexadecimal digits.
    pub id: String,
    /// Whom.
    pub who: Overridden,
    /// Name of the verdict that the screen showed, [`crate::view::GateVerdict::at_unix_ms`]: whom it refused passes, as
    /// long as nobody else was shown since. Nothing is asked of it for a person without a ticket.
    #[serde(default)]
    pub at_unix_ms: u64,
    /// Out instead of in.
    #[serde(default)]
    pub out: bool,
    /// Number of the supervisor.
    pub operator: u32,
    /// Their PIN.
    pub pin: String,
    /// Reason code of the list.
    pub reason: String,
}

/// Whom a supervisor lets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overridden {
    /// Whom the last verdict refused.
    Last,
    /// A person without a ticket.
    Nobody,
}

/// `/api/gate/replace-band`: the next band stands for this ticket instead of its old one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplaceBand {
    /// The ticket's text; empty for the ticket that the screen showed.
    #[serde(default)]
    pub text: String,
    /// Name of the verdict that the screen showed, as in [`Override::at_unix_ms`]; of no use beside a text.
    #[serde(default)]
    pub at_unix_ms: u64,
    /// A supervisor's word, where the festival has a staff list.
    #[serde(default)]
    pub supervisor: Option<Pin>,
}

/// `/api/gate/admit-found`: somebody found by name passes without showing the ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmitFound {
    /// Idempotency key, 32 hexadecimal digits.
    pub id: String,
    /// As in [`crate::view::FoundGuest::ticket`].
    pub ticket: String,
    /// A supervisor's word, where the festival has a staff list.
    #[serde(default)]
    pub supervisor: Option<Pin>,
}

/// `/api/till/sale`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sale {
    /// Idempotency key, 32 hexadecimal digits.
    pub id: String,
    /// What is sold.
    pub lines: Vec<SaleLine>,
    /// Cups brought back, each worth one deposit.
    pub cups_back: u32,
    /// Texts of vouchers that pay for goods beside the lines.
    #[serde(default)]
    pub vouchers: Vec<String>,
    /// Staff looked at the guest's age.
    #[serde(default)]
    pub age_checked: bool,
    /// Why lines are given for nothing.
    #[serde(default)]
    pub free_reason: Option<String>,
    /// Price list that the screen showed.
    #[serde(default)]
    pub price_revision: Option<u32>,
    /// Total that the screen showed.
    #[serde(default)]
    pub total_cents: Option<i64>,
    /// A supervisor's word, where one was asked for.
    #[serde(default)]
    pub supervisor: Option<Pin>,
}

/// A product and how many of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaleLine {
    /// Product id in the catalogue.
    pub product: u32,
    /// How many, at least 1.
    pub quantity: u32,
    /// Given for nothing.
    #[serde(default)]
    pub free: bool,
}

/// `/api/till/correct`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correct {
    /// Idempotency key, 32 hexadecimal digits; of the tap, too, that charges a band, where there is one.
    pub id: String,
    /// What is corrected, as in [`crate::view::Corrigible::entry`].
    pub entry: String,
    /// By how much; all that is left without it.
    #[serde(default)]
    pub amount_cents: Option<u32>,
    /// In whose favour.
    pub favour: Favour,
    /// Code of the reason.
    pub reason: String,
    /// Shown at the desk, where a band is charged; else at the till.
    #[serde(default)]
    pub at_desk: bool,
    /// A supervisor's word, where one was asked for.
    #[serde(default)]
    pub supervisor: Option<Pin>,
}

/// In whose favour a correction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Favour {
    /// The guest paid too much.
    Guest,
    /// The guest paid too little.
    Festival,
}

/// The demo's `/prices`: while the bar is cut off, one price is edited at the hub and by the manager at the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoPrices {
    /// At the hub.
    pub hub_cents: u32,
    /// At the bar.
    pub bar_cents: u32,
}

/// `/api/till/undo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// Idempotency key, 32 hexadecimal digits.
    pub id: String,
    /// The sale that the screen offered, as in [`crate::view::ShopView::undo_entry`].
    pub entry: String,
    /// A supervisor's word, where one was asked for.
    #[serde(default)]
    pub supervisor: Option<Pin>,
}

/// `/api/till/park`: a basket put aside, and what `/api/till/resume` gives back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Park {
    /// What staff call it.
    #[serde(default)]
    pub label: String,
    /// Goods.
    pub lines: Vec<SaleLine>,
    /// Cups brought back.
    #[serde(default)]
    pub cups_back: u32,
    /// Price list that the screen showed.
    #[serde(default)]
    pub price_revision: Option<u32>,
}

/// `/api/till/resume`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// As in [`crate::view::ParkedView::number`].
    pub number: u32,
}

/// `/api/till/training`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// From now on, or no longer.
    pub on: bool,
}

/// `/api/till/receipt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Name of the entry.
    pub entry: String,
}

/// `/api/band/look`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// Idempotency key, 32 hexadecimal digits.
    pub id: String,
    /// Shown at the desk; else at the till.
    #[serde(default)]
    pub at_desk: bool,
}

/// `/api/shift/open`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenShift {
    /// Cash counted in the drawer.
    pub float_cents: u32,
    /// A supervisor's word, after a final closure.
    #[serde(default)]
    pub supervisor: Option<Pin>,
}

/// `/api/shift/close`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseShift {
    /// Cash counted in the drawer.
    pub counted_cents: u32,
}

/// `/api/shift/cash`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cash {
    /// Idempotency key, 32 hexadecimal digits.
    pub id: String,
    /// Put in; else taken out.
    pub into_drawer: bool,
    /// How much.
    pub amount_cents: u32,
    /// Code of the reason.
    pub reason: String,
}

/// `/api/shift/closure`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closure {
    /// For the event: nothing is sold afterwards until a shift opens.
    pub is_final: bool,
    /// A supervisor's word, for a final one.
    #[serde(default)]
    pub supervisor: Option<Pin>,
}

/// `/api/till/handed-over`: the answer to "paid, hand over?".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandedOver {
    /// The entry it is about, as in [`crate::view::InDoubt::entry`].
    pub entry: String,
    /// Whether the guest has the goods.
    pub handed_over: bool,
    /// PIN of who serves on "tap again", where the festival has a staff list.
    #[serde(default)]
    pub pin: Option<Pin>,
}

/// `/api/staff/log-in`, and a supervisor's confirmation inside other bodies.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Staff number.
    pub number: u32,
    /// As typed.
    pub pin: String,
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pin({}, ..)", self.number)
    }
}

/// `/api/top-up`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopUp {
    /// Idempotency key, 32 hexadecimal digits.
    pub id: String,
    /// Amount to credit.
    pub amount_cents: u32,
    /// How the guest paid.
    pub paid_with: PaidWith,
}

/// How a guest pays a top-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaidWith {
    /// Notes and coins.
    Cash,
    /// A card, on a terminal of its own.
    Card,
}

/// `/api/tickets`: a ticket to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTicket {
    /// Ticket category in the catalogue.
    pub category: u32,
    /// Name of the holder; may be empty.
    pub holder: String,
}

/// The ticket made: its QR code is at `/api/tickets/{id}/qr.svg`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Ticket id.
    pub id: String,
    /// Text of the QR code.
    pub text: String,
}

/// `/api/tickets/revoke`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TicketId {
    /// Ticket id.
    pub id: String,
}

/// `/api/bands/block`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Wallet id, 32 hexadecimal digits.
    pub wallet: String,
}

/// `/api/boxes/revoke`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoxNumber {
    /// Number of the box in the festival.
    pub number: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_reads_as_the_till_page_writes_it() {
        let body = r#"{"id":"0123456789abcdef0123456789abcdef","lines":[{"product":1,"quantity":2}],"cups_back":1}"#;
        let sale: Sale = serde_json::from_str(body).unwrap();
        assert_eq!((sale.lines[0].product, sale.lines[0].quantity, sale.cups_back), (1, 2, 1));
        assert!(serde_json::from_str::<Sale>(r#"{"id":"0","lines":[],"cups_back":-1}"#).is_err());
        assert!(serde_json::from_str::<TopUp>(r#"{"id":"0","amount_cents":100,"paid_with":"promise"}"#).is_err());
    }
}
