//! One harness for everything that needs several parts: a festival in a folder of its own, hub and boxes as separate
//! processes, a wire each, bands, guests and people at counters.
//! Invariant: nothing of it outlives the `World`, and nobody waits without a bound.
//! Not here: stories (`evening`) and their reckoning (`audit`).
pub mod broker;
pub mod counter;
pub mod https;
pub mod hub;
pub mod lan;
pub mod lines;
pub mod place;
pub mod process;
pub mod technician;
pub mod wait;
pub mod wire;

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use domain::{bundle::Bundle, id::FestivalId};
use tempfile::TempDir;
use tokio::task::block_in_place;

use crate::{band::Supplier, ticket::Interop};
use hub::{Agreement, Hub};
use place::{Place, Post};
use process::Programs;
use technician::Technician;
use wait::until;
use wire::Wire;

/// 2027-07-03 14:00:00 UTC, the second day of the festival, Unix seconds.
pub const FESTIVAL_TIME: u64 = 1_814_623_200;

/// Gate A.
pub const GATE_A: Post = Post { name: "Gate A", roles: &["gate"], pairing: true };
/// Gate B.
pub const GATE_B: Post = Post { name: "Gate B", roles: &["gate"], pairing: true };
/// The bar.
pub const BAR: Post = Post { name: "Bar 1", roles: &["bar"], pairing: false };
/// The top-up desk, which sells as well.
pub const DESK: Post = Post { name: "Desk", roles: &["top-up", "bar"], pairing: false };

/// What a world consists of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Boxes.
    pub posts: Vec<Post>,
    /// Time that the hub's clock starts with; `None`: the present.
    pub rehearse_at: Option<u64>,
    /// Whether tickets that pretix sold are imported before the boxes are enrolled.
    pub pretix: bool,
    /// Whether accounts are under escrow from the start.
    pub escrow: bool,
}

/// Whoever is told what happens next.
pub type Say = dyn Fn(&str) + Send + Sync;

/// Number and zones (bit 2: the camping) of a category that opens no gate.
pub const CAMPING: (u16, u32) = (90, 4);

impl Plan {
    /// The four boxes of the evening, on its date.
    pub fn evening() -> Self {
        Self { posts: vec![GATE_A, GATE_B, BAR, DESK], rehearse_at: Some(FESTIVAL_TIME), pretix: true, escrow: false }
    }

    /// These boxes only.
    pub fn of(posts: &[Post]) -> Self {
        Self { posts: posts.to_vec(), rehearse_at: Some(FESTIVAL_TIME), pretix: false, escrow: false }
    }
}

/// A festival at work.
pub struct World {
    /// The technician and the organiser's folder.
    pub technician: Technician,
    /// The hub.
    pub hub: Hub,
    /// Boxes, in the plan's order.
    pub places: Vec<Place>,
    /// Makes bands.
    pub supplier: Supplier,
    client: reqwest::Client,
    // dropped last: the processes above write into it
    dir: TempDir,
}

impl World {
    /// Founds a festival, enrols hub and boxes as a technician does, and switches everything on. `say` tells each step.
    pub async fn start(programs: &Programs, plan: &Plan, say: &Say) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("festival-").tempdir()?;
        say("founding the festival");
        let technician = Technician::found(programs, &dir.path().join("organiser"))?;
        say("enrolling the hub");
        let hub_dir = dir.path().join("hub");
        technician.enrol_hub(&hub_dir)?;
        if plan.escrow {
            under_escrow(&hub_dir.join("festival.toml"))?;
        }
        let client = https::client(&std::fs::read(hub_dir.join("tls/ca.pem")).context("tls/ca.pem")?)?;
        let supplier = technician.supplier(&hub_dir)?;
        let hub = Hub::new(&hub_dir, client.clone(), programs, plan.rehearse_at)?;
        let mut world = Self { technician, hub, places: Vec::new(), supplier, client, dir };
        say("switching on the hub");
        world.start_hub()?;
        if plan.pretix {
            let interop = Interop::read()?;
            say("importing two events of pretix");
            world.hub.import_pretix(&interop, &["main", "series"]).await?;
            world.hub.add_category(CAMPING.0, ["Camping seul", "Camping add-on"], CAMPING.1).await?;
        }
        let bundle = world.hub.bundle().await?;
        std::fs::write(world.technician.bundle(), &bundle).context("the bundle for new boxes")?;
        for (number, post) in plan.posts.iter().enumerate() {
            say(&format!("enrolling {}", post.name));
            world.enrol(*post, &format!("box-{}", number + 1)).await?;
        }
        say("switching on the boxes");
        block_in_place(|| {
            std::thread::scope(|threads| {
                let started: Vec<_> = world.places.iter().map(|place| threads.spawn(|| place.start())).collect();
                started
                    .into_iter()
                    .try_for_each(|place| place.join().map_err(|_| anyhow::anyhow!("a starting thread panicked"))?)
            })
        })?;
        say("waiting until every box has heard the hub");
        world.wait_until_agreed(Duration::from_secs(30)).await?;
        world.wait_for_bundle(Duration::from_secs(30)).await?;
        Ok(world)
    }

    /// A small world of these boxes; nobody watches it start.
    pub async fn of(posts: &[Post]) -> Result<Self> {
        Self::start(Programs::built()?, &Plan::of(posts), &|_| {}).await
    }

    /// Switches the hub on (again) and leads all wires to it.
    pub fn start_hub(&self) -> Result<()> {
        self.start_hub_under(&[])
    }

    /// The same, run by another program whose command line `under` begins (a tracer).
    pub fn start_hub_under(&self, under: &[String]) -> Result<()> {
        let quic = block_in_place(|| self.hub.start_under(under))?;
        self.places.iter().for_each(|place| place.wire.lead_to(quic));
        Ok(())
    }

    /// Enrols one more box, switched off.
    pub async fn enrol(&mut self, post: Post, folder: &str) -> Result<&Place> {
        let dir = self.dir.path().join(folder);
        let screens = free_address(11 + self.places.len())?;
        let wire = Wire::lay().await?;
        if let Some(quic) = self.hub.quic() {
            wire.lead_to(quic);
        }
        let screen_key = block_in_place(|| self.technician.enrol_box(&dir, &post, &wire.near().to_string(), &screens))?;
        let place = Place::new(post, &dir, wire, self.client.clone(), &screen_key, self.technician.programs());
        self.places.push(place);
        self.places.last().context("no box")
    }

    /// The box at a place.
    pub fn place(&self, name: &str) -> Result<&Place> {
        self.places.iter().find(|place| place.name() == name).with_context(|| format!("no box at {name}"))
    }

    /// The folder of everything.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Leaves the folder on disk when the world ends.
    pub fn keep(&mut self) {
        self.dir.disable_cleanup(true);
    }

    /// The festival.
    pub fn festival(&self) -> FestivalId {
        self.technician.festival()
    }

    /// Cuts the wires of these places, at once and without a word to them.
    pub fn cut(&self, names: &[&str]) -> Result<()> {
        names.iter().try_for_each(|name| {
            self.place(name)?.wire.cut();
            Ok(())
        })
    }

    /// Mends all wires and waits until every box reaches the hub.
    pub async fn mend(&self) -> Result<()> {
        self.places.iter().for_each(|place| place.wire.mend());
        for place in &self.places {
            place.wait_for_link(true, Duration::from_secs(30)).await?;
        }
        Ok(())
    }

    /// What every running box and the hub believe, the hub first.
    pub async fn beliefs(&self) -> Result<Vec<(&'static str, Agreement)>> {
        let mut beliefs = vec![("hub", self.hub.agreement().await?)];
        for place in self.places.iter().filter(|place| place.is_running()) {
            beliefs.push((place.name(), place.api.get("/api/agreement").await?));
        }
        Ok(beliefs)
    }

    /// Waits until every running box and the hub agree and nothing is on its way.
    pub async fn wait_until_agreed(&self, within: Duration) -> Result<()> {
        let agreed = until("every box and the hub agree", within, async || {
            let beliefs = self.beliefs().await?;
            let Some(((_, hub), boxes)) = beliefs.split_first() else { return Ok(None) };
            Ok(boxes.iter().all(|(_, believed)| believed.is_with(hub)).then_some(()))
        });
        match agreed.await {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(format!("{:#?}", self.beliefs().await?))),
        }
    }

    /// Waits until every desk's credit key is in the hub's bundle and every running box uses that bundle.
    pub async fn wait_for_bundle(&self, within: Duration) -> Result<()> {
        let desks = self.places.iter().filter(|place| place.post.roles.contains(&"top-up")).count();
        until("every box uses the newest bundle", within, async || {
            let bundle = Bundle::verify(&self.hub.bundle().await?, Some(self.festival()))?;
            if bundle.body.credit_keys.len() <= desks {
                return Ok(None); // the hub's own key is there from the start
            }
            for place in self.places.iter().filter(|place| place.is_running()) {
                let health: serde_json::Value = place.api.get("/api/health").await?;
                if health["bundle_number"].as_u64().is_none_or(|number| number < bundle.body.number) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
    }

    /// Ends everything in an orderly way.
    pub fn stop(&self) -> Result<()> {
        let within = Duration::from_secs(10);
        let stopped: Vec<Result<()>> = self.places.iter().map(|place| place.stop(within)).collect();
        self.hub.stop(within)?;
        stopped.into_iter().collect()
    }
}

/// An address of its own on loopback, since browsers keep cookies by address and not by port; the same after each start,
/// as a place's tablets know it.
fn free_address(host: usize) -> Result<String> {
    let address = std::net::TcpListener::bind(format!("127.0.0.{host}:0"))?.local_addr()?;
    Ok(address.to_string())
}

/// As the organiser writes it.
fn under_escrow(festival: &Path) -> Result<()> {
    let decided = std::fs::read_to_string(festival).context("festival.toml")?;
    let (limit, escrow) = ("accounts = \"limit\"", "accounts = \"escrow\"");
    anyhow::ensure!(decided.contains(limit), "festival.toml says nothing of accounts");
    Ok(std::fs::write(festival, decided.replace(limit, escrow))?)
}

impl Drop for World {
    fn drop(&mut self) {
        // before the folder goes: a daemon that dies later would write into it
        self.places.iter().for_each(|place| drop(place.kill()));
        drop(self.hub.kill());
    }
}
