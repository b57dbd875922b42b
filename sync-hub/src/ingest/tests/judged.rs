//! Blocks, entries of newer software, commits that lie and losses: the same in any order of arrival.
use domain::{
    id::{TicketUid, WalletId},
    journal::{
        BandProfile, Block, BlockedKind, ChipSeen, Detail, Intent, IntentPurpose, Pairing, Revocation, Sale, Subject,
    },
    money::Cents,
    wristband::{CreditId, RecordId},
};

use super::*;

/// Part of a block that says what it is about.
fn block_part(of: BlockedKind) -> Vec<u8> {
    Detail::Block(Block { of, reason: "code".into() }).to_bytes()
}

/// State as a wallet and state as a ticket.
type Known = (Vec<u8>, Vec<u8>);

/// All that is known of some ids, as wallet and as ticket, and what does not fit together.
fn everything(hub: &mut Hub) -> (String, Vec<Known>, Vec<String>) {
    let digest = digest(hub);
    let reading = hub.reading().unwrap();
    let known = |id: [u8; 16]| {
        let wallet = hub.store().wallet(WalletId(id)).unwrap().and_then(|stored| stored.state).unwrap_or_default();
        (wallet, reading.ticket_state(TicketUid(id)).unwrap().unwrap_or_default())
    };
    let ids = (1..=8).flat_map(|n| [wallet(n).0, ticket(n).0]).map(known).collect();
    (digest, ids, reading.conflicts(100).unwrap())
}

/// Shuffled by a small generator, the same for the same turn.
fn mixed(segments: &[VerifiedSegment], turn: u64) -> Vec<VerifiedSegment> {
    let mut mixed: Vec<_> = segments.iter().cloned().enumerate().collect();
    let place = |at: usize| (at as u64 + 1).wrapping_mul(turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1).rotate_left(23);
    mixed.sort_by_key(|(at, _)| place(*at));
    mixed.into_iter().map(|(_, segment)| segment).collect()
}

#[test]
fn blocks_and_newer_entries_mean_the_same_before_and_after_what_they_are_about_is_known() {
    // A hub's journal that blocks a band and a ticket, lifts one of two, and decides something about an id.
    let mut other_hub = SampleBox::hub(6);
    let act = |hub: &mut SampleBox, kind, effect, subject: Subject, part, refers_to| {
        let entry = Entry { subject, part, refers_to, ..hub.entry(kind, effect, 0) };
        hub.commit(entry)
    };
    let of = |of| block_part(of);
    act(&mut other_hub, Kind::BLOCK, Effect::Block, wallet(1).into(), of(BlockedKind::Wallet), None);
    act(&mut other_hub, Kind::BLOCK, Effect::Block, ticket(2).into(), of(BlockedKind::Ticket), None);
    let lifted = act(&mut other_hub, Kind::BLOCK, Effect::Block, wallet(3).into(), of(BlockedKind::Wallet), None);
    act(&mut other_hub, Kind::UNBLOCK, Effect::Unblock, wallet(3).into(), of(BlockedKind::Wallet), Some(lifted));
    act(&mut other_hub, Kind::DECISION, Effect::Block, ticket(4).into(), Vec::new(), None);
    let revocation = Revocation { heads: Vec::new(), reason: "ticket.revoked".into() };
    let revoked = Detail::Revocation(BlockedKind::Ticket, revocation).to_bytes();
    act(&mut other_hub, Kind::REVOCATION, Effect::Block, ticket(5).into(), revoked, None);
    // A block whose part does not say what it is about counts for nothing.
    act(&mut other_hub, Kind::BLOCK, Effect::Block, wallet(2).into(), b"band.blocked".to_vec(), None);

    // A box with newer software: an effect that nobody knows, about a ticket and a band, and a newer body.
    let mut newer = SampleBox::new(22, ALL);
    let unknown = newer.entry(Kind::NOTE, Effect::Unknown(77), 0);
    newer.commit(Entry { subject: ticket(1).into(), other: wallet(4).into(), ..unknown });
    let mut body = Entry { subject: wallet(5).into(), ..newer.entry(Kind(900), Effect::None, 0) }.to_bytes();
    (body[0], body[1]) = (2, 1);
    newer.raw(body);

    let mut boxes = evening();
    for n in 1..=5 {
        let pairing = Detail::Pairing(Pairing::of(BandProfile::Uid)).to_bytes();
        let entry = boxes[0].entry(Kind::PAIRING, Effect::None, 0);
        boxes[0].commit(Entry { subject: wallet(n).into(), other: ticket(n).into(), part: pairing, ..entry });
    }
    let firsts: Vec<_> = boxes.iter().chain([&other_hub, &newer]).map(|one| one.segment(0, 1)).collect();
    let blocks: Vec<_> = [&other_hub, &newer].iter().flat_map(|one| one.segments(1)).collect();
    let evening: Vec<_> = boxes.iter().flat_map(|one| one.segments(3)).collect();

    let outcome = |segments: &[VerifiedSegment], step: usize, publishes: bool| {
        let dir = sample::hub_dir();
        let mut hub = sample::open(dir.path());
        hub.ingest(&firsts).unwrap();
        for few in segments.chunks(step) {
            hub.ingest(few).unwrap();
            if publishes {
                hub.publish().unwrap();
            }
        }
        let found = everything(&mut hub);
        (dir, hub, found)
    };
    // Everything that blocks and freezes is there before the first admission, pairing and sale.
    let before: Vec<_> = blocks.iter().chain(&evening).cloned().collect();
    let (_dir, hub, wanted) = outcome(&before, 1, true);
    let wallet_flag = |n, flag| state(&hub, n).flags.has(flag);
    let ticket_flag = |n, flag| ticket_state(&hub, n).flags.has(flag);
    assert_eq!(
        (1..=5).map(|n| wallet_flag(n, WalletFlags::BLOCKED)).collect::<Vec<_>>(),
        [true, false, false, false, false]
    );
    assert_eq!(
        (1..=5).map(|n| wallet_flag(n, WalletFlags::FROZEN)).collect::<Vec<_>>(),
        [false, false, false, true, true]
    );
    assert_eq!(
        (1..=5).map(|n| ticket_flag(n, TicketFlags::BLOCKED)).collect::<Vec<_>>(),
        [false, true, false, true, false]
    );
    assert_eq!(
        (1..=5).map(|n| ticket_flag(n, TicketFlags::FROZEN)).collect::<Vec<_>>(),
        [true, false, false, false, false]
    );
    assert!(ticket_flag(5, TicketFlags::REVOKED) && ticket_flag(1, TicketFlags::USED));
    assert_eq!(state(&hub, 1).balance, 2_000 - 301 - 100);
    let aside = hub.store().all_set_aside(10).unwrap();
    assert_eq!(aside.len(), 1, "{aside:?}");
    let reading = hub.reading().unwrap();
    assert_eq!(totals::books(&reading).unwrap().frozen, 3, "a ticket and two bands wait");
    let kinds: Vec<_> = reading
        .conflicts(10)
        .unwrap()
        .iter()
        .flat_map(|kept| crate::conflicts::read(kept))
        .map(|kept| kept.view(|_| String::new()).what_code)
        .collect();
    assert_eq!(kinds.iter().filter(|code| *code == "hub.frozen_subject").count(), 3, "{kinds:?}");

    for turn in 1..=24 {
        let segments = mixed(&before, turn);
        let step = usize::try_from(turn % 5 + 1).unwrap();
        let (_dir, _hub, found) = outcome(&segments, step, turn % 2 == 0);
        assert_eq!(found, wanted, "turn {turn}");
    }
}

#[test]
fn a_bar_that_commits_less_than_it_held_is_set_aside_in_any_order_and_its_hold_stays_in_doubt() {
    let mut desk = SampleBox::new(20, ALL);
    desk.top_up(wallet(1), 2_000);
    let mut bar = SampleBox::new(21, Roles::BAR);
    let intent = Intent {
        purpose: IntentPurpose::Sale,
        seen: ChipSeen {
            base: RecordId([1; 4]),
            before: RecordId([2; 4]),
            before2: None,
            credit_seq: 1,
            credit_id: CreditId([3; 4]),
            credits: Cents::new(2_000).unwrap(),
            spent: Cents::ZERO,
        },
        own: RecordId([4; 4]),
        spent_after: Cents::new(900).unwrap(),
        new_credit: None,
        old_credit: None,
        sale: Some(Sale::default()),
    };
    let hold = Entry {
        subject: wallet(1).into(),
        tap_counter: 5,
        part: Detail::Intent(intent).to_bytes(),
        ..bar.entry(Kind::INTENT, Effect::Hold, 900)
    };
    let hold = bar.commit(hold);
    let commit = bar.entry(Kind::SALE, Effect::Debit, 100);
    let lie = bar.commit(Entry { subject: wallet(1).into(), tap_counter: 5, refers_to: Some(hold), ..commit });
    bar.sale(wallet(1), 50);

    let all: Vec<_> = [&desk, &bar].iter().flat_map(|one| one.segments(1)).collect();
    let mut seen = Vec::new();
    for turn in 0..12 {
        let dir = sample::hub_dir();
        let mut hub = sample::open(dir.path());
        hub.ingest(&[desk.segment(0, 1), bar.segment(0, 1)]).unwrap();
        for one in mixed(&all, turn) {
            hub.ingest(&[one]).unwrap();
            hub.publish().unwrap();
        }
        assert_eq!((state(&hub, 1).balance, state(&hub, 1).in_doubt), (2_000 - 900 - 50, 900), "turn {turn}");
        assert_eq!(totals::books(&hub.reading().unwrap()).unwrap().money.spent, 50);
        let (_, standing, _) = hub.entry_at(lie.device, lie.epoch, lie.seq).unwrap().remove(0);
        assert_eq!(standing, domain::ledger::Standing::SetAside(domain::ledger::Reason::OtherAmount));
        let found = everything(&mut hub);
        let shown: Vec<_> = found.2.iter().flat_map(|kept| crate::conflicts::read(kept)).collect();
        let view = shown[0].view(|number| number.0.to_string());
        assert_eq!((shown.len(), view.what_code.as_str(), view.amount_cents), (1, "hub.forbidden_entry", Some(100)));
        assert_eq!((view.places[0].entry.clone(), view.places[0].place.as_str()), (lie.to_string(), "21"));
        seen.push(found);
        // What is known survives a restart.
        drop(hub);
        assert_eq!(everything(&mut sample::open(dir.path())), seen[0]);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn what_was_handed_over_without_payment_is_named_as_a_loss() {
    let mut desk = SampleBox::new(20, ALL);
    desk.top_up(wallet(1), 2_000);
    let seen = |n: u8| ChipSeen {
        base: RecordId([n; 4]),
        before: RecordId([n - 1; 4]),
        before2: None,
        credit_seq: 1,
        credit_id: CreditId([3; 4]),
        credits: Cents::new(2_000).unwrap(),
        spent: Cents::ZERO,
    };
    let intent = |own: u8| Intent {
        purpose: IntentPurpose::Sale,
        seen: seen(10),
        own: RecordId([own; 4]),
        spent_after: Cents::new(400).unwrap(),
        new_credit: None,
        old_credit: None,
        sale: Some(Sale::default()),
    };
    let tap = |one: &mut SampleBox, own, cents| {
        let entry = one.entry(Kind::INTENT, Effect::Hold, cents);
        let part = Detail::Intent(intent(own)).to_bytes();
        one.commit(Entry { subject: wallet(1).into(), tap_counter: 5, part, ..entry })
    };
    let mut bar = SampleBox::new(21, Roles::BAR);
    let served = tap(&mut bar, 11, 400);
    for kind in [Kind::HANDED_OVER, Kind::GAVE_UP] {
        let entry = bar.entry(kind, Effect::None, 0);
        bar.commit(Entry { subject: wallet(1).into(), refers_to: Some(served), ..entry });
    }
    // Another box wrote its record where the first one's would be.
    let paid = tap(&mut desk, 12, 300);
    let entry = desk.entry(Kind::SALE, Effect::Debit, 300);
    desk.commit(Entry { subject: wallet(1).into(), tap_counter: 5, refers_to: Some(paid), ..entry });
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    hub.ingest(&[desk.segments(100), bar.segments(100)].concat()).unwrap();
    hub.publish().unwrap();
    let reading = hub.reading().unwrap();
    let view = hub.overview().unwrap().complete(&totals::books(&reading).unwrap(), &reading).unwrap();
    let shown: Vec<_> = view.conflicts.iter().map(|c| (c.what_code.as_str(), c.amount_cents)).collect();
    assert_eq!(shown, [("hub.loss", Some(400))]);
    assert_eq!(view.conflicts[0].todo_code, "hub.loss_todo");
    assert_eq!(view.conflicts[0].places[0].entry, served.to_string());
}
