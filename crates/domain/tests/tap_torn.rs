//! Every byte of every command of a tap, torn by a hand or by the power, and every second tear after it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a failed test should panic"
)]

use crate::tap_bench::{
    self, AesChip, Card, Chip, End, Fault, MOMENTS, Moment, Ran, Till, Truth, cents, done, sale, top_up, used_band,
};
use domain::{
    journal::{Effect, Kind},
    money::Cents,
    wristband::tap::{TapOutcome, TapRefusal, TapRequest},
};

type Request = fn(Option<domain::id::EntryRef>) -> TapRequest;

fn a_sale(retry_of: Option<domain::id::EntryRef>) -> TapRequest {
    sale(450, retry_of)
}

fn a_free_sale(retry_of: Option<domain::id::EntryRef>) -> TapRequest {
    sale(0, retry_of)
}

fn a_top_up(retry_of: Option<domain::id::EntryRef>) -> TapRequest {
    top_up(2_000, retry_of)
}

fn a_refund(_: Option<domain::id::EntryRef>) -> TapRequest {
    TapRequest::Refund
}

fn a_closing_read(_: Option<domain::id::EntryRef>) -> TapRequest {
    TapRequest::ClosingRead
}

/// Faults in every command and store of a tap that needs so many.
fn faults(ran: &Ran) -> Vec<Fault> {
    let is_write = |n: usize| ran.commands[n][0] == 0xa2;
    let moments = |n: usize| MOMENTS.into_iter().filter(move |m| is_write(n) || !matches!(m, Moment::Torn(_)));
    let in_commands = (0..ran.commands.len())
        .flat_map(|n| moments(n).flat_map(move |m| [Fault::Pulled(n, m), Fault::PowerCut(n, m)]));
    let in_stores = (0..ran.stores)
        .flat_map(|n| [Fault::PowerCutStoring(n, false), Fault::PowerCutStoring(n, true), Fault::DiskFull(n)]);
    let refused = (0..ran.commands.len()).map(Fault::Refused);
    in_commands.chain(in_stores).chain(refused).collect()
}

#[derive(Clone)]
struct World<C> {
    chip: C,
    bar: Till,
    desk: Till,
    truth: Truth,
}

impl<C: Card> World<C> {
    fn new() -> Self {
        let mut truth = Truth::default();
        let (mut chip, mut bar, mut desk) = (C::issued(), Till::new(1), Till::new(9));
        truth.watch(&chip);
        let known = desk.known();
        done(&desk.tap_knowing(known, &mut chip, top_up(6_000, None), Fault::None, &mut |chip| truth.watch(chip)));
        for amount in [500, 1_000] {
            let known = bar.known();
            done(&bar.tap_knowing(known, &mut chip, sale(amount, None), Fault::None, &mut |chip| truth.watch(chip)));
        }
        let known = desk.known();
        done(&desk.tap_knowing(known, &mut chip, top_up(4_000, None), Fault::None, &mut |chip| truth.watch(chip)));
        Self { chip, bar, desk, truth }
    }

    /// One tap at the desk, which is where all four requests are allowed.
    fn at_desk(&mut self, request: TapRequest, fault: Fault) -> Ran {
        let known = self.desk.known();
        let truth = &mut self.truth;
        self.desk.tap_knowing(known, &mut self.chip, request, fault, &mut |chip| truth.watch(chip))
    }

    fn at_bar(&mut self, request: TapRequest) -> Ran {
        let (known, truth) = (self.bar.known(), &mut self.truth);
        self.bar.tap_knowing(known, &mut self.chip, request, Fault::None, &mut |chip| truth.watch(chip))
    }

    /// Taps with the same request until it is done, as a person would, naming the intent in doubt.
    fn until_done(&mut self, request: Request) -> Ran {
        for _ in 0..3 {
            let retry_of = self.desk.open().first().map(|open| open.entry);
            let ran = self.at_desk(request(retry_of), Fault::None);
            if matches!(ran.end, End::Outcome(TapOutcome::Done { .. })) {
                return ran;
            }
        }
        panic!("three sound taps and still not done")
    }
}

/// Spent and credited, where the chip shows both: a credit record that is half written shows nothing.
fn sums(chip: &impl Card) -> Option<(Cents, Cents)> {
    let image = chip.judged().ok()?;
    Some((image.record().spent, image.credit().credits))
}

/// After a tap with this fault: what the box says must be what a person may rely on.
fn the_outcome_is_true<C: Card>(world: &World<C>, ran: &Ran, was: Option<(Cents, Cents)>) {
    let now = || sums(&world.chip);
    match &ran.end {
        End::Outcome(TapOutcome::Done { entry: Some(entry), .. }) => {
            assert!(world.desk.journal.len() > entry.seq as usize, "done means stored");
            assert_eq!(world.desk.open(), []);
        }
        End::Outcome(TapOutcome::NothingHappened { .. } | TapOutcome::Refused(_)) => {
            assert_eq!(now(), was, "nothing happened means nothing on the chip: {:?}", ran.end);
            assert_eq!(world.desk.open(), [], "and nothing left in doubt");
        }
        End::Outcome(TapOutcome::TapAgain { intent }) => assert_eq!(world.desk.open()[0].entry, *intent),
        End::Outcome(TapOutcome::Done { entry: None, .. }) => panic!("not a balance"),
        End::PowerCut => {}
    }
}

fn count<C: Card>(world: &World<C>, kind: Kind) -> usize {
    world.desk.journal.iter().filter(|e| e.kind == kind && e.effect != Effect::Release).count()
}

fn every_tear<C: Card>(request: Request, committed: Kind, twice: bool) {
    let fresh = World::<C>::new();
    let sound = fresh.clone().at_desk(request(None), Fault::None);
    done(&sound);
    for first in faults(&sound) {
        let seconds = if twice {
            let mut probe = fresh.clone();
            probe.at_desk(request(None), first);
            let in_doubt = !probe.desk.open().is_empty();
            let mut list = if in_doubt { faults(&probe.until_done(request)) } else { faults(&sound) };
            list.push(Fault::None);
            list
        } else {
            vec![Fault::None]
        };
        for second in seconds {
            let mut world = fresh.clone();
            let before = count(&world, committed);
            let was = sums(&world.chip);
            let ran = world.at_desk(request(None), first);
            the_outcome_is_true(&world, &ran, was);
            // A power cut after the commit leaves a paid request that nobody saw: the screen asks at boot.
            let finished = |world: &World<C>| count(world, committed) > before && world.desk.open().is_empty();
            if !finished(&world) && second != Fault::None {
                let retry_of = world.desk.open().first().map(|open| open.entry);
                let was = sums(&world.chip);
                let was_open = retry_of.is_some();
                let ran = world.at_desk(request(retry_of), second);
                if !was_open {
                    the_outcome_is_true(&world, &ran, was);
                }
            }
            if !finished(&world) {
                world.until_done(request);
            }
            assert_eq!(count(&world, committed), before + 1, "once, after {first:?} then {second:?}");
            world.truth.agrees(&world.chip, &[&world.bar, &world.desk]);
        }
    }
}

#[test]
fn a_sale_torn_twice_at_any_byte_is_charged_once() {
    every_tear::<Chip>(a_sale, Kind::SALE, true);
}

#[test]
fn a_sale_on_a_chip_with_a_counter_torn_twice_at_any_byte_and_at_the_increment_is_charged_once() {
    every_tear::<AesChip>(a_sale, Kind::SALE, true);
}

#[test]
fn a_free_sale_torn_twice_at_any_byte_is_made_once() {
    every_tear::<Chip>(a_free_sale, Kind::SALE, true);
    every_tear::<AesChip>(a_free_sale, Kind::SALE, true);
}

#[test]
fn a_top_up_torn_at_any_byte_is_credited_once() {
    every_tear::<Chip>(a_top_up, Kind::TOP_UP, false);
}

#[test]
fn a_top_up_over_the_only_credit_record_torn_at_any_byte_is_credited_once() {
    every_tear::<AesChip>(a_top_up, Kind::TOP_UP, false);
}

#[test]
fn a_refund_torn_at_any_byte_is_paid_out_once() {
    every_tear::<Chip>(a_refund, Kind::REFUND, false);
    every_tear::<AesChip>(a_refund, Kind::REFUND, false);
}

#[test]
fn a_closing_read_torn_at_any_byte_moves_nothing() {
    every_tear::<Chip>(a_closing_read, Kind::CLOSING_READ, false);
    every_tear::<AesChip>(a_closing_read, Kind::CLOSING_READ, false);
}

#[test]
fn a_torn_top_up_and_a_sale_elsewhere_leave_the_top_up_to_be_completed() {
    let sound = World::<Chip>::new().at_desk(a_top_up(None), Fault::None);
    for fault in faults(&sound) {
        let mut world = World::<Chip>::new();
        world.at_desk(a_top_up(None), fault);
        done(&world.at_bar(sale(300, None)));
        done(&world.at_desk(TapRequest::ClosingRead, Fault::None));
        world.truth.agrees(&world.chip, &[&world.bar, &world.desk]);
        let given_up = world.desk.journal.iter().filter(|e| e.kind == Kind::GAVE_UP).count();
        assert_eq!(given_up, 0, "the desk can tell after {fault:?}");
    }
}

#[test]
fn a_half_written_only_credit_record_is_spendable_nowhere_until_its_desk_completes_it() {
    let sound = World::<AesChip>::new().at_desk(a_top_up(None), Fault::None);
    let (mut torn, mut whole) = (0, 0);
    for fault in faults(&sound) {
        let mut world = World::<AesChip>::new();
        world.at_desk(a_top_up(None), fault);
        let is_torn = sums(&world.chip).is_none();
        let elsewhere = world.at_bar(sale(300, None));
        if is_torn {
            torn += 1;
            assert_eq!(elsewhere.end, End::Outcome(TapOutcome::Refused(TapRefusal::CreditTorn)), "{fault:?}");
            assert!(!world.desk.open().is_empty(), "its intent is in doubt, not void: {fault:?}");
        } else {
            whole += 1;
            done(&elsewhere);
        }
        done(&world.at_desk(TapRequest::ClosingRead, Fault::None));
        done(&world.at_bar(sale(300, None)));
        world.truth.agrees(&world.chip, &[&world.bar, &world.desk]);
        let given_up = world.desk.journal.iter().filter(|e| e.kind == Kind::GAVE_UP).count();
        assert_eq!(given_up, 0, "the desk can tell after {fault:?}");
    }
    assert!(torn > 100 && whole > 20, "{torn} torn, {whole} whole");
}

fn settles_to_one_ending<C: Card>() {
    let fresh = World::<C>::new();
    let sound = fresh.clone().at_desk(a_sale(None), Fault::None);
    for fault in faults(&sound) {
        for sales_between in 1..=4 {
            let mut world = fresh.clone();
            world.at_desk(a_sale(None), fault);
            for _ in 0..sales_between {
                done(&world.at_bar(sale(300, None)));
            }
            done(&world.at_desk(TapRequest::ClosingRead, Fault::None));
            world.truth.agrees(&world.chip, &[&world.bar, &world.desk]);
            let given_up = world.desk.journal.iter().filter(|e| e.kind == Kind::GAVE_UP).count();
            assert!(given_up == 0 || sales_between >= 3, "two records later it can still tell: {fault:?}");
        }
    }
}

#[test]
fn a_torn_sale_and_a_sale_elsewhere_settle_to_one_ending() {
    settles_to_one_ending::<Chip>();
    settles_to_one_ending::<AesChip>();
}

#[test]
fn a_torn_top_up_is_found_under_one_or_two_later_ones() {
    for (later, ending) in [(0, Kind::TOP_UP), (1, Kind::TOP_UP), (2, Kind::TOP_UP), (3, Kind::GAVE_UP)] {
        let (mut chip, _, mut desk) = used_band();
        let mut other = Till::new(8);
        // The last page of C is stored, its answer lost: password, two reads, 19 pages.
        desk.tap(&mut chip, top_up(1_000, None), Fault::Pulled(21, Moment::After));
        assert_eq!(chip.image().credit().credits, cents(11_000));
        for _ in 0..later {
            done(&other.tap(&mut chip, top_up(100, None), Fault::None));
        }
        let open = desk.open();
        desk.tap(&mut chip, TapRequest::ClosingRead, Fault::None);
        let endings: Vec<Kind> =
            desk.journal.iter().filter(|e| e.refers_to == Some(open[0].entry)).map(|e| e.kind).collect();
        assert_eq!(endings, [ending], "{later} later");
        assert_eq!(chip.image().credit().credits, cents(11_000 + later * 100));
    }
}

#[test]
fn a_page_that_is_not_stored_is_found_by_the_read_back() {
    let (mut chip, mut bar, _) = used_band();
    let before = chip.clone();
    let ran = bar.tap(&mut chip, sale(450, None), Fault::None);
    assert_eq!(done(&ran).1, cents(8_050));
    // The same tap on a chip that acknowledges its last page and forgets it.
    let (mut chip, mut bar, _) = used_band();
    assert_eq!(chip, before);
    let last = ran.commands.iter().rposition(|c| c[0] == 0xa2).unwrap();
    let known = bar.known();
    let (mut seen, forgotten) = (0, usize::from(ran.commands[last][1]));
    let mut tap = domain::wristband::tap::Tap::new(
        bar.ctx.clone(),
        known,
        &tap_bench::UID,
        domain::wristband::tap::PurseChip::Ntag21x,
        sale(450, None),
    );
    let outcome = loop {
        match tap.step().clone() {
            domain::wristband::tap::TapStep::Chip(command) => {
                let old = chip.pages[forgotten];
                let answer = chip.transmit(&command).unwrap();
                if seen == last {
                    chip.pages[forgotten] = old;
                }
                seen += 1;
                tap.reply(Ok(&answer));
            }
            domain::wristband::tap::TapStep::Store(entries) => {
                let first = bar.journal.len();
                bar.journal.extend(entries);
                let refs: Vec<_> = (first..bar.journal.len()).map(|seq| bar.entry_ref(seq)).collect();
                tap.stored(Ok(&refs));
            }
            domain::wristband::tap::TapStep::Finished(outcome) => break outcome,
        }
    };
    let intent = bar.open()[0].entry;
    assert_eq!(outcome, TapOutcome::TapAgain { intent });
    assert_eq!(done(&bar.tap(&mut chip, sale(450, Some(intent)), Fault::None)).1, cents(8_050));
}

#[test]
fn a_full_disk_charges_nothing_and_says_so() {
    let (mut chip, mut bar, _) = used_band();
    let before = chip.pages;
    let ran = bar.tap(&mut chip, sale(450, None), Fault::DiskFull(0));
    assert_eq!(ran.end, End::Outcome(TapOutcome::Refused(TapRefusal::DiskFull)));
    assert_eq!(chip.pages, before);
}
