//! Runs worlds on all processors, sums up, and replays what failed as short as it fails.
//! Invariant: the trace is that of all worlds in the order of their numbers, whatever thread played them.
//! Not here: a world (`world`).
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::{Result, ensure};

use crate::{
    Arguments,
    dice::Dice,
    disk::Medium,
    enough,
    festival::Festival,
    frauds::KINDS,
    tally::{Control, Tally},
    world::{STEPS, Shelf, World},
};

/// A money rule read a clock.
const OTHER_EVENING: &str = "other clocks, another evening";
/// What the second evening breaks by itself.
const UNDER_OTHER_CLOCKS: &str = "under other clocks: ";
/// Worlds that failed and are shown.
const SHOWN: usize = 3;
/// Worlds that failed after which a run ends.
const MOST_FAILED: usize = 50;
/// Last lines of a story that are shown with a failure.
const TOLD: usize = 40;

/// The name of a control on the command line.
pub(crate) fn control(name: &str) -> Result<Control, String> {
    match name {
        "confirmed-only" => Ok(Control::ConfirmedOnly),
        "last-writer" => Ok(Control::LastWriter),
        "lying-disk" => Ok(Control::LyingDisk),
        "synchronous-normal" => Ok(Control::SynchronousNormal),
        "hub-forgets" => Ok(Control::HubForgets),
        _ => {
            Err("there is `confirmed-only`, `last-writer`, `lying-disk`, `synchronous-normal` and `hub-forgets`".into())
        }
    }
}

/// How worlds are played.
#[derive(Clone, Copy)]
struct How {
    shelf: Shelf,
    control: Control,
}

impl How {
    fn of(arguments: &Arguments) -> Self {
        let control = arguments.control.unwrap_or_default();
        let shelf = match control {
            Control::LyingDisk => Shelf::Disk(Medium::Lies, arguments.cut_every),
            Control::SynchronousNormal => Shelf::Disk(Medium::Honest, arguments.cut_every),
            _ if arguments.disks => Shelf::Disk(Medium::Honest, arguments.cut_every),
            Control::None | Control::ConfirmedOnly | Control::LastWriter | Control::HubForgets => Shelf::Memory,
        };
        Self { shelf, control }
    }
}

struct Played {
    tally: Tally,
    trace: [u8; 32],
    /// See `Reference::wrote_the_same`.
    by_a_clock: bool,
    story: Vec<String>,
}

impl Played {
    /// Whether something else happened, and not because of a gate whose clock stood.
    fn is_another_evening(&self, other: &Self) -> bool {
        self.trace != other.trace && !self.by_a_clock && !other.by_a_clock
    }
}

fn play(festival: &Festival, seed: u64, clocks: u64, how: How, steps: usize, tells: bool) -> Played {
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(festival, seed, clocks, how.shelf, how.control, tells)?;
        world.live(steps);
        world.end();
        let (trace, by_a_clock) = (world.traced(), world.reference.wrote_the_same);
        anyhow::Ok(Played { trace, by_a_clock, tally: world.tally, story: world.story.unwrap_or_default() })
    }));
    let failed = |said: String| {
        let tally = Tally { broken: vec![said], ..Tally::default() };
        Played { tally, trace: [0; 32], by_a_clock: false, story: Vec::new() }
    };
    let played = played.map(|played| played.unwrap_or_else(|error| failed(format!("{error:#}"))));
    played.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned())).unwrap_or_default();
        failed(format!("panic: {said}"))
    })
}

/// The seed of world `number` of a run.
fn world_seed(seed: u64, number: u64) -> u64 {
    Dice::part(seed, number).draw()
}

/// See the module. Gives whether every promise held.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    ensure!(arguments.control != Some(Control::HubForgets), "`hub-forgets` is a control of --quic");
    let festival = Festival::found()?;
    let how = How::of(arguments);
    let control = how.control;
    if how.shelf != Shelf::Memory {
        crate::disk::install()?;
    }
    if control == Control::SynchronousNormal {
        crate::disk::flush_less()?;
    }
    if let Some(world) = arguments.world {
        let played = play(&festival, world, arguments.clocks, how, arguments.steps.unwrap_or(STEPS), true);
        played.story.iter().for_each(|line| println!("{line}"));
        played.tally.broken.iter().for_each(|line| println!("BROKEN  {line}"));
        let same = if played.by_a_clock { ", an entry written again where a clock stood" } else { "" };
        println!("{} taps, trace {}{same}", played.tally.taps, short(&played.trace));
        return Ok(played.tally.holds());
    }
    let began = Instant::now();
    let sums = play_all(&festival, arguments, how);
    let seconds = began.elapsed().as_secs_f64();
    for (number, seed, broken) in sums.failed.iter().take(SHOWN) {
        tell(&festival, *number, *seed, broken, how);
    }
    for (number, seed, broken) in sums.failed.iter().skip(SHOWN) {
        let first = broken.first().map_or("", String::as_str);
        eprintln!("world {number} (seed {seed}) breaks {}: {first}", broken.len());
    }
    report(arguments, &sums.tally, sums.next, sums.trace.finalize().as_bytes(), seconds);
    let missing = enough::missing(&sums.tally, how.shelf, arguments.cuts);
    let says_enough = missing.is_empty() || control != Control::None;
    if !says_enough {
        missing.iter().for_each(|what| eprintln!("too little happened: {what}"));
    }
    Ok(sums.tally.holds() && says_enough)
}

/// Worlds in the order of their numbers until so many taps were made. What other threads have played beyond is left out,
/// so that a run is the same on any number of them.
#[derive(Default)]
struct Sums {
    /// Played, and waiting for one with a lower number.
    waiting: BTreeMap<u64, (u64, Played)>,
    /// The number of worlds that count.
    next: u64,
    trace: blake3::Hasher,
    tally: Tally,
    failed: Vec<(u64, u64, Vec<String>)>,
}

impl Sums {
    /// Whether nothing further counts.
    fn are_complete(&self, taps: u64, control: Control) -> bool {
        self.tally.taps >= taps || self.failed.len() >= MOST_FAILED && control == Control::None
    }

    fn add(&mut self, number: u64, seed: u64, played: Played, taps: u64, control: Control) {
        self.waiting.insert(number, (seed, played));
        while !self.are_complete(taps, control)
            && let Some((seed, played)) = self.waiting.remove(&self.next)
        {
            if !played.tally.holds() {
                self.failed.push((self.next, seed, played.tally.broken.clone()));
            }
            self.trace.update(&played.trace);
            self.tally.add(&played.tally);
            self.next += 1;
        }
    }
}

fn play_all(festival: &Festival, arguments: &Arguments, how: How) -> Sums {
    let threads = arguments.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)).max(1);
    let next = AtomicU64::new(0);
    let sums = Mutex::new(Sums::default());
    let locked = || sums.lock().unwrap_or_else(PoisonError::into_inner);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !locked().are_complete(arguments.taps, how.control) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let seed = world_seed(arguments.seed, number);
                    let played = play_and_compare(festival, number, seed, how);
                    locked().add(number, seed, played, arguments.taps, how.control);
                }
            });
        }
    });
    sums.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn play_and_compare(festival: &Festival, number: u64, seed: u64, how: How) -> Played {
    let mut played = play(festival, seed, 1, how, STEPS, false);
    if number.is_multiple_of(16) && how.control == Control::None && how.shelf == Shelf::Memory {
        // no money rule reads a clock: other clocks, the same evening
        let other = play(festival, seed, 2, how, STEPS, false);
        let broken = other.tally.broken.iter();
        played.tally.broken.extend(broken.map(|what| format!("{UNDER_OTHER_CLOCKS}{what}")));
        if other.is_another_evening(&played) {
            played.tally.broken.push(OTHER_EVENING.into());
        }
    }
    played
}

/// The fewest steps after which the world still fails, and how to see it.
fn tell(festival: &Festival, number: u64, seed: u64, broken: &[String], how: How) {
    let clocks = broken.iter().any(|line| line == OTHER_EVENING || line.starts_with(UNDER_OTHER_CLOCKS));
    let fails = |steps| {
        let played = play(festival, seed, 1, how, steps, false);
        let differs = |other: Played| !other.tally.holds() || other.is_another_evening(&played);
        !played.tally.holds() || clocks && differs(play(festival, seed, 2, how, steps, false))
    };
    let (mut holds, mut steps) = (0, STEPS);
    while holds + 1 < steps {
        let middle = holds.midpoint(steps);
        if fails(middle) {
            steps = middle;
        } else {
            holds = middle;
        }
    }
    eprintln!("world {number} (seed {seed}) breaks a promise:");
    broken.iter().take(4).for_each(|line| eprintln!("  {line}"));
    let mut also = match how.shelf {
        Shelf::Memory => String::new(),
        Shelf::Disk(_, cut_every) => format!(" --disks --cut-every {cut_every}"),
    };
    if how.control != Control::None {
        also.push_str(&format!(" --control {}", name(how.control)));
    }
    let story = play(festival, seed, 1, how, steps, true).story;
    let untold = story.len().saturating_sub(TOLD);
    eprintln!("  its story, the last {} of {} lines:", story.len().saturating_sub(untold), story.len());
    story.iter().skip(untold).for_each(|line| eprintln!("    {line}"));
    eprintln!("  all of it: cargo simulate -- --world {seed} --steps {steps}{also}");
    if clocks {
        eprintln!("  the other: cargo simulate -- --world {seed} --steps {steps}{also} --clocks 2");
    }
}

fn name(control: Control) -> &'static str {
    match control {
        Control::None => "none",
        Control::ConfirmedOnly => "confirmed-only",
        Control::LastWriter => "last-writer",
        Control::LyingDisk => "lying-disk",
        Control::SynchronousNormal => "synchronous-normal",
        Control::HubForgets => "hub-forgets",
    }
}

fn short(trace: &[u8; 32]) -> String {
    domain::wire::hex(trace.get(..8).unwrap_or_default())
}

fn report(arguments: &Arguments, tally: &Tally, worlds: u64, trace: &[u8; 32], seconds: f64) {
    let sum = |of: &BTreeMap<&'static str, u64>| of.values().sum::<u64>();
    let by_kind = |of: &BTreeMap<&'static str, u64>| -> BTreeMap<&'static str, u64> {
        KINDS.iter().map(|kind| (*kind, of.get(kind).copied().unwrap_or(0))).collect()
    };
    let (frauds, named) = (by_kind(&tally.frauds), by_kind(&tally.named));
    if arguments.json {
        let json = serde_json::json!({
            "seed": arguments.seed,
            "worlds": worlds,
            "taps": tally.taps,
            "purse_taps": tally.purse_taps,
            "scans": tally.scans,
            "refused": tally.refused,
            "refused_rightly": tally.refused_rightly,
            "carried_and_served": tally.carried_and_served,
            "corrections": tally.corrections,
            "tears": tally.tears,
            "power_cuts": tally.power_cuts,
            "partitions": tally.partitions,
            "lost_boxes": tally.lost_boxes,
            "restored_disks": tally.restored,
            "damaged_disks": tally.damaged,
            "frauds": sum(&tally.frauds),
            "frauds_named": sum(&tally.named),
            "frauds_by_kind": frauds,
            "frauds_named_by_kind": named,
            "guests_checked": tally.guests_checked,
            "guests_left_out": sum(&tally.left_out),
            "guests_left_out_by_why": tally.left_out,
            "unexplained_cents": tally.unexplained,
            "lost_acknowledged": tally.lost_acknowledged,
            "promises_broken": tally.broken.len(),
            "trace": short(trace),
            "seconds": (seconds * 10.0).round() / 10.0,
        });
        println!("{json}");
    } else {
        println!("{} taps in {worlds} worlds, {seconds:.1} s, trace {}", tally.taps, short(trace));
        println!("{} tears, {} power cuts, {} partitions", tally.tears, tally.power_cuts, tally.partitions);
        for (what, count) in &frauds {
            println!("{what}: {count}, named {}", named.get(what).copied().unwrap_or(0));
        }
        println!("{} guests checked to the cent, left out: {:?}", tally.guests_checked, tally.left_out);
        println!("unexplained {} cents, {} green lights lost", tally.unexplained, tally.lost_acknowledged);
    }
}
