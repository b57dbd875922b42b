//! State deltas: what changed since the last batch, folded, numbered and signed.
//! Invariant: a batch is complete between two version vectors; its number is on disk before anybody sees it.
//! Not here: how a box that lacks a batch gets it (`feed`).
mod edits;
pub mod feed;

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    id::{DeviceId, TicketUid, WalletId},
    ledger::{AccountShare, Conflict, CreditItem, Cutoff, TicketState, WalletFlags, WalletState, ZoneRecord},
    money::{Cents, Currency},
    wire::Writer,
    wristband::CREDIT_RECORD_LEN,
};
use sync::{Delta, Section, SignedDelta, VersionVector};

use self::feed::Batch;
use crate::{
    conflicts,
    credits::{Keeper, Payment},
    fold,
    hub::{Hub, HubError},
    identity::Identity,
    ingest::{
        batch::Dirty,
        journals::{Journal, Journals},
    },
    store::{BarReason, Store, StoreError},
};

/// Sections that this hub feeds.
pub const FED: [Section; 7] = [
    Section::Wallets,
    Section::Tickets,
    Section::Revocations,
    Section::Documents,
    Section::Zones,
    Section::Credits,
    Section::Shares,
];

/// Bytes of records in one part. Small, since a thousand sessions may have one each on its way: the batch goes on when
/// the box has confirmed it. The vector of a large festival takes some 50 kB beside the first.
const PART_ITEMS: usize = 32 * 1024;
/// Bytes of the vector in one part: what a batch takes into account is told whole, however many journals there are.
const PART_VECTOR: usize = 64 * 1024;

/// One record of the section of revocations: what u8 (1 a device, 2 a ticket) · holds u8 · id 16.
pub type RevokedItem = (u8, [u8; 16]);
const DEVICE: u8 = 1;
const TICKET: u8 = 2;
const REVOKED_LEN: usize = 18;

struct Pending {
    section: Section,
    number: u64,
    items: Vec<u8>,
    vector: VersionVector,
}

const fn record_len(section: Section) -> usize {
    match section {
        Section::Wallets => WalletState::LEN,
        Section::Tickets => TicketState::LEN,
        Section::Revocations => REVOKED_LEN,
        Section::Credits => CreditItem::LEN,
        Section::Zones => ZoneRecord::LEN,
        Section::Shares => AccountShare::LEN,
        Section::Documents | Section::Bundle => 1,
    }
}

impl Hub {
    /// Folds and publishes what changed since the last time, and signs what guests turn out to be owed. Gives the
    /// sections that have a new batch.
    pub fn publish(&mut self) -> Result<Vec<Section>, HubError> {
        self.begin_term()?;
        let published = self.publish_all();
        if published.is_err() {
            // what was taken for told may not have been
            self.zones.published.clear();
        }
        published
    }

    fn publish_all(&mut self) -> Result<Vec<Section>, HubError> {
        let mut sections = self.publish_changes()?;
        if self.pay_due()? > 0 {
            for section in self.publish_changes()? {
                if !sections.contains(&section) {
                    sections.push(section);
                }
            }
        }
        Ok(sections)
    }

    fn publish_changes(&mut self) -> Result<Vec<Section>, HubError> {
        self.project()?;
        let look = self.deal_places()? || self.dirty.zones;
        let zones = if look { self.zone_items(false)? } else { Vec::new() };
        self.deal_accounts()?;
        let told = self.shares_to_tell();
        let shares = self.share_items(&told)?;
        if self.dirty.is_empty() && zones.is_empty() && shares.is_empty() {
            return Ok(Vec::new());
        }
        let mut wallets: Vec<WalletId> = self.dirty.wallets.iter().copied().collect();
        let mut tickets: Vec<TicketUid> = self.dirty.tickets.iter().copied().collect();
        wallets.sort_unstable();
        tickets.sort_unstable();
        let changed = self.dirty.journals.iter().filter_map(|(device, epoch)| self.journals.get(*device, *epoch));
        let vector = VersionVector::new(changed.map(Journal::heads).collect());
        let revoked = self.revoked_items()?;
        let numbers = self.numbers.clone();
        let revocations: Vec<u8> = difference(&self.revoked, &revoked);
        let edits = edits::items(&self.dirty.edits);
        let maximum = self.policy.maximum_balance;
        let (mut offers, mut due) = (Vec::new(), BTreeMap::new());
        let now_ms = self.now_ms();
        let Self { store, journals, identity, conflicted, dirty, offers: offered, feeds, .. } = self;
        let currency = identity.founding.currency;
        let published = store.transaction::<_, HubError>(|store| {
            let mut items = Writer::new();
            let mut apart: BTreeMap<[u8; 16], Vec<Conflict>> = BTreeMap::new();
            for id in wallets {
                let folded = fold::wallet(id, journals, store, currency)?;
                let state = folded.state.to_bytes();
                store.put_wallet_state(id, &state, folded.folded.as_ref())?;
                let before = offered.get(&id).and_then(|item| item.offer);
                if folded.state.pending > 0 || before.is_some() {
                    let (offer, payment) = owed(id, &folded, journals, store, currency, maximum)?;
                    due.extend(payment.map(|payment| (id, payment)));
                    if offer != before {
                        let item = CreditItem { wallet: id, offer };
                        store.put_offer(&item)?;
                        offers.push(item);
                    }
                }
                apart.entry(id.0).or_default().extend(folded.conflicts);
                items.bytes(&state);
            }
            let wallets = items.finish();
            let mut items = Writer::new();
            for id in tickets {
                let (state, found) = fold::ticket(id, journals, store, currency)?;
                store.put_ticket_state(id, &state.to_bytes())?;
                apart.entry(id.0).or_default().extend(found);
                items.bytes(&state.to_bytes());
            }
            for (subject, mut found) in apart {
                // An id that newer software names is kept as wallet and ticket: the one that was not touched counts on.
                if conflicted.contains(&subject) {
                    let (wallet, ticket) = (WalletId(subject), TicketUid(subject));
                    if !dirty.wallets.contains(&wallet) && store.sums(wallet)?.is_some() {
                        found.extend(fold::wallet(wallet, journals, store, currency)?.conflicts);
                    }
                    if !dirty.tickets.contains(&ticket) && store.knows_ticket(ticket)? {
                        found.extend(fold::ticket(ticket, journals, store, currency)?.1);
                    }
                }
                match conflicts::stored(&found) {
                    Some(view) => {
                        conflicted.insert(subject);
                        store.put_conflict(&subject, Some(&view))?;
                    }
                    // The set only grows: taking away what is not there costs nothing but a statement.
                    None if conflicted.contains(&subject) => store.put_conflict(&subject, None)?,
                    None => {}
                }
            }
            let tickets = items.finish();
            let mut published = Vec::new();
            let credits = offers.iter().flat_map(CreditItem::to_bytes).collect();
            for (section, items) in [
                (Section::Wallets, wallets),
                (Section::Tickets, tickets),
                (Section::Revocations, revocations),
                (Section::Credits, credits),
                (Section::Documents, edits),
                (Section::Zones, zones),
                (Section::Shares, shares),
            ] {
                // What an entry covers is told in both sections, also where it changed nothing in one of them.
                let covers = matches!(section, Section::Wallets | Section::Tickets) && !vector.journals().is_empty();
                if !items.is_empty() || covers {
                    let number = numbers.get(&section).copied().unwrap_or(0).saturating_add(1);
                    store.put_section(section.byte(), number)?;
                    let vector = if covers { vector.clone() } else { VersionVector::default() };
                    let pending = Pending { section, number, items, vector };
                    let parts = signed(&pending, false, identity, store.term(), now_ms);
                    let batch = Batch { number, prev: number.saturating_sub(1), parts };
                    store.add_batch(section.byte(), &batch)?;
                    store.forget_batches(section.byte(), feeds.oldest(section).unwrap_or(number))?;
                    published.push((section, batch));
                }
            }
            Ok(published)
        });
        let published = match published {
            Ok(published) => published,
            Err(error) => {
                self.tell_shares_again(told);
                return Err(error);
            }
        };
        // what was said of shares is looked at by itself
        let shares = std::mem::take(&mut self.dirty.shares);
        self.dirty = Dirty { shares, ..Dirty::default() };
        self.revoked = revoked;
        let devices = self.revoked.iter().filter(|(what, _)| *what == DEVICE).map(|(_, id)| DeviceId(*id));
        self.cut_off.extend(devices);
        self.due = due;
        for item in offers {
            match item.offer {
                Some(_) => self.offers.insert(item.wallet, item),
                None => self.offers.remove(&item.wallet),
            };
        }
        let mut sections = Vec::new();
        for (section, batch) in published {
            self.numbers.insert(section, batch.number);
            self.feeds.publish(section, batch);
            sections.push(section);
        }
        self.store.mark_progress()?;
        Ok(sections)
    }

    /// Makes a snapshot of one section at its newest number.
    pub fn snapshot(&mut self, section: Section) -> Result<(), HubError> {
        self.publish()?;
        let number = self.numbers.get(&section).copied().unwrap_or(0);
        if number == 0 || self.feeds.has_snapshot_at(section, number) {
            return Ok(());
        }
        let mut items = Vec::new();
        match section {
            Section::Wallets => self.store.wallet_states(|state| items.extend_from_slice(state))?,
            Section::Tickets => self.store.ticket_states(|state| items.extend_from_slice(state))?,
            Section::Revocations => items = difference(&BTreeSet::new(), &self.revoked),
            Section::Credits => items = self.offers.values().flat_map(CreditItem::to_bytes).collect(),
            Section::Documents => items = edits::items(&self.store.edits_after(-1)?),
            Section::Zones => items = self.zone_items(true)?,
            Section::Shares => items = self.all_share_items()?,
            Section::Bundle => {}
        }
        let vector = match section {
            Section::Wallets | Section::Tickets => self.journals.vector(),
            Section::Revocations
            | Section::Documents
            | Section::Bundle
            | Section::Zones
            | Section::Credits
            | Section::Shares => VersionVector::default(),
        };
        let parts = self.parts(&Pending { section, number, items, vector }, true);
        self.feeds.set_snapshot(section, Batch { number, prev: 0, parts });
        Ok(())
    }

    fn parts(&self, batch: &Pending, snapshot: bool) -> Vec<SignedDelta> {
        signed(batch, snapshot, &self.identity, self.store.term(), self.now_ms())
    }

    fn revoked_items(&self) -> Result<BTreeSet<RevokedItem>, StoreError> {
        let mut items: BTreeSet<RevokedItem> =
            self.revoked_devices()?.into_iter().map(|device| (DEVICE, device.0)).collect();
        items.extend(self.store.barred(BarReason::Revoked)?.into_iter().map(|ticket| (TICKET, ticket.0)));
        Ok(items)
    }

    /// Devices that are revoked: by an entry in force, whoever wrote it.
    pub fn revoked_devices(&self) -> Result<BTreeSet<DeviceId>, StoreError> {
        let by_entry =
            self.journals.all().iter().filter(|journal| journal.cutoff != Cutoff::None).map(|journal| journal.device);
        let mut devices: BTreeSet<DeviceId> = by_entry.collect();
        devices.extend(self.store.boxes()?.into_iter().filter(|stored| stored.revoked).map(|stored| stored.device));
        Ok(devices)
    }

    /// What is not published since before a restart, the newest numbers, and a first batch for a term that has none.
    pub(crate) fn resume_deltas(&mut self) -> Result<(), HubError> {
        for section in FED {
            let (number, change) = self.store.section(section.byte())?;
            self.numbers.insert(section, number);
            match section {
                Section::Wallets => self.dirty.wallets.extend(self.store.wallets_after(change)?),
                Section::Tickets => self.dirty.tickets.extend(self.store.tickets_after(change)?),
                // Told again as a whole: what was barred while the hub did not run stands nowhere else.
                Section::Revocations => self.dirty.revocations |= !self.revoked_items()?.is_empty(),
                // A new term tells all of them again.
                Section::Credits if number == 0 => self.forget_offers()?,
                Section::Documents => self.dirty.edits = self.store.edits_after(change)?,
                // Zones are told again as a whole with the first publication.
                // What is asked of shares is asked again when it is needed; what was granted a box hears with its snapshot.
                Section::Bundle | Section::Credits | Section::Zones | Section::Shares => {}
            }
        }
        // Which journals a batch before the restart took into account is not kept: the next one names them all.
        self.dirty.journals.extend(self.journals.all().iter().map(|journal| (journal.device, journal.epoch)));
        self.feeds.start(self.store.term(), &self.numbers);
        // Shares are told anew to whoever was away.
        for section in FED.into_iter().filter(|section| *section != Section::Shares) {
            let mut batches = self.store.batches(section.byte()).unwrap_or_else(|error| {
                tracing::warn!(%error, ?section, "earlier batches cannot be read; boxes that were away get a snapshot");
                Vec::new()
            });
            let wrong = batches.iter().rposition(|batch| !self.is_told_so(section, batch));
            batches.drain(..wrong.map_or(0, |last| last.saturating_add(1)));
            self.feeds.resume(section, batches);
        }
        if self.numbers.values().any(|number| *number == 0) {
            self.first_batches()?;
        }
        self.publish()?;
        Ok(())
    }

    /// Whether boxes of today would take this batch from before a restart: it is whole, and of this term and key.
    fn is_told_so(&self, section: Section, batch: &Batch) -> bool {
        let (festival, signer) = (self.identity.festival, self.identity.bundle.key.verifying_key().to_bytes());
        let count = batch.parts.len();
        batch.parts.iter().enumerate().all(|(n, part)| {
            part.open(&festival, &[signer]).is_ok_and(|part| {
                let place = (usize::from(part.part), usize::from(part.parts)) == (n, count);
                place
                    && (part.section, part.term) == (section, self.store.term())
                    && (part.prev, part.number) == (batch.prev, batch.number)
            })
        })
    }

    fn forget_offers(&mut self) -> Result<(), HubError> {
        let offers = std::mem::take(&mut self.offers);
        self.store.transaction::<_, HubError>(|store| {
            offers.keys().try_for_each(|wallet| store.put_offer(&CreditItem { wallet: *wallet, offer: None }))?;
            Ok(())
        })?;
        self.dirty.wallets.extend(offers.into_keys());
        Ok(())
    }

    fn first_batches(&mut self) -> Result<(), HubError> {
        let missing: Vec<Section> =
            self.numbers.iter().filter(|(_, number)| **number == 0).map(|(section, _)| *section).collect();
        self.store.transaction::<_, HubError>(|store: &mut Store| {
            missing.iter().try_for_each(|section| store.put_section(section.byte(), 1))?;
            Ok(())
        })?;
        for section in missing {
            self.numbers.insert(section, 1);
            let first = Pending { section, number: 1, items: Vec::new(), vector: VersionVector::default() };
            let parts = self.parts(&first, true);
            self.feeds.publish(section, Batch { number: 1, prev: 0, parts });
        }
        Ok(())
    }
}

/// A batch in parts, each signed.
fn signed(batch: &Pending, snapshot: bool, identity: &Identity, term: u32, now_ms: u64) -> Vec<SignedDelta> {
    let record = record_len(batch.section);
    let mut chunks: Vec<&[u8]> = if batch.section == Section::Documents {
        edits::chunks(&batch.items, PART_ITEMS)
    } else {
        batch.items.chunks((PART_ITEMS / record).max(1).saturating_mul(record)).collect()
    };
    let mut vectors = batch.vector.clone().in_parts(PART_VECTOR);
    let count = chunks.len().max(vectors.len()).max(1);
    chunks.resize(count, &[]);
    vectors.resize(count, VersionVector::default());
    let parts = u16::try_from(chunks.len()).unwrap_or(u16::MAX);
    let delta = |((items, vector), part): ((&&[u8], VersionVector), u16)| Delta {
        festival: identity.festival,
        section: batch.section,
        term,
        prev: if snapshot { 0 } else { batch.number.saturating_sub(1) },
        number: batch.number,
        part,
        parts,
        snapshot,
        vector: vector.journals().to_vec(),
        hub_time_ms: now_ms,
        items: items.to_vec(),
    };
    chunks.iter().zip(vectors).zip(0..parts).map(|chunk| delta(chunk).sign(&identity.bundle.key)).collect()
}

/// A C′ and how much it brings.
type Offered = ([u8; CREDIT_RECORD_LEN], Cents);

/// The C′ on offer for a wallet, and what is to be signed or credited next.
fn owed(
    id: WalletId,
    folded: &fold::FoldedWallet,
    journals: &Journals,
    store: &Store,
    currency: Currency,
    maximum: Cents,
) -> Result<(Option<Offered>, Option<Payment>), StoreError> {
    let state = &folded.state;
    let sums = match folded.folded {
        Some(sums) => sums,
        None => store.sums(id)?.map(|stored| stored.accounts).unwrap_or_default(),
    };
    let closed = [WalletFlags::BLOCKED, WalletFlags::FROZEN, WalletFlags::DISPUTED, WalletFlags::EMPTIED];
    match Keeper::of(state, &sums) {
        Keeper::Unknown => Ok((None, None)),
        Keeper::Account if closed.into_iter().any(|flag| state.flags.has(flag)) => Ok((None, None)),
        Keeper::Account => Ok((None, Cents::new(state.pending).map(Payment::Account))),
        Keeper::Purse => {
            let owed = fold::what_is_owed(id, journals, store, currency, maximum)?;
            let open = !closed.into_iter().chain([WalletFlags::OVERSPENT]).any(|flag| state.flags.has(flag));
            let offer = owed.on_offer().filter(|_| open).map(|offer| (offer.record, offer.amount));
            Ok((offer, owed.due.ok().filter(|_| open).map(Payment::Sign)))
        }
    }
}

/// Records that lead from one set of revocations to another.
fn difference(from: &BTreeSet<RevokedItem>, to: &BTreeSet<RevokedItem>) -> Vec<u8> {
    let mut out = Writer::new();
    let gone = from.difference(to).map(|item| (item, 0));
    for ((what, id), holds) in to.difference(from).map(|item| (item, 1)).chain(gone) {
        out.u8(*what);
        out.u8(holds);
        out.bytes(id);
    }
    out.finish()
}

#[cfg(test)]
mod tests;
