//! Zones at the hub: how full each one is, and its places dealt out to the gates.
//! Invariant: places are dealt by entries of the hub's journal, and never more of them than the zone holds; in a new
//! term nothing is dealt before the holders of old shares have said what they hold.
//! Not here: how places are dealt (`domain::access::deal`), counting (`ingest`), who may enter.
use std::collections::BTreeMap;

use domain::{
    access::{self, Deal, Holder, Share},
    id::DeviceId,
    journal::{Admission, Detail, Effect, Entry, Flags, Kind, Marks, ShareGrant},
    ledger::{ShareState, Standing, ZoneRecord, ZoneState},
    trust::Roles,
    wire::Writer,
    zones::{Zone, ZoneRules},
};
use screens::view::{GatePlaces, ZoneView};

use crate::{
    hub::{Hub, HubError},
    store::{PassageSums, Passages, StoreError},
};

/// Places are dealt so often, in milliseconds.
const DEAL_EVERY_MS: u64 = 1000;
/// A gate that was heard within this time can be dealt to, in milliseconds.
const HEARD_WITHIN_MS: u64 = 15_000;
/// Most overrides on the console; the newest are shown.
const OVERRIDES: usize = 100;

type Gate = (u16, DeviceId, u32);

/// What the hub keeps in mind of zones; after a restart it begins anew.
#[derive(Debug, Default)]
pub(crate) struct Zones {
    /// What each gate is asked to have given back in all.
    asked: BTreeMap<Gate, u32>,
    /// Admissions counted at the last deal, and how busy the gate has been since.
    busy: BTreeMap<Gate, (u32, u64)>,
    /// When boxes were heard.
    heard: BTreeMap<DeviceId, u64>,
    /// What was last published of each zone and of each gate's share.
    pub(crate) published: BTreeMap<Gate, ZoneRecord>,
    dealt_ms: u64,
}

/// What one entry adds to the passages of a gate: zone, device and epoch of the row, and the sums.
pub(crate) fn counted(entry: &Entry, device: DeviceId, epoch: u32, seq: u32) -> Option<(Gate, PassageSums)> {
    if entry.flags.has(Flags::TRAINING) || entry.kind == Kind::VOUCHER {
        return None;
    }
    let here = (entry.zone, device, epoch);
    let passed = PassageSums { last_ms: entry.hlc.unix_ms(), ..PassageSums::default() };
    match (entry.effect, entry.kind) {
        (Effect::In, _) => {
            let overrides = u32::from(domain::ledger::marks_of(entry).has(Marks::OVERRIDE));
            Some((here, PassageSums { ins: 1, overrides, ..passed }))
        }
        (Effect::Out, _) => Some((here, PassageSums { outs: 1, ..passed })),
        // those of accounts: `escrow`
        (_, Kind::SHARE_RELEASE) if !entry.subject.is_none() => None,
        (_, Kind::SHARE) if !entry.other.is_none() => None,
        (_, Kind::SHARE_RELEASE) => match Detail::of(entry) {
            Ok(Detail::ShareRelease(said)) => {
                let (granted_told, released, told_term) = (said.granted, said.released, said.term);
                Some((here, PassageSums { granted_told, released, told_term, ..PassageSums::default() }))
            }
            Ok(_) | Err(_) => None,
        },
        (_, Kind::SHARE) => match Detail::of(entry) {
            Ok(Detail::Share(dealt)) => {
                let sums = PassageSums { granted: dealt.granted, grant: (epoch, seq), ..PassageSums::default() };
                Some(((entry.zone, entry.subject.device(), dealt.epoch), sums))
            }
            Ok(_) | Err(_) => None,
        },
        _ => None,
    }
}

/// Whether an entry stands in the list of overrides.
pub(crate) fn is_override(entry: &Entry) -> bool {
    let marks = domain::ledger::marks_of(entry);
    matches!(entry.effect, Effect::In | Effect::Out) && (marks.has(Marks::OVERRIDE) || marks.has(Marks::BY_NAME))
}

/// Under what overrides are found in `touches`: no wallet or ticket has this id.
pub(crate) fn overrides_subject() -> [u8; 16] {
    let mut subject = [0; 16];
    subject.copy_from_slice(blake3::hash(b"hub.overrides\0").as_bytes().split_at(16).0);
    subject
}

fn share(sums: &PassageSums) -> Share {
    Share { granted: sums.all_granted(), released: sums.released, inside: sums.inside() }
}

impl Hub {
    /// The rules of the zones.
    pub(crate) fn zone_rules(&self) -> ZoneRules {
        self.documents.zones().value
    }

    /// Notes when boxes were heard, for dealing.
    pub(crate) fn zones_heard(&mut self, seen: &[(DeviceId, u64)]) {
        self.zones.heard.extend(seen.iter().copied());
    }

    /// Whether a box was heard of late, so that it can be dealt to and asked.
    pub(crate) fn hears(&self, device: DeviceId) -> bool {
        let now = self.now_ms();
        self.zones.heard.get(&device).is_some_and(|at| now.saturating_sub(*at) <= HEARD_WITHIN_MS)
    }

    /// Deals places where gates run short, about every second. Gives whether it was time to.
    pub(crate) fn deal_places(&mut self) -> Result<bool, HubError> {
        let now = self.now_ms();
        if now.saturating_sub(self.zones.dealt_ms) < DEAL_EVERY_MS && self.zones.dealt_ms <= now {
            return Ok(false);
        }
        self.zones.dealt_ms = now;
        let rows = self.store.passages()?;
        self.note_busy(&rows);
        let mut grants = Vec::new();
        for zone in self.zone_rules().zones {
            let Some(capacity) = zone.capacity else { continue };
            let rows: Vec<&Passages> = rows.iter().filter(|row| row.zone == zone.number).collect();
            if !self.all_have_answered(&rows)? {
                continue;
            }
            let holders: Vec<Holder> = rows.iter().map(|row| self.holder(row)).collect::<Result<_, HubError>>()?;
            for (row, deal) in rows.iter().zip(access::deal(capacity, &holders)) {
                grants.extend(self.carry_out(row, deal));
            }
        }
        if !grants.is_empty() {
            self.act(grants)?;
            self.project()?;
        }
        Ok(true)
    }

    /// One deal: what is asked is kept in mind, what is granted becomes an entry.
    fn carry_out(&mut self, row: &Passages, deal: Deal) -> Option<Entry> {
        self.zones.asked.insert((row.zone, row.device, row.epoch), deal.asked);
        if deal.grant == 0 {
            return None;
        }
        let granted = row.sums.all_granted().saturating_add(deal.grant);
        let places = ShareGrant { epoch: row.epoch, granted, places: deal.grant, booked: 0 };
        let part = Detail::Share(places).to_bytes();
        Some(Entry { zone: row.zone, part, ..self.entry(Kind::SHARE, Effect::None, row.device.into()) })
    }

    fn holder(&self, row: &Passages) -> Result<Holder, HubError> {
        let gate = (row.zone, row.device, row.epoch);
        let newest = self.journals.of_device(row.device).map(|journal| journal.epoch).max();
        let hears = self.hears(row.device)
            && row.sums.told_term == self.store.term()
            && newest == Some(row.epoch)
            && !self.is_revoked(row.device)?;
        let asked = self.zones.asked.get(&gate).copied().unwrap_or(0).max(row.sums.released);
        let busy = self.zones.busy.get(&gate).map_or(0, |(_, busy)| *busy);
        Ok(Holder { share: share(&row.sums), busy, hears, asked })
    }

    /// In a restored database grants may be missing: whoever may hold some says so first.
    fn all_have_answered(&self, rows: &[&Passages]) -> Result<bool, HubError> {
        let term = self.store.term();
        if term <= 1 {
            return Ok(true);
        }
        for stored in self.store.boxes()?.iter().filter(|stored| stored.roles.has(Roles::GATE)) {
            let mut rows = rows.iter().filter(|row| row.device == stored.device);
            let holds = rows.clone().any(|row| row.sums.all_granted() > 0);
            if holds && !rows.any(|row| row.sums.told_term >= term) && !self.is_revoked(stored.device)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How busy each gate is: what was admitted of late counts, older admissions fade.
    fn note_busy(&mut self, rows: &[Passages]) {
        for row in rows {
            let gate = (row.zone, row.device, row.epoch);
            let (before, busy) = self.zones.busy.get(&gate).copied().unwrap_or((row.sums.ins, 0));
            let new = u64::from(row.sums.ins.saturating_sub(before));
            // a fading sum over about a minute, in sixteenths of an admission
            let faded = busy.saturating_sub(busy.div_ceil(64)).saturating_add(new.saturating_mul(16));
            self.zones.busy.insert(gate, (row.sums.ins, faded));
        }
    }

    /// Records that changed since they were last published; with `all` every one.
    pub(crate) fn zone_items(&mut self, all: bool) -> Result<Vec<u8>, StoreError> {
        let rows = self.store.passages()?;
        let mut items = Writer::new();
        for (number, capacity) in self.zone_numbers(&rows) {
            let rows: Vec<&Passages> = rows.iter().filter(|row| row.zone == number).collect();
            for (of, record) in self.zone_records(number, capacity, &rows) {
                // a snapshot is told to some, and says nothing of what all were told
                if all || self.zones.published.insert(of, record) != Some(record) {
                    record.write(&mut items);
                }
            }
        }
        Ok(items.finish())
    }

    fn zone_numbers(&self, rows: &[Passages]) -> BTreeMap<u16, Option<u32>> {
        let mut numbers: BTreeMap<u16, Option<u32>> = rows.iter().map(|row| (row.zone, None)).collect();
        numbers.extend(self.zone_rules().zones.iter().map(|zone| (zone.number, zone.capacity)));
        numbers
    }

    /// The zone's own record, and one for each gate.
    fn zone_records(&self, zone: u16, capacity: Option<u32>, rows: &[&Passages]) -> Vec<(Gate, ZoneRecord)> {
        let clamped = |n: i64| i32::try_from(n).unwrap_or(if n < 0 { i32::MIN } else { i32::MAX });
        let inside = rows.iter().map(|row| row.sums.inside()).fold(0i64, i64::saturating_add);
        let whole = ZoneState { zone, capacity, dealt: dealt(rows), inside: clamped(inside) };
        let shares = rows.iter().map(|row| {
            let gate = (zone, row.device, row.epoch);
            let asked = self.zones.asked.get(&gate).copied().unwrap_or(0);
            let state = ShareState {
                zone,
                device: row.device,
                epoch: row.epoch,
                granted: row.sums.all_granted(),
                asked: asked.max(row.sums.released),
                inside: clamped(row.sums.inside()),
                grant: row.sums.grant_of(self.identity.device()),
            };
            (gate, ZoneRecord::Share(state))
        });
        let of_all = (zone, DeviceId([0; 16]), 0);
        [(of_all, ZoneRecord::Zone(whole))].into_iter().chain(shares).collect()
    }

    /// Zones as the console shows them.
    pub(crate) fn zone_views(&self) -> Result<Vec<ZoneView>, HubError> {
        let (rows, rules, boxes, now) = (self.store.passages()?, self.zone_rules(), self.store.boxes()?, self.now_ms());
        let mut views = Vec::new();
        for (number, capacity) in self.zone_numbers(&rows) {
            let rows: Vec<&Passages> = rows.iter().filter(|row| row.zone == number).collect();
            let names = rules.zone(number).cloned().unwrap_or_else(|| Zone { number, ..Zone::default() });
            let gate = |row: &&Passages| {
                let place = boxes.iter().find(|stored| stored.device == row.device);
                let heard = self.zones.heard.get(&row.device).copied().or(place.map(|stored| stored.last_seen_ms));
                GatePlaces {
                    place: place.map_or_else(|| row.device.to_hex(), |stored| stored.place.clone()),
                    box_number: place.map_or(0, |stored| stored.number.0),
                    epoch: row.epoch,
                    ins: row.sums.ins.into(),
                    outs: row.sums.outs.into(),
                    overrides: row.sums.overrides.into(),
                    held: share(&row.sums).held(),
                    free: share(&row.sums).free(),
                    last_unix_ms: Some(row.sums.last_ms).filter(|ms| *ms > 0),
                    heard_age_s: heard.map(|at| now.saturating_sub(at) / 1000),
                }
            };
            views.push(ZoneView {
                number,
                name_fr: names.name_fr,
                name_en: names.name_en,
                capacity,
                inside: rows.iter().map(|row| row.sums.inside()).fold(0i64, i64::saturating_add),
                admissions: rows.iter().map(|row| u64::from(row.sums.ins)).sum(),
                dealt: dealt(&rows).into(),
                late: capacity.is_some_and(|capacity| dealt(&rows) > capacity),
                gates: rows.iter().map(gate).collect(),
            });
        }
        Ok(views)
    }

    /// What supervisors decided, newest first.
    pub(crate) fn overrides(&self) -> Result<Vec<screens::view::OverrideView>, HubError> {
        let currency = self.identity.founding.currency;
        let boxes = self.store.boxes()?;
        let mut found = Vec::new();
        for (at, place, body) in self.journals.entries_about(&overrides_subject(), &self.store, currency)? {
            let journal = self.journals.at(at);
            let counts = matches!(journal.standing(&body, place, currency), Standing::InForce | Standing::Disputed);
            let entry = body.entry();
            let (true, Ok(Detail::Admission(Admission { reason, scheme, marks, .. }))) = (counts, Detail::of(entry))
            else {
                continue;
            };
            let stored = boxes.iter().find(|stored| stored.device == journal.device);
            found.push(screens::view::OverrideView {
                at_unix_ms: entry.hlc.unix_ms(),
                place: stored.map_or_else(|| journal.device.to_hex(), |stored| stored.place.clone()),
                zone: entry.zone,
                reason: if marks.has(Marks::BY_NAME) { "found_by_name".into() } else { reason },
                operator: entry.operator,
                with_ticket: scheme != 0,
                entry: journal.entry_ref(place.seq).to_string(),
            });
        }
        found.sort_by_key(|one| std::cmp::Reverse(one.at_unix_ms));
        found.truncate(OVERRIDES);
        Ok(found)
    }
}

/// Places that gates hold, or people who came in beyond that.
fn dealt(rows: &[&Passages]) -> u32 {
    let held = rows.iter().map(|row| share(&row.sums).held().max(row.sums.inside())).fold(0i64, i64::saturating_add);
    u32::try_from(held.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
