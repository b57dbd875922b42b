//! A band whose money is in the ledger: one durable entry, nothing on the chip.
//! Invariant: what the account may do is judged in the transaction that books it.
//! Not here: what every tap has in common (`tapping`), account rules (`domain::till`).
use box_store::{Decision, StoreError, View};
use domain::{
    id::{EntryRef, WalletId},
    journal::{BandProfile, Detail, Effect, Entry, Flags, Kind, Pairing},
    ledger::WalletFlags,
    money::Cents,
    till::{Account, TillRefusal},
    time::Hlc,
    wristband::tap::{UidAccount, uid_refund_entry, uid_sale_entry, uid_top_up_entry},
};
use hardware::signal::Signal;
use screens::view::{Phase, TapResult};

use super::{fits, paid, refuse, wrong_band};
use crate::{
    cups, escrow, selling,
    station::Station,
    tap_desk::{ForTicket, Purpose, Waiting},
};

/// The account behind a band without a purse, as this box believes it.
fn account(view: &View<'_>, wallet: &WalletId) -> Account {
    let state = view.wallet(wallet);
    Account {
        balance: state.balance,
        uncovered: view.uncovered_debits(wallet),
        blocked: state.flags.has(WalletFlags::BLOCKED),
        frozen: state.flags.has(WalletFlags::FROZEN),
    }
}

/// Does what was asked for.
pub(super) fn on_account(station: &Station, waiting: &Waiting, wallet: WalletId) -> Signal {
    if waiting.retry_of.is_some() {
        return wrong_band(station, waiting);
    }
    let wanted = || station.desk.waiting().is_some_and(|now| now.id == waiting.id);
    let booked = escrow::with_shares(station, wallet, wanted, || book(station, waiting, wallet));
    match booked {
        Ok(Ok(booked)) => {
            let charged = 0i64.saturating_sub(booked.moved);
            paid(station, waiting, charged, booked.after, booked.entry)
        }
        Ok(Err(refusal)) => refuse(station, waiting, refusal.code(), refusal.arguments()),
        Err(error) => refuse(station, waiting, error.code(), Vec::new()),
    }
}

/// What was booked.
struct Booked {
    moved: i64,
    after: i64,
    entry: Option<EntryRef>,
}

/// Judges and books in one transaction.
fn book(station: &Station, waiting: &Waiting, wallet: WalletId) -> Result<Result<Booked, TillRefusal>, StoreError> {
    let loaded = station.bundle();
    let (policy, currency) = (loaded.bundle.body.policy.clone(), loaded.bundle.currency());
    let (purpose, operator, alone) = (waiting.purpose.clone(), station.operator(), station.is_alone());
    let (request, rule) = (waiting.id, escrow::Rule::of(station));
    let committed = station.transact(move |view| {
        let account = account(view, &wallet);
        if let Err(refusal) = fits(view, &purpose, wallet, alone) {
            return Decision::nothing(Err(refusal));
        }
        let of = UidAccount { wallet, currency, operator };
        let may_spend = |price, limit| rule.may_spend(view, &wallet, &account, price, limit);
        // a refund pays out all that is left: while the hub is heard it hears of that at once
        let refund_limit = if alone { policy.offline_limit } else { Cents::MAX };
        match account_entry(&purpose, &of, &account, &policy, refund_limit, may_spend) {
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
    })?;
    let entry = committed.refs.first().copied();
    Ok(committed.result.map(|(moved, after)| Booked { moved, after, entry }))
}

/// The entry that does what was asked, and by how much the balance moves. `may_spend`: whether the account may pay a price
/// here, under the offline limit up to a limit.
fn account_entry(
    purpose: &Purpose,
    of: &UidAccount,
    account: &Account,
    policy: &domain::bundle::Policy,
    refund_limit: Cents,
    may_spend: impl Fn(Cents, Cents) -> Result<(), TillRefusal>,
) -> Result<(Entry, i64), TillRefusal> {
    let UidAccount { wallet, currency, operator } = *of;
    match purpose {
        Purpose::Sale(priced) if priced.owed > Cents::ZERO => {
            account.may_top_up(priced.owed, Cents::MAX)?;
            Ok((cups::entry(wallet, priced, true, currency, operator), priced.owed.as_i64()))
        }
        Purpose::Sale(priced) => {
            may_spend(priced.amount, policy.offline_limit)?;
            let entry = uid_sale_entry(of, priced.sale.clone(), priced.amount, priced.price_revision);
            Ok((entry, 0i64.saturating_sub(priced.amount.as_i64())))
        }
        Purpose::TopUp(order) => {
            account.may_top_up(order.amount, policy.maximum_balance)?;
            Ok((uid_top_up_entry(of, order.amount, order.fee, order.means), order.amount.as_i64()))
        }
        Purpose::Refund => {
            let left = Cents::try_from(account.balance.max(0)).map_err(|_| TillRefusal::Amount)?;
            may_spend(left, refund_limit)?;
            Ok((uid_refund_entry(of, left), 0i64.saturating_sub(left.as_i64())))
        }
        Purpose::ClosingRead | Purpose::Pairing(_) | Purpose::Look(_) | Purpose::PayOut => {
            Ok((Entry::new(Kind::CLOSING_READ, Effect::None, currency, Hlc::default()), 0))
        }
    }
}

/// Pairs the band with a ticket.
pub(super) fn pair(
    station: &Station,
    waiting: &Waiting,
    wallet: WalletId,
    of: &ForTicket,
    profile: BandProfile,
) -> Signal {
    let of = of.clone();
    let (currency, operator) = (station.bundle().bundle.currency(), station.operator());
    let is_badge = station.rules().staff.holder_of(wallet).is_some();
    let committed = station.transact(move |view| {
        if is_badge {
            return Decision::nothing(Err("band.is_a_badge"));
        }
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
