//! Prices: one edited at the hub and, at the same time, at the bar that is cut off; and goods that are sold out.
//! Not here: whether everybody shows the same afterwards (`audit::prices`).
use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result, ensure};
use screens::{
    post,
    view::{DocumentView, EditBody},
};
use serde_json::{Value, json};

use super::{
    Stage,
    bar::{prices, sell, solvent_purses},
};
use crate::{
    guest::Guest,
    world::{
        BAR, DESK, World,
        counter::{Request, Tapped},
        place::Place,
        wait::until,
    },
};

const SOON: Duration = Duration::from_secs(20);
/// The manager's number and PIN.
const MANAGER: (u32, &str) = (7, "482913");
/// By how much the price goes up at the hub, and at the bar, in cents.
const DEARER: (i64, i64) = (50, 30);

/// One price that was edited at two places apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceEdit {
    /// Of which product.
    pub product: u32,
    /// Before, in cents.
    pub before: i64,
    /// As the hub wrote it.
    pub hub: i64,
    /// As the manager at the bar wrote it.
    pub bar: i64,
}

impl PriceEdit {
    /// Where it stands in the catalogue.
    pub fn path(&self) -> String {
        format!("product/{}/price", self.product)
    }
}

/// Sets one value of a document.
pub fn set(path: &str, value: &str) -> BTreeMap<String, Option<String>> {
    BTreeMap::from([(path.to_owned(), Some(value.to_owned()))])
}

/// Edits a document at the hub.
pub async fn edit_at_hub(world: &World, document: &str, set: BTreeMap<String, Option<String>>) -> Result<()> {
    let edit = EditBody { session: String::new(), document: document.into(), set };
    world.hub.api.post::<Value>("/api/documents/edit", &edit).await.map(drop)
}

/// Edits a document at a box, with the manager's PIN.
pub async fn edit_at_box(place: &Place, document: &str, set: BTreeMap<String, Option<String>>) -> Result<()> {
    let (number, pin) = MANAGER;
    let body: Value = place.api.post("/api/manager/login", &json!({ "number": number, "pin": pin })).await?;
    let session = body["session"].as_str().context("no session")?.to_owned();
    let edit = EditBody { session: session.clone(), document: document.into(), set };
    place.api.post::<Value>("/api/documents/edit", &edit).await?;
    place.api.post::<Value>("/api/manager/logout", &json!({ "session": session })).await.map(drop)
}

/// Takes a manager on as the technician does: the tool makes the edit, the hub enters it.
async fn hire(world: &World) -> Result<()> {
    let (number, pin) = MANAGER;
    let (pin_file, file) = (world.dir().join("manager.pin"), world.dir().join("manager.json"));
    fs::write(&pin_file, pin)?;
    let text = |path: &std::path::Path| path.to_str().map(str::to_owned).context("a path that is text");
    let (festival, out, pin_file, number) =
        (text(world.technician.dir())?, text(&file)?, text(&pin_file)?, number.to_string());
    let who = ["staff", "new", "--festival", &festival, "--out", &out, "--number", &number, "--name", "Ana"];
    let what = ["--role", "bar", "--role", "top-up", "--role", "manager", "--pin-file", &pin_file];
    world.technician.programs().provision(&[&who[..], &what[..]].concat())?;
    let body: Value = serde_json::from_str(&fs::read_to_string(&file)?)?;
    world.hub.api.post::<Value>("/api/documents/edit", &body).await?;
    Ok(())
}

/// Has a manager on the staff list; with one, nobody sells who is not logged in, so she logs in at every till.
pub async fn take_on_a_manager(world: &World) -> Result<()> {
    let (number, pin) = MANAGER;
    let name = format!("member/{number}/name");
    let staff: DocumentView = world.hub.api.get("/api/documents/staff").await?;
    if !staff.fields.contains_key(&name) {
        hire(world).await?;
    }
    let is_till = |place: &&Place| place.post.roles.contains(&"bar");
    for place in world.places.iter().filter(is_till) {
        until("the till knows the manager", SOON, async || {
            let staff: DocumentView = place.api.get("/api/documents/staff").await?;
            Ok(staff.fields.contains_key(&name).then_some(()))
        })
        .await?;
        let pin = post::Pin { number, pin: pin.into() };
        place.api.post::<Value>("/api/staff/log-in", &pin).await?;
    }
    Ok(())
}

/// While the bar is alone: the hub and the bar's manager edit one price, and each till sells by its own.
pub(super) async fn edit_apart(stage: &Stage, guests: &mut [Guest]) -> Result<PriceEdit> {
    stage.say("one price is edited at the hub and at the bar, which do not hear of each other");
    let (bar, desk) = (stage.world.place(BAR.name)?, stage.world.place(DESK.name)?);
    let all = prices(bar).await?;
    let (product, (before, _)) = all.iter().next().context("nothing is sold")?;
    let edit = PriceEdit { product: *product, before: *before, hub: before + DEARER.0, bar: before + DEARER.1 };
    edit_at_hub(&stage.world, "catalogue", set(&edit.path(), &edit.hub.to_string())).await?;
    edit_at_box(bar, "catalogue", set(&edit.path(), &edit.bar.to_string())).await?;
    for (place, cents) in [(bar, edit.bar), (desk, edit.hub)] {
        shows(place, edit.product, |price| price == cents).await?;
        let prices = prices(place).await?;
        let guest = solvent_purses(guests, &prices)?.next().context("nobody has money left")?;
        let id = stage.chance("a price of its own", guest.number).request_id();
        sell(place, guest, (vec![(edit.product, 1)], 0), &prices, &id, "").await?;
    }
    Ok(edit)
}

/// Waits until a till's grid shows such a price.
async fn shows(place: &Place, product: u32, is_it: impl Fn(i64) -> bool) -> Result<i64> {
    until(&format!("{} shows the price", place.name()), SOON, async || {
        let price = prices(place).await?.get(&product).map(|(price, _)| *price);
        Ok(price.filter(|price| is_it(*price)))
    })
    .await
}

/// Together again: waits until the conflict is seen, and sells at the one price that holds.
pub(super) async fn meet(stage: &Stage, edit: PriceEdit, guests: &mut [Guest]) -> Result<()> {
    let world = &stage.world;
    let path = edit.path();
    let in_force = until("the hub shows that two prices were written", SOON, async || {
        let view: DocumentView = world.hub.api.get("/api/documents/catalogue").await?;
        let conflict = view.conflicts.iter().find(|conflict| conflict.path == path);
        Ok(conflict.and_then(|conflict| conflict.in_force.value.parse::<i64>().ok()))
    })
    .await?;
    for till in [BAR, DESK] {
        let place = world.place(till.name)?;
        shows(place, edit.product, |price| price == in_force).await?;
        let prices = prices(place).await?;
        let guest = solvent_purses(guests, &prices)?.next().context("nobody has money left")?;
        let id = stage.chance("the price in force", guest.number).request_id();
        sell(place, guest, (vec![(edit.product, 1)], 0), &prices, &id, "").await?;
    }
    Ok(())
}

/// Nothing is left of one product: the hub says so, and the bar sells it no more.
pub(super) async fn sell_out(stage: &Stage, guests: &mut [Guest]) -> Result<()> {
    stage.say("something is sold out");
    let bar = stage.world.place(BAR.name)?;
    let prices = prices(bar).await?;
    let product = *prices.keys().last().context("nothing is sold")?;
    let path = format!("product/{product}/sold_out");
    edit_at_hub(&stage.world, "catalogue", set(&path, "true")).await?;
    until("the bar shows it as sold out", SOON, async || {
        let till = bar.view().await?.till.context("no till")?;
        Ok(till.products.iter().any(|shown| shown.id == product && shown.sold_out).then_some(()))
    })
    .await?;
    let guest = solvent_purses(guests, &prices)?.next().context("nobody has money left")?;
    let id = stage.chance("sold out", guest.number).request_id();
    let tapped = bar.tap(guest, &Request::Sale(vec![(product, 1)], 0), &id, Vec::new()).await?;
    ensure!(tapped == Tapped::Refused("till.sold_out".into()), "sold out: {tapped:?}");
    edit_at_hub(&stage.world, "catalogue", set(&path, "false")).await
}
