use domain::{
    id::{BoxNumber, TicketUid, WalletId},
    journal::{
        BandProfile, Block, BlockedKind, ChipSeen, Detail, Effect, Entry, Intent, IntentPurpose, Kind, Pairing,
        Revocation, Sale, Subject,
    },
    ledger::{TicketFlags, TicketState, WalletFlags, WalletState},
    money::Cents,
    trust::Roles,
    wristband::{CreditId, RecordId},
};
use sync::SegmentError;

use super::*;
use crate::{
    sample::{self, SampleBox, ticket, wallet},
    totals,
};

const ALL: Roles = Roles(7);

fn state(hub: &Hub, n: u8) -> WalletState {
    let stored = hub.store().wallet(wallet(n)).unwrap().unwrap();
    WalletState::from_bytes(&stored.state.unwrap()).unwrap()
}

fn ticket_state(hub: &Hub, n: u8) -> TicketState {
    let bytes = hub.reading().unwrap().ticket_state(ticket(n)).unwrap().unwrap();
    TicketState::from_bytes(&bytes).unwrap()
}

fn digest(hub: &mut Hub) -> String {
    hub.publish().unwrap();
    totals::agreement(&hub.reading().unwrap(), 0).unwrap().digest
}

/// Two boxes that sell to the same bands and admit the same ticket.
fn evening() -> Vec<SampleBox> {
    let (mut desk, mut bar) = (SampleBox::new(20, ALL), SampleBox::new(21, ALL));
    for n in 1..=5 {
        desk.top_up(wallet(n), 2_000);
        bar.sale(wallet(n), 300 + u32::from(n));
        desk.sale(wallet(n), 100);
        desk.admit(ticket(n));
    }
    bar.admit(ticket(3));
    vec![desk, bar]
}

#[test]
fn any_order_and_any_repetition_give_the_same_state() {
    let boxes = evening();
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    for one in &boxes {
        hub.ingest(&one.segments(4)).unwrap();
    }
    let wanted = digest(&mut hub);
    assert_eq!(state(&hub, 1).balance, 2_000 - 301 - 100);
    assert_eq!(ticket_state(&hub, 3).uses, 2);

    let mut segments: Vec<VerifiedSegment> = boxes.iter().flat_map(|one| one.segments(3)).collect();
    segments.extend(boxes.iter().flat_map(|one| one.segments(5)));
    for turn in 0..6 {
        let dir = sample::hub_dir();
        let mut hub = sample::open(dir.path());
        // The journal's start comes first: nobody may write without a certificate that somebody knows.
        hub.ingest(&[boxes[0].segment(0, 1), boxes[1].segment(0, 1)]).unwrap();
        segments.rotate_left(turn * 2 + 1);
        if turn % 2 == 1 {
            segments.reverse();
        }
        for few in segments.chunks(turn + 1) {
            hub.ingest(few).unwrap();
        }
        assert_eq!(digest(&mut hub), wanted, "turn {turn}");
        assert_eq!(hub.journals().get(boxes[0].device, 0).unwrap().tree.entries(), boxes[0].bodies.len() as u64);
        assert!(
            hub.journals().all().iter().all(|journal| journal.tree.gaps().is_empty() && journal.forked_at.is_none())
        );
    }
}

#[test]
fn a_segment_of_a_journal_that_nobody_knows_is_asked_for_from_the_start() {
    let desk = evening().remove(0);
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let stored = hub.ingest(&[desk.segment(4, 8)]).unwrap();
    assert_eq!((stored[0].branch.contiguous, stored[0].branches), (0, 0));
    assert!(hub.journals().all().is_empty());
}

#[test]
fn commits_beyond_a_gap_count_at_once_and_the_gap_is_listed_until_it_is_filled() {
    let desk = evening().remove(0);
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    hub.ingest(&[desk.segment(0, 2)]).unwrap();
    let stored = hub.ingest(&[desk.segment(10, 12)]).unwrap();
    assert_eq!(stored[0].branch.contiguous, 2);
    hub.publish().unwrap();
    assert_eq!(state(&hub, 4).balance, 1_900);
    assert_eq!(hub.journals().all()[0].tree.gaps(), vec![(2, 9)]);
    let stored = hub.ingest(&[desk.segment(2, 10)]).unwrap();
    assert_eq!(stored[0].branch.contiguous, 12);
    assert!(hub.journals().all()[0].tree.gaps().is_empty());
}

#[test]
fn a_changed_body_or_signature_is_poison() {
    let desk = evening().remove(0);
    let good = desk.segment(0, 5).segment().clone();
    let public = desk.key.verifying_key().to_bytes();
    let mut body = good.clone();
    body.bodies[3][60] ^= 1;
    let mut signature = good.clone();
    signature.signature[5] ^= 1;
    for bad in [body, signature] {
        assert_eq!(VerifiedSegment::verify(bad, sample::festival(), &public), Err(SegmentError::Signature(4)));
    }
}

#[test]
fn a_forbidden_entry_is_set_aside_by_name_and_the_journal_goes_on() {
    let mut gate = SampleBox::new(30, Roles::GATE);
    gate.top_up(wallet(9), 500);
    gate.admit(ticket(9));
    let mut malformed = gate.entry(Kind::NOTE, Effect::None, 0).to_bytes();
    malformed[5] = 9;
    malformed[1] = 1;
    gate.raw(malformed);
    gate.admit(ticket(8));
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    hub.ingest(&gate.segments(100)).unwrap();
    hub.publish().unwrap();
    let aside = hub.store().all_set_aside(10).unwrap();
    assert_eq!(aside.iter().map(|one| one.place.seq).collect::<Vec<_>>(), vec![1, 3]);
    assert!(hub.store().wallet(wallet(9)).unwrap().is_none());
    assert_eq!((ticket_state(&hub, 9).uses, ticket_state(&hub, 8).uses), (1, 1));
}

#[test]
fn both_branches_of_a_fork_are_kept_and_disputed() {
    let mut desk = SampleBox::new(20, ALL);
    desk.top_up(wallet(1), 1_000);
    let mut other = desk.restored(2);
    desk.sale(wallet(1), 300);
    other.top_up(wallet(1), 700);
    other.sale(wallet(2), 50);
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    hub.ingest(&desk.segments(100)).unwrap();
    hub.publish().unwrap();
    assert_eq!(state(&hub, 1).balance, 700);
    let stored = hub.ingest(&other.segments(100)).unwrap();
    assert_eq!((stored[0].branches, stored[0].branch.contiguous), (2, 4));
    hub.publish().unwrap();
    let journal = hub.journals().get(desk.device, 0).unwrap();
    assert_eq!(journal.forked_at, Some(2));
    assert_eq!(journal.tree.entries(), 5);
    assert!(state(&hub, 1).flags.has(WalletFlags::DISPUTED));
    // The spend counts, the disputed credit stands apart.
    assert_eq!(state(&hub, 1).balance, 700);
    let before = digest(&mut hub);

    // The other way round gives the same, and so does reading it all anew from disk.
    let second = sample::hub_dir();
    let mut reversed = sample::open(second.path());
    reversed.ingest(&other.segments(1)).unwrap();
    reversed.ingest(&desk.segments(1)).unwrap();
    assert_eq!(digest(&mut reversed), before);
    drop(hub);
    let mut hub = sample::open(dir.path());
    assert_eq!(hub.journals().get(desk.device, 0).unwrap().forked_at, Some(2));
    assert_eq!(digest(&mut hub), before);
}

#[test]
fn a_countersigned_branch_is_in_force() {
    let mut desk = SampleBox::new(20, ALL);
    desk.top_up(wallet(1), 1_000);
    let mut other = desk.restored(2);
    desk.top_up(wallet(1), 300);
    other.top_up(wallet(1), 700);
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    hub.ingest(&desk.segments(100)).unwrap();
    assert_eq!(hub.countersign(true).unwrap(), 1);
    assert_eq!(hub.countersign(true).unwrap(), 0, "nothing new");
    hub.ingest(&other.segments(100)).unwrap();
    hub.publish().unwrap();
    assert_eq!(state(&hub, 1).balance, 1_300);
    drop(hub);
    let hub = sample::open(dir.path());
    assert_eq!(state(&hub, 1).balance, 1_300);
}

#[test]
fn what_a_revoked_box_writes_later_counts_nothing_and_is_kept() {
    let mut desk = SampleBox::new(20, ALL);
    desk.top_up(wallet(1), 1_000);
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    hub.adopt(&desk.chain.verify(&sample::founding()).unwrap(), &desk.chain.to_bytes()).unwrap();
    hub.ingest(&desk.segments(100)).unwrap();
    assert_eq!(hub.revoke_box(BoxNumber(20), "stolen").unwrap(), vec![desk.device]);
    assert!(hub.revoke_box(BoxNumber(99), "").is_err());
    desk.top_up(wallet(1), 5_000);
    desk.admit(ticket(1));
    let stored = hub.ingest(&[desk.segment(2, 4)]).unwrap();
    assert_eq!(stored[0].branch.contiguous, 4, "it is kept and acknowledged");
    hub.publish().unwrap();
    assert_eq!(state(&hub, 1).balance, 1_000);
    assert_eq!(ticket_state(&hub, 1).uses, 0);
    assert!(hub.revoked_devices().unwrap().contains(&desk.device));
    drop(hub);
    let mut hub = sample::open(dir.path());
    hub.publish().unwrap();
    assert_eq!(state(&hub, 1).balance, 1_000);
}

#[test]
fn an_entry_of_newer_software_freezes_what_it_names() {
    let mut desk = SampleBox::new(20, ALL);
    desk.top_up(wallet(1), 1_000);
    let entry = desk.entry(Kind(900), Effect::Unknown(77), 0);
    let mut body = Entry { subject: wallet(1).into(), ..entry }.to_bytes();
    (body[0], body[1]) = (2, 1);
    desk.raw(body);
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    hub.ingest(&desk.segments(100)).unwrap();
    hub.publish().unwrap();
    assert!(state(&hub, 1).flags.has(WalletFlags::FROZEN));
    assert!(!totals::books(&hub.reading().unwrap()).unwrap().view().balanced);
}

#[test]
fn a_database_dropped_in_the_middle_holds_exactly_what_was_acknowledged() {
    let boxes = evening();
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let segments: Vec<_> = boxes.iter().flat_map(|one| one.segments(4)).collect();
    let (first, rest) = segments.split_at(3);
    hub.ingest(first).unwrap();
    // The process ends in the middle of a transaction: what a kill leaves is an unfinished one.
    let journals = hub.journals.clone();
    let died: Result<(), StoreError> = hub.store.transaction(|store| {
        store.add_entries(1, 0, 900, &[vec![1; 100]])?;
        Err(StoreError::Damaged("killed"))
    });
    assert!(died.is_err());
    hub.journals = journals;
    std::mem::forget(hub);
    let mut hub = sample::open(dir.path());
    assert_eq!(hub.term(), 1, "a kill is no restore");
    let held: u64 = hub.journals().all().iter().map(|journal| journal.tree.entries()).sum();
    assert_eq!(held, first.iter().map(|one| one.segment().bodies.len() as u64).sum::<u64>());
    hub.ingest(rest).unwrap();
    hub.ingest(first).unwrap();
    let other = sample::hub_dir();
    let mut whole = sample::open(other.path());
    whole.ingest(&segments).unwrap();
    assert_eq!(digest(&mut hub), digest(&mut whole));
}

#[test]
fn the_books_balance_and_a_block_is_seen() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    for one in evening() {
        hub.ingest(&one.segments(100)).unwrap();
    }
    assert!(hub.block_wallet(wallet(2)).unwrap());
    assert!(!hub.block_wallet(wallet(2)).unwrap(), "it is blocked already");
    assert!(hub.block_wallet(wallet(77)).unwrap(), "a band that nobody has seen");
    hub.publish().unwrap();
    assert!(state(&hub, 2).flags.has(WalletFlags::BLOCKED));
    assert!(state(&hub, 77).flags.has(WalletFlags::BLOCKED));
    assert!(hub.unblock_wallet(wallet(2)).unwrap());
    hub.publish().unwrap();
    assert!(!state(&hub, 2).flags.has(WalletFlags::BLOCKED));
    let books = totals::books(&hub.reading().unwrap()).unwrap();
    assert_eq!(books.money.top_up, 10_000);
    assert_eq!(books.money.spent, (301..=305).sum::<i64>() + 500);
    assert_eq!(books.money.balance, 10_000 - books.money.spent);
    assert!(books.money.balances() && books.view().balanced);
    assert_eq!((books.admissions, books.guests_in), (6, 5));

    hub.bar_tickets(&[ticket(4), ticket(200)], crate::store::BarReason::Revoked).unwrap();
    hub.publish().unwrap();
    assert!(
        ticket_state(&hub, 4).flags.has(TicketFlags::REVOKED) && ticket_state(&hub, 4).flags.has(TicketFlags::USED)
    );
    assert!(ticket_state(&hub, 200).flags.has(TicketFlags::REVOKED));
    hub.bar_tickets(&[ticket(5)], crate::store::BarReason::Blocked).unwrap();
    hub.publish().unwrap();
    assert!(ticket_state(&hub, 5).flags.has(TicketFlags::BLOCKED));
    assert!(hub.unblock_ticket(ticket(5)).unwrap());
    hub.publish().unwrap();
    assert!(!ticket_state(&hub, 5).flags.has(TicketFlags::BLOCKED));
}

#[test]
fn a_double_admission_is_named_with_both_places() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    for one in evening() {
        hub.adopt(&one.chain.verify(&sample::founding()).unwrap(), &one.chain.to_bytes()).unwrap();
        hub.ingest(&one.segments(100)).unwrap();
    }
    hub.publish().unwrap();
    let reading = hub.reading().unwrap();
    let view = hub.overview().unwrap().complete(&totals::books(&reading).unwrap(), &reading).unwrap();
    assert_eq!(view.conflicts.len(), 1);
    assert_eq!(view.conflicts[0].kind, screens::view::ConflictKind::DoubleAdmission);
    let mut places: Vec<&str> = view.conflicts[0].places.iter().map(|place| place.place.as_str()).collect();
    places.sort_unstable();
    assert_eq!(places, ["Place 20", "Place 21"]);
    assert_eq!(view.boxes.iter().map(|one| one.entries).collect::<Vec<_>>(), vec![16, 7]);
}

/// Part of a block that says what it is about.
fn block_part(of: BlockedKind) -> Vec<u8> {
    Detail::Block(Block { of, reason: "code".into() }).to_bytes()
}

/// All that is known of some ids, as wallet and as ticket, and what does not fit together.
fn everything(hub: &mut Hub) -> (String, Vec<(Vec<u8>, Vec<u8>)>, Vec<String>) {
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
        let pairing = Detail::Pairing(Pairing { profile: BandProfile::Uid }).to_bytes();
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
