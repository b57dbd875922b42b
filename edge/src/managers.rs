//! Managers at the box: their key is opened with their PIN and held for a few minutes.
//! Invariant: an opened key is in memory only, for one session, and is gone when that ends.
//! Not here: what they edit (`edits`), other staff's sessions.
use std::{
    collections::VecDeque,
    sync::Mutex,
    time::{Duration, Instant},
};

use documents::{SignedBy, unseal, verify_pin};
use domain::{staff::StaffRoles, wire::hex};

use crate::station::{Station, lock};

/// A session ends after so long without an edit.
const IDLE: Duration = Duration::from_secs(300);
/// Most sessions at once; the oldest ends.
const SESSIONS: usize = 4;
/// Most failed attempts in [`WINDOW`].
const ATTEMPTS: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);

/// Who is logged in as a manager.
#[derive(Default)]
pub(crate) struct Managers(Mutex<State>);

#[derive(Default)]
struct State {
    sessions: VecDeque<Session>,
    failures: VecDeque<Instant>,
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
        {
            let mut state = lock(&self.0);
            state.failures.retain(|at| at.elapsed() < WINDOW);
            if state.failures.len() >= ATTEMPTS {
                return Err("manager.too_many_attempts");
            }
            // Counted before the PIN is looked at, so that many attempts at once are no way around it.
            state.failures.push_back(Instant::now());
        }
        let rules = station.rules();
        let member = rules.staff.member(number).ok_or("manager.wrong_pin")?;
        let hash = member.pin.as_deref().ok_or("manager.wrong_pin")?;
        if !verify_pin(pin, hash) {
            return Err("manager.wrong_pin");
        }
        lock(&self.0).failures.pop_back();
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
