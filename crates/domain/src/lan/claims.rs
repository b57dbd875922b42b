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
