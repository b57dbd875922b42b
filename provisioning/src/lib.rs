//! What the technician does: founds a festival, enrols hubs and boxes, checks and revokes boxes, looks into tickets.
//! Invariant: a private key is written once, to a file that only its owner reads, and is never printed; a box number
//! is written down before it is given out.
//! Not here: the rules themselves (`domain`), the conversation with a box (`sync::enrolment`), the box's own side.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic"))]

pub mod band_keys;
pub mod bands;
pub mod boxes;
pub mod check;
pub mod enrolment;
pub mod failure;
pub mod festival;
pub mod files;
pub mod https;
pub mod hub;
pub mod inspect;
pub mod issuer;
pub mod lan;
pub mod lang;
pub mod line;
pub mod random;
pub mod revocation;
pub mod staff;
pub mod ticket_key;
pub mod tls;

pub use failure::Failure;
pub use festival::Festival;
pub use issuer::Issuer;
pub use lang::Lang;
