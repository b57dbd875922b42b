//! What people do at a place: show a code, hold a band to the reader, ask for goods or money.
//! Invariant: a green light is noted with the guest at the moment it shows, and only then.
//! Not here: who does what when (`evening`).
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hardware::{chip::SharedBand, fault::Fault, signal::Signal, virtual_scanner::Shown};
use screens::{
    post,
    view::{GateVerdict, Phase, TapResult},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::block_in_place;

use super::{place::Place, wait::Patience};
use crate::guest::{Guest, Seen};

/// A verdict or a light that does not come within this time never will.
const SOON: Duration = Duration::from_secs(10);
/// Whoever waits for a light looks so often whether the box still runs.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The same in milliseconds, for the box.
const SOON_MS: u64 = 10_000;

/// What is asked of a box before the band is held to it.
#[derive(Clone, Debug)]
pub enum Request {
    /// Goods: product and how many; cups brought back.
    Sale(Vec<(u32, u32)>, u32),
    /// Cash onto the band, in cents.
    TopUp(u32),
    /// All that is left, in cash.
    Refund,
    /// A record of price 0.
    ClosingRead,
}

/// How a tap ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tapped {
    /// Green, with what the screen showed.
    Green(TapResult),
    /// Not green and not over: the band must come again.
    Again(TapResult),
    /// Refused with this code.
    Refused(String),
}

/// What a box answers; while it waits for the band, nothing of it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Outcome {
    phase: Phase,
    result: Option<TapResult>,
}

impl Request {
    /// Where it is asked.
    pub fn path(&self) -> &'static str {
        match self {
            Self::Sale(..) => "/api/till/sale",
            Self::TopUp(_) => "/api/top-up",
            Self::Refund => "/api/band/refund",
            Self::ClosingRead => "/api/band/closing-read",
        }
    }

    /// What is posted there.
    pub fn body(&self, id: &str) -> serde_json::Value {
        fn value(body: &impl Serialize) -> serde_json::Value {
            serde_json::to_value(body).unwrap_or_default()
        }
        let id = id.to_owned();
        match self {
            Self::Sale(lines, cups_back) => {
                let lines = lines.iter().map(|(product, quantity)| post::SaleLine {
                    product: *product,
                    quantity: *quantity,
                    free: false,
                });
                value(&post::Sale { id, lines: lines.collect(), cups_back: *cups_back, ..post::Sale::default() })
            }
            Self::TopUp(amount_cents) => {
                value(&post::TopUp { id, amount_cents: *amount_cents, paid_with: post::PaidWith::Cash })
            }
            Self::Refund | Self::ClosingRead => json!({ "id": id }),
        }
    }

    /// What its green light tells the guest.
    pub fn seen(&self) -> Option<Seen> {
        match self {
            Self::Sale(..) => Some(Seen::Paid),
            Self::TopUp(_) => Some(Seen::ToppedUp),
            Self::Refund => Some(Seen::Refunded),
            Self::ClosingRead => None,
        }
    }
}

/// The nth write or command of a presentation, as a fault says it.
pub fn fault(sentence: &str) -> Result<Vec<Fault>> {
    Ok(Fault::parse_several(sentence)?)
}

impl Place {
    /// Shows a picture to the scanner and reads the verdict off the gate's screen.
    pub async fn show(&self, png: &[u8]) -> Result<GateVerdict> {
        let before = self.last_verdict().await?.map(|verdict| verdict.at_unix_ms);
        let shown = block_in_place(|| self.eye().show(png))?;
        ensure!(matches!(shown, Shown::Decoded(_)), "{}: the scanner saw {shown:?}", self.name());
        let what = format!("{} says yes or no", self.name());
        let mut patience = Patience::new(&what, SOON);
        loop {
            if let Some(verdict) = self.last_verdict().await?.filter(|verdict| Some(verdict.at_unix_ms) != before) {
                return Ok(verdict);
            }
            patience.before_next_look().await?;
        }
    }

    async fn last_verdict(&self) -> Result<Option<GateVerdict>> {
        Ok(self.view().await?.gate.and_then(|gate| gate.last))
    }

    /// A guest shows their ticket. True: they may enter.
    pub async fn admit(&self, guest: &mut Guest) -> Result<bool> {
        let verdict = self.show(&guest.paper.png()?).await?;
        ensure!(!verdict.out, "{}: guest {} is let out: {verdict:?}", self.name(), guest.number);
        if verdict.admitted {
            guest.saw(Seen::Admitted, 0, Some(verdict.entry.clone()), self.name());
        } else {
            guest.was_refused(verdict.code.as_deref().unwrap_or("no code"));
        }
        Ok(verdict.admitted)
    }

    /// A guest who goes out shows the ticket again.
    pub async fn let_out(&self, guest: &mut Guest) -> Result<()> {
        let verdict = self.show(&guest.paper.png()?).await?;
        ensure!(verdict.admitted && verdict.out, "{}: guest {} is kept: {verdict:?}", self.name(), guest.number);
        guest.saw(Seen::Left, 0, Some(verdict.entry), self.name());
        Ok(())
    }

    /// The guest just admitted holds their band to the gate's reader.
    pub async fn pair(&self, guest: &mut Guest) -> Result<()> {
        match self.hold(&guest.band.chip, Vec::new())? {
            Some(Signal::Ok) => guest.saw(Seen::Paired, 0, None, self.name()),
            light => {
                let last = self.last_verdict().await?;
                bail!("{}: guest {} is not paired: {light:?} {last:?}", self.name(), guest.number)
            }
        }
        Ok(())
    }

    /// Lays a band on the reader until the light shows, then takes it away.
    pub fn hold(&self, band: &SharedBand, faults: Vec<Fault>) -> Result<Option<Signal>> {
        block_in_place(|| {
            let presented = self.field()?.present(band, faults)?;
            let end = Instant::now() + SOON;
            let light = loop {
                let light = presented.wait_signal(LOOK_EVERY);
                if light.is_some() || Instant::now() > end || !self.is_running() {
                    break light;
                }
            };
            presented.remove();
            Ok(light)
        })
    }

    /// Asks for something and holds the band to the reader; the guest keeps what they saw.
    pub async fn tap(&self, guest: &mut Guest, request: &Request, id: &str, faults: Vec<Fault>) -> Result<Tapped> {
        let band = guest.band.chip.clone();
        self.tap_with(guest, &band, request, id, faults).await
    }

    /// The same with a band that is not the guest's own one: a copy.
    pub async fn tap_with(
        &self,
        guest: &mut Guest,
        band: &SharedBand,
        request: &Request,
        id: &str,
        faults: Vec<Fault>,
    ) -> Result<Tapped> {
        // Asked first without waiting: a refusal of the basket itself needs no band.
        let asked = self.api.ask::<Outcome>(request.path(), &request.body(id)).await?;
        match asked {
            Err(refused) => {
                guest.was_refused(&refused.code);
                return Ok(Tapped::Refused(refused.code));
            }
            // done before, by a tap whose light nobody saw: the screen says so now
            Ok(Outcome { phase: Phase::Paid, result: Some(result) }) => {
                let is_known = guest.lights.iter().any(|light| light.entry.as_deref() == Some(result.entry.as_str()));
                if !is_known {
                    self.is_seen(guest, request, &result);
                }
                return Ok(Tapped::Green(result));
            }
            Ok(_) => {}
        }
        let light = self.hold(band, faults)?.with_context(|| format!("{}: the light stays dark", self.name()))?;
        let path = format!("{}?wait_ms={SOON_MS}", request.path());
        let outcome = self.api.ask::<Outcome>(&path, &request.body(id)).await?;
        let Outcome { phase, result } = match outcome {
            Ok(outcome) => outcome,
            Err(refused) => bail!("{}: after the tap: {refused:?}", self.name()),
        };
        let result = result.with_context(|| format!("{}: no result at {phase:?}", self.name()))?;
        let code = || result.code.clone().unwrap_or_else(|| "no code".into());
        match light {
            Signal::Ok => {
                self.is_seen(guest, request, &result);
                Ok(Tapped::Green(result))
            }
            Signal::TapAgain => Ok(Tapped::Again(result)),
            Signal::Refuse | Signal::Warn => {
                guest.was_refused(&code());
                Ok(Tapped::Refused(code()))
            }
        }
    }

    /// A green light and what the screen says beside it.
    fn is_seen(&self, guest: &mut Guest, request: &Request, result: &TapResult) {
        let entry = || Some(result.entry.clone());
        if let Some(seen) = request.seen() {
            guest.saw(seen, result.charged_cents.saturating_abs(), entry(), self.name());
        }
        if result.arrived_cents > 0 {
            guest.saw(Seen::Arrived, result.arrived_cents, entry(), self.name());
        }
    }

    /// As [`Place::tap`], holding the band there again until it is over.
    pub async fn tap_until_over(
        &self,
        guest: &mut Guest,
        request: &Request,
        id: &str,
        faults: Vec<Fault>,
    ) -> Result<Tapped> {
        let mut tapped = self.tap(guest, request, id, faults).await?;
        for _ in 0..3 {
            match tapped {
                Tapped::Again(_) => tapped = self.tap(guest, request, id, Vec::new()).await?,
                over @ (Tapped::Green(_) | Tapped::Refused(_)) => return Ok(over),
            }
        }
        Ok(tapped)
    }
}

impl Place {
    /// Asks for something, and loses the power as in [`Place::hold_into_power_cut`].
    pub async fn tap_into_power_cut(
        &self,
        guest: &mut Guest,
        request: &Request,
        id: &str,
        pages: usize,
    ) -> Result<bool> {
        let asked = self.api.ask::<Outcome>(request.path(), &request.body(id)).await?;
        ensure!(asked.is_ok(), "{}: {:?}", self.name(), asked.err());
        // Should this hand be too slow, the band goes before the deciding page: the tap cannot end well.
        self.hold_into_power_cut(&guest.band.chip, pages, fault("leave before write 5")?)
    }

    /// Holds a band there for what waits, and takes the box's power the moment that `pages` pages of the chip have
    /// changed: the chip's next answer never comes. Gives whether the light was green all the same.
    pub fn hold_into_power_cut(&self, band: &SharedBand, pages: usize, faults: Vec<Fault>) -> Result<bool> {
        block_in_place(|| {
            let before = band.chip();
            let presented = self.field()?.present(band, faults)?;
            let end = Instant::now() + SOON;
            // The field answers for the chip under its lock: while it is held here, the box waits.
            while !band.with(|chip| {
                let changed = chip.memory().chunks(4).zip(before.memory().chunks(4)).filter(|(now, then)| now != then);
                let is_time = changed.count() >= pages;
                if is_time { self.kill().map(|()| true) } else { Ok(false) }
            })? {
                ensure!(Instant::now() < end, "{}: the chip was not written", self.name());
                std::thread::yield_now();
            }
            let green = presented.wait_signal(Duration::ZERO) == Some(Signal::Ok);
            presented.remove();
            Ok(green)
        })
    }
}
