//! Credits on offer, what boxes know of the wallets, and bands whose money leaves without them.
//! Invariant: `offers` can be rebuilt from the entries; the other two only ever lead to waiting longer when they are lost.
use domain::{
    id::{DeviceId, WalletId},
    ledger::CreditItem,
    wire::Reader,
};
use rusqlite::params;

use super::{Store, StoreError, row, rows, statement};

/// What a box said when it had applied a state of the wallets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxKnowledge {
    /// The hub's term.
    pub term: u32,
    /// The state's number.
    pub number: u64,
    /// Epoch of its own journal.
    pub epoch: u32,
    /// Position of the next entry that it was going to write.
    pub next_seq: u32,
}

fn number(value: i64) -> u64 {
    value.unsigned_abs()
}

fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Store {
    /// Every credit on offer.
    pub fn offers(&self) -> Result<Vec<CreditItem>, StoreError> {
        let sql = "SELECT item FROM offers WHERE festival = $1 ORDER BY wallet";
        let items = rows(&self.conn, sql, params![self.festival], |r| r.get::<_, Vec<u8>>(0))?;
        let read = |item: Vec<u8>| CreditItem::read(&mut Reader::new(&item));
        items.into_iter().map(read).collect::<Result<_, _>>().map_err(|_| StoreError::Damaged("a credit on offer"))
    }

    /// Keeps what is on offer for a wallet now.
    pub fn put_offer(&self, item: &CreditItem) -> Result<(), StoreError> {
        match item.offer {
            Some(_) => statement(
                &self.conn,
                "INSERT INTO offers (festival, wallet, item) VALUES ($1, $2, $3) \
                 ON CONFLICT (festival, wallet) DO UPDATE SET item = excluded.item",
            )?
            .execute(params![self.festival, item.wallet.0, item.to_bytes()])?,
            None => statement(&self.conn, "DELETE FROM offers WHERE festival = $1 AND wallet = $2")?
                .execute(params![self.festival, item.wallet.0])?,
        };
        Ok(())
    }

    /// Notes what a box knows.
    pub fn put_knowledge(&self, device: DeviceId, known: &BoxKnowledge) -> Result<(), StoreError> {
        statement(
            &self.conn,
            "INSERT INTO box_knowledge (festival, device, term, number, epoch, next_seq) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (festival, device) DO UPDATE SET term = excluded.term, number = excluded.number, \
             epoch = excluded.epoch, next_seq = excluded.next_seq",
        )?
        .execute(params![
            self.festival,
            device.0,
            known.term,
            stored(known.number),
            known.epoch,
            known.next_seq
        ])?;
        Ok(())
    }

    /// What a box said last.
    pub fn knowledge(&self, device: DeviceId) -> Result<Option<BoxKnowledge>, StoreError> {
        let sql = "SELECT term, number, epoch, next_seq FROM box_knowledge WHERE festival = $1 AND device = $2";
        row(&self.conn, sql, params![self.festival, device.0], |r| {
            Ok(BoxKnowledge { term: r.get(0)?, number: number(r.get(1)?), epoch: r.get(2)?, next_seq: r.get(3)? })
        })
    }

    /// From which state of the wallets on no box serves this band: term and number.
    pub fn leaving(&self, wallet: WalletId) -> Result<Option<(u32, u64)>, StoreError> {
        let sql = "SELECT term, number FROM leaving_bands WHERE festival = $1 AND wallet = $2";
        row(&self.conn, sql, params![self.festival, wallet.0], |r| Ok((r.get(0)?, number(r.get(1)?))))
    }

    /// Notes that, once.
    pub fn put_leaving(&self, wallet: WalletId, term: u32, at: u64) -> Result<(), StoreError> {
        let sql = "INSERT INTO leaving_bands (festival, wallet, term, number) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (festival, wallet) DO NOTHING";
        statement(&self.conn, sql)?.execute(params![self.festival, wallet.0, term, stored(at)])?;
        Ok(())
    }
}
