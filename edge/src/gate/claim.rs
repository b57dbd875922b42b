//! A gate claims a ticket's next use from its group before it decides.
//! Invariant: "somebody else has it" never becomes a yes, nor does "there was nothing to claim" for whom the rules let in
//! since; what was claimed is concluded or given back.
//! Not here: how a claim is answered (`lan`), the passage itself (`passage`).
use domain::{
    access::{Direction, Passage},
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
    /// There is no group, or a supervisor decides against the rules.
    Itself,
    /// Nothing was to be claimed when it was looked at: the rules refused, or it was no admission that counts.
    Unasked,
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
            Self::Itself | Self::Unasked | Self::Elsewhere => None,
        }
    }

    /// For the screen.
    pub(super) fn shown(&self) -> DecidedBy {
        match self {
            Self::Itself | Self::Unasked => DecidedBy::Box,
            Self::Group(..) | Self::Elsewhere => DecidedBy::Group,
            Self::Alone(..) => DecidedBy::Alone,
        }
    }

    /// What came of it is on disk, or may be; or nothing was written, nor will be, and it is given back.
    pub(super) fn end(&self, station: &Station, written: bool) {
        match self {
            Self::Group(key, claim) | Self::Alone(key, Some(claim)) if !written => station.lan.give_back(*key, *claim),
            Self::Group(key, _) | Self::Alone(key, Some(_)) => station.lan.concluded(*key),
            Self::Alone(_, None) | Self::Itself | Self::Unasked | Self::Elsewhere => {}
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
        let Some(key) = wanted(station, passer, wish, &festival) else { return By::Unasked };
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

/// Whether somebody's passage needs a claim.
pub(super) fn is_claimed(passage: &Passage) -> bool {
    passage.direction == Direction::In && !passage.marks.has(Marks::COUNTED)
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
        is_claimed(&passage).then(|| ClaimKey::ticket(ticket, view.ticket(&ticket).uses))
    });
    looked.ok().flatten()
}

#[cfg(test)]
mod tests {
    use domain::{journal::Kind, zones};

    use super::*;
    use crate::{
        bench::Bench,
        gate::{
            self,
            passage::{self, Judged},
        },
        lan::AloneInItsGroup,
    };

    const NEW: Wish = Wish { direction: None, word: None, request: None };

    /// A gate with a group and without a free place, what it asked for guest 1, and a place since.
    fn refused_and_then_a_place_was_free() -> (Bench, AloneInItsGroup, Passer, By) {
        let bench = Bench::gate(&[(1, "Ada"), (2, "Ida")], |_, _| {});
        let desk = AloneInItsGroup::start(&bench.station);
        bench.set_rules(|rules| {
            rules.zones.zones = vec![zones::Zone { capacity: Some(5), ..zones::Zone::default() }];
        });
        let [ada, ida] = [1, 2].map(|number| gate::read(&bench.station, &bench.ticket(number, 1)).unwrap());
        let by = ask(&bench.station, &ada, &NEW);
        assert_eq!(by.key(), None);
        let leaves = Wish { direction: Some(Direction::Out), ..NEW };
        let left = passage::record(&bench.station, &ida, leaves, By::Itself).unwrap();
        assert!(left.is_new);
        (bench, desk, ada, by)
    }

    fn admissions_and_grants(bench: &Bench) -> (usize, Vec<ClaimKey>) {
        let grants = bench.station.store.grants().unwrap();
        (bench.entries(Kind::ADMISSION).len(), grants.into_iter().map(|(key, _)| key).collect())
    }

    #[test]
    fn who_was_refused_when_it_was_looked_at_and_may_enter_now_is_not_admitted_without_a_claim() {
        let (bench, _desk, ada, by) = refused_and_then_a_place_was_free();
        let outcome = passage::record(&bench.station, &ada, NEW, by).unwrap();
        assert!(matches!(outcome.judged, Judged::Refused(_)) && !outcome.is_new);
        assert_eq!(admissions_and_grants(&bench), (0, vec![]));
        let scanned = gate::scan(&bench.station, &bench.ticket(1, 1));
        assert_eq!((scanned.admitted, scanned.decided), (true, DecidedBy::Group));
        assert_eq!(admissions_and_grants(&bench), (1, vec![ClaimKey::ticket(Bench::uid_of_ticket(1), 0)]));
    }

    #[test]
    fn the_group_is_asked_once_more_for_whom_the_rules_let_in_since() {
        let (bench, _desk, ada, by) = refused_and_then_a_place_was_free();
        let (by, recorded) = gate::record(&bench.station, &ada, NEW, by);
        assert!(recorded.is_ok_and(|outcome| outcome.is_new) && matches!(by, By::Group(..)), "{by:?}");
        assert_eq!(admissions_and_grants(&bench), (1, vec![ClaimKey::ticket(Bench::uid_of_ticket(1), 0)]));
    }
}
