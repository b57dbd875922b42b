use super::*;

/// A bar that was revoked after it had topped up 1.00.
fn revoked(dir: &std::path::Path) -> (Hub, SampleBox) {
    let mut hub = sample::open(dir);
    let mut bar = SampleBox::new(21, ALL);
    bar.top_up(wallet(1), 100);
    adopt(&mut hub, &bar);
    hub.ingest(&bar.segments(10)).unwrap();
    hub.revoke_device(bar.device, "stolen").unwrap();
    (hub, bar)
}

/// So many more top-ups of 1.00 at the box, one batch.
pub(super) fn goes_on(hub: &mut Hub, bar: &mut SampleBox, count: usize) {
    let from = bar.bodies.len();
    (0..count).for_each(|_| _ = bar.top_up(wallet(1), 100));
    hub.ingest(&[bar.segment(from, from + count)]).unwrap();
}

pub(super) fn beyond(hub: &mut Hub, bar: &SampleBox) -> MatterView {
    let filter = Filter { kind: Some(MatterKind::RevokedEntries), ..Filter::default() };
    let mut found = hub.matters(&filter).unwrap().matters.into_iter();
    found.find(|view| view.subject == hex(&bar.device.0)).unwrap()
}

#[test]
fn what_a_revoked_box_wrote_is_counted_and_more_of_it_opens_the_matter_again() {
    let dir = sample::hub_dir();
    let (mut hub, mut bar) = revoked(dir.path());
    goes_on(&mut hub, &mut bar, 1);
    let one = beyond(&mut hub, &bar);
    assert_eq!((one.places.len(), one.more_places, one.amount_cents), (1, 0, Some(100)));
    let id = named(&one.id).unwrap();
    let old_page = again(&mut hub, &id, RulingAction::AcceptEntries);
    assert!(!decides(&mut hub, &id, RulingAction::Accept).open);
    goes_on(&mut hub, &mut bar, 4);
    goes_on(&mut hub, &mut bar, 6);
    let more = beyond(&mut hub, &bar);
    assert_eq!((more.open, more.places.len(), more.more_places, more.amount_cents), (true, 2, 9, Some(1_100)));
    let evidence = hub.evidence(&id).unwrap();
    assert_eq!((evidence.entries.len(), evidence.more), (11, 0));
    let unseen = Asked { seen: MatterSeen { rulings: more.seen.rulings.clone(), ..old_page.seen }, ..old_page };
    assert_eq!(refused(&mut hub, &id, &unseen), "hub.ruling_changed", "one entry was shown, eleven would count");
    assert_eq!(money(&mut hub).top_up, 100);
    drop(hub);
    let mut hub = sample::open(dir.path());
    assert_eq!(beyond(&mut hub, &bar), more, "counted anew it is the same");
    decides(&mut hub, &id, RulingAction::AcceptEntries);
    assert_eq!(money(&mut hub).top_up, 1_200);
}

#[test]
fn what_stands_beside_the_history_that_a_revocation_names_is_counted_as_well() {
    let dir = sample::hub_dir();
    let (mut hub, mut bar) = revoked(dir.path());
    let mut other = bar.restored(1);
    goes_on(&mut hub, &mut bar, 2);
    assert_eq!(beyond(&mut hub, &bar).amount_cents, Some(200));
    (0..3).for_each(|_| _ = other.top_up(wallet(1), 7));
    hub.ingest(&[other.segment(1, 4)]).unwrap();
    let both = beyond(&mut hub, &bar);
    assert_eq!((both.seen.places, both.amount_cents), (5, Some(221)));
}

#[test]
fn what_is_in_doubt_beyond_a_revocation_is_on_no_list_whatever_else_is_in_doubt_on_the_band() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let (mut desk, mut bar) = (SampleBox::new(20, Roles(4)), SampleBox::new(21, Roles(2)));
    let mut purse = Purse::new(wallet(1));
    purse.top_up(&mut desk, 1_000);
    let (before, _) = purse.intent(&mut bar, IntentPurpose::Sale, 300, None);
    for one in [&desk, &bar] {
        adopt(&mut hub, one);
        hub.ingest(&one.segments(10)).unwrap();
    }
    hub.revoke_device(bar.device, "stolen").unwrap();
    let (beyond, _) = purse.copied(2).intent(&mut bar, IntentPurpose::Sale, 250, None);
    hub.ingest(&[bar.segment(2, 3)]).unwrap();
    let filter = Filter { kind: Some(MatterKind::InDoubt), ..Filter::default() };
    let page = hub.matters(&filter).unwrap();
    assert_eq!((page.total, page.open_cents, page.matters[0].about.clone()), (1, 300, before.to_string()));
    let of_beyond = MatterId { about: Some(beyond), ..named(&page.matters[0].id).unwrap() };
    assert!(matches!(hub.matter(&of_beyond), Err(HubError::NotFound(_))), "nor by itself");
    let closing = hub.closing().unwrap();
    assert_eq!((closing.write_off, closing.write_off_cents), (1, 300));
    assert_eq!(hub.close_event().unwrap().booked, 1);
    let books = money(&mut hub);
    assert_eq!((books.in_doubt, books.balance), (0, 1_000));
}
