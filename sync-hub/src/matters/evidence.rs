//! What a matter is believed by: the entries, what boxes read on the chip, both histories of a fork.
//! Invariant: read from the journals as they are; nothing is judged here. Lists are bounded.
use std::collections::BTreeSet;

use domain::{
    id::{BoxNumber, EntryRef},
    journal::{Detail, Entry, MatterKind},
    ledger::MatterId,
    wire::hex,
};
use serde::Serialize;
use sync::vector::MAX_BRANCHES;

use super::{PLACES, count, found::entry_ref};
use crate::{
    history::what,
    hub::{Hub, HubError},
    ingest::journals::{Journal, ReadBody},
    store::{Place, StoredRun},
};

/// Entries shown of one branch.
const BRANCH: usize = 50;
/// Histories shown of a fork: as many as the hub takes of one journal.
const HISTORIES: usize = MAX_BRANCHES + 1;
/// Entries shown of what a revoked box wrote.
const BEYOND: usize = 50;

/// Evidence of one matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The entries at its places, on forked ground every branch's; of what a revoked box wrote the first ones.
    pub entries: Vec<Shown>,
    /// In how many more places it shows.
    pub more: u32,
    /// Both histories of a fork.
    pub branches: Vec<Branch>,
}

/// One entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Where it stands.
    pub entry: String,
    /// What it is: a word of a closed list.
    pub what: &'static str,
    /// Number of its kind.
    pub kind: u16,
    /// Number of its effect.
    pub effect: u8,
    /// Its amount.
    pub amount_cents: u32,
    /// By its own stamp.
    pub unix_ms: u64,
    /// Staff number.
    pub operator: u32,
    /// The box's number.
    pub box_number: u16,
    /// Where that box stands.
    pub place: String,
    /// Its hash.
    pub hash: String,
    /// Whether it counts.
    pub standing: &'static str,
    /// The chip record that it wrote or proves; 0 without a chip.
    pub tap_counter: u16,
    /// What it read on the chip.
    pub chip: Option<ChipShown>,
}

/// What a box read on a chip.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChipShown {
    /// S record in force.
    pub base: String,
    /// The one before it.
    pub before: String,
    /// The record that the box was about to write.
    pub own: Option<String>,
    /// Credits then.
    pub credits_cents: u32,
    /// Spent then.
    pub spent_cents: u32,
}

/// One history of a forked journal, from where it differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Branch {
    /// Hash of its head: names it when it is confirmed.
    pub head: String,
    /// Position of its head.
    pub last: u32,
    /// Whether its head counts.
    pub standing: &'static str,
    /// Whether it may be chosen: no head beside it was countersigned.
    pub may_hold: bool,
    /// Its first entries.
    pub entries: Vec<Shown>,
}

fn chip(entry: &Entry) -> Option<ChipShown> {
    let (seen, own) = match Detail::of(entry) {
        Ok(Detail::Intent(intent)) => (intent.seen, Some(hex(&intent.own.0))),
        Ok(Detail::Seen(Some(seen))) => (seen, None),
        Ok(_) | Err(_) => return None,
    };
    Some(ChipShown {
        base: hex(&seen.base.0),
        before: hex(&seen.before.0),
        own,
        credits_cents: seen.credits.get(),
        spent_cents: seen.spent.get(),
    })
}

impl Hub {
    /// What a matter is believed by.
    pub fn evidence(&mut self, id: &MatterId) -> Result<Evidence, HubError> {
        let view = self.matter(id)?;
        let names = self.place_names()?;
        let mut evidence = Evidence::default();
        let places: BTreeSet<EntryRef> = match (id.kind, id.about) {
            (MatterKind::RevokedEntries, Some(about)) => self.beyond_from(about),
            _ => view.places.iter().filter_map(|place| entry_ref(&place.entry)).chain(id.about).take(PLACES).collect(),
        };
        evidence.more = view.seen.places.saturating_sub(count(places.len()));
        for at in places {
            evidence.entries.extend(self.shown_at(at)?);
        }
        if let (MatterKind::Fork, Some(about)) = (id.kind, id.about) {
            evidence.branches = self.branches_of(about)?;
        }
        let branches = evidence.branches.iter_mut().flat_map(|branch| &mut branch.entries);
        for shown in evidence.entries.iter_mut().chain(branches) {
            shown.place = names.get(&BoxNumber(shown.box_number)).cloned().unwrap_or_default();
        }
        Ok(evidence)
    }

    /// The first entries beyond a revocation.
    fn beyond_from(&self, about: EntryRef) -> BTreeSet<EntryRef> {
        let Some(journal) = self.journals.get(about.device, about.epoch) else { return BTreeSet::new() };
        let of_run = |run: &StoredRun| journal.beyond(run.run, run.first.max(about.seq), run.last).take(BEYOND);
        let found: BTreeSet<u32> = journal.tree.runs().iter().flat_map(of_run).collect();
        found.into_iter().take(BEYOND).map(|seq| journal.entry_ref(seq)).collect()
    }

    fn shown_at(&self, at: EntryRef) -> Result<Vec<Shown>, HubError> {
        let number = self.journals.get(at.device, at.epoch).map_or(0, |journal| journal.box_number.0);
        let found = self.entry_at(at.device, at.epoch, at.seq)?;
        Ok(found.into_iter().map(|(body, standing, hash)| shown(at, number, &body, &standing, hash)).collect())
    }

    /// Each history from the fork on, by its end.
    fn branches_of(&self, about: EntryRef) -> Result<Vec<Branch>, HubError> {
        let journal = self.journals.get(about.device, about.epoch).ok_or(HubError::NotFound("The journal"))?;
        let ends = journal.tree.ends().chain(journal.tree.loose_ends());
        let ends = ends.filter(|end| end.last >= about.seq).take(HISTORIES);
        ends.map(|end| self.branch_of(journal, about.seq, end)).collect()
    }

    fn branch_of(&self, journal: &Journal, from: u32, end: &StoredRun) -> Result<Branch, HubError> {
        let currency = self.identity.founding.currency;
        let may_hold = journal.may_confirm(end.run, end.last);
        let mut branch = Branch { head: hex(&end.hash), last: end.last, may_hold, ..Branch::default() };
        let read = |run: u32, seq: u32| -> Result<_, HubError> {
            let place = Place { journal: journal.id, run, seq };
            let body = self.store.body(place)?.map(|body| ReadBody::of(&body, currency));
            Ok(body.map(|body| (journal.standing(&body, place, currency), body)))
        };
        let line = journal.tree.runs_to(end);
        let held = line.iter().flat_map(|run| (run.first.max(from)..=run.last).map(|seq| (run.run, seq)));
        for (run, seq) in held.take(BRANCH) {
            if let Some((standing, body)) = read(run, seq)? {
                let number = journal.box_number.0;
                branch.entries.push(shown(journal.entry_ref(seq), number, &body, &standing, String::new()));
            }
        }
        if let Some((standing, _)) = read(end.run, end.last)? {
            branch.standing = crate::web::standing(&standing);
        }
        Ok(branch)
    }
}

fn shown(at: EntryRef, number: u16, body: &ReadBody, standing: &domain::ledger::Standing, hash: String) -> Shown {
    let entry = body.entry();
    Shown {
        entry: at.to_string(),
        what: what(entry),
        kind: entry.kind.0,
        effect: entry.effect.byte(),
        amount_cents: entry.amount.get(),
        unix_ms: entry.hlc.unix_ms(),
        operator: entry.operator,
        box_number: number,
        place: String::new(),
        hash,
        standing: crate::web::standing(standing),
        tap_counter: entry.tap_counter,
        chip: chip(entry),
    }
}
