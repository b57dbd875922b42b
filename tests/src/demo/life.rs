//! Some life behind the demo's page: every second or so a guest enters, tops up and buys; now and then a link is cut.
//! Invariant: it goes on whatever a visitor does at the screens; what failed is said once and left.
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::Story;
use crate::{
    chance::Chance,
    guest::Guest,
    ticket::Paper,
    world::{
        BAR, DESK, GATE_A, GATE_B, Say, World,
        counter::{Request, Tapped},
    },
};

/// Between two guests.
const PAUSE: Duration = Duration::from_millis(900);
/// Guests between two cuts, and while one lasts.
const CUT_EVERY: usize = 24;
const CUT_LASTS: usize = 9;
/// Bands of the life behind the page have numbers from here on.
const FIRST_BAND: usize = 10_000;

/// Goes on until it is dropped.
pub async fn live(world: &World, story: &Story, seed: u64, say: &Say) {
    let mut chance = Chance::new(seed);
    story.tell("demo-start", &[]);
    let mut cut: Option<&'static str> = None;
    for number in 0usize.. {
        if let Err(error) = one_guest(world, story, number, cut, &mut chance).await {
            say(&format!("guest {number} went home: {error:#}"));
        }
        match (number % CUT_EVERY, cut) {
            (0, None) if number > 0 => cut = cut_one(world, story, &mut chance),
            (CUT_LASTS, Some(name)) => {
                cut = None;
                if let Err(error) = mend(world, story, name).await {
                    say(&format!("after the cut: {error:#}"));
                }
            }
            _ => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn cut_one(world: &World, story: &Story, chance: &mut Chance) -> Option<&'static str> {
    let place = chance.pick(&world.places)?;
    place.wire.cut();
    story.tell("demo-link_cut", &[("place", place.name())]);
    Some(place.name())
}

async fn mend(world: &World, story: &Story, name: &'static str) -> Result<()> {
    world.mend().await?;
    story.tell("demo-link_back", &[("place", name)]);
    world.wait_until_agreed(Duration::from_secs(30)).await?;
    story.tell("demo-agreed", &[]);
    Ok(())
}

/// In, to the desk, to the bar. While a gate is cut off, a screenshot of the ticket is shown at the other one as well.
async fn one_guest(world: &World, story: &Story, number: usize, cut: Option<&str>, chance: &mut Chance) -> Result<()> {
    let issued = world.hub.issue(&json!({ "category": 1, "holder": "" })).await?;
    let paper = Paper { text: issued.text, refused_with: None, id: Some(issued.id) };
    let band_number = u32::try_from(FIRST_BAND.saturating_add(number))?;
    let supplier = &world.supplier;
    let band = if number % 6 == 5 { supplier.uid_only(band_number) } else { supplier.purse(band_number)? };
    let mut guest = Guest::new(number, paper, band);
    let (first, second) = if number.is_multiple_of(2) { (GATE_A, GATE_B) } else { (GATE_B, GATE_A) };
    let gate = world.place(first.name)?;
    if !gate.admit(&mut guest).await? {
        return Ok(());
    }
    gate.pair(&mut guest).await?;
    if number % CUT_EVERY == 3 && cut.is_some_and(|cut| cut == first.name || cut == second.name) {
        story.tell("demo-double_scan", &[]);
        world.place(second.name)?.show(&guest.paper.png()?).await?;
    }
    let id = chance.request_id();
    let cents = 1000 + 500 * u32::try_from(chance.below(6))?;
    let tapped = world.place(DESK.name)?.tap_until_over(&mut guest, &Request::TopUp(cents), &id, Vec::new()).await?;
    anyhow::ensure!(matches!(tapped, Tapped::Green(_)), "top-up: {tapped:?}");
    // a band without a purse is known at the other till once the hub has told it
    let till = world.place(if guest.band.has_purse() { BAR.name } else { DESK.name })?;
    let products = till.view().await?.till.context("no till")?.products;
    let lines = vec![(chance.pick(&products).context("nothing is sold")?.id, 1)];
    let id = chance.request_id();
    let tapped = till.tap_until_over(&mut guest, &Request::Sale(lines, 0), &id, Vec::new()).await?;
    anyhow::ensure!(!matches!(tapped, Tapped::Again(_)), "sale: {tapped:?}");
    Ok(())
}
