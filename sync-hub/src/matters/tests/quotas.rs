//! Desks that put on more than their certificate's quota.
use super::*;

/// A desk whose quota is 10.00, and the hub that knows of it.
fn desk(dir: &std::path::Path) -> (Hub, SampleBox) {
    let mut hub = sample::open(dir);
    let desk = SampleBox::new(20, Roles::TOP_UP);
    adopt(&mut hub, &desk);
    hub.adopt_credit_chain(&sample::credit_chain_of(20, 1_000).to_bytes()).unwrap();
    hub.ingest(&desk.segments(10)).unwrap();
    (hub, desk)
}

fn puts_on(hub: &mut Hub, desk: &mut SampleBox, cents: u32) {
    let from = desk.bodies.len();
    desk.top_up(wallet(1), cents);
    hub.ingest(&[desk.segment(from, from + 1)]).unwrap();
}

fn listed(hub: &mut Hub) -> Vec<MatterView> {
    let filter = Filter { kind: Some(MatterKind::OverQuota), ..Filter::default() };
    hub.matters(&filter).unwrap().matters
}

#[test]
fn a_desk_that_puts_on_more_than_its_quota_is_listed_and_again_when_another_one_is_used_up() {
    let dir = sample::hub_dir();
    let (mut hub, mut desk) = desk(dir.path());
    puts_on(&mut hub, &mut desk, 1_000);
    assert_eq!(listed(&mut hub), vec![], "all of it and no more");
    puts_on(&mut hub, &mut desk, 1);
    let one = listed(&mut hub).remove(0);
    assert_eq!((one.open, one.subject.as_str(), one.amount_cents), (true, hex(&desk.device.0).as_str(), Some(1_000)));
    assert!(one.places.iter().all(|place| place.box_number == 20), "{one:?}");
    let id = named(&one.id).unwrap();
    assert!(!decides(&mut hub, &id, RulingAction::Accept).open);
    puts_on(&mut hub, &mut desk, 500);
    assert!(!listed(&mut hub).remove(0).open, "a busy desk is asked about once");
    puts_on(&mut hub, &mut desk, 500);
    let twice = listed(&mut hub).remove(0);
    assert_eq!((twice.open, twice.amount_cents), (true, Some(2_000)));
    drop(hub);
    let mut hub = sample::open(dir.path());
    assert_eq!(listed(&mut hub), [twice], "counted anew it is the same");
    decides(&mut hub, &id, RulingAction::Revoke);
    assert!(hub.is_revoked(desk.device).unwrap());
    assert_eq!(money(&mut hub).top_up, 2_001, "what it put on before counts");
}

#[test]
fn a_desk_without_a_quota_and_a_bar_are_asked_about_nothing() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut desk = SampleBox::new(20, Roles::TOP_UP);
    hub.adopt_credit_chain(&sample::credit_chain(20).to_bytes()).unwrap();
    hub.ingest(&desk.segments(10)).unwrap();
    puts_on(&mut hub, &mut desk, 30_000);
    assert_eq!(listed(&mut hub), vec![]);
}

#[test]
fn gifts_money_from_nowhere_and_top_ups_that_wait_for_a_reader_count_towards_a_quota() {
    let dir = sample::hub_dir();
    let (mut hub, mut desk) = desk(dir.path());
    let from = desk.bodies.len();
    for (kind, effect) in [(Kind::GIFT, Effect::Credit), (Kind::GIFT, Effect::Owe), (Kind::BAND_TRANSFER, Effect::Owe)]
    {
        let entry = desk.entry(kind, effect, 300);
        desk.commit(Entry { subject: wallet(1).into(), ..entry });
    }
    hub.ingest(&[desk.segment(from, from + 3)]).unwrap();
    assert_eq!(listed(&mut hub), vec![], "9.00 of 10.00");
    let from = desk.bodies.len();
    let intent = Purse::new(wallet(1)).torn(&mut desk, IntentPurpose::TopUp, 200);
    hub.ingest(&[desk.segment(from, from + 1)]).unwrap();
    assert_eq!(listed(&mut hub).len(), 1, "the chip may have it, and no word of the desk is needed");
    let entry = desk.entry(Kind::VOID, Effect::Release, 200);
    desk.commit(Entry { subject: wallet(1).into(), refers_to: Some(intent), ..entry });
    hub.ingest(&[desk.segment(from + 1, from + 2)]).unwrap();
    puts_on(&mut hub, &mut desk, 100);
    assert!(listed(&mut hub).iter().all(|matter| !matter.open), "void, it put nothing on: all of it and no more");
}
