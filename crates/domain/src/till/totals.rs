//! What one entry adds to a shift's and a closure's totals.
//! Invariant: an entry counts alone, with the own entry that it refers to, so any run of entries is a sum; training counts
//! nothing. Not here: which entries make up a shift or period (the box's store).
use crate::journal::{Detail, Effect, Entry, Flags, Kind, Means, Sale, SaleMarks, TillTotals};

/// `referred`: the own entry that `entry` refers to: an intent that it commits, or a refund whose cash stayed in the drawer.
pub fn totals_of(entry: &Entry, referred: Option<&Entry>) -> TillTotals {
    let none = TillTotals::default();
    if entry.flags.has(Flags::TRAINING) {
        return none;
    }
    let cents = entry.amount.as_i64();
    let moves = |effect: &[Effect]| effect.contains(&entry.effect);
    match entry.kind {
        Kind::SALE | Kind::DEPOSIT_OUT | Kind::DEPOSIT_BACK if moves(&[Effect::Debit]) => sale(entry, referred, cents),
        Kind::SALE | Kind::DEPOSIT_OUT | Kind::DEPOSIT_BACK if moves(&[Effect::Credit, Effect::Owe]) => {
            sale(entry, referred, cents.saturating_neg())
        }
        Kind::VOUCHER if entry.effect == Effect::In => TillTotals { vouchers: 1, ..none },
        Kind::TOP_UP if moves(&[Effect::Credit, Effect::Owe]) => {
            let Ok(Detail::TopUp(top_up)) = Detail::of(entry) else { return none };
            let fees = top_up.fee.as_i64();
            let by_card = if top_up.means == Means::Card { cents.saturating_add(fees) } else { 0 };
            // one of nothing only takes the place of what the hub had signed (`TapRequest::Supersede`)
            let top_ups = u32::from(cents > 0 || fees > 0);
            TillTotals { top_ups: top_ups.into(), credited: cents, fees, by_card, ..none }
        }
        Kind::REFUND if moves(&[Effect::Debit, Effect::Repay]) => TillTotals { refunded: cents, ..none },
        Kind::CORRECTION_PLUS if moves(&[Effect::Credit, Effect::Owe]) => TillTotals { corrected_plus: cents, ..none },
        // its cash was not handed over, and is paid back later
        Kind::PENDING_CREDIT
            if entry.effect == Effect::Owe && referred.is_some_and(|referred| referred.kind == Kind::REFUND) =>
        {
            TillTotals { refunded: cents.saturating_neg(), ..none }
        }
        Kind::PENDING_CREDIT if entry.effect == Effect::Owe => TillTotals { corrected_plus: cents, ..none },
        Kind::CORRECTION_MINUS if entry.effect == Effect::Debit => TillTotals { corrected_minus: cents, ..none },
        Kind::CASH_MOVE => match Detail::of(entry) {
            Ok(Detail::CashMove(moved)) if moved.into_drawer => TillTotals { cash_in: cents, ..none },
            Ok(Detail::CashMove(_)) => TillTotals { cash_out: cents, ..none },
            _ => none,
        },
        _ => none,
    }
}

/// The sale in an entry or in the intent that it commits: the latter has lines and marks.
pub fn sale_in(entry: &Entry, intent: Option<&Entry>) -> Option<Sale> {
    let of = |entry: &Entry| match Detail::of(entry) {
        Ok(Detail::Sale(sale)) => sale,
        Ok(Detail::Intent(intent)) => intent.sale,
        _ => None,
    };
    intent.and_then(of).or_else(|| of(entry))
}

fn sale(entry: &Entry, intent: Option<&Entry>, charged: i64) -> TillTotals {
    let none = TillTotals::default();
    let Some(sale) = sale_in(entry, intent) else { return TillTotals { sales: 1, sold: charged, ..none } };
    let SaleMarks { given, corrects, .. } = &sale.marks;
    if corrects.is_some() {
        return TillTotals { corrected_minus: charged, ..none };
    }
    TillTotals {
        sales: 1,
        sold: charged.saturating_sub(sale.net_deposit()),
        deposits_out: sale.deposit_out.as_i64(),
        deposits_back: sale.deposit_back.as_i64(),
        given: given.as_ref().map_or(0, |given| given.value.as_i64()),
        ..none
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{DeviceId, EntryRef},
        journal::{CashMove, ChipSeen, Corrects, Given, Intent, IntentPurpose, TopUp},
        money::{Cents, Currency},
        time::Hlc,
        wristband::{CreditId, RecordId},
    };

    fn cents(n: u32) -> Cents {
        Cents::new(n).unwrap()
    }

    fn entry(kind: Kind, effect: Effect, amount: u32, part: Option<Detail>) -> Entry {
        let part = part.map(|part| part.to_bytes()).unwrap_or_default();
        Entry { amount: cents(amount), part, ..Entry::new(kind, effect, Currency::EUR, Hlc(1)) }
    }

    #[test]
    fn a_shift_adds_up_to_what_lies_in_the_drawer() {
        let top_up = |means| Some(Detail::TopUp(TopUp { c_only: false, fee: cents(50), means }));
        let moved = |into_drawer| Some(Detail::CashMove(CashMove { into_drawer, reason: "change".into() }));
        let goods = Sale { deposit_out: cents(200), deposit_back: cents(100), ..Sale::default() };
        let entries = [
            entry(Kind::TOP_UP, Effect::Credit, 2_000, top_up(Means::Cash)),
            entry(Kind::TOP_UP, Effect::Credit, 3_000, top_up(Means::Card)),
            entry(Kind::TOP_UP, Effect::Repay, 700, top_up(Means::None)),
            entry(Kind::SALE, Effect::Debit, 800, Some(Detail::Sale(Some(goods)))),
            entry(Kind::REFUND, Effect::Debit, 500, None),
            entry(Kind::REFUND, Effect::Repay, 100, None),
            entry(Kind::CORRECTION_PLUS, Effect::Owe, 350, None),
            entry(Kind::CASH_MOVE, Effect::None, 1_000, moved(true)),
            entry(Kind::CASH_MOVE, Effect::None, 400, moved(false)),
        ];
        let sum = entries.iter().fold(TillTotals::default(), |sum, entry| sum.plus(&totals_of(entry, None)));
        assert_eq!((sum.sales, sum.sold, sum.deposits_out, sum.deposits_back), (1, 700, 200, 100));
        assert_eq!((sum.top_ups, sum.credited, sum.fees, sum.by_card), (2, 5_000, 100, 3_050));
        assert_eq!((sum.refunded, sum.corrected_plus), (600, 350));
        assert_eq!(sum.cash(), 2_050 - 600 + 1_000 - 400);
    }

    fn sale_with(marks: SaleMarks) -> Option<Detail> {
        Some(Detail::Sale(Some(Sale { marks, ..Sale::default() })))
    }

    #[test]
    fn an_entry_counts_in_its_own_total_and_only_where_it_moves_money() {
        let none = TillTotals::default();
        let corrected = EntryRef { device: DeviceId([1; 16]), epoch: 1, seq: 2 };
        let given = Some(Given { value: cents(350), supervisor: 9, reason: "artist".into() });
        let corrects = Some(Corrects { entry: corrected, supervisor: 0, reason: "wrong_price".into() });
        let for_nothing = || sale_with(SaleMarks { given: given.clone(), ..SaleMarks::default() });
        let again = || sale_with(SaleMarks { corrects: corrects.clone(), ..SaleMarks::default() });
        let sold = |sold| TillTotals { sales: 1, sold, ..none };
        for (kind, effect, part, total) in [
            (Kind::SALE, Effect::Debit, None, sold(800)),
            (Kind::SALE, Effect::Credit, None, sold(-800)),
            (Kind::DEPOSIT_BACK, Effect::Owe, None, sold(-800)),
            (Kind::SALE, Effect::Hold, None, none),
            (Kind::SALE, Effect::None, None, none),
            (Kind::SALE, Effect::Debit, for_nothing(), TillTotals { given: 350, ..sold(800) }),
            (Kind::SALE, Effect::Debit, again(), TillTotals { corrected_minus: 800, ..none }),
            (Kind::VOUCHER, Effect::In, None, TillTotals { vouchers: 1, ..none }),
            (Kind::VOUCHER, Effect::Out, None, none),
            (Kind::REFUND, Effect::Credit, None, none),
            (Kind::CORRECTION_PLUS, Effect::Credit, None, TillTotals { corrected_plus: 800, ..none }),
            (Kind::CORRECTION_PLUS, Effect::Debit, None, none),
            (Kind::PENDING_CREDIT, Effect::Owe, None, TillTotals { corrected_plus: 800, ..none }),
            (Kind::PENDING_CREDIT, Effect::Credit, None, none),
            (Kind::CORRECTION_MINUS, Effect::Debit, None, TillTotals { corrected_minus: 800, ..none }),
            (Kind::CORRECTION_MINUS, Effect::Credit, None, none),
        ] {
            let entry = entry(kind, effect, 800, part);
            assert_eq!(totals_of(&entry, None), total, "{kind:?} {effect:?}");
        }
    }

    #[test]
    fn cash_of_a_refund_that_was_not_handed_over_is_in_the_drawer_until_it_is_paid_out() {
        for effect in [Effect::Debit, Effect::Repay] {
            let refund = entry(Kind::REFUND, effect, 600, None);
            let owed = entry(Kind::PENDING_CREDIT, Effect::Owe, 600, None);
            let kept = totals_of(&refund, None).plus(&totals_of(&owed, Some(&refund)));
            assert_eq!(kept, TillTotals::default());
            let paid_out = kept.plus(&totals_of(&entry(Kind::REFUND, Effect::Repay, 600, None), None));
            assert_eq!((paid_out.refunded, paid_out.cash()), (600, -600));
        }
        let sale = entry(Kind::SALE, Effect::Debit, 600, None);
        let owed = totals_of(&entry(Kind::PENDING_CREDIT, Effect::Owe, 600, None), Some(&sale));
        assert_eq!(owed, TillTotals { corrected_plus: 600, ..TillTotals::default() }, "nothing of a sale is in cash");
    }

    #[test]
    fn a_top_up_counts_where_money_was_taken() {
        let none = TillTotals::default();
        let taken = |amount, fee| {
            let part = TopUp { c_only: false, fee: cents(fee), means: Means::Cash };
            totals_of(&entry(Kind::TOP_UP, Effect::Credit, amount, Some(Detail::TopUp(part))), None)
        };
        assert_eq!(taken(800, 0), TillTotals { top_ups: 1, credited: 800, ..none });
        assert_eq!(taken(0, 50), TillTotals { top_ups: 1, fees: 50, ..none });
        assert_eq!(taken(0, 0), none);
    }

    #[test]
    fn the_commit_of_a_purse_sale_has_its_deposits_from_the_intent() {
        let seen = ChipSeen {
            base: RecordId([1; 4]),
            before: RecordId([2; 4]),
            before2: None,
            credit_seq: 1,
            credit_id: CreditId([3; 4]),
            credits: cents(9_000),
            spent: Cents::ZERO,
        };
        let intent = Intent {
            purpose: IntentPurpose::Sale,
            seen,
            own: RecordId([5; 4]),
            spent_after: cents(800),
            new_credit: None,
            old_credit: None,
            sale: Some(Sale { deposit_out: cents(200), ..Sale::default() }),
            fee: Cents::ZERO,
            means: Means::None,
        };
        let intent = entry(Kind::INTENT, Effect::Hold, 800, Some(Detail::Intent(intent)));
        let commit = entry(Kind::SALE, Effect::Debit, 800, None);
        let wanted = TillTotals { sales: 1, sold: 600, deposits_out: 200, ..TillTotals::default() };
        assert_eq!(totals_of(&commit, Some(&intent)), wanted);
    }

    #[test]
    fn training_moves_no_total() {
        let sale = entry(Kind::SALE, Effect::Debit, 800, None);
        assert_eq!(totals_of(&sale, None).sold, 800);
        let training = Entry { flags: Flags::TRAINING, ..sale };
        assert_eq!(totals_of(&training, None), TillTotals::default());
    }
}
