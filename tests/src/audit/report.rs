//! What came out of an evening, as the JSON that `cargo demo -- --once --json` prints.
//! Invariant: `unexplained_cents` is the residual of the identity below, never set to make it hold;
//! `top_up + gifts + corrections + pending_issued + unreported + overspend = balance + pending_credit + spent + deposits + refunded + fees +
//! expired + in_doubt + disputed + unexplained`.
use std::collections::BTreeMap;

use serde::Serialize;

/// The books of one evening, in cents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Books {
    /// Money taken, fees included.
    pub top_up_cents: i64,
    /// Gifts credited.
    pub gifts_cents: i64,
    /// Corrections, and what bands gave to each other, net.
    pub corrections_cents: i64,
    /// Owed to guests without new money.
    pub pending_issued_cents: i64,
    /// On chips, from desks that have not reported.
    pub unreported_cents: i64,
    /// Spent beyond what was there.
    pub overspend_cents: i64,
    /// On chips and, for bands without a purse, in wallets.
    pub balance_cents: i64,
    /// Owed to guests and not paid yet.
    pub pending_credit_cents: i64,
    /// Goods.
    pub spent_cents: i64,
    /// Deposits out less deposits back.
    pub deposits_cents: i64,
    /// Paid back in cash.
    pub refunded_cents: i64,
    /// Fees.
    pub fees_cents: i64,
    /// Kept after the deadline.
    pub expired_cents: i64,
    /// May or may not have been taken.
    pub in_doubt_cents: i64,
    /// Credits on disputed ground.
    pub disputed_cents: i64,
    /// What is left over.
    pub unexplained_cents: i64,
}

impl Books {
    /// Sets `unexplained_cents` to what the other accounts leave over.
    #[must_use]
    pub fn balanced(self) -> Self {
        let sources = [
            self.top_up_cents,
            self.gifts_cents,
            self.corrections_cents,
            self.pending_issued_cents,
            self.unreported_cents,
            self.overspend_cents,
        ];
        let uses = [
            self.balance_cents,
            self.pending_credit_cents,
            self.spent_cents,
            self.deposits_cents,
            self.refunded_cents,
            self.fees_cents,
            self.expired_cents,
            self.in_doubt_cents,
            self.disputed_cents,
        ];
        let sum = |amounts: &[i64]| amounts.iter().fold(0i64, |sum, amount| sum.saturating_add(*amount));
        Self { unexplained_cents: sum(&sources).saturating_sub(sum(&uses)), ..self }
    }
}

/// One side of a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Place name.
    pub place: String,
    /// Unix milliseconds, by the entry's own stamp.
    pub time_unix_ms: u64,
    /// Name of the entry.
    pub entry: String,
}

/// Something that somebody must look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// Which kind.
    pub kind: String,
    /// What happened.
    pub what: String,
    /// Where and when.
    pub places: Vec<Side>,
    /// What it is about.
    pub amount_cents: Option<i64>,
    /// What to do about it.
    pub what_to_do: String,
}

/// Passages at the gates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Passages {
    /// In.
    pub ins: usize,
    /// Out.
    pub outs: usize,
}

/// One price that two people edited apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PriceConflict {
    /// Of which product.
    pub product: u32,
    /// Before.
    pub before_cents: i64,
    /// What holds everywhere.
    pub in_force_cents: i64,
    /// What was written as well.
    pub other_cents: Vec<i64>,
    /// Who shows this price and this conflict.
    pub shown_by: Vec<String>,
    /// How many were sold at which price, by the entries.
    pub sold_at: BTreeMap<i64, u64>,
}

/// Everything that is reported.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Whether everything holds.
    pub ok: bool,
    /// Why not.
    pub reasons: Vec<String>,
    /// Seed of the script.
    pub seed: u64,
    /// Guests who came.
    pub guests: usize,
    /// Admissions in the journals.
    pub admitted: usize,
    /// Refusals that guests met, at gates and tills.
    pub refused: usize,
    /// The same by reason code.
    pub refusals: BTreeMap<String, usize>,
    /// Sales in the journals.
    pub sales: usize,
    /// In and out, by the entries.
    pub passages: Passages,
    /// Admissions with our own tickets by the key that signed them, by the guests' own eyes.
    pub admitted_by_key: BTreeMap<String, usize>,
    /// Paid online, by the entries.
    pub paid_online_cents: i64,
    /// What the hub has taken off bands that were lost.
    pub moved_off_lost_bands_cents: i64,
    /// The price that was edited at the hub and at the bar.
    pub price: Option<PriceConflict>,
    /// The books.
    #[serde(flatten)]
    pub books: Books,
    /// What somebody must look at.
    pub conflicts: Vec<Conflict>,
    /// Entries at the hub.
    pub entries: usize,
    /// Green lights that guests saw.
    pub lights: usize,
    /// Those of which the hub has no such entry.
    pub lights_without_entry: usize,
    /// Every box and the hub agree.
    pub hub_converged: bool,
    /// How long the evening took.
    pub seconds: f64,
}

impl Report {
    /// 0 where everything holds, else 1.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_account_explains_is_left_over_on_either_side() {
        let books =
            Books { top_up_cents: 1000, balance_cents: 300, spent_cents: 600, deposits_cents: 100, ..Books::default() };
        assert_eq!(books.balanced().unexplained_cents, 0);
        let missing = Books { spent_cents: 250, ..books };
        assert_eq!(missing.balanced().unexplained_cents, 350);
        let too_much = Books { balance_cents: 301, ..books };
        assert_eq!(too_much.balanced().unexplained_cents, -1);
    }
}
