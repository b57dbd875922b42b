//! Cheating, theft and bad luck with disks: what people and boxes do that the rules cannot prevent, only bound or name.
//! Invariant: what is noted here as a fraud is one of the kinds that the design's section 2 says are found.
//! Not here: whether they were named (`quiet`).
use std::collections::BTreeSet;

use domain::{
    id::{EntryRef, WalletId},
    journal::{Effect, Entry, Kind, Means},
    ledger::{Conflict, ConflictKind},
    money::Cents,
    time::Hlc,
    wristband::tap::{UidAccount, uid_top_up_entry},
};

use crate::{
    festival::{Keeping, Role},
    hub::Sent,
    names::subject,
    world::World,
};

/// Every kind of fraud that must be found.
pub(crate) const KINDS: [&str; 9] = [
    "beyond_revocation",
    "cloned_band",
    "minted",
    "other_amount",
    "restored_dump",
    "screenshot",
    "two_histories",
    "unpaid",
    "withheld",
];

/// A fraud that was committed and must be found, by its kind and whom it is named on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fraud {
    /// What happened: one of [`KINDS`].
    pub(crate) what: &'static str,
    /// The kind of conflict that names it.
    pub(crate) named_as: ConflictKind,
    /// On what.
    pub(crate) subject: [u8; 16],
    /// Where: for each of its deeds the entries of which one must be listed.
    pub(crate) places: Vec<BTreeSet<EntryRef>>,
    /// How much must be listed, by the reference's own sum, where it has one.
    pub(crate) amount: Option<i64>,
}

impl Fraud {
    /// One whose places and amount nobody knows yet.
    pub(crate) fn new(what: &'static str, named_as: ConflictKind, subject: [u8; 16]) -> Self {
        Self { what, named_as, subject, places: Vec::new(), amount: None }
    }

    /// Whether the conflict says what happened, to whom, where and how much.
    pub(crate) fn is_named_by(&self, conflict: &Conflict) -> bool {
        let is_listed = |deed: &BTreeSet<EntryRef>| conflict.places.iter().any(|place| deed.contains(&place.at));
        conflict.kind == self.named_as
            && subject(conflict) == self.subject
            && self.places.iter().all(is_listed)
            && self.amount.is_none_or(|amount| conflict.amount == Some(amount))
    }
}

/// A deed that one entry shows.
pub(crate) fn one_of(at: EntryRef) -> BTreeSet<EntryRef> {
    BTreeSet::from([at])
}

impl World<'_> {
    /// Something foul happens, where it can.
    pub(crate) fn misdeed(&mut self) {
        let at = self.dice.below(self.places.len());
        let band = self.dice.below(self.bands.len());
        match self.dice.below(8) {
            0 | 1 => self.sets_chip_back(),
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

    /// A guest keeps a dump of an NTAG and writes it back later: whoever holds one does so at the next occasion.
    fn sets_chip_back(&mut self) {
        let is_ntag = |n: &usize| self.bands[*n].stocked.keeping == Keeping::Ntag;
        let ntags: Vec<usize> = (0..self.bands.len()).filter(is_ntag).collect();
        let held = ntags.iter().find(|n| self.bands[**n].dump.is_some()).copied();
        let any = ntags.get(self.dice.below(ntags.len())).copied();
        let Some(band) = held.or(any) else { return };
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

    /// A bar writes credits: a top-up that its certificate does not allow, or money back for what took none.
    fn mints(&mut self, at: usize, band: usize) {
        if self.places[at].role != Role::Bar || !self.may_misbehave(at) {
            return;
        }
        let (wallet, purse) = (self.bands[band].wallet(), self.bands[band].has_purse());
        let of = UidAccount { wallet, currency: self.festival.currency, operator: 7 };
        let amount = Cents::new(self.dice.amount(1_000, 20_000)).unwrap_or(Cents::ZERO);
        let entry = match self.dice.below(4) {
            0 => uid_top_up_entry(&of, amount, Cents::ZERO, Means::Cash),
            way => self.gives_for_nothing(at, wallet, amount, way),
        };
        if let Ok(refs) = self.places[at].keeper.append(vec![entry], &[]) {
            self.places[at].keeper.confirm(&refs);
            self.places[at].lying = true;
            let places = refs.iter().copied().map(one_of).collect();
            for of in refs {
                let hash = self.places[at].keeper.hash(of).unwrap_or_default();
                self.places[at].remembered.insert((of, hash));
            }
            let fraud = Fraud::new("minted", ConflictKind::ForbiddenEntry, wallet.0);
            // what else it lies about a purse stands in the same conflict
            let amount = (!purse).then_some(amount.as_i64());
            self.frauds.push(Fraud { places, amount, ..fraud });
            let name = self.name(at);
            self.note(|| format!("{name} mints for guest {band}"));
        }
    }

    /// A correction, "not handed over" or a delivery that goes back to no entry, to somebody else's sale, or to a smaller
    /// one.
    fn gives_for_nothing(&mut self, at: usize, wallet: WalletId, amount: Cents, way: usize) -> Entry {
        let (kind, effect) = match way {
            1 => (Kind::CORRECTION_PLUS, Effect::Credit),
            2 => (Kind::PENDING_CREDIT, Effect::Owe),
            _ => (Kind::PENDING_CREDIT, Effect::Repay),
        };
        let keeper = &self.places[at].keeper;
        let written = keeper.sent_from(keeper.epoch().0, 0);
        let is_too_little = |sent: &&Sent| sent.entry.subject != wallet.into() || sent.entry.amount < amount;
        let mut sales = written.iter().filter(|sent| sent.entry.kind == Kind::SALE).filter(is_too_little);
        let refers_to = sales.next_back().map(|sent| sent.at).filter(|_| self.dice.percent(70));
        let entry = Entry::new(kind, effect, self.festival.currency, Hlc::default());
        Entry { subject: wallet.into(), amount, refers_to, ..entry }
    }

    /// A lying bar wrote another amount into these commits than their intents had.
    pub(crate) fn lied(&mut self, band: usize, written: &[Sent]) {
        let wallet = self.bands[band].wallet();
        let is_lie = |sent: &&Sent| sent.entry.kind == Kind::SALE && sent.entry.amount.get() > 0;
        let places: Vec<_> = written.iter().filter(is_lie).map(|sent| one_of(sent.at)).collect();
        if !places.is_empty() {
            written.iter().for_each(|sent| self.disturb(&sent.entry));
            let fraud = Fraud::new("other_amount", ConflictKind::ForbiddenEntry, wallet.0);
            self.frauds.push(Fraud { places, ..fraud });
            self.note(|| format!("a bar lies about what band {band} paid"));
        }
    }

    /// A box is stolen and revoked, and goes on selling.
    fn steals(&mut self, at: usize) {
        if self.places[at].role == Role::Bar && self.may_misbehave(at) && self.dice.one_in(2) {
            let device = self.places[at].device;
            self.hub.revoke(device);
            // what was told of it beyond a gap counts nothing any more
            let hub = &self.hub;
            let is_beyond = |at: &EntryRef| at.device == device && at.seq >= hub.revoked_from(device, at.epoch);
            self.reference.moved.retain(|moved| !is_beyond(&moved.at) || moved.published.is_none());
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
        for moved in self.reference.moved.iter_mut().filter(|moved| is_gone(&moved.at)) {
            moved.by = usize::MAX;
        }
        for spent in self.reference.spent.iter_mut().filter(|spent| is_gone(&spent.at)) {
            spent.bar = usize::MAX;
        }
        self.places[at].remembered.retain(|(at, _)| !is_gone(at));
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

    /// An entry about a band that the hub may never see, or that counts otherwise than it was meant: only bounds hold for
    /// that band. What ends or gives up an intent moves as much as that one.
    pub(crate) fn disturb(&mut self, entry: &Entry) {
        let Some(band) = self.bands.iter().position(|band| entry.subject == band.wallet().into()) else { return };
        let intended = entry.refers_to.map_or(0, |at| self.amount_of(at));
        let facts = &mut self.reference.bands[band];
        facts.is_disturbed = true;
        facts.disturbed = facts.disturbed.saturating_add(entry.amount.as_i64().max(intended));
    }

    fn amount_of(&self, at: EntryRef) -> i64 {
        let disks = self.places.iter().filter(|place| place.device == at.device);
        let mut entries = disks.flat_map(|p| std::iter::once(&p.keeper).chain(&p.twin)).filter_map(|k| k.entry(at));
        entries.next().map_or(0, |entry| entry.amount.as_i64())
    }
}
