//! `cargo demo`: a festival on one machine. Keeps going with a page to look at, or plays one evening and reckons it up.
#![allow(clippy::print_stdout, reason = "addresses and the report go to standard output")]
use std::{
    io::{IsTerminal, Write},
    process::{ExitCode, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Parser;
use evening::{
    audit::{audit, report::Report},
    demo::Demo,
    evening as script,
    world::{Plan, Say, World, process::Programs},
};
use indicatif::{ProgressBar, ProgressStyle};
use screens::Lang;
use tokio::signal::unix::{SignalKind, signal};

/// A festival on this machine: hub and four boxes as separate programs, with virtual readers and scanners.
#[derive(Parser)]
struct Arguments {
    /// Play one evening, reckon it up, and end with 0 only if every cent and every green light is accounted for.
    #[arg(long)]
    once: bool,
    /// With --once: print the report as one JSON object.
    #[arg(long, requires = "once")]
    json: bool,
    /// Another evening.
    #[arg(long, default_value_t = 2027)]
    seed: u64,
    /// Leave the festival's folder on disk and say where it is.
    #[arg(long)]
    keep: bool,
    /// Other guests come from the start; the page can let them come and stop them as well.
    #[arg(long)]
    guests: bool,
    /// Port of the page; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

/// Steps on standard error: a line each, and on a terminal something that moves while a step lasts.
fn progress(since: Instant) -> (Arc<Say>, ProgressBar) {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    let (shown, terminal) = (bar.clone(), std::io::stderr().is_terminal());
    let say = move |text: &str| {
        let line = format!("{:6.1} s  {text}", since.elapsed().as_secs_f64());
        if terminal {
            shown.println(&line);
            shown.set_message(text.to_owned());
        } else {
            // nobody reads it any more: then nothing is lost
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    };
    (Arc::new(say), bar)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "the demo has failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<u8> {
    let _ = writeln!(std::io::stderr(), "building box, hub and the technician's tool (a few minutes the first time)");
    let programs = Programs::built()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()?;
    let since = Instant::now();
    let (say, bar) = progress(since);
    let outcome = runtime.block_on(async {
        let mut world = World::start(programs, &Plan::evening(), &*say).await?;
        if arguments.keep {
            world.keep();
            say(&format!("the festival's folder is {}", world.dir().display()));
        }
        let world = Arc::new(world);
        let ended = if arguments.once {
            once(arguments, &world, &say, since).await
        } else {
            keep_going(arguments, &world, &say).await
        };
        let stopped = tokio::task::block_in_place(|| world.stop());
        let code = ended?;
        stopped.context("stopping")?;
        Ok(code)
    });
    bar.finish_and_clear();
    outcome
}

async fn once(arguments: &Arguments, world: &Arc<World>, say: &Arc<Say>, since: Instant) -> Result<u8> {
    let played = script::play(Arc::clone(world), arguments.seed, Arc::clone(say)).await?;
    say("reckoning: chips, journals and the guests' own eyes");
    let audited = audit(world, &played.guests, &played.frauds, Some(&played.price)).await?;
    let seconds = (since.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    let report = Report { seed: arguments.seed, seconds, ..audited };
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{}", in_words(&report));
    }
    Ok(report.exit_code())
}

fn in_words(report: &Report) -> String {
    let money = |cents| screens::money(Lang::En, cents, "EUR");
    let books = &report.books;
    let mut lines = vec![
        format!(
            "{} guests, {} admissions, {} refusals, {} sales",
            report.guests, report.admitted, report.refused, report.sales
        ),
        String::new(),
    ];
    let rows = [
        ("topped up", books.top_up_cents),
        ("+ owed without new money", books.pending_issued_cents),
        ("+ gifts", books.gifts_cents),
        ("+ corrections", books.corrections_cents),
        ("+ not reported yet", books.unreported_cents),
        ("+ overspent with a copied band", books.overspend_cents),
        ("= on wristbands", books.balance_cents),
        ("+ owed to guests", books.pending_credit_cents),
        ("+ spent", books.spent_cents),
        ("+ deposits on cups", books.deposits_cents),
        ("+ refunded", books.refunded_cents),
        ("+ fees", books.fees_cents),
        ("+ expired", books.expired_cents),
        ("+ in doubt", books.in_doubt_cents),
        ("+ disputed", books.disputed_cents),
        ("+ unexplained", books.unexplained_cents),
    ];
    lines.extend(rows.map(|(name, cents)| format!("  {name:<32}{:>14}", money(cents))));
    lines.push(String::new());
    for conflict in &report.conflicts {
        let places: Vec<&str> = conflict.places.iter().map(|side| side.place.as_str()).collect();
        lines.push(format!("Conflict at {}: {} {}", places.join(" and "), conflict.what, conflict.what_to_do));
    }
    if let Some(price) = &report.price {
        let others: Vec<String> = price.other_cents.iter().map(|cents| money(*cents)).collect();
        let (holds, at) = (money(price.in_force_cents), price.shown_by.join(", "));
        lines
            .push(format!("One price was edited twice: {holds} holds at {at}; {} was written too.", others.join(", ")));
    }
    lines.push(format!(
        "{} passages in and {} out; {} paid online; {} taken off lost bands.",
        report.passages.ins,
        report.passages.outs,
        money(report.paid_online_cents),
        money(report.moved_off_lost_bands_cents)
    ));
    let lit = report.lights.saturating_sub(report.lights_without_entry);
    lines.push(format!("{lit} of {} green lights have their entry among the hub's {}.", report.lights, report.entries));
    lines.push(format!("Every box and the hub agree: {}.", if report.hub_converged { "yes" } else { "no" }));
    lines.push(format!("{} seconds.", report.seconds));
    lines.extend(report.reasons.iter().map(|reason| format!("NOT GOOD: {reason}")));
    lines.join("\n")
}

async fn keep_going(arguments: &Arguments, world: &Arc<World>, say: &Arc<Say>) -> Result<u8> {
    say("laying out tickets and wristbands");
    let (demo, page) = Demo::open(Arc::clone(world), arguments.port, arguments.seed, Arc::clone(say)).await?;
    demo.let_guests_come(arguments.guests);
    println!("\nThe festival, on one page  http://{page}");
    println!("The hub's console          {}/   token {}", world.hub.api.url(""), world.hub.api.bearer());
    for place in &world.places {
        println!("{:<26} {}", place.name(), place.api.url(&format!("/?key={}", place.api.bearer())));
    }
    println!(
        "\nThe page needs nothing else. For the addresses below it: their certificates are the festival's own; your"
    );
    println!("browser asks once for each, or trust {}/tls/ca.pem.", world.technician.dir().display());
    println!("Ctrl-C ends everything.\n");
    open_browser(&format!("http://{page}"));
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    say("stopping");
    Ok(0)
}

/// Where there is a display, the page opens by itself; where that fails, the address stands above.
fn open_browser(page: &str) {
    if ["DISPLAY", "WAYLAND_DISPLAY"].iter().all(|name| std::env::var_os(name).is_none()) {
        return;
    }
    let mut command = std::process::Command::new("xdg-open");
    let quiet = command.arg(page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Ok(mut opening) = quiet.spawn() {
        std::thread::spawn(move || opening.wait());
    }
}
