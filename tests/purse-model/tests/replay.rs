//! The model's stories, played to the real tap on the real chip models and to the real ledger.
#![allow(clippy::print_stdout, reason = "how much was played is worth seeing")]
use purse_model::{
    purse::{
        Config,
        rules::Rules,
        state::Chip,
        steps::Step,
        worlds::{Named, controls, products},
    },
    replay::play,
    search::{sample, search, wander},
};

fn written_off(story: &[Step]) -> usize {
    story.iter().filter(|step| matches!(step, Step::WriteOff { .. })).count()
}

/// The shortest story to every 151st of a world's first states, and some at random.
fn stories(world: &Named) -> Vec<Vec<Step>> {
    let mut stories = sample(&world.config, 2_000, 151);
    stories.extend((1..=3).map(|seed| wander(&world.config, seed, 50)));
    if world.config.writes_off {
        let denser = sample(&world.config, 8_000, 7).into_iter();
        stories.extend(denser.filter(|story| written_off(story) > 0).take(15));
    }
    stories
}

fn all(chip: Chip) {
    let (mut played, mut steps, mut off) = (0, 0, 0);
    for world in products(chip).iter().filter(|world| world.quick && world.can_be_played()) {
        for story in stories(world) {
            steps += story.len();
            off += written_off(&story);
            played += 1;
            if let Err(error) = play(&world.config, &story) {
                panic!("{}: {error:#}", world.name);
            }
        }
    }
    println!("{chip:?}: {played} stories, {steps} steps, {off} intents written off");
    assert!(played > 60 && steps > 1_000 && off > 50);
}

#[test]
fn the_real_tap_does_what_the_model_does_on_ntag21x() {
    all(Chip::Ntag);
}

#[test]
fn the_real_tap_does_what_the_model_does_on_ultralight_aes() {
    all(Chip::Aes);
}

#[test]
fn a_model_under_other_rules_is_told_from_the_real_tap() {
    let mut told = Vec::new();
    for control in controls(Chip::Ntag).iter().filter(|control| control.config.rules != Rules::product()) {
        let Config { weak, attacker, .. } = control.config;
        // what is shown after a reboot is the box's, which is not played here
        let in_play = control.config.rules.paid_is_shown_after_a_reboot;
        if weak || attacker || !in_play {
            continue;
        }
        let Some((_, story)) = search(&control.config, 1_000_000).broken else { panic!("{} holds", control.name) };
        assert!(play(&control.config, &story).is_err(), "{}: the real one loses money, too", control.name);
        told.push(control.name);
    }
    println!("told apart: {told:?}");
    assert!(told.len() >= 10);
}
