//! The holder check: 16 bits that tell the name on an identity card from a wrong one, without the name in the QR.
//! Invariant: spelling that people do not see as a difference (case, accents, spaces, hyphens) makes none here.
use alloc::string::String;

use unicode_normalization::UnicodeNormalization;

/// Check value of a holder's name: the low 16 bits (little-endian) of the BLAKE3 hash of its normalised form.
/// 0 for an empty or blank name only; another name that would get 0 gets 1.
pub fn holder_check(name: &str) -> u16 {
    if name.trim().is_empty() {
        return 0;
    }
    let hash = blake3::hash(normalised(name).as_bytes());
    let [low, high, ..] = *hash.as_bytes();
    u16::from_le_bytes([low, high]).max(1)
}

/// A name as a search sees it: compatible forms made one (NFKD), then as for the holder check: lower case, Latin
/// letters plain, one space between words. Idempotent.
pub fn fold_name(name: &str) -> String {
    // folding may bring out a letter that folds again (an upper-case letter of a compatible form)
    normalised(&normalised(&name.nfkd().collect::<String>()).nfkd().collect::<String>())
}

/// Lower case, Latin letters without their accents, everything else that is no letter or digit as one space.
fn normalised(name: &str) -> String {
    let mut out = String::new();
    let mut gap = false;
    for letter in name.chars().flat_map(char::to_lowercase) {
        if is_combining_mark(letter) {
            continue;
        }
        if !letter.is_alphanumeric() {
            gap = true;
            continue;
        }
        if gap && !out.is_empty() {
            out.push(' ');
        }
        gap = false;
        push_plain(&mut out, letter);
    }
    out
}

/// Combining diacritical marks: a name may come composed or decomposed.
fn is_combining_mark(letter: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&letter)
}

fn push_plain(out: &mut String, letter: char) {
    let plain = match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'ç' | 'ć' | 'č' | 'ĉ' | 'ċ' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => "i",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ŏ' | 'ő' => "o",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => "s",
        'ţ' | 'ť' | 'ț' => "t",
        'ù' | 'ú' | 'û' | 'ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        'æ' => "ae",
        'œ' => "oe",
        'ß' => "ss",
        _ => {
            out.push(letter);
            return;
        }
    };
    out.push_str(plain);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_accents_spaces_and_hyphens_make_no_difference() {
        let check = holder_check("Hélène Lefèvre-Œuvray");
        assert_eq!(holder_check("HELENE  LEFEVRE OEUVRAY "), check);
        assert_eq!(holder_check("he\u{301}le\u{300}ne lefèvre\u{2010}œuvray"), check);
        assert_ne!(holder_check("Hélène Lefort-Œuvray"), check);
        assert_ne!(holder_check("Helenelefevre Oeuvray"), check);
    }

    #[test]
    fn no_name_has_no_check() {
        assert_eq!(holder_check(""), 0);
        assert_eq!(holder_check("  \t"), 0);
    }

    #[test]
    fn the_value_is_the_same_in_every_version() {
        assert_eq!(normalised("  Ana-María d'Ørsted 3 "), "ana maria d orsted 3");
        let [low, high, ..] = *blake3::hash(b"ana maria d orsted 3").as_bytes();
        assert_eq!(holder_check("Ana-María d'Ørsted 3"), u16::from_le_bytes([low, high]));
    }

    #[test]
    fn a_composed_letter_folds_like_one_that_unicode_takes_apart() {
        let composed =
            "àáâãäåāăą çćčĉċ ďđð èéêëēĕėęě ĝğġģ ìíîïĩīĭįı ĺļľł ñńņň òóôõöøōŏő ŕŗř śŝşšș ţťț ùúûüũūŭůűų ýÿ źżž æœß";
        let plain =
            "aaaaaaaaa ccccc ddd eeeeeeeee gggg iiiiiiiii llll nnnn ooooooooo rrr sssss ttt uuuuuuuuuu yy zzz aeoess";
        assert_eq!((normalised(composed), fold_name(composed)), (plain.into(), plain.into()));
    }

    proptest! {
        #[test]
        fn a_name_never_looks_like_no_name(name in "\\PC*[^\\s]\\PC*") {
            prop_assume!(!name.trim().is_empty());
            prop_assert_ne!(holder_check(&name), 0);
        }
    }
}
