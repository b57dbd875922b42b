//! A hub on a disk that fills up, or that the kernel gives up, while a bar sells.
use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use evening::{
    audit::audit,
    chance::Chance,
    guest::Guest,
    world::{
        World,
        counter::{Request, Tapped},
        place::{Place, Post},
        wait::until,
    },
};
use serde_json::{Value, json};
use tokio::task::block_in_place;

use crate::{
    a_box::{nobody, says_what_became_of_the_money},
    disk::{Disk, Kind, refuses_to_start},
};

const SOON: Duration = Duration::from_secs(40);
const POST: Post = Post { name: "Bar 1", roles: &["bar", "top-up"], pairing: false };

/// A world whose hub lies on a disk of its own.
async fn on_disk(kind: Kind, mebibytes: u32) -> Result<(World, Disk)> {
    let world = World::of(&[POST]).await?;
    block_in_place(|| world.hub.stop(SOON))?;
    let (hub, aside) = (world.hub.dir.clone(), world.dir().join("aside"));
    fs::rename(&hub, &aside)?;
    let disk = Disk::mounted(kind, &hub, mebibytes)?;
    copy(&aside, &hub)?;
    // what was never flushed is not on a medium that is given up
    disk.flush()?;
    world.start_hub()?;
    world.wait_until_agreed(SOON).await?;
    Ok((world, disk))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()? {
            kind if kind.is_dir() => copy(&entry.path(), &target)?,
            kind if kind.is_file() => drop(fs::copy(entry.path(), target)?),
            _ => {}
        }
    }
    Ok(())
}

async fn sell(bar: &Place, guest: &mut Guest, chance: &mut Chance) -> Result<()> {
    let request = if guest.expects_cents() < 2_000 { Request::TopUp(8_000) } else { Request::Sale(vec![(1, 1)], 0) };
    let tapped = bar.tap_until_over(guest, &request, &chance.request_id(), Vec::new()).await?;
    ensure!(matches!(tapped, Tapped::Green(_)), "{tapped:?}");
    Ok(())
}

/// What the console and the health check say is wrong.
async fn trouble(world: &World, codes: &[&str]) -> Result<String> {
    let code = until("the hub says what is wrong", SOON, async || {
        let health: Value = world.hub.api.get("/api/health").await?;
        let told = health["trouble"].as_str().filter(|code| codes.contains(code)).map(str::to_owned);
        let shown = world.hub.view().await?.trouble;
        Ok(told.filter(|told| shown.as_ref() == Some(told) && health["status"] == "degraded"))
    })
    .await?;
    says_what_became_of_the_money(&code)?;
    Ok(code)
}

pub(crate) async fn a_hub_whose_disk_fills_up_while_it_ingests_says_so_loses_nothing_and_goes_on() -> Result<()> {
    let (world, disk) = on_disk(Kind::Memory, 24).await?;
    let bar = world.place(POST.name)?;
    let mut chance = Chance::new(63);
    let mut guest = Guest::new(1, nobody(), world.supplier.purse(1)?);
    sell(bar, &mut guest, &mut chance).await?;
    world.wait_until_agreed(SOON).await?;
    let term = world.hub.agreement().await?.term;

    // the bar sells all the while: what the hub has no room for stays with it
    let filler = disk.fill(64 << 10)?;
    let mut sold = 0;
    while sold < 400 && bar.view().await?.unsent < 8 {
        sell(bar, &mut guest, &mut chance).await?;
        sold += 1;
    }
    ensure!(sold < 400, "the disk takes everything");
    let code = trouble(&world, &["hub.disk_full"]).await?;
    let no = world.hub.api.ask::<Value>("/api/bands/block", &json!({ "wallet": "00".repeat(16) })).await?;
    let Err(no) = no else { bail!("the console takes a block that it cannot store") };
    ensure!((no.status, no.code.as_str()) == (507, code.as_str()), "{no:?}");
    let held = bar.view().await?.unsent;
    ensure!(held >= 8, "the bar gave away {held}");

    filler.free()?;
    world.wait_until_agreed(SOON).await?;
    ensure!(world.hub.agreement().await?.term == term, "a full disk is no restore");
    let quiet = async || {
        let health: Value = world.hub.api.get("/api/health").await?;
        Ok((health["status"] == "ok").then_some(()))
    };
    until("the hub is well again, without a restart", SOON, quiet).await?;
    for _ in 0..3 {
        sell(bar, &mut guest, &mut chance).await?;
    }
    world.wait_until_agreed(SOON).await?;
    let report = audit(&world, &[guest], &[], None).await?;
    ensure!(report.ok, "{report:#?}");
    drop(world);
    drop(disk);
    Ok(())
}

pub(crate) async fn a_hub_whose_disk_turns_read_only_says_so_does_not_start_on_it_and_has_everything_afterwards()
-> Result<()> {
    let (world, disk) = on_disk(Kind::Loop, 48).await?;
    let bar = world.place(POST.name)?;
    let mut chance = Chance::new(64);
    let mut guest = Guest::new(1, nobody(), world.supplier.purse(1)?);
    sell(bar, &mut guest, &mut chance).await?;
    world.wait_until_agreed(SOON).await?;
    let term = world.hub.agreement().await?.term;
    disk.gives_up()?;
    for _ in 0..3 {
        sell(bar, &mut guest, &mut chance).await?;
    }
    let told = trouble(&world, &["hub.disk_failed", "hub.disk_read_only"]).await;
    told.with_context(|| format!("it runs: {}", world.hub.is_running()))?;
    ensure!(bar.view().await?.unsent > 0, "the bar gave its entries to a hub that stores nothing");

    block_in_place(|| world.hub.kill())?;
    disk.mount_again()?;
    disk.mount_read_only()?;
    let why = refuses_to_start(world.technician.programs(), "sync-hub", &world.hub.dir)?;
    ensure!(why.contains("ead-only") || why.contains("readonly"), "{why}");
    disk.mount_again()?;
    world.start_hub()?;
    world.wait_until_agreed(SOON).await?;
    ensure!(world.hub.agreement().await?.term == term, "nothing was lost, so it is the same term");
    let report = audit(&world, &[guest], &[], None).await?;
    ensure!(report.ok, "{report:#?}");
    drop(world);
    drop(disk);
    Ok(())
}
