//! Who is at this box: log in by number and PIN, switch, log out, and a supervisor's word for an exception.
//! Invariant: without a staff list everybody works as operator 0; with one, nobody acts who is not logged in with the
//! role; a PIN is checked one at a time, never logged, and wrong ones cost a growing wait.
//! Not here: who may do what on the list (`domain::staff`), how the list is edited (`documents`).
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use box_store::Decision;
use domain::{
    journal::{Detail, Effect, Entry, Kind, StaffChange},
    staff::{Member, PinAttempts, StaffRefusal, StaffRoles},
    time::Hlc,
};
use screens::view::{OperatorView, StaffRole, StaffView};

use crate::{refusal::NotDone, station::Station};

/// A session ends by itself after this long without a touch.
pub(crate) const IDLE: Duration = Duration::from_secs(5 * 60);

/// Somebody whose PIN was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    /// Number in entries.
    pub number: u32,
    /// As colleagues say it.
    pub name: String,
    /// What this person may do.
    pub roles: StaffRoles,
}

impl From<&Member> for Operator {
    fn from(member: &Member) -> Self {
        Self { number: member.number, name: member.name.clone(), roles: member.roles }
    }
}

#[derive(Clone, Copy)]
struct Session {
    number: u32,
    touched: Instant,
}

/// The session at this box, and what it remembers of wrong PINs.
#[derive(Default)]
pub(crate) struct StaffDesk {
    session: Mutex<Option<Session>>,
    attempts: Mutex<PinAttempts>,
    checking: Mutex<()>,
}

impl StaffDesk {
    fn number(&self) -> Option<u32> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).map(|session| session.number)
    }
}

impl Station {
    /// Whether this festival has a staff list; else everybody works as operator 0.
    pub(crate) fn has_staff(&self) -> bool {
        !self.rules().staff.members.is_empty()
    }

    /// Who is logged in, as it goes into entries; 0 nobody.
    pub(crate) fn operator(&self) -> u32 {
        self.staff.number().unwrap_or(0)
    }

    /// The number for entries of somebody who does what needs `role`; a touch that keeps the session alive.
    pub(crate) fn may(&self, role: StaffRoles) -> Result<u32, StaffRefusal> {
        if !self.has_staff() {
            return Ok(0);
        }
        let mut session = self.staff.session.lock().unwrap_or_else(PoisonError::into_inner);
        let now = session.as_mut().ok_or(StaffRefusal::NotLoggedIn)?;
        let rules = self.rules();
        // read again each time: who was struck off the list is out
        let member = rules.staff.member(now.number).ok_or(StaffRefusal::NotLoggedIn)?;
        if !member.roles.has(role) {
            return Err(StaffRefusal::NotAllowed);
        }
        now.touched = Instant::now();
        Ok(member.number)
    }

    /// Logs in; whoever was here before is logged out by it. Blocks while the PIN is hashed.
    pub(crate) fn log_in(&self, number: u32, pin: &str) -> Result<Operator, NotDone> {
        let operator = self.person(number, pin)?;
        self.staff_entry(operator.number, StaffChange::In).map_err(NotDone::Code)?;
        *self.staff.session.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Session { number: operator.number, touched: Instant::now() });
        self.changed();
        Ok(operator)
    }

    /// The person of this number and PIN. Blocks while the PIN is hashed: never call it on an async thread.
    pub(crate) fn person(&self, number: u32, pin: &str) -> Result<Operator, StaffRefusal> {
        if !self.has_staff() {
            return Err(StaffRefusal::NoList);
        }
        // one at a time: a flood of guesses costs neither memory nor the bar's cores
        let _checking = self.staff.checking.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = self.up_ms();
        let attempts = || self.staff.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts().may_try(number, now_ms).map_err(StaffRefusal::Wait)?;
        let rules = self.rules();
        let member = rules.staff.member(number);
        if let Some(member) =
            member.filter(|member| member.pin.as_deref().is_some_and(|hash| documents::verify_pin(pin, hash)))
        {
            if attempts().in_a_row(number) > 0 {
                attempts().was_right(number);
                self.keep_attempts(number, 0);
            }
            return Ok(Operator::from(member));
        }
        let wait_ms = attempts().was_wrong(number, now_ms);
        let in_a_row = attempts().in_a_row(number);
        self.keep_attempts(number, in_a_row);
        if wait_ms > 0 {
            tracing::warn!(number, "too many wrong PINs in a row");
            if let Err(code) = self.staff_entry(number, StaffChange::WrongPins) {
                tracing::warn!(code, "the wrong PINs were not recorded");
            }
        }
        Err(StaffRefusal::WrongPin)
    }

    fn keep_attempts(&self, number: u32, in_a_row: u32) {
        if let Err(error) = self.store.keep_pin_attempts(number, in_a_row) {
            tracing::warn!(%error, "wrong PINs in a row are not kept over a restart");
        }
    }

    /// Remembers wrong PINs from before the start.
    pub(crate) fn load_attempts(&self) -> Result<(), box_store::StoreError> {
        let kept = self.store.pin_attempts()?;
        let restored = PinAttempts::restored(kept, self.up_ms());
        *self.staff.attempts.lock().unwrap_or_else(PoisonError::into_inner) = restored;
        Ok(())
    }

    /// A supervisor's word for an exception, by number and PIN; the session at the box stays as it is. Blocks while
    /// the PIN is hashed: never call it on an async thread.
    pub(crate) fn confirm_supervisor(&self, number: u32, pin: &str) -> Result<Operator, StaffRefusal> {
        let operator = self.person(number, pin)?;
        if operator.roles.has(StaffRoles::SUPERVISOR) { Ok(operator) } else { Err(StaffRefusal::NotSupervisor) }
    }

    /// Logs out whoever is here.
    pub(crate) fn log_out(&self) -> Result<(), &'static str> {
        self.end_session(StaffChange::Out, |_| true)
    }

    /// Logs out whoever has not touched anything for [`IDLE`] at `now`; never while a band is awaited or served.
    pub(crate) fn log_out_idle(&self, now: Instant) -> Result<(), &'static str> {
        if self.desk.waiting().is_some() {
            return Ok(());
        }
        self.end_session(StaffChange::Idle, |touched| now.saturating_duration_since(touched) >= IDLE)
    }

    fn end_session(&self, how: StaffChange, is_over: impl Fn(Instant) -> bool) -> Result<(), &'static str> {
        let ended = {
            let mut session = self.staff.session.lock().unwrap_or_else(PoisonError::into_inner);
            session.take_if(|session| is_over(session.touched))
        };
        let Some(ended) = ended else { return Ok(()) };
        self.changed();
        self.staff_entry(ended.number, how)
    }

    fn staff_entry(&self, number: u32, change: StaffChange) -> Result<(), &'static str> {
        let mut entry = Entry::new(Kind::STAFF_SESSION, Effect::None, self.bundle().bundle.currency(), Hlc::default());
        entry.operator = number;
        entry.part = Detail::Staff(change).to_bytes();
        self.transact(move |_| Decision::write(vec![entry], ())).map(|_| ()).map_err(|error| error.code())
    }

    /// What the screens show of it; `None` without a staff list.
    pub(crate) fn staff_view(&self) -> Option<StaffView> {
        let rules = self.rules();
        if rules.staff.members.is_empty() {
            return None;
        }
        let member = self.staff.number().and_then(|number| rules.staff.member(number));
        Some(StaffView { operator: member.map(operator_view) })
    }
}

fn operator_view(member: &Member) -> OperatorView {
    let shown = [
        (StaffRoles::GATE, StaffRole::Gate),
        (StaffRoles::BAR, StaffRole::Bar),
        (StaffRoles::TOP_UP, StaffRole::TopUp),
        (StaffRoles::SUPERVISOR, StaffRole::Supervisor),
        (StaffRoles::MANAGER, StaffRole::Manager),
    ];
    let roles = shown.into_iter().filter(|(role, _)| member.roles.has(*role)).map(|(_, shown)| shown);
    OperatorView { number: member.number, name: member.name.clone(), roles: roles.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Bench, SUPERVISOR, WAITER};

    #[test]
    fn without_a_staff_list_everybody_works_as_nobody() {
        let bench = Bench::new();
        assert_eq!(bench.station.may(StaffRoles::BAR), Ok(0));
        assert_eq!(bench.station.confirm_supervisor(1, "1234"), Err(StaffRefusal::NoList));
        assert_eq!(bench.station.staff_view(), None);
    }

    #[test]
    fn with_a_staff_list_nobody_sells_who_is_not_logged_in_with_the_role() {
        let bench = Bench::with_staff();
        assert_eq!(bench.station.may(StaffRoles::BAR), Err(StaffRefusal::NotLoggedIn));
        bench.log_in(WAITER);
        assert_eq!(bench.station.may(StaffRoles::BAR), Ok(WAITER.0));
        assert_eq!(bench.station.may(StaffRoles::MANAGER), Err(StaffRefusal::NotAllowed));
        bench.log_in(SUPERVISOR);
        assert_eq!(bench.station.operator(), SUPERVISOR.0, "switched without a log-out");
    }

    #[test]
    fn each_login_and_log_out_is_an_entry_that_names_who() {
        let bench = Bench::with_staff();
        bench.log_in(WAITER);
        bench.station.log_out().unwrap();
        let kept = bench.entries(Kind::STAFF_SESSION);
        let said: Vec<_> = kept.iter().map(|entry| (entry.operator, Detail::of(entry).unwrap())).collect();
        assert_eq!(said, [(WAITER.0, Detail::Staff(StaffChange::In)), (WAITER.0, Detail::Staff(StaffChange::Out))]);
    }

    #[test]
    fn a_session_without_a_touch_ends_by_itself_and_says_so() {
        let bench = Bench::with_staff();
        bench.log_in(WAITER);
        let now = Instant::now();
        bench.station.log_out_idle(now + IDLE / 2).unwrap();
        assert_eq!(bench.station.operator(), WAITER.0);
        bench.station.log_out_idle(now + IDLE * 2).unwrap();
        assert_eq!(bench.station.operator(), 0);
        let last = bench.entries(Kind::STAFF_SESSION).pop().unwrap();
        assert_eq!(Detail::of(&last), Ok(Detail::Staff(StaffChange::Idle)));
    }

    #[test]
    fn five_wrong_pins_make_the_right_one_wait_and_are_recorded() {
        let bench = Bench::with_staff();
        for _ in 0..5 {
            assert_eq!(bench.station.person(WAITER.0, "0000"), Err(StaffRefusal::WrongPin));
        }
        let refusal = bench.station.person(WAITER.0, WAITER.1).unwrap_err();
        assert!(matches!(refusal, StaffRefusal::Wait(_)), "{refusal}");
        let last = bench.entries(Kind::STAFF_SESSION).pop().unwrap();
        assert_eq!(Detail::of(&last), Ok(Detail::Staff(StaffChange::WrongPins)));
        assert!(bench.station.person(SUPERVISOR.0, SUPERVISOR.1).is_ok(), "a colleague does not wait");
    }

    #[test]
    fn the_wait_after_wrong_pins_outlives_a_restart() {
        let bench = Bench::with_staff();
        for _ in 0..5 {
            assert_eq!(bench.station.person(WAITER.0, "0000"), Err(StaffRefusal::WrongPin));
        }
        for _ in 0..3 {
            assert_eq!(bench.station.person(SUPERVISOR.0, "0000"), Err(StaffRefusal::WrongPin));
        }
        assert!(bench.station.person(SUPERVISOR.0, SUPERVISOR.1).is_ok());
        let bench = bench.restarted();
        bench.take_on_staff();
        let refusal = bench.station.person(WAITER.0, WAITER.1).unwrap_err();
        assert!(matches!(refusal, StaffRefusal::Wait(ms) if ms > 20_000), "{refusal}");
        assert_eq!(bench.station.store.pin_attempts().unwrap(), [(WAITER.0, 5)], "the supervisor's slate is clean");
        assert!(bench.station.person(SUPERVISOR.0, SUPERVISOR.1).is_ok());
    }

    #[test]
    fn a_supervisor_confirms_with_a_pin_and_a_waiter_does_not() {
        let bench = Bench::with_staff();
        let confirmed = bench.station.confirm_supervisor(SUPERVISOR.0, SUPERVISOR.1).unwrap();
        assert_eq!(confirmed.number, SUPERVISOR.0);
        assert_eq!(bench.station.confirm_supervisor(WAITER.0, WAITER.1), Err(StaffRefusal::NotSupervisor));
        assert_eq!(bench.station.confirm_supervisor(SUPERVISOR.0, "9"), Err(StaffRefusal::WrongPin));
        assert_eq!(bench.station.operator(), 0, "nobody was logged in by it");
    }

    #[test]
    fn who_is_struck_off_the_list_is_out_at_once() {
        let bench = Bench::with_staff();
        bench.log_in(WAITER);
        bench.set_rules(|rules| rules.staff.members.retain(|member| member.number != WAITER.0));
        assert_eq!(bench.station.may(StaffRoles::BAR), Err(StaffRefusal::NotLoggedIn));
    }
}
