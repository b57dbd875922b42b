//! A zone's places dealt out to its gates, so that gates that are apart never admit more people than may be inside.
//! Invariant: Σ (granted − released) over all gates is at most the capacity, and no gate's own ins − outs goes beyond
//! what it holds; so the people inside are never more than the capacity. An exit adds to its gate's share.
//! Not here: the entries that grants and releases are (`journal`), when the hub deals (its shell).
use alloc::vec::Vec;

use super::GateRefusal;

/// What one gate, in one epoch, holds of a zone's places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Share {
    /// Places ever granted.
    pub granted: u32,
    /// Places ever given back; may exceed what was granted where many left through this gate.
    pub released: u32,
    /// Own ins less own outs.
    pub inside: i64,
}

impl Share {
    /// Granted less released.
    pub fn held(&self) -> i64 {
        i64::from(self.granted).saturating_sub(self.released.into())
    }

    /// How many more may enter here; negative where a supervisor let in more.
    pub fn free(&self) -> i64 {
        self.held().saturating_sub(self.inside)
    }

    /// How many places to give back when asked to have released `asked` in all: what is free, and no more.
    pub fn gives_back(&self, asked: u32) -> u32 {
        let free = u32::try_from(self.free().max(0)).unwrap_or(u32::MAX);
        asked.saturating_sub(self.released).min(free)
    }

    /// What counts against the capacity: what it holds, or the people who came in beyond that.
    fn claim(&self) -> i64 {
        self.held().max(self.inside)
    }
}

/// What a gate knows of the places in its zone, for a zone with a capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// How many may be inside.
    pub capacity: u32,
    /// How many are, as far as this gate knows.
    pub inside: i64,
    /// Its share; `None` where it was never dealt one.
    pub share: Option<Share>,
    /// Whether it is connected to the hub.
    pub connected: bool,
}

impl Places {
    /// Whether one more may enter here.
    pub fn check(&self, zone: u16) -> Result<(), GateRefusal> {
        let left = u32::try_from(i64::from(self.capacity).saturating_sub(self.inside).max(0)).unwrap_or(u32::MAX);
        match self.share {
            Some(share) if share.free() > 0 => Ok(()),
            _ if self.connected && left == 0 => Err(GateRefusal::ZoneFull { zone, capacity: self.capacity }),
            Some(_) => Err(GateRefusal::ZoneFullHere { zone, left }),
            None => Err(GateRefusal::ZoneNoShare(zone)),
        }
    }
}

/// A gate as the hub deals to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Holder {
    /// What it holds, as far as the hub has heard: it may have admitted more since, never beyond what it holds.
    pub share: Share,
    /// How busy it is: admissions of late.
    pub busy: u64,
    /// Whether it hears the hub: only then it is dealt to or asked.
    pub hears: bool,
    /// What it was asked to have released in all, so far.
    pub asked: u32,
}

/// What the hub does about one gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Deal {
    /// Places to grant now.
    pub grant: u32,
    /// What it is asked to have released in all.
    pub asked: u32,
}

/// Deals a zone's places: what nobody holds goes to gates that run short, and who has far more than its part is asked to
/// give back. Each gate's part of all places that can be moved follows how busy it is. A `Deal` for each holder, in
/// their order; nothing changes where nobody runs short, so that it may be called at any time.
pub fn deal(capacity: u32, holders: &[Holder]) -> Vec<Deal> {
    let claimed = holders.iter().fold(0i64, |sum, holder| sum.saturating_add(holder.share.claim()));
    let pool = i64::from(capacity).saturating_sub(claimed);
    let free = |holder: &Holder| if holder.hears { holder.share.free().max(0) } else { 0 };
    let movable = holders.iter().fold(pool, |sum, holder| sum.saturating_add(free(holder)));
    let parts = parts(movable, holders);
    let mut left = pool.max(0);
    let mut deals: Vec<Deal> = Vec::with_capacity(holders.len());
    let mut missing = 0i64;
    for (holder, part) in holders.iter().zip(&parts) {
        let has = free(holder);
        let short = holder.hears && has.saturating_mul(2) < *part;
        let grant = if short { part.saturating_sub(has).min(left).max(0) } else { 0 };
        left = left.saturating_sub(grant);
        if short {
            missing = missing.saturating_add(part.saturating_sub(has).saturating_sub(grant));
        }
        // people who were let in beyond the share are brought under it along with the grant
        let beyond = if grant > 0 { holder.share.inside.saturating_sub(holder.share.held()).max(0) } else { 0 };
        let grant = u32::try_from(grant.saturating_add(beyond)).unwrap_or(u32::MAX);
        deals.push(Deal { grant, asked: holder.asked });
    }
    if missing > 0 || pool < 0 {
        for ((holder, part), deal) in holders.iter().zip(&parts).zip(&mut deals) {
            let spare = free(holder).saturating_sub((*part).max(0));
            if holder.hears && spare > 0 {
                let spare = u32::try_from(spare).unwrap_or(u32::MAX);
                deal.asked = deal.asked.max(holder.share.released.saturating_add(spare));
            }
        }
    }
    deals
}

/// Each gate's part of what can be moved, by how busy it is; who cannot hear gets none. The last places go to the
/// busiest.
fn parts(movable: i64, holders: &[Holder]) -> Vec<i64> {
    let weight = |holder: &Holder| if holder.hears { i128::from(holder.busy).saturating_add(1) } else { 0 };
    let all = holders.iter().map(weight).fold(0i128, i128::saturating_add);
    if movable <= 0 || all == 0 {
        return holders.iter().map(|_| 0).collect();
    }
    let of = |holder: &Holder| i128::from(movable).saturating_mul(weight(holder)).checked_div(all).unwrap_or(0);
    let mut parts: Vec<i64> = holders.iter().map(|holder| i64::try_from(of(holder)).unwrap_or(i64::MAX)).collect();
    let mut rest = movable.saturating_sub(parts.iter().fold(0i64, |sum, part| sum.saturating_add(*part)));
    let mut order: Vec<usize> = (0..holders.len()).collect();
    order.sort_by_key(|at| core::cmp::Reverse(holders.get(*at).map(weight)));
    for at in order {
        if rest > 0
            && let Some(part) = parts.get_mut(at)
        {
            *part = part.saturating_add(1);
            rest = rest.saturating_sub(1);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holder(granted: u32, released: u32, inside: i64, busy: u64) -> Holder {
        Holder { share: Share { granted, released, inside }, busy, hears: true, asked: released }
    }

    fn grants(deals: &[Deal]) -> Vec<u32> {
        deals.iter().map(|deal| deal.grant).collect()
    }

    #[test]
    fn places_are_dealt_evenly_at_first_and_then_by_how_busy_each_gate_is() {
        let new = Holder { hears: true, ..Holder::default() };
        assert_eq!(grants(&deal(10, &[new, new])), [5, 5]);
        assert_eq!(grants(&deal(11, &[new, new])), [6, 5]);
        let busy = Holder { busy: 8, ..new };
        assert_eq!(grants(&deal(10, &[busy, new])), [9, 1]);
    }

    #[test]
    fn a_gate_that_cannot_hear_is_dealt_nothing_and_keeps_what_it_has() {
        let deaf = Holder { hears: false, ..holder(5, 0, 2, 50) };
        let deals = deal(10, &[deaf, holder(5, 0, 5, 1)]);
        assert_eq!(deals, [Deal { grant: 0, asked: 0 }, Deal { grant: 0, asked: 0 }]);
    }

    #[test]
    fn a_gate_that_runs_short_has_the_idle_one_asked_to_give_back() {
        let deals = deal(100, &[holder(50, 0, 50, 9), holder(50, 0, 0, 0)]);
        assert_eq!(grants(&deals), [0, 0]);
        assert_eq!(deals[0].asked, 0);
        assert_eq!(deals[1].asked, 46);
        // it gave them back: now they are dealt
        let deals = deal(100, &[holder(50, 0, 50, 9), holder(50, 46, 0, 0)]);
        assert_eq!(grants(&deals), [46, 0]);
    }

    #[test]
    fn nobody_is_disturbed_while_nobody_runs_short() {
        let deals = deal(100, &[holder(50, 0, 10, 9), holder(50, 0, 12, 1)]);
        assert_eq!(deals, [Deal::default(), Deal::default()]);
    }

    #[test]
    fn a_lowered_capacity_asks_for_all_that_is_free() {
        let deals = deal(4, &[holder(5, 0, 2, 1), holder(5, 0, 3, 1)]);
        assert_eq!(deals, [Deal { grant: 0, asked: 3 }, Deal { grant: 0, asked: 2 }]);
    }

    #[test]
    fn an_exit_adds_to_its_gates_share_and_those_places_can_be_moved() {
        let exit_gate = holder(0, 0, -40, 0);
        assert_eq!(exit_gate.share.free(), 40);
        let deals = deal(100, &[holder(100, 0, 100, 20), exit_gate]);
        assert!(deals[1].asked >= 30, "{deals:?}");
        assert_eq!(exit_gate.share.gives_back(deals[1].asked), deals[1].asked);
    }

    #[test]
    fn a_share_used_up_refuses_and_says_what_may_be_left_elsewhere() {
        let share = |free: i64| Some(Share { granted: 5, released: 0, inside: 5 - free });
        let places = Places { capacity: 10, inside: 5, share: share(0), connected: false };
        assert_eq!(places.check(0), Err(GateRefusal::ZoneFullHere { zone: 0, left: 5 }));
        assert_eq!(Places { share: share(1), ..places }.check(0), Ok(()));
        let full = Places { inside: 10, connected: true, ..places };
        assert_eq!(full.check(0), Err(GateRefusal::ZoneFull { zone: 0, capacity: 10 }));
        assert_eq!(Places { share: None, ..places }.check(2), Err(GateRefusal::ZoneNoShare(2)));
        let unheard = Places { inside: 10, ..places };
        assert_eq!(unheard.check(0), Err(GateRefusal::ZoneFullHere { zone: 0, left: 0 }), "apart it cannot know");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Admit(usize),
        Leave(usize),
        Up(usize),
        Down(usize),
        Deal,
        Cut(usize),
        Mend(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let at = 0..3usize;
        prop_oneof![
            5 => at.clone().prop_map(Step::Admit),
            2 => at.clone().prop_map(Step::Leave),
            3 => at.clone().prop_map(Step::Up),
            3 => at.clone().prop_map(Step::Down),
            3 => Just(Step::Deal),
            1 => at.clone().prop_map(Step::Cut),
            1 => at.prop_map(Step::Mend),
        ]
    }

    proptest! {
        #[test]
        fn however_gates_are_apart_there_are_never_more_people_inside_than_may_be(
            capacity in 0..12u32, steps in prop::collection::vec(step(), 0..120),
        ) {
            // what each gate has on disk; what the hub has heard of it; what it has heard of the hub
            let mut gates = [Share::default(); 3];
            let mut told = [Holder { hears: true, ..Holder::default() }; 3];
            let mut asked = [0u32; 3];
            let mut inside = 0i64;
            for step in steps {
                match step {
                    Step::Admit(at) => {
                        let places = Places { capacity, inside, share: Some(gates[at]), connected: true };
                        if places.check(0).is_ok() {
                            gates[at].inside += 1;
                            inside += 1;
                        }
                    }
                    Step::Leave(at) if inside > 0 => {
                        gates[at].inside -= 1;
                        inside -= 1;
                    }
                    Step::Leave(_) => {}
                    Step::Up(at) if told[at].hears => {
                        told[at].share.released = gates[at].released;
                        told[at].share.inside = gates[at].inside;
                    }
                    Step::Down(at) if told[at].hears => {
                        gates[at].granted = told[at].share.granted;
                        gates[at].released += gates[at].gives_back(asked[at]);
                    }
                    Step::Up(_) | Step::Down(_) => {}
                    Step::Deal => {
                        for (at, deal) in deal(capacity, &told).into_iter().enumerate() {
                            told[at].share.granted += deal.grant;
                            told[at].asked = deal.asked;
                            asked[at] = deal.asked;
                        }
                    }
                    Step::Cut(at) => told[at].hears = false,
                    Step::Mend(at) => told[at].hears = true,
                }
                prop_assert!(inside <= i64::from(capacity), "{} of {}", inside, capacity);
                let held: i64 = told.iter().map(|holder| holder.share.held()).sum();
                prop_assert!(held <= i64::from(capacity), "dealt {} of {}", held, capacity);
                prop_assert!(gates.iter().all(|gate| gate.free() >= 0));
                prop_assert_eq!(gates.iter().map(|gate| gate.inside).sum::<i64>(), inside);
            }
            // together again, once everything was told, the places that are left can all be used at one gate
            for _ in 0..6 {
                for at in 0..3 {
                    told[at] = Holder { share: gates[at], hears: true, busy: if at == 0 { 1000 } else { 0 }, ..told[at] };
                }
                for (at, deal) in deal(capacity, &told).into_iter().enumerate() {
                    gates[at].granted += deal.grant;
                    told[at].share.granted = gates[at].granted;
                    told[at].asked = deal.asked;
                    gates[at].released += gates[at].gives_back(deal.asked);
                }
            }
            prop_assert!(gates[0].free() * 2 >= i64::from(capacity) - inside - 2, "{:?}", gates);
        }
    }
}
