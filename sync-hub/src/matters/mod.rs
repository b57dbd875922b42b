//! Everything that people must look at: conflicts, intents in doubt, money that is owed; open, or decided by whom and why.
//! Invariant: a function of the entries held; what was decided stays on the list for ever.
//! Not here: deciding (`resolve`), evidence (`evidence`), which ruling holds (`domain::ledger::ruling`).
mod deciders;
mod evidence;
mod proof;
mod resolve;

use std::collections::BTreeMap;

use domain::{
    id::{BoxNumber, DeviceId, EntryRef, TicketUid, WalletId},
    journal::{BlockedKind, Effect, MatterKind, RulingAction, Subject},
    ledger::{MatterId, Ruled, RuledAt, Standing, Verdict, WalletState, fold_wallet, ruled},
    wire::{hex, unhex},
};
use screens::view::{MatterPage, MatterPlace, MatterView, RulingView};

pub use self::{
    deciders::By,
    evidence::Evidence,
    resolve::{Asked, Resolved},
};
use crate::{
    conflicts::{KeptConflict, read},
    fold,
    hub::{Hub, HubError},
    ingest::journals::{ReadBody, rulings_subject},
    leaving::left,
};

/// Matters on a page.
const PAGE: usize = 50;
/// Most matters that are listed of each sort: beyond it the list says that there are more.
const MOST: usize = 5_000;
/// Most places that one matter shows.
const PLACES: usize = 20;

/// Entry, box and Unix ms of a place.
type FoundAt = (Option<EntryRef>, BoxNumber, u64);

/// One matter as it is found, before names are put on places.
#[derive(Clone, Debug)]
struct Found {
    places: Vec<FoundAt>,
    amount: Option<i64>,
    waits: Option<&'static str>,
}

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
        (MatterKind::Gap, _) | (MatterKind::ForbiddenEntry, BlockedKind::Device) => &[A::Revoke, A::Accept],
        (MatterKind::Loss, _) => &[A::ChargeBack, A::Accept],
        (MatterKind::InDoubt, _) => &[A::WriteOff, A::Accept],
        (MatterKind::Pending, _) => &[A::PayOut, A::Accept],
        (MatterKind::RevokedEntries | MatterKind::ForbiddenEntry | MatterKind::FrozenSubject, _) => &[A::Accept],
    }
}

/// What may be decided about a matter as it is now: nobody writes off what its own box may still settle.
fn possible(id: &MatterId, found: Option<&Found>) -> impl Iterator<Item = RulingAction> + use<> {
    let early = found.is_some_and(|found| found.waits == Some("its_box"));
    let all = actions(id.kind, id.what).iter().copied();
    all.filter(move |action| !(early && *action == RulingAction::WriteOff))
}

/// Whether a ruling still answers what is found: nothing was added since. What a ruling on money moved is off the sums
/// already, so whatever is still found is open.
fn answers(ruling: &RuledAt, found: &Found) -> bool {
    let cents = found.amount.unwrap_or(0).unsigned_abs();
    if is_money(ruling.ruling.action) {
        return cents == 0;
    }
    let places = u32::try_from(found.places.len()).unwrap_or(u32::MAX);
    cents <= ruling.ruling.cents_seen && places <= ruling.ruling.places_seen
}

/// Whether the ruling itself moves money.
const fn is_money(action: RulingAction) -> bool {
    matches!(action, RulingAction::ChargeBack | RulingAction::Forgive)
}

impl Hub {
    /// A page of matters.
    pub fn matters(&mut self, filter: &Filter) -> Result<MatterPage, HubError> {
        self.publish()?;
        let (found, more) = self.found()?;
        let mut decided = self.rulings()?;
        let names = self.place_names()?;
        let mut views: Vec<MatterView> =
            found.iter().map(|(id, found)| view(id, Some(found), decided.remove(id).as_ref(), &names)).collect();
        // what was settled does not show as a conflict any more, and stays visible
        views.extend(decided.iter().map(|(id, ruled)| view(id, None, Some(ruled), &names)));
        let wanted = filter.place.trim().to_lowercase();
        views.retain(|view| {
            let place =
                |at: &MatterPlace| at.place.to_lowercase().contains(&wanted) || at.box_number.to_string() == wanted;
            filter.open.is_none_or(|open| view.open == open)
                && filter.kind.is_none_or(|kind| view.kind == kind.code())
                && (wanted.is_empty() || view.places.iter().any(place))
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
        let cents = views.iter().filter(|view| view.open).filter_map(|view| view.amount_cents);
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

    fn found_of(&mut self, id: &MatterId) -> Result<Option<Found>, HubError> {
        Ok(self.found()?.0.remove(id))
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

    /// Whether more stands on some list than is told: see [`MOST`].
    fn found(&mut self) -> Result<(BTreeMap<MatterId, Found>, bool), HubError> {
        let mut found = BTreeMap::new();
        let mut more = self.found_conflicts(&mut found)?;
        more |= self.found_in_journals(&mut found)?;
        more |= self.found_open_money(&mut found)?;
        Ok((found, more))
    }

    fn found_conflicts(&mut self, found: &mut BTreeMap<MatterId, Found>) -> Result<bool, HubError> {
        let kept = self.reading()?.conflicts(u32::try_from(MOST).unwrap_or(u32::MAX))?;
        for conflict in kept.iter().flat_map(|text| read(text)) {
            let Some(id) = self.of_subject(&conflict)? else { continue };
            add(found, id, Found { places: places(&conflict), amount: conflict.amount(), waits: None });
        }
        Ok(kept.len() >= MOST)
    }

    fn of_subject(&self, conflict: &KeptConflict) -> Result<Option<MatterId>, HubError> {
        let Some(subject) = unhex(conflict.subject()).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) else {
            return Ok(None);
        };
        let is_ticket = match conflict.matter() {
            MatterKind::DoubleAdmission => true,
            MatterKind::Overspend | MatterKind::ChipFork | MatterKind::Loss | MatterKind::LateSpend => false,
            MatterKind::Fork
            | MatterKind::RevokedEntries
            | MatterKind::Gap
            | MatterKind::ForbiddenEntry
            | MatterKind::FrozenSubject
            | MatterKind::InDoubt
            | MatterKind::Pending => {
                self.store.sums(WalletId(subject))?.is_none() && self.store.knows_ticket(TicketUid(subject))?
            }
        };
        let what = if is_ticket { BlockedKind::Ticket } else { BlockedKind::Wallet };
        Ok(Some(MatterId { kind: conflict.matter(), what, subject: Subject(subject), about: None }))
    }

    fn found_in_journals(&mut self, found: &mut BTreeMap<MatterId, Found>) -> Result<bool, HubError> {
        let (conflicts, more) = self.journal_conflicts()?;
        let more = more || conflicts.len() >= MOST;
        for conflict in conflicts.iter().take(MOST) {
            let mut places = places(conflict);
            let Some(about) = places.first().and_then(|(at, _, _)| *at) else { continue };
            let (kind, what) = (conflict.matter(), BlockedKind::Device);
            if kind == MatterKind::Fork {
                places.extend(self.further_histories(about)?);
            }
            let id = MatterId { kind, what, subject: about.device.into(), about: Some(about) };
            add(found, id, Found { places, amount: None, waits: None });
        }
        Ok(more)
    }

    /// Ends of the histories beyond the two that make a fork: each is one more place, so that whoever decided before it
    /// came is asked again.
    fn further_histories(&self, fork: EntryRef) -> Result<Vec<FoundAt>, HubError> {
        let Some(journal) = self.journals.get(fork.device, fork.epoch) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for run in journal.tree.ends().filter(|run| run.last >= fork.seq).skip(2) {
            let body = self.store.bodies(journal.id.into(), run.run, run.last, run.last)?.pop().unwrap_or_default();
            let unix_ms = ReadBody::of(&body, self.identity.founding.currency).entry().hlc.unix_ms();
            found.push((Some(journal.entry_ref(run.last)), journal.box_number, unix_ms));
        }
        Ok(found)
    }

    /// Every intent in doubt and everything that is owed.
    fn found_open_money(&mut self, found: &mut BTreeMap<MatterId, Found>) -> Result<bool, HubError> {
        let currency = self.identity.founding.currency;
        let mut wallets = Vec::new();
        let mut more = false;
        self.reading()?.each_wallet(|wallet, stored| {
            let state = stored.state.as_deref().and_then(|bytes| WalletState::from_bytes(bytes).ok());
            let open = stored.sums().pending > 0 || state.is_some_and(|state| state.in_doubt > 0);
            more |= open && wallets.len() >= MOST;
            if open && wallets.len() < MOST {
                wallets.push(wallet);
            }
        })?;
        for wallet in wallets {
            let entries = fold::wallet_entries(wallet, &self.journals, &self.store, currency)?;
            let fold = fold_wallet(wallet, &entries);
            let at_place = |at: EntryRef, unix_ms: u64| {
                let journal = self.journals.get(at.device, at.epoch);
                (Some(at), journal.map_or(BoxNumber(0), |journal| journal.box_number), unix_ms)
            };
            let id = |kind, about| MatterId { kind, what: BlockedKind::Wallet, subject: wallet.into(), about };
            for settled in &fold.settled {
                let doubt = settled.consequence().in_doubt;
                if settled.verdict != Verdict::Doubt || doubt == 0 {
                    continue;
                }
                let speaks = |e: &&domain::ledger::WalletEntry| {
                    e.at == settled.intent || e.entry.refers_to == Some(settled.intent)
                };
                let places = entries.iter().filter(speaks).map(|e| at_place(e.at, e.entry.hlc.unix_ms())).collect();
                let waits = Some(match settled.given_up {
                    true => "read_or_write_off",
                    false if self.is_revoked(settled.intent.device)? => "revoked_box",
                    false => "its_box",
                });
                found.insert(
                    id(MatterKind::InDoubt, Some(settled.intent)),
                    Found { places, amount: Some(doubt), waits },
                );
            }
            let (_, pending) = left(&fold.state, &fold.accounts);
            if pending > 0 {
                let owes = |e: &&domain::ledger::WalletEntry| {
                    e.entry.effect == Effect::Owe && e.standing == Standing::InForce && e.entry.subject == wallet.into()
                };
                let mut places: Vec<_> =
                    entries.iter().filter(owes).map(|e| at_place(e.at, e.entry.hlc.unix_ms())).collect();
                let applied = fold.settled.iter().filter(|settled| settled.consequence().owed > 0);
                places.extend(applied.filter_map(|settled| {
                    let e = entries.iter().find(|e| e.at == settled.intent)?;
                    Some(at_place(e.at, e.entry.hlc.unix_ms()))
                }));
                places.sort_by_key(|(at, _, unix_ms)| (*unix_ms, *at));
                places.dedup();
                let waits = self.waits(wallet)?;
                found.insert(id(MatterKind::Pending, None), Found { places, amount: Some(pending), waits });
            }
        }
        Ok(more)
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

/// Several conflicts of one subject are one matter: it shows the places of all of them, each once, and their sum.
fn add(found: &mut BTreeMap<MatterId, Found>, id: MatterId, more: Found) {
    let Some(held) = found.get_mut(&id) else {
        found.insert(id, more);
        return;
    };
    for place in more.places {
        if !held.places.contains(&place) {
            held.places.push(place);
        }
    }
    held.places.sort_by_key(|(at, _, unix_ms)| (*unix_ms, *at));
    held.amount = match (held.amount, more.amount) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    };
}

fn places(conflict: &KeptConflict) -> Vec<FoundAt> {
    let of = conflict.places().iter();
    of.map(|(entry, number, unix_ms)| (entry_ref(entry), BoxNumber(*number), *unix_ms)).collect()
}

/// `device/epoch/seq`.
fn entry_ref(text: &str) -> Option<EntryRef> {
    let mut parts = text.split('/');
    let (device, epoch, seq) = (parts.next()?, parts.next()?, parts.next()?);
    Some(EntryRef { device: DeviceId::from_hex(device)?, epoch: epoch.parse().ok()?, seq: seq.parse().ok()? })
}

fn view(
    id: &MatterId,
    found: Option<&Found>,
    decided: Option<&Ruled>,
    names: &BTreeMap<BoxNumber, String>,
) -> MatterView {
    let name = |number: &BoxNumber| names.get(number).cloned().unwrap_or_else(|| format!("#{}", number.0));
    let open = match (found, decided) {
        (Some(found), Some(ruled)) => !answers(&ruled.holds, found),
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
    let mut rulings = Vec::new();
    if let Some(Ruled { holds, beside, replaced }) = decided {
        rulings.push(ruling(holds, "holds"));
        rulings.extend(beside.iter().map(|one| ruling(one, "beside")));
        rulings.extend(replaced.iter().map(|one| ruling(one, "replaced")));
    }
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
            .map_or_else(
                || decided.map(|ruled| i64::try_from(ruled.holds.ruling.cents_seen).unwrap_or(i64::MAX)),
                |found| found.amount,
            )
            .filter(|amount| *amount != 0),
        waits: found.and_then(|found| found.waits).map(str::to_owned),
        places,
        actions: possible(id, found).map(|action| action.code().to_owned()).collect(),
        rulings,
        newest_unix_ms: newest.unwrap_or(0),
    }
}

fn ruling(one: &RuledAt, standing: &str) -> RulingView {
    RulingView {
        entry: one.at.to_string(),
        action: one.ruling.action.code().into(),
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
    }
}

#[cfg(test)]
mod tests;
