//! The guided tour: six things to try, each ticked off once it was seen to have happened.
//! Invariant: a step is judged by gates' verdicts, chips, lights and the hub's conflicts, never by which button was
//! pressed; what was seen stays seen.
use std::sync::atomic::{AtomicBool, Ordering};

use domain::{money::Cents, wristband::PurseImage};
use screens::view::{ConflictKind, DemoBox, HubView, TicketKind, TourStep};

use super::shelf::{Ticket, Worn};

/// How many steps there are.
const STEPS: usize = 6;

/// Steps that were seen.
#[derive(Default)]
pub(super) struct Tour([AtomicBool; STEPS]);

/// What the steps are judged by.
pub(super) struct Sights<'a> {
    pub(super) tickets: &'a [Ticket],
    /// Bands with what their chips hold, where that reads.
    pub(super) bands: &'a [(Worn, Option<PurseImage>)],
    pub(super) boxes: &'a [DemoBox],
    pub(super) hub: Option<&'a HubView>,
}

impl Tour {
    /// Ticks off what can be seen now, and gives every step.
    pub(super) fn walk(&self, sights: &Sights<'_>) -> Vec<TourStep> {
        let now = [
            sights.has_entered(),
            sights.has_topped_up(),
            sights.has_bought(),
            sights.was_torn_and_settled(),
            sights.was_admitted_at_two_gates(),
            sights.is_healed_and_named(),
        ];
        let steps = self.0.iter().zip(now).zip(1u8..);
        steps
            .map(|((seen, now), number)| TourStep { number, done: seen.fetch_or(now, Ordering::SeqCst) || now })
            .collect()
    }
}

impl Sights<'_> {
    fn visitors_tickets(&self) -> impl Iterator<Item = &Ticket> {
        self.tickets.iter().filter(|ticket| ticket.kind != TicketKind::Used)
    }

    fn has_entered(&self) -> bool {
        self.visitors_tickets().any(|ticket| ticket.shown.iter().any(|shown| shown.admitted))
    }

    fn purses(&self) -> impl Iterator<Item = &PurseImage> {
        self.bands.iter().filter_map(|(_, purse)| purse.as_ref())
    }

    fn has_topped_up(&self) -> bool {
        self.purses().any(|purse| purse.credit().credits > Cents::ZERO)
    }

    fn has_bought(&self) -> bool {
        self.purses().any(|purse| purse.effective_spent(Cents::ZERO) > Cents::ZERO)
    }

    fn was_torn_and_settled(&self) -> bool {
        self.bands.iter().any(|(worn, _)| worn.mended) && self.boxes.iter().all(|shown| shown.view.in_doubt.is_empty())
    }

    fn was_admitted_at_two_gates(&self) -> bool {
        self.visitors_tickets().any(|ticket| {
            let mut places = ticket.shown.iter().filter(|shown| shown.admitted).map(|shown| &shown.place);
            let first = places.next();
            places.any(|place| Some(place) != first)
        })
    }

    fn is_healed_and_named(&self) -> bool {
        let is_whole = |shown: &DemoBox| shown.running && shown.wired && shown.view.hub.connected;
        let is_double = |kind: ConflictKind| kind == ConflictKind::DoubleAdmission;
        self.was_admitted_at_two_gates()
            && self.boxes.iter().all(is_whole)
            && self.hub.is_some_and(|hub| hub.conflicts.iter().any(|conflict| is_double(conflict.kind)))
    }
}

#[cfg(test)]
mod tests {
    use screens::view::{Conflict, Shown};

    use super::*;
    use crate::ticket::Paper;

    fn ticket(kind: TicketKind, admitted_at: &[&str]) -> Ticket {
        let paper = Paper { text: "A".into(), refused_with: None, id: None };
        let shown = |place: &&str| Shown { place: (*place).to_owned(), admitted: true, code: String::new() };
        Ticket { number: 1, kind, paper, shown: admitted_at.iter().map(shown).collect() }
    }

    fn done(tour: &Tour, tickets: &[Ticket], boxes: &[DemoBox], hub: Option<&HubView>) -> Vec<u8> {
        let steps = tour.walk(&Sights { tickets, bands: &[], boxes, hub });
        steps.iter().filter(|step| step.done).map(|step| step.number).collect()
    }

    #[test]
    fn the_ticket_that_was_used_before_the_visitor_came_is_no_entry_of_theirs() {
        let tour = Tour::default();
        assert!(done(&tour, &[ticket(TicketKind::Used, &["Gate A"])], &[], None).is_empty());
        assert_eq!(done(&tour, &[ticket(TicketKind::Valid, &["Gate A"])], &[], None), [1]);
        assert_eq!(done(&tour, &[], &[], None), [1], "what was seen stays seen");
    }

    #[test]
    fn the_last_step_needs_the_hubs_own_conflict_and_whole_wires() {
        let tickets = [ticket(TicketKind::Valid, &["Gate A", "Gate B"])];
        let mut whole = DemoBox { running: true, wired: true, ..DemoBox::default() };
        whole.view.hub.connected = true;
        let conflict = Conflict { kind: ConflictKind::DoubleAdmission, ..Conflict::default() };
        let hub = HubView { conflicts: vec![conflict], ..HubView::default() };
        let cut = DemoBox { wired: false, ..whole.clone() };
        assert_eq!(done(&Tour::default(), &tickets, &[whole.clone(), cut], Some(&hub)), [1, 5]);
        assert_eq!(done(&Tour::default(), &tickets, std::slice::from_ref(&whole), Some(&HubView::default())), [1, 5]);
        assert_eq!(done(&Tour::default(), &tickets, &[whole], Some(&hub)), [1, 5, 6]);
    }
}
