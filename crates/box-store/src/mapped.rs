//! A file of the box's own, read where it lies on disk instead of copied into memory.
//! Invariant: the file is opened read-only, and nobody writes into it: a blob is written under another name and gets
//! its own by rename, once and for all (its name is its hash), and is removed by unlink, which leaves a map as it is.
//! Not here: which file (`blobs`), what the bytes mean (`domain`).
#![allow(unsafe_code, reason = "a memory map is unsafe to make: the file could change underneath; see the invariant")]
use std::{fs::File, io, ops::Deref, path::Path};

use memmap2::Mmap;

/// A mapped file's bytes.
#[derive(Debug)]
pub struct Mapped(Mmap);

impl Mapped {
    /// Maps a file for reading.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: the bytes behind the map never change and the file never shrinks while it is mapped. Only `blobs`
        // makes these files, in the box's own folder (mode 0700): whole and synced under another name, then renamed;
        // it never opens one for writing again. A process of the same user that broke this on purpose could as well
        // change this process. Whatever the bytes are, they are read as plain bytes, which have no invalid value.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Self(map))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
