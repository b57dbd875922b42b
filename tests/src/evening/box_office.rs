//! Before doors: tickets are sold, and everybody gets paper and band.
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use super::{GUESTS, Stage};
use crate::{
    band::{Band, Supplier},
    guest::Guest,
    ticket::{Interop, Paper},
    world::{CAMPING, FESTIVAL_TIME, World},
};

/// Guests who come while the network is apart.
const LATE: usize = 16;
/// Requests to the hub at a time.
const AT_ONCE: usize = 8;
/// One day, in seconds.
const DAY: u64 = 86_400;

/// Who comes when.
pub struct Crowd {
    /// When doors open.
    pub early: Vec<Guest>,
    /// While the network is apart.
    pub late: Vec<Guest>,
    /// The one who sends a screenshot of the ticket to a friend, and the one who has copied a UID band.
    pub cheats: [Guest; 2],
}

/// Sells tickets at the hub, in this order.
pub async fn sell_tickets(world: &World, wishes: Vec<(Value, Option<&'static str>)>) -> Result<Vec<Paper>> {
    let sell = async |(wish, refused_with): (Value, Option<&'static str>)| -> Result<Paper> {
        let issued = world.hub.issue(&wish).await?;
        Ok(Paper { text: issued.text, refused_with, id: Some(issued.id) })
    };
    stream::iter(wishes).map(sell).buffered(AT_ONCE).try_collect().await
}

/// What own tickets are like: most are good ones, the first few are not.
fn wishes(count: usize) -> Vec<(Value, Option<&'static str>)> {
    let ticket = |category: u16| json!({ "category": category, "holder": "" });
    let window =
        |from: u64, until: u64| json!({ "category": 1, "holder": "", "valid_from": from, "valid_until": until });
    let (before, now, after) = (FESTIVAL_TIME - DAY, FESTIVAL_TIME, FESTIVAL_TIME + DAY);
    let special = [
        (window(now + DAY / 2, after), Some("ticket.not_yet_valid")),
        (window(before, now - DAY / 2), Some("ticket.expired")),
        (ticket(1), Some("ticket.revoked")),
        (ticket(CAMPING.0), Some("ticket.zone_not_allowed")),
        (ticket(CAMPING.0), Some("ticket.zone_not_allowed")),
        (window(before, after), None),
    ];
    let good = (special.len()..count).map(|number| (ticket(if number % 9 == 0 { 2 } else { 1 }), None));
    special.iter().cloned().chain(good).collect()
}

fn band(supplier: &Supplier, number: usize) -> Result<Band> {
    let id = u32::try_from(number)?;
    match number % 7 {
        3 => Ok(supplier.uid_only(id)),
        5 => supplier.aes_purse(id),
        _ => supplier.purse(id),
    }
}

/// Everybody, with ticket and band.
pub(super) async fn crowd(stage: &Arc<Stage>) -> Result<Crowd> {
    let world = &stage.world;
    let mut papers = Interop::read()?.papers(FESTIVAL_TIME, &[4, 8]);
    stage.say(&format!("selling {} tickets beside the {} that pretix sold", GUESTS - papers.len(), papers.len()));
    let own = sell_tickets(world, wishes(GUESTS - papers.len())).await?;
    for revoked in own.iter().filter(|paper| paper.refused_with == Some("ticket.revoked")) {
        world.hub.revoke_ticket(revoked.id.as_deref().context("an own ticket")?).await?;
    }
    papers.extend(own);
    ensure!(papers.len() == GUESTS, "{} tickets for {GUESTS} guests", papers.len());
    stage.say("handing out wristbands");
    let supplier = &world.supplier;
    let guest = |(number, paper)| anyhow::Ok(Guest::new(number, paper, band(supplier, number)?));
    let mut early: Vec<Guest> = papers.into_iter().enumerate().map(guest).collect::<Result<_>>()?;
    let late = early.split_off(GUESTS - LATE);
    let position = |guests: &[Guest], purse: bool| {
        let suits = |guest: &Guest| guest.paper.refused_with.is_none() && guest.band.has_purse() == purse;
        guests.iter().rposition(suits).context("nobody suits")
    };
    let one_code = position(&early, true)?;
    let one_code = early.remove(one_code);
    let copied_band = position(&early, false)?;
    let copied_band = early.remove(copied_band);
    Ok(Crowd { early, late, cheats: [one_code, copied_band] })
}
