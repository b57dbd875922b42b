//! Every reason code that the core, a box or its store can give has a text of its own in French and English.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Not the hub: its answers carry both texts themselves.
const FOLDERS: [&str; 3] = ["crates/domain/src", "crates/box-store/src", "edge/src"];
const FAMILIES: [&str; 15] = [
    "ticket.",
    "gate.",
    "lan.",
    "zone.",
    "staff.",
    "till.",
    "band.",
    "box.",
    "reader.",
    "scanner.",
    "turnstile.",
    "printer.",
    "pairing.",
    "api.",
    "pretix_key.",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn literals(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            literals(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("mod tests {").next().unwrap_or_default();
            found.extend(code.split('"').skip(1).step_by(2).filter(|literal| is_reason(literal)).map(str::to_owned));
        }
    }
}

fn is_reason(literal: &str) -> bool {
    let Some(family) = FAMILIES.iter().find(|family| literal.starts_with(**family)) else { return false };
    let rest = &literal[family.len()..];
    // kinds of damage are a family in the family
    let rest = rest.strip_prefix("damaged.").unwrap_or(rest);
    let file = ["db", "toml", "key", "sock", "json", "fbun", "chain", "pem"].contains(&rest);
    !rest.is_empty() && !file && rest.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn every_reason_has_a_text_in_french_and_in_english() {
    let mut codes = BTreeSet::new();
    for folder in FOLDERS {
        literals(&root().join(folder), &mut codes);
    }
    assert!(codes.len() > 50, "the search found {} codes", codes.len());
    let missing: Vec<&String> = codes.iter().filter(|code| !screens::REASON_CODES.contains(&code.as_str())).collect();
    assert!(missing.is_empty(), "no text for {missing:?}");
    for lang in [screens::Lang::Fr, screens::Lang::En] {
        let texts = screens::all(lang);
        let silent: Vec<&String> = codes.iter().filter(|code| !texts.contains_key(&screens::text_key(code))).collect();
        assert!(silent.is_empty(), "{}: no text for {silent:?}", lang.tag());
    }
}
