//! Looks whether the database is still the one that was written, beside the hub's work: facts first, then what follows
//! from them, wallet by wallet.
//! Invariant: what was found damaged is neither written to nor published from any more; it stays as evidence, and boxes
//! keep what they send. A restored copy gets everything from them again.
//! Not here: pages and chains (`store`).
use domain::{
    id::{FestivalId, TicketUid, WalletId},
    ledger::{WalletFlags, fold_fast, fold_wallet},
};
use tokio::sync::watch;

use crate::{
    fold,
    hub::{Hub, HubError},
    net::is_down,
    store::{Reading, StoreError},
    writer::Writer,
};

/// Wallets or tickets that are folded again in one act of the writer's: a few milliseconds.
const AT_ONCE: usize = 50;

/// Looks at everything once.
pub(crate) async fn watch(writer: Writer, reading: Reading, festival: FestivalId, mut down: watch::Receiver<bool>) {
    let looked = tokio::task::spawn_blocking(move || {
        let found = reading.at_once(|reading| reading.first_damage(festival));
        let subjects = reading.subjects();
        (found, subjects)
    });
    let (found, subjects) = tokio::select! {
        looked = looked => match looked {
            Ok(looked) => looked,
            Err(_) => return,
        },
        () = is_down(&mut down) => return,
    };
    match found {
        Ok(None) => {}
        Ok(Some(what)) => return is_damaged(&writer, what).await,
        Err(error) => return is_damaged(&writer, error.to_string()).await,
    }
    let (wallets, tickets) = match subjects {
        Ok(subjects) => subjects,
        Err(error) => return is_damaged(&writer, error.to_string()).await,
    };
    let count = (wallets.len(), tickets.len());
    let wallets = wallets.chunks(AT_ONCE).map(|some| (some.to_vec(), Vec::new()));
    let tickets = tickets.chunks(AT_ONCE).map(|some| (Vec::new(), some.to_vec()));
    for (wallets, tickets) in wallets.chain(tickets) {
        match writer.call(move |hub| hub.first_wrong(&wallets, &tickets)).await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(what))) => return is_damaged(&writer, what).await,
            Ok(Err(HubError::Store(error))) if error.disk_code() == Some("hub.database_damaged") => {
                return is_damaged(&writer, error.to_string()).await;
            }
            // a full disk, say: nothing is known of these, and the next start looks again
            Ok(Err(error)) => tracing::warn!(%error, "some wallets or tickets could not be compared"),
            Err(_) => return,
        }
    }
    tracing::info!(wallets = count.0, tickets = count.1, "the whole database was checked");
}

async fn is_damaged(writer: &Writer, what: String) {
    tracing::error!(what, "the database is damaged: nothing more is stored or published; restore a copy of it");
    let _ = writer.call(|hub| hub.store.is_damaged()).await;
}

impl Hub {
    /// The first of these that does not stand as its entries say.
    fn first_wrong(&mut self, wallets: &[WalletId], tickets: &[TicketUid]) -> Result<Option<String>, HubError> {
        self.project()?;
        for wallet in wallets {
            if self.dirty.wallets.contains(wallet) || self.is_wallet_right(*wallet)? {
                continue;
            }
            return Ok(Some(format!("wallet {} does not follow from its entries", domain::wire::hex(&wallet.0))));
        }
        for ticket in tickets {
            let folded = fold::ticket(*ticket, &self.journals, &self.store, self.identity.founding.currency)?.0;
            let stored = self.store.ticket_state(*ticket)?;
            if self.dirty.tickets.contains(ticket) || stored.is_none_or(|stored| stored == folded.to_bytes()) {
                continue;
            }
            return Ok(Some(format!("ticket {} does not follow from its entries", domain::wire::hex(&ticket.0))));
        }
        Ok(None)
    }

    fn is_wallet_right(&self, id: WalletId) -> Result<bool, StoreError> {
        let Some(stored) = self.store.wallet(id)? else { return Ok(false) };
        let entries = fold::wallet_entries(id, &self.journals, &self.store, self.identity.founding.currency)?;
        let fold = fold_wallet(id, &entries);
        if *stored.sums() != fold.accounts {
            return Ok(false);
        }
        let state = fold.state;
        if stored.state.is_some_and(|published| published != state.to_bytes()) {
            return Ok(false);
        }
        // the sums that the next entry is added to
        let quick = if stored.unusual { None } else { fold_fast(id, &stored.accounts, &stored.tip) };
        let usual = quick.filter(|quick| quick.flags == WalletFlags::default() && quick.pending == 0);
        Ok(usual.is_none_or(|quick| quick == state))
    }
}

#[cfg(test)]
mod tests;
