//! At the bar: rounds, torn taps, and a power cut in the middle of one.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use tokio::task::{JoinSet, block_in_place};

use super::Stage;
use crate::{
    chance::Chance,
    guest::{Guest, Seen},
    world::{
        BAR, DESK,
        counter::{Request, Tapped, fault},
        place::Place,
    },
};

/// A price list as a till shows it: price and deposit of each product, in cents.
pub(super) type Prices = BTreeMap<u32, (i64, i64)>;

/// What a till's grid says.
pub(super) async fn prices(place: &Place) -> Result<Prices> {
    let till = place.view().await?.till.with_context(|| format!("{} is no till", place.name()))?;
    let prices: Prices = till.products.iter().map(|p| (p.id, (p.price_cents, p.deposit_cents))).collect();
    ensure!(prices.len() >= 3, "{} sells too little", place.name());
    Ok(prices)
}

/// What a basket costs, and how many cups go out with it.
fn cost(lines: &[(u32, u32)], cups_back: u32, prices: &Prices) -> (i64, u32) {
    let deposit = prices.values().map(|(_, deposit)| *deposit).max().unwrap_or(0);
    let mut cups = 0;
    let goods = lines.iter().fold(0, |sum: i64, (product, quantity)| {
        let (price, deposit) = prices.get(product).copied().unwrap_or_default();
        cups += if deposit > 0 { *quantity } else { 0 };
        sum.saturating_add(price.saturating_add(deposit).saturating_mul(i64::from(*quantity)))
    });
    (goods.saturating_sub(deposit.saturating_mul(i64::from(cups_back))), cups)
}

/// What this guest orders: something they can pay, cups brought back along with it.
fn order(guest: &Guest, chance: &mut Chance, prices: &Prices) -> Option<(Vec<(u32, u32)>, u32)> {
    let products: Vec<u32> = prices.keys().copied().collect();
    let mut lines: Vec<(u32, u32)> = Vec::new();
    for _ in 0..=chance.below(3) {
        let product = *chance.pick(&products)?;
        if lines.iter().all(|(had, _)| *had != product) {
            lines.push((product, 1 + u32::try_from(chance.below(2)).unwrap_or(0)));
        }
    }
    let cups_back = guest.cups.min(u32::try_from(chance.below(3)).unwrap_or(0));
    while cost(&lines, cups_back, prices).0 > guest.expects_cents() {
        lines.pop()?;
    }
    let is_due = !lines.is_empty() && cost(&lines, cups_back, prices).0 >= 0;
    is_due.then_some((lines, cups_back))
}

/// Sells until the light is green, and checks what the screen said was charged.
pub(super) async fn sell(
    place: &Place,
    guest: &mut Guest,
    (lines, cups_back): (Vec<(u32, u32)>, u32),
    prices: &Prices,
    id: &str,
    faults: &str,
) -> Result<()> {
    let (cents, cups) = cost(&lines, cups_back, prices);
    let tapped = place.tap_until_over(guest, &Request::Sale(lines, cups_back), id, fault(faults)?).await?;
    match tapped {
        Tapped::Green(result) if result.charged_cents == cents => {
            guest.cups = guest.cups.saturating_add(cups).saturating_sub(cups_back);
            Ok(())
        }
        other @ (Tapped::Green(_) | Tapped::Again(_) | Tapped::Refused(_)) => {
            bail!("{}: guest {} was to pay {cents}: {other:?}", place.name(), guest.number)
        }
    }
}

/// Two tills at once, each guest once or twice.
pub(super) async fn first_round(stage: &Arc<Stage>, guests: Vec<Guest>) -> Result<Vec<Guest>> {
    stage.world.wait_until_agreed(Duration::from_secs(20)).await.context("after doors")?;
    stage.say(&format!("the first round: {} guests at two tills", guests.iter().filter(|guest| guest.is_in()).count()));
    let (bar, desk): (Vec<_>, Vec<_>) = guests.into_iter().partition(|guest| guest.number % 3 != 0);
    let mut tills = JoinSet::new();
    for (till, mut queue) in [(BAR, bar), (DESK, desk)] {
        let stage = Arc::clone(stage);
        tills.spawn(async move {
            let place = stage.world.place(till.name)?;
            let prices = prices(place).await?;
            for guest in queue.iter_mut().filter(|guest| guest.is_in()) {
                let mut chance = stage.chance("first round", guest.number);
                for _ in 0..=usize::from(guest.number % 4 == 1) {
                    if let Some(order) = order(guest, &mut chance, &prices) {
                        let id = chance.request_id();
                        sell(place, guest, order, &prices, &id, "")
                            .await
                            .with_context(|| format!("guest {}", guest.number))?;
                    }
                }
            }
            if let Some(guest) = queue.iter_mut().find(|guest| guest.is_in()) {
                let id = stage.chance("too much", guest.number).request_id();
                let dear = Request::Sale(vec![(*prices.keys().next().context("nothing to sell")?, 90)], 0);
                let tapped = place.tap(guest, &dear, &id, Vec::new()).await?;
                ensure!(tapped == Tapped::Refused("till.not_enough".into()), "90 of them on one band: {tapped:?}");
            }
            anyhow::Ok(queue)
        });
    }
    let mut served = Vec::new();
    while let Some(till) = tills.join_next().await {
        served.extend(till??);
    }
    // whichever till was done first: the script goes on the same way
    served.sort_by_key(|guest| guest.number);
    Ok(served)
}

/// Sales torn at different moments. A sale sends the password, two reads, five writes (the last decides) and a read.
const TORN_SALES: [&str; 6] = [
    "leave before write 1",
    "leave before write 4",
    "tear write 5 at byte 2",
    "leave before write 5",
    "leave after write 5",
    "line error at command 9",
];
/// Top-ups: nineteen pages of C (the last decides), then five of S.
const TORN_TOP_UPS: [&str; 5] = [
    "leave before write 7",
    "tear write 12 at byte 3",
    "leave after write 19",
    "tear write 22 at byte 1",
    "leave after write 24",
];

/// Bands pulled away, and held there again.
pub(super) async fn torn_taps(stage: &Arc<Stage>, guests: &mut [Guest]) -> Result<()> {
    stage.say("bands pulled away in the middle of a tap, and held there again");
    let (bar, desk) = (stage.world.place(BAR.name)?, stage.world.place(DESK.name)?);
    let prices = prices(bar).await?;
    let cheapest = cheapest(&prices)?;
    let mut solvent = solvent_purses(guests, &prices)?;
    for torn in TORN_SALES {
        let guest = solvent.next().context("not enough guests with money")?;
        let id = stage.chance(torn, guest.number).request_id();
        sell(bar, guest, (vec![(cheapest, 1)], 0), &prices, &id, torn).await.with_context(|| torn.to_owned())?;
    }
    for torn in TORN_TOP_UPS {
        let guest = solvent.next().context("not enough guests with money")?;
        let id = stage.chance(torn, guest.number).request_id();
        let tapped = desk.tap_until_over(guest, &Request::TopUp(1000), &id, fault(torn)?).await?;
        ensure!(matches!(tapped, Tapped::Green(_)), "{torn}: {tapped:?}");
    }
    // Two walk away without an answer; the closing read at the desk will tell what became of it.
    for (torn, paid) in [("leave after write 5", true), ("leave before write 5", false)] {
        let guest = solvent.next().context("not enough guests with money")?;
        let id = stage.chance("walks away", guest.number).request_id();
        let tapped = bar.tap(guest, &Request::Sale(vec![(cheapest, 1)], 0), &id, fault(torn)?).await?;
        ensure!(matches!(tapped, Tapped::Again(_)), "{torn}: {tapped:?}");
        bar.api.post::<serde_json::Value>("/api/till/cancel", &serde_json::json!({})).await?;
        guest.left_in_doubt = paid;
    }
    Ok(())
}

pub(super) fn cheapest(prices: &Prices) -> Result<u32> {
    let cheapest = prices.iter().min_by_key(|(_, (price, deposit))| price.saturating_add(*deposit));
    cheapest.map(|(product, _)| *product).context("nothing is sold")
}

/// Guests with a purse who can pay any one thing; nobody twice.
pub(super) fn solvent_purses<'a>(
    guests: &'a mut [Guest],
    prices: &Prices,
) -> Result<impl Iterator<Item = &'a mut Guest> + use<'a>> {
    let dearest = prices.values().map(|(price, deposit)| price.saturating_add(*deposit)).max().context("no prices")?;
    let suits = move |guest: &&mut Guest| guest.has_sound_purse() && guest.expects_cents() >= 2 * dearest;
    Ok(guests.iter_mut().filter(suits))
}

/// The bar loses its power in the middle of a tap; afterwards the same guest taps again, and pays once.
pub(super) async fn power_cut(stage: &Arc<Stage>, guests: &mut [Guest]) -> Result<()> {
    stage.say("the bar loses its power in the middle of a tap");
    let bar = stage.world.place(BAR.name)?;
    let prices = prices(bar).await?;
    let cheapest = cheapest(&prices)?;
    // from the end: the torn taps were done with the first ones
    let mut rest: Vec<&mut Guest> = solvent_purses(guests, &prices)?.collect();
    let guest = rest.pop().context("nobody has money left")?;
    let id = stage.chance("power cut", guest.number).request_id();
    let request = Request::Sale(vec![(cheapest, 1)], 0);
    let was_green = bar.tap_into_power_cut(guest, &request, &id, 2).await?;
    ensure!(!was_green, "the light was green before the power went");
    block_in_place(|| bar.start())?;
    stage.say("the bar is back; the same band again");
    ensure!(!bar.view().await?.in_doubt.is_empty(), "the bar does not know what it was about to write");
    sell(bar, guest, (vec![(cheapest, 1)], 0), &prices, &id, "").await.context("after the power cut")?;

    // Again, now right after a green light: did anybody see it? Once they did, once they did not.
    for (number, handed_over) in [true, false].into_iter().enumerate() {
        let guest = rest.pop().context("nobody has money left")?;
        let id = stage.chance("power cut after green", number).request_id();
        sell(bar, guest, (vec![(cheapest, 1)], 0), &prices, &id, "").await?;
        block_in_place(|| bar.kill().and_then(|()| bar.start()))?;
        let asked = bar.view().await?.unconfirmed_paid;
        let seen = guest.lights.last().and_then(|light| light.entry.clone()).unwrap_or_default();
        ensure!(asked.iter().any(|paid| paid.entry == seen), "the bar does not ask about {seen}: {asked:?}");
        for paid in asked {
            let answer = screens::post::HandedOver { entry: paid.entry, handed_over, pin: None };
            bar.api.post::<serde_json::Value>("/api/till/handed-over", &answer).await?;
        }
        if !handed_over {
            let paid = guest.lights.last().map_or(0, |light| light.cents);
            guest.saw(Seen::Promised, paid, None, BAR.name);
        }
        ensure!(bar.view().await?.unconfirmed_paid.is_empty(), "the bar still asks");
    }
    bar.wait_for_link(true, Duration::from_secs(20)).await
}
