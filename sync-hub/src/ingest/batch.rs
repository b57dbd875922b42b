//! What one transaction does to wallets and tickets, gathered in memory and written once.
//! Invariant: sums take entries in force only; a wallet with any other entry is folded in full from then on.
//! Not here: where the bodies go (`tree`, `store`), the full fold (`deltas`).
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use domain::{
    id::{DeviceId, EntryRef, TicketUid, WalletId},
    journal::{Effect, Entry, Kind, Subject},
    ledger::{Standing, closes},
    money::Currency,
};

use super::journals::{Journal, Journals, ReadBody, journal_subject};
use crate::store::{Place, Store, StoreError, StoredWallet};

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Nothing,
    Wallet(WalletId),
    Wallets(WalletId, WalletId),
    Ticket(TicketUid),
    Pairing(WalletId, TicketUid),
    Device(DeviceId),
    Closure,
}

#[derive(Debug, Default)]
struct Touched {
    places: Vec<Place>,
    wallet: Option<StoredWallet>,
    is_ticket: bool,
}

/// One transaction's effect.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    touched: HashMap<[u8; 16], Touched>,
    /// Devices that hub entries speak of.
    pub(crate) devices: BTreeSet<DeviceId>,
    /// Journals that closed.
    pub(crate) closed: bool,
}

/// What changed and is not published yet.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    pub(crate) wallets: HashSet<WalletId>,
    pub(crate) tickets: HashSet<TicketUid>,
    pub(crate) journals: BTreeSet<(DeviceId, u32)>,
    pub(crate) revocations: bool,
}

impl Dirty {
    pub(crate) fn extend(&mut self, other: Self) {
        self.wallets.extend(other.wallets);
        self.tickets.extend(other.tickets);
        self.journals.extend(other.journals);
        self.revocations |= other.revocations;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wallets.is_empty() && self.tickets.is_empty() && self.journals.is_empty() && !self.revocations
    }
}

/// What this entry is about. Blocks may concern a wallet, a ticket or a device: what is known decides.
pub(crate) fn about(entry: &Entry, journals: &Journals, store: &Store) -> Result<About, StoreError> {
    let subject = entry.subject;
    if subject.is_none() {
        return Ok(if entry.kind == Kind::CLOSURE { About::Closure } else { About::Nothing });
    }
    Ok(match (entry.effect, entry.kind) {
        (_, Kind::CLOSURE) => About::Closure,
        (_, Kind::PAIRING) => About::Pairing(subject.wallet(), entry.other.ticket()),
        (_, Kind::COUNTERSIGNATURE) => About::Device(subject.device()),
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
        (Effect::Block | Effect::Unblock | Effect::Unknown(_), _) => block(entry, subject, journals, store)?,
        (Effect::None, Kind::NOTE | Kind::GENESIS | Kind::SHIFT_OPEN | Kind::SHIFT_CLOSE | Kind::DECISION | Kind::SHARE) => {
            About::Nothing
        }
        (Effect::None, Kind(kind)) if kind > Kind::ONLINE_CREDIT.0 => About::Nothing,
        (Effect::None, _) => About::Wallet(subject.wallet()),
    })
}

fn block(entry: &Entry, subject: Subject, journals: &Journals, store: &Store) -> Result<About, StoreError> {
    if journals.of_device(subject.device()).next().is_some() || store.has_box(subject.device())? {
        return Ok(About::Device(subject.device()));
    }
    let is_ticket = entry.kind == Kind::REVOCATION || entry.part.starts_with(b"ticket.") || store.knows_ticket(subject.ticket())?;
    Ok(if is_ticket { About::Ticket(subject.ticket()) } else { About::Wallet(subject.wallet()) })
}

impl Batch {
    /// Takes one new entry.
    pub(crate) fn take(
        &mut self,
        journals: &Journals,
        at: usize,
        place: Place,
        body: &ReadBody,
        store: &Store,
        currency: Currency,
        intents: &dyn Fn(EntryRef) -> Option<Entry>,
    ) -> Result<(), StoreError> {
        let journal = journals.at(at);
        let standing = journal.standing(body, place, currency);
        if let Standing::SetAside(reason) = standing {
            return store.set_aside(place, &reason_text(&reason));
        }
        let entry = body.entry();
        let counts = standing == Standing::InForce;
        match about(entry, journals, store)? {
            About::Nothing => {}
            About::Closure => {
                self.touch(journal_subject(journal.device, journal.epoch), place);
                self.closed = true;
            }
            About::Device(device) => {
                self.touch(device.0, place);
                self.devices.insert(device);
            }
            About::Ticket(ticket) => self.ticket(ticket, place),
            About::Pairing(wallet, ticket) => {
                self.add(wallet, place, entry, counts, store, journal, intents)?;
                self.ticket(ticket, place);
            }
            About::Wallet(wallet) => self.add(wallet, place, entry, counts, store, journal, intents)?,
            About::Wallets(from, to) => {
                self.add(from, place, entry, counts, store, journal, intents)?;
                let stored = self.wallet(to, place, store)?;
                if counts {
                    stored.accounts.add_received(entry);
                } else {
                    stored.unusual = true;
                }
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "an entry, its place and where its intent may be found")]
    fn add(
        &mut self,
        wallet: WalletId,
        place: Place,
        entry: &Entry,
        counts: bool,
        store: &Store,
        journal: &Journal,
        intents: &dyn Fn(EntryRef) -> Option<Entry>,
    ) -> Result<(), StoreError> {
        let intent = match closes(entry).filter(|at| counts && at.device == journal.device) {
            Some(at) => match intents(at) {
                Some(intent) => Some(intent),
                None => intent_on_disk(at, place, journal, store)?,
            },
            None => None,
        };
        let stored = self.wallet(wallet, place, store)?;
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
        let touched = self.touch(wallet.0, place);
        if touched.wallet.is_none() {
            touched.wallet = Some(store.wallet(wallet)?.unwrap_or_default());
        }
        Ok(touched.wallet.get_or_insert_default())
    }

    /// Writes everything, sorted by subject.
    pub(crate) fn write(&self, store: &Store, dirty: &mut Dirty) -> Result<(), StoreError> {
        let sorted: BTreeMap<&[u8; 16], &Touched> = self.touched.iter().collect();
        store.add_touches(sorted.iter().map(|(subject, touched)| (*subject, &touched.places)))?;
        for (subject, touched) in sorted {
            if let Some(wallet) = &touched.wallet {
                store.put_sums(WalletId(*subject), wallet)?;
                dirty.wallets.insert(WalletId(*subject));
            }
            if touched.is_ticket {
                store.touch_ticket(TicketUid(*subject))?;
                dirty.tickets.insert(TicketUid(*subject));
            }
        }
        Ok(())
    }
}

fn intent_on_disk(at: EntryRef, place: Place, journal: &Journal, store: &Store) -> Result<Option<Entry>, StoreError> {
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
    }
}
