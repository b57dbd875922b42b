//! What stands in one cell: text that no spreadsheet takes for a formula, amounts, numbers, dates.
//! Invariant: what [`guarded`] writes, [`bare`] gives back; an amount never passes through a floating point.
use domain::money::Cents;

/// Characters at which spreadsheets begin to calculate, and the apostrophe that we put before them.
const STARTS: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\''];

/// The text as it stands in a file: with an apostrophe before what a spreadsheet would calculate.
pub(super) fn guarded(text: &str) -> String {
    if text.starts_with(STARTS) { format!("'{text}") } else { text.to_string() }
}

/// The text of a cell.
pub(super) fn bare(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(STARTS) => rest,
        Some(_) | None => cell,
    }
}

/// An amount: minor units (`1234`), or units with exactly two decimals (`12.34`, `12,34`).
pub(super) fn cents(text: &str) -> Result<Cents, String> {
    let wrong = || format!("{text:?} is no amount: write 1234 (minor units), 12.34 or 12,34");
    let digits = |part: &str| !part.is_empty() && part.len() <= 9 && part.bytes().all(|b| b.is_ascii_digit());
    let minor = match text.split_once(['.', ',']) {
        None if digits(text) => text.parse::<u64>().map_err(|_| wrong())?,
        Some((units, part)) if digits(units) && part.len() == 2 && digits(part) => {
            let (units, part): (u64, u64) = (units.parse().map_err(|_| wrong())?, part.parse().map_err(|_| wrong())?);
            units.saturating_mul(100).saturating_add(part)
        }
        None | Some(_) => return Err(wrong()),
    };
    let fits = u32::try_from(minor).ok().and_then(Cents::new);
    fits.ok_or_else(|| format!("{text} is above the highest amount, {}", Cents::MAX))
}

/// A whole number.
pub(super) fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| format!("{name}: {text:?} is no whole number that fits"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_spreadsheet_would_calculate_is_text_and_comes_back() {
        assert_eq!(guarded("=HYPERLINK(\"x\")"), "'=HYPERLINK(\"x\")");
        assert_eq!(guarded("+33"), "'+33");
        assert_eq!(guarded("@SUM(A1)"), "'@SUM(A1)");
        assert_eq!(guarded("-1"), "'-1");
        assert_eq!(guarded("Bière"), "Bière");
        assert_eq!(bare("'t Hof"), "'t Hof", "a name that begins with an apostrophe");
    }

    #[test]
    fn amounts_are_minor_units_or_have_two_decimals() {
        for (text, cents_wanted) in
            [("0", 0), ("1234", 1_234), ("12.34", 1_234), ("12,34", 1_234), ("0,05", 5), ("167772.15", 16_777_215)]
        {
            assert_eq!(cents(text).map(Cents::get), Ok(cents_wanted), "{text}");
        }
        for text in [
            "",
            "-1",
            "+1",
            "1.5",
            "1.234",
            "1,2,3",
            "1e3",
            " 1",
            "0x10",
            "1.",
            ".50",
            "167772.16",
            "99999999999",
            "NaN",
            "١٢",
        ] {
            assert!(cents(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back_from_its_cell(text in "[='+@\t\r-]{0,3}\\PC{0,20}") {
            let cell = guarded(&text);
            prop_assert_eq!(bare(&cell), text.as_str());
            prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']));
        }

        #[test]
        fn every_amount_comes_back(minor in 0..=Cents::MAX.get()) {
            let amount = Cents::new(minor).unwrap();
            prop_assert_eq!(cents(&amount.to_string()), Ok(amount));
            prop_assert_eq!(cents(&minor.to_string()), Ok(amount));
        }
    }
}
