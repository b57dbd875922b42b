use domain::{
    id::BoxNumber,
    journal::{Effect, Entry, Kind},
    ledger::{TicketFlags, TicketState, WalletFlags, WalletState},
    trust::Roles,
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
    // two people came in with one ticket: both are inside
    assert_eq!((books.admissions, books.guests_in), (6, 6));

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

mod judged;

#[test]
fn a_device_opens_as_many_journals_as_its_enrolments_could_need_and_no_more() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut one = SampleBox::new(20, ALL);
    for _ in 0..EPOCHS {
        one.top_up(wallet(1), 1);
        assert_eq!(hub.ingest(&one.segments(9)).unwrap()[0].branch.contiguous, 2);
        one = one.in_next_epoch(20);
    }
    one.top_up(wallet(1), 1);
    for _ in 0..2 {
        let stored = hub.ingest(&one.segments(9)).unwrap();
        assert_eq!((stored[0].branch.contiguous, stored[0].branches, stored[0].beyond), (0, 0, true));
    }
    assert_eq!(hub.journals().of_device(one.device).count(), EPOCHS);
    // what is there goes on, and so does everybody else
    let mut first = SampleBox::new(20, ALL);
    for _ in 0..3 {
        first.top_up(wallet(1), 1);
    }
    assert_eq!(hub.ingest(&[first.segment(2, 4)]).unwrap()[0].branch.contiguous, 4);
    let other = SampleBox::new(21, ALL);
    assert_eq!(hub.ingest(&other.segments(9)).unwrap()[0].branch.contiguous, 1);
    hub.publish().unwrap();
    assert_eq!(state(&hub, 1).balance, EPOCHS as i64 + 2);
}

#[test]
fn a_closure_looks_at_what_came_since_the_one_before_it() {
    let place = |run, seq| Place { journal: 1, run, seq };
    let run = |run, first, last| crate::store::StoredRun {
        run,
        first,
        prev: [0; 32],
        last,
        hash: [run as u8; 32],
        parent: (run > 0).then_some(0),
    };
    let mut journal = Journal::new(1, domain::id::DeviceId([1; 16]), 0, [0; 32]);
    journal.tree = tree::Tree::new(vec![run(0, 0, 900), run(1, 400, 700)]);
    let mut looks = |closures: &[Place], before: &[Place]| {
        journal.closures = closures.to_vec();
        unsettled(&journal, before)
    };
    assert_eq!(looks(&[place(0, 500)], &[]), [(0, 0, 900), (1, 400, 700)], "the first one");
    assert_eq!(looks(&[place(0, 500), place(0, 900)], &[place(0, 500)]), [(0, 501, 900)]);
    assert_eq!(looks(&[place(0, 500)], &[place(0, 500)]), [], "none is new");
    let of_another_line = looks(&[place(0, 500), place(1, 600)], &[place(0, 500)]);
    assert_eq!(of_another_line.len(), 2, "what stands before the fork was not settled on this line");
}

#[test]
fn bodies_are_gone_through_in_pages_up_to_the_last() {
    let mut desk = SampleBox::new(20, ALL);
    for n in 0..1_203u32 {
        desk.top_up(wallet(n as u8), 1);
    }
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    hub.ingest(&desk.segments(500)).unwrap();
    for (first, last) in [(0, 1_203), (499, 500), (500, 1_000), (7, 7), (9, 8)] {
        let mut seen = Vec::new();
        let mut each = |seq: u32, body: &[u8]| {
            assert_eq!(body, desk.bodies[seq as usize]);
            seen.push(seq);
            Ok(())
        };
        hub.store.each_body(1, 0, (first, last), &mut each).unwrap();
        assert_eq!(seen, (first..=last).collect::<Vec<_>>());
    }
}
