//! The devices of this box: what is configured, and the drivers that need a library of their own.
//! Invariant: a driver that speaks through a foreign library runs in a child process; the box survives whatever it does.
//! Not here: what a tap or a scan leads to (`tapping`, `gate`), the threads that poll devices (`devices`).
pub mod config;
#[cfg(feature = "pcsc")]
mod pcsc;
#[cfg(feature = "pn532")]
mod pn532;
pub mod process;
#[cfg(all(test, any(feature = "pcsc", feature = "pn532")))]
mod stack_tests;
#[cfg(any(feature = "pcsc", feature = "pn532"))]
mod type2;
