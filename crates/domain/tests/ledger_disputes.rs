//! Forked journals, revocations, blocks, tickets used twice, and the stored formats of what is known.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
mod ledger_world;

use domain::{
    id::{BoxNumber, EntryRef, TicketUid, WalletId},
    journal::{
        Admission, BandProfile, Block, BlockedKind, ChainCursor, Detail, Effect, Entry, EntryHash, Flags, Kind, Marks,
        Pairing, Revocation, Terms, ZERO_HASH, link,
    },
    ledger::{
        Accounts, Body, Branches, Conflict, Cutoff, Forbidden, ForkBranch, ForkProof, ForkProofError, Reason, Standing,
        TicketEntry, TicketFlags, TicketState, Totals, WalletEntry, WalletFlags, WalletState, WalletSum, fold_ticket,
        fold_wallet, ticket_conflicts, wallet_conflicts,
    },
    money::Currency,
    time::Hlc,
    trust::{Certificate, CertificateChain, Founding, Purpose, Scope, SignedCertificate},
    wire::{hex, unhex},
    wristband::RecordId,
};
use ed25519_dalek::SigningKey;
use ledger_world::{BAR_A, BAR_B, End, WALLET, World, device, entry};

fn fold(world: &World) -> domain::ledger::WalletFold {
    fold_wallet(WALLET, &world.entries)
}

fn codes(conflicts: &[Conflict]) -> Vec<&'static str> {
    conflicts.iter().map(Conflict::code).collect()
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
    assert_eq!(found[0].todo_code(), "check-box-and-certificate");
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

fn block(of: BlockedKind) -> Entry {
    let part = Detail::Block(Block { of, reason: "code".into() }).to_bytes();
    Entry { part, ..entry(Kind::BLOCK, Effect::Block, 0) }
}

fn lift(of: BlockedKind, block: EntryRef) -> Entry {
    let part = Detail::Block(Block { of, reason: "".into() }).to_bytes();
    Entry { part, refers_to: Some(block), ..entry(Kind::UNBLOCK, Effect::Unblock, 0) }
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

const TICKET: TicketUid = TicketUid([7; 16]);

fn passage(by: u8, seq: u32, effect: Effect, hlc: u64) -> TicketEntry {
    let kind = if effect == Effect::In { Kind::ADMISSION } else { Kind::EXIT };
    let entry = Entry { subject: TICKET.into(), zone: 3, hlc: Hlc(hlc), ..entry(kind, effect, 0) };
    let at = EntryRef { device: device(by), epoch: 0, seq };
    TicketEntry { at, entry, box_number: BoxNumber(u16::from(by)), standing: Standing::InForce }
}

#[test]
fn one_ticket_at_two_gates_is_a_double_admission_with_both_places_and_times() {
    let set = [passage(2, 1, Effect::In, 90), passage(1, 1, Effect::In, 40)];
    let fold = fold_ticket(TICKET, &set);
    assert_eq!(fold.doubles.len(), 1);
    assert_eq!(fold.doubles[0].excess, 1);
    let places: Vec<_> = fold.doubles[0].places.iter().map(|p| (p.box_number.0, p.hlc.0, p.zone)).collect();
    assert_eq!(places, [(1, 40, 3), (2, 90, 3)]);
    assert_eq!((fold.state.uses, fold.state.first_use, fold.state.first_box), (2, Hlc(40), BoxNumber(1)));
    assert_eq!(codes(&ticket_conflicts(&fold, &set)), ["double-admission"]);
}

#[test]
fn a_guest_who_left_in_between_is_no_double_admission() {
    let set = [passage(1, 1, Effect::In, 10), passage(2, 1, Effect::Out, 20), passage(2, 2, Effect::In, 30)];
    let fold = fold_ticket(TICKET, &set);
    assert_eq!((fold.doubles.len(), fold.state.uses), (0, 2));
    assert!(fold.state.flags.has(TicketFlags::INSIDE));
    assert!(!fold_ticket(TICKET, &set[..2]).state.flags.has(TicketFlags::INSIDE));
}

fn marked(passage: TicketEntry, marks: Marks) -> TicketEntry {
    let reason = if marks.has(Marks::OVERRIDE) { "guest_list" } else { "" }.into();
    let part = Detail::Admission(Admission { scheme: 1, marks, product: [1, 0, 0, 0], reason }).to_bytes();
    TicketEntry { entry: Entry { part, ..passage.entry }, ..passage }
}

#[test]
fn where_a_ticket_counts_once_for_ever_leaving_gives_no_second_admission() {
    let once = |passage| marked(passage, Marks::ONCE);
    let set = [
        once(passage(1, 1, Effect::In, 10)),
        once(passage(2, 1, Effect::Out, 20)),
        once(passage(2, 2, Effect::In, 30)),
    ];
    assert_eq!(fold_ticket(TICKET, &set).doubles[0].excess, 1);
}

#[test]
fn what_a_supervisor_decided_or_only_counted_is_no_double_admission() {
    for marks in [Marks::OVERRIDE, Marks::COUNTED] {
        let set = [passage(1, 1, Effect::In, 10), marked(passage(2, 1, Effect::In, 20), marks)];
        let fold = fold_ticket(TICKET, &set);
        assert_eq!((fold.doubles.len(), fold.state.uses), (0, 2), "{marks:?}");
    }
}

#[test]
fn a_guest_found_by_name_whose_ticket_entered_elsewhere_is_a_double_admission() {
    let found = marked(passage(2, 1, Effect::In, 20), Marks::BY_NAME);
    let fold = fold_ticket(TICKET, &[passage(1, 1, Effect::In, 10), found]);
    assert_eq!((fold.doubles.len(), fold.doubles[0].excess), (1, 1));
}

#[test]
fn each_zone_knows_for_itself_whether_the_ticket_is_inside() {
    let in_zone = |passage: TicketEntry, zone| TicketEntry { entry: Entry { zone, ..passage.entry }, ..passage };
    let set = [
        in_zone(passage(1, 1, Effect::In, 10), 0),
        in_zone(passage(2, 1, Effect::In, 20), 4),
        in_zone(passage(2, 2, Effect::Out, 30), 4),
        in_zone(passage(3, 1, Effect::In, 40), 2),
    ];
    let fold = fold_ticket(TICKET, &set);
    assert!(fold.doubles.is_empty(), "{:?}", fold.doubles);
    assert_eq!((fold.state.used, fold.state.inside), (0b10101, 0b101));
    assert!(fold.state.is_inside(0) && !fold.state.is_inside(4) && fold.state.was_in(4));
    assert_eq!((fold.state.first_zone, fold.state.last_zone, fold.state.last_use), (0, 2, Hlc(40)));
}

#[test]
fn a_replaced_band_no_longer_stands_for_the_ticket() {
    let pair = |by, wallet: WalletId, replaces: Option<WalletId>| {
        let mut pairing = passage(by, 1, Effect::None, u64::from(by));
        let pairing_part = Pairing { replaces: replaces.map(|wallet| wallet.0), ..Pairing::of(BandProfile::Uid) };
        let part = Detail::Pairing(pairing_part).to_bytes();
        pairing.entry =
            Entry { subject: wallet.into(), other: TICKET.into(), part, ..entry(Kind::PAIRING, Effect::None, 0) };
        pairing
    };
    let (low, high) = (WalletId([1; 16]), WalletId([9; 16]));
    let of = |set: &[TicketEntry]| fold_ticket(TICKET, set).state.wallet;
    assert_eq!(of(&[pair(2, high, Some(low)), pair(1, low, None)]), Some(high));
    assert_eq!(of(&[pair(2, high, None), pair(1, low, None)]), Some(low));
    assert!(of(&[pair(1, low, Some(high)), pair(2, high, Some(low))]).is_some(), "there is always one");
}

#[test]
fn an_exit_after_two_entries_does_not_hide_the_double() {
    let set = [passage(1, 1, Effect::In, 10), passage(2, 1, Effect::In, 20), passage(2, 2, Effect::Out, 30)];
    assert_eq!(fold_ticket(TICKET, &set).doubles.len(), 1);
}

#[test]
fn a_disputed_admission_counts_and_asks_for_a_supervisor_and_a_revoked_one_does_not_count() {
    let mut set = [passage(1, 1, Effect::In, 10)];
    set[0].standing = Standing::Disputed;
    let fold = fold_ticket(TICKET, &set);
    assert!(fold.state.flags.has(TicketFlags::DISPUTED) && fold.state.flags.has(TicketFlags::INSIDE));
    set[0].standing = Standing::BeyondRevocation;
    let fold = fold_ticket(TICKET, &set);
    assert_eq!(fold.state, TicketState::empty(TICKET));
    assert_eq!(codes(&ticket_conflicts(&fold, &set)), ["revoked-entries"]);
}

#[test]
fn a_ticket_is_paired_blocked_revoked_and_frozen_by_its_entries() {
    let mut pairing = passage(1, 1, Effect::None, 10);
    pairing.entry = Entry { subject: WALLET.into(), other: TICKET.into(), ..entry(Kind::PAIRING, Effect::None, 0) };
    let mut blocked = passage(9, 1, Effect::Block, 10);
    blocked.entry = Entry { subject: TICKET.into(), ..block(BlockedKind::Ticket) };
    let mut revoke = passage(9, 2, Effect::Block, 10);
    revoke.entry.kind = Kind::REVOCATION;
    let revocation = Revocation { heads: Vec::new(), reason: "ticket.revoked".into() };
    revoke.entry.part = Detail::Revocation(BlockedKind::Ticket, revocation).to_bytes();
    let newer = passage(9, 3, Effect::Unknown(88), 10);
    let state = fold_ticket(TICKET, &[pairing.clone(), blocked.clone(), revoke, newer]).state;
    assert_eq!(state.wallet, Some(WALLET));
    for flag in [TicketFlags::BLOCKED, TicketFlags::REVOKED, TicketFlags::FROZEN] {
        assert!(state.flags.has(flag), "{flag:?}");
    }
    let mut lifted = passage(9, 4, Effect::Unblock, 10);
    lifted.entry = Entry { subject: TICKET.into(), ..lift(BlockedKind::Ticket, blocked.at) };
    assert_eq!(fold_ticket(TICKET, &[lifted, blocked, pairing]).state.flags, TicketFlags::default());
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

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn founding() -> Founding {
    let root = key(1).verifying_key().to_bytes();
    Founding { version: 1, root, spare_root_hash: [0; 32], name: "Test".into(), currency: Currency::EUR, founded: 0 }
}

fn chain(purpose: Purpose, subject: &SigningKey) -> CertificateChain {
    let certificate = Certificate {
        version: 1,
        festival: founding().festival(),
        purpose,
        subject: subject.verifying_key().to_bytes(),
        issuer: [0; 32],
        serial: [0; 16],
        valid_from: 0,
        valid_until: 0,
        scope: Scope::nothing("Bar 1"),
    };
    CertificateChain(vec![SignedCertificate::issue(certificate, &key(1))])
}

fn branch(start: ChainCursor, by: &SigningKey, bodies: &[&[u8]]) -> (ForkBranch, EntryHash) {
    let mut cursor = start;
    bodies.iter().for_each(|body| {
        cursor.append(body);
    });
    let mark = cursor.sign(by).unwrap();
    (
        ForkBranch { bodies: bodies.iter().map(|b| Body(b.to_vec())).collect(), signature: mark.signature },
        mark.head.hash,
    )
}

fn proof() -> ForkProof {
    let chain = chain(Purpose::Device, &key(5));
    let device = chain.verify(&founding()).unwrap().device();
    let mut start = ChainCursor::start(founding().festival(), device, 2);
    start.append(b"genesis");
    let (a, b) = (branch(start, &key(5), &[b"sale 1", b"sale 2"]).0, branch(start, &key(5), &[b"sale 9"]).0);
    ForkProof { chain, epoch: 2, seq: start.next_seq, prev: start.prev, a, b }
}

#[test]
fn anybody_with_the_founding_record_can_check_a_fork_proof() {
    let proof = ForkProof::from_bytes(&proof().to_bytes()).unwrap();
    let shown = proof.verify(&founding()).unwrap();
    assert_eq!((shown.epoch, shown.seq, shown.a.seq, shown.b.seq), (2, 1, 2, 1));
    assert_eq!(shown.device, proof.chain.verify(&founding()).unwrap().device());
    let other = Founding { name: "Other".into(), ..founding() };
    assert!(matches!(proof.verify(&other), Err(ForkProofError::Chain(_))));
}

#[test]
fn a_fork_proof_cannot_be_made_without_the_device_s_key() {
    let good = proof();
    let mut same = good.clone();
    same.b = same.a.clone();
    assert_eq!(same.verify(&founding()), Err(ForkProofError::Same));
    let mut altered = good.clone();
    altered.b.bodies[0].0.push(0);
    assert_eq!(altered.verify(&founding()), Err(ForkProofError::Signature));
    let mut moved = good.clone();
    moved.seq += 1;
    assert_eq!(moved.verify(&founding()), Err(ForkProofError::Signature));
    let mut relabelled = good.clone();
    relabelled.epoch = 3;
    assert_eq!(relabelled.verify(&founding()), Err(ForkProofError::Signature));
    let mut empty = good.clone();
    empty.a.bodies.clear();
    assert_eq!(empty.verify(&founding()), Err(ForkProofError::Length(0)));
    let mut long = good.clone();
    long.a.bodies[0].0 = vec![0; 5000];
    assert_eq!(long.verify(&founding()), Err(ForkProofError::Body(5000)));
    let mut foreign = good.clone();
    foreign.chain = chain(Purpose::Device, &key(6));
    assert_eq!(foreign.verify(&founding()), Err(ForkProofError::Signature));
    let mut purpose = good;
    purpose.chain = chain(Purpose::Bundle, &key(5));
    assert_eq!(purpose.verify(&founding()), Err(ForkProofError::Purpose(Purpose::Bundle)));
}

#[test]
fn a_genesis_that_chains_to_something_proves_nothing() {
    let chain = chain(Purpose::Device, &key(5));
    let device = chain.verify(&founding()).unwrap().device();
    let start = ChainCursor { prev: [9; 32], ..ChainCursor::start(founding().festival(), device, 0) };
    let (a, b) = (branch(start, &key(5), &[b"a"]).0, branch(start, &key(5), &[b"b"]).0);
    let forged = ForkProof { chain, epoch: 0, seq: 0, prev: [9; 32], a, b };
    assert_eq!(forged.verify(&founding()), Err(ForkProofError::Prev));
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
