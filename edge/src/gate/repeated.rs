//! A screen's request that was done before: the answer got lost, or somebody pressed twice.
//! Invariant: one id lets one person pass, in one direction; what it let pass is read off its entry.
//! Not here: answers that wait for a band (`tap_desk`).
use box_store::StoreError;
use domain::{
    access::{BADGE_SCHEME, Direction},
    id::TicketUid,
    journal::{Admission, Detail, Entry, Subject, Terms},
};

use super::passage::{Passer, kind, ticket_of};
use crate::{rules::Rules, station::Station, tap_desk::RequestId};

/// Whether this entry is the passage of this person in this direction.
pub(super) fn is_of(entry: &Entry, who: Option<TicketUid>, direction: Direction) -> bool {
    entry.kind == kind(direction) && entry.subject == who.map_or(Subject::NONE, Subject::from)
}

/// Whom this request let pass: somebody with a ticket, a band or a badge.
pub(super) fn passer(station: &Station, id: RequestId) -> Result<Option<Passer>, StoreError> {
    let entry = station.store.read(move |view| view.entry(view.answer(&id)?))?;
    Ok(entry.and_then(|entry| named_in(&entry, &station.rules())))
}

fn named_in(entry: &Entry, rules: &Rules) -> Option<Passer> {
    let Ok(Detail::Admission(Admission { scheme, product, .. })) = Detail::of(entry) else { return None };
    if entry.subject.is_none() {
        return None;
    }
    if scheme == BADGE_SCHEME {
        let [number, ..] = product;
        let member = rules.staff.member(u32::try_from(number).ok()?)?;
        return Some(Passer::staff(member.clone(), member.badge?));
    }
    // nothing is asked of its terms: it has passed
    let terms = Terms { scheme, product, zones: u32::MAX, valid_from: 0, valid_until: 0 };
    let ticket = ticket_of(entry.subject.ticket(), &terms)?;
    let band = Some(entry.other).filter(|other| !other.is_none()).map(Subject::wallet);
    Some(match band {
        Some(wallet) => Passer::band(ticket, wallet),
        None => Passer::ticket(ticket, Ok(false)),
    })
}
