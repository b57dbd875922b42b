//! A wristband in the field: what it is for, the tap, and what the guest and the staff see.
//! Invariant: the light is green only after the commit is on disk.
//! Not here: the tap's rules (`domain::wristband`), account rules (`domain::till`).
use std::time::Instant;

use box_store::{Decision, View};
use domain::{
    id::{EntryRef, WalletId},
    journal::{BandProfile, Detail, Effect, Entry, Flags, Kind, Pairing, VoucherUse},
    ledger::WalletFlags,
    money::Cents,
    till::{Account, Priced, TillRefusal},
    time::Hlc,
    trust::Roles,
    wristband::tap::{
        ChipFault, StoreFailed, Tap, TapOutcome, TapRefusal, TapRequest, TapStep, UidAccount, uid_sale_entry,
        uid_top_up_entry,
    },
};
use hardware::{
    signal::Signal,
    tag::{ReaderError, Tag, TagReader},
};
use screens::view::{Phase, TapResult};

use crate::{
    chips::{known_wallet, profile, purse_chip},
    cups,
    gate::band,
    read_band, selling,
    station::Station,
    tap_desk::{ForTicket, Purpose, TopUpOrder, Waiting},
    training,
};

/// Serves the tag that has just come into the field.
pub(crate) fn serve(station: &Station, reader: &mut dyn TagReader, tag: Tag) {
    let _tap = station.desk.begin_tap();
    let Some(waiting) = station.desk.waiting() else {
        return unasked(station, reader, &tag);
    };
    let light = match profile(&tag) {
        Err(code) => refuse(station, &waiting, code, Vec::new()),
        Ok(profile) => {
            let wallet = station.secrets().wallet(tag.uid.as_bytes());
            station.desk.writing(waiting.id);
            station.changed();
            match &waiting.purpose {
                _ if station.journal_is_open().is_err() => {
                    refuse(station, &waiting, TillRefusal::JournalClosed.code(), Vec::new())
                }
                purpose if station.is_training() && !matches!(purpose, Purpose::Pairing(_)) => {
                    trained(station, &waiting, wallet)
                }
                Purpose::Pairing(of) => pair(station, &waiting, wallet, of, profile),
                _ if profile.has_purse() => tap(station, reader, &waiting, wallet, &tag),
                Purpose::Look(_) => looked_at(station, &waiting, wallet, None),
                // an account gets by itself what it is owed
                Purpose::PayOut => refuse_till(station, &waiting, &TillRefusal::NothingPending(Cents::ZERO)),
                Purpose::Sale(_) | Purpose::TopUp(_) | Purpose::Refund | Purpose::ClosingRead => {
                    on_account(station, &waiting, wallet)
                }
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

/// Nobody asked for a band: at a gate its ticket wants to pass.
fn unasked(station: &Station, reader: &mut dyn TagReader, tag: &Tag) {
    if !station.roles().has(Roles::GATE) {
        return;
    }
    let light = match profile(tag) {
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
    station.desk.answer(waiting.id, Phase::Refused, result);
    Signal::Refuse
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
        id: domain::wire::hex(&waiting.id),
        ok: true,
        charged_cents: charged,
        balance_after_cents: Some(balance),
        arrived_cents: arrived,
        entry: entry.map(|entry| entry.to_string()).unwrap_or_default(),
        ..TapResult::default()
    };
    if let (Purpose::Sale(_), Some(entry)) = (&waiting.purpose, entry) {
        station.last_sale.is(entry, Instant::now());
    }
    station.desk.answer(waiting.id, Phase::Paid, result);
    station.green_seen(entry);
    Signal::Ok
}

/// A band that was only looked at; `on_chip` where the money is there.
fn looked_at(station: &Station, waiting: &Waiting, wallet: WalletId, on_chip: Option<Cents>) -> Signal {
    let told = read_band::told(station, wallet);
    let balance = on_chip.map(Cents::as_i64).or(told.balance_after_cents);
    let result = TapResult { id: domain::wire::hex(&waiting.id), ok: true, balance_after_cents: balance, ..told };
    station.desk.answer(waiting.id, Phase::Paid, result);
    Signal::Ok
}

/// What is owed, paid out in cash.
fn paid_out(station: &Station, waiting: &Waiting, wallet: WalletId) -> Signal {
    match read_band::pay_out(station, waiting.id, wallet) {
        Ok((paid_out, entry)) => {
            let balance = read_band::told(station, wallet).balance_after_cents.unwrap_or(0);
            paid(station, waiting, paid_out, balance, entry)
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
        id: domain::wire::hex(&waiting.id),
        ok: true,
        charged_cents: priced.total(),
        balance_after_cents: Some(on_chip.as_i64()),
        entry: entry.map(|entry| entry.to_string()).unwrap_or_default(),
        pending_cents: read_band::told(station, wallet).pending_cents,
        ..TapResult::default()
    };
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

// --- accounts in the ledger -------------------------------------------------------------------------------------

/// The account behind a band without a purse, as this box believes it.
pub(crate) fn account(view: &View<'_>, wallet: &WalletId) -> Account {
    let state = view.wallet(wallet);
    Account {
        balance: state.balance,
        uncovered: view.uncovered_debits(wallet),
        blocked: state.flags.has(WalletFlags::BLOCKED),
        frozen: state.flags.has(WalletFlags::FROZEN),
    }
}

fn on_account(station: &Station, waiting: &Waiting, wallet: WalletId) -> Signal {
    if waiting.retry_of.is_some() {
        return wrong_band(station, waiting);
    }
    let loaded = station.bundle();
    let (policy, currency) = (loaded.bundle.body.policy.clone(), loaded.bundle.currency());
    let (purpose, operator, alone) = (waiting.purpose.clone(), station.operator(), station.is_alone());
    let request = waiting.id;
    let committed = station.transact(move |view| {
        let account = account(view, &wallet);
        if let Err(refusal) = fits(view, &purpose, wallet, alone) {
            return Decision::nothing(Err(refusal));
        }
        match account_entry(&purpose, wallet, &account, &policy, currency, operator) {
            Ok((mut entry, moved)) => {
                if alone {
                    entry.flags = entry.flags.with(Flags::ALONE);
                }
                let after = account.balance.saturating_add(moved);
                let mut entries = if moved == 0 && entry.kind == Kind::CLOSING_READ { Vec::new() } else { vec![entry] };
                if let Purpose::Sale(priced) = &purpose {
                    let vouchers = priced.sale.marks.vouchers.iter();
                    entries.extend(vouchers.map(|voucher| selling::voucher_entry(voucher, currency, operator)));
                }
                Decision::write(entries, Ok((moved, after))).answers(request)
            }
            Err(refusal) => Decision::nothing(Err(refusal)),
        }
    });
    match committed {
        Ok(committed) => match committed.result {
            Ok((moved, after)) => {
                paid(station, waiting, 0i64.saturating_sub(moved), after, committed.refs.first().copied())
            }
            Err(refusal) => refuse(station, waiting, refusal.code(), refusal.arguments()),
        },
        Err(error) => refuse(station, waiting, error.code(), Vec::new()),
    }
}

/// Whether anything is owed that may be paid out; whether a sale's vouchers are unused still, and a correction is charged to the band that it is about.
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

/// The entry that does what was asked, and by how much the balance moves.
fn account_entry(
    purpose: &Purpose,
    wallet: WalletId,
    account: &Account,
    policy: &domain::bundle::Policy,
    currency: domain::money::Currency,
    operator: u32,
) -> Result<(Entry, i64), TillRefusal> {
    let of = UidAccount { wallet, currency, operator };
    match purpose {
        Purpose::Sale(priced) if priced.owed > Cents::ZERO => {
            account.may_top_up(priced.owed, Cents::MAX)?;
            Ok((cups::entry(wallet, priced, true, currency, operator), priced.owed.as_i64()))
        }
        Purpose::Sale(priced) => {
            account.may_spend(priced.amount, policy.offline_limit)?;
            let entry = uid_sale_entry(&of, priced.sale.clone(), priced.amount, priced.price_revision);
            Ok((entry, 0i64.saturating_sub(priced.amount.as_i64())))
        }
        Purpose::TopUp(order) => {
            account.may_top_up(order.amount, policy.maximum_balance)?;
            Ok((uid_top_up_entry(&of, order.amount, order.fee, order.means), order.amount.as_i64()))
        }
        Purpose::Refund => {
            let left = Cents::try_from(account.balance.max(0)).map_err(|_| TillRefusal::Amount)?;
            account.may_spend(left, policy.maximum_balance)?;
            let mut entry = Entry::new(Kind::REFUND, Effect::Debit, currency, Hlc::default());
            entry.subject = wallet.into();
            entry.amount = left;
            entry.operator = operator;
            Ok((entry, 0i64.saturating_sub(left.as_i64())))
        }
        Purpose::ClosingRead | Purpose::Pairing(_) | Purpose::Look(_) | Purpose::PayOut => {
            Ok((Entry::new(Kind::CLOSING_READ, Effect::None, currency, Hlc::default()), 0))
        }
    }
}

fn pair(station: &Station, waiting: &Waiting, wallet: WalletId, of: &ForTicket, profile: BandProfile) -> Signal {
    let of = of.clone();
    let (currency, operator) = (station.bundle().bundle.currency(), station.operator());
    let committed = station.transact(move |view| {
        if view.paired_ticket(&wallet).is_some_and(|other| other != of.ticket) {
            return Decision::nothing(Err("band.already_paired"));
        }
        let stands = view.ticket(&of.ticket).wallet.or_else(|| view.paired_wallet(&of.ticket));
        if stands == Some(wallet) {
            return Decision::nothing(Ok(()));
        }
        if stands.is_some() && of.replaced_by.is_none() {
            return Decision::nothing(Err("ticket.already_paired"));
        }
        if view.wallet(&wallet).flags.has(WalletFlags::BLOCKED) {
            return Decision::nothing(Err("band.blocked"));
        }
        let mut entry = Entry::new(Kind::PAIRING, Effect::None, currency, Hlc::default());
        entry.subject = wallet.into();
        entry.other = of.ticket.into();
        entry.operator = of.replaced_by.unwrap_or(operator);
        let replaces = stands.map(|wallet| wallet.0);
        entry.part = Detail::Pairing(Pairing { profile, terms: of.terms, replaces }).to_bytes();
        Decision::write(vec![entry], Ok(()))
    });
    let code = match committed {
        Ok(committed) => match committed.result {
            Ok(()) => {
                station.paired();
                return paid(station, waiting, 0, 0, committed.refs.first().copied());
            }
            Err(code) => code,
        },
        Err(error) => error.code(),
    };
    // the guest may hold another band to the reader: the ticket still waits for one
    let result = TapResult { id: domain::wire::hex(&waiting.id), code: Some(code.into()), ..TapResult::default() };
    station.desk.tap_again(waiting.id, None, Phase::Refused, result);
    Signal::Refuse
}

// --- purses on the chip -----------------------------------------------------------------------------------------

fn tap(station: &Station, reader: &mut dyn TagReader, waiting: &Waiting, wallet: WalletId, tag: &Tag) -> Signal {
    let request = match tap_request(station, waiting, wallet) {
        Some(request) => request,
        None => return refuse(station, waiting, "till.not_a_desk", Vec::new()),
    };
    let (purpose, alone) = (waiting.purpose.clone(), station.is_alone());
    let closes = matches!(purpose, Purpose::ClosingRead);
    let known = station
        .store
        .read(move |view| fits(view, &purpose, wallet, alone).map(|()| known_wallet(view, wallet, closes)));
    let mut known = match known {
        Ok(Ok(known)) => known,
        // a tap in doubt may have used its voucher itself: the chip tells
        Ok(Err(TillRefusal::VoucherUsed { .. })) if waiting.retry_of.is_some() => {
            match station.store.read(move |view| known_wallet(view, wallet, closes)) {
                Ok(known) => known,
                Err(error) => return refuse(station, waiting, error.code(), Vec::new()),
            }
        }
        Ok(Err(refusal)) => return refuse(station, waiting, refusal.code(), refusal.arguments()),
        Err(error) => return refuse(station, waiting, error.code(), Vec::new()),
    };
    if let Some(intent) = waiting.retry_of
        && !known.open.iter().any(|open| open.entry == intent)
    {
        return wrong_band(station, waiting);
    }
    if waiting.supervised {
        known.unfinished_in_a_row = 0;
    }
    let chip = match purse_chip(tag) {
        Ok(chip) => chip,
        Err(code) => return refuse(station, waiting, code, Vec::new()),
    };
    let mut tap = Tap::new(station.tap_context(), known, tag.uid.as_bytes(), chip, request);
    // its answer is the payout, not the record that makes it safe
    let pays_out = matches!(waiting.purpose, Purpose::PayOut);
    // the intent that is this request: what else the tap settles on its way answers nothing
    let mut own = waiting.retry_of;
    let mut blocked_since = false;
    let outcome = loop {
        match tap.step() {
            TapStep::Chip(command) => match reader.transceive(command) {
                Ok(reply) => tap.reply(Ok(&reply)),
                Err(ReaderError::Nak(_)) => tap.reply(Err(ChipFault::Nak)),
                Err(_) => tap.reply(Err(ChipFault::Gone)),
            },
            TapStep::Store(entries) => {
                let (entries, request) = (entries.clone(), waiting.id);
                let begins = entries.iter().any(|entry| entry.kind == Kind::INTENT);
                let moves = |entry: &Entry| matches!(entry.effect, Effect::Debit | Effect::Credit);
                let commits =
                    entries.iter().any(|entry| entry.refers_to.is_some() && entry.refers_to == own && moves(entry));
                let (currency, operator) = (station.bundle().bundle.currency(), station.operator());
                let stored = station.transact(move |view| {
                    // What the hub said since the band was read holds: nothing new begins on a band that is blocked now.
                    if begins && view.wallet(&wallet).flags.has(WalletFlags::BLOCKED) {
                        return Decision::nothing(false);
                    }
                    let mut entries = entries;
                    let used = entries.iter().flat_map(|entry| vouchers_of(view, entry)).collect::<Vec<_>>();
                    entries.extend(used.iter().map(|voucher| selling::voucher_entry(voucher, currency, operator)));
                    let decision = Decision::write(entries, true);
                    if (begins || commits) && !pays_out { decision.answers(request) } else { decision }
                });
                match &stored {
                    Ok(committed) if !committed.result => {
                        blocked_since = true;
                        tap.stored(Err(StoreFailed));
                    }
                    Ok(committed) => {
                        own = if begins { committed.refs.first().copied() } else { own };
                        tap.stored(Ok(&committed.refs));
                    }
                    Err(_) => tap.stored(Err(StoreFailed)),
                }
            }
            TapStep::Finished(outcome) => break outcome.clone(),
        }
    };
    if blocked_since {
        return refuse(station, waiting, "band.blocked", Vec::new());
    }
    if waiting.retry_of.is_some_and(|intent| tap.settled().iter().any(|settled| settled.open.entry == intent)) {
        station.desk.settled(waiting.id);
    }
    let arrived = tap.carried().map_or(0, |carried| carried.amount.as_i64());
    match (&waiting.purpose, &outcome) {
        (Purpose::Look(_), TapOutcome::Done { balance_after, .. }) => {
            looked_at(station, waiting, wallet, Some(*balance_after))
        }
        (Purpose::PayOut, TapOutcome::Done { .. }) => paid_out(station, waiting, wallet),
        (Purpose::Sale(priced), TapOutcome::Done { balance_after, .. }) if priced.owed > Cents::ZERO => {
            owed(station, waiting, wallet, priced, *balance_after)
        }
        _ => show(station, waiting, outcome, arrived),
    }
}

/// The vouchers that a sale's commit uses up: its intent names them.
fn vouchers_of(view: &View<'_>, entry: &Entry) -> Vec<VoucherUse> {
    let intent = entry.refers_to.filter(|_| entry.kind == Kind::SALE).and_then(|intent| view.entry(intent));
    match intent.as_ref().map(Detail::of) {
        Some(Ok(Detail::Intent(intent))) => intent.sale.map(|sale| sale.marks.vouchers).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// A tap is in doubt on one band, and another one came: nothing may be charged to it.
fn wrong_band(station: &Station, waiting: &Waiting) -> Signal {
    let result =
        TapResult { id: domain::wire::hex(&waiting.id), code: Some("band.wrong_band".into()), ..TapResult::default() };
    station.desk.tap_again(waiting.id, None, Phase::TapAgain, result);
    Signal::Refuse
}

/// `arrived`: what the hub owed and this tap has put on the band beside what was asked for.
fn show(station: &Station, waiting: &Waiting, outcome: TapOutcome, arrived: i64) -> Signal {
    match outcome {
        TapOutcome::Done { entry, balance_after, charged, credited, paid_back, .. } => {
            let charged = charged.as_i64().saturating_add(paid_back.as_i64()).saturating_sub(credited.as_i64());
            paid_with(station, waiting, charged, balance_after.as_i64(), entry, arrived)
        }
        TapOutcome::TapAgain { intent } => {
            station.torn_taps.inc();
            let result = TapResult {
                id: domain::wire::hex(&waiting.id),
                code: Some("till.in_doubt".into()),
                entry: intent.to_string(),
                ..TapResult::default()
            };
            station.desk.tap_again(waiting.id, Some(intent), Phase::TapAgain, result);
            Signal::TapAgain
        }
        TapOutcome::NothingHappened { .. } => {
            station.torn_taps.inc();
            let result = TapResult {
                id: domain::wire::hex(&waiting.id),
                code: Some("band.pulled_away".into()),
                ..TapResult::default()
            };
            station.desk.tap_again(waiting.id, None, Phase::TapAgain, result);
            Signal::TapAgain
        }
        TapOutcome::Refused(refusal) => {
            let phase_is_supervisor = matches!(refusal, TapRefusal::Supervisor);
            let args = arguments(&refusal);
            let light = refuse_with(station, waiting, refusal.code(), args, arrived);
            if phase_is_supervisor { Signal::Warn } else { light }
        }
    }
}

fn tap_request(station: &Station, waiting: &Waiting, wallet: WalletId) -> Option<TapRequest> {
    let retry_of = waiting.retry_of;
    Some(match &waiting.purpose {
        Purpose::Sale(priced) if priced.owed > Cents::ZERO => TapRequest::Balance,
        Purpose::Sale(priced) => TapRequest::Sale {
            sale: priced.sale.clone(),
            amount: priced.amount,
            price_revision: priced.price_revision,
            retry_of,
        },
        Purpose::TopUp(TopUpOrder { amount, fee, means }) => {
            TapRequest::TopUp { amount: *amount, key: station.credit_key()?, fee: *fee, means: *means, retry_of }
        }
        Purpose::Refund => TapRequest::Refund,
        Purpose::ClosingRead => TapRequest::ClosingRead,
        Purpose::PayOut => {
            let state = station.store.read(move |view| view.wallet(&wallet)).ok()?;
            TapRequest::Supersede { key: station.credit_key()?, head: (state.head_counter, state.head_record) }
        }
        Purpose::Pairing(_) | Purpose::Look(_) => TapRequest::Balance,
    })
}

/// What goes into the refusal's text: name and value (amounts in cents).
fn arguments(refusal: &TapRefusal) -> Vec<(&'static str, String)> {
    if let TapRefusal::NotEnough { balance, price } = refusal {
        vec![("balance", balance.get().to_string()), ("price", price.get().to_string())]
    } else if let TapRefusal::OverMaximum { maximum } = refusal {
        vec![("maximum", maximum.get().to_string())]
    } else {
        Vec::new()
    }
}
