//! The hub's command line.
use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use domain::wire::hex;
use mimalloc::MiMalloc;
use sync_hub::{
    Hub, HubError, Identity,
    csv::{self, CsvError, Table},
    rehearsal_clock, run,
    tickets::Order,
    wall_clock,
};
use tracing_subscriber::EnvFilter;

/// A thousand sessions allocate on a few threads what another frees (`docs/decisions/0029-the-hubs-allocator.md`).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The hub of a festival: takes in the boxes' journals, tells every box what it must know, sells tickets, shows the books.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the hub until SIGTERM or SIGINT.
    Run {
        /// The hub's directory.
        #[arg(long)]
        dir: PathBuf,
        /// Rehearse another date: the clock starts at these Unix seconds and runs on. Not for the festival itself.
        #[arg(long, value_name = "UNIX_SECONDS")]
        rehearse_at: Option<u64>,
        /// Stop in order as well when standard input ends: with whoever holds its other end.
        #[arg(long)]
        stop_with_stdin: bool,
    },
    /// Writes the current festival bundle, signed and numbered, without running the hub.
    Bundle {
        /// The hub's directory.
        #[arg(long)]
        dir: PathBuf,
        /// Where the bundle alone goes.
        #[arg(long, required_unless_present = "package")]
        out: Option<PathBuf>,
        /// Where the bundle goes with its ticket snapshot and names in one file, for a USB stick.
        #[arg(long)]
        package: Option<PathBuf>,
    },
    /// Imports what pretix exported: keys, items, revoked and blocked secrets of one event or several (JSON); a list of
    /// several pages is joined before.
    ImportPretix {
        /// The hub's directory.
        #[arg(long)]
        dir: PathBuf,
        /// The export.
        file: PathBuf,
    },
    /// Writes a list as CSV: tickets, categories or bands.
    Export {
        /// Which list.
        #[arg(value_parser = table)]
        list: Table,
        /// The hub's directory.
        #[arg(long)]
        dir: PathBuf,
        /// Where to; otherwise standard output.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Takes a list in from CSV, whole or not at all, and prints what it did as JSON.
    Import {
        /// Which list.
        #[arg(value_parser = table)]
        list: Table,
        /// The hub's directory.
        #[arg(long)]
        dir: PathBuf,
        /// The list.
        file: PathBuf,
        /// Passes bad lines over, and names them.
        #[arg(long)]
        skip_bad: bool,
    },
    /// Issues tickets and prints them as JSON, one object with id, uid and text each.
    Issue {
        /// The hub's directory.
        #[arg(long)]
        dir: PathBuf,
        /// How many.
        count: usize,
        /// Category.
        #[arg(long, default_value_t = 1)]
        category: u16,
        /// Name of the holder.
        #[arg(long, default_value = "")]
        holder: String,
    },
}

fn table(name: &str) -> Result<Table, String> {
    Table::from_name(name).ok_or_else(|| Table::ALL.map(Table::name).join(", "))
}

fn open(dir: &std::path::Path) -> anyhow::Result<Hub> {
    anyhow::ensure!(!run::is_running(dir), "the hub of this directory runs: use its console, or stop it first");
    let identity = Arc::new(Identity::read(dir)?);
    Ok(Hub::open(dir, identity, wall_clock())?)
}

#[expect(clippy::print_stdout, reason = "what a command gives")]
fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // a log that cannot be written stops nobody: the complaint about it would go to the same place, and panic there
    let log = tracing_subscriber::fmt().log_internal_errors(false);
    log.with_env_filter(filter).with_writer(std::io::stderr).init();
    match Arguments::parse().command {
        Command::Run { dir, rehearse_at, stop_with_stdin } => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(async {
                let clock = rehearse_at.map_or_else(wall_clock, rehearsal_clock);
                let running = run::start(&dir, clock).await?;
                stopped(stop_with_stdin).await?;
                running.stop().await;
                anyhow::Ok(())
            })
        }
        Command::Bundle { dir, out, package } => {
            let mut hub = open(&dir)?;
            let (number, packed) = hub.package()?;
            let bundle = hub.current_bundle()?;
            let written = [(out, bundle.bytes.as_slice()), (package, packed.as_slice())];
            for (file, bytes) in written {
                if let Some(file) = file {
                    std::fs::write(&file, bytes).with_context(|| file.display().to_string())?;
                }
            }
            println!(
                "{}",
                serde_json::json!({ "number": number, "bytes": bundle.bytes.len(), "package": packed.len() })
            );
            Ok(())
        }
        Command::ImportPretix { dir, file } => {
            let json = std::fs::read(&file).with_context(|| file.display().to_string())?;
            let imported = open(&dir)?.import_pretix(&json)?;
            println!("{}", serde_json::to_string(&imported)?);
            Ok(())
        }
        Command::Export { list, dir, out } => {
            let reading = open(&dir)?.reading()?;
            match out {
                Some(path) => {
                    csv::export(&reading, list, std::fs::File::create(&path).context(path.display().to_string())?)?
                }
                None => csv::export(&reading, list, std::io::stdout().lock())?,
            }
            Ok(())
        }
        Command::Import { list, dir, file, skip_bad } => {
            let opened = std::fs::File::open(&file).with_context(|| file.display().to_string())?;
            match open(&dir)?.import_csv(list, opened, skip_bad) {
                Ok(taken) => println!("{}", serde_json::to_string(&taken)?),
                Err(HubError::Csv(CsvError::Lines { count, lines })) => {
                    println!("{}", serde_json::json!({ "error": "hub.csv", "count": count, "lines": lines }));
                    anyhow::bail!("{count} lines cannot be taken, so nothing was");
                }
                Err(other) => return Err(other.into()),
            }
            Ok(())
        }
        Command::Issue { dir, count, category, holder } => {
            anyhow::ensure!(count <= 1_000_000, "at most 1,000,000 tickets at once");
            let order = Order { category, holder, valid_from: 0, valid_until: 0 };
            let tickets = open(&dir)?.issue(&order, count)?;
            let json = |ticket: &sync_hub::store::IssuedTicket| serde_json::json!({ "id": hex(&ticket.id), "uid": ticket.uid.to_hex(), "text": ticket.text });
            println!("{}", serde_json::Value::from(tickets.iter().map(json).collect::<Vec<_>>()));
            Ok(())
        }
    }
}

async fn stopped(stop_with_stdin: bool) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = end_of_stdin(), if stop_with_stdin => {}
    }
    Ok(())
}

/// Standard input is read on a thread of its own, which the end of the process ends: the runtime need not wait for it.
async fn end_of_stdin() {
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // an input that cannot be read is one that has ended
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        ended.send(())
    });
    let _ = end.await;
}
