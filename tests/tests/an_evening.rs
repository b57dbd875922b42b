//! The whole evening of 300 guests, and what becomes of it when somebody deletes one entry afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::{io::Write, sync::Arc};

use evening::{
    audit::{a_sale_seen, audit, journals},
    evening::play,
    world::{Plan, Say, World, process::Programs},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_evening_balances_and_a_deleted_entry_is_noticed() {
    let say: Arc<Say> = Arc::new(|text: &str| drop(writeln!(std::io::stderr(), "{text}")));
    let world = World::start(Programs::built().unwrap(), &Plan::evening(), &*say).await.unwrap();
    let world = Arc::new(world);
    let played = play(Arc::clone(&world), 7, say).await.unwrap();
    let report = audit(&world, &played.guests, &played.frauds, Some(&played.price)).await.unwrap();
    assert_eq!((report.exit_code(), &report.reasons), (0, &Vec::new()), "{report:#?}");
    assert_eq!((report.guests, report.books.unexplained_cents, report.conflicts.len()), (303, 0, 2));
    let books = &report.books;
    let accounts = [books.overspend_cents, books.pending_credit_cents, books.in_doubt_cents, books.deposits_cents];
    assert!(accounts.iter().all(|cents| *cents > 0), "the script leaves an account empty: {books:?}");

    let before = report.books;
    let sale = a_sale_seen(&played.guests).unwrap();
    journals::delete(&world.hub.dir, &sale).unwrap();
    let report = audit(&world, &played.guests, &played.frauds, Some(&played.price)).await.unwrap();
    assert_eq!((report.exit_code(), report.lights_without_entry, report.ok), (1, 1, false), "{report:#?}");
    let missed = |books: &evening::audit::report::Books| (books.unexplained_cents, books.in_doubt_cents);
    assert_ne!(missed(&report.books), missed(&before), "the chip knows of the sale: its money is missing or in doubt");
}
