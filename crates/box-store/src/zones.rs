//! A box's part in zones: its own passages, the places it holds, and which ways its gate is open.
//! Invariant: what was granted never becomes less; own passages count from the moment they are on disk.
//! Not here: who may enter (`domain::access`), when places are given back (the box's shell).
use domain::{
    access::{Share, Ways},
    id::EntryRef,
    journal::{Detail, Effect, Entry, Kind, Marks},
    ledger::ZoneRecord,
    wire::{Reader, Writer},
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{error::StoreError, journal::At, store::Store, view::View, writer::Writing};

/// What a box knows of one zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ZonePlaces {
    /// How many may be inside, where the hub said something; `Some(None)` for no bound.
    pub capacity: Option<Option<u32>>,
    /// How many are inside: as the hub counted, with the own passages that it has not seen.
    pub inside: i64,
    /// What this box holds in its present epoch.
    pub share: Share,
    /// Whether it was ever dealt places in this epoch.
    pub was_dealt: bool,
    /// What it is asked to have given back in all.
    pub asked: u32,
    /// The newest grant known.
    pub grant: Option<EntryRef>,
    /// The hub's term that it has answered last; 0 none.
    pub told_term: u32,
    /// Own admissions there, of all epochs.
    pub ins: u64,
    /// Own exits.
    pub outs: u64,
    /// Of the admissions those that a supervisor decided.
    pub overrides: u64,
}

/// Folds one own entry into the passages.
pub(crate) fn fold(connection: &Connection, at: At, entry: &Entry) -> Result<(), StoreError> {
    let add = |ins: bool, outs: bool, overrides: bool| {
        connection
            .prepare_cached(
                "INSERT INTO passages (zone, epoch, ins, outs, overrides, granted, released, told_term)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, 0, 0)
                 ON CONFLICT (zone, epoch) DO UPDATE SET ins = ins + excluded.ins, outs = outs + excluded.outs,
                     overrides = overrides + excluded.overrides",
            )?
            .execute(params![entry.zone, at.epoch, ins, outs, overrides])
    };
    match (entry.effect, entry.kind) {
        (Effect::In | Effect::Out, Kind::VOUCHER) => {}
        (Effect::In, _) => {
            add(true, false, domain::ledger::marks_of(entry).has(Marks::OVERRIDE))?;
        }
        (Effect::Out, _) => {
            add(false, true, false)?;
        }
        // those of accounts: `accounts`
        (_, Kind::SHARE_RELEASE) if entry.subject.is_none() => {
            if let Ok(Detail::ShareRelease(release)) = Detail::of(entry) {
                add(false, false, false)?;
                connection
                    .prepare_cached(
                        "UPDATE passages SET granted = max(granted, ?3), released = max(released, ?4), told_term = ?5
                         WHERE zone = ?1 AND epoch = ?2",
                    )?
                    .execute(params![entry.zone, at.epoch, release.granted, release.released, release.term])?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Takes what the hub says of zones.
pub(crate) fn apply(writing: &Writing<'_>, input: &mut Reader<'_>) -> Result<(), StoreError> {
    let connection = writing.connection;
    while !input.rest().is_empty() {
        match ZoneRecord::read(input).map_err(|_| StoreError::Knowledge("a zone"))? {
            ZoneRecord::Zone(zone) => {
                connection
                    .prepare_cached("INSERT OR REPLACE INTO hub_zone (zone, capacity, inside) VALUES (?1, ?2, ?3)")?
                    .execute(params![zone.zone, zone.capacity, zone.inside])?;
            }
            ZoneRecord::Share(share) if share.device == writing.who.device => {
                let grant = share.grant.map(|grant| {
                    let mut out = Writer::new();
                    grant.write(&mut out);
                    out.finish()
                });
                connection
                    .prepare_cached(
                        "INSERT INTO hub_share (zone, epoch, granted, asked, inside, grant_of)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                         ON CONFLICT (zone, epoch) DO UPDATE SET granted = max(granted, excluded.granted),
                             asked = excluded.asked, inside = excluded.inside, grant_of = excluded.grant_of",
                    )?
                    .execute(params![share.zone, share.epoch, share.granted, share.asked, share.inside, grant])?;
            }
            ZoneRecord::Share(_) => {}
        }
    }
    Ok(())
}

fn places(connection: &Connection, zone: u16) -> Result<ZonePlaces, StoreError> {
    let epoch: u32 =
        connection.prepare_cached("SELECT coalesce(max(epoch), 0) FROM epoch")?.query_row([], |row| row.get(0))?;
    let hub: Option<(Option<u32>, i64)> = connection
        .prepare_cached("SELECT capacity, inside FROM hub_zone WHERE zone = ?1")?
        .query_row([zone], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let counted: i64 = connection
        .prepare_cached("SELECT coalesce(sum(inside), 0) FROM hub_share WHERE zone = ?1")?
        .query_row([zone], |row| row.get(0))?;
    let (ins, outs, overrides): (i64, i64, i64) = connection
        .prepare_cached(
            "SELECT coalesce(sum(ins), 0), coalesce(sum(outs), 0), coalesce(sum(overrides), 0) FROM passages
             WHERE zone = ?1",
        )?
        .query_row([zone], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let own: Option<(i64, u32, u32, u32)> = connection
        .prepare_cached("SELECT ins - outs, granted, released, told_term FROM passages WHERE zone = ?1 AND epoch = ?2")?
        .query_row(params![zone, epoch], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let dealt: Option<(u32, u32, Option<Vec<u8>>)> = connection
        .prepare_cached("SELECT granted, asked, grant_of FROM hub_share WHERE zone = ?1 AND epoch = ?2")?
        .query_row(params![zone, epoch], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let (here, told_granted, released, told_term) = own.unwrap_or_default();
    let (granted, asked, grant) = dealt.unwrap_or_default();
    let granted = granted.max(told_granted);
    let share = Share { granted, released, inside: here };
    Ok(ZonePlaces {
        capacity: hub.map(|(capacity, _)| capacity),
        inside: hub.map_or(0, |(_, inside)| inside).saturating_sub(counted).saturating_add(ins).saturating_sub(outs),
        share,
        was_dealt: granted > 0 || share.free() > 0,
        asked,
        grant: grant.and_then(|bytes| EntryRef::read(&mut Reader::new(&bytes)).ok()),
        told_term,
        ins: ins.max(0).unsigned_abs(),
        outs: outs.max(0).unsigned_abs(),
        overrides: overrides.max(0).unsigned_abs(),
    })
}

/// Zones that the hub named to this box, or through which it let people pass.
fn known(connection: &Connection) -> Result<Vec<u16>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT zone FROM hub_share UNION SELECT zone FROM passages ORDER BY zone")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn ways(connection: &Connection) -> Result<Ways, StoreError> {
    let ways: Option<i64> =
        connection.prepare_cached("SELECT ways FROM gate")?.query_row([], |row| row.get(0)).optional()?;
    Ok(match ways {
        Some(1) => Ways::Out,
        Some(2) => Ways::Both,
        Some(_) | None => Ways::In,
    })
}

impl View<'_> {
    /// What this box knows of a zone's places.
    pub fn zone_places(&self, zone: u16) -> ZonePlaces {
        self.kept(places(self.connection(), zone))
    }

    /// Zones that this box has something to do with.
    pub fn zones(&self) -> Vec<u16> {
        self.kept(known(self.connection()))
    }

    /// Which ways this gate is open.
    pub fn ways(&self) -> Ways {
        self.kept(ways(self.connection()))
    }
}

impl Store {
    /// Switches the gate; returns once that is on disk.
    pub fn set_ways(&self, ways: Ways) -> Result<(), StoreError> {
        let number = match ways {
            Ways::In => 0,
            Ways::Out => 1,
            Ways::Both => 2,
        };
        self.work(move |writing| {
            writing.whole(|writing| {
                writing.connection.execute(
                    "INSERT INTO gate (one, ways) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET ways = excluded.ways",
                    [number],
                )?;
                Ok(())
            })
        })
    }
}
