//! The hub of a world: the set of entries that reached it, what they mean by the real ledger, and what it tells boxes.
//! Invariant: everything published is a function of the set; entries are only ever added.
//! Not here: the hub's store, its ingest and QUIC (the daemon's own tests), who delivers (`world`).
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
};

use domain::{
    id::{BoxNumber, DeviceId, EntryRef, TicketUid, WalletId},
    journal::{
        BlockedKind, Countersignature, Detail, Effect, Entry, EntryHash, Head, Kind, OnlineCredit, OnlineTopUp,
        PreviousHead, Revocation, ZERO_HASH, link,
    },
    ledger::{
        Branches, Conflict, ConflictKind, Cutoff, Due, Owed, Reason, Rights, Standing, TicketEntry, TicketState,
        Totals, WalletEntry, WalletFold, WalletState, WalletSum, active_revocations, cutoff, fold_ticket, fold_wallet,
        gap_conflict, journal_conflict, owed, ticket_conflicts, wallet_conflicts,
    },
    money::Cents,
    time::Hlc,
    wristband::{CREDIT_RECORD_LEN, CreditRecord},
};
use sync::{Branch, JournalHeads, vector::hash16};

use crate::{
    dice::Dice,
    festival::{Festival, device, rights},
};

/// The hub's own device number.
pub(crate) const HUB: u8 = 200;
/// A journal's head is countersigned when it has grown by so much; a real hub waits for 500 entries.
const COUNTERSIGN_EVERY: u32 = 4;

/// One entry on its way, with its place in the chain.
#[derive(Clone)]
pub(crate) struct Sent {
    /// Where it stands.
    pub(crate) at: EntryRef,
    /// Hash before it.
    pub(crate) prev: EntryHash,
    /// Its own.
    pub(crate) hash: EntryHash,
    /// What it says.
    pub(crate) entry: Rc<Entry>,
}

/// What boxes are told, as of one moment.
pub(crate) struct Publication {
    /// Rises by one.
    pub(crate) number: u64,
    /// Every wallet known.
    pub(crate) wallets: BTreeMap<WalletId, WalletState>,
    /// Every ticket known.
    pub(crate) tickets: BTreeMap<TicketUid, TicketState>,
    /// C′ to carry, and how much each adds.
    pub(crate) offers: BTreeMap<WalletId, ([u8; CREDIT_RECORD_LEN], Cents)>,
    /// What of each journal is in it: the hashes of its line from the genesis on.
    pub(crate) lines: BTreeMap<(DeviceId, u32), Rc<Vec<EntryHash>>>,
    /// The same as a hub tells it: every branch, and what lies beyond a gap.
    pub(crate) heads: Vec<JournalHeads>,
    /// Places beyond a gap, of journals that never forked.
    pub(crate) beyond: BTreeMap<(DeviceId, u32), Vec<(u32, u32)>>,
    /// Everything of journals with several branches.
    pub(crate) branches: BTreeMap<(DeviceId, u32), BTreeSet<(u32, EntryHash)>>,
}

struct Journal {
    rights: Rights,
    box_number: BoxNumber,
    branches: Branches,
    bodies: HashMap<(u32, EntryHash), Rc<Entry>>,
    /// The line that arrived first, without gaps.
    line: Rc<Vec<EntryHash>>,
    /// Entries of the line and beyond gaps that wait for it, by place.
    waiting: BTreeMap<u32, Vec<(EntryHash, EntryHash)>>,
    /// How long its line was when its head was countersigned last.
    signed: u32,
    /// Heads that were, once it is forked: before that they say nothing.
    countersigned: Vec<Head>,
    forked: bool,
    cutoff: Cutoff,
    standings: Option<BTreeMap<(u32, EntryHash), Standing>>,
}

type JournalId = (DeviceId, u32);

/// See the module.
pub(crate) struct Hub<'f> {
    festival: &'f Festival,
    journals: BTreeMap<JournalId, Journal>,
    about: BTreeMap<[u8; 16], BTreeSet<(JournalId, u32, EntryHash)>>,
    own: (u32, EntryHash),
    keeping: BTreeMap<WalletId, bool>,
    wallets: BTreeMap<WalletId, (WalletFold, Owed)>,
    tickets: BTreeMap<TicketUid, TicketState>,
    dirty_wallets: BTreeSet<WalletId>,
    dirty_tickets: BTreeSet<TicketUid>,
    published: Option<Rc<Publication>>,
    hlc: Hlc,
    /// Folds are handed their entries in an order that it throws, and some of them twice.
    disorder: Option<Dice>,
    /// The control that merges by last writer: what each account is by the last stamp.
    pub(crate) last_writer: BTreeMap<WalletId, (Hlc, i64)>,
}

impl<'f> Hub<'f> {
    /// A hub that knows the bands and tickets of a world: which wallets are purses.
    pub(crate) fn new(festival: &'f Festival, keeping: BTreeMap<WalletId, bool>) -> Self {
        let mut hub = Self {
            festival,
            journals: BTreeMap::new(),
            about: BTreeMap::new(),
            own: (0, ZERO_HASH),
            keeping,
            wallets: BTreeMap::new(),
            tickets: BTreeMap::new(),
            dirty_wallets: BTreeSet::new(),
            dirty_tickets: BTreeSet::new(),
            published: None,
            hlc: Hlc::default(),
            disorder: None,
            last_writer: BTreeMap::new(),
        };
        hub.enrol(device(HUB), 0, BoxNumber(0), rights(None));
        hub
    }

    /// A journal may come: its certificate and number are known from its genesis.
    pub(crate) fn enrol(&mut self, of: DeviceId, epoch: u32, box_number: BoxNumber, rights: Rights) {
        let journal = Journal {
            rights,
            box_number,
            branches: Branches::new(),
            bodies: HashMap::new(),
            line: Rc::default(),
            waiting: BTreeMap::new(),
            signed: 0,
            countersigned: Vec::new(),
            forked: false,
            cutoff: Cutoff::None,
            standings: None,
        };
        self.journals.entry((of, epoch)).or_insert(journal);
    }

    /// Takes entries in whatever order and number of copies.
    pub(crate) fn take(&mut self, sent: &[Sent]) {
        for one in sent {
            let id = (one.at.device, one.at.epoch);
            let Some(journal) = self.journals.get_mut(&id) else { continue };
            if !journal.branches.insert(one.at.seq, one.prev, one.hash) {
                continue;
            }
            journal.bodies.insert((one.at.seq, one.hash), Rc::clone(&one.entry));
            journal.waiting.entry(one.at.seq).or_default().push((one.prev, one.hash));
            journal.lengthen();
            journal.standings = None;
            for subject in [one.entry.subject.0, one.entry.other.0] {
                if subject != [0; 16] {
                    self.about.entry(subject).or_default().insert((id, one.at.seq, one.hash));
                    self.touch(subject);
                }
            }
            let now_forked = self.journals.get(&id).is_some_and(|journal| journal.branches.first_fork().is_some());
            if now_forked {
                if self.journals.get_mut(&id).is_some_and(|journal| !std::mem::replace(&mut journal.forked, true)) {
                    self.judge(id.0);
                }
                self.touch_all_of(id);
            }
        }
    }

    fn touch(&mut self, subject: [u8; 16]) {
        if self.keeping.contains_key(&WalletId(subject)) {
            self.dirty_wallets.insert(WalletId(subject));
        } else if self.journals.range((DeviceId(subject), 0)..=(DeviceId(subject), u32::MAX)).next().is_none() {
            self.dirty_tickets.insert(TicketUid(subject));
        }
    }

    fn ids_of(&self, of: DeviceId) -> Vec<JournalId> {
        self.journals.range((of, 0)..=(of, u32::MAX)).map(|(id, _)| *id).collect()
    }

    fn touch_all_of(&mut self, id: JournalId) {
        let subjects: Vec<[u8; 16]> = self
            .about
            .iter()
            .filter(|(_, places)| places.iter().any(|(of, _, _)| *of == id))
            .map(|(subject, _)| *subject)
            .collect();
        subjects.into_iter().for_each(|subject| self.touch(subject));
    }

    /// Whether this very entry is here.
    pub(crate) fn has(&self, at: EntryRef, hash: EntryHash) -> bool {
        let journal = self.journals.get(&(at.device, at.epoch));
        journal.is_some_and(|journal| journal.branches.has(Head { seq: at.seq, hash }))
    }

    /// Whether an entry stands where its journal has two histories.
    pub(crate) fn is_forked(&self, at: EntryRef) -> bool {
        let journal = self.journals.get(&(at.device, at.epoch)).filter(|journal| journal.forked);
        journal.and_then(|journal| journal.branches.first_fork()).is_some_and(|from| at.seq >= from)
    }

    /// How long the line of a journal is, and its last hash.
    pub(crate) fn line_end(&self, of: DeviceId, epoch: u32) -> Option<(u32, EntryHash)> {
        let line = &self.journals.get(&(of, epoch))?.line;
        Some((line.len() as u32, *line.last()?))
    }

    /// How many of a box's entries are on the line that is here, from the first on.
    pub(crate) fn in_common(&self, sent: &[Sent]) -> usize {
        let Some(first) = sent.first() else { return 0 };
        let line = self.journals.get(&(first.at.device, first.at.epoch)).map(|journal| Rc::clone(&journal.line));
        let line = line.unwrap_or_default();
        sent.iter().zip(line.iter()).take_while(|(own, theirs)| own.hash == **theirs).count()
    }

    /// Everything from the first fork of a journal on.
    pub(crate) fn on_forked_ground(&self) -> Vec<Sent> {
        let mut found = Vec::new();
        for (id, journal) in &self.journals {
            if let Some(from) = journal.branches.first_fork() {
                found.extend(journal.sent(*id).into_iter().filter(|sent| sent.at.seq >= from));
            }
        }
        found
    }

    fn act(&mut self, kind: Kind, effect: Effect, subject: [u8; 16], change: impl FnOnce(&mut Entry)) -> EntryRef {
        self.hlc = self.hlc.tick(0);
        let mut entry = Entry::new(kind, effect, self.festival.currency, self.hlc);
        entry.subject = domain::journal::Subject(subject);
        change(&mut entry);
        let (seq, prev) = self.own;
        let hash = link(&prev, &entry.to_bytes());
        let at = EntryRef { device: device(HUB), epoch: 0, seq };
        self.own = (seq.saturating_add(1), hash);
        self.take(&[Sent { at, prev, hash, entry: Rc::new(entry) }]);
        at
    }

    /// Money that a guest paid in on the web.
    pub(crate) fn online_top_up(&mut self, wallet: WalletId, amount: Cents, key: [u8; 16]) {
        let purse = self.keeping.get(&wallet).copied().unwrap_or(false);
        let effect = if purse { Effect::Owe } else { Effect::Credit };
        let part = Detail::OnlineTopUp(OnlineTopUp { reference: "paid".into() }).to_bytes();
        self.act(Kind::ONLINE_TOP_UP, effect, wallet.0, |entry| {
            (entry.amount, entry.other, entry.part) = (amount, domain::journal::Subject(key), part);
        });
    }

    /// At the event's close: nobody will ever tell what became of this intent.
    pub(crate) fn write_off(&mut self, wallet: WalletId, intent: EntryRef) {
        self.act(Kind::WRITTEN_OFF, Effect::None, wallet.0, |entry| entry.refers_to = Some(intent));
    }

    /// Revokes a box: what it wrote beyond what is here now counts nothing.
    pub(crate) fn revoke(&mut self, of: DeviceId) {
        let ids = self.ids_of(of);
        let head = |id: &JournalId| {
            let line = &self.journals.get(id)?.line;
            let seq = (line.len() as u32).checked_sub(1)?;
            Some(PreviousHead { epoch: id.1, seq, hash: *line.last()? })
        };
        let revocation = Revocation { heads: ids.iter().filter_map(head).collect(), reason: "stolen".into() };
        let part = Detail::Revocation(BlockedKind::Device, revocation).to_bytes();
        self.act(Kind::REVOCATION, Effect::Block, of.0, |entry| entry.part = part);
        self.judge(of);
        ids.into_iter().for_each(|id| self.touch_all_of(id));
    }

    /// Confirms the heads of journals that have grown.
    fn countersign(&mut self) {
        let mut due = Vec::new();
        for (id, journal) in self.journals.iter_mut().filter(|(id, journal)| id.0 != device(HUB) && !journal.forked) {
            let length = journal.line.len() as u32;
            if let Some(hash) = journal.line.last().filter(|_| length >= journal.signed + COUNTERSIGN_EVERY) {
                due.push((*id, length - 1, *hash));
                journal.signed = length;
            }
        }
        for ((of, epoch), seq, hash) in due {
            let part = Detail::Countersignature(Countersignature { epoch, seq, hash, term: 1, archived: false });
            self.act(Kind::COUNTERSIGNATURE, Effect::None, of.0, |entry| entry.part = part.to_bytes());
        }
    }

    /// What the hub's own entries say of a box: where its journals end, and which of their heads are confirmed.
    fn judge(&mut self, of: DeviceId) {
        let acts: Vec<(EntryRef, Entry)> =
            self.entries_about(of.0).into_iter().map(|(at, entry, ..)| (at, (*entry).clone())).collect();
        let revocations = active_revocations(of, &acts);
        for id in self.ids_of(of) {
            let Some(journal) = self.journals.get_mut(&id) else { continue };
            let signed = acts.iter().filter_map(|(_, act)| match Detail::of(act) {
                Ok(Detail::Countersignature(signed)) if signed.epoch == id.1 => {
                    Some(Head { seq: signed.seq, hash: signed.hash })
                }
                _ => None,
            });
            (journal.countersigned, journal.cutoff) = (signed.collect(), cutoff(&revocations, id.1));
            journal.standings = None;
        }
    }

    fn entries_about(&mut self, subject: [u8; 16]) -> Vec<(EntryRef, Rc<Entry>, Standing, BoxNumber)> {
        let Some(places) = self.about.get(&subject) else { return Vec::new() };
        let mut found = Vec::with_capacity(places.len());
        for (id, seq, hash) in places {
            let Some(journal) = self.journals.get_mut(id) else { continue };
            let Some(entry) = journal.bodies.get(&(*seq, *hash)).cloned() else { continue };
            let at = EntryRef { device: id.0, epoch: id.1, seq: *seq };
            let standing = journal.standing(*seq, *hash, &entry, id.0, self.festival);
            found.push((at, entry, standing, journal.box_number));
        }
        found
    }

    /// Every entry of a wallet as the ledger takes them.
    pub(crate) fn wallet_entries(&mut self, wallet: WalletId) -> Vec<WalletEntry> {
        let found = self.entries_about(wallet.0).into_iter();
        let entries = found.map(|(at, entry, standing, _)| WalletEntry::new(at, (*entry).clone(), standing)).collect();
        self.disordered(entries)
    }

    fn ticket_entries(&mut self, ticket: TicketUid) -> Vec<TicketEntry> {
        let found = self.entries_about(ticket.0).into_iter();
        let entries = found
            .map(|(at, entry, standing, box_number)| TicketEntry { at, entry: (*entry).clone(), box_number, standing })
            .collect();
        self.disordered(entries)
    }

    fn disordered<T: Clone>(&mut self, mut entries: Vec<T>) -> Vec<T> {
        if let Some(dice) = &mut self.disorder {
            disorder(&mut entries, dice);
        }
        entries
    }

    /// The number of the next publication.
    pub(crate) fn next_number(&self) -> u64 {
        self.published.as_ref().map_or(1, |before| before.number.saturating_add(1))
    }

    /// Folds what changed, signs what is due, and gives what boxes may now be told.
    pub(crate) fn publish(&mut self) -> Rc<Publication> {
        for _ in 0..2 {
            for (wallet, due, amount) in self.fold_wallets() {
                self.pay(wallet, due, amount);
            }
        }
        self.fold_tickets();
        self.countersign();
        let number = self.next_number();
        let offers = self.wallets.iter().filter_map(|(wallet, (_, owed))| {
            let offer = owed.on_offer()?;
            Some((*wallet, (offer.record, offer.amount)))
        });
        let publication = Rc::new(Publication {
            number,
            wallets: self.wallets.iter().map(|(wallet, (fold, _))| (*wallet, fold.state)).collect(),
            tickets: self.tickets.clone(),
            offers: offers.collect(),
            lines: self.journals.iter().map(|(id, journal)| (*id, Rc::clone(&journal.line))).collect(),
            heads: self.journals.iter().filter_map(|(id, journal)| journal.heads(*id)).collect(),
            beyond: self
                .journals
                .iter()
                .filter(|(_, journal)| !journal.forked)
                .map(|(id, journal)| (*id, journal.beyond()))
                .filter(|(_, ranges)| !ranges.is_empty())
                .collect(),
            branches: self
                .journals
                .iter()
                .filter(|(_, journal)| journal.forked)
                .map(|(id, journal)| (*id, journal.bodies.keys().copied().collect()))
                .collect(),
        });
        self.published = Some(Rc::clone(&publication));
        publication
    }

    /// Folds the wallets that changed, and gives what they are to be paid.
    fn fold_wallets(&mut self) -> Vec<(WalletId, Option<Due>, Cents)> {
        let mut due = Vec::new();
        for wallet in std::mem::take(&mut self.dirty_wallets) {
            let entries = self.wallet_entries(wallet);
            let fold = fold_wallet(wallet, &entries);
            let purse = self.keeping.get(&wallet).copied().unwrap_or(false);
            let owes = owed(&fold, &entries, self.festival.bundle.body.policy.maximum_balance);
            if purse {
                due.extend(owes.due.clone().ok().map(|due| (wallet, Some(due), Cents::ZERO)));
            } else if let Some(amount) = Cents::try_from(owes.pending).ok().filter(|owed| *owed > Cents::ZERO) {
                due.push((wallet, None, amount));
            }
            self.wallets.insert(wallet, (fold, owes));
        }
        due
    }

    fn fold_tickets(&mut self) {
        for ticket in std::mem::take(&mut self.dirty_tickets) {
            let entries = self.ticket_entries(ticket);
            if !entries.is_empty() {
                self.tickets.insert(ticket, fold_ticket(ticket, &entries).state);
            }
        }
    }

    /// Signs the C′ of a purse, or credits an account.
    fn pay(&mut self, wallet: WalletId, due: Option<Due>, amount: Cents) {
        let (effect, amount, credit) = match due {
            None => (Effect::Credit, amount, OnlineCredit { record: None, covers: Vec::new() }),
            Some(due) => {
                let Some(credits) = due.head.credits.plus(due.amount) else { return };
                let (key, festival) = (&self.festival.online_key, self.festival.id);
                let record = CreditRecord::sign(credits, due.seq, due.head.id, key, &festival, wallet);
                (Effect::None, due.amount, OnlineCredit { record: Some(record), covers: due.covers })
            }
        };
        let part = Detail::OnlineCredit(credit).to_bytes();
        self.act(Kind::ONLINE_CREDIT, effect, wallet.0, |entry| (entry.amount, entry.part) = (amount, part));
    }

    /// What a wallet came to at the last publication.
    pub(crate) fn wallet(&self, wallet: &WalletId) -> Option<&(WalletFold, Owed)> {
        self.wallets.get(wallet)
    }

    /// Everything that people must look at.
    pub(crate) fn conflicts(&mut self) -> Vec<Conflict> {
        let mut found = Vec::new();
        let numbers: BTreeMap<JournalId, BoxNumber> =
            self.journals.iter().map(|(id, journal)| (*id, journal.box_number)).collect();
        let box_of = |at: &EntryRef| numbers.get(&(at.device, at.epoch)).copied().unwrap_or(BoxNumber(0));
        for wallet in self.keeping.keys().copied().collect::<Vec<_>>() {
            let entries = self.wallet_entries(wallet);
            found.extend(wallet_conflicts(&fold_wallet(wallet, &entries), &entries, box_of));
        }
        for ticket in self.tickets.keys().copied().collect::<Vec<_>>() {
            let entries = self.ticket_entries(ticket);
            found.extend(ticket_conflicts(&fold_ticket(ticket, &entries), &entries));
        }
        for (id, journal) in &self.journals {
            let at = |seq| EntryRef { device: id.0, epoch: id.1, seq };
            let differing = journal.branches.forks().into_iter().flat_map(|fork| {
                let of = |hash: &EntryHash| journal.bodies.get(&(fork.seq, *hash)).map(|entry| (**entry).clone());
                fork.hashes.iter().filter_map(of).map(|entry| (at(fork.seq), entry)).collect::<Vec<_>>()
            });
            found.extend(journal_conflict(ConflictKind::Fork, id.0, differing.collect::<Vec<_>>(), journal.box_number));
            found.extend(gap_conflict(id.0, id.1, &journal.branches.gaps(), journal.box_number));
        }
        found
    }

    /// The festival's sums against what is on the chips.
    pub(crate) fn totals(&self, chips: &BTreeMap<WalletId, Cents>) -> Totals {
        Totals::against_chips(self.wallets.values().map(|(fold, _)| WalletSum::from(fold)), chips)
    }

    /// A hub that is handed the same set anew, in another order and some of it twice, and folds it so.
    pub(crate) fn refolded(&self, mut dice: Dice) -> Hub<'f> {
        let mut all: Vec<Sent> = self.journals.iter().flat_map(|(id, journal)| journal.sent(*id)).collect();
        disorder(&mut all, &mut dice);
        let mut again = Hub::new(self.festival, self.keeping.clone());
        for (id, journal) in &self.journals {
            again.enrol(id.0, id.1, journal.box_number, journal.rights);
        }
        again.take(&all);
        again.disorder = Some(dice);
        let devices: BTreeSet<DeviceId> = again.journals.keys().map(|id| id.0).collect();
        devices.into_iter().for_each(|of| again.judge(of));
        again.fold_wallets();
        again.fold_tickets();
        again
    }

    /// What two hubs make of the same set otherwise: wallets, what they are owed, and tickets.
    pub(crate) fn differing(&self, other: &Self) -> Vec<String> {
        let wallets = self.keeping.keys().filter(|wallet| self.wallets.get(*wallet) != other.wallets.get(*wallet));
        let tickets: BTreeSet<&TicketUid> = self.tickets.keys().chain(other.tickets.keys()).collect();
        let tickets = tickets.into_iter().filter(|ticket| self.tickets.get(*ticket) != other.tickets.get(*ticket));
        let wallets = wallets.map(|wallet| format!("wallet {}", wallet.to_hex()));
        wallets.chain(tickets.map(|ticket| format!("ticket {}", domain::wire::hex(&ticket.0)))).collect()
    }
}

/// Throws the order anew, and repeats some.
fn disorder<T: Clone>(all: &mut Vec<T>, dice: &mut Dice) {
    let again: Vec<T> = all.iter().filter(|_| dice.one_in(4)).cloned().collect();
    all.extend(again);
    for n in (1..all.len()).rev() {
        all.swap(n, dice.below(n + 1));
    }
}

impl Journal {
    /// Follows the line as far as it goes; what arrived first at a place goes on.
    fn lengthen(&mut self) {
        loop {
            let next = self.line.len() as u32;
            let before = self.line.last().copied().unwrap_or(ZERO_HASH);
            let Some(here) = self.waiting.get(&next) else { return };
            let Some((_, hash)) = here.iter().find(|(prev, _)| *prev == before) else { return };
            Rc::make_mut(&mut self.line).push(*hash);
        }
    }

    fn heads(&self, id: JournalId) -> Option<JournalHeads> {
        if self.waiting.is_empty() {
            return None;
        }
        // a journal of which other entries came before the first one is known by their ranges
        let hash = self.line.last().map(hash16).unwrap_or_default();
        let line = Branch { contiguous: self.line.len() as u32, hash, ranges: self.beyond() };
        let mut branches = if self.forked { Vec::new() } else { vec![line] };
        let mut from = if self.forked { vec![(0, ZERO_HASH)] } else { Vec::new() };
        while let Some((seq, before)) = from.pop() {
            let here = self.waiting.get(&seq).into_iter().flatten().filter(|(prev, _)| *prev == before);
            let next: Vec<(u32, EntryHash)> = here.map(|(_, hash)| (seq.saturating_add(1), *hash)).collect();
            if next.is_empty() {
                branches.push(Branch::up_to(seq, hash16(&before)));
            }
            from.extend(next);
        }
        branches.sort();
        Some(JournalHeads { device: id.0, epoch: id.1, branches })
    }

    /// The ranges beyond the line, of a journal that never forked.
    fn beyond(&self) -> Vec<(u32, u32)> {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for seq in self.waiting.range(self.line.len() as u32..).map(|(seq, _)| *seq) {
            match ranges.last_mut() {
                Some((_, last)) if last.saturating_add(1) == seq => *last = seq,
                _ => ranges.push((seq, seq)),
            }
        }
        ranges
    }

    fn standing(&mut self, seq: u32, hash: EntryHash, entry: &Entry, of: DeviceId, festival: &Festival) -> Standing {
        if let Err(forbidden) = self.rights.judge(entry, of, festival.currency) {
            return Standing::SetAside(Reason::Forbidden(forbidden));
        }
        if !self.forked && self.cutoff == Cutoff::None {
            return Standing::InForce;
        }
        let standings = self.standings.get_or_insert_with(|| self.branches.standings(&self.countersigned, self.cutoff));
        standings.get(&(seq, hash)).copied().unwrap_or(Standing::InForce)
    }

    fn sent(&self, id: JournalId) -> Vec<Sent> {
        let mut all: Vec<Sent> = self
            .waiting
            .iter()
            .flat_map(|(seq, here)| here.iter().map(|(prev, hash)| (*seq, *prev, *hash)))
            .filter_map(|(seq, prev, hash)| {
                let entry = self.bodies.get(&(seq, hash)).map(Rc::clone)?;
                Some(Sent { at: EntryRef { device: id.0, epoch: id.1, seq }, prev, hash, entry })
            })
            .collect();
        all.sort_by_key(|sent| sent.at);
        all
    }
}

impl Hub<'_> {
    /// The first place of a journal that lies beyond its revocation.
    pub(crate) fn revoked_from(&self, of: DeviceId, epoch: u32) -> u32 {
        match self.journals.get(&(of, epoch)).map(|journal| journal.cutoff) {
            Some(Cutoff::Behind(head)) => head.seq.saturating_add(1),
            Some(Cutoff::None | Cutoff::All) | None => 0,
        }
    }
}
