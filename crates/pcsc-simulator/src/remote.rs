//! The line to the process that plays the reader: one connection for questions, one for events.
//!
//! Invariant: no answer is awaited for more than [`PATIENCE`], and none is longer than 65,535 bytes.

use std::{
    io::{self, Read, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long the reader may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two attempts to reach a reader that is away.
const RETRY: Duration = Duration::from_millis(20);
/// Code of an answer that says yes.
const YES: u8 = 0;

/// What the reader is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Question {
    IsPresent,
    Atr,
    PowerUp,
    PowerDown,
    Transmit,
    Control,
}

impl Question {
    fn code(self) -> u8 {
        match self {
            Self::IsPresent => b'p',
            Self::Atr => b'a',
            Self::PowerUp => b'u',
            Self::PowerDown => b'd',
            Self::Transmit => b't',
            Self::Control => b'c',
        }
    }
}

/// The reader behind one socket.
#[derive(Debug)]
pub(crate) struct RemoteReader {
    path: PathBuf,
    questions: Mutex<Option<UnixStream>>,
    events: Mutex<Option<Arc<UnixStream>>>,
    /// Wakes whoever waits for events.
    wake: (UnixStream, UnixStream),
}

impl RemoteReader {
    pub(crate) fn connect(path: PathBuf) -> io::Result<Self> {
        let wake = UnixStream::pair()?;
        wake.1.set_nonblocking(true)?;
        let reader = Self { path, questions: Mutex::default(), events: Mutex::default(), wake };
        reader.reach(&mut lock(&reader.questions))?;
        Ok(reader)
    }

    /// Asks; `Ok(None)` is a no, an error says that the reader is away.
    pub(crate) fn ask(&self, question: Question, body: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut questions = lock(&self.questions);
        if questions.is_none() {
            self.reach(&mut questions)?;
        }
        let answered = match questions.as_mut() {
            Some(line) => exchange(line, question, body),
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        if answered.is_err() {
            *questions = None;
        }
        answered
    }

    /// Waits until something may have changed: a tag came or went, the reader went away or is back, somebody asked to stop
    /// waiting, or `patience` is over.
    pub(crate) fn wait_event(&self, patience: Duration) -> io::Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            let events = lock(&self.events).clone();
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = if events.is_some() { left } else { left.min(RETRY) };
            let mut watched = vec![PollFd::from_borrowed_fd(self.wake.0.as_fd(), PollFlags::IN)];
            watched.extend(events.as_ref().map(|events| PollFd::from_borrowed_fd(events.as_fd(), PollFlags::IN)));
            let timeout = Timespec::try_from(wait).map_err(io::Error::other)?;
            poll(&mut watched, Some(&timeout))?;
            let mut bytes = [0; 64];
            if watched.first().is_some_and(|wake| wake.revents().contains(PollFlags::IN)) {
                // one or several asked: all of them are answered
                return (&self.wake.0).read(&mut bytes).map(drop);
            }
            let told = watched.get(1).is_some_and(|events| !events.revents().is_empty());
            match events.as_deref() {
                Some(mut line) if told => {
                    if !line.read(&mut bytes).is_ok_and(|length| length > 0) {
                        *lock(&self.events) = None;
                    }
                    return Ok(());
                }
                // pcscd sleeps a second over a reader that is away, so it is told only once it is back
                None if self.reach(&mut lock(&self.questions)).is_ok() => return Ok(()),
                Some(_) | None if left.is_zero() => return Ok(()),
                Some(_) | None => {}
            }
        }
    }

    /// Ends a wait that goes on.
    pub(crate) fn stop_waiting(&self) {
        // a full buffer means that it is woken already
        let _ = (&self.wake.1).write(b"w");
    }

    fn reach(&self, questions: &mut Option<UnixStream>) -> io::Result<()> {
        let line = |hello: u8| -> io::Result<UnixStream> {
            let mut line = UnixStream::connect(&self.path)?;
            line.set_read_timeout(Some(PATIENCE))?;
            line.write_all(&[hello])?;
            Ok(line)
        };
        let events = line(b'E')?;
        *questions = Some(line(b'Q')?);
        *lock(&self.events) = Some(Arc::new(events));
        Ok(())
    }
}

fn exchange(line: &mut UnixStream, question: Question, body: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let length = u16::try_from(body.len()).map_err(io::Error::other)?;
    line.write_all(&[&[question.code()], length.to_be_bytes().as_slice(), body].concat())?;
    let mut head = [0; 3];
    line.read_exact(&mut head)?;
    let [code, high, low] = head;
    let mut answer = vec![0; usize::from(u16::from_be_bytes([high, low]))];
    line.read_exact(&mut answer)?;
    Ok((code == YES).then_some(answer))
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
