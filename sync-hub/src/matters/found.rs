//! Finds what people must look at: conflicts as they are stored, what is wrong with journals, doubts and what is owed.
//! Invariant: a matter is the same by itself as on the list; the list is cut for each kind apart, so that many of one kind
//! hide none of another, and says so.
//! Not here: what was decided about it (`matters`), how conflicts are found (`domain::ledger`, `fold`).
use std::collections::{BTreeMap, BTreeSet};

use domain::{
    id::{BoxNumber, DeviceId, EntryRef, TicketUid, WalletId},
    journal::{BlockedKind, Effect, Kind, MatterKind, Subject},
    ledger::{MatterId, Settled, Standing, Verdict, WalletEntry, WalletFold, WalletState, fold_wallet},
    wire::unhex,
};

use super::count;
use crate::{
    closing::{doubted_cents, has_doubts, is_in_doubt},
    conflicts::{KeptConflict, read},
    fold,
    hub::{Hub, HubError},
    ingest::journals::ReadBody,
    leaving::still_owed,
};

/// Entry, box and Unix ms of a place.
pub(super) type FoundAt = (Option<EntryRef>, BoxNumber, u64);

/// One matter as it is found, before names are put on places.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) places: Vec<FoundAt>,
    /// In how many places, also those of which nothing more is kept.
    pub(super) total: u32,
    pub(super) amount: Option<i64>,
    pub(super) waits: Option<&'static str>,
}

/// Matters as they are gathered.
pub(super) struct Finding {
    kind: Option<MatterKind>,
    most: usize,
    listed: BTreeMap<MatterKind, usize>,
    pub(super) found: BTreeMap<MatterId, Found>,
    /// More stands on some list than is told.
    pub(super) more: bool,
}

impl Found {
    fn of(conflict: &KeptConflict) -> Self {
        let of = conflict.places().iter();
        let places = of.map(|(entry, number, unix_ms)| (entry_ref(entry), BoxNumber(*number), *unix_ms)).collect();
        Self { places, total: conflict.total(), amount: conflict.amount(), waits: None }
    }

    /// Of places that are all kept.
    fn at(places: Vec<FoundAt>, amount: Option<i64>, waits: Option<&'static str>) -> Self {
        Self { total: count(places.len()), places, amount, waits }
    }

    /// How much money, whatever its sign.
    pub(super) fn cents(&self) -> u64 {
        self.amount.unwrap_or(0).unsigned_abs()
    }

    /// Several conflicts of one subject are one matter: it shows the places of all of them, each once, and their sum.
    fn join(&mut self, more: Self) {
        for place in more.places {
            if !self.places.contains(&place) {
                self.places.push(place);
            }
        }
        self.places.sort_by_key(|(at, _, unix_ms)| (*unix_ms, *at));
        self.total = self.total.saturating_add(more.total);
        self.amount = match (self.amount, more.amount) {
            (Some(one), Some(other)) => Some(one.saturating_add(other)),
            (one, other) => one.or(other),
        };
    }
}

impl Finding {
    /// Matters of this kind, or of all, and at most so many of each.
    pub(super) fn new(kind: Option<MatterKind>, most: usize) -> Self {
        Self { kind, most, listed: BTreeMap::new(), found: BTreeMap::new(), more: false }
    }

    /// One matter, whatever else there is of its kind.
    fn one(id: &MatterId) -> Self {
        Self::new(Some(id.kind), usize::MAX)
    }

    fn wants(&self, kind: MatterKind) -> bool {
        self.kind.is_none_or(|wanted| wanted == kind)
    }

    /// Whether one more of this kind has room.
    fn has_room(&mut self, kind: MatterKind) -> bool {
        let listed = self.listed.entry(kind).or_default();
        let room = *listed < self.most;
        *listed = listed.saturating_add(usize::from(room));
        self.more |= !room;
        room
    }

    fn add(&mut self, id: MatterId, found: Found) {
        if !self.wants(id.kind) {
            return;
        }
        if let Some(held) = self.found.get_mut(&id) {
            held.join(found);
        } else if self.has_room(id.kind) {
            self.found.insert(id, found);
        }
    }
}

/// `device/epoch/seq`.
pub(super) fn entry_ref(text: &str) -> Option<EntryRef> {
    let mut parts = text.split('/');
    let (device, epoch, seq) = (parts.next()?, parts.next()?, parts.next()?);
    Some(EntryRef { device: DeviceId::from_hex(device)?, epoch: epoch.parse().ok()?, seq: seq.parse().ok()? })
}

impl Hub {
    /// Everything that there is to look at, as far as it is wanted.
    pub(super) fn find(&mut self, mut finding: Finding) -> Result<Finding, HubError> {
        self.find_in_journals(&mut finding)?;
        self.find_conflicts(&mut finding)?;
        self.find_open_money(&mut finding)?;
        Ok(finding)
    }

    /// One matter: only its subject is looked at.
    pub(super) fn found_of(&mut self, id: &MatterId) -> Result<Option<Found>, HubError> {
        let mut finding = Finding::one(id);
        match (id.what, id.kind) {
            (BlockedKind::Device, _) => self.find_in_journal(id, &mut finding)?,
            (BlockedKind::Wallet, MatterKind::InDoubt | MatterKind::Pending) => {
                self.find_money_of(id.subject.wallet(), &mut finding)?;
            }
            (BlockedKind::Wallet | BlockedKind::Ticket, _) => {
                let text = self.reading()?.conflicts_of(&id.subject.0)?;
                self.add_conflicts(&text.map(|text| read(&text)).unwrap_or_default(), &mut finding)?;
            }
        }
        Ok(finding.found.remove(id))
    }

    fn find_conflicts(&self, finding: &mut Finding) -> Result<(), HubError> {
        let mut kept: Vec<KeptConflict> = Vec::new();
        let mut subjects: BTreeMap<MatterKind, usize> = BTreeMap::new();
        self.reading()?.each_conflict(|text| {
            let mut here = read(text);
            here.retain(|one| finding.wants(one.matter()));
            // one row is one subject: its conflicts of one kind are one matter
            let kinds: BTreeSet<MatterKind> = here.iter().map(KeptConflict::matter).collect();
            for kind in kinds {
                let listed = subjects.entry(kind).or_default();
                if *listed < finding.most {
                    *listed = listed.saturating_add(1);
                    kept.extend(here.iter().filter(|one| one.matter() == kind).cloned());
                } else {
                    finding.more = true;
                }
            }
        })?;
        self.add_conflicts(&kept, finding)
    }

    fn add_conflicts(&self, kept: &[KeptConflict], finding: &mut Finding) -> Result<(), HubError> {
        for conflict in kept {
            if let Some(id) = self.of_subject(conflict)? {
                finding.add(id, Found::of(conflict));
            }
        }
        Ok(())
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
            | MatterKind::Pending
            | MatterKind::OverQuota => {
                self.store.sums(WalletId(subject))?.is_none() && self.store.knows_ticket(TicketUid(subject))?
            }
        };
        let what = if is_ticket { BlockedKind::Ticket } else { BlockedKind::Wallet };
        Ok(Some(MatterId { kind: conflict.matter(), what, subject: Subject(subject), about: None }))
    }

    fn find_in_journals(&mut self, finding: &mut Finding) -> Result<(), HubError> {
        let (conflicts, more) = self.journal_conflicts(u32::try_from(finding.most).unwrap_or(u32::MAX))?;
        finding.more |= more && finding.wants(MatterKind::ForbiddenEntry);
        conflicts.iter().try_for_each(|conflict| self.add_of_device(conflict, finding))
    }

    fn find_in_journal(&mut self, id: &MatterId, finding: &mut Finding) -> Result<(), HubError> {
        let Some(about) = id.about else { return Ok(()) };
        let conflicts = match self.journals.position(about.device, about.epoch) {
            _ if id.kind == MatterKind::ForbiddenEntry => self.forbidden_at(about)?,
            _ if id.kind == MatterKind::OverQuota => self.over_quota()?,
            Some(at) => self.conflicts_of(at)?,
            None => Vec::new(),
        };
        conflicts.iter().try_for_each(|conflict| self.add_of_device(conflict, finding))
    }

    fn add_of_device(&self, conflict: &KeptConflict, finding: &mut Finding) -> Result<(), HubError> {
        let mut one = Found::of(conflict);
        let Some(about) = one.places.first().and_then(|(at, _, _)| *at) else { return Ok(()) };
        let kind = conflict.matter();
        if kind == MatterKind::Fork && finding.wants(kind) {
            self.look_at_fork(about, &mut one)?;
        }
        let id = MatterId { kind, what: BlockedKind::Device, subject: about.device.into(), about: Some(about) };
        finding.add(id, one);
        Ok(())
    }

    /// A fork counts every entry of its histories, so that whoever decided is asked again when any of them goes on: the
    /// chosen one, too, since whoever has the box's key can write there.
    fn look_at_fork(&self, fork: EntryRef, found: &mut Found) -> Result<(), HubError> {
        found.places.extend(self.further_histories(fork)?);
        if let Some(journal) = self.journals.get(fork.device, fork.epoch) {
            found.total = journal.entries_on_forked_ground().max(count(found.places.len()));
            found.waits = journal.went_on().then_some("went_on");
        }
        Ok(())
    }

    /// Ends of the histories beyond the two that make a fork: each is one more place.
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
    fn find_open_money(&mut self, finding: &mut Finding) -> Result<(), HubError> {
        let (mut open, mut more) = (Vec::new(), false);
        let mut room =
            [MatterKind::InDoubt, MatterKind::Pending].map(|kind| finding.wants(kind).then_some(finding.most));
        self.reading()?.each_wallet(|wallet, stored| {
            let state = stored.state.as_deref().and_then(|bytes| WalletState::from_bytes(bytes).ok());
            let Some(state) = state else { return };
            let is = [has_doubts(&state, stored.sums()), still_owed(&state, stored.sums()) > 0];
            let mut listed = false;
            for room in room.iter_mut().zip(is).filter(|(_, is)| *is).filter_map(|(room, _)| room.as_mut()) {
                more |= *room == 0;
                listed |= *room > 0;
                *room = room.saturating_sub(1);
            }
            if listed {
                open.push(wallet);
            }
        })?;
        finding.more |= more;
        open.into_iter().try_for_each(|wallet| self.find_money_of(wallet, finding))
    }

    /// Doubts and what is owed, from one fold: it is the dear part.
    fn find_money_of(&self, wallet: WalletId, finding: &mut Finding) -> Result<(), HubError> {
        let currency = self.identity.founding.currency;
        let entries = fold::wallet_entries(wallet, &self.journals, &self.store, currency)?;
        let fold = fold_wallet(wallet, &entries);
        self.find_doubts_in(&fold, &entries, finding)?;
        self.find_owed_in(&fold, &entries, finding);
        Ok(())
    }

    fn find_doubts_in(
        &self,
        fold: &WalletFold,
        entries: &[WalletEntry],
        finding: &mut Finding,
    ) -> Result<(), HubError> {
        if !finding.wants(MatterKind::InDoubt) {
            return Ok(());
        }
        for settled in fold.settled.iter().filter(|settled| is_in_doubt(settled)) {
            let speaks = |e: &&WalletEntry| e.at == settled.intent || e.entry.refers_to == Some(settled.intent);
            let places = entries.iter().filter(speaks).map(|e| self.at_place(e)).collect();
            let one = Found::at(places, doubted_cents(settled), Some(self.doubt_waits(settled)?));
            finding.add(of_wallet(MatterKind::InDoubt, fold.state.wallet, Some(settled.intent)), one);
        }
        Ok(())
    }

    fn doubt_waits(&self, settled: &Settled) -> Result<&'static str, HubError> {
        Ok(match settled.given_up {
            true => "read_or_write_off",
            false if self.is_revoked(settled.intent.device)? => "revoked_box",
            false => "its_box",
        })
    }

    fn find_owed_in(&self, fold: &WalletFold, entries: &[WalletEntry], finding: &mut Finding) {
        let owed = still_owed(&fold.state, &fold.accounts);
        if owed <= 0 || !finding.wants(MatterKind::Pending) {
            return;
        }
        let came = entries.iter().filter(|e| brings(fold, e)).map(|e| e.at);
        let came = came.chain(fold.settled.iter().filter(|settled| returns(fold, settled)).map(|s| s.intent));
        let came: BTreeSet<EntryRef> = came.collect();
        let mut places: Vec<FoundAt> =
            entries.iter().filter(|e| came.contains(&e.at)).map(|e| self.at_place(e)).collect();
        places.sort_by_key(|(at, _, unix_ms)| (*unix_ms, *at));
        places.dedup();
        // the block of an emptied band holds for ever, whatever is owed
        let waits = self.waits_for(fold, entries).or_else(|| fold.emptied.then_some("blocked"));
        finding.add(of_wallet(MatterKind::Pending, fold.state.wallet, None), Found::at(places, Some(owed), waits));
    }

    fn at_place(&self, e: &WalletEntry) -> FoundAt {
        let journal = self.journals.get(e.at.device, e.at.epoch);
        (Some(e.at), journal.map_or(BoxNumber(0), |journal| journal.box_number), e.entry.hlc.unix_ms())
    }
}

/// Whether an entry brings what a wallet is owed; to a band that was emptied also whatever raises its balance.
fn brings(fold: &WalletFold, e: &WalletEntry) -> bool {
    let (entry, wallet) = (&e.entry, fold.state.wallet);
    let own = entry.subject == wallet.into();
    let comes = match entry.effect {
        Effect::Owe => own,
        Effect::Credit | Effect::Release => fold.emptied && own,
        Effect::Transfer => fold.emptied && entry.other == wallet.into(),
        Effect::None
        | Effect::Debit
        | Effect::Hold
        | Effect::HoldCredit
        | Effect::Repay
        | Effect::In
        | Effect::Out
        | Effect::Block
        | Effect::Unblock
        | Effect::Unknown(_) => fold.emptied && own && matches!(entry.kind, Kind::VOID | Kind::WRITTEN_OFF),
    };
    comes && e.standing == Standing::InForce
}

/// Whether the verdict on an intent gives the guest money; of a band that was emptied also what was held until then.
fn returns(fold: &WalletFold, settled: &Settled) -> bool {
    let of_emptied = settled.verdict == Verdict::NotApplied || settled.credit && settled.verdict == Verdict::Applied;
    settled.counts && (settled.consequence().owed > 0 || fold.emptied && of_emptied)
}

fn of_wallet(kind: MatterKind, wallet: WalletId, about: Option<EntryRef>) -> MatterId {
    MatterId { kind, what: BlockedKind::Wallet, subject: wallet.into(), about }
}
