//! What this box granted to claimants on the venue's LAN, and where it stands in its group.
//! Invariant: nobody hears of a grant before it is on disk; a row goes only by its holder's release of that very claim.
//! Not here: the rules (`domain::lan`), the messages (`edge`).
use domain::{
    id::DeviceId,
    lan::{ClaimKey, Holder, Ruling, Succession, frees, rule},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{error::StoreError, store::Store, view::View, writer::Writing};

/// An own claim that may be sent, or why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnClaim {
    /// It is granted to this box itself, on disk.
    Made(Holder),
    /// This box knows that it cannot have it.
    Refused(Ruling),
}

impl Store {
    /// Makes an own claim and grants it here. Returns after the flush.
    pub fn claim(&self, key: ClaimKey) -> Result<OwnClaim, StoreError> {
        self.work(move |writing| writing.whole(|writing| claim(writing, &key)))
    }

    /// Rules on somebody's claim. Returns after the flush, where something was written.
    pub fn rule_on(&self, key: ClaimKey, claimant: Holder) -> Result<Ruling, StoreError> {
        let device = self.0.who.device;
        let seen = self.reading(|connection| ruled(connection, device, &key, claimant))?;
        match seen {
            // a granted one that comes again is on disk already
            (Ruling::Grant(_), false) => {
                self.work(move |writing| writing.whole(|writing| grant(writing, &key, claimant)))
            }
            (ruling, _) => Ok(ruling),
        }
    }

    /// A claim is given up by its holder.
    pub fn release_claim(&self, key: ClaimKey, released: Holder) -> Result<(), StoreError> {
        let held = self.reading(|connection| rows(connection, &key))?;
        if !held.iter().any(|row| frees(row, &released)) {
            return Ok(());
        }
        self.work(move |writing| writing.whole(|writing| release(writing.connection, &key, &released)))
    }

    /// All that this box holds for others and itself, ascending.
    pub fn grants(&self) -> Result<Vec<(ClaimKey, Holder)>, StoreError> {
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT what, subject, number, device, epoch, claim FROM lan_grant
                 ORDER BY what, subject, number, device, epoch",
            )?;
            let rows = statement.query_map([], |row| Ok((key_of(row)?, holder_of(row, 3)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Where this box stands in its group, and the group's number.
    pub fn succession(&self) -> Result<Option<(u16, Succession)>, StoreError> {
        self.reading(|connection| {
            let row: Option<(u16, Vec<u8>)> = connection
                .prepare_cached("SELECT group_number, state FROM lan WHERE group_number IS NOT NULL")?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let read = |(group, state): (u16, Vec<u8>)| {
                let state =
                    Succession::from_bytes(&state).map_err(|_| StoreError::Corrupt("the LAN's group".into()))?;
                Ok((group, state))
            };
            row.map(read).transpose()
        })
    }

    /// Notes where this box stands, with grants that it was handed over. Returns after the flush.
    pub fn set_succession(
        &self,
        group: u16,
        state: &Succession,
        inherited: Vec<(ClaimKey, Holder)>,
    ) -> Result<(), StoreError> {
        let state = state.to_bytes();
        self.work(move |writing| {
            writing.whole(|writing| {
                let connection = writing.connection;
                for (key, holder) in &inherited {
                    inherit(connection, key, holder)?;
                }
                connection
                    .prepare_cached("UPDATE lan SET group_number = ?1, state = ?2")?
                    .execute(params![group, state])?;
                Ok(())
            })
        })
    }
}

fn key_of(row: &Row<'_>) -> Result<ClaimKey, rusqlite::Error> {
    Ok(ClaimKey { what: row.get(0)?, subject: row.get(1)?, number: row.get::<_, i64>(2)?.cast_unsigned() })
}

fn holder_of(row: &Row<'_>, from: usize) -> Result<Holder, rusqlite::Error> {
    Ok(Holder {
        device: DeviceId(row.get(from)?),
        epoch: row.get(from.saturating_add(1))?,
        claim: row.get::<_, i64>(from.saturating_add(2))?.cast_unsigned(),
    })
}

fn rows(connection: &Connection, key: &ClaimKey) -> Result<Vec<Holder>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT device, epoch, claim FROM lan_grant WHERE what = ?1 AND subject = ?2 AND number = ?3",
    )?;
    let rows =
        statement.query_map(params![key.what, &key.subject[..], key.number.cast_signed()], |row| holder_of(row, 0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The number that this box would claim itself.
fn known(connection: &Connection, device: DeviceId, key: &ClaimKey) -> Result<u64, StoreError> {
    let view = View::new(connection, device);
    let known = match key.as_ticket() {
        Some(ticket) => u64::from(view.ticket(&ticket).uses),
        // a wallet's head is judged by its rows alone
        None => key.number,
    };
    view.into_failure().map_or(Ok(known), Err)
}

/// The ruling, and whether the row that it asks for is there already.
fn ruled(
    connection: &Connection,
    device: DeviceId,
    key: &ClaimKey,
    claimant: Holder,
) -> Result<(Ruling, bool), StoreError> {
    let rows = rows(connection, key)?;
    Ok((rule(&rows, known(connection, device, key)?, key, claimant), rows.contains(&claimant)))
}

fn grant(writing: &Writing<'_>, key: &ClaimKey, claimant: Holder) -> Result<Ruling, StoreError> {
    let (ruling, _) = ruled(writing.connection, writing.who.device, key, claimant)?;
    if let Ruling::Grant(row) = ruling {
        write(writing.connection, key, &row)?;
    }
    Ok(ruling)
}

fn write(connection: &Connection, key: &ClaimKey, holder: &Holder) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO lan_grant (what, subject, number, device, epoch, claim)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            key.what,
            &key.subject[..],
            key.number.cast_signed(),
            &holder.device.0[..],
            holder.epoch,
            holder.claim.cast_signed()
        ])?;
    Ok(())
}

/// What a member of the closed list holds is held here too; of one box the later claim.
fn inherit(connection: &Connection, key: &ClaimKey, holder: &Holder) -> Result<(), StoreError> {
    let held = rows(connection, key)?;
    if held.iter().any(|row| row.is_same_box(holder) && row.claim > holder.claim) {
        return Ok(());
    }
    write(connection, key, holder)
}

fn release(connection: &Connection, key: &ClaimKey, released: &Holder) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM lan_grant WHERE what = ?1 AND subject = ?2 AND number = ?3 AND device = ?4 AND epoch = ?5
             AND claim = ?6",
        )?
        .execute(params![
            key.what,
            &key.subject[..],
            key.number.cast_signed(),
            &released.device.0[..],
            released.epoch,
            released.claim.cast_signed()
        ])?;
    Ok(())
}

fn claim(writing: &Writing<'_>, key: &ClaimKey) -> Result<OwnClaim, StoreError> {
    let connection = writing.connection;
    let number: i64 = connection
        .prepare_cached("UPDATE lan SET claims = claims + 1 RETURNING claims")?
        .query_row([], |row| row.get(0))?;
    let (device, epoch) = (writing.who.device, writing.tail.cursor.epoch);
    let me = Holder { device, epoch, claim: number.cast_unsigned() };
    match grant(writing, key, me)? {
        Ruling::Grant(_) => Ok(OwnClaim::Made(me)),
        ruling @ (Ruling::Taken(_) | Ruling::Ahead(_) | Ruling::Behind(_) | Ruling::Stale) => {
            Ok(OwnClaim::Refused(ruling))
        }
    }
}
