//! A visitor plays the demo through in Chromium: the tour, then each screen by itself, in English and in French.
//! Invariant: everything is judged by what stands on a screen; pictures of the main steps are left in `target/screens`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a failed test should panic and say so"
)]

mod at_the_console;
mod tablets;

use std::{path::Path, sync::Arc};

use anyhow::Result;
use evening::{
    demo::Demo,
    visitor::{self, Visitor},
    world::{Plan, World, process::Programs},
};
use screens::Lang;

const GATE_A: &str = ".post[data-place='Gate A']";
const GATE_B: &str = ".post[data-place='Gate B']";
const BAR: &str = ".post[data-place='Bar 1']";
const DESK: &str = ".post[data-place='Desk']";
/// How a band is held, as the shelf's list numbers it.
const LAST_PAGE: &str = "4";

/// A text as the pages have it.
fn t(key: &str) -> String {
    screens::all(Lang::En).get(key).cloned().unwrap_or_else(|| panic!("no text {key}"))
}

struct Page<'a>(&'a Visitor);

impl Page<'_> {
    /// Takes something off the shelf and uses it at a box.
    async fn uses(&self, kind: &str, number: u32, place: &str) -> Result<()> {
        self.0.presses(&format!("#shelf .thing.{kind}[data-number='{number}']")).await?;
        self.0.presses(&format!("{place} .use[data-use='{kind}']")).await
    }

    async fn ticket_is(&self, number: u32, state: &str) -> Result<()> {
        self.0.finds(&format!(".thing.ticket[data-number='{number}']"), "data-state", state).await
    }

    async fn light_is(&self, place: &str, light: &str) -> Result<()> {
        self.0.finds(&format!("{place} .light"), "data-light", light).await
    }

    async fn step_is_done(&self, step: u8) -> Result<()> {
        self.0.finds(&format!("[data-step='{step}']"), "data-state", "done").await
    }

    /// A box's own screen.
    async fn on_screen<T>(&self, place: &str, look: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
        self.0.within(&format!("{place} iframe"), look).await
    }

    async fn verdict_is(&self, place: &str, shape: &str, headline: &str) -> Result<()> {
        self.on_screen(place, async || {
            self.0.finds("#verdict", "data-shape", shape).await?;
            self.0.sees("#verdict h1", &t(headline)).await
        })
        .await
    }

    /// Orders the first thing on a till's grid.
    async fn orders(&self, place: &str) -> Result<()> {
        self.on_screen(place, async || {
            self.0.presses("#products .product").await?;
            self.0.presses("#pay").await?;
            self.0.sees("#tap h1", &t("phase-waiting_for_band")).await
        })
        .await
    }

    /// A tap on a screen ends with this headline; the next guest comes.
    async fn tap_ends(&self, place: &str, headline: &str, ends: bool) -> Result<()> {
        self.on_screen(place, async || {
            self.0.sees("#tap h1", &t(headline)).await?;
            if ends { self.0.presses("#tap [data-focus='close']").await } else { Ok(()) }
        })
        .await
    }
}

async fn tour(page: &Page<'_>) -> Result<()> {
    let visitor = page.0;
    visitor.finds("[data-step='1']", "data-state", "next").await?;
    visitor.sees("#identity [data-part='unexplained']", "€0.00").await?;
    page.on_screen(BAR, async || visitor.sees("#products", "€").await).await?;
    visitor.fits().await?;
    visitor.picture("demo-en-start").await?;

    page.uses("ticket", 1, GATE_A).await?;
    page.verdict_is(GATE_A, "ok", "headline-ok").await?;
    page.uses("band", 1, GATE_A).await?;
    page.light_is(GATE_A, "ok").await?;
    page.step_is_done(1).await?;

    page.on_screen(DESK, async || {
        visitor.presses("#quick button:nth-child(4)").await?;
        visitor.presses("#pay").await?;
        visitor.sees("#tap h1", &t("phase-waiting_for_band")).await
    })
    .await?;
    page.uses("band", 1, DESK).await?;
    page.tap_ends(DESK, "top_up-paid", true).await?;
    visitor.sees(".thing.band[data-number='1'] .balance", "€50.00").await?;
    page.step_is_done(2).await?;

    page.orders(BAR).await?;
    page.uses("band", 1, BAR).await?;
    page.tap_ends(BAR, "phase-paid", true).await?;
    page.step_is_done(3).await?;

    page.orders(BAR).await?;
    visitor.chooses("#pull", LAST_PAGE).await?;
    page.uses("band", 1, BAR).await?;
    page.tap_ends(BAR, "phase-tap_again", false).await?;
    page.light_is(BAR, "tap_again").await?;
    visitor.picture("demo-en-torn").await?;
    page.uses("band", 1, BAR).await?;
    page.tap_ends(BAR, "phase-paid", true).await?;
    page.step_is_done(4).await?;

    visitor.presses(&format!("{GATE_B} .cut")).await?;
    visitor.finds(&format!("{GATE_B} .wire"), "data-state", "cut").await?;
    visitor.sees("#islands", &t("demo-alone")).await?;
    page.uses("ticket", 2, GATE_A).await?;
    page.ticket_is(2, "admitted").await?;
    page.uses("ticket", 2, GATE_B).await?;
    page.verdict_is(GATE_B, "ok", "headline-ok").await?;
    page.step_is_done(5).await?;
    visitor.picture("demo-en-apart").await?;

    visitor.presses(&format!("{GATE_B} .cut")).await?;
    page.step_is_done(6).await?;
    visitor.sees("#conflicts", &t("conflict-double_admission")).await?;
    for place in ["Gate A", "Gate B"] {
        visitor.sees("#conflicts", place).await?;
    }
    visitor.sees("#identity [data-part='unexplained']", "€0.00").await?;
    visitor.sees("#tour", &t("demo-tour_over")).await?;
    visitor.picture("demo-en-over").await
}

/// What gates say to the other tickets of the shelf.
async fn gates(page: &Page<'_>) -> Result<()> {
    for (ticket, shape, headline) in [
        (4, "repeat", "headline-repeat"),
        (5, "no", "headline-no"),
        (6, "no", "headline-no"),
        (7, "care", "headline-care"),
    ] {
        page.uses("ticket", ticket, GATE_B).await?;
        page.verdict_is(GATE_B, shape, headline).await?;
    }
    page.ticket_is(4, "refused").await?;
    page.uses("ticket", 8, GATE_B).await?;
    page.verdict_is(GATE_B, "ok", "headline-ok").await
}

/// A box without power, a hub without power: the others go on.
async fn power(page: &Page<'_>) -> Result<()> {
    let visitor = page.0;
    visitor.presses(&format!("{GATE_B} .power")).await?;
    visitor.finds(GATE_B, "data-state", "off").await?;
    visitor.sees("#islands", &t("demo-off")).await?;
    visitor.presses("#hub-power").await?;
    visitor.sees("#hub .identity", &t("demo-hub_away")).await?;
    page.orders(BAR).await?;
    page.uses("band", 1, BAR).await?;
    page.tap_ends(BAR, "phase-paid", true).await?;
    visitor.picture("demo-en-power").await?;
    visitor.presses("#hub-power").await?;
    visitor.presses(&format!("{GATE_B} .power")).await?;
    for place in [GATE_A, GATE_B, BAR, DESK] {
        visitor.finds(&format!("{place} .wire"), "data-state", "linked").await?;
    }
    visitor.sees("#identity [data-part='unexplained']", "€0.00").await
}

/// Each screen by itself in both languages, as on its own tablet.
async fn screens_alone(visitor: &Visitor, demo: &Demo) -> Result<()> {
    let pages = [("gate", "Gate A", "gate.html"), ("till", "Bar 1", "till.html"), ("top-up", "Desk", "top_up.html")];
    for lang in ["en", "fr"] {
        for (name, place, file) in pages {
            let door = demo.screen_of(place).expect("a box at this place");
            visitor.open(&format!("{door}/{file}?lang={lang}")).await?;
            visitor.sees("status-bar", place).await?;
            visitor.picture(&format!("{name}-{lang}")).await?;
        }
        visitor.open(&format!("{}/?lang={lang}", demo.screen_of_hub())).await?;
        visitor.finds("html", "lang", lang).await?;
        visitor.sees("#conflicts", "Gate B").await?;
        visitor.picture(&format!("console-{lang}")).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_visitor_plays_the_demo_through_in_a_browser() {
    if !visitor::is_possible() {
        eprintln!("SKIPPED: chromedriver is not installed (tests/run installs it); NO SCREEN WAS LOOKED AT");
        return;
    }
    let world = World::start(Programs::built().unwrap(), &Plan::evening(), &|_| {}).await.unwrap();
    let (demo, address) = Demo::open(Arc::new(world), 0, 1, Arc::new(|_: &str| {})).await.unwrap();
    let visitor = Visitor::come(Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screens")).await.unwrap();
    visitor.open(&format!("http://{address}/?lang=en")).await.unwrap();
    let page = Page(&visitor);
    tour(&page).await.unwrap();
    gates(&page).await.unwrap();
    power(&page).await.unwrap();
    visitor.open(&format!("http://{address}/?lang=fr")).await.unwrap();
    visitor.sees("#tour", "Entrer").await.unwrap();
    page.on_screen(BAR, async || visitor.sees("#products", "€").await).await.unwrap();
    visitor.fits().await.unwrap();
    visitor.picture("demo-fr").await.unwrap();
    screens_alone(&visitor, &demo).await.unwrap();
    visitor.goes().await.unwrap();
}
