//! Other guests, if the visitor lets them come: every second or so one enters, tops up and buys.
//! Invariant: they go on whatever a visitor does, and wait while a visitor uses a reader; what failed is said once and
//! left.
use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use screens::view::{BoxView, Pairing, Phase};
use serde_json::json;
use tokio::sync::MutexGuard;

use super::Demo;
use crate::{
    chance::Chance,
    guest::Guest,
    ticket::Paper,
    world::{
        BAR, DESK, GATE_A, GATE_B, Say,
        counter::{Request, Tapped},
        place::Place,
    },
};

/// Between two guests.
const PAUSE: Duration = Duration::from_millis(900);
/// Their bands have numbers from here on at the supplier's.
const FIRST_BAND: usize = 100_000;
/// How long one waits for a place that serves a visitor, and how often they look.
const PATIENCE: u32 = 100;
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Goes on until it is dropped.
pub(super) async fn live(demo: Arc<Demo>, seed: u64, say: Arc<Say>) {
    let mut chance = Chance::new(seed);
    for number in 0usize.. {
        while !demo.guests_come() {
            tokio::time::sleep(PAUSE).await;
        }
        if let Err(error) = one_guest(&demo, number, &mut chance).await {
            say(&format!("guest {number} went home: {error:#}"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A place that serves nobody else, and serves nobody else until the turn is given back.
async fn turn<'a>(demo: &'a Demo, name: &str) -> Result<(&'a Place, MutexGuard<'a, ()>)> {
    let found = demo.world.places.iter().zip(&demo.counters).find(|(place, _)| place.name() == name);
    let (place, counter) = found.with_context(|| format!("no box at {name}"))?;
    for _ in 0..PATIENCE {
        anyhow::ensure!(place.is_running(), "{name} has no power");
        let turn = counter.turn.lock().await;
        if is_free(&place.view().await?) {
            return Ok((place, turn));
        }
        drop(turn);
        tokio::time::sleep(LOOK_EVERY).await;
    }
    anyhow::bail!("{name} is busy with somebody else")
}

fn is_free(view: &BoxView) -> bool {
    let is_over = |phase: Phase| matches!(phase, Phase::Idle | Phase::Paid | Phase::Refused);
    let pairs =
        view.gate.as_ref().and_then(|gate| gate.last.as_ref()).is_some_and(|last| last.pairing == Pairing::Waiting);
    !pairs
        && view.till.as_ref().is_none_or(|till| is_over(till.phase))
        && view.top_up.as_ref().is_none_or(|desk| is_over(desk.phase))
}

/// In, to the desk, to the bar.
async fn one_guest(demo: &Demo, number: usize, chance: &mut Chance) -> Result<()> {
    let world = &demo.world;
    let issued = world.hub.issue(&json!({ "category": 1, "holder": "" })).await?;
    let paper = Paper { text: issued.text, refused_with: None, id: Some(issued.id) };
    let band_number = u32::try_from(FIRST_BAND.saturating_add(number))?;
    let supplier = &world.supplier;
    let band = match number % 6 {
        5 => supplier.uid_only(band_number),
        2 => supplier.aes_purse(band_number)?,
        _ => supplier.purse(band_number)?,
    };
    let mut guest = Guest::new(number, paper, band);
    {
        let (gate, _turn) = turn(demo, if number.is_multiple_of(2) { GATE_A.name } else { GATE_B.name }).await?;
        if !gate.admit(&mut guest).await? {
            return Ok(());
        }
        gate.pair(&mut guest).await?;
    }
    let id = chance.request_id();
    let cents = 1000 + 500 * u32::try_from(chance.below(6))?;
    {
        let (desk, _turn) = turn(demo, DESK.name).await?;
        let tapped = desk.tap_until_over(&mut guest, &Request::TopUp(cents), &id, Vec::new()).await?;
        anyhow::ensure!(matches!(tapped, Tapped::Green(_)), "top-up: {tapped:?}");
    }
    // a band without a purse is known at the other till once the hub has told it
    let (till, _turn) = turn(demo, if guest.band.has_purse() { BAR.name } else { DESK.name }).await?;
    let products = till.view().await?.till.context("no till")?.products;
    let on_sale: Vec<_> = products.iter().filter(|product| !product.sold_out).collect();
    let lines = vec![(chance.pick(&on_sale).context("nothing is sold")?.id, 1)];
    let id = chance.request_id();
    let tapped = till.tap_until_over(&mut guest, &Request::Sale(lines, 0), &id, Vec::new()).await?;
    anyhow::ensure!(!matches!(tapped, Tapped::Again(_)), "sale: {tapped:?}");
    Ok(())
}
