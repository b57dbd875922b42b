//! What a box believes of a wallet or ticket: the hub's state, and on top of it the own entries beyond.
//! Invariant: every own entry counts once, in the hub's state or here.
//! Not here: the folding itself (`domain::ledger`), what covers which entry (`knowledge`).
use std::collections::BTreeSet;

use domain::{
    id::{BoxNumber, DeviceId, EntryRef, TicketUid, WalletId},
    journal::{Detail, Effect, Entry, Flags, Kind},
    ledger::{
        Accounts, Standing, TicketEntry, TicketFlags, TicketFold, TicketState, WalletEntry, WalletState, closes,
        digest, fold_ticket, zone_bit,
    },
    wristband::RecordId,
};
use rusqlite::{Connection, OptionalExtension, params};
use sync::Section;

use crate::{
    coverage::UNCOVERED,
    error::StoreError,
    journal::{self, At},
};

/// Own entries about a subject that a section does not cover, oldest first.
pub(crate) fn uncovered(
    connection: &Connection,
    device: DeviceId,
    subject: &[u8; 16],
    section: Section,
) -> Result<Vec<(EntryRef, Entry)>, StoreError> {
    let mut statement = connection.prepare_cached(UNCOVERED)?;
    let mut rows = statement.query(params![section.byte(), &subject[..]])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let entry =
            Entry::from_bytes(&row.get::<_, Vec<u8>>(1)?).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        entries.push((At::from_sql(row.get(0)?)?.of(device), entry));
    }
    Ok(entries)
}

pub(crate) fn hub_wallet(connection: &Connection, wallet: &WalletId) -> Result<Option<WalletState>, StoreError> {
    let state = stored(connection, "SELECT state FROM hub_wallet WHERE wallet = ?1", &wallet.0)?;
    state.map(|state| WalletState::from_bytes(&state).map_err(|_| StoreError::Knowledge("a wallet"))).transpose()
}

pub(crate) fn hub_ticket(connection: &Connection, ticket: &TicketUid) -> Result<Option<TicketState>, StoreError> {
    let state = stored(connection, "SELECT state FROM hub_ticket WHERE ticket = ?1", &ticket.0)?;
    state.map(|state| TicketState::from_bytes(&state).map_err(|_| StoreError::Knowledge("a ticket"))).transpose()
}

fn stored(connection: &Connection, sql: &str, id: &[u8; 16]) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(connection.prepare_cached(sql)?.query_row([&id[..]], |row| row.get(0)).optional()?)
}

pub(crate) fn wallet(connection: &Connection, device: DeviceId, wallet: &WalletId) -> Result<WalletState, StoreError> {
    let mut base = hub_wallet(connection, wallet)?.unwrap_or_else(|| WalletState::empty(*wallet));
    let mut own = uncovered(connection, device, &wallet.0, Section::Wallets)?;
    for (at, hold) in covered_holds(connection, device, &own)? {
        let mut sums = Accounts::default();
        sums.add(&hold);
        // Where the hub has settled the hold already, it is in doubt no more, and stays as the hub says.
        if let Ok(in_doubt) = u32::try_from(sums.in_doubt())
            && let Some(rest) = base.in_doubt.checked_sub(in_doubt)
        {
            base.in_doubt = rest;
            base.balance = base.balance.saturating_add(sums.hold_debit);
            own.push((at, hold));
        }
    }
    own.sort_by_key(|(at, _)| *at);
    let own: Vec<WalletEntry> =
        own.into_iter().map(|(at, entry)| WalletEntry::new(at, entry, Standing::InForce)).collect();
    Ok(base.with_local(&own))
}

/// The newest record of the band of which this box knows every one before it.
pub(crate) fn known_head(
    connection: &Connection,
    device: DeviceId,
    wallet: &WalletId,
) -> Result<(u16, RecordId), StoreError> {
    let base = hub_wallet(connection, wallet)?.unwrap_or_else(|| WalletState::empty(*wallet));
    let mut commits = Vec::new();
    for (_, entry) in uncovered(connection, device, &wallet.0, Section::Wallets)? {
        let c_only = matches!(Detail::of(&entry), Ok(Detail::TopUp(top_up)) if top_up.c_only);
        let commits_one = !c_only && entry.kind != Kind::VOID && entry.effect != Effect::Release;
        let Some(at) = closes(&entry).filter(|at| commits_one && at.device == device) else { continue };
        let intent = journal::entry(connection, At { epoch: at.epoch, seq: at.seq })?;
        if let Some(Ok(Detail::Intent(intent))) = intent.as_ref().map(Detail::of) {
            commits.push((entry.tap_counter, intent));
        }
    }
    Ok(base.known_head(&commits))
}

/// Own holds that the hub's state has in doubt, although an entry beyond it closes them.
fn covered_holds(
    connection: &Connection,
    device: DeviceId,
    own: &[(EntryRef, Entry)],
) -> Result<Vec<(EntryRef, Entry)>, StoreError> {
    let mut holds: Vec<(EntryRef, Entry)> = Vec::new();
    for at in own.iter().filter_map(|(_, entry)| closes(entry)).filter(|at| at.device == device) {
        if own.iter().chain(&holds).any(|(known, _)| *known == at) {
            continue;
        }
        if let Some(hold) = journal::entry(connection, At { epoch: at.epoch, seq: at.seq })? {
            holds.push((at, hold));
        }
    }
    Ok(holds)
}

/// With what `others` did.
pub(crate) fn ticket(
    connection: &Connection,
    device: DeviceId,
    ticket: &TicketUid,
    others: Vec<TicketEntry>,
) -> Result<TicketState, StoreError> {
    let base = hub_ticket(connection, ticket)?;
    let own = uncovered(connection, device, &ticket.0, Section::Tickets)?;
    if own.is_empty() && others.is_empty() {
        return Ok(base.unwrap_or_else(|| TicketState::empty(*ticket)));
    }
    let mut entries = others;
    for (at, entry) in own {
        let box_number = connection
            .prepare_cached("SELECT box_number FROM epoch WHERE epoch = ?1")?
            .query_row([at.epoch], |row| row.get(0))?;
        entries.push(TicketEntry { at, entry, box_number: BoxNumber(box_number), standing: Standing::InForce });
    }
    let fold = fold_ticket(*ticket, &entries);
    Ok(base.map_or(fold.state, |base| joined(base, &fold, &entries)))
}

/// The hub's state and the own fold beyond it.
fn joined(base: TicketState, own: &TicketFold, entries: &[TicketEntry]) -> TicketState {
    let has = |flag| base.flags.has(flag) || own.state.flags.has(flag);
    let inside = inside(&base, entries);
    let own_is_first = own.state.uses > 0 && (base.uses == 0 || own.state.first_use < base.first_use);
    let own_is_last = own.state.uses > 0 && (base.uses == 0 || own.state.last_use > base.last_use);
    let first = if own_is_first { &own.state } else { &base };
    let last = if own_is_last { &own.state } else { &base };
    TicketState {
        ticket: base.ticket,
        flags: TicketFlags::default()
            .with_if(TicketFlags::USED, has(TicketFlags::USED))
            .with_if(TicketFlags::INSIDE, inside != 0)
            .with_if(TicketFlags::REVOKED, has(TicketFlags::REVOKED))
            .with_if(TicketFlags::BLOCKED, has(TicketFlags::BLOCKED))
            .with_if(TicketFlags::DISPUTED, has(TicketFlags::DISPUTED))
            .with_if(TicketFlags::FROZEN, has(TicketFlags::FROZEN)),
        uses: base.uses.saturating_add(own.state.uses),
        first_use: first.first_use,
        first_box: first.first_box,
        first_zone: first.first_zone,
        wallet: stands_for(base.wallet, own.state.wallet, entries),
        used: base.used | own.state.used,
        inside,
        last_use: last.last_use,
        last_box: last.last_box,
        last_zone: last.last_zone,
        terms: base.terms.into_iter().chain(own.state.terms).min(),
    }
}

/// The zones that the ticket is inside: those of the hub's state, with the own passages beyond it.
fn inside(base: &TicketState, entries: &[TicketEntry]) -> u32 {
    let mut inside = base.inside;
    let passes =
        |e: &&TicketEntry| matches!(e.entry.effect, Effect::In | Effect::Out) && !e.entry.flags.has(Flags::TRAINING);
    let zones: BTreeSet<u16> = entries.iter().filter(passes).map(|e| e.entry.zone).collect();
    for zone in zones {
        let moves =
            |effect| entries.iter().filter(passes).filter(|e| e.entry.zone == zone && e.entry.effect == effect).count();
        let before = usize::from(base.is_inside(zone));
        let bit = zone_bit(zone);
        inside =
            if before.saturating_add(moves(Effect::In)) > moves(Effect::Out) { inside | bit } else { inside & !bit };
    }
    inside
}

/// The lowest wallet, unless an own pairing replaces the one that the hub knows.
fn stands_for(base: Option<WalletId>, own: Option<WalletId>, entries: &[TicketEntry]) -> Option<WalletId> {
    let replaces = |e: &TicketEntry| match Detail::of(&e.entry) {
        Ok(Detail::Pairing(pairing)) => pairing.replaces.map(WalletId),
        Ok(_) | Err(_) => None,
    };
    let is_replaced = |wallet: &WalletId| entries.iter().any(|e| replaces(e) == Some(*wallet));
    base.filter(|wallet| !is_replaced(wallet)).into_iter().chain(own).min().or(base)
}

/// `ledger::digest` over all that this box believes.
pub(crate) fn agreement(connection: &Connection, device: DeviceId) -> Result<[u8; 32], StoreError> {
    let (own_wallets, own_tickets) = touched(connection)?;
    let mut wallets = ids(connection, "SELECT wallet FROM hub_wallet")?;
    wallets.extend(own_wallets);
    let mut tickets = ids(connection, "SELECT ticket FROM hub_ticket")?;
    tickets.extend(own_tickets);
    let wallets: Result<Vec<WalletState>, _> =
        wallets.into_iter().map(|id| wallet(connection, device, &WalletId(id))).collect();
    let tickets: Result<Vec<TicketState>, _> =
        tickets.into_iter().map(|id| ticket(connection, device, &TicketUid(id), Vec::new())).collect();
    Ok(digest(&wallets?, &tickets?))
}

type Ids = BTreeSet<[u8; 16]>;

fn ids(connection: &Connection, sql: &str) -> Result<Ids, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Wallets and tickets that own entries move beyond the hub's state.
fn touched(connection: &Connection) -> Result<(Ids, Ids), StoreError> {
    let (mut wallets, mut tickets) = (Ids::new(), Ids::new());
    let mut statement =
        connection.prepare_cached("SELECT body FROM entry WHERE at IN (SELECT DISTINCT at FROM touch)")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let entry =
            Entry::from_bytes(&row.get::<_, Vec<u8>>(0)?).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        match entry.effect {
            _ if entry.flags.has(Flags::TRAINING) => {}
            Effect::In | Effect::Out => {
                tickets.insert(entry.subject.0);
            }
            Effect::Transfer => wallets.extend([entry.subject.0, entry.other.0]),
            Effect::Credit
            | Effect::Debit
            | Effect::Hold
            | Effect::Release
            | Effect::HoldCredit
            | Effect::Owe
            | Effect::Repay => {
                wallets.insert(entry.subject.0);
            }
            Effect::None if entry.kind == Kind::PAIRING => {
                wallets.insert(entry.subject.0);
                tickets.insert(entry.other.0);
            }
            Effect::None | Effect::Block | Effect::Unblock | Effect::Unknown(_) => {}
        }
    }
    Ok((wallets, tickets))
}
