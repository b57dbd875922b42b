//! Money that the hub owes: paid online while the bar is cut off, taken off a lost band, paid back without the band.
//! Not here: what a bar owes for goods it did not hand over (`bar`).
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::wire::hex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Stage,
    bar::{cheapest, prices, sell, solvent_purses},
};
use crate::{
    band::Band,
    guest::{Guest, Seen},
    world::{
        BAR, DESK,
        counter::{Request, Tapped},
        place::Place,
        wait::until,
    },
};

const SOON: Duration = Duration::from_secs(20);
/// Where people do what they do at the hub.
const HUB: &str = "hub";
/// Paid online, in cents.
const ONLINE: u32 = 2500;
/// Bands that people get for lost ones have numbers from here on.
const FIRST_NEW_BAND: u32 = 5_000;
/// Taps in which a credit that is signed must arrive: the box hears of it within one.
const TAPS: usize = 3;

#[derive(Deserialize)]
struct Paid {
    entry: String,
}

#[derive(Debug, Deserialize)]
struct Leaving {
    moved_cents: i64,
}

#[derive(Deserialize)]
struct Line {
    what: String,
    entry: String,
}

/// Pays online at the hub.
async fn pay_online(stage: &Stage, guest: &mut Guest) -> Result<()> {
    let key = stage.chance("online", guest.number).request_id();
    let address = format!("/api/wallets/{}/online-top-up", guest.band.wallet_hex());
    let body = json!({ "amount_cents": ONLINE, "key": key, "reference": format!("card {}", guest.number) });
    let paid: Paid = stage.world.hub.api.post(&address, &body).await?;
    guest.saw(Seen::PaidOnline, ONLINE.into(), Some(paid.entry), HUB);
    Ok(())
}

/// While the bar is alone: a guest who stands there pays online, and the bar sells from what is on the band.
pub(super) async fn pay_while_apart(stage: &Stage, guests: &mut [Guest]) -> Result<usize> {
    stage.say("somebody at the bar, which is cut off, pays online");
    let bar = stage.world.place(BAR.name)?;
    let prices = prices(bar).await?;
    let guest = solvent_purses(guests, &prices)?.nth(1).context("nobody has money left")?;
    pay_online(stage, guest).await?;
    let id = stage.chance("before it arrives", guest.number).request_id();
    sell(bar, guest, (vec![(cheapest(&prices)?, 1)], 0), &prices, &id, "").await?;
    ensure!(guest.is_owed_cents() == i64::from(ONLINE), "nothing can have arrived yet");
    Ok(guest.number)
}

/// Together again: the next taps at the bar write the hub's credit to the band and sell.
pub(super) async fn arrives(stage: &Stage, guests: &mut [Guest], number: usize) -> Result<()> {
    let guest = guests.iter_mut().find(|guest| guest.number == number).context("the guest is gone")?;
    arrives_at(stage, stage.world.place(BAR.name)?, guest).await
}

async fn arrives_at(stage: &Stage, place: &Place, guest: &mut Guest) -> Result<()> {
    let owed = guest.is_owed_cents();
    until("the credit is signed", SOON, async || {
        let address = format!("/api/wallets/{}", guest.band.wallet_hex());
        let wallet: Value = stage.world.hub.api.get(&address).await?;
        Ok((wallet["offered_cents"] == json!(owed)).then_some(()))
    })
    .await?;
    stage.world.wait_until_agreed(SOON).await?;
    let prices = prices(place).await?;
    for tap in 0..TAPS {
        let id = stage.chance("it arrives", guest.number * TAPS + tap).request_id();
        let request = Request::Sale(vec![(cheapest(&prices)?, 1)], 0);
        match place.tap_until_over(guest, &request, &id, Vec::new()).await? {
            Tapped::Green(_) => {}
            // an empty band can pay only once the credit is there
            Tapped::Refused(code) if code == "till.not_enough" => {}
            other @ (Tapped::Refused(_) | Tapped::Again(_)) => anyhow::bail!("guest {}: {other:?}", guest.number),
        }
        if guest.is_owed_cents() == 0 {
            return Ok(());
        }
    }
    anyhow::bail!("{owed} cents of guest {} did not come onto the band in {TAPS} taps", guest.number)
}

/// Two bands are lost: one guest gets a new one, the other the money in cash.
pub(super) async fn lost_bands(stage: &Stage, guests: &mut [Guest]) -> Result<()> {
    stage.say("two bands are lost: a new one for one guest, cash for the other");
    let (bar, desk) = (stage.world.place(BAR.name)?, stage.world.place(DESK.name)?);
    let mut solvent = solvent_purses(guests, &prices(bar).await?)?;
    let (swaps, leaves) = solvent.next().zip(solvent.next()).context("nobody has money left")?;
    drop(solvent);

    let new = stage.world.supplier.purse(FIRST_NEW_BAND)?;
    let due = swaps.expects_cents();
    let entry = leave(stage, swaps, "swap", json!({ "to": new.wallet_hex() })).await?;
    swaps.saw(Seen::MovedOff, due, Some(entry), HUB);
    swap_hands(swaps, new);
    // the desk meets the new band: only then can the hub sign for it
    let id = stage.chance("new band", swaps.number).request_id();
    let tapped = desk.tap_until_over(swaps, &Request::ClosingRead, &id, Vec::new()).await?;
    ensure!(matches!(tapped, Tapped::Green(_)), "the new band: {tapped:?}");
    arrives_at(stage, bar, swaps).await.context("a new band")?;

    let due = leaves.expects_cents();
    let entry = leave(stage, leaves, "refund", json!({})).await?;
    leaves.saw(Seen::Refunded, due, Some(entry), HUB);
    leaves.lost.push(leaves.band.clone());
    Ok(())
}

fn swap_hands(guest: &mut Guest, new: Band) {
    let old = std::mem::replace(&mut guest.band, new);
    guest.lost.push(old);
}

/// Asks the hub until no box can sell to the band any more and everything has left it; gives the entry.
async fn leave(stage: &Stage, guest: &Guest, way: &str, body: Value) -> Result<String> {
    let (hub, wallet) = (&stage.world.hub.api, hex(&guest.band.wallet().0));
    let address = format!("/api/wallets/{wallet}/{way}");
    let moved = until("every till has heard that the band is lost", SOON, async || {
        let leaving: Leaving = hub.post(&address, &body).await?;
        Ok(Some(leaving.moved_cents).filter(|moved| *moved > 0))
    })
    .await?;
    ensure!(moved == guest.expects_cents(), "{moved} cents left the band of guest {}", guest.number);
    let history: Vec<Line> = hub.get(&format!("/api/wallets/{wallet}/history")).await?;
    let line = history.into_iter().rev().find(|line| line.what == way).context("no line in the band's history")?;
    Ok(line.entry)
}

/// Somebody who has left already pays online: it stays owed.
pub(super) async fn pay_too_late(stage: &Stage, guests: &mut [Guest]) -> Result<()> {
    let guest = guests.iter_mut().filter(|guest| guest.has_sound_purse()).nth(3).context("nobody is left")?;
    pay_online(stage, guest).await
}
