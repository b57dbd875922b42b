//! Looks at everybody again and again: boxes, hub, chips, wires.
//! Invariant: a chip is read from its memory, never from what a box says of it; a box without power shows what it said
//! last, marked as such.
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    wire::hex,
    wristband::{CreditKey, PurseImage},
};
use screens::view::{DemoBand, DemoBox, DemoHub, DemoTicket, DemoView};
use serde::Deserialize;

use super::{Demo, lang, prices, shelf::Worn, story::now_ms, tour::Sights};
use crate::{audit, world::World};

/// How often boxes and hub are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Keys whose credits count, as the hub's bundle said last.
#[derive(Default)]
pub(super) struct CreditKeys(Mutex<Vec<CreditKey>>);

#[derive(Deserialize)]
struct HubWallet {
    balance_cents: i64,
}

impl CreditKeys {
    /// The purse on the band's chip. A key that is not known yet is looked up at the hub.
    async fn read(&self, world: &World, worn: &Worn) -> Option<PurseImage> {
        if !worn.band.has_purse() {
            return None;
        }
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Ok(purse) = worn.band.on_chip(&world.supplier, &known) {
            return purse;
        }
        let newest = audit::credit_keys(world).await.ok()?;
        let purse = worn.band.on_chip(&world.supplier, &newest).ok()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = newest;
        purse
    }
}

/// Goes on until it is dropped.
pub(super) async fn keep_looking(demo: Arc<Demo>) {
    loop {
        let before = demo.shown.borrow().clone();
        let view = look(&demo, &before).await;
        demo.shown.send_replace(view);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn look(demo: &Demo, before: &DemoView) -> DemoView {
    let world = &demo.world;
    let boxes = look_at_boxes(demo, before).await;
    let is_hub_there = world.hub.is_running();
    let hub = if is_hub_there { world.hub.view().await.ok() } else { None };

    let mut bands = Vec::new();
    for worn in demo.shelf.bands() {
        let purse = demo.credit_keys.read(world, &worn).await;
        bands.push((worn, purse));
    }
    let mut shown_bands = Vec::with_capacity(bands.len());
    for (worn, purse) in &bands {
        let path = format!("/api/wallets/{}", hex(&worn.band.wallet().0));
        let known = if is_hub_there { world.hub.api.find::<HubWallet>(&path).await.ok().flatten() } else { None };
        let held = |shown: &&DemoBox| shown.held.as_ref().is_some_and(|held| held.band == worn.number);
        shown_bands.push(DemoBand {
            number: worn.number,
            kind: worn.kind,
            purse: worn.band.has_purse(),
            copy_of: worn.copy_of,
            chip_cents: purse.as_ref().map(|purse| purse.balance(domain::money::Cents::ZERO).as_i64()),
            hub_cents: known.map(|known| known.balance_cents),
            at: boxes.iter().find(held).map(|shown| shown.view.place.clone()),
            wallet: worn.band.wallet_hex(),
        });
    }
    let tickets = demo.shelf.tickets();
    let tour = demo.tour.walk(&Sights { tickets: &tickets, bands: &bands, boxes: &boxes, hub: hub.as_ref() });
    let ticket =
        |ticket: super::shelf::Ticket| DemoTicket { number: ticket.number, kind: ticket.kind, shown: ticket.shown };
    let prices = if is_hub_there { prices::look(world).await.unwrap_or_default() } else { Vec::new() };
    DemoView {
        lang: lang(),
        now_unix_ms: now_ms(),
        currency: hub.as_ref().map_or_else(|| before.currency.clone(), |hub| hub.currency.clone()),
        story: demo.story.lines(),
        islands: islands(is_hub_there, &boxes),
        boxes,
        hub: DemoHub { running: is_hub_there, url: demo.hub_door.clone(), view: hub },
        tickets: tickets.into_iter().map(ticket).collect(),
        bands: shown_bands,
        tour,
        guests: demo.guests_come(),
        prices,
    }
}

async fn look_at_boxes(demo: &Demo, before: &DemoView) -> Vec<DemoBox> {
    let mut boxes = Vec::with_capacity(demo.world.places.len());
    for (number, place) in demo.world.places.iter().enumerate() {
        let said = if place.is_running() { place.view().await.ok() } else { None };
        let running = said.is_some();
        let last = before.boxes.get(number).map(|shown| shown.view.clone());
        let mut view = said.or(last).unwrap_or_default();
        if view.place.is_empty() {
            place.name().clone_into(&mut view.place);
        }
        let counter = demo.counters.get(number);
        boxes.push(DemoBox {
            url: demo.doors.get(number).cloned().unwrap_or_default(),
            running,
            wired: !place.wire.is_cut(),
            held: counter.and_then(super::hands::Counter::held),
            light: counter.and_then(super::hands::Counter::light),
            view,
        });
    }
    boxes
}

/// The hub with everybody whose wire is whole; everybody else alone.
fn islands(is_hub_there: bool, boxes: &[DemoBox]) -> Vec<Vec<String>> {
    let running = || boxes.iter().filter(|shown| shown.running);
    let is_with_hub = |shown: &&DemoBox| is_hub_there && shown.wired;
    let name = |shown: &DemoBox| shown.view.place.clone();
    let mainland: Vec<String> = std::iter::once(String::new()).chain(running().filter(is_with_hub).map(name)).collect();
    let alone = running().filter(|shown| !is_with_hub(shown)).map(|shown| vec![name(shown)]);
    is_hub_there.then_some(mainland).into_iter().chain(alone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_cut_off_is_an_island_and_whoever_has_no_power_is_nowhere() {
        let shown = |name: &str, running, wired| {
            let mut shown = DemoBox { running, wired, ..DemoBox::default() };
            name.clone_into(&mut shown.view.place);
            shown
        };
        let boxes = [shown("A", true, true), shown("B", true, false), shown("C", false, true)];
        assert_eq!(islands(true, &boxes), [vec!["".to_owned(), "A".into()], vec!["B".into()]]);
        assert_eq!(islands(false, &boxes), [vec!["A".to_owned()], vec!["B".into()]]);
    }
}
