//! An explicit-state model of the purse, searched exhaustively, and its bond to the real machine.
//! Invariant: the model says what design, section 5, says; `replay` holds it against the code that ships.
//! Not here: a daemon, a disk, a network; whole evenings under chance (`simulator`).
#![allow(clippy::indexing_slicing, clippy::missing_panics_doc, reason = "boxes and slots are small constants")]
pub mod accounts;
pub mod purse;
pub mod replay;
pub mod search;
