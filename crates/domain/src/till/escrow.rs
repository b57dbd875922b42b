//! Escrow: an account's money dealt to boxes, so that boxes that are apart never take more from a copied band than it has.
//!
//! A share belongs to one box in one epoch. The hub deals it out of what nobody holds, and takes it back only by the
//! box's own release or by its spends as they arrive, never by a clock. The arithmetic is that of a zone's places
//! (`access::Share`): granted, released, and, in the place of people inside, what was spent.
//! Invariant: Σ held ≤ what is on the account, and no box spends beyond what it holds and put on itself; so Σ spent
//! ≤ what was put on.
//! Not here: the entries that grants and releases are (`journal`); who hears whom.
use alloc::vec::Vec;

use crate::{
    access::{Deal, Holder, Share, deal},
    id::WalletId,
    journal::{Effect, Entry, Flags},
    ledger::closes,
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

    /// Cents that may be taken here without hearing anybody; negative where more was taken under the offline limit,
    /// before escrow began.
    pub fn left(&self) -> i64 {
        self.with_top_ups().free()
    }

    /// Whether `price` may be taken here.
    pub fn covers(&self, price: Cents) -> bool {
        price == Cents::ZERO || price.as_i64() <= self.left()
    }

    /// How much to give back when asked to have released `asked` in all.
    pub fn gives_back(&self, asked: u32) -> u32 {
        self.with_top_ups().gives_back(asked)
    }

    /// What to have released in all once `cents` more are given back, no more than is left.
    fn asked_for(&self, cents: i64) -> u32 {
        self.share.released.saturating_add(amount(cents.min(self.left())))
    }
}

/// A box as the hub knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct EscrowHolder {
    /// Its share, as far as the hub has heard.
    pub escrow: Escrow,
    /// What it took of this account: who sells to this band is dealt to.
    pub busy: u64,
    /// Whether it hears the hub: only then it is dealt to or asked.
    pub hears: bool,
    /// Whether it sells. A desk that only tops up needs nothing, and is asked for all that it has.
    pub sells: bool,
    /// What it is to take now, with the band held to its reader; 0 where nothing is sold.
    pub needs: u32,
    /// What it was asked to have released in all.
    pub asked: u32,
    /// Of what it holds, what people booked as a risk because nobody hears it: dealt again at their word.
    pub booked: u32,
}

impl EscrowHolder {
    /// What it may still take, less what was booked: nobody else is dealt that.
    pub fn claim(&self) -> i64 {
        self.escrow.left().saturating_sub(self.booked.into()).max(0)
    }

    /// What it is short of now.
    pub fn missing(&self) -> i64 {
        let short = i64::from(self.needs).saturating_sub(self.escrow.left());
        if self.hears && self.needs > 0 { short.max(0) } else { 0 }
    }

    /// What could be moved away from it.
    fn spare(&self) -> i64 {
        if self.hears { self.escrow.left().saturating_sub(self.needs.into()).max(0) } else { 0 }
    }

    fn weight(&self) -> i128 {
        if self.hears && self.sells { i128::from(self.busy).saturating_add(1) } else { 0 }
    }
}

/// What an entry of a box puts on accounts, or, negative, takes from them. What ends an intent moves money on a chip.
pub fn account_moves(entry: &Entry) -> impl Iterator<Item = (WalletId, i64)> + use<> {
    let cents = entry.amount.as_i64();
    let (subject, other) = match entry.effect {
        Effect::Credit => (cents, 0),
        Effect::Debit => (cents.saturating_neg(), 0),
        Effect::Transfer => (cents.saturating_neg(), cents),
        Effect::None
        | Effect::Hold
        | Effect::Release
        | Effect::In
        | Effect::Out
        | Effect::Block
        | Effect::Unblock
        | Effect::HoldCredit
        | Effect::Owe
        | Effect::Repay
        | Effect::Unknown(_) => (0, 0),
    };
    let counts = closes(entry).is_none() && !entry.flags.has(Flags::TRAINING);
    let moves = [(entry.subject, subject), (entry.other, other)];
    moves.into_iter().filter(move |(_, cents)| counts && *cents != 0).map(|(subject, cents)| (subject.wallet(), cents))
}

fn amount(cents: i64) -> u32 {
    u32::try_from(cents.max(0)).unwrap_or(u32::MAX)
}

/// Deals what nobody holds: first where the band is held to a reader and the share is short of the price, then by how
/// much each took. Where that is not enough, who hears the hub is asked to give back what is beyond its part, and at
/// least what is missing.
/// `balance`: what is on the account, as far as the hub has heard. A `Deal` for each holder; nothing changes where
/// nothing is missing and nobody runs short, so that it may be called at any time.
pub fn deal_escrow(balance: i64, holders: &[EscrowHolder]) -> Vec<Deal> {
    let claimed = holders.iter().fold(0i64, |sum, holder| sum.saturating_add(holder.claim()));
    let pool = balance.saturating_sub(claimed);
    let mut deals =
        if holders.iter().all(|holder| holder.missing() == 0) { idle(pool, holders) } else { wanted(pool, holders) };
    for (holder, deal) in holders.iter().zip(&mut deals) {
        let gives_all = holder.hears && !holder.sells && holder.needs == 0;
        let asked = if gives_all { holder.escrow.asked_for(i64::MAX) } else { 0 };
        // what it has spent meanwhile it need not give back
        deal.asked = deal.asked.max(asked).min(holder.escrow.asked_for(i64::MAX));
    }
    deals
}

/// Nobody waits: what nobody holds goes to those who sell to this band. Nobody is asked before a band is short, except
/// where more is held than is on the account.
fn idle(pool: i64, holders: &[EscrowHolder]) -> Vec<Deal> {
    let holder = |holder: &EscrowHolder| Holder {
        share: holder.escrow.with_top_ups(),
        busy: holder.busy,
        hears: holder.hears && holder.sells,
        asked: holder.asked,
    };
    let shares: Vec<Holder> = holders.iter().map(holder).collect();
    let claims = shares.iter().map(|holder| holder.share.held().max(holder.share.inside)).fold(0, i64::saturating_add);
    let deals = deal(amount(pool.saturating_add(claims)), &shares);
    let kept =
        |(deal, holder): (Deal, &EscrowHolder)| if pool < 0 { deal } else { Deal { asked: holder.asked, ..deal } };
    deals.into_iter().zip(holders).map(kept).collect()
}

/// Somebody waits with the band at a reader.
fn wanted(pool: i64, holders: &[EscrowHolder]) -> Vec<Deal> {
    let (mut left, mut missing) = (pool.max(0), 0i64);
    let mut deals: Vec<Deal> = Vec::with_capacity(holders.len());
    for holder in holders {
        let grant = holder.missing().min(left);
        left = left.saturating_sub(grant);
        missing = missing.saturating_add(holder.missing().saturating_sub(grant));
        deals.push(Deal { grant: amount(grant), asked: holder.asked });
    }
    if missing == 0 {
        return deals;
    }
    let spares = holders.iter().map(EscrowHolder::spare).fold(0i64, i64::saturating_add);
    let all = holders.iter().map(EscrowHolder::weight).fold(0i128, i128::saturating_add);
    let part = |holder: &EscrowHolder| {
        let part = i128::from(spares).saturating_mul(holder.weight()).checked_div(all).unwrap_or(0);
        i64::try_from(part).unwrap_or(i64::MAX)
    };
    let mut gives: Vec<i64> = holders.iter().map(|holder| holder.spare().saturating_sub(part(holder)).max(0)).collect();
    let mut short = gives.iter().fold(missing, |short, give| short.saturating_sub(*give));
    for (holder, give) in holders.iter().zip(&mut gives) {
        let more = holder.spare().saturating_sub(*give).min(short).max(0);
        *give = give.saturating_add(more);
        short = short.saturating_sub(more);
    }
    for ((holder, give), deal) in holders.iter().zip(gives).zip(&mut deals) {
        if give > 0 {
            deal.asked = deal.asked.max(holder.escrow.asked_for(give));
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
        first: i64,
        spent: i64,
    }

    impl Evening {
        fn new(first: u32) -> Self {
            // the last one is a desk that does not sell
            let heard = core::array::from_fn(|at| EscrowHolder { sells: at + 1 < BOXES, ..EscrowHolder::default() });
            Self { heard, first: first.into(), ..Self::default() }
        }

        fn put_on(&self) -> i64 {
            self.boxes.iter().fold(self.first, |sum, own| sum + i64::from(own.topped_up))
        }

        fn sell(&mut self, at: usize, price: u32) {
            let (price, own) = (Cents::new(price).unwrap(), &mut self.boxes[at]);
            if own.covers(price) {
                own.share.inside += price.as_i64();
                self.spent += price.as_i64();
            }
        }

        /// What is on the account, as far as the hub has heard.
        fn balance(&self) -> i64 {
            self.heard
                .iter()
                .fold(self.first, |sum, heard| sum + i64::from(heard.escrow.topped_up) - heard.escrow.share.inside)
        }

        /// The box is connected: its journal arrives, what it is asked for it gives back, what it is dealt it has.
        fn meets(&mut self, at: usize, needs: u32) {
            let busy = self.boxes[at].share.inside.unsigned_abs();
            self.heard[at] = EscrowHolder { escrow: self.boxes[at], busy, hears: true, needs, ..self.heard[at] };
            let deals = deal_escrow(self.balance(), &self.heard);
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

    fn holder() -> EscrowHolder {
        EscrowHolder { hears: true, sells: true, ..EscrowHolder::default() }
    }

    fn holds(cents: u32) -> EscrowHolder {
        EscrowHolder {
            escrow: Escrow { share: Share { granted: cents, ..Share::default() }, topped_up: 0 },
            ..holder()
        }
    }

    #[test]
    fn a_top_up_raises_the_share_of_its_own_desk_alone() {
        let desk = Escrow { topped_up: 500, ..Escrow::default() };
        assert!(desk.covers(Cents::new(500).unwrap()) && !desk.covers(Cents::new(501).unwrap()));
        let known = EscrowHolder { escrow: desk, ..holder() };
        let deals = deal_escrow(500, &[known, holder()]);
        assert_eq!(deals[1], Deal::default(), "it stands at the desk until that gives it back");
        let wants = EscrowHolder { needs: 300, ..holder() };
        let deals = deal_escrow(500, &[known, wants]);
        assert_eq!((deals[0].asked, deals[1].grant), (300, 0));
        let gave = Escrow { share: Share { released: 300, ..Share::default() }, ..desk };
        let deals = deal_escrow(500, &[EscrowHolder { escrow: gave, ..known }, wants]);
        assert_eq!(deals[1].grant, 300);
    }

    #[test]
    fn a_box_gives_back_what_is_asked_of_it_as_far_as_it_has_it() {
        let share = Share { granted: 300, inside: 100, released: 20 };
        let bar = Escrow { share, topped_up: 200 };
        for (asked, back) in [(0, 0), (20, 0), (150, 130), (400, 380), (1_000, 380)] {
            assert_eq!(bar.gives_back(asked), back, "{asked}");
        }
    }

    #[test]
    fn what_somebody_waits_for_is_asked_of_those_who_sell_least_to_the_band() {
        let busy = EscrowHolder { busy: 9, ..holds(300) };
        let wants = EscrowHolder { needs: 200, ..holder() };
        let asked = |more: &[EscrowHolder]| {
            let holders = [&[busy, holds(300), wants], more].concat();
            deal_escrow(600, &holders).iter().map(|deal| deal.asked).collect::<Vec<_>>()
        };
        assert_eq!(asked(&[]), [0, 250, 0]);
        let lost = EscrowHolder { busy: 9, hears: false, ..holder() };
        let desk = EscrowHolder { busy: 9, sells: false, ..holder() };
        assert_eq!(asked(&[lost, desk]), [0, 250, 0, 0, 0], "who hears nobody or sells nothing has no part");
    }

    #[test]
    fn nobody_is_asked_before_a_band_is_short() {
        let (much, little) = (holds(400), EscrowHolder { busy: 9, ..holds(100) });
        for balance in [500, 600, 5_000] {
            assert!(deal_escrow(balance, &[much, little]).iter().all(|deal| deal.asked == 0), "{balance}");
        }
        let asked = EscrowHolder { asked: 30, ..much };
        assert_eq!(deal_escrow(600, &[asked, little])[0].asked, 30, "what was asked stays asked");
        let share = Share { inside: 250, ..Share::default() };
        let ahead = EscrowHolder { escrow: Escrow { share, topped_up: 0 }, ..holder() };
        assert_eq!((ahead.missing(), EscrowHolder { needs: 1, ..ahead }.missing()), (0, 251), "nobody waits there");
    }

    #[test]
    fn a_desk_that_sells_nothing_is_asked_for_all_that_it_has_while_it_hears() {
        let escrow = Escrow { topped_up: 500, ..Escrow::default() };
        let desk = EscrowHolder { escrow, sells: false, ..holder() };
        assert_eq!(deal_escrow(500, &[desk])[0].asked, 500);
        assert_eq!(deal_escrow(500, &[EscrowHolder { hears: false, ..desk }])[0].asked, 0);
        let refunds = EscrowHolder { needs: 500, ..desk };
        assert_eq!(deal_escrow(500, &[refunds])[0].asked, 0, "it pays it out");
    }

    #[test]
    fn what_a_box_holds_that_nobody_hears_is_never_dealt_again_unless_people_booked_it() {
        let lost = EscrowHolder { hears: false, ..holds(400) };
        let wants = EscrowHolder { needs: 300, ..holder() };
        assert_eq!(deal_escrow(500, &[lost, wants])[1].grant, 100);
        let booked = EscrowHolder { booked: 400, ..lost };
        assert_eq!(deal_escrow(500, &[booked, wants])[1].grant, 300);
    }

    #[test]
    fn more_held_than_there_is_is_asked_back_and_nothing_is_dealt() {
        // a hub's refund took what bars hold
        let deals = deal_escrow(0, &[holds(300), holds(200)]);
        assert_eq!(deals, [Deal { grant: 0, asked: 300 }, Deal { grant: 0, asked: 200 }]);
    }

    #[test]
    fn what_was_taken_under_the_limit_before_is_filled_up_along_with_the_grant() {
        let share = Share { inside: 250, ..Share::default() };
        let bar = EscrowHolder { escrow: Escrow { share, topped_up: 0 }, needs: 300, ..holder() };
        let grant = deal_escrow(1_000, &[bar])[0].grant;
        assert_eq!(grant, 550);
    }
}
