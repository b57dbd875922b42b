use domain::journal::{Block, BlockedKind, Detail, Subject};

use super::{revoked::beyond, *};

/// What a thief signs: nine things that a bar may not do, then one sale of 0.25 that it may.
const TRIES: usize = 10;
const SIGNED: usize = 10_000;
const STOLEN_CENTS: u32 = 25;
/// A wallet of the thief's own.
const HIS: u8 = 66;

/// Entry `n` of what the thief signs.
fn signs(bar: &mut SampleBox, n: usize) {
    let guest = wallet(u8::try_from(n / TRIES % 5).unwrap() + 1);
    let to_him = |bar: &mut SampleBox, kind, effect| {
        let entry = Entry { subject: wallet(HIS).into(), ..bar.entry(kind, effect, 30_000) };
        bar.commit(entry);
    };
    match n % TRIES {
        0 => _ = bar.top_up(wallet(HIS), 30_000),
        1 => to_him(bar, Kind::GIFT, Effect::Credit),
        2 => to_him(bar, Kind::ONLINE_TOP_UP, Effect::Credit),
        3 => to_him(bar, Kind::ONLINE_CREDIT, Effect::Credit),
        4 => to_him(bar, Kind(50), Effect::Credit),
        5 => {
            let entry = bar.entry(Kind::BAND_TRANSFER, Effect::Transfer, 2_000);
            bar.commit(Entry { subject: guest.into(), other: wallet(HIS).into(), ..entry });
        }
        6 => {
            let entry = bar.entry(Kind::REFUND, Effect::Debit, 2_000);
            bar.commit(Entry { subject: guest.into(), ..entry });
        }
        7 => _ = bar.admit(ticket(u8::try_from(n % 200).unwrap())),
        8 => {
            let part = Detail::Block(Block { of: BlockedKind::Wallet, reason: "band.refunded".into() }).to_bytes();
            let entry = bar.entry(Kind::BLOCK, Effect::Block, 0);
            bar.commit(Entry { subject: Subject::from(guest), part, ..entry });
        }
        _ => _ = bar.sale(guest, STOLEN_CENTS),
    }
}

#[test]
fn a_thief_who_signs_ten_thousand_entries_mints_nothing_and_after_the_revocation_nothing_counts() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let (mut desk, mut bar) = (SampleBox::new(20, ALL), SampleBox::new(21, Roles::BAR));
    (1..=5).for_each(|n| _ = desk.top_up(wallet(n), 2_000));
    adopt(&mut hub, &desk);
    adopt(&mut hub, &bar);
    hub.ingest(&desk.segments(100)).unwrap();
    (0..SIGNED).for_each(|n| signs(&mut bar, n));
    hub.ingest(&bar.segments(500)).unwrap();

    // what counts is what a bar may do: sales. They take what guests had, the rest is overspent, and nobody gained a cent
    let (taken, held) = (i64::from(STOLEN_CENTS) * (SIGNED / TRIES) as i64, 5 * 2_000);
    let after = money(&mut hub);
    assert_eq!((after.top_up, after.gifts, after.pending_issued, after.other_credit), (held, 0, 0, 0));
    assert_eq!((after.refunded, after.transferred, after.unexplained), (0, 0, 0));
    assert_eq!((after.spent, after.overspend), (taken, taken - held));
    let his = hub.store().wallet(wallet(HIS)).unwrap().and_then(|stored| stored.state);
    assert!(his.is_none_or(|state| WalletState::from_bytes(&state).unwrap().balance == 0), "the thief has nothing");
    for n in 1..=5 {
        assert!(!flags(&hub, n).has(WalletFlags::BLOCKED) && flags(&hub, n).has(WalletFlags::OVERSPENT), "{n}");
    }
    let books = totals::books(&hub.reading().unwrap()).unwrap();
    assert_eq!((books.admissions, books.guests_in), (0, 0), "nobody came in by it");
    // everything else is set aside, each entry by its place and reason
    let forbidden = SIGNED - SIGNED / TRIES;
    assert_eq!(hub.reading().unwrap().count_set_aside().unwrap(), forbidden as u64);
    let most = u32::try_from(SIGNED).unwrap();
    assert!(hub.store().all_set_aside(most).unwrap().iter().all(|aside| !aside.reason.is_empty()));
    let named = hub.matters(&Filter { kind: Some(MatterKind::ForbiddenEntry), ..Filter::default() }).unwrap().matters;
    assert!(!named.is_empty() && named.iter().all(|matter| matter.places.iter().all(|side| side.place == "Place 21")));
    let overspent = hub.matters(&Filter { kind: Some(MatterKind::Overspend), ..Filter::default() }).unwrap().matters;
    assert_eq!(overspent.len(), 5, "each guest that it robbed is on the list");

    // whatever it signs from now on counts nothing, and is named
    hub.revoke_device(bar.device, "stolen").unwrap();
    let counted = money(&mut hub);
    let from = bar.bodies.len();
    (0..2 * TRIES * 50).for_each(|n| signs(&mut bar, n));
    let later: Vec<_> = (from..bar.bodies.len()).step_by(500).map(|at| bar.segment(at, at + 500)).collect();
    hub.ingest(&later).unwrap();
    assert_eq!(money(&mut hub), counted);
    let matter = beyond(&mut hub, &bar);
    let places = matter.places.len() as u64 + u64::from(matter.more_places);
    assert!(matter.open && places > 0 && matter.amount_cents.is_some_and(|cents| cents > 0), "{matter:?}");
    drop(hub);
    let mut hub = sample::open(dir.path());
    assert_eq!(money(&mut hub), counted, "the same after a restart");
}

#[test]
fn what_a_stolen_bar_gives_back_for_nothing_counts_nothing_and_is_named() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut bar = SampleBox::new(21, Roles::BAR);
    adopt(&mut hub, &bar);
    let to_him = |bar: &mut SampleBox, kind, effect, refers_to| {
        let entry = bar.entry(kind, effect, 500);
        bar.commit(Entry { subject: wallet(HIS).into(), refers_to, ..entry })
    };
    let to_a_guest = bar.sale(wallet(1), 500);
    let ways = [
        (Kind::CORRECTION_PLUS, Effect::Credit),
        (Kind::CORRECTION_PLUS, Effect::Owe),
        (Kind::PENDING_CREDIT, Effect::Owe),
        (Kind::PENDING_CREDIT, Effect::Repay),
        (Kind::PENDING_CREDIT, Effect::Credit),
    ];
    for (kind, effect) in ways {
        to_him(&mut bar, kind, effect, None);
        to_him(&mut bar, kind, effect, Some(to_a_guest));
    }
    to_him(&mut bar, Kind::TOP_UP, Effect::Repay, Some(to_a_guest));
    hub.ingest(&bar.segments(100)).unwrap();
    let minted = money(&mut hub);
    let wrong = (minted.corrections, minted.pending_issued, minted.pending_credit, minted.unexplained);
    assert_eq!((minted.balance, minted.overspend, wrong), (0, 500, (0, 0, 0, 0)), "a guest was robbed, nobody gained");
    let filter = Filter { kind: Some(MatterKind::ForbiddenEntry), ..Filter::default() };
    let named = hub.matters(&filter).unwrap().matters;
    let his = named.iter().find(|matter| matter.subject == hex(&wallet(HIS).0)).unwrap();
    assert_eq!((his.places.len(), his.places[0].place.as_str()), (ways.len(), "Place 21"));
    // the certificate alone forbids what names nothing, and a delivery that is none
    assert_eq!(hub.reading().unwrap().count_set_aside().unwrap(), ways.len() as u64 + 1);

    // what it sold him it may take back, once
    let sold = to_him(&mut bar, Kind::SALE, Effect::Debit, None);
    let from = bar.bodies.len();
    for _ in 0..3 {
        to_him(&mut bar, Kind::CORRECTION_PLUS, Effect::Credit, Some(sold));
    }
    hub.ingest(&[bar.segment(from - 1, from + 3)]).unwrap();
    let back = money(&mut hub);
    assert_eq!((back.balance, back.overspend, back.corrections), (0, 500, 500));
}

#[test]
fn what_a_stolen_bar_takes_only_to_give_it_back_makes_no_money() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let (mut desk, mut bar) = (SampleBox::new(20, ALL), SampleBox::new(21, Roles::BAR));
    let mut purse = Purse::new(wallet(HIS));
    purse.top_up(&mut desk, 1_000);
    adopt(&mut hub, &desk);
    adopt(&mut hub, &bar);
    let to_him = |bar: &mut SampleBox, kind, effect, refers_to, amount| {
        let entry = bar.entry(kind, effect, amount);
        bar.commit(Entry { subject: wallet(HIS).into(), refers_to, ..entry })
    };
    // a sale that never touched the chip; cups that nobody brought; a credit carried nowhere, sold and given back
    let unseen = to_him(&mut bar, Kind::SALE, Effect::Debit, None, 1_000);
    to_him(&mut bar, Kind::CORRECTION_PLUS, Effect::Owe, Some(unseen), 1_000);
    to_him(&mut bar, Kind::SALE, Effect::Owe, None, 30_000);
    to_him(&mut bar, Kind::DEPOSIT_BACK, Effect::Owe, None, 30_000);
    let carry = purse.torn(&mut bar, IntentPurpose::Carry, 5_000);
    for _ in 0..3 {
        let sold = to_him(&mut bar, Kind::SALE, Effect::Debit, Some(carry), 5_000);
        to_him(&mut bar, Kind::CORRECTION_PLUS, Effect::Owe, Some(sold), 5_000);
    }
    hub.ingest(&desk.segments(100)).unwrap();
    hub.ingest(&bar.segments(100)).unwrap();
    let after = money(&mut hub);
    assert_eq!((after.top_up, after.deposits, after.unexplained), (1_000, 0, 0));
    assert!(after.balance + after.pending_credit <= 1_000, "nobody has more than was paid in: {after:?}");
    let state = hub.store().wallet(wallet(HIS)).unwrap().and_then(|stored| stored.state).unwrap();
    assert_eq!(WalletState::from_bytes(&state).unwrap().pending, 0, "no desk pays anything out");
    let filter = Filter { kind: Some(MatterKind::ForbiddenEntry), ..Filter::default() };
    assert!(!hub.matters(&filter).unwrap().matters.is_empty());
}
