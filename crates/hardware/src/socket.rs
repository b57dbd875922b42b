//! Unix sockets under the virtual devices: binding in place of a dead socket, connecting with
//! patience. Invariant: only a socket is ever replaced, never a file or folder.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use thiserror::Error;

/// Pause between two attempts to connect or accept.
pub(crate) const RETRY: Duration = Duration::from_millis(5);

/// A virtual device that cannot be reached from the world's side.
#[derive(Debug, Error)]
pub enum VirtualError {
    /// No box listens there, for as long as was waited.
    #[error("no box answers at {path} within {patience:?}: {source}")]
    NotThere {
        /// The socket.
        path: PathBuf,
        /// How long was waited.
        patience: Duration,
        /// Why the last attempt failed.
        source: io::Error,
    },
    /// The box hung up or did not answer in time.
    #[error("the box at {path} did not answer: {source}")]
    NoAnswer {
        /// The socket.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
}

/// Listens at `path` for this user only, without blocking; a socket left behind by a killed box is
/// replaced.
pub(crate) fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path)?,
        Ok(_) => {
            let reason = format!("{} is there and is no socket", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, reason));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The next client in the queue, if there is one.
pub(crate) fn accept(listener: &UnixListener) -> io::Result<Option<UnixStream>> {
    match listener.accept() {
        Ok((stream, _)) => {
            stream.set_nonblocking(false)?;
            Ok(Some(stream))
        }
        Err(error) if is_not_yet(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Connects, again and again until `patience` is over.
pub(crate) fn connect(path: &Path, patience: Duration) -> Result<UnixStream, VirtualError> {
    let deadline = Instant::now() + patience;
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(source) if Instant::now() >= deadline => {
                return Err(VirtualError::NotThere { path: path.to_owned(), patience, source });
            }
            Err(_) => thread::sleep(RETRY),
        }
    }
}

/// True for a read that found nothing within its time, which is no failure.
pub(crate) fn is_not_yet(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
        || error.kind() == io::ErrorKind::TimedOut
        || error.kind() == io::ErrorKind::Interrupted
}

/// What is left until `deadline`, as a socket timeout (which must not be zero).
pub(crate) fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_socket_is_replaced_and_a_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reader.sock");
        drop(bind(&path).unwrap());
        assert!(path.exists());
        let listener = bind(&path).unwrap();
        connect(&path, Duration::ZERO).unwrap();
        assert!(accept(&listener).unwrap().is_some());

        let file = folder.path().join("notes");
        fs::write(&file, "dear").unwrap();
        let refused = bind(&file).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&file).unwrap(), b"dear");
    }

    #[test]
    fn connecting_gives_up_when_patience_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let refused = connect(&folder.path().join("none"), Duration::from_millis(20));
        assert!(matches!(refused, Err(VirtualError::NotThere { .. })));
    }
}
