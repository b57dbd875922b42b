//! A tag reader whose driver runs in another process: a question goes there, an answer comes back.
//! The **box** asks ([`RemoteReader`]), the **driver's process** answers ([`serve`]).
//!
//! # Protocol
//! Frames as in [`crate::virtual_reader`]: a big-endian `u16` length and that many bytes, a type byte
//! and its body. The process speaks once by itself, when its reader is open (or why it is not); from
//! then on each question has exactly one answer, in order.
//!
//! | question | type | body |
//! | --- | --- | --- |
//! | Poll: the tag in the field, if any | 01h | |
//! | Command for the tag | 02h | the command's bytes |
//! | Signal: light and buzzer | 03h | code 1 ok, 2 warn, 3 refuse, 4 tap again |
//!
//! | answer | type | body |
//! | --- | --- | --- |
//! | Ready: the reader is open | 81h | its name |
//! | Tag | 82h | kind, UID |
//! | Nothing: no tag; a signal was shown | 83h | |
//! | Data | 84h | the tag's answer, empty for ACK |
//! | Gone: no answer from the tag | 85h | |
//! | Nak | 86h | code |
//! | Malformed: the answer was damaged | 87h | |
//! | Unplugged | 88h | |
//! | Failed | 89h | the reason, as text |
//!
//! Invariant: an answer is awaited for a bounded time, and after the first one that fails to come
//! the connection is of no more use, so that a late answer is never taken for another.
//! Not here: when a process is started, and which program it is (`edge::drivers`, `provisioning`).

mod frame;
mod process;
mod serving;

use std::{
    io,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use frame::{Answer, Question};
pub use process::ReaderProcess;
pub use serving::serve;

use crate::{
    link::Link,
    signal::Signal,
    tag::{MAX_EXCHANGE, ReaderError, Tag, TagReader},
};

/// How long an answer may take. The slowest honest one is a poll (50 ms) on a loaded machine.
pub const ANSWER: Duration = Duration::from_millis(1_000);

/// The box's side: a [`TagReader`] that asks its driver's process.
pub struct RemoteReader {
    link: Link,
    name: String,
    lost: Option<ReaderError>,
}

impl RemoteReader {
    /// Waits until the process at the other end says that its reader is open.
    pub fn connect(stream: UnixStream, patience: Duration) -> Result<Self, ReaderError> {
        let link = Link::new(stream).map_err(io_error)?;
        let mut remote = Self { link, name: String::new(), lost: None };
        match remote.answer(patience)? {
            Answer::Ready(name) => {
                remote.name = name;
                Ok(remote)
            }
            Answer::Failed(error) => Err(error),
            Answer::Tag(_) | Answer::Nothing | Answer::Data(_) => Err(remote.lose("it spoke out of turn")),
        }
    }

    /// What the reader calls itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn ask(&mut self, question: &Question) -> Result<Answer, ReaderError> {
        if let Some(lost) = &self.lost {
            return Err(lost.clone());
        }
        if self.link.send(&question.encode()).is_err() {
            return Err(self.lose("its process has ended"));
        }
        match self.answer(ANSWER)? {
            Answer::Failed(error) => {
                if matches!(error, ReaderError::Unplugged | ReaderError::Io(_)) {
                    self.lost = Some(error.clone());
                }
                Err(error)
            }
            answer @ (Answer::Ready(_) | Answer::Tag(_) | Answer::Nothing | Answer::Data(_)) => Ok(answer),
        }
    }

    fn answer(&mut self, patience: Duration) -> Result<Answer, ReaderError> {
        match self.link.receive(Some(Instant::now() + patience)) {
            Ok(Some(frame)) => Answer::decode(&frame).ok_or_else(|| self.lose("its process speaks another language")),
            Ok(None) => Err(self.lose("its process did not answer in time")),
            Err(_) => Err(self.lose("its process has ended")),
        }
    }

    fn lose(&mut self, why: &str) -> ReaderError {
        let error = ReaderError::Io(why.to_owned());
        self.lost = Some(error.clone());
        error
    }
}

impl TagReader for RemoteReader {
    fn poll_tag(&mut self) -> Result<Option<Tag>, ReaderError> {
        match self.ask(&Question::Poll)? {
            Answer::Tag(tag) => Ok(Some(tag)),
            Answer::Nothing => Ok(None),
            Answer::Ready(_) | Answer::Data(_) | Answer::Failed(_) => Err(self.lose("it answered another question")),
        }
    }

    fn transceive(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
        if command.len() > MAX_EXCHANGE {
            return Err(ReaderError::Malformed);
        }
        match self.ask(&Question::Command(command.to_vec()))? {
            Answer::Data(bytes) => Ok(bytes),
            Answer::Ready(_) | Answer::Tag(_) | Answer::Nothing | Answer::Failed(_) => {
                Err(self.lose("it answered another question"))
            }
        }
    }

    fn signal(&mut self, signal: Signal) -> Result<(), ReaderError> {
        match self.ask(&Question::Signal(signal))? {
            Answer::Nothing => Ok(()),
            Answer::Ready(_) | Answer::Tag(_) | Answer::Data(_) | Answer::Failed(_) => {
                Err(self.lose("it answered another question"))
            }
        }
    }
}

fn io_error(error: io::Error) -> ReaderError {
    ReaderError::Io(error.to_string())
}

#[cfg(test)]
mod tests;
