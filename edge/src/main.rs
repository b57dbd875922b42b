//! `edge`: the box's daemon.
use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use edge::{blank::Listen, drivers::process::ReaderArguments};

#[derive(Parser)]
#[command(version, about = "A festival box: gate, bar, top-up desk")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve gate, till or top-up desk as enrolled.
    Run {
        /// The box's folder.
        #[arg(long)]
        dir: PathBuf,
        /// Stop in order as well when standard input ends: with whoever holds its other end.
        #[arg(long)]
        stop_with_stdin: bool,
    },
    /// Load a festival bundle or package from a file (a USB stick), whether the box runs or not.
    Load {
        /// The box's folder.
        #[arg(long)]
        dir: PathBuf,
        /// What `sync-hub bundle` wrote.
        file: PathBuf,
    },
    /// Wait for a technician to enrol this box.
    Blank {
        /// The box's folder; made if it is not there.
        #[arg(long)]
        dir: PathBuf,
        /// unix:PATH, tcp:ADDRESS on this machine, or stdio.
        #[arg(long)]
        listen: Listen,
    },
    /// Drive one reader for the daemon that started this; speaks frames over standard input.
    #[command(hide = true)]
    Reader(ReaderArguments),
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info,quinn=warn".into());
    // a log that cannot be written stops nobody: the complaint about it would go to the same place, and panic there
    let log = tracing_subscriber::fmt().log_internal_errors(false);
    log.with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let outcome = match Arguments::parse().command {
        Command::Run { dir, stop_with_stdin } => edge::run::run(&dir, stop_with_stdin),
        Command::Load { dir, file } => edge::load::load(&dir, &file).map(|number| tracing::info!(number, "in use")),
        Command::Reader(arguments) => edge::drivers::process::serve(arguments),
        Command::Blank { dir, listen } => edge::blank::wait(&dir, &listen),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
