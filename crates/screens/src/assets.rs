//! The embedded pages, style sheets and modules, and the headers they are served under.
//! Invariant: a path is looked up in the embedded list and never on the server's disk by its own spelling.
use std::borrow::Cow;

use rust_embed::RustEmbed;

/// Content security policy that every page runs under.
pub const CSP: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Headers that go with every page and asset.
pub const HEADERS: [(&str, &str); 4] = [
    ("content-security-policy", CSP),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-cache"),
];

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Files;

/// The bytes and MIME type of an embedded file, e.g. `gate.html` or `js/till.js`; a leading `/` is allowed.
pub fn asset(path: &str) -> Option<(Cow<'static, [u8]>, &'static str)> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let mime = mime(path)?;
    Some((Files::get(path)?.data, mime))
}

fn mime(path: &str) -> Option<&'static str> {
    match path.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Lang, all};

    fn source(path: &str) -> String {
        let (bytes, _) = asset(path).unwrap_or_else(|| panic!("no asset {path}"));
        String::from_utf8(bytes.into_owned()).unwrap()
    }

    fn files(ending: &str) -> Vec<(String, String)> {
        let found: Vec<_> =
            Files::iter().filter(|p| p.ends_with(ending)).map(|p| (p.to_string(), source(&p))).collect();
        assert!(!found.is_empty(), "no file ends with {ending}");
        found
    }

    /// What stands between `before` and the next `"`, at each place where `before` occurs.
    fn quoted<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
        text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
    }

    /// Every opening tag of a page, without `<` and `>`.
    fn tags(html: &str) -> Vec<&str> {
        html.split('<').skip(1).filter_map(|rest| rest.split('>').next()).collect()
    }

    #[test]
    fn all_pages_are_there_with_their_type() {
        for page in
            ["index", "gate", "till", "top_up", "shift", "console", "demo", "documents", "manager", "matters", "risk"]
        {
            let (_, mime) = asset(&format!("/{page}.html")).unwrap();
            assert_eq!(mime, "text/html; charset=utf-8");
        }
        assert!(asset("../Cargo.toml").is_none());
        assert!(asset("nothing.html").is_none());
    }

    #[test]
    fn what_a_page_or_module_loads_exists() {
        for (page, html) in files(".html") {
            for tag in tags(&html).into_iter().filter(|t| t.starts_with("script") || t.starts_with("link")) {
                let address = quoted(tag, "src=\"").into_iter().chain(quoted(tag, "href=\"")).next();
                let address = address.unwrap_or_else(|| panic!("{page}: <{tag}> names no file"));
                assert!(asset(address).is_some(), "{page} loads {address}, which does not exist");
            }
        }
        for (module, js) in files(".js") {
            for import in quoted(&js, "from \"").into_iter().chain(quoted(&js, "import \"")) {
                let file = import.strip_prefix("./").unwrap_or_else(|| panic!("{module} imports {import}"));
                assert!(asset(&format!("js/{file}")).is_some(), "{module} imports {import}, which does not exist");
            }
        }
        for (sheet, css) in files(".css") {
            assert!(!css.contains("http") && !css.contains("url("), "{sheet} loads something");
        }
    }

    #[test]
    fn nothing_in_a_page_breaks_the_policy() {
        for (page, html) in files(".html") {
            assert!(!html.contains("<style"), "{page} has an inline style sheet");
            for script in html.split("<script").skip(1) {
                let (tag, rest) = script.split_once('>').unwrap();
                assert!(tag.contains("src="), "{page} has an inline script");
                assert!(rest.starts_with("</script>"), "{page} has text in a script element");
            }
            for tag in tags(&html) {
                for attribute in tag.split_whitespace().skip(1) {
                    assert!(!attribute.starts_with("style="), "{page}: <{tag}>");
                    assert!(!(attribute.starts_with("on") && attribute.contains('=')), "{page}: <{tag}>");
                    assert!(!attribute.contains("http"), "{page}: <{tag}> reaches elsewhere");
                }
            }
        }
        for (module, js) in files(".js") {
            for word in
                ["innerHTML", "outerHTML =", "insertAdjacentHTML", "eval(", "setAttribute(\"style\"", "document.write"]
            {
                assert!(!js.contains(word), "{module} uses {word}");
            }
        }
    }

    /// Families of texts that a module picks by a value of the view: `tOf("phase", phase)`.
    const FAMILIES: [(&str, &[&str]); 29] = [
        ("about", &["other", "sale", "top_up", "refund"]),
        ("question", &["other", "sale", "top_up", "refund"]),
        ("listed", &["open", "decided", "all"]),
        (
            "ruling-does",
            &[
                "accept",
                "block",
                "lift",
                "charge_back",
                "forgive",
                "undo_charge_back",
                "undo_forgive",
                "write_off",
                "revoke",
                "confirm_branch",
                "accept_entries",
                "pay_out",
            ],
        ),
        (
            "ruling",
            &[
                "accept",
                "block",
                "lift",
                "charge_back",
                "forgive",
                "undo_charge_back",
                "undo_forgive",
                "write_off",
                "revoke",
                "confirm_branch",
                "accept_entries",
                "pay_out",
            ],
        ),
        ("ruled", &["holds", "beside", "replaced"]),
        ("standing", &["in_force", "disputed", "beyond_revocation", "set_aside"]),
        ("formula", &["islands", "escrow", "counter"]),
        ("held", &["here", "away", "lost", "old_run"]),
        ("risk-profile", &["uid", "ntag21x", "pointer", "ultralight_aes"]),
        ("found", &["fresh", "inside", "used", "revoked", "blocked"]),
        ("movement", &["sale", "top_up", "refund", "correction", "pending", "other"]),
        ("age", &["tickets", "wallets", "revocations", "bundle"]),
        (
            "conflict",
            &[
                "double_admission",
                "overspend",
                "fork",
                "chip_fork",
                "revoked_entries",
                "gap",
                "forbidden_entry",
                "frozen_subject",
                "loss",
                "late_spend",
                "in_doubt",
                "pending",
                "over_quota",
            ],
        ),
        (
            "entry",
            &[
                "paired",
                "admission",
                "exit",
                "carried",
                "top_up",
                "sale",
                "correction",
                "refund",
                "swap",
                "intent",
                "void",
                "gave_up",
                "handed_over",
                "read",
                "owed",
                "expired",
                "fee",
                "gift",
                "suspicion",
                "blocked",
                "unblocked",
                "signed",
                "online_top_up",
                "written_off",
                "ruling",
                "other",
            ],
        ),
        (
            "waits",
            &[
                "frozen",
                "blocked",
                "suspect",
                "never_seen",
                "unclear",
                "offered",
                "exhausted",
                "due",
                "its_box",
                "revoked_box",
                "read_or_write_off",
                "went_on",
            ],
        ),
        ("headline", &["ok", "repeat", "no", "care", "unknown"]),
        ("phase", &["idle", "waiting_for_band", "writing", "tap_again", "paid", "refused", "supervisor"]),
        ("role", &["gate", "bar", "top-up"]),
        ("time-source", &["build", "own_entry", "hub"]),
        ("pairing", &["waiting", "paired"]),
        ("scheme", &["own", "pretix_sig1"]),
        ("mode", &["once", "re-entry", "free"]),
        ("key-state", &["issues", "has_issued", "next", "waiting", "retired"]),
        ("light", &["ok", "warn", "refuse", "tap_again", "dark"]),
        ("pull", &["never", "before_password", "last_page", "after_last_page"]),
        ("band_kind", &["purse", "aes_purse", "pointer", "uid_only"]),
        ("ticket_kind", &["valid", "used", "revoked", "forged", "pretix", "other_zone"]),
        ("wire", &["linked", "waiting", "cut", "off"]),
    ];

    fn looks_like_a_key(word: &str) -> bool {
        let prefixes = [
            "console-",
            "wallet-",
            "gate-",
            "till-",
            "top_up-",
            "status-",
            "demo-",
            "age-",
            "staff-",
            "shift-",
            "stock-",
            "matters-",
            "managers-",
            "risk-",
        ];
        prefixes.iter().any(|prefix| word.starts_with(prefix)) && !word.ends_with("-bar")
    }

    #[test]
    fn every_text_that_a_page_or_module_uses_exists_in_both_languages() {
        let mut used = BTreeSet::new();
        for (_, html) in files(".html") {
            for attribute in ["data-text=\"", "data-text-label=\"", "data-text-placeholder=\""] {
                used.extend(quoted(&html, attribute).into_iter().map(str::to_string));
            }
            for word in tags(&html).iter().filter(|t| !t.starts_with('!') && !t.starts_with('/')) {
                assert!(!word.contains(" title=") && !word.contains(" placeholder="), "<{word}> has a text of its own");
            }
            for between in html.split('>').skip(1).filter_map(|rest| rest.split('<').next()) {
                assert!(between.trim().is_empty(), "a page has a text of its own: {between}");
            }
        }
        for (module, js) in files(".js") {
            for before in [" t(\"", "(t(\"", "{t(\"", "[t(\"", "...t(\""] {
                used.extend(quoted(&js, before).into_iter().map(str::to_string));
            }
            let words = js.lines().flat_map(|line| line.split('"').skip(1).step_by(2));
            used.extend(words.filter(|word| looks_like_a_key(word)).map(str::to_string));
            for family in quoted(&js, "tOf(\"") {
                let values = FAMILIES.iter().find(|(name, _)| *name == family);
                let (_, values) = values.unwrap_or_else(|| panic!("{module} uses the unlisted family {family}"));
                used.extend(values.iter().map(|value| format!("{family}-{value}")));
            }
        }
        assert!(used.len() > 50, "the search for texts finds too little: {used:?}");
        for lang in [Lang::En, Lang::Fr] {
            let texts = all(lang);
            let missing: Vec<_> = used.iter().filter(|key| !texts.contains_key(*key)).collect();
            assert!(missing.is_empty(), "{lang:?} lacks {missing:?}");
        }
    }

    #[test]
    fn a_module_names_only_reasons_that_exist() {
        for (module, js) in files(".js") {
            for code in quoted(&js, "reason(\"").into_iter().chain(quoted(&js, "code: \"")) {
                assert!(crate::REASON_CODES.contains(&code), "{module} names the unknown code {code}");
            }
        }
        let js = source("js/verdicts.js");
        for code in quoted(&js, "on(\"") {
            assert!(crate::REASON_CODES.contains(&code), "verdicts.js shapes the unknown code {code}");
        }
    }
}
