//! Cheating, theft and bad luck with disks: what people and boxes do that the rules cannot prevent, only bound or name.
//! Invariant: what is noted here as a fraud is one of the kinds that the design's section 2 says are found.
//! Not here: whether they were named (`quiet`).
use domain::{
    id::EntryRef,
    journal::Means,
    ledger::ConflictKind,
    money::Cents,
    wristband::tap::{UidAccount, uid_top_up_entry},
};

use crate::{
    festival::{Keeping, Role},
    world::{Fraud, World},
};

impl World<'_> {
    /// Something foul happens, where it can.
    pub(crate) fn misdeed(&mut self) {
        let at = self.dice.below(self.places.len());
        let band = self.dice.below(self.bands.len());
        match self.dice.below(8) {
            0 | 1 => self.sets_chip_back(band),
            2 => self.doubles_disk(at),
            3 => self.mints(at, band),
            4 => self.places[at].lying |= self.places[at].role == Role::Bar && self.may_misbehave(at),
            5 => self.steals(at),
            6 => self.sets_disk_back(at),
            _ => self.loses_or_withholds(at),
        }
    }

    /// At most one box of a world misbehaves, and never a desk: a tenth of all boxes.
    fn may_misbehave(&self, at: usize) -> bool {
        let bad = |place: &crate::world::Place| {
            place.twin.is_some() || place.lying || place.revoked || place.lost || place.withheld.is_some()
        };
        self.places[at].role != Role::Desk && !self.places.iter().any(bad)
    }

    /// A guest keeps a dump of an NTAG and writes it back later.
    fn sets_chip_back(&mut self, band: usize) {
        if self.bands[band].stocked.keeping != Keeping::Ntag {
            return;
        }
        match self.bands[band].dump.take() {
            None => self.bands[band].dump = Some(self.bands[band].chip.clone()),
            Some(dump) => {
                self.bands[band].chip = dump;
                self.reference.bands[band].copied = true;
                for place in &mut self.places {
                    place.orders.remove(&band);
                }
                self.note(|| format!("guest {band} writes an old dump to the chip"));
            }
        }
    }

    /// A box writes two histories from here on.
    fn doubles_disk(&mut self, at: usize) {
        if self.places[at].role == Role::Bar && self.may_misbehave(at) {
            self.places[at].twin = self.places[at].keeper.image();
            self.places[at].keeper.lies();
            let name = self.name(at);
            self.note(|| format!("{name} writes two histories from now on"));
        }
    }

    /// A bar writes credits that its certificate does not allow.
    fn mints(&mut self, at: usize, band: usize) {
        if self.places[at].role != Role::Bar || self.bands[band].has_purse() || !self.may_misbehave(at) {
            return;
        }
        let wallet = self.bands[band].wallet();
        let of = UidAccount { wallet, currency: self.festival.currency, operator: 7 };
        let amount = Cents::new(self.dice.amount(1_000, 20_000)).unwrap_or(Cents::ZERO);
        let entry = uid_top_up_entry(&of, amount, Cents::ZERO, Means::Cash);
        if let Ok(refs) = self.places[at].keeper.append(vec![entry], &[]) {
            self.places[at].keeper.confirm(&refs);
            self.places[at].remembered.extend(refs);
            self.places[at].lying = true;
            let named_as = ConflictKind::ForbiddenEntry;
            self.frauds.push(Fraud { what: "minted", named_as, subject: wallet.0 });
            let name = self.name(at);
            self.note(|| format!("{name} mints {amount} for account {band}"));
        }
    }

    /// A lying bar wrote another amount into its commit than its intent had.
    pub(crate) fn lied(&mut self, band: usize) {
        self.reference.bands[band].is_disturbed = true;
        let subject = self.bands[band].wallet().0;
        self.frauds.push(Fraud { what: "other_amount", named_as: ConflictKind::ForbiddenEntry, subject });
        self.note(|| format!("a bar lies about what band {band} paid"));
    }

    /// A box is stolen and revoked, and goes on selling.
    fn steals(&mut self, at: usize) {
        if self.places[at].role == Role::Bar && self.may_misbehave(at) && self.dice.one_in(2) {
            let device = self.places[at].device;
            self.hub.revoke(device);
            self.places[at].revoked = true;
            self.places[at].offline_until = usize::MAX;
            let name = self.name(at);
            self.note(|| format!("{name} is stolen and revoked"));
        }
    }

    /// A disk is replaced by an image of some time ago.
    fn sets_disk_back(&mut self, at: usize) {
        let place = &mut self.places[at];
        let is_honest = place.twin.is_none() && !place.lying && !place.revoked && !place.lost;
        let Some(old) = place.old.take().filter(|_| is_honest && place.withheld.is_none()) else { return };
        let (now, before) = (place.keeper.epoch().0, old.epoch().0);
        if now != before {
            return;
        }
        let kept = old.sent_from(before, 0).len() as u32;
        let dropped = place.keeper.sent_from(now, kept);
        place.keeper = old;
        place.orders.clear();
        let device = place.device;
        let is_gone = |at: &EntryRef| at.device == device && at.epoch == now && at.seq >= kept;
        for sent in &dropped {
            self.disturb(&sent.entry);
        }
        for passed in self.reference.passed.iter_mut().filter(|passed| is_gone(&passed.at)) {
            passed.gate = usize::MAX; // this gate does not remember it, and may write another entry at its place
        }
        for spent in self.reference.spent.iter_mut().filter(|spent| is_gone(&spent.at)) {
            spent.bar = usize::MAX;
        }
        self.places[at].remembered.retain(|at| !is_gone(at));
        let hub = &self.hub;
        self.reference.acknowledged.retain(|(at, hash)| !is_gone(at) || hub.has(*at, *hash));
        self.reference.told[at] = self.places[at].keeper.heard();
        self.tally.restored += 1;
        let name = self.name(at);
        self.note(|| format!("{name} gets an old image of its disk: {} entries are gone", dropped.len()));
    }

    /// A box never comes back, or keeps one entry to itself.
    fn loses_or_withholds(&mut self, at: usize) {
        if !self.may_misbehave(at) {
            return;
        }
        if self.dice.one_in(2) {
            self.places[at].lost = true;
            self.tally.lost_boxes += 1;
            let name = self.name(at);
            self.note(|| format!("{name} is lost with its disk"));
        } else if self.places[at].role == Role::Bar {
            let place = &mut self.places[at];
            let (epoch, _) = place.keeper.epoch();
            let seq = place.keeper.sent_from(epoch, 0).len() as u32;
            place.withheld = Some(EntryRef { device: place.device, epoch, seq });
            let name = self.name(at);
            self.note(|| format!("{name} keeps its next entry to itself"));
        }
    }

    /// An entry about a band that the hub may never see: only bounds hold for that band.
    pub(crate) fn disturb(&mut self, entry: &domain::journal::Entry) {
        let found = self.bands.iter().position(|band| entry.subject == band.wallet().into());
        if let Some(facts) = found.and_then(|band| self.reference.bands.get_mut(band)) {
            facts.is_disturbed = true;
            facts.disturbed = facts.disturbed.saturating_add(entry.amount.as_i64());
        }
    }
}
