//! A disk that loses power: SQLite's own file system layer, with what was not flushed kept apart.
//! Invariant: after a cut, of each sector written since the last flush either the old or the new bytes stand, or a torn
//! mixture, each by itself: dropped, torn, reordered. What was flushed stands.
//! Not here: what a box does with it (`store`).
#[allow(unsafe_code, reason = "SQLite calls whoever wants to know of connections through C")]
mod normal;
#[allow(unsafe_code, reason = "SQLite calls its file system layer through C")]
mod vfs;

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use anyhow::{Result, bail};

use crate::dice::Dice;

/// What a medium writes at once, at best.
const SECTOR: u64 = 512;

/// What is wrong with a disk on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Medium {
    /// It keeps what it flushed.
    #[default]
    Honest,
    /// It says that it flushed and did not.
    Lies,
}

#[derive(Default)]
struct Unflushed {
    /// What stood in each sector at the last flush, as far as the file reached then.
    sectors: BTreeMap<u64, Vec<u8>>,
    /// How long the file was at the last flush.
    length: Option<u64>,
}

struct State {
    medium: Medium,
    files: HashMap<PathBuf, Unflushed>,
    /// Operations until the power fails.
    left: Option<u64>,
    dead: bool,
}

/// One disk: the folder of one box.
pub(crate) struct Disk {
    folder: PathBuf,
    state: Mutex<State>,
}

fn disks() -> &'static Mutex<HashMap<PathBuf, Arc<Disk>>> {
    static DISKS: OnceLock<Mutex<HashMap<PathBuf, Arc<Disk>>>> = OnceLock::new();
    DISKS.get_or_init(Mutex::default)
}

fn of(file: &Path) -> Option<Arc<Disk>> {
    let all = disks().lock().unwrap_or_else(PoisonError::into_inner);
    all.get(file.parent()?).map(Arc::clone)
}

/// Puts the layer in front of SQLite's own, once for the process.
pub(crate) fn install() -> Result<()> {
    if vfs::install() { Ok(()) } else { bail!("SQLite does not take another file system layer") }
}

/// Lets SQLite run with `synchronous = NORMAL` in this process, whatever boxes ask for.
pub(crate) fn flush_less() -> Result<()> {
    if normal::install() { Ok(()) } else { bail!("SQLite tells nobody of its connections") }
}

impl Disk {
    /// Watches the database files in `folder` from now on.
    pub(crate) fn watch(folder: &Path, medium: Medium) -> Arc<Self> {
        let state = State { medium, files: HashMap::new(), left: None, dead: false };
        let disk = Arc::new(Self { folder: folder.to_owned(), state: Mutex::new(state) });
        let mut all = disks().lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(folder.to_owned(), Arc::clone(&disk));
        disk
    }

    /// What it is like.
    pub(crate) fn medium(&self) -> Medium {
        self.state().medium
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power fails in the `after`-th operation from now.
    pub(crate) fn fail_after(&self, after: u64) {
        self.state().left = Some(after);
    }

    /// The power does not fail by itself any more.
    pub(crate) fn stays(&self) {
        self.state().left = None;
    }

    /// Whether the power has failed.
    pub(crate) fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// The power fails now, if it did not yet: decides what of the unflushed sectors stands, and gives the disk back.
    /// Nothing may have the files open any more.
    pub(crate) fn comes_back(&self, dice: &mut Dice) -> io::Result<()> {
        let mut state = self.state();
        for (path, unflushed) in state.files.drain() {
            if path.exists() {
                settle(&path, &unflushed, dice)?;
            }
        }
        (state.left, state.dead) = (None, false);
        // shared memory is gone with the power
        for file in fs::read_dir(&self.folder)? {
            let path = file?.path();
            if path.to_string_lossy().ends_with("-shm") {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Forgets the disk.
    pub(crate) fn forget(&self) {
        disks().lock().unwrap_or_else(PoisonError::into_inner).remove(&self.folder);
    }

    /// One operation that changes the disk; `false` where there is no power, before or after it.
    fn operate(&self) -> (bool, bool) {
        let mut state = self.state();
        if state.dead {
            return (false, false);
        }
        if let Some(left) = &mut state.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                state.dead = true;
                return (true, false);
            }
        }
        (true, true)
    }

    /// Keeps what stands where something is about to be written.
    fn before_write(&self, path: &Path, file: &File, at: u64, length: u64) -> io::Result<()> {
        let mut state = self.state();
        let unflushed = state.files.entry(path.to_owned()).or_default();
        let end = *unflushed.length.get_or_insert(file.metadata()?.len());
        for sector in at / SECTOR..=(at.saturating_add(length).saturating_sub(1)) / SECTOR {
            if let std::collections::btree_map::Entry::Vacant(place) = unflushed.sectors.entry(sector) {
                let from = sector.saturating_mul(SECTOR);
                let mut old = vec![0; usize::try_from(end.saturating_sub(from).min(SECTOR)).unwrap_or(0)];
                file.read_exact_at(&mut old, from)?;
                place.insert(old);
            }
        }
        Ok(())
    }

    fn before_truncate(&self, path: &Path, file: &File, to: u64) -> io::Result<()> {
        let end = file.metadata()?.len();
        if end > to { self.before_write(path, file, to, end - to) } else { self.before_write(path, file, to, 1) }
    }

    fn flushed(&self, path: &Path) {
        let mut state = self.state();
        match state.medium {
            Medium::Honest => drop(state.files.remove(path)),
            Medium::Lies => {}
        }
    }
}

/// What of each sector stands after the cut.
fn settle(path: &Path, unflushed: &Unflushed, dice: &mut Dice) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    for (sector, old) in &unflushed.sectors {
        let from = sector.saturating_mul(SECTOR);
        let mut new = vec![0; usize::try_from(length.saturating_sub(from).min(SECTOR)).unwrap_or(0)];
        file.read_exact_at(&mut new, from)?;
        let mut old = old.clone();
        old.resize(old.len().max(new.len()), 0);
        new.resize(old.len(), 0);
        let stands = match dice.below(8) {
            0..=2 => continue,
            3..=5 => old,
            _ => {
                // torn: the head of the new bytes, the tail of the old ones
                let cut = dice.below(new.len().saturating_add(1));
                new.iter().take(cut).chain(old.iter().skip(cut)).copied().collect()
            }
        };
        file.write_all_at(&stands, from)?;
    }
    if let Some(before) = unflushed.length
        && dice.one_in(2)
    {
        // the new length was not flushed either
        let kept = if before < length { before } else { length };
        file.set_len(kept.max(before.min(length)))?;
    }
    Ok(())
}
