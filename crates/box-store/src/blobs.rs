//! Large things of bundles, each in a file named after its hash: `blobs/HASH`, and `blobs/HASH.part` while it arrives.
//! Invariant: a file under a blob's own name was whole and of that hash when it got the name; what is mapped was
//! checked since this process started. Bytes that turn out wrong are thrown away, and nothing else with them.
//! Not here: which blobs a bundle names (`domain::bundle`), asking the hub for them (`sync`).
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use domain::{
    bundle::{BLOB_MAX, BlobRef, WrongBlob},
    wire::hex,
};
use thiserror::Error;

use crate::{database::put_in_place, mapped::Mapped};

/// The folder of the blobs of one box.
#[derive(Clone, Debug)]
pub struct Blobs {
    dir: PathBuf,
}

/// A blob that cannot be had.
#[derive(Debug, Error)]
pub enum BlobError {
    /// The file system.
    #[error("a blob on disk: {0}")]
    Io(#[from] io::Error),
    /// Not the bytes that the bundle names; they are gone from disk.
    #[error(transparent)]
    Wrong(#[from] WrongBlob),
    /// A piece that does not follow on what is held.
    #[error("a piece at byte {found}, {held} bytes are held")]
    Gap {
        /// Where the piece begins.
        found: u64,
        /// What is held.
        held: u64,
    },
}

impl Blobs {
    /// The blobs beside the store at `store`.
    pub fn beside(store: &Path) -> Self {
        Self { dir: store.with_file_name("blobs") }
    }

    fn file(&self, blob: &BlobRef) -> PathBuf {
        self.dir.join(hex(&blob.hash))
    }

    fn part(&self, blob: &BlobRef) -> PathBuf {
        self.dir.join(format!("{}.part", hex(&blob.hash)))
    }

    /// Whether it is there, by name and length.
    pub fn has(&self, blob: &BlobRef) -> bool {
        fs::metadata(self.file(blob)).is_ok_and(|found| found.len() == blob.length)
    }

    /// How many bytes of it have arrived so far.
    pub fn arrived(&self, blob: &BlobRef) -> u64 {
        let held = fs::metadata(self.part(blob)).map_or(0, |found| found.len());
        // longer than it may be: it starts again
        if held > blob.length { 0 } else { held }
    }

    /// Adds a piece. The last one makes it whole: checked against its hash, synced, named; bytes that are wrong are
    /// thrown away. Gives how many bytes are held.
    pub fn add(&self, blob: &BlobRef, offset: u64, bytes: &[u8]) -> Result<u64, BlobError> {
        let held = self.arrived(blob);
        if offset != held {
            return Err(BlobError::Gap { found: offset, held });
        }
        let end = held.saturating_add(bytes.len() as u64);
        if end > blob.length || blob.length > BLOB_MAX {
            return Err(WrongBlob::Length { found: end, wanted: blob.length }.into());
        }
        private_dir(&self.dir)?;
        let part = self.part(blob);
        let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(&part)?;
        file.set_len(held)?;
        file.seek(SeekFrom::Start(held))?;
        file.write_all(bytes)?;
        if end == blob.length {
            drop(file);
            let checked = Mapped::open(&part).map_err(BlobError::from).and_then(|map| Ok(blob.check(&map)?));
            if let Err(error) = checked {
                fs::remove_file(&part)?;
                return Err(error);
            }
            put_in_place(&part, &self.file(blob))?;
        }
        Ok(end)
    }

    /// Stores one that is whole in memory.
    pub fn put(&self, blob: &BlobRef, bytes: &[u8]) -> Result<(), BlobError> {
        blob.check(bytes)?;
        if self.has(blob) && self.map(blob).is_ok() {
            return Ok(());
        }
        private_dir(&self.dir)?;
        let part = self.part(blob);
        File::create(&part)?.write_all(bytes)?;
        Ok(put_in_place(&part, &self.file(blob))?)
    }

    /// Maps it, after a look at every byte. One whose bytes are wrong is removed, so that it is fetched again.
    pub fn map(&self, blob: &BlobRef) -> Result<Mapped, BlobError> {
        let path = self.file(blob);
        let map = Mapped::open(&path)?;
        match blob.check(&map) {
            Ok(()) => Ok(map),
            Err(wrong) => {
                tracing::warn!(%wrong, blob = hex(&blob.hash), "a blob on disk has changed; it is fetched again");
                fs::remove_file(&path)?;
                Err(wrong.into())
            }
        }
    }

    /// Removes every blob and part but these.
    pub fn keep_only(&self, blobs: &[BlobRef]) -> io::Result<()> {
        let kept: Vec<PathBuf> = blobs.iter().flat_map(|blob| [self.file(blob), self.part(blob)]).collect();
        let files = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            files => files?,
        };
        for file in files {
            let path = file?.path();
            if !kept.contains(&path) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

fn private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs() -> (tempfile::TempDir, Blobs) {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::beside(&dir.path().join("store.db"));
        (dir, blobs)
    }

    fn files(blobs: &Blobs) -> usize {
        fs::read_dir(&blobs.dir).map_or(0, Iterator::count)
    }

    #[test]
    fn a_blob_arrives_piece_by_piece_over_restarts_and_is_mapped_whole() {
        let (dir, blobs) = blobs();
        let bytes: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        let blob = BlobRef::of(&bytes, 1);
        let mut held = 0;
        for piece in bytes.chunks(150_000) {
            let again = Blobs::beside(&dir.path().join("store.db"));
            assert_eq!((again.arrived(&blob), again.has(&blob)), (held, false));
            held = again.add(&blob, held, piece).unwrap();
        }
        assert!(blobs.has(&blob));
        assert_eq!(&*blobs.map(&blob).unwrap(), bytes.as_slice());
        assert_eq!(files(&blobs), 1, "no part is left");
    }

    #[test]
    fn a_piece_that_does_not_follow_or_goes_beyond_the_end_changes_nothing() {
        let (_dir, blobs) = blobs();
        let blob = BlobRef::of(b"abcdef", 1);
        blobs.add(&blob, 0, b"abc").unwrap();
        assert!(matches!(blobs.add(&blob, 0, b"abc"), Err(BlobError::Gap { found: 0, held: 3 })));
        assert!(matches!(blobs.add(&blob, 5, b"f"), Err(BlobError::Gap { found: 5, held: 3 })));
        assert!(matches!(blobs.add(&blob, 3, b"defg"), Err(BlobError::Wrong(_))));
        blobs.add(&blob, 3, b"def").unwrap();
        assert_eq!(&*blobs.map(&blob).unwrap(), b"abcdef");
    }

    #[test]
    fn wrong_bytes_are_thrown_away_and_it_starts_again() {
        let (_dir, blobs) = blobs();
        let blob = BlobRef::of(b"abcdef", 1);
        blobs.add(&blob, 0, b"abX").unwrap();
        assert!(matches!(blobs.add(&blob, 3, b"def"), Err(BlobError::Wrong(WrongBlob::Hash))));
        assert_eq!((blobs.arrived(&blob), blobs.has(&blob)), (0, false));
        assert!(blobs.put(&blob, b"abXdef").is_err());
        blobs.put(&blob, b"abcdef").unwrap();
        assert!(blobs.has(&blob));
    }

    #[test]
    fn a_blob_that_changed_on_disk_is_found_at_load_and_put_again() {
        let (_dir, blobs) = blobs();
        let blob = BlobRef::of(b"abcdef", 1);
        blobs.put(&blob, b"abcdef").unwrap();
        fs::write(blobs.file(&blob), b"abcdeX").unwrap();
        assert!(blobs.has(&blob));
        assert!(matches!(blobs.map(&blob), Err(BlobError::Wrong(WrongBlob::Hash))));
        assert!(!blobs.has(&blob));
        blobs.put(&blob, b"abcdef").unwrap();
        assert!(blobs.map(&blob).is_ok());
    }

    #[test]
    fn what_no_bundle_names_any_more_goes_and_a_map_of_it_stays_readable() {
        let (_dir, blobs) = blobs();
        let (old, new) = (BlobRef::of(b"old", 1), BlobRef::of(b"new", 1));
        blobs.put(&old, b"old").unwrap();
        blobs.put(&new, b"new").unwrap();
        let map = blobs.map(&old).unwrap();
        blobs.keep_only(&[new]).unwrap();
        assert_eq!((blobs.has(&old), blobs.has(&new), files(&blobs)), (false, true, 1));
        assert_eq!(&*map, b"old");
    }
}
