//! What a basket costs and whether an account may pay it.
//! Invariant: integer minor units; the price list's revision goes with the sale.
//! Not here: the chip (`wristband`), the journal (`journal`).
use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use thiserror::Error;

use crate::{
    catalogue::Catalogue,
    journal::{Sale, SaleLine},
    money::Cents,
};

/// A line that a bartender tapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasketLine {
    /// Product number in the catalogue.
    pub product: u32,
    /// How many, from 1.
    pub quantity: u32,
}

/// A priced basket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// Goods and deposits.
    pub sale: Sale,
    /// What the guest pays, deposits netted; may be 0.
    pub amount: Cents,
    /// Price list that it was made under.
    pub price_revision: u32,
}

/// A sale or top-up that does not happen, and why.
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
    /// A quantity of 0, or a sum beyond what a chip can hold.
    #[error("the amount is not possible")]
    Amount,
    /// More cups brought back than bought: the difference is paid in cash.
    #[error("{0} cents are to be paid back in cash")]
    NegativeTotal(Cents),
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
}

impl TillRefusal {
    /// Stable code, as on screens and in the API.
    pub fn code(&self) -> &'static str {
        match self {
            Self::EmptyBasket => "till.empty_basket",
            Self::TooManyLines(_) => "till.too_many_lines",
            Self::UnknownProduct(_) => "till.unknown_product",
            Self::Amount => "till.amount",
            Self::NegativeTotal(_) => "till.negative_total",
            Self::NotEnough { .. } => "till.not_enough",
            Self::OfflineLimit { .. } => "till.offline_limit",
            Self::OverMaximum { .. } => "till.over_maximum",
            Self::Blocked => "band.blocked",
            Self::Frozen => "band.frozen",
        }
    }

    /// What goes into the code's text: name and value (amounts in cents).
    pub fn arguments(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::NotEnough { balance, price } => {
                Vec::from([("balance", balance.to_string()), ("price", price.get().to_string())])
            }
            Self::OfflineLimit { spent, price, limit } => Vec::from([
                ("spent", spent.to_string()),
                ("price", price.get().to_string()),
                ("limit", limit.get().to_string()),
            ]),
            Self::OverMaximum { balance, amount, maximum } => Vec::from([
                ("balance", balance.to_string()),
                ("amount", amount.get().to_string()),
                ("maximum", maximum.get().to_string()),
            ]),
            Self::NegativeTotal(amount) => Vec::from([("amount", amount.get().to_string())]),
            Self::UnknownProduct(number) => Vec::from([("product", number.to_string())]),
            Self::TooManyLines(count) => Vec::from([("count", count.to_string())]),
            Self::EmptyBasket | Self::Amount | Self::Blocked | Self::Frozen => Vec::new(),
        }
    }
}

/// Prices a basket by the catalogue in force; cups out and back are netted in the same sale.
pub fn price(
    lines: &[BasketLine],
    cups_back: u32,
    catalogue: &Catalogue,
    cup_deposit: Cents,
) -> Result<Priced, TillRefusal> {
    if lines.is_empty() && cups_back == 0 {
        return Err(TillRefusal::EmptyBasket);
    }
    if lines.len() > Sale::MAX_LINES {
        return Err(TillRefusal::TooManyLines(lines.len()));
    }
    let (mut goods, mut cups) = (Cents::ZERO, 0u32);
    let mut sold = Vec::with_capacity(lines.len());
    for line in lines {
        let product = catalogue.product(line.product).ok_or(TillRefusal::UnknownProduct(line.product))?;
        let sum = product.price.times(line.quantity).filter(|_| line.quantity > 0).ok_or(TillRefusal::Amount)?;
        goods = goods.plus(sum).ok_or(TillRefusal::Amount)?;
        if product.in_cup {
            cups = cups.checked_add(line.quantity).ok_or(TillRefusal::Amount)?;
        }
        sold.push(SaleLine { product: line.product, quantity: line.quantity, unit_price: product.price });
    }
    let deposit = |cups: u32| cup_deposit.times(cups).ok_or(TillRefusal::Amount);
    let (deposit_out, deposit_back) = (deposit(cups)?, deposit(cups_back)?);
    let charged = goods.plus(deposit_out).ok_or(TillRefusal::Amount)?;
    let amount = charged
        .minus(deposit_back)
        .ok_or_else(|| TillRefusal::NegativeTotal(deposit_back.minus(charged).unwrap_or(Cents::ZERO)))?;
    let sale = Sale { deposit_out, deposit_back, lines: sold };
    Ok(Priced { sale, amount, price_revision: catalogue.revision })
}

/// An account whose money is in the ledger, as this box believes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Account {
    /// State of the hub and own entries since, in cents; negative after an overspend.
    pub balance: i64,
    /// Own debits that the hub's state does not contain yet.
    pub uncovered: i64,
    /// Blocked by the hub.
    pub blocked: bool,
    /// Touched by an entry that this software cannot read.
    pub frozen: bool,
}

impl Account {
    fn may_move(&self) -> Result<(), TillRefusal> {
        if self.blocked {
            return Err(TillRefusal::Blocked);
        }
        if self.frozen { Err(TillRefusal::Frozen) } else { Ok(()) }
    }

    /// Whether it may pay `price` here; `limit` bounds what one island may take before it has heard from the hub.
    pub fn may_spend(&self, price: Cents, limit: Cents) -> Result<(), TillRefusal> {
        self.may_move()?;
        if self.balance < price.as_i64() {
            return Err(TillRefusal::NotEnough { balance: self.balance, price });
        }
        if self.uncovered.saturating_add(price.as_i64()) > limit.as_i64() {
            return Err(TillRefusal::OfflineLimit { spent: self.uncovered, price, limit });
        }
        Ok(())
    }

    /// Whether `amount` may be put on it.
    pub fn may_top_up(&self, amount: Cents, maximum: Cents) -> Result<(), TillRefusal> {
        self.may_move()?;
        if amount == Cents::ZERO {
            return Err(TillRefusal::Amount);
        }
        if self.balance.saturating_add(amount.as_i64()) > maximum.as_i64() {
            return Err(TillRefusal::OverMaximum { balance: self.balance, amount, maximum });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::tests::bundle;

    fn price(lines: &[BasketLine], cups_back: u32) -> Result<Priced, TillRefusal> {
        let body = bundle().body;
        super::price(lines, cups_back, &Catalogue::of_bundle(&body), body.policy.cup_deposit)
    }

    fn cents(n: u32) -> Cents {
        Cents::new(n).unwrap()
    }

    fn beer(quantity: u32) -> BasketLine {
        BasketLine { product: 1, quantity }
    }

    #[test]
    fn cups_brought_back_are_netted_in_the_same_sale() {
        let priced = price(&[beer(2), BasketLine { product: 2, quantity: 1 }], 1).unwrap();
        assert_eq!(priced.amount, cents(2 * 350 + 400 + 200 - 100));
        assert_eq!((priced.sale.deposit_out, priced.sale.deposit_back), (cents(200), cents(100)));
        assert_eq!(priced.price_revision, 7);
    }

    #[test]
    fn more_cups_back_than_money_due_is_paid_in_cash() {
        assert_eq!(price(&[], 3), Err(TillRefusal::NegativeTotal(cents(300))));
        assert_eq!(price(&[beer(1)], 4).unwrap().amount, cents(50));
        assert_eq!(price(&[beer(1)], 5), Err(TillRefusal::NegativeTotal(cents(50))));
    }

    #[test]
    fn a_basket_that_makes_no_sense_is_named() {
        assert_eq!(price(&[], 0), Err(TillRefusal::EmptyBasket));
        assert_eq!(price(&[beer(0)], 0), Err(TillRefusal::Amount));
        assert_eq!(price(&[beer(u32::MAX)], 0), Err(TillRefusal::Amount));
        assert_eq!(price(&[BasketLine { product: 9, quantity: 1 }], 0), Err(TillRefusal::UnknownProduct(9)));
        assert_eq!(price(&[beer(1); 101], 0), Err(TillRefusal::TooManyLines(101)));
    }

    #[test]
    fn an_account_pays_to_the_last_cent_and_no_further() {
        let account = Account { balance: 450, ..Account::default() };
        assert_eq!(account.may_spend(cents(450), cents(5000)), Ok(()));
        let price = cents(451);
        assert_eq!(account.may_spend(price, cents(5000)), Err(TillRefusal::NotEnough { balance: 450, price }));
    }

    #[test]
    fn an_island_takes_no_more_than_its_limit_from_one_band() {
        let account = Account { balance: 10_000, uncovered: 4_800, ..Account::default() };
        assert_eq!(account.may_spend(cents(200), cents(5000)), Ok(()));
        let refusal = TillRefusal::OfflineLimit { spent: 4_800, price: cents(201), limit: cents(5000) };
        assert_eq!(account.may_spend(cents(201), cents(5000)), Err(refusal));
    }

    #[test]
    fn a_blocked_or_frozen_band_neither_pays_nor_gains() {
        let blocked = Account { balance: 1000, blocked: true, ..Account::default() };
        assert_eq!(blocked.may_spend(cents(1), cents(5000)), Err(TillRefusal::Blocked));
        assert_eq!(blocked.may_top_up(cents(1), cents(5000)), Err(TillRefusal::Blocked));
        let frozen = Account { balance: 1000, frozen: true, ..Account::default() };
        assert_eq!(frozen.may_spend(cents(1), cents(5000)), Err(TillRefusal::Frozen));
    }

    #[test]
    fn a_top_up_stops_at_the_maximum() {
        let account = Account { balance: 29_000, ..Account::default() };
        assert_eq!(account.may_top_up(cents(1_000), cents(30_000)), Ok(()));
        assert!(matches!(account.may_top_up(cents(1_001), cents(30_000)), Err(TillRefusal::OverMaximum { .. })));
        assert_eq!(account.may_top_up(Cents::ZERO, cents(30_000)), Err(TillRefusal::Amount));
    }
}
