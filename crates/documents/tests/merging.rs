//! Edits made apart and brought together: nothing is lost, everybody sees the same, and a refused edit leaves no trace.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::collections::BTreeMap;

use documents::{
    Document, Documents, Path, ProductField, Refusal, Setting, SignedEnvelope, Trouble, Value, product, sample,
};
use domain::{catalogue::HappyHour, trust::Purpose};
use proptest::prelude::*;

fn founding_edit() -> SignedEnvelope {
    let blank = Documents::new(sample::founding());
    let settings: Vec<Setting> = (1..=5).flat_map(|n| product(&sample::product(n, 100 * n, 0))).collect();
    blank.author(Document::Catalogue, &settings, &sample::author(2), &sample::manager(2)).unwrap()
}

fn hub() -> Documents {
    let mut hub = Documents::new(sample::founding());
    take(&mut hub, &founding_edit()).unwrap();
    hub
}

fn take(hub: &mut Documents, signed: &SignedEnvelope) -> Result<(), Refusal> {
    let verified = hub.verify(signed)?;
    hub.judge(&verified)
}

/// A box that heard `confirmed` from the hub.
fn side(confirmed: &[SignedEnvelope]) -> Documents {
    let mut side = Documents::new(sample::founding());
    let verified = confirmed.iter().map(|signed| side.verify(signed).unwrap()).collect();
    assert_eq!(side.confirm_all(verified), []);
    side
}

fn price(number: u32, cents: u32) -> Setting {
    Setting::to(Path::Product(number, ProductField::Price), cents)
}

/// Manager `who` edits at `side`; it waits there for the hub.
fn edit(side: &mut Documents, who: u8, settings: &[Setting]) -> SignedEnvelope {
    let signed = side.author(Document::Catalogue, settings, &sample::author(who), &sample::manager(who)).unwrap();
    let verified = side.verify(&signed).unwrap();
    side.add_pending(verified).unwrap();
    signed
}

fn price_of(side: &Documents, number: u32) -> u32 {
    side.catalogue().value.product(number).unwrap().price.get()
}

fn state(side: &Documents) -> (Vec<u8>, u32, usize) {
    let reading = side.catalogue();
    (format!("{reading:?}").into_bytes(), side.revision(), side.len())
}

#[test]
fn what_a_hundred_boxes_edited_apart_can_be_edited_on() {
    let first = founding_edit();
    let mut hub = hub();
    for who in 3..=102 {
        let mut apart = side(std::slice::from_ref(&first));
        let signed = edit(&mut apart, who, &[price(1, 200 + u32::from(who))]);
        take(&mut hub, &signed).unwrap();
    }
    let next = hub.author(Document::Catalogue, &[price(1, 420)], &sample::author(2), &sample::manager(2)).unwrap();
    take(&mut hub, &next).unwrap();
    assert_eq!(price_of(&hub, 1), 420);
}

#[test]
fn two_prices_at_once_leave_one_in_force_everywhere_and_the_other_visible() {
    let first = founding_edit();
    let (mut hub, mut bar, mut desk) = (hub(), side(std::slice::from_ref(&first)), side(std::slice::from_ref(&first)));
    let here = edit(&mut bar, 3, &[price(1, 450)]);
    let there = edit(&mut desk, 4, &[price(1, 500)]);
    take(&mut hub, &there).unwrap();
    take(&mut hub, &here).unwrap();
    let conflicts = hub.catalogue().conflicts;
    assert_eq!(conflicts.len(), 1);
    let conflict = &conflicts[0];
    assert_eq!(conflict.path, "product/1/price");
    let mut seen = vec![conflict.in_force.clone()];
    seen.extend(conflict.others.clone());
    seen.sort_by_key(|statement| statement.operator);
    let values: Vec<_> = seen.iter().map(|s| (s.operator, s.name.as_str(), s.value.clone())).collect();
    assert_eq!(values, [(3, "Manager 3", Value::Int(450)), (4, "Manager 4", Value::Int(500))]);
    assert_eq!(Value::from(price_of(&hub, 1)), conflict.in_force.value);

    // Whoever hears of it in another order, and whoever had made one of the two, sees the same.
    let other = side(&[first.clone(), here.clone(), there.clone()]);
    assert_eq!(state(&other), state(&hub));
    for signed in [&there, &here] {
        let verified = bar.verify(signed).unwrap();
        bar.confirm(&verified).unwrap();
    }
    assert_eq!(bar.pending().count(), 0);
    assert_eq!(state(&bar), state(&hub));
}

#[test]
fn a_settled_conflict_is_gone_whichever_value_is_chosen() {
    for keep_the_one_in_force in [true, false] {
        let first = founding_edit();
        let (mut hub, mut bar, mut desk) = (hub(), side(std::slice::from_ref(&first)), side(&[first]));
        take(&mut hub, &edit(&mut bar, 3, &[price(1, 450)])).unwrap();
        take(&mut hub, &edit(&mut desk, 4, &[price(1, 500)])).unwrap();
        let conflict = hub.catalogue().conflicts.remove(0);
        let chosen = if keep_the_one_in_force { conflict.in_force } else { conflict.others[0].clone() };
        let setting = Setting { path: Path::Product(1, ProductField::Price), value: Some(chosen.value.clone()) };
        let settled = hub.author(Document::Catalogue, &[setting], &sample::author(2), &sample::manager(2)).unwrap();
        take(&mut hub, &settled).unwrap();
        assert_eq!(hub.catalogue().conflicts, []);
        assert_eq!(Value::from(price_of(&hub, 1)), chosen.value);
    }
}

#[test]
fn edits_of_different_things_never_hide_each_other() {
    let first = founding_edit();
    let (mut hub, mut bar, mut desk) = (hub(), side(std::slice::from_ref(&first)), side(&[first]));
    // Both make the same new product, without knowing of each other.
    let new = product(&sample::product(9, 300, 0));
    let sold_out = Setting::to(Path::Product(1, ProductField::SoldOut), true);
    take(&mut hub, &edit(&mut bar, 3, &[new.clone(), vec![sold_out]].concat())).unwrap();
    take(&mut hub, &edit(&mut desk, 4, &[new, vec![price(1, 120)]].concat())).unwrap();
    let reading = hub.catalogue();
    assert_eq!((reading.conflicts.len(), reading.problems.len()), (0, 0), "they agree");
    let product = reading.value.product(1).unwrap();
    assert!(product.sold_out && product.price.get() == 120);
    assert!(reading.value.product(9).is_some());
}

#[test]
fn a_refused_edit_leaves_no_trace_and_later_honest_ones_are_entered_again() {
    let first = founding_edit();
    let (mut hub, mut bar) = (hub(), side(&[first]));
    let before = state(&bar);
    let refused = edit(&mut bar, 3, &[price(1, 999)]);
    let later = edit(&mut bar, 3, &[price(2, 250)]);
    assert_eq!((price_of(&bar, 1), price_of(&bar, 2)), (999, 250));
    let revision = bar.revision();

    // The hub refuses the first (its manager was revoked, say); the second built on it.
    let (refused, later) = (hub.verify(&refused).unwrap(), hub.verify(&later).unwrap());
    hub.refuse(refused.hash(), Refusal::Revoked);
    assert_eq!(hub.judge(&later), Err(Refusal::Dependency));
    let again = hub.reenter(&later, &sample::author(2), &sample::manager(2)).unwrap();
    take(&mut hub, &again).unwrap();
    assert_eq!((price_of(&hub, 1), price_of(&hub, 2)), (100, 250));

    assert!(bar.answered(refused.hash()));
    assert_eq!(state(&bar), before, "undone, and what stood on it waits");
    assert_eq!(bar.pending().count(), 1);
    assert!(bar.answered(later.hash()));
    let again = bar.verify(&again).unwrap();
    bar.confirm(&again).unwrap();
    assert_eq!(state(&bar), state(&hub));
    assert_ne!(bar.revision(), revision);
    // The next edit of the same manager at the same bar is taken.
    take(&mut hub, &edit(&mut bar, 3, &[price(3, 310)])).unwrap();
    assert_eq!(price_of(&hub, 3), 310);
}

#[test]
fn a_basket_priced_before_an_edit_finds_its_catalogue() {
    let mut bar = side(&[founding_edit()]);
    let (heads, revision) = (bar.heads(Document::Catalogue), bar.revision());
    edit(&mut bar, 3, &[price(1, 450)]);
    assert_ne!(bar.revision(), revision);
    let old = bar.catalogue_at(&heads).unwrap();
    assert_eq!((old.revision, old.product(1).unwrap().price.get()), (revision, 100));
    assert_eq!(price_of(&bar, 1), 450);
}

#[test]
fn another_change_with_the_same_actor_and_number_is_refused() {
    let first = founding_edit();
    let (mut one, mut other, mut hub) = (side(std::slice::from_ref(&first)), side(&[first]), hub());
    // The same manager at the same box, restored from an image: two histories of one actor.
    let (a, b) = (edit(&mut one, 3, &[price(1, 450)]), edit(&mut other, 3, &[price(1, 500)]));
    assert_ne!(a, b);
    take(&mut hub, &a).unwrap();
    assert_eq!(take(&mut hub, &b), Err(Refusal::WrongSequence));
    let twice = one.verify(&b).unwrap();
    assert_eq!(one.add_pending(twice), Err(Refusal::WrongSequence));
}

#[test]
fn only_a_managers_key_signs_an_edit() {
    let mut hub = hub();
    let settings = [price(1, 1)];
    for purpose in [Purpose::Device, Purpose::Hub, Purpose::Bundle] {
        let by = sample::signed_by(7, purpose);
        let made = hub.author(Document::Catalogue, &settings, &sample::author(7), &by);
        assert_eq!(made, Err(Refusal::NotSigned), "{purpose:?}");
    }
    let signed = hub.author(Document::Catalogue, &settings, &sample::author(7), &sample::manager(7)).unwrap();
    for at in 0..signed.body.len() {
        let mut forged = signed.clone();
        forged.body[at] ^= 1;
        assert!(hub.verify(&forged).is_err(), "byte {at}");
    }
    let mut wrong_device = signed.read().unwrap();
    wrong_device.epoch = 1;
    let forged = SignedEnvelope::sign(&wrong_device, &sample::manager(7).key, &sample::founding().festival());
    assert_eq!(hub.verify(&forged), Err(Refusal::WrongActor));
    take(&mut hub, &signed).unwrap();
}

#[test]
fn a_change_that_does_something_else_than_its_intents_is_refused() {
    let mut hub = hub();
    let manager = sample::manager(7);
    let signed =
        hub.author(Document::Catalogue, &[price(1, 450), price(2, 460)], &sample::author(7), &manager).unwrap();
    let envelope = signed.read().unwrap();
    type Change = fn(&mut documents::Envelope);
    let cases: [(&str, Change); 4] = [
        ("another value", |e| e.intents[0].new = Some(Value::Int(1))),
        ("another old value", |e| e.intents[0].old = Some(Value::Int(1))),
        ("another path", |e| e.intents[0].path = "product/3/price".into()),
        ("one intent fewer", |e| drop(e.intents.pop())),
    ];
    for (what, spoil) in cases {
        let mut spoilt = envelope.clone();
        spoil(&mut spoilt);
        let forged = SignedEnvelope::sign(&spoilt, &manager.key, &sample::founding().festival());
        assert_eq!(take(&mut hub, &forged), Err(Refusal::NotItsIntents), "{what}");
    }
}

#[test]
fn an_envelope_reads_back_and_is_at_most_so_long() {
    let signed = founding_edit();
    assert_eq!(SignedEnvelope::from_bytes(&signed.to_bytes()), Ok(signed.clone()));
    let (festival, manager) = (sample::founding().festival(), sample::manager(2));
    let with = |change: usize| {
        let envelope = documents::Envelope { change: vec![7; change], ..signed.read().unwrap() };
        SignedEnvelope::sign(&envelope, &manager.key, &festival)
    };
    let (body, whole) = (with(200_000).body.len() - 200_000, with(200_000).to_bytes().len() - 200_000);
    for (beyond, fits) in [(0, true), (1, false), (2, false)] {
        let longest = with(documents::ENVELOPE_MAX - body + beyond);
        assert_eq!(longest.body.len(), documents::ENVELOPE_MAX + beyond);
        let read = longest.read().map(|_| ());
        assert_eq!(read, if fits { Ok(()) } else { Err(Refusal::TooLong) });
        let bytes = with(documents::ENVELOPE_MAX - whole + beyond).to_bytes();
        assert_eq!(bytes.len(), documents::ENVELOPE_MAX + beyond);
        let read = SignedEnvelope::from_bytes(&bytes).map(|_| ());
        assert_eq!(read, if fits { Ok(()) } else { Err(Refusal::TooLong) });
    }
}

#[test]
fn a_start_beyond_its_dependencies_is_refused() {
    let mut hub = hub();
    let manager = sample::manager(7);
    let signed = hub.author(Document::Catalogue, &[price(1, 450)], &sample::author(7), &manager).unwrap();
    let mut envelope = signed.read().unwrap();
    // header 10 bytes (length in two), one dependency 33, actor 17, seq 1: then start_op, one byte here.
    let chunk = &envelope.change;
    let start = 9 + if chunk[9] & 0x80 == 0 { 1 } else { 2 } + 33 + 17 + 1;
    envelope.change[start] += 1;
    let forged = SignedEnvelope::sign(&envelope, &manager.key, &sample::founding().festival());
    assert_eq!(take(&mut hub, &forged), Err(Refusal::WrongStart));
}

#[test]
fn a_happy_hour_for_alcohol_needs_a_drink_without() {
    let mut hub = hub();
    let (me, by) = (sample::author(2), sample::manager(2));
    let beer = product(&sample::product(20, 500, 18));
    let signed = hub.author(Document::Catalogue, &beer, &me, &by).unwrap();
    take(&mut hub, &signed).unwrap();
    let hour = |products: &[u32]| HappyHour {
        number: 1,
        name_fr: "Heure joyeuse".into(),
        name_en: "Happy hour".into(),
        from: 100,
        until: 200,
        products: products.to_vec(),
        percent_off: 50,
    };
    let only = documents::happy_hour(&hour(&[20]), &[]);
    assert_eq!(hub.author(Document::Catalogue, &only, &me, &by), Err(Refusal::OnlyAlcohol));
    let both = documents::happy_hour(&hour(&[1, 20]), &[]);
    let signed = hub.author(Document::Catalogue, &both, &me, &by).unwrap();
    take(&mut hub, &signed).unwrap();
    assert_eq!(hub.catalogue().value.happy_hours, [hour(&[1, 20])]);
    // Nor may the soft drink leave it, by whichever way.
    let by_age = [Setting::to(Path::Product(1, ProductField::MinAge), 18u8)];
    let off_the_list = [Setting::to(Path::Product(1, ProductField::Listed), false)];
    for settings in [&by_age[..], &off_the_list, &documents::happy_hour(&hour(&[20]), &[1, 20])] {
        assert_eq!(hub.author(Document::Catalogue, settings, &me, &by), Err(Refusal::OnlyAlcohol));
    }
}

#[test]
fn two_sound_edits_that_are_not_sound_together_are_both_taken_and_the_hour_is_named() {
    let first = founding_edit();
    let (mut hub, mut bar, mut desk) = (hub(), side(std::slice::from_ref(&first)), side(&[first]));
    let hour = HappyHour {
        number: 1,
        name_fr: "Heure joyeuse".into(),
        name_en: "Happy hour".into(),
        from: 100,
        until: 200,
        products: vec![1, 2],
        percent_off: 50,
    };
    let beer = [Setting::to(Path::Product(2, ProductField::MinAge), 18u8)];
    let alcohol = [Setting::to(Path::Product(1, ProductField::MinAge), 18u8)];
    take(&mut hub, &edit(&mut bar, 3, &[documents::happy_hour(&hour, &[]), beer.to_vec()].concat())).unwrap();
    take(&mut hub, &edit(&mut desk, 4, &alcohol)).unwrap();
    let reading = hub.catalogue();
    assert_eq!(reading.value.happy_hours, []);
    assert_eq!(reading.problems.len(), 1);
    assert_eq!(
        (reading.problems[0].thing.as_str(), reading.problems[0].trouble),
        ("happy_hour/1", Trouble::OnlyAlcohol)
    );
    // Other edits go on.
    let signed = hub.author(Document::Catalogue, &[price(1, 130)], &sample::author(2), &sample::manager(2)).unwrap();
    take(&mut hub, &signed).unwrap();
}

#[test]
fn an_incomplete_product_is_refused() {
    let hub = hub();
    let listed = [Setting::to(Path::Product(77, ProductField::Listed), true)];
    let made = hub.author(Document::Catalogue, &listed, &sample::author(2), &sample::manager(2));
    assert_eq!(made, Err(Refusal::Incomplete));
    let nothing = hub.author(Document::Catalogue, &[price(1, 100)], &sample::author(2), &sample::manager(2));
    assert_eq!(nothing, Err(Refusal::Nothing));
}

/// Each of three people, at a box of their own, edits `(product, cents)` one after the other.
fn apart(plans: &[Vec<(u32, u32)>]) -> Vec<Vec<SignedEnvelope>> {
    let first = founding_edit();
    let person = |(n, plan): (usize, &Vec<(u32, u32)>)| {
        let mut here = side(std::slice::from_ref(&first));
        let made = plan.iter().filter_map(|(number, cents)| {
            let who = 10 + n as u8;
            let settings = [price(*number, *cents)];
            let signed =
                here.author(Document::Catalogue, &settings, &sample::author(who), &sample::manager(who)).ok()?;
            here.add_pending(here.verify(&signed).unwrap()).unwrap();
            Some(signed)
        });
        made.collect()
    };
    plans.iter().enumerate().map(person).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_the_order_nothing_is_lost_and_everybody_sees_the_same(
        plans in proptest::collection::vec(proptest::collection::vec((1u32..6, 1u32..2_000), 0..6), 3),
        turns in proptest::collection::vec(0usize..3, 40),
    ) {
        let made = apart(&plans);
        let all = made.concat();
        // One side in the order of the people, one in an order of chance that keeps each one's own.
        let mut one = vec![founding_edit()];
        one.extend(all.clone());
        let mut queues: Vec<_> = made.iter().map(|edits| edits.iter()).collect();
        let mut other = vec![founding_edit()];
        for turn in turns.into_iter().chain([0, 1, 2].repeat(6)) {
            other.extend(queues[turn].next().cloned());
        }
        prop_assert_eq!(other.len(), one.len());
        let (a, b) = (side(&one), side(&other));
        prop_assert_eq!(state(&a), state(&b));
        prop_assert_eq!(a.len(), all.len() + 1);
        // And the hub, which judges each, takes them all.
        let mut hub = hub();
        for signed in &other[1..] {
            prop_assert_eq!(take(&mut hub, signed), Ok(()));
        }
        prop_assert_eq!(state(&hub), state(&a));
        // Everybody's last price of a product stands: in force or beside it.
        let reading = a.catalogue();
        for plan in &plans {
            for (number, cents) in plan.iter().map(|(n, c)| (*n, *c)).collect::<BTreeMap<_, _>>() {
                let conflict = reading.conflicts.iter().find(|c| c.path == format!("product/{number}/price"));
                let beside = conflict.is_some_and(|c| c.others.iter().any(|o| o.value == Value::from(cents)));
                let is_same_as_before = cents == 100 * number;
                prop_assert!(price_of(&a, number) == cents || beside || is_same_as_before, "{} {}", number, cents);
            }
        }
    }

    #[test]
    fn a_spoilt_envelope_never_panics(at in 0usize..2_000, with: u8) {
        let mut hub = hub();
        let manager = sample::manager(7);
        let signed = hub
            .author(Document::Catalogue, &[price(1, 450), price(2, 9)], &sample::author(7), &manager)
            .unwrap();
        let mut envelope = signed.read().unwrap();
        let at = at % envelope.change.len();
        envelope.change[at] = with;
        // A manager who signs whatever it has become.
        let forged = SignedEnvelope::sign(&envelope, &manager.key, &sample::founding().festival());
        let taken = take(&mut hub, &forged);
        prop_assert!(taken.is_err() || forged == signed);
        let _ = SignedEnvelope::from_bytes(&envelope.change);
        // The documents are as sound as before.
        take(&mut hub, &signed).or_else(|refusal| if taken.is_ok() { Ok(()) } else { Err(refusal) }).unwrap();
    }
}

#[test]
fn an_events_edits_are_small_and_merge_at_once() {
    let order = sample::event(300, 6).unwrap();
    assert_eq!(order.len(), 302);
    let bytes: usize = order.iter().map(|signed| signed.to_bytes().len()).sum();
    assert!(bytes / order.len() < 1_200, "{} bytes an edit", bytes / order.len());
    let started = std::time::Instant::now();
    let merged = side(&order);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    assert_eq!(merged.len(), 302);
}
