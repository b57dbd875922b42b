use std::sync::mpsc::sync_channel;

use domain::{
    id::{BoxNumber, device_id},
    journal::{ChainCursor, Effect, Entry, Flags, Genesis, ZERO_HASH},
    lan::{Part, Voter, VoterList},
    money::Currency,
    time::Hlc,
    wire::to_cbor,
};
use sync::{Branch, Delta, JournalHeads, Section};

use super::*;
use crate::bench::{self, Bench};

impl Desk {
    /// The desk of a box that is its group's only voter: each claim is confirmed at once.
    pub(in crate::lan) fn alone_in_its_group(station: &Arc<Station>) -> Self {
        let mut desk = Self::new(Arc::clone(station), mpsc::channel(8).0, watch::channel(None).0);
        let voters = vec![Voter { device: station.device(), votes: 1 }];
        let list = VoterList { version: 1, voters };
        let group = LanGroup { number: 1, broker: String::new(), copies: 1, list, previous: None };
        assert!(desk.succession.learn(&group));
        (desk.bundle, desk.group) = (Some(station.bundle().bundle.body.number), Some(group));
        desk.show();
        desk
    }
}

/// A list of the same boxes that follows on this one.
fn hears_of_the_next_list(desk: &mut Desk, previous: VoterList) {
    let group = desk.group.clone().unwrap();
    let list = VoterList { version: 2, ..group.list.clone() };
    assert!(desk.succession.learn(&LanGroup { list, previous: Some(previous), ..group }));
}

#[test]
fn a_claim_that_is_decided_after_its_gate_gave_up_waiting_is_given_back() {
    let bench = Bench::gate(&[], |_, _| {});
    let mut desk = Desk::alone_in_its_group(&bench.station);
    let key = ClaimKey::ticket(Bench::uid_of_ticket(1), 0);
    let (answer, gate) = sync_channel(0);
    drop(gate);
    desk.claim(key, Instant::now(), answer).unwrap();
    desk.carry_out();
    assert!(!desk.claims.is_busy(&key));
    assert_eq!(bench.station.store.grants().unwrap(), []);
    let (answer, gate) = sync_channel(0);
    let waits = std::thread::spawn(move || gate.recv());
    desk.claim(key, Instant::now(), answer).unwrap();
    desk.carry_out();
    assert!(matches!(waits.join().unwrap(), Ok(Decided::Group(_))));
    assert!(desk.claims.is_busy(&key), "until what came of it is on disk");
}

#[test]
fn what_was_given_back_while_nobody_heard_is_said_again_at_the_next_connection() {
    let bench = Bench::gate(&[], |_, _| {});
    let (bus, mut said) = mpsc::channel(64);
    let mut desk = Desk::alone_in_its_group(&bench.station);
    desk.bus = bus;
    let (key, claim) =
        (ClaimKey::ticket(Bench::uid_of_ticket(1), 0), Holder { device: bench.station.device(), epoch: 0, claim: 3 });
    desk.work(ToDesk::GiveBack(key, claim)).unwrap();
    desk.carry_out();
    assert!(said.try_recv().is_err(), "there is nobody to hear it");
    desk.work(ToDesk::Connected(true)).unwrap();
    desk.carry_out();
    let all = std::iter::from_fn(|| said.try_recv().ok());
    let messages = all.filter_map(|(_, bytes)| Envelope::read(&bytes).ok()).map(|read| read.message);
    assert_eq!(messages.filter(|said| *said == Message::Release { key, released: claim }).count(), 1);
}

#[test]
fn a_desk_that_waits_for_a_list_asks_however_busy_the_lan_is() {
    let bench = Bench::gate(&[], |_, _| {});
    let (bus, mut said) = mpsc::channel(64);
    let mut desk = Desk::alone_in_its_group(&bench.station);
    (desk.bus, desk.connected) = (bus, true);
    let stranger = VoterList { version: 1, voters: vec![Voter { device: DeviceId([7; 16]), votes: 1 }] };
    desk.succession = Succession::default();
    hears_of_the_next_list(&mut desk, stranger);
    let (to_desk, from_others) = sync_channel(64);
    let served = std::thread::spawn(move || desk.serve(&from_others));
    for _ in 0..70 {
        to_desk.send(ToDesk::Heard(Vec::new())).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    to_desk.send(ToDesk::Stop).unwrap();
    served.join().unwrap();
    let asks = std::iter::from_fn(|| said.try_recv().ok())
        .filter(|(_, bytes)| Envelope::read(bytes).is_ok_and(|read| read.message == Message::WantsHandover(1)));
    assert!(asks.count() >= 2);
}

#[test]
fn a_new_bundle_of_the_same_group_leaves_the_connection_alone() {
    let bench = Bench::gate(&[], |_, _| {});
    let mut desk = Desk::alone_in_its_group(&bench.station);
    let mut targets = desk.target.subscribe();
    desk.bundle = None;
    desk.look_at_bundle();
    assert!(!targets.has_changed().unwrap(), "in no group before, and in none now");
    let device = bench.station.device();
    let festival = bench.station.bundle().bundle.festival;
    let broker = |address: &str| Some(Target { broker: address.into(), group: 1, festival, device });
    for (address, moves) in [("10.0.0.5:1883", true), ("10.0.0.5:1883", false), ("10.0.0.6:1883", true)] {
        desk.connect_to(broker(address));
        assert_eq!(targets.has_changed().unwrap(), moves, "{address}");
        targets.mark_unchanged();
    }
}

/// Parts that the desk said since, and how many of their grants are of this kind.
fn handed_over(
    said: &mut mpsc::Receiver<(To, Vec<u8>)>,
    of: impl Fn(&(ClaimKey, Holder)) -> bool,
) -> (Vec<Part>, usize) {
    let (mut parts, mut count) = (Vec::new(), 0);
    while let Ok((to, bytes)) = said.try_recv() {
        let Ok(Message::Handover { list: 1, part, grants }) = Envelope::read(&bytes).map(|read| read.message) else {
            continue;
        };
        assert_eq!(to, To::All);
        parts.push(part);
        count += grants.iter().filter(|grant| of(grant)).count();
    }
    (parts, count)
}

#[test]
fn a_busy_member_hands_over_in_pieces_whatever_it_inherits_meanwhile() {
    let bench = Bench::gate(&[], |_, _| {});
    let (bus, mut said) = mpsc::channel(64);
    let mut desk = Desk::alone_in_its_group(&bench.station);
    (desk.bus, desk.connected) = (bus, true);
    let neighbour = |claim| Holder { device: DeviceId([7; 16]), epoch: 1, claim };
    let granted = |n: u16| (ClaimKey { what: 1, subject: [3; 16], number: u64::from(n) }, neighbour(u64::from(n)));
    let grants: Vec<_> = (0..4000).map(granted).collect();
    bench.station.store.set_succession(1, &desk.succession, grants).unwrap();

    let ask = Message::WantsHandover(1);
    desk.believe(DeviceId([8; 16]), ask.clone()).unwrap();
    assert_eq!(handed_over(&mut said, |_| true), (vec![], 0), "it grants under that list");
    let closed = desk.group.clone().unwrap().list;
    hears_of_the_next_list(&mut desk, closed);

    desk.believe(DeviceId([8; 16]), ask.clone()).unwrap();
    desk.believe(DeviceId([9; 16]), ask.clone()).unwrap();
    let (mut parts, _) = handed_over(&mut said, |_| true);
    assert_eq!(parts.len(), 16, "for both, and no more at once");
    // a row that replaces another, one that is new, and one that is given back before its part is said
    let (key, _) = granted(3990);
    let inherited = vec![(key, neighbour(5000)), granted(4001)];
    bench.station.store.set_succession(1, &desk.succession, inherited).unwrap();
    let (key, released) = granted(3991);
    desk.believe(released.device, Message::Release { key, released }).unwrap();
    std::thread::sleep(ASK);
    desk.believe(DeviceId([8; 16]), ask).unwrap();
    let (later, stand) = handed_over(&mut said, |grant| (3990..3993).map(granted).any(|granted| granted == *grant));
    assert_eq!(stand, 2, "what was granted, not what replaced it; not what was given back");
    parts.extend(later);
    let mut member = Succession::default();
    let me = bench.station.device();
    let first = VoterList { version: 1, voters: vec![Voter { device: me, votes: 1 }] };
    let group = |list, previous| LanGroup { number: 1, broker: String::new(), copies: 1, list, previous };
    assert!(member.learn(&group(VoterList { version: 2, ..first.clone() }, Some(first))));
    let complete = parts.iter().filter(|part| member.handed_over(me, 1, **part)).count();
    assert_eq!((complete, parts.len()), (1, 32), "a new member that heard every part has the whole");
}

/// A bar whose presence this desk has heard, and what it tells of one of its journals.
struct Bar {
    key: ed25519_dalek::SigningKey,
    genesis: Genesis,
}

impl Bar {
    fn heard_by(desk: &mut Desk) -> Self {
        let (key, chain) = bench::neighbour(40);
        let (founding, public_key) = (desk.station.enrolled().founding.clone(), key.verifying_key().to_bytes());
        let (chain, box_number) = (chain.to_bytes(), BoxNumber(20));
        let presence = Presence { epoch: 0, box_number, list: 0, asks: false, chain: chain.clone() };
        let (device, neighbour) = Neighbours::read(&presence, &founding, Instant::now()).unwrap();
        desk.neighbours.put(device, neighbour);
        let festival = founding.festival();
        let genesis =
            Genesis { festival, public_key, box_number, epoch: 0, chain, previous: None, software: "0.1.0".into() };
        Self { key, genesis }
    }

    fn opening(genesis: &Genesis) -> Entry {
        let part = to_cbor(genesis);
        Entry { part, ..Entry::new(Kind::GENESIS, Effect::None, Currency::EUR, Hlc(1)) }
    }

    fn told(&self, epoch: u32, before: usize, entries: Vec<Entry>) -> Told {
        let device = device_id(&self.genesis.public_key);
        let mut cursor = ChainCursor::start(self.genesis.festival, device, epoch);
        for _ in 0..before {
            cursor.append(&[1; 88]);
        }
        let (first, prev) = (cursor.next_seq, cursor.prev);
        let flags = Flags::default().with(Flags::END_OF_COMMIT);
        let bodies: Vec<Vec<u8>> = entries.into_iter().map(|entry| Entry { flags, ..entry }.to_bytes()).collect();
        for body in &bodies {
            cursor.append(body);
        }
        let signature = cursor.sign(&self.key).unwrap().signature;
        Told { device, epoch, first, prev: if first == 0 { ZERO_HASH } else { prev }, signature, bodies }
    }
}

#[test]
fn a_neighbours_journal_opens_with_the_genesis_that_the_hub_takes_or_nothing_of_it_is_kept() {
    let bench = Bench::new();
    let mut desk = Desk::alone_in_its_group(&bench.station);
    let bar = Bar::heard_by(&mut desk);
    let note = || Entry::new(Kind::NOTE, Effect::None, Currency::EUR, Hlc(5));
    let good = &bar.genesis;
    let (_, others_chain) = bench::neighbour(41);
    let wrong = [
        vec![note()],
        vec![note(), Bar::opening(good)],
        vec![Bar::opening(&Genesis { epoch: 1, ..good.clone() })],
        vec![Bar::opening(&Genesis { festival: domain::id::FestivalId([9; 16]), ..good.clone() })],
        vec![Bar::opening(&Genesis { public_key: [9; 32], ..good.clone() })],
        vec![Bar::opening(&Genesis { chain: others_chain.to_bytes(), ..good.clone() })],
        vec![Bar::opening(&Genesis { chain: vec![], ..good.clone() })],
        vec![Bar::opening(good), Bar::opening(good)],
    ];
    let count = wrong.len() as u64;
    for entries in wrong {
        desk.hear_commit(bar.told(0, 0, entries)).unwrap();
    }
    desk.hear_commit(bar.told(0, 3, vec![note(), Bar::opening(good)])).unwrap();
    let kept = || bench.station.store.neighbours_held().unwrap();
    assert_eq!(kept(), []);
    assert_eq!(desk.station.lan.numbers.suspicious.get(), count + 1);
    desk.hear_commit(bar.told(0, 0, vec![Bar::opening(good), note()])).unwrap();
    desk.hear_commit(bar.told(0, 5, vec![note()])).unwrap();
    assert_eq!(kept()[0].branches[0].ranges, [(5, 5)]);
    assert_eq!((kept()[0].branches[0].contiguous, desk.station.lan.numbers.suspicious.get()), (2, count + 1));
}

#[test]
fn what_a_neighbour_told_is_said_to_be_copied_where_it_is_kept_and_not_where_the_hub_covers_its_place() {
    let bench = Bench::new();
    let mut desk = Desk::alone_in_its_group(&bench.station);
    let bar = Bar::heard_by(&mut desk);
    let (bus, mut said) = mpsc::channel(8);
    (desk.bus, desk.connected) = (bus, true);
    let mut tell = |desk: &mut Desk| {
        let note = Entry::new(Kind::NOTE, Effect::None, Currency::EUR, Hlc(5));
        desk.hear_commit(bar.told(0, 5, vec![note])).unwrap();
        said.try_recv().is_ok()
    };
    assert_eq!((tell(&mut desk), tell(&mut desk)), (true, true));
    // of another image of that bar, the hub has had more
    let heads = JournalHeads {
        device: device_id(&bar.genesis.public_key),
        epoch: 0,
        branches: vec![Branch::up_to(9, [7; 16])],
    };
    for section in [Section::Wallets, Section::Tickets] {
        let delta = Delta {
            festival: bar.genesis.festival,
            section,
            term: 1,
            prev: 0,
            number: 1,
            part: 0,
            parts: 1,
            snapshot: true,
            vector: vec![heads.clone()],
            hub_time_ms: 1,
            items: vec![],
        };
        bench.station.store.apply_delta(vec![delta.sign(&bar.key)]).unwrap();
    }
    assert_eq!(bench.station.store.neighbours_held().unwrap(), []);
    assert!(!tell(&mut desk));
}

#[test]
fn the_newest_commit_stands_twice_once_the_hub_has_it() {
    let bench = Bench::new();
    let mut desk = Desk::alone_in_its_group(&bench.station);
    desk.connected = true;
    bench.top_up(&bench.purse(1), 1_000);
    desk.tell().unwrap();
    desk.show();
    assert!(!bench.station.lan.status().newest_is_copied);
    let head = bench.station.store.read(|view| view.head()).unwrap().unwrap();
    let hash = *head.hash.first_chunk().unwrap();
    bench.station.store.mark_acked(0, head.at.seq + 1, hash, 1).unwrap();
    desk.show();
    assert!(bench.station.lan.status().newest_is_copied);
}
