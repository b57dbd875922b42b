//! What entries amount to: intents and their follow-ups, counters, pairings; and that folding again gives the same.
use proptest::prelude::*;

use super::*;
use crate::{OpenIntent, View};

const OTHER: WalletId = WalletId([6; 16]);

fn open_at(store: &Store) -> Vec<EntryRef> {
    store.read(|view| view.open_intents(&WALLET).iter().map(|open| open.at).collect()).unwrap()
}

#[test]
fn an_intent_is_open_until_its_commit() {
    let world = World::new();
    let (store, _) = world.open();
    one(&store, top_up(WALLET, 5000));
    let first = one(&store, intent(WALLET, 450, 1));
    let state = store.read(|view| (view.wallet(&WALLET), view.unfinished_in_a_row(&WALLET))).unwrap();
    assert_eq!((state.0.balance, state.0.in_doubt, state.1), (4550, 450, 1));
    drop(store);
    let (store, report) = world.open();
    let opens: Vec<_> = report.open_intents.iter().map(|open| (open.at, open.given_up, open.handed_over)).collect();
    assert_eq!(opens, [(first, false, false)]);
    one(&store, about(first, Kind::SALE, Effect::Debit, 450));
    let state = store.read(|view| (view.wallet(&WALLET), view.unfinished_in_a_row(&WALLET))).unwrap();
    assert_eq!((state.0.balance, state.0.in_doubt, state.1), (4550, 0, 0));
    assert_eq!(open_at(&store), []);
    assert_eq!(store.read(|view| view.uncovered_debits(&WALLET)).unwrap(), 450);
}

#[test]
fn a_void_gives_the_money_back_and_is_no_unfinished_tap() {
    let world = World::new();
    let (store, _) = world.open();
    let first = one(&store, intent(WALLET, 450, 1));
    one(&store, about(first, Kind::VOID, Effect::Release, 450));
    let state = store.read(|view| (view.wallet(&WALLET), view.unfinished_in_a_row(&WALLET))).unwrap();
    assert_eq!((state.0.balance, state.0.in_doubt, state.1), (0, 0, 0));
    assert_eq!(store.read(|view| view.uncovered_debits(&WALLET)).unwrap(), 0);
    assert_eq!(open_at(&store), []);
}

#[test]
fn a_given_up_intent_is_never_open_again_and_two_in_a_row_are_counted() {
    let world = World::new();
    let (store, _) = world.open();
    let first = one(&store, intent(WALLET, 450, 1));
    one(&store, about(first, Kind::HANDED_OVER, Effect::None, 0));
    one(&store, about(first, Kind::GAVE_UP, Effect::None, 450));
    let second = one(&store, intent(WALLET, 300, 2));
    let seen = |view: &View<'_>| {
        (view.open_intents(&WALLET), view.given_up_intents(&WALLET), view.unfinished_in_a_row(&WALLET))
    };
    let (open, given_up, taps): (Vec<OpenIntent>, Vec<OpenIntent>, u32) = store.read(seen).unwrap();
    assert_eq!((open[0].at, open.len(), taps), (second, 1, 2));
    assert_eq!((given_up[0].at, given_up[0].handed_over, given_up[0].given_up), (first, true, true));
    // What was given up may still have been taken.
    assert_eq!(store.read(|view| view.uncovered_debits(&WALLET)).unwrap(), 750);
    one(&store, about(second, Kind::SALE, Effect::Debit, 300));
    let (open, given_up, taps) = store.read(seen).unwrap();
    assert_eq!((open.len(), given_up.len(), taps), (0, 1, 0));
}

#[test]
fn a_green_light_that_nobody_confirmed_is_asked_about_after_a_restart() {
    let world = World::new();
    let (store, _) = world.open();
    let first = one(&store, sale(WALLET, 100));
    let second = one(&store, sale(WALLET, 200));
    one(&store, admission(TICKET));
    let carried = Entry { effect: Effect::Repay, ..top_up(WALLET, 50) };
    one(&store, carried);
    one(&store, top_up(WALLET, 0));
    store.confirm(vec![first]).unwrap();
    drop(store);
    let (store, report) = world.open();
    assert_eq!(report.unconfirmed, [second], "nor about a passage, what was owed and is on the band, or nothing");
    store.transact(move |_| Decision::write(vec![sale(WALLET, 1)], ()).confirming([second])).unwrap();
    assert_eq!(store.read(|view| view.unconfirmed()).unwrap(), [own(0, 6)]);
}

#[test]
fn goods_that_were_served_on_tap_again_are_not_asked_about_when_their_sale_is_committed() {
    let world = World::new();
    let (store, _) = world.open();
    let served = one(&store, intent(WALLET, 450, 1));
    one(&store, about(served, Kind::HANDED_OVER, Effect::None, 450));
    let in_doubt = one(&store, intent(WALLET, 300, 2));
    one(&store, about(served, Kind::SALE, Effect::Debit, 450));
    let asked = one(&store, about(in_doubt, Kind::SALE, Effect::Debit, 300));
    drop(store);
    let (_, report) = world.open();
    assert_eq!(report.unconfirmed, [asked]);
}

#[test]
fn training_moves_nothing() {
    let world = World::new();
    let (store, _) = world.open();
    let training = |mut entry: Entry| {
        entry.flags = domain::journal::Flags::TRAINING;
        entry
    };
    write(&store, [sale(WALLET, 100), intent(WALLET, 50, 1), admission(TICKET)].map(training).to_vec());
    store
        .read(|view| {
            assert_eq!(view.wallet(&WALLET).balance, 0);
            assert_eq!(view.uncovered_debits(&WALLET), 0);
            assert_eq!((view.all_open_intents().len(), view.unconfirmed().len()), (0, 0));
            assert_eq!(view.counters(0), crate::Counters::default());
            assert_eq!(view.ticket(&TICKET).uses, 0);
        })
        .unwrap();
}

#[test]
fn counters_pairings_and_risk_follow_the_entries() {
    let world = World::new();
    let (store, _) = world.open();
    write(&store, vec![admission(TICKET), pairing(TICKET, WALLET), top_up(WALLET, 3000)]);
    write(&store, vec![sale(WALLET, 700), sale(OTHER, 200)]);
    store.set_wall_ms(NOON + 2 * 3_600_000);
    one(&store, sale(WALLET, 50));
    let (all, late) = store.read(|view| (view.counters(NOON), view.counters(NOON + 3_600_000))).unwrap();
    assert_eq!((all.admissions, all.sales, all.sales_cents, all.top_up_cents), (1, 3, 950, 3000));
    assert_eq!((late.admissions, late.sales, late.sales_cents, late.top_up_cents), (0, 1, 50, 0));
    store
        .read(|view| {
            assert_eq!((view.paired_wallet(&TICKET), view.paired_ticket(&WALLET)), (Some(WALLET), Some(TICKET)));
            assert_eq!(view.ticket(&TICKET).first_box, BoxNumber(12));
            assert_eq!((view.at_risk(true), view.at_risk(false)), (950, 0), "under escrow accounts risk nothing");
        })
        .unwrap();
    let mut transfer = entry(Kind::BAND_TRANSFER, Effect::Transfer, WALLET, 2250);
    transfer.other = OTHER.into();
    one(&store, transfer);
    store
        .read(|view| {
            assert_eq!(view.paired_wallet(&TICKET), Some(OTHER));
            assert_eq!((view.wallet(&WALLET).balance, view.wallet(&OTHER).balance), (0, 2050));
        })
        .unwrap();
}

/// Every projected row, as text.
fn rows(store: &Store) -> Vec<String> {
    store
        .reading(|connection| {
            let mut rows = Vec::new();
            for table in ["tally", "touch", "intent", "unfinished", "hour", "pairing", "account_here", "projection"] {
                let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
                let columns = statement.column_count();
                let mut found = statement.query([]).unwrap();
                while let Some(row) = found.next().unwrap() {
                    let values: Vec<rusqlite::types::Value> = (0..columns).map(|n| row.get(n).unwrap()).collect();
                    rows.push(format!("{table} {values:?}"));
                }
            }
            Ok(rows)
        })
        .unwrap()
}

#[derive(Clone, Debug)]
enum Act {
    Sale(u8, u32),
    TopUp(u8, u32),
    Intent(u8, u32),
    Commit(u8),
    Void(u8),
    GiveUp(u8),
    HandOver(u8),
    Admit(u8),
    Leave(u8),
    Pair(u8, u8),
    Move(u8, u8, u32),
    Cover,
}

fn act() -> impl Strategy<Value = Act> {
    let (who, cents) = (0..3u8, 1..2000u32);
    prop_oneof![
        (who.clone(), cents.clone()).prop_map(|(w, c)| Act::Sale(w, c)),
        (who.clone(), cents.clone()).prop_map(|(w, c)| Act::TopUp(w, c)),
        (who.clone(), cents.clone()).prop_map(|(w, c)| Act::Intent(w, c)),
        any::<u8>().prop_map(Act::Commit),
        any::<u8>().prop_map(Act::Void),
        any::<u8>().prop_map(Act::GiveUp),
        any::<u8>().prop_map(Act::HandOver),
        who.clone().prop_map(Act::Admit),
        who.clone().prop_map(Act::Leave),
        (who.clone(), who.clone()).prop_map(|(t, w)| Act::Pair(t, w)),
        (who.clone(), who, cents).prop_map(|(a, b, c)| Act::Move(a, b, c)),
        Just(Act::Cover),
    ]
}

fn done(store: &Store, acts: &[Act]) {
    let wallet = |n: u8| WalletId([n + 1; 16]);
    let mut intents: Vec<(EntryRef, WalletId, u32)> = Vec::new();
    for act in acts {
        let follow = |n: u8, kind, effect| {
            let (at, wallet, cents) = *intents.get(n as usize % intents.len().max(1))?;
            Some(Entry { refers_to: Some(at), ..entry(kind, effect, wallet, cents) })
        };
        let entry = match *act {
            Act::Sale(w, c) => Some(sale(wallet(w), c)),
            Act::TopUp(w, c) => Some(top_up(wallet(w), c)),
            Act::Intent(w, c) => {
                let entry = intent(wallet(w), c, 1);
                intents.push((one(store, entry), wallet(w), c));
                None
            }
            Act::Commit(n) => follow(n, Kind::SALE, Effect::Debit),
            Act::Void(n) => follow(n, Kind::VOID, Effect::Release),
            Act::GiveUp(n) => follow(n, Kind::GAVE_UP, Effect::None),
            Act::HandOver(n) => follow(n, Kind::HANDED_OVER, Effect::None),
            Act::Admit(t) => Some(admission(TicketUid([t + 100; 16]))),
            Act::Leave(t) => {
                Some(Entry { kind: Kind::EXIT, effect: Effect::Out, ..admission(TicketUid([t + 100; 16])) })
            }
            Act::Pair(t, w) => Some(pairing(TicketUid([t + 100; 16]), wallet(w))),
            Act::Move(a, b, c) => {
                Some(Entry { other: wallet(b).into(), ..entry(Kind::BAND_TRANSFER, Effect::Transfer, wallet(a), c) })
            }
            Act::Cover => {
                let head = store.read(|view| view.head()).unwrap().unwrap();
                super::hub_state::cover_up_to(store, head.at.seq / 2 + 1);
                None
            }
        };
        if let Some(entry) = entry {
            one(store, entry);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn folding_everything_again_gives_the_same_rows(acts in proptest::collection::vec(act(), 1..40)) {
        let world = World::new();
        let (store, _) = world.open();
        done(&store, &acts);
        let folded = rows(&store);
        store.rebuild_projections().unwrap();
        prop_assert_eq!(folded, rows(&store));
    }
}

#[test]
fn projections_of_another_version_are_folded_again_at_the_start() {
    let world = World::new();
    let (store, _) = world.open();
    done(&store, &[Act::TopUp(0, 900), Act::Intent(0, 300), Act::Pair(1, 0), Act::Sale(0, 10)]);
    let folded = rows(&store);
    drop(store);
    meddle(
        &world.path(),
        "UPDATE projection SET version = 0; DELETE FROM touch; DELETE FROM intent; DELETE FROM pairing",
    );
    let (store, report) = world.open();
    assert_eq!(report.degraded, None);
    assert_eq!(rows(&store), folded);
}
