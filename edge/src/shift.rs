//! Shifts, the drawer's cash, and closures of this box's journal.
//! Invariant: what the drawer should hold is computed from the journal; numbers of closures rise; a final closure gives
//! up what is in doubt, and nothing is sold after it until a shift opens again, and the hub knows it where it may hold the
//! closure: it swaps and pays out lost bands without asking a closed box.
//! Not here: what an entry adds to the totals (`domain::till`).
use std::time::{Duration, Instant};

use box_store::{Decision, View};
use domain::{
    id::EntryRef,
    journal::{CashMove, Closure, Detail, Effect, Entry, Kind, ShiftClose, TillTotals},
    money::{Cents, Currency},
    staff::StaffRoles,
    till::{TillRefusal, is_code},
    time::Hlc,
};
use screens::post;

use crate::{
    refusal::NotDone,
    station::{Station, lock},
    tap_desk::RequestId,
};

/// A hub that is there answers within this time.
const HEARD_WITHIN: Duration = Duration::from_secs(1);
const HEARD_LOOK: Duration = Duration::from_millis(10);

/// The drawer at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drawer {
    /// Counted when the shift opened.
    pub float: Cents,
    /// What it should hold by the journal.
    pub expected: i64,
    /// Cash for top-ups in doubt: it may be there too.
    pub in_doubt: i64,
}

impl Station {
    /// Whoever sells or tops up.
    pub(crate) fn may_handle_money(&self) -> Result<u32, NotDone> {
        Ok(self.may(StaffRoles::TOP_UP).or_else(|_| self.may(StaffRoles::BAR))?)
    }

    /// Whether the journal was closed for the event, or the hub may still take it for closed.
    pub(crate) fn journal_is_open(&self) -> Result<(), NotDone> {
        match (self.store.read(|view| view.is_closed())?, self.may_be_closed_at_hub()?) {
            (true, _) => Err(TillRefusal::JournalClosed.into()),
            (false, true) => Err(TillRefusal::OpeningUnheard.into()),
            (false, false) => Ok(()),
        }
    }

    /// Own entries up to this one are about to be sent to the hub, which may hold them from now on.
    pub(crate) fn tells(&self, up_to: EntryRef) {
        let mut told = lock(&self.told);
        *told = (*told).max(Some(up_to));
    }

    /// Whether the hub may hold a final closure and not know that a shift opened since. It may hold what it acknowledged,
    /// what this run told it, and in a LAN group whatever neighbours may have forwarded.
    fn may_be_closed_at_hub(&self) -> Result<bool, NotDone> {
        let (told, in_group) = (*lock(&self.told), self.lan.is_on());
        let may_hold = move |at| in_group || told.is_some_and(|told| at <= told);
        Ok(self.store.read(move |view| view.may_be_closed_at_hub(may_hold))?)
    }

    /// A supervisor's number where the festival has a staff list, after the PIN was checked; 0 without one.
    pub(crate) fn supervisor(&self, pin: Option<&post::Pin>) -> Result<u32, NotDone> {
        match pin {
            Some(pin) => Ok(self.confirm_supervisor(pin.number, &pin.pin)?.number),
            None if self.has_staff() => Err(domain::staff::StaffRefusal::NotSupervisor.into()),
            None => Ok(0),
        }
    }
}

fn act(kind: Kind, currency: Currency, operator: u32, amount: Cents) -> Entry {
    Entry { operator, amount, ..Entry::new(kind, Effect::None, currency, Hlc::default()) }
}

/// Opens a shift with the cash counted. It opens a closed journal again, which takes a supervisor's word, and a line where
/// the hub may hold the closure.
pub(crate) fn open(station: &Station, float: Cents, pin: Option<&post::Pin>) -> Result<EntryRef, NotDone> {
    let operator = station.may_handle_money()?;
    let is_closed = station.store.read(|view| view.is_closed())?;
    if is_closed {
        station.supervisor(pin)?;
        if station.is_alone() && station.may_be_closed_at_hub()? {
            return Err(TillRefusal::ClosedAtHub.into());
        }
    }
    let entry = act(Kind::SHIFT_OPEN, station.bundle().bundle.currency(), operator, float);
    let committed = station.transact(move |view| match view.open_shift() {
        Some(_) => Decision::nothing(Err(TillRefusal::ShiftOpen)),
        None => Decision::write(vec![entry], Ok(())),
    })?;
    committed.result?;
    if is_closed {
        heard(station)?;
    }
    committed.refs.first().copied().ok_or(NotDone::Code("till.unknown_entry"))
}

/// Waits a moment for the hub to hear of the opening, so that whoever sells next is not refused. If it does not, the shift
/// is open all the same, and nothing is sold before it does.
fn heard(station: &Station) -> Result<(), NotDone> {
    let asked = Instant::now();
    while station.may_be_closed_at_hub()? && asked.elapsed() < HEARD_WITHIN {
        std::thread::sleep(HEARD_LOOK);
    }
    Ok(())
}

/// What the drawer of the open shift should hold.
pub(crate) fn drawer(view: &View<'_>) -> Result<(EntryRef, Drawer), TillRefusal> {
    let (at, opened) = view.open_shift().ok_or(TillRefusal::NoShift)?;
    let expected = opened.amount.as_i64().saturating_add(view.totals_after(Some(at)).cash());
    Ok((at, Drawer { float: opened.amount, expected, in_doubt: view.cash_in_doubt(at) }))
}

/// Closes the shift with the cash counted. Gives what it should have been.
pub(crate) fn close(station: &Station, counted: Cents) -> Result<Drawer, NotDone> {
    let operator = station.may_handle_money()?;
    let currency = station.bundle().bundle.currency();
    let committed = station.transact(move |view| match drawer(view) {
        Ok((at, drawer)) => {
            let in_doubt = u32::try_from(drawer.in_doubt).unwrap_or(u32::MAX);
            let part = Detail::ShiftClose(ShiftClose { expected: drawer.expected, in_doubt }).to_bytes();
            let entry = act(Kind::SHIFT_CLOSE, currency, operator, counted);
            Decision::write(vec![Entry { part, refers_to: Some(at), ..entry }], Ok(drawer))
        }
        Err(refusal) => Decision::nothing(Err(refusal)),
    })?;
    Ok(committed.result?)
}

/// Puts cash into the drawer or takes it out, beside sales; once for each request.
pub(crate) fn move_cash(
    station: &Station,
    request: RequestId,
    into: bool,
    amount: Cents,
    reason: &str,
) -> Result<EntryRef, NotDone> {
    let operator = station.may_handle_money()?;
    station.journal_is_open()?;
    if amount == Cents::ZERO {
        return Err(TillRefusal::Amount.into());
    }
    if !is_code(reason) {
        return Err(TillRefusal::ReasonMissing.into());
    }
    let part = Detail::CashMove(CashMove { into_drawer: into, reason: reason.into() }).to_bytes();
    let entry = Entry { part, ..act(Kind::CASH_MOVE, station.bundle().bundle.currency(), operator, amount) };
    let committed = station.transact(move |view| match view.answer(&request) {
        Some(before) if view.entry(before).is_some_and(|moved| is_same_move(&moved, &entry)) => {
            Decision::nothing(Ok(Some(before)))
        }
        Some(_) => Decision::nothing(Err("till.other_content")),
        None => Decision::write(vec![entry], Ok(None)).answers(request),
    })?;
    let before = committed.result.map_err(NotDone::Code)?;
    before.or(committed.refs.first().copied()).ok_or(NotDone::Code("till.unknown_entry"))
}

fn is_same_move(one: &Entry, other: &Entry) -> bool {
    (one.kind, one.amount, &one.part) == (other.kind, other.amount, &other.part)
}

/// Closes the period, or the journal for the event. A final closure takes a supervisor's word; it gives up every
/// intent in doubt, so that the hub may settle them all.
pub(crate) fn closure(station: &Station, is_final: bool, pin: Option<&post::Pin>) -> Result<Closure, NotDone> {
    let operator = station.may_handle_money()?;
    if is_final {
        station.supervisor(pin)?;
    }
    let currency = station.bundle().bundle.currency();
    let Some(between_taps) = station.desk.between_taps() else { return Err(NotDone::Code("till.busy")) };
    if is_final {
        station.desk.cancel_between(&between_taps);
    }
    let committed = station.transact(move |view| {
        if view.is_closed() {
            return Decision::nothing(Err(TillRefusal::JournalClosed));
        }
        if is_final && view.open_shift().is_some() {
            return Decision::nothing(Err(TillRefusal::ShiftOpen));
        }
        let mut entries = if is_final { given_up(view, currency, operator) } else { Vec::new() };
        let head = view.head().map_or(0, |head| head.at.seq);
        let (before, number) = match view.last_closure() {
            Some((at, closure)) => (Some((at, closure.perpetual)), closure.number.saturating_add(1)),
            None => (None, 1),
        };
        let period = view.totals_after(before.as_ref().map(|(at, _)| *at));
        let perpetual = before.map_or(TillTotals::default(), |(_, perpetual)| perpetual).plus(&period);
        let last = head.saturating_add(u32::try_from(entries.len()).unwrap_or(0));
        let closure = Closure { number, is_final, period, perpetual, last };
        let part = Detail::Closure(closure.clone()).to_bytes();
        entries.push(Entry { part, ..act(Kind::CLOSURE, currency, operator, Cents::ZERO) });
        Decision::write(entries, Ok(closure))
    })?;
    Ok(committed.result?)
}

fn given_up(view: &View<'_>, currency: Currency, operator: u32) -> Vec<Entry> {
    let give_up = |open: box_store::OpenIntent| Entry {
        subject: open.entry.subject,
        refers_to: Some(open.at),
        ..act(Kind::GAVE_UP, currency, operator, open.entry.amount)
    };
    view.all_open_intents().into_iter().map(give_up).collect()
}

#[cfg(test)]
mod tests {
    use domain::journal::Means;
    use hardware::signal::Signal;

    use super::*;
    use crate::{
        bench::{Bench, SUPERVISOR, WAITER, cents},
        station::fresh_id,
        tap_desk::{Purpose, TopUpOrder},
    };

    fn top_up(amount: u32, means: Means) -> Purpose {
        Purpose::TopUp(TopUpOrder { amount: cents(amount), fee: cents(50), means })
    }

    #[test]
    fn a_shift_closes_with_the_float_and_the_cash_that_came_and_went() {
        let bench = Bench::new();
        open(&bench.station, cents(10_000), None).unwrap();
        let (band, other) = (bench.purse(1), bench.uid_band(2));
        assert_eq!(bench.tap(top_up(2_000, Means::Cash), &band).0, Some(Signal::Ok));
        assert_eq!(bench.tap(top_up(3_000, Means::Card), &other).0, Some(Signal::Ok));
        move_cash(&bench.station, fresh_id(), false, cents(5_000), "to_office").unwrap();
        move_cash(&bench.station, fresh_id(), true, cents(700), "change").unwrap();
        assert_eq!(bench.tap(Purpose::Refund, &band).0, Some(Signal::Ok));
        let drawer = close(&bench.station, cents(5_000)).unwrap();
        assert_eq!(drawer.expected, 10_000 + 2_050 - 5_000 + 700 - 2_000);
        let closed = bench.entries(Kind::SHIFT_CLOSE).pop().unwrap();
        assert_eq!(closed.amount, cents(5_000), "what was counted stands beside what was expected");
        let written = Detail::ShiftClose(ShiftClose { expected: drawer.expected, in_doubt: 0 });
        assert_eq!(Detail::of(&closed), Ok(written));
        assert_eq!(close(&bench.station, cents(1)), Err(TillRefusal::NoShift.into()));
    }

    #[test]
    fn cash_of_a_top_up_in_doubt_is_named_beside_what_is_expected() {
        let bench = Bench::new();
        open(&bench.station, cents(0), None).unwrap();
        let band = bench.purse(1);
        let (light, _) = bench.tap_as([1; 16], top_up(2_000, Means::Cash), &band, "leave after write 19");
        assert_eq!(light, Some(Signal::TapAgain));
        let drawer = close(&bench.station, cents(2_050)).unwrap();
        assert_eq!((drawer.expected, drawer.in_doubt), (0, 2_000));
    }

    #[test]
    fn only_one_shift_is_open_at_a_time() {
        let bench = Bench::new();
        open(&bench.station, cents(100), None).unwrap();
        assert_eq!(open(&bench.station, cents(100), None), Err(TillRefusal::ShiftOpen.into()));
    }

    #[test]
    fn a_cash_move_needs_an_amount_and_a_reason() {
        let bench = Bench::new();
        let put_in = |amount, reason| move_cash(&bench.station, fresh_id(), true, cents(amount), reason);
        assert_eq!(put_in(0, "change"), Err(TillRefusal::Amount.into()));
        assert_eq!(put_in(1, ""), Err(TillRefusal::ReasonMissing.into()));
    }

    #[test]
    fn a_cash_move_that_is_asked_for_again_is_answered_as_before_and_booked_once() {
        let bench = Bench::new();
        open(&bench.station, cents(10_000), None).unwrap();
        let take_out = |amount| move_cash(&bench.station, [3; 16], false, cents(amount), "to_office");
        let moved = take_out(5_000).unwrap();
        assert_eq!(take_out(5_000), Ok(moved));
        assert_eq!(take_out(4_000), Err(NotDone::Code("till.other_content")));
        assert_eq!(close(&bench.station, cents(5_000)).unwrap().expected, 5_000);
    }

    #[test]
    fn closures_are_numbered_and_what_comes_after_one_belongs_to_the_next() {
        let bench = Bench::new();
        let band = bench.uid_band(1);
        bench.tap(top_up(2_000, Means::Cash), &band);
        let first = closure(&bench.station, false, None).unwrap();
        bench.tap(top_up(500, Means::Cash), &band);
        let second = closure(&bench.station, false, None).unwrap();
        assert_eq!((first.number, first.period.credited, first.perpetual.credited), (1, 2_000, 2_000));
        assert_eq!((second.number, second.period.credited, second.perpetual.credited), (2, 500, 2_500));
        assert!(second.last > first.last);
    }

    #[test]
    fn after_a_final_closure_nothing_is_sold_until_a_shift_opens_again() {
        let bench = Bench::with_staff();
        bench.log_in(WAITER);
        let word = post::Pin { number: SUPERVISOR.0, pin: SUPERVISOR.1.into() };
        assert!(matches!(closure(&bench.station, true, None), Err(NotDone::Staff(_))), "it takes a supervisor");
        let band = bench.purse(1);
        bench.tap_as([1; 16], top_up(2_000, Means::Cash), &band, "leave after write 19");
        let last = closure(&bench.station, true, Some(&word)).unwrap();
        assert!(last.is_final);
        let gave_up = bench.entries(Kind::GAVE_UP);
        assert_eq!(gave_up.len(), 1, "what was in doubt is left to the ledger");
        assert_eq!(bench.station.journal_is_open(), Err(TillRefusal::JournalClosed.into()));
        let (light, result) = bench.tap(top_up(500, Means::Cash), &bench.uid_band(2));
        assert_eq!((light, result.code.as_deref()), (Some(Signal::Refuse), Some("till.journal_closed")));
        assert!(matches!(open(&bench.station, cents(0), None), Err(NotDone::Staff(_))), "opening takes one too");
        open(&bench.station, cents(0), Some(&word)).unwrap();
        assert_eq!(bench.tap(top_up(500, Means::Cash), &bench.uid_band(2)).0, Some(Signal::Ok));
    }

    #[test]
    fn a_box_without_a_line_does_not_open_again_what_the_hub_holds_as_closed() {
        let bench = Bench::with_staff();
        bench.log_in(WAITER);
        let word = post::Pin { number: SUPERVISOR.0, pin: SUPERVISOR.1.into() };
        closure(&bench.station, true, Some(&word)).unwrap();
        open(&bench.station, cents(0), Some(&word)).expect("nobody has heard that it was closed");
        close(&bench.station, cents(0)).unwrap();
        closure(&bench.station, true, Some(&word)).unwrap();
        let head = bench.station.store.read(|view| view.head()).unwrap().unwrap();
        let mut hash = [0; 16];
        hash.copy_from_slice(&head.hash[..16]);
        bench.station.store.mark_acked(head.at.epoch, head.at.seq + 1, hash, 1).unwrap();
        assert_eq!(open(&bench.station, cents(0), Some(&word)), Err(TillRefusal::ClosedAtHub.into()));
        bench.station.hub_is(true);
        open(&bench.station, cents(0), Some(&word)).expect("the hub hears of it");
    }

    /// The hub has all of the journal.
    fn acknowledged(bench: &Bench) {
        let head = bench.station.store.read(|view| view.head()).unwrap().unwrap();
        let mut hash = [0; 16];
        hash.copy_from_slice(&head.hash[..16]);
        bench.station.store.mark_acked(head.at.epoch, head.at.seq + 1, hash, 1).unwrap();
    }

    /// The code with which a top-up is refused, if it is.
    fn refused(bench: &Bench) -> Option<String> {
        bench.tap(top_up(500, Means::Cash), &bench.uid_band(2)).1.code
    }

    #[test]
    fn a_box_whose_closure_the_hub_holds_sells_again_once_the_hub_has_heard_of_the_opening() {
        let bench = Bench::new();
        closure(&bench.station, true, None).unwrap();
        acknowledged(&bench);
        // its line is dead, and it does not know it yet
        bench.station.hub_is(true);
        open(&bench.station, cents(0), None).unwrap();
        assert_eq!(refused(&bench).as_deref(), Some("till.opening_unheard"));
        // neither a second closure that nobody hears of nor a new start makes up for that
        close(&bench.station, cents(0)).unwrap();
        closure(&bench.station, true, None).unwrap();
        bench.station.hub_is(false);
        assert_eq!(open(&bench.station, cents(0), None), Err(TillRefusal::ClosedAtHub.into()));
        let bench = bench.restarted();
        assert_eq!(open(&bench.station, cents(0), None), Err(TillRefusal::ClosedAtHub.into()));
        bench.station.hub_is(true);
        open(&bench.station, cents(0), None).unwrap();
        assert_eq!(refused(&bench).as_deref(), Some("till.opening_unheard"));
        acknowledged(&bench);
        assert_eq!(refused(&bench), None);
    }

    #[test]
    fn a_closure_that_was_told_the_hub_counts_as_held_there_also_where_its_answer_was_lost() {
        let bench = Bench::new();
        acknowledged(&bench);
        closure(&bench.station, true, None).unwrap();
        let head = bench.station.store.read(|view| view.head()).unwrap().unwrap();
        bench.station.tells(head.at);
        assert_eq!(open(&bench.station, cents(0), None), Err(TillRefusal::ClosedAtHub.into()));
        bench.station.hub_is(true);
        open(&bench.station, cents(0), None).unwrap();
        assert_eq!(refused(&bench).as_deref(), Some("till.opening_unheard"));
        acknowledged(&bench);
        assert_eq!(refused(&bench), None);
    }

    #[test]
    fn a_journal_is_not_closed_for_the_event_over_an_open_shift() {
        let bench = Bench::new();
        open(&bench.station, cents(0), None).unwrap();
        assert_eq!(closure(&bench.station, true, None), Err(TillRefusal::ShiftOpen.into()));
    }
}
