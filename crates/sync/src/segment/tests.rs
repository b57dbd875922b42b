use domain::{
    id::{DeviceId, EntryRef, FestivalId, WalletId},
    journal::{ChipSeen, Detail, Effect, Intent, IntentPurpose, Sale, SaleLine},
    money::{Cents, Currency},
    time::Hlc,
    wristband::{CreditId, RecordId},
};
use proptest::prelude::*;

use super::*;
use crate::sample::{self, Journal};

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
    (Sale { deposit_out: cents(100), deposit_back: cents(0), lines, ..Sale::default() }, total + 100)
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

/// What the chip of a guest's band shows.
struct Band {
    wallet: WalletId,
    seen: ChipSeen,
    taps: u16,
}

/// 250 purse sales to 400 bands: the intent with what the chip showed, then its commit.
fn purse_sales(field: &mut Field) -> Segment {
    let mut journal = Journal::open(9, 0);
    let mut bands: Vec<Band> = (0..400)
        .map(|_| Band {
            wallet: WalletId(field.bytes()),
            seen: ChipSeen {
                base: RecordId(field.bytes()),
                before: RecordId(field.bytes()),
                before2: Some(RecordId(field.bytes())),
                credit_seq: 1,
                credit_id: CreditId(field.bytes()),
                credits: cents(1_000_000 + 1000 * field.below(8)),
                spent: cents(field.below(4_000)),
            },
            taps: 1 + field.below(30) as u16,
        })
        .collect();
    let mut ms = 1_800_000_000_000;
    for _ in 0..250 {
        ms += u64::from(4_000 + field.below(12_000));
        let (sale, amount) = sale(field);
        let Band { wallet, seen, taps } = &mut bands[field.below(400) as usize];
        // Half of the guests were at another bar since.
        if field.below(2) == 0 {
            *seen = written(*seen, RecordId(field.bytes()), 650);
            *taps += 1;
        }
        let own = RecordId(field.bytes());
        let deposits = Sale { lines: Vec::new(), ..sale.clone() };
        let intent = Intent {
            purpose: IntentPurpose::Sale,
            seen: *seen,
            own,
            spent_after: cents(seen.spent.get() + amount),
            new_credit: None,
            old_credit: None,
            sale: Some(sale),
            fee: Cents::ZERO,
            means: domain::journal::Means::None,
        };
        *seen = written(*seen, own, amount);
        *taps += 1;
        let header = Entry {
            subject: (*wallet).into(),
            amount: cents(amount),
            tap_counter: *taps,
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
            part: Detail::Sale(Some(deposits)).to_bytes(),
            ..header
        });
    }
    journal.segment(1, 500).unwrap()
}

/// The chip after a bar has written its record.
fn written(seen: ChipSeen, own: RecordId, amount: u32) -> ChipSeen {
    let spent = cents(seen.spent.get() + amount);
    ChipSeen { base: own, before: seen.base, before2: Some(seen.before), spent, ..seen }
}

fn per_entry(segment: &Segment) -> f64 {
    let bytes = segment.encode().unwrap();
    assert_eq!(Segment::decode(&bytes, &Limits::default()).as_ref(), Ok(segment));
    bytes.len() as f64 / segment.bodies.len() as f64
}

#[test]
fn sales_take_about_twenty_bytes_an_entry_on_the_wire() {
    let (uid, purse) = (per_entry(&uid_sales(&mut Field::new(1))), per_entry(&purse_sales(&mut Field::new(2))));

    assert!(uid <= 20.0, "UID sales: {uid} bytes an entry");
    assert!(purse <= 20.0, "purse sales: {purse} bytes an entry");
}

#[test]
fn sales_are_still_told_byte_for_byte() {
    for (name, segment, expected) in [
        ("UID", uid_sales(&mut Field::new(1)), "e45a0444cc5baaf3"),
        ("purse", purse_sales(&mut Field::new(2)), "0c4206618cd07a6a"),
    ] {
        let Split { ids, apart, columns } = columns::split(&segment.bodies, segment.place());
        let told = blake3::hash(&[ids.concat(), apart, columns].concat());
        assert_eq!(domain::wire::hex(&told.as_bytes()[..8]), expected, "{name}");
    }
}

#[test]
fn an_id_is_told_as_new_once_and_zeros_never() {
    let heard = |fresh: &[[u8; 16]]| {
        let (mut ids, mut known) = (ids::Ids::default(), std::collections::BTreeSet::new());
        fresh.iter().all(|_| ids.hear(1, fresh, &mut known).is_ok())
    };
    assert!(heard(&[[1; 16], [2; 16]]) && !heard(&[[0; 16]]) && !heard(&[[1; 16], [1; 16]]));
}

#[test]
fn a_time_stays_within_its_48_bits() {
    let last = u64::MAX >> 16;
    assert_eq!(difference::unzigzag_ms(2, last - 1), Ok(last));
    for told in [2, 4, last << 1] {
        assert!(difference::unzigzag_ms(told, last).is_err(), "{told}");
    }
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let ids = prop_oneof![Just([0u8; 16]), (0u8..4).prop_map(|n| [n; 16])];
    let reference = prop_oneof![
        Just(None),
        (0u8..3, 0u32..2, 0u32..20).prop_map(|(device, epoch, seq)| Some((device, epoch, seq))),
    ];
    let part = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        // Close to intents and sales, so that their own ways are taken.
        proptest::collection::vec(0u8..3, 20..60),
        Just(vec![1, 0, 1, 7, 2, 3]),
    ];
    let split = (0u8..2, 0u16..14, 0u8..4, any::<u64>(), ids.clone(), ids, any::<[u32; 3]>(), reference, part)
        .prop_map(|(flags, kind, effect, hlc, subject, other, [amount, counter, operator], reference, part)| {
            let mut out = Writer::new();
            out.u8(1);
            out.u8(flags);
            out.u16(kind);
            out.u8(effect);
            out.u8(0);
            out.u16(978);
            out.u64(hlc);
            out.bytes(&subject);
            out.bytes(&other);
            out.u32(amount);
            out.u16(counter as u16);
            out.u16(counter as u16 / 7);
            out.u32(operator);
            out.u32(3);
            match reference {
                Some((device, epoch, seq)) => EntryRef { device: DeviceId([device; 16]), epoch, seq }.write(&mut out),
                None => out.bytes(&[0; 24]),
            }
            out.bytes(&part);
            out.finish()
        });
    prop_oneof![4 => split, 1 => proptest::collection::vec(any::<u8>(), 0..120)]
}

fn any_segment() -> impl Strategy<Value = Segment> {
    (0u8..3, 0u32..2, 0u32..15, proptest::collection::vec(any_body(), 1..30)).prop_map(
        |(device, epoch, first, bodies)| Segment {
            device: DeviceId([device; 16]),
            epoch,
            first,
            prev: [9; 32],
            bodies,
            signature: [8; 64],
        },
    )
}

proptest! {
    #[test]
    fn bodies_come_back_byte_for_byte(segment in any_segment()) {
        let bytes = segment.encode().unwrap();
        prop_assert_eq!(Segment::decode(&bytes, &Limits::default()), Ok(segment));
    }

    #[test]
    fn columns_that_are_taken_are_the_only_ones_for_their_bodies(
        segment in any_segment(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut split = columns::split(&segment.bodies, segment.place());
        let at = at.index(split.columns.len() + split.apart.len());
        match at.checked_sub(split.columns.len()) {
            None => split.columns[at] = byte,
            Some(at) => split.apart[at] = byte,
        }
        let taken = columns::join(&split, segment.bodies.len(), segment.place(), &Limits::default());
        if let Ok(bodies) = taken {
            prop_assert_eq!(columns::split(&bodies, segment.place()), split);
        }
    }

    #[test]
    fn purse_sales_with_a_changed_byte_are_refused_or_told_in_the_only_way(
        seed in 0u8..4, at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let segment = purse_sales(&mut Field::new(seed));
        let mut split = columns::split(&segment.bodies, segment.place());
        let at = at.index(split.columns.len() + split.apart.len());
        match at.checked_sub(split.columns.len()) {
            None => split.columns[at] = byte,
            Some(at) => split.apart[at] = byte,
        }
        if let Ok(bodies) = columns::join(&split, segment.bodies.len(), segment.place(), &Limits::default()) {
            prop_assert_eq!(columns::split(&bodies, segment.place()), split);
        }
    }

    #[test]
    fn hostile_columns_never_panic(
        columns in proptest::collection::vec(0u8..4, 0..400), apart in proptest::collection::vec(0u8..4, 0..60),
        entries in 1usize..12, ids in 0u8..4,
    ) {
        let ids: Vec<[u8; 16]> = (0..ids).map(|n| [n + 1; 16]).collect();
        let place = columns::Place { device: DeviceId([0; 16]), epoch: 0, first: 0 };
        let _ = columns::join(&columns::Split { ids, apart, columns }, entries, place, &Limits::default());
    }
}

#[test]
fn a_segment_is_verified_against_key_festival_place_and_every_byte() {
    let mut journal = Journal::open(9, 2);
    (0..5).for_each(|n| {
        journal.note(&format!("note {n}"));
    });
    let festival = sample::founding().festival();
    let (whole, later) = (journal.segment(0, 9).unwrap(), journal.segment(3, 2).unwrap());
    assert_eq!(whole.verify(festival, &sample::public(9)), Ok(journal.heads.clone()));
    assert_eq!(later.verify(festival, &sample::public(9)).as_deref(), Ok(&journal.heads[3..5]));
    assert_eq!(later.verify(festival, &sample::public(8)), Err(SegmentError::Key(journal.device)));
    assert_eq!(later.verify(FestivalId([1; 16]), &sample::public(9)), Err(SegmentError::Signature(4)));
    assert_eq!(whole.verify(FestivalId([1; 16]), &sample::public(9)), Err(SegmentError::Genesis("another festival")));
    let moved = Segment { first: 4, ..later.clone() };
    assert_eq!(moved.verify(festival, &sample::public(9)), Err(SegmentError::Signature(5)));
    let other_epoch = Segment { epoch: 3, ..later.clone() };
    assert_eq!(other_epoch.verify(festival, &sample::public(9)), Err(SegmentError::Signature(4)));
    for body in 0..later.bodies.len() {
        for bit in 0..later.bodies[body].len() * 8 {
            let mut changed = later.clone();
            changed.bodies[body][bit / 8] ^= 1 << (bit % 8);
            assert!(changed.verify(festival, &sample::public(9)).is_err(), "body {body} bit {bit}");
        }
    }
}

#[test]
fn a_segment_that_ends_in_an_open_commit_is_refused() {
    let mut journal = Journal::open(9, 0);
    journal.append(Entry::new(Kind::NOTE, Effect::None, Currency::EUR, Hlc(2)).to_bytes());
    let open = journal.segment(1, 1).unwrap();
    assert_eq!(open.verify(sample::founding().festival(), &sample::public(9)), Err(SegmentError::OpenCommit(1)));
}

#[test]
fn a_journal_must_open_with_its_own_genesis() {
    let festival = sample::founding().festival();
    let mut journal = Journal::open(9, 0);
    journal.note("a note");
    let without = Segment { first: 0, prev: ZERO_HASH, ..journal.segment(1, 1).unwrap() };
    assert_eq!(without.verify(festival, &sample::public(9)), Err(SegmentError::Genesis("another kind")));
    let relabelled = Segment { epoch: 1, ..journal.segment(0, 2).unwrap() };
    assert_eq!(relabelled.verify(festival, &sample::public(9)), Err(SegmentError::Genesis("another epoch")));
    let late = Segment { prev: [1; 32], ..journal.segment(0, 2).unwrap() };
    assert_eq!(late.verify(festival, &sample::public(9)), Err(SegmentError::Genesis("not at the start")));
}

#[test]
fn a_segment_cut_anywhere_is_refused() {
    let bytes = Journal::open(9, 0).segment(0, 1).unwrap().encode().unwrap();
    for cut in 0..bytes.len() {
        assert!(Segment::decode(&bytes[..cut], &Limits::default()).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_segment_beyond_its_limits_is_neither_packed_nor_unpacked() {
    let journal = Journal::open(9, 0);
    let many = Segment { bodies: vec![vec![1]; SEGMENT_ENTRIES + 1], ..journal.segment(0, 1).unwrap() };
    assert!(matches!(many.encode(), Err(SegmentError::Entries { found: 501, .. })));
    let longest = |bodies: Vec<Vec<u8>>| Segment { bodies, ..many.clone() }.encode();
    assert!(longest(vec![vec![1; BODY_MAX]]).is_ok());
    for beyond in [1, 2] {
        assert!(matches!(longest(vec![vec![1; BODY_MAX + beyond]]), Err(SegmentError::TooLong { .. })));
    }
    let whole = vec![vec![1; BODY_MAX]; SEGMENT_BODIES / BODY_MAX];
    let rest = vec![1; SEGMENT_BODIES % BODY_MAX];
    assert!(longest([whole.clone(), vec![rest.clone()]].concat()).is_ok());
    assert!(longest([whole, vec![rest, vec![1]]].concat()).is_err());
    let large = Segment { bodies: vec![vec![1; BODY_MAX]; 300], ..many };
    assert!(matches!(large.encode(), Err(SegmentError::TooLong { .. })));
    let fair = journal.segment(0, 1).unwrap();
    let (length, fair) = (fair.body_bytes(), fair.encode().unwrap());
    for (entries, body, bodies, fits) in [
        (1, length, length, true),
        (0, length, length, false),
        (1, length - 1, length, false),
        (1, length - 2, length, false),
        (1, length, length - 1, false),
    ] {
        let limits = Limits { entries, body, bodies };
        assert_eq!(Segment::decode(&fair, &limits).is_ok(), fits, "{limits:?} {length}");
    }
    let tight = Limits { bodies: 100, ..Limits::default() };
    assert!(matches!(Segment::decode(&fair, &tight), Err(SegmentError::TooLong { .. })));
}

#[test]
#[allow(clippy::print_stderr, reason = "a measurement for a person")]
#[ignore = "prints what the columns and the levels give; run by hand with --release"]
fn sizes_and_times_by_level() {
    for (name, segment) in [("UID", uid_sales(&mut Field::new(1))), ("purse", purse_sales(&mut Field::new(2)))] {
        let Split { ids, apart, columns } = columns::split(&segment.bodies, segment.place());
        for level in [1, 3, 6, 9, 19] {
            let start = std::time::Instant::now();
            let packed: usize =
                (0..50).map(|_| zstd::bulk::compress(&columns, level).unwrap().len()).sum::<usize>() / 50;
            let bytes = packed + 16 * ids.len() + apart.len() + 131;
            eprintln!("{name} level {level}: {:.2} B an entry, {:?}", bytes as f64 / 500.0, start.elapsed() / 50);
        }
        let bytes = segment.encode().unwrap();
        let start = std::time::Instant::now();
        (0..50).for_each(|_| drop(segment.encode().unwrap()));
        let encode = start.elapsed() / 50;
        let start = std::time::Instant::now();
        (0..50).for_each(|_| drop(Segment::decode(&bytes, &Limits::default()).unwrap()));
        let decode = start.elapsed() / 50;
        let start = std::time::Instant::now();
        (0..50).for_each(|_| drop(segment.verify(sample::founding().festival(), &sample::public(9)).unwrap()));
        eprintln!("{name}: encode {encode:?}, decode {decode:?}, verify {:?}", start.elapsed() / 50);
    }
}
