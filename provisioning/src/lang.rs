//! The two languages that the tool speaks. Not here: the sentences, which stand where they are said.

/// French or English.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Lang {
    /// French.
    Fr,
    /// English.
    #[default]
    En,
}

impl Lang {
    /// The language of a tag or locale such as `fr`, `fr-CA` or `en_GB.UTF-8`.
    pub fn from_tag(tag: &str) -> Option<Self> {
        match tag.trim().split(['-', '_', '.']).next()? {
            "fr" | "FR" => Some(Self::Fr),
            "en" | "EN" => Some(Self::En),
            _ => None,
        }
    }

    /// `fr` or `en`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Fr => "fr",
            Self::En => "en",
        }
    }

    /// The one of two texts that is in this language.
    pub fn pick<T>(self, fr: T, en: T) -> T {
        match self {
            Self::Fr => fr,
            Self::En => en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_names_its_language() {
        assert_eq!(Lang::from_tag("fr_FR.UTF-8"), Some(Lang::Fr));
        assert_eq!(Lang::from_tag("en-GB"), Some(Lang::En));
        assert_eq!(Lang::from_tag("C.UTF-8"), None);
    }
}
