//! What people would use instead, in the same run: one Automerge document a wallet as the ledger (`wallet_documents`), one
//! row and one signature check a request as an online system's edge has it (`requests`).
//! Invariant: both sides do the same sales and write them to the same disk as durably; figures are ratios, no promises.
//! Not here: our own goals (the other subjects).
mod requests;
mod wallet_documents;

use std::{fs, path::Path, process::Command, time::Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{Row, Size};

pub(super) fn rows(size: Size) -> Result<Vec<Row>> {
    let mut rows = wallet_documents::rows(size)?;
    rows.extend(requests::rows(size)?);
    Ok(rows)
}

/// How a ledger is kept on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kept {
    /// A database with one Automerge document a wallet.
    Documents,
    /// A hub's folder.
    Hub,
}

/// What it takes to have a ledger at hand, so that any wallet can be answered and merged.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Loaded {
    /// How many.
    pub wallets: u32,
    /// How long it took.
    pub seconds: f64,
    /// How much more memory the process has since, in bytes; at least one page.
    pub memory: u64,
}

impl Kept {
    /// Loads it into this process, which has done nothing before.
    pub fn load(self, at: &Path) -> Result<Loaded> {
        let (before, start) = (memory()?, Instant::now());
        let (wallets, held): (u32, Box<dyn std::any::Any>) = match self {
            Self::Documents => {
                let documents = wallet_documents::load(at)?;
                (u32::try_from(documents.len())?, Box::new(documents))
            }
            Self::Hub => {
                let (wallets, hub) = wallet_documents::load_hub(at)?;
                (wallets, Box::new(hub))
            }
        };
        let seconds = start.elapsed().as_secs_f64();
        let grown = memory()?.saturating_sub(before).max(4096);
        drop(held);
        Ok(Loaded { wallets, seconds, memory: grown })
    }

    /// Loads it in a process of its own: what this one has freed would serve it, and nothing would show.
    fn load_alone(self, at: &Path) -> Result<Loaded> {
        let name = self.to_possible_value().context("a name")?;
        let run = Command::new(std::env::current_exe()?)
            .args(["--load", name.get_name(), "--at"])
            .arg(at)
            .output()
            .context("a second process")?;
        ensure!(run.status.success(), "loading {name:?}: {}", String::from_utf8_lossy(&run.stderr));
        Ok(serde_json::from_slice(&run.stdout)?)
    }
}

/// Resident memory of this process, in bytes.
fn memory() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}
