//! Who did what: every fraud of a world is named by its kind, place and amount, and nobody else is on any list.
//! Invariant: what is expected comes from what the reference saw; the product's lists are only compared with it.
//! Not here: the frauds themselves (`frauds`), whether guests are square (`guests`).
use std::collections::{BTreeMap, BTreeSet};

use domain::{
    id::{EntryRef, WalletId},
    journal::{Detail, Kind},
    ledger::{Conflict, ConflictKind, ConflictSubject, WalletEntry, closes},
    wristband::RecordId,
};

use crate::{
    festival::ONCE_ZONE,
    frauds::{Fraud, one_of},
    reference::Passed,
    world::World,
};

impl World<'_> {
    /// Gives the tickets of which a clock decides what the hub can know: a gate that was set back and admits somebody
    /// anew writes the very same entry at the same place where its clock stands, and another one where it goes.
    pub(crate) fn check_gates(&mut self) -> BTreeSet<[u8; 16]> {
        let forgotten = |passed: &[Passed]| -> BTreeSet<[u8; 16]> {
            passed.iter().filter(|passed| passed.gate == usize::MAX).map(|passed| passed.ticket.0).collect()
        };
        let by_a_clock = forgotten(&self.reference.passed);
        let hub = &self.hub;
        self.reference.passed.retain(|passed| hub.has(passed.at, passed.hash));
        let forgotten = forgotten(&self.reference.passed);
        for (ticket, zone) in self.reference.doubles(ONCE_ZONE) {
            if forgotten.contains(&ticket.0) {
                continue;
            }
            let places = self.reference.admissions(ticket, zone).map(one_of).collect();
            let fraud = Fraud::new("screenshot", ConflictKind::DoubleAdmission, ticket.0);
            self.frauds.push(Fraud { places, ..fraud });
        }
        by_a_clock
    }

    /// Every fraud is named, and nobody else is. Those that a clock decides leave no trace.
    pub(crate) fn check_names(&mut self, by_a_clock: &BTreeSet<[u8; 16]>) {
        let conflicts = self.hub.conflicts();
        self.expect_of_money();
        self.expect_of_boxes();
        self.frauds.sort();
        self.frauds.dedup();
        for fraud in std::mem::take(&mut self.frauds) {
            *self.tally.frauds.entry(fraud.what).or_default() += 1;
            if conflicts.iter().any(|conflict| fraud.is_named_by(conflict)) {
                *self.tally.named.entry(fraud.what).or_default() += 1;
            } else {
                let found: Vec<_> =
                    conflicts.iter().filter(|c| c.kind == fraud.named_as && subject(c) == fraud.subject).collect();
                self.tally.broken.push(format!("not named as it was: {fraud:?}; named: {found:?}"));
            }
            if !by_a_clock.contains(&fraud.subject) {
                self.trace(&[9, fraud.named_as as u64, u64::from(fraud.subject[0])]);
            }
        }
        self.check_nobody_is_accused(&conflicts);
    }

    fn expect_of_money(&mut self) {
        for n in 0..self.bands.len() {
            let wallet = self.bands[n].wallet();
            let facts = &self.reference.bands[n];
            if facts.is_disturbed || self.hub.wallet(&wallet).is_none() {
                continue;
            }
            let (has_purse, overspent, given) = (self.bands[n].has_purse(), facts.overspent(), self.given_back(n));
            let lost = facts.lost().saturating_add(given);
            if !has_purse && self.reference.at_risk.get(n).is_some_and(|most| overspent > *most) {
                let said = format!("account {n} is overspent by {overspent}: more than islands may together");
                self.tally.broken.push(said);
            }
            if !has_purse && overspent > 0 {
                let fraud = Fraud::new("cloned_band", ConflictKind::Overspend, wallet.0);
                self.frauds.push(Fraud { amount: Some(overspent), ..fraud });
            }
            if facts.copied {
                self.expect_forks(n);
            } else if lost > 0 {
                let mut places: Vec<BTreeSet<EntryRef>> = facts.unpaid().map(one_of).collect();
                places.extend((given > 0).then(|| facts.paid_late().collect()));
                let fraud = Fraud::new("unpaid", ConflictKind::Loss, wallet.0);
                self.frauds.push(Fraud { places, amount: Some(lost), ..fraud });
            }
        }
    }

    /// Both sides of a restored dump: the entries that wrote each of the records that follow the same one.
    fn expect_forks(&mut self, n: usize) {
        let wallet = self.bands[n].wallet();
        let entries = self.hub.wallet_entries(wallet);
        let sold = committed(&entries);
        let written = written(&entries);
        for followers in self.reference.bands[n].spent_twice(&sold) {
            let places = followers.iter().map(|record| written.get(record).cloned().unwrap_or_default()).collect();
            let fraud = Fraud::new("restored_dump", ConflictKind::ChipFork, wallet.0);
            self.frauds.push(Fraud { places, ..fraud });
        }
    }

    fn expect_of_boxes(&mut self) {
        for place in &self.places {
            if let Some(twin) = &place.twin {
                let (epoch, _) = place.keeper.epoch();
                let (one, other) = (place.keeper.sent_from(epoch, 0), twin.sent_from(epoch, 0));
                if let Some((one, _)) = one.iter().zip(&other).find(|(one, other)| one.hash != other.hash) {
                    let fraud = Fraud::new("two_histories", ConflictKind::Fork, place.device.0);
                    self.frauds.push(Fraud { places: vec![one_of(one.at)], ..fraud });
                }
            }
            if let Some(withheld) = place.withheld {
                let all = place.keeper.sent_from(withheld.epoch, withheld.seq);
                if all.len() > 1 {
                    let fraud = Fraud::new("withheld", ConflictKind::Gap, place.device.0);
                    self.frauds.push(Fraud { places: vec![one_of(withheld)], ..fraud });
                }
            }
            if place.revoked {
                let mut beyond: BTreeMap<WalletId, Vec<BTreeSet<EntryRef>>> = BTreeMap::new();
                for epoch in 0..=place.keeper.epoch().0 {
                    let from = self.hub.revoked_from(place.device, epoch);
                    for sent in place.keeper.sent_from(epoch, from) {
                        let wallet = WalletId(sent.entry.subject.0);
                        if self.bands.iter().any(|band| band.wallet() == wallet) {
                            beyond.entry(wallet).or_default().push(one_of(sent.at));
                        }
                    }
                }
                for (wallet, places) in beyond {
                    let fraud = Fraud::new("beyond_revocation", ConflictKind::RevokedEntries, wallet.0);
                    self.frauds.push(Fraud { places, ..fraud });
                }
            }
        }
    }

    /// What is listed has a reason: honest guests and boxes are on no list.
    fn check_nobody_is_accused(&mut self, conflicts: &[Conflict]) {
        for conflict in conflicts {
            let is_honest = match conflict.subject {
                ConflictSubject::Wallet(wallet) => {
                    let n = self.bands.iter().position(|band| band.wallet() == wallet);
                    let facts = n.map(|n| &self.reference.bands[n]);
                    let by_nature = match conflict.kind {
                        ConflictKind::Loss => {
                            facts.is_some_and(|facts| facts.lost() > 0) || n.is_some_and(|n| self.given_back(n) > 0)
                        }
                        ConflictKind::Overspend => {
                            let has_purse = n.is_none_or(|n| self.bands[n].has_purse());
                            !has_purse && facts.is_some_and(|facts| facts.overspent() > 0)
                        }
                        ConflictKind::ForbiddenEntry => self.places.iter().any(|place| place.lying),
                        _ => false,
                    };
                    !by_nature && facts.is_some_and(|facts| !facts.copied && !facts.is_disturbed)
                }
                ConflictSubject::Ticket(ticket) => {
                    let restored = self.tally.restored > 0;
                    let bad = self.places.iter().any(|p| p.twin.is_some() || p.revoked || p.withheld.is_some());
                    let double = self.reference.doubles(ONCE_ZONE).iter().any(|(of, _)| *of == ticket);
                    // who came and went under wrong clocks may be asked about
                    let both = self.reference.passed.iter().any(|p| p.ticket == ticket && !p.inwards);
                    !double && !restored && !bad && !both
                }
                ConflictSubject::Device(device) => {
                    let place = self.places.iter().find(|place| place.device == device);
                    let odd = place.is_some_and(|p| p.twin.is_some() || p.withheld.is_some() || p.lost || p.lying);
                    !odd && self.tally.restored == 0
                }
            };
            if is_honest {
                self.tally.broken.push(format!("an honest one is accused: {conflict:?}"));
            }
        }
    }
}

/// S records that an entry says were written: commits, by the intent that they end.
fn committed(entries: &[WalletEntry]) -> BTreeSet<RecordId> {
    // beside a tear a fork is suspect only: where only the C was found, nobody saw the S
    let c_only = |e: &WalletEntry| matches!(&e.detail, Detail::TopUp(top_up) if top_up.c_only);
    let ended: BTreeSet<_> = entries
        .iter()
        .filter(|e| !c_only(e))
        .filter(|e| e.entry.kind != Kind::VOID && e.entry.kind != Kind::GAVE_UP)
        .filter_map(|e| closes(&e.entry))
        .collect();
    let intents = entries.iter().filter(|e| ended.contains(&e.at));
    intents.filter_map(|e| if let Detail::Intent(intent) = &e.detail { Some(intent.own) } else { None }).collect()
}

/// The intents that were to write each S record.
fn written(entries: &[WalletEntry]) -> BTreeMap<RecordId, BTreeSet<EntryRef>> {
    let mut written: BTreeMap<RecordId, BTreeSet<EntryRef>> = BTreeMap::new();
    for e in entries {
        if let Detail::Intent(intent) = &e.detail {
            written.entry(intent.own).or_default().insert(e.at);
        }
    }
    written
}

/// The id of whoever a conflict names.
pub(crate) fn subject(conflict: &Conflict) -> [u8; 16] {
    match conflict.subject {
        ConflictSubject::Wallet(wallet) => wallet.0,
        ConflictSubject::Ticket(ticket) => ticket.0,
        ConflictSubject::Device(device) => device.0,
    }
}
