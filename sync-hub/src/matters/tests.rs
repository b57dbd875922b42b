use domain::{
    journal::{Entry, IntentPurpose, Kind},
    ledger::{EvidenceFile, TicketFlags, WalletFlags},
    money::{Cents, Currency},
    staff::{Member, StaffRoles},
    trust::Roles,
};

use super::*;
use crate::{
    credits::tests::Purse,
    sample::{self, SampleBox, ticket, wallet},
    totals,
};

const ALL: Roles = Roles(7);

fn asked(action: RulingAction) -> Asked {
    let (by, reason) = (By::Typed("Ana".into()), "seen at the office".into());
    Asked { action, by, reason, amount: None, head: String::new(), seen: String::new(), accept_risk: false }
}

/// The same, from a page that shows what holds now.
fn again(hub: &mut Hub, id: &MatterId, action: RulingAction) -> Asked {
    let seen = hub.matter(id).unwrap().rulings.first().map(|one| one.entry.clone()).unwrap_or_default();
    Asked { seen, ..asked(action) }
}

fn open(hub: &mut Hub) -> Vec<MatterView> {
    hub.matters(&Filter { open: Some(true), ..Filter::default() }).unwrap().matters
}

fn the(hub: &mut Hub, kind: MatterKind) -> MatterId {
    let page = hub.matters(&Filter { kind: Some(kind), ..Filter::default() }).unwrap();
    let view = page.matters.first().unwrap_or_else(|| panic!("no {}", kind.code()));
    assert_eq!(named(&view.id).map(|id| name_of(&id)), Some(view.id.clone()));
    named(&view.id).unwrap()
}

fn money(hub: &mut Hub) -> domain::ledger::Totals {
    hub.publish().unwrap();
    let money = totals::books(&hub.reading().unwrap()).unwrap().money;
    assert!(money.balances(), "{money:?}");
    money
}

fn adopt(hub: &mut Hub, one: &SampleBox) {
    hub.adopt(&one.chain.verify(&sample::founding()).unwrap(), &one.chain.to_bytes()).unwrap();
}

fn flags(hub: &Hub, n: u8) -> WalletFlags {
    let state = hub.store().wallet(wallet(n)).unwrap().and_then(|stored| stored.state).unwrap();
    WalletState::from_bytes(&state).unwrap().flags
}

fn refused(hub: &mut Hub, id: &MatterId, asked: &Asked) -> &'static str {
    match hub.resolve(id, asked) {
        Err(HubError::Refused(code)) => code,
        other => panic!("{other:?}"),
    }
}

/// Wallet 1 overspent by 2.00 at two bars apart.
fn overspent(dir: &std::path::Path) -> Hub {
    let mut hub = sample::open(dir);
    let (mut desk, mut left, mut right) = (SampleBox::new(20, ALL), SampleBox::new(21, ALL), SampleBox::new(22, ALL));
    desk.top_up(wallet(1), 1_000);
    left.sale(wallet(1), 600);
    right.sale(wallet(1), 600);
    for one in [&desk, &left, &right] {
        adopt(&mut hub, one);
        hub.ingest(&one.segments(10)).unwrap();
    }
    hub
}

#[test]
fn what_was_overspent_is_forgiven_or_paid_back_in_parts_and_stays_visible_with_who_and_why() {
    let dir = sample::hub_dir();
    let mut hub = overspent(dir.path());
    let id = the(&mut hub, MatterKind::Overspend);
    let view = hub.matter(&id).unwrap();
    assert_eq!((view.open, view.amount_cents, view.places.len()), (true, Some(200), 2));
    assert_eq!(view.places[0].place, "Place 21");
    assert_eq!(hub.evidence(&id).unwrap().entries.len(), 2);

    for (bad, code) in [
        (Asked { by: By::Typed(" ".into()), ..asked(RulingAction::Forgive) }, "hub.ruling_by"),
        (Asked { reason: String::new(), ..asked(RulingAction::Forgive) }, "hub.ruling_reason"),
        (asked(RulingAction::Revoke), "hub.ruling_action"),
        (Asked { amount: Cents::new(201), ..asked(RulingAction::Forgive) }, "hub.ruling_amount"),
    ] {
        assert_eq!(refused(&mut hub, &id, &bad), code);
    }
    let part = Asked { amount: Cents::new(50), ..asked(RulingAction::ChargeBack) };
    let after = hub.resolve(&id, &part).unwrap().matter;
    assert_eq!((after.open, after.amount_cents), (true, Some(150)), "the rest is open");
    let rest = again(&mut hub, &id, RulingAction::ChargeBack);
    let rest = hub.resolve(&id, &rest).unwrap().matter;
    assert!(!rest.open);
    assert_eq!((money(&mut hub).overspend, money(&mut hub).top_up), (0, 1_200));
    let kept = hub.matters(&Filter { open: Some(false), ..Filter::default() }).unwrap().matters;
    let rulings: Vec<_> =
        kept[0].rulings.iter().map(|one| (one.standing.as_str(), one.by.as_str(), one.amount_cents)).collect();
    assert_eq!(rulings, [("holds", "Ana", 200), ("replaced", "Ana", 50)]);
    assert_eq!(kept[0].rulings[0].reason, "seen at the office");

    // Decided otherwise: the money taken back is undone, the festival bears it. And it survives a restart.
    let forgive = again(&mut hub, &id, RulingAction::Forgive);
    assert_eq!(refused(&mut hub, &id, &forgive), "hub.ruling_amount", "nothing is open");
    let accept = again(&mut hub, &id, RulingAction::Accept);
    hub.resolve(&id, &accept).unwrap();
    assert_eq!(money(&mut hub).overspend, 200, "the ruling before does not count any more");
    let again = hub.matter(&id).unwrap();
    assert!(!again.open, "accepted as it is");
    drop(hub);
    let mut hub = sample::open(dir.path());
    assert_eq!(hub.matter(&id).unwrap().rulings.len(), 3);
}

#[test]
fn the_same_request_twice_moves_money_once_and_an_old_page_undoes_nothing_that_it_did_not_show() {
    for action in [RulingAction::ChargeBack, RulingAction::Forgive] {
        let dir = sample::hub_dir();
        let mut hub = overspent(dir.path());
        let id = the(&mut hub, MatterKind::Overspend);
        let part = Asked { amount: Cents::new(50), ..asked(action) };
        hub.resolve(&id, &part).unwrap();
        let once = money(&mut hub);
        assert_eq!((once.top_up + once.gifts, once.overspend), (1_050, 150));
        assert_eq!(refused(&mut hub, &id, &part), "hub.ruling_changed", "its answer was lost");
        assert_eq!(refused(&mut hub, &id, &asked(RulingAction::Accept)), "hub.ruling_changed", "an old page");
        assert_eq!((money(&mut hub), hub.matter(&id).unwrap().rulings.len()), (once, 1));

        let first = again(&mut hub, &id, action);
        hub.resolve(&id, &Asked { amount: Cents::new(50), ..first.clone() }).unwrap();
        assert_eq!(refused(&mut hub, &id, &first), "hub.ruling_changed", "another ruling holds by now");
        assert_eq!(money(&mut hub).overspend, 100);
    }
}

#[test]
fn a_band_is_blocked_and_freed_and_more_spent_later_opens_the_matter_again() {
    let dir = sample::hub_dir();
    let mut hub = overspent(dir.path());
    let id = the(&mut hub, MatterKind::Overspend);
    assert!(!hub.resolve(&id, &asked(RulingAction::Block)).unwrap().matter.open);
    assert!(flags(&hub, 1).has(WalletFlags::BLOCKED));
    let mut late = SampleBox::new(23, ALL);
    late.sale(wallet(1), 300);
    hub.ingest(&late.segments(10)).unwrap();
    let view = hub.matter(&id).unwrap();
    assert_eq!((view.open, view.amount_cents, view.rulings.len()), (true, Some(500), 1));
    let lift = again(&mut hub, &id, RulingAction::Lift);
    hub.resolve(&id, &lift).unwrap();
    assert!(!flags(&hub, 1).has(WalletFlags::BLOCKED));
    assert!(open(&mut hub).iter().all(|view| view.kind != "overspend"));
}

#[test]
fn a_ticket_that_was_admitted_twice_is_blocked_at_every_gate() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let (mut left, mut right) = (SampleBox::new(20, ALL), SampleBox::new(21, ALL));
    left.admit(ticket(1));
    right.admit(ticket(1));
    hub.ingest(&left.segments(10)).unwrap();
    hub.ingest(&right.segments(10)).unwrap();
    let id = the(&mut hub, MatterKind::DoubleAdmission);
    let done = hub.resolve(&id, &asked(RulingAction::Block)).unwrap();
    assert!(done.bundle && !done.matter.open);
    let state = hub.reading().unwrap().ticket_state(ticket(1)).unwrap().unwrap();
    assert!(domain::ledger::TicketState::from_bytes(&state).unwrap().flags.has(TicketFlags::BLOCKED));
    assert!(hub.store().is_barred(ticket(1), crate::store::BarReason::Blocked).unwrap());
}

/// A bar that was restored from an image and went on: 3.00 on one branch, 5.00 on the other.
fn forked(dir: &std::path::Path) -> (Hub, SampleBox) {
    let (hub, bar, _) = two_histories(dir, false);
    (hub, bar)
}

/// The same with the other history; whether the hub countersigned the first before it heard of the other.
fn two_histories(dir: &std::path::Path, countersigned: bool) -> (Hub, SampleBox, SampleBox) {
    let mut hub = sample::open(dir);
    let mut desk = SampleBox::new(20, ALL);
    desk.top_up(wallet(1), 2_000);
    let mut bar = SampleBox::new(21, ALL);
    bar.sale(wallet(1), 100);
    let mut other = bar.restored(2);
    bar.sale(wallet(1), 300);
    other.sale(wallet(1), 500);
    adopt(&mut hub, &desk);
    adopt(&mut hub, &bar);
    hub.ingest(&desk.segments(10)).unwrap();
    hub.ingest(&bar.segments(10)).unwrap();
    if countersigned {
        assert_eq!(hub.countersign(true).unwrap(), 2);
    }
    hub.ingest(&[other.segment(2, 3)]).unwrap();
    (hub, bar, other)
}

/// Standing of each history by its head, and whether it may be chosen.
fn histories(hub: &mut Hub, id: &MatterId) -> Vec<(String, &'static str, bool)> {
    let branches = hub.evidence(id).unwrap().branches.into_iter();
    branches.map(|branch| (branch.head, branch.standing, branch.may_hold)).collect()
}

fn choosing(hub: &mut Hub, id: &MatterId, one: &SampleBox) -> Asked {
    Asked { head: hex(&one.heads.last().unwrap().hash), ..again(hub, id, RulingAction::ConfirmBranch) }
}

#[test]
fn a_history_beside_one_that_was_countersigned_is_not_chosen_since_neither_would_count_then() {
    let dir = sample::hub_dir();
    let (mut hub, mut bar, other) = two_histories(dir.path(), true);
    let id = the(&mut hub, MatterKind::Fork);
    let (held, before) = (histories(&mut hub, &id), money(&mut hub));
    let (this, that) = (hex(&bar.heads[2].hash), hex(&other.heads[2].hash));
    assert_eq!(held, [(this.clone(), "in_force", true), (that, "disputed", false)]);
    let wrong = choosing(&mut hub, &id, &other);
    assert_eq!(refused(&mut hub, &id, &wrong), "hub.ruling_confirmed");
    assert_eq!((histories(&mut hub, &id), money(&mut hub)), (held, before), "nothing was changed");
    assert!(hub.matter(&id).unwrap().open);

    // what the box wrote behind the countersigned head may be chosen, and the head itself
    bar.sale(wallet(1), 50);
    hub.ingest(&[bar.segment(3, 4)]).unwrap();
    let further = hex(&bar.heads[3].hash);
    assert_eq!(histories(&mut hub, &id)[0], (further.clone(), "disputed", true));
    let right = choosing(&mut hub, &id, &bar);
    assert!(!hub.resolve(&id, &right).unwrap().matter.open);
    assert_eq!(histories(&mut hub, &id)[0], (further, "in_force", true));
}

#[test]
fn of_two_histories_one_is_chosen_and_never_the_other_as_well() {
    let dir = sample::hub_dir();
    let (mut hub, bar, other) = two_histories(dir.path(), false);
    let id = the(&mut hub, MatterKind::Fork);
    assert!(histories(&mut hub, &id).iter().all(|(_, standing, may)| *standing == "disputed" && *may));
    let chosen = choosing(&mut hub, &id, &bar);
    hub.resolve(&id, &chosen).unwrap();
    let (held, before) = (histories(&mut hub, &id), money(&mut hub));
    let too = choosing(&mut hub, &id, &other);
    assert_eq!(refused(&mut hub, &id, &too), "hub.ruling_confirmed");
    assert_eq!((histories(&mut hub, &id), money(&mut hub)), (held, before));
    let same = choosing(&mut hub, &id, &bar);
    assert!(!hub.resolve(&id, &same).unwrap().matter.open, "the same one again harms nothing");
}

#[test]
fn a_third_history_opens_the_matter_of_the_fork_again() {
    let dir = sample::hub_dir();
    let (mut hub, bar, _) = two_histories(dir.path(), false);
    let id = the(&mut hub, MatterKind::Fork);
    let mut third = bar.restored(2);
    third.sale(wallet(1), 700);
    let chosen = choosing(&mut hub, &id, &bar);
    let decided = hub.resolve(&id, &chosen).unwrap().matter;
    assert_eq!((decided.open, decided.places.len()), (false, 1));
    hub.ingest(&[third.segment(2, 3)]).unwrap();
    let view = hub.matter(&id).unwrap();
    assert_eq!((view.open, view.places.len()), (true, 2), "{view:?}");
    let accept = again(&mut hub, &id, RulingAction::Accept);
    assert!(!hub.resolve(&id, &accept).unwrap().matter.open);
}

#[test]
fn every_fork_of_a_copied_band_counts_and_a_further_one_opens_the_matter_again() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let (mut desk, mut left, mut right) = (SampleBox::new(20, ALL), SampleBox::new(21, ALL), SampleBox::new(22, ALL));
    let mut purse = Purse::new(wallet(1));
    purse.top_up(&mut desk, 2_000);
    let mut fork = |purse: &mut Purse, copy: u8| {
        purse.copied(copy).tap(&mut right, IntentPurpose::Sale, 100, None);
        purse.tap(&mut left, IntentPurpose::Sale, 100, None);
        right.clone()
    };
    fork(&mut purse, 2);
    let two = fork(&mut purse, 3);
    let three = fork(&mut purse, 4);
    for one in [&desk, &left, &two] {
        adopt(&mut hub, one);
        hub.ingest(&one.segments(20)).unwrap();
    }
    let id = the(&mut hub, MatterKind::ChipFork);
    let view = hub.matter(&id).unwrap();
    assert_eq!((view.places.len(), view.amount_cents), (4, Some(400)), "{view:?}");
    assert!(!hub.resolve(&id, &asked(RulingAction::Accept)).unwrap().matter.open);
    hub.ingest(&[three.segment(two.bodies.len(), three.bodies.len())]).unwrap();
    let view = hub.matter(&id).unwrap();
    assert_eq!((view.open, view.places.len()), (true, 6), "{view:?}");
}

#[test]
fn a_ticket_that_was_admitted_twice_in_each_of_two_zones_shows_all_four_places() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    for n in [20, 21] {
        let mut gate = SampleBox::new(n, ALL);
        gate.admit_to(ticket(1), 0);
        gate.admit_to(ticket(1), 1);
        hub.ingest(&gate.segments(10)).unwrap();
    }
    let id = the(&mut hub, MatterKind::DoubleAdmission);
    let places = hub.matter(&id).unwrap().places;
    assert_eq!(places.iter().map(|place| place.box_number).collect::<Vec<_>>(), [20, 20, 21, 21]);
}

#[test]
fn a_fork_has_both_histories_a_proof_for_anybody_and_ends_with_the_branch_that_was_chosen() {
    let dir = sample::hub_dir();
    let (mut hub, bar) = forked(dir.path());
    let id = the(&mut hub, MatterKind::Fork);
    let evidence = hub.evidence(&id).unwrap();
    assert_eq!(evidence.branches.iter().map(|branch| branch.entries.len()).collect::<Vec<_>>(), [1, 1]);
    let file = EvidenceFile::from_bytes(&hub.fork_evidence(id.about.unwrap()).unwrap()).unwrap();
    let shown = file.verify().unwrap();
    assert_eq!((shown.device, shown.seq, file.founding), (bar.device, 2, sample::founding()));

    assert_eq!(refused(&mut hub, &id, &asked(RulingAction::ConfirmBranch)), "hub.ruling_branch");
    let chosen = hex(&bar.heads[2].hash);
    let done = hub.resolve(&id, &Asked { head: chosen, ..asked(RulingAction::ConfirmBranch) }).unwrap();
    assert!(!done.matter.open, "{:?}", done.matter);
    let standings: Vec<_> = hub.evidence(&id).unwrap().branches.iter().map(|branch| branch.standing).collect();
    assert!(standings.contains(&"in_force") && standings.contains(&"disputed"), "{standings:?}");
    assert_eq!(hub.matters(&Filter { open: Some(false), ..Filter::default() }).unwrap().total, 1);
}

#[test]
fn a_gap_is_accepted_or_its_box_revoked_and_what_a_revoked_box_delivers_can_be_counted() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut bar = SampleBox::new(21, ALL);
    for _ in 0..4 {
        bar.top_up(wallet(1), 100);
    }
    adopt(&mut hub, &bar);
    hub.ingest(&[bar.segment(0, 2)]).unwrap();
    hub.ingest(&[bar.segment(3, 4)]).unwrap();
    let gap = the(&mut hub, MatterKind::Gap);
    let done = hub.resolve(&gap, &asked(RulingAction::Revoke)).unwrap();
    assert_eq!((hub.cut_off.iter().collect::<Vec<_>>(), done.matter.open), (vec![&bar.device], false));
    assert!(hub.is_revoked(bar.device).unwrap());
    hub.ingest(&[bar.segment(2, 3)]).unwrap();
    hub.ingest(&[bar.segment(4, 5)]).unwrap();
    let before = money(&mut hub).top_up;
    let beyond = the(&mut hub, MatterKind::RevokedEntries);
    hub.resolve(&beyond, &asked(RulingAction::AcceptEntries)).unwrap();
    assert_eq!((before < 400, money(&mut hub).top_up), (true, 400), "all that it delivered counts");
    assert!(hub.is_revoked(bar.device).unwrap(), "and it stays out");
    bar.top_up(wallet(1), 100);
    hub.ingest(&[bar.segment(5, 6)]).unwrap();
    assert_eq!(money(&mut hub).top_up, 400, "what it writes from now on does not");
}

#[test]
fn doubts_and_what_is_owed_are_listed_written_off_and_paid_out() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let (mut desk, mut bar) = (SampleBox::new(20, Roles(4)), SampleBox::new(21, Roles(2)));
    let mut purse = Purse::new(wallet(1));
    purse.top_up(&mut desk, 1_000);
    let (torn, _) = purse.intent(&mut bar, IntentPurpose::Sale, 300, None);
    let owed = bar.entry(Kind::PENDING_CREDIT, Effect::Owe, 250);
    bar.commit(Entry { subject: wallet(1).into(), ..owed });
    for one in [&desk, &bar] {
        adopt(&mut hub, one);
        hub.ingest(&one.segments(10)).unwrap();
    }
    let (doubt, pending) = (the(&mut hub, MatterKind::InDoubt), the(&mut hub, MatterKind::Pending));
    assert_eq!(hub.matters(&Filter::default()).unwrap().open_cents, 550);
    assert_eq!(doubt.about, Some(torn));
    let view = hub.matter(&doubt).unwrap();
    assert_eq!((view.amount_cents, view.waits.as_deref()), (Some(300), Some("its_box")));
    assert_eq!(refused(&mut hub, &doubt, &asked(RulingAction::WriteOff)), "hub.ruling_its_box");
    let give_up = bar.entry(Kind::GAVE_UP, Effect::None, 300);
    bar.commit(Entry { subject: wallet(1).into(), refers_to: Some(torn), ..give_up });
    hub.ingest(&[bar.segment(3, 4)]).unwrap();
    assert!(!hub.resolve(&doubt, &asked(RulingAction::WriteOff)).unwrap().matter.open);
    assert_eq!(money(&mut hub).in_doubt, 0);

    let view = hub.matter(&pending).unwrap();
    assert_eq!((view.amount_cents, view.places[0].place.as_str()), (Some(250), "Place 21"));
    assert_eq!(refused(&mut hub, &pending, &asked(RulingAction::PayOut)), "hub.ruling_risk");
    assert!(flags(&hub, 1).has(WalletFlags::BLOCKED), "it waits for the boxes, blocked");
    let paid = hub.resolve(&pending, &Asked { accept_risk: true, ..asked(RulingAction::PayOut) }).unwrap();
    assert!(!paid.matter.open);
    assert_eq!(paid.matter.rulings[0].amount_cents, 1_250, "what was owed and what was left");
    assert_eq!((money(&mut hub).refunded, money(&mut hub).pending_credit), (1_250, 0));
}

#[test]
fn what_a_stolen_box_left_in_doubt_before_its_revocation_is_written_off_and_the_event_can_be_closed() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let (mut desk, mut bar) = (SampleBox::new(20, Roles(4)), SampleBox::new(21, Roles(2)));
    let (mut sale, mut other) = (Purse::new(wallet(1)), Purse::new(wallet(2)));
    for purse in [&mut sale, &mut other] {
        purse.top_up(&mut desk, 1_000);
        purse.intent(&mut bar, IntentPurpose::Sale, 300, None);
    }
    for one in [&desk, &bar] {
        adopt(&mut hub, one);
        hub.ingest(&one.segments(10)).unwrap();
    }
    let doubt = the(&mut hub, MatterKind::InDoubt);
    let before = hub.matter(&doubt).unwrap();
    assert!(!before.actions.contains(&"write_off".into()), "its own box may still settle it: {before:?}");
    assert_eq!(
        (hub.closing().unwrap().waiting, refused(&mut hub, &doubt, &asked(RulingAction::WriteOff))),
        (2, "hub.ruling_its_box")
    );

    hub.revoke_device(bar.device, "stolen").unwrap();
    let view = hub.matter(&doubt).unwrap();
    assert_eq!((view.waits.as_deref(), view.amount_cents), (Some("revoked_box"), Some(300)));
    assert!(view.actions.contains(&"write_off".into()), "{view:?}");
    assert!(!hub.resolve(&doubt, &asked(RulingAction::WriteOff)).unwrap().matter.open);
    assert_eq!((money(&mut hub).in_doubt, money(&mut hub).balance), (300, 1_700), "the other one's is left");
    let closed = hub.close_event().unwrap();
    assert_eq!((closed.booked, closed.waiting, closed.write_off), (1, 0, 0));
    assert_eq!((money(&mut hub).in_doubt, money(&mut hub).balance), (0, 2_000), "in the guests' favour");
}

/// A member of staff who can log in.
fn member(number: u32, roles: StaffRoles) -> Member {
    let pin = Some(documents::hash_pin("482913", b"of these tests..").unwrap());
    let (badge, sealed_key) = (None, Vec::new());
    Member { number, name: format!("Ana {number}"), roles, pin, badge, zones: 0, active: true, sealed_key }
}

#[test]
fn once_somebody_on_the_staff_list_could_sign_a_typed_name_decides_nothing() {
    let dir = sample::hub_dir();
    let mut hub = overspent(dir.path());
    let id = the(&mut hub, MatterKind::Overspend);
    let take_on = |hub: &mut Hub, member: &Member| {
        hub.edit(documents::Document::Staff, &documents::member(member)).unwrap();
    };
    let by = |number: u32| Asked { by: By::Staff(number), ..asked(RulingAction::Accept) };
    assert_eq!(refused(&mut hub, &id, &by(7)), "staff.not_allowed", "nobody is on the list");
    take_on(&mut hub, &member(5, StaffRoles::BAR));
    take_on(&mut hub, &Member { pin: None, ..member(6, StaffRoles::SUPERVISOR) });
    let typed = hub.resolve(&id, &asked(RulingAction::Accept)).unwrap().matter;
    assert_eq!((typed.rulings[0].by.as_str(), typed.rulings[0].operator), ("Ana", 0), "nobody on the list could sign");

    take_on(&mut hub, &member(7, StaffRoles::SUPERVISOR));
    take_on(&mut hub, &Member { active: false, ..member(8, StaffRoles::MANAGER) });
    assert!(hub.matters(&Filter::default()).unwrap().signs);
    assert_eq!(refused(&mut hub, &id, &asked(RulingAction::Block)), "hub.ruling_pin");
    for number in [5, 6, 8, 9] {
        assert_eq!(refused(&mut hub, &id, &by(number)), "staff.not_allowed", "{number}");
    }
    let signed = Asked { by: By::Staff(7), ..again(&mut hub, &id, RulingAction::Block) };
    let signed = hub.resolve(&id, &signed).unwrap().matter;
    assert_eq!((signed.rulings[0].by.as_str(), signed.rulings[0].operator), ("Ana 7", 7));
    let block = hub.journals.entries_about(&wallet(1).0, &hub.store, Currency::EUR).unwrap().into_iter();
    let operators: Vec<u32> = block
        .filter(|(_, _, body)| body.entry().kind == Kind::BLOCK)
        .map(|(_, _, body)| body.entry().operator)
        .collect();
    assert_eq!(operators, [7], "the block itself says whose it is");
}

#[test]
fn the_list_is_filtered_and_comes_in_pages() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let (mut left, mut right) = (SampleBox::new(20, ALL), SampleBox::new(21, ALL));
    for n in 1..=60 {
        left.admit(ticket(n));
        right.admit(ticket(n));
    }
    for one in [&left, &right] {
        adopt(&mut hub, one);
        hub.ingest(&one.segments(100)).unwrap();
    }
    let page = |hub: &mut Hub, filter: Filter| hub.matters(&filter).unwrap();
    let first = page(&mut hub, Filter::default());
    assert_eq!((first.total, first.open, first.pages, first.matters.len()), (60, 60, 2, 50));
    let last = page(&mut hub, Filter { page: 9, ..Filter::default() });
    assert_eq!((last.page, last.matters.len()), (1, 10), "beyond the end is the last one");
    for (place, wanted) in [("place 20", 60), ("21", 60), ("22", 0), ("nowhere", 0)] {
        assert_eq!(page(&mut hub, Filter { place: place.into(), ..Filter::default() }).total, wanted, "{place}");
    }
    assert_eq!(page(&mut hub, Filter { kind: Some(MatterKind::Fork), ..Filter::default() }).total, 0);
    let id = named(&first.matters[0].id).unwrap();
    hub.resolve(&id, &asked(RulingAction::Accept)).unwrap();
    assert_eq!(page(&mut hub, Filter { open: Some(false), ..Filter::default() }).total, 1);
    assert_eq!(page(&mut hub, Filter::default()).matters.iter().position(|view| !view.open), None, "open ones first");
    assert_eq!(named("fork~device"), None);
}

#[test]
fn a_list_says_that_there_are_more_where_refused_segments_are_left_out() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let one = SampleBox::new(20, ALL);
    (0..50).for_each(|_| hub.note_poison(one.device, "not a segment").unwrap());
    assert!(!hub.matters(&Filter::default()).unwrap().more);
    hub.note_poison(one.device, "not a segment").unwrap();
    assert!(hub.matters(&Filter::default()).unwrap().more);
}
