//! A bundle or package from a USB stick: `edge load`, for a box that is off and for one that runs.
//! Invariant: the file counts only as a whole and only if everything in it holds; a running box takes it itself, since
//! only it writes into its store. What is left for it is looked at once, whatever comes of it.
//! Not here: the checks (`loaded`, `domain::bundle`).
use std::{
    fs,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use box_store::OpenError;
use domain::bundle::PACKAGE_MAX;
use rustix::fs::{Mode, OFlags};

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

/// Reads a plain file, and no more of it than a package may have. A stick is a stranger's: a link on it may lead to any
/// file of this box, a pipe never answers, a device never ends.
fn read(file: &Path) -> Result<Vec<u8>> {
    let shown = file.display();
    let kind = fs::symlink_metadata(file).with_context(|| shown.to_string())?.file_type();
    ensure!(!kind.is_symlink(), "{shown} is a link to another file: name the file itself");
    ensure!(kind.is_file(), "{shown} is no plain file");
    // what lies there may be another by now: the same is asked of what was opened, and opening waits for nobody
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(file, flags, Mode::empty()).with_context(|| shown.to_string())?;
    let opened = fs::File::from(opened);
    let metadata = opened.metadata().with_context(|| shown.to_string())?;
    ensure!(metadata.is_file(), "{shown} is no plain file");
    let is_short = |length: u64| {
        ensure!(length <= PACKAGE_MAX, "a package has at most {PACKAGE_MAX} bytes, this one has {length}");
        Ok(())
    };
    is_short(metadata.len())?;
    let mut bytes = Vec::new();
    // it may have grown since
    opened.take(PACKAGE_MAX.saturating_add(1)).read_to_end(&mut bytes).with_context(|| shown.to_string())?;
    is_short(bytes.len() as u64)?;
    Ok(bytes)
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

/// Which file lies there, and since when it is as it is.
fn lying(path: &Path) -> Option<(u64, i64, i64)> {
    let file = fs::symlink_metadata(path).ok()?;
    Some((file.ino(), file.ctime(), file.ctime_nsec()))
}

/// Takes what is left for this running box, until it stops.
pub(crate) async fn watch(station: Arc<Station>, dir: PathBuf) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    let mut looked_at = None;
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = station.stopping() => return,
        }
        let file = dir.join(OFFERED);
        let lies = lying(&file);
        // what can be neither taken nor removed waits until somebody changes it
        if std::mem::replace(&mut looked_at, lies) == lies || lies.is_none() {
            continue;
        }
        let taking = Arc::clone(&station);
        let taken = tokio::task::spawn_blocking(move || {
            let taken = read(&file).and_then(|bytes| Ok(taking.take_package(&bytes)?));
            if let Err(error) = remove(&file) {
                tracing::warn!("what was left for this box stays there: {error:#}");
            }
            taken
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Bench;

    /// Waits until it holds, for ten seconds at most.
    async fn until(holds: impl Fn() -> bool) {
        let look = async {
            while !holds() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), look).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_that_cannot_be_read_is_told_of_once_and_is_gone() {
        let bench = Bench::new();
        let (offered, outcome) = (bench.folder().join(OFFERED), bench.folder().join(OUTCOME));
        fs::File::create(&offered).unwrap().set_len(PACKAGE_MAX + 1).unwrap();
        let watching = tokio::spawn(watch(Arc::clone(&bench.station), bench.folder().to_owned()));
        until(|| outcome.exists()).await;
        assert!(fs::read_to_string(&outcome).unwrap().starts_with("refused a package has at most"));
        assert!(!offered.exists());
        bench.station.stop();
        watching.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_a_plain_file_is_read_and_neither_a_link_nor_a_pipe_holds_anything_up() {
        let bench = Bench::new();
        let (offered, outcome) = (bench.folder().join(OFFERED), bench.folder().join(OUTCOME));
        let watching = tokio::spawn(watch(Arc::clone(&bench.station), bench.folder().to_owned()));
        let pipe = |path: &Path| {
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        };
        let elsewhere = bench.folder().join("elsewhere");
        let links: [(&str, &dyn Fn()); 4] = [
            ("is no plain file", &|| pipe(&offered)),
            ("is a link to another file", &|| std::os::unix::fs::symlink("/etc/passwd", &offered).unwrap()),
            ("is a link to another file", &|| std::os::unix::fs::symlink("/dev/zero", &offered).unwrap()),
            ("is a link to another file", &|| {
                pipe(&elsewhere);
                std::os::unix::fs::symlink(&elsewhere, &offered).unwrap();
            }),
        ];
        for (why, lay) in links {
            lay();
            until(|| outcome.exists() && !offered.exists()).await;
            let said = fs::read_to_string(&outcome).unwrap();
            assert!(said.starts_with("refused") && said.contains(why), "{said}");
            fs::remove_file(&outcome).unwrap();
        }
        assert!(elsewhere.exists(), "the link is gone, and nothing that it led to");
        bench.station.stop();
        watching.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_even_be_removed_is_told_of_once_until_it_changes() {
        let bench = Bench::new();
        let (offered, outcome) = (bench.folder().join(OFFERED), bench.folder().join(OUTCOME));
        fs::create_dir(&offered).unwrap();
        let watching = tokio::spawn(watch(Arc::clone(&bench.station), bench.folder().to_owned()));
        until(|| outcome.exists()).await;
        fs::remove_file(&outcome).unwrap();
        let again = tokio::time::timeout(LOOK_EVERY * 3, until(|| outcome.exists())).await;
        assert!(again.is_err(), "told of again");
        fs::remove_dir(&offered).unwrap();
        fs::write(&offered, b"no package").unwrap();
        until(|| outcome.exists() && !offered.exists()).await;
        bench.station.stop();
        watching.await.unwrap();
    }
}
