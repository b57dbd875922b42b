mod blocks;
mod forks;
mod quotas;
mod revoked;
mod stolen;

use domain::{
    journal::{Detail, Effect, Entry, IntentPurpose, Kind, Sale},
    ledger::{EvidenceFile, TicketFlags, WalletFlags, WalletState},
    money::{Cents, Currency},
    staff::{Member, StaffRoles},
    trust::Roles,
};

use self::{forks::two_histories, revoked::goes_on};
use super::*;
use crate::{
    credits::{Paid, tests::Purse},
    sample::{self, SampleBox, ticket, wallet},
    totals,
};

const ALL: Roles = Roles(7);

fn asked(action: RulingAction) -> Asked {
    let (by, reason) = (By::Typed("Ana".into()), "seen at the office".into());
    let seen = MatterSeen::default();
    Asked { action, undo: false, by, reason, amount: None, head: String::new(), seen, accept_risk: false }
}

/// From a page that shows what there is now.
fn now(hub: &mut Hub, id: &MatterId, asked: Asked) -> Asked {
    Asked { seen: hub.matter(id).unwrap().seen, ..asked }
}

fn again(hub: &mut Hub, id: &MatterId, action: RulingAction) -> Asked {
    now(hub, id, asked(action))
}

fn resolves(hub: &mut Hub, id: &MatterId, asked: Asked) -> Resolved {
    let asked = now(hub, id, asked);
    hub.resolve(id, &asked).unwrap()
}

fn decides(hub: &mut Hub, id: &MatterId, action: RulingAction) -> MatterView {
    resolves(hub, id, asked(action)).matter
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

/// Why it is refused from a page that shows what there is now.
fn refused_now(hub: &mut Hub, id: &MatterId, asked: Asked) -> &'static str {
    let asked = now(hub, id, asked);
    refused(hub, id, &asked)
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
        assert_eq!(refused_now(&mut hub, &id, bad), code);
    }
    let part = Asked { amount: Cents::new(50), ..asked(RulingAction::ChargeBack) };
    let after = resolves(&mut hub, &id, part).matter;
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

    // what the office has in its drawer stays booked, whatever is decided beside; and all of it survives a restart
    let forgive = again(&mut hub, &id, RulingAction::Forgive);
    assert_eq!(refused(&mut hub, &id, &forgive), "hub.ruling_amount", "nothing is open");
    let accept = again(&mut hub, &id, RulingAction::Accept);
    hub.resolve(&id, &accept).unwrap();
    assert_eq!((money(&mut hub).overspend, money(&mut hub).top_up), (0, 1_200));
    drop(hub);
    let mut hub = sample::open(dir.path());
    let kept = hub.matter(&id).unwrap();
    assert_eq!((kept.open, kept.rulings.len()), (false, 3));
}

/// Takes back what this action booked.
/// One ticket comes in at gate `n`.
fn admit(hub: &mut Hub, n: u8) {
    let mut gate = SampleBox::new(n, ALL);
    gate.admit(ticket(1));
    hub.ingest(&gate.segments(10)).unwrap();
}

fn undoes(hub: &mut Hub, id: &MatterId, action: RulingAction) -> MatterView {
    resolves(hub, id, Asked { undo: true, ..asked(action) }).matter
}

#[test]
fn what_the_guest_paid_back_stays_in_the_books_when_the_block_is_lifted_and_more_spent_later_is_open() {
    let dir = sample::hub_dir();
    let mut hub = overspent(dir.path());
    let id = the(&mut hub, MatterKind::Overspend);
    decides(&mut hub, &id, RulingAction::Block);
    assert!(!decides(&mut hub, &id, RulingAction::ChargeBack).open);
    let lifted = decides(&mut hub, &id, RulingAction::Lift);
    assert!(!lifted.open && !flags(&hub, 1).has(WalletFlags::BLOCKED));
    let standings: Vec<_> = lifted.rulings.iter().map(|one| (one.action.as_str(), one.standing.as_str())).collect();
    assert_eq!(standings, [("lift", "holds"), ("charge_back", "holds"), ("block", "replaced")]);
    assert_eq!((money(&mut hub).overspend, money(&mut hub).top_up), (0, 1_200));
    let mut late = SampleBox::new(23, ALL);
    late.sale(wallet(1), 150);
    hub.ingest(&late.segments(10)).unwrap();
    let more = hub.matter(&id).unwrap();
    assert_eq!((more.open, more.amount_cents), (true, Some(150)), "less than when it was blocked, and new");
}

#[test]
fn a_part_that_is_paid_back_and_the_rest_that_is_forgiven_settle_it_together() {
    let dir = sample::hub_dir();
    let mut hub = overspent(dir.path());
    let id = the(&mut hub, MatterKind::Overspend);
    resolves(&mut hub, &id, Asked { amount: Cents::new(50), ..asked(RulingAction::ChargeBack) });
    let rest = decides(&mut hub, &id, RulingAction::Forgive);
    assert!(!rest.open, "{rest:?}");
    let books = money(&mut hub);
    assert_eq!((books.overspend, books.top_up, books.gifts), (0, 1_050, 150));
}

#[test]
fn what_was_booked_by_mistake_is_undone_by_a_decision_of_its_own_and_open_again() {
    for action in [RulingAction::ChargeBack, RulingAction::Forgive] {
        let dir = sample::hub_dir();
        let mut hub = overspent(dir.path());
        let id = the(&mut hub, MatterKind::Overspend);
        let word = format!("undo_{}", action.code());
        assert_eq!(Asked::named(&word), Some((action, true)));
        let nothing = Asked { undo: true, ..asked(action) };
        assert_eq!(refused_now(&mut hub, &id, nothing), "hub.ruling_nothing");
        let before = money(&mut hub);
        let booked = decides(&mut hub, &id, action);
        assert!(booked.actions.contains(&word), "{booked:?}");
        decides(&mut hub, &id, RulingAction::Accept);
        let undone = undoes(&mut hub, &id, action);
        assert_eq!(money(&mut hub), before);
        assert_eq!((undone.open, undone.amount_cents), (true, Some(200)), "whoever accepted it saw nothing missing");
        assert_eq!(undone.rulings[0].action, word);
        assert!(!undone.actions.contains(&word), "once");
        assert!(!decides(&mut hub, &id, RulingAction::Accept).open);
    }
    assert_eq!(Asked::named("undo_block"), None);
}

#[test]
fn a_band_that_two_decisions_block_is_freed_when_neither_says_so_any_more() {
    let dir = sample::hub_dir();
    let mut hub = overspent(dir.path());
    let mut purse = Purse::new(wallet(1));
    let (mut left, mut right) = (SampleBox::new(24, ALL), SampleBox::new(25, ALL));
    purse.copied(2).tap(&mut right, IntentPurpose::Sale, 100, None);
    purse.tap(&mut left, IntentPurpose::Sale, 100, None);
    for one in [&left, &right] {
        adopt(&mut hub, one);
        hub.ingest(&one.segments(10)).unwrap();
    }
    let (overspend, fork) = (the(&mut hub, MatterKind::Overspend), the(&mut hub, MatterKind::ChipFork));
    for id in [&overspend, &fork] {
        decides(&mut hub, id, RulingAction::Block);
    }
    decides(&mut hub, &overspend, RulingAction::Lift);
    assert!(flags(&hub, 1).has(WalletFlags::BLOCKED), "the copied band is still blocked, as its own card says");
    assert!(matches!(hub.unblock_wallet(wallet(1)), Err(HubError::Refused("hub.band_ruled"))));
    decides(&mut hub, &fork, RulingAction::Lift);
    assert!(!flags(&hub, 1).has(WalletFlags::BLOCKED));
}

#[test]
fn the_same_request_twice_moves_money_once_and_an_old_page_undoes_nothing_that_it_did_not_show() {
    for action in [RulingAction::ChargeBack, RulingAction::Forgive] {
        let dir = sample::hub_dir();
        let mut hub = overspent(dir.path());
        let id = the(&mut hub, MatterKind::Overspend);
        let part = Asked { amount: Cents::new(50), ..again(&mut hub, &id, action) };
        hub.resolve(&id, &part).unwrap();
        let once = money(&mut hub);
        assert_eq!((once.top_up + once.gifts, once.overspend), (1_050, 150));
        assert_eq!(refused(&mut hub, &id, &part), "hub.ruling_changed", "its answer was lost");
        assert_eq!(refused(&mut hub, &id, &asked(RulingAction::Accept)), "hub.ruling_changed", "an old page");
        assert_eq!((money(&mut hub), hub.matter(&id).unwrap().rulings.len()), (once, 1));

        let first = again(&mut hub, &id, action);
        resolves(&mut hub, &id, Asked { amount: Cents::new(50), ..first.clone() });
        assert_eq!(refused(&mut hub, &id, &first), "hub.ruling_changed", "another ruling holds by now");
        assert_eq!(money(&mut hub).overspend, 100);
    }
}

#[test]
fn nobody_decides_about_more_than_the_page_showed() {
    let dir = sample::hub_dir();
    let mut hub = overspent(dir.path());
    let id = the(&mut hub, MatterKind::Overspend);
    let page = hub.matter(&id).unwrap().seen;
    assert_eq!((page.cents, page.places), (200, 2));
    let mut late = SampleBox::new(23, ALL);
    late.sale(wallet(1), 300);
    hub.ingest(&late.segments(10)).unwrap();
    let before = money(&mut hub);
    for seen in [page, MatterSeen::default()] {
        for action in [RulingAction::Accept, RulingAction::Block, RulingAction::ChargeBack, RulingAction::Forgive] {
            let old = Asked { seen: seen.clone(), ..asked(action) };
            assert_eq!(refused(&mut hub, &id, &old), "hub.ruling_changed", "{action:?}");
        }
    }
    assert_eq!((money(&mut hub), hub.matter(&id).unwrap().rulings.len()), (before, 0), "nothing was booked");
    assert!(!flags(&hub, 1).has(WalletFlags::BLOCKED));
    assert!(!decides(&mut hub, &id, RulingAction::ChargeBack).open, "5.00 were shown");
    assert_eq!(money(&mut hub).top_up, 1_500);
}

#[test]
fn of_less_than_the_page_showed_nobody_moves_all_and_anybody_moves_a_part_that_he_named() {
    let dir = sample::hub_dir();
    let mut hub = overspent(dir.path());
    let id = the(&mut hub, MatterKind::Overspend);
    let seen = hub.matter(&id).unwrap().seen;
    let mut late = SampleBox::new(23, ALL);
    late.top_up(wallet(1), 120);
    hub.ingest(&late.segments(10)).unwrap();
    let all = Asked { seen: seen.clone(), ..asked(RulingAction::ChargeBack) };
    assert_eq!(refused(&mut hub, &id, &all), "hub.ruling_changed", "the office took 2.00, and 0.80 is missing");
    hub.resolve(&id, &Asked { amount: Cents::new(50), ..all }).unwrap();
    assert_eq!((money(&mut hub).top_up, money(&mut hub).overspend), (1_170, 30));
}

#[test]
fn a_further_gate_is_nothing_that_the_page_showed() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    (20..22).for_each(|n| admit(&mut hub, n));
    let id = the(&mut hub, MatterKind::DoubleAdmission);
    let page = again(&mut hub, &id, RulingAction::Accept);
    admit(&mut hub, 22);
    assert_eq!(refused(&mut hub, &id, &page), "hub.ruling_changed");
    assert!(hub.matter(&id).unwrap().open);
}

#[test]
fn a_band_is_blocked_and_freed_and_more_spent_later_opens_the_matter_again() {
    let dir = sample::hub_dir();
    let mut hub = overspent(dir.path());
    let id = the(&mut hub, MatterKind::Overspend);
    assert!(!decides(&mut hub, &id, RulingAction::Block).open);
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
    let done = resolves(&mut hub, &id, asked(RulingAction::Block));
    assert!(done.bundle && !done.matter.open);
    let state = hub.reading().unwrap().ticket_state(ticket(1)).unwrap().unwrap();
    assert!(domain::ledger::TicketState::from_bytes(&state).unwrap().flags.has(TicketFlags::BLOCKED));
    assert!(hub.store().is_barred(ticket(1), crate::store::BarReason::Blocked).unwrap());
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
    assert!(!decides(&mut hub, &id, RulingAction::Accept).open);
    hub.ingest(&[three.segment(two.bodies.len(), three.bodies.len())]).unwrap();
    let view = hub.matter(&id).unwrap();
    assert_eq!((view.open, view.places.len(), view.seen.places), (true, 6, 6), "{view:?}");
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
    let done = resolves(&mut hub, &gap, asked(RulingAction::Revoke));
    assert_eq!((hub.cut_off.iter().collect::<Vec<_>>(), done.matter.open), (vec![&bar.device], false));
    assert!(hub.is_revoked(bar.device).unwrap());
    hub.ingest(&[bar.segment(2, 3)]).unwrap();
    hub.ingest(&[bar.segment(4, 5)]).unwrap();
    let before = money(&mut hub).top_up;
    let beyond = the(&mut hub, MatterKind::RevokedEntries);
    resolves(&mut hub, &beyond, asked(RulingAction::AcceptEntries));
    assert_eq!((before < 400, money(&mut hub).top_up), (true, 400), "all that it delivered counts");
    assert!(hub.is_revoked(bar.device).unwrap(), "and it stays out");
    bar.top_up(wallet(1), 100);
    hub.ingest(&[bar.segment(5, 6)]).unwrap();
    assert_eq!(money(&mut hub).top_up, 400, "what it writes from now on does not");
}

#[test]
fn a_further_gate_opens_a_matter_again_also_where_more_places_are_known_than_shown() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    (20..40).for_each(|n| admit(&mut hub, n));
    let id = the(&mut hub, MatterKind::DoubleAdmission);
    let all = decides(&mut hub, &id, RulingAction::Accept);
    assert_eq!((all.open, all.places.len(), all.more_places), (false, 20, 0));
    admit(&mut hub, 40);
    let more = hub.matter(&id).unwrap();
    assert_eq!((more.open, more.places.len(), more.more_places), (true, 20, 1));
    assert_eq!(hub.evidence(&id).unwrap().more, 1);
}

#[test]
fn doubts_and_what_is_owed_are_listed_written_off_and_paid_out() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let (mut desk, mut bar) = (SampleBox::new(20, Roles(4)), SampleBox::new(21, Roles(2)));
    let mut purse = Purse::new(wallet(1));
    purse.top_up(&mut desk, 1_000);
    let (torn, _) = purse.intent(&mut bar, IntentPurpose::Sale, 300, None);
    let owed = bar.entry(Kind::DEPOSIT_BACK, Effect::Owe, 250);
    let cups = Sale { deposit_back: Cents::new(250).unwrap(), ..Sale::default() };
    bar.commit(Entry { subject: wallet(1).into(), part: Detail::Sale(Some(cups)).to_bytes(), ..owed });
    for one in [&desk, &bar] {
        adopt(&mut hub, one);
        hub.ingest(&one.segments(10)).unwrap();
    }
    let (doubt, pending) = (the(&mut hub, MatterKind::InDoubt), the(&mut hub, MatterKind::Pending));
    assert_eq!(hub.matters(&Filter::default()).unwrap().open_cents, 550);
    assert_eq!(doubt.about, Some(torn));
    let view = hub.matter(&doubt).unwrap();
    assert_eq!((view.amount_cents, view.waits.as_deref()), (Some(300), Some("its_box")));
    assert_eq!(refused_now(&mut hub, &doubt, asked(RulingAction::WriteOff)), "hub.ruling_its_box");
    let give_up = bar.entry(Kind::GAVE_UP, Effect::None, 300);
    bar.commit(Entry { subject: wallet(1).into(), refers_to: Some(torn), ..give_up });
    hub.ingest(&[bar.segment(3, 4)]).unwrap();
    assert!(!decides(&mut hub, &doubt, RulingAction::WriteOff).open);
    assert_eq!(money(&mut hub).in_doubt, 0);

    let view = hub.matter(&pending).unwrap();
    assert_eq!((view.amount_cents, view.places[0].place.as_str()), (Some(250), "Place 21"));
    assert_eq!(refused_now(&mut hub, &pending, asked(RulingAction::PayOut)), "hub.ruling_risk");
    assert!(flags(&hub, 1).has(WalletFlags::BLOCKED), "it waits for the boxes, blocked");
    let paid = resolves(&mut hub, &pending, Asked { accept_risk: true, ..asked(RulingAction::PayOut) });
    assert!(!paid.matter.open);
    assert_eq!(paid.matter.rulings[0].amount_cents, 1_250, "what was owed and what was left");
    assert_eq!((money(&mut hub).refunded, money(&mut hub).pending_credit), (1_250, 0));
}

#[test]
fn a_carried_credit_in_doubt_is_owed_once_in_the_total_and_closing_writes_it_off() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let (mut desk, mut bar) = (SampleBox::new(20, ALL), SampleBox::new(21, Roles(2)));
    let mut purse = Purse::new(wallet(1));
    purse.top_up(&mut desk, 1_000);
    adopt(&mut hub, &desk);
    hub.ingest(&desk.segments(10)).unwrap();
    let paid = Paid { wallet: wallet(1), amount: Cents::new(2_000).unwrap(), key: [7; 16], reference: String::new() };
    hub.online_top_up(&paid).unwrap();
    hub.publish().unwrap();
    let (record, _) = hub.offers[&wallet(1)].offer.unwrap();
    let (carried, _) = purse.intent(&mut bar, IntentPurpose::Carry, 2_000, Some(record));
    adopt(&mut hub, &bar);
    hub.ingest(&bar.segments(10)).unwrap();
    let page = hub.matters(&Filter::default()).unwrap();
    let amounts: BTreeMap<&str, Option<i64>> =
        page.matters.iter().map(|view| (view.kind.as_str(), view.amount_cents)).collect();
    assert_eq!(amounts, BTreeMap::from([("in_doubt", None), ("pending", Some(2_000))]));
    assert_eq!(page.open_cents, 2_000);
    assert_eq!(hub.closing().unwrap().waiting, 1);
    assert!(matches!(hub.expire(), Err(HubError::Refused("hub.still_in_doubt"))), "it may be on the band");

    let give_up = bar.entry(Kind::GAVE_UP, Effect::None, 2_000);
    bar.commit(Entry { subject: wallet(1).into(), refers_to: Some(carried), ..give_up });
    hub.ingest(&[bar.segment(2, 3)]).unwrap();
    let open = hub.closing().unwrap();
    assert_eq!((open.write_off, open.write_off_cents, open.pending_cents), (1, 0, 2_000));
    let closed = hub.close_event().unwrap();
    assert_eq!((closed.booked, closed.write_off, closed.pending_cents), (1, 0, 2_000));
    let page = hub.matters(&Filter { kind: Some(MatterKind::InDoubt), ..Filter::default() }).unwrap();
    assert_eq!(page.total, 0);
    assert_eq!(hub.expire().unwrap().booked, 2);
    assert_eq!((money(&mut hub).expired, money(&mut hub).pending_credit), (3_000, 0));
}

#[test]
fn the_goods_sold_on_a_copied_band_are_not_added_to_what_is_missing() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let (mut desk, mut left, mut right) = (SampleBox::new(20, ALL), SampleBox::new(21, ALL), SampleBox::new(22, ALL));
    let mut purse = Purse::new(wallet(1));
    purse.top_up(&mut desk, 1_000);
    purse.copied(2).tap(&mut right, IntentPurpose::Sale, 700, None);
    purse.tap(&mut left, IntentPurpose::Sale, 700, None);
    for one in [&desk, &left, &right] {
        adopt(&mut hub, one);
        hub.ingest(&one.segments(20)).unwrap();
    }
    let page = hub.matters(&Filter::default()).unwrap();
    let amounts: BTreeMap<&str, Option<i64>> =
        page.matters.iter().map(|view| (view.kind.as_str(), view.amount_cents)).collect();
    assert_eq!(amounts, BTreeMap::from([("chip_fork", Some(1_400)), ("overspend", Some(400))]));
    assert_eq!((page.open_cents, money(&mut hub).overspend), (400, 400));
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
        (hub.closing().unwrap().waiting, refused_now(&mut hub, &doubt, asked(RulingAction::WriteOff))),
        (2, "hub.ruling_its_box")
    );

    hub.revoke_device(bar.device, "stolen").unwrap();
    let view = hub.matter(&doubt).unwrap();
    assert_eq!((view.waits.as_deref(), view.amount_cents), (Some("revoked_box"), Some(300)));
    assert!(view.actions.contains(&"write_off".into()), "{view:?}");
    assert!(!decides(&mut hub, &doubt, RulingAction::WriteOff).open);
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
    let typed = decides(&mut hub, &id, RulingAction::Accept);
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
    resolves(&mut hub, &id, asked(RulingAction::Accept));
    assert_eq!(page(&mut hub, Filter { open: Some(false), ..Filter::default() }).total, 1);
    assert_eq!(page(&mut hub, Filter::default()).matters.iter().position(|view| !view.open), None, "open ones first");
    assert_eq!(named("fork~device"), None);
}

/// Cash for a band that nobody has met yet.
fn owes(desk: &mut SampleBox, to: WalletId, cents: u32) {
    let part = domain::journal::TopUp { c_only: false, fee: Cents::ZERO, means: domain::journal::Means::Cash };
    let entry = desk.entry(Kind::TOP_UP, Effect::Owe, cents);
    desk.commit(Entry { subject: to.into(), part: domain::journal::Detail::TopUp(part).to_bytes(), ..entry });
}

/// Wallets 1 to 3 are owed money, wallet 4 has a sale in doubt.
fn owed_and_in_doubt(dir: &std::path::Path) -> Hub {
    let mut hub = sample::open(dir);
    let mut bar = SampleBox::new(21, ALL);
    for n in 1..=3 {
        owes(&mut bar, wallet(n), 250);
    }
    Purse::new(wallet(4)).intent(&mut bar, IntentPurpose::Sale, 300, None);
    adopt(&mut hub, &bar);
    hub.ingest(&bar.segments(10)).unwrap();
    hub
}

#[test]
fn of_more_than_a_list_holds_each_kind_is_cut_apart_and_any_matter_can_be_shown_and_decided() {
    let dir = sample::hub_dir();
    let mut hub = owed_and_in_doubt(dir.path());
    let page = hub.matters_up_to(&Filter::default(), 2).unwrap();
    let kinds = |kind: MatterKind| page.matters.iter().filter(|view| view.kind == kind.code()).count();
    assert_eq!((kinds(MatterKind::Pending), kinds(MatterKind::InDoubt), page.more), (2, 1, true));
    let doubts = hub.matters_up_to(&Filter { kind: Some(MatterKind::InDoubt), ..Filter::default() }, 2).unwrap();
    assert_eq!((doubts.total, doubts.more), (1, false), "what is not asked for is not left out");

    let all = hub.matters(&Filter { kind: Some(MatterKind::Pending), ..Filter::default() }).unwrap().matters;
    let left_out = all.iter().find(|view| page.matters.iter().all(|shown| shown.id != view.id)).unwrap();
    let id = named(&left_out.id).unwrap();
    assert_eq!(&hub.matter(&id).unwrap(), left_out);
    assert!(!decides(&mut hub, &id, RulingAction::Accept).open);
    let mut other = SampleBox::new(22, ALL);
    owes(&mut other, id.subject.wallet(), 100);
    hub.ingest(&other.segments(10)).unwrap();
    let page = hub.matters_up_to(&Filter { open: Some(true), ..Filter::default() }, 2).unwrap();
    assert!(page.matters.iter().any(|view| view.id == left_out.id), "decided and open again, beyond the cut");
}

#[test]
fn a_matter_by_itself_is_the_one_on_the_list() {
    let dir = sample::hub_dir();
    let (mut hub, mut bar, _) = two_histories(dir.path(), false);
    let mut mad = SampleBox::new(30, Roles(1));
    mad.sale(wallet(2), 100);
    let (mut left, mut right) = (SampleBox::new(31, ALL), SampleBox::new(32, ALL));
    left.admit(ticket(1));
    right.admit(ticket(1));
    for one in [&mad, &left, &right] {
        adopt(&mut hub, one);
        hub.ingest(&one.segments(10)).unwrap();
    }
    hub.note_poison(bar.device, "not a segment").unwrap();
    hub.revoke_device(bar.device, "stolen").unwrap();
    goes_on(&mut hub, &mut bar, 3);
    let all = hub.matters(&Filter::default()).unwrap().matters;
    let kinds: std::collections::BTreeSet<&str> = all.iter().map(|view| view.kind.as_str()).collect();
    for kind in ["fork", "forbidden_entry", "double_admission", "revoked_entries"] {
        assert!(kinds.contains(kind), "{kinds:?}");
    }
    for view in all {
        assert_eq!(hub.matter(&named(&view.id).unwrap()).unwrap(), view);
    }
}

#[test]
fn all_refused_segments_of_a_box_are_one_matter_however_many_and_a_further_one_opens_it_again() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let (quiet, mad) = (SampleBox::new(20, ALL), SampleBox::new(21, ALL));
    for one in [&quiet, &mad] {
        adopt(&mut hub, one);
        hub.note_poison(one.device, "not a segment").unwrap();
    }
    (0..60).for_each(|_| hub.note_poison(mad.device, "not a segment").unwrap());
    let page = hub.matters(&Filter::default()).unwrap();
    let told: Vec<_> = page.matters.iter().map(|view| (view.places[0].box_number, view.seen.places)).collect();
    assert_eq!((page.more, told.len()), (false, 2), "{told:?}");
    assert!(told.contains(&(20, 1)) && told.contains(&(21, 61)), "{told:?}");
    for view in &page.matters {
        let id = named(&view.id).unwrap();
        assert_eq!(&hub.matter(&id).unwrap(), view);
        assert!(!decides(&mut hub, &id, RulingAction::Accept).open);
    }
    for one in [&quiet, &mad] {
        hub.note_poison(one.device, "not a segment").unwrap();
        let open = open(&mut hub);
        assert_eq!(open.iter().map(|view| view.subject.as_str()).collect::<Vec<_>>(), [hex(&one.device.0)]);
        assert!(!decides(&mut hub, &named(&open[0].id).unwrap(), RulingAction::Accept).open);
    }
}
