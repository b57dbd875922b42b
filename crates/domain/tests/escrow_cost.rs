//! What escrow costs in sales refused though the account would have covered them, beside the offline limit and what that
//! costs in overspend. The figures are in decision 19.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement says what it measured")]
use domain::{
    money::Cents,
    till::{Account, Escrow, EscrowHolder, deal_escrow},
};

const BARS: usize = 4;
const PUT_ON: u32 = 5_000;
const PRICE: u32 = 450;
const LIMIT: u32 = 5_000;
const GUESTS: u64 = 2_000;
/// Drinks that each guest asks for: the account covers 11.
const DRINKS: u32 = 14;

struct Chance(u64);

impl Chance {
    fn of(&mut self, out_of: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % out_of
    }
}

#[derive(Default, Clone, Copy, PartialEq, Debug)]
struct Cost {
    asked: u32,
    sold: u32,
    refused_though_covered: u32,
    overspent: u32,
}

/// Where a guest drinks, and how often a bar hears the hub.
#[derive(Clone, Copy)]
struct Pattern {
    name: &'static str,
    /// Of a hundred drinks, those not at the guest's usual bar.
    wanders: u64,
    /// Of a hundred sales, those before which this bar, and each other one, hears the hub.
    hears: u64,
}

const PATTERNS: [Pattern; 6] = [
    Pattern { name: "one bar, always connected", wanders: 0, hears: 100 },
    Pattern { name: "all bars, always connected", wanders: 75, hears: 100 },
    Pattern { name: "all bars, each half of the time", wanders: 75, hears: 50 },
    Pattern { name: "all bars, each a tenth of the time", wanders: 75, hears: 10 },
    Pattern { name: "one bar, cut off after the start", wanders: 0, hears: 0 },
    Pattern { name: "all bars, cut off after the start", wanders: 75, hears: 0 },
];

/// What one bar and the hub know of the account, under either policy.
#[derive(Default)]
struct Bars {
    escrow: [Escrow; BARS],
    known: [EscrowHolder; BARS],
    /// Under the limit: what the bar took that the hub has not heard of, and what the hub told it was left.
    uncovered: [u32; BARS],
    told: [u32; BARS],
    covered: u32,
}

impl Bars {
    fn meet(&mut self, hears: &[bool; BARS], sells: Option<usize>) {
        // asked in the first round, dealt in the second
        for _ in 0..2 {
            for (at, is_heard) in hears.iter().enumerate() {
                let busy = u64::try_from(self.escrow[at].share.inside).unwrap();
                let known = &mut self.known[at];
                if *is_heard {
                    (known.escrow, known.busy) = (self.escrow[at], busy);
                }
                (known.hears, known.sells) = (*is_heard, true);
                known.needs = if sells == Some(at) { PRICE } else { 0 };
            }
            let spent: i64 = self.known.iter().map(|known| known.escrow.share.inside).sum();
            for (at, deal) in deal_escrow(i64::from(PUT_ON) - spent, &self.known).into_iter().enumerate() {
                self.known[at].asked = deal.asked;
                let own = &mut self.escrow[at];
                own.share.granted += deal.grant;
                own.share.released += if hears[at] { own.gives_back(deal.asked) } else { 0 };
                self.known[at].escrow = if hears[at] { *own } else { self.known[at].escrow };
            }
        }
        for at in (0..BARS).filter(|at| hears[*at]) {
            self.covered += std::mem::take(&mut self.uncovered[at]);
        }
        for at in (0..BARS).filter(|at| hears[*at]) {
            self.told[at] = PUT_ON.saturating_sub(self.covered);
        }
    }
}

fn evening(pattern: Pattern, escrow: bool) -> Cost {
    let (mut chance, mut cost) = (Chance(0x9e37_79b9_7f4a_7c15), Cost::default());
    let price = Cents::new(PRICE).unwrap();
    for guest in 0..GUESTS {
        let mut bars = Bars::default();
        bars.meet(&[true; BARS], None);
        let mut spent = 0;
        for _ in 0..DRINKS {
            let wanders = chance.of(100) < pattern.wanders;
            let at = if wanders { chance.of(BARS as u64) } else { guest % BARS as u64 } as usize;
            let hears: [bool; BARS] = std::array::from_fn(|_| chance.of(100) < pattern.hears);
            bars.meet(&hears, Some(at));
            let own = &mut bars.escrow[at];
            let balance = i64::from(bars.told[at]) - i64::from(bars.uncovered[at]);
            let account = Account { balance, uncovered: bars.uncovered[at].into(), ..Account::default() };
            let sells =
                if escrow { own.covers(price) } else { account.may_spend(price, Cents::new(LIMIT).unwrap()).is_ok() };
            cost.asked += 1;
            if sells {
                own.share.inside += i64::from(PRICE);
                bars.uncovered[at] += PRICE;
                spent += PRICE;
                cost.sold += 1;
            } else if spent + PRICE <= PUT_ON {
                cost.refused_though_covered += 1;
            }
        }
        cost.overspent += spent.saturating_sub(PUT_ON);
    }
    cost
}

#[test]
fn escrow_overspends_nothing_and_its_cost_is_in_refusals() {
    println!("of {} guests with {PUT_ON} who each ask {DRINKS} times for {PRICE} at {BARS} bars", GUESTS);
    for pattern in PATTERNS {
        let (shares, limit) = (evening(pattern, true), evening(pattern, false));
        let percent = |of: u32, all: u32| f64::from(of) * 100.0 / f64::from(all);
        let could = |cost: &Cost| cost.sold + cost.refused_though_covered;
        println!(
            "{:35} escrow: {:5.1} % refused though covered, overspent 0 | limit: {:5.1} %, overspent {:6.2} a guest",
            pattern.name,
            percent(shares.refused_though_covered, could(&shares)),
            percent(limit.refused_though_covered, could(&limit)),
            f64::from(limit.overspent) / 100.0 / GUESTS as f64,
        );
        assert_eq!(shares.overspent, 0, "{}", pattern.name);
        assert!(shares.asked == limit.asked && shares.sold > 0);
        if pattern.hears == 100 {
            assert_eq!(limit.overspent, 0);
        }
    }
}
