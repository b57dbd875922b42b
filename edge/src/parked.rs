//! Baskets put aside for a moment: the guest fetches a friend, the next one is served.
//! Invariant: at most [`MOST`], the box's own memory only: nothing in them is sold, so nothing is lost with the power.
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use screens::{post, view::ParkedView};

/// Baskets that wait at most; one more is refused.
pub(crate) const MOST: usize = 20;

/// A basket put aside: its number, when, and what is in it.
type PutAside = (u32, u64, post::Park);

/// The baskets of one box, whichever of its screens parked them.
#[derive(Default)]
pub(crate) struct Parked(Mutex<(u32, VecDeque<PutAside>)>);

impl Parked {
    /// Puts one aside.
    pub(crate) fn park(&self, basket: post::Park, now_ms: u64) -> Result<(), &'static str> {
        let mut parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if parked.1.len() >= MOST {
            return Err("till.parked_full");
        }
        parked.0 = parked.0.wrapping_add(1);
        let number = parked.0;
        parked.1.push_back((number, now_ms, basket));
        Ok(())
    }

    /// Takes one back; whoever is first has it.
    pub(crate) fn resume(&self, number: u32) -> Option<post::Park> {
        let mut parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = parked.1.iter().position(|(other, _, _)| *other == number)?;
        parked.1.remove(at).map(|(_, _, basket)| basket)
    }

    /// What the screens show.
    pub(crate) fn shown(&self) -> Vec<ParkedView> {
        let parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = |(number, at, basket): &(u32, u64, post::Park)| ParkedView {
            number: *number,
            label: basket.label.clone(),
            count: basket.lines.iter().fold(0, |sum: u32, line| sum.saturating_add(line.quantity)),
            since_unix_ms: *at,
        };
        parked.1.iter().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basket(quantity: u32) -> post::Park {
        post::Park {
            lines: vec![post::SaleLine { product: 1, quantity, ..post::SaleLine::default() }],
            ..post::Park::default()
        }
    }

    #[test]
    fn a_parked_basket_is_taken_back_once() {
        let parked = Parked::default();
        parked.park(basket(2), 5).unwrap();
        let shown = parked.shown();
        assert_eq!((shown[0].count, shown[0].since_unix_ms), (2, 5));
        assert_eq!(parked.resume(shown[0].number), Some(basket(2)));
        assert_eq!(parked.resume(shown[0].number), None);
    }

    #[test]
    fn the_number_of_parked_baskets_is_bounded() {
        let parked = Parked::default();
        for _ in 0..MOST {
            parked.park(basket(1), 0).unwrap();
        }
        assert_eq!(parked.park(basket(1), 0), Err("till.parked_full"));
    }
}
