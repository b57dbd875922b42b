//! The real daemons killed with SIGKILL before every call by which they change their disk: what they had told anybody
//! is there after the next start, and nothing is booked twice.
//!
//! A short run takes every k-th call; `tests/soak kill` takes all of them. The power is not cut here: what the kernel was
//! given stays (flushes that are lost are the simulator's, `cargo simulate -- --disks`).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
mod a_box;
mod a_hub;
mod strace;
mod tally;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use tokio::task::block_in_place;

use strace::{Point, Told, Tracer};
use tally::Tally;

/// The step that is the start of the daemon itself.
const START: &str = "start";
/// It ends in order.
const STOP: &str = "stop";
/// So long a process that was killed takes at most to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// What a daemon is put through, step by step.
trait Script {
    /// Its steps, in their order; the first is [`START`].
    const STEPS: &'static [&'static str];

    /// The daemon's folder.
    fn folder(&self) -> PathBuf;

    /// The daemon, while it runs.
    fn pid(&self) -> Option<u32>;

    /// Starts it, run by whoever `under` names; fails where it is killed before it listens.
    fn start_under(&self, under: &[String]) -> Result<()>;

    /// Kills it.
    fn kill(&self) -> Result<()>;

    /// What must be so before the step, with nothing traced.
    async fn prepare(&mut self, step: &'static str) -> Result<()>;

    /// Does the step, or goes on with it where it was broken off. An error where the daemon is gone in the middle.
    async fn act(&mut self, step: &'static str) -> Result<()>;

    /// The daemon runs again after a kill: everything that was told must be there.
    async fn look(&mut self, step: &'static str) -> Result<()>;
}

/// One step, traced; with a point the daemon is killed there, started again, looked at, and the step is finished.
async fn step<S: Script>(script: &mut S, step: &'static str, point: Option<&Point>, tally: &mut Tally) -> Result<Told> {
    script.prepare(step).await.context("beforehand")?;
    let log = script.folder().with_extension("strace");
    let told = match step {
        START => {
            let began = block_in_place(|| script.start_under(&strace::under(point, &log)?));
            let acted = match began {
                Ok(()) => script.act(step).await,
                Err(error) => Err(error),
            };
            // the tracer goes with it
            block_in_place(|| script.kill())?;
            let mut told = strace::read(&log, &script.folder())?;
            if acted.is_ok() {
                told.killed = false;
            }
            acted.or_else(|error| if told.killed { Ok(()) } else { Err(error) })?;
            told
        }
        _ => {
            if step == STOP && script.pid().is_none() {
                // it was told to stop, not killed, and had not quite ended when the step before did
                block_in_place(|| script.start_under(&[])).context("the start after it")?;
            }
            let pid = script.pid().context("the daemon does not run")?;
            let tracer = block_in_place(|| Tracer::attach(pid, point, &log))?;
            let acted = script.act(step).await;
            // a connection breaks a moment before the process is gone
            let end = Instant::now() + Duration::from_secs(1);
            while acted.is_err() && script.pid().is_some() && Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let told = block_in_place(|| tracer.ended(script.pid().is_none(), &script.folder()))?;
            // killed behind its answer, it may be there for a moment still
            let end = Instant::now() + GONE_WITHIN;
            while told.killed && script.pid().is_some() && Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            acted.or_else(|error| if told.killed { Ok(()) } else { Err(error) })?;
            told
        }
    };
    if script.pid().is_none() {
        let began = Instant::now();
        block_in_place(|| script.start_under(&[])).context("the start after it")?;
        tally.started(began.elapsed());
        script.look(step).await.context("after the next start")?;
    }
    if told.killed && step != START {
        script.act(step).await.context("again, after the next start")?;
        script.look(step).await.context("in the end")?;
    }
    Ok(told)
}

/// The whole script without a kill, then each of its steps with a kill at every point that is taken.
async fn killed_everywhere<S: Script>(who: &'static str, short: usize, script: &mut S) -> Result<()> {
    let mut tally = Tally::new(who, short);
    let mut seen = Vec::new();
    for name in S::STEPS {
        seen.push((*name, step(script, name, None, &mut tally).await.with_context(|| format!("{who}, {name}"))?));
    }
    for (name, points) in tally.plan(&seen) {
        for point in points {
            if !tally.goes_on() {
                continue;
            }
            let told = step(script, name, Some(&point), &mut tally).await;
            let told =
                told.with_context(|| format!("{who}, {name}, killed before {} number {}", point.call, point.nth))?;
            tally.was(name, &point, &told);
        }
    }
    tally.end().map_err(anyhow::Error::msg)
}

/// One value from a daemon's database, read beside it.
fn value<T: rusqlite::types::FromSql>(file: &Path, sql: &str, parameters: impl rusqlite::Params) -> Result<Option<T>> {
    use rusqlite::OptionalExtension;
    let connection = rusqlite::Connection::open_with_flags(file, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection.query_row(sql, parameters, |row| row.get(0)).optional()?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_that_is_killed_before_any_call_has_what_it_told_and_books_nothing_twice() {
    let mut script = a_box::ABox::at_work().await.unwrap();
    killed_everywhere("box", 220, &mut script).await.unwrap();
    script.reckon_up().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_is_killed_before_any_call_has_what_it_acknowledged_and_stays_in_its_term() {
    let mut script = a_hub::AHub::at_work().await.unwrap();
    killed_everywhere("hub", 36, &mut script).await.unwrap();
    script.reckon_up().await.unwrap();
}
