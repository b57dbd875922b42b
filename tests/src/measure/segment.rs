//! Bytes an entry takes on the wire, for a bar that sells to accounts and one that sells to purses.
use std::collections::BTreeMap;

use anyhow::{Context, Result};
use box_store::{Decision, Store};
use domain::{
    id::{EntryRef, WalletId},
    journal::{ChipSeen, Detail, Effect, Entry, Intent, IntentPurpose, Kind, Means, Sale, SaleLine},
    money::{Cents, Currency},
    time::Hlc,
    wristband::{
        CreditId, RecordId,
        tap::{UidAccount, uid_sale_entry},
    },
};

use super::{Bench, Goal, Row, Size};

/// Bytes an entry that the goal names.
const BYTES: f64 = 20.0;
/// Entries of one segment, and different bands among them: an hour at a busy bar.
const ENTRIES: u32 = 500;
const BANDS: u64 = 400;

pub(super) fn rows(_: Size) -> Result<Vec<Row>> {
    let bench = Bench::new()?;
    let accounts = bench.store("accounts.db")?;
    for n in 0..u64::from(ENTRIES) {
        accounts.set_wall_ms(1_800_000_000_000 + n * 7_300 + chance(n) % 5_000);
        let account = UidAccount { wallet: wallet(n), currency: Currency::EUR, operator: 1 };
        let (sale, price) = sale(n);
        accounts.transact(move |_| Decision::write(vec![uid_sale_entry(&account, sale, price, 3)], ()))?;
    }
    let (purses, mut bands) = (bench.store("purses.db")?, Bands::default());
    for n in 0..u64::from(ENTRIES / 2) {
        purses.set_wall_ms(1_800_000_000_000 + n * 7_300 + chance(n) % 5_000);
        bands.sale(&purses, n)?;
    }
    Ok(vec![
        Row::new("entry on the wire, sales to accounts", "bytes", bytes_an_entry(&accounts)?, BYTES, Goal::AtMost(1.0)),
        Row::new("entry on the wire, sales to purses", "bytes", bytes_an_entry(&purses)?, BYTES, Goal::AtMost(1.0)),
    ])
}

fn bytes_an_entry(store: &Store) -> Result<f64> {
    let head = store.read(|view| view.head())?.context("a head")?;
    let segment = store.segment(head.at.device, head.at.epoch, 1, ENTRIES as usize)?.context("a segment")?;
    Ok(segment.encode()?.len() as f64 / segment.bodies.len() as f64)
}

pub(super) fn chance(n: u64) -> u64 {
    let mut x = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 29;
    x.wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ (x >> 32)
}

fn bytes<const N: usize>(n: u64) -> [u8; N] {
    let mut out = [0; N];
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = (chance(n * 31 + at as u64) >> 24) as u8;
    }
    out
}

fn wallet(n: u64) -> WalletId {
    WalletId(bytes(chance(n) % BANDS + 1_000_000))
}

fn cents(n: u64) -> Cents {
    Cents::new((n & 0xff_ffff) as u32).unwrap_or_default()
}

/// One or two lines of eight products, most with a cup.
fn sale(n: u64) -> (Sale, Cents) {
    let line = |n: u64| SaleLine {
        product: (chance(n) % 8) as u32 + 1,
        quantity: (chance(n + 7) % 3) as u32 + 1,
        unit_price: cents([350, 400, 450, 300, 700, 850, 250, 600][(chance(n) % 8) as usize]),
    };
    let lines: Vec<SaleLine> = (0..chance(n) % 2 + 1).map(|at| line(n * 2 + at)).collect();
    let goods: u32 = lines.iter().map(|line| line.unit_price.get() * line.quantity).sum();
    let (out, back) = (cents(100 * (chance(n) % 3)), cents(100 * (chance(n + 1) % 2)));
    let price = cents(u64::from(goods + out.get() - back.get().min(goods)));
    (Sale { deposit_out: out, deposit_back: back, lines, ..Sale::default() }, price)
}

/// What the chip of a guest's band shows, as far as this bar has touched it.
#[derive(Default)]
pub(super) struct Bands(BTreeMap<WalletId, (ChipSeen, u16)>);

impl Bands {
    /// A guest pays at this bar; half of them were at another one since the last time.
    pub(super) fn sale(&mut self, store: &Store, n: u64) -> Result<()> {
        let (sale, price) = sale(n);
        let wallet = wallet(n);
        let first = ChipSeen {
            base: RecordId(bytes(n * 3)),
            before: RecordId(bytes(n * 5 + 1)),
            before2: Some(RecordId(bytes(n * 7 + 2))),
            credit_seq: 1,
            credit_id: CreditId(bytes(n * 11 + 3)),
            credits: cents(5_000 * (chance(n + 3) % 4 + 1)),
            spent: cents(chance(n + 9) % 3_000),
        };
        let (mut seen, mut taps) = self.0.get(&wallet).copied().unwrap_or((first, (chance(n) % 30) as u16));
        if chance(n + 5).is_multiple_of(2) {
            (seen, taps) = (written(seen, RecordId(bytes(n * 17 + 6)), cents(650)), taps + 1);
        }
        let own = RecordId(bytes(n * 13 + 4));
        let deposits = Sale { lines: Vec::new(), ..sale.clone() };
        let after = written(seen, own, price);
        let mut intent = Entry::new(Kind::INTENT, Effect::Hold, Currency::EUR, Hlc::default());
        (intent.subject, intent.amount, intent.operator, intent.price_revision) = (wallet.into(), price, 1, 3);
        intent.tap_counter = taps + 1;
        let spent_after = after.spent;
        let purpose = IntentPurpose::Sale;
        let part = Intent {
            purpose,
            seen,
            own,
            spent_after,
            new_credit: None,
            old_credit: None,
            sale: Some(sale),
            fee: Cents::ZERO,
            means: Means::None,
        };
        intent.part = Detail::Intent(part).to_bytes();
        let intent: EntryRef =
            *store.transact(move |_| Decision::write(vec![intent], ()))?.refs.first().context("a ref")?;
        let mut commit = Entry::new(Kind::SALE, Effect::Debit, Currency::EUR, Hlc::default());
        (commit.subject, commit.amount, commit.operator, commit.price_revision) = (wallet.into(), price, 1, 3);
        (commit.tap_counter, commit.refers_to) = (taps + 1, Some(intent));
        commit.part = Detail::Sale(Some(deposits)).to_bytes();
        store.transact(move |_| Decision::write(vec![commit], ()))?;
        self.0.insert(wallet, (after, taps + 1));
        Ok(())
    }
}

/// The chip after a bar has written its record.
fn written(seen: ChipSeen, own: RecordId, price: Cents) -> ChipSeen {
    let spent = seen.spent.plus(price).unwrap_or(seen.spent);
    ChipSeen { base: own, before: seen.base, before2: Some(seen.before), spent, ..seen }
}
