//! `cargo measure`: what it costs, beside limits measured in the same run.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]
use std::{path::Path, process::ExitCode};

use anyhow::Result;
use clap::{Parser, builder::PossibleValuesParser};
use evening::measure::{self, Size, report};

#[derive(Parser)]
#[command(version, about = "Measures the goals; one row each, with the limit measured in the same run")]
struct Arguments {
    /// A list of objects instead of a table.
    #[arg(long)]
    json: bool,
    /// Fewer rounds, for CI.
    #[arg(long)]
    quick: bool,
    /// These subjects only (verdicts, commits, tap, wire, checks, snapshot, documents, ingest, boot, daemon).
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(measure::subjects()))]
    only: Vec<String>,
    /// For `tap` itself: a reader's library alone.
    #[cfg(feature = "appliance")]
    #[arg(long, num_args = 4, hide = true)]
    bare: Option<Vec<String>>,
    /// Writes docs/performance.md and docs/performance.svg as well.
    #[arg(long)]
    write: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    #[cfg(feature = "appliance")]
    if let Some(words) = &arguments.bare {
        println!("{}", measure::bare(words)?);
        return Ok(ExitCode::SUCCESS);
    }
    let size = if arguments.quick { Size::QUICK } else { Size::WHOLE };
    let rows = measure::all(size, &arguments.only, |next| eprintln!("measuring {next} …"))?;
    if arguments.write {
        report::write(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")), &rows)?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print!("{}", measure::table(&rows));
        let short = rows.iter().filter(|row| !row.holds).count();
        println!("{} goals hold, {short} fall short", rows.len() - short);
    }
    Ok(ExitCode::SUCCESS)
}
