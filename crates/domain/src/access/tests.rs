//! Every rule of the gate, as a sentence.
use super::*;
use crate::{
    bundle::tests::bundle,
    id::{FestivalId, TicketUid, WalletId},
    staff::{Staff, StaffRoles},
    ticket::Scheme,
    time::TimeSource,
    zones::{Window, Zone},
};

fn ticket() -> Ticket {
    Ticket {
        scheme: Scheme::Own,
        uid: TicketUid([1; 16]),
        display_id: "1".into(),
        product: Product::Category(1),
        valid_from: None,
        valid_until: None,
        zones: Some(1),
        holder_check: None,
    }
}

fn member() -> Member {
    Member {
        number: 12,
        name: "Ana".into(),
        roles: StaffRoles::GATE,
        pin: None,
        badge: Some(WalletId([5; 16])),
        zones: 0b11,
        active: true,
        sealed_key: Vec::new(),
    }
}

fn at(unix_s: u64) -> TrustedTime {
    TrustedTime { unix_s, uncertainty_s: 2, source: TimeSource::Hub }
}

fn rules(zone: Zone) -> ZoneRules {
    ZoneRules { zones: Vec::from([zone]) }
}

fn mode(mode: PassageMode) -> ZoneRules {
    rules(Zone { mode, ..Zone::default() })
}

struct Door {
    bundle: Bundle,
    zones: ZoneRules,
    zone: u16,
    now: TrustedTime,
    age_s: u64,
    places: Option<Places>,
}

impl Door {
    fn new() -> Self {
        Self { bundle: bundle(), zones: ZoneRules::default(), zone: 0, now: at(10), age_s: 0, places: None }
    }

    fn with(zones: ZoneRules) -> Self {
        Self { zones, ..Self::new() }
    }

    fn judge(&self, person: Person<'_>, known: &KnownTicket, direction: Direction) -> Result<Passage, GateRefusal> {
        let Self { bundle, zones, zone, now, age_s, places } = self;
        Gate { bundle, zones, zone: *zone, now: *now, age_s: *age_s, places: *places }.judge(person, known, direction)
    }

    fn enters(&self, ticket: &Ticket, known: &KnownTicket) -> Result<Passage, GateRefusal> {
        self.judge(Person::Ticket(ticket), known, Direction::In)
    }

    fn staff(&self, member: &Member, known: &KnownTicket) -> Result<Passage, GateRefusal> {
        self.judge(Person::Staff(member), known, Direction::In)
    }
}

fn seen(hlc: u64) -> FirstUse {
    FirstUse { box_number: BoxNumber(4), at: Hlc(hlc << 16) }
}

fn used() -> KnownTicket {
    KnownTicket { used: true, first: Some(seen(5)), last: Some(seen(7)), ..KnownTicket::default() }
}

fn inside() -> KnownTicket {
    KnownTicket { inside: true, ..used() }
}

fn new() -> KnownTicket {
    KnownTicket::default()
}

#[test]
fn a_good_ticket_enters_once_and_its_repeat_names_the_first_place_and_time() {
    let product = ProductName { fr: "Festival entier".into(), en: "Full festival".into() };
    let passage = Passage { product, direction: Direction::In, marks: Marks::ONCE };
    assert_eq!(Door::new().enters(&ticket(), &new()), Ok(passage));
    let refusal = Door::new().enters(&ticket(), &inside()).unwrap_err();
    assert_eq!(refusal, GateRefusal::AlreadyUsed(Some(seen(5))));
    assert_eq!(refusal.arguments(&bundle()), [("place", "#4".to_string()), ("time", "5".to_string())]);
    assert_eq!(Door::new().enters(&ticket(), &used()).unwrap_err().code(), "ticket.already_used", "even once outside");
}

#[test]
fn who_left_may_come_back_where_the_zone_allows_it_and_twice_in_without_out_is_refused() {
    let door = Door::with(mode(PassageMode::ReEntry));
    assert_eq!(door.enters(&ticket(), &new()).unwrap().marks, Marks::default());
    assert!(door.enters(&ticket(), &used()).is_ok());
    let refusal = door.enters(&ticket(), &inside()).unwrap_err();
    assert_eq!((refusal.code(), refusal.seen_before()), ("ticket.already_inside", Some(seen(7))));
}

#[test]
fn where_people_are_only_counted_nobody_is_refused_for_having_been_in() {
    let door = Door::with(mode(PassageMode::Free));
    assert_eq!(door.enters(&ticket(), &inside()).unwrap().marks, Marks::COUNTED);
    assert_eq!(door.staff(&member(), &inside()).unwrap().marks, Marks::COUNTED);
}

#[test]
fn an_exit_is_never_refused_and_one_of_somebody_not_known_inside_is_marked() {
    let door = Door { places: Some(full()), now: at(999), ..Door::new() };
    let barred = KnownTicket { revoked: true, blocked: true, frozen: true, disputed: true, ..inside() };
    let nothing = Product::Pretix { event: 9, item: 9, variation: 0, subevent: 0 };
    for ticket in [ticket(), Ticket { valid_until: Some(1), ..ticket() }, Ticket { product: nothing, ..ticket() }] {
        let passage = door.judge(Person::Ticket(&ticket), &barred, Direction::Out).unwrap();
        assert_eq!((passage.direction, passage.marks), (Direction::Out, Marks::default()));
        let passage = door.judge(Person::Ticket(&ticket), &used(), Direction::Out).unwrap();
        assert_eq!(passage.marks, Marks::NOT_INSIDE);
    }
    let gone = Member { active: false, ..member() };
    assert!(door.judge(Person::Staff(&gone), &inside(), Direction::Out).is_ok());
}

#[test]
fn a_gate_open_both_ways_lets_out_who_is_inside_and_in_who_is_not() {
    assert_eq!(Ways::Both.direction(&inside()), Direction::Out);
    assert_eq!(Ways::Both.direction(&used()), Direction::In);
    assert_eq!((Ways::In.direction(&inside()), Ways::Out.direction(&new())), (Direction::In, Direction::Out));
}

#[test]
fn a_revoked_ticket_says_so_even_when_it_was_used() {
    let door = Door::new();
    for (known, refusal) in [
        (KnownTicket { revoked: true, blocked: true, ..inside() }, GateRefusal::Revoked),
        (KnownTicket { blocked: true, frozen: true, ..new() }, GateRefusal::Blocked),
        (KnownTicket { frozen: true, disputed: true, ..new() }, GateRefusal::NewerSoftware),
        (KnownTicket { disputed: true, ..inside() }, GateRefusal::Disputed),
    ] {
        assert_eq!(door.enters(&ticket(), &known), Err(refusal));
    }
}

#[test]
fn a_voucher_opens_no_gate_and_says_what_it_is() {
    let mut door = Door::new();
    door.bundle.body.categories[0].voucher_product = Some(1);
    let number = door.bundle.body.categories[0].number;
    let voucher = Ticket { product: Product::Category(number), valid_from: Some(100), ..ticket() };
    let refusal = door.enters(&voucher, &new()).unwrap_err();
    assert_eq!((refusal.code(), refusal), ("ticket.is_a_voucher", GateRefusal::Voucher));
    let revoked = KnownTicket { revoked: true, ..new() };
    assert_eq!(door.enters(&voucher, &revoked), Err(GateRefusal::Revoked), "what bars it is the better reason");
}

#[test]
fn a_window_holds_to_the_second() {
    let ticket = Ticket { valid_from: Some(100), valid_until: Some(200), ..ticket() };
    let when = |now| Door { now: at(now), ..Door::new() }.enters(&ticket, &new());
    assert_eq!(when(99), Err(GateRefusal::NotYetValid(100)));
    assert!(when(100).is_ok() && when(200).is_ok());
    assert_eq!(when(201), Err(GateRefusal::Expired(200)));
}

#[test]
fn an_uncertain_clock_asks_a_supervisor_or_marks_as_the_festival_decided() {
    let dated = Ticket { valid_until: Some(200), ..ticket() };
    let now = TrustedTime { unix_s: 100, uncertainty_s: 301, source: TimeSource::OwnEntry };
    let mut door = Door { now, ..Door::new() };
    assert_eq!(door.enters(&dated, &new()), Err(GateRefusal::TimeUncertain(301)));
    assert!(door.enters(&ticket(), &new()).is_ok(), "no window, no clock");
    door.bundle.body.policy.admit_when_time_uncertain = true;
    assert!(door.enters(&dated, &new()).unwrap().marks.has(Marks::TIME_UNCERTAIN));
    door.zones = rules(Zone { windows: Vec::from([Window { category: 1, from: 100, until: 200 }]), ..Zone::default() });
    assert!(door.enters(&ticket(), &new()).unwrap().marks.has(Marks::TIME_UNCERTAIN));
}

#[test]
fn a_category_passes_only_within_its_windows_and_is_told_when_the_next_one_opens() {
    let window = |category, from, until| Window { category, from, until };
    let windows = Vec::from([window(1, 100, 200), window(1, 300, 400), window(0, 0, 50)]);
    let mut door = Door::with(rules(Zone { windows, ..Zone::default() }));
    let mut when = |now| {
        door.now = at(now);
        door.enters(&ticket(), &new())
    };
    assert_eq!(when(10), Err(GateRefusal::ZoneNotYetOpen { zone: 0, from: 100 }), "not everybody's window");
    assert!(when(100).is_ok() && when(199).is_ok());
    assert_eq!(when(200), Err(GateRefusal::ZoneNotYetOpen { zone: 0, from: 300 }));
    let closed = when(400).unwrap_err();
    assert_eq!((closed.code(), closed), ("zone.closed", GateRefusal::ZoneClosed { zone: 0, until: 400 }));
    // a category without windows of its own goes by those for everybody
    door.zones = rules(Zone { windows: Vec::from([window(0, 0, 50)]), ..Zone::default() });
    door.now = at(50);
    assert_eq!(door.enters(&ticket(), &new()).unwrap_err().code(), "zone.closed");
}

#[test]
fn a_ticket_opens_only_the_zones_of_its_category() {
    let door = |zone| Door { zone, ..Door::new() };
    assert_eq!(door(3).enters(&ticket(), &new()), Err(GateRefusal::ZoneNotAllowed(3)));
    let wider = Ticket { zones: Some(0b1001), ..ticket() };
    assert_eq!(door(3).enters(&wider, &new()), Err(GateRefusal::ZoneNotAllowed(3)));
    assert_eq!(door(99).enters(&ticket(), &new()), Err(GateRefusal::ZoneNotAllowed(99)));
}

#[test]
fn a_product_that_was_not_imported_or_is_an_add_on_opens_nothing() {
    for item in [4, 5] {
        let product = Product::Pretix { event: 1, item, variation: 0, subevent: 0 };
        let ticket = Ticket { product, scheme: Scheme::PretixSig1, ..ticket() };
        assert_eq!(Door::new().enters(&ticket, &new()), Err(GateRefusal::ProductNotAllowed));
    }
}

fn full() -> Places {
    Places { capacity: 10, inside: 5, share: Some(Share { granted: 5, released: 0, inside: 5 }), connected: false }
}

#[test]
fn a_full_zone_is_the_last_reason_to_be_asked_for() {
    let door = Door { places: Some(full()), ..Door::new() };
    assert_eq!(door.enters(&ticket(), &new()), Err(GateRefusal::ZoneFullHere { zone: 0, left: 5 }));
    assert_eq!(door.enters(&ticket(), &used()).unwrap_err().code(), "ticket.already_used");
    assert_eq!(door.staff(&member(), &new()).unwrap_err().code(), "zone.full_here", "staff are people too");
    let unheard = Door { places: Some(Places { share: None, ..full() }), ..Door::new() };
    assert_eq!(unheard.enters(&ticket(), &new()), Err(GateRefusal::ZoneNoShare(0)));
}

#[test]
fn old_knowledge_is_asked_for_last_and_marked_where_the_festival_admits() {
    let mut door = Door { age_s: 3_601, ..Door::new() };
    assert!(door.enters(&ticket(), &new()).unwrap().marks.has(Marks::STALE));
    door.bundle.body.policy.admit_when_stale = false;
    assert_eq!(door.enters(&ticket(), &new()), Err(GateRefusal::StaleKnowledge(3_601)));
    assert_eq!(door.enters(&ticket(), &used()).unwrap_err().code(), "ticket.already_used");
    assert!(door.judge(Person::Ticket(&ticket()), &inside(), Direction::Out).is_ok(), "nobody is kept inside");
}

#[test]
fn a_badge_opens_the_zones_of_its_holder_once_in_without_out() {
    let door = Door::new();
    assert_eq!(door.staff(&member(), &used()).unwrap().product.en, "Ana");
    assert_eq!(door.staff(&member(), &inside()), Err(GateRefusal::AlreadyInside(Some(seen(7)))));
    let elsewhere = Door { zone: 2, ..Door::new() };
    assert_eq!(elsewhere.staff(&member(), &new()), Err(GateRefusal::StaffZoneNotAllowed(2)));
    let gone = Member { active: false, ..member() };
    assert_eq!(door.staff(&gone, &new()), Err(GateRefusal::StaffInactive));
    assert_eq!(
        (GateRefusal::StaffInactive.code(), GateRefusal::StaffZoneNotAllowed(2).code()),
        ("staff.inactive", "staff.zone_not_allowed")
    );
}

#[test]
fn a_badge_belongs_to_whoever_is_active_and_its_passages_stand_under_an_id_of_their_own() {
    let gone = Member { number: 3, active: false, ..member() };
    let staff = Staff { members: Vec::from([gone.clone(), member()]) };
    assert_eq!(staff.holder_of(WalletId([5; 16])).map(|member| member.number), Some(12));
    let staff = Staff { members: Vec::from([gone]) };
    assert_eq!(staff.holder_of(WalletId([5; 16])).map(|member| member.active), Some(false));
    let (here, there) = (FestivalId([1; 16]), FestivalId([2; 16]));
    assert_ne!(uid_of_badge(&here, 12), uid_of_badge(&there, 12));
    assert_ne!(uid_of_badge(&here, 12), uid_of_badge(&here, 13));
}

#[test]
fn what_is_known_of_a_ticket_in_one_zone_says_nothing_of_another() {
    let state = TicketState {
        flags: TicketFlags::USED,
        uses: 2,
        used: 0b101,
        inside: 0b100,
        first_use: Hlc(5 << 16),
        first_box: BoxNumber(4),
        last_use: Hlc(7 << 16),
        last_box: BoxNumber(4),
        last_zone: 2,
        ..TicketState::empty(TicketUid([1; 16]))
    };
    let site = KnownTicket::of(&state, 0);
    assert_eq!((site.used, site.inside, site.first, site.last), (true, false, Some(seen(5)), Some(seen(5))));
    let camping = KnownTicket::of(&state, 2);
    assert_eq!((camping.used, camping.inside, camping.last), (true, true, Some(seen(7))));
    assert_eq!(KnownTicket::of(&state, 1), KnownTicket::default());
}
