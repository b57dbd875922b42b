//! What each box can know of an account: what was put on and taken, by whom, and since when it was told.
//! Invariant: shares no code with `domain::ledger`.
//! Not here: goods and cash (`reference`), what boxes answered (`people`).
use std::collections::BTreeMap;

use domain::{id::EntryRef, journal::EntryHash};

use crate::reference::Reference;

/// Money was put on an account or taken from it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    /// Whose.
    pub(crate) band: usize,
    /// Which box did; nobody where its disk has forgotten, or where the hub gives it back.
    pub(crate) by: usize,
    /// How much was put on; negative where it was taken.
    pub(crate) cents: i64,
    /// Its entry.
    pub(crate) at: EntryRef,
    /// The entry's hash.
    pub(crate) hash: EntryHash,
    /// What it gives back, without which it counts nothing.
    pub(crate) of: Option<(EntryRef, EntryHash)>,
    /// The first publication that has its entry, once there is one: whoever is told of it goes by the hub.
    pub(crate) taken: Option<u64>,
    /// The first that counts it, once there is one.
    pub(crate) published: Option<u64>,
    /// What its box knew to be there before, without what it took itself and was not told of.
    pub(crate) knew: i64,
    /// Not bound by the limit: a refund at a box that heard the hub, or a box that lies.
    pub(crate) unlimited: bool,
}

/// What a box can know of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Known {
    /// What is on it.
    pub(crate) balance: i64,
    /// What this box took from it and was not told of by the hub.
    pub(crate) unheard: i64,
}

impl Reference {
    /// What this box can know of an account: what it did itself, and what it was told of.
    pub(crate) fn knows(&self, band: usize, at: usize) -> Known {
        let told = self.told.get(at).copied().unwrap_or(0);
        let mut known = Known::default();
        for moved in self.moved.iter().filter(|moved| moved.band == band) {
            let is_told = |of: Option<u64>| of.is_some_and(|number| number <= told);
            let goes_by_itself = moved.by == at && !is_told(moved.taken);
            if is_told(moved.published) || goes_by_itself {
                known.balance = known.balance.saturating_add(moved.cents);
            }
            if goes_by_itself {
                known.unheard = known.unheard.saturating_sub(moved.cents.min(0));
            }
        }
        known
    }

    /// How much more may be taken from an account in the end than there is, where every box goes by what it knows: what
    /// the hub has published of it, less the smaller of limit and what was known of every box that took something since.
    pub(crate) fn most_overspent(&self, band: usize, limit: i64) -> i64 {
        let (mut balance, mut islands) = (0i64, BTreeMap::new());
        for moved in self.moved.iter().filter(|moved| moved.band == band) {
            match moved.published {
                Some(_) => balance = balance.saturating_add(moved.cents),
                None if moved.cents < 0 => {
                    let most = if moved.unlimited { moved.knew } else { moved.knew.min(limit) };
                    let island = islands.entry(moved.by).or_insert(most);
                    *island = most.max(*island);
                }
                None => {}
            }
        }
        islands.values().fold(0, |sum: i64, most| sum.saturating_add(*most)).saturating_sub(balance).max(0)
    }
}

#[cfg(test)]
mod tests {
    use domain::id::DeviceId;

    use super::*;

    fn moved(by: usize, cents: i64, published: Option<u64>) -> Moved {
        let at = EntryRef { device: DeviceId([1; 16]), epoch: 0, seq: 0 };
        Moved {
            band: 3,
            by,
            cents,
            at,
            hash: [0; 32],
            of: None,
            taken: published,
            published,
            knew: 1_000,
            unlimited: false,
        }
    }

    #[test]
    fn a_box_knows_what_it_did_and_what_it_was_told_of() {
        let moves = vec![moved(0, 1_000, Some(2)), moved(1, -300, None), moved(2, -200, Some(5))];
        let reference = Reference { told: vec![2, 2, 5], moved: moves, ..Reference::default() };
        assert_eq!(reference.knows(3, 0), Known { balance: 1_000, unheard: 0 });
        assert_eq!(reference.knows(3, 1), Known { balance: 700, unheard: 300 });
        assert_eq!(reference.knows(3, 2), Known { balance: 800, unheard: 0 });
        assert_eq!(reference.knows(2, 1), Known::default(), "another account");
    }

    #[test]
    fn what_gives_back_counts_nowhere_while_the_hub_has_it_and_lacks_what_it_gives_back() {
        let (sold, given_back) = (moved(1, -300, None), Moved { taken: Some(3), ..moved(1, 300, None) });
        let moves = vec![moved(0, 1_000, Some(2)), sold, given_back];
        let mut reference = Reference { told: vec![3, 2], moved: moves, ..Reference::default() };
        assert_eq!(reference.knows(3, 0), Known { balance: 1_000, unheard: 0 });
        assert_eq!(
            reference.knows(3, 1),
            Known { balance: 1_000, unheard: 300 },
            "it was not told that the hub has it"
        );
        reference.told = vec![3, 3];
        assert_eq!(reference.knows(3, 1), Known { balance: 700, unheard: 300 });
    }

    #[test]
    fn islands_overspend_by_no_more_than_limit_and_knowledge_together_less_what_is_there() {
        let moves = vec![moved(0, 1_000, Some(2)), moved(1, -600, None), moved(1, -100, None), moved(2, -600, None)];
        let reference = Reference { told: vec![2, 2, 2], moved: moves, ..Reference::default() };
        assert_eq!(reference.most_overspent(3, 800), 600);
        assert_eq!(reference.most_overspent(3, 5_000), 1_000, "they knew of ten each");
        assert_eq!(reference.most_overspent(2, 5_000), 0);
        let paid_out = Moved { unlimited: true, ..moved(4, -1_000, None) };
        let reference = Reference { moved: [reference.moved, vec![paid_out]].concat(), ..Reference::default() };
        assert_eq!(reference.most_overspent(3, 800), 1_600, "a refund takes all that is known");
    }
}
