//! What staff answer about a payment whose green light nobody saw, or whose tap is in doubt.
//! Invariant: "handed over: no" on a paid sale owes the guest what of its price was not given back yet, and nothing
//! where the guest gave nothing; on one in doubt it gives the intent up, and the ledger says later what the guest is
//! owed. While a tap is in doubt only a sale's goods are handed over. Nothing is paid back from here.
use box_store::{Decision, View};
use domain::{
    id::EntryRef,
    journal::{Correction, Detail, Effect, Entry, IntentPurpose, Kind},
    money::Cents,
    staff::{StaffRefusal, StaffRoles},
    till::left_to_correct,
    time::Hlc,
};
use screens::post;

use crate::{refusal::NotDone, station::Station};

/// Records the answer for `entry`: a commit shown as "paid, hand over?" after a reboot, or an intent in doubt.
/// Serving on "tap again" takes the PIN of who is logged in or of a supervisor, where there is a staff list, and counts
/// against the quota; above it only a supervisor's will do.
pub(crate) fn answer(
    station: &Station,
    entry: EntryRef,
    handed_over: bool,
    pin: Option<&post::Pin>,
) -> Result<(), NotDone> {
    station.may_handle_money()?;
    let asked = station.store.read(move |view| view.all_open_intents().into_iter().find(|open| open.at == entry))?;
    // cash, or money on the band, is not given out before it is known what the tap did: the next one would give it again
    if handed_over && asked.as_ref().is_some_and(|open| !is_sale(&open.entry)) {
        return Err(NotDone::Code("till.not_goods"));
    }
    let supervisor = match asked.filter(|open| handed_over && !open.handed_over) {
        Some(open) => confirmed(station, open.entry.amount, pin)?,
        None => 0,
    };
    write(station, entry, handed_over, supervisor).map_err(NotDone::Code)
}

/// Whose word it is beside the operator's: 0 within the quota.
fn confirmed(station: &Station, amount: Cents, pin: Option<&post::Pin>) -> Result<u32, NotDone> {
    if !station.has_staff() {
        return station.within_quota(amount, None);
    }
    let pin = pin.ok_or(NotDone::Staff(StaffRefusal::WrongPin))?;
    let person = station.person(pin.number, &pin.pin)?;
    if person.roles.has(StaffRoles::SUPERVISOR) {
        return Ok(person.number);
    }
    if person.number != station.operator() {
        return Err(StaffRefusal::NotSupervisor.into());
    }
    station.within_quota(amount, None)
}

fn write(station: &Station, entry: EntryRef, handed_over: bool, supervisor: u32) -> Result<(), &'static str> {
    let currency = station.bundle().bundle.currency();
    let (operator, device) = (station.operator(), station.device());
    if entry.device != device {
        return Err("till.unknown_entry");
    }
    let Some(between_taps) = station.desk.between_taps() else { return Err("till.busy") };
    // its light was seen: nobody asks
    if station.seen_green().contains(&entry) {
        return Err("till.unknown_entry");
    }
    let committed = station.transact(move |view| {
        let unconfirmed = view.unconfirmed().contains(&entry);
        let open = view.all_open_intents().into_iter().find(|open| open.at == entry);
        let in_doubt = open.is_some();
        let Some(asked) = view.entry(entry).filter(|_| unconfirmed || in_doubt) else {
            return Decision::nothing(Err("till.unknown_entry"));
        };
        let reply = |kind, effect| {
            let mut reply = Entry::new(kind, effect, currency, Hlc::default());
            (reply.subject, reply.amount, reply.operator, reply.refers_to) =
                (asked.subject, asked.amount, operator, Some(entry));
            reply
        };
        let entries = match (in_doubt, handed_over) {
            (true, true) if open.is_some_and(|open| open.handed_over) => Vec::new(), // said before
            (true, true) => {
                let part = Detail::Correction(Correction { supervisor, reason: "served".into() }).to_bytes();
                vec![Entry { part, ..reply(Kind::HANDED_OVER, Effect::None) }]
            }
            // the guest is gone without the goods: this box never writes or serves it again, the ledger settles it
            (true, false) => vec![reply(Kind::GAVE_UP, Effect::None)],
            (false, true) => Vec::new(),
            (false, false) => {
                let owes = |amount| Entry { amount, ..reply(Kind::PENDING_CREDIT, Effect::Owe) };
                not_given(view, entry, &asked).map(owes).into_iter().collect()
            }
        };
        let decision = Decision::write(entries, Ok(()));
        if unconfirmed { decision.confirming([entry]) } else { decision }
    });
    // either way this order is over: the next tap of the band settles it, and asks for nothing new
    if station.desk.waiting().is_some_and(|waiting| waiting.retry_of == Some(entry)) {
        station.desk.cancel_between(&between_taps);
    }
    station.changed();
    match committed {
        Ok(committed) => committed.result,
        Err(error) => Err(error.code()),
    }
}

fn is_sale(intent: &Entry) -> bool {
    matches!(Detail::of(intent), Ok(Detail::Intent(intent)) if intent.purpose == IntentPurpose::Sale)
}

/// What a guest is owed who got nothing for it: what is left of a sale's price, or the cash of a refund or of a payout.
fn not_given(view: &View<'_>, at: EntryRef, asked: &Entry) -> Option<Cents> {
    let owed = match asked.kind {
        Kind::SALE | Kind::DEPOSIT_OUT => left_to_correct(asked, view.corrected(at)).ok()?,
        Kind::REFUND if matches!(asked.effect, Effect::Debit | Effect::Repay) => asked.amount,
        _ => Cents::ZERO,
    };
    Some(owed).filter(|owed| *owed > Cents::ZERO)
}

#[cfg(test)]
mod tests {
    use domain::{
        journal::Means,
        till::{Basket, BasketLine},
    };
    use hardware::signal::Signal;

    use super::*;
    use crate::{
        bench::{Band, Bench, SUPERVISOR, WAITER, cents},
        correction::{self, Ask},
        station::fresh_id,
        tap_desk::{Purpose, TopUpOrder},
    };

    #[test]
    fn cash_is_not_handed_over_while_the_tap_that_pays_it_out_is_in_doubt() {
        let bench = Bench::new();
        let band = bench.purse(1);
        let order = || Purpose::TopUp(TopUpOrder { amount: cents(1_000), fee: cents(0), means: Means::Cash });
        bench.top_up(&band, 2_000);
        for (id, purpose, fault) in
            [([5; 16], Purpose::Refund, "leave after write 5"), ([6; 16], order(), "leave after write 19")]
        {
            let (_, torn) = bench.tap_as(id, purpose, &band, fault);
            let doubt = crate::station::entry_ref(&torn.entry).unwrap();
            assert_eq!(answer(&bench.station, doubt, true, None), Err(NotDone::Code("till.not_goods")));
            assert_eq!(bench.hold(&band, ""), Some(Signal::Ok));
        }
        assert!(bench.entries(Kind::HANDED_OVER).is_empty());
        assert_eq!(bench.balances(&band), (1_000, 1_000), "paid out once, and topped up once");
    }

    /// A sale of `quantity` chips that is in doubt.
    fn in_doubt(bench: &Bench, quantity: u32) -> EntryRef {
        let band = bench.purse(1);
        let order = TopUpOrder { amount: cents(9_000), fee: cents(0), means: Means::Cash };
        assert_eq!(bench.tap(Purpose::TopUp(order), &band).0, Some(Signal::Ok));
        let lines = vec![BasketLine { product: 2, quantity, free: false }];
        let priced = bench.priced(&Basket { lines, ..Basket::default() });
        let (light, result) = bench.tap_as([5; 16], Purpose::Sale(priced), &band, "leave after write 5");
        assert_eq!(light, Some(Signal::TapAgain));
        crate::station::entry_ref(&result.entry).unwrap()
    }

    fn pin(who: (u32, &str)) -> post::Pin {
        post::Pin { number: who.0, pin: who.1.into() }
    }

    #[test]
    fn serving_on_tap_again_takes_the_pin_of_who_is_logged_in() {
        let bench = Bench::with_staff();
        bench.log_in(WAITER);
        let doubt = in_doubt(&bench, 1);
        assert_eq!(answer(&bench.station, doubt, true, None), Err(StaffRefusal::WrongPin.into()));
        answer(&bench.station, doubt, true, Some(&pin(WAITER))).unwrap();
        assert_eq!(bench.entries(Kind::HANDED_OVER).len(), 1);
    }

    #[test]
    fn goods_that_were_served_in_doubt_are_not_asked_about_again_and_their_price_is_not_given_back() {
        let bench = Bench::new();
        let band = bench.purse(1);
        bench.top_up(&band, 2_000);
        let chips = |quantity| {
            let lines = vec![BasketLine { product: 2, quantity, free: false }];
            Purpose::Sale(bench.priced(&Basket { lines, ..Basket::default() }))
        };
        let (_, torn) = bench.tap_as([5; 16], chips(2), &band, "leave after write 5");
        answer(&bench.station, crate::station::entry_ref(&torn.entry).unwrap(), true, None).unwrap();
        assert_eq!(bench.tap(chips(1), &band).0, Some(Signal::Ok));
        let bench = bench.restarted();
        let paid = bench.station.store.read(|view| view.last_sales(2)).unwrap();
        assert_eq!(paid.iter().map(|(_, sale)| sale.amount.get()).collect::<Vec<_>>(), [400, 800]);
        assert_eq!(owed(&bench, &band, paid[1].0), (0, false));
        assert_eq!(answer(&bench.station, paid[1].0, false, None), Err(NotDone::Code("till.unknown_entry")));
        assert_eq!(owed(&bench, &band, paid[1].0), (0, false));
    }

    #[test]
    fn serving_on_tap_again_beyond_the_quota_takes_a_supervisor() {
        let bench = Bench::with_staff();
        bench.log_in(WAITER);
        let doubt = in_doubt(&bench, 6);
        let refused = answer(&bench.station, doubt, true, Some(&pin(WAITER))).unwrap_err();
        assert_eq!(refused.code(), "till.correction_quota");
        answer(&bench.station, doubt, true, Some(&pin(SUPERVISOR))).unwrap();
        let part = Correction { supervisor: SUPERVISOR.0, reason: "served".into() };
        let entry = bench.entries(Kind::HANDED_OVER).pop().unwrap();
        assert_eq!((entry.operator, Detail::of(&entry)), (WAITER.0, Ok(Detail::Correction(part))));
    }

    /// A band with 10.00, and what was sold to it last: chips at 4.00 less so many cups at 1.00.
    fn sold(bench: &Bench, cups_back: u32) -> (Band, EntryRef) {
        let band = bench.purse(1);
        bench.top_up(&band, 1_000);
        let lines = vec![BasketLine { product: 2, quantity: 1, free: false }];
        let priced = bench.priced(&Basket { lines, cups_back, ..Basket::default() });
        let (light, result) = bench.tap(Purpose::Sale(priced), &band);
        assert_eq!(light, Some(Signal::Ok));
        (band, crate::station::entry_ref(&result.entry).unwrap())
    }

    /// What the guest is owed, and whether this box asks about the entry.
    fn owed(bench: &Bench, band: &Band, entry: EntryRef) -> (i64, bool) {
        let wallet = band.wallet;
        let read = bench.station.store.read(move |view| (view.wallet(&wallet).pending, view.unconfirmed()));
        let (pending, asked) = read.unwrap();
        (i64::from(pending), asked.contains(&entry))
    }

    fn correct(bench: &Bench, entry: EntryRef, amount: u32) {
        let (request, amount, favour) = (fresh_id(), Some(cents(amount)), domain::till::Favour::Guest);
        let ask = Ask { request, entry, amount, favour, reason: "wrong_price".into() };
        correction::correct(&bench.station, &ask, None).unwrap();
    }

    #[test]
    fn goods_that_were_paid_and_not_handed_over_are_owed_once_whatever_was_given_back_before() {
        for given_back in [0, 150, 400] {
            let bench = Bench::new();
            let (band, sale) = sold(&bench, 0);
            let bench = bench.restarted();
            if given_back > 0 {
                correct(&bench, sale, given_back);
            }
            assert_eq!(owed(&bench, &band, sale), (i64::from(given_back), true));
            answer(&bench.station, sale, false, None).unwrap();
            assert_eq!(owed(&bench, &band, sale), (400, false), "after {given_back} were given back");
            assert_eq!(answer(&bench.station, sale, false, None), Err(NotDone::Code("till.unknown_entry")));
        }
    }

    #[test]
    fn a_guest_who_was_given_something_is_owed_no_more_for_goods_that_were_not_handed_over() {
        let bench = Bench::new();
        let (band, sale) = sold(&bench, 6);
        let bench = bench.restarted();
        assert_eq!(owed(&bench, &band, sale), (200, true));
        answer(&bench.station, sale, false, None).unwrap();
        assert_eq!(owed(&bench, &band, sale), (200, false));
    }

    #[test]
    fn a_top_up_of_which_nobody_saw_the_light_owes_nothing_beside_what_is_on_the_band() {
        let bench = Bench::new();
        let band = bench.purse(1);
        bench.top_up(&band, 2_000);
        let bench = bench.restarted();
        let top_up = bench.station.store.read(|view| view.unconfirmed()).unwrap().pop().unwrap();
        answer(&bench.station, top_up, false, None).unwrap();
        assert_eq!(owed(&bench, &band, top_up), (0, false));
    }

    #[test]
    fn a_refund_whose_cash_was_not_handed_over_is_owed() {
        let bench = Bench::new();
        let (band, _) = sold(&bench, 0);
        let (light, result) = bench.tap(Purpose::Refund, &band);
        assert_eq!(light, Some(Signal::Ok));
        let refund = crate::station::entry_ref(&result.entry).unwrap();
        let bench = bench.restarted();
        answer(&bench.station, refund, false, None).unwrap();
        assert_eq!(owed(&bench, &band, refund), (600, false));
    }

    #[test]
    fn cash_that_was_not_handed_over_is_in_the_drawer_until_it_is_paid_out() {
        let bench = Bench::new();
        crate::shift::open(&bench.station, cents(10_000), None).unwrap();
        let (band, _) = sold(&bench, 0);
        let in_drawer = |bench: &Bench| bench.station.store.read(crate::shift::drawer).unwrap().unwrap();
        let before = in_drawer(&bench).1.expected;
        assert_eq!(before, 11_000);
        let (_, result) = bench.tap(Purpose::Refund, &band);
        let refund = crate::station::entry_ref(&result.entry).unwrap();
        assert_eq!(in_drawer(&bench).1.expected, before - 600);
        let bench = bench.restarted();
        answer(&bench.station, refund, false, None).unwrap();
        assert_eq!(in_drawer(&bench).1.expected, before);
        assert_eq!(bench.tap(Purpose::PayOut, &band).0, Some(Signal::Ok));
        assert_eq!(in_drawer(&bench).1.expected, before - 600);
    }

    #[test]
    fn a_payout_whose_cash_was_not_handed_over_is_owed_again() {
        let bench = Bench::new();
        let (band, sale) = sold(&bench, 0);
        correct(&bench, sale, 400);
        let (light, result) = bench.tap(Purpose::PayOut, &band);
        assert_eq!((light, result.charged_cents), (Some(Signal::Ok), 400));
        let payout = crate::station::entry_ref(&result.entry).unwrap();
        let bench = bench.restarted();
        assert_eq!(owed(&bench, &band, payout), (0, true));
        assert_eq!(bench.station.store.read(|view| view.unconfirmed()).unwrap(), [payout], "and about nothing else");
        answer(&bench.station, payout, false, None).unwrap();
        assert_eq!(owed(&bench, &band, payout), (400, false));
    }

    #[test]
    fn a_sale_whose_light_was_seen_is_not_booked_back_by_an_answer_that_nobody_asked_for() {
        let bench = Bench::new();
        let (band, sale) = sold(&bench, 0);
        assert_eq!(answer(&bench.station, sale, false, None), Err(NotDone::Code("till.unknown_entry")));
        assert_eq!(owed(&bench, &band, sale).0, 0);
    }
}
