//! A bundle or package from a USB stick: `edge load`, for a box that is off and for one that runs.
//! Invariant: the file counts only as a whole and only if everything in it holds; a running box takes it itself, since
//! only it writes into its store.
//! Not here: the checks (`loaded`, `domain::bundle`).
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use box_store::OpenError;
use domain::bundle::PACKAGE_MAX;

use crate::{config::write_durably, run, station::Station};

/// Left for a running box.
const OFFERED: &str = "load.fpkg";
/// What the running box made of it.
const OUTCOME: &str = "load.outcome";
const LOOK_EVERY: Duration = Duration::from_millis(500);
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// Loads a file into the box of this folder; gives the number of the bundle that is in use then.
pub fn load(dir: &Path, file: &Path) -> Result<u64> {
    let bytes = read(file)?;
    match run::open(dir) {
        Ok(station) => {
            ensure!(station.store.degraded().is_none(), "the box's store is damaged: it only reads");
            Ok(station.take_package(&bytes)?)
        }
        Err(error) => match error.downcast_ref::<OpenError>() {
            Some(OpenError::InUse(_)) => hand_over(dir, &bytes),
            Some(_) | None => Err(error),
        },
    }
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let length = fs::metadata(file).with_context(|| file.display().to_string())?.len();
    ensure!(length <= PACKAGE_MAX, "a package has at most {PACKAGE_MAX} bytes, this one has {length}");
    fs::read(file).with_context(|| file.display().to_string())
}

/// Leaves the file for the box that runs, and waits for what it says.
fn hand_over(dir: &Path, bytes: &[u8]) -> Result<u64> {
    let outcome = dir.join(OUTCOME);
    remove(&outcome)?;
    write_durably(&dir.join(OFFERED), bytes)?;
    let end = Instant::now() + TAKEN_WITHIN;
    while Instant::now() < end {
        match fs::read_to_string(&outcome) {
            Ok(said) => {
                remove(&outcome)?;
                return match said.split_once(' ') {
                    Some(("taken", number)) => number.trim().parse().context("the box's answer"),
                    Some((_, why)) => bail!("{why}"),
                    None => bail!("the box's answer cannot be read"),
                };
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    remove(&dir.join(OFFERED))?;
    bail!("the box that runs in this folder did not answer within {} s", TAKEN_WITHIN.as_secs())
}

fn remove(path: &PathBuf) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context(path.display().to_string()),
        _ => Ok(()),
    }
}

/// Takes what is left for this running box, until it stops.
pub(crate) async fn watch(station: Arc<Station>, dir: PathBuf) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = station.stopping() => return,
        }
        let file = dir.join(OFFERED);
        if !file.exists() {
            continue;
        }
        let taking = Arc::clone(&station);
        let taken = tokio::task::spawn_blocking(move || {
            let bytes = read(&file)?;
            let taken = taking.take_package(&bytes);
            remove(&file)?;
            Ok::<_, anyhow::Error>(taken?)
        });
        let said = match taken.await {
            Ok(Ok(number)) => {
                tracing::info!(number, "a bundle was loaded from a file");
                format!("taken {number}")
            }
            Ok(Err(error)) => {
                tracing::warn!("a file was not loaded, the bundle in use stays: {error:#}");
                format!("refused {error:#}")
            }
            Err(_) => "refused the box could not look at it".to_owned(),
        };
        if let Err(error) = write_durably(&dir.join(OUTCOME), said.as_bytes()) {
            tracing::warn!("what became of a file cannot be told: {error:#}");
        }
    }
}
