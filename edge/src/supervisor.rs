//! A supervisor's word for an exception: number and PIN, checked against the staff list.
//! Invariant: one check at a time; wrong PINs cost a growing wait; a PIN is never logged.
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::staff::StaffRoles;

use crate::{gate::exception::NotAllowed, station::Station};

/// Wrong PINs in a row before there is a wait.
const FREE_TRIES: u32 = 3;
/// The first wait; it doubles up to [`LONGEST`].
const WAIT: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);

/// What is remembered of wrong PINs at this box.
#[derive(Default)]
pub(crate) struct Attempts {
    wrong: u32,
    not_before: Option<Instant>,
}

/// The supervisor of this number and PIN. Blocks while the PIN is hashed.
pub(crate) fn confirm(station: &Station, number: u32, pin: &str) -> Result<u32, NotAllowed> {
    let rules = station.rules();
    if rules.staff.members.is_empty() {
        return Err("staff.no_list".into());
    }
    let mut attempts = station.attempts().lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    if let Some(left) = attempts.not_before.and_then(|at| at.checked_duration_since(now)) {
        let seconds = left.as_secs().saturating_add(1).to_string();
        return Err(NotAllowed { code: "staff.wait", args: vec![("count", seconds)] });
    }
    let member = rules.staff.member(number);
    let right = member.is_some_and(|member| member.pin.as_deref().is_some_and(|hash| documents::verify_pin(pin, hash)));
    if !right {
        attempts.wrong = attempts.wrong.saturating_add(1);
        let doublings = attempts.wrong.saturating_sub(FREE_TRIES).min(16);
        if attempts.wrong >= FREE_TRIES {
            attempts.not_before = Some(now + WAIT.saturating_mul(1 << doublings).min(LONGEST));
        }
        return Err("staff.wrong_pin".into());
    }
    *attempts = Attempts::default();
    match member {
        Some(member) if member.roles.has(StaffRoles::SUPERVISOR) => Ok(member.number),
        _ => Err("staff.not_supervisor".into()),
    }
}

/// Where a box keeps them.
pub(crate) type Kept = Mutex<Attempts>;
