//! A wristband in the field: what it is for, the tap, and what the guest and the staff see.
//! Invariant: the light is green only after the commit is on disk.
//! Not here: bands whose money is in the ledger (`account`) and those with a purse (`purse`).
mod account;
mod pointer;
mod purse;

use std::time::Instant;

use box_store::View;
use domain::{
    id::{EntryRef, WalletId},
    journal::BandProfile,
    money::Cents,
    till::{Priced, TillRefusal},
    trust::Roles,
};
use hardware::{
    signal::Signal,
    tag::{Tag, TagReader},
};
use screens::view::{Phase, TapResult};

use self::{
    account::{on_account, pair},
    pointer::Unproven,
    purse::tap,
};
use crate::{
    chips::profile,
    cups,
    gate::band,
    read_band, selling,
    station::Station,
    tap_desk::{Purpose, Waiting},
    training,
};

/// What waits for this tag. A ticket that waits for a band does not wait for somebody's who has one: that one passes.
pub(crate) fn awaited(station: &Station, tag: &Tag) -> Option<Waiting> {
    station.end_pairing(Instant::now());
    let waiting = station.desk.waiting()?;
    if let Purpose::Pairing(of) = &waiting.purpose
        && of.replaced_by.is_none()
        && band::is_anothers(station, station.secrets().wallet(tag.uid.as_bytes()), of)
    {
        return None;
    }
    Some(waiting)
}

/// Serves the tag that has just come into the field.
pub(crate) fn serve(station: &Station, reader: &mut dyn TagReader, tag: Tag) {
    let _tap = station.desk.begin_tap();
    let Some(waiting) = awaited(station, &tag) else {
        return unasked(station, reader, &tag);
    };
    let light = match profile(&tag) {
        Err(code) => another_chip(station, &waiting, code),
        Ok(profile) => {
            let wallet = station.secrets().wallet(tag.uid.as_bytes());
            station.desk.writing(waiting.id);
            station.changed();
            match station.journal_is_open() {
                Ok(()) => asked(station, reader, &tag, &waiting, wallet, profile),
                Err(not) => refuse(station, &waiting, not.code(), not.arguments()),
            }
        }
    };
    if let Err(error) = reader.signal(light) {
        tracing::warn!(%error, "the reader's light did not show");
    }
    // the lamps of the place, too: many readers have no light of their own
    station.signal(light);
    station.changed();
}

/// Does what was asked for, at a box that may.
fn asked(
    station: &Station,
    reader: &mut dyn TagReader,
    tag: &Tag,
    waiting: &Waiting,
    wallet: WalletId,
    profile: BandProfile,
) -> Signal {
    match &waiting.purpose {
        purpose if station.is_training() && !matches!(purpose, Purpose::Pairing(_)) => {
            trained(station, waiting, wallet)
        }
        _ if profile == BandProfile::Pointer => match pointer::prove(station, reader, tag) {
            Ok(()) => without_purse(station, waiting, wallet, profile),
            Err(Unproven::Left) => left(station, waiting),
            Err(Unproven::Refused(code)) => another_chip(station, waiting, code),
        },
        purpose if profile.has_purse() && !matches!(purpose, Purpose::Pairing(_)) => {
            tap(station, reader, waiting, wallet, tag)
        }
        Purpose::Pairing(_)
        | Purpose::Look(_)
        | Purpose::PayOut
        | Purpose::Sale(_)
        | Purpose::TopUp(_)
        | Purpose::Refund
        | Purpose::ClosingRead => without_purse(station, waiting, wallet, profile),
    }
}

/// What needs nothing of the chip: pairing, and all that is done with an account.
fn without_purse(station: &Station, waiting: &Waiting, wallet: WalletId, profile: BandProfile) -> Signal {
    match &waiting.purpose {
        Purpose::Pairing(of) => pair(station, waiting, wallet, of, profile),
        Purpose::Look(_) => looked_at(station, waiting, wallet, None),
        // an account gets by itself what it is owed
        Purpose::PayOut => refuse_till(station, waiting, &TillRefusal::NothingPending(Cents::ZERO)),
        Purpose::Sale(_) | Purpose::TopUp(_) | Purpose::Refund | Purpose::ClosingRead => {
            on_account(station, waiting, wallet)
        }
    }
}

/// Nobody asked for this band: at a gate its ticket wants to pass.
fn unasked(station: &Station, reader: &mut dyn TagReader, tag: &Tag) {
    if !station.roles().has(Roles::GATE) {
        return;
    }
    let light = match profile(tag) {
        Ok(BandProfile::Pointer) => match pointer::prove(station, reader, tag) {
            Ok(()) => band::pass(station, station.secrets().wallet(tag.uid.as_bytes())),
            Err(Unproven::Left) => Signal::TapAgain,
            Err(Unproven::Refused(code)) => band::unreadable(station, code),
        },
        Ok(_) => band::pass(station, station.secrets().wallet(tag.uid.as_bytes())),
        Err(code) => band::unreadable(station, code),
    };
    if let Err(error) = reader.signal(light) {
        tracing::warn!(%error, "the reader's light did not show");
    }
}

fn refuse_till(station: &Station, waiting: &Waiting, refusal: &TillRefusal) -> Signal {
    refuse(station, waiting, refusal.code(), refusal.arguments())
}

fn refuse(station: &Station, waiting: &Waiting, code: &str, args: Vec<(&'static str, String)>) -> Signal {
    refuse_with(station, waiting, code, args, 0)
}

fn refuse_with(
    station: &Station,
    waiting: &Waiting,
    code: &str,
    args: Vec<(&'static str, String)>,
    arrived: i64,
) -> Signal {
    let args = args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let result = TapResult {
        id: domain::wire::hex(&waiting.id),
        code: Some(code.into()),
        args,
        arrived_cents: arrived,
        ..TapResult::default()
    };
    station.refused_taps.inc();
    match still_waits(station, waiting) {
        Some(phase) => station.desk.tap_again(waiting.id, None, phase, result),
        None => station.desk.answer(waiting.id, Phase::Refused, result),
    }
    Signal::Refuse
}

/// What a refusal must not end, and how that shows: an order in doubt waits for its own band, a ticket for any that fits.
fn still_waits(station: &Station, waiting: &Waiting) -> Option<Phase> {
    let now = station.desk.waiting().filter(|now| now.id == waiting.id)?;
    match now.purpose {
        Purpose::Pairing(_) => Some(Phase::Refused),
        Purpose::Sale(_)
        | Purpose::TopUp(_)
        | Purpose::Refund
        | Purpose::ClosingRead
        | Purpose::Look(_)
        | Purpose::PayOut => now.retry_of.map(|_| Phase::TapAgain),
    }
}

/// A chip that is none of our bands: where one is in doubt, it is another one.
fn another_chip(station: &Station, waiting: &Waiting, code: &str) -> Signal {
    if waiting.retry_of.is_some() { wrong_band(station, waiting) } else { refuse(station, waiting, code, Vec::new()) }
}

fn paid(station: &Station, waiting: &Waiting, charged: i64, balance: i64, entry: Option<EntryRef>) -> Signal {
    paid_with(station, waiting, charged, balance, entry, 0)
}

fn paid_with(
    station: &Station,
    waiting: &Waiting,
    charged: i64,
    balance: i64,
    entry: Option<EntryRef>,
    arrived: i64,
) -> Signal {
    let result = TapResult {
        charged_cents: charged,
        balance_after_cents: Some(balance),
        arrived_cents: arrived,
        ..written(station, waiting, entry)
    };
    if let (Purpose::Sale(_), Some(entry)) = (&waiting.purpose, entry) {
        station.last_sale.is(entry, Instant::now());
    }
    station.desk.answer(waiting.id, Phase::Paid, result);
    station.green_seen(entry);
    Signal::Ok
}

/// What was asked for is on disk; on a second one, too, where the LAN group asks for that and a neighbour answers in time.
fn written(station: &Station, waiting: &Waiting, entry: Option<EntryRef>) -> TapResult {
    let copies = entry.map_or(0, |entry| station.lan.copies(entry));
    TapResult {
        id: domain::wire::hex(&waiting.id),
        ok: true,
        code: station.lan.are_too_few(copies).then(|| "till.one_copy".into()),
        entry: entry.map(|entry| entry.to_string()).unwrap_or_default(),
        copies,
        ..TapResult::default()
    }
}

/// A band that was only looked at; `on_chip` where the money is there.
fn looked_at(station: &Station, waiting: &Waiting, wallet: WalletId, on_chip: Option<Cents>) -> Signal {
    let told = read_band::told(station, wallet);
    let balance = on_chip.map(Cents::as_i64).or(told.balance_after_cents);
    let result = TapResult { id: domain::wire::hex(&waiting.id), ok: true, balance_after_cents: balance, ..told };
    station.desk.answer(waiting.id, Phase::Paid, result);
    Signal::Ok
}

/// The band went before anything counted.
fn left(station: &Station, waiting: &Waiting) -> Signal {
    station.torn_taps.inc();
    let code = Some("band.pulled_away".into());
    let result = TapResult { id: domain::wire::hex(&waiting.id), code, ..TapResult::default() };
    station.desk.tap_again(waiting.id, None, Phase::TapAgain, result);
    Signal::TapAgain
}

/// What is owed, paid out in cash.
fn paid_out(
    station: &Station,
    waiting: &Waiting,
    wallet: WalletId,
    payout: Result<(EntryRef, i64), TillRefusal>,
) -> Signal {
    match payout {
        Ok((entry, paid_out)) => {
            let balance = read_band::told(station, wallet).balance_after_cents.unwrap_or(0);
            paid(station, waiting, paid_out, balance, Some(entry))
        }
        Err(refusal) => refuse(station, waiting, refusal.code(), refusal.arguments()),
    }
}

/// More cups came back than were bought: what the purse is owed, beside what is on its chip.
fn owed(station: &Station, waiting: &Waiting, wallet: WalletId, priced: &Priced, on_chip: Cents) -> Signal {
    let entry = match cups::owe(station, waiting.id, wallet, priced) {
        Ok(entry) => entry,
        Err(refusal) => return refuse(station, waiting, refusal.code(), refusal.arguments()),
    };
    let result = TapResult {
        charged_cents: priced.total(),
        balance_after_cents: Some(on_chip.as_i64()),
        pending_cents: read_band::told(station, wallet).pending_cents,
        ..written(station, waiting, entry)
    };
    station.last_sale.is_another();
    station.desk.answer(waiting.id, Phase::Paid, result);
    station.green_seen(entry);
    Signal::Ok
}

/// Training: nothing moves, and the screen goes green as it would.
fn trained(station: &Station, waiting: &Waiting, wallet: WalletId) -> Signal {
    match training::book(station, waiting, wallet) {
        Ok((charged, entry)) => {
            let result = TapResult {
                id: domain::wire::hex(&waiting.id),
                ok: true,
                charged_cents: charged,
                entry: entry.map(|entry| entry.to_string()).unwrap_or_default(),
                ..TapResult::default()
            };
            station.desk.answer(waiting.id, Phase::Paid, result);
            Signal::Ok
        }
        Err(refusal) => refuse(station, waiting, refusal.code(), refusal.arguments()),
    }
}

/// A tap is in doubt on one band, and another one came: nothing may be charged to it.
fn wrong_band(station: &Station, waiting: &Waiting) -> Signal {
    let result =
        TapResult { id: domain::wire::hex(&waiting.id), code: Some("band.wrong_band".into()), ..TapResult::default() };
    station.desk.tap_again(waiting.id, None, Phase::TapAgain, result);
    Signal::Refuse
}

/// Whether anything is owed that may be paid out; whether a sale's vouchers are unused still, and a correction is charged
/// to the band that it is about.
fn fits(view: &View<'_>, purpose: &Purpose, wallet: WalletId, alone: bool) -> Result<(), TillRefusal> {
    if matches!(purpose, Purpose::PayOut) {
        let pending = view.pending(&wallet);
        return pending.may_pay_out(pending.payable(alone), alone);
    }
    let Purpose::Sale(priced) = purpose else { return Ok(()) };
    let marks = &priced.sale.marks;
    if let Some(corrects) = &marks.corrects {
        let target = view.entry(corrects.entry).ok_or(TillRefusal::NotCorrectable)?;
        if target.subject.wallet() != wallet {
            return Err(TillRefusal::NotThisBand);
        }
    }
    selling::vouchers_are_unused(view, &marks.vouchers)
}

#[cfg(test)]
mod tests;
