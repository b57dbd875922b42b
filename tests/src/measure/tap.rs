//! A tap, from the band on the reader to the durable commit, with the time on air simulated: what the box, its process
//! boundary and the readers' libraries add to what the radio takes.
//!
//! Air time is computed (`hardware::air_time`) and waited for, so the ratio says what we add. A reader's own bus is not in
//! it: 115,200 baud adds about 3 ms a command to a PN532.
//! Invariant: every measured tap ends green, and its sum is on the chip.
//! Not here: what a tap may do (`domain`), what goes wrong (`edge::drivers`).
#[cfg(feature = "appliance")]
mod bare;
#[cfg(feature = "appliance")]
pub(super) mod stacks;

use std::{
    os::unix::net::UnixStream,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use box_store::{Decision, Store};
use domain::{
    id::{BoxNumber, EntryRef, device_id, key_id},
    journal::{Means, Sale, SaleLine},
    money::{Cents, Currency},
    secrets::{BandSecrets, MasterSecret},
    wristband::{
        CreditKey,
        tap::{
            ChipFault, KnownWallet, PurseChip, StoreFailed, Tap, TapContext, TapOutcome, TapRequest, TapStep,
            UidAccount, uid_sale_entry,
        },
    },
};
use hardware::{
    remote_reader::{self, RemoteReader},
    simulated_field::{DirectReader, SimulatedField, Spent},
    tag::{ReaderError, TagKind, TagReader},
};

use super::{Bench, Goal, Row, Size, insert, median_us};
use crate::band::{Band, Supplier};

/// A band with a purse, and the most commands that a sale may take after its selection: PWD_AUTH, two reads, five
/// writes, one read-back; or two of authentication, the counter, a read, five writes, the increment, one read-back.
#[derive(Clone, Copy)]
enum Purse {
    Ntag215,
    UltralightAes,
}

impl Purse {
    const ALL: [Self; 2] = [Self::Ntag215, Self::UltralightAes];

    fn name(self) -> &'static str {
        match self {
            Self::Ntag215 => "NTAG215",
            Self::UltralightAes => "Ultralight AES",
        }
    }

    #[cfg(feature = "appliance")]
    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purse| purse.name() == name)
    }

    fn commands(self) -> f64 {
        match self {
            Self::Ntag215 => 9.0,
            Self::UltralightAes => 11.0,
        }
    }
}

/// The longest tap that a guest takes for none.
const WHOLE_MS: f64 = 150.0;
/// What we may add to the time on air.
const BESIDE_AIR: f64 = 1.10;
/// What we may add to the two commits.
const OWN_MS: f64 = 5.0;
const PRICE: u32 = 1;
const LOADED: u32 = 20_000;
/// From one band's leaving to the next one's coming: pcscd switches a field off and on while it forgets a tag, and no
/// hand is faster.
const BETWEEN_BANDS: Duration = Duration::from_millis(100);
/// A reader that shows nothing for so long is broken.
const BOUND: Duration = Duration::from_secs(10);

pub(super) fn rows(size: Size) -> Result<Vec<Row>> {
    let taps = (size.rounds / 10).clamp(10, 100);
    let till = Till::new(true)?;
    let field = SimulatedField::new();
    let (mut rows, commit) = (Vec::new(), till.two_commits(taps)?);
    for purse in Purse::ALL {
        let (name, reader) = (purse.name(), &mut DirectReader::new(&field));
        let direct = till.sales(purse, &field, reader, taps)?;
        let own_ms = direct.whole_ms - direct.air_ms();
        let commands = direct.spent.commands.len() as f64 - 1.0;
        rows.extend([
            Row::new(&format!("{name}: commands of a sale"), "commands", commands, purse.commands(), Goal::AtMost(1.0)),
            Row::new(&format!("{name}: sale on air, computed"), "ms", direct.air_ms(), WHOLE_MS, Goal::AtMost(1.0)),
            direct.row(&format!("{name}: whole tap, reader at hand")),
            Row::new(&format!("{name}: our own part of it"), "ms", own_ms, commit + OWN_MS, Goal::AtMost(1.0))
                .beside("two durable rows + 5 ms"),
        ]);
        let there = till.in_another_process(purse, taps)?;
        rows.push(there.row(&format!("{name}: whole tap, reader in another process")));
        #[cfg(feature = "appliance")]
        rows.extend(stacks::rows(&till, purse, taps, commit)?);
    }
    rows.push(till.account_sales(taps)?);
    Ok(rows)
}

/// Figures of a series of taps on one band.
struct Series {
    /// Median from the band on the reader to the durable commit.
    whole_ms: f64,
    /// One tap's commands and time on air.
    spent: Spent,
}

impl Series {
    fn air_ms(&self) -> f64 {
        self.spent.air.as_secs_f64() * 1e3
    }

    fn row(&self, name: &str) -> Row {
        Row::new(name, "ms", self.whole_ms, self.air_ms(), Goal::AtMost(BESIDE_AIR)).beside("the time on air alone")
    }
}

/// A till that takes money from bands.
struct Till {
    bench: Bench,
    store: Store,
    context: Arc<TapContext>,
    supplier: Supplier,
    /// Whether its entries go to a disk.
    is_durable: bool,
    next_band: std::cell::Cell<u32>,
}

impl Till {
    fn new(is_durable: bool) -> Result<Self> {
        let bench = Bench::new()?;
        let (store, festival) = (bench.store("tap.db")?, bench.festival());
        let secrets: BandSecrets = MasterSecret([9; 32]).band_secrets(&festival);
        let public = bench.key.verifying_key().to_bytes();
        let context = TapContext {
            festival,
            currency: Currency::EUR,
            box_number: BoxNumber(1),
            secrets: secrets.clone(),
            retired_epochs: Vec::new(),
            credit_keys: vec![CreditKey { id: key_id(&public), public, revoked: false }],
            maximum_balance: Cents::new(30_000).context("cents")?,
            operator: 1,
            own_device: device_id(&public),
        };
        let supplier = Supplier::new(festival, secrets, bench.key.clone());
        Ok(Self { bench, store, context: Arc::new(context), supplier, is_durable, next_band: std::cell::Cell::new(1) })
    }

    /// A band with money on it.
    fn loaded(&self, purse: Purse) -> Result<Band> {
        let number = self.next_band.replace(self.next_band.get() + 1);
        let band = match purse {
            Purse::Ntag215 => self.supplier.purse(number)?,
            Purse::UltralightAes => self.supplier.aes_purse(number)?,
        };
        let field = SimulatedField::new();
        let mut reader = DirectReader::new(&field);
        field.present(&band.chip, Vec::new());
        let order = TapRequest::TopUp {
            amount: Cents::new(LOADED).context("cents")?,
            key: self.bench.key.clone(),
            fee: Cents::ZERO,
            means: Means::Cash,
            retry_of: None,
        };
        self.serve(&mut reader, order)?;
        Ok(band)
    }

    /// Sells so many times to one band, each time laid on the reader anew.
    fn sales(&self, purse: Purse, field: &SimulatedField, reader: &mut dyn TagReader, taps: usize) -> Result<Series> {
        let band = self.loaded(purse)?;
        field.takes_air_time(true);
        let mut times = Vec::with_capacity(taps);
        let mut spent = Spent::default();
        for _ in 0..taps {
            until(reader, false)?;
            thread::sleep(BETWEEN_BANDS);
            field.take_spent();
            let began = Instant::now();
            field.present(&band.chip, Vec::new());
            self.serve(reader, sale()?)?;
            times.push(began.elapsed());
            spent = field.take_spent();
            field.take_away();
        }
        let left = band.balance_on_chip(&self.supplier, &self.context.credit_keys)?;
        let paid = i64::try_from(taps)? * i64::from(PRICE);
        ensure!(left == Some(i64::from(LOADED) - paid), "{left:?} on the chip after {taps} sales");
        Ok(Series { whole_ms: median_us(times) / 1e3, spent })
    }

    /// Waits for the tag and does what is asked for, each entry durable before the next step.
    fn serve(&self, reader: &mut dyn TagReader, request: TapRequest) -> Result<()> {
        let tag = until(reader, true)?.context("a tag")?;
        // the session's random bytes need not surprise anybody on a bench
        let aes =
            (tag.kind == TagKind::UltralightAes).then_some(PurseChip::UltralightAes { random: [7; 16], epoch: None });
        let chip = aes.unwrap_or(PurseChip::Ntag21x);
        let mut tap = Tap::new(Arc::clone(&self.context), KnownWallet::default(), tag.uid.as_bytes(), chip, request);
        loop {
            match tap.step() {
                TapStep::Chip(command) => match reader.transceive(command) {
                    Ok(reply) => tap.reply(Ok(&reply)),
                    Err(ReaderError::Nak(_)) => tap.reply(Err(ChipFault::Nak)),
                    Err(_) => tap.reply(Err(ChipFault::Gone)),
                },
                TapStep::Store(entries) if !self.is_durable => {
                    let at = |seq| EntryRef { device: self.context.own_device, epoch: 1, seq };
                    let refs: Vec<EntryRef> = (1..).map(at).take(entries.len()).collect();
                    tap.stored(Ok(&refs));
                }
                TapStep::Store(entries) => {
                    let entries = entries.clone();
                    match self.store.transact(move |_| Decision::write(entries, ())) {
                        Ok(committed) => tap.stored(Ok(&committed.refs)),
                        Err(_) => tap.stored(Err(StoreFailed)),
                    }
                }
                TapStep::Finished(TapOutcome::Done { .. }) => return Ok(()),
                TapStep::Finished(outcome) => bail!("a tap ended as {outcome:?}"),
            }
        }
    }

    /// The same over the frames that a driver's process speaks.
    fn in_another_process(&self, purse: Purse, taps: usize) -> Result<Series> {
        let (here, there) = UnixStream::pair()?;
        let field = SimulatedField::new();
        let reader = DirectReader::new(&field);
        let serving = thread::spawn(move || remote_reader::serve(there, || Ok((Box::new(reader), "direct".into()))));
        let mut remote = RemoteReader::connect(here, BOUND)?;
        let series = self.sales(purse, &field, &mut remote, taps)?;
        drop(remote);
        serving.join().map_err(|_| anyhow::anyhow!("the reader's side has panicked"))??;
        Ok(series)
    }

    /// A band with only a UID: one selection, one commit.
    fn account_sales(&self, taps: usize) -> Result<Row> {
        let band = self.supplier.uid_only(self.next_band.replace(self.next_band.get() + 1));
        let (field, mut times) = (SimulatedField::new(), Vec::new());
        let mut reader = DirectReader::new(&field);
        field.takes_air_time(true);
        for _ in 0..taps {
            let began = Instant::now();
            field.present(&band.chip, Vec::new());
            until(&mut reader, true)?;
            let account = UidAccount { wallet: band.wallet(), currency: Currency::EUR, operator: 1 };
            let (sale, price) = sale_lines()?;
            self.store.transact(move |_| Decision::write(vec![uid_sale_entry(&account, sale, price, 1)], ()))?;
            times.push(began.elapsed());
            field.take_away();
            until(&mut reader, false)?;
        }
        let whole_ms = median_us(times) / 1e3;
        Ok(Row::new("sale to an account over a reader at hand", "ms", whole_ms, WHOLE_MS, Goal::AtMost(1.0)))
    }

    /// Two durable rows: what an intent and a commit cost at least.
    fn two_commits(&self, rounds: usize) -> Result<f64> {
        let raw = self.bench.raw("tap-raw.db")?;
        let mut times = Vec::new();
        for at in 0..i64::try_from(rounds)? {
            let began = Instant::now();
            insert(&raw, at * 2, &[7; 200])?;
            insert(&raw, at * 2 + 1, &[7; 200])?;
            times.push(began.elapsed());
        }
        Ok(median_us(times) / 1e3)
    }
}

fn sale_lines() -> Result<(Sale, Cents)> {
    let price = Cents::new(PRICE).context("cents")?;
    let lines = vec![SaleLine { product: 1, quantity: 1, unit_price: price }];
    Ok((Sale { lines, ..Sale::default() }, price))
}

fn sale() -> Result<TapRequest> {
    let (sale, amount) = sale_lines()?;
    Ok(TapRequest::Sale { sale, amount, price_revision: 1, retry_of: None })
}

/// Looks until a tag is there, or none is.
fn until(reader: &mut dyn TagReader, wanted: bool) -> Result<Option<hardware::tag::Tag>> {
    let deadline = Instant::now() + BOUND;
    loop {
        match reader.poll_tag() {
            Ok(tag) if tag.is_some() == wanted => return Ok(tag),
            Ok(_) | Err(ReaderError::TagGone) => {}
            Err(error) => return Err(error.into()),
        }
        ensure!(Instant::now() < deadline, "the reader does not see the band come or go");
    }
}
