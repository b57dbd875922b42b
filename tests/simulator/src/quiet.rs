//! The end of a world: everybody is heard, every band is read once more, and the reference is asked.
//! Invariant: a world whose boxes are all there ends without a doubt, and every guest is square to the cent.
//! Not here: what the reference saw (`reference`).
use std::collections::{BTreeMap, BTreeSet};

use domain::{
    id::{DeviceId, WalletId},
    journal::IntentPurpose,
    ledger::{Conflict, ConflictKind, ConflictSubject, Verdict, WalletFold},
    money::Cents,
    wristband::tap::TapRequest,
};

use crate::{
    festival::{ONCE_ZONE, Role},
    hub::Sent,
    reference::Passed,
    tally::Control,
    tap::short,
    world::{Fraud, World},
};

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

    /// At the event's close a top-up that nobody can tell of is settled in the guest's favour: the cash was taken.
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
            for (intent, purpose, amount, _) in left {
                self.hub.write_off(wallet, intent);
                if purpose == IntentPurpose::TopUp {
                    self.reference.bands[n].paid_elsewhere += amount;
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

    fn check_guests(&mut self) {
        let mut chips: BTreeMap<WalletId, Cents> = BTreeMap::new();
        for n in 0..self.bands.len() {
            let (wallet, purse) = (self.bands[n].wallet(), self.bands[n].has_purse());
            let Some((fold, owed)) = self.hub.wallet(&wallet).cloned() else { continue };
            let facts = self.reference.bands[n].clone();
            let left = self.bands[n].left();
            // who writes a dump back from before a top-up destroys money of his own, which no sum can bring back
            let destroyed = facts.copied && left.is_some_and(|left| left < fold.accounts.balance());
            if purse
                && !destroyed
                && let Some(cents) = left.and_then(|left| u32::try_from(left).ok()).and_then(Cents::new)
            {
                chips.insert(wallet, cents);
            }
            let (balance, lost) = (fold.accounts.balance(), fold.accounts.losses);
            if self.control == Control::LastWriter && !purse {
                let last = self.hub.last_writer.get(&wallet).map_or(0, |(_, after)| *after);
                self.tally.unexplained += (last - balance).abs();
                continue;
            }
            if self.control == Control::ConfirmedOnly && purse {
                let confirmed = confirmed(wallet, &self.hub.wallet_entries(wallet));
                self.tally.unexplained += left.map_or(0, |left| (left - confirmed).abs());
                continue;
            }
            if facts.is_disturbed || facts.copied {
                continue;
            }
            if purse && left.is_none() {
                self.tally.swapped += 1; // its only C is half written and whoever could finish it is gone: a new band
            }
            let has = if purse { left.unwrap_or(balance) } else { balance };
            let off = facts.unexplained(has, owed.pending, lost);
            if off != 0 {
                self.tally.unexplained += off.abs();
                self.tally.broken.push(format!(
                    "guest {n} ({}) is off by {off}: put on {} elsewhere {} goods {} cash {} left {has} owed {} lost {lost}; {:?}",
                    short(&wallet), facts.put_on(), facts.paid_elsewhere, facts.goods, facts.cash_out, owed.pending,
                    fold.accounts,
                ));
            }
            self.check_doubt(n, &fold, purse, left);
        }
        let sound: BTreeMap<WalletId, Cents> = chips
            .into_iter()
            .filter(|(wallet, _)| {
                let n = self.bands.iter().position(|band| band.wallet() == *wallet);
                n.is_some_and(|n| !self.reference.bands[n].is_disturbed)
            })
            .collect();
        let is_disturbed = self.reference.bands.iter().any(|facts| facts.is_disturbed);
        let totals = self.hub.totals(&sound);
        if totals.sources() != totals.uses() || !is_disturbed && totals.unexplained != 0 {
            self.tally.unexplained += totals.unexplained.abs();
            self.tally.broken.push(format!("the hub's books do not balance: {totals:?}"));
        }
    }

    fn check_doubt(&mut self, n: usize, fold: &WalletFold, purse: bool, left: Option<i64>) {
        if self.control != Control::None {
            return;
        }
        if fold.accounts.in_doubt() != 0 {
            self.tally.broken.push(format!(
                "band {n} ends in doubt over {}: {:?}",
                fold.accounts.in_doubt(),
                fold.settled
            ));
        }
        let balance = fold.accounts.balance();
        if purse && left.is_some_and(|left| left != balance) {
            self.tally.broken.push(format!(
                "band {n} holds {left:?}, the hub says {balance}: {:?} {:?}",
                fold.settled, fold.accounts
            ));
        }
    }

    /// Gives the tickets of which a clock decides what the hub can know: a gate that was set back and admits somebody
    /// anew writes the very same entry at the same place where its clock stands, and another one where it goes.
    fn check_gates(&mut self) -> BTreeSet<[u8; 16]> {
        let forgotten = |passed: &[Passed]| -> BTreeSet<[u8; 16]> {
            passed.iter().filter(|passed| passed.gate == usize::MAX).map(|passed| passed.ticket.0).collect()
        };
        let by_a_clock = forgotten(&self.reference.passed);
        let hub = &self.hub;
        self.reference.passed.retain(|passed| hub.has(passed.at, passed.hash));
        let forgotten = forgotten(&self.reference.passed);
        for (ticket, _) in self.reference.doubles(ONCE_ZONE) {
            if forgotten.contains(&ticket.0) {
                continue;
            }
            let named_as = ConflictKind::DoubleAdmission;
            self.frauds.push(Fraud { what: "screenshot", named_as, subject: ticket.0 });
        }
        by_a_clock
    }

    /// Every fraud is named, and nobody else is. Those that a clock decides leave no trace.
    fn check_names(&mut self, by_a_clock: &BTreeSet<[u8; 16]>) {
        let conflicts = self.hub.conflicts();
        let named: BTreeSet<(ConflictKind, [u8; 16])> = conflicts.iter().map(|c| (c.kind, subject(c))).collect();
        self.expect_of_money();
        self.expect_of_boxes();
        self.frauds.sort();
        self.frauds.dedup();
        for fraud in std::mem::take(&mut self.frauds) {
            *self.tally.frauds.entry(fraud.what).or_default() += 1;
            if named.contains(&(fraud.named_as, fraud.subject)) {
                *self.tally.named.entry(fraud.what).or_default() += 1;
            } else {
                self.tally.broken.push(format!("{} on {} is not named", fraud.what, hex(&fraud.subject)));
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
            let Some((fold, _)) = self.hub.wallet(&wallet).cloned() else { continue };
            let facts = &self.reference.bands[n];
            if facts.is_disturbed {
                continue;
            }
            if !self.bands[n].has_purse() {
                let balance = facts.paid_elsewhere - facts.cash_out - facts.goods + fold.accounts.losses;
                if balance < 0 && fold.accounts.pending == 0 {
                    let named_as = ConflictKind::Overspend;
                    self.frauds.push(Fraud { what: "cloned_band", named_as, subject: wallet.0 });
                }
            }
            if fold.accounts.losses > 0 {
                self.frauds.push(Fraud { what: "unpaid", named_as: ConflictKind::Loss, subject: wallet.0 });
            }
            if facts.copied {
                let sold = self.hub.wallet_entries(wallet);
                let committed: BTreeSet<_> = committed(&sold).into_iter().collect();
                if self.reference.bands[n].spent_twice(&committed) {
                    let named_as = ConflictKind::ChipFork;
                    self.frauds.push(Fraud { what: "restored_dump", named_as, subject: wallet.0 });
                }
            }
        }
    }

    fn expect_of_boxes(&mut self) {
        for place in &self.places {
            if let Some(twin) = &place.twin {
                let (epoch, _) = place.keeper.epoch();
                let (one, other) = (place.keeper.sent_from(epoch, 0), twin.sent_from(epoch, 0));
                if one.iter().zip(&other).any(|(one, other)| one.hash != other.hash) {
                    let named_as = ConflictKind::Fork;
                    self.frauds.push(Fraud { what: "two_histories", named_as, subject: place.device.0 });
                }
            }
            if let Some(withheld) = place.withheld {
                let all = place.keeper.sent_from(withheld.epoch, withheld.seq);
                if all.len() > 1 {
                    let named_as = ConflictKind::Gap;
                    self.frauds.push(Fraud { what: "withheld", named_as, subject: place.device.0 });
                }
            }
            if place.revoked {
                for epoch in 0..=place.keeper.epoch().0 {
                    let from = self.hub.revoked_from(place.device, epoch);
                    for sent in place.keeper.sent_from(epoch, from) {
                        let wallet = WalletId(sent.entry.subject.0);
                        if self.bands.iter().any(|band| band.wallet() == wallet) {
                            let named_as = ConflictKind::RevokedEntries;
                            self.frauds.push(Fraud { what: "beyond_revocation", named_as, subject: wallet.0 });
                        }
                    }
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
                            self.hub.wallet(&wallet).is_some_and(|(fold, _)| fold.accounts.losses > 0)
                        }
                        ConflictKind::Overspend => n.is_some_and(|n| !self.bands[n].has_purse()),
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
        }
    }

    /// The same entries in another order mean the same.
    fn check_order(&mut self) {
        let mut dice = self.dice.clone();
        let again = self.hub.refolded(|all| {
            for n in (1..all.len()).rev() {
                all.swap(n, dice.below(n + 1));
            }
        });
        let (before, after) = (self.hub.states(), again.states());
        for (wallet, state) in &before {
            if after.get(wallet) != Some(state) {
                self.tally.broken.push(format!("another order means something else for {}", short(wallet)));
            }
        }
    }
}

/// What a system would think that a purse holds which counts confirmed writes only.
fn confirmed(wallet: WalletId, entries: &[domain::ledger::WalletEntry]) -> i64 {
    use domain::journal::Effect;
    let moved = entries.iter().filter(|e| e.entry.subject == wallet.into()).map(|e| match e.entry.effect {
        Effect::Credit | Effect::Repay => e.entry.amount.as_i64(),
        Effect::Debit => -e.entry.amount.as_i64(),
        _ => 0,
    });
    moved.sum()
}

/// S records that an entry says were written: commits, by the intent that they end.
fn committed(entries: &[domain::ledger::WalletEntry]) -> Vec<domain::wristband::RecordId> {
    use domain::journal::Detail;
    // beside a tear a fork is suspect only: where only the C was found, nobody saw the S
    let c_only = |e: &domain::ledger::WalletEntry| matches!(&e.detail, Detail::TopUp(top_up) if top_up.c_only);
    let ended: BTreeSet<_> = entries
        .iter()
        .filter(|e| !c_only(e))
        .filter(|e| e.entry.kind != domain::journal::Kind::VOID && e.entry.kind != domain::journal::Kind::GAVE_UP)
        .filter_map(|e| domain::ledger::closes(&e.entry))
        .collect();
    let intents = entries.iter().filter(|e| ended.contains(&e.at));
    intents.filter_map(|e| if let Detail::Intent(intent) = &e.detail { Some(intent.own) } else { None }).collect()
}

fn subject(conflict: &Conflict) -> [u8; 16] {
    match conflict.subject {
        ConflictSubject::Wallet(wallet) => wallet.0,
        ConflictSubject::Ticket(ticket) => ticket.0,
        ConflictSubject::Device(device) => device.0,
    }
}

fn hex(bytes: &[u8; 16]) -> String {
    domain::wire::hex(bytes)
}
