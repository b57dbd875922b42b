//! The reference fold of one wallet: everything its entries mean, together.
//! Invariant: a function of the set; entries in any order and in any number of copies give the same result.
//! Not here: the quick path for wallets without anything unusual (`fast`).
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::{
    accounts::{self, Accounts},
    chip_fork::{ChipFork, forks_in},
    journals::{Standing, unlifted},
    settle::{self, Evidence, Settled, Verdict, WalletEntry},
    wallet_state::{WalletFlags, WalletState, to_u32},
};
use crate::{
    id::{EntryRef, WalletId},
    journal::{Effect, Intent, IntentPurpose, Kind},
    wristband::RecordId,
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
    /// How much more was spent than the wallet held.
    pub overspend: i64,
    /// Credits that stand apart.
    pub disputed: i64,
}

/// Distinct entries in the order of their places: the set behind the slice.
pub(super) fn distinct(entries: &[WalletEntry]) -> Vec<&WalletEntry> {
    let mut set: Vec<&WalletEntry> = entries.iter().collect();
    set.sort_by(|a, b| {
        a.at.cmp(&b.at)
            .then_with(|| if a.entry == b.entry { core::cmp::Ordering::Equal } else { a.entry.to_bytes().cmp(&b.entry.to_bytes()) })
            .then_with(|| a.standing.cmp(&b.standing))
    });
    set.dedup_by(|a, b| a.at == b.at && a.entry == b.entry);
    set
}

/// Folds every entry that names `wallet` (subject, or the receiver of a transfer).
/// `CLOSURE` entries of the boxes that wrote its intents belong into the slice too; other entries are passed over.
pub fn fold_wallet(wallet: WalletId, entries: &[WalletEntry]) -> WalletFold {
    let set = distinct(entries);
    let evidence = Evidence::of(set.iter().copied().filter(|e| concerns(wallet, e) || e.entry.kind == Kind::CLOSURE));
    let own: Vec<&WalletEntry> = set.into_iter().filter(|e| concerns(wallet, e)).collect();
    let mut fold = Folding {
        wallet,
        intents: settle::settle_all(&evidence, &own),
        sums: Accounts::default(),
        counted: BTreeSet::new(),
        bodies: BTreeSet::new(),
    };
    for disputed in [false, true] {
        for e in own.iter().filter(|e| (e.standing == Standing::Disputed) == disputed) {
            fold.count(e);
        }
    }
    let forks = forks_in(&evidence);
    let state = fold.state(&own, &forks);
    WalletFold {
        state,
        overspend: fold.sums.balance().min(0).saturating_neg(),
        disputed: fold.sums.disputed,
        accounts: fold.sums,
        settled: fold.intents.iter().map(|(_, settled)| *settled).collect(),
        forks,
    }
}

fn concerns(wallet: WalletId, e: &WalletEntry) -> bool {
    e.entry.subject == wallet.into() || e.entry.other == wallet.into()
}

/// One effect of a chip record: which record, and whether by a commit or by a verdict does not matter.
type RecordKey = (u16, RecordId);

struct Folding<'a> {
    wallet: WalletId,
    intents: Vec<(&'a WalletEntry, Settled)>,
    sums: Accounts,
    counted: BTreeSet<RecordKey>,
    bodies: BTreeSet<Vec<u8>>,
}

impl<'a> Folding<'a> {
    fn count(&mut self, e: &'a WalletEntry) {
        if e.is_training() || matches!(e.standing, Standing::SetAside(_)) {
            return;
        }
        if let Some(intent) = e.intent() {
            let settled = self.intents.iter().find(|(i, _)| i.at == e.at && i.entry == e.entry).map(|(_, s)| *s);
            if let Some(settled) = settled {
                self.count_intent(e, intent, &settled);
            }
            return;
        }
        if !e.is_evidence() {
            return;
        }
        if e.entry.subject != self.wallet.into() {
            let received = e.entry.other == self.wallet.into() && e.entry.effect == Effect::Transfer;
            if received && self.is_new(e, None) {
                self.sums.add_received(&e.entry);
                self.dispute(e, e.entry.amount.as_i64());
            }
            return;
        }
        self.count_own(e);
    }

    fn count_own(&mut self, e: &'a WalletEntry) {
        let intent = accounts::closes(&e.entry).and_then(|at| self.intent_at(at));
        if !self.is_new(e, intent) {
            return;
        }
        let moved = Accounts::moved(&e.entry, intent.map(|i| &i.entry));
        self.sums = self.sums.plus(&moved);
        let amount = e.entry.amount.as_i64();
        match e.entry.effect {
            Effect::Credit | Effect::Repay => self.dispute(e, amount),
            Effect::Owe if e.standing == Standing::Disputed => {
                self.sums.pending = self.sums.pending.saturating_sub(amount);
                self.dispute(e, amount);
            }
            Effect::Hold => self.hold(|sums| &mut sums.hold_debit, amount),
            Effect::HoldCredit => self.hold(|sums| &mut sums.hold_credit, amount),
            Effect::Release if intent.is_none() => self.hold(|sums| &mut sums.released, amount),
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
    }

    fn hold(&mut self, account: impl Fn(&mut Accounts) -> &mut i64, amount: i64) {
        let sum = account(&mut self.sums);
        *sum = sum.saturating_add(amount);
    }

    /// Takes a credit on forked ground out of the balance again.
    fn dispute(&mut self, e: &WalletEntry, amount: i64) {
        if e.standing == Standing::Disputed {
            self.hold(|sums| &mut sums.disputed, amount);
        }
    }

    fn intent_at(&self, at: EntryRef) -> Option<&'a WalletEntry> {
        self.intents.iter().find(|(i, _)| i.at == at).map(|(i, _)| *i)
    }

    /// Once per chip record, and once per body where two branches of one journal carry the same one.
    fn is_new(&mut self, e: &WalletEntry, intent: Option<&WalletEntry>) -> bool {
        let record = intent.and_then(|i| i.intent().map(|intent| (i.entry.tap_counter, intent.own)));
        if let Some(key) = record {
            return self.counted.insert(key) || e.standing != Standing::Disputed;
        }
        let mut body = e.at.device.0.to_vec();
        body.extend(e.entry.to_bytes());
        self.bodies.insert(body) || e.standing != Standing::Disputed
    }

    fn count_intent(&mut self, e: &WalletEntry, intent: &Intent, settled: &Settled) {
        let revoked = e.standing == Standing::BeyondRevocation;
        let counts = !matches!(settled.verdict, Verdict::Committed | Verdict::Void);
        if !counts || revoked && settled.verdict != Verdict::Applied {
            return;
        }
        if settled.verdict != Verdict::NotApplied && !self.counted.insert((e.entry.tap_counter, intent.own)) {
            return;
        }
        let consequence = settled.consequence();
        self.sums.losses = self.sums.losses.saturating_add(consequence.loss);
        if settled.verdict == Verdict::Applied {
            self.sums = self.sums.plus(&Accounts::applied(&e.entry, intent));
            if consequence.owed > 0 && !self.is_owed_by_an_entry(e.at) {
                self.sums.pending = self.sums.pending.saturating_add(consequence.owed);
                self.sums.pending_issued = self.sums.pending_issued.saturating_add(consequence.owed);
            }
            if settled.credit && e.standing != Standing::InForce {
                self.sums.disputed = self.sums.disputed.saturating_add(settled.amount);
            }
        }
        if settled.verdict == Verdict::Doubt {
            self.sums.open_intents = self.sums.open_intents.saturating_add(1);
            match intent.purpose {
                IntentPurpose::Sale | IntentPurpose::Refund => self.hold(|s| &mut s.hold_debit, consequence.in_doubt),
                IntentPurpose::TopUp => self.hold(|s| &mut s.hold_credit, consequence.in_doubt),
                IntentPurpose::Carry | IntentPurpose::ClosingRead => {}
            }
        }
    }

    /// A box or hub that booked the debt itself is not asked to pay twice.
    fn is_owed_by_an_entry(&self, _intent: EntryRef) -> bool {
        false
    }
}
