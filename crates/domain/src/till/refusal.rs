//! Why a sale, top-up, correction or payout does not happen.
use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use thiserror::Error;

use crate::{journal::Sale, money::Cents};

/// A no at a till or desk. Nothing was charged or credited.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TillRefusal {
    /// Nothing in it.
    #[error("the basket is empty")]
    EmptyBasket,
    /// More lines than one sale holds.
    #[error("a sale has at most {max} lines, this one has {0}", max = Sale::MAX_LINES)]
    TooManyLines(usize),
    /// Not in the catalogue.
    #[error("product {0} is not in the catalogue")]
    UnknownProduct(u32),
    /// Nobody sells it any more today.
    #[error("product {0} is sold out")]
    SoldOut(u32),
    /// Not for guests below this age, and nobody looked.
    #[error("the guest must be {0} or older")]
    AgeCheck(u8),
    /// Goods for nothing, or a correction, without a reason.
    #[error("a reason is missing")]
    ReasonMissing,
    /// The screen showed another total than the one in force.
    #[error("the total is now {0}")]
    PriceChanged(Cents),
    /// A quantity of 0, or a sum beyond what a chip can hold.
    #[error("the amount is not possible")]
    Amount,
    /// Not enough money.
    #[error("balance {balance}, price {price}")]
    NotEnough {
        /// What this box believes.
        balance: i64,
        /// What is asked.
        price: Cents,
    },
    /// Enough money, but this box has not heard from the hub for too long.
    #[error("{spent} spent here since the hub was heard, price {price}, limit {limit}")]
    OfflineLimit {
        /// Spent here and not yet known at the hub.
        spent: i64,
        /// What is asked.
        price: Cents,
        /// Most that one island may take.
        limit: Cents,
    },
    /// Enough money on the account, but other boxes hold the rest of it.
    #[error("{here} of {balance} is held here, price {price}")]
    HeldElsewhere {
        /// What this box may take of it.
        here: Cents,
        /// What is asked.
        price: Cents,
        /// What this box believes to be on the account.
        balance: i64,
        /// When the hub was heard last, Unix ms; 0 never.
        heard_ms: u64,
    },
    /// A balance above the festival's maximum.
    #[error("balance {balance} and {amount} more is above {maximum}")]
    OverMaximum {
        /// Before.
        balance: i64,
        /// Top-up.
        amount: Cents,
        /// The festival's.
        maximum: Cents,
    },
    /// Blocked by the hub.
    #[error("the wristband is blocked")]
    Blocked,
    /// Touched by an entry that this software cannot read.
    #[error("newer software is needed for this wristband")]
    Frozen,
    /// Not a sale or top-up of this box.
    #[error("this entry cannot be corrected here")]
    NotCorrectable,
    /// More than the entry's amount in all.
    #[error("at most {0} of this entry can still be corrected")]
    CorrectionTooMuch(Cents),
    /// Beyond what one person may correct in a shift: a supervisor's PIN is asked.
    #[error("{0} of the correction quota is left")]
    CorrectionQuota(Cents),
    /// The last sale is too long ago, or there is none.
    #[error("there is no sale to take back")]
    NothingToUndo,
    /// No pending credit that this box may pay out.
    #[error("at most {0} can be paid out here")]
    NothingPending(Cents),
    /// A ticket that lets in, or none of our own.
    #[error("not a voucher")]
    NotAVoucher,
    /// Revoked, blocked or disputed.
    #[error("the voucher is barred")]
    VoucherBarred,
    /// Outside its dates, or the clock is too uncertain for them.
    #[error("the voucher is not valid now")]
    VoucherNotNow,
    /// Used before, or twice in one basket.
    #[error("the voucher was used before")]
    VoucherUsed {
        /// Where.
        place: String,
        /// When, unix milliseconds; 0: in this very basket.
        at_unix_ms: u64,
    },
    /// A shift is open already.
    #[error("a shift is open")]
    ShiftOpen,
    /// No shift is open.
    #[error("no shift is open")]
    NoShift,
    /// The journal was closed for the event.
    #[error("the journal is closed")]
    JournalClosed,
    /// The hub holds the closure for the event and cannot hear of an opening now.
    #[error("the hub holds the journal as closed and is not heard")]
    ClosedAtHub,
    /// The hub may hold the closure for the event, and has not acknowledged yet that a shift opened after it.
    #[error("the hub has not acknowledged that the journal was opened again")]
    OpeningUnheard,
    /// A correction that is about another band.
    #[error("this is about another wristband")]
    NotThisBand,
    /// Not while training.
    #[error("not while training")]
    Training,
}

impl TillRefusal {
    /// Stable code, as on screens and in the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::EmptyBasket => "till.empty_basket",
            Self::TooManyLines(_) => "till.too_many_lines",
            Self::UnknownProduct(_) => "till.unknown_product",
            Self::SoldOut(_) => "till.sold_out",
            Self::AgeCheck(_) => "till.age_check",
            Self::ReasonMissing => "till.reason_missing",
            Self::PriceChanged(_) => "till.price_changed",
            Self::Amount => "till.amount",
            Self::NotEnough { .. } => "till.not_enough",
            Self::OfflineLimit { .. } => "till.offline_limit",
            Self::HeldElsewhere { heard_ms: 0, .. } => "till.held_elsewhere_unheard",
            Self::HeldElsewhere { .. } => "till.held_elsewhere",
            Self::OverMaximum { .. } => "till.over_maximum",
            Self::Blocked => "band.blocked",
            Self::Frozen => "band.frozen",
            Self::NotCorrectable => "till.not_correctable",
            Self::CorrectionTooMuch(_) => "till.correction_too_much",
            Self::CorrectionQuota(_) => "till.correction_quota",
            Self::NothingToUndo => "till.nothing_to_undo",
            Self::NothingPending(_) => "till.nothing_pending",
            Self::NotAVoucher => "till.not_a_voucher",
            Self::VoucherBarred => "till.voucher_barred",
            Self::VoucherNotNow => "till.voucher_not_now",
            Self::VoucherUsed { .. } => "till.voucher_used",
            Self::ShiftOpen => "till.shift_open",
            Self::NoShift => "till.no_shift",
            Self::JournalClosed => "till.journal_closed",
            Self::ClosedAtHub => "till.closed_at_hub",
            Self::OpeningUnheard => "till.opening_unheard",
            Self::NotThisBand => "till.not_this_band",
            Self::Training => "till.training",
        }
    }

    /// What goes into the code's text: name and value (amounts in cents).
    pub fn arguments(&self) -> Vec<(&'static str, String)> {
        let cents = |name, cents: &Cents| Vec::from([(name, cents.get().to_string())]);
        match self {
            Self::NotEnough { balance, price } => {
                Vec::from([("balance", balance.to_string()), ("price", price.get().to_string())])
            }
            Self::OfflineLimit { spent, price, limit } => Vec::from([
                ("spent", spent.to_string()),
                ("price", price.get().to_string()),
                ("limit", limit.get().to_string()),
            ]),
            Self::HeldElsewhere { here, price, balance, heard_ms } => Vec::from([
                ("amount", here.get().to_string()),
                ("price", price.get().to_string()),
                ("balance", balance.to_string()),
                ("time", heard_ms.to_string()),
            ]),
            Self::OverMaximum { balance, amount, maximum } => Vec::from([
                ("balance", balance.to_string()),
                ("amount", amount.get().to_string()),
                ("maximum", maximum.get().to_string()),
            ]),
            Self::PriceChanged(total) => cents("amount", total),
            Self::CorrectionTooMuch(left) | Self::NothingPending(left) => cents("limit", left),
            Self::CorrectionQuota(left) => cents("quota", left),
            Self::UnknownProduct(number) | Self::SoldOut(number) => Vec::from([("product", number.to_string())]),
            Self::AgeCheck(age) => Vec::from([("age", age.to_string())]),
            Self::TooManyLines(count) => Vec::from([("count", count.to_string())]),
            Self::VoucherUsed { place, at_unix_ms } => {
                Vec::from([("place", place.clone()), ("time", at_unix_ms.to_string())])
            }
            Self::EmptyBasket
            | Self::Amount
            | Self::Blocked
            | Self::Frozen
            | Self::ReasonMissing
            | Self::NotCorrectable
            | Self::NothingToUndo
            | Self::NotAVoucher
            | Self::VoucherBarred
            | Self::VoucherNotNow
            | Self::ShiftOpen
            | Self::NoShift
            | Self::JournalClosed
            | Self::ClosedAtHub
            | Self::OpeningUnheard
            | Self::NotThisBand
            | Self::Training => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_brings_along_what_its_text_names() {
        let cents = |n| Cents::new(n).unwrap();
        let told = |refusal: TillRefusal| {
            let arguments = refusal.arguments().into_iter();
            arguments.map(|(name, value)| alloc::format!("{name} {value}")).collect::<Vec<_>>().join(", ")
        };
        let (balance, price, limit) = (320, cents(450), cents(2_000));
        let mut codes = alloc::collections::BTreeSet::new();
        for (refusal, text) in [
            (TillRefusal::NotEnough { balance, price }, "balance 320, price 450"),
            (TillRefusal::OfflineLimit { spent: 1_900, price, limit }, "spent 1900, price 450, limit 2000"),
            (
                TillRefusal::OverMaximum { balance, amount: price, maximum: limit },
                "balance 320, amount 450, maximum 2000",
            ),
            (TillRefusal::PriceChanged(price), "amount 450"),
            (TillRefusal::CorrectionTooMuch(price), "limit 450"),
            (TillRefusal::NothingPending(price), "limit 450"),
            (TillRefusal::CorrectionQuota(price), "quota 450"),
            (TillRefusal::UnknownProduct(9), "product 9"),
            (TillRefusal::SoldOut(9), "product 9"),
            (TillRefusal::AgeCheck(18), "age 18"),
            (TillRefusal::TooManyLines(101), "count 101"),
            (TillRefusal::VoucherUsed { place: "Bar 3".into(), at_unix_ms: 7 }, "place Bar 3, time 7"),
            (TillRefusal::EmptyBasket, ""),
        ] {
            assert!(
                refusal.code().split_once('.').is_some_and(|(_, code)| !code.is_empty())
                    && codes.insert(refusal.code())
            );
            assert_eq!(told(refusal), text);
        }
    }
}
