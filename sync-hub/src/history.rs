//! One wallet's history as people read it: what, how much, where and when.
//! Invariant: every entry that names the wallet is there once, in the order of its stamps; nothing is left out.
//! Not here: what it sums up to (`wallets`).
use domain::{
    id::WalletId,
    journal::{Effect, Entry, Kind},
    ledger::Standing,
};
use serde::Serialize;

use crate::hub::{Hub, HubError};

/// Most entries of one answer, the newest.
const MOST: usize = 500;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What happened: a word of a closed list.
    pub what: &'static str,
    /// Amount of the entry.
    pub amount_cents: u32,
    /// Whether it gives (1), takes (−1) or neither (0).
    pub sign: i8,
    /// Where.
    pub place: String,
    /// Number of that box; 0 is the hub.
    pub box_number: u16,
    /// When, by the entry's stamp.
    pub at_unix_ms: u64,
    /// The entry.
    pub entry: String,
    /// Whether it counts.
    pub counts: bool,
}

/// What an entry is, as a word of a closed list (`entry-…` of the texts).
pub(crate) fn what(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::ADMISSION => "admission",
        Kind::EXIT => "exit",
        Kind::PAIRING => "paired",
        Kind::TOP_UP if entry.effect == Effect::Repay => "carried",
        Kind::TOP_UP => "top_up",
        Kind::SALE | Kind::DEPOSIT_OUT | Kind::DEPOSIT_BACK => "sale",
        Kind::CORRECTION_PLUS | Kind::CORRECTION_MINUS => "correction",
        Kind::REFUND => "refund",
        Kind::BAND_TRANSFER => "swap",
        Kind::INTENT => "intent",
        Kind::VOID => "void",
        Kind::GAVE_UP => "gave_up",
        Kind::HANDED_OVER => "handed_over",
        Kind::CLOSING_READ => "read",
        Kind::PENDING_CREDIT => "owed",
        Kind::EXPIRY => "expired",
        Kind::FEE => "fee",
        Kind::GIFT => "gift",
        Kind::SUSPICION => "suspicion",
        Kind::BLOCK => "blocked",
        Kind::UNBLOCK => "unblocked",
        Kind::ONLINE_CREDIT => "signed",
        Kind::ONLINE_TOP_UP => "online_top_up",
        Kind::WRITTEN_OFF => "written_off",
        Kind::RULING => "ruling",
        _ => "other",
    }
}

fn sign(wallet: WalletId, entry: &Entry) -> i8 {
    match entry.effect {
        Effect::Credit | Effect::Owe => 1,
        Effect::Debit => -1,
        Effect::Transfer if entry.subject == wallet.into() => -1,
        Effect::Transfer => 1,
        Effect::None
        | Effect::Hold
        | Effect::HoldCredit
        | Effect::Release
        | Effect::In
        | Effect::Out
        | Effect::Block
        | Effect::Unblock
        | Effect::Repay
        | Effect::Unknown(_) => 0,
    }
}

impl Hub {
    /// What happened to a wallet, newest last.
    pub fn wallet_history(&mut self, wallet: WalletId) -> Result<Vec<Line>, HubError> {
        self.project()?;
        let currency = self.identity.founding.currency;
        let boxes = self.store.boxes()?;
        let mut lines = Vec::new();
        for (at, place, body) in self.journals.entries_about(&wallet.0, &self.store, currency)? {
            let journal = self.journals.at(at);
            let entry = body.entry();
            let at_box = boxes.iter().find(|stored| stored.device == journal.device);
            lines.push(Line {
                what: what(entry),
                amount_cents: entry.amount.get(),
                sign: sign(wallet, entry),
                place: at_box.map_or_else(|| "hub".to_owned(), |stored| stored.place.clone()),
                box_number: journal.box_number.0,
                at_unix_ms: entry.hlc.unix_ms(),
                entry: journal.entry_ref(place.seq).to_string(),
                counts: journal.standing(&body, place, currency) == Standing::InForce,
            });
        }
        lines.sort_by(|a, b| (a.at_unix_ms, &a.entry).cmp(&(b.at_unix_ms, &b.entry)));
        let skip = lines.len().saturating_sub(MOST);
        Ok(lines.split_off(skip))
    }
}
