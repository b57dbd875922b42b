//! Counted stock beside sales: what is left of a product at one box.
//! Invariant: a count names all that its box had ever sold of the product when it was counted, so what is left needs no
//! clock and no order: box by box it is a function of the count in force and of that box's journal.
//! Not here: where counts stand and how they merge (`documents`), who sums the sales (the stores).
use alloc::{collections::BTreeMap, format, string::String};

use crate::journal::{Effect, Entry, Flags, Kind, Sale};

/// What somebody counted at one box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count {
    /// Pieces that lay there.
    pub pieces: u32,
    /// Pieces that the box had sold since its first entry, as far as who counted knew.
    pub sold: u64,
}

impl Count {
    /// The one form in a document: `PIECES SOLD`, decimal without leading zeros.
    pub fn text(&self) -> String {
        format!("{} {}", self.pieces, self.sold)
    }

    /// Reads [`Self::text`] and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let (pieces, sold) = text.split_once(' ')?;
        let count = Self { pieces: pieces.parse().ok()?, sold: sold.parse().ok()? };
        (count.text() == text).then_some(count)
    }

    /// What is left when the box has sold `sold` pieces in all. Negative: more was sold than had been counted. A box
    /// that knows of fewer sales than the count names (a restored image) has sold none of what was counted.
    pub fn left(&self, sold: u64) -> i64 {
        let since = i64::try_from(sold.saturating_sub(self.sold)).unwrap_or(i64::MAX);
        i64::from(self.pieces).saturating_sub(since)
    }
}

/// Pieces by product that left the shelf with `entry`; `intent`: the own intent that it commits, which has the lines.
/// Goods for nothing count as well. Training, and what is in doubt or was corrected, does not.
pub fn pieces_sold(entry: &Entry, intent: Option<&Entry>) -> BTreeMap<u32, u64> {
    let mut pieces: BTreeMap<u32, u64> = BTreeMap::new();
    let moves = matches!(entry.effect, Effect::Debit | Effect::Credit | Effect::Owe);
    if entry.kind != Kind::SALE || !moves || entry.flags.has(Flags::TRAINING) {
        return pieces;
    }
    let Some(Sale { lines, .. }) = crate::till::sale_in(entry, intent) else { return pieces };
    // product 0 is the line of a correction
    for line in lines.iter().filter(|line| line.product != 0) {
        let sum = pieces.entry(line.product).or_default();
        *sum = sum.saturating_add(line.quantity.into());
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::{Detail, SaleLine},
        money::{Cents, Currency},
        time::Hlc,
    };

    fn sale(lines: &[(u32, u32)]) -> Entry {
        let line = |(product, quantity): &(u32, u32)| SaleLine {
            product: *product,
            quantity: *quantity,
            unit_price: Cents::ZERO,
        };
        let sale = Sale { lines: lines.iter().map(line).collect(), ..Sale::default() };
        let part = Detail::Sale(Some(sale)).to_bytes();
        Entry { part, ..Entry::new(Kind::SALE, Effect::Debit, Currency::EUR, Hlc(1)) }
    }

    #[test]
    fn what_is_left_is_the_count_less_what_was_sold_since() {
        let count = Count { pieces: 40, sold: 100 };
        assert_eq!((count.left(100), count.left(115), count.left(145)), (40, 25, -5));
        assert_eq!(count.left(7), 40, "a restored box sold none of what was counted");
        assert_eq!(Count { pieces: 0, sold: 0 }.left(u64::MAX), -i64::MAX);
    }

    #[test]
    fn a_count_has_one_text() {
        let count = Count { pieces: 24, sold: 1_310 };
        assert_eq!(Count::parse(&count.text()), Some(count));
        for bad in ["24", "024 7", "24  7", "24 7 ", "+24 7", "24 -7", "4294967296 0", ""] {
            assert_eq!(Count::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn goods_for_nothing_leave_the_shelf_and_training_and_corrections_do_not() {
        assert_eq!(pieces_sold(&sale(&[(1, 2), (3, 1), (1, 1)]), None), [(1, 3), (3, 1)].into());
        assert_eq!(pieces_sold(&sale(&[(0, 1)]), None), BTreeMap::new());
        let training = Entry { flags: Flags::TRAINING, ..sale(&[(1, 2)]) };
        assert_eq!(pieces_sold(&training, None), BTreeMap::new());
        let commit = Entry { part: alloc::vec::Vec::new(), ..sale(&[]) };
        assert_eq!(pieces_sold(&commit, Some(&sale(&[(2, 4)]))), [(2, 4)].into());
        let void = Entry { kind: Kind::VOID, effect: Effect::Release, ..sale(&[(1, 2)]) };
        assert_eq!(pieces_sold(&void, None), BTreeMap::new());
    }
}
