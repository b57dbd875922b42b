//! Three gates of one group on a LAN with a real broker, without the hub.
//! Not here: what they decide (the tests).
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use screens::{
    post::Scan,
    view::{GateVerdict, LanView},
};
use serde_json::{Value, json};

use super::{
    World,
    broker::Broker,
    place::{Place, Post},
    wait::until,
};

const SOON: Duration = Duration::from_secs(40);

/// Their names.
pub const NAMES: [&str; 3] = ["Gate A", "Gate B", "Gate C"];

/// Three gates on a LAN.
pub struct ThreeGates {
    /// Hub and gates.
    pub world: World,
    /// Their broker.
    pub broker: Broker,
    /// Tickets that nobody has shown yet.
    pub tickets: Vec<String>,
}

/// How a gate stands among its neighbours.
pub async fn standing(gate: &Place) -> Result<LanView> {
    Ok(gate.view().await?.lan.unwrap_or_default())
}

/// A guest shows a ticket.
pub async fn show(gate: &Place, text: &str) -> Result<GateVerdict> {
    gate.api.post("/api/gate/scan", &Scan { text: text.into() }).await
}

impl ThreeGates {
    /// One group, so many tickets, and then no hub any more.
    pub async fn apart_from_the_hub(copies: u8, tickets: usize) -> Result<Self> {
        Self::that_are(&["gate"], copies, tickets).await
    }

    /// The same of boxes with these roles.
    pub async fn that_are(roles: &'static [&'static str], copies: u8, tickets: usize) -> Result<Self> {
        let posts = NAMES.map(|name| Post { name, roles, pairing: false });
        let world = World::of(&posts).await?;
        let broker = Broker::start(&world.dir().join("broker"))?;
        let mut texts = Vec::new();
        for _ in 0..tickets {
            texts.push(world.hub.issue(&json!({ "category": 1, "holder": "" })).await?.text);
        }
        let gates = Self { world, broker, tickets: texts };
        gates.group(copies, &NAMES).await?;
        gates.world.wait_until_agreed(SOON).await?;
        gates.wait_for_group(&NAMES, 1).await?;
        gates.world.cut(&NAMES)?;
        for gate in &gates.world.places {
            gate.wait_for_link(false, Duration::from_secs(60)).await?;
        }
        Ok(gates)
    }

    /// The gate of this name.
    pub fn gate(&self, name: &str) -> Result<&Place> {
        self.world.place(name)
    }

    /// The technician lays the group's list into the hub's folder; returns once every box has it.
    pub async fn group(&self, copies: u8, names: &[&str]) -> Result<()> {
        let folder = self.world.hub.dir.join("lan");
        std::fs::create_dir_all(&folder)?;
        let festival = self.world.technician.dir().display().to_string();
        let (out, copies) = (folder.join("1.cbor").display().to_string(), copies.to_string());
        let broker = self.broker.address().to_string();
        let mut arguments: Vec<String> = ["lan", "group", "--festival", &festival, "--out", &out, "--number", "1"]
            .into_iter()
            .chain(["--broker", &broker, "--copies", &copies])
            .map(str::to_owned)
            .collect();
        for name in names {
            let number = self.world.technician.number_of(name)?;
            arguments.extend(["--box".to_owned(), number.to_string()]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.world.technician.programs().provision(&arguments)?;
        let taken: Value = self.world.hub.api.post("/api/lan/adopt", &json!({})).await?;
        ensure!(taken["groups"][0]["boxes"] == names.len(), "{taken}");
        self.world.wait_for_bundle(SOON).await
    }

    /// Waits until these decide together under the list of this version.
    pub async fn wait_for_group(&self, names: &[&str], list: u32) -> Result<()> {
        let together = until("the gates decide together", SOON, async || {
            for name in names {
                let lan = standing(self.gate(name)?).await?;
                if !lan.is_group || lan.list != list || lan.heard < u32::try_from(names.len())? {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        });
        together.await.with_context(|| format!("list {list} of {names:?}"))
    }

    /// Waits until every gate knows that it is alone.
    pub async fn wait_until_alone(&self) -> Result<()> {
        until("the gates notice that they are alone", SOON, async || {
            for gate in &self.world.places {
                if standing(gate).await?.is_group {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
    }
}
