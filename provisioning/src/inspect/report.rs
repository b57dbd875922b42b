//! What inspection found: facts in order, notes on them, and how far they can be believed.
//! Invariant: the JSON and the text for people are made from the same facts.
//! Not here: reading anything (the kinds), the command line.
use serde_json::{Map, Value, json};

use super::utc;
use crate::Lang;

/// How far the facts can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Signatures and MACs were checked up to what was given, and hold.
    Proven,
    /// Readable, but nothing was given to check it with.
    Unproven,
    /// Something in it is wrong: see the notes.
    Bad,
}

impl Standing {
    /// In JSON.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Unproven => "unproven",
            Self::Bad => "bad",
        }
    }
}

/// One remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Stable code.
    pub code: &'static str,
    /// Whether it makes the thing bad.
    pub bad: bool,
    /// In French.
    pub fr: String,
    /// In English.
    pub en: String,
}

/// One fact's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// As it is.
    Text(String),
    /// A code for machines, words for people.
    Word(&'static str, &'static str, &'static str),
    /// A number.
    Number(u64),
    /// Minor units.
    Money(i64),
    /// Unix seconds.
    Time(u64),
    /// Yes or no.
    Flag(bool),
    /// Facts of its own.
    Sheet(Sheet),
    /// Several.
    List(Vec<Fact>),
    /// Not known.
    Nothing,
}

/// Facts in order: key for machines, name in French and English.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet(Vec<(&'static str, &'static str, &'static str, Fact)>);

impl Sheet {
    /// Adds a fact.
    pub fn put(&mut self, key: &'static str, fr: &'static str, en: &'static str, fact: Fact) {
        self.0.push((key, fr, en, fact));
    }

    /// The fact of a key.
    pub fn fact(&self, key: &str) -> Option<&Fact> {
        self.0.iter().find(|line| line.0 == key).map(|line| &line.3)
    }

    fn json(&self) -> Map<String, Value> {
        self.0.iter().map(|(key, _, _, fact)| ((*key).to_string(), fact.json())).collect()
    }

    fn lines(&self, lang: Lang, depth: usize, out: &mut Vec<String>) {
        for (_, fr, en, fact) in &self.0 {
            fact.lines(lang.pick(fr, en), lang, depth, out);
        }
    }
}

/// `12.34`, with its sign.
fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
}

/// Text from outside as one line: what would move the cursor or turn the writing round is shown as its escape.
fn printable(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let show = |c: char| if c.is_control() || turns(c) { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(show).collect()
}

impl Fact {
    fn json(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Word(code, _, _) => json!(code),
            Self::Number(number) | Self::Time(number) => json!(number),
            Self::Money(cents) => json!(cents),
            Self::Flag(yes) => json!(yes),
            Self::Sheet(sheet) => Value::Object(sheet.json()),
            Self::List(facts) => Value::Array(facts.iter().map(Self::json).collect()),
            Self::Nothing => Value::Null,
        }
    }

    fn line(&self, lang: Lang) -> Option<String> {
        Some(match self {
            Self::Text(text) => printable(text),
            Self::Word(_, fr, en) => lang.pick(*fr, *en).to_string(),
            Self::Number(number) => number.to_string(),
            Self::Money(cents) => money(*cents),
            Self::Time(0) => lang.pick("sans limite", "no limit").into(),
            Self::Time(at) => utc(*at),
            Self::Flag(yes) => if *yes { lang.pick("oui", "yes") } else { lang.pick("non", "no") }.to_string(),
            Self::List(facts) if facts.is_empty() => "-".into(),
            Self::Sheet(_) | Self::List(_) => return None,
            Self::Nothing => "-".into(),
        })
    }

    fn lines(&self, name: &str, lang: Lang, depth: usize, out: &mut Vec<String>) {
        let indent = "  ".repeat(depth);
        if let Some(line) = self.line(lang) {
            out.push(format!("{indent}{name:<20} {line}"));
            return;
        }
        match self {
            Self::Sheet(sheet) => {
                out.push(format!("{indent}{name}"));
                sheet.lines(lang, depth.saturating_add(1), out);
            }
            Self::List(facts) => {
                for (number, fact) in facts.iter().enumerate() {
                    fact.lines(&format!("{name} {number}"), lang, depth, out);
                }
            }
            Self::Text(_)
            | Self::Word(..)
            | Self::Number(_)
            | Self::Money(_)
            | Self::Time(_)
            | Self::Flag(_)
            | Self::Nothing => {}
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Code of the kind.
    pub kind: &'static str,
    /// Its name, French and English.
    pub name: (&'static str, &'static str),
    /// Whether everything that can be signed in it was checked against what was given.
    pub checked: bool,
    /// Remarks.
    pub notes: Vec<Note>,
    /// Facts.
    pub facts: Sheet,
}

impl Report {
    /// Nothing yet about a thing of this kind.
    pub fn new(kind: &'static str, fr: &'static str, en: &'static str) -> Self {
        Self { kind, name: (fr, en), checked: false, notes: Vec::new(), facts: Sheet::default() }
    }

    /// Remarks on something that is wrong.
    pub fn bad(&mut self, code: &'static str, fr: impl Into<String>, en: impl Into<String>) {
        self.notes.push(Note { code, bad: true, fr: fr.into(), en: en.into() });
    }

    /// Remarks on something that one should know.
    pub fn note(&mut self, code: &'static str, fr: impl Into<String>, en: impl Into<String>) {
        self.notes.push(Note { code, bad: false, fr: fr.into(), en: en.into() });
    }

    /// How far it can be believed.
    pub fn standing(&self) -> Standing {
        match (self.notes.iter().any(|note| note.bad), self.checked) {
            (true, _) => Standing::Bad,
            (false, true) => Standing::Proven,
            (false, false) => Standing::Unproven,
        }
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let note = |note: &Note| json!({ "code": note.code, "bad": note.bad, "message": note.en });
        let mut object = Map::new();
        object.insert("kind".into(), json!(self.kind));
        object.insert("standing".into(), json!(self.standing().code()));
        object.insert("notes".into(), self.notes.iter().map(note).collect());
        object.extend(self.facts.json());
        Value::Object(object)
    }

    /// For people.
    pub fn explain(&self, lang: Lang) -> String {
        let standing = match self.standing() {
            Standing::Proven => lang.pick("vérifié, tout concorde", "verified, everything holds"),
            Standing::Unproven => lang.pick(
                "lisible, mais rien n'a été donné pour le vérifier en entier",
                "readable, but what was given does not suffice to verify all of it",
            ),
            Standing::Bad => lang.pick("à ne pas croire", "not to be believed"),
        };
        let mut lines = vec![format!("{} : {standing}", lang.pick(self.name.0, self.name.1))];
        if lang == Lang::En {
            lines = vec![format!("{}: {standing}", self.name.1)];
        }
        let mark = |note: &Note| if note.bad { "!" } else { "·" };
        lines.extend(
            self.notes.iter().map(|note| format!("{} {}", mark(note), printable(lang.pick(&note.fr, &note.en)))),
        );
        self.facts.lines(lang, 1, &mut lines);
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_move_the_cursor_or_turn_the_line_round() {
        let mut report = Report::new("x", "Chose", "Thing");
        report.facts.put("name", "nom", "name", Fact::Text("a\u{1b}[2J\u{202e}b\nc".into()));
        let text = report.explain(Lang::En);
        assert!(text.contains("a\\u{1b}[2J\\u{202e}b\\u{a}c"), "{text}");
        assert_eq!(report.json()["name"], "a\u{1b}[2J\u{202e}b\nc", "machines get it as it is");
    }

    #[test]
    fn amounts_print_with_their_sign_and_one_bad_note_is_enough() {
        assert_eq!([money(-5), money(1_234), money(i64::MIN)], ["-0.05", "12.34", "-92233720368547758.08"]);
        let mut report = Report { checked: true, ..Report::new("x", "Chose", "Thing") };
        assert_eq!(report.standing(), Standing::Proven);
        report.note("a", "rien", "nothing");
        assert_eq!(report.standing(), Standing::Proven);
        report.bad("b", "faux", "wrong");
        assert_eq!(report.standing(), Standing::Bad);
    }
}
