//! The festival's money, summed over all wallets, and the identity that it must satisfy.
//!
//! ```text
//! top-ups + gifts + pending issued + corrections + other credits + transferred + unreported + overspend
//!   = balance + pending credit + spent + deposits + refunded + fees + expired + other debits
//!     + in doubt + disputed + unexplained
//! ```
//! The left side and all of the right but `balance`, `in doubt` and `disputed` come from the journals. Balances come
//! from the chips (UID bands: from whoever keeps the wallet), so that `unexplained` is found and not defined away.
//! Money in doubt or disputed either left the chip or did not: what the chip shows decides how much of it is still out.
//! Not here: one wallet's fold (`wallet`).
use alloc::collections::BTreeMap;

use super::{
    accounts::{Accounts, netted},
    wallet::WalletFold,
};
use crate::{id::WalletId, journal::BandProfile, money::Cents};

/// What the totals need of one wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalletSum {
    /// Which.
    pub wallet: WalletId,
    /// Its sums, as the full fold or the quick path has them.
    pub accounts: Accounts,
    /// Whether the money is on the chip.
    pub purse: bool,
    /// Whether its chip forked.
    pub forked: bool,
    /// Whether what was left was given out elsewhere (swap, refund without the band): what it spends after is a loss.
    pub emptied: bool,
}

impl From<&WalletFold> for WalletSum {
    fn from(fold: &WalletFold) -> Self {
        Self {
            wallet: fold.state.wallet,
            accounts: fold.accounts,
            purse: fold.state.profile.is_some_and(BandProfile::has_purse) || fold.state.head_counter > 0,
            forked: !fold.forks.is_empty(),
            emptied: fold.emptied,
        }
    }
}

/// Sums over all wallets, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Totals {
    /// Money taken, fees and top-ups in doubt included.
    pub top_up: i64,
    /// Gifts credited.
    pub gifts: i64,
    /// Everything ever owed to guests without new money.
    pub pending_issued: i64,
    /// Corrections plus less minus.
    pub corrections: i64,
    /// Credits of kinds that this software does not know.
    pub other_credit: i64,
    /// Moved between wallets: 0 once both are summed.
    pub transferred: i64,
    /// Credits that chips prove and whose desks have not reported yet.
    pub unreported: i64,
    /// Spent more than there was, by copies of one credential: claims against nobody.
    pub overspend: i64,
    /// On chips (UID bands: in wallets).
    pub balance: i64,
    /// Owed to guests, not on a chip yet.
    pub pending_credit: i64,
    /// Goods.
    pub spent: i64,
    /// Deposits out less deposits back.
    pub deposits: i64,
    /// Paid back in cash.
    pub refunded: i64,
    /// Fees taken.
    pub fees: i64,
    /// Kept by the festival after its deadline.
    pub expired: i64,
    /// Debits of kinds that this software does not know.
    pub other_debit: i64,
    /// Left the guest or came to him, nobody knows yet.
    pub in_doubt: i64,
    /// Credits on forked ground that are not on the chip.
    pub disputed: i64,
    /// What is left over: lost boxes, missing entries, or worse.
    pub unexplained: i64,
    /// Goods handed over without payment; outside the identity.
    pub losses: i64,
}

impl Totals {
    /// From the journals alone: every wallet holds what the ledger says, nothing is unexplained.
    pub fn from_ledger(wallets: impl IntoIterator<Item = WalletSum>) -> Self {
        Self::sum(wallets, &BTreeMap::new())
    }

    /// With the balances read from chips (and UID wallets' balances from whoever keeps them).
    /// A wallet without one counts as the ledger has it; a balance without a wallet is unexplained.
    pub fn against_chips(
        wallets: impl IntoIterator<Item = WalletSum>,
        chip_balances: &BTreeMap<WalletId, Cents>,
    ) -> Self {
        Self::sum(wallets, chip_balances)
    }

    fn sum(wallets: impl IntoIterator<Item = WalletSum>, chips: &BTreeMap<WalletId, Cents>) -> Self {
        let mut totals = Self::default();
        let mut unknown: BTreeMap<WalletId, Cents> = chips.clone();
        for wallet in wallets {
            unknown.remove(&wallet.wallet);
            totals.add_wallet(&wallet, chips.get(&wallet.wallet).map(|cents| cents.as_i64()));
        }
        for balance in unknown.values() {
            add(&mut totals.balance, balance.as_i64());
            add(&mut totals.unexplained, balance.as_i64().saturating_neg());
        }
        totals
    }

    fn add_wallet(&mut self, wallet: &WalletSum, chip: Option<i64>) {
        // What stands on a chip whose money was given out elsewhere buys nothing any more.
        let chip = chip.filter(|_| !wallet.emptied);
        let sums = &wallet.accounts;
        add(&mut self.top_up, sums.top_ups.saturating_add(sums.hold_credit));
        add(&mut self.gifts, sums.gifts);
        add(&mut self.pending_issued, sums.pending_issued);
        add(&mut self.corrections, sums.corrections);
        add(&mut self.other_credit, sums.other_credit);
        add(&mut self.transferred, sums.transferred);
        add(&mut self.unreported, sums.unreported);
        add(&mut self.spent, sums.spent);
        add(&mut self.deposits, sums.deposits);
        add(&mut self.refunded, sums.refunded);
        add(&mut self.fees, sums.fees);
        add(&mut self.expired, sums.expired);
        add(&mut self.other_debit, sums.other_debit);
        add(&mut self.losses, sums.losses);

        // What an emptied wallet held and was owed was given out as one sum.
        let (held, pending) = match wallet.emptied {
            true => netted(sums.balance(), sums.pending),
            false => (sums.balance(), sums.pending),
        };
        add(&mut self.pending_credit, pending);
        let in_doubt = sums.hold_debit.saturating_add(sums.hold_credit).max(0);
        let certain = held.saturating_sub(sums.hold_debit);
        // Copies of a UID band or of a dump can spend more than there is; a purse by itself cannot.
        let copied = !wallet.purse || wallet.forked || wallet.emptied;
        let claimed = match chip {
            Some(chip) if wallet.purse => chip.saturating_sub(held).max(0),
            Some(_) | None => held.saturating_neg().max(0),
        };
        let overspend = if copied { claimed } else { 0 };
        add(&mut self.overspend, overspend);

        let Some(chip) = chip else {
            add(&mut self.balance, certain.saturating_add(overspend));
            add(&mut self.in_doubt, in_doubt);
            add(&mut self.disputed, sums.disputed);
            return;
        };
        // All that may still be out: what the ledger gives for certain and what it cannot tell.
        let whole = certain.saturating_add(overspend).saturating_add(in_doubt).saturating_add(sums.disputed);
        let out = whole.saturating_sub(chip);
        let disputed = out.clamp(0, sums.disputed.max(0));
        let doubtful = out.saturating_sub(disputed).clamp(0, in_doubt);
        add(&mut self.balance, chip);
        add(&mut self.disputed, disputed);
        add(&mut self.in_doubt, doubtful);
        add(&mut self.unexplained, out.saturating_sub(disputed).saturating_sub(doubtful));
    }

    /// Left side of the identity.
    pub fn sources(&self) -> i64 {
        [
            self.top_up,
            self.gifts,
            self.pending_issued,
            self.corrections,
            self.other_credit,
            self.transferred,
            self.unreported,
            self.overspend,
        ]
        .iter()
        .fold(0, |sum: i64, amount| sum.saturating_add(*amount))
    }

    /// Right side of the identity.
    pub fn uses(&self) -> i64 {
        [
            self.balance,
            self.pending_credit,
            self.spent,
            self.deposits,
            self.refunded,
            self.fees,
            self.expired,
            self.other_debit,
            self.in_doubt,
            self.disputed,
            self.unexplained,
        ]
        .iter()
        .fold(0, |sum: i64, amount| sum.saturating_add(*amount))
    }

    /// Whether both sides are equal and nothing is unexplained.
    pub fn balances(&self) -> bool {
        self.unexplained == 0 && self.sources() == self.uses()
    }
}

fn add(sum: &mut i64, amount: i64) {
    *sum = sum.saturating_add(amount);
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALLET: WalletId = WalletId([1; 16]);

    fn totals(accounts: Accounts, purse: bool, forked: bool, chip: Option<u32>) -> Totals {
        let chips = chip.map(|cents| (WALLET, Cents::new(cents).unwrap())).into_iter().collect();
        let totals =
            Totals::against_chips([WalletSum { wallet: WALLET, accounts, purse, forked, emptied: false }], &chips);
        assert_eq!(totals.sources(), totals.uses(), "{totals:?}");
        totals
    }

    #[test]
    fn a_chip_that_holds_less_than_the_ledger_is_unexplained() {
        let accounts = Accounts { top_ups: 1000, spent: 300, ..Accounts::default() };
        assert_eq!(totals(accounts, true, false, Some(700)).unexplained, 0);
        assert_eq!(totals(accounts, true, false, Some(450)).unexplained, 250);
        assert!(!totals(accounts, true, false, Some(450)).balances());
        assert_eq!(totals(accounts, true, false, Some(900)).unexplained, -200);
        assert!(totals(accounts, true, false, None).balances());
    }

    #[test]
    fn money_in_doubt_is_on_the_chip_or_in_doubt_and_never_both() {
        let accounts = Accounts { top_ups: 1000, hold_debit: 300, ..Accounts::default() };
        let not_taken = totals(accounts, true, false, Some(1000));
        assert_eq!((not_taken.in_doubt, not_taken.unexplained), (0, 0));
        let taken = totals(accounts, true, false, Some(700));
        assert_eq!((taken.in_doubt, taken.unexplained), (300, 0));
        assert_eq!(totals(accounts, true, false, Some(600)).unexplained, 100);
        let top_up = Accounts { hold_credit: 500, ..Accounts::default() };
        assert_eq!(totals(top_up, true, false, Some(500)).in_doubt, 0);
        assert_eq!(totals(top_up, true, false, Some(0)).in_doubt, 500);
    }

    #[test]
    fn overspending_is_named_for_copies_and_never_excuses_a_sound_purse() {
        let accounts = Accounts { top_ups: 1000, spent: 1600, ..Accounts::default() };
        let uid = totals(accounts, false, false, Some(0));
        assert_eq!((uid.overspend, uid.unexplained), (600, 0));
        let dump = totals(accounts, true, true, Some(200));
        assert_eq!((dump.overspend, dump.unexplained), (800, 0));
        let sound = totals(accounts, true, false, Some(200));
        assert_eq!((sound.overspend, sound.unexplained), (0, -800));
    }

    #[test]
    fn a_disputed_credit_is_on_the_chip_or_disputed() {
        let accounts = Accounts { top_ups: 1500, disputed: 500, spent: 200, ..Accounts::default() };
        let on_chip = totals(accounts, true, false, Some(1300));
        assert_eq!((on_chip.disputed, on_chip.unexplained), (0, 0));
        let not = totals(accounts, true, false, Some(800));
        assert_eq!((not.disputed, not.unexplained), (500, 0));
    }

    #[test]
    fn a_balance_of_a_wallet_that_no_journal_knows_is_unexplained() {
        let chips = [(WALLET, Cents::new(50).unwrap())].into_iter().collect();
        let totals = Totals::against_chips([], &chips);
        assert_eq!((totals.unexplained, totals.sources(), totals.uses()), (-50, 0, 0));
    }
}
