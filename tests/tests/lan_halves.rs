//! Half a LAN: gates whose line to a real Mosquitto is cut, or swallows everything, while the others go on. The majority
//! decides together, whoever is cut off decides alone and says so, and afterwards every double is known.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a failed test should panic, and what was measured is told"
)]
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use evening::world::{
    lan::{NAMES, ThreeGates, show, standing},
    lines::Line,
    place::{Place, Post},
    wait::until,
};
use screens::view::{Conflict, ConflictKind, DecidedBy, GateVerdict};

use crate::lan_hostile::told_by_neighbours;

const SOON: Duration = Duration::from_secs(40);
/// A closed connection is seen at once; a busy machine may take its time.
const CLOSED_SEEN_WITHIN: Duration = Duration::from_secs(5);
/// Two signs of life of five seconds each go unanswered in a black hole; then the same.
const SILENCE_SEEN_WITHIN: Duration = Duration::from_secs(15);
/// A guest is not kept waiting longer than this, whatever the line does.
const PATIENCE: Duration = Duration::from_secs(3);
/// Tickets shown in each state of the lines.
const ROUNDS: usize = 6;

fn by_group(said: &GateVerdict) -> bool {
    said.admitted && said.decided == DecidedBy::Group
}

async fn scan(gate: &Place, text: &str) -> GateVerdict {
    let since = Instant::now();
    let said = show(gate, text).await.unwrap();
    assert!(since.elapsed() < PATIENCE, "{}: {:?}", gate.name(), since.elapsed());
    said
}

/// What became of tickets that were shown on both sides at once.
#[derive(Default)]
struct Shown {
    /// Confirmed by the majority.
    confirmed: usize,
    /// Places that let the same ticket in.
    doubles: Vec<BTreeSet<&'static str>>,
}

/// Each ticket comes to the first gate of the majority and to everybody who is cut off at the same moment, and then to
/// the other gate of the majority.
async fn at_both_sides(majority: [&Place; 2], cut_off: &[&Place], tickets: &[String]) -> Shown {
    let mut shown = Shown::default();
    for text in tickets {
        let apart = futures_util::future::join_all(cut_off.iter().map(|gate| scan(gate, text)));
        let (first, apart) = tokio::join!(scan(majority[0], text), apart);
        let second = scan(majority[1], text).await;
        let mut places = BTreeSet::new();
        for (gate, said) in cut_off.iter().zip(&apart) {
            // nobody else can have had it here: the island adds its one admission, and says that it is one
            assert_eq!((said.admitted, said.decided), (true, DecidedBy::Alone), "{}: {said:#?}", gate.name());
            assert!(said.marks.contains(&"gate.island".to_owned()), "{said:#?}");
            let again = scan(gate, text).await;
            assert!(!again.admitted, "each island adds at most one: {again:#?}");
            places.insert(gate.name());
        }
        if by_group(&first) {
            // the other gate's grant made the majority: it knows, whatever it has heard of the admission
            assert!(!second.admitted, "admitted after the group had confirmed it: {first:#?} {second:#?}");
        }
        assert!(!(by_group(&first) && by_group(&second)), "{first:#?} {second:#?}");
        shown.confirmed += usize::from(by_group(&first) || by_group(&second));
        let sides = majority.iter().zip([&first, &second]).filter(|(_, said)| said.admitted);
        places.extend(sides.map(|(gate, _)| gate.name()));
        shown.doubles.push(places);
    }
    shown
}

/// How long it took until this gate said that it is alone.
async fn until_alone(gate: &Place, cut: Instant, within: Duration) -> Duration {
    let is_alone = async || Ok((!standing(gate).await?.is_group).then_some(()));
    until("it says that it is alone", within.saturating_sub(cut.elapsed()), is_alone).await.unwrap();
    cut.elapsed()
}

/// Whoever is cut off says so; the others never do.
async fn decides_together(gates: &[&Place]) {
    for gate in gates {
        let lan = standing(gate).await.unwrap();
        assert!(lan.is_group && lan.connected, "{}: {lan:#?}", gate.name());
    }
}

/// A ticket that the group confirms at this gate: on a busy machine the first may be decided late, and alone.
async fn is_member_again(gate: &Place, tickets: &[String]) {
    for text in tickets {
        let said = scan(gate, text).await;
        assert!(said.admitted, "{said:#?}");
        if by_group(&said) {
            return;
        }
    }
    panic!("{} never decided with its group again", gate.name());
}

/// Mends the lines of these gates and waits until they are members again and have told everybody what they did.
async fn heal(gates: &ThreeGates, cut_off: &[&str], list: u32, admitted_there: usize) -> Duration {
    let names: Vec<&str> = gates.world.places.iter().map(Place::name).collect();
    let others: Vec<&Place> = gates.world.places.iter().filter(|gate| !cut_off.contains(&gate.name())).collect();
    let before: Vec<usize> = others.iter().map(|gate| told_by_neighbours(gate)).collect();
    let since = Instant::now();
    gates.line(cut_off, Line::Open).unwrap();
    gates.wait_for_group(&names, list).await.unwrap();
    let took = since.elapsed();
    let told = async || {
        let mut all = others.iter().zip(&before);
        Ok(all.all(|(gate, before)| told_by_neighbours(gate) >= before + admitted_there).then_some(()))
    };
    until("what they did is told", SOON, told).await.unwrap();
    took
}

/// Every ticket that was let in somewhere is known at every gate now.
async fn are_known_everywhere(gates: &ThreeGates, tickets: &[String]) {
    for (text, gate) in tickets.iter().flat_map(|text| gates.world.places.iter().map(move |gate| (text, gate))) {
        let known = async || {
            let said = show(gate, text).await?;
            assert!(!said.admitted, "{}: {said:#?}", gate.name());
            Ok((said.code.as_deref() == Some("ticket.already_used")).then_some(()))
        };
        until("what happened on the other side is told", SOON, known).await.unwrap();
    }
}

/// The hub lists each double with every place that let it in, and nothing else.
async fn are_listed_at_the_hub(gates: &ThreeGates, doubles: &[BTreeSet<&'static str>]) {
    gates.world.mend().await.unwrap();
    gates.world.wait_until_agreed(SOON).await.unwrap();
    let mut expected: Vec<Vec<&str>> =
        doubles.iter().filter(|places| places.len() > 1).map(|places| places.iter().copied().collect()).collect();
    expected.sort_unstable();
    // the console's view is a moment behind what the hub holds
    let listed = async || {
        let conflicts = gates.world.hub.view().await?.conflicts;
        let is_double =
            |conflict: &Conflict| conflict.kind == ConflictKind::DoubleAdmission && conflict.more_places == 0;
        let mut listed: Vec<Vec<&str>> = conflicts.iter().filter(|conflict| is_double(conflict)).map(places).collect();
        listed.sort_unstable();
        Ok((listed == expected && conflicts.len() == expected.len()).then_some(()))
    };
    if let Err(error) = until("the hub lists every double", SOON, listed).await {
        panic!("{error}: {expected:#?} {:#?}", gates.world.hub.view().await.unwrap().conflicts);
    }
}

fn places(conflict: &Conflict) -> Vec<&str> {
    let named: BTreeSet<&str> = conflict.places.iter().map(|side| side.place.as_str()).collect();
    named.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_others_go_on_together_while_the_line_of_one_gate_is_cut_or_swallows_everything() {
    let gates = ThreeGates::on_lines(4 * ROUNDS + 12).await.unwrap();
    let (a, b, c) = (gates.gate("Gate A").unwrap(), gates.gate("Gate B").unwrap(), gates.gate("Gate C").unwrap());
    let mut tickets = gates.tickets.as_slice();
    let mut next = |count: usize| {
        let (now, rest) = tickets.split_at(count);
        tickets = rest;
        now
    };
    is_member_again(c, next(3)).await;
    let (mut confirmed, mut doubles) = (0, Vec::new());
    for (line, within) in [(Line::Closed, CLOSED_SEEN_WITHIN), (Line::Silent, SILENCE_SEEN_WITHIN)] {
        let late = standing(c).await.unwrap().late;
        let cut = Instant::now();
        gates.line(&["Gate C"], line).unwrap();
        let before = next(ROUNDS);
        let shown = at_both_sides([a, b], &[c], before).await;
        let seen_after = until_alone(c, cut, within).await;
        confirmed += shown.confirmed;
        doubles.extend(shown.doubles);
        if line == Line::Silent {
            // the neighbours miss it once it was not heard for a while, and go on; nobody counts it any more
            let missed = async || Ok((standing(a).await?.heard == 2 && standing(b).await?.heard == 2).then_some(()));
            until("the others miss it", SOON, missed).await.unwrap();
            assert!(standing(c).await.unwrap().late > late, "claims into a black hole count as unanswered");
        }
        decides_together(&[a, b]).await;
        let after = next(ROUNDS);
        let shown = at_both_sides([b, a], &[c], after).await;
        decides_together(&[a, b]).await;
        confirmed += shown.confirmed;
        doubles.extend(shown.doubles);
        let healed = heal(&gates, &["Gate C"], 1, 2 * ROUNDS).await;
        println!("{line:?}: said that it is alone after {seen_after:?}, a member again after {healed:?}");
        is_member_again(c, next(3)).await;
        are_known_everywhere(&gates, &[before, after].concat()).await;
    }
    println!("{confirmed} of {} tickets confirmed by the two while the third was cut off", doubles.len());
    // the machine is shared: how often a claim is late says nothing of the rule
    assert!(confirmed * 2 >= doubles.len(), "{confirmed} of {}", doubles.len());
    are_listed_at_the_hub(&gates, &doubles).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_line_swallowed_for_a_moment_arrives_late_and_admits_nobody_twice_by_the_group() {
    let gates = ThreeGates::on_lines(ROUNDS + 6).await.unwrap();
    let (a, b, c) = (gates.gate("Gate A").unwrap(), gates.gate("Gate B").unwrap(), gates.gate("Gate C").unwrap());
    let (rounds, rest) = gates.tickets.split_at(ROUNDS);
    let confirmed_before = standing(c).await.unwrap().confirmed;
    gates.line(&["Gate C"], Line::Silent).unwrap();
    // half of them at the cut gate alone: its claims reach the others late, and must hold there
    let (both, alone) = rounds.split_at(ROUNDS / 2);
    let mut shown = at_both_sides([a, b], &[c], both).await;
    for text in alone {
        let said = scan(c, text).await;
        assert_eq!((said.admitted, said.decided), (true, DecidedBy::Alone), "{said:#?}");
        shown.doubles.push(["Gate C"].into());
    }
    assert_eq!(standing(c).await.unwrap().confirmed, confirmed_before, "nothing is confirmed in a black hole");
    heal(&gates, &["Gate C"], 1, ROUNDS).await;
    are_known_everywhere(&gates, rounds).await;
    is_member_again(c, &rest[..3]).await;
    is_member_again(b, &rest[3..]).await;
    assert_eq!(standing(c).await.unwrap().suspicious, 0, "what arrives late is no forgery");
    are_listed_at_the_hub(&gates, &shown.doubles).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_halves_the_one_with_the_brokers_host_goes_on_together_and_the_other_confirms_nothing() {
    let mut gates = ThreeGates::on_lines(3 * ROUNDS + 12).await.unwrap();
    gates.world.mend().await.unwrap();
    let post = Post { name: "Gate D", roles: &["gate"], pairing: false };
    gates.world.enrol(post, "box-4").await.unwrap();
    let all = [&NAMES[..], &["Gate D"]].concat();
    gates.gate("Gate D").unwrap().start().unwrap();
    gates.group_with(1, &all, Some("Gate A")).await.unwrap();
    gates.wait_for_group(&all, 2).await.unwrap();
    gates.world.cut(&all).unwrap();
    for gate in &gates.world.places {
        gate.wait_for_link(false, Duration::from_secs(60)).await.unwrap();
    }
    let gate = |name| gates.gate(name).unwrap();
    let (a, b, c, d) = (gate("Gate A"), gate("Gate B"), gate("Gate C"), gate("Gate D"));
    let (with_host, rest) = gates.tickets.split_at(2 * ROUNDS);
    let (without, rest) = rest.split_at(ROUNDS);

    let cut = Instant::now();
    gates.line(&["Gate C"], Line::Silent).unwrap();
    gates.line(&["Gate D"], Line::Closed).unwrap();
    let shown = at_both_sides([a, b], &[c, d], &with_host[..ROUNDS]).await;
    let (mut confirmed, mut doubles) = (shown.confirmed, shown.doubles);
    until_alone(d, cut, CLOSED_SEEN_WITHIN.max(cut.elapsed())).await;
    until_alone(c, cut, SILENCE_SEEN_WITHIN.max(cut.elapsed())).await;
    let shown = at_both_sides([b, a], &[c, d], &with_host[ROUNDS..]).await;
    decides_together(&[a, b]).await;
    confirmed += shown.confirmed;
    doubles.extend(shown.doubles);
    println!("{confirmed} of {} tickets confirmed by the half with the broker's host", doubles.len());
    assert!(confirmed * 2 >= doubles.len(), "{confirmed} of {}", doubles.len());
    heal(&gates, &["Gate C", "Gate D"], 2, 4 * ROUNDS).await;
    are_known_everywhere(&gates, with_host).await;

    // now the half with the host is away: two of five votes are none
    gates.line(&["Gate A", "Gate B"], Line::Silent).unwrap();
    for text in without {
        let all = futures_util::future::join_all([a, b, c, d].map(|gate| scan(gate, text))).await;
        assert!(!all.iter().any(by_group), "{all:#?}");
        let admitted = gates.world.places.iter().zip(&all).filter(|(_, said)| said.admitted);
        doubles.push(admitted.map(|(gate, _)| gate.name()).collect());
    }
    heal(&gates, &["Gate A", "Gate B"], 2, 2 * ROUNDS).await;
    is_member_again(a, &rest[..6]).await;
    is_member_again(d, &rest[6..]).await;
    are_known_everywhere(&gates, without).await;
    are_listed_at_the_hub(&gates, &doubles).await;
}
