//! The reference: what must be true, worked out from what people and chips did, not from the ledger.
//!
//! It sees cash, goods, chips and people passing; of entries it knows only that a box was told "stored". For every
//! guest: money paid in − money paid out = goods received − losses named + what is on the chip + what is still owed.
//! Invariant: shares no code with `domain::ledger`.
//! Not here: what boxes and hub made of it (`world` asks them and hands the answers in).
use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::{
    id::{EntryRef, TicketUid},
    journal::EntryHash,
    wristband::{CreditId, RecordId},
};

use crate::account::Moved;

/// What a C is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planned {
    /// So much cash for a higher C.
    TopUp(i64),
    /// What the hub owed, for a higher C.
    Carry,
}

/// What is known of one band and its guest.
#[derive(Clone, Debug, Default)]
pub(crate) struct BandFacts {
    /// Every S record that was ever in force on its chip, with the one before it.
    pub(crate) records: BTreeMap<RecordId, RecordId>,
    /// Every C that was ever in force on its chip.
    pub(crate) credits: BTreeSet<CreditId>,
    credit_plans: HashMap<CreditId, Planned>,
    /// Goods that the guest carried away, in cents.
    pub(crate) goods: i64,
    /// Of them those served on "tap again": the intent, its S record, and how much.
    pub(crate) served: Vec<(EntryRef, RecordId, i64)>,
    /// Cash that the guest got.
    pub(crate) cash_out: i64,
    /// What staff gave back of what he had paid, whether or not he brought the goods.
    pub(crate) corrected: i64,
    /// Of that, what they gave back to somebody who kept the goods.
    pub(crate) given: i64,
    /// Money that the guest paid without a chip being written: accounts, online.
    pub(crate) paid_elsewhere: i64,
    /// Somebody copied or set back the chip.
    pub(crate) copied: bool,
    /// How much the entries about it moved that were lost with a disk, forged or withheld: what nobody can explain is no
    /// more than that.
    pub(crate) disturbed: i64,
    /// Whether anything like that happened at all.
    pub(crate) is_disturbed: bool,
    /// The power failed when staff said that something was not handed over: nobody knows since when boxes know.
    pub(crate) is_vague: bool,
}

impl BandFacts {
    /// A C was signed: if it is ever in force on the chip, this was put on.
    pub(crate) fn planned(&mut self, credit: CreditId, what: Planned) {
        self.credit_plans.insert(credit, what);
    }

    /// Cash that went onto the chip.
    pub(crate) fn put_on(&self) -> i64 {
        let cash = |credit: &CreditId| match self.credit_plans.get(credit) {
            Some(Planned::TopUp(cash)) => *cash,
            Some(Planned::Carry) | None => 0,
        };
        self.credits.iter().map(cash).sum()
    }

    /// What was served and never paid: its record was never in force on the chip.
    fn served_unpaid(&self) -> impl Iterator<Item = &(EntryRef, RecordId, i64)> {
        self.served.iter().filter(|(_, record, amount)| *amount > 0 && !self.records.contains_key(record))
    }

    /// The intents of what was never paid.
    pub(crate) fn unpaid(&self) -> impl Iterator<Item = EntryRef> + '_ {
        self.served_unpaid().map(|(intent, ..)| *intent)
    }

    /// How much that is.
    pub(crate) fn lost(&self) -> i64 {
        self.served_unpaid().fold(0, |sum, (_, _, amount)| sum.saturating_add(*amount))
    }

    /// What was served on "tap again" and is paid: its record was in force on the chip.
    fn served_paid(&self) -> impl Iterator<Item = &(EntryRef, RecordId, i64)> {
        self.served.iter().filter(|(_, record, amount)| *amount > 0 && self.records.contains_key(record))
    }

    /// The intents of that.
    pub(crate) fn paid_late(&self) -> impl Iterator<Item = EntryRef> + '_ {
        self.served_paid().map(|(intent, ..)| *intent)
    }

    /// How much that is.
    pub(crate) fn served_and_paid(&self) -> i64 {
        self.served_paid().fold(0, |sum, (_, _, amount)| sum.saturating_add(*amount))
    }

    /// How much more an account carried away than was paid in.
    pub(crate) fn overspent(&self) -> i64 {
        let paid = self.paid_elsewhere.saturating_add(self.given);
        self.goods.saturating_add(self.cash_out).saturating_sub(paid).max(0)
    }

    /// Records that moved money and follow the same one, together: the chip was copied or set back and spent twice.
    pub(crate) fn spent_twice(&self, sold: &BTreeSet<RecordId>) -> Vec<Vec<RecordId>> {
        let mut followers: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
        for (record, before) in self.records.iter().filter(|(record, _)| sold.contains(record)) {
            followers.entry(*before).or_default().push(*record);
        }
        followers.into_values().filter(|followers| followers.len() > 1).collect()
    }

    /// What the guest paid in less what the guest got in cash, goods (less what was lost to them), and what is left:
    /// 0 where no cent was created or lost; positive where the guest is short.
    pub(crate) fn unexplained(&self, left: i64, owed: i64, lost: i64) -> i64 {
        let paid = self.put_on().saturating_add(self.paid_elsewhere).saturating_sub(self.cash_out);
        let paid = paid.saturating_add(self.given);
        let has = self.goods.saturating_sub(lost).saturating_add(left).saturating_add(owed);
        paid.saturating_sub(has)
    }
}

/// Somebody passed a gate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passed {
    /// Who.
    pub(crate) ticket: TicketUid,
    /// Into or out of which zone.
    pub(crate) zone: u16,
    /// In, or out.
    pub(crate) inwards: bool,
    /// Which gate.
    pub(crate) gate: usize,
    /// Its entry.
    pub(crate) at: EntryRef,
    /// The entry's hash.
    pub(crate) hash: EntryHash,
    /// The first publication that has it, once there is one.
    pub(crate) published: Option<u64>,
}

/// An account paid at a bar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    /// Whose.
    pub(crate) band: usize,
    /// Which bar; nobody's where its disk has forgotten.
    pub(crate) bar: usize,
    /// How much.
    pub(crate) cents: i64,
    /// Its entry.
    pub(crate) at: EntryRef,
    /// The entry's hash.
    pub(crate) hash: EntryHash,
    /// The first publication that has it, once there is one.
    pub(crate) published: Option<u64>,
}

/// All that people saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reference {
    /// By band of the world.
    pub(crate) bands: Vec<BandFacts>,
    /// Green lights of entries, which must be at the hub in the end.
    pub(crate) acknowledged: Vec<(EntryRef, EntryHash)>,
    /// Everybody who passed.
    pub(crate) passed: Vec<Passed>,
    /// A gate that was set back has written the very entry again that it had lost, where its clock stands. Under a clock
    /// that goes it would have been another one, and the gate would have learned that it was set back: another evening.
    pub(crate) wrote_the_same: bool,
    /// What was put on accounts and taken from them.
    pub(crate) moved: Vec<Moved>,
    /// How much more each account may spend than there is, as islands stood when everybody was connected again.
    pub(crate) at_risk: Vec<i64>,
    /// What accounts paid, as long as their bar has not been told that the hub knows.
    pub(crate) spent: Vec<Spent>,
    /// What each gate and bar has been told of, by publication.
    pub(crate) told: Vec<u64>,
}

impl Reference {
    /// Whether this gate may let the ticket into a zone that is entered once, as far as it can know: it did not itself,
    /// and was not told that another one did.
    pub(crate) fn may_enter(&self, ticket: TicketUid, zone: u16, gate: usize) -> bool {
        let told = self.told.get(gate).copied().unwrap_or(0);
        let knows = |p: &Passed| p.gate == gate || p.published.is_some_and(|number| number <= told);
        !self.passed.iter().any(|p| p.ticket == ticket && p.zone == zone && p.inwards && knows(p))
    }

    /// Whether this bar may take so much from an account and stay within the limit: what it took before and was not told
    /// of by the hub counts.
    pub(crate) fn may_take(&mut self, band: usize, bar: usize, cents: i64, limit: i64) -> bool {
        let told = &self.told;
        let heard_back = |s: &Spent| {
            let told = told.get(s.bar).copied().unwrap_or(0);
            s.published.is_some_and(|number| number <= told)
        };
        self.spent.retain(|spent| !heard_back(spent));
        let unheard = self.spent.iter().filter(|spent| spent.band == band && spent.bar == bar);
        unheard.fold(cents, |sum, spent| sum.saturating_add(spent.cents)) <= limit
    }

    /// Where somebody came in with this ticket.
    pub(crate) fn admissions(&self, ticket: TicketUid, zone: u16) -> impl Iterator<Item = EntryRef> + '_ {
        let inwards = move |p: &&Passed| p.ticket == ticket && p.zone == zone && p.inwards;
        self.passed.iter().filter(inwards).map(|p| p.at)
    }

    /// Tickets and zones that more people are inside with than one, or entered once too often.
    pub(crate) fn doubles(&self, once_zone: u16) -> BTreeSet<(TicketUid, u16)> {
        let mut counts: BTreeMap<(TicketUid, u16), (u32, u32)> = BTreeMap::new();
        for passed in &self.passed {
            let (ins, outs) = counts.entry((passed.ticket, passed.zone)).or_default();
            if passed.inwards {
                *ins += 1;
            } else {
                *outs += 1;
            }
        }
        let double = |(zone, ins, outs): (u16, u32, u32)| {
            if zone == once_zone { ins > 1 } else { ins > outs.saturating_add(1) }
        };
        counts.into_iter().filter(|((_, zone), (ins, outs))| double((*zone, *ins, *outs))).map(|(who, _)| who).collect()
    }
}

#[cfg(test)]
mod tests {
    use domain::id::DeviceId;

    use super::*;

    fn passed(gate: usize, inwards: bool, published: Option<u64>) -> Passed {
        let at = EntryRef { device: DeviceId([1; 16]), epoch: 0, seq: 0 };
        Passed { ticket: TicketUid([1; 16]), zone: 0, inwards, gate, at, hash: [0; 32], published }
    }

    #[test]
    fn a_guest_who_paid_for_what_is_there_is_square_and_a_cent_more_or_less_shows() {
        let mut facts = BandFacts::default();
        facts.planned(CreditId([1; 4]), Planned::TopUp(1_000));
        facts.credits.insert(CreditId([1; 4]));
        facts.records.insert(RecordId([2; 4]), RecordId([1; 4]));
        facts.goods = 300;
        assert_eq!(facts.put_on(), 1_000);
        assert_eq!(facts.unexplained(700, 0, 0), 0);
        assert_eq!(facts.unexplained(699, 0, 0), 1);
        facts.goods = 0;
        assert_eq!(facts.unexplained(700, 300, 0), 0, "paid and not served: owed");
    }

    #[test]
    fn a_gate_that_was_told_must_refuse_and_one_that_was_not_need_not() {
        let mut reference =
            Reference { told: vec![0, 0], passed: vec![passed(0, true, Some(5))], ..Reference::default() };
        let ticket = TicketUid([1; 16]);
        assert!(!reference.may_enter(ticket, 0, 0));
        assert!(reference.may_enter(ticket, 0, 1));
        reference.told[1] = 5;
        assert!(!reference.may_enter(ticket, 0, 1));
        assert!(reference.may_enter(ticket, 1, 1), "another zone");
    }

    #[test]
    fn a_bar_takes_no_more_than_the_limit_before_it_hears_that_the_hub_knows() {
        let at = EntryRef { device: DeviceId([1; 16]), epoch: 0, seq: 0 };
        let spent = |bar, published| Spent { band: 3, bar, cents: 600, at, hash: [0; 32], published };
        let mut reference =
            Reference { told: vec![0, 0], spent: vec![spent(0, None), spent(1, Some(4))], ..Reference::default() };
        assert!(reference.may_take(3, 0, 400, 1_000) && !reference.may_take(3, 0, 401, 1_000));
        assert!(reference.may_take(2, 0, 1_000, 1_000), "another account");
        assert!(!reference.may_take(3, 1, 401, 1_000), "published, and not heard");
        reference.told[1] = 4;
        assert!(reference.may_take(3, 1, 1_000, 1_000));
    }

    #[test]
    fn a_ticket_that_let_two_in_is_a_double() {
        let reference =
            Reference { passed: vec![passed(0, true, None), passed(1, true, None)], ..Reference::default() };
        assert_eq!(reference.doubles(0).len(), 1);
        assert_eq!(reference.doubles(7).len(), 1, "two inside at once");
        let mut left = reference;
        left.passed.push(passed(1, false, None));
        assert_eq!(left.doubles(7).len(), 0);
        assert_eq!(left.doubles(0).len(), 1);
    }
}
