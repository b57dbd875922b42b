//! Who must be served and who must not, as far as a box can know: the other half of every refusal.
//! Invariant: asks only where the answer is certain; what boxes misbehave or forgot makes uncertain is passed over.
//! Not here: what happens at the box (`people`), what it can know (`account`, `reference`).
use domain::{
    id::{DeviceId, EntryRef, TicketUid},
    journal::Kind,
    wristband::{
        CreditRecord,
        tap::{KnownWallet, TapOutcome, TapRequest},
    },
};

use crate::{
    account::{Known, Moved},
    festival::{Keeping, ONCE_ZONE},
    reference::Passed,
    tap::Fault,
    world::{Place, World},
};

/// How a tap of a purse must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Must {
    /// Cannot be told for certain.
    Whatever,
    /// Green, with this much charged.
    Pay(u32),
    /// Green, with this much put on.
    Gain(u32),
    /// No charge: there is not as much on the band and on its way there.
    NotPay,
}

impl World<'_> {
    /// Whether every box does what it should and remembers what it did, so that knowledge is what was written and told.
    fn boxes_are_sound(&self) -> bool {
        let is_odd = |place: &Place| place.twin.is_some() || place.lying || place.revoked;
        self.tally.restored == 0 && !self.places.iter().any(is_odd)
    }

    fn is_honest(&self, at: usize) -> bool {
        let place = &self.places[at];
        place.twin.is_none() && !place.lying && !place.revoked
    }

    /// An account that a box served or refused: with `wants` negative it was to pay.
    pub(crate) fn check_service(&mut self, at: usize, band: usize, wants: i64, known: Known, served: bool) {
        let facts = &self.reference.bands[band];
        let mut moves = self.reference.moved.iter().filter(|moved| moved.band == band);
        // nobody can know yet what the hub makes of a journal that has two histories
        let is_vague = facts.is_disturbed || facts.is_vague || moves.any(|moved| self.hub.is_forked(moved.at));
        if is_vague || !self.is_honest(at) {
            return;
        }
        let policy = &self.festival.bundle.body.policy;
        let (limit, maximum) = (policy.offline_limit.as_i64(), policy.maximum_balance.as_i64());
        let there = known.balance.saturating_add(wants);
        let has = if wants < 0 { there >= 0 } else { there <= maximum };
        let is_within = wants >= 0 || known.unheard.saturating_sub(wants) <= limit;
        let name = self.name(at);
        if served && !has {
            self.tally.broken.push(format!("{name} moved account {band} by {wants}, and knew of {known:?}"));
        }
        if !served && self.boxes_are_sound() {
            if has && is_within {
                self.tally.broken.push(format!("{name} did not move account {band} by {wants}, and knew of {known:?}"));
            } else if wants < 0 {
                self.tally.refused_rightly += 1;
            }
        }
    }

    /// What a box put on an account or took from it.
    pub(crate) fn moved(&mut self, at: usize, band: usize, cents: i64, stored: EntryRef, known: Known) {
        let keeper = &self.places[at].keeper;
        let (entry, hash) = (keeper.entry(stored), keeper.hash(stored).unwrap_or_default());
        let of = entry.as_ref().and_then(|entry| keeper.gives_back(entry));
        // whoever invents credits sells on them
        let knew = if self.is_honest(at) { known.balance.saturating_add(known.unheard) } else { i64::MAX };
        let is_refund = entry.is_some_and(|entry| entry.kind == Kind::REFUND);
        let unlimited = !self.is_honest(at) || is_refund && self.is_online(at);
        let (by, at, taken, published) = (at, stored, None, None);
        self.reference.moved.push(Moved { band, by, cents, at, hash, of, taken, published, knew, unlimited });
    }

    /// What the hub puts on an account, which boxes know once they are told: web payments, and what was not handed over.
    pub(crate) fn moved_by_hub(&mut self, band: usize, cents: i64, owed: Option<EntryRef>) {
        let (at, published) = match owed {
            Some(at) => (at, None),
            None => (EntryRef { device: DeviceId([0; 16]), epoch: 0, seq: 0 }, Some(self.hub.next_number())),
        };
        let keeper = self.places.iter().find(|place| place.device == at.device).map(|place| &place.keeper);
        let hash = keeper.and_then(|keeper| keeper.hash(at)).unwrap_or_default();
        let of = keeper.and_then(|keeper| keeper.gives_back(&keeper.entry(at)?));
        let (by, taken, knew, unlimited) = (usize::MAX, published, 0, false);
        self.reference.moved.push(Moved { band, by, cents, at, hash, of, taken, published, knew, unlimited });
    }

    /// How a tap of a purse must end. Nothing is certain after a doubt, or where something goes wrong in this tap.
    pub(crate) fn must_end(
        &self,
        at: usize,
        band: usize,
        request: &TapRequest,
        known: &KnownWallet,
        fault: Fault,
    ) -> Must {
        let (facts, place) = (&self.reference.bands[band], &self.places[at]);
        let Some(left) = self.bands[band].left() else { return Must::Whatever };
        let in_doubt = !known.open.is_empty() || known.unfinished_in_a_row > 0;
        if in_doubt || facts.copied || facts.is_disturbed || fault != Fault::None || !self.boxes_are_sound() {
            return Must::Whatever;
        }
        let policy = &self.festival.bundle.body.policy;
        // a C′ on offer comes first, where it fits
        let offered = known.offer.map_or(0, |record| CreditRecord::read(&record).credits.as_i64());
        let credits = self.bands[band].in_force().and_then(|now| now.credit).map_or(0, |(_, credits)| credits.into());
        let on_its_way = offered.saturating_sub(credits).max(0);
        match request {
            TapRequest::Sale { amount, retry_of: None, .. } => {
                let price = amount.as_i64();
                // a memory that can be written back is good for no more than the limit
                let asked = place.asked.get(&band).copied().unwrap_or(0);
                let unlimited = self.bands[band].stocked.keeping == Keeping::Aes;
                if price > left.saturating_add(on_its_way) {
                    return Must::NotPay;
                }
                let is_certain =
                    left >= price && (unlimited || asked.saturating_add(price) <= policy.offline_limit.as_i64());
                if is_certain { Must::Pay(amount.get()) } else { Must::Whatever }
            }
            TapRequest::TopUp { amount, retry_of: None, .. } => {
                let after = left.saturating_add(on_its_way).saturating_add(amount.as_i64());
                if after <= policy.maximum_balance.as_i64() { Must::Gain(amount.get()) } else { Must::Whatever }
            }
            _ => Must::Whatever,
        }
    }

    /// Whether it ended so.
    pub(crate) fn check_end(&mut self, at: usize, band: usize, must: Must, outcome: &TapOutcome) {
        let (charged, credited) = match outcome {
            TapOutcome::Done { charged, credited, .. } => (Some(charged.get()), Some(credited.get())),
            _ => (None, None),
        };
        let holds = match must {
            Must::Whatever => true,
            Must::Pay(price) => charged == Some(price),
            Must::Gain(amount) => credited == Some(amount),
            Must::NotPay => charged.unwrap_or(0) == 0,
        };
        self.tally.refused_rightly += u64::from(must == Must::NotPay && matches!(outcome, TapOutcome::Refused(_)));
        if !holds {
            let name = self.name(at);
            self.tally.broken.push(format!("{name}: band {band} must end with {must:?}, and it was {outcome:?}"));
        }
    }

    /// A gate refused somebody. Presence goes by counting (decision 0012): in a zone that is left again, only of a ticket
    /// that nobody came in with is it certain that it may enter.
    pub(crate) fn check_refusal(&mut self, at: usize, ticket: TicketUid, zone: u16) {
        let came = |p: &Passed| p.ticket == ticket && p.zone == zone && p.inwards;
        let may = match zone {
            ONCE_ZONE => self.reference.may_enter(ticket, zone, at),
            _ => !self.reference.passed.iter().any(came),
        };
        if self.tally.restored > 0 {
            return;
        }
        if may {
            let name = self.name(at);
            self.tally.broken.push(format!("{name} refused a ticket of which it knew nothing"));
        } else if zone == ONCE_ZONE {
            self.tally.refused_rightly += 1;
        }
    }
}
