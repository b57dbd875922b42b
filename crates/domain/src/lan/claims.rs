//! The claims that this box has made and waits for.
//! Invariant: confirmed only by a majority of one list's votes; a claim that was released is never confirmed; "taken"
//! never becomes "alone"; of one key this box has one claim at a time, until what came of it is on disk.
//! Not here: the own grant, which is on disk before a claim begins; what is done with an outcome.
use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

use super::{ClaimKey, Holder, Verdict, VoterList};
use crate::id::DeviceId;

/// A claim that is not confirmed after this long is not waited for.
pub const CLAIM_WITHIN_US: u64 = 50_000;
/// A claimant with the higher rank gives way after this long at the latest, so that the other still has time.
pub const YIELD_AFTER_US: u64 = 20_000;
/// Claims that may wait at once; more decide alone.
const OPEN_MAX: usize = 64;
/// Given-up claims that are remembered, to be released again where somebody grants them late.
const RELEASED_MAX: usize = 256;

/// How a claim ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// A majority of the list granted it.
    Confirmed,
    /// Somebody else has it, or may have it; or a member knows of a use that this box has not heard of.
    Taken,
    /// Too few answered: an island.
    Alone,
}

/// What the shell must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// Send the claim to all, under the list of this version.
    Claim(u32, ClaimKey, Holder),
    /// Take the own row off the disk, then tell all that the claim is given up.
    Release(ClaimKey, Holder),
    /// This member knows less: tell it what this box knows of the subject, then send it the claim again.
    Teach(DeviceId, u32, ClaimKey, Holder),
    /// The claim ended. Comes after the release, where there is one.
    Ended(ClaimKey, Holder, Outcome),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Vote {
    Mine,
    Other(Holder),
    Ahead,
    Behind,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Claim {
    key: ClaimKey,
    list: VoterList,
    votes: BTreeMap<DeviceId, Vote>,
    since_us: u64,
}

/// All open claims of this box.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claims {
    open: BTreeMap<Holder, Claim>,
    /// Keys whose claim is open, or has ended in a yes that is not on disk yet. A second claim that ended first would take
    /// the first one's grants along when it is released.
    busy: BTreeSet<ClaimKey>,
    released: VecDeque<(ClaimKey, Holder)>,
    orders: VecDeque<Order>,
}

impl Claims {
    /// Whether this box is at it already: no second claim begins, and no grant to itself is written.
    pub fn is_busy(&self, key: &ClaimKey) -> bool {
        self.busy.contains(key)
    }

    /// Begins a claim under this list. The own grant is on disk already and is the first vote.
    pub fn begin(&mut self, list: &VoterList, key: ClaimKey, me: Holder, now_us: u64) {
        if !self.busy.insert(key) {
            return self.orders.push_back(Order::Ended(key, me, Outcome::Taken));
        }
        if self.open.len() >= OPEN_MAX {
            return self.orders.push_back(Order::Ended(key, me, Outcome::Alone));
        }
        let votes = BTreeMap::from([(me.device, Vote::Mine)]);
        self.open.insert(me, Claim { key, list: list.clone(), votes, since_us: now_us });
        self.orders.push_back(Order::Claim(list.version, key, me));
        self.look(me, now_us);
    }

    /// A member answered. Its signature and that it is the member were checked.
    pub fn answered(&mut self, from: DeviceId, list: u32, key: ClaimKey, me: Holder, verdict: Verdict, now_us: u64) {
        if matches!(verdict, Verdict::Granted) && self.released.contains(&(key, me)) {
            return self.orders.push_back(Order::Release(key, me));
        }
        let Some(claim) = self.open.get_mut(&me) else { return };
        if claim.key != key || claim.list.version != list || claim.list.votes(&from) == 0 || from == me.device {
            return;
        }
        let vote = match verdict {
            Verdict::Granted => Vote::Mine,
            Verdict::Taken(other) => Vote::Other(other),
            Verdict::Ahead(_) => Vote::Ahead,
            Verdict::Behind(_) => Vote::Behind,
        };
        let before = claim.votes.insert(from, vote);
        if vote == Vote::Behind && before.is_none() {
            self.orders.push_back(Order::Teach(from, list, key, me));
        }
        self.look(me, now_us);
    }

    /// Somebody gave a claim up: whoever waits for the same thing asks again.
    pub fn heard_release(&mut self, key: &ClaimKey, released: &Holder) {
        for (me, claim) in &mut self.open {
            if claim.key == *key && !me.is_same_box(released) {
                claim.votes.retain(|_, vote| *vote != Vote::Other(*released));
                self.orders.push_back(Order::Claim(claim.list.version, *key, *me));
            }
        }
    }

    /// Others may not have heard what was given up: it is said again.
    pub fn say_releases_again(&mut self) {
        self.orders.extend(self.released.iter().map(|(key, released)| Order::Release(*key, *released)));
    }

    /// Time passed.
    pub fn tick(&mut self, now_us: u64) {
        for me in self.open.keys().copied().collect::<Vec<_>>() {
            self.look(me, now_us);
        }
    }

    /// When [`Self::tick`] has something to do next.
    pub fn next_tick_us(&self) -> Option<u64> {
        let after = |claim: &Claim, wait: u64| claim.since_us.saturating_add(wait);
        let yields = |claim: &Claim| claim.votes.values().any(|vote| matches!(vote, Vote::Other(_)));
        let next = |claim: &Claim| {
            after(claim, if yields(claim) { YIELD_AFTER_US.min(CLAIM_WITHIN_US) } else { CLAIM_WITHIN_US })
        };
        self.open.values().map(next).min()
    }

    /// The next thing to do.
    pub fn next_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    fn look(&mut self, me: Holder, now_us: u64) {
        let Some(outcome) = self.open.get(&me).and_then(|claim| claim.outcome(me, now_us)) else { return };
        let Some(claim) = self.open.remove(&me) else { return };
        if outcome == Outcome::Taken {
            self.give_back(claim.key, me);
        }
        self.orders.push_back(Order::Ended(claim.key, me, outcome));
    }

    /// What was decided on this yes is on disk.
    pub fn concluded(&mut self, key: &ClaimKey) {
        self.busy.remove(key);
    }

    /// What was confirmed, or decided alone, is not needed after all: nothing was written on it, nor will be.
    pub fn give_back(&mut self, key: ClaimKey, me: Holder) {
        self.busy.remove(&key);
        self.released.push_back((key, me));
        if self.released.len() > RELEASED_MAX {
            self.released.pop_front();
        }
        self.orders.push_back(Order::Release(key, me));
    }
}

impl Claim {
    fn votes_of(&self, is: impl Fn(&Vote) -> bool) -> u32 {
        let votes = self.votes.iter().filter(|(_, vote)| is(vote)).map(|(device, _)| self.list.votes(device));
        votes.fold(0, u32::saturating_add)
    }

    fn outcome(&self, me: Holder, now_us: u64) -> Option<Outcome> {
        let mine = self.votes_of(|vote| *vote == Vote::Mine);
        if self.list.is_majority(mine) {
            return Some(Outcome::Confirmed);
        }
        let waited = now_us.saturating_sub(self.since_us);
        let lost = self.votes_of(|vote| matches!(vote, Vote::Other(_) | Vote::Ahead));
        if lost == 0 {
            return (waited >= CLAIM_WITHIN_US).then_some(Outcome::Alone);
        }
        if waited >= CLAIM_WITHIN_US || self.votes.values().any(|vote| *vote == Vote::Ahead) {
            return Some(Outcome::Taken);
        }
        let can_win = self.list.is_majority(self.list.total().saturating_sub(lost));
        let rivals: Vec<Holder> = self
            .votes
            .values()
            .filter_map(|vote| match vote {
                Vote::Other(other) => Some(*other),
                Vote::Mine | Vote::Ahead | Vote::Behind => None,
            })
            .collect();
        let somebody_won =
            rivals.iter().any(|rival| self.list.is_majority(self.votes_of(|vote| *vote == Vote::Other(*rival))));
        let gives_way = rivals.iter().any(|rival| me.rank(&self.key) > rival.rank(&self.key));
        let is_split = !can_win || waited >= YIELD_AFTER_US;
        (somebody_won || (is_split && gives_way)).then_some(Outcome::Taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lan::Voter;

    const KEY: ClaimKey = ClaimKey { what: 1, subject: [9; 16], number: 4 };

    fn device(n: u8) -> DeviceId {
        DeviceId([n; 16])
    }

    fn holder(n: u8) -> Holder {
        Holder { device: device(n), epoch: 1, claim: 7 }
    }

    /// Boxes 1 to 5 with a vote each.
    fn list() -> VoterList {
        VoterList { version: 3, voters: (1..=5).map(|n| Voter { device: device(n), votes: 1 }).collect() }
    }

    fn orders(claims: &mut Claims) -> Vec<Order> {
        core::iter::from_fn(|| claims.next_order()).collect()
    }

    /// A claim of box `me` and these answers, each at its time in ms: what is ordered after the claim itself.
    fn claimed(me: u8, answers: &[(u8, Verdict, u64)], until_ms: u64) -> Vec<Order> {
        let mut claims = Claims::default();
        claims.begin(&list(), KEY, holder(me), 1_000);
        for (from, verdict, at_ms) in answers {
            claims.answered(device(*from), 3, KEY, holder(me), *verdict, 1_000 + at_ms * 1_000);
        }
        claims.tick(1_000 + until_ms * 1_000);
        let all = orders(&mut claims);
        assert_eq!(all[0], Order::Claim(3, KEY, holder(me)));
        all[1..].to_vec()
    }

    /// Of boxes 1 and 2 the one that gives way.
    fn yields() -> (u8, u8) {
        if holder(1).rank(&KEY) > holder(2).rank(&KEY) { (1, 2) } else { (2, 1) }
    }

    #[test]
    fn a_claim_ends_by_a_majority_by_a_rival_or_by_time() {
        use Verdict::{Ahead, Granted, Taken};
        let (low, high) = yields();
        let ended = |me, outcome| Order::Ended(KEY, holder(me), outcome);
        let lost = |me| vec![Order::Release(KEY, holder(me)), ended(me, Outcome::Taken)];
        let other = |me: u8| Taken(holder(if me == low { high } else { low }));
        let none: Vec<Order> = Vec::new();
        for (me, answers, until_ms, expected) in [
            (low, &[(3, Granted, 1), (4, Granted, 1)][..], 1, vec![ended(low, Outcome::Confirmed)]),
            (low, &[(3, Granted, 1)], 49, none.clone()),
            (low, &[(3, Granted, 1)], 50, vec![ended(low, Outcome::Alone)]),
            (low, &[(3, Ahead(5), 1)], 1, lost(low)),
            // one other vote may still be outvoted; who ranks higher waits no longer than it must
            (low, &[(3, other(low), 1)], 19, none.clone()),
            (low, &[(3, other(low), 1)], 20, lost(low)),
            (high, &[(3, other(high), 1)], 49, none.clone()),
            (high, &[(3, other(high), 1)], 50, lost(high)),
            // a majority can no longer be had: who ranks higher gives way at once
            (low, &[(3, other(low), 1), (4, Taken(holder(5)), 1), (5, Taken(holder(5)), 1)], 1, lost(low)),
            (low, &[(3, other(low), 1), (4, other(low), 1), (5, other(low), 1)], 1, lost(low)),
            (high, &[(3, other(high), 1), (4, other(high), 1), (5, other(high), 1)], 1, lost(high)),
        ] {
            assert_eq!(claimed(me, answers, until_ms), expected, "{me} {answers:?} {until_ms}");
        }
    }

    #[test]
    fn only_a_member_s_word_on_this_very_claim_counts() {
        let answers = |from: u8, version, key, me| {
            let mut claims = Claims::default();
            claims.begin(&list(), KEY, holder(1), 0);
            claims.answered(device(3), 3, KEY, holder(1), Verdict::Granted, 0);
            claims.answered(device(from), version, key, me, Verdict::Granted, 0);
            orders(&mut claims).len() > 1
        };
        assert!(answers(4, 3, KEY, holder(1)));
        assert!(!answers(9, 3, KEY, holder(1)) && !answers(1, 3, KEY, holder(1)) && !answers(4, 2, KEY, holder(1)));
        let other = ClaimKey { number: 5, ..KEY };
        let mut claims = Claims::default();
        claims.begin(&list(), KEY, holder(1), 0);
        claims.answered(device(9), 3, KEY, holder(1), Verdict::Ahead(9), 0);
        assert_eq!(orders(&mut claims).len(), 1, "who has no vote knows nothing");
        claims.answered(device(1), 3, KEY, holder(1), Verdict::Behind(2), 0);
        for from in [3, 4] {
            claims.answered(device(from), 3, KEY, holder(1), Verdict::Granted, 0);
        }
        let confirmed = [Order::Ended(KEY, holder(1), Outcome::Confirmed)];
        assert_eq!(orders(&mut claims), confirmed, "nobody takes the own vote away");
        assert!(!answers(4, 3, other, holder(1)) && !answers(4, 3, KEY, Holder { claim: 6, ..holder(1) }));
    }

    #[test]
    fn who_knows_less_is_taught_once_and_who_waits_asks_again_after_a_release() {
        let mut claims = Claims::default();
        claims.begin(&list(), KEY, holder(1), 0);
        assert_eq!((claims.is_busy(&KEY), claims.next_tick_us()), (true, Some(CLAIM_WITHIN_US)));
        for _ in 0..2 {
            claims.answered(device(3), 3, KEY, holder(1), Verdict::Behind(2), 0);
        }
        let claim = Order::Claim(3, KEY, holder(1));
        assert_eq!(orders(&mut claims), [claim, Order::Teach(device(3), 3, KEY, holder(1))]);
        claims.answered(device(4), 3, KEY, holder(1), Verdict::Taken(holder(2)), 0);
        assert_eq!(claims.next_tick_us(), Some(YIELD_AFTER_US));
        claims.heard_release(&ClaimKey { number: 5, ..KEY }, &holder(2));
        claims.heard_release(&KEY, &holder(1));
        assert_eq!(orders(&mut claims), [], "of something else, or its own");
        claims.heard_release(&KEY, &holder(5));
        assert_eq!(claims.next_tick_us(), Some(YIELD_AFTER_US), "somebody else still has it");
        claims.heard_release(&KEY, &holder(2));
        assert_eq!((orders(&mut claims), claims.next_tick_us()), (vec![claim; 2], Some(CLAIM_WITHIN_US)));
    }

    #[test]
    fn a_claim_that_was_given_back_is_released_wherever_it_is_granted_late() {
        let mut claims = Claims::default();
        let of = |number| (ClaimKey { number, ..KEY }, Holder { claim: number, ..holder(1) });
        for number in 1..=257 {
            let (key, me) = of(number);
            claims.begin(&list(), key, me, 0);
            claims.give_back(key, me);
            assert!(!claims.is_busy(&key));
            claims.tick(0);
        }
        orders(&mut claims);
        for (number, remembered) in [(1, false), (2, true), (257, true)] {
            let (key, me) = of(number);
            claims.answered(device(3), 3, key, me, Verdict::Granted, 0);
            assert_eq!(orders(&mut claims).contains(&Order::Release(key, me)), remembered, "{number}");
        }
        let (key, me) = of(300);
        let mut claims = Claims::default();
        claims.begin(&list(), key, me, 0);
        claims.begin(&list(), key, me, 0);
        assert!(orders(&mut claims).contains(&Order::Ended(key, me, Outcome::Taken)), "one at a time");
        claims.concluded(&key);
        assert!(!claims.is_busy(&key));
    }
}
