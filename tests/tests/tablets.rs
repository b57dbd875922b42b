//! Tablets of a bar and of a desk in Chromium, over real boxes that lose their power, and guests who hold their bands there.
//! Invariant: what a guest pays is read from the box's journal and from the chip, what staff know from the screen alone.
use std::{path::Path, time::Duration};

use evening::{
    chance::Chance,
    guest::Guest,
    ticket::Paper,
    visitor::{self, Visitor},
    world::{
        BAR, DESK, World,
        counter::{Request, Tapped, fault},
        place::{Place, Post},
        wait::until,
    },
};
use hardware::signal::Signal;
use serde_json::{Value, json};

use crate::t;

const SOON: Duration = Duration::from_secs(30);
/// A green panel is gone by itself within this time.
const GONE_WITHIN: Duration = Duration::from_secs(10);
const EMPTY: &str = "#lines .empty";

/// A bar and a desk, one tablet, and a guest with 50.00 on a band.
struct Tablet {
    world: World,
    visitor: Visitor,
    guest: Guest,
}

impl Tablet {
    /// `None` where there is no browser.
    async fn at_hand() -> Option<Self> {
        if !visitor::is_possible() {
            eprintln!("SKIPPED: chromedriver is not installed (tests/run installs it); NO SCREEN WAS LOOKED AT");
            return None;
        }
        let world = World::of(&[BAR, DESK]).await.unwrap();
        let paper = Paper { text: String::new(), refused_with: None, id: None };
        let mut guest = Guest::new(1, paper, world.supplier.purse(1).unwrap());
        let id = Chance::new(5).request_id();
        let desk = world.place(DESK.name).unwrap();
        let topped = desk.tap_until_over(&mut guest, &Request::TopUp(5_000), &id, Vec::new()).await.unwrap();
        assert!(matches!(topped, Tapped::Green(_)), "{topped:?}");
        let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screens");
        let visitor = Visitor::come(pictures).await.unwrap();
        Some(Self { world, visitor, guest })
    }

    fn place(&self, post: Post) -> &Place {
        self.world.place(post.name).unwrap()
    }

    /// Opens a page of a box, with the key on its label.
    async fn opens(&self, post: Post, page: &str) {
        let api = &self.place(post).api;
        self.visitor.open(&format!("{}?key={}", api.url("/"), api.bearer())).await.unwrap();
        self.visitor.sees("#roles .role", "").await.unwrap();
        self.visitor.open(&api.url(&format!("/{page}?lang=en"))).await.unwrap();
        self.visitor.sees("status-bar", post.name).await.unwrap();
    }

    async fn presses(&self, element: &str) {
        self.visitor.presses(element).await.unwrap();
    }

    /// The headline over the whole screen.
    async fn is_told(&self, headline: &str) {
        self.visitor.sees("#tap h1", &t(headline)).await.unwrap();
    }

    /// Orders one of the first thing on the grid.
    async fn orders(&self) {
        self.presses("#products .product").await;
        self.presses("#pay").await;
        self.is_told("phase-waiting_for_band").await;
    }

    fn holds(&self, post: Post, light: Signal) {
        assert_eq!(self.place(post).hold(&self.guest.band.chip, Vec::new()).unwrap(), Some(light), "{}", post.name);
    }

    /// The power goes once so many pages of the band are written, and comes back; a hand that is too slow takes the band
    /// away before this write.
    fn loses_power(&self, post: Post, pages: usize, write: u32) {
        let place = self.place(post);
        let faults = fault(&format!("leave before write {write}")).unwrap();
        let was_green = place.hold_into_power_cut(&self.guest.band.chip, pages, faults).unwrap();
        assert!(!was_green, "it was green before the power went");
        tokio::task::block_in_place(|| place.start()).unwrap();
    }

    async fn price(&self) -> i64 {
        let first = self.place(BAR).view().await.unwrap().till.unwrap().products.remove(0);
        first.price_cents + first.deposit_cents
    }

    /// How many sales the bar booked, and what the band holds.
    async fn sold(&self) -> (u64, i64) {
        let sales = self.place(BAR).view().await.unwrap().till.unwrap().sales;
        (sales, self.on_band(BAR).await)
    }

    /// What the chip holds, looked at where nothing else waits.
    async fn on_band(&self, post: Post) -> i64 {
        let api = &self.place(post).api;
        let id = hex_id();
        let look = json!({ "id": id, "at_desk": post.name == DESK.name });
        api.post::<Value>("/api/band/look", &look).await.unwrap();
        self.holds(post, Signal::Ok);
        let told: Value = api.post("/api/band/look?wait_ms=10000", &look).await.unwrap();
        told["result"]["balance_after_cents"].as_i64().unwrap()
    }
}

fn hex_id() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{:032x}", NEXT.fetch_add(1, Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_order_that_a_power_cut_met_is_paid_once_however_often_pay_is_pressed() {
    let Some(tablet) = Tablet::at_hand().await else { return };
    tablet.opens(BAR, "till.html").await;
    let price = tablet.price().await;
    tablet.orders().await;
    tablet.loses_power(BAR, 2, 5);
    // the box is back and asks nothing: the basket is there, and Pay can be pressed again
    tablet.visitor.sees(".question[data-about='sale']", &t("till-in-doubt-hint")).await.unwrap();
    tablet.visitor.picture("till-en-in-doubt").await.unwrap();
    tablet.presses("#pay").await;
    tablet.is_told("phase-waiting_for_band").await;
    tablet.visitor.sees("#notice", t("till-order-again").split('{').next().unwrap()).await.unwrap();
    tablet.visitor.picture("till-en-again").await.unwrap();
    tablet.holds(BAR, Signal::Ok);
    tablet.is_told("phase-paid").await;
    tablet.visitor.sees(EMPTY, "").await.unwrap();
    assert_eq!(tablet.sold().await, (1, 5_000 - price));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_order_of_which_nobody_will_know_whether_it_was_paid_is_called_so_and_leaves_the_basket() {
    let Some(mut tablet) = Tablet::at_hand().await else { return };
    tablet.opens(BAR, "till.html").await;
    let thing = tablet.place(BAR).view().await.unwrap().till.unwrap().products.remove(0).id;
    tablet.orders().await;
    let faults = fault("leave after write 5").unwrap();
    let light = tablet.place(BAR).hold(&tablet.guest.band.chip, faults).unwrap();
    assert_eq!(light, Some(Signal::TapAgain));
    tablet.is_told("phase-tap_again").await;
    // so much is bought elsewhere that the band no longer tells of the bar's sale
    let mut chance = Chance::new(6);
    for _ in 0..4 {
        let desk = tablet.world.place(DESK.name).unwrap();
        let (bought, id) = (Request::Sale(vec![(thing, 2)], 0), chance.request_id());
        let sold = desk.tap_until_over(&mut tablet.guest, &bought, &id, Vec::new()).await.unwrap();
        assert!(matches!(sold, Tapped::Green(_)), "{sold:?}");
    }
    tablet.holds(BAR, Signal::Warn);
    tablet.is_told("till-not-known").await;
    tablet.visitor.picture("till-en-not-known").await.unwrap();
    tablet.visitor.sees(EMPTY, "").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_paid_when_the_power_went_is_told_at_the_next_press_of_pay_and_not_charged_again() {
    let Some(tablet) = Tablet::at_hand().await else { return };
    tablet.opens(BAR, "till.html").await;
    let price = tablet.price().await;
    tablet.orders().await;
    // the tablet hears nothing of the green light
    let bar = tablet.place(BAR);
    tablet.visitor.goes_deaf(true).await.unwrap();
    tablet.holds(BAR, Signal::Ok);
    tokio::task::block_in_place(|| bar.kill().and_then(|()| bar.start())).unwrap();
    tablet.visitor.goes_deaf(false).await.unwrap();
    tablet.presses("#pay").await;
    tablet.is_told("phase-paid").await;
    tablet.visitor.picture("till-en-told").await.unwrap();
    tablet.visitor.sees(EMPTY, "").await.unwrap();
    assert_eq!(tablet.sold().await, (1, 5_000 - price));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_top_up_that_a_power_cut_met_is_credited_once_however_often_cash_is_pressed() {
    let Some(tablet) = Tablet::at_hand().await else { return };
    tablet.opens(DESK, "top_up.html").await;
    tablet.presses("#quick button:nth-child(3)").await;
    tablet.presses("#pay").await;
    tablet.is_told("phase-waiting_for_band").await;
    // its credit is on the band already, the record of what was spent is not
    tablet.loses_power(DESK, 19, 24);
    tablet.presses("#pay").await;
    tablet.is_told("phase-waiting_for_band").await;
    tablet.holds(DESK, Signal::Ok);
    tablet.is_told("top_up-paid").await;
    tablet.visitor.sees("#to-pay", "€0.00").await.unwrap();
    let today = tablet.place(DESK).view().await.unwrap().top_up.unwrap().today_cents;
    assert_eq!((today, tablet.on_band(DESK).await), (7_000, 7_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_added_after_pay_was_pressed_stays_in_the_basket_and_only_that_is_charged_next() {
    let Some(tablet) = Tablet::at_hand().await else { return };
    tablet.opens(BAR, "till.html").await;
    let price = tablet.price().await;
    tablet.orders().await;
    tablet.presses("#products .product").await;
    tablet.holds(BAR, Signal::Ok);
    tablet.is_told("phase-paid").await;
    tablet.visitor.sees("#lines .steps b", "1").await.unwrap();
    tablet.presses("#tap [data-focus='close']").await;
    tablet.presses("#pay").await;
    tablet.is_told("phase-waiting_for_band").await;
    tablet.holds(BAR, Signal::Ok);
    tablet.is_told("phase-paid").await;
    tablet.visitor.sees(EMPTY, "").await.unwrap();
    assert_eq!(tablet.sold().await, (2, 5_000 - 2 * price));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_voucher_that_is_scanned_while_an_order_waits_for_its_band_is_for_the_next_one() {
    let Some(tablet) = Tablet::at_hand().await else { return };
    let (hub, bar) = (&tablet.world.hub, tablet.place(BAR));
    let beer = bar.view().await.unwrap().till.unwrap().products.remove(0).id;
    let category = json!({ "number": 70, "name_fr": "Bon", "name_en": "Voucher", "voucher_product": beer });
    let _: Value = hub.api.post("/api/categories", &category).await.unwrap();
    let issued = hub.issue(&json!({ "category": 70, "holder": "" })).await.unwrap();
    let paper = Paper { text: issued.text, refused_with: None, id: Some(issued.id) };
    tablet.world.wait_for_bundle(SOON).await.unwrap();
    tablet.opens(BAR, "till.html").await;
    tablet.orders().await;
    tokio::task::block_in_place(|| bar.eye().show(&paper.png().unwrap())).unwrap();
    let is_read = async || Ok(bar.view().await?.shop.and_then(|shop| shop.scanned).map(drop));
    until("the bar has read the voucher", SOON, is_read).await.unwrap();
    tablet.holds(BAR, Signal::Ok);
    tablet.is_told("phase-paid").await;
    let line = t("till-voucher-line");
    tablet.visitor.sees("#lines .label", line.split('{').next().unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_green_panel_goes_by_itself() {
    let Some(tablet) = Tablet::at_hand().await else { return };
    tablet.opens(BAR, "till.html").await;
    tablet.orders().await;
    tablet.holds(BAR, Signal::Ok);
    tablet.is_told("phase-paid").await;
    tablet.visitor.loses("#tap", GONE_WITHIN).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_desk_asks_whether_the_cash_of_a_refund_was_handed_over_and_owes_it_where_it_was_not() {
    let Some(mut tablet) = Tablet::at_hand().await else { return };
    let id = hex_id();
    let desk = tablet.world.place(DESK.name).unwrap();
    let refunded = desk.tap_until_over(&mut tablet.guest, &Request::Refund, &id, Vec::new()).await.unwrap();
    assert!(matches!(refunded, Tapped::Green(_)), "{refunded:?}");
    tokio::task::block_in_place(|| desk.kill().and_then(|()| desk.start())).unwrap();
    tablet.opens(DESK, "top_up.html").await;
    let question = ".question[data-about='refund']";
    tablet.visitor.sees(question, "€50.00").await.unwrap();
    tablet.visitor.sees(question, &t("question-refund")).await.unwrap();
    tablet.visitor.picture("top-up-en-question").await.unwrap();
    tablet.presses(&format!("{question} [data-focus^='no-']")).await;
    tablet.visitor.misses(question).await.unwrap();
    let is_owed = async || {
        let totals: Value = tablet.world.hub.api.get("/api/totals").await?;
        Ok((totals["pending_credit_cents"] == json!(5_000)).then_some(()))
    };
    until("the guest is owed the cash", SOON, is_owed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_desk_names_what_it_has_done_with_a_band_and_calls_money_that_it_paid_back_so() {
    let Some(tablet) = Tablet::at_hand().await else { return };
    tablet.opens(DESK, "top_up.html").await;
    for (button, headline) in [("#look", "top_up-looked"), ("#refund", "top_up-refunded")] {
        tablet.presses(button).await;
        tablet.is_told("phase-waiting_for_band").await;
        tablet.holds(DESK, Signal::Ok);
        tablet.is_told(headline).await;
        tablet.visitor.loses("#tap", GONE_WITHIN).await.unwrap();
    }
    tablet.presses("#refund").await;
    tablet.is_told("phase-waiting_for_band").await;
    // nothing is left on the band
    tablet.holds(DESK, Signal::Refuse);
    tablet.is_told("top_up-not-refunded").await;
    tablet.visitor.picture("top-up-en-refunded").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_correction_at_the_desk_charges_is_asked_for_on_the_desks_screen() {
    let Some(mut tablet) = Tablet::at_hand().await else { return };
    let desk = tablet.world.place(DESK.name).unwrap();
    let (order, id) = (Request::Sale(vec![(1, 1)], 0), hex_id());
    let tapped = desk.tap_until_over(&mut tablet.guest, &order, &id, Vec::new()).await.unwrap();
    let Tapped::Green(sold) = tapped else { panic!("it is not sold") };
    tablet.opens(DESK, "top_up.html").await;
    tablet.presses("#correct").await;
    tablet.presses("#dialog .row").await;
    tablet.presses("#dialog .choices button:nth-child(2)").await;
    tablet.presses("#dialog .big").await;
    tablet.presses("#dialog .choices button").await;
    tablet.is_told("phase-waiting_for_band").await;
    tablet.visitor.sees("#notice", &t("till-correct-hold")).await.unwrap();
    tablet.visitor.picture("top-up-en-charge").await.unwrap();
    tablet.holds(DESK, Signal::Ok);
    tablet.is_told("phase-paid").await;
    tablet.visitor.sees("#tap .sums", &t("till-charged")).await.unwrap();
    assert_eq!(tablet.on_band(DESK).await, 5_000 - 2 * sold.charged_cents);
}
