//! Entries of one wallet that contradict others of their own journal: commits of another amount than they announced, money
//! given back that nothing took, deliveries that carried nothing. They are set aside.
//! Invariant: a function of the set, so that every hub node sets aside the same.
//! Not here: what a certificate allows (`rights`), what an entry that counts means (`settle`, `wallet`).
use alloc::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::{
    accounts,
    journals::{Reason, Standing},
    settle::{WalletEntry, profile_of},
};
use crate::{
    id::{DeviceId, EntryRef},
    journal::{BandProfile, Effect, Entry, Intent, IntentPurpose},
};

/// How much of a wallet a slice of entries has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All that anybody has delivered: what is not among them is not known.
    Whole,
    /// What one box wrote beyond the hub's state.
    Own,
}

fn counts(e: &WalletEntry) -> bool {
    !e.is_training() && !matches!(e.standing, Standing::SetAside(_))
}

/// The entries with those set aside that contradict others: commits that close a hold of another amount, and money given
/// back that nobody had taken.
pub(super) fn judged(entries: &[WalletEntry], extent: Extent) -> Cow<'_, [WalletEntry]> {
    let entries = without_other_amounts(entries);
    let unfounded = unfounded(&entries, extent);
    if unfounded.is_empty() {
        return entries;
    }
    let judge = |e: &WalletEntry| {
        let is_unfounded = counts(e) && unfounded.contains(&(e.at, e.entry.to_bytes()));
        let standing = if is_unfounded { Standing::SetAside(Reason::Unfounded) } else { e.standing };
        WalletEntry { standing, ..e.clone() }
    };
    Cow::Owned(entries.iter().map(judge).collect())
}

/// Whether `later` may go back to `e`: that stands before it in the same journal, and counts if `later` does. Nothing is
/// founded on what a revocation cuts off.
fn founds(e: &WalletEntry, later: &WalletEntry) -> bool {
    let is_before = e.at < later.at && e.at.device == later.at.device;
    is_before && counts(e) && (e.is_evidence() || !later.is_evidence())
}

/// Whether others than this box know that the wallet's money is on a chip.
fn has_purse(entries: &[WalletEntry], device: DeviceId) -> bool {
    let profiles = entries.iter().filter(|e| e.is_evidence()).filter_map(profile_of);
    let read = |e: &WalletEntry| e.at.device != device && e.is_evidence() && e.seen().is_some();
    profiles.max().map_or_else(|| entries.iter().any(read), BandProfile::has_purse)
}

/// Whether an entry that takes money from a chip says which record it wrote there. Without one nobody who reads the band
/// can tell whether it took any.
fn names_a_record(e: &WalletEntry, entries: &[WalletEntry]) -> bool {
    let charges = |intent: &Intent| matches!(intent.purpose, IntentPurpose::Sale | IntentPurpose::Refund);
    let announced = |at| entries.iter().any(|i| i.at == at && founds(i, e) && i.intent().is_some_and(charges));
    e.entry.effect != Effect::Debit || accounts::closes(&e.entry).is_some_and(announced)
}

/// What gives money back without anything new being paid: a correction, or "not handed over". All of an entry together
/// come to no more than that entry moved, so that whoever has a till's key makes no money with them. The first ones
/// count, those in force before disputed ones.
fn unfounded(entries: &[WalletEntry], extent: Extent) -> BTreeSet<(EntryRef, Vec<u8>)> {
    let giving = entries.iter().filter(|e| counts(e) && accounts::gives_back(&e.entry));
    let giving: BTreeMap<(Standing, EntryRef, Vec<u8>), &WalletEntry> =
        giving.map(|e| ((e.standing, e.at, e.entry.to_bytes()), e)).collect();
    let mut given: BTreeMap<EntryRef, i64> = BTreeMap::new();
    let mut unfounded = undelivered(entries, extent);
    for ((_, at, bytes), giving) in giving {
        let (place, entry) = ((at, bytes), &giving.entry);
        let Some(of) = entry.refers_to else { continue }; // its journal's certificate judges that
        let moved = entries.iter().filter(|e| e.at == of && founds(e, giving));
        let moved = moved.filter(|e| e.entry.subject == entry.subject && accounts::may_be_given_back(&e.entry));
        let on_chip = extent == Extent::Whole && has_purse(entries, at.device);
        let moved = moved.filter(|e| !on_chip || names_a_record(e, entries));
        let Some(most) = moved.map(|e| e.entry.amount.as_i64()).max() else {
            if extent == Extent::Whole {
                unfounded.insert(place);
            }
            continue;
        };
        let so_far = given.entry(of).or_default();
        let with_it = so_far.saturating_add(entry.amount.as_i64());
        if with_it > most {
            unfounded.insert(place);
        } else {
            *so_far = with_it;
        }
    }
    unfounded
}

/// What says that it reached a band, and ends no intent that carried anything there.
fn undelivered(entries: &[WalletEntry], extent: Extent) -> BTreeSet<(EntryRef, Vec<u8>)> {
    let carries = |at: EntryRef, by: &WalletEntry| {
        let is_carry = |intent: &Intent| intent.purpose == IntentPurpose::Carry;
        entries.iter().any(|e| e.at == at && founds(e, by) && e.intent().is_some_and(is_carry))
    };
    let says = entries.iter().filter(|e| extent == Extent::Whole && counts(e) && accounts::delivers(&e.entry));
    let named = says.filter(|e| e.entry.refers_to.is_some_and(|at| !carries(at, e)));
    named.map(|e| (e.at, e.entry.to_bytes())).collect()
}

/// Those that close a hold, as far as it is among them. On forked ground a place has several holds: one of them must have
/// the amount.
fn without_other_amounts(entries: &[WalletEntry]) -> Cow<'_, [WalletEntry]> {
    let mut holds: BTreeMap<EntryRef, Vec<&Entry>> = BTreeMap::new();
    for e in entries.iter().filter(|e| counts(e)).filter(|e| accounts::opens(&e.entry)) {
        holds.entry(e.at).or_default().push(&e.entry);
    }
    let lies = |e: &WalletEntry| {
        let closed = accounts::closes(&e.entry).filter(|_| counts(e)).and_then(|at| holds.get(&at));
        closed.is_some_and(|holds| holds.iter().all(|hold| accounts::differs(&e.entry, hold)))
    };
    if !entries.iter().any(lies) {
        return Cow::Borrowed(entries);
    }
    let judge = |e: &WalletEntry| {
        let standing = if lies(e) { Standing::SetAside(Reason::OtherAmount) } else { e.standing };
        WalletEntry { standing, ..e.clone() }
    };
    Cow::Owned(entries.iter().map(judge).collect())
}
