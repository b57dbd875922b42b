//! Every order in which two boxes of three claim the same ticket: each message lost, late, doubled or out of order at each
//! member, each box without power at any moment, each claim waited for as long or as short as can be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a failed test should panic, and what was searched is told"
)]
use std::{
    collections::{BTreeSet, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use domain::{
    id::{DeviceId, TicketUid},
    lan::{
        CLAIM_WITHIN_US, ClaimKey, Claims, Holder, Order, Outcome, Ruling, Verdict, Voter, VoterList, YIELD_AFTER_US,
        frees, rule,
    },
};

/// A message, which once sent may arrive anywhere, at any time, as often as it likes, or never.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Sent {
    Claim(Holder),
    Answer(usize, Holder, Verdict),
    Release(Holder),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Member {
    /// On disk.
    rows: BTreeSet<Holder>,
    next_claim: u64,
    admitted: bool,
    /// In memory.
    claims: Claims,
    confirmed: Option<Holder>,
    /// How often it may still do so.
    attempts: u8,
    crashes: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    members: Vec<Member>,
    sent: BTreeSet<Sent>,
}

/// What is wrong with a wrong protocol, to see that this search finds it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// A release frees the box's row, whichever claim it names.
    ReleaseByBox,
    /// A grant is lost with the power.
    GrantNotOnDisk,
    /// The answer to a claim counts although it was given up.
    Half,
}

#[derive(Clone, Debug)]
enum Step {
    Begin(usize),
    Deliver(Sent, usize),
    Tick(usize, u64),
    Admit(usize),
    GiveBack(usize),
    Crash(usize),
}

struct Search {
    list: VoterList,
    key: ClaimKey,
    wrong: Wrong,
    seen: HashSet<u64>,
    both: Option<Vec<String>>,
    confirmed: u64,
}

fn device(n: usize) -> DeviceId {
    DeviceId([u8::try_from(n).unwrap() + 1; 16])
}

impl Search {
    fn new(votes: &[u8], wrong: Wrong) -> Self {
        let voters = votes.iter().enumerate().map(|(n, votes)| Voter { device: device(n), votes: *votes }).collect();
        let key = ClaimKey::ticket(TicketUid([9; 16]), 0);
        let list = VoterList { version: 1, voters };
        Self { list, key, wrong, seen: HashSet::new(), both: None, confirmed: 0 }
    }

    fn run(&mut self, attempts: &[u8], crashes: &[u8]) {
        let member = |n: usize| Member {
            rows: BTreeSet::new(),
            next_claim: 0,
            admitted: false,
            claims: Claims::default(),
            confirmed: None,
            attempts: attempts[n],
            crashes: crashes[n],
        };
        let start = World { members: (0..self.list.voters.len()).map(member).collect(), sent: BTreeSet::new() };
        let mut open = vec![(start, Vec::<String>::new())];
        while let Some((world, trace)) = open.pop() {
            for step in steps(&world) {
                let mut next = world.clone();
                self.apply(&mut next, &step);
                if next == world {
                    continue;
                }
                let mut hasher = DefaultHasher::new();
                next.hash(&mut hasher);
                if !self.seen.insert(hasher.finish()) {
                    continue;
                }
                let keep_trace = self.wrong == Wrong::Nothing;
                let mut trace = if keep_trace { Vec::new() } else { trace.clone() };
                trace.push(format!("{step:?}"));
                if next.members.iter().filter(|member| member.admitted).count() > 1 {
                    self.both = Some(trace);
                    return;
                }
                open.push((next, trace));
            }
        }
    }

    fn apply(&mut self, world: &mut World, step: &Step) {
        match step {
            Step::Begin(n) => {
                let member = &mut world.members[*n];
                member.attempts -= 1;
                let me = Holder { device: device(*n), epoch: 0, claim: member.next_claim };
                member.next_claim += 1;
                let known = u64::from(member.admitted);
                let rows: Vec<Holder> = member.rows.iter().copied().collect();
                if let Ruling::Grant(row) = rule(&rows, known, &self.key, me) {
                    grant(member, row);
                    member.claims.begin(&self.list, self.key, me, 0);
                }
                self.carry_out(world, *n);
            }
            Step::Deliver(sent, n) => self.deliver(world, sent, *n),
            Step::Tick(n, at) => {
                world.members[*n].claims.tick(*at);
                self.carry_out(world, *n);
            }
            Step::Admit(n) => {
                let member = &mut world.members[*n];
                member.confirmed = None;
                member.admitted = true;
                member.claims.concluded(&self.key);
                self.confirmed += 1;
            }
            Step::GiveBack(n) => {
                let member = &mut world.members[*n];
                let me = member.confirmed.take().unwrap();
                member.claims.give_back(self.key, me);
                self.carry_out(world, *n);
            }
            Step::Crash(n) => {
                let member = &mut world.members[*n];
                member.crashes -= 1;
                member.claims = Claims::default();
                member.confirmed = None;
                if self.wrong == Wrong::GrantNotOnDisk {
                    member.rows.clear();
                }
            }
        }
    }

    fn deliver(&mut self, world: &mut World, sent: &Sent, n: usize) {
        let member = &mut world.members[n];
        match sent {
            Sent::Claim(claimant) => {
                let rows: Vec<Holder> = member.rows.iter().copied().collect();
                let verdict = match rule(&rows, u64::from(member.admitted), &self.key, *claimant) {
                    Ruling::Grant(row) => {
                        grant(member, row);
                        Verdict::Granted
                    }
                    Ruling::Taken(other) => Verdict::Taken(other),
                    Ruling::Ahead(known) => Verdict::Ahead(known),
                    Ruling::Behind(known) => Verdict::Behind(known),
                    Ruling::Stale => return,
                };
                world.sent.insert(Sent::Answer(n, *claimant, verdict));
            }
            Sent::Answer(from, to, verdict) => {
                member.claims.answered(device(*from), 1, self.key, *to, *verdict, 0);
                self.carry_out(world, n);
            }
            Sent::Release(released) => {
                let by_box = self.wrong == Wrong::ReleaseByBox;
                member.rows.retain(|row| !(frees(row, released) || by_box && row.is_same_box(released)));
                member.claims.heard_release(&self.key, released);
                self.carry_out(world, n);
            }
        }
    }

    fn carry_out(&self, world: &mut World, n: usize) {
        while let Some(order) = world.members[n].claims.next_order() {
            let member = &mut world.members[n];
            match order {
                Order::Claim(_, _, me) => drop(world.sent.insert(Sent::Claim(me))),
                Order::Teach(..) => {}
                Order::Release(_, me) => {
                    member.rows.retain(|row| !frees(row, &me));
                    world.sent.insert(Sent::Release(me));
                }
                Order::Ended(_, me, Outcome::Confirmed) => member.confirmed = Some(me),
                // "the half of the votes is enough": two halves are
                Order::Ended(_, me, Outcome::Taken | Outcome::Alone) => {
                    member.claims.concluded(&self.key);
                    if self.wrong == Wrong::Half {
                        member.confirmed = Some(me);
                    }
                }
            }
        }
    }
}

fn grant(member: &mut Member, row: Holder) {
    member.rows.retain(|held| !held.is_same_box(&row));
    member.rows.insert(row);
}

fn steps(world: &World) -> Vec<Step> {
    let mut steps = Vec::new();
    for (n, member) in world.members.iter().enumerate() {
        if member.confirmed.is_some() {
            steps.extend([Step::Admit(n), Step::GiveBack(n)]);
        } else if member.attempts > 0 && !member.admitted && member.claims.next_tick_us().is_none() {
            steps.push(Step::Begin(n));
        }
        if member.claims.next_tick_us().is_some() {
            steps.extend([Step::Tick(n, YIELD_AFTER_US), Step::Tick(n, CLAIM_WITHIN_US)]);
        }
        if member.crashes > 0
            && (member.claims.next_tick_us().is_some() || member.confirmed.is_some() || !member.rows.is_empty())
        {
            steps.push(Step::Crash(n));
        }
        for sent in &world.sent {
            let to_me = match sent {
                Sent::Claim(holder) | Sent::Release(holder) => holder.device != device(n),
                Sent::Answer(_, to, _) => to.device == device(n),
            };
            if to_me {
                steps.push(Step::Deliver(sent.clone(), n));
            }
        }
    }
    steps
}

fn never_both(votes: &[u8], attempts: &[u8], crashes: &[u8]) {
    let mut search = Search::new(votes, Wrong::Nothing);
    search.run(attempts, crashes);
    println!("votes {votes:?}, attempts {attempts:?}: {} states, {} admissions", search.seen.len(), search.confirmed);
    assert_eq!(search.both, None);
    assert!(search.confirmed > 0 && search.seen.len() > 500, "the search saw something");
}

#[test]
fn two_claimants_are_never_both_confirmed_whatever_happens() {
    never_both(&[1, 1, 1], &[1, 1, 0], &[1, 1, 1]);
    never_both(&[2, 1], &[2, 1], &[1, 1]);
}

/// Minutes, and more with `opt-level = 0`.
#[test]
#[ignore = "by hand: cargo test -p domain --release --test rules lan_claims_exhaustive -- --ignored"]
fn nor_when_they_come_again_or_are_three() {
    never_both(&[2, 1], &[2, 2], &[1, 1]);
    never_both(&[1, 1, 1], &[2, 1, 0], &[0, 1, 0]);
    never_both(&[2, 1, 1], &[1, 2, 0], &[1, 0, 0]);
    never_both(&[1, 1, 1], &[1, 1, 1], &[0, 0, 0]);
}

#[test]
fn a_wrong_protocol_is_seen_to_admit_twice() {
    for (wrong, attempts, crashes) in [
        (Wrong::ReleaseByBox, [2, 1, 0], [0, 0, 0]),
        (Wrong::GrantNotOnDisk, [1, 1, 0], [0, 0, 1]),
        (Wrong::Half, [1, 1, 0], [0, 0, 0]),
    ] {
        let mut search = Search::new(&[1, 1, 1], wrong);
        search.run(&attempts, &crashes);
        let both = search.both.expect("two were admitted");
        assert!(both.len() > 4, "{both:?}");
    }
}
