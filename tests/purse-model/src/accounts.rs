//! Accounts of bands without a purse (design, sections 2.4 and 9): what boxes that do not hear of each other take from
//! one account, under shares that the hub dealt (escrow) and under claims in a LAN group.
//! Invariant: a step is one durable write, one message that arrives, or one loss.
//! Not here: the purse (`purse`); more than one account, since accounts do not touch each other.
use std::fmt;

use crate::search::World;

/// Two bars and a desk.
const BOXES: usize = 3;
const DESK: usize = 2;
/// Grants in a world.
const GRANTS: usize = 4;

/// The rules, one switch each.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// A box spends no more than its shares: off, its limit of offline spending counts.
    pub spends_its_share_only: bool,
    /// Σ shares ≤ balance: off, each grant alone is.
    pub deals_what_is_left: bool,
    /// "a share is never reclaimed by clock": off, the hub takes it back after a while.
    pub never_reclaims: bool,
    /// A release names its grant and is booked once: off, it counts as often as it arrives.
    pub release_names_its_grant: bool,
    /// What is released is no longer spent from: off, the box notes it after it was sent.
    pub release_is_durable_first: bool,
    /// "a new term deals no share until the holders of old ones have reported": off, it deals at once.
    pub new_term_waits: bool,
    /// "offline top-ups raise only the desk's own share": off, every box's.
    pub top_up_raises_the_desks_share: bool,
    /// The share belongs to (device, epoch): off, a restored box has it again.
    pub share_belongs_to_an_epoch: bool,
    /// A claim is granted before the decision: off, it is sent beside it.
    pub claims_before_deciding: bool,
    /// A member grants each head once, fsynced: off, it forgets with a power cut.
    pub grants_once_durably: bool,
}

impl Rules {
    /// As the product has them.
    pub const fn product() -> Self {
        Self {
            spends_its_share_only: true,
            deals_what_is_left: true,
            never_reclaims: true,
            release_names_its_grant: true,
            release_is_durable_first: true,
            new_term_waits: true,
            top_up_raises_the_desks_share: true,
            share_belongs_to_an_epoch: true,
            claims_before_deciding: true,
            grants_once_durably: true,
        }
    }
}

/// A world.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Its rules.
    pub rules: Rules,
    /// On the account at first.
    pub balance: u8,
    /// Sales each bar makes at most.
    pub sales: u8,
    /// Top-ups at the desk, of 1 each.
    pub top_ups: u8,
    /// Times that the hub's database is restored from the beginning.
    pub restores: u8,
    /// Times that a bar is restored from an old image.
    pub rollbacks: u8,
    /// Shares, or claims in one LAN group.
    pub claims: bool,
}

/// A world and what is expected of it.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// The world.
    pub config: Config,
}

const BASE: Config =
    Config { rules: Rules::product(), balance: 2, sales: 2, top_ups: 0, restores: 0, rollbacks: 0, claims: false };

/// Worlds in which nothing is overspent.
pub fn products() -> Vec<Named> {
    vec![
        Named { name: "shares", config: BASE },
        Named { name: "shares-top-ups", config: Config { top_ups: 2, ..BASE } },
        Named { name: "shares-hub-restored", config: Config { restores: 1, ..BASE } },
        Named { name: "shares-box-restored", config: Config { rollbacks: 1, ..BASE } },
        Named { name: "shares-everything", config: Config { top_ups: 1, restores: 1, rollbacks: 1, ..BASE } },
        Named { name: "claims", config: Config { claims: true, ..BASE } },
    ]
}

/// Worlds in which one rule is off.
pub fn controls() -> Vec<Named> {
    let on = Rules::product();
    let without = |name, rules, config: Config| Named { name, config: Config { rules, ..config } };
    let restored = Config { restores: 1, ..BASE };
    let claims = Config { claims: true, balance: 1, ..BASE };
    vec![
        without("offline-limit-instead-of-a-share", Rules { spends_its_share_only: false, ..on }, BASE),
        without("each-grant-up-to-the-balance", Rules { deals_what_is_left: false, ..on }, BASE),
        without("a-share-reclaimed-by-clock", Rules { never_reclaims: false, ..on }, BASE),
        without("a-release-counted-twice", Rules { release_names_its_grant: false, ..on }, BASE),
        without("a-release-sent-before-it-is-durable", Rules { release_is_durable_first: false, ..on }, BASE),
        without("a-new-term-deals-at-once", Rules { new_term_waits: false, ..on }, restored),
        without(
            "a-top-up-raises-every-share",
            Rules { top_up_raises_the_desks_share: false, ..on },
            Config { top_ups: 1, ..BASE },
        ),
        without(
            "a-restored-box-has-its-share-again",
            Rules { share_belongs_to_an_epoch: false, ..on },
            Config { rollbacks: 1, ..BASE },
        ),
        without("a-claim-beside-the-decision", Rules { claims_before_deciding: false, ..on }, claims),
        without("a-grant-that-a-power-cut-forgets", Rules { grants_once_durably: false, ..on }, claims),
    ]
}

/// A share that the hub dealt.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
struct Grant {
    amount: u8,
    to: u8,
    /// It arrived there.
    arrived: bool,
    /// The box released what was left of it: how much.
    released: Option<u8>,
    /// Its release was booked by the hub, so many times.
    booked: u8,
    /// The hub of this term knows of it.
    known: bool,
    /// The hub took it back by itself.
    reclaimed: bool,
}

/// What a box has in its journal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
struct Journal {
    spent: u8,
    topped_up: u8,
    /// Spent in this epoch, from its shares.
    of_share: u8,
    sales: u8,
    /// Released without having written it down: it spends on from that.
    sent: u8,
    /// Spends that it knew of when its claim was confirmed, and it has not sold yet.
    confirmed: Option<u8>,
}

/// Everything.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    boxes: [Journal; BOXES],
    heard: [(u8, u8); BOXES],
    /// Has reported to the hub of this term.
    reported: [bool; BOXES],
    grants: [Grant; GRANTS],
    dealt: u8,
    restores: u8,
    rollbacks: u8,
    /// Who each member granted the account's head to, one less than the number of spends.
    granted: [Option<u8>; BOXES],
    head: u8,
}

/// What happens.
#[allow(missing_docs, reason = "each line says what its fields are")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The hub deals a share.
    Deal { to: usize, amount: u8 },
    /// It arrives.
    Arrive { grant: usize },
    /// A sale.
    Sell { by: usize },
    /// A top-up.
    TopUp,
    /// A journal reaches the hub.
    Sync { by: usize },
    /// A box releases what is left of its share.
    Release { grant: usize },
    /// The release is sent, and not written down.
    SendRelease { grant: usize },
    /// The release reaches the hub, perhaps once more.
    Book { grant: usize },
    /// The hub takes a share back by itself.
    Reclaim { grant: usize },
    /// The hub's database is restored from the beginning.
    RestoreHub,
    /// A bar is restored from the image of its beginning.
    RestoreBox { by: usize },
    /// A member of the group answers a claim.
    Grant { member: usize, to: usize },
    /// A member loses power.
    Cut { member: usize },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |by: usize| ["bar A", "bar B", "the desk"][by];
        match self {
            Self::Deal { to, amount } => write!(f, "the hub deals {amount} to {}", name(*to)),
            Self::Arrive { grant } => write!(f, "share {grant} arrives"),
            Self::Sell { by } => write!(f, "{}: a sale of 1", name(*by)),
            Self::TopUp => f.write_str("the desk: a top-up of 1"),
            Self::Sync { by } => write!(f, "{}: the hub has its journal", name(*by)),
            Self::Release { grant } => write!(f, "share {grant} is released"),
            Self::SendRelease { grant } => write!(f, "a release of share {grant} is sent, and not written down"),
            Self::Book { grant } => write!(f, "the hub books the release of share {grant}"),
            Self::Reclaim { grant } => write!(f, "the hub takes share {grant} back by the clock"),
            Self::RestoreHub => f.write_str("the hub's database is restored: a new term"),
            Self::RestoreBox { by } => write!(f, "{}: restored from an old image: a new epoch", name(*by)),
            Self::Grant { member, to } => write!(f, "{} grants the claim of {}", name(*member), name(*to)),
            Self::Cut { member } => write!(f, "{}: the power goes", name(*member)),
        }
    }
}

impl State {
    fn shares_of(&self, by: usize) -> u8 {
        let held = self.grants.iter().filter(|grant| grant.arrived && usize::from(grant.to) == by);
        held.map(|grant| grant.amount - grant.released.unwrap_or(0)).sum()
    }

    /// What a box may still spend.
    fn left(&self, config: &Config, by: usize) -> u8 {
        let own = &self.boxes[by];
        if !config.rules.spends_its_share_only {
            return config.balance.saturating_sub(own.spent);
        }
        let raised = match (by == DESK, config.rules.top_up_raises_the_desks_share) {
            (true, _) => own.topped_up,
            (false, false) => self.boxes[DESK].topped_up,
            (false, true) => 0,
        };
        (self.shares_of(by) + raised + own.sent).saturating_sub(own.of_share)
    }

    /// What the hub believes that it may still deal.
    fn to_deal(&self, config: &Config) -> u8 {
        let spent: u8 = self.heard.iter().map(|(spent, _)| *spent).sum();
        let topped_up = self.heard[DESK].1;
        // A desk's own top-ups raise its own share, and are dealt to nobody else.
        let outstanding = |grant: &Grant| {
            if !grant.known || grant.reclaimed {
                return 0;
            }
            let back = grant.released.unwrap_or(0).saturating_mul(grant.booked);
            i16::from(grant.amount) - i16::from(back)
        };
        let all = &self.grants[..usize::from(self.dealt)];
        let out: i16 = all.iter().map(outstanding).sum();
        // spends that a share covered stand in the share already
        let beyond = |by: usize| {
            let shares: u8 = all.iter().filter(|g| g.known && usize::from(g.to) == by).map(|g| g.amount).sum();
            let raised = if by == DESK { topped_up } else { 0 };
            i16::from(self.heard[by].0.saturating_sub(shares + raised))
        };
        let beyond: i16 = (0..BOXES).map(beyond).sum();
        debug_assert!(spent < u8::MAX);
        let out = if config.rules.deals_what_is_left { out } else { 0 };
        u8::try_from((i16::from(config.balance) - out - beyond).max(0)).unwrap_or(0)
    }
}

impl World for Config {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        State {
            boxes: Default::default(),
            heard: Default::default(),
            reported: [true; BOXES],
            grants: Default::default(),
            dealt: 0,
            restores: 0,
            rollbacks: 0,
            granted: [None; BOXES],
            head: 0,
        }
    }

    fn steps(&self, state: &State, out: &mut Vec<(Step, State)>) {
        if self.claims {
            return claims(self, state, out);
        }
        let mut push = |step, change: &dyn Fn(&mut State)| {
            let mut next = state.clone();
            change(&mut next);
            out.push((step, next));
        };
        let waits = self.rules.new_term_waits && state.restores > 0 && state.reported.contains(&false);
        let left = state.to_deal(self);
        for to in (0..2).filter(|_| usize::from(state.dealt) < GRANTS && !waits) {
            for amount in 1..=left {
                push(Step::Deal { to, amount }, &|next| {
                    let grant = Grant { amount, to: to as u8, known: true, ..Grant::default() };
                    next.grants[usize::from(next.dealt)] = grant;
                    next.dealt += 1;
                });
            }
        }
        for grant in 0..usize::from(state.dealt) {
            of_grant(self, state, grant, &mut push);
        }
        for by in 0..BOXES {
            if state.boxes[by].sales < self.sales && state.left(self, by) > 0 {
                push(Step::Sell { by }, &|next| sell(next, by));
            }
            let told = (state.boxes[by].spent, state.boxes[by].topped_up);
            if state.heard[by] != told || !state.reported[by] {
                push(Step::Sync { by }, &|next| {
                    (next.heard[by], next.reported[by]) = (told, true);
                    // it brings the grants that it holds
                    next.grants
                        .iter_mut()
                        .filter(|g| usize::from(g.to) == by && g.arrived)
                        .for_each(|g| g.known = true);
                });
            }
        }
        if state.boxes[DESK].topped_up < self.top_ups {
            push(Step::TopUp, &|next| next.boxes[DESK].topped_up += 1);
        }
        if state.restores < self.restores {
            push(Step::RestoreHub, &|next| {
                next.restores += 1;
                (next.heard, next.reported) = (Default::default(), [false; BOXES]);
                // grants on their way are of the old term: no box takes them any more
                next.grants.iter_mut().for_each(|grant| (grant.known, grant.booked) = (false, 0));
            });
        }
        for by in (0..2).filter(|_| state.rollbacks < self.rollbacks) {
            push(Step::RestoreBox { by }, &|next| {
                next.rollbacks += 1;
                // what the journal held is at the hub or lost; money spent is spent
                next.boxes[by].of_share = 0;
                if self.rules.share_belongs_to_an_epoch {
                    // nothing of the old epoch's share may be spent
                    next.boxes[by].of_share = next.shares_of(by);
                }
            });
        }
    }

    fn judge(&self, _: &State, after: &State) -> Result<(), String> {
        let spent: u8 = after.boxes.iter().map(|journal| journal.spent).sum();
        let had = self.balance + after.boxes[DESK].topped_up;
        if spent > had { Err(format!("overspent: {spent} of {had}")) } else { Ok(()) }
    }

    fn is_end(&self, state: &State) -> bool {
        let spent: u8 = state.boxes.iter().map(|journal| journal.spent).sum();
        spent == self.balance + state.boxes[DESK].topped_up
    }
}

fn sell(next: &mut State, by: usize) {
    let journal = &mut next.boxes[by];
    journal.spent += 1;
    journal.of_share += 1;
    journal.sales += 1;
}

fn of_grant(config: &Config, state: &State, at: usize, push: &mut impl FnMut(Step, &dyn Fn(&mut State))) {
    let grant = &state.grants[at];
    let to = usize::from(grant.to);
    // a box takes no share of a term that is over
    if !grant.arrived && grant.known {
        push(Step::Arrive { grant: at }, &|next| next.grants[at].arrived = true);
    }
    let left = state.left(config, to).min(grant.amount);
    if grant.arrived && grant.released.is_none() && left > 0 {
        push(Step::Release { grant: at }, &|next| next.grants[at].released = Some(left));
        if !config.rules.release_is_durable_first && state.boxes[to].sent == 0 {
            push(Step::SendRelease { grant: at }, &|next| {
                next.grants[at].amount -= left;
                next.boxes[to].sent = left;
            });
        }
    }
    let again = if config.rules.release_names_its_grant { grant.booked == 0 } else { grant.booked < 2 };
    if grant.released.is_some() && grant.known && again {
        push(Step::Book { grant: at }, &|next| next.grants[at].booked += 1);
    }
    if !config.rules.never_reclaims && grant.known && !grant.reclaimed {
        push(Step::Reclaim { grant: at }, &|next| next.grants[at].reclaimed = true);
    }
}

/// One LAN group of three members; a sale needs the grants of two for this head of the account.
fn claims(config: &Config, state: &State, out: &mut Vec<(Step, State)>) {
    for to in 0..2 {
        for member in (0..BOXES).filter(|member| state.granted[*member].is_none()) {
            let mut next = state.clone();
            next.granted[member] = Some(to as u8);
            out.push((Step::Grant { member, to }, next));
        }
        let votes = state.granted.iter().filter(|granted| **granted == Some(to as u8)).count();
        let confirmed = votes * 2 > BOXES;
        // what the members know of the account with a majority: all that was confirmed; alone only one's own
        let spent: u8 = state.boxes.iter().map(|journal| journal.spent).sum();
        let known = if config.rules.claims_before_deciding { spent } else { state.boxes[to].spent };
        let may = confirmed || !config.rules.claims_before_deciding;
        // with a grant that was forgotten two have a majority for one head
        let held = state.boxes[to].confirmed;
        let (may, known) = (may || held.is_some(), held.map_or(known, |then| known.min(then)));
        if may && state.boxes[to].sales < config.sales && known < config.balance {
            let mut next = state.clone();
            sell(&mut next, to);
            next.head += 1;
            next.boxes[to].confirmed = None;
            // the next head: members grant anew
            next.granted = [None; BOXES];
            out.push((Step::Sell { by: to }, next));
        }
        if confirmed && !config.rules.grants_once_durably && held.is_none() {
            for member in 0..BOXES {
                let mut next = state.clone();
                // the claimant holds its confirmation and has not sold yet
                next.boxes[to].confirmed = Some(spent);
                next.granted[member] = None;
                out.push((Step::Cut { member }, next));
            }
        }
    }
}
