//! Wristbands: what is on a chip, what a record is worth, and the tap that changes it.
//! Invariant: credits and spent only ever rise; a record counts only under its signature or MAC, bound to the UID.
//! Not here: readers (`hardware`), what entries mean later (`ledger`).
mod issue;
mod issuing;
mod keys;
pub mod layout;
mod pointer;
mod purse;
mod record;
pub mod session;
pub mod tap;

pub use issue::{IssueRefusal, genesis_record, initial_pages};
pub use issuing::{IssueStep, Issuing};
pub use keys::{BandKeys, ChipKeys};
pub use layout::ChipKind;
pub use pointer::check_pointer;
pub use purse::{CreditKey, PurseFault, PurseImage, PursePages};
pub use record::{CreditRecord, SpentRecord};

/// Length of a C record on the chip: 19 pages.
pub const CREDIT_RECORD_LEN: usize = 76;
/// Length of an S record on the chip: 5 pages.
pub const SPENT_RECORD_LEN: usize = 20;

/// Short name of an S record: the first 4 bytes of its MAC. All zero: there is none before (genesis record).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct RecordId(pub [u8; 4]);

/// Short name of a C record: the first 4 bytes of BLAKE3 over its 76 bytes. All zero: there is none before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct CreditId(pub [u8; 4]);
