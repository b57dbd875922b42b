//! A box's disk with its real store: SQLite, its writer, its checks at the start, over a disk that loses power.
//! Invariant: everything a keeper answers is what `box_store` says.
//! Not here: the same rules without SQLite (`keeper`), what the power does (`disk`).
use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use box_store::{Decision, DeltaOutcome, NewerSelf, Store, StoreConfig, View};
use domain::{
    id::{BoxNumber, DeviceId, EntryRef, FestivalId, TicketUid, WalletId, device_id},
    journal::{Entry, link},
    ledger::{CreditItem, TicketState, WalletState},
    wristband::tap::KnownWallet,
};
use ed25519_dalek::SigningKey;
use sync::{Delta, Section, SignedDelta};

use crate::{
    dice::Dice,
    disk::{Disk, Medium},
    festival::Festival,
    hub::{Publication, Sent},
    keeper::{Keeper, NotStored, Started},
};

/// What the hub's word comes in.
const SECTIONS: [Section; 3] = [Section::Wallets, Section::Tickets, Section::Credits];
/// Most entries in one segment that is read back.
const SEGMENT: usize = 400;
/// The files of a box that was never switched on.
const FRESH: [&str; 2] = ["box.db", "box.db-wal"];

/// See the module.
pub(crate) struct OnDisk {
    folder: PathBuf,
    config: StoreConfig,
    disk: Arc<Disk>,
    store: Option<Store>,
    dice: Dice,
    /// What the hub knows of this box and it does not, since it was told.
    newer: Option<NewerSelf>,
    /// It does not listen: the store would close a journal that was written elsewhere, too.
    deaf: bool,
    /// Operations between two cuts, at most.
    cut_every: u64,
    wall_ms: u64,
}

impl Drop for OnDisk {
    fn drop(&mut self) {
        self.store = None;
        self.disk.forget();
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("simulate: a box's folder stays: {error}");
        }
    }
}

/// Where boxes' folders are made: in memory where the machine has such a place.
pub(crate) fn place() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

/// A folder for one box.
fn folder() -> Result<PathBuf> {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let folder = place().join(format!("simulate-{}-{number}", std::process::id()));
    fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(folder)
}

impl OnDisk {
    /// A new box whose power fails about every `cut_every` operations on the disk.
    pub(crate) fn new(
        festival: &Festival,
        n: u8,
        box_number: BoxNumber,
        medium: Medium,
        dice: Dice,
        cut_every: u64,
    ) -> Result<Self> {
        let folder = folder()?;
        let disk = Disk::watch(&folder, medium);
        let config = StoreConfig {
            path: folder.join("box.db"),
            festival: festival.id,
            identity: identity(n),
            box_number,
            chain: Vec::new(),
            software: "simulated".into(),
        };
        let mut keeper =
            Self { folder, config, disk, store: None, dice, newer: None, deaf: false, cut_every, wall_ms: 0 };
        keeper.provision(n)?;
        keeper.start()?;
        keeper.fails_again();
        Ok(keeper)
    }

    /// Another box with all that stands on this one's disk now.
    fn copied(&self) -> Result<Self> {
        let folder = folder()?;
        for name in FRESH {
            fs::copy(self.folder.join(name), folder.join(name))?;
        }
        let mut copy = Self {
            disk: Disk::watch(&folder, self.disk.medium()),
            config: StoreConfig { path: folder.join("box.db"), ..self.config.clone() },
            folder,
            store: None,
            dice: Dice::part(self.dice.clone().draw(), 1),
            newer: self.newer,
            deaf: self.deaf,
            cut_every: self.cut_every,
            wall_ms: self.wall_ms,
        };
        copy.start()?;
        copy.fails_again();
        Ok(copy)
    }

    /// Gives it the disk that box `n` has in every world when it is new; the first one is made.
    fn provision(&mut self, n: u8) -> Result<()> {
        static FRESH_DISKS: Mutex<BTreeMap<u8, Vec<Vec<u8>>>> = Mutex::new(BTreeMap::new());
        let known = FRESH_DISKS.lock().unwrap_or_else(PoisonError::into_inner).get(&n).cloned();
        if let Some(files) = known {
            let written =
                FRESH.iter().zip(files).try_for_each(|(name, bytes)| fs::write(self.folder.join(name), bytes));
            return Ok(written?);
        }
        drop(box_store::open(self.config.clone(), 0)?);
        let files: io::Result<Vec<Vec<u8>>> = FRESH.iter().map(|name| fs::read(self.folder.join(name))).collect();
        FRESH_DISKS.lock().unwrap_or_else(PoisonError::into_inner).insert(n, files?);
        Ok(())
    }

    fn start(&mut self) -> Result<()> {
        let (store, report) = box_store::open(self.config.clone(), self.wall_ms)?;
        ensure!(report.degraded.is_none(), "{:?}", report.degraded);
        self.store = Some(store);
        Ok(())
    }

    /// The power will fail, sooner or later.
    fn fails_again(&mut self) {
        if self.cut_every > 0 {
            self.disk.fail_after(1 + self.dice.draw() % self.cut_every);
        }
    }

    fn read<T: Default + Send + 'static>(&self, look: impl FnOnce(&View<'_>) -> T + Send + 'static) -> T {
        let found = self.store.as_ref().map(|store| store.read(look));
        found.and_then(Result::ok).unwrap_or_default()
    }
}

/// One section of the hub's word; the session, which checks who signed it, is not here.
fn part(section: Section, said: &Publication, festival: FestivalId, prev: u64) -> SignedDelta {
    let covers = matches!(section, Section::Wallets | Section::Tickets);
    let items = match section {
        Section::Wallets => said.wallets.values().flat_map(|state| state.to_bytes()).collect(),
        Section::Tickets => said.tickets.values().flat_map(|state| state.to_bytes()).collect(),
        _ => {
            let offer = |wallet: &WalletId| said.offers.get(wallet).copied();
            let items = said.wallets.keys().map(|wallet| CreditItem { wallet: *wallet, offer: offer(wallet) });
            items.flat_map(|item| item.to_bytes()).collect()
        }
    };
    let delta = Delta {
        festival,
        section,
        term: 1,
        prev,
        number: said.number,
        part: 0,
        parts: 1,
        snapshot: prev == 0,
        vector: if covers { said.heads.clone() } else { Vec::new() },
        hub_time_ms: 0,
        items,
    };
    SignedDelta { body: delta.to_bytes(), signature: [0; 64], key: [0; 32] }
}

/// The key of box `n`, which a test may know.
pub(crate) fn identity(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[0x80 | n; 32])
}

/// The device of box `n`.
pub(crate) fn device_on_disk(n: u8) -> DeviceId {
    device_id(&identity(n).verifying_key().to_bytes())
}

impl Keeper for OnDisk {
    fn append(&mut self, entries: Vec<Entry>, seen: &[EntryRef]) -> Result<Vec<EntryRef>, NotStored> {
        let (store, seen) = (self.store.as_ref().ok_or(NotStored)?, seen.to_vec());
        let decision = move |_: &View<'_>| Decision::write(entries, ()).confirming(seen);
        let committed = store.transact(decision).map_err(|_| NotStored)?;
        Ok(committed.refs)
    }

    fn known(&self, wallet: WalletId, closes: bool) -> KnownWallet {
        self.read(move |view| view.known_wallet(&wallet, closes))
    }

    fn wallet(&self, wallet: WalletId) -> WalletState {
        self.read(move |view| Some(view.wallet(&wallet))).unwrap_or_else(|| WalletState::empty(wallet))
    }

    fn uncovered(&self, wallet: WalletId) -> i64 {
        self.read(move |view| view.uncovered_debits(&wallet))
    }

    fn ticket(&self, ticket: TicketUid) -> TicketState {
        self.read(move |view| Some(view.ticket(&ticket))).unwrap_or_else(|| TicketState::empty(ticket))
    }

    fn open_intents(&self) -> Vec<(EntryRef, WalletId, bool)> {
        let open = self.read(|view| view.all_open_intents());
        open.into_iter().map(|open| (open.at, WalletId(open.entry.subject.0), open.handed_over)).collect()
    }

    fn entry(&self, at: EntryRef) -> Option<Entry> {
        self.read(move |view| view.entry(at))
    }

    fn unconfirmed(&self) -> Vec<EntryRef> {
        self.read(|view| view.unconfirmed())
    }

    fn confirm(&mut self, seen: &[EntryRef]) {
        let seen = seen.to_vec();
        if let Some(store) = &self.store {
            // a failure is a power cut, after which the box asks again
            drop(store.transact(move |_| Decision::nothing(()).confirming(seen)));
        }
    }

    /// Everything in one transaction: as a snapshot, or on what is held.
    fn learn(&mut self, publication: &Rc<Publication>) -> bool {
        let held = self.heard();
        // while the evening lasts a box on a slow line gets every third word
        let misses = self.cut_every > 0 && !self.dice.one_in(3);
        if misses || publication.number <= held || self.is_dead() || self.deaf {
            return self.newer.is_some();
        }
        let prev = if self.dice.one_in(3) { 0 } else { held };
        let parts = SECTIONS.into_iter().map(|section| part(section, publication, self.config.festival, prev));
        let Some(store) = &self.store else { return false };
        // where the power failed it is told again
        if let Ok(outcomes) = store.apply_delta(parts.collect()) {
            let newer = outcomes.into_iter().map(|outcome| match outcome {
                DeltaOutcome::Applied { newer_self, .. } => newer_self,
                other => panic!("a box does not take the hub's word: {other:?}"),
            });
            self.newer = newer.max().flatten();
        }
        self.newer.is_some()
    }

    fn heard(&self) -> u64 {
        let held = self.store.as_ref().and_then(|store| store.sections_held(&SECTIONS).ok());
        held.and_then(|held| held.iter().map(|held| held.number).min()).unwrap_or(0)
    }

    fn new_epoch(&mut self, box_number: BoxNumber) {
        // a failure is a power cut, after which it is told again
        if let Some(store) = &self.store
            && store.open_next_epoch(box_number, self.newer).is_ok()
        {
            self.newer = None;
        }
    }

    fn epoch(&self) -> (u32, BoxNumber) {
        let head = self.read(|view| view.head());
        head.map_or((0, self.config.box_number), |head| (head.at.epoch, head.box_number))
    }

    fn sent_from(&self, epoch: u32, seq: u32) -> Vec<Sent> {
        let device = device_id(&self.config.identity.verifying_key().to_bytes());
        let (mut all, mut next) = (Vec::new(), seq);
        while let Some(store) = &self.store
            && let Ok(Some(segment)) = store.segment(device, epoch, next, SEGMENT)
        {
            let public = self.config.identity.verifying_key().to_bytes();
            assert!(
                segment.verify(self.config.festival, &public).is_ok(),
                "a segment that its own box does not believe"
            );
            next = segment.last() + 1;
            let mut prev = segment.prev;
            for (n, body) in segment.bodies.iter().enumerate() {
                let hash = link(&prev, body);
                let at = EntryRef { device, epoch, seq: segment.first + n as u32 };
                if at.seq >= seq
                    && let Ok(entry) = Entry::from_bytes(body)
                {
                    all.push(Sent { at, prev, hash, entry: Rc::new(entry) });
                }
                prev = hash;
            }
        }
        all
    }

    fn set_clock(&mut self, unix_ms: u64) {
        self.wall_ms = unix_ms;
        if let Some(store) = &self.store {
            store.set_wall_ms(unix_ms);
        }
    }

    fn image(&self) -> Option<Box<dyn Keeper>> {
        if self.is_dead() {
            return None;
        }
        match self.copied() {
            Ok(copy) => Some(Box::new(copy)),
            Err(error) => panic!("no image of a box's disk: {error:#}"),
        }
    }

    fn lies(&mut self) {
        self.deaf = true;
    }

    fn is_dead(&self) -> bool {
        self.disk.is_dead()
    }

    fn calm(&mut self) {
        self.cut_every = 0;
        self.disk.stays();
    }

    fn restart(&mut self) -> Started {
        let mut started = Started::default();
        loop {
            self.store = None;
            let back = self.disk.comes_back(&mut self.dice).map_err(anyhow::Error::from);
            self.fails_again();
            let up = back.and_then(|()| self.start());
            if self.disk.is_dead() {
                started.power_cuts += 1;
                continue;
            }
            started.damage.extend(up.err().map(|error| format!("{error:#}")));
            return started;
        }
    }

    fn hash(&self, at: EntryRef) -> Option<[u8; 32]> {
        let store = self.store.as_ref()?;
        let device = device_id(&self.config.identity.verifying_key().to_bytes());
        let segment = store.segment(device, at.epoch, at.seq, 1).ok()??;
        let mut prev = segment.prev;
        for (n, body) in segment.bodies.iter().enumerate() {
            prev = link(&prev, body);
            if segment.first + n as u32 == at.seq {
                return Some(prev);
            }
        }
        None
    }

    fn length(&self) -> u32 {
        self.read(|view| view.head()).map_or(0, |head| head.at.seq + 1)
    }
}
