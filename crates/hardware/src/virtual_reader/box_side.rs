//! The box's side of a virtual reader.
//!
//! Invariant: `poll_tag` returns within 50 ms whatever the other side does, and a failed client
//! costs no more than its own tap.

use std::{
    io,
    os::unix::net::UnixListener,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::frame::{Answer, FromBox, FromWorld};
use crate::{
    link::{Link, LinkError},
    signal::Signal,
    socket,
    tag::{MAX_EXCHANGE, ReaderError, Tag, TagReader},
};

/// How long `poll_tag` waits for something to happen.
const POLL: Duration = Duration::from_millis(20);
/// How long a tag may take for its answer; the world's process may be busy.
const ANSWER: Duration = Duration::from_secs(1);

/// A [`TagReader`] whose field lies behind a Unix socket.
pub struct VirtualReader {
    listener: UnixListener,
    client: Option<Link>,
    field: Option<InField>,
    /// The reported tag went away and nobody was told yet.
    left: bool,
    unplugged: bool,
    last_reported: u32,
    last_sequence: u32,
}

struct InField {
    presence: u32,
    tag: Tag,
    is_reported: bool,
    /// Answers commands; if not, the selection that was asked for, if one was.
    selection: Selection,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Selection {
    Selected,
    Lost,
    AskedFor(u32),
}

impl VirtualReader {
    /// Listens at `path`, in place of a socket that a killed box left there.
    pub fn bind(path: &Path) -> io::Result<Self> {
        Ok(Self {
            listener: socket::bind(path)?,
            client: None,
            field: None,
            left: false,
            unplugged: false,
            last_reported: 0,
            last_sequence: 0,
        })
    }

    /// True while someone is connected who can present bands.
    pub fn is_connected(&self) -> bool {
        self.client.is_some()
    }

    /// Takes in one frame, or a new client, or waits until the deadline.
    fn wait(&mut self, deadline: Instant) -> Result<Waited, ReaderError> {
        let Some(client) = &mut self.client else {
            match socket::accept(&self.listener).and_then(|new| new.map(Link::new).transpose()) {
                Ok(Some(link)) => {
                    self.client = Some(link);
                    self.unplugged = false;
                    return Ok(Waited::Changed);
                }
                Ok(None) if Instant::now() >= deadline => return Ok(Waited::Nothing),
                Ok(None) => {
                    thread::sleep(socket::RETRY.min(socket::remaining(deadline)));
                    return Ok(Waited::Changed);
                }
                Err(error) => return Err(ReaderError::Io(error.to_string())),
            }
        };
        match client.receive(Some(deadline)) {
            Ok(Some(bytes)) => match FromWorld::decode(&bytes) {
                Some(frame) => Ok(self.take_in(frame)),
                None => {
                    self.hang_up();
                    Err(ReaderError::Malformed)
                }
            },
            Ok(None) => Ok(Waited::Nothing),
            Err(LinkError::Closed) => {
                self.hang_up();
                Ok(Waited::Changed)
            }
            Err(LinkError::Length(_)) => {
                self.hang_up();
                Err(ReaderError::Malformed)
            }
        }
    }

    fn take_in(&mut self, frame: FromWorld) -> Waited {
        match frame {
            FromWorld::Present { presence, tag } => {
                self.tag_left();
                self.field = Some(InField { presence, tag, is_reported: false, selection: Selection::Selected });
                Waited::Changed
            }
            FromWorld::Removed { presence } => {
                if self.presence() == Some(presence) {
                    self.tag_left();
                }
                Waited::Changed
            }
            FromWorld::Answer { sequence, answer } => {
                if let Some(field) = &mut self.field
                    && field.selection == Selection::AskedFor(sequence)
                {
                    field.selection = match answer {
                        Answer::Selected => Selection::Selected,
                        Answer::Data(_) | Answer::Ack | Answer::Nak(_) | Answer::Silent | Answer::Garbled => {
                            Selection::Lost
                        }
                    };
                    return Waited::Changed;
                }
                Waited::Answer(sequence, answer)
            }
            FromWorld::Unplugged => {
                self.hang_up();
                self.unplugged = true;
                Waited::Changed
            }
        }
    }

    fn presence(&self) -> Option<u32> {
        self.field.as_ref().map(|field| field.presence)
    }

    fn tag_left(&mut self) {
        if let Some(field) = self.field.take() {
            self.left |= field.is_reported;
        }
    }

    fn hang_up(&mut self) {
        self.client = None;
        self.last_reported = 0;
        self.tag_left();
    }

    fn next_sequence(&mut self) -> u32 {
        self.last_sequence = self.last_sequence.wrapping_add(1);
        self.last_sequence
    }

    /// Sends, or hangs up; `false` if nobody takes it.
    fn send(&mut self, frame: &FromBox) -> bool {
        let is_sent = match &mut self.client {
            Some(client) => client.send(&frame.encode()).is_ok(),
            None => false,
        };
        if !is_sent {
            self.hang_up();
        }
        is_sent
    }

    /// The tag that came since the last look.
    fn report_new_tag(&mut self) -> Option<Tag> {
        let field = self.field.as_mut().filter(|field| !field.is_reported)?;
        field.is_reported = true;
        self.last_reported = field.presence;
        Some(field.tag)
    }

    /// Wakes a tag that a NAK or silence has put to sleep; true while it does not answer commands.
    fn ask_for_selection(&mut self) -> bool {
        let sequence = self.last_sequence.wrapping_add(1);
        let Some(field) = &mut self.field else {
            return false;
        };
        match field.selection {
            Selection::Selected => false,
            Selection::AskedFor(_) => true,
            Selection::Lost => {
                field.selection = Selection::AskedFor(sequence);
                let presence = field.presence;
                self.last_sequence = sequence;
                self.send(&FromBox::Select { presence, sequence });
                true
            }
        }
    }

    fn lose_selection(&mut self) {
        if let Some(field) = &mut self.field {
            field.selection = Selection::Lost;
        }
    }
}

enum Waited {
    Nothing,
    Changed,
    Answer(u32, Answer),
}

impl TagReader for VirtualReader {
    fn poll_tag(&mut self) -> Result<Option<Tag>, ReaderError> {
        let deadline = Instant::now() + POLL;
        loop {
            if self.left {
                self.left = false;
                return Ok(None);
            }
            if let Some(tag) = self.report_new_tag() {
                return Ok(Some(tag));
            }
            let was_waiting = self.ask_for_selection();
            let is_over = matches!(self.wait(deadline)?, Waited::Nothing);
            if let Some(field) = &self.field
                && field.is_reported
                && (is_over || (was_waiting && field.selection == Selection::Selected))
            {
                return Ok(Some(field.tag));
            }
            if is_over || Instant::now() >= deadline {
                return match self.unplugged {
                    true => Err(ReaderError::Unplugged),
                    false => Ok(None),
                };
            }
        }
    }

    fn transceive(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
        if self.unplugged {
            return Err(ReaderError::Unplugged);
        }
        if command.len() > MAX_EXCHANGE {
            let length = command.len();
            let reason = format!("a command of {length} bytes, at most {MAX_EXCHANGE} are sent");
            return Err(ReaderError::Io(reason));
        }
        let presence = match &self.field {
            Some(field) if field.is_reported && field.selection == Selection::Selected => field.presence,
            _ => return Err(ReaderError::TagGone),
        };
        let sequence = self.next_sequence();
        let bytes = command.to_vec();
        if !self.send(&FromBox::Command { presence, sequence, bytes }) {
            return Err(ReaderError::TagGone);
        }
        let deadline = Instant::now() + ANSWER;
        loop {
            match self.wait(deadline)? {
                Waited::Answer(answered, answer) if answered == sequence => {
                    return match answer {
                        Answer::Data(bytes) => Ok(bytes),
                        Answer::Ack => Ok(Vec::new()),
                        Answer::Nak(code) => {
                            self.lose_selection();
                            Err(ReaderError::from_nak(code))
                        }
                        Answer::Garbled => Err(ReaderError::Malformed),
                        Answer::Silent | Answer::Selected => {
                            self.lose_selection();
                            Err(ReaderError::TagGone)
                        }
                    };
                }
                Waited::Nothing => {
                    self.lose_selection();
                    return Err(ReaderError::TagGone);
                }
                Waited::Answer(..) | Waited::Changed if Instant::now() >= deadline => {
                    self.lose_selection();
                    return Err(ReaderError::TagGone);
                }
                Waited::Answer(..) | Waited::Changed => {}
            }
            if self.unplugged {
                return Err(ReaderError::Unplugged);
            }
            if self.presence() != Some(presence) {
                return Err(ReaderError::TagGone);
            }
        }
    }

    fn signal(&mut self, signal: Signal) -> Result<(), ReaderError> {
        if self.unplugged {
            return Err(ReaderError::Unplugged);
        }
        let presence = self.last_reported;
        self.send(&FromBox::Signal { presence, signal });
        Ok(())
    }
}
