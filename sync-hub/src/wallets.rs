//! Blocking bands, and what is known of one wallet.
//! Invariant: a block is an entry of the hub's journal; it holds until an entry that names it lifts it. Blocks by rulings
//! and by hand stand beside each other: a ruling lifts none that was put by hand, and nothing is lifted by hand while a
//! ruling blocks.
use domain::{
    id::WalletId,
    journal::BlockedKind,
    ledger::{NotDue, Owed, WalletEntry, WalletFlags, WalletFold, WalletState, owed},
};
use screens::view::ShareView;
use serde::Serialize;

use crate::{
    fold,
    hub::{Hub, HubError},
};

fn waiting(owed: &Owed) -> Option<&'static str> {
    match owed.due {
        Ok(_) => Some("due"),
        Err(NotDue::Nothing) => None,
        Err(NotDue::Frozen) => Some("frozen"),
        Err(NotDue::Blocked) => Some("blocked"),
        Err(NotDue::Suspect) => Some("suspect"),
        Err(NotDue::NeverSeen) => Some("never_seen"),
        Err(NotDue::Unclear) => Some("unclear"),
        Err(NotDue::Offered) => Some("offered"),
        Err(NotDue::Exhausted) => Some("exhausted"),
    }
}

/// What is known of one wallet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WalletView {
    /// Which.
    pub wallet: String,
    /// Credits less debits, less what is in doubt.
    pub balance_cents: i64,
    /// Owed to the guest.
    pub pending_cents: u32,
    /// May have been taken or credited.
    pub in_doubt_cents: u32,
    /// Blocked.
    pub blocked: bool,
    /// Newer software is needed.
    pub frozen: bool,
    /// More was spent than it held.
    pub overspent: bool,
    /// Its chip forked or was reported.
    pub suspect: bool,
    /// Entries on forked ground.
    pub disputed: bool,
    /// Its money was swapped to another band or refunded.
    pub emptied: bool,
    /// Of what is owed: signed for the chip and on its way.
    pub offered_cents: u32,
    /// What that waits for: a word of a closed list; nothing where nothing is owed.
    pub waits: Option<&'static str>,
    /// Under escrow: what no box holds. It is dealt to whoever needs it.
    pub free_cents: Option<i64>,
    /// Under escrow: who holds the rest of it.
    pub shares: Vec<ShareView>,
    /// How many entries name it.
    pub entries: usize,
    /// Tap counter of the newest record of its chip that is known; 0 without a purse.
    pub tap_counter: u16,
}

impl Hub {
    /// The wallet of a band: its id, or its chip's full UID in hexadecimal.
    pub fn wallet_of(&self, text: &str) -> Result<WalletId, HubError> {
        if let Some(wallet) = WalletId::from_hex(text) {
            return Ok(wallet);
        }
        let uid = domain::wire::unhex(text).filter(|uid| matches!(uid.len(), 4 | 7 | 10));
        let uid = uid.ok_or(HubError::Invalid("neither a wallet nor the UID of a band"))?;
        let bands =
            self.identity.bands.as_ref().ok_or(HubError::NotFound("the secret that turns a UID into a wallet"))?;
        Ok(bands.wallet(&uid))
    }

    /// Blocks a band; whether it was free before. A band that nobody has seen may be blocked too.
    pub fn block_wallet(&mut self, wallet: WalletId) -> Result<bool, HubError> {
        let blocks = self.blocks_on(BlockedKind::Wallet, wallet.into())?;
        // beside those of rulings it needs one of its own: they end with their rulings
        if blocks.iter().all(|block| block.by_ruling) {
            let entry = self.block_entry(BlockedKind::Wallet, wallet.into(), "band.blocked");
            self.act(vec![entry])?;
        }
        Ok(blocks.is_empty())
    }

    /// Frees a band; whether it was blocked.
    pub fn unblock_wallet(&mut self, wallet: WalletId) -> Result<bool, HubError> {
        if self.keeper(wallet)?.0.flags.has(WalletFlags::EMPTIED) {
            return Err(HubError::Refused("hub.band_emptied"));
        }
        if self.is_blocked_by_ruling(wallet, None)? {
            return Err(HubError::Refused("hub.band_ruled"));
        }
        let entries = self.lifting(BlockedKind::Wallet, wallet.into())?;
        let any = !entries.is_empty();
        self.act(entries)?;
        Ok(any)
    }

    /// What the money that this wallet is owed waits for.
    fn waits(&self, wallet: WalletId) -> Result<Option<&'static str>, HubError> {
        let currency = self.identity.founding.currency;
        let owed = fold::what_is_owed(wallet, &self.journals, &self.store, currency, self.policy.maximum_balance)?;
        Ok(waiting(&owed))
    }

    /// The same of a wallet that is folded already.
    pub(crate) fn waits_for(&self, fold: &WalletFold, entries: &[WalletEntry]) -> Option<&'static str> {
        waiting(&owed(fold, entries, self.policy.maximum_balance))
    }

    /// What is known of a wallet now.
    pub fn wallet_view(&mut self, wallet: WalletId) -> Result<WalletView, HubError> {
        self.project()?;
        if self.store.wallet(wallet)?.is_none() {
            return Err(HubError::NotFound("the wallet"));
        }
        let folded = fold::wallet(wallet, &self.journals, &self.store, self.identity.founding.currency)?;
        let WalletState { balance, pending, in_doubt, head_counter, flags, .. } = folded.state;
        use domain::ledger::WalletFlags as F;
        let offered = self.offers.get(&wallet).and_then(|item| item.offer).map_or(0, |(_, amount)| amount.get());
        let waits = if pending == 0 { None } else { self.waits(wallet)? };
        let held = self.wallet_shares(wallet, balance)?;
        let (free_cents, shares) = held.map_or((None, Vec::new()), |(free, shares)| (Some(free), shares));
        Ok(WalletView {
            free_cents,
            shares,
            wallet: wallet.to_hex(),
            balance_cents: balance,
            pending_cents: pending,
            in_doubt_cents: in_doubt,
            blocked: flags.has(F::BLOCKED),
            frozen: flags.has(F::FROZEN),
            overspent: flags.has(F::OVERSPENT),
            suspect: flags.has(F::SUSPECT),
            disputed: flags.has(F::DISPUTED),
            emptied: flags.has(F::EMPTIED),
            offered_cents: offered,
            waits,
            entries: self.store.touching(&wallet.0)?.len(),
            tap_counter: head_counter,
        })
    }
}
