//! The worlds of the purse, as far as a minute goes; `cargo run -p purse-model --release` searches all of them whole.
#![allow(clippy::print_stdout, reason = "what was searched is worth seeing")]
use purse_model::{
    accounts,
    purse::{
        state::Chip,
        worlds::{Named, controls, products},
    },
    search::{World, search},
};

/// States of a world that is not searched whole here.
const SOME: usize = 15_000;

fn searched<W: World>(name: &str, world: &W, most: usize, holds: bool) {
    let found = search(world, most);
    println!("{name}: {} states, {} steps, {} ends, depth {}", found.states, found.steps, found.ends, found.depth);
    assert!(found.states > 1 && found.steps > 0, "{name}: nothing was searched");
    match found.broken {
        None => assert!(holds, "{name}: a rule is off, and nothing was lost in {} states", found.states),
        Some((promise, story)) => {
            let story: Vec<String> = story.iter().map(|step| format!("  {step}")).collect();
            assert!(!holds, "{name}: {promise}\n{}", story.join("\n"));
        }
    }
}

fn of_chip(chip: Chip) -> impl Iterator<Item = Named> {
    products(chip).into_iter().filter(|world| world.quick)
}

#[test]
fn no_story_loses_money_on_ntag21x() {
    of_chip(Chip::Ntag).for_each(|world| searched(world.name, &world.config, SOME, true));
}

#[test]
fn no_story_loses_money_on_ultralight_aes() {
    of_chip(Chip::Aes).for_each(|world| searched(world.name, &world.config, SOME, true));
}

#[test]
fn every_rule_that_is_switched_off_costs_money_on_ntag21x() {
    controls(Chip::Ntag).iter().for_each(|world| searched(world.name, &world.config, 1_000_000, false));
}

#[test]
fn every_rule_that_is_switched_off_costs_money_on_ultralight_aes() {
    controls(Chip::Aes).iter().for_each(|world| searched(world.name, &world.config, 1_000_000, false));
}

#[test]
fn boxes_with_shares_never_overspend_an_account() {
    accounts::products().iter().for_each(|world| searched(world.name, &world.config, SOME, true));
}

#[test]
fn every_rule_of_shares_and_claims_that_is_switched_off_overspends() {
    accounts::controls().iter().for_each(|world| searched(world.name, &world.config, 1_000_000, false));
}
