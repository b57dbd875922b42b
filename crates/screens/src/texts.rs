//! The texts in French and English, from `texts/{en,fr}/main.ftl`.
//! Invariant: both languages have the same keys and the same arguments, and a text is one plain sentence pattern
//! (`{ $name }` and nothing else in braces), so that a page can fill it in without a Fluent interpreter.
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt,
};

use fluent_templates::{LanguageIdentifier, Loader, fluent_bundle::FluentValue, langid, static_loader};

use crate::reason::text_key;

static_loader! {
    static TEXTS = {
        locales: "./texts",
        fallback_language: "en",
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

static ENGLISH: LanguageIdentifier = langid!("en");
static FRENCH: LanguageIdentifier = langid!("fr");
const ENGLISH_SOURCE: &str = include_str!("../texts/en/main.ftl");

/// Every argument that a text may have.
const ARGUMENTS: [&str; 18] = [
    "place", "time", "balance", "price", "limit", "maximum", "amount", "quota", "count", "code", "age", "number",
    "band", "reason", "detail", "issued", "spare", "bad",
];

/// Arguments that hold integer minor units in decimal and are shown as money.
const MONEY_ARGUMENTS: [&str; 6] = ["balance", "price", "limit", "maximum", "amount", "quota"];

/// A language that every screen speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lang {
    /// French.
    Fr,
    /// English.
    #[default]
    En,
}

impl Lang {
    /// The language of a tag such as `fr`, `fr-CA` or `en_GB`, if it is one of ours.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
        if primary.eq_ignore_ascii_case("fr") {
            Some(Self::Fr)
        } else if primary.eq_ignore_ascii_case("en") {
            Some(Self::En)
        } else {
            None
        }
    }

    /// What a request asks for: `?lang=` first, then the first of ours in `Accept-Language`, then English.
    pub fn from_request(query: Option<&str>, accept_language: Option<&str>) -> Self {
        let accepted = || accept_language?.split(',').find_map(|one| Self::from_tag(one.split(';').next()?));
        query.and_then(Self::from_tag).or_else(accepted).unwrap_or_default()
    }

    /// The tag used in addresses: `fr` or `en`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Fr => "fr",
            Self::En => "en",
        }
    }

    fn id(self) -> &'static LanguageIdentifier {
        match self {
            Self::Fr => &FRENCH,
            Self::En => &ENGLISH,
        }
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tag())
    }
}

/// The text of a key. Money arguments (`balance`, `price`, `limit`, `maximum`, `amount`, `quota`) are integer minor
/// units in decimal, in the currency of the argument `currency` (euro if there is none); other arguments are shown as
/// they are. A missing argument shows as `?`, an unknown key as the key itself.
pub fn text(lang: Lang, key: &str, args: &BTreeMap<String, String>) -> String {
    let currency = args.get("currency").map_or("EUR", String::as_str);
    filled(lang, key, |name| {
        let value = args.get(name)?;
        let cents = if MONEY_ARGUMENTS.contains(&name) { value.parse().ok() } else { None };
        Some(cents.map_or_else(|| value.clone(), |cents| money(lang, cents, currency)))
    })
    .unwrap_or_else(|| key.to_string())
}

/// The text of a reason code; a code without a text is named by the text for unknown reasons.
pub fn reason(lang: Lang, code: &str, args: &BTreeMap<String, String>) -> String {
    let key = text_key(code);
    if TEXTS.try_lookup_with_args(lang.id(), &key, &arguments(|_| None)).is_some() {
        text(lang, &key, args)
    } else {
        text(lang, "reason-unknown", &BTreeMap::from([("code".to_string(), code.to_string())]))
    }
}

/// All texts of a language by key, each argument left as `{name}` for the page to fill in.
pub fn all(lang: Lang) -> BTreeMap<String, String> {
    let with_text = |key: &str| Some((key.to_string(), filled(lang, key, |name| Some(format!("{{{name}}}")))?));
    keys(ENGLISH_SOURCE).filter_map(with_text).collect()
}

/// An amount as people write it: `12,05 €` in French, `€12.05` in English.
pub fn money(lang: Lang, cents: i64, currency: &str) -> String {
    let minus = if cents < 0 { "−" } else { "" };
    let (units, rest) = (cents.unsigned_abs() / 100, cents.unsigned_abs() % 100);
    let symbol = match currency {
        "EUR" => "€",
        "GBP" => "£",
        other => other,
    };
    match lang {
        Lang::Fr => format!("{minus}{},{rest:02}\u{a0}{symbol}", grouped(units, '\u{202f}')),
        Lang::En => format!("{minus}{symbol}{}.{rest:02}", grouped(units, ',')),
    }
}

fn grouped(units: u64, separator: char) -> String {
    let digits = units.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(separator);
        }
        out.push(digit);
    }
    out
}

fn arguments(value: impl Fn(&str) -> Option<String>) -> HashMap<Cow<'static, str>, FluentValue<'static>> {
    let filled = |name: &&'static str| (Cow::Borrowed(*name), value(name).unwrap_or_else(|| "?".to_string()).into());
    ARGUMENTS.iter().map(filled).collect()
}

fn filled(lang: Lang, key: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    TEXTS.try_lookup_with_args(lang.id(), key, &arguments(value))
}

/// The message ids of a Fluent file: an identifier in the first column, before `=`.
fn keys(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| {
        let (id, _) = line.split_once('=')?;
        let id = id.trim_end();
        let starts_well = id.starts_with(|c: char| c.is_ascii_alphabetic());
        let is_id = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        (starts_well && is_id).then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::REASON_CODES;

    const FRENCH_SOURCE: &str = include_str!("../texts/fr/main.ftl");

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect()
    }

    fn args(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    #[test]
    fn both_languages_have_the_same_keys_each_once() {
        let (english, french): (Vec<_>, Vec<_>) = (keys(ENGLISH_SOURCE).collect(), keys(FRENCH_SOURCE).collect());
        for list in [&english, &french] {
            let mut seen = BTreeSet::new();
            let twice: Vec<_> = list.iter().filter(|key| !seen.insert(**key)).collect();
            assert!(twice.is_empty(), "twice: {twice:?}");
        }
        let (english, french): (BTreeSet<_>, BTreeSet<_>) =
            (english.into_iter().collect(), french.into_iter().collect());
        let differing: Vec<_> = english.symmetric_difference(&french).collect();
        assert!(differing.is_empty(), "in one language only: {differing:?}");
    }

    #[test]
    fn both_languages_use_the_same_listed_arguments_and_nothing_else_in_braces() {
        for source in [ENGLISH_SOURCE, FRENCH_SOURCE] {
            for inside in source.lines().filter(|line| !line.starts_with('#')).flat_map(placeholders) {
                let name = inside.trim().strip_prefix('$').unwrap_or_else(|| panic!("{{{inside}}} is not an argument"));
                assert!(ARGUMENTS.contains(&name), "{name} is not in ARGUMENTS");
            }
        }
        let french = all(Lang::Fr);
        for (key, text) in all(Lang::En) {
            assert_eq!(placeholders(&text), placeholders(&french[&key]), "{key}");
        }
    }

    #[test]
    fn no_text_falls_back_to_the_other_language() {
        for lang in [Lang::En, Lang::Fr] {
            let texts = all(lang);
            for key in keys(ENGLISH_SOURCE) {
                let values = arguments(|name| Some(format!("{{{name}}}")));
                let own = TEXTS.lookup_single_language(lang.id(), key, Some(&values));
                assert_eq!(own.ok().as_ref(), texts.get(key), "{lang} {key}");
            }
        }
    }

    #[test]
    fn every_reason_code_has_a_text_of_its_own_in_both_languages() {
        for lang in [Lang::En, Lang::Fr] {
            let texts = all(lang);
            let mut seen = BTreeSet::new();
            for code in REASON_CODES {
                let found = texts.get(&text_key(code));
                let found = found.unwrap_or_else(|| panic!("{lang} has no text for {code}"));
                assert!(seen.insert(found), "{lang}: {code} reads like another code");
            }
        }
    }

    #[test]
    fn an_argument_reads_as_people_write_it() {
        let short = args(&[("balance", "320"), ("price", "450")]);
        let english = reason(Lang::En, "till.not_enough", &short);
        assert!(english.contains("€3.20") && english.contains("€4.50"), "{english}");
        let french = reason(Lang::Fr, "till.not_enough", &short);
        assert!(french.contains("3,20\u{a0}€"), "{french}");
        let used = reason(Lang::En, "ticket.already_used", &args(&[("place", "Gate B"), ("time", "21:04")]));
        assert!(used.contains("Gate B") && used.contains("21:04"), "{used}");
    }

    #[test]
    fn a_missing_argument_or_text_still_says_something() {
        assert!(reason(Lang::Fr, "ticket.already_used", &BTreeMap::new()).contains('?'));
        assert!(reason(Lang::En, "from.the_future", &BTreeMap::new()).contains("from.the_future"));
        assert_eq!(text(Lang::En, "no-such-key", &BTreeMap::new()), "no-such-key");
    }

    #[test]
    fn money_is_grouped_and_signed() {
        assert_eq!(money(Lang::En, 123_456_705, "EUR"), "€1,234,567.05");
        assert_eq!(money(Lang::Fr, -123_405, "EUR"), "−1\u{202f}234,05\u{a0}€");
        assert_eq!(money(Lang::En, -5, "GBP"), "−£0.05");
        assert_eq!(
            money(Lang::Fr, i64::MIN, "CHF"),
            "−92\u{202f}233\u{202f}720\u{202f}368\u{202f}547\u{202f}758,08\u{a0}CHF"
        );
    }

    #[test]
    fn the_address_beats_the_browser() {
        assert_eq!(Lang::from_request(Some("fr"), Some("en")), Lang::Fr);
        assert_eq!(Lang::from_request(Some("de"), Some("de-DE, fr-CH;q=0.9, en;q=0.8")), Lang::Fr);
        assert_eq!(Lang::from_request(None, Some("de")), Lang::En);
    }
}
