//! From what a bartender posts to a sale that waits for its band: prices in force, vouchers, goods for nothing.
//! Invariant: nothing is priced that the rules refuse; what the screen showed is what is charged, or it is asked again. An
//! order in doubt is never priced anew.
//! Not here: the prices' rules (`domain::till`), the tap (`tapping`).
use std::sync::PoisonError;

use domain::{
    catalogue::Catalogue,
    id::EntryRef,
    journal::{Detail, Effect, Entry, Intent, IntentPurpose, Kind, VoucherTaken, VoucherUse},
    money::{Cents, Currency},
    staff::StaffRoles,
    till::{Basket, BasketLine, PriceList, Priced, TillRefusal, judge_voucher, price},
    time::Hlc,
};
use screens::{post, view::ScannedVoucher};

use crate::{refusal::NotDone, station::Station, tap_desk::RequestId};
use box_store::Decision;

/// A sale that may wait for its band.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Goods and price.
    pub priced: Priced,
    /// A supervisor stands by: unfinished taps in a row do not stop it.
    pub supervised: bool,
}

impl Order {
    /// Vouchers paid for all of it, and no cup goes out: no band is needed.
    pub(crate) fn needs_no_band(&self) -> bool {
        let sale = &self.priced.sale;
        let only_vouchers = sale.lines.len() == sale.marks.vouchers.len() && !sale.lines.is_empty();
        only_vouchers && self.priced.amount == Cents::ZERO && sale.deposit_back == Cents::ZERO
    }
}

/// Prices what was posted. Blocks for a signature check and, with a PIN, for its hash.
pub(crate) fn order(station: &Station, asked: &post::Sale) -> Result<Order, NotDone> {
    station.may(StaffRoles::BAR)?;
    station.journal_is_open()?;
    let (rules, loaded) = (station.rules(), station.bundle());
    let policy = &loaded.bundle.body.policy;
    let line = |line: &post::SaleLine| BasketLine { product: line.product, quantity: line.quantity, free: line.free };
    let mut basket = Basket {
        lines: asked.lines.iter().map(line).collect(),
        cups_back: asked.cups_back,
        vouchers: Vec::new(),
        age_checked: asked.age_checked,
        free_reason: asked.free_reason.clone(),
    };
    for text in &asked.vouchers {
        let voucher = voucher(station, text)?;
        if basket.vouchers.iter().any(|other| other.ticket == voucher.ticket) {
            return Err(TillRefusal::VoucherUsed { place: String::new(), at_unix_ms: 0 }.into());
        }
        basket.vouchers.push(voucher);
    }
    if let Some(reason) = basket.free_reason.as_deref().filter(|_| basket.lines.iter().any(|line| line.free)) {
        station.known_reason(reason)?;
    }
    let by = |catalogue: &Catalogue| {
        let (cup_deposit, time_uncertainty_s) = (policy.cup_deposit, policy.time_uncertainty_s);
        price(&basket, &PriceList { catalogue, cup_deposit, now: station.trusted_time(), time_uncertainty_s })
    };
    let asked_under = asked.price_revision.map(|revision| station.catalogue_at(revision));
    let mut priced = match asked_under {
        Some(Some(catalogue)) => by(&catalogue)?,
        Some(None) => return Err(TillRefusal::PriceChanged(by(&rules.catalogue)?.amount).into()),
        None => by(&rules.catalogue)?,
    };
    if asked.total_cents.is_some_and(|total| total != priced.total()) {
        return Err(TillRefusal::PriceChanged(priced.amount).into());
    }
    let mut supervisor = 0;
    if let Some(given) = &mut priced.sale.marks.given {
        supervisor = station.within_quota(given.value, asked.supervisor.as_ref())?;
        given.supervisor = supervisor;
    }
    if let (0, Some(pin)) = (supervisor, &asked.supervisor) {
        supervisor = station.confirm_supervisor(pin.number, &pin.pin)?.number;
    }
    Ok(Order { priced, supervised: supervisor != 0 })
}

/// An order whose tap is in doubt, asked for again: as its intent has it, whatever prices and clock say by now. Blocks for
/// the hash of a PIN, if there is one.
pub(crate) fn order_in_doubt(station: &Station, asked: &post::Sale, intent: EntryRef) -> Result<Order, NotDone> {
    station.may(StaffRoles::BAR)?;
    station.journal_is_open()?;
    let begun = station.store.read(move |view| view.entry(intent))?;
    let priced = begun.and_then(begun_as).filter(|priced| is_same(asked, priced));
    let priced = priced.ok_or(NotDone::Code("till.other_content"))?;
    if let Some(pin) = &asked.supervisor {
        station.confirm_supervisor(pin.number, &pin.pin)?;
    }
    Ok(Order { priced, supervised: asked.supervisor.is_some() })
}

/// The sale that an intent was written for.
fn begun_as(intent: Entry) -> Option<Priced> {
    let Ok(Detail::Intent(Intent { purpose: IntentPurpose::Sale, sale: Some(sale), .. })) = Detail::of(&intent) else {
        return None;
    };
    Some(Priced { sale, amount: intent.amount, owed: Cents::ZERO, price_revision: intent.price_revision })
}

/// Whether that sale is what is asked for: the same goods, at the total that the screen showed.
fn is_same(asked: &post::Sale, begun: &Priced) -> bool {
    let (sale, marks) = (&begun.sale, &begun.sale.marks);
    let goods = asked.lines.iter().map(|line| (line.product, line.quantity));
    // those of vouchers come behind them
    let sold = sale.lines.iter().map(|line| (line.product, line.quantity)).take(asked.lines.len());
    let is_given = asked.lines.iter().any(|line| line.free);
    goods.eq(sold)
        && sale.lines.len() == asked.lines.len().saturating_add(asked.vouchers.len())
        && marks.vouchers.len() == asked.vouchers.len()
        && marks.given.is_some() == is_given
        && marks.corrects.is_none()
        && (asked.cups_back > 0 || sale.deposit_back == Cents::ZERO)
        && asked.total_cents.is_none_or(|total| total == begun.total())
}

impl Station {
    /// Whether a text reads as a genuine ticket of a category of vouchers, used or not.
    pub(crate) fn is_voucher(&self, text: &str) -> bool {
        let loaded = self.bundle();
        let category = match loaded.verifier.read(text).map(|ticket| ticket.product) {
            Ok(domain::ticket::Product::Category(number)) => loaded.bundle.category(number),
            Ok(domain::ticket::Product::Pretix { .. }) | Err(_) => None,
        };
        category.is_some_and(|category| category.voucher_product.is_some())
    }
}

/// Reads and judges a voucher's text.
pub(crate) fn voucher(station: &Station, text: &str) -> Result<VoucherUse, NotDone> {
    let loaded = station.bundle();
    let ticket = loaded.verifier.read(text).map_err(|error| NotDone::Code(error.code()))?;
    let uid = ticket.uid;
    let state = station.store.read(move |view| view.ticket(&uid))?;
    Ok(judge_voucher(&ticket, &state, &loaded.bundle, station.trusted_time())?)
}

/// The till's scanner read something: shown on the till's screen, which puts it into the basket.
pub(crate) fn scanned(station: &Station, text: &str) {
    let at_unix_ms = station.now_ms();
    let read = match voucher(station, text) {
        Ok(voucher) => ScannedVoucher {
            text: text.into(),
            product: voucher.product,
            quantity: voucher.quantity,
            at_unix_ms,
            ..ScannedVoucher::default()
        },
        Err(refusal) => {
            let args = refusal.arguments().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            ScannedVoucher { code: Some(refusal.code().into()), args, at_unix_ms, ..ScannedVoucher::default() }
        }
    };
    *station.scanned.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
    station.changed();
}

/// The entry that marks a voucher as used.
pub(crate) fn voucher_entry(voucher: &VoucherUse, currency: Currency, operator: u32) -> Entry {
    let VoucherUse { ticket, category, product, quantity } = *voucher;
    let part = Detail::Voucher(VoucherTaken { scheme: 1, category, product, quantity }).to_bytes();
    Entry { subject: ticket.into(), operator, part, ..Entry::new(Kind::VOUCHER, Effect::In, currency, Hlc::default()) }
}

/// Whether all vouchers of a sale are still unused, as this box knows it.
pub(crate) fn vouchers_are_unused(view: &box_store::View<'_>, vouchers: &[VoucherUse]) -> Result<(), TillRefusal> {
    match vouchers.iter().map(|voucher| view.ticket(&voucher.ticket)).find(|state| state.uses > 0) {
        Some(used) => {
            let place = format!("#{}", used.first_box.0);
            Err(TillRefusal::VoucherUsed { place, at_unix_ms: used.first_use.unix_ms() })
        }
        None => Ok(()),
    }
}

/// Takes vouchers that pay for everything: no band is needed, and the goods may go over the bar.
pub(crate) fn take_vouchers(station: &Station, request: RequestId, priced: &Priced) -> Result<String, NotDone> {
    if station.is_training() {
        return Err(TillRefusal::Training.into());
    }
    let (currency, operator, alone) = (station.bundle().bundle.currency(), station.operator(), station.is_alone());
    let vouchers = priced.sale.marks.vouchers.clone();
    let committed = station.transact(move |view| {
        if let Err(refusal) = vouchers_are_unused(view, &vouchers) {
            return Decision::nothing(Err(refusal));
        }
        let flagged = |mut entry: Entry| {
            if alone {
                entry.flags = entry.flags.with(domain::journal::Flags::ALONE);
            }
            entry
        };
        let entries = vouchers.iter().map(|voucher| flagged(voucher_entry(voucher, currency, operator))).collect();
        Decision::write(entries, Ok(())).answers(request)
    })?;
    committed.result?;
    station.last_sale.is_another();
    Ok(committed.refs.first().map(ToString::to_string).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use domain::bundle::Category;
    use hardware::signal::Signal;

    use super::*;
    use crate::{
        bench::{Band, Bench, SUPERVISOR, WAITER, cents},
        tap_desk::{Purpose, TopUpOrder},
    };

    /// Vouchers: category 5 for one beer (cup), 6 for two chips.
    fn bench() -> Bench {
        Bench::with_bundle(|body| {
            for (number, product, quantity) in [(5, 1, 1), (6, 2, 2)] {
                let category = body.categories[0].clone();
                let (voucher_product, voucher_quantity) = (Some(product), quantity);
                body.categories.push(Category { number, voucher_product, voucher_quantity, ..category });
            }
        })
    }

    fn sale(lines: &[(u32, u32)]) -> post::Sale {
        let line = |(product, quantity): &(u32, u32)| post::SaleLine {
            product: *product,
            quantity: *quantity,
            ..post::SaleLine::default()
        };
        post::Sale { lines: lines.iter().map(line).collect(), ..post::Sale::default() }
    }

    fn topped_up(bench: &Bench, band: &Band) {
        let order = TopUpOrder { amount: cents(2_000), fee: Cents::ZERO, means: domain::journal::Means::Cash };
        assert_eq!(bench.tap(Purpose::TopUp(order), band).0, Some(Signal::Ok));
    }

    fn code<T: std::fmt::Debug>(refused: Result<T, NotDone>) -> &'static str {
        refused.unwrap_err().code()
    }

    #[test]
    fn a_voucher_gives_its_product_and_the_cup_is_paid_with_the_band() {
        let bench = bench();
        for band in [bench.uid_band(1), bench.purse(2)] {
            topped_up(&bench, &band);
            let number = band.wallet.0[0];
            let asked = post::Sale { vouchers: vec![bench.ticket(number, 5)], ..sale(&[]) };
            let order = order(&bench.station, &asked).unwrap();
            assert!(!order.needs_no_band());
            let (light, result) = bench.tap(Purpose::Sale(order.priced), &band);
            assert_eq!((light, result.charged_cents), (Some(Signal::Ok), 100), "{result:?}");
            assert_eq!(code(self::order(&bench.station, &asked)), "till.voucher_used");
        }
        assert_eq!(bench.entries(Kind::VOUCHER).len(), 2);
    }

    #[test]
    fn a_voucher_for_something_without_a_cup_needs_no_band() {
        let bench = bench();
        let asked = post::Sale { vouchers: vec![bench.ticket(1, 6)], ..sale(&[]) };
        let order = order(&bench.station, &asked).unwrap();
        assert!(order.needs_no_band());
        take_vouchers(&bench.station, [1; 16], &order.priced).unwrap();
        let taken = bench.entries(Kind::VOUCHER).pop().unwrap();
        let part = VoucherTaken { scheme: 1, category: 6, product: 2, quantity: 2 };
        assert_eq!(Detail::of(&taken), Ok(Detail::Voucher(part)));
        assert_eq!(code(take_vouchers(&bench.station, [2; 16], &order.priced)), "till.voucher_used");
    }

    #[test]
    fn after_a_sale_that_vouchers_paid_for_the_one_before_is_not_the_last() {
        let bench = bench();
        let band = bench.uid_band(1);
        topped_up(&bench, &band);
        bench.sell(&band, 2, 1);
        let last = || bench.station.last_sale.undoable(std::time::Instant::now());
        assert!(last().is_some());
        let asked = post::Sale { vouchers: vec![bench.ticket(1, 6)], ..sale(&[]) };
        take_vouchers(&bench.station, [1; 16], &order(&bench.station, &asked).unwrap().priced).unwrap();
        assert_eq!(last(), None);
    }

    #[test]
    fn a_voucher_of_a_torn_tap_is_used_once_the_tap_is_done() {
        let bench = bench();
        let band = bench.purse(1);
        topped_up(&bench, &band);
        let asked = post::Sale { vouchers: vec![bench.ticket(1, 5)], ..sale(&[]) };
        let priced = order(&bench.station, &asked).unwrap().priced;
        let (light, _) = bench.tap_as([1; 16], Purpose::Sale(priced.clone()), &band, "leave after write 5");
        assert_eq!(light, Some(Signal::TapAgain));
        assert_eq!(bench.entries(Kind::VOUCHER), [], "nobody knows yet");
        let (light, _) = bench.tap_as([1; 16], Purpose::Sale(priced), &band, "");
        assert_eq!(light, Some(Signal::Ok));
        assert_eq!(bench.entries(Kind::VOUCHER).len(), 1);
    }

    #[test]
    fn an_entry_ticket_pays_for_nothing_and_one_voucher_does_not_pay_twice_in_a_basket() {
        let bench = bench();
        let entry = post::Sale { vouchers: vec![bench.ticket(1, 1)], ..sale(&[]) };
        assert_eq!(code(order(&bench.station, &entry)), "till.not_a_voucher");
        let twice = post::Sale { vouchers: vec![bench.ticket(1, 6); 2], ..sale(&[]) };
        assert_eq!(code(order(&bench.station, &twice)), "till.voucher_used");
        let forged = post::Sale { vouchers: vec!["FEST1:NOTHING".into()], ..sale(&[]) };
        assert!(code(order(&bench.station, &forged)).starts_with("ticket."));
    }

    #[test]
    fn a_total_or_price_list_that_the_screen_did_not_show_is_asked_again_with_the_new_total() {
        let bench = Bench::new();
        let asked = post::Sale { total_cents: Some(399), ..sale(&[(2, 1)]) };
        let refused = order(&bench.station, &asked);
        assert_eq!(refused, Err(TillRefusal::PriceChanged(cents(400)).into()));
        let asked = post::Sale { price_revision: Some(6), ..sale(&[(2, 1)]) };
        assert_eq!(order(&bench.station, &asked), Err(TillRefusal::PriceChanged(cents(400)).into()));
        let asked = post::Sale { price_revision: Some(7), total_cents: Some(400), ..sale(&[(2, 1)]) };
        assert!(order(&bench.station, &asked).is_ok());
    }

    #[test]
    fn goods_for_nothing_beyond_the_quota_need_a_supervisor() {
        let bench = Bench::with_staff();
        bench.log_in(WAITER);
        let mut asked = sale(&[(2, 6)]);
        asked.lines[0].free = true;
        asked.free_reason = Some("artist".into());
        assert_eq!(code(order(&bench.station, &asked)), "till.correction_quota");
        asked.supervisor = Some(post::Pin { number: SUPERVISOR.0, pin: SUPERVISOR.1.into() });
        let order = order(&bench.station, &asked).unwrap();
        assert_eq!(order.priced.sale.marks.given.unwrap().supervisor, SUPERVISOR.0);
    }

    #[test]
    fn nobody_sells_with_a_staff_list_before_logging_in() {
        let bench = Bench::with_staff();
        assert_eq!(code(order(&bench.station, &sale(&[(2, 1)]))), "staff.not_logged_in");
        bench.log_in(WAITER);
        assert!(order(&bench.station, &sale(&[(2, 1)])).is_ok());
    }
}
