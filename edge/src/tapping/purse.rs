//! A band whose money is on its chip: the tap, step by step between reader and store.
//! Invariant: the light is green only after the commit is on disk.
//! Not here: the tap's rules (`domain::wristband`), what every tap has in common (`tapping`).
use box_store::{Decision, StoreError, View};
use domain::{
    id::{EntryRef, WalletId},
    journal::{Detail, Effect, Entry, IntentPurpose, Kind, VoucherUse},
    ledger::WalletFlags,
    money::Cents,
    till::TillRefusal,
    wristband::tap::{
        ChipFault, KnownWallet, OfflineLimit, SettledAs, StoreFailed, Tap, TapOutcome, TapRefusal, TapRequest, TapStep,
    },
};
use hardware::{
    signal::Signal,
    tag::{ReaderError, Tag, TagReader},
};
use screens::view::{Phase, TapResult};

use super::{fits, left, looked_at, owed, paid_out, paid_with, refuse, refuse_with, wrong_band};
use crate::{
    chips::purse_chip,
    read_band, selling,
    station::Station,
    tap_desk::{Purpose, TopUpOrder, Waiting},
};

/// Does what was asked for.
pub(super) fn tap(
    station: &Station,
    reader: &mut dyn TagReader,
    waiting: &Waiting,
    wallet: WalletId,
    tag: &Tag,
) -> Signal {
    let request = match tap_request(station, waiting, wallet) {
        Some(request) => request,
        None => return refuse(station, waiting, "till.not_a_desk", Vec::new()),
    };
    let (purpose, alone) = (waiting.purpose.clone(), station.is_alone());
    let closes = matches!(purpose, Purpose::ClosingRead);
    let known =
        station.store.read(move |view| (view.known_wallet(&wallet, closes), fits(view, &purpose, wallet, alone)));
    let (mut known, fits) = match known {
        Ok(known) => known,
        Err(error) => return refuse(station, waiting, error.code(), Vec::new()),
    };
    if let Some(intent) = waiting.retry_of
        && !known.open.iter().any(|open| open.entry == intent)
    {
        return wrong_band(station, waiting);
    }
    match fits {
        Ok(()) => {}
        // a tap in doubt may have used its voucher itself: the chip tells
        Err(TillRefusal::VoucherUsed { .. }) if waiting.retry_of.is_some() => {}
        Err(refusal) => return refuse(station, waiting, refusal.code(), refusal.arguments()),
    }
    if waiting.supervised {
        known.unfinished_in_a_row = 0;
    }
    match offline_limit(station, &waiting.purpose, wallet) {
        Ok(offline) => known.offline = offline,
        Err(error) => return refuse(station, waiting, error.code(), Vec::new()),
    }
    let chip = match purse_chip(tag, station.read_before.epoch(&wallet)) {
        Ok(chip) => chip,
        Err(code) => return refuse(station, waiting, code, Vec::new()),
    };
    let mut tap = Tap::new(station.tap_context(), known, tag.uid.as_bytes(), chip, request);
    // its answer is the payout, not the record that makes it safe
    let pays_out = matches!(waiting.purpose, Purpose::PayOut);
    // the intent that is this request: what else the tap settles or puts in front on its way answers nothing
    let mut own = waiting.retry_of;
    let mut payout = Err(TillRefusal::NothingPending(Cents::ZERO));
    let mut blocked_since = false;
    // the core knows that the store refused, not why
    let mut store_said = None;
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
                let is_request = begins && entries.iter().any(|entry| is_for(&waiting.purpose, entry));
                let moves = |entry: &Entry| matches!(entry.effect, Effect::Debit | Effect::Credit);
                let commits =
                    entries.iter().any(|entry| entry.refers_to.is_some() && entry.refers_to == own && moves(entry));
                // a C that an earlier tap left in doubt pays nothing: the guest asks again
                let pays = pays_out && commits && waiting.retry_of != own;
                let (currency, operator) = (station.bundle().bundle.currency(), station.operator());
                let stored = station.transact(move |view| {
                    // What the hub said since the band was read holds: nothing new begins on a band that is blocked now.
                    if begins && view.wallet(&wallet).flags.has(WalletFlags::BLOCKED) {
                        return Decision::nothing((false, None));
                    }
                    let mut entries = entries;
                    let used = entries.iter().flat_map(|entry| vouchers_of(view, entry)).collect::<Vec<_>>();
                    entries.extend(used.iter().map(|voucher| selling::voucher_entry(voucher, currency, operator)));
                    let paid = pays.then(|| read_band::payout(view, wallet, currency, operator, alone));
                    let has_paid = matches!(paid, Some(Ok(_)));
                    entries.extend(paid.iter().flatten().cloned());
                    let paid = paid.map(|paid| paid.map(|entry| entry.amount.as_i64()));
                    let decision = Decision::write(entries, (true, paid));
                    match pays_out {
                        true if has_paid => decision.answers_last(request),
                        false if is_request || commits => decision.answers(request),
                        true | false => decision,
                    }
                });
                match &stored {
                    Ok(committed) if !committed.result.0 => {
                        blocked_since = true;
                        tap.stored(Err(StoreFailed));
                    }
                    Ok(committed) => {
                        own = if is_request { committed.refs.first().copied() } else { own };
                        if let (Some(paid), Some(entry)) = (committed.result.1.clone(), committed.refs.last()) {
                            payout = paid.map(|amount| (*entry, amount));
                        }
                        tap.stored(Ok(&committed.refs));
                    }
                    Err(error) => {
                        store_said = Some(error.code());
                        tap.stored(Err(StoreFailed));
                    }
                }
            }
            TapStep::Finished(outcome) => break outcome.clone(),
        }
    };
    let retried = tap.settled().iter().find(|settled| Some(settled.open.entry) == waiting.retry_of);
    let retried = retried.map(|settled| settled.how);
    if retried.is_some() {
        station.desk.settled(waiting.id);
    }
    // nobody will know at this box whether it was paid: whoever asked must not ask anew
    if retried == Some(SettledAs::GivenUp) && outcome == TapOutcome::Refused(TapRefusal::Supervisor) {
        refuse(station, waiting, "till.given_up", Vec::new());
        return Signal::Warn;
    }
    if blocked_since {
        return refuse(station, waiting, "band.blocked", Vec::new());
    }
    if let Some(epoch) = tap.epoch() {
        station.read_before.remember(wallet, epoch);
    }
    let outcome = if outcome == TapOutcome::Refused(TapRefusal::NotOurs) {
        station.read_before.forget(&wallet);
        TapOutcome::Refused(other_epoch(station, reader, tag).unwrap_or(TapRefusal::NotOurs))
    } else {
        outcome
    };
    let arrived = tap.carried().map_or(0, |carried| carried.amount.as_i64());
    if let (TapOutcome::Refused(TapRefusal::DiskFull), Some(code)) = (&outcome, store_said) {
        return refuse_with(station, waiting, code, Vec::new(), arrived);
    }
    match (&waiting.purpose, &outcome) {
        (Purpose::Look(_), TapOutcome::Done { balance_after, .. }) => {
            looked_at(station, waiting, wallet, Some(*balance_after))
        }
        (Purpose::PayOut, TapOutcome::Done { .. }) => paid_out(station, waiting, wallet, payout),
        (Purpose::Sale(priced), TapOutcome::Done { balance_after, .. }) if priced.owed > Cents::ZERO => {
            owed(station, waiting, wallet, priced, *balance_after)
        }
        _ => show(station, waiting, outcome, arrived, own),
    }
}

/// What bounds this request if the chip can be copied. A refund pays out all that is left: while the hub is heard it hears of
/// that at once.
fn offline_limit(station: &Station, purpose: &Purpose, wallet: WalletId) -> Result<Option<OfflineLimit>, StoreError> {
    if matches!(purpose, Purpose::Refund) && !station.is_alone() {
        return Ok(None);
    }
    let limit = station.bundle().bundle.body.policy.offline_limit;
    let taken = station.store.read(move |view| view.uncovered_debits(&wallet))?;
    Ok(Some(OfflineLimit { limit, taken: Cents::try_from(taken.max(0)).unwrap_or(Cents::MAX) }))
}

/// A chip that did not take our key may be a band of an epoch whose keys this box lacks. Its header, which is read freely,
/// says so: one more look.
fn other_epoch(station: &Station, reader: &mut dyn TagReader, tag: &Tag) -> Option<TapRefusal> {
    let selected = reader.poll_tag().ok().flatten().filter(|selected| selected.uid == tag.uid)?;
    let chip = purse_chip(&selected, None).ok()?;
    let (uid, known) = (tag.uid.as_bytes(), KnownWallet::default());
    let mut look = Tap::new(station.tap_context(), known, uid, chip, TapRequest::Balance);
    loop {
        match look.step() {
            TapStep::Chip(command) => {
                let answer = reader.transceive(command);
                look.reply(answer.as_deref().map_err(|_| ChipFault::Gone));
            }
            TapStep::Finished(TapOutcome::Refused(why @ (TapRefusal::KeysMissing | TapRefusal::KeysRetired))) => {
                return Some(*why);
            }
            TapStep::Store(_) | TapStep::Finished(_) => return None,
        }
    }
}

/// Whether the intent is what was asked for, and not something that comes in front of it.
fn is_for(purpose: &Purpose, entry: &Entry) -> bool {
    let Ok(Detail::Intent(intent)) = Detail::of(entry) else { return false };
    match purpose {
        Purpose::Sale(_) => intent.purpose == IntentPurpose::Sale,
        Purpose::TopUp(_) | Purpose::PayOut => intent.purpose == IntentPurpose::TopUp,
        Purpose::Refund => intent.purpose == IntentPurpose::Refund,
        Purpose::ClosingRead => intent.purpose == IntentPurpose::ClosingRead,
        Purpose::Pairing(_) | Purpose::Look(_) => false,
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

/// `arrived`: what the hub owed and this tap has put on the band beside what was asked for; `own`: the intent that is
/// this request, if it came so far.
fn show(station: &Station, waiting: &Waiting, outcome: TapOutcome, arrived: i64, own: Option<EntryRef>) -> Signal {
    match outcome {
        TapOutcome::Done { entry, balance_after, charged, credited, paid_back, .. } => {
            let charged = charged.as_i64().saturating_add(paid_back.as_i64()).saturating_sub(credited.as_i64());
            paid_with(station, waiting, charged, balance_after.as_i64(), entry, arrived)
        }
        TapOutcome::TapAgain { intent } => {
            station.torn_taps.inc();
            // where an earlier tap is still in doubt, this request has not begun: nothing of it may be handed over, and
            // what settles the other one does not answer it
            let own = own.filter(|own| *own == intent);
            let result = TapResult {
                id: domain::wire::hex(&waiting.id),
                code: Some(if own.is_some() { "till.in_doubt" } else { "till.earlier_in_doubt" }.into()),
                entry: own.map(|own| own.to_string()).unwrap_or_default(),
                ..TapResult::default()
            };
            station.desk.tap_again(waiting.id, own, Phase::TapAgain, result);
            Signal::TapAgain
        }
        TapOutcome::NothingHappened { .. } => left(station, waiting),
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
            let head = station.store.read(move |view| view.known_head(&wallet)).ok()?;
            TapRequest::Supersede { key: station.credit_key()?, head }
        }
        Purpose::Pairing(_) | Purpose::Look(_) => TapRequest::Balance,
    })
}

/// What goes into the refusal's text: name and value (amounts in cents).
fn arguments(refusal: &TapRefusal) -> Vec<(&'static str, String)> {
    if let TapRefusal::NotEnough { balance, price } = refusal {
        vec![("balance", balance.get().to_string()), ("price", price.get().to_string())]
    } else if let TapRefusal::OfflineLimit { offline: OfflineLimit { limit, taken }, price } = refusal {
        TillRefusal::OfflineLimit { spent: taken.as_i64(), price: *price, limit: *limit }.arguments()
    } else if let TapRefusal::OverMaximum { maximum } = refusal {
        vec![("maximum", maximum.get().to_string())]
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        journal::Means,
        ledger::WalletState,
        till::{Basket, BasketLine},
    };
    use hardware::bench_reader::BenchReader;
    use sync::{Delta, Section, SignedDelta};

    use super::*;
    use crate::{
        bench::{Band, Bench, cents},
        tapping,
    };

    fn chips(bench: &Bench, quantity: u32) -> Purpose {
        let lines = vec![BasketLine { product: 2, quantity, free: false }];
        Purpose::Sale(bench.priced(&Basket { lines, ..Basket::default() }))
    }

    #[test]
    fn an_order_is_not_answered_by_an_earlier_one_whose_doubt_it_met_and_offers_nothing_to_hand_over() {
        let bench = Bench::new();
        let band = bench.purse(1);
        bench.tap(Purpose::TopUp(TopUpOrder { amount: cents(9_000), fee: cents(0), means: Means::Cash }), &band);
        // nothing of the first sale reached the chip but its box cannot know
        let (_, first) = bench.tap_as([5; 16], chips(&bench, 3), &band, "tear write 5 before store");
        assert_eq!(first.code.as_deref(), Some("till.in_doubt"));
        bench.station.desk.cancel();
        let (_, met) = bench.tap_as([6; 16], chips(&bench, 1), &band, "tear write 3 before store");
        assert_eq!((met.code.as_deref(), met.entry.as_str()), (Some("till.earlier_in_doubt"), ""));
        let (light, second) = bench.tap_as([6; 16], chips(&bench, 1), &band, "");
        assert_eq!((light, second.charged_cents), (Some(Signal::Ok), 400));
        assert_eq!(bench.entries(Kind::SALE).len(), 2, "the first is written again and paid, the second, too");
    }

    /// A sale in doubt here, and so many sales of another bar to the same band since.
    fn in_doubt_and_sold_elsewhere(fault: &str, sales: u32) -> (Bench, Band) {
        let (bench, elsewhere) = (Bench::new(), Bench::new());
        let band = bench.purse(1);
        bench.top_up(&band, 9_000);
        let (_, torn) = bench.tap_as([5; 16], chips(&bench, 1), &band, fault);
        assert_eq!(torn.code.as_deref(), Some("till.in_doubt"));
        for _ in 0..sales {
            // another price: a bar of the same number would write the very same record
            assert_eq!(elsewhere.tap(chips(&elsewhere, 2), &band).0, Some(Signal::Ok));
        }
        (bench, band)
    }

    #[test]
    fn an_order_of_which_nobody_will_know_whether_it_was_paid_is_not_called_refused_and_asked_anew() {
        let (bench, band) = in_doubt_and_sold_elsewhere("leave after write 5", 4);
        assert_eq!(bench.hold(&band, ""), Some(Signal::Warn));
        let (progress, waiting) = (bench.station.desk.progress(), bench.station.desk.waiting());
        assert_eq!((progress.phase, waiting), (Phase::Refused, None));
        assert_eq!(progress.result.unwrap().code.as_deref(), Some("till.given_up"));
        assert_eq!((bench.entries(Kind::GAVE_UP).len(), bench.entries(Kind::SALE).len()), (1, 0));
    }

    /// The hub blocks the band while it is read.
    struct BlockedMeanwhile<'a>(BenchReader, &'a Station, Option<WalletId>);

    impl TagReader for BlockedMeanwhile<'_> {
        fn poll_tag(&mut self) -> Result<Option<Tag>, ReaderError> {
            self.0.poll_tag()
        }

        fn transceive(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
            if let Some(wallet) = self.2.take() {
                let state = WalletState { flags: WalletFlags::BLOCKED, ..WalletState::empty(wallet) };
                let delta = Delta {
                    festival: self.1.bundle().bundle.festival,
                    section: Section::Wallets,
                    term: 1,
                    prev: 0,
                    number: 1,
                    part: 0,
                    parts: 1,
                    snapshot: true,
                    vector: Vec::new(),
                    hub_time_ms: 1_800_000_000_000,
                    items: state.to_bytes().to_vec(),
                };
                let signed = SignedDelta { body: delta.to_bytes(), signature: [0; 64], key: [0; 32] };
                self.1.store.apply_delta(vec![signed]).unwrap();
            }
            self.0.transceive(command)
        }

        fn signal(&mut self, signal: Signal) -> Result<(), ReaderError> {
            self.0.signal(signal)
        }
    }

    #[test]
    fn an_order_in_doubt_that_took_nothing_is_over_where_its_band_is_blocked_while_it_is_read() {
        let (bench, band) = in_doubt_and_sold_elsewhere("tear write 5 before store", 1);
        let reader = BenchReader::new();
        reader.present(&band.chip, Vec::new());
        let mut blocked = BlockedMeanwhile(reader, &bench.station, Some(band.wallet));
        let tag = loop {
            if let Some(tag) = blocked.poll_tag().unwrap() {
                break tag;
            }
        };
        tapping::serve(&bench.station, &mut blocked, tag);
        let (progress, waiting) = (bench.station.desk.progress(), bench.station.desk.waiting());
        assert_eq!(progress.result.unwrap().code.as_deref(), Some("band.blocked"));
        assert_eq!((progress.phase, waiting), (Phase::Refused, None), "nothing of it is in doubt");
        assert_eq!(bench.entries(Kind::VOID).len(), 1);
    }
}
