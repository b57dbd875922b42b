//! Counted stock beside sales, box by box and product by product.
//! Invariant: what is left is `domain::stock::Count::left` of the count in force and the box's sales in force, so that
//! it is the same in whatever order counts and journals arrived.
//! Not here: how counts merge (`documents`), who is refused (nobody: only the sold-out flag stops a sale).
use std::collections::BTreeMap;

use documents::{ChangeHash, Document, Path, Setting};
use domain::{
    id::{BoxNumber, DeviceId},
    stock::Count,
};
use screens::view::{StockBox, StockView};

use crate::hub::{Hub, HubError};

impl Hub {
    /// What is left of each product, as far as journals have arrived.
    pub fn stock(&mut self) -> Result<Vec<StockView>, HubError> {
        self.project()?;
        let sold = self.sold_by_device()?;
        let names: BTreeMap<DeviceId, (u16, String)> =
            self.store.boxes()?.into_iter().map(|stored| (stored.device, (stored.number.0, stored.place))).collect();
        let catalogue = self.documents.catalogue().value;
        let views = catalogue.products.iter().map(|product| {
            let of = |device: &DeviceId| sold.get(&(*device, product.number)).copied().unwrap_or(0);
            let boxes = product.counts.iter().map(|(device, count)| {
                let (number, place) = names.get(device).cloned().unwrap_or_default();
                StockBox::of(device.to_hex(), number, place, count, of(device), product.low)
            });
            let sold = sold.iter().filter(|((_, number), _)| *number == product.number).map(|(_, pieces)| *pieces);
            StockView::of(product, sold.fold(0, u64::saturating_add), boxes.collect())
        });
        Ok(views.collect())
    }

    /// Somebody counted at a box, and says so at the console. Sales of that box which have not arrived are subtracted
    /// when they do: counted at the box itself, they are in the count.
    pub fn count_stock(&mut self, number: BoxNumber, product: u32, pieces: u32) -> Result<ChangeHash, HubError> {
        self.project()?;
        if self.documents.catalogue().value.product(product).is_none() {
            return Err(HubError::NotFound("The product"));
        }
        let device = self.store.boxes()?.into_iter().find(|stored| stored.number == number && !stored.revoked);
        let device = device.ok_or(HubError::NotFound("The box"))?.device;
        let sold = self.sold_by_device()?.get(&(device, product)).copied().unwrap_or(0);
        let count = Count { pieces, sold };
        let setting = Setting { path: Path::Count(product, device), value: Some(documents::Value::Text(count.text())) };
        self.edit(Document::Catalogue, &[setting])
    }

    fn sold_by_device(&self) -> Result<BTreeMap<(DeviceId, u32), u64>, HubError> {
        let mut sums: BTreeMap<(DeviceId, u32), u64> = BTreeMap::new();
        for ((journal, product), pieces) in self.store.product_sales()? {
            let Some(journal) = self.journals.by_id(journal) else { continue };
            let sum = sums.entry((journal.device, product)).or_default();
            *sum = sum.saturating_add(pieces);
        }
        Ok(sums)
    }
}

#[cfg(test)]
mod tests;
