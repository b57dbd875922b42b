//! A reader in a process of its own: this program, started again, with the socket to its parent as standard input.
//! Invariant: the child is gone when its handle is dropped, and when its parent is gone, however it went; it starts with
//! few descriptors open, whatever its parent has open (libnfc aborts on one of 1024 or more).
//! Not here: the protocol and the parent's handle (`hardware::remote_reader`), when a reader is started again (`devices`).
use std::{
    io,
    os::{fd::AsFd, unix::net::UnixStream},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result};
use clap::Args;
use hardware::{
    remote_reader::{self, ReaderProcess},
    tag::{ReaderError, TagReader},
};

use super::config::{ReaderConfig, ReaderDriver};

/// `edge reader`: what to open.
#[derive(Args, Debug)]
pub struct ReaderArguments {
    /// How the reader is spoken to.
    #[arg(long, value_enum)]
    driver: ReaderDriver,
    /// Part of a PC/SC reader's name.
    #[arg(long)]
    name: Option<String>,
    /// libnfc's connection string.
    #[arg(long)]
    port: Option<String>,
}

/// The program that drives a reader, and what it must find in its environment.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// Variables beside the inherited ones.
    pub environment: Vec<(String, String)>,
}

impl Program {
    /// This very program, even where its file has been replaced since.
    pub(crate) fn own() -> Self {
        Self { path: "/proc/self/exe".into(), environment: Vec::new() }
    }

    /// Starts the driver and waits until its reader is open.
    pub(crate) fn start(&self, config: &ReaderConfig) -> Result<ReaderProcess, ReaderError> {
        let mut command = Command::new(&self.path);
        let driver = clap::ValueEnum::to_possible_value(&config.driver).ok_or(ReaderError::Unplugged)?;
        command.args(["reader", "--driver", driver.get_name()]);
        command.args(config.name.iter().flat_map(|name| ["--name", name]));
        command.args(config.port.iter().flat_map(|port| ["--port", port]));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        ReaderProcess::start(command)
    }
}

/// The child's side: drives the reader until the parent hangs up. Standard input is the socket to the parent.
pub fn serve(arguments: ReaderArguments) -> Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let ReaderArguments { driver, name, port } = arguments;
    let config = ReaderConfig { driver, name, port };
    remote_reader::serve(stream, || open(&config)).context("the reader")
}

/// A reader, and what it calls itself.
type Opened = (Box<dyn TagReader>, String);

fn open(config: &ReaderConfig) -> Result<Opened, ReaderError> {
    match config.driver {
        ReaderDriver::Virtual => Err(ReaderError::Io("a virtual reader needs no process of its own".into())),
        #[cfg(feature = "pcsc")]
        ReaderDriver::Pcsc => super::pcsc::PcscReader::open(config.name.as_deref()).map(boxed),
        #[cfg(feature = "pn532")]
        ReaderDriver::Pn532 => {
            let port = config.port.as_deref().ok_or(ReaderError::Unplugged)?;
            super::pn532::Pn532Reader::open(port).map(boxed)
        }
        #[cfg(not(feature = "pcsc"))]
        ReaderDriver::Pcsc => Err(ReaderError::Io("this program was built without the feature `pcsc`".into())),
        #[cfg(not(feature = "pn532"))]
        ReaderDriver::Pn532 => Err(ReaderError::Io("this program was built without the feature `pn532`".into())),
    }
}

#[cfg(any(feature = "pcsc", feature = "pn532"))]
fn boxed<R: TagReader + 'static>((reader, name): (R, String)) -> Opened {
    (Box::new(reader), name)
}
