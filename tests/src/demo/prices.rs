//! One price on the demo's page: as hub and tills have it, and edited at both ends of a cut.
//! Invariant: each is shown by what it says itself.
//! Not here: how an edit is made (`evening::prices`).
use std::time::Duration;

use anyhow::{Context, Result};
use screens::{
    post,
    view::{DemoPrice, DocumentView},
};

use super::{Demo, hands::Cannot, story::Story};
use crate::{
    evening::prices::{edit_at_box, edit_at_hub, set, take_on_a_manager},
    world::{BAR, World, https::Https},
};

const SOON: Duration = Duration::from_secs(20);
/// The product whose price it is.
const PRODUCT: u32 = 1;

fn path(field: &str) -> String {
    format!("product/{PRODUCT}/{field}")
}

/// The price at the hub and at every running till.
pub(super) async fn look(world: &World) -> Result<Vec<DemoPrice>> {
    let mut prices = vec![price("", &world.hub.api).await?];
    let is_till = |place: &&crate::world::place::Place| place.post.roles.contains(&"bar") && place.is_running();
    for place in world.places.iter().filter(is_till) {
        prices.push(price(place.name(), &place.api).await?);
    }
    Ok(prices)
}

async fn price(place: &str, api: &Https) -> Result<DemoPrice> {
    let view: DocumentView = api.get("/api/documents/catalogue").await?;
    let at = path("price");
    let others = view.conflicts.iter().filter(|conflict| conflict.path == at).flat_map(|conflict| &conflict.others);
    let field = |field| view.fields.get(&path(field)).cloned();
    Ok(DemoPrice {
        place: place.into(),
        name_fr: field("name_fr").unwrap_or_default(),
        name_en: field("name_en").unwrap_or_default(),
        cents: field("price").and_then(|price| price.parse().ok()).context("no price")?,
        other_cents: others.filter_map(|other| other.value.parse().ok()).collect(),
    })
}

impl Demo {
    /// The bar is cut off, both ends edit the price, and the link comes back. One at a time.
    pub(super) async fn edit_prices(&self, prices: post::DemoPrices) -> Result<(), Cannot> {
        let _one = self.edits.lock().await;
        edit(&self.world, &self.story, prices).await.map_err(Cannot::Failed)
    }
}

async fn edit(world: &World, story: &Story, prices: post::DemoPrices) -> Result<()> {
    let bar = world.place(BAR.name)?;
    bar.wire.mend();
    bar.wait_for_link(true, SOON).await?;
    take_on_a_manager(world).await?;
    bar.wire.cut();
    story.tell("demo-prices_edited", &[("place", bar.name())]);
    let edited = edit_apart(world, prices).await;
    bar.wire.mend();
    bar.wait_for_link(true, SOON).await?;
    story.tell("demo-link_back", &[("place", bar.name())]);
    edited
}

async fn edit_apart(world: &World, prices: post::DemoPrices) -> Result<()> {
    let at = path("price");
    edit_at_hub(world, "catalogue", set(&at, &prices.hub_cents.to_string())).await?;
    edit_at_box(world.place(BAR.name)?, "catalogue", set(&at, &prices.bar_cents.to_string())).await
}
