//! The blobs of the bundle: made from the database beside the writer, kept in `blobs/HASH`, read piece by piece.
//! Invariant: a file has its blob's name only when it is whole and on disk; the bundle names only such files. No name
//! of a guest leaves this module in the clear.
//! Not here: the formats (`domain::ticket::snapshot`, `domain::names`), who is sent what (`net`).
mod make;

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use domain::{
    bundle::{BlobRef, BundleSection, Package, SECTION_TICKETS},
    id::TicketUid,
    ticket::snapshot::Snapshot,
    wire::hex,
};

pub use make::{Made, Plan, make};

use crate::{
    hub::{Hub, HubError},
    store::{BarReason, StoreError},
};

/// Blobs are made at most so often, and so much later for each started MB: boxes fetch them over the venue's uplink.
const EVERY_MS: u64 = 10_000;

/// The folder of the blobs.
#[derive(Clone, Debug)]
pub struct BlobFolder {
    dir: PathBuf,
}

impl BlobFolder {
    /// In the hub's directory.
    pub fn new(hub: &Path) -> Self {
        Self { dir: hub.join("blobs") }
    }

    fn file(&self, hash: &[u8; 32]) -> PathBuf {
        self.dir.join(hex(hash))
    }

    fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
        let path = path.to_owned();
        |reason| StoreError::File { path, reason }
    }

    /// Whether it is there, by name and length.
    pub fn has(&self, blob: &BlobRef) -> bool {
        fs::metadata(self.file(&blob.hash)).is_ok_and(|found| found.len() == blob.length)
    }

    /// Stores a blob, durably.
    pub fn put(&self, bytes: &[u8], count: u32) -> Result<BlobRef, StoreError> {
        use std::os::unix::fs::DirBuilderExt;
        let blob = BlobRef::of(bytes, count);
        if self.has(&blob) {
            return Ok(blob);
        }
        let file = self.file(&blob.hash);
        let part = file.with_extension("part");
        let write = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
            let mut draft = fs::File::create(&part)?;
            draft.write_all(bytes)?;
            draft.sync_all()?;
            fs::rename(&part, &file)?;
            fs::File::open(&self.dir)?.sync_all()
        };
        write().map_err(Self::failed(&file))?;
        Ok(blob)
    }

    /// A piece of a blob; empty where it is not here (any more).
    pub fn piece(&self, hash: &[u8; 32], offset: u64, max: usize) -> Vec<u8> {
        let read = || {
            let mut file = fs::File::open(self.file(hash))?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::with_capacity(max);
            file.take(max as u64).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        read().unwrap_or_default()
    }

    /// The whole blob.
    pub fn whole(&self, blob: &BlobRef) -> Result<Vec<u8>, StoreError> {
        let file = self.file(&blob.hash);
        fs::read(&file).map_err(Self::failed(&file))
    }

    /// Removes every other blob.
    fn keep_only(&self, kept: &BTreeSet<[u8; 32]>) {
        let kept: BTreeSet<PathBuf> = kept.iter().map(|hash| self.file(hash)).collect();
        let files = fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|file| file.path());
        for file in files.filter(|file| !kept.contains(file)) {
            if let Err(reason) = fs::remove_file(&file) {
                tracing::warn!(file = %file.display(), %reason, "an old blob stays");
            }
        }
    }
}

/// How far the blobs are.
#[derive(Debug)]
pub(crate) struct Blobs {
    pub(crate) folder: BlobFolder,
    /// Something that they are made from has changed, or may have.
    changed: bool,
    /// A ticket that the snapshot has as blocked is free again, which no list can say.
    at_once: bool,
    made_ms: Option<u64>,
    /// What the snapshot bars already.
    barred: BTreeSet<(TicketUid, bool)>,
    /// Those of the bundle before, which boxes may still be fetching.
    previous: BTreeSet<[u8; 32]>,
}

impl Blobs {
    pub(crate) fn new(hub: &Path) -> Self {
        Self {
            folder: BlobFolder::new(hub),
            changed: true,
            at_once: false,
            made_ms: None,
            barred: BTreeSet::new(),
            previous: BTreeSet::new(),
        }
    }

    /// Tickets or names have changed.
    pub(crate) fn changed(&mut self) {
        self.changed = true;
    }

    /// A block was lifted.
    pub(crate) fn unblocked(&mut self, ticket: TicketUid) {
        self.changed = true;
        self.at_once |= self.barred.contains(&(ticket, false));
    }
}

impl Hub {
    /// What to make blobs from now; `None` while nothing has changed, or too short a time has passed.
    pub fn blobs_due(&self) -> Result<Option<Plan>, HubError> {
        let stored = self.store.blobs()?;
        let megabytes: u64 = stored.values().map(|stored| stored.blob.length >> 20).sum();
        let every_ms = EVERY_MS.saturating_mul(megabytes.saturating_add(1));
        let passed = self.blobs.made_ms.is_none_or(|made_ms| self.now_ms() >= made_ms.saturating_add(every_ms));
        let due = self.blobs.changed && (passed || self.blobs.at_once);
        Ok(due.then(|| Plan {
            festival: self.identity.festival,
            names: self.identity.names.clone(),
            folder: self.blobs.folder.clone(),
            floor: u64::from(self.term()).saturating_mul(1_000_000),
            held: stored,
        }))
    }

    /// They are being made from what stands in the database now: what changes from here on is for the next ones.
    pub fn blobs_begun(&mut self) {
        (self.blobs.changed, self.blobs.at_once) = (false, false);
        self.blobs.made_ms = Some(self.now_ms());
    }

    /// Names what was made in the bundle from now on.
    pub fn take_blobs(&mut self, made: Vec<Made>) -> Result<(), HubError> {
        self.blobs.previous = self.store.blobs()?.values().map(|stored| stored.blob.hash).collect();
        self.store.transaction::<_, HubError>(|store| {
            for made in made {
                match made {
                    Made::Blob(stored) => store.put_blob(&stored)?,
                    Made::Nothing(section) => store.drop_blob(section)?,
                }
            }
            Ok(())
        })?;
        self.load_blobs()
    }

    /// Makes them here and now.
    pub fn refresh_blobs(&mut self) -> Result<(), HubError> {
        self.blobs.made_ms = None;
        let Some(plan) = self.blobs_due()? else { return Ok(()) };
        self.blobs_begun();
        let made = make(&self.reading()?, &plan);
        if made.is_err() {
            self.blobs.changed();
        }
        self.take_blobs(made?)
    }

    /// Notes that making them failed: they are tried again.
    pub fn blobs_failed(&mut self) {
        self.blobs.changed();
    }

    /// Reads what the snapshot bars; forgets blobs whose files are gone.
    pub(crate) fn load_blobs(&mut self) -> Result<(), HubError> {
        let mut stored = self.store.blobs()?;
        for (section, lost) in stored.clone() {
            if !self.blobs.folder.has(&lost.blob) {
                tracing::warn!(section, "a blob is gone; it is made again");
                self.store.transaction::<_, HubError>(|store| Ok(store.drop_blob(section)?))?;
                stored.remove(&section);
                self.blobs.changed();
            }
        }
        self.blobs.barred = match stored.get(&SECTION_TICKETS) {
            Some(tickets) => {
                let bytes = self.blobs.folder.whole(&tickets.blob)?;
                let snapshot = Snapshot::open(&bytes, &self.identity.festival)
                    .map_err(|_| StoreError::Damaged("the ticket snapshot"))?;
                let barred = snapshot.tickets().flat_map(|ticket| {
                    let revoked = ticket.revoked.then_some((ticket.uid, true));
                    revoked.into_iter().chain(ticket.blocked.then_some((ticket.uid, false)))
                });
                barred.collect()
            }
            None => BTreeSet::new(),
        };
        let kept = stored.values().map(|stored| stored.blob.hash).chain(self.blobs.previous.iter().copied());
        self.blobs.folder.keep_only(&kept.collect());
        Ok(())
    }

    /// Sections of the bundle that name the blobs.
    pub(crate) fn blob_sections(&self) -> Result<Vec<BundleSection>, StoreError> {
        Ok(self.store.blobs()?.values().map(|stored| stored.blob.section(stored.section)).collect())
    }

    /// Tickets barred for this reason since the snapshot was made, sorted.
    pub(crate) fn barred_since(&self, reason: BarReason) -> Result<Vec<TicketUid>, StoreError> {
        let revoked = reason == BarReason::Revoked;
        let barred = self.store.barred(reason)?.into_iter();
        Ok(barred.filter(|ticket| !self.blobs.barred.contains(&(*ticket, revoked))).collect())
    }

    /// The current bundle and its blobs in one file (`domain::bundle::Package`).
    pub fn package(&mut self) -> Result<(u64, Vec<u8>), HubError> {
        self.refresh_blobs()?;
        let bundle = self.current_bundle()?;
        let blobs = self.store.blobs()?;
        let blobs =
            blobs.values().map(|stored| self.blobs.folder.whole(&stored.blob)).collect::<Result<Vec<_>, _>>()?;
        let blobs: Vec<&[u8]> = blobs.iter().map(Vec::as_slice).collect();
        Ok((bundle.number, Package::write(&bundle.bytes, &blobs)))
    }
}

#[cfg(test)]
mod tests;
