//! Which ruling on a matter holds, and what rulings do to a wallet's sums.
//! Invariant: a function of the set. A ruling that another one names counts no more; of those that nobody replaced the
//! one that counts less holds, and all of them are shown.
//! Not here: what conflicts there are (`conflicts_found`), blocks and revocations beside a ruling (their own entries).
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use super::{
    accounts::{self, Accounts},
    conflict::ConflictKind,
};
use crate::{
    id::EntryRef,
    journal::{BlockedKind, Detail, Entry, Kind, MatterKind, Ruling, RulingAction, Subject},
    money::Cents,
};

/// What names a matter: the same for every hub node and for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatterId {
    /// What happened.
    pub kind: MatterKind,
    /// What the subject is.
    pub what: BlockedKind,
    /// To whom.
    pub subject: Subject,
    /// Which entry, where one subject has several such matters.
    pub about: Option<EntryRef>,
}

/// A ruling where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuledAt {
    /// Its entry.
    pub at: EntryRef,
    /// The entry itself.
    pub entry: Entry,
    /// Its part.
    pub ruling: Ruling,
}

/// Everything that was decided about one matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruled {
    /// The one that holds.
    pub holds: RuledAt,
    /// Decided at the same time by people who did not know of each other: shown, and not counted.
    pub beside: Vec<RuledAt>,
    /// Replaced since.
    pub replaced: Vec<RuledAt>,
}

impl From<ConflictKind> for MatterKind {
    fn from(kind: ConflictKind) -> Self {
        match kind {
            ConflictKind::DoubleAdmission => Self::DoubleAdmission,
            ConflictKind::Overspend => Self::Overspend,
            ConflictKind::Fork => Self::Fork,
            ConflictKind::ChipFork => Self::ChipFork,
            ConflictKind::RevokedEntries => Self::RevokedEntries,
            ConflictKind::Gap => Self::Gap,
            ConflictKind::ForbiddenEntry => Self::ForbiddenEntry,
            ConflictKind::FrozenSubject => Self::FrozenSubject,
            ConflictKind::Loss => Self::Loss,
            ConflictKind::LateSpend => Self::LateSpend,
        }
    }
}

impl RuledAt {
    /// An entry as a ruling, if it is one.
    pub fn of(at: EntryRef, entry: &Entry) -> Option<Self> {
        match Detail::of(entry) {
            Ok(Detail::Ruling(ruling)) => Some(Self { at, entry: entry.clone(), ruling }),
            Ok(_) | Err(_) => None,
        }
    }

    /// What it is about.
    pub fn matter(&self) -> MatterId {
        let Ruling { matter: kind, what, .. } = self.ruling;
        MatterId { kind, what, subject: self.entry.subject, about: self.entry.refers_to }
    }

    /// How much it counts: money first; without money what changes least.
    fn weight(&self) -> (Cents, u8, EntryRef) {
        (self.entry.amount, self.ruling.action.byte(), self.at)
    }
}

/// Rulings by matter, each with the one that holds. In any order, in any number of copies, the same.
pub fn ruled(rulings: impl IntoIterator<Item = RuledAt>) -> BTreeMap<MatterId, Ruled> {
    let mut by_matter: BTreeMap<MatterId, BTreeMap<EntryRef, RuledAt>> = BTreeMap::new();
    for one in rulings {
        let of_matter = by_matter.entry(one.matter()).or_default();
        // on forked ground one place may have two entries: the lighter one
        match of_matter.get(&one.at) {
            Some(held) if (held.weight(), held.entry.to_bytes()) <= (one.weight(), one.entry.to_bytes()) => {}
            _ => drop(of_matter.insert(one.at, one)),
        }
    }
    by_matter.into_iter().filter_map(|(matter, all)| Some((matter, of_one(all)?))).collect()
}

fn of_one(all: BTreeMap<EntryRef, RuledAt>) -> Option<Ruled> {
    let named: BTreeSet<EntryRef> =
        all.values().flat_map(|one| one.ruling.replaces.iter().copied().filter(|other| *other != one.at)).collect();
    let standing = |at: &EntryRef| !named.contains(at);
    // two that name each other are at the same time
    let nobody_stands = !all.keys().any(standing);
    let holds = all.values().filter(|one| nobody_stands || standing(&one.at)).min_by_key(|one| one.weight())?.clone();
    let (mut beside, mut replaced) = (Vec::new(), Vec::new());
    for (at, one) in all {
        if at != holds.at {
            if nobody_stands || standing(&at) { beside.push(one) } else { replaced.push(one) }
        }
    }
    Some(Ruled { holds, beside, replaced })
}

/// What rulings do to a wallet's sums: money that the guest brought back, and what the festival bears of what he lacks.
pub(super) fn count<'a>(sums: &mut Accounts, entries: impl IntoIterator<Item = (EntryRef, &'a Entry)>) {
    let rulings = entries.into_iter().filter(|(_, entry)| entry.kind == Kind::RULING);
    let held = ruled(rulings.filter_map(|(at, entry)| RuledAt::of(at, entry)));
    for action in [RulingAction::ChargeBack, RulingAction::Forgive] {
        for (matter, Ruled { holds, .. }) in held.iter().filter(|(_, ruled)| ruled.holds.ruling.action == action) {
            let amount = holds.entry.amount.as_i64();
            match (action, matter.kind) {
                (RulingAction::ChargeBack, MatterKind::Loss) => {
                    // money in hand counts whole; what is more than the loss is the guest's
                    let paid = amount.min(sums.losses.max(0));
                    book(&mut sums.top_ups, amount);
                    book(&mut sums.spent, paid);
                    book(&mut sums.losses, paid.saturating_neg());
                }
                (RulingAction::ChargeBack, MatterKind::Overspend | MatterKind::LateSpend) => {
                    book(&mut sums.top_ups, amount);
                }
                (RulingAction::Forgive, kind @ (MatterKind::Overspend | MatterKind::LateSpend)) => {
                    let balance = sums.balance();
                    let late = kind == MatterKind::LateSpend;
                    let held = if late { accounts::netted(balance, sums.pending).0 } else { balance };
                    let missing = held.min(0).saturating_neg();
                    book(&mut sums.gifts, amount.min(missing));
                }
                _ => {}
            }
        }
    }
}

fn book(account: &mut i64, amount: i64) {
    *account = account.saturating_add(amount);
}
