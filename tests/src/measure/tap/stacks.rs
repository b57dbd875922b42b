//! The same taps through the real libraries: `edge reader` with libnfc or PCSC-Lite, and a simulated reader behind it.
//! Beside each stands its limit: the same commands through the library alone (`bare`), in a process of its own, since
//! PCSC-Lite finds its daemon by the environment.
use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use hardware::{
    pcsc_simulator::{
        PcscSimulator, ReaderModel,
        daemon::{Pcscd, SOCKET_VARIABLE},
    },
    pn532_simulator::Pn532Simulator,
    remote_reader::RemoteReader,
    simulated_field::SimulatedField,
    tag::TagReader,
};

use super::{
    BOUND, Goal, OWN_MS, Purse, Row, Till, WHOLE_MS,
    bare::{BareNfc, BarePcsc},
};
use crate::world::process::Programs;

/// Which library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stack {
    Libnfc,
    Pcsc,
}

impl Stack {
    const ALL: [Self; 2] = [Self::Libnfc, Self::Pcsc];

    fn name(self) -> &'static str {
        match self {
            Self::Libnfc => "libnfc and a PN532",
            Self::Pcsc => "PC/SC and an ACR122U",
        }
    }
}

/// `commit`: two durable rows, in ms.
pub(super) fn rows(till: &Till, purse: Purse, taps: usize, commit: f64) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for stack in Stack::ALL {
        let (name, own) = (purse.name(), stack.name());
        let bare_ms = bare_process(stack, purse, taps)?;
        let tap = through_a_driver(stack, till, purse, taps)?;
        rows.extend([
            tap.row(&format!("{name}: whole tap, {own}")),
            Row::new(&format!("{name}: the same in all, {own}"), "ms", tap.whole_ms, WHOLE_MS, Goal::AtMost(1.0)),
            Row::new(&format!("{name}: the library alone, {own}"), "ms", bare_ms, tap.air_ms(), Goal::AtMost(1.10))
                .beside("the time on air alone"),
            Row::new(
                &format!("{name}: our part, {own}"),
                "ms",
                tap.whole_ms - bare_ms,
                commit + OWN_MS,
                Goal::AtMost(1.0),
            )
            .beside("two durable rows + 5 ms"),
        ]);
    }
    Ok(rows)
}

/// A simulated reader, and what leads to it.
struct Simulated {
    connection: Option<String>,
    socket: Option<PathBuf>,
    // what must live as long
    _parts: (Option<Pn532Simulator>, Option<PcscSimulator>, Option<Pcscd>),
}

fn simulated(stack: Stack, folder: &Path, field: &SimulatedField) -> Result<Simulated> {
    match stack {
        Stack::Libnfc => {
            let simulator = Pn532Simulator::behind_pty(&folder.join("tty"), field)?;
            let connection = simulator.connection_string();
            Ok(Simulated { connection, socket: None, _parts: (Some(simulator), None, None) })
        }
        Stack::Pcsc => {
            let simulator = PcscSimulator::bind(&folder.join("reader"), ReaderModel::Acr122u, field)?;
            let conf = simulator.reader_conf("ACS ACR122U PICC Interface", &ifd_handler()?, 1);
            let daemon = Pcscd::start(folder, &conf)?;
            let socket = Some(daemon.socket());
            Ok(Simulated { connection: None, socket, _parts: (None, Some(simulator), Some(daemon)) })
        }
    }
}

fn through_a_driver(stack: Stack, till: &Till, purse: Purse, taps: usize) -> Result<super::Series> {
    let (folder, field) = (tempfile::tempdir()?, SimulatedField::new());
    let simulated = simulated(stack, folder.path(), &field)?;
    let mut driver = match &simulated.connection {
        Some(port) => Driver::start(&["--driver", "pn532", "--port", port], None)?,
        None => Driver::start(&["--driver", "pcsc"], simulated.socket.as_deref())?,
    };
    till.sales(purse, &field, &mut driver.reader, taps)
}

/// Measures [`bare`] in another process. Gives its median in ms.
fn bare_process(stack: Stack, purse: Purse, taps: usize) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let output = Command::new(std::env::current_exe()?)
        .arg("--bare")
        .args([stack.name(), purse.name(), &taps.to_string()])
        .arg(folder.path())
        .env(SOCKET_VARIABLE, folder.path().join("run/pcscd/pcscd.comm"))
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the library alone: {}", output.status);
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// The same taps through the library alone, without a box's disk: commands and keys, nothing else. `words`: stack, purse,
/// how often, and a folder. Gives the median in ms.
pub(crate) fn bare(words: &[String]) -> Result<f64> {
    let [stack, purse, taps, folder] = words else { anyhow::bail!("stack, purse, taps, folder") };
    let stack = Stack::ALL.into_iter().find(|known| known.name() == stack).context("no such stack")?;
    let purse = Purse::from_name(purse).context("no such purse")?;
    let (till, field) = (Till::new(false)?, SimulatedField::new());
    let simulated = simulated(stack, Path::new(folder), &field)?;
    let mut reader: Box<dyn TagReader> = match &simulated.connection {
        Some(port) => Box::new(BareNfc::open(port)?),
        None => Box::new(BarePcsc::open()?),
    };
    Ok(till.sales(purse, &field, reader.as_mut(), taps.parse()?)?.whole_ms)
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
