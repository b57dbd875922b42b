//! A tag reader whose field lies in another process, over a Unix socket. The **box** binds the
//! socket ([`VirtualReader`]), the **world** connects ([`VirtualField`]) and holds the bands, which
//! therefore survive a box that is killed.
//!
//! # Protocol
//! Each frame is a big-endian `u16` length (1 to [`frame::MAX_FRAME`]) and that many bytes: a type
//! byte and its body. `presence` (`u32`) numbers the bands a field was shown, `sequence` (`u32`) the
//! box's questions; an answer repeats the sequence, so that a late one is never taken for another.
//!
//! | box → world | type | body |
//! | --- | --- | --- |
//! | Command | 01h | presence, sequence, the command's bytes |
//! | Select: wake the tag after a NAK or HALT | 02h | presence, sequence |
//! | Signal: the light shows | 03h | presence last reported (0: none), code 1 ok, 2 warn, 3 refuse, 4 tap again |
//!
//! | world → box | type | body |
//! | --- | --- | --- |
//! | Present: a tag is in the field, selected | 81h | presence, kind, UID |
//! | Removed | 82h | presence |
//! | Answer | 83h | sequence, bytes |
//! | Ack | 84h | sequence |
//! | Nak | 85h | sequence, code |
//! | Silent | 86h | sequence |
//! | Garbled: the answer came back damaged | 87h | sequence |
//! | Selected | 88h | sequence |
//! | Unplugged: the reader itself is away until the next connection | 89h | |
//!
//! A side that gets anything else hangs up. One client is served at a time, the next waits in the
//! listening queue. Invariant: a command reaches only the band that `poll_tag` reported.
//! Not here: chips ([`crate::chip`]), what goes wrong ([`crate::fault`]).

mod box_side;
mod field;
pub mod frame;

pub use box_side::VirtualReader;
pub use field::{Presented, VirtualField};

pub use crate::socket::VirtualError;

#[cfg(test)]
mod tests;
