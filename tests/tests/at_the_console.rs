//! The hub's console in Chromium while the hub starts again, and while somebody else edits the same documents.
//! Invariant: nothing is judged by what the page keeps for itself, only by what it shows and what the hub then has.
use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use evening::{
    visitor::{self, Visitor},
    world::{BAR, World, wait::until},
};
use screens::view::{DocumentView, EditBody};
use serde_json::{Value, json};

use crate::t;

const SOON: Duration = Duration::from_secs(30);
const PRICE: &str = "product/1/price";
const NAME: &str = "product/1/name_en";
const CARD: &str = "[data-thing='product/1']";

/// A hub that keeps its address, and an operator who is logged in.
async fn logged_in() -> Option<(World, Visitor)> {
    if !visitor::is_possible() {
        eprintln!("SKIPPED: chromedriver is not installed (tests/run installs it); NO SCREEN WAS LOOKED AT");
        return None;
    }
    let world = World::of(&[BAR]).await.unwrap();
    let address = world.hub.api.url("").replace("https://", "");
    world.hub.stop(SOON).unwrap();
    let file = world.hub.dir.join("hub.toml");
    let settings = fs::read_to_string(&file).unwrap();
    let kept = settings.replace(r#"listen_https = "127.0.0.1:0""#, &format!("listen_https = {address:?}"));
    assert_ne!(kept, settings);
    fs::write(&file, kept).unwrap();
    world.start_hub().unwrap();
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screens");
    let visitor = Visitor::come(pictures).await.unwrap();
    visitor.open(&world.hub.api.url("/?lang=en")).await.unwrap();
    visitor.writes("#token", &world.hub.api.bearer()).await.unwrap();
    visitor.presses("form button").await.unwrap();
    visitor.sees("#boxes", BAR.name).await.unwrap();
    Some((world, visitor))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_open_console_shows_the_login_once_the_hub_has_started_again() {
    let Some((world, visitor)) = logged_in().await else { return };
    world.hub.stop(SOON).unwrap();
    visitor.sees("#lost", &t("status-screen-lost")).await.unwrap();
    world.start_hub().unwrap();
    visitor.sees("label[for='token']", "Console token").await.unwrap();
    visitor.writes("#token", &world.hub.api.bearer()).await.unwrap();
    visitor.presses("form button").await.unwrap();
    visitor.sees("#boxes", BAR.name).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_answer_for_which_the_page_has_no_text_is_shown_in_its_own_words() {
    let Some((_world, visitor)) = logged_in().await else { return };
    visitor.posts("/logout").await.unwrap();
    visitor.writes("#revoke-box input", "999").await.unwrap();
    visitor.presses("#revoke-box button").await.unwrap();
    visitor.presses("#revoke-box button").await.unwrap();
    visitor.sees("#notice", "Log in first").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_saves_a_name_takes_no_price_back_that_somebody_else_has_changed_meanwhile() {
    let Some((world, visitor)) = logged_in().await else { return };
    visitor.open(&world.hub.api.url("/documents.html?lang=en#catalogue")).await.unwrap();
    let name = format!("{CARD} label:nth-of-type(3) input");
    visitor.writes(&name, "Pint of ale").await.unwrap();
    changes(&world, PRICE, "430").await;
    let revision = catalogue(&world).await.revision;
    visitor.sees("#revision", &revision.to_string()).await.unwrap();
    visitor.presses(&format!("{CARD} > button")).await.unwrap();
    visitor.sees("#notice", &t("documents-saved")).await.unwrap();
    let fields = catalogue(&world).await.fields;
    assert_eq!((fields[NAME].as_str(), fields[PRICE].as_str()), ("Pint of ale", "430"));
}

async fn changes(world: &World, path: &str, value: &str) {
    let set = BTreeMap::from([(path.to_owned(), Some(value.to_owned()))]);
    let edit = EditBody { session: String::new(), document: "catalogue".into(), set };
    world.hub.api.post::<Value>("/api/documents/edit", &edit).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_saves_one_card_loses_nothing_of_what_stands_in_the_others() {
    let Some((world, visitor)) = logged_in().await else { return };
    visitor.open(&world.hub.api.url("/documents.html?lang=en#catalogue")).await.unwrap();
    let field = |card: u8, label: u8| format!("[data-thing='product/{card}'] label:nth-of-type({label}) input");
    visitor.writes(&field(2, 3), "Jug of ale").await.unwrap();
    visitor.writes("form.adding input", "77").await.unwrap();
    visitor.presses("form.adding button").await.unwrap();
    for (label, words) in [(2, "Cidre"), (3, "Cider"), (5, "5.00")] {
        visitor.writes(&field(77, label), words).await.unwrap();
    }
    visitor.writes(&field(1, 3), "Pint of ale").await.unwrap();
    visitor.presses(&format!("{CARD} > button")).await.unwrap();
    visitor.sees("#notice", &t("documents-saved")).await.unwrap();
    // the saved card is drawn anew, and so it is when somebody else changes something
    visitor.finds(&field(1, 3), "value", "Pint of ale").await.unwrap();
    changes(&world, PRICE, "430").await;
    visitor.finds(&field(1, 5), "value", "4.30").await.unwrap();
    for (card, name) in [(2, "Jug of ale"), (77, "Cider")] {
        visitor.presses("#notice").await.unwrap();
        visitor.presses(&format!("[data-thing='product/{card}'] > button")).await.unwrap();
        visitor.sees("#notice", &t("documents-saved")).await.unwrap();
        assert_eq!(catalogue(&world).await.fields[&format!("product/{card}/name_en")], name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_open_list_of_matters_is_asked_for_one_at_a_time_and_not_all_the_time() {
    let Some((world, visitor)) = logged_in().await else { return };
    visitor.open(&world.hub.api.url("/matters.html?lang=en")).await.unwrap();
    visitor.sees("#list", &t("matters-none")).await.unwrap();
    visitor.watches("/api/matters").await.unwrap();
    // guests pay online, again and again
    let mut paid = 0u32;
    let asked = until("the list is loaded twice", SOON * 2, async || {
        paid += 1;
        let body = json!({ "amount_cents": 100, "key": format!("{paid:032x}"), "reference": "card" });
        let address = format!("/api/wallets/{:032x}/online-top-up", 0xabcu32);
        world.hub.api.post::<Value>(&address, &body).await?;
        let asked = visitor.asked().await?;
        Ok((asked.at_ms.len() >= 2).then_some(asked))
    });
    let asked = asked.await.unwrap();
    assert!(paid > 10, "{paid} payments");
    assert!(asked.at_ms[1] - asked.at_ms[0] >= 9_900, "{asked:?}");
    // many at once from somebody in a hurry: one is under way at any time, and the last one is shown
    for kind in ["fork", "gap", "overspend", "pending"] {
        visitor.chooses("#kind", kind).await.unwrap();
    }
    visitor.sees("#list article", &t("conflict-pending")).await.unwrap();
    assert_eq!(visitor.asked().await.unwrap().most_at_once, 1);
}

async fn catalogue(world: &World) -> DocumentView {
    world.hub.api.get("/api/documents/catalogue").await.unwrap()
}
