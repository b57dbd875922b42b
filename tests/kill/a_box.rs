//! A box that is a gate, a till and a top-up desk at once, and one guest of each kind of band.
//! Invariant: a guest's lights are what they saw; what a kill hid from them is asked for again with the same key.
//! Not here: the tracer (`strace`), the hub (`a_hub`).
use std::{
    collections::VecDeque,
    path::PathBuf,
    process::{Child, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use domain::{
    journal::{Entry, Kind},
    wristband::CreditKey,
};
use evening::{
    audit::{audit, credit_keys, journals::Journals},
    chance::Chance,
    evening::prices::{edit_at_box, set, take_on_a_manager},
    guest::Guest,
    ticket::Paper,
    world::{World, counter::Request, hub::Issued, place::Place, place::Post, wait::until},
};
use hardware::signal::Signal;
use screens::view::{BoxView, DocumentView, Phase, TapResult};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::block_in_place;

use crate::{START, STOP, Script, value};

const SOON: Duration = Duration::from_secs(30);
const POST: Post = Post { name: "Bar 1", roles: &["gate", "bar", "top-up"], pairing: false };
/// Whoever has less gets more before the next sale.
const PURSE_FULL: i64 = 2_000;
const TOP_UP: u32 = 4_000;
const PRICE: &str = "product/2/price";

const ADMISSION: &str = "admission";
const PURSE_SALE: &str = "sale on a purse";
const ACCOUNT_SALE: &str = "sale on an account";
const TOP_UPS: &str = "top-up";
const SESSION: &str = "session";
const EDIT: &str = "document edit";
const LOAD: &str = "bundle from a stick";

/// What a box answers to a request.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Outcome {
    phase: Phase,
    result: Option<TapResult>,
}

/// A request under way.
struct Asked {
    id: String,
    request: Request,
    of_purse: bool,
    /// Its light was green, whether or not anybody learned of which entry.
    was_green: bool,
    /// What the screens showed after the last restart.
    shown: Option<BoxView>,
}

/// The box under the knife.
pub(crate) struct ABox {
    world: World,
    purse: Guest,
    account: Guest,
    keys: Vec<CreditKey>,
    chance: Chance,
    asked: Option<Asked>,
    /// Green lights by name, with the entry's bytes as they stood in the box's store then.
    greens: Vec<(String, Vec<u8>)>,
    tickets: VecDeque<Issued>,
    scanned: usize,
    admitted: Option<String>,
    price: Option<(u32, bool)>,
    categories: u16,
    loading: Option<PathBuf>,
    loaded: u64,
}

fn paper() -> Paper {
    Paper { text: String::new(), refused_with: None, id: None }
}

impl ABox {
    /// A festival with this box, everything on.
    pub(crate) async fn at_work() -> Result<Self> {
        let world = World::of(&[POST]).await?;
        // with one on the list nobody sells who is not logged in
        take_on_a_manager(&world).await?;
        let (purse, account) = (world.supplier.purse(1)?, world.supplier.uid_only(1));
        let keys = credit_keys(&world).await?;
        Ok(Self {
            world,
            purse: Guest::new(1, paper(), purse),
            account: Guest::new(2, paper(), account),
            keys,
            chance: Chance::new(55),
            asked: None,
            greens: Vec::new(),
            tickets: VecDeque::new(),
            scanned: 0,
            admitted: None,
            price: None,
            categories: 200,
            loading: None,
            loaded: 0,
        })
    }

    fn place(&self) -> &Place {
        &self.world.places[0]
    }

    /// Chips, journals, hub and lights tell the same in the end.
    pub(crate) async fn reckon_up(mut self) -> Result<()> {
        self.world.mend().await?;
        self.world.wait_until_agreed(SOON).await?;
        let journals = Journals::read(&self.world.hub.dir)?;
        for (name, bytes) in &self.greens {
            let entry = journals.named(name).with_context(|| format!("{name} was green and is not at the hub"))?;
            ensure!(entry.to_bytes() == *bytes, "{name} is another entry at the hub");
        }
        let admissions = journals.all().filter(|(_, entry)| entry.kind == Kind::ADMISSION).count();
        ensure!(admissions == self.scanned, "{admissions} admissions of {} tickets", self.scanned);
        let guests = [
            std::mem::replace(&mut self.purse, Guest::new(0, paper(), self.world.supplier.uid_only(9))),
            std::mem::replace(&mut self.account, Guest::new(0, paper(), self.world.supplier.uid_only(9))),
        ];
        let mut report = audit(&self.world, &guests, &[], None).await?;
        // whoever came in was nobody's guest, and was counted above
        report.reasons.retain(|reason| !reason.contains("are inside by the entries"));
        ensure!(report.reasons.is_empty(), "{report:#?}");
        Ok(())
    }

    fn body_of(&self, name: &str) -> Result<Vec<u8>> {
        let mut numbers = name.split('/').skip(1).map(|part| part.parse::<i64>());
        let (Some(Ok(epoch)), Some(Ok(seq))) = (numbers.next(), numbers.next()) else {
            bail!("an entry's name: {name}")
        };
        let at = epoch << 32 | seq;
        let body = value::<Vec<u8>>(&self.folder().join("store.db"), "SELECT body FROM entry WHERE at = ?1", [at])?;
        let body = body.with_context(|| format!("the box lacks {name}, which was green"))?;
        Entry::from_bytes(&body).with_context(|| name.to_owned())?;
        Ok(body)
    }

    fn guest(&mut self, of_purse: bool) -> &mut Guest {
        if of_purse { &mut self.purse } else { &mut self.account }
    }

    fn on_chip(&self) -> Result<i64> {
        self.purse.band.balance_on_chip(&self.world.supplier, &self.keys)?.context("a purse")
    }

    /// Asks for something and holds the band there until it is done, or the box is gone.
    async fn serve(&mut self, of_purse: bool, request: Request) -> Result<()> {
        if self.asked.is_none() {
            let id = self.chance.request_id();
            self.asked = Some(Asked { id, request, of_purse, was_green: false, shown: None });
        }
        for _ in 0..6 {
            if self.tap().await? {
                return Ok(());
            }
        }
        bail!("the band was held there six times and it is not over")
    }

    async fn tap(&mut self) -> Result<bool> {
        let asked = self.asked.as_mut().context("nothing was asked")?;
        let (id, request, of_purse) = (asked.id.clone(), asked.request.clone(), asked.of_purse);
        let shown = asked.shown.take();
        let was_green = asked.was_green;
        let api = self.place().api.clone();
        let answer = api.ask::<Outcome>(request.path(), &request.body(&id)).await?;
        let answer = answer.map_err(|no| anyhow::anyhow!("{request:?}: {no:?}"))?;
        if let Outcome { phase: Phase::Paid, result: Some(result) } = answer {
            if let Some(shown) = shown.filter(|_| !was_green) {
                let asks = shown.unconfirmed_paid.iter().any(|paid| paid.entry == result.entry);
                ensure!(asks, "{} was paid, nobody saw a light, and the box does not ask: {shown:#?}", result.entry);
            }
            self.done(&result)?;
            return Ok(true);
        }
        ensure!(!was_green, "the light was green for {request:?}, and the box asks for the band again");
        if of_purse
            && self.on_chip()? != self.purse.expects_cents()
            && let Some(shown) = shown
        {
            ensure!(!shown.in_doubt.is_empty(), "the chip has changed and nothing is in doubt: {shown:#?}");
        }
        let band = self.guest(of_purse).band.chip.clone();
        let light = self.place().hold(&band, Vec::new())?.context("the light stays dark")?;
        if light == Signal::Ok
            && let Some(asked) = self.asked.as_mut()
        {
            asked.was_green = true;
        }
        let path = format!("{}?wait_ms=5000", request.path());
        let outcome = api.ask::<Outcome>(&path, &request.body(&id)).await?;
        let Outcome { result, .. } = outcome.map_err(|no| anyhow::anyhow!("after the tap: {no:?}"))?;
        let result = result.context("no result")?;
        match light {
            Signal::Ok => self.done(&result).map(|()| true),
            Signal::TapAgain => Ok(false),
            Signal::Refuse | Signal::Warn => bail!("{request:?} is refused: {result:?}"),
        }
    }

    /// It was green, and the guest knows for which entry.
    fn done(&mut self, result: &TapResult) -> Result<()> {
        let Asked { request, of_purse, .. } = self.asked.take().context("nothing was asked")?;
        let seen = request.seen().context("a request with a light")?;
        let cents = result.charged_cents.saturating_abs();
        self.guest(of_purse).saw(seen, cents, Some(result.entry.clone()), POST.name);
        let body = self.body_of(&result.entry)?;
        self.greens.push((result.entry.clone(), body));
        let (on_chip, expected) = (self.on_chip()?, self.purse.expects_cents());
        ensure!(on_chip == expected, "the guest saw {expected} cents, the chip has {on_chip}");
        Ok(())
    }

    /// Enough money for the next sale.
    async fn filled(&mut self, of_purse: bool) -> Result<()> {
        if self.guest(of_purse).expects_cents() < PURSE_FULL {
            self.serve(of_purse, Request::TopUp(TOP_UP)).await?;
        }
        Ok(())
    }

    async fn scan(&mut self) -> Result<()> {
        let ticket = self.tickets.front().context("no ticket")?.clone();
        let verdict: Value = self.place().api.post("/api/gate/scan", &json!({ "text": ticket.text })).await?;
        match (verdict["admitted"].as_bool(), verdict["code"].as_str()) {
            (Some(true), _) => {
                let name = verdict["entry"].as_str().context("no entry")?.to_owned();
                let body = self.body_of(&name)?;
                self.greens.push((name, body));
            }
            // committed before the kill, and nobody was told: the gate says when and where, which is here and now
            (Some(false), Some("ticket.already_used")) => {}
            _ => bail!("{verdict:#}"),
        }
        self.scanned += 1;
        self.admitted = self.tickets.pop_front().map(|ticket| ticket.text);
        Ok(())
    }

    /// What was sold reaches the hub, and what the hub says of it comes back.
    async fn heard(&mut self) -> Result<()> {
        let place = self.place();
        until("the box has sent everything and heard the answer", SOON, async || {
            ensure!(place.is_running(), "the box is gone");
            let own: evening::world::hub::Agreement = place.api.get("/api/agreement").await?;
            Ok(own.is_with(&self.world.hub.agreement().await?).then_some(()))
        })
        .await
    }

    async fn log_in(&self) -> Result<()> {
        let pin = screens::post::Pin { number: 7, pin: "482913".into() };
        self.place().api.post::<Value>("/api/staff/log-in", &pin).await.map(drop)
    }

    async fn price(&self) -> Result<Option<u32>> {
        let catalogue: DocumentView = self.place().api.get("/api/documents/catalogue").await?;
        Ok(catalogue.fields.get(PRICE).and_then(|price| price.parse().ok()))
    }

    async fn edit(&mut self) -> Result<()> {
        let (price, _) = self.price.context("no price")?;
        if self.price().await? != Some(price) {
            edit_at_box(self.place(), "catalogue", set(PRICE, &price.to_string())).await?;
        }
        self.price = Some((price, true));
        Ok(())
    }

    async fn load(&mut self) -> Result<()> {
        let file = self.loading.clone().context("no file")?;
        let number = domain::bundle::Bundle::verify(&std::fs::read(&file)?, Some(self.world.festival()))?.body.number;
        let mut command = self.world.technician.programs().command("edge");
        command.arg("load").arg("--dir").arg(self.folder()).arg(&file);
        let mut loader = Loader(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        let status = until("the stick was read", SOON, async || {
            ensure!(self.place().is_running(), "the box is gone");
            Ok(loader.0.try_wait()?)
        });
        ensure!(status.await?.success(), "the stick was refused: {}", self.place().log());
        self.loaded = number;
        Ok(())
    }
}

/// Whoever put the stick in does not wait for a box that is gone.
struct Loader(Child);

impl Drop for Loader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Script for ABox {
    const STEPS: &'static [&'static str] =
        &[START, ADMISSION, PURSE_SALE, ACCOUNT_SALE, TOP_UPS, SESSION, EDIT, LOAD, STOP];

    fn folder(&self) -> PathBuf {
        self.place().dir.clone()
    }

    fn pid(&self) -> Option<u32> {
        self.place().pid()
    }

    fn start_under(&self, under: &[String]) -> Result<()> {
        self.place().start_under(under)
    }

    fn kill(&self) -> Result<()> {
        self.place().kill()
    }

    async fn prepare(&mut self, step: &'static str) -> Result<()> {
        if step != LOAD && self.place().wire.is_cut() {
            self.place().wire.mend();
            self.place().wait_for_link(true, SOON).await?;
        }
        match step {
            START => block_in_place(|| self.place().kill())?,
            ADMISSION if self.tickets.is_empty() => {
                for _ in 0..50 {
                    let order = json!({ "category": 1, "holder": "" });
                    self.tickets.push_back(self.world.hub.issue(&order).await?);
                }
            }
            PURSE_SALE => self.filled(true).await?,
            ACCOUNT_SALE | SESSION => self.filled(false).await?,
            // what is taken off again keeps it below the most that may be on a band
            TOP_UPS => {
                while self.purse.expects_cents() > 2 * PURSE_FULL {
                    self.serve(true, Request::Sale(vec![(1, 4)], 0)).await?;
                }
            }
            EDIT => {
                let before = self.price().await?.context("no price")?;
                self.price = Some((if before == 400 { 410 } else { 400 }, false));
            }
            LOAD => {
                if !self.place().wire.is_cut() {
                    self.place().wire.cut();
                    block_in_place(|| self.place().kill().and_then(|()| self.place().start()))?;
                    self.log_in().await?;
                }
                self.categories += 1;
                let name = format!("Stick {}", self.categories);
                self.world.hub.add_category(self.categories, [&name, &name], 1).await?;
                let file = self.world.dir().join("stick.fbun");
                std::fs::write(&file, self.world.hub.bundle().await?)?;
                self.loading = Some(file);
            }
            _ => {}
        }
        Ok(())
    }

    async fn act(&mut self, step: &'static str) -> Result<()> {
        match step {
            START => self.heard().await,
            ADMISSION => self.scan().await,
            PURSE_SALE => self.serve(true, Request::Sale(vec![(1, 1)], 0)).await,
            ACCOUNT_SALE => self.serve(false, Request::Sale(vec![(1, 1)], 0)).await,
            TOP_UPS => self.serve(true, Request::TopUp(500)).await,
            SESSION => {
                self.serve(false, Request::Sale(vec![(1, 1)], 0)).await?;
                self.heard().await
            }
            EDIT => self.edit().await,
            LOAD => self.load().await,
            STOP => match self.place().is_running() {
                true => block_in_place(|| self.place().stop(SOON)),
                false => Ok(()),
            },
            other => bail!("no step {other}"),
        }
    }

    async fn look(&mut self, step: &'static str) -> Result<()> {
        if self.pid().is_none() {
            return Ok(());
        }
        self.log_in().await?;
        let view = self.place().view().await?;
        ensure!(view.degraded.is_none(), "{:?}", view.degraded);
        // nothing was changed on this disk, and nothing may be taken for that
        ensure!(view.alerts.is_empty(), "{:?}", view.alerts);
        if let Some(asked) = &mut self.asked {
            asked.shown = Some(view);
        }
        for (name, bytes) in self.greens.iter().rev().take(3) {
            ensure!(self.body_of(name)? == *bytes, "{name} was green and is another entry now");
        }
        if let (Some(text), ADMISSION | START) = (&self.admitted, step) {
            let verdict: Value = self.place().api.post("/api/gate/scan", &json!({ "text": text })).await?;
            ensure!(verdict["code"] == "ticket.already_used", "whoever is in comes in again: {verdict:#}");
        }
        if let (Some((price, true)), EDIT) = (self.price, step) {
            ensure!(self.price().await? == Some(price), "the edit was taken and is gone");
        }
        let health: Value = self.place().api.get("/api/health").await?;
        let held = health["bundle_number"].as_u64();
        ensure!(held >= Some(self.loaded), "bundle {} was taken and {held:?} is in use", self.loaded);
        Ok(())
    }
}
