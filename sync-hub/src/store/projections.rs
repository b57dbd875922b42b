//! Wallets and tickets as they were folded, and the numbers of the state deltas.
//! Invariant: everything here can be rebuilt from the entries.
use domain::{
    id::{TicketUid, WalletId},
    ledger::{Accounts, Tip},
};
use rusqlite::{Row, params};

use super::{Reading, Store, StoreError, boxes::stored_ms, row, rows, statement};

/// Version of the folding; projections of another one are folded again at the start. Raise it where the ledger makes
/// something else of the same entries, or a row holds more of them.
pub(super) const PROJECTION: i64 = 7;

/// A wallet as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredWallet {
    /// Sums of its entries in force.
    pub accounts: Accounts,
    /// Its newest chip record.
    pub tip: Tip,
    /// It has entries that are not in force, so that sums and tip never tell its state.
    pub unusual: bool,
    /// Its state as it was last published.
    pub state: Option<Vec<u8>>,
    /// Sums of the full fold, where there was one.
    pub folded: Option<Accounts>,
}

impl StoredWallet {
    /// The sums that count: those of the full fold where there was one.
    pub fn sums(&self) -> &Accounts {
        self.folded.as_ref().unwrap_or(&self.accounts)
    }
}

/// What does not fit together on one subject, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConflicts {
    /// All of it, for `conflicts::read`.
    pub view: String,
    /// When it showed last, Unix ms.
    pub newest_ms: u64,
    /// How many things it is.
    pub found: usize,
}

fn damaged<T, E>(read: Result<T, E>, what: &'static str) -> Result<T, StoreError> {
    read.map_err(|_| StoreError::Damaged(what))
}

type RawWallet = (Vec<u8>, Vec<u8>, bool, Option<Vec<u8>>, Option<Vec<u8>>);

fn raw(r: &Row<'_>) -> rusqlite::Result<RawWallet> {
    Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?))
}

fn wallet((accounts, tip, unusual, state, folded): RawWallet) -> Result<StoredWallet, StoreError> {
    Ok(StoredWallet {
        accounts: damaged(Accounts::from_bytes(&accounts), "accounts")?,
        tip: damaged(Tip::from_bytes(&tip), "tip")?,
        unusual,
        state,
        folded: folded.map(|bytes| damaged(Accounts::from_bytes(&bytes), "folded accounts")).transpose()?,
    })
}

const WALLET: &str = "SELECT accounts, tip, unusual, state, folded FROM wallets WHERE festival = $1 AND wallet = $2";

impl Store {
    /// Whether the projections are what this software makes of the entries, accounts counted box by box or not.
    pub fn is_folded(&self, box_by_box: bool) -> bool {
        self.shares == box_by_box && self.projection == PROJECTION
    }

    /// Forgets the projections, so that they are folded from every entry again: the festival changed its rule for
    /// accounts, or the folding is another.
    pub fn fold_again(&mut self, box_by_box: bool) -> Result<(), StoreError> {
        self.transaction(|store| {
            for sql in [
                "DELETE FROM account_shares WHERE festival = $1",
                "UPDATE runs SET folded = NULL WHERE festival = $1",
                "DELETE FROM touches WHERE festival = $1",
                "DELETE FROM wallets WHERE festival = $1",
                "DELETE FROM tickets WHERE festival = $1",
                "DELETE FROM conflicts WHERE festival = $1",
                "DELETE FROM set_aside WHERE festival = $1",
                "DELETE FROM passages WHERE festival = $1",
                "DELETE FROM product_sales WHERE festival = $1",
            ] {
                statement(&store.conn, sql)?.execute(params![store.festival])?;
            }
            let sql = "UPDATE festivals SET accounts = $2, projection = $3 WHERE festival = $1";
            statement(&store.conn, sql)?.execute(params![store.festival, box_by_box, PROJECTION])?;
            Ok::<_, StoreError>(())
        })?;
        (self.shares, self.projection) = (box_by_box, PROJECTION);
        Ok(())
    }

    /// A wallet.
    pub fn wallet(&self, id: WalletId) -> Result<Option<StoredWallet>, StoreError> {
        row(&self.conn, WALLET, params![self.festival, id.0], raw)?.map(wallet).transpose()
    }

    /// Sums and tip of a wallet, without what was published of it.
    pub fn sums(&self, id: WalletId) -> Result<Option<StoredWallet>, StoreError> {
        let sql = "SELECT accounts, tip, unusual, NULL, NULL FROM wallets WHERE festival = $1 AND wallet = $2";
        row(&self.conn, sql, params![self.festival, id.0], raw)?.map(wallet).transpose()
    }

    /// Subjects on which something does not fit together.
    pub fn conflicted(&self) -> Result<Vec<[u8; 16]>, StoreError> {
        rows(&self.conn, "SELECT subject FROM conflicts WHERE festival = $1", params![self.festival], |r| r.get(0))
    }

    /// Writes sums and tip of a wallet that this transaction touched.
    pub fn put_sums(&self, id: WalletId, stored: &StoredWallet) -> Result<(), StoreError> {
        statement(
            &self.conn,
            "INSERT INTO wallets (festival, wallet, accounts, tip, unusual, change) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (festival, wallet) DO UPDATE SET accounts = excluded.accounts, tip = excluded.tip, \
             unusual = excluded.unusual, change = excluded.change",
        )?
        .execute(params![
            self.festival,
            id.0,
            stored.accounts.to_bytes(),
            stored.tip.to_bytes(),
            stored.unusual,
            self.changes()
        ])?;
        Ok(())
    }

    /// Writes what was published of a wallet.
    pub fn put_wallet_state(&self, id: WalletId, state: &[u8], folded: Option<&Accounts>) -> Result<(), StoreError> {
        statement(&self.conn, "UPDATE wallets SET state = $3, folded = $4 WHERE festival = $1 AND wallet = $2")?
            .execute(params![self.festival, id.0, state, folded.map(Accounts::to_bytes)])?;
        Ok(())
    }

    /// Notes that a ticket was touched.
    pub fn touch_ticket(&self, id: TicketUid) -> Result<(), StoreError> {
        statement(
            &self.conn,
            "INSERT INTO tickets (festival, ticket, change) VALUES ($1, $2, $3) \
             ON CONFLICT (festival, ticket) DO UPDATE SET change = excluded.change",
        )?
        .execute(params![self.festival, id.0, self.changes()])?;
        Ok(())
    }

    /// Whether this ticket was ever touched.
    pub fn knows_ticket(&self, id: TicketUid) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM tickets WHERE festival = $1 AND ticket = $2";
        Ok(row(&self.conn, sql, params![self.festival, id.0], |_| Ok(()))?.is_some())
    }

    /// What was published of a ticket.
    pub fn ticket_state(&self, id: TicketUid) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT state FROM tickets WHERE festival = $1 AND ticket = $2 AND state IS NOT NULL";
        row(&self.conn, sql, params![self.festival, id.0], |r| r.get(0))
    }

    /// Writes what was published of a ticket.
    pub fn put_ticket_state(&self, id: TicketUid, state: &[u8]) -> Result<(), StoreError> {
        statement(&self.conn, "UPDATE tickets SET state = $3 WHERE festival = $1 AND ticket = $2")?
            .execute(params![self.festival, id.0, state])?;
        Ok(())
    }

    /// States of all wallets that were published, in their order.
    pub fn wallet_states(&self, each: impl FnMut(&[u8])) -> Result<(), StoreError> {
        states(
            &self.conn,
            "SELECT state FROM wallets WHERE festival = $1 AND state IS NOT NULL ORDER BY wallet",
            self.festival,
            each,
        )
    }

    /// States of all tickets that were published, in their order.
    pub fn ticket_states(&self, each: impl FnMut(&[u8])) -> Result<(), StoreError> {
        states(
            &self.conn,
            "SELECT state FROM tickets WHERE festival = $1 AND state IS NOT NULL ORDER BY ticket",
            self.festival,
            each,
        )
    }

    /// Wallets touched after `change`.
    pub fn wallets_after(&self, change: i64) -> Result<Vec<WalletId>, StoreError> {
        let sql = "SELECT wallet FROM wallets WHERE festival = $1 AND change > $2";
        rows(&self.conn, sql, params![self.festival, change], |r| Ok(WalletId(r.get(0)?)))
    }

    /// Tickets touched after `change`.
    pub fn tickets_after(&self, change: i64) -> Result<Vec<TicketUid>, StoreError> {
        let sql = "SELECT ticket FROM tickets WHERE festival = $1 AND change > $2";
        rows(&self.conn, sql, params![self.festival, change], |r| Ok(TicketUid(r.get(0)?)))
    }

    /// Number of a section's newest batch, and the last change in it; nothing was published where it is 0.
    pub fn section(&self, section: u8) -> Result<(u64, i64), StoreError> {
        let sql = "SELECT number, change FROM sections WHERE festival = $1 AND section = $2";
        let found = row(&self.conn, sql, params![self.festival, section], |r| Ok((r.get::<_, i64>(0)?, r.get(1)?)))?;
        Ok(found.map_or((0, -1), |(number, change)| (number.unsigned_abs(), change)))
    }

    /// Notes the number of a section's newest batch.
    pub fn put_section(&self, section: u8, number: u64) -> Result<(), StoreError> {
        statement(
            &self.conn,
            "INSERT INTO sections (festival, section, number, change) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (festival, section) DO UPDATE SET number = excluded.number, change = excluded.change",
        )?
        .execute(params![
            self.festival,
            section,
            i64::try_from(number).unwrap_or(i64::MAX),
            self.changes()
        ])?;
        Ok(())
    }

    /// Replaces what does not fit together on a subject; nothing where everything fits.
    pub fn put_conflict(&self, subject: &[u8; 16], stored: Option<&StoredConflicts>) -> Result<(), StoreError> {
        match stored {
            Some(StoredConflicts { view, newest_ms, found }) => statement(
                &self.conn,
                "INSERT INTO conflicts (festival, subject, view, newest_ms, found) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (festival, subject) DO UPDATE SET view = excluded.view, newest_ms = excluded.newest_ms, \
                 found = excluded.found",
            )?
            .execute(params![
                self.festival,
                subject,
                view,
                stored_ms(*newest_ms),
                i64::try_from(*found).unwrap_or(i64::MAX)
            ])?,
            None => statement(&self.conn, "DELETE FROM conflicts WHERE festival = $1 AND subject = $2")?
                .execute(params![self.festival, subject])?,
        };
        Ok(())
    }
}

fn states(
    conn: &rusqlite::Connection,
    sql: &str,
    festival: i64,
    mut each: impl FnMut(&[u8]),
) -> Result<(), StoreError> {
    let mut statement = statement(conn, sql)?;
    let mut rows = statement.query(params![festival])?;
    while let Some(row) = rows.next()? {
        each(row.get_ref(0)?.as_blob().map_err(|_| StoreError::Damaged("state"))?);
    }
    Ok(())
}

impl Reading {
    /// Every wallet and every ticket that entries name.
    pub fn subjects(&self) -> Result<(Vec<WalletId>, Vec<TicketUid>), StoreError> {
        let wallets = "SELECT wallet FROM wallets WHERE festival = $1 ORDER BY wallet";
        let tickets = "SELECT ticket FROM tickets WHERE festival = $1 ORDER BY ticket";
        Ok((
            rows(&self.conn, wallets, params![self.festival], |r| Ok(WalletId(r.get(0)?)))?,
            rows(&self.conn, tickets, params![self.festival], |r| Ok(TicketUid(r.get(0)?)))?,
        ))
    }

    /// A wallet.
    pub fn wallet(&self, id: WalletId) -> Result<Option<StoredWallet>, StoreError> {
        row(&self.conn, WALLET, params![self.festival, id.0], raw)?.map(wallet).transpose()
    }

    /// A ticket's state as it was last published.
    pub fn ticket_state(&self, id: TicketUid) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT state FROM tickets WHERE festival = $1 AND ticket = $2 AND state IS NOT NULL";
        row(&self.conn, sql, params![self.festival, id.0], |r| r.get(0))
    }

    /// Every wallet's id and what is kept of it.
    pub fn each_wallet(&self, mut each: impl FnMut(WalletId, StoredWallet)) -> Result<(), StoreError> {
        let sql =
            "SELECT accounts, tip, unusual, state, folded, wallet FROM wallets WHERE festival = $1 ORDER BY wallet";
        let mut statement = statement(&self.conn, sql)?;
        let mut rows = statement.query(params![self.festival])?;
        while let Some(row) = rows.next()? {
            each(WalletId(row.get(5)?), wallet(raw(row)?)?);
        }
        Ok(())
    }

    /// States of all wallets that were published, in their order.
    pub fn wallet_states(&self, each: impl FnMut(&[u8])) -> Result<(), StoreError> {
        states(
            &self.conn,
            "SELECT state FROM wallets WHERE festival = $1 AND state IS NOT NULL ORDER BY wallet",
            self.festival,
            each,
        )
    }

    /// States of all tickets that were published, in their order.
    pub fn ticket_states(&self, each: impl FnMut(&[u8])) -> Result<(), StoreError> {
        states(
            &self.conn,
            "SELECT state FROM tickets WHERE festival = $1 AND state IS NOT NULL ORDER BY ticket",
            self.festival,
            each,
        )
    }

    /// What does not fit together, newest first, of at most `most` subjects.
    pub fn conflicts(&self, most: u32) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT view FROM conflicts WHERE festival = $1 ORDER BY newest_ms DESC, subject LIMIT $2";
        rows(&self.conn, sql, params![self.festival, most], |r| r.get(0))
    }

    /// The same of every subject, newest first.
    pub fn each_conflict(&self, mut each: impl FnMut(&str)) -> Result<(), StoreError> {
        let sql = "SELECT view FROM conflicts WHERE festival = $1 ORDER BY newest_ms DESC, subject";
        let mut statement = statement(&self.conn, sql)?;
        let mut rows = statement.query(params![self.festival])?;
        while let Some(row) = rows.next()? {
            each(row.get_ref(0)?.as_str().map_err(|_| StoreError::Damaged("conflict"))?);
        }
        Ok(())
    }

    /// What does not fit together on one subject.
    pub fn conflicts_of(&self, subject: &[u8; 16]) -> Result<Option<String>, StoreError> {
        let sql = "SELECT view FROM conflicts WHERE festival = $1 AND subject = $2";
        row(&self.conn, sql, params![self.festival, subject], |r| r.get(0))
    }

    /// How many things do not fit together, those that [`Self::conflicts`] leaves out included.
    pub fn count_conflicts(&self) -> Result<u64, StoreError> {
        let sql = "SELECT CAST(COALESCE(SUM(found), 0) AS BIGINT) FROM conflicts WHERE festival = $1";
        Ok(row(&self.conn, sql, params![self.festival], |r| r.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs())
    }

    /// Runs `read` on one unchanging state of the database.
    pub fn at_once<T>(&self, read: impl FnOnce(&Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.conn.execute_batch("BEGIN")?;
        let done = read(self);
        self.conn.execute_batch("COMMIT")?;
        done
    }

    /// Number of a section's newest batch.
    pub fn section(&self, section: u8) -> Result<u64, StoreError> {
        let sql = "SELECT number FROM sections WHERE festival = $1 AND section = $2";
        Ok(row(&self.conn, sql, params![self.festival, section], |r| r.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs())
    }
}
