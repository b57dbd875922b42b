//! Everything that people must look at: conflicts, intents in doubt, money that is owed; open, or decided by whom and why.
//! Invariant: a function of the entries held; what was decided stays on the list for ever.
//! Not here: finding them (`found`), deciding (`resolve`), evidence (`evidence`), which rulings hold (`domain::ledger::ruling`).
mod deciders;
mod evidence;
mod found;
mod proof;
mod resolve;

use std::collections::BTreeMap;

use domain::{
    id::{BoxNumber, DeviceId, EntryRef, WalletId},
    journal::{BlockedKind, MatterKind, RulingAction, Subject},
    ledger::{MatterId, Ruled, RuledAt, RulingSort, Standing, ruled},
    money::Cents,
    wire::{hex, unhex},
};
use screens::view::{MatterPage, MatterPlace, MatterSeen, MatterView, RulingView};

use self::found::{Finding, Found, FoundAt};
pub use self::{
    deciders::By,
    evidence::Evidence,
    resolve::{Asked, Resolved},
};
use crate::{
    hub::{Hub, HubError},
    ingest::journals::rulings_subject,
};

/// Matters on a page.
const PAGE: usize = 50;
/// Most matters that are listed of each kind: beyond it the list says that there are more.
const MOST: usize = 5_000;
/// Most places that one matter shows.
const PLACES: usize = 20;
/// Before the word of what undoes money that was booked.
const UNDO: &str = "undo_";

/// What is asked of the list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only open ones (`Some(true)`), only decided ones (`Some(false)`), or all.
    pub open: Option<bool>,
    /// Only of this kind.
    pub kind: Option<MatterKind>,
    /// Only where a place's name holds this, whatever the case, or a box has this number.
    pub place: String,
    /// Which page, from 0.
    pub page: usize,
}

/// The name of a matter in an address: kind, what, subject, and the entry that it is about.
pub fn name_of(matter: &MatterId) -> String {
    let what = match matter.what {
        BlockedKind::Wallet => "wallet",
        BlockedKind::Ticket => "ticket",
        BlockedKind::Device => "device",
    };
    let about = matter.about.map(|at| format!("~{}~{}~{}", at.device, at.epoch, at.seq)).unwrap_or_default();
    format!("{}~{what}~{}{about}", matter.kind.code(), hex(&matter.subject.0))
}

/// Reads [`name_of`].
pub fn named(name: &str) -> Option<MatterId> {
    let parts: Vec<&str> = name.split('~').collect();
    let (kind, what, subject, about) = match *parts.as_slice() {
        [kind, what, subject] => (kind, what, subject, None),
        [kind, what, subject, device, epoch, seq] => {
            let (epoch, seq) = (epoch.parse().ok()?, seq.parse().ok()?);
            (kind, what, subject, Some(EntryRef { device: DeviceId::from_hex(device)?, epoch, seq }))
        }
        _ => return None,
    };
    let what = match what {
        "wallet" => BlockedKind::Wallet,
        "ticket" => BlockedKind::Ticket,
        "device" => BlockedKind::Device,
        _ => return None,
    };
    let subject = unhex(subject).and_then(|bytes| bytes.try_into().ok())?;
    Some(MatterId { kind: MatterKind::from_code(kind)?, what, subject: Subject(subject), about })
}

/// What may be decided about a kind of matter.
pub const fn actions(kind: MatterKind, what: BlockedKind) -> &'static [RulingAction] {
    use RulingAction as A;
    match (kind, what) {
        (MatterKind::DoubleAdmission, _) => &[A::Block, A::Accept],
        (MatterKind::Overspend, _) => &[A::Block, A::Lift, A::ChargeBack, A::Forgive, A::Accept],
        (MatterKind::LateSpend, _) => &[A::ChargeBack, A::Forgive, A::Accept],
        (MatterKind::Fork, _) => &[A::ConfirmBranch, A::Revoke, A::Accept],
        (MatterKind::ChipFork, _) => &[A::Block, A::Lift, A::Accept],
        (MatterKind::RevokedEntries, BlockedKind::Device) => &[A::AcceptEntries, A::Accept],
        (MatterKind::Gap | MatterKind::OverQuota, _) | (MatterKind::ForbiddenEntry, BlockedKind::Device) => {
            &[A::Revoke, A::Accept]
        }
        (MatterKind::Loss, _) => &[A::ChargeBack, A::Accept],
        (MatterKind::InDoubt, _) => &[A::WriteOff, A::Accept],
        (MatterKind::Pending, _) => &[A::PayOut, A::Accept],
        (MatterKind::RevokedEntries | MatterKind::ForbiddenEntry | MatterKind::FrozenSubject, _) => &[A::Accept],
    }
}

/// What may be decided about a matter as it is now: nobody writes off what its own box may still settle, and only what
/// was booked is undone.
fn possible(id: &MatterId, found: Option<&Found>, decided: Option<&Ruled>) -> Vec<String> {
    let early = found.is_some_and(|found| found.waits == Some("its_box"));
    let all = actions(id.kind, id.what).iter().copied();
    let now = all.filter(|action| !(early && *action == RulingAction::WriteOff)).map(|action| action.code().to_owned());
    let booked = decided.iter().flat_map(|ruled| &ruled.holds).filter(|one| is_booked(one));
    now.chain(booked.map(|one| undoing(one.ruling.action))).collect()
}

/// Whether a ruling has moved money that may be moved back.
fn is_booked(one: &RuledAt) -> bool {
    one.sort().is_money() && one.entry.amount != Cents::ZERO
}

/// The word for undoing what an action booked.
fn undoing(action: RulingAction) -> String {
    format!("{UNDO}{}", action.code())
}

/// Whether what was decided still answers what is found. What was paid back or forgiven is off the sums already: whatever
/// is still found then is open, unless another ruling saw as much missing, as much in all, and as many places.
fn is_answered(ruled: &Ruled, found: &Found) -> bool {
    let (cents, places) = (found.cents(), found.total);
    match ruled.of(RulingSort::Other) {
        None => cents == 0,
        // it moved all that there was: what is owed now has come since
        Some(one) if one.ruling.action == RulingAction::PayOut => cents == 0,
        Some(one) => {
            cents <= ruled.left_then(one)
                && cents.saturating_add(ruled.moved()) <= one.ruling.cents_seen
                && places <= one.ruling.places_seen
        }
    }
}

/// The holding rulings, the newest first.
fn newest_first(ruled: &Ruled) -> Vec<&RuledAt> {
    let mut holds: Vec<&RuledAt> = ruled.holds.iter().collect();
    holds.sort_by_key(|one| std::cmp::Reverse((one.entry.hlc, one.at)));
    holds
}

/// What a matter shows, for who decides on it.
fn seen(found: Option<&Found>, decided: Option<&Ruled>) -> MatterSeen {
    let mut rulings: Vec<EntryRef> = decided.iter().flat_map(|ruled| &ruled.holds).map(|one| one.at).collect();
    rulings.sort_unstable();
    MatterSeen {
        rulings: rulings.iter().map(EntryRef::to_string).collect(),
        cents: found.map_or(0, Found::cents),
        places: found.map_or(0, |found| found.total),
    }
}

/// Whether an amount is money that is missing, lost, in doubt or owed: of the others the same cents stand on one of these
/// already, or count nothing.
const fn is_summed(kind: MatterKind) -> bool {
    match kind {
        MatterKind::Overspend
        | MatterKind::LateSpend
        | MatterKind::Loss
        | MatterKind::InDoubt
        | MatterKind::Pending => true,
        MatterKind::DoubleAdmission
        | MatterKind::Fork
        | MatterKind::ChipFork
        | MatterKind::RevokedEntries
        | MatterKind::Gap
        | MatterKind::ForbiddenEntry
        | MatterKind::FrozenSubject
        | MatterKind::OverQuota => false,
    }
}

impl Hub {
    /// A page of matters.
    pub fn matters(&mut self, filter: &Filter) -> Result<MatterPage, HubError> {
        self.matters_up_to(filter, MOST)
    }

    /// The same of at most so many of each kind.
    fn matters_up_to(&mut self, filter: &Filter, most: usize) -> Result<MatterPage, HubError> {
        self.publish()?;
        let Finding { mut found, more, .. } = self.find(Finding::new(filter.kind, most))?;
        let decided = self.rulings()?;
        // what was settled does not show as a conflict any more, and stays visible
        let mut settled = Vec::new();
        for id in decided.keys().filter(|id| filter.kind.is_none_or(|kind| kind == id.kind)) {
            if !found.contains_key(id) {
                // where the list is cut it may be there all the same
                match if more { self.found_of(id)? } else { None } {
                    Some(one) => drop(found.insert(*id, one)),
                    None => settled.push(*id),
                }
            }
        }
        let names = self.place_names()?;
        let shown = found.iter().map(|(id, found)| (id, Some(found))).chain(settled.iter().map(|id| (id, None)));
        let mut views: Vec<MatterView> = shown.map(|(id, found)| view(id, found, decided.get(id), &names)).collect();
        let wanted = filter.place.trim().to_lowercase();
        views.retain(|view| {
            let place =
                |at: &MatterPlace| at.place.to_lowercase().contains(&wanted) || at.box_number.to_string() == wanted;
            filter.open.is_none_or(|open| view.open == open) && (wanted.is_empty() || view.places.iter().any(place))
        });
        views.sort_by(|a, b| {
            (!a.open, std::cmp::Reverse(a.newest_unix_ms), &a.id).cmp(&(
                !b.open,
                std::cmp::Reverse(b.newest_unix_ms),
                &b.id,
            ))
        });
        let total = views.len();
        let pages = total.div_ceil(PAGE).max(1);
        let page = filter.page.min(pages.saturating_sub(1));
        let open = views.iter().filter(|view| view.open).count();
        let summed = views.iter().filter(|view| view.open && MatterKind::from_code(&view.kind).is_some_and(is_summed));
        let cents = summed.filter_map(|view| view.amount_cents);
        let open_cents = cents.fold(0i64, i64::saturating_add);
        let matters = views.into_iter().skip(page.saturating_mul(PAGE)).take(PAGE).collect();
        Ok(MatterPage { total, open, open_cents, page, pages, more, signs: self.decisions_are_signed(), matters })
    }

    /// One matter, as it is now.
    pub fn matter(&mut self, id: &MatterId) -> Result<MatterView, HubError> {
        self.publish()?;
        let found = self.found_of(id)?;
        let decided = self.rulings()?.remove(id);
        if found.is_none() && decided.is_none() {
            return Err(HubError::NotFound("The matter"));
        }
        Ok(view(id, found.as_ref(), decided.as_ref(), &self.place_names()?))
    }

    /// All rulings that count, by matter.
    fn rulings(&self) -> Result<BTreeMap<MatterId, Ruled>, HubError> {
        let currency = self.identity.founding.currency;
        let mut all = Vec::new();
        for (at, place, body) in self.journals.entries_about(&rulings_subject(), &self.store, currency)? {
            let journal = self.journals.at(at);
            if journal.standing(&body, place, currency) == Standing::InForce {
                all.extend(RuledAt::of(journal.entry_ref(place.seq), body.entry()));
            }
        }
        Ok(ruled(all))
    }

    /// Whether a matter, other than one that is lifted, says that this wallet's block holds.
    pub(crate) fn is_blocked_by_ruling(&self, wallet: WalletId, lifted: Option<&MatterId>) -> Result<bool, HubError> {
        let of_wallet = |id: &MatterId| id.what == BlockedKind::Wallet && id.subject == wallet.into();
        let blocks =
            |ruled: &Ruled| ruled.of(RulingSort::Other).is_some_and(|one| one.ruling.action == RulingAction::Block);
        let rulings = self.rulings()?;
        Ok(rulings.iter().any(|(id, ruled)| of_wallet(id) && Some(id) != lifted && blocks(ruled)))
    }

    fn place_names(&self) -> Result<BTreeMap<BoxNumber, String>, HubError> {
        let mut names = BTreeMap::from([(BoxNumber(0), "Hub".to_owned())]);
        for stored in self.store.boxes()? {
            for journal in self.journals.of_device(stored.device) {
                names.entry(journal.box_number).or_insert_with(|| stored.place.clone());
            }
            names.entry(stored.number).or_insert(stored.place);
        }
        Ok(names)
    }
}

fn count(places: usize) -> u32 {
    u32::try_from(places).unwrap_or(u32::MAX)
}

fn view(
    id: &MatterId,
    found: Option<&Found>,
    decided: Option<&Ruled>,
    names: &BTreeMap<BoxNumber, String>,
) -> MatterView {
    let name = |number: &BoxNumber| names.get(number).cloned().unwrap_or_else(|| format!("#{}", number.0));
    let open = match (found, decided) {
        (Some(found), Some(ruled)) => !is_answered(ruled, found),
        (Some(_), None) => true,
        (None, _) => false,
    };
    let place = |(entry, number, at_unix_ms): &FoundAt| MatterPlace {
        place: name(number),
        box_number: number.0,
        at_unix_ms: *at_unix_ms,
        entry: entry.map(|at| at.to_string()).unwrap_or_default(),
    };
    let places: Vec<MatterPlace> =
        found.map(|found| found.places.iter().take(PLACES).map(place).collect()).unwrap_or_default();
    let more_places = found.map_or(0, |found| found.total.saturating_sub(count(places.len())));
    let mut rulings = Vec::new();
    if let Some(ruled) = decided {
        rulings.extend(newest_first(ruled).into_iter().map(|one| ruling(one, "holds")));
        rulings.extend(ruled.beside.iter().map(|one| ruling(one, "beside")));
        rulings.extend(ruled.replaced.iter().map(|one| ruling(one, "replaced")));
    }
    let most_seen = || decided?.holds.iter().map(|one| one.ruling.cents_seen).max();
    let newest = places.iter().map(|place| place.at_unix_ms).chain(rulings.iter().map(|one| one.at_unix_ms)).max();
    MatterView {
        id: name_of(id),
        kind: id.kind.code().into(),
        open,
        subject: hex(&id.subject.0),
        about: id.about.map(|at| at.to_string()).unwrap_or_default(),
        what_code: format!("hub.{}", id.kind.code()),
        todo_code: format!("hub.{}_todo", id.kind.code()),
        amount_cents: found
            .map_or_else(|| most_seen().map(|cents| i64::try_from(cents).unwrap_or(i64::MAX)), |found| found.amount)
            .filter(|amount| *amount != 0),
        waits: found.and_then(|found| found.waits).map(str::to_owned),
        places,
        more_places,
        actions: possible(id, found, decided),
        rulings,
        newest_unix_ms: newest.unwrap_or(0),
        seen: seen(found, decided),
    }
}

fn ruling(one: &RuledAt, standing: &str) -> RulingView {
    let action = one.ruling.action;
    let is_undone = one.sort().is_money() && !is_booked(one);
    RulingView {
        entry: one.at.to_string(),
        action: if is_undone { undoing(action) } else { action.code().into() },
        by: one.ruling.by.clone(),
        operator: one.entry.operator,
        reason: one.ruling.reason.clone(),
        amount_cents: one.entry.amount.as_i64(),
        at_unix_ms: one.entry.hlc.unix_ms(),
        standing: standing.into(),
    }
}

/// The kind of a conflict that is shown, as a matter.
pub(crate) const fn matter_of(kind: screens::view::ConflictKind) -> MatterKind {
    use screens::view::ConflictKind as K;
    match kind {
        K::DoubleAdmission => MatterKind::DoubleAdmission,
        K::Overspend => MatterKind::Overspend,
        K::Fork => MatterKind::Fork,
        K::ChipFork => MatterKind::ChipFork,
        K::RevokedEntries => MatterKind::RevokedEntries,
        K::Gap => MatterKind::Gap,
        K::ForbiddenEntry => MatterKind::ForbiddenEntry,
        K::FrozenSubject => MatterKind::FrozenSubject,
        K::Loss => MatterKind::Loss,
        K::LateSpend => MatterKind::LateSpend,
        K::OverQuota => MatterKind::OverQuota,
    }
}

#[cfg(test)]
mod tests;
