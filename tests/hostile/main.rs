//! What comes from outside to do harm, and what becomes of it: `docs/hostile-input.md` is the catalogue.
//! Real programs over real sockets and disks wherever the harm would come that way.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
#![allow(clippy::print_stderr, reason = "a test that cannot show its case here says so")]
mod bartender;
mod bundles;
mod catalogue;
mod clocks;
mod corruption;
mod disks;
mod files;
mod floods;
mod frames;
mod http;
mod stale_keys;
mod sticks;
mod texts;
