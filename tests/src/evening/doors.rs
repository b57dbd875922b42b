//! Doors: both gates at once, and the desk behind them.
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tokio::{sync::mpsc, task::JoinSet};

use super::Stage;
use crate::{
    guest::{Guest, Seen},
    ticket::{self, Interop},
    world::{DESK, GATE_A, GATE_B, counter::Request, counter::Tapped},
};

/// What people put on their bands, in cents.
const TOP_UPS: [u32; 6] = [1500, 2000, 2500, 3000, 4000, 6000];
/// How often the count is told.
const TOLD_EVERY: usize = 50;

/// Shows the ticket at a gate; whoever may enter gets a band. The verdict must be what the ticket deserves.
pub(super) async fn enter(stage: &Stage, gate: &str, guest: &mut Guest) -> Result<()> {
    let place = stage.world.place(gate)?;
    let admitted = place.admit(guest).await?;
    let refused_with = guest.refusals.last().map(String::as_str);
    let verdict = if admitted { None } else { refused_with };
    ensure!(
        verdict == guest.paper.refused_with,
        "{gate} says {verdict:?} to guest {}, whose ticket deserves {:?}",
        guest.number,
        guest.paper.refused_with
    );
    if admitted {
        place.pair(guest).await?;
    }
    Ok(())
}

/// Puts cash on the band at the desk.
pub(super) async fn top_up(stage: &Stage, guest: &mut Guest, cents: u32, id: &str) -> Result<()> {
    let desk = stage.world.place(DESK.name)?;
    let tapped = desk.tap_until_over(guest, &Request::TopUp(cents), id, Vec::new()).await?;
    ensure!(matches!(tapped, Tapped::Green(_)), "guest {} cannot top up: {tapped:?}", guest.number);
    Ok(())
}

/// Everybody comes in by one of the two gates and goes on to the desk.
pub(super) async fn open(stage: &Arc<Stage>, crowd: Vec<Guest>) -> Result<Vec<Guest>> {
    stage.say(&format!("doors: {} guests at two gates", crowd.len()));
    let total = crowd.len();
    let (to_desk, mut at_desk) = mpsc::unbounded_channel::<Guest>();
    let mut gates = JoinSet::new();
    let (even, odd): (Vec<_>, Vec<_>) = crowd.into_iter().partition(|guest| guest.number % 2 == 0);
    for (gate, queue) in [(GATE_A, even), (GATE_B, odd)] {
        let (stage, to_desk) = (Arc::clone(stage), to_desk.clone());
        gates.spawn(async move {
            for mut guest in queue {
                enter(&stage, gate.name, &mut guest).await.with_context(|| format!("guest {}", guest.number))?;
                to_desk.send(guest)?;
            }
            anyhow::Ok(())
        });
    }
    drop(to_desk);
    let mut guests = Vec::with_capacity(total);
    while let Some(mut guest) = at_desk.recv().await {
        if guest.is_in() {
            let mut chance = stage.chance("top up", guest.number);
            let cents = chance.pick(&TOP_UPS).copied().unwrap_or(2000);
            let id = chance.request_id();
            top_up(stage, &mut guest, cents, &id).await.with_context(|| format!("guest {}", guest.number))?;
        }
        guests.push(guest);
        if guests.len() % TOLD_EVERY == 0 {
            stage.say(&format!("{} of {total} guests are through", guests.len()));
        }
    }
    while let Some(gate) = gates.join_next().await {
        gate??;
    }
    guests.sort_by_key(|guest| guest.number);
    Ok(guests)
}

/// Codes that no gate may take, held up by whoever stands there.
pub(super) async fn refuse_what_must_be_refused(stage: &Arc<Stage>, guests: &mut [Guest]) -> Result<()> {
    stage.say("codes that no gate takes: used, tampered, revoked, of something else");
    let interop = Interop::read()?;
    let was_in = |guest: &&mut Guest| {
        guest.lights.iter().any(|light| light.what == Seen::Admitted && light.place == GATE_A.name)
    };
    let guest = guests.iter_mut().find(was_in).context("nobody is in")?;
    let mut shown = vec![
        (guest.paper.text.clone(), "ticket.already_used"),
        (interop.tampered("signature_last_bit")?.to_owned(), "ticket.bad_signature"),
        (interop.tampered("item_changed_to_vip")?.to_owned(), "ticket.bad_signature"),
        ("FESTIVAL 2027 - MENU OF THE DAY".to_owned(), "ticket.unknown_scheme"),
    ];
    shown.extend(interop.revoked_papers().into_iter().map(|paper| (paper.text, "ticket.revoked")));
    let gate = stage.world.place(GATE_A.name)?;
    for (text, deserved) in shown {
        let verdict = gate.show(&ticket::png(&text)?).await?;
        let code = verdict.code.unwrap_or_default();
        ensure!(!verdict.admitted && code == deserved, "{} says {code} where {deserved} is due", gate.name());
        guest.was_refused(&code);
    }
    Ok(())
}
