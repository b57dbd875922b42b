//! The driver's side: opens the reader and answers until the box hangs up.

use std::os::unix::net::UnixStream;

use super::frame::{Answer, Question};
use crate::{
    link::{Link, LinkError},
    tag::{ReaderError, TagReader},
};

/// Serves one reader over `stream` until the box hangs up (`Ok`) or the reader itself fails, which the
/// box is told first. `open` gives the reader and what it calls itself.
pub fn serve(
    stream: UnixStream,
    open: impl FnOnce() -> Result<(Box<dyn TagReader>, String), ReaderError>,
) -> Result<(), ReaderError> {
    let mut link = Link::new(stream).map_err(super::io_error)?;
    let mut reader = match open() {
        Ok((reader, name)) => {
            tell(&mut link, &Answer::Ready(name))?;
            reader
        }
        Err(error) => {
            tell(&mut link, &Answer::Failed(error.clone()))?;
            return Err(error);
        }
    };
    loop {
        let frame = match link.receive(None) {
            Ok(Some(frame)) => frame,
            Ok(None) | Err(LinkError::Closed) => return Ok(()),
            Err(LinkError::Length(_)) => return Err(ReaderError::Malformed),
        };
        let Some(question) = Question::decode(&frame) else {
            return Err(ReaderError::Malformed);
        };
        let answer = answer(reader.as_mut(), question);
        tell(&mut link, &answer)?;
        if let Answer::Failed(error @ (ReaderError::Unplugged | ReaderError::Io(_))) = answer {
            return Err(error);
        }
    }
}

fn answer(reader: &mut dyn TagReader, question: Question) -> Answer {
    let answered = match question {
        Question::Poll => reader.poll_tag().map(|tag| tag.map_or(Answer::Nothing, Answer::Tag)),
        Question::Command(bytes) => reader.transceive(&bytes).map(Answer::Data),
        Question::Signal(signal) => reader.signal(signal).map(|()| Answer::Nothing),
    };
    answered.unwrap_or_else(Answer::Failed)
}

/// A box that does not take an answer has gone or is stuck: either way this process is of no more use.
fn tell(link: &mut Link, answer: &Answer) -> Result<(), ReaderError> {
    link.send(&answer.encode()).map_err(|error| ReaderError::Io(error.to_string()))
}
