//! `provision`: the technician's command line. It only translates; what it does is in the library.
use std::process::ExitCode;

use clap::Parser;

mod cli;

fn main() -> ExitCode {
    cli::run(cli::args::Arguments::parse())
}
