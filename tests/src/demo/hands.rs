//! The visitor's hands: they show tickets, hold bands and pull them away, cut wires, pull plugs.
//! Invariant: each act is done to the real process, wire or chip; at each reader or scanner one hand at a time.
//! Not here: what came of it (`look`), HTTP (`page`).
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use hardware::{fault::Fault, signal::Signal};
use screens::view::{DemoLight, HeldBand, Light, Phase, Shown};
use serde::Deserialize;

use super::{Demo, story::now_ms};
use crate::world::place::Place;

/// A band that nobody asked for is taken back after this long.
const HOLD_FOR: Duration = Duration::from_secs(30);
/// How long the light is watched for once the band has left.
const LIGHT_AFTER: Duration = Duration::from_millis(1500);
const LOOK_EVERY: Duration = Duration::from_millis(40);
/// The page of a sale that decides, and that of a top-up; both counted in writes.
const LAST_OF_SALE: u32 = 5;
const LAST_OF_TOP_UP: u32 = 19;

/// When a band is pulled away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pull {
    /// Not before the light.
    #[default]
    Never,
    /// Before the chip hears anything.
    BeforePassword,
    /// After this many pages.
    AfterPages(u8),
    /// In the middle of the page that decides.
    LastPage,
    /// Right after it: the chip has paid, and nobody knows.
    AfterLastPage,
}

/// Why a hand could do nothing.
#[derive(Debug)]
pub(super) enum Cannot {
    /// The box or the hub has no power.
    NoPower,
    /// Something else.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Cannot {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// The reader and scanner of one place, as the demo's hands use them.
#[derive(Default)]
pub(super) struct Counter {
    /// Held by whoever uses reader or scanner.
    pub(super) turn: tokio::sync::Mutex<()>,
    held: Mutex<Option<HeldBand>>,
    light: Mutex<Option<DemoLight>>,
    away: AtomicBool,
}

impl Counter {
    pub(super) fn held(&self) -> Option<HeldBand> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn light(&self) -> Option<DemoLight> {
        self.light.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_held(&self, held: Option<HeldBand>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }

    fn set_light(&self, light: Option<DemoLight>) {
        *self.light.lock().unwrap_or_else(PoisonError::into_inner) = light;
    }

    fn take_away(&self) {
        self.away.store(true, Ordering::SeqCst);
    }
}

impl Pull {
    /// In the words of the hardware's faults; `last` is the write that decides.
    fn in_words(self, last: u32) -> String {
        match self {
            Self::Never => String::new(),
            Self::BeforePassword => "leave before command 1".into(),
            Self::AfterPages(pages) => format!("leave after write {}", pages.max(1)),
            Self::LastPage => format!("tear write {last} at byte 2"),
            Self::AfterLastPage => format!("leave after write {last}"),
        }
    }
}

impl Demo {
    fn at(&self, number: usize) -> Result<(&Place, &Counter), Cannot> {
        let found = self.world.places.get(number).zip(self.counters.get(number));
        Ok(found.with_context(|| format!("no box {number}"))?)
    }

    fn powered(&self, number: usize) -> Result<(&Place, &Counter), Cannot> {
        let (place, counter) = self.at(number)?;
        if place.is_running() { Ok((place, counter)) } else { Err(Cannot::NoPower) }
    }

    /// Shows a ticket to the scanner of a box and notes what its screen says.
    pub(super) async fn show(&self, number: usize, ticket: u32) -> Result<(), Cannot> {
        let (place, counter) = self.powered(number)?;
        let png = self.shelf.ticket(ticket)?.paper.png()?;
        let _turn = counter.turn.lock().await;
        let verdict = place.show(&png).await?;
        let key = if verdict.admitted { "demo-admitted" } else { "demo-refused" };
        self.story.tell(key, &[("place", place.name()), ("number", &ticket.to_string())]);
        let code = verdict.code.unwrap_or_default();
        self.shelf.was_shown(ticket, Shown { place: place.name().to_owned(), admitted: verdict.admitted, code });
        Ok(())
    }

    /// Lays a band on the reader of a box; it stays until a light shines, or leaves when `pull` says. What lay there
    /// before is taken away, and the band comes from wherever else it lay.
    pub(super) async fn hold(self: Arc<Self>, number: usize, band: u32, pull: Pull) -> Result<(), Cannot> {
        let (place, _) = self.powered(number)?;
        let chip = self.shelf.band(band)?.band.chip;
        let view = place.view().await?;
        let is_waiting = |phase: Phase| matches!(phase, Phase::WaitingForBand | Phase::TapAgain | Phase::Supervisor);
        let tops_up = view.top_up.is_some_and(|desk| is_waiting(desk.phase));
        let faults = pull.in_words(if tops_up { LAST_OF_TOP_UP } else { LAST_OF_SALE });
        for (at, counter) in self.counters.iter().enumerate() {
            if at == number || counter.held().is_some_and(|held| held.band == band) {
                counter.take_away();
            }
        }
        let demo = Arc::clone(&self);
        tokio::spawn(async move {
            let Some((place, counter)) = demo.world.places.get(number).zip(demo.counters.get(number)) else { return };
            let _turn = counter.turn.lock().await;
            counter.away.store(false, Ordering::SeqCst);
            counter.set_light(None);
            counter.set_held(Some(HeldBand { band, faults: faults.clone() }));
            let lit = tokio::task::block_in_place(|| {
                let presented = place.field()?.present(&chip, Fault::parse_several(&faults)?)?;
                let (end, mut left) = (Instant::now() + HOLD_FOR, None);
                let light = loop {
                    if let Some(signal) = presented.wait_signal(LOOK_EVERY) {
                        break Some(signal);
                    }
                    if presented.is_gone() {
                        left.get_or_insert_with(Instant::now);
                        counter.set_held(None);
                    }
                    let is_late = left.is_some_and(|left| left.elapsed() > LIGHT_AFTER) || Instant::now() > end;
                    if is_late || counter.away.load(Ordering::SeqCst) {
                        break None;
                    }
                };
                presented.remove();
                anyhow::Ok(light)
            });
            counter.set_held(None);
            match lit {
                Ok(signal) => demo.saw_light(place.name(), counter, band, signal, &faults),
                Err(error) => tracing::warn!("{}: {error:#}", place.name()),
            }
        });
        Ok(())
    }

    fn saw_light(&self, place: &'static str, counter: &Counter, band: u32, signal: Option<Signal>, faults: &str) {
        let light = match signal {
            Some(Signal::Ok) => Light::Ok,
            Some(Signal::Warn) => Light::Warn,
            Some(Signal::Refuse) => Light::Refuse,
            Some(Signal::TapAgain) => Light::TapAgain,
            None => Light::Dark,
        };
        counter.set_light(Some(DemoLight { band, at_unix_ms: now_ms(), signal: light }));
        let number = band.to_string();
        match light {
            Light::Ok => self.shelf.was_green(band, place),
            Light::TapAgain => self.shelf.was_torn(band, place),
            Light::Warn | Light::Refuse | Light::Dark => {}
        }
        if !faults.is_empty() {
            self.story.tell("demo-pulled", &[("place", place), ("number", &number)]);
        }
    }

    /// Takes back what lies on a reader.
    pub(super) fn take_away(&self, number: usize) -> Result<(), Cannot> {
        let (_, counter) = self.at(number)?;
        counter.take_away();
        Ok(())
    }

    /// Cuts or mends the wire of a box.
    pub(super) fn wire(&self, number: usize, whole: bool) -> Result<(), Cannot> {
        let (place, _) = self.at(number)?;
        if whole {
            place.wire.mend();
        } else {
            place.wire.cut();
        }
        self.story.tell(if whole { "demo-link_back" } else { "demo-link_cut" }, &[("place", place.name())]);
        Ok(())
    }

    /// Kills a box as a power cut does, or starts it again.
    pub(super) async fn power(self: Arc<Self>, number: usize, on: bool) -> Result<(), Cannot> {
        let name = self.at(number)?.0.name();
        if self.at(number)?.0.is_running() == on {
            return Ok(());
        }
        let demo = Arc::clone(&self);
        let switched = tokio::task::spawn_blocking(move || {
            let place = demo.world.places.get(number).context("no box")?;
            if on { place.start() } else { place.kill() }
        });
        switched.await.context("switching")??;
        self.story.tell(if on { "demo-power_back" } else { "demo-power_off" }, &[("place", name)]);
        Ok(())
    }

    /// The same with the hub.
    pub(super) async fn hub_power(self: Arc<Self>, on: bool) -> Result<(), Cannot> {
        if self.world.hub.is_running() == on {
            return Ok(());
        }
        let demo = Arc::clone(&self);
        // a thread of the runtime, since starting uses `block_in_place`
        let switched = tokio::spawn(async move {
            if on { demo.world.start_hub() } else { tokio::task::block_in_place(|| demo.world.hub.kill()) }
        });
        switched.await.context("switching")??;
        self.story.tell(if on { "demo-hub_back" } else { "demo-hub_off" }, &[]);
        Ok(())
    }
}
