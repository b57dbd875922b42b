//! More deposit comes back than is bought: the guest gets the difference, on the account or owed to the purse.
//! Invariant: one entry, which names the cups; nothing is written to a chip here.
//! Not here: what a basket comes to (`domain::till::price`), how what is owed gets onto the chip (the hub signs it).
use box_store::Decision;
use domain::{
    id::{EntryRef, WalletId},
    journal::{Effect, Entry, Flags},
    ledger::WalletFlags,
    money::Currency,
    till::{Priced, TillRefusal},
    wristband::tap::{UidAccount, uid_sale_entry},
};

use crate::{refusal::NotDone, selling, station::Station, tap_desk::RequestId};

/// The sale that gives the guest something.
pub(crate) fn entry(wallet: WalletId, priced: &Priced, on_account: bool, currency: Currency, operator: u32) -> Entry {
    let of = UidAccount { wallet, currency, operator };
    let sale = uid_sale_entry(&of, priced.sale.clone(), priced.owed, priced.price_revision);
    Entry { effect: if on_account { Effect::Credit } else { Effect::Owe }, ..sale }
}

/// Books what a purse is owed, after its chip was read and found good.
pub(crate) fn owe(
    station: &Station,
    request: RequestId,
    wallet: WalletId,
    priced: &Priced,
) -> Result<Option<EntryRef>, NotDone> {
    let (currency, operator, alone) = (station.bundle().bundle.currency(), station.operator(), station.is_alone());
    let priced = priced.clone();
    let committed = station.transact(move |view| {
        let flags = view.wallet(&wallet).flags;
        if flags.has(WalletFlags::BLOCKED) {
            return Decision::nothing(Err(TillRefusal::Blocked));
        }
        if flags.has(WalletFlags::FROZEN) {
            return Decision::nothing(Err(TillRefusal::Frozen));
        }
        let mut owed = entry(wallet, &priced, false, currency, operator);
        if alone {
            owed.flags = owed.flags.with(Flags::ALONE);
        }
        let vouchers = priced.sale.marks.vouchers.iter();
        let used = vouchers.map(|voucher| selling::voucher_entry(voucher, currency, operator));
        Decision::write(std::iter::once(owed).chain(used).collect(), Ok(())).answers(request)
    })?;
    committed.result?;
    Ok(committed.refs.first().copied())
}

#[cfg(test)]
mod tests {
    use domain::{
        journal::{Kind, Means},
        money::Cents,
        till::{Basket, BasketLine},
    };
    use hardware::signal::Signal;
    use screens::view::{Phase, TapResult};

    use super::*;
    use crate::{
        bench::{Bench, cents},
        tap_desk::{Purpose, Screen, TopUpOrder},
    };

    /// One chips for 4.00, and six cups back for 6.00.
    fn basket(bench: &Bench) -> Priced {
        let lines = vec![BasketLine { product: 2, quantity: 1, free: false }];
        bench.priced(&Basket { lines, cups_back: 6, ..Basket::default() })
    }

    fn topped_up(bench: &Bench, band: &crate::bench::Band) {
        let order = TopUpOrder { amount: cents(1_000), fee: Cents::ZERO, means: Means::Cash };
        assert_eq!(bench.tap(Purpose::TopUp(order), band).0, Some(Signal::Ok));
    }

    #[test]
    fn cups_worth_more_than_the_goods_are_credited_to_an_account() {
        let bench = Bench::new();
        let band = bench.uid_band(1);
        topped_up(&bench, &band);
        let (light, result) = bench.tap(Purpose::Sale(basket(&bench)), &band);
        assert_eq!((light, result.charged_cents, result.balance_after_cents), (Some(Signal::Ok), -200, Some(1_200)));
    }

    #[test]
    fn cups_worth_more_than_the_goods_are_owed_to_a_purse_whose_chip_stays_as_it_is() {
        let bench = Bench::new();
        let band = bench.purse(1);
        topped_up(&bench, &band);
        let (light, result) = bench.tap_as([7; 16], Purpose::Sale(basket(&bench)), &band, "");
        assert_eq!((light, result.charged_cents, result.pending_cents), (Some(Signal::Ok), -200, 200));
        let (_, again) = bench.tap(Purpose::Look(Screen::Till), &band);
        assert_eq!((again.balance_after_cents, again.pending_cents), (Some(1_000), 200));
        let sale = bench.entries(Kind::SALE).pop().unwrap();
        assert_eq!((sale.effect, sale.amount), (Effect::Owe, cents(200)));
    }

    #[test]
    fn asked_again_after_a_restart_the_answer_still_says_that_the_guest_got_something() {
        let bench = Bench::new();
        let band = bench.purse(1);
        // nobody but the journal knows of it
        owe(&bench.station, [7; 16], band.wallet, &basket(&bench)).unwrap();
        let known = bench.station.request_in_journal([7; 16], &Purpose::Sale(basket(&bench)));
        let Some(crate::station::KnownRequest::Answered(result)) = known else { panic!("it is not known") };
        assert_eq!(result.charged_cents, -200);
    }

    #[test]
    fn asked_again_while_its_tap_is_about_to_tell_it_hears_all_of_it() {
        let bench = Bench::new();
        let (station, id) = (&bench.station, [7; 16]);
        let purpose = Purpose::Sale(basket(&bench));
        station.desk.ask(id, purpose.clone()).unwrap();
        owe(station, id, bench.purse(1).wallet, &basket(&bench)).unwrap();
        let at = station.store.read(move |view| view.answer(&id)).unwrap().unwrap();
        std::thread::scope(|threads| {
            threads.spawn(|| {
                std::thread::sleep(std::time::Duration::from_millis(20));
                let all = TapResult { ok: true, entry: at.to_string(), pending_cents: 200, ..TapResult::default() };
                station.desk.answer(id, Phase::Paid, all);
            });
            let known = station.request_in_journal(id, &purpose);
            let Some(crate::station::KnownRequest::Answered(result)) = known else { panic!("it is not known") };
            assert_eq!(result.pending_cents, 200, "what stands in no entry of it");
        });
    }

    #[test]
    fn cups_alone_need_no_goods() {
        let bench = Bench::new();
        let band = bench.uid_band(1);
        let priced = bench.priced(&Basket { cups_back: 3, ..Basket::default() });
        assert_eq!(priced.total(), -300);
        let (light, result) = bench.tap(Purpose::Sale(priced), &band);
        assert_eq!((light, result.charged_cents), (Some(Signal::Ok), -300));
    }
}
