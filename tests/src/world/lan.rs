//! Three gates of one group on a LAN with a real broker, without the hub.
//! Not here: what they decide (the tests).
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use edge::config::Enrolled;
use screens::{
    post::Scan,
    view::{GateVerdict, LanView},
};
use serde_json::{Value, json};

use super::{
    World,
    broker::Broker,
    lines::{Line, Lines},
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
    /// Their lines to it, where each has one of its own.
    pub lines: Option<Lines>,
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
        Self::laid(roles, copies, tickets, false).await
    }

    /// One group of gates, so many tickets, and a line from each gate to the broker that can be cut alone.
    pub async fn on_lines(tickets: usize) -> Result<Self> {
        Self::laid(&["gate"], 1, tickets, true).await
    }

    async fn laid(roles: &'static [&'static str], copies: u8, tickets: usize, on_lines: bool) -> Result<Self> {
        let posts = NAMES.map(|name| Post { name, roles, pairing: false });
        let world = World::of(&posts).await?;
        let broker = Broker::start(&world.dir().join("broker"))?;
        let lines = if on_lines { Some(Lines::lay(broker.address()).await?) } else { None };
        let mut texts = Vec::new();
        for _ in 0..tickets {
            texts.push(world.hub.issue(&json!({ "category": 1, "holder": "" })).await?.text);
        }
        let gates = Self { world, broker, lines, tickets: texts };
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

    /// Sets the lines of these gates to the broker.
    pub fn line(&self, names: &[&str], line: Line) -> Result<()> {
        let lines = self.lines.as_ref().context("these gates have no lines of their own")?;
        for name in names {
            let device =
                domain::id::device_id(&Enrolled::read(&self.gate(name)?.dir)?.identity.verifying_key().to_bytes());
            lines.set(&device.to_hex(), line);
        }
        Ok(())
    }

    /// The technician lays the group's list into the hub's folder; returns once every box has it.
    pub async fn group(&self, copies: u8, names: &[&str]) -> Result<()> {
        self.group_with(copies, names, None).await
    }

    /// The same, where one of them hosts the broker and breaks ties.
    pub async fn group_with(&self, copies: u8, names: &[&str], host: Option<&str>) -> Result<()> {
        let folder = self.world.hub.dir.join("lan");
        std::fs::create_dir_all(&folder)?;
        let festival = self.world.technician.dir().display().to_string();
        let (out, copies) = (folder.join("1.cbor").display().to_string(), copies.to_string());
        let broker = self.lines.as_ref().map_or(self.broker.address(), Lines::near).to_string();
        let mut arguments: Vec<String> = ["lan", "group", "--festival", &festival, "--out", &out, "--number", "1"]
            .into_iter()
            .chain(["--broker", &broker, "--copies", &copies])
            .map(str::to_owned)
            .collect();
        for name in names {
            let number = self.world.technician.number_of(name)?;
            arguments.extend(["--box".to_owned(), number.to_string()]);
        }
        if let Some(host) = host {
            arguments.extend(["--host".to_owned(), self.world.technician.number_of(host)?.to_string()]);
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
