//! What neighbours told, and what was granted to them, on disk.
use domain::{
    journal::{ChainCursor, Flags, ZERO_HASH},
    lan::{ClaimKey, Holder, LanGroup, Ruling, Succession, Told, Voter, VoterList},
    ledger::TicketState,
    time::Hlc,
};
use sync::{Branch, JournalHeads, Section};

use super::{
    hub_state::{apply, batch},
    *,
};
use crate::{Heard, OwnClaim, neighbours::Size};

fn neighbour() -> SigningKey {
    SigningKey::from_bytes(&[44; 32])
}

fn neighbours_id() -> DeviceId {
    device_id(&neighbour().verifying_key().to_bytes())
}

/// A neighbour's admission of the ticket, as its entry 0 (its genesis is not needed here).
fn told(at: u64) -> Told {
    let mut entry = admission(TICKET);
    entry.hlc = Hlc((NOON + at) << 16);
    entry.flags = Flags::END_OF_COMMIT;
    let mut cursor = ChainCursor::start(FESTIVAL, neighbours_id(), 0);
    cursor.append(&entry.to_bytes());
    let signature = cursor.sign(&neighbour()).unwrap().signature;
    Told { device: neighbours_id(), epoch: 0, first: 0, prev: ZERO_HASH, signature, bodies: vec![entry.to_bytes()] }
}

fn hear(store: &Store, told: &Told) -> Heard {
    store.hear_commit(told.clone(), told.head(), BoxNumber(77)).unwrap()
}

fn uses(store: &Store) -> u16 {
    store.read(|view| view.ticket(&TICKET).uses).unwrap()
}

fn other(claim: u64) -> Holder {
    Holder { device: neighbours_id(), epoch: 0, claim }
}

/// The hub's state: the ticket was used once, by the neighbour.
fn hub_covers(store: &Store) {
    let heads = vec![JournalHeads { device: neighbours_id(), epoch: 0, branches: vec![Branch::up_to(1, [0; 16])] }];
    let mut state = TicketState::empty(TICKET);
    state.uses = 1;
    apply(store, &batch(Section::Tickets, (0, 1), heads.clone(), state.to_bytes().to_vec()));
    assert_eq!(uses(store), 1);
    apply(store, &batch(Section::Wallets, (0, 1), heads, Vec::new()));
}

#[test]
fn what_neighbours_told_is_counted_with_it_and_bounded() {
    let world = World::new();
    let (store, _) = world.open();
    let size = || store.reading(crate::neighbours::size).unwrap();
    assert_eq!(size(), Size { commits: 0, bytes: 0 });
    let told = told(1);
    assert_eq!((hear(&store, &told), hear(&store, &told)), (Heard::New, Heard::Known));
    // and once more by the ticket that it names
    let bytes = (told.to_bytes().len() + told.bodies[0].len()) as i64;
    assert_eq!(size(), Size { commits: 1, bytes });
    let of = |device| store.reading(|connection| crate::neighbours::share(connection, device)).unwrap();
    assert_eq!((of(neighbours_id()), of(own_device()).commits), (size(), 0));
    hub_covers(&store);
    assert_eq!((size(), of(neighbours_id())), (Size { commits: 0, bytes: 0 }, Size { commits: 0, bytes: 0 }));
    for (commits, bytes, full) in [(199_999, (256 << 20) - 1, false), (200_000, 0, true), (0, 256 << 20, true)] {
        assert_eq!(Size { commits, bytes }.is_full(), full);
    }
    let many = "UPDATE neighbour_size SET commits = 200000";
    store.work(|writing| Ok(writing.connection.execute_batch(many)?)).unwrap();
    let mut later = told.clone();
    later.epoch = 1;
    assert_eq!(hear(&store, &later), Heard::Full);
}

#[test]
fn a_neighbours_admission_is_refused_at_once_survives_a_restart_and_counts_once_when_the_hub_brings_it() {
    let world = World::new();
    let (store, _) = world.open();
    let digest = store.read(|view| view.digest()).unwrap();
    assert_eq!(hear(&store, &told(0)), Heard::New);
    assert_eq!(hear(&store, &told(0)), Heard::Known);
    let known = store.read(|view| view.ticket(&TICKET)).unwrap();
    assert_eq!((known.uses, known.first_box), (1, BoxNumber(77)));
    assert_eq!(store.read(|view| view.digest()).unwrap(), digest, "box and hub compare without it");
    assert_eq!(store.commits_about(&TICKET.0, 4).unwrap(), [told(0)]);
    drop(store);
    let (store, _) = world.open();
    assert_eq!(uses(&store), 1);
    hub_covers(&store);
    assert_eq!((uses(&store), store.neighbour_entries().unwrap()), (1, 0));
    assert_eq!(hear(&store, &told(0)), Heard::Covered, "told late, it does not count again");
    assert_eq!(uses(&store), 1);
}

#[test]
fn one_neighbour_fills_its_own_share_and_what_a_revoked_one_told_makes_room_for_others() {
    let world = World::new();
    let (store, _) = world.open();
    let told_by = |n: u8, epoch: u32| {
        let key = SigningKey::from_bytes(&[n; 32]);
        Told { device: device_id(&key.verifying_key().to_bytes()), epoch, ..told(0) }
    };
    let change = |sql: &str| {
        let sql = sql.to_owned();
        store.work(move |writing| Ok(writing.connection.execute_batch(&sql)?)).unwrap();
    };
    for (commits, bytes, full) in [(12_499, (16 << 20) - 1, false), (12_500, 0, true), (0, 16 << 20, true)] {
        assert_eq!(Size { commits, bytes }.is_a_whole_share(), full);
    }
    let (greedy, other) = (told_by(50, 0), told_by(51, 0));
    assert_eq!(hear(&store, &greedy), Heard::New);
    change("UPDATE neighbour_share SET commits = 12500");
    assert_eq!((hear(&store, &told_by(50, 1)), hear(&store, &other)), (Heard::Full, Heard::New));

    change("UPDATE neighbour_size SET commits = 200000");
    assert_eq!((hear(&store, &told_by(51, 1)), hear(&store, &greedy)), (Heard::Full, Heard::Known));
    let revoked: Vec<u8> = [&[crate::REVOKED_DEVICE, 1][..], &greedy.device.0].concat();
    apply(&store, &batch(Section::Revocations, (0, 1), Vec::new(), revoked));
    let devices = || store.neighbours_held().unwrap().into_iter().map(|heads| heads.device).collect::<Vec<_>>();
    assert_eq!(devices().len(), 2, "evidence, while there is room");
    assert_eq!(hear(&store, &told_by(51, 1)), Heard::New);
    assert_eq!(devices(), [other.device; 2]);
}

#[test]
fn of_one_neighbour_so_many_journals_are_kept_as_the_hub_keeps() {
    let world = World::new();
    let (store, _) = world.open();
    let told_by = |device: u8, epoch: u32| hear(&store, &Told { device: DeviceId([device; 16]), epoch, ..told(0) });
    (1..=64).for_each(|epoch| assert_eq!(told_by(1, epoch), Heard::New));
    assert_eq!((told_by(1, 65), told_by(1, 0)), (Heard::Full, Heard::Full));
    assert_eq!((told_by(1, 64), told_by(2, 65)), (Heard::Known, Heard::New));
    let next = Told { first: 1, epoch: 64, device: DeviceId([1; 16]), ..told(1) };
    assert_eq!(hear(&store, &next), Heard::New, "a journal that is kept goes on");
}

#[test]
fn a_batch_looks_at_what_the_journals_that_it_names_have_told_and_a_snapshot_at_all() {
    let world = World::new();
    let (store, _) = world.open();
    for section in [Section::Tickets, Section::Wallets] {
        apply(&store, &batch(section, (0, 1), Vec::new(), Vec::new()));
    }
    let (named, other) = (told(0), Told { epoch: 1, ..told(0) });
    assert_eq!((hear(&store, &named), hear(&store, &other)), (Heard::New, Heard::New));
    // as if both were covered before
    let epochs = || store.neighbours_held().unwrap().into_iter().map(|heads| heads.epoch).collect::<Vec<_>>();
    let covered = "INSERT INTO neighbour_covered (section, device, epoch, before)
        SELECT section, device, epoch, 9 FROM neighbour_commit, (SELECT 1 AS section UNION SELECT 2)";
    store.work(|writing| Ok(writing.connection.execute_batch(covered)?)).unwrap();
    let heads = vec![JournalHeads { device: neighbours_id(), epoch: 0, branches: vec![Branch::up_to(1, [0; 16])] }];
    apply(&store, &batch(Section::Revocations, (0, 1), Vec::new(), Vec::new()));
    assert_eq!(epochs(), [0, 1]);
    apply(&store, &batch(Section::Tickets, (1, 2), heads, Vec::new()));
    assert_eq!((epochs(), store.neighbour_entries().unwrap()), (vec![1], 1));
    let branches = vec![Branch::up_to(1, [0; 16])];
    let both = [0, 1].map(|epoch| JournalHeads { device: neighbours_id(), epoch, branches: branches.clone() });
    for section in [Section::Tickets, Section::Wallets] {
        apply(&store, &batch(section, (0, 3), both.to_vec(), Vec::new()));
    }
    assert_eq!((epochs(), store.neighbour_entries().unwrap()), (vec![], 0));
}

/// A neighbour's journal of single admissions, each a commit of its own.
fn told_one_by_one(count: u32) -> Vec<Told> {
    let mut cursor = ChainCursor::start(FESTIVAL, neighbours_id(), 0);
    let (mut all, mut prev) = (Vec::new(), ZERO_HASH);
    for first in 0..count {
        let mut entry = admission(TICKET);
        entry.hlc = Hlc((NOON + u64::from(first)) << 16);
        entry.flags = Flags::END_OF_COMMIT;
        let body = entry.to_bytes();
        cursor.append(&body);
        let signature = cursor.sign(&neighbour()).unwrap().signature;
        all.push(Told { device: neighbours_id(), epoch: 0, first, prev, signature, bodies: vec![body] });
        prev = all.last().unwrap().head().hash;
    }
    all
}

#[test]
fn what_a_neighbour_told_is_given_on_as_it_was_signed_until_the_hub_has_taken_it_into_account() {
    let world = World::new();
    let (store, _) = world.open();
    let all = told_one_by_one(9);
    for at in [3, 4, 5, 7] {
        assert_eq!(hear(&store, &all[at]), Heard::New);
    }
    let branch = Branch { ranges: vec![(3, 5), (7, 7)], ..Branch::default() };
    let held = JournalHeads { device: neighbours_id(), epoch: 0, branches: vec![branch] };
    assert_eq!(store.neighbours_held().unwrap(), [held]);
    assert!(store.vector().unwrap().iter().all(|heads| heads.device == own_device()), "its own is its own");
    let public = neighbour().verifying_key().to_bytes();
    let given = |from, most| {
        let segment = store.segment(neighbours_id(), 0, from, most).unwrap()?;
        segment.verify(FESTIVAL, &public).unwrap();
        Some((segment.first, segment.last()))
    };
    assert_eq!(given(0, 500), Some((3, 5)), "three commits under the last one's signature");
    assert_eq!((given(4, 500), given(3, 2), given(6, 500)), (Some((4, 5)), Some((3, 4)), Some((7, 7))));
    assert_eq!(given(8, 500), None);
    // what stood in between comes late
    assert_eq!(hear(&store, &all[6]), Heard::New);
    assert_eq!(given(3, 500), Some((3, 7)));
    (0..3).for_each(|at| assert_eq!(hear(&store, &all[at]), Heard::New));
    let whole = store.neighbours_held().unwrap();
    let short: [u8; 16] = *all[7].head().hash.first_chunk().unwrap();
    assert_eq!(whole[0].branches, [Branch::up_to(8, short)]);
    let heads = vec![JournalHeads { device: neighbours_id(), epoch: 0, branches: vec![Branch::up_to(6, [0; 16])] }];
    apply(&store, &batch(Section::Tickets, (0, 1), heads.clone(), Vec::new()));
    apply(&store, &batch(Section::Wallets, (0, 1), heads, Vec::new()));
    assert_eq!((given(0, 500), store.neighbours_held().unwrap()[0].branches[0].end()), (Some((6, 7)), 8));
}

#[test]
fn what_the_hub_has_of_a_neighbour_beyond_a_gap_counts_once() {
    let world = World::new();
    let (store, _) = world.open();
    let all = told_one_by_one(9);
    (2..=6).for_each(|at| assert_eq!(hear(&store, &all[at]), Heard::New));
    assert_eq!(uses(&store), 5);
    // the hub lacks entries 1, 2 and 6, and has 3 to 5
    let heads = |ranges: &[(u32, u32)]| {
        let branch = Branch { ranges: ranges.to_vec(), ..Branch::up_to(1, [0; 16]) };
        vec![JournalHeads { device: neighbours_id(), epoch: 0, branches: vec![branch] }]
    };
    let mut state = TicketState::empty(TICKET);
    state.uses = 4;
    apply(&store, &batch(Section::Tickets, (0, 1), heads(&[(3, 5)]), state.to_bytes().to_vec()));
    assert_eq!(uses(&store), 6, "with entries 2 and 6, of which the hub has not heard");
    apply(&store, &batch(Section::Wallets, (0, 1), heads(&[(3, 5)]), Vec::new()));
    assert_eq!(uses(&store), 6);
    let held = Branch { ranges: vec![(2, 2), (6, 6)], ..Branch::default() };
    assert_eq!(store.neighbours_held().unwrap()[0].branches, [held], "the rest need not be brought to it");
    assert_eq!(hear(&store, &all[4]), Heard::Covered, "told late, it does not count again");
    assert_eq!(uses(&store), 6);
    // of two histories nobody can say on which one a range stands
    let mut forked = heads(&[(6, 6)]);
    forked[0].branches.push(Branch::up_to(2, [9; 16]));
    apply(&store, &batch(Section::Tickets, (1, 2), forked, Vec::new()));
    assert_eq!(uses(&store), 6);
}

#[test]
fn a_neighbour_with_two_histories_is_not_believed_a_second_time() {
    let world = World::new();
    let (store, _) = world.open();
    assert_eq!(hear(&store, &told(0)), Heard::New);
    assert_eq!(hear(&store, &told(9)), Heard::Conflict);
    assert_eq!(store.commits_about(&TICKET.0, 4).unwrap(), [told(0)]);
}

#[test]
fn a_grant_outlives_the_power_and_goes_only_by_the_release_of_that_claim() {
    let world = World::new();
    let (store, _) = world.open();
    let key = ClaimKey::ticket(TICKET, 0);
    assert_eq!(store.rule_on(key, other(3)).unwrap(), Ruling::Grant(other(3)));
    drop(store);
    let (store, _) = world.open();
    assert_eq!(store.claim(key).unwrap(), OwnClaim::Refused(Ruling::Taken(other(3))));
    store.release_claim(key, other(2)).unwrap();
    assert_eq!(store.claim(key).unwrap(), OwnClaim::Refused(Ruling::Taken(other(3))));
    store.release_claim(key, other(3)).unwrap();
    let OwnClaim::Made(first) = store.claim(key).unwrap() else { panic!("it is free") };
    assert_eq!(store.rule_on(key, other(4)).unwrap(), Ruling::Taken(first));
    drop(store);
    let (store, _) = world.open();
    let OwnClaim::Made(second) = store.claim(key).unwrap() else { panic!("its own") };
    assert!(second.claim > first.claim, "no number is used twice");
    assert_eq!(store.grants().unwrap(), [(key, second)]);
}

#[test]
fn who_knows_of_more_uses_or_of_fewer_grants_nothing() {
    let world = World::new();
    let (store, _) = world.open();
    assert_eq!(store.rule_on(ClaimKey::ticket(TICKET, 1), other(1)).unwrap(), Ruling::Behind(0));
    hear(&store, &told(0));
    assert_eq!(store.rule_on(ClaimKey::ticket(TICKET, 0), other(1)).unwrap(), Ruling::Ahead(1));
    assert_eq!(store.rule_on(ClaimKey::ticket(TICKET, 1), other(1)).unwrap(), Ruling::Grant(other(1)));
}

#[test]
fn where_a_box_stands_in_its_group_and_what_it_was_handed_over_are_on_disk_together() {
    let world = World::new();
    let (store, _) = world.open();
    assert_eq!(store.succession().unwrap(), None);
    let list = |version| VoterList { version, voters: vec![Voter { device: own_device(), votes: 1 }] };
    let group = LanGroup { number: 5, broker: "b:1".into(), copies: 1, list: list(2), previous: Some(list(1)) };
    let mut state = Succession::default();
    assert!(state.learn(&group));
    let key = ClaimKey::ticket(TICKET, 0);
    store.set_succession(5, &state, vec![(key, other(3)), (key, other(2))]).unwrap();
    drop(store);
    let (store, _) = world.open();
    assert_eq!(store.succession().unwrap(), Some((5, state)));
    assert_eq!(store.grants().unwrap(), [(key, other(3))], "of one box the later claim");
}
