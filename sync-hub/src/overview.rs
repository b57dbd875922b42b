//! What the console shows, put together from the writer's memory and the database.
//! Invariant: read beside the writer as far as possible, and never more than a few times a second.
//! Not here: HTML (`screens`), HTTP (`web`).
use std::collections::BTreeMap;

use domain::{
    bundle::Category,
    id::{BoxNumber, DeviceId, EntryRef},
    ledger::{Reason, Standing, closes, differs, opens},
    trust::Roles,
};
use screens::view::{self, ConflictKind, HubBox, HubNotice, HubView};

use crate::{
    beyond::Beyond,
    conflicts::{KeptConflict, read},
    escrow::Holding,
    hub::{Hub, HubError},
    ingest::journals::{Journal, ReadBody},
    risk::{self, Limits},
    store::{Place, Reading, Refused, StoreError},
    totals::Books,
};

/// Most wallets and tickets with conflicts on the console, the newest ones, and most entries that were set aside.
const CONFLICTS: u32 = 500;

/// What only the writer knows.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    view: HubView,
    names: BTreeMap<BoxNumber, String>,
    conflicts: Vec<KeptConflict>,
    apart: Vec<view::RiskBox>,
    limits: Limits,
    holding: Holding,
}

fn roles(roles: Roles) -> Vec<view::Role> {
    let all = [(Roles::GATE, view::Role::Gate), (Roles::BAR, view::Role::Bar), (Roles::TOP_UP, view::Role::TopUp)];
    all.into_iter().filter(|(one, _)| roles.has(*one)).map(|(_, role)| role).collect()
}

fn currency(code: u16) -> String {
    if code == 978 { "EUR".into() } else { format!("{code:03}") }
}

fn category((number, category): (u32, &Category)) -> (u32, String) {
    (number, format!("{} / {}", category.name_fr, category.name_en))
}

/// Where the refused segments of a box are listed: at its first entry, since none of them has a place.
const fn place_of(sender: DeviceId) -> EntryRef {
    EntryRef { device: sender, epoch: 0, seq: 0 }
}

/// At most so many of what `list` gives, and whether there are more.
fn at_most<T>(most: u32, list: impl FnOnce(u32) -> Result<Vec<T>, StoreError>) -> Result<(Vec<T>, bool), StoreError> {
    let mut found = list(most.saturating_add(1))?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let more = found.len() > most;
    found.truncate(most);
    Ok((found, more))
}

impl Hub {
    /// What only the writer knows of the console's view.
    pub fn overview(&mut self) -> Result<Overview, HubError> {
        let now = self.now_ms();
        let revoked = self.revoked_devices()?;
        let boxes = self.store.boxes()?;
        let mut names: BTreeMap<BoxNumber, String> = BTreeMap::new();
        let mut shown = Vec::new();
        for stored in boxes {
            let journals: Vec<&Journal> = self.journals.of_device(stored.device).collect();
            for number in journals.iter().map(|journal| journal.box_number).chain([stored.number]) {
                names.entry(number).or_insert_with(|| stored.place.clone());
            }
            let gaps: usize = journals.iter().map(|journal| journal.tree.gaps().len()).sum();
            // a box that was revoked before it was ever heard
            let last_seen = Some(stored.last_seen_ms).filter(|last_seen| *last_seen > 0);
            let branches = journals.iter().map(|journal| journal.tree.branches().len()).max().unwrap_or(1);
            shown.push(HubBox {
                number: stored.number.0,
                place: stored.place,
                roles: roles(stored.roles),
                device: stored.device.to_hex().chars().take(8).collect(),
                last_seen_unix_ms: last_seen,
                age_s: last_seen.map(|last_seen| now.saturating_sub(last_seen) / 1000),
                entries: journals.iter().map(|journal| journal.tree.entries()).sum(),
                epoch: journals.iter().map(|journal| journal.epoch).max().unwrap_or(0),
                gaps: u32::try_from(gaps).unwrap_or(u32::MAX),
                branches: u32::try_from(branches.max(1)).unwrap_or(u32::MAX),
                revoked: revoked.contains(&stored.device),
                unsent_hint: stored.unsent,
            });
        }
        names.insert(BoxNumber(0), "Hub".into());
        let categories = self.store.categories()?;
        let view = HubView {
            festival: self.identity.founding.name.clone(),
            currency: currency(self.identity.founding.currency.0),
            now_unix_ms: now,
            term: self.store.term(),
            trouble: self.store.trouble().map(Into::into),
            notices: self.notices(),
            boxes: shown,
            zones: self.zone_views()?,
            overrides: self.overrides()?,
            categories: categories.iter().map(|held| category((held.number.into(), held))).collect(),
            ..HubView::default()
        };
        let (apart, limits) = (self.apart()?, self.limits());
        let holding = self.holding()?;
        Ok(Overview { conflicts: self.journal_conflicts(CONFLICTS)?.0, view, names, apart, limits, holding })
    }

    /// What somebody must do at once, and what only people know.
    pub(crate) fn notices(&self) -> Vec<HubNotice> {
        let text = |name: &str, value: String| (name.to_owned(), value);
        let term = self.term();
        let restored = HubNotice {
            code: "hub.restored".into(),
            args: [text("number", term.to_string())].into(),
            confirm: Some(term),
        };
        let twice = self.taken.values().map(|taken| HubNotice {
            code: "hub.number_twice".into(),
            args: [
                text("number", taken.numbers.0.to_string()),
                text("place", taken.place.clone()),
                text("detail", taken.owner_place.clone()),
            ]
            .into(),
            confirm: None,
        });
        (!self.store.is_restore_seen()).then_some(restored).into_iter().chain(twice).collect()
    }

    /// An operator has revoked and blocked again what a restored database lacks, as of this term.
    pub fn confirm_restored(&mut self, term: u32) -> Result<(), HubError> {
        if term != self.term() {
            return Err(HubError::Refused("hub.restored_again"));
        }
        self.store.see_restore(term)?;
        Ok(())
    }

    /// Forks, gaps, what revoked boxes wrote, entries set aside and, box by box, refused segments; and whether some that
    /// were set aside are left out: at most so many are listed.
    pub(crate) fn journal_conflicts(&mut self, most_aside: u32) -> Result<(Vec<KeptConflict>, bool), HubError> {
        let mut found = Vec::new();
        for at in 0..self.journals.all().len() {
            found.extend(self.conflicts_of(at)?);
        }
        found.extend(self.over_quota()?);
        let (asides, more_aside) = at_most(most_aside, |most| self.store.all_set_aside(most))?;
        for aside in asides {
            if let Some(journal) = self.journals.by_id(aside.place.journal) {
                found.push(self.named(journal, ConflictKind::ForbiddenEntry, aside.place.seq, aside.place.seq)?);
            }
        }
        for refused in self.store.refused()? {
            found.push(self.refused(&refused)?);
        }
        Ok((found, more_aside))
    }

    /// What was set aside or refused at one place.
    pub(crate) fn forbidden_at(&self, at: EntryRef) -> Result<Vec<KeptConflict>, HubError> {
        let mut found = Vec::new();
        if let Some(journal) = self.journals.get(at.device, at.epoch) {
            for _ in 0..self.store.set_aside_at(journal.id, at.seq)? {
                found.push(self.named(journal, ConflictKind::ForbiddenEntry, at.seq, at.seq)?);
            }
        }
        if at == place_of(at.device)
            && let Some(refused) = self.store.refused_of(at.device)?
        {
            found.push(self.refused(&refused)?);
        }
        Ok(found)
    }

    /// All segments of a box that were refused, with the first and the newest.
    fn refused(&self, refused: &Refused) -> Result<KeptConflict, HubError> {
        let number = self.store.stored_box(refused.sender)?.map_or(BoxNumber(0), |stored| stored.number);
        let (subject, at) = (format!("{}/refused", refused.sender), place_of(refused.sender));
        let total = u32::try_from(refused.segments).unwrap_or(u32::MAX);
        let one = KeptConflict::at(ConflictKind::ForbiddenEntry, subject, at, number, refused.first_ms);
        let one = one.summing(total, 0);
        Ok(if refused.newest_ms > refused.first_ms { one.until(at, number, refused.newest_ms) } else { one })
    }

    /// Gaps, fork and entries beyond a revocation of the journal at this position of all.
    pub(crate) fn conflicts_of(&mut self, at: usize) -> Result<Vec<KeptConflict>, HubError> {
        let beyond = self.beyond(at)?;
        let journal = self.journals.at(at);
        let mut found = Vec::new();
        for (first, _) in journal.tree.gaps() {
            found.push(self.named(journal, ConflictKind::Gap, first, first.saturating_sub(1))?);
        }
        if let Some(seq) = journal.forked_at {
            found.push(self.named(journal, ConflictKind::Fork, seq, seq)?);
        }
        if let Some(Beyond { first, last, entries, cents }) = beyond {
            let mut one = self.named(journal, ConflictKind::RevokedEntries, first, first)?.summing(entries, cents);
            if last > first {
                one = one.until(journal.entry_ref(last), journal.box_number, self.time_of(journal, last)?);
            }
            found.push(one);
        }
        Ok(found)
    }

    /// A conflict at an entry of a journal, with the time of one that is held.
    fn named(&self, journal: &Journal, kind: ConflictKind, seq: u32, timed: u32) -> Result<KeptConflict, HubError> {
        let at = journal.entry_ref(seq);
        let unix_ms = self.time_of(journal, timed)?;
        Ok(KeptConflict::at(kind, at.to_string(), at, journal.box_number, unix_ms))
    }

    fn time_of(&self, journal: &Journal, seq: u32) -> Result<u64, HubError> {
        let run = journal.tree.runs().iter().find(|run| (run.first..=run.last).contains(&seq));
        let Some(run) = run else { return Ok(0) };
        let body = self.store.bodies(journal.id.into(), run.run, seq, seq)?.pop().unwrap_or_default();
        Ok(ReadBody::of(&body, self.identity.founding.currency).entry().hlc.unix_ms())
    }

    /// Whether an entry counts, also by the hold that it closes. The fold judges by the holds of every branch.
    fn standing(&self, journal: &Journal, body: &ReadBody, place: Place) -> Result<Standing, StoreError> {
        let currency = self.identity.founding.currency;
        let standing = journal.standing(body, place, currency);
        let closed = closes(body.entry()).filter(|_| !matches!(standing, Standing::SetAside(_)));
        let Some(at) = closed.filter(|at| at.device == journal.device) else { return Ok(standing) };
        let mut holds = Vec::new();
        for held in self.journals.of_device(at.device).filter(|held| held.epoch == at.epoch) {
            for run in held.tree.runs().iter().filter(|run| (run.first..=run.last).contains(&at.seq)) {
                for hold in self.store.bodies(held.id.into(), run.run, at.seq, at.seq)? {
                    let hold = ReadBody::of(&hold, currency);
                    let counts = held.standing(&hold, Place { journal: held.id, run: run.run, seq: at.seq }, currency);
                    if opens(hold.entry()) && !matches!(counts, Standing::SetAside(_)) {
                        holds.push(hold);
                    }
                }
            }
        }
        let lies = !holds.is_empty() && holds.iter().all(|hold| differs(body.entry(), hold.entry()));
        Ok(if lies { Standing::SetAside(Reason::OtherAmount) } else { standing })
    }

    /// Whether an entry counts, and its body: of every branch that holds this position.
    pub fn entry_at(
        &self,
        device: DeviceId,
        epoch: u32,
        seq: u32,
    ) -> Result<Vec<(ReadBody, Standing, String)>, HubError> {
        let Some(journal) = self.journals.get(device, epoch) else { return Ok(Vec::new()) };
        let hashes = crate::ingest::journals::StoredHashes { store: &self.store, journal: journal.id };
        let mut found = Vec::new();
        for run in journal.tree.runs().iter().filter(|run| (run.first..=run.last).contains(&seq)) {
            let bodies = self.store.bodies(journal.id.into(), run.run, seq, seq)?;
            let hash = crate::ingest::tree::Hashes::of(&hashes, run, seq, seq)?;
            for (body, hash) in bodies.iter().zip(hash) {
                let body = ReadBody::of(body, self.identity.founding.currency);
                let place = Place { journal: journal.id, run: run.run, seq };
                let standing = self.standing(journal, &body, place)?;
                found.push((body, standing, domain::wire::hex(&hash)));
            }
        }
        Ok(found)
    }
}

impl Overview {
    /// The whole view, with books and conflicts from the database.
    pub fn complete(mut self, books: &Books, reading: &Reading) -> Result<HubView, StoreError> {
        let left_out = reading.count_set_aside()?.saturating_sub(CONFLICTS.into());
        let of_journals = left_out.saturating_add(self.conflicts.len() as u64);
        self.view.conflicts_total = reading.count_conflicts()?.saturating_add(of_journals);
        for kept in reading.conflicts(CONFLICTS)? {
            self.conflicts.extend(read(&kept));
        }
        self.conflicts.sort_by_key(|conflict| std::cmp::Reverse(conflict.newest_ms()));
        let name_of = |number: BoxNumber| self.names.get(&number).cloned().unwrap_or_else(|| format!("#{}", number.0));
        self.view.conflicts = self.conflicts.iter().map(|conflict| conflict.view(name_of)).collect();
        let bands = reading.band_counts()?;
        self.view.bands = view::HubBands { issued: bands.issued, spare: bands.spare, bad: bands.bad };
        self.view.totals = books.view();
        self.view.risk = risk::view(self.apart, self.limits, &self.holding, reading)?;
        Ok(self.view)
    }
}

#[cfg(test)]
mod tests;
