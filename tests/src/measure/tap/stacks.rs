//! The same taps through the real libraries: `edge reader` with libnfc or PCSC-Lite, and a simulated reader behind it.
use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};
use hardware::{
    pcsc_simulator::{
        PcscSimulator, ReaderModel,
        daemon::{Pcscd, SOCKET_VARIABLE},
    },
    pn532_simulator::Pn532Simulator,
    remote_reader::RemoteReader,
    simulated_field::SimulatedField,
};

use super::{BOUND, Purse, Row, Till};
use crate::world::process::Programs;

pub(super) fn rows(till: &Till, purse: Purse, taps: usize) -> Result<Vec<Row>> {
    Ok(vec![through_libnfc(till, purse, taps)?, through_pcsc(till, purse, taps)?])
}

fn through_libnfc(till: &Till, purse: Purse, taps: usize) -> Result<Row> {
    let (folder, field) = (tempfile::tempdir()?, SimulatedField::new());
    let simulator = Pn532Simulator::behind_pty(&folder.path().join("tty"), &field)?;
    let port = simulator.connection_string().context("a port")?;
    let mut driver = Driver::start(&["--driver", "pn532", "--port", &port], None)?;
    Ok(till
        .sales(purse, &field, &mut driver.reader, taps)?
        .row(&format!("{}: whole tap, libnfc and a PN532", purse.name())))
}

fn through_pcsc(till: &Till, purse: Purse, taps: usize) -> Result<Row> {
    let (folder, field) = (tempfile::tempdir()?, SimulatedField::new());
    let simulator = PcscSimulator::bind(&folder.path().join("reader"), ReaderModel::Acr122u, &field)?;
    let conf = simulator.reader_conf("ACS ACR122U PICC Interface", &ifd_handler()?, 1);
    let daemon = Pcscd::start(folder.path(), &conf)?;
    let mut driver = Driver::start(&["--driver", "pcsc"], Some(&daemon.socket()))?;
    Ok(till
        .sales(purse, &field, &mut driver.reader, taps)?
        .row(&format!("{}: whole tap, PC/SC and an ACR122U", purse.name())))
}

/// pcscd's driver, as cargo builds it beside this program.
fn ifd_handler() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("a folder")?;
    Ok(folder.join("deps/libpcsc_simulator.so"))
}

/// A driver's process, ended with its handle.
struct Driver {
    reader: RemoteReader,
    child: Child,
}

impl Driver {
    fn start(arguments: &[&str], pcscd: Option<&Path>) -> Result<Self> {
        let (here, there) = UnixStream::pair()?;
        let mut command: Command = Programs::built()?.command("edge");
        command.arg("reader").args(arguments).envs(pcscd.map(|socket| (SOCKET_VARIABLE, socket)));
        let child = command.stdin(OwnedFd::from(there)).stdout(Stdio::null()).spawn()?;
        Ok(Self { reader: RemoteReader::connect(here, BOUND)?, child })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // one that has ended already needs neither
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
