//! What was decided about ticket keys, by public key.
//! Invariant: one key issues; the caller moves the one before to another state in the same transaction.
use std::collections::BTreeMap;

use rusqlite::params;

use super::{Store, StoreError, rows, statement};

/// What was decided about a ticket key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDecision {
    /// It signs new tickets.
    Issues,
    /// It counts no more, for ever.
    Retired,
    /// It has signed tickets before; they stay good.
    HasIssued,
}

impl KeyDecision {
    const fn number(self) -> i64 {
        match self {
            Self::Issues => 1,
            Self::Retired => 2,
            Self::HasIssued => 3,
        }
    }

    const fn from_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Issues),
            2 => Some(Self::Retired),
            3 => Some(Self::HasIssued),
            _ => None,
        }
    }
}

impl Store {
    /// Every key that something was decided about.
    pub fn ticket_keys(&self) -> Result<BTreeMap<[u8; 32], KeyDecision>, StoreError> {
        let sql = "SELECT public_key, state FROM ticket_keys WHERE festival = $1 ORDER BY public_key";
        let read = rows(&self.conn, sql, params![self.festival], |r| Ok((r.get(0)?, r.get::<_, i64>(1)?)))?;
        let known = |(key, number)| {
            let decision = KeyDecision::from_number(number).ok_or(StoreError::Damaged("a ticket key's state"))?;
            Ok((key, decision))
        };
        read.into_iter().map(known).collect()
    }

    /// Records a decision in place of the one before.
    pub fn put_ticket_key(&self, key: &[u8; 32], decision: KeyDecision, since_ms: u64) -> Result<(), StoreError> {
        statement(
            &self.conn,
            "INSERT INTO ticket_keys (festival, public_key, state, since_ms) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (festival, public_key) DO UPDATE SET state = excluded.state, since_ms = excluded.since_ms",
        )?
        .execute(params![
            self.festival,
            key,
            decision.number(),
            i64::try_from(since_ms).unwrap_or(i64::MAX)
        ])?;
        Ok(())
    }
}
