//! The key that signs tickets changes in mid-evening: certified by the technician, taken up while a gate is cut off,
//! and the old one retired once everybody is in.
//! Not here: who may enter with what (`doors`).
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::ticket::own::ParsedOwn;
use serde_json::{Value, json};

use super::{GUESTS, Stage, doors::enter, sell_tickets};
use crate::{
    guest::Guest,
    ticket::Paper,
    world::{GATE_A, GATE_B},
};

const SOON: Duration = Duration::from_secs(20);

/// A change of the key.
pub(super) struct Rotation {
    old: String,
    /// Somebody who bought before it, and comes too late.
    too_late: Guest,
}

/// The key in a paper's own ticket, as text.
pub fn key_of(paper: &Paper) -> Option<String> {
    Some(ParsedOwn::parse(&paper.text).ok()?.key().to_hex())
}

async fn newcomer(stage: &Stage, number: usize) -> Result<Guest> {
    let papers = sell_tickets(&stage.world, vec![(json!({ "category": 1, "holder": "" }), None)]).await?;
    let paper = papers.into_iter().next().context("no ticket")?;
    let band = stage.world.supplier.purse(u32::try_from(number)?)?;
    Ok(Guest::new(number, paper, band))
}

/// The next key takes over while gate B is cut off; both gates admit who bought with it.
pub(super) async fn rotate(stage: &Stage, guests: &mut Vec<Guest>) -> Result<Rotation> {
    stage.say("the key that signs tickets changes while gate B is cut off");
    let world = &stage.world;
    let too_late = newcomer(stage, GUESTS).await?;
    let old = key_of(&too_late.paper).context("no key in the ticket")?;
    let out = world.hub.dir.join("ticket-keys").join("next");
    let text = |path: &std::path::Path| path.to_str().map(str::to_owned).context("a path that is text");
    let (festival, out) = (text(world.technician.dir())?, text(&out)?);
    let made = world.technician.programs().provision(&[
        "--json",
        "ticket-key",
        "new",
        "--festival",
        &festival,
        "--out",
        &out,
    ])?;
    let made: Value = serde_json::from_str(&made)?;
    let new = made["id"].as_str().context("no key")?;
    world.hub.api.post::<Value>("/api/ticket-keys/adopt", &json!({})).await?;
    // certified and announced while everybody hears the hub; one gate is cut off before it takes over
    world.wait_for_bundle(SOON).await?;
    world.cut(&[GATE_B.name])?;
    world.hub.api.post::<Value>("/api/ticket-keys/activate", &json!({ "id": new })).await?;
    for (gate, number) in [(GATE_A, GUESTS + 1), (GATE_B, GUESTS + 2)] {
        let mut guest = newcomer(stage, number).await?;
        ensure!(key_of(&guest.paper).as_deref() == Some(new), "the ticket is signed with the old key");
        enter(stage, gate.name, &mut guest).await?;
        guests.push(guest);
    }
    world.mend().await?;
    world.wait_until_agreed(SOON).await.context("after the change of the key")?;
    Ok(Rotation { old, too_late })
}

/// The old key opens nothing any more.
pub(super) async fn retire(stage: &Stage, guests: &mut Vec<Guest>, rotation: Rotation) -> Result<()> {
    stage.say("the old key is retired");
    let (world, Rotation { old, mut too_late }) = (&stage.world, rotation);
    world.hub.api.post::<Value>("/api/ticket-keys/retire", &json!({ "id": old })).await?;
    world.wait_for_bundle(SOON).await?;
    too_late.paper.refused_with = Some("ticket.key_revoked");
    for gate in [GATE_A, GATE_B] {
        enter(stage, gate.name, &mut too_late).await?;
    }
    guests.push(too_late);
    Ok(())
}
