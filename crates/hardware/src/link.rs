//! Length-prefixed frames over one stream.
//!
//! Invariant: holds at most one frame's worth of unread bytes beside what one read brings.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use thiserror::Error;

use crate::{
    socket::{is_not_yet, remaining},
    virtual_reader::frame::MAX_FRAME,
};

/// The other side must take a frame within this time; the socket holds some hundred frames, so that
/// only a side that no longer reads lets it pass.
const SEND_TIMEOUT: Duration = Duration::from_millis(20);

/// Why a link is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum LinkError {
    /// The other side hung up.
    #[error("the other side hung up")]
    Closed,
    /// A frame of no length, or longer than allowed.
    #[error("a frame of {0} bytes")]
    Length(usize),
}

pub(crate) struct Link {
    stream: UnixStream,
    inbox: Vec<u8>,
}

impl Link {
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok(Self { stream, inbox: Vec::new() })
    }

    /// The next frame, or `None` when the deadline passes first. Without a deadline it waits until
    /// the other side hangs up.
    pub(crate) fn receive(&mut self, deadline: Option<Instant>) -> Result<Option<Vec<u8>>, LinkError> {
        let mut piece = [0; MAX_FRAME];
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(Some(frame));
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(None);
            }
            self.stream.set_read_timeout(deadline.map(remaining)).map_err(|_| LinkError::Closed)?;
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(LinkError::Closed),
                Ok(length) => self.inbox.extend(&piece[..length]),
                Err(error) if is_not_yet(&error) => {}
                Err(_) => return Err(LinkError::Closed),
            }
        }
    }

    pub(crate) fn send(&mut self, frame: &[u8]) -> Result<(), LinkError> {
        send(&mut self.stream, frame)
    }

    fn take_frame(&mut self) -> Result<Option<Vec<u8>>, LinkError> {
        let Some((prefix, rest)) = self.inbox.split_first_chunk::<2>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes(*prefix));
        if length == 0 || length > MAX_FRAME {
            return Err(LinkError::Length(length));
        }
        let Some((frame, rest)) = rest.split_at_checked(length) else {
            return Ok(None);
        };
        let frame = frame.to_vec();
        self.inbox = rest.to_vec();
        Ok(Some(frame))
    }
}

/// Sends one frame with its length in one piece.
pub(crate) fn send(stream: &mut UnixStream, frame: &[u8]) -> Result<(), LinkError> {
    let too_long = LinkError::Length(frame.len());
    if frame.is_empty() || frame.len() > MAX_FRAME {
        return Err(too_long);
    }
    let length = u16::try_from(frame.len()).map_err(|_| too_long)?;
    let mut bytes = Vec::with_capacity(frame.len() + 2);
    bytes.extend(length.to_be_bytes());
    bytes.extend(frame);
    stream.write_all(&bytes).map_err(|_| LinkError::Closed)
}
