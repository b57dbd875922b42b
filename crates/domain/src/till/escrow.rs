//! Escrow: an account's money dealt to boxes, so that boxes that are apart never take more from a copied band than it has.
//!
//! A share belongs to one box in one epoch. The hub deals it out of what nobody holds, and takes it back only by the
//! box's own release or by its spends as they arrive, never by a clock. The arithmetic is that of a zone's places
//! (`access::Share`): granted, released, and, in the place of people inside, what was spent.
//! Invariant: Σ held ≤ what was put on the account, and no box spends beyond what it holds and put on itself; so Σ spent
//! ≤ what was put on.
//! Not here: the entries that grants and releases are (`journal`); who hears whom.
use alloc::vec::Vec;

use crate::{
    access::{Deal, Holder, Share, deal},
    money::Cents,
};

/// What one box holds of an account, in cents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Escrow {
    /// Granted, released, and spent (as `inside`).
    pub share: Share,
    /// Put on the account here, in this epoch: raises this box's own share and nobody else's.
    pub topped_up: u32,
}

impl Escrow {
    /// With its own top-ups as a part of what was granted.
    fn with_top_ups(&self) -> Share {
        Share { granted: self.share.granted.saturating_add(self.topped_up), ..self.share }
    }

    /// Cents that may be taken here without hearing anybody.
    pub fn left(&self) -> i64 {
        self.with_top_ups().free().max(0)
    }

    /// Whether `price` may be taken here.
    pub fn covers(&self, price: Cents) -> bool {
        price.as_i64() <= self.left()
    }

    /// How much to give back when asked to have released `asked` in all.
    pub fn gives_back(&self, asked: u32) -> u32 {
        self.with_top_ups().gives_back(asked)
    }
}

/// A box as the hub knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct EscrowHolder {
    /// Its share, as far as the hub has heard.
    pub escrow: Escrow,
    /// Debits of this account there of late: who sells to this band is dealt to.
    pub busy: u64,
    /// Whether it hears the hub.
    pub hears: bool,
    /// The price that it is to take now, with the band held to its reader; 0 where nothing is sold.
    pub needs: u32,
    /// What it was asked to have released in all.
    pub asked: u32,
    /// Whether it has reported to the hub of this term.
    pub reported: bool,
}

/// Deals what nobody holds: first where the band is held to a reader and the share is short of the price, then evenly.
/// Where that is not enough, everybody else who hears the hub is asked to give back what is missing.
/// `put_on`: all that was ever put on the account that the hub has heard of, less what left it other than by these
/// boxes' sales. A `Deal` for each holder; a new term deals nothing before all holders have reported.
pub fn deal_escrow(put_on: Cents, holders: &[EscrowHolder]) -> Vec<Deal> {
    let unchanged = |holder: &EscrowHolder| Deal { grant: 0, asked: holder.asked };
    if holders.iter().any(|holder| !holder.reported) {
        return holders.iter().map(unchanged).collect();
    }
    let missing_at = |holder: &EscrowHolder| {
        let missing = i64::from(holder.needs).saturating_sub(holder.escrow.left()).max(0);
        if holder.hears { u32::try_from(missing).unwrap_or(u32::MAX) } else { 0 }
    };
    if holders.iter().all(|holder| missing_at(holder) == 0) {
        let idle = holders.iter().map(|holder| Holder {
            share: holder.escrow.with_top_ups(),
            busy: holder.busy,
            hears: holder.hears,
            asked: holder.asked,
        });
        let deals = deal(put_on.get(), &idle.collect::<Vec<_>>());
        // nobody is asked for anything before a band is short
        return deals.into_iter().zip(holders).map(|(deal, holder)| Deal { asked: holder.asked, ..deal }).collect();
    }
    let claimed = holders.iter().fold(0i64, |sum, holder| {
        let share = holder.escrow.with_top_ups();
        sum.saturating_add(share.held().max(share.inside))
    });
    let mut pool = u32::try_from(put_on.as_i64().saturating_sub(claimed).max(0)).unwrap_or(u32::MAX);
    let mut missing = 0u32;
    let mut deals: Vec<Deal> = Vec::with_capacity(holders.len());
    for holder in holders {
        let short = missing_at(holder);
        let grant = short.min(pool);
        pool = pool.saturating_sub(grant);
        missing = missing.saturating_add(short.saturating_sub(grant));
        deals.push(Deal { grant, asked: holder.asked });
    }
    for (holder, deal) in holders.iter().zip(&mut deals) {
        if holder.hears && missing_at(holder) == 0 {
            let kept = i64::from(holder.needs);
            let spare =
                u32::try_from(holder.escrow.left().saturating_sub(kept).max(0)).unwrap_or(u32::MAX).min(missing);
            missing = missing.saturating_sub(spare);
            let asked = holder.escrow.share.released.saturating_add(spare);
            deal.asked = if spare > 0 { deal.asked.max(asked) } else { deal.asked };
        }
    }
    deals
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOXES: usize = 4;

    /// Boxes of a festival, what the hub has heard of them, one account.
    #[derive(Default)]
    struct Evening {
        boxes: [Escrow; BOXES],
        heard: [EscrowHolder; BOXES],
        first: u32,
        spent: i64,
    }

    impl Evening {
        fn new(first: u32) -> Self {
            let heard = EscrowHolder { reported: true, ..EscrowHolder::default() };
            Self { heard: [heard; BOXES], first, ..Self::default() }
        }

        fn put_on(&self) -> i64 {
            self.boxes.iter().fold(i64::from(self.first), |sum, own| sum + i64::from(own.topped_up))
        }

        fn sell(&mut self, at: usize, price: u32) {
            let (price, own) = (Cents::new(price).unwrap(), &mut self.boxes[at]);
            if own.covers(price) {
                own.share.inside += price.as_i64();
                self.spent += price.as_i64();
            }
        }

        /// The box is connected: its journal arrives, what it is asked for it gives back, what it is dealt it has.
        fn meets(&mut self, at: usize, needs: u32) {
            let busy = self.boxes[at].share.inside.unsigned_abs();
            self.heard[at] = EscrowHolder { escrow: self.boxes[at], busy, hears: true, needs, ..self.heard[at] };
            let put_on = self.heard.iter().fold(self.first, |sum, heard| sum + heard.escrow.topped_up);
            let deals = deal_escrow(Cents::new(put_on).unwrap(), &self.heard);
            for (of, deal) in deals.into_iter().enumerate() {
                self.heard[of].asked = deal.asked;
                if of == at {
                    self.boxes[at].share.granted += deal.grant;
                    let back = self.boxes[at].gives_back(deal.asked);
                    self.boxes[at].share.released += back;
                    self.heard[at].escrow = self.boxes[at];
                } else {
                    assert_eq!(deal.grant, 0, "only who meets the hub is dealt to");
                }
            }
            self.heard[at].hears = false;
        }
    }

    proptest! {
        #[test]
        fn however_boxes_are_apart_nothing_is_ever_overspent(
            first in 0u32..6_000,
            steps in prop::collection::vec((0usize..BOXES, 0u8..8, 1u32..900), 1..200),
        ) {
            let mut evening = Evening::new(first);
            for (at, what, amount) in steps {
                match what {
                    0..=3 => evening.sell(at, amount),
                    4 => evening.boxes[at].topped_up += amount,
                    5 | 6 => evening.meets(at, if what == 5 { amount } else { 0 }),
                    _ => {}
                }
                prop_assert!(evening.spent <= evening.put_on(), "{} of {}", evening.spent, evening.put_on());
            }
        }
    }

    #[test]
    fn a_new_term_deals_nothing_before_everybody_has_reported() {
        let holder = EscrowHolder { hears: true, reported: true, ..EscrowHolder::default() };
        let silent = EscrowHolder { reported: false, ..holder };
        let hundred = Cents::new(100).unwrap();
        let granted =
            |holders: &[EscrowHolder]| deal_escrow(hundred, holders).iter().map(|deal| deal.grant).sum::<u32>();
        assert_eq!(granted(&[holder, silent]), 0);
        assert_eq!(granted(&[holder, holder]), 100);
    }

    #[test]
    fn a_top_up_raises_the_share_of_its_own_desk_alone() {
        let desk = Escrow { topped_up: 500, ..Escrow::default() };
        assert!(desk.covers(Cents::new(500).unwrap()) && !desk.covers(Cents::new(501).unwrap()));
        let known = EscrowHolder { escrow: desk, reported: true, hears: true, ..EscrowHolder::default() };
        let other = EscrowHolder { reported: true, hears: true, ..EscrowHolder::default() };
        let deals = deal_escrow(Cents::new(500).unwrap(), &[known, other]);
        assert_eq!(deals[1], Deal::default(), "it stands at the desk until that gives it back");
        let deals = deal_escrow(Cents::new(500).unwrap(), &[known, EscrowHolder { needs: 300, ..other }]);
        assert_eq!((deals[0].asked, deals[1].grant), (300, 0));
        let gave = Escrow { share: Share { released: 300, ..Share::default() }, ..desk };
        let known = EscrowHolder { escrow: gave, ..known };
        let deals = deal_escrow(Cents::new(500).unwrap(), &[known, EscrowHolder { needs: 300, ..other }]);
        assert_eq!(deals[1].grant, 300);
    }
}
