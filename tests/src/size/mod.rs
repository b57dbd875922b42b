//! Sync at size: a real hub process on loopback, and boxes by the thousand that all come back at once.
//! Invariant: journals are written before any clock starts; every figure is measured at the hub's own answers.
//! Not here: the same over a paused clock and bad lines (`cargo simulate -- --quic`), one box's taps (`measure::daemon`).
mod crowd;
mod journals;
mod liars;

use std::{
    fs,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use domain::bundle::Bundle;
use provisioning::Festival;
use serde::Serialize;

use self::{
    crowd::Crowd,
    journals::{Amount, Journal},
};
use crate::world::{World, wait::Patience};

/// A box that floods is let in again now and then: what it adds is on its way for a moment. Where nobody floods, boxes and
/// hub believe the same at once.
const AGREED_BESIDE_A_FLOOD: Duration = Duration::from_secs(120);

/// Stages of a run.
const STAGES: u32 = 4;

/// How much a run is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Boxes.
    pub boxes: usize,
    /// Guests with an account.
    pub guests: u64,
    /// Entries that each box brings in each stage.
    pub entries: u32,
    /// Longest that a stage may take before the run is given up.
    pub patience: Duration,
}

impl Plan {
    /// As the goal is worded: 1,000 boxes, 2 million entries in each stage.
    pub const WHOLE: Self = Self { boxes: 1_000, guests: 50_000, entries: 2_000, patience: Duration::from_secs(1_200) };
    /// Small, for CI.
    pub const QUICK: Self = Self { boxes: 60, guests: 2_000, entries: 300, patience: Duration::from_secs(60) };
}

/// What a stage measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stage {
    /// What happened in it.
    pub name: &'static str,
    /// Entries that the hub acknowledged.
    pub entries: u64,
    /// Seconds until the hub had acknowledged everything that honest boxes wrote.
    pub acknowledged_s: f64,
    /// Seconds until every honest box knew the hub's newest state.
    pub known_s: f64,
    /// Most memory that the hub held so far in this process, MB.
    pub hub_mb: f64,
    /// Processor time that the hub used, in seconds; where it was killed, that of the process that finished.
    pub hub_cpu_s: f64,
    /// Sessions of honest boxes.
    pub sessions: u64,
    /// Entries sent although they were acknowledged.
    pub resent: u64,
    /// Bytes of state that came down, all boxes together.
    pub down_mb: u64,
    /// Times that an honest box was refused.
    pub refused: u64,
}

/// What the lying boxes did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Lies {
    /// Entries offered by the flooding box.
    pub entries: u64,
    /// Frames sent by the chattering box.
    pub frames: u64,
    /// Poisoned segments.
    pub poisoned: u64,
    /// Times that one of the three was sent away.
    pub sent_away: u64,
}

/// What a run found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Boxes.
    pub boxes: usize,
    /// Its stages, 72 hours of the festival apart: the first; another; beside a flood, chatter and poison; with the hub
    /// killed in the middle.
    pub stages: Vec<Stage>,
    /// What the lying boxes did in the third.
    pub lies: Lies,
    /// How much longer the third took than the second, until everything honest was acknowledged. The liars and the crowd
    /// share the processors with the hub: what they use is in it.
    pub slowed_by_lies: f64,
    /// How much more of its processor the hub used in the third than in the second.
    pub costs_of_lies: f64,
    /// Seconds that it took to write the journals, outside of every stage.
    pub written_s: f64,
}

/// What goes on beside a stage.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nobody,
    Liars,
    AKill,
}

struct Run {
    world: World,
    crowd: Arc<Crowd>,
    plan: Plan,
}

/// Everything at once; `say` hears each step.
pub async fn run(plan: Plan, say: &(dyn Fn(&str) + Sync)) -> Result<Report> {
    let world = World::of(&[]).await?;
    let festival = Festival::open(world.technician.dir()).map_err(|error| anyhow::anyhow!("{error}"))?;
    say("writing the journals");
    let began = Instant::now();
    let amount = Amount { boxes: plan.boxes, guests: plan.guests, entries: plan.entries, stages: STAGES };
    let journals = tokio::task::block_in_place(|| Journal::write_all(&festival, amount))?;
    let written_s = began.elapsed().as_secs_f64();
    let bundle = Bundle::verify(&world.hub.bundle().await?, Some(festival.id()))?;
    let crowd = Crowd::new(journals, festival.founding().clone(), bundle);
    let run = Run { world, crowd, plan };
    run.stays_at_its_port()?;
    let mut tasks = run.crowd.start();
    let per_stage = usize::try_from(plan.entries.div_ceil(journals::SEGMENT))?;

    let work = async {
        let mut stages = Vec::new();
        say("all boxes at once");
        stages.push(said(say, run.stage("the first evening", per_stage, Beside::Nobody).await?));
        run.everybody_leaves().await?;
        say("72 hours later, all boxes again");
        stages.push(said(say, run.stage("undisturbed", 2 * per_stage, Beside::Nobody).await?));
        run.everybody_leaves().await?;
        say("72 hours later, all boxes again, beside a flood, chatter and poison");
        let (liars, harm) = liars::start(&festival, plan.boxes, plan.guests, &run.crowd.listen())?;
        stages.push(said(say, run.stage("beside liars", 3 * per_stage, Beside::Liars).await?));
        drop(liars);
        let lies = Lies {
            entries: harm.entries.load(Ordering::Relaxed),
            frames: harm.frames.load(Ordering::Relaxed),
            poisoned: harm.poisoned.load(Ordering::Relaxed),
            sent_away: harm.sent_away.load(Ordering::Relaxed),
        };
        run.everybody_leaves().await?;
        say("72 hours later, all boxes again; the hub is killed in the middle");
        stages.push(said(say, run.stage("hub killed in the middle", 4 * per_stage, Beside::AKill).await?));
        anyhow::Ok((stages, lies))
    };
    let (stages, lies) = tokio::select! {
        done = work => done?,
        Some(ended) = tasks.join_next() => {
            ended.context("a box")??;
            anyhow::bail!("a box went away");
        }
    };
    let costs_of_lies = stages[2].hub_cpu_s / stages[1].hub_cpu_s.max(0.001);
    let slowed_by_lies = stages[2].acknowledged_s / stages[1].acknowledged_s.max(0.001);
    tasks.shutdown().await;
    tokio::task::block_in_place(|| run.world.stop())?;
    Ok(Report { boxes: plan.boxes, stages, lies, slowed_by_lies, costs_of_lies, written_s })
}

/// Tells what a stage came to.
fn said(say: &(dyn Fn(&str) + Sync), stage: Stage) -> Stage {
    say(&serde_json::to_string(&stage).unwrap_or_default());
    stage
}

impl Run {
    /// Everybody is told where the hub is and that so many segments are written; until every box knows everything.
    async fn stage(&self, name: &'static str, segments: usize, beside: Beside) -> Result<Stage> {
        let kill = beside == Beside::AKill;
        let (crowd, tally) = (&self.crowd, &self.crowd.tally);
        let before = self.counts();
        let used_before = if kill { 0.0 } else { self.hub_cpu_s()? };
        let hub = self.world.hub.quic().context("where the hub is")?;
        let began = Instant::now();
        crowd.tell(|told| {
            told.segments = segments;
            told.hub = Some(hub);
        });
        if kill {
            let whole = self.plan.boxes as u64 * u64::from(self.plan.entries);
            let half = tally.acked.load(Ordering::Relaxed) + whole / 2;
            let mut patience = Patience::new("half of it is acknowledged", self.plan.patience);
            while tally.acked.load(Ordering::Relaxed) < half {
                patience.before_next_look().await?;
            }
            tokio::task::block_in_place(|| self.world.hub.kill())?;
            self.world.start_hub()?;
            let hub = self.world.hub.quic();
            crowd.tell(|told| told.hub = hub);
        }
        let mut patience = Patience::new("the hub has acknowledged everything", self.plan.patience);
        while !crowd.all_acked() {
            patience.before_next_look().await?;
        }
        let acknowledged_s = began.elapsed().as_secs_f64();
        let agreement = self.settled().await?;
        let mut patience = Patience::new("every box knows the newest state", self.plan.patience);
        while crowd.know(agreement.0, agreement.1) < self.plan.boxes {
            patience.before_next_look().await?;
        }
        let known_s = began.elapsed().as_secs_f64();
        let (hub_mb, hub_cpu_s) = (self.hub_mb()?, self.hub_cpu_s()? - used_before);
        let agreed = if beside == Beside::Liars { AGREED_BESIDE_A_FLOOD } else { Duration::ZERO };
        let mut patience = Patience::new("every box that keeps what it is told believes what the hub does", agreed);
        loop {
            let (believed, beliefs) = (self.world.hub.agreement().await?.digest, crowd.beliefs());
            if beliefs.iter().all(|belief| *belief == believed) {
                break;
            }
            patience
                .before_next_look()
                .await
                .with_context(|| format!("{name}: the hub {believed}, boxes {beliefs:?}"))?;
        }
        let after = self.counts();
        Ok(Stage {
            name,
            entries: after[0] - before[0],
            acknowledged_s,
            known_s,
            hub_mb,
            hub_cpu_s,
            sessions: after[1] - before[1],
            resent: after[2] - before[2],
            down_mb: (after[3] - before[3]) >> 20,
            refused: after[4] - before[4],
        })
    }

    /// A hub that is started again listens where it did, as a hub with an address of its own does.
    fn stays_at_its_port(&self) -> Result<()> {
        let port = self.world.hub.quic().context("where the hub is")?.to_string();
        let file = self.world.hub.dir.join("hub.toml");
        let text = fs::read_to_string(&file)?;
        let mut config: toml::Table = toml::from_str(&text)?;
        config.insert("listen_quic".into(), port.into());
        Ok(fs::write(file, toml::to_string(&config)?)?)
    }

    fn counts(&self) -> [u64; 5] {
        let tally = &self.crowd.tally;
        [&tally.acked, &tally.sessions, &tally.resent, &tally.down, &tally.refused].map(|n| n.load(Ordering::Relaxed))
    }

    /// The numbers of the newest batches, once they rise no more.
    async fn settled(&self) -> Result<(u64, u64)> {
        let mut patience = Patience::new("the hub has published everything", self.plan.patience);
        let (mut last, mut same) = ((0, 0), 0);
        while same < 20 {
            patience.before_next_look().await?;
            let numbers = match self.world.hub.agreement().await {
                Ok(agreement) => agreement.numbers,
                // two million entries are being folded: it says so, and is asked again
                Err(error) if format!("{error:#}").contains("hub.timeout") => continue,
                Err(error) => return Err(error),
            };
            let now = (numbers.wallets, numbers.tickets);
            same = if now == last { same + 1 } else { 0 };
            last = now;
        }
        Ok(last)
    }

    async fn everybody_leaves(&self) -> Result<()> {
        self.crowd.tell(|told| told.hub = None);
        let mut patience = Patience::new("every session has ended", self.plan.patience);
        while self.crowd.online() > 0 {
            patience.before_next_look().await?;
        }
        Ok(())
    }

    /// What the system says of the hub's process.
    fn proc(&self, name: &str) -> Result<String> {
        let running: serde_json::Value = serde_json::from_slice(&fs::read(self.world.hub.dir.join("run.json"))?)?;
        let pid = running.get("pid").and_then(serde_json::Value::as_u64).context("the hub's process")?;
        Ok(fs::read_to_string(format!("/proc/{pid}/{name}"))?)
    }

    /// Processor time that the hub's process has used so far, in seconds.
    fn hub_cpu_s(&self) -> Result<f64> {
        let stat = self.proc("stat")?;
        let after_name = stat.rsplit(") ").next().context("stat")?;
        // user and system time in hundredths: the 14th and 15th field
        let ticks = after_name.split(' ').skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
    }

    /// Most that the hub's process ever held.
    fn hub_mb(&self) -> Result<f64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
        let kb: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kb as f64 / 1024.0)
    }
}
