//! How much copied credentials can cost at most while boxes are apart (promise 4 of the design).
//! Invariant: an upper bound, whatever guests, thieves and the network do; integers, saturating.
//! Not here: who has been heard (the hub), what one box took (`box-store`).
use crate::{journal::BandProfile, money::Cents};

/// What overspending of one band can come to: each island takes at most what it last knew and at most its limit.
/// `known`: the balance that each island last knew; `balance`: what there really is.
pub fn of_one_band(known: impl IntoIterator<Item = Cents>, limit: Cents, balance: Cents) -> i64 {
    let taken = known.into_iter().map(|known| known.min(limit).as_i64()).fold(0, i64::saturating_add);
    taken.saturating_sub(balance.as_i64()).max(0)
}

/// A planned set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Boxes, or groups of boxes, that cannot ask each other.
    pub islands: u32,
    /// Wristbands with money.
    pub bands: u32,
    /// What is on one on average.
    pub mean_balance: Cents,
    /// What one island takes from one band at most.
    pub limit: Cents,
    /// The hub deals out shares of accounts, so that the islands together never have more than there is. A purse in a
    /// chip's memory can be copied all the same.
    pub escrow: bool,
    /// What kind of band.
    pub profile: BandProfile,
}

/// What a plan comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Most that all bands together can overspend, in minor units.
    pub all: i64,
    /// Most for one band.
    pub one: i64,
    /// Why: the word of the formula.
    pub formula: &'static str,
}

impl Plan {
    /// The bound, for any distribution of balances with this mean: a band with B loses at most
    /// `max(0, islands × min(B, L) − B)`, which is at most `(islands − 1) × min(B, L)`; since `min(B, L)` bends down
    /// only, the mean of it is at most that of the mean balance.
    pub fn bound(&self) -> Bound {
        if self.profile == BandProfile::UltralightAes {
            return Bound { all: 0, one: 0, formula: "counter" };
        }
        if self.escrow && !self.profile.has_purse() {
            return Bound { all: 0, one: 0, formula: "escrow" };
        }
        let more = i64::from(self.islands.saturating_sub(1));
        // one band may have more than the mean: its limit is the bound
        let one = self.limit.as_i64().saturating_mul(more);
        let mean = self.mean_balance.min(self.limit).as_i64().saturating_mul(more);
        Bound { all: mean.saturating_mul(self.bands.into()), one, formula: "islands" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cents(n: u32) -> Cents {
        Cents::new(n).unwrap()
    }

    /// The most that islands can take, by trying every sequence of purchases of one cent at any island.
    fn brute(known: &[u32], limit: u32, left: &mut [u32]) -> u32 {
        let mut best: u32 = left.iter().sum();
        for at in 0..known.len() {
            if left[at] < known[at].min(limit) {
                left[at] += 1;
                best = best.max(brute(known, limit, left));
                left[at] -= 1;
                // purchases at different islands commute: going on with the first that can is enough
                break;
            }
        }
        best
    }

    #[test]
    fn the_bound_of_one_band_is_what_trying_everything_finds() {
        for a in 0..6u32 {
            for b in 0..6u32 {
                for c in 0..6u32 {
                    for limit in 0..6u32 {
                        // what islands knew is what there was when they were last heard: at least what there is now
                        for balance in 0..=a.min(b).min(c) {
                            let known = [a, b, c];
                            let most = brute(&known, limit, &mut [0; 3]);
                            let bound = of_one_band(known.map(cents), cents(limit), cents(balance));
                            assert_eq!(bound, i64::from(most.saturating_sub(balance)), "{known:?} {limit} {balance}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn no_distribution_of_balances_with_the_same_mean_exceeds_the_plan() {
        for islands in 1..5u32 {
            for limit in 0..7u32 {
                for (x, y, z) in (0..7u32).flat_map(|x| (0..7u32).flat_map(move |y| (0..7u32).map(move |z| (x, y, z))))
                {
                    if (x + y + z) % 3 != 0 {
                        continue;
                    }
                    let (mean, balances) = ((x + y + z) / 3, [x, y, z]);
                    let lost = balances.map(|balance| {
                        let known = (0..islands).map(|_| cents(balance));
                        of_one_band(known, cents(limit), cents(balance))
                    });
                    let plan = Plan {
                        islands,
                        bands: 3,
                        mean_balance: cents(mean),
                        limit: cents(limit),
                        escrow: false,
                        profile: BandProfile::Uid,
                    };
                    let bound = plan.bound();
                    assert!(lost.iter().sum::<i64>() <= bound.all, "{plan:?} {balances:?} {lost:?}");
                    assert!(lost.iter().all(|one| *one <= bound.one), "{plan:?} {lost:?}");
                    if mean <= limit {
                        let equal = of_one_band((0..islands).map(|_| cents(mean)), cents(limit), cents(mean));
                        assert_eq!(bound.all, 3 * equal, "reached where all bands have the same");
                    }
                    assert_eq!(Plan { escrow: true, ..plan }.bound().all, 0);
                    let purse = Plan { escrow: true, profile: BandProfile::Ntag21x, ..plan };
                    assert_eq!(purse.bound().all, bound.all, "there are no shares of a purse");
                    assert_eq!(Plan { profile: BandProfile::UltralightAes, ..plan }.bound().all, 0);
                    assert_eq!(Plan { islands: 1, ..plan }.bound().all, 0);
                }
            }
        }
    }

    #[test]
    fn a_large_festival_does_not_overflow() {
        let plan = Plan {
            islands: u32::MAX,
            bands: u32::MAX,
            mean_balance: Cents::MAX,
            limit: Cents::MAX,
            escrow: false,
            profile: BandProfile::Ntag21x,
        };
        assert_eq!(plan.bound().all, i64::MAX);
    }
}
