//! Forked journals, revocations, blocks, and the stored formats of what is known.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]

use crate::ledger_world::{self, BAR_A, BAR_B, End, WALLET, World, block, codes, device, entry, lift};
use domain::{
    id::{BoxNumber, EntryRef, TicketUid, WalletId},
    journal::{
        BandProfile, Block, BlockedKind, Detail, Effect, Entry, Flags, Kind, MatterKind, Pairing, Revocation, Ruling,
        RulingAction, Subject, Terms, ZERO_HASH, link,
    },
    ledger::{
        Accounts, Branches, Conflict, ConflictKind, Cutoff, Forbidden, Gap, Reason, Standing, TicketEntry, TicketFlags,
        TicketState, Totals, WalletEntry, WalletFlags, WalletState, WalletSum, fold_ticket, fold_wallet,
        ticket_conflicts, wallet_conflicts,
    },
    time::Hlc,
    wire::{hex, unhex},
    wristband::RecordId,
};

fn fold(world: &World) -> domain::ledger::WalletFold {
    fold_wallet(WALLET, &world.entries)
}

#[test]
fn a_disputed_credit_stands_apart_and_a_disputed_spend_counts() {
    let mut world = World::new();
    world.push(1, entry(Kind::TOP_UP, Effect::Credit, 1000));
    let credit = world.push(2, entry(Kind::GIFT, Effect::Credit, 500));
    let spend = world.push(2, entry(Kind::FEE, Effect::Debit, 200));
    let owed = world.push(2, entry(Kind::PENDING_CREDIT, Effect::Owe, 70));
    for at in [credit, spend, owed] {
        world.mark(at, Standing::Disputed);
    }
    let fold = fold(&world);
    assert_eq!((fold.state.balance, fold.disputed, fold.state.pending), (800, 570, 0));
    assert!(fold.state.flags.has(WalletFlags::DISPUTED));
    let totals = Totals::from_ledger([WalletSum::from(&fold)]);
    assert!(totals.balances());
    assert_eq!((totals.disputed, totals.gifts, totals.pending_issued), (570, 500, 70));
}

#[test]
fn a_spend_on_both_branches_counts_once_per_chip_record() {
    let mut world = World::new();
    world.top_up(1000);
    let intent = world.sale(BAR_A, 300, End::Committed);
    let branch: Vec<WalletEntry> = world.entries.iter().filter(|e| e.at.device == device(BAR_A)).cloned().collect();
    world.mark_all(BAR_A, Standing::Disputed);
    for mut e in branch {
        // The other branch has one entry more in front, so the same entries stand one place further.
        e.at.seq += 1;
        e.entry.refers_to = e.entry.refers_to.map(|at| EntryRef { seq: at.seq + 1, ..at });
        e.standing = Standing::Disputed;
        world.entries.push(e);
    }
    let fold = fold(&world);
    assert_eq!((fold.accounts.spent, fold.state.balance), (300, 700));
    assert!(fold.settled.iter().any(|s| s.intent == intent));
}

#[test]
fn two_different_spends_on_two_branches_both_count() {
    let mut world = World::new();
    world.top_up(1000);
    let at = world.push(1, entry(Kind::SALE, Effect::Debit, 100));
    world.entries.push(WalletEntry::new(at, entry(Kind::SALE, Effect::Debit, 150), Standing::Disputed));
    world.mark(at, Standing::Disputed);
    assert_eq!(fold(&world).accounts.spent, 250);
}

#[test]
fn a_forbidden_entry_moves_nothing_and_is_named() {
    let mut world = World::new();
    let at = world.push(1, entry(Kind::TOP_UP, Effect::Credit, 100));
    world.mark(at, Standing::SetAside(Reason::Forbidden(Forbidden::Role(3))));
    let fold = fold(&world);
    assert_eq!(fold.state, WalletState::empty(WALLET));
    let found = wallet_conflicts(&fold, &world.entries, |_| BoxNumber(12));
    assert_eq!(codes(&found), ["forbidden-entry"]);
    assert_eq!((found[0].places[0].at, found[0].places[0].box_number), (at, BoxNumber(12)));
    assert_eq!((found[0].amount, found[0].todo_code()), (Some(100), "check-box-and-certificate"));
    world.entries[0].entry.amount = domain::money::Cents::ZERO;
    assert_eq!(wallet_conflicts(&fold, &world.entries, |_| BoxNumber(12))[0].amount, None);
}

/// `amount` given back at BAR_A for the entry `of`, as corrections and "not handed over" do.
fn gives_back(world: &mut World, kind: Kind, effect: Effect, amount: u32, of: EntryRef) -> EntryRef {
    world.push(BAR_A, Entry { refers_to: Some(of), ..entry(kind, effect, amount) })
}

#[test]
fn a_till_gives_back_what_its_own_entry_took_from_this_wallet_and_no_cent_more() {
    let mut world = World::new();
    world.push(
        ledger_world::DESK,
        Entry { part: ledger_world::top_up(false), ..entry(Kind::TOP_UP, Effect::Credit, 1_000) },
    );
    let sold = world.push(BAR_A, entry(Kind::SALE, Effect::Debit, 300));
    gives_back(&mut world, Kind::CORRECTION_PLUS, Effect::Credit, 200, sold);
    let more = gives_back(&mut world, Kind::PENDING_CREDIT, Effect::Owe, 101, sold);
    let rest = gives_back(&mut world, Kind::PENDING_CREDIT, Effect::Owe, 100, sold);
    let found = fold(&world);
    assert_eq!((found.state.balance, found.state.pending), (900, 100), "the first ones that fit count");
    let named = wallet_conflicts(&found, &world.entries, |_| BoxNumber(12));
    assert_eq!((codes(&named), named[0].amount, named[0].places[0].at), (vec!["forbidden-entry"], Some(101), more));
    world.entries.reverse();
    assert_eq!(fold(&world), found);
    // without the sale nothing is given back, and its own box goes by the hub's state
    let without: Vec<WalletEntry> = world.entries.iter().filter(|e| e.at != sold).cloned().collect();
    assert_eq!(fold_wallet(WALLET, &without).state.balance, 1_000);
    let own: Vec<WalletEntry> = without.iter().filter(|e| e.at.device == rest.device).cloned().collect();
    let believed = WalletState { balance: 700, ..WalletState::empty(WALLET) }.with_local(&own);
    assert_eq!((believed.balance, believed.pending), (900, 201));
}

#[test]
fn a_till_gives_nothing_back_for_what_took_nothing() {
    let other = WalletId([0xbb; 16]);
    for (kind, effect) in [(Kind::CORRECTION_PLUS, Effect::Credit), (Kind::PENDING_CREDIT, Effect::Owe)] {
        let mut world = World::new();
        let elsewhere = world.push(BAR_B, entry(Kind::SALE, Effect::Debit, 300));
        let theirs = world.push(BAR_A, Entry { subject: other.into(), ..entry(Kind::SALE, Effect::Debit, 300) });
        let given = world.push(BAR_A, entry(Kind::GIFT, Effect::Credit, 300));
        let aside = world.push(BAR_A, entry(Kind::TOP_UP, Effect::Credit, 300));
        world.mark(aside, Standing::SetAside(Reason::Forbidden(Forbidden::Role(3))));
        let before = fold(&world).accounts;
        for of in [elsewhere, theirs, given, aside] {
            gives_back(&mut world, kind, effect, 300, of);
        }
        let after = fold(&world).accounts;
        assert_eq!((after.balance(), after.pending), (before.balance(), before.pending), "{kind:?}");
        assert_eq!(wallet_conflicts(&fold(&world), &world.entries, |_| BoxNumber(1))[0].places.len(), 5, "{kind:?}");
    }
}

#[test]
fn nothing_is_given_back_for_what_comes_later_or_a_revocation_cuts_off() {
    let mut world = World::new();
    let later = EntryRef { device: device(BAR_A), epoch: 0, seq: 2 };
    gives_back(&mut world, Kind::CORRECTION_PLUS, Effect::Credit, 300, later);
    world.push(BAR_A, entry(Kind::NOTE, Effect::None, 0));
    assert_eq!(world.push(BAR_A, entry(Kind::SALE, Effect::Debit, 300)), later);
    assert_eq!(fold(&world).state.balance, -300, "it names what was not there yet");
    world.mark(later, Standing::BeyondRevocation);
    assert_eq!(fold(&world).state.balance, 0);
    let named = wallet_conflicts(&fold(&world), &world.entries, |_| BoxNumber(12));
    assert!(codes(&named).contains(&"forbidden-entry"), "{named:?}");

    let mut world = World::new();
    let sold = world.push(BAR_A, entry(Kind::SALE, Effect::Debit, 300));
    gives_back(&mut world, Kind::CORRECTION_PLUS, Effect::Credit, 300, sold);
    assert_eq!(fold(&world).state.balance, 0);
    world.mark(sold, Standing::BeyondRevocation);
    assert_eq!(fold(&world).state.balance, 0, "what is cut off took nothing that could be given back");
}

#[test]
fn what_names_a_carried_credit_takes_as_often_as_it_is_written_and_keeps_no_delivery_from_counting() {
    let mut world = World::new();
    world.top_up(1_000);
    let carry = world.tap(BAR_A, domain::journal::IntentPurpose::Carry, 300, 0, End::Lost);
    for _ in 0..2 {
        let sold = world.refer(BAR_A, Kind::SALE, Effect::Debit, carry);
        gives_back(&mut world, Kind::CORRECTION_PLUS, Effect::Credit, 300, sold);
    }
    let (found, totals) = (fold(&world), Totals::from_ledger([WalletSum::from(&fold(&world))]));
    assert_eq!((found.accounts.spent, found.accounts.corrections, found.state.balance), (600, 0, 400));
    assert!(totals.balances());

    // what is owed and reaches the band is off what is owed, whatever else names that intent
    let mut world = World::new();
    world.top_up(1_000);
    world.push(9, entry(Kind::PENDING_CREDIT, Effect::Owe, 150));
    let carry = world.tap(BAR_A, domain::journal::IntentPurpose::Carry, 150, 0, End::Lost);
    world.refer(BAR_A, Kind::SALE, Effect::Debit, carry);
    world.refer(BAR_A, Kind::TOP_UP, Effect::Repay, carry);
    assert_eq!(fold(&world).accounts.pending, 0);
}

#[test]
fn of_a_chip_only_what_wrote_a_record_there_is_given_back() {
    for paired in [true, false] {
        let mut world = World::new();
        if paired {
            let part = Detail::Pairing(Pairing::of(BandProfile::UltralightAes)).to_bytes();
            world.push(9, Entry { part, other: Subject([5; 16]), ..entry(Kind::PAIRING, Effect::None, 0) });
        }
        world.top_up(1_000);
        let unseen = world.push(BAR_A, entry(Kind::SALE, Effect::Debit, 400));
        gives_back(&mut world, Kind::CORRECTION_PLUS, Effect::Owe, 400, unseen);
        assert_eq!((fold(&world).accounts.pending, fold(&world).state.balance), (0, 600), "nobody saw it on the chip");
        let intent = world.sale(BAR_A, 200, End::Committed);
        let sold = EntryRef { seq: intent.seq + 1, ..intent };
        gives_back(&mut world, Kind::CORRECTION_PLUS, Effect::Owe, 200, sold);
        assert_eq!((fold(&world).accounts.pending, fold(&world).state.balance), (200, 400), "paired: {paired}");
    }
    // what only the same till says of a chip takes nothing from whoever has an account
    let mut world = World::new();
    let part = Detail::Pairing(Pairing::of(BandProfile::Uid)).to_bytes();
    world.push(9, Entry { part, other: Subject([5; 16]), ..entry(Kind::PAIRING, Effect::None, 0) });
    world.push(ledger_world::DESK, entry(Kind::TOP_UP, Effect::Credit, 1_000));
    world.tap(BAR_B, domain::journal::IntentPurpose::Sale, 1, 0, End::Lost);
    let sold = world.push(BAR_A, entry(Kind::SALE, Effect::Debit, 300));
    gives_back(&mut world, Kind::CORRECTION_PLUS, Effect::Credit, 300, sold);
    assert_eq!(fold(&world).accounts.balance(), 1_000);
}

#[test]
fn an_unknown_effect_freezes_both_wallets_that_it_names() {
    let mut world = World::new();
    let other = WalletId([0xbb; 16]);
    world.push(1, Entry { other: other.into(), ..entry(Kind(900), Effect::Unknown(77), 100) });
    for wallet in [WALLET, other] {
        let fold = fold_wallet(wallet, &world.entries);
        assert!(fold.state.flags.has(WalletFlags::FROZEN));
        assert_eq!(fold.state.balance, 0);
        assert_eq!(codes(&wallet_conflicts(&fold, &world.entries, |_| BoxNumber(1))), ["frozen-subject"]);
    }
    assert!(!fold_wallet(WalletId([1; 16]), &world.entries).state.flags.has(WalletFlags::FROZEN));
}

#[test]
fn an_unknown_kind_moves_what_its_effect_says() {
    let mut world = World::new();
    world.push(1, entry(Kind(900), Effect::Credit, 100));
    world.push(1, entry(Kind(901), Effect::Debit, 30));
    let fold = fold(&world);
    assert_eq!((fold.state.balance, fold.accounts.other_credit, fold.accounts.other_debit), (70, 100, 30));
}

#[test]
fn training_moves_nothing() {
    let mut world = World::new();
    let training = Flags::TRAINING;
    world.push(1, Entry { flags: training, ..entry(Kind::TOP_UP, Effect::Credit, 100) });
    world.push(1, Entry { flags: training, ..entry(Kind(900), Effect::Unknown(50), 100) });
    assert_eq!(fold(&world).state, WalletState::empty(WALLET));
    let mut sums = Accounts::default();
    world.entries.iter().for_each(|e| sums.add(&e.entry));
    assert_eq!(sums, Accounts::default());
}

#[test]
fn a_block_holds_until_an_entry_that_names_it_lifts_it() {
    let mut world = World::new();
    let blocks = [world.push(9, block(BlockedKind::Wallet)), world.push(9, block(BlockedKind::Wallet))];
    world.push(9, lift(BlockedKind::Wallet, blocks[0]));
    assert!(fold(&world).state.flags.has(WalletFlags::BLOCKED));
    world.push(9, lift(BlockedKind::Ticket, blocks[1]));
    assert!(fold(&world).state.flags.has(WalletFlags::BLOCKED), "what lifts a ticket's block lifts no wallet's");
    world.push(9, lift(BlockedKind::Wallet, blocks[1]));
    assert!(!fold(&world).state.flags.has(WalletFlags::BLOCKED));
    world.entries.reverse();
    assert!(!fold(&world).state.flags.has(WalletFlags::BLOCKED));
}

#[test]
fn a_block_is_about_what_its_part_says_and_one_that_says_nothing_counts_nothing() {
    let same_id = TicketUid(WALLET.0);
    for (of, wallet, ticket) in
        [(BlockedKind::Wallet, true, false), (BlockedKind::Ticket, false, true), (BlockedKind::Device, false, false)]
    {
        let mut world = World::new();
        let at = world.push(9, block(of));
        assert_eq!(fold(&world).state.flags.has(WalletFlags::BLOCKED), wallet, "{of:?}");
        let believed = WalletState::empty(WALLET).with_local(&world.entries);
        assert_eq!(believed.flags.has(WalletFlags::BLOCKED), wallet, "{of:?}");
        let shown = TicketEntry { at, entry: block(of), box_number: BoxNumber(0), standing: Standing::InForce };
        assert_eq!(fold_ticket(same_id, &[shown]).state.flags.has(TicketFlags::BLOCKED), ticket, "{of:?}");
    }
    let mut world = World::new();
    world.push(9, Entry { part: b"band.blocked".to_vec(), ..entry(Kind::BLOCK, Effect::Block, 0) });
    let nothing = fold(&world);
    assert_eq!(nothing.state, WalletState::empty(WALLET));
    assert_eq!(codes(&wallet_conflicts(&nothing, &world.entries, |_| BoxNumber(0))), ["forbidden-entry"]);
}

#[test]
fn a_block_by_an_entry_that_cannot_say_what_it_is_about_holds_for_wallet_and_ticket() {
    let decision = entry(Kind::DECISION, Effect::Block, 0);
    let mut world = World::new();
    let at = world.push(9, decision.clone());
    assert!(fold(&world).state.flags.has(WalletFlags::BLOCKED));
    let shown = TicketEntry { at, entry: decision, box_number: BoxNumber(0), standing: Standing::InForce };
    assert!(fold_ticket(TicketUid(WALLET.0), &[shown]).state.flags.has(TicketFlags::BLOCKED));
}

/// Entries under the id of both a wallet and a ticket, and which of the two they are about.
fn about() -> Vec<(Entry, bool, bool)> {
    let revoke = |of| {
        let revocation = Revocation { heads: Vec::new(), reason: "code".into() };
        Entry { part: Detail::Revocation(of, revocation).to_bytes(), ..entry(Kind::REVOCATION, Effect::Block, 0) }
    };
    let rule = |what| {
        let ruling = Ruling {
            matter: MatterKind::Overspend,
            action: RulingAction::Accept,
            what,
            places_seen: 1,
            cents_seen: 0,
            replaces: Vec::new(),
            by: "Ana".into(),
            reason: "code".into(),
        };
        Entry { part: Detail::Ruling(ruling).to_bytes(), ..entry(Kind::RULING, Effect::None, 0) }
    };
    let received = |kind, effect| Entry {
        subject: Subject([0xcc; 16]),
        other: WALLET.into(),
        part: vec![],
        ..entry(kind, effect, 1)
    };
    vec![
        (entry(Kind::SALE, Effect::Debit, 1), true, false),
        (entry(Kind::NOTE, Effect::None, 0), true, false),
        (entry(Kind::ADMISSION, Effect::In, 0), false, true),
        (entry(Kind::EXIT, Effect::Out, 0), false, true),
        (entry(Kind::VOUCHER, Effect::In, 0), false, true),
        (entry(Kind::ADMISSION, Effect::None, 0), false, true),
        (entry(Kind::ADMISSION, Effect::Unknown(90), 0), true, true),
        (entry(Kind::PAIRING, Effect::None, 0), true, false),
        (block(BlockedKind::Wallet), true, false),
        (block(BlockedKind::Ticket), false, true),
        (block(BlockedKind::Device), false, false),
        (lift(BlockedKind::Ticket, EntryRef { device: device(9), epoch: 0, seq: 0 }), false, true),
        (revoke(BlockedKind::Wallet), true, false),
        (revoke(BlockedKind::Ticket), false, true),
        (rule(BlockedKind::Wallet), true, false),
        (rule(BlockedKind::Ticket), false, false),
        (received(Kind::BAND_TRANSFER, Effect::Transfer), true, false),
        (received(Kind(900), Effect::Unknown(90)), true, true),
        (received(Kind::PAIRING, Effect::None), false, true),
        (received(Kind::SALE, Effect::Debit), false, false),
    ]
}

#[test]
fn an_entry_is_about_the_wallet_or_the_ticket_of_its_id_as_its_kind_and_part_say() {
    for (entry, of_wallet, of_ticket) in about() {
        let mut world = World::new();
        let at = world.push(9, entry.clone());
        world.mark(at, Standing::BeyondRevocation);
        let named = codes(&wallet_conflicts(&fold(&world), &world.entries, |_| BoxNumber(1)));
        assert_eq!(!named.is_empty(), of_wallet, "wallet: {entry:?}");
        let shown = [TicketEntry { at, entry, box_number: BoxNumber(1), standing: Standing::BeyondRevocation }];
        let ticket = fold_ticket(TicketUid(WALLET.0), &shown);
        let named = codes(&ticket_conflicts(&ticket, &shown));
        assert_eq!(!named.is_empty(), of_ticket, "ticket: {:?}", shown[0].entry);
    }
}

#[test]
fn a_wallet_is_emptied_by_a_block_of_its_band_that_says_so() {
    let saying = |of, reason: &str| Detail::Block(Block { of, reason: reason.into() }).to_bytes();
    let (swapped, lost) = (saying(BlockedKind::Wallet, "band.swapped"), saying(BlockedKind::Wallet, "band.lost"));
    let ticket = saying(BlockedKind::Ticket, "band.swapped");
    for (part, kind, effect, standing, emptied) in [
        (&swapped, Kind::BLOCK, Effect::Block, Standing::InForce, true),
        (&swapped, Kind::BLOCK, Effect::Block, Standing::Disputed, true),
        (&saying(BlockedKind::Wallet, "band.refunded"), Kind::BLOCK, Effect::Block, Standing::InForce, true),
        (&lost, Kind::BLOCK, Effect::Block, Standing::InForce, false),
        (&ticket, Kind::BLOCK, Effect::Block, Standing::InForce, false),
        (&swapped, Kind::UNBLOCK, Effect::Unblock, Standing::InForce, false),
        (&swapped, Kind::BLOCK, Effect::Block, Standing::BeyondRevocation, false),
    ] {
        let mut world = World::new();
        let at = world.push(9, Entry { part: part.clone(), ..entry(kind, effect, 0) });
        world.mark(at, standing);
        let fold = fold(&world);
        assert_eq!((fold.emptied, fold.state.flags.has(WalletFlags::EMPTIED)), (emptied, emptied), "{kind:?} {part:?}");
    }
}

#[test]
fn a_block_in_training_or_beyond_a_revocation_blocks_nothing() {
    let mut world = World::new();
    world.push(9, Entry { flags: Flags::TRAINING, ..block(BlockedKind::Wallet) });
    let at = world.push(9, block(BlockedKind::Wallet));
    world.mark(at, Standing::BeyondRevocation);
    let noted = world.push(1, Entry { flags: Flags::TRAINING, ..entry(Kind::NOTE, Effect::None, 0) });
    world.mark(noted, Standing::Disputed);
    assert_eq!(fold(&world).state.flags, WalletFlags::default());
}

#[test]
fn money_is_on_the_chip_where_a_pairing_says_so_or_a_record_was_written() {
    let of = |profile| {
        let mut world = World::new();
        let part = Detail::Pairing(Pairing::of(profile)).to_bytes();
        world.push(9, Entry { part, other: Subject([5; 16]), ..entry(Kind::PAIRING, Effect::None, 0) });
        WalletSum::from(&fold(&world)).purse
    };
    assert_eq!((of(BandProfile::Ntag21x), of(BandProfile::Uid)), (true, false));
    assert!(!WalletSum::from(&fold(&World::new())).purse);
}

#[test]
fn journals_with_two_histories_or_gaps_are_named_with_their_places() {
    let places = |seqs: &[u32]| seqs.iter().map(|seq| EntryRef { device: device(4), epoch: 2, seq: *seq }).collect();
    let named = |conflict: &Conflict| conflict.places.iter().map(|place| place.at).collect::<Vec<_>>();
    let two: Vec<EntryRef> = places(&[3, 5]);
    let entries = two.iter().rev().map(|at| (*at, entry(Kind::SALE, Effect::Debit, 7)));
    let fork = domain::ledger::journal_conflict(ConflictKind::Fork, device(4), entries, BoxNumber(8)).unwrap();
    assert_eq!((fork.code(), named(&fork), fork.places[0].amount), ("fork", two, 7));
    assert_eq!(domain::ledger::journal_conflict(ConflictKind::Fork, device(4), [], BoxNumber(8)), None);
    let gaps = [Gap { first: 2, last: 2 }, Gap { first: 6, last: 9 }];
    let gap = domain::ledger::gap_conflict(device(4), 2, &gaps, BoxNumber(8)).unwrap();
    assert_eq!((gap.code(), named(&gap)), ("gap", places(&[2, 6, 9])));
    assert_eq!(domain::ledger::gap_conflict(device(4), 2, &[], BoxNumber(8)), None);
}

#[test]
fn deposits_net_within_a_sale_and_a_remainder_is_owed() {
    let mut world = World::new();
    world.push(1, entry(Kind::TOP_UP, Effect::Credit, 1000));
    world.push(1, Entry { part: ledger_world::sale_part(300, 200, 100), ..entry(Kind::SALE, Effect::Debit, 400) });
    world.push(1, Entry { part: ledger_world::sale_part(50, 0, 200), ..entry(Kind::SALE, Effect::Owe, 150) });
    let fold = fold(&world);
    assert_eq!((fold.accounts.spent, fold.accounts.deposits, fold.accounts.pending), (350, -100, 150));
    assert_eq!((fold.state.balance, fold.accounts.pending_issued), (600, 0));
    assert!(Totals::from_ledger([WalletSum::from(&fold)]).balances());
}

#[test]
fn a_cloned_band_spent_at_two_bars_is_an_overspend_with_both_places() {
    let mut world = World::new();
    world.push(3, entry(Kind::TOP_UP, Effect::Credit, 1000));
    let first = world.push(BAR_A, Entry { hlc: Hlc(5), ..entry(Kind::SALE, Effect::Debit, 800) });
    let second = world.push(BAR_B, Entry { hlc: Hlc(4), ..entry(Kind::SALE, Effect::Debit, 900) });
    let fold = fold(&world);
    assert_eq!((fold.overspend, fold.state.balance), (700, -700));
    let found = wallet_conflicts(&fold, &world.entries, |at| BoxNumber(u16::from(at.device.0[0])));
    assert_eq!((codes(&found), found[0].amount), (vec!["overspend"], Some(700)));
    let places: Vec<_> = found[0].places.iter().map(|p| (p.at, p.box_number.0, p.amount)).collect();
    assert_eq!(places, [(second, 2, 900), (first, 1, 800)]);
}

#[test]
fn the_golden_states_are_still_written_and_read_byte_for_byte() {
    let wallet = WalletState {
        wallet: WalletId([0x11; 16]),
        balance: -1234,
        spent: 4500,
        pending: 300,
        in_doubt: 250,
        head_counter: 513,
        head_record: RecordId([0xa1, 0xa2, 0xa3, 0xa4]),
        credit_seq: 7,
        profile: Some(BandProfile::Ntag21x),
        flags: WalletFlags::default().with_if(WalletFlags::OVERSPENT, true).with_if(WalletFlags::SUSPECT, true),
    };
    let ticket = TicketState {
        ticket: TicketUid([0x22; 16]),
        flags: TicketFlags::default().with_if(TicketFlags::USED, true).with_if(TicketFlags::INSIDE, true),
        uses: 258,
        first_use: Hlc(0x0102_0304_0506_0708),
        first_box: BoxNumber(772),
        first_zone: 5,
        wallet: Some(WalletId([0x33; 16])),
        used: 0x8000_0021,
        inside: 0x20,
        last_use: Hlc(0x0102_0304_0506_0709),
        last_box: BoxNumber(773),
        last_zone: 31,
        terms: Some(Terms {
            scheme: 2,
            product: [0x0102, 0x0304_0506, 0, 0],
            zones: 0x8000_0021,
            valid_from: 1_814_400_000,
            valid_until: 1_814_659_200,
        }),
    };
    let golden = include_str!("golden/wallet_state.txt").trim();
    assert_eq!(hex(&wallet.to_bytes()), golden);
    assert_eq!(WalletState::from_bytes(&unhex(golden).unwrap()), Ok(wallet));
    let golden = include_str!("golden/ticket_state.txt").trim();
    assert_eq!(hex(&ticket.to_bytes()), golden);
    assert_eq!(TicketState::from_bytes(&unhex(golden).unwrap()), Ok(ticket));
    assert_eq!(hex(&domain::ledger::digest([&wallet], [&ticket])), include_str!("golden/agree_digest.txt").trim());
}

#[test]
fn a_restored_image_is_found_and_what_both_branches_credit_waits() {
    let mut tree = Branches::new();
    let genesis = link(&ZERO_HASH, b"genesis");
    tree.insert(0, ZERO_HASH, genesis);
    let mut world = World::new();
    world.push(1, entry(Kind::GENESIS, Effect::None, 0));
    let bodies = [entry(Kind::TOP_UP, Effect::Credit, 500), entry(Kind::TOP_UP, Effect::Credit, 700)];
    let at = EntryRef { device: device(1), epoch: 0, seq: 1 };
    let hashes = bodies.clone().map(|body| link(&genesis, &body.to_bytes()));
    hashes.iter().for_each(|hash| {
        tree.insert(1, genesis, *hash);
    });
    assert_eq!(tree.first_fork(), Some(1));
    let folded = |countersigned: &[domain::journal::Head]| {
        let standings = tree.standings(countersigned, Cutoff::None);
        let mut set = world.entries.clone();
        for (body, hash) in bodies.iter().zip(hashes) {
            set.push(WalletEntry::new(at, body.clone(), standings[&(1, hash)]));
        }
        let fold = fold_wallet(WALLET, &set);
        (fold.state.balance, fold.disputed)
    };
    assert_eq!(folded(&[]), (0, 1200));
    assert_eq!(folded(&[domain::journal::Head { seq: 1, hash: hashes[1] }]), (700, 500));
}
