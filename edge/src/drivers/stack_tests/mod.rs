//! The tap of design section 5 through the real libraries: the box's own code, the driver in its process, the library, and
//! a simulated reader at the other end which holds the bands.
//! Invariant: whatever happens on the way, in the end chip and journal tell the same sum.
//! Not here: the tap's rules (`domain`), what each simulator does (`hardware`).
#[cfg(feature = "pcsc")]
mod on_pcsc;
#[cfg(feature = "pn532")]
mod on_pn532;
mod scenarios;

use std::{
    any::Any,
    path::PathBuf,
    time::{Duration, Instant},
};

use domain::till::{Basket, BasketLine};
use hardware::{
    fault::Fault,
    remote_reader::ReaderProcess,
    simulated_field::SimulatedField,
    tag::{ReaderError, Tag, TagReader},
};
use screens::view::TapResult;

use super::{config::ReaderConfig, process::Program};
use crate::{
    bench::{Band, Bench, cents},
    station::fresh_id,
    tap_desk::{Purpose, RequestId, TopUpOrder},
    tapping,
};

/// Longer than anything here takes.
const BOUND: Duration = Duration::from_secs(10);
/// What the box promises for a reader that is back.
const RECOVERED: Duration = Duration::from_secs(2);
/// Price of [`Hand::chips`].
const PRICE: i64 = 400;
/// What a band holds at first.
const LOADED: i64 = 20_000;

/// A library with a simulated reader behind it.
struct Stack {
    field: SimulatedField,
    wanted: ReaderConfig,
    program: Program,
    /// What must live as long.
    keep: Box<dyn Any>,
}

/// The program as `cargo test` builds it beside its integration tests.
fn edge() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().unwrap().parent().unwrap().join("edge");
    assert!(program.exists(), "build it first: cargo build -p edge --features appliance");
    program
}

/// A box, its reader, and the hand that holds bands to it.
struct Hand {
    bench: Bench,
    stack: Stack,
    reader: Option<ReaderProcess>,
}

impl Hand {
    fn new(stack: Stack) -> Self {
        // the hub hears of none of the many sales to one band
        let bench = Bench::with_bundle(|body| body.policy.offline_limit = body.policy.maximum_balance);
        Self { bench, stack, reader: None }
    }

    /// A basket of chips.
    fn chips(&self) -> Purpose {
        let lines = vec![BasketLine { product: 2, quantity: 1, free: false }];
        Purpose::Sale(self.bench.priced(&Basket { lines, ..Basket::default() }))
    }

    /// A band with money.
    fn loaded(&mut self, number: u8) -> Band {
        self.topped_up(self.bench.purse(number))
    }

    /// The same band with money on it.
    fn topped_up(&mut self, band: Band) -> Band {
        let amount = cents(u32::try_from(LOADED).unwrap());
        let order = TopUpOrder { amount, fee: cents(0), means: domain::journal::Means::Cash };
        let topped_up = self.tap(fresh_id(), Purpose::TopUp(order), &band, "");
        assert!(topped_up.ok, "{topped_up:?}");
        assert_eq!(self.bench.balances(&band), (LOADED, LOADED));
        band
    }

    /// The open reader, opened again for as long as the box promises.
    fn reader(&mut self) -> &mut ReaderProcess {
        let deadline = Instant::now() + RECOVERED;
        while self.reader.is_none() {
            match self.stack.program.start(&self.stack.wanted) {
                Ok(reader) => self.reader = Some(reader),
                Err(error) => {
                    assert!(Instant::now() < deadline, "{error}");
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
        self.reader.as_mut().unwrap()
    }

    /// The tag that comes next.
    fn next_tag(&mut self) -> Tag {
        let deadline = Instant::now() + BOUND;
        loop {
            match self.reader().poll_tag() {
                Ok(Some(tag)) => return tag,
                Ok(None) | Err(ReaderError::TagGone) => {}
                Err(_) => self.reader = None,
            }
            assert!(Instant::now() < deadline, "no tag came");
        }
    }

    /// Waits until the reader sees nothing.
    fn seen_leaving(&mut self) {
        let deadline = Instant::now() + BOUND;
        loop {
            match self.reader().poll_tag() {
                Ok(None) | Err(ReaderError::TagGone) => return,
                Ok(Some(_)) => {}
                Err(_) => self.reader = None,
            }
            assert!(Instant::now() < deadline, "the tag stays");
        }
    }

    /// Asks for something and holds the band there until it is served. Gives what the screen shows.
    fn tap(&mut self, id: RequestId, purpose: Purpose, band: &Band, faults: &str) -> TapResult {
        self.ask(id, purpose);
        self.reader();
        let faults = if faults.is_empty() { Vec::new() } else { Fault::parse_several(faults).unwrap() };
        self.stack.field.present(&band.chip, faults);
        self.serve()
    }

    fn ask(&self, id: RequestId, purpose: Purpose) {
        self.bench.station.desk.ask(id, purpose).unwrap();
    }

    /// Serves what lies there, and takes it away.
    fn serve(&mut self) -> TapResult {
        let tag = self.next_tag();
        self.serve_tag(tag);
        self.stack.field.take_away();
        self.seen_leaving();
        self.bench.station.desk.progress().result.unwrap_or_default()
    }

    fn serve_tag(&mut self, tag: Tag) {
        let station = std::sync::Arc::clone(&self.bench.station);
        tapping::serve(&station, self.reader(), tag);
    }
}
