//! Sync at size, once: `tests/soak sync-at-size`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]
use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use clap::Parser;
use evening::size::{self, Plan};

/// The goals: seconds for a stage, MB of the hub, and how much liars may slow everybody else.
const WITHIN_S: f64 = 180.0;
const HUB_MB: f64 = 512.0;
const SLOWED: f64 = 1.25;

#[derive(Parser)]
#[command(version, about = "A thousand boxes come back to one hub at once; exit code 0 where all goals hold")]
struct Arguments {
    /// Boxes.
    #[arg(long, default_value_t = Plan::WHOLE.boxes)]
    boxes: usize,
    /// Entries of each box in each of the four stages.
    #[arg(long, default_value_t = Plan::WHOLE.entries)]
    entries: u32,
    /// Guests with an account.
    #[arg(long, default_value_t = Plan::WHOLE.guests)]
    guests: u64,
    /// One line of JSON instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() -> Result<ExitCode> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::ERROR).with_writer(std::io::stderr).init();
    let Arguments { boxes, entries, guests, json } = Arguments::parse();
    let plan = Plan { boxes, guests, entries, patience: Duration::from_secs(1_200) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(size::run(plan, &|step| eprintln!("{step} …")))?;
    let longest = report.stages.iter().map(|stage| stage.known_s).fold(0.0, f64::max);
    let most = report.stages.iter().map(|stage| stage.hub_mb).fold(0.0, f64::max);
    let resent: u64 = report.stages.iter().map(|stage| stage.resent).sum();
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    let goals = [
        ("every stage within 180 s", longest <= WITHIN_S),
        ("the hub within 512 MB", most <= HUB_MB),
        ("liars slow the others by a quarter at most", report.slowed_by_lies <= SLOWED),
        ("nothing acknowledged is sent again", resent == 0),
    ];
    goals.iter().filter(|(_, holds)| !holds).for_each(|(goal, _)| eprintln!("missed: {goal}"));
    Ok(if goals.iter().all(|(_, holds)| *holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
