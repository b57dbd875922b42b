//! What a member answers to a claim, from the rows that it holds for that key.
//! Invariant: no row is ever taken from its holder but by the holder's own release of that very claim.
use super::{ClaimKey, Holder};

/// A member's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It is the claimant's; this row must be on disk before the answer leaves.
    Grant(Holder),
    /// Somebody else has it.
    Taken(Holder),
    /// This member knows of more uses than the claimant.
    Ahead(u64),
    /// This member knows of fewer: it cannot judge, and has no vote in this.
    Behind(u64),
    /// An old claim of the same box that came late: no answer.
    Stale,
}

/// Rules on a claim. `rows`: who holds this key here, inherited holders too. `known`: the number that this member would
/// claim itself, as far as it knows.
pub fn rule(rows: &[Holder], known: u64, key: &ClaimKey, claimant: Holder) -> Ruling {
    if let Some(other) = rows.iter().find(|row| !row.is_same_box(&claimant)) {
        return Ruling::Taken(*other);
    }
    if rows.iter().any(|row| row.claim > claimant.claim) {
        return Ruling::Stale;
    }
    if known > key.number {
        return Ruling::Ahead(known);
    }
    if known < key.number {
        return Ruling::Behind(known);
    }
    Ruling::Grant(claimant)
}

/// Whether a holder's release of `released` frees this row. Not where the row stands for a later claim of that holder:
/// a release that comes late must not take away what was confirmed since.
pub fn frees(row: &Holder, released: &Holder) -> bool {
    row == released
}
