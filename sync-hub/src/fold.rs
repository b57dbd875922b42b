//! Wallets and tickets folded from their entries, and what does not fit together on them.
//! Invariant: the quick path is taken only where it gives what the full fold gives (`domain::ledger::fold_fast`).
//! Not here: when to fold (`deltas`), what people read of a conflict (`conflicts`).
use std::collections::BTreeSet;

use domain::{
    id::{BoxNumber, EntryRef, TicketUid, WalletId},
    journal::Kind,
    ledger::{
        Accounts, Conflict, Owed, TicketEntry, TicketState, WalletEntry, WalletFlags, WalletState, fold_fast,
        fold_ticket, fold_wallet, owed, ticket_conflicts, wallet_conflicts,
    },
    money::{Cents, Currency},
};

use crate::{
    ingest::journals::{Journals, ReadBody},
    store::{Store, StoreError},
};

/// A wallet as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedWallet {
    /// What boxes get.
    pub state: WalletState,
    /// Sums of the full fold, where it was needed.
    pub folded: Option<Accounts>,
    /// What does not fit together.
    pub conflicts: Vec<Conflict>,
}

/// Every entry of a wallet, with what it takes to judge intents: the closures of the journals that wrote them.
pub(crate) fn wallet_entries(
    wallet: WalletId,
    journals: &Journals,
    store: &Store,
    currency: Currency,
) -> Result<Vec<WalletEntry>, StoreError> {
    let mut entries = Vec::new();
    let mut intended = BTreeSet::new();
    for (at, place, body) in journals.entries_about(&wallet.0, store, currency)? {
        let journal = journals.at(at);
        let standing = journal.standing(&body, place, currency);
        if body.entry().kind == Kind::INTENT {
            intended.insert(at);
        }
        entries.push(WalletEntry::new(journal.entry_ref(place.seq), body.entry().clone(), standing));
    }
    for journal in intended.into_iter().map(|at| journals.at(at)) {
        for place in &journal.closures {
            let body = store.body(*place)?.ok_or(StoreError::Damaged("a closure is missing"))?;
            let body = ReadBody::of(&body, currency);
            let standing = journal.standing(&body, *place, currency);
            entries.push(WalletEntry::new(journal.entry_ref(place.seq), body.entry().clone(), standing));
        }
    }
    Ok(entries)
}

fn box_of(journals: &Journals) -> impl Fn(&EntryRef) -> BoxNumber {
    |at| journals.get(at.device, at.epoch).map_or(BoxNumber(0), |journal| journal.box_number)
}

/// Folds a wallet, quickly where that gives the same.
pub(crate) fn wallet(
    id: WalletId,
    journals: &Journals,
    store: &Store,
    currency: Currency,
) -> Result<FoldedWallet, StoreError> {
    let stored = store.wallet(id)?.unwrap_or_default();
    let quick = if stored.unusual { None } else { fold_fast(id, &stored.accounts, &stored.tip) };
    if let Some(state) = quick.filter(|state| state.flags == WalletFlags::default() && state.pending == 0) {
        return Ok(FoldedWallet { state, folded: None, conflicts: Vec::new() });
    }
    let entries = wallet_entries(id, journals, store, currency)?;
    let fold = fold_wallet(id, &entries);
    let conflicts = wallet_conflicts(&fold, &entries, box_of(journals));
    Ok(FoldedWallet { state: fold.state, folded: Some(fold.accounts), conflicts })
}

/// What a wallet is owed, and the C′ that may be signed for it.
pub(crate) fn what_is_owed(
    id: WalletId,
    journals: &Journals,
    store: &Store,
    currency: Currency,
    maximum: Cents,
) -> Result<Owed, StoreError> {
    let entries = wallet_entries(id, journals, store, currency)?;
    Ok(owed(&fold_wallet(id, &entries), &entries, maximum))
}

/// Folds a ticket.
pub(crate) fn ticket(
    id: TicketUid,
    journals: &Journals,
    store: &Store,
    currency: Currency,
) -> Result<(TicketState, Vec<Conflict>), StoreError> {
    let mut entries = Vec::new();
    for (at, place, body) in journals.entries_about(&id.0, store, currency)? {
        let journal = journals.at(at);
        entries.push(TicketEntry {
            at: journal.entry_ref(place.seq),
            box_number: journal.box_number,
            standing: journal.standing(&body, place, currency),
            entry: body.entry().clone(),
        });
    }
    let fold = fold_ticket(id, &entries);
    let conflicts = ticket_conflicts(&fold, &entries);
    Ok((fold.state, conflicts))
}
