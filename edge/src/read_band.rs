//! A band that is only looked at: its balance, what its guest is owed, its last movements here; and what is owed paid
//! out in cash.
//! Invariant: nothing is written to the chip; a payout never exceeds what this box may know to be owed.
//! Not here: how much that is (`domain::till::Pending`).
use box_store::View;
use domain::{
    id::{EntryRef, WalletId},
    journal::{Effect, Entry, Kind},
    ledger::WalletFlags,
    money::{Cents, Currency},
    till::TillRefusal,
    time::Hlc,
};
use screens::view::{Movement, TapResult};

use crate::station::Station;

/// Movements shown to a guest.
const SHOWN: u32 = 10;

/// What the ledger says of a band, for its guest.
pub(crate) fn told(station: &Station, wallet: WalletId) -> TapResult {
    let alone = station.is_alone();
    let told = station.store.read(move |view| {
        let state = view.wallet(&wallet);
        TapResult {
            balance_after_cents: Some(state.balance),
            pending_cents: i64::from(state.pending),
            payable_cents: view.pending(&wallet).payable(alone).as_i64(),
            movements: movements(view, &wallet),
            ..TapResult::default()
        }
    });
    told.unwrap_or_default()
}

fn movements(view: &View<'_>, wallet: &WalletId) -> Vec<Movement> {
    let shown = |(at, entry): (EntryRef, Entry)| {
        let cents = entry.amount.as_i64();
        let signed = match entry.effect {
            Effect::Debit | Effect::Transfer => cents.saturating_neg(),
            _ if entry.effect == Effect::Repay && entry.kind == Kind::REFUND => cents.saturating_neg(),
            Effect::None
            | Effect::Credit
            | Effect::Hold
            | Effect::Release
            | Effect::In
            | Effect::Out
            | Effect::Block
            | Effect::Unblock
            | Effect::HoldCredit
            | Effect::Owe
            | Effect::Repay
            | Effect::Unknown(_) => cents,
        };
        Movement {
            entry: at.to_string(),
            kind: kind(&entry).into(),
            cents: signed,
            at_unix_ms: entry.hlc.unix_ms(),
            training: entry.flags.has(domain::journal::Flags::TRAINING),
        }
    };
    view.movements(wallet, SHOWN).into_iter().map(shown).collect()
}

/// The text `movement-<this>` says what it was.
fn kind(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::SALE => "sale",
        Kind::TOP_UP => "top_up",
        Kind::REFUND => "refund",
        Kind::CORRECTION_PLUS | Kind::CORRECTION_MINUS => "correction",
        Kind::PENDING_CREDIT => "pending",
        _ => "other",
    }
}

/// The payout in cash of all that may be paid out of what is owed: it goes into the commit of the C that makes it safe,
/// so that nobody ever hears of the one without the other.
pub(crate) fn payout(
    view: &View<'_>,
    wallet: WalletId,
    currency: Currency,
    operator: u32,
    alone: bool,
) -> Result<Entry, TillRefusal> {
    let state = view.wallet(&wallet);
    if state.flags.has(WalletFlags::BLOCKED) {
        return Err(TillRefusal::Blocked);
    }
    if state.flags.has(WalletFlags::FROZEN) {
        return Err(TillRefusal::Frozen);
    }
    let pending = view.pending(&wallet);
    let amount = pending.payable(alone);
    pending.may_pay_out(amount, alone).map(|()| paid_out(wallet, amount, currency, operator))
}

fn paid_out(wallet: WalletId, amount: Cents, currency: Currency, operator: u32) -> Entry {
    let entry = Entry::new(Kind::REFUND, Effect::Repay, currency, Hlc::default());
    Entry { subject: wallet.into(), amount, operator, ..entry }
}

#[cfg(test)]
mod tests {
    use domain::{
        journal::{Entry, Kind, Means},
        till::{Basket, BasketLine, Favour},
    };
    use hardware::signal::Signal;

    use crate::{
        bench::{Band, Bench, cents},
        correction::{Ask, correct},
        tap_desk::{Purpose, Screen, TopUpOrder},
    };

    /// A purse with 20.00 less chips, of which 1.50 is owed again.
    fn owed(bench: &Bench) -> Band {
        let band = bench.purse(1);
        let order = TopUpOrder { amount: cents(2_000), fee: cents(0), means: Means::Cash };
        bench.tap(Purpose::TopUp(order), &band);
        let lines = vec![BasketLine { product: 2, quantity: 1, free: false }];
        let (_, sold) = bench.tap(Purpose::Sale(bench.priced(&Basket { lines, ..Basket::default() })), &band);
        let entry = crate::station::entry_ref(&sold.entry).unwrap();
        let (amount, reason) = (Some(cents(150)), "wrong_price".into());
        correct(&bench.station, &Ask { request: [9; 16], entry, amount, favour: Favour::Guest, reason }, None).unwrap();
        band
    }

    #[test]
    fn a_guest_is_told_the_balance_what_is_owed_and_what_happened_here() {
        let bench = Bench::new();
        let band = owed(&bench);
        let (light, told) = bench.tap(Purpose::Look(Screen::Till), &band);
        assert_eq!((light, told.balance_after_cents, told.pending_cents), (Some(Signal::Ok), Some(1_600), 150));
        let said: Vec<_> = told.movements.iter().map(|one| (one.kind.as_str(), one.cents)).collect();
        assert_eq!(said, [("correction", 150), ("sale", -400), ("top_up", 2_000)]);
    }

    #[test]
    fn what_this_box_owes_is_paid_out_once_even_without_the_hub() {
        let bench = Bench::new();
        let band = owed(&bench);
        assert!(bench.station.is_alone());
        let (light, paid) = bench.tap(Purpose::PayOut, &band);
        assert_eq!((light, paid.charged_cents), (Some(Signal::Ok), 150), "{paid:?}");
        let (made_safe, paid_out) =
            (bench.entries(Kind::TOP_UP).pop().unwrap(), bench.entries(Kind::REFUND).pop().unwrap());
        assert_eq!((made_safe.amount, paid_out.amount), (cents(0), cents(150)));
        let ends = |entry: &Entry| entry.flags.has(domain::journal::Flags::END_OF_COMMIT);
        assert!(!ends(&made_safe) && ends(&paid_out), "nobody hears of the one without the other");
        let (light, again) = bench.tap(Purpose::PayOut, &band);
        assert_eq!((light, again.code.as_deref()), (Some(Signal::Refuse), Some("till.nothing_pending")));
        let (_, told) = bench.tap(Purpose::Look(Screen::Desk), &band);
        assert_eq!((told.balance_after_cents, told.pending_cents), (Some(1_600), 0), "the chip is as it was");
    }
}
