//! One evening of a festival, from the first guest to the last refund: a script of which every step is done at the
//! boxes' own doors. The same seed gives the same evening.
//! Invariant: a step that does not end as the script says is an error, never passed over.
//! Not here: the reckoning (`audit`), how one taps or scans (`world::counter`).
mod bar;
mod box_office;
mod closing;
mod doors;
mod split;

use std::sync::Arc;

use anyhow::Result;

use crate::{
    audit::Fraud,
    chance::Chance,
    guest::Guest,
    world::{Say, World},
};

pub use box_office::{Crowd, sell_tickets};

/// How many guests come.
pub const GUESTS: usize = 300;

/// Everybody's evening.
pub struct Played {
    /// Who came, with what they saw.
    pub guests: Vec<Guest>,
    /// What must be found out.
    pub frauds: Vec<Fraud>,
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
    closing::close(&stage, &mut guests).await?;
    guests.sort_by_key(|guest| guest.number);
    Ok(Played { guests, frauds })
}
