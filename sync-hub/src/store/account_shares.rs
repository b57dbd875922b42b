//! What boxes put on accounts, took from them and hold of them. Kept under escrow only.
//! Invariant: everything here can be rebuilt from the entries; sums only grow, except where a journal is counted anew.
use domain::{
    access::Share,
    id::{DeviceId, EntryRef, WalletId},
    till::Escrow,
};
use rusqlite::{Connection, Row, params};

use super::{Reading, Store, StoreError, row, rows, statement};

/// About which account, whose, in which run of its journal. Wallet zeros: the box itself.
pub type ShareKey = (WalletId, DeviceId, u32);

/// What is counted of one box and one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShareSums {
    /// Cents that it put on.
    pub put_on: i64,
    /// Cents that it took.
    pub taken: i64,
    /// Cents that the hub granted.
    pub granted: u32,
    /// The same, as the box said it.
    pub granted_told: u32,
    /// Cents that it gave back.
    pub released: u32,
    /// The hub's term that it answered last; 0 none.
    pub told_term: u32,
    /// The newest grant that it named: epoch and position in the hub's journal.
    pub told: (u32, u32),
    /// The newest grant or booking.
    pub grant: (u32, u32),
    /// What people booked as a risk, in the newest booking.
    pub booked: u32,
    /// The newest booking.
    pub booking: (u32, u32),
}

impl ShareSums {
    /// Counts what another part of the same box's entries amounts to.
    pub fn add(&mut self, other: &Self) {
        self.put_on = self.put_on.saturating_add(other.put_on);
        self.taken = self.taken.saturating_add(other.taken);
        self.granted = self.granted.max(other.granted);
        self.granted_told = self.granted_told.max(other.granted_told);
        self.released = self.released.max(other.released);
        self.told_term = self.told_term.max(other.told_term);
        self.told = self.told.max(other.told);
        self.grant = self.grant.max(other.grant);
        if other.booking > self.booking {
            (self.booked, self.booking) = (other.booked, other.booking);
        }
    }

    /// What stands in the hub's own journal alone.
    pub fn of_hub(&self) -> Self {
        let Self { granted, grant, booked, booking, .. } = *self;
        Self { granted, grant, booked, booking, ..Self::default() }
    }

    /// All that was granted, as far as hub or box know.
    pub fn all_granted(&self) -> u32 {
        self.granted.max(self.granted_told)
    }

    /// What it holds.
    pub fn escrow(&self) -> Escrow {
        let share = Share { granted: self.all_granted(), released: self.released, inside: self.taken };
        Escrow { share, topped_up: u32::try_from(self.put_on.max(0)).unwrap_or(u32::MAX) }
    }

    /// What was booked of it, as long as the box has not heard of that.
    pub fn booked(&self) -> u32 {
        if self.booking > self.told { self.booked } else { 0 }
    }

    /// The newest grant or booking, in the journal of `hub`.
    pub fn grant_of(&self, hub: DeviceId) -> Option<EntryRef> {
        let (epoch, seq) = self.grant;
        (self.grant > (0, 0)).then_some(EntryRef { device: hub, epoch, seq })
    }
}

const COLUMNS: &str = "wallet, device, epoch, put_on, taken, granted, granted_told, released, told_term, told_epoch, \
                       told_seq, grant_epoch, grant_seq, booked, booked_epoch, booked_seq";

fn read(r: &Row<'_>) -> rusqlite::Result<(ShareKey, ShareSums)> {
    let sums = ShareSums {
        put_on: r.get(3)?,
        taken: r.get(4)?,
        granted: r.get(5)?,
        granted_told: r.get(6)?,
        released: r.get(7)?,
        told_term: r.get(8)?,
        told: (r.get(9)?, r.get(10)?),
        grant: (r.get(11)?, r.get(12)?),
        booked: r.get(13)?,
        booking: (r.get(14)?, r.get(15)?),
    };
    Ok(((WalletId(r.get(0)?), DeviceId(r.get(1)?), r.get(2)?), sums))
}

fn of_wallet(conn: &Connection, festival: i64, wallet: WalletId) -> Result<Vec<(ShareKey, ShareSums)>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM account_shares WHERE festival = $1 AND wallet = $2 ORDER BY device, epoch");
    rows(conn, &sql, params![festival, wallet.0], read)
}

/// Of which something is left, or something was booked: all that a box that has lost its knowledge need hear of.
const HELD: &str = "festival = $1 AND (booked > 0 OR granted + put_on - released - taken > 0 \
                    OR granted_told + put_on - released - taken > 0)";

impl Store {
    /// All boxes' parts of one account.
    pub fn account_shares(&self, wallet: WalletId) -> Result<Vec<(ShareKey, ShareSums)>, StoreError> {
        of_wallet(&self.conn, self.festival, wallet)
    }

    /// One row.
    pub fn account_share(&self, key: ShareKey) -> Result<Option<ShareSums>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM account_shares WHERE festival = $1 AND wallet = $2 AND device = $3 AND epoch = $4"
        );
        let (wallet, device, epoch) = key;
        let found = row(&self.conn, &sql, params![self.festival, wallet.0, device.0, epoch], read)?;
        Ok(found.map(|(_, sums)| sums))
    }

    /// All rows of one journal.
    pub fn account_shares_of(&self, device: DeviceId, epoch: u32) -> Result<Vec<(ShareKey, ShareSums)>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM account_shares WHERE festival = $1 AND device = $2 AND epoch = $3");
        rows(&self.conn, &sql, params![self.festival, device.0, epoch], read)
    }

    /// Shares of which something is left, or that people booked.
    pub fn each_held_share(&self, mut each: impl FnMut(ShareKey, ShareSums)) -> Result<(), StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM account_shares WHERE {HELD} ORDER BY wallet, device, epoch");
        let mut statement = statement(&self.conn, &sql)?;
        let mut rows = statement.query(params![self.festival])?;
        while let Some(row) = rows.next()? {
            let (key, sums) = read(row)?;
            each(key, sums);
        }
        Ok(())
    }

    /// Writes one row.
    pub fn put_account_share(&self, key: ShareKey, sums: &ShareSums) -> Result<(), StoreError> {
        let (wallet, device, epoch) = key;
        statement(
            &self.conn,
            "INSERT INTO account_shares (festival, wallet, device, epoch, put_on, taken, granted, granted_told, released, \
             told_term, told_epoch, told_seq, grant_epoch, grant_seq, booked, booked_epoch, booked_seq) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
             ON CONFLICT (festival, wallet, device, epoch) DO UPDATE SET put_on = excluded.put_on, \
             taken = excluded.taken, granted = excluded.granted, granted_told = excluded.granted_told, \
             released = excluded.released, told_term = excluded.told_term, told_epoch = excluded.told_epoch, \
             told_seq = excluded.told_seq, grant_epoch = excluded.grant_epoch, grant_seq = excluded.grant_seq, \
             booked = excluded.booked, booked_epoch = excluded.booked_epoch, booked_seq = excluded.booked_seq",
        )?
        .execute(params![
            self.festival,
            wallet.0,
            device.0,
            epoch,
            sums.put_on,
            sums.taken,
            sums.granted,
            sums.granted_told,
            sums.released,
            sums.told_term,
            sums.told.0,
            sums.told.1,
            sums.grant.0,
            sums.grant.1,
            sums.booked,
            sums.booking.0,
            sums.booking.1
        ])?;
        Ok(())
    }

    /// Whether the projections count accounts box by box.
    pub fn counts_shares(&self) -> bool {
        self.shares
    }
}

/// All that one box holds in one run of its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldSums {
    /// Whose.
    pub device: DeviceId,
    /// In which run of its journal.
    pub epoch: u32,
    /// Of how many accounts.
    pub accounts: u64,
    /// How much.
    pub held_cents: i64,
    /// Of that, what people booked.
    pub booked_cents: i64,
}

impl Reading {
    /// What boxes hold, box by box.
    pub fn held_by_boxes(&self) -> Result<Vec<HeldSums>, StoreError> {
        let sql = format!(
            "SELECT device, epoch, COUNT(*), \
             CAST(SUM(CASE WHEN granted > granted_told THEN granted ELSE granted_told END + put_on - released - taken) \
             AS BIGINT), \
             CAST(SUM(CASE WHEN booked_epoch > told_epoch OR booked_epoch = told_epoch AND booked_seq > told_seq \
             THEN booked ELSE 0 END) AS BIGINT) \
             FROM account_shares WHERE {HELD} GROUP BY device, epoch ORDER BY device, epoch"
        );
        rows(&self.conn, &sql, params![self.festival], |r| {
            Ok(HeldSums {
                device: DeviceId(r.get(0)?),
                epoch: r.get(1)?,
                accounts: r.get::<_, i64>(2)?.max(0).unsigned_abs(),
                held_cents: r.get(3)?,
                booked_cents: r.get(4)?,
            })
        })
    }

    /// All boxes' parts of one account.
    pub fn account_shares(&self, wallet: WalletId) -> Result<Vec<(ShareKey, ShareSums)>, StoreError> {
        of_wallet(&self.conn, self.festival, wallet)
    }
}
