//! What it costs, each figure beside a limit measured in the same run, or beside the fixed one that the goal names.
//! Invariant: a figure that falls short says so; nothing here is typed in but the goals. What people would use instead
//! is measured in the same run and has no goal: it is a ratio, not a promise.
//! Not here: correctness (tests), the evening (`demo`).
mod boot;
mod commit;
mod daemon;
mod documents;
mod ingest;
pub mod instead;
mod lan;
pub mod report;
mod segment;
mod snapshot;
mod tap;
mod ticket;
mod verify;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Result;
use domain::{
    id::{BoxNumber, FestivalId},
    money::Currency,
    trust::{Certificate, CertificateChain, Founding, Purpose, Roles, Scope, SignedCertificate},
};
use ed25519_dalek::SigningKey;
use serde::Serialize;

/// One goal.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// The figure.
    pub measured: f64,
    /// Its unit, and the limit's.
    pub unit: &'static str,
    /// The limit measured in the same run, or the fixed one that the goal names.
    pub limit: f64,
    /// `measured / limit`.
    pub ratio: f64,
    /// What the ratio should be; [`NO_GOAL`] beside what people would use instead.
    pub goal: String,
    /// Whether it is.
    pub holds: bool,
    /// What the limit is.
    #[serde(skip)]
    pub beside: &'static str,
    /// How far from the goal: at most 1 where it holds.
    #[serde(skip)]
    pub of_goal: f64,
    /// Beside what people would use instead: how many times better ours does, below 1 worse.
    #[serde(skip)]
    pub favour: Option<f64>,
}

/// Stands for the goal where there is none.
pub const NO_GOAL: &str = "none";

/// Which of two figures is the better one.
#[derive(Clone, Copy, Debug)]
pub enum Better {
    /// Times, bytes.
    Less,
    /// Rates.
    More,
}

/// On which side of the goal a ratio should be.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

impl Row {
    /// A figure beside its limit.
    pub fn new(name: &str, unit: &'static str, measured: f64, limit: f64, goal: Goal) -> Self {
        let ratio = if limit > 0.0 { measured / limit } else { f64::INFINITY };
        let (text, holds, of_goal) = match goal {
            Goal::AtMost(most) => (format!("≤ {most}"), ratio <= most, ratio / most),
            Goal::AtLeast(least) => (format!("≥ {least}"), ratio >= least, least / ratio),
        };
        let (name, beside, favour) = (name.into(), "the goal itself", None);
        Self { name, measured, unit, limit, ratio, goal: text, holds, beside, of_goal, favour }
    }

    /// A figure beside that of what people would use instead.
    pub fn instead(name: &str, unit: &'static str, ours: f64, theirs: f64, better: Better) -> Self {
        let favour = match better {
            Better::More => ours / theirs,
            Better::Less => theirs / ours,
        };
        let row = Self::new(name, unit, ours, theirs, Goal::AtLeast(0.0));
        Self { goal: NO_GOAL.into(), holds: true, of_goal: 0.0, favour: Some(favour), ..row }
    }

    /// Says what the limit is, where it was measured.
    #[must_use]
    pub fn beside(mut self, what: &'static str) -> Self {
        self.beside = what;
        self
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Pairs of (ours, limit) for figures of single operations.
    pub rounds: usize,
    /// Entries for the large ingest.
    pub entries: u32,
    /// Entries of a box's journal at its start.
    pub journal: u32,
    /// Tickets that a box knows.
    pub tickets: u32,
    /// Wallets that a box knows.
    pub wallets: u32,
    /// Edits of shared documents.
    pub edits: usize,
    /// Taps that one box brings back.
    pub taps: u32,
    /// Tickets that gates of a LAN group claim.
    pub claims: usize,
    /// Wallets of the ledgers that are compared, ten sales each.
    pub compared: u32,
}

impl Size {
    /// As the goals are worded, for a person who waits.
    pub const WHOLE: Self = Self {
        rounds: 1_500,
        entries: 300_000,
        journal: 1_000_000,
        tickets: 500_000,
        wallets: 100_000,
        edits: 1_000,
        taps: 2_000,
        claims: 600,
        compared: 4_000,
    };
    /// Small, for CI: every figure is there, most mean little.
    pub const QUICK: Self = Self {
        rounds: 100,
        entries: 10_000,
        journal: 5_000,
        tickets: 10_000,
        wallets: 2_000,
        edits: 60,
        taps: 40,
        claims: 30,
        compared: 100,
    };
}

/// One subject: its name and what measures it.
type Subject = (&'static str, fn(Size) -> Result<Vec<Row>>);

/// Everything that can be measured.
const SUBJECTS: [Subject; 12] = [
    ("verdicts", ticket::rows),
    ("commits", commit::rows),
    ("tap", tap::rows),
    ("wire", segment::rows),
    ("checks", verify::rows),
    ("snapshot", snapshot::rows),
    ("documents", documents::rows),
    ("ingest", ingest::rows),
    ("boot", boot::rows),
    ("daemon", daemon::rows),
    ("lan", lan::rows),
    ("instead", instead::rows),
];

/// A reader's library alone, for `tap`, which starts it; see there.
#[cfg(feature = "appliance")]
pub fn bare(words: &[String]) -> Result<f64> {
    tap::stacks::bare(words)
}

/// Names of what can be measured alone.
pub fn subjects() -> impl Iterator<Item = &'static str> {
    SUBJECTS.iter().map(|(name, _)| *name)
}

/// Measures everything, or what `only` names; `said` hears what comes next.
pub fn all(size: Size, only: &[String], mut said: impl FnMut(&str)) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, measure) in SUBJECTS {
        if only.is_empty() || only.iter().any(|only| only == name) {
            match (name, lan::why_not()) {
                ("lan", Some(why)) => said(&format!("{name} left out: {why}")),
                _ => said(&format!("measuring {name} …")),
            }
            rows.extend(measure(size)?);
        }
    }
    Ok(rows)
}

/// How many goals hold, and how many fall short.
pub fn judged(rows: &[Row]) -> (usize, usize) {
    let goals = || rows.iter().filter(|row| row.favour.is_none());
    let hold = goals().filter(|row| row.holds).count();
    (hold, goals().count() - hold)
}

/// The table for people.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<52} {:>12} {:>12}  {:<10} {:>7} {:>8}  holds\n",
        "name", "measured", "limit", "unit", "ratio", "goal"
    );
    for row in rows.iter().filter(|row| row.favour.is_none()) {
        text.push_str(&format!(
            "{:<52} {:>12.2} {:>12.2}  {:<10} {:>7.3} {:>8}  {}\n",
            row.name,
            row.measured,
            row.limit,
            row.unit,
            row.ratio,
            row.goal,
            if row.holds { "yes" } else { "NO" }
        ));
    }
    let compared: Vec<(&Row, f64)> = rows.iter().filter_map(|row| Some((row, row.favour?))).collect();
    if !compared.is_empty() {
        text.push_str(&format!(
            "\n{:<52} {:>12} {:>12}  {:<10} {:>7}  what is used instead\n",
            "beside what people would use instead", "ours", "theirs", "unit", "favour"
        ));
    }
    for (row, favour) in compared {
        let Row { name, measured, limit, unit, beside, .. } = row;
        text.push_str(&format!("{name:<52} {measured:>12.2} {limit:>12.2}  {unit:<10} {favour:>6.1}×  {beside}\n"));
    }
    text
}

/// Times actions in turn, so that a machine that slows down slows all of them, and gives the medians in microseconds.
fn in_turn<const N: usize>(rounds: usize, mut acts: [&mut dyn FnMut() -> Result<()>; N]) -> Result<[f64; N]> {
    for act in (0..rounds / 10 + 3).flat_map(|_| 0..N) {
        acts[act]()?;
    }
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::with_capacity(rounds));
    for _ in 0..rounds {
        for (act, times) in acts.iter_mut().zip(&mut times) {
            times.push(timed(&mut *act)?);
        }
    }
    Ok(times.map(median_us))
}

/// Two of them: ours and its limit.
fn side_by_side(
    rounds: usize,
    mut ours: impl FnMut() -> Result<()>,
    mut limit: impl FnMut() -> Result<()>,
) -> Result<(f64, f64)> {
    in_turn(rounds, [&mut ours, &mut limit]).map(|[ours, limit]| (ours, limit))
}

fn timed(mut act: impl FnMut() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    act()?;
    Ok(start.elapsed())
}

fn median_us(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

/// A festival with one box, for measuring.
struct Bench {
    dir: tempfile::TempDir,
    founding: Founding,
    key: SigningKey,
    chain: CertificateChain,
}

impl Bench {
    fn new() -> Result<Self> {
        // on the disk that the build is on: a temporary folder may be in memory
        let own = std::env::current_exe()?;
        let dir = tempfile::tempdir_in(own.parent().unwrap_or(Path::new(".")))?;
        let (root, key) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let founding = Founding {
            version: 1,
            root: root.verifying_key().to_bytes(),
            spare_root_hash: [0; 32],
            name: "Measure".into(),
            currency: Currency::EUR,
            founded: 0,
        };
        let chain = certify(&founding, &root, &key, Purpose::Device);
        Ok(Self { dir, founding, key, chain })
    }

    fn festival(&self) -> FestivalId {
        self.founding.festival()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn store(&self, name: &str) -> Result<box_store::Store> {
        let config = box_store::StoreConfig {
            path: self.path(name),
            festival: self.festival(),
            identity: self.key.clone(),
            box_number: BoxNumber(1),
            chain: self.chain.to_bytes(),
            software: "measure".into(),
        };
        Ok(box_store::open(config, 1_800_000_000_000)?.0)
    }

    /// The limit: SQLite as the box sets it up, one row a transaction.
    fn raw(&self, name: &str) -> Result<rusqlite::Connection> {
        let raw = rusqlite::Connection::open(self.path(name))?;
        raw.execute_batch(
            "PRAGMA page_size=1024; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
             CREATE TABLE raw (at INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;",
        )?;
        Ok(raw)
    }
}

fn certify(founding: &Founding, root: &SigningKey, key: &SigningKey, purpose: Purpose) -> CertificateChain {
    let scope = Scope {
        place: "Bar 1".into(),
        roles: Roles::GATE.and(Roles::BAR).and(Roles::TOP_UP),
        kinds: u64::MAX,
        box_numbers: (1, 8),
        quota_cents: 0,
    };
    let certificate = Certificate {
        version: 1,
        festival: founding.festival(),
        purpose,
        subject: key.verifying_key().to_bytes(),
        issuer: [0; 32],
        serial: [0; 16],
        valid_from: 0,
        valid_until: 0,
        scope,
    };
    CertificateChain(vec![SignedCertificate::issue(certificate, root)])
}

fn insert(raw: &rusqlite::Connection, at: i64, body: &[u8]) -> Result<()> {
    raw.prepare_cached("INSERT INTO raw VALUES (?1, ?2)")?.execute(rusqlite::params![at, body])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_beyond_its_goal_says_so() {
        assert!(Row::new("x", "µs", 11.0, 10.0, Goal::AtMost(1.1)).holds);
        assert!(!Row::new("x", "µs", 12.0, 10.0, Goal::AtMost(1.1)).holds);
        assert!(Row::new("x", "1/s", 4.0, 10.0, Goal::AtLeast(0.4)).holds);
        assert!(!Row::new("x", "1/s", 3.9, 10.0, Goal::AtLeast(0.4)).holds);
        assert!(!Row::new("x", "1/s", 1.0, 0.0, Goal::AtMost(1.0)).holds);
    }

    #[test]
    fn what_is_used_instead_is_a_ratio_and_counts_as_no_goal() {
        let rows = [
            Row::instead("faster", "1/s", 300.0, 10.0, Better::More).beside("theirs"),
            Row::instead("longer", "µs", 12.0, 10.0, Better::Less).beside("theirs"),
            Row::new("short", "µs", 12.0, 10.0, Goal::AtMost(1.0)),
        ];
        let favours: Vec<Option<f64>> = rows.iter().map(|row| row.favour).collect();
        assert_eq!(favours, [Some(30.0), Some(10.0 / 12.0), None]);
        assert_eq!(judged(&rows), (0, 1));
        assert!(table(&rows).contains("30.0×  theirs"), "{}", table(&rows));
    }

    #[test]
    fn json_has_exactly_the_agreed_keys() {
        let row = serde_json::to_value(Row::new("x", "µs", 1.0, 1.0, Goal::AtMost(1.0))).expect("json");
        let keys: Vec<&String> = row.as_object().expect("object").keys().collect();
        assert_eq!(keys, ["goal", "holds", "limit", "measured", "name", "ratio", "unit"]);
    }
}
