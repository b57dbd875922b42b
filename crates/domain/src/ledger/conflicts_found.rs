//! Finds the conflicts in folds of wallets, tickets and journals.
//! Invariant: the same set gives the same conflicts, in the same order.
//! Not here: what they are (`conflict`).
use alloc::vec::Vec;

use super::{
    branches::Gap,
    conflict::{Conflict, ConflictKind, ConflictPlace, ConflictSubject},
    journals::Standing,
    judged::{Extent, judged},
    settle::{Settled, WalletEntry},
    ticket::{self, TicketEntry, TicketFold},
    wallet::{self, WalletFold, distinct},
};
use crate::{
    id::{BoxNumber, DeviceId, EntryRef},
    journal::{Effect, Entry, Flags, IntentPurpose},
};

/// Everything to look at in one wallet; `box_of` gives the box number that an entry's journal carries.
pub fn wallet_conflicts(
    fold: &WalletFold,
    entries: &[WalletEntry],
    box_of: impl Fn(&EntryRef) -> BoxNumber,
) -> Vec<Conflict> {
    let judged = judged(entries, Extent::Whole);
    let mut set = distinct(&judged);
    set.retain(|e| wallet::concerns(fold.state.wallet, e));
    let subject = ConflictSubject::Wallet(fold.state.wallet);
    let places = |wanted: &dyn Fn(&WalletEntry) -> bool| {
        let of = |e: &&WalletEntry| place(e.at, &e.entry, box_of(&e.at));
        in_order(set.iter().filter(|e| wanted(e)).map(of).collect())
    };
    let mut found = Vec::new();
    let mut name = |kind, places: Vec<ConflictPlace>, amount| {
        if !places.is_empty() {
            found.push(Conflict { kind, subject, places, amount });
        }
    };
    if fold.overspend > 0 {
        // also what was taken without a commit: its box gave it up, and a read shows it
        let charges = |s: &&Settled| matches!(s.purpose, IntentPurpose::Sale | IntentPurpose::Refund);
        let taken = fold.settled.iter().filter(charges).filter(|s| s.consequence().applied > 0);
        let taken: Vec<EntryRef> = taken.map(|s| s.intent).collect();
        let spends = places(&|e| e.entry.effect == Effect::Debit && e.is_evidence() || taken.contains(&e.at));
        let kind = if fold.emptied { ConflictKind::LateSpend } else { ConflictKind::Overspend };
        name(kind, spends, Some(fold.overspend));
    }
    for fork in &fold.forks {
        let shown: Vec<EntryRef> = fork
            .successors
            .iter()
            .map(|next| next.written_by.into_iter().chain(next.shown_by.iter().copied()))
            .flat_map(|mut by| by.next())
            .collect();
        let places = places(&|e| shown.contains(&e.at));
        let amount = places.iter().fold(0, |sum: i64, place| sum.saturating_add(place.amount));
        name(ConflictKind::ChipFork, places, Some(amount));
    }
    let mut lost: Vec<EntryRef> = fold.settled.iter().filter(|s| s.consequence().loss > 0).map(|s| s.intent).collect();
    lost.extend(&fold.given_back);
    if fold.accounts.losses > 0 {
        name(ConflictKind::Loss, places(&|e| lost.contains(&e.at)), Some(fold.accounts.losses));
    }
    name(ConflictKind::RevokedEntries, places(&|e| e.standing == Standing::BeyondRevocation), None);
    let forbidden = places(&|e| matches!(e.standing, Standing::SetAside(_)));
    let claimed = forbidden.iter().fold(0, |sum: i64, place| sum.saturating_add(place.amount));
    name(ConflictKind::ForbiddenEntry, forbidden, Some(claimed).filter(|amount| *amount > 0));
    let newer = places(&|e| e.is_evidence() && matches!(e.entry.effect, Effect::Unknown(_)));
    name(ConflictKind::FrozenSubject, newer, None);
    found
}

/// Everything to look at in one ticket.
pub fn ticket_conflicts(fold: &TicketFold, entries: &[TicketEntry]) -> Vec<Conflict> {
    let subject = ConflictSubject::Ticket(fold.state.ticket);
    let mut found: Vec<Conflict> = fold
        .doubles
        .iter()
        .map(|double| Conflict {
            kind: ConflictKind::DoubleAdmission,
            subject,
            places: double
                .places
                .iter()
                .map(|p| ConflictPlace { at: p.at, box_number: p.box_number, hlc: p.hlc, amount: 0 })
                .collect(),
            amount: None,
        })
        .collect();
    let mut name = |kind, wanted: &dyn Fn(&TicketEntry) -> bool| {
        let all = entries.iter().filter(|e| wanted(e)).map(|e| place(e.at, &e.entry, e.box_number));
        let places = in_order(all.collect());
        if !places.is_empty() {
            found.push(Conflict { kind, subject, places, amount: None });
        }
    };
    let concerns = |e: &TicketEntry| ticket::concerns(fold.state.ticket, &e.entry);
    name(ConflictKind::RevokedEntries, &|e| concerns(e) && e.standing == Standing::BeyondRevocation);
    name(ConflictKind::ForbiddenEntry, &|e| matches!(e.standing, Standing::SetAside(_)));
    let is_evidence = |e: &TicketEntry| {
        matches!(e.standing, Standing::InForce | Standing::Disputed) && !e.entry.flags.has(Flags::TRAINING)
    };
    name(ConflictKind::FrozenSubject, &|e| {
        concerns(e) && is_evidence(e) && matches!(e.entry.effect, Effect::Unknown(_))
    });
    found
}

/// A journal with two histories, or with entries missing; `None` where there is neither a place to name.
pub fn journal_conflict(
    kind: ConflictKind,
    device: DeviceId,
    entries: impl IntoIterator<Item = (EntryRef, Entry)>,
    box_number: BoxNumber,
) -> Option<Conflict> {
    let places = in_order(entries.into_iter().map(|(at, entry)| place(at, &entry, box_number)).collect());
    (!places.is_empty()).then_some(Conflict { kind, subject: ConflictSubject::Device(device), places, amount: None })
}

/// Missing entries of one epoch: the places are the first and last of each gap, without a time.
pub fn gap_conflict(device: DeviceId, epoch: u32, gaps: &[Gap], box_number: BoxNumber) -> Option<Conflict> {
    let at = |seq| EntryRef { device, epoch, seq };
    let empty = |seq| ConflictPlace { at: at(seq), box_number, hlc: crate::time::Hlc(0), amount: 0 };
    let places = in_order(gaps.iter().flat_map(|gap| [empty(gap.first), empty(gap.last)]).collect());
    let subject = ConflictSubject::Device(device);
    (!places.is_empty()).then_some(Conflict { kind: ConflictKind::Gap, subject, places, amount: None })
}

fn place(at: EntryRef, entry: &Entry, box_number: BoxNumber) -> ConflictPlace {
    ConflictPlace { at, box_number, hlc: entry.hlc, amount: entry.amount.as_i64() }
}

fn in_order(mut places: Vec<ConflictPlace>) -> Vec<ConflictPlace> {
    places.sort_by_key(|p| (p.hlc, p.at, p.box_number, p.amount));
    places.dedup();
    places
}
