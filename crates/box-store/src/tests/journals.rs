//! Commits, restarts, segments, epochs.
use sync::{Branch, JournalHeads};

use super::*;
use crate::{NewerSelf, OpenError};

#[test]
fn a_new_store_begins_with_its_genesis() {
    let world = World::new();
    let (store, report) = world.open();
    assert!(report.is_new);
    assert_eq!((report.entries, report.epoch, report.degraded), (1, 0, None));
    let head = report.head.unwrap();
    assert_eq!((head.at, head.box_number, head.stopped), (own(0, 0), BoxNumber(12), false));
    let genesis = store.read(|view| view.genesis(0)).unwrap().unwrap();
    assert_eq!((genesis.festival, genesis.chain, genesis.previous), (FESTIVAL, vec![1, 2, 3], None));
}

#[test]
fn what_was_answered_is_there_after_a_power_cut() {
    let world = World::new();
    let (store, _) = world.open();
    let mut copies = Vec::new();
    for n in 0..20u32 {
        let at = one(&store, sale(WALLET, 100 + n));
        copies.push((at, world.copy(&format!("cut-{n}.db"))));
    }
    drop(store);
    for (n, (at, path)) in copies.into_iter().enumerate() {
        let (store, report) = open(world.config(&path), NOON).unwrap();
        assert_eq!(report.degraded, None);
        assert_eq!(report.head.unwrap().at, at);
        assert_eq!(report.entries, n as u64 + 2);
        let found = store.read(move |view| view.entry(at)).unwrap().unwrap();
        assert_eq!(found.amount.get(), 100 + n as u32);
        assert_eq!(report.unconfirmed.last(), Some(&at));
    }
}

#[test]
fn a_wal_torn_anywhere_leaves_whole_commits_only() {
    let world = World::new();
    let (store, _) = world.open();
    for n in 0..30 {
        write(&store, vec![sale(WALLET, n + 1), top_up(WALLET, 5), sale(WALLET, 1)]);
    }
    let copy = world.copy("torn.db");
    drop(store);
    let wal = std::fs::read(with(&copy, "-wal")).unwrap();
    let used = wal.iter().rposition(|byte| *byte != 0).unwrap();
    let (mut last, mut seen) = (0, std::collections::BTreeSet::new());
    for step in 0..=60 {
        // The last sectors before the cut are torn: half of them hold what stood there before.
        let cut = used * step / 60 / 512 * 512;
        let mut torn = wal.clone();
        torn[cut..].fill(0);
        torn[cut.saturating_sub(256)..cut].fill(0xee);
        std::fs::write(with(&copy, "-wal"), torn).unwrap();
        std::fs::remove_file(with(&copy, "-shm")).ok();
        let world = World { folder: tempfile::tempdir().unwrap() };
        for suffix in ["", "-wal"] {
            std::fs::copy(with(&copy, suffix), with(&world.path(), suffix)).unwrap();
        }
        let (store, report) = world.open();
        assert_eq!(report.degraded, None, "cut at {cut}");
        assert_eq!((report.entries - 1) % 3, 0, "half a commit at {cut}");
        assert!(report.entries >= last);
        last = report.entries;
        seen.insert(last);
        assert_eq!(one(&store, sale(WALLET, 1)).seq as u64, last);
    }
    assert!(seen.len() > 15, "{seen:?}");
}

#[test]
fn a_decision_sees_what_was_committed_before_it() {
    let world = World::new();
    let (store, _) = world.open();
    let admit = |view: &crate::View<'_>| {
        if view.ticket(&TICKET).uses > 0 {
            Decision::nothing(false)
        } else {
            Decision::write(vec![admission(TICKET)], true)
        }
    };
    let first = store.transact(admit).unwrap();
    let second = store.transact(admit).unwrap();
    assert_eq!((first.result, first.refs.len()), (true, 1));
    assert_eq!((second.result, second.refs.len()), (false, 0));
}

#[test]
fn stamps_never_go_back_though_the_clock_does() {
    let world = World::new();
    let (store, _) = world.open();
    one(&store, sale(WALLET, 1));
    store.set_wall_ms(NOON - 3_600_000);
    let refs = write(&store, vec![sale(WALLET, 2), sale(WALLET, 3)]);
    let stamps: Vec<_> = store
        .read(move |view| (0..4).filter_map(|seq| view.entry(own(0, seq))).map(|entry| entry.hlc).collect())
        .unwrap();
    assert_eq!(stamps.len(), 4);
    assert!(stamps.windows(2).all(|pair| pair[0] < pair[1]));
    drop(store);
    let (store, _) = open(world.config(&world.path()), NOON - 7_200_000).unwrap();
    let at = one(&store, sale(WALLET, 4));
    let last = store.read(move |view| (view.entry(at), view.last_hlc())).unwrap();
    assert!(last.0.unwrap().hlc > stamps[3]);
    assert!(last.1 > stamps[3]);
    assert_eq!(refs, [own(0, 2), own(0, 3)]);
}

#[test]
fn a_commit_ends_once_and_segments_are_cut_there() {
    let world = World::new();
    let (store, _) = world.open();
    for n in 0..10u32 {
        write(&store, (0..=n % 3).map(|k| sale(WALLET, 10 * n + k)).collect());
    }
    let mut bodies = 0;
    let mut prev = domain::journal::ZERO_HASH;
    while let Some(segment) = store.segment(own_device(), 0, bodies, 4).unwrap() {
        assert_eq!((segment.first, segment.prev), (bodies, prev));
        assert!(segment.bodies.len() <= 4);
        let heads = segment.verify(FESTIVAL, &key().verifying_key().to_bytes()).unwrap();
        prev = heads.last().unwrap().hash;
        bodies += segment.bodies.len() as u32;
    }
    let vector = store.vector().unwrap();
    assert_eq!(bodies, 20);
    assert_eq!(vector[0].branches[0].contiguous, bodies);
    assert_eq!(vector[0].branches[0].hash, prev[..16]);
    assert_eq!(store.hash16(0, bodies - 1).unwrap().unwrap(), prev[..16]);
    assert_eq!(store.segment(DeviceId([9; 16]), 0, 0, 4).unwrap(), None);
}

#[test]
fn a_segment_from_the_middle_of_a_commit_starts_at_its_first_entry() {
    let world = World::new();
    let (store, _) = world.open();
    write(&store, vec![sale(WALLET, 1), sale(WALLET, 2), sale(WALLET, 3)]);
    let segment = store.segment(own_device(), 0, 2, 1).unwrap().unwrap();
    assert_eq!((segment.first, segment.bodies.len()), (1, 3));
    assert!(segment.verify(FESTIVAL, &key().verifying_key().to_bytes()).is_ok());
    let inside = store.hash16(0, 2).unwrap().unwrap();
    assert_eq!(inside, segment.verify(FESTIVAL, &key().verifying_key().to_bytes()).unwrap()[1].hash[..16]);
}

#[test]
fn an_acknowledgement_counts_for_the_branch_held_only() {
    let world = World::new();
    let (store, _) = world.open();
    one(&store, sale(WALLET, 1));
    one(&store, sale(WALLET, 2));
    let hash = store.hash16(0, 1).unwrap().unwrap();
    assert_eq!(store.read(|view| view.unsent()).unwrap(), 3);
    assert!(!store.mark_acked(0, 2, [0; 16], 1).unwrap());
    assert!(store.mark_acked(0, 2, hash, 1).unwrap());
    assert!(!store.mark_acked(0, 1, store.hash16(0, 0).unwrap().unwrap(), 1).unwrap(), "never back in one term");
    assert_eq!(store.read(|view| view.unsent()).unwrap(), 1);
    assert_eq!(store.acked().unwrap()[0].contiguous, 2);
    assert!(store.mark_acked(0, 1, store.hash16(0, 0).unwrap().unwrap(), 2).unwrap(), "a restored hub has less");
    assert_eq!(store.read(|view| view.unsent()).unwrap(), 2);
}

#[test]
fn a_restored_image_stops_and_goes_on_in_the_next_epoch() {
    let world = World::new();
    let (store, _) = world.open();
    one(&store, sale(WALLET, 1));
    let image = world.copy("image.db");
    one(&store, sale(WALLET, 2));
    let vector = store.vector().unwrap();
    drop(store);

    let (restored, _) = open(world.config(&image), NOON).unwrap();
    let newer = restored.heed_heads(vector.clone()).unwrap().unwrap();
    assert_eq!((newer.epoch, newer.contiguous), (0, 3));
    let refused = restored.transact(|_| Decision::write(vec![sale(WALLET, 3)], ())).unwrap_err();
    assert_eq!(refused, StoreError::EpochStopped(0));
    drop(restored);

    let (restored, report) = open(world.config(&image), NOON).unwrap();
    assert!(report.head.unwrap().stopped);
    assert_eq!(restored.read(|view| view.newer_self()).unwrap(), Some(newer));
    assert_eq!(restored.open_next_epoch(BoxNumber(13), None).unwrap(), 1);
    let at = one(&restored, sale(WALLET, 3));
    assert_eq!(at, own(1, 1));
    let genesis = restored.read(|view| view.genesis(1)).unwrap().unwrap();
    assert_eq!(
        (genesis.box_number, genesis.previous.map(|head| (head.epoch, head.seq))),
        (BoxNumber(13), Some((0, 1)))
    );
    assert_eq!(restored.read(|view| view.newer_self()).unwrap(), None);
    assert_eq!(restored.heed_heads(vector).unwrap(), None, "an epoch that was left behind alarms nobody");
    let segment = restored.segment(own_device(), 1, 0, 10).unwrap().unwrap();
    assert!(segment.verify(FESTIVAL, &key().verifying_key().to_bytes()).is_ok());
    drop(restored);
    let (_, report) = open(world.config(&image), NOON).unwrap();
    assert_eq!((report.degraded, report.epoch, report.entries), (None, 1, 4));
}

#[test]
fn a_fork_of_the_own_journal_is_a_newer_self_and_an_older_head_is_not() {
    let world = World::new();
    let (store, _) = world.open();
    one(&store, sale(WALLET, 1));
    let heads = |contiguous, hash| {
        vec![JournalHeads { device: own_device(), epoch: 0, branches: vec![Branch::up_to(contiguous, hash)] }]
    };
    let genesis = store.hash16(0, 0).unwrap().unwrap();
    assert_eq!(store.heed_heads(heads(1, genesis)).unwrap(), None);
    one(&store, sale(WALLET, 2));
    assert!(store.heed_heads(heads(2, [9; 16])).unwrap().is_some());
    assert_eq!(
        store.open_next_epoch(BoxNumber(13), Some(NewerSelf { epoch: 4, contiguous: 1, hash: [0; 16] })).unwrap(),
        5
    );
}

#[test]
fn a_store_of_another_box_or_in_use_is_refused() {
    let world = World::new();
    let (store, _) = world.open();
    let Err(error) = open(world.config(&world.path()), NOON) else { panic!("opened twice") };
    assert_eq!(error.code(), "box.store_in_use");
    drop(store);
    let other = StoreConfig { identity: SigningKey::from_bytes(&[6; 32]), ..world.config(&world.path()) };
    assert!(matches!(open(other, NOON), Err(OpenError::OtherBox { .. })));
    let other = StoreConfig { festival: FestivalId([2; 16]), ..world.config(&world.path()) };
    assert!(matches!(open(other, NOON), Err(OpenError::OtherFestival { .. })));
}

#[test]
fn a_box_never_goes_back_to_an_older_bundle() {
    let world = World::new();
    let (store, _) = world.open();
    assert_eq!(store.bundle().unwrap(), None);
    store.store_bundle(4, b"four").unwrap();
    store.store_bundle(6, b"six").unwrap();
    assert_eq!(store.store_bundle(5, b"five").unwrap_err(), StoreError::OlderBundle { found: 5, held: 6 });
    assert_eq!(store.bundle().unwrap(), Some((6, b"six".to_vec())));
    drop(store);
    let (store, _) = world.open();
    assert_eq!(store.bundle().unwrap(), Some((6, b"six".to_vec())));
    std::fs::write(with(&world.path(), ".bundle-6"), b"sex").unwrap();
    assert_eq!(store.bundle().unwrap_err(), StoreError::BundleDamaged(6));
    store.store_bundle(6, b"six").unwrap();
    assert_eq!(store.bundle().unwrap(), Some((6, b"six".to_vec())));
}

#[test]
fn a_request_that_comes_again_after_a_restart_finds_its_answer() {
    let world = World::new();
    let (store, _) = world.open();
    let request = [9; 16];
    assert_eq!(store.read(|view| view.answer(&request)).unwrap(), None);
    let sold = store.transact(move |_| Decision::write(vec![sale(WALLET, 450)], ()).answers(request)).unwrap().refs[0];
    // a refused request writes nothing and so has no answer
    store.transact(|_| Decision::nothing(()).answers([8; 16])).unwrap();
    drop(store);
    let (store, _) = world.open();
    store.rebuild_projections().unwrap();
    assert_eq!(store.read(|view| view.answer(&request)).unwrap(), Some(sold));
    assert_eq!(store.read(|view| view.answer(&[8; 16])).unwrap(), None);
}

#[test]
fn what_became_of_an_intent_is_found_by_its_name() {
    let world = World::new();
    let (store, _) = world.open();
    let begun = one(&store, intent(WALLET, 450, 3));
    one(&store, sale(WALLET, 100));
    assert_eq!(store.read(|view| view.referring(begun)).unwrap(), []);
    let void = one(&store, about(begun, Kind::VOID, Effect::Release, 450));
    let found = store.read(|view| view.referring(begun)).unwrap();
    assert_eq!(found.iter().map(|(at, entry)| (*at, entry.kind)).collect::<Vec<_>>(), [(void, Kind::VOID)]);
}
