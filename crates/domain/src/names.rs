//! Names of ticket holders, for the search at the gate: sealed wherever they lie, opened in memory for one search.
//! Invariant: nothing but [`seal`]ed bytes leaves this module, but for the few names that a search found; a changed,
//! cut, reordered or foreign chunk opens to nothing.
//! Not here: who gets the key (`secrets::NamesKey`, gates only), files (`box-store`), random bytes (a parameter).
//!
//! `FNAM` · version u8 = 1 · 3 zeros · festival 16 · names u32 · chunks u32 · nonce 20 = 52 bytes, then the chunks:
//! length u32 · XChaCha20-Poly1305 of at most 64 KiB of records and its tag. Nonce: those 20 bytes · chunk u32;
//! associated data: `festival.names.v1\0` · the 52 bytes · chunk u32. Record: folded length u8 · folded name · name
//! length u8 · name · ticket 16 · event u16 (0 = ours) · product u32; sorted by folded name. Numbers little-endian.
use alloc::{string::String, vec::Vec};

use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    id::{FestivalId, TicketUid},
    secrets::NamesKey,
    ticket::{fold_name, snapshot::SnapshotProduct},
    wire::{Malformed, Reader, Writer},
};

const MAGIC: &[u8; 4] = b"FNAM";
const TAG: &[u8] = b"festival.names.v1\0";
const ONE_TAG: &[u8] = b"festival.name.v1\0";
const HEADER: usize = 52;
const CHUNK: usize = 64 * 1024;
const AEAD_TAG: usize = 16;
/// Most results of one search.
pub const FOUND_MAX: usize = 20;
/// Shortest search, in letters.
pub const QUERY_MIN: usize = 2;
/// Longest search, in bytes.
pub const QUERY_MAX: usize = 100;
/// Longest name, in bytes.
pub const NAME_MAX: usize = 200;

/// A holder, as written down.
#[derive(Clone, PartialEq, Eq)]
pub struct Named {
    /// As the holder spells it.
    pub name: String,
    /// Whose ticket.
    pub ticket: TicketUid,
    /// What was sold; `None` where nobody here knows.
    pub product: Option<SnapshotProduct>,
}

impl core::fmt::Debug for Named {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Named(.., {})", self.ticket)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.name.zeroize();
    }
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// At most [`FOUND_MAX`], by name.
    pub names: Vec<Named>,
    /// Whether there are more.
    pub more: bool,
}

/// Names that cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NamesError {
    /// Not of the layout.
    #[error("not a list of names: {0}")]
    Malformed(#[from] Malformed),
    /// Another festival's.
    #[error("names of festival {0}")]
    Festival(FestivalId),
    /// Sealed with another key, or changed.
    #[error("the names cannot be opened with this key")]
    Sealed,
}

fn cipher(key: &NamesKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(Key::from_slice(key.bytes()))
}

fn nonce(random: &[u8; 20], chunk: u32) -> XNonce {
    let mut nonce = XNonce::default();
    for (to, from) in nonce.iter_mut().zip(random.iter().chain(&chunk.to_le_bytes())) {
        *to = *from;
    }
    nonce
}

fn associated(header: &[u8], chunk: u32) -> Vec<u8> {
    [TAG, header, &chunk.to_le_bytes()].concat()
}

fn header(festival: &FestivalId, names: u32, chunks: u32, random: &[u8; 20]) -> Vec<u8> {
    let mut out = Writer::new();
    out.bytes(MAGIC);
    out.u8(1);
    out.bytes(&[0; 3]);
    festival.write(&mut out);
    out.u32(names);
    out.u32(chunks);
    out.bytes(random);
    out.finish()
}

/// At most `most` bytes of a text, up to the end of a letter.
fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

fn record(folded: &str, named: &Named) -> Zeroizing<Vec<u8>> {
    let (folded, name) = (cut(folded, usize::from(u8::MAX)), cut(&named.name, NAME_MAX));
    let mut out = Writer::new();
    for text in [folded, name] {
        out.u8(u8::try_from(text.len()).unwrap_or(u8::MAX));
        out.bytes(text.as_bytes());
    }
    named.ticket.write(&mut out);
    let product = named.product.unwrap_or(UNKNOWN);
    out.u16(product.event);
    out.u32(product.product);
    Zeroizing::new(out.finish())
}

/// Stands for a product that nobody here knows.
const UNKNOWN: SnapshotProduct = SnapshotProduct { event: u16::MAX, product: u32::MAX };

/// Seals a list of names; those without a letter or digit are left out. `random` must never be used twice.
pub fn seal(festival: &FestivalId, key: &NamesKey, random: &[u8; 20], names: &[Named]) -> Result<Vec<u8>, NamesError> {
    let mut folded: Vec<(Zeroizing<String>, &Named)> =
        names.iter().map(|named| (Zeroizing::new(fold_name(&named.name)), named)).collect();
    folded.retain(|(folded, _)| !folded.is_empty());
    folded.sort_by(|one, other| (one.0.as_str(), one.1.ticket).cmp(&(other.0.as_str(), other.1.ticket)));
    let mut chunks: Vec<Zeroizing<Vec<u8>>> = Vec::new();
    for (folded, named) in &folded {
        let record = record(folded, named);
        match chunks.last_mut() {
            Some(chunk) if chunk.len().saturating_add(record.len()) <= CHUNK => chunk.extend_from_slice(&record),
            Some(_) | None => {
                let mut chunk = Zeroizing::new(Vec::with_capacity(CHUNK));
                chunk.extend_from_slice(&record);
                chunks.push(chunk);
            }
        }
    }
    let count = |n: usize| u32::try_from(n).map_err(|_| Malformed::Value("names"));
    let header = header(festival, count(folded.len())?, count(chunks.len())?, random);
    let mut out = Writer::new();
    out.bytes(&header);
    let cipher = cipher(key);
    for (index, chunk) in (0u32..).zip(&chunks) {
        let aad = associated(&header, index);
        let sealed = cipher.encrypt(&nonce(random, index), Payload { msg: chunk, aad: &aad });
        let sealed = sealed.map_err(|_| NamesError::Sealed)?;
        out.u32(count(sealed.len())?);
        out.bytes(&sealed);
    }
    Ok(out.finish())
}

/// Finds holders: each word of `query` begins some word of the name, whatever its case and accents. One chunk is open
/// at a time. A query shorter than [`QUERY_MIN`] letters finds nobody.
pub fn search(sealed: &[u8], festival: &FestivalId, key: &NamesKey, query: &str) -> Result<Found, NamesError> {
    let query = Zeroizing::new(fold_name(cut(query, QUERY_MAX)));
    let words: Vec<&str> = query.split(' ').filter(|word| !word.is_empty()).collect();
    let mut found = Found::default();
    let asks = query.chars().count() >= QUERY_MIN;
    each(sealed, festival, key, |folded, named| {
        let fits = asks && words.iter().all(|word| folded.split(' ').any(|of| of.starts_with(word)));
        if fits && found.names.len() < FOUND_MAX {
            found.names.push(named()?);
        } else if fits {
            found.more = true;
        }
        Ok(!found.more && asks)
    })?;
    Ok(found)
}

/// Opens chunk after chunk and shows every record (the folded name, and how to read the rest) until told to stop.
fn each(
    sealed: &[u8],
    festival: &FestivalId,
    key: &NamesKey,
    mut show: impl FnMut(&str, &dyn Fn() -> Result<Named, NamesError>) -> Result<bool, NamesError>,
) -> Result<(), NamesError> {
    let head = sealed.get(..HEADER).ok_or(Malformed::Short { missing: HEADER.saturating_sub(sealed.len()) })?;
    let mut input = Reader::new(sealed);
    if input.take(4)? != MAGIC || input.u8()? != 1 || input.array::<3>()? != [0; 3] {
        return Err(Malformed::Value("magic or version").into());
    }
    let of = FestivalId::read(&mut input)?;
    if of != *festival {
        return Err(NamesError::Festival(of));
    }
    let (_, chunks, random) = (input.u32()?, input.u32()?, input.array()?);
    let cipher = cipher(key);
    for index in 0..chunks {
        let length = input.u32()? as usize;
        if length > CHUNK.saturating_add(AEAD_TAG) {
            return Err(Malformed::Value("chunk").into());
        }
        let aad = associated(head, index);
        let opened = cipher.decrypt(&nonce(&random, index), Payload { msg: input.take(length)?, aad: &aad });
        let opened = Zeroizing::new(opened.map_err(|_| NamesError::Sealed)?);
        let mut records = Reader::new(&opened);
        while !records.rest().is_empty() {
            let length = records.u8()?;
            let folded = text(records.take(usize::from(length))?)?;
            let length = records.u8()?;
            let name = records.take(usize::from(length))?;
            let ticket = TicketUid::read(&mut records)?;
            let product = SnapshotProduct { event: records.u16()?, product: records.u32()? };
            let product = Some(product).filter(|product| *product != UNKNOWN);
            let named = || Ok(Named { name: text(name)?.into(), ticket, product });
            if !show(folded, &named)? {
                return Ok(());
            }
        }
    }
    Ok(input.end()?)
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    core::str::from_utf8(bytes).map_err(|_| Malformed::Value("name"))
}

/// Seals one name, as the hub keeps it: nonce 24 · XChaCha20-Poly1305; associated data `festival.name.v1\0` ·
/// festival 16 · ticket 16.
pub fn seal_one(
    festival: &FestivalId,
    key: &NamesKey,
    random: &[u8; 24],
    ticket: &TicketUid,
    name: &str,
) -> Result<Vec<u8>, NamesError> {
    let aad = [ONE_TAG, &festival.0, &ticket.0].concat();
    let payload = Payload { msg: cut(name, NAME_MAX).as_bytes(), aad: &aad };
    let sealed = cipher(key).encrypt(XNonce::from_slice(random), payload).map_err(|_| NamesError::Sealed)?;
    Ok([random.as_slice(), &sealed].concat())
}

/// Opens what [`seal_one`] made.
pub fn open_one(
    festival: &FestivalId,
    key: &NamesKey,
    ticket: &TicketUid,
    sealed: &[u8],
) -> Result<Zeroizing<String>, NamesError> {
    let mut input = Reader::new(sealed);
    let random: [u8; 24] = input.array()?;
    let aad = [ONE_TAG, &festival.0, &ticket.0].concat();
    let opened = cipher(key).decrypt(XNonce::from_slice(&random), Payload { msg: input.rest(), aad: &aad });
    let opened = Zeroizing::new(opened.map_err(|_| NamesError::Sealed)?);
    Ok(Zeroizing::new(text(&opened)?.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::secrets::MasterSecret;

    const FESTIVAL: FestivalId = FestivalId([7; 16]);

    fn key() -> NamesKey {
        MasterSecret([1; 32]).names_key(&FESTIVAL)
    }

    fn named(n: u16, name: &str) -> Named {
        let [a, b] = n.to_be_bytes();
        let mut ticket = [0; 16];
        (ticket[0], ticket[1]) = (a, b);
        Named {
            name: name.into(),
            ticket: TicketUid(ticket),
            product: Some(SnapshotProduct { event: 0, product: u32::from(n) }),
        }
    }

    fn sealed(names: &[Named]) -> Vec<u8> {
        seal(&FESTIVAL, &key(), &[5; 20], names).unwrap()
    }

    fn found(sealed: &[u8], query: &str) -> Vec<String> {
        let found = search(sealed, &FESTIVAL, &key(), query).unwrap();
        found.names.iter().map(|named| named.name.clone()).collect()
    }

    fn guests() -> Vec<u8> {
        sealed(&[
            named(1, "Hélène Lefèvre-Œuvray"),
            named(2, "Søren Łukasz"),
            named(3, "Helen Brown"),
            named(4, "ＷＩＤＥ Name"),
            named(5, "  "),
            named(6, "Müller, Jörg"),
        ])
    }

    #[test]
    fn a_guest_is_found_by_the_beginning_of_any_word_whatever_case_and_accents() {
        let sealed = guests();
        assert_eq!(found(&sealed, "hel"), ["Helen Brown", "Hélène Lefèvre-Œuvray"]);
        assert_eq!(found(&sealed, "LEFE"), ["Hélène Lefèvre-Œuvray"]);
        assert_eq!(found(&sealed, "oeuv hele"), ["Hélène Lefèvre-Œuvray"]);
        assert_eq!(found(&sealed, "Œuvray HÉLÈNE"), ["Hélène Lefèvre-Œuvray"]);
        assert_eq!(found(&sealed, "he\u{301}le\u{300}n"), ["Helen Brown", "Hélène Lefèvre-Œuvray"]);
        assert_eq!(found(&sealed, "soren"), ["Søren Łukasz"]);
        assert_eq!(found(&sealed, "lukasz"), ["Søren Łukasz"]);
        assert_eq!(found(&sealed, "wide"), ["ＷＩＤＥ Name"]);
        assert_eq!(found(&sealed, "jorg"), ["Müller, Jörg"]);
        assert!(found(&sealed, "elen").is_empty(), "not from the middle of a word");
        assert!(found(&sealed, "h").is_empty() && found(&sealed, " , ").is_empty(), "too short");
    }

    #[test]
    fn a_result_names_ticket_and_product() {
        let found = search(&guests(), &FESTIVAL, &key(), "helen brown").unwrap();
        assert_eq!(found.names, [named(3, "Helen Brown")]);
        let mut unknown = named(1, "Who Ever");
        unknown.product = None;
        assert_eq!(search(&sealed(&[unknown.clone()]), &FESTIVAL, &key(), "who").unwrap().names, [unknown]);
    }

    #[test]
    fn at_most_twenty_are_shown_and_the_screen_is_told_of_more() {
        let many: Vec<Named> = (0..3_000).map(|n| named(n, &alloc::format!("Guest number {n:04} of many"))).collect();
        let bytes = sealed(&many);
        assert!(bytes.len() > CHUNK, "several chunks");
        let all = search(&bytes, &FESTIVAL, &key(), "guest").unwrap();
        assert_eq!((all.names.len(), all.more), (FOUND_MAX, true));
        assert_eq!(found(&bytes, "2999"), ["Guest number 2999 of many"]);
    }

    #[test]
    fn no_name_stands_in_the_sealed_bytes_and_another_key_opens_nothing() {
        let bytes = guests();
        for part in ["Lef", "lef", "Brown", "brown", "ukasz"] {
            assert!(!bytes.windows(part.len()).any(|window| window == part.as_bytes()), "{part}");
        }
        let other = MasterSecret([2; 32]).names_key(&FESTIVAL);
        assert_eq!(search(&bytes, &FESTIVAL, &other, "helen"), Err(NamesError::Sealed));
        assert_eq!(search(&bytes, &FestivalId([8; 16]), &key(), "helen"), Err(NamesError::Festival(FESTIVAL)));
    }

    #[test]
    fn a_changed_byte_or_a_cut_is_noticed() {
        let bytes = guests();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(search(&changed, &FESTIVAL, &key(), "zz").is_err(), "byte {at}");
            assert!(search(&bytes[..at], &FESTIVAL, &key(), "zz").is_err(), "cut at {at}");
        }
    }

    #[test]
    fn chunks_in_another_order_are_refused() {
        let many: Vec<Named> = (0..3_000).map(|n| named(n, "A guest with a long enough name")).collect();
        let bytes = sealed(&many);
        let length = |at: usize| 4 + u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let first = HEADER + length(HEADER);
        let second = first + length(first);
        let swapped = [&bytes[..HEADER], &bytes[first..second], &bytes[HEADER..first], &bytes[second..]].concat();
        assert_eq!(search(&swapped, &FESTIVAL, &key(), "zz"), Err(NamesError::Sealed));
    }

    #[test]
    fn a_single_name_opens_for_its_own_ticket_only() {
        let (one, other) = (TicketUid([1; 16]), TicketUid([2; 16]));
        let sealed = seal_one(&FESTIVAL, &key(), &[3; 24], &one, "Hélène").unwrap();
        assert_eq!(*open_one(&FESTIVAL, &key(), &one, &sealed).unwrap(), "Hélène");
        assert_eq!(open_one(&FESTIVAL, &key(), &other, &sealed), Err(NamesError::Sealed));
        assert_eq!(open_one(&FestivalId([8; 16]), &key(), &one, &sealed), Err(NamesError::Sealed));
        assert!(open_one(&FESTIVAL, &key(), &one, &sealed[..20]).is_err());
    }

    proptest! {
        #[test]
        fn any_name_with_two_letters_is_found_by_its_first_word(name in "[\\p{L}]{2,12} [\\p{L}]{0,12}") {
            let folded = fold_name(&name);
            let first = folded.split(' ').next().unwrap_or_default();
            prop_assume!(first.chars().count() >= QUERY_MIN);
            let bytes = sealed(&[named(1, &name)]);
            prop_assert_eq!(found(&bytes, first), [name]);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), query in "\\PC{0,20}") {
            let _ = search(&bytes, &FESTIVAL, &key(), &query);
        }
    }
}
