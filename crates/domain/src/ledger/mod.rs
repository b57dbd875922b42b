//! What journals mean once they meet: balances, admissions, verdicts, disputes and the sums over all of them.
//! Invariant: everything is a pure function of a set of entries, whatever order they arrived in.
//! Not here: the chain and its signatures (`journal`), storage (`box-store`, the hub's store), transport (`sync`).
mod account_share;
mod accounts;
mod agree;
mod branches;
mod chip_fork;
mod conflict;
mod conflicts_found;
mod evidence_file;
mod fast;
mod fork_proof;
mod journals;
mod judged;
mod pending;
mod rights;
mod risk;
mod ruling;
mod settle;
mod ticket;
mod ticket_state;
mod totals;
mod wallet;
mod wallet_state;
mod zone_state;

pub use account_share::AccountShare;
pub use accounts::{Accounts, closes, differs, netted, opens};
pub use agree::digest;
pub use branches::{Branches, ForkPoint, Gap};
pub use chip_fork::{ChipFork, Successor, chip_forks};
pub use conflict::{Conflict, ConflictKind, ConflictPlace, ConflictSubject};
pub use conflicts_found::{gap_conflict, journal_conflict, ticket_conflicts, wallet_conflicts};
pub use evidence_file::EvidenceFile;
pub use fast::{Tip, fold_fast};
pub use fork_proof::{Body, ForkBranch, ForkProof, ForkProofError, ForkedDevice};
pub use journals::{Cutoff, Reason, Standing, active_revocations, cutoff, subjects_of_newer, unlifted};
pub use pending::{Carrying, CreditHead, CreditItem, Due, NotDue, Offer, Owed, owed};
pub use rights::{Forbidden, Rights};
pub use risk::{Bound, Plan as RiskPlan, of_one_band};
pub use ruling::{MatterId, Ruled, RuledAt, RulingSort, ruled};
pub use settle::{Consequence, Settled, Verdict, WalletEntry, credit_id, verdicts};
pub use ticket::{Admitted, DoubleAdmission, TicketEntry, TicketFold, fold_ticket, marks_of};
pub use ticket_state::{TicketFlags, TicketState, zone_bit};
pub use totals::{Totals, WalletSum};
pub use wallet::{EMPTYING, WalletFold, fold_wallet};
pub use wallet_state::{WalletFlags, WalletState};
pub use zone_state::{ShareState, ZoneRecord, ZoneState};
