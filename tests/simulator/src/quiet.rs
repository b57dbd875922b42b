//! The end of a world: everybody is heard, every band is read once more, and the reference is asked.
//! Invariant: a world whose boxes are all there ends without a doubt, and every guest is square to the cent.
//! Not here: what the reference saw (`reference`), who is named (`names`).
use std::collections::BTreeSet;

use domain::{id::DeviceId, journal::IntentPurpose, ledger::Verdict, wristband::tap::TapRequest};

use crate::{festival::Role, hub::Sent, world::World};

/// Rounds of reading bands and hearing the hub until nothing is owed or in doubt.
const ROUNDS: usize = 5;

impl World<'_> {
    /// Settles what can be settled and checks every promise.
    pub(crate) fn end(&mut self) {
        for place in &mut self.places {
            place.keeper.calm();
            if let Some(twin) = &mut place.twin {
                twin.calm();
                if twin.is_dead() {
                    twin.restart();
                }
            }
        }
        self.power_comes_back();
        let limit = self.festival.bundle.body.policy.offline_limit.as_i64();
        self.reference.at_risk = (0..self.bands.len()).map(|n| self.reference.most_overspent(n, limit)).collect();
        self.heal();
        self.settle_doubts();
        for _ in 0..ROUNDS {
            self.read_bands();
            self.heal();
            self.write_off();
            self.heal();
            if self.is_settled() {
                break;
            }
        }
        self.count_what_is_missing();
        self.check_what_is_owed();
        self.check_greens();
        self.check_guests();
        let by_a_clock = self.check_gates();
        self.check_names(&by_a_clock);
        self.check_boxes();
        if self.dice.one_in(6) {
            self.check_order();
        }
    }

    /// Every box with a doubt reads that band again, or says that it never will.
    fn settle_doubts(&mut self) {
        for at in 0..self.places.len() {
            if self.places[at].lost {
                continue;
            }
            // what the power interrupted while staff answered is asked again
            self.answers_prompts(at, false);
            if self.places[at].revoked {
                continue;
            }
            for (intent, wallet, _) in self.places[at].keeper.open_intents() {
                let Some(band) = self.bands.iter().position(|band| band.wallet() == wallet) else { continue };
                if self.dice.one_in(2) {
                    self.taps(at, band, None, Some(TapRequest::ClosingRead));
                }
                self.give_up(at, intent, band);
            }
            self.places[at].orders.clear();
        }
    }

    /// Every purse is read at the desks, until one of them can write its closing record.
    fn read_bands(&mut self) {
        let desks: Vec<usize> =
            (0..self.places.len()).filter(|at| self.places[*at].role == Role::Desk && !self.places[*at].lost).collect();
        for band in 0..self.bands.len() {
            if self.bands[band].has_purse() {
                for desk in &desks {
                    self.taps(*desk, band, None, Some(TapRequest::ClosingRead));
                }
            }
        }
    }

    /// At the event's close a top-up that nobody can tell of is settled in the guest's favour: the cash was taken. A sale
    /// that was served is paid: from a band that nobody can read the guest gets back what the goods have left.
    fn write_off(&mut self) {
        for n in 0..self.bands.len() {
            let wallet = self.bands[n].wallet();
            let Some((fold, _)) = self.hub.wallet(&wallet) else { continue };
            let left: Vec<_> = fold
                .settled
                .iter()
                .filter(|s| s.verdict == Verdict::Doubt && s.given_up && !s.written_off)
                .map(|s| (s.intent, s.purpose, s.amount, s.handed_over))
                .collect();
            for (intent, purpose, amount, handed_over) in left {
                self.hub.write_off(wallet, intent);
                if purpose == IntentPurpose::TopUp {
                    self.reference.bands[n].paid_elsewhere += amount;
                }
                if purpose == IntentPurpose::Sale && handed_over {
                    self.reference.bands[n].served.retain(|(served, ..)| *served != intent);
                }
                self.note(|| format!("the hub writes off the doubt of {amount} on band {n}"));
            }
        }
    }

    fn is_settled(&self) -> bool {
        self.bands.iter().filter(|band| band.has_purse()).all(|band| {
            let found = self.hub.wallet(&band.wallet());
            found.is_none_or(|(fold, _)| fold.accounts.in_doubt() == 0 && fold.accounts.pending == 0)
        })
    }

    /// What is owed to a purse was put on it when desks read it, where its C is whole and the sum fits. It was given no more
    /// than it was owed, but for sales that were served on "tap again" all the same: those are losses, and counted.
    fn check_what_is_owed(&mut self) {
        let maximum = self.festival.bundle.body.policy.maximum_balance.as_i64();
        for n in 0..self.bands.len() {
            let facts = &self.reference.bands[n];
            let Some(left) = self.bands[n].left().filter(|_| !facts.copied && !facts.is_disturbed) else { continue };
            let pending = self.hub.wallet(&self.bands[n].wallet()).map_or(0, |(_, owed)| owed.pending);
            let (given, served) = (self.given_back(n), facts.served_and_paid());
            self.tally.carried_and_served += u64::from(given > 0);
            if pending < 0 || given > served {
                self.tally.broken.push(format!("band {n} was given {given} and {pending} more than it was owed"));
            }
            if pending > 0 && left.saturating_add(pending) <= maximum {
                self.tally.broken.push(format!("band {n} holds {left} and is owed {pending} that did not arrive"));
            }
        }
    }

    /// What boxes wrote and the hub will never see.
    fn count_what_is_missing(&mut self) {
        let mut missing: Vec<Sent> = Vec::new();
        for place in &self.places {
            let (last, _) = place.keeper.epoch();
            for epoch in 0..=last {
                let all = place.keeper.sent_from(epoch, 0);
                missing.extend(all.into_iter().filter(|sent| !self.hub.has(sent.at, sent.hash)));
            }
        }
        for sent in missing.iter().chain(&self.hub.on_forked_ground()) {
            self.disturb(&sent.entry);
        }
        for at in 0..self.places.len() {
            if !self.places[at].lost && !self.places[at].revoked {
                continue;
            }
            // what a lost or stolen box had in doubt stays in doubt
            for (intent, ..) in self.places[at].keeper.open_intents() {
                if let Some(entry) = self.places[at].keeper.entry(intent) {
                    self.disturb(&entry);
                }
            }
        }
        let beyond: Vec<Sent> = self
            .places
            .iter()
            .filter(|place| place.revoked)
            .flat_map(|place| {
                let of = |epoch| place.keeper.sent_from(epoch, self.hub.revoked_from(place.device, epoch));
                (0..=place.keeper.epoch().0).flat_map(of).collect::<Vec<_>>()
            })
            .collect();
        beyond.iter().for_each(|sent| self.disturb(&sent.entry));
        let is_missing: BTreeSet<_> = missing.iter().map(|sent| (sent.at, sent.hash)).collect();
        let expected: Vec<DeviceId> = self
            .places
            .iter()
            .filter(|place| place.lost && !place.damaged || place.withheld.is_some())
            .map(|place| place.device)
            .collect();
        self.reference.acknowledged.retain(|of| !expected.contains(&of.0.device) || !is_missing.contains(of));
    }

    fn check_greens(&mut self) {
        for (at, hash) in std::mem::take(&mut self.reference.acknowledged) {
            if !self.hub.has(at, hash) {
                self.tally.lost_acknowledged += 1;
                self.tally.broken.push(format!("entry {at} showed green and is not at the hub"));
            }
        }
    }

    /// Boxes that heard everything believe what the hub does.
    fn check_boxes(&mut self) {
        let publication = self.publish();
        for at in 0..self.places.len() {
            let place = &self.places[at];
            if place.lost || place.revoked || place.twin.is_some() || place.withheld.is_some() {
                continue;
            }
            self.tell(at, &publication);
            for (wallet, state) in &publication.wallets {
                let own = self.places[at].keeper.wallet(*wallet);
                if own != *state {
                    let name = self.name(at);
                    self.tally.broken.push(format!("{name} believes {own:?}, the hub {state:?}"));
                }
            }
            for (ticket, state) in &publication.tickets {
                let own = self.places[at].keeper.ticket(*ticket);
                if own != *state {
                    let name = self.name(at);
                    self.tally.broken.push(format!("{name} believes {own:?}, the hub {state:?}"));
                }
            }
        }
    }

    /// The same entries in another order, and some of them twice, mean the same.
    fn check_order(&mut self) {
        let mut again = self.hub.refolded(self.dice.clone());
        let mut differing = self.hub.differing(&again);
        if self.hub.conflicts() != again.conflicts() {
            differing.push("what people must look at".into());
        }
        let said = differing.into_iter().map(|what| format!("another order means something else: {what}"));
        self.tally.broken.extend(said);
    }
}
