//! What is owed reaches the chip exactly once, whoever carries it, whatever tears, however often the hub signs again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a failed test should panic"
)]

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger_world::{BAR_A, BAR_B, DESK, End, WALLET, World, cents, entry};
use domain::{
    id::{BoxNumber, EntryRef},
    journal::{
        BandProfile, Block, BlockedKind, Detail, Effect, Entry, IntentPurpose, Kind, OnlineCredit, Pairing, Subject,
        TopUp,
    },
    ledger::{
        Carrying, ConflictKind, CreditItem, Due, NotDue, Owed, Standing, Totals, WalletEntry, WalletSum, credit_id,
        fold_wallet, owed, wallet_conflicts,
    },
    money::Cents,
    wire::Reader,
    wristband::{CREDIT_RECORD_LEN, CreditId},
};
use proptest::prelude::*;

type Record = [u8; CREDIT_RECORD_LEN];

const HUB: u8 = 7;
const MAXIMUM: u32 = 5_000;

/// Boxes with their offers, a hub that has heard a part of each journal, and the chip's whole truth.
struct Evening {
    world: World,
    heard: BTreeMap<u8, u32>,
    offers: BTreeMap<u8, Record>,
    newest: Option<Record>,
    /// A carry in doubt at a box.
    open: BTreeMap<u8, (EntryRef, Record, u32)>,
    /// Every C that was ever in force, with the one before.
    links: BTreeMap<CreditId, CreditId>,
    owed: i64,
    signed: u32,
}

fn link(record: &Record) -> CreditId {
    CreditId(record[8..12].try_into().unwrap())
}

impl Evening {
    fn new() -> Self {
        let mut world = World::new();
        let pairing = Detail::Pairing(Pairing::of(BandProfile::Ntag21x)).to_bytes();
        world.push(HUB, Entry { part: pairing, other: Subject([5; 16]), ..entry(Kind::PAIRING, Effect::None, 0) });
        Self {
            world,
            heard: BTreeMap::new(),
            offers: BTreeMap::new(),
            newest: None,
            open: BTreeMap::new(),
            links: BTreeMap::new(),
            owed: 0,
            signed: 0,
        }
    }

    fn noted(&mut self) {
        let last = self.world.entries.iter().rev().find_map(|e| match &e.detail {
            Detail::Intent(intent) => intent.new_credit,
            _ => None,
        });
        if let Some(record) = last.filter(|record| credit_id(record) == self.world.chip.credit) {
            self.links.insert(credit_id(&record), link(&record));
        }
    }

    fn on_chip(&self, id: CreditId) -> bool {
        let mut at = Some(self.world.chip.credit);
        while let Some(credit) = at {
            if credit == id {
                return true;
            }
            at = self.links.get(&credit).copied();
        }
        false
    }

    /// Cents of C′ that are really on the chip.
    fn carried(&self) -> i64 {
        let signed = self.world.entries.iter().filter_map(|e| match &e.detail {
            Detail::OnlineCredit(OnlineCredit { record: Some(record), .. }) => Some((e, *record)),
            _ => None,
        });
        signed.filter(|(_, record)| self.on_chip(credit_id(record))).map(|(e, _)| e.entry.amount.as_i64()).sum()
    }

    fn known(&self) -> Vec<WalletEntry> {
        let heard = |e: &&WalletEntry| {
            let by = e.at.device.0[0];
            by == HUB || e.at.seq < self.heard.get(&by).copied().unwrap_or(0)
        };
        self.world.entries.iter().filter(heard).cloned().collect()
    }

    fn hub_sees(&self) -> Owed {
        let known = self.known();
        owed(&fold_wallet(WALLET, &known), &known, cents(MAXIMUM))
    }

    fn sync(&mut self, by: u8) {
        let held = self.world.entries.iter().filter(|e| e.at.device.0[0] == by).count() as u32;
        self.heard.insert(by, held);
    }

    fn sign(&mut self) {
        let seen = self.hub_sees();
        if let Ok(due) = &seen.due {
            self.signed += 1;
            let record = record(due, self.signed);
            let part = OnlineCredit { record: Some(record), covers: due.covers.clone() };
            let entry = Entry {
                part: Detail::OnlineCredit(part).to_bytes(),
                ..entry(Kind::ONLINE_CREDIT, Effect::None, due.amount.get())
            };
            self.world.push(HUB, entry);
        }
        self.newest = self.hub_sees().on_offer().map(|offer| offer.record);
    }

    fn owe(&mut self, by: u8, amount: u32) {
        self.world.push(by, entry(Kind::PENDING_CREDIT, Effect::Owe, amount));
        self.owed += i64::from(amount);
    }

    /// A tap at a bar: what is in doubt here comes first, then the offer, if the chip holds what it replaces.
    fn tap(&mut self, by: u8, end: End, sells: bool) {
        self.finish(by);
        let offer = self.offers.get(&by).copied().filter(|record| link(record) == self.world.chip.credit);
        if let Some(record) = offer {
            let credits = u32::from_le_bytes([record[0], record[1], record[2], 0]);
            let amount = credits - self.world.chip.credits;
            let at = self.world.tap_with(by, IntentPurpose::Carry, (amount, 0), Some(record), end);
            self.noted();
            match end {
                End::Written | End::Lost | End::CreditOnly => {
                    self.open.insert(by, (at, record, amount));
                    return;
                }
                End::Void => return,
                End::Committed => {}
            }
        }
        let left = self.world.chip.balance().get();
        if sells && left > 1 {
            self.world.sale(by, left / 2, End::Committed);
        }
    }

    /// As the tap does with a credit in doubt: complete it, write it again, or give it up.
    fn finish(&mut self, by: u8) {
        let Some((at, record, amount)) = self.open.remove(&by) else { return };
        if !self.on_chip(credit_id(&record)) {
            if link(&record) != self.world.chip.credit {
                self.world.give_up(by, at);
                return;
            }
            self.world.write_credit(Some(record), amount);
            self.links.insert(credit_id(&record), link(&record));
        }
        let part =
            Detail::TopUp(TopUp { c_only: true, fee: Cents::ZERO, means: domain::journal::Means::Cash }).to_bytes();
        self.world.push(by, Entry { refers_to: Some(at), part, ..entry(Kind::TOP_UP, Effect::Repay, amount) });
    }

    fn top_up(&mut self, amount: u32) {
        // a desk signs above every sequence that it has heard of; here it has heard of none
        self.world.top_up(amount);
        self.noted();
    }
}

fn record(due: &Due, signed: u32) -> Record {
    let mut record = [0; CREDIT_RECORD_LEN];
    let credits = due.head.credits.get() + due.amount.get();
    record[..3].copy_from_slice(&credits.to_le_bytes()[..3]);
    record[3] = due.seq;
    record[8..12].copy_from_slice(&due.head.id.0);
    record[12..16].copy_from_slice(&(signed | 1 << 31).to_le_bytes());
    record
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Owe(u8, u32),
    Sync(u8),
    Sign,
    Deliver(u8),
    Tap(u8, End, bool),
    GiveUp(u8),
    TopUp(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![
        3 => Just(End::Committed), 1 => Just(End::Void), 2 => Just(End::Written), 2 => Just(End::Lost),
        1 => Just(End::CreditOnly)
    ];
    prop_oneof![
        2 => (BAR_A..=BAR_B, 1..900u32).prop_map(|(by, amount)| Step::Owe(by, amount)),
        3 => (BAR_A..=DESK).prop_map(Step::Sync),
        4 => Just(Step::Sign),
        3 => (BAR_A..=BAR_B).prop_map(Step::Deliver),
        5 => (BAR_A..=BAR_B, end, any::<bool>()).prop_map(|(by, end, sells)| Step::Tap(by, end, sells)),
        1 => (BAR_A..=BAR_B).prop_map(Step::GiveUp),
        1 => (1..500u32).prop_map(Step::TopUp),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn what_is_owed_is_credited_exactly_once(steps in prop::collection::vec(step(), 0..60)) {
        let mut evening = Evening::new();
        evening.top_up(1_000);
        for step in &steps {
            match *step {
                Step::Owe(by, amount) => evening.owe(by, amount),
                Step::Sync(by) => evening.sync(by),
                Step::Sign => evening.sign(),
                Step::Deliver(by) => match evening.newest {
                    Some(record) => { evening.offers.insert(by, record); }
                    None => { evening.offers.remove(&by); }
                },
                Step::Tap(by, end, sells) => evening.tap(by, end, sells),
                Step::GiveUp(by) => if let Some((at, ..)) = evening.open.remove(&by) { evening.world.give_up(by, at); },
                Step::TopUp(amount) => evening.top_up(amount),
            }
            prop_assert!(evening.carried() <= evening.owed, "more on the chip than was ever owed");
        }
        for by in [BAR_A, BAR_B] { evening.finish(by); }
        evening.world.closing_read();
        for by in [BAR_A, BAR_B, DESK] { evening.sync(by); }
        let entries = evening.known();
        let fold = fold_wallet(WALLET, &entries);
        prop_assert_eq!(fold.accounts.pending, evening.owed - evening.carried());
        let chips = [(WALLET, evening.world.chip.balance())].into();
        let totals = Totals::against_chips([WalletSum::from(&fold)], &chips);
        prop_assert!(totals.balances() && totals.unreported == 0, "{:?}", totals);
        // All has met: what is left can be signed for and carried, until nothing is owed.
        for _ in 0..3 {
            evening.sign();
            match evening.newest { Some(record) => evening.offers.insert(BAR_A, record), None => evening.offers.remove(&BAR_A) };
            evening.tap(BAR_A, End::Committed, true);
            evening.world.closing_read();
            for by in [BAR_A, BAR_B, DESK] { evening.sync(by); }
        }
        prop_assert_eq!(evening.hub_sees().due, Err(NotDue::Nothing));
        prop_assert_eq!(evening.carried(), evening.owed);
    }

    #[test]
    fn the_order_in_which_carries_arrive_does_not_matter(
        steps in prop::collection::vec(step(), 0..40), turn in 0..97usize,
    ) {
        let mut evening = Evening::new();
        evening.top_up(500);
        for by in [BAR_A, BAR_B, DESK] { evening.sync(by); }
        for step in &steps {
            match *step {
                Step::Owe(by, amount) => { evening.owe(by, amount); evening.sync(by); evening.sign(); }
                Step::Tap(by, end, sells) => {
                    if let Some(record) = evening.newest { evening.offers.insert(by, record); }
                    evening.tap(by, end, sells);
                }
                Step::TopUp(amount) => evening.top_up(amount),
                Step::Sync(by) | Step::Deliver(by) | Step::GiveUp(by) => evening.sync(by),
                Step::Sign => evening.sign(),
            }
        }
        let fold = fold_wallet(WALLET, &evening.world.entries);
        let mut mixed = evening.world.entries.clone();
        let turn = turn % mixed.len();
        mixed.rotate_left(turn);
        mixed.extend(mixed.clone());
        mixed.reverse();
        prop_assert_eq!(fold_wallet(WALLET, &mixed), fold);
    }
}

fn with_offer() -> (Evening, Record) {
    let mut evening = Evening::new();
    evening.top_up(1_000);
    evening.owe(BAR_A, 300);
    for by in [BAR_A, DESK] {
        evening.sync(by);
    }
    evening.sign();
    let record = evening.newest.unwrap();
    evening.offers = [(BAR_A, record), (BAR_B, record)].into();
    (evening, record)
}

#[test]
fn a_credit_that_two_boxes_finish_counts_once() {
    let (mut evening, _) = with_offer();
    evening.tap(BAR_A, End::Lost, false); // torn before it counted
    evening.tap(BAR_B, End::Committed, false);
    evening.finish(BAR_A); // finds it on the chip and commits it too
    let repaid = evening.world.entries.iter().filter(|e| e.entry.effect == Effect::Repay).count();
    let fold = fold_wallet(WALLET, &evening.world.entries);
    assert_eq!((repaid, fold.accounts.pending, fold.state.balance), (2, 0, 1_300));
}

#[test]
fn a_credit_seen_on_the_chip_is_paid_though_its_carrier_is_lost() {
    let (mut evening, record) = with_offer();
    evening.tap(BAR_A, End::Committed, false);
    evening.tap(BAR_B, End::Committed, true);
    evening.sync(BAR_B); // A was stolen with its journal
    let owed = evening.hub_sees();
    assert_eq!((owed.pending, owed.offers[0].carrying), (0, Carrying::Carried));
    assert_eq!(owed.offers[0].record, record);
}

#[test]
fn nothing_is_signed_again_while_a_desk_s_journal_that_may_build_on_it_is_missing() {
    let (mut evening, _) = with_offer();
    evening.tap(BAR_A, End::Committed, false);
    evening.top_up(200); // cut off: the hub knows the new C only from the bar that reads it
    evening.tap(BAR_B, End::Committed, true);
    evening.sync(BAR_B);
    let owed = evening.hub_sees();
    assert_eq!((owed.due, owed.pending), (Err(NotDue::Unclear), 300));
    assert_eq!(owed.offers[0].carrying, Carrying::Unclear);
    let known = fold_wallet(WALLET, &evening.known());
    assert_eq!((known.state.pending, known.accounts.unreported), (0, 500), "a desk may have paid it out");
    evening.sync(DESK);
    assert_eq!(evening.hub_sees().due, Err(NotDue::Nothing));
}

#[test]
fn a_credit_that_was_overtaken_by_a_top_up_is_signed_again_for_the_new_c_above_its_sequence() {
    let (mut evening, record) = with_offer();
    evening.top_up(200);
    evening.sync(DESK);
    let seen = evening.hub_sees();
    assert_eq!(seen.offers[0].carrying, Carrying::Superseded);
    let due = seen.due.unwrap();
    assert_eq!((due.head.id, due.amount, due.covers.len()), (evening.world.chip.credit, cents(300), 1));
    assert!(due.seq > record[3]);
}

#[test]
fn what_is_owed_is_known_to_be_open_once_every_desk_has_said_what_it_booked() {
    let mut world = World::new();
    world.top_up(1_000);
    world.push(HUB, entry(Kind::PENDING_CREDIT, Effect::Owe, 300));
    let torn = world.tap(DESK, IntentPurpose::TopUp, 500, 0, End::Written);
    world.sale(BAR_A, 10, End::Committed);
    let pending = |world: &World| fold_wallet(WALLET, &world.entries).state.pending;
    assert_eq!(pending(&world), 0, "a C is on the chip of which its desk says nothing yet");
    world.give_up(DESK, torn);
    assert_eq!(pending(&world), 300);
}

#[test]
fn two_credits_of_one_sequence_are_left_to_a_person() {
    for swapped in [false, true] {
        let mut world = World::new();
        world.top_up(1_000);
        world.push(HUB, entry(Kind::PENDING_CREDIT, Effect::Owe, 300));
        let first = world.chip;
        let due = |world: &World| owed(&fold_wallet(WALLET, &world.entries), &world.entries, cents(MAXIMUM)).due;
        assert_eq!(due(&world).map(|due| due.amount), Ok(cents(300)));
        let rival = CreditId([0xee; 4]);
        for credit in if swapped { [rival, first.credit] } else { [first.credit, rival] } {
            world.chip.credit = credit;
            world.sale(BAR_B, 0, End::Void); // reads it
        }
        assert_eq!(due(&world), Err(NotDue::Suspect), "{swapped}");
    }
}

#[test]
fn nothing_is_signed_for_a_band_with_entries_on_forked_ground_or_a_copied_chip() {
    let seen = |world: &World| owed(&fold_wallet(WALLET, &world.entries), &world.entries, cents(MAXIMUM)).due;
    let mut forked = World::new();
    forked.top_up(1_000);
    forked.push(HUB, entry(Kind::PENDING_CREDIT, Effect::Owe, 300));
    let mut copied = forked.clone();
    let note = forked.push(BAR_A, entry(Kind::NOTE, Effect::None, 0));
    assert!(seen(&forked).is_ok());
    forked.mark(note, Standing::Disputed);
    assert_eq!(seen(&forked), Err(NotDue::Suspect));
    let dump = copied.chip;
    copied.sale(BAR_A, 10, End::Committed);
    copied.chip = dump;
    copied.sale(BAR_B, 20, End::Committed);
    assert_eq!(seen(&copied), Err(NotDue::Suspect));
}

#[test]
fn a_credit_for_another_c_than_was_ever_seen_is_unclear_until_its_place_is_known() {
    let (mut evening, record) = with_offer();
    // the C on the chip follows one that the hub has not heard of, and not the one that was signed over
    let torn = evening.world.tap(9, IntentPurpose::TopUp, 50, 0, End::Written);
    evening.top_up(60);
    evening.sync(DESK);
    let carrying = |evening: &Evening| evening.hub_sees().offers[0].carrying;
    assert_eq!(carrying(&evening), Carrying::Unclear);
    evening.sync(9);
    assert_eq!(carrying(&evening), Carrying::Superseded);
    assert!(evening.world.entries.iter().any(|e| e.at == torn) && record != [0; CREDIT_RECORD_LEN]);
}

#[test]
fn what_was_carried_is_covered_no_more_and_what_a_lost_sale_owes_is() {
    let (mut evening, _) = with_offer();
    evening.tap(BAR_A, End::Committed, false);
    evening.owe(BAR_A, 40);
    let (due, owed) = {
        evening.sync(BAR_A);
        let seen = evening.hub_sees();
        (seen.due.unwrap(), evening.world.entries.last().unwrap().at)
    };
    assert_eq!((due.amount, due.covers), (cents(40), vec![owed]));
    let sold = evening.world.sale(BAR_B, 25, End::Written);
    evening.world.give_up(BAR_B, sold);
    evening.world.sale(BAR_A, 0, End::Committed);
    evening.world.sale(BAR_A, 5, End::Committed);
    evening.sync(BAR_A);
    evening.sync(BAR_B);
    let due = evening.hub_sees().due.unwrap();
    assert_eq!((due.amount, due.covers), (cents(65), BTreeSet::from([owed, sold]).into_iter().collect()));
}

/// A sale of 25 that BAR_B wrote and gave up, that the hub owes the guest, and that BAR_A has put back on the band.
fn given_back() -> (Evening, EntryRef) {
    let mut evening = Evening::new();
    evening.top_up(1_000);
    let sold = evening.world.sale(BAR_B, 25, End::Written);
    evening.world.give_up(BAR_B, sold);
    evening.world.sale(BAR_A, 5, End::Committed);
    for by in [BAR_A, BAR_B, DESK] {
        evening.sync(by);
    }
    evening.sign();
    evening.offers.insert(BAR_A, evening.newest.unwrap());
    evening.tap(BAR_A, End::Committed, false);
    evening.sync(BAR_A);
    (evening, sold)
}

#[test]
fn goods_that_were_handed_over_before_their_price_was_given_back_are_a_named_loss() {
    let (mut evening, sold) = given_back();
    let sums = |evening: &Evening| fold_wallet(WALLET, &evening.known()).accounts;
    let told = |evening: &Evening| {
        let entries = evening.known();
        let named = wallet_conflicts(&fold_wallet(WALLET, &entries), &entries, |_| BoxNumber(1));
        named.iter().map(|one| (one.kind, one.amount, one.places[0].at)).collect::<Vec<_>>()
    };
    assert_eq!((sums(&evening).spent, sums(&evening).pending, told(&evening)), (30, 0, vec![]));
    evening.world.refer(BAR_B, Kind::HANDED_OVER, Effect::None, sold);
    evening.sync(BAR_B);
    assert_eq!(told(&evening), [(ConflictKind::Loss, Some(25), sold)]);
    assert_eq!((sums(&evening).spent, sums(&evening).pending, sums(&evening).losses), (5, 0, 25));
    let chips = [(WALLET, evening.world.chip.balance())].into();
    let books = Totals::against_chips([WalletSum::from(&fold_wallet(WALLET, &evening.known()))], &chips);
    assert!(books.balances() && books.balance == 995, "{books:?}");
}

#[test]
fn what_was_given_back_of_goods_that_were_handed_over_is_taken_off_what_is_owed_otherwise() {
    let (mut evening, sold) = given_back();
    evening.world.refer(BAR_B, Kind::HANDED_OVER, Effect::None, sold);
    evening.sync(BAR_B);
    evening.owe(BAR_A, 10);
    evening.sync(BAR_A);
    let sums = fold_wallet(WALLET, &evening.known()).accounts;
    assert_eq!((sums.spent, sums.pending, sums.losses), (15, 0, 15));
    evening.owe(BAR_A, 100);
    evening.sync(BAR_A);
    let sums = fold_wallet(WALLET, &evening.known()).accounts;
    assert_eq!((sums.spent, sums.pending, sums.losses), (30, 85, 0));
    assert_eq!(evening.hub_sees().due.unwrap().amount, cents(85));
}

#[test]
fn a_credit_in_doubt_that_another_box_saw_is_paid() {
    let (mut evening, _) = with_offer();
    evening.tap(BAR_A, End::Written, false);
    evening.world.sale(BAR_B, 10, End::Committed);
    let fold = fold_wallet(WALLET, &evening.world.entries);
    assert_eq!((fold.accounts.pending, fold.state.pending), (0, 0));
}

#[test]
fn an_offer_in_a_delta_reads_back_and_half_an_offer_is_none() {
    let record = [7; CREDIT_RECORD_LEN];
    for offer in [None, Some((record, cents(300)))] {
        let item = CreditItem { wallet: WALLET, offer };
        let bytes = item.to_bytes();
        assert_eq!(bytes.len(), CreditItem::LEN);
        assert_eq!(CreditItem::read(&mut Reader::new(&bytes)), Ok(item));
    }
    for half in [(record, Cents::ZERO), ([0; CREDIT_RECORD_LEN], cents(300))] {
        let bytes = CreditItem { wallet: WALLET, offer: Some(half) }.to_bytes();
        assert!(CreditItem::read(&mut Reader::new(&bytes)).is_err());
    }
}

#[test]
fn a_larger_debt_is_signed_over_the_same_c_and_only_one_of_the_two_can_be_written() {
    let (mut evening, first) = with_offer();
    evening.owe(BAR_B, 50);
    evening.sync(BAR_B);
    evening.sign();
    let second = evening.newest.unwrap();
    assert_ne!(first, second);
    assert_eq!(link(&first), link(&second));
    evening.offers.insert(BAR_B, second);
    evening.tap(BAR_A, End::Committed, false);
    evening.tap(BAR_B, End::Committed, false); // its C′ replaces a C that is gone
    for by in [BAR_A, BAR_B] {
        evening.sync(by);
    }
    assert_eq!((evening.carried(), evening.hub_sees().pending), (300, 50));
}

#[test]
fn nothing_is_signed_for_a_band_that_nobody_has_read_or_that_is_blocked() {
    let mut evening = Evening::new();
    evening.owe(BAR_A, 300);
    evening.sync(BAR_A);
    assert_eq!(evening.hub_sees().due, Err(NotDue::NeverSeen));
    let (mut evening, _) = with_offer();
    let block = domain::journal::Block { of: domain::journal::BlockedKind::Wallet, reason: "band.blocked".into() };
    evening.world.push(HUB, Entry { part: Detail::Block(block).to_bytes(), ..entry(Kind::BLOCK, Effect::Block, 0) });
    evening.owe(BAR_A, 20);
    evening.sync(BAR_A);
    assert_eq!(evening.hub_sees().due, Err(NotDue::Blocked));
}

#[test]
fn nothing_is_signed_for_a_band_from_which_more_was_spent_than_there_was() {
    let mut evening = Evening::new();
    evening.top_up(1_000);
    evening.owe(BAR_A, 300);
    let sold = evening.world.push(BAR_B, entry(Kind::SALE, Effect::Debit, 1_200));
    for by in [BAR_A, BAR_B, DESK] {
        evening.sync(by);
    }
    assert_eq!(evening.hub_sees().due, Err(NotDue::Suspect));
    evening.world.entries.retain(|e| e.at != sold);
    assert!(evening.hub_sees().due.is_ok(), "it is owed as long as there is money");
}

#[test]
fn credits_of_a_desk_that_is_cut_off_are_unreported_and_no_overspend() {
    let mut world = World::new();
    world.top_up(1_000);
    world.sale(BAR_A, 700, End::Committed);
    let heard: Vec<_> = world.entries.iter().filter(|e| e.at.device.0[0] == BAR_A).cloned().collect();
    let fold = fold_wallet(WALLET, &heard);
    assert_eq!((fold.accounts.unreported, fold.overspend, fold.accounts.balance()), (1_000, 0, 300));
    assert_eq!(fold.state.balance, 0, "a chip's word alone moves nothing elsewhere");
    let chips = [(WALLET, world.chip.balance())].into();
    let totals = Totals::against_chips([WalletSum::from(&fold)], &chips);
    assert!(totals.balances(), "{totals:?}");
    assert_eq!((totals.unreported, totals.overspend), (1_000, 0));
    let all = fold_wallet(WALLET, &world.entries);
    assert_eq!((all.accounts.unreported, all.accounts.top_ups, all.state.balance), (0, 1_000, 300));
}

#[test]
fn of_what_a_cut_off_desk_put_on_only_that_is_unreported() {
    let mut world = World::new();
    world.top_up(1_000);
    world.tap(4, IntentPurpose::TopUp, 500, 0, End::Void);
    world.tap(5, IntentPurpose::TopUp, 300, 0, End::Committed); // cut off
    world.sale(BAR_A, 700, End::Committed);
    let without = |world: &World, by: u8| {
        let heard: Vec<_> = world.entries.iter().filter(|e| e.at.device.0[0] != by).cloned().collect();
        fold_wallet(WALLET, &heard).accounts.unreported
    };
    assert_eq!((without(&world, 5), without(&world, 0)), (300, 0), "a void top-up was never put on");
    let intents = |e: &WalletEntry| e.at.device.0[0] == 5 && e.entry.kind == Kind::INTENT;
    world.entries.retain(|e| !intents(e));
    assert_eq!(without(&world, 0), 0, "a commit says what it put on, also without its intent");
}

#[test]
fn an_intent_that_nobody_sees_again_is_written_off_in_the_guest_s_favour_and_a_later_read_corrects_it() {
    let mut world = World::new();
    world.top_up(1_000);
    let (unserved, served) = (world.sale(BAR_A, 200, End::Lost), world.sale(BAR_B, 300, End::Written));
    world.refer(BAR_B, Kind::HANDED_OVER, Effect::None, served);
    let in_doubt = fold_wallet(WALLET, &world.entries);
    for (by, intent) in [(BAR_A, unserved), (BAR_B, served)] {
        world.give_up(by, intent);
        world.push(HUB, Entry { refers_to: Some(intent), ..entry(Kind::WRITTEN_OFF, Effect::None, 0) });
    }
    assert_eq!((in_doubt.state.in_doubt, in_doubt.state.balance), (500, 500));
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.state.in_doubt, fold.state.balance, fold.accounts.spent), (0, 700, 300));
    world.closing_read();
    let read = fold_wallet(WALLET, &world.entries);
    assert_eq!((read.state.in_doubt, read.state.balance, read.accounts.pending), (0, 700, 0));
}

#[test]
fn what_a_revoked_box_left_in_doubt_is_written_off_without_its_word_and_a_read_counts_from_then_on() {
    for end in [End::Lost, End::Written] {
        let mut world = World::new();
        world.top_up(1_000);
        let torn = world.sale(BAR_A, 200, end);
        world.closing_read();
        let fold = fold_wallet(WALLET, &world.entries);
        assert_eq!(fold.state.in_doubt, 200, "its own box may still say something, whatever the chip shows");
        world.push(HUB, Entry { refers_to: Some(torn), ..entry(Kind::WRITTEN_OFF, Effect::None, 0) });
        let fold = fold_wallet(WALLET, &world.entries);
        let paid = i64::from(matches!(end, End::Written)) * 200;
        let told = (fold.state.in_doubt, fold.accounts.spent, fold.accounts.pending, fold.state.balance);
        assert_eq!(told, (0, paid, paid, 1_000 - paid), "what the chip shows, and what was not served is owed");
    }
}

#[test]
fn a_top_up_in_doubt_that_is_written_off_is_owed_to_the_guest_and_no_desk_pays_it_out_in_cash() {
    let mut world = World::new();
    world.top_up(100);
    world.push(HUB, entry(Kind::PENDING_CREDIT, Effect::Owe, 70));
    let torn = world.tap(DESK, IntentPurpose::TopUp, 500, 0, End::Lost);
    world.give_up(DESK, torn);
    world.push(HUB, Entry { refers_to: Some(torn), ..entry(Kind::WRITTEN_OFF, Effect::None, 0) });
    let fold = fold_wallet(WALLET, &world.entries);
    assert_eq!((fold.state.balance, fold.accounts.pending, fold.accounts.top_ups), (100, 570, 600));
    assert_eq!(fold.state.pending, 70, "a desk may have read it on the band and not said so yet");
    let due = owed(&fold, &world.entries, cents(MAXIMUM)).due;
    assert_eq!(due.map(|due| due.amount), Ok(cents(570)), "a C′ is written only where the top-up is not on the band");
    let seen: BTreeSet<_> = fold.settled.iter().map(|s| s.consequence().in_doubt).collect();
    assert_eq!(seen, [0].into());
}

#[test]
fn a_written_off_top_up_keeps_its_fee_before_and_after_the_band_is_read() {
    let mut world = World::new();
    let torn = world.tap(DESK, IntentPurpose::TopUp, 2_000, 0, End::Written);
    let intent = world.entries.iter_mut().find(|e| e.at == torn).unwrap();
    let Detail::Intent(announced) = &mut intent.detail else { panic!("an intent") };
    announced.fee = cents(50);
    intent.entry.part = intent.detail.to_bytes();
    world.give_up(DESK, torn);
    world.push(HUB, Entry { refers_to: Some(torn), ..entry(Kind::WRITTEN_OFF, Effect::None, 0) });
    let sums = |world: &World| {
        let accounts = fold_wallet(WALLET, &world.entries).accounts;
        (accounts.top_ups, accounts.fees, accounts.pending, accounts.balance())
    };
    assert_eq!(sums(&world), (2_050, 50, 2_000, 0), "the cash that was taken, of which the fee is the festival's");
    world.sale(BAR_A, 300, End::Committed);
    assert_eq!(sums(&world), (2_050, 50, 0, 1_700), "it stood on the band");
}

#[test]
fn what_was_taken_off_an_emptied_band_is_named_also_where_no_box_committed_it() {
    let mut world = World::new();
    let torn = world.tap(DESK, IntentPurpose::TopUp, 2_000, 0, End::Written);
    world.give_up(DESK, torn);
    world.push(HUB, Entry { refers_to: Some(torn), ..entry(Kind::WRITTEN_OFF, Effect::None, 0) });
    let reason = Detail::Block(Block { of: BlockedKind::Wallet, reason: "band.swapped".into() });
    world.push(HUB, Entry { part: reason.to_bytes(), ..entry(Kind::BLOCK, Effect::Block, 0) });
    world.push(HUB, Entry { other: Subject([5; 16]), ..entry(Kind::BAND_TRANSFER, Effect::Repay, 2_000) });
    let taken = world.sale(BAR_A, 300, End::Written);
    world.refer(BAR_A, Kind::HANDED_OVER, Effect::None, taken);
    world.give_up(BAR_A, taken);
    world.closing_read();
    let fold = fold_wallet(WALLET, &world.entries);
    let named = wallet_conflicts(&fold, &world.entries, |_| BoxNumber(1));
    let told: Vec<_> = named.iter().map(|one| (one.kind, one.amount, one.places[0].at)).collect();
    assert_eq!(told, [(ConflictKind::LateSpend, Some(300), taken)]);
    let books = Totals::from_ledger([WalletSum::from(&fold)]);
    assert!(books.balances(), "{books:?}");
    assert_eq!((books.overspend, books.pending_credit, books.balance), (300, 0, 0));
}
