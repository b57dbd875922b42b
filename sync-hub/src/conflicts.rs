//! Conflicts as people read them: what happened, where and when, what to do.
//! Invariant: every place is named as it is said on a radio, with its time.
//! Not here: how conflicts are found (`domain::ledger`, `fold`).
use std::collections::BTreeSet;

use domain::{
    id::{BoxNumber, EntryRef},
    journal::MatterKind,
    ledger::{Conflict, ConflictKind, ConflictPlace, ConflictSubject},
    wire::hex,
};
use screens::view;
use serde::{Deserialize, Serialize};

use crate::store::StoredConflicts;

/// Most places of one conflict that are kept: the first ones tell the story.
const PLACES: usize = 20;

/// A conflict as the store keeps it: places are named when it is read, since a box may get its name later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptConflict {
    kind: view::ConflictKind,
    subject: String,
    places: Vec<(String, u16, u64)>,
    /// How many places there are, also those that are not kept; without those of an earlier conflict of the same kind.
    total: u32,
    amount: Option<i64>,
}

const fn kind_of(kind: ConflictKind) -> view::ConflictKind {
    match kind {
        ConflictKind::DoubleAdmission => view::ConflictKind::DoubleAdmission,
        ConflictKind::Overspend => view::ConflictKind::Overspend,
        ConflictKind::Fork => view::ConflictKind::Fork,
        ConflictKind::ChipFork => view::ConflictKind::ChipFork,
        ConflictKind::RevokedEntries => view::ConflictKind::RevokedEntries,
        ConflictKind::Gap => view::ConflictKind::Gap,
        ConflictKind::ForbiddenEntry => view::ConflictKind::ForbiddenEntry,
        ConflictKind::FrozenSubject => view::ConflictKind::FrozenSubject,
        ConflictKind::Loss => view::ConflictKind::Loss,
        ConflictKind::LateSpend => view::ConflictKind::LateSpend,
    }
}

const fn code(kind: view::ConflictKind) -> &'static str {
    match kind {
        view::ConflictKind::DoubleAdmission => "hub.double_admission",
        view::ConflictKind::Overspend => "hub.overspend",
        view::ConflictKind::Fork => "hub.fork",
        view::ConflictKind::ChipFork => "hub.chip_fork",
        view::ConflictKind::RevokedEntries => "hub.revoked_entries",
        view::ConflictKind::Gap => "hub.gap",
        view::ConflictKind::ForbiddenEntry => "hub.forbidden_entry",
        view::ConflictKind::FrozenSubject => "hub.frozen_subject",
        view::ConflictKind::Loss => "hub.loss",
        view::ConflictKind::LateSpend => "hub.late_spend",
        view::ConflictKind::OverQuota => "hub.over_quota",
    }
}

impl KeptConflict {
    /// What is kept of a conflict.
    pub fn of(conflict: &Conflict) -> Self {
        let subject = match conflict.subject {
            ConflictSubject::Wallet(id) => hex(&id.0),
            ConflictSubject::Ticket(id) => hex(&id.0),
            ConflictSubject::Device(id) => hex(&id.0),
        };
        let place = |place: &ConflictPlace| (place.at.to_string(), place.box_number.0, place.hlc.unix_ms());
        Self {
            kind: kind_of(conflict.kind),
            subject,
            places: conflict.places.iter().take(PLACES).map(place).collect(),
            total: count(conflict.places.len()),
            amount: conflict.amount,
        }
    }

    /// One place that has no entry of money or passage behind it.
    pub fn at(kind: view::ConflictKind, subject: String, at: EntryRef, box_number: BoxNumber, unix_ms: u64) -> Self {
        Self { kind, subject, places: vec![(at.to_string(), box_number.0, unix_ms)], total: 1, amount: None }
    }

    /// So many places in all, and so much money.
    pub(crate) fn summing(self, total: u32, amount: i64) -> Self {
        Self { total, amount: Some(amount).filter(|amount| *amount != 0), ..self }
    }

    /// One more place, the last one.
    pub(crate) fn until(mut self, at: EntryRef, box_number: BoxNumber, unix_ms: u64) -> Self {
        self.places.push((at.to_string(), box_number.0, unix_ms));
        self
    }

    /// What it is, as a matter.
    pub(crate) fn matter(&self) -> MatterKind {
        crate::matters::matter_of(self.kind)
    }

    /// Whom it concerns.
    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    /// Entry, box number and time of each place.
    pub(crate) fn places(&self) -> &[(String, u16, u64)] {
        &self.places
    }

    /// How many places it has in all, beyond those that an earlier one of its kind has.
    pub(crate) fn total(&self) -> u32 {
        self.total
    }

    /// How much money.
    pub(crate) fn amount(&self) -> Option<i64> {
        self.amount
    }

    /// As the console shows it.
    pub fn view(&self, name_of: impl Fn(BoxNumber) -> String) -> view::Conflict {
        let mut args = view::Args::new();
        if let Some(amount) = self.amount {
            args.insert("amount".into(), amount.to_string());
        }
        let place = |(entry, number, at_unix_ms): &(String, u16, u64)| view::ConflictPlace {
            place: name_of(BoxNumber(*number)),
            box_number: *number,
            at_unix_ms: *at_unix_ms,
            entry: entry.clone(),
        };
        view::Conflict {
            id: format!("{}/{}", code(self.kind), self.subject),
            kind: self.kind,
            what_code: code(self.kind).into(),
            todo_code: format!("{}_todo", code(self.kind)),
            args,
            places: self.places.iter().map(place).collect(),
            more_places: self.total.saturating_sub(count(self.places.len())),
            amount_cents: self.amount,
        }
    }

    /// When it showed last, for the order of the list.
    pub fn newest_ms(&self) -> u64 {
        self.places.iter().map(|(_, _, at)| *at).max().unwrap_or(0)
    }
}

/// All conflicts of one id as the store keeps them, each once, though it may stand for a wallet and a ticket; `None`
/// where everything fits.
pub(crate) fn stored(found: &[Conflict]) -> Option<StoredConflicts> {
    let mut kept: Vec<KeptConflict> = Vec::with_capacity(found.len());
    let (mut told, mut totals) = (BTreeSet::new(), Vec::with_capacity(found.len()));
    for conflict in found {
        let one = KeptConflict::of(conflict);
        if !kept.contains(&one) {
            kept.push(one);
            totals.push(conflict.places.iter().filter(|place| told.insert((conflict.kind, place.at))).count());
        }
    }
    for (one, total) in kept.iter_mut().zip(totals) {
        one.total = count(total);
    }
    let places = found.iter().flat_map(|conflict| &conflict.places);
    let newest_ms = places.map(|place| place.hlc.unix_ms()).max().unwrap_or(0);
    let view = if kept.is_empty() { None } else { serde_json::to_string(&kept).ok() };
    Some(StoredConflicts { view: view?, newest_ms, found: kept.len() })
}

fn count(places: usize) -> u32 {
    u32::try_from(places).unwrap_or(u32::MAX)
}

/// Reads the `view` that [`stored`] made.
pub(crate) fn read(text: &str) -> Vec<KeptConflict> {
    serde_json::from_str(text).unwrap_or_default()
}
