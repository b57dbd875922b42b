//! The world's side of a virtual scanner: shows it pictures.
//!
//! Invariant: each picture is shown once; what the box saw comes back, or an error.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{DECODED, NO_CODE, NOT_A_PNG, NOT_TEXT, SEVERAL_CODES, TOO_LARGE, VirtualError};
use crate::socket;

/// What the box's scanner saw in a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// One code with this text, which the box now has.
    Decoded(String),
    /// No code that can be read.
    NoCode,
    /// More than one code, of which none was taken.
    SeveralCodes,
    /// No PNG.
    NotAPng,
    /// Too many bytes or pixels.
    TooLarge,
    /// A code whose content is not text.
    NotText,
}

/// A place to hold pictures in front of a box's virtual scanner.
#[derive(Clone, Debug)]
pub struct VirtualEye {
    path: PathBuf,
    patience: Duration,
}

impl VirtualEye {
    /// In front of the box that listens at `path`; each picture waits at most `patience` for it to
    /// be there (it may be restarting) and as long again for it to look.
    pub fn new(path: &Path, patience: Duration) -> Self {
        Self { path: path.to_owned(), patience }
    }

    /// Shows one picture.
    pub fn show(&self, png: &[u8]) -> Result<Shown, VirtualError> {
        let Ok(length) = u32::try_from(png.len()) else {
            return Ok(Shown::TooLarge);
        };
        let mut stream = socket::connect(&self.path, self.patience)?;
        let mut exchange = || -> io::Result<Shown> {
            stream.set_read_timeout(Some(self.patience))?;
            stream.set_write_timeout(Some(self.patience))?;
            stream.write_all(&length.to_be_bytes())?;
            // A box that refuses the length hangs up while the picture is still on its way; its
            // answer says why.
            let written = stream.write_all(png);
            let mut head = [0; 3];
            match (stream.read_exact(&mut head), written) {
                (Err(_), Err(error)) | (Err(error), Ok(())) => return Err(error),
                (Ok(()), _) => {}
            }
            let [status, high, low] = head;
            let mut text = vec![0; usize::from(u16::from_be_bytes([high, low]))];
            stream.read_exact(&mut text)?;
            match status {
                DECODED => String::from_utf8(text)
                    .map(Shown::Decoded)
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
                NO_CODE => Ok(Shown::NoCode),
                SEVERAL_CODES => Ok(Shown::SeveralCodes),
                NOT_A_PNG => Ok(Shown::NotAPng),
                TOO_LARGE => Ok(Shown::TooLarge),
                NOT_TEXT => Ok(Shown::NotText),
                _ => Err(io::ErrorKind::InvalidData.into()),
            }
        };
        exchange().map_err(|source| VirtualError::NoAnswer { path: self.path.clone(), source })
    }
}
