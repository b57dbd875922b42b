//! A receipt: what it says, for a sale or a top-up of this box.
//! Invariant: its amounts are those of the journal's entry, to the cent; a second print says "duplicate", training says
//! so; it is text of one width, and nothing in a name can reach the printer as a command.
//! Not here: the printer (`drivers::printer`), when it is printed (`printing`).
mod escpos;

use std::collections::BTreeMap;

use domain::{
    id::EntryRef,
    journal::{Detail, Entry, Flags, Kind, Sale, TopUp},
};
use screens::Lang;

pub(crate) use self::escpos::bytes;
use crate::{refusal::NotDone, station::Station};

/// All that a receipt needs.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    pub festival: String,
    pub place: String,
    pub currency: String,
    pub lang: Lang,
    pub entry: EntryRef,
    pub box_number: u16,
    pub at_unix_ms: u64,
    pub training: bool,
    /// Name, how many, their sum in minor units.
    pub lines: Vec<(String, u32, i64)>,
    pub total: i64,
}

/// One line on paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Printed {
    /// In the middle, in bold.
    Title(String),
    /// From the left.
    Text(String),
    /// A name and an amount at the right.
    Sum(String, String),
    /// As [`Self::Sum`], in bold.
    Total(String, String),
    /// Nothing.
    Space,
}

fn word(lang: Lang, key: &str, args: &[(&str, String)]) -> String {
    let args: BTreeMap<String, String> = args.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    screens::text(lang, key, &args)
}

impl Receipt {
    /// The receipt of an entry of this box.
    pub(crate) fn of(station: &Station, at: EntryRef) -> Result<Self, NotDone> {
        if at.device != station.device() {
            return Err(NotDone::Code("printer.no_receipt"));
        }
        let found = station.store.read(move |view| {
            let entry = view.entry(at)?;
            let intent = entry.refers_to.and_then(|intent| view.entry(intent));
            Some((entry, intent))
        })?;
        let (entry, intent) = found.ok_or(NotDone::Code("printer.no_receipt"))?;
        let (loaded, rules, lang) = (station.bundle(), station.rules(), station.lang());
        let name = |product: u32| match rules.catalogue.product(product) {
            Some(product) if lang == Lang::Fr => product.name_fr.clone(),
            Some(product) => product.name_en.clone(),
            None => word(lang, "receipt-product", &[("number", product.to_string())]),
        };
        let lines = lines(&entry, intent.as_ref(), lang, name).ok_or(NotDone::Code("printer.no_receipt"))?;
        let total = sum(&lines);
        Ok(Self {
            festival: loaded.bundle.founding.name.clone(),
            place: station.enrolled().config.place.clone(),
            currency: crate::view::currency(loaded.bundle.currency()),
            lang,
            entry: at,
            box_number: station.box_number().0,
            at_unix_ms: entry.hlc.unix_ms(),
            training: entry.flags.has(Flags::TRAINING),
            lines,
            total,
        })
    }

    /// What stands on paper.
    pub(crate) fn printed(&self, is_duplicate: bool) -> Vec<Printed> {
        let say = |key: &str, args: &[(&str, String)]| word(self.lang, key, args);
        let money = |cents: i64| screens::money(self.lang, cents, &self.currency);
        let mut printed = vec![Printed::Title(self.festival.clone()), Printed::Title(self.place.clone())];
        for (is_so, key) in [(self.training, "receipt-training"), (is_duplicate, "receipt-duplicate")] {
            if is_so {
                printed.extend([Printed::Space, Printed::Title(say(key, &[]))]);
            }
        }
        printed.extend([Printed::Space, Printed::Text(date_and_time(self.at_unix_ms))]);
        let number = format!("{}-{}-{}", self.box_number, self.entry.epoch, self.entry.seq);
        printed.extend([Printed::Text(say("receipt-number", &[("number", number)])), Printed::Space]);
        for (name, quantity, cents) in &self.lines {
            let label = if *quantity == 1 { name.clone() } else { format!("{quantity} x {name}") };
            printed.push(Printed::Sum(label, money(*cents)));
        }
        printed.extend([Printed::Space, Printed::Total(say("receipt-total", &[]), money(self.total))]);
        if self.training {
            printed.push(Printed::Text(say("receipt-nothing-moved", &[])));
        }
        printed
    }
}

/// The lines of a sale or top-up; `None` for what has no receipt. Their sum is what was paid.
fn lines(
    entry: &Entry,
    intent: Option<&Entry>,
    lang: Lang,
    name: impl Fn(u32) -> String,
) -> Option<Vec<(String, u32, i64)>> {
    match (entry.kind, Detail::of(entry).ok()?) {
        (Kind::SALE, Detail::Sale(own)) => {
            // the commit of an intent leaves the lines to the intent
            let sale = match intent.map(Detail::of) {
                Some(Ok(Detail::Intent(intent))) => intent.sale,
                _ => own,
            };
            let lines = sale_lines(&sale?, lang, name)?;
            (sum(&lines) == entry.amount.as_i64()).then_some(lines)
        }
        (Kind::TOP_UP, Detail::TopUp(TopUp { fee, .. })) => {
            let mut lines = vec![(word(lang, "receipt-top-up", &[]), 1, entry.amount.as_i64())];
            if fee.as_i64() != 0 {
                lines.push((word(lang, "receipt-fee", &[]), 1, fee.as_i64()));
            }
            Some(lines)
        }
        _ => None,
    }
}

fn sum(lines: &[(String, u32, i64)]) -> i64 {
    lines.iter().fold(0, |sum: i64, (_, _, cents)| sum.saturating_add(*cents))
}

fn sale_lines(sale: &Sale, lang: Lang, name: impl Fn(u32) -> String) -> Option<Vec<(String, u32, i64)>> {
    let mut lines = Vec::new();
    for line in &sale.lines {
        let sum = line.unit_price.as_i64().checked_mul(i64::from(line.quantity))?;
        let name = match line.product {
            crate::correction::CORRECTION_LINE => word(lang, "receipt-correction", &[]),
            product => name(product),
        };
        lines.push((name, line.quantity, sum));
    }
    let deposits =
        [("receipt-deposit-out", sale.deposit_out.as_i64()), ("receipt-deposit-back", -sale.deposit_back.as_i64())];
    lines.extend(
        deposits.into_iter().filter(|(_, cents)| *cents != 0).map(|(key, cents)| (word(lang, key, &[]), 1, cents)),
    );
    Some(lines)
}

/// `YYYY-MM-DD hh:mm UTC`: boxes do not know the time zone (days to civil date in the proleptic Gregorian calendar).
fn date_and_time(unix_ms: u64) -> String {
    let (days, minutes) = (unix_ms / 86_400_000, unix_ms / 60_000 % 1440);
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix_s, expected) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59 UTC"),
            (1_795_359_179, "2026-11-22 14:52 UTC"),
        ] {
            assert_eq!(date_and_time(unix_s * 1000), expected);
        }
    }
}
