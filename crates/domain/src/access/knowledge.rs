//! How far a gate may trust what it knows: dates of the key that signed a ticket, and the age of its knowledge.
//! Invariant: what cannot be checked is the policy's decision (admit and mark, or ask a supervisor), never a silent yes.
//! Not here: where time and age come from (the box), the ticket's own checks (`access::admit`).
use super::GateRefusal;
use crate::{
    bundle::Policy,
    ledger::{TicketFlags, TicketState},
    ticket::{TicketKey, snapshot::SnapshotTicket},
    time::{TimeSource, TrustedTime},
};

/// Whether the clock may be off by more than the festival allows for a date to be checked.
pub fn is_too_uncertain(policy: &Policy, now: TrustedTime) -> bool {
    now.source == TimeSource::Build || now.uncertainty_s > policy.time_uncertainty_s
}

/// Whether the dates of a ticket's key could not be checked, and the policy admits all the same. That the key was
/// revoked is known without a clock (`ticket::TicketError::KeyRevoked`).
pub fn check_key(key: &TicketKey, policy: &Policy, now: TrustedTime) -> Result<bool, GateRefusal> {
    if key.valid_from.is_none() && key.valid_until.is_none() {
        return Ok(false);
    }
    if is_too_uncertain(policy, now) {
        return match policy.admit_when_time_uncertain {
            true => Ok(true),
            false => Err(GateRefusal::TimeUncertain(now.uncertainty_s)),
        };
    }
    match (key.valid_from, key.valid_until) {
        (Some(from), _) if now.unix_s < from => Err(GateRefusal::KeyNotYetValid(from)),
        (_, Some(until)) if now.unix_s > until => Err(GateRefusal::KeyExpired(until)),
        _ => Ok(false),
    }
}

/// Whether knowledge of tickets that is `age_s` seconds old is stale, and the policy admits all the same. Asked last:
/// what is known to be wrong with a ticket is the better reason.
pub fn check_age(age_s: u64, policy: &Policy) -> Result<bool, GateRefusal> {
    if policy.stale_after_s == 0 || age_s <= u64::from(policy.stale_after_s) {
        return Ok(false);
    }
    if policy.admit_when_stale { Ok(true) } else { Err(GateRefusal::StaleKnowledge(age_s)) }
}

/// What a bundle says of one ticket: its lists of changes since the snapshot, and the snapshot itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FromBundle {
    /// In the list of revoked tickets.
    pub revoked: bool,
    /// In the list of blocked tickets.
    pub blocked: bool,
    /// In the snapshot.
    pub held: Option<SnapshotTicket>,
}

/// Whether a ticket is revoked, and whether it is blocked. A revocation is for ever, whoever says it; of a block the
/// newer word counts: the hub's deltas (`state`, `None` where they never named the ticket) or the bundle.
pub fn barred(bundle: FromBundle, state: Option<&TicketState>, deltas_are_newer: bool) -> (bool, bool) {
    let (held_revoked, held_blocked) = bundle.held.map_or((false, false), |held| (held.revoked, held.blocked));
    let said = |flag| state.is_some_and(|state| state.flags.has(flag));
    let revoked = bundle.revoked || held_revoked || said(TicketFlags::REVOKED);
    let by_bundle = (bundle.blocked || held_blocked) && !(deltas_are_newer && state.is_some());
    (revoked, by_bundle || said(TicketFlags::BLOCKED))
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::{bundle::tests::bundle, id::TicketUid};

    fn policy() -> Policy {
        bundle().body.policy
    }

    fn at(unix_s: u64) -> TrustedTime {
        TrustedTime { unix_s, uncertainty_s: 2, source: TimeSource::Hub }
    }

    fn key(valid_from: Option<u64>, valid_until: Option<u64>) -> TicketKey {
        let key = TicketKey::new(SigningKey::from_bytes(&[3; 32]).verifying_key());
        TicketKey { valid_from, valid_until, ..key }
    }

    #[test]
    fn a_key_counts_between_its_dates_and_each_side_has_its_own_reason() {
        let key = key(Some(100), Some(200));
        assert_eq!(check_key(&key, &policy(), at(99)), Err(GateRefusal::KeyNotYetValid(100)));
        assert_eq!(check_key(&key, &policy(), at(100)), Ok(false));
        assert_eq!(check_key(&key, &policy(), at(200)), Ok(false));
        assert_eq!(check_key(&key, &policy(), at(201)), Err(GateRefusal::KeyExpired(200)));
        let codes = [GateRefusal::KeyNotYetValid(1), GateRefusal::KeyExpired(1)].map(|refusal| refusal.code());
        assert_eq!(codes, ["ticket.key_not_yet_valid", "ticket.key_expired"]);
    }

    #[test]
    fn a_clock_that_is_too_uncertain_for_a_keys_dates_leaves_it_to_the_policy() {
        let now = TrustedTime { unix_s: 999, uncertainty_s: 301, source: TimeSource::OwnEntry };
        let dated = key(None, Some(200));
        assert_eq!(check_key(&dated, &policy(), now), Err(GateRefusal::TimeUncertain(301)));
        let lenient = Policy { admit_when_time_uncertain: true, ..policy() };
        assert_eq!(check_key(&dated, &lenient, now), Ok(true));
        assert_eq!(check_key(&key(None, None), &policy(), now), Ok(false), "a key without dates needs no clock");
    }

    #[test]
    fn old_knowledge_marks_or_asks_a_supervisor_as_the_festival_decided() {
        let lenient = Policy { stale_after_s: 60, admit_when_stale: true, ..policy() };
        assert_eq!(check_age(60, &lenient), Ok(false));
        assert_eq!(check_age(61, &lenient), Ok(true));
        let strict = Policy { admit_when_stale: false, ..lenient };
        assert_eq!(check_age(60, &strict), Ok(false));
        let refused = check_age(120, &strict).unwrap_err();
        assert_eq!((refused.code(), refused.arguments(&bundle())[0].1.as_str()), ("gate.stale_knowledge", "2"));
        assert_eq!(check_age(u64::MAX, &Policy { stale_after_s: 0, ..strict }), Ok(false), "0: never stale");
    }

    #[test]
    fn a_revocation_holds_whoever_says_it_and_of_a_block_the_newer_word_counts() {
        let state = |flags| TicketState { flags, ..TicketState::empty(TicketUid([1; 16])) };
        let (free, blocked) = (state(TicketFlags::default()), state(TicketFlags::BLOCKED));
        let held = |revoked, blocked| FromBundle {
            held: Some(SnapshotTicket { revoked, blocked, ..SnapshotTicket::bare(TicketUid([1; 16])) }),
            ..FromBundle::default()
        };
        assert_eq!(barred(held(true, false), Some(&free), true), (true, false));
        assert_eq!(barred(held(false, true), Some(&free), true), (false, false), "unblocked since");
        assert_eq!(barred(held(false, true), Some(&free), false), (false, true), "the deltas are older");
        assert_eq!(barred(held(false, true), None, true), (false, true), "the deltas never named it");
        assert_eq!(barred(held(false, false), Some(&blocked), false), (false, true));
        let listed = FromBundle { revoked: true, blocked: true, held: None };
        assert_eq!(barred(listed, Some(&free), true), (true, false));
        assert_eq!(barred(FromBundle::default(), None, true), (false, false));
    }
}
