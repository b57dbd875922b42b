//! Out and in again: the organiser lets people come back, once out for each time in.
//! Not here: first admissions (`doors`).
use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use screens::{
    post,
    view::{DocumentView, Ways},
};
use serde_json::Value;

use super::{Stage, prices::edit_at_hub};
use crate::{
    guest::{Guest, Seen},
    world::{GATE_A, GATE_B, place::Place, wait::until},
};

const SOON: Duration = Duration::from_secs(20);
/// Guests who go for a walk.
const WALKERS: usize = 3;
const MODE: &str = "zone/0/mode";

/// The site's rules change in mid-evening: a few go out and come back, and nobody comes in twice.
pub(super) async fn out_and_in_again(stage: &Stage, guests: &mut [Guest]) -> Result<()> {
    stage.say("people may come back now: out, in, and in again with the same ticket");
    let (gate, other) = (stage.world.place(GATE_A.name)?, stage.world.place(GATE_B.name)?);
    let fields = [("listed", "true"), ("name_fr", "Site"), ("name_en", "Site"), ("mode", "re-entry")];
    let set = fields.map(|(field, value)| (format!("zone/0/{field}"), Some(value.to_owned())));
    edit_at_hub(&stage.world, "zones", BTreeMap::from(set)).await?;
    for place in [gate, other] {
        until("both gates let people come back", SOON, async || {
            let zones: DocumentView = place.api.get("/api/documents/zones").await?;
            Ok((zones.fields.get(MODE).map(String::as_str) == Some("re-entry")).then_some(()))
        })
        .await?;
    }
    let was_admitted_once =
        |guest: &&mut Guest| guest.is_inside() == 1 && guest.lights.iter().any(|light| light.what == Seen::Admitted);
    let mut walkers: Vec<&mut Guest> = guests.iter_mut().filter(was_admitted_once).take(WALKERS).collect();
    ensure!(walkers.len() == WALKERS, "nobody is in");
    open(gate, Ways::Out).await?;
    for guest in &mut walkers {
        gate.let_out(guest).await?;
    }
    open(gate, Ways::In).await?;
    for guest in &mut walkers {
        ensure!(gate.admit(guest).await?, "guest {} may come back: {:?}", guest.number, guest.refusals);
        refused(gate, guest).await?;
    }
    stage.world.wait_until_agreed(SOON).await.context("after the walk")?;
    for guest in &mut walkers {
        refused(other, guest).await?;
    }
    Ok(())
}

async fn open(gate: &Place, ways: Ways) -> Result<()> {
    gate.api.post::<Value>("/api/gate/ways", &post::GateWays { ways }).await.map(drop)
}

async fn refused(gate: &Place, guest: &mut Guest) -> Result<()> {
    ensure!(!gate.admit(guest).await?, "{}: guest {} came in twice", gate.name(), guest.number);
    let code = guest.refusals.last().map(String::as_str);
    ensure!(code == Some("ticket.already_inside"), "{}: guest {} is inside: {code:?}", gate.name(), guest.number);
    Ok(())
}
