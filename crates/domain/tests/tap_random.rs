//! Long evenings of one band at two bars and a desk, with faults at random moments. A failing seed replays exactly.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a failed test should panic"
)]

use crate::tap_bench::{self, AesChip, Card, Chip, End, Fault, MOMENTS, Till, Truth, done, sale, top_up};
use domain::{
    id::DeviceId,
    journal::{Detail, Effect, Entry, IntentPurpose, Kind},
    money::{Cents, Currency},
    time::Hlc,
    wristband::tap::{KnownWallet, TapOutcome, TapRequest},
};

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn fault(&mut self, one_in: u64) -> Fault {
        if self.below(one_in) != 0 {
            return Fault::None;
        }
        let moment = MOMENTS[self.below(5) as usize];
        match self.below(8) {
            0 => Fault::PowerCutStoring(self.below(3) as usize, self.below(2) == 0),
            1 => Fault::DiskFull(self.below(3) as usize),
            2 => Fault::Refused(self.below(12) as usize),
            3 => Fault::PowerCut(self.below(32) as usize, moment),
            4 => Fault::PowerCut(4 + self.below(6) as usize, moment),
            5 => Fault::Pulled(self.below(32) as usize, moment),
            _ => Fault::Pulled(4 + self.below(6) as usize, moment),
        }
    }
}

struct Evening<C> {
    chip: C,
    tills: [Till; 3],
    truth: Truth,
}

const DESK: usize = 2;

impl<C: Card> Evening<C> {
    fn new() -> Self {
        let mut truth = Truth::default();
        let chip = C::issued();
        truth.watch(&chip);
        Self { chip, tills: [Till::new(1), Till::new(2), Till::new(9)], truth }
    }

    fn tap(&mut self, at: usize, request: TapRequest, fault: Fault) -> tap_bench::Ran {
        let till = &mut self.tills[at];
        let known = till.known();
        let truth = &mut self.truth;
        till.tap_knowing(known, &mut self.chip, request, fault, &mut |chip| truth.watch(chip))
    }

    /// `None` while the only credit record is half written.
    fn spent(&self) -> Option<Cents> {
        let keys = [tap_bench::trusted(&tap_bench::credit_key())];
        self.chip.image_under(&keys).ok().map(|image| image.record().spent)
    }

    /// What staff would do next at a random place.
    fn step(&mut self, dice: &mut Dice) {
        let at = dice.below(3) as usize;
        let doubt = self.tills[at].open().first().map(|open| (open.entry, open.amount.get(), open.intent.purpose));
        let retry = doubt.filter(|_| dice.below(2) == 0);
        let request = match (at, retry) {
            (DESK, Some((entry, amount, IntentPurpose::TopUp))) => top_up(amount, Some(entry)),
            (DESK, _) if dice.below(6) == 0 => TapRequest::Refund,
            (DESK, _) if dice.below(6) == 0 => TapRequest::ClosingRead,
            (DESK, _) => top_up(100 + dice.below(3_000) as u32, None),
            (_, Some((entry, amount, _))) => sale(amount, Some(entry)),
            (_, None) => sale(dice.below(900) as u32, None),
        };
        let spent = self.spent();
        let fault = dice.fault(2);
        let ran = self.tap(at, request, fault);
        if let End::Outcome(TapOutcome::NothingHappened { .. } | TapOutcome::Refused(_)) = ran.end
            && doubt.is_none()
        {
            assert_eq!(self.spent(), spent, "{:?}", ran.end);
        }
    }

    /// A box closes its journal: what it has in doubt it gives up.
    fn give_up(&mut self, at: usize) {
        let till = &mut self.tills[at];
        for open in till.open() {
            let mut entry = Entry::new(Kind::GAVE_UP, Effect::None, Currency::EUR, Hlc::default());
            entry.refers_to = Some(open.entry);
            till.journal.push(entry);
        }
    }

    /// Every chain that an entry names was the chip's chain.
    fn what_was_seen_was_there(&self) {
        let (applied, credits) = self.truth.applied(&self.chip);
        for entry in self.tills.iter().flat_map(|till| &till.journal) {
            let seen = match Detail::of(entry).unwrap() {
                Detail::Intent(intent) => intent.seen,
                Detail::Seen(Some(seen)) => seen,
                _ => continue,
            };
            // From the genesis (counter 0, last in the list) on, a counter is a place in the chain.
            let place = |back: usize| {
                let counter = usize::from(entry.tap_counter).checked_sub(1 + back)?;
                applied.iter().rev().skip(1).nth(counter).copied()
            };
            assert_eq!(place(0), Some(seen.base), "{entry:?}");
            assert_eq!(place(1).unwrap_or_default(), seen.before);
            if let Some(before2) = seen.before2 {
                assert_eq!(place(2).unwrap_or_default(), before2);
            }
            assert!(credits.contains(&seen.credit_id));
        }
    }
}

#[test]
fn no_cent_is_created_or_lost_over_any_evening() {
    evenings::<Chip>();
}

#[test]
fn no_cent_is_created_or_lost_over_any_evening_of_a_chip_with_a_counter_and_one_credit_slot() {
    evenings::<AesChip>();
}

fn evenings<C: Card>() {
    let (mut done_count, mut doubts) = (0, 0);
    for seed in 0..250 {
        let replay = std::panic::catch_unwind(|| {
            let (mut dice, mut evening) = (Dice(seed), Evening::<C>::new());
            for _ in 0..30 {
                evening.step(&mut dice);
            }
            let doubts: usize = evening.tills.iter().map(|till| till.open().len()).sum();
            if evening.spent().is_none() {
                done(&evening.tap(DESK, TapRequest::ClosingRead, Fault::None));
            }
            for at in 0..DESK {
                if dice.below(2) == 0 {
                    evening.give_up(at);
                } else {
                    done(&evening.tap(at, TapRequest::ClosingRead, Fault::None));
                }
            }
            let last = evening.tap(DESK, TapRequest::ClosingRead, Fault::None);
            let image = evening.chip.image();
            assert_eq!(done(&last).1, image.balance(Cents::ZERO));
            evening.truth.agrees(&evening.chip, &evening.tills.each_ref());
            evening.what_was_seen_was_there();
            let commits = evening.tills.iter().flat_map(|till| &till.journal).filter(|e| e.effect == Effect::Debit);
            (commits.count(), doubts)
        });
        let (commits, in_doubt) = replay.unwrap_or_else(|_| panic!("seed {seed}"));
        done_count += commits;
        doubts += in_doubt;
    }
    assert!(done_count > 1_000, "the evenings must have sales: {done_count}");
    assert!(doubts > 50, "and intents in doubt: {doubts}");
}

#[test]
fn intents_of_another_device_are_left_alone() {
    let mut evening = Evening::<Chip>::new();
    done(&evening.tap(DESK, top_up(5_000, None), Fault::None));
    evening.tap(0, sale(400, None), Fault::Pulled(7, tap_bench::Moment::After));
    let mut open = evening.tills[0].open();
    assert_eq!(open.len(), 1);
    open[0].entry.device = DeviceId([77; 16]);
    let known = KnownWallet { open, ..KnownWallet::default() };
    let ran = evening.tills[1].tap_knowing(known, &mut evening.chip, sale(100, None), Fault::None, &mut |_| {});
    done(&ran);
    assert!(evening.tills[1].journal.iter().all(|e| e.kind != Kind::GAVE_UP && e.kind != Kind::VOID));
}
