//! The part of a closure: what a journal's tills did since the one before, and since ever.
//! Invariant: numbers rise by one; perpetual totals only ever add; a final closure closes the journal for the event.
//! Not here: the summing (`till::totals`).
use alloc::vec::Vec;

use super::{flag, small};
use crate::{
    journal::{Entry, Kind},
    wire::{Malformed, Reader, Writer},
};

macro_rules! totals {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What tills and desks of one journal took and gave, in minor units unless a count. All saturate.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
        pub struct TillTotals {
            $($(#[$doc])* pub $name: i64,)*
        }

        impl TillTotals {
            const FIELDS: usize = [$(stringify!($name)),*].len();

            /// Sum, field by field.
            #[must_use]
            pub const fn plus(&self, other: &Self) -> Self {
                Self { $($name: self.$name.saturating_add(other.$name),)* }
            }

            fn write(&self, out: &mut Writer) {
                $(out.varint(zigzag(self.$name));)*
            }

            fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                Ok(Self { $($name: unzigzag(input.varint()?),)* })
            }
        }
    };
}

totals! {
    /// Count of sales.
    sales,
    /// Goods sold, deposits and corrections left out.
    sold,
    /// Deposits charged.
    deposits_out,
    /// Deposits given back.
    deposits_back,
    /// Goods given for nothing by staff, at their price.
    given,
    /// Count of vouchers taken.
    vouchers,
    /// Count of top-ups.
    top_ups,
    /// Credited for money taken, fees left out.
    credited,
    /// Fees kept.
    fees,
    /// Of credits and fees, paid by card.
    by_card,
    /// Paid back in cash: refunds and pending credits, less those whose cash was not handed over.
    refunded,
    /// Corrections in guests' favour, owed ones too.
    corrected_plus,
    /// Corrections in the festival's favour.
    corrected_minus,
    /// Cash put into the drawer beside sales.
    cash_in,
    /// Cash taken out of it beside sales.
    cash_out,
}

impl TillTotals {
    /// What the drawer gained: cash for top-ups and moved in, less what was paid back and moved out.
    pub fn cash(&self) -> i64 {
        let taken = self.credited.saturating_add(self.fees).saturating_sub(self.by_card).saturating_add(self.cash_in);
        taken.saturating_sub(self.refunded).saturating_sub(self.cash_out)
    }
}

/// Fiscal closure of one box's journal: number varint · final u8 · last varint · number of totals u8 · the period's
/// totals · the perpetual ones, zigzag varints each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closure {
    /// From 1, rising by one over all epochs of the box.
    pub number: u32,
    /// Whether the journal is closed for the event: no intent is open, and nothing is sold until a shift opens again.
    pub is_final: bool,
    /// Sums since the closure before.
    pub period: TillTotals,
    /// Sums since the box's first entry.
    pub perpetual: TillTotals,
    /// Seq, in this epoch, of the last entry in the period.
    pub last: u32,
}

impl Closure {
    pub(super) fn write(&self, out: &mut Writer) {
        out.varint(self.number.into());
        out.u8(u8::from(self.is_final));
        out.varint(self.last.into());
        out.u8(u8::try_from(TillTotals::FIELDS).unwrap_or(u8::MAX));
        self.period.write(out);
        self.perpetual.write(out);
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (number, is_final, last) = (small(input)?, flag(input)?, small(input)?);
        if usize::from(input.u8()?) != TillTotals::FIELDS {
            return Err(Malformed::Value("totals"));
        }
        Ok(Self { number, is_final, last, period: TillTotals::read(input)?, perpetual: TillTotals::read(input)? })
    }
}

/// Whether a journal's tills are closed for the event, given all its entries of these kinds in their order: the newest
/// is a final closure. A shift that opens afterwards opens the journal again.
pub fn is_closed<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> bool {
    let decides = |entry: &&Entry| matches!(entry.kind, Kind::SHIFT_OPEN | Kind::CLOSURE);
    entries.into_iter().filter(decides).fold(false, |closed, entry| match super::Detail::of(entry) {
        Ok(super::Detail::Closure(closure)) => closed || closure.is_final,
        _ => closed && entry.kind != Kind::SHIFT_OPEN,
    })
}

/// Whether this entry closes its journal for the event: a day's closure does not.
pub fn closes_journal(entry: &Entry) -> bool {
    let closure = (entry.kind == Kind::CLOSURE).then(|| super::Detail::of(entry));
    matches!(closure, Some(Ok(super::Detail::Closure(closure))) if closure.is_final)
}

fn zigzag(n: i64) -> u64 {
    (n.wrapping_shl(1) ^ n.wrapping_shr(63)).cast_unsigned()
}

fn unzigzag(n: u64) -> i64 {
    n.wrapping_shr(1).cast_signed() ^ (n & 1).cast_signed().wrapping_neg()
}

pub(super) fn signed(n: i64, out: &mut Writer) {
    out.varint(zigzag(n));
}

pub(super) fn read_signed(input: &mut Reader<'_>) -> Result<i64, Malformed> {
    input.varint().map(unzigzag)
}

/// Visible ASCII, at most 32 bytes, to the end of the part.
pub(super) fn code(input: &mut Reader<'_>) -> Result<alloc::string::String, Malformed> {
    let bytes: Vec<u8> = input.take(input.rest().len())?.to_vec();
    let code = alloc::string::String::from_utf8(bytes).map_err(|_| Malformed::Value("code"))?;
    let is_code = code.len() <= 32 && code.bytes().all(|byte| byte.is_ascii_graphic());
    if is_code { Ok(code) } else { Err(Malformed::Value("code")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::{Detail, Effect},
        money::Currency,
        time::Hlc,
    };

    fn closure(is_final: bool) -> Entry {
        let totals = TillTotals { sold: 120_000, corrected_plus: -350, ..TillTotals::default() };
        let closure = Closure { number: 3, is_final, period: totals, perpetual: totals.plus(&totals), last: 4_000 };
        let part = Detail::Closure(closure).to_bytes();
        Entry { part, ..Entry::new(Kind::CLOSURE, Effect::None, Currency::EUR, Hlc(1)) }
    }

    #[test]
    fn a_closure_reads_back_with_its_negative_sums() {
        let Ok(Detail::Closure(read)) = Detail::of(&closure(true)) else { panic!("not a closure") };
        assert_eq!((read.number, read.is_final, read.last), (3, true, 4_000));
        assert_eq!((read.period.corrected_plus, read.perpetual.corrected_plus), (-350, -700));
        for n in [0, 1, -1, i64::MAX, i64::MIN] {
            assert_eq!(unzigzag(zigzag(n)), n);
        }
    }

    #[test]
    fn a_journal_is_closed_by_a_final_closure_and_opened_again_by_a_shift() {
        let open = Entry::new(Kind::SHIFT_OPEN, Effect::None, Currency::EUR, Hlc(1));
        assert!(!is_closed([]));
        assert!(!is_closed([&closure(false)]));
        assert!(is_closed([&open, &closure(true)]));
        assert!(is_closed([&closure(true), &closure(false)]));
        assert!(!is_closed([&closure(true), &open]));
        let other = Entry { kind: Kind::NOTE, ..closure(true) };
        assert!(closes_journal(&closure(true)) && !closes_journal(&closure(false)) && !closes_journal(&other));
    }

    #[test]
    fn the_drawer_gains_cash_and_not_what_came_by_card() {
        let totals = TillTotals {
            credited: 5_000,
            fees: 50,
            by_card: 2_000,
            refunded: 700,
            cash_in: 100,
            cash_out: 1_000,
            ..TillTotals::default()
        };
        assert_eq!(totals.cash(), 5_050 - 2_000 - 700 + 100 - 1_000);
    }
}
