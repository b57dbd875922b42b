//! Damage of every kind: named, read-only, and the evidence left as it was.
use std::fs;

use super::*;
use crate::{Degraded, store::Written};

/// A closed store of some fifty entries whose rows are all in the database file.
fn closed(world: &World) -> PathBuf {
    let (store, _) = world.open();
    for n in 0..50 {
        write(&store, vec![sale(WALLET, n + 1), top_up(WALLET, 2)]);
    }
    drop(store);
    // Two more starts, so that a checkpoint stands before the end.
    let (store, _) = world.open();
    one(&store, sale(WALLET, 1));
    one(&store, sale(WALLET, 1));
    drop(store);
    meddle(&world.path(), "");
    world.path()
}

/// Opens it, sees why it only reads, and that nothing in the file has changed.
fn damage(world: &World) -> Degraded {
    let path = world.path();
    let before = fs::read(&path).unwrap();
    let (store, report) = world.open();
    let found = report.degraded.expect("the damage was not seen");
    let refused = store.transact(|_| Decision::write(vec![sale(WALLET, 1)], ())).unwrap_err();
    assert_eq!(refused, StoreError::Degraded(found.clone()));
    assert_eq!(refused.code(), "box.degraded");
    assert_eq!(store.written(), Written { commits: 0, flushes: 0 });
    let (done, answer) = std::sync::mpsc::channel();
    store.transact_then(|_| Decision::nothing(()), move |outcome| done.send(outcome.is_err()).unwrap());
    assert!(answer.recv().unwrap());
    drop(store);
    assert_eq!(fs::read(&path).unwrap(), before, "the evidence was touched");
    found
}

fn after(world: &World, sql: &str) -> Degraded {
    meddle(&closed(world), sql);
    damage(world)
}

#[test]
fn a_sound_store_is_not_damaged() {
    let world = World::new();
    closed(&world);
    let (store, report) = world.open();
    assert_eq!((report.degraded, report.entries, report.checked), (None, 103, 2));
    assert_eq!(store.check_everything().unwrap(), (103, crate::Mended::default()));
}

#[test]
fn a_changed_byte_in_an_entry_breaks_the_chain() {
    let found = after(
        &World::new(),
        "UPDATE entry SET body = CAST(substr(body, 1, 48) || x'ff00' || substr(body, 51) AS BLOB) WHERE at = 102",
    );
    assert_eq!(found, Degraded::Chain(own(0, 102)));
}

#[test]
fn a_missing_entry_is_named() {
    assert_eq!(after(&World::new(), "DELETE FROM entry WHERE at = 101"), Degraded::Missing(own(0, 101)));
}

#[test]
fn a_lost_last_commit_shows_in_the_sums() {
    let found = after(&World::new(), "DELETE FROM entry WHERE at = 102");
    assert_eq!(found, Degraded::Totals(own(0, 101)));
}

#[test]
fn a_wrong_signature_is_named() {
    let world = World::new();
    let found =
        after(&world, "UPDATE entry SET signature = (SELECT signature FROM entry WHERE at = 101) WHERE at = 102");
    assert_eq!(found, Degraded::Signature(own(0, 102)));
}

#[test]
fn an_unsigned_end_is_named() {
    let found = after(
        &World::new(),
        "DELETE FROM entry WHERE at = 102; DELETE FROM entry WHERE at = 101;
        INSERT INTO entry (at, body) SELECT 101, body FROM entry WHERE at = 1",
    );
    assert_eq!(found, Degraded::Unsigned(own(0, 101)));
}

#[test]
fn sums_that_do_not_follow_from_the_entries_are_damage() {
    let found = after(&World::new(), "UPDATE tally SET cents = cents - 100 WHERE of = 0 AND number = 2");
    assert_eq!(found, Degraded::Totals(own(0, 102)));
}

#[test]
fn a_checkpoint_cannot_hide_a_rewritten_journal() {
    let found = after(&World::new(), "UPDATE checkpoint SET hash = zeroblob(32)");
    assert!(matches!(found, Degraded::Chain(_)), "{found:?}");
    let found = after(
        &World::new(),
        "UPDATE entry SET hash = zeroblob(32) WHERE at = (SELECT max(at) FROM checkpoint);
        UPDATE checkpoint SET hash = zeroblob(32)",
    );
    assert!(matches!(found, Degraded::Signature(_)), "{found:?}");
}

#[test]
fn nothing_is_folded_anew_from_a_journal_that_is_not_whole() {
    let changed_amount =
        "UPDATE entry SET body = CAST(substr(body, 1, 48) || x'ff00' || substr(body, 51) AS BLOB) WHERE at = 10";
    assert_eq!(after(&World::new(), changed_amount), Degraded::Chain(own(0, 10)));
}

#[test]
fn damage_before_the_checkpoint_that_changes_no_sum_is_found_by_the_full_check() {
    let world = World::new();
    let path = closed(&world);
    let other_operator =
        "UPDATE entry SET body = CAST(substr(body, 1, 56) || x'ff00' || substr(body, 59) AS BLOB) WHERE at = 10";
    meddle(&path, other_operator);
    let (store, report) = world.open();
    assert_eq!(report.degraded, None);
    let found = store.check_everything().unwrap_err();
    assert_eq!(found, StoreError::Degraded(Degraded::Chain(own(0, 10))));
    let refused = store.transact(|_| Decision::write(vec![sale(WALLET, 1)], ())).unwrap_err();
    assert_eq!(refused, found);
    assert!(store.read(|view| view.head()).unwrap().is_some(), "it still reads");
}

#[test]
fn a_file_cut_short_is_damage_at_any_length() {
    for part in [0, 1, 100, 1023, 1024, 4096, 10_000] {
        let world = World::new();
        let path = closed(&world);
        let whole = fs::read(&path).unwrap();
        assert!(whole.len() > 12_000);
        fs::write(&path, &whole[..part]).unwrap();
        let found = damage(&world);
        match part {
            0..1024 => assert_eq!(found, Degraded::Truncated { bytes: part as u64 }),
            _ => assert!(matches!(found, Degraded::Database(_)), "{found:?}"),
        }
    }
}

#[test]
fn a_store_whose_file_is_gone_is_not_begun_anew_over_its_wal() {
    let world = World::new();
    let path = closed(&world);
    fs::write(with(&path, "-wal"), [1; 100]).unwrap();
    fs::remove_file(&path).unwrap();
    let (_, report) = world.open();
    assert_eq!(report.degraded, Some(Degraded::Truncated { bytes: 0 }));
    assert!(!path.exists());
}

#[test]
fn any_damaged_page_is_named_sooner_or_later_and_nothing_panics() {
    let world = World::new();
    let path = closed(&world);
    let whole = fs::read(&path).unwrap();
    let mut seen_at_once = 0;
    for page in 0..whole.len() / 1024 {
        let mut bytes = whole.clone();
        bytes[page * 1024..(page + 1) * 1024].fill(0xa5);
        fs::write(&path, &bytes).unwrap();
        for suffix in ["-wal", "-shm"] {
            fs::remove_file(with(&path, suffix)).ok();
        }
        match open(world.config(&path), NOON) {
            Ok((store, report)) if report.degraded.is_none() => {
                // Not in the journal's tail: the full check finds it, unless the page was free.
                let all = store.check_everything();
                let written = store.transact(|_| Decision::write(vec![sale(WALLET, 1)], ()));
                assert!(all.is_ok() || written.is_err(), "page {page}: written though damaged");
            }
            Ok((store, _)) => {
                seen_at_once += 1;
                assert!(store.transact(|_| Decision::nothing(())).is_err());
                assert_eq!(fs::read(&path).unwrap(), bytes, "page {page}: the evidence was touched");
            }
            Err(error) => assert!(!error.code().is_empty(), "page {page}"),
        }
    }
    assert!(seen_at_once > 3, "{seen_at_once}");
}

#[test]
fn a_crash_while_the_store_is_made_leaves_no_half_store() {
    let world = World::new();
    fs::write(with(&world.path(), ".new"), b"half a database").unwrap();
    let (_, report) = world.open();
    assert!(report.is_new);
    assert_eq!(report.degraded, None);
}
