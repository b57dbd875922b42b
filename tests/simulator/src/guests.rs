//! Whether every guest is square in the end: to the cent, or where entries are lost or forged within what they moved.
//! Invariant: a wrong system's balances go the same way through the reference as the product's.
//! Not here: what the reference saw (`reference`), who is named (`names`).
use std::collections::BTreeMap;

use domain::{
    id::WalletId,
    journal::Effect,
    ledger::{WalletEntry, WalletFold},
    money::Cents,
};

use crate::{tally::Control, tap::short, world::World};

impl World<'_> {
    /// Every guest, and the festival's books.
    pub(crate) fn check_guests(&mut self) {
        let mut chips: BTreeMap<WalletId, Cents> = BTreeMap::new();
        for n in 0..self.bands.len() {
            let (wallet, left) = (self.bands[n].wallet(), self.bands[n].left());
            let found = self.hub.wallet(&wallet).cloned();
            let balance = found.as_ref().map_or(0, |(fold, _)| fold.accounts.balance());
            let facts = &self.reference.bands[n];
            // who writes a dump back from before a top-up destroys money of his own, which no sum can bring back
            let destroyed = facts.copied && left.is_some_and(|left| left < balance);
            let chip = left.and_then(|left| u32::try_from(left).ok()).and_then(Cents::new);
            if let Some(cents) = chip.filter(|_| found.is_some() && !destroyed && !facts.is_disturbed) {
                chips.insert(wallet, cents);
            }
            if facts.copied {
                *self.tally.left_out.entry("copied").or_default() += 1;
                continue;
            }
            let exact = !facts.is_disturbed;
            self.check_guest(n, balance);
            if exact {
                self.tally.guests_checked += 1;
                if let Some((fold, _)) = &found {
                    self.check_doubt(n, fold, left);
                }
            } else {
                *self.tally.left_out.entry("disturbed").or_default() += 1;
            }
        }
        let totals = self.hub.totals(&chips);
        if totals.sources() != totals.uses() || totals.unexplained != 0 {
            self.tally.unexplained += totals.unexplained.abs();
            self.tally.broken.push(format!("the hub's books do not balance: {totals:?}"));
        }
    }

    /// What the guest has and is owed is what was paid in less goods and cash, whoever keeps count of it.
    fn check_guest(&mut self, n: usize, balance: i64) {
        let (wallet, purse) = (self.bands[n].wallet(), self.bands[n].has_purse());
        let left = self.bands[n].left();
        if purse && left.is_none() {
            self.tally.swapped += 1; // its only C is half written and whoever could finish it is gone: a new band
        }
        let has = match self.control {
            Control::LastWriter if !purse => self.hub.last_writer.get(&wallet).map_or(balance, |(_, after)| *after),
            Control::ConfirmedOnly if purse => confirmed(wallet, &self.hub.wallet_entries(wallet)),
            _ => left.unwrap_or(balance),
        };
        let (owed, lost) = self.hub.wallet(&wallet).map_or((0, 0), |(fold, owed)| (owed.pending, fold.accounts.losses));
        let facts = &self.reference.bands[n];
        let off = facts.unexplained(has, owed, lost);
        // as much as the entries moved that are lost, forged or on forked ground
        let bound = if facts.is_disturbed { facts.disturbed } else { 0 };
        if off.abs() > bound {
            self.tally.unexplained += off.abs() - bound;
            self.tally.broken.push(format!(
                "guest {n} ({}) is off by {off}, {bound} at most: put on {} elsewhere {} goods {} cash {} left {has} \
                 owed {owed} lost {lost}; {:?}",
                short(&wallet),
                facts.put_on(),
                facts.paid_elsewhere,
                facts.goods,
                facts.cash_out,
                self.hub.wallet(&wallet).map(|(fold, _)| fold.accounts),
            ));
        }
    }

    /// What the hub calls lost beyond what was served and never paid: sales that chips had paid and that were given back
    /// before the hub heard that they had been served. That it is the right sum, `check_guest` tells.
    pub(crate) fn given_back(&self, n: usize) -> i64 {
        let lost = self.hub.wallet(&self.bands[n].wallet()).map_or(0, |(fold, _)| fold.accounts.losses);
        lost.saturating_sub(self.reference.bands[n].lost()).max(0)
    }

    fn check_doubt(&mut self, n: usize, fold: &WalletFold, left: Option<i64>) {
        if self.control != Control::None {
            return;
        }
        if fold.accounts.in_doubt() != 0 {
            self.tally.broken.push(format!(
                "band {n} ends in doubt over {}: {:?}",
                fold.accounts.in_doubt(),
                fold.settled
            ));
        }
        let (balance, corrected) = (fold.accounts.balance(), self.reference.bands[n].corrected);
        if !self.bands[n].has_purse() && fold.accounts.corrections != corrected {
            let booked = fold.accounts.corrections;
            self.tally.broken.push(format!("staff gave account {n} {corrected} back, and {booked} are booked"));
        }
        if left.is_some_and(|left| left != balance) {
            self.tally.broken.push(format!(
                "band {n} holds {left:?}, the hub says {balance}: {:?} {:?}",
                fold.settled, fold.accounts
            ));
        }
    }
}

/// What a system would think that a purse holds which counts confirmed writes only.
fn confirmed(wallet: WalletId, entries: &[WalletEntry]) -> i64 {
    let moved = entries.iter().filter(|e| e.entry.subject == wallet.into()).map(|e| match e.entry.effect {
        Effect::Credit | Effect::Repay => e.entry.amount.as_i64(),
        Effect::Debit => -e.entry.amount.as_i64(),
        _ => 0,
    });
    moved.sum()
}
