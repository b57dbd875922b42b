//! A scanned code and the one trait all scanner drivers share.
//!
//! Invariant: a [`ScannedCode`] is UTF-8 of 1 to [`MAX_CODE_BYTES`] bytes and stays out of logs.
//! Not here: what the text means (`domain::ticket`).

use std::{fmt, time::Duration};

use thiserror::Error;

/// The longest text taken from a scanner, in bytes; a QR code holds at most 2,953.
pub const MAX_CODE_BYTES: usize = 4096;

/// The text of one code, exactly as scanned (nothing trimmed).
#[derive(Clone, PartialEq, Eq)]
pub struct ScannedCode(String);

impl ScannedCode {
    /// Takes the bytes a scanner sent for one code, without its line ending.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ScannerError> {
        if bytes.is_empty() {
            return Err(ScannerError::Empty);
        }
        if bytes.len() > MAX_CODE_BYTES {
            return Err(ScannerError::TooLong { length: bytes.len() });
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self(text.to_owned())),
            Err(error) => Err(ScannerError::NotText { at: error.valid_up_to() }),
        }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ScannedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScannedCode({} bytes)", self.0.len())
    }
}

/// Why a scan gave no text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScannerError {
    /// A code without content.
    #[error("the code is empty")]
    Empty,
    /// More than [`MAX_CODE_BYTES`].
    #[error("the code has {length} bytes, at most {MAX_CODE_BYTES} are read")]
    TooLong {
        /// How many bytes came (or had come when reading stopped).
        length: usize,
    },
    /// Not UTF-8.
    #[error("the code is not text (byte {at})")]
    NotText {
        /// Where the text ends.
        at: usize,
    },
    /// The scanner itself is away.
    #[error("the scanner is unplugged")]
    Unplugged,
    /// The connection to the scanner failed.
    #[error("the scanner failed: {0}")]
    Io(String),
}

/// A scanner of QR codes.
pub trait CodeScanner: Send {
    /// The next code, or `None` if none came within `wait`. After an error on one code the scanner
    /// goes on with the next.
    fn next_code(&mut self, wait: Duration) -> Result<Option<ScannedCode>, ScannerError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_bounded_text_kept_as_it_is() {
        let code = ScannedCode::from_bytes(b" FEST-1 \t").unwrap();
        assert_eq!(code.text(), " FEST-1 \t");
        assert!(ScannedCode::from_bytes(&[b'A'; MAX_CODE_BYTES]).is_ok());
        assert_eq!(ScannedCode::from_bytes(&[b'A'; MAX_CODE_BYTES + 1]), Err(ScannerError::TooLong { length: 4097 }));
        assert_eq!(ScannedCode::from_bytes(b"ab\xFFc"), Err(ScannerError::NotText { at: 2 }));
        assert_eq!(ScannedCode::from_bytes(b""), Err(ScannerError::Empty));
    }

    #[test]
    fn a_code_keeps_its_text_out_of_logs() {
        let code = ScannedCode::from_bytes(b"secret").unwrap();
        assert_eq!(format!("{code:?}"), "ScannedCode(6 bytes)");
    }
}
