//! Real QUIC over a paused clock: boxes with their real stores and sessions, and a hub with its real ingest and deltas,
//! for hours of a festival in seconds.
//! Invariant: one thread decides, one clock stands still while anybody works, chance comes from one seed; same seed, same
//! trace.
//! What limits that: handshakes draw fresh keys, so bytes differ from run to run; lengths and moments do not. And what
//! throws dice of its own where nobody can seed it may not decide who comes first: `select!` is biased in all that runs
//! here, and nobody waits for a `watch` together with others.
//! Not here: purses, chips and frauds (`world`); the hub as a process, on real sockets (`tests/sync_at_size`).
mod air;
mod evening;
mod founded;
mod hands;
mod hub;
mod line;
mod place;
mod verdict;
mod weather;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;

use self::{
    air::{Air, Counts},
    evening::{Evening, Phase},
    founded::Founded,
    place::Place,
    verdict::Verdict,
    weather::{Weather, moment},
};
use crate::{Arguments, dice::Dice, store, tally::Control};

/// Longest that a box with a line to a running hub may be without a session: half a minute of backoff, and a handshake
/// or two that a bad line spoils.
const BACK_WITHIN_MS: u64 = 90_000;
/// Most attempts of one box in a minute: a doubling backoff, begun anew by sessions of ten seconds and more.
const ATTEMPTS_A_MINUTE: usize = 15;

/// A folder that goes when the run does.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("simulate: a folder stays: {error}");
        }
    }
}

struct Ran {
    evening: Arc<Evening>,
    /// What went through the air, and its trace, until everybody went home.
    through: (Counts, u64),
    verdict: Verdict,
    islands: u64,
    cuts: u64,
    lost: u64,
}

/// See the module. Gives whether every promise held.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    ensure!((2..=8_000).contains(&arguments.boxes), "--boxes: 2 to 8,000");
    ensure!((1..=240).contains(&arguments.hours), "--hours: 1 to 240");
    let forgets = match arguments.control {
        None => false,
        Some(Control::HubForgets) => true,
        Some(_) => anyhow::bail!("--quic has the control `hub-forgets`"),
    };
    let began = std::time::Instant::now();
    let folder = Folder(store::place().join(format!("simulate-quic-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let ran = runtime.block_on(play(arguments, &folder.0, forgets))?;
    drop(runtime);
    Ok(report(arguments, &ran, began.elapsed()))
}

async fn play(arguments: &Arguments, folder: &Path, forgets: bool) -> Result<Ran> {
    let (seed, boxes, seconds) = (arguments.seed, arguments.boxes, arguments.hours * 3_600);
    let founded = Founded::new(seed);
    let places: Vec<Arc<Place>> =
        (0..boxes).map(|n| Ok(Arc::new(Place::new(n, founded.enrol(n)?)))).collect::<Result<_>>()?;
    founded.enrol_hub(&folder.join("hub"))?;
    let weather = Weather::thrown(Dice::part(seed, 1), boxes, seconds, tokio::time::Instant::now());
    let (islands, lost) = (weather.islands, weather.lost);
    let air = Air::new(Dice::part(seed, 2), weather.lines);
    // the more boxes hear a batch, the longer changes are gathered for it
    let delta_every = Duration::from_secs((boxes as u64).clamp(10, 60));
    let evening = Evening::new(founded, Arc::clone(&air), folder.into(), boxes, delta_every, forgets);
    let mut tasks = JoinSet::new();
    tokio::spawn(Arc::clone(&air).carry());
    tasks.spawn(hub::live(Arc::clone(&evening), weather.hub));
    for (place, power) in places.iter().zip(weather.power) {
        let dice = Dice::part(seed, 1_000 + place.n as u64);
        tasks.spawn(place::live(Arc::clone(&evening), Arc::clone(place), power, dice));
    }
    let mut cuts: Vec<(u64, u64, usize)> = Vec::new();
    for (n, gaps) in weather.cuts.iter().enumerate() {
        cuts.extend(gaps.iter().map(|gap| (gap.at, gap.long, n)));
    }
    cuts.sort_unstable();
    let mut hour = 0;
    for (at, long, n) in &cuts {
        tokio::time::sleep_until(moment(evening.start, *at)).await;
        if *at / 3_600 > hour {
            hour = *at / 3_600;
            eprintln!("hour {hour} of {}: {:.0} processor seconds so far", arguments.hours, cpu_seconds());
        }
        air.cut(*n, moment(evening.start, at + long));
    }
    tokio::time::sleep_until(moment(evening.start, seconds)).await;
    evening.turns(Phase::Healing);
    air.heal();
    let settled = async {
        let (took, _) = verdict::settle(&evening, &places).await?;
        // what the hub publishes last is on its way for a moment
        tokio::time::sleep(3 * delta_every).await;
        let (_, agreement) = verdict::settle(&evening, &places).await?;
        anyhow::Ok((took, agreement))
    };
    let settled = settled.await;
    let through = air.counts();
    evening.turns(Phase::Over);
    while let Some(ended) = tasks.join_next().await {
        ended.context("a task of the evening")?;
    }
    let mut found = Verdict::default();
    match settled {
        Ok((took, agreement)) => {
            found.settled_s = took.as_secs_f64();
            verdict::boxes_agree(&evening, &places, &agreement, &mut found)?;
        }
        Err(error) => evening.breaks(format!("{error:#}")),
    }
    verdict::books(&evening, &places, &mut found)?;
    Ok(Ran { evening, through, verdict: found, islands, cuts: cuts.len() as u64, lost })
}

/// A trace of everything that does not hang on what the handshakes drew.
fn trace(ran: &Ran) -> String {
    let (counts, packets) = ran.through;
    let notes = ran.evening.notes();
    let mut trace = blake3::Hasher::new();
    for number in [packets, counts.packets, counts.bytes, notes.sessions, notes.attempts, notes.entries_sent] {
        trace.update(&number.to_le_bytes());
    }
    for green in notes.greens.values() {
        trace.update(&green.hash);
    }
    trace.update(ran.verdict.digest.as_bytes());
    domain::wire::hex(trace.finalize().as_bytes().split_at(8).0)
}

/// What this process has used of its processors so far, in seconds; 0 where the system does not say.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    // user and system time in hundredths, the 14th and 15th field
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn report(arguments: &Arguments, ran: &Ran, took: Duration) -> bool {
    let trace = trace(ran);
    let verdict = &ran.verdict;
    let (counts, _) = ran.through;
    let mut notes = ran.evening.notes();
    notes.waits_ms.sort_unstable();
    let waits = &notes.waits_ms;
    let wait = |part: usize| waits.get((waits.len() * part / 1000).min(waits.len().saturating_sub(1))).copied();
    let longest = waits.last().copied().unwrap_or(0);
    let (median, nearly_all) = (wait(500).unwrap_or(0), wait(990).unwrap_or(0));
    let lost_acknowledged = notes.lost_acknowledged + verdict.lost_acknowledged;
    let mut broken = notes.broken.clone();
    let mut must = |holds: bool, what: String| {
        if !holds {
            broken.push(what)
        }
    };
    must(verdict.agree == verdict.present, format!("{} of {} boxes agree", verdict.agree, verdict.present));
    must(longest <= BACK_WITHIN_MS, format!("a box with a line to the hub was without a session for {longest} ms"));
    must(
        notes.attempts_a_minute <= ATTEMPTS_A_MINUTE,
        format!("a box tried {} times in a minute", notes.attempts_a_minute),
    );
    must(notes.resent_acknowledged == 0, format!("{} acknowledged entries were sent again", notes.resent_acknowledged));
    must(verdict.unexplained == 0, format!("{} cents are unexplained", verdict.unexplained));
    must(lost_acknowledged == 0, format!("{lost_acknowledged} acknowledged entries were lost"));
    broken.iter().take(10).for_each(|line| eprintln!("BROKEN  {line}"));
    let seconds = (took.as_secs_f64() * 10.0).round() / 10.0;
    let json = serde_json::json!({
        "seed": arguments.seed,
        "boxes": arguments.boxes,
        "hours": arguments.hours,
        "taps": notes.greens.len() as u64 + notes.refused,
        "refused": notes.refused,
        "entries": verdict.entries,
        "packets": counts.packets,
        "packets_lost": counts.lost,
        "packets_cut": counts.cut,
        "packets_twice": counts.twice,
        "megabytes": counts.bytes >> 20,
        "partitions": ran.cuts,
        "islands": ran.islands,
        "power_cuts": notes.power_cuts,
        "lost_boxes": ran.lost,
        "hub_stops": notes.hub_stops,
        "hub_crashes": notes.hub_crashes,
        "sessions": notes.sessions,
        "attempts": notes.attempts,
        "attempts_a_minute_most": notes.attempts_a_minute,
        "reconnect_ms": { "p50": median, "p99": nearly_all, "most": longest },
        "entries_sent": notes.entries_sent,
        "resent_acknowledged": notes.resent_acknowledged,
        "settled_seconds": verdict.settled_s,
        "boxes_agree": verdict.agree,
        "unexplained_cents": verdict.unexplained,
        "lost_acknowledged": lost_acknowledged,
        "promises_broken": broken.len(),
        "trace": trace,
        "cpu_seconds": cpu_seconds(),
        "seconds": seconds,
    });
    if arguments.json {
        println!("{json}");
    } else {
        println!("{} boxes, {} hours, {seconds} s, trace {trace}", arguments.boxes, arguments.hours);
        println!("{}", serde_json::to_string_pretty(&json).unwrap_or_default());
    }
    broken.is_empty()
}
