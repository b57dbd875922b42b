//! Files of keys and records. Invariant: everything written here is readable by its owner alone (0600, folders 0700),
//! a new file never takes the place of another, and a replaced one is never seen half written.
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use crate::Failure;

/// Longest file that is read: a bundle is the longest one.
pub const MAX: u64 = domain::bundle::BUNDLE_MAX as u64;

fn failed(path: &Path, reason: std::io::Error) -> Failure {
    let path = path.into();
    let kind = reason.kind();
    if kind == std::io::ErrorKind::NotFound {
        Failure::Missing(path)
    } else if kind == std::io::ErrorKind::AlreadyExists {
        Failure::AlreadyThere(path)
    } else {
        Failure::File { path, reason: reason.to_string() }
    }
}

/// Makes a folder for its owner alone; refuses one that is there.
pub fn new_dir(path: &Path) -> Result<(), Failure> {
    DirBuilder::new().mode(0o700).create(path).map_err(|error| failed(path, error))
}

/// Writes a new file for its owner alone, down to the disk; refuses one that is there.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| failed(path, error))?;
    sync_folder(path)
}

/// Writes a file in place of the one that is there, whole or not at all.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let draft = draft(path, bytes)?;
    fs::rename(&draft, path).map_err(|error| failed(path, error))?;
    sync_folder(path)
}

/// As [`write_new`], but nobody ever sees the file without its content.
pub fn place_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let draft = draft(path, bytes)?;
    let placed = fs::hard_link(&draft, path).map_err(|error| failed(path, error));
    fs::remove_file(&draft).map_err(|error| failed(&draft, error))?;
    placed?;
    sync_folder(path)
}

/// The content, under a name beside `path` that nobody else has.
fn draft(path: &Path, bytes: &[u8]) -> Result<PathBuf, Failure> {
    let suffix = domain::wire::hex(&crate::random::bytes::<6>()?);
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{suffix}"));
    let draft = PathBuf::from(draft);
    write_new(&draft, bytes)?;
    Ok(draft)
}

/// The folder of a file, down to the disk: a new name in it survives a power cut.
pub(crate) fn sync_folder(path: &Path) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(folder, error))
}

/// A whole file.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX + 1).read_to_end(&mut bytes));
    read.map_err(|error| failed(path, error))?;
    if bytes.len() as u64 > MAX {
        return Err(Failure::damaged(path, format!("longer than {MAX} bytes")));
    }
    Ok(bytes)
}

/// A whole text file.
pub fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path)?).map_err(|_| Failure::damaged(path, "not UTF-8 text"))
}

/// A secret of 32 bytes, raw.
pub fn read_secret(path: &Path) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let bytes = Zeroizing::new(read(path)?);
    let secret: Result<[u8; 32], _> = bytes.as_slice().try_into();
    secret.map(Zeroizing::new).map_err(|_| Failure::damaged(path, "a key has 32 bytes"))
}

/// The signing key in a file of 32 raw bytes.
pub fn read_key(path: &Path) -> Result<SigningKey, Failure> {
    Ok(SigningKey::from_bytes(&*read_secret(path)?))
}

/// Makes a new signing key and writes it to a new file.
pub fn new_key(path: &Path) -> Result<SigningKey, Failure> {
    let seed = crate::random::secret()?;
    write_new(path, seed.as_slice())?;
    Ok(SigningKey::from_bytes(&seed))
}

/// A lock file that is held until this is dropped, and by nobody else meanwhile.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Waits for whoever holds it.
    pub(crate) fn wait(path: &Path) -> Result<Self, Failure> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        let file = file.map_err(|error| failed(path, error))?;
        file.lock().map_err(|error| failed(path, error))?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // a process that is being started at this moment has a copy of the open file, and the lock would last with it
        self.0.unlock().ok();
    }
}

/// The permission bits of a file or folder.
pub fn mode(path: &Path) -> Result<u32, Failure> {
    let metadata = fs::metadata(path).map_err(|error| failed(path, error))?;
    Ok(metadata.permissions().mode() & 0o777)
}

/// The files of a folder whose name ends so, sorted.
pub fn list(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        if path.extension().is_some_and(|end| end == extension) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_for_its_owner_alone_and_never_replaces_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        write_new(&path, &[1; 32]).unwrap();
        assert_eq!(mode(&path), Ok(0o600));
        assert_eq!(write_new(&path, &[2; 32]), Err(Failure::AlreadyThere(path.clone())));
        assert_eq!(*read_secret(&path).unwrap(), [1; 32]);
    }

    #[test]
    fn a_replaced_file_is_whole_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.toml");
        write_new(&path, b"old").unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(read(&path), Ok(b"new".to_vec()));
        assert_eq!(place_new(&path, b"newer"), Err(Failure::AlreadyThere(path.clone())));
        assert_eq!(read(&path), Ok(b"new".to_vec()));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
