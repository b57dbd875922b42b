//! Whether an account in the ledger may pay or be topped up.
use super::{Escrow, TillRefusal};
use crate::money::Cents;

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

    /// Whether it may pay `price` here under escrow, where this box holds `share` of it. What it holds is there, whatever
    /// it has heard of the balance. `heard_ms`: when the hub was heard last, Unix ms.
    pub fn may_spend_share(&self, price: Cents, share: &Escrow, heard_ms: u64) -> Result<(), TillRefusal> {
        self.may_move()?;
        if share.covers(price) {
            return Ok(());
        }
        if self.balance < price.as_i64() {
            return Err(TillRefusal::NotEnough { balance: self.balance, price });
        }
        let here = Cents::try_from(share.left().max(0)).unwrap_or(Cents::MAX);
        Err(TillRefusal::HeldElsewhere { here, price, balance: self.balance, heard_ms })
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

    fn cents(n: u32) -> Cents {
        Cents::new(n).unwrap()
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
    fn under_escrow_a_box_takes_what_it_holds_and_says_where_the_rest_is_not() {
        let share = Escrow { topped_up: 300, ..Escrow::default() };
        let account = Account { balance: 900, uncovered: 4_000, ..Account::default() };
        assert_eq!(account.may_spend_share(cents(300), &share, 7), Ok(()));
        let refusal = TillRefusal::HeldElsewhere { here: cents(300), price: cents(301), balance: 900, heard_ms: 7 };
        assert_eq!(account.may_spend_share(cents(301), &share, 7), Err(refusal));
        let refusal = TillRefusal::HeldElsewhere { here: cents(300), price: cents(900), balance: 900, heard_ms: 7 };
        assert_eq!(account.may_spend_share(cents(900), &share, 7), Err(refusal), "all that there is");
        let price = cents(901);
        let refusal = TillRefusal::NotEnough { balance: 900, price };
        assert_eq!(account.may_spend_share(price, &share, 7), Err(refusal));
        let unheard = Account { balance: 0, ..account };
        assert_eq!(unheard.may_spend_share(cents(300), &share, 7), Ok(()), "its share is its own");
        let blocked = Account { blocked: true, ..account };
        assert_eq!(blocked.may_spend_share(cents(1), &share, 7), Err(TillRefusal::Blocked));
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
