use domain::trust::Roles;
use sync::{Delta, DeltaProgress, frame::SectionHeld};

use super::*;
use crate::{
    deltas::feed::Next,
    sample::{self, SampleBox, wallet},
};

fn opened(delta: &SignedDelta) -> Delta {
    delta.open(&sample::festival(), &[sample::key(3).verifying_key().to_bytes()]).unwrap()
}

fn part(hub: &Hub, section: Section, progress: DeltaProgress) -> Option<Delta> {
    match hub.feeds().next(section, progress.term, progress.number, None) {
        Next::Part(delta) => Some(opened(&delta)),
        Next::Nothing | Next::MakeSnapshot => None,
    }
}

#[test]
fn batches_are_numbered_without_a_gap_and_a_box_that_lacks_one_gets_a_snapshot() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut desk = SampleBox::new(20, Roles(7));
    for n in 1..=3 {
        desk.top_up(wallet(n), 100);
    }
    let mut fresh = DeltaProgress::default();
    assert_eq!(hub.feeds().next(Section::Wallets, 0, 0, None), Next::MakeSnapshot);
    hub.snapshot(Section::Wallets).unwrap();
    let first = part(&hub, Section::Wallets, fresh).unwrap();
    assert!(first.snapshot && first.items.is_empty());
    assert_eq!(fresh.take(&first), Ok(true));

    for n in 1..=3 {
        hub.ingest(&[desk.segment(if n == 1 { 0 } else { n }, n + 1)]).unwrap();
        assert_eq!(hub.publish().unwrap(), vec![Section::Wallets, Section::Tickets]);
        assert_eq!(hub.publish().unwrap(), vec![], "nothing changed");
        let delta = part(&hub, Section::Wallets, fresh).unwrap();
        assert_eq!((delta.prev, delta.number, delta.snapshot), (fresh.number, fresh.number + 1, false));
        assert_eq!(WalletState::from_bytes(&delta.items).unwrap().balance, 100);
        assert_eq!(delta.vector[0].branches[0].contiguous, n as u32 + 1);
        assert_eq!(fresh.take(&delta), Ok(true));
    }
    assert_eq!(hub.feeds().next(Section::Wallets, fresh.term, fresh.number, None), Next::Nothing);

    // An old snapshot and the batches behind it lead to the same.
    let mut slow = DeltaProgress::default();
    while let Some(delta) = part(&hub, Section::Wallets, slow) {
        assert_eq!(slow.take(&delta), Ok(true));
    }
    assert_eq!(slow, fresh);
    let mut late = DeltaProgress::default();
    hub.snapshot(Section::Wallets).unwrap();
    let snapshot = part(&hub, Section::Wallets, late).unwrap();
    assert!(snapshot.snapshot);
    assert_eq!((snapshot.number, snapshot.items.len()), (fresh.number, 3 * WalletState::LEN));
    assert_eq!(late.take(&snapshot), Ok(true));
    // A snapshot stays good as long as the batches behind it are kept.
    desk.top_up(wallet(1), 5);
    hub.ingest(&[desk.segment(4, 5)]).unwrap();
    hub.publish().unwrap();
    assert!(part(&hub, Section::Wallets, DeltaProgress::default()).unwrap().snapshot);
    assert_eq!(late.take(&part(&hub, Section::Wallets, late).unwrap()), Ok(true));
}

#[test]
fn a_box_that_was_away_while_the_hub_started_anew_goes_on_from_where_it_was() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut desk = SampleBox::new(20, Roles(7));
    (1..=3).for_each(|n| {
        desk.top_up(wallet(n), 100);
    });
    hub.snapshot(Section::Wallets).unwrap();
    let mut away = DeltaProgress::default();
    assert_eq!(away.take(&part(&hub, Section::Wallets, away).unwrap()), Ok(true));
    let first = away.number;
    for n in 1..=3 {
        hub.ingest(&[desk.segment(if n == 1 { 0 } else { n }, n + 1)]).unwrap();
        hub.publish().unwrap();
    }
    drop(hub);
    let hub = sample::open(dir.path());
    let mut told = Vec::new();
    while let Some(delta) = part(&hub, Section::Wallets, away) {
        assert!(!delta.snapshot && delta.prev == away.number, "{delta:?}");
        told.extend(delta.items.chunks(WalletState::LEN).map(|item| WalletState::from_bytes(item).unwrap().wallet));
        assert_eq!(away.take(&delta), Ok(true));
    }
    assert_eq!(told, [wallet(1), wallet(2), wallet(3)]);
    assert_eq!(away.number, hub.numbers[&Section::Wallets]);

    // what a disk changed is left out: a snapshot takes its place
    drop(hub);
    let database = rusqlite::Connection::open(dir.path().join("hub.db")).unwrap();
    let damaged = database.execute(
        "UPDATE batches SET body = zeroblob(length(body)) WHERE section = ?1 AND number = ?2",
        rusqlite::params![Section::Wallets.byte(), (first + 1).cast_signed()],
    );
    assert_eq!(damaged, Ok(1));
    drop(database);
    let mut hub = sample::open(dir.path());
    let next = |held| hub.feeds().next(Section::Wallets, away.term, held, None);
    assert_eq!(next(first), Next::MakeSnapshot);
    assert!(matches!(next(first + 1), Next::Part(_)), "what follows it is told");

    // of a term that is over nothing is kept
    hub.raise_term(away.term + 1).unwrap();
    for section in FED {
        let kept = hub.store.batches(section.byte()).unwrap();
        assert!(kept.iter().flat_map(|batch| &batch.parts).all(|part| opened(part).term == hub.term()), "{kept:?}");
    }
}

#[test]
fn of_batches_before_a_restart_only_those_that_lead_to_the_newest_are_told() {
    let batch = |number, prev| Batch {
        number,
        prev,
        parts: vec![SignedDelta { body: vec![0; 8], signature: [0; 64], key: [0; 32] }],
    };
    let resumed = |newest, kept: &[(u64, u64)]| {
        let feeds = feed::Feeds::default();
        feeds.start(1, &[(Section::Wallets, newest)].into());
        feeds.resume(Section::Wallets, kept.iter().map(|(number, prev)| batch(*number, *prev)).collect());
        feeds.oldest(Section::Wallets)
    };
    assert_eq!(resumed(4, &[(2, 1), (3, 2), (4, 3)]), Some(2));
    assert_eq!(resumed(5, &[(2, 1), (4, 3), (5, 4)]), Some(4), "one is missing");
    assert_eq!(resumed(5, &[(2, 1), (3, 2), (4, 3)]), None, "the newest is missing");
}

#[test]
fn a_box_that_was_away_for_long_gets_the_snapshot_that_is_there_if_it_is_shorter() {
    let batch = |number, prev, bytes| Batch {
        number,
        prev,
        parts: vec![SignedDelta { body: vec![7; bytes], signature: [0; 64], key: [0; 32] }],
    };
    let feeds = feed::Feeds::default();
    feeds.start(1, &[(Section::Wallets, 1)].into());
    (2..=6).for_each(|number| feeds.publish(Section::Wallets, batch(number, number - 1, 100)));
    let next = |number| match feeds.next(Section::Wallets, 1, number, None) {
        Next::Part(part) => part.body.len(),
        other @ (Next::Nothing | Next::MakeSnapshot) => panic!("{other:?}"),
    };
    assert_eq!(next(1), 100);
    feeds.set_snapshot(Section::Wallets, batch(5, 0, 250));
    assert_eq!((next(1), next(2)), (250, 250), "of 2 to 5 and of 3 to 5");
    assert_eq!((next(3), next(5)), (100, 100), "of 4 and 5, and of 6 which it lacks");
}

#[test]
fn a_restart_goes_on_with_the_numbers_and_publishes_what_was_left() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut desk = SampleBox::new(20, Roles(7));
    desk.top_up(wallet(1), 100);
    hub.ingest(&desk.segments(10)).unwrap();
    hub.publish().unwrap();
    let number = hub.numbers[&Section::Wallets];
    desk.top_up(wallet(1), 50);
    hub.ingest(&[desk.segment(2, 3)]).unwrap();
    drop(hub);
    let hub = sample::open(dir.path());
    assert_eq!(hub.numbers[&Section::Wallets], number + 1);
    let delta = part(&hub, Section::Wallets, DeltaProgress::at(1, number)).unwrap();
    assert_eq!(WalletState::from_bytes(&delta.items).unwrap().balance, 150);
}

#[test]
fn a_new_term_starts_with_a_snapshot_for_everybody() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut desk = SampleBox::new(20, Roles(7));
    desk.top_up(wallet(1), 100);
    hub.ingest(&desk.segments(10)).unwrap();
    hub.publish().unwrap();
    let held = DeltaProgress::at(1, hub.numbers[&Section::Wallets]);
    drop(hub);
    std::fs::remove_file(dir.path().join("term")).unwrap();
    let mut hub = sample::open(dir.path());
    assert_eq!(hub.term(), 2);
    assert_eq!(hub.feeds().next(Section::Wallets, held.term, held.number, None), Next::MakeSnapshot);
    hub.snapshot(Section::Wallets).unwrap();
    let snapshot = part(&hub, Section::Wallets, held).unwrap();
    assert!(snapshot.snapshot && snapshot.term == 2);
    assert_eq!(snapshot.items.len(), WalletState::LEN);
}

#[test]
fn a_large_snapshot_comes_in_parts_that_can_be_resumed() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut desk = SampleBox::new(20, Roles(7));
    for n in 0..40_000u32 {
        let mut id = [1; 16];
        id[..4].copy_from_slice(&n.to_le_bytes());
        desk.top_up(WalletId(id), 1);
    }
    for segments in desk.segments(500).chunks(20) {
        hub.ingest(segments).unwrap();
    }
    hub.snapshot(Section::Wallets).unwrap();
    let mut progress = DeltaProgress::default();
    let mut bytes = 0;
    let mut resume = None;
    loop {
        let Next::Part(signed) = hub.feeds().next(Section::Wallets, 0, 0, resume) else { panic!("a part is missing") };
        let delta = opened(&signed);
        bytes += delta.items.len();
        assert_eq!(delta.vector.is_empty(), delta.part > 0);
        if progress.take(&delta).unwrap() {
            break;
        }
        resume = Some((delta.number, delta.part + 1));
    }
    assert!(resume.is_some(), "it came in one part");
    assert_eq!(bytes, 40_000 * WalletState::LEN);
}

#[test]
fn revocations_go_out_once_and_again_in_a_snapshot() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let desk = SampleBox::new(20, Roles(7));
    hub.adopt(&desk.chain.verify(&sample::founding()).unwrap(), &desk.chain.to_bytes()).unwrap();
    let held = DeltaProgress::at(1, hub.numbers[&Section::Revocations]);
    hub.revoke_box(domain::id::BoxNumber(20), "stolen").unwrap();
    hub.publish().unwrap();
    let delta = part(&hub, Section::Revocations, held).unwrap();
    let wanted: Vec<u8> = [&[1, 1][..], &desk.device.0].concat();
    assert_eq!(delta.items, wanted);
    hub.snapshot(Section::Revocations).unwrap();
    assert_eq!(part(&hub, Section::Revocations, DeltaProgress::default()).unwrap().items, wanted);
    // Barred from the command line while nobody published: the next start tells it.
    hub.bar_tickets(&[sample::ticket(9)], crate::store::BarReason::Revoked).unwrap();
    let held = DeltaProgress::at(1, hub.numbers[&Section::Revocations]);
    drop(hub);
    let hub = sample::open(dir.path());
    let told = part(&hub, Section::Revocations, held).unwrap().items;
    assert!(told.chunks(REVOKED_LEN).any(|item| item == [&[2, 1][..], &sample::ticket(9).0].concat()));
}

/// What a box that knows nothing is told of a section, one part after another; every one of them reads.
fn told_from_the_start(hub: &mut Hub, section: Section) -> DeltaProgress {
    hub.snapshot(section).unwrap();
    let mut fresh = DeltaProgress::default();
    while let Some(delta) = part(hub, section, fresh) {
        assert!(fresh.take(&delta).is_ok());
    }
    fresh
}

#[test]
fn however_a_journal_is_forked_and_full_of_gaps_every_batch_about_it_reads() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let known = told_from_the_start(&mut hub, Section::Wallets);
    // every second entry of one box, each a segment of its own
    let mut gaps = SampleBox::new(20, Roles(7));
    (1..=150).for_each(|cents| {
        gaps.top_up(wallet(1), cents);
    });
    hub.ingest(&[gaps.segment(0, 1)]).unwrap();
    for at in (2..150).step_by(2) {
        hub.ingest(&[gaps.segment(at, at + 1)]).unwrap();
    }
    // and nine histories of another, which fork twice over beyond a gap as well
    let mut root = SampleBox::new(21, Roles(7));
    root.top_up(wallet(2), 100);
    for cents in 1..=9 {
        let mut one = root.clone();
        (0..4).for_each(|_| {
            one.top_up(wallet(2), cents);
        });
        hub.ingest(&[one.segment(0, 3), one.segment(4, 6)]).unwrap();
    }
    let reads_all = |hub: &Hub| {
        let mut slow = known;
        while let Some(delta) = part(hub, Section::Wallets, slow) {
            assert_eq!(slow.take(&delta), Ok(true));
        }
        assert_eq!(slow.number, hub.numbers[&Section::Wallets]);
    };
    hub.publish().unwrap();
    reads_all(&hub);
    told_from_the_start(&mut hub, Section::Wallets);
    drop(hub);
    let mut hub = sample::open(dir.path());
    reads_all(&hub);
    // what was not taken is taken in its turn
    let at = hub.ingest(&[gaps.segment(100, 140)]).unwrap()[0].branch.contiguous as usize;
    assert_eq!(at, 1);
    hub.ingest(&[gaps.segment(at, 151)]).unwrap();
    hub.publish().unwrap();
    let held = hub.journals().get(gaps.device, 0).unwrap().heads();
    assert_eq!((held.branches[0].contiguous, held.branches.len()), (151, 1));
    let stored = hub.store().wallet(wallet(1)).unwrap().unwrap();
    assert_eq!(WalletState::from_bytes(&stored.state.unwrap()).unwrap().balance, (1..=150).sum::<i64>());
}

/// A box says that it holds this batch of the wallets; gives the hub's term after that.
fn claims(hub: &mut Hub, one: &SampleBox, term: u32, number: u64) -> u32 {
    hub.heard_of_later(one.device, &[SectionHeld { section: Section::Wallets, term, number }]).unwrap();
    hub.term()
}

#[test]
fn a_copy_of_the_whole_folder_is_found_by_a_box_that_holds_a_later_batch() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let (term, number) = (hub.term(), hub.numbers[&Section::Wallets]);
    let one = SampleBox::new(20, Roles(7));
    assert_eq!(claims(&mut hub, &one, term, number), term);
    assert_eq!(claims(&mut hub, &one, term, number + 20), term + 1);
}

#[test]
fn a_box_that_claims_later_terms_again_and_again_or_is_revoked_changes_nothing() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let boxes = [20, 21, 22].map(|n| SampleBox::new(n, Roles(7)));
    for one in &boxes {
        let certificate = one.chain.verify(&sample::founding()).unwrap();
        hub.adopt(&certificate, &one.chain.to_bytes()).unwrap();
    }
    let term = hub.term();
    hub.revoke_device(boxes[0].device, "stolen").unwrap();
    assert_eq!(claims(&mut hub, &boxes[0], term + 5, 9), term);
    assert_eq!(claims(&mut hub, &boxes[1], term + 5, 9), term + 6);
    assert_eq!(claims(&mut hub, &boxes[1], term + 11, 9), term + 6, "once for each box");
    assert_eq!(claims(&mut hub, &boxes[2], term + 8, 9), term + 9, "another one may know more");
}

#[test]
fn a_box_that_knows_a_later_term_makes_the_hub_start_one_above_it() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut desk = SampleBox::new(20, Roles(7));
    desk.top_up(wallet(1), 100);
    hub.ingest(&desk.segments(10)).unwrap();
    hub.block_wallet(wallet(1)).unwrap();
    hub.raise_term(6).unwrap();
    assert_eq!((hub.term(), hub.feeds().newest().0), (7, 7));
    hub.unblock_wallet(wallet(1)).unwrap();
    let own = hub.identity().device();
    assert_eq!(hub.journals().of_device(own).map(|journal| journal.epoch).collect::<Vec<_>>(), vec![1, 7]);
    hub.snapshot(Section::Wallets).unwrap();
    let snapshot = part(&hub, Section::Wallets, DeltaProgress::at(6, 40)).unwrap();
    assert!(snapshot.snapshot && snapshot.term == 7);
    drop(hub);
    assert_eq!(sample::open(dir.path()).term(), 7, "a restart is no restore");
}

#[test]
fn what_a_batch_takes_into_account_is_told_whole_however_many_journals_there_are() {
    let journals: Vec<sync::JournalHeads> = (0..9_000u32)
        .map(|n| {
            let mut device = [7; 16];
            device[..4].copy_from_slice(&n.to_be_bytes());
            let ranges = (1..60).map(|at| (100 * at, 100 * at + 7)).collect();
            let branch = sync::Branch { ranges, ..sync::Branch::up_to(20, [n as u8; 16]) };
            sync::JournalHeads { device: DeviceId(device), epoch: 0, branches: vec![branch] }
        })
        .collect();
    let dir = sample::hub_dir();
    let hub = sample::open(dir.path());
    let vector = VersionVector::new(journals.clone());
    let pending = Pending { section: Section::Wallets, number: 5, items: vec![1; 3 * WalletState::LEN], vector };
    let (mut progress, mut told, mut items) = (DeltaProgress::at(1, 4), Vec::new(), 0);
    let parts = hub.parts(&pending, false);
    for (n, signed) in parts.iter().enumerate() {
        // what is too long for a frame does not open
        let delta = opened(signed);
        told.extend(delta.vector.clone());
        items += delta.items.len();
        assert_eq!(progress.take(&delta), Ok(n + 1 == parts.len()));
    }
    assert_eq!((told == journals, items), (true, 3 * WalletState::LEN));
}

#[test]
fn a_term_that_could_not_be_told_is_told_before_anything_else() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let (one, other) = (SampleBox::new(20, Roles(7)), SampleBox::new(21, Roles(7)));
    let term = hub.term();
    let database = rusqlite::Connection::open(dir.path().join("hub.db")).unwrap();
    let fails = "CREATE TRIGGER fails BEFORE INSERT ON sections BEGIN SELECT RAISE(ABORT, 'not today'); END";
    database.execute_batch(fails).unwrap();
    let later = [SectionHeld { section: Section::Wallets, term: term + 3, number: 1 }];
    hub.heard_of_later(one.device, &later).unwrap_err();
    // the store is in the new term: nothing is told or promised that is of neither
    assert_eq!(hub.term(), term + 4);
    hub.publish().unwrap_err();
    hub.snapshot(Section::Wallets).unwrap_err();
    hub.heard_of_later(other.device, &[]).unwrap_err();
    database.execute_batch("DROP TRIGGER fails").unwrap();
    hub.heard_of_later(other.device, &[]).unwrap();
    let told = |hub: &Hub| (hub.feeds().newest().0, hub.feeds().newest().1.values().all(|number| *number > 0));
    assert_eq!(told(&hub), (term + 4, true));
    assert_eq!(hub.numbers.len(), FED.len());
    // whoever was not believed to the end is believed once more
    assert_eq!(claims(&mut hub, &one, term + 9, 1), term + 10);
    assert_eq!(told(&hub), (term + 10, true));
}
