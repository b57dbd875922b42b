//! What the hub knows of each journal while it runs: who may write in it, how far it is held, what of it counts.
//! Invariant: equal to what the store holds after each commit; after a failed transaction it is read anew.
//! Not here: the tree of runs (`tree`), sums (`batch`).
use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::{
    id::{BoxNumber, DeviceId, EntryRef},
    journal::{Detail, Effect, Entry, EntryError, EntryHash, Head, Kind, Revocation, link},
    ledger::{Cutoff, Reason, Rights, Standing, active_revocations, cutoff, subjects_of_newer},
    money::Currency,
    time::Hlc,
    trust::{CertificateChain, Founding, Purpose},
};
use sync::{JournalHeads, VersionVector};

use super::tree::{Hashes, Tree};
use crate::store::{Place, Store, StoreError, StoredRun};

/// One journal.
#[derive(Clone, Debug)]
pub struct Journal {
    /// Its small number.
    pub id: u32,
    /// Whose.
    pub device: DeviceId,
    /// Which run of it.
    pub epoch: u32,
    /// Key that signs it.
    pub public_key: [u8; 32],
    /// Number that it writes on chips; 0 until its genesis is here.
    pub box_number: BoxNumber,
    /// What it may write.
    pub rights: Option<Rights>,
    /// Whether its genesis is held.
    pub has_genesis: bool,
    /// Where its entries are.
    pub tree: Tree,
    /// Where a revocation ends it.
    pub cutoff: Cutoff,
    /// The run and position that the cutoff's head is at, where it is held.
    cut_at: Option<(u32, u32)>,
    /// Run and position of heads that a hub countersigned.
    confirmed: Vec<(u32, u32)>,
    /// From which position on it is forked.
    pub forked_at: Option<u32>,
    /// Its `CLOSURE` entries.
    pub closures: Vec<Place>,
}

/// What decides which entries of a journal a revocation cuts off: the cutoff, where its head is held, and each run with
/// where it begins and what it grew from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ground {
    cutoff: Cutoff,
    cut_at: Option<(u32, u32)>,
    runs: Vec<(u32, u32, Option<u32>)>,
}

/// All journals.
#[derive(Clone, Debug, Default)]
pub struct Journals {
    list: Vec<Journal>,
    by_key: BTreeMap<(DeviceId, u32), usize>,
    /// Devices of which it was told that they have opened too many.
    beyond: BTreeSet<DeviceId>,
}

/// A body as this software reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadBody {
    /// An entry.
    Entry(Entry),
    /// Newer than this software: an entry that freezes what it names.
    Newer(Entry),
    /// Not of its layout.
    Malformed(Entry),
}

impl ReadBody {
    /// Reads a body of a journal in `currency`.
    pub fn of(body: &[u8], currency: Currency) -> Self {
        let blank = |effect| Entry::new(Kind(u16::MAX), effect, currency, Hlc(0));
        match Entry::from_bytes(body) {
            Ok(entry) => Self::Entry(entry),
            Err(EntryError::Version(version)) => {
                let (subject, other) = subjects_of_newer(body).unwrap_or_default();
                Self::Newer(Entry { subject, other, ..blank(Effect::Unknown(version)) })
            }
            Err(EntryError::Malformed(_) | EntryError::TooLong(_)) => {
                let (subject, other) = subjects_of_newer(body).unwrap_or_default();
                Self::Malformed(Entry { subject, other, ..blank(Effect::None) })
            }
        }
    }

    /// The entry.
    pub fn entry(&self) -> &Entry {
        match self {
            Self::Entry(entry) | Self::Newer(entry) | Self::Malformed(entry) => entry,
        }
    }
}

/// Hashes of one journal's entries, computed from the bodies on disk.
pub struct StoredHashes<'a> {
    /// The store.
    pub store: &'a Store,
    /// Small number of the journal.
    pub journal: u32,
}

impl Hashes for StoredHashes<'_> {
    type Error = StoreError;

    fn of(&self, run: &StoredRun, first: u32, last: u32) -> Result<Vec<EntryHash>, StoreError> {
        let journal = i64::from(self.journal);
        let signed = self.store.signed_head_before(journal, run.run, first)?;
        let (mut seq, mut hash) = signed.map_or((run.first, run.prev), |(seq, hash)| (seq.saturating_add(1), hash));
        let mut hashes = Vec::new();
        for body in self.store.bodies(journal, run.run, seq, last)? {
            hash = link(&hash, &body);
            if seq >= first {
                hashes.push(hash);
            }
            seq = seq.saturating_add(1);
        }
        Ok(hashes)
    }
}

impl Journal {
    pub(crate) fn new(id: u32, device: DeviceId, epoch: u32, public_key: [u8; 32]) -> Self {
        Self {
            id,
            device,
            epoch,
            public_key,
            box_number: BoxNumber::default(),
            rights: None,
            has_genesis: false,
            tree: Tree::default(),
            cutoff: Cutoff::None,
            cut_at: None,
            confirmed: Vec::new(),
            forked_at: None,
            closures: Vec::new(),
        }
    }

    /// Reads what the genesis says. Its chain was verified when the segment was; it is verified again here because
    /// rights are judged by it.
    pub(crate) fn opened(&mut self, genesis: &[u8], founding: &Founding) {
        self.has_genesis = true;
        let read = ReadBody::of(genesis, founding.currency);
        let Ok(Detail::Genesis(genesis)) = Detail::of(read.entry()) else { return };
        let certificate =
            CertificateChain::from_bytes(&genesis.chain).ok().and_then(|chain| chain.verify(founding).ok());
        self.rights = certificate.as_ref().map(Rights::of);
        // A box may only write the numbers of its certificate on chips.
        let is_own = certificate.is_some_and(|certificate| {
            let (first, last) = certificate.scope.box_numbers;
            certificate.purpose == Purpose::Device && (first..=last).contains(&genesis.box_number.0)
        });
        self.box_number = if is_own { genesis.box_number } else { BoxNumber(0) };
    }

    /// Name of an entry.
    pub fn entry_ref(&self, seq: u32) -> EntryRef {
        EntryRef { device: self.device, epoch: self.epoch, seq }
    }

    /// Whether an entry of this journal counts.
    pub fn standing(&self, body: &ReadBody, place: Place, currency: Currency) -> Standing {
        match (body, &self.rights) {
            (ReadBody::Malformed(_), _) => return Standing::SetAside(Reason::Malformed),
            (ReadBody::Newer(_), _) | (_, None) => {}
            (ReadBody::Entry(entry), Some(rights)) => {
                if let Err(forbidden) = rights.judge(entry, self.device, currency) {
                    return Standing::SetAside(Reason::Forbidden(forbidden));
                }
            }
        }
        self.ground(place.run, place.seq)
    }

    /// Whether the ground that an entry stands on counts.
    fn ground(&self, run: u32, seq: u32) -> Standing {
        let revoked = match self.cutoff {
            Cutoff::None => false,
            Cutoff::All => true,
            Cutoff::Behind(head) => {
                seq > head.seq || self.cut_at.is_some_and(|(at, last)| self.is_beside(at, last, run, seq))
            }
        };
        if revoked {
            return Standing::BeyondRevocation;
        }
        if self.forked_at.is_some_and(|from| seq >= from) && !self.is_confirmed(run, seq) {
            return Standing::Disputed;
        }
        Standing::InForce
    }

    /// Positions `from..=to` of a run that a revocation cuts off.
    pub(crate) fn beyond(&self, run: u32, from: u32, to: u32) -> impl Iterator<Item = u32> {
        (from..=to).filter(move |seq| self.ground(run, *seq) == Standing::BeyondRevocation)
    }

    pub(crate) fn cut_ground(&self) -> Ground {
        let runs = self.tree.runs().iter().map(|run| (run.run, run.first, run.parent)).collect();
        Ground { cutoff: self.cutoff, cut_at: self.cut_at, runs }
    }

    /// Whether the line to entry `last` of run `at` has another entry at this position.
    fn is_beside(&self, at: u32, last: u32, run: u32, seq: u32) -> bool {
        let on_line =
            self.tree.runs().iter().any(|other| self.tree.reaches(at, last, other.run, seq) && seq <= other.last);
        on_line && !self.tree.reaches(at, last, run, seq)
    }

    /// Under a countersigned head; where those conflict, in their common prefix.
    fn is_confirmed(&self, run: u32, seq: u32) -> bool {
        let mut ends = self.confirmed_ends().peekable();
        ends.peek().is_some() && ends.all(|(at, last)| self.tree.reaches(*at, *last, run, seq))
    }

    /// Countersigned heads without those on the line to another one.
    fn confirmed_ends(&self) -> impl Iterator<Item = &(u32, u32)> {
        let is_inside = |(at, last): &(u32, u32)| {
            self.confirmed.iter().any(|(other, end)| {
                (other, end) != (at, last) && end > last && self.tree.reaches(*other, *end, *at, *last)
            })
        };
        self.confirmed.iter().filter(move |head| !is_inside(head))
    }

    /// Its last head: of the history that was confirmed where it is forked, else of the longest.
    pub(crate) fn last_head(&self) -> Option<Head> {
        let ends: Vec<(u32, u32)> = self.confirmed_ends().copied().collect();
        let counts = |run: &&StoredRun| ends.iter().all(|(at, last)| self.tree.reaches(run.run, run.last, *at, *last));
        let longest = self.tree.runs().iter().filter(counts).max_by_key(|run| (run.last, run.hash));
        longest.map(|run| Head { seq: run.last, hash: run.hash }).or_else(|| self.tree.head())
    }

    /// Whether the history that counts has gone on: entries behind its countersigned head that are disputed.
    pub(crate) fn went_on(&self) -> bool {
        let is_beyond = |at: u32, last: u32| {
            let further = self.tree.runs().iter().filter(|run| run.last > last);
            further
                .filter(|run| self.tree.reaches(run.run, run.last, at, last))
                .any(|run| self.ground(run.run, run.last) == Standing::Disputed)
        };
        let on_fork = |last: &u32| self.forked_at.is_some_and(|from| *last >= from);
        self.confirmed_ends().any(|(at, last)| on_fork(last) && is_beyond(*at, *last))
    }

    /// Entries of all histories from the fork on, without those that a revocation cuts off.
    pub(crate) fn entries_on_forked_ground(&self) -> u32 {
        let Some(from) = self.forked_at else { return 0 };
        let runs = self.tree.runs().iter().filter(|run| run.last >= from);
        let held = runs.map(|run| {
            let first = run.first.max(from);
            match self.cutoff {
                Cutoff::None => run.last.saturating_sub(first).saturating_add(1),
                Cutoff::Behind(_) | Cutoff::All => {
                    let all = (first..=run.last).filter(|seq| self.ground(run.run, *seq) != Standing::BeyondRevocation);
                    u32::try_from(all.count()).unwrap_or(u32::MAX)
                }
            }
        });
        held.fold(0, u32::saturating_add)
    }

    /// Whether this head may be confirmed: each one that was confirmed before lies on its line, before it or beyond it.
    /// Of heads that conflict only the common prefix counts, and none of them can be taken back.
    pub(crate) fn may_confirm(&self, run: u32, seq: u32) -> bool {
        self.confirmed
            .iter()
            .all(|(at, last)| self.tree.reaches(run, seq, *at, *last) || self.tree.reaches(*at, *last, run, seq))
    }

    pub(crate) fn confirm(&mut self, run: u32, seq: u32) {
        if !self.confirmed.contains(&(run, seq)) {
            // One head on a run stands for those before it.
            self.confirmed.retain(|(other, last)| *other != run || *last > seq);
            self.confirmed.push((run, seq));
        }
    }

    pub(crate) fn cut(&mut self, cutoff: Cutoff, store: &Store) -> Result<(), StoreError> {
        self.cutoff = cutoff;
        self.cut_at = match cutoff {
            Cutoff::Behind(head) => self.find(head, store)?.map(|run| (run, head.seq)),
            Cutoff::None | Cutoff::All => None,
        };
        Ok(())
    }

    /// The run that holds this very entry.
    pub(crate) fn find(&self, head: Head, store: &Store) -> Result<Option<u32>, StoreError> {
        let hashes = StoredHashes { store, journal: self.id };
        for run in self.tree.runs().iter().filter(|run| (run.first..=run.last).contains(&head.seq)) {
            if hashes.of(run, head.seq, head.seq)?.first() == Some(&head.hash) {
                return Ok(Some(run.run));
            }
        }
        Ok(None)
    }

    /// As a version vector tells it.
    pub fn heads(&self) -> JournalHeads {
        JournalHeads { device: self.device, epoch: self.epoch, branches: self.tree.branches() }
    }
}

impl Journals {
    /// Reads everything from the store.
    pub fn load(store: &Store, founding: &Founding) -> Result<Self, StoreError> {
        let mut journals = Self::default();
        let mut runs: HashMap<i64, Vec<StoredRun>> = HashMap::new();
        for (journal, run) in store.runs()? {
            runs.entry(journal).or_default().push(run);
        }
        for stored in store.journals()? {
            let id = u32::try_from(stored.journal).map_err(|_| StoreError::Damaged("journal number"))?;
            let mut journal = Journal::new(id, stored.device, stored.epoch, stored.public_key);
            journal.tree = Tree::new(runs.remove(&stored.journal).unwrap_or_default());
            journal.forked_at = journal.tree.forked_at();
            match &stored.genesis {
                Some(genesis) => journal.opened(genesis, founding),
                None => journal.rights = shown_rights(store, stored.device, founding)?,
            }
            journals.add(journal);
        }
        journals.load_hub_acts(store, founding)?;
        Ok(journals)
    }

    /// Closures, countersignatures and revocations, as far as they matter for standings.
    fn load_hub_acts(&mut self, store: &Store, founding: &Founding) -> Result<(), StoreError> {
        for at in 0..self.list.len() {
            let subject = journal_subject(self.list[at].device, self.list[at].epoch);
            self.list[at].closures = store.touching(&subject)?;
        }
        let devices: BTreeSet<DeviceId> = self.list.iter().map(|journal| journal.device).collect();
        for device in devices {
            self.judge_device(device, store, founding.currency)?;
        }
        Ok(())
    }

    pub(crate) fn add(&mut self, journal: Journal) -> usize {
        let at = self.list.len();
        self.by_key.insert((journal.device, journal.epoch), at);
        self.list.push(journal);
        at
    }

    /// All journals.
    pub fn all(&self) -> &[Journal] {
        &self.list
    }

    /// Where a journal is in [`Self::all`].
    pub fn position(&self, device: DeviceId, epoch: u32) -> Option<usize> {
        self.by_key.get(&(device, epoch)).copied()
    }

    /// A journal.
    pub fn get(&self, device: DeviceId, epoch: u32) -> Option<&Journal> {
        self.list.get(self.position(device, epoch)?)
    }

    pub(crate) fn at(&self, position: usize) -> &Journal {
        &self.list[position]
    }

    pub(crate) fn at_mut(&mut self, position: usize) -> &mut Journal {
        &mut self.list[position]
    }

    /// The journal with this small number.
    pub fn by_id(&self, id: u32) -> Option<&Journal> {
        let guess = usize::try_from(id).ok()?.checked_sub(1)?;
        self.list
            .get(guess)
            .filter(|journal| journal.id == id)
            .or_else(|| self.list.iter().find(|journal| journal.id == id))
    }

    /// Whether this journal would be one more of its device than these.
    pub(crate) fn is_beyond(&self, device: DeviceId, epoch: u32, most: usize) -> bool {
        self.position(device, epoch).is_none() && self.of_device(device).count() >= most
    }

    /// Whether this is the first time that a device is known to have opened too many.
    pub(crate) fn is_first_beyond(&mut self, device: DeviceId) -> bool {
        self.beyond.insert(device)
    }

    /// Number for the next journal.
    pub(crate) fn next_id(&self) -> u32 {
        self.list.iter().map(|journal| journal.id).max().unwrap_or(0).saturating_add(1)
    }

    /// All journals of one device, by epoch.
    pub fn of_device(&self, device: DeviceId) -> impl Iterator<Item = &Journal> {
        let epochs = self.by_key.range((device, 0)..=(device, u32::MAX));
        epochs.filter_map(|(_, at)| self.list.get(*at))
    }

    /// What is held of all journals.
    pub fn vector(&self) -> VersionVector {
        VersionVector::new(self.list.iter().map(Journal::heads).collect())
    }

    /// What is held of some devices' journals.
    pub fn vector_of(&self, devices: &[DeviceId]) -> VersionVector {
        let wanted = self.list.iter().filter(|journal| devices.contains(&journal.device));
        VersionVector::new(wanted.map(Journal::heads).collect())
    }

    /// Entries that name a subject, with their places; set-aside ones of other journals too.
    pub(crate) fn entries_about(
        &self,
        subject: &[u8; 16],
        store: &Store,
        currency: Currency,
    ) -> Result<Vec<(usize, Place, ReadBody)>, StoreError> {
        let mut found = Vec::new();
        for place in store.touching(subject)? {
            let Some(at) = self.by_id(place.journal).and_then(|journal| self.position(journal.device, journal.epoch))
            else {
                continue;
            };
            let body = store.body(place)?.ok_or(StoreError::Damaged("an entry is missing"))?;
            found.push((at, place, ReadBody::of(&body, currency)));
        }
        Ok(found)
    }

    /// Judges again which entries of a device's journals count, from the hub entries about it. Gives the journals
    /// whose standing changed, and from which position.
    pub(crate) fn judge_device(
        &mut self,
        device: DeviceId,
        store: &Store,
        currency: Currency,
    ) -> Result<Vec<(usize, u32)>, StoreError> {
        let mut about = self.entries_about(&device.0, store, currency)?;
        if self.of_device(device).any(|journal| journal.forked_at.is_some()) {
            about.extend(self.entries_about(&countersigned_subject(device), store, currency)?);
        }
        let mut acts = Vec::new();
        for (at, place, body) in &about {
            let journal = self.at(*at);
            let standing = journal.standing(body, *place, currency);
            if standing == Standing::InForce {
                acts.push((journal.entry_ref(place.seq), body.entry().clone()));
            }
        }
        let revocations: Vec<Revocation> = active_revocations(device, &acts);
        let positions: Vec<usize> = (0..self.list.len()).filter(|at| self.list[*at].device == device).collect();
        let mut changed = Vec::new();
        for at in positions {
            let before = (self.list[at].cutoff, self.list[at].confirmed.clone());
            let cut = cutoff(&revocations, self.list[at].epoch);
            self.list[at].cut(cut, store)?;
            // Where nothing is forked, nothing needs confirming.
            let forked = self.list[at].forked_at.is_some();
            for (_, act) in acts.iter().filter(|_| forked) {
                if let (Effect::None, Ok(Detail::Countersignature(signed))) = (act.effect, Detail::of(act)) {
                    let head = Head { seq: signed.seq, hash: signed.hash };
                    if signed.epoch == self.list[at].epoch
                        && let Some(run) = self.list[at].find(head, store)?
                    {
                        self.list[at].confirm(run, head.seq);
                    }
                }
            }
            let journal = &self.list[at];
            if before.0 != journal.cutoff {
                changed.push((at, 0));
            } else if before.1 != journal.confirmed
                && let Some(from) = journal.forked_at
            {
                changed.push((at, from));
            }
        }
        Ok(changed)
    }
}

/// What the chain that the box showed allows, while its genesis is missing.
fn shown_rights(store: &Store, device: DeviceId, founding: &Founding) -> Result<Option<Rights>, StoreError> {
    let chain = store.chain_of(device)?.and_then(|chain| CertificateChain::from_bytes(&chain).ok());
    Ok(chain.and_then(|chain| chain.verify(founding).ok()).as_ref().map(Rights::of))
}

/// Under what the closures of a journal are found in `touches`: no wallet or ticket has this id.
pub(crate) fn journal_subject(device: DeviceId, epoch: u32) -> [u8; 16] {
    subject(b"hub.closures\0", device, epoch)
}

/// Under what the countersignatures of a device's heads are found in `touches`.
pub(crate) fn countersigned_subject(device: DeviceId) -> [u8; 16] {
    subject(b"hub.countersigned\0", device, 0)
}

/// Under what all rulings are found in `touches`.
pub(crate) fn rulings_subject() -> [u8; 16] {
    subject(b"hub.rulings\0", DeviceId([0; 16]), 0)
}

fn subject(tag: &[u8], device: DeviceId, epoch: u32) -> [u8; 16] {
    let mut hash = blake3::Hasher::new();
    hash.update(tag).update(&device.0).update(&epoch.to_le_bytes());
    let mut subject = [0; 16];
    subject.copy_from_slice(hash.finalize().as_bytes().split_at(16).0);
    subject
}
