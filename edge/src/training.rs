//! Training: everything works as always, entries are marked, no money moves and no chip is written.
//! Invariant: a band that is held to the reader while training is neither read nor written; only its UID is looked at.
use box_store::Decision;
use domain::{
    id::WalletId,
    journal::Flags,
    till::TillRefusal,
    wristband::tap::{UidAccount, uid_sale_entry, uid_top_up_entry},
};

use crate::{
    refusal::NotDone,
    station::Station,
    tap_desk::{Purpose, Waiting},
};

impl Station {
    /// Switches training on or off; not while a band is awaited.
    pub(crate) fn train(&self, on: bool) -> Result<(), NotDone> {
        self.may_handle_money()?;
        if self.desk.waiting().is_some() {
            return Err(NotDone::Code("till.busy"));
        }
        self.set_training(on);
        Ok(())
    }
}

/// Books the request as training. Gives what the screen shows as moved, and the entry.
pub(crate) fn book(
    station: &Station,
    waiting: &Waiting,
    wallet: WalletId,
) -> Result<(i64, Option<domain::id::EntryRef>), NotDone> {
    let account = UidAccount { wallet, currency: station.bundle().bundle.currency(), operator: station.operator() };
    let (mut entry, charged) = match &waiting.purpose {
        Purpose::Sale(priced) => {
            let entry = uid_sale_entry(&account, priced.sale.clone(), priced.amount, priced.price_revision);
            (entry, priced.total())
        }
        Purpose::TopUp(order) => {
            let entry = uid_top_up_entry(&account, order.amount, order.fee, order.means);
            (entry, order.amount.as_i64().saturating_neg())
        }
        Purpose::Refund | Purpose::ClosingRead | Purpose::Pairing(_) | Purpose::Look(_) | Purpose::PayOut => {
            return Err(TillRefusal::Training.into());
        }
    };
    entry.flags = entry.flags.with(Flags::TRAINING);
    let request = waiting.id;
    let committed = station.transact(move |_| Decision::write(vec![entry], ()).answers(request))?;
    Ok((charged, committed.refs.first().copied()))
}

#[cfg(test)]
mod tests {
    use domain::{
        journal::{Kind, Means},
        money::Cents,
        till::{Basket, BasketLine},
    };
    use hardware::signal::Signal;

    use super::*;
    use crate::{
        bench::{Bench, cents},
        tap_desk::TopUpOrder,
    };

    #[test]
    fn training_moves_no_money_and_writes_no_chip() {
        let bench = Bench::new();
        bench.station.train(true).unwrap();
        for band in [bench.uid_band(1), bench.purse(2)] {
            let before = band.chip.chip();
            let order = TopUpOrder { amount: cents(2_000), fee: Cents::ZERO, means: Means::Cash };
            assert_eq!(bench.tap(Purpose::TopUp(order), &band).0, Some(Signal::Ok));
            let lines = vec![BasketLine { product: 2, quantity: 1, free: false }];
            let priced = bench.priced(&Basket { lines, ..Basket::default() });
            assert_eq!(bench.tap(Purpose::Sale(priced), &band).0, Some(Signal::Ok));
            let wallet = band.wallet;
            let state = bench.station.store.read(move |view| view.wallet(&wallet)).unwrap();
            assert_eq!((state.balance, state.spent), (0, 0));
            assert_eq!(band.chip.chip().memory(), before.memory());
        }
        assert!(bench.entries(Kind::SALE).iter().all(|entry| entry.flags.has(Flags::TRAINING)));
        assert_eq!(bench.station.store.read(|view| view.counters(0).sales).unwrap(), 0);
    }

    #[test]
    fn a_refund_is_not_trained() {
        let bench = Bench::new();
        bench.station.train(true).unwrap();
        let (light, result) = bench.tap(Purpose::Refund, &bench.purse(1));
        assert_eq!((light, result.code.as_deref()), (Some(Signal::Refuse), Some("till.training")));
    }
}
