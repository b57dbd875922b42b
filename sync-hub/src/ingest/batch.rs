//! What new entries do to wallets and tickets, gathered in memory and written with the next publication, or at once
//! where something depends on it. The entries themselves are on disk before: a start catches up (`Store::unfolded`).
//! Invariant: sums take entries in force only; a wallet with any other entry is folded in full from then on.
//! Not here: where the bodies go (`tree`, `store`), the full fold (`deltas`).
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use domain::{
    id::{DeviceId, EntryRef, TicketUid, WalletId},
    journal::{BlockedKind, Detail, Effect, Entry, Kind, Subject, closes_journal},
    ledger::{Standing, closes},
    money::Currency,
    stock::pieces_sold,
};

use super::journals::{Journal, Journals, ReadBody, countersigned_subject, journal_subject, rulings_subject};
use crate::{
    escrow::{self, News},
    store::{PassageSums, Passages, Place, ProductSales, ShareKey, ShareSums, Store, StoreError, StoredWallet},
    zones,
};

/// Where entries come from.
pub(crate) struct Source<'a> {
    pub(crate) journals: &'a Journals,
    pub(crate) store: &'a Store,
    pub(crate) currency: Currency,
    /// Their journal.
    pub(crate) at: usize,
    /// Finds the intent that an entry closes, among those that came with it.
    pub(crate) intents: &'a dyn Fn(EntryRef) -> Option<Entry>,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Nothing,
    Wallet(WalletId),
    Wallets(WalletId, WalletId),
    Ticket(TicketUid),
    Pairing(WalletId, TicketUid),
    Device(DeviceId),
    Countersigned(DeviceId),
    Closure,
    /// Newer than this software: wallets and tickets of these ids alike, whichever they turn out to be.
    Unknown(Subject, Subject),
    /// Blocked or freed by an entry that does not say what it is: wallet, ticket and device of this id alike.
    Any(Subject),
}

impl About {
    /// Wallets whose sums it may change.
    pub(crate) fn wallets(self) -> impl Iterator<Item = WalletId> {
        let (first, second) = match self {
            Self::Wallet(wallet) | Self::Pairing(wallet, _) => (Some(wallet), None),
            Self::Wallets(a, b) => (Some(a), Some(b)),
            Self::Unknown(subject, other) => (named(subject).map(Subject::wallet), named(other).map(Subject::wallet)),
            Self::Any(subject) => (named(subject).map(Subject::wallet), None),
            Self::Nothing | Self::Ticket(_) | Self::Device(_) | Self::Countersigned(_) | Self::Closure => (None, None),
        };
        first.into_iter().chain(second.filter(|second| Some(*second) != first))
    }

    /// Tickets whose state it may change.
    pub(crate) fn tickets(self) -> impl Iterator<Item = TicketUid> {
        let (first, second) = match self {
            Self::Ticket(ticket) | Self::Pairing(_, ticket) => (Some(ticket), None),
            Self::Unknown(subject, other) => (named(subject).map(Subject::ticket), named(other).map(Subject::ticket)),
            Self::Any(subject) => (named(subject).map(Subject::ticket), None),
            Self::Nothing
            | Self::Wallet(_)
            | Self::Wallets(..)
            | Self::Device(_)
            | Self::Countersigned(_)
            | Self::Closure => (None, None),
        };
        first.into_iter().chain(second.filter(|second| Some(*second) != first))
    }
}

fn named(subject: Subject) -> Option<Subject> {
    Some(subject).filter(|subject| !subject.is_none())
}

#[derive(Debug, Default)]
struct Touched {
    places: Vec<Place>,
    // boxed: sums are large, and the map they stand in grows
    wallet: Option<Box<StoredWallet>>,
    is_ticket: bool,
}

/// Most entries that wait to be written into the projections.
const PENDING: usize = 250_000;
/// Most wallets whose sums are kept in memory, some 300 bytes each.
const CACHED: usize = 200_000;

/// Sums of wallets as they are on disk, so that a busy wallet is not read again for each transaction.
#[derive(Debug, Default)]
pub(crate) struct Cache(HashMap<WalletId, Box<StoredWallet>>);

impl Cache {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn take(&mut self, wallet: WalletId, store: &Store) -> Result<Box<StoredWallet>, StoreError> {
        match self.0.remove(&wallet) {
            Some(stored) => Ok(stored),
            None => Ok(Box::new(store.sums(wallet)?.unwrap_or_default())),
        }
    }
}

/// What is not written yet.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    cache: Cache,
    passages: BTreeMap<(u16, DeviceId, u32), PassageSums>,
    sold: ProductSales,
    shares: BTreeMap<ShareKey, ShareSums>,
    touched: HashMap<[u8; 16], Touched>,
    runs: BTreeSet<(u32, u32)>,
    entries: usize,
    /// What was said of shares of accounts, for whoever deals them.
    pub(crate) news: News,
    /// Devices that hub entries speak of.
    pub(crate) devices: BTreeSet<DeviceId>,
    /// Journals that closed.
    pub(crate) closed: BTreeSet<(DeviceId, u32)>,
}

/// What changed and is not published yet.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    pub(crate) wallets: HashSet<WalletId>,
    pub(crate) tickets: HashSet<TicketUid>,
    pub(crate) journals: BTreeSet<(DeviceId, u32)>,
    pub(crate) revocations: bool,
    pub(crate) edits: Vec<sync::frame::Edit>,
    pub(crate) zones: bool,
    pub(crate) shares: News,
}

impl Dirty {
    pub(crate) fn extend(&mut self, other: Self) {
        self.wallets.extend(other.wallets);
        self.tickets.extend(other.tickets);
        self.journals.extend(other.journals);
        self.revocations |= other.revocations;
        self.edits.extend(other.edits);
        self.zones |= other.zones;
        self.shares.extend(other.shares);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wallets.is_empty()
            && self.tickets.is_empty()
            && self.journals.is_empty()
            && !self.revocations
            && self.edits.is_empty()
            && !self.zones
    }
}

/// What this entry is about: the entry alone says it, so that it is the same whatever is known already.
pub(crate) fn about(entry: &Entry) -> About {
    let subject = entry.subject;
    if matches!(entry.effect, Effect::Unknown(_)) {
        return About::Unknown(subject, entry.other);
    }
    if subject.is_none() {
        return if closes_journal(entry) { About::Closure } else { About::Nothing };
    }
    match (entry.effect, entry.kind) {
        (_, Kind::CLOSURE) if closes_journal(entry) => About::Closure,
        (_, Kind::CLOSURE) => About::Nothing,
        (_, Kind::PAIRING) if !entry.other.is_none() => About::Pairing(subject.wallet(), entry.other.ticket()),
        (_, Kind::COUNTERSIGNATURE) => About::Countersigned(subject.device()),
        (_, Kind::BLOCK | Kind::UNBLOCK | Kind::REVOCATION) => blocked(entry),
        (Effect::None, Kind::RULING) => match Detail::of(entry) {
            Ok(Detail::Ruling(ruling)) if ruling.what == BlockedKind::Wallet => About::Wallet(subject.wallet()),
            Ok(_) | Err(_) => About::Nothing,
        },
        (Effect::In | Effect::Out, _) | (Effect::None, Kind::ADMISSION | Kind::EXIT) => About::Ticket(subject.ticket()),
        (Effect::Transfer, _) => About::Wallets(subject.wallet(), entry.other.wallet()),
        (
            Effect::Credit
            | Effect::Debit
            | Effect::Hold
            | Effect::HoldCredit
            | Effect::Release
            | Effect::Owe
            | Effect::Repay,
            _,
        ) => About::Wallet(subject.wallet()),
        (Effect::Block | Effect::Unblock | Effect::Unknown(_), _) => About::Any(subject),
        (
            Effect::None,
            Kind::NOTE
            | Kind::GENESIS
            | Kind::SHIFT_OPEN
            | Kind::SHIFT_CLOSE
            | Kind::DECISION
            | Kind::SHARE
            | Kind::SHARE_RELEASE,
        ) => About::Nothing,
        (Effect::None, Kind(kind)) if kind > Kind::WRITTEN_OFF.0 => About::Nothing,
        (Effect::None, _) => About::Wallet(subject.wallet()),
    }
}

/// What a block, its lifting or a revocation says it is about. One that does not say is set aside before.
fn blocked(entry: &Entry) -> About {
    let of = match Detail::of(entry) {
        Ok(Detail::Block(block)) => block.of,
        Ok(Detail::Revocation(of, _)) => of,
        Ok(_) | Err(_) => return About::Nothing,
    };
    match of {
        BlockedKind::Wallet => About::Wallet(entry.subject.wallet()),
        BlockedKind::Ticket => About::Ticket(entry.subject.ticket()),
        BlockedKind::Device => About::Device(entry.subject.device()),
    }
}

impl Batch {
    /// Notes that entries of a run are being taken.
    pub(crate) fn takes(&mut self, journal: u32, run: u32, entries: usize) {
        self.runs.insert((journal, run));
        self.entries = self.entries.saturating_add(entries);
    }

    /// Whether everything is written.
    pub(crate) fn is_written(&self) -> bool {
        self.runs.is_empty()
    }

    /// Whether it cannot wait: it grows too large, or what follows depends on it.
    pub(crate) fn is_due(&self) -> bool {
        self.entries > PENDING || !self.closed.is_empty() || !self.devices.is_empty()
    }

    /// What was written beside it is read from disk again.
    pub(crate) fn forget_cached(&mut self) {
        self.cache.clear();
    }

    /// Takes one new entry.
    pub(crate) fn take(&mut self, from: &Source<'_>, place: Place, body: &ReadBody) -> Result<(), StoreError> {
        let store = from.store;
        let journal = from.journals.at(from.at);
        let standing = journal.standing(body, place, from.currency);
        if let Standing::SetAside(reason) = standing {
            return store.set_aside(place, &reason_text(&reason));
        }
        let entry = body.entry();
        let counts = standing == Standing::InForce;
        if matches!(standing, Standing::InForce | Standing::Disputed) {
            if let Some((gate, sums)) = zones::counted(entry, journal.device, journal.epoch, place.seq) {
                self.passages.entry(gate).or_default().add(&sums);
            }
            if entry.kind == Kind::RULING {
                self.touch(rulings_subject(), place);
            }
            if zones::is_override(entry) {
                self.touch(zones::overrides_subject(), place);
            }
        }
        if counts && store.counts_shares() {
            self.note_shares(entry, journal, place.seq);
        }
        match about(entry) {
            About::Nothing => {}
            About::Closure => {
                self.touch(journal_subject(journal.device, journal.epoch), place);
                self.closed.insert((journal.device, journal.epoch));
            }
            About::Device(device) => {
                self.touch(device.0, place);
                self.devices.insert(device);
            }
            About::Countersigned(device) => {
                self.touch(countersigned_subject(device), place);
                // Where nothing is forked, nothing needs confirming.
                if from.journals.of_device(device).any(|journal| journal.forked_at.is_some()) {
                    self.devices.insert(device);
                }
            }
            About::Ticket(ticket) => self.ticket(ticket, place),
            About::Pairing(wallet, ticket) => {
                self.add(from, wallet, place, entry, counts)?;
                self.ticket(ticket, place);
            }
            About::Wallet(wallet) => {
                self.add(from, wallet, place, entry, counts)?;
                // the payment's key, so that it is found again
                if entry.kind == Kind::ONLINE_TOP_UP && !entry.other.is_none() {
                    self.touch(entry.other.0, place);
                }
            }
            About::Wallets(giver, receiver) => {
                self.add(from, giver, place, entry, counts)?;
                self.receive(receiver, place, entry, counts, store)?;
            }
            about @ (About::Unknown(..) | About::Any(_)) => {
                for wallet in about.wallets() {
                    if entry.subject == wallet.into() {
                        self.add(from, wallet, place, entry, counts)?;
                    } else {
                        self.receive(wallet, place, entry, counts, store)?;
                    }
                }
                // The place is noted already, under the same id.
                for ticket in about.tickets() {
                    self.touched.entry(ticket.0).or_default().is_ticket = true;
                }
                if let About::Any(subject) = about {
                    self.devices.insert(subject.device());
                }
            }
        }
        Ok(())
    }

    fn note_shares(&mut self, entry: &Entry, journal: &Journal, seq: u32) {
        for (key, sums) in escrow::counted(entry, journal, seq) {
            if let Some(needs) = escrow::needed(entry) {
                self.news.needs.insert(key, needs);
            }
            self.news.urgent |= entry.kind == Kind::SHARE_RELEASE;
            self.shares.entry(key).or_default().add(&sums);
        }
    }

    fn receive(
        &mut self,
        wallet: WalletId,
        place: Place,
        entry: &Entry,
        counts: bool,
        store: &Store,
    ) -> Result<(), StoreError> {
        let stored = self.wallet(wallet, place, store)?;
        if counts {
            stored.accounts.add_received(entry);
        } else {
            stored.unusual = true;
        }
        Ok(())
    }

    fn add(
        &mut self,
        from: &Source<'_>,
        wallet: WalletId,
        place: Place,
        entry: &Entry,
        counts: bool,
    ) -> Result<(), StoreError> {
        let journal = from.journals.at(from.at);
        let intent = match closes(entry).filter(|at| counts && at.device == journal.device) {
            Some(at) => match (from.intents)(at) {
                Some(intent) => Some(intent),
                None => intent_on_disk(at, place, journal, from.store)?,
            },
            None => None,
        };
        if counts && entry.kind == Kind::SALE {
            for (product, pieces) in pieces_sold(entry, intent.as_ref()) {
                let sum = self.sold.entry((journal.id, product)).or_default();
                *sum = sum.saturating_add(pieces);
            }
        }
        let stored = self.wallet(wallet, place, from.store)?;
        if counts {
            stored.accounts.add_closing(entry, intent.as_ref());
            stored.tip.add(entry, intent.as_ref());
        } else {
            stored.unusual = true;
        }
        Ok(())
    }

    fn touch(&mut self, subject: [u8; 16], place: Place) -> &mut Touched {
        let touched = self.touched.entry(subject).or_default();
        touched.places.push(place);
        touched
    }

    fn ticket(&mut self, ticket: TicketUid, place: Place) {
        self.touch(ticket.0, place).is_ticket = true;
    }

    fn wallet(&mut self, wallet: WalletId, place: Place, store: &Store) -> Result<&mut StoredWallet, StoreError> {
        let touched = self.touched.entry(wallet.0).or_default();
        touched.places.push(place);
        if touched.wallet.is_none() {
            touched.wallet = Some(self.cache.take(wallet, store)?);
        }
        Ok(touched.wallet.get_or_insert_default())
    }

    /// Writes everything, sorted by subject. If the transaction fails, the batch must not be used again.
    pub(crate) fn write(&mut self, store: &Store, dirty: &mut Dirty) -> Result<(), StoreError> {
        let touched: BTreeMap<[u8; 16], Touched> = std::mem::take(&mut self.touched).into_iter().collect();
        store.add_touches(touched.iter().map(|(subject, touched)| (subject, &touched.places)))?;
        if self.cache.0.len() > CACHED {
            self.cache.clear();
        }
        for (subject, touched) in touched {
            if touched.is_ticket {
                store.touch_ticket(TicketUid(subject))?;
                dirty.tickets.insert(TicketUid(subject));
            }
            if let Some(wallet) = touched.wallet {
                store.put_sums(WalletId(subject), &wallet)?;
                dirty.wallets.insert(WalletId(subject));
                self.cache.0.insert(WalletId(subject), wallet);
            }
        }
        store.add_product_sales(&std::mem::take(&mut self.sold))?;
        let counted = std::mem::take(&mut self.passages);
        if !counted.is_empty() {
            dirty.zones = true;
            let mut held: BTreeMap<_, PassageSums> =
                store.passages()?.into_iter().map(|row| ((row.zone, row.device, row.epoch), row.sums)).collect();
            for ((zone, device, epoch), new) in counted {
                let mut sums = held.remove(&(zone, device, epoch)).unwrap_or_default();
                sums.add(&new);
                store.put_passages(&Passages { zone, device, epoch, sums })?;
            }
        }
        for (key, new) in std::mem::take(&mut self.shares) {
            let mut sums = store.account_share(key)?.unwrap_or_default();
            sums.add(&new);
            store.put_account_share(key, &sums)?;
            self.news.changed.insert(key);
        }
        dirty.shares.extend(std::mem::take(&mut self.news));
        for (journal, run) in std::mem::take(&mut self.runs) {
            store.put_folded(journal, run)?;
        }
        self.entries = 0;
        Ok(())
    }
}

/// The intent or hold at this place of the line that the entry stands on.
pub(super) fn intent_on_disk(
    at: EntryRef,
    place: Place,
    journal: &Journal,
    store: &Store,
) -> Result<Option<Entry>, StoreError> {
    if at.epoch != journal.epoch {
        return Ok(None);
    }
    let run = journal.tree.runs().iter().find(|run| journal.tree.reaches(place.run, place.seq, run.run, at.seq));
    let Some(run) = run else { return Ok(None) };
    let body = store.body(Place { run: run.run, seq: at.seq, ..place })?;
    Ok(body.and_then(|body| Entry::from_bytes(&body).ok()))
}

pub(crate) fn reason_text(reason: &domain::ledger::Reason) -> String {
    match reason {
        domain::ledger::Reason::Malformed => "the entry is not of the layout of its version".into(),
        domain::ledger::Reason::Forbidden(forbidden) => forbidden.to_string(),
        domain::ledger::Reason::OtherAmount => "it closes a hold of another amount".into(),
        domain::ledger::Reason::Unfounded => "it gives back what was not taken".into(),
    }
}
