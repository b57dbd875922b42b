//! Issuing wristbands in bulk: each blank chip laid on the technician's reader becomes a band of the festival.
//! Invariant: a band is on the list, down to the disk, before its green light; no UID is written down.
//! Not here: what makes a chip a band (`domain::wristband::Issuing`), pairing and topping up (gates and desks).
mod chip;
mod desk;
mod list;
mod reader;
mod refused;
#[cfg(test)]
mod tests;

pub use desk::{Event, IssuingDesk, Kinds, Plan, Stop, Supplies, Tally};
pub use list::{BandLine, BandList, State, Summary};
pub use reader::{Happening, Patience, ReaderName, serve};
pub use refused::Refused;
