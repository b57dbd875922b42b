//! A reader whose driver is a child process, with the socket to its parent as standard input.
//! Invariant: the child is gone when its handle is dropped.
//! Not here: which program that is and what it is told (`edge::drivers`, `provisioning`), when it is started again.
use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::RemoteReader;
use crate::{
    signal::Signal,
    tag::{ReaderError, Tag, TagReader},
};

/// How long a driver may take to open its reader, start of the process included.
const OPEN: Duration = Duration::from_millis(1_500);

/// A reader whose driver runs in a child process.
pub struct ReaderProcess {
    remote: RemoteReader,
    child: Ended,
}

/// A child that is ended when this is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // it may be stuck in a foreign library; one that has ended already needs neither
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl ReaderProcess {
    /// Starts the driver and waits until its reader is open. Standard input and output of `command` are set here.
    pub fn start(mut command: Command) -> Result<Self, ReaderError> {
        let failed = |error: io::Error| ReaderError::Io(format!("its process does not start: {error}"));
        let (here, there) = UnixStream::pair().map_err(failed)?;
        let child = command.stdin(OwnedFd::from(there)).stdout(Stdio::null()).spawn().map_err(failed)?;
        let child = Ended(child);
        // the command holds the other end too; without this a child that died would not be noticed
        drop(command);
        Ok(Self { remote: RemoteReader::connect(here, OPEN)?, child })
    }

    /// What the reader calls itself.
    pub fn name(&self) -> &str {
        self.remote.name()
    }

    /// The child's process id.
    pub fn id(&self) -> u32 {
        self.child.0.id()
    }
}

impl TagReader for ReaderProcess {
    fn poll_tag(&mut self) -> Result<Option<Tag>, ReaderError> {
        self.remote.poll_tag()
    }

    fn transceive(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
        self.remote.transceive(command)
    }

    fn signal(&mut self, signal: Signal) -> Result<(), ReaderError> {
        self.remote.signal(signal)
    }
}
