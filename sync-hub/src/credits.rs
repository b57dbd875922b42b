//! Money that guests are owed: online top-ups, and the C′ that bring what is owed to bands.
//! Invariant: a payment counts once by its key; a C′ is signed only where the ledger says that none signed before can
//! be on the chip uncounted (`domain::ledger::owed`).
//! Not here: what is owed (`domain::ledger`), how boxes are told (`deltas`), writing to chips (boxes).
use domain::{
    id::{EntryRef, WalletId},
    journal::{BandProfile, Detail, Effect, Entry, Kind, OnlineCredit, OnlineTopUp, Subject},
    ledger::{Accounts, Due, WalletFlags, WalletState},
    money::Cents,
    wristband::CreditRecord,
};
use serde::Serialize;

use crate::{
    fold,
    hub::{Hub, HubError},
};

/// Most entries in one commit of the hub.
pub(crate) const COMMIT_ENTRIES: usize = 400;

/// Who keeps a wallet's money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// The chip.
    Purse,
    /// The ledger.
    Account,
    /// No box has met the band yet.
    Unknown,
}

impl Keeper {
    /// As far as the wallet's entries tell.
    pub(crate) fn of(state: &WalletState, sums: &Accounts) -> Self {
        let moved = [sums.spent, sums.refunded, sums.deposits, sums.gifts, sums.corrections, sums.other_credit];
        match state.profile {
            Some(profile) if profile.has_purse() => Self::Purse,
            _ if state.head_counter > 0 => Self::Purse,
            Some(BandProfile::Uid | BandProfile::Pointer) => Self::Account,
            Some(BandProfile::Ntag21x | BandProfile::UltralightAes) => Self::Purse,
            // a band that paid or was topped up without a chip record has an account
            None if moved.iter().any(|sum| *sum != 0) || sums.top_ups > sums.pending.max(0) => Self::Account,
            None => Self::Unknown,
        }
    }
}

/// How what is owed goes on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payment {
    /// A C′ for the chip.
    Sign(Due),
    /// The account has it at once.
    Account(Cents),
}

/// A payment as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// For whom.
    pub wallet: WalletId,
    /// How much.
    pub amount: Cents,
    /// Idempotency key, made by whoever took the money.
    pub key: [u8; 16],
    /// The payment's name there.
    pub reference: String,
}

/// What became of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToppedUp {
    /// The entry.
    pub entry: String,
    /// Whether it was on record before.
    pub known: bool,
    /// Whether the money waits to be carried to the band.
    pub pending: bool,
}

impl Hub {
    /// Books a payment that was taken online. The answer means that it is on disk; the same key again is the same payment.
    pub fn online_top_up(&mut self, paid: &Paid) -> Result<ToppedUp, HubError> {
        let Paid { wallet, amount, key, reference } = paid;
        if *amount == Cents::ZERO || *amount > self.policy.maximum_balance {
            return Err(HubError::Refused("till.amount"));
        }
        if Subject(*key).is_none() || reference.len() > OnlineTopUp::MAX_REFERENCE {
            return Err(HubError::Invalid("the key or the reference"));
        }
        let part = Detail::OnlineTopUp(OnlineTopUp { reference: reference.clone() }).to_bytes();
        self.project()?;
        let currency = self.identity.founding.currency;
        let before = self.journals.entries_about(key, &self.store, currency)?;
        let before = before.iter().find(|(_, _, body)| body.entry().kind == Kind::ONLINE_TOP_UP);
        if let Some((at, place, body)) = before {
            let entry = body.entry();
            if entry.subject != (*wallet).into() || entry.amount != *amount || entry.part != part {
                return Err(HubError::Refused("hub.other_content"));
            }
            let at = self.journals.at(*at).entry_ref(place.seq);
            return Ok(ToppedUp { entry: at.to_string(), known: true, pending: entry.effect == Effect::Owe });
        }
        let (state, keeper) = self.keeper(*wallet)?;
        self.refuse_closed(&state)?;
        let effect = if keeper == Keeper::Account { Effect::Credit } else { Effect::Owe };
        let entry = self.entry(Kind::ONLINE_TOP_UP, effect, (*wallet).into());
        let at = self.act(vec![Entry { amount: *amount, other: Subject(*key), part, ..entry }])?;
        let entry = at.first().map(EntryRef::to_string).unwrap_or_default();
        Ok(ToppedUp { entry, known: false, pending: effect == Effect::Owe })
    }

    /// A wallet's state now, and who keeps its money.
    pub(crate) fn keeper(&mut self, wallet: WalletId) -> Result<(WalletState, Keeper), HubError> {
        self.project()?;
        let folded = fold::wallet(wallet, &self.journals, &self.store, self.identity.founding.currency)?;
        let sums = match folded.folded {
            Some(sums) => sums,
            None => self.store.sums(wallet)?.map(|stored| stored.accounts).unwrap_or_default(),
        };
        Ok((folded.state, Keeper::of(&folded.state, &sums)))
    }

    /// Nothing is put on a band that is blocked, was emptied, or waits for newer software.
    pub(crate) fn refuse_closed(&self, state: &WalletState) -> Result<(), HubError> {
        let refused = [
            (WalletFlags::EMPTIED, "hub.band_emptied"),
            (WalletFlags::BLOCKED, "band.blocked"),
            (WalletFlags::FROZEN, "band.frozen"),
            (WalletFlags::DISPUTED, "hub.band_disputed"),
        ];
        match refused.into_iter().find(|(flag, _)| state.flags.has(*flag)) {
            Some((_, code)) => Err(HubError::Refused(code)),
            None => Ok(()),
        }
    }

    /// Signs, or credits to accounts, everything that the last publication found due.
    pub(crate) fn pay_due(&mut self) -> Result<usize, HubError> {
        let due = std::mem::take(&mut self.due);
        let count = due.len();
        let mut entries = Vec::with_capacity(count);
        for (wallet, payment) in due {
            let (effect, amount, credit) = match payment {
                Payment::Account(amount) => (Effect::Credit, amount, OnlineCredit { record: None, covers: Vec::new() }),
                Payment::Sign(due) => {
                    let Some(credits) = due.head.credits.plus(due.amount) else { continue };
                    let (key, festival) = (&self.identity.credit_online.key, self.identity.festival);
                    let record = CreditRecord::sign(credits, due.seq, due.head.id, key, &festival, wallet);
                    (Effect::None, due.amount, OnlineCredit { record: Some(record), covers: due.covers })
                }
            };
            let entry = self.entry(Kind::ONLINE_CREDIT, effect, wallet.into());
            entries.push(Entry { amount, part: Detail::OnlineCredit(credit).to_bytes(), ..entry });
        }
        for chunk in entries.chunks(COMMIT_ENTRIES) {
            self.act(chunk.to_vec())?;
        }
        Ok(count)
    }
}

#[cfg(test)]
#[path = "credits_tests.rs"]
pub(crate) mod tests;
