//! What a basket costs: prices in force, happy hours, cups out and back, goods for nothing, vouchers.
//! Invariant: integer minor units; the price list's revision goes with the sale; time only ever lowers a price when it
//! is certain, and what was charged stands in the sale's lines.
//! Not here: whether the guest can pay (`account`), whether a voucher is good (`voucher`).
use alloc::{string::String, vec::Vec};

use super::TillRefusal;
use crate::{
    catalogue::{Catalogue, HappyHour, Product},
    journal::{Given, Sale, SaleLine, SaleMarks, VoucherUse},
    money::Cents,
    time::{TimeSource, TrustedTime},
};

/// A line that a bartender tapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasketLine {
    /// Product number in the catalogue.
    pub product: u32,
    /// How many, from 1.
    pub quantity: u32,
    /// Given for nothing.
    pub free: bool,
}

/// Everything that is to be sold at once.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Basket {
    /// Goods.
    pub lines: Vec<BasketLine>,
    /// Cups brought back.
    pub cups_back: u32,
    /// Vouchers that were judged good.
    pub vouchers: Vec<VoucherUse>,
    /// Staff looked at the guest's age.
    pub age_checked: bool,
    /// Why goods are given for nothing: a code.
    pub free_reason: Option<String>,
}

/// By which prices, and when.
#[derive(Clone, Copy, Debug)]
pub struct PriceList<'a> {
    /// Products and happy hours.
    pub catalogue: &'a Catalogue,
    /// For one cup.
    pub cup_deposit: Cents,
    /// Trusted time.
    pub now: TrustedTime,
    /// A clock that may be off by more than this is too uncertain for a happy hour.
    pub time_uncertainty_s: u32,
}

/// A priced basket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    /// Goods and deposits.
    pub sale: Sale,
    /// What the guest pays, deposits netted; may be 0.
    pub amount: Cents,
    /// What the guest gets instead, where more deposit came back than was bought: on the account, or owed to the purse.
    pub owed: Cents,
    /// Price list that it was made under.
    pub price_revision: u32,
}

impl Priced {
    /// What the basket costs; negative where the guest gets something.
    pub fn total(&self) -> i64 {
        self.amount.as_i64().saturating_sub(self.owed.as_i64())
    }
}

/// The price of a product now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriceNow {
    /// Without deposit.
    pub price: Cents,
    /// A happy hour made it lower.
    pub happy_hour: bool,
    /// A happy hour may be on, but the clock is too uncertain: this is the full price.
    pub time_uncertain: bool,
}

impl HappyHour {
    /// A happy hour on alcohol must be one on drinks without alcohol too (in France, Code de la santé publique,
    /// L3323-1): otherwise it is none.
    fn is_lawful(&self, catalogue: &Catalogue) -> bool {
        let mut ages = self.products.iter().filter_map(|number| catalogue.product(*number)).map(|p| p.min_age);
        let mut rest = ages.clone();
        !ages.any(|age| age > 0) || rest.any(|age| age == 0)
    }

    fn lowered(&self, price: Cents) -> Cents {
        let kept = 100u32.saturating_sub(u32::from(self.percent_off));
        price.get().checked_mul(kept).and_then(|cents| Cents::new(cents / 100)).unwrap_or(price)
    }
}

impl PriceList<'_> {
    /// The price of a product at present: of several happy hours the one that is best for the guest.
    pub fn price_now(&self, product: &Product) -> PriceNow {
        let full = PriceNow { price: product.price, happy_hour: false, time_uncertain: false };
        let certain = self.now.source != TimeSource::Build && self.now.uncertainty_s <= self.time_uncertainty_s;
        let of_it = |hour: &&HappyHour| hour.products.contains(&product.number) && hour.is_lawful(self.catalogue);
        let hours = self.catalogue.happy_hours.iter().filter(of_it);
        if certain {
            let on = hours.filter(|hour| (hour.from..hour.until).contains(&self.now.unix_s));
            let price = on.map(|hour| hour.lowered(product.price)).min().unwrap_or(product.price);
            return PriceNow { price, happy_hour: price < product.price, ..full };
        }
        let off = u64::from(self.now.uncertainty_s);
        let (earliest, latest) = (self.now.unix_s.saturating_sub(off), self.now.unix_s.saturating_add(off));
        let maybe = hours.into_iter().any(|hour| hour.from <= latest && hour.until > earliest);
        PriceNow { time_uncertain: maybe, ..full }
    }

    fn product(&self, number: u32, age_checked: bool) -> Result<&Product, TillRefusal> {
        let product = self.catalogue.product(number).ok_or(TillRefusal::UnknownProduct(number))?;
        if product.sold_out {
            return Err(TillRefusal::SoldOut(number));
        }
        if product.min_age > 0 && !age_checked {
            return Err(TillRefusal::AgeCheck(product.min_age));
        }
        Ok(product)
    }
}

/// Prices a basket; cups out and back are netted in the same sale.
pub fn price(basket: &Basket, list: &PriceList<'_>) -> Result<Priced, TillRefusal> {
    if basket.lines.is_empty() && basket.cups_back == 0 && basket.vouchers.is_empty() {
        return Err(TillRefusal::EmptyBasket);
    }
    let count = basket.lines.len().saturating_add(basket.vouchers.len());
    if count > Sale::MAX_LINES || basket.vouchers.len() > SaleMarks::MAX_VOUCHERS {
        return Err(TillRefusal::TooManyLines(count));
    }
    let (mut goods, mut given, mut cups) = (Cents::ZERO, Cents::ZERO, 0u32);
    let mut sold = Vec::with_capacity(count);
    let mut marks = SaleMarks { age_checked: false, vouchers: basket.vouchers.clone(), ..SaleMarks::default() };
    let paid = basket.lines.iter().map(|line| (line.product, line.quantity, line.free, false));
    let of_vouchers = basket.vouchers.iter().map(|voucher| (voucher.product, voucher.quantity, false, true));
    for (number, quantity, free, by_voucher) in paid.chain(of_vouchers) {
        let product = list.product(number, basket.age_checked)?;
        let now = list.price_now(product);
        let sum = now.price.times(quantity).filter(|_| quantity > 0).ok_or(TillRefusal::Amount)?;
        let unit_price = if free || by_voucher { Cents::ZERO } else { now.price };
        if free {
            given = given.plus(sum).ok_or(TillRefusal::Amount)?;
        } else if !by_voucher {
            goods = goods.plus(sum).ok_or(TillRefusal::Amount)?;
            marks.happy_hour |= now.happy_hour;
            marks.time_uncertain |= now.time_uncertain;
        }
        marks.age_checked |= product.min_age > 0;
        if product.in_cup {
            cups = cups.checked_add(quantity).ok_or(TillRefusal::Amount)?;
        }
        sold.push(SaleLine { product: number, quantity, unit_price });
    }
    if basket.lines.iter().any(|line| line.free) {
        let reason = basket.free_reason.clone().filter(|reason| is_code(reason)).ok_or(TillRefusal::ReasonMissing)?;
        marks.given = Some(Given { value: given, supervisor: 0, reason });
    }
    let deposit = |cups: u32| list.cup_deposit.times(cups).ok_or(TillRefusal::Amount);
    let (deposit_out, deposit_back) = (deposit(cups)?, deposit(basket.cups_back)?);
    let charged = goods.plus(deposit_out).ok_or(TillRefusal::Amount)?;
    let amount = charged.minus(deposit_back).unwrap_or(Cents::ZERO);
    let owed = deposit_back.minus(charged).unwrap_or(Cents::ZERO);
    let sale = Sale { deposit_out, deposit_back, lines: sold, marks };
    Ok(Priced { sale, amount, owed, price_revision: list.catalogue.revision })
}

/// Whether a text can stand as a reason in an entry: visible ASCII, 1 to 32 bytes.
pub fn is_code(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bundle::tests::bundle, id::TicketUid};

    const CERTAIN: TrustedTime = TrustedTime { unix_s: 1_000, uncertainty_s: 2, source: TimeSource::Hub };

    fn cents(n: u32) -> Cents {
        Cents::new(n).unwrap()
    }

    /// Beer (1, 3.50, cup, from 18), chips (2, 4.00), lemonade (3, 3.00, cup).
    fn catalogue() -> Catalogue {
        let mut catalogue = Catalogue::of_bundle(&bundle().body);
        let lemonade = Product { number: 3, price: cents(300), ..catalogue.products[0].clone() };
        catalogue.products.push(lemonade);
        catalogue
    }

    fn at(catalogue: &Catalogue, now: TrustedTime, basket: &Basket) -> Result<Priced, TillRefusal> {
        price(basket, &PriceList { catalogue, cup_deposit: cents(100), now, time_uncertainty_s: 300 })
    }

    fn sold(lines: &[BasketLine], cups_back: u32) -> Result<Priced, TillRefusal> {
        at(&catalogue(), CERTAIN, &Basket { lines: lines.to_vec(), cups_back, ..Basket::default() })
    }

    fn line(product: u32, quantity: u32) -> BasketLine {
        BasketLine { product, quantity, free: false }
    }

    fn happy(products: &[u32]) -> Catalogue {
        let mut catalogue = catalogue();
        catalogue.products[0].min_age = 18;
        catalogue.happy_hours.push(HappyHour {
            number: 1,
            name_fr: String::new(),
            name_en: String::new(),
            from: 1_000,
            until: 2_000,
            products: products.to_vec(),
            percent_off: 33,
        });
        catalogue
    }

    fn beer_in_happy_hour(products: &[u32], now: TrustedTime) -> Priced {
        let basket = Basket { lines: vec![line(1, 1)], age_checked: true, ..Basket::default() };
        at(&happy(products), now, &basket).unwrap()
    }

    #[test]
    fn cups_brought_back_are_netted_in_the_same_sale() {
        let priced = sold(&[line(1, 2), line(2, 1)], 1).unwrap();
        assert_eq!(priced.amount, cents(2 * 350 + 400 + 200 - 100));
        assert_eq!((priced.sale.deposit_out, priced.sale.deposit_back), (cents(200), cents(100)));
        assert_eq!((priced.price_revision, &priced.sale.marks), (7, &SaleMarks::default()));
    }

    #[test]
    fn more_deposit_back_than_money_due_is_owed_to_the_guest() {
        let of =
            |lines: &[BasketLine], cups| sold(lines, cups).map(|priced| (priced.amount, priced.owed, priced.total()));
        assert_eq!(of(&[], 3), Ok((Cents::ZERO, cents(300), -300)));
        assert_eq!(of(&[line(1, 1)], 4), Ok((cents(50), Cents::ZERO, 50)));
        assert_eq!(of(&[line(1, 1)], 5), Ok((Cents::ZERO, cents(50), -50)));
    }

    #[test]
    fn a_basket_that_makes_no_sense_is_named() {
        assert_eq!(sold(&[], 0), Err(TillRefusal::EmptyBasket));
        assert_eq!(sold(&[line(1, 0)], 0), Err(TillRefusal::Amount));
        assert_eq!(sold(&[line(1, u32::MAX)], 0), Err(TillRefusal::Amount));
        assert_eq!(sold(&[line(9, 1)], 0), Err(TillRefusal::UnknownProduct(9)));
        assert!(sold(&[line(2, 1); 100], 0).is_ok());
        assert_eq!(sold(&[line(1, 1); 101], 0), Err(TillRefusal::TooManyLines(101)));
    }

    #[test]
    fn what_is_sold_out_is_not_sold() {
        let mut catalogue = catalogue();
        catalogue.products[1].sold_out = true;
        let basket = Basket { lines: vec![line(1, 1), line(2, 1)], ..Basket::default() };
        assert_eq!(at(&catalogue, CERTAIN, &basket), Err(TillRefusal::SoldOut(2)));
    }

    #[test]
    fn alcohol_is_sold_once_somebody_has_looked_at_the_guests_age() {
        let catalogue = happy(&[]);
        let mut basket = Basket { lines: vec![line(1, 1)], ..Basket::default() };
        assert_eq!(at(&catalogue, CERTAIN, &basket), Err(TillRefusal::AgeCheck(18)));
        basket.age_checked = true;
        assert!(at(&catalogue, CERTAIN, &basket).unwrap().sale.marks.age_checked);
        basket.lines = vec![line(2, 1)];
        assert!(!at(&catalogue, CERTAIN, &basket).unwrap().sale.marks.age_checked, "chips need no look");
    }

    #[test]
    fn a_happy_hour_lowers_the_price_to_the_second_and_rounds_in_the_guests_favour() {
        let priced = beer_in_happy_hour(&[1, 3], CERTAIN);
        assert_eq!(priced.sale.lines[0].unit_price, cents(234), "3.50 less a third is 2.345");
        assert!(priced.sale.marks.happy_hour);
        for unix_s in [999, 2_000] {
            let priced = beer_in_happy_hour(&[1, 3], TrustedTime { unix_s, ..CERTAIN });
            assert_eq!((priced.sale.lines[0].unit_price, priced.sale.marks.happy_hour), (cents(350), false));
        }
    }

    #[test]
    fn a_happy_hour_on_alcohol_alone_is_none() {
        assert_eq!(beer_in_happy_hour(&[1], CERTAIN).sale.lines[0].unit_price, cents(350));
    }

    #[test]
    fn an_uncertain_clock_charges_the_full_price_and_says_so() {
        let unsure = TrustedTime { uncertainty_s: 301, ..CERTAIN };
        let priced = beer_in_happy_hour(&[1, 3], unsure);
        assert_eq!(priced.sale.lines[0].unit_price, cents(350));
        assert!(priced.sale.marks.time_uncertain);
        let long_before = TrustedTime { unix_s: 100, ..unsure };
        assert!(!beer_in_happy_hour(&[1, 3], long_before).sale.marks.time_uncertain, "it cannot be on");
        for (unix_s, maybe) in [(698, false), (699, true), (2_300, true), (2_301, false)] {
            let priced = beer_in_happy_hour(&[1, 3], TrustedTime { unix_s, ..unsure });
            assert_eq!(priced.sale.marks.time_uncertain, maybe, "at {unix_s}");
        }
    }

    #[test]
    fn goods_for_nothing_need_a_reason_and_still_cost_their_deposit() {
        let free = BasketLine { product: 1, quantity: 2, free: true };
        let mut basket = Basket { lines: vec![free, line(2, 1)], ..Basket::default() };
        assert_eq!(at(&catalogue(), CERTAIN, &basket), Err(TillRefusal::ReasonMissing));
        basket.free_reason = Some("two words".into());
        assert_eq!(at(&catalogue(), CERTAIN, &basket), Err(TillRefusal::ReasonMissing));
        basket.free_reason = Some("artist".into());
        let priced = at(&catalogue(), CERTAIN, &basket).unwrap();
        assert_eq!(priced.amount, cents(400 + 200));
        assert_eq!(priced.sale.marks.given.unwrap().value, cents(700));
    }

    #[test]
    fn a_voucher_pays_for_the_goods_and_not_for_the_cup() {
        let voucher = VoucherUse { ticket: TicketUid([1; 16]), category: 5, product: 1, quantity: 2 };
        let priced = at(&catalogue(), CERTAIN, &Basket { vouchers: vec![voucher], ..Basket::default() }).unwrap();
        assert_eq!(priced.amount, cents(200));
        assert_eq!(priced.sale.lines, [SaleLine { product: 1, quantity: 2, unit_price: Cents::ZERO }]);
        assert_eq!(priced.sale.marks.vouchers, [voucher]);
        assert_eq!(priced.sale.marks.given, None);
        let most = SaleMarks::MAX_VOUCHERS;
        let with = |count| at(&catalogue(), CERTAIN, &Basket { vouchers: vec![voucher; count], ..Basket::default() });
        assert!(with(most).is_ok());
        assert_eq!(with(most + 1), Err(TillRefusal::TooManyLines(most + 1)));
    }
}
