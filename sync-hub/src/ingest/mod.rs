//! Verified segments into the store: one transaction, then the acknowledgement.
//! Invariant: taking a segment again changes nothing, and any order of arrival leads to the same state.
//! Not here: the chain and its signatures (`sync::Segment`), the fair queue in front (`queue`).
pub(crate) mod batch;
pub mod journals;
pub mod queue;
pub mod tree;

use std::collections::BTreeMap;

use domain::{
    id::{DeviceId, FestivalId},
    journal::{Entry, Head, Kind},
    ledger::{Standing, closes, opens},
    stock::pieces_sold,
    trust::CertificateChain,
};
use sync::{Branch, Segment, SegmentError, session::hub_side::Stored};

use self::{
    batch::{Batch, Dirty, Source, about},
    journals::{Journal, Journals, ReadBody, StoredHashes},
};
use crate::{
    escrow,
    hub::{Hub, HubError},
    identity::Identity,
    store::{PassageSums, Passages, Place, ProductSales, ShareKey, ShareSums, Store, StoreError, StoredJournal},
    zones,
};

/// Most journals of one device: a new one is opened by a restored image and by an enrolment, each under a number of the
/// box's own. An enrolment gives eight numbers, so these are eight of them used up.
pub const EPOCHS: usize = 64;

/// A segment whose chain and signature hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSegment {
    segment: Segment,
    heads: Vec<Head>,
}

impl VerifiedSegment {
    /// Verifies a segment.
    pub fn verify(segment: Segment, festival: FestivalId, public_key: &[u8; 32]) -> Result<Self, SegmentError> {
        let heads = segment.verify(festival, public_key)?;
        Ok(Self { segment, heads })
    }

    /// From a session, which has verified it: the segment and the head after each entry.
    pub fn from_session(segment: Segment, heads: Vec<Head>) -> Self {
        Self { segment, heads }
    }

    /// The entries.
    pub fn segment(&self) -> &Segment {
        &self.segment
    }
}

impl Hub {
    /// Stores segments in one transaction and says of each what is held now. A segment whose journal's key nobody here
    /// knows is not taken: its branch is answered as empty, so that the box sends from the start.
    pub fn ingest(&mut self, segments: &[VerifiedSegment]) -> Result<Vec<Stored>, HubError> {
        self.as_on_disk()?;
        let mut dirty = Dirty::default();
        let pending = std::mem::take(&mut self.pending);
        let Self { store, journals, identity, .. } = self;
        let done = store.transaction(|store| take_all(store, journals, identity, segments, &mut dirty, pending));
        match done {
            Ok((stored, pending)) => {
                self.pending = pending;
                self.dirty.extend(dirty);
                Ok(stored)
            }
            Err(error) => Err(self.fell_behind(error)),
        }
    }

    /// A transaction failed: memory is ahead of the disk, and what had been gathered for the projections is lost from
    /// memory. It is read again at once or, where the disk refuses that too, before anything else is stored or published:
    /// what is folded without it would be wrong and look right.
    fn fell_behind(&mut self, error: StoreError) -> HubError {
        self.is_behind = true;
        if let Err(reason) = self.as_on_disk() {
            tracing::error!(%reason, "the hub cannot read its state again; it stores and publishes nothing until it can");
        }
        error.into()
    }

    /// Reads everything from disk again if a transaction failed before.
    pub(crate) fn as_on_disk(&mut self) -> Result<(), HubError> {
        if self.is_behind {
            self.journals = Journals::load(&self.store, &self.identity.founding)?;
            self.catch_up()?;
            self.is_behind = false;
        }
        Ok(())
    }

    /// Takes entries that the projections lack into account: those of the last moment before a kill.
    pub(crate) fn catch_up(&mut self) -> Result<(), HubError> {
        let mut dirty = Dirty::default();
        let Self { store, journals, identity, .. } = self;
        let pending = store.transaction::<_, StoreError>(|store| {
            let batch = Batch::default();
            let mut taking = Taking { store, journals, identity, batch, again: Vec::new(), dirty: &mut dirty };
            for (journal, run, first, last) in store.unfolded()? {
                taking.again_from_disk(journal, run, first, last)?;
            }
            taking.finish()
        })?;
        self.pending = pending;
        self.dirty.extend(dirty);
        Ok(())
    }

    /// Writes what is gathered in memory into the projections, for whoever reads them now.
    pub(crate) fn project(&mut self) -> Result<(), HubError> {
        self.as_on_disk()?;
        if self.pending.is_written() {
            return Ok(());
        }
        let mut pending = std::mem::take(&mut self.pending);
        let mut dirty = Dirty::default();
        match self.store.transaction::<_, StoreError>(|store| pending.write(store, &mut dirty)) {
            Ok(()) => {
                self.pending = pending;
                self.dirty.extend(dirty);
                Ok(())
            }
            Err(error) => Err(self.fell_behind(error)),
        }
    }
}

fn take_all(
    store: &Store,
    journals: &mut Journals,
    identity: &Identity,
    segments: &[VerifiedSegment],
    dirty: &mut Dirty,
    batch: Batch,
) -> Result<(Vec<Stored>, Batch), StoreError> {
    let mut taking = Taking { store, journals, identity, batch, again: Vec::new(), dirty };
    // Journal by journal, so that the table of entries grows at few places.
    let mut order: Vec<(usize, &VerifiedSegment)> = segments.iter().enumerate().collect();
    order.sort_by_key(|(_, verified)| (verified.segment.device, verified.segment.epoch, verified.segment.first));
    let mut runs = vec![None; segments.len()];
    for (at, verified) in order {
        if let Some(run) = runs.get_mut(at) {
            *run = taking.take(verified)?;
        }
    }
    let pending = taking.finish()?;
    let mut stored = Vec::with_capacity(segments.len());
    for (verified, taken) in segments.iter().zip(runs) {
        let Segment { device, epoch, .. } = verified.segment;
        let tree = taken.map(|(at, run)| (&journals.at(at).tree, run));
        stored.push(Stored {
            device,
            epoch,
            last: verified.segment.last(),
            branch: tree.map_or_else(Branch::default, |(tree, run)| match run {
                Some(run) => tree.branch_of(run),
                None => tree.longest(),
            }),
            branches: tree.map_or(0, |(tree, _)| tree.branches().len()),
            beyond: tree.is_none() && journals.is_beyond(device, epoch, EPOCHS),
        });
    }
    Ok((stored, pending))
}

struct Taking<'a> {
    store: &'a Store,
    journals: &'a mut Journals,
    identity: &'a Identity,
    batch: Batch,
    /// Journals whose entries from a position on stand differently now.
    again: Vec<(usize, u32)>,
    dirty: &'a mut Dirty,
}

impl Taking<'_> {
    /// Stores one segment; gives the journal and the run of its last entry. One that would be a branch or a range too many
    /// is not taken and has no run: the box sends again from where the journal has no gap.
    fn take(&mut self, verified: &VerifiedSegment) -> Result<Option<(usize, Option<u32>)>, StoreError> {
        let VerifiedSegment { segment, heads } = verified;
        let Some(at) = self.journal(segment)? else { return Ok(None) };
        let journal = self.journals.at_mut(at);
        let id = journal.id;
        let hashes = StoredHashes { store: self.store, journal: id };
        if journal.tree.is_full(segment.first, &segment.prev, &hashes)? {
            return Ok(Some((at, None)));
        }
        let had_entries = !journal.tree.runs().is_empty();
        let (pieces, adopted) = journal.tree.place(segment.first, &segment.prev, heads, &hashes)?;
        for piece in &pieces {
            let bodies = segment.bodies.get(piece.from..piece.to).unwrap_or_default();
            let (Some(first), Some(last)) = (heads.get(piece.from), heads.get(piece.to.saturating_sub(1))) else {
                continue;
            };
            self.store.add_entries(id.into(), piece.run, first.seq, bodies)?;
            if piece.to == heads.len() {
                self.store.put_segment(id.into(), piece.run, last.seq, &last.hash, &segment.signature)?;
            }
            if let (0, Some(genesis)) = (first.seq, bodies.first())
                && !journal.has_genesis
            {
                self.store.set_genesis(id.into(), genesis)?;
                journal.opened(genesis, &self.identity.founding);
                if had_entries {
                    // they were judged by another chain, and under no number
                    self.again.push((at, 0));
                }
            }
        }
        let changed = pieces.iter().map(|piece| piece.run).chain(adopted);
        for run in changed.filter_map(|run| journal.tree.run(run)) {
            self.store.put_run(id.into(), run)?;
        }
        let Some(last) = heads.last() else { return Ok(None) };
        if pieces.is_empty() {
            let run = journal.find(*last, self.store)?;
            return Ok(run.map(|run| (at, Some(run))));
        }
        self.dirty.journals.insert((segment.device, segment.epoch));
        self.note_fork(at)?;
        for piece in &pieces {
            self.entries(at, piece.run, segment, heads, piece.from..piece.to)?;
        }
        let run = pieces.last().filter(|piece| piece.to == heads.len()).map(|piece| piece.run);
        let run = match run {
            Some(run) => Some(run),
            None => self.journals.at(at).find(*last, self.store)?,
        };
        Ok(run.map(|run| (at, Some(run))))
    }

    /// The segment's journal, made where it is new; `None` where nobody knows its key, and where the device has as many as
    /// anybody needs.
    fn journal(&mut self, segment: &Segment) -> Result<Option<usize>, StoreError> {
        let (device, epoch) = (segment.device, segment.epoch);
        if let Some(at) = self.journals.position(device, epoch) {
            let known = self.journals.at(at).rights.is_some() || segment.first == 0;
            return Ok(known.then_some(at));
        }
        if self.journals.is_beyond(device, epoch, EPOCHS) {
            if self.journals.is_first_beyond(device) {
                tracing::error!(%device, epoch, "a box has opened {EPOCHS} journals; further ones are not taken");
            }
            return Ok(None);
        }
        let chain = match segment.genesis() {
            Ok(genesis) => Some(genesis.chain),
            Err(_) => self.store.chain_of(device)?,
        };
        let chain = chain.and_then(|chain| CertificateChain::from_bytes(&chain).ok());
        let Some(certificate) = chain.and_then(|chain| chain.verify(&self.identity.founding).ok()) else {
            return Ok(None);
        };
        if certificate.device() != device {
            return Ok(None);
        }
        let id = self.journals.next_id();
        let public_key = certificate.subject;
        let stored = StoredJournal { journal: id.into(), device, epoch, public_key, genesis: None };
        self.store.add_journal(&stored)?;
        let mut journal = Journal::new(id, device, epoch, public_key);
        // Until its genesis is here, a journal is judged by the certificate that its box showed.
        journal.rights = Some(domain::ledger::Rights::of(&certificate));
        let at = self.journals.add(journal);
        // A device that is revoked may come with an epoch that nobody has seen; revocations are always on disk.
        self.journals.judge_device(device, self.store, self.identity.founding.currency)?;
        Ok(Some(at))
    }

    fn note_fork(&mut self, at: usize) -> Result<(), StoreError> {
        let journal = self.journals.at_mut(at);
        let forked_at = journal.tree.forked_at();
        if forked_at == journal.forked_at {
            return Ok(());
        }
        journal.forked_at = forked_at;
        // Which heads are confirmed is judged once everything is written.
        self.batch.devices.insert(journal.device);
        if let Some(from) = forked_at {
            self.again.push((at, from));
        }
        Ok(())
    }

    fn entries(
        &mut self,
        at: usize,
        run: u32,
        segment: &Segment,
        heads: &[Head],
        which: std::ops::Range<usize>,
    ) -> Result<(), StoreError> {
        let currency = self.identity.founding.currency;
        let (device, epoch, first) = (segment.device, segment.epoch, segment.first);
        // An intent nearly always stands in the segment of its commit.
        let intents = |wanted: domain::id::EntryRef| {
            let index = usize::try_from(wanted.seq.checked_sub(first)?).ok()?;
            let body = segment.bodies.get(index).filter(|_| (wanted.device, wanted.epoch) == (device, epoch))?;
            Entry::from_bytes(body).ok()
        };
        let journal = self.journals.at(at).id;
        self.batch.takes(journal, run, which.len());
        let source = Source { journals: self.journals, store: self.store, currency, at, intents: &intents };
        for (body, head) in segment.bodies.iter().zip(heads).take(which.end).skip(which.start) {
            let place = Place { journal, run, seq: head.seq };
            let body = ReadBody::of(body, currency);
            self.batch.take(&source, place, &body)?;
        }
        Ok(())
    }

    /// Where hub entries, closures or forks depend on it, writes what was gathered and judges again.
    fn finish(mut self) -> Result<Batch, StoreError> {
        if !self.batch.is_due() && self.again.is_empty() {
            return Ok(self.batch);
        }
        self.batch.write(self.store, self.dirty)?;
        let currency = self.identity.founding.currency;
        for device in std::mem::take(&mut self.batch.devices) {
            let changed = self.journals.judge_device(device, self.store, currency)?;
            self.dirty.revocations |= !changed.is_empty();
            self.again.extend(changed);
        }
        let closed = std::mem::take(&mut self.batch.closed);
        let rewritten = !closed.is_empty() || !self.again.is_empty();
        for (device, epoch) in closed {
            self.closures(device, epoch)?;
        }
        self.again.sort_unstable();
        let mut again = std::mem::take(&mut self.again);
        again.dedup_by_key(|(at, _)| *at);
        for (at, from) in again {
            self.stand_again(at, from)?;
        }
        if rewritten {
            self.batch.forget_cached();
        }
        Ok(self.batch)
    }

    /// Takes entries that are on disk already.
    fn again_from_disk(&mut self, journal: u32, run: u32, first: u32, last: u32) -> Result<(), StoreError> {
        let position =
            self.journals.by_id(journal).and_then(|journal| self.journals.position(journal.device, journal.epoch));
        let Some(at) = position else { return Ok(()) };
        let currency = self.identity.founding.currency;
        let Self { store, journals, batch, .. } = self;
        let source = Source { journals, store, currency, at, intents: &|_| None };
        store.each_body(journal.into(), run, (first, last), |seq, body| {
            batch.takes(journal, run, 1);
            batch.take(&source, Place { journal, run, seq }, &ReadBody::of(body, currency))
        })?;
        let journal = self.journals.at(at);
        self.dirty.journals.insert((journal.device, journal.epoch));
        Ok(())
    }

    /// A journal that closed settles what it left open: wallets with open intents of it are folded again. What stands
    /// before an earlier closure was settled then; what came late is folded with all closures.
    fn closures(&mut self, device: DeviceId, epoch: u32) -> Result<(), StoreError> {
        let Self { store, journals, dirty, .. } = self;
        let Some(at) = journals.position(device, epoch) else { return Ok(()) };
        let closures = store.touching(&journals::journal_subject(device, epoch))?;
        let before = std::mem::replace(&mut journals.at_mut(at).closures, closures);
        let journal = journals.at(at);
        for (run, from, to) in unsettled(journal, &before) {
            store.each_body(journal.id.into(), run, (from, to), |_, body| {
                let Ok(entry) = Entry::from_bytes(body) else { return Ok(()) };
                let wallet = entry.subject.wallet();
                if !opens(&entry) || dirty.wallets.contains(&wallet) {
                    return Ok(());
                }
                if let Some(stored) = store.wallet(wallet)?.filter(|stored| stored.accounts.needs_full_fold()) {
                    store.put_sums(wallet, &stored)?;
                    dirty.wallets.insert(wallet);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Counts a journal's passages and sold goods anew, after its entries came to stand differently.
    fn count_again(&mut self, at: usize) -> Result<(), StoreError> {
        let currency = self.identity.founding.currency;
        let journal = self.journals.at(at);
        self.store.forget_product_sales(journal.id)?;
        let mut sold = ProductSales::new();
        let rows = self.store.passages()?.into_iter();
        let mut sums: BTreeMap<_, PassageSums> = rows
            .filter(|row| (row.device, row.epoch) == (journal.device, journal.epoch))
            // what the hub granted stands in its own journal
            .map(|row| {
                let Passages { zone, device, epoch, sums } = row;
                ((zone, device, epoch), PassageSums { granted: sums.granted, grant: sums.grant, ..Default::default() })
            })
            .collect();
        let mut shares: BTreeMap<ShareKey, ShareSums> = if self.store.counts_shares() {
            let rows = self.store.account_shares_of(journal.device, journal.epoch)?;
            rows.into_iter().map(|(key, sums)| (key, sums.of_hub())).collect()
        } else {
            BTreeMap::new()
        };
        for run in journal.tree.runs() {
            self.store.each_body(journal.id.into(), run.run, (run.first, run.last), |seq, body| {
                let body = ReadBody::of(body, currency);
                let place = Place { journal: journal.id, run: run.run, seq };
                let standing = journal.standing(&body, place, currency);
                if !matches!(standing, Standing::InForce | Standing::Disputed) {
                    return Ok(());
                }
                if standing == Standing::InForce && body.entry().kind == Kind::SALE {
                    let intent = match closes(body.entry()).filter(|first| first.device == journal.device) {
                        Some(first) => batch::intent_on_disk(first, place, journal, self.store)?,
                        None => None,
                    };
                    for (product, pieces) in pieces_sold(body.entry(), intent.as_ref()) {
                        let sum = sold.entry((journal.id, product)).or_default();
                        *sum = sum.saturating_add(pieces);
                    }
                }
                if standing == Standing::InForce && self.store.counts_shares() {
                    for (key, one) in escrow::counted(body.entry(), journal, seq) {
                        shares.entry(key).or_default().add(&one);
                    }
                }
                if let Some((gate, one)) = zones::counted(body.entry(), journal.device, journal.epoch, seq) {
                    sums.entry(gate).or_default().add(&one);
                }
                Ok(())
            })?;
        }
        self.store.add_product_sales(&sold)?;
        for (key, sums) in
            shares.iter().filter(|((_, device, epoch), _)| (*device, *epoch) == (journal.device, journal.epoch))
        {
            self.store.put_account_share(*key, sums)?;
            self.dirty.shares.changed.insert(*key);
        }
        self.dirty.zones |= !sums.is_empty();
        for ((zone, device, epoch), sums) in sums {
            // grants in a hub's own journal are other devices' rows, and only ever grow
            if (device, epoch) == (journal.device, journal.epoch) {
                self.store.put_passages(&Passages { zone, device, epoch, sums })?;
            }
        }
        Ok(())
    }

    /// The wallets and tickets of these entries are folded in full from now on.
    fn stand_again(&mut self, at: usize, from: u32) -> Result<(), StoreError> {
        self.count_again(at)?;
        let currency = self.identity.founding.currency;
        let Self { store, journals, dirty, .. } = self;
        let journal = journals.at(at);
        dirty.journals.insert((journal.device, journal.epoch));
        for run in journal.tree.runs().iter().filter(|run| run.last >= from) {
            store.each_body(journal.id.into(), run.run, (run.first.max(from), run.last), |_, body| {
                let body = ReadBody::of(body, currency);
                let about = about(body.entry());
                for wallet in about.wallets() {
                    if let Some(stored) = store.wallet(wallet)?.filter(|stored| !stored.unusual) {
                        store.put_sums(wallet, &crate::store::StoredWallet { unusual: true, ..stored })?;
                    }
                    dirty.wallets.insert(wallet);
                }
                for ticket in about.tickets() {
                    if !dirty.tickets.contains(&ticket) {
                        store.touch_ticket(ticket)?;
                        dirty.tickets.insert(ticket);
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// Runs of a journal, from and to which position, whose intents its new closures settle. A run only ever grows at its
/// end: where it had a closure, its line was gone through up to there.
fn unsettled(journal: &Journal, before: &[Place]) -> Vec<(u32, u32, u32)> {
    let last = |places: &[Place], run: u32| places.iter().filter(|p| p.run == run).map(|p| p.seq).max();
    let runs = journal.tree.runs();
    let closed_anew = |run: u32| last(&journal.closures, run) > last(before, run);
    if runs.iter().any(|run| closed_anew(run.run) && last(before, run.run).is_none()) {
        return runs.iter().map(|run| (run.run, run.first, run.last)).collect();
    }
    let since = runs.iter().filter(|run| closed_anew(run.run)).filter_map(|run| {
        let (from, to) = (last(before, run.run)?, last(&journal.closures, run.run)?);
        Some((run.run, from.saturating_add(1), to))
    });
    since.collect()
}

#[cfg(test)]
mod tests;
