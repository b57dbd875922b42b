//! `purse-model [--world NAME] [--chip ntag|aes] [--most N] [--list] [--replay]`: searches every world and says what was
//! found. Ends with 0 if each world is as expected, with 1 if not, with 2 if there is no such world.
//! Not here: what is searched (`purse::worlds`).
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line")]
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use purse_model::{
    accounts,
    purse::{
        state::Chip,
        steps::Step,
        worlds::{self, Named},
    },
    replay,
    search::{World, sample, search, wander},
};

/// Searches every history of small worlds of wristbands for one that loses money.
#[derive(Parser)]
struct Arguments {
    /// Only worlds whose name holds this.
    #[arg(long, default_value = "")]
    world: String,
    /// Only this chip.
    #[arg(long)]
    chip: Option<Which>,
    /// At most so many states a world; one that has more is searched in part, and said to be.
    #[arg(long, default_value_t = 12_000_000)]
    most: usize,
    /// Only name them.
    #[arg(long)]
    list: bool,
    /// Instead play a sample of each world's histories to the real tap, chips and ledger.
    #[arg(long)]
    replay: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    Ntag,
    Aes,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let chips: &[Chip] = match arguments.chip {
        None => &[Chip::Ntag, Chip::Aes],
        Some(Which::Ntag) => &[Chip::Ntag],
        Some(Which::Aes) => &[Chip::Aes],
    };
    let (mut found, mut unexpected) = (0, 0);
    for chip in chips {
        let all = worlds::products(*chip).into_iter().chain(worlds::controls(*chip));
        for world in all.filter(|world| world.name.contains(&arguments.world)) {
            found += 1;
            let name = format!("{} {}", if *chip == Chip::Ntag { "ntag" } else { "aes " }, world.name);
            let expected = match (arguments.list, arguments.replay) {
                (true, _) => {
                    println!("{name}{}", if world.holds { "" } else { " (control)" });
                    true
                }
                (false, true) => !world.can_be_played() || plays(&name, &world, arguments.most.min(200_000)),
                (false, false) => holds(&name, &world.config, world.holds, arguments.most, Step::is_inner),
            };
            unexpected += usize::from(!expected);
        }
    }
    if arguments.chip.is_none() && !arguments.replay {
        let all = accounts::products().into_iter().map(|world| (world, true));
        let all = all.chain(accounts::controls().into_iter().map(|world| (world, false)));
        for (world, should_hold) in all.filter(|(world, _)| world.name.contains(&arguments.world)) {
            found += 1;
            let name = format!("account {}", world.name);
            let expected = if arguments.list {
                println!("{name}{}", if should_hold { "" } else { " (control)" });
                true
            } else {
                holds(&name, &world.config, should_hold, arguments.most, |_| false)
            };
            unexpected += usize::from(!expected);
        }
    }
    if found == 0 {
        eprintln!("no world's name holds “{}”; --list names them", arguments.world);
        return ExitCode::from(2);
    }
    if unexpected > 0 {
        eprintln!("{unexpected} of {found} worlds are not as expected");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// `is_inner`: steps that are not worth telling.
fn holds<W: World>(name: &str, world: &W, should_hold: bool, most: usize, is_inner: impl Fn(&W::Step) -> bool) -> bool {
    let found = search(world, most);
    let verdict = match (&found.broken, found.complete) {
        (Some(_), _) => "loses",
        (None, true) => "holds",
        (None, false) => "holds so far",
    };
    let (states, steps, ends) = (found.states, found.steps, found.ends);
    let seconds = found.took.as_secs_f64();
    println!("{name}: {verdict}, {states} states, {steps} steps, {ends} ends, depth {}, {seconds:.1} s", found.depth);
    if let Some((promise, story)) = &found.broken {
        println!("    {promise}");
        for step in story.iter().filter(|step| !is_inner(step)) {
            println!("      {step}");
        }
    }
    let expected = found.broken.is_none() == should_hold;
    if !expected {
        println!("    NOT AS EXPECTED: it should {}", if should_hold { "hold" } else { "lose money" });
    }
    expected
}

fn plays(name: &str, world: &Named, most: usize) -> bool {
    let mut stories = sample(&world.config, most, 97);
    stories.extend((1..=200).map(|seed| wander(&world.config, seed, 60)));
    let steps: usize = stories.iter().map(Vec::len).sum();
    for story in &stories {
        if let Err(error) = replay::play(&world.config, story) {
            println!("{name}: the real one differs: {error:#}");
            return false;
        }
    }
    println!("{name}: {} histories, {steps} steps, the real one the same after each", stories.len());
    true
}
