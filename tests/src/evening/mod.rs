//! One evening of a festival, from the first guest to the last refund: a script of which every step is done at the
//! boxes' own doors. The same seed gives the same evening.
//! Invariant: a step that does not end as the script says is an error, never passed over.
//! Not here: the reckoning (`audit`), how one taps or scans (`world::counter`).
mod bar;
mod box_office;
mod closing;
mod doors;
pub mod keys;
mod owed;
mod passages;
pub mod prices;
mod split;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};

use crate::{
    audit::Fraud,
    chance::Chance,
    guest::Guest,
    world::{BAR, Say, World},
};

pub use box_office::{Crowd, sell_tickets};
pub use prices::PriceEdit;

/// How many guests come.
pub const GUESTS: usize = 300;

/// Everybody's evening.
pub struct Played {
    /// Who came, with what they saw.
    pub guests: Vec<Guest>,
    /// What must be found out.
    pub frauds: Vec<Fraud>,
    /// A price that two people edited.
    pub price: PriceEdit,
}

/// What every part of the script needs.
pub(crate) struct Stage {
    pub(crate) world: Arc<World>,
    pub(crate) say: Arc<Say>,
    pub(crate) seed: u64,
}

impl Stage {
    /// The chance of one guest or part, whatever order they are served in.
    pub(crate) fn chance(&self, of: &str, number: usize) -> Chance {
        let mixed = of.bytes().fold(self.seed ^ 0x5eed, |mixed, byte| Chance::new(mixed ^ u64::from(byte)).next_u64());
        Chance::new(mixed ^ u64::try_from(number).unwrap_or(0).wrapping_mul(0x9e37_79b9))
    }

    pub(crate) fn say(&self, text: &str) {
        (self.say)(text);
    }
}

/// Plays it in a world that has just been started.
pub async fn play(world: Arc<World>, seed: u64, say: Arc<Say>) -> Result<Played> {
    let stage = Arc::new(Stage { world, say, seed });
    let Crowd { early, late, cheats } = box_office::crowd(&stage).await?;
    let mut guests = doors::open(&stage, early).await?;
    doors::refuse_what_must_be_refused(&stage, &mut guests).await?;
    let mut guests = bar::first_round(&stage, guests).await?;
    bar::torn_taps(&stage, &mut guests).await?;
    bar::power_cut(&stage, &mut guests).await?;
    let (mut guests, frauds) = split::apart(&stage, guests, late, cheats).await?;
    let rotation = keys::rotate(&stage, &mut guests).await?;
    let price = bar_alone(&stage, &mut guests).await?;
    passages::out_and_in_again(&stage, &mut guests).await?;
    keys::retire(&stage, &mut guests, rotation).await?;
    owed::lost_bands(&stage, &mut guests).await?;
    closing::close(&stage, &mut guests).await?;
    guests.sort_by_key(|guest| guest.number);
    Ok(Played { guests, frauds, price })
}

/// The bar alone is cut off, and life goes on at both ends; then together again.
async fn bar_alone(stage: &Stage, guests: &mut [Guest]) -> Result<PriceEdit> {
    let world = &stage.world;
    prices::take_on_a_manager(world).await?;
    world.cut(&[BAR.name])?;
    let edited = prices::edit_apart(stage, guests).await?;
    let paid = owed::pay_while_apart(stage, guests).await?;
    stage.say("the bar is back");
    world.mend().await?;
    world.wait_until_agreed(Duration::from_secs(20)).await.context("after the bar was alone")?;
    prices::meet(stage, edited, guests).await?;
    owed::arrives(stage, guests, paid).await?;
    prices::sell_out(stage, guests).await?;
    Ok(edited)
}
