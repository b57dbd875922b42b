//! Bodies of entries and their kinds' own parts.
use domain::{
    journal::{Detail, Effect, Entry, Kind},
    money::Currency,
    time::Hlc,
};

use crate::{memory, taken_as};

/// Kinds up to here have a layout of their own, or may get one.
const KINDS: u8 = 48;

pub fn fuzz(input: &[u8]) {
    let Some((how, rest)) = taken_as(input, KINDS + 1) else { return };
    memory::within(16_384, 96, rest.len(), || {
        if how == KINDS {
            if let Ok(entry) = Entry::from_bytes(rest) {
                assert_eq!(entry.to_bytes(), rest);
                part(&entry);
            }
        } else {
            let entry = Entry::new(Kind(how.into()), Effect::None, Currency::EUR, Hlc(1));
            part(&Entry { part: rest.to_vec(), ..entry });
        }
    });
}

fn part(entry: &Entry) {
    if let Ok(detail) = Detail::of(entry) {
        assert_eq!(detail.to_bytes(), entry.part, "kind {}", entry.kind.0);
    }
}
