//! Money that leaves a band which is not there: a lost band's swap, a refund without the band.
//! Invariant: the band is blocked first; its money moves only once every box that could have sold to it is known to
//! have heard of the block and to have delivered all that it wrote before, or the organiser books the risk, by name.
//! What arrives later all the same is the loss of that act, never the guest's; and what it owes him besides is first what
//! that act gave out too much.
//! Not here: what the entries do to the sums (`domain::ledger`), refunds with the band at a desk (boxes).
use domain::{
    bundle::AccountRule,
    id::WalletId,
    journal::{BlockedKind, Effect, Entry, Kind, Subject},
    ledger::{Accounts, Cutoff, WalletFlags, WalletState, netted},
    money::Cents,
    trust::Roles,
};
use serde::Serialize;
use sync::Section;

use crate::{
    credits::Keeper,
    fold,
    hub::{Hub, HubError},
    store::StoredBox,
};

/// Where the money goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To the guest's new band.
    Swap(WalletId),
    /// Out in cash, or back to where it was paid from.
    Refund,
}

impl Way {
    const fn reason(self) -> &'static str {
        match self {
            Self::Swap(_) => "band.swapped",
            Self::Refund => "band.refunded",
        }
    }
}

/// A box that may have sold to the band, or may still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MaySell {
    /// Number.
    pub number: u16,
    /// Where it stands.
    pub place: String,
    /// When it was last heard, Unix ms.
    pub last_seen_unix_ms: u64,
}

/// What leaves a band, or what it waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Leaving {
    /// The band's wallet.
    pub wallet: String,
    /// It is blocked.
    pub blocked: bool,
    /// What the ledger says is on it.
    pub balance_cents: i64,
    /// What it is owed beside.
    pub pending_cents: i64,
    /// What stays in doubt: settled later, and then moved by the same act again.
    pub in_doubt_cents: i64,
    /// Boxes that could have sold to it and are not known to have heard of the block and delivered everything.
    pub may_sell: Vec<MaySell>,
    /// Most that those boxes can still take off it.
    pub risk_cents: i64,
    /// What was moved by this request.
    pub moved_cents: i64,
}

impl Hub {
    /// What would leave this band now, and which boxes may still sell to it.
    pub fn leaving(&mut self, wallet: WalletId) -> Result<Leaving, HubError> {
        self.publish()?;
        let currency = self.identity.founding.currency;
        let folded = fold::wallet(wallet, &self.journals, &self.store, currency)?;
        let sums = match folded.folded {
            Some(sums) => sums,
            None => self.store.sums(wallet)?.map(|stored| stored.accounts).unwrap_or_default(),
        };
        let keeper = Keeper::of(&folded.state, &sums);
        let may_sell = self.may_sell(wallet)?;
        let (balance, pending) = left(&folded.state, &sums);
        Ok(Leaving {
            wallet: wallet.to_hex(),
            blocked: folded.state.flags.has(WalletFlags::BLOCKED),
            balance_cents: balance,
            pending_cents: pending,
            in_doubt_cents: folded.state.in_doubt.into(),
            risk_cents: match (keeper, self.rule) {
                (Keeper::Account, AccountRule::Escrow) => self.takeable(wallet, balance, &may_sell)?,
                _ => self.risk(keeper, balance, pending, may_sell.len()),
            },
            may_sell: may_sell.iter().map(MaySell::of).collect(),
            moved_cents: 0,
        })
    }

    /// Blocks the band and moves what is left, as far as nobody can sell to it any more or the risk is accepted.
    /// The same request again moves what was settled or has arrived since.
    pub fn empty_band(&mut self, wallet: WalletId, way: Way, accept_risk: bool) -> Result<Leaving, HubError> {
        let (state, _) = self.keeper(wallet)?;
        if state.flags.has(WalletFlags::FROZEN) {
            return Err(HubError::Refused("band.frozen"));
        }
        if state.flags.has(WalletFlags::DISPUTED) {
            return Err(HubError::Refused("hub.band_disputed"));
        }
        if let Way::Swap(to) = way {
            let (new, _) = self.keeper(to)?;
            if to == wallet || new.flags.has(WalletFlags::BLOCKED) || new.flags.has(WalletFlags::EMPTIED) {
                return Err(HubError::Refused("hub.same_band"));
            }
            self.refuse_closed(&new)?;
        }
        if !state.flags.has(WalletFlags::EMPTIED) {
            let block = self.block_entry(BlockedKind::Wallet, wallet.into(), way.reason());
            self.act(vec![block])?;
        }
        // also where the hub was stopped between the block and this: without it no box would ever count as having heard
        if self.store.leaving(wallet)?.is_none() {
            self.publish()?;
            let number = self.numbers.get(&Section::Wallets).copied().unwrap_or(0);
            let term = self.term();
            self.store.transaction::<_, HubError>(|store| Ok(store.put_leaving(wallet, term, number)?))?;
        }
        let mut leaving = self.leaving(wallet)?;
        if !leaving.may_sell.is_empty() && !accept_risk {
            return Ok(leaving);
        }
        let balance = Cents::try_from(leaving.balance_cents).map_err(|_| HubError::Invalid("the balance"))?;
        let pending = Cents::try_from(leaving.pending_cents).map_err(|_| HubError::Invalid("what is owed"))?;
        if balance == Cents::ZERO && pending == Cents::ZERO {
            return Ok(leaving);
        }
        let mut entries = self.moves(wallet, way, balance, pending)?;
        if !leaving.may_sell.is_empty() {
            let risk = Cents::try_from(leaving.risk_cents).unwrap_or(Cents::MAX);
            let boxes: Vec<String> = leaving.may_sell.iter().map(|one| one.number.to_string()).collect();
            let mut part = format!("risk accepted: boxes {}", boxes.join(" "));
            part.truncate(1_000);
            let decision = self.entry(Kind::DECISION, Effect::None, wallet.into());
            entries.push(Entry { amount: risk, part: part.into_bytes(), ..decision });
        }
        self.act(entries)?;
        self.publish()?;
        leaving.moved_cents = balance.as_i64().saturating_add(pending.as_i64());
        (leaving.balance_cents, leaving.pending_cents) = (0, 0);
        Ok(leaving)
    }

    fn moves(&mut self, from: WalletId, way: Way, balance: Cents, pending: Cents) -> Result<Vec<Entry>, HubError> {
        let mut entries = Vec::new();
        let mut book = |hub: &mut Self, kind, effect, subject: WalletId, other: Subject, amount| {
            if amount != Cents::ZERO {
                let entry = hub.entry(kind, effect, subject.into());
                entries.push(Entry { amount, other, ..entry });
            }
        };
        match way {
            Way::Refund => {
                book(self, Kind::REFUND, Effect::Debit, from, Subject::NONE, balance);
                book(self, Kind::REFUND, Effect::Repay, from, Subject::NONE, pending);
            }
            Way::Swap(to) => {
                let kind = Kind::BAND_TRANSFER;
                if self.keeper(to)?.1 == Keeper::Account {
                    book(self, kind, Effect::Transfer, from, to.into(), balance);
                    book(self, kind, Effect::Repay, from, to.into(), pending);
                    book(self, kind, Effect::Credit, to, from.into(), pending);
                } else {
                    book(self, kind, Effect::Debit, from, to.into(), balance);
                    book(self, kind, Effect::Repay, from, to.into(), pending);
                    let owed = balance.plus(pending).ok_or(HubError::Invalid("the balance"))?;
                    book(self, kind, Effect::Owe, to, from.into(), owed);
                }
            }
        }
        Ok(entries)
    }

    /// What boxes that have not heard can still take: a purse holds no more than it holds, C′ that were not carried yet
    /// included; an account can be overdrawn by every box apart, up to the offline limit.
    fn risk(&self, keeper: Keeper, balance: i64, pending: i64, boxes: usize) -> i64 {
        let boxes = i64::try_from(boxes).unwrap_or(i64::MAX);
        match (keeper, boxes) {
            (_, 0) => 0,
            (Keeper::Account, _) => balance.min(self.policy.offline_limit.as_i64()).saturating_mul(boxes),
            (Keeper::Purse | Keeper::Unknown, _) => balance.saturating_add(pending),
        }
    }

    /// Boxes that could have sold to this band and are not known to be done with it: every bar and desk that has not
    /// said that it holds the block, or has not delivered what it wrote before it did. A closed journal is done.
    fn may_sell(&self, wallet: WalletId) -> Result<Vec<StoredBox>, HubError> {
        let from = self.store.leaving(wallet)?;
        let sells = |stored: &StoredBox| stored.roles.0 & (Roles::BAR.0 | Roles::TOP_UP.0) != 0 && !stored.revoked;
        let mut found = Vec::new();
        for stored in self.store.boxes()?.into_iter().filter(sells) {
            if !self.is_done_with(&stored, from)? {
                found.push(stored);
            }
        }
        Ok(found)
    }

    fn is_done_with(&self, stored: &StoredBox, from: Option<(u32, u64)>) -> Result<bool, HubError> {
        let journals: Vec<_> = self.journals.of_device(stored.device).collect();
        if journals.iter().any(|journal| journal.cutoff != Cutoff::None) {
            return Ok(true);
        }
        let newest = journals.iter().max_by_key(|journal| journal.epoch);
        let whole = journals.iter().all(|journal| journal.tree.gaps().is_empty());
        if let Some(newest) = newest.filter(|_| whole) {
            // A box with a closed journal writes a new entry before it sells again, and that would lie behind a closure.
            let head = newest.tree.head().map(|head| head.seq);
            if head.is_some() && newest.closures.iter().map(|place| place.seq).max() == head {
                return Ok(true);
            }
        }
        let (Some((term, number)), Some(known)) = (from, self.store.knowledge(stored.device)?) else {
            return Ok(false);
        };
        let holds =
            journals.iter().find(|journal| journal.epoch == known.epoch).and_then(|journal| journal.tree.head());
        let delivered = known.next_seq == 0 || holds.is_some_and(|head| head.seq.saturating_add(1) >= known.next_seq);
        Ok(whole && delivered && (known.term, known.number) >= (term, number))
    }
}

/// What a wallet has left to give out, of its balance and of what it is owed beside: what either lacks is off the other.
pub(crate) fn left(state: &WalletState, sums: &Accounts) -> (i64, i64) {
    let (balance, pending) = netted(state.balance, sums.pending);
    (balance.max(0), pending)
}

impl MaySell {
    fn of(stored: &StoredBox) -> Self {
        Self { number: stored.number.0, place: stored.place.clone(), last_seen_unix_ms: stored.last_seen_ms }
    }
}

/// What the guest is still to be given: of a band whose money was given out also what has come back to it since.
pub(crate) fn still_owed(state: &WalletState, sums: &Accounts) -> i64 {
    let (balance, pending) = left(state, sums);
    if state.flags.has(WalletFlags::EMPTIED) { balance.saturating_add(pending) } else { pending }
}

#[cfg(test)]
#[path = "leaving_tests.rs"]
mod tests;
