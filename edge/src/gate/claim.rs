//! A gate claims a ticket's next use from its group before it decides.
//! Invariant: "somebody else has it" never becomes a yes; what was claimed is concluded or given back.
//! Not here: how a claim is answered (`lan`), the passage itself (`passage`).
use domain::{
    access::Direction,
    id::FestivalId,
    journal::Marks,
    lan::{ClaimKey, Holder},
};

use screens::view::DecidedBy;

use super::passage::{Passer, Wish, Word};
use crate::{lan::Decided, station::Station};

/// A ticket that others had heard of more often than this gate is claimed again so often.
const TRIES: usize = 3;

/// By whose leave a passage is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// There is no group, or nothing to claim.
    Itself,
    /// The group's.
    Group(ClaimKey, Holder),
    /// Its own: too few of the group answered.
    Alone(ClaimKey, Option<Holder>),
    /// Nobody's: somebody else has it.
    Elsewhere,
}

impl By {
    /// The ticket's use that was claimed.
    pub(super) fn key(&self) -> Option<ClaimKey> {
        match self {
            Self::Group(key, _) | Self::Alone(key, _) => Some(*key),
            Self::Itself | Self::Elsewhere => None,
        }
    }

    /// For the screen.
    pub(super) fn shown(&self) -> DecidedBy {
        match self {
            Self::Itself => DecidedBy::Box,
            Self::Group(..) | Self::Elsewhere => DecidedBy::Group,
            Self::Alone(..) => DecidedBy::Alone,
        }
    }

    /// What came of it is on disk, or may be; or nothing was written, nor will be, and it is given back.
    pub(super) fn end(&self, station: &Station, written: bool) {
        match self {
            Self::Group(key, claim) | Self::Alone(key, Some(claim)) if !written => station.lan.give_back(*key, *claim),
            Self::Group(key, _) | Self::Alone(key, Some(_)) => station.lan.concluded(*key),
            Self::Alone(_, None) | Self::Itself | Self::Elsewhere => {}
        }
    }
}

/// Asks the group, where there is one and somebody wants in who may.
pub(super) fn ask(station: &Station, passer: &Passer, wish: &Wish) -> By {
    let against_the_rules = matches!(wish.word, Some((_, Word::Against(_))));
    let festival = station.bundle().bundle.festival;
    if !station.lan.is_on() || against_the_rules {
        return By::Itself;
    }
    let mut known = None;
    for _ in 0..TRIES {
        let Some(key) = wanted(station, passer, wish, &festival) else { return By::Itself };
        if known == Some(key) {
            // nobody could tell more of it
            return By::Elsewhere;
        }
        known = Some(key);
        match station.lan.claim(key) {
            Decided::Group(claim) => return By::Group(key, claim),
            Decided::Alone(claim) => return By::Alone(key, claim),
            Decided::Taken => {}
        }
    }
    By::Elsewhere
}

/// What must be claimed; nothing where the rules refuse, and for an exit.
fn wanted(station: &Station, passer: &Passer, wish: &Wish, festival: &FestivalId) -> Option<ClaimKey> {
    let ticket = passer.subject(festival)?;
    let (loaded, rules) = (station.bundle(), station.rules());
    let (zone, now, age) = (station.zone(), station.trusted_time(), station.ticket_knowledge());
    let connected = !station.is_alone();
    let (passer, wish) = (passer.clone(), wish.clone());
    let looked = station.store.read(move |view| {
        if wish.request.is_some_and(|request| view.answer(&request).is_some()) {
            return None;
        }
        let known = passer.known(view, &loaded, zone);
        let gate = super::passage::gate(view, &loaded, &rules, (zone, now, age.age_s(view), connected));
        let direction = wish.direction.unwrap_or_else(|| view.ways().direction(&known));
        let passage = passer.judge(view, &gate, &known, direction).ok()?;
        let counts = direction == Direction::In && !passage.marks.has(Marks::COUNTED);
        counts.then(|| ClaimKey::ticket(ticket, view.ticket(&ticket).uses))
    });
    looked.ok().flatten()
}
