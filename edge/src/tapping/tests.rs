use domain::{
    journal::{Kind, Means},
    money::Cents,
    till::{Basket, BasketLine},
};
use hardware::{
    chip::UidOnly,
    signal::Signal,
    tag::{TagKind, Uid},
};
use screens::view::Phase;

use crate::{
    bench::{Band, Bench, cents},
    tap_desk::{Purpose, TopUpOrder},
};

/// Of product 2, at 4.00.
fn chips(bench: &Bench, quantity: u32) -> Purpose {
    let lines = vec![BasketLine { product: 2, quantity, free: false }];
    Purpose::Sale(bench.priced(&Basket { lines, ..Basket::default() }))
}

fn top_up(amount: u32) -> Purpose {
    Purpose::TopUp(TopUpOrder { amount: cents(amount), fee: Cents::ZERO, means: Means::Cash })
}

fn refused(bench: &Bench, purpose: Purpose, band: &Band) -> Option<String> {
    let (light, result) = bench.tap(purpose, band);
    assert_ne!(light, Some(Signal::Ok));
    result.code
}

/// Chips that a guest may hold to the reader with the wristband, or instead of it.
fn others(bench: &Bench) -> [Band; 3] {
    [
        bench.band_of(UidOnly::new(Uid::four([8, 1, 2, 3]))),
        bench.band_of(UidOnly::unmodelled(Uid::seven([4, 9, 9, 9, 9, 9, 9]), TagKind::UltralightC)),
        bench.band_of(UidOnly::unmodelled(Uid::seven([4, 8, 8, 8, 8, 8, 8]), TagKind::Other)),
    ]
}

#[test]
fn a_purse_that_can_be_copied_spends_no_more_here_than_the_offline_limit_and_one_with_a_counter_all_of_it() {
    let bench = Bench::new();
    let (copied, counted, account) = (bench.purse(1), bench.aes_purse(2), bench.uid_band(3));
    for band in [&copied, &counted, &account] {
        bench.top_up(band, 20_000);
        assert_eq!(bench.tap(chips(&bench, 12), band).0, Some(Signal::Ok), "48.00 of 50.00");
    }
    for band in [&copied, &account] {
        assert_eq!(refused(&bench, chips(&bench, 1), band).as_deref(), Some("till.offline_limit"));
        assert_eq!(refused(&bench, Purpose::Refund, band).as_deref(), Some("till.offline_limit"));
    }
    assert_eq!(bench.tap(chips(&bench, 20), &counted).0, Some(Signal::Ok));
    assert_eq!(bench.tap(Purpose::Refund, &counted).0, Some(Signal::Ok));

    bench.station.hub_is(true);
    for band in [&copied, &account] {
        assert_eq!(refused(&bench, chips(&bench, 1), band).as_deref(), Some("till.offline_limit"), "not heard of it");
        assert_eq!(bench.tap(Purpose::Refund, band).0, Some(Signal::Ok), "all that is left, and the hub hears of it");
    }
}

#[test]
fn a_phone_or_another_chip_ends_no_order_that_is_in_doubt() {
    // the last page of an S record alone, and the first page behind a C record of 19
    for (kind, fault) in [(Kind::SALE, "tear write 5 before store"), (Kind::TOP_UP, "tear write 20 before store")] {
        let bench = Bench::new();
        let band = bench.purse(1);
        bench.top_up(&band, 2_000);
        let order = || if kind == Kind::SALE { chips(&bench, 1) } else { top_up(1_000) };
        let before = bench.entries(kind).len();
        let (_, torn) = bench.tap_as([5; 16], order(), &band, fault);
        assert_eq!(torn.code.as_deref(), Some("till.in_doubt"));
        for other in &others(&bench) {
            assert_eq!(bench.hold(other, ""), Some(Signal::Refuse));
            let (progress, waiting) = (bench.station.desk.progress(), bench.station.desk.waiting().unwrap());
            assert_eq!(progress.phase, Phase::TapAgain);
            assert_eq!(progress.result.unwrap().code.as_deref(), Some("band.wrong_band"));
            assert!(waiting.id == [5; 16] && waiting.retry_of.is_some(), "{waiting:?}");
        }
        assert_eq!(bench.hold(&band, ""), Some(Signal::Ok));
        assert_eq!(bench.entries(kind).len(), before + 1, "paid or credited once");
    }
}
