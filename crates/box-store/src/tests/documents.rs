//! Edits of documents on the box's disk: confirmed ones in the hub's order, own ones until they are answered.
use domain::wire::Writer;
use sync::{Delta, Section, SignedDelta, frame::Edit};

use super::*;
use crate::DeltaOutcome;

fn item(n: u8) -> Edit {
    Edit { change: [n; 32], envelope: vec![n; 40] }
}

fn tell(store: &Store, term: u32, (prev, number): (u64, u64), numbers: &[u8]) {
    let mut items = Writer::new();
    numbers.iter().for_each(|n| item(*n).write_item(&mut items));
    let delta = Delta {
        festival: FESTIVAL,
        section: Section::Documents,
        term,
        prev,
        number,
        part: 0,
        parts: 1,
        snapshot: prev == 0,
        vector: Vec::new(),
        hub_time_ms: NOON,
        items: items.finish(),
    };
    let signed = SignedDelta { body: delta.to_bytes(), signature: [0; 64], key: [0; 32] };
    assert!(matches!(store.apply_delta(vec![signed]).unwrap()[..], [DeltaOutcome::Applied { .. }]));
}

fn keep(store: &Store, n: u8) {
    assert!(store.keep_edit([n; 32], vec![n; 40]).unwrap());
}

fn waiting(store: &Store) -> Vec<(u8, Option<u16>)> {
    store.own_edits().unwrap().iter().map(|own| (own.change[0], own.answer)).collect()
}

#[test]
fn an_edit_that_was_confirmed_and_had_not_come_back_waits_again_for_a_hub_that_lacks_it() {
    let world = World::new();
    let (store, _) = world.open();
    tell(&store, 1, (0, 1), &[5]);
    keep(&store, 1);
    keep(&store, 2);
    keep(&store, 3);
    store.answer_edit([1; 32], Some(0)).unwrap();
    store.answer_edit([2; 32], Some(0)).unwrap();
    store.answer_edit([3; 32], Some(7)).unwrap();
    // the hub that comes back was restored from a copy without the first one
    tell(&store, 2, (0, 1), &[5, 2]);
    assert_eq!(waiting(&store), [(1, None), (3, Some(7))]);
}

#[test]
fn confirmed_edits_come_back_in_the_hubs_order_after_a_restart() {
    let world = World::new();
    let (store, _) = world.open();
    tell(&store, 1, (0, 1), &[5, 3]);
    tell(&store, 1, (1, 2), &[9]);
    drop(store);
    let (store, _) = world.open();
    let all = store.confirmed_edits(0).unwrap();
    assert_eq!(all.envelopes, [vec![5; 40], vec![3; 40], vec![9; 40]]);
    let since = store.confirmed_edits(all.first + 1).unwrap();
    assert_eq!((since.first, since.last, since.envelopes), (all.first, all.last, vec![vec![9; 40]]));
}

#[test]
fn an_own_edit_waits_over_a_restart_until_it_is_answered_and_has_arrived() {
    let world = World::new();
    let (store, _) = world.open();
    [1, 2, 3].into_iter().for_each(|n| keep(&store, n));
    drop(store);
    let (store, _) = world.open();
    assert_eq!(waiting(&store), [(1, None), (2, None), (3, None)]);
    store.answer_edit([1; 32], Some(0)).unwrap();
    store.answer_edit([2; 32], Some(3)).unwrap();
    store.answer_edit([3; 32], None).unwrap();
    assert_eq!(waiting(&store), [(1, Some(0)), (2, Some(3))]);
    tell(&store, 1, (0, 1), &[1]);
    assert_eq!(waiting(&store), [(2, Some(3))]);
}

#[test]
fn what_a_restored_hub_has_lost_is_told_to_it_again() {
    let world = World::new();
    let (store, _) = world.open();
    tell(&store, 1, (0, 1), &[1, 2, 3]);
    let before = store.confirmed_edits(0).unwrap();
    tell(&store, 2, (0, 1), &[1]);
    let after = store.confirmed_edits(0).unwrap();
    assert!(after.first > before.last, "whoever holds the old ones notices");
    assert_eq!(after.envelopes, [vec![1; 40]]);
    assert_eq!(waiting(&store), [(2, None), (3, None)]);
}

#[test]
fn the_edits_that_wait_are_bounded() {
    let world = World::new();
    let (store, _) = world.open();
    let hash = |n: u16| {
        let mut hash = [0; 32];
        hash[..2].copy_from_slice(&n.to_le_bytes());
        hash
    };
    for n in 0..256 {
        assert!(store.keep_edit(hash(n), vec![1]).unwrap());
    }
    assert!(!store.keep_edit(hash(256), vec![1]).unwrap());
    store.answer_edit(hash(0), Some(4)).unwrap();
    assert!(store.keep_edit(hash(256), vec![1]).unwrap());
}

#[test]
fn the_last_revisions_are_kept_and_no_more() {
    let world = World::new();
    let (store, _) = world.open();
    for revision in 1..=70u32 {
        store.keep_revision(revision, revision.to_le_bytes().to_vec()).unwrap();
    }
    assert_eq!(store.revision_heads(70).unwrap(), Some(70u32.to_le_bytes().to_vec()));
    assert_eq!(store.revision_heads(7).unwrap(), Some(7u32.to_le_bytes().to_vec()));
    assert_eq!(store.revision_heads(6).unwrap(), None);
}
