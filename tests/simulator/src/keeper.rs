//! What a box keeps: its journal and what it believes. Two kinds: in memory, for millions of taps, and the real store
//! on a disk that loses power (`store`).
//! Invariant: what `append` gave a place survives every `restart`.
//! Not here: taps (`tap`), who asks (`world`).
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
};

use domain::{
    id::{BoxNumber, DeviceId, EntryRef, TicketUid, WalletId},
    journal::{Detail, Effect, Entry, EntryHash, Flags, Genesis, Kind, ZERO_HASH, link},
    ledger::{
        Accounts, Standing, TicketEntry, TicketFlags, TicketState, WalletEntry, WalletState, closes, fold_ticket,
    },
    time::Hlc,
    wristband::tap::{KnownWallet, OpenIntent},
};

use crate::{
    festival::Festival,
    hub::{Publication, Sent},
};

/// The entries are not on disk.
#[derive(Debug)]
pub(crate) struct NotStored;

/// How a start went.
#[derive(Debug, Default)]
pub(crate) struct Started {
    /// How often the power failed again before the box was up.
    pub(crate) power_cuts: u64,
    /// What it found damaged.
    pub(crate) damage: Vec<String>,
}

/// See the module.
pub(crate) trait Keeper {
    /// Appends one commit, and notes with it whose green light was seen; durable when it answers.
    fn append(&mut self, entries: Vec<Entry>, seen: &[EntryRef]) -> Result<Vec<EntryRef>, NotStored>;
    /// What a tap is told of a wallet.
    fn known(&self, wallet: WalletId, closes: bool) -> KnownWallet;
    /// What this box believes of a wallet.
    fn wallet(&self, wallet: WalletId) -> WalletState;
    /// What it took from the wallet beyond what the hub has.
    fn uncovered(&self, wallet: WalletId) -> i64;
    /// What it believes of a ticket.
    fn ticket(&self, ticket: TicketUid) -> TicketState;
    /// Its intents that wait for an end.
    fn open_intents(&self) -> Vec<(EntryRef, WalletId, bool)>;
    /// An own entry.
    fn entry(&self, at: EntryRef) -> Option<Entry>;
    /// Commits whose green light nobody saw.
    fn unconfirmed(&self) -> Vec<EntryRef>;
    /// Their green light was seen, or somebody answered for it.
    fn confirm(&mut self, seen: &[EntryRef]);
    /// Takes what the hub says. Gives whether it names a head of this box that this box lacks.
    fn learn(&mut self, publication: &Rc<Publication>) -> bool;
    /// The number of what it heard last.
    fn heard(&self) -> u64;
    /// Goes on in a new epoch under another number.
    fn new_epoch(&mut self, box_number: BoxNumber);
    /// The epoch and its number.
    fn epoch(&self) -> (u32, BoxNumber);
    /// The entries of an epoch from a place on.
    fn sent_from(&self, epoch: u32, seq: u32) -> Vec<Sent>;
    /// What the clock on the wall says, wrong or not.
    fn set_clock(&mut self, unix_ms: u64);
    /// A copy of its disk as it is now, for a restored or a forged box.
    fn image(&self) -> Option<Box<dyn Keeper>>;
    /// From now on it lies, and does not heed the hub's word that its journal was written elsewhere.
    fn lies(&mut self) {}
    /// Whether its power has failed.
    fn is_dead(&self) -> bool {
        false
    }
    /// From now on the power stays.
    fn calm(&mut self) {}
    /// The power comes back, and may fail again while the box starts.
    fn restart(&mut self) -> Started {
        Started::default()
    }
    /// The hash of an own entry.
    fn hash(&self, at: EntryRef) -> Option<EntryHash>;
    /// The own entry that this one gives back, and its hash.
    fn gives_back(&self, entry: &Entry) -> Option<(EntryRef, EntryHash)> {
        let gives_back = matches!(entry.kind, Kind::CORRECTION_PLUS | Kind::PENDING_CREDIT);
        let of = entry.refers_to.filter(|_| gives_back)?;
        Some((of, self.hash(of)?))
    }
    /// How many entries the epoch has.
    fn length(&self) -> u32;
}

#[derive(Clone)]
struct Stored {
    entry: Rc<Entry>,
    prev: EntryHash,
    hash: EntryHash,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    GivenUp,
    Closed,
}

#[derive(Clone)]
struct Intended {
    wallet: WalletId,
    state: State,
    handed_over: bool,
}

/// Entries of one epoch that the hub's state covers: those before a place, and some ranges behind it.
#[derive(Clone, Default)]
struct Covered {
    before: u32,
    beyond: Vec<(u32, u32)>,
}

/// A box's disk without SQLite: the same rules, folded by the same ledger.
#[derive(Clone)]
pub(crate) struct InMemory {
    device: DeviceId,
    festival: domain::id::FestivalId,
    currency: domain::money::Currency,
    epochs: Vec<(BoxNumber, Vec<Stored>)>,
    about: HashMap<[u8; 16], Vec<EntryRef>>,
    intents: BTreeMap<EntryRef, Intended>,
    unfinished: HashMap<WalletId, u8>,
    unconfirmed: BTreeSet<EntryRef>,
    heard: Option<Rc<Publication>>,
    /// Entries of each epoch that the hub's state covers.
    covered: Vec<Covered>,
    hlc: Hlc,
    wall_ms: u64,
}

impl InMemory {
    /// A new box.
    pub(crate) fn new(festival: &Festival, device: DeviceId, box_number: BoxNumber) -> Self {
        let mut keeper = Self {
            device,
            festival: festival.id,
            currency: festival.currency,
            epochs: Vec::new(),
            about: HashMap::new(),
            intents: BTreeMap::new(),
            unfinished: HashMap::new(),
            unconfirmed: BTreeSet::new(),
            heard: None,
            covered: Vec::new(),
            hlc: Hlc::default(),
            wall_ms: 0,
        };
        keeper.begin(box_number);
        keeper
    }

    fn begin(&mut self, box_number: BoxNumber) {
        let epoch = self.epochs.len() as u32;
        self.epochs.push((box_number, Vec::new()));
        self.covered.push(Covered::default());
        let genesis = Genesis {
            festival: self.festival,
            public_key: [0; 32],
            box_number,
            epoch,
            chain: Vec::new(),
            previous: None,
            software: "simulated".into(),
        };
        let mut entry = Entry::new(Kind::GENESIS, Effect::None, self.currency, Hlc::default());
        entry.part = Detail::Genesis(genesis).to_bytes();
        self.push(entry, true);
    }

    fn push(&mut self, mut entry: Entry, last: bool) -> EntryRef {
        self.hlc = self.hlc.tick(self.wall_ms);
        entry.hlc = self.hlc;
        if last {
            entry.flags = entry.flags.with(Flags::END_OF_COMMIT);
        }
        let epoch = (self.epochs.len() as u32).saturating_sub(1);
        let Some((_, stored)) = self.epochs.last_mut() else {
            return EntryRef { device: self.device, epoch, seq: 0 };
        };
        let at = EntryRef { device: self.device, epoch, seq: stored.len() as u32 };
        let prev = stored.last().map_or(ZERO_HASH, |before| before.hash);
        let hash = link(&prev, &entry.to_bytes());
        let entry = Rc::new(entry);
        stored.push(Stored { entry: Rc::clone(&entry), prev, hash });
        self.fold(at, &entry);
        at
    }

    fn fold(&mut self, at: EntryRef, entry: &Entry) {
        for subject in [entry.subject.0, entry.other.0] {
            if subject != [0; 16] {
                self.about.entry(subject).or_default().push(at);
            }
        }
        let wallet = WalletId(entry.subject.0);
        if entry.kind == Kind::INTENT {
            self.intents.insert(at, Intended { wallet, state: State::Open, handed_over: false });
            let taps = self.unfinished.entry(wallet).or_default();
            *taps = taps.saturating_add(1);
        }
        let is_served = |first| self.intents.get(&first).is_some_and(|i| i.state != State::Closed && i.handed_over);
        if shows_green(entry) && !entry.refers_to.is_some_and(is_served) {
            self.unconfirmed.insert(at);
        }
        let Some(first) = entry.refers_to.filter(|first| first.device == self.device) else { return };
        let Some(intended) = self.intents.get_mut(&first) else { return };
        match entry.kind {
            Kind::GAVE_UP => intended.state = State::GivenUp,
            Kind::HANDED_OVER => intended.handed_over = true,
            Kind::VOID => {
                intended.state = State::Closed;
                let taps = self.unfinished.entry(wallet).or_default();
                *taps = taps.saturating_sub(1);
            }
            _ if entry.kind == Kind::CLOSING_READ || closes(entry).is_some() => {
                intended.state = State::Closed;
                self.unfinished.remove(&wallet);
            }
            _ => {}
        }
    }

    fn stored(&self, at: EntryRef) -> Option<&Stored> {
        if at.device != self.device {
            return None;
        }
        self.epochs.get(at.epoch as usize)?.1.get(at.seq as usize)
    }

    fn is_covered(&self, at: &EntryRef) -> bool {
        let covers = |(first, last): &(u32, u32)| (*first..=*last).contains(&at.seq);
        let covered = self.covered.get(at.epoch as usize);
        covered.is_some_and(|covered| at.seq < covered.before || covered.beyond.iter().any(covers))
    }

    fn beyond(&self, subject: &[u8; 16]) -> Vec<(EntryRef, Rc<Entry>)> {
        let places = self.about.get(subject).map(Vec::as_slice).unwrap_or_default();
        let beyond = places.iter().filter(|at| !self.is_covered(at));
        beyond.filter_map(|at| Some((*at, Rc::clone(&self.stored(*at)?.entry)))).collect()
    }

    fn intents_of(&self, wallet: WalletId, state: State) -> Vec<OpenIntent> {
        let of = self.intents.iter().filter(|(_, intended)| intended.wallet == wallet && intended.state == state);
        of.filter_map(|(at, i)| OpenIntent::of(*at, &self.stored(*at)?.entry, i.handed_over)).collect()
    }
}

/// Kinds whose green light staff wait for.
fn shows_green(entry: &Entry) -> bool {
    let moves = matches!(entry.effect, Effect::Debit | Effect::Credit);
    let is_nothing = entry.kind == Kind::TOP_UP && entry.amount == domain::money::Cents::ZERO;
    moves && !is_nothing && matches!(entry.kind, Kind::SALE | Kind::TOP_UP | Kind::REFUND)
}

impl Keeper for InMemory {
    fn append(&mut self, entries: Vec<Entry>, seen: &[EntryRef]) -> Result<Vec<EntryRef>, NotStored> {
        self.confirm(seen);
        let last = entries.len().saturating_sub(1);
        Ok(entries.into_iter().enumerate().map(|(n, entry)| self.push(entry, n == last)).collect())
    }

    fn known(&self, wallet: WalletId, closes: bool) -> KnownWallet {
        let (open, given_up) = (self.intents_of(wallet, State::Open), self.intents_of(wallet, State::GivenUp));
        KnownWallet {
            offer: self.heard.as_ref().and_then(|heard| heard.offers.get(&wallet).map(|(record, _)| *record)),
            unfinished_in_a_row: self.unfinished.get(&wallet).copied().unwrap_or(0),
            ..self.wallet(wallet).for_tap(open, &given_up, closes)
        }
    }

    fn wallet(&self, wallet: WalletId) -> WalletState {
        let heard = self.heard.as_ref().and_then(|heard| heard.wallets.get(&wallet).copied());
        let mut base = heard.unwrap_or_else(|| WalletState::empty(wallet));
        let mut own = self.beyond(&wallet.0);
        let mut holds: Vec<(EntryRef, Rc<Entry>)> = Vec::new();
        for at in own.iter().filter_map(|(_, entry)| closes(entry)).filter(|at| at.device == self.device) {
            if !own.iter().chain(&holds).any(|(known, _)| *known == at)
                && let Some(hold) = self.stored(at)
            {
                holds.push((at, Rc::clone(&hold.entry)));
            }
        }
        for (at, hold) in holds {
            let mut sums = Accounts::default();
            sums.add(&hold);
            if let Ok(in_doubt) = u32::try_from(sums.in_doubt())
                && let Some(rest) = base.in_doubt.checked_sub(in_doubt)
            {
                base.in_doubt = rest;
                base.balance = base.balance.saturating_add(sums.hold_debit);
                own.push((at, hold));
            }
        }
        own.sort_by_key(|(at, _)| *at);
        let own: Vec<WalletEntry> =
            own.into_iter().map(|(at, entry)| WalletEntry::new(at, (*entry).clone(), Standing::InForce)).collect();
        base.with_local(&own)
    }

    fn uncovered(&self, wallet: WalletId) -> i64 {
        let debit = |(at, entry): &(EntryRef, Rc<Entry>)| match entry.effect {
            Effect::Debit => entry.amount.as_i64(),
            Effect::Hold if self.intents.get(at).is_some_and(|i| i.state != State::Closed) => entry.amount.as_i64(),
            _ => 0,
        };
        self.beyond(&wallet.0).iter().map(debit).sum()
    }

    fn ticket(&self, ticket: TicketUid) -> TicketState {
        let heard = self.heard.as_ref().and_then(|heard| heard.tickets.get(&ticket).copied());
        let own = self.beyond(&ticket.0);
        if own.is_empty() {
            return heard.unwrap_or_else(|| TicketState::empty(ticket));
        }
        let entries: Vec<TicketEntry> = own
            .into_iter()
            .map(|(at, entry)| TicketEntry {
                at,
                entry: (*entry).clone(),
                box_number: self.epoch().1,
                standing: Standing::InForce,
            })
            .collect();
        let fold = fold_ticket(ticket, &entries).state;
        let Some(heard) = heard else { return fold };
        let mut inside = heard.inside;
        for zone in [crate::festival::ONCE_ZONE, crate::festival::RE_ENTRY_ZONE] {
            let moves = |effect| entries.iter().filter(|e| e.entry.zone == zone && e.entry.effect == effect).count();
            let (ins, outs) = (usize::from(heard.is_inside(zone)) + moves(Effect::In), moves(Effect::Out));
            let bit = domain::ledger::zone_bit(zone);
            inside = if ins > outs { inside | bit } else { inside & !bit };
        }
        let used = heard.flags.has(TicketFlags::USED) || fold.flags.has(TicketFlags::USED);
        TicketState {
            used: heard.used | fold.used,
            inside,
            uses: heard.uses.saturating_add(fold.uses),
            flags: heard.flags.with_if(TicketFlags::USED, used),
            ..heard
        }
    }

    fn open_intents(&self) -> Vec<(EntryRef, WalletId, bool)> {
        let open = self.intents.iter().filter(|(_, intended)| intended.state == State::Open);
        open.map(|(at, intended)| (*at, intended.wallet, intended.handed_over)).collect()
    }

    fn entry(&self, at: EntryRef) -> Option<Entry> {
        self.stored(at).map(|stored| (*stored.entry).clone())
    }

    fn unconfirmed(&self) -> Vec<EntryRef> {
        self.unconfirmed.iter().copied().collect()
    }

    fn confirm(&mut self, seen: &[EntryRef]) {
        seen.iter().for_each(|at| {
            self.unconfirmed.remove(at);
        });
    }

    fn learn(&mut self, publication: &Rc<Publication>) -> bool {
        if publication.number <= self.heard() {
            return false;
        }
        self.heard = Some(Rc::clone(publication));
        let mut newer = false;
        let current = self.epochs.len().saturating_sub(1);
        for (epoch, (_, stored)) in self.epochs.iter().enumerate() {
            let Some(line) = publication.lines.get(&(self.device, epoch as u32)) else { continue };
            let common = stored.iter().zip(line.iter()).take_while(|(own, theirs)| own.hash == **theirs).count();
            let branches = publication.branches.get(&(self.device, epoch as u32));
            let is_there =
                |(seq, own): &(usize, &Stored)| branches.is_some_and(|all| all.contains(&(*seq as u32, own.hash)));
            let on_branch = stored.iter().enumerate().skip(common).take_while(is_there).count();
            // what lies beyond a gap is this box's own where the line up to the gap is
            let beyond = publication.beyond.get(&(self.device, epoch as u32)).filter(|_| common == line.len());
            if let Some(covered) = self.covered.get_mut(epoch) {
                let beyond = beyond.cloned().unwrap_or_default();
                *covered = Covered { before: (common + on_branch) as u32, beyond };
            }
            newer |= common < line.len() && epoch == current;
        }
        let later = publication.lines.keys().any(|(of, epoch)| *of == self.device && *epoch as usize > current);
        newer || later
    }

    fn heard(&self) -> u64 {
        self.heard.as_ref().map_or(0, |heard| heard.number)
    }

    fn new_epoch(&mut self, box_number: BoxNumber) {
        let wanted = self.heard.as_ref().map_or(0, |heard| {
            let known = heard.lines.keys().filter(|(of, _)| *of == self.device);
            known.map(|(_, epoch)| epoch.saturating_add(1)).max().unwrap_or(0)
        });
        // epochs that another image of this box wrote stand empty here
        while (self.epochs.len() as u32) < wanted {
            self.epochs.push((BoxNumber(0), Vec::new()));
            self.covered.push(Covered::default());
        }
        self.begin(box_number);
    }

    fn epoch(&self) -> (u32, BoxNumber) {
        let number = self.epochs.last().map_or(BoxNumber(0), |(number, _)| *number);
        ((self.epochs.len() as u32).saturating_sub(1), number)
    }

    fn sent_from(&self, epoch: u32, seq: u32) -> Vec<Sent> {
        let Some((_, stored)) = self.epochs.get(epoch as usize) else { return Vec::new() };
        let places = stored.iter().enumerate().skip(seq as usize);
        places
            .map(|(place, one)| Sent {
                at: EntryRef { device: self.device, epoch, seq: place as u32 },
                prev: one.prev,
                hash: one.hash,
                entry: Rc::clone(&one.entry),
            })
            .collect()
    }

    fn set_clock(&mut self, unix_ms: u64) {
        self.wall_ms = unix_ms;
    }

    fn image(&self) -> Option<Box<dyn Keeper>> {
        Some(Box::new(self.clone()))
    }

    fn hash(&self, at: EntryRef) -> Option<EntryHash> {
        self.stored(at).map(|stored| stored.hash)
    }

    fn length(&self) -> u32 {
        self.epochs.last().map_or(0, |(_, stored)| stored.len() as u32)
    }
}
