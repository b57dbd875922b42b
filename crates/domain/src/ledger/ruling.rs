//! Which ruling on a matter holds, and what rulings do to a wallet's sums.
//! Invariant: a function of the set. A ruling that another one of its sort names counts no more; of those that nobody
//! replaced the one that counts less holds, one of each sort, and all of them are shown. So what was paid back or forgiven
//! stays booked, whatever else is decided, until somebody undoes it: by a ruling of the same sort over nothing.
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

/// What a ruling does to money. Rulings of one sort replace each other, and leave alone those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RulingSort {
    /// Money that the guest brought back; over nothing: it was not brought back after all.
    ChargeBack,
    /// What the festival bears; over nothing: it does not bear it after all.
    Forgive,
    /// Everything else: moves nothing by itself.
    Other,
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
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Ruled {
    /// Those that hold: one of each sort that was decided, money first.
    pub holds: Vec<RuledAt>,
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

impl RulingSort {
    /// Of an action.
    pub const fn of(action: RulingAction) -> Self {
        match action {
            RulingAction::ChargeBack => Self::ChargeBack,
            RulingAction::Forgive => Self::Forgive,
            RulingAction::Accept
            | RulingAction::Block
            | RulingAction::Lift
            | RulingAction::WriteOff
            | RulingAction::Revoke
            | RulingAction::ConfirmBranch
            | RulingAction::AcceptEntries
            | RulingAction::PayOut => Self::Other,
        }
    }

    /// Whether rulings of this sort move money themselves.
    pub const fn is_money(self) -> bool {
        !matches!(self, Self::Other)
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

    /// Its sort.
    pub fn sort(&self) -> RulingSort {
        RulingSort::of(self.ruling.action)
    }

    /// How much it counts: money first; without money what changes least.
    fn weight(&self) -> (Cents, u8, EntryRef) {
        (self.entry.amount, self.ruling.action.byte(), self.at)
    }
}

impl Ruled {
    /// The one of this sort that holds.
    pub fn of(&self, sort: RulingSort) -> Option<&RuledAt> {
        self.holds.iter().find(|one| one.sort() == sort)
    }

    /// How much money was paid back or forgiven.
    pub fn moved(&self) -> u64 {
        moved(self.holds.iter())
    }

    /// Of what a ruling saw, what was neither paid back nor forgiven then: it names the rulings that held.
    pub fn left_then(&self, one: &RuledAt) -> u64 {
        let all = self.holds.iter().chain(&self.beside).chain(&self.replaced);
        let named = all.filter(|other| one.ruling.replaces.contains(&other.at));
        one.ruling.cents_seen.saturating_sub(moved(named))
    }

    fn join(&mut self, more: Self) {
        self.holds.extend(more.holds);
        self.beside.extend(more.beside);
        self.replaced.extend(more.replaced);
    }
}

/// Money that rulings moved, where each sort's lightest one holds.
fn moved<'a>(rulings: impl Iterator<Item = &'a RuledAt>) -> u64 {
    let mut lightest: BTreeMap<RulingSort, &RuledAt> = BTreeMap::new();
    for one in rulings.filter(|one| one.sort().is_money()) {
        let held = lightest.entry(one.sort()).or_insert(one);
        if one.weight() < held.weight() {
            *held = one;
        }
    }
    lightest.values().map(|one| u64::from(one.entry.amount.get())).fold(0, u64::saturating_add)
}

/// Rulings by matter, each with those that hold. In any order, in any number of copies, the same.
pub fn ruled(rulings: impl IntoIterator<Item = RuledAt>) -> BTreeMap<MatterId, Ruled> {
    let mut by_sort: BTreeMap<(MatterId, RulingSort), BTreeMap<EntryRef, RuledAt>> = BTreeMap::new();
    for one in rulings {
        let of_sort = by_sort.entry((one.matter(), one.sort())).or_default();
        // on forked ground one place may have two entries: the lighter one
        match of_sort.get(&one.at) {
            Some(held) if (held.weight(), held.entry.to_bytes()) <= (one.weight(), one.entry.to_bytes()) => {}
            _ => drop(of_sort.insert(one.at, one)),
        }
    }
    let mut found: BTreeMap<MatterId, Ruled> = BTreeMap::new();
    for ((matter, _), all) in by_sort {
        if let Some(one) = of_one(all) {
            found.entry(matter).or_default().join(one);
        }
    }
    found
}

/// Of the rulings of one matter and sort.
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
    Some(Ruled { holds: Vec::from([holds]), beside, replaced })
}

/// What rulings do to a wallet's sums: money that the guest brought back, and what the festival bears of what he lacked
/// when it was decided. `on_chip`: what is on the wallet is known by its chip, so that anything else is owed.
pub(super) fn count<'a>(sums: &mut Accounts, on_chip: bool, entries: impl IntoIterator<Item = (EntryRef, &'a Entry)>) {
    let rulings = entries.into_iter().filter(|(_, entry)| entry.kind == Kind::RULING);
    let held = ruled(rulings.filter_map(|(at, entry)| RuledAt::of(at, entry)));
    for sort in [RulingSort::ChargeBack, RulingSort::Forgive] {
        for (matter, holds) in held.iter().filter_map(|(matter, ruled)| Some((matter, ruled.of(sort)?))) {
            let amount = holds.entry.amount.as_i64();
            match (sort, matter.kind) {
                (RulingSort::ChargeBack, MatterKind::Loss) => {
                    // money in hand counts whole; what is more than the loss is owed to the guest
                    let paid = amount.min(sums.losses.max(0));
                    book(&mut sums.top_ups, amount);
                    book(&mut sums.pending, amount.saturating_sub(paid));
                    book(&mut sums.spent, paid);
                    book(&mut sums.losses, paid.saturating_neg());
                }
                (RulingSort::ChargeBack, kind @ (MatterKind::Overspend | MatterKind::LateSpend)) => {
                    let more = amount.saturating_sub(missing(sums, kind)).max(0);
                    book(&mut sums.top_ups, amount);
                    book(&mut sums.pending, if on_chip { more } else { 0 });
                }
                (RulingSort::Forgive, MatterKind::Overspend | MatterKind::LateSpend) => {
                    // whole: what is put on later pays for nothing that was forgiven
                    let seen = i64::try_from(holds.ruling.cents_seen).unwrap_or(i64::MAX);
                    book(&mut sums.gifts, amount.min(seen));
                }
                _ => {}
            }
        }
    }
}

/// What a wallet lacks; an emptied one of balance and what it is owed together.
fn missing(sums: &Accounts, kind: MatterKind) -> i64 {
    let balance = sums.balance();
    let held = if kind == MatterKind::LateSpend { accounts::netted(balance, sums.pending).0 } else { balance };
    held.min(0).saturating_neg()
}

fn book(account: &mut i64, amount: i64) {
    *account = account.saturating_add(amount);
}
