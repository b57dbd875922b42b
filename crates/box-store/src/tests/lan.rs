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
use crate::{Heard, OwnClaim};

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
    assert_eq!(hear(&store, &told(0)), Heard::Known, "told late, it does not count again");
    assert_eq!(uses(&store), 1);
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
