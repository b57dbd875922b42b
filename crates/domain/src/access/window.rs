//! Whether now is the time: a ticket's own window, and the windows in which its category may pass into a zone.
//! Invariant: a window that the clock cannot tell is the policy's decision, never a silent yes.
//! Not here: where trusted time comes from.
use super::{GateRefusal, is_too_uncertain};
use crate::{
    bundle::Policy,
    ticket::Ticket,
    time::TrustedTime,
    zones::{Window, Zone},
};

/// `true`: it could not be checked, and the policy admits all the same.
type Checked = Result<bool, GateRefusal>;

fn with_clock(policy: &Policy, now: TrustedTime, check: impl FnOnce(u64) -> Result<(), GateRefusal>) -> Checked {
    if is_too_uncertain(policy, now) {
        return if policy.admit_when_time_uncertain {
            Ok(true)
        } else {
            Err(GateRefusal::TimeUncertain(now.uncertainty_s))
        };
    }
    check(now.unix_s).map(|()| false)
}

/// The ticket's own window, both ends included.
pub(super) fn of_ticket(ticket: &Ticket, policy: &Policy, now: TrustedTime) -> Checked {
    if ticket.valid_from.is_none() && ticket.valid_until.is_none() {
        return Ok(false);
    }
    with_clock(policy, now, |now| match (ticket.valid_from, ticket.valid_until) {
        (Some(from), _) if now < from => Err(GateRefusal::NotYetValid(from)),
        (_, Some(until)) if now > until => Err(GateRefusal::Expired(until)),
        _ => Ok(()),
    })
}

/// The zone's windows for a category: its own, or where it has none those for everybody.
pub(super) fn of_zone(zone: &Zone, category: u16, policy: &Policy, now: TrustedTime) -> Checked {
    let of = |wanted: u16| zone.windows.iter().filter(move |window| window.category == wanted);
    let wanted = if of(category).next().is_some() { category } else { 0 };
    if of(wanted).next().is_none() {
        return Ok(false);
    }
    with_clock(policy, now, |now| {
        if of(wanted).any(|window| (window.from..window.until).contains(&now)) {
            return Ok(());
        }
        let next = of(wanted).map(|window| window.from).filter(|from| *from > now).min();
        let last = |window: &Window| window.until;
        Err(match next {
            Some(from) => GateRefusal::ZoneNotYetOpen { zone: zone.number, from },
            None => {
                GateRefusal::ZoneClosed { zone: zone.number, until: of(wanted).map(last).max().unwrap_or_default() }
            }
        })
    })
}
