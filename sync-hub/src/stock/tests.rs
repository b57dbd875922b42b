use domain::{
    journal::{Detail, Effect, Entry, Kind, Sale, SaleLine},
    money::Cents,
    trust::Roles,
};

use super::*;
use crate::sample::{self, SampleBox, wallet};

const BEER: u32 = 1;

/// Sells so many beers; the numbers of segments are those of entries.
fn sell(bar: &mut SampleBox, pieces: u32) {
    let line = SaleLine { product: BEER, quantity: pieces, unit_price: Cents::new(350).unwrap() };
    let part = Detail::Sale(Some(Sale { lines: vec![line], ..Sale::default() })).to_bytes();
    let entry = bar.entry(Kind::SALE, Effect::Debit, 350 * pieces);
    bar.commit(Entry { subject: wallet(1).into(), part, ..entry });
}

fn boxes(hub: &mut Hub) -> Vec<(String, u64, i64, bool)> {
    let stock = hub.stock().unwrap();
    let beer = stock.iter().find(|stock| stock.product == BEER).unwrap();
    let mut shown: Vec<_> =
        beer.boxes.iter().map(|one| (one.place.clone(), one.sold_since, one.left, one.low)).collect();
    shown.sort();
    shown
}

fn adopt(hub: &mut Hub, one: &SampleBox) {
    let certificate = one.chain.verify(&sample::founding()).unwrap();
    hub.adopt(&certificate, &one.chain.to_bytes()).unwrap();
}

fn count(device: DeviceId, pieces: u32, sold: u64) -> Setting {
    Setting::to(Path::Count(BEER, device), Count { pieces, sold }.text().as_str())
}

#[test]
fn two_bars_apart_each_subtract_their_own_sales_in_whatever_order_they_are_heard() {
    let (mut left, mut right) = (SampleBox::new(20, Roles(2)), SampleBox::new(21, Roles(2)));
    for pieces in [2, 1, 4] {
        sell(&mut left, pieces);
        sell(&mut right, 2 * pieces);
    }
    // The left bar counted after its second sale, the right one before its first.
    let counts = [count(left.device, 40, 3), count(right.device, 24, 0)];
    let low = Setting::to(Path::Product(BEER, documents::ProductField::Low), 10u32);
    let parts: Vec<_> = left.segments(1).into_iter().chain(right.segments(1)).collect();
    let wanted = vec![("Place 20".to_owned(), 4, 36, false), ("Place 21".to_owned(), 14, 10, true)];
    for turn in 0..12usize {
        let dir = sample::hub_dir();
        let mut hub = sample::open(dir.path());
        adopt(&mut hub, &left);
        adopt(&mut hub, &right);
        hub.edit(Document::Catalogue, std::slice::from_ref(&low)).unwrap();
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by_key(|at| (at * (2 * turn + 3) + turn) % parts.len());
        // each journal begins with its genesis, whatever comes then
        hub.ingest(&[left.segment(0, 1), right.segment(0, 1)]).unwrap();
        for (step, at) in order.into_iter().enumerate() {
            if step == turn % 4 {
                hub.edit(Document::Catalogue, &counts[turn % 2..=turn % 2]).unwrap();
            }
            hub.ingest(std::slice::from_ref(&parts[at])).unwrap();
        }
        hub.edit(Document::Catalogue, &counts[1 - turn % 2..=1 - turn % 2]).unwrap();
        assert_eq!(boxes(&mut hub), wanted, "order {turn}");
        hub.ingest(&left.segments(2)).unwrap();
        assert_eq!(boxes(&mut hub), wanted, "heard twice, counted once");
    }
}

#[test]
fn a_count_at_the_console_names_what_is_known_of_that_box_and_the_whole_stock_counts_every_bar() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let (mut left, mut right) = (SampleBox::new(20, Roles(2)), SampleBox::new(21, Roles(2)));
    sell(&mut left, 5);
    sell(&mut right, 7);
    adopt(&mut hub, &left);
    hub.ingest(&left.segments(10)).unwrap();
    hub.ingest(&right.segments(10)).unwrap();
    hub.count_stock(BoxNumber(20), BEER, 30).unwrap();
    hub.edit(Document::Catalogue, &[Setting::to(Path::Product(BEER, documents::ProductField::Counted), 100u32)])
        .unwrap();
    assert_eq!(boxes(&mut hub), [("Place 20".to_owned(), 0, 30, false)]);
    sell(&mut left, 6);
    hub.ingest(&[left.segment(2, 3)]).unwrap();
    assert_eq!(boxes(&mut hub), [("Place 20".to_owned(), 6, 24, false)]);
    let stock = hub.stock().unwrap();
    assert_eq!((stock[0].sold, stock[0].began_with, stock[0].left), (18, Some(100), Some(82)));
    assert!(matches!(hub.count_stock(BoxNumber(99), BEER, 1), Err(HubError::NotFound("The box"))));
    assert!(matches!(hub.count_stock(BoxNumber(20), 99, 1), Err(HubError::NotFound("The product"))));

    // A restart finds the same, and so does a hub that folds everything again.
    drop(hub);
    let mut hub = sample::open(dir.path());
    assert_eq!(boxes(&mut hub), [("Place 20".to_owned(), 6, 24, false)]);
}

#[test]
fn sales_on_forked_ground_leave_the_shelf_once_somebody_confirmed_them() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut bar = SampleBox::new(20, Roles(2));
    sell(&mut bar, 5);
    let mut other = bar.restored(2);
    sell(&mut bar, 1);
    sell(&mut other, 2);
    adopt(&mut hub, &bar);
    hub.ingest(&bar.segments(10)).unwrap();
    hub.count_stock(BoxNumber(20), BEER, 30).unwrap();
    assert_eq!(hub.stock().unwrap()[0].sold, 6);
    hub.ingest(&[other.segment(2, 3)]).unwrap();
    assert_eq!(hub.stock().unwrap()[0].sold, 5, "both branches are disputed");
    assert_eq!(boxes(&mut hub), [("Place 20".to_owned(), 0, 30, false)]);
}
