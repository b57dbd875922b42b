//! The hub, with two boxes that sell, and what an operator does at its console.
//! Invariant: what boxes were told is read from their own disks, not from the hub.
//! Not here: the tracer (`strace`), the boxes (`a_box`).
use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use domain::{journal::Kind, wire::hex};
use evening::{
    audit::journals::Journals,
    chance::Chance,
    guest::Guest,
    ticket::Paper,
    world::{
        World,
        counter::{Request, Tapped},
        place::Post,
        wait::until,
    },
};
use screens::view::MatterPage;
use serde_json::{Value, json};
use tokio::task::block_in_place;

use crate::{START, STOP, Script, value};

const SOON: Duration = Duration::from_secs(30);
/// A box that has met one short-lived hub after another waits half a minute before it tries again, and may notice the last
/// end late.
const AGREED_WITHIN: Duration = Duration::from_secs(90);
const BAR: Post = Post { name: "Bar 1", roles: &["bar", "top-up"], pairing: false };
const OTHER: Post = Post { name: "Bar 2", roles: &["bar"], pairing: false };

const SESSION: &str = "ingest and deltas";
const BLOCK: &str = "block a band";
const RULING: &str = "a ruling";
const BUNDLE: &str = "a ticket and its bundle";
/// After so many kills boxes and hub are compared in full; it takes a session of every box.
const AGREE_EVERY: usize = 15;

/// The hub under the knife.
pub(crate) struct AHub {
    world: World,
    guest: Guest,
    chance: Chance,
    term: u32,
    kills: usize,
    /// Bands that the console said are blocked.
    blocked: Vec<String>,
    blocking: Option<String>,
    matter: String,
    rulings: usize,
    tickets: Vec<String>,
    bundle: u64,
}

fn one_thing() -> Request {
    Request::Sale(vec![(1, 1)], 0)
}

impl AHub {
    /// A festival with two bars and a band that was overspent at both, so that there is something to decide.
    pub(crate) async fn at_work() -> Result<Self> {
        let world = World::of(&[BAR, OTHER]).await?;
        let paper = || Paper { text: String::new(), refused_with: None, id: None };
        let guest = Guest::new(1, paper(), world.supplier.purse(1)?);
        let mut cheat = Guest::new(2, paper(), world.supplier.uid_only(2));
        let mut script = Self {
            guest,
            chance: Chance::new(56),
            term: world.hub.agreement().await?.term,
            kills: 0,
            blocked: Vec::new(),
            blocking: None,
            matter: String::new(),
            rulings: 0,
            tickets: Vec::new(),
            bundle: 0,
            world,
        };
        script.matter = script.overspent(&mut cheat).await?;
        Ok(script)
    }

    async fn overspent(&mut self, cheat: &mut Guest) -> Result<String> {
        let (bar, other) = (self.world.place(BAR.name)?, self.world.place(OTHER.name)?);
        bar.tap_until_over(cheat, &Request::TopUp(1_000), &self.chance.request_id(), Vec::new()).await?;
        self.world.wait_until_agreed(SOON).await?;
        self.world.cut(&[OTHER.name])?;
        for place in [bar, other] {
            while let Tapped::Green(_) =
                place.tap_until_over(cheat, &one_thing(), &self.chance.request_id(), Vec::new()).await?
            {}
        }
        self.world.mend().await?;
        self.world.wait_until_agreed(SOON).await?;
        let matter = until("the hub lists what was overspent", SOON, async || {
            let page: MatterPage = self.world.hub.api.get("/api/matters?state=open&kind=overspend").await?;
            Ok(page.matters.into_iter().next())
        });
        Ok(matter.await?.id)
    }

    fn hub_is_gone(&self) -> Result<()> {
        ensure!(self.world.hub.is_running(), "the hub is gone");
        Ok(())
    }

    /// A sale at a bar reaches the hub, and what the hub makes of it reaches the bar.
    async fn sold_and_heard(&mut self) -> Result<()> {
        let bar = self.world.place(BAR.name)?;
        let request = if self.guest.expects_cents() < 2_000 { Request::TopUp(4_000) } else { one_thing() };
        let id = self.chance.request_id();
        let tapped = bar.tap_until_over(&mut self.guest, &request, &id, Vec::new()).await?;
        ensure!(matches!(tapped, Tapped::Green(_)), "{tapped:?}");
        until("the bar has heard of its sale", SOON, async || {
            self.hub_is_gone()?;
            let own: evening::world::hub::Agreement = bar.api.get("/api/agreement").await?;
            Ok(own.is_with(&self.world.hub.agreement().await?).then_some(()))
        })
        .await
    }

    async fn block(&mut self) -> Result<()> {
        let id = format!("{:016x}{:016x}", self.chance.next_u64(), self.chance.next_u64());
        let wallet = self.blocking.get_or_insert(id).clone();
        self.world.hub.block_wallet(&wallet).await?;
        self.blocking = None;
        self.blocked.push(wallet);
        Ok(())
    }

    /// How many rulings there are, and what the matter shows.
    async fn held_rulings(&self) -> Result<(usize, Value)> {
        let mut shown: Value = self.world.hub.api.get(&format!("/api/matters/{}", self.matter)).await?;
        let matter = &mut shown["matter"];
        Ok((matter["rulings"].as_array().map_or(0, Vec::len), matter["seen"].take()))
    }

    async fn rule(&mut self) -> Result<()> {
        // one that was cut off may be there already
        let (rulings, seen) = self.held_rulings().await?;
        self.rulings = rulings;
        let action = if self.rulings.is_multiple_of(2) { "block" } else { "lift" };
        let body = json!({ "action": action, "by": "Ana", "reason": "seen at the office", "seen": seen });
        self.world.hub.api.post::<Value>(&format!("/api/matters/{}/resolve", self.matter), &body).await?;
        self.rulings += 1;
        Ok(())
    }

    async fn held_bundle(&self) -> Result<u64> {
        let bytes = self.world.hub.bundle().await?;
        Ok(domain::bundle::Bundle::verify(&bytes, Some(self.world.festival()))?.body.number)
    }

    async fn issue(&mut self) -> Result<()> {
        let before = self.held_bundle().await?;
        let issued = self.world.hub.issue(&json!({ "category": 1, "holder": "" })).await?;
        self.tickets.push(issued.id);
        self.bundle = until("the next bundle has the ticket", SOON, async || {
            self.hub_is_gone()?;
            Ok(Some(self.held_bundle().await?).filter(|number| *number > before))
        })
        .await?;
        Ok(())
    }

    /// What the boxes' disks say that the hub has acknowledged is in the hub's database, and the very same.
    fn acknowledged_is_held(&self) -> Result<()> {
        let hub = self.folder().join("hub.db");
        for place in &self.world.places {
            let store = place.dir.join("store.db");
            let device: Vec<u8> = value(&store, "SELECT device FROM box", [])?.context("no device")?;
            let acked: Option<i64> = value(&store, "SELECT acked_seq FROM epoch WHERE epoch = 0", [])?.flatten();
            let Some(acked) = acked else { continue };
            let held: Option<i64> = value(
                &hub,
                "SELECT max(r.last_seq) FROM runs r JOIN journals j ON j.festival = r.festival AND j.journal = r.journal
                 WHERE j.device = ?1 AND j.epoch = 0 AND r.run = 0",
                [&device],
            )?
            .flatten();
            ensure!(held >= Some(acked), "{}: entry {acked} was acknowledged, the hub holds {held:?}", place.name());
            let own: Vec<u8> = value(&store, "SELECT body FROM entry WHERE at = ?1", [acked])?.context("own entry")?;
            let theirs: Option<Vec<u8>> = value(
                &hub,
                "SELECT e.body FROM entries e JOIN journals j ON j.festival = e.festival AND j.journal = e.journal
                 WHERE j.device = ?1 AND j.epoch = 0 AND e.seq = ?2",
                rusqlite::params![device, acked],
            )?;
            ensure!(theirs.as_ref() == Some(&own), "{}: entry {acked} is another one at the hub", place.name());
        }
        Ok(())
    }

    /// Boxes, chips and hub tell the same in the end, and every green light has its entry.
    pub(crate) async fn reckon_up(self) -> Result<()> {
        self.boxes_are_back().await?;
        self.world.wait_until_agreed(SOON).await?;
        self.acknowledged_is_held()?;
        let journals = Journals::read(&self.world.hub.dir)?;
        for light in &self.guest.lights {
            let name = light.entry.as_deref().context("a light without an entry")?;
            ensure!(journals.named(name).is_some(), "{name} was green and is not at the hub");
        }
        let wallet: Value = self.world.hub.api.get(&format!("/api/wallets/{}", self.guest.band.wallet_hex())).await?;
        ensure!(wallet["balance_cents"] == self.guest.expects_cents(), "{wallet:#}");
        let totals: Value = self.world.hub.api.get("/api/totals").await?;
        ensure!(totals["balanced"] == true, "{totals:#}");
        Ok(())
    }

    /// Every box reaches the hub. One that saw it die again and again takes its time by now: it is switched off and on.
    async fn boxes_are_back(&self) -> Result<()> {
        for place in &self.world.places {
            if !place.view().await?.hub.connected {
                block_in_place(|| place.kill().and_then(|()| place.start()))?;
            }
            place.wait_for_link(true, SOON).await?;
        }
        Ok(())
    }
}

impl Script for AHub {
    const STEPS: &'static [&'static str] = &[START, SESSION, BLOCK, RULING, BUNDLE, STOP];

    fn folder(&self) -> PathBuf {
        self.world.hub.dir.clone()
    }

    fn pid(&self) -> Option<u32> {
        self.world.hub.pid()
    }

    fn start_under(&self, under: &[String]) -> Result<()> {
        self.world.start_hub_under(under)
    }

    fn kill(&self) -> Result<()> {
        self.world.hub.kill()
    }

    async fn prepare(&mut self, step: &'static str) -> Result<()> {
        match step {
            START => block_in_place(|| self.world.hub.kill()),
            // the wire is there before anything is counted
            SESSION => self.boxes_are_back().await,
            _ => Ok(()),
        }
    }

    async fn act(&mut self, step: &'static str) -> Result<()> {
        match step {
            START => self.held_bundle().await.map(drop),
            SESSION => self.sold_and_heard().await,
            BLOCK => self.block().await,
            RULING => self.rule().await,
            BUNDLE => self.issue().await,
            STOP => match self.world.hub.is_running() {
                true => block_in_place(|| self.world.hub.stop(SOON)),
                false => Ok(()),
            },
            other => bail!("no step {other}"),
        }
    }

    async fn look(&mut self, _: &'static str) -> Result<()> {
        if self.pid().is_none() {
            return Ok(());
        }
        self.acknowledged_is_held()?;
        let term = self.world.hub.agreement().await?.term;
        ensure!(term == self.term, "the hub is in term {term} and was in term {}", self.term);
        let health: Value = self.world.hub.api.get("/api/health").await?;
        ensure!(health["trouble"].is_null(), "{health:#}");
        let held = self.held_bundle().await?;
        ensure!(held >= self.bundle, "bundle {} was given out, the newest is {held}", self.bundle);
        ensure!(self.held_rulings().await?.0 >= self.rulings, "a ruling is gone");
        let journals = Journals::read(&self.world.hub.dir)?;
        for wallet in &self.blocked {
            let is_block =
                |entry: &domain::journal::Entry| entry.kind == Kind::BLOCK && hex(&entry.subject.0) == *wallet;
            ensure!(journals.all().any(|(_, entry)| is_block(entry)), "{wallet} was blocked and is not");
        }
        for ticket in self.tickets.iter().rev().take(2) {
            let png = self.world.hub.api.fetch(&format!("/api/tickets/{ticket}/qr.svg")).await?;
            ensure!(png.status().is_success(), "ticket {ticket} was issued and is gone");
        }
        self.kills += 1;
        if self.kills.is_multiple_of(AGREE_EVERY) {
            self.boxes_are_back().await?;
            self.world.wait_until_agreed(AGREED_WITHIN).await?;
        }
        Ok(())
    }
}
