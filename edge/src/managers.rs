//! Managers at the box: their key is opened with their PIN and held for a few minutes.
//! Invariant: an opened key is in memory only, for one session, and is gone when that ends.
//! Not here: what they edit (`edits`), whether a PIN is right and what a wrong one costs (`staff_session`).
use std::{
    collections::VecDeque,
    sync::Mutex,
    time::{Duration, Instant},
};

use documents::{SignedBy, unseal};
use domain::{
    staff::{StaffRefusal, StaffRoles},
    wire::hex,
};

use crate::station::{Station, lock};

/// A session ends after so long without an edit.
const IDLE: Duration = Duration::from_secs(300);
/// Most sessions at once; the oldest ends.
const SESSIONS: usize = 4;

/// Who is logged in as a manager.
#[derive(Default)]
pub(crate) struct Managers(Mutex<State>);

#[derive(Default)]
struct State {
    sessions: VecDeque<Session>,
}

struct Session {
    token: String,
    number: u32,
    by: SignedBy,
    used: Instant,
}

impl Managers {
    /// Logs a member in; gives the session's token or the reason code. Takes a fifth of a second.
    pub(crate) fn log_in(&self, station: &Station, number: u32, pin: &str) -> Result<String, &'static str> {
        let operator = station.person(number, pin).map_err(|refusal| {
            let waits = matches!(refusal, StaffRefusal::Wait(_));
            if waits { "manager.too_many_attempts" } else { "manager.wrong_pin" }
        })?;
        let rules = station.rules();
        let member = rules.staff.member(operator.number).ok_or("manager.wrong_pin")?;
        if !member.roles.has(StaffRoles::MANAGER) || member.sealed_key.is_empty() {
            return Err("manager.not_a_manager");
        }
        let by = unseal(pin, &member.sealed_key).map_err(|_| "manager.not_a_manager")?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| "manager.session")?;
        let token = hex(&random);
        let mut state = lock(&self.0);
        state.sessions.push_back(Session { token: token.clone(), number, by, used: Instant::now() });
        if state.sessions.len() > SESSIONS {
            state.sessions.pop_front();
        }
        Ok(token)
    }

    /// Runs `act` with the key of this session.
    pub(crate) fn with<T>(&self, token: &str, act: impl FnOnce(u32, &SignedBy) -> T) -> Result<T, &'static str> {
        let mut state = lock(&self.0);
        state.sessions.retain(|session| session.used.elapsed() < IDLE);
        let session = state.sessions.iter_mut().find(|session| session.token == token);
        let session = session.ok_or("manager.session")?;
        session.used = Instant::now();
        Ok(act(session.number, &session.by))
    }

    /// Ends a session.
    pub(crate) fn log_out(&self, token: &str) {
        lock(&self.0).sessions.retain(|session| session.token != token);
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        journal::{Detail, Kind, StaffChange},
        staff::StaffRefusal,
    };

    use crate::bench::{Bench, SUPERVISOR, WAITER};

    #[test]
    fn wrong_pins_at_the_managers_page_cost_the_same_wait_as_anywhere_at_the_box() {
        let bench = Bench::with_staff();
        let log_in = |who: (u32, &str)| bench.station.managers.log_in(&bench.station, who.0, who.1);
        for _ in 0..5 {
            assert_eq!(log_in((WAITER.0, "0000")), Err("manager.wrong_pin"));
        }
        let refusal = bench.station.person(WAITER.0, WAITER.1).unwrap_err();
        assert!(matches!(refusal, StaffRefusal::Wait(_)), "{refusal}");
        let last = bench.entries(Kind::STAFF_SESSION).pop().unwrap();
        assert_eq!((last.operator, Detail::of(&last)), (WAITER.0, Ok(Detail::Staff(StaffChange::WrongPins))));
        assert_eq!(log_in(WAITER), Err("manager.too_many_attempts"), "the right one tells nothing either");
        assert_eq!(log_in(SUPERVISOR), Err("manager.not_a_manager"), "a colleague does not wait");
    }

    #[test]
    fn without_a_staff_list_nobody_is_a_manager() {
        let bench = Bench::new();
        assert_eq!(bench.station.managers.log_in(&bench.station, 7, "1234"), Err("manager.wrong_pin"));
    }
}
