//! A whole festival from one seed, again and again: `cargo simulate`.
//! Exit code 0 only when every promise of the design's section 2 held.
//! Not here: what happens (`world`), what must be true (`reference`).
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]
#![allow(clippy::wildcard_enum_match_arm, reason = "what a world does not have needs no arm of its own")]
mod account;
mod chip;
mod dice;
mod disk;
mod enough;
mod festival;
mod frauds;
mod guests;
mod hub;
mod keeper;
mod names;
mod network;
mod people;
mod quic;
mod quiet;
mod reference;
mod run;
mod service;
mod staff;
mod store;
mod tally;
mod tap;
mod world;

use std::process::ExitCode;

use clap::Parser;

/// Simulates festivals until so many taps were made, and checks every promise.
#[derive(Debug, Parser)]
#[command(name = "simulate", version)]
pub(crate) struct Arguments {
    /// Taps and scans to make.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) taps: u64,
    /// Where chance begins.
    #[arg(long, default_value_t = 2027)]
    pub(crate) seed: u64,
    /// One line of JSON at the end.
    #[arg(long)]
    pub(crate) json: bool,
    /// Threads; by default one for each processor.
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Boxes with their real store in SQLite, on disks that lose power.
    #[arg(long)]
    pub(crate) disks: bool,
    /// With `--disks`: operations of a disk between two power cuts, at most.
    #[arg(long, default_value_t = 360, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) cut_every: u64,
    /// Fails where power failed less often than this.
    #[arg(long, default_value_t = 0)]
    pub(crate) cuts: u64,
    /// Boxes and hub over real QUIC and a paused clock, instead of taps in worlds of their own.
    #[arg(long)]
    pub(crate) quic: bool,
    /// With `--quic`: how many boxes.
    #[arg(long, default_value_t = 50)]
    pub(crate) boxes: usize,
    /// With `--quic`: for how many hours of the festival.
    #[arg(long, default_value_t = 8)]
    pub(crate) hours: u64,
    /// Leaves a rule out, to see money lost: `confirmed-only`, `last-writer`, `lying-disk`, `synchronous-normal`, or
    /// with `--quic` `hub-forgets`.
    #[arg(long, value_parser = run::control)]
    pub(crate) control: Option<tally::Control>,
    /// Plays this one world and tells its story.
    #[arg(long)]
    pub(crate) world: Option<u64>,
    /// With `--world`: which clocks; they must change nothing.
    #[arg(long, default_value_t = 1)]
    pub(crate) clocks: u64,
    /// With `--world`: stops after so many steps.
    #[arg(long)]
    pub(crate) steps: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ran = if arguments.quic { quic::run(&arguments) } else { run::run(&arguments) };
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("simulate: {error:#}");
            ExitCode::from(2)
        }
    }
}
