//! `cargo measure`: what it costs, beside limits measured in the same run.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use clap::{Parser, builder::PossibleValuesParser};
use evening::measure::{self, Size, instead::Kept, report};

#[derive(Parser)]
#[command(version, about = "Measures the goals; one row each, with the limit measured in the same run")]
struct Arguments {
    /// A list of objects instead of a table.
    #[arg(long)]
    json: bool,
    /// Fewer rounds, for CI.
    #[arg(long)]
    quick: bool,
    /// These subjects only (verdicts, commits, tap, wire, checks, snapshot, documents, ingest, boot, daemon,
    /// lan, instead).
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(measure::subjects()))]
    only: Vec<String>,
    /// For `tap` itself: a reader's library alone.
    #[cfg(feature = "appliance")]
    #[arg(long, num_args = 4, hide = true)]
    bare: Option<Vec<String>>,
    /// Writes docs/performance.md and docs/performance.svg as well.
    #[arg(long)]
    write: bool,
    /// Loads a ledger of the subject `instead` and says what that took: a process of its own, for its memory.
    #[arg(long, hide = true, requires = "at")]
    load: Option<Kept>,
    /// Where that ledger is.
    #[arg(long, hide = true)]
    at: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    #[cfg(feature = "appliance")]
    if let Some(words) = &arguments.bare {
        println!("{}", measure::bare(words)?);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some((kept, at)) = arguments.load.zip(arguments.at) {
        println!("{}", serde_json::to_string(&kept.load(&at)?)?);
        return Ok(ExitCode::SUCCESS);
    }
    let size = if arguments.quick { Size::QUICK } else { Size::WHOLE };
    let rows = measure::all(size, &arguments.only, |next| eprintln!("{next}"))?;
    if arguments.write {
        report::write(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")), &rows)?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print!("{}", measure::table(&rows));
        let (hold, short) = measure::judged(&rows);
        println!("{hold} goals hold, {short} fall short");
    }
    Ok(ExitCode::SUCCESS)
}
