//! What a box wrote beyond its revocation: how much of it there is.
//! Invariant: every entry beyond it is counted once; what was counted is not read again, however much a revoked box goes on
//! to deliver, unless a revocation or a fork moved the ground.
//! Not here: whether an entry counts (`ingest::journals`), deciding about it (`matters`).
use std::collections::BTreeMap;

use domain::{
    journal::{Effect, Entry},
    ledger::Cutoff,
    money::Currency,
};

use crate::{
    hub::{Hub, HubError},
    ingest::journals::{Ground, Journal, ReadBody},
    store::{Store, StoreError, StoredRun},
};

/// Most positions looked at in one go.
const AT_ONCE: u32 = 1_000;

/// What one journal holds beyond its revocation. The first and the last of it tell since when and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beyond {
    /// Position of the first such entry.
    pub(crate) first: u32,
    /// Position of the last one.
    pub(crate) last: u32,
    /// How many there are, in all histories.
    pub(crate) entries: u32,
    /// The money that they move, in whatever direction.
    pub(crate) cents: i64,
}

/// What was counted of one journal.
#[derive(Debug)]
pub(crate) struct Counted {
    ground: Ground,
    /// By run, the first position that was not looked at.
    next: BTreeMap<u32, u32>,
    found: Option<Beyond>,
}

impl Counted {
    fn on(ground: Ground) -> Self {
        Self { ground, next: BTreeMap::new(), found: None }
    }

    fn look(&mut self, journal: &Journal, store: &Store, currency: Currency) -> Result<(), StoreError> {
        for run in journal.tree.runs() {
            let mut next = self.next.get(&run.run).copied().unwrap_or(run.first);
            while next <= run.last {
                let last = run.last.min(next.saturating_add(AT_ONCE - 1));
                self.count(journal, run, (next, last), store, currency)?;
                next = last.saturating_add(1);
                self.next.insert(run.run, next);
            }
        }
        Ok(())
    }

    fn count(
        &mut self,
        journal: &Journal,
        run: &StoredRun,
        (from, to): (u32, u32),
        store: &Store,
        currency: Currency,
    ) -> Result<(), StoreError> {
        let beyond: Vec<u32> = journal.beyond(run.run, from, to).collect();
        let (Some(first), Some(last)) = (beyond.first(), beyond.last()) else { return Ok(()) };
        for (seq, body) in (*first..).zip(store.bodies(journal.id.into(), run.run, *first, *last)?) {
            if beyond.binary_search(&seq).is_ok() {
                self.add(seq, moved(ReadBody::of(&body, currency).entry()));
            }
        }
        Ok(())
    }

    fn add(&mut self, seq: u32, cents: i64) {
        let found = self.found.get_or_insert(Beyond { first: seq, last: seq, entries: 0, cents: 0 });
        (found.first, found.last) = (found.first.min(seq), found.last.max(seq));
        found.entries = found.entries.saturating_add(1);
        found.cents = found.cents.saturating_add(cents);
    }
}

/// The money that an entry moves; an intent moves none before its commit.
fn moved(entry: &Entry) -> i64 {
    match entry.effect {
        Effect::Credit | Effect::Debit | Effect::Transfer | Effect::Owe | Effect::Repay => entry.amount.as_i64(),
        Effect::None
        | Effect::Hold
        | Effect::HoldCredit
        | Effect::Release
        | Effect::In
        | Effect::Out
        | Effect::Block
        | Effect::Unblock
        | Effect::Unknown(_) => 0,
    }
}

impl Hub {
    /// What the journal at this position of all journals holds beyond its revocation.
    pub(crate) fn beyond(&mut self, at: usize) -> Result<Option<Beyond>, HubError> {
        let Self { store, journals, beyond, identity, .. } = self;
        let journal = journals.at(at);
        let name = (journal.device, journal.epoch);
        if journal.cutoff == Cutoff::None {
            beyond.remove(&name);
            return Ok(None);
        }
        let ground = journal.cut_ground();
        let counted = beyond.entry(name).or_insert_with(|| Counted::on(ground.clone()));
        if counted.ground != ground {
            *counted = Counted::on(ground);
        }
        counted.look(journal, store, identity.founding.currency)?;
        Ok(counted.found)
    }
}
