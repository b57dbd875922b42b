use domain::{
    id::EntryRef,
    journal::{Closure, Detail, IntentPurpose, Kind, MatterKind, RulingAction, TillTotals},
    trust::Roles,
};
use screens::view::MatterView;

use super::*;
use crate::{
    credits::{Paid, tests::Purse},
    matters::{Asked, By, Filter, named},
    sample::{self, SampleBox, wallet},
    store::BoxKnowledge,
    totals,
};

const OLD: u8 = 1;
const NEW: u8 = 2;

/// A desk and a bar that the hub has met, and a purse with 10.00 on it.
fn festival(dir: &std::path::Path) -> (Hub, SampleBox, SampleBox, Purse) {
    let mut hub = sample::open(dir);
    let (mut desk, bar) = (SampleBox::new(20, Roles(4)), SampleBox::new(21, Roles(2)));
    for one in [&desk, &bar] {
        let certificate = one.chain.verify(&sample::founding()).unwrap();
        hub.adopt(&certificate, &one.chain.to_bytes()).unwrap();
    }
    let mut purse = Purse::new(wallet(OLD));
    purse.top_up(&mut desk, 1_000);
    hub.ingest(&desk.segments(10)).unwrap();
    hub.ingest(&bar.segments(10)).unwrap();
    hub.publish().unwrap();
    (hub, desk, bar, purse)
}

/// The box says that it holds the newest state, and where its journal ends.
fn hears(hub: &mut Hub, one: &SampleBox) {
    let number = hub.numbers[&Section::Wallets];
    let known = BoxKnowledge { term: hub.term(), number, epoch: 0, next_seq: one.bodies.len() as u32 };
    hub.note_knowledge(&[(one.device, known)]).unwrap();
}

fn numbers(leaving: &Leaving) -> Vec<u16> {
    leaving.may_sell.iter().map(|one| one.number).collect()
}

/// Balance and what is owed; nothing of a wallet that nobody has met.
fn view(hub: &mut Hub, n: u8) -> (i64, u32) {
    if hub.store().wallet(wallet(n)).unwrap().is_none() {
        return (0, 0);
    }
    let view = hub.wallet_view(wallet(n)).unwrap();
    (view.balance_cents, view.pending_cents)
}

#[test]
fn a_lost_band_is_swapped_once_every_box_has_heard_and_delivered() {
    let dir = sample::hub_dir();
    let (mut hub, desk, mut bar, mut purse) = festival(dir.path());
    let swap = Way::Swap(wallet(NEW));
    let waiting = hub.empty_band(wallet(OLD), swap, false).unwrap();
    assert!(waiting.blocked, "at once");
    assert_eq!((numbers(&waiting), waiting.moved_cents, waiting.risk_cents), (vec![20, 21], 0, 1_000));
    hears(&mut hub, &desk);
    // the bar sold before it heard; it has heard, and has not delivered that yet
    purse.tap(&mut bar, IntentPurpose::Sale, 300, None);
    hears(&mut hub, &bar);
    assert_eq!(numbers(&hub.empty_band(wallet(OLD), swap, false).unwrap()), vec![21]);
    hub.ingest(&[bar.segment(1, bar.bodies.len())]).unwrap();
    let moved = hub.empty_band(wallet(OLD), swap, false).unwrap();
    assert_eq!((numbers(&moved), moved.moved_cents), (vec![], 700));
    assert_eq!((view(&mut hub, OLD), view(&mut hub, NEW)), ((0, 0), (0, 700)));
    let again = hub.empty_band(wallet(OLD), swap, false).unwrap();
    assert_eq!((again.moved_cents, view(&mut hub, NEW)), (0, (0, 700)), "once");
    let books = totals::books(&hub.reading().unwrap()).unwrap().money;
    assert!(books.balances() && books.transferred == 0, "{books:?}");
    assert_eq!((books.top_up, books.spent, books.pending_credit), (1_000, 300, 700));
    assert!(matches!(hub.unblock_wallet(wallet(OLD)), Err(HubError::Refused("hub.band_emptied"))));
}

#[test]
fn a_sale_that_arrives_after_an_accepted_risk_is_the_loss_of_the_swap_and_never_the_guest_s() {
    let dir = sample::hub_dir();
    let (mut hub, _desk, mut bar, mut purse) = festival(dir.path());
    let moved = hub.empty_band(wallet(OLD), Way::Swap(wallet(NEW)), true).unwrap();
    assert_eq!((moved.moved_cents, numbers(&moved)), (1_000, vec![20, 21]));
    let hub_journal = hub.journals.all().iter().find(|journal| journal.box_number.0 == 0).unwrap();
    let last = hub_journal.tree.head().unwrap();
    let decision = hub.entry_at(last_device(&hub), hub.term(), last.seq).unwrap().remove(0).0;
    assert_eq!((decision.entry().kind, decision.entry().amount.get()), (Kind::DECISION, 1_000));
    purse.tap(&mut bar, IntentPurpose::Sale, 300, None);
    hub.ingest(&[bar.segment(1, bar.bodies.len())]).unwrap();
    hub.publish().unwrap();
    assert_eq!(view(&mut hub, NEW), (0, 1_000), "the guest keeps all of it");
    let shown = hub.reading().unwrap().conflicts(10).unwrap();
    let kept = shown.iter().flat_map(|text| crate::conflicts::read(text)).collect::<Vec<_>>();
    let loss = kept[0].view(|number| number.0.to_string());
    assert_eq!((loss.what_code.as_str(), loss.amount_cents), ("hub.late_spend", Some(300)));
    let books = totals::books(&hub.reading().unwrap()).unwrap().money;
    assert!(books.balances(), "{books:?}");
    assert_eq!(books.overspend, 300);
}

fn last_device(hub: &Hub) -> domain::id::DeviceId {
    hub.identity.device()
}

#[test]
fn what_was_owed_to_the_old_band_goes_along_and_its_signed_credit_is_off_the_table() {
    let dir = sample::hub_dir();
    let (mut hub, desk, bar, _) = festival(dir.path());
    let paid = Paid { wallet: wallet(OLD), amount: Cents::new(500).unwrap(), key: [3; 16], reference: String::new() };
    hub.online_top_up(&paid).unwrap();
    hub.publish().unwrap();
    assert_eq!(hub.offers.len(), 1);
    hub.empty_band(wallet(OLD), Way::Swap(wallet(NEW)), false).unwrap();
    assert!(hub.offers.is_empty());
    hears(&mut hub, &desk);
    hears(&mut hub, &bar);
    assert_eq!(hub.empty_band(wallet(OLD), Way::Swap(wallet(NEW)), false).unwrap().moved_cents, 1_500);
    assert_eq!((view(&mut hub, OLD), view(&mut hub, NEW)), ((0, 0), (0, 1_500)));
    assert!(totals::books(&hub.reading().unwrap()).unwrap().money.balances());
}

#[test]
fn a_refund_without_the_band_waits_like_a_swap_and_a_closed_journal_is_done() {
    let dir = sample::hub_dir();
    let (mut hub, mut desk, mut bar, _) = festival(dir.path());
    for one in [&mut desk, &mut bar] {
        let (period, perpetual) = (TillTotals::default(), TillTotals::default());
        let part = Closure { number: 1, is_final: true, period, perpetual, last: 0 };
        let closure = one.entry(Kind::CLOSURE, Effect::None, 0);
        one.commit(Entry { part: Detail::Closure(part).to_bytes(), ..closure });
    }
    assert_eq!(hub.empty_band(wallet(OLD), Way::Refund, false).unwrap().moved_cents, 0);
    hub.ingest(&[desk.segment(3, desk.bodies.len()), bar.segment(1, bar.bodies.len())]).unwrap();
    assert_eq!(hub.empty_band(wallet(OLD), Way::Refund, false).unwrap().moved_cents, 1_000);
    let books = totals::books(&hub.reading().unwrap()).unwrap().money;
    assert!(books.balances());
    assert_eq!((books.refunded, books.balance), (1_000, 0));
}

#[test]
fn a_revoked_box_holds_nothing_up_and_a_blocked_or_equal_band_gets_nothing() {
    let dir = sample::hub_dir();
    let (mut hub, desk, bar, _) = festival(dir.path());
    for one in [&desk, &bar] {
        hub.revoke_device(one.device, "stolen").unwrap();
    }
    for to in [OLD, 9] {
        hub.block_wallet(wallet(9)).unwrap();
        let refused = hub.empty_band(wallet(OLD), Way::Swap(wallet(to)), true);
        assert!(matches!(refused, Err(HubError::Refused("hub.same_band"))), "{refused:?}");
    }
    assert_eq!(hub.empty_band(wallet(OLD), Way::Swap(wallet(NEW)), false).unwrap().moved_cents, 1_000);
}

#[test]
fn a_refund_cut_off_behind_its_block_waits_for_the_boxes_like_any_other_and_then_moves() {
    let dir = sample::hub_dir();
    let (mut hub, desk, bar, _) = festival(dir.path());
    let database = rusqlite::Connection::open(dir.path().join("hub.db")).unwrap();
    let fails = "CREATE TRIGGER fails BEFORE INSERT ON leaving_bands BEGIN SELECT RAISE(ABORT, 'not today'); END";
    database.execute_batch(fails).unwrap();
    hub.empty_band(wallet(OLD), Way::Refund, false).unwrap_err();
    database.execute_batch("DROP TRIGGER fails").unwrap();
    let waiting = hub.empty_band(wallet(OLD), Way::Refund, false).unwrap();
    assert_eq!((waiting.blocked, numbers(&waiting), waiting.moved_cents), (true, vec![20, 21], 0));
    hears(&mut hub, &desk);
    hears(&mut hub, &bar);
    let moved = hub.empty_band(wallet(OLD), Way::Refund, false).unwrap();
    assert_eq!((numbers(&moved), moved.moved_cents), (vec![], 1_000));
}

fn gives_up(one: &mut SampleBox, intent: EntryRef, amount: u32) {
    let entry = one.entry(Kind::GAVE_UP, Effect::None, amount);
    one.commit(Entry { subject: wallet(OLD).into(), refers_to: Some(intent), ..entry });
}

fn open_matters_of_old(hub: &mut Hub) -> Vec<MatterView> {
    let open = hub.matters(&Filter { open: Some(true), ..Filter::default() }).unwrap().matters;
    open.into_iter().filter(|one| one.subject == wallet(OLD).to_hex()).collect()
}

fn money(hub: &mut Hub) -> domain::ledger::Totals {
    hub.publish().unwrap();
    let money = totals::books(&hub.reading().unwrap()).unwrap().money;
    assert!(money.balances(), "{money:?}");
    money
}

/// The only open matter of the old band is the loss of the swap or refund; forgiven, nothing is left to move or to expire.
fn is_the_only_loss(hub: &mut Hub, way: Way, cents: i64) {
    let found = open_matters_of_old(hub);
    let told: Vec<_> = found.iter().map(|one| (one.kind.as_str(), one.amount_cents)).collect();
    assert_eq!(told, [(MatterKind::LateSpend.code(), Some(cents))]);
    assert_eq!(hub.empty_band(wallet(OLD), way, true).unwrap().moved_cents, 0, "the same request again");
    let old = money(hub);
    assert_eq!((old.overspend, old.pending_credit), (cents, view(hub, NEW).1.into()), "{old:?}");
    let before = hub.closing().unwrap();
    let forgive = Asked {
        action: RulingAction::Forgive,
        undo: false,
        by: By::Typed("Ana".into()),
        reason: "the loss of the act".into(),
        amount: None,
        head: String::new(),
        seen: found[0].seen.clone(),
        accept_risk: false,
    };
    assert!(!hub.resolve(&named(&found[0].id).unwrap(), &forgive).unwrap().matter.open);
    assert_eq!((money(hub).overspend, money(hub).gifts), (0, cents));
    assert_eq!(hub.empty_band(wallet(OLD), way, true).unwrap().moved_cents, 0);
    assert_eq!(hub.closing().unwrap(), before, "a gift of what was lacked leaves nothing behind");
    let of_old = before.left_cents + before.pending_cents;
    assert_eq!(of_old, i64::from(view(hub, NEW).1), "only the new band's money is left");
}

#[test]
fn what_a_late_verdict_owes_a_refunded_band_is_first_what_it_had_too_much() {
    for served in [false, true] {
        let dir = sample::hub_dir();
        let (mut hub, _desk, mut x, mut purse) = festival(dir.path());
        let mut y = SampleBox::new(22, Roles(2));
        hub.adopt(&y.chain.verify(&sample::founding()).unwrap(), &y.chain.to_bytes()).unwrap();
        // at bar X the chip is charged and X does not know it; bar Y sells on top of that record
        let torn = purse.torn(&mut x, IntentPurpose::Sale, 300);
        gives_up(&mut x, torn, 300);
        if served {
            let entry = x.entry(Kind::HANDED_OVER, Effect::None, 300);
            x.commit(Entry { subject: wallet(OLD).into(), refers_to: Some(torn), ..entry });
        }
        purse.tap(&mut y, IntentPurpose::Sale, 100, None);
        assert_eq!(hub.empty_band(wallet(OLD), Way::Refund, true).unwrap().moved_cents, 1_000);
        hub.ingest(&[x.segment(1, x.bodies.len())]).unwrap();
        hub.ingest(&y.segments(10)).unwrap();
        hub.publish().unwrap();
        // of the 10.00 that were refunded the guest had 4.00 of goods where X served, and 1.00 where it did not
        is_the_only_loss(&mut hub, Way::Refund, if served { 400 } else { 100 });
    }
}

#[test]
fn a_written_off_top_up_that_stood_on_the_swapped_band_after_all_moves_once() {
    let dir = sample::hub_dir();
    let (mut hub, mut desk, mut bar, mut purse) = festival(dir.path());
    let torn = purse.torn(&mut desk, IntentPurpose::TopUp, 2_000);
    gives_up(&mut desk, torn, 2_000);
    hub.ingest(&[desk.segment(3, desk.bodies.len())]).unwrap();
    assert_eq!(hub.close_event().unwrap().booked, 1);
    // the bar is not heard: it sold on the top-up that nobody else saw
    purse.tap(&mut bar, IntentPurpose::Sale, 300, None);
    let swap = Way::Swap(wallet(NEW));
    assert_eq!(hub.empty_band(wallet(OLD), swap, true).unwrap().moved_cents, 3_000);
    hub.ingest(&[bar.segment(1, bar.bodies.len())]).unwrap();
    hub.publish().unwrap();
    assert_eq!(view(&mut hub, NEW), (0, 3_000));
    is_the_only_loss(&mut hub, swap, 300);
    assert_eq!(view(&mut hub, NEW), (0, 3_000), "the guest has no more than was paid");
}

/// Kind and amount of what is open for the old band.
fn open_of_old(hub: &mut Hub) -> Vec<(String, Option<i64>)> {
    open_matters_of_old(hub).into_iter().map(|one| (one.kind, one.amount_cents)).collect()
}

fn owed(cents: i64) -> Vec<(String, Option<i64>)> {
    vec![(MatterKind::Pending.code().to_owned(), Some(cents))]
}

fn decides(hub: &mut Hub, action: RulingAction) {
    let view = open_matters_of_old(hub).remove(0);
    let asked = Asked {
        action,
        undo: false,
        by: By::Typed("Ana".into()),
        reason: "the guest came".into(),
        amount: None,
        head: String::new(),
        seen: view.seen,
        accept_risk: true,
    };
    assert!(!hub.resolve(&named(&view.id).unwrap(), &asked).unwrap().matter.open);
}

#[test]
fn money_that_comes_back_to_an_emptied_band_is_owed_until_it_is_moved_and_open_again_whenever_more_comes() {
    for way in [Way::Refund, Way::Swap(wallet(NEW))] {
        let dir = sample::hub_dir();
        let (mut hub, mut desk, mut bar, mut purse) = festival(dir.path());
        let (unsent, _) = purse.intent(&mut bar, IntentPurpose::Sale, 300, None);
        hub.ingest(&[bar.segment(1, 2)]).unwrap();
        assert_eq!(hub.empty_band(wallet(OLD), way, true).unwrap().moved_cents, 700);
        assert_eq!(open_of_old(&mut hub), [(MatterKind::InDoubt.code().to_owned(), Some(300))]);

        // the bar knows that it charged nothing
        let void = bar.entry(Kind::VOID, Effect::Release, 300);
        bar.commit(Entry { subject: wallet(OLD).into(), refers_to: Some(unsent), ..void });
        hub.ingest(&[bar.segment(2, 3)]).unwrap();
        assert_eq!(open_of_old(&mut hub), owed(300), "{way:?}");
        let found = open_matters_of_old(&mut hub).remove(0);
        assert_eq!(
            (found.waits.as_deref(), &hub.matter(&named(&found.id).unwrap()).unwrap()),
            (Some("blocked"), &found)
        );
        decides(&mut hub, RulingAction::PayOut);
        assert_eq!((view(&mut hub, OLD), open_of_old(&mut hub)), ((0, 0), vec![]));

        // less than was paid out, and new
        desk.top_up(wallet(OLD), 50);
        hub.ingest(&[desk.segment(3, 4)]).unwrap();
        assert_eq!(open_of_old(&mut hub), owed(50));
        decides(&mut hub, RulingAction::Accept);
        assert_eq!(hub.empty_band(wallet(OLD), way, true).unwrap().moved_cents, 50);
        desk.top_up(wallet(OLD), 20);
        hub.ingest(&[desk.segment(4, 5)]).unwrap();
        assert_eq!(open_of_old(&mut hub), owed(20), "whoever accepted it saw one top-up less");
        assert_eq!(hub.closing().unwrap().left_cents, 20, "nothing else was left to expire");
        money(&mut hub);
    }
}

#[test]
fn a_sale_that_is_written_off_after_its_band_was_emptied_is_owed() {
    let dir = sample::hub_dir();
    let (mut hub, _desk, mut bar, mut purse) = festival(dir.path());
    let (torn, _) = purse.intent(&mut bar, IntentPurpose::Sale, 300, None);
    gives_up(&mut bar, torn, 300);
    hub.ingest(&[bar.segment(1, bar.bodies.len())]).unwrap();
    assert_eq!(hub.empty_band(wallet(OLD), Way::Swap(wallet(NEW)), true).unwrap().moved_cents, 700);
    decides(&mut hub, RulingAction::WriteOff);
    assert_eq!(open_of_old(&mut hub), owed(300));
    decides(&mut hub, RulingAction::PayOut);
    assert_eq!((open_of_old(&mut hub), money(&mut hub).refunded), (vec![], 300));
}
