//! What shares a flush, and what a failing decision or disk does to the others.
use std::sync::mpsc;

use super::*;

/// Holds the writer back until the queue is filled, so that what follows must share a flush.
fn with_writer_held<T>(store: &Store, fill: impl FnOnce() -> T) -> T {
    let (go, wait) = mpsc::channel::<()>();
    store.transact_then(move |_| Decision::nothing(wait.recv().is_ok()), |held| assert!(held.unwrap().result));
    let filled = fill();
    go.send(()).unwrap();
    filled
}

#[test]
fn decisions_that_wait_share_one_flush_and_each_has_its_own_signature() {
    let world = World::new();
    let (store, _) = world.open();
    let (done, answers) = mpsc::channel();
    let before = store.written();
    with_writer_held(&store, || {
        for n in 0..40 {
            let done = done.clone();
            store.transact_then(
                move |view| Decision::write(vec![sale(WALLET, n + 1)], view.wallet(&WALLET).balance),
                move |outcome| done.send(outcome.unwrap()).unwrap(),
            );
        }
    });
    let answers: Vec<_> = (0..40).map(|_| answers.recv().unwrap()).collect();
    let after = store.written();
    assert_eq!((after.commits - before.commits, after.flushes - before.flushes), (40, 1));
    // Each saw the ones before it.
    let mut balance = 0;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!((answer.result, answer.refs[0]), (balance, own(0, n as u32 + 1)));
        balance -= n as i64 + 1;
    }
    for seq in 1..=40 {
        assert_eq!(store.segment(own_device(), 0, seq, 1).unwrap().unwrap().bodies.len(), 1);
    }
}

#[test]
fn a_decision_alone_has_a_flush_of_its_own_and_one_that_writes_nothing_has_none() {
    let world = World::new();
    let (store, _) = world.open();
    for _ in 0..5 {
        one(&store, sale(WALLET, 1));
        store.transact(|_| Decision::nothing(())).unwrap();
    }
    assert_eq!((store.written().commits, store.written().flushes), (5, 5));
}

#[test]
fn a_panic_loses_only_its_own_decision() {
    let world = World::new();
    let (store, _) = world.open();
    let (done, answers) = mpsc::channel();
    with_writer_held(&store, || {
        for n in 0..3 {
            let done = done.clone();
            let decide = move |_: &crate::View<'_>| {
                assert!(n != 1, "decision {n}");
                Decision::write(vec![sale(WALLET, 1)], n)
            };
            store.transact_then(decide, move |outcome| done.send(outcome).unwrap());
        }
    });
    let answers: Vec<_> = (0..3).map(|_| answers.recv().unwrap()).collect();
    assert_eq!(answers[0].as_ref().unwrap().refs, [own(0, 1)]);
    assert_eq!(answers[1].as_ref().unwrap_err().code(), "box.decision_failed");
    assert_eq!(answers[2].as_ref().unwrap().refs, [own(0, 2)]);
    assert_eq!(one(&store, sale(WALLET, 1)), own(0, 3));
}

#[test]
fn an_entry_that_no_journal_holds_is_refused_and_leaves_no_trace() {
    let world = World::new();
    let (store, _) = world.open();
    let mut long = entry(Kind::NOTE, Effect::None, WALLET, 0);
    long.part = vec![0; 5000];
    let refused = store.transact(move |_| Decision::write(vec![sale(WALLET, 5), long], ())).unwrap_err();
    assert_eq!(refused.code(), "box.entry_too_long");
    let genesis = entry(Kind::GENESIS, Effect::None, WALLET, 0);
    assert_eq!(store.transact(move |_| Decision::write(vec![genesis], ())).unwrap_err(), StoreError::GenesisRefused);
    assert_eq!(store.read(|view| view.wallet(&WALLET).balance).unwrap(), 0);
    assert_eq!(one(&store, sale(WALLET, 5)), own(0, 1));
    drop(store);
    assert_eq!(world.open().1.degraded, None);
}

#[test]
fn a_full_disk_acknowledges_nothing_and_works_again_with_space() {
    let world = World::new();
    let (store, _) = world.open();
    one(&store, sale(WALLET, 1));
    on_writer(&store, "PRAGMA max_page_count = 1");
    let mut written = 0;
    let refused = loop {
        match store.transact(|_| Decision::write(vec![sale(WALLET, 7); 20], ())) {
            Ok(_) => written += 20,
            Err(error) => break error,
        }
        assert!(written < 10_000, "the disk never got full");
    };
    assert_eq!(refused.code(), "box.disk_full");
    let balance = store.read(|view| view.wallet(&WALLET).balance).unwrap();
    assert_eq!(balance, -1 - 7 * written);
    on_writer(&store, "PRAGMA max_page_count = 1000000");
    assert_eq!(one(&store, sale(WALLET, 2)).seq, written as u32 + 2);
    drop(store);
    let (_, report) = world.open();
    assert_eq!((report.degraded, report.entries), (None, written as u64 + 3));
}

#[test]
fn a_disk_that_turned_read_only_is_named_and_reading_goes_on() {
    let world = World::new();
    let (store, _) = world.open();
    one(&store, sale(WALLET, 1));
    on_writer(&store, "PRAGMA query_only = 1");
    let refused = store.transact(|_| Decision::write(vec![sale(WALLET, 2)], ())).unwrap_err();
    assert_eq!(refused.code(), "box.disk_read_only");
    assert_eq!(store.read(|view| view.wallet(&WALLET).balance).unwrap(), -1);
    drop(store);
    let (store, report) = world.open();
    assert_eq!((report.degraded, report.entries), (None, 2));
    assert_eq!(one(&store, sale(WALLET, 2)), own(0, 2));
}

#[test]
fn the_wal_is_filled_beforehand_and_outlives_the_store() {
    let world = World::new();
    let (store, _) = world.open();
    let wal = with(&world.path(), "-wal");
    let size = std::fs::metadata(&wal).unwrap().len();
    assert!(size >= 3 << 20);
    for _ in 0..600 {
        one(&store, sale(WALLET, 1));
    }
    assert_eq!(std::fs::metadata(&wal).unwrap().len(), size, "commits do not make it grow");
    drop(store);
    assert_eq!(std::fs::metadata(&wal).unwrap().len(), size);
    let (_, report) = world.open();
    assert_eq!((report.degraded, report.entries), (None, 601));
}

#[test]
fn many_threads_write_and_read_and_every_answer_has_its_own_place() {
    let world = World::new();
    let (store, _) = world.open();
    let threads: Vec<_> = (0..8u8)
        .map(|thread| {
            let store = store.clone();
            std::thread::spawn(move || {
                let wallet = WalletId([thread + 1; 16]);
                (0..40)
                    .map(|n| {
                        let at = one(&store, sale(wallet, 3));
                        let balance = store.read(move |view| view.wallet(&wallet).balance).unwrap();
                        assert_eq!(balance, -3 * (n + 1), "a read sees what was answered");
                        at
                    })
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let mut places: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    places.sort();
    assert_eq!(places, (1..=320).map(|seq| own(0, seq)).collect::<Vec<_>>());
    let written = store.written();
    assert_eq!(written.commits, 320);
    assert!(written.flushes <= 320);
    assert_eq!(store.check_everything().unwrap().0, 321);
}

#[test]
fn a_full_queue_turns_decisions_away_at_once() {
    let world = World::new();
    let (store, _) = world.open();
    let (done, answers) = mpsc::channel();
    with_writer_held(&store, || {
        for _ in 0..crate::store::QUEUE + 10 {
            let done = done.clone();
            let decide = |_: &crate::View<'_>| Decision::write(vec![sale(WALLET, 1)], ());
            store.transact_then(decide, move |outcome| done.send(outcome.map_err(|error| error.code())).unwrap());
        }
    });
    let outcomes: Vec<_> = (0..crate::store::QUEUE + 10).map(|_| answers.recv().unwrap()).collect();
    let refused = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    assert!((10..=11).contains(&refused), "{refused}");
    assert!(outcomes.iter().all(|outcome| outcome.is_ok() || *outcome.as_ref().unwrap_err() == "box.busy"));
    let balance = store.read(|view| view.wallet(&WALLET).balance).unwrap();
    assert_eq!(balance, -((crate::store::QUEUE + 10 - refused) as i64));
}

#[test]
fn a_look_up_is_compiled_once_however_many_taps_use_it() {
    let world = World::new();
    let (store, _) = world.open();
    for n in 0..20 {
        let ticket = TicketUid([n; 16]);
        store.transact(move |view| Decision::write(vec![admission(ticket)], view.ticket(&ticket).uses)).unwrap();
    }
    let again = store
        .work(|writing| {
            let statement = writing.connection.prepare_cached(crate::coverage::UNCOVERED)?;
            Ok(statement.get_status(rusqlite::StatementStatus::RePrepare))
        })
        .unwrap();
    assert_eq!(again, 0);
}
