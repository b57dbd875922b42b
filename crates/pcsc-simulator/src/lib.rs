//! A reader driver for pcscd (IFD handler, version 3) whose reader lives in another process, behind a Unix socket: so
//! tests and a workbench drive the real PC/SC daemon and library without a reader.
//!
//! `reader.conf` names the socket as the device:
//! ```text
//! FRIENDLYNAME "ACS ACR122U PICC Interface"
//! DEVICENAME   /path/of/the/socket
//! LIBPATH      /path/of/libpcsc_simulator.so
//! CHANNELID    1
//! ```
//! Invariant: `ffi` is the only unsafe code, and nothing there but turns C arguments into Rust ones and back; a reader
//! that is away is an error of one call, and works from the next call on once it is back.
//! Not here: the reader itself (`hardware::pcsc_simulator`, where the protocol is described).
pub mod ffi;
mod remote;
