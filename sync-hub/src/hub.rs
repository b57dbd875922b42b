//! The hub's state behind its one writer: store, journals, what is to be published.
//! Invariant: everything that changes it goes through here, one thing after the other.
//! Not here: threads (`writer`), sockets (`net`, `web`).
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use domain::{
    bundle::{AccountRule, Policy},
    id::{DeviceId, WalletId},
    journal::{Effect, Kind},
    ledger::{CreditItem, Rights},
    time::Hlc,
};
use sync::{Section, frame::SectionHeld};
use thiserror::Error;

use crate::{
    beyond::Counted,
    blobs::Blobs,
    boxes::Taken,
    bundle::BundleError,
    config::{ConfigError, FestivalConfig},
    credits::Payment,
    csv::CsvError,
    deltas::{RevokedItem, feed::Feeds},
    escrow::Shares,
    identity::Identity,
    ingest::{
        batch::{Batch, Dirty},
        journals::Journals,
    },
    pretix::PretixError,
    quotas::PutOn,
    store::{Failure, Reading, Seed, Store, StoreError},
    ticket_keys::TicketKey,
    zones::Zones,
};

/// A box that claims a term further ahead than this is not believed.
const TERMS_AHEAD: u32 = 1_000;

/// Unix milliseconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Something that the hub could not do.
#[derive(Debug, Error)]
pub enum HubError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A configuration file, or a category of the console.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The bundle.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// An import from pretix.
    #[error(transparent)]
    Pretix(#[from] PretixError),
    /// A list as CSV.
    #[error(transparent)]
    Csv(#[from] CsvError),
    /// Nobody knows it.
    #[error("{0} is not known here")]
    NotFound(&'static str),
    /// Something of this number or name is there already.
    #[error("{0} is there already")]
    Exists(&'static str),
    /// A value that cannot be.
    #[error("{0}")]
    Invalid(&'static str),
    /// A box came with numbers of another one.
    #[error(
        "box numbers {} to {} belong to another box ({}): enrol this one again (provision box enrol --re-enrol)",
        .0.numbers.0, .0.numbers.1, .0.owner_place
    )]
    NumbersTaken(Box<Taken>),
    /// A rule forbids it: the code of its reason.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// The operating system gives no random bytes.
    #[error("no randomness from the operating system")]
    Random,
}

impl Failure for HubError {
    fn disk_code(&self) -> Option<&'static str> {
        match self {
            Self::Store(error) => error.disk_code(),
            Self::Config(_)
            | Self::Bundle(_)
            | Self::Pretix(_)
            | Self::Csv(_)
            | Self::NotFound(_)
            | Self::Exists(_)
            | Self::Invalid(_)
            | Self::NumbersTaken(_)
            | Self::Refused(_)
            | Self::Random => None,
        }
    }
}

impl From<documents::Refusal> for HubError {
    fn from(refusal: documents::Refusal) -> Self {
        Self::Refused(refusal.code())
    }
}

/// The hub.
pub struct Hub {
    pub(crate) dir: PathBuf,
    pub(crate) identity: Arc<Identity>,
    pub(crate) store: Store,
    pub(crate) journals: Journals,
    pub(crate) dirty: Dirty,
    pub(crate) pending: Batch,
    /// A transaction failed, and memory was not brought back to what is on disk.
    pub(crate) is_behind: bool,
    pub(crate) conflicted: HashSet<[u8; 16]>,
    pub(crate) numbers: BTreeMap<Section, u64>,
    pub(crate) revoked: BTreeSet<RevokedItem>,
    /// Devices whose sessions are told that they are revoked; nobody leaves it.
    pub(crate) cut_off: BTreeSet<DeviceId>,
    /// What was counted of the journals of revoked boxes.
    pub(crate) beyond: BTreeMap<(DeviceId, u32), Counted>,
    /// What was counted of the journals of desks.
    pub(crate) put_on: BTreeMap<(DeviceId, u32), PutOn>,
    pub(crate) feeds: Arc<Feeds>,
    pub(crate) hlc: Hlc,
    pub(crate) policy: Policy,
    /// Epochs of the bands' keys whose bands are refused.
    pub(crate) retired_epochs: Vec<u8>,
    pub(crate) rule: AccountRule,
    pub(crate) seed: Seed,
    pub(crate) bundle: u64,
    /// Boxes were adopted that the newest bundle does not name.
    pub(crate) bundle_due: bool,
    pub(crate) offers: BTreeMap<WalletId, CreditItem>,
    pub(crate) due: BTreeMap<WalletId, Payment>,
    pub(crate) documents: documents::Documents,
    pub(crate) blobs: Blobs,
    pub(crate) countersigned: BTreeMap<(DeviceId, u32), u32>,
    /// Boxes that came with numbers of another one since the start.
    pub(crate) taken: BTreeMap<DeviceId, Taken>,
    /// Boxes of which it was taken, since the start, that this database was restored.
    believed: BTreeSet<DeviceId>,
    /// A new term is on disk, and what is told is not of that term yet.
    term_due: bool,
    pub(crate) zones: Zones,
    pub(crate) shares: Shares,
    pub(crate) ticket_keys: Vec<TicketKey>,
    clock: Clock,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("term", &self.store.term()).finish_non_exhaustive()
    }
}

/// The wall clock.
pub fn wall_clock() -> Clock {
    Arc::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    })
}

/// A clock that starts at another date and runs on, for a rehearsal. No money rule reads it.
pub fn rehearsal_clock(unix_s: u64) -> Clock {
    let start = std::time::Instant::now();
    Arc::new(move || {
        let elapsed = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        unix_s.saturating_mul(1000).saturating_add(elapsed)
    })
}

/// What the hub writes would be set aside by everybody if its certificate did not allow it.
fn check_rights(identity: &Identity) -> Result<(), HubError> {
    let certificate = identity.hub.chain.verify(&identity.founding);
    let rights = certificate
        .map(|certificate| Rights::of(&certificate))
        .map_err(|_| HubError::Invalid("the hub's certificate"))?;
    let acts = [
        (Kind::BLOCK, Effect::Block),
        (Kind::UNBLOCK, Effect::Unblock),
        (Kind::REVOCATION, Effect::Block),
        (Kind::COUNTERSIGNATURE, Effect::None),
        (Kind::ONLINE_TOP_UP, Effect::Owe),
        (Kind::ONLINE_CREDIT, Effect::None),
        (Kind::BAND_TRANSFER, Effect::Debit),
        (Kind::REFUND, Effect::Debit),
        (Kind::WRITTEN_OFF, Effect::None),
        (Kind::EXPIRY, Effect::Debit),
        (Kind::SHARE, Effect::None),
    ];
    match acts.into_iter().all(|(kind, effect)| rights.allows(kind, effect).is_ok()) {
        true => Ok(()),
        false => Err(HubError::Invalid(
            "the hub's certificate does not allow it to block, revoke, countersign and book what guests are owed",
        )),
    }
}

impl Hub {
    /// Opens the hub of a directory: its database, its seed (`festival.toml`) and what was not published yet.
    pub fn open(dir: &Path, identity: Arc<Identity>, clock: Clock) -> Result<Self, HubError> {
        let config = FestivalConfig::read(&dir.join("festival.toml"))?;
        let seed = Seed {
            categories: config.categories()?,
            products: config.products()?,
            price_revision: config.price_revision,
        };
        check_rights(&identity)?;
        let mut store = Store::open(dir, identity.festival)?;
        store.seed(&seed)?;
        let rule = config.policy.account_rule();
        let box_by_box = rule == AccountRule::Escrow;
        if !store.is_folded(box_by_box) {
            store.fold_again(box_by_box)?;
        }
        let journals = Journals::load(&store, &identity.founding)?;
        let mut hub = Self {
            dir: dir.into(),
            policy: config.policy.policy()?,
            retired_epochs: config.policy.retired_band_epochs.clone(),
            rule,
            seed,
            store,
            journals,
            dirty: Dirty::default(),
            pending: Batch::default(),
            is_behind: false,
            conflicted: HashSet::new(),
            bundle: 0,
            bundle_due: false,
            blobs: Blobs::new(dir),
            numbers: BTreeMap::new(),
            revoked: BTreeSet::new(),
            cut_off: BTreeSet::new(),
            beyond: BTreeMap::new(),
            put_on: BTreeMap::new(),
            feeds: Arc::new(Feeds::default()),
            hlc: Hlc::default(),
            offers: BTreeMap::new(),
            due: BTreeMap::new(),
            countersigned: BTreeMap::new(),
            taken: BTreeMap::new(),
            believed: BTreeSet::new(),
            term_due: false,
            zones: Zones::default(),
            shares: Shares::default(),
            ticket_keys: Vec::new(),
            documents: documents::Documents::new(identity.founding.clone()),
            identity,
            clock,
        };
        hub.documents = crate::edits::load(&hub.store, &hub.identity.founding)?;
        hub.conflicted = hub.store.conflicted()?.into_iter().collect();
        hub.offers = hub.store.offers()?.into_iter().map(|item| (item.wallet, item)).collect();
        hub.catch_up()?;
        hub.seed_documents(&config)?;
        hub.adopt_staff_files()?;
        hub.dirty.edits.clear();
        hub.resume_deltas()?;
        hub.adopt_credit_files()?;
        hub.load_ticket_keys()?;
        hub.load_blobs()?;
        Ok(hub)
    }

    /// A box says what it holds of each section. Where that is more than this database ever told, the database was
    /// restored, and a new term starts. Each box is believed once while the hub runs, a revoked one never: nobody
    /// can have everybody else come back again and again.
    pub fn heard_of_later(&mut self, device: DeviceId, held: &[SectionHeld]) -> Result<(), HubError> {
        self.begin_term()?;
        let term = self.term();
        let claimed = held.iter().map(|held| held.term).max().unwrap_or(0);
        let is_later = claimed > term && claimed.saturating_sub(term) <= TERMS_AHEAD;
        let is_beyond = |held: &SectionHeld| self.numbers.get(&held.section).is_some_and(|told| held.number > *told);
        let is_further = held.iter().any(|held| held.term == term && is_beyond(held));
        if !is_later && !is_further || self.believed.contains(&device) || self.is_revoked(device)? {
            return Ok(());
        }
        self.raise_term(claimed.max(term))?;
        self.believed.insert(device);
        Ok(())
    }

    /// Starts a term above `claimed`, which a box has proof of: this database lacks what was written in it.
    pub fn raise_term(&mut self, claimed: u32) -> Result<(), HubError> {
        tracing::error!(
            claimed,
            term = self.term(),
            "a box knows what was told later: this database was restored; a new term starts"
        );
        self.store.raise_term(claimed.saturating_add(1))?;
        self.numbers.clear();
        self.countersigned.clear();
        self.term_due = true;
        self.begin_term()
    }

    /// Tells everything anew where a term has started and that did not succeed: until then nobody is told anything.
    pub(crate) fn begin_term(&mut self) -> Result<(), HubError> {
        if std::mem::take(&mut self.term_due) {
            let begun = self.resume_deltas();
            self.term_due = begun.is_err();
            begun?;
        }
        Ok(())
    }

    /// Unix milliseconds.
    pub fn now_ms(&self) -> u64 {
        (self.clock)()
    }

    /// Who this hub is.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// Term of the database.
    pub fn term(&self) -> u32 {
        self.store.term()
    }

    /// What the sessions send.
    pub fn feeds(&self) -> Arc<Feeds> {
        self.feeds.clone()
    }

    /// What is held of all journals.
    pub fn journals(&self) -> &Journals {
        &self.journals
    }

    /// The store, for reading.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A further connection that only reads.
    pub fn reading(&self) -> Result<Reading, HubError> {
        Ok(self.store.reading(&self.dir)?)
    }
}
