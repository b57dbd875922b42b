use domain::{
    access::Share,
    id::EntryRef,
    journal::{ShareRelease, Subject},
    ledger::ZoneRecord,
    trust::Roles,
    wire::Reader,
};
use sync::Section;

use super::*;
use crate::{
    deltas::feed::Next,
    sample::{self, SampleBox},
};

const CAPACITY: u32 = 10;

/// A gate as it behaves: it hears the hub, admits while it may, gives back what it is asked for.
struct Gate {
    journal: SampleBox,
    sent: usize,
    share: Share,
    guests: u8,
}

impl Gate {
    fn new(n: u8) -> Self {
        Self { journal: SampleBox::new(n, Roles::GATE), sent: 0, share: Share::default(), guests: n * 4 }
    }

    fn say(&mut self, places: u32) -> EntryRef {
        self.share.released += places;
        let part =
            ShareRelease { term: 1, granted: self.share.granted, released: self.share.released, places, needs: 0 };
        let entry = self.journal.entry(Kind::SHARE_RELEASE, Effect::None, 0);
        self.journal.commit(Entry { part: Detail::ShareRelease(part).to_bytes(), ..entry })
    }

    fn admits(&mut self) -> bool {
        if self.share.free() <= 0 {
            return false;
        }
        self.guests += 1;
        self.share.inside += 1;
        self.journal.admit(sample::ticket(self.guests));
        true
    }

    fn exit(&mut self, who: u8) {
        let part = Admission { scheme: 1, marks: Marks::default(), product: [1, 0, 0, 0], reason: String::new() };
        let part = Detail::Admission(part).to_bytes();
        let entry = self.journal.entry(Kind::EXIT, Effect::Out, 0);
        self.share.inside -= 1;
        self.journal.commit(Entry { subject: Subject::from(sample::ticket(who)), part, ..entry });
    }

    fn tell(&mut self, hub: &mut Hub) {
        let to = self.journal.bodies.len();
        if self.sent < to {
            hub.ingest(&[self.journal.segment(self.sent, to)]).unwrap();
            self.sent = to;
        }
        hub.zones_heard(&[(self.journal.device, hub.now_ms())]);
    }

    fn hear(&mut self, hub: &mut Hub) {
        for record in records(&hub.zone_items(true).unwrap()) {
            if let ZoneRecord::Share(share) = record
                && share.device == self.journal.device
            {
                self.share.granted = self.share.granted.max(share.granted);
                let places = self.share.gives_back(share.asked);
                if places > 0 {
                    self.say(places);
                }
            }
        }
    }
}

fn records(items: &[u8]) -> Vec<ZoneRecord> {
    let mut input = Reader::new(items);
    let mut records = Vec::new();
    while !input.rest().is_empty() {
        records.push(ZoneRecord::read(&mut input).unwrap());
    }
    records
}

fn hub(dir: &std::path::Path) -> Hub {
    let zone = format!("[[zone]]\nnumber = 0\nname_fr = \"Site\"\nname_en = \"Site\"\ncapacity = {CAPACITY}\n");
    std::fs::write(dir.join("festival.toml"), format!("{}\n{zone}", sample::TOML)).unwrap();
    sample::open(dir)
}

/// Two gates that take part and were dealt their places.
fn two_gates(dir: &std::path::Path) -> (Hub, Gate, Gate) {
    let mut hub = hub(dir);
    let (mut a, mut b) = (Gate::new(20), Gate::new(30));
    a.say(0);
    b.say(0);
    settle(&mut hub, &mut [&mut a, &mut b]);
    (hub, a, b)
}

fn set_capacity(hub: &mut Hub, capacity: u32) {
    let zone = hub.zone_rules().zone(0).cloned().unwrap();
    let settings = documents::zone(&Zone { capacity: Some(capacity), ..zone }, 0);
    hub.edit(documents::Document::Zones, &settings).unwrap();
}

/// Everybody tells, the hub deals, everybody hears, until nothing moves.
fn settle(hub: &mut Hub, gates: &mut [&mut Gate]) {
    for _ in 0..4 {
        gates.iter_mut().for_each(|gate| gate.tell(hub));
        hub.project().unwrap();
        hub.zones.dealt_ms = 0;
        hub.publish().unwrap();
        gates.iter_mut().for_each(|gate| gate.hear(hub));
    }
}

#[test]
fn two_gates_apart_each_keep_to_their_share_and_the_hub_knows_exactly_who_is_inside() {
    let dir = sample::hub_dir();
    let (mut hub, mut a, mut b) = two_gates(dir.path());
    assert_eq!((a.share.held(), b.share.held()), (5, 5));
    // apart: nobody tells the hub anything
    assert_eq!((0..9).filter(|_| a.admits()).count(), 5);
    assert_eq!((0..9).filter(|_| b.admits()).count(), 5);
    settle(&mut hub, &mut [&mut a, &mut b]);
    let zone = hub.zone_views().unwrap().remove(0);
    assert_eq!((zone.inside, zone.dealt, zone.late), (10, 10, false));
    assert_eq!(zone.gates.iter().map(|gate| (gate.ins, gate.free)).collect::<Vec<_>>(), [(5, 0), (5, 0)]);
    assert!(!a.admits() && !b.admits());
}

#[test]
fn places_move_to_the_gate_where_people_are_and_exits_make_new_ones() {
    let dir = sample::hub_dir();
    let (mut hub, mut a, mut b) = two_gates(dir.path());
    let mut admitted = 0;
    for _ in 0..12 {
        admitted += usize::from(a.admits());
        settle(&mut hub, &mut [&mut a, &mut b]);
    }
    assert!(admitted >= 9, "{admitted}");
    let guest = a.guests;
    b.exit(guest);
    b.exit(guest - 1);
    settle(&mut hub, &mut [&mut a, &mut b]);
    assert!(a.admits() || b.admits());
    let zone = hub.zone_views().unwrap().remove(0);
    assert!(zone.inside <= i64::from(CAPACITY) && zone.dealt <= i64::from(CAPACITY), "{zone:?}");
}

#[test]
fn a_lowered_capacity_is_late_at_a_gate_that_is_apart_and_says_so() {
    let dir = sample::hub_dir();
    let mut hub = hub(dir.path());
    let mut a = Gate::new(20);
    a.say(0);
    settle(&mut hub, &mut [&mut a]);
    set_capacity(&mut hub, 4);
    hub.zones.dealt_ms = 0;
    hub.publish().unwrap();
    assert!(hub.zone_views().unwrap()[0].late);
    settle(&mut hub, &mut [&mut a]);
    assert_eq!((hub.zone_views().unwrap()[0].late, a.share.held()), (false, 4));
}

#[test]
fn who_never_took_part_is_dealt_nothing() {
    let dir = sample::hub_dir();
    let mut hub = hub(dir.path());
    let mut a = Gate::new(20);
    a.journal.admit(sample::ticket(1));
    settle(&mut hub, &mut [&mut a]);
    assert_eq!(a.share.granted, 0);
    assert_eq!(hub.zone_views().unwrap()[0].inside, 1);
}

#[test]
fn after_a_restart_and_after_a_revocation_the_counts_are_those_of_the_entries() {
    let dir = sample::hub_dir();
    let (mut hub, mut a, mut b) = two_gates(dir.path());
    assert!(a.admits() && b.admits() && b.admits());
    settle(&mut hub, &mut [&mut a, &mut b]);
    let before = hub.store.passages().unwrap();
    drop(hub);
    let mut hub = self::hub(dir.path());
    assert_eq!(hub.store.passages().unwrap(), before);
    hub.revoke_device(b.journal.device, "stolen").unwrap();
    // what it still lets in is beyond its revocation
    assert!(b.admits());
    b.tell(&mut hub);
    hub.project().unwrap();
    let zone = hub.zone_views().unwrap().remove(0);
    assert_eq!(zone.inside, 3);
}

#[test]
fn overrides_are_listed_with_reason_and_supervisor_and_count_as_people() {
    let dir = sample::hub_dir();
    let mut hub = hub(dir.path());
    let mut gate = SampleBox::new(20, Roles::GATE);
    let part = Admission { scheme: 0, marks: Marks::OVERRIDE, product: [0; 4], reason: "guest_list".into() };
    let entry = gate.entry(Kind::ADMISSION, Effect::In, 0);
    gate.commit(Entry { part: Detail::Admission(part).to_bytes(), operator: 7, ..entry });
    hub.ingest(&[gate.segment(0, 2)]).unwrap();
    let sections = hub.publish().unwrap();
    assert!(sections.contains(&Section::Zones), "{sections:?}");
    let found = hub.overrides().unwrap();
    assert_eq!((found[0].reason.as_str(), found[0].operator, found[0].with_ticket), ("guest_list", 7, false));
    let zone = hub.zone_views().unwrap().remove(0);
    assert_eq!((zone.inside, zone.gates[0].overrides), (1, 1));
}

#[test]
fn who_was_found_by_name_is_listed_beside_the_overrides_and_takes_a_place_like_everybody() {
    let dir = sample::hub_dir();
    let mut hub = hub(dir.path());
    let mut gate = SampleBox::new(20, Roles::GATE);
    let part = Admission { scheme: 1, marks: Marks::BY_NAME, product: [1, 0, 0, 0], reason: String::new() };
    let entry = Entry { subject: domain::id::TicketUid([9; 16]).into(), ..gate.entry(Kind::ADMISSION, Effect::In, 0) };
    gate.commit(Entry { part: Detail::Admission(part).to_bytes(), operator: 7, ..entry });
    hub.ingest(&[gate.segment(0, 2)]).unwrap();
    hub.publish().unwrap();
    let found = hub.overrides().unwrap();
    assert_eq!((found[0].reason.as_str(), found[0].operator, found[0].with_ticket), ("found_by_name", 7, true));
    let zone = hub.zone_views().unwrap().remove(0);
    assert_eq!((zone.inside, zone.gates[0].overrides), (1, 0));
}

#[test]
fn a_batch_names_the_zone_and_the_gates_that_changed_and_a_snapshot_names_all() {
    let dir = sample::hub_dir();
    let (mut hub, mut a, _) = two_gates(dir.path());
    assert!(a.admits());
    a.tell(&mut hub);
    hub.project().unwrap();
    assert_eq!(records(&hub.zone_items(true).unwrap()).len(), 3);
    let told = records(&hub.zone_items(false).unwrap());
    let [ZoneRecord::Zone(zone), ZoneRecord::Share(share)] = told[..] else { panic!("{told:?}") };
    assert_eq!((zone.inside, share.inside, share.device), (1, 1, a.journal.device));
    assert!(hub.zone_items(false).unwrap().is_empty());
}

#[test]
fn what_a_publication_that_failed_had_taken_is_told_by_the_next() {
    let dir = sample::hub_dir();
    let (mut hub, mut a, _) = two_gates(dir.path());
    let held = hub.numbers[&Section::Zones];
    assert!(a.admits());
    a.tell(&mut hub);
    let database = rusqlite::Connection::open(dir.path().join("hub.db")).unwrap();
    let fails = "CREATE TRIGGER fails BEFORE INSERT ON batches BEGIN SELECT RAISE(ABORT, 'no batch today'); END";
    database.execute_batch(fails).unwrap();
    hub.publish().unwrap_err();
    database.execute_batch("DROP TRIGGER fails").unwrap();
    let published = hub.publish().unwrap();
    assert!([Section::Tickets, Section::Zones].iter().all(|section| published.contains(section)), "{published:?}");
    let Next::Part(batch) = hub.feeds().next(Section::Zones, hub.term(), held, None) else { panic!("no batch") };
    let told = records(&sync::Delta::from_bytes(&batch.body).unwrap().items);
    let inside = told.iter().map(|record| match record {
        ZoneRecord::Zone(zone) => (None, zone.inside),
        ZoneRecord::Share(share) => (Some(share.device), share.inside),
    });
    let changed: Vec<_> = inside.filter(|(_, inside)| *inside > 0).collect();
    assert_eq!(changed, [(None, 1), (Some(a.journal.device), 1)]);
}
