//! The end: some take their money home, one band is blocked, and every purse is read once more.
use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};

use super::{Stage, bar::prices, owed};
use crate::{
    guest::Guest,
    world::{
        BAR, DESK,
        counter::{Request, Tapped},
    },
};

/// Guests who want their money back.
const REFUNDS: usize = 6;
/// How often the count is told.
const TOLD_EVERY: usize = 100;

/// Refunds, a blocked band, closing reads, and the wait until everybody agrees.
pub(super) async fn close(stage: &Arc<Stage>, guests: &mut [Guest]) -> Result<()> {
    let desk = stage.world.place(DESK.name)?;
    stage.say("some want their money back");
    let has_money = |guest: &&mut Guest| {
        guest.is_in() && !guest.left_in_doubt && !guest.has_lost_band() && guest.expects_cents() > 0
    };
    let (purses, uids): (Vec<_>, Vec<_>) =
        guests.iter_mut().filter(has_money).partition(|guest| guest.band.has_purse());
    for guest in purses.into_iter().take(REFUNDS).chain(uids.into_iter().take(2)) {
        let id = stage.chance("refund", guest.number).request_id();
        let due = guest.expects_cents();
        match desk.tap_until_over(guest, &Request::Refund, &id, Vec::new()).await? {
            Tapped::Green(result) if result.charged_cents == due => {}
            other @ (Tapped::Green(_) | Tapped::Again(_) | Tapped::Refused(_)) => {
                bail!("guest {} was to get {due}: {other:?}", guest.number)
            }
        }
    }
    let blocked = block_one(stage, guests).await?;

    stage.say("every purse is read once more");
    let mut read = 0;
    let is_read = |guest: &&mut Guest| {
        guest.is_in() && guest.band.has_purse() && !guest.has_lost_band() && guest.number != blocked
    };
    for guest in guests.iter_mut().filter(is_read) {
        let id = stage.chance("closing read", guest.number).request_id();
        let tapped = desk.tap_until_over(guest, &Request::ClosingRead, &id, Vec::new()).await?;
        ensure!(matches!(tapped, Tapped::Green(_)), "closing read of guest {}: {tapped:?}", guest.number);
        read += 1;
        if read % TOLD_EVERY == 0 {
            stage.say(&format!("{read} purses read"));
        }
    }
    owed::pay_too_late(stage, guests).await?;
    stage.say("waiting until every box and the hub agree");
    stage.world.wait_until_agreed(Duration::from_secs(20)).await.context("at the end")
}

/// The hub blocks a band that was reported lost; the bar refuses it from then on.
async fn block_one(stage: &Stage, guests: &mut [Guest]) -> Result<usize> {
    let suits = |guest: &&mut Guest| guest.has_sound_purse() && guest.expects_cents() > 1500;
    let guest = guests.iter_mut().rev().find(suits).context("nobody has lost a band")?;
    stage.world.hub.block_wallet(&guest.band.wallet_hex()).await?;
    stage.world.wait_until_agreed(Duration::from_secs(20)).await.context("after the block")?;
    let bar = stage.world.place(BAR.name)?;
    let product = *prices(bar).await?.keys().next().context("nothing is sold")?;
    let id = stage.chance("blocked", guest.number).request_id();
    let tapped = bar.tap(guest, &Request::Sale(vec![(product, 1)], 0), &id, Vec::new()).await?;
    ensure!(tapped == Tapped::Refused("band.blocked".into()), "a blocked band: {tapped:?}");
    Ok(guest.number)
}
