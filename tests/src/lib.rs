//! A whole festival in one process tree: hub, boxes, wristbands, guests and the network between them, for the demo,
//! the measures and the tests that need several parts.
//! Invariant: what is started here ends with its handle; what a guest saw is kept apart from what the boxes say.
//! Not here: rules of any kind; everything is done through the programs' own doors.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic"))]
pub mod audit;
pub mod band;
pub mod chance;
pub mod demo;
pub mod evening;
pub mod guest;
pub mod measure;
pub mod size;
pub mod ticket;
pub mod visitor;
pub mod world;
