//! What the gate's screen shows: the last verdict, whom it is about, and the guest whose band is awaited.
//! Invariant: a verdict and whom it is about change together; each verdict has a name of its own.
//! Not here: who passes (`gate`), how long a band is awaited (`tap_desk`), counts that the store keeps (`view`).
use std::time::Instant;

use screens::view::{GateVerdict, GateView, Pairing};

use super::passage::Passer;
use crate::{
    station::{Station, lock},
    tap_desk::{ForTicket, Purpose},
};

/// Whom a verdict is about, beside what the screen shows of it.
#[derive(Default)]
pub(crate) struct About {
    /// Whom it refuses, for a supervisor.
    pub refused: Option<Passer>,
    /// Whose ticket was shown, by itself or by its band.
    pub ticket: Option<ForTicket>,
}

/// The last verdict, and the guest whose band is awaited.
#[derive(Default)]
pub(crate) struct Shown {
    last: Option<GateVerdict>,
    /// Whom that one is about: always of the same verdict.
    about: About,
    /// The admission whose ticket a band was last awaited for.
    awaits_band: Option<GateVerdict>,
    refused: u64,
    /// What [`Station::name_of_verdict`] gave last.
    named_ms: u64,
}

impl Station {
    /// The time now as the name of one verdict: each gets its own.
    pub(crate) fn name_of_verdict(&self) -> u64 {
        let now_ms = self.now_ms();
        let mut gate = lock(&self.gate);
        gate.named_ms = now_ms.max(gate.named_ms.saturating_add(1));
        gate.named_ms
    }

    /// Shows a gate verdict.
    pub(crate) fn gate_verdict(&self, verdict: &GateVerdict, about: About) {
        let mut gate = lock(&self.gate);
        (gate.last, gate.about) = (Some(verdict.clone()), about);
        if verdict.pairing == Pairing::Waiting {
            gate.awaits_band = Some(verdict.clone());
        }
        if !verdict.admitted {
            gate.refused = gate.refused.saturating_add(1);
            self.refused_scans.inc();
        }
        drop(gate);
        self.changed();
    }

    /// Whom the verdict of this name refused, if it is the last one; a supervisor may let them pass.
    pub(crate) fn refused_by(&self, at_unix_ms: u64) -> Result<Passer, &'static str> {
        self.about(at_unix_ms, |about| about.refused.clone(), "gate.nothing_refused")
    }

    /// The ticket that the verdict of this name was about, if it is the last one; another band may be taken for it.
    pub(crate) fn ticket_of(&self, at_unix_ms: u64) -> Result<ForTicket, &'static str> {
        self.about(at_unix_ms, |about| about.ticket.clone(), "gate.no_ticket_shown")
    }

    fn about<T>(
        &self,
        at_unix_ms: u64,
        wanted: impl Fn(&About) -> Option<T>,
        none: &'static str,
    ) -> Result<T, &'static str> {
        let gate = lock(&self.gate);
        let last = gate.last.as_ref().ok_or(none)?;
        if last.at_unix_ms == at_unix_ms { wanted(&gate.about).ok_or(none) } else { Err("gate.another_shown") }
    }

    /// A band is awaited for the ticket on the screen.
    pub(crate) fn pairing(&self) {
        let mut gate = lock(&self.gate);
        if let Some(last) = gate.last.as_mut() {
            last.pairing = Pairing::Waiting;
        }
        gate.awaits_band = gate.last.clone();
        drop(gate);
        self.changed();
    }

    /// The band was paired to the ticket that awaited one; the screen may show somebody else by now.
    pub(crate) fn paired(&self) {
        let mut gate = lock(&self.gate);
        let awaited = gate.awaits_band.take().map(|awaited| awaited.at_unix_ms);
        if let Some(last) = gate.last.as_mut().filter(|last| Some(last.at_unix_ms) == awaited) {
            last.pairing = Pairing::Paired;
        }
    }

    /// The guest for whom a band was awaited goes in without one.
    pub(crate) fn not_pairing(&self) {
        let mut gate = lock(&self.gate);
        gate.awaits_band = None;
        if let Some(last) = gate.last.as_mut().filter(|last| last.pairing == Pairing::Waiting) {
            last.pairing = Pairing::None;
        }
        drop(gate);
        self.changed();
    }

    /// The same once it was awaited for too long at `now`.
    pub(crate) fn end_pairing(&self, now: Instant) {
        if self.desk.end_pairing(now) {
            self.not_pairing();
        }
    }

    /// What the gate's screen shows, without the counts that the store keeps.
    pub(crate) fn gate(&self) -> GateView {
        // a sale that began meanwhile has taken the band's place
        let awaits = self.desk.waiting().is_some_and(|waiting| matches!(waiting.purpose, Purpose::Pairing(_)));
        let gate = lock(&self.gate);
        let mut last = gate.last.clone();
        if let Some(last) = last.as_mut().filter(|last| last.pairing == Pairing::Waiting && !awaits) {
            last.pairing = Pairing::None;
        }
        let awaits_band = gate.awaits_band.clone().filter(|_| awaits);
        GateView { last, awaits_band, refused: gate.refused, ..GateView::default() }
    }
}
