//! A box's part in escrow: what it put on accounts and took from them in its epochs, and what it holds of them.
//! Invariant: what was granted never becomes less; own sales and top-ups count from the moment they are on disk; what was
//! held in an earlier epoch is not held in this one.
//! Not here: what may be taken (`domain::till`), when shares are given back (the box's shell).
use domain::{
    access::Share,
    id::{EntryRef, WalletId},
    journal::{Detail, Entry, Kind},
    ledger::AccountShare,
    till::{Escrow, account_moves},
    wire::{Reader, Writer},
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{coverage::covered_by_both, error::StoreError, journal::At, view::View, writer::Writing};

/// What this box holds of an account in its present epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct HeldShare {
    /// Granted, released, put on and taken here.
    pub escrow: Escrow,
    /// What it is asked to have given back in all.
    pub asked: u32,
    /// What people booked of it as a risk, while the hub has not heard this box since.
    pub booked: u32,
    /// The newest grant that it knows.
    pub grant: Option<EntryRef>,
    /// The newest grant that it has named.
    pub told: Option<EntryRef>,
    /// The hub's term in which it has last said what it holds; 0 none.
    pub told_term: u32,
}

fn bytes(entry: Option<EntryRef>) -> Option<Vec<u8>> {
    entry.map(|entry| {
        let mut out = Writer::new();
        entry.write(&mut out);
        out.finish()
    })
}

fn entry_ref(bytes: Option<Vec<u8>>) -> Option<EntryRef> {
    bytes.and_then(|bytes| EntryRef::read(&mut Reader::new(&bytes)).ok())
}

/// What the entry puts on the account or, negative, takes from it: it stands with the trace that the entry leaves on it
/// (`touch`) until the hub covers that.
pub(crate) fn moved(entry: &Entry, wallet: WalletId) -> i64 {
    account_moves(entry).filter(|(account, _)| *account == wallet).fold(0, |sum, (_, cents)| sum.saturating_add(cents))
}

/// Adds up what the traces say that `coverage` forgets next. An epoch is the upper half of a place.
pub(crate) const KEEP_COVERED: &str = concat!(
    "INSERT INTO account_here (wallet, epoch, put_on, taken, granted, released, told_term)
    SELECT subject, at >> 32, sum(max(moved, 0)), sum(max(-moved, 0)), 0, 0, 0 FROM touch
    WHERE moved <> 0 AND ",
    covered_by_both!(),
    " GROUP BY subject, at >> 32
    ON CONFLICT (wallet, epoch) DO UPDATE SET put_on = put_on + excluded.put_on, taken = taken + excluded.taken"
);

/// Folds one own entry.
pub(crate) fn fold(connection: &Connection, at: At, entry: &Entry) -> Result<(), StoreError> {
    if entry.kind != Kind::SHARE_RELEASE || entry.subject.is_none() {
        return Ok(());
    }
    let Ok(Detail::ShareRelease(said)) = Detail::of(entry) else { return Ok(()) };
    let wallet = &entry.other.0[..];
    connection
        .prepare_cached(
            "INSERT INTO account_here (wallet, epoch, put_on, taken, granted, released, told_term, told)
             VALUES (?1, ?2, 0, 0, ?3, ?4, ?5, ?6)
             ON CONFLICT (wallet, epoch) DO UPDATE SET granted = max(granted, excluded.granted),
                 released = max(released, excluded.released), told_term = max(told_term, excluded.told_term),
                 told = coalesce(excluded.told, told)",
        )?
        .execute(params![wallet, at.epoch, said.granted, said.released, said.term, bytes(entry.refers_to)])?;
    Ok(())
}

/// An entry that was just written: what it says of a share answers the hub's question. Once, beside the fold: the question
/// is the hub's word, which no fold may touch.
pub(crate) fn answered(connection: &Connection, at: At, entry: &Entry) -> Result<(), StoreError> {
    if entry.kind != Kind::SHARE_RELEASE || entry.subject.is_none() {
        return Ok(());
    }
    connection
        .prepare_cached("UPDATE hub_account_share SET open = 0 WHERE wallet = ?1 AND epoch = ?2 AND open = 1")?
        .execute(params![&entry.other.0[..], at.epoch])?;
    Ok(())
}

/// A snapshot names every share of which something is still to be said.
pub(crate) const BEGIN_SNAPSHOT: &str =
    "UPDATE hub_account_share SET asked = 0, booked = 0, open = 0 WHERE asked > 0 OR booked > 0 OR open = 1";

/// Takes what the hub says of account shares.
pub(crate) fn apply(writing: &Writing<'_>, input: &mut Reader<'_>) -> Result<(), StoreError> {
    while !input.rest().is_empty() {
        let share = AccountShare::read(input).map_err(|_| StoreError::Knowledge("a share of an account"))?;
        if share.device != writing.who.device {
            continue;
        }
        writing
            .connection
            .prepare_cached(
                "INSERT INTO hub_account_share (wallet, epoch, granted, asked, booked, grant_of, open)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?4 > coalesce((SELECT released FROM account_here
                     WHERE wallet = ?1 AND epoch = ?2), 0) OR ?5 > 0)
                 ON CONFLICT (wallet, epoch) DO UPDATE SET granted = max(granted, excluded.granted),
                     asked = excluded.asked, booked = excluded.booked, open = excluded.open,
                     grant_of = coalesce(excluded.grant_of, grant_of)",
            )?
            .execute(params![
                &share.wallet.0[..],
                share.epoch,
                share.granted,
                share.asked,
                share.booked,
                bytes(share.grant)
            ])?;
    }
    Ok(())
}

fn epoch(connection: &Connection) -> Result<u32, StoreError> {
    Ok(connection.prepare_cached("SELECT coalesce(max(epoch), 0) FROM epoch")?.query_row([], |row| row.get(0))?)
}

fn held(connection: &Connection, wallet: &WalletId) -> Result<HeldShare, StoreError> {
    type Own = (i64, i64, u32, u32, Option<Vec<u8>>, u32);
    let epoch = epoch(connection)?;
    let own: Option<Own> = connection
        .prepare_cached(
            "SELECT put_on, taken, granted, released, told, told_term FROM account_here
             WHERE wallet = ?1 AND epoch = ?2",
        )?
        .query_row(params![&wallet.0[..], epoch], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })
        .optional()?;
    let dealt: Option<(u32, u32, u32, Option<Vec<u8>>)> = connection
        .prepare_cached(
            "SELECT granted, asked, booked, grant_of FROM hub_account_share WHERE wallet = ?1 AND epoch = ?2",
        )?
        .query_row(params![&wallet.0[..], epoch], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let (put_on_since, taken_since): (i64, i64) = connection
        .prepare_cached(
            "SELECT coalesce(sum(max(moved, 0)), 0), coalesce(sum(max(-moved, 0)), 0) FROM touch
             WHERE subject = ?1 AND at >> 32 = ?2",
        )?
        .query_row(params![&wallet.0[..], epoch], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (put_on, taken, told_granted, released, told, told_term) = own.unwrap_or_default();
    let (put_on, taken) = (put_on.saturating_add(put_on_since), taken.saturating_add(taken_since));
    let (granted, asked, booked, grant) = dealt.unwrap_or_default();
    let share = Share { granted: granted.max(told_granted), released, inside: taken };
    Ok(HeldShare {
        escrow: Escrow { share, topped_up: u32::try_from(put_on).unwrap_or(u32::MAX) },
        asked,
        booked,
        grant: entry_ref(grant),
        told: entry_ref(told),
        told_term,
    })
}

fn wallets(connection: &Connection, sql: &str) -> Result<Vec<WalletId>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([epoch(connection)?], |row| Ok(WalletId(row.get(0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl View<'_> {
    /// What this box holds of an account.
    pub fn held_share(&self, wallet: &WalletId) -> HeldShare {
        self.kept(held(self.connection(), wallet))
    }

    /// Accounts about which the hub waits for a word.
    pub fn shares_asked_for(&self) -> Vec<WalletId> {
        let sql = "SELECT wallet FROM hub_account_share WHERE epoch = ?1 AND open = 1 ORDER BY wallet";
        self.kept(wallets(self.connection(), sql))
    }

    /// Accounts with which this box had to do in its present epoch.
    pub fn accounts_here(&self) -> Vec<WalletId> {
        let sql = "SELECT wallet FROM account_here WHERE epoch = ?1 AND wallet <> zeroblob(16)
                   UNION SELECT subject FROM touch WHERE moved <> 0 AND at >> 32 = ?1
                   UNION SELECT wallet FROM hub_account_share WHERE epoch = ?1";
        self.kept(wallets(self.connection(), sql))
    }

    /// The hub's term in which this box has said all that it holds; 0 none.
    pub fn shares_told_in(&self) -> u32 {
        self.kept(told_in(self.connection()))
    }
}

fn told_in(connection: &Connection) -> Result<u32, StoreError> {
    let term = connection
        .prepare_cached("SELECT told_term FROM account_here WHERE wallet = zeroblob(16) AND epoch = ?1")?
        .query_row([epoch(connection)?], |row| row.get(0))
        .optional()?;
    Ok(term.unwrap_or(0))
}
