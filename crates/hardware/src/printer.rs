//! A receipt printer.
//!
//! Invariant: after an error nobody knows how much of the receipt was printed, unless the error says nothing was.
//! Not here: what a receipt says (`edge::receipt`), real printers (`edge::drivers`).

use thiserror::Error;

/// Why a receipt was not printed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PrinterError {
    /// It does not answer. Nothing was printed.
    #[error("the printer is away: {0}")]
    Away(String),
    /// Out of paper. Nothing was printed.
    #[error("the printer is out of paper")]
    NoPaper,
    /// It stopped in the middle.
    #[error("the printer stopped: {0}")]
    Stopped(String),
}

/// Prints receipts, one at a time.
pub trait Printer: Send {
    /// Makes sure that it is there and has paper. Returns within a second or two.
    fn is_ready(&mut self) -> Result<(), PrinterError>;

    /// Sends one receipt. Returns once the printer took it, or with an error after some seconds.
    fn print(&mut self, receipt: &[u8]) -> Result<(), PrinterError>;
}
