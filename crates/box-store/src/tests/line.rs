use std::{sync::mpsc, thread};

use super::*;

fn note() -> Entry {
    entry(Kind::NOTE, Effect::None, WALLET, 0)
}

#[test]
fn whoever_finds_nobody_writing_writes_himself() {
    let world = World::new();
    let (store, _) = world.open();
    let on = store.transact(|_| Decision::write(vec![note()], thread::current().id())).unwrap().result;
    assert_eq!(on, thread::current().id());
}

#[test]
fn all_who_wait_at_once_are_answered_and_no_commit_is_lost() {
    let world = World::new();
    let (store, _) = world.open();
    let before = store.written();
    let write = |thread: u64| {
        let store = store.clone();
        move || -> Vec<EntryRef> {
            let one = |n| {
                let done = store.transact(move |_| Decision::write(vec![note()], thread * 100 + n)).unwrap();
                assert_eq!(done.result, thread * 100 + n);
                done.refs[0]
            };
            (0..25).map(one).collect()
        }
    };
    let threads: Vec<_> = (0..8).map(|n| thread::spawn(write(n))).collect();
    let mut places: Vec<EntryRef> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), 200);
    let written = store.written();
    assert_eq!(written.commits - before.commits, 200);
    assert!(written.flushes - before.flushes <= 200);
}

#[test]
fn those_who_do_not_wait_are_answered_in_their_order() {
    let world = World::new();
    let (store, _) = world.open();
    let (sender, answers) = mpsc::channel();
    for n in 0..50 {
        let sender = sender.clone();
        store.transact_then(
            |_| Decision::write(vec![note()], ()),
            move |done| {
                let _ = sender.send((n, done.is_ok()));
            },
        );
    }
    drop(sender);
    let answered: Vec<(u32, bool)> = answers.iter().collect();
    assert_eq!(answered, (0..50).map(|n| (n, true)).collect::<Vec<_>>());
}
