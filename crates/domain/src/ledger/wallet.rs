//! The reference fold of one wallet: everything its entries mean, together.
//! Invariant: a function of the set; entries in any order and in any number of copies give the same result.
//! Not here: the quick path for wallets without anything unusual (`fast`).
use alloc::{collections::BTreeSet, vec::Vec};

use super::{
    accounts::{self, Accounts},
    chip_fork::{ChipFork, forks_in},
    journals::{Standing, unlifted},
    judged::{Extent, judged},
    pending, ruling,
    settle::{self, Evidence, Settled, Verdict, WalletEntry},
    wallet_state::{WalletFlags, WalletState, to_u32},
};
use crate::{
    id::{EntryRef, WalletId},
    journal::{Block, BlockedKind, Detail, Effect, Entry, Intent, IntentPurpose, Kind},
    wristband::{CreditId, RecordId},
};

/// Everything that one wallet's entries mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletFold {
    /// Compact.
    pub state: WalletState,
    /// Sums, with the consequences of every verdict in them; `hold_debit` and `hold_credit` are what is in doubt.
    pub accounts: Accounts,
    /// What became of each intent, in the order of their places.
    pub settled: Vec<Settled>,
    /// Records of its chip that have several successors.
    pub forks: Vec<ChipFork>,
    /// How much more was spent than the wallet held; once it was emptied, than it held and was owed.
    pub overspend: i64,
    /// Credits that stand apart.
    pub disputed: i64,
    /// Whether what was left was given out without the band: swapped for another one, or refunded.
    pub emptied: bool,
    /// Sales and payouts that were handed over, and whose payment was on the chip again before that was heard.
    pub given_back: Vec<EntryRef>,
}

/// Distinct entries in the order of their places: the set behind the slice.
pub(super) fn distinct(entries: &[WalletEntry]) -> Vec<&WalletEntry> {
    let mut set: Vec<&WalletEntry> = entries.iter().collect();
    set.sort_by(|a, b| {
        a.at.cmp(&b.at)
            .then_with(|| {
                if a.entry == b.entry {
                    core::cmp::Ordering::Equal
                } else {
                    a.entry.to_bytes().cmp(&b.entry.to_bytes())
                }
            })
            .then_with(|| a.standing.cmp(&b.standing))
    });
    set.dedup_by(|a, b| a.at == b.at && a.entry == b.entry);
    set
}

/// Folds every entry that names `wallet` (subject, or the receiver of a transfer).
/// `CLOSURE` entries of the boxes that wrote its intents belong into the slice too; other entries are passed over.
pub fn fold_wallet(wallet: WalletId, entries: &[WalletEntry]) -> WalletFold {
    let judged = judged(entries, Extent::Whole);
    let set = distinct(&judged);
    let evidence = Evidence::of(set.iter().copied().filter(|e| concerns(wallet, e) || e.entry.kind == Kind::CLOSURE));
    let own: Vec<&WalletEntry> = set.into_iter().filter(|e| concerns(wallet, e)).collect();
    let mut fold = Folding::new(wallet, own, &evidence);
    fold.run();
    fold.count_carried(&evidence);
    fold.count_given_back();
    fold.sums.unreported = evidence.unreported(&fold.intents, &fold.sums);
    let rulings = fold.own.iter().filter(|e| e.standing == Standing::InForce && !e.is_training());
    ruling::count(&mut fold.sums, !fold.intents.is_empty(), rulings.map(|e| (e.at, &e.entry)));
    let forks = forks_in(&evidence);
    WalletFold {
        state: fold.state(&evidence, !forks.is_empty()),
        overspend: fold.overspend(),
        disputed: fold.sums.disputed,
        emptied: fold.is_emptied(),
        given_back: fold.given_back,
        accounts: fold.sums,
        settled: fold.intents.iter().map(|(_, settled)| *settled).collect(),
        forks,
    }
}

/// Whether the entry is about this wallet: as its subject, or as the receiving side. What newer software names is kept
/// as wallet and ticket alike: entries that are about the ticket of that id say nothing here.
pub(super) fn concerns(wallet: WalletId, e: &WalletEntry) -> bool {
    let receives = matches!(e.entry.effect, Effect::Transfer | Effect::Unknown(_));
    let subject = e.entry.subject == wallet.into() && !is_elsewhere(e);
    subject || receives && e.entry.other == wallet.into()
}

/// Whether the subject is a ticket or a device.
fn is_elsewhere(e: &WalletEntry) -> bool {
    match (e.entry.effect, e.entry.kind, &e.detail) {
        (Effect::Unknown(_), _, _) => false,
        (Effect::In | Effect::Out, _, _) | (_, Kind::ADMISSION | Kind::EXIT, _) => true,
        (_, _, Detail::Block(block)) => block.of != BlockedKind::Wallet,
        (_, _, Detail::Revocation(of, _)) => *of != BlockedKind::Wallet,
        (_, _, Detail::Ruling(ruling)) => ruling.what != BlockedKind::Wallet,
        _ => false,
    }
}

/// Reasons of blocks behind which a band's money was given out.
pub const EMPTYING: [&str; 2] = ["band.swapped", "band.refunded"];

/// Whether the hub gives out, or has given out, what the wallet holds while its band is elsewhere.
fn empties(e: &WalletEntry) -> bool {
    let emptying = |block: &Block| block.of == BlockedKind::Wallet && EMPTYING.contains(&block.reason.as_str());
    e.is_evidence() && e.entry.effect == Effect::Block && matches!(&e.detail, Detail::Block(block) if emptying(block))
}

/// One chip record. What raises credits is known by its C: the S behind it is the same, byte for byte, as that of a
/// closing read which completed a C that the same desk had given up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum RecordKey {
    Spent(u16, RecordId),
    Credit(CreditId),
}

impl RecordKey {
    fn of(entry: &Entry, intent: &Intent) -> Self {
        match &intent.new_credit {
            Some(record) => Self::Credit(settle::credit_id(record)),
            None => Self::Spent(entry.tap_counter, intent.own),
        }
    }
}

struct Folding<'a> {
    wallet: WalletId,
    /// In the order of their places.
    own: Vec<&'a WalletEntry>,
    intents: Vec<(&'a WalletEntry, Settled)>,
    owed_for: BTreeSet<EntryRef>,
    sums: Accounts,
    counted: BTreeSet<RecordKey>,
    bodies: BTreeSet<Vec<u8>>,
    /// C′ records that were counted: each once, though two boxes may have finished carrying it.
    carried: BTreeSet<CreditId>,
    /// Of what is owed, what a later read of the band may still show to be on it.
    unproven: i64,
    given_back: Vec<EntryRef>,
    /// The C′ that hub nodes signed.
    signed: BTreeSet<CreditId>,
    /// What boxes say that they carried, and no entry of a hub node signed: it is believed as far as it was owed.
    carried_unsigned: i64,
}

impl<'a> Folding<'a> {
    fn new(wallet: WalletId, own: Vec<&'a WalletEntry>, evidence: &Evidence<'_>) -> Self {
        let owes = |e: &&&WalletEntry| e.entry.effect == Effect::Owe && e.standing == Standing::InForce;
        Self {
            wallet,
            intents: settle::settle_all(evidence, &own),
            owed_for: own.iter().filter(owes).filter_map(|e| e.entry.refers_to).collect(),
            own,
            sums: Accounts::default(),
            counted: BTreeSet::new(),
            bodies: BTreeSet::new(),
            carried: BTreeSet::new(),
            unproven: 0,
            given_back: Vec::new(),
            signed: evidence.signed_credits(),
            carried_unsigned: 0,
        }
    }

    /// Entries in force before disputed ones, commits before intents: what counts once is counted where it is surest.
    fn run(&mut self) {
        for disputed in [false, true] {
            let of_turn = |e: &&WalletEntry| (e.standing == Standing::Disputed) == disputed && e.is_evidence();
            for e in self.own.clone().into_iter().filter(of_turn) {
                match (e.entry.subject == self.wallet.into(), e.intent()) {
                    (true, None) => self.count_entry(e),
                    (false, _) => self.count_received(e),
                    (true, Some(_)) => {}
                }
            }
            for (e, settled) in self.intents.clone() {
                if let (Some(intent), true) = (e.intent(), (e.standing == Standing::Disputed) == disputed) {
                    self.count_intent(e, intent, &settled);
                }
            }
        }
    }

    fn count_received(&mut self, e: &WalletEntry) {
        if self.is_new(e, None) {
            self.sums.add_received(&e.entry);
            if e.entry.effect == Effect::Transfer {
                self.dispute(e);
            }
        }
    }

    fn count_entry(&mut self, e: &WalletEntry) {
        let closed = self.closed_by(e);
        if !self.is_new(e, closed) {
            return;
        }
        let closes_carry = closed.and_then(WalletEntry::intent).and_then(carried_record);
        // whatever else names such an intent moves what it says, as often as it is written
        let carried = closes_carry.filter(|_| accounts::ends_carrying(&e.entry));
        if carried.is_some_and(|id| !self.carried.insert(id)) {
            return;
        }
        // one that ends nothing moves nothing
        let delivers = accounts::delivers(&e.entry) && e.entry.refers_to.is_some();
        if delivers && !carried.is_some_and(|id| self.signed.contains(&id)) {
            return book(&mut self.carried_unsigned, e.entry.amount.as_i64());
        }
        self.sums = self.sums.plus(&Accounts::moved(&e.entry, closed.map(|i| &i.entry)));
        let amount = e.entry.amount.as_i64();
        match e.entry.effect {
            Effect::Credit | Effect::Repay => self.dispute(e),
            Effect::Owe if e.standing == Standing::Disputed => {
                book(&mut self.sums.pending, amount.saturating_neg());
                self.dispute(e);
            }
            Effect::Hold => book(&mut self.sums.hold_debit, amount),
            Effect::HoldCredit => book(&mut self.sums.hold_credit, amount),
            Effect::None
            | Effect::Owe
            | Effect::Debit
            | Effect::Transfer
            | Effect::Release
            | Effect::In
            | Effect::Out
            | Effect::Block
            | Effect::Unblock
            | Effect::Unknown(_) => {}
        }
        // Intents are held by their verdict; any other hold is held by its entry and ended by the one that names it.
        if let Some(hold) = closed.filter(|hold| hold.intent().is_none() && hold.is_evidence()) {
            if hold.entry.effect == Effect::Hold {
                book(&mut self.sums.hold_debit, amount.saturating_neg());
            } else {
                book(&mut self.sums.hold_credit, amount.saturating_neg());
            }
        }
    }

    /// The hold that the entry ends; on forked ground the one of its own branch, as far as it shows.
    fn closed_by(&self, e: &WalletEntry) -> Option<&'a WalletEntry> {
        let at = accounts::closes(&e.entry)?;
        let alike = |i: &&WalletEntry| {
            (i.entry.tap_counter == e.entry.tap_counter, i.entry.amount == e.entry.amount, i.standing == e.standing)
        };
        let from = self.own.partition_point(|i| i.at < at);
        let there = self.own.iter().skip(from).copied().take_while(|i| i.at == at);
        there.filter(|i| accounts::opens(&i.entry)).max_by_key(alike)
    }

    /// Takes a credit on forked ground out of the balance again.
    fn dispute(&mut self, e: &WalletEntry) {
        if e.standing == Standing::Disputed {
            book(&mut self.sums.disputed, e.entry.amount.as_i64());
        }
    }

    /// Once per chip record, and once per body where two branches of one journal carry the same one.
    fn is_new(&mut self, e: &WalletEntry, closed: Option<&WalletEntry>) -> bool {
        let in_force = e.standing != Standing::Disputed;
        // what is void wrote no record: the same sale made again from the same base has the very same one
        let wrote = closed.filter(|_| !settle::is_void(&e.entry));
        if let Some((i, intent)) = wrote.and_then(|i| i.intent().map(|intent| (i, intent))) {
            return self.counted.insert(RecordKey::of(&i.entry, intent)) || in_force;
        }
        let mut body = e.at.device.0.to_vec();
        body.extend(e.entry.to_bytes());
        self.bodies.insert(body) || in_force
    }

    fn count_intent(&mut self, e: &WalletEntry, intent: &Intent, settled: &Settled) {
        let consequence = settled.consequence();
        let revoked = e.standing == Standing::BeyondRevocation;
        match settled.verdict {
            Verdict::Committed => return,
            Verdict::Void | Verdict::NotApplied if !revoked => return book(&mut self.sums.losses, consequence.loss),
            Verdict::Void | Verdict::NotApplied | Verdict::Doubt if revoked => return,
            Verdict::Applied | Verdict::Void | Verdict::NotApplied | Verdict::Doubt => {}
        }
        if !self.counted.insert(RecordKey::of(&e.entry, intent)) {
            return;
        }
        if settled.verdict == Verdict::Doubt && settled.written_off {
            return self.write_off(e, intent, settled);
        }
        if let Some(id) = carried_record(intent).filter(|_| settled.verdict == Verdict::Applied) {
            if !self.carried.insert(id) {
                return;
            }
            if !self.signed.contains(&id) {
                return book(&mut self.carried_unsigned, settled.amount);
            }
        }
        if settled.verdict == Verdict::Doubt {
            book(&mut self.sums.open_intents, 1);
            return match intent.purpose {
                IntentPurpose::Sale | IntentPurpose::Refund => book(&mut self.sums.hold_debit, consequence.in_doubt),
                IntentPurpose::TopUp => book(&mut self.sums.hold_credit, consequence.in_doubt),
                IntentPurpose::Carry | IntentPurpose::ClosingRead => {}
            };
        }
        self.sums = self.sums.plus(&Accounts::applied(&e.entry, intent));
        if !self.owed_for.contains(&e.at) {
            book(&mut self.sums.pending, consequence.owed);
            book(&mut self.sums.pending_issued, consequence.owed);
        }
        if settled.credit && e.standing != Standing::InForce {
            book(&mut self.sums.disputed, settled.amount);
        }
    }

    /// At the event's close, for an intent that nobody saw again: in the guest's favour, unless it was handed over.
    fn write_off(&mut self, e: &WalletEntry, intent: &Intent, settled: &Settled) {
        match intent.purpose {
            IntentPurpose::Sale | IntentPurpose::Refund if settled.handed_over => {
                self.sums = self.sums.plus(&Accounts::applied(&e.entry, intent));
            }
            // The cash was taken; whether the chip has it nobody knows, so it is owed.
            IntentPurpose::TopUp => {
                self.sums = self.sums.plus(&Accounts::applied(&e.entry, intent));
                book(&mut self.sums.pending, settled.amount);
                book(&mut self.unproven, settled.amount);
            }
            IntentPurpose::Sale | IntentPurpose::Refund | IntentPurpose::Carry | IntentPurpose::ClosingRead => {}
        }
    }

    /// A C′ that somebody saw on the chip is paid, whether or not the box that carried it has reported.
    fn count_carried(&mut self, evidence: &Evidence<'_>) {
        for e in self.own.clone().into_iter().filter(|e| e.is_evidence()) {
            let record = e.online_credit().and_then(|credit| credit.record.as_ref()).map(settle::credit_id);
            if record.is_some_and(|id| evidence.credit_is_on_chip(id) && self.carried.insert(id)) {
                book(&mut self.sums.pending, e.entry.amount.as_i64().saturating_neg());
            }
        }
        // a restored hub may lack its own entry; nothing is made of what was never owed
        let believed = self.carried_unsigned.min(self.sums.pending.max(0));
        book(&mut self.sums.pending, believed.saturating_neg());
    }

    /// A sale that the chip had paid was owed to the guest until it was heard that he had been served. What was put on
    /// his band meanwhile leaves the sale unpaid.
    fn count_given_back(&mut self) {
        if self.is_emptied() {
            return; // balance and what is owed were given out as one sum, and are netted
        }
        for (e, settled) in &self.intents {
            let charges = matches!(settled.purpose, IntentPurpose::Sale | IntentPurpose::Refund);
            let served = charges && settled.handed_over && settled.verdict == Verdict::Applied && e.is_evidence();
            let amount = settled.amount.min(self.sums.pending.saturating_neg());
            if !served || amount <= 0 {
                continue;
            }
            let paid =
                if settled.purpose == IntentPurpose::Sale { &mut self.sums.spent } else { &mut self.sums.refunded };
            book(paid, amount.saturating_neg());
            book(&mut self.sums.pending, amount);
            book(&mut self.sums.losses, amount);
            self.given_back.push(settled.intent);
        }
    }

    fn is_emptied(&self) -> bool {
        self.own.iter().any(|e| empties(e))
    }

    /// What was spent more than there was. From an emptied wallet balance and what is owed were given out together.
    fn overspend(&self) -> i64 {
        let balance = self.sums.balance();
        let held = if self.is_emptied() { accounts::netted(balance, self.sums.pending).0 } else { balance };
        held.min(0).saturating_neg()
    }

    fn state(&self, evidence: &Evidence<'_>, forked: bool) -> WalletState {
        let mut state = WalletState::empty(self.wallet);
        for reader in evidence.readers() {
            if let Some(seen) = reader.seen() {
                state.credit_seq = state.credit_seq.max(seen.credit_seq);
                if let Some(counter) = settle::counter_of_base(reader).filter(|_| !settle::is_none(seen.base)) {
                    state.saw(counter, seen.base);
                }
            }
            state.profile = state.profile.max(settle::profile_of(reader));
        }
        for (e, settled) in &self.intents {
            let Some(intent) = e.intent() else { continue };
            let applied = settled.verdict == Verdict::Applied;
            if evidence.has_record(&e.at) && settled.verdict == Verdict::Committed || applied && !settled.credit {
                state.spent = state.spent.max(intent.spent_after.get());
                state.saw(e.entry.tap_counter, intent.own);
            }
            // Also what may never have reached the chip: a later C skips its sequence.
            if let (Some(record), true) = (&intent.new_credit, settled.verdict != Verdict::Void) {
                state.credit_seq = state.credit_seq.max(settle::credit_seq(record));
            }
        }
        for record in self.own.iter().filter_map(|e| e.online_credit()).filter_map(|credit| credit.record.as_ref()) {
            state.credit_seq = state.credit_seq.max(settle::credit_seq(record));
        }
        let in_force = || self.own.iter().filter(|e| e.standing == Standing::InForce && !e.is_training());
        let blocks = unlifted(BlockedKind::Wallet, in_force().map(|e| (e.at, &e.entry)));
        let suspect = forked || in_force().any(|e| e.entry.kind == Kind::SUSPICION);
        let disputed = self.own.iter().any(|e| e.standing == Standing::Disputed && !e.is_training());
        state.flags = WalletFlags::default()
            .with_if(WalletFlags::BLOCKED, !blocks.is_empty())
            .with_if(WalletFlags::FROZEN, self.sums.unknown > 0)
            .with_if(WalletFlags::OVERSPENT, self.overspend() > 0)
            .with_if(WalletFlags::SUSPECT, suspect)
            .with_if(WalletFlags::DISPUTED, disputed)
            .with_if(WalletFlags::EMPTIED, self.is_emptied());
        let state = state.with_sums(&self.sums);
        // a desk whose journal is missing may have paid it out already
        let payable = state.pending == 0 || pending::is_accounted_for(evidence);
        // a desk that is not heard may have read a written-off top-up on the band: there no C′ fits, but cash is gone
        let proven = self.sums.pending.saturating_sub(self.unproven);
        WalletState { pending: if payable { to_u32(proven) } else { 0 }, ..state }
    }
}

/// The C′ that the intent carries.
fn carried_record(intent: &Intent) -> Option<CreditId> {
    let record = intent.new_credit.as_ref().filter(|_| intent.purpose == IntentPurpose::Carry);
    record.map(settle::credit_id)
}

fn book(account: &mut i64, amount: i64) {
    *account = account.saturating_add(amount);
}
