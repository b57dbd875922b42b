//! What a till or desk asks: the shift, closures, corrections and quotas, a band's last movements.
//! Invariant: read from the own journal and its projections alone; money that others moved is in the hub's state.
use std::collections::BTreeMap;

use domain::{
    id::{EntryRef, WalletId},
    journal::{Closure, Detail, Effect, Entry, Flags, Kind, TillTotals},
    ledger::netted,
    till::{Pending, totals_of},
};
use rusqlite::params;
use sync::Section;

use super::View;
use crate::{error::StoreError, journal::At};

/// Entries looked through for a band's last movements: an evening of one till is far below.
const LOOK_BACK: i64 = 200_000;

impl View<'_> {
    /// The shift that is open, by its opening entry.
    pub fn open_shift(&self) -> Option<(EntryRef, Entry)> {
        self.newest(&[Kind::SHIFT_OPEN, Kind::SHIFT_CLOSE]).filter(|(_, entry)| entry.kind == Kind::SHIFT_OPEN)
    }

    /// The last closure.
    pub fn last_closure(&self) -> Option<(EntryRef, Closure)> {
        let (at, entry) = self.newest(&[Kind::CLOSURE])?;
        match Detail::of(&entry) {
            Ok(Detail::Closure(closure)) => Some((at, closure)),
            _ => None,
        }
    }

    /// Whether the journal was closed for the event, and no shift has opened since.
    pub fn is_closed(&self) -> bool {
        let acts = self.kept(self.acts_of(&[Kind::SHIFT_OPEN, Kind::CLOSURE]));
        domain::journal::is_closed(acts.iter().map(|(_, entry)| entry))
    }

    /// Whether the hub may believe that the journal is closed for the event: it may hold it as far as it has acknowledged
    /// it, and up to any later entry that `may_hold`.
    pub fn may_be_closed_at_hub(&self, may_hold: impl Fn(EntryRef) -> bool) -> bool {
        let acts = self.kept(self.acts_of(&[Kind::SHIFT_OPEN, Kind::CLOSURE]));
        let (mut at_hub, mut is_acked, mut closed) = (false, true, false);
        for (at, entry) in &acts {
            let acked = is_acked && self.kept(self.is_acked(*at));
            if !acked && !may_hold(*at) {
                break;
            }
            closed = (closed && entry.kind != Kind::SHIFT_OPEN) || domain::journal::closes_journal(entry);
            at_hub = if acked { closed } else { at_hub || closed };
            is_acked = acked;
        }
        at_hub
    }

    fn is_acked(&self, at: EntryRef) -> Result<bool, StoreError> {
        const ACKED: &str = "SELECT acked_seq >= ?2 FROM epoch WHERE epoch = ?1 AND acked_seq IS NOT NULL";
        Ok(self.one(ACKED, &[&at.epoch, &at.seq])?.unwrap_or(false))
    }

    fn newest(&self, kinds: &[Kind]) -> Option<(EntryRef, Entry)> {
        self.kept(self.acts_of(kinds)).pop()
    }

    /// Acts of these kinds, oldest first: some a day.
    fn acts_of(&self, kinds: &[Kind]) -> Result<Vec<(EntryRef, Entry)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT a.at, e.body FROM act a JOIN entry e ON e.at = a.at WHERE a.kind = ?1 ORDER BY a.at",
        )?;
        let mut acts = BTreeMap::new();
        for kind in kinds {
            let mut rows = statement.query([kind.0])?;
            while let Some(row) = rows.next()? {
                acts.insert(At::from_sql(row.get(0)?)?, read(&row.get::<_, Vec<u8>>(1)?)?);
            }
        }
        Ok(acts.into_iter().map(|(at, entry)| (at.of(self.device), entry)).collect())
    }

    /// By how many cents an own entry was corrected so far, either way; corrections in doubt count.
    pub fn corrected(&self, entry: EntryRef) -> i64 {
        if entry.device != self.device {
            return 0;
        }
        let at = At { epoch: entry.epoch, seq: entry.seq }.sql();
        self.kept(self.one("SELECT coalesce(sum(cents), 0) FROM act WHERE corrects = ?1", &[&at])).unwrap_or(0)
    }

    /// What this person has corrected, given away or served without payment since the last shift opened, supervisors'
    /// decisions left out.
    pub fn quota_used(&self, operator: u32) -> i64 {
        const USED: &str = "SELECT coalesce(sum(quota), 0) FROM act WHERE operator = ?1
             AND at > coalesce((SELECT max(at) FROM act WHERE kind = ?2), -1)";
        self.kept(self.one(USED, &[&operator, &Kind::SHIFT_OPEN.0])).unwrap_or(0)
    }

    /// What tills and desks did after an own entry; from the first one without it.
    pub fn totals_after(&self, after: Option<EntryRef>) -> TillTotals {
        self.kept(self.sum_after(after))
    }

    fn sum_after(&self, after: Option<EntryRef>) -> Result<TillTotals, StoreError> {
        let from = after.map_or(-1, |at| At { epoch: at.epoch, seq: at.seq }.sql());
        let mut statement = self.connection.prepare_cached("SELECT at, body FROM entry WHERE at > ?1 ORDER BY at")?;
        let mut rows = statement.query([from])?;
        let (mut intents, mut sum): (BTreeMap<EntryRef, Entry>, _) = (BTreeMap::new(), TillTotals::default());
        while let Some(row) = rows.next()? {
            let at = At::from_sql(row.get(0)?)?.of(self.device);
            let entry = read(&row.get::<_, Vec<u8>>(1)?)?;
            if entry.kind == Kind::INTENT {
                intents.insert(at, entry);
                continue;
            }
            // an intent may stand before: one that was left in doubt over a closure
            let referred = entry.refers_to.and_then(|first| match intents.remove(&first) {
                Some(intent) => Some(intent),
                None => self.entry(first).filter(|first| matches!(first.kind, Kind::INTENT | Kind::REFUND)),
            });
            sum = sum.plus(&totals_of(&entry, referred.as_ref()));
        }
        Ok(sum)
    }

    /// Pieces of each product that this box ever sold.
    pub fn pieces_sold(&self) -> BTreeMap<u32, u64> {
        self.kept(self.sold_by_product())
    }

    fn sold_by_product(&self) -> Result<BTreeMap<u32, u64>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT number, entries FROM tally WHERE of = 1")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.max(0).unsigned_abs())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Cash for top-ups whose intent is open or was given up since an own entry: it may lie in the drawer.
    pub fn cash_in_doubt(&self, after: EntryRef) -> i64 {
        let given_up = self.kept(self.intents(
            "SELECT i.at, i.state, i.handed_over, e.body FROM intent i JOIN entry e ON e.at = i.at ORDER BY i.at",
            &[],
        ));
        let of_desk = given_up.iter().filter(|open| open.at > after && open.entry.effect == Effect::HoldCredit);
        of_desk.fold(0, |sum: i64, open| sum.saturating_add(open.entry.amount.as_i64()))
    }

    /// The band's last movements at this box, newest first.
    pub fn movements(&self, wallet: &WalletId, most: u32) -> Vec<(EntryRef, Entry)> {
        self.kept(self.last_of(wallet, most))
    }

    fn last_of(&self, wallet: &WalletId, most: u32) -> Result<Vec<(EntryRef, Entry)>, StoreError> {
        // the subject stands at byte 16 of a body, the effect at 4; SQL counts from 1
        let mut statement = self.connection.prepare_cached(
            "SELECT at, body FROM entry
             WHERE at > (SELECT max(at) FROM entry) - ?3 AND substr(body, 17, 16) = ?1
                 AND hex(substr(body, 5, 1)) IN ('01', '02', '03', '0B', '0C')
             ORDER BY at DESC LIMIT ?2",
        )?;
        let mut rows = statement.query(params![&wallet.0[..], most, LOOK_BACK])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push((At::from_sql(row.get(0)?)?.of(self.device), read(&row.get::<_, Vec<u8>>(1)?)?));
        }
        Ok(found)
    }

    /// The last sales and top-ups here, newest first.
    pub fn last_sales(&self, most: u32) -> Vec<(EntryRef, Entry)> {
        self.kept(self.last_sold(most))
    }

    fn last_sold(&self, most: u32) -> Result<Vec<(EntryRef, Entry)>, StoreError> {
        // the kind stands at byte 2 of a body
        let mut statement = self.connection.prepare_cached(
            "SELECT at, body FROM entry
             WHERE at > (SELECT max(at) FROM entry) - ?2 AND hex(substr(body, 3, 2)) IN ('0300', '0400')
             ORDER BY at DESC LIMIT ?1",
        )?;
        let mut rows = statement.query(params![most, LOOK_BACK])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push((At::from_sql(row.get(0)?)?.of(self.device), read(&row.get::<_, Vec<u8>>(1)?)?));
        }
        Ok(found)
    }

    /// What the wallet is owed, as this box knows it, less what was spent from it more than there was.
    pub fn pending(&self, wallet: &WalletId) -> Pending {
        let own = self.uncovered_entries(&wallet.0, Section::Wallets);
        let counted = own.iter().filter(|(_, entry)| !entry.flags.has(Flags::TRAINING));
        let own = counted.fold(0, |sum: i64, (_, entry)| match entry.effect {
            Effect::Owe => sum.saturating_add(entry.amount.as_i64()),
            Effect::Repay => sum.saturating_sub(entry.amount.as_i64()),
            Effect::None
            | Effect::Credit
            | Effect::Debit
            | Effect::Transfer
            | Effect::Hold
            | Effect::Release
            | Effect::In
            | Effect::Out
            | Effect::Block
            | Effect::Unblock
            | Effect::HoldCredit
            | Effect::Unknown(_) => sum,
        });
        let state = self.wallet(wallet);
        let there = state.balance.saturating_add(state.in_doubt.into());
        let (_, believed) = netted(there, state.pending.into());
        Pending { believed, own }
    }
}

fn read(body: &[u8]) -> Result<Entry, StoreError> {
    Entry::from_bytes(body).map_err(|error| StoreError::Corrupt(error.to_string()))
}
