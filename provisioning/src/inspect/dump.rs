//! Memory dumps of NTAG213, 215, 216 and Ultralight AES, as readers and phones write them.
//! Invariant: a page comes from one place of the input; what cannot be read is refused with its line or offset.
//! Not here: what the pages mean (`band`).
//!
//! Formats: raw pages of 4 bytes (45, 135, 231 or 60 of them), our own (`formats.md`, section 4: the chip's code before
//! the pages, signature and counters behind them), Proxmark's binary (56 bytes before the pages), one hexadecimal text, a line a page (`04: 01 02 03 04`, `[04] . 01:02:03 04`, `4/0x04 | 01 02 03 04 |`, `Page 4: …`,
//! or 8 digits alone), Proxmark's JSON (`blocks`).
use domain::{money::Cents, wristband::ChipKind};

use super::Unreadable;

/// Length of a page.
pub(super) const PAGE: usize = 4;
/// Bytes before the pages in Proxmark's binary dumps of these chips.
const PROXMARK_HEAD: usize = 56;
/// Chips and their pages.
const CHIPS: [(ChipKind, usize); 4] =
    [(ChipKind::Ntag213, 45), (ChipKind::Ntag215, 135), (ChipKind::Ntag216, 231), (ChipKind::UltralightAes, 60)];
/// Our own dumps: the code in front, and what follows the pages.
const OWN: [(u8, ChipKind, usize); 4] = [
    (2, ChipKind::Ntag213, 33),
    (3, ChipKind::Ntag215, 33),
    (4, ChipKind::Ntag216, 33),
    (7, ChipKind::UltralightAes, 79),
];
/// Where the counter that says what was spent stands in what follows the pages of an Ultralight AES.
const OWN_COUNTER: usize = 48 + 6;
/// The pages that a purse uses; fewer are no dump of a band.
const FEWEST: usize = 24;

/// Pages from 0 on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dump {
    /// Four bytes each.
    pub(super) pages: Vec<[u8; PAGE]>,
    /// How it was written.
    pub(super) format: &'static str,
    /// The chip's counter of what was spent, where the format has it.
    pub(super) counter: Option<Cents>,
}

impl Dump {
    /// The chip: by the number of pages, or by its capability container where the dump stops early.
    pub(super) fn chip(&self) -> Option<ChipKind> {
        let whole = CHIPS.iter().find(|(_, pages)| *pages == self.pages.len()).map(|(chip, _)| *chip);
        whole.or_else(|| match self.pages.get(3)? {
            [_, _, 0x12, _] => Some(ChipKind::Ntag213),
            [_, _, 0x3e, _] => Some(ChipKind::Ntag215),
            [_, _, 0x6d, _] => Some(ChipKind::Ntag216),
            _ => None,
        })
    }

    /// The UID in pages 0 and 1, and whether its two check bytes fit.
    pub(super) fn uid(&self) -> Option<([u8; 7], bool)> {
        let [[a, b, c, check0], [d, e, f, g], [check1, ..], ..] = self.pages.as_slice() else { return None };
        let fits = 0x88 ^ a ^ b ^ c == *check0 && d ^ e ^ f ^ g == *check1;
        Some(([*a, *b, *c, *d, *e, *f, *g], fits))
    }

    /// Pages from `first`, flattened to `N` bytes.
    pub(super) fn bytes<const N: usize>(&self, first: u8) -> Option<[u8; N]> {
        let flat = self.pages.as_flattened();
        flat.get(usize::from(first).checked_mul(PAGE)?..)?.first_chunk().copied()
    }
}

/// Whether raw bytes are a dump by their length and the UID's check bytes.
pub(super) fn looks_raw(bytes: &[u8]) -> bool {
    raw(bytes).is_some_and(|dump| dump.uid().is_some_and(|(_, fits)| fits))
}

fn raw(bytes: &[u8]) -> Option<Dump> {
    let of = |bytes: &[u8], format| {
        let known = CHIPS.iter().any(|(_, pages)| pages.saturating_mul(PAGE) == bytes.len());
        known.then(|| Dump { pages: bytes.as_chunks::<PAGE>().0.to_vec(), format, counter: None })
    };
    let proxmark = || of(bytes.get(PROXMARK_HEAD..)?, "proxmark binary");
    own(bytes).or_else(|| of(bytes, "raw")).or_else(proxmark)
}

/// What `Chip::dump` of the chip models writes.
fn own(bytes: &[u8]) -> Option<Dump> {
    let (code, rest) = bytes.split_first()?;
    let (_, kind, tail) = OWN.iter().find(|(known, ..)| known == code)?;
    let (_, pages) = CHIPS.iter().find(|(chip, _)| chip == kind)?;
    let (memory, behind) = rest.split_at_checked(pages.saturating_mul(PAGE))?;
    if behind.len() != *tail {
        return None;
    }
    let counter = match (kind, behind.get(OWN_COUNTER..)?) {
        (ChipKind::UltralightAes, [a, b, c, ..]) => Cents::new(u32::from_le_bytes([*a, *b, *c, 0])),
        _ => None,
    };
    Some(Dump { pages: memory.as_chunks::<PAGE>().0.to_vec(), format: "own", counter })
}

/// Reads raw bytes as a dump, whole or cut behind page 23 or later.
pub(super) fn from_bytes(bytes: &[u8]) -> Result<Dump, Unreadable> {
    if let Some(dump) = raw(bytes) {
        return Ok(dump);
    }
    let (pages, rest) = bytes.as_chunks::<PAGE>();
    let longest = CHIPS.iter().map(|(_, pages)| *pages).max().unwrap_or(0);
    if !rest.is_empty() {
        return Err(Unreadable::at("band", bytes.len() - rest.len(), "the last page has fewer than 4 bytes"));
    }
    if pages.len() > longest {
        return Err(Unreadable::at("band", longest * PAGE, "no chip of this family has so many pages"));
    }
    if pages.len() < FEWEST {
        return Err(Unreadable::at("band", bytes.len(), "it ends before page 24: a band's records are not in it"));
    }
    Ok(Dump { pages: pages.to_vec(), format: "raw", counter: None })
}

/// Reads a text as a dump; `None` where no line of it looks like a page.
pub(super) fn from_text(text: &str) -> Option<Result<Dump, Unreadable>> {
    if text.trim_start().starts_with('{') {
        return json(text);
    }
    let lines: Vec<(usize, Labelled)> = text
        .lines()
        .enumerate()
        .filter_map(|(number, line)| Some((number.saturating_add(1), page_line(line)?)))
        .collect();
    (!lines.is_empty()).then(|| collected(&lines))
}

/// A page of a line, with its label as written.
#[derive(Clone, Copy, Debug)]
struct Labelled<'a> {
    label: Option<&'a str>,
    base: Option<u32>,
    page: [u8; PAGE],
}

fn digits(text: &str) -> Option<Vec<u8>> {
    let tight: String = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, ':' | '-' | '.' | ',')).collect();
    domain::wire::unhex(&tight)
}

fn page_line(line: &str) -> Option<Labelled<'_>> {
    let line = line.trim();
    let line = line.strip_prefix("[=]").unwrap_or(line).trim();
    if let Some(page) = digits(line).and_then(|bytes| bytes.try_into().ok()) {
        return Some(Labelled { label: None, base: None, page });
    }
    let (label, base, rest) = labelled(line)?;
    // What follows the page (its characters, lock marks) stands behind a bar.
    let rest = rest.split('|').map(str::trim).find(|part| !part.is_empty())?;
    let words = rest.split_whitespace().skip_while(|word| domain::wire::unhex(&word.replace(':', "")).is_none());
    let joined: Vec<&str> = words.collect();
    let bytes = digits(&joined.join(""))?;
    let page = bytes.first_chunk::<PAGE>().copied().filter(|_| bytes.len() <= 2 * PAGE)?;
    Some(Labelled { label: Some(label), base, page })
}

/// The label of a page line, the base of its number where the format says it, and what follows.
fn labelled(line: &str) -> Option<(&str, Option<u32>, &str)> {
    if let Some(rest) = line.strip_prefix('[') {
        let (label, rest) = rest.split_once(']')?;
        return Some((label.trim(), Some(16), rest));
    }
    if let Some(rest) = line.strip_prefix("Page ").or_else(|| line.strip_prefix("page ")) {
        let (label, rest) = rest.split_once(':')?;
        return Some((label.trim(), Some(10), rest));
    }
    if let Some((label, rest)) = line.split_once('|')
        && let Some((label, _)) = label.split_once('/')
    {
        return Some((label.trim(), Some(10), rest));
    }
    let (label, rest) = line.split_once([':', ' ', '\t', '='])?;
    let label = label.trim();
    let number = label.strip_prefix("0x").unwrap_or(label);
    let is_number = (1..=3).contains(&number.len()) && number.chars().all(|c| c.is_ascii_hexdigit());
    is_number.then_some((label, label.starts_with("0x").then_some(16), rest))
}

/// Pages in the order of their labels: in the base that the format says, else in the one in which they follow each
/// other.
fn collected(lines: &[(usize, Labelled<'_>)]) -> Result<Dump, Unreadable> {
    let numbered = |base: u32| {
        lines.iter().enumerate().try_fold(Vec::new(), |mut pages, (index, (line, one))| {
            let label = one.label.map(|label| label.strip_prefix("0x").unwrap_or(label));
            let number = match label {
                Some(label) => u32::from_str_radix(label, one.base.unwrap_or(base)).ok(),
                None => u32::try_from(index).ok(),
            };
            if number == u32::try_from(index).ok() {
                pages.push(one.page);
                Ok(pages)
            } else {
                let wanted = format!("page {index} was due on this line");
                Err(Unreadable::line("band", *line, wanted))
            }
        })
    };
    let pages = numbered(10).or_else(|_| numbered(16))?;
    let dump = from_bytes(pages.as_flattened())?;
    Ok(Dump { format: "text", ..dump })
}

/// Proxmark's JSON: `{"blocks": {"0": "04782EDA", …}}`.
fn json(text: &str) -> Option<Result<Dump, Unreadable>> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let blocks = value.get("blocks")?.as_object()?;
    let mut pages: Vec<[u8; PAGE]> = Vec::new();
    for number in 0..blocks.len() {
        let page = blocks.get(&number.to_string()).and_then(|page| digits(page.as_str()?)?.try_into().ok());
        let Some(page) = page else {
            let reason = format!("block {number} is missing or has not 4 bytes");
            return Some(Err(Unreadable::at("band", number * PAGE, reason)));
        };
        pages.push(page);
    }
    let dump = from_bytes(pages.as_flattened());
    Some(dump.map(|dump| Dump { format: "proxmark json", ..dump }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An NTAG215 whose page n holds n, after a UID that fits.
    fn memory() -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..135).flat_map(|page| [page; 4]).collect();
        bytes[..9].copy_from_slice(&[4, 1, 2, 0x88 ^ 7, 3, 4, 5, 6, 3 ^ 4 ^ 5 ^ 6]);
        bytes[12..16].copy_from_slice(&[0xe1, 0x10, 0x3e, 0]);
        bytes
    }

    fn rows(row: impl Fn(usize, &[u8; 4]) -> String) -> String {
        memory().as_chunks::<4>().0.iter().enumerate().map(|(n, page)| row(n, page) + "\n").collect()
    }

    #[test]
    fn every_common_format_gives_the_same_pages() {
        let hex = |page: &[u8; 4]| page.map(|byte| format!("{byte:02X}"));
        let expected = from_bytes(&memory()).unwrap();
        let texts = [
            ("lines", rows(|_, page| hex(page).concat())),
            ("hex labels", rows(|n, page| format!("{n:02x}: {}", hex(page).join(" ")))),
            ("decimal labels", rows(|n, page| format!("{n:>3} {}", hex(page).join(" ")))),
            ("phone", rows(|n, page| format!("[{n:02X}] . {} |....|", hex(page).join(":")))),
            ("proxmark", rows(|n, page| format!("[=]  {n:>3}/0x{n:02X} | {} | 0 | ....", hex(page).join(" ")))),
            (
                "flipper",
                format!(
                    "Filetype: NFC\nUID: 04 01 02 03 04 05 06\nPages total: 135\n{}",
                    rows(|n, page| format!("Page {n}: {}", hex(page).join(" ")))
                ),
            ),
        ];
        for (name, text) in texts {
            let dump = from_text(&text)
                .unwrap_or_else(|| panic!("{name}"))
                .unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(dump.pages, expected.pages, "{name}");
        }
        let blocks: serde_json::Map<_, _> =
            expected.pages.iter().enumerate().map(|(n, page)| (n.to_string(), hex(page).concat().into())).collect();
        let json = serde_json::json!({ "Created": "proxmark3", "blocks": blocks }).to_string();
        assert_eq!(from_text(&json).unwrap().unwrap().pages, expected.pages);
        let mut binary = vec![0; PROXMARK_HEAD];
        binary.extend(memory());
        assert!(looks_raw(&binary));
        assert_eq!(from_bytes(&binary).unwrap().pages, expected.pages);
    }

    #[test]
    fn the_chip_is_told_by_its_length_or_its_container_and_the_uid_by_its_check_bytes() {
        let dump = from_bytes(&memory()).unwrap();
        assert_eq!(dump.chip(), Some(ChipKind::Ntag215));
        assert_eq!(dump.uid(), Some(([4, 1, 2, 3, 4, 5, 6], true)));
        let cut = from_bytes(&memory()[..56 * 4]).unwrap();
        assert_eq!((cut.chip(), cut.pages.len()), (Some(ChipKind::Ntag215), 56));
        let mut other = memory();
        other[1] ^= 1;
        assert_eq!(from_bytes(&other).unwrap().uid().map(|(_, fits)| fits), Some(false));
    }

    #[test]
    fn a_dump_that_is_cut_short_or_lacks_a_page_says_where() {
        assert_eq!(from_bytes(&memory()[..541 - 3]).unwrap_err().place, super::super::Place::Offset(536));
        assert_eq!(from_bytes(&memory()[..40]).unwrap_err().place, super::super::Place::Offset(40));
        let text = rows(|n, _| if n == 7 { String::new() } else { format!("{n:02x}: 00 00 00 00") });
        assert_eq!(from_text(&text).unwrap().unwrap_err().place, super::super::Place::Line(9));
    }
}
