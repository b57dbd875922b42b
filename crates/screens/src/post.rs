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
    /// The ticket's text.
    pub text: String,
    /// Number of the supervisor.
    pub operator: u32,
    /// Their PIN.
    pub pin: String,
}

/// `/api/till/sale`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sale {
    /// Idempotency key, 32 hexadecimal digits.
    pub id: String,
    /// What is sold.
    pub lines: Vec<SaleLine>,
    /// Cups brought back, each worth one deposit.
    pub cups_back: u32,
}

/// A product and how many of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaleLine {
    /// Product id in the catalogue.
    pub product: u32,
    /// How many, at least 1.
    pub quantity: u32,
}

/// `/api/till/handed-over`: the answer to "paid, hand over?".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandedOver {
    /// The entry it is about, as in [`crate::view::InDoubt::entry`].
    pub entry: String,
    /// Whether the guest has the goods.
    pub handed_over: bool,
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
