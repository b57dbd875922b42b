//! Corrections at this box: plus and minus entries that name what they correct, the undo of the last sale, and what is
//! owed paid out in cash.
//! Invariant: all corrections of an entry together never exceed its amount; above the quota a supervisor confirms; the
//! same request books once.
//! Not here: the rules (`domain::till`), the tap that charges a correction to a purse (`tapping`).
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use box_store::{Decision, View};
use domain::{
    id::EntryRef,
    journal::{Correction, Corrects, Detail, Effect, Entry, Kind, Sale, SaleLine, SaleMarks},
    ledger::WalletFlags,
    money::Cents,
    till::{Account, Favour, Priced, TillRefusal, is_code, left_to_correct, may_correct, within_quota},
    time::Hlc,
};
use screens::{post, view::Corrigible};

use crate::{escrow, refusal::NotDone, station::Station, tap_desk::RequestId};

/// How long the last sale can be taken back with one touch. A convenience of the screen: no money rule reads it.
pub(crate) const UNDO: Duration = Duration::from_secs(5 * 60);
/// Reason of a sale taken back with one touch.
const UNDONE: &str = "undone";
/// Entries that the correction dialog offers.
const OFFERED: u32 = 20;

/// Product of a line that charges a correction.
pub(crate) const CORRECTION_LINE: u32 = 0;

/// The last sale, and when by a clock that only runs forward.
#[derive(Default)]
pub(crate) struct LastSale(Mutex<Option<(EntryRef, Instant)>>);

impl LastSale {
    /// A sale just happened.
    pub(crate) fn is(&self, entry: EntryRef, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((entry, now));
    }

    /// The sale that can still be taken back with one touch.
    pub(crate) fn undoable(&self, now: Instant) -> Option<EntryRef> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.filter(|(_, at)| now.saturating_duration_since(*at) < UNDO).map(|(entry, _)| entry)
    }

    /// The sale that just happened cannot be taken back, and the one before is not the last any more.
    pub(crate) fn is_another(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn forget(&self, entry: EntryRef) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take_if(|(last, _)| *last == entry);
    }
}

/// What is to be corrected.
#[derive(Clone)]
pub(crate) struct Ask {
    /// Idempotency key.
    pub request: RequestId,
    /// Which entry of this box.
    pub entry: EntryRef,
    /// By how much; all that is left without it.
    pub amount: Option<Cents>,
    /// In whose favour.
    pub favour: Favour,
    /// Why: a code of the festival's list, where it has one.
    pub reason: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Corrected {
    /// Booked: credited to the account, or owed to the guest.
    Booked {
        /// The correction.
        entry: EntryRef,
        /// How much.
        amount: Cents,
        /// Owed: written to the band later, or paid out at a desk.
        owed: bool,
    },
    /// The money is on the chip: the band must be there to be charged.
    NeedsBand(Box<Priced>),
}

enum Judged {
    Booked(Cents, bool),
    /// By the same request, before.
    BookedBefore(EntryRef, Cents, bool),
    NeedsBand(Cents),
    OtherContent,
}

impl Station {
    /// Whether this reason may be given: one of the festival's list, or any code where there is none.
    pub(crate) fn known_reason(&self, reason: &str) -> Result<(), NotDone> {
        let rules = self.rules();
        let listed = rules.reasons.is_empty() || rules.reasons.iter().any(|known| known.code == reason);
        if is_code(reason) && listed { Ok(()) } else { Err(TillRefusal::ReasonMissing.into()) }
    }

    /// Checks the quota of who is at the till for `amount` more; above it a supervisor's PIN. Gives the supervisor's
    /// number, 0 within the quota.
    pub(crate) fn within_quota(&self, amount: Cents, pin: Option<&post::Pin>) -> Result<u32, NotDone> {
        let (operator, quota) = (self.operator(), self.bundle().bundle.body.policy.correction_quota);
        let used = self.store.read(move |view| view.quota_used(operator))?;
        match within_quota(used, amount, quota) {
            Ok(()) => Ok(0),
            Err(refusal) => match pin {
                Some(pin) => Ok(self.confirm_supervisor(pin.number, &pin.pin)?.number),
                None => Err(refusal.into()),
            },
        }
    }
}

/// Corrects an entry of this box.
pub(crate) fn correct(station: &Station, ask: &Ask, pin: Option<&post::Pin>) -> Result<Corrected, NotDone> {
    station.may_handle_money()?;
    if let Some(corrected) = corrected_before(station, ask)? {
        return Ok(corrected);
    }
    station.journal_is_open()?;
    station.known_reason(&ask.reason)?;
    book(station, ask, pin)
}

/// Takes the sale `entry` back, if it is the last one still, and not too long ago.
pub(crate) fn undo(
    station: &Station,
    request: RequestId,
    entry: EntryRef,
    pin: Option<&post::Pin>,
    now: Instant,
) -> Result<Corrected, NotDone> {
    station.may_handle_money()?;
    let ask = Ask { request, entry, amount: None, favour: Favour::Guest, reason: UNDONE.into() };
    if let Some(undone) = corrected_before(station, &ask)? {
        return Ok(undone);
    }
    station.journal_is_open()?;
    if station.last_sale.undoable(now) != Some(entry) {
        return Err(TillRefusal::NothingToUndo.into());
    }
    let undone = book(station, &ask, pin)?;
    station.last_sale.forget(entry);
    Ok(undone)
}

/// What of a sale or top-up can still be corrected; `None` for anything else, and where nothing is left.
pub(crate) fn left(view: &View<'_>, at: EntryRef) -> Option<Cents> {
    let left = left_to_correct(&view.entry(at)?, view.corrected(at)).ok()?;
    Some(left).filter(|left| *left > Cents::ZERO)
}

fn corrected_before(station: &Station, ask: &Ask) -> Result<Option<Corrected>, NotDone> {
    let again = ask.clone();
    let judged = station.store.read(move |view| before(view, &again))?;
    judged.map(|judged| judged.told(station, ask, 0, None)).transpose()
}

/// What came of the same request before, if it came.
fn before(view: &View<'_>, ask: &Ask) -> Option<Judged> {
    let at = view.answer(&ask.request)?;
    let answer = view.entry(at)?;
    let booked = match ask.favour {
        Favour::Guest => Kind::CORRECTION_PLUS,
        Favour::Festival => Kind::CORRECTION_MINUS,
    };
    let is_amount = ask.amount.is_none_or(|amount| amount == answer.amount);
    Some(match answer.kind {
        kind if kind == booked && is_amount && answer.refers_to == Some(ask.entry) => {
            Judged::BookedBefore(at, answer.amount, answer.effect == Effect::Owe)
        }
        // the tap that charges the band answers for itself
        Kind::INTENT | Kind::SALE if ask.favour == Favour::Festival && is_amount => Judged::NeedsBand(answer.amount),
        _ => Judged::OtherContent,
    })
}

impl Judged {
    /// As it is told; `new`: what was written for it now.
    fn told(self, station: &Station, ask: &Ask, supervisor: u32, new: Option<EntryRef>) -> Result<Corrected, NotDone> {
        match self {
            Self::Booked(amount, owed) => {
                let entry = new.ok_or(NotDone::Code("till.unknown_entry"))?;
                Ok(Corrected::Booked { entry, amount, owed })
            }
            Self::BookedBefore(entry, amount, owed) => Ok(Corrected::Booked { entry, amount, owed }),
            Self::NeedsBand(amount) => {
                let corrects = Some(Corrects { entry: ask.entry, supervisor, reason: ask.reason.clone() });
                let lines = vec![SaleLine { product: CORRECTION_LINE, quantity: 1, unit_price: amount }];
                let sale = Sale { lines, marks: SaleMarks { corrects, ..SaleMarks::default() }, ..Sale::default() };
                let price_revision = station.rules().catalogue.revision;
                Ok(Corrected::NeedsBand(Box::new(Priced { sale, amount, owed: Cents::ZERO, price_revision })))
            }
            Self::OtherContent => Err(NotDone::Code("till.other_content")),
        }
    }
}

fn book(station: &Station, ask: &Ask, pin: Option<&post::Pin>) -> Result<Corrected, NotDone> {
    let entry = ask.entry;
    if entry.device != station.device() {
        return Err(TillRefusal::NotCorrectable.into());
    }
    if station.is_training() {
        return Err(TillRefusal::Training.into());
    }
    let left = station.store.read(move |view| {
        let target = view.entry(entry).ok_or(TillRefusal::NotCorrectable)?;
        left_to_correct(&target, view.corrected(entry))
    })??;
    let amount = ask.amount.unwrap_or(left);
    let supervisor = match ask.favour {
        Favour::Guest => station.within_quota(amount, pin)?,
        Favour::Festival => 0,
    };
    let (favour, reason, operator) = (ask.favour, ask.reason.clone(), station.operator());
    let rule = escrow::Rule::of(station);
    let again = ask.clone();
    let committed = station.transact(move |view| {
        if let Some(judged) = before(view, &again) {
            return Decision::nothing(Ok(judged));
        }
        let Some(target) = view.entry(entry) else {
            return Decision::nothing(Err(TillRefusal::NotCorrectable));
        };
        if let Err(refusal) = may_correct(&target, view.corrected(entry), amount) {
            return Decision::nothing(Err(refusal));
        }
        let purse = has_purse(view, &target);
        let (kind, effect) = match (favour, purse) {
            (Favour::Guest, true) => (Kind::CORRECTION_PLUS, Effect::Owe),
            (Favour::Guest, false) => (Kind::CORRECTION_PLUS, Effect::Credit),
            (Favour::Festival, false) => (Kind::CORRECTION_MINUS, Effect::Debit),
            (Favour::Festival, true) => return Decision::nothing(Ok(Judged::NeedsBand(amount))),
        };
        let state = view.wallet(&target.subject.wallet());
        if state.flags.has(WalletFlags::FROZEN) {
            return Decision::nothing(Err(TillRefusal::Frozen));
        }
        if effect == Effect::Debit && state.balance < amount.as_i64() {
            return Decision::nothing(Err(TillRefusal::NotEnough { balance: state.balance, price: amount }));
        }
        if effect == Effect::Debit {
            let wallet = target.subject.wallet();
            let account = Account { balance: state.balance, ..Account::default() };
            if let Err(refusal) = rule.may_take_off(view, &wallet, &account, amount) {
                return Decision::nothing(Err(refusal));
            }
        }
        let part = Detail::Correction(Correction { supervisor, reason }).to_bytes();
        let correction = Entry {
            subject: target.subject,
            amount,
            operator,
            refers_to: Some(entry),
            part,
            ..Entry::new(kind, effect, target.currency, Hlc::default())
        };
        let booked = Judged::Booked(amount, effect == Effect::Owe);
        Decision::write(vec![correction], Ok(booked)).answers(again.request)
    })?;
    committed.result?.told(station, ask, supervisor, committed.refs.first().copied())
}

/// Whether the entry's money is on a chip: then it committed an intent.
fn has_purse(view: &View<'_>, target: &Entry) -> bool {
    let intent = target.refers_to.and_then(|intent| view.entry(intent));
    intent.is_some_and(|intent| intent.kind == Kind::INTENT)
}

/// What the dialog offers to correct, newest first.
pub(crate) fn corrigible(station: &Station) -> Result<Vec<Corrigible>, NotDone> {
    Ok(station.store.read(|view| {
        let shown = |(at, entry): (EntryRef, Entry)| {
            let left = left_to_correct(&entry, view.corrected(at)).ok()?;
            Some(Corrigible {
                entry: at.to_string(),
                is_top_up: entry.kind == Kind::TOP_UP,
                amount_cents: entry.amount.as_i64(),
                left_cents: left.as_i64(),
                at_unix_ms: entry.hlc.unix_ms(),
                operator: entry.operator,
            })
        };
        view.last_sales(OFFERED).into_iter().filter_map(shown).collect()
    })?)
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
        station::fresh_id,
        tap_desk::{Purpose, TopUpOrder},
    };

    fn top_up(bench: &Bench, band: &Band, amount: u32) -> EntryRef {
        let order = TopUpOrder { amount: cents(amount), fee: Cents::ZERO, means: Means::Cash };
        let (light, result) = bench.tap(Purpose::TopUp(order), band);
        assert_eq!(light, Some(Signal::Ok), "{result:?}");
        crate::station::entry_ref(&result.entry).unwrap()
    }

    /// Sells chips at 4.00 each.
    fn sell(bench: &Bench, band: &Band, quantity: u32) -> EntryRef {
        let lines = vec![BasketLine { product: 2, quantity, free: false }];
        let priced = bench.priced(&Basket { lines, ..Basket::default() });
        let (light, result) = bench.tap(Purpose::Sale(priced), band);
        assert_eq!(light, Some(Signal::Ok), "{result:?}");
        crate::station::entry_ref(&result.entry).unwrap()
    }

    fn ask(entry: EntryRef, amount: u32, favour: Favour) -> Ask {
        Ask { request: fresh_id(), entry, amount: Some(cents(amount)), favour, reason: "wrong_price".into() }
    }

    fn state(bench: &Bench, band: &Band) -> domain::ledger::WalletState {
        let wallet = band.wallet;
        bench.station.store.read(move |view| view.wallet(&wallet)).unwrap()
    }

    #[test]
    fn an_account_is_credited_at_once_and_a_purse_is_owed() {
        let bench = Bench::new();
        let (account, purse) = (bench.uid_band(1), bench.purse(2));
        for band in [&account, &purse] {
            top_up(&bench, band, 2_000);
            let sale = sell(&bench, band, 1);
            correct(&bench.station, &ask(sale, 150, Favour::Guest), None).unwrap();
        }
        let (account, purse) = (state(&bench, &account), state(&bench, &purse));
        assert_eq!((account.balance, account.pending), (1_750, 0));
        assert_eq!((purse.balance, purse.pending), (1_600, 150));
        let entries = bench.entries(Kind::CORRECTION_PLUS);
        assert!(entries.iter().all(|entry| entry.refers_to.is_some()), "each names what it corrects");
    }

    #[test]
    fn corrections_of_one_entry_never_exceed_its_amount() {
        let bench = Bench::new();
        let band = bench.uid_band(1);
        top_up(&bench, &band, 2_000);
        let sale = sell(&bench, &band, 1);
        correct(&bench.station, &ask(sale, 300, Favour::Guest), None).unwrap();
        let refused = correct(&bench.station, &ask(sale, 101, Favour::Guest), None);
        assert_eq!(refused, Err(TillRefusal::CorrectionTooMuch(cents(100)).into()));
        let refused = correct(&bench.station, &ask(sale, 101, Favour::Festival), None);
        assert_eq!(refused, Err(TillRefusal::CorrectionTooMuch(cents(100)).into()));
    }

    #[test]
    fn beyond_the_quota_a_supervisors_pin_is_asked_and_named() {
        let bench = Bench::with_staff();
        bench.log_in(WAITER);
        let band = bench.uid_band(1);
        top_up(&bench, &band, 5_000);
        let sale = sell(&bench, &band, 6);
        correct(&bench.station, &ask(sale, 1_500, Favour::Guest), None).unwrap();
        let refused = correct(&bench.station, &ask(sale, 600, Favour::Guest), None);
        assert_eq!(refused, Err(TillRefusal::CorrectionQuota(cents(500)).into()));
        let word = post::Pin { number: SUPERVISOR.0, pin: SUPERVISOR.1.into() };
        correct(&bench.station, &ask(sale, 600, Favour::Guest), Some(&word)).unwrap();
        let last = bench.entries(Kind::CORRECTION_PLUS).pop().unwrap();
        let part = Correction { supervisor: SUPERVISOR.0, reason: "wrong_price".into() };
        assert_eq!((last.operator, Detail::of(&last)), (WAITER.0, Ok(Detail::Correction(part))));
        correct(&bench.station, &ask(sale, 200, Favour::Guest), None).expect("what was confirmed uses up no quota");
    }

    #[test]
    fn a_new_shift_has_a_new_quota() {
        let bench = Bench::new();
        let band = bench.uid_band(1);
        top_up(&bench, &band, 5_000);
        let sale = sell(&bench, &band, 6);
        correct(&bench.station, &ask(sale, 2_000, Favour::Guest), None).unwrap();
        assert!(correct(&bench.station, &ask(sale, 100, Favour::Guest), None).is_err());
        crate::shift::open(&bench.station, cents(0), None).unwrap();
        correct(&bench.station, &ask(sale, 100, Favour::Guest), None).unwrap();
    }

    #[test]
    fn too_little_charged_is_taken_from_an_account_and_never_more_than_it_has() {
        let bench = Bench::new();
        let band = bench.uid_band(1);
        let order = top_up(&bench, &band, 2_000);
        correct(&bench.station, &ask(order, 500, Favour::Festival), None).unwrap();
        assert_eq!(state(&bench, &band).balance, 1_500);
        sell(&bench, &band, 3);
        let refused = correct(&bench.station, &ask(order, 500, Favour::Festival), None);
        assert_eq!(refused, Err(TillRefusal::NotEnough { balance: 300, price: cents(500) }.into()));
    }

    #[test]
    fn too_little_charged_to_a_purse_is_charged_when_the_band_is_there() {
        let bench = Bench::new();
        let (band, other) = (bench.purse(1), bench.purse(2));
        top_up(&bench, &other, 1_000);
        let order = top_up(&bench, &band, 2_000);
        let Ok(Corrected::NeedsBand(priced)) = correct(&bench.station, &ask(order, 500, Favour::Festival), None) else {
            panic!("a purse is charged with the band");
        };
        let (light, wrong) = bench.tap(Purpose::Sale((*priced).clone()), &other);
        assert_eq!((light, wrong.code.as_deref()), (Some(Signal::Refuse), Some("till.not_this_band")));
        let (light, done) = bench.tap(Purpose::Sale(*priced), &band);
        assert_eq!((light, done.balance_after_cents), (Some(Signal::Ok), Some(1_500)));
        let refused = correct(&bench.station, &ask(order, 1_501, Favour::Festival), None);
        assert_eq!(refused, Err(TillRefusal::CorrectionTooMuch(cents(1_500)).into()), "it counts for the entry");
    }

    #[test]
    fn the_last_sale_is_taken_back_within_five_minutes_and_once() {
        let bench = Bench::new();
        let band = bench.uid_band(1);
        top_up(&bench, &band, 2_000);
        let sale = sell(&bench, &band, 1);
        let now = Instant::now();
        let undo = |now| undo(&bench.station, fresh_id(), sale, None, now);
        assert_eq!(undo(now + UNDO * 2), Err(TillRefusal::NothingToUndo.into()));
        undo(now).unwrap();
        assert_eq!(state(&bench, &band).balance, 2_000);
        assert_eq!(undo(now), Err(TillRefusal::NothingToUndo.into()));
    }

    #[test]
    fn a_sale_that_is_not_the_last_any_more_is_not_taken_back_and_nor_is_the_one_after_it() {
        let bench = Bench::with_staff();
        bench.log_in(WAITER);
        let (first, second) = (bench.uid_band(1), bench.uid_band(2));
        top_up(&bench, &first, 5_000);
        top_up(&bench, &second, 5_000);
        let shown = sell(&bench, &first, 6);
        let undo = |pin| undo(&bench.station, fresh_id(), shown, pin, Instant::now());
        assert_eq!(undo(None), Err(TillRefusal::CorrectionQuota(cents(2_000)).into()), "a PIN is asked for");
        sell(&bench, &second, 1);
        let wrong = post::Pin { number: SUPERVISOR.0, pin: "0000".into() };
        assert_eq!(undo(Some(&wrong)), Err(TillRefusal::NothingToUndo.into()), "before any PIN is looked at");
        assert_eq!((state(&bench, &first).balance, state(&bench, &second).balance), (2_600, 4_600));
    }

    #[test]
    fn the_last_sale_is_offered_with_its_name_and_what_is_left_of_it() {
        let bench = Bench::new();
        let band = bench.uid_band(1);
        top_up(&bench, &band, 2_000);
        let sale = sell(&bench, &band, 1);
        let offered = || {
            let shop = crate::view::of(&bench.station).shop.unwrap();
            shop.undo_entry.zip(shop.undo_cents)
        };
        assert_eq!(offered(), Some((sale.to_string(), 400)));
        correct(&bench.station, &ask(sale, 150, Favour::Guest), None).unwrap();
        assert_eq!(offered(), Some((sale.to_string(), 250)));
        correct(&bench.station, &ask(sale, 250, Favour::Guest), None).unwrap();
        assert_eq!(offered(), None);
    }

    #[test]
    fn after_a_sale_that_gave_the_guest_something_the_one_before_is_not_offered_to_be_taken_back() {
        for purse in [true, false] {
            let bench = Bench::new();
            let (band, other) = (bench.uid_band(1), if purse { bench.purse(2) } else { bench.uid_band(2) });
            top_up(&bench, &band, 2_000);
            top_up(&bench, &other, 2_000);
            let sale = sell(&bench, &band, 1);
            let priced = bench.priced(&Basket { cups_back: 3, ..Basket::default() });
            assert_eq!(bench.tap(Purpose::Sale(priced), &other).0, Some(Signal::Ok));
            assert_eq!(crate::view::of(&bench.station).shop.unwrap().undo_entry, None, "purse: {purse}");
            let undone = undo(&bench.station, fresh_id(), sale, None, Instant::now());
            assert_eq!(undone, Err(TillRefusal::NothingToUndo.into()));
        }
    }

    #[test]
    fn a_correction_that_is_asked_for_again_is_answered_as_before_and_booked_once() {
        let bench = Bench::new();
        let (account, purse) = (bench.uid_band(1), bench.purse(2));
        for band in [&account, &purse] {
            top_up(&bench, band, 2_000);
            let sale = sell(&bench, band, 1);
            let asked = ask(sale, 150, Favour::Guest);
            let booked = correct(&bench.station, &asked, None).unwrap();
            assert_eq!(correct(&bench.station, &asked, None), Ok(booked));
            let other = Ask { amount: Some(cents(151)), ..asked };
            assert_eq!(correct(&bench.station, &other, None), Err(NotDone::Code("till.other_content")));
        }
        let (account, purse) = (state(&bench, &account), state(&bench, &purse));
        assert_eq!((account.balance, purse.pending), (1_750, 150));
    }

    #[test]
    fn what_an_account_was_charged_too_little_is_charged_once_however_often_it_is_asked_for() {
        let bench = Bench::new();
        let band = bench.uid_band(1);
        let order = top_up(&bench, &band, 2_000);
        let asked = ask(order, 500, Favour::Festival);
        let booked = correct(&bench.station, &asked, None).unwrap();
        assert_eq!(correct(&bench.station, &asked, None), Ok(booked));
        assert_eq!(state(&bench, &band).balance, 1_500);
    }

    #[test]
    fn a_charge_to_a_band_that_is_asked_for_again_is_the_same_tap() {
        let bench = Bench::new();
        let band = bench.purse(1);
        let order = top_up(&bench, &band, 2_000);
        let asked = Ask { amount: None, ..ask(order, 0, Favour::Festival) };
        let Ok(Corrected::NeedsBand(priced)) = correct(&bench.station, &asked, None) else {
            panic!("a purse is charged with the band");
        };
        let (light, _) = bench.tap_as(asked.request, Purpose::Sale((*priced).clone()), &band, "");
        assert_eq!(light, Some(Signal::Ok));
        assert_eq!(correct(&bench.station, &asked, None), Ok(Corrected::NeedsBand(priced)), "and not too much now");
    }

    #[test]
    fn a_sale_that_was_taken_back_is_told_as_such_when_the_answer_was_lost() {
        let bench = Bench::new();
        let band = bench.uid_band(1);
        top_up(&bench, &band, 2_000);
        let sale = sell(&bench, &band, 1);
        let again = || undo(&bench.station, [8; 16], sale, None, Instant::now());
        let undone = again().unwrap();
        assert_eq!(again(), Ok(undone));
        assert_eq!(state(&bench, &band).balance, 2_000);
    }

    #[test]
    fn a_correction_gives_a_reason_of_the_festivals_list() {
        let bench = Bench::new();
        let band = bench.uid_band(1);
        let order = top_up(&bench, &band, 2_000);
        let reason = |code: &str| domain::staff::Reason { code: code.into(), fr: String::new(), en: String::new() };
        bench.set_rules(|rules| rules.reasons = vec![reason("spilled")]);
        let refused = correct(&bench.station, &ask(order, 1, Favour::Guest), None);
        assert_eq!(refused, Err(TillRefusal::ReasonMissing.into()));
        let listed = Ask { reason: "spilled".into(), ..ask(order, 1, Favour::Guest) };
        correct(&bench.station, &listed, None).unwrap();
    }

    #[test]
    fn an_entry_of_another_box_is_not_corrected_here() {
        let bench = Bench::new();
        let elsewhere = EntryRef { device: domain::id::DeviceId([9; 16]), epoch: 0, seq: 1 };
        let refused = correct(&bench.station, &ask(elsewhere, 1, Favour::Guest), None);
        assert_eq!(refused, Err(TillRefusal::NotCorrectable.into()));
    }
}
