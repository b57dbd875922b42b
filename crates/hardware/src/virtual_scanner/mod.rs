//! A code scanner that looks at pictures from another process, over a Unix socket. The **box** binds
//! the socket and really decodes ([`VirtualScanner`]); the **world** shows it a PNG
//! ([`VirtualEye`]).
//!
//! # Protocol
//! One connection for each picture. World → box: a big-endian `u32` length (at most [`MAX_PNG`]) and
//! the PNG. Box → world: a status byte, a big-endian `u16` length and that many bytes of UTF-8, then
//! the box hangs up. Status 1: decoded, the text follows; otherwise no text: 2 no code found (or not
//! within [`qr::LONGEST_LOOK`]),
//! 3 several codes, 4 not a PNG, 5 too large (bytes or pixels), 6 the code is not text.
//!
//! Invariant: one picture at a time is held, and no picture stops the scanner.
//! Not here: making QR codes.

mod box_side;
mod eye;
pub mod qr;

pub use box_side::VirtualScanner;
pub use eye::{Shown, VirtualEye};

pub use crate::socket::VirtualError;

/// The largest picture, in bytes.
pub const MAX_PNG: usize = 1 << 20;

const DECODED: u8 = 1;
const NO_CODE: u8 = 2;
const SEVERAL_CODES: u8 = 3;
const NOT_A_PNG: u8 = 4;
const TOO_LARGE: u8 = 5;
const NOT_TEXT: u8 = 6;

#[cfg(test)]
mod tests;
