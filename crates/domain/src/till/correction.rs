//! Corrections: what may still be corrected of an entry, by whom, and how money that is owed may be paid out.
//! Invariant: an entry is corrected at most by its own amount in all; a correction is an entry of its own and never an
//! edit; above the quota somebody else confirms.
//! Not here: how a correction reaches the band (the box).
use super::TillRefusal;
use crate::{
    journal::{Effect, Entry, Flags, Kind},
    money::Cents,
};

/// In whose favour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Favour {
    /// The guest was charged too much, or credited too little.
    Guest,
    /// The guest was charged too little, or credited too much.
    Festival,
}

/// What of an entry's amount is not corrected yet. `corrected`: all corrections of it so far, either way.
pub fn left_to_correct(entry: &Entry, corrected: i64) -> Result<Cents, TillRefusal> {
    let is_sale = matches!(entry.kind, Kind::SALE | Kind::DEPOSIT_OUT) && entry.effect == Effect::Debit;
    let is_top_up = entry.kind == Kind::TOP_UP && entry.effect == Effect::Credit;
    if !(is_sale || is_top_up) || entry.flags.has(Flags::TRAINING) {
        return Err(TillRefusal::NotCorrectable);
    }
    Ok(Cents::try_from(entry.amount.as_i64().saturating_sub(corrected).max(0)).unwrap_or(Cents::ZERO))
}

/// Whether `amount` of it may be corrected.
pub fn may_correct(entry: &Entry, corrected: i64, amount: Cents) -> Result<(), TillRefusal> {
    let left = left_to_correct(entry, corrected)?;
    if amount == Cents::ZERO {
        return Err(TillRefusal::Amount);
    }
    if amount > left { Err(TillRefusal::CorrectionTooMuch(left)) } else { Ok(()) }
}

/// Whether one person may correct, give away or serve without payment `amount` more in this shift. `used`: so far.
pub fn within_quota(used: i64, amount: Cents, quota: Cents) -> Result<(), TillRefusal> {
    if used.saturating_add(amount.as_i64()) <= quota.as_i64() {
        return Ok(());
    }
    let left = quota.as_i64().saturating_sub(used).max(0);
    Err(TillRefusal::CorrectionQuota(Cents::try_from(left).unwrap_or(Cents::ZERO)))
}

/// What is owed to a guest, as this box knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Pending {
    /// Hub's state and own entries since.
    pub believed: i64,
    /// Owed by own entries that the hub's state does not contain, less what this box paid out of them.
    pub own: i64,
}

impl Pending {
    /// Most that may be paid out in cash. An island pays only what it owes by itself: what the hub knew may meanwhile
    /// have been paid out, or signed for the band, elsewhere.
    pub fn payable(&self, alone: bool) -> Cents {
        let most = if alone { self.believed.min(self.own) } else { self.believed };
        Cents::try_from(most.max(0)).unwrap_or(Cents::MAX)
    }

    /// Whether `amount` may be paid out.
    pub fn may_pay_out(&self, amount: Cents, alone: bool) -> Result<(), TillRefusal> {
        let most = self.payable(alone);
        if amount == Cents::ZERO || amount > most { Err(TillRefusal::NothingPending(most)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{money::Currency, time::Hlc};

    fn cents(n: u32) -> Cents {
        Cents::new(n).unwrap()
    }

    fn sale(amount: u32) -> Entry {
        Entry { amount: cents(amount), ..Entry::new(Kind::SALE, Effect::Debit, Currency::EUR, Hlc(1)) }
    }

    #[test]
    fn an_entry_is_corrected_at_most_by_its_own_amount_in_all() {
        assert_eq!(may_correct(&sale(450), 0, cents(450)), Ok(()));
        assert_eq!(may_correct(&sale(450), 300, cents(151)), Err(TillRefusal::CorrectionTooMuch(cents(150))));
        assert_eq!(may_correct(&sale(450), 450, cents(1)), Err(TillRefusal::CorrectionTooMuch(Cents::ZERO)));
        assert_eq!(may_correct(&sale(450), 0, Cents::ZERO), Err(TillRefusal::Amount));
    }

    #[test]
    fn only_sales_and_top_ups_are_corrected() {
        let refund = Entry { kind: Kind::REFUND, ..sale(450) };
        assert_eq!(may_correct(&refund, 0, cents(1)), Err(TillRefusal::NotCorrectable));
        let training = Entry { flags: Flags::TRAINING, ..sale(450) };
        assert_eq!(may_correct(&training, 0, cents(1)), Err(TillRefusal::NotCorrectable));
        let top_up = Entry { kind: Kind::TOP_UP, effect: Effect::Credit, ..sale(450) };
        assert_eq!(may_correct(&top_up, 0, cents(450)), Ok(()));
        let free = Entry { effect: Effect::None, ..sale(450) };
        let refused_top_up = Entry { effect: Effect::Debit, ..top_up.clone() };
        let gift = Entry { kind: Kind::GIFT, ..top_up };
        for entry in [free, refused_top_up, gift] {
            assert_eq!(left_to_correct(&entry, 0), Err(TillRefusal::NotCorrectable), "{entry:?}");
        }
    }

    #[test]
    fn beyond_the_quota_somebody_else_confirms() {
        assert_eq!(within_quota(1_500, cents(500), cents(2_000)), Ok(()));
        assert_eq!(within_quota(1_500, cents(501), cents(2_000)), Err(TillRefusal::CorrectionQuota(cents(500))));
        assert_eq!(within_quota(0, cents(1), Cents::ZERO), Err(TillRefusal::CorrectionQuota(Cents::ZERO)));
    }

    #[test]
    fn an_island_pays_out_only_what_it_owes_by_itself() {
        let pending = Pending { believed: 900, own: 350 };
        assert_eq!(pending.payable(false), cents(900));
        assert_eq!(pending.payable(true), cents(350));
        assert_eq!(pending.may_pay_out(cents(351), true), Err(TillRefusal::NothingPending(cents(350))));
        assert_eq!(pending.may_pay_out(cents(350), true), Ok(()), "all of it");
        assert_eq!(pending.may_pay_out(Cents::ZERO, true), Err(TillRefusal::NothingPending(cents(350))), "nothing");
        assert_eq!(Pending { believed: -5, own: 0 }.payable(false), Cents::ZERO);
    }
}
