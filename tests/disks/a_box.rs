//! A till on a disk that fills up, or that the kernel gives up.
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use domain::wristband::CreditKey;
use evening::{
    audit::{audit, credit_keys},
    chance::Chance,
    guest::Guest,
    ticket::Paper,
    world::{
        World,
        counter::{Request, Tapped},
        place::{Place, Post},
        wait::until,
    },
};
use screens::{Lang, view::Args};
use serde_json::{Value, json};
use tokio::task::block_in_place;

use crate::disk::{Disk, Kind, refuses_to_start};

const SOON: Duration = Duration::from_secs(30);
const POST: Post = Post { name: "Bar 1", roles: &["gate", "bar", "top-up"], pairing: false };
/// Room that is left when the box starts: its WAL takes it in advance, and then there is no more.
const SPARE: usize = 400 << 10;
const BEER: u32 = 1;

/// A world whose only box lies on a disk of its own.
pub(crate) struct OnDisk {
    pub(crate) world: World,
    pub(crate) disk: Disk,
}

pub(crate) async fn on_disk(kind: Kind, mebibytes: u32) -> Result<OnDisk> {
    let mut world = World::of(&[]).await?;
    let disk = Disk::mounted(kind, &world.dir().join("disk"), mebibytes)?;
    world.enrol(POST, "disk/box").await?;
    let bar = world.place(POST.name)?;
    block_in_place(|| bar.start())?;
    bar.wait_for_link(true, SOON).await?;
    world.wait_until_agreed(SOON).await?;
    world.wait_for_bundle(SOON).await?;
    Ok(OnDisk { world, disk })
}

pub(crate) fn nobody() -> Paper {
    Paper { text: String::new(), refused_with: None, id: None }
}

fn beer() -> Request {
    Request::Sale(vec![(BEER, 1)], 0)
}

/// The words of a code, in both languages, say what it means for the money.
pub(crate) fn says_what_became_of_the_money(code: &str) -> Result<()> {
    for (lang, money) in [(Lang::En, "no money moved"), (Lang::Fr, "aucun argent n'a bougé")] {
        let text = screens::reason(lang, code, &Args::new());
        ensure!(text.contains(money) || code == "till.in_doubt", "{code} in {lang:?}: {text}");
        ensure!(text != screens::reason(lang, "no.such_code", &Args::new()), "{code} has no words in {lang:?}");
    }
    Ok(())
}

/// The chip holds what the guest saw, and what is not there in the store is in doubt on the screen.
async fn is_consistent(place: &Place, guest: &Guest, world: &World, keys: &[CreditKey]) -> Result<()> {
    let on_chip = guest.band.balance_on_chip(&world.supplier, keys)?.context("a purse")?;
    let doubts: i64 = place.view().await?.in_doubt.iter().map(|doubt| doubt.price_cents).sum();
    let missing = guest.expects_cents() - on_chip;
    ensure!(missing == 0 || missing == doubts, "the chip lacks {missing} cents, {doubts} are in doubt");
    Ok(())
}

pub(crate) async fn a_box_whose_disk_fills_up_in_the_middle_of_a_sale_says_so_loses_nothing_and_goes_on() -> Result<()>
{
    let OnDisk { world, disk } = on_disk(Kind::Memory, 24).await?;
    let bar = world.place(POST.name)?;
    let keys = credit_keys(&world).await?;
    let mut chance = Chance::new(61);
    let mut guest = Guest::new(1, nobody(), world.supplier.purse(1)?);
    let filled = bar.tap_until_over(&mut guest, &Request::TopUp(10_000), &chance.request_id(), Vec::new()).await?;
    ensure!(matches!(filled, Tapped::Green(_)), "{filled:?}");
    let mut tickets = Vec::new();
    for _ in 0..400 {
        tickets.push(world.hub.issue(&json!({ "category": 1, "holder": "" })).await?.text);
    }
    world.wait_until_agreed(SOON).await?;
    // a WAL that has not grown yet, on a disk with little room
    block_in_place(|| bar.stop(SOON))?;
    let store = rusqlite::Connection::open(bar.dir.join("store.db"))?;
    store.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    store.close().map_err(|(_, error)| error)?;
    let filler = disk.fill(SPARE)?;
    block_in_place(|| bar.start())?;
    let health: Value = bar.api.get("/api/health").await?;
    let epoch = health["epoch"].clone();

    // people come in until the disk is full; then it says so, and nobody is let in by a box that cannot remember it
    let mut admitted = 0;
    let refused = loop {
        let text = tickets.pop().context("the disk takes everybody")?;
        let verdict: Value = bar.api.post("/api/gate/scan", &json!({ "text": text })).await?;
        match verdict["admitted"].as_bool() {
            Some(true) => admitted += 1,
            _ => break (text, verdict),
        }
    };
    let code = refused.1["code"].as_str().context("no code")?.to_owned();
    ensure!(code == "box.disk_full", "{:#}", refused.1);
    says_what_became_of_the_money(&code)?;
    ensure!(admitted > 0, "nobody came in before");

    // sales, with a little more room each time: refused before anything is on the chip, in doubt on the screen where the
    // room ends between intent and commit, and green once both fit
    let (mut refused_sales, mut in_doubt) = (0, 0);
    let mut id = chance.request_id();
    for room in 0..40 {
        match bar.tap(&mut guest, &beer(), &id, Vec::new()).await? {
            Tapped::Refused(code) if code == "box.disk_full" => {
                refused_sales += 1;
                id = chance.request_id();
            }
            Tapped::Again(result) => {
                in_doubt += 1;
                let code = result.code.context("no code")?;
                ensure!(code == "till.in_doubt" || code == "till.earlier_in_doubt", "{code}");
                says_what_became_of_the_money("till.in_doubt")?;
            }
            Tapped::Green(_) => id = chance.request_id(),
            other @ Tapped::Refused(_) => bail!("{other:?}"),
        }
        is_consistent(bar, &guest, &world, &keys).await.with_context(|| format!("with {room} pages more"))?;
        if refused_sales > 0 && in_doubt > 0 {
            break;
        }
        let health: Value = bar.api.get("/api/health").await?;
        let alerts = health["alerts"].as_array().cloned().unwrap_or_default();
        ensure!(alerts.iter().any(|alert| alert["code"] == "box.disk_full"), "the screens do not say it: {health:#}");
        filler.leave(4 << 10)?;
    }
    ensure!(refused_sales > 0, "no sale was refused for want of room");

    // room again: it goes on by itself, the doubt is settled by the band, whoever was refused comes in once
    filler.free()?;
    if !bar.view().await?.in_doubt.is_empty() {
        // the till still waits for that band, for what was begun
        let paid = bar.tap_until_over(&mut guest, &beer(), &id, Vec::new()).await?;
        ensure!(matches!(paid, Tapped::Green(_)), "{paid:?}");
        ensure!(bar.view().await?.in_doubt.is_empty(), "the doubt is not settled");
    }
    let verdict: Value = bar.api.post("/api/gate/scan", &json!({ "text": refused.0 })).await?;
    ensure!(verdict["admitted"] == true, "{verdict:#}");
    let again: Value = bar.api.post("/api/gate/scan", &json!({ "text": refused.0 })).await?;
    ensure!(again["code"] == "ticket.already_used", "{again:#}");
    let health: Value = bar.api.get("/api/health").await?;
    ensure!(health["alerts"] == json!([]) && health["epoch"] == epoch && health["status"] == "ok", "{health:#}");
    world.wait_until_agreed(SOON).await?;
    let totals: Value = world.hub.api.get("/api/totals").await?;
    ensure!(totals["balanced"] == true && totals["in_doubt_cents"] == 0, "{totals:#}");
    let on_chip = guest.band.balance_on_chip(&world.supplier, &keys)?.context("a purse")?;
    ensure!(totals["balance_cents"] == on_chip, "the chip has {on_chip}: {totals:#}");
    let left = block_in_place(|| world.stop());
    drop(world);
    drop(disk);
    left
}

pub(crate) async fn a_box_whose_disk_turns_read_only_says_so_and_has_everything_after_a_restart() -> Result<()> {
    let OnDisk { world, disk } = on_disk(Kind::Loop, 48).await?;
    let bar = world.place(POST.name)?;
    let mut chance = Chance::new(62);
    let mut guest = Guest::new(1, nobody(), world.supplier.purse(1)?);
    for request in [Request::TopUp(5_000), beer()] {
        let tapped = bar.tap_until_over(&mut guest, &request, &chance.request_id(), Vec::new()).await?;
        ensure!(matches!(tapped, Tapped::Green(_)), "{request:?}: {tapped:?}");
    }
    disk.gives_up()?;
    let id = chance.request_id();
    let no = bar.tap(&mut guest, &beer(), &id, Vec::new()).await;
    let no = no.with_context(|| format!("it runs: {}", bar.is_running()))?;
    let Tapped::Refused(code) = &no else { bail!("on a disk that takes nothing: {no:?}") };
    ensure!(["box.disk_failed", "box.disk_read_only"].contains(&code.as_str()), "{code}");
    says_what_became_of_the_money(code)?;
    let ticket = world.hub.issue(&json!({ "category": 1, "holder": "" })).await?;
    let verdict: Value = bar.api.post("/api/gate/scan", &json!({ "text": ticket.text })).await?;
    ensure!(verdict["admitted"] == false && verdict["code"] == code.as_str(), "{verdict:#}");
    let health: Value = bar.api.get("/api/health").await?;
    let alerts = health["alerts"].as_array().cloned().unwrap_or_default();
    ensure!(alerts.iter().any(|alert| alert["code"] == code.as_str()), "{health:#}");

    // somebody looks at the medium; what was green is there, what was refused is not, and the same request is done once
    block_in_place(|| bar.kill())?;
    disk.mount_again()?;
    block_in_place(|| bar.start())?;
    ensure!(bar.view().await?.degraded.is_none(), "{}", bar.log());
    let tapped = bar.tap_until_over(&mut guest, &beer(), &id, Vec::new()).await?;
    ensure!(matches!(tapped, Tapped::Green(_)), "{tapped:?}");
    let verdict: Value = bar.api.post("/api/gate/scan", &json!({ "text": ticket.text })).await?;
    ensure!(verdict["admitted"] == true, "{verdict:#}");
    bar.wait_for_link(true, SOON).await?;
    until("box and hub agree", SOON, async || Ok(world.wait_until_agreed(SOON).await.is_ok().then_some(()))).await?;
    let mut report = audit(&world, &[guest], &[], None).await?;
    // whoever came in is nobody's guest
    report.reasons.retain(|reason| !reason.contains("are inside by the entries"));
    ensure!(report.reasons.is_empty(), "{report:#?}");

    // a start on a disk that is read-only
    block_in_place(|| bar.stop(SOON))?;
    disk.mount_read_only()?;
    let why = refuses_to_start(world.technician.programs(), "edge", &bar.dir)?;
    ensure!(why.contains("ead-only"), "{why}");
    drop(world);
    drop(disk);
    Ok(())
}
