use domain::{
    id::{EntryRef, WalletId},
    journal::{ChipSeen, Detail, Effect, Intent, IntentPurpose, Sale, SaleLine},
    money::{Cents, Currency},
    time::Hlc,
    wristband::{CreditId, RecordId},
};
use proptest::prelude::*;

use super::*;
use crate::sample::Journal;

/// Deterministic stand-in for what is random in the field.
struct Field(blake3::OutputReader);

impl Field {
    fn new(seed: u8) -> Self {
        Self(blake3::Hasher::new().update(&[seed]).finalize_xof())
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.0.fill(&mut out);
        out
    }

    fn below(&mut self, n: u32) -> u32 {
        u32::from_le_bytes(self.bytes()) % n
    }
}

fn cents(n: u32) -> Cents {
    Cents::new(n).unwrap()
}

fn sale(field: &mut Field) -> (Sale, u32) {
    const PRICES: [u32; 12] = [300, 350, 400, 450, 500, 550, 600, 650, 700, 800, 900, 1200];
    let mut total = 0;
    let lines = (0..1 + field.below(2)).map(|_| {
        let (product, quantity) = (field.below(12), [1, 1, 1, 2, 2, 3][field.below(6) as usize]);
        let price = PRICES[product as usize];
        total += price * quantity;
        SaleLine { product: product + 1, quantity, unit_price: cents(price) }
    });
    let lines: Vec<SaleLine> = lines.collect();
    (Sale { deposit_out: cents(100), deposit_back: cents(0), lines }, total + 100)
}

/// 500 sales to wallets that come back about three times an evening at this bar.
fn uid_sales(field: &mut Field) -> Segment {
    let guests: Vec<WalletId> = (0..600).map(|_| WalletId(field.bytes())).collect();
    let mut journal = Journal::open(9, 0);
    let mut ms = 1_800_000_000_000;
    for _ in 0..500 {
        ms += u64::from(4_000 + field.below(12_000));
        let (sale, amount) = sale(field);
        journal.commit(Entry {
            subject: guests[field.below(600) as usize].into(),
            amount: cents(amount),
            operator: 7,
            price_revision: 3,
            part: Detail::Sale(Some(sale)).to_bytes(),
            ..Entry::new(Kind::SALE, Effect::Debit, Currency::EUR, Hlc(ms << 16))
        });
    }
    journal.segment(1, 500).unwrap()
}

/// 250 purse sales: the intent with what the chip showed, then its commit.
fn purse_sales(field: &mut Field) -> Segment {
    let mut journal = Journal::open(9, 0);
    // (wallet, credit record, its credits, spent, record in force, the one before, tap counter)
    let mut guests: Vec<_> = (0..300)
        .map(|_| {
            let credits = 1_000_000 + 1000 * field.below(8);
            (WalletId(field.bytes()), CreditId(field.bytes()), credits, field.below(4_000), RecordId(field.bytes()), RecordId(field.bytes()), 1 + field.below(30) as u16)
        })
        .collect();
    let mut ms = 1_800_000_000_000;
    for _ in 0..250 {
        ms += u64::from(4_000 + field.below(12_000));
        let (sale, amount) = sale(field);
        let guest = field.below(300) as usize;
        // Half of the guests were at another bar since.
        if field.below(2) == 0 {
            let (_, _, _, spent, base, before, taps) = &mut guests[guest];
            (*spent, *before, *base, *taps) = (*spent + 650, *base, RecordId(field.bytes()), *taps + 1);
        }
        let (wallet, credit_id, credits, spent, base, before, taps) = guests[guest];
        let own = RecordId(field.bytes());
        let intent = Intent {
            purpose: IntentPurpose::Sale,
            seen: ChipSeen { base, before, before2: None, credit_seq: 1, credit_id, credits: cents(credits), spent: cents(spent) },
            own,
            spent_after: cents(spent + amount),
            new_credit: None,
            old_credit: None,
            sale: Some(sale),
        };
        guests[guest] = (wallet, credit_id, credits, spent + amount, own, base, taps + 1);
        let header = Entry {
            subject: wallet.into(),
            amount: cents(amount),
            tap_counter: taps + 1,
            operator: 7,
            price_revision: 3,
            ..Entry::new(Kind::INTENT, Effect::Hold, Currency::EUR, Hlc(ms << 16))
        };
        let part = Detail::Intent(intent).to_bytes();
        let head = journal.commit(Entry { part, ..header.clone() });
        ms += u64::from(60 + field.below(60));
        journal.commit(Entry {
            kind: Kind::SALE,
            effect: Effect::Debit,
            hlc: Hlc(ms << 16),
            refers_to: Some(EntryRef { device: journal.device, epoch: 0, seq: head.seq }),
            ..header
        });
    }
    journal.segment(1, 500).unwrap()
}

fn per_entry(segment: &Segment) -> f64 {
    let bytes = segment.encode().unwrap();
    assert_eq!(Segment::decode(&bytes, &Limits::default()).as_ref(), Ok(segment));
    bytes.len() as f64 / segment.bodies.len() as f64
}

#[test]
fn sales_take_about_twenty_bytes_an_entry_on_the_wire() {
    let (uid, purse) = (per_entry(&uid_sales(&mut Field::new(1))), per_entry(&purse_sales(&mut Field::new(2))));
    eprintln!("uid {uid:.2} purse {purse:.2}");
    assert!(uid <= 20.0, "UID sales: {uid} bytes an entry");
    assert!(purse <= 20.0, "purse sales: {purse} bytes an entry");
}
