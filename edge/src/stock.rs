//! Counted stock at this box: what a manager counted, and what is left of it after this box's own sales.
//! Invariant: a count names all that this box had sold when it was made, by the journal on this disk: no clock, no hub.
//! Nothing here refuses a sale; only the sold-out flag does.
use std::collections::BTreeMap;

use documents::{ChangeHash, Document, Path, Refusal, Setting, SignedBy, Value};
use domain::{catalogue::Product, stock::Count};
use screens::view::{StockBox, StockView};

use crate::{edits::NotEdited, station::Station};

impl Station {
    /// A manager counted `pieces` of a product here.
    pub(crate) fn count_stock(
        &self,
        product: u32,
        pieces: u32,
        operator: u32,
        by: &SignedBy,
    ) -> Result<ChangeHash, NotEdited> {
        if self.rules().catalogue.product(product).is_none() {
            return Err(Refusal::BadValue.into());
        }
        let sold = self.store.read(|view| view.pieces_sold())?.get(&product).copied().unwrap_or(0);
        let count = Count { pieces, sold };
        let setting = Setting { path: Path::Count(product, self.device()), value: Some(Value::Text(count.text())) };
        self.edit(Document::Catalogue, &[setting], operator, by)
    }

    /// What this box sold of each product, and what is left of what was counted here.
    pub(crate) fn stock(&self) -> Result<Vec<StockView>, box_store::StoreError> {
        let sold = self.store.read(|view| view.pieces_sold())?;
        let rules = self.rules();
        let (number, place) = (self.box_number().0, self.enrolled().config.place.clone());
        let views = rules.catalogue.products.iter().map(|product| {
            let pieces = sold.get(&product.number).copied().unwrap_or(0);
            let here = product
                .counts
                .get(&self.device())
                .map(|count| StockBox::of(self.device().to_hex(), number, place.clone(), count, pieces, product.low));
            // what others sold is not known here, so nothing is said of the whole festival's stock
            StockView { began_with: None, left: None, ..StockView::of(product, pieces, here.into_iter().collect()) }
        });
        Ok(views.collect())
    }

    /// What is left of a product here, and whether it runs out.
    pub(crate) fn left_of(&self, product: &Product, sold: &BTreeMap<u32, u64>) -> (Option<i64>, bool) {
        let count = product.counts.get(&self.device());
        let left = count.map(|count| count.left(sold.get(&product.number).copied().unwrap_or(0)));
        (left, left.is_some_and(|left| left <= i64::from(product.low)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Bench;

    fn counted(bench: &Bench, product: u32, count: Count, low: u32) {
        let device = bench.station.device();
        bench.set_rules(|rules| {
            let product = rules.catalogue.products.iter_mut().find(|one| one.number == product).unwrap();
            product.counts.insert(device, count);
            product.low = low;
        });
    }

    fn shown(bench: &Bench, product: u32) -> (Option<i64>, bool) {
        let view = crate::view::of(&bench.station);
        let shown = view.till.unwrap().products.into_iter().find(|shown| shown.id == product).unwrap();
        (shown.left, shown.low)
    }

    #[test]
    fn a_till_shows_what_is_left_marks_what_runs_out_and_still_sells_it() {
        let bench = Bench::new();
        let band = bench.purse(5);
        bench.top_up(&band, 10_000);
        assert_eq!(shown(&bench, 1), (None, false), "nobody counted");
        bench.sell(&band, 1, 2);
        counted(&bench, 1, Count { pieces: 4, sold: 2 }, 2);
        assert_eq!(shown(&bench, 1), (Some(4), false));
        bench.sell(&band, 1, 2);
        assert_eq!(shown(&bench, 1), (Some(2), true));
        bench.sell(&band, 1, 3);
        assert_eq!(shown(&bench, 1), (Some(-1), true), "more was there than had been counted");
        let stock = bench.station.stock().unwrap();
        let beer = stock.iter().find(|stock| stock.product == 1).unwrap();
        assert_eq!((beer.sold, beer.boxes[0].sold_since, beer.boxes[0].left), (7, 5, -1));
    }
}
