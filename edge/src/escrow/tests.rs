use std::{sync::Arc, thread};

use domain::{
    bundle::BundleBody,
    id::{BoxNumber, EntryRef},
    journal::Means,
    ledger::{AccountShare, WalletState},
    till::{Basket, BasketLine},
    wire::Writer,
};
use sync::{Delta, SignedDelta};

use super::*;
use crate::{
    bench::{Band, Bench, cents},
    tap_desk::{Purpose, TopUpOrder},
};

fn bench() -> Bench {
    Bench::with_bundle(|body| body.sections.extend(BundleBody::accounts_section(AccountRule::Escrow)))
}

/// The hub says something, in the next batch of this section.
fn hub_says(station: &Station, section: Section, term: u32, items: Vec<u8>) {
    let held = station.store.read(move |view| view.knowledge(section)).unwrap();
    let (prev, snapshot) = match held {
        Some(held) if held.term == term => (held.number, false),
        _ => (0, true),
    };
    let delta = Delta {
        festival: station.bundle().bundle.festival,
        section,
        term,
        prev,
        number: prev + 1,
        part: 0,
        parts: 1,
        snapshot,
        vector: Vec::new(),
        hub_time_ms: 1_800_000_000_000,
        items,
    };
    let signed = SignedDelta { body: delta.to_bytes(), signature: [0; 64], key: [0; 32] };
    station.store.apply_delta(vec![signed]).unwrap();
}

/// What the hub believes to be on a band.
fn balance(station: &Station, wallet: WalletId, balance: i64) {
    hub_says(station, Section::Wallets, 1, WalletState { balance, ..WalletState::empty(wallet) }.to_bytes().to_vec());
}

fn share(station: &Station, band: &Band, granted: u32, asked: u32) -> AccountShare {
    let head = station.store.read(|view| view.head()).unwrap().unwrap();
    let grant = Some(EntryRef { device: domain::id::DeviceId([9; 16]), epoch: 1, seq: granted });
    AccountShare {
        wallet: band.wallet,
        device: station.device(),
        epoch: head.at.epoch,
        granted,
        asked,
        booked: 0,
        grant,
    }
}

fn deal(station: &Station, term: u32, shares: &[AccountShare]) {
    let mut out = Writer::new();
    shares.iter().for_each(|share| share.write(&mut out));
    hub_says(station, Section::Shares, term, out.finish());
    answer(station).unwrap();
}

fn sale(bench: &Bench, quantity: u32) -> Purpose {
    let lines = vec![BasketLine { product: 2, quantity, free: false }];
    Purpose::Sale(bench.priced(&Basket { lines, ..Basket::default() }))
}

/// Sells chips at 4.00; the code where that is refused.
fn sell(bench: &Bench, band: &Band, quantity: u32) -> Option<String> {
    bench.tap(sale(bench, quantity), band).1.code
}

/// What the box has said of shares, with the account that each is about.
fn told(station: &Station) -> Vec<(WalletId, ShareRelease)> {
    let all = |view: &View<'_>| -> Vec<Entry> {
        let Some(head) = view.head() else { return Vec::new() };
        (0..=head.at.seq).filter_map(|seq| view.entry(EntryRef { seq, ..head.at })).collect()
    };
    let read = |entry: Entry| match Detail::of(&entry) {
        Ok(Detail::ShareRelease(said)) => Some((entry.other.wallet(), said)),
        Ok(_) | Err(_) => None,
    };
    station.store.read(all).unwrap().into_iter().filter_map(read).collect()
}

fn said(bench: &Bench) -> Vec<ShareRelease> {
    told(&bench.station).into_iter().map(|(_, said)| said).collect()
}

#[test]
fn what_was_put_on_here_is_spent_here_and_more_is_refused_with_its_reason() {
    let bench = bench();
    let band = bench.uid_band(1);
    bench.top_up(&band, 1_000);
    balance(&bench.station, band.wallet, 3_000);
    assert_eq!(sell(&bench, &band, 2), None);
    let (_, told) = bench.tap(sale(&bench, 1), &band);
    assert_eq!(told.code.as_deref(), Some("till.held_elsewhere_unheard"));
    let shown = |name: &str| told.args.iter().find(|(of, _)| of.as_str() == name).map(|(_, value)| value.clone());
    assert_eq!((shown("amount").as_deref(), shown("price").as_deref()), (Some("200"), Some("400")));
    assert_eq!(sell(&bench, &band, 20).as_deref(), Some("till.not_enough"), "more than there is anywhere");
    assert!(said(&bench).is_empty(), "nobody is asked while the hub is not heard");
}

#[test]
fn what_was_put_on_under_the_limit_and_sold_elsewhere_pays_nothing_here_though_it_was_not_given_back_yet() {
    let bench = bench();
    let (band, other) = (bench.uid_band(1), bench.uid_band(2));
    bench.top_up(&band, 800);
    bench.top_up(&other, 800);
    // the hub has heard what others sold
    balance(&bench.station, band.wallet, -800);
    balance(&bench.station, other.wallet, -400);
    assert_eq!(sell(&bench, &band, 1).as_deref(), Some("till.not_enough"));
    assert_eq!((sell(&bench, &other, 1), sell(&bench, &other, 1).as_deref()), (None, Some("till.not_enough")));
    deal(&bench.station, 1, &[]);
    bench.top_up(&band, 800);
    assert_eq!(sell(&bench, &band, 2), None, "what it put on since it takes part is its own");
}

#[test]
fn what_the_hub_dealt_is_spent_and_what_was_given_back_is_not() {
    let bench = bench();
    let band = bench.uid_band(1);
    balance(&bench.station, band.wallet, 3_000);
    deal(&bench.station, 1, &[]);
    deal(&bench.station, 1, &[share(&bench.station, &band, 1_200, 0)]);
    assert_eq!(sell(&bench, &band, 1), None);
    deal(&bench.station, 1, &[share(&bench.station, &band, 1_200, 1_000)]);
    let last = said(&bench).pop().unwrap();
    assert_eq!((last.places, last.released), (800, 800), "what is spent cannot be given back");
    assert_eq!(sell(&bench, &band, 1).as_deref(), Some("till.held_elsewhere_unheard"));
    let written = said(&bench).len();
    answer(&bench.station).unwrap();
    assert_eq!(said(&bench).len(), written, "once");
}

#[test]
fn while_the_hub_is_heard_the_till_asks_and_the_guest_is_served_once_the_share_comes() {
    let bench = bench();
    let band = bench.uid_band(1);
    balance(&bench.station, band.wallet, 3_000);
    deal(&bench.station, 1, &[]);
    bench.station.hub_is(true);
    let station = Arc::clone(&bench.station);
    let granted = share(&station, &band, 400, 0);
    let hub = thread::spawn(move || {
        let deadline = Instant::now() + Duration::from_secs(20);
        let asked = loop {
            if let Some((wallet, said)) = told(&station).pop().filter(|(_, said)| said.needs > 0) {
                break (said.needs, wallet);
            }
            assert!(Instant::now() < deadline, "the till asks for nothing");
            thread::yield_now();
        };
        deal(&station, 1, &[granted]);
        asked
    });
    assert_eq!(sell(&bench, &band, 1), None);
    assert_eq!(hub.join().unwrap(), (400, band.wallet));
}

#[test]
fn a_till_that_is_cancelled_while_it_waits_charges_nothing() {
    let bench = bench();
    let band = bench.uid_band(1);
    balance(&bench.station, band.wallet, 3_000);
    deal(&bench.station, 1, &[]);
    bench.station.hub_is(true);
    let station = Arc::clone(&bench.station);
    let granted = share(&station, &band, 400, 0);
    let hub = thread::spawn(move || {
        let deadline = Instant::now() + Duration::from_secs(20);
        while station.store.read(|view| view.shares_told_in()).unwrap() == 0 || station.desk.waiting().is_none() {
            assert!(Instant::now() < deadline);
            thread::yield_now();
        }
        station.desk.cancel();
        deal(&station, 1, &[granted]);
    });
    bench.tap(sale(&bench, 1), &band);
    hub.join().unwrap();
    assert!(bench.entries(Kind::SALE).is_empty());
}

#[test]
fn a_box_says_all_that_it_holds_once_in_each_term_of_the_hub() {
    let bench = bench();
    let (one, other) = (bench.uid_band(1), bench.uid_band(2));
    bench.top_up(&one, 700);
    deal(&bench.station, 1, &[]);
    let first = said(&bench);
    assert_eq!(first.len(), 2, "{first:?}");
    assert_eq!((first[0].places, first[1].places), (700, 0), "put on before it took part: others may have sold it");
    bench.top_up(&other, 500);
    deal(&bench.station, 1, &[share(&bench.station, &one, 300, 0)]);
    assert_eq!(said(&bench).len(), 2);
    // restored from an older copy, the hub knows of no grant
    deal(&bench.station, 2, &[]);
    let second = said(&bench).split_off(2);
    assert_eq!(second.len(), 3, "{second:?}");
    assert!(second.iter().all(|said| said.term == 2 && said.places == 0));
    assert_eq!(second.iter().map(|said| said.granted).max(), Some(300));
    answer(&bench.station).unwrap();
    assert_eq!(said(&bench).len(), 5);
    assert_eq!(sell(&bench, &other, 1), None, "and it keeps what it holds");
}

#[test]
fn what_was_booked_while_nobody_heard_this_box_is_answered_though_nothing_is_left() {
    let bench = bench();
    let band = bench.uid_band(1);
    balance(&bench.station, band.wallet, 3_000);
    deal(&bench.station, 1, &[]);
    deal(&bench.station, 1, &[share(&bench.station, &band, 400, 0)]);
    assert_eq!(sell(&bench, &band, 1), None);
    let before = said(&bench).len();
    let booked = AccountShare { booked: 400, ..share(&bench.station, &band, 400, 0) };
    deal(&bench.station, 1, &[booked]);
    answer(&bench.station).unwrap();
    assert_eq!(said(&bench).len(), before + 1);
}

#[test]
fn a_box_that_was_set_back_does_not_use_the_share_of_its_old_epoch() {
    let bench = bench();
    let band = bench.uid_band(1);
    balance(&bench.station, band.wallet, 3_000);
    bench.top_up(&band, 500);
    deal(&bench.station, 1, &[share(&bench.station, &band, 800, 0)]);
    bench.station.store.open_next_epoch(BoxNumber(13), None).unwrap();
    assert_eq!(sell(&bench, &band, 1).as_deref(), Some("till.held_elsewhere_unheard"));
    bench.top_up(&band, 400);
    assert_eq!(sell(&bench, &band, 1), None);
}

#[test]
fn a_correction_takes_no_more_than_is_held_here() {
    let bench = bench();
    let band = bench.uid_band(1);
    let order = TopUpOrder { amount: cents(900), fee: Cents::ZERO, means: Means::Cash };
    let entry = bench.tap(Purpose::TopUp(order), &band).1.entry;
    deal(&bench.station, 1, &[]);
    let account = Account { balance: 900, ..Account::default() };
    let rule = Rule::of(&bench.station);
    let wallet = band.wallet;
    let judged = bench.station.store.read(move |view| rule.may_take_off(view, &wallet, &account, cents(100))).unwrap();
    assert!(matches!(judged, Err(TillRefusal::HeldElsewhere { .. })), "{entry}: given back when it took part");
}

#[test]
fn under_the_limit_nothing_is_asked_and_nothing_is_said() {
    let bench = Bench::new();
    let band = bench.uid_band(1);
    bench.top_up(&band, 1_000);
    deal(&bench.station, 1, &[share(&bench.station, &band, 300, 200)]);
    assert_eq!(sell(&bench, &band, 2), None);
    assert!(said(&bench).is_empty());
}
