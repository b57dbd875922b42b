//! The tracer: counts the file system calls of a daemon, and kills it before one of them.
//! Invariant: a daemon that is traced is not changed but by the one signal; what was hit is read from the tracer's log.
//! Not here: what must be true afterwards (`a_box`, `a_hub`).
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

/// Calls that change a file system, or make sure that it is changed. The index of the WAL is mapped memory: stores into
/// it are no calls, and it is made anew at every start.
const CALLS: &str = "openat,creat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,fallocate,fsync,fdatasync,msync,\
                     unlink,unlinkat,rename,renameat,renameat2,link,linkat,mkdir,mkdirat,rmdir";
const ATTACHED_WITHIN: Duration = Duration::from_secs(10);
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// Before which call the daemon is killed: the nth of that name by one of its threads, since the tracer counts each
/// thread for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    /// Name of the call.
    pub(crate) call: String,
    /// Counted from 1.
    pub(crate) nth: usize,
}

/// One call that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    thread: u32,
    /// Its name.
    pub(crate) call: String,
    /// The file of the daemon's folder that it changes, those with a changing name under one; `None`: no such file.
    pub(crate) file: Option<String>,
}

/// What happened while a daemon was traced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Every traced call, in its order.
    calls: Vec<Seen>,
    /// Whether the daemon was killed.
    pub(crate) killed: bool,
}

fn arguments(kill: Option<&Point>, log: &Path) -> Result<Vec<String>> {
    let log = log.to_str().context("a path that is text")?;
    let mut words: Vec<String> = ["-f", "-y", "-s", "0", "-o", log].map(String::from).into();
    let traced = format!("trace={CALLS}");
    words.extend(["-e".into(), traced]);
    if let Some(Point { call, nth }) = kill {
        words.extend(["-e".into(), format!("inject={call}:signal=SIGKILL:when={nth}")]);
    }
    Ok(words)
}

/// The beginning of a command line that runs a daemon from its first instruction on under the tracer.
pub(crate) fn under(kill: Option<&Point>, log: &Path) -> Result<Vec<String>> {
    // not with --seccomp-bpf, which is quicker and passes over what threads do (strace 6.1)
    let mut words = vec!["strace".into()];
    words.extend(arguments(kill, log)?);
    Ok(words)
}

/// A tracer that has attached itself to a running daemon.
pub(crate) struct Tracer {
    child: Child,
    log: PathBuf,
}

impl Tracer {
    /// Attaches to every thread of the daemon, and counts from now on.
    pub(crate) fn attach(pid: u32, kill: Option<&Point>, log: &Path) -> Result<Self> {
        let mut command = Command::new("strace");
        command.args(arguments(kill, log)?).args(["-p", &pid.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("strace (Debian package strace)")?;
        let errors = child.stderr.take().context("its standard error")?;
        let mut tracer = Self { child, log: log.into() };
        let (told, said) = std::sync::mpsc::channel();
        // read to its end, so that the tracer never waits for a reader
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                let _ = told.send(line);
            }
        });
        let line = said.recv_timeout(ATTACHED_WITHIN).context("the tracer says nothing")?;
        if !line.contains("attached") {
            let _ = tracer.child.kill();
            anyhow::bail!("the tracer could not attach: {line}");
        }
        Ok(tracer)
    }

    /// Waits for its end, for a while.
    fn is_over(&mut self) -> bool {
        let end = Instant::now() + ENDS_WITHIN;
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(2));
        }
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Lets the daemon go, unless it is gone, and reads what was seen of its folder.
    pub(crate) fn ended(mut self, is_gone: bool, folder: &Path) -> Result<Told> {
        // whoever traces a process that died ends by itself, with its last words in the log
        if !(is_gone && self.is_over()) {
            let asked = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status()?;
            ensure!(asked.success() || self.is_over(), "the tracer is gone");
        }
        // seen once: it waits for ever for a thread of a process that was killed under it; without it the thread is gone
        if !self.is_over() {
            self.child.kill().context("the tracer")?;
        }
        self.child.wait().context("the tracer")?;
        read(&self.log, folder)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // what is traced goes on when the tracer is gone
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a tracer's log.
pub(crate) fn read(log: &Path, folder: &Path) -> Result<Told> {
    let text = fs::read_to_string(log).with_context(|| log.display().to_string())?;
    let folder = folder.to_str().context("a path that is text")?;
    let mut told = Told::default();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(char::is_whitespace) else { continue };
        let (Ok(thread), rest) = (thread.parse::<u32>(), rest.trim_start()) else { continue };
        told.killed |= rest.starts_with("+++ killed by SIGKILL");
        if rest.starts_with(['<', '+', '-']) {
            continue;
        }
        if let Some((call, about)) = rest.split_once('(') {
            told.calls.push(Seen { thread, call: call.to_owned(), file: changed_file(call, about, folder) });
        }
    }
    Ok(told)
}

/// The file below `folder` that a call changes.
fn changed_file(call: &str, about: &str, folder: &str) -> Option<String> {
    if call == "openat" && !["O_CREAT", "O_TRUNC"].iter().any(|flag| about.contains(flag)) {
        return None;
    }
    let rest = about.find(folder).map(|at| &about[at + folder.len()..])?;
    let file = rest.split(['>', '"']).next().unwrap_or_default().trim_start_matches('/').trim_end_matches(" (deleted)");
    match file.split_once('/') {
        _ if file == "log" => None,
        Some(("blobs", name)) => Some(if name.ends_with(".part") { "blobs/*.part".into() } else { "blobs/*".into() }),
        _ if file.is_empty() => Some("the folder".into()),
        _ => Some(file.to_owned()),
    }
}

impl Told {
    /// How many calls change the folder.
    pub(crate) fn changes(&self) -> usize {
        self.calls.iter().filter(|seen| seen.file.is_some()).count()
    }

    /// Every point at which a daemon that does the same again is killed before a call that changes its folder.
    pub(crate) fn points(&self) -> Vec<Point> {
        let mut counted: BTreeMap<(u32, &str), usize> = BTreeMap::new();
        let mut points: Vec<Point> = Vec::new();
        for seen in &self.calls {
            let nth = counted.entry((seen.thread, &seen.call)).or_default();
            *nth += 1;
            let point = Point { call: seen.call.clone(), nth: *nth };
            if seen.file.is_some() && !points.contains(&point) {
                points.push(point);
            }
        }
        points
    }

    /// The call before which the daemon was killed.
    pub(crate) fn hit(&self, point: &Point) -> Option<&Seen> {
        let mut counted: BTreeMap<u32, usize> = BTreeMap::new();
        self.calls.iter().filter(|_| self.killed).filter(|seen| seen.call == point.call).find(|seen| {
            let nth = counted.entry(seen.thread).or_default();
            *nth += 1;
            *nth == point.nth
        })
    }
}
