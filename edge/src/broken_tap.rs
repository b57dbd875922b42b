//! A tap that a panic broke off is a torn one: the journal says how what was asked for goes on, as after a restart.
//! Invariant: what is on disk is answered, and what is in doubt waits for its own band, so that neither is charged twice.
//! Not here: taps that come to an end (`tapping`), the panic (`panics`).
use domain::id::EntryRef;
use hardware::signal::Signal;
use screens::view::{Phase, TapResult};

use crate::station::{KnownRequest, Station};

/// Puts what was asked for where the tap has left it.
pub(crate) fn goes_on(station: &Station) {
    let Some(waiting) = station.desk.waiting() else { return };
    station.torn_taps.inc();
    let torn =
        |code: &str| TapResult { id: domain::wire::hex(&waiting.id), code: Some(code.into()), ..TapResult::default() };
    match station.request_in_journal(waiting.id, &waiting.purpose) {
        Some(KnownRequest::Answered(result)) => station.desk.answer(waiting.id, Phase::Paid, result),
        Some(KnownRequest::InDoubt { intent, .. }) => {
            let result = TapResult { entry: intent.to_string(), ..torn("till.in_doubt") };
            station.desk.tap_again(waiting.id, Some(intent), Phase::TapAgain, result);
        }
        Some(KnownRequest::GivenUp) => {
            station.desk.settled(waiting.id);
            station.desk.answer(waiting.id, Phase::Refused, torn("till.given_up"));
        }
        None => {
            if waiting.retry_of.is_some_and(|intent| is_settled(station, intent)) {
                station.desk.settled(waiting.id);
            }
            station.desk.tap_again(waiting.id, None, Phase::TapAgain, torn("band.pulled_away"));
        }
    }
    station.signal(Signal::TapAgain);
    station.changed();
}

/// Whether the journal says what became of it; what cannot be read says nothing.
fn is_settled(station: &Station, intent: EntryRef) -> bool {
    station.store.read(move |view| view.all_open_intents().iter().all(|open| open.at != intent)).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::{Duration, Instant},
    };

    use box_store::Decision;
    use domain::{
        journal::{Effect, Entry, Kind, Means},
        money::Cents,
        till::{Basket, BasketLine},
        time::Hlc,
    };
    use hardware::{
        bench_reader::BenchReader,
        tag::{ReaderError, Tag, TagReader},
    };

    use super::*;
    use crate::{
        bench::{Band, Bench, cents},
        devices,
        station::fresh_id,
        tap_desk::{Purpose, TopUpOrder},
    };

    const BOUND: Duration = Duration::from_secs(20);

    /// A reader whose code panics once, when the band has carried out so many commands. When the till has its answer the
    /// box stops.
    struct PanicsAfter<'a>(BenchReader, Arc<AtomicU32>, &'a Station, Instant);

    impl TagReader for PanicsAfter<'_> {
        fn poll_tag(&mut self) -> Result<Option<Tag>, ReaderError> {
            let is_answered = self.2.desk.progress().result.is_some_and(|result| result.ok);
            if is_answered || self.3.elapsed() > BOUND {
                self.2.stop();
            }
            self.0.poll_tag()
        }

        fn transceive(&mut self, command: &[u8]) -> Result<Vec<u8>, ReaderError> {
            let answer = self.0.transceive(command);
            let left = self.1.load(Ordering::Relaxed);
            self.1.store(left.saturating_sub(1), Ordering::Relaxed);
            assert!(left != 1, "with an answer in its hands");
            answer
        }

        fn signal(&mut self, signal: Signal) -> Result<(), ReaderError> {
            self.0.signal(signal)
        }
    }

    /// What chip and journal hold after a sale of 4.00 from 20.00, broken off by a panic after that command.
    fn left_after(nth: u32, band: impl Fn(&Bench) -> Band) -> (i64, i64) {
        let bench = Bench::new();
        let band = band(&bench);
        let order = TopUpOrder { amount: cents(2_000), fee: Cents::ZERO, means: Means::Cash };
        assert!(bench.tap(Purpose::TopUp(order), &band).1.ok);
        let lines = vec![BasketLine { product: 2, quantity: 1, free: false }];
        let sale = Purpose::Sale(bench.priced(&Basket { lines, ..Basket::default() }));
        bench.station.desk.ask(fresh_id(), sale).unwrap();
        let (reader, panics) = (BenchReader::new(), Arc::new(AtomicU32::new(nth)));
        reader.present(&band.chip, Vec::new());
        let began = Instant::now();
        devices::keep_reading(&bench.station, &mut || {
            Ok(Box::new(PanicsAfter(reader.clone(), Arc::clone(&panics), &bench.station, began)))
        });
        assert!(bench.station.desk.progress().result.is_some_and(|result| result.ok), "command {nth}");
        assert_eq!((panics.load(Ordering::Relaxed), bench.station.device_failures.get()), (0, 1), "command {nth}");
        bench.balances(&band)
    }

    #[test]
    fn a_sale_that_a_panic_broke_off_after_any_command_charges_once() {
        for nth in 1..=9 {
            assert_eq!(left_after(nth, |bench| bench.purse(1)), (1_600, 1_600), "command {nth}");
        }
    }

    #[test]
    fn a_sale_from_a_counter_that_a_panic_broke_off_after_any_command_charges_once() {
        for nth in 1..=11 {
            assert_eq!(left_after(nth, |bench| bench.aes_purse(1)), (1_600, 1_600), "command {nth}");
        }
    }

    /// A sale whose doubt a tap has settled so when it panics, and another band with money on it.
    fn told_after(settled: Kind) -> (Bench, Band) {
        let bench = Bench::new();
        let (band, other) = (bench.purse(1), bench.purse(2));
        bench.top_up(&band, 2_000);
        bench.top_up(&other, 2_000);
        let lines = vec![BasketLine { product: 2, quantity: 1, free: false }];
        let sale = Purpose::Sale(bench.priced(&Basket { lines, ..Basket::default() }));
        let (_, torn) = bench.tap_as([5; 16], sale, &band, "leave after write 5");
        let doubt = crate::station::entry_ref(&torn.entry).unwrap();
        let says = bench.station.transact(move |view| {
            let asked = view.entry(doubt).unwrap();
            let effect = if settled == Kind::VOID { Effect::Release } else { Effect::None };
            let entry = Entry::new(settled, effect, asked.currency, Hlc::default());
            let entry = Entry { subject: asked.subject, amount: asked.amount, refers_to: Some(doubt), ..entry };
            Decision::write(vec![entry], ())
        });
        says.unwrap();
        goes_on(&bench.station);
        (bench, other)
    }

    #[test]
    fn a_panic_after_an_order_was_given_up_ends_it_as_one_that_must_not_be_charged_again() {
        let (bench, _) = told_after(Kind::GAVE_UP);
        let (progress, waiting) = (bench.station.desk.progress(), bench.station.desk.waiting());
        assert_eq!((progress.phase, waiting), (Phase::Refused, None));
        assert_eq!(progress.result.unwrap().code.as_deref(), Some("till.given_up"));
    }

    #[test]
    fn a_panic_after_an_order_was_voided_leaves_it_to_any_band_of_its_guest() {
        let (bench, other) = told_after(Kind::VOID);
        let (progress, waiting) = (bench.station.desk.progress(), bench.station.desk.waiting());
        assert_eq!((progress.phase, waiting.unwrap().retry_of), (Phase::TapAgain, None));
        assert_eq!(bench.hold(&other, ""), Some(Signal::Ok));
    }
}
